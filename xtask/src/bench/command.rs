//! `cargo xtask bench command`: how fast `hachi` lists and dumps, beside bpftool in the same run.
//!
//! Programs and maps are pinned on a BPF file system of its own, and gone when that is.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hachi_test::{Bpffs, TempDir};

use crate::install;
use crate::shell::{Result, capture, cargo, root, target_dir};

/// With how many programs, and how long a list may take then.
const STEPS: [(usize, Duration); 2] = [
    (100, Duration::from_millis(50)),
    (1000, Duration::from_millis(300)),
];

/// Of this many runs the fastest counts: the others were held up by something else.
const RUNS: usize = 7;

/// Elements of the map that is dumped.
const ELEMENTS: usize = 1_000_000;

/// How many times as fast as bpftool it is to be dumped.
const DUMP: f64 = 3.0;

/// What is compared: Hachi's command, and bpftool's.
const LISTS: [(&[&str], &[&str]); 4] = [
    (&["prog", "list"], &["prog", "show"]),
    (&["map", "list"], &["map", "show"]),
    (&["link", "list"], &["link", "show"]),
    (&["net"], &["net", "show"]),
];

/// Measures and prints; whether all is as fast as it is to be.
pub fn run() -> Result<bool> {
    if let Some((tool, problem)) = install::ensure(&[install::BPFTOOL]).first() {
        return Err(format!("{} is needed: {problem}", tool.program).into());
    }
    capture(cargo(root()).args(["build", "--quiet", "--release", "--package", "hachi-cli"]))?;
    let hachi = target_dir().join("release/hachi");
    let bpftool = hachi_test::find_program("bpftool").ok_or("bpftool is not on the PATH")?;
    let bpffs = Bpffs::new()?;
    let object = root().join("crates/hachi-cli/tests/objects/talker.o");
    let mut is_good = true;
    let mut loaded = 0;
    println!("programs  command      hachi      bpftool");
    for (count, limit) in STEPS {
        while loaded < count {
            let pin = bpffs.join(format!("p{loaded}"));
            let mut load = Command::new(&bpftool);
            capture(load.args(["prog", "load"]).arg(&object).arg(&pin))?;
            loaded += 1;
        }
        for (ours, theirs) in LISTS {
            let ours_took = fastest(&hachi, ours)?;
            let theirs_took = fastest(&bpftool, theirs)?;
            let verdict = match (ours_took <= limit, ours_took <= theirs_took) {
                (false, _) => "too slow",
                (true, false) => "slower than bpftool",
                (true, true) => "",
            };
            is_good &= verdict.is_empty();
            println!(
                "{count:8}  {:<10} {:7.1} ms {:8.1} ms  {verdict}",
                ours.join(" "),
                milliseconds(ours_took),
                milliseconds(theirs_took)
            );
        }
    }
    Ok(is_good & dump(&hachi, &bpftool, &bpffs)?)
}

fn dump(hachi: &Path, bpftool: &Path, bpffs: &Bpffs) -> Result<bool> {
    let pin = bpffs.join("million");
    let entries = ELEMENTS.to_string();
    let mut create = Command::new(bpftool);
    create.args(["map", "create"]).arg(&pin);
    create.args(["type", "hash", "key", "4", "value", "8", "name", "million"]);
    capture(create.args(["entries", &entries]))?;
    fill(hachi, &pin)?;
    let words = |pin: &Path, more: &[&str]| {
        let pin = pin.display().to_string();
        let words = ["map", "dump"]
            .iter()
            .chain(more)
            .map(|word| (*word).to_owned());
        words.chain([pin]).collect::<Vec<String>>()
    };
    let ours = words(&pin, &[]);
    let ours: Vec<&str> = ours.iter().map(String::as_str).collect();
    let theirs = words(&pin, &["pinned"]);
    let theirs: Vec<&str> = theirs.iter().map(String::as_str).collect();
    let (ours, theirs) = (fastest(hachi, &ours)?, fastest(bpftool, &theirs)?);
    let times = theirs.as_secs_f64() / ours.as_secs_f64();
    let verdict = match times >= DUMP {
        true => "",
        false => "too slow",
    };
    let (ours, theirs) = (milliseconds(ours), milliseconds(theirs));
    print!("map dump of {ELEMENTS} elements: {ours:.0} ms, bpftool {theirs:.0} ms: ");
    println!("{times:.1}× as fast {verdict}");
    Ok(verdict.is_empty())
}

/// Sets all elements, each to another value.
fn fill(hachi: &Path, pin: &Path) -> Result {
    let directory = TempDir::new()?;
    let path: PathBuf = directory.join("entries.json");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path)?);
    write!(file, "[")?;
    for number in 0..ELEMENTS as u64 {
        let comma = if number > 0 { "," } else { "" };
        let value = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_ne_bytes();
        let key = (number as u32).to_ne_bytes();
        write!(file, "{comma}{{\"key\":{key:?},\"value\":{value:?}}}")?;
    }
    write!(file, "]")?;
    file.into_inner()?.sync_all()?;
    let mut set = Command::new(hachi);
    capture(set.args(["map", "set"]).arg(pin).arg("--from").arg(&path))?;
    Ok(())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The time of the fastest of some runs, whose output goes to a pipe that is read.
fn fastest(program: &Path, arguments: &[&str]) -> Result<Duration> {
    let mut least = Duration::MAX;
    for _ in 0..RUNS {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null());
        let start = Instant::now();
        let output = command.output()?;
        least = least.min(start.elapsed());
        if !output.status.success() || (output.stdout.is_empty() && !arguments.contains(&"link")) {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{} {}: {said}", program.display(), arguments.join(" ")).into());
        }
    }
    Ok(least)
}
