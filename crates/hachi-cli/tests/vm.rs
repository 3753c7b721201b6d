//! `hachi vm`: objects over captures, single programs, hostile input.

mod support;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::json;
use support::{Run, command, hachi, object};

/// A frame of this many bytes, from 02:00:00:00:00:01 to 02:00:00:00:00:02.
fn frame(len: usize) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    frame.resize(len, 0x5a);
    frame
}

/// The header of a capture in pcap format, with times in microseconds.
fn header(link: u32) -> Vec<u8> {
    let mut bytes = 0xa1b2_c3d4_u32.to_le_bytes().to_vec();
    bytes.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend(0x4_0000_u32.to_le_bytes());
    bytes.extend(link.to_le_bytes());
    bytes
}

fn pcap(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = header(1);
    for (at, frame) in frames.iter().enumerate() {
        let len = frame.len() as u32;
        for field in [1000 + at as u32, 5, len, len] {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend(frame);
    }
    bytes
}

/// A block of a pcapng file.
fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(4), 0);
    let len = (body.len() as u32 + 12).to_le_bytes();
    [&kind.to_le_bytes()[..], &len, &body, &len].concat()
}

/// A capture in pcapng format; with `option` in the description of its interface.
fn pcapng(frames: &[Vec<u8>], option: &[u8], units_in_a_second: u64) -> Vec<u8> {
    let mut section = 0x1a2b_3c4d_u32.to_le_bytes().to_vec();
    section.extend([1, 0, 0, 0]);
    section.extend([0xff; 8]);
    let mut bytes = block(0x0a0d_0d0a, &section);
    let mut interface = vec![1, 0, 0, 0, 0, 0, 4, 0];
    interface.extend(option);
    bytes.extend(block(1, &interface));
    for (at, frame) in frames.iter().enumerate() {
        let time = (1000 + at as u64) * units_in_a_second + 5 * units_in_a_second / 1_000_000;
        let mut packet = vec![0; 4];
        packet.extend(((time >> 32) as u32).to_le_bytes());
        packet.extend((time as u32).to_le_bytes());
        for _ in 0..2 {
            packet.extend((frame.len() as u32).to_le_bytes());
        }
        packet.extend(frame);
        bytes.extend(block(6, &packet));
    }
    bytes
}

fn file(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, bytes).expect("a file");
    path
}

fn dir() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

/// `hachi vm run` of the program that passes every packet.
fn talker(capture: &Path, rest: &[&str]) -> Run {
    let mut command = command(["vm", "run"]);
    command.arg(object("talker")).arg("--pcap").arg(capture);
    support::run(command.args(rest))
}

#[test]
fn verdicts_are_counted_and_packets_written_with_their_times() {
    let dir = dir();
    let frames = [frame(60), frame(61), frame(1514)];
    let capture = file(dir.path(), "in.pcap", &pcap(&frames));
    let out = dir.path().join("out.pcap");
    let written = out.to_str().expect("text");
    let run = talker(&capture, &["--json", "--write", written]).code(0);
    let document = run.json();
    assert_eq!(document["packets"], 3);
    assert_eq!(document["verdicts"], json!({ "pass": 3 }));
    assert_eq!(document["faults"], 0);
    assert!(document["packets_per_second"].as_u64().expect("a number") > 0);
    // What was written is read again: the same packets, at the same times.
    let bytes = std::fs::read(&out).expect("the capture");
    let mut at = 24;
    for (number, frame) in frames.iter().enumerate() {
        let field = |at: usize| {
            let bytes = bytes[at..at + 4].try_into().expect("4 bytes");
            u32::from_le_bytes(bytes)
        };
        assert_eq!(field(at), 1000 + number as u32);
        assert_eq!(field(at + 4), 5000, "nanoseconds");
        assert_eq!(field(at + 8) as usize, frame.len());
        assert_eq!(bytes[at + 16..at + 16 + frame.len()], frame[..]);
        at += 16 + frame.len();
    }
    assert_eq!(at, bytes.len());
    talker(&capture, &[])
        .code(0)
        .prints(&["3 packets", "pass", "HACHI_LOG"]);
}

