//! Enumerations of the kernel's interface.

use super::{Row, doc_comment};
use std::fmt::Write as _;

/// A UAPI enum: number, kernel name without prefix, first kernel.
pub struct KernelEnum {
    name: &'static str,
    prefix: &'static str,
    doc: &'static str,
    /// `pub`, or `pub(crate)` for numbers that only the system calls of a crate use.
    visibility: &'static str,
    /// Whether its names are the kernel's whole ones, or in lower case and without the prefix.
    whole_names: bool,
}

pub const MAP_TYPE: KernelEnum = KernelEnum {
    name: "MapType",
    prefix: "BPF_MAP_TYPE_",
    doc: "The type of a map (`enum bpf_map_type`).",
    visibility: "pub",
    whole_names: false,
};
pub const PROGRAM_TYPE: KernelEnum = KernelEnum {
    name: "ProgramType",
    prefix: "BPF_PROG_TYPE_",
    doc: "The type of a program (`enum bpf_prog_type`).",
    visibility: "pub",
    whole_names: false,
};
pub const ATTACH_TYPE: KernelEnum = KernelEnum {
    name: "AttachType",
    prefix: "BPF_",
    doc: "Where and how a program is attached (`enum bpf_attach_type`).",
    visibility: "pub",
    whole_names: false,
};

pub const LINK_TYPE: KernelEnum = KernelEnum {
    name: "LinkType",
    prefix: "BPF_LINK_TYPE_",
    doc: "The type of a link (`enum bpf_link_type`).",
    visibility: "pub(crate)",
    whole_names: false,
};
pub const COMMAND: KernelEnum = KernelEnum {
    name: "Cmd",
    prefix: "BPF_",
    doc: "A command of bpf(2) (`enum bpf_cmd`).",
    visibility: "pub(crate)",
    whole_names: true,
};
pub const CAPABILITY: KernelEnum = KernelEnum {
    name: "Capability",
    prefix: "CAP_",
    doc: "A capability that bpf(2) or attaching asks for (capabilities(7)).",
    visibility: "pub",
    whole_names: true,
};

/// `LRU_PERCPU_HASH` → `LruPercpuHash`.
pub fn camel(name: &str) -> String {
    name.split('_')
        .map(|word| {
            let lower = word.to_ascii_lowercase();
            let mut chars = lower.chars();
            chars.next().map_or(String::new(), |first| {
                first.to_ascii_uppercase().to_string() + chars.as_str()
            })
        })
        .collect()
}

pub fn generate(rows: &[Row], e: &KernelEnum) -> Result<String, String> {
    let KernelEnum {
        name,
        prefix,
        visibility,
        ..
    } = e;
    // Of a public one nobody may rely on there being no more; of a private one nobody may need all.
    let (start, attribute) = match *visibility {
        "pub" => ("", "#[non_exhaustive]\n"),
        _ => (
            "#![allow(dead_code, reason = \"a whole table of the kernel's\")]\n\n",
            "",
        ),
    };
    let mut out = format!(
        "{start}{}#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
{attribute}#[repr(u32)]
{visibility} enum {name} {{
",
        doc_comment("", e.doc)
    );
    let (mut from, mut uapi, mut kernel) = (String::new(), String::new(), String::new());
    for row in rows {
        let (number, raw) = (row.number(0)?, row.field(1)?);
        let version = row.kernel(2)?;
        let variant = camel(raw);
        let _ = writeln!(
            out,
            "    /// `{prefix}{raw}`, Linux {}.\n    {variant} = {number},",
            row.field(2)?
        );
        let _ = writeln!(from, "            {number} => {name}::{variant},");
        let _ = writeln!(
            uapi,
            "            {name}::{variant} => \"{}\",",
            match e.whole_names {
                true => format!("{prefix}{raw}"),
                false => raw.to_ascii_lowercase(),
            }
        );
        let _ = writeln!(kernel, "            {name}::{variant} => {version},");
    }
    let names = match e.whole_names {
        true => "The kernel's name.".to_owned(),
        false => format!("The kernel's name in lower case, without `{prefix}`."),
    };
    let _ = write!(
        out,
        "}}

impl {name} {{
    /// From the kernel's number.
    {visibility} fn from_number(number: u32) -> Option<{name}> {{
        Some(match number {{
{from}            _ => return None,
        }})
    }}

    /// {names}
    {visibility} fn name(self) -> &'static str {{
        match self {{
{uapi}        }}
    }}

    /// The first kernel that has it.
    {visibility} fn first_kernel(self) -> (u8, u8) {{
        match self {{
{kernel}        }}
    }}
}}
"
    );
    Ok(out)
}
