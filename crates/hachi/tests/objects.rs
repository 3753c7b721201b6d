//! Objects that clang built, through the whole pipeline.
#![cfg(target_endian = "little")]

mod support;

use std::path::PathBuf;

use hachi::{
    Ebpf, EbpfError, EbpfLoader,
    maps::{Array, LpmTrie, MapData, PerCpuArray, RingBuf, lpm_trie::Key},
    obj::Spec,
    programs::{Program, ProgramError, TestRunOptions, Unloadable},
};
use hachi_test::{Bpffs, require_bpf, require_kernel};

/// An object of hachi-obj's tests, whose sources are next to it.
fn object(name: &str) -> PathBuf {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../hachi-obj/tests/data");
    PathBuf::from(data).join(format!("{name}.bpfel.o"))
}

/// Loads it, with what it pins by name in a file system of the test's own.
fn load(bpffs: &Bpffs, name: &str) -> Ebpf {
    EbpfLoader::new()
        .map_pin_path(bpffs.path())
        .load_file(object(name))
        .unwrap()
}

fn loaded<'a>(ebpf: &'a mut Ebpf, name: &str) -> &'a mut Program {
    let program = ebpf.program_mut(name).unwrap();
    program.load().unwrap();
    program
}

const PACKET: TestRunOptions<'_> = TestRunOptions::new().data(&[0; 64]);

#[test]
fn maps_globals_and_subprograms() {
    require_bpf!();
    let bpffs = Bpffs::new().unwrap();
    let mut ebpf = load(&bpffs, "basic");
    assert!(ebpf.btf_problem().is_none());
    let rodata = ebpf.map(".rodata").unwrap().data();
    assert_eq!(rodata.info().unwrap().name(), "basic.bp.rodata");
    assert!(rodata.info().unwrap().btf_id().is_some());

    let pass = loaded(&mut ebpf, "filter");
    assert!(
        pass.info().unwrap().btf_id().is_some(),
        "it came with its types"
    );
    // No address is blocked: index 0 is counted, by `second`, which is 2.
    assert_eq!(pass.test_run(&PACKET).unwrap().return_value, 2);
    let counters = MapData::from_pin(bpffs.join("counters")).unwrap();
    let counters = PerCpuArray::<_, u64>::try_from(counters).unwrap();
    assert_eq!(counters.get(&0, 0).unwrap().iter().sum::<u64>(), 2);
    let hits: Array<_, u32> = ebpf.map(".bss").unwrap().try_into().unwrap();
    assert_eq!(hits.get(&0, 0).unwrap(), 1);

    // Blocked now: dropped, and reported through the ring buffer.
    let mut blocklist: LpmTrie<_, [u8; 4], u64> =
        ebpf.map_mut("blocklist").unwrap().try_into().unwrap();
    blocklist.insert(&Key::new(8, [10, 0, 0, 0]), 1, 0).unwrap();
    assert_eq!(
        ebpf.program("filter")
            .unwrap()
            .test_run(&PACKET)
            .unwrap()
            .return_value,
        1
    );
    let mut events: RingBuf<_> = ebpf.map_mut("events").unwrap().try_into().unwrap();
    let event = events.next().unwrap();
    assert_eq!(event[8..12], 64u32.to_ne_bytes());
    assert_eq!(&event[12..18], b"hachi\0");
}

#[test]
fn overridden_constants_reach_the_program() {
    require_bpf!();
    let bpffs = Bpffs::new().unwrap();
    let mut ebpf = EbpfLoader::new()
        .map_pin_path(bpffs.path())
        .override_global("first", &0u64, true)
        .override_global("tag", b"changed\0", true)
        .load_file(object("basic"))
        .unwrap();
    // `count(0)` now returns 0, which the program takes for an error.
    assert_eq!(
        loaded(&mut ebpf, "filter")
            .test_run(&PACKET)
            .unwrap()
            .return_value,
        0
    );
}

