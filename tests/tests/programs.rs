//! The programs of `examples/programs`, one for each type: each sees something real that its test does.

mod support;

use hachi_test::{Cgroup, Netns, VethPair, in_guest, require_bpf, skip};
use hachi_tests::{example, success};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::process::Command;
use std::time::Duration;
use support::running::Running;

fn program() -> std::path::PathBuf {
    example("programs", "programs")
}

/// Runs the program of the type, in this process's namespaces, until it is attached.
#[track_caller]
fn start(kind: &str, options: &[&str]) -> Running {
    Running::start(
        Command::new(program()).arg(kind).args(options),
        "is attached",
    )
}

fn pid() -> String {
    std::process::id().to_string()
}

/// What the machine that the tests run on may refuse or lack, guests do.
macro_rules! require_guest {
    () => {
        if !in_guest() {
            skip!("it is tested in guests, whose kernels have all types");
        }
    };
}

/// Asks for a process group; whether the kernel tells it.
fn getpgid() -> bool {
    // SAFETY: numbers only.
    unsafe { libc::getpgid(std::process::id() as i32) >= 0 }
}

/// A program that sees `getpgid`, and leaves it as it is.
#[track_caller]
fn sees_getpgid(kind: &str, line: &str) {
    let mut running = start(kind, &["--pid", &pid()]);
    assert!(getpgid());
    running.wait_for(&format!("{kind}: {line}"));
    running.interrupt();
}

#[test]
fn tracepoint() {
    require_bpf!();
    sees_getpgid("tracepoint", &format!("getpgid of {}", pid()));
}

#[test]
fn raw_tracepoint_and_btf_tracepoint() {
    require_bpf!();
    for kind in ["raw_tracepoint", "btf_tracepoint"] {
        let mut running = start(kind, &["--pid", &pid()]);
        let thread = std::thread::Builder::new().name("bee".to_owned());
        thread.spawn(|| ()).unwrap().join().unwrap();
        running.wait_for(&format!("{kind}: a name for a thread of {}", pid()));
        running.interrupt();
    }
}

#[test]
fn fentry_and_fexit() {
    require_bpf!();
    require_guest!();
    sees_getpgid("fentry", &format!("getpgid of {}", pid()));
    sees_getpgid("fexit", &format!("getpgid of {} gives 0", pid()));
}

#[test]
fn kprobe_and_kretprobe() {
    require_bpf!();
    require_guest!();
    sees_getpgid("kprobe", &format!("getpgid of {}", pid()));
    sees_getpgid("kretprobe", "getpgid gives 0");
}

#[test]
fn lsm() {
    require_bpf!();
    require_guest!();
    let mut running = start("lsm", &["--pid", &pid()]);
    assert!(!getpgid());
    running.wait_for(&format!("lsm: getpgid of {} is forbidden", pid()));
    running.interrupt();
    assert!(getpgid());
}

#[test]
fn iter() {
    require_bpf!();
    let threads = success(Command::new(program()).arg("iter"));
    let this = format!("{0} {0}", pid());
    assert!(threads.lines().any(|line| line == this), "{threads}");
}

#[test]
fn syscall() {
    require_bpf!();
    hachi_test::require_kernel!("5.14", "a program of this type");
    let text = success(Command::new(program()).arg("syscall"));
    assert_eq!(text, "syscall: 2 and 3 are 5\n");
}

/// What the probes are at.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hachi_example_double(number: u64) -> u64 {
    std::hint::black_box(number) * 2
}

#[test]
fn uprobe_and_uretprobe() {
    require_bpf!();
    let this = std::env::current_exe().unwrap();
    let this = this.to_str().unwrap();
    let place = [
        "--binary",
        this,
        "--place",
        "hachi_example_double",
        "--pid",
        &pid(),
    ];
    for (kind, line) in [
        ("uprobe", "uprobe: called with 21"),
        ("uretprobe", "uretprobe: gives 42"),
    ] {
        let mut running = start(kind, &place);
        assert_eq!(hachi_example_double(21), 42);
        running.wait_for(line);
        running.interrupt();
    }
}

#[test]
fn perf_event() {
    require_bpf!();
    // The event counts in one thread, and tests run in threads that are not the process's first.
    // SAFETY: no arguments.
    let thread = unsafe { libc::gettid() }.to_string();
    let mut running = start("perf_event", &["--pid", &thread]);
    let end = std::time::Instant::now() + Duration::from_millis(200);
    while std::time::Instant::now() < end {}
    running.wait_for("perf_event: at 0x");
    running.interrupt();
}

/// Sends a datagram from left to right while the program watches on the right.
#[track_caller]
fn sees_a_datagram(kind: &str, line: &str) {
    let wire = VethPair::new().unwrap();
    let mut command = wire.right.netns().command(program());
    command.args([kind, "--iface", wire.right.interface()]);
    let mut running = Running::start(&mut command, "is attached");
    let client = wire
        .left
        .netns()
        .run(|| UdpSocket::bind((wire.left.ipv4(), 0)))
        .unwrap();
    client.send_to(b"hello", (wire.right.ipv4(), 7092)).unwrap();
    running.wait_for(line);
    running.interrupt();
}

#[test]
fn xdp() {
    require_bpf!();
    sees_a_datagram("xdp", "xdp: 47 bytes to port 7092");
}

