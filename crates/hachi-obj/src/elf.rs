//! The ELF file, reduced to what matters here: sections, symbols and relocations, all checked.

use hachi_btf::Endian;
use object::elf::{
    self, FileHeader64, SectionFlags, SectionHeader64, SectionType, SymbolBind, SymbolType,
};
use object::read::elf::{FileHeader as _, Rel as _, Rela as _, SectionHeader as _, Sym as _};
use object::{Endianness, SectionIndex};

use crate::Error;
use crate::error::{ElfFault, ElfPart, FileKind, FileStart, Machine};
use crate::order::sort_by_number;

/// A checked ELF object.
pub(crate) struct Elf<'a> {
    pub(crate) endian: Endian,
    /// By ELF index; entry 0 is the empty section.
    pub(crate) sections: Vec<Section<'a>>,
    /// By ELF index; entry 0 is the empty symbol.
    pub(crate) symbols: Vec<Symbol<'a>>,
    /// The section with the names of symbols.
    pub(crate) symbol_names: usize,
    /// The section with the names of sections.
    pub(crate) section_names: usize,
}

pub(crate) struct Section<'a> {
    pub(crate) name: &'a str,
    /// Where its name begins among the names of sections.
    pub(crate) name_at: u32,
    pub(crate) kind: SectionType,
    pub(crate) flags: SectionFlags,
    /// Its size, also of a section without bytes in the file (`.bss`). The file does not bound it.
    pub(crate) size: u64,
    pub(crate) data: &'a [u8],
    /// Where `data` begins in the file.
    pub(crate) file_offset: usize,
    /// Relocations that apply to it, if it is one that programs see.
    pub(crate) relocations: Relocations,
}

impl Section<'_> {
    pub(crate) fn is_code(&self) -> bool {
        self.kind == elf::SHT_PROGBITS
            && self.flags.contains(elf::SHF_EXECINSTR)
            && !self.data.is_empty()
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Symbol<'a> {
    pub(crate) name: &'a str,
    /// Where its name begins among the names of symbols.
    pub(crate) name_at: u32,
    pub(crate) value: u64,
    pub(crate) size: u64,
    /// `None` if it is defined elsewhere, or in no section.
    pub(crate) section: Option<usize>,
    pub(crate) undefined: bool,
    pub(crate) binding: SymbolBind,
    pub(crate) kind: SymbolType,
    /// Not to be seen outside of the object, although global.
    pub(crate) hidden: bool,
}

impl Symbol<'_> {
    pub(crate) fn is_local(&self) -> bool {
        self.binding == elf::STB_LOCAL
    }

    pub(crate) fn is_weak(&self) -> bool {
        self.binding == elf::STB_WEAK
    }

    pub(crate) fn is_function(&self) -> bool {
        self.kind == elf::STT_FUNC
    }

    pub(crate) fn is_section(&self) -> bool {
        self.kind == elf::STT_SECTION
    }
}

/// The relocations of a section, by offset. An object may have a hundred thousand, nearly always
/// without addends of their own.
#[derive(Clone, Default)]
pub(crate) struct Relocations {
    list: Vec<(u32, u32)>,
    /// By position in `list`; empty if none has an addend.
    addends: Vec<Option<i64>>,
}

#[derive(Clone, Copy)]
pub(crate) struct Relocation {
    pub(crate) offset: u32,
    pub(crate) symbol: usize,
    /// Explicit addend (RELA); `None` if it stands in the relocated place (REL), as BPF has it.
    pub(crate) addend: Option<i64>,
}

