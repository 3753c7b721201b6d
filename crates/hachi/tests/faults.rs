//! Whatever system call fails on the way, nothing is left behind: no descriptor, mapping, kernel
//! object, pin, filter or event.
//!
//! Each test runs itself again as a process of its own, since it looks at all that a process has,
//! and does its work as often as there are calls in it.

mod support;

use std::{
    env,
    error::Error,
    fs,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use hachi::{
    Btf, Ebpf, EbpfLoader, features,
    links::{Attachments, tc_filters, xdp_attachments},
    maps::{EventPoll, PerfEventArray, RingBuf, loaded_maps},
    obj::{MapSpec, MapType, Pinning, Spec},
    programs::{
        AttachType, BtfTracePoint, CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, Iter,
        NlOptions, PerfEvent, PerfEventConfig, PerfEventScope, RawTracePoint, SamplePolicy,
        SchedClassifier, SoftwareEvent, TcAttachOptions, TcAttachType, TracePoint, UProbe,
        UProbeMulti, Xdp, XdpFlags, loaded_programs, qdisc_add_clsact,
    },
};
use hachi_asm::build;
use hachi_test::{
    Bpffs, Cgroup, Fault, Netns, each_call_fails, open_descriptors, require_bpf, require_host,
};
use support::{
    XDP_PASS,
    network::counting,
    tracing::{observer, watching},
    verdict,
};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// `ENOMEM` can always happen; `EINVAL` is what old kernels say, after which other ways are tried.
const ERRNOS: [i32; 2] = [libc::ENOMEM, libc::EINVAL];

/// What this process has, besides memory of its own.
fn holdings() -> Vec<String> {
    // Which descriptor a thing has does not matter; that of the list itself comes and goes.
    let mut all: Vec<String> = open_descriptors()
        .into_iter()
        .map(|(_, target)| target)
        .collect();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mappings = maps
        .lines()
        .filter_map(|line| line.find("anon_inode:").map(|at| &line[at..]));
    all.extend(mappings.map(|name| format!("mapping of {name}")));
    all.sort();
    all
}

/// Names of programs and maps of this process begin so.
fn mine(name: &str) -> String {
    format!("{:x}f_{name}", std::process::id())
}

/// Programs and maps of ours in the kernel.
fn objects() -> Vec<String> {
    let prefix = mine("");
    let programs = loaded_programs().map(|program| program.unwrap().name());
    let maps = loaded_maps().map(|map| map.unwrap().name());
    programs
        .chain(maps)
        .filter(|name| name.starts_with(&prefix))
        .collect()
}

/// Events of ours in tracefs.
fn events() -> Vec<String> {
    let sign = format!("hachi_{}/", std::process::id());
    ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"]
        .iter()
        .flat_map(|root| ["uprobe_events", "kprobe_events"].map(|file| format!("{root}/{file}")))
        .filter_map(|path| fs::read_to_string(path).ok())
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| line.contains(&sign))
        .collect()
}

/// Lets each call of `work` fail, in a process of its own, and looks for what is left. `named` are
/// calls that must be among them.
fn check<B: Sync, T>(
    test: &str,
    named: &[&str],
    before: impl Fn() -> B,
    work: impl Fn(&B) -> Outcome<T> + Sync,
    after: impl Fn(&B),
) {
    require_bpf!();
    require_host!("the time to let each call fail");
    if !hachi_test::is_root() {
        hachi_test::skip!("needs root, to see all that is loaded");
    }
    if !support::apart(test) {
        return;
    }
    // What is opened once and kept is so from now on. So are answers about features: one that was
    // got while a call failed would be kept, too.
    for feature in features::ALL {
        feature.is_supported();
    }
    let first = before();
    let fine = work(&first);
    if let Err(error) = &fine {
        panic!("{error}");
    }
    drop((fine, first));
    let at_first = holdings();
    let nothing_left = |given: B, fault: Option<&Fault>| {
        after(&given);
        drop(given);
        // The kernel frees some things later: trampolines once no task can be in one any more
        // (RCU-tasks), which takes seconds where every processor is busy. What leaks stays for
        // good.
        let patience = Instant::now() + Duration::from_secs(60);
        loop {
            let (held, objects, events) = (holdings(), objects(), events());
            if held == at_first && objects.is_empty() && events.is_empty() {
                break;
            }
            assert!(
                Instant::now() < patience,
                "left after {fault:?}: objects {objects:?}, events {events:?}\n{held:#?}\nat \
                 first {at_first:#?}"
            );
            thread::sleep(Duration::from_millis(5));
        }
    };
    let calls = each_call_fails(&ERRNOS, before, |given| work(given), nothing_left).unwrap();
    for name in named {
        assert!(
            calls.iter().any(|call| call == name),
            "no {name} in {calls:?}"
        );
    }
    eprintln!("{test}: {} calls", calls.len());
}

