//! The arguments of bpf(2), one struct per command.
//!
//! `include/uapi/linux/bpf.h` has one big union; each struct here is one member of it, fields in
//! the same order under the same names, cut after the last field Hachi uses. A kernel that knows
//! fewer fields than a struct has accepts it as long as the ones it does not know are zero
//! (`bpf_check_uarg_tail_zero`), so fields of newer kernels stay zero until a feature needs them.
//! Pointers are `u64` on every architecture.

/// `BPF_OBJ_NAME_LEN`: object names have at most 15 bytes and a NUL.
pub(crate) const OBJ_NAME_LEN: usize = 16;

use super::bitfield;
pub(crate) use super::generated::commands::Cmd;

/// `BPF_MAP_CREATE`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct MapCreate {
    pub(crate) map_type: u32,
    pub(crate) key_size: u32,
    pub(crate) value_size: u32,
    pub(crate) max_entries: u32,
    pub(crate) map_flags: u32,
    pub(crate) inner_map_fd: u32,
    pub(crate) numa_node: u32,
    pub(crate) map_name: [u8; OBJ_NAME_LEN],
    pub(crate) map_ifindex: u32,
    pub(crate) btf_fd: u32,
    pub(crate) btf_key_type_id: u32,
    pub(crate) btf_value_type_id: u32,
    pub(crate) btf_vmlinux_value_type_id: u32,
    pub(crate) map_extra: u64,
    pub(crate) value_type_btf_obj_fd: i32,
    pub(crate) map_token_fd: i32,
}

/// `BPF_MAP_*_ELEM`, `BPF_MAP_GET_NEXT_KEY` (whose `next_key` takes the place of `value`) and
/// `BPF_MAP_FREEZE` (the descriptor alone).
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct MapElem {
    pub(crate) map_fd: u32,
    pub(crate) pad: u32,
    pub(crate) key: u64,
    pub(crate) value: u64,
    pub(crate) flags: u64,
}

/// `BPF_MAP_*_BATCH`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct MapBatch {
    pub(crate) in_batch: u64,
    pub(crate) out_batch: u64,
    pub(crate) keys: u64,
    pub(crate) values: u64,
    /// In: room; out: elements done.
    pub(crate) count: u32,
    pub(crate) map_fd: u32,
    pub(crate) elem_flags: u64,
    pub(crate) flags: u64,
}

/// `BPF_PROG_LOAD`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct ProgLoad {
    pub(crate) prog_type: u32,
    pub(crate) insn_cnt: u32,
    pub(crate) insns: u64,
    pub(crate) license: u64,
    pub(crate) log_level: u32,
    pub(crate) log_size: u32,
    pub(crate) log_buf: u64,
    pub(crate) kern_version: u32,
    pub(crate) prog_flags: u32,
    pub(crate) prog_name: [u8; OBJ_NAME_LEN],
    pub(crate) prog_ifindex: u32,
    pub(crate) expected_attach_type: u32,
    pub(crate) prog_btf_fd: u32,
    pub(crate) func_info_rec_size: u32,
    pub(crate) func_info: u64,
    pub(crate) func_info_cnt: u32,
    pub(crate) line_info_rec_size: u32,
    pub(crate) line_info: u64,
    pub(crate) line_info_cnt: u32,
    pub(crate) attach_btf_id: u32,
    /// Or `attach_btf_obj_fd`.
    pub(crate) attach_prog_fd: u32,
    pub(crate) core_relo_cnt: u32,
    pub(crate) fd_array: u64,
    pub(crate) core_relos: u64,
    pub(crate) core_relo_rec_size: u32,
    /// Out, Linux ≥ 6.4: the size the whole log would have had.
    pub(crate) log_true_size: u32,
    pub(crate) prog_token_fd: i32,
    /// Here so that no byte of the struct is padding.
    pub(crate) fd_array_cnt: u32,
}

/// `BPF_OBJ_PIN` and `BPF_OBJ_GET`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct ObjPin {
    pub(crate) pathname: u64,
    pub(crate) bpf_fd: u32,
    pub(crate) file_flags: u32,
}

