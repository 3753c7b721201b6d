//! The values of one element of a per-CPU map.

use std::{
    cell::RefCell,
    io,
    ops::{Deref, DerefMut},
};

use super::{ElementFlags, MapData, MapError};
use crate::{
    Pod, Unsupported,
    sys::{bpf, cpu},
    util::nr_cpus,
};

/// One value for each possible CPU, in the order of CPU numbers.
///
/// ```no_run
/// # use hachi::{maps::{MapData, PerCpuArray, PerCpuValues}, util::nr_cpus};
/// # fn f(mut counters: PerCpuArray<MapData, u64>) -> Result<(), Box<dyn std::error::Error>> {
/// let total: u64 = counters.get(&0, 0)?.iter().sum();
/// counters.set(0, PerCpuValues::try_from(vec![0u64; nr_cpus()?])?, 0)?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PerCpuValues<T: Pod> {
    values: Box<[T]>,
}

impl<T: Pod> PerCpuValues<T> {
    /// The same value for every possible CPU.
    ///
    /// # Errors
    /// When the system does not say how many there are.
    pub fn repeat(value: T) -> io::Result<Self> {
        Ok(PerCpuValues {
            values: vec![value; cpu::possible()?].into_boxed_slice(),
        })
    }

    /// All zero, which is a value of every plain type.
    fn zeroed(count: usize) -> Self {
        // SAFETY: every bit pattern is a value of a `Pod` type.
        let values = unsafe { Box::new_zeroed_slice(count).assume_init() };
        PerCpuValues { values }
    }

    /// Values from what a lookup wrote: strides of the value's size rounded up to 8.
    pub(crate) fn from_strides(bytes: &[u8]) -> Self {
        let mut values = Self::zeroed(bytes.len() / Self::STRIDE);
        values.read_strides(bytes);
        values
    }

    /// How far apart the kernel puts the values of two CPUs.
    const STRIDE: usize = size_of::<T>().next_multiple_of(8);

    /// Whether the kernel's layout is that of a slice, so that nothing need be copied.
    const IS_SLICE: bool = size_of::<T>() == Self::STRIDE;

    fn read_strides(&mut self, bytes: &[u8]) {
        for (value, from) in self.values.iter_mut().zip(bytes.chunks_exact(Self::STRIDE)) {
            hachi_common::bytes_of_mut(value).copy_from_slice(&from[..size_of::<T>()]);
        }
    }

    /// Adds the bytes an update takes to `bytes`.
    fn write_strides(&self, bytes: &mut Vec<u8>) {
        let start = bytes.len();
        bytes.resize(start + Self::STRIDE * self.values.len(), 0);
        let strides = bytes[start..].chunks_exact_mut(Self::STRIDE);
        for (to, value) in strides.zip(&self.values) {
            to[..size_of::<T>()].copy_from_slice(hachi_common::bytes_of(value));
        }
    }
}

