//! Numbers of the kernel's interface to programs, from `include/uapi/linux/bpf.h`, which documents
//! them. Flags have the type of the parameter that they are for: those of map creation `u32`, those
//! of helpers what the helper takes.
#![allow(missing_docs, reason = "C's own names")]

pub const BPF_F_RECOMPUTE_CSUM: u64 = 1;
pub const BPF_F_INVALIDATE_HASH: u64 = 2;

pub const BPF_F_HDR_FIELD_MASK: u64 = 15;

pub const BPF_F_PSEUDO_HDR: u64 = 16;
pub const BPF_F_MARK_MANGLED_0: u64 = 32;
pub const BPF_F_MARK_ENFORCE: u64 = 64;
pub const BPF_F_IPV6: u64 = 128;

pub const BPF_F_TUNINFO_IPV6: u64 = 1;

pub const BPF_F_SKIP_FIELD_MASK: u64 = 255;
pub const BPF_F_USER_STACK: u64 = 0x100;
pub const BPF_F_FAST_STACK_CMP: u64 = 0x200;
pub const BPF_F_REUSE_STACKID: u64 = 0x400;
pub const BPF_F_USER_BUILD_ID: u64 = 0x800;

pub const BPF_F_ZERO_CSUM_TX: u64 = 2;
pub const BPF_F_DONT_FRAGMENT: u64 = 4;
pub const BPF_F_SEQ_NUMBER: u64 = 8;

pub const BPF_F_TUNINFO_FLAGS: u64 = 16;

pub const BPF_F_INDEX_MASK: u64 = 0xffffffff;
pub const BPF_F_CURRENT_CPU: u64 = 0xffffffff;
pub const BPF_F_CTXLEN_MASK: u64 = 0xfffff00000000;

pub const BPF_F_CURRENT_NETNS: i64 = -1;

pub const BPF_CSUM_LEVEL_QUERY: u64 = 0;
pub const BPF_CSUM_LEVEL_INC: u64 = 1;
pub const BPF_CSUM_LEVEL_DEC: u64 = 2;
pub const BPF_CSUM_LEVEL_RESET: u64 = 3;

pub const BPF_F_ADJ_ROOM_FIXED_GSO: u64 = 1;
pub const BPF_F_ADJ_ROOM_ENCAP_L3_IPV4: u64 = 2;
pub const BPF_F_ADJ_ROOM_ENCAP_L3_IPV6: u64 = 4;
pub const BPF_F_ADJ_ROOM_ENCAP_L4_GRE: u64 = 8;
pub const BPF_F_ADJ_ROOM_ENCAP_L4_UDP: u64 = 16;
pub const BPF_F_ADJ_ROOM_NO_CSUM_RESET: u64 = 32;
pub const BPF_F_ADJ_ROOM_ENCAP_L2_ETH: u64 = 64;

pub const BPF_ADJ_ROOM_ENCAP_L2_MASK: u64 = 255;
pub const BPF_ADJ_ROOM_ENCAP_L2_SHIFT: u64 = 56;

pub const BPF_F_SYSCTL_BASE_NAME: u64 = 1;

pub const BPF_LOCAL_STORAGE_GET_F_CREATE: u64 = 1;
pub const BPF_SK_STORAGE_GET_F_CREATE: u64 = 1;

pub const BPF_F_GET_BRANCH_RECORDS_SIZE: u64 = 1;

pub const BPF_RB_NO_WAKEUP: u64 = 1;
pub const BPF_RB_FORCE_WAKEUP: u64 = 2;

pub const BPF_RB_AVAIL_DATA: u64 = 0;
pub const BPF_RB_RING_SIZE: u64 = 1;
pub const BPF_RB_CONS_POS: u64 = 2;
pub const BPF_RB_PROD_POS: u64 = 3;

pub const BPF_RINGBUF_BUSY_BIT: u32 = 0x80000000;
pub const BPF_RINGBUF_DISCARD_BIT: u32 = 0x40000000;
pub const BPF_RINGBUF_HDR_SZ: u32 = 8;

pub const BPF_SK_LOOKUP_F_REPLACE: u64 = 1;
pub const BPF_SK_LOOKUP_F_NO_REUSEPORT: u64 = 2;

pub const BPF_F_BPRM_SECUREEXEC: u64 = 1;

pub const BPF_F_INGRESS: u64 = 1;
pub const BPF_F_BROADCAST: u64 = 8;
pub const BPF_F_EXCLUDE_INGRESS: u64 = 16;

