//! The file that a debugger reads before it looks at the machine: code, functions, lines, globals.
//!
//! Objects for the kernel have their lines in BTF, which debuggers do not read. So the same facts
//! are written again as DWARF, at the addresses that the machine's instructions have here.

use gimli::constants::{
    DW_AT_byte_size, DW_AT_comp_dir, DW_AT_count, DW_AT_encoding, DW_AT_external, DW_AT_high_pc,
    DW_AT_language, DW_AT_location, DW_AT_low_pc, DW_AT_name, DW_AT_producer, DW_AT_type,
    DW_ATE_unsigned, DW_LANG_C99, DW_TAG_array_type, DW_TAG_base_type, DW_TAG_subprogram,
    DW_TAG_subrange_type, DW_TAG_variable,
};
use gimli::write::{
    Address, AttributeValue, CallFrameInstruction, CommonInformationEntry, DebugFrame, DwarfUnit,
    EndianVec, Expression, FrameDescriptionEntry, FrameTable, LineProgram, LineString, Sections,
    UnitEntryId,
};
use gimli::{DwAt, Encoding, Format, LineEncoding, LittleEndian, X86_64};
use hachi_asm::Insn;
use hachi_obj::{Endian, Spec};
use hachi_vm::Vm;
use object::Endianness;
use object::elf;
use object::write::elf::{FileHeader, SectionHeader, Sym, Writer};

use super::registers::{self, View};
use crate::failure::{Failure, Result};

/// From the code of one program to that of the next.
const PROGRAM: u64 = 1 << 24;

/// The address of a slot of a program: below all memory that programs can reach.
pub fn address_of(program: usize, slot: usize) -> u64 {
    (program as u64 + 1) * PROGRAM + slot as u64 * 8
}

/// The program and the slot that an address belongs to.
pub fn slot_at(address: u64) -> Option<(usize, usize)> {
    let program = (address / PROGRAM).checked_sub(1)?;
    Some((program as usize, (address % PROGRAM / 8) as usize))
}

/// The instructions of a program, as bytes.
pub fn code(vm: &Vm, endian: Endian, program: &str) -> Vec<u8> {
    Insn::encode_all(vm.instructions(program).unwrap_or_default(), endian)
}

/// A piece of the file.
struct Section {
    name: &'static str,
    address: u64,
    bytes: Vec<u8>,
    is_code: bool,
}

/// A name for an address.
struct Symbol {
    name: String,
    address: u64,
    size: u64,
    is_function: bool,
}

/// The file, for a debugger that shows registers in this way. Relative names of source files are
/// looked for in `directory`.
pub fn file(vm: &Vm, spec: &Spec, view: View, directory: &str) -> Result<Vec<u8>> {
    let programs: Vec<String> = vm.programs().map(str::to_owned).collect();
    let mut sections = Vec::new();
    for (number, name) in programs.iter().enumerate() {
        sections.push(Section {
            name: ".text",
            address: address_of(number, 0),
            bytes: code(vm, spec.endian, name),
            is_code: true,
        });
    }
    let symbols = symbols(vm, spec, &programs);
    let failed = |error: gimli::write::Error| Failure::because("writing symbols", &error);
    let mut dwarf = Sections::new(EndianVec::new(LittleEndian));
    unit(vm, &programs, &symbols, directory)
        .write(&mut dwarf)
        .map_err(failed)?;
    let mut frames = DebugFrame::from(EndianVec::new(LittleEndian));
    unwinding(vm, &programs)
        .write_debug_frame(&mut frames)
        .map_err(failed)?;
    dwarf.for_each(|id, bytes| {
        if !bytes.slice().is_empty() {
            sections.push(debug_section(id.name(), bytes.slice()));
        }
        Ok::<_, Failure>(())
    })?;
    sections.push(debug_section(".debug_frame", frames.slice()));
    let written = elf(&sections, &symbols, view);
    written.map_err(|error| Failure::because("writing symbols", &error))
}

fn debug_section(name: &'static str, bytes: &[u8]) -> Section {
    Section {
        name,
        address: 0,
        bytes: bytes.to_vec(),
        is_code: false,
    }
}

fn symbols(vm: &Vm, spec: &Spec, programs: &[String]) -> Vec<Symbol> {
    let mut symbols = Vec::new();
    for (number, name) in programs.iter().enumerate() {
        for function in vm.functions(name).unwrap_or_default() {
            symbols.push(Symbol {
                name: function.name.clone(),
                address: address_of(number, function.start),
                size: function.len as u64 * 8,
                is_function: true,
            });
        }
    }
    for global in &spec.globals {
        let map = vm.world().map(&global.map);
        if let Some(block) = map.and_then(|map| map.direct_value()) {
            symbols.push(Symbol {
                name: global.name.clone(),
                address: block.address + u64::from(global.offset),
                size: global.size.into(),
                is_function: false,
            });
        }
    }
    // Names come from the object: one that cannot be written is left out.
    symbols.retain(|symbol| !symbol.name.is_empty() && !symbol.name.contains('\0'));
    symbols
}

