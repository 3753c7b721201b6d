//! Looking at what is loaded, and at who holds it.

mod support;

use std::{
    env,
    ffi::CString,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    path::Path,
    time::Duration,
};

use hachi::{
    Ebpf, Held, Holder, KernelVersion, ProbeAt, holders, holders_in,
    links::LinkInfo,
    loaded_btf,
    maps::loaded_maps,
    programs::{
        ProgramInfo, RawTracePoint, RunStats, TestRunOptions, TracePoint, UProbe, loaded_programs,
    },
};
use hachi_test::{require_bpf, skip};
use support::{
    load,
    tracing::{get, observer, watching, with_function},
    xdp,
};

fn described(ebpf: &mut Ebpf, name: &str) -> ProgramInfo {
    let program = get(ebpf, name);
    program.load().unwrap();
    program.info().unwrap()
}

#[test]
fn the_code_of_a_program() {
    require_bpf!();
    let mut ebpf = load(with_function("outer", "inner"));
    let info = described(&mut ebpf, "outer");
    let code = info.code().unwrap();
    assert_eq!(code.xlated.len() * 8, info.xlated_size() as usize);
    assert_eq!(code.jited.len(), info.jited_size() as usize);
    if code.jited.is_empty() {
        hachi_test::skip!("this kernel interprets programs (net.core.bpf_jit_enable)");
    }
    let names: Vec<_> = code
        .functions
        .iter()
        .map(|function| (function.name.as_deref().unwrap(), function.insn))
        .collect();
    assert_eq!(names, [("outer", 0), ("inner", 3)]);
    let sum: u32 = code.functions.iter().map(|function| function.size).sum();
    assert_eq!(sum as usize, code.jited.len());
    // Where the kernel shows addresses, it has the functions there.
    let symbols = std::fs::read_to_string("/proc/kallsyms").unwrap();
    for function in code
        .functions
        .iter()
        .filter(|function| function.address != 0)
    {
        let address = format!("{:016x}", function.address);
        let line = symbols.lines().find(|line| line.starts_with(&address));
        assert!(line.unwrap().contains("bpf_prog_"), "{line:?}");
    }
}

#[test]
fn the_lines_of_a_program() {
    require_bpf!();
    if cfg!(target_endian = "big") {
        hachi_test::skip!("the object is for little-endian machines");
    }
    const OBJECT: &[u8] = include_bytes!("../../hachi-obj/tests/data/basic.bpfel.o");
    let bpffs = hachi_test::Bpffs::new().unwrap();
    let mut ebpf = hachi::EbpfLoader::new()
        .map_pin_path(bpffs.path())
        .load(OBJECT)
        .unwrap();
    let code = described(&mut ebpf, "pass").code().unwrap();
    let line = code
        .lines
        .iter()
        .find(|line| line.text.contains("bpf_map_lookup_elem(&plain, &hits)"))
        .unwrap();
    assert!(line.file.ends_with("basic.c"), "{line:?}");
    assert!(line.line > 1 && line.column > 1, "{line:?}");
    assert!(code.lines.is_sorted_by_key(|line| line.insn));
    assert!(
        code.lines.is_sorted_by_key(|line| line.address),
        "{:#?}",
        code.lines
    );
}

#[test]
fn runs_are_counted() {
    require_bpf!();
    let mut ebpf = load(support::one("pass", 2));
    let program = xdp(&mut ebpf, "pass");
    let stats = RunStats::enable().unwrap();
    let options = TestRunOptions::new().data(&[0; 64]).repeat(10);
    program.test_run(&options).unwrap();
    let (runs, time) = program.info().unwrap().run_stats();
    assert_eq!(runs, 10);
    assert!(time > Duration::ZERO);
    drop(stats);
}

#[test]
fn finds_the_processes_that_hold_an_object() {
    require_bpf!();
    let this = env::current_exe().unwrap();
    let mut ebpf = load(watching(vec![
        observer("raw", "raw_tp/sys_enter", &[], None),
        observer("trace", "tracepoint/syscalls/sys_enter_getpgid", &[], None),
        observer("entry", "uprobe", &[], None),
    ]));
    let ids = ["raw", "trace", "entry"].map(|name| described(&mut ebpf, name).id());
    let program: &mut RawTracePoint = get(&mut ebpf, "raw").try_into().unwrap();
    program.attach("sys_enter").unwrap();
    let program: &mut TracePoint = get(&mut ebpf, "trace").try_into().unwrap();
    program.attach("syscalls", "sys_enter_getpgid").unwrap();
    let program: &mut UProbe = get(&mut ebpf, "entry").try_into().unwrap();
    program
        .attach("hachi_held_probe", &this, None, None)
        .unwrap();
    hachi_held_probe();

    let mine: Vec<Holder> = holders_in(std::process::id()).unwrap();
    let holds = |held: &Held| mine.iter().any(|holder| holder.held == *held);
    for id in ids {
        assert!(holds(&Held::Program(id)), "{id} in {mine:?}");
    }
    let map = ebpf.map(support::tracing::SEEN).unwrap().data();
    assert!(holds(&Held::Map(map.info().unwrap().id())));
    // By links, or by perf events where those are none yet.
    let of = |id| {
        let mut probes = mine.iter().filter_map(|holder| match &holder.held {
            Held::Link { id, .. } => LinkInfo::from_id(*id).unwrap().probe().cloned(),
            Held::Probe(probe) => Some(probe.clone()),
            _ => None,
        });
        probes.find(|probe| probe.program_id == id)
    };
    let raw = of(ids[0]).unwrap();
    assert_eq!(raw.kind, ProbeAt::RawTracepoint);
    assert_eq!(raw.name, "sys_enter");
    match of(ids[1]) {
        // Links do not tell before Linux 6.6, and events do only where there are no links.
        None => assert!(
            hachi_test::kernel_is_older_than("6.6") && !hachi_test::kernel_is_older_than("5.15")
        ),
        Some(tracepoint) => {
            assert_eq!(tracepoint.kind, ProbeAt::Tracepoint);
            assert_eq!(tracepoint.name, "sys_enter_getpgid");
            let uprobe = of(ids[2]).unwrap();
            assert_eq!(uprobe.kind, ProbeAt::Uprobe);
            assert_eq!(uprobe.name, this.to_str().unwrap());
            assert_ne!(uprobe.offset, 0);
        }
    }
    let event = perf_event(&ebpf, &this);
    let held = holders_in(std::process::id()).unwrap();
    let mut held = held.into_iter();
    let held = held
        .find(|holder| holder.fd == event.as_raw_fd() as u32)
        .unwrap();
    let Held::Probe(probe) = held.held else {
        panic!("{held:?}");
    };
    assert_eq!(probe.program_id, ids[2]);
    assert_eq!(probe.kind, ProbeAt::Uprobe);
    assert_eq!(probe.name, this.to_str().unwrap());

    // Among all of the system.
    let found = holders().unwrap().into_iter();
    let mut found = found.filter(|holder| holder.pid == std::process::id());
    let found = found
        .find(|holder| holder.held == Held::Program(ids[0]))
        .unwrap();
    assert_eq!(found.pid, std::process::id());
    let comm = std::fs::read_to_string("/proc/self/comm").unwrap();
    assert_eq!(found.command, comm.trim_end());
}

