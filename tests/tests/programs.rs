//! The programs of `examples/programs`, one for each type: each sees something real that its test
//! does.

mod support;
#[cfg(target_arch = "x86_64")]
#[path = "support/usdt.rs"]
mod usdt;

use hachi::Ebpf;
use hachi::programs::TestRunOptions;
use hachi_test::{
    Bpffs, Cgroup, Netns, VethPair, in_guest, kernel_lacks_fprobe, require_bpf, require_kernel,
    skip,
};
use hachi_tests::{example, fixture, success};
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream, UdpSocket};
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
fn fsession() {
    require_bpf!();
    require_guest!();
    require_kernel!("7.0", "a program of this type");
    sees_getpgid("fsession", "getpgid gives 0 after ");
}

#[test]
fn kprobe_session() {
    require_bpf!();
    require_guest!();
    if kernel_lacks_fprobe() {
        skip!("this kernel was built without CONFIG_FPROBE");
    }
    require_kernel!("6.10", "a program of this type");
    sees_getpgid("kprobe_session", "getpgid gives 0 after ");
}

#[test]
fn ksyscall_and_kretsyscall() {
    require_bpf!();
    require_guest!();
    sees_getpgid("ksyscall", &format!("getpgid of {}", pid()));
    sees_getpgid("kretsyscall", "getpgid gives ");
}

#[test]
fn lsm_and_fmod_ret() {
    require_bpf!();
    require_guest!();
    for kind in ["lsm", "fmod_ret"] {
        let mut running = start(kind, &["--pid", &pid()]);
        assert!(!getpgid());
        running.wait_for(&format!("{kind}: getpgid of {} is forbidden", pid()));
        running.interrupt();
        assert!(getpgid());
    }
}

#[test]
fn raw_tracepoint_writable() {
    require_bpf!();
    let mut target = Ebpf::load_file(fixture("xdp")).unwrap();
    let (_, target) = target.programs_mut().next().unwrap();
    target.load().unwrap();
    let options = TestRunOptions::new().data(&[0; 64]);
    let mut running = start("raw_tracepoint_writable", &["--pid", &pid()]);
    let error = target.test_run(&options).unwrap_err().to_string();
    assert!(error.contains("os error 74"), "{error}");
    running.wait_for("raw_tracepoint_writable: 0 becomes -74");
    running.interrupt();
    target.test_run(&options).unwrap();
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
    require_kernel!("5.14", "a program of this type");
    let text = success(Command::new(program()).arg("syscall"));
    assert_eq!(text, "syscall: 2 and 3 are 5\n");
}

/// What the probes are at.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hachi_example_double(number: u64) -> u64 {
    std::hint::black_box(number) * 2
}

/// Starts a program at a place in this one.
#[track_caller]
fn start_here(kind: &str, place: &str) -> Running {
    let this = std::env::current_exe().unwrap();
    let this = this.to_str().unwrap();
    start(kind, &["--binary", this, "--place", place, "--pid", &pid()])
}

/// A program that sees a call.
#[track_caller]
fn sees_double(kind: &str, line: &str) {
    let mut running = start_here(kind, "hachi_example_double");
    assert_eq!(hachi_example_double(21), 42);
    running.wait_for(&format!("{kind}: {line}"));
    running.interrupt();
}

#[test]
fn uprobe_and_uretprobe() {
    require_bpf!();
    sees_double("uprobe", "called with 21");
    sees_double("uretprobe", "gives 42");
}

#[test]
fn uprobe_session() {
    require_bpf!();
    require_kernel!("6.13", "a program of this type");
    sees_double("uprobe_session", "called with 21, gives 42");
}

