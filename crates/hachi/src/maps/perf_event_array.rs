//! `BPF_MAP_TYPE_PERF_EVENT_ARRAY`: events from programs, by CPU.

use std::{
    borrow::{Borrow, BorrowMut},
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    time::Duration,
};

use super::{MapData, MapError, view::view};
use crate::fd::MapFd;
use crate::sys::{
    bpf, cpu,
    epoll::Epoll,
    perf_buffer::{PerfBuffer, Record, check_pages},
};

/// Pages of a buffer if nothing else is asked for (as in Aya).
const DEFAULT_PAGES: usize = 2;

view! {
    /// Where programs send events to with `bpf_perf_event_output`: a buffer for each CPU, so that
    /// events of different CPUs are in no order. Linux ≥ 4.3. (Newer programs use a
    /// [`RingBuf`](super::RingBuf).)
    ///
    /// ```no_run
    /// # use hachi::maps::{MapData, PerfEventArray};
    /// # fn f(map: hachi::maps::Map) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut array = PerfEventArray::try_from(map)?;
    /// let mut events = array.open_all(Some(64))?;
    /// loop {
    ///     let read = events.read_timeout(None, |cpu, data| println!("CPU {cpu}: {data:?}"))?;
    ///     if read.lost > 0 {
    ///         eprintln!("{} events were lost", read.lost);
    ///     }
    /// }
    /// # }
    /// ```
    PerfEventArray<>: PerfEventArray, "PerfEventArray (perf_event_array)", u32 => u32
}

/// What one reading found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "says how many events were lost"]
pub struct PerfEventsRead {
    /// Events read.
    pub read: usize,
    /// Events that programs could not send because the buffer was full, since this was last said.
    pub lost: usize,
}

impl<T: BorrowMut<MapData>> PerfEventArray<T> {
    /// Puts an event opened elsewhere (`perf_event_open(2)`) at `index`, for
    /// `bpf_perf_event_read_value` or for output. `flags` is 0.
    pub fn set(&mut self, index: u32, event: impl AsFd, flags: u64) -> Result<(), MapError> {
        self.map().check_index(index)?;
        self.map().put_fd(&index, event.as_fd(), flags)
    }

    /// Opens the buffer of CPU `index`, of `page_count` pages of memory (a power of two; 2 if not
    /// given). Events that programs send there before, or while it is full, are lost.
    pub fn open(
        &mut self,
        index: u32,
        page_count: Option<usize>,
    ) -> Result<PerfEventArrayBuffer, MapError> {
        let map = self.map();
        map.check_index(index)?;
        let pages = page_count.unwrap_or(DEFAULT_PAGES);
        check_pages(pages).map_err(|error| MapError::IoError {
            name: map.name().to_owned(),
            error,
        })?;
        let buffer = PerfBuffer::open(index, pages, 1).map_err(|error| map.error(error))?;
        map.put_fd(&index, buffer.as_fd(), 0)?;
        Ok(PerfEventArrayBuffer {
            buffer,
            cpu: index,
            map: map.fd().clone(),
        })
    }

    /// Opens the buffers of all CPUs that are online.
    pub fn open_all(&mut self, page_count: Option<usize>) -> Result<PerfEvents, MapError> {
        let io_error = |map: &MapData, error| MapError::IoError {
            name: map.name().to_owned(),
            error,
        };
        let online = cpu::online().map_err(|error| io_error(self.map(), error))?;
        let epoll = Epoll::new().map_err(|error| io_error(self.map(), error))?;
        let mut buffers = Vec::with_capacity(online.len());
        for cpu in online {
            // An array declared too short has no place for the others' events.
            if cpu >= self.map().max_entries() {
                continue;
            }
            match self.open(cpu, page_count) {
                Ok(buffer) => {
                    epoll
                        .add(buffer.as_fd(), buffers.len())
                        .map_err(|error| io_error(self.map(), error))?;
                    buffers.push(buffer);
                }
                // Went offline meanwhile.
                Err(MapError::SyscallError { error, .. }) if error.errno() == libc::ENODEV => {}
                Err(error) => return Err(error),
            }
        }
        Ok(PerfEvents { epoll, buffers })
    }
}

