//! Writing the final object.
//!
//! The ELF file is written by hand: it has no program headers and three kinds of tables, whose
//! layouts come from the `object` crate; that crate's own writer would cost users of the library
//! three more dependencies.

use std::collections::{BTreeMap, HashMap};

use hachi_asm::Endian;
use hachi_btf::ext::{BtfExt, CoreRelo, FuncInfo, LineInfo, Section as ExtSection};
use hachi_btf::{BtfBuilder, DataSec, StringTable, Type, VarSecInfo};
use object::elf as e;
use object::{Endianness, U16, U32, U64, pod};

use super::check;
use super::elf::{Binding, Place, SymbolKind, put_addend};
use super::link::Extern;
use super::states::Typed;
use crate::{Code, Diagnostic};

/// `.BTF` and `.BTF.ext`.
pub(super) struct Info {
    pub btf: Vec<u8>,
    pub ext: Vec<u8>,
    /// The types written, for the last checks.
    pub types: BtfBuilder,
}

impl Typed {
    /// The descriptions of the object, as they will be written.
    ///
    /// # Errors
    /// Variables that overlap, and types that BTF cannot hold.
    pub(super) fn info(&self) -> Result<Info, Vec<Diagnostic>> {
        let mut errors = Vec::new();
        let mut types = self.0.btf.clone();
        let mut declared: BTreeMap<&str, Vec<VarSecInfo>> = BTreeMap::new();
        for wanted in &self.0.externs {
            let Some(section) = wanted.provider.section() else {
                continue;
            };
            declared.entry(section).or_default().push(VarSecInfo {
                type_id: wanted.type_id,
                offset: 0,
                size: match types.get(wanted.type_id) {
                    Some(Type::Var(var)) => {
                        hachi_btf::Types::size_of(&types, var.type_id).unwrap_or(0)
                    }
                    _ => 0,
                },
            });
        }
        for (index, section) in self.0.sections.iter().enumerate() {
            let mut vars: Vec<VarSecInfo> = self
                .0
                .vars
                .iter()
                .filter_map(|bound| {
                    let symbol = &self.0.symbols[bound.symbol];
                    (symbol.place == Place::In(index) && symbol.size > 0).then_some(VarSecInfo {
                        type_id: bound.type_id,
                        offset: symbol.value as u32,
                        size: symbol.size as u32,
                    })
                })
                .collect();
            vars.sort_by_cached_key(|var| u64::from(var.offset));
            // Of two names for one place the first stays: the kernel allows no overlap.
            vars.dedup_by_key(|var| (var.offset, var.size));
            for pair in vars.windows(2) {
                let [a, b] = pair else { continue };
                if b.offset < a.offset + a.size {
                    let name = |var: &VarSecInfo| types.get(var.type_id).and_then(Type::name);
                    errors.push(check::defect(format_args!(
                        "`{}` and `{}` overlap in `{}`",
                        name(a).map_or("", String::as_str),
                        name(b).map_or("", String::as_str),
                        section.name
                    )));
                }
            }
            vars.extend(declared.remove(section.name.as_str()).into_iter().flatten());
            if !vars.is_empty() {
                types.add(Type::DataSec(DataSec {
                    name: section.name.clone(),
                    size: section.size as u32,
                    vars,
                }));
            }
        }
        for (section, vars) in declared {
            types.add(Type::DataSec(DataSec {
                name: section.into(),
                size: 0,
                vars,
            }));
        }

        let mut ext = BtfExt::default();
        for (index, section) in self.0.sections.iter().enumerate() {
            let mut records: Vec<FuncInfo> = self
                .0
                .funcs
                .iter()
                .filter(|bound| self.0.symbols[bound.symbol].place == Place::In(index))
                .map(|bound| FuncInfo {
                    insn_off: self.0.symbols[bound.symbol].value as u32,
                    type_id: bound.type_id,
                })
                .collect();
            records.sort_by_cached_key(|record| u64::from(record.insn_off));
            push(&mut ext.func_info, &section.name, records);
            push::<LineInfo>(&mut ext.line_info, &section.name, section.lines.clone());
            push::<CoreRelo>(&mut ext.core_relo, &section.name, section.core.clone());
        }
        let mut strings = StringTable::new();
        let ext = match ext.is_empty() {
            true => Vec::new(),
            false => ext.encode(&mut strings, self.0.endian),
        };
        let btf = match types.is_empty() {
            true => Vec::new(),
            false => types
                .encode_with(&mut strings, self.0.endian)
                .unwrap_or_else(|error| {
                    let text = format!("the program's types cannot be written: {error}");
                    errors.push(Diagnostic::error(Code::LINKER_DEFECT, text));
                    Vec::new()
                }),
        };
        super::none(errors)?;
        Ok(Info { btf, ext, types })
    }

