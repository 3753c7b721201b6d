//! Bloom filters.

use std::hash::Hasher as _;

use super::hash::Fnv;

/// Hash functions where the map does not say how many.
const HASHES: u32 = 5;

/// Bits of the largest filter: 32 MiB. The kernel's may be larger, and deny more.
const LARGEST: u64 = 1 << 28;

/// Bits that values set.
#[derive(Debug, Clone)]
pub struct Bloom {
    bits: Vec<u64>,
    mask: u64,
    hashes: u32,
}

impl Bloom {
    /// Room for this many values, as large as the kernel makes it.
    pub fn new(max_entries: u32, hashes: u32) -> Bloom {
        let hashes = if hashes == 0 { HASHES } else { hashes };
        // Entries times hashes, divided by ln 2.
        let wanted = u64::from(max_entries) * u64::from(hashes) * 7 / 5;
        let bits = wanted.next_power_of_two().clamp(64, LARGEST);
        Bloom {
            bits: vec![0; (bits / 64) as usize],
            mask: bits - 1,
            hashes,
        }
    }

    fn places(&self, value: &[u8]) -> impl Iterator<Item = u64> + use<> {
        let (mask, mut hasher) = (self.mask, Fnv::default());
        hasher.write(value);
        let hashes = self.hashes;
        (0..hashes).map(move |number| {
            hasher.write(&number.to_le_bytes());
            let hash = hasher.finish();
            (hash ^ hash >> 32) & mask
        })
    }

    pub fn add(&mut self, value: &[u8]) {
        for place in self.places(value) {
            self.bits[(place / 64) as usize] |= 1 << (place % 64);
        }
    }

    pub fn contains(&self, value: &[u8]) -> bool {
        self.places(value)
            .all(|place| self.bits[(place / 64) as usize] & 1 << (place % 64) != 0)
    }
}