#[cfg(target_arch = "x86_64")]
#[test]
fn usdt() {
    require_bpf!();
    let mut running = start_here("usdt", "hachi:rust");
    usdt::probe(17, &[0; 2]);
    running.wait_for("usdt: 17");
    running.interrupt();
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

/// Runs the program of the type, in the namespace, until it is attached to the interface.
#[track_caller]
fn start_at(netns: &Netns, kind: &str, interface: &str) -> Running {
    let mut command = netns.command(program());
    command.args([kind, "--iface", interface]);
    Running::start(&mut command, "is attached")
}

/// Sends `hello` to port 7092 of the address: 33 bytes with the headers of IPv4 and UDP.
#[track_caller]
fn send(netns: &Netns, to: impl Into<IpAddr>) {
    let to = to.into();
    let any: IpAddr = match to {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let client = netns.run(|| UdpSocket::bind((any, 0))).unwrap();
    client.send_to(b"hello", (to, 7092)).unwrap();
}

/// Sends a datagram from left to right while the program watches on the right.
#[track_caller]
fn sees_a_datagram(kind: &str, line: &str) {
    let wire = VethPair::new().unwrap();
    let mut running = start_at(wire.right.netns(), kind, wire.right.interface());
    send(wire.left.netns(), wire.right.ipv4());
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
fn extension() {
    require_bpf!();
    require_guest!();
    sees_a_datagram("extension", "extension: 47 bytes dropped");
}

#[test]
fn netkit() {
    require_bpf!();
    require_guest!();
    require_kernel!("6.7", "a program of this type");
    let (host, container) = (Netns::new().unwrap(), Netns::new().unwrap());
    // The kernel calls the other end so.
    let (primary, peer) = ("primary0", "nk0");
    host.ip(["link", "add", primary, "type", "netkit"]).unwrap();
    let path = container.path().display().to_string();
    host.ip(["link", "set", peer, "netns", &path]).unwrap();
    container.ip(["link", "set", peer, "up"]).unwrap();
    let address = ["address", "add", "10.79.0.1/24", "dev", primary];
    host.ip(address).unwrap();
    host.ip(["link", "set", primary, "up"]).unwrap();
    let mut running = start_at(&host, "netkit", primary);
    send(&host, Ipv4Addr::new(10, 79, 0, 2));
    running.wait_for("netkit: 47 bytes");
    running.interrupt();
}

#[test]
fn flow_dissector() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    let mut command = wire.left.netns().command(program());
    let mut running = Running::start(command.arg("flow_dissector"), "is attached");
    // The kernel looks for the transport header of what is sent without a socket that knows it.
    let mut frame = [0; 47];
    frame[..6].copy_from_slice(&wire.right.mac());
    frame[6..12].copy_from_slice(&wire.left.mac());
    frame[12] = 0x08;
    frame[14] = 0x45;
    frame[17] = 33;
    frame[23] = libc::IPPROTO_UDP as u8;
    frame[26..30].copy_from_slice(&wire.left.ipv4().octets());
    frame[30..34].copy_from_slice(&wire.right.ipv4().octets());
    frame[36..38].copy_from_slice(&7092_u16.to_be_bytes());
    wire.left.send_frame(&frame).unwrap();
    running.wait_for("flow_dissector: a flow to port 7092");
    running.interrupt();
}

/// Pins the program of the type, in the namespace. Returns it and its pin.
#[track_caller]
fn start_pinned(netns: &Netns, kind: &str, bpffs: &Bpffs) -> (Running, String) {
    let pin = bpffs.join(kind).to_str().unwrap().to_owned();
    let mut command = netns.command(program());
    let running = Running::start(command.args([kind, "--pin", &pin]), "is pinned");
    (running, pin)
}

#[test]
fn action() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    let (host, bpffs) = (&wire.right, Bpffs::new().unwrap());
    let (mut running, pin) = start_pinned(host.netns(), "action", &bpffs);
    let at = ["dev", host.interface()];
    let tc = |arguments: &[&str]| {
        let mut tc = host.netns().command("tc");
        let output = tc.args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), said)
    };
    let (done, said) = tc(&["qdisc", "add", at[0], at[1], "clsact"]);
    assert!(done, "{said}");
    let filter = ["filter", "add", at[0], at[1], "ingress", "protocol", "ip"];
    let action = ["u32", "match", "u32", "0", "0", "action", "bpf"];
    let (done, said) = tc(&[&filter[..], &action, &["object-pinned", &pin]].concat());
    if said.contains("Failed to load TC action module") {
        skip!("this kernel was built without CONFIG_NET_ACT_BPF");
    }
    assert!(done, "{said}");
    send(wire.left.netns(), host.ipv4());
    running.wait_for("action: 47 bytes dropped");
    running.interrupt();
}

