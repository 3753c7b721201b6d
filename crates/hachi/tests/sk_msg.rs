//! What sockets in a map send and receive.

mod support;

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{TcpListener, TcpStream, UdpSocket},
    os::fd::{AsFd as _, AsRawFd, BorrowedFd},
    time::Duration,
};

use hachi::{
    Ebpf, features,
    links::{Attachments, OwnedLink},
    obj::{MapSpec, MapType, ProgramSpec},
    programs::{AttachType, SkMsg, SkSkb, SkSkbKind},
};
use hachi_asm::{Size, build};
use hachi_test::{Bpffs, Netns, exercises, require_bpf, require_kernel};
use support::{
    load,
    network::{counting, observing},
    tracing::{CTX, SEEN, VALUE, get, seen},
};

const SK_DROP: i32 = hachi::obj::uapi::sk_action::SK_DROP as i32;
const SK_PASS: i32 = hachi::obj::uapi::sk_action::SK_PASS as i32;
const SOCKETS: &str = "SOCKETS";

/// A loaded program and a map for sockets.
fn object(program: ProgramSpec) -> Ebpf {
    let name = program.name.clone();
    let maps = vec![
        MapSpec::new(SEEN, MapType::Array, 4, 8, 2),
        MapSpec::new(SOCKETS, MapType::Sockmap, 4, 8, 2),
    ];
    let mut ebpf = load(support::spec(maps, vec![program]));
    get(&mut ebpf, &name).load().unwrap();
    ebpf
}

fn map_fd(ebpf: &Ebpf) -> std::os::fd::OwnedFd {
    let map = ebpf.map(SOCKETS).unwrap().data();
    map.as_fd().try_clone_to_owned().unwrap()
}

fn put(ebpf: &mut Ebpf, socket: &impl AsRawFd) {
    let value = (socket.as_raw_fd() as u64).to_ne_bytes();
    let map = ebpf.map_mut(SOCKETS).unwrap().data_mut();
    map.update_bytes(&[0; 4], &value, 0).unwrap();
}

fn connected(netns: &Netns) -> (TcpStream, TcpStream) {
    netns.run(|| {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
        let (accepted, _) = server.accept().unwrap();
        let timeout = Some(Duration::from_millis(300));
        accepted.set_read_timeout(timeout).unwrap();
        (client, accepted)
    })
}

/// How a map's programs are attached by now.
fn check_kind(link: &OwnedLink) {
    assert_eq!(
        matches!(link, OwnedLink::Fd(_)),
        features::SOCK_MAP_LINK.is_supported()
    );
}

fn programs(map: BorrowedFd<'_>, attach_type: AttachType) -> usize {
    match Attachments::at(map, attach_type) {
        Ok(found) => found.programs.len(),
        Err(error) => {
            assert!(hachi_test::kernel_is_older_than("5.18"), "{error}");
            usize::MAX
        }
    }
}

#[test]
fn messages_are_refused() {
    require_bpf!();
    let _row = exercises("sk_msg", "map");
    let netns = Netns::new().unwrap();
    let mut ebpf = object(counting("judge", "sk_msg", SK_DROP));
    let (mut client, mut server) = connected(&netns);
    let map = map_fd(&ebpf);
    let program = typed!(ebpf, "judge", SkMsg);
    let id = program.attach(&map).unwrap();
    let link = program.take_link(id).unwrap();
    check_kind(&link);
    assert_ne!(programs(map.as_fd(), AttachType::SkMsgVerdict), 0);
    put(&mut ebpf, &client);
    let error = client.write_all(b"hello").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(seen(&ebpf).0, 1);
    drop(link);
    assert!(matches!(
        programs(map.as_fd(), AttachType::SkMsgVerdict),
        0 | usize::MAX
    ));
    // Sockets put there from now on have no program.
    let (mut other, mut end) = connected(&netns);
    put(&mut ebpf, &other);
    other.write_all(b"hello").unwrap();
    end.read_exact(&mut [0; 5]).unwrap();
    server.read_exact(&mut [0; 1]).unwrap_err();
}

#[test]
fn only_maps_of_sockets() {
    require_bpf!();
    let mut ebpf = object(counting("judge", "sk_msg", SK_PASS));
    let map = ebpf.map(SEEN).unwrap().data();
    let array = map.as_fd().try_clone_to_owned().unwrap();
    let program = typed!(ebpf, "judge", SkMsg);
    let error = program.attach(&array).unwrap_err().to_string();
    assert!(
        error.contains("map \"SEEN\"") && error.contains("SockMap"),
        "{error}"
    );
}

