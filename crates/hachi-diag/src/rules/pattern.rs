//! Patterns with holes: all the matching the table needs.

use crate::cause::Access;

/// What the holes caught, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Captures(Vec<(&'static str, String)>);

impl Captures {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.as_str())
    }

    /// What a hole caught.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    /// What a hole caught that is in every pattern of its rule.
    pub fn word(&self, name: &str) -> String {
        self.text(name).unwrap_or_default()
    }

    pub fn number(&self, name: &str) -> Option<i64> {
        self.get(name)?.parse().ok()
    }

    pub fn insn(&self, name: &str) -> Option<usize> {
        self.get(name)?.parse().ok()
    }

    /// The number in hole `reg`.
    pub fn register(&self) -> u8 {
        self.get("reg")
            .and_then(|number| number.parse().ok())
            .unwrap_or(0)
    }

    /// The holes `n_off`, `n_size` and `n_len`.
    pub fn access(&self) -> Access {
        Access {
            offset: self.number("n_off"),
            size: self.number("n_size"),
            length: self.number("n_len"),
        }
    }

    fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.0.push((name, value.into()));
    }

    /// Adds what another message caught; what is there already stays.
    pub fn extend(&mut self, other: Captures) {
        for (name, value) in other.0 {
            if self.get(name).is_none() {
                self.0.push((name, value));
            }
        }
    }
}

/// Matches `pattern` from the start of `text`. Each hole takes the shortest stretch that lets the
/// next literal follow; holes named `reg`, `insn`, `n` and `n_…` take digits only (with a sign).
pub(crate) fn matches(pattern: &'static str, text: &str) -> Option<Captures> {
    let mut captures = Captures::default();
    let (mut pattern, mut text) = (pattern, text);
    while let Some((literal, rest)) = pattern.split_once('{') {
        text = text.strip_prefix(literal)?;
        let (name, rest) = rest.split_once('}')?;
        pattern = rest;
        let next = pattern
            .split_once('{')
            .map_or(pattern, |(literal, _)| literal);
        let numeric = matches!(name, "reg" | "insn" | "n") || name.starts_with("n_");
        let length = if numeric {
            text.bytes()
                .position(|byte| !(byte.is_ascii_digit() || byte == b'-'))
                .unwrap_or(text.len())
        } else if next.is_empty() {
            text.len()
        } else {
            text.find(next)?
        };
        if numeric && length == 0 {
            return None;
        }
        if !name.is_empty() {
            captures.set(name, &text[..length]);
        }
        text = &text[length..];
    }
    text.strip_prefix(pattern)?;
    Some(captures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_take_the_shortest_fit() {
        let found = matches(
            "invalid access to packet, off={n_off} size={n_size}, R{reg}(",
            "invalid access to packet, off=14 size=1, R2(id=0,off=14,r=0)",
        )
        .unwrap();
        assert_eq!(found.get("n_off"), Some("14"));
        assert_eq!(found.get("n_size"), Some("1"));
        assert_eq!(found.get("reg"), Some("2"));
        assert_eq!(found.number("n_size"), Some(1));
        assert_eq!(found.register(), 2);
        assert_eq!(found.access().offset, Some(14));
        assert_eq!(found.text("nothing"), None);
    }

    #[test]
    fn numbers_must_be_numbers() {
        assert!(matches("R{reg} !read_ok", "R0 !read_ok").is_some());
        assert!(matches("R{reg} !read_ok", "Rx !read_ok").is_none());
        assert!(matches("R{reg} !read_ok", "R0 pointer").is_none());
        assert_eq!(
            matches("value {n} makes", "value -5 makes")
                .unwrap()
                .get("n"),
            Some("-5")
        );
    }
}
