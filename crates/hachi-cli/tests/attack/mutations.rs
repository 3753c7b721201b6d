//! Objects that were damaged, or made to do damage: bytes changed, cut and repeated.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use hachi_test::{Guarded, TempDir};

use crate::Random;
use crate::support::object;

/// Numbers that lengths, offsets and indices go wrong with.
const NUMBERS: [u32; 8] = [0, 1, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, u32::MAX];

/// The object with some places changed, the same each time.
fn mutated(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        match random.below(6) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes.truncate(at.max(1)),
            2 => {
                let from = random.below(bytes.len());
                let length = random.below(64).min(bytes.len() - from.max(at));
                bytes.copy_within(from..from + length, at);
            }
            // The header and its tables are a small part, and decide most.
            3 => {
                let at = random.below(bytes.len().min(64));
                bytes[at] = random.below(256) as u8;
            }
            _ => {
                let number = NUMBERS[random.below(NUMBERS.len())].to_le_bytes();
                let end = (at + 4).min(bytes.len());
                bytes[at..end].copy_from_slice(&number[..end - at]);
            }
        }
    }
    bytes
}

/// Runs the command with the memory that an honest object never needs.
fn ended(dir: &Path, words: &[&str]) -> (Option<i32>, String) {
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "ulimit -v 4000000; exec \"$0\" \"$@\""])
        .arg(env!("CARGO_BIN_EXE_hachi"))
        .args(words)
        .current_dir(dir)
        .env("NO_COLOR", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let running = Guarded::spawn(&mut limited).unwrap();
    let (status, said) = running
        .wait(Duration::from_secs(30))
        .unwrap_or_else(|error| panic!("{words:?}: {error}"));
    (status.code(), said)
}

/// What only reads an object says in a line what is wrong with it, or finds nothing wrong.
#[test]
#[ignore = "the attack, which takes minutes"]
fn reads_mutated_objects_or_says_what_is_wrong_with_them() {
    let dir = TempDir::new().unwrap();
    let mut wrong = Vec::new();
    for name in ["watcher", "talker", "tables", "places"] {
        let honest = fs::read(object(name)).unwrap();
        let mut random = Random::of(name);
        for number in 0..12 * crate::factor() {
            let bytes = mutated(&honest, &mut random);
            fs::write(dir.join("mutated.o"), bytes).unwrap();
            for words in [
                &["inspect", "mutated.o"][..],
                &["inspect", "--json", "mutated.o"],
                &["dis", "mutated.o"],
                &["btf", "dump", "mutated.o", "--format", "c"],
                &["ld", "mutated.o", "-o", "linked.o"],
            ] {
                let (code, said) = ended(dir.path(), words);
                let is_linked = dir.join("linked.o").exists();
                let is_fine = match code {
                    Some(0) => true,
                    Some(1) => said.contains("error") && !is_linked,
                    _ => false,
                };
                if !is_fine || said.contains("panicked") {
                    wrong.push(format!("{name} {number}, {words:?}: {code:?}: {said}"));
                }
                let _ = fs::remove_file(dir.join("linked.o"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
