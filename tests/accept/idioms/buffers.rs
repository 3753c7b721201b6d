//! Buffers on the stack, filled and read as far as somebody says.

use crate::prelude::*;

struct Writer<'a> {
    buffer: &'a mut [u8],
    used: usize,
}

impl Writer<'_> {
    fn byte(&mut self, byte: u8) -> Result<(), ()> {
        *self.buffer.get_mut(self.used).ok_or(())? = byte;
        self.used += 1;
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), ()> {
        for byte in bytes {
            self.byte(*byte)?;
        }
        Ok(())
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (part, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(part)
    }
}

fn hash(t: &[u8]) -> u64 {
    t.iter().fold(17, |h: u64, b| h.wrapping_mul(31).wrapping_add(u64::from(*b)))
}

programs! {
    text fn a_writer(t) {
        let mut buffer = [0u8; 48];
        let mut writer = Writer { buffer: &mut buffer, used: 0 };
        let done = writer.byte(b'<').and_then(|()| writer.bytes(&t[..t.len().min(20)]));
        let used = writer.used;
        hash(&buffer) + used as u64 + u64::from(done.is_err())
    }

    text fn a_writer_that_is_full(t) {
        let mut buffer = [0u8; 16];
        let mut writer = Writer { buffer: &mut buffer, used: 0 };
        let full = writer.bytes(t).is_err();
        hash(&buffer) ^ u64::from(full)
    }

    text fn a_reader(t) {
        let mut reader = Reader(t);
        let Some(kind) = reader.byte() else { return 1 };
        let Some(length) = reader.byte() else { return 2 };
        match reader.take(usize::from(length & 15)) {
            Some(part) => hash(part) ^ u64::from(kind),
            None => 3,
        }
    }

    text fn a_reader_of_records(t) {
        let mut reader = Reader(t);
        let mut sum = 0u64;
        for _ in 0..8 {
            let Some(length) = reader.byte() else { break };
            let Some(part) = reader.take(usize::from(length & 7)) else { break };
            sum = sum.wrapping_mul(3) ^ hash(part);
        }
        sum
    }

    text fn padded(t) {
        let mut buffer = [b' '; 64];
        let (head, _) = buffer.split_at_mut(t.len());
        head.copy_from_slice(t);
        hash(&buffer)
    }

    text fn joined(t) {
        let mut buffer = [0u8; 64];
        let n = t.len().min(30);
        buffer[..n].copy_from_slice(&t[..n]);
        buffer[n] = b'/';
        buffer[n + 1..n + 5].copy_from_slice(b"tail");
        hash(&buffer[..n + 5])
    }

    text fn escaped(t) {
        let mut out = [0u8; 64];
        let mut used = 0;
        for byte in t.iter().take(20) {
            if byte.is_ascii_graphic() {
                out[used] = *byte;
                used += 1;
            } else {
                out[used] = b'\\';
                out[used + 1] = b'0' + (byte & 7);
                used += 2;
            }
        }
        hash(&out[..used])
    }

    bytes fn a_window_moved(b) {
        let at = usize::from(b[0] & 31);
        let n = usize::from(b[1] & 15) + 1;
        hash(&b[at..at + n])
    }

    bytes fn a_byte_set(b) {
        let at = usize::from(b[0]);
        if at < b.len() {
            b[at] = 0xaa;
        }
        hash(&b)
    }

    bytes fn zeroed_from_a_place_on(b) {
        let from = usize::from(b[3]) % b.len();
        b[from..].fill(0);
        hash(&b)
    }

    bytes fn two_parts_swapped(b) {
        let (left, right) = b.split_at_mut(32);
        left.swap_with_slice(right);
        hash(&b[..40])
    }

    bytes fn a_checked_copy(b) {
        let mut to = [0u8; 24];
        let n = usize::from(b[0]);
        match (to.get_mut(..n), b.get(1..1 + n)) {
            (Some(to), Some(from)) => to.copy_from_slice(from),
            _ => return 5,
        }
        hash(&to)
    }

    bytes fn run_lengths(b) {
        let mut out = [(0u8, 0u8); 16];
        let mut used = 0;
        for byte in &b[..24] {
            if let Some((last, n)) = out[..used].last_mut() && last == byte {
                *n += 1;
            } else if used < out.len() {
                out[used] = (*byte, 1);
                used += 1;
            } else {
                break;
            }
        }
        out.iter().fold(used as u64, |h, (a, n)| h.wrapping_mul(7) + u64::from(*a) * u64::from(*n))
    }
}
