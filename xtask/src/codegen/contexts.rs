//! Contexts of programs: each structure's fields, and who may use them how.

use std::fmt::Write as _;

use super::{Row, names, program_type_mask, program_type_numbers};

pub fn generate(rows: &[Row]) -> Result<String, String> {
    let types = program_type_numbers()?;
    let attach = names("codegen/attach_types.tsv")?;
    let mut out = String::from(
        "use super::{Field, Layout, Who};

const fn field(
    name: &'static str,
    [offset, size, count]: [u16; 3],
    pointer: bool,
    [read_widths, write_widths]: [u8; 2],
    readers: (u64, u64),
    writers: (u64, u64),
) -> Field {
    Field {
        name,
        offset,
        size,
        count,
        pointer,
        read_widths,
        write_widths,
        readers: Who { types: readers.0, attached: readers.1 },
        writers: Who { types: writers.0, attached: writers.1 },
    }
}

",
    );
    out.push_str("/// All contexts, each with its fields.\n#[rustfmt::skip]\n");
    out.push_str("pub(super) static LAYOUTS: &[Layout] = &[\n");
    let mut open = false;
    for row in rows {
        let (layout, name) = (row.field(0)?, row.field(1)?);
        if name == "-" {
            if open {
                out.push_str("    ] },\n");
            }
            open = true;
            let size = row.number(2)?;
            let list = row.field(5)?;
            let mask = match list {
                "-" => "0".to_owned(),
                list => program_type_mask(row, list, &types)?,
            };
            let _ = writeln!(
                out,
                "    Layout {{ name: \"{layout}\", size: {size}, types: {mask}, fields: &["
            );
            continue;
        }
        if !open {
            return Err(format!(
                "{}: no row of `{layout}` itself is above",
                row.place
            ));
        }
        let offset = row.number(2)?;
        let (size, count, pointer) = shape(row, row.field(3)?)?;
        let (read, write) = widths(row, row.field(4)?, size)?;
        let readers = who(row, row.field(5)?, &types, &attach)?;
        let writers = who(row, row.field(6)?, &types, &attach)?;
        let _ = writeln!(
            out,
            "        field(\"{name}\", [{offset}, {size}, {count}], {pointer}, [{read}, {write}],\n\
             \x20           {readers}, {writers}),"
        );
    }
    out.push_str("    ] },\n];\n");
    Ok(out)
}

/// Bytes of an element, how many there are, whether it is read as a pointer.
fn shape(row: &Row, text: &str) -> Result<(u32, u32, bool), String> {
    let unknown = || format!("{}: no type `{text}`", row.place);
    let (base, count) = match text.split_once('[') {
        Some((base, count)) => {
            let count = count.trim_end_matches(']').parse();
            (base, count.map_err(|_| unknown())?)
        }
        None => (text, 1),
    };
    let (size, pointer) = match base {
        "u8" => (1, false),
        "u16" => (2, false),
        "u32" => (4, false),
        "u64" => (8, false),
        "ptr32" => (4, true),
        "ptr64" => (8, true),
        _ => return Err(unknown()),
    };
    Ok((size, count, pointer))
}

/// The sizes of reads and of writes, as sums of the sizes.
fn widths(row: &Row, text: &str, size: u32) -> Result<(u32, u32), String> {
    Ok(match text {
        "whole" => (size, size),
        "narrow" => (2 * size - 1, size),
        "narrow+8" => ((2 * size - 1) | 8, size | 8),
        "any" => (15, 15),
        "2+4" => (6, 4),
        _ => return Err(format!("{}: no width `{text}`", row.place)),
    })
}

/// Who may: the types, and the attach types.
fn who(
    row: &Row,
    text: &str,
    types: &[(String, u32)],
    attach: &[(String, u32)],
) -> Result<String, String> {
    if text == "-" {
        return Ok("(0, 0)".to_owned());
    }
    let (list, attached) = match text.split_once(':') {
        Some((list, attached)) => (list, Some(attached)),
        None => (text, None),
    };
    let types = program_type_mask(row, list, types)?;
    let attached = match attached {
        None => "!0".to_owned(),
        Some(list) => {
            let (not, list) = match list.strip_prefix('!') {
                Some(list) => ("!", list),
                None => ("", list),
            };
            let mut mask = 0_u64;
            for name in list.split('+') {
                let found = attach
                    .iter()
                    .find(|(of, _)| *of == name.to_ascii_lowercase());
                let (_, number) =
                    found.ok_or_else(|| format!("{}: no attach type `{name}`", row.place))?;
                mask |= 1 << number;
            }
            format!("{not}{mask:#x}")
        }
    };
    Ok(format!("({types}, {attached})"))
}
