//! A `.BTF` section: read it all, ask everything, edit it and write it back.

use hachi_btf::{Btf, BtfBuilder, Features, Kind, Types, sanitize};

/// Fails by a panic.
pub fn run(bytes: &[u8]) {
    let Ok(btf) = Btf::parse(bytes) else { return };
    for id in (0..=btf.last_id().min(200)).chain([btf.last_id(), u32::MAX]) {
        let _ = (btf.size_of(id), btf.align_of(id), btf.resolve(id));
        let _ = btf.declaration(id, "x");
    }
    let _ = btf.find("task_struct", Kind::Struct);
    let Ok(builder) = BtfBuilder::from_btf(&btf) else {
        return;
    };
    // What could be read can be written, and reads back as the same.
    if let Ok(again) = builder.encode(btf.endian()) {
        let again = Btf::parse(&again).expect("what was written parses");
        assert_eq!(BtfBuilder::from_btf(&again).as_ref(), Ok(&builder));
    }
    let mut old = builder;
    let features = Features {
        func: false,
        datasec: false,
        func_global: false,
        float: false,
        decl_tag: false,
        type_tag: false,
        enum64: false,
        qmark_datasec: false,
    };
    sanitize(&mut old, &features);
    let _ = old.encode(btf.endian());
    old.retain(|id, _| id % 2 == 0);
}
