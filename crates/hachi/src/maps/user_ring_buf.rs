//! `BPF_MAP_TYPE_USER_RINGBUF`: messages to programs, in order.
//!
//! The mirror image of a ring buffer (`kernel/bpf/ringbuf.c`): the page with the consumer's
//! position is the kernel's and read-only here; the page with the producer's and the data, mapped
//! twice in a row, are ours to write. A record is an 8-byte header (length, with a bit for "still
//! being written" and one for "discarded") and the data, padded to 8.

use std::{
    borrow::{Borrow, BorrowMut},
    fmt, io,
    ops::{Deref, DerefMut},
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    slice,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use super::{
    MapData, MapError, MapType, Unsuitable,
    in_use::InUse,
    ring_buf::{BUSY_BIT, DISCARD_BIT, HEADER},
    view::exclusive_conversions,
};
use crate::{
    Pod,
    sys::{
        mmap::{Mmap, page_size},
        poll,
        process::Maker,
    },
};

/// The writing end of a ring buffer that programs read with `bpf_user_ringbuf_drain`. Linux ≥ 6.1.
///
/// One ring buffer has one writer: a second one in this process is
/// [`MapError::RingBufInUse`].
///
/// ```no_run
/// # use hachi::maps::{MapData, UserRingBuf};
/// # fn f(map: hachi::maps::Map) -> Result<(), Box<dyn std::error::Error>> {
/// let mut commands = UserRingBuf::try_from(map)?;
/// if let Some(mut message) = commands.reserve(8) {
///     message.copy_from_slice(&7u64.to_ne_bytes());
///     message.submit();
/// }
/// commands.push(&8u64)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct UserRingBuf<T> {
    inner: T,
    ring: Ring,
    /// Last, so that nobody else is let in before the ring is given up.
    _in_use: InUse,
}

impl<T: Borrow<MapData>> UserRingBuf<T> {
    /// The view of a map that anything holds: a [`MapData`], a reference to one, an `Arc`.
    ///
    /// # Errors
    /// [`MapError`] that says what is different when the map is of another kind, or has
    /// other keys or values.
    pub fn new(map: T) -> Result<Self, MapError> {
        let data = map.borrow();
        data.check_kind(&[MapType::UserRingbuf], "UserRingBuf")?;
        let in_use = InUse::new(data)?;
        let ring = Ring::new(data.as_fd(), data.max_entries() as usize)
            .map_err(|error| data.io_error("mmap", error))?;
        Ok(UserRingBuf {
            inner: map,
            ring,
            _in_use: in_use,
        })
    }

    /// The map itself: its name, its description, pinning.
    pub fn map(&self) -> &MapData {
        self.inner.borrow()
    }

    /// Bytes of records (headers included) not read by programs yet.
    pub fn unread(&self) -> usize {
        self.ring.unread()
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn has_room(&self, size: usize) -> bool {
        self.ring.has_room(size)
    }

    /// The largest message there could ever be.
    pub fn capacity(&self) -> usize {
        self.ring.mask + 1 - HEADER
    }

    /// Whether a message could ever fit.
    pub(crate) fn check_size(&self, size: usize) -> Result<(), MapError> {
        let capacity = self.capacity();
        if size <= capacity {
            return Ok(());
        }
        Err(MapError::Unsuitable {
            name: self.map().name().to_owned(),
            reason: Unsuitable::MessageTooLarge { size, capacity },
        })
    }
}

impl<T: BorrowMut<MapData>> UserRingBuf<T> {
    /// Room for a message of `size` bytes; `None` when there is none now (for messages above
    /// [`capacity`](Self::capacity): ever). Programs see it once it is
    /// [submitted](UserRingBufItem::submit), and until then none of the messages after it.
    pub fn reserve(&mut self, size: usize) -> Option<UserRingBufItem<'_>> {
        let record = self.ring.reserve(size)?;
        Some(UserRingBufItem {
            ring: &mut self.ring,
            record,
            size,
            state: DISCARD_BIT,
            maker: Maker::this(),
        })
    }

    /// As [`reserve`](Self::reserve), waiting for at most `timeout` for programs to make room.
    ///
    /// Programs wake the waiter when they drain the buffer (unless told not to, by
    /// `BPF_RB_NO_WAKEUP`); no room is looked for without that.
    ///
    /// # Errors
    /// [`MapError::Unsuitable`] for messages above [`capacity`](Self::capacity);
    /// [`MapError::SyscallError`], what poll(2) refuses.
    pub fn reserve_timeout(
        &mut self,
        size: usize,
        timeout: Duration,
    ) -> Result<Option<UserRingBufItem<'_>>, MapError> {
        self.check_size(size)?;
        let deadline = Instant::now().checked_add(timeout);
        while !self.ring.has_room(size) {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(None);
            }
            let writable = poll::writable(self.as_fd(), left)
                .map_err(|error| self.map().io_error("poll", error))?;
            if writable && !self.ring.has_room(size) {
                // Writable as soon as anything fits, which need not be this.
                std::thread::yield_now();
            }
        }
        Ok(self.reserve(size))
    }

    /// Sends one message; false when there is no room now.
    ///
    /// # Errors
    /// [`MapError::Unsuitable`] for messages above [`capacity`](Self::capacity).
    pub fn push<M: Pod>(&mut self, message: &M) -> Result<bool, MapError> {
        self.check_size(size_of::<M>())?;
        let Some(mut room) = self.reserve(size_of::<M>()) else {
            return Ok(false);
        };
        room.copy_from_slice(hachi_common::bytes_of(message));
        room.submit();
        Ok(true)
    }
}

