//! The code of an object as its file has it: read where it is, shared by all its programs.
//!
//! Opening an object finds out where everything is. Instructions, relocations and records of a
//! program are looked at when its [`Code`](crate::Code) is asked for.

mod code;
mod records;

use std::ops::Range;
use std::sync::Arc;

use hachi_asm::Endian;
use hachi_btf::OwnedBtf;

use crate::elf::{Elf, Relocations, text};
use crate::{Extern, ExternKind};

pub(crate) use records::Records;

/// Where something is in [`Image::bytes`].
#[derive(Clone, Copy, Default)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) len: usize,
}

impl Span {
    pub(crate) fn range(self) -> Range<usize> {
        self.start..self.start + self.len
    }
}

pub(crate) struct Image {
    pub(crate) endian: Endian,
    /// The object file, or what is needed of it.
    pub(crate) bytes: Vec<u8>,
    /// The names of symbols and of sections.
    pub(crate) symbol_names: Span,
    pub(crate) section_names: Span,
    /// `.BTF.ext`.
    pub(crate) ext: Span,
    /// By ELF index.
    pub(crate) symbols: Vec<Symbol>,
    /// By ELF index.
    pub(crate) sections: Vec<Section>,
    /// Those that hold code.
    pub(crate) code: Vec<CodeSection>,
    /// All functions, by section and place.
    pub(crate) functions: Vec<Func>,
    /// Functions that a `bpf_throw` in a program calls: by program, the callbacks its tags name.
    pub(crate) callbacks: Vec<(u32, Callback)>,
    /// The maps of sections of map definitions, by section and place.
    pub(crate) maps: Vec<MapPlace>,
    /// What the running system must supply, by name.
    pub(crate) externs: Vec<Outside>,
    pub(crate) btf: Option<OwnedBtf>,
}

/// What the running system must supply.
#[derive(Clone)]
pub(crate) struct Outside {
    name: Arc<str>,
    kind: ExternKind,
    /// Its place in the order of libbpf.
    place: u32,
}

impl Outside {
    /// All that is declared, by name.
    pub(crate) fn all(externs: &[Extern]) -> Vec<Outside> {
        let outside = externs.iter().map(|of| Outside {
            name: Arc::from(of.name.as_str()),
            kind: of.kind,
            place: 0,
        });
        let mut all: Vec<Outside> = outside.collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        // Options of the configuration come first.
        let symbols = |of: &&mut Outside| !matches!(of.kind, ExternKind::Kconfig { .. });
        let options = all.len() - all.iter_mut().filter(symbols).count();
        for (place, of) in (options as u32..).zip(all.iter_mut().filter(symbols)) {
            of.place = place;
        }
        all
    }
}

/// A symbol of the object.
#[derive(Clone, Copy)]
pub(crate) struct Symbol {
    /// Its name, among the names of symbols.
    pub(crate) name: u32,
    /// The section it lies in; `None` if it is defined elsewhere, or in no section.
    pub(crate) section: Option<u32>,
    pub(crate) undefined: bool,
    pub(crate) value: u64,
    pub(crate) size: u64,
}

/// A section of the object.
#[derive(Clone)]
pub(crate) struct Section {
    /// Its name, among the names of sections.
    pub(crate) name: u32,
    pub(crate) holds: Holds,
}

/// What lies in a section that code may refer to.
#[derive(Clone)]
pub(crate) enum Holds {
    /// Code: a number of [`Image::code`].
    Code(u32),
    /// Global variables in the map of this name: how many bytes of them.
    Data(Arc<str>, u64),
    /// Jump tables: places in the section of the code that refers to them, 64 bits each.
    JumpTables(Span),
    /// Maps, or nothing that code can refer to.
    Other,
}

/// The section of jump tables, as clang (from 22) writes it.
const JUMP_TABLES: &str = ".jumptables";

/// A section of code.
pub(crate) struct CodeSection {
    /// Its ELF index.
    pub(crate) section: u32,
    pub(crate) data: Span,
    pub(crate) relocations: Relocations,
    pub(crate) lines: Records,
    pub(crate) core_relos: Records,
}

/// A function as the file has it.
#[derive(Clone)]
pub(crate) struct Func {
    /// Its name, among the names of symbols.
    pub(crate) name: u32,
    /// A number of [`Image::code`].
    pub(crate) section: u32,
    /// First slot, counted from the start of the section.
    pub(crate) start: u32,
    /// How many slots it has.
    pub(crate) len: u32,
    /// Its FUNC; 0 if `.BTF.ext` does not know it.
    pub(crate) type_id: u32,
    /// A program, rather than something that programs call.
    pub(crate) entry: bool,
    /// Global, but not to be seen outside the object.
    pub(crate) hidden: bool,
    pub(crate) local: bool,
}

