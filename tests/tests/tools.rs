//! The tools of `examples/tools`: each sees something real that its test does, or does something
//! that its test sees.

mod support;

use hachi_test::{
    EchoServer, Netns, TempDir, VethPair, find_program, in_guest, require_bpf, require_host,
    require_kernel, skip, tcp_request,
};
use hachi_tests::{example, programs_of, success};
use std::fs::{self, File};
use std::io::Read as _;
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::process::Command;
use std::sync::mpsc::{self, TryRecvError};
use std::time::{Duration, Instant};
use support::running::Running;

/// The tool, not yet running.
fn tool(name: &str) -> Command {
    Command::new(example("tools", name))
}

fn columns(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// The number in front of ` packets` in the line that begins so.
#[track_caller]
fn packets(text: &str, name: &str) -> u64 {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let count = line.and_then(|line| line.strip_suffix(" packets"));
    count
        .and_then(|count| count.parse().ok())
        .unwrap_or_else(|| panic!("{name}? {text}"))
}

#[test]
fn execsnoop_sees_a_program_start() {
    require_bpf!();
    let mut execsnoop = Running::start(tool("execsnoop").args(["--name", "true"]), "ARGS");
    let status = Command::new("true").args(["a", "b c"]).status().unwrap();
    assert!(status.success());
    let parent = std::process::id().to_string();
    let line = execsnoop.wait_for_line(&["true a b c", &parent]);
    let columns = columns(&line);
    assert_eq!([columns[0], columns[2], columns[3]], ["true", &parent, "0"]);
    execsnoop.interrupt();
}

#[test]
fn opensnoop_sees_files_opened_and_missed() {
    require_bpf!();
    let directory = TempDir::new().unwrap();
    let (there, missing) = (directory.join("there"), directory.join("missing"));
    fs::write(&there, "").unwrap();
    let pid = std::process::id().to_string();
    let mut opensnoop = Running::start(tool("opensnoop").args(["--pid", &pid]), "PATH");
    let file = File::open(&there).unwrap();
    File::open(&missing).unwrap_err();
    let line = opensnoop.wait_for_line(&[there.to_str().unwrap()]);
    let columns_there = columns(&line);
    let descriptor = file.as_raw_fd().to_string();
    let threads_name = columns_there.len() - 3;
    assert_eq!(columns_there[0], pid);
    assert_eq!(
        columns_there[threads_name..][..2],
        [descriptor.as_str(), "0"]
    );
    let line = opensnoop.wait_for_line(&[missing.to_str().unwrap()]);
    let columns = columns(&line);
    assert_eq!(columns[columns.len() - 3..][..2], ["-1", "2"], "ENOENT");
    opensnoop.interrupt();
}

#[test]
fn tcpconnect_sees_a_connection_asked_for() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let pid = std::process::id().to_string();
    let mut tcpconnect = Running::start(tool("tcpconnect").args(["--pid", &pid]), "TO");
    for address in ["127.0.0.1:7077", "[::1]:7078"] {
        netns.run(|| {
            // Nobody listens, which makes no difference.
            TcpStream::connect(address).unwrap_err();
        });
        let line = tcpconnect.wait_for_line(&[address]);
        assert_eq!(columns(&line)[..2], [pid.as_str(), "0"]);
    }
    tcpconnect.interrupt();
}

#[test]
fn tcplife_counts_the_bytes_of_a_connection() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    let mut tcplife = Running::start(tool("tcplife").args(["--port", "7079"]), "THERE");
    let address = (wire.right.ipv4(), 7079).into();
    let server = EchoServer::tcp(wire.right.netns(), address).unwrap();
    let question = [7; 3000];
    let answer = tcp_request(
        wire.left.netns(),
        address,
        &question,
        Duration::from_secs(5),
    );
    assert_eq!(answer.unwrap(), question);
    drop(server);
    let line = tcplife.wait_for_line(&[&format!(" {}:7079 ", wire.right.ipv4())]);
    let columns = columns(&line);
    let numbers = &columns[columns.len() - 3..];
    for number in &numbers[..2] {
        // SYN and FIN count as a byte each.
        let bytes: u64 = number.parse().unwrap();
        assert!((3000..=3002).contains(&bytes), "{line}");
    }
    let time: f64 = numbers[2].parse().unwrap();
    assert!(time > 0.0, "{line}");
    tcplife.interrupt();
}

