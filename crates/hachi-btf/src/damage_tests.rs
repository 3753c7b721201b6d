//! Bytes that are damaged or hostile.

use hachi_asm::Endian;

use crate::ext::*;
use crate::tests::{ext, zoo};
use crate::*;

/// Uses everything a reader offers.
fn exercise(bytes: &[u8], ext: Option<&[u8]>) {
    let Ok(btf) = Btf::parse(bytes) else { return };
    let Ok(types) = btf.iter() else { return };
    for item in types {
        let _ = item.map(|(_, ty)| ty.map_names(|name| name.len()));
    }
    let last = btf.last_id();
    for id in (0..=last.min(40)).chain([last + 1, u32::MAX]) {
        let _ = (btf.size_of(id), btf.align_of(id), btf.resolve(id));
        let _ = btf.declaration(id, "x");
    }
    let _ = btf.find("pair", Kind::Struct);
    if let Ok(mut builder) = BtfBuilder::from_btf(&btf) {
        sanitize(
            &mut builder,
            &Features {
                datasec: false,
                enum64: false,
                func: false,
                ..Features::default()
            },
        );
        let _ = builder.encode(Endian::Little);
        builder.retain(|id, _| id % 3 == 0);
    }
    if let Some(ext) = ext {
        let _ = BtfExt::parse(ext, &btf);
    }
    #[cfg(feature = "edit")]
    exercise_edit(&btf);
    #[cfg(feature = "print")]
    exercise_print(&btf);
}

#[cfg(feature = "edit")]
fn exercise_edit(btf: &Btf<'_>) {
    let Ok(mut builder) = BtfBuilder::from_btf(btf) else {
        return;
    };
    let _ = builder.append(btf);
    let _ = builder.dedup();
    builder.sort_by_name();
    // The same as a part on top of itself, far enough down that its references stay within.
    let mut split = BtfBuilder::split(btf);
    for (_, ty) in builder.iter() {
        split.add(ty.clone());
    }
    let Ok(bytes) = split.encode_split(btf) else {
        return;
    };
    let Ok(part) = Btf::parse_split(&bytes, btf) else {
        return;
    };
    if let Ok(distilled) = edit::distil(&part) {
        let small = distilled.base.encode(btf.endian()).expect("was read");
        let small = Btf::parse(&small).expect("was written");
        let bytes = distilled.split.encode_split(&small).expect("was read");
        let part = Btf::parse_split(&bytes, &small).expect("was written");
        let _ = edit::relocate(&part, btf);
    }
    let _ = split.dedup_split(btf);
}

#[cfg(feature = "print")]
fn exercise_print(btf: &Btf<'_>) {
    let ids = 1..=btf.last_id();
    let _ = print::header(btf, ids.clone(), "GUARD");
    let _ = print::raw(btf, ids.clone());
    let _ = print::json(btf, ids.clone());
    for id in ids.clone() {
        let _ = print::Layout::expanded(btf, id).map(|layout| layout.text(64));
        let value = print::Value::decode(btf, id, &[0xa5; 64]);
        let _ = value.map(|value| (value.to_string(), value.to_json()));
        let _ = print::diff((btf, Some(id)), (btf, Some(1)));
    }
}

#[test]
fn damaged_input_never_panics() {
    for endian in [Endian::Little, Endian::Big] {
        let mut strings = StringTable::new();
        let ext = ext().encode(&mut strings, endian);
        let bytes = zoo().encode_with(&mut strings, endian).expect("encodes");
        for len in 0..bytes.len() {
            exercise(&bytes[..len], None);
        }
        for at in 0..bytes.len() {
            for change in [0x01, 0x80, 0xff] {
                let mut bytes = bytes.clone();
                bytes[at] ^= change;
                exercise(&bytes, Some(&ext));
            }
        }
        let btf = Btf::parse(&bytes).expect("parses");
        for len in 0..ext.len() {
            let _ = BtfExt::parse(&ext[..len], &btf);
        }
        for at in 0..ext.len() {
            for change in [0x01, 0x80, 0xff] {
                let mut ext = ext.clone();
                ext[at] ^= change;
                let _ = BtfExt::parse(&ext, &btf);
            }
        }
    }
}
