//! The surroundings themselves, on the running kernel.

use hachi_test::{
    EchoServer, Netns, VethPair, each_call_fails, find_program, open_descriptors, skip,
    tcp_request, tcp_request_from, udp_request, udp_request_from,
};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_millis(300);

macro_rules! wire {
    () => {{
        if !hachi_test::is_root() {
            skip!("network namespaces need root");
        }
        if find_program("ip").is_none() {
            skip!("`ip` is not installed (package iproute2)");
        }
        VethPair::new().unwrap()
    }};
}

#[test]
fn tcp_and_udp_cross_the_wire_in_both_families() {
    let wire = wire!();
    for address in [
        SocketAddr::from((wire.right.ipv4(), 0)),
        SocketAddr::from((wire.right.ipv6(), 0)),
    ] {
        let tcp = EchoServer::tcp(wire.right.netns(), address).unwrap();
        let udp = EchoServer::udp(wire.right.netns(), address).unwrap();
        let from = wire.left.netns();
        let payload = vec![0xa5; 1200];
        assert_eq!(
            tcp_request(from, tcp.address(), &payload, SOON).unwrap(),
            payload
        );
        assert_eq!(
            udp_request(from, udp.address(), &payload, SOON).unwrap(),
            payload
        );
        assert!(tcp.requests() >= 1);
        assert_eq!(udp.requests(), 1);
    }
}

#[test]
fn nothing_answers_where_nobody_listens() {
    let wire = wire!();
    let nobody = (wire.right.ipv4(), 9).into();
    assert!(tcp_request(wire.left.netns(), nobody, b"x", SOON).is_err());
    assert!(udp_request(wire.left.netns(), nobody, b"x", SOON).is_err());
}

#[test]
fn ping_counts_answers() {
    let wire = wire!();
    if find_program("ping").is_none() {
        skip!("`ping` is not installed (package iputils-ping)");
    }
    assert!(wire.left.ping(wire.right.ipv4(), 3).unwrap().all_answered());
    assert!(wire.left.ping(wire.right.ipv6(), 2).unwrap().all_answered());
    let second = wire.left.add_ipv4(9).unwrap();
    let answered = wire
        .left
        .ping_from(Some(second.into()), wire.right.ipv4().into(), 2);
    assert!(answered.unwrap().all_answered());
    wire.right
        .netns()
        .ip(["link", "set", "right0", "down"])
        .unwrap();
    assert!(
        wire.left
            .ping(wire.right.ipv4(), 2)
            .unwrap()
            .none_answered()
    );
}

