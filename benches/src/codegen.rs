//! What the kernel makes of our code: the same programs in Rust and in C, loaded by the same
//! loader.
//!
//! Needs clang and libbpf's headers. Instructions are those of the loaded program and those that
//! the verifier looked at; time is the kernel's own (test_run), for the kinds of programs that it
//! runs repeatedly.

use crate::figures::{Goal, Unit, keep};
use crate::tools::{Result, median, root, scratch, succeed};
use hachi::Ebpf;
use hachi::programs::{ProgramInfo, TestRunOptions};
use hachi_test::{bpf_available, find_clang};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What our instructions may be of clang's,
const SIZE_GOAL: f64 = 1.1;
/// and our time.
const TIME_GOAL: f64 = 1.05;

/// The programs, and whether the kernel can run them repeatedly.
const PROGRAMS: &[(&str, bool)] = &[
    ("firewall", true),
    ("count", true),
    ("track", true),
    ("exec", false),
    ("latency", false),
    ("rewrite", true),
    ("redirect", false),
    ("words", true),
];

/// Runs of each program, and how often each is repeated by the kernel.
const RUNS: usize = 15;
const REPEAT: u32 = 200_000;

pub fn run() -> Result {
    if let Err(reason) = bpf_available() {
        println!("  skipped: {reason}");
        return Ok(());
    }
    let theirs = match clang() {
        Ok(object) => object,
        Err(error) => {
            println!("  skipped: clang and libbpf's headers are needed: {error}");
            return Ok(());
        }
    };
    let ours = rust()?;
    println!(
        "  {:10} {:>6} {:>6} {:>6}   {:>8} {:>6} {:>6}   {:>8} {:>8} {:>6}",
        "", "insns", "C", "ratio", "verified", "C", "ratio", "ns", "C", "ratio"
    );
    let mut beyond = Vec::new();
    for &(name, timed) in PROGRAMS {
        let (ours, theirs) = measure(&ours, &theirs, name, timed)?;
        let mut line = format!("  {name:10}");
        for (what, width, ours, theirs, goal) in [
            ("instructions", 6, ours.xlated, theirs.xlated, SIZE_GOAL),
            ("verified", 8, ours.verified, theirs.verified, SIZE_GOAL),
        ] {
            let ratio = f64::from(ours) / f64::from(theirs);
            keep(
                &format!("{name}, {what}"),
                ratio,
                Unit::Ratio,
                Goal::Below(goal),
            );
            line += &format!(" {ours:>width$} {theirs:>6} {ratio:>6.2}  ");
            if ratio > goal {
                beyond.push(format!("{name}: {what} {ratio:.2}"));
            }
        }
        if let (Some(ours), Some(theirs)) = (ours.nanos, theirs.nanos) {
            let ratio = ours / theirs;
            keep(
                &format!("{name}, time"),
                ratio,
                Unit::Ratio,
                Goal::Below(TIME_GOAL),
            );
            line += &format!(" {ours:>8.1} {theirs:>8.1} {ratio:>6.2}");
            if ratio > TIME_GOAL {
                beyond.push(format!("{name}: time {ratio:.2}"));
            }
        }
        println!("{line}");
    }
    match beyond.as_slice() {
        [] => println!("  all within {SIZE_GOAL} of C's instructions and {TIME_GOAL} of its time"),
        beyond => println!("  beyond the goal: {}", beyond.join(", ")),
    }
    Ok(())
}

struct Figures {
    xlated: u32,
    verified: u32,
    /// Of one run.
    nanos: Option<f64>,
}

fn measure(ours: &Path, theirs: &Path, name: &str, timed: bool) -> Result<(Figures, Figures)> {
    let both = [load(ours, name)?, load(theirs, name)?];
    let mut figures = Vec::new();
    for ebpf in &both {
        let info: ProgramInfo = ebpf.program(name)?.info()?;
        figures.push(Figures {
            xlated: info.xlated_size() / 8,
            verified: info.verified_insns().ok_or("needs Linux 5.16")?,
            nanos: None,
        });
    }
    if timed {
        let mut times = [Vec::new(), Vec::new()];
        // By turns, so that what else the machine does meets both.
        for _ in 0..RUNS {
            for (ebpf, times) in both.iter().zip(&mut times) {
                times.push(time(ebpf, name)?.as_nanos() as f64);
            }
        }
        for (figures, times) in figures.iter_mut().zip(&times) {
            figures.nanos = Some(median(times));
        }
    }
    let theirs = figures.pop().ok_or("no figures")?;
    let ours = figures.pop().ok_or("no figures")?;
    Ok((ours, theirs))
}

fn load(object: &Path, name: &str) -> Result<Ebpf> {
    let mut ebpf = Ebpf::load_file(object)?;
    ebpf.program_mut(name)?.load()?;
    Ok(ebpf)
}

/// One run: an UDP packet to port 7.
fn time(ebpf: &Ebpf, name: &str) -> Result<Duration> {
    let mut packet = vec![b' '; 128];
    packet[12..14].copy_from_slice(&[0x08, 0x00]);
    packet[14] = 0x45;
    packet[23] = 17;
    packet[26..30].copy_from_slice(&[10, 0, 0, 1]);
    packet[34..38].copy_from_slice(&[0x30, 0x39, 0, 7]);
    let options = TestRunOptions::new().data(&packet).repeat(REPEAT);
    Ok(ebpf.program(name)?.test_run(&options)?.duration)
}

fn rust() -> Result<PathBuf> {
    let out = scratch("codegen")?;
    let source = root().join("benches/codegen/programs.rs");
    let built = hachi_build::Builder::new(source)
        .built_in(root())
        .out_dir(out)
        .build()?;
    let object = built.into_iter().next().ok_or("nothing was built")?;
    Ok(object.path)
}

fn clang() -> Result<PathBuf> {
    let object = scratch("codegen")?.join("clang.o");
    let mut clang = Command::new(find_clang().ok_or("there is no clang for BPF")?);
    clang.args(["-target", "bpf", "-mcpu=v3", "-O2", "-g", "-Wall"]);
    // Where distributions of several architectures keep asm/types.h.
    clang.arg(format!(
        "-I/usr/include/{}-linux-gnu",
        std::env::consts::ARCH
    ));
    clang
        .arg("-c")
        .arg(root().join("benches/codegen/programs.c"))
        .arg("-o")
        .arg(&object);
    succeed(&mut clang)?;
    Ok(object)
}
