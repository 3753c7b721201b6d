//! Rejections about reading and writing memory, and about pointers.

use super::Rule;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "packet-bounds",
        patterns: &[
            "invalid access to packet, off={n_off} size={n_size}, R{reg}(id={},off={},r={n_range})",
            "invalid access to packet, off={n_off} size={n_size}, R{reg}(",
            "R{reg} offset is outside of the packet",
        ],
        title: "the packet is accessed past what has been checked",
        why: "the access needs {need} after the pointer, and on this path {n_range} are proven to lie before the packet's end (`data_end`)",
        help: &[
            "read it with a checked access, which does the comparison and says `None` when the packet is too short: `ctx.read::<T>(offset)?` copies, `ctx.get::<T>(offset)?` borrows",
            "with raw pointers: compare `pointer + size_of::<T>()` with `ctx.data_end()` on every path that reaches this line, with the same pointer (not a copy computed anew)",
            "when the offset is not constant, give it an upper limit first: `if offset > 1500 { return … }`, or the verifier forgets the comparison",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "packet-pointer-arithmetic",
        patterns: &[
            "math between pkt pointer and register with unbounded min value is not allowed",
            "math between pkt pointer and {n} is not allowed",
            "value {n} makes pkt pointer be out of bounds",
            "pkt pointer offset {n} is not allowed",
        ],
        title: "an offset without a limit is added to a packet pointer",
        why: "the verifier must know that the offset is not negative and not huge before it lets it move a packet pointer",
        help: &[
            "limit the offset just before: `let offset = offset & 0x3f;` or `if offset > 1500 { return … }`",
            "compute it in an unsigned type (`usize`, `u64`), so that it cannot be negative",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "kernel-pointer-arithmetic",
        patterns: &[
            "R{reg} is ptr_{type} invalid variable offset: off={n}, var_off=",
            "R{reg} is ptr_{type} invalid negative access: off={n}",
            "R{reg} is trusted_ptr_{type} invalid variable offset: off={n}, var_off=",
            "math between ptr_{type} pointer and register with unbounded min value is not allowed",
            "math between trusted_ptr_{type} pointer and register with unbounded min value is not allowed",
        ],
        title: "a kernel structure (`{type}`) is read at an offset that is not constant",
        why: "a pointer to a kernel structure may only be moved by an offset known at load time",
        help: &[
            "read each field by name rather than by an index known only when the program runs",
            "or copy the part with `bpf_probe_read_kernel`, which takes any address",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "pointer-arithmetic-unbounded",
        patterns: &[
            "math between {type} pointer and register with unbounded min value is not allowed",
            "math between {type} pointer and {n} is not allowed",
            "value {n} makes {type} pointer be out of bounds",
        ],
        title: "an offset without a limit is added to a pointer (`{type}`)",
        why: "the verifier must know that the offset is not negative and not huge before it lets it move a pointer",
        help: &[
            "limit the offset just before: `let i = i & (LEN - 1);` for a power of two, or `if i >= LEN { return … }`",
            "compute it in an unsigned type (`usize`, `u64`), so that it cannot be negative",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "null-check-missing",
        patterns: &[
            "R{reg} invalid mem access 'map_value_or_null'",
            "R{reg} invalid mem access '{type}_or_null'",
            "R{reg} pointer arithmetic on {type}_or_null prohibited, null-check it first",
            "R{reg} pointer arithmetic on PTR_TO_MAP_VALUE_OR_NULL prohibited, null-check it first",
        ],
        title: "a pointer that may be null is used without a check",
        why: "a look-up or an allocation may find nothing; the verifier wants both outcomes handled before the pointer is used",
        help: &[
            "take the `Option` apart instead of unwrapping it unchecked: `let Some(value) = MAP.get(&key) else { return … };`",
            "check the pointer that is used, not a copy of it in memory: after a store and a load the check is forgotten",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "packet-end-read",
        patterns: &["R{reg} invalid mem access 'pkt_end'"],
        title: "memory is accessed through the packet's end",
        why: "`data_end` is only there to be compared with; the byte it points at is not in the packet",
        help: &[
            "start from `ctx.data()` and compare with `ctx.data_end()`, not the other way round",
            "with the checked accesses (`ctx.read::<T>(offset)?`) neither pointer is needed",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "context-pointer-misuse",
        patterns: &["R{reg} invalid mem access 'ctx'"],
        title: "the context is accessed in a way that its kind of program does not allow",
        why: "only plain reads (and a few writes) of the context's documented fields are allowed, no atomics",
        help: &["use the accessors of the context type instead of raw pointers into it"],
        ..Rule::ROW
    },
    Rule {
        id: "number-as-pointer",
        patterns: &[
            "R{reg} invalid mem access 'scalar'",
            "R{reg} invalid mem access 'inv'",
        ],
        title: "a number is used as a pointer",
        why: "the verifier does not know what this address points at: the value did not come from a place that gives pointers, or it lost its origin on the way (arithmetic on an integer copy, a store of another size, a pointer read from memory)",
        help: &[
            "an address that was read from kernel memory: read through it with `bpf_probe_read_kernel` (or `bpf_probe_read_user` for one of user space)",
            "a pointer that was turned into an integer and back: keep it a pointer (`ptr.add(n)`)",
            "a `static` or constant that holds references (`&[&str]`, function tables): addresses inside static data are not filled in for BPF, so store plain values or indices instead",
            "a pointer that came from a context field: read it through the context type's accessor",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "untrusted-pointer",
        patterns: &[
            "R{reg} invalid mem access 'untrusted_ptr_{type}'",
            "R{reg} type=untrusted_ptr_{} expected={expected}",
            "R{reg} must be referenced or trusted",
            "R{reg} must be a rcu pointer",
        ],
        title: "a pointer that the kernel does not vouch for is used where a trusted one is needed",
        why: "it was reached by walking through fields, so the object behind it may be gone",
        help: &[
            "take a reference first with the matching kernel function (`bpf_task_acquire`, …) and release it afterwards",
            "or stay inside `bpf_rcu_read_lock`/`bpf_rcu_read_unlock` while using it",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "bad-memory-kind",
        patterns: &["R{reg} invalid mem access '{type}'"],
        title: "memory is accessed through a value (`{type}`) that does not allow it",
        why: "",
        help: &[
            "check that this is the pointer you meant; values of this kind can only be handed to helpers",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "map-value-bounds",
        patterns: &[
            "invalid access to map value, value_size={n_len} off={n_off} size={n_size}",
            "R{reg} max value is outside of the allowed memory range",
            "R{reg} max value is outside of the array range",
            "R{reg} min value is outside of the allowed memory range",
            "R{reg} min value is outside of the array range",
        ],
        title: "memory is accessed outside its bounds",
        why: "the block is {len} long, and on this path an access of {size} could start at byte {n_off}",
        help: &[
            "check the index with the array's length right before using it: `if i >= LEN { return … }`, or use `array.get(i)?`",
            "for a length that is a power of two, mask it: `array[i & (LEN - 1)]`",
            "LLVM may move the check away from the access; if a check is there already, mask the index as well",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "memory-bounds",
        patterns: &[
            "invalid access to memory, mem_size={n_len} off={n_off} size={n_size}",
            "invalid access to map key, key_size={n_len} off={n_off} size={n_size}",
            "R{reg} invalid {} buffer access: off={n_off}, size={n_size}",
        ],
        title: "memory is accessed outside its bounds",
        why: "an access of {size} could start at byte {n_off}, outside the block",
        help: &[
            "check the index with the length right before using it: `if i >= LEN { return … }`",
            "for a length that is a power of two, mask it: `buffer[i & (LEN - 1)]`",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "negative-index",
        patterns: &[
            "R{reg} min value is negative, either use unsigned index or do a if (index >=0) check.",
            "R{reg} min value is negative, either use unsigned or 'var &= const'",
        ],
        title: "an offset or length that may be negative reaches memory",
        why: "as far as the verifier knows the value may be below zero",
        help: &[
            "compute it in an unsigned type, or reject negatives first: `if n < 0 { return … }`",
            "mask it right before the use: `let n = n & 0xff;`",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "unbounded-memory",
        patterns: &[
            "R{reg} unbounded memory access, make sure to bounds check any such access",
            "R{reg} unbounded memory access, use 'var &= const' or 'if (var < const)'",
        ],
        title: "an offset or length without an upper limit reaches memory",
        why: "the verifier must see a limit on the same value, on every path to this line",
        help: &[
            "give it one right before the use: `if len > BUF.len() { return … }` or `let len = len.min(64);`",
            "when LLVM undoes the comparison, a mask stays: `let len = len & 0x3f;`",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "zero-sized-access",
        patterns: &["R{reg} invalid zero-sized read", "invalid zero-sized read"],
        title: "a helper may be given a length of zero",
        why: "this helper needs at least one byte",
        help: &["leave the length zero out first: `if len == 0 { return … }`"],
        ..Rule::ROW
    },
    Rule {
        id: "stack-uninitialised",
        patterns: &[
            "invalid indirect read from stack R{reg} off {n_off}+{n_at} size {n_size}",
            "invalid indirect read from stack off {n_off}+{n_at} size {n_size}",
            "invalid read from stack R{reg} off {n_off}+{n_at} size {n_size}",
            "invalid read from stack off {n_off}+{n_at} size {n_size}",
            "invalid read from stack R{reg} off={n_off} size={n_size}",
            "invalid read from stack off={n_off} size={n_size}",
        ],
        title: "stack memory is read that has never been written",
        why: "some of the {size} at fp{n_off} hold nothing yet; padding between a structure's fields counts",
        help: &[
            "zero the whole value before filling it in: `let mut v: T = unsafe { core::mem::zeroed() };`",
            "a map key or value with padding: add explicit padding fields, or use `#[repr(C, packed)]`",
            "`MaybeUninit` must be written in full before its address is given away",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "stack-bounds",
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
        title: "the stack is accessed outside the 512 bytes of the frame, or at an offset without a limit",
        why: "",
        help: &[
            "check the index of a local array right before using it: `if i >= buf.len() { return … }`, or mask it",
            "a large buffer belongs into a map: a `PerCpuArray` with one entry is the usual scratch space",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "spill-corrupted",
        patterns: &[
            "attempt to corrupt spilled pointer on stack",
            "invalid size of register spill",
            "invalid size of register fill",
            "corrupted spill memory",
        ],
        title: "a pointer kept on the stack is partly overwritten or partly read",
        why: "pointers may only be stored and loaded as whole, aligned 8 bytes",
        help: &["do not treat a value that holds pointers as bytes; copy it field by field"],
        ..Rule::ROW
    },
    Rule {
        id: "context-field",
        patterns: &[
            "invalid bpf_context access off={n_off} size={n_size}",
            "invalid bpf_context access",
        ],
        title: "this kind of program may not access these bytes of its context",
        why: "byte {n_off} ({size}) is not a field that {programs} may use in this way: it is unknown to this kernel, not for this program type, not writable, or accessed with another size",
        help: &[
            "use the accessors of the context type; they read the right field with the right size",
            "check that the program type (the attribute macro and so the section) fits the context type in its signature",
            "a tracing program's arguments: the number or size of the arguments differs from the traced function's",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "context-modified",
        patterns: &[
            "dereference of modified {type} ptr R{reg} off={n_off} disallowed",
            "negative offset {type} ptr R{reg} off={n_off} disallowed",
            "variable {type} access var_off=",
            "R{reg} {}offset context access",
        ],
        title: "a `{type}` pointer is moved before it is read",
        why: "fields of this object must be read at a constant offset from the pointer as it was given",
        help: &[
            "index context fields with constants: a loop over them must be unrolled (`opt-level` 2 or 3, not `s` or `z`)",
            "hand the context itself to the helper, not a pointer into it",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "misaligned",
        patterns: &["misaligned {type} access off {off} size {n_size}"],
        title: "a {type} access of {size} is not aligned",
        why: "on this machine, or for this kind of memory, addresses must be a multiple of the size",
        help: &[
            "read it as bytes: `ptr::read_unaligned`, `u32::from_be_bytes(…)`, or a `#[repr(C, packed)]` type",
            "order the fields of map values so that each is aligned, or let `#[repr(C)]` do it",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "read-only-memory",
        patterns: &[
            "write into map forbidden, value_size={n_len} off={n_off} size={n_size}",
            "R{reg} cannot write into rdonly_{type}",
            "cannot write into packet",
            "R{reg} cannot write into {type}",
            "cannot write into {type}",
            "only read is supported",
        ],
        title: "read-only memory is written",
        why: "",
        help: &[
            "a `static` without interior mutability is read-only for the program: `Global<T>` settings are written by user space only; keep counters in a map",
            "packets can be written by XDP, TC and LWT programs only; kernel structures through helpers only",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "atomic-place",
        patterns: &["BPF_ATOMIC stores into R{reg} {type} is not allowed"],
        title: "an atomic operation on memory (`{type}`) that allows none",
        why: "atomics work on map values, the stack and memory of the program, not on packets or the context",
        help: &["count in a map value instead"],
        ..Rule::ROW
    },
    Rule {
        id: "kernel-memory-elsewhere",
        patterns: &[
            "R{reg} is ptr_{type} access user memory: off={n}",
            "R{reg} is ptr_{type} access percpu memory: off={n}",
        ],
        title: "a pointer into user or per-CPU memory is read directly",
        why: "",
        help: &["read it with `bpf_probe_read_user`, or `bpf_per_cpu_ptr` for per-CPU data"],
        ..Rule::ROW
    },
    Rule {
        id: "map-not-readable",
        patterns: &["read from map forbidden, value_size={n_len} off={n_off} size={n_size}"],
        title: "a map that programs may not read is read",
        why: "the map was created with BPF_F_WRONLY_PROG",
        help: &["drop that flag from the map's definition, or only write to the map here"],
        ..Rule::ROW
    },
    Rule {
        id: "structure-bounds",
        patterns: &[
            "access beyond struct {type} at off {n_off} size {n_size}",
            "access beyond the end of member {member} (mend:{n_end}) in struct {type} with off {n_off} size {n_size}",
            "cannot access ptr member {member} with moff {} in struct {type} with off {n_off} size {n_size}",
        ],
        title: "a read of {size} at offset {n_off} does not fit a field of the kernel's `{type}`",
        why: "this kernel's structure is laid out differently from the one the program was written for",
        help: &[
            "let the loader find the offset on the running kernel: types from `hachi bindgen` carry relocations (CO-RE)",
            "read the field with its own type; half of a pointer cannot be read",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "uninitialised-register",
        patterns: &["R{reg} !read_ok"],
        title: "a value is used that was never set",
        why: "register r{reg} holds nothing at this point of this path: a return value that is not set on every path, or an argument that the program's kind does not have, or a register that a call has cleared",
        help: &[
            "return a value on every path (r0 is the return value)",
            "check the signature: the program has as many arguments as its kind gives, usually only the context",
            "in `asm!` blocks, declare every register that is read, and remember that calls clear r1 to r5",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "pointer-leak",
        patterns: &[
            "R{reg} leaks addr as return value",
            "R{reg} leaks addr into map",
            "R{reg} leaks addr into {type}",
            "R{reg} leaks addr",
        ],
        title: "an address would leave the program",
        why: "unprivileged programs may not reveal kernel addresses",
        help: &[
            "return or store a number, not a pointer",
            "load the program with CAP_PERFMON (as root), which allows this",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "pointer-mask",
        patterns: &[
            "R{reg} bitwise operator {op} on pointer prohibited",
            "R{reg} pointer arithmetic with {op} operator prohibited",
            "R{reg} 32-bit pointer arithmetic prohibited",
        ],
        title: "an address is computed with other than addition and subtraction",
        why: "masks, shifts and 32-bit arithmetic turn a pointer into something the verifier cannot follow",
        help: &[
            "some functions of `core` align pointers (`str::from_utf8`, `slice::contains`, `memchr`): write the loop over the bytes by index instead",
            "alignment checks of debug assertions do this too: build with `debug-assertions` off, as `hachi build` does",
            "a masked *offset* must be masked before it is added to the pointer",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "pointer-plus-pointer",
        patterns: &[
            "R{reg} pointer {op} pointer prohibited",
            "R{reg} tried to subtract pointer from scalar",
            "R{reg} subtraction from stack pointer prohibited",
            "R{reg} pointer comparison prohibited",
            "R{reg} partial copy of pointer",
        ],
        title: "two pointers are combined, or a pointer is treated as a number",
        why: "",
        help: &[
            "keep lengths and offsets as numbers from the start rather than as differences of pointers",
            "compare packet pointers only with `data_end`, as whole 64-bit values",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "pointer-arithmetic-forbidden",
        patterns: &[
            "R{reg} pointer arithmetic on {type} prohibited",
            "R{reg} pointer arithmetic prohibited",
        ],
        title: "a pointer of kind `{type}` is moved",
        why: "this kind of pointer has to be used as it was given",
        help: &[
            "only packet, map value, memory and stack pointers may be moved; read the object's fields at constant offsets",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "mixed-pointers",
        patterns: &["same insn cannot be used with different pointers"],
        title: "one access is reached with pointers of different kinds",
        why: "LLVM merged two accesses (say, of the context and of a map value) into one instruction",
        help: &[
            "keep the accesses apart: read each value in its own branch, and choose between the values rather than between the pointers",
        ],
        ..Rule::ROW
    },
];