    /// The object file.
    pub(super) fn write(&self, info: &Info) -> Vec<u8> {
        let mut file = File::new(self.0.endian);
        let mut used = self.referred();
        let mut used_sections = vec![false; self.0.sections.len()];
        for (symbol, used) in self.0.symbols.iter().zip(&mut used) {
            let stays = |e: &Extern| e.stays && e.name == symbol.name;
            match symbol.place {
                // Something of no size may be all that a section has.
                Place::In(section) => {
                    used_sections[section] |= *used || symbol.binding != Binding::Local;
                }
                Place::Undefined => *used |= self.0.externs.iter().any(stays),
                Place::Absolute | Place::Gone => {}
            }
        }
        // The index of each section in the file, 0 for those left out.
        let mut numbers = Vec::new();
        for (section, used) in self.0.sections.iter().zip(used_sections) {
            // `.text` is often empty.
            if section.size == 0 && !used {
                numbers.push(0);
                continue;
            }
            let mut flags = 0;
            for (set, flag) in [
                (section.writable, e::SHF_WRITE),
                (section.alloc, e::SHF_ALLOC),
                (section.executable, e::SHF_EXECINSTR),
            ] {
                flags |= if set { flag.0 } else { 0 };
            }
            numbers.push(file.add(Header {
                name: &section.name,
                kind: if section.bss {
                    e::SHT_NOBITS
                } else {
                    e::SHT_PROGBITS
                },
                flags,
                align: section.align,
                size: section.size,
                ..Header::default()
            }));
        }

        let mut symbols: Vec<usize> = (0..self.0.symbols.len())
            .filter(|&at| {
                let symbol = &self.0.symbols[at];
                match (symbol.place, symbol.kind) {
                    (Place::Gone, _) => false,
                    (Place::In(section), _) if numbers[section] == 0 => false,
                    (Place::Undefined, _) => used[at],
                    (_, SymbolKind::Section) => used[at],
                    // Labels within functions.
                    (_, SymbolKind::NoType) if symbol.binding == Binding::Local => used[at],
                    _ => true,
                }
            })
            .collect();
        // ELF wants local symbols first.
        symbols.sort_by_cached_key(|&at| u64::from(self.0.symbols[at].binding != Binding::Local));
        let locals = symbols
            .iter()
            .filter(|&&at| self.0.symbols[at].binding == Binding::Local)
            .count();
        let mut symbol_numbers = vec![0u32; self.0.symbols.len()];
        for (number, &at) in symbols.iter().enumerate() {
            symbol_numbers[at] = number as u32 + 1;
        }

        // Contents come in the order of the headers.
        for (section, &number) in self.0.sections.iter().zip(&numbers) {
            if number == 0 || section.bss {
                continue;
            }
            let mut data = section.data.clone();
            for reloc in &section.relocs {
                put_addend(
                    &mut data,
                    reloc.offset,
                    reloc.kind,
                    reloc.addend,
                    self.0.endian,
                );
            }
            file.put(number, &data);
        }
        let mut tables = Vec::new();
        for (section, &number) in self.0.sections.iter().zip(&numbers) {
            // Loaders know from the code which section the numbers of a jump table count from.
            if section.relocs.is_empty() || section.is_jump_table() || number == 0 {
                continue;
            }
            let mut data = Vec::new();
            for reloc in &section.relocs {
                data.extend(pod::bytes_of(&e::Rel64 {
                    r_offset: U64::new(file.order, reloc.offset),
                    r_info: U64::new(
                        file.order,
                        u64::from(symbol_numbers[reloc.symbol]) << 32 | reloc.kind as u64,
                    ),
                }));
            }
            let table = file.add(Header {
                name: &format!(".rel{}", section.name),
                kind: e::SHT_REL,
                flags: e::SHF_INFO_LINK.0,
                align: 8,
                info: number,
                entry: 16,
                ..Header::default()
            });
            file.put(table, &data);
            tables.push(table);
        }
        let inlined = self.inline_info();
        for (name, data) in [
            (".BTF", &info.btf),
            (".BTF.ext", &info.ext),
            (hachi_obj::inline::SECTION, &inlined),
        ] {
            if !data.is_empty() {
                let number = file.add(Header {
                    name,
                    kind: e::SHT_PROGBITS,
                    align: 4,
                    ..Header::default()
                });
                file.put(number, data);
            }
        }

        let mut data = vec![0; size_of::<e::Sym64<Endianness>>()];
        for &at in &symbols {
            let symbol = &self.0.symbols[at];
            let binding = match symbol.binding {
                Binding::Local => e::STB_LOCAL,
                Binding::Global => e::STB_GLOBAL,
                Binding::Weak => e::STB_WEAK,
            };
            let kind = match symbol.kind {
                SymbolKind::NoType => e::STT_NOTYPE,
                SymbolKind::Object => e::STT_OBJECT,
                SymbolKind::Func => e::STT_FUNC,
                SymbolKind::Section => e::STT_SECTION,
            };
            let section = match symbol.place {
                Place::In(section) => e::SymbolSection(numbers[section] as u16),
                Place::Absolute => e::SHN_ABS,
                Place::Undefined | Place::Gone => e::SHN_UNDEF,
            };
            let visibility = if symbol.hidden {
                e::STV_HIDDEN
            } else {
                e::STV_DEFAULT
            };
            let name = file.string(&symbol.name);
            data.extend(pod::bytes_of(&e::Sym64 {
                st_name: U32::new(file.order, name),
                st_info: e::SymbolInfo(binding.0 << 4 | kind.0),
                st_other: e::SymbolOther(visibility.0),
                st_shndx: U16::new(file.order, section),
                st_value: U64::new(file.order, symbol.value),
                st_size: U64::new(file.order, symbol.size),
            }));
        }
        let table = file.add(Header {
            name: ".symtab",
            kind: e::SHT_SYMTAB,
            align: 8,
            info: locals as u32 + 1,
            entry: 24,
            ..Header::default()
        });
        file.put(table, &data);
        for number in tables {
            file.headers[number as usize].link = table;
        }
        file.headers[table as usize].link = table + 1;
        file.finish()
    }
}

