//! Why a program was rejected, as data.

use crate::Code;
use crate::rules;
use crate::trace::Trace;

/// An access to a block of memory. What the kernel did not say is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct Access {
    /// Where it may begin, in bytes from the start of the block (of the stack, from its end).
    pub offset: Option<i64>,
    /// How many bytes it takes.
    pub size: Option<i64>,
    /// How many bytes the block has.
    pub length: Option<i64>,
}

/// Why a program was rejected: what the kernel's words stand for, with the values in them.
///
/// [`Cause::of`] finds it, [`explain`](crate::explain()) puts it into words. [`Cause::code`] is its
/// stable name; the pages of these names say more about each.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    // Reading and writing memory.
    /// A packet is accessed past what has been compared with its end.
    PacketBounds {
        /// The access.
        access: Access,
        /// How many bytes were proven to be there.
        proven: Option<i64>,
    },
    /// An offset without a limit is added to a packet pointer.
    PacketPointerArithmetic,
    /// A kernel structure is read at an offset that is not constant.
    KernelPointerArithmetic {
        /// The structure.
        structure: Option<String>,
    },
    /// An offset without a limit is added to a pointer.
    PointerArithmeticUnbounded {
        /// What the pointer points to, in the kernel's words: `map_value`, `fp`.
        kind: Option<String>,
    },
    /// A pointer that may be null is used unchecked.
    NullCheckMissing,
    /// Memory is accessed through `data_end`.
    PacketEndRead,
    /// The context is accessed otherwise than by plain reads and writes of its fields.
    ContextPointerMisuse,
    /// A number is used as a pointer.
    NumberAsPointer,
    /// A pointer that the kernel does not vouch for is used where a trusted one is needed.
    UntrustedPointer,
    /// Memory is accessed through a value of a kind that does not allow it.
    BadMemoryKind {
        /// The kind, in the kernel's words.
        kind: String,
    },
    /// A map's value is accessed outside its bounds.
    MapValueBounds {
        /// The access.
        access: Access,
    },
    /// Another block of memory is accessed outside its bounds.
    MemoryBounds {
        /// The access.
        access: Access,
    },
    /// A loop that compares pointers is followed beyond the block it goes through.
    SliceLoop {
        /// The access beyond the block.
        access: Access,
    },
    /// An offset or length that may be negative reaches memory.
    NegativeIndex,
    /// An offset or length without an upper limit reaches memory.
    UnboundedMemory,
    /// A helper that needs at least one byte may be given none.
    ZeroSizedAccess,
    /// Stack memory is read that was never written.
    StackUninitialised {
        /// The access.
        access: Access,
    },
    /// The stack is accessed outside its bounds, or at an offset without a limit.
    StackBounds {
        /// The access.
        access: Access,
    },
    /// A pointer kept on the stack is partly overwritten or partly read.
    SpillCorrupted,
    /// This kind of program may not access these bytes of its context.
    ContextField {
        /// The access.
        access: Access,
    },
    /// A pointer whose fields are read at constant offsets was moved before.
    ContextModified {
        /// What it points to, in the kernel's words: `ctx`.
        kind: Option<String>,
    },
    /// An access is not aligned to its size.
    Misaligned {
        /// What is accessed, in the kernel's words: `packet`, `stack`.
        kind: String,
        /// The access's size.
        size: Option<i64>,
    },
    /// Read-only memory is written.
    ReadOnlyMemory {
        /// What is written, in the kernel's words, when it says: `packet`.
        kind: Option<String>,
    },
    /// An atomic operation is made on memory that allows none.
    AtomicPlace {
        /// What memory, in the kernel's words.
        kind: String,
    },
    /// A pointer into user or per-CPU memory is read directly.
    KernelMemoryElsewhere {
        /// It is per-CPU memory rather than a process's.
        per_cpu: bool,
    },
    /// A map that programs may only write is read.
    MapNotReadable,
    /// A read does not fit a field of a kernel structure.
    StructureBounds {
        /// The structure.
        structure: String,
        /// The access.
        access: Access,
    },
    /// A register is read that was never set.
    UninitialisedRegister {
        /// Its number.
        register: u8,
    },
    /// A kernel address would leave the program.
    PointerLeak,
    /// An address is computed by other than addition and subtraction.
    PointerMask {
        /// The operator, when the kernel says: `&=`.
        operator: Option<String>,
    },
    /// Two pointers are combined.
    PointerPlusPointer,
    /// A pointer that must be used as it was given is moved.
    PointerArithmeticForbidden {
        /// What it points to, in the kernel's words.
        kind: Option<String>,
    },
    /// One instruction is reached with pointers of different kinds.
    MixedPointers,

    // Helpers, kernel functions, references and locks.
    /// An instruction is reached that could not be adjusted to this kernel's types (CO-RE).
    UnresolvedRelocation,
    /// A call of a kernel function that this kernel does not have is reached.
    MissingKfunc,
    /// The kernel does not tell where a variable of its own is.
    VariableWithoutAddress {
        /// The variable.
        name: String,
    },
    /// Programs of this type may not call this helper.
    HelperNotForThisType {
        /// The helper, when the kernel says.
        helper: Option<String>,
    },
    /// There is no helper of this number.
    HelperUnknown {
        /// The number.
        number: Option<i64>,
    },
    /// Only programs under a GPL-compatible licence may do this.
    GplOnly {
        /// The kernel structure that may not be read, when it is that.
        structure: Option<String>,
    },
    /// Programs of this type may not call this kernel function.
    KfuncNotAllowed {
        /// The function, when the kernel says.
        function: Option<String>,
    },
    /// The kernel function may stop the machine.
    KfuncDestructive,
    /// A call that may sleep is made where sleeping is not allowed.
    CallMaySleep {
        /// Because of the whole program, not of a lock or section around the call.
        program: bool,
    },
    /// A pointer that may be null is passed to a helper.
    HelperArgumentNull,
    /// A helper is given a variable instead of a map.
    StaticInsteadOfMap,
    /// A helper is given the address of an empty slice, which points to nothing.
    EmptySlice,
    /// An argument of a helper is of the wrong kind.
    HelperArgumentType {
        /// Its kind, in the kernel's words, when it says.
        kind: Option<String>,
        /// What is expected, in the kernel's words.
        expected: Option<String>,
    },
    /// A format string is not a constant that ends in a zero byte.
    FormatString,
    /// An argument of a helper must be a constant.
    HelperArgumentConstant,
    /// A dynptr is in the wrong state for a call.
    Dynptr,
    /// An iterator is in the wrong state for a call.
    Iterator {
        /// What it goes through, in the kernel's words.
        kind: String,
    },
    /// A helper does not take packet memory.
    PacketForHelper,
    /// A helper does not work on this type of map.
    MapKindForHelper,
    /// Something taken is not given back on every path.
    ReferenceLeak {
        /// The call that took it.
        taken_at: Option<usize>,
    },
    /// Something is given back that was not taken.
    ReferenceMisused,
    /// A rule of spin locks is broken.
    SpinLock,
    /// An RCU read section is left open, closed twice or nested.
    RcuSection,
    /// A function that is verified by itself is called with an argument it cannot have.
    BadArgumentToFunction,
    /// A function hands a pointer to its stack back to its caller.
    StackPointerEscapes,
    /// A tail call stands where none is allowed.
    TailCall,
    /// Kernel lockdown forbids `bpf_probe_write_user`.
    WriteUserLockdown,

    // The flow of control, the size of programs and what they return.
    /// A loop comes back to where it was with nothing changed.
    InfiniteLoop {
        /// Where.
        insn: Option<usize>,
    },
    /// A loop, for a kernel or user that may have none.
    BackEdge {
        /// The jump back.
        insn: Option<usize>,
    },
    /// The verifier gave up after a million instructions.
    TooManyInstructions {
        /// How many it walked.
        walked: Option<i64>,
    },
    /// Too many branches are open at once.
    TooComplex {
        /// How many, when the kernel says.
        branches: Option<i64>,
    },
    /// The program has more instructions than the kernel takes.
    ProgramTooLong {
        /// How many it has, when the kernel says.
        instructions: Option<i64>,
    },
    /// The program holds code that nothing reaches.
    UnreachableCode {
        /// The first such instruction.
        insn: Option<usize>,
    },
    /// A function does not end in a return.
    NoExit,
    /// A jump leads out of its function or into the middle of an instruction.
    BadJump {
        /// The jump.
        insn: Option<usize>,
    },
    /// Functions call each other too deep.
    CallDepth {
        /// How deep, when the kernel says.
        frames: Option<i64>,
    },
    /// Functions call themselves.
    Recursion,
    /// The functions on a path need more stack than there is.
    StackTooLarge {
        /// How much they need.
        bytes: Option<i64>,
    },
    /// The program may return a value that its type does not allow.
    ReturnValue {
        /// What it allows, in the kernel's words.
        allowed: Option<String>,
    },
    /// A function is called through a pointer.
    IndirectCall,
    /// The kernel does not know an instruction.
    UnknownInstruction,
    /// A division by the constant 0, or a shift by more bits than there are.
    BadArithmetic,
    /// A register is used that programs cannot use in this way.
    FramePointer,
    /// The program needs the JIT compiler.
    NeedsJit,
    /// A callback is not a function of the program.
    Callback,

    // Before the first instruction: types, attach targets, privileges, the object itself.
    /// The function information does not fit the code.
    FuncInfo,
    /// The line information does not fit the code.
    LineInfo,
    /// The kernel refuses the object's types.
    BtfInvalid {
        /// The number of the type, when the kernel says.
        id: Option<i64>,
        /// Its kind: `STRUCT`.
        kind: Option<String>,
        /// Its name.
        name: Option<String>,
    },
    /// The function to attach to cannot be attached to.
    AttachTarget,
    /// The process lacks a capability.
    NeedsCapability,
    /// The kernel does not offer its types, or not the function wanted.
    KernelTypesMissing {
        /// The function, when it is that.
        function: Option<String>,
    },
    /// The kernel does not know this type of program.
    ProgramTypeUnknown,
    /// A map does not fit this type of program.
    MapForProgram,
    /// The program uses more maps than the kernel allows.
    TooManyMaps,
    /// The program uses something that is newer than the running kernel.
    NewerThanKernel {
        /// The thing.
        what: String,
        /// The first version of Linux that has it.
        since: (u16, u16),
    },

    // Rejections without a word from the verifier, by the error number.
    /// The kernel does not permit the load (EPERM).
    NotPermitted,
    /// The kernel has no memory for the program (ENOMEM).
    NoMemory,
    /// The kernel does not accept the description of the program (EINVAL).
    InvalidArgument,
    /// The log did not fit its buffer (ENOSPC).
    LogTooSmall,
    /// Words that no rule knows, or none at all.
    Unknown {
        /// The first of the kernel's words.
        message: Option<String>,
    },
}

