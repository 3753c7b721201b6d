//! A stream that text is written to: kept back in part, with errors that tell what they mean.

use std::io::{self, IsTerminal as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use crate::sys::{self, Signals, Waited};

/// Why something was not written.
#[derive(Debug)]
pub enum Error {
    /// Nobody reads it any more.
    Closed,
    /// A signal came while nobody was reading.
    Interrupted,
    /// Nobody reads it, and the process is to end.
    Stalled {
        /// The stream's name.
        stream: &'static str,
    },
    /// Anything else.
    Failed {
        /// The stream's name.
        stream: &'static str,
        /// What the system said.
        error: io::Error,
    },
}

/// How much is kept back at most.
const KEPT: usize = 64 * 1024;

/// What a pipe with room takes at once without waiting (`PIPE_BUF`).
const PIECE: usize = 4096;

/// How long a reader that has stopped holds up the end of the process.
const PATIENCE: Duration = Duration::from_secs(1);

/// One of the process's standard streams.
#[derive(Debug)]
pub struct Stream {
    name: &'static str,
    which: Which,
    /// Whether it shows colours.
    pub colour: bool,
    /// Columns, if it is a terminal that has a size.
    pub width: Option<usize>,
    is_terminal: bool,
    /// What ends a wait for the reader.
    pub signals: Option<Arc<Signals>>,
    /// The process is to end: what is left is written only as long as it is read.
    hurries: bool,
    kept: Vec<u8>,
    is_closed: bool,
}

#[derive(Debug, Clone, Copy)]
enum Which {
    Out,
    Err,
}

impl Stream {
    pub fn standard_output(colour: bool) -> Stream {
        Stream::new(Which::Out, "standard output", colour)
    }

    pub fn standard_error(colour: bool) -> Stream {
        Stream::new(Which::Err, "standard error", colour)
    }

    fn new(which: Which, name: &'static str, colour: bool) -> Stream {
        let (width, is_terminal) = match which {
            Which::Out => (
                terminal_size::terminal_size_of(io::stdout()),
                io::stdout().is_terminal(),
            ),
            Which::Err => (
                terminal_size::terminal_size_of(io::stderr()),
                io::stderr().is_terminal(),
            ),
        };
        Stream {
            name,
            which,
            colour,
            width: width
                .map(|(width, _)| usize::from(width.0))
                .filter(|&width| width > 0),
            is_terminal,
            signals: None,
            hurries: false,
            kept: Vec::new(),
            is_closed: false,
        }
    }

    /// Writes text, which may be kept back until [`flush`](Stream::flush). A terminal has each at
    /// once.
    pub fn write(&mut self, text: &str) -> Result<(), Error> {
        if self.is_closed {
            return Err(Error::Closed);
        }
        self.kept.extend_from_slice(text.as_bytes());
        match self.is_terminal || self.kept.len() >= KEPT {
            true => self.flush(),
            false => Ok(()),
        }
    }

    /// Writes what was kept back. What a signal has kept from being written is written next time;
    /// after other errors it is dropped.
    pub fn flush(&mut self) -> Result<(), Error> {
        let kept = std::mem::take(&mut self.kept);
        if self.is_closed && !kept.is_empty() {
            return Err(Error::Closed);
        }
        let mut rest = &kept[..];
        let written = self.write_all(&mut rest);
        if matches!(written, Err(Error::Interrupted)) {
            self.kept = rest.to_vec();
        }
        written
    }

    /// The process is to end: signals are heeded no more, a reader that has stopped for a moment
    /// only.
    pub fn hurry(&mut self) {
        self.hurries = true;
    }

    fn write_all(&mut self, bytes: &mut &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            let piece = match self.signals {
                Some(_) => {
                    self.wait_for_reader()?;
                    &bytes[..bytes.len().min(PIECE)]
                }
                None => bytes,
            };
            match self.with_fd(|fd| sys::write(fd, piece)) {
                Ok(written) => *bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Someone else made it non-blocking; it is shared.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait_for_reader()?;
                }
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    self.is_closed = true;
                    return Err(Error::Closed);
                }
                Err(error) => {
                    return Err(Error::Failed {
                        stream: self.name,
                        error,
                    });
                }
            }
        }
        Ok(())
    }

    fn with_fd<T>(&self, f: impl FnOnce(BorrowedFd<'_>) -> T) -> T {
        match self.which {
            Which::Out => f(io::stdout().as_fd()),
            Which::Err => f(io::stderr().as_fd()),
        }
    }

    /// Waits until it takes some bytes.
    fn wait_for_reader(&mut self) -> Result<(), Error> {
        let (signals, patience) = match self.hurries {
            true => (None, Some(PATIENCE)),
            false => (self.signals.clone(), None),
        };
        let waited = self
            .with_fd(|fd| sys::wait_for_room(fd, signals.as_deref(), patience))
            .map_err(|error| Error::Failed {
                stream: self.name,
                error,
            })?;
        match waited {
            Waited::Ready => Ok(()),
            Waited::Signal => Err(Error::Interrupted),
            Waited::TimeOver => Err(Error::Stalled { stream: self.name }),
        }
    }
}
