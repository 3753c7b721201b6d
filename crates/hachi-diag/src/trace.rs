//! The path the verifier was on when it stopped, and where a value on it came from.

use crate::insn::{Op, Operand};
use crate::log::{Event, Log};
use crate::places::Places;
use crate::state::{Frame, Register, Value};
use crate::{Input, Need};

/// How many steps back a value is followed. Far more than any explanation shows; bounds the work on
/// long logs.
const HORIZON: usize = 20_000;

/// One instruction walked, linked to the one before it *on its path* (not in the log).
pub(crate) struct Step<'a> {
    pub insn: usize,
    pub text: &'a str,
    pub op: &'a Op,
    /// State printed just before this step.
    before: Option<&'a Frame>,
    after: Option<&'a Frame>,
    /// Index of the step before on the same path.
    prev: Option<usize>,
    /// Call depth, counted.
    depth: u32,
}

/// A rejection, read: the verifier's walk with what it knew, its last words, and what the loader
/// knows of the program.
pub struct Trace<'a> {
    input: Input<'a>,
    /// In the order of the log.
    pub(crate) steps: Vec<Step<'a>>,
    messages: Vec<&'a str>,
    pub(crate) places: Places<'a>,
}

/// Where a value came from: a step, and in words what happened there.
pub(crate) struct Origin {
    pub insn: usize,
    pub what: String,
}

