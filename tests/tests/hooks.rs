//! Rust programs at the kernel's functions and security hooks read the structures they are given.

use hachi::Ebpf;
use hachi::maps::Array;
use hachi::programs::{AttachOptions, ProgramError};
use hachi_test::{in_guest, require_bpf, require_kernel, skip};
use hachi_tests::fixture;

/// Attaches the program and asks for the process group of this process.
///
/// # Errors
/// Why it cannot be loaded or attached.
fn facts(program: &str, kind: u32) -> Result<[i32; 3], ProgramError> {
    let mut ebpf = Ebpf::load_file(fixture("core_hooks")).unwrap();
    let mut wanted = Array::<_, u32>::try_from(ebpf.map_mut("WANTED").unwrap()).unwrap();
    wanted.set(0, std::process::id(), 0).unwrap();
    let program = ebpf.program_mut(program).unwrap();
    program.load()?;
    program.attach_by_section(&AttachOptions::new())?;
    // SAFETY: numbers only.
    assert!(unsafe { libc::getpgid(this()) } > 0);
    let facts = Array::<_, [i32; 3]>::try_from(ebpf.map("FACTS").unwrap()).unwrap();
    Ok(facts.get(&kind, 0).unwrap())
}

/// Guests have all kinds; the machine that the tests run on may be locked down or lack probes.
fn check(program: &str, kind: u32, expected: [i32; 3]) {
    require_bpf!();
    match facts(program, kind) {
        Ok(facts) => assert_eq!(facts, expected),
        Err(error) if in_guest() => panic!("{error}"),
        Err(error) => skip!("{error}"),
    }
}

fn this() -> i32 {
    std::process::id() as i32
}

fn parent() -> i32 {
    std::os::unix::process::parent_id() as i32
}

#[test]
fn entries_of_functions() {
    check("entry", 0, [this(), parent(), 0]);
}

#[test]
fn exits_of_functions() {
    check("exit", 1, [this(), parent(), 1]);
}

#[test]
fn results_of_functions() {
    require_kernel!("5.17", "bpf_get_func_ret");
    check("exit_result", 5, [this(), parent(), 1]);
}

#[test]
fn security_hooks() {
    check("hook", 2, [this(), parent(), 0]);
}

#[test]
fn probes() {
    check("probe", 3, [this(), parent(), 0]);
}

#[test]
fn probes_of_returns() {
    check("return_probe", 4, [0, 0, 1]);
}
