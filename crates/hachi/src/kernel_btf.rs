//! The kernel's own types: what CO-RE relocates against and what programs attach to.

use std::{
    fmt, fs, io,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd},
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use hachi_btf::{Kind, Types as _};

use crate::{
    btf::{Btf, SYSFS, VMLINUX},
    sys::bpf,
};

/// The types of the kernel and its modules, each opened once per loaded object, when first needed.
#[derive(Debug, Default)]
pub(crate) struct KernelBtf {
    /// What the caller said to use.
    given: Option<GivenBtf>,
    /// The same, opened.
    opened: OnceLock<Result<Btf, NoKernelTypes>>,
    vmlinux: OnceLock<Result<Btf, NoKernelTypes>>,
    modules: OnceLock<Result<Vec<ModuleBtf>, NoKernelTypes>>,
}

/// Types of the kernel that the caller brought along.
#[derive(Clone, Debug)]
pub(crate) enum GivenBtf {
    Types(Btf),
    File(PathBuf),
}

/// The kernel's types cannot be read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NoKernelTypes {
    /// The file that has them.
    pub path: PathBuf,
    /// Why.
    pub error: Arc<io::Error>,
}

impl NoKernelTypes {
    fn new(path: impl Into<PathBuf>, error: io::Error) -> Self {
        NoKernelTypes {
            path: path.into(),
            error: Arc::new(error),
        }
    }
}

impl fmt::Display for NoKernelTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.error)
    }
}

impl std::error::Error for NoKernelTypes {}

/// The types of a module; their ids continue those of vmlinux.
#[derive(Debug)]
pub(crate) struct ModuleBtf {
    pub(crate) name: String,
    pub(crate) btf: Btf,
    fd: Option<OwnedFd>,
}

impl ModuleBtf {
    /// What bpf(2) wants for a type of this module (`attach_btf_obj_fd`, `fd_array`); `None`
    /// without the privilege (CAP_SYS_ADMIN) to open it.
    pub(crate) fn fd(&self) -> Option<RawFd> {
        self.fd.as_ref().map(|fd| fd.as_raw_fd())
    }
}

impl ModuleBtf {
    /// As [`fd`](Self::fd), for what cannot be loaded without.
    pub(crate) fn raw_fd(&self) -> Result<RawFd, WithoutModuleTypes> {
        self.fd().ok_or_else(|| WithoutModuleTypes {
            module: self.name.clone(),
        })
    }
}

/// This process may not hand the types of a module to the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WithoutModuleTypes {
    /// The module.
    pub module: String,
}

impl fmt::Display for WithoutModuleTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "what it needs is in module {}, whose types only CAP_SYS_ADMIN may hand to the kernel",
            self.module
        )
    }
}

impl std::error::Error for WithoutModuleTypes {}

/// A type of the running kernel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KernelType<'k> {
    pub(crate) id: u32,
    /// The module that has it; `None` for the kernel itself.
    pub(crate) module: Option<&'k ModuleBtf>,
}

impl KernelBtf {
    /// With what the caller said to use, if anything.
    pub(crate) fn new(given: Option<GivenBtf>) -> Self {
        KernelBtf {
            given,
            ..Default::default()
        }
    }

    /// A kernel of the test's own.
    #[cfg(test)]
    pub(crate) fn made_up(vmlinux: &[u8], modules: &[(&str, &[u8])]) -> Self {
        let vmlinux = Btf::made_up(vmlinux);
        let modules = modules.iter().map(|&(name, bytes)| ModuleBtf {
            name: name.to_owned(),
            btf: Btf::of_module(bytes.to_vec(), &vmlinux).unwrap(),
            fd: Some(std::fs::File::open("/dev/null").unwrap().into()),
        });
        KernelBtf {
            modules: OnceLock::from(Ok(modules.collect::<Vec<_>>())),
            given: Some(GivenBtf::Types(vmlinux)),
            ..Default::default()
        }
    }

    /// The types to relocate against: those given, else the running kernel's.
    pub(crate) fn target(&self) -> Result<&Btf, NoKernelTypes> {
        match self.given()? {
            Some(btf) => Ok(btf),
            None => self.running(),
        }
    }

    /// What [`EbpfLoader::btf`](crate::EbpfLoader::btf) or
    /// [`btf_file`](crate::EbpfLoader::btf_file) said to use.
    fn given(&self) -> Result<Option<&Btf>, NoKernelTypes> {
        let Some(given) = &self.given else {
            return Ok(None);
        };
        let open = || match given {
            GivenBtf::Types(btf) => Ok(btf.clone()),
            GivenBtf::File(path) => {
                Btf::parse_file(path).map_err(|error| NoKernelTypes::new(path, error))
            }
        };
        match self.opened.get_or_init(open) {
            Ok(btf) => Ok(Some(btf)),
            Err(error) => Err(error.clone()),
        }
    }

