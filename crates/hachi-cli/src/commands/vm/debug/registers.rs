//! Registers as a debugger sees them.
//!
//! A debugger without BPF can still show a program: the kernel's compiler for x86-64 gives each
//! register of BPF one of that machine, so the machine is described as an x86-64 one with these
//! registers filled in. The registers by their own names are there too, behind those.

use std::fmt::Write as _;

use gdbstub::arch::{Arch, Registers};
use hachi_vm::{Caller, Moment};

use super::symbols::address_of;

/// As which machine the program is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum View {
    /// As x86-64: r0 is rax, r1 to r5 are rdi, rsi, rdx, rcx and r8, r6 to
    /// r9 are rbx, r13, r14 and r15, r10 is rbp; and all of them are bpf0 to bpf10
    #[default]
    #[value(name = "x86_64")]
    X86_64,
    /// As BPF, for a gdb that was built with it
    #[value(name = "bpf")]
    Bpf,
}

/// Bytes that each call takes of the stack that is made up.
pub const FRAME: u64 = 64;
/// Where that stack begins; it grows down, by a frame for each call. Programs have nothing there.
const STACK: u64 = 0xf0_0000_0000;

/// The address of the frame of a function at this depth.
pub fn stack_pointer(depth: usize) -> u64 {
    STACK - depth as u64 * FRAME
}

/// What the stack has from `from` on, a word at a time, and where it ends: for each function that
/// was called, where it goes back to and what its caller's registers were.
pub fn saved(moment: &Moment<'_>) -> Vec<(u64, u64)> {
    let mut words = Vec::new();
    let callers = moment.callers();
    let depth = callers.len();
    for (at, caller) in callers.iter().enumerate() {
        let Caller {
            number,
            insn,
            saved,
            frame,
            ..
        } = caller;
        let mut word = stack_pointer(depth - at) + FRAME;
        let [r6, r7, r8, r9] = match saved {
            Some(saved) => saved.map(Some),
            None => [None; 4],
        };
        let back = address_of(*number, *insn);
        for value in [Some(back), r6, r7, r8, r9, Some(*frame)] {
            word -= 8;
            words.extend(value.map(|value| (word, value)));
        }
    }
    words
}

/// r0 to r10, where the program is, and where the stack that is made up ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values {
    pub view: View,
    pub bpf: [u64; 11],
    /// The same by their own names, where the others are those of x86-64.
    pub named: [u64; 11],
    pub pc: u64,
    pub sp: u64,
}

/// A register of x86-64: its name, its bits, and what of BPF it holds.
#[derive(Clone, Copy)]
enum Holds {
    Bpf(usize),
    Stack,
    Pc,
    Nothing,
}

/// The registers of x86-64 in the order of the protocol, each with its bits.
fn x86_64() -> impl Iterator<Item = (String, u32, Holds)> {
    use Holds::{Bpf, Nothing, Pc, Stack};
    let whole = [
        ("rax", Bpf(0)),
        ("rbx", Bpf(6)),
        ("rcx", Bpf(4)),
        ("rdx", Bpf(3)),
        ("rsi", Bpf(2)),
        ("rdi", Bpf(1)),
        ("rbp", Bpf(10)),
        ("rsp", Stack),
        ("r8", Bpf(5)),
        ("r9", Nothing),
        ("r10", Nothing),
        ("r11", Nothing),
        ("r12", Nothing),
        ("r13", Bpf(7)),
        ("r14", Bpf(8)),
        ("r15", Bpf(9)),
        ("rip", Pc),
    ];
    let whole = whole
        .into_iter()
        .map(|(name, holds)| (name.to_owned(), 64, holds));
    let segments = ["eflags", "cs", "ss", "ds", "es", "fs", "gs"];
    let segments = segments.into_iter().map(|name| (name.to_owned(), 32));
    let floats = (0..8).map(|number| (format!("st{number}"), 80));
    let control = [
        "fctrl", "fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop",
    ];
    let control = control.into_iter().map(|name| (name.to_owned(), 32));
    let vectors = (0..16).map(|number| (format!("xmm{number}"), 128));
    let last = std::iter::once(("mxcsr".to_owned(), 32));
    let rest = segments.chain(floats).chain(control);
    let rest = rest.chain(vectors).chain(last);
    whole.chain(rest.map(|(name, bits)| (name, bits, Nothing)))
}

