//! From Spec to kernel: what loads, what does not, and what is left behind.

mod support;

use hachi::{
    EbpfError, EbpfLoader, VerifierLogLevel,
    maps::{MapError, PerCpuArray},
    obj::{self, MapSpec, MapType, Pinning, RelocationKind},
    programs::{Program, ProgramError, TestRunOptions, Unloadable, Xdp, XdpFlags, loaded_programs},
};
use hachi_asm::build;
use hachi_test::{Bpffs, Netns, TempDir, require_bpf};
use support::{
    load, one, program, spec,
    tracing::{argument, observer},
    verdict, xdp,
};

const PACKET: TestRunOptions<'_> = TestRunOptions::new().data(&[0; 64]);

#[test]
fn programs_load_and_run() {
    require_bpf!();
    let mut ebpf = load(one("pass", support::XDP_PASS));
    let program = xdp(&mut ebpf, "pass");
    assert_eq!(program.test_run(&PACKET).unwrap().return_value, 2);
    let info = program.info().unwrap();
    assert_eq!(info.name(), "pass");
    assert!(info.gpl_compatible());
    assert_eq!(info.xlated().unwrap().last(), Some(&build::exit()));
    assert!(loaded_programs().any(|other| other.unwrap().id() == info.id()));

    assert!(matches!(
        program.load(),
        Err(ProgramError::AlreadyLoaded { .. })
    ));
    program.unload().unwrap();
    assert!(matches!(
        program.test_run(&PACKET),
        Err(ProgramError::NotLoaded { .. })
    ));
    program.load().unwrap();
    assert_eq!(program.test_run(&PACKET).unwrap().return_value, 2);
}

#[test]
fn constants_belong_to_programs_that_do_not_use_them() {
    require_bpf!();
    let mut spec = support::with_global("bpf_metadata_version", 3);
    spec.programs.push(verdict("pass", 2));
    let mut ebpf = load(spec);
    let constants = ebpf.map(".rodata").unwrap().data().info().unwrap().id();
    let program = xdp(&mut ebpf, "pass");
    assert_eq!(program.info().unwrap().map_ids(), [constants]);
}

#[test]
fn refuses_programs_that_read_the_registers_of_another_machine() {
    require_bpf!();
    let mut object = support::tracing::watching(vec![
        observer("reads", "uprobe", &argument(0), None),
        observer("counts", "uprobe", &[], None),
    ]);
    let there = match obj::arch::HERE {
        "s390x" => "riscv64",
        _ => "s390x",
    };
    object.arch = Some(there.to_owned());
    let mut foreign = load(object.clone());
    foreign.program_mut("counts").unwrap().load().unwrap();
    let error = foreign.program_mut("reads").unwrap().load().unwrap_err();
    let ProgramError::Unloadable { problem, .. } = &error else {
        panic!("{error}")
    };
    assert!(matches!(problem, Unloadable::Registers { of, .. } if of == there));
    let fix = format!("hachi build --arch {}", obj::arch::HERE);
    assert!(error.to_string().contains(&fix), "{error}");

    for known in [None, Some(obj::arch::HERE.to_owned())] {
        object.arch = known;
        let mut own = load(object.clone());
        own.program_mut("reads").unwrap().load().unwrap();
    }
}

#[test]
fn test_runs_give_back_the_packet() {
    require_bpf!();
    let mut ebpf = load(one("pass", 2));
    let program = xdp(&mut ebpf, "pass");
    let data: Vec<u8> = (0..100).collect();
    let run = |data_out| {
        let options = TestRunOptions::new()
            .data(&data)
            .data_out(data_out)
            .repeat(10);
        program.test_run(&options).unwrap()
    };
    assert_eq!(run(200).data, data);
    let short = run(20);
    assert_eq!((short.data.len(), short.data_size), (20, 100));
}

#[test]
fn maps_are_shared_with_programs() {
    require_bpf!();
    let map = MapSpec::new("HITS", MapType::PercpuArray, 4, 8, 1);
    let mut ebpf = load(spec(vec![map], vec![support::counter("count", "HITS")]));
    let options = PACKET.repeat(1000);
    // Also when the map was taken out before the program is loaded.
    let hits = ebpf.take_map("HITS").unwrap();
    xdp(&mut ebpf, "count").test_run(&options).unwrap();
    let hits: PerCpuArray<_, u64> = hits.try_into().unwrap();
    assert_eq!(hits.get(&0, 0).unwrap().iter().sum::<u64>(), 1000);
}

