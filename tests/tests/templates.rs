//! What `hachi new` makes: each kind of project builds without a warning, its own tests pass, and
//! its program sees something real that its test here does.
//!
//! All are ignored unless asked for, since each builds a project: the step `templates` of
//! `cargo xtask test` runs some, with `--all` all of them, here and in a guest.

mod support;
#[cfg(target_arch = "x86_64")]
#[path = "support/usdt.rs"]
mod usdt;

use hachi_test::{
    Cgroup, Netns, TempDir, VethPair, in_guest, kernel_lacks_fprobe, require_bpf, require_host,
    require_kernel, skip,
};
use hachi_tests::{
    TEMPLATES_FOR_GUESTS, failure, hachi, new_project, success, template, template_cargo,
};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use support::running::Running;

/// Builds the kind's project as its author would, with every warning an error, and runs its tests.
/// In a guest, which has no compiler, it was built before.
#[track_caller]
fn builds(kind: &str) {
    if in_guest() {
        return;
    }
    let project = new_project(kind);
    let run = |arguments: &[&str]| success(template_cargo(&project).args(arguments));
    run(&["fmt", "--all", "--check"]);
    run(&["build", "--quiet", "--workspace"]);
    let warnings = ["--", "-D", "warnings"];
    run(&[
        &["clippy", "--quiet", "--workspace", "--all-targets"][..],
        &warnings,
    ]
    .concat());
    let tests = run(&["test", "--workspace"]);
    // The eBPF side's, and the user side's.
    let passed = tests.matches(" ... ok").count();
    assert!(passed >= 2, "{tests}");
    explains_itself(kind);
}

/// `--help` names each option; what is not one is an error.
#[track_caller]
fn explains_itself(kind: &str) {
    let help = success(Command::new(template(kind)).arg("--help"));
    assert!(help.contains("Usage:") && help.contains("--help"), "{help}");
    let text = failure(Command::new(template(kind)).arg("--sideways"), 1);
    assert!(
        text.contains("--sideways") && text.contains("--help"),
        "{text}"
    );
}

/// Runs the kind's program until it is attached.
#[track_caller]
fn start(kind: &str, options: &[&str]) -> Running {
    Running::start(
        Command::new(template(kind)).args(options),
        "attached; Ctrl-C detaches",
    )
}

fn pid() -> String {
    std::process::id().to_string()
}

/// What the machine that the tests run on may refuse or lack, guests do.
macro_rules! require_guest {
    ($kind:literal) => {
        assert!(TEMPLATES_FOR_GUESTS.contains(&$kind));
        require_bpf!();
        if !in_guest() {
            skip!("it is tested in guests, whose kernels have all types");
        }
    };
}

/// A kind whose program logs `line` when a directory is removed.
#[track_caller]
fn sees_a_directory_removed(kind: &str, line: &str) {
    let directory = TempDir::new().unwrap();
    let removed = directory.join("removed");
    fs::create_dir(&removed).unwrap();
    let mut running = start(kind, &["--pid", &pid()]);
    fs::remove_dir(&removed).unwrap();
    running.wait_for_line(&[line, &pid()]);
    running.interrupt();
}

/// A kind whose program logs `line` when a process starts another program.
#[track_caller]
fn sees_a_program_start(kind: &str, line: &str) {
    let mut running = start(kind, &[]);
    assert!(Command::new("/bin/true").status().unwrap().success());
    running.wait_for_line(&[line]);
    running.interrupt();
}

/// A kind whose program logs `line` of a datagram of 5 bytes from left to right.
#[track_caller]
fn sees_a_datagram(kind: &str, line: &str) {
    let wire = VethPair::new().unwrap();
    let mut command = wire.right.netns().command(template(kind));
    command.args(["--iface", wire.right.interface()]);
    let mut running = Running::start(&mut command, "attached; Ctrl-C detaches");
    let client = wire.left.netns().run(|| UdpSocket::bind("0.0.0.0:0"));
    let to = (wire.right.ipv4(), 7092);
    client.unwrap().send_to(b"hello", to).unwrap();
    running.wait_for(line);
    running.interrupt();
}

