//! From Rust source to dropped packets: load, set, attach, count, tell.

mod support;

use hachi::maps::{PerCpuArray, RingBuf};
use hachi::programs::{Xdp, XdpFlags};
use hachi::{Ebpf, EbpfLoader, KernelVersion};
use hachi_test::{
    EchoServer, Guarded, TempDir, VethPair, find_program, require_bpf, require_host, skip,
    udp_request,
};
use hachi_tests::{fixture, fixture_with, hachi_bin, success};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{SOON, udp_passes};

/// Loads `drops`, told to drop UDP to `port`, and attaches it to the right end of the wire.
fn attach_drops(object: &Path, wire: &VethPair, port: u16, flags: XdpFlags) -> Ebpf {
    let mut ebpf = EbpfLoader::new()
        .override_global("PORT", &port, true)
        .load_file(object)
        .unwrap();
    support::attach(&mut ebpf, "drops", &wire.right, flags);
    ebpf
}

fn verdicts(ebpf: &Ebpf) -> [u64; 2] {
    let map = PerCpuArray::<_, u64>::try_from(ebpf.map("VERDICTS").unwrap()).unwrap();
    [0, 1].map(|index| map.get(&index, 0).unwrap().iter().sum())
}

#[test]
fn only_matching_packets_are_dropped() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    for flags in [XdpFlags::default(), XdpFlags::SKB_MODE, XdpFlags::DRV_MODE] {
        let mut ebpf = attach_drops(&fixture("drops"), &wire, 7001, flags);
        assert!(udp_passes(&wire, 7000), "{flags:?}");
        assert!(!udp_passes(&wire, 7001), "{flags:?}");
        let [passed, dropped] = verdicts(&ebpf);
        assert!(passed >= 1, "{flags:?}");
        assert_eq!(dropped, 1, "{flags:?}");

        let mut drops = RingBuf::try_from(ebpf.map_mut("DROPS").unwrap()).unwrap();
        let event = drops.next_timeout(SOON).unwrap().expect("an event");
        let mut expected = wire.left.ipv4().octets().to_vec();
        expected.extend(7001_u16.to_ne_bytes());
        // Ethernet, IPv4 and UDP headers, and what `udp_passes` sends.
        let length = (14 + 20 + 8 + support::QUESTION.len()) as u16;
        expected.extend(length.to_ne_bytes());
        assert_eq!(*event, *expected);
        drop(event);
        assert!(drops.next().is_none());

        drop(ebpf);
        assert!(udp_passes(&wire, 7001), "dropping the Ebpf detaches");
    }
}

/// Overflow checks and all: what rustc makes in its debug profile is accepted just the same.
#[test]
fn a_debug_build_loads_as_a_release_build_does() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    let object = fixture_with("drops", &["--debug"]);
    let ebpf = attach_drops(&object, &wire, 7001, XdpFlags::default());
    assert!(udp_passes(&wire, 7000));
    assert!(!udp_passes(&wire, 7001));
    assert_eq!(verdicts(&ebpf)[1], 1);
}

/// The kernel's own types are megabytes: an object that asks nothing of them is loaded without.
/// Where they are, there is a pipe here that nobody writes to, so that opening it waits forever.
#[test]
fn the_kernels_types_are_not_read_without_need() {
    require_host!("mkfifo and unshare");
    require_bpf!();
    const TYPES: &str = "/sys/kernel/btf/vmlinux";
    let (Some(unshare), true) = (find_program("unshare"), Path::new(TYPES).exists()) else {
        skip!("there is no unshare, or there are no types");
    };
    let directory = TempDir::new().unwrap();
    let pipe = directory.join("pipe");
    success(Command::new("mkfifo").arg(&pipe));
    let mut check = Command::new(unshare);
    let script = format!("mount --bind \"$0\" {TYPES} && exec \"$@\"");
    check.args(["--mount", "sh", "-c", &script]).arg(&pipe);
    check.arg(hachi_bin()).arg("check").arg(fixture("drops"));
    let process = Guarded::spawn(check.stdout(Stdio::piped()).stderr(Stdio::piped())).unwrap();
    let (status, text) = process.wait(Duration::from_secs(60)).unwrap();
    assert!(status.success(), "{text}");
}

/// Each set on kernels that know it; on others the error says which one to build for.
#[test]
fn every_instruction_set_loads() {
    require_bpf!();
    let running = KernelVersion::current().unwrap();
    for cpu in ["v1", "v2", "v3", "v4"] {
        let mut ebpf = Ebpf::load_file(fixture_with("drops", &["--cpu", cpu])).unwrap();
        let program: &mut Xdp = ebpf.program_mut("drops").unwrap().try_into().unwrap();
        match program.load() {
            Ok(()) => {}
            Err(error) if cpu == "v4" && running < KernelVersion::new(6, 6, 0) => {
                assert!(
                    error.to_string().contains("(cpu v4) needs Linux ≥ 6.6"),
                    "{error}"
                );
            }
            Err(error) => panic!("{cpu}: {error}"),
        }
    }
}

#[test]
fn log_lines_arrive_formatted() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    let mut ebpf = attach_drops(&fixture("drops"), &wire, 7001, XdpFlags::default());
    assert!(!udp_passes(&wire, 7001));
    let lines = support::logged(&mut ebpf);
    let length = 14 + 20 + 8 + support::QUESTION.len();
    let expected = format!(
        "dropped {length} bytes from {} to port 7001",
        wire.left.ipv4()
    );
    assert_eq!(lines, [expected]);
}

#[test]
fn an_unset_global_keeps_its_value() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    let mut ebpf = Ebpf::load_file(fixture("drops")).unwrap();
    support::attach(&mut ebpf, "drops", &wire.right, XdpFlags::default());
    assert!(udp_passes(&wire, 7001));
    assert_eq!(verdicts(&ebpf)[1], 0);
}

#[test]
fn a_program_named_like_its_section_works() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    let mut ebpf = Ebpf::load_file(fixture("xdp")).unwrap();
    let link = support::attach(&mut ebpf, "xdp", &wire.right, XdpFlags::default());
    assert!(!udp_passes(&wire, 7000));
    let program: &mut Xdp = ebpf.program_mut("xdp").unwrap().try_into().unwrap();
    program.detach(link).unwrap();
    assert!(udp_passes(&wire, 7000));
}

/// A section's name stands for its only program.
#[test]
fn a_program_is_found_by_its_section() {
    require_bpf!();
    let mut ebpf = Ebpf::load_file(fixture("drops")).unwrap();
    let program: &mut Xdp = ebpf.program_mut("xdp").unwrap().try_into().unwrap();
    program.load().unwrap();
}

#[test]
fn tcp_works_through_a_program_that_passes_it() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    let _ebpf = attach_drops(&fixture("drops"), &wire, 7001, XdpFlags::default());
    let server = EchoServer::tcp(wire.right.netns(), (wire.right.ipv4(), 7001).into()).unwrap();
    let payload = vec![7; 100_000];
    let timeout = Duration::from_secs(2);
    let answer = hachi_test::tcp_request(wire.left.netns(), server.address(), &payload, timeout);
    assert_eq!(answer.unwrap(), payload);
    assert!(udp_request(wire.left.netns(), server.address(), b"x", SOON).is_err());
}
