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
//! x86-64 only. Needs `qemu-system-x86_64` (or the program that `HACHI_QEMU` names). Fetching a
//! kernel also needs Debian's `apt-get` and `dpkg-deb`, without root. A kernel in the cache (see
//! [`hachi_build::Cache`]) needs no network.

mod error;
mod fetch;
mod guest;
mod image;
mod init;
mod initramfs;
mod protocol;
mod qemu;
mod sys;

pub use error::{Crash, Error, Malformation, Result};
pub use guest::{Guest, Outcome, TestFailure, TestResult};
pub use protocol::Run;

use error::IoContext;
use hachi_build::Cache;
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
    directory: PathBuf,
}

impl Kernel {
    /// The kernel of this version, from the cache or else from the package archive.
    ///
    /// `version` is a release or the beginning of one: `6.1`, `6.12.107` or `5.10.0-46`. The newest
    /// kernel that fits is taken. If the cache has one, the archive is not asked.
    ///
    /// # Errors
    /// When no suite of the archive has such a kernel, or the archive cannot be reached.
    pub fn find(version: &str) -> Result<Self> {
        let cache = Cache::locate(None)?;
        Self::cached(&cache, version).map_or_else(|| fetch::fetch(&cache, version), Ok)
    }

    /// The newest that fits in the cache.
    fn cached(cache: &Cache, version: &str) -> Option<Self> {
        cache
            .find("kernels", "")
            .into_iter()
            .filter_map(|directory| {
                let release = directory.file_name()?.to_str()?.to_owned();
                fits(&release, version).then_some(Self { release, directory })
            })
            .max_by(|a, b| compare(&a.release, &b.release))
    }

    /// Its release, as `uname -r` prints it: `6.1.0-56-cloud-amd64`.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// The image to boot.
    pub fn image(&self) -> PathBuf {
        self.directory.join("vmlinuz")
    }

    /// The kernel's types: the raw BTF that the running kernel has as `/sys/kernel/btf/vmlinux`.
    ///
    /// # Errors
    /// When the cache entry is damaged.
    pub fn btf(&self) -> Result<Vec<u8>> {
        let path = self.btf_path();
        std::fs::read(&path).during("read", &path)
    }

    /// The file with what [`Kernel::btf`] gives.
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
        let directory = self.directory.join("modules");
        let candidates = [format!("{name}.ko"), format!("{name}.ko.xz")];
        let path = candidates
            .iter()
            .map(|file| directory.join(file))
            .find(|path| path.is_file());
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
