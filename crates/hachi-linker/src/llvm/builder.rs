//! New instructions.

use std::ffi::c_char;

use super::{Block, Inst, Op, Predicate, Type, Value, ffi, sys::Ref};

/// Inserts instructions before a given one, with its source line.
#[derive(Clone, Copy)]
pub(crate) struct Builder(pub(super) Ref);

pub(super) const NO_NAME: *const c_char = c"".as_ptr();

impl Builder {
    /// Goes before `inst`.
    pub(crate) fn before(self, inst: Inst) -> Self {
        ffi!(LLVMPositionBuilderBefore(self.0, inst.0.0));
        let location = ffi!(LLVMInstructionGetDebugLoc(inst.0.0));
        ffi!(LLVMSetCurrentDebugLocation2(self.0, location));
        self
    }

    /// Goes to the end of a block.
    pub(crate) fn at_end(self, block: Block) -> Self {
        ffi!(LLVMPositionBuilderAtEnd(self.0, block.0));
        self
    }

    /// Goes to the start of a block.
    pub(crate) fn at_start(self, block: Block) -> Self {
        match block.instructions().first() {
            Some(first) => self.before(*first),
            None => self.at_end(block),
        }
    }

    /// Takes the source line of an instruction for what follows.
    pub(crate) fn located_like(self, inst: Inst) -> Self {
        let location = ffi!(LLVMInstructionGetDebugLoc(inst.0.0));
        ffi!(LLVMSetCurrentDebugLocation2(self.0, location));
        self
    }

    /// Goes to one block or the other.
    pub(crate) fn branch(self, condition: Value, then: Block, otherwise: Block) {
        ffi!(LLVMBuildCondBr(self.0, condition.0, then.0, otherwise.0));
    }

    /// Goes to a block.
    pub(crate) fn jump(self, to: Block) {
        ffi!(LLVMBuildBr(self.0, to.0));
    }

    /// Calls a function of type `ty`.
    pub(crate) fn call(self, ty: Type, callee: Value, args: &[Value]) -> Inst {
        let args: Vec<Ref> = args.iter().map(|arg| arg.0).collect();
        Inst(Value(ffi!(LLVMBuildCall2(
            self.0,
            ty.0,
            callee.0,
            args.as_ptr(),
            args.len() as u32,
            NO_NAME
        ))))
    }

    /// Returns `value`, or nothing.
    pub(crate) fn ret(self, value: Option<Value>) -> Inst {
        Inst(Value(match value {
            Some(value) => ffi!(LLVMBuildRet(self.0, value.0)),
            None => ffi!(LLVMBuildRetVoid(self.0)),
        }))
    }

    /// `left op right`.
    pub(crate) fn binary(self, op: Op, left: Value, right: Value) -> Value {
        Value(ffi!(LLVMBuildBinOp(self.0, op.0, left.0, right.0, NO_NAME)))
    }

    /// A comparison of integers.
    pub(crate) fn compare(self, predicate: Predicate, left: Value, right: Value) -> Value {
        Value(ffi!(LLVMBuildICmp(
            self.0,
            predicate as i32,
            left.0,
            right.0,
            NO_NAME
        )))
    }

    /// Is a number, taken as signed, above 0, or (without `above`) not?
    pub(crate) fn is_above_zero(self, number: Value, above: bool) -> Value {
        const SIGNED_GREATER: i32 = 38;
        const SIGNED_LESS: i32 = 40;
        let (predicate, limit) = match above {
            true => (SIGNED_GREATER, 0),
            false => (SIGNED_LESS, 1),
        };
        let limit = number.ty().number(limit);
        Value(ffi!(LLVMBuildICmp(
            self.0, predicate, number.0, limit.0, NO_NAME
        )))
    }

    /// `base` plus `offset` bytes.
    pub(crate) fn byte_address(self, byte: Type, base: Value, offset: Value) -> Value {
        Value(ffi!(LLVMBuildGEP2(
            self.0, byte.0, base.0, &offset.0, 1, NO_NAME
        )))
    }

    /// A value that depends on where control comes from; its cases are added with
    /// [`Inst::add_incoming`].
    pub(crate) fn phi(self, ty: Type) -> Inst {
        Inst(Value(ffi!(LLVMBuildPhi(self.0, ty.0, NO_NAME))))
    }

    /// One of two values.
    pub(crate) fn select(self, condition: Value, yes: Value, no: Value) -> Value {
        Value(ffi!(LLVMBuildSelect(
            self.0,
            condition.0,
            yes.0,
            no.0,
            NO_NAME
        )))
    }

    /// Copies memory between places (address, alignment) that do not overlap.
    pub(crate) fn copy_memory(self, to: (Value, u32), from: (Value, u32), size: Value) -> Inst {
        Inst(Value(ffi!(LLVMBuildMemCpy(
            self.0, to.0.0, to.1, from.0.0, from.1, size.0
        ))))
    }

    /// Copies memory between places (address, alignment) that may overlap.
    pub(crate) fn move_memory(self, to: (Value, u32), from: (Value, u32), size: Value) -> Inst {
        Inst(Value(ffi!(LLVMBuildMemMove(
            self.0, to.0.0, to.1, from.0.0, from.1, size.0
        ))))
    }

    /// Fills memory (address, alignment) with a byte.
    pub(crate) fn fill_memory(self, at: (Value, u32), byte: Value, size: Value) -> Inst {
        Inst(Value(ffi!(LLVMBuildMemSet(
            self.0, at.0.0, byte.0, size.0, at.1
        ))))
    }

    /// A stack slot.
    pub(crate) fn slot(self, ty: Type) -> Inst {
        Inst(Value(ffi!(LLVMBuildAlloca(self.0, ty.0, NO_NAME))))
    }

    /// Widens or narrows an integer.
    pub(crate) fn int_cast(self, value: Value, ty: Type, signed: bool) -> Value {
        Value(ffi!(LLVMBuildIntCast2(
            self.0,
            value.0,
            ty.0,
            signed.into(),
            NO_NAME
        )))
    }

    /// Inline assembly with side effects, as a callable value.
    pub(crate) fn inline_asm(self, ty: Type, assembly: &str, constraints: &str) -> Value {
        Self::asm(ty, assembly, constraints, true)
    }

    /// Inline assembly that only computes its result.
    pub(crate) fn pure_asm(self, ty: Type, assembly: &str, constraints: &str) -> Value {
        Self::asm(ty, assembly, constraints, false)
    }

    fn asm(ty: Type, assembly: &str, constraints: &str, side_effects: bool) -> Value {
        Value(ffi!(LLVMGetInlineAsm(
            ty.0,
            assembly.as_ptr().cast(),
            assembly.len(),
            constraints.as_ptr().cast(),
            constraints.len(),
            side_effects.into(),
            0,
            0,
            0
        )))
    }
}
