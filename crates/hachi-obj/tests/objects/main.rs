//! Objects that clang made from the C files in `data` (see `data/build.sh`), in both byte orders.

use hachi_asm::{CallTarget, Imm64, Op, consts};
use hachi_btf::{Endian, Type, Types as _};
use hachi_obj::error::BtfUser;
use hachi_obj::inspect::{self, SpecNames};
use hachi_obj::{
    AttachType, Code, Error, MapType, ProgramSpec, ProgramType, RelocationKind, SourceLine, Spec,
};

macro_rules! object {
    ($name:literal) => {
        include_bytes!(concat!("../data/", $name, ".o")).as_slice()
    };
}

mod data;

fn parse(bytes: &[u8]) -> Spec {
    Spec::parse(bytes).expect("parses")
}

fn names<'s, T>(list: &'s [T], name: impl Fn(&'s T) -> &'s str) -> Vec<&'s str> {
    list.iter().map(name).collect()
}

/// The code of a program, made whole.
fn code(spec: &Spec, program: &str) -> Code {
    let program = spec.program(program).expect("exists");
    program.code().expect("is whole").into_owned()
}

/// Where each source line of a program begins.
fn lines(code: &Code) -> Vec<SourceLine<'_>> {
    let starts = code.line_info.iter();
    starts
        .map(|line| code.line_at(line.insn_off as usize).expect("begins here"))
        .collect()
}

