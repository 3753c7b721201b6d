//! `BPF_MAP_TYPE_ARRAY`

use core::borrow::Borrow;

use crate::MapValue;
use crate::cty::c_long;

map_kind! {
    /// An array: values of `V` with the indices 0 to `max_entries - 1`, all there from the
    /// beginning, as zeros (3.19).
    ///
    /// ```
    /// use hachi_ebpf::{macros::map, maps::Array};
    ///
    /// #[map]
    /// static PORTS: Array<u16> = Array::with_max_entries(4, 0);
    ///
    /// fn is_port(index: u32, port: u16) -> bool {
    ///     PORTS.get(index) == Some(port)
    /// }
    /// ```
    Array<V: MapValue> = BPF_MAP_TYPE_ARRAY(u32 => V),
    entries: "`max_entries` values"
}

map_values! {
    [V: MapValue] Array<V>: (index: u32 => &index) -> V, "value at `index`", none: "beyond the end",
    values: shared
}

map_for_each! { [V: MapValue] Array<V>: u32 => V }

impl<V: MapValue> Array<V> {
    /// Replaces the value at `index`; `flags` is `BPF_ANY` (0), `BPF_EXIST` or `BPF_F_LOCK`.
    ///
    /// # Errors
    /// `-E2BIG` beyond the end.
    #[inline(always)]
    pub fn set(&self, index: u32, value: impl Borrow<V>, flags: u64) -> Result<(), c_long> {
        self.def.insert(&index, value.borrow(), flags)
    }
}
