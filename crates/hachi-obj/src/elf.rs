//! The ELF file, reduced to what matters here: sections, symbols and relocations, all checked.

use hachi_btf::Endian;
use object::elf::{self, FileHeader64, SectionFlags, SectionType, SymbolBind, SymbolType};
use object::read::elf::{FileHeader as _, Rel as _, Rela as _, SectionHeader as _, Sym as _};
use object::{Endianness, SectionIndex};

use crate::Error;

/// A checked ELF object.
pub(crate) struct Elf<'a> {
    pub(crate) endian: Endian,
    /// By ELF index; entry 0 is the empty section.
    pub(crate) sections: Vec<Section<'a>>,
    /// By ELF index; entry 0 is the empty symbol.
    pub(crate) symbols: Vec<Symbol<'a>>,
}

pub(crate) struct Section<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: SectionType,
    pub(crate) flags: SectionFlags,
    /// Its size, also of a section without bytes in the file (`.bss`). Not bounded by the file's!
    pub(crate) size: u64,
    pub(crate) data: &'a [u8],
    /// Relocations that apply to it, by offset.
    pub(crate) relocations: Vec<Reloc>,
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

#[derive(Clone, Copy)]
pub(crate) struct Reloc {
    pub(crate) offset: u64,
    pub(crate) symbol: usize,
    /// Explicit addend (RELA); `None` if it stands in the relocated place (REL), as BPF has it.
    pub(crate) addend: Option<i64>,
}

type Header = FileHeader64<Endianness>;

impl<'a> Elf<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Elf<'a>, Error> {
        let header = header(bytes)?;
        let endianness = header.endian().map_err(bad)?;
        let table = header.sections(endianness, bytes).map_err(bad)?;
        let mut sections = Vec::with_capacity(table.len());
        for (index, section) in table.enumerate() {
            let what = |e| Error::elf(format!("section {}: {e}", index.0));
            let name = table.section_name(endianness, section).map_err(what)?;
            sections.push(Section {
                name: utf8(name, "section", index.0)?,
                kind: section.sh_type(endianness),
                flags: section.sh_flags(endianness),
                size: section.sh_size(endianness),
                data: section.data(endianness, bytes).map_err(what)?,
                relocations: Vec::new(),
            });
        }
        let mut elf = Elf {
            endian: match endianness {
                Endianness::Little => Endian::Little,
                Endianness::Big => Endian::Big,
            },
            sections,
            symbols: Vec::new(),
        };
        let symbols = table
            .symbols(endianness, bytes, elf::SHT_SYMTAB)
            .map_err(bad)?;
        for (index, symbol) in symbols.enumerate() {
            let what = |e| Error::elf(format!("symbol {}: {e}", index.0));
            let name = symbols.symbol_name(endianness, symbol).map_err(what)?;
            let section = symbols
                .symbol_section(endianness, symbol, index)
                .map_err(what)?;
            let section = section.map(|SectionIndex(section)| section);
            if section.is_some_and(|section| section >= elf.sections.len()) {
                return Err(Error::elf(format!(
                    "symbol {} lies in a section that does not exist",
                    index.0
                )));
            }
            elf.symbols.push(Symbol {
                name: utf8(name, "symbol", index.0)?,
                value: symbol.st_value(endianness),
                size: symbol.st_size(endianness),
                section,
                undefined: symbol.is_undefined(endianness),
                binding: symbol.st_bind(),
                kind: symbol.st_type(),
                hidden: matches!(symbol.st_visibility(), elf::STV_HIDDEN | elf::STV_INTERNAL),
            });
        }
        for (index, section) in table.enumerate() {
            let what = |e| Error::elf(format!("relocation section {}: {e}", index.0));
            let target = section.sh_info(endianness) as usize;
            let mut found = Vec::new();
            if let Some((list, _)) = section.rel(endianness, bytes).map_err(what)? {
                found.extend(list.iter().map(|rel| Reloc {
                    offset: rel.r_offset(endianness),
                    symbol: rel.r_sym(endianness) as usize,
                    addend: None,
                }));
            }
            if let Some((list, _)) = section.rela(endianness, bytes).map_err(what)? {
                found.extend(list.iter().map(|rela| Reloc {
                    offset: rela.r_offset(endianness),
                    symbol: rela.r_sym(endianness, false) as usize,
                    addend: Some(rela.r_addend(endianness)),
                }));
            }
            if found.is_empty() {
                continue;
            }
            if found.iter().any(|reloc| reloc.symbol >= elf.symbols.len()) {
                return Err(Error::elf(format!(
                    "relocation section {} refers to a symbol that does not exist",
                    index.0
                )));
            }
            let target = elf.sections.get_mut(target).ok_or_else(|| {
                Error::elf(format!(
                    "relocation section {} is for a section that does not exist",
                    index.0
                ))
            })?;
            target.relocations.append(&mut found);
            target.relocations.sort_by_cached_key(|reloc| reloc.offset);
        }
        Ok(elf)
    }

    /// The first section of this name.
    pub(crate) fn section(&self, name: &str) -> Option<(usize, &Section<'a>)> {
        self.sections
            .iter()
            .enumerate()
            .find(|(_, section)| section.name == name)
    }

    /// What to call a symbol in messages: sections' symbols have no name of their own.
    pub(crate) fn symbol_name(&self, symbol: &Symbol<'a>) -> &'a str {
        match symbol.section {
            Some(section) if symbol.name.is_empty() => self.sections[section].name,
            _ => symbol.name,
        }
    }
}

