//! Programs and libraries for guests that are machines of another kind than this one: Debian's,
//! unpacked into the cache and never installed.

use crate::error::{Error, IoContext, Result};
use crate::fetch;
use hachi_build::{Arch, Cache};
use object::{Object as _, ObjectSection as _};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What test programs and programs that tests start need.
const PACKAGES: &[&str] = &[
    "coreutils",
    "dash",
    "iproute2",
    "iputils-ping",
    "libbpf1",
    "libc6",
    "libgcc-s1",
];

/// Directories of a package that no program needs to run.
const UNUSED: &[&str] = &["etc", "usr/share", "usr/lib/systemd", "var"];

/// Version of the above: another choice of packages is another entry in the cache.
const EDITION: &str = "1";

/// How old a list of packages may be.
const FRESH: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The user space of one kind of machine.
#[derive(Clone, Debug)]
pub(crate) struct Userland {
    arch: Arch,
    /// What would be `/` there.
    root: PathBuf,
}

impl Userland {
    /// That of this machine's release of Debian, from the cache or else from the package archive.
    pub(crate) fn find(arch: Arch) -> Result<Self> {
        let cache = Cache::locate(None)?;
        let archive = fetch::debian()?;
        let name = archive.codename();
        let entry = format!("userland/{name}-{}-{EDITION}", arch.debian());
        let directory = cache.get_or_make(&entry, |directory| {
            let mirror = archive.mirror(name).ok_or_else(|| Error::NotDebian {
                found: format!("Debian without `{name}` among its sources"),
            })?;
            let work = cache.directory("apt")?;
            let suite = fetch::suite(&archive, arch, &work, &mirror, name)?;
            suite.update(FRESH)?;
            eprintln!("hachi: fetching Debian's programs for {arch} from {name}");
            let packages = suite.closure(PACKAGES)?;
            suite.download(&packages, directory)?;
            let root = directory.join("root");
            fetch::unpack_packages(directory, &root)?;
            for unused in UNUSED.iter().map(|unused| root.join(unused)) {
                if unused.exists() {
                    fs::remove_dir_all(&unused).during("remove", &unused)?;
                }
            }
            Ok::<(), Error>(())
        })?;
        Ok(Self {
            arch,
            root: directory.join("root"),
        })
    }

    /// Where a program is, in the guest and here.
    pub(crate) fn program(&self, name: &str) -> Option<(PathBuf, PathBuf)> {
        ["usr/bin", "usr/sbin", "bin", "sbin"]
            .iter()
            .map(|directory| Path::new(directory).join(name))
            .find_map(|path| Some((Path::new("/").join(&path), self.at(&path)?)))
    }

    /// The file at this path, if it is there and no link leads out of the root.
    fn at(&self, path: &Path) -> Option<PathBuf> {
        let real = self.root.join(path).canonicalize().ok()?;
        let inside = real.starts_with(self.root.canonicalize().ok()?);
        (inside && real.is_file()).then_some(real)
    }

    /// The libraries that a program needs, and its dynamic linker: paths in the guest and here.
    pub(crate) fn libraries(&self, program: &Path) -> Result<Vec<(PathBuf, PathBuf)>> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        let mut open = vec![program.to_owned()];
        while let Some(file) = open.pop() {
            let needs = self.needs(&file)?;
            for need in needs.into_iter().filter(|need| seen.insert(need.clone())) {
                let (path, real) = self.library(&need).ok_or_else(|| Error::Library {
                    program: file.clone(),
                    library: need.clone(),
                })?;
                open.push(real.clone());
                found.push((path, real));
            }
        }
        Ok(found)
    }

    /// A library by its name, or the dynamic linker by its path.
    pub(crate) fn library(&self, name: &str) -> Option<(PathBuf, PathBuf)> {
        if let Some(path) = name.strip_prefix('/') {
            // On newer releases, `/lib` is a link to `/usr/lib`, which no package has.
            let real = [path.to_owned(), format!("usr/{path}")]
                .iter()
                .find_map(|path| self.at(Path::new(path)))?;
            return Some((PathBuf::from(name), real));
        }
        if name.contains('/') {
            return None;
        }
        let gnu = self.arch.gnu();
        let places = [format!("lib/{gnu}"), format!("usr/lib/{gnu}")];
        let real = places
            .iter()
            .find_map(|place| self.at(&Path::new(place).join(name)))?;
        Some((Path::new("/lib").join(gnu).join(name), real))
    }

    /// The names in a program or library of what it needs.
    fn needs(&self, file: &Path) -> Result<Vec<String>> {
        let bytes = fs::read(file).during("read", file)?;
        needs(&bytes, self.arch).ok_or_else(|| Error::NotAProgram {
            path: file.to_owned(),
            arch: self.arch,
        })
    }
}

