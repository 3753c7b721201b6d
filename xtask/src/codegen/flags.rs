//! `codegen/flags.tsv`: flags of bpf(2), for both sides.

use super::{Row, doc_comment};
use std::fmt::Write as _;

/// All flags, for loaders.
pub fn user_side(rows: &[Row]) -> Result<String, String> {
    let mut out = String::from(
        "//! Flags of bpf(2): what `include/uapi/linux/bpf.h` calls `BPF_…`, under the same \
         names.\n\n",
    );
    for row in rows {
        let doc = format!("{} Linux ≥ {}.", row.field(5)?, row.kernel_text(4)?);
        let _ = write!(out, "{}{}", doc_comment("", &doc), constant(row)?);
    }
    Ok(out)
}

/// Those that programs need: for the definitions of maps, and for elements.
pub fn kernel_side(rows: &[Row]) -> Result<String, String> {
    let mut out = String::new();
    for row in rows {
        if matches!(row.field(0)?, "map_create" | "element") {
            out.push_str(&constant(row)?);
        }
    }
    Ok(out)
}

fn constant(row: &Row) -> Result<String, String> {
    let value = match row.field(3)? {
        "-" => "0".to_owned(),
        _ => format!("1 << {}", row.number(3)?),
    };
    Ok(format!(
        "pub const {}: {} = {value};\n",
        row.field(2)?,
        row.field(1)?
    ))
}
