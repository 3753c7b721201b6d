//! Values as text and as JSON, written to bytes.

use super::*;
use hachi_btf::{Btf, BtfBuilder, Composite, Enum, Enum64, Float, Variant};

#[test]
fn without_a_type_any_number_of_the_size_is_accepted() {
    let parse = |text, size| parse(None, 0, size, Endian::Little, text).ok();
    assert_eq!(parse("1", 1), Some(vec![1]));
    assert_eq!(parse("0x1234", 2), Some(vec![0x34, 0x12]));
    assert_eq!(parse("-1", 4), Some(vec![255; 4]));
    assert_eq!(parse("true", 1), Some(vec![1]));
    assert_eq!(parse("1_000", 2), Some(vec![0xe8, 3]));
    assert_eq!(parse("18446744073709551615", 8), Some(vec![255; 8]));
    for (text, size) in [
        ("256", 1),
        ("-129", 1),
        ("many", 4),
        ("1", 3),
        ("1", 0),
        ("1", 16),
        ("", 4),
        ("-", 4),
        ("--1", 4),
        ("+1", 4),
        ("0x", 4),
        ("0x-1", 4),
        ("18446744073709551616", 8),
    ] {
        assert_eq!(parse(text, size), None, "{text} in {size} bytes");
    }
    let big = super::parse(None, 0, 2, Endian::Big, "0x1234");
    assert_eq!(big, Ok(vec![0x12, 0x34]));
}

fn variants<V: Copy>(values: &[(&str, V)]) -> Vec<Variant<V>> {
    let variant = |(name, value): &(&str, V)| Variant {
        name: (*name).to_owned(),
        value: *value,
    };
    values.iter().map(variant).collect()
}

#[test]
fn the_type_says_which_values_there_are() {
    let mut btf = BtfBuilder::new();
    let i8 = btf.add(Type::Int(Int::signed("i8", 1)));
    let u8 = btf.add(Type::Int(Int::unsigned("u8", 1)));
    let bool = btf.add(Type::Int(Int {
        bool: true,
        ..Int::unsigned("bool", 1)
    }));
    let char = btf.add(Type::Int(Int::unsigned("char", 4)));
    let float = btf.add(Type::Float(Float {
        name: "f64".into(),
        size: 8,
    }));
    let mode = btf.add(Type::Enum(Enum {
        name: "Mode".into(),
        size: 1,
        signed: true,
        variants: variants(&[("Off", 1), ("On", 2), ("Broken", -1)]),
    }));
    let wide = btf.add(Type::Enum64(Enum64 {
        name: "Wide".into(),
        size: 8,
        signed: false,
        variants: variants(&[("MOST", u64::MAX)]),
    }));
    let newtype = |name: &str, type_id| {
        Type::Struct(Composite {
            name: name.into(),
            size: 1,
            members: vec![Member {
                name: "__0".into(),
                type_id,
                bit_offset: 0,
                bit_size: 0,
            }],
        })
    };
    let level = btf.add(newtype("Level", mode));
    let nonzero = btf.add(newtype("NonZero<u8>", u8));
    let itself = btf.last_id() + 1;
    btf.add(newtype("Itself", itself));
    let parse = |id, size, text| parse(Some(&btf), id, size, Endian::Little, text);
    for (id, size, text, bytes) in [
        (i8, 1, "-128", vec![0x80]),
        (i8, 1, "0xff", vec![0xff]),
        (u8, 1, "255", vec![0xff]),
        (bool, 1, "true", vec![1]),
        (bool, 1, "0", vec![0]),
        (char, 4, "0x41", vec![0x41, 0, 0, 0]),
        (float, 8, "0.5", 0.5f64.to_le_bytes().to_vec()),
        (mode, 1, "On", vec![2]),
        (mode, 1, "2", vec![2]),
        (mode, 1, "Broken", vec![0xff]),
        (mode, 1, "-1", vec![0xff]),
        (level, 1, "Off", vec![1]),
        (nonzero, 1, "7", vec![7]),
        (wide, 8, "MOST", vec![0xff; 8]),
    ] {
        assert_eq!(parse(id, size, text), Ok(bytes), "{text}");
    }
    for (id, size, text, why) in [
        (i8, 1, "128", "from -128 to 127"),
        (u8, 1, "-1", "from 0 to 255"),
        (u8, 1, "0x100", "from 0 to 255"),
        (bool, 1, "2", "true or false"),
        (char, 4, "0xd800", "no character"),
        (float, 8, "half", "number"),
        (mode, 1, "7", "Off (1), On (2), Broken (-1)"),
        (mode, 1, "on", "Off (1), On (2), Broken (-1)"),
        (level, 1, "0", "Off (1), On (2), Broken (-1)"),
        (nonzero, 1, "0", "not be zero"),
        (wide, 8, "1", "MOST (18446744073709551615)"),
        (itself, 1, "1", "nested"),
        (99, 1, "1", ""),
    ] {
        let error = parse(id, size, text).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }
}

