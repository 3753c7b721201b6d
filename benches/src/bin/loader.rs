//! Loads an object again and again without attaching: `loader OBJECT COUNT`.
//!
//! Prints the median wall time of a load in µs, the mean CPU time spent outside the kernel per load in
//! µs, and the peak resident memory of the process in KiB.

use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(path), Some(count)) = (arguments.next(), arguments.next()) else {
        return Err("usage: loader OBJECT COUNT".into());
    };
    let count: usize = count.parse()?;
    let mut times = Vec::with_capacity(count);
    let before = user_time();
    for _ in 0..count {
        let start = Instant::now();
        let mut ebpf = hachi::Ebpf::load_file(&path)?;
        for (_, program) in ebpf.programs_mut() {
            program.load()?;
        }
        times.push(start.elapsed());
    }
    let own = (user_time() - before) / count as u32;
    times.sort();
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    println!(
        "{:.1} {:.1} {}",
        micros(times[count / 2]),
        micros(own),
        peak_memory()?
    );
    Ok(())
}

/// CPU time of this process in user mode so far.
fn user_time() -> Duration {
    // SAFETY: all-zero is a valid rusage, and the call only writes to it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let time = usage.ru_utime;
    Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000)
}

/// `VmHWM` of this process: unlike `ru_maxrss` it knows nothing of whoever started it.
fn peak_memory() -> Result<u64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or("no VmHWM")?.parse()?)
}
