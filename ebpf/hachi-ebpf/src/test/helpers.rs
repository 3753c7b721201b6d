//! The helpers, by number.
#![allow(
    non_upper_case_globals,
    reason = "numbers of helpers have the kernel's names"
)]

use std::string::String;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use std::vec;

use super::errno::*;
use super::kernel::map_at;
use super::map::{self, Contents, Map, RecordState};
use super::packet::{self, Frame};
use super::printf;
use super::state::{State, with};
use super::{Done, dynptr, memory, timer};
use crate::bindings::bpf_func_id::*;
use crate::bindings::{
    __sk_buff, BPF_LOCAL_STORAGE_GET_F_CREATE, BPF_NOEXIST, BPF_RB_AVAIL_DATA, BPF_RB_CONS_POS,
    BPF_RB_PROD_POS, BPF_RB_RING_SIZE, bpf_dynptr, xdp_action, xdp_md,
};
use crate::cty::c_void;

/// What a helper returns in its register.
type Result = Option<u64>;

/// Calls a helper with its arguments; `None` when there is no fake of it.
///
/// # Safety
/// The arguments are what the helper of that number takes: its prototype and the conditions of
/// [`helpers::generated`](crate::helpers::generated) hold.
pub(crate) unsafe fn call(number: u32, arguments: &[u64]) -> Result {
    let mut registers = [0; 5];
    registers[..arguments.len()].copy_from_slice(arguments);
    if let Some(replaced) = with(|state| state.replaced.get(&number).cloned()) {
        return Some((replaced.borrow_mut())(registers));
    }
    let call = Call(registers);
    // SAFETY: the caller's promise, here and below.
    unsafe {
        match number {
            BPF_FUNC_map_lookup_elem
            | BPF_FUNC_map_update_elem
            | BPF_FUNC_map_delete_elem
            | BPF_FUNC_map_push_elem
            | BPF_FUNC_map_pop_elem
            | BPF_FUNC_map_peek_elem
            | BPF_FUNC_for_each_map_elem
            | BPF_FUNC_map_lookup_percpu_elem => call.map(number),
            BPF_FUNC_probe_read
            | BPF_FUNC_probe_read_str
            | BPF_FUNC_probe_read_user
            | BPF_FUNC_probe_read_kernel
            | BPF_FUNC_probe_read_user_str
            | BPF_FUNC_probe_read_kernel_str
            | BPF_FUNC_copy_from_user => call.read(number),
            BPF_FUNC_ktime_get_ns
            | BPF_FUNC_jiffies64
            | BPF_FUNC_ktime_get_boot_ns
            | BPF_FUNC_ktime_get_coarse_ns
            | BPF_FUNC_ktime_get_tai_ns => Some(call.time(number)),
            BPF_FUNC_get_prandom_u32 => Some(with(|state| random(state).into())),
            BPF_FUNC_get_smp_processor_id | BPF_FUNC_get_numa_node_id => Some(0),
            BPF_FUNC_get_current_pid_tgid
            | BPF_FUNC_get_current_uid_gid
            | BPF_FUNC_get_current_comm
            | BPF_FUNC_get_current_task
            | BPF_FUNC_get_current_task_btf => call.task(number),
            BPF_FUNC_trace_printk
            | BPF_FUNC_seq_printf
            | BPF_FUNC_seq_write
            | BPF_FUNC_snprintf
            | BPF_FUNC_trace_vprintk => call.print(number),
            BPF_FUNC_skb_store_bytes
            | BPF_FUNC_skb_load_bytes
            | BPF_FUNC_skb_change_tail
            | BPF_FUNC_skb_pull_data
            | BPF_FUNC_skb_change_head
            | BPF_FUNC_xdp_adjust_head
            | BPF_FUNC_xdp_adjust_meta
            | BPF_FUNC_xdp_adjust_tail
            | BPF_FUNC_xdp_get_buff_len
            | BPF_FUNC_xdp_load_bytes
            | BPF_FUNC_xdp_store_bytes => call.packet(number),
            BPF_FUNC_perf_event_output
            | BPF_FUNC_skb_output
            | BPF_FUNC_xdp_output
            | BPF_FUNC_ringbuf_output
            | BPF_FUNC_ringbuf_reserve
            | BPF_FUNC_ringbuf_submit
            | BPF_FUNC_ringbuf_discard
            | BPF_FUNC_ringbuf_query
            | BPF_FUNC_ringbuf_reserve_dynptr
            | BPF_FUNC_ringbuf_submit_dynptr
            | BPF_FUNC_ringbuf_discard_dynptr
            | BPF_FUNC_user_ringbuf_drain => call.records(number),
            BPF_FUNC_csum_diff => call.csum_diff(),
            BPF_FUNC_redirect_map => Some(call.redirect_map()),
            BPF_FUNC_spin_lock | BPF_FUNC_spin_unlock => Some(0),
            BPF_FUNC_strtol | BPF_FUNC_strtoul | BPF_FUNC_strncmp => call.text(number),
            BPF_FUNC_sk_storage_get
            | BPF_FUNC_sk_storage_delete
            | BPF_FUNC_inode_storage_get
            | BPF_FUNC_inode_storage_delete
            | BPF_FUNC_task_storage_get
            | BPF_FUNC_task_storage_delete
            | BPF_FUNC_cgrp_storage_get
            | BPF_FUNC_cgrp_storage_delete => call.storage(number),
            BPF_FUNC_get_local_storage => call.local_storage(),
            BPF_FUNC_timer_init
            | BPF_FUNC_timer_set_callback
            | BPF_FUNC_timer_start
            | BPF_FUNC_timer_cancel => Some(call.timer(number)),
            BPF_FUNC_loop => Some(call.repeat()),
            BPF_FUNC_dynptr_read | BPF_FUNC_dynptr_write | BPF_FUNC_dynptr_data => {
                call.dynptr(number)
            }
            _ => None,
        }
    }
}

