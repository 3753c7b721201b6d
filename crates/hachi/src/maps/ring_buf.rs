//! `BPF_MAP_TYPE_RINGBUF`: events from programs, in order.
//!
//! The kernel maps three things into user space (`kernel/bpf/ringbuf.c`): a page with the
//! consumer's position, which we write; a page with the producer's; and the data, mapped twice in a
//! row so that no record is ever split. Each record is an 8-byte header (length, with a bit for
//! "still being written" and one for "discarded") and the data, padded to 8.

use std::{
    borrow::Borrow,
    fmt, io,
    ops::Deref,
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    slice,
    sync::atomic::{AtomicU32, AtomicUsize, Ordering, fence},
    time::{Duration, Instant},
};

use super::{MapData, MapError, MapType, Unsuitable, in_use::InUse, view::exclusive_conversions};
use crate::sys::{
    mmap::{Mmap, page_size},
    poll,
    process::Maker,
};

/// Of a record, in bytes.
pub(super) const HEADER: usize = 8;
pub(super) const BUSY_BIT: u32 = 1 << 31;
pub(super) const DISCARD_BIT: u32 = 1 << 30;

/// The reading end of a ring buffer. Linux ≥ 5.8.
///
/// [`next`](Self::next) never waits. To wait, use [`next_timeout`](Self::next_timeout), poll the
/// descriptor ([`AsFd`]) with whatever event loop there is ([`EventPoll`](super::EventPoll) is one
/// for several buffers), or, with the feature `tokio`, `into_async`.
///
/// [`events`](Self::events) reads records as values of a Rust type.
///
/// One ring buffer has one reader. A second `RingBuf` on the same map would hand its memory back to
/// programs while the first still looks at it, so this process can have one only:
/// [`MapError::RingBufInUse`]. (Nothing keeps another process from it, which needs the same rights
/// as writing to this one's memory does.)
///
/// ```no_run
/// # use hachi::maps::{MapData, RingBuf};
/// # use std::time::Duration;
/// # fn f(map: hachi::maps::Map) -> Result<(), Box<dyn std::error::Error>> {
/// let mut events = RingBuf::try_from(map)?;
/// while let Some(event) = events.next_timeout(Duration::from_secs(1))? {
///     println!("{} bytes", event.len());
/// }
/// # Ok(()) }
/// ```
/// So a shared reference to the map, of which there can be several, is not enough for one:
/// ```compile_fail
/// # use hachi::maps::{Map, RingBuf};
/// # fn f(map: &Map) -> Result<(), Box<dyn std::error::Error>> {
/// let events = RingBuf::try_from(map)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct RingBuf<T> {
    inner: T,
    ring: Ring,
    /// Last, so that nobody else is let in before the ring is given up.
    _in_use: InUse,
}

impl<T: Borrow<MapData>> RingBuf<T> {
    /// The view of a map that anything holds: a [`MapData`], a reference to one, an `Arc`.
    ///
    /// # Errors
    /// [`MapError`] that says what is different when the map is of another kind, or has
    /// other keys or values.
    pub fn new(map: T) -> Result<Self, MapError> {
        let data = map.borrow();
        data.check_kind(&[MapType::Ringbuf], "RingBuf")?;
        let size = data.max_entries() as usize;
        if !size.is_power_of_two() || !size.is_multiple_of(page_size()) {
            return Err(MapError::Unsuitable {
                name: data.name().to_owned(),
                reason: Unsuitable::RingBufSize { size },
            });
        }
        let in_use = InUse::new(data)?;
        let ring = Ring::new(data.as_fd(), size).map_err(|error| data.io_error("mmap", error))?;
        Ok(RingBuf {
            inner: map,
            ring,
            _in_use: in_use,
        })
    }

    /// The map itself: its name, its description, pinning.
    pub fn map(&self) -> &MapData {
        self.inner.borrow()
    }

