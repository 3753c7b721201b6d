//! Types as Rust: plain `repr(C)` structures with the kernel's offsets.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fmt::Write as _,
};

use hachi_btf::{Btf, Composite, Kind, Type, Types as _};

use crate::{Error, layout::Layout};

const HEAD: &str = "\
// Made by hachi-aya-tool from the types of a kernel. Offsets are those of that kernel.
#![allow(dead_code, non_camel_case_types, non_snake_case, non_upper_case_globals)]

/// `width` bits from bit `at` on.
#[inline(always)]
fn __bits(bytes: &[u8], at: usize, width: usize) -> u64 {
    let mut value = 0;
    let mut bit = 0;
    while bit < width {
        let from = at + bit;
        value |= ((bytes[from / 8] >> (from % 8) & 1) as u64) << bit;
        bit += 1;
    }
    value
}
";

/// Words that are no names in Rust.
const WORDS: [&str; 40] = [
    "Self", "as", "async", "await", "become", "box", "const", "crate", "do", "dyn", "enum",
    "extern", "false", "final", "fn", "gen", "impl", "in", "let", "loop", "macro", "match", "mod",
    "move", "mut", "priv", "pub", "ref", "self", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "use", "where", "yield", "virtual",
];

/// Types of Rust's own, which the kernel has under the same names.
const PRIMITIVES: [&str; 15] = [
    "bool", "char", "f32", "f64", "i128", "i16", "i32", "i64", "i8", "str", "u128", "u16", "u32",
    "u64", "u8",
];

#[derive(Debug)]
pub struct Writer<'a> {
    btf: &'a Btf<'a>,
    layout: Layout<'a>,
    /// Names of types that have one, and the names that are taken.
    names: HashMap<u32, String>,
    taken: HashSet<String>,
    waiting: VecDeque<u32>,
}

impl<'a> Writer<'a> {
    pub fn new(btf: &'a Btf<'a>) -> Self {
        Writer {
            btf,
            layout: Layout::new(btf),
            names: HashMap::new(),
            taken: HashSet::new(),
            waiting: VecDeque::new(),
        }
    }

    /// These types, and all that they need.
    pub fn write<T: AsRef<str>>(mut self, types: &[T]) -> Result<String, Error> {
        for name in types {
            let name = name.as_ref();
            let id = self
                .defined(name)
                .ok_or_else(|| Error::Unknown(name.to_owned()))?;
            self.name(id, name, None);
        }
        let mut text = HEAD.to_owned();
        while let Some(id) = self.waiting.pop_front() {
            text.push('\n');
            self.definition(id, &mut text)?;
        }
        Ok(text)
    }

    fn defined(&self, name: &str) -> Option<u32> {
        [
            Kind::Struct,
            Kind::Union,
            Kind::Enum,
            Kind::Enum64,
            Kind::Typedef,
        ]
        .into_iter()
        .find_map(|kind| self.btf.find(name, kind))
    }

    /// What a type is called, which will be written.
    fn name(&mut self, id: u32, name: &str, inside: Option<&str>) -> String {
        if let Some(known) = self.names.get(&id) {
            return known.clone();
        }
        let wanted = match (name, inside) {
            ("", inside) => format!("{}__bindgen_ty", inside.unwrap_or("_")),
            (name, _) => identifier(name),
        };
        let mut called = wanted.clone();
        let mut number = 1;
        while name.is_empty() && called == wanted || !self.taken.insert(called.clone()) {
            called = format!("{wanted}_{number}");
            number += 1;
        }
        self.names.insert(id, called.clone());
        self.waiting.push_back(id);
        called
    }

