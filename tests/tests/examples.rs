//! The examples, run as a reader would run them.

mod support;

use hachi_test::{
    Bpffs, Guarded, TempDir, VethPair, find_program, require_bpf, require_host, skip,
};
use hachi_tests::{cargo, example, example_objects, examples_target_dir, root, success};
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{udp_passes, wait_until};

/// Ends a program as Ctrl-C does and gives what it wrote.
#[track_caller]
fn interrupt(process: Guarded) -> String {
    let (status, text) = process.interrupt(Duration::from_secs(5)).unwrap();
    assert!(status.success(), "{status}: {text}");
    text
}

/// Whether Ctrl-C would not simply end the process.
fn catches_interrupts(process: &Guarded) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = u64::from_str_radix(caught.unwrap().trim(), 16).unwrap();
    caught & 1 << (libc::SIGINT - 1) != 0
}

/// The 2021 book's first program: `cargo xtask build-ebpf`, then path and interface.
#[test]
fn the_2021_books_hello_xdp_runs() {
    require_host!("a compiler");
    require_bpf!();
    let program = example("book-hello-xdp", "hello-xdp");
    let mut xtask = cargo(&root().join("examples/book-hello-xdp"));
    xtask.args(["xtask", "build-ebpf", "--release"]);
    let object = success(xtask.env("CARGO_TARGET_DIR", examples_target_dir()));
    let object = object.lines().last().expect("the object's path");
    assert!(
        object.ends_with("bpfel-unknown-none/release/hello-xdp"),
        "{object}"
    );

    let wire = VethPair::new().unwrap();
    let mut command = wire.right.netns().command(&program);
    command.arg(object).arg(wire.right.interface());
    let process = Guarded::spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped())).unwrap();
    let attached = || {
        let link = ["-o", "link", "show", "dev", wire.right.interface()];
        wire.right.netns().ip(link).unwrap().contains("xdp")
    };
    wait_until("hello-xdp is attached", attached);
    // It asks for signals only after that.
    wait_until("hello-xdp waits for Ctrl-C", || {
        catches_interrupts(&process)
    });
    let text = interrupt(process);
    assert!(text.contains("Exiting"), "{text}");
    assert!(!attached());
}

/// What ports by its manifests alone is what was written in 2021, to the last byte.
#[test]
fn the_2021_books_sources_are_as_they_were() {
    require_host!("the sources");
    let sums = [
        (
            "hello-xdp/src/main.rs",
            "0765c491a20f718e0375b5c1695443813cc80c543629800755ab137b70c34aab",
        ),
        (
            "hello-xdp-ebpf/src/main.rs",
            "1cee756224bd0ec44753958d5dea40e0109b745540146c4eeeb25cfb6723728b",
        ),
    ];
    for (file, expected) in sums {
        let path = root().join("examples/book-hello-xdp").join(file);
        let sum = success(Command::new("sha256sum").arg(&path));
        assert_eq!(sum.split(' ').next(), Some(expected), "{file}");
    }
}

/// The program is called by its section, and the interface is the one that the book has.
#[test]
fn the_2021_books_firewall_runs_on_eth0() {
    require_host!("a compiler");
    require_bpf!();
    let program = example("book-firewall", "book-firewall");
    let wire = VethPair::new().unwrap();
    let netns = wire.right.netns();
    let interface = wire.right.interface();
    netns.ip(["link", "set", "dev", interface, "down"]).unwrap();
    netns
        .ip(["link", "set", "dev", interface, "name", "eth0"])
        .unwrap();
    netns.ip(["link", "set", "dev", "eth0", "up"]).unwrap();
    let attached = || {
        let link = ["-o", "link", "show", "dev", "eth0"];
        netns.ip(link).unwrap().contains("xdp")
    };
    assert!(!attached());
    let mut command = netns.command(&program);
    let process = Guarded::spawn(command.stdout(Stdio::piped())).unwrap();
    wait_until("book-firewall is attached", attached);
    drop(process);
    wait_until("book-firewall is detached", || !attached());

    let mut nowhere = netns.command(&program);
    let text = hachi_tests::failure(nowhere.arg("nowhere0"), 1);
    assert!(text.contains("no interface `nowhere0`"), "{text}");
}

