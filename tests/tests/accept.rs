//! The corpus of ordinary Rust: what of it loads, and that it computes what it does on the host.
//!
//! Some groups of idioms are loaded each time, here and in guests. With `HACHI_ACCEPT` naming a
//! directory with the whole corpus (see `cargo xtask bench accept`) that is taken, and the outcomes
//! are only printed, a line of JSON each: the bars are the caller's.

use std::collections::BTreeMap;
use std::env;
use std::path::Path;

use hachi::Ebpf;
use hachi::programs::{Program, ProgramError, TestRunOptions};
use hachi_test::{in_guest, kernel_is_older_than, require_bpf, skip};
use hachi_tests::accept::{self, Expectation, Suite, inputs::inputs, is_generated};
use serde_json::json;

/// What became of a program.
enum Outcome {
    /// It computes the right thing; how many instructions the verifier looked at, if the kernel
    /// says.
    Right(Option<u32>),
    /// It was refused, or not even built, and why.
    Refused(String),
    /// It computes something else.
    Wrong(String),
}

/// The corpus: all of it as the environment says, or a part.
fn suite() -> Suite {
    match env::var_os("HACHI_ACCEPT") {
        Some(directory) => Suite::in_directory(Path::new(&directory)),
        None => accept::carried(),
    }
}

/// Loads and runs the programs that are wanted, in both profiles.
fn judge(profile: &str, wanted: fn(&str) -> bool) -> Vec<(Expectation, Outcome)> {
    let suite = suite();
    let mut files: BTreeMap<String, Vec<Expectation>> = BTreeMap::new();
    for expectation in suite.expectations() {
        if wanted(&expectation.file) {
            let file = expectation.file.clone();
            files.entry(file).or_default().push(expectation);
        }
    }
    let unbuilt = suite.unbuilt(profile);
    let inputs = inputs();
    let mut outcomes = Vec::new();
    for (file, expectations) in files {
        let object = suite.object(profile, &file);
        let mut ebpf = Ebpf::load_file(&object).unwrap();
        for expectation in expectations {
            let is_this = |line: &&[String; 3]| line[0] == file && line[1] == expectation.name;
            let outcome = match unbuilt.iter().find(is_this) {
                Some([_, _, why]) => Outcome::Refused(format!("not linked: {why}")),
                None => run(&mut ebpf, &expectation, &inputs),
            };
            print(profile, &expectation, &outcome);
            outcomes.push((expectation, outcome));
        }
    }
    outcomes
}

/// Loads one program and gives it all packets.
fn run(ebpf: &mut Ebpf, expectation: &Expectation, inputs: &[Vec<u8>]) -> Outcome {
    run_as(ebpf, &expectation.name, expectation, inputs)
}

/// The same with a program of another name.
fn run_as(ebpf: &mut Ebpf, name: &str, expectation: &Expectation, inputs: &[Vec<u8>]) -> Outcome {
    let program = ebpf.program_mut(name).unwrap();
    if let Err(error) = program.load() {
        return Outcome::Refused(explain(&error));
    }
    for (number, (input, expected)) in inputs.iter().zip(&expectation.results).enumerate() {
        let result = match result(program, input) {
            Ok(result) => result,
            Err(error) => return Outcome::Wrong(format!("packet {number}: {error}")),
        };
        if result != *expected {
            return Outcome::Wrong(format!(
                "packet {number}: {result:x?} instead of {expected:x?}"
            ));
        }
    }
    Outcome::Right(program.info().ok().and_then(|info| info.verified_insns()))
}

/// What the program makes of a packet; `None` when it aborts.
fn result(program: &Program, input: &[u8]) -> Result<Option<u64>, ProgramError> {
    let run = program.test_run(&TestRunOptions::new().data(input).data_out(256))?;
    Ok(match (run.return_value, run.data.first_chunk()) {
        (2, Some(bytes)) => Some(u64::from_le_bytes(*bytes)),
        _ => None,
    })
}