impl Cause {
    /// Finds out why the program of a trace was rejected.
    pub fn of(trace: &Trace<'_>) -> Cause {
        let messages = trace.messages();
        if messages.is_empty() {
            return by_errno(trace).in_view_of(trace);
        }
        let cause = match rules::find(messages) {
            Some(cause) => cause,
            None => Cause::Unknown {
                message: messages.first().map(|text| (*text).to_owned()),
            },
        };
        cause.in_view_of(trace)
    }

    /// The same words can stand for another cause, by what the verifier knew and what the program
    /// needs.
    fn in_view_of(self, trace: &Trace<'_>) -> Cause {
        match self {
            Cause::MapValueBounds { access }
            | Cause::MemoryBounds { access }
            | Cause::StackUninitialised { access }
            | Cause::StackBounds { access }
                if trace.walks_by_pointer() =>
            {
                Cause::SliceLoop { access }
            }
            // The limits of the operand are checked before the operator is.
            Cause::PacketPointerArithmetic
            | Cause::KernelPointerArithmetic { .. }
            | Cause::PointerArithmeticUnbounded { .. } => match trace.operator() {
                None | Some("+=" | "-=") => self,
                Some(operator) => Cause::PointerMask {
                    operator: Some(operator.to_owned()),
                },
            },
            Cause::HelperArgumentType { .. } if trace.is_empty_slice() => Cause::EmptySlice,
            // Constant strings lie in maps that are read-only.
            Cause::HelperArgumentType { expected, .. }
                if expected.as_deref() == Some("map_value") && trace.calls_with_a_format() =>
            {
                Cause::FormatString
            }
            // An older kernel stumbles over what it does not know somewhere, and says something.
            Cause::FuncInfo
            | Cause::LineInfo
            | Cause::BtfInvalid { .. }
            | Cause::HelperUnknown { .. }
            | Cause::UnknownInstruction
            | Cause::ProgramTypeUnknown
            | Cause::Callback
            | Cause::IndirectCall
            | Cause::BackEdge { .. }
            | Cause::InvalidArgument
            | Cause::Unknown { .. } => match trace.newer_than_kernel() {
                Some(need) => Cause::NewerThanKernel {
                    what: need.what.to_owned(),
                    since: need.since,
                },
                None => self,
            },
            other => other,
        }
    }