/// Its mistakes are reported in one line each.
#[test]
fn the_2021_books_hello_xdp_explains_mistakes() {
    require_host!("a compiler");
    let program = example("book-hello-xdp", "hello-xdp");
    let run = |arguments: &[&str]| {
        let text = hachi_tests::failure(Command::new(&program).args(arguments), 1);
        assert_eq!(text.lines().count(), 1, "{text}");
        text
    };
    assert!(run(&[]).contains("path"));
    assert!(run(&["/nowhere/hello"]).contains("interface"));
    assert!(run(&["/nowhere/hello", "lo"]).contains("/nowhere/hello"));
}

#[test]
fn the_firewall_blocks_counts_and_outlives_its_program() {
    require_host!("a compiler");
    require_bpf!();
    if find_program("ping").is_none() {
        skip!("ping is not installed");
    }
    let program = example("xdp-firewall", "xdp-firewall");
    let wire = VethPair::new().unwrap();
    let stranger = wire.left.add_ipv4(66).unwrap();
    let bpffs = Bpffs::new().unwrap();
    let pins = bpffs.join("firewall");
    let control = |arguments: &[&str]| {
        let mut command = wire.right.netns().command(&program);
        success(command.args(arguments).arg("--pin").arg(&pins))
    };
    let ping = |from: std::net::Ipv4Addr| {
        let to = wire.right.ipv4().into();
        wire.left.ping_from(Some(from.into()), to, 2).unwrap()
    };

    let mut run = wire.right.netns().command(&program);
    run.args(["run", "--iface", wire.right.interface(), "--pin"])
        .arg(&pins);
    let process = Guarded::spawn(run.stdout(Stdio::piped()).stderr(Stdio::piped())).unwrap();
    wait_until("the firewall is pinned", || pins.join("link").exists());

    // Everything passes; then one address, a port, and a whole prefix with an exception are
    // blocked.
    assert!(ping(stranger).all_answered() && ping(wire.left.ipv4()).all_answered());
    control(&["block", &stranger.to_string()]);
    assert!(ping(stranger).none_answered());
    assert!(ping(wire.left.ipv4()).all_answered());
    control(&["block-port", "udp/7001"]);
    assert!(udp_passes(&wire, 7000));
    assert!(!udp_passes(&wire, 7001));
    control(&["unblock-port", "udp/7001"]);
    assert!(udp_passes(&wire, 7001));
    control(&["block", "10.77.0.0/24"]);
    assert!(ping(wire.left.ipv4()).none_answered());
    control(&["allow", &wire.left.ipv4().to_string()]);
    assert!(ping(wire.left.ipv4()).all_answered());
    let rules = control(&["list"]);
    let expected = [
        "block      10.77.0.0/24",
        "allow      10.77.0.1/32",
        "block      10.77.0.66/32",
    ];
    assert_eq!(rules.lines().collect::<Vec<_>>(), expected);

    // IPv6 has a table of its own.
    let ping6 = || wire.left.ping(wire.right.ipv6(), 2).unwrap();
    assert!(ping6().all_answered());
    control(&["block", "fd77::/64"]);
    assert!(ping6().none_answered());
    control(&["unblock", "fd77::/64"]);
    assert!(ping6().all_answered());

    // What it dropped was reported, packet by packet.
    let text = interrupt(process);
    let told = format!("dropped icmp from {stranger}");
    assert!(text.contains(&told), "{text}");
    assert!(text.contains("to port 7001"), "{text}");

    // The program has ended; the firewall has not.
    let stats = control(&["stats", "--json"]);
    let count = |stats: &str, verdict: &str| {
        let stats: serde_json::Value = serde_json::from_str(stats).unwrap();
        stats[verdict]["packets"].as_u64().unwrap()
    };
    assert!(count(&stats, "blocked_source") >= 4, "{stats}");
    assert_eq!(count(&stats, "blocked_port"), 1, "{stats}");
    assert!(ping(stranger).none_answered());
    let later = control(&["stats", "--json"]);
    assert_eq!(
        count(&later, "blocked_source"),
        count(&stats, "blocked_source") + 2
    );

    control(&["unpin"]);
    assert!(ping(stranger).all_answered());
    assert!(!pins.exists());
}