/// The explanation, and what the kernel said, in a few lines.
fn explain(error: &ProgramError) -> String {
    let mut text = error.to_string();
    if let ProgramError::LoadError(rejection) = error {
        let log: Vec<&str> = rejection.log.lines().rev().take(12).collect();
        text += "\n";
        text.extend(log.iter().rev().map(|line| format!("    {line}\n")));
    }
    text
}

fn print(profile: &str, expectation: &Expectation, outcome: &Outcome) {
    let (word, verified, why) = match outcome {
        Outcome::Right(verified) => ("right", *verified, None),
        Outcome::Refused(why) => ("refused", None, Some(why)),
        Outcome::Wrong(why) => ("wrong", None, Some(why)),
    };
    let line = json!({
        "profile": profile, "file": expectation.file, "name": expectation.name,
        "outcome": word, "verified": verified, "why": why,
    });
    println!("accept {line}");
}

/// Most must load, and all that loads must be right. With the whole corpus the caller judges.
fn assert_bar(outcomes: &[(Expectation, Outcome)], percent: usize) {
    if env::var_os("HACHI_ACCEPT").is_some() {
        return;
    }
    let mut wrong = Vec::new();
    let mut refused = Vec::new();
    for (Expectation { file, name, .. }, outcome) in outcomes {
        match outcome {
            Outcome::Right(_) => {}
            Outcome::Refused(why) => refused.push(format!("{file} {name}: {why}")),
            Outcome::Wrong(why) => wrong.push(format!("{file} {name}: {why}")),
        }
    }
    assert!(
        wrong.is_empty(),
        "computes otherwise:\n{}",
        wrong.join("\n")
    );
    let loaded = outcomes.len() - refused.len();
    assert!(
        !outcomes.is_empty() && loaded * 100 >= outcomes.len() * percent,
        "{loaded} of {} load:\n{}",
        outcomes.len(),
        refused.join("\n")
    );
}

/// What part of the programs must load, in percent.
fn bar(newer: usize) -> usize {
    match kernel_is_older_than("6.1") {
        true => 92,
        false => newer,
    }
}

fn idioms(profile: &str) {
    let outcomes = judge(profile, |file| !is_generated(file));
    assert_bar(&outcomes, bar(98));
}

/// The verifier is given generated programs only where a crash harms nobody.
fn generated(profile: &str) {
    if !in_guest() {
        skip!("generated programs are loaded in guests only");
    }
    let outcomes = judge(profile, is_generated);
    assert_bar(&outcomes, bar(97));
}

/// What C makes of some of the idioms: only its refusals are limits of the kernel.
#[test]
#[ignore = "the twins are built with the whole corpus: `cargo xtask bench accept` runs it"]
fn twins_in_c_compute_the_same() {
    require_bpf!();
    let suite = suite();
    if !suite.twins().is_file() {
        skip!("the twins are built where clang is");
    }
    let mut ebpf = Ebpf::load_file(suite.twins()).unwrap();
    let names: Vec<String> = ebpf.programs().map(|(name, _)| name.to_owned()).collect();
    let inputs = inputs();
    for expectation in suite.expectations() {
        let name = format!("{}__{}", expectation.file, expectation.name);
        if names.contains(&name) {
            let outcome = run_as(&mut ebpf, &name, &expectation, &inputs);
            print("C", &expectation, &outcome);
            assert!(!matches!(outcome, Outcome::Wrong(_)), "{name}");
        }
    }
}

#[test]
fn idioms_load_and_compute_in_release() {
    require_bpf!();
    idioms("release");
}

#[test]
fn idioms_load_and_compute_in_debug() {
    require_bpf!();
    idioms("debug");
}

#[test]
#[ignore = "takes long: `cargo xtask bench accept` runs it"]
fn generated_programs_load_and_compute_in_release() {
    require_bpf!();
    generated("release");
}

#[test]
#[ignore = "takes long: `cargo xtask bench accept` runs it"]
fn generated_programs_load_and_compute_in_debug() {
    require_bpf!();
    generated("debug");
}