fn push<T>(parts: &mut Vec<ExtSection<T>>, name: &str, records: Vec<T>) {
    if !records.is_empty() {
        parts.push(ExtSection {
            name: name.to_owned(),
            records,
        });
    }
}

struct Header<'a> {
    name: &'a str,
    kind: e::SectionType,
    flags: u64,
    align: u64,
    size: u64,
    info: u32,
    entry: u64,
}

impl Default for Header<'_> {
    fn default() -> Self {
        Header {
            name: "",
            kind: e::SHT_NULL,
            flags: 0,
            align: 1,
            size: 0,
            info: 0,
            entry: 0,
        }
    }
}

/// A section header to be.
struct Entry {
    name: u32,
    kind: e::SectionType,
    flags: u64,
    offset: u64,
    size: u64,
    link: u32,
    info: u32,
    align: u64,
    entry: u64,
}

/// The file while it is being written.
struct File {
    order: Endianness,
    bytes: Vec<u8>,
    headers: Vec<Entry>,
    strings: Vec<u8>,
    known: HashMap<String, u32>,
}

impl File {
    fn new(endian: Endian) -> Self {
        let mut file = File {
            order: match endian {
                Endian::Little => Endianness::Little,
                Endian::Big => Endianness::Big,
            },
            bytes: vec![0; size_of::<e::FileHeader64<Endianness>>()],
            headers: Vec::new(),
            strings: vec![0],
            known: HashMap::new(),
        };
        file.add(Header {
            align: 0,
            ..Header::default()
        });
        file
    }

