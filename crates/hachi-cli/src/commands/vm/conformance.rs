//! `hachi vm conformance`: the protocol of conformance suites for eBPF.

use std::io::Read as _;

use clap::ValueEnum;
use hachi_asm::consts::*;
use hachi_asm::{Endian, Insn};
use hachi_vm::{Bare, Engine};

use crate::failure::{Failure, Result};
use crate::output::{Output, say};

/// Run one program as conformance suites for eBPF ask for it
///
/// Reads the program from standard input as hexadecimal bytes. It gets a pointer to MEMORY in r1
/// and its length in r2. Prints r0 in hexadecimal; if the program breaks a rule or cannot go on,
/// prints why on standard error and exits with 1.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  echo 'b7 00 00 00 2a 00 00 00 95 00 00 00 00 00 00 00' | hachi vm conformance")]
pub struct Args {
    /// The memory, as hexadecimal bytes; spaces do not matter
    #[arg(value_name = "MEMORY", default_value = "")]
    memory: String,
    // Runners pass an empty argument where they have no options.
    #[arg(hide = true, value_parser = empty)]
    nothing: Option<String>,
    /// Compile the program instead of interpreting it
    #[arg(long)]
    jit: bool,
    /// Refuse instructions that are newer than this version of the instruction set
    #[arg(
        long,
        visible_alias = "cpu_version",
        value_name = "VERSION",
        default_value = "v4"
    )]
    cpu: Cpu,
}

/// Versions of the instruction set, as compilers name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Cpu {
    V1,
    V2,
    V3,
    V4,
}

/// No program is as large as this, in characters.
const LARGEST: u64 = 64 << 20;

pub fn run(args: Args, out: &mut Output) -> Result {
    let memory = bytes(&args.memory).map_err(|why| Failure::new(format!("memory: {why}")))?;
    let mut text = String::new();
    std::io::stdin()
        .take(LARGEST)
        .read_to_string(&mut text)
        .map_err(|error| Failure::because("reading the program", &error))?;
    let refuse = |why: &dyn std::fmt::Display| Failure::new(format!("program: {why}"));
    let code = bytes(&text).map_err(|why| refuse(&why))?;
    let insns = Insn::decode_all(&code, Endian::Little).map_err(|error| refuse(&error))?;
    if let Some((at, needed)) = too_new(&insns, args.cpu) {
        return Err(refuse(&format_args!(
            "instruction {at}: it is of version {needed} of the instruction set"
        )));
    }
    let mut bare = Bare::new(&insns, &memory).map_err(|error| refuse(&error))?;
    // Suites have programs that write across the frame pointer: machines that put frames side by
    // side allow it.
    bare.set_stack_slack(7);
    if args.jit {
        bare.set_engine(compiler()?);
    }
    let result = bare.run().map_err(|stopped| Failure::new(&stopped))?;
    say!(out, format_args!("{result:x}"))
}

#[cfg(feature = "jit")]
fn compiler() -> Result<Engine> {
    Ok(Engine::Jit)
}

#[cfg(not(feature = "jit"))]
fn compiler() -> Result<Engine> {
    Err(
        Failure::missing("this build of hachi has no compiler for the virtual machine")
            .help("leave out --jit to use the interpreter, or build with the feature `jit`"),
    )
}

fn empty(text: &str) -> std::result::Result<String, String> {
    match text {
        "" => Ok(String::new()),
        _ => Err("one argument is all there is".to_owned()),
    }
}

/// Bytes from hexadecimal digits, with spaces wherever.
fn bytes(text: &str) -> std::result::Result<Vec<u8>, String> {
    let mut digits = Vec::new();
    for (at, character) in text.chars().filter(|c| !c.is_whitespace()).enumerate() {
        match character.to_digit(16) {
            Some(digit) => digits.push(digit as u8),
            None => return Err(format!("{character:?} (digit {at}) is not hexadecimal")),
        }
    }
    let (pairs, rest) = digits.as_chunks::<2>();
    match rest {
        [] => Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect()),
        _ => Err(format!(
            "{} digits are not a whole number of bytes",
            digits.len()
        )),
    }
}

/// The first instruction that a version does not have, and the version that has it.
fn too_new(insns: &[Insn], cpu: Cpu) -> Option<(usize, &'static str)> {
    let mut at = 0;
    while let Some(insn) = insns.get(at) {
        let (needed, name) = version(*insn);
        if needed > cpu {
            return Some((at, name));
        }
        at += if insn.is_ld_imm64() { 2 } else { 1 };
    }
    None
}

fn version(insn: Insn) -> (Cpu, &'static str) {
    let v4 = match insn.class() {
        BPF_ALU | BPF_ALU64 => {
            insn.off != 0 && matches!(insn.op(), BPF_DIV | BPF_MOD | BPF_MOV)
                || insn.class() == BPF_ALU64 && insn.op() == BPF_END
        }
        BPF_LDX => insn.mode() == BPF_MEMSX,
        BPF_JMP32 => insn.op() == BPF_JA,
        BPF_STX => insn.mode() == BPF_ATOMIC && matches!(insn.imm, BPF_LOAD_ACQ | BPF_STORE_REL),
        _ => false,
    };
    let v3 = insn.class() == BPF_JMP32
        || insn.class() == BPF_STX && insn.mode() == BPF_ATOMIC && insn.imm != i32::from(BPF_ADD);
    let v2 = insn.class() == BPF_JMP && matches!(insn.op(), BPF_JLT..=BPF_JSLE);
    match (v4, v3, v2) {
        (true, ..) => (Cpu::V4, "v4"),
        (_, true, _) => (Cpu::V3, "v3"),
        (.., true) => (Cpu::V2, "v2"),
        _ => (Cpu::V1, "v1"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_with_spaces_wherever() {
        assert_eq!(bytes(""), Ok(Vec::new()));
        assert_eq!(
            bytes(" 0a  FF\n1").unwrap_err(),
            "5 digits are not a whole number of bytes"
        );
        assert_eq!(bytes(" 0a  FF\n1 2 ").unwrap(), [0x0a, 0xff, 0x12]);
        assert!(bytes("0x12").unwrap_err().contains("'x'"));
    }

    #[test]
    fn each_version_has_its_instructions() {
        use hachi_asm::build::*;
        let jump = Insn {
            code: BPF_JMP32 | BPF_JEQ,
            ..Insn::default()
        };
        let less = Insn {
            code: BPF_JMP | BPF_JLT,
            ..Insn::default()
        };
        let sdiv = Insn {
            code: BPF_ALU64 | BPF_DIV,
            off: 1,
            ..Insn::default()
        };
        let wanted = [
            (exit(), Cpu::V1),
            (less, Cpu::V2),
            (jump, Cpu::V3),
            (sdiv, Cpu::V4),
        ];
        for (insn, first) in wanted {
            for cpu in [Cpu::V1, Cpu::V2, Cpu::V3, Cpu::V4] {
                assert_eq!(
                    too_new(&[insn], cpu).is_none(),
                    cpu >= first,
                    "{insn:?} {cpu:?}"
                );
            }
        }
    }
}
