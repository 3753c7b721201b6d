//! Programs for sockets and cgroups see what processes really do, and have their say.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd as _, AsRawFd, FromRawFd as _};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::time::Duration;

use hachi::Ebpf;
use hachi::maps::Array;
use hachi::programs::{AttachOptions, SkLookup, SkMsg, SkReuseport, SkSkb, SocketFilter};
use hachi_test::{Cgroup, Netns, TempDir, require_bpf, supported};
use hachi_tests::fixture;

fn load() -> Ebpf {
    Ebpf::load_file(fixture("network")).unwrap()
}

fn seen(ebpf: &Ebpf, index: u32) -> u64 {
    let map = Array::<_, u64>::try_from(ebpf.map("SEEN").unwrap()).unwrap();
    map.get(&index, 0).unwrap()
}

/// The program called `name`, loaded, as its type.
macro_rules! loaded {
    ($ebpf:ident, $name:literal) => {{
        let program = $ebpf.program_mut($name).unwrap();
        supported!(program.load());
        program.try_into().unwrap()
    }};
}

/// Attaches a program to a new cgroup.
macro_rules! in_cgroup {
    ($ebpf:ident, $name:literal) => {{
        let cgroup = Cgroup::new().unwrap();
        let program = $ebpf.program_mut($name).unwrap();
        supported!(program.load());
        let options = AttachOptions::new().cgroup(cgroup.path());
        supported!(program.attach_by_section(&options));
        cgroup
    }};
}

/// An option of a socket that is a number.
fn option(socket: &impl AsRawFd, level: i32, name: i32) -> Option<u32> {
    let (mut value, mut length) = (0_u32, 4);
    // SAFETY: the value has the length given.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw mut value).cast(),
            &raw mut length,
        )
    };
    (result == 0).then_some(value)
}

/// A UDP socket that shares its port, with nobody so far.
fn shared() -> UdpSocket {
    let on = 1_i32;
    let address = libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: 0,
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes([127, 0, 0, 1]),
        },
        sin_zero: [0; 8],
    };
    // SAFETY: the option and the address have the lengths given; the descriptor is new.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        let socket = UdpSocket::from_raw_fd(socket);
        let fd = socket.as_raw_fd();
        let (level, name) = (libc::SOL_SOCKET, libc::SO_REUSEPORT);
        let set = libc::setsockopt(fd, level, name, (&raw const on).cast(), 4);
        let length = size_of_val(&address) as u32;
        let bound = libc::bind(fd, (&raw const address).cast(), length);
        assert_eq!((set, bound), (0, 0));
        socket
    }
}

#[test]
fn sockets_that_are_made() {
    require_bpf!();
    let mut ebpf = load();
    let cgroup = in_cgroup!(ebpf, "cgroup_socket");
    cgroup.run(|| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(option(&socket, libc::SOL_SOCKET, libc::SO_MARK), Some(7));
        assert!(UdpSocket::bind("[::1]:0").is_err());
    });
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    assert_eq!(option(&socket, libc::SOL_SOCKET, libc::SO_MARK), Some(0));
}

#[test]
fn addresses_that_are_connected_to() {
    require_bpf!();
    let mut ebpf = load();
    let cgroup = in_cgroup!(ebpf, "cgroup_connect");
    let netns = Netns::new().unwrap();
    netns.run(|| {
        let _server = TcpListener::bind("127.0.0.1:80").unwrap();
        let client = cgroup.run(|| TcpStream::connect("192.0.2.1:80"));
        assert_eq!(
            client.unwrap().peer_addr().unwrap().ip().to_string(),
            "127.0.0.1"
        );
        assert!(cgroup.run(|| TcpStream::connect("192.0.2.1:81")).is_err());
        assert!(TcpStream::connect("192.0.2.1:80").is_err());
    });
}

