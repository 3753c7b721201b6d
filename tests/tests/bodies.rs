//! One test body for each place that runs programs, and the contexts that the virtual machine
//! gives programs of each type.

use hachi_test::machine::context::{Arch, Registers};
use hachi_test::machine::{Image, Redirect, Socket};
use hachi_test::{Bpf, Input, Place};
use hachi_tests::fixture;

fn object(name: &'static str) -> Vec<u8> {
    std::fs::read(fixture(name)).unwrap()
}

fn network() -> Vec<u8> {
    object("network")
}

fn probes() -> Vec<u8> {
    object("probes")
}

/// From 10.0.0.1 to 10.0.0.2, UDP from port 7 to `port`.
fn udp(port: u16) -> Vec<u8> {
    let mut packet = vec![2, 5, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 32];
    packet.extend([0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 7]);
    packet.extend(port.to_be_bytes());
    packet.extend([0, 12, 0x12, 0x34, 1, 2, 3, 4]);
    packet
}

#[hachi_test::test(network)]
fn a_body_sees_packets_and_maps_as_the_program_left_them(bpf: &mut Bpf) {
    let before = udp(7);
    let run = bpf.run("tc", &Input::new(&before));
    assert_eq!(run.verdict, 0);
    assert_eq!(run.packet[36..38], [0, 9], "the port is another");
    let sum = |packet: &[u8]| u16::from_be_bytes([packet[40], packet[41]]);
    assert_eq!(sum(&run.packet), sum(&before) - 2);
    let mut seen = bpf.map::<u32, u64>("SEEN");
    assert_eq!(seen.get(0), Some(0x800));
    assert_eq!(seen.get(1), Some(before.len() as u64));
    assert_eq!(seen.get(8), None, "an array of 8");
    assert_eq!(seen.entries().len(), 8);
    assert!(seen.insert(8, 1).is_err());
    seen.insert(7, 1).unwrap();
    assert_eq!(seen.get(7), Some(1));
    // Again, with the maps as they are now.
    assert_eq!(bpf.run("tc", &Input::new(&before[..40])).verdict, 0);
    assert_eq!(bpf.map::<u32, u64>("SEEN").get(1), Some(40));
}

#[hachi_test::test(network)]
fn a_socket_filter_and_a_cgroup_see_no_ethernet_header(bpf: &mut Bpf) {
    let packet = udp(1);
    let run = bpf.run("filter", &Input::new(&packet));
    assert_eq!(run.verdict as usize, packet.len() - 14);
    assert_eq!(run.packet, packet[14..]);
    assert_eq!(bpf.run("cgroup_packet", &Input::new(&packet)).verdict, 1);
}

#[hachi_test::test(network)]
fn a_lookup_is_asked_about_a_port(bpf: &mut Bpf) {
    let input = Input::default()
        .field("family", 2)
        .field("protocol", 6)
        .array("local_ip4", &[127, 0, 0, 1])
        .array("remote_ip4", &[127, 0, 0, 1])
        .field("local_port", 7);
    assert_eq!(bpf.run("lookup", &input).verdict, 1);
    assert_eq!(bpf.map::<u32, u64>("SEEN").get(7), Some(7));
}

#[hachi_test::test(probes)]
fn a_syscall_program_gets_its_bytes(bpf: &mut Bpf) {
    let mut bytes = [0_u8; 24];
    bytes[..8].copy_from_slice(&40_u64.to_ne_bytes());
    bytes[8..16].copy_from_slice(&2_u64.to_ne_bytes());
    let run = bpf.run("sum", &Input::new(&bytes));
    assert_eq!(run.verdict, 7);
    if let Some(output) = run.vm {
        assert_eq!(output.context()[16..], 42_u64.to_ne_bytes());
    }
}

