use hachi_asm::Endian;

use crate::ext::{CoreRelo, CoreReloKind, ExtIndex, FuncInfo, LineInfo, LineRecord, Section};
use crate::*;

pub(crate) fn int(name: &str, size: u32, signed: bool) -> Type {
    Type::Int(Int {
        signed,
        ..Int::unsigned(name, size)
    })
}

pub(crate) fn member(name: &str, type_id: u32, bit_offset: u32, bit_size: u8) -> Member {
    Member {
        name: name.into(),
        type_id,
        bit_offset,
        bit_size,
    }
}

pub(crate) fn param(name: &str, type_id: u32) -> Param {
    Param {
        name: name.into(),
        type_id,
    }
}

/// One type of each kind, referring to each other.
pub(crate) fn zoo() -> BtfBuilder {
    let mut b = BtfBuilder::new();
    let u32_ = b.add(int("unsigned int", 4, false)); // 1
    let char_ = b.add(int("char", 1, true)); // 2
    let const_char = b.add(Type::Const(Qualifier { type_id: char_ })); // 3
    let text = b.add(Type::Ptr(Ptr {
        type_id: const_char,
    })); // 4
    let array = b.add(Type::Array(Array {
        type_id: u32_,
        index_type_id: u32_,
        nelems: 4,
    })); // 5
    let pair = b.add(Type::Struct(Composite {
        name: "pair".into(),
        size: 24,
        members: vec![
            member("text", text, 0, 0),
            member("low", u32_, 64, 3),
            member("high", u32_, 67, 29),
            member("next", 7, 128, 0),
        ],
    })); // 6
    b.add(Type::Ptr(Ptr { type_id: pair })); // 7
    b.add(Type::Union(Composite {
        name: String::new(),
        size: 16,
        members: vec![member("a", array, 0, 0), member("b", text, 0, 0)],
    })); // 8
    b.add(Type::Enum(Enum {
        name: "colour".into(),
        size: 4,
        signed: true,
        variants: vec![
            Variant {
                name: "RED".into(),
                value: -1,
            },
            Variant {
                name: "BLUE".into(),
                value: i32::MAX,
            },
        ],
    })); // 9
    b.add(Type::Enum64(Enum64 {
        name: "wide".into(),
        size: 8,
        signed: false,
        variants: vec![Variant {
            name: "W".into(),
            value: 0x1234_5678_9abc_def0,
        }],
    })); // 10
    b.add(Type::Fwd(Fwd {
        name: "later".into(),
        union: true,
    })); // 11
    b.add(Type::Typedef(Typedef {
        name: "__u32".into(),
        type_id: u32_,
    })); // 12
    b.add(Type::Volatile(Qualifier { type_id: 12 })); // 13
    b.add(Type::Restrict(Qualifier { type_id: text })); // 14
    b.add(Type::FuncProto(FuncProto {
        ret_type_id: u32_,
        params: vec![param("p", 7), param("n", 12), param("", 0)],
    })); // 15
    b.add(Type::Func(Func {
        name: "run".into(),
        type_id: 15,
        linkage: Linkage::Global,
    })); // 16
    b.add(Type::Var(Var {
        name: "limit".into(),
        type_id: 13,
        linkage: Linkage::Static,
    })); // 17
    b.add(Type::DataSec(DataSec {
        name: ".rodata".into(),
        size: 8,
        vars: vec![VarSecInfo {
            type_id: 17,
            offset: 4,
            size: 4,
        }],
    })); // 18
    b.add(Type::Float(Float {
        name: "double".into(),
        size: 8,
    })); // 19
    b.add(Type::DeclTag(DeclTag {
        value: "rust:Pair<T>".into(),
        type_id: pair,
        component_idx: -1,
        attribute: false,
    })); // 20
    b.add(Type::TypeTag(TypeTag {
        value: "user".into(),
        type_id: u32_,
        attribute: true,
    })); // 21
    b.add(Type::Ptr(Ptr { type_id: 15 })); // 22
    b
}

