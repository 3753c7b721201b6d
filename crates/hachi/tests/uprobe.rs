//! Probes of functions of this very program, and of the C library.

mod support;

use std::{env, path::PathBuf, process};

use hachi::{
    links::OwnedLink,
    programs::{AttachOptions, ProbeKind, ProgramError, UProbe, UProbeAttachLocation, UProbeMulti},
};
use hachi_test::{Bpffs, exercises, require_bpf};
use support::{
    load,
    tracing::{Observer, argument, cookie, get, observer, reset, seen, watching},
};

/// Not inlined, and under this name in the symbol table.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hachi_probe_me_first(value: u64) -> u64 {
    std::hint::black_box(value + 1)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hachi_probe_me_second(value: u64) -> u64 {
    std::hint::black_box(value + 2)
}

fn this() -> PathBuf {
    env::current_exe().unwrap()
}

fn program(ebpf: &mut hachi::Ebpf) -> &mut UProbe {
    get(ebpf, "probe").try_into().unwrap()
}

/// Where `struct pt_regs` has the first argument and the result, in words. On a machine that is not
/// listed the tests do not build: they would look at a register that holds something else.
const ARGUMENT: i16 = REGISTERS.0;
const RESULT: i16 = REGISTERS.1;
#[cfg(target_arch = "x86_64")]
const REGISTERS: (i16, i16) = (14, 10);
#[cfg(target_arch = "aarch64")]
const REGISTERS: (i16, i16) = (0, 0);
#[cfg(target_arch = "riscv64")]
const REGISTERS: (i16, i16) = (10, 10);
#[cfg(target_arch = "s390x")]
const REGISTERS: (i16, i16) = (5, 5);

#[test]
fn entries_and_returns_by_every_way() {
    require_bpf!();
    for (kind, section, word, expected) in [
        (ProbeKind::Entry, "uprobe", ARGUMENT, 41),
        (ProbeKind::Return, "uretprobe", RESULT, 42),
    ] {
        let mut ebpf = load(watching(vec![observer(
            "probe",
            section,
            &argument(word),
            None,
        )]));
        program(&mut ebpf).load().unwrap();
        assert_eq!(program(&mut ebpf).kind(), kind);
        for tracefs in [false, true] {
            let _row = exercises(section, if tracefs { "tracefs" } else { "perf event" });
            let symbol = "hachi_probe_me_first";
            let id = if tracefs {
                program(&mut ebpf).attach_by_tracefs(symbol, this(), None)
            } else {
                program(&mut ebpf).attach(symbol, this(), None, None)
            }
            .unwrap();
            let is_link = matches!(
                program(&mut ebpf).links().next().unwrap().1,
                OwnedLink::Fd(_)
            );
            assert_eq!(
                is_link,
                !tracefs && !hachi_test::kernel_is_older_than("5.15")
            );
            for _ in 0..3 {
                hachi_probe_me_first(41);
            }
            hachi_probe_me_second(41);
            assert_eq!(seen(&ebpf), (3, expected), "{section} {tracefs}");
            program(&mut ebpf).detach(id).unwrap();
            hachi_probe_me_first(1);
            assert_eq!(seen(&ebpf).0, 3, "{section} {tracefs}");
            reset(&mut ebpf);
        }
    }
}

#[test]
fn by_section() {
    require_bpf!();
    let section = format!("uprobe/{}:hachi_probe_me_second", this().display());
    let mut ebpf = load(watching(vec![observer(
        "probe",
        &section,
        &argument(ARGUMENT),
        None,
    )]));
    let all = ebpf.attach_all(&AttachOptions::new()).unwrap();
    assert_eq!(
        all.attached[0].1.target,
        format!("function hachi_probe_me_second of {}", this().display())
    );
    hachi_probe_me_second(7);
    assert_eq!(seen(&ebpf), (1, 7));

    // The section names the function, the options the file and the process.
    let mut ebpf = load(watching(vec![observer(
        "probe",
        "uprobe/hachi_probe_me_first",
        &[],
        None,
    )]));
    let options = AttachOptions::new().binary(this()).pid(process::id());
    ebpf.attach_all(&options).unwrap();
    hachi_probe_me_first(7);
    assert_eq!(seen(&ebpf).0, 1);
}

