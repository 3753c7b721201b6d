//! What is tried.

use crate::surroundings::Cause;

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// What it is called.
    pub name: &'static str,
    /// The file in `objects`, without `.o`.
    pub object: &'static str,
    pub what: What,
}

#[derive(Debug, Clone, Copy)]
pub enum What {
    /// A program is attached, and runs for a reason.
    Attached(&'static str, Place, Cause),
    /// A program is run once, by `BPF_PROG_TEST_RUN`.
    Run(&'static str, Input),
    /// A program is loaded: what runs it are routes, maps and devices.
    Loaded(&'static str),
    /// A map is made.
    Map(&'static str),
    /// A struct of functions is registered, and a connection uses it under this name.
    Registered(&'static str),
}

/// What a program is run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    Packet,
    Nothing,
}

/// Where a program is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Where its section says.
    Section,
    XdpLink,
    XdpGeneric,
    XdpNative,
    /// As a filter of a qdisc.
    TcIngress,
    TcEgress,
    TcxIngress,
    TcxEgress,
    NetkitPrimary,
    NetkitPeer,
    Cgroup,
    Netns,
    Socket,
    /// The sockets that share an address.
    SocketGroup,
    SocketMap,
    Netfilter,
    Clock,
    /// In the place of a function of another program.
    Function,
}

/// All of them.
pub fn all() -> Vec<Row> {
    let attached = |(name, place, cause)| Row {
        name,
        object: "programs",
        what: What::Attached(name, place, cause),
    };
    let mut rows: Vec<Row> = PROGRAMS.iter().copied().map(attached).collect();
    rows.extend(OTHERS);
    rows.extend(MAPS.iter().map(|name| Row {
        name,
        object: "maps",
        what: What::Map(name),
    }));
    rows.extend(FEATURES.iter().map(|&(name, input)| Row {
        name,
        object: name,
        what: What::Run("program", input),
    }));
    rows
}

/// Of `programs.c`: what follows `run_` in a program's name, where it is attached, and what makes
/// it run.
const PROGRAMS: &[(&str, Place, Cause)] = &[
    ("xdp", Place::XdpLink, Cause::Packet),
    ("xdp_frags", Place::XdpLink, Cause::Packet),
    ("tc", Place::TcIngress, Cause::Packet),
    ("tcx_ingress", Place::TcxIngress, Cause::Packet),
    ("tcx_egress", Place::TcxEgress, Cause::Packet),
    ("netkit_primary", Place::NetkitPrimary, Cause::NetkitPacket),
    ("netkit_peer", Place::NetkitPeer, Cause::NetkitPacket),
    ("netfilter", Place::Netfilter, Cause::Packet),
    ("socket_filter", Place::Socket, Cause::Datagram),
    ("reuseport", Place::SocketGroup, Cause::Datagram),
    ("reuseport_migrate", Place::SocketGroup, Cause::Datagram),
    ("lookup", Place::Netns, Cause::Packet),
    ("perf", Place::Clock, Cause::Time),
    ("cgroup_ingress", Place::Cgroup, Cause::Sockets),
    ("cgroup_egress", Place::Cgroup, Cause::Sockets),
    ("sock_create", Place::Cgroup, Cause::Sockets),
    ("sock_release", Place::Cgroup, Cause::Sockets),
    ("bind4", Place::Cgroup, Cause::Sockets),
    ("bind6", Place::Cgroup, Cause::Sockets),
    ("post_bind4", Place::Cgroup, Cause::Sockets),
    ("post_bind6", Place::Cgroup, Cause::Sockets),
    ("connect4", Place::Cgroup, Cause::Sockets),
    ("connect6", Place::Cgroup, Cause::Sockets),
    ("connect_unix", Place::Cgroup, Cause::UnixSockets),
    ("sendmsg4", Place::Cgroup, Cause::Sockets),
    ("sendmsg6", Place::Cgroup, Cause::Sockets),
    ("sendmsg_unix", Place::Cgroup, Cause::UnixSockets),
    ("recvmsg4", Place::Cgroup, Cause::Sockets),
    ("recvmsg6", Place::Cgroup, Cause::Sockets),
    ("recvmsg_unix", Place::Cgroup, Cause::UnixSockets),
    ("getpeername4", Place::Cgroup, Cause::Sockets),
    ("getpeername6", Place::Cgroup, Cause::Sockets),
    ("getpeername_unix", Place::Cgroup, Cause::UnixSockets),
    ("getsockname4", Place::Cgroup, Cause::Sockets),
    ("getsockname6", Place::Cgroup, Cause::Sockets),
    ("getsockname_unix", Place::Cgroup, Cause::UnixSockets),
    ("getsockopt", Place::Cgroup, Cause::Sockets),
    ("setsockopt", Place::Cgroup, Cause::Sockets),
    ("sysctl", Place::Cgroup, Cause::Files),
    ("device", Place::Cgroup, Cause::Files),
    ("sock_ops", Place::Cgroup, Cause::Sockets),
    ("tracepoint", Place::Section, Cause::Call),
    ("raw_tracepoint", Place::Section, Cause::Call),
    ("raw_tracepoint_w", Place::Section, Cause::Call),
    ("tp_btf", Place::Section, Cause::Call),
    ("fentry", Place::Section, Cause::Call),
    ("fentry_s", Place::Section, Cause::Call),
    ("fexit", Place::Section, Cause::Call),
    ("fexit_s", Place::Section, Cause::Call),
    ("fmod_ret", Place::Section, Cause::Call),
    ("lsm", Place::Section, Cause::Call),
    ("lsm_s", Place::Section, Cause::Call),
    ("lsm_cgroup", Place::Cgroup, Cause::Sockets),
    ("kprobe", Place::Section, Cause::Call),
    ("kretprobe", Place::Section, Cause::Call),
    ("ksyscall", Place::Section, Cause::Call),
    ("kretsyscall", Place::Section, Cause::Call),
    ("kprobe_multi", Place::Section, Cause::Call),
    ("kretprobe_multi", Place::Section, Cause::Call),
    ("kprobe_session", Place::Section, Cause::Call),
    ("uprobe", Place::Section, Cause::Call),
    ("uretprobe", Place::Section, Cause::Call),
    ("uprobe_s", Place::Section, Cause::Call),
    ("uretprobe_s", Place::Section, Cause::Call),
    ("uprobe_multi", Place::Section, Cause::Call),
    ("uretprobe_multi", Place::Section, Cause::Call),
    ("uprobe_multi_s", Place::Section, Cause::Call),
    ("uprobe_session", Place::Section, Cause::Call),
    ("iter_task", Place::Section, Cause::Reader),
    ("iter_task_s", Place::Section, Cause::Reader),
    ("iter_map", Place::Section, Cause::Reader),
];

const fn row(name: &'static str, object: &'static str, what: What) -> Row {
    Row { name, object, what }
}

/// Ways that share a program with a row above, programs of other files, and those that are not
/// attached.
const OTHERS: &[Row] = &[
    row(
        "xdp (generic)",
        "programs",
        What::Attached("xdp", Place::XdpGeneric, Cause::Packet),
    ),
    row(
        "xdp (native)",
        "programs",
        What::Attached("xdp", Place::XdpNative, Cause::Packet),
    ),
    row(
        "tc (egress)",
        "programs",
        What::Attached("tc", Place::TcEgress, Cause::Packet),
    ),
    row(
        "usdt",
        "usdt",
        What::Attached("usdt", Place::Section, Cause::Call),
    ),
    row(
        "freplace",
        "replacing",
        What::Attached("replacing", Place::Function, Cause::Target),
    ),
    row(
        "flow_dissector",
        "programs",
        What::Attached("dissector", Place::Netns, Cause::Itself),
    ),
    row(
        "sk_msg",
        "sockets",
        What::Attached("message", Place::SocketMap, Cause::Stream),
    ),
    row(
        "sk_skb/stream_verdict",
        "sockets",
        What::Attached("stream_verdict", Place::SocketMap, Cause::Stream),
    ),
    row(
        "sk_skb/verdict",
        "sockets",
        What::Attached("verdict", Place::SocketMap, Cause::Stream),
    ),
    row(
        "sk_skb/stream_parser",
        "sockets",
        What::Loaded("stream_parser"),
    ),
    row(
        "syscall",
        "programs",
        What::Run("run_syscalls", Input::Nothing),
    ),
    row("xdp/devmap", "programs", What::Loaded("xdp_devmap")),
    row("xdp/cpumap", "programs", What::Loaded("xdp_cpumap")),
    row("lwt_in", "programs", What::Run("run_lwt_in", Input::Packet)),
    row(
        "lwt_out",
        "programs",
        What::Run("run_lwt_out", Input::Packet),
    ),
    row(
        "lwt_xmit",
        "programs",
        What::Run("run_lwt_xmit", Input::Packet),
    ),
    row("lwt_seg6local", "programs", What::Loaded("lwt_seg6local")),
    row("struct_ops", "struct_ops", What::Registered("prober_map")),
    row(
        "struct_ops.link",
        "struct_ops_link",
        What::Registered("prober_link"),
    ),
];

const MAPS: &[&str] = &[
    "hash",
    "array",
    "prog_array",
    "perf_event_array",
    "percpu_hash",
    "percpu_array",
    "stack_trace",
    "cgroup_array",
    "lru_hash",
    "lru_percpu_hash",
    "lpm_trie",
    "array_of_maps",
    "hash_of_maps",
    "devmap",
    "sockmap",
    "cpumap",
    "xskmap",
    "sockhash",
    "cgroup_storage",
    "reuseport_sockarray",
    "percpu_cgroup_storage",
    "queue",
    "stack",
    "sk_storage",
    "devmap_hash",
    "ringbuf",
    "inode_storage",
    "task_storage",
    "bloom_filter",
    "user_ringbuf",
    "cgrp_storage",
    "arena",
];

/// Of `features`.
const FEATURES: &[(&str, Input)] = &[
    ("features/arena", Input::Nothing),
    ("features/core", Input::Packet),
    ("features/dynptr", Input::Packet),
    ("features/global_function", Input::Packet),
    ("features/globals", Input::Packet),
    ("features/kconfig", Input::Packet),
    ("features/kfunc", Input::Packet),
    ("features/ksym", Input::Packet),
    ("features/loop", Input::Packet),
    ("features/open_coded_iterator", Input::Packet),
    ("features/ring_buffer", Input::Packet),
    ("features/spin_lock", Input::Packet),
    ("features/static_function", Input::Packet),
    ("features/tail_call", Input::Packet),
    ("features/timer", Input::Packet),
];
