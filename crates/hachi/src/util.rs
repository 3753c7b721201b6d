//! Small facts about the machine.

use std::io;

use crate::sys::cpu;
pub use crate::version::KernelVersion;

/// The number of possible CPUs: how many values each element of a per-CPU map has.
///
/// From `/sys/devices/system/cpu/possible`. More than the CPUs online where some may be plugged in
/// later.
///
/// # Errors
/// Of reading the file; InvalidData if it is no list of CPUs.
pub fn nr_cpus() -> io::Result<usize> {
    cpu::possible()
}
