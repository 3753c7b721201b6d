//! Relocatable eBPF objects: a model of what matters in them, and reading it.

use hachi_asm::Endian;
use hachi_btf::ext::{CoreRelo, LineInfo};
use object::elf as e;
use object::read::elf::{FileHeader, Rel, SectionHeader, Sym};
use object::{Endianness, SectionIndex};

use super::fault::{Named, ObjectFault};

/// How a symbol is seen by other objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binding {
    Local,
    Global,
    Weak,
}

/// What a symbol names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SymbolKind {
    NoType,
    Object,
    Func,
    /// The start of a section; has no name.
    Section,
}

/// Where a symbol lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Undefined,
    Absolute,
    /// In the section of this index.
    In(usize),
    /// Nowhere any more: what it named was removed, or gave way to another definition.
    Gone,
}

#[derive(Debug, Clone)]
pub(super) struct Symbol {
    pub name: String,
    pub binding: Binding,
    pub kind: SymbolKind,
    /// Not for other objects, although not local.
    pub hidden: bool,
    pub place: Place,
    pub value: u64,
    pub size: u64,
    /// Index of the object it was read from.
    pub object: usize,
    /// Another definition of the same name took precedence over this weak one.
    pub replaced: bool,
}

/// The kinds of relocation LLVM defines for eBPF (`Documentation/bpf/llvm_reloc.rst` of the
/// kernel).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RelocKind {
    /// The value of an ld_imm64 instruction.
    LdImm64 = 1,
    /// 64 bits of data.
    Abs64 = 2,
    /// 32 bits of data.
    Abs32 = 3,
    /// 32 bits of `.BTF` or `.BTF.ext`.
    NoDyld32 = 4,
    /// The target of a call.
    Call = 10,
}

impl RelocKind {
    /// The kind that a number stands for in a section of code, of data, or of type information.
    ///
    /// Before LLVM 13 there were only two kinds, named by their widths: 1 (64 bits) and 10 (32
    /// bits) occur in data and type information too.
    fn from_number(number: u32, place: Kept, code: bool) -> Option<Self> {
        Some(match (number, place) {
            (1, Kept::Section(_)) if code => RelocKind::LdImm64,
            (10, Kept::Section(_)) if code => RelocKind::Call,
            (1, Kept::Section(_)) | (2, _) => RelocKind::Abs64,
            (10, Kept::Section(_)) | (3, _) => RelocKind::Abs32,
            (4 | 10, _) => RelocKind::NoDyld32,
            _ => return None,
        })
    }
}

/// A reference to `symbol + addend` at `offset` of a section.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reloc {
    pub offset: u64,
    pub kind: RelocKind,
    pub symbol: usize,
    /// In bytes, also for calls.
    pub addend: i64,
}

#[derive(Debug, Clone)]
pub(super) struct Section {
    pub name: String,
    /// Without content in the file, all zero (`.bss`).
    pub bss: bool,
    pub writable: bool,
    pub executable: bool,
    pub alloc: bool,
    pub align: u64,
    /// Empty for a `bss` section.
    pub data: Vec<u8>,
    pub size: u64,
    pub relocs: Vec<Reloc>,
    /// The sections it was merged from.
    pub parts: Vec<Part>,
    /// Where source lines begin, by offset.
    pub lines: Vec<LineInfo>,
    /// From which offset on the code was inlined, and where: a number of a frame, 0 for none.
    pub inlined: Vec<(u32, u32)>,
    /// What is to be adjusted to the running kernel's types, by offset.
    pub core: Vec<CoreRelo>,
}

impl Section {
    /// The input section that holds `offset`.
    pub(super) fn part_at(&self, offset: u64) -> Option<Part> {
        let after = self.parts.partition_point(|part| part.start <= offset);
        Some(self.parts[after.checked_sub(1)?])
    }

    /// Whether it is data in which loaders look for references, rather than copy it as it is.
    pub(super) fn is_linked_data(&self) -> bool {
        let name = self.name.strip_prefix('?').unwrap_or(&self.name);
        name == super::maps::SECTION || name.starts_with(".struct_ops")
    }

