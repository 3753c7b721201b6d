//! Programs at entry and return of kernel functions, and in their place.

mod support;

use hachi::{
    Btf,
    links::TargetKind,
    programs::{
        AttachOptions, Extension, FEntry, FExit, FModRet, ProgramError, TargetProblem,
        TestRunOptions, TracingMulti, Unloadable,
    },
};
use hachi_test::{VethPair, exercises, require_bpf, require_kernel};
use support::{
    load,
    tracing::{
        GETPGID, Observer, argument, cookie, get, getpgid, observer, seen, skip_reason, watching,
    },
};

/// What getpgid(2) calls to ask whether it may, on every architecture.
const FUNCTION: &str = "security_task_getpgid";

#[test]
fn entries_and_returns() {
    require_bpf!();
    let _rows = ["fentry", "fexit"].map(|kind| exercises(kind, "link"));
    for kind in ["fentry", "fexit"] {
        // The result stands behind the one argument.
        let value = argument(i16::from(kind == "fexit"));
        let section = format!("{kind}/{FUNCTION}");
        let mut ebpf = load(watching(vec![observer("probe", &section, &value, None)]));
        attempt!(get(&mut ebpf, "probe").load());
        let all = ebpf.attach_all(&AttachOptions::new()).unwrap();
        assert_eq!(
            all.attached[0].1.target,
            format!("kernel function {FUNCTION}")
        );
        getpgid(3);
        let (count, value) = seen(&ebpf);
        assert_eq!(count, 3, "{kind}");
        assert_eq!(value == 0, kind == "fexit", "a task, and success");
        get(&mut ebpf, "probe")
            .detach(all.attached[0].1.link)
            .unwrap();
        getpgid(1);
        assert_eq!(seen(&ebpf).0, 3);
    }
}

/// A session is a run at the entry and one at the return.
#[test]
fn sessions_see_both_ends() {
    require_bpf!();
    let _row = exercises("fsession", "link");
    let section = format!("fsession/{FUNCTION}");
    let mut ebpf = load(watching(vec![observer("probe", &section, &[], None)]));
    attempt!(get(&mut ebpf, "probe").load());
    attempt!(ebpf.attach_all(&AttachOptions::new()));
    getpgid(3);
    assert_eq!(seen(&ebpf).0, 6);
}

#[test]
fn many_functions_by_one_link() {
    require_bpf!();
    let kinds = ["fentry.multi", "fexit.multi", "fsession.multi"];
    let _rows = kinds.map(|kind| exercises(kind, "link"));
    for kind in kinds {
        let runs = if kind == "fsession.multi" { 2 } else { 1 };
        let mut ebpf = load(watching(vec![observer("probe", kind, &[], None)]));
        let program: &mut TracingMulti = get(&mut ebpf, "probe").try_into().unwrap();
        attempt!(program.load());
        let btf = Btf::from_sys_fs().unwrap();
        let id = program.attach("security_task_getpg*", &btf).unwrap();
        getpgid(2);
        assert_eq!(seen(&ebpf).0, 2 * runs, "{kind}");
        let program: &mut TracingMulti = get(&mut ebpf, "probe").try_into().unwrap();
        program.detach(id).unwrap();
        let names = [FUNCTION, "security_task_getsid"];
        program.attach_to_functions(&names, &[1, 2], &btf).unwrap();
        getpgid(1);
        // SAFETY: a number.
        unsafe { libc::getsid(libc::getpid()) };
        assert_eq!(seen(&ebpf).0, 4 * runs, "{kind}");
        let section = format!("{kind}/{FUNCTION}");
        let mut ebpf = load(watching(vec![observer("probe", &section, &[], None)]));
        ebpf.attach_all(&AttachOptions::new()).unwrap();
        getpgid(1);
        assert_eq!(seen(&ebpf).0, runs, "{section}");
    }
    let mut ebpf = load(watching(vec![observer("probe", kinds[0], &[], None)]));
    let program: &mut TracingMulti = get(&mut ebpf, "probe").try_into().unwrap();
    program.load().unwrap();
    let btf = Btf::from_sys_fs().unwrap();
    let error = program.attach_to_functions(&["security_task_getpgidd"], &[], &btf);
    let error = error.unwrap_err().to_string();
    assert!(error.contains(FUNCTION), "{error}");
}

/// At the function of a system call, which may sleep.
#[test]
fn sleepable_programs() {
    require_bpf!();
    for (kind, runs) in [
        ("fentry", 1),
        ("fexit", 1),
        ("fmod_ret", 1),
        ("fsession", 2),
        ("fentry.multi", 1),
        ("fexit.multi", 1),
        ("fsession.multi", 2),
    ] {
        let _row = exercises(format!("{kind}.s"), "link");
        let section = format!("{kind}.s/{GETPGID}");
        let mut ebpf = load(watching(vec![observer("probe", &section, &[], None)]));
        if let Err(error) = get(&mut ebpf, "probe").load() {
            let reason = match error.to_string().contains("not sleepable") {
                // Only functions that errors may be injected into; since 7.0, all system calls.
                true => "CONFIG_FUNCTION_ERROR_INJECTION is off".to_owned(),
                false => skip_reason(&error).unwrap_or_else(|| panic!("{error}")),
            };
            hachi_test::report_skip(format_args!("{reason}"));
            continue;
        }
        attempt!(ebpf.attach_all(&AttachOptions::new()));
        getpgid(1);
        assert_eq!(seen(&ebpf).0, runs, "{kind}");
    }
}

