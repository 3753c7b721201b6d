//! Structs of functions that the kernel is to call.

use anstream::println;
use hachi_btf::{Btf, Kind, Types as _};
use hachi_obj::{Spec, StructOpsMember, StructOpsSpec, StructOpsValue};
use serde_json::{Value, json};

use crate::output::{BOLD, DIM};
use crate::value;

/// Shows each with the members that are not zero: programs by name, data by its type.
pub fn show(spec: &Spec, btf: Option<&Btf<'_>>) {
    if spec.struct_ops.is_empty() {
        return;
    }
    println!("\n{BOLD}Structs for the kernel{BOLD:#}");
    for ops in &spec.struct_ops {
        let how = match (ops.autoload, ops.link) {
            (false, _) => "registered on demand",
            (true, true) => "registered by a link",
            (true, false) => "registered by its map",
        };
        println!(
            "  {BOLD}{}{BOLD:#}: struct {}, {how}",
            ops.name, ops.type_name
        );
        for member in &ops.members {
            let shown = match &member.value {
                StructOpsValue::Program(program) => format!("{DIM}program{DIM:#} {program}"),
                StructOpsValue::Bytes(bytes) => {
                    let (type_id, bytes) = typed(btf, ops, member, bytes);
                    value::to_text(btf, type_id, bytes)
                }
            };
            println!("    {} = {shown}", member.name);
        }
    }
}

/// The same for programs to read.
pub fn json(spec: &Spec, btf: Option<&Btf<'_>>) -> Vec<Value> {
    let one = |ops: &StructOpsSpec| {
        let members = ops.members.iter().map(|member| match &member.value {
            StructOpsValue::Program(program) => json!({ "name": member.name, "program": program }),
            StructOpsValue::Bytes(bytes) => {
                let (type_id, bytes) = typed(btf, ops, member, bytes);
                json!({ "name": member.name, "value": value::to_json(btf, type_id, bytes) })
            }
        });
        json!({
            "name": ops.name,
            "type": ops.type_name,
            "link": ops.link,
            "autoload": ops.autoload,
            "members": members.collect::<Vec<_>>(),
        })
    };
    spec.struct_ops.iter().map(one).collect()
}

/// The type of a member in the object's own declaration of the struct, and as many bytes as it has.
fn typed<'a>(
    btf: Option<&Btf<'_>>,
    ops: &StructOpsSpec,
    member: &StructOpsMember,
    bytes: &'a [u8],
) -> (u32, &'a [u8]) {
    let declared = || {
        let btf = btf?;
        // The object may call it with a flavour.
        let id = btf
            .candidates(&ops.type_name)
            .into_iter()
            .find(|&id| btf.shape(id).is_ok_and(|shape| shape.kind == Kind::Struct))?;
        let members = btf.members(id).ok()?;
        let type_id = members.iter().find(|m| m.name == member.name)?.type_id;
        Some((type_id, btf.size_of(type_id).ok()? as usize))
    };
    let (type_id, size) = declared().unwrap_or((0, bytes.len()));
    // What is behind it is padding.
    (type_id, bytes.get(..size).unwrap_or(bytes))
}