#[test]
fn streams_are_cut_and_judged() {
    require_bpf!();
    let _rows =
        ["sk_skb/stream_parser", "sk_skb/stream_verdict"].map(|section| exercises(section, "map"));
    let netns = Netns::new().unwrap();
    let bpffs = Bpffs::new().unwrap();
    // Returns the length of all there is: one message. The counter keeps it.
    const LEN: i16 = 0;
    let length = [build::load(Size::W, VALUE, CTX, LEN)];
    let mut parser = observing("parse", "sk_skb/stream_parser", &length, 0);
    // The last instruction but one before the common exit is `r0 = result`.
    let whole = build::mov(0, VALUE);
    let insns = &mut parser.code_mut().unwrap().insns;
    let returns = insns.len() - 4;
    assert_eq!(insns[returns], build::mov_imm(0, 0));
    insns[returns] = whole;
    let mut cutter = object(parser);
    let mut judge = object(counting("judge", "sk_skb/stream_verdict", SK_DROP));
    let map = map_fd(&judge);
    typed!(cutter, "parse", SkSkb).attach(&map).unwrap();
    get(&mut judge, "judge").pin(bpffs.join("judge")).unwrap();
    let mut pinned = SkSkb::from_pin(bpffs.join("judge"), SkSkbKind::StreamVerdict).unwrap();
    let id = pinned.attach(&map).unwrap();
    let link = pinned.take_link(id).unwrap();
    check_kind(&link);
    let (mut client, mut server) = connected(&netns);
    put(&mut judge, &server);
    client.write_all(b"hello").unwrap();
    let error = server.read(&mut [0; 8]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock, "it was dropped");
    assert_eq!(seen(&cutter), (1, 5));
    assert_eq!(seen(&judge).0, 1);
}

#[test]
fn packets_are_judged() {
    require_bpf!();
    let _row = exercises("sk_skb/verdict", "map");
    let netns = Netns::new().unwrap();
    let program = counting("judge", "sk_skb/verdict", SK_DROP);
    let maps = vec![
        MapSpec::new(SEEN, MapType::Array, 4, 8, 2),
        MapSpec::new(SOCKETS, MapType::Sockmap, 4, 8, 2),
    ];
    let mut ebpf = load(support::spec(maps, vec![program]));
    attempt!(get(&mut ebpf, "judge").load());
    let map = map_fd(&ebpf);
    let program = typed!(ebpf, "judge", SkSkb);
    if hachi_test::kernel_is_older_than("5.13") {
        let error = program.attach(&map).unwrap_err().to_string();
        assert!(error.contains("needs Linux ≥ 5.13"), "{error}");
        hachi_test::skip!("a verdict on all kinds of sockets needs Linux ≥ 5.13");
    }
    program.attach(&map).unwrap();
    let (server, client) = netns.run(|| {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        server.connect(client.local_addr().unwrap()).unwrap();
        client.connect(server.local_addr().unwrap()).unwrap();
        (server, client)
    });
    let timeout = Some(Duration::from_millis(300));
    server.set_read_timeout(timeout).unwrap();
    put(&mut ebpf, &server);
    client.send(b"hello").unwrap();
    server.recv(&mut [0; 8]).unwrap_err();
    assert_eq!(seen(&ebpf).0, 1);
}

/// A section that does not say which kind: the verdict on streams, here without a parser.
#[test]
fn streams_are_judged_by_plain_programs() {
    require_bpf!();
    let _row = exercises("sk_skb", "map");
    require_kernel!("5.13", "a verdict on streams without a parser");
    let netns = Netns::new().unwrap();
    let mut judge = object(counting("judge", "sk_skb", SK_DROP));
    let map = map_fd(&judge);
    typed!(judge, "judge", SkSkb).attach(&map).unwrap();
    let (mut client, mut server) = connected(&netns);
    put(&mut judge, &server);
    client.write_all(b"hello").unwrap();
    server.read(&mut [0; 8]).unwrap_err();
    assert_eq!(seen(&judge).0, 1);
}

#[test]
fn one_program_of_a_kind() {
    require_bpf!();
    let mut first = object(counting("judge", "sk_msg", SK_PASS));
    let mut second = object(counting("judge", "sk_msg", SK_PASS));
    let map = map_fd(&first);
    typed!(first, "judge", SkMsg).attach(&map).unwrap();
    let result = typed!(second, "judge", SkMsg).attach(&map);
    let left = || programs(map.as_fd(), AttachType::SkMsgVerdict);
    if features::SOCK_MAP_LINK.is_supported() {
        let error = result.unwrap_err().to_string();
        assert!(error.contains("attached there already"), "{error}");
        drop(second);
        assert_eq!(left(), 1);
    } else {
        // It takes the place of the first, and each takes off its own only.
        result.unwrap();
        drop(first);
        assert_ne!(left(), 0);
        drop(second);
        assert!(matches!(left(), 0 | usize::MAX));
    }
}
