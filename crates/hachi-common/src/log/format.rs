//! The format strings of log messages: one grammar, read at compile time by the macros and at run
//! time by the decoder.
//!
//! A placeholder is `{` `}` or `{:` [`<` `^` `>`] [`#`] [`0`] [width] [hint] `}`, with the meaning
//! these have in `std::fmt`; `{{` and `}}` stand for the braces themselves. Arguments are taken in
//! order: there are no names or positions in a placeholder.

use super::Tag;

/// How the value itself is written: the last part of a placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hint {
    /// `{}`: as `Display` would.
    Display,
    /// `{:?}`: as `Debug` would (text in quotes).
    Debug,
    /// `{:x}`: hexadecimal; bytes as a run of digits.
    LowerHex,
    /// `{:X}`: hexadecimal in capitals.
    UpperHex,
    /// `{:o}`: octal.
    Octal,
    /// `{:b}`: binary.
    Binary,
    /// `{:i}`: an IP address, from `Ipv4Addr`, `Ipv6Addr`, `u32` (most significant byte first),
    /// `[u8; 4]`, `[u8; 16]` or `[u16; 8]`.
    Ip,
    /// `{:mac}`: a hardware address, from `[u8; 6]`.
    LowerMac,
    /// `{:MAC}`: a hardware address in capitals.
    UpperMac,
    /// `{:p}`: a pointer.
    Pointer,
}

/// Where text narrower than the width stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// As `std::fmt` does by default: numbers to the right, text to the left.
    Default,
    /// `<`
    Left,
    /// `^`
    Center,
    /// `>`
    Right,
}

/// A placeholder, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// How the value is written.
    pub hint: Hint,
    /// Which side is filled with blanks.
    pub align: Align,
    /// `#`: with `0x`, `0o` or `0b` before a number.
    pub alternate: bool,
    /// `0`: a number is filled with zeros.
    pub zero: bool,
    /// The least number of characters.
    pub width: u16,
}

/// A part of a format string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Piece {
    /// The text from `start` to `end` (byte positions), as it is.
    Text {
        /// First byte.
        start: usize,
        /// Position after the last byte.
        end: usize,
    },
    /// A placeholder; the next piece starts at `end`.
    Placeholder {
        /// Position after the closing brace.
        end: usize,
        /// What it says.
        spec: Spec,
    },
    /// `{{` or `}}`: one brace, the one at `end - 1`.
    Brace {
        /// Position after the second brace.
        end: usize,
    },
    /// Not a format string, and why.
    Wrong(&'static str),
    /// The end of the string.
    End,
}

/// The piece of `format` that starts at byte `start`.
pub const fn next_piece(format: &str, start: usize) -> Piece {
    let text = format.as_bytes();
    if start >= text.len() {
        return Piece::End;
    }
    let byte = text[start];
    if byte != b'{' && byte != b'}' {
        let mut end = start + 1;
        while end < text.len() && text[end] != b'{' && text[end] != b'}' {
            end += 1;
        }
        return Piece::Text { start, end };
    }
    if at(text, start + 1) == byte {
        return Piece::Brace { end: start + 2 };
    }
    if byte == b'}' {
        return Piece::Wrong("`}` without `{` in a log message: write `}}` for the brace itself");
    }
    placeholder(text, start + 1)
}

/// The byte at `i`; 0, which is part of no placeholder, beyond the end.
const fn at(text: &[u8], i: usize) -> u8 {
    if i < text.len() { text[i] } else { 0 }
}

