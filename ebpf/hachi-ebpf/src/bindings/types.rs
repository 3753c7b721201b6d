//! Structures of the kernel's interface to programs, from `include/uapi/linux/bpf.h`, which
//! documents their members. Members without a name have those that bindgen would give them.
#![allow(missing_docs, reason = "C's own names")]
#![allow(non_snake_case, reason = "C's own names")]

use crate::cty::{c_int, c_void};

/// A packet, as programs on the way through the network stack see it.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct __sk_buff {
    pub len: u32,
    pub pkt_type: u32,
    pub mark: u32,
    pub queue_mapping: u32,
    pub protocol: u32,
    pub vlan_present: u32,
    pub vlan_tci: u32,
    pub vlan_proto: u32,
    pub priority: u32,
    pub ingress_ifindex: u32,
    pub ifindex: u32,
    pub tc_index: u32,
    pub cb: [u32; 5],
    pub hash: u32,
    pub tc_classid: u32,
    pub data: u32,
    pub data_end: u32,
    pub napi_id: u32,
    pub family: u32,
    pub remote_ip4: u32,
    pub local_ip4: u32,
    pub remote_ip6: [u32; 4],
    pub local_ip6: [u32; 4],
    pub remote_port: u32,
    pub local_port: u32,
    pub data_meta: u32,
    pub flow_keys: *mut bpf_flow_keys,
    pub tstamp: u64,
    pub wire_len: u32,
    pub gso_segs: u32,
    pub sk: *mut bpf_sock,
    pub gso_size: u32,
    pub tstamp_type: u8,
    __pad1: [u8; 3],
    pub hwtstamp: u64,
}

/// Part of [`bpf_tunnel_key`].
#[derive(Clone, Copy)]
#[repr(C)]
pub union bpf_tunnel_key__bindgen_ty_1 {
    pub remote_ipv4: u32,
    pub remote_ipv6: [u32; 4],
}

/// Part of [`bpf_tunnel_key`].
#[derive(Clone, Copy)]
#[repr(C)]
pub union bpf_tunnel_key__bindgen_ty_2 {
    pub tunnel_ext: u16,
    pub tunnel_flags: u16,
}

/// Part of [`bpf_tunnel_key`].
#[derive(Clone, Copy)]
#[repr(C)]
pub union bpf_tunnel_key__bindgen_ty_3 {
    pub local_ipv4: u32,
    pub local_ipv6: [u32; 4],
}

/// What a tunnel's headers say.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct bpf_tunnel_key {
    pub tunnel_id: u32,
    pub __bindgen_anon_1: bpf_tunnel_key__bindgen_ty_1,
    pub tunnel_tos: u8,
    pub tunnel_ttl: u8,
    pub __bindgen_anon_2: bpf_tunnel_key__bindgen_ty_2,
    pub tunnel_label: u32,
    pub __bindgen_anon_3: bpf_tunnel_key__bindgen_ty_3,
}

/// Part of [`bpf_xfrm_state`].
#[derive(Clone, Copy)]
#[repr(C)]
pub union bpf_xfrm_state__bindgen_ty_1 {
    pub remote_ipv4: u32,
    pub remote_ipv6: [u32; 4],
}

/// A state of IPsec.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct bpf_xfrm_state {
    pub reqid: u32,
    pub spi: u32,
    pub family: u16,
    pub ext: u16,
    pub __bindgen_anon_1: bpf_xfrm_state__bindgen_ty_1,
}

/// A socket, as programs see it.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct bpf_sock {
    pub bound_dev_if: u32,
    pub family: u32,
    pub r#type: u32,
    pub protocol: u32,
    pub mark: u32,
    pub priority: u32,
    pub src_ip4: u32,
    pub src_ip6: [u32; 4],
    pub src_port: u32,
    pub dst_port: u16,
    __pad1: u16,
    pub dst_ip4: u32,
    pub dst_ip6: [u32; 4],
    pub state: u32,
    pub rx_queue_mapping: i32,
}

