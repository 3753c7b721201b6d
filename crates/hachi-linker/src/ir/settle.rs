//! The last touch before code generation: what LLVM leaves open is settled the way the verifier
//! likes.
//!
//! No pass of LLVM's may come after this: some would rely on what is said here, or undo it.

use crate::llvm::{Const, Function, Inst, Module, Op, Value};

/// Settles the whole module.
pub(super) fn settle(module: Module) {
    for function in module.functions() {
        for inst in function.instructions() {
            undefined(inst);
            alignment(inst);
            copies(inst);
            widening(module, inst);
        }
    }
}

/// An undefined value becomes zero. LLVM would take a register as it is, never written, and the
/// verifier lets no such register be stored or passed on.
fn undefined(inst: Inst) {
    // Intrinsics have their own ideas of their arguments.
    if inst.is_call() && inst.called_function().is_some_and(Function::is_intrinsic) {
        return;
    }
    for (index, operand) in (0..).zip(inst.0.operands()) {
        if operand.constant_kind() == Const::Undef {
            inst.0.set_operand(index, operand.ty().zero());
        }
    }
}

/// An access that may be unaligned, as all to packets are, would be made byte by byte. The kernel
/// takes it whole on every processor that does so itself, except on the stack.
fn alignment(inst: Inst) {
    let (ty, pointer) = match inst.op() {
        Op::LOAD => (inst.0.ty(), inst.0.operand(0)),
        Op::STORE => (inst.0.operand(0).ty(), inst.0.operand(1)),
        _ => return,
    };
    let bits = ty.int_bits();
    if matches!(bits, 16 | 32 | 64) && !may_be_stack(pointer, &mut Vec::new()) {
        inst.raise_alignment(bits / 8);
    }
}

/// The same for what is copied from or to such a place.
fn copies(inst: Inst) {
    if inst.op() != Op::CALL
        || inst
            .called_function()
            .is_none_or(|function| !function.name().starts_with("llvm.memcpy."))
    {
        return;
    }
    for (index, pointer) in (0..2).zip(inst.arguments()) {
        if !may_be_stack(pointer, &mut Vec::new()) {
            inst.align_argument(index, 8);
        }
    }
}

/// A loaded value is widened where it is loaded: the two become one instruction. Elsewhere it would
/// take shifts on processors without 32-bit registers (v1, v2), and the verifier lets no pointer
/// from a context be shifted.
fn widening(module: Module, inst: Inst) {
    if inst.op() != Op::ZEXT {
        return;
    }
    let load = inst.0.operand(0).as_inst();
    let Some(load) = load.filter(|load| load.op() == Op::LOAD && load.block() != inst.block())
    else {
        return;
    };
    if let Some(next) = load.next() {
        let builder = module.context.builder().before(next);
        inst.0
            .replace_with(builder.int_cast(load.0, inst.0.ty(), false));
        inst.erase();
    }
}

/// Can two places not overlap, since one is on the stack and the other is not?
pub(super) fn are_apart(a: Value, b: Value) -> bool {
    let is_slot = |mut value: Value| {
        while let Some(inst) = value.as_inst().filter(|inst| inst.op() == Op::GEP) {
            value = inst.0.operand(0);
        }
        value.as_inst().is_some_and(|inst| inst.op() == Op::ALLOCA)
    };
    let is_elsewhere = |value| !may_be_stack(value, &mut Vec::new());
    is_slot(a) && is_elsewhere(b) || is_slot(b) && is_elsewhere(a)
}

/// Whether a pointer, or an integer that may become one, may lead into a stack frame.
fn may_be_stack(value: Value, seen: &mut Vec<Value>) -> bool {
    if seen.contains(&value) {
        return false;
    }
    seen.push(value);
    let Some(inst) = value.as_inst() else {
        // An argument may; constants do not: data is in maps.
        return value.constant_kind() == Const::No;
    };
    match inst.op() {
        Op::GEP | Op::PTR_TO_INT | Op::INT_TO_PTR | Op::FREEZE => {
            may_be_stack(inst.0.operand(0), seen)
        }
        Op::ADD | Op::SUB | Op::AND | Op::OR | Op::PHI => inst
            .0
            .operands()
            .into_iter()
            .any(|operand| may_be_stack(operand, seen)),
        Op::SELECT => {
            may_be_stack(inst.0.operand(1), seen) || may_be_stack(inst.0.operand(2), seen)
        }
        // What has 32 bits at most is no stack pointer; the pointers to packets that are in
        // contexts look so.
        Op::ZEXT => false,
        // The kernel's functions give no such pointers, and the verifier lets ours give none.
        Op::CALL => inst.called_function().is_some_and(Function::is_intrinsic),
        _ => true,
    }
}
