//! Rejections about helpers, kernel functions, references and locks.

use std::ops::Range;

use super::Rule;
use crate::Cause;

/// Numbers of helpers that stand in for calls of kernel functions which the kernel does not have:
/// one for each that an object declares.
const MISSING_KFUNCS: Range<i64> = 2_002_000_000..2_003_000_000;

pub(super) const RULES: &[Rule] = &[
    Rule {
        patterns: &["invalid func unknown#195896080", "call unknown#195896080"],
        cause: |_| Cause::UnresolvedRelocation,
    },
    Rule {
        patterns: &["ldimm64 failed to find the address for kernel symbol '{name}'."],
        cause: |c| Cause::VariableWithoutAddress {
            name: c.word("name"),
        },
    },
    Rule {
        patterns: &[
            "program of this type cannot use helper {helper}#{n}",
            "unknown func {helper}#{n}",
            "func {helper}#{n} not supported for program type",
            "func {helper}#{n} supported only for fentry/fexit/fmod_ret programs",
            "helper call is not allowed in probe",
        ],
        cause: |c| Cause::HelperNotForThisType {
            helper: c.text("helper"),
        },
    },
    Rule {
        patterns: &[
            "invalid func {helper}#{n}",
            "unknown func {n}",
            "invalid func {n}",
        ],
        cause: |c| match c.number("n") {
            Some(number) if MISSING_KFUNCS.contains(&number) => Cause::MissingKfunc,
            number => Cause::HelperUnknown { number },
        },
    },
    Rule {
        patterns: &[
            "cannot call GPL-restricted function from non-GPL compatible program",
            "cannot call GPL-only function from proprietary program",
            "cannot call kernel function from non-GPL compatible program",
            "Cannot access kernel 'struct {type}' from non-GPL compatible program",
        ],
        cause: |c| Cause::GplOnly {
            structure: c.text("type"),
        },
    },
    Rule {
        patterns: &[
            "calling kernel function {helper} is not allowed",
            "kernel function {helper} is not allowed",
            "calling kernel function is not allowed",
        ],
        cause: |c| Cause::KfuncNotAllowed {
            function: c.text("helper"),
        },
    },
    Rule {
        patterns: &["destructive kfunc calls require CAP_SYS_BOOT capability"],
        cause: |_| Cause::KfuncDestructive,
    },
    Rule {
        patterns: &[
            "helper call might sleep in a non-sleepable prog",
            "sleepable helper {helper}#{n} in non-sleepable prog",
            "program must be sleepable to call sleepable kfunc {helper}",
        ],
        cause: |_| Cause::CallMaySleep { program: true },
    },
    Rule {
        patterns: &[
            "helper call is not allowed in non-sleepable context",
            "sleepable helper {helper}#{n} in ",
            "kernel func {helper} is sleepable within rcu_read_lock region",
        ],
        cause: |_| Cause::CallMaySleep { program: false },
    },
    Rule {
        patterns: &[
            "Possibly NULL pointer passed to helper arg{n}",
            "Possibly NULL pointer passed to trusted arg{n}",
            "R{reg} type=map_value_or_null expected=",
            "R{reg} type={type}_or_null expected=",
        ],
        cause: |_| Cause::HelperArgumentNull,
    },
    Rule {
        patterns: &["R{reg} type=map_value expected=map_ptr"],
        cause: |_| Cause::StaticInsteadOfMap,
    },
    Rule {
        patterns: &[
            "R{reg} type={type} expected={expected}",
            "R{reg} is of type {type} but {expected} is expected",
            "arg#{n} expected pointer to {expected}",
            "arg#{n} pointer type {type} must point to {expected}",
            "kernel function {helper} args#{n} expected pointer to {expected}",
        ],
        cause: |c| Cause::HelperArgumentType {
            kind: c.text("type"),
            expected: c.text("expected"),
        },
    },
    Rule {
        patterns: &[
            "R{reg} does not point to a readonly map'",
            "R{reg} is not a constant address'",
            "direct value access on string failed",
            "string is not zero-terminated",
            "Invalid format string",
        ],
        cause: |_| Cause::FormatString,
    },
    Rule {
        patterns: &[
            "R{reg} must be a known constant",
            "R{reg} is not a known constant",
            "R{reg} unbounded size, use 'var &= const' or 'if (var < const)'",
            "R{reg} is not a const",
            "tail_call abusing map_ptr",
        ],
        cause: |_| Cause::HelperArgumentConstant,
    },
    Rule {
        patterns: &[
            "Expected an initialized dynptr as arg #{n}",
            "Expected a dynptr of type {expected} as arg #{n}",
            "Dynptr has to be an uninitialized dynptr",
            "cannot overwrite referenced dynptr",
            "cannot pass pointer to const bpf_dynptr, the helper mutates it",
            "potential write to dynptr at off={n} disallowed",
        ],
        cause: |_| Cause::Dynptr,
    },
    Rule {
        patterns: &[
            "expected uninitialized iter_{type} as arg #{n}",
            "expected an initialized iter_{type} as arg #{n}",
        ],
        cause: |c| Cause::Iterator {
            kind: c.word("type"),
        },
    },
    Rule {
        patterns: &["helper access to the packet is not allowed"],
        cause: |_| Cause::PacketForHelper,
    },
    Rule {
        patterns: &[
            "cannot pass map_type {n_type} into func {helper}#{n}",
            "invalid map_ptr to access map->key",
            "invalid map_ptr to access map->value",
        ],
        cause: |_| Cause::MapKindForHelper,
    },
    Rule {
        patterns: &[
            "Unreleased reference id={n_id} alloc_insn={insn}",
            "BPF_EXIT instruction in main prog would lead to reference leak",
            "tail_call would lead to reference leak",
        ],
        cause: |c| Cause::ReferenceLeak {
            taken_at: c.insn("insn"),
        },
    },
    Rule {
        patterns: &[
            "func {helper}#{n} reference has not been acquired before",
            "kfunc {helper}#{n} reference has not been acquired before",
            "allocated object must be referenced",
            "R{reg} must be referenced when passed to release function",
            "release kernel function {helper} expects refcounted PTR_TO_BTF_ID",
            "release helper {helper} expects referenced PTR_TO_BTF_ID passed to",
            "arg {n} is an unacquired reference",
        ],
        cause: |_| Cause::ReferenceMisused,
    },
    Rule {
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
        cause: |_| Cause::SpinLock,
    },
    Rule {
        patterns: &[
            "BPF_EXIT instruction in main prog cannot be used inside bpf_rcu_read_lock-ed region",
            "bpf_rcu_read_unlock is missing",
            "unmatched rcu read unlock (kernel function bpf_rcu_read_unlock)",
            "nested rcu read lock (kernel function bpf_rcu_read_lock)",
        ],
        cause: |_| Cause::RcuSection,
    },
    Rule {
        patterns: &[
            "Caller passes invalid args into func#{n} ('{helper}')",
            "caller passes invalid args into func#{n}",
            "Caller passes invalid args into func#{n}",
            "arg#{n} reference type('{type}') size cannot be determined",
            "Arg#{n} type {type} in {helper}() is not supported yet.",
        ],
        cause: |_| Cause::BadArgumentToFunction,
    },
    Rule {
        patterns: &[
            "cannot spill pointers to stack into stack frame of the caller",
            "cannot return stack pointer to the caller",
        ],
        cause: |_| Cause::StackPointerEscapes,
    },
    Rule {
        patterns: &[
            "tail_calls are not allowed when call stack of previous frames is {n} bytes",
            "tail_calls are not allowed in non-JITed programs with bpf-to-bpf calls",
            "tail_calls are not allowed in programs with bpf-to-bpf calls",
            "tail_call is not allowed in subprogs without BTF",
            "mixing of tail_calls and bpf-to-bpf calls is not supported",
        ],
        cause: |_| Cause::TailCall,
    },
    Rule {
        patterns: &["program is not allowed to use bpf_probe_write_user"],
        cause: |_| Cause::WriteUserLockdown,
    },
];