#[test]
fn callbacks_tail_calls_and_maps_of_maps() {
    require_bpf!();
    if hachi_test::kernel_is_older_than("5.17") {
        hachi_test::skip!("bpf_loop needs Linux ≥ 5.17");
    }
    let bpffs = Bpffs::new().unwrap();
    let mut ebpf = load(&bpffs, "calls");
    let walk = loaded(&mut ebpf, "walk");
    // The slot is empty as long as `tail` is not loaded: 2 × (0 × 3 + 1), and (0 + … + 101) × 3 +
    // 1.
    let without = walk.test_run(&PACKET).unwrap().return_value;
    assert_eq!(without, 2 + (0..=101).sum::<u32>() * 3 + 1);
    loaded(&mut ebpf, "tail");
    let with = ebpf
        .program("walk")
        .unwrap()
        .test_run(&PACKET)
        .unwrap()
        .return_value;
    assert_eq!(with, 1, "found the inner map and its element");

    // What cannot be loaded does not keep the rest from it.
    loaded(&mut ebpf, "on_open");
    let error = ebpf.program_mut("unknown").unwrap().load().unwrap_err();
    let ProgramError::Unloadable {
        name,
        problem: Unloadable::NoType { section },
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!((name.as_str(), section.as_str()), ("unknown", "mine/own"));
}

#[test]
fn maps_from_before_btf() {
    require_bpf!();
    let bpffs = Bpffs::new().unwrap();
    let mut ebpf = load(&bpffs, "legacy");
    assert!(bpffs.join("old_array").exists());
    loaded(&mut ebpf, "look").test_run(&PACKET).unwrap();
}

#[test]
fn cpu_v4() {
    require_bpf!();
    if hachi_test::kernel_is_older_than("6.6") {
        hachi_test::skip!("cpu v4 needs Linux ≥ 6.6");
    }
    let bpffs = Bpffs::new().unwrap();
    let mut ebpf = load(&bpffs, "v4");
    assert!(
        (1..=2).contains(
            &loaded(&mut ebpf, "v4")
                .test_run(&PACKET)
                .unwrap()
                .return_value
        )
    );
}

#[test]
fn names_a_file_that_is_not_an_object() {
    let fails = |path: &str| Ebpf::load_file(path).unwrap_err();
    let error = fails("/nowhere/x.o");
    assert!(matches!(error, EbpfError::FileError { .. }));
    assert!(error.to_string().contains("/nowhere/x.o"), "{error}");
    let error = fails(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).to_string();
    assert!(error.contains("Cargo.toml: not an ELF"), "{error}");
    let error = fails(object("nobtf").to_str().unwrap()).to_string();
    assert!(
        error.contains("nobtf.bpfel.o: section .maps needs type information"),
        "{error}"
    );
    let error = Ebpf::load(&std::fs::read(std::env::current_exe().unwrap()).unwrap()).unwrap_err();
    assert!(error.to_string().contains("not for BPF"), "{error}");
    let whole = std::fs::read(object("basic")).unwrap();
    let error = Ebpf::load(&whole[..whole.len() / 2])
        .unwrap_err()
        .to_string();
    assert!(error.contains("truncated"), "{error}");
}

/// The verifier's log comes with the source lines of `.BTF.ext`.
#[test]
fn logs_name_source_lines() {
    require_bpf!();
    let bpffs = Bpffs::new().unwrap();
    let mut ebpf = EbpfLoader::new()
        .map_pin_path(bpffs.path())
        .verifier_log_level(hachi::VerifierLogLevel::VERBOSE)
        .load_file(object("basic"))
        .unwrap();
    let log = loaded(&mut ebpf, "pass").verifier_log();
    assert!(
        log.contains("return bpf_map_lookup_elem(&plain, &hits) ? XDP_DROP : XDP_PASS;"),
        "{log}"
    );
}

#[test]
fn variables_in_an_arena() {
    require_bpf!();
    require_kernel!("6.9", "an arena");
    if hachi_test::cpu_lacks_cmpxchg16b() {
        hachi_test::skip!("the CPU has no cmpxchg16b");
    }
    let mut ebpf = EbpfLoader::new()
        .override_global("step", &5u64, true)
        .load_file(object("arena"))
        .unwrap();
    let program = loaded(&mut ebpf, "add");
    let run = || {
        program
            .test_run(&TestRunOptions::new())
            .unwrap()
            .return_value
    };
    assert_eq!((run(), run()), (105, 110));
    let total = ebpf.global::<[u64; 2]>("total").unwrap();
    assert_eq!(total.get().unwrap(), [2, 110]);
    total.set([0; 2]).unwrap();
    assert_eq!(
        ebpf.program("add")
            .unwrap()
            .test_run(&TestRunOptions::new())
            .unwrap()
            .return_value,
        5
    );
}

/// Whatever loading makes of a program, its Spec stays what the file says, and serves again.
#[test]
fn loading_changes_no_spec() {
    require_bpf!();
    let core = |name: &str| {
        let objects = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/objects/core");
        PathBuf::from(objects).join(format!("{name}.bpfel.o"))
    };
    let mut loaded_once = 0;
    for path in [
        object("basic"),
        object("calls"),
        object("core"),
        object("exceptions"),
        object("externs"),
        object("struct_ops"),
        core("fields"),
        core("missing"),
        core("sched"),
    ] {
        let bpffs = Bpffs::new().unwrap();
        let spec = Spec::parse(&std::fs::read(&path).unwrap()).unwrap();
        let before = spec.clone();
        let code: Vec<_> = spec
            .programs
            .iter()
            .map(|p| p.code().unwrap().into_owned())
            .collect();
        let mut loader = EbpfLoader::new();
        loader.map_pin_path(bpffs.path());
        let mut ebpf = loader.load_spec(spec).unwrap();
        for (own, code) in before.programs.iter().zip(&code) {
            let program = ebpf.program_mut(&own.name).unwrap();
            for _ in 0..2 {
                // Not every kernel takes all of them; that must make no difference either.
                if program.load().is_ok() {
                    loaded_once += 1;
                    program.unload().unwrap();
                }
                let spec = program.spec().unwrap();
                assert_eq!(spec, own, "{}", path.display());
                assert_eq!(&*spec.code().unwrap(), code, "{}", path.display());
            }
        }
        let again = loader.load_spec(before.clone()).unwrap();
        for (own, (_, program)) in before.programs.iter().zip(again.programs()) {
            assert_eq!(program.spec().unwrap(), own);
        }
    }
    assert!(loaded_once >= 8, "{loaded_once}");
}

/// Where a table of places in the code says, `gotox` jumps; on kernels that have no such tables the
/// object's other programs load.
#[test]
fn jump_tables_lead_where_they_should() {
    require_bpf!();
    let mut ebpf = Ebpf::load_file(object("jumps")).unwrap();
    loaded(&mut ebpf, "straight");
    let program = ebpf.program_mut("jumps").unwrap();
    if hachi_test::kernel_is_older_than("6.19") {
        let error = program.load().unwrap_err().to_string();
        assert!(
            error.contains("jumps through a table") && error.contains("needs Linux ≥ 6.19"),
            "{error}"
        );
        return;
    }
    program.load().unwrap();
    for (case, own) in [40, 10, 90, 60, 20, 70].into_iter().enumerate() {
        let called = [11, 7, 23, 31, 5, 1][case];
        let options = TestRunOptions::new().data(&[0; 106][..100 + case]);
        let result = ebpf.program("jumps").unwrap().test_run(&options).unwrap();
        assert_eq!(result.return_value, own + called, "case {case}");
    }
    let other = ebpf.program("jumps").unwrap().test_run(&PACKET).unwrap();
    assert_eq!(other.return_value, 0);
}

/// The callback that catches what a program throws is loaded with it.
#[test]
fn exceptions_are_caught() {
    require_bpf!();
    if hachi_test::kernel_is_older_than("6.7") {
        hachi_test::skip!("exceptions need Linux ≥ 6.7");
    }
    let mut ebpf = Ebpf::load_file(object("exceptions")).unwrap();
    let throws = loaded(&mut ebpf, "throws");
    // `caught` doubles the cookie, 20, and adds 1.
    assert_eq!(throws.test_run(&PACKET).unwrap().return_value, 41);
    let calm = loaded(&mut ebpf, "calm");
    assert_eq!(calm.test_run(&PACKET).unwrap().return_value, 0);
}

/// Each CPU has variables of its own in `.percpu`, all with the value from the object; a kernel
/// without such says so, and loads the object's other programs.
#[test]
fn each_cpu_has_variables_of_its_own() {
    require_bpf!();
    let mut ebpf = Ebpf::load_file(object("percpu")).unwrap();
    let plain = loaded(&mut ebpf, "plain");
    assert_eq!(plain.test_run(&PACKET).unwrap().return_value, 3);
    let values = |ebpf: &Ebpf| {
        let map = PerCpuArray::<_, [u8; 29]>::try_from(ebpf.map(".percpu").unwrap()).unwrap();
        let all = map.get(&0, 0).unwrap();
        let hits = |value: &[u8; 29]| i32::from_ne_bytes(value[..4].try_into().unwrap());
        let number = |value: &[u8; 29]| i64::from_ne_bytes(value[16..24].try_into().unwrap());
        all.iter()
            .map(|value| (hits(value), number(value), value[8]))
            .collect::<Vec<_>>()
    };
    let before = values(&ebpf);
    assert!(
        before.iter().all(|value| *value == (40, 7, b'x')),
        "{before:?}"
    );
    let program = ebpf.program_mut("counts").unwrap();
    if hachi_test::kernel_is_older_than("7.3") {
        let error = program.load().unwrap_err();
        assert!(
            matches!(error, ProgramError::Unsupported { .. }),
            "{error:?}"
        );
        let error = error.to_string();
        assert!(
            error.contains("\"counts\": per-CPU global variables (.percpu)"),
            "{error}"
        );
        assert!(error.contains("Linux ≥ 7.3"), "{error}");
        return;
    }
    program.load().unwrap();
    assert_eq!(program.test_run(&PACKET).unwrap().return_value, 41);
    let after = values(&ebpf);
    let changed: Vec<_> = after
        .iter()
        .filter(|value| **value != (40, 7, b'x'))
        .collect();
    assert_eq!(changed, [&(41, 12, b'x')]);
}

/// Of an object that is still to be linked, the programs that need no other object load, with their
/// types; the others say what is missing.
#[test]
fn an_object_still_to_be_linked_loads_what_it_can() {
    require_bpf!();
    let mut ebpf = Ebpf::load_file(object("unlinked")).unwrap();
    assert!(ebpf.btf_problem().is_none(), "{:?}", ebpf.btf_problem());
    let alone = loaded(&mut ebpf, "alone");
    assert_eq!(alone.test_run(&PACKET).unwrap().return_value, 2);
    for (name, missing) in [("looks_up", "'shared_map'"), ("calls", "'shared_function'")] {
        let error = ebpf.program_mut(name).unwrap().load().unwrap_err();
        assert!(
            matches!(error, ProgramError::Relocation { .. }),
            "{error:?}"
        );
        let error = error.to_string();
        for part in [name, missing, "another object", "`hachi ld`"] {
            assert!(error.contains(part), "{error}");
        }
    }
}
