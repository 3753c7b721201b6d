//! Kernel configurations: text as in `/proc/config.gz`, and what becomes of it in the map
//! `.kconfig`.
//!
//! The rules are libbpf's (`bpf_object__process_kconfig_line`).

use std::fmt;

use hachi_btf::Endian;

use crate::{Extern, ExternKind};

/// What a program takes a configuration option for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KconfigType {
    /// `bool`: 1 for `y`, 0 for `n`.
    Bool,
    /// `enum libbpf_tristate`: 0 for `n`, 1 for `y`, 2 for `m`.
    Tristate,
    /// One byte: the letter `y`, `n` or `m` itself, or a small number.
    Char {
        /// Negative numbers fit it.
        signed: bool,
    },
    /// A number of 2, 4 or 8 bytes.
    Int {
        /// Negative numbers fit it.
        signed: bool,
    },
    /// An array of bytes: a text without its quotes, NUL-terminated, cut where it is too long.
    Text,
}

/// The options that a configuration sets, with their values as written: `("CONFIG_HZ", "250")`.
/// Comments, among them `# CONFIG_X is not set`, are passed over.
///
/// # Errors
/// For a line that begins like an option and has no value.
pub fn options(text: &str) -> impl Iterator<Item = Result<(&str, &str), LineError>> {
    let lines = text.lines().enumerate();
    lines.filter_map(|(number, line)| {
        let line = line.trim_end();
        if !line.starts_with("CONFIG_") {
            return None;
        }
        let option = line.split_once('=').filter(|(_, value)| !value.is_empty());
        Some(option.ok_or_else(|| LineError {
            line: number + 1,
            text: line.to_owned(),
        }))
    })
}

impl KconfigType {
    /// Writes the value of an option, as the configuration has it, to its `place`.
    ///
    /// # Errors
    /// If the value is none that a configuration has, or has no place in this type.
    pub fn write(self, value: &str, place: &mut [u8], endian: Endian) -> Result<(), ValueError> {
        match value.as_bytes() {
            [b'"', text @ ..] => {
                let Some(text) = text.strip_suffix(b"\"") else {
                    return Err(ValueError::Unclosed {
                        value: value.to_owned(),
                    });
                };
                self.write_text(value, text, place)
            }
            [letter @ (b'y' | b'n' | b'm')] => self.write_letter(*letter, place, endian),
            _ => match number(value) {
                Some(_) if !matches!(self, KconfigType::Int { .. } | KconfigType::Char { .. }) => {
                    Err(self.unfit(value))
                }
                Some(number) => self.write_number(number, place, endian),
                None => Err(ValueError::Unknown {
                    value: value.to_owned(),
                }),
            },
        }
    }

    /// Writes a number to the `place` of an option.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_number(
        self,
        value: u64,
        place: &mut [u8],
        endian: Endian,
    ) -> Result<(), ValueError> {
        let room = place.len();
        if !(1..=8).contains(&room) {
            return Err(ValueError::NoRoom { size: room });
        }
        let bits = 8 * room as u32;
        let beyond = match self {
            KconfigType::Bool => value > 1,
            KconfigType::Tristate | KconfigType::Text => {
                return Err(self.unfit(&value.to_string()));
            }
            _ if bits >= 64 => false,
            KconfigType::Char { signed: true } | KconfigType::Int { signed: true } => {
                value.wrapping_add(1 << (bits - 1)) >> bits != 0
            }
            _ => value >> bits != 0,
        };
        if beyond {
            return Err(ValueError::TooLarge { value, bits });
        }
        match endian {
            Endian::Little => place.copy_from_slice(&value.to_le_bytes()[..room]),
            Endian::Big => place.copy_from_slice(&value.to_be_bytes()[8 - room..]),
        }
        Ok(())
    }

    fn write_letter(self, letter: u8, place: &mut [u8], endian: Endian) -> Result<(), ValueError> {
        let number = match (self, letter) {
            (KconfigType::Char { .. }, letter) => letter,
            (KconfigType::Bool | KconfigType::Tristate, b'n') => 0,
            (KconfigType::Bool | KconfigType::Tristate, b'y') => 1,
            (KconfigType::Tristate, _) => 2,
            _ => return Err(self.unfit(&char::from(letter).to_string())),
        };
        // An enum has four bytes, the others one.
        let wide = KconfigType::Int { signed: false };
        wide.write_number(number.into(), place, endian)
    }

    fn write_text(self, value: &str, text: &[u8], place: &mut [u8]) -> Result<(), ValueError> {
        if self != KconfigType::Text {
            return Err(self.unfit(value));
        }
        place.fill(0);
        // The last byte stays NUL.
        let room = place.len().saturating_sub(1);
        for (to, from) in place[..room].iter_mut().zip(text) {
            *to = *from;
        }
        Ok(())
    }

    fn unfit(self, value: &str) -> ValueError {
        ValueError::Unfit {
            value: value.to_owned(),
            declared: self,
        }
    }
}

/// A line of a kernel configuration that begins like an option and has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LineError {
    /// Its number, from 1.
    pub line: usize,
    /// The line.
    pub text: String,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LineError { line, text } = self;
        write!(
            f,
            "line {line} of the kernel configuration is {text:?}; expected CONFIG_NAME=VALUE"
        )
    }
}

impl std::error::Error for LineError {}