/// Room for one message: the ring buffer's own memory (8-byte aligned), zero or what was there
/// before. Discarded when dropped.
pub struct UserRingBufItem<'a> {
    ring: &'a mut Ring,
    record: *mut u8,
    size: usize,
    state: u32,
    /// A child made by fork(2) has a copy of this, but shares the ring: it discards nothing.
    maker: Maker,
}

impl UserRingBufItem<'_> {
    /// Hands the message over to programs.
    #[inline]
    pub fn submit(mut self) {
        self.state = 0;
    }

    /// Drops the message: programs skip it.
    pub fn discard(self) {}
}

impl Drop for UserRingBufItem<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.state == 0 || self.maker.is_this() {
            self.ring.finish(self.record, self.size, self.state);
        }
    }
}

impl Deref for UserRingBufItem<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: `reserve` found this room after the header; programs read it only once the header
        // is finished, which happens on drop; the ring (and its mapping) is borrowed until then.
        unsafe { slice::from_raw_parts(self.record.add(HEADER), self.size) }
    }
}

impl DerefMut for UserRingBufItem<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and borrowed exclusively.
        unsafe { slice::from_raw_parts_mut(self.record.add(HEADER), self.size) }
    }
}

impl fmt::Debug for UserRingBufItem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UserRingBufItem").field(&&**self).finish()
    }
}

// SAFETY: the pointer is into the ring, which is exclusively borrowed and itself Send.
unsafe impl Send for UserRingBufItem<'_> {}
// SAFETY: shared access only reads bytes that nobody writes.
unsafe impl Sync for UserRingBufItem<'_> {}

/// Writable when there is room for something.
impl<T: Borrow<MapData>> AsFd for UserRingBuf<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.borrow().fd().as_fd()
    }
}

impl<T: Borrow<MapData>> AsRawFd for UserRingBuf<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.inner.borrow().as_raw_fd()
    }
}

exclusive_conversions!(UserRingBuf);

/// The mapped ring.
#[derive(Debug)]
struct Ring {
    consumer: Mmap,
    producer: Mmap,
    /// Offset of the data in the second mapping: one page.
    data: usize,
    mask: usize,
}

impl Ring {
    fn new(fd: BorrowedFd<'_>, size: usize) -> io::Result<Self> {
        let page = page_size();
        Ok(Ring {
            consumer: Mmap::new(fd, page, 0, false)?,
            producer: Mmap::new(fd, page + 2 * size, page, true)?,
            data: page,
            mask: size - 1,
        })
    }

    #[inline]
    fn consumer(&self) -> &AtomicU64 {
        // SAFETY: the mapping is a page, page-aligned, starting with the kernel's `unsigned long
        // consumer_pos`, and only read.
        unsafe { &*self.consumer.ptr().cast::<AtomicU64>() }
    }

    #[inline]
    fn producer(&self) -> &AtomicU64 {
        // SAFETY: as for the consumer; `unsigned long producer_pos`.
        unsafe { &*self.producer.ptr().cast::<AtomicU64>() }
    }

    #[inline]
    fn unread(&self) -> usize {
        let produced = self.producer().load(Ordering::Acquire);
        produced.wrapping_sub(self.consumer().load(Ordering::Acquire)) as usize
    }

    #[inline]
    fn has_room(&self, size: usize) -> bool {
        let taken = size
            .checked_add(HEADER)
            .and_then(|size| size.checked_next_multiple_of(8));
        taken.is_some_and(|taken| taken <= (self.mask + 1).saturating_sub(self.unread()))
    }

    /// The address of a new record's header.
    #[inline]
    fn reserve(&mut self, size: usize) -> Option<*mut u8> {
        // Both flags must stay clear.
        let length = u32::try_from(size).ok().filter(|len| len < &DISCARD_BIT)?;
        if !self.has_room(size) {
            return None;
        }
        let position = self.producer().load(Ordering::Relaxed);
        let offset = self.data + (position as usize & self.mask);
        // SAFETY: the data is mapped twice in a row, so a record that starts in the first half and
        // is no longer than the ring lies inside the mapping.
        let record = unsafe { self.producer.ptr().add(offset) };
        self.header(record)
            .store(length | BUSY_BIT, Ordering::Relaxed);
        let taken = (size + HEADER).next_multiple_of(8) as u64;
        self.producer()
            .store(position.wrapping_add(taken), Ordering::Release);
        Some(record)
    }

    /// Finishes the record at `record`, of this ring.
    #[inline]
    fn finish(&self, record: *mut u8, size: usize, state: u32) {
        // A full barrier, as the kernel's producers have one here: what is written must be visible
        // before a program may take the record.
        self.header(record)
            .swap(size as u32 | state, Ordering::SeqCst);
    }

    #[inline]
    fn header(&self, record: *mut u8) -> &AtomicU32 {
        // SAFETY: records of this ring begin at multiples of 8 inside the mapping.
        unsafe { &*record.cast::<AtomicU32>() }
    }
}
