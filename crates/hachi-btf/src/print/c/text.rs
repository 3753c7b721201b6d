//! The text of definitions.

use std::fmt::Write as _;

use super::layout::filling;
use super::names::{c_ident, is_c_number};
use super::{C, DEPTH};
use crate::print::is_composite;
use crate::view::{Declarator, Style, keyword};
use crate::view::{too_deep, too_many};
use crate::{Error, Kind, Shape, Type};

/// What one declaration may mention, type by type. (Parameters of functions that take functions.)
const BUDGET: u32 = 1 << 14;

/// C that compiles: anonymous types are written in place.
struct InPlace<'c, 't> {
    c: &'c mut C<'t>,
    indent: usize,
    error: Option<Error>,
}

impl Style for InPlace<'_, '_> {
    fn base(&mut self, id: u32, shape: &Shape<'_>) -> String {
        let text = match shape.kind {
            Kind::Struct | Kind::Union if shape.name.is_empty() => {
                self.c.composite_text(id, shape, None, self.indent)
            }
            Kind::Enum | Kind::Enum64 if shape.name.is_empty() => {
                self.c.enum_text(id, shape, self.indent)
            }
            Kind::Int | Kind::Float if is_c_number(shape.name) => return shape.name.to_owned(),
            Kind::Int | Kind::Float | Kind::Typedef => {
                return self.c.names.ident_of(id, shape.name);
            }
            _ => return self.c.tag_name(id, shape),
        };
        text.unwrap_or_else(|error| {
            self.error.get_or_insert(error);
            String::new()
        })
    }

    fn param(&mut self, name: &str) -> String {
        match name {
            "" => String::new(),
            name => c_ident(name),
        }
    }

    fn tag(&mut self, id: u32, value: &str) -> Option<String> {
        Some(match self.c.types.decode(id) {
            Ok(Type::TypeTag(tag)) if tag.attribute => format!("__attribute__(({value}))"),
            _ => format!("__attribute__((btf_type_tag({value:?})))"),
        })
    }
}

