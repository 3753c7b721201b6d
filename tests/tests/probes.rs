//! Rust programs at probes and perf events, and those that user space calls.

#[cfg(target_arch = "x86_64")]
#[path = "support/usdt.rs"]
mod usdt;

use std::env;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hachi::Ebpf;
use hachi::maps::Array;
use hachi::programs::{
    AttachOptions, Extension, LsmCgroup, PerfEvent, PerfEventConfig, PerfEventScope, Program,
    ProgramError, RawTracePoint, SamplePolicy, SoftwareEvent, Syscall, TestRunOptions, UProbe,
    UProbeMulti, Usdt,
};
use hachi_test::{Cgroup, in_guest, require_bpf, require_kernel, skip, supported};
use hachi_tests::{fixture, fixture_with};

/// Not inlined, and under this name in the symbol table.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hachi_probed_sum(a: u64, b: u64, c: u64) -> u64 {
    std::hint::black_box(a + b + c)
}

fn this() -> PathBuf {
    env::current_exe().unwrap()
}

fn load(object: PathBuf) -> Ebpf {
    let mut ebpf = Ebpf::load_file(object).unwrap();
    let mut wanted = Array::<_, u32>::try_from(ebpf.map_mut("WANTED").unwrap()).unwrap();
    wanted.set(0, std::process::id(), 0).unwrap();
    ebpf
}

fn seen(ebpf: &Ebpf) -> [u64; 4] {
    let seen = Array::<_, [u64; 4]>::try_from(ebpf.map("SEEN").unwrap()).unwrap();
    seen.get(&0, 0).unwrap()
}

/// The program called `name`, loaded.
macro_rules! loaded {
    ($ebpf:ident, $name:literal) => {{
        let program = $ebpf.program_mut($name).unwrap();
        supported!(program.load());
        program.try_into().unwrap()
    }};
}

#[test]
fn entries_and_returns_of_functions() {
    require_bpf!();
    for object in [fixture("probes"), fixture_with("probes", &["--debug"])] {
        for (name, expected) in [("entered", [1, 20, 3, 4]), ("returned", [1, 27, 0, 0])] {
            let mut ebpf = load(object.clone());
            let program = ebpf.program_mut(name).unwrap();
            program.load().unwrap();
            let program: &mut UProbe = program.try_into().unwrap();
            let symbol = "hachi_probed_sum";
            program.attach(symbol, this(), None, None).unwrap();
            assert_eq!(hachi_probed_sum(20, 3, 4), 27);
            assert_eq!(seen(&ebpf), expected, "{name}");
        }
    }
}

