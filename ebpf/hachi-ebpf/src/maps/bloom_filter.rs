//! `BPF_MAP_TYPE_BLOOM_FILTER`

use core::borrow::Borrow;

use crate::cty::c_long;
use crate::{Shareable, helpers};

map_kind! {
    /// A Bloom filter: says of a value that it was surely not added, or perhaps was (5.16).
    ///
    /// All bytes of a value count, so its type has no padding: see
    /// [`Shareable`](crate::Shareable).
    ///
    /// ```
    /// use hachi_ebpf::{macros::map, maps::BloomFilter};
    ///
    /// #[map]
    /// static SEEN: BloomFilter<u32> = BloomFilter::with_max_entries(10_000, 0);
    ///
    /// /// Whether the address is new for sure; it is not the next time.
    /// fn is_new(address: u32) -> bool {
    ///     !SEEN.may_contain(address) && SEEN.insert(address, 0).is_ok()
    /// }
    /// ```
    BloomFilter<T: Shareable> = BPF_MAP_TYPE_BLOOM_FILTER(() => T),
    entries: "about `max_entries` values"
}

impl<T: Shareable> BloomFilter<T> {
    /// The same, with a number of hash functions from 1 to 15 (the kernel's choice is 5): more of
    /// them give fewer false positives and take longer.
    #[must_use]
    pub const fn with_hash_functions(self, count: u8) -> Self {
        BloomFilter {
            def: self.def.map_extra(count as u64),
        }
    }

    /// Adds a value. `flags` is 0.
    ///
    /// # Errors
    /// `-EINVAL` for other flags.
    #[inline(always)]
    pub fn insert(&self, value: impl Borrow<T>, flags: u64) -> Result<(), c_long> {
        let value: *const T = value.borrow();
        // SAFETY: the map is one of the object's, and the value of its type.
        helpers::check(unsafe { helpers::bpf_map_push_elem(self.as_ptr(), value.cast(), flags) })
    }

    /// Whether the value may have been added. `false` is certain.
    ///
    /// # Errors
    /// `-ENOENT` when it was surely not added: this is Aya's shape; see
    /// [`may_contain`](Self::may_contain).
    #[inline(always)]
    pub fn contains(&self, value: impl Borrow<T>) -> Result<(), c_long> {
        let value: *const T = value.borrow();
        // SAFETY: the map is one of the object's, and the value of its type. The kernel only reads
        // it.
        helpers::check(unsafe {
            helpers::bpf_map_peek_elem(self.as_ptr(), value.cast_mut().cast())
        })
    }

    /// Whether the value may have been added. `false` is certain.
    #[inline(always)]
    pub fn may_contain(&self, value: impl Borrow<T>) -> bool {
        self.contains(value).is_ok()
    }
}
