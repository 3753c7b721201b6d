//! JSON, as it is written.

use std::fmt::Write as _;

/// Elements with commas between them.
pub fn list<T>(
    to: &mut String,
    items: impl IntoIterator<Item = T>,
    mut f: impl FnMut(&mut String, T),
) {
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            to.push(',');
        }
        f(to, item);
    }
}

/// Bytes as a string of hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let mut to = String::from("\"");
    for byte in bytes {
        let _ = write!(to, "{byte:02x}");
    }
    to.push('"');
    to
}

/// A string.
pub fn text(text: &str) -> String {
    let mut to = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => to.push_str("\\\""),
            '\\' => to.push_str("\\\\"),
            character if u32::from(character) < 0x20 => {
                let _ = write!(to, "\\u{:04x}", u32::from(character));
            }
            character => to.push(character),
        }
    }
    to.push('"');
    to
}
