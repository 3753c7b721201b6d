//! What the linker adds to a build of the firewall: one link, as a process of its own, and the
//! object.

use crate::figures::{Goal, Unit, figure};
use crate::tools::{Result, median, report, root, scratch, time};
use hachi_build::{Builder, Toolchain};
use hachi_linker::LINKER_ENV;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Names a directory to which the linker copies what it is given.
const CAPTURE: &str = "HACHI_BENCH_CAPTURE";
/// How often the link is repeated.
const RUNS: usize = 21;
/// The largest the object may be.
const SIZE_GOAL: f64 = 16.0 * 1024.0;

/// Where this program is run as rustc's linker: keeps what rustc hands it, which it deletes
/// afterwards, then links.
pub fn intercept() {
    if env::var_os(LINKER_ENV).is_some()
        && let Some(directory) = env::var_os(CAPTURE).map(PathBuf::from)
        && let Err(error) = capture(&directory)
    {
        eprintln!("cannot keep the linker's input: {error}");
    }
    hachi_linker::intercept();
}

/// Copies every file among the arguments and writes the arguments, with the copies' names, one a
/// line.
fn capture(directory: &Path) -> Result {
    fs::create_dir_all(directory)?;
    let mut arguments = Vec::new();
    for (number, argument) in env::args().skip(1).enumerate() {
        let file = Path::new(&argument);
        // What is named by an option stays where it is: the LLVM library.
        if file.is_absolute() && file.is_file() {
            let copy = directory.join(format!("{number}.input"));
            fs::copy(file, &copy)?;
            arguments.push(copy.display().to_string());
        } else {
            arguments.push(argument);
        }
    }
    fs::write(directory.join("arguments"), arguments.join("\n"))?;
    // File names in the object are relative to it.
    let package = env::var("CARGO_MANIFEST_DIR")?;
    Ok(fs::write(directory.join("package"), package)?)
}

pub fn run() -> Result {
    let directory = scratch("link")?;
    let (inputs, target) = (directory.join("inputs"), directory.join("target"));
    for stale in [&inputs, &target] {
        let _ = fs::remove_dir_all(stale);
    }
    // Found before, so that nothing else is built below.
    let toolchain = Toolchain::find(&hachi_build::Search::default().assume_yes(true))?;
    // SAFETY: no other thread runs yet; the build below is to inherit it.
    unsafe { env::set_var(CAPTURE, &inputs) };
    let built = Builder::new(root().join("examples/xdp-firewall/xdp-firewall-ebpf"))
        .toolchain(toolchain)
        .target_dir(&target)
        .build()?;
    // SAFETY: as above.
    unsafe { env::remove_var(CAPTURE) };
    let object = &built.first().ok_or("nothing was built")?.path;

    let arguments = fs::read_to_string(inputs.join("arguments"))?;
    let mut arguments: Vec<OsString> = arguments.lines().map(OsString::from).collect();
    let output = arguments.iter().position(|argument| argument == "-o");
    let output = output.ok_or("rustc named no output")? + 1;
    arguments[output] = directory.join("again.o").into();
    let package = fs::read_to_string(inputs.join("package"))?;
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let mut link = Command::new(env::current_exe()?);
        link.args(&arguments).env(LINKER_ENV, "1");
        times.push(time(link.env("CARGO_MANIFEST_DIR", &package))?);
    }
    if fs::read(directory.join("again.o"))? != fs::read(object)? {
        return Err("the same link gave another object".into());
    }
    let goal = Some(Duration::from_millis(150));
    report("one link of the firewall", median(&times), goal);

    let size = fs::metadata(object)?.len() as f64;
    let what = "bytes of its object, with BTF";
    figure(what, size, Unit::Bytes, Goal::Below(SIZE_GOAL));
    Ok(())
}