impl Relocations {
    pub(crate) fn iter(&self) -> impl Iterator<Item = Relocation> + '_ {
        (0..self.list.len()).map(|at| self.get(at))
    }

    pub(crate) fn first(&self) -> Option<Relocation> {
        self.iter().next()
    }

    /// Those at the offsets `start..end`.
    pub(crate) fn range(&self, start: u32, end: u32) -> impl Iterator<Item = Relocation> + '_ {
        let position = |offset| self.list.partition_point(|(at, _)| *at < offset);
        (position(start)..position(end)).map(|at| self.get(at))
    }

    fn get(&self, at: usize) -> Relocation {
        let (offset, symbol) = self.list[at];
        Relocation {
            offset,
            symbol: symbol as usize,
            addend: self.addends.get(at).copied().flatten(),
        }
    }

    /// Adds those of one table of the file, in whatever order it has them.
    fn add(&mut self, new: impl Iterator<Item = Result<Relocation, Error>>) -> Result<(), Error> {
        for relocation in new {
            let Relocation {
                offset,
                symbol,
                addend,
            } = relocation?;
            if addend.is_some() {
                self.addends.resize(self.list.len(), None);
                self.addends.push(addend);
            }
            self.list.push((offset, symbol as u32));
        }
        if !self.addends.is_empty() {
            self.addends.resize(self.list.len(), None);
        }
        if !self.list.is_sorted_by_key(|(offset, _)| *offset) {
            let mut all: Vec<Relocation> = self.iter().collect();
            sort_by_number(&mut all, |relocation| relocation.offset.into());
            let whole = all.iter().map(|one| (one.offset, one.symbol as u32));
            self.list = whole.collect();
            if !self.addends.is_empty() {
                self.addends = all.iter().map(|one| one.addend).collect();
            }
        }
        Ok(())
    }
}

type Header = FileHeader64<Endianness>;

impl<'a> Elf<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Elf<'a>, Error> {
        let header = header(bytes)?;
        let endian = header.endian().map_err(unreadable(ElfPart::Header))?;
        let table = header
            .sections(endian, bytes)
            .map_err(unreadable(ElfPart::Header))?;
        let mut sections = Vec::with_capacity(table.len());
        for (index, section) in table.enumerate() {
            let part = ElfPart::Section(index.0);
            let name = table
                .section_name(endian, section)
                .map_err(unreadable(part))?;
            let file_offset = section.file_range(endian).map_or(0, |(offset, _)| offset);
            sections.push(Section {
                name: utf8(name, part)?,
                name_at: section.sh_name(endian),
                kind: section.sh_type(endian),
                flags: section.sh_flags(endian),
                size: section.sh_size(endian),
                data: section.data(endian, bytes).map_err(unreadable(part))?,
                // What can be sliced out of `bytes` begins at a usize.
                file_offset: file_offset as usize,
                relocations: Relocations::default(),
            });
        }
        let symbols = table
            .symbols(endian, bytes, elf::SHT_SYMTAB)
            .map_err(unreadable(ElfPart::Header))?;
        let mut elf = Elf {
            endian: match endian {
                Endianness::Little => Endian::Little,
                Endianness::Big => Endian::Big,
            },
            sections,
            symbols: Vec::with_capacity(symbols.len()),
            symbol_names: symbols.string_section().0,
            section_names: header
                .section_strings_index(endian, bytes)
                .map_err(unreadable(ElfPart::Header))?
                .0,
        };
        for (index, symbol) in symbols.enumerate() {
            let part = ElfPart::Symbol(index.0);
            let name = symbols
                .symbol_name(endian, symbol)
                .map_err(unreadable(part))?;
            let section = symbols
                .symbol_section(endian, symbol, index)
                .map_err(unreadable(part))?;
            let section = section.map(|SectionIndex(section)| section);
            if section.is_some_and(|section| section >= elf.sections.len()) {
                return Err(ElfFault::NoSuchSection { by: part }.into());
            }
            elf.symbols.push(Symbol {
                name: utf8(name, part)?,
                name_at: symbol.st_name(endian),
                value: symbol.st_value(endian),
                size: symbol.st_size(endian),
                section,
                undefined: symbol.is_undefined(endian),
                binding: symbol.st_bind(),
                kind: symbol.st_type(),
                hidden: matches!(symbol.st_visibility(), elf::STV_HIDDEN | elf::STV_INTERNAL),
            });
        }
        for (index, section) in table.enumerate() {
            elf.relocations(index.0, section, endian, bytes)?;
        }
        Ok(elf)
    }

    /// Adds the relocations of a section of them.
    fn relocations(
        &mut self,
        index: usize,
        section: &SectionHeader64<Endianness>,
        endian: Endianness,
        bytes: &'a [u8],
    ) -> Result<(), Error> {
        let part = ElfPart::Relocations(index);
        let rel = section.rel(endian, bytes).map_err(unreadable(part))?;
        let rela = section.rela(endian, bytes).map_err(unreadable(part))?;
        let (rel, rela) = match (rel, rela) {
            (None, None) => return Ok(()),
            (rel, rela) => (
                rel.map_or(&[][..], |(list, _)| list),
                rela.map_or(&[][..], |(list, _)| list),
            ),
        };
        let target = section.sh_info(endian) as usize;
        let Some(target) = self.sections.get_mut(target) else {
            return Err(ElfFault::NoSuchSection { by: part }.into());
        };
        // Those of debug information and `.BTF.ext` are for other linkers.
        if !target.flags.contains(elf::SHF_ALLOC) {
            return Ok(());
        }
        let symbols = self.symbols.len();
        let checked = |offset: u64, symbol: u32, addend| {
            if symbol as usize >= symbols {
                return Err(ElfFault::NoSuchSymbol { by: part }.into());
            }
            let offset = u32::try_from(offset).map_err(|_| ElfFault::Beyond4GiB { by: part })?;
            Ok(Relocation {
                offset,
                symbol: symbol as usize,
                addend,
            })
        };
        let rel = rel.iter();
        let rel = rel.map(|rel| checked(rel.r_offset(endian), rel.r_sym(endian), None));
        let rela = rela.iter().map(|rela| {
            let addend = Some(rela.r_addend(endian));
            checked(rela.r_offset(endian), rela.r_sym(endian, false), addend)
        });
        target.relocations.add(rel.chain(rela))
    }

    /// The first section of this name.
    pub(crate) fn section(&self, name: &str) -> Option<(usize, &Section<'a>)> {
        self.sections
            .iter()
            .enumerate()
            .find(|(_, section)| section.name == name)
    }

    /// The name that begins at this place among the names of symbols.
    pub(crate) fn symbol_name_at(&self, at: u32) -> &'a str {
        let names = self.sections.get(self.symbol_names);
        text(names.map_or(&[], |section| section.data), at)
    }

    /// What to call a symbol in messages: sections' symbols have no name of their own.
    pub(crate) fn symbol_name(&self, symbol: &Symbol<'a>) -> &'a str {
        match symbol.section {
            Some(section) if symbol.name.is_empty() => self.sections[section].name,
            _ => symbol.name,
        }
    }
}