/// A uprobe as older tools make it: a perf event that a program was put on.
fn perf_event(ebpf: &Ebpf, path: &Path) -> OwnedFd {
    let kind = std::fs::read_to_string("/sys/bus/event_source/devices/uprobe/type").unwrap();
    let path = CString::new(path.to_str().unwrap()).unwrap();
    let mut attr = [0u64; 14];
    // Type and size; path; any place in the file's code will do.
    attr[0] = kind.trim().parse::<u64>().unwrap() | (size_of_val(&attr) as u64) << 32;
    attr[7] = path.as_ptr() as u64;
    attr[8] = hachi_held_probe as *const () as u64 - code_start();
    // SAFETY: the attribute has the size that it says, and the path is NUL-terminated.
    let fd = unsafe { libc::syscall(libc::SYS_perf_event_open, attr.as_ptr(), -1, 0, -1, 8) };
    assert!(fd >= 0, "{}", std::io::Error::last_os_error());
    // SAFETY: it was just made.
    let event = unsafe { OwnedFd::from_raw_fd(fd as i32) };
    let program = ebpf.program("entry").unwrap().fd().unwrap().as_raw_fd();
    const PERF_EVENT_IOC_SET_BPF: u64 = 0x4004_2408;
    // SAFETY: takes a number.
    let result = unsafe { libc::ioctl(event.as_raw_fd(), PERF_EVENT_IOC_SET_BPF as _, program) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    event
}

/// The difference between addresses and places in this program's file, where its code is.
fn code_start() -> u64 {
    let address = hachi_held_probe as *const () as u64;
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let hex = |text: &str| u64::from_str_radix(text, 16).unwrap();
    maps.lines()
        .find_map(|line| {
            let mut words = line.split(' ');
            let (start, end) = words.next()?.split_once('-')?;
            let offset = hex(words.nth(1)?);
            (hex(start)..hex(end))
                .contains(&address)
                .then(|| hex(start) - offset)
        })
        .unwrap()
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hachi_held_probe() {
    std::hint::black_box(());
}

#[test]
fn all_of_the_system() {
    require_bpf!();
    let mut ebpf = load(with_function("listed", "inner"));
    let info = described(&mut ebpf, "listed");
    assert!(loaded_programs().any(|program| program.unwrap().id() == info.id()));
    let with_map = load(support::with_global("G", 1));
    let map = with_map.map(".rodata").unwrap().data().info().unwrap().id();
    assert!(loaded_maps().any(|map_info| map_info.unwrap().id() == map));
    let btf: Vec<_> = loaded_btf().map(Result::unwrap).collect();
    let types = btf
        .iter()
        .find(|btf| Some(btf.id) == info.btf_id())
        .unwrap();
    assert_eq!(types.kernel, None);
    assert!(types.size > 24);
    if !hachi_test::kernel_is_older_than("5.11") {
        let vmlinux = btf
            .iter()
            .find(|btf| btf.kernel.as_deref() == Some("vmlinux"));
        assert!(vmlinux.unwrap().size > 1 << 20);
    }
}

/// Kernels have the functions of the table of what objects need from the version on that it says.
#[test]
fn kernel_functions_are_as_old_as_the_table_says() {
    let Ok(bytes) = std::fs::read("/sys/kernel/btf/vmlinux") else {
        skip!("the kernel has no type information");
    };
    let btf = hachi_btf::Btf::parse(&bytes).unwrap();
    let running = support::running();
    for (name, (major, minor)) in hachi_obj::inspect::kfuncs() {
        let first = KernelVersion::new((*major).into(), (*minor).into(), 0);
        let there = btf.find_own(name, hachi_btf::Kind::Func).is_some();
        assert_eq!(
            there,
            running >= first,
            "{name} of Linux {major}.{minor} on {running}"
        );
    }
}
