//! A program that could not go on, and the explanation.

use std::fmt;

use hachi_asm::disasm;
use hachi_diag::{Code, Diagnostic, Span};
use hachi_machine::{Held, Kind, Reason, Trap};

use crate::program::Program;
use crate::run::Stop;
use crate::run::place;

/// Where and why a program stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stopped {
    /// The program.
    pub program: String,
    /// The slot of the instruction.
    pub insn: usize,
    /// The instruction, disassembled; empty if it did not get that far.
    pub text: String,
    /// Why.
    pub trap: Trap,
    /// Instructions that were run until then.
    pub instructions: u64,
    /// The place in the source.
    place: Option<Span>,
    /// The calls that led there, the innermost first.
    calls: Vec<Span>,
    /// What the loader found missing, if that is what was reached.
    missing: Option<String>,
}

impl Stopped {
    /// A program that did not start.
    pub(crate) fn before(program: &str, trap: Trap) -> Stopped {
        Stopped {
            program: program.to_owned(),
            insn: 0,
            text: String::new(),
            trap,
            instructions: 0,
            place: None,
            calls: Vec::new(),
            missing: None,
        }
    }

    pub(crate) fn new(
        programs: &[Program],
        trap: Trap,
        stop: Stop,
        callers: &[Stop],
        instructions: u64,
    ) -> Stopped {
        let (program, insn) = place(programs, stop);
        let linked = program.linked.as_deref();
        let text = linked.map(|linked| {
            let (text, _) = disasm::line(&linked.insns, insn, &());
            text
        });
        let poisoned = linked.and_then(|linked| {
            let poisoned = linked.poisoned.iter();
            // The two slots of a load are two calls.
            poisoned
                .clone()
                .find(|of| of.insn == insn || of.insn + 1 == insn)
        });
        Stopped {
            program: program.name.clone(),
            insn,
            text: text.unwrap_or_default(),
            trap,
            instructions,
            place: span(programs, stop),
            calls: callers
                .iter()
                .filter_map(|at| span(programs, *at))
                .collect(),
            missing: poisoned.map(|poisoned| poisoned.missing.to_string()),
        }
    }

    /// The same as a diagnostic, with the places in the source.
    pub fn diagnostic(&self) -> Diagnostic {
        let headline = match &self.missing {
            Some(missing) => missing.clone(),
            None => self.trap.to_string(),
        };
        let code = match self.missing {
            Some(_) => Code::UNRESOLVED_RELOCATION,
            None => code(&self.trap),
        };
        let mut diagnostic = Diagnostic::error(code, headline).in_function(&self.program);
        if let Some(place) = &self.place {
            diagnostic = diagnostic.at(place.clone());
        }
        for call in &self.calls {
            diagnostic = diagnostic.note_at("called here", call.clone());
        }
        if !self.text.is_empty() {
            diagnostic = diagnostic.note(format!("at instruction {}: {}", self.insn, self.text));
        }
        match help(&self.trap) {
            Some(help) if self.missing.is_none() => diagnostic.help(help),
            _ => diagnostic,
        }
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stopped { program, insn, .. } = self;
        write!(f, "program `{program}`, instruction {insn}")?;
        if let Some(place) = &self.place {
            write!(f, " ({place})")?;
        }
        match &self.missing {
            Some(missing) => write!(f, ": {missing}"),
            None => write!(f, ": {}", self.trap),
        }
    }
}

impl std::error::Error for Stopped {}

pub(crate) fn span(programs: &[Program], at: Stop) -> Option<Span> {
    let (program, insn) = place(programs, at);
    let linked = program.linked.as_deref()?;
    let line = linked.line_at(insn)?;
    let mut span = Span::new(line.file, line.line, line.column);
    if !line.text.is_empty() {
        span = span.with_text(line.text);
    }
    let function = linked
        .function_at(insn)
        .map(|function| function.name.clone());
    Some(match function {
        Some(function) => span.in_function(function),
        None => span,
    })
}

fn code(trap: &Trap) -> Code {
    match trap {
        Trap::Access(fault) => match &fault.reason {
            Reason::Null => Code::NULL_CHECK_MISSING,
            Reason::Unmapped => Code::NUMBER_AS_POINTER,
            Reason::Uninitialised { .. } => Code::STACK_UNINITIALISED,
            Reason::ReadOnly { .. } => Code::READ_ONLY_MEMORY,
            Reason::NoField { .. } => Code::CONTEXT_FIELD,
            Reason::Misaligned => Code::MISALIGNED,
            Reason::Gone {
                kind: Kind::Packet, ..
            } => Code::PACKET_BOUNDS,
            Reason::Gone { .. } => Code::REFERENCE_MISUSED,
            Reason::Outside { kind, .. } => match kind {
                Kind::Packet => Code::PACKET_BOUNDS,
                Kind::MapValue { .. } => Code::MAP_VALUE_BOUNDS,
                Kind::Stack => Code::STACK_BOUNDS,
                _ => Code::MEMORY_BOUNDS,
            },
            _ => Code::MEMORY_BOUNDS,
        },
        Trap::NoSuchHelper { .. } | Trap::Missing { .. } => Code::HELPER_UNKNOWN,
        Trap::WrongType { .. } => Code::HELPER_NOT_FOR_THIS_TYPE,
        Trap::MissingKfunc { .. } => Code::MISSING_KFUNC,
        Trap::Misuse { .. } => Code::HELPER_ARGUMENT_TYPE,
        Trap::Leak(Held::Lock { .. } | Held::ResilientLock { .. }) | Trap::Locked { .. } => {
            Code::SPIN_LOCK
        }
        Trap::Sleeps { .. } => Code::CALL_MAY_SLEEP,
        Trap::MisusedKfunc { .. } => Code::HELPER_ARGUMENT_TYPE,
        Trap::Leak(_) => Code::REFERENCE_LEAK,
        Trap::Instructions { .. } | Trap::Time { .. } => Code::INFINITE_LOOP,
        Trap::Memory => Code::NO_MEMORY,
        Trap::CallDepth => Code::CALL_DEPTH,
        _ => Code::UNKNOWN_INSTRUCTION,
    }
}

fn help(trap: &Trap) -> Option<&'static str> {
    match trap {
        Trap::Access(fault) => match &fault.reason {
            Reason::Null => Some("check the pointer before it is used: a lookup may find nothing"),
            Reason::Outside {
                kind: Kind::Packet, ..
            } => Some("compare the end of the access with `data_end` first"),
            Reason::Uninitialised { .. } => Some("write the whole value before it is read"),
            Reason::Gone {
                kind: Kind::Packet, ..
            } => Some("read `data` and `data_end` from the context again after the helper"),
            _ => None,
        },
        Trap::Leak(hachi_machine::Held::Record { .. }) => {
            Some("submit or discard the record on every path")
        }
        Trap::Leak(hachi_machine::Held::Lock { .. }) => Some("release the lock on every path"),
        Trap::Instructions { .. } | Trap::Time { .. } => Some("see that its loops end"),
        _ => None,
    }
}
