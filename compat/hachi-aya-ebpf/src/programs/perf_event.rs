use super::bpf_perf_event_data;

super::context! {
    /// An event of perf.
    PerfEventContext {
        /// The kernel's context.
        pub ctx: bpf_perf_event_data
    }
}