/// `BPF_PROG_TEST_RUN`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct TestRun {
    pub(crate) prog_fd: u32,
    pub(crate) retval: u32,
    pub(crate) data_size_in: u32,
    pub(crate) data_size_out: u32,
    pub(crate) data_in: u64,
    pub(crate) data_out: u64,
    pub(crate) repeat: u32,
    pub(crate) duration: u32,
    pub(crate) ctx_size_in: u32,
    pub(crate) ctx_size_out: u32,
    pub(crate) ctx_in: u64,
    pub(crate) ctx_out: u64,
    pub(crate) flags: u32,
    pub(crate) cpu: u32,
    pub(crate) batch_size: u32,
    pub(crate) pad: u32,
}

/// `BPF_*_GET_NEXT_ID` and `BPF_*_GET_FD_BY_ID`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct GetId {
    /// `start_id`, or the id whose object to open.
    pub(crate) id: u32,
    pub(crate) next_id: u32,
    pub(crate) open_flags: u32,
}

/// `BPF_OBJ_GET_INFO_BY_FD`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct GetInfo {
    pub(crate) bpf_fd: u32,
    pub(crate) info_len: u32,
    pub(crate) info: u64,
}

/// `BPF_BTF_LOAD`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct BtfLoad {
    pub(crate) btf: u64,
    pub(crate) btf_log_buf: u64,
    pub(crate) btf_size: u32,
    pub(crate) btf_log_size: u32,
    pub(crate) btf_log_level: u32,
    /// Out, Linux ≥ 6.4.
    pub(crate) btf_log_true_size: u32,
    pub(crate) btf_flags: u32,
    pub(crate) btf_token_fd: i32,
}

/// `BPF_TOKEN_CREATE`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct TokenCreate {
    pub(crate) flags: u32,
    pub(crate) bpffs_fd: u32,
}

/// `BPF_LINK_CREATE`, with the part that depends on the attach type as words.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct LinkCreate {
    /// Or `map_fd`.
    pub(crate) prog_fd: u32,
    /// Or `target_ifindex`.
    pub(crate) target_fd: u32,
    pub(crate) attach_type: u32,
    pub(crate) flags: u32,
    pub(crate) words: [u32; 4],
}

/// `BPF_PROG_ATTACH` and `BPF_PROG_DETACH`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct ProgAttach {
    /// Or `target_ifindex`.
    pub(crate) target_fd: u32,
    pub(crate) attach_bpf_fd: u32,
    pub(crate) attach_type: u32,
    pub(crate) attach_flags: u32,
    pub(crate) replace_bpf_fd: u32,
    /// Or `relative_id`.
    pub(crate) relative_fd: u32,
    pub(crate) expected_revision: u64,
}

/// `BPF_PROG_QUERY`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct ProgQuery {
    /// Or `target_ifindex`.
    pub(crate) target_fd: u32,
    pub(crate) attach_type: u32,
    pub(crate) query_flags: u32,
    /// Out.
    pub(crate) attach_flags: u32,
    pub(crate) prog_ids: u64,
    /// In: room; out: programs.
    pub(crate) count: u32,
    pub(crate) pad: u32,
    pub(crate) prog_attach_flags: u64,
    pub(crate) link_ids: u64,
    pub(crate) link_attach_flags: u64,
    /// Out.
    pub(crate) revision: u64,
}

/// `BPF_LINK_CREATE` for programs of the tracing family, with the part that depends on the attach
/// type as words.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct LinkCreateTracing {
    pub(crate) prog_fd: u32,
    pub(crate) target_fd: u32,
    pub(crate) attach_type: u32,
    pub(crate) flags: u32,
    pub(crate) words: [u64; 6],
}

/// `BPF_RAW_TRACEPOINT_OPEN`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct RawTracepoint {
    pub(crate) name: u64,
    pub(crate) prog_fd: u32,
    pub(crate) pad: u32,
    pub(crate) cookie: u64,
}