pub const BPF_SKB_TSTAMP_UNSPEC: u32 = 0;
pub const BPF_SKB_TSTAMP_DELIVERY_MONO: u32 = 1;

pub const BPF_SOCK_OPS_RTO_CB_FLAG: u32 = 1;
pub const BPF_SOCK_OPS_RETRANS_CB_FLAG: u32 = 2;
pub const BPF_SOCK_OPS_STATE_CB_FLAG: u32 = 4;
pub const BPF_SOCK_OPS_RTT_CB_FLAG: u32 = 8;
pub const BPF_SOCK_OPS_PARSE_ALL_HDR_OPT_CB_FLAG: u32 = 16;
pub const BPF_SOCK_OPS_PARSE_UNKNOWN_HDR_OPT_CB_FLAG: u32 = 32;
pub const BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG: u32 = 64;
pub const BPF_SOCK_OPS_ALL_CB_FLAGS: u32 = 127;

pub const BPF_SOCK_OPS_VOID: u32 = 0;
pub const BPF_SOCK_OPS_TIMEOUT_INIT: u32 = 1;
pub const BPF_SOCK_OPS_RWND_INIT: u32 = 2;
pub const BPF_SOCK_OPS_TCP_CONNECT_CB: u32 = 3;
pub const BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB: u32 = 4;
pub const BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB: u32 = 5;
pub const BPF_SOCK_OPS_NEEDS_ECN: u32 = 6;
pub const BPF_SOCK_OPS_BASE_RTT: u32 = 7;
pub const BPF_SOCK_OPS_RTO_CB: u32 = 8;
pub const BPF_SOCK_OPS_RETRANS_CB: u32 = 9;
pub const BPF_SOCK_OPS_STATE_CB: u32 = 10;
pub const BPF_SOCK_OPS_TCP_LISTEN_CB: u32 = 11;
pub const BPF_SOCK_OPS_RTT_CB: u32 = 12;
pub const BPF_SOCK_OPS_PARSE_HDR_OPT_CB: u32 = 13;
pub const BPF_SOCK_OPS_HDR_OPT_LEN_CB: u32 = 14;
pub const BPF_SOCK_OPS_WRITE_HDR_OPT_CB: u32 = 15;

pub const BPF_TCP_ESTABLISHED: u32 = 1;
pub const BPF_TCP_SYN_SENT: u32 = 2;
pub const BPF_TCP_SYN_RECV: u32 = 3;
pub const BPF_TCP_FIN_WAIT1: u32 = 4;
pub const BPF_TCP_FIN_WAIT2: u32 = 5;
pub const BPF_TCP_TIME_WAIT: u32 = 6;
pub const BPF_TCP_CLOSE: u32 = 7;
pub const BPF_TCP_CLOSE_WAIT: u32 = 8;
pub const BPF_TCP_LAST_ACK: u32 = 9;
pub const BPF_TCP_LISTEN: u32 = 10;
pub const BPF_TCP_CLOSING: u32 = 11;
pub const BPF_TCP_NEW_SYN_RECV: u32 = 12;
pub const BPF_TCP_MAX_STATES: u32 = 13;

pub const TCP_BPF_IW: u32 = 0x3e9;
pub const TCP_BPF_SNDCWND_CLAMP: u32 = 0x3ea;
pub const TCP_BPF_DELACK_MAX: u32 = 0x3eb;
pub const TCP_BPF_RTO_MIN: u32 = 0x3ec;
pub const TCP_BPF_SYN: u32 = 0x3ed;
pub const TCP_BPF_SYN_IP: u32 = 0x3ee;
pub const TCP_BPF_SYN_MAC: u32 = 0x3ef;

pub const BPF_LOAD_HDR_OPT_TCP_SYN: u64 = 1;

pub const BPF_WRITE_HDR_TCP_CURRENT_MSS: u32 = 1;
pub const BPF_WRITE_HDR_TCP_SYNACK_COOKIE: u32 = 2;

pub const BPF_DEVCG_ACC_MKNOD: u32 = 1;
pub const BPF_DEVCG_ACC_READ: u32 = 2;
pub const BPF_DEVCG_ACC_WRITE: u32 = 4;

pub const BPF_DEVCG_DEV_BLOCK: u32 = 1;
pub const BPF_DEVCG_DEV_CHAR: u32 = 2;

pub const BPF_FIB_LOOKUP_DIRECT: u32 = 1;
pub const BPF_FIB_LOOKUP_OUTPUT: u32 = 2;
pub const BPF_FIB_LOOKUP_SKIP_NEIGH: u32 = 4;
pub const BPF_FIB_LOOKUP_TBID: u32 = 8;
pub const BPF_FIB_LOOKUP_SRC: u32 = 16;

