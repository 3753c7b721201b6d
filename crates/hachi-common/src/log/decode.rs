//! Log records in user space: site and arguments become text.

use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};
use std::collections::HashMap;

use super::{
    Align, Hint, Level, Piece, RECORD_HEADER_LEN, SITE_HEADER_LEN, Spec, Tag, next_piece,
    site_number, sites,
};

/// Why bytes are no log record, or no log site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The record is shorter than its header, or than the header says.
    Short {
        /// Bytes there are.
        len: usize,
        /// Bytes there should be.
        needed: usize,
    },
    /// The record names a site that the section does not have.
    NoSite {
        /// The number in the record.
        number: u32,
    },
    /// The record has a tag that does not exist.
    UnknownTag {
        /// The number.
        tag: u8,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::Short { len, needed } => write!(
                f,
                "a log record of {len} bytes is cut short: it should have {needed}"
            ),
            DecodeError::NoSite { number } => write!(
                f,
                "a log record names site {number:#010x}, which section .hachi.log does not have \
                 or has damaged: the record may come from a program of another object file"
            ),
            DecodeError::UnknownTag { tag } => write!(
                f,
                "a log record has an argument of unknown type {tag}: the program was built with a \
                 newer version"
            ),
        }
    }
}

impl std::error::Error for DecodeError {}

/// The log sites of an object file: the contents of its section [`SECTION`](super::SECTION).
#[derive(Clone, Debug, Default)]
pub struct Sites {
    section: Vec<u8>,
    /// Where in the section the site of each number starts.
    starts: HashMap<u32, usize>,
}

impl Sites {
    /// Takes the section's contents. What is damaged there is left out.
    pub fn new(section: impl Into<Vec<u8>>) -> Self {
        let section = section.into();
        let mut starts = HashMap::new();
        for (at, site) in sites(&section) {
            if Site::parse(site).is_some() {
                starts.entry(site_number(site)).or_insert(at);
            }
        }
        Sites { section, starts }
    }

    /// Whether there are no sites, so that no program of the object logs.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// The site of this number.
    ///
    /// # Errors
    /// [`DecodeError::NoSite`].
    pub fn get(&self, number: u32) -> Result<Site<'_>, DecodeError> {
        self.starts
            .get(&number)
            .and_then(|&at| Site::parse(self.section.get(at..)?))
            .ok_or(DecodeError::NoSite { number })
    }

    /// All sites with their numbers, in the order of the section.
    pub fn iter(&self) -> impl Iterator<Item = (u32, Site<'_>)> {
        let mut starts: Vec<_> = self.starts.iter().collect();
        starts.sort_by_key(|(_, at)| **at);
        starts.into_iter().filter_map(|(&number, &at)| {
            let site = Site::parse(self.section.get(at..)?)?;
            Some((number, site))
        })
    }

    /// Joins a record from the ring buffer [`RING_MAP`](super::RING_MAP) with its site.
    ///
    /// # Errors
    /// Any [`DecodeError`]; a record is never trusted.
    pub fn decode<'a>(&'a self, record: &[u8]) -> Result<Message<'a>, DecodeError> {
        let short = |needed| DecodeError::Short {
            len: record.len(),
            needed,
        };
        let &[a, b, c, d, len_low, len_high, count, _] = record
            .first_chunk::<RECORD_HEADER_LEN>()
            .ok_or(short(RECORD_HEADER_LEN))?;
        let needed = RECORD_HEADER_LEN + usize::from(u16::from_le_bytes([len_low, len_high]));
        let body = record.get(RECORD_HEADER_LEN..needed).ok_or(short(needed))?;
        let site = self.get(u32::from_le_bytes([a, b, c, d]))?;
        let (tags, mut rest) = body
            .split_at_checked(usize::from(count).div_ceil(8) * 8)
            .ok_or(short(
                RECORD_HEADER_LEN + usize::from(count).div_ceil(8) * 8,
            ))?;
        let mut args = Vec::with_capacity(usize::from(count));
        for &tag in &tags[..usize::from(count)] {
            let tag = Tag::from_u8(tag).ok_or(DecodeError::UnknownTag { tag })?;
            let (value, after) = Value::parse(tag, rest).ok_or(short(record.len() + 8))?;
            args.push(value);
            rest = after;
        }
        Ok(Message { site, args })
    }
}

