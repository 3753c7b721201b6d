//! What programs are attached to, and what makes them run.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::{
        fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr as UnixAddress, UnixDatagram, UnixListener, UnixStream},
    },
    time::{Duration, Instant},
};

use hachi_test::{Cgroup, EchoServer, Netns, VethPair};

/// Why a program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A packet arrives by the cable, and one goes back.
    Packet,
    /// The same, by a netkit pair.
    NetkitPacket,
    /// A datagram arrives at the socket.
    Datagram,
    /// Members of the cgroup use sockets of IPv4 and IPv6 in all ways.
    Sockets,
    /// They use sockets of the file system's names.
    UnixSockets,
    /// They read a setting of the kernel and a device.
    Files,
    /// This process calls the function that is watched, and the kernel.
    Call,
    /// Time passes while this thread works.
    Time,
    /// Somebody reads from the link.
    Reader,
    /// Something is sent over the connection whose ends are in the map.
    Stream,
    /// The other program runs.
    Target,
    /// It is run once, though it is attached.
    Itself,
}

/// The name of the primary end of the netkit pair, which is in the other namespace.
pub const NETKIT: &str = "primary0";

const NETKIT_HERE: Ipv4Addr = Ipv4Addr::new(10, 79, 0, 1);
const NETKIT_THERE: Ipv4Addr = Ipv4Addr::new(10, 79, 0, 2);

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_millis(1000);

/// Two hosts with a cable between them, a cgroup, a socket, a connection.
pub struct Surroundings {
    pub wire: VethPair,
    pub cgroup: Cgroup,
    pub socket: UdpSocket,
    /// Both ends of a connection.
    pub stream: (TcpStream, TcpStream),
    server: EchoServer,
    netkit: Result<Netkit, String>,
}

/// A pair of interfaces that run programs for what they send.
struct Netkit {
    container: Netns,
    server: EchoServer,
}

impl Surroundings {
    /// Makes them. What tries programs runs in the namespace of the wire's right end.
    pub fn new(wire: VethPair) -> io::Result<Self> {
        let host = wire.right.netns();
        let address = SocketAddr::from((wire.right.ipv4(), 7000));
        let server = EchoServer::udp(host, address).map_err(io::Error::other)?;
        let netkit = Netkit::new(host).map_err(|error| error.to_string());
        Ok(Surroundings {
            cgroup: Cgroup::new().map_err(io::Error::other)?,
            socket: shared_socket(wire.right.ipv4())?,
            stream: connection()?,
            server,
            netkit,
            wire,
        })
    }

    /// Whether this kernel has netkit.
    pub fn netkit(&self) -> Result<(), String> {
        self.netkit.as_ref().map(drop).map_err(Clone::clone)
    }

    /// A new connection in the place of the old one.
    pub fn renew_stream(&mut self) -> io::Result<()> {
        self.stream = connection()?;
        Ok(())
    }

    /// Makes it happen, except [`Cause::Reader`], [`Cause::Target`] and [`Cause::Itself`], which
    /// are up to who attached.
    pub fn cause(&mut self, cause: Cause) -> io::Result<()> {
        match cause {
            Cause::Packet => {
                // Whether there is an answer is up to the program.
                let _ = hachi_test::udp_request(
                    self.wire.left.netns(),
                    self.server.address(),
                    b"hello",
                    PATIENCE,
                );
                Ok(())
            }
            Cause::NetkitPacket => {
                if let Ok(netkit) = &self.netkit {
                    let server = netkit.server.address();
                    let host = self.wire.right.netns();
                    let _ = hachi_test::udp_request(host, server, b"hello", PATIENCE);
                    let _ = &netkit.container;
                }
                Ok(())
            }
            Cause::Datagram => self.datagram(),
            Cause::Sockets => self.cgroup.run(sockets),
            Cause::UnixSockets => self.cgroup.run(unix_sockets),
            Cause::Files => self.cgroup.run(|| {
                std::fs::read_to_string("/proc/sys/kernel/ostype")?;
                File::open("/dev/zero")?.read_exact(&mut [0])
            }),
            Cause::Call => {
                std::hint::black_box(prober_called)(7);
                passes_probe();
                // SAFETY: numbers only.
                unsafe { libc::getpgid(0) };
                File::open("/dev/null").map(drop)
            }
            Cause::Time => {
                let end = Instant::now() + Duration::from_millis(300);
                while Instant::now() < end {
                    std::hint::black_box(0);
                }
                Ok(())
            }
            Cause::Stream => {
                let (near, far) = &mut self.stream;
                near.write_all(b"hello")?;
                far.read_exact(&mut [0; 5])
            }
            Cause::Reader | Cause::Target | Cause::Itself => Ok(()),
        }
    }

    fn datagram(&self) -> io::Result<()> {
        let to = self.socket.local_addr()?;
        let sent: io::Result<usize> = self
            .wire
            .left
            .netns()
            .run(|| UdpSocket::bind("0.0.0.0:0")?.send_to(b"hello", to));
        sent?;
        self.socket.recv(&mut [0; 16]).map(drop)
    }
}

