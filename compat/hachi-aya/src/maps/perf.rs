//! Events that programs send by perf buffers.

use std::{
    borrow::BorrowMut,
    collections::VecDeque,
    error::Error,
    fmt, io,
    marker::PhantomData,
    ops::ControlFlow,
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    path::Path,
};

use bytes::BytesMut;

use super::{Map, MapData, MapError, data::Held};
use crate::pin::PinError;

/// An error of a perf buffer.
#[derive(Debug)]
pub enum PerfBufferError {
    /// The number of pages is not a power of two.
    InvalidPageCount {
        /// The number.
        page_count: usize,
    },
    /// The event cannot be opened.
    OpenError {
        /// The system's answer.
        io_error: io::Error,
    },
    /// The buffer cannot be mapped.
    MMapError {
        /// The system's answer.
        io_error: io::Error,
    },
    /// The event cannot be switched on.
    PerfEventEnableError {
        /// The system's answer.
        io_error: io::Error,
    },
    /// No buffers were given to read into.
    NoBuffers,
    /// An event is longer than what it was to be read into.
    MoreSpaceNeeded {
        /// The event's length.
        size: usize,
    },
    /// Something about the map failed.
    MapError(MapError),
    /// Waiting failed.
    IOError(io::Error),
}

impl fmt::Display for PerfBufferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PerfBufferError::InvalidPageCount { page_count } => {
                write!(f, "{page_count} pages: a perf buffer has a power of two")
            }
            PerfBufferError::OpenError { io_error } => {
                write!(f, "cannot open a perf event: {io_error}")
            }
            PerfBufferError::MMapError { io_error } => {
                write!(f, "cannot map a perf buffer: {io_error}")
            }
            PerfBufferError::PerfEventEnableError { io_error } => {
                write!(f, "cannot switch a perf event on: {io_error}")
            }
            PerfBufferError::NoBuffers => f.write_str("no buffers to read events into"),
            PerfBufferError::MoreSpaceNeeded { size } => {
                write!(
                    f,
                    "an event of {size} bytes is longer than the buffer for it"
                )
            }
            PerfBufferError::MapError(error) => write!(f, "{error}"),
            PerfBufferError::IOError(error) => write!(f, "{error}"),
        }
    }
}

impl Error for PerfBufferError {}

impl From<MapError> for PerfBufferError {
    fn from(error: MapError) -> Self {
        PerfBufferError::MapError(error)
    }
}

/// How many events there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// Read.
    pub read: usize,
    /// Lost since the last time, because the buffer was full.
    pub lost: usize,
}

/// What a perf buffer holds.
#[derive(Clone, Copy, Debug)]
pub enum PerfEvent<'a> {
    /// What a program sent.
    Sample {
        /// Its bytes, up to where the buffer ends.
        head: &'a [u8],
        /// The bytes that stand at the buffer's start; mostly none.
        tail: &'a [u8],
    },
    /// Events were lost because the buffer was full.
    Lost {
        /// How many.
        count: u64,
    },
}

/// Events by CPU.
#[derive(Debug)]
pub struct PerfEventArray<T>(hachi::maps::PerfEventArray<Held<T>>);