#[hachi_test::test(network, only(vm))]
fn programs_of_cgroups_get_sockets_and_addresses(bpf: &mut Bpf) {
    let local = "10.0.0.1:4000".parse().unwrap();
    let socket = Socket::tcp(local, "10.0.0.2:80".parse().unwrap());
    let made = bpf.run("cgroup_socket", &Input::default().socket(socket.clone()));
    assert_eq!(made.verdict, 1);
    assert_eq!(made.vm.unwrap().field("mark"), Some(7));

    let connect = Input::default()
        .socket(socket.clone())
        .array("user_ip4", &[192, 0, 2, 7])
        .array("user_port", &80_u16.to_be_bytes());
    let run = bpf.run("cgroup_connect", &connect);
    assert_eq!(run.verdict, 1);
    assert_eq!(run.vm.unwrap().array("user_ip4"), Some(&[127, 0, 0, 1][..]));

    let run = bpf.run("cgroup_connect6", &Input::default());
    let mut loopback = [0; 16];
    loopback[15] = 1;
    assert_eq!(run.vm.unwrap().array("user_ip6"), Some(&loopback[..]));
}

#[hachi_test::test(network, only(vm))]
fn programs_of_cgroups_get_options_sysctls_and_devices(bpf: &mut Bpf) {
    let option = Input::new(&[0; 8]).field("level", 0xdead);
    let run = bpf.run("cgroup_option", &option);
    assert_eq!(run.verdict, 1);
    let output = run.vm.unwrap();
    assert_eq!(output.field("optlen"), Some(4));
    assert_eq!(output.field("retval"), Some(0));
    assert_eq!(output.bytes[..4], 5_u32.to_ne_bytes());
    let short = Input::new(&[0; 2]).field("level", 0xdead);
    assert_eq!(bpf.run("cgroup_option", &short).verdict, 0);

    bpf.vm().unwrap().world_mut().sysctl.name = "net/ipv4/ip_forward".to_owned();
    let reads = bpf.run("cgroup_sysctl_access", &Input::default());
    assert_eq!(reads.verdict, 1);
    // No room for it: `-E2BIG`.
    assert_eq!(bpf.map::<u32, u64>("SEEN").get(4), Some(-7_i64 as u64));
    bpf.map::<u32, u64>("SEEN").insert(7, 32).unwrap();
    let writes = Input::default().field("write", 1);
    assert_eq!(bpf.run("cgroup_sysctl_access", &writes).verdict, 0);
    assert_eq!(bpf.map::<u32, u64>("SEEN").get(4), Some(19));

    let access = |major| {
        Input::default()
            .field("major", major)
            .field("access_type", 4 << 16)
    };
    assert_eq!(bpf.run("cgroup_device_access", &access(1)).verdict, 0);
    assert_eq!(bpf.run("cgroup_device_access", &access(2)).verdict, 1);
}

#[hachi_test::test(network, only(vm))]
fn programs_of_sockets_get_events_messages_and_streams(bpf: &mut Bpf) {
    let local = "10.0.0.1:4000".parse().unwrap();
    let socket = Socket::tcp(local, "10.0.0.2:80".parse().unwrap());
    // `BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB`
    let established = Input::default().socket(socket.clone()).field("op", 4);
    let output = bpf.run("socket_events", &established).vm.unwrap();
    assert_eq!(output.field("reply"), Some(u64::from(u32::MAX)));
    assert_eq!(output.field("bpf_sock_ops_cb_flags"), Some(4));
    assert_eq!(bpf.map::<u32, u64>("SEEN").get(5), Some(4000));

    assert_eq!(bpf.run("message", &Input::new(b"drop it")).verdict, 0);
    assert_eq!(bpf.run("message", &Input::new(b"keep it")).verdict, 1);
    assert_eq!(bpf.run("message", &Input::new(b"")).verdict, 0);

    assert_eq!(bpf.run("parser", &Input::new(b"12345")).verdict, 5);
    let run = bpf.run("verdict", &Input::new(b"abc"));
    assert_eq!((run.verdict, &run.packet[..]), (1, &b"xbc"[..]));

    let datagram = |first| [&[0; 8][..], &[first]].concat();
    let drop = bpf.run("reuseport", &Input::new(&datagram(b'd')));
    let pass = bpf.run("reuseport", &Input::new(&datagram(b'p')));
    assert_eq!((drop.verdict, pass.verdict), (0, 1));
}

/// Has the programs of `probes` look at the process that runs; what they saw, and how often.
fn seen_by_probes(bpf: &mut Bpf, program: &str, input: &Input<'_>) -> [u64; 4] {
    let process = bpf.vm().unwrap().world().task.tgid;
    bpf.map::<u32, u32>("WANTED").insert(0, process).unwrap();
    let mut seen = bpf.map::<u32, [u64; 4]>("SEEN");
    seen.insert(0, [0; 4]).unwrap();
    bpf.run(program, input);
    bpf.map::<u32, [u64; 4]>("SEEN").get(0).unwrap()
}

