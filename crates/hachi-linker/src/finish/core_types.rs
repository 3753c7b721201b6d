//! The local types that questions to the kernel start from.
//!
//! A loader looks for each local type's namesakes among the kernel's hundred thousand, so all
//! questions about one type share one structure that holds just the members asked for.

use std::collections::HashMap;

use hachi_btf::{
    Array, BtfBuilder, Composite, Enum, Enum64, Float, FuncProto, Int, Member, Param, Ptr, Type,
    Typedef, Variant,
};

use super::symbol::{RootKind, Step, TypeExpr};

/// What is known of a field's type.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    /// Just this. What a pointer at the end of a path points to is never looked at.
    Leaf(TypeExpr),
    /// This, down to what pointers point to.
    Exact(TypeExpr),
    /// A structure or union with these members, and perhaps others.
    Members(Vec<(String, Node, Option<u8>)>),
    Elements {
        of: Box<Node>,
        /// How many there are, or at least must be.
        count: u32,
        exact: bool,
    },
}

/// A type to be made up from the questions about its fields.
#[derive(Debug)]
struct Root {
    kind: RootKind,
    name: String,
    members: Vec<(String, Node, Option<u8>)>,
    type_id: Option<u32>,
}

/// An enum to be made up from the questions about its variants.
#[derive(Debug)]
struct EnumRoot {
    name: String,
    variants: Vec<(String, i64)>,
    type_id: Option<u32>,
}

/// Stands for a type that will be made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RootId(usize);

/// Collects questions, then makes the types.
#[derive(Debug, Default)]
pub(super) struct LocalTypes {
    roots: Vec<Root>,
    enums: Vec<EnumRoot>,
    made: HashMap<TypeExpr, u32>,
}

impl LocalTypes {
    /// A field of a structure or union; gives the numbers of the members and elements on the way to
    /// it.
    pub(super) fn field(
        &mut self,
        kind: RootKind,
        name: &str,
        path: &[Step],
        leaf: &TypeExpr,
        bits: Option<u8>,
    ) -> (RootId, Vec<u32>) {
        for (at, root) in self.roots.iter_mut().enumerate() {
            if root.kind == kind && root.name == name {
                let mut members = root.members.clone();
                let mut access = Vec::new();
                if add_member(&mut members, path, leaf, bits, &mut access) {
                    root.members = members;
                    return (RootId(at), access);
                }
            }
        }
        let (mut members, mut access) = (Vec::new(), Vec::new());
        add_member(&mut members, path, leaf, bits, &mut access);
        self.roots.push(Root {
            kind,
            name: name.to_owned(),
            members,
            type_id: None,
        });
        (RootId(self.roots.len() - 1), access)
    }

    /// A variant of an enum, and its number.
    pub(super) fn variant(&mut self, name: &str, variant: &str, value: i64) -> (RootId, u32) {
        for (at, root) in self
            .enums
            .iter_mut()
            .enumerate()
            .filter(|(_, r)| r.name == name)
        {
            match root.variants.iter().position(|v| v.0 == variant) {
                Some(number) if root.variants[number].1 == value => {
                    return (RootId(at), number as u32);
                }
                Some(_) => {}
                None => {
                    root.variants.push((variant.to_owned(), value));
                    return (RootId(at), root.variants.len() as u32 - 1);
                }
            }
        }
        self.enums.push(EnumRoot {
            name: name.to_owned(),
            variants: vec![(variant.to_owned(), value)],
            type_id: None,
        });
        (RootId(self.enums.len() - 1), 0)
    }

    /// The type made of the questions about a structure's or union's fields. No question may
    /// follow.
    pub(super) fn make_root(&mut self, root: RootId, btf: &mut BtfBuilder) -> u32 {
        let Root {
            kind,
            ref name,
            ref members,
            type_id,
        } = self.roots[root.0];
        if let Some(id) = type_id {
            return id;
        }
        let (name, members) = (name.clone(), members.clone());
        let id = match kind {
            RootKind::Struct => self.make_members(false, name, &members, btf).id,
            RootKind::Union => self.make_members(true, name, &members, btf).id,
            RootKind::Typedef => {
                let type_id = self.make_members(false, String::new(), &members, btf).id;
                btf.add(Type::Typedef(Typedef { name, type_id }))
            }
        };
        self.roots[root.0].type_id = Some(id);
        id
    }

    /// The type made of the questions about an enum's variants. No question may follow.
    pub(super) fn make_enum_root(&mut self, root: RootId, btf: &mut BtfBuilder) -> u32 {
        let root = &mut self.enums[root.0];
        *root
            .type_id
            .get_or_insert_with(|| make_enum(&root.name, &root.variants, btf))
    }

