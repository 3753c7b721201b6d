//! Types as they are encoded, one by one: as text, or as JSON. Both are what bpftool prints
//! (`bpftool btf dump`, and `-j`), which tools read already.

use std::fmt::{self, Write as _};

use super::quote::{in_line, json_str};
use crate::{Error, Kind, Linkage, Type, Types};

/// Writes types as text: a line for each, and one for each member, value or parameter.
///
/// ```text
/// [1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED
/// [2] STRUCT 'pair' size=8 vlen=1
///         'first' type_id=1 bits_offset=0
/// ```
///
/// # Errors
/// If a type is malformed.
pub fn raw(types: &dyn Types, ids: impl IntoIterator<Item = u32>) -> Result<String, Error> {
    let mut out = String::new();
    for id in ids {
        Row::new(types, id)?.write_text(&mut out);
    }
    Ok(out)
}

/// Writes types as one JSON document, with the words of [`raw`] for keys.
///
/// ```json
/// {"types":[
/// {"id":1,"kind":"INT","name":"int","size":4,"bits_offset":0,"nr_bits":32,"encoding":"SIGNED"}
/// ]}
/// ```
///
/// # Errors
/// If a type is malformed.
pub fn json(types: &dyn Types, ids: impl IntoIterator<Item = u32>) -> Result<String, Error> {
    let mut out = String::from("{\"types\":[");
    let mut gap = "\n";
    for id in ids {
        out.push_str(gap);
        Row::new(types, id)?.write_json(&mut out);
        gap = ",\n";
    }
    out.push_str("\n]}\n");
    Ok(out)
}

/// What anonymous types are called.
const ANONYMOUS: &str = "(anon)";

/// A property: its key and value.
type Field<'t> = (&'static str, Value<'t>);

enum Value<'t> {
    Number(i128),
    Word(&'t str),
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(number) => number.fmt(f),
            Value::Word(word) => f.write_str(word),
        }
    }
}

impl From<u32> for Value<'_> {
    fn from(number: u32) -> Self {
        Value::Number(number.into())
    }
}

/// A type with all its properties.
struct Row<'t> {
    id: u32,
    kind: Kind,
    name: &'t str,
    fields: Vec<Field<'t>>,
    /// The key of what follows it, line by line.
    parts_key: &'static str,
    parts: Vec<Part<'t>>,
}

/// A member, value, parameter or variable.
#[derive(Default)]
struct Part<'t> {
    name: Option<&'t str>,
    fields: Vec<Field<'t>>,
    /// Added to the text, to make it readable.
    note: String,
}

impl<'t> Part<'t> {
    fn named(name: &'t str, fields: impl Into<Vec<Field<'t>>>) -> Part<'t> {
        Part {
            name: Some(name),
            fields: fields.into(),
            note: String::new(),
        }
    }
}

