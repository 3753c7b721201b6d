//! JSON that is safe to look at in a terminal: strings hold no control or format character as it
//! is, only as an escape that means the same.

use std::io;

use hachi_diag::is_printable;
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

/// Over several lines, with a line feed at the end.
pub fn pretty(value: &Value) -> String {
    write(value, Safe(PrettyFormatter::new()))
}

/// On one line, with a line feed at the end.
pub fn compact(value: &Value) -> String {
    write(value, Safe(CompactFormatter))
}

fn write(value: &Value, formatter: impl Formatter) -> String {
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    // A value has string keys, and writing to a Vec cannot fail.
    let _ = value.serialize(&mut serializer);
    bytes.push(b'\n');
    String::from_utf8_lossy(&bytes).into_owned()
}

/// JSON by another writer, made safe. Between its strings there is nothing to escape but line
/// feeds and tabs, which are layout.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match is_printable(c) || matches!(c, '\n' | '\t') {
            true => out.push(c),
            false => escape(c, &mut out),
        }
    }
    out
}

fn escape(c: char, out: &mut String) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        out.push_str(&format!("\\u{unit:04x}"));
    }
}

/// A formatter that escapes more.
struct Safe<F>(F);

/// Hands these methods on to the formatter within.
macro_rules! as_within {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {
        $(fn $method<W: ?Sized + io::Write>(
            &mut self,
            writer: &mut W,
            $($argument: $type),*
        ) -> io::Result<()> {
            self.0.$method(writer, $($argument),*)
        })*
    };
}

impl<F: Formatter> Formatter for Safe<F> {
    as_within! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        end_object_key();
        begin_object_value();
        end_object_value();
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if fragment.chars().all(is_printable) {
            return writer.write_all(fragment.as_bytes());
        }
        writer.write_all(escaped(fragment).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn strings_mean_the_same_and_act_on_nothing() {
        let value = json!({ "na\u{202e}me": "a\n\x1b[0m\u{9b}\x7f\u{2066}\u{e0041}größe" });
        for text in [pretty(&value), compact(&value)] {
            let content = text.replace('\n', "");
            assert!(content.chars().all(is_printable), "{text}");
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        }
        assert_eq!(compact(&json!([1, {}])), "[1,{}]\n");
        assert_eq!(
            pretty(&json!({ "a": [1] })),
            "{\n  \"a\": [\n    1\n  ]\n}\n"
        );
    }

    #[test]
    fn documents_of_others_are_escaped_too() {
        let text = "{\n\t\"a\u{202e}\": 1\n}";
        assert_eq!(escaped(text), "{\n\t\"a\\u202e\": 1\n}");
    }
}
