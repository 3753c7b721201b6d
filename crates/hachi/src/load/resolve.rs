//! What a program's object leaves open, answered by the running system.

use std::cell::RefCell;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;

use hachi_btf::Btf;
use hachi_obj::link::{Kfunc, Ksym, Resolve};
use hachi_obj::{MapSpec, MapType};

use super::{Object, ProgramError, Unloadable, externs};
use crate::kernel_btf::NoKernelTypes;
use crate::maps::{
    ElementFlags, InsnArrayValue, MapData, MapError,
    create::{Surroundings, create},
};

/// The running system, as a program of an object sees it.
pub(super) struct System<'o> {
    pub(super) object: &'o Object,
    /// The program's name.
    pub(super) program: &'o str,
    /// Its jump tables, by their targets. They have to live until it is loaded.
    pub(super) jump_tables: RefCell<JumpTables>,
    /// Why the types of modules cannot be read, once they were needed.
    pub(super) no_modules: RefCell<Option<NoKernelTypes>>,
}

/// Maps of instructions, by the targets in them.
pub(super) type JumpTables = Vec<(Vec<u32>, MapData)>;

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
    /// The map of instructions from which the program takes the targets of `gotox`.
    fn new_jump_table(&self, targets: &[u32]) -> Result<MapData, MapError> {
        let entries = targets.len() as u32;
        let spec = MapSpec::new(".jumptables", MapType::InsnArray, 4, 16, entries);
        let within = Surroundings {
            object: "",
            btf: None,
            rights: self.object.rights(),
        };
        let table = create(&spec, within)?;
        for (index, orig_off) in (0..entries).zip(targets) {
            let place = InsnArrayValue {
                orig_off: *orig_off,
                ..InsnArrayValue::default()
            };
            table.set(&index, &place, ElementFlags::ANY)?;
        }
        table.freeze()?;
        Ok(table)
    }

    fn unloadable(&self, problem: Unloadable) -> Unlinked {
        ProgramError::unloadable(self.program, problem).into()
    }
}

impl Resolve for System<'_> {
    type Error = Unlinked;

    fn map(&self, name: &str) -> Result<i32, Unlinked> {
        let object = self.object;
        if let Some((_, fd)) = object.maps.iter().find(|(other, _)| other == name) {
            return Ok(fd.as_raw_fd());
        }
        let mut missing = object.missing_maps.iter();
        let map = name.to_owned();
        Err(
            self.unloadable(match missing.find(|(other, _)| other == name) {
                Some((_, error)) => Unloadable::MapLeftOut {
                    map,
                    error: error.clone(),
                },
                None => Unloadable::NoMap { map },
            }),
        )
    }

    fn jump_table(&self, targets: &[u32]) -> Result<Option<i32>, Unlinked> {
        let mut tables = self.jump_tables.borrow_mut();
        if let Some((_, table)) = tables.iter().find(|(known, _)| known == targets) {
            return Ok(Some(table.as_raw_fd()));
        }
        let table = self
            .new_jump_table(targets)
            .map_err(|error| self.unloadable(Unloadable::JumpTable(Arc::new(error))))?;
        let fd = table.as_raw_fd();
        tables.push((targets.to_vec(), table));
        Ok(Some(fd))
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
            Some(unset) => Err(self.unloadable(Unloadable::Option {
                option: unset.option.clone(),
                problem: unset.problem.clone(),
            })),
            None => Ok(()),
        }
    }

    /// Opened for the first program that asks for them.
    fn types(&self, questions: usize) -> Result<Option<&Btf<'_>>, Unlinked> {
        match self.object.kernel_btf.target() {
            Ok(types) => Ok(Some(types.types())),
            Err(error) => Err(self.unloadable(Unloadable::KernelTypes { questions, error })),
        }
    }

    /// That they cannot be read is reported after linking.
    fn module_types(&self) -> Vec<&Btf<'_>> {
        match self.object.kernel_btf.target_modules() {
            Ok(modules) => modules.iter().map(|module| module.btf.types()).collect(),
            Err(error) => {
                self.no_modules.replace(Some(error));
                Vec::new()
            }
        }
    }
}
