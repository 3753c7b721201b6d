//! Objects written by the tests themselves, as large as they want them.
#![allow(dead_code, reason = "each test program uses a part of it")]

use hachi_asm::build::{call_local, exit, load, mov_imm};
use hachi_asm::{Endian, Insn, Size};
use hachi_btf::ext::{BtfExt, CoreRelo, CoreReloKind, FuncInfo, LineInfo, Section};
use hachi_btf::{
    BtfBuilder, Composite, DeclTag, Func, FuncProto, Int, Linkage, Member, StringTable, Type,
};
use object::elf;
use object::write::{Object, Relocation, SectionId, Symbol, SymbolId, SymbolSection};
use object::{
    Architecture, BinaryFormat, RelocationFlags, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
};

/// What an object is to have: programs `p0`, `p1`, … in section `xdp`.
#[derive(Clone, Copy)]
pub struct Wanted {
    pub programs: usize,
    /// CO-RE records of each program, with an instruction and a source line for each.
    pub core_relos: usize,
    /// Instructions of the function `shared` that all programs call; 0 for none.
    pub shared: usize,
    pub endian: Endian,
}

impl Default for Wanted {
    fn default() -> Self {
        Wanted {
            programs: 1,
            core_relos: 0,
            shared: 0,
            endian: Endian::NATIVE,
        }
    }
}

/// Writes such an object, of the shape that clang gives it.
pub fn object(wanted: Wanted) -> Vec<u8> {
    let mut writer = Writer::new(wanted.endian);
    let shared = (wanted.shared > 0).then(|| {
        let mut insns = vec![mov_imm(0, 0); wanted.shared - 1];
        insns.push(exit());
        writer.function(".text", "shared", &insns)
    });
    for number in 0..wanted.programs {
        let mut insns = Vec::new();
        for _ in 0..wanted.core_relos {
            insns.push(load(Size::W, 2, 1, 4));
        }
        let call = insns.len();
        if shared.is_some() {
            insns.push(call_local(-1));
        }
        insns.extend([mov_imm(0, 2), exit()]);
        let program = writer.function("xdp", &format!("p{number}"), &insns);
        for slot in 0..wanted.core_relos {
            writer.core_relo(program, slot);
        }
        if let Some(shared) = shared {
            writer.relocation(program, call, shared);
        }
    }
    writer.finish()
}

/// A function that was written.
#[derive(Clone, Copy)]
pub struct Function {
    section: usize,
    /// Where it begins, in bytes.
    start: u64,
    pub symbol: SymbolId,
    pub type_id: u32,
}

pub struct Writer {
    object: Object<'static>,
    endian: Endian,
    pub types: BtfBuilder,
    ext: BtfExt,
    /// By name, with the length so far.
    sections: Vec<(String, SectionId, u64)>,
    proto: u32,
    thing: u32,
}

impl Writer {
    pub fn new(endian: Endian) -> Writer {
        let order = match endian {
            Endian::Little => object::Endianness::Little,
            Endian::Big => object::Endianness::Big,
        };
        let mut types = BtfBuilder::new();
        let int = types.add(Type::Int(Int::signed("int", 4)));
        let proto = types.add(Type::FuncProto(FuncProto {
            ret_type_id: int,
            params: Vec::new(),
        }));
        let members = ["first", "second"].into_iter().zip([0, 32]);
        let thing = types.add(Type::Struct(Composite {
            name: "thing".to_owned(),
            size: 8,
            members: members
                .map(|(name, bit_offset)| Member {
                    name: name.to_owned(),
                    type_id: int,
                    bit_offset,
                    bit_size: 0,
                })
                .collect(),
        }));
        Writer {
            object: Object::new(BinaryFormat::Elf, Architecture::Bpf, order),
            endian,
            types,
            ext: BtfExt::default(),
            sections: Vec::new(),
            proto,
            thing,
        }
    }

