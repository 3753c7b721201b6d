//! Rejections before the first instruction: types (BTF), attach targets, privileges, the object
//! itself.

use super::Rule;
use crate::Cause;

pub(super) const RULES: &[Rule] = &[
    Rule {
        patterns: &[
            "missing btf func_info",
            "number of funcs in func_info doesn't match number of subprogs",
            "func_info BTF section doesn't match subprog layout in BPF program",
            "same insn offset in func_info",
            "nonzero insn_off {n} for the first func info record",
            "invalid type id {n} in func info",
            "missing btf_id",
        ],
        cause: |_| Cause::FuncInfo,
    },
    Rule {
        patterns: &[
            "Invalid line_info[",
            "Invalid line_info",
            "missing bpf_line_info for func#{n}",
            "Incorrect linfo_",
        ],
        cause: |_| Cause::LineInfo,
    },
    Rule {
        patterns: &[
            "[{n}] {kind_name} {type} size=",
            "[{n}] {kind_name} {type} type_id=",
            "[{n}] {kind_name} ",
            "Unsupported section found",
            "Invalid string section",
            "Type section not found",
        ],
        cause: |c| Cause::BtfInvalid {
            id: c.number("n"),
            kind: c.text("kind_name"),
            name: c.text("type"),
        },
    },
    Rule {
        patterns: &[
            "Tracing programs must provide btf_id",
            "FENTRY/FEXIT program can only be attached to another program annotated with BTF",
            "attach_btf_id {n} is not a function",
            "attach_btf_id {n} is invalid",
        ],
        cause: |_| Cause::AttachTarget,
    },
    Rule {
        patterns: &[
            "'struct {type}' access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN",
            "loading/calling other bpf or kernel functions are allowed for CAP_BPF and \
             CAP_SYS_ADMIN",
        ],
        cause: |_| Cause::NeedsCapability,
    },
    Rule {
        patterns: &[
            "kernel is missing BTF, make sure CONFIG_DEBUG_INFO_BTF=y",
            "calling kernel function is not supported without CONFIG_DEBUG_INFO_BTF",
            "map_ptr access not supported without CONFIG_DEBUG_INFO_BTF",
            "failed to find BTF for kernel function",
            "cannot find address for kernel function {helper}",
        ],
        cause: |c| Cause::KernelTypesMissing {
            function: c.text("helper"),
        },
    },
    Rule {
        patterns: &["Unrecognized program type", "unrecognized program type"],
        cause: |_| Cause::ProgramTypeUnknown,
    },
    Rule {
        patterns: &[
            "fd {n} is not pointing to valid bpf_map",
            "offloaded prog without netdev",
            "tracing progs cannot use bpf_spin_lock yet",
            "tracing progs cannot use bpf_{what} yet",
            "socket filter progs cannot use bpf_spin_lock yet",
            "Sleepable programs can only use",
            "trace type programs can only use preallocated hash map",
            "perf_event programs can only use preallocated hash map",
        ],
        cause: |_| Cause::MapForProgram,
    },
    Rule {
        patterns: &[
            "The total number of btf modules per program has reached the limit",
            "The total number of maps per program has reached the limit",
        ],
        cause: |_| Cause::TooManyMaps,
    },
];