/// Attaches those programs of `addresses` whose names end so to a new cgroup, lets `act` do
/// something there, in a network of its own, and gives the families of the sockets that they saw
/// from `first` on.
macro_rules! families_seen {
    ($suffix:literal, $first:literal, $count:literal, $act:expr) => {{
        let mut ebpf = Ebpf::load_file(fixture("addresses")).unwrap();
        let cgroup = Cgroup::new().unwrap();
        let options = AttachOptions::new().cgroup(cgroup.path());
        for (name, program) in ebpf.programs_mut() {
            if name.ends_with($suffix) {
                supported!(program.load());
                supported!(program.attach_by_section(&options));
            }
        }
        Netns::new().unwrap().run(|| cgroup.run($act));
        let map = Array::<_, u32>::try_from(ebpf.map("FAMILIES").unwrap()).unwrap();
        let families: [u32; $count] = std::array::from_fn(|at| {
            let number = u32::try_from(at).unwrap();
            map.get(&($first + number), 0).unwrap()
        });
        families
    }};
}

/// Binds, connects, sends and receives at an address of this machine, and asks for both ends'
/// names.
fn converse(ip: &str) {
    let server = TcpListener::bind((ip, 0)).unwrap();
    let client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    assert_eq!(client.peer_addr().unwrap(), server.local_addr().unwrap());
    let socket = UdpSocket::bind((ip, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    socket.send_to(b"x", address).unwrap();
    assert_eq!(socket.recv_from(&mut [0; 1]).unwrap().1, address);
}

#[test]
fn every_call_with_an_address_of_ipv4() {
    require_bpf!();
    let seen = families_seen!("_4", 0, 6, || converse("127.0.0.1"));
    assert_eq!(seen, [libc::AF_INET as u32; 6]);
}

#[test]
fn every_call_with_an_address_of_ipv6() {
    require_bpf!();
    let seen = families_seen!("_6", 6, 6, || converse("::1"));
    assert_eq!(seen, [libc::AF_INET6 as u32; 6]);
}

#[test]
fn every_call_with_a_path_as_address() {
    require_bpf!();
    let directory = TempDir::new().unwrap();
    let (stream, datagram) = (directory.join("stream"), directory.join("datagram"));
    let seen = families_seen!("_local", 12, 5, || {
        // The other end has no name that could be looked at.
        let server = UnixListener::bind(&stream).unwrap();
        server.local_addr().unwrap();
        let client = UnixStream::connect(&stream).unwrap();
        client.peer_addr().unwrap();
        let socket = UnixDatagram::bind(&datagram).unwrap();
        socket.send_to(b"x", &datagram).unwrap();
        socket.recv_from(&mut [0; 1]).unwrap();
    });
    assert_eq!(seen, [libc::AF_UNIX as u32; 5]);
}

#[test]
fn options_that_are_asked_for() {
    require_bpf!();
    let mut ebpf = load();
    let cgroup = in_cgroup!(ebpf, "cgroup_option");
    let bind = || UdpSocket::bind("127.0.0.1:0").unwrap();
    assert_eq!(option(&bind(), 0xdead, 1), None);
    assert_eq!(option(&cgroup.run(bind), 0xdead, 1), Some(5));
}

#[test]
fn settings_and_devices_that_are_opened() {
    require_bpf!();
    const SETTING: &str = "net/ipv4/ip_forward";
    let path = format!("/proc/sys/{SETTING}");
    let mut ebpf = load();
    let cgroup = in_cgroup!(ebpf, "cgroup_sysctl_access");
    let netns = Netns::new().unwrap();
    let result = netns.run(|| {
        let value = cgroup.run(|| fs::read(&path)).unwrap();
        // There was no room for its name: `-E2BIG`.
        assert_eq!(seen(&ebpf, 4), -7_i64 as u64);
        let mut map = Array::<_, u64>::try_from(ebpf.map_mut("SEEN").unwrap()).unwrap();
        map.set(7, 32, 0).unwrap();
        cgroup.run(|| fs::write(&path, &value))
    });
    assert_eq!(result.unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert_eq!(seen(&ebpf, 4), SETTING.len() as u64);
    let cgroup = in_cgroup!(ebpf, "cgroup_device_access");
    cgroup.run(|| {
        assert!(File::open("/dev/null").is_ok());
        let error = File::options().write(true).open("/dev/null").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    });
}

#[test]
fn connections_that_are_made() {
    require_bpf!();
    let mut ebpf = load();
    let cgroup = in_cgroup!(ebpf, "socket_events");
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = cgroup.run(|| TcpStream::connect(server.local_addr().unwrap()).unwrap());
    let port = client.local_addr().unwrap().port();
    assert_eq!(seen(&ebpf, 5), u64::from(port));
}

#[test]
fn packets_that_leave_a_cgroup() {
    require_bpf!();
    let mut ebpf = load();
    let cgroup = in_cgroup!(ebpf, "cgroup_packet");
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let client = cgroup.run(|| UdpSocket::bind("127.0.0.1:0").unwrap());
    client
        .send_to(b"hello", server.local_addr().unwrap())
        .unwrap();
    server.recv(&mut [0; 8]).unwrap();
    assert_ne!(seen(&ebpf, 3), 0, "the cgroup's number");
}

#[test]
fn packets_that_a_socket_gets() {
    require_bpf!();
    let mut ebpf = load();
    let netns = Netns::new().unwrap();
    netns.run(|| {
        let server = shared();
        let address = server.local_addr().unwrap();
        let patience = Some(Duration::from_millis(500));
        server.set_read_timeout(patience).unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let program: &mut SkReuseport = loaded!(ebpf, "reuseport");
        supported!(program.attach(server.as_fd()));
        // The program looks at the first byte behind the header.
        client.send_to(b"drop", address).unwrap();
        client.send_to(b"pass", address).unwrap();
        let mut text = [0; 4];
        server.recv(&mut text).unwrap();
        assert_eq!(&text, b"pass");
        // A filter looks from that header on: this one at the second byte of the text.
        let program: &mut SocketFilter = loaded!(ebpf, "filter");
        let link = program.attach(server.as_fd()).unwrap();
        client.send_to(b"it is not UDP's number", address).unwrap();
        assert!(server.recv(&mut text).is_err());
        client.send_to(b"\0\x11 but this one", address).unwrap();
        server.recv(&mut text).unwrap();
        let program: &mut SocketFilter = ebpf.program_mut("filter").unwrap().try_into().unwrap();
        program.detach(link).unwrap();
    });
}

#[test]
fn sockets_that_are_looked_for() {
    require_bpf!();
    let mut ebpf = load();
    let netns = Netns::new().unwrap();
    let program: &mut SkLookup = loaded!(ebpf, "lookup");
    supported!(program.attach(File::open(netns.path()).unwrap()));
    netns.run(|| {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        TcpStream::connect(server.local_addr().unwrap()).unwrap();
        let port = server.local_addr().unwrap().port();
        assert_eq!(seen(&ebpf, 7), u64::from(port));
    });
}

/// Two ends, of which the test's map has one.
fn connected() -> (TcpStream, TcpStream) {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    let (accepted, _) = server.accept().unwrap();
    let patience = Some(Duration::from_millis(500));
    accepted.set_read_timeout(patience).unwrap();
    (client, accepted)
}

fn put(ebpf: &mut Ebpf, socket: &impl AsRawFd) {
    let value = socket.as_raw_fd().to_ne_bytes();
    let map = ebpf.map_mut("SOCKETS").unwrap().data_mut();
    map.update_bytes(&[0; 4], &value, 0).unwrap();
}

#[test]
fn messages_of_sockets_in_a_map() {
    require_bpf!();
    let mut ebpf = load();
    let map = ebpf.map("SOCKETS").unwrap().data().as_fd();
    let map = map.try_clone_to_owned().unwrap();
    let program: &mut SkMsg = loaded!(ebpf, "message");
    program.attach(&map).unwrap();
    let (mut client, mut server) = connected();
    put(&mut ebpf, &client);
    client.write_all(b"hello").unwrap();
    server.read_exact(&mut [0; 5]).unwrap();
    let error = client.write_all(b"drop this").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
}

#[test]
fn streams_of_sockets_in_a_map() {
    require_bpf!();
    let mut ebpf = load();
    let map = ebpf.map("SOCKETS").unwrap().data().as_fd();
    let map = map.try_clone_to_owned().unwrap();
    let program: &mut SkSkb = loaded!(ebpf, "parser");
    program.attach(&map).unwrap();
    let program: &mut SkSkb = loaded!(ebpf, "verdict");
    program.attach(&map).unwrap();
    let (mut client, mut server) = connected();
    put(&mut ebpf, &server);
    client.write_all(b"hello").unwrap();
    let mut text = [0; 5];
    server.read_exact(&mut text).unwrap();
    assert_eq!(&text, b"xello", "what the program wrote");
}