const fn placeholder(text: &[u8], mut i: usize) -> Piece {
    let mut spec = Spec {
        hint: Hint::Display,
        align: Align::Default,
        alternate: false,
        zero: false,
        width: 0,
    };
    let mut closing = i;
    while at(text, closing) != b'}' {
        if closing == text.len() {
            return Piece::Wrong(
                "`{` without `}` in a log message: write `{{` for the brace itself",
            );
        }
        closing += 1;
    }
    let end = closing + 1;
    if i == closing {
        return Piece::Placeholder { end, spec };
    }
    if at(text, i) != b':' {
        return Piece::Wrong(
            "a log placeholder holds no name or position: write `{}` (or `{:x}` …) and pass the \
             value as an argument",
        );
    }
    i += 1;
    spec.align = match at(text, i) {
        b'<' => Align::Left,
        b'^' => Align::Center,
        b'>' => Align::Right,
        _ => Align::Default,
    };
    if !matches!(spec.align, Align::Default) {
        i += 1;
    }
    if at(text, i) == b'#' {
        spec.alternate = true;
        i += 1;
    }
    if at(text, i) == b'0' {
        spec.zero = true;
        i += 1;
    }
    while at(text, i).is_ascii_digit() {
        spec.width = spec.width * 10 + (at(text, i) - b'0') as u16;
        if spec.width > 999 {
            return Piece::Wrong("the width in a log placeholder is at most 999");
        }
        i += 1;
    }
    let (_, rest) = text.split_at(i);
    let (hint, _) = rest.split_at(closing - i);
    spec.hint = match hint {
        b"" => Hint::Display,
        b"?" => Hint::Debug,
        b"x" => Hint::LowerHex,
        b"X" => Hint::UpperHex,
        b"o" => Hint::Octal,
        b"b" => Hint::Binary,
        b"i" => Hint::Ip,
        b"mac" => Hint::LowerMac,
        b"MAC" => Hint::UpperMac,
        b"p" => Hint::Pointer,
        _ => {
            return Piece::Wrong(
                "unknown hint in a log placeholder: `?`, `x`, `X`, `o`, `b`, `i`, `mac`, `MAC` and \
                 `p` exist",
            );
        }
    };
    Piece::Placeholder { end, spec }
}

/// The number of placeholders in `format`.
///
/// # Panics
/// When `format` is not a format string, with the reason; at compile time when called there.
pub const fn placeholders(format: &str) -> usize {
    let mut count = 0;
    let mut i = 0;
    loop {
        match next_piece(format, i) {
            Piece::Text { end, .. } | Piece::Brace { end } => i = end,
            Piece::Placeholder { end, .. } => {
                count += 1;
                i = end;
            }
            Piece::Wrong(why) => panic!("{}", why),
            Piece::End => return count,
        }
    }
}

/// Checks a format string against the number of arguments it is used with.
///
/// # Panics
/// When it is no format string, or when the numbers differ; at compile time in the macros.
pub const fn check(format: &str, arguments: usize) {
    let placeholders = placeholders(format);
    assert!(
        placeholders <= arguments,
        "a log message has more placeholders than arguments"
    );
    assert!(
        placeholders >= arguments,
        "a log message has more arguments than placeholders"
    );
}

/// Checks that each placeholder can show its argument; `tags` and `lens` are those of
/// [`LogArgs`](super::LogArgs).
///
/// # Panics
/// When a hint does not fit the type of its argument; at compile time in the macros.
pub const fn check_types(format: &str, tags: &[Tag], lens: &[usize]) {
    let mut n = 0;
    let mut i = 0;
    loop {
        match next_piece(format, i) {
            Piece::Text { end, .. } | Piece::Brace { end } => i = end,
            Piece::Placeholder { end, spec } => {
                if n < tags.len() {
                    check_type(spec.hint, tags[n], lens[n]);
                }
                n += 1;
                i = end;
            }
            Piece::Wrong(why) => panic!("{}", why),
            Piece::End => return,
        }
    }
}

const fn check_type(hint: Hint, tag: Tag, len: usize) {
    let bytes = matches!(tag, Tag::Bytes);
    match hint {
        Hint::Display | Hint::Debug => {}
        Hint::LowerHex | Hint::UpperHex => assert!(
            tag.is_integer() || bytes || matches!(tag, Tag::Pointer),
            "`{{:x}}` in a log message shows integers, pointers and bytes"
        ),
        Hint::Octal | Hint::Binary => {
            assert!(
                tag.is_integer(),
                "`{{:o}}` and `{{:b}}` in a log message show integers"
            );
        }
        Hint::Ip => assert!(
            matches!(tag, Tag::U32 | Tag::Ipv4 | Tag::Ipv6) || bytes && (len == 4 || len == 16),
            "`{{:i}}` in a log message shows Ipv4Addr, Ipv6Addr, u32, [u8; 4], [u8; 16] and \
             [u16; 8]"
        ),
        Hint::LowerMac | Hint::UpperMac => assert!(
            matches!(tag, Tag::Mac) || bytes && len == 6,
            "`{{:mac}}` in a log message shows [u8; 6]"
        ),
        Hint::Pointer => {
            assert!(
                matches!(tag, Tag::Pointer),
                "`{{:p}}` in a log message shows pointers"
            );
        }
    }
}
