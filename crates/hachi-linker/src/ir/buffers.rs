//! Memory that helpers are to read and write.
//!
//! A helper gets an address and a length. The verifier adds the greatest that each may be, and
//! wants the sum inside the object; that a slice which starts later is shorter it does not know.
//! So a length that it cannot bound is clamped to the object's size, and an object of which a slice
//! with a variable start and a variable length is passed on becomes twice as large: the helper
//! touches nothing of what is added, but there has to be something.

use std::collections::BTreeSet;

use hachi_asm::helpers::id;

use super::{clamps, hints, loops};
use crate::llvm::{Function, Inst, Module, Op, TypeKind, Value};

/// No more bytes than this are put on the stack, for the sake of saved registers.
const ROOM: u64 = 448;

/// Goes through all functions. To be done when nothing optimises any more.
pub(super) fn bound(module: Module) {
    for function in module.functions() {
        let mut large = BTreeSet::new();
        let instructions = function.instructions().into_iter();
        for call in instructions.filter(|inst| inst.op() == Op::CALL) {
            for pointer in buffers(call) {
                if let Some(slot) = argument(module, call, pointer) {
                    large.insert(slot);
                }
            }
        }
        for slot in large {
            enlarge(module, function, slot);
        }
    }
}

/// The arguments of a helper (from 0) that are buffers, each followed by its length.
fn buffers(call: Inst) -> Vec<u32> {
    let callee = call.callee();
    if !callee.is_helper_number() {
        return Vec::new();
    }
    let number = callee.strip_casts().operand(0).as_u64();
    let pointers: &[u32] = match number.and_then(|n| u32::try_from(n).ok()) {
        Some(
            id::PROBE_READ
            | id::PROBE_READ_USER
            | id::PROBE_READ_KERNEL
            | id::PROBE_READ_STR
            | id::PROBE_READ_USER_STR
            | id::PROBE_READ_KERNEL_STR
            | id::GET_CURRENT_COMM
            | id::COPY_FROM_USER
            | id::COPY_FROM_USER_TASK
            | id::TRACE_PRINTK
            | id::STRTOL
            | id::STRTOUL
            | id::STRNCMP
            | id::DYNPTR_READ,
        ) => &[0],
        Some(
            id::RINGBUF_OUTPUT
            | id::SEQ_WRITE
            | id::D_PATH
            | id::GET_STACK
            | id::GET_TASK_STACK
            | id::SYSCTL_GET_NAME
            | id::SYSCTL_GET_CURRENT_VALUE
            | id::SYSCTL_GET_NEW_VALUE
            | id::SYSCTL_SET_NEW_VALUE
            | id::PROBE_WRITE_USER,
        ) => &[1],
        Some(
            id::SKB_LOAD_BYTES
            | id::SKB_STORE_BYTES
            | id::SKB_LOAD_BYTES_RELATIVE
            | id::XDP_LOAD_BYTES
            | id::XDP_STORE_BYTES
            | id::DYNPTR_WRITE,
        ) => &[2],
        Some(
            id::PERF_EVENT_OUTPUT
            | id::SKB_OUTPUT
            | id::XDP_OUTPUT
            | id::SETSOCKOPT
            | id::GETSOCKOPT,
        ) => &[3],
        Some(id::CSUM_DIFF) => &[0, 2],
        Some(id::SNPRINTF) => &[0, 3],
        _ => &[],
    };
    pointers.to_vec()
}

/// Bounds a buffer's start and length. Gives the stack slot when that has to become larger.
fn argument(module: Module, call: Inst, index: u32) -> Option<Inst> {
    let arguments = call.arguments();
    let (pointer, length) = (
        *arguments.get(index as usize)?,
        *arguments.get(index as usize + 1)?,
    );
    if pointer.ty().kind() != TypeKind::Pointer || length.as_u64().is_some() {
        return None;
    }
    let place = loops::place(module, pointer);
    let slot = place.root.as_inst().filter(|it| it.op() == Op::ALLOCA)?;
    let size = module.size_of(slot.allocated_type());
    if place.terms.is_empty() {
        let rest = size.checked_sub(place.constant)?;
        if !clamps::is_bounded(length) {
            call.0
                .set_operand(index + 1, hints::bounded(module, call, length, rest));
        }
        return None;
    }
    let sum = loops::sum(module, call, &place);
    let greatest = |value: Value| hints::greatest_of(value).filter(|_| clamps::is_bounded(value));
    if let (Some(start), Some(length)) = (greatest(sum), greatest(length))
        && start.saturating_add(length) <= size
    {
        return None;
    }
    let within = |value: Value| match greatest(value) {
        Some(most) if most <= size => value,
        _ => hints::bounded(module, call, value, size),
    };
    let (start, length) = (within(sum), within(length));
    let byte = module.context.int_type(8);
    let builder = module.context.builder().before(call);
    call.0
        .set_operand(index, builder.byte_address(byte, place.root, start));
    call.0.set_operand(index + 1, length);
    Some(slot)
}

