//! Explains why the kernel's verifier rejected a program, in terms of the Rust source.
//!
//! The verifier answers a rejected `BPF_PROG_LOAD` with a log: every instruction it walked, what it
//! knew about each register, and one last sentence. This crate reads that log ([`Log::parse`]) and
//! turns it into an [`Explanation`]: which source line, what the verifier knew about the value
//! concerned and where that value came from, and what to change.
//!
//! It is a pure library: it reads no file, calls no kernel and depends on nothing, so the loader,
//! the embedded runtime and the command can all use it.
//!
//! ```
//! let log = "\
//! 0: R1=ctx() R10=fp0
//! ; let first = unsafe { *start }; @ main.rs:9
//! 0: (61) r1 = *(u32 *)(r1 +0)          ; R1_w=pkt(r=0)
//! 1: (71) r0 = *(u8 *)(r1 +0)
//! invalid access to packet, off=0 size=1, R1(id=0,off=0,r=0)
//! R1 offset is outside of the packet
//! processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
//! ";
//! let explanation = hachi_diag::explain(&hachi_diag::Input::new("firewall", log));
//! assert_eq!(explanation.rule, "packet-bounds");
//! assert_eq!(explanation.location.as_ref().unwrap().line, 9);
//! println!("{explanation}");
//! ```
//!
//! Source of the log's format: `kernel/bpf/verifier.c` and `kernel/bpf/log.c`, from Linux 5.8 to
//! 6.18; the checked-in logs under `tests/logs` are real.

mod code;
mod diagnostic;
mod explain;
mod explanation;
mod insn;
#[cfg(feature = "json")]
pub mod json;
mod layout;
mod log;
mod printable;
#[cfg(feature = "render")]
mod render;
mod rules;
mod state;
mod trace;

pub use code::{Code, Origin};
pub use diagnostic::{Applicability, Diagnostic, Edit, Help, Note, Severity, Span};
pub use explain::{Explanation, Location, Note as ExplanationNote, explain};
pub use insn::{Op, Operand};
pub use log::{Event, Log, Stats};
pub use printable::{is_printable, printable};
#[cfg(feature = "render")]
pub use render::Renderer;
pub use rules::{RuleInfo, rules};
pub use state::{Frame, Register, Value};

/// One record of a program's line information: from instruction `insn` on, the code comes from
/// here.
///
/// Borrowed, so that a loader can hand over what it has without copying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Index of the first instruction (in 8-byte slots, as the verifier counts) the record covers.
    pub insn: usize,
    /// File as the compiler named it: absolute, or relative to the package.
    pub file: &'a str,
    /// Line number, from 1.
    pub line: u32,
    /// Column, from 1; 0 when unknown.
    pub column: u32,
    /// The text of the line, as the compiler stored it; empty when unknown.
    pub text: &'a str,
}

/// An instruction that could not be adjusted to the kernel's types (CO-RE), so that the loader made
/// it one the verifier refuses wherever it can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing<'a> {
    /// Index of the instruction, in slots.
    pub insn: usize,
    /// What the kernel lacks, as a sentence without a full stop: "field `task_struct.foo` does not
    /// exist on this kernel".
    pub what: &'a str,
}

/// What [`explain`] works on. Only `program` and `log` are needed; the rest makes the answer
/// better.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The program's name.
    pub program: &'a str,
    /// Its kind in the user's words ("xdp", "kprobe"); empty when unknown.
    pub kind: &'a str,
    /// The verifier's log, level 1 or above for an explanation with values.
    pub log: &'a str,
    /// The error the kernel returned (positive), when known. Explains rejections with an empty log.
    pub errno: Option<i32>,
    /// Line information, sorted by `insn`. Without it the log's own `;` lines are used, which name
    /// a file without its directory (Linux ≥ 6.8) or no file at all.
    pub lines: &'a [Line<'a>],
    /// Instructions that ask for what the kernel does not have (CO-RE), replaced by the loader.
    pub missing: &'a [Missing<'a>],
}

impl<'a> Input<'a> {
    /// An input with nothing but a name and a log.
    pub fn new(program: &'a str, log: &'a str) -> Self {
        Input {
            program,
            kind: "",
            log,
            errno: None,
            lines: &[],
            missing: &[],
        }
    }
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