impl View {
    /// The description of the machine, as debuggers read it.
    pub fn description(self) -> String {
        let mut to = "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\">\
                      <target version=\"1.0\">"
            .to_owned();
        let register = |to: &mut String, name: &str, bits: u32, kind: &str| {
            let _ = write!(
                to,
                "<reg name=\"{name}\" bitsize=\"{bits}\" type=\"{kind}\"/>"
            );
        };
        match self {
            View::Bpf => {
                to += "<architecture>bpf</architecture><feature name=\"org.gnu.gdb.bpf.core\">";
                for number in 0..11 {
                    register(&mut to, &format!("r{number}"), 64, "int64");
                }
                register(&mut to, "pc", 64, "code_ptr");
                to += "</feature>";
            }
            View::X86_64 => {
                to += "<architecture>i386:x86-64</architecture>\
                       <feature name=\"org.gnu.gdb.i386.core\">";
                for (name, bits, _) in x86_64() {
                    if name == "xmm0" {
                        to += "</feature><feature name=\"org.gnu.gdb.i386.sse\">";
                    }
                    let kind = match (name.as_str(), bits) {
                        ("rip", _) => "code_ptr",
                        ("rbp" | "rsp", _) => "data_ptr",
                        (_, 80) => "i387_ext",
                        (_, 128) => "uint128",
                        (_, 32) => "int32",
                        _ => "int64",
                    };
                    register(&mut to, &name, bits, kind);
                }
                to += "</feature><feature name=\"org.hachi.bpf\">";
                for number in 0..11 {
                    let _ = write!(
                        to,
                        "<reg name=\"bpf{number}\" bitsize=\"64\" type=\"uint64\"/>"
                    );
                }
                to += "</feature>";
            }
        }
        to + "</target>"
    }
}

impl Registers for Values {
    type ProgramCounter = u64;

    fn pc(&self) -> u64 {
        self.pc
    }

    fn gdb_serialize(&self, mut write: impl FnMut(Option<u8>)) {
        let mut bytes: Vec<Option<u8>> = Vec::new();
        let number = |bytes: &mut Vec<Option<u8>>, value: u64| {
            bytes.extend(value.to_le_bytes().map(Some));
        };
        match self.view {
            View::Bpf => {
                self.bpf.iter().for_each(|value| number(&mut bytes, *value));
                number(&mut bytes, self.pc);
            }
            View::X86_64 => {
                for (_, bits, holds) in x86_64() {
                    match holds {
                        Holds::Bpf(register) => number(&mut bytes, self.bpf[register]),
                        Holds::Stack => number(&mut bytes, self.sp),
                        Holds::Pc => number(&mut bytes, self.pc),
                        Holds::Nothing => bytes.extend((0..bits / 8).map(|_| None)),
                    }
                }
                self.named
                    .iter()
                    .for_each(|value| number(&mut bytes, *value));
            }
        }
        bytes.into_iter().for_each(&mut write);
    }

    fn gdb_deserialize(&mut self, bytes: &[u8]) -> Result<(), ()> {
        let mut rest = bytes;
        let mut take = |bits: u32| {
            let (first, behind) = rest.split_at_checked(bits as usize / 8).ok_or(())?;
            rest = behind;
            let mut number = [0; 8];
            let len = first.len().min(8);
            number[..len].copy_from_slice(&first[..len]);
            Ok(u64::from_le_bytes(number))
        };
        self.view = match bytes.len() {
            96 => View::Bpf,
            _ => View::X86_64,
        };
        match self.view {
            View::Bpf => {
                for register in &mut self.bpf {
                    *register = take(64)?;
                }
                self.named = self.bpf;
                self.pc = take(64)?;
            }
            View::X86_64 => {
                for (_, bits, holds) in x86_64() {
                    let value = take(bits)?;
                    match holds {
                        Holds::Bpf(register) => self.bpf[register] = value,
                        Holds::Stack => self.sp = value,
                        Holds::Pc => self.pc = value,
                        Holds::Nothing => {}
                    }
                }
                for register in &mut self.named {
                    *register = take(64)?;
                }
            }
        }
        Ok(())
    }
}

/// The machine, for the protocol.
#[derive(Debug)]
pub enum Machine {}

impl Arch for Machine {
    type Usize = u64;
    type Registers = Values;
    type BreakpointKind = usize;
    type RegId = ();
}
