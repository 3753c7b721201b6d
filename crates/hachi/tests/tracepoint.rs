//! Programs at tracepoints, by links and as before there were links.

mod support;

use hachi::{
    links::{LinkError, LinkTarget, NoTarget, OwnedLink, loaded_links},
    programs::{AttachOptions, ProgramError, TracePoint, Xdp},
};
use hachi_test::{Bpffs, exercises, require_bpf};
use support::{
    load,
    tracing::{cookie, get, getpgid, observer, reset, seen, watching},
};

const SECTION: &str = "tracepoint/syscalls/sys_enter_getpgid";

fn object() -> hachi::Ebpf {
    object_of(SECTION)
}

fn object_of(section: &str) -> hachi::Ebpf {
    // The record begins with 8 common bytes, then the system call's number.
    let mut ebpf = load(watching(vec![observer(
        "on_getpgid",
        section,
        &support::tracing::argument(1),
        None,
    )]));
    program(&mut ebpf).load().unwrap();
    ebpf
}

fn program(ebpf: &mut hachi::Ebpf) -> &mut TracePoint {
    get(ebpf, "on_getpgid").try_into().unwrap()
}

#[test]
fn runs_at_each_event_and_not_after() {
    require_bpf!();
    let mut ebpf = object();
    let id = program(&mut ebpf)
        .attach("syscalls", "sys_enter_getpgid")
        .unwrap();
    getpgid(3);
    let (count, number) = seen(&ebpf);
    // The number has 32 bits of the 64 looked at.
    assert_eq!((count, number as u32), (3, libc::SYS_getpgid as u32));
    assert_eq!(program(&mut ebpf).links().count(), 1);
    program(&mut ebpf).detach(id).unwrap();
    getpgid(1);
    assert_eq!(seen(&ebpf).0, 3);
    assert!(matches!(
        program(&mut ebpf).detach(id),
        Err(ProgramError::Link(LinkError::NotAttached))
    ));

    // A taken link outlives the program's own, and detaches when dropped.
    let id = program(&mut ebpf)
        .attach("syscalls", "sys_enter_getpgid")
        .unwrap();
    let link = program(&mut ebpf).take_link(id).unwrap();
    reset(&mut ebpf);
    getpgid(1);
    program(&mut ebpf).unload().unwrap();
    getpgid(1);
    assert_eq!(seen(&ebpf).0, 2, "the link holds the program");
    drop(link);
    getpgid(1);
    assert_eq!(seen(&ebpf).0, 2);
}

#[test]
fn by_section() {
    require_bpf!();
    for kind in ["tracepoint", "tp"] {
        let _row = exercises(kind, "perf event");
        let mut ebpf = object_of(&format!("{kind}/syscalls/sys_enter_getpgid"));
        let all = ebpf.attach_all(&AttachOptions::new()).unwrap();
        assert_eq!(all.left_out, []);
        let [(name, attached)] = &all.attached[..] else {
            panic!("{all:?}")
        };
        assert_eq!(name, "on_getpgid");
        assert_eq!(attached.target, "tracepoint syscalls/sys_enter_getpgid");
        getpgid(2);
        assert_eq!(seen(&ebpf).0, 2);
        get(&mut ebpf, "on_getpgid").detach(attached.link).unwrap();
        getpgid(1);
        assert_eq!(seen(&ebpf).0, 2);
    }
}

#[test]
fn links_are_pinned_and_described_where_the_kernel_has_them() {
    require_bpf!();
    let bpffs = Bpffs::new().unwrap();
    let path = bpffs.join("link");
    let mut ebpf = object();
    let program = program(&mut ebpf);
    let id = program.attach("syscalls", "sys_enter_getpgid").unwrap();
    let link = program.take_link(id).unwrap();
    if hachi_test::kernel_is_older_than("5.15") {
        assert!(matches!(link, OwnedLink::Legacy(_)));
        let error = link.pin(&path).unwrap_err().to_string();
        assert!(error.contains("no bpf_link"), "{error}");
        getpgid(1);
        assert_eq!(seen(&ebpf).0, 0, "a failed pin leaves nothing attached");
        return;
    }
    let program_id = program.info().unwrap().id();
    let info = loaded_links()
        .map(Result::unwrap)
        .find(|info| info.program_id() == program_id)
        .unwrap();
    assert_eq!(info.type_name(), "perf_event");
    assert_eq!(info.target(), LinkTarget::Other);
    let pinned = link.pin(&path).unwrap();
    drop(pinned);
    getpgid(1);
    assert_eq!(seen(&ebpf).0, 1);
    drop(
        hachi::links::PinnedLink::from_pin(&path)
            .unwrap()
            .unpin()
            .unwrap(),
    );
    getpgid(1);
    assert_eq!(seen(&ebpf).0, 1);
}

#[test]
fn cookies_tell_attachments_apart() {
    require_bpf!();
    let mut spec = watching(vec![observer("on_getpgid", SECTION, &cookie(), None)]);
    if hachi_test::kernel_is_older_than("5.15") {
        // The helper came with them; what remains is that the attempt says so.
        spec.programs[0] = support::tracing::observer("on_getpgid", SECTION, &[], None);
    }
    let mut ebpf = load(spec);
    let program = program(&mut ebpf);
    program.load().unwrap();
    attempt!(program.attach_with_cookie("syscalls", "sys_enter_getpgid", 0xc0ffee));
    getpgid(1);
    assert_eq!(seen(&ebpf), (1, 0xc0ffee));
}

#[test]
fn a_pinned_program_attaches_again() {
    require_bpf!();
    let bpffs = Bpffs::new().unwrap();
    let mut ebpf = object();
    program(&mut ebpf).pin(bpffs.join("program")).unwrap();
    let mut again = TracePoint::from_pin(bpffs.join("program")).unwrap();
    again.attach("syscalls", "sys_enter_getpgid").unwrap();
    getpgid(2);
    assert_eq!(seen(&ebpf).0, 2);
    let error = Xdp::from_pin(bpffs.join("program"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("is of type tracepoint, not xdp"), "{error}");
}

#[test]
fn wrong_names_get_a_hint() {
    require_bpf!();
    let mut ebpf = object();
    let program = program(&mut ebpf);
    let error = program
        .attach("syscalls", "sys_enter_getpgdi")
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with(
            "program \"on_getpgid\": there is no tracepoint \"syscalls/sys_enter_getpgdi\"; did \
             you mean"
        ) && error.contains("sys_enter_getpgid"),
        "{error}"
    );
    let error = program
        .attach("schad", "sched_switch")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("no tracepoint category \"schad\"; did you mean")
            && error.contains("\"sched\""),
        "{error}"
    );
    let error = program.attach("sched", "../x").unwrap_err().to_string();
    assert!(error.contains("no tracepoint"), "{error}");
    let mut ebpf = load(watching(vec![observer("bare", "tracepoint", &[], None)]));
    get(&mut ebpf, "bare").load().unwrap();
    let all = ebpf.attach_all(&AttachOptions::new()).unwrap();
    assert_eq!(
        all.left_out,
        [(
            "bare".to_owned(),
            NoTarget::Section {
                section: "tracepoint".to_owned(),
                form: "tracepoint/CATEGORY/NAME".to_owned(),
            }
        )]
    );
    assert_eq!(
        all.left_out[0].1.to_string(),
        "its section \"tracepoint\" does not say where to attach it; that would be \
         \"tracepoint/CATEGORY/NAME\""
    );
}