/// One call of a logging macro.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site<'a> {
    /// Its level.
    pub level: Level,
    /// The line of the call, from 1.
    pub line: u32,
    /// The module, or what the call gives as `target:`.
    pub target: &'a str,
    /// The source file, as the compiler was given it.
    pub file: &'a str,
    /// The format string.
    pub format: &'a str,
}

impl<'a> Site<'a> {
    /// Reads the site at the start of `bytes`.
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let u16_at = |at: usize| Some(u16::from_le_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
        let bytes = bytes.get(..usize::from(u16_at(0)?))?;
        let level = Level::from_u8(*bytes.get(2)?)?;
        let line = u32::from_le_bytes(*bytes.get(4..8)?.first_chunk()?);
        let (target, file, format) = (u16_at(8)?, u16_at(10)?, u16_at(12)?);
        let mut rest = bytes.get(SITE_HEADER_LEN..)?;
        let mut text = |len: u16| {
            let (text, after) = rest.split_at_checked(usize::from(len))?;
            rest = after;
            std::str::from_utf8(text).ok()
        };
        let (target, file, format) = (text(target)?, text(file)?, text(format)?);
        Some(Site {
            level,
            line,
            target,
            file,
            format,
        })
    }
}

/// A log message: a site and the arguments of one call. `Display` gives the text, without level and
/// place.
#[derive(Clone, Debug, PartialEq)]
pub struct Message<'a> {
    /// Where it comes from.
    pub site: Site<'a>,
    /// The arguments.
    pub args: Vec<Value>,
}

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = self.site.format;
        let mut args = self.args.iter();
        let mut at = 0;
        loop {
            match next_piece(format, at) {
                Piece::Text { start, end } => {
                    f.write_str(format.get(start..end).unwrap_or_default())?;
                    at = end;
                }
                Piece::Brace { end } => {
                    f.write_str(format.get(end - 1..end).unwrap_or_default())?;
                    at = end;
                }
                Piece::Placeholder { end, spec } => {
                    match args.next() {
                        Some(value) => pad(&value.show(spec), value, spec, f)?,
                        // A record with too few arguments still shows what it has.
                        None => f.write_str("{?}")?,
                    }
                    at = end;
                }
                // The macros refuse such a string; a damaged one is shown as it is.
                Piece::Wrong(_) => return f.write_str(format.get(at..).unwrap_or_default()),
                Piece::End => return Ok(()),
            }
        }
    }
}

fn pad(text: &str, value: &Value, spec: Spec, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let fill = usize::from(spec.width).saturating_sub(text.chars().count());
    let number = !matches!(
        value,
        Value::Str(_) | Value::Bytes(_) | Value::Cut { .. } | Value::Bool(_) | Value::Char(_)
    );
    let (left, right) = match spec.align {
        Align::Left => (0, fill),
        Align::Right => (fill, 0),
        Align::Center => (fill / 2, fill - fill / 2),
        Align::Default if number => (fill, 0),
        Align::Default => (0, fill),
    };
    write!(f, "{:left$}{text}{:right$}", "", "")
}

/// An argument.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value {
    /// An unsigned integer of any width.
    Unsigned(u64),
    /// A signed integer, with its width in bytes (which its hexadecimal form depends on).
    Signed(i64, u8),
    /// A truth value.
    Bool(bool),
    /// A character; U+FFFD for what is none.
    Char(char),
    /// An IPv4 address.
    Ipv4(Ipv4Addr),
    /// An IPv6 address.
    Ipv6(Ipv6Addr),
    /// A hardware address.
    Mac([u8; 6]),
    /// A pointer.
    Pointer(u64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Text.
    Str(String),
    /// Text or bytes that were longer than what is sent. Shown with `…` at the end.
    Cut {
        /// The beginning, which was sent. (Of text, without a character that the cut went through.)
        start: Box<Value>,
        /// How many bytes there were.
        len: u32,
    },
}