/// The tag of an entry that names a library, in the dynamic section of an ELF file.
const DT_NEEDED: u64 = 1;

/// The dynamic linker and the libraries that an ELF file for that machine names.
fn needs(bytes: &[u8], arch: Arch) -> Option<Vec<String>> {
    let file = object::File::parse(bytes).ok()?;
    let machine = match file.architecture() {
        object::Architecture::X86_64 => Arch::X86_64,
        object::Architecture::Aarch64 => Arch::Aarch64,
        object::Architecture::Riscv64 => Arch::Riscv64,
        object::Architecture::S390x => Arch::S390x,
        _ => return None,
    };
    if machine != arch {
        return None;
    }
    let section = |name: &str| file.section_by_name(name)?.data().ok();
    let text = |bytes: &[u8]| {
        let bytes = bytes.split(|byte| *byte == 0).next()?;
        String::from_utf8(bytes.to_owned()).ok()
    };
    let mut needs: Vec<String> = section(".interp").and_then(text).into_iter().collect();
    let (Some(dynamic), Some(strings)) = (section(".dynamic"), section(".dynstr")) else {
        // A static program.
        return Some(needs);
    };
    let number = |bytes: &[u8]| {
        let bytes = bytes.try_into().ok()?;
        Some(match file.is_little_endian() {
            true => u64::from_le_bytes(bytes),
            false => u64::from_be_bytes(bytes),
        })
    };
    for entry in dynamic.chunks_exact(16) {
        let (tag, value) = entry.split_at(8);
        if number(tag)? == DT_NEEDED {
            let at = usize::try_from(number(value)?).ok()?;
            needs.push(text(strings.get(at..)?)?);
        }
    }
    Some(needs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_names_what_it_needs() {
        let this = fs::read(std::env::current_exe().unwrap()).unwrap();
        let arch = Arch::here().expect("tests run on machines that guests can be of");
        let needs_of_this = needs(&this, arch).unwrap();
        if cfg!(target_feature = "crt-static") {
            assert_eq!(needs_of_this, [""; 0]);
        } else {
            assert!(needs_of_this[0].starts_with('/'), "{needs_of_this:?}");
            assert!(needs_of_this.iter().any(|name| name.starts_with("libc.")));
        }
        let other = Arch::ALL.into_iter().find(|other| *other != arch).unwrap();
        assert_eq!(needs(&this, other), None);
        assert_eq!(needs(&this[..50], arch), None);
        assert_eq!(needs(b"#!/bin/sh", arch), None);
    }

    #[test]
    fn links_that_lead_out_are_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let bin = directory.path().join("root/bin");
        fs::create_dir_all(&bin).unwrap();
        fs::write(bin.join("dash"), "").unwrap();
        std::os::unix::fs::symlink("dash", bin.join("sh")).unwrap();
        fs::write(directory.path().join("outside"), "").unwrap();
        std::os::unix::fs::symlink(directory.path().join("outside"), bin.join("ip")).unwrap();
        let userland = Userland {
            arch: Arch::Aarch64,
            root: directory.path().join("root"),
        };
        let (path, real) = userland.program("sh").unwrap();
        assert_eq!(path, Path::new("/bin/sh"));
        assert!(real.ends_with("root/bin/dash"));
        assert_eq!(userland.program("ip"), None);
        assert_eq!(userland.program("tc"), None);
    }
}
