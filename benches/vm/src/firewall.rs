//! The firewall of `examples/xdp-firewall` over packets: how long until the first one, and how many
//! a second.

use crate::figures::{self, Goal, Unit, figure};
use crate::timing;
use hachi::obj::Spec;
use hachi_vm::{Config, Engine, Input, Vm};
use std::time::Instant;

const ROUNDS: usize = 21;
const PACKETS: usize = 200_000;

/// Measures the object whose path is the argument of this program.
pub fn measure() {
    let Some(path) = std::env::args_os().nth(1) else {
        println!("  the firewall: not measured: no object was given");
        return;
    };
    let object = std::fs::read(path).expect("the firewall's object");
    let packets = packets();
    figures::group("the firewall of examples/xdp-firewall");
    let mut first = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let (mut vm, program) = machine(&object, Engine::Interpreter);
        vm.run(&program, &Input::new(&packets[0])).expect("a run");
        first.push(start.elapsed().as_secs_f64());
    }
    let first = timing::median(&first);
    let goal = Goal::Below(0.010);
    figure("object to the first packet", first, Unit::Seconds, goal);
    for (name, engine) in [
        ("interpreted", Engine::Interpreter),
        ("compiled, checked", Engine::Jit),
    ] {
        let (mut vm, program) = machine(&object, engine);
        let mut firewall = vm.packets(&program).expect("a program of packets");
        let rate = rate(&packets, |packet| firewall.run(packet).expect("a run"));
        figure(name, rate, Unit::MegaPackets, Goal::None);
    }
    let (mut vm, program) = machine(&object, Engine::Jit);
    let mut firewall = vm.packets(&program).expect("a program of packets");
    let rate = rate(&packets, |packet| {
        // SAFETY: the tests load this object into kernels, whose verifiers accept it.
        unsafe { firewall.run_unchecked(packet) }.expect("a run")
    });
    let goal = Goal::Above(10.0);
    figure("compiled, unchecked", rate, Unit::MegaPackets, goal);
}

/// Millions of packets a second.
fn rate(packets: &[Vec<u8>], mut run: impl FnMut(&[u8]) -> u32) -> f64 {
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        let mut sum = 0_u64;
        let nanoseconds = timing::per_one(PACKETS as u32, || {
            for packet in packets.iter().cycle().take(PACKETS) {
                sum += u64::from(run(packet));
            }
        });
        rates.push(1e3 / nanoseconds);
        assert!(sum > 0);
    }
    timing::median(&rates)
}

fn machine(object: &[u8], engine: Engine) -> (Vm, String) {
    let spec = Spec::parse(object).expect("an object");
    let mut config = Config::default();
    config.engine = engine;
    let vm = Vm::new(&spec, &config).expect("a machine");
    let program = vm.programs().next().expect("a program").to_owned();
    (vm, program)
}

/// UDP and TCP packets of 64 to 640 bytes from 64 addresses.
fn packets() -> Vec<Vec<u8>> {
    let packet = |number: u8| {
        let mut packet = vec![0; 64 + usize::from(number) * 9];
        packet[12..14].copy_from_slice(&[0x08, 0x00]);
        packet[14] = 0x45;
        let len = (packet.len() - 14) as u16;
        packet[16..18].copy_from_slice(&len.to_be_bytes());
        packet[22] = 64;
        packet[23] = if number.is_multiple_of(2) { 17 } else { 6 };
        packet[26..30].copy_from_slice(&[192, 0, 2, number]);
        packet[30..34].copy_from_slice(&[198, 51, 100, 7]);
        packet[34..38].copy_from_slice(&[0x30, number, 0x00, 0x35]);
        packet[46] = 0x50;
        packet
    };
    (0..64).map(packet).collect()
}
