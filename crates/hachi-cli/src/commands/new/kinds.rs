//! The kinds of program that a project can start with: one row each.
//!
//! All share the skeleton in `templates/project`. A kind adds the eBPF side
//! (`templates/kinds/NAME/ebpf.rs.in`) and how the user side attaches it, which is its own
//! (`user.rs.in` beside it) or that of its family (`templates/user`).

use Target::{Function, Interface, Tracepoint};

/// What a kind of project consists of.
#[derive(Debug)]
pub struct Kind {
    pub name: &'static str,
    /// What it does, as one sentence without its full stop.
    pub about: &'static str,
    /// The section of its program, with slots.
    pub section: &'static str,
    /// Files by their paths in the project, where `@` stands for the project's name.
    pub files: &'static [(&'static str, &'static str)],
    /// Features of `hachi` that its user side needs.
    pub features: &'static [&'static str],
    /// Whether the user side prints log messages; otherwise it prints something of its own.
    pub logs: bool,
    /// What `hachi new` takes and checks about where the program goes.
    pub target: Option<Target>,
    /// Arguments of the program that show it at work, with slots.
    pub usage: &'static str,
    /// What it needs of a kernel beyond Linux 5.10.
    pub needs: Option<&'static str>,
}

/// Where a program goes, with what a project has when nobody says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Interface,
    /// A function of the kernel.
    Function(Functions, &'static str),
    /// A tracepoint as `category/name`.
    Tracepoint(Tracepoints, &'static str),
}

/// Which functions there are to choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Functions {
    /// Those with a symbol: probes.
    Symbols,
    /// A pattern that some of these match.
    Pattern,
    /// Those with type information: trampolines.
    Typed,
    /// Hooks of security modules.
    Hooks,
}

/// Which tracepoints there are to choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tracepoints {
    /// Those with a record.
    Events,
    /// Those that the kernel's code calls.
    Raw,
}

/// The path of a source and its text.
macro_rules! text {
    ($path:expr) => {
        include_str!(concat!("../../../templates/", $path, ".in"))
    };
}

/// What every project of three crates has.
pub const PROJECT: &[(&str, &str)] = &[
    ("Cargo.toml", text!("project/Cargo.toml")),
    (".cargo/config.toml", text!("project/cargo.config.toml")),
    (".gitignore", text!("project/gitignore")),
    ("README.md", text!("project/README.md")),
    ("@/Cargo.toml", text!("project/user.Cargo.toml")),
    ("@/build.rs", text!("project/user.build.rs")),
    ("@-common/Cargo.toml", text!("project/common.Cargo.toml")),
    ("@-ebpf/Cargo.toml", text!("project/ebpf.Cargo.toml")),
];

/// The file that `--ci github` adds.
pub const GITHUB: (&str, &str) = (".github/workflows/ci.yml", text!("project/github.yml"));
/// The file that `--container` adds.
pub const CONTAINER: (&str, &str) = ("Containerfile", text!("project/Containerfile"));

/// The files of a kind: `own` have their sources in its directory, `family` in `user`.
macro_rules! files {
    ($kind:literal: user own $($rest:tt)*) => {
        files!(@ $kind, concat!("kinds/", $kind, "/user.rs"), $($rest)*)
    };
    ($kind:literal: user $family:literal $($rest:tt)*) => {
        files!(@ $kind, concat!("user/", $family, ".rs"), $($rest)*)
    };
    (@ $kind:literal, $user:expr, common own) => {
        files!(@@ $kind, $user, concat!("kinds/", $kind, "/common.rs"))
    };
    (@ $kind:literal, $user:expr,) => {
        files!(@@ $kind, $user, "project/common.lib.rs")
    };
    (@@ $kind:literal, $user:expr, $common:expr) => {
        &[
            ("@/src/main.rs", text!("project/user.main.rs")),
            ("@/src/args.rs", text!("project/user.args.rs")),
            ("@/src/program.rs", text!($user)),
            ("@-common/src/lib.rs", text!($common)),
            ("@-ebpf/src/main.rs", text!(concat!("kinds/", $kind, "/ebpf.rs"))),
        ]
    };
}

/// What most kinds are.
const BASE: Kind = Kind {
    name: "",
    about: "",
    section: "",
    files: &[],
    features: &[],
    logs: true,
    target: None,
    usage: "",
    needs: None,
};

const INTERFACE: &str = "--iface {{iface}}";
const CGROUP: &str = "--cgroup /sys/fs/cgroup/user.slice";
const FUNCTION: &str = "--binary libc --function getpgid";