impl Value {
    /// Reads one argument from the start of `bytes`; also gives what follows it.
    fn parse(tag: Tag, bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (word, rest) = bytes.split_first_chunk::<8>()?;
        let unsigned = u64::from_le_bytes(*word);
        let signed = unsigned as i64;
        let value = match tag {
            Tag::U8 | Tag::U16 | Tag::U32 | Tag::U64 => Value::Unsigned(unsigned),
            Tag::I8 => Value::Signed(signed, 1),
            Tag::I16 => Value::Signed(signed, 2),
            Tag::I32 => Value::Signed(signed, 4),
            Tag::I64 => Value::Signed(signed, 8),
            Tag::Bool => Value::Bool(unsigned != 0),
            Tag::Char => Value::Char(
                u32::try_from(unsigned)
                    .ok()
                    .and_then(char::from_u32)
                    .unwrap_or(char::REPLACEMENT_CHARACTER),
            ),
            Tag::Ipv4 => Value::Ipv4(Ipv4Addr::new(word[0], word[1], word[2], word[3])),
            Tag::Ipv6 => {
                let (address, rest) = bytes.split_first_chunk::<16>()?;
                return Some((Value::Ipv6(Ipv6Addr::from(*address)), rest));
            }
            Tag::Mac => Value::Mac(*word.first_chunk()?),
            Tag::Pointer => Value::Pointer(unsigned),
            Tag::Bytes | Tag::Str => {
                let len = usize::from(u16::from_le_bytes([word[0], word[1]]));
                let capacity = usize::from(u16::from_le_bytes([word[2], word[3]]));
                let (slot, rest) = rest.split_at_checked(capacity)?;
                let all = u32::from_le_bytes(*word.last_chunk()?);
                let mut bytes = slot.get(..len)?;
                let is_cut = all as usize > len;
                if is_cut {
                    bytes = without_half_a_character(bytes);
                }
                let mut value = if tag == Tag::Str {
                    Value::Str(String::from_utf8_lossy(bytes).into_owned())
                } else {
                    Value::Bytes(bytes.to_vec())
                };
                if is_cut {
                    value = Value::Cut {
                        start: Box::new(value),
                        len: all,
                    };
                }
                return Some((value, rest));
            }
        };
        Some((value, rest))
    }

    /// The value as text, without the filling of the width except for zeros, which depend on the
    /// sign.
    fn show(&self, spec: Spec) -> String {
        let alternate = spec.alternate;
        let zeros = if spec.zero {
            usize::from(spec.width)
        } else {
            0
        };
        // `{:#0$…}` counts the prefix into the width as std does.
        macro_rules! radix {
            ($value:expr) => {
                match (spec.hint, alternate) {
                    (Hint::LowerHex, false) => format!("{:0zeros$x}", $value),
                    (Hint::LowerHex, true) => format!("{:#0zeros$x}", $value),
                    (Hint::UpperHex, false) => format!("{:0zeros$X}", $value),
                    (Hint::UpperHex, true) => format!("{:#0zeros$X}", $value),
                    (Hint::Octal, false) => format!("{:0zeros$o}", $value),
                    (Hint::Octal, true) => format!("{:#0zeros$o}", $value),
                    (Hint::Binary, false) => format!("{:0zeros$b}", $value),
                    (Hint::Binary, true) => format!("{:#0zeros$b}", $value),
                    _ => format!("{:0zeros$}", $value),
                }
            };
        }
        match self {
            Value::Unsigned(value) if spec.hint == Hint::Ip => {
                Ipv4Addr::from(*value as u32).to_string()
            }
            Value::Unsigned(value) => radix!(value),
            Value::Signed(value, 1) => radix!(*value as i8),
            Value::Signed(value, 2) => radix!(*value as i16),
            Value::Signed(value, 4) => radix!(*value as i32),
            Value::Signed(value, _) => radix!(value),
            Value::Bool(value) => value.to_string(),
            Value::Char(value) if spec.hint == Hint::Debug => format!("{value:?}"),
            Value::Char(value) => escaped(value.to_string().as_bytes()),
            Value::Ipv4(address) => address.to_string(),
            Value::Ipv6(address) => address.to_string(),
            Value::Mac(bytes) => separated(bytes, spec.hint == Hint::UpperMac),
            Value::Pointer(value) if spec.hint == Hint::UpperHex => format!("{value:#0zeros$X}"),
            Value::Pointer(value) => format!("{value:#0zeros$x}"),
            Value::Bytes(bytes) => show_bytes(bytes, spec.hint),
            Value::Str(text) if spec.hint == Hint::Debug => format!("{text:?}"),
            Value::Str(text) => escaped(text.as_bytes()),
            Value::Cut { start, .. } => start.show(spec) + "…",
        }
    }
}