/// Types of a table: a struct with an array of bytes, characters, bits, a union, a newtype.
fn table() -> (Vec<u8>, u32) {
    let mut btf = BtfBuilder::new();
    let u8 = btf.add(Type::Int(Int::unsigned("u8", 1)));
    let u16 = btf.add(Type::Int(Int::unsigned("u16", 2)));
    let u32 = btf.add(Type::Int(Int::unsigned("u32", 4)));
    let char = btf.add(Type::Int(Int {
        char: true,
        ..Int::signed("char", 1)
    }));
    let mut array = |type_id, nelems| {
        btf.add(Type::Array(Array {
            type_id,
            index_type_id: u32,
            nelems,
        }))
    };
    let (four, name, words) = (array(u8, 4), array(char, 8), array(u16, 2));
    let member = |name: &str, type_id, bit_offset, bit_size| Member {
        name: name.into(),
        type_id,
        bit_offset,
        bit_size,
    };
    let either = btf.add(Type::Union(Composite {
        name: "Either".into(),
        size: 4,
        members: vec![member("whole", u32, 0, 0), member("halves", words, 0, 0)],
    }));
    let table = btf.add(Type::Struct(Composite {
        name: "Table".into(),
        size: 20,
        members: vec![
            member("address", four, 0, 0),
            member("name", name, 32, 0),
            member("low", u32, 96, 3),
            member("high", u32, 99, 5),
            member("either", either, 128, 0),
        ],
    }));
    (btf.encode(Endian::Little).unwrap(), table)
}

#[test]
fn structs_are_written_as_they_are_printed() {
    let (bytes, table) = table();
    let btf = Btf::parse(&bytes).unwrap();
    let parse = |text: &str| parse(Some(&btf), table, 20, Endian::Little, text);
    let expected = [
        10,
        0,
        0,
        1,
        b'e',
        b't',
        b'h',
        b'0',
        0,
        0,
        0,
        0,
        0b1010_1010,
        0,
        0,
        0,
        1,
        0,
        2,
        0,
    ];
    let text = r#"{"address": "10.0.0.1", "name": "eth0", "low": 2, "high": 21,
        "either": {"halves": [1, 2]}}"#;
    assert_eq!(parse(text).unwrap(), expected);
    let printed = crate::value::to_json(Some(&btf), table, &expected);
    let read = from_json(Some(&btf), table, 20, Endian::Little, &printed);
    assert_eq!(read.unwrap(), expected, "{printed}");
    let hex = "hex:0a000001 6574683000000000 aa000000 01000200";
    assert_eq!(parse(hex).unwrap(), expected);
}

#[test]
fn each_mismatch_with_a_struct_has_its_own_error() {
    let (bytes, table) = table();
    let btf = Btf::parse(&bytes).unwrap();
    let refused = |text: &str| parse(Some(&btf), table, 20, Endian::Little, text).expect_err(text);
    let with = |members: &str| {
        format!(r#"{{"address": "10.0.0.1", "name": "eth0", "low": 2, {members}}}"#)
    };
    for (text, why) in [
        ("5".to_owned(), "\"address\": …"),
        ("{".to_owned(), "not JSON"),
        ("hex:00".to_owned(), "20 bytes"),
        (with(r#""high": 1"#), "member either is missing"),
        (
            with(r#""hihg": 1, "either": {"whole": 1}"#),
            "did you mean high?",
        ),
        (
            with(r#""high": 32, "either": {"whole": 1}"#),
            "from 0 to 31",
        ),
        (with(r#""high": 1, "either": {}"#), "\"whole\": …"),
        (
            with(r#""high": 1, "either": {"whole": 1, "halves": [2, 0]}"#),
            "halves contradicts",
        ),
        (
            with(r#""high": 1, "either": {"halves": [2]}"#),
            "2 elements",
        ),
        (
            with(r#""high": 1, "either": {"halves": [2, 65536]}"#),
            "element 1",
        ),
    ] {
        let error = refused(&text);
        assert!(error.contains(why), "{text}: {error}");
    }
    let long = text_of_name("much too long");
    assert!(refused(&long).contains("room for 8 bytes"));
}

fn text_of_name(name: &str) -> String {
    format!(
        r#"{{"address": [1,2,3,4], "name": "{name}", "low": 2, "high": 1,
            "either": {{"whole": 1}}}}"#
    )
}

#[test]
fn prefixes_are_addresses_or_bytes() {
    let prefix = |size, text| parse_prefix(size, Endian::Little, text);
    assert_eq!(prefix(8, "10.0.0.0/8").unwrap(), [8, 0, 0, 0, 10, 0, 0, 0]);
    assert_eq!(prefix(8, "10.0.0.1").unwrap(), [32, 0, 0, 0, 10, 0, 0, 1]);
    assert_eq!(
        prefix(20, "fe80::/10").unwrap()[..6],
        [10, 0, 0, 0, 0xfe, 0x80]
    );
    assert_eq!(prefix(6, "0a 0b/9").unwrap(), [9, 0, 0, 0, 10, 11]);
    for (size, text, why) in [
        (8, "10.0.0.0/33", "from 0 to 32"),
        (8, "10.0.0.0/-1", "from 0 to 32"),
        (8, "fe80::/10", "prefixes of 4 bytes"),
        (8, "here/8", "hexadecimal"),
        (2, "10.0.0.0/8", "too short"),
    ] {
        let error = prefix(size, text).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }
}

#[test]
fn bytes_without_a_type_are_numbers_or_hexadecimal() {
    let parse = |text, size| parse(None, 0, size, Endian::Little, text);
    assert_eq!(parse("0a 0b 0c", 3).unwrap(), [10, 11, 12]);
    assert_eq!(parse("0x0a0b0c", 3).unwrap(), [10, 11, 12]);
    assert_eq!(parse("hex:1 0", 2).unwrap(), [1, 0]);
    assert_eq!(parse("10", 2).unwrap(), [10, 0]);
    assert!(parse("0a 0b", 3).unwrap_err().contains("these are 2 bytes"));
    assert!(parse("ünï", 5).is_err());
    let list = json(r"[1, 2, 255]").unwrap().unwrap();
    assert_eq!(
        from_json(None, 0, 3, Endian::Little, &list).unwrap(),
        [1, 2, 255]
    );
    assert!(from_json(None, 0, 2, Endian::Little, &list).is_err());
}
