//! Hashes and checksums.

use crate::prelude::*;

fn fnv(t: &[u8]) -> u64 {
    t.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3))
}

fn finalised(mut h: u64) -> u64 {
    h ^= h >> 33;
    h = h.wrapping_mul(0xff51_afd7_ed55_8ccd);
    h ^= h >> 33;
    h = h.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^ h >> 33
}

programs! {
    text fn fnv_of_a_text(t) { fnv(t) }

    text fn djb2(t) {
        let mut h = 5381u32;
        for byte in t {
            h = (h << 5).wrapping_add(h).wrapping_add(u32::from(*byte));
        }
        u64::from(h)
    }

    words fn murmur_of_numbers(x) {
        x.iter().fold(0x9747_b28c, |h, n| finalised(h ^ finalised(*n)))
    }

    text fn adler32(t) {
        let (mut a, mut b) = (1u32, 0u32);
        for byte in t {
            a = (a + u32::from(*byte)) % 65521;
            b = (b + a) % 65521;
        }
        u64::from(b << 16 | a)
    }

    text fn crc32_bit_by_bit(t) {
        let mut crc = !0u32;
        for byte in &t[..t.len().min(8)] {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
            }
        }
        u64::from(!crc)
    }

    text fn crc16_by_table(t) {
        const TABLE: [u16; 16] = [
            0x0000, 0xcc01, 0xd801, 0x1400, 0xf001, 0x3c00, 0x2800, 0xe401, 0xa001, 0x6c00, 0x7800,
            0xb401, 0x5000, 0x9c01, 0x8801, 0x4400,
        ];
        let mut crc = 0xffffu16;
        for byte in t {
            crc = crc >> 4 ^ TABLE[usize::from((crc ^ u16::from(*byte)) & 15)];
            crc = crc >> 4 ^ TABLE[usize::from((crc ^ u16::from(byte >> 4)) & 15)];
        }
        u64::from(crc)
    }

    bytes fn an_internet_checksum(b) {
        let mut sum = 0u32;
        for pair in b[..20].chunks_exact(2) {
            sum += u32::from(u16::from_be_bytes([pair[0], pair[1]]));
        }
        while sum >> 16 != 0 {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        u64::from(!(sum as u16))
    }

    words fn xorshift(x) {
        let mut n = x[0] | 1;
        for _ in 0..10 {
            n ^= n << 13;
            n ^= n >> 7;
            n ^= n << 17;
        }
        n
    }

    words fn siphash_rounds(x) {
        let (mut a, mut b, mut c, mut d) = (x[0], x[1], x[2], x[3]);
        for n in x {
            d ^= n;
            for _ in 0..2 {
                a = a.wrapping_add(b);
                b = b.rotate_left(13) ^ a;
                a = a.rotate_left(32);
                c = c.wrapping_add(d);
                d = d.rotate_left(16) ^ c;
                a = a.wrapping_add(d);
                d = d.rotate_left(21) ^ a;
                c = c.wrapping_add(b);
                b = b.rotate_left(17) ^ c;
                c = c.rotate_left(32);
            }
            a ^= n;
        }
        a ^ b ^ c ^ d
    }

    text fn by_the_hash_trait(t) {
        use core::hash::{Hash, Hasher};
        struct Fnv(u64);
        impl Hasher for Fnv {
            fn finish(&self) -> u64 {
                self.0
            }
            fn write(&mut self, bytes: &[u8]) {
                self.0 ^= fnv(bytes);
            }
        }
        let mut hasher = Fnv(7);
        (t.len() as u32, t.first()).hash(&mut hasher);
        hasher.finish()
    }

    words fn a_bloom_filter(x) {
        let mut filter = [0u64; 4];
        for n in &x[..6] {
            let h = finalised(*n);
            filter[(h & 3) as usize] |= 1 << (h >> 8 & 63);
        }
        let h = finalised(x[7]);
        filter[(h & 3) as usize] >> (h >> 8 & 63) & 1
    }

    words fn a_bucket_by_hash(x) {
        let weights = [5u32, 1, 3, 7, 2];
        let mut at = finalised(x[0]) as u32 % 18;
        for (i, weight) in weights.iter().enumerate() {
            if at < *weight {
                return i as u64;
            }
            at -= weight;
        }
        99
    }

    words fn a_key_by_bytes(x) {
        fnv(&x[0].to_be_bytes()) ^ fnv(&x[1].to_le_bytes()[..3])
    }
}
