//! "Did you mean": names like the one that was not found.

/// How many names a message tells.
const SHOWN: usize = 3;
/// Less alike than this are other names.
const ALIKE: f64 = 0.6;

/// The names most like `wanted`, the likeliest first.
pub fn similar<'c>(wanted: &str, names: impl IntoIterator<Item = &'c str>) -> Vec<&'c str> {
    let lower = wanted.to_lowercase();
    let mut found: Vec<(f64, &str)> = names
        .into_iter()
        .filter_map(|name| {
            let other = name.to_lowercase();
            let continues =
                lower.len() >= 3 && (other.starts_with(&lower) || other.ends_with(&lower));
            let score = match continues {
                true => 1.0,
                // One slip in a short name is a large part of it.
                false if strsim::damerau_levenshtein(&lower, &other) == 1 && lower.len() > 1 => {
                    ALIKE.max(strsim::normalized_damerau_levenshtein(&lower, &other))
                }
                false => strsim::normalized_damerau_levenshtein(&lower, &other),
            };
            (score >= ALIKE).then_some((score, name))
        })
        .collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    found.dedup_by_key(|(_, name)| *name);
    found
        .into_iter()
        .take(SHOWN)
        .map(|(_, name)| name)
        .collect()
}

/// `did you mean a, b or c?`; `None` when nothing is like it.
pub fn did_you_mean<'c>(wanted: &str, names: impl IntoIterator<Item = &'c str>) -> Option<String> {
    match similar(wanted, names).as_slice() {
        [] => None,
        [one] => Some(format!("did you mean {one}?")),
        [first @ .., last] => Some(format!("did you mean {} or {last}?", first.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_similar_names_are_suggested_nearest_first() {
        let names = ["COUNTERS", "BLOCKLIST", "BLOCKED", "EVENTS"];
        assert_eq!(similar("BLOKLIST", names), ["BLOCKLIST"]);
        assert_eq!(similar("counter", names), ["COUNTERS"]);
        assert_eq!(similar("BLOCK", names), ["BLOCKED", "BLOCKLIST"]);
        assert_eq!(similar("lp", ["lo", "eth0"]), ["lo"]);
        assert!(similar("zzz", names).is_empty());
        assert!(similar("", names).is_empty());
    }

    #[test]
    fn the_question_joins_the_names() {
        let ask = |wanted, names: &[&'static str]| did_you_mean(wanted, names.iter().copied());
        assert_eq!(ask("x", &[]), None);
        assert_eq!(
            ask("flow", &["flows"]).as_deref(),
            Some("did you mean flows?")
        );
        assert_eq!(
            ask("flow", &["flows", "flow6"]).as_deref(),
            Some("did you mean flow6 or flows?")
        );
    }
}
