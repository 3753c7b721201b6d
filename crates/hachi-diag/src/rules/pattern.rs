//! Patterns with holes: all the matching the table needs.

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

    pub fn set(&mut self, name: &'static str, value: impl Into<String>) {
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

/// Puts what the holes caught into a text. A name that caught nothing becomes `?`.
pub(crate) fn fill(template: &str, captures: &Captures) -> String {
    expand(template, |name| Some(captures.get(name).unwrap_or("?"))).unwrap_or_default()
}

/// As [`fill`], but `None` when a hole is left empty: a sentence with a gap is worse than none.
pub(crate) fn fill_all(template: &str, captures: &Captures) -> Option<String> {
    expand(template, |name| captures.get(name))
}

fn expand<'c>(template: &str, value: impl Fn(&str) -> Option<&'c str>) -> Option<String> {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let (name, tail) = after.split_once('}')?;
        out.push_str(value(name)?);
        rest = tail;
    }
    Some(out + rest)
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
        assert_eq!(
            fill("{n_size} byte at {n_off}, {nothing}", &found),
            "1 byte at 14, ?"
        );
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