#[test]
fn lwt_out_and_lwt_xmit() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    let (host, bpffs) = (&wire.right, Bpffs::new().unwrap());
    let prefix = wire.left.ipv4().to_string();
    for kind in ["lwt_out", "lwt_xmit"] {
        let (mut running, pin) = start_pinned(host.netns(), kind, &bpffs);
        let way = kind.trim_start_matches("lwt_");
        let encap = ["encap", "bpf", way, "pinned", &pin];
        let route = ["route", "add", &prefix, "dev", host.interface()];
        host.netns()
            .ip([&route[..3], &encap, &route[3..]].concat())
            .unwrap();
        send(host.netns(), wire.left.ipv4());
        running.wait_for(&format!("{kind}: 33 bytes"));
        running.interrupt();
        host.netns().ip(["route", "del", &prefix]).unwrap();
    }
}

#[test]
fn lwt_in() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    let (host, bpffs) = (&wire.right, Bpffs::new().unwrap());
    let (mut running, pin) = start_pinned(host.netns(), "lwt_in", &bpffs);
    // A second address of the host, of which only this route tells.
    let address = Ipv4Addr::new(10, 78, 0, 1);
    let prefix = address.to_string();
    let encap = ["encap", "bpf", "in", "pinned", &pin];
    let route = ["route", "add", "local", &prefix, "table", "local"];
    let device = ["dev", host.interface()];
    host.netns()
        .ip([&route[..], &encap, &device].concat())
        .unwrap();
    let via = wire.right.ipv4().to_string();
    wire.left
        .netns()
        .ip(["route", "add", &prefix, "via", &via])
        .unwrap();
    send(wire.left.netns(), address);
    running.wait_for("lwt_in: 33 bytes");
    running.interrupt();
}

#[test]
fn lwt_seg6local() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    let (left, right, bpffs) = (&wire.left, &wire.right, Bpffs::new().unwrap());
    right.netns().run(|| {
        for interface in ["all", right.interface()] {
            let directory = format!("/proc/sys/net/ipv6/conf/{interface}");
            std::fs::write(format!("{directory}/seg6_enabled"), "1").unwrap();
            std::fs::write(format!("{directory}/forwarding"), "1").unwrap();
        }
    });
    let (mut running, pin) = start_pinned(right.netns(), "lwt_seg6local", &bpffs);
    // The first segment ends where the program is; the second is the destination.
    let first = ["-6", "route", "add", "fd78::1/128"];
    let encap = [
        "encap",
        "seg6local",
        "action",
        "End.BPF",
        "endpoint",
        "pinned",
        &pin,
    ];
    let device = ["dev", right.interface()];
    right
        .netns()
        .ip([&first[..], &encap, &device].concat())
        .unwrap();
    let via = right.ipv6().to_string();
    left.netns()
        .ip([&first[..], &["via", &via]].concat())
        .unwrap();
    let target = [
        "-6",
        "route",
        "add",
        "fd79::1/128",
        "encap",
        "seg6",
        "mode",
        "encap",
    ];
    let segments = ["segs", "fd78::1,fd78::2", "dev", left.interface()];
    left.netns().ip([&target[..], &segments].concat()).unwrap();
    send(left.netns(), "fd79::1".parse::<Ipv6Addr>().unwrap());
    running.wait_for("lwt_seg6local: 0 more segments");
    running.interrupt();
}

#[test]
fn netfilter() {
    require_bpf!();
    require_kernel!("6.4", "a program of this type");
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
    require_kernel!("6.0", "a program of this type");
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
