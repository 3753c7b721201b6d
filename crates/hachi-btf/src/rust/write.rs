//! The text.

use std::fmt::Write as _;

use super::fields::{self, Field, Ty};
use super::name::{Ident, Taken};
use super::pattern::{Function, Ops, Role};
use super::plan::{Body, Declaration, Plan};
use crate::{Btf, Error, Type, Types as _};

/// The whole module.
pub(super) fn module(
    btf: &Btf<'_>,
    plan: &Plan,
    library: &str,
    header: &str,
) -> Result<String, Error> {
    let mut out = String::new();
    for line in header.lines() {
        let _ = writeln!(out, "{}", format!("// {line}").trim_end());
    }
    if !header.is_empty() {
        out.push('\n');
    }
    let _ = writeln!(out, "{library}::kernel_types! {{");
    let mut first = true;
    let mut was_opaque = false;
    for declaration in &plan.types {
        let opaque = matches!(declaration.body, Body::Opaque);
        // Opaque types are one block.
        if !(first || opaque && was_opaque) {
            out.push('\n');
        }
        (first, was_opaque) = (false, opaque);
        declare(&mut out, btf, plan, declaration)?;
    }
    for (ident, function) in &plan.functions {
        if !first {
            out.push('\n');
        }
        first = false;
        declare_function(&mut out, btf, plan, ident, function)?;
    }
    for (ident, ops) in &plan.ops {
        if !first {
            out.push('\n');
        }
        first = false;
        declare_ops(&mut out, btf, plan, ident, ops)?;
    }
    out.push_str("}\n");
    for (ident, constant) in &plan.constants {
        let _ = write!(
            out,
            "\n/// An enumerator of an enum without a name.\n\
             #[allow(dead_code, non_upper_case_globals)]\npub const {}: {} = {};\n",
            ident.text, constant.ty, constant.value
        );
    }
    Ok(out)
}

fn declare(
    out: &mut String,
    btf: &Btf<'_>,
    plan: &Plan,
    declaration: &Declaration,
) -> Result<(), Error> {
    let id = declaration.id;
    let Some(ident) = plan.full_ident(id) else {
        return Ok(());
    };
    let keyword = fields::keyword(btf, id)?;
    let attribute = ident.attribute("    ");
    let name = &ident.text;
    match &declaration.body {
        Body::Opaque => {
            let _ = writeln!(out, "{attribute}    pub {keyword} {name};");
        }
        Body::Fields(fields, left_out) => {
            let size = btf.size_of(id).unwrap_or(0);
            let c_name = match keyword {
                "typedef" => btf.shape(id)?.name.to_owned(),
                _ => btf.type_name(id),
            };
            doc(out, "    ", &format!("`{c_name}`, {size} bytes."));
            let _ = writeln!(out, "{attribute}    pub {keyword} {name} {{");
            write_fields(out, plan, fields, "        ");
            if *left_out > 0 {
                let _ = writeln!(out, "        // and {left_out} more");
            }
            out.push_str("    }\n");
        }
        Body::Enum { enumerators } => write_enum(out, btf, id, ident, *enumerators)?,
    }
    Ok(())
}

/// A line of documentation; what comes from BTF may hold anything.
fn doc(out: &mut String, indent: &str, text: &str) {
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let _ = writeln!(out, "{indent}/// {}", text.trim_end());
}

fn write_enum(
    out: &mut String,
    btf: &Btf<'_>,
    id: u32,
    ident: &Ident,
    all: bool,
) -> Result<(), Error> {
    let integer = fields::enum_integer(btf, id)?;
    doc(out, "    ", &format!("`{}`.", btf.type_name(id)));
    let _ = write!(
        out,
        "{}    pub enum {}: {integer} {{",
        ident.attribute("    "),
        ident.text
    );
    let enumerators = fields::enumerators(btf, id)?;
    if !all {
        let _ = write!(
            out,
            " /* {} enumerators: ask for it by name */ ",
            enumerators.len()
        );
    } else if !enumerators.is_empty() {
        out.push('\n');
        let mut taken = Taken::default();
        for (name, _, value) in enumerators {
            let ident = Ident::new(name, &mut taken, "");
            let _ = writeln!(out, "        {} = {value},", ident.text);
        }
        out.push_str("    ");
    }
    out.push_str("}\n");
    Ok(())
}

fn write_fields(out: &mut String, plan: &Plan, fields: &[Field], indent: &str) {
    let mut taken = Taken::default();
    for field in fields {
        let (byte, bit) = (field.bit_offset / 8, field.bit_offset % 8);
        let mut place = format!("`{}`, at {byte}", field.declaration);
        if let Some(bits) = field.bits {
            place = format!("`{} : {bits}`, at {byte}", field.declaration);
            if bit > 0 {
                let _ = write!(place, ", bit {bit}");
            }
        }
        let ident = Ident::new(&field.name, &mut taken, "");
        let Some(ty) = &field.ty else {
            let _ = writeln!(out, "{indent}// {} has no counterpart: {place}", field.name);
            continue;
        };
        doc(out, indent, &place);
        let _ = write!(out, "{}{indent}{}: ", ident.attribute(indent), ident.text);
        write_type(out, plan, ty, indent);
        if let Some(bits) = field.bits {
            let _ = write!(out, " / {bits}");
        }
        out.push_str(",\n");
    }
}