#[hachi_test::test(probes, only(vm))]
fn probes_get_registers(bpf: &mut Bpf) {
    let registers = Registers::new(Arch::X86_64)
        .argument(0, 11)
        .argument(1, 22)
        .argument(2, 33)
        .result(44)
        .instruction(0x1234);
    let input = Input::default().registers(registers);
    assert_eq!(seen_by_probes(bpf, "entered", &input), [1, 11, 22, 33]);
    assert_eq!(seen_by_probes(bpf, "returned", &input), [1, 44, 0, 0]);
    // The machine's counter has been on for a second.
    bpf.vm().unwrap().world_mut().counter = (5, 1_000_000_000, 1_000_000_000);
    let sampled = input.field("sample_period", 99);
    let seen = seen_by_probes(bpf, "sample", &sampled);
    assert_eq!(seen, [1, 0x1234, 99, 1_000_000_000]);
}

#[hachi_test::test(probes, only(vm))]
fn a_session_remembers_values_from_its_entry(bpf: &mut Bpf) {
    let registers = |argument| Registers::new(Arch::X86_64).argument(0, argument).result(9);
    let enter = Input::default().registers(registers(5));
    assert_eq!(seen_by_probes(bpf, "session", &enter), [0; 4]);
    let leave = Input::default().registers(registers(0)).returned(9);
    assert_eq!(seen_by_probes(bpf, "session", &leave), [1, 5, 9, 1]);
}

#[hachi_test::test(probes, only(vm))]
fn a_tracepoint_gets_its_record(bpf: &mut Bpf) {
    // `struct syscall_trace_enter`: 8 bytes of every record, the number, the arguments.
    let mut record = [0_u8; 64];
    record[8..16].copy_from_slice(&121_u64.to_ne_bytes());
    record[16..24].copy_from_slice(&77_u64.to_ne_bytes());
    assert_eq!(
        seen_by_probes(bpf, "recorded", &Input::new(&record)),
        [1, 77, 0, 0]
    );
}

#[hachi_test::test(network, only(vm))]
fn a_capture_of_fragments_is_reached_by_helpers(bpf: &mut Bpf) {
    let packet = udp(7);
    let (first, rest) = packet.split_at(30);
    // What is not in the first buffer is not read directly.
    let input = Input::new(first).fragments(rest);
    let run = bpf.run("tc", &input);
    assert_eq!(run.packet, packet, "unchanged");
}

#[hachi_test::test(network, only(vm))]
fn a_field_that_is_not_there_is_named(bpf: &mut Bpf) {
    let vm = bpf.vm().unwrap();
    let error = vm
        .run("tc", &Input::new(&[0; 64]).field("colour", 1))
        .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("the input sets `colour`"), "{text}");
    assert!(text.contains("__sk_buff"), "{text}");
}

#[hachi_test::test(network, only(kernel))]
fn bodies_the_kernel_cannot_run_are_skipped_with_a_reason(bpf: &mut Bpf) {
    assert_eq!(bpf.place(), Place::Kernel);
    let device = Input::default().field("major", 1);
    let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        bpf.run("cgroup_device_access", &device)
    }));
    assert!(ran.is_err(), "there is no test run for it");
    // That it is skipped is the attribute's business; here the body goes on.
    assert_eq!(bpf.run("filter", &Input::new(&udp(1))).verdict, 32);
}

/// Images of memory and redirections are the machine's alone.
#[hachi_test::test(network, only(vm))]
fn the_world_is_set_between_runs(bpf: &mut Bpf) {
    let world = bpf.vm().unwrap().world_mut();
    world.images.push(Image {
        address: 0xffff_8000_0000_1000,
        bytes: vec![1, 2, 3],
        user: false,
    });
    world.cgroup = 77;
    let _ = bpf.run("cgroup_packet", &Input::new(&udp(1)));
    assert_eq!(bpf.map::<u32, u64>("SEEN").get(3), Some(77));
    let none: Option<Redirect> = bpf.run("tc", &Input::new(&udp(7))).vm.unwrap().redirect;
    assert_eq!(none, None);
}