/// `BPF_ITER_CREATE`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct IterCreate {
    pub(crate) link_fd: u32,
    pub(crate) flags: u32,
}

/// `BPF_ENABLE_STATS`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct EnableStats {
    /// `enum bpf_stats_type`.
    pub(crate) kind: u32,
}

/// `BPF_PROG_STREAM_READ_BY_FD`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct StreamRead {
    pub(crate) stream_buf: u64,
    pub(crate) stream_buf_len: u32,
    /// `enum bpf_stream_id`.
    pub(crate) stream_id: u32,
    pub(crate) prog_fd: u32,
    pub(crate) pad: u32,
}

/// `BPF_PROG_BIND_MAP`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct ProgBindMap {
    pub(crate) prog_fd: u32,
    pub(crate) map_fd: u32,
    pub(crate) flags: u32,
}

/// `BPF_TASK_FD_QUERY`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct TaskFdQuery {
    pub(crate) pid: u32,
    pub(crate) fd: u32,
    pub(crate) flags: u32,
    pub(crate) buf_len: u32,
    pub(crate) buf: u64,
    /// Out, as all that follows.
    pub(crate) prog_id: u32,
    pub(crate) fd_type: u32,
    pub(crate) probe_offset: u64,
    pub(crate) probe_addr: u64,
}

/// `BPF_LINK_UPDATE`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct LinkUpdate {
    pub(crate) link_fd: u32,
    pub(crate) new_prog_fd: u32,
    pub(crate) flags: u32,
    pub(crate) old_prog_fd: u32,
}

/// `BPF_LINK_DETACH`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct LinkDetach {
    pub(crate) link_fd: u32,
}

/// The first of the bitfields in `struct bpf_prog_info`.
pub(crate) const GPL_COMPATIBLE: u32 = bitfield::bit(0, 32) as u32;

/// `struct bpf_prog_info`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct ProgInfo {
    pub(crate) prog_type: u32,
    pub(crate) id: u32,
    pub(crate) tag: [u8; 8],
    pub(crate) jited_prog_len: u32,
    pub(crate) xlated_prog_len: u32,
    pub(crate) jited_prog_insns: u64,
    pub(crate) xlated_prog_insns: u64,
    /// Nanoseconds since boot.
    pub(crate) load_time: u64,
    pub(crate) created_by_uid: u32,
    pub(crate) nr_map_ids: u32,
    pub(crate) map_ids: u64,
    pub(crate) name: [u8; OBJ_NAME_LEN],
    pub(crate) ifindex: u32,
    /// A row of C bitfields: [`GPL_COMPATIBLE`].
    pub(crate) bits: u32,
    pub(crate) netns_dev: u64,
    pub(crate) netns_ino: u64,
    pub(crate) nr_jited_ksyms: u32,
    pub(crate) nr_jited_func_lens: u32,
    pub(crate) jited_ksyms: u64,
    pub(crate) jited_func_lens: u64,
    pub(crate) btf_id: u32,
    pub(crate) func_info_rec_size: u32,
    pub(crate) func_info: u64,
    pub(crate) nr_func_info: u32,
    pub(crate) nr_line_info: u32,
    pub(crate) line_info: u64,
    pub(crate) jited_line_info: u64,
    pub(crate) nr_jited_line_info: u32,
    pub(crate) line_info_rec_size: u32,
    pub(crate) jited_line_info_rec_size: u32,
    pub(crate) nr_prog_tags: u32,
    pub(crate) prog_tags: u64,
    pub(crate) run_time_ns: u64,
    pub(crate) run_cnt: u64,
    pub(crate) recursion_misses: u64,
    pub(crate) verified_insns: u32,
    pub(crate) attach_btf_obj_id: u32,
    pub(crate) attach_btf_id: u32,
    pub(crate) pad: u32,
}