impl<T: BorrowMut<MapData>> PerfEventArray<T> {
    fn new(map: T) -> Result<Self, MapError> {
        let map_type = map.borrow().map_type();
        match hachi::maps::PerfEventArray::new(Held(map)) {
            Ok(view) => Ok(PerfEventArray(view)),
            Err(hachi::maps::MapError::InvalidMapType { .. }) => {
                Err(MapError::InvalidMapType { map_type })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the buffer of a CPU, of `page_count` pages (2 if not given).
    ///
    /// # Errors
    /// [`PerfBufferError::InvalidPageCount`] when the number is not a power of two,
    /// [`PerfBufferError::OpenError`] when the CPU is offline, and what the kernel refuses.
    pub fn open(
        &mut self,
        index: u32,
        page_count: Option<usize>,
    ) -> Result<PerfEventArrayBuffer<T>, PerfBufferError> {
        if let Some(page_count) = page_count
            && !page_count.is_power_of_two()
        {
            return Err(PerfBufferError::InvalidPageCount { page_count });
        }
        match self.0.open(index, page_count) {
            Ok(buffer) => Ok(PerfEventArrayBuffer {
                buffer,
                waiting: VecDeque::new(),
                _map: PhantomData,
            }),
            Err(hachi::maps::MapError::CpuOffline { .. }) => Err(PerfBufferError::OpenError {
                io_error: io::Error::from_raw_os_error(libc::ENODEV),
            }),
            Err(error) => Err(PerfBufferError::MapError(error.into())),
        }
    }

    /// Pins the map, so that it outlives the process.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn pin<P: AsRef<Path>>(&self, path: P) -> Result<(), PinError> {
        Ok(self.0.map().pin(path)?)
    }
}

impl TryFrom<Map> for PerfEventArray<MapData> {
    type Error = MapError;

    fn try_from(map: Map) -> Result<Self, MapError> {
        Self::new(map.into_data())
    }
}

impl<'a> TryFrom<&'a mut Map> for PerfEventArray<&'a mut MapData> {
    type Error = MapError;

    fn try_from(map: &'a mut Map) -> Result<Self, MapError> {
        Self::new(map.data_mut())
    }
}

/// The buffer of one CPU.
#[derive(Debug)]
pub struct PerfEventArrayBuffer<T> {
    buffer: hachi::maps::PerfEventArrayBuffer,
    /// Events taken out of the buffer for which `read_events` was given no room.
    waiting: VecDeque<Box<[u8]>>,
    _map: PhantomData<T>,
}

impl<T> PerfEventArrayBuffer<T> {
    /// Whether there is something to read.
    pub fn readable(&self) -> bool {
        !self.waiting.is_empty() || self.buffer.readable()
    }

    /// Calls `f` with all that is there. Does not wait.
    pub fn for_each<F>(&mut self, mut f: F)
    where
        F: FnMut(PerfEvent<'_>),
    {
        for head in self.waiting.drain(..) {
            f(PerfEvent::Sample {
                head: &head,
                tail: &[],
            });
        }
        let read = self
            .buffer
            .read_events(|head| f(PerfEvent::Sample { head, tail: &[] }));
        if read.lost > 0 {
            f(PerfEvent::Lost {
                count: read.lost as u64,
            });
        }
    }

    /// Makes one value of all that is there. Does not wait.
    #[expect(clippy::missing_panics_doc, reason = "each step leaves a state")]
    pub fn fold<C, F>(&mut self, init: C, mut f: F) -> C
    where
        F: FnMut(C, PerfEvent<'_>) -> C,
    {
        let mut state = Some(init);
        self.for_each(|event| state = state.take().map(|state| f(state, event)));
        state.expect("each step leaves a state")
    }

    /// As [`fold`](Self::fold), until `f` breaks; the buffer is empty in any case.
    pub fn try_fold<B, C, F>(&mut self, init: C, mut f: F) -> ControlFlow<B, C>
    where
        F: FnMut(C, PerfEvent<'_>) -> ControlFlow<B, C>,
    {
        self.fold(ControlFlow::Continue(init), |state, event| match state {
            ControlFlow::Continue(state) => f(state, event),
            ControlFlow::Break(found) => ControlFlow::Break(found),
        })
    }

    /// Reads events into `buffers`, which grow as needed, and says how many. Does not wait. Events
    /// for which there is no buffer wait for the next call.
    ///
    /// # Errors
    /// [`PerfBufferError::NoBuffers`].
    pub fn read_events(&mut self, buffers: &mut [BytesMut]) -> Result<Events, PerfBufferError> {
        if buffers.is_empty() {
            return Err(PerfBufferError::NoBuffers);
        }
        let waiting = &mut self.waiting;
        let read = self
            .buffer
            .read_events(|data| waiting.push_back(data.into()));
        let mut events = Events {
            read: 0,
            lost: read.lost,
        };
        for buffer in buffers {
            let Some(event) = waiting.pop_front() else {
                break;
            };
            buffer.clear();
            buffer.extend_from_slice(&event);
            events.read += 1;
        }
        Ok(events)
    }
}

impl<T> AsFd for PerfEventArrayBuffer<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.buffer.as_fd()
    }
}

impl<T> AsRawFd for PerfEventArrayBuffer<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.buffer.as_raw_fd()
    }
}