    /// The running kernel's types, whose ids bpf(2) knows.
    pub(crate) fn running(&self) -> Result<&Btf, NoKernelTypes> {
        if let Some(GivenBtf::Types(given)) = &self.given
            && given.is_running()
        {
            return Ok(given);
        }
        self.vmlinux
            .get_or_init(|| Btf::running().map_err(|error| NoKernelTypes::new(VMLINUX, error)))
            .as_ref()
            .map_err(Clone::clone)
    }

    /// The types of modules to relocate against, for what [`target`](Self::target) lacks: none if
    /// that is not the running kernel's, since its modules are not known.
    pub(crate) fn target_modules(&self) -> Result<&[ModuleBtf], NoKernelTypes> {
        match self.target()?.is_running() {
            true => self.modules(),
            false => Ok(&[]),
        }
    }

    /// The types of all loaded modules (Linux ≥ 5.11). Those that make no sense, or that this
    /// process may not see, are left out.
    pub(crate) fn modules(&self) -> Result<&[ModuleBtf], NoKernelTypes> {
        let look = || {
            let vmlinux = self.running()?;
            match modules_by_id(vmlinux)? {
                Some(modules) => Ok(modules),
                None => modules_in_sysfs(vmlinux),
            }
        };
        match self.modules.get_or_init(look) {
            Ok(modules) => Ok(modules),
            Err(error) => Err(error.clone()),
        }
    }

    /// The first type of this name and kind, in the kernel or else in a module.
    pub(crate) fn find(
        &self,
        name: &str,
        kind: Kind,
    ) -> Result<Option<KernelType<'_>>, NoKernelTypes> {
        if let Some(id) = self.running()?.types().find(name, kind) {
            return Ok(Some(KernelType { id, module: None }));
        }
        let found = self.modules()?.iter().find_map(|module| {
            let id = module.btf.types().find_own(name, kind)?;
            Some(KernelType {
                id,
                module: Some(module),
            })
        });
        Ok(found)
    }
}

/// By the kernel's table of BTF objects, which comes with descriptors; `None` if this process may
/// not walk it (needs CAP_SYS_ADMIN) or the kernel cannot (before Linux 5.11).
fn modules_by_id(vmlinux: &Btf) -> Result<Option<Vec<ModuleBtf>>, NoKernelTypes> {
    let mut modules = Vec::new();
    for fd in crate::ids::each(bpf::btf_next_id, bpf::btf_fd_by_id) {
        let fd = match fd {
            Ok(fd) => fd,
            Err(error) if is_shortage(&error.io_error) => return Err(no_modules(error.io_error)),
            Err(_) => return Ok(None),
        };
        let name = match bpf::kernel_btf_name(fd.as_fd()) {
            Ok(Some(name)) if name != "vmlinux" => name,
            Ok(_) => continue,
            Err(error) => return Err(no_modules(error.io_error)),
        };
        let bytes = bpf::btf_bytes(fd.as_fd()).map_err(|error| no_modules(error.io_error))?;
        // What makes no sense is left out: nothing can be looked for in it.
        if let Ok(btf) = Btf::of_module(bytes, vmlinux) {
            modules.push(ModuleBtf {
                name,
                btf,
                fd: Some(fd),
            });
        }
    }
    Ok(Some(modules))
}

/// By the files that everybody may read.
fn modules_in_sysfs(vmlinux: &Btf) -> Result<Vec<ModuleBtf>, NoKernelTypes> {
    let mut modules = Vec::new();
    let files = match fs::read_dir(SYSFS) {
        Err(error) if !is_shortage(&error) => return Ok(modules),
        files => files.map_err(no_modules)?,
    };
    for file in files {
        let file = file.map_err(no_modules)?;
        let Ok(name) = file.file_name().into_string() else {
            continue;
        };
        if name == "vmlinux" {
            continue;
        }
        let bytes = match fs::read(file.path()) {
            // Unloaded meanwhile, or not for this process.
            Err(error) if !is_shortage(&error) => continue,
            bytes => bytes.map_err(no_modules)?,
        };
        if let Ok(btf) = Btf::of_module(bytes, vmlinux) {
            modules.push(ModuleBtf {
                name,
                btf,
                fd: None,
            });
        }
    }
    Ok(modules)
}

/// Whether a call failed for want of descriptors or memory, which says nothing of what it asked.
fn is_shortage(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM)
    )
}

fn no_modules(error: io::Error) -> NoKernelTypes {
    NoKernelTypes::new(SYSFS, error)
}
