//! Small facts about the machine.

use std::io;

use crate::sys::{cpu, net};
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

/// The index of the network interface called `name`, in the calling thread's network namespace;
/// `None` when there is none.
///
/// # Errors
/// If the system cannot be asked: too many open files, say.
pub fn interface_index(name: &str) -> io::Result<Option<u32>> {
    net::if_index(name)
}

/// Index and name of each network interface of the calling thread's network namespace.
///
/// # Errors
/// As [`interface_index`].
pub fn interfaces() -> io::Result<Vec<(u32, String)>> {
    net::interfaces()
}