    /// The type as it stands in a field. `inside` is where it stands, for names of those without.
    fn used(&mut self, id: u32, inside: &str) -> Result<String, Error> {
        if id == 0 {
            return Ok("::core::ffi::c_void".to_owned());
        }
        Ok(match self.btf.get(id)? {
            Type::Int(int) => integer(int.size, int.signed, int.bool),
            Type::Float(float) => match float.size {
                4 => "f32".to_owned(),
                8 => "f64".to_owned(),
                size => format!("[u8; {size}]"),
            },
            Type::Ptr(pointer) => self.pointer(pointer.type_id, inside)?,
            Type::Array(array) => {
                let element = self.used(array.type_id, inside)?;
                format!("[{element}; {}]", array.nelems)
            }
            Type::Struct(of) | Type::Union(of) => self.name(id, of.name, Some(inside)),
            Type::Enum(of) => self.constants(id, of.name, integer(of.size, of.signed, false)),
            Type::Enum64(of) => self.constants(id, of.name, integer(of.size, of.signed, false)),
            Type::Fwd(of) => {
                let kind = if of.union { Kind::Union } else { Kind::Struct };
                let id = self.btf.find(of.name, kind).unwrap_or(id);
                self.name(id, of.name, None)
            }
            Type::Typedef(typedef) => {
                let target = self.btf.resolve(typedef.type_id)?;
                // `typedef struct x x` is one name in Rust, and `u8` is there already.
                let is_same = target != 0 && self.btf.get(target)?.name() == Some(&typedef.name);
                match is_same || PRIMITIVES.contains(&typedef.name) {
                    true => self.used(target, inside)?,
                    false => self.name(id, typedef.name, None),
                }
            }
            Type::Const(of) | Type::Volatile(of) | Type::Restrict(of) => {
                self.used(of.type_id, inside)?
            }
            Type::TypeTag(tag) => self.used(tag.type_id, inside)?,
            _ => "::core::ffi::c_void".to_owned(),
        })
    }

    fn pointer(&mut self, to: u32, inside: &str) -> Result<String, Error> {
        let resolved = if to == 0 { 0 } else { self.btf.resolve(to)? };
        if resolved != 0 && self.btf.kind(resolved)? == Kind::FuncProto {
            return Ok("::core::option::Option<unsafe extern \"C\" fn()>".to_owned());
        }
        let is_const = to != 0 && self.btf.kind(to)? == Kind::Const;
        let target = self.used(to, inside)?;
        let access = if is_const { "const" } else { "mut" };
        Ok(format!("*{access} {target}"))
    }

    /// The type of an enum: a number, and a module of constants if it has a name.
    fn constants(&mut self, id: u32, name: &str, number: String) -> String {
        match name {
            "" => number,
            name => format!("{}::Type", self.name(id, name, None)),
        }
    }

    fn definition(&mut self, id: u32, text: &mut String) -> Result<(), Error> {
        let name = self.names[&id].clone();
        match self.btf.get(id)? {
            Type::Struct(composite) => self.structure(&name, &composite, text)?,
            Type::Union(composite) => self.union(&name, &composite, text)?,
            Type::Enum(of) => {
                let values = of
                    .variants
                    .iter()
                    .map(|variant| (variant.name, i128::from(variant.value)));
                let of_type = integer(of.size, of.signed, false);
                // An unsigned value of 32 bits comes as a negative number.
                let mask = (!of.signed).then_some(0xffff_ffff);
                enumeration(&name, &of_type, mask, values, text);
            }
            Type::Enum64(of) => {
                let values = of.variants.iter().map(|variant| {
                    let value = match of.signed {
                        true => i128::from(variant.value as i64),
                        false => i128::from(variant.value),
                    };
                    (variant.name, value)
                });
                let of_type = integer(of.size, of.signed, false);
                enumeration(&name, &of_type, None, values, text);
            }
            Type::Typedef(typedef) => {
                let target = self.used(typedef.type_id, &name)?;
                let _ = writeln!(text, "pub type {name} = {target};");
            }
            _ => {
                let _ = writeln!(
                    text,
                    "#[repr(C)]\n#[derive(Clone, Copy)]\npub struct {name} {{\n    \
                     _unused: [u8; 0],\n}}"
                );
            }
        }
        Ok(())
    }

    fn structure(
        &mut self,
        name: &str,
        composite: &Composite<&str>,
        text: &mut String,
    ) -> Result<(), Error> {
        let packed = self.layout.is_packed(composite)?;
        begin("struct", name, packed, text);
        let mut fields = Fields::default();
        let mut at = 0;
        let mut members = composite.members.iter().peekable();
        while let Some(member) = members.next() {
            let start = u64::from(member.bit_offset / 8);
            if member.bit_size != 0 {
                // All that follow without a gap share their bytes.
                let start = start.max(at);
                let first = start * 8;
                let mut end = member.bit_offset + u32::from(member.bit_size);
                let mut run = vec![member];
                while let Some(next) =
                    members.next_if(|next| next.bit_size != 0 && next.bit_offset / 8 <= end / 8)
                {
                    end = next.bit_offset + u32::from(next.bit_size);
                    run.push(next);
                }
                fields.pad(at, start, text);
                let len = u64::from(end.div_ceil(8)) - start;
                let unit = fields.unit(len, text);
                for member in run {
                    // Bits in front belong to the field before, which holds their byte.
                    if u64::from(member.bit_offset) < first {
                        continue;
                    }
                    let offset = u64::from(member.bit_offset) - first;
                    fields.getter(member.name, &unit, offset, member.bit_size);
                }
                at = start + len;
                continue;
            }
            fields.pad(at, start, text);
            let of_type = self.used(member.type_id, name)?;
            fields.field(member.name, &of_type, text);
            at = start + u64::from(self.btf.size_of(member.type_id)?);
        }
        fields.pad(at, u64::from(composite.size), text);
        fields.end(name, text);
        Ok(())
    }

