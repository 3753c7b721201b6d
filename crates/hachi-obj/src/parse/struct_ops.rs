//! Sections `.struct_ops` and `.struct_ops.link`: structs of functions.

use hachi_btf::{Composite, Type, Types as _};

use super::btf::ObjectTypes;
use crate::elf::{Elf, Section};
use crate::error::MapFault;
use crate::{Error, Spec, StructOpsMember, StructOpsSpec, StructOpsValue, Warning};

pub(super) fn sections(
    spec: &mut Spec,
    elf: &Elf<'_>,
    types: Option<&ObjectTypes>,
) -> Result<(), Error> {
    for section in &elf.sections {
        let link = match section.name.trim_start_matches('?') {
            ".struct_ops" => false,
            ".struct_ops.link" => true,
            _ => continue,
        };
        if section.size == 0 {
            continue;
        }
        let found = match types {
            Some(types) => variables(types, elf, section, link)?,
            None => Vec::new(),
        };
        if found.is_empty() {
            spec.warnings.push(Warning::StructOps {
                section: section.name.to_owned(),
            });
        }
        spec.struct_ops.extend(found);
    }
    Ok(())
}

fn variables(
    types: &ObjectTypes,
    elf: &Elf<'_>,
    section: &Section<'_>,
    link: bool,
) -> Result<Vec<StructOpsSpec>, Error> {
    let Some((_, described)) = types.section(section.name) else {
        return Ok(Vec::new());
    };
    let btf = types.btf();
    let mut found = Vec::new();
    for info in &described.vars {
        let Ok(Type::Var(var)) = btf.get(info.type_id) else {
            continue;
        };
        let Ok(Type::Struct(of)) = btf.get(var.type_id) else {
            let ty = btf.type_name(var.type_id);
            return Err(Error::map(var.name, MapFault::NotAStruct { ty }));
        };
        let members = members(elf, section, info.offset, &of)
            .ok_or_else(|| Error::map(var.name, MapFault::StructTooLarge))?;
        found.push(StructOpsSpec {
            name: var.name.to_owned(),
            // As for CO-RE, what follows three underscores tells variants of one type apart.
            type_name: of.name.split("___").next().unwrap_or_default().to_owned(),
            link,
            autoload: !section.name.starts_with('?'),
            members,
        });
    }
    Ok(found)
}

/// The members of the struct at `start`; `None` if it does not lie in the section.
fn members(
    elf: &Elf<'_>,
    section: &Section<'_>,
    start: u32,
    of: &Composite<&str>,
) -> Option<Vec<StructOpsMember>> {
    let mut members = Vec::new();
    for (at, member) in of.members.iter().enumerate() {
        // A member goes as far as the next one begins; bit-fields share their bytes, and none of
        // the kernel's structs has one.
        let offset = member.bit_offset / 8;
        let end = match of.members.get(at + 1) {
            Some(next) => next.bit_offset / 8,
            None => of.size,
        };
        let first = start.checked_add(offset)? as usize;
        let bytes = section.data.get(first..start.checked_add(end)? as usize)?;
        let function = section
            .relocations
            .range(first as u32, (first as u32).saturating_add(1))
            .next()
            .and_then(|relocation| function(elf, relocation.symbol, bytes));
        let value = match function {
            Some(name) => StructOpsValue::Program(name),
            None if bytes.iter().all(|&byte| byte == 0) => continue,
            None => StructOpsValue::Bytes(bytes.to_vec()),
        };
        members.push(StructOpsMember {
            name: member.name.to_owned(),
            value,
        });
    }
    Some(members)
}

/// The function that a relocated word refers to: by its symbol, or by its place in a section.
fn function(elf: &Elf<'_>, symbol: usize, word: &[u8]) -> Option<String> {
    let symbol = elf.symbols.get(symbol)?;
    if !symbol.is_section() {
        return Some(symbol.name.to_owned());
    }
    let place = elf.endian.u64(*word.first_chunk::<8>()?);
    elf.symbols
        .iter()
        .find(|other| {
            other.section == symbol.section && other.is_function() && other.value == place
        })
        .map(|other| other.name.to_owned())
}
