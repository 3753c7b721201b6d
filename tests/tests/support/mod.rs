//! What several capabilities need.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub mod running;

use hachi::Ebpf;
use hachi::{
    links::LinkId,
    programs::{Xdp, XdpFlags},
};
use hachi_test::{EchoServer, Host, VethPair, udp_request};
use std::time::{Duration, Instant};

/// How long an answer may take: far longer than one does, since only a dropped packet waits so
/// long.
pub const SOON: Duration = Duration::from_millis(400);

/// What [`udp_passes`] sends.
pub const QUESTION: &[u8] = b"anybody there?";

/// Loads the program and attaches it to the host's interface.
#[track_caller]
pub fn attach(ebpf: &mut Ebpf, program: &str, host: &Host, flags: XdpFlags) -> LinkId {
    let program: &mut Xdp = ebpf.program_mut(program).unwrap().try_into().unwrap();
    program.load().unwrap();
    host.netns()
        .run(|| program.attach(host.interface(), flags))
        .unwrap()
}

/// Whether a datagram from the left end of the wire to this port of the right end is answered.
#[track_caller]
pub fn udp_passes(wire: &VethPair, port: u16) -> bool {
    let address = (wire.right.ipv4(), port).into();
    let server = EchoServer::udp(wire.right.netns(), address).unwrap();
    let answer = udp_request(wire.left.netns(), address, QUESTION, SOON);
    assert_eq!(
        answer.is_ok(),
        server.requests() == 1,
        "the answer got lost"
    );
    answer.is_ok()
}

/// As [`udp_passes`], once the kernel has let go of a pin that was removed: it does so after an RCU
/// grace period, not at once.
#[track_caller]
pub fn udp_passes_soon(wire: &VethPair, port: u16) -> bool {
    (0..10).any(|_| udp_passes(wire, port))
}

/// The log lines waiting, without level and place.
pub fn logged(ebpf: &mut Ebpf) -> Vec<String> {
    let mut logger = hachi::EbpfLogger::init(ebpf).unwrap();
    let mut lines = Vec::new();
    while let Some(record) = logger.next_timeout(SOON).unwrap() {
        lines.push(record.message().to_owned());
    }
    lines
}

/// Waits until `holds`, for as long as a loaded machine may need that runs a guest in software.
///
/// The kernel lets go of what a removed pin held a little later than the removal.
#[track_caller]
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