fn write_type(out: &mut String, plan: &Plan, ty: &Ty, indent: &str) {
    match ty {
        Ty::Scalar(name) => out.push_str(name),
        Ty::Enum(id) => {
            let _ = write!(out, "enum {}", plan.ident(*id));
        }
        Ty::Pointer(id) => {
            let _ = write!(out, "*const {}", plan.ident(*id));
        }
        Ty::Named(id) => out.push_str(plan.ident(*id)),
        Ty::Anonymous { union, fields } => {
            out.push_str(if *union { "union {\n" } else { "struct {\n" });
            write_fields(out, plan, fields, &format!("{indent}    "));
            let _ = write!(out, "{indent}}}");
        }
        Ty::Array(element, count) => {
            out.push('[');
            write_type(out, plan, element, indent);
            let _ = write!(out, "; {count}]");
        }
    }
}

/// A structure of functions, as a trait.
fn declare_ops(
    out: &mut String,
    btf: &Btf<'_>,
    plan: &Plan,
    ident: &Ident,
    ops: &Ops,
) -> Result<(), Error> {
    let size = btf.size_of(ops.id).unwrap_or(0);
    let what = format!("Functions of `struct {}`, {size} bytes.", ops.name);
    doc(out, "    ", &what);
    let _ = writeln!(out, "    pub trait {} {{", ident.text);
    let mut taken = Taken::default();
    for field in &ops.data {
        let Some(ty) = &field.ty else {
            continue;
        };
        let name = Ident::new(&field.name, &mut taken, "");
        doc(out, "        ", &format!("`{}`", field.declaration));
        let _ = write!(out, "        const {}: ", name.text);
        write_type(out, plan, ty, "        ");
        out.push_str(";\n");
    }
    for function in &ops.functions {
        let name = Ident::new(&function.name, &mut taken, "_fn");
        declare_function(out, btf, plan, &name, function)?;
    }
    out.push_str("    }\n");
    Ok(())
}

fn declare_function(
    out: &mut String,
    btf: &Btf<'_>,
    plan: &Plan,
    ident: &Ident,
    function: &Function,
) -> Result<(), Error> {
    let (indent, keyword) = match function.role {
        Role::Arguments => ("    ", "pub fn"),
        Role::Kfunc => ("    ", "pub kfunc"),
        Role::Member => ("        ", "fn"),
    };
    doc(out, indent, &function.what);
    // The names of the methods that are there anyway.
    let mut taken = Taken::default();
    taken.extend(["of".to_owned(), "result".to_owned()]);
    let (mut params, mut rest) = (Vec::new(), None);
    let all = btf.params(function.proto)?;
    for (number, param) in all.iter().skip(function.skip).enumerate() {
        // `…` has neither name nor type.
        if param.type_id == 0 {
            break;
        }
        let own = match (param.name, function.names.get(number)) {
            ("", Some(name)) if !name.is_empty() => name.clone(),
            ("", _) => format!("arg{number}"),
            (name, _) => name.to_owned(),
        };
        let Some((ty, registers)) = fields::argument(btf, param.type_id)? else {
            rest = Some(btf.declaration(param.type_id, &own));
            break;
        };
        let mut text = String::new();
        write_argument(&mut text, plan, &ty, function.role, btf, param.type_id)?;
        for register in 0..registers {
            let own = match registers {
                1 => own.clone(),
                _ => format!("{own}_{register}"),
            };
            let ident = Ident::new(&own, &mut taken, "_arg");
            params.push(format!("{}: {text}", ident.text));
        }
    }
    let result = btf.shape(function.proto)?.type_id;
    let mut arrow = String::new();
    // What does not come in one register does not come at all.
    if let Some((ty, 1)) = fields::argument(btf, result)?
        && rest.is_none()
    {
        arrow.push_str(" -> ");
        write_argument(&mut arrow, plan, &ty, function.role, btf, result)?;
    }
    if let Some(rest) = rest {
        doc(
            out,
            indent,
            &format!("and further arguments, from `{rest}` on"),
        );
    }
    let head = format!("{indent}{keyword} {}", ident.text);
    out.push_str(&ident.attribute(indent));
    let line = format!("{head}({}){arrow};", params.join(", "));
    if line.len() <= 100 {
        let _ = writeln!(out, "{line}");
    } else {
        let _ = writeln!(out, "{head}(");
        for param in params {
            let _ = writeln!(out, "{indent}    {param},");
        }
        let _ = writeln!(out, "{indent}){arrow};");
    }
    Ok(())
}

/// The type of an argument. What a kfunc may write through must not be `const`.
fn write_argument(
    out: &mut String,
    plan: &Plan,
    ty: &Ty,
    role: Role,
    btf: &Btf<'_>,
    id: u32,
) -> Result<(), Error> {
    let mut text = String::new();
    write_type(&mut text, plan, ty, "");
    if role == Role::Kfunc && text.starts_with("*const ") && !points_to_const(btf, id)? {
        text = text.replacen("*const ", "*mut ", 1);
    }
    // As an argument an enum is its number.
    out.push_str(&text);
    Ok(())
}

fn points_to_const(btf: &Btf<'_>, id: u32) -> Result<bool, Error> {
    let id = btf.resolve(id)?;
    if id == 0 {
        return Ok(false);
    }
    let to = btf.shape(id)?.type_id;
    Ok(to != 0 && matches!(btf.get(to)?, Type::Const(_)))
}