/// A kind whose program logs `line` of what is done in a cgroup.
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

/// What the probes are at.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hachi_template_double(number: u64) -> u64 {
    std::hint::black_box(number) * 2
}

/// A kind whose program prints `words` of a call in this program.
#[track_caller]
fn sees_double(kind: &str, words: &[&str]) {
    let this = std::env::current_exe().unwrap();
    let place = ["--function", "hachi_template_double", "--pid", &pid()];
    let mut running = start(
        kind,
        &[&["--binary", this.to_str().unwrap()], &place[..]].concat(),
    );
    assert_eq!(hachi_template_double(21), 42);
    running.wait_for_line(words);
    running.interrupt();
}

macro_rules! kinds {
    ($($(#[$meta:meta])* $kind:ident $body:block)*) => { $(
        #[test]
        #[ignore = "it builds a project: the step `templates` runs it"]
        $(#[$meta])*
        fn $kind() {
            if in_guest() && !TEMPLATES_FOR_GUESTS.contains(&stringify!($kind)) {
                skip!("it runs on the machine that builds it");
            }
            builds(stringify!($kind));
            $body
        }
    )* };
}

kinds! {
    xdp {
        require_bpf!();
        let wire = VethPair::new().unwrap();
        let mut command = wire.right.netns().command(template("xdp"));
        let blocked = wire.left.ipv4().to_string();
        command.args(["--iface", wire.right.interface(), "--block", &blocked]);
        let mut running = Running::start(&mut command, "attached; Ctrl-C detaches");
        let client = wire.left.netns().run(|| UdpSocket::bind("0.0.0.0:0"));
        client.unwrap().send_to(b"hello", (wire.right.ipv4(), 7092)).unwrap();
        running.wait_for(&format!("dropped 47 bytes from {blocked}"));
        let text = running.interrupt();
        assert!(text.contains("dropped: 1 packets, 47 bytes"), "{text}");
    }
    classifier {
        require_bpf!();
        sees_a_datagram("classifier", "47 bytes to 10.");
    }
    tcx {
        require_bpf!();
        require_kernel!("6.6", "a place among the programs of an interface");
        sees_a_datagram("tcx", "47 bytes to 10.");
    }
    netkit {
        require_guest!("netkit");
        require_kernel!("6.7", "a program of this type");
        let (host, container) = (Netns::new().unwrap(), Netns::new().unwrap());
        // The kernel calls the other end so.
        let (primary, peer) = ("primary0", "nk0");
        host.ip(["link", "add", primary, "type", "netkit"]).unwrap();
        let path = container.path().display().to_string();
        host.ip(["link", "set", peer, "netns", &path]).unwrap();
        container.ip(["link", "set", peer, "up"]).unwrap();
        host.ip(["address", "add", "10.79.0.1/24", "dev", primary]).unwrap();
        host.ip(["link", "set", primary, "up"]).unwrap();
        let mut command = host.command(template("netkit"));
        let command = command.args(["--iface", primary]);
        let mut running = Running::start(command, "attached; Ctrl-C detaches");
        let client = host.run(|| UdpSocket::bind("0.0.0.0:0")).unwrap();
        client.send_to(b"hello", (Ipv4Addr::new(10, 79, 0, 2), 7092)).unwrap();
        running.wait_for("47 bytes to 10.79.0.2");
        running.interrupt();
    }
    socket_filter {
        require_bpf!();
        let netns = Netns::new().unwrap();
        let mut command = netns.command(template("socket_filter"));
        let command = command.args(["--port", "7094"]);
        let mut running = Running::start(command, "attached; Ctrl-C detaches");
        let client = netns.run(|| UdpSocket::bind("127.0.0.1:0")).unwrap();
        for text in ["xyz", "hello"] {
            client.send_to(text.as_bytes(), "127.0.0.1:7094").unwrap();
        }
        running.wait_for("received: hello");
        running.wait_for(&format!("11 bytes, the first is {}", b'x'));
        let text = running.interrupt();
        assert!(!text.contains("received: x"), "{text}");
    }
    sk_msg {
        require_bpf!();
        let netns = Netns::new().unwrap();
        let mut command = netns.command(template("sk_msg"));
        let command = command.args(["--port", "7094"]);
        let mut running = Running::start(command, "attached; Ctrl-C detaches");
        let mut client = netns.run(|| TcpStream::connect("127.0.0.1:7094")).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        // The socket is in the map a moment after the connection is there.
        std::thread::sleep(Duration::from_millis(300));
        client.write_all(b"hello").unwrap();
        let mut answer = [0; 5];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"hello");
        running.wait_for(&format!("5 bytes, the first is {}", b'h'));
        running.interrupt();
    }
    sk_lookup {
        require_bpf!();
        let netns = Netns::new().unwrap();
        let mut command = netns.command(template("sk_lookup"));
        let command = command.args(["--refuse", "7091"]);
        let mut running = Running::start(command, "attached; Ctrl-C detaches");
        netns.run(|| {
            let _server = TcpListener::bind("127.0.0.1:7091").unwrap();
            let error = TcpStream::connect("127.0.0.1:7091").unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ECONNREFUSED));
        });
        running.wait_for("to port 7091");
        running.interrupt();
    }
    sock_ops {
        require_bpf!();
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let line = format!("connected to port {}", address.port());
        sees_a_cgroup("sock_ops", &line, || drop(TcpStream::connect(address).unwrap()));
    }
    cgroup_skb {
        require_bpf!();
        sees_a_cgroup("cgroup_skb", "33 bytes", send_datagram);
    }
    cgroup_sock {
        require_bpf!();
        sees_a_cgroup("cgroup_sock", "family 2 type 3", || {
            // SAFETY: numbers only.
            let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP) };
            let error = std::io::Error::last_os_error();
            assert_eq!((socket, error.raw_os_error()), (-1, Some(libc::EPERM)));
            send_datagram();
        });
    }
    cgroup_sock_addr {
        require_bpf!();
        sees_a_cgroup("cgroup_sock_addr", "to 127.0.0.1 port 7090", || {
            let error = TcpStream::connect("127.0.0.1:7090").unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EPERM));
        });
    }
    cgroup_sockopt {
        require_bpf!();
        let line = format!("level {} option {}", libc::IPPROTO_IP, libc::IP_TTL);
        sees_a_cgroup("cgroup_sockopt", &line, || {
            UdpSocket::bind("127.0.0.1:0").unwrap().ttl().unwrap();
        });
    }
    cgroup_sysctl {
        require_bpf!();
        sees_a_cgroup("cgroup_sysctl", "a setting is not written", || {
            let file = "/proc/sys/kernel/pid_max";
            let value = fs::read(file).unwrap();
            let error = fs::write(file, value).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EPERM));
        });
    }
    kprobe {
        require_guest!("kprobe");
        sees_a_directory_removed("kprobe", "vfs_rmdir(0x");
    }
    kretprobe {
        require_guest!("kretprobe");
        sees_a_directory_removed("kretprobe", "vfs_rmdir gives 0");
    }
    kprobe_multi {
        require_guest!("kprobe_multi");
        if kernel_lacks_fprobe() {
            skip!("this kernel was built without CONFIG_FPROBE");
        }
        require_kernel!("5.18", "a program of this type");
        sees_a_directory_removed("kprobe_multi", "function at 0x");
    }
    fentry {
        require_guest!("fentry");
        sees_a_directory_removed("fentry", "vfs_rmdir by process");
    }
    fexit {
        require_guest!("fexit");
        sees_a_directory_removed("fexit", "vfs_rmdir gives 0");
    }
    fsession {
        require_guest!("fsession");
        require_kernel!("7.0", "a program of this type");
        sees_a_directory_removed("fsession", "vfs_rmdir took process");
    }
    lsm {
        require_guest!("lsm");
        let directory = TempDir::new().unwrap();
        let kept = directory.join("kept");
        fs::create_dir(&kept).unwrap();
        let mut running = start("lsm", &["--pid", &pid()]);
        let error = fs::remove_dir(&kept).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EPERM));
        running.wait_for(&format!("inode_rmdir is forbidden to process {}", pid()));
        running.interrupt();
        fs::remove_dir(&kept).unwrap();
    }
    tracepoint {
        require_bpf!();
        sees_a_program_start("tracepoint", "sched_process_exec in process");
    }
    histogram {
        require_bpf!();
        let running = start("histogram", &["--pid", &pid()]);
        let mut bytes = [0; 5000];
        fs::File::open("/dev/zero").unwrap().read_exact(&mut bytes).unwrap();
        let text = running.interrupt();
        assert!(text.contains("       4096         1 #"), "{text}");
    }
    raw_tracepoint {
        require_bpf!();
        sees_a_program_start("raw_tracepoint", "sched_process_exec in process");
    }
    tp_btf {
        require_bpf!();
        sees_a_program_start("tp_btf", "sched_process_exec in process");
    }
    perf_event {
        require_bpf!();
        let running = start("perf_event", &["--frequency", "999"]);
        let end = std::time::Instant::now() + Duration::from_millis(500);
        while std::time::Instant::now() < end {}
        let text = running.interrupt();
        assert!(text.contains(&format!("process {}: ", pid())), "{text}");
    }
    uprobe {
        require_bpf!();
        sees_double("uprobe", &["calls it with 21"]);
    }
    uretprobe {
        require_bpf!();
        sees_double("uretprobe", &["it gives 42 to process"]);
    }
    uprobe_tool {
        require_bpf!();
        sees_double("uprobe_tool", &[&pid(), " 21 ", " 42"]);
    }
    usdt {
        require_bpf!();
        #[cfg(target_arch = "x86_64")]
        {
            let this = std::env::current_exe().unwrap();
            let this = this.to_str().unwrap();
            let place = ["--binary", this, "--probe", "hachi:rust", "--pid", &pid()];
            let mut running = start("usdt", &place);
            usdt::probe(17, &[0; 2]);
            running.wait_for(&format!("process {} tells 17", pid()));
            running.interrupt();
        }
    }
    iter {
        require_bpf!();
        let threads = success(&mut Command::new(template("iter")));
        let this = format!("{0} {0}", pid());
        assert!(threads.lines().any(|line| line == this), "{threads}");
    }
    extension {
        require_guest!("extension");
        sees_a_datagram("extension", "47 bytes dropped");
    }
    tcp_congestion {
        require_bpf!();
        require_kernel!("6.4", "a link of a struct of functions");
        let netns = Netns::new().unwrap();
        let running = start("tcp_congestion", &[]);
        netns.run(controlled_connection);
        let text = running.interrupt();
        assert!(text.contains("connections: 1\n"), "{text}");
        assert!(!text.contains("acknowledgements: 0\n"), "{text}");
    }
    scheduler {
        require_guest!("scheduler");
        require_kernel!("6.13", "scx_bpf_dsq_insert");
        let state = Path::new("/sys/kernel/sched_ext/state");
        if !state.exists() {
            skip!("this kernel was built without CONFIG_SCHED_CLASS_EXT");
        }
        let running = start("scheduler", &[]);
        assert_eq!(fs::read_to_string(state).unwrap().trim(), "enabled");
        for _ in 0..10 {
            std::thread::spawn(|| ()).join().unwrap();
        }
        let text = running.interrupt();
        let ran = text.lines().find_map(|line| line.strip_prefix("ran: "));
        assert!(ran.unwrap().parse::<u64>().unwrap() >= 10, "{text}");
        assert_ne!(fs::read_to_string(state).unwrap().trim(), "enabled");
    }
}