/// What is written takes the place of files alone: links lead on, and a pipe stays a pipe, as the
/// devices of /dev do.
#[test]
fn links_and_pipes_given_as_outputs_stay() {
    use std::os::unix::fs::{FileTypeExt, symlink};
    let dir = dir();
    let capture = file(dir.path(), "in.pcap", &pcap(&[frame(60)]));
    for option in ["--write", "--coverage", "--profile"] {
        let (link, pipe) = (dir.path().join("link"), dir.path().join("pipe"));
        let target = file(dir.path(), "target", b"old");
        symlink(&target, &link).expect("a link");
        let path = std::ffi::CString::new(pipe.to_str().expect("text")).expect("no NUL");
        // SAFETY: a string that lives through the call.
        assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
        talker(&capture, &[option, link.to_str().expect("text")]).code(0);
        assert!(link.is_symlink(), "{option}");
        let through_link = std::fs::read(&target).expect("what it leads to");
        assert_ne!(through_link, b"old", "{option}");
        // Open at both ends here, so that neither waits to be opened; it holds 64 KiB.
        let both = std::fs::File::options().read(true).write(true).open(&pipe);
        let mut both = both.expect("the pipe");
        talker(&capture, &[option, pipe.to_str().expect("text")]).code(0);
        let kind = std::fs::metadata(&pipe).expect("the pipe").file_type();
        assert!(kind.is_fifo(), "{option}");
        let mut through_pipe = vec![0; through_link.len()];
        assert!(through_pipe.len() < 64 << 10, "{option}");
        std::io::Read::read_exact(&mut both, &mut through_pipe).expect("as much");
        // The paths of sources are the same, and so are the times of packets.
        assert_eq!(through_pipe, through_link, "{option}");
        for path in [&link, &pipe, &target] {
            std::fs::remove_file(path).expect("it is there");
        }
    }
}

#[test]
fn captures_in_pcapng_format_are_the_same() {
    let dir = dir();
    let frames = [frame(60), frame(99)];
    let plain = file(dir.path(), "in.pcap", &pcap(&frames));
    let write = |capture: &Path| {
        let out = dir.path().join("out.pcap");
        talker(capture, &["--write", out.to_str().expect("text")]).code(0);
        std::fs::read(out).expect("the capture")
    };
    let expected = write(&plain);
    // Microseconds unless the interface says otherwise: here, nanoseconds.
    let nanos = [9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0];
    for (option, units) in [(&[][..], 1_000_000), (&nanos[..], 1_000_000_000)] {
        let bytes = pcapng(&frames, option, units);
        let capture = file(dir.path(), "in.pcapng", &bytes);
        assert_eq!(write(&capture), expected, "{units} units");
    }
}

#[test]
fn both_engines_give_the_same() {
    let dir = dir();
    let capture = file(dir.path(), "in.pcap", &pcap(&[frame(60), frame(61)]));
    let documents = [&["--json"][..], &["--json", "--interpret"]].map(|arguments| {
        let mut document = talker(&capture, arguments).code(0).json();
        for varies in ["seconds", "packets_per_second"] {
            document[varies] = 0.into();
        }
        document
    });
    assert_eq!(documents[0], documents[1]);
}

#[test]
fn a_hostile_capture_is_one_error_and_leaves_nothing() {
    let dir = dir();
    let whole = pcap(&[frame(60)]);
    let mut long = whole.clone();
    long[24 + 8..24 + 16].fill(0xff);
    let mut lacking = pcapng(&[frame(60)], &[], 1_000_000);
    // The packet's interface, behind the section and the interface.
    lacking[28 + 20 + 8] = 7;
    let captures: [(&str, Vec<u8>, &str); 7] = [
        ("empty", Vec::new(), "empty"),
        (
            "text",
            b"not a capture at all, but some text".to_vec(),
            "text",
        ),
        ("cut", whole[..40].to_vec(), "packet 1"),
        ("long", long, "packet 1"),
        ("link", header(105), "link type 105"),
        ("half", pcapng(&[frame(60)], &[], 1)[..70].to_vec(), "block"),
        ("lacking", lacking, "interface 7"),
    ];
    for (name, bytes, word) in captures {
        let capture = file(dir.path(), name, &bytes);
        let out = dir.path().join("out.pcap");
        let run = talker(&capture, &["--write", out.to_str().expect("text")]);
        let run = run.code(1).says(&["reading capture", name, word]);
        assert_eq!(run.stderr.matches("error").count(), 1, "{}", run.stderr);
        assert_eq!(run.stdout, "");
        assert!(!out.exists(), "{name}");
    }
    let absent = dir.path().join("absent");
    talker(&absent, &[]).code(1).says(&["absent"]);
}

