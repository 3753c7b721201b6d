//! Buffers in a tokio runtime.

use std::{
    borrow::{Borrow, BorrowMut},
    collections::VecDeque,
    io,
    os::fd::{AsRawFd, RawFd},
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use tokio::io::{Interest, unix::AsyncFd};

use super::{
    Events, MapData, MapError, MapFd, PerfEvents, PerfEventsRead, RingBuf, RingBufItem,
    UserRingBuf, UserRingBufItem,
};
use crate::Pod;

/// Registers a descriptor with the current runtime.
fn register<F: AsRawFd>(fd: F, interest: Interest) -> io::Result<AsyncFd<F>> {
    // Deprecated for types whose descriptor may change under way; those here cannot. What replaces
    // it exists in the newest tokio only.
    #[allow(deprecated)]
    AsyncFd::with_interest(fd, interest)
}

/// A ring buffer read by tokio. Made inside a runtime with I/O enabled, by
/// [`RingBuf::into_async`].
///
/// [`next`](Self::next) lends each record in place; as a `Stream` it yields copies.
#[derive(Debug)]
pub struct AsyncRingBuf<T: Borrow<MapData>> {
    /// A hold of its own on the map, so that the descriptor registered cannot change or close
    /// before this.
    ready: AsyncFd<MapFd>,
    ring: RingBuf<T>,
}

impl<T: Borrow<MapData>> RingBuf<T> {
    /// Registers the ring buffer with the current tokio runtime.
    ///
    /// # Errors
    /// What epoll_ctl(2) refuses.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O enabled.
    pub fn into_async(self) -> io::Result<AsyncRingBuf<T>> {
        let ready = register(self.map().fd().clone(), Interest::READABLE)?;
        Ok(AsyncRingBuf { ready, ring: self })
    }
}

impl<T: Borrow<MapData>> AsyncRingBuf<T> {
    /// The next record, as soon as there is one. Cancel safe.
    ///
    /// # Errors
    /// The runtime is shutting down.
    pub async fn next(&mut self) -> io::Result<RingBufItem<'_>> {
        std::future::poll_fn(|cx| self.poll_ready(cx)).await?;
        match self.ring.next() {
            Some(record) => Ok(record),
            None => Err(io::Error::other(
                "a ready record vanished: is there a second reader?",
            )),
        }
    }

    /// The next record if there is one already.
    pub fn try_next(&mut self) -> Option<RingBufItem<'_>> {
        self.ring.next()
    }

    /// Ready when `next` has a record.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.ring.is_readable() {
                return Poll::Ready(Ok(()));
            }
            let mut guard = ready!(self.ready.poll_read_ready(cx))?;
            // Only after looking once more: an event that came since must not be forgotten.
            if !self.ring.is_readable() {
                guard.clear_ready();
            }
        }
    }
}

impl<T: Borrow<MapData> + Unpin> Stream for AsyncRingBuf<T> {
    type Item = io::Result<Vec<u8>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        ready!(this.poll_ready(cx))?;
        Poll::Ready(this.ring.next().map(|record| Ok(record.to_vec())))
    }
}

/// Typed events read by tokio, by [`Events::into_async`]: a `Stream` of `E`. A record of another
/// size is an error of kind [`InvalidData`](io::ErrorKind::InvalidData), and is skipped.
#[derive(Debug)]
pub struct AsyncEvents<T: Borrow<MapData>, E> {
    ready: AsyncFd<MapFd>,
    events: Events<T, E>,
}

impl<T: Borrow<MapData>, E: Pod> Events<T, E> {
    /// Registers the ring buffer with the current tokio runtime.
    ///
    /// # Errors
    /// What epoll_ctl(2) refuses.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O enabled.
    pub fn into_async(mut self) -> io::Result<AsyncEvents<T, E>> {
        let ready = register(self.ring().map().fd().clone(), Interest::READABLE)?;
        Ok(AsyncEvents {
            ready,
            events: self,
        })
    }
}

impl<T: Borrow<MapData> + Unpin, E: Pod + Unpin> Stream for AsyncEvents<T, E> {
    type Item = io::Result<E>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            match this.events.next() {
                Ok(Some(event)) => return Poll::Ready(Some(Ok(*event))),
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
                Ok(None) => {}
            }
            let mut guard = ready!(this.ready.poll_read_ready(cx))?;
            if !this.events.ring().is_readable() {
                guard.clear_ready();
            }
        }
    }
}

/// A user ring buffer written by tokio, by [`UserRingBuf::into_async`].
#[derive(Debug)]
pub struct AsyncUserRingBuf<T: Borrow<MapData>> {
    ready: AsyncFd<MapFd>,
    ring: UserRingBuf<T>,
}