/// The string that begins at `offset` of a section of strings.
pub(crate) fn text(strings: &[u8], offset: u32) -> &str {
    let tail = strings.get(offset as usize..).unwrap_or_default();
    let text = tail.split(|&byte| byte == 0).next().unwrap_or_default();
    std::str::from_utf8(text).unwrap_or_default()
}

fn unreadable(part: ElfPart) -> impl Fn(object::read::Error) -> Error {
    move |error| {
        let reason = error.to_string();
        ElfFault::Unreadable { part, reason }.into()
    }
}

fn utf8(name: &[u8], of: ElfPart) -> Result<&str, Error> {
    std::str::from_utf8(name).map_err(|_| ElfFault::Name { of }.into())
}

/// Checks that this is a relocatable BPF ELF file before anything else is read.
fn header(bytes: &[u8]) -> Result<&Header, Error> {
    if !bytes.starts_with(&elf::ELFMAG) {
        let start = FileStart::of(bytes);
        return Err(Error::NotElf { start });
    }
    match bytes.get(4).map(|&class| elf::FileClass(class)) {
        Some(elf::ELFCLASS64) => {}
        Some(elf::ELFCLASS32) => {
            let machine = Machine::Bits32;
            return Err(Error::WrongMachine { machine });
        }
        _ => return Err(ElfFault::NoHeader.into()),
    }
    let header = Header::parse(bytes).map_err(unreadable(ElfPart::Header))?;
    let endian = header.endian().map_err(unreadable(ElfPart::Header))?;
    match header.e_machine.get(endian) {
        // Old compilers left the machine out.
        elf::EM_BPF | elf::EM_NONE => {}
        machine => {
            let machine = Machine::Number(machine.0);
            return Err(Error::WrongMachine { machine });
        }
    }
    let kind = match header.e_type.get(endian) {
        elf::ET_REL => return Ok(header),
        elf::ET_EXEC => FileKind::Executable,
        elf::ET_DYN => FileKind::SharedLibrary,
        other => FileKind::Other(other.0),
    };
    Err(Error::NotRelocatable { kind })
}