    /// The next record, if there is one. Its space is given back to programs when it is dropped.
    #[allow(clippy::should_implement_trait)] // lends from itself, which Iterator cannot
    #[inline]
    pub fn next(&mut self) -> Option<RingBufItem<'_>> {
        let (data, size) = self.ring.peek()?;
        Some(RingBufItem {
            ring: &mut self.ring,
            data,
            size,
            maker: Maker::this(),
        })
    }

    /// As [`next`](Self::next), waiting for at most `timeout` when there is no record.
    ///
    /// # Errors
    /// What poll(2) refuses.
    pub fn next_timeout(&mut self, timeout: Duration) -> io::Result<Option<RingBufItem<'_>>> {
        Ok(match self.next_ready(timeout)? {
            true => self.next(),
            false => None,
        })
    }

    /// Waits until [`next`](Self::next) has a record; false when `timeout` has passed.
    pub(crate) fn next_ready(&mut self, timeout: Duration) -> io::Result<bool> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            if self.is_readable() {
                return Ok(true);
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(false);
            }
            if poll::readable(self.as_fd(), left)? && !self.is_readable() {
                // Readable, but the first record is still being written: its program is about to
                // finish.
                std::thread::yield_now();
            }
        }
    }

    /// Whether there is a record to read.
    pub(crate) fn is_readable(&mut self) -> bool {
        self.ring.peek().is_some()
    }

    /// Bytes of the record that [`next`](Self::next) would return; 0 when there is none.
    pub(crate) fn readable_size(&mut self) -> usize {
        self.ring.peek().map_or(0, |(_, size)| size)
    }

    /// Waits until there is a record to read (true) or `timeout` has passed (false; `None` waits
    /// forever).
    ///
    /// # Errors
    /// What poll(2) refuses.
    pub fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        poll::readable(self.inner.borrow().as_fd(), timeout)
    }

    /// Calls `f` with every record there is, in place, and returns their number. Does not wait.
    ///
    /// The fastest way to read: the space of records is given back in batches (of at most a quarter
    /// of the ring, so that programs find room meanwhile), not one by one.
    pub fn drain(&mut self, f: impl FnMut(&[u8])) -> usize {
        self.ring.drain(f)
    }

    /// Bytes of records (headers included) not read yet.
    pub fn unread(&self) -> usize {
        self.ring
            .producer()
            .load(Ordering::Acquire)
            .wrapping_sub(self.ring.consumer_position)
    }
}

/// Readable when there is a record.
impl<T: Borrow<MapData>> AsFd for RingBuf<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.borrow().fd().as_fd()
    }
}

impl<T: Borrow<MapData>> AsRawFd for RingBuf<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.inner.borrow().as_raw_fd()
    }
}

exclusive_conversions!(RingBuf);

/// One record, in place: the bytes are the ring buffer's own memory (8-byte aligned).
pub struct RingBufItem<'a> {
    ring: &'a mut Ring,
    data: *const u8,
    size: usize,
    /// A child made by fork(2) has a copy of this, but shares the ring: it gives nothing back.
    maker: Maker,
}

impl Deref for RingBufItem<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: `peek` found a finished record here. Programs reuse its memory only after the
        // consumer position passes it, which happens when this value is dropped; the ring (and its
        // mapping) is borrowed until then.
        unsafe { slice::from_raw_parts(self.data, self.size) }
    }
}

impl fmt::Debug for RingBufItem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RingBufItem").field(&&**self).finish()
    }
}

impl Drop for RingBufItem<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.maker.is_this() {
            self.ring.consume(self.size);
        }
    }
}

// SAFETY: the pointer is into the ring, which is exclusively borrowed and itself Send.
unsafe impl Send for RingBufItem<'_> {}
// SAFETY: shared access only reads bytes nobody writes.
unsafe impl Sync for RingBufItem<'_> {}

/// The mapped ring.
#[derive(Debug)]
struct Ring {
    consumer: Mmap,
    producer: Mmap,
    /// Offset of the data in the second mapping: one page.
    data: usize,
    mask: usize,
    /// What we last wrote to the consumer's page: nobody else does.
    consumer_position: usize,
    /// The producer's position when last looked at; up to there every record has a header.
    producer_position: usize,
    /// Whether there was a fence since we last wrote to the consumer's page.
    fenced: bool,
}

impl Ring {
    fn new(fd: BorrowedFd<'_>, size: usize) -> io::Result<Self> {
        let page = page_size();
        let consumer = Mmap::new(fd, page, 0, true)?;
        let producer = Mmap::new(fd, page + 2 * size, page, false)?;
        let mut ring = Ring {
            consumer,
            producer,
            data: page,
            mask: size - 1,
            consumer_position: 0,
            producer_position: 0,
            fenced: false,
        };
        // Not 0 for a ring that another process has read from before. Always a multiple of 8,
        // unless that process wrote nonsense there; the reads of headers rely on it.
        ring.consumer_position = ring.consumer().load(Ordering::Acquire) & !7;
        ring.producer_position = ring.consumer_position;
        Ok(ring)
    }

    #[inline]
    fn consumer(&self) -> &AtomicUsize {
        // SAFETY: the mapping is a page, page-aligned, starting with the kernel's `unsigned long
        // consumer_pos`.
        unsafe { &*self.consumer.ptr().cast::<AtomicUsize>() }
    }

