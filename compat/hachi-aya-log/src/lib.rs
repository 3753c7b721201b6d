//! Aya's reader of log messages on top of Hachi.
//!
//! ```toml
//! aya-log = { package = "hachi-aya-log", version = "0.1" }
//! ```
//!
//! Messages are forwarded by waiting for the logger's descriptor and calling
//! [`EbpfLogger::flush`]. A
//! logger that is dropped before either happens (`if let Err(e) = EbpfLogger::init(&mut ebpf)`, as
//! programs for Aya 0.13 and earlier say) is served by a thread that the loaded object owns and
//! ends.

#![cfg(target_os = "linux")]

use std::{
    cell::Cell,
    error, fmt,
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use hachi::log_format::{DecodeError, Message};
use hachi_aya::{AsEbpf, Attendants, maps::MapError, programs::ProgramError};
use log::Log;

/// How much a message matters.
pub use hachi::log_format::Level;

/// The global variable by which `EbpfLoader::override_global` sets the least important level.
pub const LEVEL: &str = "AYA_LOG_LEVEL";

/// How soon a thread notices that it is to end.
const TICK: Duration = Duration::from_millis(50);

/// An error of setting a logger up.
#[derive(Debug)]
pub enum Error {
    /// The object's programs do not log.
    MapNotFound,
    /// The map of messages cannot be used.
    MapError(MapError),
    /// There is no such program.
    ProgramNotFound,
    /// The program cannot be looked at.
    ProgramError(ProgramError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::MapNotFound => {
                f.write_str("the object's programs do not log (no map HACHI_LOG)")
            }
            Error::MapError(error) => write!(f, "{error}"),
            Error::ProgramNotFound => f.write_str("there is no such program"),
            Error::ProgramError(error) => write!(f, "{error}"),
        }
    }
}

impl error::Error for Error {}

impl From<MapError> for Error {
    fn from(error: MapError) -> Self {
        Error::MapError(error)
    }
}

impl From<ProgramError> for Error {
    fn from(error: ProgramError) -> Self {
        Error::ProgramError(error)
    }
}

/// The logger under its name until 0.12.
pub type BpfLogger = EbpfLogger<&'static dyn Log>;

/// Forwards the messages of an object's programs to a logger.
#[derive(Debug)]
pub struct EbpfLogger<T: Log + Send + 'static> {
    /// `None` once it has been handed over.
    state: Option<State<T>>,
    attendants: Attendants,
    /// Whether somebody has flushed it, or asked for the descriptor to wait for.
    attended: Cell<bool>,
}

struct State<T> {
    messages: hachi::EbpfLogger,
    logger: T,
    lost: u64,
}

impl<T> fmt::Debug for State<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.messages.fmt(f)
    }
}

impl EbpfLogger<&'static dyn Log> {
    /// Forwards to the logger of the `log` crate. There is one for an object.
    ///
    /// # Errors
    /// [`Error::MapNotFound`] when the object's programs do not log.
    pub fn init(ebpf: &mut impl AsEbpf) -> Result<Self, Error> {
        Self::init_with_logger(ebpf, log::logger())
    }
}

impl<T: Log + Send + 'static> EbpfLogger<T> {
    /// Forwards to this logger.
    ///
    /// # Errors
    /// [`Error::MapNotFound`] when the object's programs do not log.
    pub fn init_with_logger(ebpf: &mut impl AsEbpf, logger: T) -> Result<Self, Error> {
        let ebpf = ebpf.as_ebpf();
        let attendants = hachi_aya::attendants(ebpf);
        let messages = match hachi::EbpfLogger::init(hachi_aya::as_hachi(ebpf)) {
            Ok(messages) => messages,
            Err(hachi::EbpfLoggerError::NothingToLog { .. }) => return Err(Error::MapNotFound),
            Err(hachi::EbpfLoggerError::Map(error)) => {
                return Err(Error::MapError(error.into()));
            }
            Err(_) => return Err(Error::MapNotFound),
        };
        Ok(EbpfLogger {
            state: Some(State {
                messages,
                logger,
                lost: 0,
            }),
            attendants,
            attended: Cell::new(false),
        })
    }

    /// Forwards all messages that there are. Does not wait.
    pub fn flush(&mut self) {
        self.attended.set(true);
        if let Some(state) = &mut self.state {
            state.flush();
        }
    }

    fn messages(&self) -> &hachi::EbpfLogger {
        self.attended.set(true);
        let state = self.state.as_ref();
        &state.expect("only `drop` hands it over").messages
    }
}

impl<T: Log> State<T> {
    fn flush(&mut self) {
        let State {
            messages, logger, ..
        } = self;
        messages.read(|message| forward(logger, message));
        if let Ok(lost) = messages.lost()
            && lost > self.lost
        {
            warn(
                &self.logger,
                format_args!("{} messages of programs were lost", lost - self.lost),
            );
            self.lost = lost;
        }
    }

    /// Forwards messages as they come, until `stop` is set; then those that are still there.
    fn serve(mut self, stop: &AtomicBool) {
        loop {
            let last = stop.load(Ordering::Acquire);
            self.flush();
            if last || self.messages.wait(Some(TICK)).is_err() {
                return;
            }
        }
    }
}

fn warn(logger: &impl Log, text: fmt::Arguments<'_>) {
    logger.log(
        &log::Record::builder()
            .level(log::Level::Warn)
            .target(module_path!())
            .args(text)
            .build(),
    );
}

fn forward(logger: &impl Log, message: Result<Message<'_>, DecodeError>) {
    let message = match message {
        Ok(message) => message,
        Err(error) => {
            return warn(logger, format_args!("{error}"));
        }
    };
    let level = match message.site.level {
        Level::Error => log::Level::Error,
        Level::Warn => log::Level::Warn,
        Level::Info => log::Level::Info,
        Level::Debug => log::Level::Debug,
        Level::Trace => log::Level::Trace,
    };
    logger.log(
        &log::Record::builder()
            .args(format_args!("{message}"))
            .level(level)
            .target(message.site.target)
            .module_path(Some(message.site.target))
            .file(Some(message.site.file))
            .line(Some(message.site.line))
            .build(),
    );
}

impl<T: Log + Send + 'static> Drop for EbpfLogger<T> {
    fn drop(&mut self) {
        if !self.attended.get()
            && let Some(state) = self.state.take()
        {
            self.attendants.spawn(move |stop| state.serve(stop));
        }
    }
}

/// Readable when there are messages.
impl<T: Log + Send + 'static> AsFd for EbpfLogger<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.messages().as_fd()
    }
}

impl<T: Log + Send + 'static> AsRawFd for EbpfLogger<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.messages().as_raw_fd()
    }
}
