//! A `.BTF` section: removing duplicates, sorting, joining.

use hachi_btf::{Btf, BtfBuilder, Types};

/// Fails by a panic.
pub fn run(bytes: &[u8]) {
    let Ok(btf) = Btf::parse(bytes) else { return };
    let Ok(mut types) = BtfBuilder::from_btf(&btf) else {
        return;
    };
    let sorted = types.sort_by_name();
    for id in 1..=btf.last_id() {
        assert_eq!(
            types.shape(sorted[id as usize]).map(|s| s.kind),
            btf.shape(id).map(|s| s.kind)
        );
    }
    types.append(&btf).expect("what was read can be added");
    let before = types.clone();
    let Ok(map) = types.dedup() else { return };
    for (id, ty) in before.iter() {
        let now = types.get(map[id as usize]).expect("everything has a place");
        assert_eq!(now.name().map_or("", |n| n), ty.name().map_or("", |n| n));
    }
    // The part that was there twice is there once.
    let len = types.len();
    types.dedup().expect("it was sound before");
    assert!(types.len() <= len);
}