/// All kinds, in the order in which they are listed.
pub static KINDS: &[Kind] = &[
    Kind {
        name: "xdp",
        about: "count the packets that arrive at an interface, and drop those of blocked addresses",
        section: "xdp",
        files: files!("xdp": user own common own),
        target: Some(Interface),
        usage: "--iface {{iface}} --block 192.0.2.7",
        ..BASE
    },
    Kind {
        name: "classifier",
        about: "look at the packets that come in by an interface, behind the network stack's entry",
        section: "classifier",
        files: files!("classifier": user "network"),
        target: Some(Interface),
        usage: INTERFACE,
        ..BASE
    },
    Kind {
        name: "tcx",
        about: "the same, at a place of your choice among the other programs of the interface",
        section: "classifier",
        files: files!("tcx": user own),
        target: Some(Interface),
        usage: "--iface {{iface}} --place first",
        needs: Some("Linux 6.6"),
        ..BASE
    },
    Kind {
        name: "netkit",
        about: "look at the packets into a netkit device, the kernel's own wire to a container",
        section: "netkit/primary",
        files: files!("netkit": user "network"),
        target: Some(Interface),
        usage: INTERFACE,
        needs: Some("Linux 6.7"),
        ..BASE
    },
    Kind {
        name: "socket_filter",
        about: "decide how much of each datagram a socket receives",
        section: "socket",
        files: files!("socket_filter": user own),
        usage: "--port 7000",
        ..BASE
    },
    Kind {
        name: "sk_msg",
        about: "look at what TCP sockets of a map send, and refuse some of it",
        section: "sk_msg",
        files: files!("sk_msg": user own),
        usage: "--port 7000",
        ..BASE
    },
    Kind {
        name: "sk_lookup",
        about: "decide which socket gets a connection or datagram, or that none does",
        section: "sk_lookup",
        files: files!("sk_lookup": user own),
        usage: "--refuse 7091",
        ..BASE
    },
    Kind {
        name: "sock_ops",
        about: "see the TCP connections of a cgroup begin",
        section: "sockops",
        files: files!("sock_ops": user "cgroup"),
        usage: CGROUP,
        ..BASE
    },
    Kind {
        name: "cgroup_skb",
        about: "look at the packets that the processes of a cgroup send, and drop some",
        section: "cgroup_skb/egress",
        files: files!("cgroup_skb": user "cgroup"),
        usage: CGROUP,
        ..BASE
    },
    Kind {
        name: "cgroup_sock",
        about: "decide which IP sockets the processes of a cgroup may make",
        section: "cgroup/sock",
        files: files!("cgroup_sock": user "cgroup"),
        usage: CGROUP,
        ..BASE
    },
    Kind {
        name: "cgroup_sock_addr",
        about: "decide where the processes of a cgroup may connect to",
        section: "cgroup/connect4",
        files: files!("cgroup_sock_addr": user "cgroup"),
        usage: CGROUP,
        ..BASE
    },
    Kind {
        name: "cgroup_sockopt",
        about: "see which options of sockets the processes of a cgroup ask for",
        section: "cgroup/getsockopt",
        files: files!("cgroup_sockopt": user "cgroup"),
        usage: CGROUP,
        ..BASE
    },
    Kind {
        name: "cgroup_sysctl",
        about: "let the processes of a cgroup read settings below /proc/sys, not write them",
        section: "cgroup/sysctl",
        files: files!("cgroup_sysctl": user "cgroup"),
        usage: CGROUP,
        ..BASE
    },
    Kind {
        name: "kprobe",
        about: "see calls of a function of the kernel, with its arguments",
        section: "kprobe/{{function}}",
        files: files!("kprobe": user "process"),
        target: Some(Function(Functions::Symbols, "vfs_rmdir")),
        ..BASE
    },
    Kind {
        name: "kretprobe",
        about: "see what a function of the kernel returns",
        section: "kretprobe/{{function}}",
        files: files!("kretprobe": user "process"),
        target: Some(Function(Functions::Symbols, "vfs_rmdir")),
        ..BASE
    },
    Kind {
        name: "kprobe_multi",
        about: "see calls of all functions of the kernel that match a pattern",
        section: "kprobe.multi/{{function}}",
        files: files!("kprobe_multi": user "process"),
        target: Some(Function(Functions::Pattern, "vfs_*dir")),
        needs: Some("Linux 5.18, built with CONFIG_FPROBE"),
        ..BASE
    },
    Kind {
        name: "fentry",
        about: "see calls of a function of the kernel, faster than a kprobe",
        section: "fentry/{{function}}",
        files: files!("fentry": user "process"),
        target: Some(Function(Functions::Typed, "vfs_rmdir")),
        ..BASE
    },
    Kind {
        name: "fexit",
        about: "see a function of the kernel return, with its arguments and its result",
        section: "fexit/{{function}}",
        files: files!("fexit": user "process"),
        target: Some(Function(Functions::Typed, "vfs_rmdir")),
        ..BASE
    },
    Kind {
        name: "fsession",
        about: "measure how long a function of the kernel takes, with one program for both ends",
        section: "fsession/{{function}}",
        files: files!("fsession": user "process"),
        target: Some(Function(Functions::Typed, "vfs_rmdir")),
        needs: Some("Linux 7.0"),
        ..BASE
    },
    Kind {
        name: "lsm",
        about: "forbid a process something, at one of the kernel's security hooks",
        section: "lsm/{{function}}",
        files: files!("lsm": user "process"),
        target: Some(Function(Functions::Hooks, "inode_rmdir")),
        usage: "--pid 1234",
        needs: Some("a kernel with `bpf` among its security modules (/sys/kernel/security/lsm)"),
        ..BASE
    },
    Kind {
        name: "tracepoint",
        about: "see an event that the kernel's authors marked, with its record",
        section: "tracepoint/{{category}}/{{event}}",
        files: files!("tracepoint": user "process"),
        target: Some(Tracepoint(Tracepoints::Events, "sched/sched_process_exec")),
        ..BASE
    },
    Kind {
        name: "histogram",
        about: "draw how much reads ask for, as a histogram filled by a tracepoint",
        section: "tracepoint/syscalls/sys_enter_read",
        files: files!("histogram": user own common own),
        logs: false,
        ..BASE
    },
    Kind {
        name: "raw_tracepoint",
        about: "see an event that the kernel's authors marked, with its arguments as they are",
        section: "raw_tracepoint/{{event}}",
        files: files!("raw_tracepoint": user "process"),
        target: Some(Tracepoint(Tracepoints::Raw, "sched/sched_process_exec")),
        ..BASE
    },
    Kind {
        name: "tp_btf",
        about: "see an event that the kernel's authors marked, with arguments of known types",
        section: "tp_btf/{{event}}",
        files: files!("tp_btf": user "process"),
        target: Some(Tracepoint(Tracepoints::Raw, "sched/sched_process_exec")),
        ..BASE
    },
    Kind {
        name: "perf_event",
        about: "look at regular times which process runs on each CPU",
        section: "perf_event",
        files: files!("perf_event": user own),
        logs: false,
        usage: "--frequency 99",
        ..BASE
    },
    Kind {
        name: "uprobe",
        about: "see calls of a function of a program or library",
        section: "uprobe",
        files: files!("uprobe": user "function"),
        features: &["uprobe"],
        usage: FUNCTION,
        ..BASE
    },
    Kind {
        name: "uretprobe",
        about: "see what a function of a program or library returns",
        section: "uretprobe",
        files: files!("uretprobe": user "function"),
        features: &["uprobe"],
        usage: FUNCTION,
        ..BASE
    },
    Kind {
        name: "uprobe_tool",
        about: "a table of a function's calls: how long each took, its argument and its result",
        section: "uprobe",
        files: files!("uprobe_tool": user own common own),
        features: &["uprobe"],
        logs: false,
        usage: FUNCTION,
        ..BASE
    },
    Kind {
        name: "usdt",
        about: "see a process come to a place that its author marked (USDT)",
        section: "usdt",
        files: files!("usdt": user own),
        features: &["uprobe"],
        usage: "--binary libc --probe libc:setjmp",
        ..BASE
    },
    Kind {
        name: "iter",
        about: "list all threads, from inside the kernel",
        section: "iter/task",
        files: &[
            ("@/src/main.rs", text!("kinds/iter/user.main.rs")),
            ("@-common/src/lib.rs", text!("project/common.lib.rs")),
            ("@-ebpf/src/main.rs", text!("kinds/iter/ebpf.rs")),
        ],
        logs: false,
        ..BASE
    },
    Kind {
        name: "extension",
        about: "take the place of a program that is attached (freplace)",
        section: "freplace/replaced",
        files: files!("extension": user own),
        target: Some(Interface),
        usage: INTERFACE,
        ..BASE
    },
    Kind {
        name: "tcp_congestion",
        about: "decide how much TCP sends: a congestion control (struct_ops)",
        section: "",
        files: files!("tcp_congestion": user "struct_ops" common own),
        logs: false,
        needs: Some("Linux 5.13"),
        ..BASE
    },
    Kind {
        name: "scheduler",
        about: "decide which thread runs next: a scheduler (sched_ext)",
        section: "",
        files: files!("scheduler": user "struct_ops" common own),
        logs: false,
        needs: Some("Linux 6.13, built with CONFIG_SCHED_CLASS_EXT"),
        ..BASE
    },
    Kind {
        name: "file",
        about: "one file, without a workspace: for `hachi run` and `hachi build`",
        section: "xdp",
        files: &[("@.rs", text!("kinds/file/file.rs"))],
        target: Some(Interface),
        usage: INTERFACE,
        ..BASE
    },
];

impl Kind {
    /// The kind with this name.
    pub fn find(name: &str) -> Option<&'static Kind> {
        // `cgroup-skb` is as good as `cgroup_skb`.
        let name = name.replace('-', "_");
        KINDS.iter().find(|kind| kind.name == name)
    }

    /// Whether it is one file instead of a workspace.
    pub fn is_file(&self) -> bool {
        matches!(self.files, [("@.rs", _)])
    }

    /// Whether its programs are functions of a kernel's structure.
    pub fn is_struct_ops(&self) -> bool {
        self.section.is_empty()
    }

    /// Names of functions in its eBPF side, which the project's name must not be.
    pub fn functions(&self) -> impl Iterator<Item = &'static str> {
        let sources = self
            .files
            .iter()
            .filter(|(path, _)| !path.starts_with("@/"));
        let words = sources.flat_map(|(_, text)| text.split("fn ").skip(1));
        words.filter_map(|rest| rest.split_once('(').map(|(name, _)| name))
    }
}
