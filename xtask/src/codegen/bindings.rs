//! Numbers of the kernel's interface under C's own names, for programs.

use super::Row;
use std::fmt::Write as _;

/// `enum bpf_map_type`.
pub fn map_types(rows: &[Row]) -> Result<String, String> {
    let mut out = start("Types of maps: `enum bpf_map_type`.", "bpf_map_type");
    out.push_str("pub const BPF_MAP_TYPE_UNSPEC: Type = 0;\n");
    for row in rows {
        let (number, name) = (row.number(0)?, row.field(1)?);
        let _ = writeln!(out, "pub const BPF_MAP_TYPE_{name}: Type = {number};");
    }
    Ok(out + "}\n")
}

/// `enum bpf_func_id`.
pub fn helpers(rows: &[Row]) -> Result<String, String> {
    let mut out = start("The numbers of helpers: `enum bpf_func_id`.", "bpf_func_id");
    for row in rows {
        let (number, name) = (row.number(0)?, row.field(1)?);
        let _ = writeln!(out, "pub const BPF_FUNC_{name}: Type = {number};");
    }
    Ok(out + "}\n")
}

fn start(doc: &str, name: &str) -> String {
    format!("/// {doc}\npub mod {name} {{\n/// Their type.\npub type Type = u32;\n")
}