    /// A type as it was written down.
    pub(super) fn make(&mut self, ty: &TypeExpr, btf: &mut BtfBuilder) -> u32 {
        self.make_sized(ty, btf).id
    }

    fn make_sized(&mut self, ty: &TypeExpr, btf: &mut BtfBuilder) -> Made {
        // A structure of which only the name matters may as well be one whose fields are asked for.
        if let TypeExpr::Composite {
            union,
            name: Some(name),
            members,
        } = ty
            && members.is_empty()
            && let kind = if *union {
                RootKind::Union
            } else {
                RootKind::Struct
            }
            && let Some(at) = self
                .roots
                .iter()
                .position(|r| r.kind == kind && r.name == *name)
        {
            let id = self.make_root(RootId(at), btf);
            return self.measure(id, btf);
        }
        if let Some(&id) = self.made.get(ty) {
            return self.measure(id, btf);
        }
        let id = match ty {
            TypeExpr::Void => 0,
            TypeExpr::Int(int) => btf.add(Type::Int(Int {
                signed: int.signed,
                ..Int::unsigned(int.c_name, int.bytes)
            })),
            TypeExpr::Bool => btf.add(Type::Int(Int::boolean("_Bool"))),
            TypeExpr::Float { bytes } => btf.add(Type::Float(Float {
                name: ty.to_string(),
                size: *bytes,
            })),
            TypeExpr::Ptr(to) => {
                let type_id = self.make(to, btf);
                btf.add(Type::Ptr(Ptr { type_id }))
            }
            TypeExpr::Array(of, nelems) => {
                let type_id = self.make(of, btf);
                self.make_array(type_id, *nelems, btf)
            }
            TypeExpr::Composite {
                union,
                name,
                members,
            } => {
                let members: Vec<_> = members
                    .iter()
                    .map(|m| (m.name.clone(), Node::Exact(m.ty.clone()), m.bits))
                    .collect();
                let name = name.clone().unwrap_or_default();
                self.make_members(*union, name, &members, btf).id
            }
            TypeExpr::Enum { name, variants } => {
                make_enum(name.as_deref().unwrap_or_default(), variants, btf)
            }
            TypeExpr::Typedef(name, of) => {
                let type_id = self.make(of, btf);
                btf.add(Type::Typedef(Typedef {
                    name: name.clone(),
                    type_id,
                }))
            }
            TypeExpr::Fn(params, result) => {
                let ret_type_id = self.make(result, btf);
                let params = params
                    .iter()
                    .enumerate()
                    .map(|(i, (name, ty))| Param {
                        // The kernel wants every parameter named.
                        name: match name.as_str() {
                            "" | "_" => format!("arg{i}"),
                            name => name.to_owned(),
                        },
                        type_id: self.make(ty, btf),
                    })
                    .collect();
                btf.add(Type::FuncProto(FuncProto {
                    ret_type_id,
                    params,
                }))
            }
        };
        self.made.insert(ty.clone(), id);
        self.measure(id, btf)
    }

    fn make_array(&mut self, type_id: u32, nelems: u32, btf: &mut BtfBuilder) -> u32 {
        let index = TypeExpr::int("u32").expect("it is among the integers");
        let index_type_id = self.make(&index, btf);
        btf.add(Type::Array(Array {
            type_id,
            index_type_id,
            nelems,
        }))
    }

    fn make_node(&mut self, node: &Node, btf: &mut BtfBuilder) -> Made {
        match node {
            Node::Leaf(TypeExpr::Ptr(_)) => {
                self.make_sized(&TypeExpr::Ptr(Box::new(TypeExpr::Void)), btf)
            }
            Node::Leaf(ty) | Node::Exact(ty) => self.make_sized(ty, btf),
            Node::Members(members) => self.make_members(false, String::new(), members, btf),
            Node::Elements { of, count, .. } => {
                let of = self.make_node(of, btf);
                Made {
                    id: self.make_array(of.id, *count, btf),
                    size: of.size.saturating_mul(*count),
                    align: of.align,
                }
            }
        }
    }

    /// A structure or union with its members one after another, or all at the start.
    fn make_members(
        &mut self,
        union: bool,
        name: String,
        members: &[(String, Node, Option<u8>)],
        btf: &mut BtfBuilder,
    ) -> Made {
        let (mut size, mut align) = (0u32, 1u32);
        let mut placed = Vec::new();
        for (name, node, bits) in members {
            let made = self.make_node(node, btf);
            let offset = if union {
                0
            } else {
                size.next_multiple_of(made.align)
            };
            size = size.max(offset.saturating_add(made.size));
            align = align.max(made.align);
            placed.push(Member {
                name: name.clone(),
                type_id: made.id,
                bit_offset: offset.saturating_mul(8),
                bit_size: bits.unwrap_or(0),
            });
        }
        let size = size.next_multiple_of(align);
        let composite = Composite {
            name,
            size,
            members: placed,
        };
        let id = btf.add(if union {
            Type::Union(composite)
        } else {
            Type::Struct(composite)
        });
        Made { id, size, align }
    }