fn show_bytes(bytes: &[u8], hint: Hint) -> String {
    match (hint, bytes) {
        (Hint::LowerHex, _) => hex(bytes, false),
        (Hint::UpperHex, _) => hex(bytes, true),
        (Hint::Ip, &[a, b, c, d]) => Ipv4Addr::new(a, b, c, d).to_string(),
        (Hint::Ip, _) => match <[u8; 16]>::try_from(bytes) {
            Ok(octets) => Ipv6Addr::from(octets).to_string(),
            Err(_) => hex(bytes, false),
        },
        (Hint::LowerMac, _) => separated(bytes, false),
        (Hint::UpperMac, _) => separated(bytes, true),
        (Hint::Debug, _) => format!("{bytes:?}"),
        // What the kernel calls text (a task's name, say) ends with NULs. What is hardly text is
        // shown as digits.
        _ => {
            let end = bytes.iter().rposition(|&byte| byte != 0);
            let text = &bytes[..end.map_or(0, |last| last + 1)];
            let is_text = 2 * printable(text) > text.len() && !text.is_empty();
            if is_text || bytes.is_empty() {
                escaped(text)
            } else {
                hex(bytes, false)
            }
        }
    }
}

/// How many of the bytes belong to characters that can be shown.
fn printable(bytes: &[u8]) -> usize {
    let chars = bytes.utf8_chunks().flat_map(|chunk| chunk.valid().chars());
    chars.filter(|c| !c.is_control()).map(char::len_utf8).sum()
}

/// Text as it is, except for control characters and for bytes that are no UTF-8, as Rust would
/// write them in a byte string: `\n`, `\x1b`, `\xff`.
fn escaped(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match u8::try_from(c) {
                Ok(byte) if byte.is_ascii_control() => shown.extend(escape(byte)),
                _ if c.is_control() => shown.extend(c.escape_unicode()),
                _ => shown.push(c),
            }
        }
        shown.extend(chunk.invalid().iter().copied().flat_map(escape));
    }
    shown
}

fn escape(byte: u8) -> impl Iterator<Item = char> {
    std::ascii::escape_default(byte).map(char::from)
}

/// The bytes without the first of a character whose rest is missing.
fn without_half_a_character(bytes: &[u8]) -> &[u8] {
    let last = bytes.utf8_chunks().last();
    let rest = last.map_or(&[][..], |chunk| chunk.invalid());
    match std::str::from_utf8(rest) {
        // It is the beginning of one.
        Err(error) if error.error_len().is_none() => &bytes[..bytes.len() - rest.len()],
        _ => bytes,
    }
}

fn hex(bytes: &[u8], upper: bool) -> String {
    bytes
        .iter()
        .map(|byte| {
            if upper {
                format!("{byte:02X}")
            } else {
                format!("{byte:02x}")
            }
        })
        .collect()
}

fn separated(bytes: &[u8], upper: bool) -> String {
    bytes
        .iter()
        .map(|byte| hex(&[*byte], upper))
        .collect::<Vec<_>>()
        .join(":")
}

#[cfg(test)]
mod tests {
    use super::super::{LogArgs, SiteBytes, site_len, up_to};
    use super::*;

    /// A record as a program would send it: the site's `number`, then `args`.
    fn record<A: LogArgs>(number: u32, args: A) -> Vec<u8> {
        let mut words = vec![0u64; A::LEN / 8];
        // SAFETY: the vector has LEN bytes and is aligned for u64.
        unsafe { args.write(words.as_mut_ptr()) };
        let mut bytes = number.to_le_bytes().to_vec();
        bytes.extend_from_slice(&(A::LEN as u16).to_le_bytes());
        bytes.extend_from_slice(&[A::TAGS.len() as u8, 0]);
        bytes.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
        bytes
    }

