//! Stack along calls. Single functions are checked when their code is generated.

use hachi_asm::consts::{MAX_BPF_STACK, MAX_CALL_FRAMES};
use hachi_obj::{
    AttachType, ProgramType,
    inspect::{self, StackDepth},
};

use super::{Program, line, locate};
use crate::{Code, Diagnostic, names};

/// Bytes for a program and the functions it calls.
const LIMIT: u32 = MAX_BPF_STACK;

/// The verifier's bound for the callers of a function that makes tail calls.
const TAIL_CALL_LIMIT: u32 = 256;

const FRAMES: usize = MAX_CALL_FRAMES as usize;

/// What a function rounds its stack up to, on kernels since 6.9 that compile programs and on all
/// others (`round_up_stack_depth` in `kernel/bpf/verifier.c`).
const COMPILED: u32 = 16;
const INTERPRETED: u32 = 32;

pub(super) fn check(program: Program<'_>, found: &mut Vec<Diagnostic>) {
    if program.code.functions.len() < 2 {
        return;
    }
    let stack = inspect::stack_depth(program.code);
    if stack.deepest.is_none() {
        found.push(recursion(program, &stack));
        return;
    }
    if stack.path.len() > FRAMES {
        let d = Diagnostic::error(
            Code::CALL_DEPTH,
            format!(
                "calls are nested {} deep in the program `{}`, but eBPF allows {FRAMES} frames",
                stack.path.len(),
                program.spec.name
            ),
        );
        let d = path(d, program, &stack, &stack.path);
        found.push(d.help("let some of the functions be inlined, or merge them"));
    }
    total(program, &stack, found);
    tail_calls(program, &stack, found);
}

fn total(program: Program<'_>, stack: &StackDepth, found: &mut Vec<Diagnostic>) {
    let bytes = |granularity| stack.bytes(&stack.path, granularity);
    let (compiled, interpreted) = (bytes(COMPILED), bytes(INTERPRETED));
    if interpreted <= LIMIT {
        return;
    }
    let message = format!(
        "the calls of the program `{}` need {} bytes of stack together, but eBPF has {LIMIT}",
        program.spec.name,
        if compiled > LIMIT {
            compiled
        } else {
            interpreted
        },
    );
    let d = if compiled <= LIMIT {
        Diagnostic::warning(Code::STACK_TOO_LARGE, message)
            .note("kernels before 6.9, which count in steps of 32 bytes, refuse the program")
    } else if has_private_stack(program) {
        Diagnostic::warning(Code::STACK_TOO_LARGE, message).note(
            "only kernels since 6.13 on x86-64, or 6.17 on arm64, give the functions of such a \
             program stacks of their own",
        )
    } else {
        Diagnostic::error(Code::STACK_TOO_LARGE, message)
    };
    let d = path(d, program, stack, &stack.path);
    found.push(d.help(
        "move large values into a per-CPU array map used as scratch space, or pass references to \
         the caller's",
    ));
}

/// Programs that the kernel may run with a stack for each function: those that cannot interrupt
/// themselves (`bpf_enable_priv_stack` in `kernel/bpf/verifier.c`), and those of a struct whose
/// owner asks for it.
fn has_private_stack(program: Program<'_>) -> bool {
    match program.spec.program_type {
        ProgramType::Kprobe
        | ProgramType::Tracepoint
        | ProgramType::PerfEvent
        | ProgramType::RawTracepoint
        | ProgramType::StructOps => true,
        ProgramType::Tracing => program.spec.attach_type != Some(AttachType::TraceIter),
        _ => false,
    }
}

/// A function that goes on with another program leaves its callers' stack in use; the kernel allows
/// those 256 bytes.
fn tail_calls(program: Program<'_>, stack: &StackDepth, found: &mut Vec<Diagnostic>) {
    for (index, frame) in stack.frames.iter().enumerate().skip(1) {
        let Some(slot) = frame.tail_call else {
            continue;
        };
        let way = stack.path_to(index);
        let bytes = stack.bytes(&way[..way.len() - 1], COMPILED);
        if bytes < TAIL_CALL_LIMIT {
            continue;
        }
        let d = Diagnostic::error(
            Code::TAIL_CALL,
            format!(
                "`{}` makes a tail call while its callers use {bytes} bytes of stack, but eBPF \
                 allows them less than {TAIL_CALL_LIMIT}",
                names::demangle(&frame.function),
            ),
        );
        let d = locate(path(d, program, stack, &way), program, slot);
        found.push(
            d.help("make the tail call in the program itself, or let the function be inlined"),
        );
    }
}

fn recursion(program: Program<'_>, stack: &StackDepth) -> Diagnostic {
    let again = stack.path.last().copied().unwrap_or(0);
    let first = stack.path.iter().position(|&index| index == again);
    let circle = &stack.path[first.unwrap_or(0)..];
    let names: Vec<String> = circle
        .iter()
        .map(|&index| names::demangle(&stack.frames[index].function))
        .collect();
    let d = Diagnostic::error(
        Code::RECURSION,
        format!(
            "recursion, which eBPF does not allow: `{}`",
            names.join("` calls `")
        ),
    )
    .help("use a loop, with an array as stack if need be");
    match program.code.functions.get(again) {
        Some(function) => locate(d, program, function.start),
        None => d,
    }
}

/// Adds a chain of calls, and points at the frame that takes most.
fn path(mut d: Diagnostic, program: Program<'_>, stack: &StackDepth, path: &[usize]) -> Diagnostic {
    for (depth, &index) in path.iter().enumerate() {
        let frame = &stack.frames[index];
        let verb = if depth == 0 { "" } else { "calls " };
        let place = program
            .code
            .functions
            .get(index)
            .and_then(|f| line(program, f.start))
            .map_or(String::new(), |location| format!(" at {location}"));
        d = d.note(format!(
            "{verb}`{}`: {} bytes{place}",
            names::demangle(&frame.function),
            frame.bytes
        ));
    }
    let largest = path.iter().max_by_key(|&&index| stack.frames[index].bytes);
    match largest {
        Some(&index) => locate(d, program, stack.frames[index].deepest_at),
        None => d,
    }
}