const ENCODING: Encoding = Encoding {
    format: Format::Dwarf32,
    version: 4,
    address_size: 8,
};

/// A name that DWARF can hold.
fn text(name: &str) -> Vec<u8> {
    match name.replace('\0', "") {
        name if name.is_empty() => b"?".to_vec(),
        name => name.into_bytes(),
    }
}

fn unit(vm: &Vm, programs: &[String], symbols: &[Symbol], directory: &str) -> DwarfUnit {
    let mut dwarf = DwarfUnit::new(ENCODING);
    dwarf.unit.line_program = lines(vm, programs, directory);
    let root = dwarf.unit.root();
    let string = |name: &str| AttributeValue::String(text(name));
    let mut set = |at: DwAt, value| dwarf.unit.get_mut(root).set(at, value);
    set(DW_AT_name, string("eBPF"));
    set(DW_AT_comp_dir, string(directory));
    // With this compiler, debuggers believe the line table about where a function's body begins.
    set(DW_AT_producer, string("clang version (hachi)"));
    set(DW_AT_language, AttributeValue::Language(DW_LANG_C99));
    let address = |address| AttributeValue::Address(Address::Constant(address));
    set(DW_AT_low_pc, address(address_of(0, 0)));
    let end = (programs.len() as u64) * PROGRAM;
    set(DW_AT_high_pc, AttributeValue::Udata(end));
    let mut types = Vec::new();
    for symbol in symbols {
        let tag = match symbol.is_function {
            true => DW_TAG_subprogram,
            false => DW_TAG_variable,
        };
        let of = match symbol.is_function {
            true => None,
            false => Some(type_of(&mut dwarf, &mut types, symbol.size)),
        };
        let id = dwarf.unit.add(root, tag);
        let entry = dwarf.unit.get_mut(id);
        entry.set(DW_AT_name, string(&symbol.name));
        entry.set(DW_AT_external, AttributeValue::Flag(true));
        match of {
            None => {
                entry.set(DW_AT_low_pc, address(symbol.address));
                entry.set(DW_AT_high_pc, AttributeValue::Udata(symbol.size));
            }
            Some(of) => {
                let mut place = Expression::new();
                place.op_addr(Address::Constant(symbol.address));
                entry.set(DW_AT_location, AttributeValue::Exprloc(place));
                entry.set(DW_AT_type, AttributeValue::UnitRef(of));
            }
        }
    }
    dwarf
}

/// The type of a global of this size: a number, or bytes.
fn type_of(dwarf: &mut DwarfUnit, types: &mut Vec<(u64, UnitEntryId)>, size: u64) -> UnitEntryId {
    if let Some((_, id)) = types.iter().find(|(of, _)| *of == size) {
        return *id;
    }
    let root = dwarf.unit.root();
    let id = if let 1 | 2 | 4 | 8 = size {
        let id = dwarf.unit.add(root, DW_TAG_base_type);
        let entry = dwarf.unit.get_mut(id);
        let name = format!("u{}", size * 8);
        entry.set(DW_AT_name, AttributeValue::String(name.into_bytes()));
        entry.set(DW_AT_byte_size, AttributeValue::Udata(size));
        entry.set(DW_AT_encoding, AttributeValue::Encoding(DW_ATE_unsigned));
        id
    } else {
        let byte = type_of(dwarf, types, 1);
        let id = dwarf.unit.add(root, DW_TAG_array_type);
        let entry = dwarf.unit.get_mut(id);
        entry.set(DW_AT_type, AttributeValue::UnitRef(byte));
        let range = dwarf.unit.add(id, DW_TAG_subrange_type);
        let count = AttributeValue::Udata(size);
        dwarf.unit.get_mut(range).set(DW_AT_count, count);
        id
    };
    types.push((size, id));
    id
}

fn lines(vm: &Vm, programs: &[String], directory: &str) -> LineProgram {
    let string = |name: &str| LineString::String(text(name));
    let (directory, unit) = (string(directory), string("eBPF"));
    let encoding = LineEncoding::default();
    let mut lines = LineProgram::new(ENCODING, encoding, directory, None, unit, None);
    let here = lines.default_directory();
    for (number, name) in programs.iter().enumerate() {
        let functions = vm.functions(name).unwrap_or_default();
        let len = vm.instructions(name).map_or(0, <[_]>::len);
        let mut last = None;
        for slot in 0..len {
            let Some(place) = vm.place(name, slot) else {
                continue;
            };
            let begins = functions.iter().any(|function| function.start == slot);
            if place.line == 0 || (!begins && last == Some((place.file.clone(), place.line))) {
                continue;
            }
            if !lines.in_sequence() {
                lines.begin_sequence(Some(Address::Constant(address_of(number, 0))));
            }
            let file = lines.add_file(string(&place.file), here, None);
            let row = lines.row();
            row.address_offset = slot as u64 * 8;
            row.file = file;
            row.line = place.line.into();
            row.column = place.column.into();
            lines.generate_row();
            if begins {
                // Said twice, it means that the body begins here: there is no prologue.
                lines.row().column = 0;
                lines.generate_row();
            }
            last = Some((place.file, place.line));
        }
        if lines.in_sequence() {
            lines.end_sequence(len as u64 * 8);
        }
    }
    lines
}