#[test]
fn map_descriptors_stay_while_a_program_may_need_them() {
    require_bpf!();
    let map = MapSpec::new("HITS", MapType::PercpuArray, 4, 8, 1);
    let mut ebpf = load(spec(vec![map], vec![support::counter("count", "HITS")]));
    drop(ebpf.take_map("HITS").unwrap());
    xdp(&mut ebpf, "count").test_run(&PACKET).unwrap();
}

#[test]
fn names_and_sections_both_find_programs() {
    require_bpf!();
    let programs = vec![
        verdict("a", 0),
        verdict("b", 1),
        program(
            "c",
            "xdp.frags",
            vec![build::mov_imm(0, 2), build::exit()],
            &[],
        ),
    ];
    let mut ebpf = load(spec(Vec::new(), programs));
    assert_eq!(ebpf.program("b").unwrap().name(), "b");
    assert_eq!(ebpf.program("xdp.frags").unwrap().name(), "c");
    assert_eq!(
        ebpf.program_mut("d").unwrap_err().to_string(),
        "no program \"d\"; the object has \"a\", \"b\" and \"c\""
    );
    assert_eq!(
        ebpf.program("xdp").unwrap_err().to_string(),
        "no program \"xdp\"; that is a section with several: \"a\" and \"b\""
    );
    assert_eq!(
        ebpf.programs().map(|(name, _)| name).collect::<Vec<_>>(),
        ["a", "b", "c"]
    );
    assert_eq!(
        ebpf.map("X").unwrap_err().to_string(),
        "no map \"X\"; the object has none"
    );
}

#[test]
fn all_types_load_by_their_sections() {
    require_bpf!();
    let zero = || vec![build::mov_imm(0, 0), build::exit()];
    let sections = [
        "socket",
        "tc",
        // The one that nobody attaches any more: classifiers have taken its place.
        "action",
        "tcx/ingress",
        "cgroup_skb/egress",
        "cgroup/dev",
        "cgroup/connect4",
        "sockops",
        "sk_msg",
        "sk_skb/stream_parser",
        "sk_lookup",
        "flow_dissector",
        "lwt_in",
        "cgroup/sysctl",
        "netfilter",
        "tracepoint/syscalls/sys_enter_openat",
        "raw_tp/sys_enter",
        "kprobe/do_nanosleep",
        "uprobe/libc:malloc",
        "perf_event",
        "syscall",
        "tp_btf/sys_enter",
        "iter/task",
    ];
    for section in sections {
        let mut insns = zero();
        if section == "flow_dissector" || section == "sk_lookup" || section == "cgroup/connect4" {
            insns[0] = build::mov_imm(0, 1);
        }
        let mut ebpf = load(spec(Vec::new(), vec![program("p", section, insns, &[])]));
        let program = ebpf.program_mut("p").unwrap();
        let (def, _) = obj::sections::lookup(section).unwrap();
        let older = hachi_test::kernel_is_older_than(&format!(
            "{}.{}",
            def.first_kernel.0, def.first_kernel.1
        ));
        match program.load() {
            // The declared kernel is the first that attaches it; some load earlier.
            Ok(()) => {}
            Err(ProgramError::Unsupported { error, .. }) => {
                assert!(older);
                assert_eq!(error.what(), format!("section {section:?}"));
                assert!(error.to_string().contains("(running "), "{error}");
                continue;
            }
            Err(error) => panic!("{section}: {error}"),
        }
        let other = matches!(program, Program::Other(_));
        assert_eq!(other, section == "action", "{section}");
        let error = <&mut Xdp>::try_from(program).unwrap_err().to_string();
        assert!(
            error.contains(section) && error.ends_with("not xdp"),
            "{error}"
        );
    }
}

#[test]
fn a_rejection_keeps_the_log() {
    require_bpf!();
    let mut ebpf = load(spec(Vec::new(), vec![support::careless("careless")]));
    let error = ebpf.program_mut("careless").unwrap().load().unwrap_err();
    let ProgramError::LoadError(rejection) = &error else {
        panic!("{error}")
    };
    assert_eq!(rejection.error.errno(), libc::EACCES);
    assert!(
        rejection.log.contains("invalid access to packet"),
        "{}",
        rejection.log
    );
    assert_eq!(rejection.explain().code.unwrap().name(), "packet-bounds");
    let text = error.to_string();
    assert!(
        text.contains("\"careless\"") && text.contains("invalid access to packet"),
        "{text}"
    );
}

