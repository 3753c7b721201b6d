//! A `.BTF` section: bindings for everything in it.

use hachi_btf::{Btf, rust::Bindings};

/// Fails by a panic.
pub fn run(bytes: &[u8]) {
    let Ok(btf) = Btf::parse(bytes) else { return };
    for pattern in ["*", "*.*", "fn:*", "tp:*", "struct_ops:*", "kfunc:f"] {
        let _ = Bindings::new().ask(pattern).depth(1).generate(&btf);
    }
}