#[test]
fn every_kind_survives_a_round_trip_in_both_orders() {
    let b = zoo();
    for endian in [Endian::Little, Endian::Big] {
        let bytes = b.encode(endian).expect("encodes");
        let btf = Btf::parse(&bytes).expect("parses");
        assert_eq!(btf.endian(), endian);
        assert_eq!(BtfBuilder::from_btf(&btf).expect("reads"), b);
        assert_eq!(btf.last_id(), b.last_id());
        for id in 1..=btf.last_id() {
            assert_eq!(btf.shape(id), b.shape(id), "{id}");
            assert_eq!(btf.members(id), b.members(id));
            assert_eq!(btf.params(id), b.params(id));
            assert_eq!(btf.type_name(id), b.type_name(id));
            assert_eq!(btf.size_of(id), b.size_of(id));
            let ty = btf.get(id).expect("there");
            if let Some(name) = ty.name().filter(|name| !name.is_empty()) {
                let found = btf.find(name, ty.kind()).expect("found by name");
                assert_eq!(b.find(name, ty.kind()), Some(found));
            }
        }
        assert_eq!(btf.find("pair", Kind::Union), None);
        assert_eq!(btf.find("pai", Kind::Struct), None);
    }
}

#[test]
fn names_are_those_of_c() {
    let mut b = zoo();
    let names = [
        (0, "void"),
        (4, "const char *"),
        (5, "unsigned int[4]"),
        (7, "struct pair *"),
        (8, "union {…}"),
        (11, "union later"),
        (13, "volatile __u32"),
        (14, "const char *restrict"),
        (15, "unsigned int (struct pair *p, __u32 n, ...)"),
        (22, "unsigned int (*)(struct pair *p, __u32 n, ...)"),
        (99, "?"),
    ];
    for (id, name) in names {
        assert_eq!(b.type_name(id), name);
    }
    assert_eq!(b.declaration(5, "ports"), "unsigned int ports[4]");
    assert_eq!(
        b.declaration(22, "hook"),
        "unsigned int (*hook)(struct pair *p, __u32 n, ...)"
    );
    let to_array = b.add(Type::Ptr(Ptr { type_id: 5 }));
    assert_eq!(b.declaration(to_array, "p"), "unsigned int (*p)[4]");
    let pointers = b.add(Type::Array(Array {
        type_id: 4,
        index_type_id: 1,
        nelems: 2,
    }));
    assert_eq!(b.declaration(pointers, "p"), "const char *p[2]");
    let const_pointer = b.add(Type::Const(Qualifier { type_id: 4 }));
    assert_eq!(b.declaration(const_pointer, "p"), "const char *const p");
    let nothing = b.add(Type::FuncProto(FuncProto {
        ret_type_id: 0,
        params: vec![],
    }));
    assert_eq!(b.declaration(nothing, "f"), "void f(void)");
}

#[test]
fn types_can_be_owned() {
    for endian in [Endian::Little, Endian::Big] {
        let bytes = zoo().encode(endian).expect("encodes");
        let owned = OwnedBtf::parse(bytes.clone()).expect("parses");
        assert_eq!(owned.bytes(), bytes);
        assert_eq!(owned, OwnedBtf::build(&zoo(), endian).expect("encodes"));
        assert_eq!(owned.find("pair", Kind::Struct), Some(6));
        for id in 1..=owned.last_id() {
            assert_eq!(owned.type_name(id), zoo().type_name(id));
            assert_eq!(owned.size_of(id), zoo().size_of(id));
            assert_eq!(owned.members(id), zoo().members(id));
        }
        // A longer header, and something between the sections and after them.
        let (types, strings) = (owned.types().type_bytes(), owned.types().string_bytes());
        let mut odd = bytes[..12].to_vec();
        odd[4..8].copy_from_slice(&endian.put_u32(28));
        let len = [types.len(), strings.len()].map(|len| len as u32);
        for word in [len[0], 4 + len[1], len[1], 0] {
            odd.extend(endian.put_u32(word));
        }
        let at = odd.len();
        odd[8..12].copy_from_slice(&endian.put_u32(len[1] + 4));
        odd[16..20].copy_from_slice(&endian.put_u32(0));
        odd.extend_from_slice(strings);
        odd.extend([0xaa; 4]);
        odd.extend_from_slice(types);
        odd.extend([0xbb; 4]);
        assert_eq!(at, 28);
        assert_eq!(OwnedBtf::parse(odd).expect("parses"), owned);
    }
    assert!(OwnedBtf::parse(b"no types".to_vec()).is_err());
    // The order of bytes makes no difference, what they say does.
    let [little, big] = [Endian::Little, Endian::Big].map(|endian| OwnedBtf::build(&zoo(), endian));
    assert_eq!(little, big);
    let mut other = zoo();
    *other.get_mut(2).expect("there") = int("char", 2, true);
    assert_ne!(OwnedBtf::build(&other, Endian::Little), little);
}

