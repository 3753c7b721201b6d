//! Text with the placeholders of the kernel's printk.

use std::format;
use std::string::String;

use super::helpers::string_at;

/// The text that `format` makes of the arguments; those that are missing are 0.
pub fn text(format: &str, arguments: &[u64]) -> String {
    let mut arguments = arguments.iter().copied();
    let mut text = String::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        rest = placeholder(&rest[at + 1..], &mut arguments, &mut text);
    }
    text.push_str(rest);
    text
}

/// Formats one argument by what stands after the `%`; gives what comes then.
fn placeholder<'a>(
    after: &'a str,
    arguments: &mut impl Iterator<Item = u64>,
    text: &mut String,
) -> &'a str {
    if let Some(rest) = after.strip_prefix('%') {
        text.push('%');
        return rest;
    }
    let zeros = after.starts_with('0');
    let digits = after.bytes().take_while(u8::is_ascii_digit).count();
    let width: usize = after[..digits].parse().unwrap_or(0);
    let rest = &after[digits..];
    let long = rest.bytes().take_while(|byte| *byte == b'l').count();
    let rest = &rest[long..];
    let Some(kind) = rest.chars().next() else {
        return rest;
    };
    let rest = &rest[kind.len_utf8()..];
    let argument = arguments.next().unwrap_or(0);
    let number = if long > 0 {
        argument
    } else {
        u64::from(argument as u32)
    };
    let signed = if long > 0 {
        argument as i64
    } else {
        i64::from(argument as i32)
    };
    let shown = match kind {
        'd' | 'i' => format!("{signed}"),
        'u' => format!("{number}"),
        'x' => format!("{number:x}"),
        'X' => format!("{number:X}"),
        'c' => String::from(char::from(argument as u8)),
        's' => string_at(argument, 512).unwrap_or_else(|| "(null)".into()),
        // Of any kind that the format names.
        'p' => {
            let kind = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
            text.push_str(&format!("{argument:#x}"));
            return &rest[kind..];
        }
        other => format!("%{other}"),
    };
    if zeros {
        text.push_str(&format!("{shown:0>width$}"));
    } else {
        text.push_str(&format!("{shown:>width$}"));
    }
    rest
}