/// A block device on a file.
struct Loop(String);

impl Loop {
    fn new(file: &std::path::Path) -> Result<Self, String> {
        let output = Command::new("losetup")
            .args(["--find", "--show"])
            .arg(file)
            .output();
        let output = output.map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(Loop(
            String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        ))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["--detach", &self.0]).status();
    }
}

#[test]
fn biolatency_measures_a_block_device() {
    require_host!("losetup");
    require_bpf!();
    let directory = TempDir::new().unwrap();
    let backing = directory.join("disk");
    File::create(&backing).unwrap().set_len(1 << 20).unwrap();
    let device = match Loop::new(&backing) {
        Ok(device) => device,
        Err(reason) => skip!("no block device on a file: {reason}"),
    };
    let biolatency = Running::start(&mut tool("biolatency"), "Tracing");
    for _ in 0..3 {
        let mut disk = File::options()
            .read(true)
            .write(true)
            .open(&device.0)
            .unwrap();
        std::io::Write::write_all(&mut disk, &[1; 65536]).unwrap();
        disk.sync_all().unwrap();
    }
    let text = biolatency.interrupt();
    assert!(total(&text) >= 3, "{text}");
}

/// The sum of a histogram's counts.
fn total(text: &str) -> u64 {
    let counts = text.lines().filter(|line| line.contains(" -> "));
    counts
        .map(|line| columns(line)[4].parse::<u64>().unwrap())
        .sum()
}

#[test]
fn runqlat_measures_the_waits_of_a_process() {
    require_bpf!();
    let pid = std::process::id().to_string();
    let runqlat = Running::start(tool("runqlat").args(["--pid", &pid]), "Tracing");
    // After each a thread wants a CPU.
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(2));
    }
    let text = runqlat.interrupt();
    assert!(text.contains("usecs"), "{text}");
    assert!(total(&text) >= 20, "{text}");
}

#[test]
fn ratelimit_drops_packets_above_the_rate() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    let iface = [
        "--iface",
        wire.left.interface(),
        "--rate",
        "2000",
        "--burst",
        "10000",
    ];
    let mut command = wire.left.netns().command(example("tools", "ratelimit"));
    let ratelimit = Running::start(command.args(iface), "sends at most");
    let server = wire
        .right
        .netns()
        .run(|| UdpSocket::bind((wire.right.ipv4(), 7080)));
    let server = server.unwrap();
    let client = wire
        .left
        .netns()
        .run(|| UdpSocket::bind((wire.left.ipv4(), 0)))
        .unwrap();
    for _ in 0..50 {
        // Where the packet is dropped, the kernel may say so.
        let _ = client.send_to(&[0; 958], (wire.right.ipv4(), 7080));
    }
    server
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    let mut arrived = 0;
    while server.recv(&mut [0; 2000]).is_ok() {
        arrived += 1;
    }
    // Each is 1000 bytes with its headers. Ten at once, two more in each second that this took.
    assert!((8..40).contains(&arrived), "{arrived} packets");
    let text = ratelimit.interrupt();
    assert!(packets(&text, "passed") >= arrived, "{text}");
    assert!(packets(&text, "dropped") > 0, "{text}");
}