/// Why the value of an option has no place in a program's variable.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueError {
    /// A quoted text without its closing quote.
    Unclosed {
        /// The value as written.
        value: String,
    },
    /// Neither `y`, `n`, `m`, a number nor a quoted text.
    Unknown {
        /// The value as written.
        value: String,
    },
    /// A value for a variable of another type.
    Unfit {
        /// The value as written.
        value: String,
        /// The variable's type.
        declared: KconfigType,
    },
    /// A number that needs more bits than the variable has.
    TooLarge {
        /// The number, as two's complement.
        value: u64,
        /// How many bits the variable has.
        bits: u32,
    },
    /// A number for a variable of no bytes, or of more than 8.
    NoRoom {
        /// The variable's bytes.
        size: usize,
    },
}

/// What the value is or wants, as it follows "its value".
impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueError::Unclosed { value } => write!(f, "{value} lacks the closing quote"),
            ValueError::Unknown { value } => {
                write!(f, "{value} is neither y, n, m, a number nor a quoted text")
            }
            ValueError::Unfit { value, declared } => {
                let declared = match declared {
                    KconfigType::Bool => "a `bool`",
                    KconfigType::Tristate => "an `enum libbpf_tristate`",
                    KconfigType::Char { .. } => "a `char`",
                    KconfigType::Int { .. } => "an integer",
                    KconfigType::Text => "an array of `char`",
                };
                let wanted = match value.as_bytes() {
                    [b'm'] => "`enum libbpf_tristate` or `char`",
                    [b'y' | b'n'] => "`bool`, `enum libbpf_tristate` or `char`",
                    [b'"', ..] => "an array of `char`",
                    _ => "an integer",
                };
                write!(
                    f,
                    "{value} wants {wanted}, and the program declares it as {declared}"
                )
            }
            ValueError::TooLarge { value, bits } => {
                write!(f, "{value} ({value:#x}) does not fit {bits} bits")
            }
            ValueError::NoRoom { size } => {
                write!(f, "is a number, for which {size} bytes are no room")
            }
        }
    }
}

impl std::error::Error for ValueError {}

impl Extern {
    /// Of a configuration option: its type, and its place in the value of the map `.kconfig`.
    pub fn kconfig<'v>(&self, value: &'v mut [u8]) -> Option<(KconfigType, &'v mut [u8])> {
        let ExternKind::Kconfig {
            ty, offset, size, ..
        } = self.kind
        else {
            return None;
        };
        let place = value.get_mut(offset as usize..)?.get_mut(..size as usize)?;
        Some((ty, place))
    }
}

/// A number as C writes it: decimal, `0x…` or octal, with a sign; negative ones as two's
/// complement.
fn number(text: &str) -> Option<u64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.starts_with('+') {
        return None;
    }
    let number = u64::from_str_radix(digits, radix).ok()?;
    Some(if negative {
        number.wrapping_neg()
    } else {
        number
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(ty: KconfigType, value: &str, len: usize) -> Result<Vec<u8>, ValueError> {
        let mut place = vec![0xaa; len];
        ty.write(value, &mut place, Endian::Big)?;
        Ok(place)
    }

    #[test]
    fn values_go_where_they_fit() {
        use KconfigType::*;
        let signed = Int { signed: true };
        let unsigned = Int { signed: false };
        let letter = Char { signed: true };
        for (ty, value, bytes) in [
            (Bool, "y", &[1][..]),
            (Bool, "n", &[0]),
            (Tristate, "m", &[0, 0, 0, 2]),
            (Tristate, "y", &[0, 0, 0, 1]),
            (letter, "m", b"m"),
            (letter, "-1", &[0xff]),
            (unsigned, "250", &[0, 0, 0, 250]),
            (unsigned, "0x10", &[0, 16]),
            (unsigned, "010", &[0, 8]),
            (unsigned, "0", &[0, 0]),
            (signed, "-2", &[0xff, 0xfe]),
            (unsigned, "0xffffffffffffffff", &[0xff; 8]),
            (Text, "\"gcc\"", b"gcc\0\0"),
            (Text, "\"clang\"", b"clan\0"),
            (Text, "\"\"", b"\0\0"),
        ] {
            assert_eq!(
                write(ty, value, bytes.len()).as_deref(),
                Ok(bytes),
                "{value}"
            );
        }
        for (ty, value, len, why) in [
            (Bool, "m", 1, "libbpf_tristate"),
            (Bool, "1", 1, "an integer"),
            (Text, "y", 4, "`bool`"),
            (unsigned, "y", 4, "`bool`"),
            (unsigned, "\"text\"", 4, "array"),
            (Text, "\"text", 4, "closing quote"),
            (unsigned, "256", 1, "8 bits"),
            (signed, "128", 1, "8 bits"),
            (signed, "-129", 1, "8 bits"),
            (unsigned, "1", 16, "no room"),
            (signed, "1", 0, "no room"),
            (unsigned, "yes", 4, "neither"),
            (unsigned, "12a", 4, "neither"),
            (unsigned, "", 4, "neither"),
            (unsigned, "0x", 4, "neither"),
            (unsigned, "é", 4, "neither"),
        ] {
            let error = write(ty, value, len).unwrap_err();
            assert!(error.to_string().contains(why), "{value}: {error}");
        }
    }

    #[test]
    fn options_are_listed_one_per_line() {
        let text = "# CONFIG_A is not set\nCONFIG_B=y\r\n\nOTHER=1\nCONFIG_C=\"a=b\"\nCONFIG_D";
        let found: Vec<_> = options(text).collect();
        assert_eq!(
            found[..2],
            [Ok(("CONFIG_B", "y")), Ok(("CONFIG_C", "\"a=b\""))]
        );
        assert!(
            found[2]
                .as_ref()
                .unwrap_err()
                .to_string()
                .contains("line 6")
        );
        assert_eq!(found.len(), 3);
    }
}
