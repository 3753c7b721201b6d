//! A `.BTF` section: bindings for everything in it.
#![no_main]

use hachi_btf::{Btf, rust::Bindings};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(btf) = Btf::parse(bytes) else { return };
    for pattern in ["*", "*.*", "fn:*", "tp:*", "struct_ops:*", "kfunc:f"] {
        let _ = Bindings::new().ask(pattern).depth(1).generate(&btf);
    }
});
