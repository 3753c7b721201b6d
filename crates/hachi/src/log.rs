//! Log messages of programs, brought to the [`log`] crate.
//!
//! The logging macros of `hachi-ebpf` send each message through a ring buffer as a number and raw
//! arguments; text, place and level are in the object file. [`EbpfLogger`] joins the two and hands
//! them to whatever logger the process has installed.

use std::{
    fmt, io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    thread,
    time::Duration,
};

use hachi_common::log::{DecodeError, LOST_MAP, Level, Message, RING_MAP, Sites};

use crate::{
    Ebpf,
    maps::{MapData, MapError, PerCpuArray, RingBuf},
};

/// An error of setting up a logger.
#[derive(Debug)]
#[non_exhaustive]
pub enum EbpfLoggerError {
    /// The object's programs log nothing, or the logger has been made before.
    NothingToLog {
        /// What the object does not have.
        missing: LogPart,
    },

    /// The ring buffer is not as it should be.
    Map(MapError),
}

/// What an object has whose programs log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogPart {
    /// The map of messages.
    Map,
    /// The section that says what each message is.
    Sites,
}

impl fmt::Display for LogPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LogPart::Map => "map HACHI_LOG",
            LogPart::Sites => "section .hachi.log",
        })
    }
}

impl fmt::Display for EbpfLoggerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EbpfLoggerError::NothingToLog { missing } => write!(
                f,
                "nothing to log: no {missing} (either no program of the object uses a logging \
                 macro, or its logger was made before); log something, or leave the logger out"
            ),
            EbpfLoggerError::Map(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for EbpfLoggerError {}

impl From<MapError> for EbpfLoggerError {
    fn from(error: MapError) -> Self {
        EbpfLoggerError::Map(error)
    }
}

/// Forwards the log messages of an object's programs.
///
/// Nothing happens by itself: call [`flush`](Self::flush) whenever the descriptor is readable
/// (poll, tokio's `AsyncFd`, …), or let [`spawn`](Self::spawn) do that in a thread.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut ebpf = hachi::Ebpf::load_file("x.o")?;
/// hachi::EbpfLogger::init(&mut ebpf)?.spawn()?;
/// # Ok(()) }
/// ```
#[must_use = "messages are forwarded by `flush` or `spawn` only"]
#[derive(Debug)]
pub struct EbpfLogger {
    ring: RingBuf<MapData>,
    lost: Option<PerCpuArray<MapData, u64>>,
    lost_told: u64,
    sites: Sites,
}

impl EbpfLogger {
    /// The logger of a loaded object. Takes its maps of log messages; there is one logger for an
    /// object.
    ///
    /// # Errors
    /// [`EbpfLoggerError::NothingToLog`] if the object logs nothing; otherwise if its map is not
    /// one of log messages, or another reader has it.
    pub fn init(ebpf: &mut Ebpf) -> Result<Self, EbpfLoggerError> {
        if ebpf.map(RING_MAP).is_err() {
            return Err(EbpfLoggerError::NothingToLog {
                missing: LogPart::Map,
            });
        }
        let Some(sites) = ebpf.log_sites.take() else {
            return Err(EbpfLoggerError::NothingToLog {
                missing: LogPart::Sites,
            });
        };
        let ring = ebpf.take_map(RING_MAP)?.into_data();
        let lost = ebpf
            .take_map(LOST_MAP)
            .ok()
            .map(crate::maps::Map::into_data);
        Self::from_parts(ring, lost, Sites::new(sites))
    }

    /// A logger for programs that another process has loaded: from the (pinned) map `HACHI_LOG`,
    /// the map `HACHI_LOG_LOST` if there is one, and the sites of their object file
    /// (`hachi_obj::Spec::log_sites`).
    ///
    /// # Errors
    /// If a map is of another type, or this process reads the ring buffer already.
    pub fn from_parts(
        ring: MapData,
        lost: Option<MapData>,
        sites: Sites,
    ) -> Result<Self, EbpfLoggerError> {
        Ok(EbpfLogger {
            ring: RingBuf::try_from(ring)?,
            lost: lost.map(PerCpuArray::try_from).transpose()?,
            lost_told: 0,
            sites,
        })
    }

    /// Forwards all messages there are to the installed logger and returns their number. Does not
    /// wait.
    ///
    /// Says so (at level warn) when messages were lost because the ring buffer was full.
    pub fn flush(&mut self) -> usize {
        let count = self.read(|message| match message {
            Ok(message) => forward(&message),
            Err(error) => log::warn!("{error}"),
        });
        if let Ok(lost) = self.lost()
            && lost > self.lost_told
        {
            log::warn!(
                "{} log messages were lost: the ring buffer was full",
                lost - self.lost_told
            );
            self.lost_told = lost;
        }
        count
    }

    /// Calls `f` with every message there is, instead of the installed logger, and returns their
    /// number. Does not wait.
    pub fn read(&mut self, mut f: impl FnMut(Result<Message<'_>, DecodeError>)) -> usize {
        let EbpfLogger { ring, sites, .. } = self;
        ring.drain(|record| f(sites.decode(record)))
    }

    /// The next message as text, waiting for at most `timeout` when there is none.
    ///
    /// # Errors
    /// InvalidData for a record that cannot be decoded; otherwise what waiting (`poll`) fails with.
    pub fn next_timeout(&mut self, timeout: Duration) -> io::Result<Option<LogRecord>> {
        let Some(record) = self.ring.next_timeout(timeout)? else {
            return Ok(None);
        };
        match self.sites.decode(&record) {
            Ok(message) => Ok(Some(LogRecord::new(&message))),
            Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
    }

    /// The number of messages lost so far because the ring buffer was full.
    ///
    /// # Errors
    /// [`MapError`] of reading the map.
    pub fn lost(&self) -> Result<u64, MapError> {
        match &self.lost {
            Some(map) => Ok(map.get(&0, 0)?.iter().sum()),
            None => Ok(0),
        }
    }

    /// Waits until there is a message (true) or `timeout` has passed (false; `None` waits forever).
    ///
    /// # Errors
    /// What `poll` fails with.
    pub fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        self.ring.wait(timeout)
    }

    /// Forwards messages as they come, in a thread of its own, until the process ends.
    ///
    /// # Errors
    /// If no thread can be started (EAGAIN).
    pub fn spawn(mut self) -> io::Result<()> {
        thread::Builder::new()
            .name("hachi-log".to_owned())
            .spawn(move || {
                loop {
                    if let Err(error) = self.wait(None) {
                        log::error!("cannot wait for log messages: {error}");
                        return;
                    }
                    if self.flush() == 0 {
                        // The first message is still being written.
                        thread::yield_now();
                    }
                }
            })?;
        Ok(())
    }
}

/// A log message as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    level: log::Level,
    target: String,
    file: String,
    line: u32,
    message: String,
}

impl LogRecord {
    fn new(message: &Message<'_>) -> Self {
        LogRecord {
            level: level(message.site.level),
            target: message.site.target.to_owned(),
            file: message.site.file.to_owned(),
            line: message.site.line,
            message: message.to_string(),
        }
    }

    /// How much it matters.
    pub fn level(&self) -> log::Level {
        self.level
    }

    /// The module, or what the program gave as `target:`.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The source file of the call.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The line of the call.
    pub fn line(&self) -> u32 {
        self.line
    }

    /// The text.
    pub fn message(&self) -> &str {
        &self.message
    }
}

fn level(level: Level) -> log::Level {
    match level {
        Level::Error => log::Level::Error,
        Level::Warn => log::Level::Warn,
        Level::Info => log::Level::Info,
        Level::Debug => log::Level::Debug,
        Level::Trace => log::Level::Trace,
    }
}

fn forward(message: &Message<'_>) {
    let level = level(message.site.level);
    if level > log::max_level() {
        return;
    }
    log::logger().log(
        &log::Record::builder()
            .args(format_args!("{message}"))
            .level(level)
            .target(message.site.target)
            .file(Some(message.site.file))
            .line(Some(message.site.line))
            .build(),
    );
}

/// Readable when there are messages.
impl AsFd for EbpfLogger {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}

impl AsRawFd for EbpfLogger {
    fn as_raw_fd(&self) -> RawFd {
        self.ring.as_raw_fd()
    }
}
