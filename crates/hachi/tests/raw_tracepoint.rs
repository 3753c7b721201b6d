//! Programs at raw tracepoints.

mod support;

use hachi::programs::{AttachOptions, ProgramError, RawTracePoint, TestRunOptions};
use hachi_asm::{Size, build};
use hachi_test::{exercises, require_bpf};
use support::{
    load,
    tracing::{SYS_GETPGID, argument, cookie, get, getpgid, observer, seen, watching},
};

fn program(ebpf: &mut hachi::Ebpf) -> &mut RawTracePoint {
    get(ebpf, "on_enter").try_into().unwrap()
}

#[test]
fn sees_the_arguments() {
    require_bpf!();
    for kind in ["raw_tp", "raw_tracepoint"] {
        let _row = exercises(kind, "link");
        let section = format!("{kind}/sys_enter");
        let object = observer("on_enter", &section, &argument(1), Some(SYS_GETPGID));
        let mut ebpf = load(watching(vec![object]));
        program(&mut ebpf).load().unwrap();
        let id = program(&mut ebpf).attach("sys_enter").unwrap();
        getpgid(5);
        assert_eq!(seen(&ebpf), (5, SYS_GETPGID as u64));
        program(&mut ebpf).detach(id).unwrap();
        getpgid(1);
        assert_eq!(seen(&ebpf).0, 5);
        // And by the section's own name, for as long as the object lives.
        let all = ebpf.attach_all(&AttachOptions::new()).unwrap();
        assert_eq!(all.attached[0].1.target, "raw tracepoint sys_enter");
        getpgid(1);
        assert_eq!(seen(&ebpf).0, 6);
    }
}

#[test]
fn cookies() {
    require_bpf!();
    let value: &[_] = if hachi_test::kernel_is_older_than("6.10") {
        &[]
    } else {
        &cookie()
    };
    let mut ebpf = load(watching(vec![observer(
        "on_enter",
        "raw_tp/sys_enter",
        value,
        None,
    )]));
    let program = program(&mut ebpf);
    program.load().unwrap();
    attempt!(program.attach_with_cookie("sys_enter", 77));
    getpgid(1);
    assert_eq!(seen(&ebpf).1, 77);
}

/// `bpf_test_finish` is passed at the end of each test run that copies out, and its only argument
/// (the error) may be written.
#[test]
fn writable_programs_change_the_result() {
    require_bpf!();
    let kinds = ["raw_tp.w", "raw_tracepoint.w"];
    let _rows = kinds.map(|kind| exercises(kind, "link"));
    for kind in kinds {
        let mut ebpf = load(failing_test_runs(kind));
        attempt!(program(&mut ebpf).load());
        check_test_runs_fail(&mut ebpf);
    }
}

/// A program that has test runs fail, and one to be run.
fn failing_test_runs(kind: &str) -> hachi::obj::Spec {
    let writer = support::program(
        "on_enter",
        &format!("{kind}/bpf_test_finish"),
        vec![
            build::load(Size::Dw, 2, 1, 0),
            build::store_imm(Size::W, 2, 0, -libc::ENOTTY),
            build::mov_imm(0, 0),
            build::exit(),
        ],
        &[],
    );
    support::spec(Vec::new(), vec![writer, support::verdict("pass", 2)])
}

fn check_test_runs_fail(ebpf: &mut hachi::Ebpf) {
    get(ebpf, "pass").load().unwrap();
    let options = TestRunOptions::new().data(&[0; 64]);
    // The tracepoint is the whole system's, so the attachment is as short as can be.
    let id = program(ebpf).attach("bpf_test_finish").unwrap();
    let error = get(ebpf, "pass").test_run(&options).unwrap_err();
    program(ebpf).detach(id).unwrap();
    let ProgramError::SyscallError { error, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(error.errno(), libc::ENOTTY);
    assert!(get(ebpf, "pass").test_run(&options).is_ok());
}

#[test]
fn wrong_names_get_a_hint() {
    require_bpf!();
    let mut ebpf = load(watching(vec![observer(
        "on_enter",
        "raw_tp/sys_entr",
        &[],
        None,
    )]));
    program(&mut ebpf).load().unwrap();
    let error = ebpf
        .attach_all(&AttachOptions::new())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("no raw tracepoint \"sys_entr\"; did you mean")
            && error.contains("\"sys_enter\""),
        "{error}"
    );
    assert!(program(&mut ebpf).attach("a\0b").is_err());
}
