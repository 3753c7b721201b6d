//! Rejections before the first instruction: types (BTF), attach targets, privileges, the object
//! itself.

use super::{Place, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "func-info",
        patterns: &[
            "missing btf func_info",
            "number of funcs in func_info doesn't match number of subprogs",
            "func_info BTF section doesn't match subprog layout in BPF program",
            "same insn offset in func_info",
            "nonzero insn_off {n} for the first func info record",
            "invalid type id {n} in func info",
            "missing btf_id",
        ],
        title: "the function information in the object does not fit its code",
        why: "",
        help: &[
            "rebuild the object with `hachi build`",
            "when another tool made or changed it, load it without BTF: strip `.BTF` and `.BTF.ext`",
        ],
        place: Place::Program,
        ..Rule::ROW
    },
    Rule {
        id: "line-info",
        patterns: &[
            "Invalid line_info[",
            "Invalid line_info",
            "missing bpf_line_info for func#{n}",
            "Incorrect linfo_",
        ],
        title: "the line information in the object does not fit its code",
        why: "",
        help: &["rebuild the object with `hachi build`"],
        place: Place::Program,
        ..Rule::ROW
    },
    Rule {
        id: "btf-invalid",
        patterns: &[
            "[{n}] {kind_name} {type} size=",
            "[{n}] {kind_name} {type} type_id=",
            "[{n}] {kind_name} ",
            "Unsupported section found",
            "Invalid string section",
            "Type section not found",
        ],
        title: "the kernel refuses the object's type information (BTF)",
        why: "type {n}, {kind_name} `{type}`, is not as the kernel wants it",
        help: &[
            "rebuild the object with `hachi build`, whose linker repairs what LLVM writes for Rust types",
            "an older kernel may not know a newer kind of type; the loader leaves out what it does not know when it may",
        ],
        place: Place::Program,
        ..Rule::ROW
    },
    Rule {
        id: "attach-target",
        patterns: &[
            "Tracing programs must provide btf_id",
            "FENTRY/FEXIT program can only be attached to another program annotated with BTF",
            "attach_btf_id {n} is not a function",
            "attach_btf_id {n} is invalid",
        ],
        title: "the function to attach to is not one that programs can attach to",
        why: "",
        help: &[
            "check its name in /sys/kernel/tracing/available_filter_functions; inlined and static-duplicated functions cannot be traced",
        ],
        place: Place::Program,
        ..Rule::ROW
    },
    Rule {
        id: "needs-capability",
        patterns: &[
            "'struct {type}' access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN",
            "loading/calling other bpf or kernel functions are allowed for CAP_BPF and CAP_SYS_ADMIN",
        ],
        title: "the process that loads the program lacks a capability",
        why: "",
        help: &["load it as root, or with CAP_BPF and CAP_PERFMON"],
        ..Rule::ROW
    },
    Rule {
        id: "kernel-types-missing",
        patterns: &[
            "kernel is missing BTF, make sure CONFIG_DEBUG_INFO_BTF=y",
            "calling kernel function is not supported without CONFIG_DEBUG_INFO_BTF",
            "map_ptr access not supported without CONFIG_DEBUG_INFO_BTF",
            "failed to find BTF for kernel function",
            "cannot find address for kernel function {helper}",
        ],
        title: "the running kernel does not offer the types or functions that the program needs",
        why: "it was built without CONFIG_DEBUG_INFO_BTF, or the function is in a module that is not loaded",
        help: &[
            "boot a kernel with /sys/kernel/btf/vmlinux, and load the module; `hachi doctor` tells",
        ],
        place: Place::Program,
        ..Rule::ROW
    },
    Rule {
        id: "program-type-unknown",
        patterns: &["Unrecognized program type", "unrecognized program type"],
        title: "the running kernel does not know this program type",
        why: "",
        help: &[
            "run a newer kernel: `hachi inspect OBJECT` prints the oldest one the object needs",
        ],
        place: Place::Program,
        ..Rule::ROW
    },
    Rule {
        id: "map-for-program",
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
        title: "a map of the program does not fit this kind of program",
        why: "",
        help: &[
            "use another type of map here; for sleepable programs that is array, hash, ring buffer or local storage",
        ],
        place: Place::Program,
        ..Rule::ROW
    },
    Rule {
        id: "too-many-maps",
        patterns: &[
            "The total number of btf modules per program has reached the limit",
            "The total number of maps per program has reached the limit",
        ],
        title: "the program uses more maps than the kernel allows (64)",
        why: "",
        help: &["split the program, or keep several tables in one map"],
        place: Place::Program,
        ..Rule::ROW
    },
];