    /// Whether loaders make maps of instructions of it, to which `gotox` jumps (cpu v4, Linux
    /// 6.19).
    pub(super) fn is_jump_table(&self) -> bool {
        self.name == ".jumptables"
    }
}

/// An input section within the section it became a part of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub start: u64,
    /// To be kept even if nothing refers to it.
    pub retain: bool,
    /// Index of the object it was read from.
    pub object: usize,
}

/// A section that describes the object, with relocations of its own.
#[derive(Debug, Clone, Default)]
pub(super) struct Described {
    pub data: Vec<u8>,
    pub relocs: Vec<Reloc>,
}

/// One input object.
#[derive(Debug)]
pub(super) struct Object {
    pub endian: Endian,
    pub sections: Vec<Section>,
    pub symbols: Vec<Symbol>,
    pub btf: Option<Described>,
    pub btf_ext: Option<Described>,
    /// `.hachi.inline`
    pub inline_info: Option<Vec<u8>>,
}

/// Sections that never reach the final object: debug information in DWARF (`.BTF` has what the
/// kernel takes), unwind tables, notes for other linkers.
fn is_dropped(name: &str) -> bool {
    name.starts_with(".debug_")
        || name.starts_with(".note")
        || name.starts_with(".llvm")
        || matches!(
            name,
            ".eh_frame" | ".comment" | ".gnu.warning" | ".gcc_except_table" | ".deplibs"
        )
}

