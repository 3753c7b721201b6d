//! `ratelimit`: the settings `RATE` (bytes per second) and `BURST` (bytes), and the array `STATS`
//! of packets.

/// Index into `STATS`: what passed.
pub const PASSED: u32 = 0;
/// Index into `STATS`: what was dropped.
pub const DROPPED: u32 = 1;