/// A connection by the congestion control, as the kernel knows it, that carries some data.
fn controlled_connection() {
    // The project's name, as Rust writes it, up to 15 bytes.
    let name = &"new_tcp_congestion"[..15];
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    // SAFETY: the name has the length given.
    let chosen = unsafe {
        libc::setsockopt(
            client.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_CONGESTION,
            name.as_ptr().cast(),
            name.len() as u32,
        )
    };
    assert_eq!(chosen, 0, "{}", std::io::Error::last_os_error());
    let (mut accepted, _) = server.accept().unwrap();
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        accepted.read_to_end(&mut all).unwrap();
        all.len()
    });
    client.write_all(&vec![0; 1_000_000]).unwrap();
    drop(client);
    assert_eq!(reader.join().unwrap(), 1_000_000);
}

#[test]
#[ignore = "it builds a project: the step `templates` runs it"]
fn file() {
    require_host!("a compiler");
    require_bpf!();
    let directory = TempDir::new().unwrap();
    success(hachi(["new", "hello", "--template", "file"]).current_dir(directory.path()));
    let wire = VethPair::new().unwrap();
    let mut run = wire.right.netns().command(hachi_tests::hachi_bin());
    run.args(["run", "hello.rs", "--iface", wire.right.interface()]);
    run.current_dir(directory.path()).env("HACHI_YES", "1");
    let mut running = Running::start(&mut run, "Ctrl-C");
    let client = wire.left.netns().run(|| UdpSocket::bind("0.0.0.0:0"));
    client
        .unwrap()
        .send_to(b"hello", (wire.right.ipv4(), 7092))
        .unwrap();
    running.wait_for("47 bytes");
    running.interrupt();
}

