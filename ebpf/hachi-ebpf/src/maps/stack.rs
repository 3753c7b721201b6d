//! `BPF_MAP_TYPE_STACK`

map_kind! {
    /// A stack: the value pushed last comes out first (4.20).
    ///
    /// ```
    /// use hachi_ebpf::{macros::map, maps::Stack};
    ///
    /// #[map]
    /// static FREE: Stack<u32> = Stack::with_max_entries(16, 0);
    ///
    /// /// A free number, if there is one.
    /// fn take() -> Option<u32> {
    ///     FREE.pop()
    /// }
    /// ```
    Stack<T: Shareable> = BPF_MAP_TYPE_STACK(() => T),
    entries: "up to `max_entries` values"
}

map_queue! { [T: Shareable] Stack<T>: T, next: "pushed last" }