#[test]
fn long_logs_are_whole() {
    require_bpf!();
    let mut ebpf = load(spec(Vec::new(), vec![support::longwinded("longwinded")]));
    let error = ebpf.program_mut("longwinded").unwrap().load().unwrap_err();
    let ProgramError::LoadError(rejection) = &error else {
        panic!("{error}")
    };
    assert!(rejection.log.len() > 100_000, "{}", rejection.log.len());
    assert!(
        rejection.log.contains("\n0: ") || rejection.log.starts_with("0: "),
        "the start"
    );
    assert!(rejection.log.contains("R9 !read_ok"), "the end");
}

#[test]
fn logs_of_success_on_request() {
    require_bpf!();
    let mut ebpf = EbpfLoader::new()
        .verifier_log_level(VerifierLogLevel::STATS)
        .load_spec(one("pass", 2))
        .unwrap();
    let program = xdp(&mut ebpf, "pass");
    assert!(
        program.verifier_log().contains("processed 2 insns"),
        "{}",
        program.verifier_log()
    );
    assert_eq!(xdp(&mut load(one("pass", 2)), "pass").verifier_log(), "");
}

#[test]
fn globals_are_set_before_loading() {
    require_bpf!();
    let run = |loader: &mut EbpfLoader| {
        let mut ebpf = loader.load_spec(support::with_global("LIMIT", 7)).unwrap();
        let value = xdp(&mut ebpf, "reader")
            .test_run(&PACKET)
            .unwrap()
            .return_value;
        let rodata = ebpf.map_mut(".rodata").unwrap();
        assert_eq!(rodata.data().info().unwrap().name(), "handmade.rodata");
        assert!(
            rodata.data_mut().update_bytes(&[0; 4], &[0; 8], 0).is_err(),
            "it is frozen"
        );
        value
    };
    assert_eq!(run(&mut EbpfLoader::new()), 7);
    assert_eq!(
        run(EbpfLoader::new().override_global("LIMIT", &99u32, true)),
        99
    );
    assert_eq!(
        run(EbpfLoader::new().override_global("LIMIT", [98u32].as_slice(), true)),
        98
    );
    assert_eq!(
        run(EbpfLoader::new().override_global("ABSENT", &1u32, false)),
        7
    );

    let fails = |loader: &mut EbpfLoader| {
        loader
            .load_spec(support::with_global("LIMIT", 7))
            .unwrap_err()
            .to_string()
    };
    let error = fails(EbpfLoader::new().override_global("ABSENT", &1u32, true));
    assert!(
        error.contains("ABSENT") && error.contains("LIMIT"),
        "{error}"
    );
    let error = fails(EbpfLoader::new().override_global("LIMIT", &1u64, true));
    assert!(
        error.contains("LIMIT") && error.contains('4') && error.contains('8'),
        "{error}"
    );
}

#[test]
fn capacities_are_set_before_loading() {
    require_bpf!();
    let object = || spec(vec![MapSpec::new("M", MapType::Hash, 4, 4, 10)], Vec::new());
    let ebpf = EbpfLoader::new()
        .map_max_entries("M", 77)
        .load_spec(object())
        .unwrap();
    assert_eq!(ebpf.map("M").unwrap().data().max_entries(), 77);
    let error = EbpfLoader::new()
        .map_max_entries("M", 0)
        .load_spec(object())
        .map(|ebpf| ebpf.map("M").unwrap_err().to_string());
    let error = error.unwrap_or_else(|error| error.to_string());
    assert!(error.contains("max_entries of at least 1"), "{error}");
    let error = EbpfLoader::new()
        .map_max_entries("N", 77)
        .load_spec(object())
        .unwrap_err();
    assert!(error.to_string().contains("no map 'N'"), "{error}");
}

#[test]
fn long_and_odd_names_are_cut_for_the_kernel() {
    require_bpf!();
    let mut ebpf = load(one("firewall::filter-the-packets", 2));
    let program = xdp(&mut ebpf, "firewall::filter-the-packets");
    assert_eq!(program.info().unwrap().name(), "firewall__filte");
}

