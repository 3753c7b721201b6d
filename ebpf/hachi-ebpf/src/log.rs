//! Log messages from programs to user space: [`error!`](crate::error), [`warn!`](crate::warn),
//! [`info!`](crate::info), [`debug!`](crate::debug), [`trace!`](crate::trace) and
//! [`log!`](crate::log!).
//!
//! ```
//! use hachi_ebpf::{info, programs::XdpContext};
//!
//! fn report(ctx: &XdpContext, source: [u8; 4], port: u16) {
//!     info!(ctx, "drop {:i} port {}", source, port);
//!     info!(ctx, "drop {source:i} port {port:#06x}");
//! }
//! ```
//! The first argument is the program's context, as in Aya; where there is none at hand it may be
//! left out. `target: "name"` may stand before the format string.
//!
//! Arguments are integers, `bool`, `char`, pointers, `Ipv4Addr`, `Ipv6Addr`, byte arrays, and text
//! and byte slices, of which the first 64 bytes are sent, or with [`up_to`] as many as 8192; a
//! message shows what was cut by `…`, and control characters by escapes. Placeholders are `{}` and
//! `{:…}` with, at the end, `x`, `X`, `o`, `b`, `?`, `p`, `i` (an IP address) or `mac`, and before
//! it `#`, zeros
//! and a width as in `std::fmt`. A placeholder may name a variable, as the second line does.
//! Numbers of arguments and kinds of placeholders are checked when the program is compiled.
//!
//! The program sends the arguments alone, through a ring buffer (5.8): a message costs some twenty
//! instructions and little stack. The text is made by `EbpfLogger` in user space, which also sets
//! the level up to which messages are sent; code of levels that are off is left out by the
//! verifier.

pub use hachi_common::log::{Level, LogArg, up_to};
#[doc(hidden)]
pub use hachi_common::log::{SiteBytes, check, site_len};

use hachi_common::log::{LogArgs, RECORD_HEADER_LEN, check_types};

use crate::maps::{PerCpuArray, RingBuf};
use crate::{Global, helpers};

// These three exist in an object only if its programs log. Their names are agreed with user space:
// `hachi_common::log`. Objects that are linked together share them, as they share all statics of
// this crate.

#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".maps"))]
static HACHI_LOG: RingBuf = RingBuf::with_byte_size(256 * 1024, 0);

#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".maps"))]
static HACHI_LOG_LOST: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

static HACHI_LOG_LEVEL: Global<u8> = Global::new(Level::Trace as u8);

/// Where tests find the messages.
#[cfg(all(feature = "test", not(hachi_bpf)))]
pub(crate) fn ring() -> &'static RingBuf {
    &HACHI_LOG
}

/// One call of a logging macro.
#[doc(hidden)]
pub trait Site {
    const FORMAT: &'static str;

    /// The address of the site's bytes, which the linker replaces by their number.
    fn address() -> usize;
}

/// Whether messages of this level are sent.
#[doc(hidden)]
#[inline(always)]
pub fn enabled(level: Level) -> bool {
    level as u8 <= HACHI_LOG_LEVEL.load()
}

/// Sends a record: `S` says which message, `args` are its arguments.
#[doc(hidden)]
#[inline(always)]
pub fn send<S: Site, A: LogArgs>(args: A) {
    const {
        check_types(S::FORMAT, A::TAGS, A::LENS);
        assert!(
            A::LEN < 1 << 16,
            "the arguments of a log message take more than 64 KiB"
        );
    }
    let size = RECORD_HEADER_LEN + A::LEN;
    // SAFETY: the map is a ring buffer; the record is submitted below.
    let record = unsafe { helpers::bpf_ringbuf_reserve(HACHI_LOG.as_ptr(), size as u64, 0) };
    if record.is_null() {
        HACHI_LOG_LOST.update(0, |lost| lost + 1);
        return;
    }
    // SAFETY: the record has `size` bytes and is aligned to 8. The layout is that of
    // `hachi_common::log`.
    unsafe {
        let words = record.cast::<u32>();
        words.write((S::address() as u32).to_le());
        words
            .add(1)
            .write(const { (A::LEN as u32 | (A::TAGS.len() as u32) << 16).to_le() });
        args.write(record.cast::<u64>().add(1));
        helpers::bpf_ringbuf_submit(record, 0);
    }
}

