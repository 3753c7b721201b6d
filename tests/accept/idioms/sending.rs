//! Texts of variable length, read by helpers and sent on.

use crate::prelude::*;
use hachi_ebpf::helpers::{bpf_probe_read_kernel_buf, bpf_probe_read_kernel_str_bytes};

#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(1 << 20, 0);
#[map]
static LAST: Array<[u8; 64]> = Array::with_max_entries(1, 0);
#[map]
static LENGTHS: HashMap<[u8; 16], u64> = HashMap::with_max_entries(256, 0);

/// Has the text in memory that ends with a NUL, and reads it from there as a tracer does.
#[inline(always)]
fn read_again<'a>(t: &[u8], memory: &mut [u8; 65], buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    for (to, from) in memory.iter_mut().zip(t) {
        *to = *from;
    }
    // SAFETY: the helper checks what it reads.
    unsafe { bpf_probe_read_kernel_str_bytes(memory.as_ptr(), buffer).ok() }
}

programs! {
    text fn a_slice_sent(t) {
        u64::from(EVENTS.output(t, 0).is_ok()) + t.len() as u64
    }

    text fn a_text_read_and_sent(t) {
        let (mut memory, mut buffer) = ([0u8; 65], [0u8; 48]);
        let text = read_again(t, &mut memory, &mut buffer).unwrap_or(&[]);
        u64::from(EVENTS.output(text, 0).is_ok()) + text.len() as u64
    }

    text fn a_text_read_and_hashed(t) {
        let (mut memory, mut buffer) = ([0u8; 65], [0u8; 64]);
        let Some(text) = read_again(t, &mut memory, &mut buffer) else { return 1 };
        text.iter().fold(0, |h: u64, b| h.wrapping_mul(31).wrapping_add(u64::from(*b)))
    }

    text fn a_text_read_and_cut(t) {
        let (mut memory, mut buffer) = ([0u8; 65], [0u8; 64]);
        let Some(text) = read_again(t, &mut memory, &mut buffer) else { return 1 };
        let name = match text.iter().rposition(|b| *b == b'/') {
            Some(at) => &text[at + 1..],
            None => text,
        };
        let _ = EVENTS.output(name, 0);
        name.len() as u64
    }

    text fn a_text_read_and_kept(t) {
        let (mut memory, mut buffer) = ([0u8; 65], [0u8; 64]);
        let length = read_again(t, &mut memory, &mut buffer).map_or(0, <[u8]>::len);
        let _ = LAST.set(0, buffer, 0);
        let Some(kept) = LAST.get(0) else { return 1 };
        kept[..length].iter().map(|b| u64::from(*b)).sum()
    }

    text fn a_text_read_as_a_key(t) {
        let (mut memory, mut key) = ([0u8; 65], [0u8; 16]);
        let _ = read_again(t, &mut memory, &mut key);
        let _ = LENGTHS.insert(key, t.len() as u64, 0);
        LENGTHS.get(key).unwrap_or(0)
    }

    text fn a_part_sent(t) {
        let start = t.len() / 3;
        let part = &t[start..];
        u64::from(EVENTS.output(part, 0).is_ok()) << 8 | part.len() as u64
    }

    text fn sent_unless_empty(t) {
        if t.is_empty() {
            return 0;
        }
        u64::from(EVENTS.output(t, 0).is_ok())
    }

    text fn sent_with_a_limit(t) {
        let text = &t[..t.len().min(20)];
        u64::from(EVENTS.output(text, 0).is_ok()) + 2 * text.len() as u64
    }

    text fn a_record_filled(t) {
        let Some(mut record) = EVENTS.reserve::<[u8; 32]>(0) else { return 1 };
        let mut bytes = [0u8; 32];
        for (to, from) in bytes.iter_mut().zip(t) {
            *to = *from;
        }
        record.write(bytes);
        record.submit(0);
        bytes.iter().map(|b| u64::from(*b)).sum()
    }

    text fn memory_read_by_length(t) {
        let (mut memory, mut buffer) = ([7u8; 64], [0u8; 32]);
        memory[..t.len()].copy_from_slice(t);
        let n = t.len().min(buffer.len());
        let part = &mut buffer[..n];
        // SAFETY: the helper checks what it reads.
        let read = unsafe { bpf_probe_read_kernel_buf(memory.as_ptr(), part) };
        u64::from(read.is_ok()) + buffer.iter().map(|b| u64::from(*b)).sum::<u64>() * 2
    }

    text fn two_texts_sent(t) {
        let (left, right) = t.split_at(t.len() / 2);
        let both = [EVENTS.output(left, 0), EVENTS.output(right, 0)];
        both.iter().filter(|sent| sent.is_ok()).count() as u64
    }
}
