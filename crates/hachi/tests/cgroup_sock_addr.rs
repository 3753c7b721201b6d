//! Addresses that processes of a cgroup use.

mod support;

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::unix::net::{UnixDatagram, UnixListener, UnixStream},
};

use hachi::{
    Ebpf,
    obj::Insn,
    programs::{AttachOptions, CgroupAttachMode, CgroupSockAddr, CgroupSockAddrAttachType},
};
use hachi_asm::{Size, build};
use hachi_test::{Bpffs, Cgroup, Netns, TempDir, exercises, require_bpf};
use support::{
    load,
    network::{address, counting, loaded, observing, open, port, word},
    tracing::{CTX, get, seen, watching},
};

/// Offsets in `struct bpf_sock_addr`.
const USER_IP4: i16 = 4;
const USER_PORT: i16 = 24;

fn attached(cgroup: &Cgroup, section: &str, value: &[Insn], result: i32) -> Ebpf {
    let mut ebpf = loaded(observing("asked", section, value, result));
    let options = AttachOptions::new().cgroup(cgroup.path());
    ebpf.attach_all(&options).unwrap();
    ebpf
}

/// Sockets of both address families, and what is done with them.
fn both(work: impl Fn(&str, SocketAddr)) {
    work("4", (Ipv4Addr::LOCALHOST, 0).into());
    work("6", (Ipv6Addr::LOCALHOST, 0).into());
}

#[test]
fn connections_go_elsewhere() {
    require_bpf!();
    let (netns, cgroup) = (Netns::new().unwrap(), Cgroup::new().unwrap());
    let server = netns.run(|| TcpListener::bind("127.0.0.1:0")).unwrap();
    let there = server.local_addr().unwrap();
    // Whatever address is asked for, another is connected to.
    let redirect = [
        build::mov_imm(1, address(Ipv4Addr::LOCALHOST)),
        build::store(Size::W, CTX, USER_IP4, 1),
        build::mov_imm(1, port(there.port())),
        build::store(Size::W, CTX, USER_PORT, 1),
    ];
    let ebpf = attached(&cgroup, "cgroup/connect4", &redirect, 1);
    let connect = || netns.run(|| TcpStream::connect("192.0.2.1:9").unwrap().peer_addr());
    assert_eq!(cgroup.run(connect).unwrap(), there);
    assert_eq!(seen(&ebpf).0, 1);
}

#[test]
fn bind_and_connect_are_refused() {
    require_bpf!();
    let (netns, cgroup) = (Netns::new().unwrap(), Cgroup::new().unwrap());
    both(|family, local| {
        let bind = || netns.run(|| UdpSocket::bind(local));
        let sections = ["bind", "connect"].map(|call| format!("cgroup/{call}{family}"));
        let _rows = sections
            .each_ref()
            .map(|section| exercises(section, "link"));
        let ebpf = attached(&cgroup, &sections[0], &word(USER_PORT), 0);
        let error = cgroup.run(bind).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EPERM));
        assert_eq!(seen(&ebpf).0, 1);
        drop(ebpf);
        let ebpf = attached(&cgroup, &sections[1], &word(USER_PORT), 0);
        let target = SocketAddr::new(local.ip(), 7);
        let connect = || bind()?.connect(target);
        let error = cgroup.run(connect).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EPERM));
        assert_eq!(seen(&ebpf), (1, u64::from(7u16.to_be())));
        drop(ebpf);
        cgroup.run(connect).unwrap();
    });
}

#[test]
fn datagrams_are_seen_on_both_ways() {
    require_bpf!();
    let (netns, cgroup) = (Netns::new().unwrap(), Cgroup::new().unwrap());
    both(|family, local| {
        let sections = ["sendmsg", "recvmsg"].map(|call| format!("cgroup/{call}{family}"));
        let _rows = sections
            .each_ref()
            .map(|section| exercises(section, "link"));
        let [sent, received] =
            sections.map(|section| attached(&cgroup, &section, &word(USER_PORT), 1));
        let port = cgroup.run(|| {
            netns.run(|| {
                let socket = UdpSocket::bind(local).unwrap();
                let own = socket.local_addr().unwrap();
                socket.send_to(b"hello", own).unwrap();
                let (_, from) = socket.recv_from(&mut [0; 8]).unwrap();
                assert_eq!(from, own);
                own.port()
            })
        });
        assert_eq!(seen(&sent), (1, port.to_be().into()));
        assert_eq!(seen(&received), (1, port.to_be().into()));
    });
}

