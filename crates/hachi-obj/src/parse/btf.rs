//! `.BTF`, and what compilers leave for the linker or loader to complete in it.

use std::collections::{HashMap, HashSet};

use hachi_btf::{Btf, BtfPatch, DataSec, Kind, Linkage, OwnedBtf, Type, Types as _};

use crate::elf::{Elf, Symbol};
use crate::error::ElfFault;
use crate::image::{Callback, Func};
use crate::order::sort_by_number;
use crate::{Error, Spec, Warning};

/// What a tag begins with that names the exception callback of a program.
const CALLBACK_TAG: &str = "exception_callback:";

/// The object's types, with the few that an object is asked for all the time.
pub(super) struct ObjectTypes {
    pub(super) patch: BtfPatch,
    /// The DATASECs.
    sections: Vec<u32>,
    /// The FUNCs, and the tags that name exception callbacks.
    functions: Vec<u32>,
    callback_tags: Vec<u32>,
}

pub(super) fn failed(source: hachi_btf::Error) -> Error {
    Error::Btf {
        section: ".BTF",
        source,
    }
}

pub(super) fn read(elf: &Elf<'_>) -> Result<Option<ObjectTypes>, Error> {
    let Some((_, section)) = elf.section(".BTF") else {
        return Ok(None);
    };
    let patch = BtfPatch::parse(section.data.to_vec()).map_err(failed)?;
    let btf = patch.types();
    if btf.endian() != elf.endian {
        return Err(ElfFault::ByteOrder {
            file: elf.endian,
            btf: btf.endian(),
        }
        .into());
    }
    let (mut sections, mut functions, mut tags) = (Vec::new(), Vec::new(), Vec::new());
    for id in 1..=btf.last_id() {
        match btf.kind(id).map_err(failed)? {
            Kind::DataSec => sections.push(id),
            Kind::Func => functions.push(id),
            Kind::DeclTag => {
                let tag = btf.shape(id).map_err(failed)?;
                if tag.name.starts_with(CALLBACK_TAG) {
                    tags.push(id);
                }
            }
            _ => {}
        }
    }
    Ok(Some(ObjectTypes {
        patch,
        sections,
        functions,
        callback_tags: tags,
    }))
}