thread_local! {
    /// Where values stand in the kernel's layout: kept, so that repeated operations do not
    /// allocate.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl MapData {
    /// Typed lookup in a per-CPU map whose view has checked `K` and `V`. Reuses `values`; false
    /// when there is no such key.
    pub(crate) fn get_per_cpu<K: Pod, V: Pod>(
        &self,
        key: &K,
        flags: ElementFlags,
        values: &mut PerCpuValues<V>,
    ) -> Result<bool, MapError> {
        let size = self.lookup_size()?;
        let key = hachi_common::bytes_of(key);
        let mut fresh = None;
        let count = size / PerCpuValues::<V>::STRIDE;
        let into = match values.len() == count {
            true => &mut *values,
            // An element that is not there leaves `values` as they were.
            false => fresh.insert(PerCpuValues::zeroed(count)),
        };
        let found = if PerCpuValues::<V>::IS_SLICE && size == count * size_of::<V>() {
            self.check_key(key.len())?;
            let flags = self.lookup_flags(flags)?;
            // SAFETY: the key has the map's size, and `into` as many bytes as a lookup writes.
            unsafe { self.lookup_raw(bpf::pointer(key), into.values.as_mut_ptr().cast(), flags) }?
        } else {
            SCRATCH.with_borrow_mut(|bytes| {
                bytes.resize(size, 0);
                let found = self.lookup_bytes_into(key, bytes, flags)?;
                if found {
                    into.read_strides(bytes);
                }
                Ok::<_, MapError>(found)
            })?
        };
        if let Some(fresh) = fresh.filter(|_| found) {
            *values = fresh;
        }
        Ok(found)
    }

    /// Typed update; as [`get_per_cpu`](Self::get_per_cpu).
    pub(crate) fn set_per_cpu<K: Pod, V: Pod>(
        &self,
        key: &K,
        values: &PerCpuValues<V>,
        flags: ElementFlags,
    ) -> Result<(), MapError> {
        self.set_batch_per_cpu(
            std::slice::from_ref(key),
            std::slice::from_ref(values),
            flags,
        )
    }

    /// As [`set_per_cpu`](Self::set_per_cpu) for many keys.
    pub(crate) fn set_batch_per_cpu<K: Pod, V: Pod>(
        &self,
        keys: &[K],
        values: &[PerCpuValues<V>],
        flags: ElementFlags,
    ) -> Result<(), MapError> {
        self.check_batch(keys.len(), values.len())?;
        let flags = self.update_flags(flags)?;
        let expected = self.possible_cpus()?;
        if let Some(wrong) = values.iter().find(|values| values.len() != expected) {
            return Err(MapError::CpuCount {
                name: self.name().to_owned(),
                given: wrong.len(),
                expected,
            });
        }
        if let ([key], [values], true) = (keys, values, PerCpuValues::<V>::IS_SLICE) {
            let key = bpf::pointer(hachi_common::bytes_of(key));
            // SAFETY: the key has the map's size; there is a value for each possible CPU, at the
            // distance at which an update reads them.
            return unsafe { self.update_raw(key, values.values.as_ptr().cast(), flags) };
        }
        SCRATCH.with_borrow_mut(|bytes| {
            bytes.clear();
            values.iter().for_each(|values| values.write_strides(bytes));
            let size = PerCpuValues::<V>::STRIDE * expected;
            // SAFETY: there are as many values as keys, each as long as an update reads.
            unsafe {
                match keys {
                    [key] => self.update_raw(
                        bpf::pointer(hachi_common::bytes_of(key)),
                        bpf::pointer(bytes),
                        flags,
                    ),
                    _ => self.update_batch_raw(
                        keys.as_ptr().cast(),
                        bytes.as_ptr(),
                        size,
                        keys.len(),
                        flags,
                    ),
                }
            }
        })
    }

    /// Typed lookup of one CPU's value; the view has checked `K` and `V`.
    pub(crate) fn get_on_cpu<K: Pod, V: Pod>(
        &self,
        key: &K,
        cpu: u32,
    ) -> Result<Option<V>, MapError> {
        self.check_cpu(cpu)?;
        SCRATCH.with_borrow_mut(|bytes| {
            bytes.clear();
            bytes.resize(size_of::<V>().next_multiple_of(8), 0);
            // SAFETY: the key has the map's size; with the flag, the kernel writes one value.
            let found = unsafe {
                self.lookup_raw(
                    bpf::pointer(hachi_common::bytes_of(key)),
                    bpf::pointer_mut(bytes),
                    ElementFlags::on_cpu(cpu).bits(),
                )
            };
            match found.map_err(older_kernel)? {
                true => Ok(hachi_common::read_bytes(bytes)),
                false => Ok(None),
            }
        })
    }

    /// Typed update of one CPU's value; the view has checked `K` and `V`.
    pub(crate) fn set_on_cpu<K: Pod, V: Pod>(
        &self,
        key: &K,
        cpu: u32,
        value: &V,
    ) -> Result<(), MapError> {
        self.check_cpu(cpu)?;
        self.set_one(key, value, ElementFlags::on_cpu(cpu))
    }

    /// Typed update of all CPUs' values to one; the view has checked `K` and `V`.
    pub(crate) fn set_on_all_cpus<K: Pod, V: Pod>(
        &self,
        key: &K,
        value: &V,
    ) -> Result<(), MapError> {
        self.set_one(key, value, ElementFlags::ALL_CPUS)
    }

    fn set_one<K: Pod, V: Pod>(
        &self,
        key: &K,
        value: &V,
        flags: ElementFlags,
    ) -> Result<(), MapError> {
        SCRATCH.with_borrow_mut(|bytes| {
            bytes.clear();
            bytes.extend_from_slice(hachi_common::bytes_of(value));
            bytes.resize(size_of::<V>().next_multiple_of(8), 0);
            // SAFETY: the key has the map's size; with one of these flags, the kernel reads one
            // value.
            unsafe {
                self.update_raw(
                    bpf::pointer(hachi_common::bytes_of(key)),
                    bpf::pointer(bytes),
                    flags.bits(),
                )
            }
            .map_err(older_kernel)
        })
    }

    fn check_cpu(&self, cpu: u32) -> Result<(), MapError> {
        let possible = self.possible_cpus()?;
        if (cpu as usize) < possible {
            return Ok(());
        }
        Err(MapError::NoSuchCpu {
            name: self.name().to_owned(),
            cpu,
            possible,
        })
    }
}

