//! One loop for several buffers.

use std::{
    borrow::Borrow,
    fmt, io,
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

use super::{MapData, PerfEvents, RingBuf};
use crate::sys::epoll::Epoll;

/// Waits for several ring and perf buffers at once, and calls a function for every event.
///
/// ```no_run
/// # use hachi::maps::{EventPoll, MapData, RingBuf};
/// # fn f(execs: RingBuf<MapData>, exits: RingBuf<MapData>) -> std::io::Result<()> {
/// let mut poll = EventPoll::new()?;
/// poll.add(execs, |event| println!("started: {event:?}"))?;
/// poll.add(exits, |event| println!("ended: {event:?}"))?;
/// loop {
///     poll.poll(None)?;
/// }
/// # }
/// ```
pub struct EventPoll<'a> {
    // Sources first: a closed descriptor leaves the epoll by itself.
    sources: Vec<Box<dyn FnMut() -> usize + Send + 'a>>,
    epoll: Epoll,
    ready: Vec<usize>,
}

impl<'a> EventPoll<'a> {
    /// Without any buffer yet.
    ///
    /// # Errors
    /// What epoll_create1(2) refuses.
    pub fn new() -> io::Result<Self> {
        Ok(EventPoll {
            sources: Vec::new(),
            epoll: Epoll::new()?,
            ready: Vec::new(),
        })
    }

    /// Calls `f` with every record of a ring buffer.
    ///
    /// # Errors
    /// What epoll_ctl(2) refuses.
    pub fn add<T: Borrow<MapData> + Send + 'a>(
        &mut self,
        mut ring: RingBuf<T>,
        mut f: impl FnMut(&[u8]) + Send + 'a,
    ) -> io::Result<()> {
        self.epoll.add(ring.as_fd(), self.sources.len())?;
        self.sources.push(Box::new(move || ring.drain(&mut f)));
        Ok(())
    }

    /// Calls `f` with CPU and data of every event of a perf event array, `lost` with the number of
    /// those lost when there are any.
    ///
    /// # Errors
    /// What epoll_ctl(2) refuses.
    pub fn add_perf(
        &mut self,
        mut events: PerfEvents,
        mut f: impl FnMut(u32, &[u8]) + Send + 'a,
        mut lost: impl FnMut(usize) + Send + 'a,
    ) -> io::Result<()> {
        self.epoll.add(events.as_fd(), self.sources.len())?;
        self.sources.push(Box::new(move || {
            let read = events.read(&mut f);
            if read.lost > 0 {
                lost(read.lost);
            }
            read.read
        }));
        Ok(())
    }

    /// Waits for at most `timeout` (`None`: forever) until a buffer has events, and handles all
    /// that the readable ones have. Returns their number.
    ///
    /// 0 with time left means that a buffer is readable but its first event still being written.
    ///
    /// # Errors
    /// What epoll_wait(2) refuses.
    pub fn poll(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        let EventPoll {
            sources,
            epoll,
            ready,
        } = self;
        ready.clear();
        epoll.wait(timeout, |number| ready.push(number))?;
        Ok(ready.iter().map(|&number| sources[number]()).sum())
    }

    /// Handles all events that there are, without waiting and without asking which buffers are
    /// readable. Returns their number. For programs that send without waking (`BPF_RB_NO_WAKEUP`).
    pub fn consume(&mut self) -> usize {
        self.sources.iter_mut().map(|source| source()).sum()
    }
}

/// Readable when one of the buffers is.
impl AsFd for EventPoll<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl fmt::Debug for EventPoll<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventPoll")
            .field("sources", &self.sources.len())
            .finish_non_exhaustive()
    }
}
