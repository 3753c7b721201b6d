//! Bindings from made-up types that have one of everything.

use hachi_btf::rust::{Bindings, Error};
use hachi_btf::*;

/// A builder with names for what it has built.
#[derive(Default)]
struct Made(BtfBuilder);

impl Made {
    fn int(&mut self, name: &str, size: u32, signed: bool) -> u32 {
        self.0.add(Type::Int(Int {
            bool: name == "_Bool",
            signed,
            ..Int::unsigned(name, size)
        }))
    }

    fn ptr(&mut self, type_id: u32) -> u32 {
        self.0.add(Type::Ptr(Ptr { type_id }))
    }

    fn array(&mut self, type_id: u32, nelems: u32) -> u32 {
        self.0.add(Type::Array(Array {
            type_id,
            index_type_id: 1,
            nelems,
        }))
    }

    fn typedef(&mut self, name: &str, type_id: u32) -> u32 {
        let name = name.into();
        self.0.add(Type::Typedef(Typedef { name, type_id }))
    }

    /// Members are name, type, bit offset, bit size.
    fn composite(name: &str, size: u32, members: &[(&str, u32, u32, u8)]) -> Composite {
        Composite {
            name: name.into(),
            size,
            members: members
                .iter()
                .map(|&(name, type_id, bit_offset, bit_size)| Member {
                    name: name.into(),
                    type_id,
                    bit_offset,
                    bit_size,
                })
                .collect(),
        }
    }

    fn structure(&mut self, name: &str, size: u32, members: &[(&str, u32, u32, u8)]) -> u32 {
        self.0
            .add(Type::Struct(Self::composite(name, size, members)))
    }

    fn union(&mut self, name: &str, size: u32, members: &[(&str, u32, u32, u8)]) -> u32 {
        self.0
            .add(Type::Union(Self::composite(name, size, members)))
    }

    fn enumeration(&mut self, name: &str, signed: bool, variants: &[(&str, i32)]) -> u32 {
        self.0.add(Type::Enum(Enum {
            name: name.into(),
            size: 4,
            signed,
            variants: variants
                .iter()
                .map(|&(name, value)| Variant {
                    name: name.into(),
                    value,
                })
                .collect(),
        }))
    }

    fn func(&mut self, name: &str, result: u32, params: &[(&str, u32)]) -> u32 {
        let type_id = self.proto(result, params);
        self.0.add(Type::Func(Func {
            name: name.into(),
            type_id,
            linkage: Linkage::Static,
        }))
    }

    fn proto(&mut self, ret_type_id: u32, params: &[(&str, u32)]) -> u32 {
        self.0.add(Type::FuncProto(FuncProto {
            ret_type_id,
            params: params
                .iter()
                .map(|&(name, type_id)| Param {
                    name: name.into(),
                    type_id,
                })
                .collect(),
        }))
    }

    fn bindings(&self, ask: &[&str], depth: u32) -> Result<String, Error> {
        let bindings = Bindings::new().depth(depth);
        self.generate(&ask.iter().fold(bindings, |b, name| b.ask(*name)))
    }

    fn generate(&self, bindings: &Bindings) -> Result<String, Error> {
        let bytes = self.0.encode(Endian::Little).unwrap();
        bindings.generate(&Btf::parse(&bytes).unwrap())
    }
}

/// A kernel of one task.
fn kernel() -> Made {
    let mut k = Made::default();
    let int = k.int("int", 4, true);
    let uint = k.int("unsigned int", 4, false);
    let char = k.int("char", 1, true);
    let bool = k.int("_Bool", 1, false);
    let pid_t = k.typedef("pid_t", int);
    let comm = k.array(char, 16);
    let void_ptr = k.ptr(0);
    let char_ptr = k.ptr(char);
    let ptr_ptr = k.ptr(char_ptr);
    let counter = k.structure("", 4, &[("counter", int, 0, 0)]);
    let atomic_t = k.typedef("atomic_t", counter);
    let refs = k.structure("refcount", 4, &[("refs", atomic_t, 0, 0)]);
    let mm = k.structure("mm_struct", 8, &[("pgd", void_ptr, 0, 0)]);
    let mm_ptr = k.ptr(mm);
    let fwd = k.0.add(Type::Fwd(Fwd {
        name: "secret".into(),
        union: false,
    }));
    let fwd_ptr = k.ptr(fwd);
    let state = k.enumeration("state", true, &[("DEAD", -1), ("ALIVE", 1)]);
    let unnamed = k.enumeration("", false, &[("TCP_ESTABLISHED", 1), ("TCP_CLOSE", 7)]);
    let pair = k.structure("", 8, &[("first", uint, 0, 0), ("second", uint, 32, 0)]);
    let either = k.union("", 8, &[("whole", void_ptr, 0, 0), ("", pair, 0, 0)]);
    let pairs = k.array(pair, 2);
    let rows = k.array(pairs, 3);
    // The task points to itself, so its number is known before it is there.
    let task = k.0.len() as u32 + 2;
    let task_ptr = k.ptr(task);
    let made = k.structure(
        "task_struct",
        200,
        &[
            ("pid", pid_t, 0, 0),
            ("comm", comm, 32, 0),
            ("parent", task_ptr, 192, 0),
            ("mm", mm_ptr, 256, 0),
            ("secret", fwd_ptr, 320, 0),
            ("type", state, 384, 0),
            ("self", ptr_ptr, 448, 0),
            ("usage", refs, 512, 0),
            ("", either, 576, 0),
            ("rows", rows, 640, 0),
            ("named", pair, 1024, 0),
            ("kind", unnamed, 1088, 0),
            ("flag", bool, 1120, 1),
            ("bits", uint, 1121, 3),
            ("", uint, 1124, 4),
        ],
    );
    assert_eq!(made, task);
    // The same name for two things.
    k.union("task_struct", 4, &[("x", int, 0, 0)]);
    k.func(
        "wake_up",
        int,
        &[("p", task_ptr), ("of", state), ("by", refs)],
    );
    k.func(
        "bpf_task_acquire",
        task_ptr,
        &[("p", task_ptr), ("to", char_ptr)],
    );
    let proto = k.proto(0, &[("", void_ptr), ("", task_ptr), ("", bool)]);
    let proto_ptr = k.ptr(proto);
    k.typedef("btf_trace_wake", proto_ptr);
    k.func(
        "__traceiter_wake",
        int,
        &[("__data", void_ptr), ("task", task_ptr), ("slow", bool)],
    );
    k
}

