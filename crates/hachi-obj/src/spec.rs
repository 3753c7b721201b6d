use std::path::PathBuf;

use hachi_btf::{Btf, Endian, OwnedBtf};

use crate::error::MapFault;
use crate::{DataKind, Error, Extern, MapSpec, ProgramSpec, StructOpsSpec, Warning};

/// What an object file contains, as plain data. It is what the file says, and what its owner makes
/// of it: loading changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spec {
    /// Name of the object, for the names of its global-data maps: usually the file's name without
    /// its extension. Empty after [`Spec::parse`], which doesn't know the file.
    pub name: String,
    /// The licence of section `license`; empty if there is none.
    pub license: String,
    /// The number in section `version`; 0 if there is none. Kernels before 5.0 checked it for
    /// kprobes.
    pub kernel_version: u32,
    /// Byte order of the code.
    pub endian: Endian,
    /// The kind of machine that the object was built for, as Rust spells it (`x86_64`, `aarch64`,
    /// `riscv64`, `s390x`), if it says so: see [`crate::arch`]. It concerns programs that read
    /// registers.
    pub arch: Option<String>,
    /// The programs, in the order of the file.
    pub programs: Vec<ProgramSpec>,
    /// The maps: first those of global variables, then the defined ones in the order of the file.
    pub maps: Vec<MapSpec>,
    /// The global variables, by section and offset.
    pub globals: Vec<GlobalVar>,
    /// The structs of functions that the kernel calls.
    pub struct_ops: Vec<StructOpsSpec>,
    /// What the running system must supply.
    pub externs: Vec<Extern>,
    /// Functions, variables and maps that it uses and neither defines nor expects of the running
    /// system, in the order of the file. An object with any is to be linked with others (`hachi
    /// ld`); programs that need none of them load as it is.
    pub undefined: Vec<String>,
    /// Type information, completed from the ELF file (sizes of sections, offsets of variables). The
    /// maps, globals and programs refer to it by ids.
    pub btf: Option<OwnedBtf>,
    /// Section `.hachi.log`: the sites of log messages, read by `hachi-common`.
    pub log_sites: Option<Vec<u8>>,
    /// Section `.hachi.inline`: the functions that instructions were inlined through, read by
    /// [`InlineInfo`](crate::inline::InlineInfo) when a rejection is to be explained.
    pub inline_info: Option<Vec<u8>>,
    /// Oddities that prevent nothing.
    pub warnings: Vec<Warning>,
}

/// A global variable.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GlobalVar {
    /// Its name.
    pub name: String,
    /// Name of the map it lies in: the section.
    pub map: String,
    /// Offset in the map's value, in bytes.
    pub offset: u32,
    /// Bytes it takes.
    pub size: u32,
    /// Its type in the object's BTF, 0 if unknown.
    pub type_id: u32,
}

impl GlobalVar {
    /// A variable of unknown type at `offset` of the map of its section, both in bytes.
    pub fn new(name: impl Into<String>, map: impl Into<String>, offset: u32, size: u32) -> Self {
        GlobalVar {
            name: name.into(),
            map: map.into(),
            offset,
            size,
            type_id: 0,
        }
    }
}

impl Spec {
    /// An object with nothing in it, to be filled by hand.
    pub fn new(endian: Endian) -> Spec {
        Spec {
            name: String::new(),
            license: String::new(),
            kernel_version: 0,
            endian,
            arch: None,
            programs: Vec::new(),
            maps: Vec::new(),
            globals: Vec::new(),
            struct_ops: Vec::new(),
            externs: Vec::new(),
            undefined: Vec::new(),
            btf: None,
            log_sites: None,
            inline_info: None,
            warnings: Vec::new(),
        }
    }

    /// Reads an object file of either byte order. The code of its programs is copied, but not
    /// looked at: see [`ProgramSpec::code`].
    ///
    /// # Errors
    /// See [`Error`]; each case names the part of the object concerned.
    pub fn parse(bytes: &[u8]) -> Result<Spec, Error> {
        crate::parse::object(bytes.into())
    }

    /// As [`Spec::parse`], but keeps the bytes instead of copying parts of them.
    ///
    /// # Errors
    /// As [`Spec::parse`].
    pub fn parse_vec(bytes: Vec<u8>) -> Result<Spec, Error> {
        crate::parse::object(bytes.into())
    }

