//! Types, functions, globals, instructions.

use std::ptr;

use super::{Block, Inst, Module, Op, builder::NO_NAME, ffi, sys::Ref, text, text_with_len};

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

    /// An array of `count` of it.
    pub(crate) fn array(self, count: u64) -> Type {
        Type(ffi!(LLVMArrayType2(self.0, count)))
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

    /// Whether it is a constant number used as an address, as helper functions are called.
    pub(crate) fn is_helper_number(self) -> bool {
        let value = self.strip_casts();
        value.constant_kind() == Const::Expr(Op::INT_TO_PTR)
            && value.operand(0).constant_kind() == Const::Int
    }

    /// Asked by class rather than by `LLVMGetValueKind`, whose numbers change with LLVM's versions.
    pub(crate) fn constant_kind(self) -> Const {
        macro_rules! is_a {
            ($test:ident) => {
                !ffi!($test(self.0)).is_null()
            };
        }
        if is_a!(LLVMIsAInstruction) {
            Const::No
        } else if is_a!(LLVMIsAFunction) {
            Const::Function
        } else if is_a!(LLVMIsAConstantInt) {
            Const::Int
        } else if is_a!(LLVMIsAConstantExpr) {
            Const::Expr(Op(ffi!(LLVMGetConstOpcode(self.0))))
        } else if is_a!(LLVMIsAGlobalVariable) {
            Const::Global
        } else if is_a!(LLVMIsAGlobalAlias) {
            Const::Alias
        } else if is_a!(LLVMIsAConstantStruct)
            || is_a!(LLVMIsAConstantArray)
            || is_a!(LLVMIsAConstantVector)
        {
            Const::Aggregate
        } else if is_a!(LLVMIsAUndefValue) {
            Const::Undef
        } else if is_a!(LLVMIsAConstantPointerNull) {
            Const::Null
        } else if is_a!(LLVMIsAInlineAsm) {
            Const::InlineAsm
        } else if ffi!(LLVMIsConstant(self.0)) == 0 {
            Const::No
        } else {
            Const::Other
        }
    }

    pub(crate) fn as_function(self) -> Option<Function> {
        (self.constant_kind() == Const::Function).then_some(Function(self))
    }

    pub(crate) fn as_global(self) -> Option<Global> {
        (self.constant_kind() == Const::Global).then_some(Global(self))
    }

    pub(crate) fn as_inst(self) -> Option<Inst> {
        (!ffi!(LLVMIsAInstruction(self.0)).is_null()).then_some(Inst(self))
    }

    /// The value of an integer constant of at most 64 bits.
    pub(crate) fn as_u64(self) -> Option<u64> {
        (self.constant_kind() == Const::Int && self.ty().int_bits() <= 64)
            .then(|| ffi!(LLVMConstIntGetZExtValue(self.0)))
    }

    /// The same, taken as signed.
    pub(crate) fn as_i64(self) -> Option<i64> {
        let unused = 64 - self.ty().int_bits().min(64);
        self.as_u64().map(|n| ((n << unused) as i64) >> unused)
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
pub(super) const FUNCTION_INDEX: u32 = u32::MAX;

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
        // Attribute index 0 is the result's; the place, if there is one, is the first or second
        // parameter.
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