/// The TCP part of a socket, as programs see it.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct bpf_tcp_sock {
    pub snd_cwnd: u32,
    pub srtt_us: u32,
    pub rtt_min: u32,
    pub snd_ssthresh: u32,
    pub rcv_nxt: u32,
    pub snd_nxt: u32,
    pub snd_una: u32,
    pub mss_cache: u32,
    pub ecn_flags: u32,
    pub rate_delivered: u32,
    pub rate_interval_us: u32,
    pub packets_out: u32,
    pub retrans_out: u32,
    pub total_retrans: u32,
    pub segs_in: u32,
    pub data_segs_in: u32,
    pub segs_out: u32,
    pub data_segs_out: u32,
    pub lost_out: u32,
    pub sacked_out: u32,
    pub bytes_received: u64,
    pub bytes_acked: u64,
    pub dsack_dups: u32,
    pub delivered: u32,
    pub delivered_ce: u32,
    pub icsk_retransmits: u32,
}

/// Part of [`bpf_sock_tuple__bindgen_ty_1`].
#[derive(Clone, Copy)]
#[repr(C)]
pub struct bpf_sock_tuple__bindgen_ty_1__bindgen_ty_1 {
    pub saddr: u32,
    pub daddr: u32,
    pub sport: u16,
    pub dport: u16,
}

/// Part of [`bpf_sock_tuple__bindgen_ty_1`].
#[derive(Clone, Copy)]
#[repr(C)]
pub struct bpf_sock_tuple__bindgen_ty_1__bindgen_ty_2 {
    pub saddr: [u32; 4],
    pub daddr: [u32; 4],
    pub sport: u16,
    pub dport: u16,
}

/// Part of [`bpf_sock_tuple`].
#[derive(Clone, Copy)]
#[repr(C)]
pub union bpf_sock_tuple__bindgen_ty_1 {
    pub ipv4: bpf_sock_tuple__bindgen_ty_1__bindgen_ty_1,
    pub ipv6: bpf_sock_tuple__bindgen_ty_1__bindgen_ty_2,
}

/// The addresses and ports of a connection, in network byte order.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct bpf_sock_tuple {
    pub __bindgen_anon_1: bpf_sock_tuple__bindgen_ty_1,
}

/// A socket for packets, in an xskmap.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct bpf_xdp_sock {
    pub queue_id: u32,
}

/// Part of [`bpf_devmap_val`].
#[derive(Clone, Copy)]
#[repr(C)]
pub union bpf_devmap_val__bindgen_ty_1 {
    pub fd: c_int,
    pub id: u32,
}

/// An entry of a devmap with a program.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct bpf_devmap_val {
    pub ifindex: u32,
    pub bpf_prog: bpf_devmap_val__bindgen_ty_1,
}

// SAFETY: two integers, one of which goes by two names, without padding.
unsafe impl crate::Pod for bpf_devmap_val {}

/// Part of [`bpf_cpumap_val`].
#[derive(Clone, Copy)]
#[repr(C)]
pub union bpf_cpumap_val__bindgen_ty_1 {
    pub fd: c_int,
    pub id: u32,
}

/// An entry of a cpumap with a program.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct bpf_cpumap_val {
    pub qsize: u32,
    pub bpf_prog: bpf_cpumap_val__bindgen_ty_1,
}

// SAFETY: two integers, one of which goes by two names, without padding.
unsafe impl crate::Pod for bpf_cpumap_val {}

/// The context of an sk_msg program.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct sk_msg_md {
    pub data: *mut c_void,
    pub data_end: *mut c_void,
    pub family: u32,
    pub remote_ip4: u32,
    pub local_ip4: u32,
    pub remote_ip6: [u32; 4],
    pub local_ip6: [u32; 4],
    pub remote_port: u32,
    pub local_port: u32,
    pub size: u32,
    pub sk: *mut bpf_sock,
}

/// The context of an sk_reuseport program.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct sk_reuseport_md {
    pub data: *mut c_void,
    pub data_end: *mut c_void,
    pub len: u32,
    pub eth_protocol: u32,
    pub ip_protocol: u32,
    pub bind_inany: u32,
    pub hash: u32,
    pub sk: *mut bpf_sock,
    pub migrating_sk: *mut bpf_sock,
}

/// The context of a cgroup program for addresses.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct bpf_sock_addr {
    pub user_family: u32,
    pub user_ip4: u32,
    pub user_ip6: [u32; 4],
    pub user_port: u32,
    pub family: u32,
    pub r#type: u32,
    pub protocol: u32,
    pub msg_src_ip4: u32,
    pub msg_src_ip6: [u32; 4],
    pub sk: *mut bpf_sock,
}

/// Part of [`bpf_sock_ops`].
#[derive(Clone, Copy)]
#[repr(C)]
pub union bpf_sock_ops__bindgen_ty_1 {
    pub args: [u32; 4],
    pub reply: u32,
    pub replylong: [u32; 4],
}

