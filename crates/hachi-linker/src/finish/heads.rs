//! Heads of lists and roots of trees, as the kernel looks for them.
//!
//! C says what a list holds by a tag on the member: `struct bpf_list_head jobs __contains(job,
//! node)`, a declaration tag `contains:job:node`. Rust has no tags, so the kernel side's `ListHead`
//! and `TreeRoot` have an array of no items as a member, by whose name they are known here.

use hachi_btf::{Array, BtfBuilder, DeclTag, Int, Type, Types};

use super::names;

/// The member that says what is in a list or tree.
const CONTAINS: &str = "hachi_contains";

/// The kernel side's names and the kernel's, and how large these are.
const HEADS: [(&str, &str, u32); 2] = [
    ("ListHead<", "bpf_list_head", 16),
    ("TreeRoot<", "bpf_rb_root", 16),
];

/// The kernel side's names for what is in lists and trees, and the member that is the program's.
const ITEMS: [&str; 2] = ["ListItem<", "TreeItem<"];
const VALUE: &str = "value";

/// Gives heads and roots the kernel's names, and what has them as members the tags; makes bytes of
/// what items hold.
pub(super) fn tag(btf: &mut BtfBuilder) {
    open_items(btf);
    let found = btf.iter().filter_map(|(id, ty)| head(btf, id, ty));
    let found: Vec<Head> = found.collect();
    for head in &found {
        let users = btf.iter().flat_map(|(id, ty)| {
            let members = match ty {
                Type::Struct(t) => t.members.as_slice(),
                _ => &[],
            };
            let here = members.iter().enumerate();
            let here = here.filter(|(_, member)| member.type_id == head.id);
            here.map(move |(index, _)| (id, index as i32))
        });
        let users: Vec<(u32, i32)> = users.collect();
        for (type_id, component_idx) in users {
            btf.add(Type::DeclTag(DeclTag {
                value: format!("contains:{}:node", head.item),
                type_id,
                component_idx,
                attribute: false,
            }));
        }
        if let Some(Type::Struct(t)) = btf.get_mut(head.id) {
            t.name = head.kernels.to_owned();
        }
    }
}

/// The kernel lets a program read and write an object member by member only, while LLVM makes one
/// access of several. Of an array it lets any part be accessed.
fn open_items(btf: &mut BtfBuilder) {
    let values = btf.iter().filter_map(|(id, ty)| {
        let Type::Struct(t) = ty else { return None };
        let is_item = ITEMS.iter().any(|ours| t.name.starts_with(ours));
        let at = t.members.iter().position(|member| member.name == VALUE)?;
        let size = Types::size_of(btf, t.members[at].type_id).ok()?;
        is_item.then_some((id, at, size))
    });
    let values: Vec<(u32, usize, u32)> = values.collect();
    if values.is_empty() {
        return;
    }
    let byte = btf.add(Type::Int(Int::unsigned("u8", 1)));
    for (id, at, nelems) in values {
        let bytes = btf.add(Type::Array(Array {
            type_id: byte,
            index_type_id: byte,
            nelems,
        }));
        if let Some(Type::Struct(t)) = btf.get_mut(id) {
            t.members[at].type_id = bytes;
        }
    }
}

struct Head {
    id: u32,
    /// The kernel's name for it.
    kernels: &'static str,
    /// The name that the type of its items will have.
    item: String,
}

fn head(btf: &BtfBuilder, id: u32, ty: &Type) -> Option<Head> {
    let Type::Struct(t) = ty else { return None };
    let is = |(ours, _, size): &&(&str, &str, u32)| t.name.starts_with(ours) && t.size == *size;
    let (_, kernels, _) = HEADS.iter().find(is)?;
    let contains = t.members.iter().find(|member| member.name == CONTAINS)?;
    let Some(Type::Array(none)) = btf.get(contains.type_id) else {
        return None;
    };
    Some(Head {
        id,
        kernels,
        item: names::readable(btf.get(none.type_id)?.name()?),
    })
}

#[cfg(test)]
mod tests {
    use hachi_btf::{Composite, Member};

    use super::*;

    fn member(name: &str, type_id: u32, bit_offset: u32) -> Member {
        Member {
            name: name.to_owned(),
            type_id,
            bit_offset,
            bit_size: 0,
        }
    }

    fn composite(name: &str, size: u32, members: Vec<Member>) -> Type {
        Type::Struct(Composite {
            name: name.to_owned(),
            size,
            members,
        })
    }

    #[test]
    fn members_that_are_heads_have_tags() {
        let mut btf = BtfBuilder::new();
        let job = btf.add(composite("Job", 6, Vec::new()));
        let members = vec![member(VALUE, job, 192)];
        let item = btf.add(composite("ListItem<app::queue::Job>", 32, members));
        let none = btf.add(Type::Array(Array {
            type_id: item,
            index_type_id: item,
            nelems: 0,
        }));
        let members = vec![member("words", none, 0), member(CONTAINS, none, 128)];
        let head = btf.add(composite("ListHead<app::queue::Job>", 16, members));
        // Somebody's own type, that is called so by chance.
        let other = btf.add(composite("ListHead<u8>", 16, vec![member("a", none, 0)]));
        let members = vec![member("other", other, 0), member("list", head, 128)];
        let user = btf.add(composite("Queue", 32, members));
        tag(&mut btf);
        let tags = btf.iter().filter_map(|(_, ty)| match ty {
            Type::DeclTag(tag) => Some((tag.value.as_str(), tag.type_id, tag.component_idx)),
            _ => None,
        });
        let tags: Vec<_> = tags.collect();
        assert_eq!(tags, [("contains:ListItem_Job:node", user, 1)]);
        let Some(Type::Struct(item)) = btf.get(item) else {
            panic!("still a structure");
        };
        let value = item.members[0].type_id;
        assert!(matches!(btf.get(value), Some(Type::Array(bytes)) if bytes.nelems == 6));
        let name = |id| btf.get(id).unwrap().name().unwrap().clone();
        assert_eq!(
            (&*name(head), &*name(other)),
            ("bpf_list_head", "ListHead<u8>")
        );
    }
}