    /// The object's types, if it has any.
    pub fn types(&self) -> Option<Btf<'_>> {
        self.btf.as_ref().map(OwnedBtf::types)
    }

    /// Fails if the object cannot run on this machine because of its byte order.
    ///
    /// # Errors
    /// [`Error::WrongEndian`].
    pub fn check_endian(&self) -> Result<(), Error> {
        match self.endian == Endian::NATIVE {
            true => Ok(()),
            false => Err(Error::WrongEndian {
                object: self.endian,
            }),
        }
    }

    /// The program of this name; or the only one in the section of this name.
    ///
    /// # Errors
    /// If there is none (the error lists those there are), or if the name is a section with
    /// several programs.
    pub fn program(&self, name: &str) -> Result<&ProgramSpec, Error> {
        let index = self.program_index(name)?;
        Ok(&self.programs[index])
    }

    /// As [`Spec::program`], to edit it.
    ///
    /// # Errors
    /// As [`Spec::program`].
    pub fn program_mut(&mut self, name: &str) -> Result<&mut ProgramSpec, Error> {
        let index = self.program_index(name)?;
        Ok(&mut self.programs[index])
    }

    /// Position in `programs` of what [`Spec::program`] finds.
    ///
    /// # Errors
    /// As [`Spec::program`].
    pub fn program_index(&self, name: &str) -> Result<usize, Error> {
        if let Some(index) = self.programs.iter().position(|p| p.name == name) {
            return Ok(index);
        }
        let in_section =
            |p: &ProgramSpec| p.section == name || p.section == name.trim_start_matches('?');
        let found: Vec<usize> = (0..self.programs.len())
            .filter(|&i| in_section(&self.programs[i]))
            .collect();
        match found.as_slice() {
            [index] => Ok(*index),
            [] => Err(Error::NoSuchProgram {
                name: name.to_owned(),
                existing: self.programs.iter().map(|p| p.name.clone()).collect(),
            }),
            several => Err(Error::AmbiguousProgram {
                name: name.to_owned(),
                programs: several
                    .iter()
                    .map(|&i| self.programs[i].name.clone())
                    .collect(),
            }),
        }
    }

    /// The map of this name; `.rodata` and the like for global variables.
    ///
    /// # Errors
    /// If there is none; the error lists those there are.
    pub fn map(&self, name: &str) -> Result<&MapSpec, Error> {
        let found = self.maps.iter().find(|m| m.name == name);
        found.ok_or_else(|| self.no_such_map(name))
    }

    /// As [`Spec::map`], to edit it.
    ///
    /// # Errors
    /// As [`Spec::map`].
    pub fn map_mut(&mut self, name: &str) -> Result<&mut MapSpec, Error> {
        match self.maps.iter().position(|m| m.name == name) {
            Some(index) => Ok(&mut self.maps[index]),
            None => Err(self.no_such_map(name)),
        }
    }

    fn no_such_map(&self, name: &str) -> Error {
        Error::NoSuchMap {
            name: name.to_owned(),
            existing: self.maps.iter().map(|m| m.name.clone()).collect(),
        }
    }

    /// The global variable of this name.
    ///
    /// # Errors
    /// If there is none; the error lists those there are.
    pub fn global(&self, name: &str) -> Result<&GlobalVar, Error> {
        let found = self.globals.iter().find(|g| g.name == name);
        found.ok_or_else(|| Error::NoSuchGlobal {
            name: name.to_owned(),
            existing: self.globals.iter().map(|g| g.name.clone()).collect(),
        })
    }

    /// The initial bytes of a global variable; `None` if it lies in a section of zeros.
    ///
    /// # Errors
    /// If there is no such variable.
    pub fn global_bytes(&self, name: &str) -> Result<Option<&[u8]>, Error> {
        let var = self.global(name)?;
        let contents = self.map(&var.map)?.contents.as_deref();
        Ok(contents.and_then(|c| c.get(var.offset as usize..)?.get(..var.size as usize)))
    }

    /// Sets the initial value of a global variable, before loading. `bytes` is in the object's
    /// byte order.
    ///
    /// # Errors
    /// If there is no such variable, or it has another size.
    pub fn set_global(&mut self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let var = self.global(name)?.clone();
        if var.size as usize != bytes.len() {
            return Err(Error::GlobalSize {
                name: name.to_owned(),
                size: var.size,
                given: bytes.len(),
            });
        }
        let map = self.map_mut(&var.map)?;
        let size = map.value_size as usize;
        let contents = map.contents.get_or_insert_with(|| vec![0; size]);
        let place = contents
            .get_mut(var.offset as usize..)
            .and_then(|c| c.get_mut(..bytes.len()));
        match place {
            Some(place) => {
                place.copy_from_slice(bytes);
                Ok(())
            }
            None => {
                let variable = name.to_owned();
                Err(Error::map(&var.map, MapFault::VariableOutside { variable }))
            }
        }
    }

    /// Sets the capacity of a map before it is created.
    ///
    /// # Errors
    /// If there is no such map, or it holds global variables.
    pub fn set_max_entries(&mut self, name: &str, max_entries: u32) -> Result<(), Error> {
        let map = self.map_mut(name)?;
        if map.data.is_some_and(|kind| kind != DataKind::Arena) {
            return Err(Error::map(name, MapFault::HoldsGlobals));
        }
        map.max_entries = max_entries;
        Ok(())
    }

    /// Sets where a map is pinned and, if it exists there already, taken from.
    ///
    /// # Errors
    /// If there is no such map.
    pub fn set_pin_path(&mut self, name: &str, path: impl Into<PathBuf>) -> Result<(), Error> {
        self.map_mut(name)?.pin_path = Some(path.into());
        Ok(())
    }
}
