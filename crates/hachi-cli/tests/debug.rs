//! `hachi vm debug`: programs under gdb.

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::{command, object};

/// A capture of frames of these lengths.
fn capture(dir: &Path, lengths: &[u32]) -> PathBuf {
    let mut bytes = 0xa1b2_c3d4_u32.to_le_bytes().to_vec();
    bytes.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0]);
    for len in lengths {
        for field in [0, 0, *len, *len] {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend((0..*len).map(|at| at as u8));
    }
    let path = dir.join("in.pcap");
    std::fs::write(&path, bytes).expect("a file");
    path
}

/// An object that clang made: functions, callbacks, tail calls.
fn calls() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../hachi-obj/tests/data/calls.bpfel.o")
}

/// Why there is no gdb for these tests.
fn missing() -> Option<String> {
    let known = Command::new("gdb")
        .args(["-nx", "-batch", "-ex", "set architecture i386:x86-64"])
        .output();
    match known {
        Ok(output) if output.stderr.is_empty() && output.status.success() => None,
        Ok(_) => Some("this gdb does not know x86-64".to_owned()),
        Err(error) => Some(format!("no gdb: {error}")),
    }
}

/// Leaves a test as skipped where there is no gdb.
macro_rules! need_gdb {
    () => {
        if let Some(reason) = missing() {
            hachi_test::skip!("{reason}");
        }
    };
}

/// What gdb prints for these commands.
fn gdb(object: &Path, lengths: &[u32], options: &str, commands: &[&str]) -> String {
    let dir = tempfile::tempdir().expect("a directory");
    let capture = capture(dir.path(), lengths);
    let hachi = env!("CARGO_BIN_EXE_hachi");
    let (object, capture) = (object.display(), capture.display());
    let target =
        format!("target remote | {hachi} vm debug {object} --pcap {capture} --pipe {options}");
    let mut gdb = Command::new("gdb");
    gdb.args(["-nx", "-batch", "-ex", "set confirm off", "-ex", &target]);
    for command in commands {
        gdb.args(["-ex", command]);
    }
    let output = gdb.stdin(Stdio::null()).output().expect("gdb runs");
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// Checks that all of these are in the text, in this order.
#[track_caller]
fn in_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let Some(at) = rest.find(part) else {
            panic!("no {part:?} behind what came before it in:\n{text}");
        };
        rest = &rest[at + part.len()..];
    }
}

#[test]
fn gdb_breaks_by_line_function_and_address() {
    need_gdb!();
    let commands = [
        "break calls.c:45",
        "break tail",
        "continue",
        "info breakpoints",
        "delete 1",
        "continue",
        "delete",
        "break *0x1000008",
        "continue",
        "continue",
    ];
    let text = gdb(&calls(), &[60], "--program walk", &commands);
    in_order(
        &text,
        &[
            "walk () at ./calls.c:56",
            "Breakpoint 1 at",
            "Breakpoint 1, add () at ./calls.c:45",
            "total->sum += weigh(*value);",
            "already hit 1 time",
            "Breakpoint 2, tail () at ./calls.c:67",
            "Breakpoint 3, tail () at ./calls.c:",
            "exited with code 01",
        ],
    );
}

#[test]
fn gdb_steps_and_knows_the_calls_that_led_there() {
    need_gdb!();
    let commands = [
        "break weigh",
        "continue",
        "backtrace",
        "continue",
        "backtrace",
        "delete",
        "finish",
        "break calls.c:60",
        "break calls.c:61",
        "continue",
        "next",
        "stepi",
        "info registers rip",
    ];
    let text = gdb(&calls(), &[60], "--program walk", &commands);
    let path = [
        "#0  weigh () at",
        "#1 ",
        "in add () at ./calls.c:45",
        "#2 ",
        "in walk () at ./calls.c:60",
    ];
    in_order(&text, &path);
    // The helper calls back a second time, from the same place.
    let (_, second) = text
        .split_once("in walk () at ./calls.c:60")
        .expect("a path");
    in_order(second, &path);
    in_order(
        second,
        &[
            "in add () at ./calls.c:45",
            "walk () at ./calls.c:61",
            // `next` goes over the thousand calls of the loop's function.
            "bpf_tail_call(skb, &jumps, 1);",
            "rip",
        ],
    );
    assert!(!text.contains("Backtrace stopped"), "{text}");
}

