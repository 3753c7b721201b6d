//! Log records: what `info!(&ctx, "…", …)` in a program sends and what user space makes of it.
//!
//! Formatting text in the kernel is slow, big and often impossible for the verifier. So a program
//! sends only *which* message it is and the raw arguments; the text is put together in user space.
//!
//! - Each call of a logging macro is a **site**: a constant with level, file, line, target and
//!   format string. The compiler writes it into the section [`SECTION`] of the object file, which
//!   is never loaded into the kernel. The linker replaces the address of a site by its
//!   [number](site_number), which depends on the site's bytes alone: objects can be linked in any
//!   order, by any linker, and each record still means the same message.
//! - A **record** in the ring buffer map [`RING_MAP`] holds that number and the arguments.
//! - The decoder (`Sites`, with the feature `std`) joins the two.
//!
//! # Layout of a site
//! Integers are little-endian. Sites start at multiples of 8.
//!
//! | bytes | field |
//! | --- | --- |
//! | 2 | length of the whole site, padding included; never 0, and neither is its first byte |
//! | 1 | [`Level`] |
//! | 1 | number of placeholders in the format string |
//! | 4 | line |
//! | 2, 2, 2 | lengths of target, file and format string |
//! | … | target, file, format string |
//! | 0…15 | zeros up to a multiple of 8 |
//!
//! # Layout of a record
//! Integers are little-endian.
//!
//! | bytes | field |
//! | --- | --- |
//! | 4 | [number](site_number) of the site |
//! | 2 | number of bytes after these first 8 |
//! | 1 | number of arguments |
//! | 1 | 0 |
//! | 8 × ⌈arguments / 8⌉ | one [`Tag`] for each argument, then zeros |
//! | … | the arguments, each padded to a multiple of 8 bytes |
//!
//! Everything is aligned to 8 because the program writes each part with one store then; the kernel
//! pads ring buffer records to 8 bytes in any case.

mod arg;
#[cfg(feature = "std")]
mod decode;
mod format;
mod site;

pub use arg::{LogArg, LogArgs, MOST_TEXT, TEXT_CAPACITY, Tag, up_to};
#[cfg(feature = "std")]
pub use decode::{DecodeError, Message, Site, Sites, Value};
pub use format::{Align, Hint, Piece, Spec, check, check_types, next_piece, placeholders};
pub use site::{SITE_HEADER_LEN, SiteBytes, site_len, site_number, sites};

/// The section of an object file that holds the sites.
pub const SECTION: &str = ".hachi.log";

/// The ring buffer map that carries the records.
pub const RING_MAP: &str = "HACHI_LOG";

/// The map (a per-CPU array with one `u64`) that counts the records lost because the ring buffer
/// was full.
pub const LOST_MAP: &str = "HACHI_LOG_LOST";

/// The global variable (a `u8`) with the highest [`Level`] sent; 0 silences a program.
pub const LEVEL_GLOBAL: &str = "HACHI_LOG_LEVEL";

/// Length of the fixed part of a record.
pub const RECORD_HEADER_LEN: usize = 8;

/// How much a message matters.
///
/// The numbers are those of [`LEVEL_GLOBAL`] and of the `Level` of the `log` crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// Something failed.
    Error = 1,
    /// Something looks wrong.
    Warn = 2,
    /// Something worth knowing happened.
    Info = 3,
    /// Detail for the author of the program.
    Debug = 4,
    /// Every step.
    Trace = 5,
}

impl Level {
    /// The level with this number.
    pub const fn from_u8(number: u8) -> Option<Self> {
        Some(match number {
            1 => Level::Error,
            2 => Level::Warn,
            3 => Level::Info,
            4 => Level::Debug,
            5 => Level::Trace,
            _ => return None,
        })
    }

    /// The name in capitals, as log lines show it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Error => "ERROR",
            Level::Warn => "WARN",
            Level::Info => "INFO",
            Level::Debug => "DEBUG",
            Level::Trace => "TRACE",
        }
    }
}

impl core::fmt::Display for Level {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(self.as_str())
    }
}