/// The flags for single CPUs are refused by kernels that do not know them.
#[cold]
fn older_kernel(error: MapError) -> MapError {
    match (
        &error,
        Unsupported::if_older("the value of a single CPU", (7, 0)),
    ) {
        (MapError::SyscallError { error: refused, .. }, Some(older))
            if refused.errno() == libc::EINVAL =>
        {
            older.into()
        }
        _ => error,
    }
}

/// An empty set: the start for `get_into`, which sizes it.
impl<T: Pod> Default for PerCpuValues<T> {
    fn default() -> Self {
        PerCpuValues {
            values: Box::default(),
        }
    }
}

impl<T: Pod> TryFrom<Vec<T>> for PerCpuValues<T> {
    type Error = io::Error;

    /// Fails unless there is exactly one value for each possible CPU.
    fn try_from(values: Vec<T>) -> Result<Self, Self::Error> {
        let expected = nr_cpus()?;
        if values.len() != expected {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "{} values given for {expected} possible CPUs (see nr_cpus())",
                    values.len()
                ),
            ));
        }
        Ok(PerCpuValues {
            values: values.into_boxed_slice(),
        })
    }
}

impl<T: Pod> Deref for PerCpuValues<T> {
    type Target = Box<[T]>;

    fn deref(&self) -> &Self::Target {
        &self.values
    }
}

impl<T: Pod> DerefMut for PerCpuValues<T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_round_trip() {
        let values = PerCpuValues {
            values: Box::new([1u32, 2, 3]),
        };
        let mut bytes = Vec::new();
        values.write_strides(&mut bytes);
        assert_eq!(bytes.len(), 24);
        assert_eq!(bytes[8..12], 2u32.to_ne_bytes());
        assert_eq!(bytes[12..16], [0; 4]);
        assert_eq!(PerCpuValues::<u32>::from_strides(&bytes), values);
    }

    #[test]
    fn the_number_of_values_is_checked() {
        let cpus = nr_cpus().unwrap();
        assert!(PerCpuValues::try_from(vec![0u64; cpus]).is_ok());
        let error = PerCpuValues::try_from(vec![0u64; cpus + 1]).unwrap_err();
        assert!(error.to_string().contains("possible CPUs"), "{error}");
    }
}
