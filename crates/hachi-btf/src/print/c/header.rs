//! A whole header, such as vmlinux.h.

use super::C;
use crate::{Error, Type, Types};

/// A C header with these types and what they need, and the prototypes of the kfuncs among them.
/// It serves where `bpftool btf dump … format c` does: a program that includes it gets CO-RE
/// relocations for what it accesses, unless it defines `BPF_NO_PRESERVE_ACCESS_INDEX`, and kfuncs
/// unless it defines `BPF_NO_KFUNC_PROTOTYPES`. `guard` is the macro against double inclusion.
///
/// # Errors
/// If a type is malformed, or contains others without end.
pub fn header(
    types: &dyn Types,
    ids: impl IntoIterator<Item = u32> + Clone,
    guard: &str,
) -> Result<String, Error> {
    let mut c = C::new(types);
    c.push(&format!(
        "#ifndef {guard}\n#define {guard}\n\n\
         #ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n\
         #pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)\n\
         #endif\n\n"
    ));
    c.define_all(ids.clone())?;
    kfuncs(&mut c, ids)?;
    c.push(&format!(
        "#ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n\
         #pragma clang attribute pop\n\
         #endif\n\n\
         #endif /* {guard} */\n"
    ));
    Ok(c.into_text())
}

/// Functions that programs may call, which the kernel marks by a tag.
fn kfuncs(c: &mut C<'_>, ids: impl IntoIterator<Item = u32>) -> Result<(), Error> {
    let types = c.types;
    let mut functions = Vec::new();
    for id in ids {
        if let Type::DeclTag(tag) = types.decode(id)?
            && tag.value == "bpf_kfunc"
            && let Type::Func(func) = types.decode(tag.type_id)?
        {
            functions.push((func.name.to_owned(), func.type_id));
        }
    }
    if functions.is_empty() {
        return Ok(());
    }
    functions.sort();
    functions.dedup();
    for &(_, type_id) in &functions {
        c.define(type_id)?;
    }
    c.push(
        "#ifndef BPF_NO_KFUNC_PROTOTYPES\n\
         #ifndef __ksym\n#define __ksym __attribute__((section(\".ksyms\")))\n#endif\n\
         #ifndef __weak\n#define __weak __attribute__((weak))\n#endif\n\n",
    );
    for (name, type_id) in functions {
        c.push("extern ");
        c.declare_with(type_id, &name, " __weak __ksym")?;
    }
    c.push("#endif\n\n");
    Ok(())
}
