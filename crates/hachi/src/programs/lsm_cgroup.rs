//! Linux security modules for the processes of a cgroup.

use std::{os::fd::AsFd, path::Path};

use super::{
    AttachOptions, AttachType, Attached, CgroupAttachMode, ProgramData, ProgramError,
    program_methods,
};
use crate::{
    btf::Btf,
    links::{LinkId, tracing},
    load::Target,
};

/// As [`Lsm`](super::Lsm), for the processes of a cgroup (`BPF_PROG_TYPE_LSM`, `BPF_LSM_CGROUP`):
/// it returns 1 to allow and 0 to refuse. Linux ≥ 6.0.
///
/// Section `lsm_cgroup/HOOK`.
///
/// ```no_run
/// use hachi::programs::LsmCgroup;
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let btf = hachi::Btf::from_sys_fs()?;
/// let cgroup = std::fs::File::open("/sys/fs/cgroup/user.slice")?;
/// let program: &mut LsmCgroup = ebpf.program_mut("guard")?.try_into()?;
/// program.load("socket_bind", &btf)?;
/// program.attach(&cgroup)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct LsmCgroup {
    pub(crate) data: ProgramData,
}

program_methods!(LsmCgroup);

impl LsmCgroup {
    /// Opens the program pinned at `path`. It is loaded already and can be attached.
    ///
    /// # Errors
    /// [`ProgramError::Pin`] if no program is pinned at `path`, or this process may not open it
    /// (`BPF_OBJ_GET`: EACCES, EPERM); [`ProgramError::UnexpectedProgramType`] if it is of another
    /// type.
    pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, ProgramError> {
        ProgramData::from_pin(path.as_ref(), "lsm_cgroup").map(|data| LsmCgroup { data })
    }

    /// Loads the program for the hook called `hook`, whatever its section names.
    ///
    /// # Errors
    /// [`ProgramError::Unloadable`], with similar names, if the kernel has no such hook.
    pub fn load(&mut self, hook: &str, btf: &Btf) -> Result<(), ProgramError> {
        let target = Target {
            btf: Some(btf),
            ..Default::default()
        };
        self.data.load_for(Some(hook), &target)
    }

    /// Loads the program for what its section names.
    ///
    /// # Errors
    /// [`ProgramError::LoadError`], with the verifier's log, if the kernel refuses the program
    /// (`BPF_PROG_LOAD`), and [`ProgramError::Unsupported`] if it is too old for it;
    /// [`ProgramError::Unloadable`] or [`ProgramError::Relocation`] if the object or this system
    /// lacks what the program uses, or the function, hook or type that it is for;
    /// [`ProgramError::AlreadyLoaded`] if it is loaded.
    pub fn load_by_section(&mut self) -> Result<(), ProgramError> {
        self.data.load()
    }

    /// Attaches the loaded program to the cgroup whose directory is open here.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`]; [`ProgramError::Attach`] with
    /// [`LinkError::LsmInactive`](crate::links::LinkError::LsmInactive) if `bpf` is not among the
    /// active security modules, and as programs of cgroups: `cgroup` is no directory of the version
    /// 2 hierarchy (EBADF), or 64 are attached already (E2BIG).
    pub fn attach<T: AsFd>(&mut self, cgroup: T) -> Result<LinkId, ProgramError> {
        tracing::check_lsm_active().map_err(|error| self.data.attach_error(error))?;
        let mode = CgroupAttachMode::AllowMultiple;
        self.data
            .attach_to_cgroup(AttachType::LsmCgroup, cgroup.as_fd(), mode)
    }

    pub(crate) fn attach_by_section(
        &mut self,
        options: &AttachOptions,
    ) -> Result<Vec<Attached>, ProgramError> {
        tracing::check_lsm_active().map_err(|error| self.data.attach_error(error))?;
        let mut attached = self
            .data
            .attach_to_cgroup_by_section(AttachType::LsmCgroup, options)?;
        let hook = self.data.target_in_words("LSM hook");
        for one in &mut attached {
            one.target = format!("{hook} of {}", one.target);
        }
        Ok(attached)
    }
}
