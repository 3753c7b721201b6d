//! Structures of the kernel, as far as the programs read them. They stand for those that
//! `aya-tool generate` writes, with all the fields and the places that these have in one kernel.

#![allow(non_camel_case_types, reason = "they are the kernel's names")]

#[derive(Clone, Copy)]
#[repr(C)]
pub struct task_struct {
    pub __state: u32,
    pub pid: i32,
    pub tgid: i32,
    pub real_parent: *const task_struct,
    pub comm: [u8; 16],
    pub mm: *const mm_struct,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub struct mm_struct {
    pub arg_start: u64,
    pub arg_end: u64,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub struct request {
    _private: [u8; 0],
}

#[derive(Clone, Copy)]
#[repr(C)]
pub struct file {
    pub f_inode: *const inode,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub struct inode {
    pub i_sb: *const super_block,
    pub i_ino: u64,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub struct super_block {
    pub s_dev: u32,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub struct linux_binprm {
    pub file: *const file,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub struct sock {
    pub __sk_common: sock_common,
    pub sk_protocol: u16,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub struct sock_common {
    pub skc_daddr: u32,
    pub skc_rcv_saddr: u32,
    pub skc_dport: u16,
    pub skc_family: u16,
    pub skc_v6_daddr: in6_addr,
    pub skc_v6_rcv_saddr: in6_addr,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub struct in6_addr {
    pub in6_u: in6_addr_union,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub union in6_addr_union {
    pub u6_addr8: [u8; 16],
    pub u6_addr32: [u32; 4],
}

#[derive(Clone, Copy)]
#[repr(C)]
pub struct inet_sock {
    pub sk: sock,
    pub inet_sport: u16,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub struct tcp_sock {
    pub inet: inet_sock,
    pub bytes_received: u64,
    pub bytes_acked: u64,
}