#[test]
fn words_are_patched_in_place() {
    for endian in [Endian::Little, Endian::Big] {
        let mut builder = zoo();
        let second = builder.add(Type::Var(Var {
            name: "second".into(),
            type_id: 13,
            linkage: Linkage::Extern,
        }));
        let function = builder.add(Type::Func(Func {
            name: "run".into(),
            type_id: 15,
            linkage: Linkage::Extern,
        }));
        let vars = [17, second].map(|type_id| VarSecInfo {
            type_id,
            offset: 0,
            size: 4,
        });
        let section = builder.add(Type::DataSec(DataSec {
            name: ".data".into(),
            size: 0,
            vars: vars.to_vec(),
        }));
        let last = builder.add(int("last", 4, true));
        let before = builder.encode(endian).expect("encodes");
        let mut patch = BtfPatch::parse(before.clone()).expect("parses");
        let name = patch.types().string_bytes().len() as u32;
        // What is of another kind stays as it is, and so does a section without room.
        patch.set_section_size(6, 1);
        patch.set_section_vars(6, &vars[..1]);
        patch.set_section_vars(section, &[vars[0], vars[1], vars[1]]);
        patch.set_linkage(6, Linkage::Static);
        patch.set_var_type(function, 1);
        patch.name_params(function, 1);
        patch.name_params(99, 1);
        assert_eq!(BtfBuilder::from_btf(&patch.types()), Ok(builder.clone()));

        patch.set_section_size(section, 8);
        patch.set_section_vars(section, &vars[1..]);
        patch.set_linkage(second, Linkage::Global);
        patch.set_linkage(function, Linkage::Static);
        patch.set_var_type(second, 1);
        assert_eq!(patch.add_string("nameless"), name);
        let proto = 15;
        patch.name_params(proto, name);
        let number = patch.add_int(name, 4);
        let var = patch.add_var(name, number, Linkage::Global);

        *builder.get_mut(second).expect("there") = Type::Var(Var {
            name: "second".into(),
            type_id: 1,
            linkage: Linkage::Global,
        });
        *builder.get_mut(function).expect("there") = Type::Func(Func {
            name: "run".into(),
            type_id: 15,
            linkage: Linkage::Static,
        });
        *builder.get_mut(section).expect("there") = Type::DataSec(DataSec {
            name: ".data".into(),
            size: 8,
            vars: vars[1..].to_vec(),
        });
        assert_eq!(builder.add(int("nameless", 4, true)), number);
        let added = Type::Var(Var {
            name: "nameless".into(),
            type_id: number,
            linkage: Linkage::Global,
        });
        assert_eq!(builder.add(added), var);
        let patched = patch.finish();
        assert_eq!(BtfBuilder::from_btf(&patched.types()), Ok(builder.clone()));
        let parsed = Btf::parse(patched.bytes()).expect("a section");
        assert_eq!(BtfBuilder::from_btf(&parsed), Ok(builder));
        assert_eq!(parsed.find("last", Kind::Int), Some(last));
        // Strings stay where they are.
        let old = Btf::parse(&before).expect("parses");
        assert!(parsed.string_bytes().starts_with(old.string_bytes()));
    }
}

#[test]
fn a_table_can_keep_strings_where_they_are() {
    let bytes = zoo().encode(Endian::Little).expect("encodes");
    let btf = Btf::parse(&bytes).expect("parses");
    let mut strings = StringTable::keeping(&btf);
    let new = strings.add("not among them");
    assert_eq!(new as usize, btf.string_bytes().len());
    let mut types = zoo();
    sanitize(&mut types, &Features::default());
    let again = types
        .encode_with(&mut strings, Endian::Little)
        .expect("encodes");
    let again = Btf::parse(&again).expect("parses");
    assert!(again.string_bytes().starts_with(btf.string_bytes()));
    assert_eq!(again.string(new), Ok("not among them"));
    assert_eq!(BtfBuilder::from_btf(&again), Ok(types));
}

