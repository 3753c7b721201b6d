//! The table of rejections: the kernel's words, what they mean, what to change.
//!
//! A row is data: patterns with `{holes}`, and texts in which the holes' contents can be named.
//! Rows are tried in order, so a more specific one stands before a more general one.

mod calls;
mod control;
mod load;
mod memory;
mod pattern;

pub(crate) use pattern::{Captures, fill, fill_all, matches};

/// Which instruction the explanation points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The last one the verifier walked.
    Last,
    /// The one numbered in this hole.
    Hole(&'static str),
    /// None in particular: the rejection is about the program as a whole.
    Program,
}

/// One row.
pub(crate) struct Rule {
    /// A stable name, for `--json` and for tests.
    pub id: &'static str,
    /// The kernel's words. `{name}` is a hole; `{}` one without a name. A pattern matches from the
    /// start of a message; what follows its last literal may be anything.
    pub patterns: &'static [&'static str],
    /// What happened, as the headline says it. Holes of the pattern, and `{map}`, `{helper}`, can
    /// be used.
    pub title: &'static str,
    /// Why the verifier minds. May be empty when the title says it all.
    pub why: &'static str,
    /// What to change, most likely first.
    pub help: &'static [&'static str],
    /// The register whose value matters: the number in hole `reg`, unless a register is named here.
    pub register: Option<u8>,
    /// Where to point.
    pub place: Place,
}

impl Rule {
    /// The defaults of a row, to be completed with `..Rule::ROW`.
    pub(crate) const ROW: Rule = Rule {
        id: "",
        patterns: &[],
        title: "",
        why: "",
        help: &[],
        register: None,
        place: Place::Last,
    };
}

/// All rows, most specific first.
fn table() -> impl Iterator<Item = &'static Rule> {
    memory::RULES
        .iter()
        .chain(calls::RULES)
        .chain(control::RULES)
        .chain(load::RULES)
}

/// The row for a rejection, with what its holes caught in all the messages, and the message that
/// matched.
pub(crate) fn find<'m>(messages: &[&'m str]) -> Option<(&'static Rule, Captures, &'m str)> {
    table().find_map(|rule| {
        let mut found: Option<(Captures, &'m str)> = None;
        for message in messages {
            for pattern in rule.patterns {
                if let Some(captures) = matches(pattern, message) {
                    match &mut found {
                        Some((all, _)) => all.extend(captures),
                        None => found = Some((captures, message)),
                    }
                    break;
                }
            }
        }
        found.map(|(captures, message)| (rule, captures, message))
    })
}

/// A row of the table, for documentation and listings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleInfo {
    /// The rule's stable name.
    pub id: &'static str,
    /// The kernel's messages it explains; `{name}` stands for a varying part.
    pub patterns: &'static [&'static str],
    /// The headline.
    pub title: &'static str,
    /// What to change.
    pub help: &'static [&'static str],
}

/// Every rejection this crate can explain.
pub fn rules() -> impl Iterator<Item = RuleInfo> {
    table().map(|rule| RuleInfo {
        id: rule.id,
        patterns: rule.patterns,
        title: rule.title,
        help: rule.help,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_complete() {
        for rule in table() {
            assert!(!rule.id.is_empty() && !rule.patterns.is_empty());
            assert!(!rule.title.is_empty(), "{} has no title", rule.id);
            assert!(!rule.help.is_empty(), "{} has no help", rule.id);
            assert!(
                rule.id
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'-'),
                "{}",
                rule.id
            );
            for pattern in rule.patterns {
                assert!(
                    !pattern.starts_with('{'),
                    "{}: a pattern must start with words of the kernel, or it matches anything: {pattern}",
                    rule.id
                );
            }
        }
    }

    /// A hole in a text is one of the row's own, or one that is filled in for every row.
    #[test]
    fn texts_name_holes_that_exist() {
        for rule in table() {
            for text in [rule.title, rule.why] {
                for hole in text
                    .split('{')
                    .skip(1)
                    .filter_map(|rest| rest.split('}').next())
                {
                    let own = rule
                        .patterns
                        .iter()
                        .any(|pattern| pattern.contains(&format!("{{{hole}}}")));
                    let common = [
                        "helper", "programs", "map", "size", "len", "need", "missing",
                    ]
                    .contains(&hole);
                    assert!(own || common, "{}: {{{hole}}} in {text:?}", rule.id);
                }
            }
        }
    }

    #[test]
    fn no_row_is_hidden_by_an_earlier_one() {
        let rows: Vec<&Rule> = table().collect();
        for (at, rule) in rows.iter().enumerate() {
            for pattern in rule.patterns {
                // A message made of the pattern itself, with plain fillings.
                let sample = sample(pattern);
                let (winner, ..) =
                    find(&[&sample]).unwrap_or_else(|| panic!("{sample} matches nothing"));
                assert_eq!(
                    winner.id, rule.id,
                    "row {at}: {sample:?} is taken by {}",
                    winner.id
                );
            }
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
