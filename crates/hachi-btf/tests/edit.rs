//! Sets of types joined and freed of duplicates, judged by kernels, clang and libbpf.

mod support;

use std::process::Command;
use std::time::Instant;

use hachi_btf::edit::{distil, relocate};
use hachi_btf::*;
use hachi_test::{TempDir, find_program, skip};

/// How many types stay whatever their duplicates: variables, sections, and notes on those.
fn things(btf: &Btf<'_>) -> u32 {
    let mut count = 0;
    for item in btf.iter().expect("is sound") {
        let (_, ty) = item.expect("is sound");
        let about = |id: u32| btf.shape(id).map(|shape| shape.kind);
        count += u32::from(match &ty {
            Type::Var(_) | Type::DataSec(_) => true,
            Type::DeclTag(tag) => matches!(about(tag.type_id), Ok(Kind::Var)),
            _ => false,
        });
    }
    count
}

#[test]
fn a_kernels_types_added_to_themselves_are_the_same_types() {
    let kernels = support::kernels();
    if kernels.is_empty() {
        skip!("no /sys/kernel/btf/vmlinux");
    }
    for (name, bytes) in kernels {
        let btf = Btf::parse(&bytes).expect("parses");
        let mut once = BtfBuilder::from_btf(&btf).expect("reads");
        let mut twice = once.clone();
        let by = twice.append(&btf).expect("appends");
        // Kernels were freed of duplicates when they were built, by algorithms of their time.
        once.dedup().expect("is sound");
        assert!(once.last_id() > by - by / 500, "{}", by - once.last_id());
        let start = Instant::now();
        let map = twice.dedup().expect("is sound");
        eprintln!("{name}: {} types in {:?}", 2 * by, start.elapsed());
        assert_eq!(twice.last_id(), once.last_id() + things(&btf));
        for id in 1..=by {
            let (first, second) = (map[id as usize], map[(id + by) as usize]);
            assert_eq!(twice.get(first), once.get(first));
            let kind = btf.shape(id).expect("is sound").kind;
            if !matches!(kind, Kind::Var | Kind::DataSec | Kind::DeclTag) {
                assert_eq!(first, second);
            }
        }
    }
}

/// Three units that share types, know each other's only by announcement, or not at all.
const UNITS: [(&str, &str); 3] = [
    (
        "list",
        "struct node; enum colour { RED, BLUE };
         struct list { struct node *first; struct list *next; enum colour colour; };
         struct only_here { int count; int (*run)(struct list *, const char *); };
         struct list list; struct only_here here;",
    ),
    (
        "node",
        "enum colour { RED, BLUE }; struct list;
         struct node { struct list *list; struct node *next; unsigned long long value; };
         typedef struct node node_t;
         struct list { struct node *first; struct list *next; enum colour colour; };
         node_t node; struct list a_list; const volatile node_t *const pointer;",
    ),
    (
        "other",
        "struct node { int quite; int different; };
         struct other { struct node node; struct { int x, y; } at[4]; unsigned flags : 3; };
         struct other other; int (*run)(struct other *, const char *);",
    ),
];

fn compile(clang: &std::path::Path, dir: &TempDir) -> Vec<Vec<u8>> {
    UNITS
        .iter()
        .map(|(name, source)| {
            let (source_file, object) = (format!("{name}.c"), format!("{name}.o"));
            std::fs::write(dir.join(&source_file), source).unwrap();
            support::run_clang(
                clang,
                dir.path(),
                &["-g", "-O1", "-c", &source_file, "-o", &object],
            );
            let elf = std::fs::read(dir.join(&object)).unwrap();
            support::elf_section(&elf, ".BTF").expect("clang writes .BTF")
        })
        .collect()
}

/// Everything about a set of types that does not depend on ids and order.
fn outlines(btf: &Btf<'_>) -> Vec<String> {
    let mut all = Vec::new();
    for id in 1..=btf.last_id() {
        let ty = btf.get(id).expect("is sound");
        // Sections get their places from the linker.
        if ty.kind() == Kind::DataSec {
            continue;
        }
        let mut text = format!("{} {}", ty.kind().name(), btf.type_name(id));
        for member in btf.members(id).expect("is sound") {
            let declaration = btf.declaration(member.type_id, member.name);
            text += &format!("; {declaration} @{}:{}", member.bit_offset, member.bit_size);
        }
        all.push(text);
    }
    all.sort();
    all
}