#[test]
fn circles_end() {
    let mut b = BtfBuilder::new();
    b.add(Type::Typedef(Typedef {
        name: "a".into(),
        type_id: 2,
    }));
    b.add(Type::Const(Qualifier { type_id: 1 }));
    assert!(b.resolve(1).is_err());
    assert!(b.size_of(2).is_err());
    assert!(b.align_of(2).is_err());
    assert!(!b.type_name(2).is_empty());
    // Two members of itself: a naive walk would double with every level.
    let id = b.add(Type::Struct(Composite {
        name: "s".into(),
        size: 8,
        members: vec![member("x", 3, 0, 0), member("y", 3, 0, 0)],
    }));
    assert!(b.align_of(id).is_err());
    let id = b.add(Type::FuncProto(FuncProto {
        ret_type_id: 5,
        params: vec![param("a", 5), param("b", 5)],
    }));
    b.add(Type::Ptr(Ptr { type_id: id }));
    assert!(b.type_name(id).len() < 10_000);
}

#[test]
fn sizes_and_alignments() {
    let mut b = zoo();
    assert_eq!(b.size_of(5), Ok(16));
    assert_eq!(b.size_of(6), Ok(24));
    assert_eq!(b.size_of(13), Ok(4));
    assert_eq!(b.align_of(6), Ok(8));
    assert!(b.size_of(0).is_err());
    assert!(b.size_of(11).is_err());
    assert!(b.size_of(16).is_err());
    assert_eq!(b.resolve(13), Ok(1));
    let packed = b.add(Type::Struct(Composite {
        name: "packed".into(),
        size: 5,
        members: vec![member("a", 2, 0, 0), member("b", 1, 8, 0)],
    }));
    assert_eq!(b.align_of(packed), Ok(1));
    let huge = b.add(Type::Array(Array {
        type_id: 5,
        index_type_id: 1,
        nelems: u32::MAX,
    }));
    assert!(b.size_of(huge).is_err());
}

#[test]
fn split_btf_continues_its_base() {
    for endian in [Endian::Little, Endian::Big] {
        let base_bytes = zoo().encode(endian).expect("encodes");
        let base = Btf::parse(&base_bytes).expect("parses");
        let mut own = BtfBuilder::split(&base);
        assert_eq!(own.first_id(), base.last_id() + 1);
        let pointer = own.add(Type::Ptr(Ptr { type_id: 6 }));
        let module = own.add(Type::Struct(Composite {
            name: "module_state".into(),
            size: 8,
            members: vec![member("text", pointer, 0, 0)],
        }));
        let mut bytes = own.encode_split(&base).expect("encodes");
        assert!(own.encode(endian).is_err());
        let split = Btf::parse_split(&bytes, &base).expect("parses");
        assert_eq!(
            split.string_bytes(),
            b"module_state\0",
            "the base has \"text\""
        );
        assert_eq!(split.first_id(), pointer);
        assert_eq!(split.type_name(pointer), "struct pair *");
        assert_eq!(split.find("pair", Kind::Struct), Some(6));
        assert_eq!(split.find("module_state", Kind::Struct), Some(module));
        assert_eq!(split.candidates("module_state___v2"), [module]);
        assert_eq!(split.candidates("pair"), [6]);
        assert_eq!(split.string(1).ok(), base.string(1).ok());
        assert!(split.get(split.last_id() + 1).is_err());
        assert_eq!(BtfBuilder::from_btf(&split).as_ref(), Ok(&own));

        // A third part on top of both.
        let mut third = BtfBuilder::split(&split);
        let typedef = third.add(Type::Typedef(Typedef {
            name: "third_t".into(),
            type_id: module,
        }));
        let third_bytes = third.encode_split(&split).expect("encodes");
        let third = Btf::parse_split(&third_bytes, &split).expect("parses");
        assert_eq!(third.size_of(typedef), Ok(8));
        assert_eq!(third.type_name(typedef), "third_t");

        let map = own.retain(|id, _| id == pointer);
        assert_eq!(
            (map[6], map[pointer as usize], map[module as usize]),
            (6, pointer, 0)
        );
        assert_eq!(own.len(), 1);

        bytes[0..2].reverse();
        assert!(Btf::parse_split(&bytes, &base).is_err());
    }
}

