//! One object for every kernel: what Rust programs ask and read of the kernel's structures.

use hachi::Ebpf;
use hachi::maps::{Array, HashMap, MapData};
use hachi::programs::{AttachOptions, Iter};
use hachi_btf::{Btf, Kind, Types as _};
use hachi_test::{Bpffs, Cgroup, Netns, require_bpf, skip};
use hachi_tests::{fixture, libbpf::Libbpf};
use std::fs;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::linux::fs::MetadataExt as _;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// `Process` of the fixture.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
struct Process {
    pid: i32,
    tgid: i32,
    parent: i32,
    zero: u32,
    cgroup: u64,
    helper_cgroup: u64,
    helper_pid_tgid: u64,
    comm: [u8; 16],
    offsets: [u32; 8],
}

/// `Connection` of the fixture.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
struct Connection {
    local_port: u16,
    remote_port: u16,
    reuse: u8,
    reuse_port: u8,
    net_refcnt: u8,
    zero: u8,
    local: [u8; 4],
    remote: [u8; 4],
    local_v6: [u8; 16],
    remote_v6: [u8; 16],
    netns: u32,
    offsets: [u32; 9],
}

// SAFETY: both are integers and arrays of bytes without padding, as `derive(Pod)` makes sure of in
// the fixture.
unsafe impl hachi::Pod for Process {}
// SAFETY: as above.
unsafe impl hachi::Pod for Connection {}

/// Keeps the tests apart: the programs look at the children of this process, which are those of all
/// tests.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How the fixture's programs read, by the first part of its maps' keys.
const WAYS: [&str; 3] = ["loads", "probing", "probing, raw tracepoint"];

/// The fixture, loaded and attached by somebody, with its maps pinned.
struct Proof {
    bpffs: Bpffs,
}

impl Proof {
    fn map(&self, name: &str) -> MapData {
        MapData::from_pin(self.bpffs.join(name)).unwrap()
    }

    fn want(&self, index: u32, value: u32) {
        let mut wanted = Array::<_, u32>::try_from(self.map("WANTED")).unwrap();
        wanted.set(index, value, 0).unwrap();
    }

    fn process(&self, way: u32) -> Process {
        let processes = HashMap::<_, u32, Process>::try_from(self.map("PROCESSES")).unwrap();
        processes.get(&way, 0).unwrap()
    }

    fn connection(&self, way: u32, family: u32) -> Connection {
        let map = self.map("CONNECTIONS");
        let connections = HashMap::<_, [u32; 2], Connection>::try_from(map).unwrap();
        connections.get(&[way, family], 0).unwrap()
    }
}

fn check_process(proof: &Proof) {
    let cgroup = Cgroup::new().unwrap();
    proof.want(0, std::process::id());
    let mut command = Command::new("sleep");
    command.arg("0");
    let mut child = cgroup.enter(&mut command).unwrap().spawn().unwrap();
    child.wait().unwrap();
    // The id of a cgroup is the number of its directory.
    let id = fs::metadata(cgroup.path()).unwrap().st_ino();
    for (way, name) in (0..).zip(WAYS) {
        let mut process = proof.process(way);
        // Behind the name's end older kernels leave what was there before.
        let end = process.comm.iter().position(|&byte| byte == 0).unwrap();
        process.comm[end..].fill(0);
        println!(
            "process read by {name}: offsets of pid, tgid, comm, real_parent, cgroups; dfl_cgrp; \
             kn; id: {:?}",
            process.offsets
        );
        let pid = child.id() as i32;
        let expected = Process {
            pid,
            tgid: pid,
            parent: std::process::id() as i32,
            zero: 0,
            cgroup: id,
            helper_cgroup: id,
            helper_pid_tgid: u64::from(child.id()) << 32 | u64::from(child.id()),
            comm: *b"sleep\0\0\0\0\0\0\0\0\0\0\0",
            offsets: process.offsets,
        };
        assert_eq!(process, expected, "read by {name}");
        // Fields of one structure lie in different places.
        let mut distinct = process.offsets[..5].to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), 5);
    }
}

fn check_connection(proof: &Proof, host: IpAddr, family: u32) {
    let netns = Netns::new().unwrap();
    let inode = fs::metadata(netns.path()).unwrap().st_ino();
    let (server, client) = netns.run(|| {
        let listener = TcpListener::bind((host, 0)).unwrap();
        let server = listener.local_addr().unwrap();
        proof.want(1, server.port().into());
        let stream = TcpStream::connect(server).unwrap();
        listener.accept().unwrap();
        (server, stream.local_addr().unwrap())
    });
    let octets = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    for (way, name) in (0..).zip(WAYS) {
        let connection = proof.connection(way, family);
        println!(
            "connection read by {name}: offsets of family, num, dport, rcv_saddr, daddr, v6_daddr, \
             net, reuse; inum: {:?}",
            connection.offsets
        );
        assert_eq!(connection.local_port, server.port(), "read by {name}");
        assert_eq!(u16::from_be(connection.remote_port), client.port());
        let (local, remote) = match host {
            IpAddr::V4(_) => (connection.local.to_vec(), connection.remote.to_vec()),
            IpAddr::V6(_) => (connection.local_v6.to_vec(), connection.remote_v6.to_vec()),
        };
        assert_eq!((local, remote), (octets(server), octets(client)));
        assert_eq!(u64::from(connection.netns), inode);
        // Bit fields: the standard library sets SO_REUSEADDR, and not SO_REUSEPORT; a socket of a
        // process holds its namespace.
        let bits = (
            connection.reuse,
            connection.reuse_port,
            connection.net_refcnt,
        );
        assert_eq!(bits, (1, 0, 1), "read by {name}");
    }
}

