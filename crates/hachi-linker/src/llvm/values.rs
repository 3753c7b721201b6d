//! Types, functions, globals, instructions.

use std::{ffi::c_char, ptr};

use super::{Module, ffi, sys::Ref, text, text_with_len};

/// LLVM's numbers for linkage.
pub(crate) mod linkage {
    pub(crate) const EXTERNAL: i32 = 0;
    pub(crate) const AVAILABLE_EXTERNALLY: i32 = 1;
    pub(crate) const APPENDING: i32 = 7;
    pub(crate) const INTERNAL: i32 = 8;
    pub(crate) const PRIVATE: i32 = 9;
}

/// Any value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub(crate) struct Value(pub(super) Ref);

// SAFETY: the handles are used by one thread at a time; LLVM ties nothing to a thread.
unsafe impl Send for Value {}

/// A type; types are unique in a context.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Type(pub(super) Ref);

/// What sort of type it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TypeKind {
    Void,
    Float,
    Int(u32),
    Pointer,
    Aggregate,
    Vector,
    Other,
}

impl Type {
    pub(crate) fn kind(self) -> TypeKind {
        match ffi!(LLVMGetTypeKind(self.0)) {
            0 => TypeKind::Void,
            1..=6 | 18 => TypeKind::Float,
            8 => TypeKind::Int(ffi!(LLVMGetIntTypeWidth(self.0))),
            10 | 11 => TypeKind::Aggregate,
            12 => TypeKind::Pointer,
            13 | 17 => TypeKind::Vector,
            _ => TypeKind::Other,
        }
    }

    /// Is it a floating-point number, or a vector of them?
    pub(crate) fn is_float(self) -> bool {
        match self.kind() {
            TypeKind::Float => true,
            TypeKind::Vector => Type(ffi!(LLVMGetElementType(self.0))).is_float(),
            _ => false,
        }
    }

    /// The type of an array's elements; nothing for structs.
    pub(crate) fn array_element(self) -> Option<Type> {
        (ffi!(LLVMGetTypeKind(self.0)) != 10).then(|| Type(ffi!(LLVMGetElementType(self.0))))
    }

    /// Bits of an integer type; 0 for other types.
    pub(crate) fn int_bits(self) -> u32 {
        match self.kind() {
            TypeKind::Int(bits) => bits,
            _ => 0,
        }
    }

    /// Of a function type.
    pub(crate) fn return_type(self) -> Type {
        Type(ffi!(LLVMGetReturnType(self.0)))
    }

    /// The type of functions from `params` to `self`.
    pub(crate) fn function(self, params: &[Type]) -> Type {
        let params: Vec<Ref> = params.iter().map(|ty| ty.0).collect();
        Type(ffi!(LLVMFunctionType(
            self.0,
            params.as_ptr(),
            params.len() as u32,
            0
        )))
    }

    /// Zero, null, or an aggregate of them.
    pub(crate) fn zero(self) -> Value {
        Value(ffi!(LLVMConstNull(self.0)))
    }

    /// A number of this integer type.
    pub(crate) fn number(self, n: u64) -> Value {
        Value(ffi!(LLVMConstInt(self.0, n, 0)))
    }

    /// "Whatever".
    pub(crate) fn undef(self) -> Value {
        Value(ffi!(LLVMGetUndef(self.0)))
    }
}

/// Constants by how they are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Const {
    Function,
    Alias,
    Global,
    /// A constant expression, by opcode.
    Expr(Op),
    Aggregate,
    Int,
    Null,
    Undef,
    InlineAsm,
    /// Not a constant.
    No,
    Other,
}

impl Value {
    pub(super) fn new(raw: Ref) -> Option<Self> {
        (!raw.is_null()).then_some(Value(raw))
    }

    pub(crate) fn ty(self) -> Type {
        Type(ffi!(LLVMTypeOf(self.0)))
    }

    pub(crate) fn constant_kind(self) -> Const {
        match ffi!(LLVMGetValueKind(self.0)) {
            5 => Const::Function,
            6 => Const::Alias,
            8 => Const::Global,
            10 => Const::Expr(Op(ffi!(LLVMGetConstOpcode(self.0)))),
            11..=13 => Const::Aggregate,
            14 | 25 => Const::Undef,
            18 => Const::Int,
            20 => Const::Null,
            23 => Const::InlineAsm,
            _ if ffi!(LLVMIsConstant(self.0)) == 0 => Const::No,
            _ => Const::Other,
        }
    }

