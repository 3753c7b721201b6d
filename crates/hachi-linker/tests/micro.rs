//! Small programs of every kind, compiled at every optimisation level, accepted by the kernel, and
//! computing there what they compute here.
//!
//! Each program in `micro/*.rs` is a function of eight words. The same text is compiled into this
//! test and into an XDP program that takes the words from the packet and leaves the result there. A
//! panic here must be an abort there.

mod support;

use std::{fmt::Write, panic, sync::Once, time::Instant};

use support::{Built, Config, PRELUDE, bpf, build, missing, object};

type Input = [u64; 8];
type Program = fn(&Input) -> u64;

macro_rules! programs {
    ($(fn $name:ident($x:ident) $body:block)*) => {
        $(pub fn $name($x: &Input) -> u64 $body)*
        pub const ALL: &[(&str, Program)] = &[$((stringify!($name), $name)),*];
    };
}

#[allow(unused, clippy::all)]
mod arith {
    use super::{Input, Program};
    include!("micro/arith.rs");
}

#[allow(unused, clippy::all)]
mod data {
    use super::{Input, Program};
    include!("micro/data.rs");
}

#[allow(unused, clippy::all)]
mod flow {
    use super::{Input, Program};
    include!("micro/flow.rs");
}

/// Name, source, and the programs as compiled here.
type Group = (
    &'static str,
    &'static str,
    &'static [(&'static str, Program)],
);

const GROUPS: &[Group] = &[
    ("arith", include_str!("micro/arith.rs"), arith::ALL),
    ("data", include_str!("micro/data.rs"), data::ALL),
    ("flow", include_str!("micro/flow.rs"), flow::ALL),
];

const MACRO: &str = r#"
type Input = [u64; 8];

#[inline(always)]
unsafe fn packet(ctx: *mut XdpMd) -> Option<*mut Input> {
    let (start, end) = unsafe { ((*ctx).data as usize, (*ctx).data_end as usize) };
    if start + 64 > end { None } else { Some(start as *mut Input) }
}

macro_rules! programs {
    ($(fn $name:ident($x:ident) $body:block)*) => {
        $(#[inline(never)] pub fn $name($x: &Input) -> u64 $body)*
        mod entry {
            use super::*;
            $(
                #[unsafe(no_mangle)]
                #[unsafe(link_section = "xdp")]
                pub extern "C" fn $name(ctx: *mut XdpMd) -> u32 {
                    let Some(p) = (unsafe { packet(ctx) }) else { return 3 };
                    // Volatile, or rustc reads the packet itself wherever the copy is read, and
                    // packets do not take an index that is known only at run time.
                    let x: Input = unsafe { (p as *const Input).read_volatile() };
                    let result = super::$name(&x);
                    unsafe { *(p as *mut u64) = result };
                    2
                }
            )*
        }
    };
}
"#;

/// When a program that the verifier cannot follow is one.
type When = fn(&Config) -> bool;

/// Programs that the verifier cannot follow whatever the linker does: name, when, and why.
const KERNEL_LIMITS: &[(&str, When, &str)] = &[
    (
        "powers",
        |_| true,
        "the loop ends because a bit test said that the exponent is not yet 1, and the verifier \
         draws nothing from bit tests",
    ),
    (
        "string_utf8",
        |config| config.host,
        "the loop ends because a byte read twice is the same, and the verifier does not remember \
         bytes in memory",
    ),
    (
        "string_contains",
        |config| config.host,
        "the host's library comes optimised, and goes by whole words from an aligned address on",
    ),
    (
        "square_root",
        |config| config.overflow_checks,
        "each check for overflow makes the verifier tell all partial roots apart",
    ),
];

fn words(text: &[u8; 64]) -> Input {
    std::array::from_fn(|i| u64::from_le_bytes(text[i * 8..][..8].try_into().unwrap()))
}

fn inputs() -> Vec<Input> {
    let mut inputs = vec![
        [0; 8],
        [1; 8],
        [1, 2, 3, 4, 5, 6, 7, 8],
        [u64::MAX; 8],
        [8, 7, 6, 5, 4, 3, 2, 1],
        [
            0x8000_0000_0000_0000,
            u64::MAX,
            0x8000_0000,
            0xffff_ffff,
            0x80,
            0xff,
            0x8000_0000,
            1,
        ],
        words(b"bash=12/GET /idx0123456789abcdef\0\xc3\xa9\xff\x80ABCDEFGHIJKLMNOPQRSTUVWXYZa"),
    ];
    // xorshift; the same every time.
    let mut state = 0x1234_5678_9abc_def1u64;
    for round in 0..12 {
        inputs.push(std::array::from_fn(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // Small values reach more branches.
            state >> [0, 8, 32, 48, 56, 60][round % 6]
        }));
    }
    inputs
}

