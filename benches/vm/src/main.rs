//! What a run of a program costs in nanoseconds: in hachi-vm, in rbpf and solana-sbpf, and in the
//! kernel by `BPF_PROG_TEST_RUN`. All are measured in turns; the figures are medians of processor
//! time.
//!
//! A checked engine refuses accesses outside of the program's memory while it runs; the kernel has
//! proven them before, and an unchecked engine trusts that proof.

#[path = "../../src/figures.rs"]
mod figures;
mod firewall;
mod kernel;
mod programs;
mod rbpf_peer;
mod sbpf_peer;
#[path = "../../src/timing.rs"]
mod timing;

use figures::{Goal, Unit, figure};
use hachi_vm::{Bare, Engine};
use programs::Program;

const ROUNDS: usize = 31;
/// About how long one engine is measured in one round.
const ROUND_NANOS: f64 = 3e6;

/// Something that can run a program once, and gives what it returned.
pub struct Runner<'r> {
    name: &'static str,
    kind: Kind,
    run: Box<dyn FnMut() -> u64 + 'r>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    HachiInterpreter,
    HachiChecked,
    HachiUnchecked,
    /// Another machine's interpreter.
    Interpreter,
    /// Another machine's compiler, with checks.
    Checked,
    /// Another machine's compiler, without.
    Unchecked,
}

impl<'r> Runner<'r> {
    pub fn new(name: &'static str, kind: Kind, run: impl FnMut() -> u64 + 'r) -> Runner<'r> {
        Runner {
            name,
            kind,
            run: Box::new(run),
        }
    }
}

/// The arguments: the firewall's object, and the file to which the figures go, both optional.
fn main() {
    for program in programs::all() {
        measure(&program);
    }
    firewall::measure();
    if let Some(file) = std::env::args_os().nth(2) {
        let figures = serde_json::Value::from(figures::take()).to_string();
        std::fs::write(file, figures).expect("a place for the figures");
    }
}

/// Runs what is given for one round, and gives the nanoseconds of one run.
fn round(runner: &mut Runner<'_>, runs: u32) -> f64 {
    timing::per_one(runs, || {
        for _ in 0..runs {
            std::hint::black_box((runner.run)());
        }
    })
}

fn measure(program: &Program) {
    figures::group(&format!(
        "{} ({} instructions)",
        program.name, program.executed
    ));
    let bytes = program.bytes();
    let mut memory = program.memory.clone();
    let mut runners = hachi(program);
    runners.extend(rbpf_peer::runners(&bytes, &mut memory));
    runners.extend(sbpf_peer::runners(&bytes, &program.memory));
    let expected = (runners[0].run)();
    assert_ne!(expected, 0, "{}", program.name);
    let mut runs = Vec::new();
    for runner in &mut runners {
        assert_eq!(
            (runner.run)(),
            expected,
            "{}: {}",
            program.name,
            runner.name
        );
        runs.push((ROUND_NANOS / round(runner, 200)).clamp(20.0, 1e6) as u32);
    }
    let mut kernel = kernel::Pair::new(program, expected as u32);
    let mut times = vec![Vec::new(); runners.len()];
    let mut in_kernel = kernel::Times::default();
    for _ in 0..ROUNDS {
        for ((runner, runs), times) in runners.iter_mut().zip(&runs).zip(&mut times) {
            times.push(round(runner, *runs));
        }
        if let Ok(kernel) = &mut kernel {
            kernel.round(&mut in_kernel);
        }
    }
    let times: Vec<f64> = times.iter().map(|times| timing::median(times)).collect();
    for (runner, time) in runners.iter().zip(&times) {
        line(runner.name, *time);
    }
    let best = |kinds: &[Kind]| {
        let of = runners.iter().zip(&times);
        of.filter(|(runner, _)| kinds.contains(&runner.kind))
            .map(|(_, time)| *time)
            .fold(f64::INFINITY, f64::min)
    };
    ratio(
        "interpreter / the fastest peer's",
        best(&[Kind::HachiInterpreter]) / best(&[Kind::Interpreter]),
        0.5,
    );
    ratio(
        "checked compiler / the fastest peer's",
        best(&[Kind::HachiChecked]) / best(&[Kind::Checked]),
        1.0,
    );
    ratio(
        "unchecked compiler / any peer's fastest",
        best(&[Kind::HachiUnchecked]) / best(&[Kind::Checked, Kind::Unchecked]),
        1.0,
    );
    match kernel {
        Ok(_) => in_kernel.print(),
        Err(reason) => println!("    the kernel: not measured: {reason}"),
    }
}

fn hachi(program: &Program) -> Vec<Runner<'static>> {
    let bare = Bare::new(&program.insns, &program.memory).expect("a valid program");
    let (mut interpreted, mut checked, mut unchecked) = (bare.clone(), bare.clone(), bare);
    checked.set_engine(Engine::Jit);
    vec![
        Runner::new(
            "hachi-vm, interpreter, checked",
            Kind::HachiInterpreter,
            move || interpreted.run().expect("an interpreted run"),
        ),
        Runner::new(
            "hachi-vm, compiled, checked",
            Kind::HachiChecked,
            move || checked.run().expect("a compiled run"),
        ),
        Runner::new(
            "hachi-vm, compiled, unchecked",
            Kind::HachiUnchecked,
            move || {
                // SAFETY: the programs stay in the memory that they are given.
                unsafe { unchecked.run_unchecked() }.expect("an unchecked run")
            },
        ),
    ]
}

pub fn line(what: &str, nanos: f64) {
    figure(what, nanos / 1e9, Unit::Seconds, Goal::None);
}

/// Prints a ratio, and whether it is at most the goal.
pub fn ratio(what: &str, ratio: f64, goal: f64) {
    figure(what, ratio, Unit::Ratio, Goal::Below(goal));
}
