//! What programs learn of the thread and the cgroup that they run for.

use hachi::maps::{Array, CgroupStorage, CgroupStorageKey, PerCpuCgroupStorage};
use hachi::programs::{CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, TestRunOptions};
use hachi::{Ebpf, Pod};
use hachi_test::{Cgroup, report_skip, require_bpf, require_kernel};
use hachi_tests::{fixture, fixture_with, load_all};
use std::fs::File;
use std::net::UdpSocket;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

#[derive(Clone, Copy, Debug, PartialEq, Pod)]
#[repr(C)]
struct Seen {
    pid: u32,
    tgid: u32,
    uid: u32,
    gid: u32,
    command: [u8; 16],
    cgroup: u64,
    root: u64,
    task: u64,
}

fn check(object: &Path) {
    let mut ebpf = load_all(object);
    let seen = |ebpf: &Ebpf, index: u32| {
        let map = Array::<_, Seen>::try_from(ebpf.map("SEEN").unwrap()).unwrap();
        map.get(&index, 0).unwrap()
    };
    let run = |name: &str, options: &TestRunOptions| {
        let program = ebpf.program(name).unwrap();
        program.test_run(options).unwrap().return_value as i32
    };
    let packet = [0; 64];
    assert_eq!(run("in_xdp", &TestRunOptions::new().data(&packet)), 2);
    assert_eq!(run("in_tc", &TestRunOptions::new().data(&packet)), 0);
    let argument = [0; 8];
    for time in [1, 2] {
        let ran = run("in_syscall", &TestRunOptions::new().context(&argument));
        if ran == 101 && hachi_test::cpu_lacks_cmpxchg16b() {
            report_skip(format_args!(
                "a cgroup's storage, for which this processor lacks cmpxchg16b"
            ));
            break;
        }
        assert_eq!(ran, time);
    }

    let thread = std::fs::read_link("/proc/thread-self").unwrap();
    let pid = thread
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    let mut command = [0; 16];
    let name = std::fs::read("/proc/thread-self/comm").unwrap();
    let name = name.trim_ascii_end();
    command[..name.len()].copy_from_slice(name);
    let owner = std::fs::metadata("/proc/thread-self").unwrap();
    let first = seen(&ebpf, 0);
    let expected = Seen {
        pid,
        tgid: std::process::id(),
        uid: owner.uid(),
        gid: owner.gid(),
        command,
        task: pid.into(),
        ..first
    };
    assert_eq!(first, expected);
    assert!(first.cgroup >= first.root && first.root > 0, "{first:?}");
    assert_eq!([1, 2].map(|index| seen(&ebpf, index)), [first; 2]);
    // Packets of a test run have neither a sender nor a socket with a class.
    let classes = Array::<_, u64>::try_from(ebpf.map("CLASSES").unwrap()).unwrap();
    assert_eq!([0, 1].map(|index| classes.get(&index, 0).unwrap()), [1, 1]);

    count_a_cgroups_packets(&mut ebpf);
}

/// Real packets: only a program that is attached has the storage.
fn count_a_cgroups_packets(ebpf: &mut Ebpf) {
    let group = Cgroup::new().unwrap();
    let program: &mut CgroupSkb = ebpf.program_mut("in_cgroup").unwrap().try_into().unwrap();
    program
        .attach(
            File::open(group.path()).unwrap(),
            CgroupSkbAttachType::Egress,
            CgroupAttachMode::Single,
        )
        .unwrap();
    group.run(|| {
        let to = UdpSocket::bind("127.0.0.1:0").unwrap();
        let from = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..3 {
            from.send_to(&[0; 10], to.local_addr().unwrap()).unwrap();
        }
    });
    let id = std::fs::metadata(group.path()).unwrap().ino();
    let packets = ebpf.map("PACKETS").unwrap();
    let packets = CgroupStorage::<_, CgroupStorageKey, u64>::try_from(packets).unwrap();
    let keys: Vec<_> = packets.keys().map(Result::unwrap).collect();
    assert_eq!(keys.len(), 1);
    assert_eq!(packets.get(&keys[0], 0).unwrap(), Some(3));
    let bytes = ebpf.map("BYTES").unwrap();
    let bytes = PerCpuCgroupStorage::<_, u64, u64>::try_from(bytes).unwrap();
    let values = bytes.get(&id, 0).unwrap().unwrap();
    // An IPv4 header, a UDP header, and ten bytes.
    assert_eq!(values.iter().sum::<u64>(), 3 * (20 + 8 + 10));
}

#[test]
fn programs_of_all_types_know_the_thread_and_its_cgroup() {
    require_bpf!();
    require_kernel!(
        "6.16",
        "the thread's user and name in programs of all types"
    );
    check(&fixture("current"));
    check(&fixture_with("current", &["--debug"]));
}