    fn string(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        if let Some(&at) = self.known.get(text) {
            return at;
        }
        let at = self.strings.len() as u32;
        self.strings.extend(text.as_bytes());
        self.strings.push(0);
        self.known.insert(text.to_owned(), at);
        at
    }

    /// Adds a section without content.
    fn add(&mut self, header: Header<'_>) -> u32 {
        let name = self.string(header.name);
        self.headers.push(Entry {
            name,
            kind: header.kind,
            flags: header.flags,
            offset: self.bytes.len() as u64,
            size: header.size,
            link: 0,
            info: header.info,
            align: header.align,
            entry: header.entry,
        });
        self.headers.len() as u32 - 1
    }

    /// Gives a section its content.
    fn put(&mut self, number: u32, data: &[u8]) {
        let header = &mut self.headers[number as usize];
        let start = self
            .bytes
            .len()
            .next_multiple_of(header.align.max(1) as usize);
        self.bytes.resize(start, 0);
        self.bytes.extend_from_slice(data);
        (header.offset, header.size) = (start as u64, data.len() as u64);
    }

    fn finish(mut self) -> Vec<u8> {
        let strings = self.add(Header {
            name: ".strtab",
            kind: e::SHT_STRTAB,
            ..Header::default()
        });
        let data = std::mem::take(&mut self.strings);
        self.put(strings, &data);
        let order = self.order;
        let start = self.bytes.len().next_multiple_of(8);
        self.bytes.resize(start, 0);
        for header in &self.headers {
            self.bytes.extend(pod::bytes_of(&e::SectionHeader64 {
                sh_name: U32::new(order, header.name),
                sh_type: U32::new(order, header.kind),
                sh_flags: U64::new(order, e::SectionFlags(header.flags)),
                sh_addr: U64::new(order, 0),
                sh_offset: U64::new(order, header.offset),
                sh_size: U64::new(order, header.size),
                sh_link: U32::new(order, header.link),
                sh_info: U32::new(order, header.info),
                sh_addralign: U64::new(order, header.align),
                sh_entsize: U64::new(order, header.entry),
            }));
        }
        let header = e::FileHeader64 {
            e_ident: e::Ident {
                magic: e::ELFMAG,
                class: e::ELFCLASS64,
                data: match order {
                    Endianness::Little => e::ELFDATA2LSB,
                    Endianness::Big => e::ELFDATA2MSB,
                },
                version: e::EV_CURRENT,
                os_abi: e::ELFOSABI_NONE,
                abi_version: 0,
                padding: [0; 7],
            },
            e_type: U16::new(order, e::ET_REL),
            e_machine: U16::new(order, e::EM_BPF),
            e_version: U32::new(order, 1),
            e_entry: U64::new(order, 0),
            e_phoff: U64::new(order, 0),
            e_shoff: U64::new(order, start as u64),
            e_flags: U32::new(order, e::FileFlags(0)),
            e_ehsize: U16::new(order, size_of::<e::FileHeader64<Endianness>>() as u16),
            e_phentsize: U16::new(order, 0),
            e_phnum: U16::new(order, 0),
            e_shentsize: U16::new(order, size_of::<e::SectionHeader64<Endianness>>() as u16),
            e_shnum: U16::new(order, self.headers.len() as u16),
            e_shstrndx: U16::new(order, e::SymbolSection(strings as u16)),
        };
        let bytes = pod::bytes_of(&header);
        self.bytes[..bytes.len()].copy_from_slice(bytes);
        self.bytes
    }
}