    fn measure(&self, id: u32, btf: &BtfBuilder) -> Made {
        let (size, align) = measure(id, btf);
        Made { id, size, align }
    }
}

struct Made {
    id: u32,
    size: u32,
    align: u32,
}

/// Size and natural alignment of a type made here, in bytes.
fn measure(id: u32, btf: &BtfBuilder) -> (u32, u32) {
    match btf.get(id) {
        Some(Type::Int(t)) => (t.size, t.size.max(1)),
        Some(Type::Float(t)) => (t.size, t.size.max(1)),
        Some(Type::Enum(t)) => (t.size, t.size.max(1)),
        Some(Type::Enum64(t)) => (t.size, t.size.max(1)),
        Some(Type::Ptr(_)) => (8, 8),
        Some(Type::Typedef(t)) => measure(t.type_id, btf),
        Some(Type::Array(t)) => {
            let (size, align) = measure(t.type_id, btf);
            (size.saturating_mul(t.nelems), align)
        }
        Some(Type::Struct(t) | Type::Union(t)) => {
            let aligns = t.members.iter().map(|m| measure(m.type_id, btf).1);
            (t.size, aligns.max().unwrap_or(1))
        }
        _ => (0, 1),
    }
}

fn make_enum(name: &str, variants: &[(String, i64)], btf: &mut BtfBuilder) -> u32 {
    let signed = variants.iter().any(|v| v.1 < 0);
    let small = |v: i64| i32::try_from(v).is_ok() || !signed && u32::try_from(v).is_ok();
    if variants.iter().all(|v| small(v.1)) {
        btf.add(Type::Enum(Enum {
            name: name.to_owned(),
            size: 4,
            signed,
            variants: variants
                .iter()
                .map(|(name, value)| Variant {
                    name: name.clone(),
                    value: *value as i32,
                })
                .collect(),
        }))
    } else {
        btf.add(Type::Enum64(Enum64 {
            name: name.to_owned(),
            size: 8,
            signed,
            variants: variants
                .iter()
                .map(|(name, value)| Variant {
                    name: name.clone(),
                    value: *value as u64,
                })
                .collect(),
        }))
    }
}

/// Adds what a path leads to. False when that contradicts what is there; the members are then in
/// disorder.
fn add_member(
    members: &mut Vec<(String, Node, Option<u8>)>,
    path: &[Step],
    leaf: &TypeExpr,
    bits: Option<u8>,
    access: &mut Vec<u32>,
) -> bool {
    let Some((Step::Field(name), rest)) = path.split_first() else {
        return false;
    };
    // The width is the last member's.
    let here = if rest.is_empty() { bits } else { None };
    match members.iter().position(|m| m.0 == *name) {
        Some(at) => {
            access.push(at as u32);
            let known = &mut members[at];
            (known.2 == here) && refine(&mut known.1, rest, leaf, bits, access)
        }
        None => {
            access.push(members.len() as u32);
            let mut node = start(rest, leaf);
            let fits = refine(&mut node, rest, leaf, bits, access);
            members.push((name.clone(), node, here));
            fits
        }
    }
}

/// The least that a path into a field tells about the field.
fn start(path: &[Step], leaf: &TypeExpr) -> Node {
    match (path.first(), leaf) {
        (Some(Step::Field(_)), _) => Node::Members(Vec::new()),
        (Some(Step::Index(_)), _) => Node::Elements {
            of: Box::new(start(&path[1..], leaf)),
            count: 1,
            exact: false,
        },
        (None, TypeExpr::Composite { members, .. }) if members.is_empty() => {
            Node::Members(Vec::new())
        }
        (None, TypeExpr::Array(of, count)) => Node::Elements {
            of: Box::new(start(&[], of)),
            count: *count,
            exact: true,
        },
        (None, ty) => Node::Leaf(ty.clone()),
    }
}