/// Reads a relocatable eBPF object.
///
/// # Errors
/// The first thing that is wrong with it.
pub(super) fn read(data: &[u8], file: usize) -> Result<Object, ObjectFault> {
    let header = e::FileHeader64::<Endianness>::parse(data).map_err(|_| ObjectFault::NotElf64)?;
    let endian = header.endian()?;
    if header.e_machine(endian) != e::EM_BPF {
        return Err(ObjectFault::Machine(header.e_machine(endian).0));
    }
    if header.e_type(endian) != e::ET_REL {
        return Err(ObjectFault::NotRelocatable);
    }
    let table = header.sections(endian, data)?;
    let mut object = Object {
        endian: match endian {
            Endianness::Little => Endian::Little,
            Endianness::Big => Endian::Big,
        },
        sections: Vec::new(),
        symbols: Vec::new(),
        btf: None,
        btf_ext: None,
        inline_info: None,
    };
    // Where each section of the file went.
    let mut kept = vec![Kept::Dropped; table.len()];
    for (index, section) in table.enumerate() {
        let name = table.section_name(endian, section)?;
        let name = std::str::from_utf8(name).map_err(|_| ObjectFault::Name(Named::Section))?;
        let kind = section.sh_type(endian);
        let bytes = || section.data(endian, data).map_err(ObjectFault::from);
        match (name, kind) {
            (".BTF", e::SHT_PROGBITS) => {
                object.btf = Some(Described {
                    data: bytes()?.to_vec(),
                    relocs: Vec::new(),
                });
                kept[index.0] = Kept::Btf;
            }
            (".BTF.ext", e::SHT_PROGBITS) => {
                object.btf_ext = Some(Described {
                    data: bytes()?.to_vec(),
                    relocs: Vec::new(),
                });
                kept[index.0] = Kept::BtfExt;
            }
            (hachi_obj::inline::SECTION, e::SHT_PROGBITS) => {
                object.inline_info = Some(bytes()?.to_vec());
            }
            (name, e::SHT_PROGBITS | e::SHT_NOBITS) if !is_dropped(name) => {
                let size = section.sh_size(endian);
                if u32::try_from(size).is_err() {
                    let section = name.to_owned();
                    return Err(ObjectFault::SectionSize { section, size });
                }
                let flags = section.sh_flags(endian);
                let has = |flag: e::SectionFlags| flags.0 & flag.0 != 0;
                if has(e::SHF_TLS) {
                    let section = name.to_owned();
                    return Err(ObjectFault::ThreadLocal { section });
                }
                let align = section.sh_addralign(endian).max(1);
                if !align.is_power_of_two() || align > 1 << 16 {
                    let section = name.to_owned();
                    return Err(ObjectFault::Alignment { section, align });
                }
                kept[index.0] = Kept::Section(object.sections.len());
                object.sections.push(Section {
                    name: name.to_owned(),
                    bss: kind == e::SHT_NOBITS,
                    writable: has(e::SHF_WRITE),
                    executable: has(e::SHF_EXECINSTR),
                    alloc: has(e::SHF_ALLOC),
                    align,
                    data: match kind {
                        e::SHT_NOBITS => Vec::new(),
                        _ => bytes()?.to_vec(),
                    },
                    size,
                    relocs: Vec::new(),
                    parts: vec![Part {
                        start: 0,
                        retain: has(e::SHF_GNU_RETAIN),
                        object: file,
                    }],
                    lines: Vec::new(),
                    inlined: Vec::new(),
                    core: Vec::new(),
                });
            }
            _ => {}
        }
    }

    let symbols = table.symbols(endian, data, e::SHT_SYMTAB)?;
    for (index, symbol) in symbols.enumerate() {
        let name = symbols.symbol_name(endian, symbol)?;
        let name = std::str::from_utf8(name).map_err(|_| ObjectFault::Name(Named::Symbol))?;
        let place = match symbol.st_shndx(endian) {
            e::SHN_UNDEF => Place::Undefined,
            e::SHN_ABS => Place::Absolute,
            e::SHN_COMMON => {
                let symbol = name.to_owned();
                return Err(ObjectFault::CommonSymbol { symbol });
            }
            _ => match symbols
                .symbol_section(endian, symbol, index)?
                .and_then(|SectionIndex(i)| kept.get(i).copied())
            {
                Some(Kept::Section(section)) => Place::In(section),
                _ => Place::Gone,
            },
        };
        let mut kind = match symbol.st_type() {
            e::STT_OBJECT => SymbolKind::Object,
            e::STT_FUNC => SymbolKind::Func,
            e::STT_SECTION => SymbolKind::Section,
            _ => SymbolKind::NoType,
        };
        let local = symbol.st_bind() == e::STB_LOCAL;
        let (value, size) = (symbol.st_value(endian), symbol.st_size(endian));
        if let Place::In(section) = place {
            let section = &object.sections[section];
            // Assembly often leaves out what kind of thing a label is.
            if section.executable && kind == SymbolKind::NoType && !local {
                kind = SymbolKind::Func;
            }
            if value.checked_add(size).is_none_or(|end| end > section.size) {
                return Err(ObjectFault::SymbolBeyond {
                    symbol: name.to_owned(),
                    section: section.name.clone(),
                });
            }
        }
        object.symbols.push(Symbol {
            name: name.to_owned(),
            binding: match symbol.st_bind() {
                e::STB_LOCAL => Binding::Local,
                e::STB_WEAK => Binding::Weak,
                _ => Binding::Global,
            },
            kind,
            hidden: matches!(symbol.st_visibility(), e::STV_HIDDEN | e::STV_INTERNAL),
            place,
            value,
            size,
            object: file,
            replaced: false,
        });
    }

    for section in table.iter() {
        match section.sh_type(endian) {
            e::SHT_RELA => {
                let target = table.section(section.info_link(endian))?;
                let name = table.section_name(endian, target)?;
                if !is_dropped(&String::from_utf8_lossy(name)) {
                    return Err(ObjectFault::Rela);
                }
            }
            e::SHT_REL => {
                let target = section.info_link(endian);
                let place = kept.get(target.0).copied().unwrap_or(Kept::Dropped);
                let Some((entries, _)) = section.rel(endian, data)? else {
                    continue;
                };
                object.add_relocs(place, entries, endian)?;
            }
            _ => {}
        }
    }
    object.relocate_jump_tables()?;
    Ok(object)
}

/// Where a section of the file went.
#[derive(Clone, Copy)]
enum Kept {
    Dropped,
    Section(usize),
    Btf,
    BtfExt,
}

