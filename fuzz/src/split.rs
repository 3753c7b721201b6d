//! A base and a part on top of it. The first two bytes of the input tell where the base ends.

use hachi_btf::edit::{distil, relocate};
use hachi_btf::{Btf, BtfBuilder, Types};

/// Fails by a panic.
pub fn run(bytes: &[u8]) {
    let Some((base, split)) = crate::two_parts(bytes) else {
        return;
    };
    let Ok(base) = Btf::parse(base) else { return };
    let Ok(split) = Btf::parse_split(split, &base) else {
        return;
    };
    for id in (split.first_id()..=split.last_id()).take(100) {
        let _ = (split.size_of(id), split.type_name(id));
    }
    let _ = (split.candidates("pair"), relocate(&split, &base));
    if let Ok(mut builder) = BtfBuilder::from_btf(&split) {
        let _ = builder.dedup_split(&base);
    }
    let Ok(distilled) = distil(&split) else {
        return;
    };
    let Ok(small) = distilled.base.encode(base.endian()) else {
        return;
    };
    let small = Btf::parse(&small).expect("what was written parses");
    let Ok(bytes) = distilled.split.encode_split(&small) else {
        return;
    };
    let moved = Btf::parse_split(&bytes, &small).expect("what was written parses");
    // On its old base again, each type is what it was.
    if let Ok(back) = relocate(&moved, &base) {
        for id in (split.first_id()..=split.last_id()).take(100) {
            assert_eq!(
                back.get(id).map(|ty| ty.kind()),
                split.shape(id).ok().map(|s| s.kind)
            );
        }
    }
}
