//! What Hachi has to say about a program: one type of diagnostic, by the linker before there is an
//! object, and by the kernel's verifier afterwards.
//!
//! A [`Diagnostic`] is data: severity, [`Code`], headline, places in the source, notes and help.
//! `Display` lays it out as a compiler does; features add colour (`render`), rustc's JSON form
//! (`json`) and the page that explains each code (`pages`).
//!
//! The verifier answers a rejected `BPF_PROG_LOAD` with a log: every instruction it walked, what it
//! knew about each register, and some last words. [`Log::parse`] reads it, [`Trace`] follows values
//! through it, [`Cause::of`] finds out what the last words stand for, and [`explain()`] puts that
//! in terms of the Rust source: which line, what the verifier knew about the value concerned and
//! where that came from, and what to change. [`diagnose`] does all of it.
//!
//! It is a pure library: it reads no file, calls no kernel and, without features, depends on
//! nothing; so the loader, the linker, the embedded runtime and the command can all use it.
//!
//! ```
//! use hachi_diag::{Code, Input};
//!
//! let log = "\
//! 0: R1=ctx() R10=fp0
//! ; let first = unsafe { *start }; @ main.rs:9
//! 0: (61) r1 = *(u32 *)(r1 +0)          ; R1_w=pkt(r=0)
//! 1: (71) r0 = *(u8 *)(r1 +0)
//! invalid access to packet, off=0 size=1, R1(id=0,off=0,r=0)
//! R1 offset is outside of the packet
//! processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
//! ";
//! let diagnostic = hachi_diag::diagnose(&Input::new("firewall", log));
//! assert_eq!(diagnostic.code, Some(Code::PACKET_BOUNDS));
//! assert_eq!(diagnostic.primary.as_ref().unwrap().line, 9);
//! println!("{diagnostic}");
//! ```
//!
//! Source of the log's format: `kernel/bpf/verifier.c` and `kernel/bpf/log.c`, from Linux 5.8 to
//! 6.18; the checked-in logs under `tests/logs` are real.

mod cause;
mod code;
mod diagnostic;
mod explain;
mod fix;
mod insn;
#[cfg(feature = "json")]
pub mod json;
mod layout;
mod log;
mod places;
mod printable;
#[cfg(feature = "render")]
mod render;
mod rules;
mod state;
mod trace;

pub use cause::{Access, Cause};
pub use code::{Code, Origin, where_to_read_on};
pub use diagnostic::{Applicability, Diagnostic, Edit, Help, Note, Severity, Span};
pub use explain::explain;
pub use fix::Fix;
pub use insn::{Op, Operand};
pub use log::{Event, Log, Stats};
pub use places::is_library_file;
pub use printable::{is_printable, printable};
#[cfg(feature = "render")]
pub use render::Renderer;
pub use state::{Frame, Register, Value};
pub use trace::Trace;

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

/// The functions that instructions were inlined through: from instruction `insn` on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inlined<'a> {
    /// Index of the first instruction, in slots.
    pub insn: usize,
    /// Where the code is written, then the call by which that was inlined, and so on to the
    /// program. Empty for code that was not inlined.
    pub chain: Vec<InlinedPlace<'a>>,
}

/// A place on the way from an instruction out to its program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InlinedPlace<'a> {
    /// The function that holds the place; empty when unknown.
    pub function: &'a str,
    /// The file.
    pub file: &'a str,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1; 0 when unknown.
    pub column: u32,
    /// The text of the line; empty when unknown.
    pub text: &'a str,
}

/// Something that the program uses and that older kernels do not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need<'a> {
    /// What it uses: "helper bpf_loop".
    pub what: &'a str,
    /// The first version of Linux that has it.
    pub since: (u16, u16),
}

/// A rejection, as the kernel gave it, and what is known of the program. Only `program` and `log`
/// are needed; the rest makes the answer better.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The program's name.
    pub program: &'a str,
    /// Its type, in the kernel's words ("xdp", "sched_cls") or those of sections; empty when
    /// unknown.
    pub kind: &'a str,
    /// The verifier's log, level 1 or above for an explanation with values.
    pub log: &'a str,
    /// The error the kernel returned (positive), when known. Explains rejections with an empty log.
    pub errno: Option<i32>,
    /// The version of the kernel that rejected it, when known.
    pub kernel: Option<(u16, u16)>,
    /// Line information, sorted by `insn`. Without it the log's own `;` lines are used, which name
    /// a file without its directory (Linux ≥ 6.8) or no file at all.
    pub lines: &'a [Line<'a>],
    /// The functions that instructions were inlined through, sorted by `insn`.
    pub inlined: &'a [Inlined<'a>],
    /// Instructions that ask for what the kernel does not have (CO-RE), replaced by the loader.
    pub missing: &'a [Missing<'a>],
    /// What the program uses that not all kernels have.
    pub needs: &'a [Need<'a>],
}

impl<'a> Input<'a> {
    /// An input with nothing but a name and a log.
    pub fn new(program: &'a str, log: &'a str) -> Self {
        Input {
            program,
            kind: "",
            log,
            errno: None,
            kernel: None,
            lines: &[],
            inlined: &[],
            missing: &[],
            needs: &[],
        }
    }
}

/// Reads a rejection and explains it. Never fails: what no rule knows is passed on in the kernel's
/// words, with the place and the values all the same.
pub fn diagnose(input: &Input<'_>) -> Diagnostic {
    let log = Log::parse(input.log);
    let trace = Trace::new(input, &log);
    explain(&Cause::of(&trace), &trace)
}