/// Adds to a field what a path into it tells; false on contradiction.
fn refine(
    node: &mut Node,
    path: &[Step],
    leaf: &TypeExpr,
    bits: Option<u8>,
    access: &mut Vec<u32>,
) -> bool {
    match (path.split_first(), node) {
        (Some((Step::Field(_), _)), Node::Members(members)) => {
            add_member(members, path, leaf, bits, access)
        }
        (Some((Step::Index(index), rest)), Node::Elements { of, count, exact }) => {
            access.push(*index);
            let Some(needed) = index.checked_add(1) else {
                return false;
            };
            if *exact && needed > *count {
                return false;
            }
            *count = needed.max(*count);
            refine(of, rest, leaf, bits, access)
        }
        (None, Node::Elements { of, count, exact }) => match leaf {
            TypeExpr::Array(element, n) => {
                let fits = if *exact { *count == *n } else { *count <= *n };
                (*count, *exact) = (*n, true);
                fits && refine(of, &[], element, None, access)
            }
            _ => false,
        },
        (None, Node::Members(_)) => {
            matches!(leaf, TypeExpr::Composite { members, .. } if members.is_empty())
        }
        // Two pointers are alike, whatever they point to.
        (None, Node::Leaf(TypeExpr::Ptr(_))) => matches!(leaf, TypeExpr::Ptr(_)),
        (None, Node::Leaf(known)) => known == leaf,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use hachi_btf::Types;

    use super::*;
    use crate::finish::symbol::Question;

    /// Asks for these fields of `struct t`, and gives the structures made, as C-like text, and the
    /// access paths.
    fn ask(paths: &[&str]) -> (Vec<String>, Vec<String>) {
        let mut types = LocalTypes::default();
        let mut btf = BtfBuilder::new();
        let mut asked = Vec::new();
        for path in paths {
            let symbol = format!("hachi:1:field_exists:struct:t:{path}");
            let Some(Ok(Question::Field {
                path, leaf, bits, ..
            })) = Question::parse(&symbol)
            else {
                panic!("{symbol}");
            };
            asked.push(types.field(RootKind::Struct, "t", &path, &leaf, bits));
        }
        let mut texts = Vec::new();
        let accesses = asked
            .iter()
            .map(|(root, access)| {
                let id = types.make_root(*root, &mut btf);
                let text = show(&btf, id);
                if !texts.contains(&text) {
                    texts.push(text);
                }
                access
                    .iter()
                    .map(u32::to_string)
                    .collect::<Vec<_>>()
                    .join(":")
            })
            .collect();
        (texts, accesses)
    }

    fn show(btf: &BtfBuilder, id: u32) -> String {
        match btf.get(id) {
            Some(Type::Struct(t)) => {
                let members = t.members.iter().map(|m| {
                    let bits = if m.bit_size > 0 {
                        format!("/{}", m.bit_size)
                    } else {
                        String::new()
                    };
                    format!(
                        "{}@{}:{}{bits}",
                        m.name,
                        m.bit_offset / 8,
                        show(btf, m.type_id)
                    )
                });
                format!("{{{}}}{}", members.collect::<Vec<_>>().join(" "), t.size)
            }
            Some(Type::Array(t)) => format!("[{};{}]", show(btf, t.type_id), t.nelems),
            Some(Type::Ptr(_)) => "*".into(),
            Some(Type::Int(t)) => format!("{}{}", if t.signed { 'i' } else { 'u' }, t.size * 8),
            _ => btf.shape(id).unwrap().name.to_owned(),
        }
    }

    #[test]
    fn fields_of_one_type_share_a_structure() {
        let (types, access) = ask(&[
            "pid=i32",
            "se.sum=u64",
            "comm=[u8;16]",
            "se.on=u8",
            "pid=i32",
        ]);
        assert_eq!(
            types,
            ["{pid@0:i32 se@8:{sum@0:u64 on@8:u8}16 comm@24:[u8;16]}40"]
        );
        assert_eq!(access, ["0", "1:0", "2", "1:1", "0"]);
    }

    #[test]
    fn arrays_grow_to_the_index_asked_for() {
        let (types, access) = ask(&[
            "a[3].x=u8",
            "a[1].y=u16",
            "b[2]=u8",
            "b=[u8;7]",
            "a=[struct;9]",
        ]);
        assert_eq!(types, ["{a@0:[{x@0:u8 y@2:u16}4;9] b@36:[u8;7]}44"]);
        assert_eq!(access, ["0:3:0", "0:1:1", "1:2", "1", "0"]);
    }

    #[test]
    fn contradictions_get_a_structure_of_their_own() {
        let (types, access) = ask(&[
            "a=i32",
            "a=*u8",
            "a=*struct t",
            "b=u32/3",
            "b=u32",
            "c=[u8;4]",
            "c[4]=u8",
        ]);
        assert_eq!(
            types,
            [
                "{a@0:i32 b@4:u32/3 c@8:[u8;4]}12",
                "{a@0:* b@8:u32 c@12:[u8;5]}24"
            ]
        );
        assert_eq!(access, ["0", "0", "0", "1", "1", "2", "2:4"]);
    }

    #[test]
    fn nested_bit_fields_keep_their_width() {
        let (types, _) = ask(&["a.b=u32/5", "a.c=*"]);
        assert_eq!(types, ["{a@0:{b@0:u32/5 c@8:*}16}16"]);
    }
}
