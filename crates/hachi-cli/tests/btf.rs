//! `hachi btf`: types of files and of the running kernel.

mod support;

use std::path::PathBuf;

use hachi_asm::Endian;
use hachi_btf::{BtfBuilder, Composite, Enum, Int, Member, Qualifier, Type, Typedef, Variant};
use hachi_test::{TempDir, skip};
use serde_json::json;
use support::{hachi, keys, object};

/// A kernel of sorts: `struct point` with these members, each of four bytes, and an enum.
fn kernel(dir: &TempDir, file: &str, members: &[&str], values: &[(&str, i32)]) -> PathBuf {
    let mut btf = BtfBuilder::new();
    let int = btf.add(Type::Int(Int::signed("int", 4)));
    let members = members.iter().enumerate().map(|(at, name)| Member {
        name: (*name).to_owned(),
        type_id: int,
        bit_offset: 64 * at as u32,
        bit_size: 0,
    });
    let members: Vec<Member> = members.collect();
    btf.add(Type::Struct(Composite {
        name: "point".into(),
        size: 8 * members.len() as u32,
        members,
    }));
    btf.add(Type::Enum(Enum {
        name: "colour".into(),
        size: 4,
        signed: false,
        variants: values
            .iter()
            .map(|(name, value)| Variant {
                name: (*name).to_owned(),
                value: *value,
            })
            .collect(),
    }));
    let path = dir.join(file);
    std::fs::write(&path, btf.encode(Endian::Little).unwrap()).unwrap();
    path
}

fn two_kernels(dir: &TempDir) -> [String; 2] {
    [
        kernel(dir, "old.btf", &["x", "y"], &[("RED", 0), ("BLUE", 1)]),
        kernel(
            dir,
            "new.btf",
            &["w", "x"],
            &[("RED", 0), ("BLUE", 2), ("GREEN", 3)],
        ),
    ]
    .map(|path| path.display().to_string())
}

#[test]
fn types_are_printed_in_all_formats() {
    let dir = TempDir::new().unwrap();
    let [old, _] = two_kernels(&dir);
    let raw = hachi(["btf", "dump", &old]).code(0);
    assert_eq!(
        raw.stdout,
        "\
[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED
[2] STRUCT 'point' size=16 vlen=2
\t'x' type_id=1 bits_offset=0
\t'y' type_id=1 bits_offset=64
[3] ENUM 'colour' encoding=UNSIGNED size=4 vlen=2
\t'RED' val=0
\t'BLUE' val=1
"
    );
    let document = hachi(["btf", "dump", &old, "--json"]).code(0).json();
    assert_eq!(document["types"][1]["members"][1]["bits_offset"], 64);
    let c = hachi(["btf", "dump", &old, "--format", "c", "--type", "point"]).code(0);
    let definition = "struct point {\n\tint x;\n\tint: 32;\n\tint y;\n\tint: 32;\n};\n";
    assert!(c.stdout.contains(definition), "{}", c.stdout);
    assert!(!c.stdout.contains("colour"));
    hachi(["btf", "dump", &old, "--format", "rust", "--type", "point"])
        .code(0)
        .prints(&["struct point", "x: i32"]);
    hachi(["btf", "dump", &old, "--type", "line"])
        .code(1)
        .says(&["no type line", "hachi btf find"]);
}

/// As many members as a struct can have, all of one name, and as many structs of one name: what
/// takes a time that grows with the square of either takes minutes.
#[test]
fn equal_names_by_the_tens_of_thousands_take_seconds() {
    const MANY: u32 = 65_535;
    let dir = TempDir::new().unwrap();
    let member = |type_id, at: u32| Member {
        name: "member".into(),
        type_id,
        bit_offset: 32 * at,
        bit_size: 0,
    };
    let mut wide = BtfBuilder::new();
    let int = wide.add(Type::Int(Int::signed("int", 4)));
    wide.add(Type::Struct(Composite {
        name: "wide".into(),
        size: 4 * MANY,
        members: (0..MANY).map(|at| member(int, at)).collect(),
    }));
    let mut equal = BtfBuilder::new();
    let int = equal.add(Type::Int(Int::signed("int", 4)));
    for _ in 0..MANY / 2 {
        equal.add(Type::Struct(Composite {
            name: "equal".into(),
            size: 4,
            members: vec![member(int, 0)],
        }));
    }
    for (file, btf, last) in [
        ("wide.btf", &wide, "member_65534"),
        ("equal.btf", &equal, "equal"),
    ] {
        let path = dir.join(file).display().to_string();
        std::fs::write(&path, btf.encode(Endian::Little).unwrap()).unwrap();
        let started = std::time::Instant::now();
        hachi(["btf", "dump", &path, "--format", "rust"])
            .code(0)
            .prints(&["kernel_types!", last]);
        let took = started.elapsed().as_secs();
        assert!(took < 60, "{file}: {took} s");
    }
}