#[test]
fn names_what_this_version_cannot_do() {
    require_bpf!();
    let refused = |program| {
        let mut ebpf = load(spec(Vec::new(), vec![verdict("fine", 2), program]));
        // The rest of the object is not affected.
        xdp(&mut ebpf, "fine");
        ebpf.program_mut("odd")
            .unwrap()
            .load()
            .unwrap_err()
            .to_string()
    };
    let mut odd = verdict("odd", 0);
    odd.code_mut().unwrap().core_relos.push(obj::CoreRecord {
        insn_off: 0,
        type_id: 1,
        access: 0,
        kind: obj::CoreReloKind::FieldByteOffset as u32,
    });
    let error = refused(odd);
    assert!(
        error.contains("CO-RE records need type information, but the object has no .BTF"),
        "{error}"
    );

    let mut odd = verdict("odd", 0);
    odd.code_mut()
        .unwrap()
        .relocations
        .push(obj::Relocation::new(
            0,
            RelocationKind::Kfunc {
                name: "bpf_rcu_read_lock".into(),
                place: 0,
            },
        ));
    assert!(
        refused(odd)
            .contains("\"bpf_rcu_read_lock\" of the kernel, which the object does not declare")
    );

    let error = refused(support::untyped("odd"));
    assert!(
        error.contains("\"mystery\" says nothing about its type"),
        "{error}"
    );

    let error = refused(program(
        "odd",
        "tp_btf/no_such_event",
        vec![build::exit()],
        &[],
    ));
    assert!(
        error.contains("no tracepoint \"no_such_event\" to attach to"),
        "{error}"
    );
    let error = refused(program("odd", "fentry", vec![build::exit()], &[]));
    assert!(error.contains("names no target"), "{error}");
    let missing = program(
        "odd",
        "xdp",
        support::map_address(1).into(),
        &[(0, "NOWHERE")],
    );
    assert!(refused(missing).contains("map \"NOWHERE\", which the object does not define"));
}

#[test]
fn unsupported_maps_can_be_left_out() {
    require_bpf!();
    let object = || {
        let programs = vec![verdict("fine", 2), support::counter("count", "ODD")];
        spec(
            vec![MapSpec::new("ODD", MapType::StructOps, 4, 8, 1)],
            programs,
        )
    };
    let error = EbpfLoader::new().load_spec(object()).unwrap_err();
    assert!(
        matches!(&error, EbpfError::MapError(MapError::Unsuitable { .. })),
        "{error}"
    );
    let mut ebpf = EbpfLoader::new()
        .allow_unsupported_maps()
        .load_spec(object())
        .unwrap();
    xdp(&mut ebpf, "fine");
    let error = ebpf
        .program_mut("count")
        .unwrap()
        .load()
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("map \"ODD\", which was left out: map \"ODD\": a set of operations"),
        "{error}"
    );
}

#[test]
fn the_other_byte_order_is_refused() {
    let mut object = one("pass", 2);
    object.endian = match obj::Endian::NATIVE {
        obj::Endian::Little => obj::Endian::Big,
        obj::Endian::Big => obj::Endian::Little,
    };
    let error = EbpfLoader::new().load_spec(object).unwrap_err().to_string();
    assert!(error.contains("bpf"), "{error}");
}

/// Types the kernel refuses cost the source lines, not the program.
#[test]
fn bad_types_do_not_stop_a_program() {
    require_bpf!();
    let mut object = one("pass", 2);
    let mut types = hachi_btf::BtfBuilder::new();
    types.add(hachi_btf::Type::Ptr(hachi_btf::Ptr { type_id: 77 }));
    object.btf = support::types(&types);
    let mut ebpf = load(object);
    let problem = ebpf.btf_problem().unwrap().to_string();
    assert!(
        problem.contains("EINVAL") && problem.contains("type_id"),
        "{problem}"
    );
    xdp(&mut ebpf, "pass");

    // But the missing source lines are explained.
    let mut object = spec(Vec::new(), vec![support::careless("careless")]);
    let mut types = hachi_btf::BtfBuilder::new();
    types.add(hachi_btf::Type::Ptr(hachi_btf::Ptr { type_id: 77 }));
    object.btf = support::types(&types);
    let error = load(object)
        .program_mut("careless")
        .unwrap()
        .load()
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("no source lines") && error.contains("type_id"),
        "{error}"
    );
}

#[test]
fn objects_may_be_sent_and_shared_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<hachi::Ebpf>();
    check::<hachi::links::PinnedLink>();
    check::<hachi::maps::RingBuf<hachi::maps::MapData>>();
    check::<hachi::EbpfLogger>();
    check::<EbpfError>();
}

/// Every failure in turn; afterwards there is no descriptor, no pin and no directory that was not
/// there before.
///
/// In one test, since descriptors are the process's: this binary's other tests must not run
/// meanwhile.
#[test]
fn failures_leave_nothing_behind() {
    require_bpf!();
    // Alone in a child process.
    if std::env::var_os("HACHI_TEST_ALONE").is_none() {
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "failures_leave_nothing_behind",
                "--nocapture",
                "--test-threads=1",
            ])
            .env("HACHI_TEST_ALONE", "1")
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    let bpffs = Bpffs::new().unwrap();
    let netns = Netns::new().unwrap();
    // Whatever is opened once and kept (feature probes, /proc) is so by now.
    fail_in_every_way(&bpffs, &netns);
    let before = support::descriptors();
    for _ in 0..3 {
        fail_in_every_way(&bpffs, &netns);
    }
    assert_eq!(support::descriptors(), before);
    let left = || {
        std::fs::read_dir(bpffs.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
    };
    // The kernel puts these two into every BPF file system.
    let left: Vec<_> = left()
        .filter(|name| name != "progs.debug" && name != "maps.debug")
        .collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(
        netns
            .run(|| hachi::links::xdp_attachments().unwrap())
            .is_empty()
    );
}

