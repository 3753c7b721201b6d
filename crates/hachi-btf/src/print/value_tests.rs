use super::*;
use crate::{BtfBuilder, Enum, Var, VarSecInfo, Variant};

fn int(name: &str, size: u32, signed: bool, bool: bool) -> Type {
    Type::Int(Int {
        bool,
        signed,
        ..Int::unsigned(name, size)
    })
}

fn member(name: &str, type_id: u32, bit_offset: u32, bit_size: u8) -> Member {
    Member {
        name: name.into(),
        type_id,
        bit_offset,
        bit_size,
    }
}

fn an_enum(name: &str, values: &[(&str, i32)]) -> Type {
    let variants = values.iter().map(|(name, value)| Variant {
        name: (*name).to_owned(),
        value: *value,
    });
    Type::Enum(Enum {
        name: name.into(),
        size: 1,
        signed: false,
        variants: variants.collect(),
    })
}

/// `struct Event { count: u64, source: [u8; 4], delta: i32, ok: bool, kind: Kind, low: i32:3,
/// flags: Flags }` and a section with one.
fn event() -> (BtfBuilder, u32, u32) {
    let mut btf = BtfBuilder::new();
    let u8_ = btf.add(int("u8", 1, false, false));
    let u64_ = btf.add(int("u64", 8, false, false));
    let i32_ = btf.add(int("i32", 4, true, false));
    let bool_ = btf.add(int("bool", 1, false, true));
    let four = btf.add(Type::Array(Array {
        type_id: u8_,
        index_type_id: i32_,
        nelems: 4,
    }));
    let kind = btf.add(an_enum("Kind", &[("Drop", 1), ("Pass", 2), ("Both", 3)]));
    let flags = btf.add(an_enum(
        "Flags",
        &[("NONE", 0), ("A", 1), ("B", 2), ("C", 8)],
    ));
    let event = btf.add(Type::Struct(Composite {
        name: "Event".into(),
        size: 24,
        members: vec![
            member("count", u64_, 0, 0),
            member("source", four, 64, 0),
            member("delta", i32_, 96, 0),
            member("ok", bool_, 128, 0),
            member("kind", kind, 136, 0),
            member("low", i32_, 145, 3),
            member("flags", flags, 152, 0),
        ],
    }));
    let var = btf.add(Type::Var(Var {
        name: "LAST".into(),
        type_id: event,
        linkage: crate::Linkage::Global,
    }));
    let section = btf.add(Type::DataSec(DataSec {
        name: ".bss".into(),
        size: 32,
        vars: vec![VarSecInfo {
            type_id: var,
            offset: 8,
            size: 24,
        }],
    }));
    (btf, event, section)
}

#[test]
fn structs_print_by_their_types() {
    let (btf, event, section) = event();
    let bytes = btf.encode(Endian::Little).unwrap();
    let btf = Btf::parse(&bytes).unwrap();
    let mut value = vec![0u8; 24];
    value[0] = 7;
    value[8..12].copy_from_slice(&[10, 0, 0, 1]);
    value[12..16].copy_from_slice(&(-2i32).to_le_bytes());
    value[16] = 1;
    value[17] = 1;
    value[18] = 0b1100;
    value[19] = 9;
    let text = "Event { count: 7, source: [10, 0, 0, 1], delta: -2, ok: true, kind: Drop, \
                low: -2, flags: A|C }";
    let decoded = Value::decode(&btf, event, &value).unwrap();
    assert_eq!(decoded.to_string(), text);
    assert_eq!(
        decoded.to_json(),
        "{\"count\":7,\"source\":[10, 0, 0, 1],\"delta\":-2,\"ok\":true,\"kind\":\"Drop\",\
         \"low\":-2,\"flags\":\"A|C\"}"
    );
    // Too short for the type.
    assert_eq!(Value::decode(&btf, event, &value[..3]), None);
    // Neither a value nor made of flags.
    value[17] = 5;
    value[19] = 4;
    let decoded = Value::decode(&btf, event, &value).unwrap().to_string();
    assert!(
        decoded.ends_with("kind: 5, low: -2, flags: 4 }"),
        "{decoded}"
    );
    value.splice(..0, [0; 8]);
    let decoded = Value::decode(&btf, section, &value).unwrap().to_string();
    assert!(
        decoded.starts_with(".bss { LAST: Event { count: 7,"),
        "{decoded}"
    );
}

#[test]
fn bit_fields_in_both_byte_orders() {
    let mut btf = BtfBuilder::new();
    let u16_ = btf.add(int("u16", 2, false, false));
    let id = btf.add(Type::Struct(Composite {
        name: String::new(),
        size: 2,
        members: vec![member("a", u16_, 0, 4), member("b", u16_, 4, 12)],
    }));
    for (endian, bytes) in [(Endian::Little, [0x31, 0x12]), (Endian::Big, [0x11, 0x23])] {
        let encoded = btf.encode(endian).unwrap();
        let btf = Btf::parse(&encoded).unwrap();
        let value = Value::decode(&btf, id, &bytes).unwrap();
        assert_eq!(value.to_string(), "{ a: 1, b: 291 }");
    }
}