#[test]
fn refuses_map_contents_that_do_not_fit() {
    let dir = dir();
    let capture = file(dir.path(), "in.pcap", &pcap(&[frame(60)]));
    for (text, word) in [
        ("{", "EOF"),
        ("7", "list"),
        ("[{\"value\": 1}]", "key"),
        ("[{\"key\": 99999999999, \"value\": 1}]", "key"),
    ] {
        let json = file(dir.path(), "map.json", text.as_bytes());
        let filled = format!("HACHI_LOG_LOST={}", json.display());
        let out = dir.path().join("out.pcap");
        let written = out.to_str().expect("text");
        talker(&capture, &["--map", &filled, "--write", written])
            .code(1)
            .says(&["HACHI_LOG_LOST", "map.json", word]);
        assert!(!out.exists(), "{text}");
    }
    talker(&capture, &["--map", "NONE=/dev/null"])
        .code(1)
        .says(&["NONE"]);
    talker(&capture, &["--map", "NONE"])
        .code(2)
        .says(&["NAME=FILE"]);
    talker(&capture, &["--set", "NONE=1"])
        .code(2)
        .says(&["NONE"]);
}

#[test]
fn globals_are_set_before_the_first_packet() {
    let dir = dir();
    let capture = file(dir.path(), "in.pcap", &pcap(&[frame(60)]));
    let verdicts = |rest: &[&str]| {
        let mut command = command(["vm", "run"]);
        command.arg(object("settings")).arg("--pcap").arg(&capture);
        let run = support::run(command.args(["--json"]).args(rest));
        run.code(0).json()["verdicts"].clone()
    };
    assert_eq!(verdicts(&[]), json!({ "tx": 1 }));
    assert_eq!(verdicts(&["--set", "FLAG=true"]), json!({ "pass": 1 }));
    let both = ["--set", "FLAG=true", "--set", "MODE=On"];
    assert_eq!(verdicts(&both), json!({ "drop": 1 }));
}

#[test]
fn an_object_is_run_as_on_machines_of_its_byte_order_only() {
    let dir = dir();
    let capture = file(dir.path(), "in.pcap", &pcap(&[frame(60)]));
    talker(&capture, &["--as", "arm64"]).code(0);
    talker(&capture, &["--as", "s390x"])
        .code(1)
        .says(&["talker.o", "little-endian", "big-endian"]);
}

#[test]
fn a_trace_shows_lines_registers_and_memory() {
    let dir = dir();
    let capture = file(dir.path(), "in.pcap", &pcap(&[frame(60)]));
    let trace = |rest: &[&str]| {
        let mut command = command(["vm", "trace"]);
        command.arg(object("talker")).arg("--pcap").arg(&capture);
        support::run(command.args(rest))
    };
    trace(&[])
        .code(0)
        .prints(&["talker.rs:", "reads", "r0 = 0x2", "exit", "result 2"]);
    let document = trace(&["--json"]).code(0).json();
    assert_eq!(document["result"], 2);
    let steps = document["steps"].as_array().expect("a list");
    assert_eq!(steps[0]["insn"], 0);
    assert!(steps[0]["registers"].as_array().expect("a list").len() == 11);
    assert!(steps.iter().any(|step| !step["memory"].is_null()));
    let short = trace(&["--json", "--most", "3"]).code(0).json();
    assert_eq!(short["steps"].as_array().expect("a list").len(), 3);
    assert_eq!(short["left_out"], steps.len() - 3);
    trace(&["--packet", "2"])
        .code(1)
        .says(&["1 packets", "not 2"]);
}

