//! One program at many kernel functions.

mod support;

use hachi::programs::{AttachOptions, KProbeMulti};
use hachi_test::{exercises, require_bpf};
use support::{
    load,
    tracing::{cookie, get, getpgid, observer, seen, watching},
};

const FUNCTION: &str = "security_task_getpgid";

/// Leaves the test where the kernel was built without.
macro_rules! require_fprobe {
    () => {
        require_bpf!();
        if hachi_test::kernel_lacks_fprobe() {
            hachi_test::skip!("this kernel was built without CONFIG_FPROBE");
        }
    };
}

fn program(ebpf: &mut hachi::Ebpf) -> &mut KProbeMulti {
    get(ebpf, "probe").try_into().unwrap()
}

#[test]
fn patterns_names_and_addresses() {
    let sections = ["kprobe.multi", "kretprobe.multi"];
    let _rows = sections.map(|section| exercises(section, "link"));
    require_fprobe!();
    for section in sections {
        let mut ebpf = load(watching(vec![observer("probe", section, &[], None)]));
        attempt!(program(&mut ebpf).load());
        let id = attempt!(program(&mut ebpf).attach("security_task_getpg*"));
        getpgid(2);
        assert_eq!(seen(&ebpf).0, 2, "{section}");
        program(&mut ebpf).detach(id).unwrap();
        let id = program(&mut ebpf)
            .attach_to_functions(&[FUNCTION, "security_task_getsid"], &[])
            .unwrap();
        getpgid(1);
        // SAFETY: a number.
        unsafe { libc::getsid(libc::getpid()) };
        assert_eq!(seen(&ebpf).0, 4, "{section}");
        program(&mut ebpf).detach(id).unwrap();
        let section = format!("{section}/{FUNCTION}");
        let mut ebpf = load(watching(vec![observer("probe", &section, &[], None)]));
        let all = ebpf.attach_all(&AttachOptions::new()).unwrap();
        assert_eq!(
            all.attached[0].1.target,
            format!("kernel functions {FUNCTION}")
        );
        getpgid(1);
        assert_eq!(seen(&ebpf).0, 1, "{section}");
    }
}

#[test]
fn cookies_tell_functions_apart() {
    require_fprobe!();
    let old = hachi_test::kernel_is_older_than("5.18");
    let value: &[_] = if old { &[] } else { &cookie() };
    let mut ebpf = load(watching(vec![observer(
        "probe",
        "kprobe.multi",
        value,
        None,
    )]));
    attempt!(program(&mut ebpf).load());
    let names = [FUNCTION, "security_task_getsid"];
    attempt!(program(&mut ebpf).attach_to_functions(&names, &[3, 4]));
    getpgid(1);
    assert_eq!(seen(&ebpf), (1, 3));
    // SAFETY: a number.
    unsafe { libc::getsid(libc::getpid()) };
    assert_eq!(seen(&ebpf), (2, 4));
}

#[test]
fn sessions_see_both_ends() {
    let _row = exercises("kprobe.session", "link");
    require_fprobe!();
    let section = format!("kprobe.session/{FUNCTION}");
    let mut ebpf = load(watching(vec![observer("probe", &section, &[], None)]));
    attempt!(program(&mut ebpf).load());
    attempt!(ebpf.attach_all(&AttachOptions::new()));
    getpgid(1);
    assert_eq!(seen(&ebpf).0, 2);
}

#[test]
fn bad_input_is_named() {
    require_fprobe!();
    let mut ebpf = load(watching(vec![observer("probe", "kprobe.multi", &[], None)]));
    attempt!(program(&mut ebpf).load());
    let error = program(&mut ebpf).attach("security_task_getpgdi");
    if hachi_test::kernel_is_older_than("5.18") {
        attempt!(error);
        return;
    }
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("no kernel function \"security_task_getpgdi\"") && error.contains(FUNCTION),
        "{error}"
    );
    let error = program(&mut ebpf)
        .attach("no_such_thing_*")
        .unwrap_err()
        .to_string();
    assert!(error.contains("nothing fits the pattern"), "{error}");
}