#[test]
fn a_raw_frame_arrives_as_it_is() {
    let wire = wire!();
    let udp = EchoServer::udp(wire.right.netns(), (wire.right.ipv4(), 7).into()).unwrap();
    // Ethernet, IPv4 and UDP headers by hand, UDP checksum 0 = none.
    let mut frame = Vec::new();
    frame.extend(wire.right.mac());
    frame.extend(wire.left.mac());
    frame.extend([8, 0]);
    let mut ip = vec![0x45, 0, 0, 29, 0, 0, 0, 0, 64, 17, 0, 0];
    ip.extend(wire.left.ipv4().octets());
    ip.extend(wire.right.ipv4().octets());
    let mut sum: u32 = ip
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    ip[10..12].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    frame.extend(ip);
    frame.extend([0x30, 0x39, 0, 7, 0, 9, 0, 0, b'!']);
    wire.left.send_frame(&frame).unwrap();
    let deadline = Instant::now() + Duration::from_secs(2);
    while udp.requests() == 0 {
        assert!(Instant::now() < deadline, "the frame did not arrive");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn the_source_address_can_be_chosen() {
    let wire = wire!();
    let other = wire.left.add_ipv4(66).unwrap().into();
    let address = (wire.right.ipv4(), 0).into();
    let tcp = EchoServer::tcp(wire.right.netns(), address).unwrap();
    let udp = EchoServer::udp(wire.right.netns(), address).unwrap();
    let from = wire.left.netns();
    // The server's end drops what comes from the second address only.
    let blackhole = ["route", "add", "blackhole", "10.77.0.66/32"];
    for (answers, change) in [(true, Some(blackhole)), (false, None)] {
        let by_tcp = tcp_request_from(from, other, tcp.address(), b"tcp", SOON);
        assert_eq!(by_tcp.is_ok(), answers, "{by_tcp:?}");
        let by_udp = udp_request_from(from, other, udp.address(), b"udp", SOON);
        assert_eq!(by_udp.is_ok(), answers, "{by_udp:?}");
        assert!(tcp_request(from, tcp.address(), b"tcp", SOON).is_ok());
        if let Some(change) = change {
            wire.right.netns().ip(change).unwrap();
        }
    }
}

#[test]
fn closures_and_commands_run_inside() {
    let wire = wire!();
    let netns = wire.right.netns();
    let inside = netns.run(|| std::fs::metadata("/proc/thread-self/ns/net").unwrap().ino());
    let outside = std::fs::metadata("/proc/thread-self/ns/net").unwrap().ino();
    assert_ne!(inside, outside);
    let listing = netns.command("ip").args(["-o", "link"]).output().unwrap();
    let listing = String::from_utf8(listing.stdout).unwrap();
    assert!(
        listing.contains("right0") && !listing.contains("left0"),
        "{listing}"
    );
}

#[test]
fn a_panic_inside_propagates_and_leaves_nothing() {
    let netns = wire!().left.netns().clone();
    let result = std::panic::catch_unwind(|| netns.run(|| panic!("on purpose")));
    assert_eq!(result.unwrap_err().downcast_ref(), Some(&"on purpose"));
    let namespace = netns.run(|| std::fs::read_link("/proc/thread-self/ns/net").unwrap());
    let namespace = namespace.to_str().unwrap().to_owned();
    let held = || {
        open_descriptors()
            .into_iter()
            .any(|(_, what)| what == namespace)
    };
    assert!(held());
    drop(netns);
    assert!(!held());
}

#[test]
fn guarded_children_end() {
    let wire = wire!();
    let mut sleep = wire.left.netns().command("sleep");
    let mut child = hachi_test::Guarded::spawn(sleep.arg("100")).unwrap();
    assert!(child.is_running());
    let path = format!("/proc/{}", child.id());
    drop(child);
    assert!(!std::path::Path::new(&path).exists());

    let mut echo = Netns::new().unwrap().command("sh");
    echo.args(["-c", "echo out; echo err >&2; exit 3"]);
    echo.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = hachi_test::Guarded::spawn(&mut echo).unwrap();
    let (status, text) = child.wait(Duration::from_secs(5)).unwrap();
    assert_eq!(status.code(), Some(3));
    assert_eq!(text, "out\nerr\n");

    let mut sleep = wire.left.netns().command("sleep");
    let child = hachi_test::Guarded::spawn(sleep.arg("100")).unwrap();
    let (status, _) = child.interrupt(Duration::from_secs(5)).unwrap();
    assert!(!status.success());
}

#[test]
fn every_call_fails_once_with_each_error() {
    if !hachi_test::is_root() {
        skip!("seccomp(2) without further ado needs root");
    }
    let read = || -> std::io::Result<String> {
        let first = std::fs::read_to_string("/proc/self/comm")?;
        Ok(first + &std::fs::read_to_string("/proc/self/comm")?)
    };
    let outcomes = std::sync::Mutex::new(Vec::new());
    let calls = each_call_fails(
        &[libc::ENOMEM, libc::EIO],
        || (),
        |()| {
            let errno = read().err().and_then(|error| error.raw_os_error());
            outcomes.lock().unwrap().push((errno, None));
        },
        |(), fault| {
            // With all calls working again.
            assert!(read().is_ok());
            outcomes.lock().unwrap().last_mut().unwrap().1 = fault.cloned();
        },
    )
    .unwrap();
    assert_eq!(calls.iter().filter(|call| *call == "openat").count(), 2);
    let outcomes = outcomes.into_inner().unwrap();
    // One run without a fault, one for each call and error, and one past the end for each error.
    assert_eq!(outcomes.len(), 1 + 2 * (calls.len() + 1));
    for (errno, fault) in outcomes {
        match fault {
            // A file's size is only a hint to who reads it.
            Some(fault) if fault.call == "statx" => assert_eq!(errno, None),
            Some(fault) => assert_eq!(errno, Some(fault.errno), "{fault:?}"),
            None => assert_eq!(errno, None),
        }
    }
}
