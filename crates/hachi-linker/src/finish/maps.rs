//! Maps: from Rust statics to the form in which libbpf expects map definitions.
//!
//! libbpf reads a map's parameters from the *type* of a variable in section `.maps`: a structure
//! whose members are pointers to arrays (`int (*max_entries)[1024]`), for numbers, and pointers,
//! for the types of keys and values. On the Rust side a map is a value made by a `const fn`, inside
//! any number of wrapper types:
//!
//! ```text
//! #[repr(C)]
//! struct MapDef<K, V> { r#type: u32, max_entries: u32, …, key: *const K, value: *const V }
//! ```
//!
//! The numbers of that value are here moved into a type made for each map. A map of maps has
//! another definition as its last member, `values`: that of the maps in it.

use std::collections::HashMap;

use hachi_asm::Endian;
use hachi_btf::{
    Array, BtfBuilder, Composite, Enum64, Int, Linkage, Member, Ptr, Type, Types, Variant,
};

use super::elf::{Binding, Place, Symbol, SymbolKind};
use super::states::Needed;
use super::{data, names};
use crate::{Code, Diagnostic};

pub(super) const SECTION: &str = ".maps";

/// How many wrappers may surround a definition.
const MAX_WRAPPERS: u32 = 32;

/// How large a definition of which only the type matters may be.
const MAX_BLANK: u64 = 1 << 16;

/// A map definition found in a variable.
struct Definition<'a> {
    type_id: u32,
    /// Where it starts within the variable.
    offset: u64,
    members: &'a [Member],
}

impl Needed {
    /// Brings all map definitions into libbpf's form, under the names their authors gave them.
    pub(super) fn finish_maps(&mut self) -> Result<(), Vec<Diagnostic>> {
        let Some(section) = self.section_named(SECTION) else {
            return Ok(());
        };
        let mut errors = self.name_maps(section);
        let mut maps: Vec<usize> = (0..self.0.symbols.len())
            .filter(|&i| {
                let symbol = &self.0.symbols[i];
                symbol.place == Place::In(section)
                    && symbol.kind != SymbolKind::Section
                    && !symbol.replaced
            })
            .collect();
        maps.sort_by_key(|&i| {
            (
                self.0.symbols[i].value,
                self.0.symbols[i].binding == Binding::Local,
            )
        });

        let mut made = Made::default();
        let mut data = Vec::new();
        let mut relocs = Vec::new();
        // Old place of a map and what became of it.
        let mut moved: HashMap<u64, (u64, u64)> = HashMap::new();
        for map in maps {
            let (start, size) = (self.0.symbols[map].value, self.0.symbols[map].size);
            let (new, size) = match moved.get(&start) {
                Some(&place) => place,
                None => match self.finish_map(section, map, &mut made) {
                    Err(error) => {
                        errors.push(*error);
                        continue;
                    }
                    Ok(New::Made(size)) => {
                        let new = data.len();
                        data.resize(new + size as usize, 0);
                        (new as u64, size)
                    }
                    Ok(New::Kept) => {
                        let old = &self.0.sections[section];
                        let new = data.len().next_multiple_of(8);
                        data.resize(new, 0);
                        let range = start as usize..(start + size) as usize;
                        match old.data.get(range) {
                            Some(bytes) => data.extend_from_slice(bytes),
                            None => data.resize(new + size as usize, 0),
                        }
                        let inside = |offset: u64| (start..start + size).contains(&offset);
                        for reloc in old.relocs.iter().filter(|r| inside(r.offset)) {
                            let mut reloc = *reloc;
                            reloc.offset = reloc.offset - start + new as u64;
                            relocs.push(reloc);
                        }
                        data.resize(data.len().next_multiple_of(8), 0);
                        (new as u64, size)
                    }
                },
            };
            moved.insert(start, (new, size));
            let symbol = &mut self.0.symbols[map];
            (symbol.value, symbol.size) = (new, size);
        }
        let content = &mut self.0.sections[section];
        content.size = data.len() as u64;
        content.data = data;
        content.relocs = relocs;
        content.bss = false;
        content.writable = true;
        content.align = 8;
        // Its definitions are now made here, wherever they came from.
        content.parts.clear();
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }

    /// Gives every map the last segment of its path for a name, visible to loaders.
    fn name_maps(&mut self, section: usize) -> Vec<Diagnostic> {
        let mut errors = Vec::new();
        let mut first: HashMap<String, String> = HashMap::new();
        for at in 0..self.0.symbols.len() {
            let symbol = &self.0.symbols[at];
            let elsewhere = symbol.place != Place::In(section) || symbol.replaced;
            if elsewhere || symbol.kind == SymbolKind::Section {
                continue;
            }
            let path = names::display(&symbol.name);
            let name = match names::segments(&path).last() {
                Some(last) => names::readable(last),
                None => continue,
            };
            if let Some(other) = first.insert(name.clone(), path.clone()) {
                errors.push(
                    Diagnostic::error(Code::DUPLICATE_MAP, format!("two maps are named `{name}`"))
                        .note(format!("one is `{other}`, the other `{path}`"))
                        .help("loaders find maps by the last part of their path: rename one"),
                );
            }
            let symbol = &mut self.0.symbols[at];
            symbol.name = name;
            if symbol.binding == Binding::Local {
                symbol.binding = data::binding_of(&path);
            }
            symbol.kind = SymbolKind::Object;
            symbol.hidden = false;
        }
        for bound in &self.0.vars {
            let symbol = &self.0.symbols[bound.symbol];
            if symbol.place == Place::In(section)
                && let Some(Type::Var(var)) = self.0.btf.get_mut(bound.type_id)
            {
                var.linkage = Linkage::Global;
            }
        }
        errors
    }

    /// Retypes one map's variable.
    fn finish_map(
        &mut self,
        section: usize,
        map: usize,
        made: &mut Made,
    ) -> Result<New, Box<Diagnostic>> {
        let symbol = &self.0.symbols[map];
        let name = symbol.name.clone();
        let bound = self.0.vars.iter().find(|bound| bound.symbol == map);
        let bound = bound.and_then(|bound| match self.0.btf.get(bound.type_id) {
            Some(Type::Var(var)) => Some((bound.type_id, var.type_id)),
            _ => None,
        });
        let Some((var_id, type_id)) = bound else {
            return Err(Box::new(
                Diagnostic::error(
                    Code::MAP_DEFINITION,
                    format!("the map `{name}` has no type information"),
                )
                .help(
                    "build with full debug information: `debug = 2` in the cargo profile, or `-g` \
                     for clang",
                ),
            ));
        };
        let Some(definition) = peel(&self.0.btf, type_id) else {
            let ty = self.0.btf.type_name(type_id);
            return Err(Box::new(
                Diagnostic::error(
                    Code::MAP_DEFINITION,
                    format!("the static `{name}` is in section `.maps` but is no map"),
                )
                .note(format!("its type is `{ty}`"))
                .help(
                    "a map is a value of one of the map types, alone or wrapped in types \
                           that hold nothing else",
                ),
            ));
        };
        let kind = definition.members.iter().find(|m| m.name == "type");
        let value_form = kind.is_some_and(|m| is_int(&self.0.btf, m.type_id));
        let (new, type_id) = if value_form {
            let fields = self.fields_of(&name, section, symbol, &definition)?;
            let (size, type_id) = made.definition(&mut self.0.btf, fields);
            (New::Made(size), type_id)
        } else if self.0.sections[section].bss && symbol.size > MAX_BLANK {
            return Err(error(format!(
                "the map `{name}` takes {} bytes without saying anything",
                symbol.size
            )));
        } else {
            // libbpf's own form. Only the wrappers must go.
            (New::Kept, definition.type_id)
        };
        if let Some(Type::Var(var)) = self.0.btf.get_mut(var_id) {
            var.type_id = type_id;
        }
        Ok(new)
    }