/// The driver of virtual cables, which is a module on most kernels.
#[test]
fn functions_of_modules() {
    require_bpf!();
    let _row = exercises("fentry", "link, in a module");
    require_kernel!("5.11", "the types of modules");
    let wire = VethPair::new().unwrap();
    let program = Observer {
        mine: false,
        ..Default::default()
    };
    let mut ebpf = load(watching(vec![program.program("probe", "fentry/veth_xmit")]));
    attempt!(get(&mut ebpf, "probe").load());
    ebpf.attach_all(&AttachOptions::new()).unwrap();
    assert!(wire.left.ping(wire.right.ipv4(), 2).unwrap().all_answered());
    assert!(seen(&ebpf).0 >= 4);
}

#[test]
fn by_name_with_a_cookie() {
    require_bpf!();
    let btf = Btf::from_sys_fs().unwrap();
    let old = hachi_test::kernel_is_older_than("5.19");
    let value: &[_] = if old { &[] } else { &cookie() };
    let mut ebpf = load(watching(vec![observer("probe", "fentry", value, None)]));
    let program: &mut FEntry = get(&mut ebpf, "probe").try_into().unwrap();
    attempt!(program.load(FUNCTION, &btf));
    attempt!(program.attach_with_cookie(5));
    getpgid(1);
    assert_eq!(seen(&ebpf), (1, 5));
}

#[test]
fn results_are_replaced() {
    require_bpf!();
    let _row = exercises("fmod_ret", "link");
    let denial = Observer {
        result: -libc::EPERM,
        ..Default::default()
    };
    let program = denial.program("deny", &format!("fmod_ret/{FUNCTION}"));
    let mut ebpf = load(watching(vec![program]));
    attempt!(get(&mut ebpf, "deny").load());
    let program: &mut FModRet = get(&mut ebpf, "deny").try_into().unwrap();
    let id = program.attach().unwrap();
    // SAFETY: numbers only.
    let call = || unsafe { libc::getpgid(libc::getpid()) };
    assert_eq!(call(), -1);
    assert_eq!(
        std::io::Error::last_os_error().raw_os_error(),
        Some(libc::EPERM)
    );
    program.detach(id).unwrap();
    assert!(call() > 0);
    assert_eq!(seen(&ebpf).0, 1);
}

#[test]
fn functions_of_other_programs_are_traced_and_replaced() {
    require_bpf!();
    let _row = exercises("freplace", "link");
    let mut ebpf = load(support::tracing::with_function("outer", "inner"));
    let target = get(&mut ebpf, "outer");
    target.load().unwrap();
    let fd = target.fd().unwrap().clone();
    let options = TestRunOptions::new().data(&[0; 64]);
    let verdict = |ebpf: &hachi::Ebpf| {
        ebpf.program("outer")
            .unwrap()
            .test_run(&options)
            .unwrap()
            .return_value
    };
    assert_eq!(verdict(&ebpf), 2);

    let mut replacement = load(support::tracing::function_of_its_own(
        "other",
        "freplace/inner",
    ));
    let extension: &mut Extension = get(&mut replacement, "other").try_into().unwrap();
    let error = extension.load(fd.clone(), "inne").unwrap_err().to_string();
    assert!(
        error.contains("no function \"inne\"") && error.contains("did you mean \"inner\""),
        "{error}"
    );
    attempt!(extension.load(fd.clone(), "inner"));
    let id = extension.attach().unwrap();
    assert_eq!(verdict(&ebpf), 1, "the replacement's");
    extension.detach(id).unwrap();
    assert_eq!(verdict(&ebpf), 2);
    // And again, named explicitly.
    let id = extension.attach_to_program(&fd, "inner").unwrap();
    assert_eq!(verdict(&ebpf), 1);
    extension.detach(id).unwrap();

    let mut watcher = load(watching(vec![observer(
        "watch",
        "fexit",
        &argument(1),
        None,
    )]));
    let program: &mut FExit = get(&mut watcher, "watch").try_into().unwrap();
    program.load_for_program(&fd, "outer").unwrap();
    program.attach().unwrap();
    verdict(&ebpf);
    assert_eq!(seen(&watcher), (1, 2));
}

#[test]
fn wrong_names_get_a_hint() {
    require_bpf!();
    let mut ebpf = load(watching(vec![observer(
        "probe",
        "fentry/security_task_getpgdi",
        &[],
        None,
    )]));
    let error = get(&mut ebpf, "probe").load().unwrap_err();
    let ProgramError::Unloadable {
        problem: Unloadable::Target(TargetProblem::Missing { kind, .. }),
        ..
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!(*kind, TargetKind::KernelFunction);
    let error = error.to_string();
    assert!(
        error.contains("no kernel function \"security_task_getpgdi\"") && error.contains(FUNCTION),
        "{error}"
    );
    let mut ebpf = load(watching(vec![observer("probe", "freplace/x", &[], None)]));
    let error = get(&mut ebpf, "probe").load().unwrap_err().to_string();
    assert!(error.contains("Extension::load"), "{error}");
}