impl<'a> Trace<'a> {
    /// Reads a rejection. `log` is [`Log::parse`] of `input.log`.
    pub fn new(input: &Input<'a>, log: &'a Log) -> Trace<'a> {
        let mut steps: Vec<Step<'a>> = Vec::new();
        // The latest step of each instruction, to find where an explored branch was left.
        let mut latest: std::collections::HashMap<usize, usize> = std::collections::HashMap::new();
        let (mut prev, mut before) = (None, None);
        for event in &log.events {
            match event {
                Event::State { from, frame, .. } => {
                    before = Some(frame);
                    if let Some(from) = from {
                        prev = latest.get(from).copied().or(prev);
                    }
                }
                Event::Insn {
                    insn,
                    text,
                    op,
                    after,
                } => {
                    let depth = prev.map_or(0, |at: usize| {
                        let step: &Step = &steps[at];
                        match step.op {
                            Op::Call { function } if is_local(function) => step.depth + 1,
                            Op::Exit => step.depth.saturating_sub(1),
                            _ => step.depth,
                        }
                    });
                    latest.insert(*insn, steps.len());
                    steps.push(Step {
                        insn: *insn,
                        text,
                        op,
                        before: before.take(),
                        after: after.as_ref(),
                        prev,
                        depth,
                    });
                    prev = Some(steps.len() - 1);
                }
                _ => {}
            }
        }
        Trace {
            input: *input,
            steps,
            messages: log.final_messages(),
            places: Places::new(input, log),
        }
    }

    /// What it was made of.
    pub fn input(&self) -> &Input<'a> {
        &self.input
    }

    /// The verifier's last words, line by line.
    pub fn messages(&self) -> &[&'a str] {
        &self.messages
    }

    /// The newest thing that the program uses and the running kernel does not have.
    pub(crate) fn newer_than_kernel(&self) -> Option<&Need<'a>> {
        let running = self.input.kernel?;
        let newer = self.input.needs.iter().filter(|need| need.since > running);
        newer.max_by_key(|need| need.since)
    }

    /// Whether the running kernel is this one or a newer one; true when that is not known.
    pub(crate) fn kernel_has(&self, since: (u16, u16)) -> bool {
        self.input.kernel.is_none_or(|running| running >= since)
    }

    /// The register that the last words are about: the first they name.
    pub(crate) fn subject(&self) -> Option<Register> {
        let number = |word: &str| -> Option<u8> {
            let digits = word.strip_prefix('R')?;
            let end = digits.bytes().position(|byte| !byte.is_ascii_digit());
            digits[..end.unwrap_or(digits.len())].parse().ok()
        };
        let mut words = self
            .messages
            .iter()
            .flat_map(|message| message.split([' ', ',']));
        words.find_map(number).map(Register::Reg)
    }

    /// What is known of that register before the last step.
    pub(crate) fn subject_value(&self) -> Option<&'a Value> {
        self.value_before(self.last()?, self.subject()?)
    }

    /// How many bytes the last words say were proven to be there.
    pub(crate) fn proven(&self) -> Option<i64> {
        self.messages.iter().find_map(|message| {
            let (_, rest) = message.split_once(",r=")?;
            rest.split(')').next()?.parse().ok()
        })
    }

    /// Whether the access is one of a loop that goes through a block by moving a pointer, a step
    /// each round: then a comparison of pointers ends it, which the verifier learns nothing from.
    pub(crate) fn walks_by_pointer(&self) -> bool {
        let (Some(at), Some(register)) = (self.last(), self.subject()) else {
            return false;
        };
        let Some(now) = self.value_before(at, register) else {
            return false;
        };
        let here = &self.steps[at];
        let earlier = self
            .back(at)
            .find(|(_, step)| step.insn == here.insn && step.depth == here.depth);
        let Some(before) = earlier.and_then(|(index, _)| self.value_before(index, register)) else {
            return false;
        };
        !now.is_scalar() && now.same_block(before) && now.fixed_offset() != before.fixed_offset()
    }

    /// Whether a pointer was wanted and the address of an empty slice is there: a small number, the
    /// alignment of its elements.
    pub(crate) fn is_empty_slice(&self) -> bool {
        let value = self.subject_value();
        value
            .and_then(|value| value.constant.filter(|_| value.is_scalar()))
            .is_some_and(|number| matches!(number, 1 | 2 | 4 | 8 | 16))
    }

    /// The operator of the last instruction, when it computes something: `+=`.
    pub(crate) fn operator(&self) -> Option<&'a str> {
        let step = &self.steps[self.last()?];
        match step.op {
            Op::Compute { .. } => step.text.split(' ').nth(1),
            _ => None,
        }
    }

    /// Whether the last instruction calls a helper that takes a constant string.
    pub(crate) fn calls_with_a_format(&self) -> bool {
        let called = self.last().and_then(|at| self.called(at));
        matches!(called, Some("bpf_snprintf" | "bpf_strncmp"))
    }

    /// Index of the last step.
    pub(crate) fn last(&self) -> Option<usize> {
        self.steps.len().checked_sub(1)
    }

    /// The last step at instruction `insn`.
    pub(crate) fn find(&self, insn: usize) -> Option<usize> {
        self.steps.iter().rposition(|step| step.insn == insn)
    }

    /// The steps before `at` on its path, nearest first.
    fn back(&self, at: usize) -> impl Iterator<Item = (usize, &Step<'a>)> {
        std::iter::successors(self.steps[at].prev, |at| self.steps[*at].prev)
            .take(HORIZON)
            .map(|at| (at, &self.steps[at]))
    }

    /// The instructions before `at` on its path, nearest first, `at` included.
    pub(crate) fn path(&self, at: usize) -> impl Iterator<Item = usize> {
        std::iter::once(self.steps[at].insn).chain(self.back(at).map(|(_, step)| step.insn))
    }

    /// What is known about a register just before step `at`.
    pub(crate) fn value_before(&self, at: usize, register: Register) -> Option<&'a Value> {
        if let Some(value) = self.steps[at].before.and_then(|frame| frame.get(register)) {
            return Some(value);
        }
        let depth = self.steps[at].depth;
        for (_, step) in self.back(at) {
            for frame in [step.after, step.before].into_iter().flatten() {
                if let Some(value) = frame.get(register).filter(|_| frame.depth == depth) {
                    return Some(value);
                }
            }
            // A call of a helper clears its arguments.
            if let (Register::Reg(1..=5), Op::Call { function }) = (register, step.op)
                && !is_local(function)
            {
                return None;
            }
            // A write whose result was not printed ends what is known.
            if step.depth == depth
                && matches!(register, Register::Reg(n) if step.op.writes() == Some(n))
            {
                return None;
            }
        }
        None
    }

    /// Follows the value in `register` before step `at` to where it came from: the stations worth
    /// telling, nearest first, the source last.
    pub(crate) fn origins(&self, at: usize, register: Register, kind: &str) -> Vec<Origin> {
        self.follow(at, register, kind, true)
    }

    /// `origins`; with `sources`, also of numbers that are added to the value on the way.
    fn follow(&self, at: usize, register: Register, kind: &str, sources: bool) -> Vec<Origin> {
        let mut origins = Vec::new();
        let mut wanted = register;
        let mut depth = self.steps[at].depth;
        for (index, step) in self.back(at) {
            // Crossing a call of our own: arguments come from the caller, r0 from the callee's end.
            if step.depth < depth {
                match wanted {
                    Register::Reg(1..=5) => depth = step.depth,
                    _ => break,
                }
            } else if step.depth > depth {
                if wanted == Register::Reg(0) && matches!(step.op, Op::Exit) {
                    depth = step.depth;
                }
                continue;
            }
            let mut tell = |what: String| {
                origins.push(Origin {
                    insn: step.insn,
                    what,
                });
            };
            match (wanted, step.op) {
                (
                    Register::Slot(slot),
                    Op::Store {
                        base: 10,
                        offset,
                        size,
                        value,
                        ..
                    },
                ) if *offset <= slot && slot < offset + i32::from(*size) => match value {
                    Operand::Reg(n) => wanted = Register::Reg(*n),
                    Operand::Number(n) => {
                        tell(format!("the stack slot is set to {n} here"));
                        break;
                    }
                },
                (Register::Reg(wanted_reg), op) if op.writes() == Some(wanted_reg) => match op {
                    Op::Move {
                        from: Operand::Reg(n),
                        ..
                    } => wanted = Register::Reg(*n),
                    Op::Move {
                        from: Operand::Number(n),
                        ..
                    } => {
                        tell(format!("it is set to the constant {n} here"));
                        break;
                    }
                    Op::Wide { text, .. } => {
                        tell(describe_wide(
                            text,
                            step.after
                                .and_then(|frame| frame.get(Register::Reg(wanted_reg))),
                        ));
                        break;
                    }
                    Op::Compute {
                        with: Some(Operand::Reg(n)),
                        ..
                    } => {
                        let other = self.value_before(index, Register::Reg(*n));
                        let this = self.value_before(index, Register::Reg(wanted_reg));
                        match (this, other) {
                            (Some(this), Some(other)) if this.is_scalar() != other.is_scalar() => {
                                // A number is added to a pointer: the pointer is followed further,
                                // and of the number the source is told.
                                let (number, added) = match this.is_scalar() {
                                    true => (wanted_reg, this),
                                    false => (*n, other),
                                };
                                tell(format!("{} is added to a pointer here", added.describe()));
                                if wanted_reg == number {
                                    wanted = Register::Reg(*n);
                                }
                                if sources {
                                    origins.extend(self.source_of_number(index, number, kind));
                                }
                            }
                            (_, Some(other)) => {
                                tell(format!("it is combined with {} here", other.describe()));
                            }
                            _ => tell("it is combined with another value here".to_string()),
                        }
                    }
                    Op::Compute { .. } => {}
                    Op::Load {
                        base: 10, offset, ..
                    } => wanted = Register::Slot(*offset),
                    Op::Load {
                        base, offset, size, ..
                    } => {
                        let from = self.value_before(index, Register::Reg(*base));
                        tell(describe_load(from, *offset, *size, kind));
                        break;
                    }
                    Op::Call { function } if is_local(function) => {
                        tell("it is returned by the function called here".to_string());
                        break;
                    }
                    Op::Call { function } => {
                        let map = self
                            .value_before(index, Register::Reg(1))
                            .filter(|value| {
                                value.kind == "map_ptr"
                                    && (function.contains("map") || function.contains("ringbuf"))
                            })
                            .and_then(Value::map);
                        tell(match map {
                            Some(map) => {
                                format!("it is returned by `{function}` on map {map} here")
                            }
                            None => format!("it is returned by `{function}` here"),
                        });
                        break;
                    }
                    _ => {
                        tell("it is read from memory here".to_string());
                        break;
                    }
                },
                // A call of a helper leaves r1-r5 unset.
                (Register::Reg(n @ 1..=5), Op::Call { function }) if !is_local(function) => {
                    tell(format!(
                        "`{function}`, called here, leaves r{n} without a value"
                    ));
                    break;
                }
                _ => {}
            }
        }
        origins
    }

    /// Where a number that is added to a pointer comes from.
    fn source_of_number(&self, at: usize, register: u8, kind: &str) -> Option<Origin> {
        let source = self
            .follow(at, Register::Reg(register), kind, false)
            .pop()?;
        let what = source.what.strip_prefix("it is ")?;
        Some(Origin {
            insn: source.insn,
            what: format!("that number is {what}"),
        })
    }

    /// The name of the function called at step `at`.
    pub(crate) fn called(&self, at: usize) -> Option<&'a str> {
        match self.steps[at].op {
            Op::Call { function } => Some(function),
            _ => None,
        }
    }
}

