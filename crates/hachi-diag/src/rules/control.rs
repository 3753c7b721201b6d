//! Rejections about the flow of control, the size of programs and return values.

use super::Rule;
use crate::Cause;

pub(super) const RULES: &[Rule] = &[
    Rule {
        patterns: &["infinite loop detected at insn {insn}"],
        cause: |c| Cause::InfiniteLoop {
            insn: c.insn("insn"),
        },
    },
    Rule {
        patterns: &["back-edge from insn {insn} to {n_to}"],
        cause: |c| Cause::BackEdge {
            insn: c.insn("insn"),
        },
    },
    Rule {
        patterns: &["BPF program is too large. Processed {n} insn"],
        cause: |c| Cause::TooManyInstructions {
            walked: c.number("n"),
        },
    },
    Rule {
        patterns: &[
            "The sequence of {n} jumps is too complex.",
            "BPF program is too complex",
        ],
        cause: |c| Cause::TooComplex {
            branches: c.number("n"),
        },
    },
    Rule {
        patterns: &["program is too large ({n} insns)"],
        cause: |c| Cause::ProgramTooLong {
            instructions: c.number("n"),
        },
    },
    Rule {
        patterns: &["unreachable insn {insn}"],
        cause: |c| Cause::UnreachableCode {
            insn: c.insn("insn"),
        },
    },
    Rule {
        patterns: &["last insn is not an exit or jmp"],
        cause: |_| Cause::NoExit,
    },
    Rule {
        patterns: &[
            "jump out of range from insn {insn} to {n_to}",
            "jump into the middle of ldimm64 insn {insn}",
        ],
        cause: |c| Cause::BadJump {
            insn: c.insn("insn"),
        },
    },
    Rule {
        patterns: &["the call stack of {n} frames is too deep"],
        cause: |c| Cause::CallDepth {
            frames: c.number("n"),
        },
    },
    Rule {
        patterns: &["recursive call from {} to "],
        cause: |_| Cause::Recursion,
    },
    Rule {
        patterns: &[
            "combined stack size of {n_calls} calls is {n}. Too large",
            "stack size of subprog {} is {n}. Too large",
        ],
        cause: |c| Cause::StackTooLarge {
            bytes: c.number("n"),
        },
    },
    Rule {
        patterns: &[
            "At program exit the register R{reg} has {} should have been in {range}",
            "At program exit the register R{reg} is not a known value",
            "At subprogram exit the register R{reg} is not a ",
            "In async callback the register R{reg} is not a known value",
            "At async callback return the register R{reg} has {} should have been in {range}",
            "At callback return the register R{reg} has {} should have been in {range}",
            "At program exit the register R{reg} has",
        ],
        cause: |c| Cause::ReturnValue {
            allowed: c.text("range"),
        },
    },
    Rule {
        patterns: &["unknown opcode 8d"],
        cause: |_| Cause::IndirectCall,
    },
    Rule {
        patterns: &[
            "unknown opcode {code}",
            "BPF_CALL uses reserved fields",
            "BPF_JMP uses reserved fields",
            "invalid BPF_ATOMIC",
            "BPF_ATOMIC uses invalid atomic opcode",
            "BPF_STX uses reserved fields",
            "BPF_LDX uses reserved fields",
            "BPF_ALU uses reserved fields",
            "BPF_MOV uses reserved fields",
            "invalid BPF_LDX mode",
            "invalid atomic operand size",
        ],
        cause: |_| Cause::UnknownInstruction,
    },
    Rule {
        patterns: &["div by zero", "invalid shift {n}"],
        cause: |_| Cause::BadArithmetic,
    },
    Rule {
        patterns: &["frame pointer is read only", "R{reg} is invalid"],
        cause: |_| Cause::FramePointer,
    },
    Rule {
        patterns: &[
            "callbacks are not allowed in non-JITed programs",
            "calling kernel functions are not allowed in non-JITed programs",
            "JIT is required for calling kernel function",
            "JIT does not support calling kernel function",
            "JIT is required to use arena",
            "JIT doesn't support arena",
        ],
        cause: |_| Cause::NeedsJit,
    },
    Rule {
        patterns: &[
            "callback function not static",
            "callback function not allowed for map",
            "arg{n} expected pointer to func",
            "R{reg} must be a func",
        ],
        cause: |_| Cause::Callback,
    },
];