/// With its types, lines and names.
#[test]
fn the_firewalls_object_is_small() {
    require_host!("a compiler");
    let directory = TempDir::new().unwrap();
    let package = root().join("examples/xdp-firewall/xdp-firewall-ebpf");
    let objects = example_objects(&package, directory.path());
    let size = std::fs::metadata(&objects[0]).unwrap().len();
    assert!(size < 16 * 1024, "{size} bytes");
}

/// `run` without `--pin` leaves nothing; `pin` comes back at once and leaves everything.
#[test]
fn the_firewall_lives_as_long_as_asked() {
    require_host!("a compiler");
    require_bpf!();
    let program = example("xdp-firewall", "xdp-firewall");
    let wire = VethPair::new().unwrap();
    let bpffs = Bpffs::new().unwrap();
    let pins = bpffs.join("firewall");
    let on_wire = |arguments: &[&str]| {
        let mut command = wire.right.netns().command(&program);
        command
            .args(arguments)
            .args(["--iface", wire.right.interface()]);
        command
    };
    let mut run = on_wire(&["run", "--quiet", "--block-port", "7001"]);
    let process = Guarded::spawn(run.stdout(Stdio::piped()).stderr(Stdio::piped())).unwrap();
    wait_until("the firewall filters", || !udp_passes(&wire, 7001));
    assert!(udp_passes(&wire, 7000));
    interrupt(process);
    assert!(udp_passes(&wire, 7001));

    success(
        on_wire(&["pin", "--block-port", "7001"])
            .arg("--pin")
            .arg(&pins),
    );
    assert!(!udp_passes(&wire, 7001));

    // A second one is refused, and changes nothing.
    let text = hachi_tests::failure(on_wire(&["pin"]).arg("--pin").arg(&pins), 1);
    assert!(text.contains("pinned there"), "{text}");
    let second = bpffs.join("second");
    let text = hachi_tests::failure(on_wire(&["pin"]).arg("--pin").arg(&second), 1);
    assert!(text.contains(wire.right.interface()), "{text}");
    assert!(
        !bpffs.join("second").exists(),
        "what failed left pins behind"
    );
    assert!(!udp_passes(&wire, 7001));
}

/// A frame that says IPv4 and ends before its header does: dropped and counted, unless asked
/// otherwise.
#[test]
fn the_firewall_drops_cut_short_packets_unless_told_to_pass_them() {
    require_host!("a compiler");
    require_bpf!();
    let program = example("xdp-firewall", "xdp-firewall");
    for (options, verdict) in [(&[][..], "malformed"), (&["--pass-malformed"], "passed")] {
        let wire = VethPair::new().unwrap();
        let bpffs = Bpffs::new().unwrap();
        let control = |arguments: &[&str]| {
            let mut command = wire.right.netns().command(&program);
            success(
                command
                    .args(arguments)
                    .arg("--pin")
                    .arg(bpffs.join("firewall")),
            )
        };
        let iface = ["pin", "--iface", wire.right.interface()];
        control(&[&iface, options].concat());
        let counted = || {
            let stats: serde_json::Value =
                serde_json::from_str(&control(&["stats", "--json"])).unwrap();
            stats[verdict]["packets"].as_u64().unwrap()
        };
        let before = counted();
        const FRAMES: u64 = 100;
        let mut frame = [0; 24];
        frame[..6].fill(0xff);
        frame[12..14].copy_from_slice(&0x0800u16.to_be_bytes());
        for _ in 0..FRAMES {
            wire.left.send_frame(&frame).unwrap();
        }
        wait_until("the frames are counted", || counted() - before >= FRAMES);
    }
}