fn fail_in_every_way(bpffs: &Bpffs, netns: &Netns) {
    let good = || {
        let mut map = MapSpec::new("GOOD", MapType::Array, 4, 4, 1);
        map.pinning = Pinning::ByName;
        map
    };
    let loader = || {
        let mut loader = EbpfLoader::new();
        loader.map_pin_path(bpffs.join("app"));
        loader
    };
    // A later map cannot be created: the earlier one, and its pin, go again.
    let bad = MapSpec::new("BAD", MapType::Array, 8, 4, 1);
    loader()
        .load_spec(spec(vec![good(), bad], Vec::new()))
        .unwrap_err();
    assert!(!bpffs.join("app/GOOD").exists());
    std::fs::remove_dir(bpffs.join("app")).ok();

    // Pinning fails: no BPF file system.
    let elsewhere = TempDir::new().unwrap();
    EbpfLoader::new()
        .pin_map("M", elsewhere.join("deep/M"))
        .load_spec(spec(
            vec![MapSpec::new("M", MapType::Array, 4, 4, 1)],
            Vec::new(),
        ))
        .unwrap_err();
    assert!(!elsewhere.join("deep").exists());

    // A map of maps whose content does not fit.
    let mut outer = MapSpec::new("OUTER", MapType::ArrayOfMaps, 4, 4, 1);
    outer.inner = Some(Box::new(MapSpec::new("", MapType::Array, 4, 8, 1)));
    outer.entries.push(obj::InitialEntry::new(0, "GOOD"));
    let mut inner = MapSpec::new("GOOD", MapType::Hash, 4, 4, 1);
    inner.pin_path = Some(bpffs.join("inner"));
    loader()
        .load_spec(spec(vec![outer, inner], Vec::new()))
        .unwrap_err();
    assert!(!bpffs.join("inner").exists());

    // A rejected program, with maps.
    let mut ebpf = load(spec(
        vec![MapSpec::new("M", MapType::Array, 4, 4, 1)],
        vec![support::careless("careless")],
    ));
    ebpf.program_mut("careless").unwrap().load().unwrap_err();

    // Attaching to nothing, pinning a program nowhere and on what exists, and a link nowhere.
    let mut ebpf = load(one("pass", 2));
    let program = xdp(&mut ebpf, "pass");
    netns.run(|| {
        program.attach("nothing0", XdpFlags::default()).unwrap_err();
        program
            .attach_to_if_index(9999, XdpFlags::default())
            .unwrap_err();
        program.attach("lo", XdpFlags::HW_MODE).unwrap_err();
        program
            .attach("lo", XdpFlags::HW_MODE | XdpFlags::REPLACE)
            .unwrap_err();
        for flags in [XdpFlags::SKB_MODE, XdpFlags::SKB_MODE | XdpFlags::REPLACE] {
            let id = program.attach("lo", flags).unwrap();
            program.attach("lo", XdpFlags::SKB_MODE).unwrap_err();
            let link = program.take_link(id).unwrap();
            link.pin("/proc/self/nowhere").unwrap_err();
            assert!(
                hachi::links::xdp_attachments().unwrap().is_empty(),
                "it was detached"
            );
        }
    });
    program.pin(elsewhere.join("p")).unwrap_err();
    program.pin(bpffs.join("deep/down/p")).unwrap();
    program.pin(bpffs.join("deep/down/p")).unwrap_err();
    program.pin(bpffs.join("deep/down/p/q")).unwrap_err();
    let dotted = program.pin(bpffs.join("v1.2/p")).unwrap_err().to_string();
    assert!(
        dotted.contains("no names with dots, such as \"v1.2\""),
        "{dotted}"
    );
    hachi::pin::unpin(bpffs.join("deep/down/p")).unwrap();
    std::fs::remove_dir(bpffs.join("deep/down")).unwrap();
    std::fs::remove_dir(bpffs.join("deep")).unwrap();
    Xdp::from_pin(bpffs.join("nothing")).unwrap_err();
}