/// Nanoseconds since the machine was started: an hour before it was first asked.
pub fn now(state: &State) -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let running = || START.get_or_init(Instant::now).elapsed() + Duration::from_secs(3600);
    state.time.unwrap_or_else(|| running().as_nanos() as u64)
}

fn random(state: &mut State) -> u32 {
    if let Some(number) = state.random.pop_front() {
        return number;
    }
    // Sebastiano Vigna's SplitMix64.
    state.seed = state.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = state.seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z >> 32) as u32
}

/// The text at an address, up to its NUL or `most` bytes; `None` where nothing can be read.
pub fn string_at(address: u64, most: usize) -> Option<String> {
    let text = memory::read_string(address, most).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// What is returned for success, which is `value`, or an error.
fn returned(result: Done<u64>) -> u64 {
    result.unwrap_or_else(|error| error as u64)
}

fn done(result: Done) -> Result {
    Some(returned(result.map(|()| 0)))
}

fn address(pointer: Option<*mut u8>) -> u64 {
    pointer.map_or(0, |pointer| pointer.expose_provenance() as u64)
}

/// The registers of a call.
#[derive(Clone, Copy)]
struct Call([u64; 5]);

impl Call {
    fn pointer<T>(self, n: usize) -> *mut T {
        std::ptr::with_exposed_provenance_mut(self.0[n] as usize)
    }

    /// The memory that argument `n` points to.
    ///
    /// # Safety
    /// There are `len` bytes, which nobody writes.
    unsafe fn bytes<'a>(self, n: usize, len: usize) -> &'a [u8] {
        match len {
            0 => &[],
            // SAFETY: the caller's promise.
            _ => unsafe { std::slice::from_raw_parts(self.pointer(n), len) },
        }
    }

    /// As [`bytes`](Self::bytes), to be written by this helper alone.
    unsafe fn bytes_mut<'a>(self, n: usize, len: usize) -> &'a mut [u8] {
        match len {
            0 => &mut [],
            // SAFETY: the caller's promise.
            _ => unsafe { std::slice::from_raw_parts_mut(self.pointer(n), len) },
        }
    }

    /// Does something with the map that is the first argument.
    fn with_map<R>(self, f: impl FnOnce(&mut Map) -> R) -> R {
        with(|state| f(map_at(state, self.pointer::<c_void>(0))))
    }

    unsafe fn map(self, number: u32) -> Result {
        // SAFETY: keys and values have the sizes of the map's; callbacks are made for the map.
        unsafe {
            if number == BPF_FUNC_for_each_map_elem {
                return self.for_each();
            }
            self.with_map(|map| {
                let value_size = map.definition.value_size as usize;
                match number {
                    // One CPU.
                    BPF_FUNC_map_lookup_percpu_elem if self.0[2] as u32 != 0 => Some(0),
                    BPF_FUNC_map_lookup_elem | BPF_FUNC_map_lookup_percpu_elem => {
                        let key = map.key(self.pointer(1));
                        Some(map.found(&key))
                    }
                    BPF_FUNC_map_update_elem => {
                        let key = map.key(self.pointer(1));
                        done(map.update(&key, self.bytes(2, value_size), self.0[3]))
                    }
                    BPF_FUNC_map_delete_elem => {
                        let key = map.key(self.pointer(1));
                        done(map.delete(&key))
                    }
                    BPF_FUNC_map_push_elem => done(map.push(self.bytes(1, value_size), self.0[2])),
                    BPF_FUNC_map_pop_elem => done(map.next(self.bytes_mut(1, value_size), true)),
                    _ => done(map.next(self.bytes_mut(1, value_size), false)),
                }
            })
        }
    }

    unsafe fn for_each(self) -> Result {
        type Callback = unsafe extern "C" fn(*mut u8, *const u8, *mut u8, *mut u8) -> i64;
        let entries = self.with_map(|map| map.entries());
        let mut calls = 0;
        for (key, value) in entries {
            let aligned = map::allocated(&key);
            // SAFETY: the callback is one for this map.
            let stop = unsafe {
                let callback = std::mem::transmute::<*mut (), Callback>(self.pointer(1));
                callback(self.pointer(0), aligned, value, self.pointer(2))
            };
            calls += 1;
            if stop != 0 {
                break;
            }
        }
        Some(calls)
    }

    unsafe fn repeat(self) -> u64 {
        type Callback = unsafe extern "C" fn(u64, *mut u8) -> i64;
        let count = self.0[0] as u32;
        if count > 1 << 23 {
            return E2BIG as u64;
        }
        for i in 0..count {
            // SAFETY: the callback is one for loops.
            let stop = unsafe {
                let callback = std::mem::transmute::<*mut (), Callback>(self.pointer(1));
                callback(i.into(), self.pointer(2))
            };
            if stop != 0 {
                return u64::from(i) + 1;
            }
        }
        count.into()
    }

    unsafe fn read(self, number: u32) -> Result {
        let size = self.0[1] as u32 as usize;
        // SAFETY: the destination has this size.
        let to = unsafe { self.bytes_mut(0, size) };
        if !matches!(
            number,
            BPF_FUNC_probe_read_str | BPF_FUNC_probe_read_user_str | BPF_FUNC_probe_read_kernel_str
        ) {
            return done(memory::read(self.0[2], to));
        }
        // A string, which is cut where there is no room for its end.
        let Some(most) = size.checked_sub(1) else {
            return Some(0);
        };
        Some(match memory::read_string(self.0[2], most) {
            Ok(text) => {
                to[..text.len()].copy_from_slice(&text);
                to[text.len()] = 0;
                text.len() as u64 + 1
            }
            Err(error) => {
                to.fill(0);
                error as u64
            }
        })
    }

    fn time(self, number: u32) -> u64 {
        let now = with(|state| now(state));
        // Jiffies are of 4 ms.
        if number == BPF_FUNC_jiffies64 {
            now / 4_000_000
        } else {
            now
        }
    }

    unsafe fn task(self, number: u32) -> Result {
        let task = with(|state| state.task.clone());
        match number {
            BPF_FUNC_get_current_pid_tgid => Some(u64::from(task.tgid) << 32 | u64::from(task.pid)),
            BPF_FUNC_get_current_uid_gid => Some(u64::from(task.gid) << 32 | u64::from(task.uid)),
            BPF_FUNC_get_current_comm => {
                // SAFETY: the destination has this size.
                let to = unsafe { self.bytes_mut(0, self.0[1] as u32 as usize) };
                let comm = task.comm_bytes();
                let len = to.len().min(comm.len());
                to.fill(0);
                to[..len].copy_from_slice(&comm[..len]);
                if let Some(last) = to.last_mut() {
                    *last = 0;
                }
                Some(0)
            }
            // The address of the task: not null, and the same for the same thread.
            _ => Some(0x1_0000 | u64::from(task.pid) << 32),
        }
    }

    unsafe fn print(self, number: u32) -> Result {
        // SAFETY: formats and arguments have the sizes given.
        let (text, written) = unsafe {
            match number {
                BPF_FUNC_trace_printk => (self.format(0, 1, &self.0[2..5]), None),
                BPF_FUNC_trace_vprintk => (self.format(0, 1, self.words(2, 3)), None),
                BPF_FUNC_seq_printf => (self.format(1, 2, self.words(3, 4)), None),
                BPF_FUNC_seq_write => {
                    let bytes = self.bytes(1, self.0[2] as u32 as usize);
                    (String::from_utf8_lossy(bytes).into_owned(), None)
                }
                _ => {
                    let to = self.bytes_mut(0, self.0[1] as u32 as usize);
                    let format = memory::read_string(self.0[2], 512).unwrap_or_default();
                    let format = String::from_utf8_lossy(&format);
                    (printf::text(&format, self.words(3, 4)), Some(to))
                }
            }
        };
        let len = text.len() as u64;
        match written {
            Some(to) => {
                let room = to.len().saturating_sub(1).min(text.len());
                to.fill(0);
                to[..room].copy_from_slice(&text.as_bytes()[..room]);
                Some(len + 1)
            }
            None => {
                with(|state| state.printed.push(text));
                Some(
                    if number == BPF_FUNC_trace_printk || number == BPF_FUNC_trace_vprintk {
                        len
                    } else {
                        0
                    },
                )
            }
        }
    }

    /// The numbers that argument `n` points to, whose size is argument `size`.
    unsafe fn words<'a>(self, n: usize, size: usize) -> &'a [u64] {
        let len = self.0[size] as u32 as usize / 8;
        match len {
            0 => &[],
            // SAFETY: the caller's promise.
            _ => unsafe { std::slice::from_raw_parts(self.pointer(n), len) },
        }
    }

    /// The text of a format, whose size is argument `size`, with arguments.
    unsafe fn format(self, n: usize, size: usize, arguments: &[u64]) -> String {
        // SAFETY: the format has this size.
        let format = unsafe { self.bytes(n, self.0[size] as u32 as usize) };
        let format = format.strip_suffix(&[0]).unwrap_or(format);
        printf::text(&String::from_utf8_lossy(format), arguments)
    }

    unsafe fn packet(self, number: u32) -> Result {
        let ctx = self.0[0] as usize;
        let frame = |state: &mut State| state.frames.iter().find(|frame| frame.ctx == ctx).copied();
        let Some(frame) = with(frame) else {
            return Some(EFAULT as u64);
        };
        // SAFETY: the frame's context is of the type that the helper takes; buffers have their
        // sizes.
        unsafe {
            match number {
                BPF_FUNC_xdp_adjust_head
                | BPF_FUNC_xdp_adjust_meta
                | BPF_FUNC_xdp_adjust_tail
                | BPF_FUNC_xdp_get_buff_len
                | BPF_FUNC_xdp_load_bytes
                | BPF_FUNC_xdp_store_bytes => self.xdp(number, frame),
                _ => self.skb(number, frame),
            }
        }
    }

    unsafe fn xdp(self, number: u32, frame: Frame) -> Result {
        // SAFETY: as of `packet`.
        unsafe {
            let ctx = &mut *self.pointer::<xdp_md>(0);
            let delta = self.0[1] as i32;
            match number {
                BPF_FUNC_xdp_adjust_head => done(packet::xdp_adjust_head(frame, ctx, delta)),
                BPF_FUNC_xdp_adjust_meta => done(packet::xdp_adjust_meta(frame, ctx, delta)),
                BPF_FUNC_xdp_adjust_tail => done(packet::xdp_adjust_tail(frame, ctx, delta)),
                BPF_FUNC_xdp_get_buff_len => {
                    let ends = packet::xdp_ends(ctx);
                    Some(ends.data_end - ends.data)
                }
                _ => {
                    let ends = packet::xdp_ends(ctx);
                    let len = self.0[3] as u32;
                    let part = packet::part(ends, self.0[1] as u32, len, EINVAL);
                    self.copy(part, 2, len, number == BPF_FUNC_xdp_store_bytes)
                }
            }
        }
    }

    unsafe fn skb(self, number: u32, frame: Frame) -> Result {
        // SAFETY: as of `packet`.
        unsafe {
            let ctx = &mut *self.pointer::<__sk_buff>(0);
            let len = self.0[1] as u32;
            match number {
                BPF_FUNC_skb_change_tail => done(packet::skb_change_tail(frame, ctx, len)),
                BPF_FUNC_skb_pull_data if len > ctx.len => Some(EINVAL as u64),
                BPF_FUNC_skb_pull_data => Some(0),
                BPF_FUNC_skb_change_head => done(packet::skb_change_head(frame, ctx, len)),
                _ => {
                    let len = self.0[3] as u32;
                    let part = packet::part(packet::skb_ends(ctx), self.0[1] as u32, len, EFAULT);
                    self.copy(part, 2, len, number == BPF_FUNC_skb_store_bytes)
                }
            }
        }
    }

    /// Copies between `part` and what argument `n` points to.
    unsafe fn copy(self, part: Done<*mut u8>, n: usize, len: u32, write: bool) -> Result {
        let buffer: *mut u8 = self.pointer(n);
        done(part.map(|part| {
            let (from, to) = if write {
                (buffer, part)
            } else {
                (part, buffer)
            };
            // SAFETY: both have `len` bytes.
            unsafe { std::ptr::copy(from, to, len as usize) }
        }))
    }

    unsafe fn csum_diff(self) -> Result {
        let (from, to) = (self.0[1] as u32 as usize, self.0[3] as u32 as usize);
        if from % 4 != 0 || to % 4 != 0 || from > 512 || to > 512 {
            return Some(EINVAL as u64);
        }
        // SAFETY: both have the sizes given.
        let (from, to) = unsafe { (self.bytes(0, from), self.bytes(2, to)) };
        let words = |bytes: &'static [u8]| {
            bytes
                .chunks_exact(4)
                .map(|word| u32::from_ne_bytes([word[0], word[1], word[2], word[3]]))
        };
        let mut sum = u64::from(self.0[4] as u32);
        sum += words(from).map(|word| u64::from(!word)).sum::<u64>();
        sum += words(to).map(u64::from).sum::<u64>();
        while sum >> 16 != 0 {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        Some(sum)
    }

    fn redirect_map(self) -> u64 {
        let key = (self.0[1] as u32).to_ne_bytes();
        match self.with_map(|map| map.lookup(&key)) {
            Some(_) => xdp_action::XDP_REDIRECT.into(),
            None => self.0[2] & 3,
        }
    }

    unsafe fn text(self, number: u32) -> Result {
        // SAFETY: texts have the sizes given, results their places.
        unsafe {
            if number == BPF_FUNC_strncmp {
                let first = self.bytes(0, self.0[1] as u32 as usize);
                let second = memory::read_string(self.0[2], first.len()).unwrap_or_default();
                let first = first.split(|byte| *byte == 0).next().unwrap_or_default();
                return Some(first.cmp(&second) as i64 as u64);
            }
            let text = self.bytes(0, self.0[1] as usize);
            Some(
                match number_in(text, self.0[2], number == BPF_FUNC_strtol) {
                    Ok((value, taken)) => {
                        self.pointer::<u64>(3).write(value);
                        taken as u64
                    }
                    Err(error) => error as u64,
                },
            )
        }
    }

    unsafe fn storage(self, number: u32) -> Result {
        let owner = self.0[1].to_ne_bytes();
        if self.0[1] == 0 {
            return Some(
                if matches!(
                    number,
                    BPF_FUNC_sk_storage_get
                        | BPF_FUNC_inode_storage_get
                        | BPF_FUNC_task_storage_get
                        | BPF_FUNC_cgrp_storage_get
                ) {
                    0
                } else {
                    EINVAL as u64
                },
            );
        }
        self.with_map(|map| {
            if !matches!(
                number,
                BPF_FUNC_sk_storage_get
                    | BPF_FUNC_inode_storage_get
                    | BPF_FUNC_task_storage_get
                    | BPF_FUNC_cgrp_storage_get
            ) {
                return done(map.delete(&owner));
            }
            let found = map.found(&owner);
            if found != 0 || self.0[3] != BPF_LOCAL_STORAGE_GET_F_CREATE {
                return Some(found);
            }
            let size = map.definition.value_size as usize;
            let zeros = vec![0; size];
            let initial = match self.0[2] {
                0 => &zeros[..],
                // SAFETY: the initial value has the size of the map's.
                _ => unsafe { self.bytes(2, size) },
            };
            let _ = map.update(&owner, initial, BPF_NOEXIST);
            Some(map.found(&owner))
        })
    }

    /// The value of a storage map of cgroups: of the one cgroup that there is.
    fn local_storage(self) -> Result {
        self.with_map(|map| {
            let key = vec![0; map.definition.key_size as usize];
            let found = map.found(&key);
            if found != 0 {
                return Some(found);
            }
            let zeros = vec![0; map.definition.value_size as usize];
            let _ = map.update(&key, &zeros, BPF_NOEXIST);
            Some(map.found(&key))
        })
    }

    unsafe fn timer(self, number: u32) -> u64 {
        let at = self.0[0] as usize;
        with(|state| {
            returned(match number {
                BPF_FUNC_timer_init => timer::init(state, at, self.0[1] as usize).map(|()| 0),
                BPF_FUNC_timer_set_callback => {
                    // SAFETY: the callback is one for timers.
                    unsafe { timer::set_callback(state, at, self.pointer(1)) }.map(|()| 0)
                }
                BPF_FUNC_timer_start => timer::start(state, at, self.0[1], self.0[2]).map(|()| 0),
                _ => timer::cancel(state, at).map(u64::from),
            })
        })
    }

    unsafe fn dynptr(self, number: u32) -> Result {
        // SAFETY: the dynptr is one; buffers have the sizes given.
        unsafe {
            match number {
                BPF_FUNC_dynptr_read => {
                    let dynptr = &*self.pointer::<bpf_dynptr>(2);
                    let len = self.0[1] as u32;
                    self.copy(
                        dynptr::part(dynptr, self.0[3] as u32, len, false),
                        0,
                        len,
                        false,
                    )
                }
                BPF_FUNC_dynptr_write => {
                    let dynptr = &*self.pointer::<bpf_dynptr>(0);
                    let len = self.0[3] as u32;
                    self.copy(
                        dynptr::part(dynptr, self.0[1] as u32, len, true),
                        2,
                        len,
                        true,
                    )
                }
                _ => {
                    let dynptr = &*self.pointer::<bpf_dynptr>(0);
                    let part = dynptr::part(dynptr, self.0[1] as u32, self.0[2] as u32, true);
                    Some(address(part.ok()))
                }
            }
        }
    }

    unsafe fn records(self, number: u32) -> Result {
        // SAFETY: records have the sizes given, dynptrs their places.
        unsafe {
            match number {
                // With a context before the map.
                BPF_FUNC_perf_event_output | BPF_FUNC_skb_output | BPF_FUNC_xdp_output => {
                    let record = self.bytes(3, self.0[4] as usize).to_vec();
                    with(
                        |state| match &mut map_at(state, self.pointer::<c_void>(1)).contents {
                            Contents::Records(records) => {
                                records.push_back(record);
                                Some(0)
                            }
                            _ => Some(EINVAL as u64),
                        },
                    )
                }
                BPF_FUNC_ringbuf_output => {
                    let record = self.bytes(1, self.0[2] as usize);
                    let Some(to) = self.reserve(record.len()) else {
                        return Some(EAGAIN as u64);
                    };
                    to.copy_from_nonoverlapping(record.as_ptr(), record.len());
                    commit(to, RecordState::Submitted);
                    Some(0)
                }
                BPF_FUNC_ringbuf_reserve if self.0[2] != 0 => Some(0),
                BPF_FUNC_ringbuf_reserve => Some(address(self.reserve(self.0[1] as usize))),
                BPF_FUNC_ringbuf_submit => Some(commit(self.pointer(0), RecordState::Submitted)),
                BPF_FUNC_ringbuf_discard => Some(commit(self.pointer(0), RecordState::Discarded)),
                BPF_FUNC_ringbuf_query => Some(self.query()),
                BPF_FUNC_ringbuf_reserve_dynptr => {
                    let (len, to) = (self.0[1] as u32 as usize, self.pointer::<bpf_dynptr>(3));
                    let reserved = match self.0[2] {
                        0 => self.reserve(len),
                        _ => None,
                    };
                    let empty = dynptr::new(std::ptr::null(), 0, true);
                    to.write(reserved.map_or(empty, |data| dynptr::new(data, len, false)));
                    Some(if reserved.is_some() { 0 } else { EINVAL as u64 })
                }
                BPF_FUNC_ringbuf_submit_dynptr | BPF_FUNC_ringbuf_discard_dynptr => {
                    let state = match number {
                        BPF_FUNC_ringbuf_submit_dynptr => RecordState::Submitted,
                        _ => RecordState::Discarded,
                    };
                    let dynptr = &*self.pointer::<bpf_dynptr>(0);
                    Some(dynptr::data(dynptr).map_or(0, |data| commit(data, state)))
                }
                _ => self.drain(),
            }
        }
    }

    fn reserve(self, len: usize) -> Option<*mut u8> {
        self.with_map(|map| {
            let size = map.definition.max_entries;
            match &mut map.contents {
                Contents::Ring(ring) => ring.reserve(size, len),
                _ => None,
            }
        })
    }

    fn query(self) -> u64 {
        self.with_map(|map| {
            let size = map.definition.max_entries;
            let Contents::Ring(ring) = &map.contents else {
                return 0;
            };
            match self.0[1] {
                BPF_RB_AVAIL_DATA => ring.produced - ring.consumed,
                BPF_RB_RING_SIZE => size.into(),
                BPF_RB_CONS_POS => ring.consumed,
                BPF_RB_PROD_POS => ring.produced,
                _ => 0,
            }
        })
    }

    unsafe fn drain(self) -> Result {
        type Callback = unsafe extern "C" fn(*mut bpf_dynptr, *mut u8) -> i64;
        let next = || {
            self.with_map(|map| match &mut map.contents {
                Contents::Records(records) => records.pop_front(),
                _ => None,
            })
        };
        let mut calls = 0;
        while let Some(record) = next() {
            let mut dynptr = dynptr::new(record.as_ptr(), record.len(), true);
            // SAFETY: the callback is one for records of user space.
            let stop = unsafe {
                let callback = std::mem::transmute::<*mut (), Callback>(self.pointer(1));
                callback(&raw mut dynptr, self.pointer(2))
            };
            calls += 1;
            if stop != 0 {
                break;
            }
        }
        Some(calls)
    }
}

impl Map {
    /// What a program gets when it looks for a key: the address of the value, of the map in a map
    /// of maps, or 0.
    fn found(&mut self, key: &[u8]) -> u64 {
        let found = self.lookup(key);
        match found {
            // SAFETY: values of maps of maps are addresses.
            Some(value) if self.holds_maps() => unsafe { value.cast::<u64>().read() },
            _ => address(found),
        }
    }
}

/// Ends a reservation in whichever ring buffer it is.
fn commit(data: *mut u8, to: RecordState) -> u64 {
    with(|state| {
        let rings = state
            .maps
            .values_mut()
            .filter_map(|map| match &mut map.contents {
                Contents::Ring(ring) => Some(ring),
                _ => None,
            });
        for ring in rings {
            if ring.commit(data, to) {
                return 0;
            }
        }
        panic!("a record was submitted or discarded that is not reserved");
    })
}

/// The number at the beginning of a text, and its length, as `bpf_strtol` and `bpf_strtoul` have
/// it.
fn number_in(text: &[u8], base: u64, signed: bool) -> Done<(u64, usize)> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    let text = std::str::from_utf8(text).unwrap_or_default();
    let digits = text.trim_start();
    let (negative, digits) = match digits.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, digits),
    };
    if negative && !signed {
        return Err(EINVAL);
    }
    let hexadecimal = digits.strip_prefix("0x").or(digits.strip_prefix("0X"));
    let (base, digits) = match (base, hexadecimal) {
        (0 | 16, Some(digits)) => (16, digits),
        (0, None) if digits.starts_with('0') => (8, digits),
        (0, None) => (10, digits),
        (8 | 10 | 16, _) => (base as u32, digits),
        _ => return Err(EINVAL),
    };
    let len = digits
        .find(|digit: char| !digit.is_digit(base))
        .unwrap_or(digits.len());
    if len == 0 {
        return Err(EINVAL);
    }
    let magnitude = u64::from_str_radix(&digits[..len], base).map_err(|_| ERANGE)?;
    let value = match (signed, negative) {
        (false, _) => magnitude,
        (true, false) => i64::try_from(magnitude).map_err(|_| ERANGE)? as u64,
        (true, true) => 0_i64.checked_sub_unsigned(magnitude).ok_or(ERANGE)? as u64,
    };
    Ok((value, text.len() - digits.len() + len))
}