impl C<'_> {
    /// `struct name`, with the name that this type got.
    pub(super) fn tag_name(&mut self, id: u32, shape: &Shape<'_>) -> String {
        let keyword = keyword(shape).unwrap_or("struct");
        let name = match shape.kind {
            // The definition may be there, under another id.
            Kind::Fwd => {
                let kind = match shape.nelems {
                    1 => Kind::Union,
                    _ => Kind::Struct,
                };
                match self.types.find(shape.name, kind) {
                    Some(defined) => self.names.tag_of(defined, shape.name),
                    None => self.names.shared_tag(keyword, shape.name),
                }
            }
            _ => self.names.tag_of(id, shape.name),
        };
        format!("{keyword} {name}")
    }

    /// The declaration of `name` with this type. What it mentions must have been defined.
    pub(super) fn declaration(
        &mut self,
        id: u32,
        name: String,
        indent: usize,
    ) -> Result<String, Error> {
        let types = self.types;
        let mut style = InPlace {
            c: self,
            indent,
            error: None,
        };
        let mut declarator = Declarator {
            types,
            style: &mut style,
            budget: BUDGET,
        };
        let text = declarator.declare(id, name);
        let exhausted = declarator.budget == 0;
        match style.error {
            Some(error) => Err(error),
            None if exhausted => Err(too_many(types, id)),
            None => Ok(text),
        }
    }

    /// Declares a function or variable, with a `;`. What its type needs is defined before.
    ///
    /// # Errors
    /// As [`C::define`].
    pub fn declare(&mut self, id: u32, name: &str) -> Result<(), Error> {
        self.need_all(id, false)?;
        self.declare_with(id, name, "")
    }

    /// Declares a function or variable whose type has all it needs.
    pub(super) fn declare_with(
        &mut self,
        id: u32,
        name: &str,
        attributes: &str,
    ) -> Result<(), Error> {
        let name = self.names.new_ident(name);
        let declaration = self.declaration(id, name, 0)?;
        // Writing to a String cannot fail.
        let _ = writeln!(self.out, "{declaration}{attributes};");
        Ok(())
    }

    /// Adds text that is not a type: comments, directives.
    pub fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// A struct or union with its members, without the `;`. Written without a tag it is anonymous.
    pub(super) fn composite_text(
        &mut self,
        id: u32,
        shape: &Shape<'_>,
        tag: Option<String>,
        indent: usize,
    ) -> Result<String, Error> {
        if indent as u32 > DEPTH {
            return Err(too_deep(self.types, id));
        }
        self.left = self.left.checked_sub(1).ok_or(Error::TooMany { id })?;
        let plan = self.plan(id, DEPTH)?;
        let mut text = match tag {
            Some(tag) => tag,
            None => keyword(shape).unwrap_or("struct").to_owned(),
        };
        text.push_str(" {\n");
        let union = shape.kind == Kind::Union;
        let mut members = self.types.members(id)?;
        // Other languages list them in the order of the source, which is not that of the memory.
        members.sort_by_key(|member| member.bit_offset);
        let tabs = "\t".repeat(indent + 1);
        let mut used = 0;
        for member in &members {
            let place = self.place(member, DEPTH)?;
            if !union {
                fill(&mut text, &tabs, used, place.gap(used, plan.packed));
            }
            let name = match member.name {
                "" => String::new(),
                name => c_ident(name),
            };
            let inner = self.types.shape(member.type_id);
            let declaration = match inner {
                // Only extensions of Microsoft's let a struct with a name be an anonymous member.
                Ok(inner) if name.is_empty() && is_composite(inner.kind) => {
                    self.composite_text(member.type_id, &inner, None, indent + 1)?
                }
                _ => self.declaration(member.type_id, name, indent + 1)?,
            };
            let overlaps = !union && place.start < used;
            let _ = match (overlaps, member.bit_size) {
                // No C struct has this; a comment says what is missing.
                (true, _) => writeln!(text, "{tabs}/* overlaps: {} */", member.name),
                (false, 0) => writeln!(text, "{tabs}{declaration};"),
                (false, bits) => writeln!(text, "{tabs}{declaration}: {bits};"),
            };
            used = used.max(place.start + place.bits);
        }
        match union {
            true if plan.padding != 0 => {
                let _ = writeln!(text, "{tabs}char __size[{}];", plan.padding / 8);
            }
            true => {}
            false => fill(&mut text, &tabs, used, plan.padding),
        }
        text.push_str(&"\t".repeat(indent));
        text.push('}');
        if plan.packed {
            text.push_str(" __attribute__((packed))");
        }
        if let Some(align) = plan.aligned {
            let _ = write!(text, " __attribute__((aligned({align})))");
        }
        Ok(text)
    }

    /// An enum with its values, without the `;`.
    pub(super) fn enum_text(
        &mut self,
        id: u32,
        shape: &Shape<'_>,
        indent: usize,
    ) -> Result<String, Error> {
        let tabs = "\t".repeat(indent);
        let mut text = match shape.name {
            "" => "enum".to_owned(),
            _ => self.tag_name(id, shape),
        };
        let (signed, values): (bool, Vec<(&str, u64)>) = match self.types.decode(id)? {
            Type::Enum(e) => {
                let bits = |value: i32| match e.signed {
                    true => i64::from(value) as u64,
                    false => u64::from(value as u32),
                };
                let values = e.variants.iter().map(|v| (v.name, bits(v.value)));
                (e.signed, values.collect())
            }
            Type::Enum64(e) => (
                e.signed,
                e.variants.iter().map(|v| (v.name, v.value)).collect(),
            ),
            _ => (false, Vec::new()),
        };
        // C has no enum without values.
        if values.is_empty() && !shape.name.is_empty() {
            return Ok(text);
        }
        text.push_str(" {\n");
        let mut wide = false;
        for (name, value) in values {
            let name = self.names.new_ident(name);
            let signed_value = value as i64;
            wide |= match signed {
                true => i32::try_from(signed_value).is_err(),
                false => u32::try_from(value).is_err(),
            };
            let long = if shape.kind == Kind::Enum64 { "LL" } else { "" };
            let _ = match signed {
                // The least number cannot be written as such.
                true if signed_value == i64::MIN => {
                    writeln!(text, "{tabs}\t{name} = {}LL - 1,", i64::MIN + 1)
                }
                true => writeln!(text, "{tabs}\t{name} = {signed_value}{long},"),
                false if shape.kind == Kind::Enum64 => {
                    writeln!(text, "{tabs}\t{name} = {value}ULL,")
                }
                false => writeln!(text, "{tabs}\t{name} = {value},"),
            };
        }
        text.push_str(&tabs);
        text.push('}');
        match shape.size {
            1 => text.push_str(" __attribute__((mode(byte)))"),
            2 => text.push_str(" __attribute__((mode(HI)))"),
            8 if !wide => text.push_str(" __attribute__((mode(DI)))"),
            _ => {}
        }
        Ok(text)
    }
}

/// Gaps of more bits than this are filled by an array, which needs a name: no compiler makes such
/// gaps, but they would make the text endless.
const WIDE: u64 = 8 << 16;

fn fill(text: &mut String, tabs: &str, used: u64, gap: u64) {
    if gap > WIDE {
        let (start, end) = (used.next_multiple_of(8), used + gap);
        fill(text, tabs, used, start - used);
        let bytes = (end - start) / 8;
        let _ = writeln!(text, "{tabs}char __gap_{}[{bytes}];", start / 8);
        return fill(text, tabs, start + 8 * bytes, end % 8);
    }
    for (unit, bits) in filling(used, gap) {
        let _ = writeln!(text, "{tabs}{unit}: {bits};");
    }
}