    macro_rules! shown {
        ($format:literal $(, $arg:expr)*) => {{
            const N: usize = site_len("t", "f", $format);
            const SITE: SiteBytes<N> = SiteBytes::new(Level::Warn, 0, 7, "t", "f", $format);
            let sites = Sites::new(SITE.as_bytes().to_vec());
            sites
                .decode(&record(SITE.number(), ($($arg,)*)))
                .unwrap()
                .to_string()
        }};
    }

    #[test]
    fn formats_like_std() {
        assert_eq!(shown!("plain {{}}"), "plain {}");
        assert_eq!(shown!("{} {} {}", 1u8, -2i16, 3usize), "1 -2 3");
        assert_eq!(
            shown!("{:x} {:#X} {:08b} {:#06x}", 255u8, 171u32, 5u8, 10u64),
            "ff 0xAB 00000101 0x000a"
        );
        assert_eq!(shown!("{:x} {:x}", -1i8, -2i64), "ff fffffffffffffffe");
        assert_eq!(
            shown!("[{:5}|{:<5}|{:^5}|{:>5}]", 42u8, 42u8, 42u8, "ab"),
            "[   42|42   | 42  |   ab]"
        );
        assert_eq!(shown!("[{:05}|{:5}]", -42i32, "ab"), "[-0042|ab   ]");
        assert_eq!(shown!("{} {} {:?}", true, 'é', "a\"b"), "true é \"a\\\"b\"");
        assert_eq!(shown!("{:p}", 0x1234usize as *const u8), "0x1234");
    }

    #[test]
    fn formats_network_values() {
        let v4 = Ipv4Addr::new(10, 0, 0, 1);
        assert_eq!(
            shown!("{} {:i} {:i} {:i}", v4, v4, 0x0a00_0001u32, [10u8, 0, 0, 1]),
            "10.0.0.1 10.0.0.1 10.0.0.1 10.0.0.1"
        );
        let v6: Ipv6Addr = "fe80::1".parse().unwrap();
        assert_eq!(
            shown!("{} {:i} {:i}", v6, v6.octets(), v6.segments()),
            "fe80::1 fe80::1 fe80::1"
        );
        let mac = [0u8, 0x1b, 2, 3, 4, 0xff];
        assert_eq!(
            shown!("{:mac} {:MAC} {:x}", mac, mac, mac),
            "00:1b:02:03:04:ff 00:1B:02:03:04:FF 001b020304ff"
        );
    }

    #[test]
    fn formats_bytes_and_cuts_long_text() {
        assert_eq!(shown!("{} {}", *b"comm\0\0\0\0", &b"abc"[..]), "comm abc");
        assert_eq!(shown!("{} {:?}", [0u8, 1, 255], [1u8, 2]), "0001ff [1, 2]");
        let long = "x".repeat(100);
        let start = "x".repeat(64);
        assert_eq!(shown!("{}|", long.as_str()), format!("{start}…|"));
        assert_eq!(shown!("{}|", start.as_str()), format!("{start}|"));
        assert_eq!(shown!("{}|", up_to::<128>(&*long)), format!("{long}|"));
        let longer = "y".repeat(9000);
        let shown = shown!("{}|", up_to::<8192>(longer.as_bytes()));
        assert_eq!(shown, format!("{}…|", &longer[..8192]));
        assert_eq!(shown!("{:x}", &[0xab; 70][..]), "ab".repeat(64) + "…");
        assert_eq!(shown!("{}", [b'z'; 2048]), "z".repeat(2048));
    }