/// `call pc+5`: a function of the program itself.
fn is_local(function: &str) -> bool {
    function.starts_with("pc")
}

fn describe_wide(text: &str, value: Option<&Value>) -> String {
    if let Some(value) = value.filter(|value| !value.is_scalar()) {
        return format!("it is {}, taken here", value.describe());
    }
    match text.starts_with("map") {
        true => "it is the address of a map, taken here".to_string(),
        false => format!("it is set to {text} here"),
    }
}

fn describe_load(from: Option<&Value>, offset: i32, size: u8, kind: &str) -> String {
    let place = match from {
        Some(value) => match value.kind.as_str() {
            "ctx" => match context_field(kind, offset) {
                Some(field) => format!("field `{field}` of the program's context"),
                None => format!("byte {offset} of the program's context"),
            },
            "pkt" => "the packet".to_string(),
            "map_value" => match value.map() {
                Some(map) => format!("a value of map {map}"),
                None => "a map's value".to_string(),
            },
            other => match other.rsplit_once("ptr_") {
                Some((_, name)) => format!("the kernel's `{name}`"),
                None => "memory".to_string(),
            },
        },
        None => "memory".to_string(),
    };
    let bytes = if size == 1 {
        "1 byte"
    } else {
        &format!("{size} bytes")
    };
    format!("it is {bytes} read from {place} here")
}