impl Netkit {
    fn new(host: &Netns) -> hachi_test::Result<Self> {
        let container = Netns::new()?;
        host.ip(["link", "add", NETKIT, "type", "netkit"])?;
        let path = container.path().display().to_string();
        host.ip(["link", "set", "nk0", "netns", &path])?;
        for (netns, interface, address) in [
            (host, NETKIT, NETKIT_HERE),
            (&container, "nk0", NETKIT_THERE),
        ] {
            let address = format!("{address}/24");
            netns.ip(["address", "add", &address, "dev", interface])?;
            netns.ip(["link", "set", interface, "up"])?;
        }
        let server = EchoServer::udp(&container, (NETKIT_THERE, 7000).into())?;
        Ok(Netkit { container, server })
    }
}

/// What the probes of user space watch.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn prober_called(number: u64) -> u64 {
    std::hint::black_box(number) + 1
}

#[inline(never)]
fn passes_probe() {
    // SAFETY: a nop and a note.
    unsafe {
        hachi_test::usdt_probe!("prober", "passed", "0", "8@%rdi", in("rdi") 7_u64);
    }
}

/// Sets an option of a socket to 1.
fn switch_on(socket: BorrowedFd<'_>, level: i32, option: i32) -> io::Result<()> {
    let one = 1_i32;
    // SAFETY: the option is a number of 4 bytes.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const one).cast(),
            size_of::<i32>() as u32,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A socket for datagrams that others may share the address of.
fn shared_socket(address: Ipv4Addr) -> io::Result<UdpSocket> {
    // SAFETY: numbers only; the descriptor is nobody else's.
    let socket = unsafe {
        let fd = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        OwnedFd::from_raw_fd(fd)
    };
    switch_on(socket.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEPORT)?;
    let address = libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: 7001_u16.to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes(address.octets()),
        },
        sin_zero: [0; 8],
    };
    // SAFETY: the address has the length given.
    let bound = unsafe {
        libc::bind(
            socket.as_raw_fd(),
            (&raw const address).cast(),
            size_of_val(&address) as u32,
        )
    };
    if bound != 0 {
        return Err(io::Error::last_os_error());
    }
    let socket = UdpSocket::from(socket);
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

fn connection() -> io::Result<(TcpStream, TcpStream)> {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let near = TcpStream::connect(server.local_addr()?)?;
    let (far, _) = server.accept()?;
    for end in [&near, &far] {
        end.set_read_timeout(Some(PATIENCE))?;
        end.set_nodelay(true)?;
    }
    Ok((near, far))
}

/// Uses sockets in all ways that programs of cgroups see.
fn sockets() -> io::Result<()> {
    for address in [
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        SocketAddr::from((Ipv6Addr::LOCALHOST, 0)),
    ] {
        let server = TcpListener::bind(address)?;
        let client = TcpStream::connect(server.local_addr()?)?;
        let (accepted, _) = server.accept()?;
        client.set_nodelay(true)?;
        client.nodelay()?;
        client.peer_addr()?;
        client.local_addr()?;
        drop((client, accepted, server));
        let receiver = UdpSocket::bind(address)?;
        receiver.set_read_timeout(Some(PATIENCE))?;
        let sender = UdpSocket::bind(address)?;
        sender.send_to(b"hello", receiver.local_addr()?)?;
        receiver.recv_from(&mut [0; 16])?;
    }
    Ok(())
}

fn unix_sockets() -> io::Result<()> {
    let name = format!("hachi-prober-{}", std::process::id());
    let stream = UnixAddress::from_abstract_name(format!("{name}-stream"))?;
    let server = UnixListener::bind_addr(&stream)?;
    let client = UnixStream::connect_addr(&stream)?;
    let (accepted, _) = server.accept()?;
    client.peer_addr()?;
    server.local_addr()?;
    drop((client, accepted));
    let one = UnixAddress::from_abstract_name(format!("{name}-one"))?;
    let other = UnixAddress::from_abstract_name(format!("{name}-other"))?;
    let receiver = UnixDatagram::bind_addr(&one)?;
    receiver.set_read_timeout(Some(PATIENCE))?;
    UnixDatagram::bind_addr(&other)?.send_to_addr(b"hello", &one)?;
    receiver.recv_from(&mut [0; 16]).map(drop)
}

/// Has a connection use a congestion control.
pub fn connect_with(control: &str) -> io::Result<()> {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut near = TcpStream::connect(server.local_addr()?)?;
    // SAFETY: the name has the length given.
    let chosen = unsafe {
        libc::setsockopt(
            near.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_CONGESTION,
            control.as_ptr().cast(),
            control.len() as u32,
        )
    };
    if chosen != 0 {
        return Err(io::Error::last_os_error());
    }
    let (mut far, _) = server.accept()?;
    near.write_all(b"hello")?;
    far.read_exact(&mut [0; 5])
}
