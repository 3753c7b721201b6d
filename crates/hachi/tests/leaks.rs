//! Attaching and failing to attach leave no descriptor open, and detaching none either.
//!
//! In a program of its own: descriptors are counted for the whole process.

mod support;

use std::{env, process::Command};

use hachi::{
    Btf,
    programs::{
        AttachOptions, BtfTracePoint, Iter, PerfEvent, PerfEventConfig, PerfEventScope,
        RawTracePoint, SamplePolicy, SoftwareEvent, TracePoint, UProbe, UProbeMulti, Usdt,
    },
};
use hachi_test::{Bpffs, require_bpf};
use support::{
    descriptors, load,
    tracing::{get, observer, watching},
};

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hachi_leak_probe(value: u64) -> u64 {
    std::hint::black_box(value)
}

#[test]
fn no_descriptor_is_left_open() {
    require_bpf!();
    if !support::apart("no_descriptor_is_left_open") {
        return;
    }
    let bpffs = Bpffs::new().unwrap();
    let this = env::current_exe().unwrap();
    hachi_leak_probe(1);

    let use_everything = || {
        let sections = [
            "tracepoint/syscalls/sys_enter_getpgid",
            "raw_tp/sys_enter",
            "tp_btf/sys_enter",
            "uprobe",
            "uprobe.multi",
            "usdt",
            "perf_event",
        ];
        for section in sections {
            let mut ebpf = load(watching(vec![observer("p", section, &[], None)]));
            let program = get(&mut ebpf, "p");
            if program.load().is_err() {
                // Older kernels lack some.
                continue;
            }
            match section.split('/').next().unwrap() {
                "tracepoint" => {
                    let program: &mut TracePoint = program.try_into().unwrap();
                    program.attach("syscalls", "sys_enter_getpgid").unwrap();
                    assert!(program.attach("syscalls", "nothing").is_err());
                }
                "raw_tp" => {
                    let program: &mut RawTracePoint = program.try_into().unwrap();
                    let id = program.attach("sys_enter").unwrap();
                    assert!(program.attach("nothing").is_err());
                    program.detach(id).unwrap();
                }
                "tp_btf" => {
                    let program: &mut BtfTracePoint = program.try_into().unwrap();
                    let id = program.attach().unwrap();
                    let link = program.take_link(id).unwrap();
                    link.pin(bpffs.join("link")).unwrap().unpin().unwrap();
                }
                "uprobe" => {
                    let program: &mut UProbe = program.try_into().unwrap();
                    program
                        .attach("hachi_leak_probe", &this, None, None)
                        .unwrap();
                    program
                        .attach_by_tracefs("hachi_leak_probe", &this, None)
                        .unwrap();
                    assert!(program.attach("nothing", &this, None, None).is_err());
                    assert!(program.attach("main", "/etc/passwd", None, None).is_err());
                    let nobody = Some(i32::MAX);
                    assert!(
                        program
                            .attach("hachi_leak_probe", &this, nobody, None)
                            .is_err()
                    );
                }
                "uprobe.multi" => {
                    let program: &mut UProbeMulti = program.try_into().unwrap();
                    let _ = program.attach("hachi_leak_*", &this, None);
                    assert!(program.attach("nothing_*", &this, None).is_err());
                }
                "usdt" => {
                    let program: &mut Usdt = program.try_into().unwrap();
                    assert!(program.attach(&this, "a", "b", None, 0).is_err());
                }
                _ => {
                    let program: &mut PerfEvent = program.try_into().unwrap();
                    let here = PerfEventScope::CallingProcess { cpu: None };
                    let clock = PerfEventConfig::Software(SoftwareEvent::CpuClock);
                    let often = SamplePolicy::Frequency(10);
                    program.attach(clock, here, often, false).unwrap();
                    let nowhere = PerfEventScope::AllProcessesOneCpu { cpu: 9999 };
                    assert!(program.attach(clock, nowhere, often, false).is_err());
                }
            }
        }
        // Programs whose target does not exist, or which this kernel refuses.
        for section in [
            "fentry/nothing",
            "lsm/nothing",
            "kprobe/nothing",
            "iter/nothing",
        ] {
            let mut ebpf = load(watching(vec![observer("p", section, &[], None)]));
            assert!(ebpf.attach_all(&AttachOptions::new()).is_err());
        }
        let btf = Btf::from_sys_fs().unwrap();
        let insns = vec![hachi_asm::build::mov_imm(0, 0), hachi_asm::build::exit()];
        let mut ebpf = load(support::spec(
            Vec::new(),
            vec![support::program("p", "iter", insns, &[])],
        ));
        let program: &mut Iter = get(&mut ebpf, "p").try_into().unwrap();
        program.load("task", &btf).unwrap();
        let id = program.attach().unwrap();
        drop(program.read(id).unwrap());
    };

    // What is opened once and kept (tracefs where it is not mounted) is no leak.
    use_everything();
    let before = descriptors();
    use_everything();
    let after = descriptors();
    assert_eq!(
        after.len(),
        before.len(),
        "\nbefore {before:?}\nafter {after:?}"
    );
}

/// The guard of all these tests: see `support::NO_LEAKS`.
#[test]
fn a_leak_is_a_failure() {
    const LEAK: &str = "HACHI_TEST_LEAK";
    require_bpf!();
    if env::var_os(LEAK).is_some() {
        std::mem::forget(load(support::with_global("LEAKED", 1)));
        return;
    }
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "a_leak_is_a_failure", "--nocapture"])
        .env(LEAK, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(101), "{text}");
    assert!(
        text.contains("descriptors are left open") && text.contains("anon_inode:bpf-map"),
        "{text}"
    );
}
