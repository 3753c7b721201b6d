//! Linux security modules for the processes of a cgroup.

use std::{fs::File, os::fd::AsFd, path::Path};

use super::{AttachOptions, Attached, ProgramData, ProgramError, lsm, program_methods};
use crate::{
    Btf,
    links::{LinkError, LinkId, tracing},
    load::Target,
};

/// As [`Lsm`](super::Lsm), for the processes of a cgroup (`BPF_PROG_TYPE_LSM`, `BPF_LSM_CGROUP`): it
/// returns 1 to allow and 0 to refuse. Linux ≥ 6.0.
///
/// Section `lsm_cgroup/HOOK`.
#[derive(Debug)]
pub struct LsmCgroup {
    pub(crate) data: ProgramData,
}

program_methods!(LsmCgroup);

impl LsmCgroup {
    /// Opens the program pinned at `path`. It is loaded already and can be attached.
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
    pub fn load_by_section(&mut self) -> Result<(), ProgramError> {
        self.data.load()
    }

    /// Attaches the loaded program to the cgroup whose directory is open here.
    pub fn attach<T: AsFd>(&mut self, cgroup: T) -> Result<LinkId, ProgramError> {
        lsm::check_active().map_err(|error| self.data.attach_error(error))?;
        let target = format!("a cgroup, for {}", self.data.target_in_words("LSM hook"));
        let attach_type = self.data.attach_type().map_or(0, |kind| kind as u32);
        let link = tracing::attach_to_cgroup(self.data.fd()?, attach_type, cgroup.as_fd(), &target);
        self.data.own(link)
    }

    pub(crate) fn attach_by_section(
        &mut self,
        options: &AttachOptions,
    ) -> Result<Vec<Attached>, ProgramError> {
        let Some(path) = &options.cgroup else {
            return Err(self.data.attach_error(LinkError::NoTarget(
                "it needs a cgroup, which its section cannot name".to_owned(),
            )));
        };
        let cgroup = File::open(path).map_err(|error| {
            self.data
                .attach_error(LinkError::io(format!("cgroup {}", path.display()), error))
        })?;
        let link = self.attach(&cgroup)?;
        let hook = self.data.target_in_words("LSM hook");
        Ok(Attached::one(link, format!("{hook} of {}", path.display())))
    }
}
