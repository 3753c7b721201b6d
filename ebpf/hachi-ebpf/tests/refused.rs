//! What the contract of shared memory refuses: each file of `refused/` does not compile. Behind
//! `//~` stands what the compiler says about the line, behind `//?` what else it says.

use std::{fs, path::Path, process::Command};

/// The files of `refused/`, by name.
fn cases() -> Vec<(String, String)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/refused");
    let mut cases: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    cases.sort();
    cases
}

/// A package whose binaries are the cases, and what can be compiled.
fn package(name: &str, cases: &[(String, String)]) -> std::path::PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(dir.join("src/bin")).unwrap();
    let manifest = format!(
        "[package]\nname = \"{name}\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n\
         hachi-ebpf = {{ path = {:?}, features = [\"test\"] }}\n",
        env!("CARGO_MANIFEST_DIR")
    );
    fs::write(dir.join("Cargo.toml"), manifest).unwrap();
    for (name, source) in cases {
        fs::write(dir.join(format!("src/bin/{name}.rs")), source).unwrap();
    }
    dir
}

fn check(dir: &Path, name: &str) -> (bool, String) {
    // `check` would not evaluate the constants that depend on types.
    let output = Command::new(env!("CARGO"))
        .args([
            "build",
            "--offline",
            "--color=never",
            "--target-dir",
            "../target",
            "--bin",
            name,
        ])
        .current_dir(dir)
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.success(), said)
}

/// What an error's headline and its place say: pairs of the text and the line.
fn errors(said: &str) -> Vec<(&str, usize)> {
    let mut errors = Vec::new();
    let mut headline = None;
    for line in said.lines() {
        if line.starts_with("error") {
            headline = line.split_once(": ").map(|(_, text)| text);
        } else if let Some(place) = line.trim_start().strip_prefix("--> src/bin/")
            && let Some(text) = headline.take()
            && let Some(number) = place.split(':').nth(1)
        {
            errors.push((text, number.parse().unwrap()));
        }
    }
    errors
}

#[test]
fn code_that_breaks_the_contract_does_not_compile() {
    let cases = cases();
    let dir = package("refused", &cases);
    let mut wrong = String::new();
    for (name, source) in &cases {
        let (compiled, said) = check(&dir, name);
        let errors = errors(&said);
        let mut missing = Vec::new();
        if compiled {
            missing.push("it compiles".to_owned());
        }
        let mut expected = 0;
        for (number, line) in source.lines().enumerate() {
            if let Some((_, text)) = line.split_once("//~ ") {
                expected += 1;
                let found = errors
                    .iter()
                    .any(|&(said, at)| at == number + 1 && said.contains(text));
                if !found {
                    missing.push(format!("line {}: {text}", number + 1));
                }
            }
            if let Some(text) = line.strip_prefix("//? ")
                && !said.contains(text)
            {
                missing.push(format!("somewhere: {text}"));
            }
        }
        assert!(expected > 0, "{name} expects nothing");
        for &(said, at) in &errors {
            let line = source.lines().nth(at - 1).unwrap_or_default();
            if !line.contains("//~ ") {
                missing.push(format!("nothing about line {at}, but: {said}"));
            }
        }
        if !missing.is_empty() {
            wrong += &format!("{name}: missing\n  {}\n{said}\n", missing.join("\n  "));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The same programs as they should be.
#[test]
fn code_that_keeps_to_the_contract_compiles() {
    let source = "#![forbid(unsafe_code)]
use hachi_ebpf::{Global, MapValue, Pod, Shareable, Shared, Stored, field, maps::*};
use hachi_ebpf::{atomic::{AtomicU64, Ordering}, sync::{Locked, bpf_timer}};

#[derive(Clone, Copy, PartialEq, Shareable)]
#[repr(u8)]
enum Mode { Off = 1, On = 2 }

#[derive(Clone, Copy, Pod)]
#[repr(C)]
struct Flow { source: u32, protocol: u8, mode: Stored<Mode>, on: Stored<bool>, padding: [u8; 1] }

#[derive(MapValue)]
#[repr(C)]
struct State {
    bytes: AtomicU64,
    seen: [Shared<u32>; 2],
    lock: Locked<[u32; 1]>,
    ready: Shared<[Stored<bool>; 4]>,
    timer: bpf_timer,
}

static MODE: Global<Mode> = Global::new(Mode::Off);
static FLOWS: HashMap<Flow, Flow> = HashMap::with_max_entries(4, 0);
static MODES: HashMap<Mode, bool> = HashMap::with_max_entries(4, 0);
static STATES: Array<State> = Array::with_max_entries(1, 0);
static RING: RingBuf = RingBuf::with_byte_size(4096, 0);

fn main() {
    let key = Flow { source: 1, protocol: 6, mode: Mode::On.into(), on: true.into(), padding: [0] };
    FLOWS.insert(key, key, 0).unwrap();
    let flow = FLOWS.cell(key).unwrap();
    field!(flow, source).set(7);
    assert_eq!(FLOWS.get(key).unwrap().source, 7);
    assert!(FLOWS.get(key).unwrap().mode.get() == Some(Mode::On));
    MODES.insert(Mode::On, true, 0).unwrap();
    assert_eq!(MODES.get(Mode::On), Some(true));
    assert!(MODE.load() == Some(Mode::Off));
    let state = STATES.get(0).unwrap();
    state.bytes.fetch_add(2, Ordering::Relaxed);
    state.seen[1].set(3);
    state.lock.access().lock()[0] += 1;
    state.ready.at(3).unwrap().set(true.into());
    assert_eq!(STATES.get(0).unwrap().lock.access().lock()[0], 1);
    RING.output(&key, 0).unwrap();
    RING.output(&Mode::On, 0).unwrap();
    RING.output(\"text\", 0).unwrap();
}
";
    let cases = [("kept".to_owned(), source.to_owned())];
    let dir = package("kept", &cases);
    let (compiled, said) = check(&dir, "kept");
    assert!(compiled, "{said}");
    let ran = Command::new(dir.join("../target/debug/kept")).output();
    let ran = ran.unwrap();
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
}
