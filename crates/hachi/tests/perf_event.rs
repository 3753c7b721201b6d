//! Programs that run when something was counted.

mod support;

use std::time::{Duration, Instant};

use hachi::links::{Needed, NoTarget};
use hachi::programs::{
    AttachOptions, BreakpointConfig, HardwareEvent, PerfBreakpointLength, PerfBreakpointType,
    PerfEvent, PerfEventConfig, PerfEventScope, SamplePolicy, SoftwareEvent,
};
use hachi_test::{exercises, require_bpf};
use support::{
    load,
    tracing::{Observer, cookie, get, seen, watching},
};

const HERE: PerfEventScope = PerfEventScope::CallingProcess { cpu: None };

fn object(value: &[hachi::obj::Insn]) -> hachi::Ebpf {
    let program = Observer {
        value,
        ..Default::default()
    };
    let mut ebpf = load(watching(vec![program.program("sample", "perf_event")]));
    program_of(&mut ebpf).load().unwrap();
    ebpf
}

fn program_of(ebpf: &mut hachi::Ebpf) -> &mut PerfEvent {
    get(ebpf, "sample").try_into().unwrap()
}

fn spin(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        std::hint::black_box(0);
    }
}

#[test]
fn timers() {
    require_bpf!();
    let _row = exercises("perf_event", "perf event");
    let mut ebpf = object(&[]);
    for policy in [
        SamplePolicy::Period(1_000_000),
        SamplePolicy::Frequency(500),
    ] {
        support::tracing::reset(&mut ebpf);
        let clock = PerfEventConfig::Software(SoftwareEvent::CpuClock);
        let id = program_of(&mut ebpf)
            .attach(clock, HERE, policy, false)
            .unwrap();
        spin(Duration::from_millis(300));
        let (count, _) = seen(&ebpf);
        assert!(count >= 20, "{policy:?}: {count}");
        program_of(&mut ebpf).detach(id).unwrap();
        let (count, _) = seen(&ebpf);
        spin(Duration::from_millis(30));
        assert_eq!(seen(&ebpf).0, count);
    }
}

#[test]
fn page_faults_one_by_one() {
    require_bpf!();
    let mut ebpf = object(&[]);
    let faults = PerfEventConfig::Software(SoftwareEvent::PageFaults);
    program_of(&mut ebpf)
        .attach(faults, HERE, SamplePolicy::Period(1), false)
        .unwrap();
    const PAGES: usize = 64;
    // SAFETY: a new mapping where the kernel likes.
    let memory = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            PAGES * 4096,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    assert_ne!(memory, libc::MAP_FAILED);
    for page in 0..PAGES {
        // SAFETY: inside the mapping.
        unsafe { memory.cast::<u8>().add(4096 * page).write_volatile(1) };
    }
    // SAFETY: the mapping, which nobody uses any more.
    unsafe { libc::munmap(memory, PAGES * 4096) };
    let (count, _) = seen(&ebpf);
    assert!(count >= PAGES as u64, "{count}");
}

#[test]
fn one_cpu_and_cookies() {
    require_bpf!();
    let old = hachi_test::kernel_is_older_than("5.15");
    let value: &[_] = if old { &[] } else { &cookie() };
    let mut ebpf = object(value);
    let clock = PerfEventConfig::Software(SoftwareEvent::CpuClock);
    for cpu in 0..std::thread::available_parallelism().unwrap().get() as u32 {
        attempt!(program_of(&mut ebpf).attach_with_cookie(
            clock,
            PerfEventScope::AllProcessesOneCpu { cpu },
            SamplePolicy::Period(1_000_000),
            false,
            7,
        ));
    }
    spin(Duration::from_millis(100));
    let (count, cookie) = seen(&ebpf);
    assert!(count > 5 && cookie == 7, "{count} {cookie}");
}

static WATCHED: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

#[test]
fn breakpoints() {
    require_bpf!();
    let mut ebpf = object(&[]);
    let breakpoint = PerfEventConfig::Breakpoint(BreakpointConfig::Data {
        r#type: PerfBreakpointType::Write,
        address: WATCHED.as_ptr() as u64,
        length: PerfBreakpointLength::Len8,
    });
    let attached = program_of(&mut ebpf).attach(breakpoint, HERE, SamplePolicy::Period(1), false);
    if let Err(error) = &attached
        && (error.to_string().contains("ENOSPC") || error.to_string().contains("EOPNOTSUPP"))
    {
        hachi_test::skip!("this machine has no breakpoint registers: {error}");
    }
    attached.unwrap();
    for value in 1..=3 {
        WATCHED.store(value, std::sync::atomic::Ordering::SeqCst);
    }
    let (count, _) = seen(&ebpf);
    if count == 0 {
        hachi_test::skip!("this machine has breakpoint registers that do nothing");
    }
    assert_eq!(count, 3);
}

/// Where there are none, as in most virtual machines, the error says so.
#[test]
fn hardware_counters_count_or_are_reported_as_missing() {
    require_bpf!();
    let mut ebpf = object(&[]);
    let cycles = PerfEventConfig::Hardware(HardwareEvent::CpuCycles);
    let attached = program_of(&mut ebpf).attach(cycles, HERE, SamplePolicy::Period(100_000), false);
    match attached {
        Ok(_) => {
            spin(Duration::from_millis(200));
            assert!(seen(&ebpf).0 > 10);
        }
        Err(error) => {
            let error = error.to_string();
            assert!(
                error.contains("virtual machines often have no counters"),
                "{error}"
            );
        }
    }
}

#[test]
fn bad_input_is_named() {
    require_bpf!();
    let mut ebpf = object(&[]);
    let clock = PerfEventConfig::Software(SoftwareEvent::CpuClock);
    let mut fails = |scope, expected: &str| {
        let error = program_of(&mut ebpf)
            .attach(clock, scope, SamplePolicy::Period(1_000_000), false)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    };
    let nobody = PerfEventScope::OneProcess {
        pid: i32::MAX as u32,
        cpu: None,
    };
    fails(nobody, "no process \"2147483647\"");
    fails(
        PerfEventScope::AllProcessesOneCpu { cpu: 8000 },
        "no online CPU \"8000\"",
    );
    let all = ebpf.attach_all(&AttachOptions::new()).unwrap();
    assert_eq!(all.left_out[0].1, NoTarget::Needs(Needed::PerfEvents));
    let words = all.left_out[0].1.to_string();
    assert!(words.contains("PerfEvent::attach"), "{words}");
}

/// What `read` gives of a counter: its count.
fn count(mut counter: &std::fs::File) -> u64 {
    let mut count = [0; 8];
    std::io::Read::read_exact(&mut counter, &mut count).unwrap();
    u64::from_ne_bytes(count)
}

#[test]
fn a_counter_counts_until_it_is_closed() {
    require_bpf!();
    let clock = PerfEventConfig::Software(SoftwareEvent::CpuClock);
    let counter = std::fs::File::from(clock.open_counter(0).unwrap());
    let before = count(&counter);
    spin(Duration::from_millis(20));
    assert!(count(&counter) > before);
    // No machine has that many.
    let error = clock.open_counter(1 << 20).unwrap_err();
    assert!(
        matches!(error.errno(), libc::ENODEV | libc::EINVAL),
        "{error}"
    );
}