#[test]
fn finds_the_target_of_a_section_without_attaching() {
    let find = |kind: &str, target: &str| {
        let section = format!("{kind}/{target}");
        let ebpf = load(watching(vec![observer("probe", &section, &[], None)]));
        let found = ebpf
            .program("probe")
            .unwrap()
            .find_target(&AttachOptions::new());
        found.map_err(|error| error.to_string())
    };
    require_bpf!();
    let this = this();
    let this = this.display();
    for kind in ["uprobe", "uretprobe", "uprobe.multi"] {
        find(kind, &format!("{this}:hachi_probe_me_first")).unwrap();
        let error = find(kind, &format!("{this}:hachi_probe_me_frist")).unwrap_err();
        assert!(error.contains("hachi_probe_me_first"), "{error}");
        let error = find(kind, "/nowhere/lib.so:main").unwrap_err();
        assert!(error.contains("/nowhere/lib.so"), "{error}");
        // Where it is to be attached is not said.
        find(kind, "hachi_probe_me_frist").unwrap();
    }
    let error = find("usdt", &format!("{this}:nobody:nothing")).unwrap_err();
    assert!(error.contains("nobody"), "{error}");
}

#[test]
fn offsets_processes_and_cookies() {
    require_bpf!();
    let old = hachi_test::kernel_is_older_than("5.15");
    let value: &[_] = if old { &[] } else { &cookie() };
    let mut ebpf = load(watching(vec![observer("probe", "uprobe", value, None)]));
    program(&mut ebpf).load().unwrap();
    // Only this process, then only another one, which never calls it.
    let id = program(&mut ebpf)
        .attach("hachi_probe_me_first", this(), Some(0), None)
        .unwrap();
    hachi_probe_me_first(1);
    assert_eq!(seen(&ebpf).0, 1);
    program(&mut ebpf).detach(id).unwrap();
    let mut child = process::Command::new("sleep").arg("10").spawn().unwrap();
    let attached = program(&mut ebpf).attach(
        "hachi_probe_me_first",
        this(),
        Some(child.id() as i32),
        None,
    );
    hachi_probe_me_first(1);
    child.kill().unwrap();
    child.wait().unwrap();
    let id = attached.unwrap();
    assert_eq!(seen(&ebpf).0, 1);
    program(&mut ebpf).detach(id).unwrap();

    let at = UProbeAttachLocation::SymbolOffset("hachi_probe_me_first", 0);
    attempt!(program(&mut ebpf).attach(at, this(), None, Some(0xfeed)));
    hachi_probe_me_first(1);
    assert_eq!(seen(&ebpf), (2, 0xfeed));
}

#[test]
fn libraries_by_name() {
    require_bpf!();
    if cfg!(target_feature = "crt-static") {
        hachi_test::skip!("this program is static");
    }
    // This test calls it from the library, by whatever name that is found.
    for target in ["libc.so.6", "libc"] {
        for pid in [None, Some(0)] {
            let mut ebpf = load(watching(vec![observer("probe", "uprobe", &[], None)]));
            program(&mut ebpf).load().unwrap();
            program(&mut ebpf)
                .attach("getppid", target, pid, None)
                .unwrap();
            // SAFETY: no arguments.
            unsafe { libc::getppid() };
            assert_eq!(seen(&ebpf).0, 1, "{target} {pid:?}");
        }
    }
    let mut ebpf = load(watching(vec![observer(
        "probe",
        "uprobe/libc:getppid",
        &[],
        None,
    )]));
    ebpf.attach_all(&AttachOptions::new()).unwrap();
    // SAFETY: no arguments.
    unsafe { libc::getppid() };
    assert_eq!(seen(&ebpf).0, 1);
}

#[test]
fn versions_of_a_function() {
    require_bpf!();
    if !cfg!(all(target_arch = "x86_64", target_env = "gnu")) {
        hachi_test::skip!("the versions are those of glibc on x86-64");
    }
    let mut ebpf = load(watching(vec![observer("probe", "uprobe", &[], None)]));
    let program = program(&mut ebpf);
    program.load().unwrap();
    // Two of them since 2.3.4, of which programs get the newer one.
    program
        .attach("posix_spawn@GLIBC_2.15", "libc.so.6", None, None)
        .unwrap();
    program
        .attach("posix_spawn@@GLIBC_2.15", "libc.so.6", None, None)
        .unwrap();
    program
        .attach("posix_spawn", "libc.so.6", None, None)
        .unwrap();
    let error = program
        .attach("posix_spawn@GLIBC_9.9", "libc.so.6", None, None)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("\"posix_spawn@GLIBC_9.9\"") && error.contains("GLIBC_2.2.5"),
        "{error}"
    );
}

#[test]
fn sleepable() {
    require_bpf!();
    for kind in ["uprobe.s", "uretprobe.s"] {
        let _row = exercises(kind, "perf event");
        let section = format!("{kind}/{}:hachi_probe_me_first", this().display());
        let mut ebpf = load(watching(vec![observer("probe", &section, &[], None)]));
        attempt!(get(&mut ebpf, "probe").load());
        ebpf.attach_all(&AttachOptions::new()).unwrap();
        hachi_probe_me_first(1);
        assert_eq!(seen(&ebpf).0, 1);
    }
}

