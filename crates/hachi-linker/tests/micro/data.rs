// Slices, arrays, strings and memory.

fn bytes(x: &Input) -> [u8; 64] {
    let mut out = [0u8; 64];
    for (chunk, word) in out.chunks_exact_mut(8).zip(x) {
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    out
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().map(|b| u64::from(*b)).sum()
}

struct Header<'a>(&'a [u8]);

impl<'a> Header<'a> {
    #[inline(never)]
    fn ethertype(&self) -> Option<u16> {
        let b = self.0.get(12..14)?;
        Some(u16::from_be_bytes(b.try_into().ok()?))
    }

    #[inline(never)]
    fn payload(&self) -> Option<&'a [u8]> {
        self.0.get(14..)
    }
}

programs! {
    fn slice_get(x) {
        let b = bytes(x);
        let b = &b[..];
        let t = b.get(12..14).map_or(0, |s| u64::from(u16::from_be_bytes([s[0], s[1]])));
        t ^ u64::from(b.get(63).copied().unwrap_or(9)) ^ u64::from(b.get(64).copied().unwrap_or(7))
    }

    fn slice_index_dynamic(x) {
        let b = bytes(x);
        u64::from(b[(x[1] & 63) as usize])
    }

    // Panics when out of bounds.
    fn slice_index_or_panic(x) {
        let b = bytes(x);
        u64::from(b[(x[1] & 127) as usize])
    }

    fn slice_range_or_panic(x) {
        let b = bytes(x);
        let from = (x[1] & 15) as usize;
        let to = (x[2] & 15) as usize;
        sum(&b[from..to])
    }

    fn slice_returned(x) {
        let b = bytes(x);
        let h = Header(&b);
        let t = h.ethertype().unwrap_or(1);
        u64::from(t) ^ h.payload().map_or(3, |p| u64::from(p[0]) + p.len() as u64)
    }

    fn slice_split(x) {
        let b = bytes(x);
        let (head, tail) = b.split_at(20);
        let first = head.first().copied().unwrap_or(0);
        let last = tail.last().copied().unwrap_or(0);
        u64::from(first) | (u64::from(last) << 8) | ((tail.len() as u64) << 16)
    }

    fn slice_first_chunk(x) {
        let b = bytes(x);
        match b[4..].first_chunk::<4>() {
            Some(c) => u64::from(u32::from_le_bytes(*c)),
            None => 1,
        }
    }

    fn slice_patterns(x) {
        let b = bytes(x);
        match &b[..4] {
            [1, rest @ ..] => sum(rest),
            [first, .., last] => u64::from(*first) * 256 + u64::from(*last),
            _ => 5,
        }
    }

    fn array_equal(x) {
        let b = bytes(x);
        u64::from(b[..8] == b[8..16]) | (u64::from(b[..6] == [1, 0, 0, 0, 0, 0]) << 1)
    }

    fn array_order(x) {
        let b = bytes(x);
        b[..8].cmp(&b[8..16]) as i8 as u64
    }

    fn compare_variable(x) {
        let b = bytes(x);
        let n = (x[7] & 15) as usize;
        u64::from(b[..n] == b[16..16 + n])
    }

    fn compare_variable_order(x) {
        let b = bytes(x);
        let n = (x[7] & 15) as usize;
        b[..n].cmp(&b[16..16 + n]) as i8 as u64
    }

    fn copy_constant(x) {
        let b = bytes(x);
        let mut out = [0u8; 64];
        out[8..40].copy_from_slice(&b[..32]);
        u64::from_le_bytes(out[16..24].try_into().unwrap()) ^ sum(&out)
    }

    fn copy_variable(x) {
        let b = bytes(x);
        let mut out = [0u8; 64];
        let n = (x[7] & 31) as usize;
        out[..n].copy_from_slice(&b[..n]);
        sum(&out)
    }

    fn copy_large(x) {
        let mut a = [0u8; 200];
        a[..8].copy_from_slice(&x[0].to_le_bytes());
        a[192..].copy_from_slice(&x[1].to_le_bytes());
        let b = *core::hint::black_box(&a);
        let b = core::hint::black_box(&b);
        u64::from(b[0]) ^ u64::from(b[199])
    }

    fn move_overlapping(x) {
        let mut b = bytes(x);
        b.copy_within(0..32, 8);
        b.copy_within(24..56, 16);
        u64::from_le_bytes(b[16..24].try_into().unwrap()) ^ sum(&b)
    }

    fn move_variable(x) {
        let mut b = bytes(x);
        let n = (x[7] & 31) as usize;
        b.copy_within(0..n, 3);
        sum(&b[..16]) ^ u64::from(b[3])
    }

    fn fill_constant(x) {
        let mut a = [x[0] as u8; 48];
        a[3] = 1;
        let mut words = [x[1]; 6];
        words[2] = 0;
        sum(&a) ^ words.iter().fold(0u64, |s, w| s.wrapping_add(*w))
    }

    fn fill_variable(x) {
        let mut b = bytes(x);
        let n = (x[7] & 63) as usize;
        b[..n].fill(x[1] as u8);
        sum(&b)
    }

    fn zero_large(x) {
        let mut a = [0u8; 320];
        let i = (x[0] & 255) as usize;
        a[i] = x[1] as u8;
        let a = core::hint::black_box(&a);
        u64::from(a[i]) + u64::from(a[319])
    }

    fn swap_and_reverse(x) {
        let mut w = *x;
        w.swap(0, 7);
        w[1..5].reverse();
        w.rotate_left(3);
        w.iter().enumerate().fold(0u64, |s, (i, w)| s ^ w.rotate_left(i as u32))
    }

    fn matrix(x) {
        let a = [[x[0], x[1]], [x[2], x[3]]];
        let mut out = [[0u64; 2]; 2];
        for i in 0..2 {
            for j in 0..2 {
                for k in 0..2 {
                    out[i][j] = out[i][j].wrapping_add(a[i][k].wrapping_mul(a[k][j]));
                }
            }
        }
        out[0][0] ^ out[0][1].rotate_left(8) ^ out[1][0].rotate_left(16) ^ out[1][1].rotate_left(24)
    }

    fn byte_orders(x) {
        let b = bytes(x);
        u64::from(u16::from_be_bytes([b[0], b[1]]))
            ^ u64::from(u32::from_be_bytes([b[2], b[3], b[4], b[5]]))
            ^ u64::from_be_bytes(b[8..16].try_into().unwrap()) ^ u64::from((x[3] as u16).to_be())
    }

    fn string_equal(x) {
        let b = bytes(x);
        let name = &b[..4];
        u64::from(name == b"bash") | (u64::from(name == b"\x01\0\0\0") << 1)
            | (u64::from(name.starts_with(b"ba")) << 2)
            | (u64::from(name.ends_with(b"sh")) << 3)
    }

    fn string_length(x) {
        let b = bytes(x);
        let end = b[..16].iter().position(|c| *c == 0).unwrap_or(16);
        end as u64
    }

    fn string_find(x) {
        let b = bytes(x);
        match b.iter().position(|c| *c == b'=') {
            Some(at) => at as u64,
            None => 100,
        }
    }

    fn string_lowercase(x) {
        let mut b = bytes(x);
        b[..16].make_ascii_lowercase();
        sum(&b[..16])
    }

    fn string_hash(x) {
        // FNV-1a
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        for byte in bytes(x) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
        hash
    }

    fn string_digits(x) {
        let b = bytes(x);
        let mut n = 0u64;
        for c in &b[..8] {
            match c {
                b'0'..=b'9' => n = n * 10 + u64::from(c - b'0'),
                _ => break,
            }
        }
        n
    }

    fn string_is_ascii(x) {
        u64::from(bytes(x)[..16].is_ascii())
    }

    fn string_contains(x) {
        u64::from(bytes(x)[..16].contains(&b'/'))
    }

    fn string_utf8(x) {
        match core::str::from_utf8(&bytes(x)[..8]) {
            Ok(s) => s.len() as u64,
            Err(error) => error.valid_up_to() as u64 + 50,
        }
    }

    fn string_match(x) {
        let b = bytes(x);
        match &b[..3] {
            b"GET" => 1,
            b"PUT" => 2,
            b"\x02\0\0" => 3,
            _ => 4,
        }
    }

    fn copied_struct(x) {
        #[derive(Clone, Copy, PartialEq, Eq)]
        struct Key { source: [u8; 16], target: [u8; 16], ports: (u16, u16), protocol: u8 }
        let b = bytes(x);
        let key = Key {
            source: b[..16].try_into().unwrap(),
            target: b[16..32].try_into().unwrap(),
            ports: (x[4] as u16, x[5] as u16),
            protocol: x[6] as u8,
        };
        let other = Key { ports: (key.ports.1, key.ports.0),
            source: key.target, target: key.source, ..key };
        u64::from(key == other) ^ sum(&other.source) ^ u64::from(other.ports.0)
    }

    fn constant_table_of_numbers(x) {
        const TABLE: [u32; 16] = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3];
        u64::from(TABLE[(x[0] & 15) as usize]) + u64::from(TABLE[(x[1] & 7) as usize])
    }

    fn index_by_remainder(x) {
        let b = bytes(x);
        let six = [x[0], x[1], x[2], x[3], x[4], x[5]];
        six[(x[6] % 6) as usize] ^ u64::from(b[(x[7] % 61) as usize])
    }

    fn index_by_quotient(x) {
        let six = [x[0], x[1], x[2], x[3], x[4], x[5]];
        six[(x[6] & 0xff) as usize / 43] ^ six[((x[7] as u8) / 50) as usize]
    }

    fn index_by_bit_count(x) {
        let b = [bytes(x), bytes(x)];
        let histogram = |v: u64| b[0][63 - (v | 1).leading_zeros() as usize];
        u64::from(histogram(x[0])) ^ u64::from(histogram(x[1])
            ^ b[1][(x[2] >> 1).count_ones() as usize])
    }

    fn index_by_network_order(x) {
        let b = bytes(x);
        let at = u16::from_be_bytes([b[0] & 0, b[1] & 0x3f]);
        u64::from(b[usize::from(at)]) ^ u64::from(b[usize::from((x[1] as u16).swap_bytes() >> 10)])
    }

    fn sub_slices(x) {
        let b = bytes(x);
        let n = (x[1] % 20) as usize;
        let m = (x[2] % 20) as usize;
        let (low, high) = if n < m { (n, m) } else { (m, n) };
        let inner = &b[low..high];
        let tail = &b[high..];
        sum(inner) ^ (sum(tail) << 16) ^ ((inner.len() as u64) << 40)
    }

    fn static_counter(x) {
        // A mutable static starts again with each load of the object.
        use core::sync::atomic::{AtomicU64, Ordering};
        static SEEN: AtomicU64 = AtomicU64::new(5);
        SEEN.store(x[0], Ordering::Relaxed);
        SEEN.load(Ordering::Relaxed).wrapping_add(1)
    }
}