/// Types of several names, some more than once, sorted as Linux ≥ 7.0 does and not.
#[test]
fn names_are_found_sorted_or_not() {
    let names = [
        "", "", "a", "b", "b", "b_", "b___old", "bb", "c___x", "c___y",
    ];
    for sorted in [true, false] {
        let mut names = names.to_vec();
        if !sorted {
            names.reverse();
        }
        let mut b = BtfBuilder::new();
        for name in &names {
            b.add(Type::Typedef(Typedef {
                name: (*name).into(),
                type_id: 0,
            }));
            b.add(Type::Fwd(Fwd {
                name: (*name).into(),
                union: false,
            }));
            b.add(Type::Func(Func {
                name: (*name).into(),
                type_id: 0,
                linkage: Linkage::Static,
            }));
        }
        let bytes = b.encode(Endian::NATIVE).expect("encodes");
        let btf = Btf::parse(&bytes).expect("parses");
        assert_eq!(btf.sorted().is_some(), sorted);
        for name in ["a", "b", "b_", "bb", "c", "c___x", "d", "", "b___new"] {
            for kind in [Kind::Typedef, Kind::Fwd, Kind::Func, Kind::Var] {
                assert_eq!(btf.find(name, kind), b.find(name, kind), "{name}");
            }
            let wanted = essential_name(name);
            let all: Vec<u32> = b
                .iter()
                .filter(|(_, ty)| {
                    let name = ty.name().map_or("", |name| essential_name(name));
                    name == wanted && !name.is_empty() && ty.kind() != Kind::Func
                })
                .map(|(id, _)| id)
                .collect();
            assert_eq!(btf.candidates(name), all, "{name}");
        }
    }
}

#[test]
fn retaining_keeps_referenced_types() {
    let mut b = zoo();
    let map = b.retain(|_, ty| matches!(ty, Type::DataSec(_)));
    // .rodata → limit → volatile → __u32 → unsigned int
    assert_eq!(b.len(), 5);
    assert_eq!(b.datasec(".rodata").map(|(id, _)| id), Some(map[18]));
    assert_eq!(map[6], 0);
    let (_, sec) = b.datasec(".rodata").expect("kept");
    assert_eq!(b.type_name(sec.vars[0].type_id), "volatile __u32");
    assert_eq!(b.size_of(map[17]), Ok(4));
}

pub(crate) fn ext() -> BtfExt {
    BtfExt {
        func_info: vec![Section {
            name: "xdp".into(),
            records: vec![FuncInfo {
                insn_off: 0,
                type_id: 16,
            }],
        }],
        line_info: vec![Section {
            name: "xdp".into(),
            records: vec![
                LineInfo {
                    insn_off: 0,
                    file: "src/main.rs".into(),
                    text: "fn run() {".into(),
                    line: 12,
                    column: 4,
                },
                LineInfo {
                    insn_off: 16,
                    file: "src/main.rs".into(),
                    text: "".into(),
                    line: 13,
                    column: 1023,
                },
            ],
        }],
        core_relo: vec![Section {
            name: "xdp".into(),
            records: vec![CoreRelo {
                insn_off: 8,
                type_id: 6,
                access: "0:3".into(),
                kind: CoreReloKind::FieldByteOffset,
            }],
        }],
    }
}

