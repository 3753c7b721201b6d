//! What the objects and kernels at hand do not show: types that disagree, modules, other machines.

use super::*;
use crate::{
    Array, BtfBuilder, Composite, Endian, Enum, FuncProto, Int, Member, Param, Ptr, Type,
    Types as _, Variant,
};

fn int(name: &str, size: u32, signed: bool) -> Type {
    Type::Int(Int {
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

fn composite(name: &str, size: u32, members: Vec<Member>) -> Type {
    Type::Struct(Composite {
        name: name.into(),
        size,
        members,
    })
}

fn relo(type_id: u32, access: &str, kind: CoreReloKind) -> CoreRelo<&str> {
    CoreRelo {
        insn_off: 0,
        type_id,
        access,
        kind,
    }
}

/// The object: [1] int, [2] struct thing { int a; int b : 5; }, [3] struct thing___2 { int c; }
fn local(endian: Endian) -> Vec<u8> {
    let mut b = BtfBuilder::new();
    b.add(int("int", 4, true));
    b.add(composite(
        "thing",
        8,
        vec![member("a", 1, 0, 0), member("b", 1, 32, 5)],
    ));
    b.add(composite("thing___2", 4, vec![member("c", 1, 0, 0)]));
    b.encode(endian).unwrap()
}

fn one(local: &[u8], kernel: &[u8], relo: CoreRelo<&str>) -> Result<Outcome, CoreError> {
    let (local, kernel) = (Btf::parse(local).unwrap(), Btf::parse(kernel).unwrap());
    Resolver::new(&local, Some(&kernel), &Vec::new).resolve(relo)
}

fn target(outcome: Result<Outcome, CoreError>) -> u64 {
    match outcome {
        Ok(Outcome::Value(value)) => value.target,
        other => panic!("{other:?}"),
    }
}

#[test]
fn candidates_must_agree() {
    let mut b = BtfBuilder::new();
    b.add(int("int", 4, true));
    // Two types of the name, as imperfect deduplication leaves them.
    let same = vec![member("a", 1, 64, 0), member("x", 1, 0, 0)];
    b.add(composite("thing", 16, same));
    let mut other = vec![member("a", 1, 64, 0), member("b", 1, 96, 5)];
    b.add(composite("thing___other", 20, other.clone()));
    let offset = relo(2, "0:0", CoreReloKind::FieldByteOffset);
    let local = local(Endian::NATIVE);
    let encode = |b: &BtfBuilder| b.encode(Endian::NATIVE).unwrap();
    assert_eq!(target(one(&local, &encode(&b), offset)), 8);
    let size = relo(2, "0", CoreReloKind::TypeSize);
    let error = one(&local, &encode(&b), size).unwrap_err();
    assert!(matches!(
        error,
        CoreError::Ambiguous {
            first: 16,
            second: 20,
            ..
        }
    ));
    assert!(error.to_string().contains("struct thing"), "{error}");

    // Once a field tells them apart, only those that have it are asked.
    other[0].bit_offset = 32;
    b.add(composite("thing___third", 20, other));
    let kernel = encode(&b);
    assert!(one(&local, &kernel, offset).is_err());
    let (local, kernel) = (Btf::parse(&local).unwrap(), Btf::parse(&kernel).unwrap());
    let mut resolver = Resolver::new(&local, Some(&kernel), &Vec::new);
    let bits = relo(2, "0:1", CoreReloKind::FieldExists);
    assert_eq!(target(resolver.resolve(bits)), 1);
    assert!(resolver.resolve(offset).is_err());
    assert_eq!(target(resolver.resolve(size)), 20);
}

/// Without a sign, the highest bit is a bit like others. Where the program's value does not have
/// it, libbpf's answer stands: old type information does not tell signs.
#[test]
fn values_of_enums_are_extended_as_the_compiler_did() {
    let with = |signed, value: u32| {
        let mut b = BtfBuilder::new();
        b.add(Type::Enum(Enum {
            name: "flags".into(),
            size: 4,
            signed,
            variants: vec![Variant {
                name: "TOP".into(),
                value: value as i32,
            }],
        }));
        b.encode(Endian::NATIVE).unwrap()
    };
    let ask = |signed, local, kernel| {
        let question = relo(1, "0", CoreReloKind::EnumValValue);
        match one(&with(signed, local), &with(signed, kernel), question) {
            Ok(Outcome::Value(value)) => (value.local, value.target),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        ask(false, 0x8000_0000, 0xffff_fffe),
        (0x8000_0000, 0xffff_fffe)
    );
    assert_eq!(ask(false, 1, -1i32 as u32), (1, u64::MAX));
    assert_eq!(
        ask(true, -1i32 as u32, -7i32 as u32),
        (u64::MAX, -7i64 as u64)
    );
}

#[test]
fn types_missing_from_the_kernel_are_found_in_modules() {
    let mut b = BtfBuilder::new();
    b.add(int("int", 4, true));
    let kernel = b.encode(Endian::NATIVE).unwrap();
    let kernel = Btf::parse(&kernel).unwrap();
    let mut b = BtfBuilder::split(&kernel);
    b.add(composite("thing", 12, vec![member("a", 1, 64, 0)]));
    let module = b.encode_split(&kernel).unwrap();
    let module = Btf::parse_split(&module, &kernel).unwrap();
    let local = local(Endian::NATIVE);
    let local = Btf::parse(&local).unwrap();
    let modules = || vec![&module];
    let mut resolver = Resolver::new(&local, Some(&kernel), &modules);
    let offset = relo(2, "0:0", CoreReloKind::FieldByteOffset);
    assert_eq!(target(resolver.resolve(offset)), 8);
    let id = relo(2, "0", CoreReloKind::TypeIdTarget);
    assert_eq!(target(resolver.resolve(id)), 2);
    // And say so if they lack it too.
    let Ok(Outcome::Missing(missing)) =
        resolver.resolve(relo(3, "0:0", CoreReloKind::FieldByteSize))
    else {
        panic!("it is there");
    };
    assert_eq!(
        missing.to_string(),
        "field `thing.c` does not exist on this kernel"
    );
}

#[test]
fn bit_fields_are_shifted_by_the_byte_order() {
    for (endian, shift) in [(Endian::Little, 64 - 9), (Endian::Big, 32 + 4)] {
        let mut b = BtfBuilder::new();
        b.add(int("int", 4, true));
        b.add(composite("thing", 8, vec![member("b", 1, 36, 5)]));
        let kernel = b.encode(endian).unwrap();
        let local = local(endian);
        let ask = |kind| target(one(&local, &kernel, relo(2, "0:1", kind)));
        assert_eq!(ask(CoreReloKind::FieldByteOffset), 4);
        assert_eq!(ask(CoreReloKind::FieldByteSize), 4);
        assert_eq!(ask(CoreReloKind::FieldLshiftU64), shift);
        assert_eq!(ask(CoreReloKind::FieldRshiftU64), 59);
        assert_eq!(ask(CoreReloKind::FieldSigned), 1);
    }
}

/// A pointer of a 32-bit kernel is loaded with four bytes.
#[test]
fn pointers_have_the_size_of_the_kernels_machine() {
    let types = |long: u32| {
        let mut b = BtfBuilder::new();
        b.add(int("long unsigned int", long, false));
        b.add(Type::Ptr(Ptr { type_id: 0 }));
        b.add(composite(
            "thing",
            2 * long,
            vec![member("p", 2, 8 * long, 0)],
        ));
        b.encode(Endian::NATIVE).unwrap()
    };
    let (local, kernel) = (types(8), types(4));
    let Ok(Outcome::Value(value)) = one(
        &local,
        &kernel,
        relo(3, "0:0", CoreReloKind::FieldByteOffset),
    ) else {
        panic!("it is there");
    };
    assert_eq!((value.local, value.target), (8, 4));
    assert_eq!((value.local_size, value.target_size), (8, 4));
    assert!(value.resizable);
}

/// Types that contain each other in more ways than a walk could try.
#[test]
fn hostile_types_are_refused() {
    let mut b = BtfBuilder::new();
    b.add(int("int", 4, true));
    // Structs of two nameless members of the next one, sixty deep.
    for id in 2..62 {
        let members = vec![member("", id + 1, 0, 0), member("", id + 1, 0, 0)];
        b.add(composite(if id == 2 { "thing" } else { "" }, 8, members));
    }
    b.add(composite("", 8, Vec::new()));
    let kernel = b.encode(Endian::NATIVE).unwrap();
    let local = local(Endian::NATIVE);
    let ask = relo(2, "0:0", CoreReloKind::FieldExists);
    assert_eq!(one(&local, &kernel, ask), Err(CoreError::TooComplex));

    // A function that takes pointers to itself.
    let mut b = BtfBuilder::new();
    let param = || Param {
        name: String::new(),
        type_id: 2,
    };
    b.add(Type::FuncProto(FuncProto {
        ret_type_id: 0,
        params: vec![param(), param(), param()],
    }));
    b.add(Type::Ptr(Ptr { type_id: 1 }));
    b.add(Type::Typedef(crate::Typedef {
        name: "f".into(),
        type_id: 2,
    }));
    b.add(Type::Array(Array {
        type_id: 4,
        index_type_id: 4,
        nelems: 2,
    }));
    b.add(composite("round", 8, vec![member("m", 4, 0, 0)]));
    let types = b.encode(Endian::NATIVE).unwrap();
    for (id, access) in [(3, "0"), (5, "0"), (5, "0:0:0")] {
        for kind in 0..13 {
            let kind = CoreReloKind::from_number(kind).unwrap();
            // Whatever the answer, there is one.
            let _ = one(&types, &types, relo(id, access, kind));
        }
    }
    let parsed = Btf::parse(&types).unwrap();
    assert_eq!(parsed.last_id(), 5);
}
