//! Blocks and instructions.

use super::{Attr, Builder, Function, Type, Value, ffi, sys::Ref, values::FUNCTION_INDEX};

/// A basic block.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Block(pub(super) Ref);

impl Block {
    pub(crate) fn function(self) -> Function {
        Function(Value(ffi!(LLVMGetBasicBlockParent(self.0))))
    }

    pub(crate) fn instructions(self) -> Vec<Inst> {
        let mut all = Vec::new();
        let mut next = ffi!(LLVMGetFirstInstruction(self.0));
        while !next.is_null() {
            all.push(Inst(Value(next)));
            next = ffi!(LLVMGetNextInstruction(next));
        }
        all
    }

    /// Those at its start.
    pub(crate) fn phis(self) -> Vec<Inst> {
        let all = self.instructions().into_iter();
        all.take_while(|inst| inst.op() == Op::PHI).collect()
    }

    /// Changes the order of blocks, which has no meaning.
    pub(crate) fn move_after(self, other: Block) {
        ffi!(LLVMMoveBasicBlockAfter(self.0, other.0));
    }

    pub(crate) fn terminator(self) -> Option<Inst> {
        Value::new(ffi!(LLVMGetBasicBlockTerminator(self.0))).map(Inst)
    }
}

/// An opcode, by LLVM's number in the C interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Op(pub(super) i32);

#[rustfmt::skip]
impl Op {
    pub(crate) const INDIRECT_BR: Op = Op(4);
    pub(crate) const INVOKE: Op = Op(5);
    pub(crate) const UNREACHABLE: Op = Op(7);
    pub(crate) const ADD: Op = Op(8);
    pub(crate) const SUB: Op = Op(10);
    pub(crate) const MUL: Op = Op(12);
    pub(crate) const UDIV: Op = Op(14);
    pub(crate) const SDIV: Op = Op(15);
    pub(crate) const UREM: Op = Op(17);
    pub(crate) const SREM: Op = Op(18);
    pub(crate) const SHL: Op = Op(20);
    pub(crate) const LSHR: Op = Op(21);
    pub(crate) const ASHR: Op = Op(22);
    pub(crate) const AND: Op = Op(23);
    pub(crate) const OR: Op = Op(24);
    pub(crate) const XOR: Op = Op(25);
    pub(crate) const SELECT: Op = Op(46);
    pub(crate) const ALLOCA: Op = Op(26);
    pub(crate) const LOAD: Op = Op(27);
    pub(crate) const STORE: Op = Op(28);
    pub(crate) const GEP: Op = Op(29);
    pub(crate) const TRUNC: Op = Op(30);
    pub(crate) const ZEXT: Op = Op(31);
    pub(crate) const SEXT: Op = Op(32);
    pub(crate) const PTR_TO_INT: Op = Op(39);
    pub(crate) const INT_TO_PTR: Op = Op(40);
    pub(crate) const BITCAST: Op = Op(41);
    pub(crate) const ICMP: Op = Op(42);
    pub(crate) const PHI: Op = Op(44);
    pub(crate) const CALL: Op = Op(45);
    pub(crate) const VA_ARG: Op = Op(49);
    pub(crate) const EXTRACT_VALUE: Op = Op(53);
    pub(crate) const FENCE: Op = Op(55);
    pub(crate) const CMPXCHG: Op = Op(56);
    pub(crate) const ATOMIC_RMW: Op = Op(57);
    pub(crate) const ADDR_SPACE_CAST: Op = Op(60);
    pub(crate) const FREEZE: Op = Op(68);

    /// Arithmetic, conversion or comparison of floating-point numbers.
    pub(crate) fn is_float_arithmetic(self) -> bool {
        matches!(self.0, 9 | 11 | 13 | 16 | 19 | 33..=38 | 43 | 66)
    }
}

/// LLVM's number of the strictest ordering.
const SEQ_CST: i32 = 7;

/// How strictly an atomic access is ordered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Ordering {
    None,
    Relaxed,
    Acquire,
    Release,
    AcqRel,
    SeqCst,
}