    /// What a definition given as a value says.
    fn fields_of(
        &self,
        name: &str,
        section: usize,
        symbol: &Symbol,
        definition: &Definition<'_>,
    ) -> Result<Vec<(String, Field)>, Box<Diagnostic>> {
        let content = &self.0.sections[section];
        let range = symbol.value..symbol.value + symbol.size;
        if let Some(reloc) = content.relocs.iter().find(|r| range.contains(&r.offset)) {
            let target = names::display(&self.0.symbols[reloc.symbol].name);
            return Err(error(format!(
                "the definition of the map `{name}` refers to `{target}`; a map's type cannot \
                 hold that"
            )));
        }
        let mut fields = Vec::new();
        for member in definition.members {
            let size = Types::size_of(&self.0.btf, member.type_id).unwrap_or(0);
            let int = is_int(&self.0.btf, member.type_id) && matches!(size, 1 | 2 | 4 | 8);
            let field = match self.0.btf.get(member.type_id) {
                _ if int && member.bit_size == 0 => {
                    let offset = definition.offset + u64::from(member.bit_offset / 8);
                    let within = offset + u64::from(size) <= symbol.size;
                    let number = match content.bss {
                        true => Some(0),
                        false => self.number_at(section, symbol.value + offset, size),
                    };
                    match number.filter(|_| within) {
                        Some(0) if member.name == "type" => {
                            return Err(error(format!("the map `{name}` has no type (0)")));
                        }
                        Some(0) => continue,
                        Some(number) => Field::Number(number),
                        None => {
                            return Err(error(format!(
                                "the definition of the map `{name}` is cut off at `{}`",
                                member.name
                            )));
                        }
                    }
                }
                Some(Type::Ptr(ptr)) => match ptr.type_id {
                    // LLVM knows no type for Rust's `char`, the only one it leaves out.
                    0 => Field::Char,
                    id if holds_nothing(&self.0.btf, id) => continue,
                    _ => Field::Type(member.type_id),
                },
                // `values: [*const Inner; 0]`, which libbpf wants as it is.
                Some(Type::Array(array)) if array.nelems == 0 => Field::Type(member.type_id),
                _ if size == 0 => continue,
                _ if member.name == "values"
                    && let Some(mut inner) = peel(&self.0.btf, member.type_id) =>
                {
                    inner.offset += definition.offset + u64::from(member.bit_offset / 8);
                    Field::Inner(self.fields_of(name, section, symbol, &inner)?)
                }
                _ => {
                    let ty = self.0.btf.type_name(member.type_id);
                    let error = Diagnostic::error(
                        Code::MAP_DEFINITION,
                        format!(
                            "the definition of the map `{name}` has a member `{}` of type `{ty}`",
                            member.name
                        ),
                    );
                    return Err(Box::new(
                        error.help("members of a map's definition are integers and pointers"),
                    ));
                }
            };
            fields.push((member.name.clone(), field));
        }
        Ok(fields)
    }

    fn number_at(&self, section: usize, offset: u64, size: u32) -> Option<u64> {
        let start = usize::try_from(offset).ok()?;
        let bytes = self.0.sections[section]
            .data
            .get(start..start.checked_add(size as usize)?)?;
        Some(match self.0.endian {
            Endian::Little => bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)),
            Endian::Big => bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b)),
        })
    }
}

fn error(message: String) -> Box<Diagnostic> {
    Box::new(Diagnostic::error(Code::MAP_DEFINITION, message))
}

/// One member of a definition to be.
enum Field {
    Number(u64),
    /// A pointer to Rust's `char`.
    Char,
    /// This type as it is.
    Type(u32),
    /// The definition of the maps that a map of maps holds.
    Inner(Vec<(String, Field)>),
}

/// What became of a definition.
enum New {
    /// It is as it was.
    Kept,
    /// A new one of this many bytes took its place.
    Made(u64),
}

/// Types that all maps share.
#[derive(Default)]
struct Made {
    int: Option<u32>,
    /// Pointer to Rust's `char`.
    char: Option<u32>,
    arrays: HashMap<u32, u32>,
}

