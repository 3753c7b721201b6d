//! TCP connections of the processes of a cgroup.

mod support;

use std::net::{TcpListener, TcpStream};

use hachi::programs::{AttachOptions, CgroupAttachMode, SockOps};
use hachi_test::{Bpffs, Cgroup, Netns, exercises, require_bpf};
use support::{
    network::{counting, loaded, observing_only, open, word},
    tracing::seen,
};

/// Offset of `op` in `struct bpf_sock_ops`.
const OP: i16 = 0;
/// `BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB`, `…_PASSIVE_ESTABLISHED_CB`.
const CONNECTED: i32 = hachi::obj::uapi::BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB as i32;
const ACCEPTED: i32 = hachi::obj::uapi::BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB as i32;

fn connect(netns: &Netns, cgroup: &Cgroup) {
    cgroup.run(|| {
        netns.run(|| {
            let server = TcpListener::bind("127.0.0.1:0").unwrap();
            TcpStream::connect(server.local_addr().unwrap()).unwrap();
            server.accept().unwrap();
        })
    });
}

#[test]
fn connections_are_seen_on_both_sides() {
    require_bpf!();
    let _row = exercises("sockops", "link");
    let (netns, cgroup) = (Netns::new().unwrap(), Cgroup::new().unwrap());
    let mut objects =
        [CONNECTED, ACCEPTED].map(|op| loaded(observing_only("told", "sockops", &word(OP), op, 0)));
    let options = AttachOptions::new().cgroup(cgroup.path());
    for ebpf in &mut objects {
        ebpf.attach_all(&options).unwrap();
    }
    connect(&netns, &cgroup);
    assert_eq!(seen(&objects[0]), (1, CONNECTED as u64));
    assert_eq!(seen(&objects[1]), (1, ACCEPTED as u64));
}

#[test]
fn attached_from_a_pin() {
    require_bpf!();
    let (netns, cgroup) = (Netns::new().unwrap(), Cgroup::new().unwrap());
    let bpffs = Bpffs::new().unwrap();
    let ebpf = loaded(counting("told", "sockops", 0));
    ebpf.program("told").unwrap().pin(bpffs.join("p")).unwrap();
    let mut program = SockOps::from_pin(bpffs.join("p")).unwrap();
    program
        .attach(open(&cgroup), CgroupAttachMode::AllowOverride)
        .unwrap();
    connect(&netns, &cgroup);
    assert!(seen(&ebpf).0 >= 2);
}