    /// Its stable name.
    pub fn code(&self) -> Code {
        match self {
            Cause::PacketBounds { .. } => Code::PACKET_BOUNDS,
            Cause::PacketPointerArithmetic => Code::PACKET_POINTER_ARITHMETIC,
            Cause::KernelPointerArithmetic { .. } => Code::KERNEL_POINTER_ARITHMETIC,
            Cause::PointerArithmeticUnbounded { .. } => Code::POINTER_ARITHMETIC_UNBOUNDED,
            Cause::NullCheckMissing => Code::NULL_CHECK_MISSING,
            Cause::PacketEndRead => Code::PACKET_END_READ,
            Cause::ContextPointerMisuse => Code::CONTEXT_POINTER_MISUSE,
            Cause::NumberAsPointer => Code::NUMBER_AS_POINTER,
            Cause::UntrustedPointer => Code::UNTRUSTED_POINTER,
            Cause::BadMemoryKind { .. } => Code::BAD_MEMORY_KIND,
            Cause::MapValueBounds { .. } => Code::MAP_VALUE_BOUNDS,
            Cause::MemoryBounds { .. } => Code::MEMORY_BOUNDS,
            Cause::SliceLoop { .. } => Code::SLICE_LOOP,
            Cause::NegativeIndex => Code::NEGATIVE_INDEX,
            Cause::UnboundedMemory => Code::UNBOUNDED_MEMORY,
            Cause::ZeroSizedAccess => Code::ZERO_SIZED_ACCESS,
            Cause::StackUninitialised { .. } => Code::STACK_UNINITIALISED,
            Cause::StackBounds { .. } => Code::STACK_BOUNDS,
            Cause::SpillCorrupted => Code::SPILL_CORRUPTED,
            Cause::ContextField { .. } => Code::CONTEXT_FIELD,
            Cause::ContextModified { .. } => Code::CONTEXT_MODIFIED,
            Cause::Misaligned { .. } => Code::MISALIGNED,
            Cause::ReadOnlyMemory { .. } => Code::READ_ONLY_MEMORY,
            Cause::AtomicPlace { .. } => Code::ATOMIC_PLACE,
            Cause::KernelMemoryElsewhere { .. } => Code::KERNEL_MEMORY_ELSEWHERE,
            Cause::MapNotReadable => Code::MAP_NOT_READABLE,
            Cause::StructureBounds { .. } => Code::STRUCTURE_BOUNDS,
            Cause::UninitialisedRegister { .. } => Code::UNINITIALISED_REGISTER,
            Cause::PointerLeak => Code::POINTER_LEAK,
            Cause::PointerMask { .. } => Code::POINTER_MASK,
            Cause::PointerPlusPointer => Code::POINTER_PLUS_POINTER,
            Cause::PointerArithmeticForbidden { .. } => Code::POINTER_ARITHMETIC_FORBIDDEN,
            Cause::MixedPointers => Code::MIXED_POINTERS,
            Cause::UnresolvedRelocation => Code::UNRESOLVED_RELOCATION,
            Cause::MissingKfunc => Code::MISSING_KFUNC,
            Cause::VariableWithoutAddress { .. } => Code::VARIABLE_WITHOUT_ADDRESS,
            Cause::HelperNotForThisType { .. } => Code::HELPER_NOT_FOR_THIS_TYPE,
            Cause::HelperUnknown { .. } => Code::HELPER_UNKNOWN,
            Cause::GplOnly { .. } => Code::GPL_ONLY,
            Cause::KfuncNotAllowed { .. } => Code::KFUNC_NOT_ALLOWED,
            Cause::KfuncDestructive => Code::KFUNC_DESTRUCTIVE,
            Cause::CallMaySleep { .. } => Code::CALL_MAY_SLEEP,
            Cause::HelperArgumentNull => Code::HELPER_ARGUMENT_NULL,
            Cause::StaticInsteadOfMap => Code::STATIC_INSTEAD_OF_MAP,
            Cause::EmptySlice => Code::EMPTY_SLICE,
            Cause::HelperArgumentType { .. } => Code::HELPER_ARGUMENT_TYPE,
            Cause::FormatString => Code::FORMAT_STRING,
            Cause::HelperArgumentConstant => Code::HELPER_ARGUMENT_CONSTANT,
            Cause::Dynptr => Code::DYNPTR,
            Cause::Iterator { .. } => Code::ITERATOR,
            Cause::PacketForHelper => Code::PACKET_FOR_HELPER,
            Cause::MapKindForHelper => Code::MAP_KIND_FOR_HELPER,
            Cause::ReferenceLeak { .. } => Code::REFERENCE_LEAK,
            Cause::ReferenceMisused => Code::REFERENCE_MISUSED,
            Cause::SpinLock => Code::SPIN_LOCK,
            Cause::RcuSection => Code::RCU_SECTION,
            Cause::BadArgumentToFunction => Code::BAD_ARGUMENT_TO_FUNCTION,
            Cause::StackPointerEscapes => Code::STACK_POINTER_ESCAPES,
            Cause::TailCall => Code::TAIL_CALL,
            Cause::WriteUserLockdown => Code::WRITE_USER_LOCKDOWN,
            Cause::InfiniteLoop { .. } => Code::INFINITE_LOOP,
            Cause::BackEdge { .. } => Code::BACK_EDGE,
            Cause::TooManyInstructions { .. } => Code::TOO_MANY_INSTRUCTIONS,
            Cause::TooComplex { .. } => Code::TOO_COMPLEX,
            Cause::ProgramTooLong { .. } => Code::PROGRAM_TOO_LONG,
            Cause::UnreachableCode { .. } => Code::UNREACHABLE_CODE,
            Cause::NoExit => Code::NO_EXIT,
            Cause::BadJump { .. } => Code::BAD_JUMP,
            Cause::CallDepth { .. } => Code::CALL_DEPTH,
            Cause::Recursion => Code::RECURSION,
            Cause::StackTooLarge { .. } => Code::STACK_TOO_LARGE,
            Cause::ReturnValue { .. } => Code::RETURN_VALUE,
            Cause::IndirectCall => Code::INDIRECT_CALL,
            Cause::UnknownInstruction => Code::UNKNOWN_INSTRUCTION,
            Cause::BadArithmetic => Code::BAD_ARITHMETIC,
            Cause::FramePointer => Code::FRAME_POINTER,
            Cause::NeedsJit => Code::NEEDS_JIT,
            Cause::Callback => Code::CALLBACK,
            Cause::FuncInfo => Code::FUNC_INFO,
            Cause::LineInfo => Code::LINE_INFO,
            Cause::BtfInvalid { .. } => Code::BTF_INVALID,
            Cause::AttachTarget => Code::ATTACH_TARGET,
            Cause::NeedsCapability => Code::NEEDS_CAPABILITY,
            Cause::KernelTypesMissing { .. } => Code::KERNEL_TYPES_MISSING,
            Cause::ProgramTypeUnknown => Code::PROGRAM_TYPE_UNKNOWN,
            Cause::MapForProgram => Code::MAP_FOR_PROGRAM,
            Cause::TooManyMaps => Code::TOO_MANY_MAPS,
            Cause::NewerThanKernel { .. } => Code::NEWER_THAN_KERNEL,
            Cause::NotPermitted => Code::NOT_PERMITTED,
            Cause::NoMemory => Code::NO_MEMORY,
            Cause::InvalidArgument => Code::INVALID_ARGUMENT,
            Cause::LogTooSmall => Code::LOG_TOO_SMALL,
            Cause::Unknown { .. } => Code::UNKNOWN_REJECTION,
        }
    }