#[cfg(feature = "async_tokio")]
pub use asynchronous::{AsyncPerfEventArray, AsyncPerfEventArrayBuffer};

#[cfg(feature = "async_tokio")]
mod asynchronous {
    use tokio::io::{Interest, unix::AsyncFd};

    use super::*;

    /// `register` of newer versions of tokio is what 1.0 calls `with_interest`.
    #[allow(deprecated)]
    fn register<T: AsRawFd>(source: T) -> io::Result<AsyncFd<T>> {
        AsyncFd::with_interest(source, Interest::READABLE)
    }

    /// As [`PerfEventArray`], with buffers to wait for in a tokio runtime.
    #[derive(Debug)]
    pub struct AsyncPerfEventArray<T>(PerfEventArray<T>);

    impl<T: BorrowMut<MapData>> AsyncPerfEventArray<T> {
        /// Opens the buffer of a CPU: see [`PerfEventArray::open`]. Within a tokio runtime.
        ///
        /// # Errors
        /// As [`PerfEventArray::open`]; [`PerfBufferError::IOError`] when it cannot be waited for.
        pub fn open(
            &mut self,
            index: u32,
            page_count: Option<usize>,
        ) -> Result<AsyncPerfEventArrayBuffer<T>, PerfBufferError> {
            let buffer = self.0.open(index, page_count)?;
            let buffer = register(buffer).map_err(PerfBufferError::IOError)?;
            Ok(AsyncPerfEventArrayBuffer { buffer })
        }
    }

    impl TryFrom<Map> for AsyncPerfEventArray<MapData> {
        type Error = MapError;

        fn try_from(map: Map) -> Result<Self, MapError> {
            PerfEventArray::try_from(map).map(AsyncPerfEventArray)
        }
    }

    impl<'a> TryFrom<&'a mut Map> for AsyncPerfEventArray<&'a mut MapData> {
        type Error = MapError;

        fn try_from(map: &'a mut Map) -> Result<Self, MapError> {
            PerfEventArray::try_from(map).map(AsyncPerfEventArray)
        }
    }

    /// The buffer of one CPU.
    #[derive(Debug)]
    pub struct AsyncPerfEventArrayBuffer<T> {
        buffer: AsyncFd<PerfEventArrayBuffer<T>>,
    }

    impl<T> AsyncPerfEventArrayBuffer<T> {
        /// Waits for events and reads them: see [`PerfEventArrayBuffer::read_events`].
        ///
        /// # Errors
        /// As [`PerfEventArrayBuffer::read_events`]; [`PerfBufferError::IOError`].
        pub async fn read_events(
            &mut self,
            buffers: &mut [BytesMut],
        ) -> Result<Events, PerfBufferError> {
            if self.buffer.get_ref().readable() {
                return self.buffer.get_mut().read_events(buffers);
            }
            loop {
                let ready = self.buffer.readable_mut().await;
                let mut guard = ready.map_err(PerfBufferError::IOError)?;
                let events = guard.get_inner_mut().read_events(buffers)?;
                if events.read > 0 || events.lost > 0 {
                    return Ok(events);
                }
                guard.clear_ready();
            }
        }
    }
}
