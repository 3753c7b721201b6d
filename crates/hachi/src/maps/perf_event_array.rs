//! `BPF_MAP_TYPE_PERF_EVENT_ARRAY`: events from programs, by CPU.

use std::{
    borrow::{Borrow, BorrowMut},
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    time::Duration,
};

use super::{
    ElementFlags, MapData, MapError, MapInfo, Unsuitable, events::WrongEventSize, view::view,
};
use crate::{
    Pod,
    fd::MapFd,
    latest::{self, Place, Ticket},
    sys::{
        bpf, cpu,
        epoll::Epoll,
        errno::SyscallError,
        perf_buffer::{PerfBuffer, Record, is_page_count},
        process::Maker,
    },
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
    PerfEventArray<>: PerfEventArray, u32 => u32
}

/// What one reading found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "says how many events were lost"]
#[non_exhaustive]
pub struct PerfEventsRead {
    /// Events read.
    pub read: usize,
    /// Events that programs could not send because the buffer was full, since this was last said.
    ///
    /// On Linux ≥ 6.0 these are all that were lost until now. Older kernels tell with the next
    /// event that finds room, and not before.
    pub lost: usize,
}

impl PerfEventsRead {
    fn add(&mut self, other: Self) {
        self.read += other.read;
        self.lost = self.lost.saturating_add(other.lost);
    }
}

impl<T: BorrowMut<MapData>> PerfEventArray<T> {
    /// Puts an event opened elsewhere (`perf_event_open(2)`) at `index`, for
    /// `bpf_perf_event_read_value` or for output. `flags`: 0.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], [`MapError::InvalidFlags`], and what the kernel refuses.
    pub fn set(
        &mut self,
        index: u32,
        event: impl AsFd,
        flags: impl Into<ElementFlags>,
    ) -> Result<(), MapError> {
        let map = self.map();
        map.check_index(index)?;
        // Not a buffer's, which are the ones to be taken out again.
        latest::put(place(map, index)?, || {
            map.put_fd(&index, event.as_fd(), flags.into())
        })
        .map(drop)
    }

    /// Opens the buffer of CPU `index`, of `page_count` pages of memory (a power of two; 2 if not
    /// given). Events that programs send there before, or while it is full, are lost.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], [`MapError::CpuOffline`], [`MapError::Unsuitable`] for a number
    /// of pages that is not a power of two, and what the kernel refuses.
    pub fn open(
        &mut self,
        index: u32,
        page_count: Option<usize>,
    ) -> Result<PerfEventArrayBuffer, MapError> {
        let map = self.map();
        map.check_index(index)?;
        let pages = page_count.unwrap_or(DEFAULT_PAGES);
        if !is_page_count(pages) {
            return Err(MapError::Unsuitable {
                name: map.name().to_owned(),
                reason: Unsuitable::BufferPages { pages },
            });
        }
        let buffer =
            PerfBuffer::open(index, pages, 1).map_err(|error| not_opened(map, index, error))?;
        let ticket = latest::put(place(map, index)?, || {
            map.put_fd(&index, buffer.as_fd(), ElementFlags::ANY)
        })?;
        Ok(PerfEventArrayBuffer {
            buffer,
            ticket,
            maker: Maker::this(),
            cpu: index,
            map: map.fd().clone(),
            name: map.name().to_owned(),
        })
    }