    fn union(
        &mut self,
        name: &str,
        composite: &Composite<&str>,
        text: &mut String,
    ) -> Result<(), Error> {
        begin("union", name, self.layout.is_packed(composite)?, text);
        let mut fields = Fields::default();
        for member in &composite.members {
            if member.bit_size != 0 {
                let end = member.bit_offset + u32::from(member.bit_size);
                fields.unit(u64::from(end.div_ceil(8)), text);
                continue;
            }
            let of_type = self.used(member.type_id, name)?;
            fields.field(member.name, &of_type, text);
        }
        // Its size also where the last member is smaller.
        fields.unit(u64::from(composite.size), text);
        fields.end(name, text);
        Ok(())
    }
}

fn begin(what: &str, name: &str, packed: bool, text: &mut String) {
    let repr = if packed { "C, packed" } else { "C" };
    let _ = writeln!(
        text,
        "#[repr({repr})]\n#[derive(Clone, Copy)]\npub {what} {name} {{"
    );
}

/// The fields of a structure, while they are written.
#[derive(Debug, Default)]
struct Fields {
    taken: HashSet<String>,
    getters: String,
    pads: u32,
    units: u32,
    unnamed: u32,
}

impl Fields {
    fn pad(&mut self, from: u64, to: u64, text: &mut String) {
        if to > from {
            self.pads += 1;
            let _ = writeln!(text, "    pub __pad_{}: [u8; {}],", self.pads, to - from);
        }
    }

    fn unit(&mut self, len: u64, text: &mut String) -> String {
        self.units += 1;
        let unit = format!("_bitfield_{}", self.units);
        let _ = writeln!(text, "    pub {unit}: [u8; {len}],");
        unit
    }

    fn field(&mut self, name: &str, of_type: &str, text: &mut String) {
        let name = match name {
            "" => {
                self.unnamed += 1;
                format!("__bindgen_anon_{}", self.unnamed)
            }
            name => identifier(name),
        };
        self.taken.insert(name.clone());
        let _ = writeln!(text, "    pub {name}: {of_type},");
    }

    fn getter(&mut self, name: &str, unit: &str, at: u64, width: u8) {
        let name = identifier(name);
        if name.is_empty() || !self.taken.insert(name.clone()) {
            return;
        }
        let _ = write!(
            self.getters,
            "\n    #[inline(always)]\n    pub fn {name}(&self) -> u64 {{\n        \
             __bits(&self.{unit}, {at}, {width})\n    }}\n"
        );
    }

    fn end(self, name: &str, text: &mut String) {
        text.push_str("}\n");
        if !self.getters.is_empty() {
            let body = self.getters.trim_start_matches('\n');
            let _ = writeln!(text, "\nimpl {name} {{\n{body}}}");
        }
    }
}

fn enumeration<'n>(
    name: &str,
    of_type: &str,
    mask: Option<i128>,
    values: impl Iterator<Item = (&'n str, i128)>,
    text: &mut String,
) {
    let _ = writeln!(text, "pub mod {name} {{\n    pub type Type = {of_type};");
    let mut taken = HashSet::from(["Type".to_owned()]);
    for (variant, value) in values {
        let variant = identifier(variant);
        if taken.insert(variant.clone()) {
            let value = mask.map_or(value, |mask| value & mask);
            let _ = writeln!(text, "    pub const {variant}: Type = {value};");
        }
    }
    text.push_str("}\n");
}

fn integer(size: u32, signed: bool, is_bool: bool) -> String {
    match (size, is_bool) {
        (1, true) => "bool".to_owned(),
        (1 | 2 | 4 | 8 | 16, _) => format!("{}{}", if signed { 'i' } else { 'u' }, size * 8),
        (size, _) => format!("[u8; {size}]"),
    }
}

/// The name, in Rust.
fn identifier(name: &str) -> String {
    let mut name: String = name
        .chars()
        .map(|c| {
            if c.is_alphanumeric() || c == '_' {
                c
            } else {
                '_'
            }
        })
        .collect();
    if WORDS.contains(&name.as_str()) || PRIMITIVES.contains(&name.as_str()) {
        name.push('_');
    }
    name
}
