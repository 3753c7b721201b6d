//! What the kernel refuses in the types LLVM derives from Rust's, put right.
//!
//! The rules are those of the kernel's `kernel/bpf/btf.c`; what LLVM emits was found by trying.

use hachi_btf::{Array, BtfBuilder, Composite, Int, Member, Ptr, Type, TypeTag, Types, Variant};

use super::link::Bound;
use super::states::Shown;
use super::{heads, names};

/// Rust's `char`, named like C's type of the same size and meaning.
pub(super) fn char_type() -> Type {
    unsigned("char32_t", 4)
}

fn unsigned(name: &str, size: u32) -> Type {
    Type::Int(Int::unsigned(name, size))
}

impl Shown {
    /// Makes all types acceptable.
    pub(super) fn repair_types(&mut self) {
        self.unwrap_statics();
        let char_id = self.void_is_char();
        let btf = &mut self.0.btf;
        let unions: Vec<u32> = btf
            .iter()
            .filter(|(_, ty)| matches!(ty, Type::Union(_)))
            .map(|(id, _)| id)
            .collect();
        for id in unions {
            name_discriminant(btf, id);
        }
        kptrs(btf);
        heads::tag(btf);
        let extern_vars: Vec<u32> = self.0.externs.iter().map(|e| e.type_id).collect();
        for (id, ty) in btf.iter_mut() {
            repair(ty, char_id, extern_vars.contains(&id));
        }
        void_pointers(btf);
        self.name_params();
        self.fit_vars();
    }

    /// Tells what a static holds rather than in which wrappers (`Global<u32>`, `UnsafeCell<u32>`,
    /// atomics): dumps and skeletons read better.
    ///
    /// Structures that are not generic are somebody's own, or the kernel's (`bpf_spin_lock`), and
    /// stay.
    fn unwrap_statics(&mut self) {
        for bound in &self.0.vars {
            let Some(Type::Var(var)) = self.0.btf.get(bound.type_id) else {
                continue;
            };
            let mut inner = var.type_id;
            // A type within itself is impossible, but this is data.
            for _ in 0..16 {
                match wrapped(&self.0.btf, inner) {
                    Some(id) => inner = id,
                    None => break,
                }
            }
            if let Some(Type::Var(var)) = self.0.btf.get_mut(bound.type_id) {
                var.type_id = inner;
            }
        }
    }

    /// LLVM gives Rust's `char` no type at all. Adds one if it is missing somewhere.
    fn void_is_char(&mut self) -> u32 {
        let missing = self.0.btf.iter().any(|(_, ty)| match ty {
            Type::Struct(t) | Type::Union(t) => t.members.iter().any(|m| m.type_id == 0),
            Type::Array(t) => t.type_id == 0,
            Type::FuncProto(t) => t
                .params
                .iter()
                .any(|p| p.type_id == 0 && !p.name.is_empty()),
            Type::Var(t) => t.type_id == 0,
            _ => false,
        });
        if missing {
            self.0.btf.add(char_type())
        } else {
            0
        }
    }

    /// The kernel wants names for the parameters of functions that are there.
    fn name_params(&mut self) {
        let funcs = self.0.btf.iter().filter_map(|(_, ty)| match ty {
            Type::Func(func) => Some(func.type_id),
            _ => None,
        });
        let protos: Vec<u32> = funcs.collect();
        for id in protos {
            if let Some(Type::FuncProto(proto)) = self.0.btf.get_mut(id) {
                let last = proto.params.len().saturating_sub(1);
                for (i, param) in proto.params.iter_mut().enumerate() {
                    // `...` has neither name nor type.
                    if param.name.is_empty() && !(i == last && param.type_id == 0) {
                        param.name = format!("arg{i}");
                    }
                }
            }
        }
    }

