//! Rejections about helpers, kernel functions, references and locks.

use super::{Place, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "unresolved-relocation",
        patterns: &["invalid func unknown#195896080", "call unknown#195896080"],
        title: "{missing}",
        why: "the program was adjusted to the kernel's types (CO-RE); where they have no match it may not come by",
        help: &[
            "ask first, and the verifier drops the branch on kernels without it: `if field_exists!(…) { … }` (`bpf_core_field_exists(…)` in C)",
            "name the type or field as this kernel does: `hachi btf find` and `hachi btf layout` show what it has",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "missing-kfunc",
        patterns: &["invalid func unknown#2002000000", "call unknown#2002000000"],
        title: "{missing}",
        why: "the function is declared as weak, so that the program loads without it; but its call can be reached",
        help: &[
            "ask first, and the verifier drops the branch on kernels without it: `if kfunc_exists!(…) { … }` (`if (bpf_ksym_exists(…))` in C)",
            "functions of modules are there when the module is loaded (`modprobe`)",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "variable-without-address",
        patterns: &["ldimm64 failed to find the address for kernel symbol '{name}'."],
        title: "the kernel does not know where its variable `{name}` is",
        why: "the kernel's types have the variable, but its list of symbols does not: it was built without CONFIG_KALLSYMS_ALL, and lists functions only",
        help: &[
            "declaring the variable as weak does not help; keep the code out of programs for such kernels",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "helper-not-for-this-type",
        patterns: &[
            "program of this type cannot use helper {helper}#{n}",
            "unknown func {helper}#{n}",
            "func {helper}#{n} not supported for program type",
            "func {helper}#{n} supported only for fentry/fexit/fmod_ret programs",
            "helper call is not allowed in probe",
        ],
        title: "{programs} may not call `{helper}` on this kernel",
        why: "each program type has its own list of helpers, and the list grows with the kernel",
        help: &[
            "use a helper that this program type has, or attach the code elsewhere (the macro on the function decides the type)",
            "the helper may be newer than the running kernel: `hachi inspect OBJECT` prints the oldest kernel the object needs",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "helper-unknown",
        patterns: &[
            "invalid func {helper}#{n}",
            "unknown func {n}",
            "invalid func {n}",
        ],
        title: "the running kernel has no helper with the number {n}",
        why: "",
        help: &[
            "run a newer kernel, or leave the call out on this one: `hachi inspect OBJECT` prints the oldest kernel the object needs",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "gpl-only",
        patterns: &[
            "cannot call GPL-restricted function from non-GPL compatible program",
            "cannot call GPL-only function from proprietary program",
            "cannot call kernel function from non-GPL compatible program",
            "Cannot access kernel 'struct {helper}' from non-GPL compatible program",
        ],
        title: "`{helper}` may only be used by a program under a GPL-compatible licence",
        why: "the object's `license` section says otherwise, or there is none",
        help: &[
            "if that is your licence, say so in the eBPF crate: `hachi_ebpf::license!(\"GPL\");` (\"Dual MIT/GPL\" and \"Dual BSD/GPL\" will do too)",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "kfunc-not-allowed",
        patterns: &[
            "calling kernel function {helper} is not allowed",
            "kernel function {helper} is not allowed",
            "calling kernel function is not allowed",
        ],
        title: "{programs} may not call the kernel function `{helper}`",
        why: "kernel functions are opened to program types one by one",
        help: &[
            "check in the kernel's documentation which program types may call it, and from which version on",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "kfunc-destructive",
        patterns: &["destructive kfunc calls require CAP_SYS_BOOT capability"],
        title: "this kernel function may stop the machine, and needs CAP_SYS_BOOT",
        why: "",
        help: &["load the program as root in the initial namespaces"],
        ..Rule::ROW
    },
    Rule {
        id: "call-may-sleep",
        patterns: &[
            "helper call might sleep in a non-sleepable prog",
            "helper call is not allowed in non-sleepable context",
            "sleepable helper {helper}#{n} in ",
            "kernel func {helper} is sleepable within rcu_read_lock region",
            "program must be sleepable to call sleepable kfunc {helper}",
        ],
        title: "a call that may sleep is made where sleeping is not allowed",
        why: "",
        help: &[
            "make the program sleepable where its type allows it (`#[lsm(sleepable)]`, `#[fentry(sleepable)]`, `#[uprobe(sleepable)]`)",
            "or use the variant that does not sleep (`bpf_probe_read_user` instead of `bpf_copy_from_user`)",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "helper-argument-null",
        patterns: &[
            "Possibly NULL pointer passed to helper arg{n}",
            "Possibly NULL pointer passed to trusted arg{n}",
            "R{reg} type=map_value_or_null expected=",
            "R{reg} type={type}_or_null expected=",
        ],
        title: "a pointer that may be null is passed to `{helper}`",
        why: "",
        help: &["check it first: `let Some(value) = … else { return … };`"],
        ..Rule::ROW
    },
    Rule {
        id: "static-instead-of-map",
        patterns: &["R{reg} type=map_value expected=map_ptr"],
        title: "`{helper}` wants a map and is given the bytes of a variable",
        why: "",
        help: &[
            "put `#[map]` before the static: without it, it is a variable like any other",
            "pass the map itself, not one of its values",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "helper-argument-type",
        patterns: &[
            "R{reg} type={type} expected={expected}",
            "R{reg} is of type {type} but {expected} is expected",
            "arg#{n} expected pointer to {expected}",
            "arg#{n} pointer type {type} must point to {expected}",
            "kernel function {helper} args#{n} expected pointer to {expected}",
        ],
        title: "an argument of `{helper}` has the wrong kind: `{type}` instead of {expected}",
        why: "",
        help: &[
            "pass the value the helper asks for; for a buffer that means a pointer to initialised stack, map or packet memory",
            "a key or value must live in memory: pass `&key`, not the number",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "format-string",
        patterns: &[
            "R{reg} does not point to a readonly map'",
            "R{reg} is not a constant address'",
            "direct value access on string failed",
            "string is not zero-terminated",
            "Invalid format string",
        ],
        title: "the format string of `{helper}` is not a constant that ends in a zero byte",
        why: "",
        help: &[
            "pass a C string literal (`c\"…\"`), which lies in read-only memory, or use the logging macros",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "helper-argument-constant",
        patterns: &[
            "R{reg} must be a known constant",
            "R{reg} is not a known constant",
            "R{reg} unbounded size, use 'var &= const' or 'if (var < const)'",
            "R{reg} is not a const",
            "tail_call abusing map_ptr",
        ],
        title: "an argument of `{helper}` must be a constant",
        why: "",
        help: &["pass a literal or a `const`; a value that depends on the branch taken is not one"],
        ..Rule::ROW
    },
    Rule {
        id: "dynptr",
        patterns: &[
            "Expected an initialized dynptr as arg #{n}",
            "Expected a dynptr of type {expected} as arg #{n}",
            "Dynptr has to be an uninitialized dynptr",
            "cannot overwrite referenced dynptr",
            "cannot pass pointer to const bpf_dynptr, the helper mutates it",
            "potential write to dynptr at off={n} disallowed",
        ],
        title: "`{helper}` gets a dynptr in the wrong state",
        why: "a dynptr lives on the stack, is initialised once by a helper, and is released once",
        help: &[
            "initialise it before use, on every path, and touch its memory only through helpers",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "iterator",
        patterns: &[
            "expected uninitialized iter_{type} as arg #{n}",
            "expected an initialized iter_{type} as arg #{n}",
        ],
        title: "an iterator (`{type}`) is used in the wrong state",
        why: "an iterator is made new, advanced, and destroyed, in this order on every path",
        help: &[
            "destroy it on every path, also before an early return, and do not use it afterwards",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "packet-for-helper",
        patterns: &["helper access to the packet is not allowed"],
        title: "`{helper}` does not take packet memory in this kind of program",
        why: "",
        help: &["copy the bytes to the stack or into a map value first"],
        ..Rule::ROW
    },
    Rule {
        id: "map-kind-for-helper",
        patterns: &[
            "cannot pass map_type {n_type} into func {helper}#{n}",
            "invalid map_ptr to access map->key",
            "invalid map_ptr to access map->value",
        ],
        title: "`{helper}` does not work on this type of map",
        why: "",
        help: &[
            "use the operations of the map's own type; an array map has no delete, a ring buffer no look-up",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "reference-leak",
        patterns: &[
            "Unreleased reference id={n_id} alloc_insn={insn}",
            "BPF_EXIT instruction in main prog would lead to reference leak",
            "tail_call would lead to reference leak",
        ],
        title: "something that was taken is not given back on every path",
        why: "this call takes a reference (a ring buffer slot, a socket, a task …); on the path that the verifier followed the program ends without giving it back",
        help: &[
            "a ring buffer entry: call `submit` or `discard` on every path after `reserve`, also before an early `return` or `?`",
            "a socket or kernel object: release it (`bpf_sk_release`, `bpf_task_release`, …) on every path",
        ],
        place: Place::Hole("insn"),
        ..Rule::ROW
    },
    Rule {
        id: "reference-misused",
        patterns: &[
            "func {helper}#{n} reference has not been acquired before",
            "kfunc {helper}#{n} reference has not been acquired before",
            "allocated object must be referenced",
            "R{reg} must be referenced when passed to release function",
            "release kernel function {helper} expects refcounted PTR_TO_BTF_ID",
            "release helper {helper} expects referenced PTR_TO_BTF_ID passed to",
            "arg {n} is an unacquired reference",
        ],
        title: "something is given back that was not taken, or was given back already",
        why: "",
        help: &["release each reference once, with the very pointer that was returned"],
        ..Rule::ROW
    },
    Rule {
        id: "spin-lock",
        patterns: &[
            "function calls are not allowed while holding a lock",
            "calls are not allowed while holding a lock",
            "BPF_EXIT instruction in main prog cannot be used inside bpf_spin_lock-ed region",
            "BPF_EXIT instruction cannot be used inside bpf_spin_lock-ed region",
            "bpf_spin_unlock is missing",
            "bpf_spin_unlock without taking a lock",
            "bpf_spin_unlock of different lock",
            "Locking two bpf_spin_locks are not allowed",
            "bpf_spin_lock is missing",
            "map '{map}' has to have BTF in order to use {what}",
            "map '{map}' has no valid {what}",
            "bpf_spin_lock at off={n} must be held for {what}",
            "global function calls are not allowed while holding a lock",
        ],
        title: "the rules of spin locks are broken",
        why: "between lock and unlock: no other call, no second lock, and the unlock on every path, of the same lock",
        help: &[
            "compute what you need before taking the lock and keep only plain reads and writes inside",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "rcu-section",
        patterns: &[
            "BPF_EXIT instruction in main prog cannot be used inside bpf_rcu_read_lock-ed region",
            "bpf_rcu_read_unlock is missing",
            "unmatched rcu read unlock (kernel function bpf_rcu_read_unlock)",
            "nested rcu read lock (kernel function bpf_rcu_read_lock)",
        ],
        title: "an RCU read section is left open, closed twice or nested",
        why: "",
        help: &["pair each `bpf_rcu_read_lock` with one `bpf_rcu_read_unlock` on every path"],
        ..Rule::ROW
    },
    Rule {
        id: "bad-argument-to-function",
        patterns: &[
            "Caller passes invalid args into func#{n} ('{helper}')",
            "caller passes invalid args into func#{n}",
            "Caller passes invalid args into func#{n}",
            "arg#{n} reference type('{type}') size cannot be determined",
            "Arg#{n} type {type} in {helper}() is not supported yet.",
        ],
        title: "a function that is verified on its own gets an argument it cannot be verified with",
        why: "exported functions are judged without their callers, from their signature alone",
        help: &[
            "make the function private to the object (no `#[no_mangle]`, no `pub extern`), so that it is verified with each call",
            "or mark it `#[inline(always)]`",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "stack-pointer-escapes",
        patterns: &[
            "cannot spill pointers to stack into stack frame of the caller",
            "cannot return stack pointer to the caller",
        ],
        title: "a function hands a pointer back to its caller through the stack",
        why: "functions that stay functions may return one number only; references, slices and `Option<&T>` do not fit",
        help: &["mark the function `#[inline(always)]`, or drop `#[inline(never)]`"],
        ..Rule::ROW
    },
    Rule {
        id: "tail-call",
        patterns: &[
            "tail_calls are not allowed when call stack of previous frames is {n} bytes",
            "tail_calls are not allowed in non-JITed programs with bpf-to-bpf calls",
            "tail_calls are not allowed in programs with bpf-to-bpf calls",
            "tail_call is not allowed in subprogs without BTF",
            "mixing of tail_calls and bpf-to-bpf calls is not supported",
        ],
        title: "a tail call stands where none is allowed",
        why: "",
        help: &[
            "make tail calls from the program's own function, and let functions that hold one be inlined",
        ],
        ..Rule::ROW
    },
    Rule {
        id: "write-user-lockdown",
        patterns: &["program is not allowed to use bpf_probe_write_user"],
        title: "this kernel does not let programs write user memory",
        why: "kernel lockdown (integrity) forbids `bpf_probe_write_user`",
        help: &["avoid the helper, or boot without lockdown"],
        ..Rule::ROW
    },
];