#[test]
fn one_of_everything() {
    let text = kernel()
        .bindings(
            &[
                "task_struct",
                "TCP_*",
                "wake_up",
                "tp:wake",
                "kfunc:bpf_task_acquire",
            ],
            0,
        )
        .unwrap();
    let expected = include_str!("rust/everything.rs");
    assert_eq!(text, expected, "{text}");
}

#[test]
fn writes_only_the_requested_fields() {
    let text = kernel().bindings(&["task_struct.p*"], 0).unwrap();
    let expected = "\
hachi_ebpf::kernel_types! {
    /// `struct task_struct`, 200 bytes.
    pub struct task_struct {
        /// `pid_t pid`, at 0
        pid: i32,
        /// `struct task_struct *parent`, at 24
        parent: *const task_struct,
        // and 14 more
    }
}
";
    assert_eq!(text, expected, "{text}");
}

#[test]
fn pointers_are_followed_if_asked() {
    let text = kernel().bindings(&["task_struct.mm"], 1).unwrap();
    assert!(text.contains("    pub struct mm_struct {\n"), "{text}");
}

#[test]
fn unknown_names_come_with_similar_ones() {
    let kernel = kernel();
    let error = |name: &str| kernel.bindings(&[name], 0).unwrap_err().to_string();
    assert!(error("task_strct").contains("similar: task_struct"));
    assert!(error("tp:walk").contains("similar: tp:wake"));
    assert!(error("task_struct.nothing").contains("nothing is named `task_struct.nothing`"));
    assert!(error("lost:wake").contains("there is no kind `lost`"));
    assert!(matches!(kernel.bindings(&[], 0), Err(Error::Nothing)));
}

/// A few bytes of types that would be billions of fields.
#[test]
fn hostile_nesting_ends() {
    let mut k = Made::default();
    let int = k.int("int", 4, true);
    let mut inner = k.structure("", 8, &[("a", int, 0, 0)]);
    for _ in 0..40 {
        inner = k.structure("", 8, &[("", inner, 0, 0), ("b", inner, 0, 0)]);
    }
    k.structure("outer", 8, &[("", inner, 0, 0)]);
    assert!(matches!(k.bindings(&["outer"], 0), Err(Error::Btf(_))));
    let mut k = Made::default();
    let own = k.0.len() as u32 + 1;
    k.structure("ring", 8, &[("", own, 0, 0), ("next", own, 0, 0)]);
    assert!(matches!(
        k.bindings(&["ring"], 0),
        Err(Error::Btf(hachi_btf::Error::Malformed(
            Malformed::RefersToItself { .. }
        )))
    ));
}

#[test]
fn a_deep_type_is_not_called_malformed() {
    let mut k = Made::default();
    let mut inner = k.int("int", 4, true);
    for level in 0..100 {
        inner = k.typedef(&format!("level{level}"), inner);
    }
    k.structure("outer", 4, &[("member", inner, 0, 0)]);
    let error = k.bindings(&["outer"], 0).unwrap_err();
    assert!(
        matches!(error, Error::Btf(hachi_btf::Error::TooDeep { .. })),
        "{error}"
    );
}

#[test]
fn tells_a_type_without_fields_from_an_unknown_name() {
    let mut k = Made::default();
    let int = k.int("int", 4, true);
    k.typedef("number", int);
    let error = |name: &str| k.bindings(&[name], 0).unwrap_err().to_string();
    assert!(error("number").contains("`number` is only a name"));
    assert!(error("n*").contains("`number` is only a name"));
    assert!(error("figure").contains("nothing is named `figure`"));
}

#[test]
fn all_types_may_be_none() {
    let mut k = Made::default();
    k.int("int", 4, true);
    let text = k.generate(&Bindings::new().ask_all()).unwrap();
    assert_eq!(text, "hachi_ebpf::kernel_types! {\n}\n");
}
