//! Structs of functions that the kernel is to call.

use std::collections::HashMap;

use hachi_btf::{Btf, Kind, Types as _};
use hachi_obj::{Spec, StructOpsMember, StructOpsSpec, StructOpsValue};
use serde_json::{Value, json};

use crate::commands::inspect::title;
use crate::failure::Result;
use crate::output::{DIM, Output, Text, bold, say};
use crate::value;

/// Shows each with the members that are not zero: programs by name, data by its type.
pub fn show(spec: &Spec, btf: Option<&Btf<'_>>, out: &mut Output) -> Result {
    if spec.struct_ops.is_empty() {
        return Ok(());
    }
    title("Structs for the kernel", out)?;
    for ops in &spec.struct_ops {
        let how = match (ops.autoload, ops.link) {
            (false, _) => "registered on demand",
            (true, true) => "registered by a link",
            (true, false) => "registered by its map",
        };
        let about = format_args!(": struct {}, {how}", ops.type_name);
        say!(out, "  ", bold(&ops.name), about)?;
        let declared = declared(btf, ops);
        for member in &ops.members {
            let shown = match &member.value {
                StructOpsValue::Program(program) => {
                    Text::default().and_in(DIM, "program").and(" ").and(program)
                }
                StructOpsValue::Bytes(bytes) => {
                    let (type_id, bytes) = typed(&declared, member, bytes);
                    Text::default().and(value::to_text(btf, type_id, bytes))
                }
            };
            say!(out, "    ", member.name, " = ", shown)?;
        }
    }
    Ok(())
}

/// The same for programs to read.
pub fn json(spec: &Spec, btf: Option<&Btf<'_>>) -> Vec<Value> {
    let one = |ops: &StructOpsSpec| {
        let declared = declared(btf, ops);
        let members = ops.members.iter().map(|member| match &member.value {
            StructOpsValue::Program(program) => json!({ "name": member.name, "program": program }),
            StructOpsValue::Bytes(bytes) => {
                let (type_id, bytes) = typed(&declared, member, bytes);
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

/// The members in the object's own declaration of the struct, by name: the type of each, and its
/// size.
fn declared<'b>(btf: Option<&'b Btf<'_>>, ops: &StructOpsSpec) -> HashMap<&'b str, (u32, usize)> {
    let found = || {
        let btf = btf?;
        // The object may call it with a flavour.
        let id = btf
            .candidates(&ops.type_name)
            .into_iter()
            .find(|&id| btf.shape(id).is_ok_and(|shape| shape.kind == Kind::Struct))?;
        let members = btf.members(id).ok()?.into_iter();
        let sized = members.filter_map(|member| {
            let size = btf.size_of(member.type_id).ok()?;
            Some((member.name, (member.type_id, size as usize)))
        });
        Some(sized.collect())
    };
    found().unwrap_or_default()
}

/// The type of a member, and as many bytes as it has.
fn typed<'a>(
    declared: &HashMap<&str, (u32, usize)>,
    member: &StructOpsMember,
    bytes: &'a [u8],
) -> (u32, &'a [u8]) {
    let known = declared.get(member.name.as_str()).copied();
    let (type_id, size) = known.unwrap_or((0, bytes.len()));
    // What is behind it is padding.
    (type_id, bytes.get(..size).unwrap_or(bytes))
}