    /// LLVM may shrink a static whose full width is never used; its type must not be larger than it
    /// is.
    fn fit_vars(&mut self) {
        for Bound { type_id, symbol } in self.0.vars.clone() {
            let size = self.0.symbols[symbol].size as u32;
            let Some(Type::Var(var)) = self.0.btf.get(type_id) else {
                continue;
            };
            if Types::size_of(&self.0.btf, var.type_id).is_ok_and(|full| full <= size) {
                continue;
            }
            let new = match size {
                1 => unsigned("u8", 1),
                2 => unsigned("u16", 2),
                4 => unsigned("u32", 4),
                8 => unsigned("u64", 8),
                _ => {
                    let byte = self.0.btf.add(unsigned("u8", 1));
                    Type::Array(Array {
                        type_id: byte,
                        index_type_id: byte,
                        nelems: size,
                    })
                }
            };
            let new = self.0.btf.add(new);
            if let Some(Type::Var(var)) = self.0.btf.get_mut(type_id) {
                var.type_id = new;
            }
        }
    }
}

/// What a generic structure that holds just one thing holds.
fn wrapped(btf: &BtfBuilder, id: u32) -> Option<u32> {
    let Some(Type::Struct(t)) = btf.get(id) else {
        return None;
    };
    if !t.name.contains('<') && !t.name.starts_with("Atomic") {
        return None;
    }
    let size = |m: &Member| Types::size_of(btf, m.type_id).unwrap_or(0);
    let mut holding = t.members.iter().filter(|m| size(m) > 0);
    let (only, None) = (holding.next()?, holding.next()) else {
        return None;
    };
    (only.bit_offset == 0 && size(only) == t.size).then_some(only.type_id)
}

/// The kernel side's `KPtr<T>` is a pointer with the tag by which the kernel knows that it owns
/// what it points to.
fn kptrs(btf: &mut BtfBuilder) {
    let found = btf.iter().filter_map(|(id, ty)| match ty {
        Type::Struct(t) => Some((id, kptr_to(t)?.to_owned())),
        _ => None,
    });
    let found: Vec<(u32, String)> = found.collect();
    for (id, name) in found {
        // The kernel looks its own type up by the name.
        let object = btf.add(Type::Struct(Composite {
            name,
            size: 0,
            members: Vec::new(),
        }));
        let tagged = btf.add(Type::TypeTag(TypeTag {
            value: "kptr".to_owned(),
            type_id: object,
            attribute: false,
        }));
        if let Some(ty) = btf.get_mut(id) {
            *ty = Type::Ptr(Ptr { type_id: tagged });
        }
    }
}

/// The name of `T` in the kernel, if the structure is `KPtr<T>`: its path and parameters are
/// Rust's, and what follows `___` says which of several declarations it is.
fn kptr_to(t: &Composite) -> Option<&str> {
    let inner = t.name.strip_prefix("KPtr<")?.strip_suffix('>')?;
    let holds = |member: &Member| member.name == "hachi_kptr";
    if t.size != 8 || !t.members.iter().any(holds) {
        return None;
    }
    let path = inner.split('<').next()?;
    let name = path.rsplit("::").next()?;
    Some(name.split("___").next().unwrap_or(name))
}

/// A payload enum is a union of its variants and a number without a name that tells which is meant.
fn name_discriminant(btf: &mut BtfBuilder, id: u32) {
    let Some(Type::Union(union)) = btf.get(id) else {
        return;
    };
    let composite =
        |m: &Member| matches!(btf.get(m.type_id), Some(Type::Struct(_) | Type::Union(_)));
    let found = union
        .members
        .iter()
        .position(|m| m.name.is_empty() && !composite(m));
    if let (Some(at), Some(Type::Union(union))) = (found, btf.get_mut(id)) {
        union.members[at].name = "__discr".into();
    }
}