    pub(crate) fn as_function(self) -> Option<Function> {
        (self.constant_kind() == Const::Function).then_some(Function(self))
    }

    pub(crate) fn as_inst(self) -> Option<Inst> {
        (ffi!(LLVMGetValueKind(self.0)) == 24).then_some(Inst(self))
    }

    /// The value of an integer constant of at most 64 bits.
    pub(crate) fn as_u64(self) -> Option<u64> {
        (self.constant_kind() == Const::Int && self.ty().int_bits() <= 64)
            .then(|| ffi!(LLVMConstIntGetZExtValue(self.0)))
    }

    pub(crate) fn name(self) -> String {
        let mut len = 0;
        let start = ffi!(LLVMGetValueName2(self.0, &mut len));
        text_with_len(start, len)
    }

    pub(crate) fn set_name(self, name: &str) {
        ffi!(LLVMSetValueName2(self.0, name.as_ptr().cast(), name.len()));
    }

    /// Who refers to it.
    pub(crate) fn users(self) -> Vec<Value> {
        let mut all = Vec::new();
        let mut next = ffi!(LLVMGetFirstUse(self.0));
        while !next.is_null() {
            all.push(Value(ffi!(LLVMGetUser(next))));
            next = ffi!(LLVMGetNextUse(next));
        }
        all
    }

    pub(crate) fn is_used(self) -> bool {
        !ffi!(LLVMGetFirstUse(self.0)).is_null()
    }

    pub(crate) fn replace_with(self, other: Value) {
        ffi!(LLVMReplaceAllUsesWith(self.0, other.0));
    }

    pub(crate) fn operands(self) -> Vec<Value> {
        let count = ffi!(LLVMGetNumOperands(self.0)).max(0) as u32;
        (0..count)
            .filter_map(|i| Value::new(ffi!(LLVMGetOperand(self.0, i))))
            .collect()
    }

    pub(crate) fn operand(self, index: u32) -> Value {
        Value(ffi!(LLVMGetOperand(self.0, index)))
    }

    pub(crate) fn set_operand(self, index: u32, value: Value) {
        ffi!(LLVMSetOperand(self.0, index, value.0));
    }

    /// Constraints of inline assembly: (assembly text, constraints).
    pub(crate) fn inline_asm(self) -> Option<(String, String)> {
        if self.constant_kind() != Const::InlineAsm {
            return None;
        }
        let mut len = 0;
        let start = ffi!(LLVMGetInlineAsmAsmString(self.0, &mut len));
        let assembly = text_with_len(start, len);
        let start = ffi!(LLVMGetInlineAsmConstraintString(self.0, &mut len));
        Some((assembly, text_with_len(start, len)))
    }

    /// Of address arithmetic (an instruction or a constant): the type it counts in.
    pub(crate) fn gep_element(self) -> Type {
        Type(ffi!(LLVMGetGEPSourceElementType(self.0)))
    }

    /// What is reached through casts of constants.
    pub(crate) fn strip_casts(self) -> Value {
        let mut value = self;
        while let Const::Expr(Op::BITCAST | Op::ADDR_SPACE_CAST) = value.constant_kind() {
            value = value.operand(0);
        }
        value
    }
}

/// An attribute without a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attr {
    AlwaysInline,
    Cold,
    Hot,
    MinSize,
    NoInline,
    NoReturn,
    NoUnwind,
    OptNone,
    OptSize,
    WillReturn,
    /// `memory(none)`: a value of 0 is what says so.
    MemoryNone,
    Align,
    StructRet,
}

/// The place of a function's own attributes among those of its parameters and result.
const FUNCTION_INDEX: u32 = u32::MAX;

impl Attr {
    pub(super) fn kind(self) -> u32 {
        let name = match self {
            Attr::AlwaysInline => "alwaysinline",
            Attr::Cold => "cold",
            Attr::Hot => "hot",
            Attr::MinSize => "minsize",
            Attr::NoInline => "noinline",
            Attr::NoReturn => "noreturn",
            Attr::NoUnwind => "nounwind",
            Attr::OptNone => "optnone",
            Attr::OptSize => "optsize",
            Attr::WillReturn => "willreturn",
            Attr::MemoryNone => "memory",
            Attr::Align => "align",
            Attr::StructRet => "sret",
        };
        ffi!(LLVMGetEnumAttributeKindForName(
            name.as_ptr().cast(),
            name.len()
        ))
    }
}

/// A function, defined or only declared.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct Function(pub(crate) Value);

