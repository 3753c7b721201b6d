//! `ebpf/hachi-ebpf/src/helpers/generated.rs`: a function for each helper of the kernel.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::{Row, doc_comment};

/// Types of the kernel that programs see under another name.
const SEEN_AS: [(&str, &str); 3] = [
    ("sk_buff", "__sk_buff"),
    ("xdp_buff", "xdp_md"),
    ("sk_msg_buff", "sk_msg_md"),
];

/// Structures of the kernel's interface to programs, which `bindings` has. All others are the
/// kernel's own.
const BINDINGS: [&str; 21] = [
    "__sk_buff",
    "bpf_dynptr",
    "bpf_fib_lookup",
    "bpf_perf_event_value",
    "bpf_pidns_info",
    "bpf_redir_neigh",
    "bpf_sk_lookup",
    "bpf_sock",
    "bpf_sock_addr",
    "bpf_sock_ops",
    "bpf_sock_tuple",
    "bpf_spin_lock",
    "bpf_sysctl",
    "bpf_tcp_sock",
    "bpf_timer",
    "bpf_tunnel_key",
    "bpf_xfrm_state",
    "btf_ptr",
    "sk_msg_md",
    "sk_reuseport_md",
    "xdp_md",
];

pub fn generate(rows: &[Row]) -> Result<String, String> {
    let mut out = String::from(
        "//! All helpers as the kernel has them, without safety.
//!
//! A helper that takes pointers is `unsafe`: maps must be the object's own, contexts those that the
//! kernel called the program with, buffers as long as the numbers beside them say, other pointers
//! such as the kernel gave. (The verifier checks all that as well, where it can follow.)
#![allow(clippy::missing_safety_doc, reason = \"the module says it\")]

use crate::bindings::*;
use crate::cty::{c_char, c_int, c_long, c_ulong, c_void};
",
    );
    let all = program_types(rows)?;
    for row in rows {
        let (id, name, prototype) = (row.number(0)?, row.field(1)?, row.field(5)?);
        let error = |what: &str| format!("{}: {what} in `{prototype}`", row.place);
        let (result, params) = prototype
            .strip_suffix(')')
            .and_then(|text| text.split_once('('))
            .ok_or_else(|| error("no parentheses"))?;
        let mut list = Vec::new();
        let mut arguments = vec![id.to_string()];
        for param in params.split(", ").filter(|param| *param != "void") {
            let at = param.rfind([' ', '*']).ok_or_else(|| error("no name"))? + 1;
            let (ty, param) = param.split_at(at);
            let param = if param == "type" { "r#type" } else { param };
            let ty = rust_type(ty.trim()).ok_or_else(|| error("unknown type"))?;
            list.push(format!("{param}: {ty}"));
            arguments.push(param.to_owned());
        }
        let result = rust_type(result.trim()).ok_or_else(|| error("unknown result"))?;
        let list = list.join(", ");
        // A helper that takes no pointer touches no memory of ours.
        let qualifier = match list.contains('*') {
            true => "unsafe ",
            false => "",
        };
        let returns = match result.as_str() {
            "()" => String::new(),
            result => format!(" -> {result}"),
        };
        let gpl = match row.field(3)? {
            "gpl" => ", GPL only",
            _ => "",
        };
        let _ = write!(
            out,
            "
{}///
{}#[inline(always)]
pub {qualifier}fn bpf_{name}({list}){returns} {{
    helper_call!({})
}}
",
            doc_comment("", row.field(6)?),
            doc_comment(
                "",
                &format!(
                    "Linux {}{gpl}. {}.",
                    row.kernel_text(2)?,
                    callers(row.field(4)?, &all)
                )
            ),
            arguments.join(", "),
        );
    }
    Ok(out)
}

/// All program types that occur, in the order of their numbers as far as rows show it.
fn program_types<'a>(rows: &'a [Row]) -> Result<Vec<&'a str>, String> {
    let mut all: Vec<&str> = Vec::new();
    for row in rows {
        let types = row.field(4)?;
        for name in types.split(',').filter(|name| *name != "*") {
            if !all.contains(&name) {
                all.push(name);
            }
        }
    }
    Ok(all)
}

/// Which programs may call it, in words.
fn callers(types: &str, all: &[&str]) -> String {
    if types == "*" {
        return "All programs".to_owned();
    }
    let types: Vec<&str> = types.split(',').collect();
    let others: Vec<&str> = all
        .iter()
        .copied()
        .filter(|name| !types.contains(name))
        .collect();
    let list = |names: &[&str]| -> String {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        names.join(", ")
    };
    match types.len() <= others.len() {
        true => format!("Programs: {}", list(&types)),
        false => format!("All programs but {}", list(&others)),
    }
}

/// A type of C in Rust; pointers as deep as the helpers have them.
fn rust_type(c: &str) -> Option<String> {
    if let Some(pointee) = c.strip_suffix('*') {
        let pointee = pointee.trim();
        let (mutability, pointee) = match pointee.strip_prefix("const ") {
            Some(pointee) => ("const", pointee),
            None => ("mut", pointee),
        };
        let pointee = match pointee.strip_prefix("struct ") {
            Some(name) => {
                let seen: HashMap<&str, &str> = SEEN_AS.into();
                let name = seen.get(name).copied().unwrap_or(name);
                let known = BINDINGS.contains(&name);
                if known { name } else { "c_void" }.to_owned()
            }
            None => match pointee {
                "void" => "c_void".to_owned(),
                "char" => "c_char".to_owned(),
                other => rust_type(other)?,
            },
        };
        return Some(format!("*{mutability} {pointee}"));
    }
    let plain = match c {
        "void" => "()",
        "u16" | "__be16" => "u16",
        "u32" | "__be32" | "__wsum" => "u32",
        "u64" | "size_t" => "u64",
        "s32" => "i32",
        "s64" => "i64",
        "int" => "c_int",
        "long" => "c_long",
        "unsigned long" => "c_ulong",
        _ => return None,
    };
    Some(plain.to_owned())
}
