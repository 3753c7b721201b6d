//! What a program's object leaves open, answered by the running system.

use std::os::fd::AsRawFd as _;

use hachi_btf::Btf;
use hachi_obj::link::{Kfunc, Ksym, Resolve};

use super::{Object, ProgramError, externs};

/// The running system, as a program of an object sees it.
pub(super) struct System<'o> {
    pub(super) object: &'o Object,
    /// The program's name.
    pub(super) program: &'o str,
}

/// Why a program cannot be linked.
pub(super) enum Unlinked {
    /// For something in its object.
    Object(hachi_obj::Error),
    /// For something that the system lacks.
    System(ProgramError),
}

impl From<hachi_obj::Error> for Unlinked {
    fn from(error: hachi_obj::Error) -> Self {
        Unlinked::Object(error)
    }
}

impl From<ProgramError> for Unlinked {
    fn from(error: ProgramError) -> Self {
        Unlinked::System(error)
    }
}

impl System<'_> {
    fn unloadable(&self, reason: impl Into<String>) -> Unlinked {
        ProgramError::unloadable(self.program, reason).into()
    }
}

impl Resolve for System<'_> {
    type Error = Unlinked;

    fn map(&self, name: &str) -> Result<i32, Unlinked> {
        let object = self.object;
        if let Some((_, fd)) = object.maps.iter().find(|(other, _)| other == name) {
            return Ok(fd.as_raw_fd());
        }
        let missing = object.missing_maps.iter();
        Err(
            self.unloadable(match missing.into_iter().find(|(other, _)| other == name) {
                Some((_, reason)) => format!("it uses map {name:?}, which was left out: {reason}"),
                None => format!("it uses map {name:?}, which the object does not define"),
            }),
        )
    }

    fn kfunc(&self, name: &str) -> Result<Option<Kfunc>, Unlinked> {
        Ok(externs::kfunc(self.object, self.program, name)?)
    }

    fn ksym(&self, name: &str) -> Result<Ksym, Unlinked> {
        Ok(externs::ksym(self.object, self.program, name)?)
    }

    fn option(&self, offset: u32) -> Result<(), Unlinked> {
        let mut unset = self.object.externs.unset.iter();
        match unset.find(|unset| unset.offset == offset) {
            Some(unset) => Err(self.unloadable(&*unset.reason)),
            None => Ok(()),
        }
    }

    /// Opened for the first program that asks for them.
    fn types(&self, questions: usize) -> Result<Option<&Btf<'_>>, Unlinked> {
        match self.object.kernel_btf.target() {
            Ok(types) => Ok(Some(types.types())),
            Err(reason) => Err(self.unloadable(format!(
                "it depends on the kernel's types in {questions} places (CO-RE), and they cannot \
                 be read: {reason}. If this kernel was built without CONFIG_DEBUG_INFO_BTF, bring \
                 its types along: `EbpfLoader::btf` takes them, `hachi btf min` makes a small file \
                 of them"
            ))),
        }
    }

    fn module_types(&self) -> Vec<&Btf<'_>> {
        let modules = self.object.kernel_btf.target_modules().iter();
        modules.map(|module| module.btf.types()).collect()
    }
}