impl Ordering {
    fn from_raw(raw: i32) -> Self {
        match raw {
            0 => Ordering::None,
            1 | 2 => Ordering::Relaxed,
            4 => Ordering::Acquire,
            5 => Ordering::Release,
            6 => Ordering::AcqRel,
            _ => Ordering::SeqCst,
        }
    }

    pub(crate) fn acquires(self) -> bool {
        matches!(
            self,
            Ordering::Acquire | Ordering::AcqRel | Ordering::SeqCst
        )
    }

    pub(crate) fn releases(self) -> bool {
        matches!(
            self,
            Ordering::Release | Ordering::AcqRel | Ordering::SeqCst
        )
    }
}

/// Comparisons of integers and addresses that are of interest, by LLVM's numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Predicate {
    Eq = 32,
    Ne = 33,
    Ugt = 34,
    Uge = 35,
    Ult = 36,
    Ule = 37,
}

impl Predicate {
    fn from_raw(raw: i32) -> Option<Self> {
        Some(match raw {
            32 => Predicate::Eq,
            33 => Predicate::Ne,
            34 => Predicate::Ugt,
            35 => Predicate::Uge,
            36 => Predicate::Ult,
            37 => Predicate::Ule,
            _ => return None,
        })
    }

    /// With its sides exchanged.
    pub(crate) fn mirrored(self) -> Self {
        match self {
            Predicate::Eq | Predicate::Ne => self,
            Predicate::Ugt => Predicate::Ult,
            Predicate::Uge => Predicate::Ule,
            Predicate::Ult => Predicate::Ugt,
            Predicate::Ule => Predicate::Uge,
        }
    }
}

/// What an atomic read-modify-write does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BinOp {
    Xchg,
    Add,
    Sub,
    And,
    Or,
    Xor,
    /// One that eBPF does not have, by its Rust name.
    Other(&'static str),
}

/// An instruction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct Inst(pub(crate) Value);

impl Inst {
    pub(crate) fn op(self) -> Op {
        Op(ffi!(LLVMGetInstructionOpcode(self.0.0)))
    }

    pub(crate) fn block(self) -> Block {
        Block(ffi!(LLVMGetInstructionParent(self.0.0)))
    }

    pub(crate) fn function(self) -> Function {
        self.block().function()
    }

    pub(crate) fn next(self) -> Option<Inst> {
        Value::new(ffi!(LLVMGetNextInstruction(self.0.0))).map(Inst)
    }

    pub(crate) fn erase(self) {
        ffi!(LLVMInstructionEraseFromParent(self.0.0));
    }

    /// A call or an invoke.
    pub(crate) fn is_call(self) -> bool {
        matches!(self.op(), Op::CALL | Op::INVOKE)
    }

    /// What a call calls.
    pub(crate) fn callee(self) -> Value {
        Value(ffi!(LLVMGetCalledValue(self.0.0)))
    }

    /// The function a call names, also through casts and second names.
    pub(crate) fn called_function(self) -> Option<Function> {
        self.callee().strip_casts().as_function()
    }

    /// The type of function that a call takes its callee for.
    pub(crate) fn called_type(self) -> Type {
        Type(ffi!(LLVMGetCalledFunctionType(self.0.0)))
    }

    pub(crate) fn arguments(self) -> Vec<Value> {
        let count = ffi!(LLVMGetNumArgOperands(self.0.0));
        (0..count).map(|i| self.0.operand(i)).collect()
    }

    /// Does the call itself (not its callee) carry the attribute?
    pub(crate) fn call_has(self, attr: Attr) -> bool {
        !ffi!(LLVMGetCallSiteEnumAttribute(
            self.0.0,
            FUNCTION_INDEX,
            attr.kind()
        ))
        .is_null()
    }

    pub(crate) fn call_remove(self, attr: Attr) {
        ffi!(LLVMRemoveCallSiteEnumAttribute(
            self.0.0,
            FUNCTION_INDEX,
            attr.kind()
        ));
    }