/// What a tag `exception_callback:NAME` of a program names.
#[derive(Clone)]
pub(crate) enum Callback {
    /// A number of [`Image::functions`].
    Function(u32),
    /// A function that the object does not have, or that the kernel would not take for it.
    Missing(String),
}

/// A map in a section of definitions.
#[derive(Clone)]
pub(crate) struct MapPlace {
    /// ELF index.
    pub(crate) section: u32,
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) map: Arc<str>,
}

impl Image {
    /// Of a checked file: where its code is. What it refers to is to be added.
    pub(crate) fn new(elf: &Elf<'_>, ext: Option<usize>) -> Image {
        let span = |index: usize| {
            elf.sections
                .get(index)
                .map_or(Span::default(), |section| Span {
                    start: section.file_offset,
                    len: section.data.len(),
                })
        };
        let symbols = elf.symbols.iter().map(|symbol| Symbol {
            name: symbol.name_at,
            section: symbol.section.map(|section| section as u32),
            undefined: symbol.undefined,
            value: symbol.value,
            size: symbol.size,
        });
        let mut code = Vec::new();
        let mut sections = Vec::with_capacity(elf.sections.len());
        for (index, section) in elf.sections.iter().enumerate() {
            let holds = match section.is_code() {
                true => Holds::Code(code.len() as u32),
                false if section.name == JUMP_TABLES => Holds::JumpTables(span(index)),
                false => Holds::Other,
            };
            if section.is_code() {
                code.push(CodeSection {
                    section: index as u32,
                    data: span(index),
                    relocations: section.relocations.clone(),
                    lines: Records::default(),
                    core_relos: Records::default(),
                });
            }
            sections.push(Section {
                name: section.name_at,
                holds,
            });
        }
        Image {
            endian: elf.endian,
            bytes: Vec::new(),
            symbol_names: span(elf.symbol_names),
            section_names: span(elf.section_names),
            ext: ext.map_or(Span::default(), span),
            symbols: symbols.collect(),
            sections,
            code,
            functions: Vec::new(),
            callbacks: Vec::new(),
            maps: Vec::new(),
            externs: Vec::new(),
            btf: None,
        }
    }

    /// Takes over the file, if that takes not much more memory than the parts needed.
    pub(crate) fn take(&mut self, file: Vec<u8>) {
        match self.needed() >= file.len() / 2 {
            true => self.bytes = file,
            false => self.copy(&file),
        }
    }

    /// Copies what is needed of the file.
    pub(crate) fn copy(&mut self, file: &[u8]) {
        let mut bytes = Vec::with_capacity(self.needed());
        for span in self.spans() {
            let part = file.get(span.range()).unwrap_or_default();
            *span = Span {
                start: bytes.len(),
                len: part.len(),
            };
            bytes.extend_from_slice(part);
        }
        self.bytes = bytes;
    }

    fn needed(&mut self) -> usize {
        let lens = self.spans().map(|span| span.len);
        lens.fold(0, usize::saturating_add)
    }

    fn spans(&mut self) -> impl Iterator<Item = &mut Span> {
        let whole = [
            &mut self.symbol_names,
            &mut self.section_names,
            &mut self.ext,
        ];
        let tables = self.sections.iter_mut().filter_map(|s| match &mut s.holds {
            Holds::JumpTables(span) => Some(span),
            _ => None,
        });
        whole
            .into_iter()
            .chain(self.code.iter_mut().map(|code| &mut code.data))
            .chain(tables)
    }

    pub(crate) fn ext_bytes(&self) -> &[u8] {
        &self.bytes[self.ext.range()]
    }

    /// The instructions of a section of code, 8 bytes each.
    pub(crate) fn section_code(&self, section: &CodeSection) -> &[[u8; 8]] {
        self.bytes[section.data.range()].as_chunks().0
    }

    /// The name of a symbol; names were checked when the file was read.
    pub(crate) fn symbol_name(&self, symbol: u32) -> &str {
        text(&self.bytes[self.symbol_names.range()], symbol)
    }

    /// The name of a section, by its ELF index.
    pub(crate) fn section_name(&self, section: u32) -> &str {
        let name = self.sections.get(section as usize).map_or(0, |s| s.name);
        text(&self.bytes[self.section_names.range()], name)
    }

    /// The function that begins at this slot of a section of code.
    pub(crate) fn function_starting_at(&self, section: u32, slot: u32) -> Option<u32> {
        let key = |f: &Func| (f.section, f.start);
        let found = self.functions.binary_search_by_key(&(section, slot), key);
        Some(found.ok()? as u32)
    }

    /// The map that begins at this place of a section.
    pub(crate) fn map_at(&self, section: u32, offset: u64) -> Option<&Arc<str>> {
        let key = |place: &MapPlace| (place.section, place.offset);
        let found = self.maps.binary_search_by_key(&(section, offset), key);
        Some(&self.maps[found.ok()?].map)
    }
}
