//! Functions of the code sections, and what `.BTF.ext` has of them.

use std::collections::HashMap;

use hachi_btf::ext::{ExtIndex, FuncInfo, Place};
use object::elf::STT_NOTYPE;

use super::btf::{self, ObjectTypes};
use crate::elf::{Elf, Symbol};
use crate::error::ProgramFault;
use crate::image::{Func, Image, Records};
use crate::order::{pair, sort_by_number};
use crate::{Error, Spec, Warning};

/// Bytes of an instruction.
const SLOT: u64 = 8;

/// All functions, by section and place.
pub(super) fn all(spec: &mut Spec, elf: &Elf<'_>, image: &Image) -> Result<Vec<Func>, Error> {
    let mut functions = Vec::new();
    let symbols = symbols(elf);
    let mut symbols = symbols.as_slice();
    for (number, code) in image.code.iter().enumerate() {
        let index = code.section as usize;
        let (own, rest) =
            symbols.split_at(symbols.partition_point(|(section, _)| *section == index));
        symbols = rest;
        // Those without a type only if there are no others.
        let typed = own.iter().any(|(_, symbol)| symbol.is_function());
        let own: Vec<&Symbol<'_>> = own
            .iter()
            .map(|(_, symbol)| *symbol)
            .filter(|symbol| !typed || symbol.is_function())
            .collect();
        if own.is_empty() {
            spec.warnings.push(Warning::NoFunction {
                section: elf.sections[index].name.to_owned(),
            });
        }
        of_section(elf, index, number as u32, &own, &mut functions)?;
    }
    Ok(functions)
}

/// The symbols that may be functions, by section and place; of several names for one place a global
/// one first.
fn symbols<'e, 'a>(elf: &'e Elf<'a>) -> Vec<(usize, &'e Symbol<'a>)> {
    let mut symbols: Vec<(usize, &Symbol<'_>)> = Vec::new();
    for symbol in &elf.symbols {
        let may_be = symbol.is_function() || symbol.kind == STT_NOTYPE && !symbol.is_local();
        if let Some(section) = symbol.section
            && elf.sections[section].is_code()
            && !symbol.name.is_empty()
            && may_be
        {
            symbols.push((section, symbol));
        }
    }
    sort_by_number(&mut symbols, |(section, s)| {
        pair(*section, s.value) << 1 | u128::from(s.is_local())
    });
    symbols
}

/// The functions of a section of code, of whose symbols at one place the first counts.
fn of_section(
    elf: &Elf<'_>,
    index: usize,
    number: u32,
    symbols: &[&Symbol<'_>],
    functions: &mut Vec<Func>,
) -> Result<(), Error> {
    let section = &elf.sections[index];
    let is_text = section.name == ".text" || section.name.starts_with(".text.");
    let mut symbols = symbols.iter().peekable();
    while let Some(symbol) = symbols.next() {
        while symbols.next_if(|next| next.value == symbol.value).is_some() {}
        let fail = |fault| Error::Program {
            program: symbol.name.to_owned(),
            section: section.name.to_owned(),
            fault,
        };
        let next = symbols.peek().map(|next| next.value);
        let limit = next.unwrap_or(section.data.len() as u64);
        let end = match symbol.size {
            0 => limit,
            size => symbol.value.saturating_add(size),
        };
        if end > limit && next.is_some() {
            return Err(fail(ProgramFault::Overlaps));
        }
        if end > section.data.len() as u64 || symbol.value >= end {
            return Err(fail(ProgramFault::PastEnd));
        }
        if !symbol.value.is_multiple_of(SLOT) || !end.is_multiple_of(SLOT) {
            return Err(fail(ProgramFault::Unaligned));
        }
        // Of a larger one, offsets in bytes would not fit 32 bits.
        let slots = |bytes: u64| match bytes <= u64::from(u32::MAX) {
            true => Ok((bytes / SLOT) as u32),
            false => Err(fail(ProgramFault::PastEnd)),
        };
        functions.push(Func {
            name: symbol.name_at,
            section: number,
            start: slots(symbol.value)?,
            len: slots(end)? - slots(symbol.value)?,
            type_id: 0,
            entry: !is_text && !symbol.is_local(),
            hidden: symbol.hidden && !symbol.is_local(),
            local: symbol.is_local(),
        });
    }
    Ok(())
}

/// Adds what `.BTF.ext` says of the functions.
pub(super) fn add_records(
    spec: &mut Spec,
    elf: &Elf<'_>,
    types: &ObjectTypes,
    ext: &[u8],
    index: &ExtIndex,
    image: &mut Image,
) -> Result<(), Error> {
    if index.endian != elf.endian {
        return Err(btf::failed(
            hachi_btf::Unsuited::ExtByteOrder {
                ext: index.endian,
                btf: elf.endian,
            }
            .into(),
        ));
    }
    // Sections of code by name; of several of one name the first.
    let mut sections: HashMap<&str, usize> = HashMap::new();
    for (number, code) in image.code.iter().enumerate() {
        let name = elf.sections[code.section as usize].name;
        sections.entry(name).or_insert(number);
    }
    let btf = types.btf();
    let section = |place: &Place| match btf.string(place.section) {
        Ok(name) => Ok((name, sections.get(name).copied())),
        Err(error) => Err(btf::failed(error)),
    };
    let endian = index.endian;
    for place in &index.func_info {
        let (_, Some(number)) = section(place)? else {
            continue;
        };
        for info in place.records::<FuncInfo>(ext, endian) {
            if info.insn_off.is_multiple_of(SLOT as u32)
                && let Some(function) =
                    image.function_starting_at(number as u32, info.insn_off / SLOT as u32)
                && types.is_function(info.type_id)
            {
                image.functions[function as usize].type_id = info.type_id;
            }
        }
    }
    if !index.func_info.is_empty() {
        for func in image.functions.iter().filter(|func| func.type_id == 0) {
            spec.warnings.push(Warning::NoFuncInfo {
                function: elf.symbol_name_at(func.name).to_owned(),
            });
        }
    }
    for place in &index.line_info {
        if let (_, Some(number)) = section(place)? {
            image.code[number].lines.add(*place, ext, endian);
        }
    }
    let mut total = 0;
    let mut names = Vec::new();
    for place in &index.core_relos {
        let (name, number) = section(place)?;
        total += place.count;
        names.push(name.to_owned());
        if let Some(number) = number {
            image.code[number].core_relos.add(*place, ext, endian);
        }
    }
    // Losing one would silently read the wrong field; but dropped functions leave some behind.
    let placed: usize = image
        .functions
        .iter()
        .map(|func| {
            of_function(
                &image.code[func.section as usize].core_relos,
                func,
                ext,
                endian,
            )
        })
        .sum();
    if placed < total {
        spec.warnings.push(Warning::StrayCoreRelos {
            count: total - placed,
            sections: names,
        });
    }
    Ok(())
}

/// How many records are for instructions of a function.
fn of_function(records: &Records, func: &Func, ext: &[u8], endian: hachi_asm::Endian) -> usize {
    let bytes = func.start * SLOT as u32..(func.start + func.len) * SLOT as u32;
    records.range(ext, endian, bytes).len()
}