#[test]
fn units_merge_as_libbpf_merges_them() {
    let Some(clang) = hachi_test::find_clang() else {
        skip!("no clang that makes code for BPF");
    };
    let Some(bpftool) = find_program("bpftool") else {
        skip!("no bpftool");
    };
    let dir = TempDir::new().unwrap();
    let mut merged = BtfBuilder::new();
    for bytes in compile(&clang, &dir) {
        let unit = Btf::parse(&bytes).expect("parses");
        let before: Vec<String> = (1..=unit.last_id()).map(|id| unit.type_name(id)).collect();
        let map = merged.merge(&unit).expect("merges");
        for (name, &id) in before.iter().zip(&map[1..]) {
            assert_eq!(&merged.type_name(id), name);
        }
    }
    let output = Command::new(bpftool)
        .args(["gen", "object", "all.o", "list.o", "node.o", "other.o"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let elf = std::fs::read(dir.join("all.o")).unwrap();
    let theirs = support::elf_section(&elf, ".BTF").expect("libbpf writes .BTF");
    let theirs = Btf::parse(&theirs).expect("parses");
    let ours = merged.encode(Endian::Little).expect("encodes");
    let ours = Btf::parse(&ours).expect("parses");
    assert_eq!(outlines(&ours), outlines(&theirs));
    // The list's node is the one of the second unit, and the third has its own.
    assert_eq!(ours.candidates("node").len(), 2);
    assert_eq!(ours.candidates("list").len(), 1);
}

/// libbpf does this since 1.2.
#[test]
fn forward_declarations_resolve_to_the_only_definition() {
    let announce = |b: &mut BtfBuilder| {
        let fwd = b.add(Type::Fwd(Fwd {
            name: "later".into(),
            union: false,
        }));
        b.add(Type::Ptr(Ptr { type_id: fwd }))
    };
    let define = |b: &mut BtfBuilder, size| {
        b.add(Type::Struct(Composite {
            name: "later".into(),
            size,
            members: vec![],
        }))
    };
    let mut b = BtfBuilder::new();
    let pointer = announce(&mut b);
    let definition = define(&mut b, 4);
    let map = b.dedup().expect("is sound");
    assert_eq!(b.len(), 2);
    assert_eq!(
        b.get(map[pointer as usize]),
        Some(&Type::Ptr(Ptr {
            type_id: map[definition as usize]
        }))
    );
    // Twice is not once.
    let mut b = BtfBuilder::new();
    announce(&mut b);
    define(&mut b, 4);
    define(&mut b, 8);
    b.dedup().expect("is sound");
    assert_eq!(b.len(), 4);
    // Enums likewise, whatever size was assumed.
    let mut b = BtfBuilder::new();
    for (size, variants) in [(4, vec![]), (1, vec![("A", 1)])] {
        let id = b.add(Type::Enum(Enum {
            name: "e".into(),
            size,
            signed: false,
            variants: variants
                .into_iter()
                .map(|(name, value)| Variant {
                    name: name.into(),
                    value,
                })
                .collect(),
        }));
        b.add(Type::Ptr(Ptr { type_id: id }));
    }
    b.dedup().expect("is sound");
    assert_eq!(b.len(), 2);
    assert_eq!(b.size_of(2), Ok(1));
}

#[test]
fn circles_without_a_struct_are_refused() {
    let mut b = BtfBuilder::new();
    b.add(Type::Ptr(Ptr { type_id: 2 }));
    b.add(Type::Const(Qualifier { type_id: 1 }));
    assert!(b.dedup().is_err());
    let mut b = BtfBuilder::new();
    b.add(Type::Ptr(Ptr { type_id: 9 }));
    assert!(b.dedup().is_err());
}

/// Split BTF on top of a kernel's, with values and pointers of its types.
fn module(base: &Btf<'_>) -> BtfBuilder {
    let find = |name, kind| base.find(name, kind).expect("kernels have it");
    let task = find("task_struct", Kind::Struct);
    let list = find("list_head", Kind::Struct);
    let pid_t = find("pid_t", Kind::Typedef);
    let mut b = BtfBuilder::split(base);
    let pointer = b.add(Type::Ptr(Ptr { type_id: task }));
    let array = b.add(Type::Array(Array {
        type_id: list,
        index_type_id: find("int", Kind::Int),
        nelems: 2,
    }));
    let member = |name: &str, type_id, bit_offset| Member {
        name: name.into(),
        type_id,
        bit_offset,
        bit_size: 0,
    };
    b.add(Type::Struct(Composite {
        name: "module_state".into(),
        size: 48,
        members: vec![
            member("task", pointer, 0),
            member("lists", array, 64),
            member("pid", pid_t, 320),
        ],
    }));
    let pid = b.add(Type::Ptr(Ptr { type_id: pid_t }));
    b.add(Type::FuncProto(FuncProto {
        ret_type_id: pid,
        params: vec![Param {
            name: "task".into(),
            type_id: pointer,
        }],
    }));
    b
}

#[test]
fn distilled_split_types_move_onto_another_base() {
    let kernels = support::kernels();
    let Some((_, bytes)) = kernels.first() else {
        skip!("no /sys/kernel/btf/vmlinux");
    };
    let vmlinux = Btf::parse(bytes).expect("parses");
    let own = module(&vmlinux);
    let own_bytes = own.encode_split(&vmlinux).expect("encodes");
    let split = Btf::parse_split(&own_bytes, &vmlinux).expect("parses");
    let distilled = distil(&split).expect("distils");
    // task_struct and list_head, int; pid_t and what it names is no type of its own in a base.
    let mut names: Vec<_> = (1..=distilled.base.last_id())
        .map(|id| distilled.base.type_name(id))
        .collect();
    names.sort();
    assert_eq!(names, ["int", "struct list_head", "struct task_struct"]);

    let base_bytes = distilled.base.encode(vmlinux.endian()).expect("encodes");
    let small = Btf::parse(&base_bytes).expect("parses");
    let small_bytes = distilled.split.encode_split(&small).expect("encodes");
    let moved = Btf::parse_split(&small_bytes, &small).expect("parses");
    for at in 0..own.len() as u32 {
        assert_eq!(
            moved.type_name(moved.first_id() + at),
            split.type_name(split.first_id() + at)
        );
    }
    // Onto all kernels there are, the first included, where duplicates then go again.
    for (name, bytes) in &kernels {
        let base = Btf::parse(bytes).expect("parses");
        let mut back = relocate(&moved, &base).expect(name);
        let bytes = back.encode_split(&base).expect("encodes");
        let again = Btf::parse_split(&bytes, &base).expect("parses");
        let task = again.find("task_struct", Kind::Struct).expect("exists");
        assert_eq!(
            again.get(again.first_id()),
            Ok(Type::Ptr(Ptr { type_id: task }))
        );
        let map = back.dedup_split(&base).expect("is sound");
        let state = back.get(back.last_id().min(map[base.last_id() as usize + 3]));
        assert!(
            matches!(state, Some(Type::Struct(s)) if s.name == "module_state"),
            "{state:?}"
        );
        assert!(back.len() <= own.len());
    }
    // A base without them.
    let empty = BtfBuilder::new().encode(vmlinux.endian()).expect("encodes");
    let empty = Btf::parse(&empty).expect("parses");
    let error = relocate(&moved, &empty)
        .expect_err("nothing there")
        .to_string();
    assert!(error.contains("the base has no"), "{error}");
    assert!(distil(&vmlinux).is_err());
}

#[test]
fn contained_types_must_have_their_size() {
    let composite = |name: &str, size| {
        Type::Struct(Composite {
            name: name.into(),
            size,
            members: vec![],
        })
    };
    let base_with = |size| {
        let mut b = BtfBuilder::new();
        b.add(composite("inner", size));
        b.encode(Endian::NATIVE).expect("encodes")
    };
    let (eight, twelve) = (base_with(8), base_with(12));
    let (eight, twelve) = (Btf::parse(&eight).unwrap(), Btf::parse(&twelve).unwrap());
    for contained in [false, true] {
        let mut b = BtfBuilder::split(&eight);
        b.add(Type::Ptr(Ptr { type_id: 1 }));
        b.add(Type::Struct(Composite {
            name: "outer".into(),
            size: 8,
            members: vec![Member {
                name: "it".into(),
                type_id: if contained { 1 } else { 2 },
                bit_offset: 0,
                bit_size: 0,
            }],
        }));
        let bytes = b.encode_split(&eight).expect("encodes");
        let split = Btf::parse_split(&bytes, &eight).expect("parses");
        assert!(relocate(&split, &eight).is_ok());
        assert_eq!(relocate(&split, &twelve).is_ok(), !contained);
    }
}
