//! Other kernels: Linux of any version in a virtual machine, to run test programs in.
//!
//! A [`Kernel`] is one of Debian's kernels for cloud machines (which have BTF, kprobes, trampolines
//! and the LSM hooks), taken from the package archive that this machine uses, unpacked into the
//! cache and never installed. A [`Guest`] boots it in QEMU, in software emulation (so no `/dev/kvm`
//! is needed), with an initial file system of just what is to be run, and gives one [`TestResult`]
//! per test.
//!
//! The first process of the guest is the program that started it, which calls [`intercept`] first
//! in its `main`. Test programs run in the guest as they are: the libraries they need are carried
//! along.
//!
//! x86-64 only. Needs `qemu-system-x86_64` (or another program that `HACHI_QEMU` names); fetching a
//! kernel also needs Debian's `apt-get` and `dpkg-deb`, without root. A kernel that is in the cache
//! (see [`hachi_build::Cache`]) needs no network.

mod error;
mod fetch;
mod guest;
mod image;
mod init;
mod initramfs;
mod protocol;
mod qemu;

pub use error::{Error, Result};
pub use guest::{Guest, Outcome, TestResult};
pub use protocol::Run;

use error::IoContext;
use hachi_build::Cache;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Becomes the first process of a guest if this is one; returns at once otherwise. Has to be what a
/// program that uses [`Guest`] does first in `main`.
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
    /// `version` is a release or the beginning of one: `6.1`, `6.12.107` or `5.10.0-46`. In the
    /// cache and in the archive the newest that fits is taken, and what is in the cache is used
    /// without a look at the archive.
    ///
    /// # Errors
    /// When there is none in the suites of the archive, or it cannot be reached.
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
    /// When the cache has been damaged meanwhile.
    pub fn btf(&self) -> Result<Vec<u8>> {
        let path = self.btf_path();
        std::fs::read(&path).during("read", &path)
    }

    /// The file with what [`Kernel::btf`] gives.
    pub fn btf_path(&self) -> PathBuf {
        self.directory.join("vmlinux.btf")
    }

    /// The modules named and those they need, in the order to insert them: name and contents. What
    /// is no module of this kernel is left out: it may be built in.
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

/// Whether a release is of that version: `6.1.0-56-cloud-amd64` is of `6.1` and `6.1.0-56`, and
/// `6.12.107` is not.
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
    fn versions_fit_whole_numbers() {
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
    fn newer_is_by_number() {
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
