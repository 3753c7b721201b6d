//! From an object file to instructions, as loaders do it but without BTF.

use std::{
    collections::{BTreeMap, HashMap},
    os::fd::{AsRawFd, OwnedFd},
};

use object::{
    Object, ObjectSection, ObjectSymbol, RelocationTarget, SectionIndex, SymbolKind,
    read::elf::ElfFile64,
};

type File<'a> = ElfFile64<'a, object::Endianness>;

const CALL: u8 = 0x85;
const LOAD_IMM64: u8 = 0x18;

/// A parsed object and the maps made of its data sections.
pub struct Loader<'a> {
    file: File<'a>,
    maps: HashMap<SectionIndex, OwnedFd>,
}

/// A program ready for the kernel.
pub struct Code {
    pub instructions: Vec<u64>,
    /// Where each function begins, in instructions, and its type in BTF.
    pub functions: Vec<(u32, u32)>,
}

/// A function: section and the instructions it takes there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Place {
    section: usize,
    start: usize,
    len: usize,
}

/// Loads each function of the program section named.
pub fn programs<'a>(data: &'a [u8]) -> Loader<'a> {
    Loader {
        file: File::parse(data).expect("an ELF object"),
        maps: HashMap::new(),
    }
}

impl Loader<'_> {
    /// Names of the functions in a section.
    pub fn names(&self, section: &str) -> Vec<String> {
        let wanted = self.file.section_by_name(section).map(|s| s.index());
        self.file
            .symbols()
            .filter(|s| {
                s.kind() == SymbolKind::Text && wanted.is_some() && s.section_index() == wanted
            })
            .map(|s| s.name().unwrap().to_owned())
            .collect()
    }

    /// A program's own instructions followed by the functions it needs, all references resolved.
    pub fn code(&mut self, name: &str) -> Code {
        let symbol = self
            .file
            .symbols()
            .find(|s| s.name() == Ok(name) && s.kind() == SymbolKind::Text)
            .unwrap_or_else(|| panic!("no program `{name}`"));
        let first = self.place(
            symbol.section_index().unwrap().0,
            symbol.address() as usize / 8,
        );
        let mut placed: BTreeMap<Place, usize> = BTreeMap::new();
        let mut order = vec![first];
        placed.insert(first, 0);
        let mut code: Vec<u64> = Vec::new();
        let mut fixes: Vec<(usize, Place)> = Vec::new();
        let mut next = 0;
        while next < order.len() {
            let place = order[next];
            next += 1;
            placed.insert(place, code.len());
            let base = code.len();
            let section = self
                .file
                .section_by_index(SectionIndex(place.section))
                .unwrap();
            let bytes = section.data().unwrap();
            let range = place.start * 8..(place.start + place.len) * 8;
            code.extend(
                bytes[range]
                    .chunks_exact(8)
                    .map(|c| u64::from_le_bytes(c.try_into().unwrap())),
            );
            let relocations: BTreeMap<usize, _> = section
                .relocations()
                .map(|(offset, r)| (offset as usize / 8, r))
                .collect();
            let mut at = 0;
            while at < place.len {
                let insn = code[base + at];
                let opcode = insn as u8;
                let imm = (insn >> 32) as u32 as i32;
                let relocation = relocations.get(&(place.start + at));
                if let Some(relocation) = relocation {
                    let RelocationTarget::Symbol(index) = relocation.target() else {
                        panic!("a relocation without a symbol");
                    };
                    let symbol = self.file.symbol_by_index(index).unwrap();
                    let target = symbol
                        .section_index()
                        .unwrap_or_else(|| panic!("undefined `{}`", symbol.name().unwrap_or("?")));
                    let is_text = self.file.section_by_index(target).unwrap().kind()
                        == object::SectionKind::Text;
                    let value = symbol.address() as i64;
                    if opcode == CALL {
                        let callee =
                            self.place(target.0, (value / 8 + i64::from(imm) + 1) as usize);
                        enqueue(callee, &mut placed, &mut order);
                        fixes.push((base + at, callee));
                        code[base + at] = u64::from(CALL) | (1 << 12);
                    } else if is_text {
                        // The address of a callback.
                        assert_eq!(opcode, LOAD_IMM64);
                        let callee = self.place(target.0, ((value + i64::from(imm)) / 8) as usize);
                        enqueue(callee, &mut placed, &mut order);
                        fixes.push((base + at, callee));
                        code[base + at] = (insn & 0x0fff) | (4 << 12);
                        code[base + at + 1] = 0;
                    } else {
                        assert_eq!(opcode, LOAD_IMM64);
                        let fd = self.map(target);
                        let offset = (value + i64::from(imm)) as u32;
                        code[base + at] = (insn & 0x0fff) | (2 << 12) | ((fd as u64) << 32);
                        code[base + at + 1] = u64::from(offset) << 32;
                    }
                } else if opcode == CALL && (insn >> 12) & 15 == 1 {
                    // Within one section the assembler has already resolved it.
                    let index = (place.start + at) as i64 + 1 + i64::from(imm);
                    let callee = self.place(place.section, index as usize);
                    enqueue(callee, &mut placed, &mut order);
                    fixes.push((base + at, callee));
                }
                at += if opcode == LOAD_IMM64 { 2 } else { 1 };
            }
        }
        for (at, callee) in fixes {
            let relative = placed[&callee] as i64 - at as i64 - 1;
            code[at] = (code[at] & 0xffff_ffff) | ((relative as u32 as u64) << 32);
        }
        let types = self.function_types();
        Code {
            instructions: code,
            functions: order
                .iter()
                .filter_map(|place| {
                    let ty = types.get(&(place.section, place.start))?;
                    Some((placed[place] as u32, *ty))
                })
                .collect(),
        }
    }

    /// The object's `.BTF`.
    pub fn btf(&self) -> Vec<u8> {
        let section = self.file.section_by_name(".BTF").expect("a .BTF section");
        section.data().unwrap().to_vec()
    }

    /// The type of the function at (section, instruction).
    fn function_types(&self) -> HashMap<(usize, usize), u32> {
        let data = self.btf();
        let btf = hachi_btf::Btf::parse(&data).unwrap();
        let section = self.file.section_by_name(".BTF.ext").unwrap();
        let ext = hachi_btf::ext::BtfExt::parse(section.data().unwrap(), &btf).unwrap();
        let mut types = HashMap::new();
        for section in ext.func_info {
            let index = self.file.section_by_name(&section.name).unwrap().index().0;
            for record in section.records {
                types.insert((index, record.insn_off as usize / 8), record.type_id);
            }
        }
        types
    }

    /// The function that begins at, or holds, an instruction.
    fn place(&self, section: usize, index: usize) -> Place {
        let symbol = self
            .file
            .symbols()
            .filter(|s| {
                s.kind() == SymbolKind::Text
                    && s.section_index() == Some(SectionIndex(section))
                    && (s.address()..s.address() + s.size()).contains(&(index as u64 * 8))
            })
            .last()
            .unwrap_or_else(|| panic!("no function at instruction {index} of section {section}"));
        Place {
            section,
            start: symbol.address() as usize / 8,
            len: symbol.size() as usize / 8,
        }
    }

    fn map(&mut self, section: SectionIndex) -> i32 {
        let file = &self.file;
        self.maps
            .entry(section)
            .or_insert_with(|| {
                let section = file.section_by_index(section).unwrap();
                let mut data = section.data().unwrap().to_vec();
                data.resize(section.size() as usize, 0);
                super::bpf::array_of(&data).unwrap()
            })
            .as_raw_fd()
    }
}

fn enqueue(place: Place, placed: &mut BTreeMap<Place, usize>, order: &mut Vec<Place>) {
    if placed.contains_key(&place) || order.contains(&place) {
        return;
    }
    order.push(place);
}