    /// The instruction it is about, when that is not the last one walked.
    pub(crate) fn insn(&self) -> Option<usize> {
        match self {
            Cause::ReferenceLeak { taken_at: insn }
            | Cause::InfiniteLoop { insn }
            | Cause::BackEdge { insn }
            | Cause::UnreachableCode { insn }
            | Cause::BadJump { insn } => *insn,
            _ => None,
        }
    }

    /// Whether it is about the program as a whole rather than one of its instructions.
    pub(crate) fn is_about_the_program(&self) -> bool {
        matches!(
            self,
            Cause::ProgramTooLong { .. }
                | Cause::NoExit
                | Cause::CallDepth { .. }
                | Cause::Recursion
                | Cause::StackTooLarge { .. }
                | Cause::NeedsJit
                | Cause::FuncInfo
                | Cause::LineInfo
                | Cause::BtfInvalid { .. }
                | Cause::AttachTarget
                | Cause::KernelTypesMissing { .. }
                | Cause::ProgramTypeUnknown
                | Cause::MapForProgram
                | Cause::TooManyMaps
                | Cause::NewerThanKernel { .. }
                | Cause::NotPermitted
                | Cause::NoMemory
                | Cause::InvalidArgument
                | Cause::LogTooSmall
        )
    }
}

/// A rejection without a word from the verifier, or with a log that is cut before its last words.
fn by_errno(trace: &Trace<'_>) -> Cause {
    let walked = !trace.steps.is_empty();
    match trace.input().errno {
        Some(1) => Cause::NotPermitted,
        // E2BIG is for programs that are too long, and for walks that are.
        Some(7) if walked => Cause::TooManyInstructions { walked: None },
        Some(7) => Cause::ProgramTooLong { instructions: None },
        Some(12) => Cause::NoMemory,
        // Until 5.x the answer to too many open branches was EFAULT.
        Some(14) if walked => Cause::TooComplex { branches: None },
        Some(22) if !walked => Cause::InvalidArgument,
        Some(28) => Cause::LogTooSmall,
        _ => Cause::Unknown { message: None },
    }
}
