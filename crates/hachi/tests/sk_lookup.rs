//! Which socket gets a packet.

mod support;

use std::{
    fs::File,
    net::{TcpListener, TcpStream, UdpSocket},
    os::fd::AsRawFd as _,
    time::Duration,
};

use hachi::{
    Ebpf,
    links::Attachments,
    maps::Map,
    obj::{MapSpec, MapType},
    programs::{AttachOptions, AttachType, SkLookup, TestRunOptions},
};
use hachi_asm::{JumpOp, Operand, Size, build};
use hachi_test::{Netns, exercises, require_bpf};
use support::{
    MAP_LOOKUP_ELEM, load, map_address,
    network::{counting, loaded},
    program, spec,
    tracing::{get, seen},
};

const SK_DROP: i32 = hachi::obj::uapi::sk_action::SK_DROP as i32;
const SK_PASS: i32 = hachi::obj::uapi::sk_action::SK_PASS as i32;

fn lookup(result: i32) -> Ebpf {
    loaded(counting("choose", "sk_lookup", result))
}

#[test]
fn connections_are_dropped() {
    require_bpf!();
    let _row = exercises("sk_lookup", "link");
    let netns = Netns::new().unwrap();
    let mut ebpf = lookup(SK_DROP);
    let program = typed!(ebpf, "choose", SkLookup);
    let id = program.attach(&netns).unwrap();
    let found = Attachments::at(&netns, AttachType::SkLookup).unwrap();
    assert_eq!(found.programs[0].program_id, program.info().unwrap().id());
    netns.run(|| {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        TcpStream::connect_timeout(&address, Duration::from_millis(300)).unwrap_err();
        assert!(seen(&ebpf).0 >= 1);
        get(&mut ebpf, "choose").detach(id).unwrap();
        TcpStream::connect(address).unwrap();
    });
}

#[test]
fn one_socket_answers_for_all_ports() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    // sk = lookup(SOCKETS, 0); sk_assign(ctx, sk, 0); sk_release(sk); return SK_PASS
    const SK_ASSIGN: u32 = hachi_asm::helpers::id::SK_ASSIGN;
    const SK_RELEASE: u32 = hachi_asm::helpers::id::SK_RELEASE;
    let mut insns = vec![
        build::mov(6, 1),
        build::store_imm(Size::W, 10, -4, 0),
        build::mov(2, 10),
        build::add_imm(2, -4),
    ];
    let at = insns.len();
    insns.extend(map_address(1));
    insns.extend([
        build::call_helper(MAP_LOOKUP_ELEM),
        build::jump(JumpOp::Eq, 0, Operand::Imm(0), 7),
        build::mov(7, 0),
        build::mov(1, 6),
        build::mov(2, 7),
        build::mov_imm(3, 0),
        build::call_helper(SK_ASSIGN),
        build::mov(1, 7),
        build::call_helper(SK_RELEASE),
        build::mov_imm(0, SK_PASS),
        build::exit(),
    ]);
    let chooser = program("choose", "sk_lookup", insns, &[(at, "SOCKETS")]);
    let map = MapSpec::new("SOCKETS", MapType::Sockmap, 4, 8, 1);
    let mut ebpf = load(spec(vec![map], vec![chooser]));
    let socket = netns.run(|| UdpSocket::bind("127.0.0.1:0")).unwrap();
    let value = (socket.as_raw_fd() as u64).to_ne_bytes();
    let map: &mut Map = ebpf.map_mut("SOCKETS").unwrap();
    map.data_mut().update_bytes(&[0; 4], &value, 0).unwrap();
    get(&mut ebpf, "choose").load().unwrap();
    let all = netns
        .run(|| ebpf.attach_all(&AttachOptions::new()))
        .unwrap();
    assert_eq!(all.attached[0].1.target, "this network namespace");
    netns.run(|| {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.send_to(b"hello", "127.0.0.1:7").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(2)))
            .unwrap();
        let (_, from) = socket.recv_from(&mut [0; 8]).unwrap();
        assert_eq!(from, client.local_addr().unwrap());
    });
}

#[test]
fn wrong_targets_and_other_programs() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let (mut one, mut two) = (lookup(SK_DROP), lookup(SK_PASS));
    let program = typed!(one, "choose", SkLookup);
    let error = program
        .attach(File::open("/proc/version").unwrap())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("/proc/version") && error.contains("no network namespace"),
        "{error}"
    );
    let id = program.attach(&netns).unwrap();
    let link = program.take_link(id).unwrap();
    typed!(two, "choose", SkLookup)
        .attach_to_link(link)
        .unwrap();
    drop(one);
    netns.run(|| {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        TcpStream::connect(server.local_addr().unwrap()).unwrap();
    });
    assert!(seen(&two).0 >= 1);
}

#[test]
fn runs_without_a_packet() {
    require_bpf!();
    let ebpf = lookup(SK_DROP);
    // struct bpf_sk_lookup: family AF_INET at 8, IPPROTO_TCP at 12; no socket given at 0.
    let mut context = [0; 72];
    context[8] = libc::AF_INET as u8;
    context[12] = libc::IPPROTO_TCP as u8;
    let options = TestRunOptions::new().context(&context);
    let run = ebpf.program("choose").unwrap().test_run(&options);
    assert_eq!(run.unwrap().return_value, SK_DROP as u32);
    assert_eq!(seen(&ebpf).0, 1);
}
