//! Sockets of a cgroup, as they are made, bound and closed.

mod support;

use std::net::UdpSocket;

use hachi::{
    Ebpf,
    programs::{AttachOptions, CgroupAttachMode, CgroupSock, CgroupSockAttachType},
};
use hachi_test::{Bpffs, Cgroup, Netns, exercises, require_bpf};
use support::{
    network::{loaded, observing, open, word},
    tracing::seen,
};

/// Offset of `protocol` in `struct bpf_sock`.
const PROTOCOL: i16 = 12;

fn attached(cgroup: &Cgroup, section: &str, result: i32) -> Ebpf {
    let mut ebpf = loaded(observing("asked", section, &word(PROTOCOL), result));
    let options = AttachOptions::new().cgroup(cgroup.path());
    ebpf.attach_all(&options).unwrap();
    ebpf
}

const UDP: u64 = libc::IPPROTO_UDP as u64;

#[test]
fn making_a_socket_is_refused() {
    require_bpf!();
    let (netns, cgroup) = (Netns::new().unwrap(), Cgroup::new().unwrap());
    let bind = || cgroup.run(|| netns.run(|| UdpSocket::bind("127.0.0.1:0")));
    for section in ["cgroup/sock", "cgroup/sock_create"] {
        let _row = exercises(section, "link");
        let ebpf = attached(&cgroup, section, 0);
        let error = bind().unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EPERM));
        assert_eq!(seen(&ebpf), (1, UDP));
        drop(ebpf);
        bind().unwrap();
    }
}

#[test]
fn bound_and_closed() {
    require_bpf!();
    let (netns, cgroup) = (Netns::new().unwrap(), Cgroup::new().unwrap());
    for local in ["127.0.0.1:0", "[::1]:0"] {
        let family = if local.starts_with('[') { 6 } else { 4 };
        let section = format!("cgroup/post_bind{family}");
        let _rows = [&section, "cgroup/sock_release"].map(|section| exercises(section, "link"));
        let bound = attached(&cgroup, &section, 1);
        let closed = attached(&cgroup, "cgroup/sock_release", 1);
        let socket = cgroup.run(|| netns.run(|| UdpSocket::bind(local))).unwrap();
        assert_eq!((seen(&bound), seen(&closed).0), ((1, UDP), 0));
        drop(socket);
        assert_eq!(seen(&closed), (1, UDP));
        drop(bound);
        let refused = attached(&cgroup, &section, 0);
        let error = cgroup.run(|| netns.run(|| UdpSocket::bind(local)));
        assert_eq!(error.unwrap_err().raw_os_error(), Some(libc::EPERM));
        assert_eq!(seen(&refused).0, 1);
    }
}

#[test]
fn attached_from_a_pin() {
    require_bpf!();
    let (netns, cgroup) = (Netns::new().unwrap(), Cgroup::new().unwrap());
    let bpffs = Bpffs::new().unwrap();
    let ebpf = loaded(observing("asked", "cgroup/sock_create", &[], 1));
    ebpf.program("asked").unwrap().pin(bpffs.join("p")).unwrap();
    let kind = CgroupSockAttachType::SockCreate;
    let mut program = CgroupSock::from_pin(bpffs.join("p"), kind).unwrap();
    program
        .attach(open(&cgroup), CgroupAttachMode::Single)
        .unwrap();
    cgroup
        .run(|| netns.run(|| UdpSocket::bind("127.0.0.1:0")))
        .unwrap();
    assert!(seen(&ebpf).0 >= 1);
}