pub const BPF_FIB_LKUP_RET_SUCCESS: u32 = 0;
pub const BPF_FIB_LKUP_RET_BLACKHOLE: u32 = 1;
pub const BPF_FIB_LKUP_RET_UNREACHABLE: u32 = 2;
pub const BPF_FIB_LKUP_RET_PROHIBIT: u32 = 3;
pub const BPF_FIB_LKUP_RET_NOT_FWDED: u32 = 4;
pub const BPF_FIB_LKUP_RET_FWD_DISABLED: u32 = 5;
pub const BPF_FIB_LKUP_RET_UNSUPP_LWT: u32 = 6;
pub const BPF_FIB_LKUP_RET_NO_NEIGH: u32 = 7;
pub const BPF_FIB_LKUP_RET_FRAG_NEEDED: u32 = 8;
pub const BPF_FIB_LKUP_RET_NO_SRC_ADDR: u32 = 9;

pub const BPF_FLOW_DISSECTOR_F_PARSE_1ST_FRAG: u32 = 1;
pub const BPF_FLOW_DISSECTOR_F_STOP_AT_FLOW_LABEL: u32 = 2;
pub const BPF_FLOW_DISSECTOR_F_STOP_AT_ENCAP: u32 = 4;

pub const BTF_F_COMPACT: u64 = 1;
pub const BTF_F_NONAME: u64 = 2;
pub const BTF_F_PTR_RAW: u64 = 4;
pub const BTF_F_ZERO: u64 = 8;

// In newer headers than most distributions have.
pub const BPF_FIB_LOOKUP_MARK: u32 = 32;
pub const BPF_F_TIMER_ABS: u64 = 1;
pub const BPF_F_TIMER_CPU_PIN: u64 = 2;

/// What an XDP program returns: `enum xdp_action`.
pub mod xdp_action {
    /// Their type.
    pub type Type = u32;
    pub const XDP_ABORTED: Type = 0;
    pub const XDP_DROP: Type = 1;
    pub const XDP_PASS: Type = 2;
    pub const XDP_TX: Type = 3;
    pub const XDP_REDIRECT: Type = 4;
}

/// What sk_msg, sk_skb, sk_lookup and sk_reuseport programs return: `enum sk_action`.
pub mod sk_action {
    /// Their type.
    pub type Type = u32;
    pub const SK_DROP: Type = 0;
    pub const SK_PASS: Type = 1;
}

/// What LWT and flow dissector programs return: `enum bpf_ret_code`.
pub mod bpf_ret_code {
    /// Their type.
    pub type Type = u32;
    pub const BPF_OK: Type = 0;
    pub const BPF_DROP: Type = 2;
    pub const BPF_REDIRECT: Type = 7;
    pub const BPF_LWT_REROUTE: Type = 128;
    pub const BPF_FLOW_DISSECTOR_CONTINUE: Type = 129;
}

/// Where `bpf_skb_adjust_room` makes room: `enum bpf_adj_room_mode`.
pub mod bpf_adj_room_mode {
    /// Their type.
    pub type Type = u32;
    pub const BPF_ADJ_ROOM_NET: Type = 0;
    pub const BPF_ADJ_ROOM_MAC: Type = 1;
}

/// Where `bpf_skb_load_bytes_relative` counts from: `enum bpf_hdr_start_off`.
pub mod bpf_hdr_start_off {
    /// Their type.
    pub type Type = u32;
    pub const BPF_HDR_START_MAC: Type = 0;
    pub const BPF_HDR_START_NET: Type = 1;
}

/// What `bpf_lwt_push_encap` adds: `enum bpf_lwt_encap_mode`.
pub mod bpf_lwt_encap_mode {
    /// Their type.
    pub type Type = u32;
    pub const BPF_LWT_ENCAP_SEG6: Type = 0;
    pub const BPF_LWT_ENCAP_SEG6_INLINE: Type = 1;
    pub const BPF_LWT_ENCAP_IP: Type = 2;
}

// What TC programs return, from `include/uapi/linux/pkt_cls.h`.
pub const TC_ACT_UNSPEC: i32 = -1;
pub const TC_ACT_OK: i32 = 0;
pub const TC_ACT_RECLASSIFY: i32 = 1;
pub const TC_ACT_SHOT: i32 = 2;
pub const TC_ACT_PIPE: i32 = 3;
pub const TC_ACT_STOLEN: i32 = 4;
pub const TC_ACT_REDIRECT: i32 = 7;