/// The buffer of one CPU, by [`PerfEventArray::open`]. Dropping it ends the output there.
#[derive(Debug)]
pub struct PerfEventArrayBuffer {
    buffer: PerfBuffer,
    cpu: u32,
    map: MapFd,
}

impl PerfEventArrayBuffer {
    /// The CPU whose programs write it.
    pub fn cpu(&self) -> u32 {
        self.cpu
    }

    /// Whether there is something to read.
    pub fn readable(&self) -> bool {
        self.buffer.is_readable()
    }

    /// Calls `f` with every event there is, in place. Does not wait.
    ///
    /// The kernel pads events: up to 7 bytes at the end are nobody's. Their room is given back to
    /// programs when all have been read.
    pub fn read_events(&mut self, mut f: impl FnMut(&[u8])) -> PerfEventsRead {
        let mut result = PerfEventsRead::default();
        self.buffer.read(|record| match record {
            Record::Sample(data) => {
                result.read += 1;
                f(data);
            }
            Record::Lost(count) => {
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                result.lost = result.lost.saturating_add(count);
            }
        });
        result
    }
}

/// Readable when there is an event.
impl AsFd for PerfEventArrayBuffer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.buffer.as_fd()
    }
}

impl AsRawFd for PerfEventArrayBuffer {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl Drop for PerfEventArrayBuffer {
    fn drop(&mut self) {
        // Else the array would hold the event, and programs go on sending to nobody. (It may be
        // gone already, or replaced by somebody else's; nothing can be done about that here.)
        // SAFETY: the array has 4-byte keys, as its view has checked.
        let _ = unsafe { bpf::map_delete(self.map.as_fd(), std::ptr::from_ref(&self.cpu).cast()) };
    }
}

/// The buffers of all CPUs, by [`PerfEventArray::open_all`].
#[derive(Debug)]
pub struct PerfEvents {
    epoll: Epoll,
    buffers: Vec<PerfEventArrayBuffer>,
}

impl PerfEvents {
    /// Calls `f` with CPU and data of every event there is; as
    /// [`read_events`](PerfEventArrayBuffer::read_events). Does not wait.
    pub fn read(&mut self, mut f: impl FnMut(u32, &[u8])) -> PerfEventsRead {
        let mut total = PerfEventsRead::default();
        for buffer in &mut self.buffers {
            let cpu = buffer.cpu;
            let read = buffer.read_events(|data| f(cpu, data));
            total.read += read.read;
            total.lost += read.lost;
        }
        total
    }

    /// As [`read`](Self::read), waiting for at most `timeout` (`None`: for ever) when there is
    /// nothing.
    pub fn read_timeout(
        &mut self,
        timeout: Option<Duration>,
        f: impl FnMut(u32, &[u8]),
    ) -> io::Result<PerfEventsRead> {
        if !self.is_readable() {
            self.epoll.wait(timeout, |_| {})?;
        }
        Ok(self.read(f))
    }

    pub(crate) fn is_readable(&self) -> bool {
        self.buffers.iter().any(PerfEventArrayBuffer::readable)
    }

    /// The buffers, in the order of CPUs.
    pub fn buffers(&mut self) -> &mut [PerfEventArrayBuffer] {
        &mut self.buffers
    }
}

/// Readable when one of the buffers is.
impl AsFd for PerfEvents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl<T: Borrow<MapData>> PerfEventArray<T> {
    /// The number of places: CPUs, if the object leaves it to the loader.
    pub fn len(&self) -> u32 {
        self.map().max_entries()
    }

    /// Never true: the kernel refuses arrays without elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