fn bad(error: object::read::Error) -> Error {
    Error::elf(error.to_string())
}

fn utf8<'a>(name: &'a [u8], what: &str, index: usize) -> Result<&'a str, Error> {
    std::str::from_utf8(name)
        .map_err(|_| Error::elf(format!("the name of {what} {index} is not UTF-8")))
}

/// Checks that this is a relocatable BPF ELF file before anything else is read.
fn header(bytes: &[u8]) -> Result<&Header, Error> {
    if !bytes.starts_with(&elf::ELFMAG) {
        return Err(Error::NotElf {
            start: describe(bytes),
        });
    }
    match bytes.get(4).map(|&class| elf::FileClass(class)) {
        Some(elf::ELFCLASS64) => {}
        Some(elf::ELFCLASS32) => {
            return Err(Error::WrongMachine {
                machine: "a 32-bit machine".into(),
            });
        }
        _ => return Err(Error::elf("its header is cut short")),
    }
    let header = Header::parse(bytes).map_err(bad)?;
    let endian = header.endian().map_err(bad)?;
    match header.e_machine.get(endian) {
        // Old compilers left the machine out.
        elf::EM_BPF | elf::EM_NONE => {}
        machine => {
            return Err(Error::WrongMachine {
                machine: machine_name(machine),
            });
        }
    }
    match header.e_type.get(endian) {
        elf::ET_REL => Ok(header),
        elf::ET_EXEC => Err(Error::NotRelocatable {
            kind: "an executable",
        }),
        elf::ET_DYN => Err(Error::NotRelocatable {
            kind: "a shared library",
        }),
        _ => Err(Error::NotRelocatable {
            kind: "of an unknown type",
        }),
    }
}

fn machine_name(machine: elf::Machine) -> String {
    match machine {
        elf::EM_X86_64 => "x86-64".into(),
        elf::EM_AARCH64 => "AArch64".into(),
        elf::EM_RISCV => "RISC-V".into(),
        elf::EM_S390 => "s390".into(),
        elf::EM_PPC64 => "PowerPC 64".into(),
        elf::EM_LOONGARCH => "LoongArch".into(),
        other => format!("machine {}", other.0),
    }
}

/// What a file that isn't ELF seems to be.
fn describe(bytes: &[u8]) -> String {
    match bytes {
        [] => "nothing: the file is empty".into(),
        [b'B', b'C', 0xc0, 0xde, ..] => {
            "\"BC\": LLVM bitcode, which hachi-linker turns into an object".into()
        }
        [b'!', b'<', b'a', b'r', b'c', b'h', b'>', ..] => "\"!<arch>\": an archive".into(),
        [b'#', b'!', ..] => "\"#!\": a script".into(),
        _ => {
            let hex: Vec<String> = bytes.iter().take(4).map(|b| format!("{b:02x}")).collect();
            hex.join(" ")
        }
    }
}
