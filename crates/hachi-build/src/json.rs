//! Looking into JSON of which little is known. A small parser does: a general one would take longer
//! to compile than everything else in a build script that uses this crate.

use std::collections::HashMap;

use tinyjson::JsonValue;

/// A value somewhere in a document; absent ones can be looked into as well and hold nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Json<'a>(Option<&'a JsonValue>);

/// Parses one document.
pub(crate) fn parse(text: &[u8]) -> Option<JsonValue> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

impl<'a> Json<'a> {
    pub(crate) fn of(value: &'a JsonValue) -> Self {
        Json(Some(value))
    }

    /// The member of an object.
    pub(crate) fn get(self, name: &str) -> Json<'a> {
        Json(
            self.0
                .and_then(|value| value.get::<HashMap<String, JsonValue>>()?.get(name)),
        )
    }

    pub(crate) fn text(self) -> Option<&'a str> {
        self.0?.get::<String>().map(String::as_str)
    }

    /// The elements of an array.
    pub(crate) fn list(self) -> Option<impl Iterator<Item = Json<'a>>> {
        Some(self.0?.get::<Vec<JsonValue>>()?.iter().map(Json::of))
    }

    pub(crate) fn is_true(self) -> bool {
        self.0.and_then(|value| value.get::<bool>()) == Some(&true)
    }

    /// Whether this is an array that holds the text.
    pub(crate) fn holds(self, text: &str) -> bool {
        self.list()
            .is_some_and(|mut items| items.any(|item| item.text() == Some(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_is_nothing() {
        let text = r#" {"a": {"b": ["x", 1, "y"], "t": true}, "s": "\u001b[1mé\n"} "#;
        let document = parse(text.as_bytes()).unwrap();
        let document = Json::of(&document);
        assert!(document.get("a").get("b").holds("y") && !document.get("a").get("b").holds("z"));
        assert_eq!(document.get("a").get("b").list().unwrap().count(), 3);
        assert!(document.get("a").get("t").is_true());
        assert_eq!(document.get("s").text(), Some("\u{1b}[1mé\n"));
        assert_eq!(document.get("no").get("such").text(), None);
        assert!(
            document.get("s").list().is_none()
                && !document.get("s").is_true()
                && !document.holds("a")
        );
        assert!(parse(b"not json").is_none() && parse(b"").is_none() && parse(b"\xff").is_none());
    }
}
