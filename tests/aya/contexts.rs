//! What programs see through the public fields of their contexts.

use aya::{
    Btf, Ebpf, TestRun as _, TestRunOptions,
    maps::{Array, PerCpuArray, StackTraceMap},
    programs::{
        BtfTracePoint, PerfEvent, Program, ProgramError, RawTracePoint, SchedClassifier, UProbe,
        perf_event::{PerfEventScope, SamplePolicy},
    },
    util::KernelVersion,
};
use hachi_test::require_bpf;

use crate::{attach, object, packet, run, xdp};

/// What the programs noted, over all CPUs.
fn notes(ebpf: &Ebpf) -> Vec<u64> {
    let notes: PerCpuArray<_, u64> = ebpf.map("NUMBERS").unwrap().try_into().unwrap();
    // Some are addresses, whose sum is only a sign of life.
    let sum = |index| {
        let values = notes.get(&index, 0).unwrap();
        values
            .iter()
            .fold(0, |sum: u64, value| sum.wrapping_add(*value))
    };
    (0..8).map(sum).collect()
}

#[test]
fn packets_are_seen_through_skb() {
    require_bpf!();
    let mut ebpf = Ebpf::load(&object("contexts")).unwrap();
    let program: &mut SchedClassifier = ebpf.program_mut("packet").unwrap().try_into().unwrap();
    program.load().unwrap();
    let packet = packet();
    let mut after = [0; 64];
    let result = program.test_run(TestRunOptions {
        data_in: Some(&packet),
        data_out: Some(&mut after),
        ..TestRunOptions::default()
    });
    assert_eq!(result.unwrap().return_value, 0);
    assert_eq!(after[14], 0x46);
    // No cgroup is in the array, which is an error and no answer.
    assert_eq!(notes(&ebpf), [0x800, 64, 1, 8, 0x46, 0, 0, 0]);

    let program = xdp(&mut ebpf, "frame");
    program.load().unwrap();
    assert_eq!(run(program), 3);
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hachi_aya_greet(text: *const u8) -> u64 {
    std::hint::black_box(text);
    4711
}

#[test]
fn calls_are_seen_through_registers() {
    require_bpf!();
    let mut ebpf = Ebpf::load(&object("contexts")).unwrap();
    for name in ["called", "returned"] {
        let program: &mut UProbe = ebpf.program_mut(name).unwrap().try_into().unwrap();
        program.load().unwrap();
        match attach(program, "hachi_aya_greet") {
            Ok(_) => {}
            Err(ProgramError::SyscallError(error))
                if error.io_error.raw_os_error() == Some(libc::ENOENT) =>
            {
                hachi_test::skip!("this kernel has no uprobes");
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(hachi_aya_greet(c"hello".as_ptr().cast()), 4711);
    assert_eq!(notes(&ebpf)[..4], [5, 1, 2, 4711]);
    let stacks: StackTraceMap<_> = ebpf.map("STACKS").unwrap().try_into().unwrap();
    assert!(stacks.stack_ids().count() >= 1);
}

#[test]
fn events_of_perf_are_seen_with_their_period() {
    require_bpf!();
    let mut ebpf = Ebpf::load(&object("contexts")).unwrap();
    let program: &mut PerfEvent = ebpf.program_mut("sampled").unwrap().try_into().unwrap();
    program.load().unwrap();
    let policy = SamplePolicy::Period(100_000);
    #[cfg(not(feature = "v0_13"))]
    let attached = program.attach(
        aya::programs::perf_event::PerfEventConfig::Software(
            aya::programs::perf_event::SoftwareEvent::CpuClock,
        ),
        PerfEventScope::CallingProcess { cpu: None },
        policy,
        false,
    );
    #[cfg(feature = "v0_13")]
    let attached = program.attach(
        aya::programs::perf_event::PerfTypeId::Software,
        aya::programs::perf_event::perf_sw_ids::PERF_COUNT_SW_CPU_CLOCK as u64,
        PerfEventScope::CallingProcessAnyCpu,
        policy,
        false,
    );
    attached.unwrap();
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while notes(&ebpf)[6] == 0 && std::time::Instant::now() < limit {
        std::hint::spin_loop();
    }
    // Of each CPU that ran the thread.
    let seen = notes(&ebpf)[6];
    assert!(seen > 0 && seen.is_multiple_of(100_000), "{seen}");
}

#[test]
fn programs_of_all_kinds_load() {
    require_bpf!();
    let mut ebpf = Ebpf::load(&object("contexts")).unwrap();
    let running = KernelVersion::current().unwrap();
    let mut loaded = 0;
    for (name, program) in ebpf.programs_mut() {
        let result = match program {
            Program::CgroupDevice(program) => program.load(),
            Program::CgroupSkb(program) => program.load(),
            Program::CgroupSock(program) => program.load(),
            Program::CgroupSockAddr(program) => program.load(),
            Program::CgroupSockopt(program) => program.load(),
            Program::CgroupSysctl(program) => program.load(),
            Program::PerfEvent(program) => program.load(),
            Program::SkLookup(program) => program.load(),
            Program::SkMsg(program) => program.load(),
            Program::SkReuseport(program) => program.load(),
            Program::SkSkb(program) => program.load(),
            Program::SockOps(program) => program.load(),
            Program::TracePoint(program) => program.load(),
            _ => continue,
        };
        // `choose` asks for `migrating_sk` (5.14), `recorded` for `bpf_strncmp` (5.17).
        let since = match name {
            "choose" => KernelVersion::new(5, 14, 0),
            "recorded" => KernelVersion::new(5, 17, 0),
            _ => KernelVersion::new(5, 10, 0),
        };
        match result {
            Err(ProgramError::LoadError { .. }) if running < since => continue,
            result => result.unwrap_or_else(|error| panic!("{name}: {error}")),
        }
        loaded += 1;
    }
    assert!(loaded >= 11, "{loaded}");

    let program: &mut RawTracePoint = ebpf.program_mut("raw").unwrap().try_into().unwrap();
    program.load().unwrap();
    program.attach("sys_enter").unwrap();
    std::fs::metadata("/").unwrap();
    assert_ne!(notes(&ebpf)[4], 0);

    let btf = Btf::from_sys_fs().unwrap();
    let program: &mut BtfTracePoint = ebpf.program_mut("typed").unwrap().try_into().unwrap();
    program.load("sched_switch", &btf).unwrap();
    program.attach().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(5));
    assert_ne!(notes(&ebpf)[5], 0);
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hachi_aya_copy(text: *const u8, length: u64) -> u64 {
    std::hint::black_box(text);
    std::hint::black_box(length)
}

/// A length of 32 bits is the lower half of a register, of which a helper gets all.
#[test]
fn lengths_of_32_bits_have_nothing_above_them() {
    require_bpf!();
    let mut ebpf = Ebpf::load(&object("tracing")).unwrap();
    let program: &mut UProbe = ebpf.program_mut("copied").unwrap().try_into().unwrap();
    program.load().unwrap();
    match attach(program, "hachi_aya_copy") {
        Ok(_) => {}
        Err(ProgramError::SyscallError(error))
            if error.io_error.kind() == std::io::ErrorKind::NotFound =>
        {
            hachi_test::skip!("the kernel has no uprobes");
        }
        Err(other) => panic!("{other}"),
    }
    hachi_aya_copy(c"hello, world".as_ptr().cast(), 0xdead_beef_0000_0005);
    let text: Array<_, [u8; 16]> = ebpf.map("TEXT").unwrap().try_into().unwrap();
    assert_eq!(&text.get(&0, 0).unwrap(), b"hello\0\0\0\0\0\0\0\0\0\0\0");
}