#[test]
fn coverage_and_profile_name_lines_and_functions() {
    let dir = dir();
    let capture = file(dir.path(), "in.pcap", &pcap(&[frame(60), frame(61)]));
    let (lcov, folded) = (dir.path().join("vm.info"), dir.path().join("vm.folded"));
    let [to, stacks] = [&lcov, &folded].map(|path| path.to_str().expect("text"));
    let run = talker(&capture, &["--coverage", to, "--profile", stacks, "--json"]);
    let instructions = run.code(0).json()["instructions"]
        .as_u64()
        .expect("a number");
    let text = std::fs::read_to_string(lcov).expect("the tracefile");
    let record = text
        .split("end_of_record")
        .find(|record| record.contains("talker.rs"))
        .expect("a record of the program's file");
    assert!(record.contains("FNDA:2,talker"), "{record}");
    assert!(
        record
            .lines()
            .any(|line| line.starts_with("DA:") && line.ends_with(",2"))
    );
    let text = std::fs::read_to_string(folded).expect("the stacks");
    assert!(
        text.lines().all(|line| line.starts_with("talker")),
        "{text}"
    );
    let count = |line: &str| -> u64 {
        let (_, count) = line.rsplit_once(' ').expect("a count");
        count.parse().expect("a number")
    };
    let sum: u64 = text.lines().map(count).sum();
    // An instruction of two slots is one step.
    assert!(
        sum > instructions / 2 && sum <= instructions,
        "{sum} {instructions}"
    );
    // Lines that did not run are there too: the packet is too short for the rest.
    let short = file(dir.path(), "short.pcap", &pcap(&[frame(10)]));
    let unused = dir.path().join("short.info");
    let mut command = command(["vm", "run"]);
    command.arg(object("rejected")).arg("--pcap").arg(&short);
    command.args(["--program", "short_check", "--coverage"]);
    support::run(command.arg(&unused)).code(0);
    let text = std::fs::read_to_string(unused).expect("the tracefile");
    let some = |end: &str| {
        let mut lines = text.lines();
        lines.any(|line| line.starts_with("DA:") && line.ends_with(end))
    };
    assert!(some(",0") && some(",1"), "{text}");
    let absent = dir.path().join("absent/vm.info");
    talker(&capture, &["--coverage", absent.to_str().expect("text")])
        .code(1)
        .says(&["absent/vm.info"]);
}

#[test]
fn a_program_is_run_without_checks_once_the_kernel_accepted_it() {
    hachi_test::require_bpf!();
    let dir = dir();
    let capture = file(dir.path(), "in.pcap", &pcap(&[frame(60), frame(61)]));
    let document = talker(&capture, &["--unchecked", "--json"]).code(0).json();
    assert_eq!(document["verdicts"], json!({ "pass": 2 }));
    // One that no verifier accepts is not run at all.
    let mut command = command(["vm", "run"]);
    command.arg(object("rejected")).arg("--pcap").arg(&capture);
    support::run(command.args(["--program", "unchecked_packet", "--unchecked"]))
        .code(1)
        .says(&["unchecked_packet", "not run without checks"]);
}

/// `hachi vm conformance` of a program.
fn conformance(program: &str, arguments: &[&str]) -> Run {
    let mut command = command(["vm", "conformance"]);
    command.args(arguments).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command runs");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(program.as_bytes()).expect("it reads");
    drop(input);
    child.wait_with_output().expect("it ends").into()
}

#[test]
fn conformance_runs_one_program_in_either_engine() {
    // r0 = *(u8 *)(r1 + 1); exit
    let program = "71 10 01 00 00 00 00 00 95 00 00 00 00 00 00 00";
    for engine in [&[][..], &["--jit"], &["--jit", "--cpu", "v4"]] {
        let with = |memory: &'static str| [&[memory][..], engine].concat();
        let run = conformance(program, &with("aa bb")).code(0);
        assert_eq!(run.stdout, "bb\n");
        conformance(program, &with("aa"))
            .code(1)
            .says(&["instruction 0", "offset 1"]);
        conformance("zz", &with("")).code(1).says(&["hexadecimal"]);
        conformance("95", &with("")).code(1).says(&["program"]);
        conformance("", &with("")).code(1).says(&["program"]);
        // A loop without an end.
        conformance("05 00 ff ff 00 00 00 00 95 00 00 00 00 00 00 00", &with(""))
            .code(1)
            .says(&["did not end"]);
    }
}

#[test]
fn help_names_each_command() {
    hachi(["vm", "--help"])
        .code(0)
        .prints(&["run", "trace", "debug", "conformance"]);
}