/// Repairs a type by itself. `char_id` stands in where a type is missing.
fn repair(ty: &mut Type, char_id: u32, is_extern: bool) {
    match ty {
        // `()` and `!`: nothing, but with a name.
        Type::Int(t) if t.size == 0 => {
            *ty = Type::Struct(Composite {
                name: names::readable(&t.name),
                size: 0,
                members: Vec::new(),
            });
        }
        // An enum that is only declared; the kernel wants a size nevertheless.
        Type::Enum(t) if t.size == 0 && t.variants.is_empty() => {
            t.name = names::readable(&t.name);
            t.size = 4;
        }
        // The kernel knows integers of 128 bits, but no such enums.
        Type::Enum(t) if t.size == 16 => *ty = unsigned(&names::readable(&t.name), t.size),
        Type::Struct(t) | Type::Union(t) => {
            t.name = names::readable(&t.name);
            for member in &mut t.members {
                member.name = names::readable(&member.name);
                if member.type_id == 0 {
                    member.type_id = char_id;
                }
            }
            // Rust orders fields as it likes, and tells them in the order they were written.
            t.members
                .sort_by_cached_key(|member| u64::from(member.bit_offset));
        }
        Type::Enum(t) => {
            t.name = names::readable(&t.name);
            rename(&mut t.variants);
        }
        Type::Enum64(t) => {
            t.name = names::readable(&t.name);
            rename(&mut t.variants);
        }
        Type::FuncProto(t) => {
            for param in &mut t.params {
                param.name = names::readable(&param.name);
                if param.type_id == 0 && !param.name.is_empty() {
                    param.type_id = char_id;
                }
            }
        }
        Type::Array(t) if t.type_id == 0 => t.type_id = char_id,
        Type::Var(t) => {
            t.name = names::readable(&t.name);
            if t.type_id == 0 && !is_extern {
                t.type_id = char_id;
            }
        }
        Type::Fwd(t) => t.name = names::readable(&t.name),
        Type::Typedef(t) => t.name = names::readable(&t.name),
        Type::Func(t) => t.name = names::readable(&t.name),
        Type::Float(t) => t.name = names::readable(&t.name),
        _ => {}
    }
}

fn rename<V>(variants: &mut [Variant<V>]) {
    for variant in variants {
        variant.name = names::readable(&variant.name);
    }
}

/// `*mut c_void` is an untyped pointer, although Rust has to call it a pointer to an enum.
fn void_pointers(btf: &mut BtfBuilder) {
    let c_void: Vec<u32> = btf
        .iter()
        .filter(|(_, ty)| {
            matches!(ty, Type::Enum(t) if t.name == "c_void" && t.size == 1
                && t.variants.iter().all(|v| v.name.starts_with("__variant")))
        })
        .map(|(id, _)| id)
        .collect();
    for (_, ty) in btf.iter_mut() {
        if let Type::Ptr(ptr) = ty
            && c_void.contains(&ptr.type_id)
        {
            ptr.type_id = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_sorted_and_named() {
        let member = |name: &str, bit_offset| Member {
            name: name.into(),
            type_id: 0,
            bit_offset,
            bit_size: 0,
        };
        let mut ty = Type::Struct(Composite {
            name: "Option<u32>".into(),
            size: 8,
            members: vec![member("b", 32), member("__0", 0), member("ä", 0)],
        });
        repair(&mut ty, 7, false);
        let Type::Struct(t) = ty else {
            panic!("still a structure");
        };
        assert_eq!(t.name, "Option_u32");
        let names: Vec<_> = t
            .members
            .iter()
            .map(|m| (m.name.as_str(), m.type_id))
            .collect();
        assert_eq!(names, [("__0", 7), ("ue4", 7), ("b", 7)]);
    }

    #[test]
    fn kptrs_are_tagged_pointers() {
        let kptr = |name: &str, member: &str| Composite {
            name: name.into(),
            size: 8,
            members: vec![Member {
                name: member.into(),
                type_id: 0,
                bit_offset: 0,
                bit_size: 0,
            }],
        };
        let name = "KPtr<a::b::task_struct___old<hachi_ebpf::kernel::mode::Direct>>";
        assert_eq!(kptr_to(&kptr(name, "hachi_kptr")), Some("task_struct"));
        assert_eq!(
            kptr_to(&kptr("KPtr<a::cgroup>", "hachi_kptr")),
            Some("cgroup")
        );
        assert_eq!(kptr_to(&kptr("KPtr<a::cgroup>", "other")), None);
        assert_eq!(kptr_to(&kptr("KPtrs<a::cgroup>", "hachi_kptr")), None);
    }

    #[test]
    fn unit_becomes_an_empty_structure() {
        for (rust, name) in [("()", "unit"), ("!", "never")] {
            let mut ty = unsigned(rust, 0);
            repair(&mut ty, 0, false);
            assert_eq!(
                ty,
                Type::Struct(Composite {
                    name: name.into(),
                    size: 0,
                    members: Vec::new()
                })
            );
        }
    }
}