impl Object {
    fn add_relocs(
        &mut self,
        place: Kept,
        entries: &[e::Rel64<Endianness>],
        endian: Endianness,
    ) -> Result<(), ObjectFault> {
        let mut code = false;
        let (bytes, relocs): (&[u8], &mut Vec<Reloc>) = match place {
            Kept::Dropped => return Ok(()),
            Kept::Section(index) => {
                let section = &mut self.sections[index];
                code = section.executable;
                (&section.data, &mut section.relocs)
            }
            Kept::Btf | Kept::BtfExt => {
                let described = match place {
                    Kept::Btf => &mut self.btf,
                    _ => &mut self.btf_ext,
                };
                let Some(described) = described else {
                    return Ok(());
                };
                (&described.data, &mut described.relocs)
            }
        };
        for entry in entries {
            let (offset, number) = (entry.r_offset(endian), entry.r_type(endian).0);
            let symbol = entry.r_sym(endian) as usize;
            if symbol >= self.symbols.len() {
                return Err(ObjectFault::RelocationSymbol);
            }
            if number == 0 {
                continue;
            }
            let known = RelocKind::from_number(number, place, code)
                .and_then(|kind| Some((kind, addend(bytes, offset, kind, self.endian)?)));
            let Some((kind, addend)) = known else {
                return Err(ObjectFault::Relocation {
                    kind: number,
                    offset,
                });
            };
            relocs.push(Reloc {
                offset,
                kind,
                symbol,
                addend,
            });
        }
        relocs.sort_by_cached_key(|reloc| reloc.offset);
        Ok(())
    }
}

/// The field of `N` bytes at `offset`.
pub(super) fn bytes_at<const N: usize>(data: &[u8], offset: u64) -> Option<[u8; N]> {
    let start = usize::try_from(offset).ok()?;
    data.get(start..start.checked_add(N)?)?.try_into().ok()
}

/// What is to be added to the symbol's address, from the place to be relocated.
fn addend(data: &[u8], offset: u64, kind: RelocKind, endian: Endian) -> Option<i64> {
    let field = |offset: u64, within: u64| {
        let bytes = bytes_at::<4>(data, offset.checked_add(within)?)?;
        Some(match endian {
            Endian::Little => i32::from_le_bytes(bytes),
            Endian::Big => i32::from_be_bytes(bytes),
        })
    };
    Some(match kind {
        // ld_imm64: both instructions must be there.
        RelocKind::LdImm64 => {
            bytes_at::<16>(data, offset)?;
            i64::from(field(offset, 4)?)
        }
        // A call: the immediate counts instructions, from the one after it.
        RelocKind::Call => (i64::from(field(offset, 4)?) + 1) * 8,
        RelocKind::Abs64 => {
            let bytes = bytes_at::<8>(data, offset)?;
            match endian {
                Endian::Little => i64::from_le_bytes(bytes),
                Endian::Big => i64::from_be_bytes(bytes),
            }
        }
        RelocKind::Abs32 | RelocKind::NoDyld32 => i64::from(field(offset, 0)?),
    })
}

/// Writes `value` as the relocated field of the given kind.
pub(super) fn put_addend(
    data: &mut [u8],
    offset: u64,
    kind: RelocKind,
    value: i64,
    endian: Endian,
) {
    let mut put = |offset: u64, bytes: &[u8]| {
        let start = offset as usize;
        data[start..start + bytes.len()].copy_from_slice(bytes);
    };
    let four = |value: i64| match endian {
        Endian::Little => (value as i32).to_le_bytes(),
        Endian::Big => (value as i32).to_be_bytes(),
    };
    match kind {
        RelocKind::LdImm64 => put(offset + 4, &four(value)),
        RelocKind::Call => put(offset + 4, &four(value / 8 - 1)),
        RelocKind::Abs64 => match endian {
            Endian::Little => put(offset, &value.to_le_bytes()),
            Endian::Big => put(offset, &value.to_be_bytes()),
        },
        _ => put(offset, &four(value)),
    }
}