/// `struct bpf_map_info`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct MapInfo {
    pub(crate) map_type: u32,
    pub(crate) id: u32,
    pub(crate) key_size: u32,
    pub(crate) value_size: u32,
    pub(crate) max_entries: u32,
    pub(crate) map_flags: u32,
    pub(crate) name: [u8; OBJ_NAME_LEN],
    pub(crate) ifindex: u32,
    pub(crate) btf_vmlinux_value_type_id: u32,
    pub(crate) netns_dev: u64,
    pub(crate) netns_ino: u64,
    pub(crate) btf_id: u32,
    pub(crate) btf_key_type_id: u32,
    pub(crate) btf_value_type_id: u32,
    pub(crate) btf_vmlinux_id: u32,
    pub(crate) map_extra: u64,
}

/// `struct bpf_btf_info`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct BtfInfo {
    pub(crate) btf: u64,
    pub(crate) btf_size: u32,
    pub(crate) id: u32,
    pub(crate) name: u64,
    pub(crate) name_len: u32,
    pub(crate) kernel_btf: u32,
}

/// `struct bpf_link_info`, with the union as words: which of them mean what depends on `link_type`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct LinkInfo {
    pub(crate) link_type: u32,
    pub(crate) id: u32,
    pub(crate) prog_id: u32,
    pub(crate) pad: u32,
    pub(crate) union: [u32; 12],
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    /// Offsets as pahole prints them for `union bpf_attr` and the info structs of Linux 6.12.
    #[test]
    fn layout_is_the_kernels() {
        assert_eq!(offset_of!(MapCreate, map_name), 28);
        assert_eq!(offset_of!(MapCreate, btf_vmlinux_value_type_id), 60);
        assert_eq!(offset_of!(MapCreate, map_extra), 64);
        assert_eq!(offset_of!(MapCreate, map_token_fd), 76);
        assert_eq!(offset_of!(ProgLoad, prog_token_fd), 144);
        assert_eq!(offset_of!(BtfLoad, btf_token_fd), 36);
        assert_eq!(offset_of!(MapElem, key), 8);
        assert_eq!(offset_of!(MapBatch, count), 32);
        assert_eq!(offset_of!(MapBatch, elem_flags), 40);
        assert_eq!(offset_of!(ProgLoad, prog_name), 48);
        assert_eq!(offset_of!(ProgLoad, expected_attach_type), 68);
        assert_eq!(offset_of!(ProgLoad, func_info), 80);
        assert_eq!(offset_of!(ProgLoad, line_info), 96);
        assert_eq!(offset_of!(ProgLoad, attach_btf_id), 108);
        assert_eq!(offset_of!(ProgLoad, fd_array), 120);
        assert_eq!(offset_of!(ProgLoad, log_true_size), 140);
        assert_eq!(offset_of!(TestRun, repeat), 32);
        assert_eq!(offset_of!(TestRun, flags), 64);
        assert_eq!(offset_of!(LinkCreate, words), 16);
        assert_eq!(offset_of!(ProgAttach, expected_revision), 24);
        assert_eq!(offset_of!(ProgQuery, prog_ids), 16);
        assert_eq!(offset_of!(ProgQuery, prog_attach_flags), 32);
        assert_eq!(offset_of!(ProgQuery, revision), 56);
        assert_eq!(offset_of!(GetInfo, info), 8);
        assert_eq!(offset_of!(BtfLoad, btf_log_true_size), 28);
        assert_eq!(offset_of!(ProgInfo, load_time), 40);
        assert_eq!(offset_of!(ProgInfo, name), 64);
        assert_eq!(offset_of!(ProgInfo, netns_dev), 88);
        assert_eq!(offset_of!(ProgInfo, btf_id), 128);
        assert_eq!(offset_of!(ProgInfo, run_time_ns), 192);
        assert_eq!(offset_of!(ProgInfo, verified_insns), 216);
        assert_eq!(size_of::<ProgInfo>(), 232);
        assert_eq!(offset_of!(MapInfo, netns_dev), 48);
        assert_eq!(offset_of!(MapInfo, map_extra), 80);
        assert_eq!(offset_of!(LinkInfo, union), 16);
    }
}