/// Here: a value, or a panic.
fn expected(program: Program, input: &Input) -> Option<u64> {
    panic::catch_unwind(|| program(input)).ok()
}

fn compile(group: &str, source: &str, config: &Config) -> Built {
    let built = build(
        &format!("{PRELUDE}{MACRO}mod {group} {{ use super::*; {source} }}"),
        config,
    );
    assert!(
        built.object.is_some(),
        "{group} with {config:?} does not link:\n{}\n{}",
        built.diagnostics,
        built.stderr
    );
    built
}

/// Compiles, loads and runs all groups; what went wrong, one line each.
fn check(config: &Config) -> (usize, usize, String) {
    // Tests run side by side in this process, and expected panics are of no interest to anyone.
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let expected = info
                .location()
                .is_some_and(|at| at.file().contains("micro/"));
            if !expected {
                loud(info);
            }
        }));
    });
    let expectations: Vec<Vec<Vec<Option<u64>>>> = GROUPS
        .iter()
        .map(|(_, _, programs)| {
            programs
                .iter()
                .map(|(_, program)| inputs().iter().map(|i| expected(*program, i)).collect())
                .collect()
        })
        .collect();
    let (mut good, mut all) = (0, 0);
    let mut wrong = String::new();
    for ((group, source, programs), expectations) in GROUPS.iter().zip(expectations) {
        let start = Instant::now();
        let built = compile(group, source, config);
        let took = start.elapsed();
        let data = built.object.unwrap();
        let mut loader = object::programs(&data);
        eprintln!("{group}: {} programs compiled in {took:?}", programs.len());
        for ((name, _), expected) in programs.iter().zip(expectations) {
            all += 1;
            match try_program(&mut loader, name, &expected) {
                Ok(()) => good += 1,
                Err(message) => {
                    let limit = KERNEL_LIMITS
                        .iter()
                        .find(|(limited, when, _)| limited == name && when(config));
                    match limit {
                        Some((_, _, why)) => eprintln!("{name}: not here: {why}"),
                        None => writeln!(wrong, "{name}: {message}").unwrap(),
                    }
                }
            }
        }
    }
    (good, all, wrong)
}

fn try_program(
    loader: &mut object::Loader<'_>,
    name: &str,
    expected: &[Option<u64>],
) -> Result<(), String> {
    let code = loader.code(name).instructions;
    let program = bpf::load(bpf::XDP, &code).map_err(|(error, log)| {
        if std::env::var_os("HACHI_TEST_LOG").is_some() {
            eprintln!("--- {name}\n{log}");
        }
        let tail: Vec<&str> = log.lines().rev().take(3).collect();
        format!(
            "refused ({error}), {} instructions: {}",
            code.len(),
            tail.join(" | ")
        )
    })?;
    for (input, expected) in inputs().iter().zip(expected) {
        let packet: Vec<u8> = input.iter().flat_map(|w| w.to_le_bytes()).collect();
        let (verdict, out) = bpf::run(&program, &packet).map_err(|e| e.to_string())?;
        let got = match verdict {
            0 => None,
            2 => Some(u64::from_le_bytes(out[..8].try_into().unwrap())),
            other => return Err(format!("returned {other}")),
        };
        if got != *expected {
            return Err(format!(
                "{input:x?}: {got:x?} in the kernel, {expected:x?} here"
            ));
        }
    }
    Ok(())
}

fn all_good(config: &Config) {
    if missing(true) {
        return;
    }
    let (good, all, wrong) = check(config);
    eprintln!("{good} of {all} with {config:?}");
    assert!(wrong.is_empty(), "{config:?}: {good} of {all}\n{wrong}");
}

#[test]
fn opt_level_0() {
    all_good(&Config::opt("0"));
}

#[test]
fn opt_level_1() {
    all_good(&Config::opt("1"));
}

#[test]
fn opt_level_2() {
    all_good(&Config::opt("2"));
}

#[test]
fn opt_level_3() {
    all_good(&Config::opt("3"));
}

#[test]
fn opt_level_s() {
    all_good(&Config::opt("s"));
}

#[test]
fn opt_level_z() {
    all_good(&Config::opt("z"));
}

#[test]
fn debug_profile() {
    all_good(&Config::debug());
}

#[test]
fn cpu_v1() {
    all_good(&Config {
        cpu: "v1",
        ..Config::opt("3")
    });
}

#[test]
fn cpu_v2() {
    all_good(&Config {
        cpu: "v2",
        ..Config::opt("3")
    });
}

#[test]
fn cpu_v4() {
    all_good(&Config {
        cpu: "v4",
        ..Config::opt("3")
    });
}

#[test]
fn host_retargeted() {
    all_good(&Config {
        host: true,
        ..Config::opt("2")
    });
}
