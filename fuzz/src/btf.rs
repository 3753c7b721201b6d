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
    let mut features = Features::default();
    for feature in [
        &mut features.func,
        &mut features.datasec,
        &mut features.func_global,
        &mut features.float,
        &mut features.decl_tag,
        &mut features.type_tag,
        &mut features.enum64,
        &mut features.qmark_datasec,
    ] {
        *feature = false;
    }
    sanitize(&mut old, &features);
    let _ = old.encode(btf.endian());
    old.retain(|id, _| id % 2 == 0);
}