#[test]
fn ext_survives_a_round_trip_in_both_orders() {
    for endian in [Endian::Little, Endian::Big] {
        let mut strings = StringTable::new();
        let bytes = ext().encode(&mut strings, endian);
        let types = zoo().encode_with(&mut strings, endian).expect("encodes");
        let btf = Btf::parse(&types).expect("parses");
        assert_eq!(BtfExt::parse(&bytes, &btf).expect("parses"), ext());
        let index = ExtIndex::parse(&bytes).expect("parses");
        assert_eq!(index.endian, endian);
        let [place] = index.line_info[..] else {
            panic!("{index:?}");
        };
        assert_eq!(btf.string(place.section), Ok("xdp"));
        let lines: Vec<LineRecord> = place.records(&bytes, endian).collect();
        let expected = &ext().line_info[0].records;
        assert_eq!(lines.len(), expected.len());
        for (line, expected) in lines.iter().zip(expected) {
            assert_eq!(btf.string(line.text), Ok(&*expected.text));
            assert_eq!(
                (line.line(), line.column()),
                (expected.line, expected.column)
            );
        }
        // Without CO-RE records the header has their part all the same, of no length, and an empty
        // one is still valid.
        let mut without = ext();
        without.core_relo.clear();
        let bytes = without.encode(&mut strings, endian);
        assert_eq!(endian.u32([bytes[4], bytes[5], bytes[6], bytes[7]]), 32);
        assert_eq!(bytes[28..32], [0; 4]);
        assert_eq!(BtfExt::parse(&bytes, &btf).expect("parses"), without);
        let empty = BtfExt::default().encode(&mut strings, endian);
        assert!(BtfExt::parse(&empty, &btf).expect("parses").is_empty());
    }
}

#[test]
fn values_that_do_not_fit_are_errors() {
    let mut b = BtfBuilder::new();
    b.add(int("u8", 1, false));
    b.add(Type::Struct(Composite {
        name: "far".into(),
        size: u32::MAX,
        members: vec![member("bit", 1, 1, 1), member("far", 1, 1 << 24, 0)],
    }));
    let error = b.encode(Endian::Little).expect_err("does not fit");
    assert!(error.to_string().contains("'far'"), "{error}");
    let mut b = BtfBuilder::new();
    b.add(Type::FuncProto(FuncProto {
        ret_type_id: 0,
        params: vec![param("p", 0); 65536],
    }));
    assert!(b.encode(Endian::Little).is_err());
}

#[test]
fn errors_say_what_is_wrong() {
    let error = |bytes: &[u8]| Btf::parse(bytes).expect_err("malformed").to_string();
    assert!(error(b"").contains("truncated"));
    assert!(error(b"\x7fELF\x02\x01\x01\x00").contains("not BTF"));
    let good = zoo().encode(Endian::Little).expect("encodes");
    let mut bad = good.clone();
    bad[2] = 2;
    assert!(error(&bad).contains("version 2"));
    assert!(error(&good[..good.len() - 1]).contains("string section"));
    let mut bad = good.clone();
    bad[24 + 7] = 30; // kind of type [1]
    let btf = Btf::parse(&bad).expect("the header is fine");
    assert_eq!(
        btf.get(1).expect_err("unknown").to_string(),
        "BTF type [1] is of kind 30, unknown to this version of Hachi (it knows 1 to 19); update \
         Hachi, or build with a matching compiler"
    );
}

/// The running kernel's own, where there is one.
#[test]
fn the_kernels_own_btf_is_readable() {
    let Ok(bytes) = std::fs::read("/sys/kernel/btf/vmlinux") else {
        eprintln!("no /sys/kernel/btf/vmlinux here");
        return;
    };
    let btf = Btf::parse(&bytes).expect("parses");
    let id = btf.find("task_struct", Kind::Struct).expect("exists");
    let size = btf.size_of(id).expect("has a size");
    assert!(size > 1000, "{size}");
    let pid = btf
        .members(id)
        .expect("has members")
        .into_iter()
        .find(|m| m.name == "pid")
        .expect("has a pid");
    assert_eq!(btf.type_name(pid.type_id), "pid_t");
    assert_eq!(btf.size_of(pid.type_id), Ok(4));
    let builder = BtfBuilder::from_btf(&btf).expect("reads");
    assert_eq!(builder.last_id(), btf.last_id());
    let again = builder.encode(btf.endian()).expect("encodes");
    let again = Btf::parse(&again).expect("parses");
    for id in [id, pid.type_id, btf.last_id() / 2, btf.last_id()] {
        assert_eq!(again.get(id), btf.get(id));
    }
}