/// How callers are found: by the stack that [`registers::saved`] makes up.
fn unwinding(vm: &Vm, programs: &[String]) -> FrameTable {
    let mut table = FrameTable::default();
    let mut common = CommonInformationEntry::new(ENCODING, 1, -8, X86_64::RA);
    common.add_instruction(CallFrameInstruction::Cfa(
        X86_64::RSP,
        registers::FRAME as i32,
    ));
    let saved = [
        X86_64::RA,
        X86_64::RBX,
        X86_64::R13,
        X86_64::R14,
        X86_64::R15,
        X86_64::RBP,
    ];
    for (number, register) in (1..).zip(saved) {
        common.add_instruction(CallFrameInstruction::Offset(register, -8 * number));
    }
    let common = table.add_cie(common);
    for (number, name) in programs.iter().enumerate() {
        for function in vm.functions(name).unwrap_or_default() {
            let start = Address::Constant(address_of(number, function.start));
            let mut entry = FrameDescriptionEntry::new(start, function.len as u32 * 8);
            if function.start == 0 {
                // Nobody calls the program itself.
                entry.add_instruction(0, CallFrameInstruction::Undefined(X86_64::RA));
            }
            table.add_fde(common, entry);
        }
    }
    table
}

fn elf(sections: &[Section], symbols: &[Symbol], view: View) -> object::write::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut to = Writer::new(Endianness::Little, true, &mut bytes);
    to.reserve_file_header();
    to.reserve_null_section_index();
    let mut places = Vec::new();
    for section in sections {
        let name = to.add_section_name(section.name.as_bytes());
        let index = to.reserve_section_index();
        places.push((name, index, to.reserve(section.bytes.len() as u64, 8)));
    }
    let names: Vec<_> = symbols
        .iter()
        .map(|symbol| to.add_string(symbol.name.as_bytes()))
        .collect();
    to.reserve_null_symbol_index();
    for _ in symbols {
        to.reserve_symbol_index(None);
    }
    to.reserve_symtab_section_index();
    to.reserve_strtab_section_index();
    to.reserve_shstrtab_section_index();
    to.reserve_symtab();
    to.reserve_strtab()?;
    to.reserve_shstrtab()?;
    to.reserve_section_headers();

    to.write_file_header(&FileHeader {
        os_abi: elf::ELFOSABI_NONE,
        abi_version: 0,
        e_type: elf::ET_EXEC,
        e_machine: match view {
            View::X86_64 => elf::EM_X86_64,
            View::Bpf => elf::EM_BPF,
        },
        e_entry: address_of(0, 0),
        e_flags: elf::FileFlags(0),
    })?;
    for (section, (_, _, offset)) in sections.iter().zip(&places) {
        to.pad_until(*offset);
        to.write(&section.bytes);
    }
    to.write_null_symbol();
    for (symbol, name) in symbols.iter().zip(names) {
        let inside = |section: &Section| {
            let end = section.address + section.bytes.len() as u64;
            section.is_code && (section.address..end).contains(&symbol.address)
        };
        let at = sections.iter().position(inside);
        let kind = match symbol.is_function {
            true => elf::STT_FUNC,
            false => elf::STT_OBJECT,
        };
        to.write_symbol(&Sym {
            section: at.map(|at| places[at].1.0),
            st_name: to.string_offset(Some(name)),
            st_info: elf::SymbolInfo::new(elf::STB_GLOBAL, kind),
            st_other: elf::SymbolOther(0),
            st_shndx: elf::SHN_ABS,
            st_value: symbol.address,
            st_size: symbol.size,
        });
    }
    to.write_strtab();
    to.write_shstrtab();
    to.write_null_section_header();
    for (section, (name, _, offset)) in sections.iter().zip(&places) {
        to.write_section_header(&SectionHeader {
            sh_name: to.section_name_offset(Some(*name)),
            sh_type: elf::SHT_PROGBITS,
            sh_flags: match section.is_code {
                true => elf::SHF_ALLOC | elf::SHF_EXECINSTR,
                false => elf::SectionFlags(0),
            },
            sh_addr: section.address,
            sh_offset: *offset,
            sh_size: section.bytes.len() as u64,
            sh_link: 0,
            sh_info: 0,
            sh_addralign: 8,
            sh_entsize: 0,
        });
    }
    to.write_symtab_section_header(1);
    to.write_strtab_section_header();
    to.write_shstrtab_section_header();
    Ok(bytes)
}