impl Function {
    pub(crate) fn name(self) -> String {
        self.0.name()
    }

    pub(crate) fn is_declaration(self) -> bool {
        ffi!(LLVMIsDeclaration(self.0.0)) != 0
    }

    /// One of LLVM's own `llvm.…`?
    pub(crate) fn is_intrinsic(self) -> bool {
        self.name().starts_with("llvm.")
    }

    pub(crate) fn ty(self) -> Type {
        Type(ffi!(LLVMGlobalGetValueType(self.0.0)))
    }

    pub(crate) fn param_count(self) -> u32 {
        ffi!(LLVMCountParams(self.0.0))
    }

    pub(crate) fn param(self, index: u32) -> Value {
        Value(ffi!(LLVMGetParam(self.0.0, index)))
    }

    /// Does the caller say where the result goes? So large results are returned.
    pub(crate) fn returns_through_memory(self) -> bool {
        // Attribute index 0 is the result's; the place, if there is one, is the first or second parameter.
        (1..=self.param_count().min(2)).any(|index| {
            let kind = Attr::StructRet.kind();
            !ffi!(LLVMGetEnumAttributeAtIndex(self.0.0, index, kind)).is_null()
        })
    }

    pub(crate) fn section(self) -> String {
        text(ffi!(LLVMGetSection(self.0.0)))
    }

    pub(crate) fn linkage(self) -> i32 {
        ffi!(LLVMGetLinkage(self.0.0))
    }

    pub(crate) fn set_linkage(self, linkage: i32) {
        set_linkage(self.0, linkage);
    }

    pub(crate) fn has(self, attr: Attr) -> bool {
        !ffi!(LLVMGetEnumAttributeAtIndex(
            self.0.0,
            FUNCTION_INDEX,
            attr.kind()
        ))
        .is_null()
    }

    pub(crate) fn add(self, module: Module, attr: Attr) {
        ffi!(LLVMAddAttributeAtIndex(
            self.0.0,
            FUNCTION_INDEX,
            module.attr(attr)
        ));
    }

    pub(crate) fn add_string(self, module: Module, key: &str, value: &str) {
        ffi!(LLVMAddAttributeAtIndex(
            self.0.0,
            FUNCTION_INDEX,
            module.string_attr(key, value)
        ));
    }

    pub(crate) fn remove(self, attr: Attr) {
        ffi!(LLVMRemoveEnumAttributeAtIndex(
            self.0.0,
            FUNCTION_INDEX,
            attr.kind()
        ));
    }

    pub(crate) fn remove_string(self, key: &str) {
        ffi!(LLVMRemoveStringAttributeAtIndex(
            self.0.0,
            FUNCTION_INDEX,
            key.as_ptr().cast(),
            key.len() as u32
        ));
    }

    /// The C calling convention; rustc's `fastcc` and `coldcc` mean nothing in eBPF.
    pub(crate) fn use_c_convention(self) {
        ffi!(LLVMSetFunctionCallConv(self.0.0, 0));
    }

    /// Forgets how exceptions are handled.
    pub(crate) fn clear_personality(self) {
        if ffi!(LLVMHasPersonalityFn(self.0.0)) != 0 {
            ffi!(LLVMSetPersonalityFn(self.0.0, ptr::null_mut()));
        }
    }

    /// Adds an empty block.
    pub(crate) fn append_block(self, module: Module) -> Block {
        Block(ffi!(LLVMAppendBasicBlockInContext(
            module.context.0,
            self.0.0,
            NO_NAME
        )))
    }

    pub(crate) fn blocks(self) -> Vec<Block> {
        let mut all = Vec::new();
        let mut next = ffi!(LLVMGetFirstBasicBlock(self.0.0));
        while !next.is_null() {
            all.push(Block(next));
            next = ffi!(LLVMGetNextBasicBlock(next));
        }
        all
    }

    /// All instructions, as they are at the time of the call.
    pub(crate) fn instructions(self) -> Vec<Inst> {
        self.blocks()
            .into_iter()
            .flat_map(Block::instructions)
            .collect()
    }

    /// Instructions that call it directly.
    pub(crate) fn calls(self) -> Vec<Inst> {
        self.0
            .users()
            .into_iter()
            .filter_map(Value::as_inst)
            .filter(|inst| inst.is_call() && inst.callee() == self.0)
            .collect()
    }

