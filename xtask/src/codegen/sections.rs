//! `codegen/sections.tsv`: the names of sections, and what programs in them are.

use super::enums::camel;
use super::{Row, WIDTH};
use std::fmt::Write as _;

/// The flags of a section: fields of `SectionDef` that are false unless the row names them.
const SECTION_FLAGS: [&str; 4] = [
    "sleepable",
    "needs_btf_target",
    "attach_type_optional",
    "frags",
];

pub fn generate(rows: &[Row]) -> Result<String, String> {
    let mut out = String::from(
        "use super::Match::{self, *};
use super::SectionDef;
use crate::AttachType as Attach;
use crate::ProgramType as Program;

const fn section(
    name: &'static str,
    matching: Match,
    program_type: Program,
    attach_type: Option<Attach>,
    first_kernel: (u8, u8),
    flags: u8,
) -> SectionDef {
    SectionDef {
        name,
        matching,
        program_type,
        attach_type,
        first_kernel,
",
    );
    for flag in SECTION_FLAGS {
        let _ = writeln!(out, "{flag}: flags & {} != 0,", flag.to_ascii_uppercase());
    }
    out.push_str("}\n}\n\n");
    for (bit, flag) in SECTION_FLAGS.iter().enumerate() {
        let _ = writeln!(out, "const {}: u8 = 1 << {bit};", flag.to_ascii_uppercase());
    }
    let _ = writeln!(
        out,
        "\n/// In the order in which they are tried.\n#[rustfmt::skip]\n\
         pub(super) static SECTIONS: [SectionDef; {}] = [",
        rows.len()
    );
    for row in rows {
        let pattern = row.field(0)?;
        let (name, how) = match (pattern.strip_suffix("+"), pattern.strip_suffix("/")) {
            (Some(name), _) => (name, "MaybeTarget"),
            (_, Some(_)) => (pattern, "Target"),
            _ => (pattern, "Exact"),
        };
        let attach = match row.field(2)? {
            "-" => "None".to_owned(),
            raw => format!("Some(Attach::{})", camel(raw)),
        };
        let mut flags = Vec::new();
        for word in row.field(4)?.split(',').filter(|word| *word != "-") {
            if !SECTION_FLAGS.contains(&word) {
                return Err(format!("{}: unknown flag '{word}'", row.place));
            }
            flags.push(word.to_ascii_uppercase());
        }
        if flags.is_empty() {
            flags.push("0".to_owned());
        }
        let program_type = camel(row.field(1)?);
        let start = format!("    section(\"{name}\", {how}, Program::{program_type},");
        let end = format!("{attach}, {}, {}),", row.kernel(3)?, flags.join(" | "));
        let fits = start.len() + 1 + end.len() <= WIDTH;
        let separator = if fits { " " } else { "\n        " };
        let _ = writeln!(out, "{start}{separator}{end}");
    }
    out.push_str("];\n");
    Ok(out)
}