impl<T: BorrowMut<MapData>> UserRingBuf<T> {
    /// Registers the ring buffer with the current tokio runtime.
    ///
    /// # Errors
    /// What epoll_ctl(2) refuses.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O enabled.
    pub fn into_async(self) -> io::Result<AsyncUserRingBuf<T>> {
        let ready = register(self.map().fd().clone(), Interest::WRITABLE)?;
        Ok(AsyncUserRingBuf { ready, ring: self })
    }
}

impl<T: BorrowMut<MapData>> AsyncUserRingBuf<T> {
    /// Room for a message of `size` bytes, as soon as there is. Cancel safe.
    ///
    /// # Errors
    /// [`MapError::Unsuitable`] when there never will be; [`MapError::IoError`] when the runtime is
    /// shutting down.
    pub async fn reserve(&mut self, size: usize) -> Result<UserRingBufItem<'_>, MapError> {
        self.ring.check_size(size)?;
        let ready = std::future::poll_fn(|cx| {
            loop {
                if self.ring.has_room(size) {
                    return Poll::Ready(io::Result::Ok(()));
                }
                let mut guard = ready!(self.ready.poll_write_ready(cx))?;
                if !self.ring.has_room(size) {
                    guard.clear_ready();
                }
            }
        })
        .await;
        let name = self.ring.map().name().to_owned();
        let room = match ready {
            Ok(()) => self.ring.reserve(size),
            Err(error) => return Err(MapError::IoError { name, error }),
        };
        // There was room a moment ago, and this is the only writer.
        room.ok_or(MapError::RingBufInUse { name })
    }

    /// Room for a message if there is some already.
    pub fn try_reserve(&mut self, size: usize) -> Option<UserRingBufItem<'_>> {
        self.ring.reserve(size)
    }
}

/// The descriptor that a [`PerfEvents`] waits by.
#[derive(Debug)]
struct EpollFd(RawFd);

impl AsRawFd for EpollFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

/// Perf buffers read by tokio, by [`PerfEvents::into_async`].
///
/// [`read`](Self::read) lends events in place; as a `Stream` it yields them as [`PerfEvent`]s.
#[derive(Debug)]
pub struct AsyncPerfEvents {
    // Before what it refers to, so that it is taken from the runtime before it is closed.
    ready: AsyncFd<EpollFd>,
    events: PerfEvents,
    queue: VecDeque<PerfEvent>,
}

/// What [`AsyncPerfEvents`] yields.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PerfEvent {
    /// An event.
    Data {
        /// The CPU it was sent on.
        cpu: u32,
        /// What was sent, padded by up to 7 bytes.
        data: Vec<u8>,
    },
    /// That many events found no room.
    Lost(usize),
}

impl PerfEvents {
    /// Registers the buffers with the current tokio runtime.
    ///
    /// # Errors
    /// What epoll_ctl(2) refuses.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O enabled.
    pub fn into_async(self) -> io::Result<AsyncPerfEvents> {
        use std::os::fd::AsFd as _;
        let fd = EpollFd(self.as_fd().as_raw_fd());
        Ok(AsyncPerfEvents {
            ready: register(fd, Interest::READABLE)?,
            events: self,
            queue: VecDeque::new(),
        })
    }
}

impl AsyncPerfEvents {
    /// Waits until there are events, then calls `f` with CPU and data of all that there are. Cancel
    /// safe.
    ///
    /// # Errors
    /// The runtime is shutting down.
    pub async fn read(&mut self, mut f: impl FnMut(u32, &[u8])) -> io::Result<PerfEventsRead> {
        std::future::poll_fn(|cx| self.poll_read(cx, &mut f)).await
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        f: &mut impl FnMut(u32, &[u8]),
    ) -> Poll<io::Result<PerfEventsRead>> {
        loop {
            let read = self.events.read(&mut *f);
            if read != PerfEventsRead::default() {
                return Poll::Ready(Ok(read));
            }
            let mut guard = ready!(self.ready.poll_read_ready(cx))?;
            if !self.events.is_readable() {
                guard.clear_ready();
            }
        }
    }
}

impl Stream for AsyncPerfEvents {
    type Item = io::Result<PerfEvent>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.queue.is_empty() {
            let mut queue = std::mem::take(&mut this.queue);
            let read = this.poll_read(cx, &mut |cpu, data| {
                queue.push_back(PerfEvent::Data {
                    cpu,
                    data: data.to_vec(),
                });
            });
            this.queue = queue;
            let read = ready!(read)?;
            if read.lost > 0 {
                this.queue.push_back(PerfEvent::Lost(read.lost));
            }
        }
        Poll::Ready(this.queue.pop_front().map(Ok))
    }
}
