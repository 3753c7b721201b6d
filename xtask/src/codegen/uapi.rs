//! `codegen/uapi.tsv`: numbers that programs give and get, for both sides.

use super::Row;
use std::fmt::Write as _;

/// The commands of bpf(2), `enum bpf_cmd`.
pub fn commands(rows: &[Row]) -> Result<String, String> {
    let mut out = String::from(
        "//! The commands of bpf(2): `enum bpf_cmd`.\n\n/// Their type.\npub type Type = u32;\n",
    );
    for row in rows {
        let doc = format!("Linux ≥ {}.", row.kernel_text(2)?);
        let (number, name) = (row.number(0)?, row.field(1)?);
        let _ = writeln!(out, "/// {doc}\npub const BPF_{name}: Type = {number};");
    }
    Ok(out)
}

/// All of them, each enum in a module of its own name.
pub fn generate(rows: &[Row]) -> Result<String, String> {
    let mut out = String::from(
        "//! Numbers of the kernel's interface to programs, from `include/uapi/linux/bpf.h`,\n\
         //! which documents them. Flags have the type of the parameter that they are for.\n\
         #![allow(missing_docs, reason = \"C's own names\")]\n\n",
    );
    let mut inside = "-";
    for row in rows {
        let (of, kind, name) = (row.field(0)?, row.field(1)?, row.field(2)?);
        if of != inside {
            if inside != "-" {
                out.push_str("}\n\n");
            }
            inside = of;
            if of != "-" {
                if name != "-" {
                    return Err(format!(
                        "{}: {of} needs a row that says what it is",
                        row.place
                    ));
                }
                let doc = row.field(4)?;
                let _ = write!(
                    out,
                    "/// {doc}\npub mod {of} {{\n/// Their type.\npub type Type = {kind};\n"
                );
                continue;
            }
        }
        let kind = if of == "-" { kind } else { "Type" };
        let _ = writeln!(out, "pub const {name}: {kind} = {};", row.field(3)?);
    }
    if inside != "-" {
        out.push_str("}\n");
    }
    Ok(out)
}