impl ObjectTypes {
    pub(super) fn btf(&self) -> Btf<'_> {
        self.patch.types()
    }

    pub(super) fn finish(self) -> OwnedBtf {
        self.patch.finish()
    }

    /// Whether `id` is a FUNC.
    pub(super) fn is_function(&self, id: u32) -> bool {
        self.functions.binary_search(&id).is_ok()
    }

    /// The section of this name.
    pub(super) fn section(&self, name: &str) -> Option<(u32, DataSec<&str>)> {
        self.sections.iter().find_map(|&id| {
            let is_it = self.btf().shape(id).is_ok_and(|shape| shape.name == name);
            match is_it.then(|| self.btf().get(id)) {
                Some(Ok(Type::DataSec(section))) => Some((id, section)),
                _ => None,
            }
        })
    }

    /// Whether `id` is a variable that the object uses without defining it.
    fn is_extern(&self, id: u32) -> bool {
        matches!(self.btf().get(id), Ok(Type::Var(var)) if var.linkage == Linkage::Extern)
    }

    /// Fills in sizes of sections and offsets of variables. Compilers leave the size 0, and the
    /// offsets of global variables to relocations of `.BTF` that nobody applies. Where one
    /// definition took the place of a weak one, `bpftool gen object` leaves the other's offset. The
    /// symbol is right in all cases.
    pub(super) fn complete(&mut self, spec: &mut Spec, elf: &Elf<'_>) {
        let mut described = Vec::new();
        for &id in &self.sections {
            let Ok(Type::DataSec(section)) = self.btf().get(id) else {
                continue;
            };
            if matches!(section.name, ".ksyms" | ".kconfig") {
                continue;
            }
            match elf.section(section.name) {
                Some((index, found)) => described.push((id, index, found.size)),
                // Other objects have what it describes.
                None if section.vars.iter().all(|var| self.is_extern(var.type_id)) => {}
                None => spec.warnings.push(Warning::NoSection {
                    section: section.name.to_owned(),
                }),
            }
        }
        let is_described = |index| {
            described
                .iter()
                .any(|(_, described, _)| *described == index)
        };
        let mut symbols: HashMap<(usize, &str), &Symbol<'_>> = HashMap::new();
        for symbol in elf.symbols.iter().filter(|s| !s.is_local()) {
            if let Some(section) = symbol.section.filter(|&section| is_described(section)) {
                symbols.insert((section, symbol.name), symbol);
            }
        }
        for (id, index, size) in described {
            let Ok(Type::DataSec(section)) = self.btf().get(id) else {
                continue;
            };
            let mut vars = section.vars;
            let mut hidden = Vec::new();
            for var in &mut vars {
                let Ok(Type::Var(of)) = self.btf().get(var.type_id) else {
                    continue;
                };
                let Some(symbol) = symbols.get(&(index, of.name)) else {
                    continue;
                };
                if of.linkage == Linkage::Global {
                    var.offset = u32::try_from(symbol.value).unwrap_or(u32::MAX);
                    if symbol.hidden {
                        hidden.push(var.type_id);
                    }
                }
            }
            sort_by_number(&mut vars, |var| var.offset.into());
            // A size means that a linker has been here already.
            if section.size == 0 {
                let size = u32::try_from(size).unwrap_or(u32::MAX);
                self.patch.set_section_size(id, size);
            }
            self.patch.set_section_vars(id, &vars);
            for var in hidden {
                self.patch.set_linkage(var, Linkage::Static);
            }
        }
    }

    /// Functions that are global in the object only become static in BTF, so that the verifier
    /// checks them with what their callers know.
    pub(super) fn hide_functions(&mut self, elf: &Elf<'_>, functions: &[Func]) {
        let hidden = functions.iter().filter(|f| f.hidden && !f.entry);
        let hidden: HashSet<&str> = hidden.map(|f| elf.symbol_name_at(f.name)).collect();
        if hidden.is_empty() {
            return;
        }
        let btf = self.patch.types();
        let is_hidden = |id: &u32| {
            matches!(btf.get(*id), Ok(Type::Func(f))
                if f.linkage == Linkage::Global && hidden.contains(f.name))
        };
        let found: Vec<u32> = self.functions.iter().copied().filter(is_hidden).collect();
        drop(btf);
        for id in found {
            self.patch.set_linkage(id, Linkage::Static);
        }
    }

    /// The functions that tags name as exception callbacks, by the number of the program.
    pub(super) fn callbacks(&self, elf: &Elf<'_>, functions: &[Func]) -> Vec<(u32, Callback)> {
        let btf = self.btf();
        let named = |name: &str, is_it: &dyn Fn(&Func) -> bool| {
            let mut all = functions.iter();
            let found = all.position(|f| is_it(f) && elf.symbol_name_at(f.name) == name);
            found.map(|at| at as u32)
        };
        let mut found = Vec::new();
        for &id in &self.callback_tags {
            let Ok(Type::DeclTag(tag)) = btf.get(id) else {
                continue;
            };
            let Ok(Type::Func(of)) = btf.get(tag.type_id) else {
                continue;
            };
            let Some(name) = tag.value.strip_prefix(CALLBACK_TAG) else {
                continue;
            };
            if tag.component_idx != -1 {
                continue;
            }
            if let Some(program) = named(of.name, &|f| f.entry) {
                // The verifier wants a global function.
                let callback = named(name, &|f| !f.entry && !f.hidden && !f.local);
                let callback =
                    callback.map_or_else(|| Callback::Missing(name.to_owned()), Callback::Function);
                found.push((program, callback));
            }
        }
        found
    }
}
