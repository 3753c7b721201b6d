//! Runs test programs on other versions of the Linux kernel, each in a virtual machine.
//!
//! A [`Kernel`] is one of Debian's kernels for cloud machines, which have BTF, kprobes, trampolines
//! and LSM hooks. It is downloaded from the package archive that this machine uses and unpacked
//! into the cache, never installed. A [`Guest`] boots it in QEMU, in software emulation, so it
//! needs no `/dev/kvm`. The initial file system holds only what the tests need, and each test gives
//! one [`TestResult`].
//!
//! The first process of the guest is the program that started it; call [`intercept`] first in its
//! `main`. Test programs run unchanged: the guest also gets the shared libraries they need.
//!
//! Guests are machines of this one's kind, or of another ([`Guest::of`]): x86-64, arm64, riscv64
//! and s390x. Those of another kind get programs that were built for it, and Debian's own `sh`,
//! `ip` and the like, which are unpacked into the cache, too.
//!
//! Needs QEMU for that machine, such as `qemu-system-x86_64` (`HACHI_QEMU` names another program
//! for guests of this machine's kind). Fetching a kernel also needs Debian's `apt-get` and
//! `dpkg-deb`, without root. A kernel in the cache (see [`hachi_build::Cache`]) needs no network.

mod error;
mod fetch;
mod guest;
mod image;
mod init;
mod initramfs;
mod machine;
mod protocol;
mod qemu;
mod sys;
mod userland;
mod warm;

pub use error::{Crash, Error, Malformation, Result};
pub use guest::{Guest, Outcome, TestFailure, TestResult};
pub use protocol::Run;

use error::IoContext;
use hachi_build::{Arch, Cache};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Turns this process into the first process of a guest if it is one; returns at once otherwise. A
/// program that uses [`Guest`] calls it first in `main`.
pub fn intercept() {
    if std::process::id() == 1 && Path::new(protocol::PLAN).exists() {
        init::main();
    }
}

/// A kernel in the cache.
#[derive(Clone, Debug)]
pub struct Kernel {
    release: String,
    arch: Arch,
    directory: PathBuf,
    /// The image and the directory of modules, of one that is not in the cache.
    foreign: Option<(PathBuf, Option<PathBuf>)>,
}

impl Kernel {
    /// The kernel of this version for this machine, from the cache or else from the package
    /// archive.
    ///
    /// # Errors
    /// As [`Kernel::find_for`]; also when guests cannot be of this machine's kind.
    pub fn find(version: &str) -> Result<Self> {
        Self::find_for(Arch::here().ok_or(Error::Architecture)?, version)
    }

    /// The kernel of this version for that kind of machine, from the cache or else from the
    /// package archive.
    ///
    /// `version` is a release or the beginning of one: `6.1`, `6.12.107` or `5.10.0-46`. The newest
    /// kernel that fits is taken. If the cache has one, the archive is not asked.
    ///
    /// # Errors
    /// When no suite of the archive has such a kernel, or the archive cannot be reached.
    pub fn find_for(arch: Arch, version: &str) -> Result<Self> {
        let cache = Cache::locate(None)?;
        let mut cached = Self::all_in(&cache, version)?;
        cached.retain(|kernel| kernel.arch == arch && kernel.is(version));
        match cached.pop() {
            Some(kernel) => Ok(kernel),
            None => fetch::fetch(&cache, arch, version),
        }
    }

    /// All kernels in the cache, the oldest first.
    ///
    /// # Errors
    /// When there can be no cache.
    pub fn all_cached() -> Result<Vec<Self>> {
        Self::all_in(&Cache::locate(None)?, "")
    }

    /// Those whose releases begin so.
    fn all_in(cache: &Cache, start: &str) -> Result<Vec<Self>> {
        let directories = cache.find("kernels", start)?.into_iter();
        let mut all: Vec<Self> = directories
            .filter_map(|directory| {
                let release = directory.file_name()?.to_str()?.to_owned();
                let arch = machine::of_release(&release)?;
                Some(Self::in_cache(release, arch, directory))
            })
            .collect();
        all.sort_by(|a, b| compare(&a.release, &b.release));
        Ok(all)
    }

    fn in_cache(release: String, arch: Arch, directory: PathBuf) -> Self {
        Self {
            release,
            arch,
            directory,
            foreign: None,
        }
    }

    /// A kernel that is not Debian's: its image (`vmlinuz`, `bzImage`), and the directory with its
    /// modules, at any depth (`/lib/modules/RELEASE`). Drivers that it has neither in it nor as a
    /// module are missing: virtio's for PCI and for consoles are needed to report anything.
    ///
    /// # Errors
    /// When the image cannot be read, or is none that x86-64, arm64, riscv64 or s390x boot.
    pub fn from_image(image: &Path, modules: Option<&Path>) -> Result<Self> {
        let (release, arch) = image::release(image)?;
        Ok(Self {
            release,
            arch,
            directory: PathBuf::new(),
            foreign: Some((image.to_owned(), modules.map(Path::to_owned))),
        })
    }