    #[test]
    fn text_is_shown_as_text_with_escapes() {
        assert_eq!(
            shown!("{}", *b"GET /\r\n\x1b[31m\0\0"),
            "GET /\\r\\n\\x1b[31m"
        );
        assert_eq!(shown!("{}", "a\tb\u{85}\u{202e}c"), "a\\tb\\u{85}\u{202e}c");
        assert_eq!(shown!("{} {}", '\n', 'é'), "\\n é");
        // Half a character, in the middle and at the end.
        assert_eq!(shown!("{}", *b"caf\xc3 caf\xc3"), "caf\\xc3 caf\\xc3");
        assert_eq!(shown!("{}", *b"one\0two"), "one\\x00two");
        // The cut goes through a character.
        let long = "é".repeat(40) + "!";
        assert_eq!(shown!("{}", &long.as_bytes()[1..]), {
            let rest = "é".repeat(31);
            format!("\\xa9{rest}…")
        });
        assert_eq!(
            shown!("{}", &*format!("x{long}")),
            format!("x{}…", "é".repeat(31))
        );
        assert_eq!(
            shown!("{} {}", [0u8; 3], [7u8, 0, 200, b'a']),
            "000000 0700c861"
        );
    }

    #[test]
    fn takes_twelve_arguments() {
        assert_eq!(
            shown!(
                "{}{}{}{}{}{}{}{}{}{}{}{}",
                1u8,
                2u8,
                3u8,
                4u8,
                5u8,
                6u8,
                7u8,
                8u8,
                9u8,
                "a",
                'b',
                true
            ),
            "123456789abtrue"
        );
    }

    #[test]
    fn finds_sites_in_a_section() {
        const A: usize = site_len("mod", "a.rs", "first");
        const B: usize = site_len("mod", "a.rs", "second {}");
        const FIRST: SiteBytes<A> = SiteBytes::new(Level::Error, 0, 1, "mod", "a.rs", "first");
        const SECOND: SiteBytes<B> = SiteBytes::new(Level::Trace, 1, 9, "mod", "a.rs", "second {}");
        let mut section = FIRST.as_bytes().to_vec();
        section.extend_from_slice(&[0; 8]);
        // Something damaged does not hide what follows.
        let mut damaged = SECOND.as_bytes().to_vec();
        damaged[2] = 99;
        section.extend_from_slice(&damaged);
        section.extend_from_slice(SECOND.as_bytes());
        section.extend_from_slice(FIRST.as_bytes());
        let sites = Sites::new(section);
        let found: Vec<_> = sites
            .iter()
            .map(|(number, site)| (number, site.level, site.line, site.format))
            .collect();
        assert_eq!(
            found,
            [
                (FIRST.number(), Level::Error, 1, "first"),
                (SECOND.number(), Level::Trace, 9, "second {}")
            ]
        );
        let message = sites.decode(&record(SECOND.number(), (5u8,))).unwrap();
        assert_eq!((message.site.target, message.site.file), ("mod", "a.rs"));
        assert_eq!(message.to_string(), "second 5");
    }

    #[test]
    fn survives_damage() {
        const N: usize = site_len("target", "file.rs", "{} {:mac} {}");
        let site = SiteBytes::<N>::new(Level::Info, 3, 3, "target", "file.rs", "{} {:mac} {}");
        let good = record(site.number(), (1u32, [1u8; 6], "text"));
        let sites = Sites::new(site.as_bytes().to_vec());
        assert_eq!(
            sites.decode(&good).unwrap().to_string(),
            "1 01:01:01:01:01:01 text"
        );
        for len in 0..good.len() {
            assert!(
                matches!(sites.decode(&good[..len]), Err(DecodeError::Short { .. })),
                "{len}"
            );
        }
        // Every single bit of record and site turned over: any result, but no panic, and text can
        // be made of it.
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            if let Ok(message) = sites.decode(&bad) {
                let _ = message.to_string();
            }
        }
        for bit in 0..N * 8 {
            let mut bad = site.as_bytes().to_vec();
            bad[bit / 8] ^= 1 << (bit % 8);
            let sites = Sites::new(bad);
            if let Ok(message) = sites.decode(&good) {
                let _ = message.to_string();
            }
            let _ = sites.iter().count();
        }
        let mut other = good.clone();
        other[..4].copy_from_slice(&240u32.to_le_bytes());
        assert_eq!(
            sites.decode(&other),
            Err(DecodeError::NoSite { number: 240 })
        );
        let mut newer = good;
        newer[8] = 99;
        assert_eq!(
            sites.decode(&newer),
            Err(DecodeError::UnknownTag { tag: 99 })
        );
    }
}