fn multi(ebpf: &mut hachi::Ebpf) -> &mut UProbeMulti {
    get(ebpf, "probe").try_into().unwrap()
}

#[test]
fn many_places_by_one_link() {
    require_bpf!();
    let sections = [
        "uprobe.multi",
        "uretprobe.multi",
        "uprobe.multi.s",
        "uretprobe.multi.s",
    ];
    let _rows = sections.map(|section| exercises(section, "link"));
    let names = ["hachi_probe_me_first", "hachi_probe_me_second"];
    let old = hachi_test::kernel_is_older_than("6.6");
    let value: &[_] = if old { &[] } else { &cookie() };
    for section in sections {
        let mut ebpf = load(watching(vec![observer("probe", section, value, None)]));
        attempt!(multi(&mut ebpf).load());
        let id = attempt!(multi(&mut ebpf).attach("hachi_probe_me_*", this(), None));
        hachi_probe_me_first(1);
        hachi_probe_me_second(1);
        assert_eq!(seen(&ebpf).0, 2);
        multi(&mut ebpf).detach(id).unwrap();
        multi(&mut ebpf)
            .attach_to_functions(&names, this(), Some(0), &[10, 20])
            .unwrap();
        hachi_probe_me_first(1);
        assert_eq!(seen(&ebpf), (3, 10));
        hachi_probe_me_second(1);
        assert_eq!(seen(&ebpf), (4, 20));
        let error = multi(&mut ebpf)
            .attach_to_functions(&names, this(), None, &[1])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("1 cookies were given for 2 places"),
            "{error}"
        );
    }
    let section = format!("uprobe.multi/{}:hachi_probe_*", this().display());
    let mut ebpf = load(watching(vec![observer("probe", &section, &[], None)]));
    ebpf.attach_all(&AttachOptions::new()).unwrap();
    hachi_probe_me_first(1);
    hachi_probe_me_second(1);
    assert_eq!(seen(&ebpf).0, 2);
}

#[test]
fn sessions_see_both_ends() {
    require_bpf!();
    let sections = ["uprobe.session", "uprobe.session.s"];
    let _rows = sections.map(|section| exercises(section, "link"));
    for section in sections {
        let mut ebpf = load(watching(vec![observer("probe", section, &[], None)]));
        attempt!(multi(&mut ebpf).load());
        attempt!(multi(&mut ebpf).attach("hachi_probe_me_first", this(), None));
        hachi_probe_me_first(1);
        assert_eq!(seen(&ebpf).0, 2, "{section}");
    }
}

#[test]
fn a_pinned_program_attaches_again() {
    require_bpf!();
    let bpffs = Bpffs::new().unwrap();
    let mut ebpf = load(watching(vec![observer(
        "probe",
        "uretprobe",
        &argument(RESULT),
        None,
    )]));
    program(&mut ebpf).load().unwrap();
    program(&mut ebpf).pin(bpffs.join("program")).unwrap();
    let mut again = UProbe::from_pin(bpffs.join("program"), ProbeKind::Return).unwrap();
    again
        .attach("hachi_probe_me_first", this(), None, None)
        .unwrap();
    hachi_probe_me_first(5);
    assert_eq!(seen(&ebpf), (1, 6));
}

#[test]
fn bad_input_is_named() {
    require_bpf!();
    let mut ebpf = load(watching(vec![
        Observer::default().program("probe", "uprobe"),
    ]));
    let program = program(&mut ebpf);
    program.load().unwrap();
    let mut fails = |symbol: &str, target: &str, pid, expected: &[&str]| {
        let error = program.attach(symbol, target, pid, None).unwrap_err();
        assert!(matches!(&error, ProgramError::Attach { .. }), "{error}");
        let error = error.to_string();
        for text in expected {
            assert!(error.contains(text), "{error}");
        }
    };
    let this = this();
    let this = this.to_str().unwrap();
    fails(
        "hachi_probe_me_frist",
        this,
        None,
        &[
            "no function \"hachi_probe_me_frist\"",
            this,
            "hachi_probe_me_first",
        ],
    );
    fails(
        "x",
        "libnowhere.so.9",
        None,
        &["no program or library \"libnowhere.so.9\""],
    );
    fails(
        "x",
        "/nowhere/lib.so",
        None,
        &["/nowhere/lib.so", "No such file"],
    );
    fails(
        "x",
        "/etc/passwd",
        None,
        &["/etc/passwd", "not an ELF file"],
    );
    let nobody = i32::MAX;
    fails(
        "hachi_probe_me_first",
        this,
        Some(nobody),
        &["no process \"2147483647\""],
    );
    fails(
        "hachi_probe_me_first",
        this,
        Some(-7),
        &["no process \"-7\""],
    );
    let error = program.attach(u64::MAX, this, None, None).unwrap_err();
    assert!(error.to_string().contains(this), "{error}");
}
