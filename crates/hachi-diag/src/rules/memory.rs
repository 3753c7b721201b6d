//! Rejections about reading and writing memory, and about pointers.

use super::Rule;
use crate::Cause;

pub(super) const RULES: &[Rule] = &[
    Rule {
        patterns: &[
            "invalid access to packet, off={n_off} size={n_size}, R{reg}(id={},off={},r={n_range})",
            "invalid access to packet, off={n_off} size={n_size}, R{reg}(",
            "R{reg} offset is outside of the packet",
        ],
        cause: |c| Cause::PacketBounds {
            access: c.access(),
            proven: c.number("n_range"),
        },
    },
    Rule {
        patterns: &[
            "math between pkt pointer and register with unbounded min value is not allowed",
            "math between pkt pointer and {n} is not allowed",
            "value {n} makes pkt pointer be out of bounds",
            "pkt pointer offset {n} is not allowed",
        ],
        cause: |_| Cause::PacketPointerArithmetic,
    },
    Rule {
        patterns: &[
            "R{reg} is ptr_{type} invalid variable offset: off={n}, var_off=",
            "R{reg} is ptr_{type} invalid negative access: off={n}",
            "R{reg} is trusted_ptr_{type} invalid variable offset: off={n}, var_off=",
            "math between ptr_{type} pointer and register with unbounded min value is not allowed",
            "math between trusted_ptr_{type} pointer and register with unbounded min value is not \
             allowed",
        ],
        cause: |c| Cause::KernelPointerArithmetic {
            structure: c.text("type"),
        },
    },
    Rule {
        patterns: &[
            "math between {type} pointer and register with unbounded min value is not allowed",
            "math between {type} pointer and {n} is not allowed",
            "value {n} makes {type} pointer be out of bounds",
        ],
        cause: |c| Cause::PointerArithmeticUnbounded {
            kind: c.text("type"),
        },
    },
    Rule {
        patterns: &[
            "R{reg} invalid mem access 'map_value_or_null'",
            "R{reg} invalid mem access '{type}_or_null'",
            "R{reg} pointer arithmetic on {type}_or_null prohibited, null-check it first",
            "R{reg} pointer arithmetic on PTR_TO_MAP_VALUE_OR_NULL prohibited, null-check it first",
        ],
        cause: |_| Cause::NullCheckMissing,
    },
    Rule {
        patterns: &["R{reg} invalid mem access 'pkt_end'"],
        cause: |_| Cause::PacketEndRead,
    },
    Rule {
        patterns: &["R{reg} invalid mem access 'ctx'"],
        cause: |_| Cause::ContextPointerMisuse,
    },
    Rule {
        patterns: &[
            "R{reg} invalid mem access 'scalar'",
            "R{reg} invalid mem access 'inv'",
        ],
        cause: |_| Cause::NumberAsPointer,
    },
    Rule {
        patterns: &[
            "R{reg} invalid mem access 'untrusted_ptr_{type}'",
            "R{reg} type=untrusted_ptr_{} expected={expected}",
            "R{reg} must be referenced or trusted",
            "R{reg} must be a rcu pointer",
        ],
        cause: |_| Cause::UntrustedPointer,
    },
    Rule {
        patterns: &["R{reg} invalid mem access '{type}'"],
        cause: |c| Cause::BadMemoryKind {
            kind: c.word("type"),
        },
    },
    // Before map values, since the second of its messages is one of theirs.
    Rule {
        patterns: &[
            "invalid access to memory, mem_size={n_len} off={n_off} size={n_size}",
            "invalid access to map key, key_size={n_len} off={n_off} size={n_size}",
            "R{reg} invalid {} buffer access: off={n_off}, size={n_size}",
        ],
        cause: |c| Cause::MemoryBounds { access: c.access() },
    },
    Rule {
        patterns: &[
            "invalid access to map value, value_size={n_len} off={n_off} size={n_size}",
            "R{reg} max value is outside of the allowed memory range",
            "R{reg} max value is outside of the array range",
            "R{reg} min value is outside of the allowed memory range",
            "R{reg} min value is outside of the array range",
        ],
        cause: |c| Cause::MapValueBounds { access: c.access() },
    },
    Rule {
        patterns: &[
            "R{reg} min value is negative, either use unsigned index or do a if (index >=0) check.",
            "R{reg} min value is negative, either use unsigned or 'var &= const'",
        ],
        cause: |_| Cause::NegativeIndex,
    },
    Rule {
        patterns: &[
            "R{reg} unbounded memory access, make sure to bounds check any such access",
            "R{reg} unbounded memory access, use 'var &= const' or 'if (var < const)'",
        ],
        cause: |_| Cause::UnboundedMemory,
    },
    Rule {
        patterns: &["R{reg} invalid zero-sized read", "invalid zero-sized read"],
        cause: |_| Cause::ZeroSizedAccess,
    },
    Rule {
        patterns: &[
            "invalid indirect read from stack R{reg} off {n_off}+{n_at} size {n_size}",
            "invalid indirect read from stack off {n_off}+{n_at} size {n_size}",
            "invalid read from stack R{reg} off {n_off}+{n_at} size {n_size}",
            "invalid read from stack off {n_off}+{n_at} size {n_size}",
            "invalid read from stack R{reg} off={n_off} size={n_size}",
            "invalid read from stack off={n_off} size={n_size}",
        ],
        cause: |c| Cause::StackUninitialised { access: c.access() },
    },
    Rule {
        patterns: &[
            "invalid write to stack R{reg} off={n_off} size={n_size}",
            "invalid stack off={n_off} size={n_size}",
            "invalid stack type R{reg} off={n_off} access_size={n_size}",
            "invalid unbounded variable-offset {} stack R{reg}",
            "invalid variable-offset {} stack R{reg}",
            "invalid variable-offset stack access",
            "R{reg} variable stack access prohibited for !root",
            "invalid variable-offset{}stack R{reg}",
        ],
        cause: |c| Cause::StackBounds { access: c.access() },
    },
    Rule {
        patterns: &[
            "attempt to corrupt spilled pointer on stack",
            "invalid size of register spill",
            "invalid size of register fill",
            "corrupted spill memory",
        ],
        cause: |_| Cause::SpillCorrupted,
    },
    Rule {
        patterns: &[
            "invalid bpf_context access off={n_off} size={n_size}",
            "invalid bpf_context access",
        ],
        cause: |c| Cause::ContextField { access: c.access() },
    },
    Rule {
        patterns: &[
            "dereference of modified {type} ptr R{reg} off={n_off} disallowed",
            "negative offset {type} ptr R{reg} off={n_off} disallowed",
            "variable {type} access var_off=",
            "R{reg} {}offset context access",
        ],
        cause: |c| Cause::ContextModified {
            kind: c.text("type"),
        },
    },
    Rule {
        patterns: &["misaligned {type} access off {off} size {n_size}"],
        cause: |c| Cause::Misaligned {
            kind: c.word("type"),
            size: c.number("n_size"),
        },
    },
    Rule {
        patterns: &[
            "write into map forbidden, value_size={n_len} off={n_off} size={n_size}",
            "R{reg} cannot write into rdonly_{type}",
            "cannot write into packet",
            "R{reg} cannot write into {type}",
            "cannot write into {type}",
            "only read is supported",
        ],
        cause: |c| Cause::ReadOnlyMemory {
            kind: c.text("type"),
        },
    },
    Rule {
        patterns: &["BPF_ATOMIC stores into R{reg} {type} is not allowed"],
        cause: |c| Cause::AtomicPlace {
            kind: c.word("type"),
        },
    },
    Rule {
        patterns: &["R{reg} is ptr_{type} access user memory: off={n}"],
        cause: |_| Cause::KernelMemoryElsewhere { per_cpu: false },
    },
    Rule {
        patterns: &["R{reg} is ptr_{type} access percpu memory: off={n}"],
        cause: |_| Cause::KernelMemoryElsewhere { per_cpu: true },
    },
    Rule {
        patterns: &["read from map forbidden, value_size={n_len} off={n_off} size={n_size}"],
        cause: |_| Cause::MapNotReadable,
    },
    Rule {
        patterns: &[
            "access beyond struct {type} at off {n_off} size {n_size}",
            "access beyond the end of member {member} (mend:{n_end}) in struct {type} with off \
             {n_off} size {n_size}",
            "cannot access ptr member {member} with moff {} in struct {type} with off {n_off} \
             size {n_size}",
        ],
        cause: |c| Cause::StructureBounds {
            structure: c.word("type"),
            access: c.access(),
        },
    },
    Rule {
        patterns: &["R{reg} !read_ok"],
        cause: |c| Cause::UninitialisedRegister {
            register: c.register(),
        },
    },
    Rule {
        patterns: &[
            "R{reg} leaks addr as return value",
            "R{reg} leaks addr into map",
            "R{reg} leaks addr into {type}",
            "R{reg} leaks addr",
        ],
        cause: |_| Cause::PointerLeak,
    },
    Rule {
        patterns: &[
            "R{reg} bitwise operator {op} on pointer prohibited",
            "R{reg} pointer arithmetic with {op} operator prohibited",
            "R{reg} 32-bit pointer arithmetic prohibited",
        ],
        cause: |c| Cause::PointerMask {
            operator: c.text("op"),
        },
    },
    Rule {
        patterns: &[
            "R{reg} pointer {op} pointer prohibited",
            "R{reg} tried to subtract pointer from scalar",
            "R{reg} subtraction from stack pointer prohibited",
            "R{reg} pointer comparison prohibited",
            "R{reg} partial copy of pointer",
        ],
        cause: |_| Cause::PointerPlusPointer,
    },
    Rule {
        patterns: &[
            "R{reg} pointer arithmetic on {type} prohibited",
            "R{reg} pointer arithmetic prohibited",
        ],
        cause: |c| Cause::PointerArithmeticForbidden {
            kind: c.text("type"),
        },
    },
    Rule {
        patterns: &["same insn cannot be used with different pointers"],
        cause: |_| Cause::MixedPointers,
    },
];