#[test]
fn names_are_asked_for() {
    require_bpf!();
    let (netns, cgroup) = (Netns::new().unwrap(), Cgroup::new().unwrap());
    both(|family, local| {
        let sections = ["getsockname", "getpeername"].map(|call| format!("cgroup/{call}{family}"));
        let _rows = sections
            .each_ref()
            .map(|section| exercises(section, "link"));
        let [own, theirs] = sections.map(|section| attached(&cgroup, &section, &[], 1));
        cgroup.run(|| {
            netns.run(|| {
                let server = UdpSocket::bind(local).unwrap();
                let client = UdpSocket::bind(local).unwrap();
                client.connect(server.local_addr().unwrap()).unwrap();
                client.peer_addr().unwrap();
            })
        });
        assert_eq!(seen(&own).0, 1);
        assert_eq!(seen(&theirs).0, 1);
    });
}

#[test]
fn sockets_of_this_host() {
    require_bpf!();
    let _rows = [
        "cgroup/connect_unix",
        "cgroup/sendmsg_unix",
        "cgroup/recvmsg_unix",
        "cgroup/getpeername_unix",
        "cgroup/getsockname_unix",
    ]
    .map(|section| exercises(section, "link"));
    let cgroup = Cgroup::new().unwrap();
    let directory = TempDir::new().unwrap();
    let sections = [
        "connect",
        "sendmsg",
        "recvmsg",
        "getpeername",
        "getsockname",
    ];
    let programs = sections.map(|name| counting(name, &format!("cgroup/{name}_unix"), 1));
    // An object for each, since they share a counter.
    let mut objects = programs.map(|program| load(watching(vec![program])));
    for (ebpf, name) in objects.iter_mut().zip(sections) {
        attempt!(get(ebpf, name).load());
        let options = AttachOptions::new().cgroup(cgroup.path());
        ebpf.attach_all(&options).unwrap();
    }
    cgroup.run(|| {
        let path = directory.join("stream");
        let server = UnixListener::bind(&path).unwrap();
        let client = UnixStream::connect(&path).unwrap();
        client.peer_addr().unwrap();
        server.local_addr().unwrap();
        let path = directory.join("datagram");
        let server = UnixDatagram::bind(&path).unwrap();
        let client = UnixDatagram::unbound().unwrap();
        client.send_to(b"hello", &path).unwrap();
        server.recv_from(&mut [0; 8]).unwrap();
    });
    let counts = objects.each_ref().map(|ebpf| seen(ebpf).0);
    assert!(counts.iter().all(|&count| count >= 1), "{counts:?}");
}

#[test]
fn attached_from_a_pin() {
    require_bpf!();
    let (netns, cgroup) = (Netns::new().unwrap(), Cgroup::new().unwrap());
    let bpffs = Bpffs::new().unwrap();
    let path = bpffs.join("program");
    let ebpf = loaded(counting("asked", "cgroup/bind4", 1));
    ebpf.program("asked").unwrap().pin(&path).unwrap();
    let mut program = CgroupSockAddr::from_pin(&path, CgroupSockAddrAttachType::Bind4).unwrap();
    program
        .attach(open(&cgroup), CgroupAttachMode::AllowMultiple)
        .unwrap();
    cgroup
        .run(|| netns.run(|| UdpSocket::bind("127.0.0.1:0")))
        .unwrap();
    assert_eq!(seen(&ebpf).0, 1);
    // It was loaded for another call.
    let mut wrong = CgroupSockAddr::from_pin(&path, CgroupSockAddrAttachType::Connect4).unwrap();
    wrong
        .attach(open(&cgroup), CgroupAttachMode::AllowMultiple)
        .unwrap_err();
}