#[test]
fn l4lb_sends_each_flow_to_its_machine() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    // The cable has one other end, so that is where both machines are, and the clients too.
    let machines = [100, 101].map(|number| wire.left.add_ipv4(number).unwrap());
    let mac = wire.left.mac().map(|byte| format!("{byte:02x}")).join(":");
    let service = format!("{}:7081", wire.right.ipv4());
    let mut command = wire.right.netns().command(example("tools", "l4lb"));
    command.args([
        "--iface",
        wire.right.interface(),
        "--skb",
        "--udp",
        "--service",
        &service,
    ]);
    for machine in machines {
        command.args(["--backend", &format!("{machine}/{mac}")]);
    }
    let l4lb = Running::start(&mut command, "balancing");

    // What arrives wrapped.
    let wrapped = wire.left.netns().run(|| {
        use std::os::fd::FromRawFd as _;
        // SAFETY: a new descriptor, which belongs to nobody else.
        let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_IPIP) };
        assert!(socket >= 0, "{}", std::io::Error::last_os_error());
        // SAFETY: as above. `UdpSocket` has a timeout, and reads from any socket.
        unsafe { UdpSocket::from_raw_fd(socket) }
    });
    wrapped
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let receive = |client: &UdpSocket| -> Ipv4Addr {
        client.send_to(b"hello", &service).unwrap();
        let mut packet = [0; 200];
        let length = wrapped.recv(&mut packet).unwrap();
        // Two headers of IP, one of UDP, and what was sent.
        assert_eq!(length, 20 + 20 + 8 + 5);
        assert_eq!(&packet[48..53], b"hello");
        assert_eq!(
            packet[32..40],
            [wire.left.ipv4().octets(), wire.right.ipv4().octets()].concat()
        );
        Ipv4Addr::from(<[u8; 4]>::try_from(&packet[16..20]).unwrap())
    };
    let mut counts = [0; 2];
    for _ in 0..16 {
        let client = wire
            .left
            .netns()
            .run(|| UdpSocket::bind((wire.left.ipv4(), 0)))
            .unwrap();
        let chosen = receive(&client);
        assert_eq!(receive(&client), chosen, "a flow stays where it is");
        counts[machines
            .iter()
            .position(|machine| *machine == chosen)
            .unwrap()] += 2;
    }
    assert!(counts.iter().all(|&count| count > 0), "{counts:?}");
    let text = l4lb.interrupt();
    for (machine, count) in machines.iter().zip(counts) {
        assert_eq!(packets(&text, &machine.to_string()), count);
    }
}

#[test]
fn guard_forbids_opening_and_executing() {
    require_bpf!();
    require_kernel!("5.11", "a guard that can be told");
    if !in_guest() {
        skip!("security hooks need a kernel with lsm=…,bpf: guests have it");
    }
    let directory = TempDir::new().unwrap();
    let (secret, alias, program) = (
        directory.join("secret"),
        directory.join("alias"),
        directory.join("program"),
    );
    fs::write(&secret, "secret").unwrap();
    fs::hard_link(&secret, &alias).unwrap();
    fs::copy(find_program("true").unwrap(), &program).unwrap();
    let run = || {
        Command::new(&program)
            .status()
            .map(|status| status.success())
    };
    assert!(run().unwrap());
    let mut guard = tool("guard");
    guard
        .arg("--deny-open")
        .arg(&secret)
        .arg("--deny-exec")
        .arg(&program);
    let mut guard = Running::start(&mut guard, "DENIED");
    let pid = std::process::id().to_string();
    for name in [&secret, &alias] {
        let error = fs::read(name).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EPERM));
    }
    guard.wait_for_line(&[&pid, " open ", "/secret"]);
    assert_eq!(run().unwrap_err().raw_os_error(), Some(libc::EPERM));
    guard.wait_for_line(&[" exec ", "/program"]);
    guard.interrupt();
    assert_eq!(fs::read(&secret).unwrap(), b"secret");
    assert!(run().unwrap());
}