    /// Whether it is of that version: `6.1.0-56-cloud-amd64` is of `6.1`.
    pub fn is(&self, version: &str) -> bool {
        fits(&self.release, version)
    }

    /// The bytes that it takes in the cache; 0 for one that is not there.
    pub fn size(&self) -> u64 {
        fn of(directory: &Path, depth: u32) -> u64 {
            let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
            entries
                .map(|entry| match entry.metadata() {
                    Ok(data) if data.is_dir() && depth > 0 => of(&entry.path(), depth - 1),
                    Ok(data) if data.is_file() => data.len(),
                    _ => 0,
                })
                .sum()
        }
        match self.foreign {
            Some(_) => 0,
            None => of(&self.directory, 8),
        }
    }

    /// Removes it from the cache, with its saved guests; one that is not there stays as it is.
    ///
    /// # Errors
    /// When its files cannot be removed.
    pub fn remove(&self) -> Result<()> {
        match self.foreign {
            Some(_) => Ok(()),
            None => {
                warm::forget(&Cache::locate(None)?, self)?;
                std::fs::remove_dir_all(&self.directory).during("remove", &self.directory)
            }
        }
    }

    /// Its release, as `uname -r` prints it: `6.1.0-56-cloud-amd64`.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// The kind of machine that it is for.
    pub fn arch(&self) -> Arch {
        self.arch
    }

    /// The image to boot.
    pub fn image(&self) -> PathBuf {
        match &self.foreign {
            Some((image, _)) => image.clone(),
            None => self.directory.join("vmlinuz"),
        }
    }

    /// The kernel's types: the raw BTF that the running kernel has as `/sys/kernel/btf/vmlinux`.
    ///
    /// # Errors
    /// When the kernel has none (Debian's 6.1 for s390x), or the cache entry is damaged.
    pub fn btf(&self) -> Result<Vec<u8>> {
        let path = self.btf_path();
        if self.foreign.is_some() || !path.exists() {
            return image::vmlinux_btf(&self.image());
        }
        std::fs::read(&path).during("read", &path)
    }

    /// The file with what [`Kernel::btf`] gives. It is not there for a kernel that has no types, or
    /// is not in the cache.
    pub fn btf_path(&self) -> PathBuf {
        self.directory.join("vmlinux.btf")
    }

    /// The named modules and those they depend on, in the order to insert them: name and contents.
    /// A name that is not a module of this kernel is left out: it may be built in.
    fn modules(&self, names: &[&str]) -> Result<Vec<(String, Vec<u8>)>> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        for name in names {
            self.add_module(name, &mut seen, &mut found)?;
        }
        Ok(found)
    }

    fn add_module(
        &self,
        name: &str,
        seen: &mut BTreeSet<String>,
        found: &mut Vec<(String, Vec<u8>)>,
    ) -> Result<()> {
        // File names have either, dependencies always the underscore.
        let name = name.replace('-', "_");
        let path = match &self.foreign {
            None => image::find_module(&self.directory.join("modules"), &name, 0),
            Some((_, Some(directory))) => image::find_module(directory, &name, 8),
            Some((_, None)) => None,
        };
        let Some(path) = path.filter(|_| seen.insert(name.clone())) else {
            return Ok(());
        };
        let module = image::module(&path)?;
        for needed in image::depends(&module) {
            self.add_module(&needed, seen, found)?;
        }
        found.push((name, module));
        Ok(())
    }
}

/// Whether a release is of that version: `6.1.0-56-cloud-amd64` fits `6.1` and `6.1.0-56`;
/// `6.12.107` does not.
fn fits(release: &str, version: &str) -> bool {
    release
        .strip_prefix(version)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-', '+']))
}

/// Orders releases by the numbers in them.
fn compare(a: &str, b: &str) -> Ordering {
    let numbers = |release: &str| -> Vec<u64> {
        let digits = release.split(|c: char| !c.is_ascii_digit());
        digits.filter_map(|digits| digits.parse().ok()).collect()
    };
    numbers(a).cmp(&numbers(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_fits_by_whole_numbers() {
        let release = "6.1.0-56-cloud-amd64";
        for version in ["6.1", "6.1.0", "6.1.0-56", "6", release] {
            assert!(fits(release, version), "{version}");
        }
        for version in ["6.12", "6.1.0-5", "5.10", "6.", "1.0"] {
            assert!(!fits(release, version), "{version}");
        }
        assert!(fits("6.12.107+deb13-cloud-amd64", "6.12.107"));
    }

    #[test]
    fn releases_are_ordered_by_number() {
        let order = [
            "6.1.0-0.deb11.51",
            "6.1.0-9",
            "6.1.0-56",
            "6.12.94",
            "6.12.107",
            "6.18.5",
        ];
        for pair in order.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
        }
    }
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
