//! Probes of kernel functions.

mod support;

use hachi::{
    links::OwnedLink,
    programs::{AttachOptions, KProbe, ProbeKind},
};
use hachi_test::{Bpffs, exercises, require_bpf};
use support::{
    load,
    tracing::{GETPGID, Observer, cookie, get, getpgid, observer, reset, seen, watching},
};

const FUNCTION: &str = "security_task_getpgid";

/// Leaves the test where the kernel has no kprobes at all.
macro_rules! require_kprobes {
    () => {
        require_bpf!();
        if !std::path::Path::new("/sys/bus/event_source/devices/kprobe").exists() {
            hachi_test::skip!("this kernel has no kprobes (CONFIG_KPROBES)");
        }
    };
}

fn program(ebpf: &mut hachi::Ebpf) -> &mut KProbe {
    get(ebpf, "probe").try_into().unwrap()
}

#[test]
fn entries_and_returns_by_every_way() {
    let ways = ["perf event", "tracefs"];
    let _rows = ["kprobe", "kretprobe"].map(|kind| ways.map(|way| exercises(kind, way)));
    require_kprobes!();
    for (kind, section) in [
        (ProbeKind::Entry, format!("kprobe/{FUNCTION}")),
        (ProbeKind::Return, format!("kretprobe/{FUNCTION}")),
    ] {
        let mut ebpf = load(watching(vec![observer("probe", &section, &[], None)]));
        program(&mut ebpf).load().unwrap();
        assert_eq!(program(&mut ebpf).kind(), kind);
        for way in 0..3 {
            let id = match way {
                0 => program(&mut ebpf).attach(FUNCTION, 0),
                1 => program(&mut ebpf).attach_by_tracefs(FUNCTION, 0),
                _ => {
                    let all = ebpf.attach_all(&AttachOptions::new()).unwrap();
                    let attached = &all.attached[0].1;
                    assert_eq!(attached.target, format!("kernel function {FUNCTION}"));
                    Ok(attached.link)
                }
            };
            let id = id.unwrap();
            let is_link = matches!(
                program(&mut ebpf).links().next().unwrap().1,
                OwnedLink::Fd(_)
            );
            assert_eq!(
                is_link,
                way != 1 && !hachi_test::kernel_is_older_than("5.15")
            );
            getpgid(3);
            assert_eq!(seen(&ebpf).0, 3, "{section} {way}");
            program(&mut ebpf).detach(id).unwrap();
            getpgid(1);
            assert_eq!(seen(&ebpf).0, 3, "{section} {way}");
            reset(&mut ebpf);
        }
    }
    let left = std::fs::read_to_string("/sys/kernel/tracing/kprobe_events").unwrap_or_default();
    assert!(!left.contains("hachi_"), "{left}");
}

#[test]
fn system_calls_whatever_their_functions_are_called() {
    let kinds = ["ksyscall", "kretsyscall"];
    let _rows = kinds.map(|kind| exercises(kind, "perf event"));
    require_kprobes!();
    for kind in kinds {
        let section = format!("{kind}/getpgid");
        let mut ebpf = load(watching(vec![observer("probe", &section, &[], None)]));
        let all = ebpf.attach_all(&AttachOptions::new()).unwrap();
        assert_eq!(all.attached[0].1.target, "system call getpgid");
        getpgid(2);
        assert_eq!(seen(&ebpf).0, 2, "{section}");
    }
}

#[test]
fn offsets_and_addresses() {
    require_kprobes!();
    let function = GETPGID;
    let mut address = 0;
    for line in std::fs::read_to_string("/proc/kallsyms").unwrap().lines() {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap();
        if words.nth(1) == Some(function) {
            address = u64::from_str_radix(first, 16).unwrap();
        }
    }
    if address == 0 {
        hachi_test::skip!("no {function} here, or no addresses shown");
    }
    let mut ebpf = load(watching(vec![observer("probe", "kprobe", &[], None)]));
    program(&mut ebpf).load().unwrap();
    let id = program(&mut ebpf).attach_to_address(address, 0).unwrap();
    getpgid(2);
    assert_eq!(seen(&ebpf).0, 2);
    program(&mut ebpf).detach(id).unwrap();
    // Somewhere in its first bytes an instruction begins; the kernel refuses the other places.
    let hit = (1..12).find_map(|offset| program(&mut ebpf).attach(function, offset).ok());
    reset(&mut ebpf);
    getpgid(1);
    assert!(hit.is_some() && seen(&ebpf).0 == 1);
}

#[test]
fn cookies() {
    require_kprobes!();
    let old = hachi_test::kernel_is_older_than("5.15");
    let value: &[_] = if old { &[] } else { &cookie() };
    let mut ebpf = load(watching(vec![observer("probe", "kprobe", value, None)]));
    let program = program(&mut ebpf);
    program.load().unwrap();
    attempt!(program.attach_with_cookie(FUNCTION, 0, 0x1234_5678_9abc));
    getpgid(1);
    assert_eq!(seen(&ebpf), (1, 0x1234_5678_9abc));
}

#[test]
fn a_pinned_program_attaches_again() {
    require_kprobes!();
    let bpffs = Bpffs::new().unwrap();
    let mut ebpf = load(watching(vec![observer("probe", "kretprobe", &[], None)]));
    program(&mut ebpf).load().unwrap();
    program(&mut ebpf).pin(bpffs.join("program")).unwrap();
    let mut again = KProbe::from_pin(bpffs.join("program"), ProbeKind::Return).unwrap();
    assert_eq!(again.kind(), ProbeKind::Return);
    again.attach(FUNCTION, 0).unwrap();
    getpgid(1);
    assert_eq!(seen(&ebpf).0, 1);
}

#[test]
fn wrong_names_get_a_hint() {
    require_bpf!();
    let program_spec = Observer::default().program("probe", "kprobe/security_task_getpgdi");
    let mut ebpf = load(watching(vec![program_spec]));
    let error = ebpf
        .attach_all(&AttachOptions::new())
        .unwrap_err()
        .to_string();
    if std::path::Path::new("/sys/bus/event_source/devices/kprobe").exists() {
        assert!(
            error.contains("no kernel function \"security_task_getpgdi\"; did you mean")
                && error.contains(FUNCTION),
            "{error}"
        );
    } else {
        assert!(error.contains("this kernel has no kprobes"), "{error}");
    }
    let error = program(&mut ebpf).attach("a b", 0).unwrap_err().to_string();
    assert!(
        error.contains("\"a b\"") || error.contains("no kprobes"),
        "{error}"
    );
}