/// The context of a sock_ops program.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct bpf_sock_ops {
    pub op: u32,
    pub __bindgen_anon_1: bpf_sock_ops__bindgen_ty_1,
    pub family: u32,
    pub remote_ip4: u32,
    pub local_ip4: u32,
    pub remote_ip6: [u32; 4],
    pub local_ip6: [u32; 4],
    pub remote_port: u32,
    pub local_port: u32,
    pub is_fullsock: u32,
    pub snd_cwnd: u32,
    pub srtt_us: u32,
    pub bpf_sock_ops_cb_flags: u32,
    pub state: u32,
    pub rtt_min: u32,
    pub snd_ssthresh: u32,
    pub rcv_nxt: u32,
    pub snd_nxt: u32,
    pub snd_una: u32,
    pub mss_cache: u32,
    pub ecn_flags: u32,
    pub rate_delivered: u32,
    pub rate_interval_us: u32,
    pub packets_out: u32,
    pub retrans_out: u32,
    pub total_retrans: u32,
    pub segs_in: u32,
    pub data_segs_in: u32,
    pub segs_out: u32,
    pub data_segs_out: u32,
    pub lost_out: u32,
    pub sacked_out: u32,
    pub sk_txhash: u32,
    pub bytes_received: u64,
    pub bytes_acked: u64,
    pub sk: *mut bpf_sock,
    pub skb_data: *mut c_void,
    pub skb_data_end: *mut c_void,
    pub skb_len: u32,
    pub skb_tcp_flags: u32,
}

/// A counter's value.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct bpf_perf_event_value {
    pub counter: u64,
    pub enabled: u64,
    pub running: u64,
}

/// The context of a cgroup program for devices.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct bpf_cgroup_dev_ctx {
    pub access_type: u32,
    pub major: u32,
    pub minor: u32,
}

/// Part of [`bpf_fib_lookup`].
#[derive(Clone, Copy)]
#[repr(C)]
pub union bpf_fib_lookup__bindgen_ty_1 {
    pub tot_len: u16,
    pub mtu_result: u16,
}

/// Part of [`bpf_fib_lookup`].
#[derive(Clone, Copy)]
#[repr(C)]
pub union bpf_fib_lookup__bindgen_ty_2 {
    pub tos: u8,
    pub flowinfo: u32,
    pub rt_metric: u32,
}

/// Part of [`bpf_fib_lookup`].
#[derive(Clone, Copy)]
#[repr(C)]
pub union bpf_fib_lookup__bindgen_ty_3 {
    pub ipv4_src: u32,
    pub ipv6_src: [u32; 4],
}

/// Part of [`bpf_fib_lookup`].
#[derive(Clone, Copy)]
#[repr(C)]
pub union bpf_fib_lookup__bindgen_ty_4 {
    pub ipv4_dst: u32,
    pub ipv6_dst: [u32; 4],
}

/// Part of [`bpf_fib_lookup__bindgen_ty_5`].
#[derive(Clone, Copy)]
#[repr(C)]
pub struct bpf_fib_lookup__bindgen_ty_5__bindgen_ty_1 {
    pub h_vlan_proto: u16,
    pub h_vlan_TCI: u16,
}

/// Part of [`bpf_fib_lookup`].
#[derive(Clone, Copy)]
#[repr(C)]
pub union bpf_fib_lookup__bindgen_ty_5 {
    pub __bindgen_anon_1: bpf_fib_lookup__bindgen_ty_5__bindgen_ty_1,
    pub tbid: u32,
}

/// What is asked of and answered by `bpf_fib_lookup`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct bpf_fib_lookup {
    pub family: u8,
    pub l4_protocol: u8,
    pub sport: u16,
    pub dport: u16,
    pub __bindgen_anon_1: bpf_fib_lookup__bindgen_ty_1,
    pub ifindex: u32,
    pub __bindgen_anon_2: bpf_fib_lookup__bindgen_ty_2,
    pub __bindgen_anon_3: bpf_fib_lookup__bindgen_ty_3,
    pub __bindgen_anon_4: bpf_fib_lookup__bindgen_ty_4,
    pub __bindgen_anon_5: bpf_fib_lookup__bindgen_ty_5,
    pub smac: [u8; 6],
    pub dmac: [u8; 6],
}

/// Part of [`bpf_redir_neigh`].
#[derive(Clone, Copy)]
#[repr(C)]
pub union bpf_redir_neigh__bindgen_ty_1 {
    pub ipv4_nh: u32,
    pub ipv6_nh: [u32; 4],
}

