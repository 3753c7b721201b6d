//! The code that stands in for what eBPF lacks (`runtime.ll`), joined to the program after
//! optimisation.
//!
//! Three sorts of functions are in there: those that the compiler calls by well-known names
//! (`memcpy`, …); the `__hachi_…` ones that [`lower`](super::lower) puts in the place of
//! instructions; and the atomics that the kernel-side library declares as `extern "C"`, because
//! rustc's eBPF target knows no atomic operations.

use std::{collections::BTreeSet, sync::LazyLock};

use crate::llvm::{Function, Module, linkage};

const SOURCE: &str = include_str!("runtime.ll");

/// The names defined in `runtime.ll`.
static NAMES: LazyLock<BTreeSet<&str>> = LazyLock::new(|| {
    SOURCE
        .lines()
        .filter(|line| line.starts_with("define "))
        .filter_map(|line| line.split_once('@')?.1.split_once('('))
        .map(|(name, _)| name)
        .collect()
});

/// Is that one of ours? Programs may call these without defining them.
pub(super) fn provides(name: &str) -> bool {
    NAMES.contains(name)
}

/// Takes out definitions of our names that came with the program, such as compiler-builtins'
/// `memcpy`: those use tricks with addresses that the verifier does not allow.
pub(super) fn forget_own_definitions(module: Module) {
    for name in NAMES.iter() {
        let Some(theirs) = module.function(name).filter(|f| !f.is_declaration()) else {
            continue;
        };
        theirs.0.set_name("");
        let ours = module.declare(name, theirs.ty());
        theirs.0.replace_with(ours.0);
        theirs.delete();
    }
}

/// Joins the runtime to the program.
pub(super) fn link(module: Module) -> Result<(), String> {
    let runtime = module.context.read_text(SOURCE)?;
    runtime.set_target(&module.triple(), &module.layout());
    module.link(runtime)
}

/// The runtime function of that name, after [`link`].
pub(super) fn function(module: Module, name: &str) -> Function {
    module
        .function(name)
        .unwrap_or_else(|| panic!("`{name}` is in runtime.ll"))
}

/// Makes the runtime local, so that what nobody uses is dropped.
pub(super) fn seal(module: Module) {
    for name in NAMES.iter() {
        if let Some(function) = module.function(name) {
            function.set_linkage(linkage::INTERNAL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_the_source() {
        for name in [
            "memcpy",
            "bcmp",
            "__hachi_mul128",
            "__hachi_atomic_cmpxchg32",
            "__hachi_fence",
        ] {
            assert!(provides(name), "{name}");
        }
        assert!(!provides("malloc"));
    }
}
