//! Rejections about the flow of control, the size of programs and return values.

use super::{Place, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "infinite-loop",
        patterns: &["infinite loop detected at insn {insn}"],
        title: "a loop does not come nearer to its end",
        why: "the verifier came back to this place with nothing changed, so the loop could run for ever",
        help: &[
            "count with a variable that has a fixed limit: `for i in 0..64 { … }`",
            "a `loop {}` in a panic handler counts as well: let the linker turn panics into a return (the default), or return an error instead",
        ],
        place: Place::Hole("insn"),
        ..Rule::ROW
    },
    Rule {
        id: "back-edge",
        patterns: &["back-edge from insn {insn} to {n_to}"],
        title: "the program has a loop, which this kernel or this user does not allow",
        why: "loops are verified since Linux 5.3, and for privileged programs only",
        help: &[
            "load with CAP_BPF (as root)",
            "on older kernels, unroll the loop by a constant count",
        ],
        place: Place::Hole("insn"),
        ..Rule::ROW
    },
    Rule {
        id: "too-many-instructions",
        patterns: &["BPF program is too large. Processed {n} insn"],
        title: "the verifier gave up after walking {n} instructions",
        why: "it follows every path; branches inside a loop multiply them",
        help: &[
            "give loops a smaller limit, or move the loop's body into `bpf_loop` (Linux ≥ 5.17), which is verified once",
            "turn branches into arithmetic: sum comparisons as numbers, mask instead of `if`",
            "put a large part into a function of its own that is verified once (a global function), or into a tail call",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "too-complex",
        patterns: &[
            "The sequence of {n} jumps is too complex.",
            "BPF program is too complex",
        ],
        title: "too many branches are open at once ({n})",
        why: "the verifier remembers every branch that it has still to follow; a loop leaves some open in every round",
        help: &[
            "is it a loop? give it a fixed and smaller limit (`for i in 0..64 { … }`), or use `bpf_loop` (Linux ≥ 5.17), whose body is verified once",
            "split the program: fewer branches in a row, a `match` turned into a table, or a tail call",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "program-too-long",
        patterns: &["program is too large ({n} insns)"],
        title: "the program has too many instructions ({n})",
        why: "",
        help: &["split it with tail calls"],
        place: Place::Program,
        ..Rule::ROW
    },
    Rule {
        id: "unreachable-code",
        patterns: &["unreachable insn {insn}"],
        title: "the program holds code that nothing reaches",
        why: "",
        help: &[
            "this is usually the rest of a panic or of a function that does not return: link with `hachi build`, which removes it",
            "in hand-written assembly, remove it",
        ],
        place: Place::Hole("insn"),
        ..Rule::ROW
    },
    Rule {
        id: "no-exit",
        patterns: &["last insn is not an exit or jmp"],
        title: "a function does not end in a return",
        why: "its last instruction is a call that never comes back, as a panic is",
        help: &[
            "link with `hachi build`, which turns panics into a return",
            "avoid the panic: `get(i)` instead of `[i]`, `checked_add`, `let … else` instead of `unwrap`",
        ],
        place: Place::Program,
        ..Rule::ROW
    },
    Rule {
        id: "bad-jump",
        patterns: &[
            "jump out of range from insn {insn} to {n_to}",
            "jump into the middle of ldimm64 insn {insn}",
        ],
        title: "a jump leads out of its function or into the middle of an instruction",
        why: "",
        help: &[
            "this is a fault of the assembler or linker, or of hand-written `asm!`: rebuild the object",
        ],
        place: Place::Hole("insn"),
        ..Rule::ROW
    },
    Rule {
        id: "call-depth",
        patterns: &[
            "the call stack of {n} frames is too deep",
            "recursive call from {} to ",
        ],
        title: "functions call each other more than 8 deep, or themselves",
        why: "",
        help: &[
            "recursion is not possible in BPF: write a loop with a limit",
            "let small functions be inlined: `#[inline(always)]`",
        ],
        place: Place::Program,
        ..Rule::ROW
    },
    Rule {
        id: "stack-too-large",
        patterns: &[
            "combined stack size of {n_calls} calls is {n}. Too large",
            "stack size of subprog {} is {n}. Too large",
        ],
        title: "the functions on the deepest path use {n} bytes of stack, and 512 is the limit",
        why: "",
        help: &[
            "move large local values (arrays, structures) into a `PerCpuArray` with one entry",
            "pass references instead of copies, and let small functions be inlined",
        ],
        place: Place::Program,
        ..Rule::ROW
    },
    Rule {
        id: "return-value",
        patterns: &[
            "At program exit the register R{reg} has {} should have been in {range}",
            "At program exit the register R{reg} is not a known value",
            "At subprogram exit the register R{reg} is not a ",
            "In async callback the register R{reg} is not a known value",
            "At async callback return the register R{reg} has {} should have been in {range}",
            "At callback return the register R{reg} has {} should have been in {range}",
            "At program exit the register R{reg} has",
        ],
        title: "the program may return a value that its kind does not allow",
        why: "allowed here: {range}",
        help: &[
            "return the constants of the program's kind (`xdp_action::XDP_PASS`, `0` or `1` for cgroup programs, …) rather than a computed number",
            "limit a computed one before returning it",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "indirect-call",
        patterns: &["unknown opcode 8d"],
        title: "the program calls a function through a pointer",
        why: "BPF has no such call: it comes from a trait object, a function pointer or `core::fmt`",
        help: &[
            "replace trait objects and function pointers by generics or a `match`",
            "print with the logging macros, which format in user space, instead of `core::fmt`",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "unknown-instruction",
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
        title: "the running kernel does not know an instruction of the program",
        why: "the object was built for a newer instruction set",
        help: &[
            "build for an older one: `hachi build --cpu v2` (v3 needs Linux ≥ 5.12, v4 Linux ≥ 6.6)",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "bad-arithmetic",
        patterns: &["div by zero", "invalid shift {n}"],
        title: "a division by the constant 0, or a shift by more than the value has bits",
        why: "",
        help: &[
            "check the constants of the expression; `checked_div` and `checked_shl` make the case explicit",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "frame-pointer",
        patterns: &["frame pointer is read only", "R{reg} is invalid"],
        title: "a register is used that programs cannot use in this way",
        why: "r10 is read-only, and there are no registers beyond it",
        help: &["check `asm!` blocks; compilers do not generate this"],
        ..Rule::ROW
    },
    Rule {
        id: "needs-jit",
        patterns: &[
            "callbacks are not allowed in non-JITed programs",
            "calling kernel functions are not allowed in non-JITed programs",
            "JIT is required for calling kernel function",
            "JIT does not support calling kernel function",
        ],
        title: "the program needs the JIT compiler, which is off or cannot do this",
        why: "",
        help: &["turn it on: `sysctl -w net.core.bpf_jit_enable=1`"],
        place: Place::Program,
        ..Rule::ROW
    },
    Rule {
        id: "callback",
        patterns: &[
            "callback function not static",
            "callback function not allowed for map",
            "arg{n} expected pointer to func",
            "R{reg} must be a func",
        ],
        title: "a callback is not a function of the program",
        why: "",
        help: &[
            "pass a plain `extern \"C\" fn` of the same object, not a closure that captures anything",
        ],
        ..Rule::ROW
    },
];
