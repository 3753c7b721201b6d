//! Objects that clang made from the C files in `data` (see `data/build.sh`), in both byte orders.

use hachi_asm::{CallTarget, Imm64, Op, consts};
use hachi_btf::{Endian, Kind, Type, Types as _};
use hachi_obj::error::BtfUser;
use hachi_obj::inspect::{self, SpecNames};
use hachi_obj::{
    AttachType, Code, CoreReloKind, DataKind, Error, ExternKind, MapType, Pinning, ProgramSpec,
    ProgramType, RelocationKind, SourceLine, Spec, StructOpsValue,
};

macro_rules! object {
    ($name:literal) => {
        include_bytes!(concat!("data/", $name, ".o")).as_slice()
    };
}

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
            RelocationKind::Kfunc { name } => {
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
fn maps_and_global_data() {
    for (bytes, endian) in [
        (object!("basic.bpfel"), Endian::Little),
        (object!("basic.bpfeb"), Endian::Big),
    ] {
        let spec = parse(bytes);
        assert_eq!(spec.endian, endian);
        assert_eq!(spec.check_endian().is_ok(), endian == Endian::NATIVE);
        assert_eq!(spec.license, "Dual MIT/GPL");
        assert_eq!(spec.warnings, []);
        let mut maps = names(&spec.maps, |m| &m.name);
        maps.sort_unstable();
        assert_eq!(
            maps,
            [
                ".bss",
                ".data",
                ".data.custom",
                ".rodata",
                "blocklist",
                "counters",
                "events",
                "plain"
            ]
        );
        let btf = spec.types().expect("has BTF");

        let blocklist = spec.map("blocklist").expect("exists");
        assert_eq!(blocklist.kind, MapType::LpmTrie);
        assert_eq!((blocklist.key_size, blocklist.value_size), (8, 8));
        assert_eq!((blocklist.max_entries, blocklist.flags), (1024, 1));
        assert_eq!(btf.type_name(blocklist.btf_key_type_id), "struct key");
        assert_eq!(btf.type_name(blocklist.btf_value_type_id), "__u64");

        let counters = spec.map("counters").expect("exists");
        assert_eq!(counters.kind, MapType::PercpuArray);
        assert_eq!(counters.pinning, Pinning::ByName);

        let events = spec.map("events").expect("exists");
        assert_eq!(events.kind, MapType::Ringbuf);
        assert_eq!((events.key_size, events.value_size), (0, 0));
        assert_eq!(events.max_entries, 262_144);

        let plain = spec.map("plain").expect("exists");
        assert_eq!((plain.key_size, plain.value_size), (4, 12));
        assert_eq!(plain.numa_node, Some(0));
        assert_eq!(plain.btf_key_type_id, 0);

        let rodata = spec.map(".rodata").expect("exists");
        assert_eq!(rodata.data, Some(DataKind::Rodata));
        assert_eq!((rodata.value_size, rodata.max_entries), (12, 1));
        assert_eq!(rodata.flags & (1 << 7), 1 << 7, "read-only for programs");
        assert!(matches!(
            btf.get(rodata.btf_value_type_id),
            Ok(Type::DataSec(sec)) if sec.size == 12 && sec.vars[1].offset == 4
        ));
        let bss = spec.map(".bss").expect("exists");
        assert_eq!((bss.data, bss.value_size), (Some(DataKind::Bss), 4));
        assert_eq!(bss.contents, None);

        let globals: Vec<_> = spec
            .globals
            .iter()
            .map(|g| (g.name.as_str(), g.map.as_str(), g.offset, g.size))
            .collect();
        for expected in [
            ("limit", ".rodata", 0, 4),
            ("tag", ".rodata", 4, 8),
            ("first", ".data", 0, 8),
            ("second", ".data", 8, 8),
            ("custom", ".data.custom", 0, 4),
            ("hits", ".bss", 0, 4),
        ] {
            assert!(globals.contains(&expected), "{expected:?} of {globals:?}");
        }
        assert_eq!(
            spec.global_bytes("tag").expect("exists"),
            Some(b"hachi\0\0\0".as_slice())
        );
        assert_eq!(spec.global_bytes("hits").expect("exists"), None);
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
fn externs_are_listed() {
    for bytes in [object!("core.bpfel"), object!("core.bpfeb")] {
        let spec = parse(bytes);
        let program = spec.program("on_switch").expect("exists");
        check_program(&spec, program);
        let code = program.code().expect("is whole");
        let kind = |name: &str| {
            let found = spec.externs.iter().find(|e| e.name == name);
            let found = found.unwrap_or_else(|| panic!("no extern {name}"));
            (found.kind, found.weak)
        };
        assert!(matches!(
            kind("bpf_rcu_read_lock"),
            (ExternKind::Kfunc { .. }, false)
        ));
        assert!(matches!(
            kind("missing_function"),
            (ExternKind::Kfunc { .. }, true)
        ));
        assert_eq!(
            kind("bpf_prog_fops"),
            (ExternKind::Ksym { type_id: None }, false)
        );
        assert!(matches!(
            kind("bpf_stats_enabled_key"),
            (ExternKind::Ksym { type_id: Some(_) }, true)
        ));
        let place = |name| match kind(name) {
            (ExternKind::Kconfig { offset, size, .. }, _) => (offset, size),
            other => panic!("{other:?}"),
        };
        assert_eq!(place("LINUX_KERNEL_VERSION"), (0, 4));
        assert_eq!(place("CONFIG_BPF"), (4, 1));
        assert_eq!(place("CONFIG_HOSTNAME"), (5, 16));
        let kconfig = spec.map(".kconfig").expect("exists");
        assert_eq!(
            (kconfig.value_size, kconfig.data),
            (21, Some(DataKind::Kconfig))
        );

        let of = |name: &str| {
            let matching = code.relocations.iter().filter(move |r| match &r.kind {
                RelocationKind::Kfunc { name: n } | RelocationKind::Ksym { name: n } => {
                    &**n == name
                }
                _ => false,
            });
            matching.count()
        };
        assert_eq!(of("bpf_rcu_read_lock"), 1);
        assert_eq!(of("missing_function"), 2, "its address and its call");

        let relos: Vec<_> = code.core_relos().collect::<Result<_, _>>().expect("known");
        let kinds: Vec<CoreReloKind> = relos.iter().map(|r| r.kind).collect();
        for kind in [
            CoreReloKind::FieldByteOffset,
            CoreReloKind::FieldByteSize,
            CoreReloKind::FieldExists,
            CoreReloKind::FieldSigned,
            CoreReloKind::FieldLshiftU64,
            CoreReloKind::FieldRshiftU64,
            CoreReloKind::TypeExists,
            CoreReloKind::TypeSize,
            CoreReloKind::EnumValValue,
        ] {
            assert!(kinds.contains(&kind), "{kind:?} of {kinds:?}");
        }
        // Those of the appended subprogram moved with it.
        let depth = code.functions.iter().find(|f| f.name == "depth");
        let depth = depth.expect("appended").start as u32;
        let moved: Vec<_> = relos.iter().filter(|r| r.insn_off >= depth).collect();
        assert_eq!(moved.len(), 2);
        assert_eq!(moved[0].access, "0:2");
        let btf = spec.types().expect("has BTF");
        assert_eq!(btf.type_name(moved[0].type_id), "struct task_struct");
        // The kernel takes neither externs nor functions in a section of variables.
        let id = btf.find(".ksyms", Kind::DataSec).expect("there");
        let Ok(Type::DataSec(ksyms)) = btf.get(id) else {
            panic!("[{id}] is no DATASEC");
        };
        assert_eq!(ksyms.size, 4 * ksyms.vars.len() as u32);
        for var in &ksyms.vars {
            assert!(matches!(btf.get(var.type_id), Ok(Type::Var(_))));
        }
    }
}

#[test]
fn options_have_types() {
    use hachi_obj::kconfig::KconfigType::*;
    for bytes in [object!("externs.bpfel"), object!("externs.bpfeb")] {
        let mut spec = parse(bytes);
        let externs = spec.externs.clone();
        let find = |name: &str| externs.iter().find(|e| e.name == name).expect(name);
        let endian = spec.endian;
        let map = spec.map_mut(".kconfig").expect("exists");
        let value = map.contents.as_mut().expect("zeros");
        for (name, wanted, len) in [
            ("LINUX_KERNEL_VERSION", Int { signed: false }, 4),
            ("CONFIG_HZ", Int { signed: true }, 4),
            ("CONFIG_HACHI_NO_SUCH_OPTION", Int { signed: true }, 8),
            ("CONFIG_BPF_SYSCALL", Bool, 1),
            ("CONFIG_NET", Tristate, 4),
            ("CONFIG_INET", Char { signed: true }, 1),
            ("CONFIG_DEFAULT_HOSTNAME", Text, 16),
        ] {
            let (ty, place) = find(name).kconfig(value).expect("an option");
            assert_eq!((ty, place.len()), (wanted, len), "{name}");
        }
        let (ty, place) = find("CONFIG_HZ").kconfig(value).expect("an option");
        ty.write("250", place, endian).expect("fits");
        let word = place.try_into().expect("four bytes");
        assert_eq!(endian.u32(word), 250);

        assert_eq!(find("runqueues").kconfig(value), None);
        let acquire = find("bpf_task_acquire___now");
        assert_eq!(acquire.kernel_name(), "bpf_task_acquire");
        assert!(acquire.is_typed() && !find("_stext").is_typed());
    }
}

#[test]
fn legacy_maps_are_read() {
    for bytes in [object!("legacy.bpfel"), object!("legacy.bpfeb")] {
        let spec = parse(bytes);
        let hash = spec.map("old_hash").expect("exists");
        assert_eq!(
            (
                hash.kind,
                hash.key_size,
                hash.value_size,
                hash.max_entries,
                hash.flags
            ),
            (MapType::Hash, 4, 8, 16, 1)
        );
        let array = spec.map("old_array").expect("exists");
        assert_eq!((array.max_entries, array.pinning), (3, Pinning::ByName));
        check_program(&spec, spec.program("look").expect("exists"));
    }
}

/// Definitions of other loaders have more fields than libbpf had.
#[test]
fn unknown_fields_of_legacy_maps_are_reported() {
    let whole = object!("legacy.bpfel");
    let known = parse(whole);
    assert_eq!(known.warnings, []);
    // Its symbol made longer: the definition goes on with what is that of the next map.
    let entry: Vec<u8> = [0u64, 28]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let at = whole
        .windows(entry.len())
        .position(|bytes| bytes == entry)
        .expect("the symbol of old_hash is there");
    let mut bytes = whole.to_vec();
    bytes[at + 8] = 56;
    let spec = parse(&bytes);
    let told: String = spec.warnings.iter().map(ToString::to_string).collect();
    assert!(
        told.contains("map 'old_hash'") && told.contains("offset 28"),
        "{told}"
    );
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
fn globals_can_be_set() {
    let mut spec = parse(object!("basic.bpfel"));
    spec.set_global("limit", &9u32.to_le_bytes()).expect("fits");
    assert_eq!(
        spec.global_bytes("limit"),
        Ok(Some([9, 0, 0, 0].as_slice()))
    );
    assert_eq!(
        spec.global_bytes("tag"),
        Ok(Some(b"hachi\0\0\0".as_slice()))
    );
    spec.set_global("hits", &[1, 2, 3, 4]).expect("fits");
    assert_eq!(
        spec.map(".bss").expect("exists").contents.as_deref(),
        Some([1, 2, 3, 4].as_slice())
    );
    assert_eq!(
        spec.set_global("limit", &[1])
            .expect_err("too small")
            .to_string(),
        "global variable 'limit' has 4 bytes, the value given has 1; use the type it has in the \
         program"
    );
    let error = spec
        .set_global("nope", &[1])
        .expect_err("missing")
        .to_string();
    assert!(
        error.starts_with("no global variable 'nope' in the object; it has limit, tag"),
        "{error}"
    );
    spec.set_max_entries("blocklist", 5).expect("allowed");
    assert_eq!(spec.map("blocklist").expect("exists").max_entries, 5);
    assert!(spec.set_max_entries(".rodata", 5).is_err());
    spec.set_pin_path("events", "/sys/fs/bpf/mine")
        .expect("exists");
    assert!(spec.map("events").expect("exists").pin_path.is_some());
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

#[test]
fn variables_in_an_arena() {
    for bytes in [object!("arena.bpfel"), object!("arena.bpfeb")] {
        let spec = parse(bytes);
        let map = spec.map("memory").unwrap();
        assert_eq!(
            (map.kind, map.data),
            (MapType::Arena, Some(DataKind::Arena))
        );
        let number = |n: u64| match spec.endian {
            Endian::Little => n.to_le_bytes(),
            Endian::Big => n.to_be_bytes(),
        };
        let contents = [number(3), number(0), number(100)].concat();
        assert_eq!(map.contents.as_deref(), Some(contents.as_slice()));
        let places: Vec<_> = ["step", "total"]
            .into_iter()
            .map(|name| spec.global(name).unwrap())
            .map(|var| (var.map.as_str(), var.offset, var.size))
            .collect();
        assert_eq!(places, [("memory", 0, 8), ("memory", 8, 16)]);
        let program = spec.programs.first().unwrap();
        check_program(&spec, program);
        let place = |offset| RelocationKind::GlobalData {
            map: "memory".into(),
            offset,
        };
        let code = program.code().unwrap();
        let kinds: Vec<_> = code.relocations.iter().map(|r| r.kind.clone()).collect();
        assert_eq!(kinds, [place(8), place(0)]);
    }
}

#[test]
fn structs_of_functions_are_read() {
    for bytes in [object!("struct_ops.bpfel"), object!("struct_ops.bpfeb")] {
        let spec = parse(bytes);
        assert_eq!(spec.warnings, []);
        assert_eq!(
            names(&spec.struct_ops, |ops| &ops.name),
            ["linked", "plain"]
        );
        let [linked, plain] = &spec.struct_ops[..] else {
            unreachable!();
        };
        assert!(!plain.link && linked.link);
        for ops in [plain, linked] {
            assert_eq!(ops.type_name, "tcp_congestion_ops");
            assert_eq!(
                names(&ops.members, |member| &member.name),
                ["ssthresh", "cong_avoid", "undo_cwnd", "name"],
                "those that are set"
            );
            let function = StructOpsValue::Program("avoid".to_owned());
            assert_eq!(ops.members[1].value, function);
        }
        let name = b"hachi_linked\0\0\0\0".to_vec();
        assert_eq!(linked.members[3].value, StructOpsValue::Bytes(name));
        for program in &spec.programs {
            assert_eq!(program.program_type, ProgramType::StructOps);
        }
    }
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

#[test]
fn variables_of_each_cpu_become_per_cpu_arrays() {
    let spec = parse(object!("percpu.bpfel"));
    let maps: Vec<_> = spec
        .maps
        .iter()
        .map(|map| (map.name.as_str(), map.kind, map.data))
        .collect();
    let kind = (MapType::PercpuArray, Some(DataKind::Percpu));
    assert_eq!(
        maps,
        [
            (".percpu", kind.0, kind.1),
            (".percpu.mine", kind.0, kind.1)
        ]
    );
    let map = &spec.maps[0];
    assert_eq!(
        (map.key_size, map.value_size, map.max_entries, map.flags),
        (4, 29, 1, 0)
    );
    assert_eq!(
        map.contents.as_deref().map(|bytes| &bytes[..4]),
        Some(&[40, 0, 0, 0][..])
    );
    let globals: Vec<_> = spec
        .globals
        .iter()
        .map(|var| (var.name.as_str(), var.offset))
        .collect();
    assert_eq!(
        globals,
        [("hits", 0), ("pair", 8), ("zeroed", 24), ("step", 0)]
    );
    assert_eq!(hachi_obj::inspect::minimum_kernel(&spec), (7, 3));
}
