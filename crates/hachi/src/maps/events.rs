//! Records of a ring buffer as values of one Rust type.

use std::{
    any::type_name,
    borrow::Borrow,
    fmt, io,
    marker::PhantomData,
    ops::Deref,
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

use super::{MapData, RingBuf, RingBufItem};
use crate::Pod;

/// A ring buffer whose records are values of `E`, read in place. By [`RingBuf::events`].
///
/// A record of another size than `E` is skipped, with an error that names both.
///
/// ```no_run
/// # use hachi::maps::{MapData, RingBuf};
/// # use std::time::Duration;
/// # fn f(map: hachi::maps::Map) -> Result<(), Box<dyn std::error::Error>> {
/// let mut execs = RingBuf::try_from(map)?.events::<[u32; 4]>();
/// while let Some(event) = execs.next_timeout(Duration::from_secs(1))? {
///     println!("process {} of user {}", event[0], event[1]);
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Events<T, E> {
    ring: RingBuf<T>,
    _event: PhantomData<E>,
}

impl<T: Borrow<MapData>> RingBuf<T> {
    /// The records as events of the type `E`, in place.
    pub fn events<E: Pod>(self) -> Events<T, E> {
        Events::new(self)
    }
}

/// A record that is not an event of the expected type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WrongEventSize {
    /// The map.
    pub map: String,
    /// Bytes of the record.
    pub size: usize,
    /// Whether up to 7 of them are padding by the kernel: in perf buffers, not in ring buffers.
    pub padded: bool,
    /// The Rust type expected.
    pub event: &'static str,
    /// Its size.
    pub expected: usize,
}

impl fmt::Display for WrongEventSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WrongEventSize {
            map,
            size,
            padded,
            event,
            expected,
        } = self;
        let padding = match padded {
            true => ", with the kernel's padding",
            false => "",
        };
        write!(
            f,
            "map {map:?} has an event of {size} bytes{padding}; {event} has {expected}"
        )
    }
}

impl std::error::Error for WrongEventSize {}

impl From<WrongEventSize> for io::Error {
    fn from(error: WrongEventSize) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}

/// One event, in place. Its space is given back to programs when it is dropped.
#[derive(Debug)]
pub struct EventItem<'a, E> {
    record: RingBufItem<'a>,
    _event: PhantomData<E>,
}

impl<E: Pod> Deref for EventItem<'_, E> {
    type Target = E;

    fn deref(&self) -> &E {
        event(&self.record).unwrap_or_else(|| unreachable!("checked when it was made"))
    }
}

/// The record as an event, if it is one by size.
fn event<E: Pod>(record: &[u8]) -> Option<&E> {
    // Records begin at multiples of 8 (after a header of 8 bytes).
    const {
        assert!(
            align_of::<E>() <= 8,
            "events cannot need more than 8-byte alignment"
        )
    };
    let place = record.as_ptr().cast::<E>();
    // SAFETY: size and alignment are checked, a Pod accepts any bytes, and the borrow is the
    // record's.
    (record.len() == size_of::<E>() && place.is_aligned()).then(|| unsafe { &*place })
}

impl<T: Borrow<MapData>, E: Pod> Events<T, E> {
    pub(crate) fn new(ring: RingBuf<T>) -> Self {
        Events {
            ring,
            _event: PhantomData,
        }
    }

    /// The ring buffer, to read records as bytes.
    pub fn ring(&mut self) -> &mut RingBuf<T> {
        &mut self.ring
    }

    /// As [`ring`](Self::ring), owned.
    pub fn into_ring(self) -> RingBuf<T> {
        self.ring
    }

    /// The next event, if there is one.
    ///
    /// # Errors
    /// The record has another size. It is skipped.
    #[allow(clippy::should_implement_trait)] // lends from itself, which Iterator cannot
    pub fn next(&mut self) -> Result<Option<EventItem<'_, E>>, WrongEventSize> {
        // The name is looked up in advance, since the record borrows the ring.
        let Events { ring, .. } = self;
        if !ring.is_readable() {
            return Ok(None);
        }
        let size = ring.readable_size();
        if size != size_of::<E>() {
            let error = wrong::<E>(ring.map(), size);
            drop(ring.next());
            return Err(error);
        }
        Ok(ring.next().map(|record| EventItem {
            record,
            _event: PhantomData,
        }))
    }

    /// As [`next`](Self::next), waiting for at most `timeout` when there is none.
    ///
    /// # Errors
    /// As [`next`](Self::next), as an error of kind [`InvalidData`](io::ErrorKind::InvalidData);
    /// what poll(2) refuses.
    pub fn next_timeout(&mut self, timeout: Duration) -> io::Result<Option<EventItem<'_, E>>> {
        if self.ring.next_ready(timeout)? {
            return Ok(self.next()?);
        }
        Ok(None)
    }

    /// Calls `f` with every event there is and returns their number. Does not wait.
    ///
    /// # Errors
    /// There was a record of another size; the first is reported, after everything has been read.
    pub fn drain(&mut self, mut f: impl FnMut(&E)) -> Result<usize, WrongEventSize> {
        let mut stray = None;
        let mut count = 0;
        self.ring.drain(|record| match event(record) {
            Some(event) => {
                f(event);
                count += 1;
            }
            None => stray = stray.or(Some(record.len())),
        });
        match stray {
            None => Ok(count),
            Some(size) => Err(wrong::<E>(self.ring.map(), size)),
        }
    }
}

fn wrong<E: Pod>(map: &MapData, size: usize) -> WrongEventSize {
    WrongEventSize {
        map: map.name().to_owned(),
        size,
        padded: false,
        event: type_name::<E>(),
        expected: size_of::<E>(),
    }
}

/// Readable when there is an event.
impl<T: Borrow<MapData>, E> AsFd for Events<T, E> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}
