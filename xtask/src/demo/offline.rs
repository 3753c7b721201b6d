//! The demo where bpf(2) is refused: the same firewall in the virtual machine, over a capture of
//! the demo's own traffic.
//!
//! `xtask/data/demo.pcap` is what came to the server's interface in step 5 of the demo, where
//! everything was let through.

use super::firewall::Counters;
use super::flows::{Answers, Program, Row, table};
use super::{check, echo, expect_blocked, show_disassembly, step};
use crate::shell::{Result, capture, green, root, target_dir};
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;
use tinyjson::JsonValue;

/// The client that stays.
const FRIEND: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// The client that will be blocked.
const STRANGER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 66);

/// Runs what of the demo needs no kernel, and says so.
pub fn run(hachi: &Path, object: &Path, reason: &str, start: Instant) -> Result<ExitCode> {
    step(3, "The virtual machine, since this kernel refuses");
    println!("{reason}.");
    let replay = Replay {
        hachi,
        object,
        traffic: root().join("xtask/data/demo.pcap"),
    };
    println!(
        "From here on the same firewall runs in the virtual machine, over a capture of this demo's \
         traffic."
    );
    let asked = questions(&std::fs::read(&replay.traffic)?)?;

    step(4, "Captured traffic, all of it let through");
    let (rows, counters) = replay.run(&asked, None)?;
    for row in &rows {
        check(row.answered == row.asked, format!("{row} is let through"))?;
    }
    check(
        counters.passed > 0 && counters.blocked == 0,
        "the firewall counted what it let through",
    )?;

    step(5, &format!("Block {STRANGER}; {FRIEND} goes on"));
    let (rows, counters) = replay.run(&asked, Some(STRANGER))?;
    expect_blocked(&rows, Answers::LetThrough, "")?;
    check(counters.blocked > 0, "the firewall counted what it dropped")?;

    step(6, "What ran, with the Rust lines it comes from");
    show_disassembly(hachi, object)?;

    step(7, "Unblock it");
    let (rows, _) = replay.run(&asked, None)?;
    for row in &rows {
        check(row.answered == row.asked, format!("{row} is let through"))?;
    }
    println!(
        "\n{} in {:.0?}, in the virtual machine; nothing is left behind.",
        green("Done"),
        start.elapsed()
    );
    Ok(ExitCode::SUCCESS)
}

/// Questions by who asks and how.
type Questions = HashMap<(Ipv4Addr, Program), u64>;

struct Replay<'d> {
    hachi: &'d Path,
    object: &'d Path,
    traffic: PathBuf,
}

impl Replay<'_> {
    /// Runs the firewall over the capture, and shows the table.
    fn run(&self, asked: &Questions, blocked: Option<Ipv4Addr>) -> Result<(Vec<Row>, Counters)> {
        let directory = target_dir().join("demo");
        let (passed, rules) = (directory.join("passed.pcap"), directory.join("rules.json"));
        let entries = match blocked {
            // A prefix of 32 bits, and the rule to drop.
            Some(address) => format!(
                "[{{\"key\":{{\"prefix_len\":32,\"data\":{:?}}},\"value\":1}}]",
                address.octets()
            ),
            None => "[]".to_owned(),
        };
        std::fs::write(&rules, entries)?;
        let mut run = Command::new(self.hachi);
        run.args(["vm", "run"]).arg(self.object);
        run.arg("--pcap").arg(&self.traffic);
        run.arg("--map")
            .arg(format!("SOURCES_V4={}", rules.display()));
        run.arg("--write").arg(&passed).arg("--json");
        echo(&run);
        let counters = counters(&capture(&mut run)?)?;
        let through = questions(&std::fs::read(&passed)?)?;
        let mut rows = Vec::new();
        for from in [FRIEND, STRANGER] {
            for program in [Program::Ping, Program::Tcp, Program::Udp] {
                let count = |of: &Questions| of.get(&(from, program)).copied().unwrap_or(0);
                rows.push(Row {
                    program,
                    from,
                    stranger: from == STRANGER,
                    asked: count(asked),
                    answered: count(&through),
                });
            }
        }
        print!("{}", table(&rows, Answers::LetThrough, Some(counters)));
        Ok((rows, counters))
    }
}

/// What the firewall counted, over all processors.
fn counters(document: &str) -> Result<Counters> {
    let document: JsonValue = document.parse()?;
    let packets = |verdict: f64| -> Option<u64> {
        let maps: &Vec<JsonValue> = document["maps"].get()?;
        let named = |map: &&JsonValue| map["name"].get::<String>().is_some_and(|n| n == "COUNTERS");
        let entries: &Vec<JsonValue> = maps.iter().find(named)?["entries"].get()?;
        let entry = entries
            .iter()
            .find(|entry| entry["key"].get() == Some(&verdict))?;
        let values: &Vec<JsonValue> = entry["values"].get()?;
        let each = values.iter().map(|value| value["packets"].get::<f64>());
        each.sum::<Option<f64>>().map(|sum| sum as u64)
    };
    let counters = || {
        Some(Counters {
            passed: packets(0.0)?,
            blocked: packets(1.0)? + packets(2.0)?,
        })
    };
    counters().ok_or_else(|| "the map COUNTERS is not understood".into())
}

/// How often each client asks in a capture: pings, beginnings of TCP connections, UDP datagrams.
fn questions(capture: &[u8]) -> Result<Questions> {
    const HEADER: usize = 24;
    const RECORD: usize = 16;
    let mut questions = Questions::new();
    let mut rest = capture.get(HEADER..).ok_or("the capture has no header")?;
    while let Some((record, behind)) = rest.split_at_checked(RECORD) {
        let len = u32::from_le_bytes([record[8], record[9], record[10], record[11]]);
        let (frame, behind) = behind
            .split_at_checked(len as usize)
            .ok_or("the capture is cut short")?;
        rest = behind;
        if let Some(question) = question(frame) {
            *questions.entry(question).or_default() += 1;
        }
    }
    Ok(questions)
}

/// Who asks how in an Ethernet frame, if it begins a question.
fn question(frame: &[u8]) -> Option<(Ipv4Addr, Program)> {
    let packet = frame.get(14..)?;
    if frame[12..14] != [8, 0] {
        return None;
    }
    let source: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
    let behind = packet.get(usize::from(packet[0] & 15) * 4..)?;
    let program = match packet[9] {
        1 if behind.first() == Some(&8) => Program::Ping,
        // SYN without ACK.
        6 if behind.get(13)? & 0x12 == 2 => Program::Tcp,
        17 => Program::Udp,
        _ => return None,
    };
    Some((source.into(), program))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_asks_in_the_capture_in_each_way() {
        let bytes = std::fs::read(root().join("xtask/data/demo.pcap")).unwrap();
        assert!(bytes.len() < 16 << 10);
        let asked = questions(&bytes).unwrap();
        for from in [FRIEND, STRANGER] {
            for program in [Program::Ping, Program::Tcp, Program::Udp] {
                assert!(asked[&(from, program)] > 1, "{from} {program:?}");
            }
        }
        assert!(questions(&bytes[..bytes.len() - 1]).is_err());
        assert!(questions(b"").is_err());
    }
}
