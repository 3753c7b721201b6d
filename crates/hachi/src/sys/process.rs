//! Which process this is, told from one that was forked off it.

use std::{
    ptr,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use super::mmap::page_size;

/// The process that made something outside itself, and is the one to undo it.
///
/// A value that is dropped in a child made by fork(2) is a copy: what it stands for is still in use
/// by the parent. Process ids would not do, since they repeat (a child in a new PID namespace has
/// id 1, as its parent may have), and asking for one is a system call, too much for every record
/// of a ring buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Maker(u64);

impl Maker {
    /// This process.
    pub(crate) fn this() -> Self {
        Maker(generation())
    }

    /// Whether this process is the one.
    #[inline]
    pub(crate) fn is_this(self) -> bool {
        self.0 == generation()
    }
}

/// How many forks there are between the first process that asked and this one, counting those
/// whose child asked. Siblings may have the same number; they share no values.
#[inline]
fn generation() -> u64 {
    static CELL: OnceLock<Option<&'static AtomicU64>> = OnceLock::new();
    match CELL.get_or_init(wiped_on_fork) {
        Some(cell) => match cell.load(Ordering::Relaxed) {
            0 => next_generation(cell),
            known => known,
        },
        None => u64::from(std::process::id()),
    }
}

/// The number of a process that has none yet.
#[cold]
fn next_generation(cell: &AtomicU64) -> u64 {
    /// Of this process or the nearest ancestor that has one: forking copies it.
    static LATEST: AtomicU64 = AtomicU64::new(0);
    let next = LATEST.fetch_add(1, Ordering::Relaxed) + 1;
    match cell.compare_exchange(0, next, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => next,
        // Another thread was first.
        Err(known) => known,
    }
}

/// Memory that is zero in a child (Linux ≥ 4.14), kept for as long as the process runs.
#[cold]
fn wiped_on_fork() -> Option<&'static AtomicU64> {
    let length = page_size();
    // SAFETY: a new mapping, at an address of the kernel's choice.
    let page = unsafe {
        libc::mmap(
            ptr::null_mut(),
            length,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if page == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: the range was just mapped, and nobody uses it yet.
    if unsafe { libc::madvise(page, length, libc::MADV_WIPEONFORK) } != 0 {
        // SAFETY: as above.
        unsafe { libc::munmap(page, length) };
        return None;
    }
    // SAFETY: the page is aligned, zeroed and never unmapped, and only this value refers to it.
    Some(unsafe { AtomicU64::from_ptr(page.cast()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_and_its_child_are_others() {
        let parent = Maker::this();
        assert!(parent.is_this());
        // SAFETY: the child only compares numbers and ends.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let child = Maker::this();
            let first = !parent.is_this() && child.is_this();
            // SAFETY: as above.
            let grandchild = unsafe { libc::fork() };
            if grandchild == 0 {
                let second = !parent.is_this() && !child.is_this();
                // SAFETY: ends the process.
                unsafe { libc::_exit(i32::from(!second)) };
            }
            let mut status = 0;
            // SAFETY: the status is a live int.
            unsafe { libc::waitpid(grandchild, &raw mut status, 0) };
            // SAFETY: ends the process.
            unsafe { libc::_exit(i32::from(!(first && status == 0))) };
        }
        let mut status = 0;
        // SAFETY: the status is a live int.
        unsafe { libc::waitpid(pid, &raw mut status, 0) };
        assert_eq!(status, 0);
        assert!(parent.is_this());
    }
}
