//! `BPF_MAP_TYPE_QUEUE`

map_kind! {
    /// A queue: the value pushed first comes out first (4.20).
    ///
    /// ```
    /// use hachi_ebpf::{macros::map, maps::Queue};
    ///
    /// #[map]
    /// static JOBS: Queue<u32> = Queue::with_max_entries(16, 0);
    ///
    /// /// Puts a job behind the others, and takes the one that waits longest.
    /// fn turn(job: u32) -> Option<u32> {
    ///     JOBS.push(job, 0).ok()?;
    ///     JOBS.pop()
    /// }
    /// ```
    Queue<T: Shareable> = BPF_MAP_TYPE_QUEUE(() => T),
    entries: "up to `max_entries` values"
}

map_queue! { [T: Shareable] Queue<T>: T, next: "pushed longest ago" }
