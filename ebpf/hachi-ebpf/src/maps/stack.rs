//! `BPF_MAP_TYPE_STACK`

map_kind! {
    /// A stack: the value pushed last comes out first (4.20).
    Stack<T: Shareable> = BPF_MAP_TYPE_STACK(() => T),
    entries: "up to `max_entries` values"
}

map_queue! { [T: Shareable] Stack<T>: T, next: "pushed last" }
