//! The kernel's words, and what they stand for.
//!
//! A row is data: patterns with `{holes}`, and the cause that is made of what the holes caught.
//! Rows are tried in order, so a more specific one stands before a more general one.

mod calls;
mod control;
mod load;
mod memory;
mod pattern;

use crate::Cause;
use pattern::{Captures, matches};

/// One row.
struct Rule {
    /// The kernel's words. `{name}` is a hole; `{}` one without a name. A pattern matches from the
    /// start of a message; what follows its last literal may be anything.
    patterns: &'static [&'static str],
    /// What they stand for.
    cause: fn(&Captures) -> Cause,
}

/// All rows, most specific first.
fn table() -> impl Iterator<Item = &'static Rule> {
    memory::RULES
        .iter()
        .chain(calls::RULES)
        .chain(control::RULES)
        .chain(load::RULES)
}

/// What these messages stand for, if a row knows.
pub(crate) fn find(messages: &[&str]) -> Option<Cause> {
    table().find_map(|rule| {
        let mut found: Option<Captures> = None;
        for message in messages {
            let captures = rule
                .patterns
                .iter()
                .find_map(|pattern| matches(pattern, message));
            match (&mut found, captures) {
                (Some(all), Some(more)) => all.extend(more),
                (None, captures) => found = captures,
                (Some(_), None) => {}
            }
        }
        found.map(|captures| (rule.cause)(&captures))
    })
}

/// Where within a line a message of the kernel's begins. The verifier writes some behind a line
/// that it has not ended.
pub(crate) fn message_within(line: &str) -> Option<usize> {
    /// Shorter beginnings (`R`, `div`) are in other lines as well.
    const TELLING: usize = 12;
    table()
        .flat_map(|rule| rule.patterns)
        .filter_map(|pattern| pattern.split('{').next())
        .filter(|words| words.len() >= TELLING)
        .filter_map(|words| line.find(words))
        .filter(|at| *at > 0)
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;

    #[test]
    fn patterns_start_with_words_of_the_kernel() {
        for rule in table() {
            assert!(!rule.patterns.is_empty());
            for pattern in rule.patterns {
                assert!(
                    !pattern.starts_with('{'),
                    "it would match anything: {pattern}"
                );
            }
        }
    }

    #[test]
    fn no_row_is_hidden_by_an_earlier_one() {
        for rule in table() {
            let own = (rule.cause)(&Captures::default());
            for pattern in rule.patterns {
                // A message made of the pattern itself, with plain fillings.
                let sample = sample(pattern);
                let found = find(&[&sample]).unwrap_or_else(|| panic!("{sample} matches nothing"));
                assert_eq!(found.code(), own.code(), "{sample:?}");
            }
        }
    }

    #[test]
    fn messages_of_one_fault_are_one_cause() {
        let cause = find(&[
            "invalid access to map value, value_size=32 off=60 size=4",
            "R6 max value is outside of the allowed memory range",
        ]);
        let Some(Cause::MapValueBounds { access }) = cause else {
            panic!("{cause:?}")
        };
        assert_eq!(
            (access.offset, access.size, access.length),
            (Some(60), Some(4), Some(32))
        );
    }

    #[test]
    fn a_message_behind_another_line_is_found() {
        let line = "17: (05) goto pc-3BPF program is too large. Processed 1000001 insn";
        assert_eq!(message_within(line), Some(18));
        assert_eq!(
            message_within("BPF program is too large. Processed 1 insn"),
            None
        );
        assert_eq!(message_within("17: (85) call bpf_get_prandom_u32#7"), None);
    }

    #[test]
    fn codes_of_causes_are_not_the_linkers() {
        for rule in table() {
            let code = (rule.cause)(&Captures::default()).code();
            assert_ne!(code.origin(), crate::Origin::Linker, "{code}");
            assert!(Code::named(code.name()).is_some());
        }
    }

    fn sample(pattern: &str) -> String {
        let mut text = String::new();
        let mut rest = pattern;
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            text.push('7');
            rest = after.split_once('}').unwrap().1;
        }
        text + rest
    }
}