/// Logs a message of the level [`Error`](crate::log::Level::Error); see [`log`](mod@crate::log).
#[macro_export]
macro_rules! error {
    ($($message:tt)+) => { $crate::__log!([$crate::log::Level::Error] $($message)+) };
}

/// Logs a message of the level [`Warn`](crate::log::Level::Warn); see [`log`](mod@crate::log).
#[macro_export]
macro_rules! warn {
    ($($message:tt)+) => { $crate::__log!([$crate::log::Level::Warn] $($message)+) };
}

/// Logs a message of the level [`Info`](crate::log::Level::Info); see [`log`](mod@crate::log).
#[macro_export]
macro_rules! info {
    ($($message:tt)+) => { $crate::__log!([$crate::log::Level::Info] $($message)+) };
}

/// Logs a message of the level [`Debug`](crate::log::Level::Debug); see [`log`](mod@crate::log).
#[macro_export]
macro_rules! debug {
    ($($message:tt)+) => { $crate::__log!([$crate::log::Level::Debug] $($message)+) };
}

/// Logs a message of the level [`Trace`](crate::log::Level::Trace); see [`log`](mod@crate::log).
#[macro_export]
macro_rules! trace {
    ($($message:tt)+) => { $crate::__log!([$crate::log::Level::Trace] $($message)+) };
}

/// Logs a message of a level that is given as a constant: `log!(&ctx, Level::Warn, "…")`; see
/// [`log`](mod@crate::log).
#[macro_export]
macro_rules! log {
    ($ctx:expr, $level:expr, $($message:tt)+) => { $crate::__log!([$level] $ctx, $($message)+) };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __log {
    ([$level:expr] target: $target:expr, $format:literal $(, $arg:expr)* $(,)?) => {
        $crate::macros::__log_inline! { $crate [$level] [$target] $format $(($arg))* }
    };
    ([$level:expr] $format:literal $(, $arg:expr)* $(,)?) => {
        $crate::macros::__log_inline! {
            $crate [$level] [::core::module_path!()] $format $(($arg))*
        }
    };
    ([$level:expr] $ctx:expr, target: $target:expr, $format:literal $(, $arg:expr)* $(,)?) => {{
        let _ = &$ctx;
        $crate::macros::__log_inline! { $crate [$level] [$target] $format $(($arg))* }
    }};
    ([$level:expr] $ctx:expr, $format:literal $(, $arg:expr)* $(,)?) => {{
        let _ = &$ctx;
        $crate::macros::__log_inline! {
            $crate [$level] [::core::module_path!()] $format $(($arg))*
        }
    }};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __log_site {
    ([$level:expr] $target:expr, $format:literal $(, $arg:expr)* $(,)?) => {{
        const ARGUMENTS: usize = <[&str]>::len(&[$(::core::stringify!($arg)),*]);
        const _: () = $crate::log::check($format, ARGUMENTS);
        struct Site;
        impl $crate::log::Site for Site {
            const FORMAT: &'static str = $format;

            #[inline(always)]
            fn address() -> usize {
                const TARGET: &str = $target;
                const FILE: &str = ::core::file!();
                const LEN: usize = $crate::log::site_len(TARGET, FILE, $format);
                #[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".hachi.log"))]
                static SITE: $crate::log::SiteBytes<LEN> = $crate::log::SiteBytes::new(
                    $level,
                    ARGUMENTS as u8,
                    ::core::line!(),
                    TARGET,
                    FILE,
                    $format,
                );
                &raw const SITE as usize
            }
        }
        if $crate::log::enabled($level) {
            $crate::log::send::<Site, _>(($(&$arg,)*));
        }
    }};
}