#[test]
fn gdb_reads_and_sets_registers_globals_and_memory() {
    need_gdb!();
    let commands = [
        "print $bpf10 == $rbp && $bpf1 == $rdi",
        "print LIMIT",
        "break *0x1000010",
        "continue",
        // The packet: r1 is the context, r2 has been loaded with the packet's start.
        "monitor registers",
        "set var $bpf3 = 77",
        "print $rdx",
        "set var $rcx = 78",
        "print $bpf4",
        "monitor dis",
        "print $rip = 0",
    ];
    let options = "--program short_check";
    let text = gdb(&object("rejected"), &[60], options, &commands);
    in_order(
        &text,
        &["$1 = ", "$2 = 3", "Breakpoint 1", "$3 = 77", "$4 = 78"],
    );
    // What the program is asked to print comes on the other stream.
    in_order(
        &text,
        &[
            "r0 = 0x2",
            "r10 = 0x",
            "=> 0x1000010     2: r1 = *(u32 *)(r1 +0)",
        ],
    );
    assert!(text.contains("Could not write registers"), "{text}");
    assert!(
        text.contains("$1 = 1") || text.contains("$1 = true"),
        "{text}"
    );
}

#[test]
fn a_program_that_does_wrong_stops_with_a_signal_and_the_reason() {
    need_gdb!();
    let commands = ["continue", "print $rip", "monitor why", "continue"];
    let options = "--program unchecked_packet";
    let text = gdb(&object("rejected"), &[14, 2], options, &commands);
    in_order(
        &text,
        &[
            "received signal SIGSEGV",
            "rejected.rs:30",
            "Program terminated with signal SIGSEGV",
        ],
    );
    assert!(
        text.contains("2 bytes at offset 12 of the packet, which has 2"),
        "{text}"
    );
}

/// A debugger that speaks the protocol by itself.
struct Client(TcpStream);

impl Client {
    fn ask(&mut self, packet: &str) -> String {
        let sum = packet.bytes().fold(0_u8, u8::wrapping_add);
        write!(self.0, "${packet}#{sum:02x}").expect("it is there");
        let mut text = Vec::new();
        let mut byte = [0];
        while text.len() < 3 || text[text.len() - 3] != b'#' {
            self.0.read_exact(&mut byte).expect("an answer");
            if byte != *b"+" || !text.is_empty() {
                text.extend(byte);
            }
        }
        self.0.write_all(b"+").expect("it is there");
        let text = String::from_utf8_lossy(&text).into_owned();
        text[1..text.len() - 3].to_owned()
    }
}

#[test]
fn a_debugger_that_knows_bpf_gets_its_registers_by_the_port_that_is_printed() {
    let dir = tempfile::tempdir().expect("a directory");
    let symbols = dir.path().join("symbols");
    let mut command = command(["vm", "debug"]);
    command
        .arg(object("talker"))
        .arg("--pcap")
        .arg(capture(dir.path(), &[60]));
    command.args(["--listen", "127.0.0.1:0", "--view", "bpf", "--symbols"]);
    let mut hachi = command
        .arg(&symbols)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut line = String::new();
    let mut stdout = BufReader::new(hachi.stdout.take().expect("its output"));
    stdout.read_line(&mut line).expect("a line");
    let address = line
        .trim()
        .trim_end_matches('\'')
        .rsplit(' ')
        .next()
        .expect("an address");
    let mut client = Client(TcpStream::connect(address).expect("it listens"));
    client.ask("qSupported:swbreak+");
    let description = client.ask("qXfer:features:read:target.xml:0,fff");
    assert!(
        description.contains("<architecture>bpf</architecture>"),
        "{description}"
    );
    assert!(client.ask("?").starts_with('T') || client.ask("?").starts_with('S'));
    let registers = client.ask("g");
    // Runs of a digit are shortened: the last is the address of the first instruction.
    assert!(
        registers.contains('*') || registers.len() == 12 * 16,
        "{registers}"
    );
    assert!(!client.ask("m1000000,8").starts_with('E'));
    assert!(client.ask("m0,8").starts_with('E'));
    assert!(
        client
            .ask("vFile:open:2f6574632f706173737764,0,0")
            .starts_with("F-1")
    );
    assert_eq!(client.ask("D"), "OK");
    drop(client);
    assert_eq!(hachi.wait().expect("it ends").code(), Some(0));
    let bytes = std::fs::read(symbols).expect("the file");
    // An executable for BPF.
    assert_eq!(
        (&bytes[..4], bytes[16], bytes[18]),
        (&b"\x7fELF"[..], 2, 247)
    );
}

#[test]
fn refuses_a_packet_that_is_not_there_and_an_address_that_is_none() {
    let dir = tempfile::tempdir().expect("a directory");
    let capture = capture(dir.path(), &[60]);
    let debug = |rest: &[&str]| {
        let mut command = command(["vm", "debug"]);
        command.arg(object("talker")).arg("--pcap").arg(&capture);
        support::run(command.args(rest)).code(1)
    };
    debug(&["--packet", "2", "--pipe"]).says(&["1 packets, not 2"]);
    debug(&["--listen", "nowhere"]).says(&["listening at nowhere"]);
}