    /// Adds a global function to a section; one in `.text` is no program.
    pub fn function(&mut self, section: &str, name: &str, insns: &[Insn]) -> Function {
        let found = self
            .sections
            .iter()
            .position(|(known, ..)| known == section);
        let at = found.unwrap_or_else(|| {
            let id = self
                .object
                .add_section(Vec::new(), section.into(), SectionKind::Text);
            self.sections.push((section.to_owned(), id, 0));
            self.ext.func_info.push(ext_section(section));
            self.ext.line_info.push(ext_section(section));
            self.ext.core_relo.push(ext_section(section));
            self.sections.len() - 1
        });
        let (_, id, len) = &mut self.sections[at];
        let bytes = Insn::encode_all(insns, self.endian);
        let start = self.object.append_section_data(*id, &bytes, 8);
        *len = start + bytes.len() as u64;
        let symbol = self.object.add_symbol(Symbol {
            name: name.into(),
            value: start,
            size: bytes.len() as u64,
            kind: SymbolKind::Text,
            scope: SymbolScope::Dynamic,
            weak: false,
            section: SymbolSection::Section(*id),
            flags: SymbolFlags::None,
        });
        let type_id = self.types.add(Type::Func(Func {
            name: name.to_owned(),
            type_id: self.proto,
            linkage: Linkage::Global,
        }));
        self.ext.func_info[at].records.push(FuncInfo {
            insn_off: start as u32,
            type_id,
        });
        self.line(at, start as u32, &format!("int {name}(void *ctx)"));
        Function {
            section: at,
            start,
            symbol,
            type_id,
        }
    }

    fn line(&mut self, section: usize, insn_off: u32, text: &str) {
        let records = &mut self.ext.line_info[section].records;
        if records.last().is_some_and(|last| last.insn_off == insn_off) {
            return;
        }
        records.push(LineInfo {
            insn_off,
            file: "synthetic.c".into(),
            text: text.into(),
            line: 1 + records.len() as u32 % 1000,
            column: 3,
        });
    }

    /// Lets an instruction load `thing.second`, with a source line of its own.
    pub fn core_relo(&mut self, function: Function, slot: usize) {
        let insn_off = function.start as u32 + 8 * slot as u32;
        self.ext.core_relo[function.section].records.push(CoreRelo {
            insn_off,
            type_id: self.thing,
            access: "0:1".into(),
            kind: CoreReloKind::FieldByteOffset,
        });
        let text = format!("\tout += thing->second; /* the {slot}th of some function */");
        self.line(function.section, insn_off, &text);
    }

    /// Says which function an instruction of another refers to.
    pub fn relocation(&mut self, from: Function, slot: usize, to: Function) {
        self.relocation_to(from, slot, to.symbol);
    }

    /// A symbol that is defined nowhere.
    pub fn undefined(&mut self, name: &str) -> SymbolId {
        self.object.add_symbol(Symbol {
            name: name.into(),
            value: 0,
            size: 0,
            kind: SymbolKind::Unknown,
            scope: SymbolScope::Dynamic,
            weak: false,
            section: SymbolSection::Undefined,
            flags: SymbolFlags::None,
        })
    }

    pub fn relocation_to(&mut self, from: Function, slot: usize, symbol: SymbolId) {
        let (_, section, _) = self.sections[from.section];
        let relocation = Relocation {
            offset: from.start + 8 * slot as u64,
            symbol,
            addend: 0,
            flags: RelocationFlags::Elf {
                r_type: elf::R_BPF_64_32,
            },
        };
        self.object
            .add_relocation(section, relocation)
            .expect("can be written");
    }

    /// Tags a function.
    pub fn tag(&mut self, function: Function, value: &str) {
        self.types.add(Type::DeclTag(DeclTag {
            value: value.to_owned(),
            type_id: function.type_id,
            component_idx: -1,
            attribute: false,
        }));
    }

    pub fn finish(mut self) -> Vec<u8> {
        let mut strings = StringTable::new();
        let ext = self.ext.encode(&mut strings, self.endian);
        let types = self.types.encode_with(&mut strings, self.endian);
        for (name, data) in [(".BTF", types.expect("can be encoded")), (".BTF.ext", ext)] {
            let id = self
                .object
                .add_section(Vec::new(), name.into(), SectionKind::Other);
            self.object.append_section_data(id, &data, 4);
        }
        self.object.write().expect("can be written")
    }
}

fn ext_section<T>(name: &str) -> Section<T> {
    Section {
        name: name.to_owned(),
        records: Vec::new(),
    }
}
