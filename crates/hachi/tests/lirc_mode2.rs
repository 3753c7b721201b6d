//! What infrared receivers see: the pulses that the module `rc-loopback` sends to itself.

mod support;

use std::{fs::File, io::Write as _, time::Duration};

use hachi::links::{Needed, NoTarget};
use hachi::programs::{AttachOptions, LircMode2};
use hachi_test::{exercises, require_bpf};
use support::{
    network::{loaded, observing_only, word},
    tracing::seen,
};

/// What a receiver says of 1500 µs with light (`LIRC_MODE2_PULSE`).
const PULSE: i32 = 0x0100_0000 | 1500;

#[test]
fn pulses_are_seen() {
    require_bpf!();
    let _row = exercises("lirc_mode2", "BPF_PROG_ATTACH");
    let Ok(mut device) = File::options().read(true).write(true).open("/dev/lirc0") else {
        hachi_test::skip!("there is no infrared receiver (CONFIG_BPF_LIRC_MODE2)");
    };
    let mut ebpf = loaded(observing_only("decode", "lirc_mode2", &word(0), PULSE, 0));
    let all = ebpf.attach_all(&AttachOptions::new()).unwrap();
    assert_eq!(all.left_out[0].1, NoTarget::Needs(Needed::Device));
    let id = typed!(ebpf, "decode", LircMode2).attach(&device).unwrap();
    // Light, no light, and light again.
    let send = |device: &mut File| {
        let pulses: Vec<u8> = [1500u32, 700, 1500].map(u32::to_ne_bytes).concat();
        device.write_all(&pulses).unwrap();
        // The receiver's thread passes them on.
        std::thread::sleep(Duration::from_millis(300));
    };
    send(&mut device);
    assert_eq!(seen(&ebpf), (2, PULSE as u64));
    typed!(ebpf, "decode", LircMode2).detach(id).unwrap();
    send(&mut device);
    assert_eq!(seen(&ebpf).0, 2);
}
