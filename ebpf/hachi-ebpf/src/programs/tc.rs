//! TC: packets on their way through an interface, in or out.

use super::{context, context_fields, context_setters};
use crate::bindings::__sk_buff;
use crate::cty::c_long;
use crate::helpers;

context! {
    /// The packet a TC program (`#[classifier]`, `#[action]`, `#[netkit]`) is called for (4.1).
    ///
    /// The methods that look into the packet check its bounds; offsets count from the packet's
    /// first byte (the Ethernet header's). They see the part of the packet that lies in one piece,
    /// its headers usually; [`pull_data`](Self::pull_data) makes it longer, and
    /// [`load`](Self::load) and [`store`](Self::store) reach all bytes. References into the packet
    /// borrow the context, and what moves the packet borrows it mutably.
    ///
    /// ```
    /// use hachi_ebpf::macros::classifier;
    /// use hachi_ebpf::programs::TcContext;
    /// use hachi_ebpf::bindings::{TC_ACT_OK, TC_ACT_SHOT};
    ///
    /// #[classifier]
    /// fn no_long_ones(ctx: TcContext) -> i32 {
    ///     match ctx.len() {
    ///         0..=1000 => TC_ACT_OK,
    ///         _ => TC_ACT_SHOT,
    ///     }
    /// }
    /// ```
    TcContext(__sk_buff), "#[classifier]"
}

skb_fields!(TcContext);
packet_ends!(TcContext);
packet_reads!(TcContext);
packet_writes!(TcContext);
skb_changes!(TcContext);
skb_routing!(TcContext);

context_fields! { TcContext {
    /// What earlier classifiers said (`skb->tc_index`).
    tc_index: tc_index -> u32;
    /// The class the packet goes to.
    tc_classid: tc_classid -> u32;
    /// When the packet is to leave, or came; nanoseconds (5.0).
    tstamp: tstamp -> u64;
    /// Length on the wire, with all headers that segmentation will add (5.0).
    wire_len: wire_len -> u32;
    /// Number of segments that the packet will be cut into (5.1).
    gso_segs: gso_segs -> u32;
    /// Size of each (5.7).
    gso_size: gso_size -> u32;
} }

context_setters! { TcContext {
    /// Sets the mark that netfilter and routing look at.
    set_mark: mark = u32;
    /// Sets the priority for queueing.
    set_priority: priority = u32;
    /// Chooses the queue of the device.
    set_queue_mapping: queue_mapping = u32;
    /// Leaves a number for later classifiers.
    set_tc_index: tc_index = u32;
    /// Sets the class the packet goes to.
    set_tc_classid: tc_classid = u32;
    /// Sets when the packet is to leave; nanoseconds (5.0).
    set_tstamp: tstamp = u64;
} }

impl TcContext {
    /// Adds (or with a negative `len_diff` removes) room behind the Ethernet header
    /// (`BPF_ADJ_ROOM_MAC`) or the IP header (`BPF_ADJ_ROOM_NET`); `flags` are `BPF_F_ADJ_ROOM_…`
    /// (4.13).
    ///
    /// # Errors
    /// `-ENOTSUPP` (-524) for packets that cannot be changed so, `-ENOMEM`.
    #[inline(always)]
    pub fn adjust_room(&mut self, len_diff: i32, mode: u32, flags: u64) -> Result<(), c_long> {
        // SAFETY: the context is the kernel's, and no reference into the packet exists.
        helpers::check(unsafe { helpers::bpf_skb_adjust_room(self.ctx, len_diff, mode, flags) })
    }

    /// Changes the protocol between IPv4 and IPv6 (`proto`, in network byte order), with room for
    /// the headers only (4.8). `flags` is 0.
    ///
    /// # Errors
    /// `-ENOTSUPP` (-524) for other protocols, `-ENOMEM`.
    #[inline(always)]
    pub fn change_proto(&mut self, proto: u16, flags: u64) -> Result<(), c_long> {
        // SAFETY: the context is the kernel's, and no reference into the packet exists.
        helpers::check(unsafe { helpers::bpf_skb_change_proto(self.ctx, proto, flags) })
    }

    /// Changes for whom the packet is: `PACKET_HOST` (0) and so on (4.8).
    ///
    /// # Errors
    /// `-EINVAL` for other types than those of arriving packets.
    #[inline(always)]
    pub fn change_type(&mut self, r#type: u32) -> Result<(), c_long> {
        // SAFETY: the context is the kernel's.
        helpers::check(unsafe { helpers::bpf_skb_change_type(self.ctx, r#type) })
    }

    /// Puts a VLAN tag on the packet; `proto` is in network byte order (4.3).
    ///
    /// # Errors
    /// `-ENOMEM`.
    #[inline(always)]
    pub fn vlan_push(&mut self, proto: u16, tci: u16) -> Result<(), c_long> {
        // SAFETY: the context is the kernel's, and no reference into the packet exists.
        helpers::check(unsafe { helpers::bpf_skb_vlan_push(self.ctx, proto, tci) })
    }

    /// Takes the VLAN tag off the packet (4.3).
    ///
    /// # Errors
    /// `-ENOMEM`.
    #[inline(always)]
    pub fn vlan_pop(&mut self) -> Result<(), c_long> {
        // SAFETY: the context is the kernel's, and no reference into the packet exists.
        helpers::check(unsafe { helpers::bpf_skb_vlan_pop(self.ctx) })
    }

    /// The user who owns the packet's socket (4.12).
    #[inline(always)]
    pub fn get_socket_uid(&self) -> u32 {
        // SAFETY: the context is the kernel's.
        unsafe { helpers::bpf_get_socket_uid(self.ctx) }
    }

    /// The class (`net_cls` of cgroup v1) of the task that sends the packet; 0 when it has none
    /// (`bpf_get_cgroup_classid`, 4.3). For packets on their way out.
    #[inline(always)]
    pub fn cgroup_classid(&self) -> u32 {
        // SAFETY: the context is the kernel's.
        unsafe { helpers::bpf_get_cgroup_classid(self.ctx) }
    }

    /// The class (`net_cls` of cgroup v1) of the packet's socket; 0 when it has none
    /// (`bpf_skb_cgroup_classid`, 5.10).
    #[inline(always)]
    pub fn socket_classid(&self) -> u64 {
        // SAFETY: the context is the kernel's.
        unsafe { helpers::bpf_skb_cgroup_classid(self.ctx) }
    }

    /// A number that stands for the packet's socket as long as the machine runs; 0 when it has none
    /// (4.12).
    #[inline(always)]
    pub fn get_socket_cookie(&self) -> u64 {
        // SAFETY: the context is the kernel's.
        unsafe { helpers::bpf_get_socket_cookie(self.ctx.cast()) }
    }

    /// The packet's hash, computed if it has none (4.8).
    #[inline(always)]
    pub fn get_hash_recalc(&self) -> u32 {
        // SAFETY: the context is the kernel's.
        unsafe { helpers::bpf_get_hash_recalc(self.ctx) }
    }
}