#[test]
#[ignore = "it builds a project: the step `templates` runs it"]
fn a_project_whose_log_lines_are_removed_runs_on() {
    require_host!("a compiler");
    require_bpf!();
    let directory = TempDir::new().unwrap();
    success(hachi(["new", "unlogged", "--template", "xdp"]).current_dir(directory.path()));
    let project = directory.join("unlogged");
    let program = project.join("unlogged-ebpf/src/main.rs");
    let text = fs::read_to_string(&program).unwrap();
    let kept = text.lines().filter(|line| {
        let logs = line.contains("info!(") || line.contains("hachi_ebpf::info;");
        !logs
    });
    let kept: Vec<&str> = kept.collect();
    assert_eq!(kept.len() + 2, text.lines().count(), "{text}");
    fs::write(&program, kept.join("\n")).unwrap();
    success(template_cargo(&project).args(["build", "--quiet"]));
    let wire = VethPair::new().unwrap();
    let built = hachi_tests::examples_target_dir().join("debug/unlogged");
    let mut command = wire.right.netns().command(built);
    let blocked = wire.left.ipv4().to_string();
    command.args(["--iface", wire.right.interface(), "--block", &blocked]);
    let running = Running::start(&mut command, "attached; Ctrl-C detaches");
    let client = wire.left.netns().run(|| UdpSocket::bind("0.0.0.0:0"));
    client
        .unwrap()
        .send_to(b"hello", (wire.right.ipv4(), 7092))
        .unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let text = running.interrupt();
    assert!(text.contains("dropped: 1 packets, 47 bytes"), "{text}");
}

/// A kind that is listed and not tested here would never run.
#[test]
fn every_kind_has_a_test() {
    require_host!("the sources");
    let list = success(&mut hachi(["new", "--list"]));
    let this = include_str!("templates.rs");
    for line in list.lines() {
        let kind = line.split(' ').next().unwrap();
        let has_test = this.contains(&format!("\n    {kind} {{")) || kind == "file";
        assert!(has_test, "{kind}");
    }
    assert!(list.lines().count() >= 34, "{list}");
}