    /// Opens the buffers of all CPUs that are online.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`MapError::IoError`] when the system does not say which are.
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
                Err(MapError::CpuOffline { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(PerfEvents { epoll, buffers })
    }
}

/// An element, of which the kernel does not say what it holds.
fn place(map: &MapData, index: u32) -> Result<Place, MapError> {
    let about = MapInfo::of(map.as_fd()).map_err(|error| map.error(error))?;
    Ok(Place::Event {
        map: about.id(),
        index,
    })
}

/// Why the buffer of a CPU could not be opened.
#[cold]
fn not_opened(map: &MapData, cpu: u32, error: SyscallError) -> MapError {
    if matches!(error.errno(), libc::ENODEV | libc::EINVAL)
        && let Ok(online) = cpu::online()
        && !online.contains(&cpu)
    {
        return MapError::CpuOffline {
            name: map.name().to_owned(),
            cpu,
            online,
        };
    }
    map.error(error)
}

/// The buffer of one CPU, by [`PerfEventArray::open`]. Dropping it ends the output there, unless
/// another was opened or set there since (by this process: the kernel does not say what an array
/// holds), or this is the copy that a child made by fork(2) has.
#[derive(Debug)]
pub struct PerfEventArrayBuffer {
    buffer: PerfBuffer,
    ticket: Ticket,
    maker: Maker,
    cpu: u32,
    map: MapFd,
    name: String,
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
    /// The kernel pads events to a multiple of 8 together with the 4 bytes of their length, and
    /// does not say by how much: one of 608 bytes is seen as 612. Up to 7 bytes at the end are
    /// nobody's. [`read_events_as`](Self::read_events_as) knows better.
    ///
    /// The room of events is given back to programs when all have been read.
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

    /// Calls `f` with every event there is as a value of the type that programs send, without the
    /// kernel's padding; events of another size as an error that names both. Does not wait.
    pub fn read_events_as<E: Pod>(
        &mut self,
        mut f: impl FnMut(Result<E, WrongEventSize>),
    ) -> PerfEventsRead {
        let map = self.name.clone();
        self.read_events(|data| f(event(data, &map)))
    }
}

/// The kernel pads what a program sends, together with the 4 bytes of its length, to a multiple of
/// 8.
const fn padded(size: usize) -> usize {
    (size + 4).next_multiple_of(8) - 4
}

fn event<E: Pod>(data: &[u8], map: &str) -> Result<E, WrongEventSize> {
    match hachi_common::read_bytes(data) {
        Some(event) if data.len() == padded(size_of::<E>()) => Ok(event),
        _ => Err(WrongEventSize {
            map: map.to_owned(),
            size: data.len(),
            padded: true,
            event: std::any::type_name::<E>(),
            expected: size_of::<E>(),
        }),
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
        if !self.maker.is_this() {
            return;
        }
        // Else the array would hold the event, and programs go on sending to nobody. An error means
        // that it is gone already.
        let key = std::ptr::from_ref(&self.cpu).cast();
        let _ = self.ticket.if_latest(None, || {
            // SAFETY: the array has 4-byte keys, as its view has checked.
            unsafe { bpf::map_delete(self.map.as_fd(), key) }
        });
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
            total.add(buffer.read_events(|data| f(cpu, data)));
        }
        total
    }

    /// Calls `f` with CPU and value of every event there is; as
    /// [`read_events_as`](PerfEventArrayBuffer::read_events_as). Does not wait.
    pub fn read_as<E: Pod>(
        &mut self,
        mut f: impl FnMut(u32, Result<E, WrongEventSize>),
    ) -> PerfEventsRead {
        let mut total = PerfEventsRead::default();
        for buffer in &mut self.buffers {
            let cpu = buffer.cpu;
            total.add(buffer.read_events_as(|event| f(cpu, event)));
        }
        total
    }

    /// As [`read`](Self::read), waiting for at most `timeout` (`None`: forever) when there is
    /// nothing.
    ///
    /// # Errors
    /// What epoll_wait(2) refuses.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_distinguished_from_its_padding() {
        assert_eq!((padded(605), padded(608), padded(612)), (612, 612, 612));
        assert_eq!(event::<[u8; 5]>(&[7; 12], "M"), Ok([7; 5]));
        let error = event::<[u8; 13]>(&[7; 12], "M").unwrap_err();
        assert_eq!(
            error.to_string(),
            "map \"M\" has an event of 12 bytes, with the kernel's padding; [u8; 13] has 13"
        );
        assert!(event::<u32>(&[7; 12], "M").is_err());
    }
}