    /// Does anything but a direct call refer to it?
    pub(crate) fn address_taken(self) -> bool {
        let mut next = ffi!(LLVMGetFirstUse(self.0.0));
        while !next.is_null() {
            let user = Value(ffi!(LLVMGetUser(next)));
            let called = user.as_inst().is_some_and(|inst| {
                inst.is_call() && inst.callee() == self.0 && !inst.arguments().contains(&self.0)
            });
            if !called {
                return true;
            }
            next = ffi!(LLVMGetNextUse(next));
        }
        false
    }

    /// Takes it out of its module. Nothing may refer to it any more.
    pub(crate) fn delete(self) {
        ffi!(LLVMDeleteFunction(self.0.0));
    }
}

/// A global variable.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct Global(pub(crate) Value);

impl Global {
    pub(crate) fn name(self) -> String {
        self.0.name()
    }

    pub(crate) fn is_declaration(self) -> bool {
        ffi!(LLVMIsDeclaration(self.0.0)) != 0
    }

    pub(crate) fn section(self) -> String {
        text(ffi!(LLVMGetSection(self.0.0)))
    }

    pub(crate) fn linkage(self) -> i32 {
        ffi!(LLVMGetLinkage(self.0.0))
    }

    pub(crate) fn set_linkage(self, linkage: i32) {
        set_linkage(self.0, linkage);
    }

    pub(crate) fn set_initializer(self, value: Value) {
        ffi!(LLVMSetInitializer(self.0.0, value.0));
    }

    pub(crate) fn initializer(self) -> Option<Value> {
        Value::new(ffi!(LLVMGetInitializer(self.0.0)))
    }
}

fn set_linkage(value: Value, linkage: i32) {
    if linkage == linkage::INTERNAL || linkage == linkage::PRIVATE {
        // LLVM asserts that local symbols have the default visibility.
        ffi!(LLVMSetVisibility(value.0, 0));
    }
    ffi!(LLVMSetLinkage(value.0, linkage));
}

/// A basic block.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Block(Ref);

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
pub(crate) struct Op(i32);

#[rustfmt::skip]
impl Op {
    pub(crate) const INDIRECT_BR: Op = Op(4);
    pub(crate) const INVOKE: Op = Op(5);
    pub(crate) const BR: Op = Op(2);
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

    /// Of a load, a store, a fence or a read-modify-write.
    pub(crate) fn ordering(self) -> Ordering {
        Ordering::from_raw(ffi!(LLVMGetOrdering(self.0.0)))
    }

    /// Makes an atomic load or store a plain one that is neither dropped nor merged.
    pub(crate) fn make_volatile(self) {
        ffi!(LLVMSetOrdering(self.0.0, 0));
        ffi!(LLVMSetVolatile(self.0.0, 1));
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

    /// Takes over the source line of another.
    pub(crate) fn copy_location(self, other: Inst) {
        let location = ffi!(LLVMInstructionGetDebugLoc(other.0.0));
        ffi!(LLVMInstructionSetDebugLoc(self.0.0, location));
    }

    /// Of an addition, subtraction or multiplication: did LLVM prove that it does not overflow, taken as unsigned?
    pub(crate) fn never_wraps_unsigned(self) -> bool {
        ffi!(LLVMGetNUW(self.0.0)) != 0
    }

    /// Of a phi: adds a case.
    pub(crate) fn add_incoming(self, value: Value, block: Block) {
        ffi!(LLVMAddIncoming(self.0.0, &value.0, &block.0, 1));
    }

    /// Of a terminator.
    pub(crate) fn successors(self) -> Vec<Block> {
        let count = ffi!(LLVMGetNumSuccessors(self.0.0));
        (0..count)
            .map(|i| Block(ffi!(LLVMGetSuccessor(self.0.0, i))))
            .collect()
    }
}

/// Inserts instructions before a given one, with its source line.
#[derive(Clone, Copy)]
pub(crate) struct Builder(pub(super) Ref);

const NO_NAME: *const c_char = c"".as_ptr();

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

    /// `base` plus so many bytes.
    pub(crate) fn byte_address(self, byte: Type, base: Value, offset: Value) -> Value {
        Value(ffi!(LLVMBuildGEP2(
            self.0, byte.0, base.0, &offset.0, 1, NO_NAME
        )))
    }

    /// A value that depends on where control comes from; its cases are added with [`Inst::add_incoming`].
    pub(crate) fn phi(self, ty: Type) -> Inst {
        Inst(Value(ffi!(LLVMBuildPhi(self.0, ty.0, NO_NAME))))
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
