//! Writing and removing many elements at once.
//!
//! Where the kernel has the commands (Linux ≥ 5.6, hash maps and arrays; other types later or
//! never) one system call moves all; elsewhere, and with flags that the commands refuse
//! (`BPF_NOEXIST`, `BPF_EXIST`), the same is done element by element. Both stop at the first error,
//! with what came before it done.

use std::os::fd::AsFd as _;

use super::{ElementFlags, MapData, MapError, Operation};
use crate::{
    Pod,
    features::{self, Feature},
    sys::{
        bpf,
        errno::{ENOTSUPP, SyscallError},
    },
};

/// Whether the kernel does not have a command at all, or not for this type of map: older kernels do
/// not know it, and types without it say "not supported".
pub(super) fn unsupported(error: &SyscallError, feature: &Feature) -> bool {
    match error.errno() {
        ENOTSUPP | libc::EOPNOTSUPP => true,
        libc::EINVAL => !feature.is_supported(),
        _ => false,
    }
}

impl MapData {
    /// Sets many values; the view has checked `K` and `V`.
    pub(super) fn set_batch<K: Pod, V: Pod>(
        &self,
        keys: &[K],
        values: &[V],
        flags: ElementFlags,
    ) -> Result<(), MapError> {
        self.check_batch(keys.len(), values.len())?;
        let flags = flags.check(self, Operation::Update, ElementFlags::WRITE)?;
        // SAFETY: both slices have as many elements, of the map's sizes.
        unsafe {
            self.update_batch_raw(
                keys.as_ptr().cast(),
                values.as_ptr().cast(),
                size_of::<V>(),
                keys.len(),
                flags,
            )
        }
    }

    /// Removes many keys; the view has checked `K`.
    pub(super) fn remove_batch<K: Pod>(&self, keys: &[K]) -> Result<usize, MapError> {
        // SAFETY: the keys have the map's key size.
        unsafe { self.delete_batch_raw(keys.as_ptr().cast(), keys.len()) }
    }

    pub(super) fn check_batch(&self, keys: usize, values: usize) -> Result<(), MapError> {
        if keys == values {
            return Ok(());
        }
        Err(MapError::BatchLengths {
            name: self.name().to_owned(),
            keys,
            values,
        })
    }

    /// # Safety
    /// `keys` must be readable for `count` keys of the map's key size, `values` for `count` values
    /// of `value_size` bytes, which must be what one update reads.
    pub(super) unsafe fn update_batch_raw(
        &self,
        keys: *const u8,
        values: *const u8,
        value_size: usize,
        count: usize,
        flags: u64,
    ) -> Result<(), MapError> {
        let key_size = self.key_size() as usize;
        let mut done = 0;
        // The command refuses the other flags.
        let batches = flags & !ElementFlags::LOCK.bits() == 0;
        while batches && done < count {
            let left = u32::try_from(count - done).unwrap_or(u32::MAX);
            // SAFETY: `done` elements of each are behind the pointers, `left` before them.
            let batch = unsafe {
                bpf::map_update_batch(
                    self.as_fd(),
                    keys.add(done * key_size),
                    values.add(done * value_size),
                    left,
                    flags,
                )
            };
            match batch.error {
                None if batch.count > 0 => done += batch.count as usize,
                // Says that all is well, and has done nothing: element by element shows why.
                None => break,
                Some(error) if unsupported(&error, &features::MAP_BATCH) => break,
                Some(error) => return Err(self.error(error)),
            }
        }
        for index in done..count {
            // SAFETY: inside of what the caller vouches for.
            unsafe {
                self.update_raw(
                    keys.add(index * key_size),
                    values.add(index * value_size),
                    flags,
                )
            }?;
        }
        Ok(())
    }

    /// Returns the number of keys removed; those that are not there are skipped.
    ///
    /// # Safety
    /// `keys` must be readable for `count` keys of the map's key size.
    unsafe fn delete_batch_raw(&self, keys: *const u8, count: usize) -> Result<usize, MapError> {
        let key_size = self.key_size() as usize;
        let mut at = 0;
        let mut removed = 0;
        while at < count {
            let left = u32::try_from(count - at).unwrap_or(u32::MAX);
            // SAFETY: `at` keys are behind the pointer, `left` before it.
            let batch =
                unsafe { bpf::map_delete_batch(self.as_fd(), keys.add(at * key_size), left) };
            let done = batch.count as usize;
            match batch.error {
                None if done > 0 => (removed, at) = (removed + done, at + done),
                None => break,
                // The key after the last one deleted was absent.
                Some(error) if error.errno() == libc::ENOENT => {
                    (removed, at) = (removed + done, at + done + 1);
                }
                Some(error) if unsupported(&error, &features::MAP_BATCH) => break,
                Some(error) => return Err(self.error(error)),
            }
        }
        for index in at..count {
            // SAFETY: inside of what the caller vouches for.
            removed += usize::from(unsafe { self.delete_raw(keys.add(index * key_size)) }?);
        }
        Ok(removed)
    }
}