/// Types of programs whose context is a socket buffer (`__sk_buff`), in the kernel's words and in
/// those of sections.
const SOCKET_BUFFER: &[&str] = &[
    "sched_",
    "tc",
    "classifier",
    "action",
    "cgroup_skb",
    "socket",
    "netkit",
    "lwt_",
    "sk_skb",
];

/// The context's fields that programs most often read, by the kernel's UAPI structs.
fn context_field(kind: &str, offset: i32) -> Option<&'static str> {
    let table: &[(i32, &str)] = if kind.starts_with("xdp") {
        &[
            (0, "data"),
            (4, "data_end"),
            (8, "data_meta"),
            (12, "ingress_ifindex"),
            (16, "rx_queue_index"),
            (20, "egress_ifindex"),
        ]
    } else if SOCKET_BUFFER.iter().any(|prefix| kind.starts_with(prefix)) {
        &[
            (0, "len"),
            (4, "pkt_type"),
            (8, "mark"),
            (16, "protocol"),
            (76, "data"),
            (80, "data_end"),
        ]
    } else {
        &[]
    };
    table
        .iter()
        .find(|(at, _)| *at == offset)
        .map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_followed_through_copies_and_the_stack() {
        let log = Log::parse(
            "\
0: R1=ctx() R10=fp0
0: (61) r2 = *(u32 *)(r1 +4)          ; R1=ctx() R2_w=pkt_end()
1: (7b) *(u64 *)(r10 -8) = r2         ; R2_w=pkt_end() R10=fp0 fp-8_w=pkt_end()
2: (b7) r2 = 7                        ; R2_w=7
3: (79) r3 = *(u64 *)(r10 -8)         ; R3_w=pkt_end() R10=fp0 fp-8_w=pkt_end()
4: (bf) r4 = r3                       ; R3_w=pkt_end() R4_w=pkt_end()
5: (71) r0 = *(u8 *)(r4 +0)
R4 invalid mem access 'pkt_end'
",
        );
        let trace = Trace::new(&Input::new("p", ""), &log);
        let at = trace.last().unwrap();
        assert_eq!(
            trace.value_before(at, Register::Reg(4)).unwrap().kind,
            "pkt_end"
        );
        let origins = trace.origins(at, Register::Reg(4), "xdp");
        assert_eq!(origins.len(), 1);
        assert_eq!(origins[0].insn, 0);
        assert_eq!(
            origins[0].what,
            "it is 4 bytes read from field `data_end` of the program's context here"
        );
    }

    #[test]
    fn a_path_taken_later_is_followed_to_its_branch() {
        let log = Log::parse(
            "\
0: R1=ctx() R10=fp0
0: (b7) r6 = 1                        ; R6_w=1
1: (15) if r1 == 0x0 goto pc+2        ; R1=ctx()
2: (b7) r6 = 9                        ; R6_w=9
3: (95) exit
from 1 to 4: R1=ctx() R6=1 R10=fp0
4: (bf) r0 = r6                       ; R0_w=1 R6=1
5: (95) exit
",
        );
        let trace = Trace::new(&Input::new("p", ""), &log);
        let at = trace.last().unwrap();
        let path: Vec<usize> = trace.path(at).collect();
        assert_eq!(path, [5, 4, 1, 0]);
        let origins = trace.origins(at, Register::Reg(0), "");
        assert_eq!(origins[0].insn, 0);
    }
}