#[test]
fn types_that_are_only_deep_or_only_names_are_called_that() {
    let dir = TempDir::new().unwrap();
    let write = |file: &str, btf: &BtfBuilder| {
        let path = dir.join(file).display().to_string();
        std::fs::write(&path, btf.encode(Endian::Little).unwrap()).unwrap();
        path
    };
    let mut btf = BtfBuilder::new();
    let mut inner = btf.add(Type::Int(Int::signed("int", 4)));
    let number = btf.add(Type::Typedef(Typedef {
        name: "number".into(),
        type_id: inner,
    }));
    let names = write("names.btf", &btf);
    hachi(["btf", "dump", &names, "--format", "rust"])
        .code(0)
        .prints(&["kernel_types!"]);
    assert_eq!(number, 2);
    for _ in 0..10_000 {
        inner = btf.add(Type::Const(Qualifier { type_id: inner }));
    }
    btf.add(Type::Struct(Composite {
        name: "outer".into(),
        size: 4,
        members: vec![Member {
            name: "member".into(),
            type_id: inner,
            bit_offset: 0,
            bit_size: 0,
        }],
    }));
    let deep = write("deep.btf", &btf);
    for language in ["rust", "c"] {
        let run = hachi(["btf", "dump", &deep, "--format", language]).code(1);
        let run = run.says(&["is nested more deeply than types are followed"]);
        assert!(!run.stderr.contains("malformed"), "{}", run.stderr);
    }
    hachi(["btf", "dump", &deep])
        .code(0)
        .prints(&["[10003] STRUCT 'outer'"]);
}

#[test]
fn types_are_found_by_pattern() {
    let dir = TempDir::new().unwrap();
    let [old, _] = two_kernels(&dir);
    let found = hachi(["btf", "find", "p*", "--btf", &old, "--json"]).code(0);
    assert_eq!(
        found.json(),
        json!({ "types": [{
            "id": 2, "kind": "STRUCT", "name": "point", "declaration": "struct point",
            "size": 16, "member": null,
        }] })
    );
    hachi(["btf", "find", "B*", "--members", "--btf", &old])
        .code(0)
        .prints(&["enum colour", "BLUE = 1"]);
    hachi(["btf", "find", "p*", "--kind", "enum", "--btf", &old])
        .code(1)
        .says(&["nothing is named p*"]);
    hachi(["btf", "find", "p*", "--kind", "thing", "--btf", &old])
        .code(2)
        .says(&["no kind thing", "struct"]);
}

#[test]
fn layouts_show_holes() {
    let dir = TempDir::new().unwrap();
    let [old, _] = two_kernels(&dir);
    hachi(["btf", "layout", "point", "--btf", &old])
        .code(0)
        .prints(&[
            "int y;",
            "/* hole: 4 bytes */",
            "padding at the end: 4 bytes",
        ]);
    let layout = &hachi(["btf", "layout", "struct point", "--btf", &old, "--json"])
        .code(0)
        .json()["layouts"][0];
    assert_eq!(
        keys(layout),
        [
            "alignment",
            "holes",
            "id",
            "members",
            "name",
            "padding_bits",
            "size",
            "union"
        ]
    );
    assert_eq!(layout["members"][1]["hole_before_bits"], 32);
    hachi(["btf", "layout", "union point", "--btf", &old]).code(1);
    hachi(["btf", "layout", "colour", "--btf", &old])
        .code(1)
        .says(&["no struct or union colour"]);
    hachi(["btf", "layout", "point", "--btf", &old, "--cache-line", "0"]).code(2);
}

#[test]
fn kernels_are_compared() {
    let dir = TempDir::new().unwrap();
    let [old, new] = two_kernels(&dir);
    hachi(["btf", "diff", &old, &new]).code(0).prints(&[
        "~ enum colour\n    ~ BLUE = 1 -> 2\n    + GREEN = 3\n",
        "~ struct point\n    ~ x moved: byte 0 -> byte 8\n    - int y\n    + int w\n",
        "2 types changed, 0 did not",
    ]);
    let document = hachi(["btf", "diff", &old, &new, "colour", "--json"])
        .code(0)
        .json();
    assert_eq!(
        document,
        json!({ "unchanged": 0, "types": [{ "name": "colour", "kind": "ENUM", "changes": [
            { "change": "value_changed", "value": "BLUE", "old": 1, "new": 2 },
            { "change": "value_added", "value": "GREEN", "new": 3 },
        ] }] })
    );
    hachi(["btf", "diff", &old, &old])
        .code(0)
        .prints(&["0 types changed, 2 did not"]);
    hachi(["btf", "diff", &old, &new, "line"]).code(1);
    // An object that asks the kernel nothing.
    let firewall = object("watcher").display().to_string();
    hachi(["btf", "diff", &old, &new, "--object", &firewall])
        .code(0)
        .prints(&["no CO-RE relocations", "0 types changed"]);
}

#[test]
fn sources_of_types() {
    let dir = TempDir::new().unwrap();
    let elf = object("watcher").display().to_string();
    hachi(["btf", "dump", &elf]).code(0).prints(&["[1] "]);
    hachi(["btf", "dump", "nowhere.btf"])
        .code(1)
        .says(&["no file nowhere.btf"]);
    let text = dir.join("text");
    std::fs::write(&text, "something else").unwrap();
    hachi(["btf", "dump", text.to_str().unwrap()])
        .code(1)
        .says(&["not BTF"]);
    hachi(["btf", "find", "x", "--base", "running"]).code(2);
}

#[test]
fn the_running_kernel_has_types() {
    if !std::path::Path::new("/sys/kernel/btf/vmlinux").exists() {
        skip!("no /sys/kernel/btf/vmlinux");
    }
    hachi(["btf", "layout", "list_head"])
        .code(0)
        .prints(&["struct list_head *next;", "size: 16"]);
    hachi(["btf", "find", "task_struct", "--json"]).code(0);
}
