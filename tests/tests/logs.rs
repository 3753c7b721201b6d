//! Log messages from Rust programs to text, and what those that are off cost.

use hachi::programs::{TestRunOptions, Xdp};
use hachi::{Ebpf, EbpfLoader, EbpfLogger};
use hachi_test::{require_bpf, require_kernel};
use hachi_tests::{fixture, fixture_with};
use log::LevelFilter;
use std::path::Path;

fn load(object: &Path, level: LevelFilter) -> Ebpf {
    EbpfLoader::new()
        .log_level(level)
        .load_file(object)
        .expect("the object loads")
}

/// Loads one program, runs it so often, and gives the number of its instructions.
fn run(ebpf: &mut Ebpf, name: &str, times: usize) -> u32 {
    let program: &mut Xdp = ebpf.program_mut(name).unwrap().try_into().unwrap();
    program.load().unwrap();
    let options = TestRunOptions::new().data(&[0; 100]);
    for _ in 0..times {
        let program = ebpf.program(name).unwrap();
        assert_eq!(program.test_run(&options).unwrap().return_value, 2);
    }
    let info = ebpf.program(name).unwrap().info().unwrap();
    info.xlated_size() / 8
}

fn messages(logger: &mut EbpfLogger) -> Vec<String> {
    let mut all = Vec::new();
    logger.read(|message| {
        let message = message.expect("a record of this object");
        all.push(format!(
            "{:?} {} {message}",
            message.site.level, message.site.target
        ));
    });
    all
}

fn every_kind_becomes_text(object: &Path) {
    let mut ebpf = load(object, LevelFilter::Trace);
    run(&mut ebpf, "logs", 1);
    let mut logger = EbpfLogger::init(&mut ebpf).unwrap();
    assert_eq!(
        messages(&mut logger),
        [
            "Error logs 100 bytes, port 0x01bb",
            "Warn rules 192.0.2.7 is    bad, \u{2192} {443}",
            "Info logs 02:00:00:ab:cd:ef on eth0",
            "Debug logs 101 100  |",
            "Trace logs no context",
        ]
    );
    assert_eq!(logger.lost().unwrap(), 0);
}

#[test]
fn long_text_is_sent_as_far_as_asked() {
    require_bpf!();
    require_kernel!("5.18", "bpf_xdp_load_bytes");
    for object in [fixture("logs"), fixture_with("logs", &["--debug"])] {
        let mut ebpf = load(&object, LevelFilter::Trace);
        let mut packet = b"\x01\x10GET /\r\n".to_vec();
        packet.resize(300, b'x');
        for name in ["texts", "long_text", "longest"] {
            let program: &mut Xdp = ebpf.program_mut(name).unwrap().try_into().unwrap();
            program.load().unwrap();
            let options = TestRunOptions::new().data(&packet);
            let ran = ebpf.program(name).unwrap().test_run(&options).unwrap();
            assert_eq!(ran.return_value, 2);
        }
        let mut logger = EbpfLogger::init(&mut ebpf).unwrap();
        let shown = |length: usize, end| {
            let rest = "x".repeat(length - 9);
            format!("Error logs [\\x01\\x10GET /\\r\\n{rest}{end}]")
        };
        let said = messages(&mut logger);
        assert!(
            said == [
                shown(64, "…"),
                shown(128, "…"),
                shown(300, ""),
                shown(0x110, ""),
                format!("Error logs [{}…]", "y".repeat(8192)),
            ],
            "{:.300}",
            format!("{said:?}")
        );
    }
}

#[test]
fn each_kind_of_message_becomes_text() {
    require_bpf!();
    every_kind_becomes_text(&fixture("logs"));
}

#[test]
fn also_in_a_debug_build() {
    require_bpf!();
    every_kind_becomes_text(&fixture_with("logs", &["--debug"]));
}

#[test]
fn a_level_that_is_off_costs_nothing() {
    require_bpf!();
    let object = fixture("logs");
    let mut sizes = Vec::new();
    for (level, expected) in [
        (LevelFilter::Off, 0),
        (LevelFilter::Error, 1),
        (LevelFilter::Info, 3),
        (LevelFilter::Trace, 5),
    ] {
        let mut ebpf = load(&object, level);
        sizes.push(run(&mut ebpf, "logs", 1));
        let mut logger = EbpfLogger::init(&mut ebpf).unwrap();
        assert_eq!(messages(&mut logger).len(), expected, "{level}");
    }
    // The verifier removes what a constant turns off.
    assert!(sizes.is_sorted_by(|a, b| a < b), "{sizes:?}");
    assert!(sizes[0] < 20 && sizes[3] > 100, "{sizes:?}");
}

#[test]
fn lost_messages_are_counted() {
    require_bpf!();
    let mut ebpf = load(&fixture("logs"), LevelFilter::Info);
    // 256 KiB hold some 8000 records of 32 bytes.
    run(&mut ebpf, "flood", 200);
    let mut logger = EbpfLogger::init(&mut ebpf).unwrap();
    let read = messages(&mut logger).len() as u64;
    let lost = logger.lost().unwrap();
    assert!(
        lost > 0 && read + lost == 200 * 64,
        "{read} read, {lost} lost"
    );
}