/// Puts as much again behind a stack slot, if there is room; zeros, since kernels before 6.3 let no
/// helper read what nobody wrote.
fn enlarge(module: Module, function: Function, slot: Inst) {
    let slots = function.instructions().into_iter();
    let used: u64 = slots
        .filter(|inst| inst.op() == Op::ALLOCA)
        .map(|slot| module.size_of(slot.allocated_type()).next_multiple_of(8))
        .sum();
    let size = module.size_of(slot.allocated_type());
    if used + size > ROOM {
        return;
    }
    // The slot lives as long as the function does.
    for user in slot.0.users().into_iter().filter_map(Value::as_inst) {
        let callee = user
            .called_function()
            .map(Function::name)
            .unwrap_or_default();
        if user.op() == Op::CALL && callee.starts_with("llvm.lifetime.") {
            user.erase();
        }
    }
    let (byte, i64_type) = (module.context.int_type(8), module.context.int_type(64));
    let builder = module.context.builder().before(slot);
    let larger = builder.slot(byte.array(size * 2));
    larger.raise_alignment(slot.alignment().max(8));
    let Some(next) = slot.next() else { return };
    let builder = module.context.builder().before(next);
    let behind = builder.byte_address(byte, larger.0, i64_type.number(size));
    let alignment = if size.is_multiple_of(8) { 8 } else { 1 };
    builder.fill_memory((behind, alignment), byte.zero(), i64_type.number(size));
    slot.0.replace_with(larger.0);
    slot.erase();
}

#[cfg(test)]
mod tests {
    use super::super::testing::{after, lines};
    use super::*;

    fn passed(start: &str, length: &str) -> String {
        after(
            &format!(
                "define void @f(i64 %i, i64 %j, ptr %map) {{
                   %o = alloca [48 x i8]
                   %from = {start}
                   %p = getelementptr i8, ptr %o, i64 %from
                   %n = {length}
                   %r = call i64 inttoptr (i64 130 to ptr)(ptr %map, ptr %p, i64 %n, i64 %i)
                   ret void
                 }}"
            ),
            bound,
        )
    }

    #[test]
    fn a_length_that_is_a_difference_is_clamped() {
        let text = after(
            "define void @f(i64 %i, i64 %j, ptr %map) {
               %o = alloca [48 x i8]
               %p = getelementptr i8, ptr %o, i64 8
               %n = sub i64 %i, %j
               %r = call i64 inttoptr (i64 130 to ptr)(ptr %map, ptr %p, i64 %n, i64 0)
               ret void
             }",
            bound,
        );
        assert_eq!(lines(&text, ", i64 40)"), 1, "{text}");
        assert_eq!(lines(&text, "alloca [48 x i8]"), 1, "{text}");
    }

    #[test]
    fn memory_behind_a_later_start_is_zero() {
        let text = passed("and i64 %i, 31", "sub i64 %j, %from");
        assert_eq!(lines(&text, "alloca [96 x i8]"), 1, "{text}");
        assert_eq!(lines(&text, "i8 0, i64 48"), 1, "{text}");
        assert_eq!(lines(&text, "i64 48)"), 1, "{text}");
    }

    #[test]
    fn accesses_inside_the_object_are_left_alone() {
        let text = passed("and i64 %i, 31", "and i64 %j, 15");
        assert_eq!(lines(&text, "alloca [48 x i8]"), 1, "{text}");
        assert_eq!(lines(&text, "asm"), 0, "{text}");
    }

    #[test]
    fn numbers_that_are_not_lengths_are_left_alone() {
        let text = after(
            "define void @f(i64 %i, i64 %j, ptr %map) {
               %k = alloca [8 x i8]
               %flags = sub i64 %i, %j
               %r = call i64 inttoptr (i64 2 to ptr)(ptr %map, ptr %k, ptr %k, i64 %flags)
               ret void
             }",
            bound,
        );
        assert_eq!(lines(&text, "asm"), 0, "{text}");
    }
}