    #[inline]
    fn producer(&self) -> &AtomicUsize {
        // SAFETY: as for the consumer; `unsigned long producer_pos`.
        unsafe { &*self.producer.ptr().cast::<AtomicUsize>() }
    }

    /// The first record that is finished and not discarded.
    #[inline]
    fn peek(&mut self) -> Option<(*const u8, usize)> {
        loop {
            if let Some(record) = self.scan() {
                return Some(record);
            }
            if !self.look_again() {
                return None;
            }
        }
    }

    /// Whether there is a record after all, once there was none up to the producer's position.
    ///
    /// About to say "nothing": a reader would now wait for a wake-up, which the kernel sends only
    /// if it sees that we have read everything before its record. Our last position and the read
    /// that found nothing must therefore not be reordered: with the fence, either the kernel sees
    /// the position or we see its record. One fence is enough for each position that we write.
    #[inline]
    fn look_again(&mut self) -> bool {
        if !self.fenced {
            fence(Ordering::SeqCst);
            self.fenced = true;
        }
        let position = self.producer().load(Ordering::Acquire);
        if position == self.consumer_position {
            return false;
        }
        self.producer_position = position;
        self.header().load(Ordering::Acquire) & BUSY_BIT == 0
    }

    #[inline]
    fn scan(&mut self) -> Option<(*const u8, usize)> {
        while self.consumer_position != self.producer_position {
            let header = self.header().load(Ordering::Acquire);
            if header & BUSY_BIT != 0 {
                return None;
            }
            let size = ((header & !DISCARD_BIT) as usize).min(self.mask + 1 - HEADER);
            if header & DISCARD_BIT != 0 {
                self.consume(size);
                continue;
            }
            let offset = self.data + (self.consumer_position & self.mask) + HEADER;
            // SAFETY: the data is mapped twice in a row, so a record that starts in the first half
            // and is no longer than the ring (see `min` above) lies inside the mapping.
            return Some((unsafe { self.producer.ptr().add(offset) }, size));
        }
        None
    }

    fn drain(&mut self, mut f: impl FnMut(&[u8])) -> usize {
        // Of many rings, most are empty most of the time.
        if self.consumer_position == self.producer_position && !self.look_again() {
            return 0;
        }
        let quarter = (self.mask + 1) / 4;
        let mut count = 0;
        // What `f` panics over is given back, too.
        let mut batch = Batch {
            given_back: self.consumer_position,
            ring: self,
            maker: Maker::this(),
        };
        loop {
            let ring = &mut *batch.ring;
            while ring.consumer_position != ring.producer_position {
                let header = ring.header().load(Ordering::Acquire);
                if header & BUSY_BIT != 0 {
                    break;
                }
                let size = ((header & !DISCARD_BIT) as usize).min(ring.mask + 1 - HEADER);
                let offset = ring.data + (ring.consumer_position & ring.mask) + HEADER;
                ring.advance(size);
                if header & DISCARD_BIT == 0 {
                    // SAFETY: as in `scan` and `RingBufItem`: a finished record inside of the
                    // mapping, which programs reuse only after the position in the shared page
                    // passes it.
                    f(unsafe { slice::from_raw_parts(ring.producer.ptr().add(offset), size) });
                    count += 1;
                }
                if ring.consumer_position.wrapping_sub(batch.given_back) >= quarter {
                    batch.given_back = ring.consumer_position;
                    ring.publish();
                }
            }
            if ring.consumer_position != batch.given_back {
                batch.given_back = ring.consumer_position;
                ring.publish();
            }
            if !ring.look_again() {
                return count;
            }
        }
    }

    #[inline]
    fn header(&self) -> &AtomicU32 {
        let offset = self.data + (self.consumer_position & self.mask);
        // SAFETY: positions are multiples of 8, so this is inside the first copy of the data and
        // aligned.
        unsafe { &*self.producer.ptr().add(offset).cast::<AtomicU32>() }
    }

    /// Gives back the record of `size` bytes at the consumer's position.
    #[inline]
    fn consume(&mut self, size: usize) {
        self.advance(size);
        self.publish();
    }

    #[inline]
    fn advance(&mut self, size: usize) {
        let taken = (size + HEADER).next_multiple_of(8);
        self.consumer_position = self.consumer_position.wrapping_add(taken);
    }

    #[inline]
    fn publish(&mut self) {
        self.fenced = false;
        self.consumer()
            .store(self.consumer_position, Ordering::Release);
    }
}

/// Gives back what has been read, however the reading ends.
struct Batch<'a> {
    ring: &'a mut Ring,
    given_back: usize,
    maker: Maker,
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        let all = self.ring.consumer_position == self.given_back;
        if !all && self.maker.is_this() {
            self.ring.publish();
        }
    }
}