#[test]
fn classifier() {
    require_bpf!();
    sees_a_datagram("classifier", "classifier: 47 bytes to port 7092");
}

#[test]
fn netfilter() {
    require_bpf!();
    hachi_test::require_kernel!("6.4", "a program of this type");
    sees_a_datagram("netfilter", "netfilter: a datagram to port 7092");
}

/// Does something in a cgroup while the program watches it.
#[track_caller]
fn sees_a_cgroup(kind: &str, line: &str, work: impl FnOnce() + Send) {
    let cgroup = Cgroup::new().unwrap();
    let mut running = start(kind, &["--cgroup", cgroup.path().to_str().unwrap()]);
    cgroup.run(work);
    running.wait_for(line);
    running.interrupt();
}

fn send_datagram() {
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.send_to(b"hello", "127.0.0.1:7093").unwrap();
}

#[test]
fn cgroup_skb() {
    require_bpf!();
    sees_a_cgroup("cgroup_skb", "cgroup_skb: 33 bytes", send_datagram);
}

#[test]
fn cgroup_sock() {
    require_bpf!();
    let line = "cgroup_sock: family 2 protocol 17";
    sees_a_cgroup("cgroup_sock", line, send_datagram);
}

#[test]
fn cgroup_sock_addr() {
    require_bpf!();
    let line = "cgroup_sock_addr: to 127.0.0.1 port 7090";
    sees_a_cgroup("cgroup_sock_addr", line, || {
        let error = TcpStream::connect("127.0.0.1:7090").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EPERM));
    });
}

#[test]
fn cgroup_sockopt() {
    require_bpf!();
    let line = format!(
        "cgroup_sockopt: level {} option {}",
        libc::IPPROTO_IP,
        libc::IP_TTL
    );
    sees_a_cgroup("cgroup_sockopt", &line, || {
        UdpSocket::bind("127.0.0.1:0").unwrap().ttl().unwrap();
    });
}

#[test]
fn cgroup_sysctl() {
    require_bpf!();
    let file = "/proc/sys/kernel/pid_max";
    let value = std::fs::read_to_string(file).unwrap();
    let line = format!("cgroup_sysctl: write 0 value {}", value.trim());
    sees_a_cgroup("cgroup_sysctl", &line, || {
        drop(std::fs::read(file).unwrap())
    });
}

#[test]
fn cgroup_device() {
    require_bpf!();
    sees_a_cgroup("cgroup_device", "cgroup_device: 1:3", || {
        std::fs::File::open("/dev/null").unwrap();
    });
}

#[test]
fn sock_ops() {
    require_bpf!();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let line = format!("sock_ops: established with port {}", address.port());
    sees_a_cgroup("sock_ops", &line, || {
        drop(TcpStream::connect(address).unwrap())
    });
}

/// Runs it in a network namespace of its own.
#[track_caller]
fn start_in(netns: &Netns, kind: &str) -> Running {
    let mut command = netns.command(program());
    Running::start(command.args([kind, "--port", "7094"]), "is attached")
}

#[test]
fn sk_lookup() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let mut running = start_in(&netns, "sk_lookup");
    netns.run(|| {
        let _server = TcpListener::bind("127.0.0.1:7091").unwrap();
        let error = TcpStream::connect("127.0.0.1:7091").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ECONNREFUSED));
    });
    running.wait_for("sk_lookup: port 7091");
    running.interrupt();
}

#[test]
fn socket_filter_and_sk_reuseport() {
    require_bpf!();
    for kind in ["socket_filter", "sk_reuseport"] {
        let netns = Netns::new().unwrap();
        let mut running = start_in(&netns, kind);
        let client = netns
            .run(|| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)))
            .unwrap();
        for text in ["xyz", "hello"] {
            client.send_to(text.as_bytes(), "127.0.0.1:7094").unwrap();
        }
        running.wait_for("received: hello");
        running.wait_for(&format!("{kind}: the first byte is {}", b'x'));
        let text = running.interrupt();
        assert!(!text.contains("received: x"), "{text}");
    }
}

#[test]
fn sk_msg_and_sk_skb() {
    require_bpf!();
    for kind in ["sk_msg", "sk_skb"] {
        let netns = Netns::new().unwrap();
        let mut running = start_in(&netns, kind);
        let mut client = netns.run(|| TcpStream::connect("127.0.0.1:7094")).unwrap();
        client
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        // The socket is watched a moment after the connection is there.
        std::thread::sleep(Duration::from_millis(300));
        client.write_all(b"hello").unwrap();
        let mut answer = [0; 5];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"hello");
        running.wait_for(&format!("{kind}: 5 bytes"));
        running.interrupt();
    }
}

#[test]
fn lsm_cgroup() {
    require_bpf!();
    require_guest!();
    hachi_test::require_kernel!("6.0", "a program of this type");
    let line = format!("lsm_cgroup: a socket of family {}", libc::AF_PACKET);
    sees_a_cgroup("lsm_cgroup", &line, || {
        // SAFETY: numbers only.
        let socket = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW, 0) };
        assert_eq!(socket, -1);
        assert_eq!(
            std::io::Error::last_os_error().raw_os_error(),
            Some(libc::EPERM)
        );
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(client.as_raw_fd() >= 0);
    });
}