    /// The alignment promised for the pointer passed as argument `index`; 1 when none is.
    pub(crate) fn argument_align(self, index: u32) -> u64 {
        // Attribute index 0 is the result's.
        let attr = ffi!(LLVMGetCallSiteEnumAttribute(
            self.0.0,
            index + 1,
            Attr::Align.kind()
        ));
        if attr.is_null() {
            1
        } else {
            ffi!(LLVMGetEnumAttributeValue(attr)).max(1)
        }
    }

    pub(crate) fn use_c_convention(self) {
        ffi!(LLVMSetInstructionCallConv(self.0.0, 0));
    }

    /// Of a stack slot.
    pub(crate) fn allocated_type(self) -> Type {
        Type(ffi!(LLVMGetAllocatedType(self.0.0)))
    }

    /// Of a stack slot, a load or a store: gives it at least this alignment.
    pub(crate) fn raise_alignment(self, align: u32) -> u64 {
        let old = ffi!(LLVMGetAlignment(self.0.0));
        if old < align {
            ffi!(LLVMSetAlignment(self.0.0, align));
        }
        old.max(align).into()
    }

    /// Of a stack slot, a load or a store.
    pub(crate) fn alignment(self) -> u32 {
        ffi!(LLVMGetAlignment(self.0.0))
    }

    /// Of a call: says that the pointer it passes as this argument (from 0) has that alignment.
    pub(crate) fn align_argument(self, index: u32, align: u32) {
        ffi!(LLVMSetInstrParamAlignment(self.0.0, index + 1, align));
    }

    /// Of the extraction of a field: which one, from 0.
    pub(crate) fn field(self) -> u32 {
        let indices = ffi!(LLVMGetIndices(self.0.0));
        // SAFETY: the instruction has at least one index.
        unsafe { *indices }
    }

    /// Of a load, a store, a fence or a read-modify-write.
    pub(crate) fn ordering(self) -> Ordering {
        Ordering::from_raw(ffi!(LLVMGetOrdering(self.0.0)))
    }

    /// Makes an atomic operation a full barrier.
    pub(crate) fn order_fully(self) {
        ffi!(LLVMSetOrdering(self.0.0, SEQ_CST));
    }

    /// Makes an atomic load or store a plain one that is neither dropped nor merged.
    pub(crate) fn make_volatile(self) {
        ffi!(LLVMSetOrdering(self.0.0, 0));
        ffi!(LLVMSetVolatile(self.0.0, 1));
    }

    /// Of a load or a store.
    pub(crate) fn is_volatile(self) -> bool {
        ffi!(LLVMGetVolatile(self.0.0)) != 0
    }

    /// Of a copy of memory: makes it one that is neither dropped nor joined with others.
    pub(crate) fn make_copy_volatile(self) {
        let flag = 3;
        self.0
            .set_operand(flag, self.0.operand(flag).ty().number(1));
    }

    /// Is it an ordering for the compiler only (`compiler_fence`)?
    pub(crate) fn is_single_thread(self) -> bool {
        ffi!(LLVMIsAtomicSingleThread(self.0.0)) != 0
    }

    /// Of a read-modify-write.
    pub(crate) fn rmw_op(self) -> BinOp {
        match ffi!(LLVMGetAtomicRMWBinOp(self.0.0)) {
            0 => BinOp::Xchg,
            1 => BinOp::Add,
            2 => BinOp::Sub,
            3 => BinOp::And,
            4 => BinOp::Other("fetch_nand"),
            5 => BinOp::Or,
            6 => BinOp::Xor,
            7 | 9 => BinOp::Other("fetch_max"),
            8 | 10 => BinOp::Other("fetch_min"),
            _ => BinOp::Other("this operation"),
        }
    }

    /// Of an integer comparison.
    pub(crate) fn predicate(self) -> Option<Predicate> {
        if self.op() != Op::ICMP {
            return None;
        }
        Predicate::from_raw(ffi!(LLVMGetICmpPredicate(self.0.0)))
    }

    /// Is it a comparison of signed integers?
    pub(crate) fn is_signed_comparison(self) -> bool {
        self.op() == Op::ICMP && (38..=41).contains(&ffi!(LLVMGetICmpPredicate(self.0.0)))
    }

