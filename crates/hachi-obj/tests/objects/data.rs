//! What programs share: maps, variables, externs, and structs of functions.

use hachi_btf::{Endian, Kind, Type, Types as _};
use hachi_obj::{
    CoreReloKind, DataKind, ExternKind, MapType, Pinning, ProgramType, RelocationKind,
    StructOpsValue,
};

use super::{check_program, names, parse};

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
                RelocationKind::Kfunc { name: n, .. } | RelocationKind::Ksym { name: n } => {
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
    // By whole numbers, and by bytes that make no number.
    for (size, offset) in [(56, 28), (31, 28), (55, 28)] {
        bytes[at + 8] = size;
        let spec = parse(&bytes);
        let told: String = spec.warnings.iter().map(ToString::to_string).collect();
        let told_of = format!("offset {offset}");
        assert!(
            told.contains("map 'old_hash'") && told.contains(&told_of),
            "{size}: {told}"
        );
    }
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