#[test]
fn entries_and_returns_of_many_functions() {
    require_bpf!();
    for (name, expected) in [
        ("entered_many", [1, 20, 3, 4]),
        ("returned_many", [1, 27, 0, 0]),
    ] {
        let mut ebpf = load(fixture("probes"));
        let program = ebpf.program_mut(name).unwrap();
        supported!(program.load());
        let program: &mut UProbeMulti = program.try_into().unwrap();
        supported!(program.attach("hachi_probed_*", this(), None));
        hachi_probed_sum(20, 3, 4);
        assert_eq!(seen(&ebpf), expected, "{name}");
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn probes_in_programs() {
    require_bpf!();
    let memory = [1, 0x8000_0001];
    for object in [fixture("probes"), fixture_with("probes", &["--debug"])] {
        let mut ebpf = load(object);
        let program: &mut Usdt = loaded!(ebpf, "traced");
        let pid = Some(std::process::id() as i32);
        let link = program.attach(this(), "hachi", "rust", pid, 99).unwrap();
        usdt::probe(17, &memory);
        assert_eq!(seen(&ebpf), [1, 17, -42_i64 as u64, 99]);
        let program: &mut Usdt = ebpf.program_mut("traced").unwrap().try_into().unwrap();
        program.detach(link).unwrap();
        let program: &mut Usdt = loaded!(ebpf, "counted");
        program.attach(this(), "hachi", "rust", pid, 0).unwrap();
        usdt::probe(17, &memory);
        assert_eq!(seen(&ebpf), [2, 3, 0x8000_0001, 1]);
    }
}

#[test]
fn perf_events() {
    require_bpf!();
    let mut ebpf = load(fixture("probes"));
    let program: &mut PerfEvent = loaded!(ebpf, "sample");
    let clock = PerfEventConfig::Software(SoftwareEvent::CpuClock);
    let here = PerfEventScope::CallingProcess { cpu: None };
    let often = SamplePolicy::Period(1_000_000);
    program.attach(clock, here, often, false).unwrap();
    let end = Instant::now() + Duration::from_millis(300);
    while Instant::now() < end {
        std::hint::black_box(0);
    }
    let [runs, address, period, enabled] = seen(&ebpf);
    assert!(runs > 10, "{runs}");
    assert_ne!(address, 0);
    assert_eq!(period, 1_000_000);
    assert!(enabled > 10_000_000, "{enabled}");
}

#[test]
fn programs_that_are_called() {
    require_bpf!();
    let mut ebpf = load(fixture("probes"));
    let program: &mut Syscall = loaded!(ebpf, "sum");
    let mut context = [20, 3, 0].map(u64::to_ne_bytes).concat();
    assert_eq!(program.call(&mut context).unwrap(), 7);
    assert_eq!(context, [20, 3, 23].map(u64::to_ne_bytes).concat());
    let error = program.call(&mut context[..16]).unwrap_err();
    assert!(
        matches!(error, ProgramError::SyscallError { .. }),
        "{error}"
    );
}

/// Guests have all kinds; the machine that the tests run on may be locked down or lack probes.
fn attached(ebpf: &mut Ebpf, name: &str) -> bool {
    let attach = |program: &mut Program| {
        program.load()?;
        program.attach_by_section(&AttachOptions::new()).map(drop)
    };
    match attach(ebpf.program_mut(name).unwrap()) {
        Ok(()) => true,
        Err(error) if in_guest() => {
            hachi_test::report_unsupported(&error);
            false
        }
        Err(error) => {
            hachi_test::report_skip(format_args!("{error}"));
            false
        }
    }
}

fn getpgid() -> i32 {
    // SAFETY: numbers only.
    unsafe { libc::getpgid(std::process::id() as i32) }
}

/// Attaches the program and asks for the process group of this process.
fn kernel(name: &str, expected: impl Fn(i32) -> [u64; 3]) {
    require_bpf!();
    let mut ebpf = load(fixture("probes"));
    if !attached(&mut ebpf, name) {
        return;
    }
    let group = getpgid();
    let [runs, numbers @ ..] = seen(&ebpf);
    assert_eq!(runs, 1);
    assert_eq!(numbers, expected(group));
}

#[test]
fn records_of_tracepoints() {
    kernel("recorded", |_| [std::process::id().into(), 0, 0]);
}

#[test]
fn texts_in_records_of_tracepoints() {
    require_bpf!();
    let mut ebpf = load(fixture("probes"));
    if !attached(&mut ebpf, "executed") {
        return;
    }
    let program = hachi_test::find_program("true").unwrap();
    let path = format!("/.{}", program.display());
    let mut child = std::process::Command::new(&path).spawn().unwrap();
    child.wait().unwrap();
    assert_eq!(seen(&ebpf), [1, child.id().into(), path.len() as u64, 0]);
}

#[test]
fn sessions_of_functions() {
    require_bpf!();
    require_kernel!("6.13", "uprobe.session");
    let mut ebpf = load(fixture("probes"));
    let program = ebpf.program_mut("session").unwrap();
    supported!(program.load());
    let program: &mut UProbeMulti = program.try_into().unwrap();
    supported!(program.attach("hachi_probed_*", this(), None));
    hachi_probed_sum(20, 3, 4);
    assert_eq!(seen(&ebpf), [1, 20, 27, 1]);
}

#[test]
fn sessions_of_many_kernel_functions() {
    kernel_by_fprobe("kernel_session", |_| [5, 0, 1]);
}

#[test]
fn sessions_of_kernel_functions() {
    kernel("kernel_both", |_| [5, 0, 1]);
}

#[test]
fn entries_of_system_calls() {
    kernel("calling", |_| [std::process::id().into(), 0, 0]);
}

#[test]
fn returns_of_system_calls() {
    kernel("called", |group| [group as u64, 0, 0]);
}

/// As [`kernel`], by fprobes, which Debian's 6.1 was built without.
fn kernel_by_fprobe(name: &str, expected: impl Fn(i32) -> [u64; 3]) {
    if hachi_test::kernel_lacks_fprobe() {
        hachi_test::skip!("this kernel was built without CONFIG_FPROBE");
    }
    kernel(name, expected);
}

#[test]
fn entries_of_many_kernel_functions() {
    kernel_by_fprobe("kernel_many", |_| [1, 0, 0]);
}

#[test]
fn returns_of_many_kernel_functions() {
    kernel_by_fprobe("kernel_returned_many", |_| [0, 0, 0]);
}

#[test]
fn kernel_functions_are_replaced() {
    kernel("refuse", |group| {
        assert_eq!(group, -1);
        [1, 0, 0]
    });
    assert!(getpgid() > 0);
}

#[test]
fn functions_of_programs_are_replaced() {
    require_bpf!();
    let mut ebpf = load(fixture("probes"));
    let target = ebpf.program_mut("asks").unwrap();
    target.load().unwrap();
    let target = target.fd().unwrap().clone();
    let verdict = |ebpf: &Ebpf| {
        let options = TestRunOptions::new().data(&[0; 64]);
        let run = ebpf.program("asks").unwrap().test_run(&options);
        run.unwrap().return_value
    };
    assert_eq!(verdict(&ebpf), 1);
    let program: &mut Extension = ebpf.program_mut("pass").unwrap().try_into().unwrap();
    match program.load(target, "verdict") {
        Err(error) if !in_guest() => skip!("{error}"),
        result => supported!(result),
    }
    let link = program.attach().unwrap();
    assert_eq!(verdict(&ebpf), 2);
    let program: &mut Extension = ebpf.program_mut("pass").unwrap().try_into().unwrap();
    program.detach(link).unwrap();
    assert_eq!(verdict(&ebpf), 1);
}

#[test]
fn hooks_of_cgroups() {
    require_bpf!();
    let mut ebpf = load(fixture("probes"));
    let program = ebpf.program_mut("no_socket").unwrap();
    match program.load() {
        Err(error) if !in_guest() => skip!("{error}"),
        result => supported!(result),
    }
    let program: &mut LsmCgroup = program.try_into().unwrap();
    let cgroup = Cgroup::new().unwrap();
    program
        .attach(std::fs::File::open(cgroup.path()).unwrap())
        .unwrap();
    cgroup.run(|| {
        assert!(std::os::unix::net::UnixDatagram::unbound().is_err());
        assert!(std::net::UdpSocket::bind("127.0.0.1:0").is_ok());
    });
    assert_eq!(seen(&ebpf)[..2], [2, 2], "the last was of AF_INET");
    assert!(std::os::unix::net::UnixDatagram::unbound().is_ok());
}

#[test]
fn results_of_test_runs_are_changed() {
    require_bpf!();
    let mut ebpf = load(fixture("probes"));
    let writer: &mut RawTracePoint = loaded!(ebpf, "other_result");
    supported!(writer.attach("bpf_test_finish"));
    let mut target = Ebpf::load_file(fixture("xdp")).unwrap();
    let (_, program) = target.programs_mut().next().unwrap();
    program.load().unwrap();
    let options = TestRunOptions::new().data(&[0; 64]);
    let error = program.test_run(&options).unwrap_err().to_string();
    assert!(error.contains("os error 74"), "{error}");
    assert_eq!(seen(&ebpf)[..2], [1, 0]);
}