/// Numbers of commands, as [`Fault::call`] has them.
const MAP_CREATE: &str = "bpf 0";
const MAP_UPDATE: &str = "bpf 2";
const PROG_LOAD: &str = "bpf 5";
const OBJ_PIN: &str = "bpf 6";
const RAW_TRACEPOINT_OPEN: &str = "bpf 17";
const BTF_LOAD: &str = "bpf 18";
const MAP_FREEZE: &str = "bpf 22";
const LINK_CREATE: &str = "bpf 28";
const ITER_CREATE: &str = "bpf 33";

/// An object with programs of these sections (`name`d by us), a map, and types.
fn object(programs: &[(&str, &str)]) -> Spec {
    let programs = programs
        .iter()
        .map(|(name, section)| observer(&mine(name), section, &[], None));
    watching(programs.collect())
}

fn load(spec: Spec) -> Outcome<Ebpf> {
    Ok(EbpfLoader::new().load_spec(spec)?)
}

/// The program called `name`, loaded, as its type.
macro_rules! loaded {
    ($ebpf:expr, $name:literal, $type:ty) => {{
        let program: &mut $type = $ebpf.program_mut(&mine($name))?.try_into()?;
        program.load()?;
        program
    }};
}

/// How many pins there are. (Some kernels put two of their own into each file system.)
fn pins(bpffs: &Bpffs) -> usize {
    let names = fs::read_dir(bpffs.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    names
        .filter(|name| !name.to_string_lossy().ends_with(".debug"))
        .count()
}

/// Maps of all sorts: with contents, frozen, nested, of programs, and two that are pinned.
fn many_maps() -> Spec {
    let mut spec = support::with_global("LIMIT", 7);
    spec.programs[0].name = mine("reader");
    spec.btf = support::tracing::with_function("unused", "inner").btf;
    for (number, kind) in [MapType::Hash, MapType::Array].into_iter().enumerate() {
        let mut map = MapSpec::new(mine(["a", "b"][number]), kind, 4, 8, 16);
        map.pinning = Pinning::ByName;
        spec.maps.push(map);
    }
    spec.maps
        .push(MapSpec::new(mine("ring"), MapType::Ringbuf, 0, 0, 4096));
    spec
}

#[test]
fn maps_globals_and_pins() {
    check(
        "maps_globals_and_pins",
        &[MAP_CREATE, MAP_UPDATE, BTF_LOAD, MAP_FREEZE, OBJ_PIN],
        || (Bpffs::new().unwrap(), AtomicUsize::new(0)),
        |(bpffs, loaded)| {
            let ebpf = EbpfLoader::new()
                .map_pin_path(bpffs.path())
                .load_spec(many_maps())?;
            // These pins are to stay.
            loaded.store(2, Ordering::SeqCst);
            Ok(ebpf)
        },
        |(bpffs, loaded)| {
            let pins = pins(bpffs);
            assert_eq!(pins, loaded.load(Ordering::SeqCst));
        },
    );
}

#[test]
fn xdp_by_link() {
    check(
        "xdp_by_link",
        &[PROG_LOAD, LINK_CREATE, OBJ_PIN],
        || {
            (
                Bpffs::new().unwrap(),
                Netns::new().unwrap(),
                AtomicUsize::new(0),
            )
        },
        |(bpffs, netns, pins)| {
            netns.run(|| {
                let mut spec = many_maps();
                spec.maps.retain(|map| map.pinning == Pinning::None);
                let mut ebpf = load(spec)?;
                let program = loaded!(ebpf, "reader", Xdp);
                program.pin(bpffs.join("program"))?;
                pins.fetch_add(1, Ordering::SeqCst);
                let id = program.attach("lo", XdpFlags::SKB_MODE)?;
                let link = program.take_link(id)?.pin(bpffs.join("link"))?;
                pins.fetch_add(1, Ordering::SeqCst);
                Ok((ebpf, link))
            })
        },
        |(bpffs, netns, made)| {
            let pins = pins(bpffs);
            assert_eq!(pins, made.load(Ordering::SeqCst));
            if pins < 2 {
                netns.run(|| assert!(xdp_attachments().unwrap().is_empty()));
            }
        },
    );
}

/// The namespace's loopback interface is as it was.
fn untouched(netns: &Netns) {
    netns.run(|| {
        assert!(xdp_attachments().unwrap().is_empty());
        for direction in [TcAttachType::Ingress, TcAttachType::Egress] {
            assert_eq!(tc_filters("lo", direction).unwrap(), []);
        }
    });
}

#[test]
fn xdp_by_netlink() {
    check(
        "xdp_by_netlink",
        &["socket", "sendto", "recvfrom"],
        || Netns::new().unwrap(),
        |netns| {
            netns.run(|| {
                let mut ebpf = load(support::spec(
                    Vec::new(),
                    vec![verdict(&mine("pass"), XDP_PASS)],
                ))?;
                loaded!(ebpf, "pass", Xdp).attach("lo", XdpFlags::REPLACE | XdpFlags::SKB_MODE)?;
                Ok(ebpf)
            })
        },
        untouched,
    );
}

#[test]
fn filters() {
    check(
        "filters",
        &["socket", "sendto", "recvfrom"],
        || (Netns::new().unwrap(), AtomicUsize::new(0)),
        |(netns, attached)| {
            netns.run(|| {
                let mut ebpf = load(watching(vec![counting(&mine("ok"), "classifier", 0)]))?;
                let program = loaded!(ebpf, "ok", SchedClassifier);
                let options = TcAttachOptions::Netlink(NlOptions::default());
                program.attach_with_options("lo", TcAttachType::Ingress, options)?;
                attached.store(1, Ordering::SeqCst);
                Ok(ebpf)
            })
        },
        |(netns, attached)| {
            untouched(netns);
            // An attachment that worked leaves the qdisc (others may use it by now).
            let there = netns.run(|| qdisc_add_clsact("lo")).is_err();
            assert_eq!(there, attached.load(Ordering::SeqCst) == 1);
        },
    );
}

#[test]
fn relocated_to_the_kernels_types() {
    const FIELDS: &[u8] = include_bytes!("../../../tests/objects/core/fields.bpfel.o");
    if cfg!(target_endian = "big") {
        hachi_test::skip!("the object is for little-endian machines");
    }
    check(
        "relocated_to_the_kernels_types",
        &["openat", BTF_LOAD, PROG_LOAD],
        || (),
        |()| {
            let mut ebpf = EbpfLoader::new().load(FIELDS)?;
            ebpf.program_mut("probed")?.load()?;
            Ok(ebpf)
        },
        |()| {},
    );
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hachi_fault_probe(value: u64) -> u64 {
    std::hint::black_box(value)
}

#[test]
fn typed_tracepoints_and_iterators() {
    // Once for all runs: that reading them fails is another test's.
    let btf = Btf::from_sys_fs();
    check(
        "typed_tracepoints_and_iterators",
        &[PROG_LOAD, RAW_TRACEPOINT_OPEN, LINK_CREATE, ITER_CREATE],
        || (),
        |()| {
            let btf = btf.as_ref().map_err(ToString::to_string)?;
            let mut spec = object(&[("tp", "tp_btf/sys_enter")]);
            spec.programs.push(support::program(
                &mine("iter"),
                "iter/task",
                vec![build::mov_imm(0, 0), build::exit()],
                &[],
            ));
            let mut ebpf = EbpfLoader::new().btf(Some(btf)).load_spec(spec)?;
            let program: &mut BtfTracePoint = ebpf.program_mut(&mine("tp"))?.try_into()?;
            program.load("sys_enter", btf)?;
            program.attach()?;
            let program: &mut Iter = ebpf.program_mut(&mine("iter"))?.try_into()?;
            program.load("task", btf)?;
            let id = program.attach()?;
            let run = program.read(id)?;
            Ok((ebpf, run))
        },
        |()| {},
    );
}

#[test]
fn tracepoints() {
    check(
        "tracepoints",
        &[PROG_LOAD, RAW_TRACEPOINT_OPEN, "perf_event_open"],
        || (),
        |()| {
            let mut ebpf = load(object(&[
                ("raw", "raw_tp/sys_enter"),
                ("trace", "tracepoint/syscalls/sys_enter_getpgid"),
            ]))?;
            loaded!(ebpf, "raw", RawTracePoint).attach("sys_enter")?;
            loaded!(ebpf, "trace", TracePoint).attach("syscalls", "sys_enter_getpgid")?;
            Ok(ebpf)
        },
        |()| {},
    );
}

#[test]
fn perf_events() {
    hachi_fault_probe(1);
    check(
        "perf_events",
        &["perf_event_open", "openat", "read"],
        || (),
        |()| {
            let this = env::current_exe()?;
            let mut ebpf = load(object(&[("u", "uprobe"), ("perf", "perf_event")]))?;
            loaded!(ebpf, "u", UProbe).attach("hachi_fault_probe", &this, None, None)?;
            let here = PerfEventScope::CallingProcess { cpu: None };
            let clock = PerfEventConfig::Software(SoftwareEvent::CpuClock);
            let often = SamplePolicy::Frequency(10);
            loaded!(ebpf, "perf", PerfEvent).attach(clock, here, often, false)?;
            Ok(ebpf)
        },
        |()| {},
    );
}

#[test]
fn probes_by_tracefs() {
    check(
        "probes_by_tracefs",
        &["openat", "write", "read", "perf_event_open"],
        || (),
        |()| {
            let mut ebpf = load(object(&[("u", "uprobe")]))?;
            let this = env::current_exe()?;
            loaded!(ebpf, "u", UProbe).attach_by_tracefs("hachi_fault_probe", this, None)?;
            Ok(ebpf)
        },
        |()| {},
    );
}

#[test]
fn many_places_at_once() {
    let supported = features::UPROBE_MULTI.is_supported();
    check(
        "many_places_at_once",
        &[LINK_CREATE],
        || (),
        |()| {
            if !supported {
                // The old way instead.
                let mut ebpf = load(object(&[("u", "uprobe")]))?;
                let this = env::current_exe()?;
                loaded!(ebpf, "u", UProbe).attach("hachi_fault_probe", this, None, None)?;
                return Ok(ebpf);
            }
            let mut ebpf = load(object(&[("multi", "uprobe.multi")]))?;
            let this = env::current_exe()?;
            loaded!(ebpf, "multi", UProbeMulti).attach("hachi_fault_*", this, None)?;
            Ok(ebpf)
        },
        |()| {},
    );
}

#[test]
fn cgroups() {
    check(
        "cgroups",
        &[PROG_LOAD, "openat"],
        || Cgroup::new().unwrap(),
        |cgroup| {
            let mut ebpf = load(watching(vec![counting(
                &mine("in"),
                "cgroup_skb/ingress",
                1,
            )]))?;
            let directory = fs::File::open(cgroup.path())?;
            let program = loaded!(ebpf, "in", CgroupSkb);
            let mut attach = |mode| program.attach(&directory, CgroupSkbAttachType::Ingress, mode);
            attach(CgroupAttachMode::AllowMultiple)?;
            // Refused because of the first.
            assert!(attach(CgroupAttachMode::Single).is_err());
            Ok(ebpf)
        },
        |cgroup| {
            let directory = fs::File::open(cgroup.path()).unwrap();
            let attached = Attachments::at(&directory, AttachType::CgroupInetIngress);
            assert!(attached.unwrap().programs.is_empty());
        },
    );
}

#[test]
fn structs_of_functions() {
    let link = features::STRUCT_OPS_LINK.is_supported();
    check(
        "structs_of_functions",
        &[PROG_LOAD, MAP_UPDATE],
        || (),
        |()| {
            let name = format!("hachi{:x}f", std::process::id());
            let mut spec = support::network::congestion_control("control", &name, link);
            for program in &mut spec.programs {
                program.name = mine(&program.name);
            }
            for member in &mut spec.struct_ops[0].members {
                if let hachi::obj::StructOpsValue::Program(program) = &mut member.value {
                    *program = mine(program);
                }
            }
            let mut ebpf = load(spec)?;
            let ready = ebpf.struct_ops("control")?;
            let link = ready.attach()?;
            Ok((ebpf, ready, link))
        },
        |()| {
            let available = "/proc/sys/net/ipv4/tcp_available_congestion_control";
            let name = format!("hachi{:x}f", std::process::id());
            // A map is freed later, and with it what it registered.
            let patience = Instant::now() + Duration::from_secs(60);
            while fs::read_to_string(available).unwrap().contains(&name) {
                assert!(Instant::now() < patience, "{name} is still registered");
                thread::sleep(Duration::from_millis(5));
            }
        },
    );
}

#[test]
fn readers() {
    check(
        "readers",
        &[
            MAP_CREATE,
            "mmap",
            "perf_event_open",
            "epoll_create1",
            "epoll_ctl",
        ],
        || (),
        |()| {
            let map = |name, kind, key, value, entries| {
                MapSpec::new(mine(name), kind, key, value, entries)
            };
            let maps = vec![
                map("ring", MapType::Ringbuf, 0, 0, 4096),
                map("perf", MapType::PerfEventArray, 4, 4, 0),
            ];
            let mut ebpf = load(support::spec(maps, Vec::new()))?;
            let ring = RingBuf::try_from(ebpf.take_map(&mine("ring"))?)?;
            let mut array = PerfEventArray::try_from(ebpf.take_map(&mine("perf"))?)?;
            let events = array.open_all(Some(2))?;
            let mut poll = EventPoll::new()?;
            poll.add(ring, |_| {})?;
            poll.add_perf(events, |_, _| {}, |_| {})?;
            Ok((ebpf, array, poll))
        },
        |()| {},
    );
}
