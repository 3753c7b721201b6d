//! Programs at tracepoints with typed arguments.

mod support;

use hachi::{
    Btf,
    links::TargetKind,
    programs::{AttachOptions, BtfTracePoint, ProgramError, TargetProblem, Unloadable},
};
use hachi_test::{Bpffs, exercises, require_bpf};
use support::{
    load,
    tracing::{SYS_GETPGID, argument, cookie, get, getpgid, observer, seen, watching},
};

fn object(section: &str) -> hachi::Ebpf {
    load(watching(vec![observer(
        "on_enter",
        section,
        &argument(1),
        Some(SYS_GETPGID),
    )]))
}

fn program(ebpf: &mut hachi::Ebpf) -> &mut BtfTracePoint {
    get(ebpf, "on_enter").try_into().unwrap()
}

#[test]
fn by_section() {
    require_bpf!();
    let _row = exercises("tp_btf", "link");
    let mut ebpf = object("tp_btf/sys_enter");
    let all = ebpf.attach_all(&AttachOptions::new()).unwrap();
    assert_eq!(all.attached[0].1.target, "tracepoint sys_enter");
    getpgid(4);
    assert_eq!(seen(&ebpf), (4, SYS_GETPGID as u64));
}

#[test]
fn by_name_with_shared_types() {
    require_bpf!();
    let btf = Btf::from_sys_fs().unwrap();
    // The section alone does not say which.
    let mut ebpf = object("tp_btf");
    program(&mut ebpf).load("sys_enter", &btf).unwrap();
    let id = program(&mut ebpf).attach().unwrap();
    getpgid(2);
    assert_eq!(seen(&ebpf).0, 2);
    let link = program(&mut ebpf).take_link(id).unwrap();
    drop(ebpf.take_map("none").unwrap_err());
    drop(link);
    getpgid(1);
    assert_eq!(seen(&ebpf).0, 2);
}

#[test]
fn pinned() {
    require_bpf!();
    let bpffs = Bpffs::new().unwrap();
    let mut ebpf = object("tp_btf/sys_enter");
    program(&mut ebpf).load_by_section().unwrap();
    program(&mut ebpf).pin(bpffs.join("program")).unwrap();
    let mut again = BtfTracePoint::from_pin(bpffs.join("program")).unwrap();
    let id = again.attach().unwrap();
    let pinned = again
        .take_link(id)
        .unwrap()
        .pin(bpffs.join("link"))
        .unwrap();
    drop((again, pinned));
    getpgid(1);
    assert_eq!(seen(&ebpf).0, 1);
    hachi::pin::unpin(bpffs.join("link")).unwrap();
}

#[test]
fn cookies() {
    require_bpf!();
    let old = hachi_test::kernel_is_older_than("6.10");
    let value: &[_] = if old { &[] } else { &cookie() };
    let mut ebpf = load(watching(vec![observer(
        "on_enter",
        "tp_btf/sys_enter",
        value,
        None,
    )]));
    let program = program(&mut ebpf);
    program.load_by_section().unwrap();
    attempt!(program.attach_with_cookie(99));
    getpgid(1);
    assert_eq!(seen(&ebpf).1, 99);
}

#[test]
fn wrong_names_get_a_hint() {
    require_bpf!();
    let mut ebpf = object("tp_btf/sched_swich");
    let error = program(&mut ebpf).load_by_section().unwrap_err();
    let ProgramError::Unloadable {
        problem: Unloadable::Target(TargetProblem::Missing { kind, .. }),
        ..
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!(*kind, TargetKind::Tracepoint);
    let error = error.to_string();
    assert!(
        error.contains("no tracepoint \"sched_swich\"")
            && error.contains("did you mean \"sched_switch\""),
        "{error}"
    );
    let mut ebpf = object("tp_btf");
    let error = program(&mut ebpf)
        .load_by_section()
        .unwrap_err()
        .to_string();
    assert!(error.contains("names no target"), "{error}");
    let error = program(&mut ebpf).attach().unwrap_err().to_string();
    assert!(error.contains("is not loaded"), "{error}");
}
