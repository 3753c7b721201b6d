//! What programs that measure share, those of other toolkits too: clocks, medians, memory. Each
//! includes this file as a module.
#![allow(dead_code, reason = "each program uses a part of it")]

use std::time::{Duration, Instant};

/// The middle one.
pub fn median<T: PartialOrd + Copy>(values: &[T]) -> T {
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    sorted[sorted.len() / 2]
}

/// CPU time of this thread so far, the kernel's on its behalf included.
pub fn cpu_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the struct is live, and the call only writes to it.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// CPU time of this process in user mode so far.
pub fn user_time() -> Duration {
    // SAFETY: all-zero is a valid rusage, and the call only writes to it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let time = usage.ru_utime;
    Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000)
}

/// `VmHWM` of this process in KiB: unlike `ru_maxrss` without the process that started it.
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

pub fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Loads something again and again. Prints the median wall time of a load in µs, the mean CPU time
/// spent outside the kernel per load in µs, and the peak resident memory of the process in KiB.
/// What `load` returns is dropped outside the wall time.
pub fn print_loads<T>(count: usize, mut load: impl FnMut() -> T) {
    let mut times = Vec::with_capacity(count);
    let before = user_time();
    for _ in 0..count {
        let start = Instant::now();
        let loaded = load();
        times.push(start.elapsed());
        drop(loaded);
    }
    let own = (user_time() - before) / count.max(1) as u32;
    println!(
        "{:.1} {:.1} {}",
        micros(median(&times)),
        micros(own),
        peak_memory().unwrap_or(0)
    );
}

/// Nanoseconds of CPU time that `work` takes for each of `things`.
pub fn per_one(things: u32, work: impl FnOnce()) -> f64 {
    let start = cpu_time();
    work();
    (cpu_time() - start).as_secs_f64() * 1e9 / f64::from(things)
}