/// All that a program refers to: every relocated instruction has the shape the kernel wants.
fn check_relocations(spec: &Spec, code: &Code) {
    assert!(code.relocations.is_sorted_by_key(|r| r.insn));
    for relocation in &code.relocations {
        let insn = code.insns[relocation.insn];
        match &relocation.kind {
            RelocationKind::Map { name } => {
                assert!(insn.is_ld_imm64() && insn.src == consts::BPF_PSEUDO_MAP_FD);
                spec.map(name).expect("exists");
            }
            RelocationKind::GlobalData { map, offset } => {
                assert!(insn.is_ld_imm64() && insn.src == consts::BPF_PSEUDO_MAP_VALUE);
                assert_eq!(code.insns[relocation.insn + 1].imm, *offset as i32);
                let map = spec.map(map).expect("exists");
                // The memory of an arena is no value.
                let room = match (map.kind, &map.contents) {
                    (MapType::Arena, Some(contents)) => contents.len() as u32,
                    _ => map.value_size,
                };
                assert!(*offset <= room);
            }
            RelocationKind::Kfunc { name, .. } => {
                assert!(insn.is_kfunc_call());
                assert!(spec.externs.iter().any(|e| *e.name == **name));
            }
            RelocationKind::Ksym { name } => {
                assert!(insn.is_ld_imm64());
                assert!(spec.externs.iter().any(|e| *e.name == **name));
            }
            RelocationKind::JumpTable { targets } => {
                assert!(insn.is_ld_imm64() && insn.src == consts::BPF_PSEUDO_MAP_VALUE);
                let function = code.function_at(relocation.insn).expect("exists");
                let own = function.start..function.start + function.len;
                for target in targets {
                    assert!(own.contains(&(*target as usize)));
                    assert_ne!(
                        code.insns[*target as usize].code, 0,
                        "begins an instruction"
                    );
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Calls lead to the start of a function, info stands where the kernel wants it.
fn check_program(spec: &Spec, program: &ProgramSpec) {
    let code = program.code().expect("is whole");
    check_relocations(spec, &code);
    let mut end = 0;
    for function in &code.functions {
        assert_eq!(function.start, end);
        end += function.len;
    }
    assert_eq!(end, code.insns.len());
    let mut slot = 0;
    while slot < end {
        let op = Op::decode(&code.insns, slot).expect("decodes");
        let target = match op {
            Op::Call(CallTarget::Local(off)) => Some(off),
            Op::LdImm64 {
                imm: Imm64::Func(off),
                ..
            } => Some(off),
            _ => None,
        };
        if let Some(off) = target {
            let to = (slot as i64 + 1 + i64::from(off)) as usize;
            assert!(code.functions.iter().any(|f| f.start == to), "{slot}");
        }
        slot += op.slots();
    }
    let starts: Vec<u32> = code.functions.iter().map(|f| f.start as u32).collect();
    let infos: Vec<u32> = code.func_info.iter().map(|i| i.insn_off).collect();
    assert_eq!(starts, infos);
    let btf = spec.types().expect("has BTF");
    for (info, function) in code.func_info.iter().zip(&code.functions) {
        let Ok(Type::Func(f)) = btf.get(info.type_id) else {
            panic!("[{}] is no FUNC", info.type_id);
        };
        assert_eq!(f.name, function.name);
    }
    let lines = &code.line_info;
    assert!(lines.windows(2).all(|w| w[0].insn_off < w[1].insn_off));
    for start in starts {
        assert!(lines.iter().any(|line| line.insn_off == start));
    }
}

#[test]
fn jump_tables_lead_into_their_function() {
    for bytes in [object!("jumps.bpfel"), object!("jumps.bpfeb")] {
        let spec = parse(bytes);
        assert_eq!(spec.warnings, []);
        let program = spec.program("jumps").expect("exists");
        check_program(&spec, program);
        let code = program.code().expect("is whole");
        let tables = code.relocations.iter().filter_map(|r| match &r.kind {
            RelocationKind::JumpTable { targets } => Some(&targets[..]),
            _ => None,
        });
        // The second is that of a function, which lies behind the program's own code.
        assert_eq!(
            tables.collect::<Vec<_>>(),
            [&[10, 31, 19, 25, 13, 37][..], &[59, 83, 71, 77, 65]]
        );
        let straight = spec.program("straight").expect("exists");
        check_program(&spec, straight);
        straight.link(&hachi_obj::link::Nothing).expect("has none");
        let error = program.link(&hachi_obj::link::Nothing).unwrap_err();
        assert!(error.to_string().contains("-fno-jump-tables"), "{error}");
    }
}

#[test]
fn subprograms_are_appended() {
    for bytes in [object!("basic.bpfel"), object!("basic.bpfeb")] {
        let spec = parse(bytes);
        assert_eq!(names(&spec.programs, |p| &p.name), ["filter", "pass"]);
        for program in &spec.programs {
            check_program(&spec, program);
            assert_eq!(program.program_type, ProgramType::Xdp);
            assert_eq!(program.attach_type, Some(AttachType::Xdp));
            assert!(program.autoload && !program.sleepable && !program.frags);
        }
        let filter = code(&spec, "filter");
        let mut functions = names(&filter.functions, |f| &f.name);
        assert_eq!(functions.remove(0), "filter");
        functions.sort_unstable();
        assert_eq!(functions, ["count", "report"]);
        // Each line knows its text, also inside of subprograms.
        let report = filter.functions.iter().find(|f| f.name == "report");
        let report = report.expect("appended").start;
        assert!(lines(&filter).iter().any(|line| {
            line.insn >= report
                && line.text.contains("bpf_ktime_get_ns")
                && line.file.ends_with("basic.c")
                && line.line > 0
        }));
        assert_eq!(filter.function_at(report).expect("there").name, "report");
        assert_eq!(filter.function_at(filter.insns.len()), None);
        assert_eq!(code(&spec, "pass").functions.len(), 1);
    }
}

#[test]
fn programs_are_found_by_name_and_section() {
    let spec = parse(object!("calls.bpfel"));
    assert_eq!(spec.program("walk").expect("by name").name, "walk");
    let found = spec.program("tp/syscalls/sys_enter_openat");
    assert_eq!(found.expect("by section").name, "on_open");
    assert_eq!(
        spec.program("tc").expect_err("ambiguous").to_string(),
        "'tc' is a section with several programs (tail, walk); use one of their names"
    );
    assert_eq!(
        spec.program("nope").expect_err("missing").to_string(),
        "no program 'nope' in the object; it has tail, walk, optional, on_open, unknown"
    );
    assert_eq!(
        spec.map("nope").expect_err("missing").to_string(),
        "no map 'nope' in the object; it has inner_a, inner_b, outer, jumps"
    );
}

#[test]
fn sections_tell_the_type() {
    let spec = parse(object!("calls.bpfeb"));
    let optional = spec.program("optional").expect("exists");
    assert!(!optional.autoload && optional.sleepable);
    assert_eq!(optional.section, "fentry.s/do_unlinkat");
    assert_eq!(optional.attach_target.as_deref(), Some("do_unlinkat"));
    assert_eq!(optional.program_type, ProgramType::Tracing);
    assert_eq!(optional.attach_type, Some(AttachType::TraceFentry));
    let unknown = spec.program("unknown").expect("exists");
    assert_eq!(unknown.program_type, ProgramType::Unspec);
    assert_eq!(unknown.section_def, None);
    assert_eq!(spec.warnings.len(), 1, "{:?}", spec.warnings);
    let warning = spec.warnings[0].to_string();
    assert!(warning.contains("'mine/own' is unknown"), "{warning}");
    assert_eq!(spec.kernel_version, 0x06_01_00);
    assert_eq!(spec.license, "GPL");
}

#[test]
fn callbacks_and_maps_with_entries() {
    for bytes in [object!("calls.bpfel"), object!("calls.bpfeb")] {
        let spec = parse(bytes);
        for program in &spec.programs {
            check_program(&spec, program);
        }
        // As libbpf has it: what a function calls first comes before what its caller calls next.
        let walk = code(&spec, "walk");
        assert_eq!(
            names(&walk.functions, |f| &f.name),
            ["walk", "add", "weigh", "again"]
        );
        let callbacks = walk.insns.iter().filter(|i| i.is_pseudo_func()).count();
        assert_eq!(callbacks, 2);

        let outer = spec.map("outer").expect("exists");
        assert_eq!(outer.kind, MapType::ArrayOfMaps);
        assert_eq!((outer.key_size, outer.value_size), (4, 4));
        let inner = outer.inner.as_ref().expect("has an inner map");
        assert_eq!((inner.kind, inner.max_entries), (MapType::Array, 2));
        assert_eq!(inner.value_size, 8);
        let entries = |map: &str| -> Vec<(u32, String)> {
            let map = spec.map(map).expect("exists");
            map.entries
                .iter()
                .map(|e| (e.index, e.target.clone()))
                .collect()
        };
        assert_eq!(
            entries("outer"),
            [(0, "inner_a".into()), (2, "inner_b".into())]
        );
        assert_eq!(entries("jumps"), [(1, "tail".into())]);
        assert_eq!(spec.map("jumps").expect("exists").inner, None);
    }
}

#[test]
fn the_kind_of_a_program_can_be_set() {
    let mut spec = parse(object!("basic.bpfel"));
    let program = spec.programs.first_mut().expect("there is one");
    program
        .set_kind("kprobe.multi/tcp_*")
        .expect("there are such sections");
    assert_eq!(program.program_type, ProgramType::Kprobe);
    assert_eq!(program.attach_type, Some(AttachType::TraceKprobeMulti));
    assert_eq!(program.attach_target.as_deref(), Some("tcp_*"));
    assert_eq!(program.set_kind("mystery/x"), Err("mystery/x"));
    assert_eq!(program.program_type, ProgramType::Kprobe, "as before");
}

#[test]
fn inspection_tells_kernels_helpers_and_stack() {
    let basic = parse(object!("basic.bpfel"));
    assert_eq!(inspect::minimum_kernel(&basic), (5, 8));
    let newest = &inspect::requirements(&basic)[0];
    assert_eq!(newest.need.to_string(), "helper bpf_ringbuf_reserve");
    assert_eq!(newest.by.to_string(), "program 'filter'");
    let filter = code(&basic, "filter");
    let helpers: Vec<_> = inspect::helpers(&filter)
        .into_iter()
        .map(|h| (h.id, h.helper.expect("known").name, h.calls))
        .collect();
    assert_eq!(
        helpers,
        [
            (1, "bpf_map_lookup_elem", 2),
            (5, "bpf_ktime_get_ns", 1),
            (131, "bpf_ringbuf_reserve", 1),
            (132, "bpf_ringbuf_submit", 1),
        ]
    );
    let depth = inspect::stack_depth(&filter);
    assert_eq!(depth.frames[0].bytes, 8);
    assert_eq!(depth.deepest, Some(96));

    let big = parse(object!("v4.bpfeb"));
    check_program(&big, &big.programs[0]);
    assert_eq!(inspect::minimum_kernel(&big), (6, 6));
    let v4 = parse(object!("v4.bpfel"));
    check_program(&v4, &v4.programs[0]);
    assert_eq!(inspect::minimum_kernel(&v4), (6, 6));
    let what: Vec<String> = inspect::requirements(&v4)
        .into_iter()
        .map(|r| r.need.to_string())
        .collect();
    for expected in [
        "signed division (cpu v4)",
        "sign-extending loads (cpu v4)",
        "sign-extending moves (cpu v4)",
        "unconditional byte swaps (cpu v4)",
        "32-bit jumps (cpu v4)",
        "atomic operations beyond addition (cpu v3)",
        "loops",
    ] {
        assert!(what.iter().any(|w| w == expected), "{expected} of {what:?}");
    }
    assert_eq!(
        inspect::minimum_kernel(&parse(object!("legacy.bpfel"))),
        (3, 19)
    );
}

#[test]
fn disassembly_shows_names() {
    let spec = parse(object!("basic.bpfel"));
    let filter = code(&spec, "filter");
    let names = SpecNames::new(&spec, &filter);
    let text: Vec<String> = hachi_asm::disasm::lines(&filter.insns, &names)
        .map(|(_, line)| line)
        .collect();
    for expected in [
        "r3 = &limit",
        "r1 = map[blocklist]",
        "call bpf_map_lookup_elem#1",
        "r1 = &second",
        "r2 = &hits",
    ] {
        assert!(
            text.iter().any(|t| t == expected),
            "{expected} of {text:#?}"
        );
    }
    assert!(
        text.iter()
            .any(|t| t.starts_with("call pc+") && t.ends_with("<report>"))
    );
    let core = parse(object!("core.bpfel"));
    let on_switch = code(&core, "on_switch");
    let names = SpecNames::new(&core, &on_switch);
    let text: Vec<String> = hachi_asm::disasm::lines(&on_switch.insns, &names)
        .map(|(_, line)| line)
        .collect();
    for expected in [
        "r1 = &CONFIG_BPF",
        "r1 = &bpf_prog_fops",
        "call bpf_rcu_read_lock",
    ] {
        assert!(
            text.iter().any(|t| t == expected),
            "{expected} of {text:#?}"
        );
    }
}

/// What `hachi build` makes of `data/rust.rs`.
#[test]
fn rust_objects_are_read() {
    let spec = parse(object!("rust.bpfel"));
    assert_eq!(spec.license, "Dual MIT/GPL");
    assert_eq!(spec.warnings, []);
    for program in &spec.programs {
        check_program(&spec, program);
        assert_eq!(program.program_type, ProgramType::Xdp);
    }
    assert_eq!(names(&spec.programs, |p| &p.name), ["filter", "measure"]);
    // The wrapped map is a map under its own name.
    let table = spec.map("TABLE").expect("exists");
    assert_eq!(
        (
            table.kind,
            table.key_size,
            table.value_size,
            table.max_entries
        ),
        (MapType::Hash, 4, 6, 16)
    );
    let btf = spec.types().expect("has BTF");
    assert_eq!(btf.declaration(table.btf_value_type_id, "v"), "u16 v[3]");
    let limit = spec.global("LIMIT").expect("exists");
    assert_eq!((limit.map.as_str(), limit.size), (".rodata", 4));
    assert_eq!(
        spec.global_bytes("LIMIT").expect("exists"),
        Some([7, 0, 0, 0].as_slice())
    );
    // Log sites: the first begins with its length, and has its text.
    let sites = spec.log_sites.as_ref().expect("logs");
    assert!(usize::from(u16::from_le_bytes([sites[0], sites[1]])) <= sites.len());
    assert!(sites.windows(9).any(|text| text == b"weight {}"));
    let filter = code(&spec, "filter");
    let lines = lines(&filter);
    let text = lines
        .iter()
        .find(|line| line.text.contains("EVENTS.output"));
    assert!(text.is_some_and(|line| line.file.ends_with("rust.rs")));
    assert_eq!(inspect::minimum_kernel(&spec), (5, 8));
}

/// The text of the error for bytes that must not parse.
fn error(bytes: &[u8]) -> String {
    Spec::parse(bytes).expect_err("refused").to_string()
}

#[test]
fn bad_input_is_one_clear_error() {
    let good = object!("basic.bpfel");
    assert!(error(b"").contains("the file is empty"));
    assert!(error(b"#!/bin/sh\n").contains("a script"));
    assert!(error(b"BC\xc0\xde....").contains("LLVM bitcode"));
    assert!(error(b"hello").starts_with("not an ELF object: it starts with 68 65 6c 6c"));

    let with = |at: usize, value: u8| {
        let mut bytes = good.to_vec();
        bytes[at] = value;
        error(&bytes)
    };
    assert!(with(18, 62).starts_with("an ELF file for x86-64, not for BPF"));
    assert!(with(4, 1).starts_with("an ELF file for a 32-bit machine"));
    assert!(with(16, 3).starts_with("a BPF ELF file, but a shared library"));
    assert!(error(&good[..good.len() / 2]).starts_with("the ELF file is damaged or truncated"));
    assert!(error(&good[..20]).contains("truncated"));

    assert!(matches!(
        Spec::parse(object!("nobtf.bpfel")),
        Err(Error::MissingBtf { by: BtfUser::Maps })
    ));
    assert!(error(object!("nobtf.bpfel")).contains("-g"));

    let wrong_order = match Endian::NATIVE {
        Endian::Little => parse(object!("basic.bpfeb")),
        Endian::Big => parse(object!("basic.bpfel")),
    };
    let error = wrong_order.check_endian().expect_err("refused").to_string();
    assert!(error.contains("build it for bpf"), "{error}");
}

/// What an object takes from others is named; what the running system supplies is not among it, and
/// nothing is called damaged.
#[test]
fn undefined_symbols_are_listed() {
    let spec = parse(object!("unlinked.bpfel"));
    let mut undefined = spec.undefined.clone();
    undefined.sort();
    let expected = [
        "shared_count",
        "shared_function",
        "shared_limit",
        "shared_map",
    ];
    assert_eq!(undefined, expected);
    assert!(spec.warnings.is_empty(), "{:?}", spec.warnings);
    assert!(spec.maps.is_empty() && spec.externs.is_empty());
    let unresolved = |name: &str| {
        let program = spec.programs.iter().find(|program| program.name == name);
        let code = program
            .expect("exists")
            .code()
            .expect("is whole")
            .into_owned();
        let kinds = code.relocations.iter().map(|relocation| &relocation.kind);
        kinds
            .filter(|kind| matches!(kind, RelocationKind::Unresolved { .. }))
            .count()
    };
    assert_eq!(
        [
            unresolved("looks_up"),
            unresolved("calls"),
            unresolved("alone")
        ],
        [2, 2, 0]
    );
    assert!(parse(object!("externs.bpfel")).undefined.is_empty());
    assert!(parse(object!("externs.bpfeb")).undefined.is_empty());
}
