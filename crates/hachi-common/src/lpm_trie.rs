//! The key of a longest-prefix-match map.

use core::mem::offset_of;

use crate::{Pod, layout::Field};

/// A key of a `BPF_MAP_TYPE_LPM_TRIE` map: a prefix of `prefix_len` bits of `data`.
///
/// The layout is that of the kernel's `struct bpf_lpm_trie_key_u8`: the length as an integer of the
/// machine's own byte order, then the data, most significant bit first. An address therefore goes
/// in as its octets (`Ipv4Addr::octets`), or as an integer made big-endian.
///
/// To look an address up, set `prefix_len` to all its bits: the map returns the value of the
/// longest prefix it holds that covers the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C, packed)]
pub struct Key<K> {
    /// How many leading bits of `data` count.
    pub prefix_len: u32,
    /// The address or other value, in network byte order.
    pub data: K,
}

// SAFETY: packed, so without padding, and both fields are plain data.
unsafe impl<K: Pod> Pod for Key<K> {
    const FIELDS: &'static [Field] = &[
        Field {
            name: "prefix_len",
            offset: 0,
            layout: u32::LAYOUT,
        },
        Field {
            name: "data",
            offset: offset_of!(Self, data),
            layout: K::LAYOUT,
        },
    ];
}

impl<K: Pod> Key<K> {
    /// The prefix made of the first `prefix_len` bits of `data` (which is in network byte order).
    #[inline(always)]
    pub const fn new(prefix_len: u32, data: K) -> Self {
        Key { prefix_len, data }
    }

    /// How many leading bits of [`data`](Self::data) count.
    #[inline(always)]
    pub const fn prefix_len(&self) -> u32 {
        self.prefix_len
    }

    /// The value the prefix is taken from.
    #[inline(always)]
    pub const fn data(&self) -> K {
        self.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_is_the_kernels() {
        let key = Key::new(24, [10u8, 1, 2, 0]);
        assert_eq!(
            crate::bytes_of(&key),
            [24u32.to_ne_bytes(), [10, 1, 2, 0]].concat()
        );
        assert_eq!(size_of::<Key<[u8; 16]>>(), 20);
    }
}