#[test]
fn wide_numbers_and_floats() {
    let mut btf = BtfBuilder::new();
    let u128_ = btf.add(int("u128", 16, false, false));
    let double = btf.add(Type::Float(crate::Float {
        name: "double".into(),
        size: 8,
    }));
    let bytes = btf.encode(Endian::Little).unwrap();
    let btf = Btf::parse(&bytes).unwrap();
    let value = Value::decode(&btf, u128_, &[255; 16]).unwrap();
    assert_eq!(value, Value::Unsigned(u128::MAX));
    assert_eq!(value.to_json(), format!("\"{}\"", u128::MAX));
    let float = |value: f64| Value::decode(&btf, double, &value.to_le_bytes()).unwrap();
    assert_eq!(float(0.5).to_json(), "0.5");
    assert_eq!(float(f64::NAN).to_json(), "\"NaN\"");
}

#[test]
fn overlapping_members_end() {
    let mut btf = BtfBuilder::new();
    let byte = btf.add(int("u8", 1, true, false));
    for level in 0..20 {
        let inner = byte + level;
        btf.add(Type::Union(Composite {
            name: String::new(),
            size: 1,
            members: (0..4).map(|_| member("", inner, 0, 0)).collect(),
        }));
    }
    let bytes = btf.encode(Endian::Little).unwrap();
    let btf = Btf::parse(&bytes).unwrap();
    assert_eq!(Value::decode(&btf, 21, &[1]), None);
    assert!(Value::decode(&btf, 4, &[1]).is_some());
}

#[test]
fn names_in_byte_arrays() {
    assert_eq!(as_text(b"sshd\0\0\0\0\0\0\0\0\0\0\0\0"), Some("sshd"));
    assert_eq!(as_text(b"ABCD"), None);
    assert_eq!(as_text(b"ab\0cd\0\0\0"), None);
    assert_eq!(as_text(&[0; 16]), None);
}

/// C's `char` is signed on most machines and unsigned on others.
#[test]
fn arrays_of_char_are_strings() {
    let mut btf = BtfBuilder::new();
    let u32_ = btf.add(int("u32", 4, false, false));
    let chars: Vec<u32> = [true, false]
        .into_iter()
        .map(|signed| {
            let type_id = btf.add(int("char", 1, signed, false));
            btf.add(Type::Array(Array {
                type_id,
                index_type_id: u32_,
                nelems: 8,
            }))
        })
        .collect();
    let bytes = btf.encode(Endian::Little).unwrap();
    let btf = Btf::parse(&bytes).unwrap();
    for id in chars {
        let show = |bytes: &[u8; 8]| Value::decode(&btf, id, bytes).unwrap().to_string();
        let json = |bytes: &[u8; 8]| Value::decode(&btf, id, bytes).unwrap().to_json();
        assert_eq!(show(b"eth0\0\0\0\0"), r#""eth0""#);
        assert_eq!(json(b"eth0\0\0\0\0"), "[101, 116, 104, 48, 0, 0, 0, 0]");
        assert_eq!(show(b"no zero!"), r#""no zero!""#);
        assert_eq!(show(b"\0\0\0\0\0\0\0\0"), r#""""#);
        assert_eq!(show(b"a\n\"\\'\x1b\0\0"), r#""a\n\"\\'\u{1b}""#);
        assert_eq!(
            show("gr\u{fc}n\u{202e}".as_bytes().try_into().unwrap()),
            r#""grün\u{202e}""#
        );
        // Something stands behind its end, or it is no UTF-8.
        assert_eq!(show(b"a\0b\0\0\0\0\0"), r#""a\0b\0\0\0\0\0""#);
        assert_eq!(show(b"a\xff\0\0\0\0\0\0"), r#""a\xff""#);
        assert_eq!(json(b"a\xff\0\0\0\0\0\0"), "[97, 255, 0, 0, 0, 0, 0, 0]");
    }
}

/// As the linker writes Rust's types: `Both { hits: AtomicU64, port: Port, pair: Pair }`.
#[test]
fn rusts_wrappers_are_shown_as_rust_shows_them() {
    let mut btf = BtfBuilder::new();
    let u16_ = btf.add(int("u16", 2, false, false));
    let u64_ = btf.add(int("u64", 8, false, false));
    let mut add = |name: &str, size, members| {
        let name = name.into();
        btf.add(Type::Struct(Composite {
            name,
            size,
            members,
        }))
    };
    let cell = add("UnsafeCell_u64", 8, vec![member("value", u64_, 0, 0)]);
    let atomic = add("AtomicU64", 8, vec![member("__0", cell, 0, 0)]);
    let port = add("Port", 2, vec![member("__0", u16_, 0, 0)]);
    let pair = vec![member("__0", port, 0, 0), member("__1", u16_, 16, 0)];
    let pair = add("Pair", 4, pair);
    let c = add("unsafe_cell", 2, vec![member("value", u16_, 0, 0)]);
    let members = vec![
        member("hits", atomic, 0, 0),
        member("port", port, 64, 0),
        member("pair", pair, 80, 0),
        member("c", c, 112, 0),
    ];
    let both = add("Both", 16, members);
    let bytes = btf.encode(Endian::Little).unwrap();
    let btf = Btf::parse(&bytes).unwrap();
    let value = [7, 0, 0, 0, 0, 0, 0, 0, 80, 0, 1, 0, 2, 0, 3, 0];
    let value = Value::decode(&btf, both, &value).unwrap();
    assert_eq!(
        value.to_string(),
        "Both { hits: 7, port: Port(80), pair: Pair(Port(1), 2), c: unsafe_cell { value: 3 } }"
    );
    assert_eq!(
        value.to_json(),
        r#"{"hits":7,"port":80,"pair":{"__0":1,"__1":2},"c":{"value":3}}"#
    );
}