/// Pins all maps under their names, but those that are sections.
fn pin_maps(ebpf: &Ebpf) -> Bpffs {
    let bpffs = Bpffs::new().unwrap();
    for (name, map) in ebpf.maps().filter(|(name, _)| !name.contains('.')) {
        map.data().pin(bpffs.join(name)).unwrap();
    }
    bpffs
}

fn check(proof: &Proof) {
    check_process(proof);
    check_connection(proof, Ipv4Addr::LOCALHOST.into(), 2);
    check_connection(proof, Ipv6Addr::LOCALHOST.into(), 10);
}

#[test]
fn facts_read_from_the_kernel_are_true() {
    require_bpf!();
    let _alone = alone();
    let mut ebpf = Ebpf::load_file(fixture("core_proof")).unwrap();
    let attached = ebpf.attach_all(&AttachOptions::new()).unwrap();
    assert_eq!(attached.attached.len(), 6);
    let bpffs = pin_maps(&ebpf);
    check(&Proof { bpffs });
}

#[test]
fn facts_read_from_the_kernel_are_true_by_libbpf() {
    require_bpf!();
    let _alone = alone();
    let Some(libbpf) = Libbpf::open() else {
        skip!("libbpf is not installed");
    };
    let mut object = libbpf.load(&fixture("core_proof")).unwrap();
    object.attach().unwrap();
    let bpffs = Bpffs::new().unwrap();
    for map in ["WANTED", "PROCESSES", "CONNECTIONS"] {
        object.pin_map(map, &bpffs.join(map)).unwrap();
    }
    check(&Proof { bpffs });
}

/// The value of `PERF_CONTEXT_KERNEL`. Its type had 32 bits before 6.0; its sign is extended then.
const CONTEXT_KERNEL: u64 = -128_i64 as u64;

/// The answers of the fixture `core_questions`, in its order, as the kernel's BTF has them.
fn expected_answers(btf: &Btf<'_>) -> [u64; 24] {
    let task = btf.find("task_struct", Kind::Struct).unwrap();
    let members = btf.members(task).unwrap();
    let offset = |name: &str| {
        let member = members.iter().find(|member| member.name == name);
        u64::from(member.unwrap().bit_offset / 8)
    };
    let size = u64::from(btf.size_of(task).unwrap());
    [
        offset("pid"),
        16,
        1,
        0,
        1,
        0,
        offset("usage"),
        offset("comm") + 3,
        1,
        offset("pid_links") + 32,
        16,
        1,
        0,
        1,
        1,
        size,
        0,
        1,
        0,
        task.into(),
        1,
        5,
        0,
        CONTEXT_KERNEL,
    ]
}

/// Starts a child and compares what the fixture `core_questions` made of it.
fn check_questions(bpffs: &Bpffs) {
    let map = |name: &str| MapData::from_pin(bpffs.join(name)).unwrap();
    let mut wanted = Array::<_, u32>::try_from(map("WANTED")).unwrap();
    wanted.set(0, std::process::id(), 0).unwrap();
    assert!(Command::new("true").status().unwrap().success());
    let answers = Array::<_, [u64; 24]>::try_from(map("ANSWERS")).unwrap();
    let bytes = fs::read("/sys/kernel/btf/vmlinux").unwrap();
    let expected = expected_answers(&Btf::parse(&bytes).unwrap());
    assert_eq!(answers.get(&0, 0).unwrap(), expected);
    let values = Array::<_, [u64; 8]>::try_from(map("VALUES")).unwrap();
    let direct = values.get(&0, 0).unwrap();
    assert_eq!(values.get(&1, 0).unwrap(), direct, "read by probing");
    // Running, no such field, the second letter of its name, a bit that nobody sets, one that the
    // kernel sets meanwhile, somebody uses it, its links lie somewhere, and our parent.
    let parent = u64::from(std::os::unix::process::parent_id());
    assert_eq!(direct, [0, 0xdead, b'r'.into(), 0, 1, 1, 1, parent]);
}

#[test]
fn every_question_has_the_kernels_answer() {
    require_bpf!();
    let _alone = alone();
    let mut ebpf = Ebpf::load_file(fixture("core_questions")).unwrap();
    ebpf.attach_all(&AttachOptions::new()).unwrap();
    let bpffs = pin_maps(&ebpf);
    check_questions(&bpffs);
}

#[test]
fn every_question_has_the_kernels_answer_by_libbpf() {
    require_bpf!();
    let _alone = alone();
    let Some(libbpf) = Libbpf::open() else {
        skip!("libbpf is not installed");
    };
    let mut object = libbpf.load(&fixture("core_questions")).unwrap();
    object.attach().unwrap();
    let bpffs = Bpffs::new().unwrap();
    for map in ["WANTED", "ANSWERS", "VALUES"] {
        object.pin_map(map, &bpffs.join(map)).unwrap();
    }
    check_questions(&bpffs);
}

#[test]
fn an_iterator_prints_its_fields() {
    require_bpf!();
    let _alone = alone();
    let mut ebpf = Ebpf::load_file(fixture("core_questions")).unwrap();
    let threads: &mut Iter = ebpf.program_mut("threads").unwrap().try_into().unwrap();
    threads.load_by_section().unwrap();
    let link = threads.attach().unwrap();
    let mut text = String::new();
    threads
        .read(link)
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    let this = format!("{} ", std::process::id());
    assert!(text.lines().any(|line| line.starts_with(&this)), "{text}");
}