impl<'t> Row<'t> {
    fn new(types: &'t dyn Types, id: u32) -> Result<Row<'t>, Error> {
        let ty = types.decode(id)?;
        let mut row = Row {
            id,
            kind: ty.kind(),
            name: ty.name().copied().unwrap_or_default(),
            fields: Vec::new(),
            parts_key: "",
            parts: Vec::new(),
        };
        row.fill(types, ty);
        Ok(row)
    }

    fn fill(&mut self, types: &'t dyn Types, ty: Type<&'t str>) {
        let fields = &mut self.fields;
        let type_id = |id: u32| ("type_id", Value::from(id));
        match ty {
            Type::Int(t) => fields.extend([
                ("size", t.size.into()),
                ("bits_offset", u32::from(t.offset).into()),
                ("nr_bits", u32::from(t.bits).into()),
                ("encoding", Value::Word(encoding(t.signed, t.char, t.bool))),
            ]),
            Type::Ptr(t) => fields.push(type_id(t.type_id)),
            Type::Volatile(t) | Type::Const(t) | Type::Restrict(t) => {
                fields.push(type_id(t.type_id));
            }
            Type::Typedef(t) => fields.push(type_id(t.type_id)),
            Type::TypeTag(t) => {
                fields.push(type_id(t.type_id));
                fields.extend(t.attribute.then_some(("attribute", Value::Number(1))));
            }
            Type::Array(t) => fields.extend([
                type_id(t.type_id),
                ("index_type_id", t.index_type_id.into()),
                ("nr_elems", t.nelems.into()),
            ]),
            Type::Struct(t) | Type::Union(t) => {
                fields.push(("size", t.size.into()));
                let members = t.members.into_iter().map(|m| {
                    let mut fields = vec![type_id(m.type_id), ("bits_offset", m.bit_offset.into())];
                    if m.bit_size != 0 {
                        fields.push(("bitfield_size", u32::from(m.bit_size).into()));
                    }
                    Part::named(m.name, fields)
                });
                self.set_parts("members", members.collect());
            }
            Type::Enum(t) => {
                fields.extend(enum_fields(t.signed, t.size));
                let values = t.variants.into_iter().map(|v| {
                    let value = match t.signed {
                        true => v.value.into(),
                        false => i128::from(v.value as u32),
                    };
                    Part::named(v.name, [("val", Value::Number(value))])
                });
                self.set_parts("values", values.collect());
            }
            Type::Enum64(t) => {
                fields.extend(enum_fields(t.signed, t.size));
                let values = t.variants.into_iter().map(|v| {
                    let value = match t.signed {
                        true => i128::from(v.value as i64),
                        false => v.value.into(),
                    };
                    let mut part = Part::named(v.name, [("val", Value::Number(value))]);
                    part.note = if t.signed { "LL" } else { "ULL" }.into();
                    part
                });
                self.set_parts("values", values.collect());
            }
            Type::Fwd(t) => {
                let kind = if t.union { "union" } else { "struct" };
                fields.push(("fwd_kind", Value::Word(kind)));
            }
            Type::Func(t) => fields.extend([
                type_id(t.type_id),
                ("linkage", Value::Word(linkage(t.linkage))),
            ]),
            Type::FuncProto(t) => {
                fields.push(("ret_type_id", t.ret_type_id.into()));
                let params = t
                    .params
                    .into_iter()
                    .map(|p| Part::named(p.name, [type_id(p.type_id)]));
                self.set_parts("params", params.collect());
            }
            Type::Var(t) => fields.extend([
                type_id(t.type_id),
                ("linkage", Value::Word(linkage(t.linkage))),
            ]),
            Type::DataSec(t) => {
                fields.push(("size", t.size.into()));
                let vars = t.vars.into_iter().map(|var| Part {
                    name: None,
                    fields: vec![
                        type_id(var.type_id),
                        ("offset", var.offset.into()),
                        ("size", var.size.into()),
                    ],
                    note: match types.shape(var.type_id) {
                        Ok(shape) => {
                            format!(" ({} '{}')", shape.kind.name(), in_line(shape.name))
                        }
                        Err(_) => String::new(),
                    },
                });
                self.set_parts("vars", vars.collect());
            }
            Type::Float(t) => fields.push(("size", t.size.into())),
            Type::DeclTag(t) => {
                fields.extend([
                    type_id(t.type_id),
                    ("component_idx", Value::Number(t.component_idx.into())),
                ]);
                fields.extend(t.attribute.then_some(("attribute", Value::Number(1))));
            }
        }
    }

    fn set_parts(&mut self, key: &'static str, parts: Vec<Part<'t>>) {
        self.fields
            .push(("vlen", Value::Number(parts.len() as i128)));
        self.parts_key = key;
        self.parts = parts;
    }

    // Writing to a String cannot fail, so results are dropped below.
    fn write_text(&self, out: &mut String) {
        let name = |name: &'t str| in_line(if name.is_empty() { ANONYMOUS } else { name });
        let _ = write!(
            out,
            "[{}] {} '{}'",
            self.id,
            self.kind.name(),
            name(self.name)
        );
        for (at, (key, value)) in self.fields.iter().enumerate() {
            let comma = if self.kind == Kind::Var && at > 0 {
                ","
            } else {
                ""
            };
            let _ = write!(out, "{comma} {key}={value}");
        }
        out.push('\n');
        for part in &self.parts {
            out.push('\t');
            let mut gap = "";
            if let Some(text) = part.name {
                let _ = write!(out, "'{}'", name(text));
                gap = " ";
            }
            for (key, value) in &part.fields {
                let _ = write!(out, "{gap}{key}={value}");
                gap = " ";
            }
            out.push_str(&part.note);
            out.push('\n');
        }
    }

    fn write_json(&self, out: &mut String) {
        let _ = write!(
            out,
            "{{\"id\":{},\"kind\":\"{}\"",
            self.id,
            self.kind.name()
        );
        write_fields(out, Some(self.name), &self.fields);
        if !self.parts_key.is_empty() {
            let _ = write!(out, ",\"{}\":[", self.parts_key);
            for (at, part) in self.parts.iter().enumerate() {
                out.push_str(if at == 0 { "{" } else { ",{" });
                let start = out.len();
                write_fields(out, part.name, &part.fields);
                // The first has no comma before it.
                out.remove(start);
                out.push('}');
            }
            out.push(']');
        }
        out.push('}');
    }
}

/// Each after a comma.
fn write_fields(out: &mut String, name: Option<&str>, fields: &[Field<'_>]) {
    if let Some(name) = name {
        out.push_str(",\"name\":");
        json_str(out, if name.is_empty() { ANONYMOUS } else { name });
    }
    for (key, value) in fields {
        let _ = match value {
            Value::Number(number) => write!(out, ",\"{key}\":{number}"),
            Value::Word(word) => write!(out, ",\"{key}\":\"{word}\""),
        };
    }
}

fn enum_fields<'t>(signed: bool, size: u32) -> [Field<'t>; 2] {
    let encoding = if signed { "SIGNED" } else { "UNSIGNED" };
    [("encoding", Value::Word(encoding)), ("size", size.into())]
}

fn encoding(signed: bool, char: bool, bool: bool) -> &'static str {
    match (signed, char, bool) {
        (false, false, false) => "(none)",
        (true, false, false) => "SIGNED",
        (false, true, false) => "CHAR",
        (false, false, true) => "BOOL",
        (true, true, false) => "SIGNED|CHAR",
        (true, false, true) => "SIGNED|BOOL",
        (false, true, true) => "CHAR|BOOL",
        (true, true, true) => "SIGNED|CHAR|BOOL",
    }
}

fn linkage(linkage: Linkage) -> &'static str {
    match linkage {
        Linkage::Static => "static",
        Linkage::Global => "global",
        Linkage::Extern => "extern",
    }
}
