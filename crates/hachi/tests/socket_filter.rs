//! Programs of single sockets, and of groups of sockets that share a port.

mod support;

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream, UdpSocket},
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    time::Duration,
};

use hachi::links::{Needed, NoTarget};
use hachi::{
    Ebpf,
    programs::{AttachOptions, SkReuseport, SocketFilter, TestRunOptions},
};
use hachi_test::{Bpffs, Netns, exercises, require_bpf, require_kernel};
use support::{
    network::{counting, loaded},
    tracing::seen,
};

const SK_DROP: i32 = hachi::obj::uapi::sk_action::SK_DROP as i32;
const SK_PASS: i32 = hachi::obj::uapi::sk_action::SK_PASS as i32;

fn filter(length: i32) -> Ebpf {
    loaded(counting("filter", "socket", length))
}

/// A socket of this type that shares its port, if it is bound to one with `port`.
fn sharing_as<S: From<OwnedFd>>(kind: libc::c_int, port: u16) -> S {
    let on: libc::c_int = 1;
    // SAFETY: numbers only; the descriptor is nobody else's; option and address are live and of the
    // lengths given.
    unsafe {
        let fd = libc::socket(libc::AF_INET, kind | libc::SOCK_CLOEXEC, 0);
        assert!(fd >= 0);
        let fd = OwnedFd::from_raw_fd(fd);
        let set = libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_REUSEPORT,
            std::ptr::from_ref(&on).cast(),
            4,
        );
        assert_eq!(set, 0);
        let address = libc::sockaddr_in {
            sin_family: libc::AF_INET as u16,
            sin_port: port.to_be(),
            sin_addr: libc::in_addr {
                s_addr: u32::from_ne_bytes([127, 0, 0, 1]),
            },
            sin_zero: [0; 8],
        };
        let bound = libc::bind(
            fd.as_raw_fd(),
            std::ptr::from_ref(&address).cast(),
            size_of::<libc::sockaddr_in>() as u32,
        );
        assert_eq!(bound, 0);
        fd.into()
    }
}

/// Of datagrams.
fn sharing(port: u16) -> UdpSocket {
    sharing_as(libc::SOCK_DGRAM, port)
}

/// Of connections.
fn listening(port: u16) -> TcpListener {
    let listener: TcpListener = sharing_as(libc::SOCK_STREAM, port);
    // SAFETY: numbers only.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 8) }, 0);
    listener
}

/// Sends five bytes to a socket; how many it gets.
fn through(netns: &Netns, socket: &UdpSocket) -> Option<usize> {
    let timeout = Some(Duration::from_millis(200));
    socket.set_read_timeout(timeout).unwrap();
    netns.run(|| {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client
            .send_to(b"hello", socket.local_addr().unwrap())
            .unwrap();
    });
    socket.recv(&mut [0; 16]).ok()
}

#[test]
fn datagrams_are_dropped_and_cut() {
    require_bpf!();
    let _row = exercises("socket", "setsockopt");
    let netns = Netns::new().unwrap();
    let socket = netns.run(|| UdpSocket::bind("127.0.0.1:0")).unwrap();
    assert_eq!(through(&netns, &socket), Some(5));
    let mut ebpf = filter(0);
    let program = typed!(ebpf, "filter", SocketFilter);
    let id = program.attach(&socket).unwrap();
    assert_eq!(through(&netns, &socket), None);
    // Of a packet, the socket gets the UDP header (8 bytes) and two more.
    let mut cutter = filter(10);
    let link = typed!(ebpf, "filter", SocketFilter).take_link(id).unwrap();
    let mut link = link;
    let other = typed!(cutter, "filter", SocketFilter);
    link.update(other.fd().unwrap()).unwrap();
    assert_eq!(through(&netns, &socket), Some(2));
    drop(link);
    assert_eq!(through(&netns, &socket), Some(5));
    assert_eq!((seen(&ebpf).0, seen(&cutter).0), (1, 1));
}