    /// Of an integer comparison: sets both sides, of whatever width.
    pub(crate) fn compare_instead(self, builder: Builder, left: Value, right: Value) {
        let predicate = ffi!(LLVMGetICmpPredicate(self.0.0));
        let result = Value(ffi!(LLVMBuildICmp(
            builder.before(self).0,
            predicate,
            left.0,
            right.0,
            super::builder::NO_NAME
        )));
        self.0.replace_with(result);
    }

    /// Of a phi: each value with the block it comes from.
    pub(crate) fn incoming(self) -> Vec<(Value, Block)> {
        (0..ffi!(LLVMCountIncoming(self.0.0)))
            .map(|i| {
                (
                    Value(ffi!(LLVMGetIncomingValue(self.0.0, i))),
                    Block(ffi!(LLVMGetIncomingBlock(self.0.0, i))),
                )
            })
            .collect()
    }

    /// Of a phi: the same cases, with one block in the place of another.
    pub(crate) fn replace_incoming_block(self, builder: Builder, old: Block, new: Block) {
        let incoming = self.incoming();
        if incoming.iter().all(|(_, from)| *from != old) {
            return;
        }
        // Cases cannot be changed, only a new phi be made.
        let phi = builder.before(self).phi(self.0.ty());
        for (value, from) in incoming {
            // A phi may name itself.
            let value = if value == self.0 { phi.0 } else { value };
            phi.add_incoming(value, if from == old { new } else { from });
        }
        self.0.replace_with(phi.0);
        self.erase();
    }

    /// Moves it behind all others of another block.
    pub(crate) fn move_to_end(self, builder: Builder, block: Block) {
        ffi!(LLVMInstructionRemoveFromParent(self.0.0));
        // Inserting would give it the builder's source line.
        let location = ffi!(LLVMInstructionGetDebugLoc(self.0.0));
        ffi!(LLVMPositionBuilderAtEnd(builder.0, block.0));
        ffi!(LLVMInsertIntoBuilder(builder.0, self.0.0));
        ffi!(LLVMInstructionSetDebugLoc(self.0.0, location));
    }

    /// Moves it before another.
    pub(crate) fn move_before(self, builder: Builder, other: Inst) {
        ffi!(LLVMInstructionRemoveFromParent(self.0.0));
        // Inserting would give it the builder's source line.
        let location = ffi!(LLVMInstructionGetDebugLoc(self.0.0));
        ffi!(LLVMPositionBuilderBefore(builder.0, other.0.0));
        ffi!(LLVMInsertIntoBuilder(builder.0, self.0.0));
        ffi!(LLVMInstructionSetDebugLoc(self.0.0, location));
    }

    /// Takes over the source line of another.
    pub(crate) fn copy_location(self, other: Inst) {
        let location = ffi!(LLVMInstructionGetDebugLoc(other.0.0));
        ffi!(LLVMInstructionSetDebugLoc(self.0.0, location));
    }

    /// Of an addition, subtraction or multiplication: did LLVM prove that it does not overflow,
    /// taken as unsigned?
    pub(crate) fn never_wraps_unsigned(self) -> bool {
        ffi!(LLVMGetNUW(self.0.0)) != 0
    }

    /// Of a phi: adds a case.
    pub(crate) fn add_incoming(self, value: Value, block: Block) {
        ffi!(LLVMAddIncoming(self.0.0, &value.0, &block.0, 1));
    }

    /// Does it end its block? (What a branch is called in numbers changes with LLVM's versions.)
    pub(crate) fn is_terminator(self) -> bool {
        !ffi!(LLVMIsATerminatorInst(self.0.0)).is_null()
    }

    /// Of a terminator.
    pub(crate) fn successors(self) -> Vec<Block> {
        let count = ffi!(LLVMGetNumSuccessors(self.0.0));
        (0..count)
            .map(|i| Block(ffi!(LLVMGetSuccessor(self.0.0, i))))
            .collect()
    }
}
