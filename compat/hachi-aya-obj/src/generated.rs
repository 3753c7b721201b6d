//! Numbers of the kernel under the kernel's names (`enum bpf_prog_type` and its like).
#![allow(non_camel_case_types, reason = "C's own names")]

pub use hachi_obj::uapi::*;

use crate::InvalidTypeBinding;

macro_rules! numbers {
    ($(#[$doc:meta])* $type:ident { $($(#[$of:meta])* $name:ident = $number:literal,)* }) => {
        $(#[$doc])*
        #[repr(u32)]
        #[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
        pub enum $type {
            $(
                #[doc = concat!("Number ", stringify!($number), ".")]
                $(#[$of])*
                $name = $number,
            )*
        }

        impl TryFrom<u32> for $type {
            type Error = InvalidTypeBinding<u32>;

            fn try_from(value: u32) -> Result<Self, InvalidTypeBinding<u32>> {
                match value {
                    $($number => Ok($type::$name),)*
                    _ => Err(InvalidTypeBinding { value }),
                }
            }
        }
    };
}

numbers! {
    /// The type of a map.
    bpf_map_type {
        BPF_MAP_TYPE_UNSPEC = 0,
        BPF_MAP_TYPE_HASH = 1,
        BPF_MAP_TYPE_ARRAY = 2,
        BPF_MAP_TYPE_PROG_ARRAY = 3,
        BPF_MAP_TYPE_PERF_EVENT_ARRAY = 4,
        BPF_MAP_TYPE_PERCPU_HASH = 5,
        BPF_MAP_TYPE_PERCPU_ARRAY = 6,
        BPF_MAP_TYPE_STACK_TRACE = 7,
        BPF_MAP_TYPE_CGROUP_ARRAY = 8,
        BPF_MAP_TYPE_LRU_HASH = 9,
        BPF_MAP_TYPE_LRU_PERCPU_HASH = 10,
        BPF_MAP_TYPE_LPM_TRIE = 11,
        BPF_MAP_TYPE_ARRAY_OF_MAPS = 12,
        BPF_MAP_TYPE_HASH_OF_MAPS = 13,
        BPF_MAP_TYPE_DEVMAP = 14,
        BPF_MAP_TYPE_SOCKMAP = 15,
        BPF_MAP_TYPE_CPUMAP = 16,
        BPF_MAP_TYPE_XSKMAP = 17,
        BPF_MAP_TYPE_SOCKHASH = 18,
        BPF_MAP_TYPE_CGROUP_STORAGE_DEPRECATED = 19,
        BPF_MAP_TYPE_REUSEPORT_SOCKARRAY = 20,
        BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE_DEPRECATED = 21,
        BPF_MAP_TYPE_QUEUE = 22,
        BPF_MAP_TYPE_STACK = 23,
        BPF_MAP_TYPE_SK_STORAGE = 24,
        BPF_MAP_TYPE_DEVMAP_HASH = 25,
        BPF_MAP_TYPE_STRUCT_OPS = 26,
        BPF_MAP_TYPE_RINGBUF = 27,
        BPF_MAP_TYPE_INODE_STORAGE = 28,
        BPF_MAP_TYPE_TASK_STORAGE = 29,
        BPF_MAP_TYPE_BLOOM_FILTER = 30,
        BPF_MAP_TYPE_USER_RINGBUF = 31,
        BPF_MAP_TYPE_CGRP_STORAGE = 32,
        BPF_MAP_TYPE_ARENA = 33,
    }
}

numbers! {
    /// The type of a program.
    bpf_prog_type {
        BPF_PROG_TYPE_UNSPEC = 0,
        BPF_PROG_TYPE_SOCKET_FILTER = 1,
        BPF_PROG_TYPE_KPROBE = 2,
        BPF_PROG_TYPE_SCHED_CLS = 3,
        BPF_PROG_TYPE_SCHED_ACT = 4,
        BPF_PROG_TYPE_TRACEPOINT = 5,
        BPF_PROG_TYPE_XDP = 6,
        BPF_PROG_TYPE_PERF_EVENT = 7,
        BPF_PROG_TYPE_CGROUP_SKB = 8,
        BPF_PROG_TYPE_CGROUP_SOCK = 9,
        BPF_PROG_TYPE_LWT_IN = 10,
        BPF_PROG_TYPE_LWT_OUT = 11,
        BPF_PROG_TYPE_LWT_XMIT = 12,
        BPF_PROG_TYPE_SOCK_OPS = 13,
        BPF_PROG_TYPE_SK_SKB = 14,
        BPF_PROG_TYPE_CGROUP_DEVICE = 15,
        BPF_PROG_TYPE_SK_MSG = 16,
        BPF_PROG_TYPE_RAW_TRACEPOINT = 17,
        BPF_PROG_TYPE_CGROUP_SOCK_ADDR = 18,
        BPF_PROG_TYPE_LWT_SEG6LOCAL = 19,
        BPF_PROG_TYPE_LIRC_MODE2 = 20,
        BPF_PROG_TYPE_SK_REUSEPORT = 21,
        BPF_PROG_TYPE_FLOW_DISSECTOR = 22,
        BPF_PROG_TYPE_CGROUP_SYSCTL = 23,
        BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE = 24,
        BPF_PROG_TYPE_CGROUP_SOCKOPT = 25,
        BPF_PROG_TYPE_TRACING = 26,
        BPF_PROG_TYPE_STRUCT_OPS = 27,
        BPF_PROG_TYPE_EXT = 28,
        BPF_PROG_TYPE_LSM = 29,
        BPF_PROG_TYPE_SK_LOOKUP = 30,
        BPF_PROG_TYPE_SYSCALL = 31,
        BPF_PROG_TYPE_NETFILTER = 32,
    }
}

numbers! {
    /// What a program is attached to.
    bpf_attach_type {
        BPF_CGROUP_INET_INGRESS = 0,
        BPF_CGROUP_INET_EGRESS = 1,
        BPF_CGROUP_INET_SOCK_CREATE = 2,
        BPF_CGROUP_SOCK_OPS = 3,
        BPF_SK_SKB_STREAM_PARSER = 4,
        BPF_SK_SKB_STREAM_VERDICT = 5,
        BPF_CGROUP_DEVICE = 6,
        BPF_SK_MSG_VERDICT = 7,
        BPF_CGROUP_INET4_BIND = 8,
        BPF_CGROUP_INET6_BIND = 9,
        BPF_CGROUP_INET4_CONNECT = 10,
        BPF_CGROUP_INET6_CONNECT = 11,
        BPF_CGROUP_INET4_POST_BIND = 12,
        BPF_CGROUP_INET6_POST_BIND = 13,
        BPF_CGROUP_UDP4_SENDMSG = 14,
        BPF_CGROUP_UDP6_SENDMSG = 15,
        BPF_LIRC_MODE2 = 16,
        BPF_FLOW_DISSECTOR = 17,
        BPF_CGROUP_SYSCTL = 18,
        BPF_CGROUP_UDP4_RECVMSG = 19,
        BPF_CGROUP_UDP6_RECVMSG = 20,
        BPF_CGROUP_GETSOCKOPT = 21,
        BPF_CGROUP_SETSOCKOPT = 22,
        BPF_TRACE_RAW_TP = 23,
        BPF_TRACE_FENTRY = 24,
        BPF_TRACE_FEXIT = 25,
        BPF_MODIFY_RETURN = 26,
        BPF_LSM_MAC = 27,
        BPF_TRACE_ITER = 28,
        BPF_CGROUP_INET4_GETPEERNAME = 29,
        BPF_CGROUP_INET6_GETPEERNAME = 30,
        BPF_CGROUP_INET4_GETSOCKNAME = 31,
        BPF_CGROUP_INET6_GETSOCKNAME = 32,
        BPF_XDP_DEVMAP = 33,
        BPF_CGROUP_INET_SOCK_RELEASE = 34,
        BPF_XDP_CPUMAP = 35,
        BPF_SK_LOOKUP = 36,
        BPF_XDP = 37,
        BPF_SK_SKB_VERDICT = 38,
        BPF_SK_REUSEPORT_SELECT = 39,
        BPF_SK_REUSEPORT_SELECT_OR_MIGRATE = 40,
        BPF_PERF_EVENT = 41,
        BPF_TRACE_KPROBE_MULTI = 42,
        BPF_LSM_CGROUP = 43,
        BPF_STRUCT_OPS = 44,
        BPF_NETFILTER = 45,
        BPF_TCX_INGRESS = 46,
        BPF_TCX_EGRESS = 47,
        BPF_TRACE_UPROBE_MULTI = 48,
        BPF_CGROUP_UNIX_CONNECT = 49,
        BPF_CGROUP_UNIX_SENDMSG = 50,
        BPF_CGROUP_UNIX_RECVMSG = 51,
        BPF_CGROUP_UNIX_GETPEERNAME = 52,
        BPF_CGROUP_UNIX_GETSOCKNAME = 53,
        BPF_NETKIT_PRIMARY = 54,
        BPF_NETKIT_PEER = 55,
    }
}

numbers! {
    /// The type of a link.
    bpf_link_type {
        BPF_LINK_TYPE_UNSPEC = 0,
        BPF_LINK_TYPE_RAW_TRACEPOINT = 1,
        BPF_LINK_TYPE_TRACING = 2,
        BPF_LINK_TYPE_CGROUP = 3,
        BPF_LINK_TYPE_ITER = 4,
        BPF_LINK_TYPE_NETNS = 5,
        BPF_LINK_TYPE_XDP = 6,
        BPF_LINK_TYPE_PERF_EVENT = 7,
        BPF_LINK_TYPE_KPROBE_MULTI = 8,
        BPF_LINK_TYPE_STRUCT_OPS = 9,
        BPF_LINK_TYPE_NETFILTER = 10,
        BPF_LINK_TYPE_TCX = 11,
        BPF_LINK_TYPE_UPROBE_MULTI = 12,
        BPF_LINK_TYPE_NETKIT = 13,
    }
}

numbers! {
    /// Statistics that the kernel keeps on request.
    bpf_stats_type {
        BPF_STATS_RUN_TIME = 0,
    }
}

impl bpf_map_type {
    /// As older kernels call it.
    pub const BPF_MAP_TYPE_CGROUP_STORAGE: Self = Self::BPF_MAP_TYPE_CGROUP_STORAGE_DEPRECATED;
}

#[cfg(test)]
mod tests {
    use hachi_obj::{AttachType, MapType, ProgramType};

    use super::*;

    /// As Hachi's tables, which are made from the kernel's header, have them.
    #[test]
    fn numbers_are_the_kernels() {
        let known = |is_known: &dyn Fn(u32) -> bool| (0..256).filter(|n| is_known(*n)).max();
        let maps = known(&|n| bpf_map_type::try_from(n).is_ok()).unwrap();
        assert!((1..=maps).all(|n| MapType::from_number(n).is_some()));
        assert_eq!(
            bpf_map_type::BPF_MAP_TYPE_RINGBUF as u32,
            MapType::Ringbuf as u32
        );
        let programs = known(&|n| bpf_prog_type::try_from(n).is_ok()).unwrap();
        assert!((1..=programs).all(|n| ProgramType::from_number(n).is_some()));
        assert_eq!(
            bpf_prog_type::BPF_PROG_TYPE_LSM as u32,
            ProgramType::Lsm as u32
        );
        assert_eq!(
            bpf_attach_type::BPF_TCX_INGRESS as u32,
            AttachType::TcxIngress as u32
        );
        let unknown = bpf_link_type::try_from(4711).unwrap_err();
        assert_eq!(unknown.value, 4711);
        assert_eq!(BPF_F_INGRESS, 1);
    }
}