impl Made {
    /// The type that says `number`: pointer to an array of that many `int`s, as libbpf's macro
    /// `__uint` makes it; `__ulong`'s enum for what does not fit.
    fn number(&mut self, btf: &mut BtfBuilder, name: &str, number: u64) -> u32 {
        let Ok(nelems) = u32::try_from(number) else {
            let type_id = btf.add(Type::Enum64(Enum64 {
                name: String::new(),
                size: 8,
                signed: false,
                variants: vec![Variant {
                    name: format!("__hachi_{name}_{number:x}"),
                    value: number,
                }],
            }));
            return btf.add(Type::Ptr(Ptr { type_id }));
        };
        if let Some(&id) = self.arrays.get(&nelems) {
            return id;
        }
        let int = self.int(btf);
        let type_id = btf.add(Type::Array(Array {
            type_id: int,
            index_type_id: int,
            nelems,
        }));
        let id = btf.add(Type::Ptr(Ptr { type_id }));
        self.arrays.insert(nelems, id);
        id
    }

    /// An array, of no length, of pointers to definitions.
    fn inner(&mut self, btf: &mut BtfBuilder, fields: Vec<(String, Field)>) -> u32 {
        let (_, type_id) = self.definition(btf, fields);
        let type_id = btf.add(Type::Ptr(Ptr { type_id }));
        let index_type_id = self.int(btf);
        btf.add(Type::Array(Array {
            type_id,
            index_type_id,
            nelems: 0,
        }))
    }

    fn int(&mut self, btf: &mut BtfBuilder) -> u32 {
        *self
            .int
            .get_or_insert_with(|| btf.add(Type::Int(Int::signed("int", 4))))
    }

    /// A structure of these members, and its size.
    fn definition(&mut self, btf: &mut BtfBuilder, fields: Vec<(String, Field)>) -> (u64, u32) {
        let mut members: Vec<Member> = Vec::new();
        let mut pointers = 0;
        for (name, field) in fields {
            let bit_offset = pointers * 64;
            pointers += u32::from(!matches!(field, Field::Inner(_)));
            let type_id = match field {
                Field::Number(number) => self.number(btf, &name, number),
                Field::Char => *self.char.get_or_insert_with(|| {
                    let type_id = btf.add(super::repair::char_type());
                    btf.add(Type::Ptr(Ptr { type_id }))
                }),
                Field::Type(id) => id,
                Field::Inner(fields) => self.inner(btf, fields),
            };
            members.push(Member {
                name,
                type_id,
                bit_offset,
                bit_size: 0,
            });
        }
        let size = pointers * 8;
        let id = btf.add(Type::Struct(Composite {
            name: String::new(),
            size,
            members,
        }));
        (u64::from(size), id)
    }
}

/// `()`, `!`, empty structures, and what is not known: a ring buffer has no keys.
fn holds_nothing(btf: &BtfBuilder, id: u32) -> bool {
    matches!(btf.get(id), Some(Type::Enum(t)) if t.name == "c_void")
        || Types::size_of(btf, id).unwrap_or(0) == 0
}

/// Looks through wrappers, qualifiers and names for a structure with a member `type`.
fn peel(btf: &BtfBuilder, id: u32) -> Option<Definition<'_>> {
    let (mut id, mut offset) = (id, 0);
    for _ in 0..MAX_WRAPPERS {
        match btf.get(id)? {
            Type::Typedef(t) => id = t.type_id,
            Type::Const(t) | Type::Volatile(t) | Type::Restrict(t) => id = t.type_id,
            Type::Struct(t) | Type::Union(t) => {
                if t.members.iter().any(|m| m.name == "type") {
                    return Some(Definition {
                        type_id: id,
                        offset,
                        members: &t.members,
                    });
                }
                let sized = |m: &&Member| Types::size_of(btf, m.type_id).is_ok_and(|s| s > 0);
                let mut holding = t.members.iter().filter(sized);
                let (only, None) = (holding.next()?, holding.next()) else {
                    return None;
                };
                offset += u64::from(only.bit_offset / 8);
                id = only.type_id;
            }
            _ => return None,
        }
    }
    None
}

fn is_int(btf: &BtfBuilder, id: u32) -> bool {
    let mut id = id;
    for _ in 0..MAX_WRAPPERS {
        match btf.get(id) {
            Some(Type::Int(_)) => return true,
            Some(Type::Typedef(t)) => id = t.type_id,
            Some(Type::Const(t) | Type::Volatile(t)) => id = t.type_id,
            _ => return false,
        }
    }
    false
}