#[test]
fn tcpcc_controls_a_connection() {
    require_bpf!();
    require_kernel!("6.4", "a link of a struct of functions");
    let netns = Netns::new().unwrap();
    let tcpcc = Running::start(&mut tool("tcpcc"), "TCP has");
    netns.run(|| {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
        let name = "hachi_reno";
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
        std::io::Write::write_all(&mut client, &vec![0; 3_000_000]).unwrap();
        drop(client);
        assert_eq!(reader.join().unwrap(), 3_000_000);
    });
    let text = tcpcc.interrupt();
    assert!(text.contains("connections: 1\n"), "{text}");
    assert!(!text.contains("acknowledgements: 0\n"), "{text}");
}

#[test]
fn schedfifo_schedules_threads() {
    require_bpf!();
    require_kernel!("6.13", "scx_bpf_dsq_insert");
    let state = "/sys/kernel/sched_ext/state";
    if !fs::exists(state).unwrap() {
        skip!("this kernel was built without CONFIG_SCHED_CLASS_EXT");
    }
    let schedfifo = Running::start(tool("schedfifo").args(["--slice", "5000"]), "Scheduling");
    assert_eq!(fs::read_to_string(state).unwrap().trim(), "enabled");
    let threads =
        (0..4).map(|_| std::thread::spawn(|| hachi_example_spins(Duration::from_millis(50))));
    for thread in threads.collect::<Vec<_>>() {
        thread.join().unwrap();
    }
    let text = schedfifo.interrupt();
    // More than once each: their slices are a tenth of what they do.
    let ran = text.lines().find_map(|line| line.strip_prefix("ran: "));
    assert!(ran.unwrap().parse::<u64>().unwrap() > 8, "{text}");
    assert_ne!(fs::read_to_string(state).unwrap().trim(), "enabled");
}

#[test]
fn every_tool_explains_itself() {
    require_host!("all the tools");
    for name in programs_of("tools") {
        let help = success(tool(&name).arg("--help"));
        assert!(help.contains("Usage:"), "{name}: {help}");
    }
}

/// Does something for the tool to see.
#[unsafe(no_mangle)]
#[inline(never)]
fn hachi_example_spins(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        (0..10_000u32).for_each(|n| _ = std::hint::black_box(n));
    }
}

#[test]
fn profile_sees_the_function_that_takes_the_time() {
    require_bpf!();
    let pid = std::process::id().to_string();
    let mut profile = tool("profile");
    profile.args(["--pid", &pid, "--frequency", "999"]);
    // Threads that end while it looks for them do not matter.
    let (stop, stopped) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        while stopped.try_recv() == Err(TryRecvError::Empty) {
            std::thread::spawn(|| ()).join().unwrap();
        }
    });
    let profile = Running::start(&mut profile, "Sampling");
    drop(stop);
    // In a thread that is started only now.
    std::thread::spawn(|| hachi_example_spins(Duration::from_millis(500)))
        .join()
        .unwrap();
    let text = profile.interrupt();
    let line = text
        .lines()
        .find(|line| line.contains("hachi_example_spins"));
    let line = line.unwrap_or_else(|| panic!("{text}"));
    assert!(line.rsplit(' ').next().unwrap().parse::<u64>().unwrap() > 0);
}

/// What the verifier keeps safe needs no `unsafe`: neither the tools' kernel sides nor the
/// programs' have it.
#[test]
fn kernel_sides_have_no_unsafe_code() {
    require_host!("the sources");
    for workspace in ["tools", "programs"] {
        let sources =
            hachi_tests::root().join(format!("examples/{workspace}/{workspace}-ebpf/src/bin"));
        let mut count = 0;
        for source in fs::read_dir(sources).unwrap().flatten() {
            let text = fs::read_to_string(source.path()).unwrap();
            assert!(
                text.contains("#![forbid(unsafe_code)]"),
                "{:?}",
                source.path()
            );
            count += 1;
        }
        assert!(count > 4, "{count} sources of {workspace}");
    }
}
