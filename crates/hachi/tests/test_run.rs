//! Programs that are run without an event.

mod support;

use std::{
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    time::Duration,
};

use hachi::programs::TestRunOptions;
use hachi_asm::build;
use hachi_test::{VethPair, require_bpf, supported};
use support::{XDP_PASS, load, one, spec, tracing::get, xdp};

#[test]
fn on_the_cpu_asked_for() {
    require_bpf!();
    const GET_SMP_PROCESSOR_ID: u32 = hachi_asm::helpers::id::GET_SMP_PROCESSOR_ID;
    let which = support::program(
        "which",
        "raw_tp/sys_enter",
        vec![build::call_helper(GET_SMP_PROCESSOR_ID), build::exit()],
        &[],
    );
    let mut ebpf = load(spec(Vec::new(), vec![which]));
    let program = get(&mut ebpf, "which");
    program.load().unwrap();
    let cpus = std::thread::available_parallelism().unwrap().get() as u32;
    for cpu in 0..cpus {
        let options = TestRunOptions::new().on_cpu(cpu);
        assert_eq!(program.test_run(&options).unwrap().return_value, cpu);
    }
    // There is no such CPU.
    let options = TestRunOptions::new().on_cpu(u32::MAX);
    assert!(program.test_run(&options).is_err());
}

/// A UDP packet, broadcast.
fn datagram(from: Ipv4Addr, to: SocketAddrV4, text: &[u8]) -> Vec<u8> {
    let length = |header: usize| (header + text.len()) as u16;
    let mut ip = Vec::new();
    ip.extend([0x45, 0]);
    ip.extend(length(28).to_be_bytes());
    ip.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    ip.extend(from.octets());
    ip.extend(to.ip().octets());
    let sum: u32 = ip
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16; // no second carry here
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    let mut frame = vec![0xff; 6];
    frame.extend([2, 0, 0, 0, 0, 1]);
    frame.extend([8, 0]);
    frame.extend(ip);
    for word in [to.port(), to.port(), length(8), 0] {
        frame.extend(word.to_be_bytes());
    }
    frame.extend(text);
    frame
}

#[test]
fn live_frames_are_received() {
    require_bpf!();
    let mut ebpf = load(one("pass", XDP_PASS));
    let program = xdp(&mut ebpf, "pass");
    let wire = VethPair::new().unwrap();
    let (host, from) = (&wire.right, wire.left.ipv4());
    let run = |repeat, batch_size| {
        host.netns().run(|| {
            let socket = UdpSocket::bind((host.ipv4(), 0)).unwrap();
            socket
                .set_read_timeout(Some(Duration::from_millis(200)))
                .unwrap();
            let to = SocketAddrV4::new(host.ipv4(), socket.local_addr().unwrap().port());
            let data = datagram(from, to, b"live");
            // struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index,
            // egress_ifindex
            let context: Vec<u8> = [0, data.len() as u32, 0, host.index(), 0, 0]
                .iter()
                .flat_map(|word| word.to_ne_bytes())
                .collect();
            let options = TestRunOptions::new()
                .data(&data)
                .context(&context)
                .repeat(repeat)
                .live_frames(batch_size);
            program.test_run(&options)?;
            let mut received = 0;
            let mut buffer = [0; 64];
            while let Ok((4, _)) = socket.recv_from(&mut buffer) {
                assert_eq!(&buffer[..4], b"live");
                received += 1;
            }
            Ok::<u32, hachi::programs::ProgramError>(received)
        })
    };
    assert_eq!(supported!(run(10, 4)), 10);
    assert_eq!(run(3, 0).unwrap(), 3);
    // The kernel's limit of a batch is 256.
    assert!(run(1, 257).is_err());
}
