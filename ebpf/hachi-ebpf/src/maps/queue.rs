//! `BPF_MAP_TYPE_QUEUE`

map_kind! {
    /// A queue: the value pushed first comes out first (4.20).
    Queue<T: Shareable> = BPF_MAP_TYPE_QUEUE(() => T),
    entries: "up to `max_entries` values"
}

map_queue! { [T: Shareable] Queue<T>: T, next: "pushed longest ago" }
