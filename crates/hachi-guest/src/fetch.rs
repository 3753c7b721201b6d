//! Kernels from Debian's package archive.

use crate::error::{Error, IoContext, Malformation, Result};
use crate::machine::Machine;
use crate::{Kernel, compare, fits, image};
use hachi_build::{Arch, Archive, Cache, Suite};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How old a list of packages may be.
const FRESH: Duration = Duration::from_secs(24 * 60 * 60);

/// The archive that kernels and guests' programs come from.
pub(crate) fn debian() -> Result<Archive> {
    Archive::detect()
        .filter(|archive| archive.id() == "debian")
        .ok_or_else(|| Error::NotDebian { found: system() })
}

/// The suite of that name for that machine, where this machine's apt finds its own.
pub(crate) fn suite(
    archive: &Archive,
    arch: Arch,
    work: &Path,
    mirror: &str,
    name: &str,
) -> Result<Suite> {
    Ok(match Arch::here() == Some(arch) {
        true => archive.suite(work, mirror, name)?,
        false => archive.suite_for(arch, work, mirror, name)?,
    })
}

/// Looks for the version suite by suite, and unpacks the newest of the first suite that has it.
pub(crate) fn fetch(cache: &Cache, arch: Arch, version: &str) -> Result<Kernel> {
    let archive = debian()?;
    let flavour = Machine::of(arch).flavour;
    let mut looked_at = Vec::new();
    for suite in suites(&archive, arch, &cache.directory("apt")?)? {
        // A mirror may not have every suite.
        if let Err(error) = suite.update(FRESH) {
            looked_at.push(format!("{} (unavailable: {error})", suite.name()));
            continue;
        }
        looked_at.push(suite.name().to_owned());
        if let Some((release, packages)) = newest(&suite, flavour, version) {
            let directory = cache.get_or_make(&format!("kernels/{release}"), |directory| {
                eprintln!("hachi: fetching kernel {release} from {}", suite.name());
                suite.download(&packages, directory)?;
                unpack(directory, &release)
            })?;
            return Ok(Kernel::in_cache(release, arch, directory));
        }
    }
    Err(Error::NoSuchKernel {
        version: version.to_owned(),
        arch,
        looked_at,
    })
}

fn system() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.unwrap_or("unknown").trim_matches('"').to_owned()
}

/// Where to look: small lists first, and the neighbours of this machine's release before others.
fn suites(archive: &Archive, arch: Arch, work: &Path) -> Result<Vec<Suite>> {
    let series = archive.series();
    let own = archive.codename();
    let at = series.iter().position(|name| name == own);
    let neighbour = |steps: isize| {
        let index = at?.checked_add_signed(steps)?;
        series.get(index).map(String::as_str)
    };
    let near = [
        Some(own),
        neighbour(-1),
        neighbour(1),
        neighbour(-2),
        neighbour(2),
    ];
    let near = || near.into_iter().flatten();
    let names = near()
        .map(|name| format!("{name}-security"))
        .chain(near().map(|name| format!("{name}-backports")))
        .chain(near().map(str::to_owned))
        .chain(["sid".to_owned()]);
    let main = archive.mirror(own);
    let security = archive.mirror(&format!("{own}-security"));
    names
        .filter_map(|name| {
            let mirror = if name.ends_with("-security") {
                &security
            } else {
                &main
            };
            Some(suite(archive, arch, work, mirror.as_ref()?, &name))
        })
        .collect()
}

/// The newest release of that version in the suite, and the packages it is in.
fn newest(suite: &Suite, flavour: &str, version: &str) -> Option<(String, Vec<String>)> {
    let images = suite.package_names(&format!("linux-image-{version}"));
    let release = images
        .iter()
        .filter_map(|name| name.strip_prefix("linux-image-"))
        .filter(|release| release.ends_with(flavour) && fits(release, version))
        // The package without a number of its own only names the newest.
        .filter(|release| release.matches('.').count() > 1)
        .max_by(|a, b| compare(a, b))?
        .to_owned();
    let others = ["linux-binary-", "linux-modules-"].map(|kind| format!("{kind}{release}"));
    let mut packages: Vec<String> = others
        .into_iter()
        .filter(|name| suite.package_names(name).contains(name))
        .collect();
    // Since Linux 7.2 the image's package is empty and needs the two; before, it holds the modules,
    // and until 6.18 also the kernel.
    if packages.len() < 2 {
        packages.push(format!("linux-image-{release}"));
    }
    Some((release, packages))
}

/// Unpacks the packages in `directory` into `root`, and removes them.
pub(crate) fn unpack_packages(directory: &Path, root: &Path) -> Result<()> {
    for package in files(directory, &[".deb"])? {
        let mut unpack = Command::new("dpkg-deb");
        unpack.arg("-x").arg(&package).arg(root);
        let output = unpack.output().during("run `dpkg-deb` on", &package)?;
        if !output.status.success() {
            return Err(Error::Unpack {
                package,
                output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            });
        }
        fs::remove_file(&package).during("remove", &package)?;
    }
    Ok(())
}

/// Keeps the kernel, its modules and its BTF from the packages in `directory`; removes the rest.
fn unpack(directory: &Path, release: &str) -> Result<()> {
    let root = directory.join("root");
    unpack_packages(directory, &root)?;
    let places = [
        root.join(format!("boot/vmlinuz-{release}")),
        root.join(format!("usr/lib/modules/{release}/vmlinuz")),
    ];
    let kernel = places
        .iter()
        .find(|path| path.is_file())
        .ok_or_else(|| Error::Malformed {
            path: root.clone(),
            problem: Malformation::NoKernel(release.to_owned()),
        })?;
    move_to(kernel, &directory.join("vmlinuz"))?;
    let modules = directory.join("modules");
    fs::create_dir(&modules).during("create", &modules)?;
    for module in files(&root, &[".ko", ".ko.xz"])? {
        let name = module.file_name().unwrap_or_default().to_string_lossy();
        move_to(&module, &modules.join(name.replace('-', "_")))?;
    }
    // Some have none, as 6.1 of s390x; that is said to who asks for it.
    match image::vmlinux_btf(&directory.join("vmlinuz")) {
        Err(Error::Malformed {
            problem: Malformation::NoBtf,
            ..
        }) => {}
        types => {
            let btf = directory.join("vmlinux.btf");
            fs::write(&btf, types?).during("write", &btf)?;
        }
    }
    fs::remove_dir_all(&root).during("remove", &root)
}

fn move_to(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).during("move", from)
}

/// The files below `directory` with one of these endings.
fn files(directory: &Path, endings: &[&str]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).during("read", directory)? {
        let path = entry.during("read", directory)?.path();
        let kind = fs::symlink_metadata(&path).during("read", &path)?;
        if kind.is_dir() {
            found.extend(files(&path, endings)?);
        } else if endings.iter().any(|ending| {
            path.as_os_str()
                .as_encoded_bytes()
                .ends_with(ending.as_bytes())
        }) {
            found.push(path);
        }
    }
    Ok(found)
}