/// The next hop for `bpf_redirect_neigh`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct bpf_redir_neigh {
    pub nh_family: u32,
    pub __bindgen_anon_1: bpf_redir_neigh__bindgen_ty_1,
}

/// Part of [`bpf_flow_keys__bindgen_ty_1`].
#[derive(Clone, Copy)]
#[repr(C)]
pub struct bpf_flow_keys__bindgen_ty_1__bindgen_ty_1 {
    pub ipv4_src: u32,
    pub ipv4_dst: u32,
}

/// Part of [`bpf_flow_keys__bindgen_ty_1`].
#[derive(Clone, Copy)]
#[repr(C)]
pub struct bpf_flow_keys__bindgen_ty_1__bindgen_ty_2 {
    pub ipv6_src: [u32; 4],
    pub ipv6_dst: [u32; 4],
}

/// Part of [`bpf_flow_keys`].
#[derive(Clone, Copy)]
#[repr(C)]
pub union bpf_flow_keys__bindgen_ty_1 {
    pub __bindgen_anon_1: bpf_flow_keys__bindgen_ty_1__bindgen_ty_1,
    pub __bindgen_anon_2: bpf_flow_keys__bindgen_ty_1__bindgen_ty_2,
}

/// What a flow dissector finds out.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct bpf_flow_keys {
    pub nhoff: u16,
    pub thoff: u16,
    pub addr_proto: u16,
    pub is_frag: u8,
    pub is_first_frag: u8,
    pub is_encap: u8,
    pub ip_proto: u8,
    pub n_proto: u16,
    pub sport: u16,
    pub dport: u16,
    pub __bindgen_anon_1: bpf_flow_keys__bindgen_ty_1,
    pub flags: u32,
    pub flow_label: u32,
}

/// A lock in a map's value.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct bpf_spin_lock {
    pub val: u32,
}

/// A timer in a map's value.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct bpf_timer {
    pub __opaque: [u64; 2],
}

/// A pointer with a length known at run time.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct bpf_dynptr {
    pub __opaque: [u64; 2],
}

/// The context of a cgroup program for sysctls.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct bpf_sysctl {
    pub write: u32,
    pub file_pos: u32,
}

/// The context of a cgroup program for socket options.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct bpf_sockopt {
    pub sk: *mut bpf_sock,
    pub optval: *mut c_void,
    pub optval_end: *mut c_void,
    pub level: i32,
    pub optname: i32,
    pub optlen: i32,
    pub retval: i32,
}

/// A thread and process as numbered in a PID namespace.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct bpf_pidns_info {
    pub pid: u32,
    pub tgid: u32,
}

/// Part of [`bpf_sk_lookup`].
#[derive(Clone, Copy)]
#[repr(C)]
pub union bpf_sk_lookup__bindgen_ty_1 {
    pub sk: *mut bpf_sock,
    pub cookie: u64,
}

/// The context of an sk_lookup program.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct bpf_sk_lookup {
    pub __bindgen_anon_1: bpf_sk_lookup__bindgen_ty_1,
    pub family: u32,
    pub protocol: u32,
    pub remote_ip4: u32,
    pub remote_ip6: [u32; 4],
    pub remote_port: u16,
    __pad1: u16,
    pub local_ip4: u32,
    pub local_ip6: [u32; 4],
    pub local_port: u32,
    pub ingress_ifindex: u32,
}

/// An object of the kernel and its BTF type.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct btf_ptr {
    pub ptr: *mut c_void,
    pub type_id: u32,
    pub flags: u32,
}

/// Part of [`bpf_stack_build_id`].
#[derive(Clone, Copy)]
#[repr(C)]
pub union bpf_stack_build_id__bindgen_ty_1 {
    pub offset: u64,
    pub ip: u64,
}

/// A place in an executable.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct bpf_stack_build_id {
    pub status: i32,
    pub build_id: [u8; 20],
    pub __bindgen_anon_1: bpf_stack_build_id__bindgen_ty_1,
}

/// The key of a cgroup storage map.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct bpf_cgroup_storage_key {
    pub cgroup_inode_id: u64,
    pub attach_type: u32,
}

/// Deferred work in a map's value (6.10; only in BTF, not in the header).
#[derive(Clone, Copy)]
#[repr(C)]
pub struct bpf_wq {
    pub __opaque: [u64; 2],
}