#[test]
fn the_link_does_not_keep_the_socket() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let socket = netns.run(|| UdpSocket::bind("127.0.0.1:0")).unwrap();
    let address = socket.local_addr().unwrap();
    let mut ebpf = filter(0);
    typed!(ebpf, "filter", SocketFilter)
        .attach(&socket)
        .unwrap();
    drop(socket);
    // The port is free, and what has the descriptor's number now is left alone.
    let again = netns.run(|| UdpSocket::bind(address)).unwrap();
    let mut second = filter(0);
    typed!(second, "filter", SocketFilter)
        .attach(&again)
        .unwrap();
    drop(ebpf);
    assert_eq!(through(&netns, &again), None);
}

#[test]
fn refuses_a_file_that_is_not_a_socket() {
    require_bpf!();
    let mut ebpf = filter(0);
    let program = typed!(ebpf, "filter", SocketFilter);
    let file = File::open("/dev/null").unwrap();
    let error = program.attach(&file).unwrap_err().to_string();
    assert!(error.contains("no socket"), "{error}");
    let all = ebpf.attach_all(&AttachOptions::new()).unwrap();
    assert_eq!(all.left_out[0].1, NoTarget::Needs(Needed::Socket));
    let program = ebpf.program("filter").unwrap();
    let options = TestRunOptions::new().data(&[0; 20]);
    assert_eq!(program.test_run(&options).unwrap().return_value, 0);
}

#[test]
fn a_group_of_sockets() {
    require_bpf!();
    let _row = exercises("sk_reuseport", "setsockopt");
    let netns = Netns::new().unwrap();
    let bpffs = Bpffs::new().unwrap();
    let (one, two) = netns.run(|| {
        let one = sharing(0);
        let port = one.local_addr().unwrap().port();
        (one, sharing(port))
    });
    let mut ebpf = loaded(counting("choose", "sk_reuseport", SK_DROP));
    let program = typed!(ebpf, "choose", SkReuseport);
    program.pin(bpffs.join("program")).unwrap();
    let id = program.attach(&one).unwrap();
    assert_eq!(through(&netns, &two), None);
    assert_eq!(seen(&ebpf).0, 1);
    typed!(ebpf, "choose", SkReuseport).detach(id).unwrap();
    let received = [&one, &two].map(|socket| through(&netns, socket));
    // Which of the two gets one is up to a hash; but none is lost.
    let late = [&one, &two].map(|socket| socket.recv(&mut [0; 16]).ok());
    let count = received.iter().chain(&late).flatten().count();
    assert_eq!(count, 2);
    assert_eq!(seen(&ebpf).0, 1);
    let mut pinned = SkReuseport::from_pin(bpffs.join("program")).unwrap();
    pinned.attach(&two).unwrap();
    assert_eq!(through(&netns, &one), None);
    assert_eq!(seen(&ebpf).0, 2);

    let alone = netns.run(|| UdpSocket::bind("127.0.0.1:0")).unwrap();
    let error = pinned.attach(&alone).unwrap_err().to_string();
    assert!(error.contains("SO_REUSEPORT"), "{error}");
}

/// A connection that nobody has accepted goes on to another socket as its own is closed.
#[test]
fn connections_migrate() {
    require_bpf!();
    let _row = exercises("sk_reuseport/migrate", "setsockopt");
    // Older kernels take the program, and do not ask it.
    require_kernel!("5.14", "migration of connections");
    let program = counting("choose", "sk_reuseport/migrate", SK_PASS);
    let mut ebpf = support::load(support::tracing::watching(vec![program]));
    attempt!(support::tracing::get(&mut ebpf, "choose").load());
    let netns = Netns::new().unwrap();
    let first = netns.run(|| listening(0));
    let address = first.local_addr().unwrap();
    let mut client = netns.run(|| TcpStream::connect(address)).unwrap();
    client.write_all(b"hello").unwrap();
    let second = netns.run(|| listening(address.port()));
    let program = typed!(ebpf, "choose", SkReuseport);
    program.attach(&second).unwrap();
    assert_eq!(seen(&ebpf).0, 0);
    drop(first);
    assert_eq!(seen(&ebpf).0, 1, "it is asked where the connection goes");
    let (mut accepted, _) = second.accept().unwrap();
    let mut bytes = [0; 5];
    accepted.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"hello");
}
