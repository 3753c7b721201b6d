//! "Did you mean": names that look like the one that was not found.

/// Finds the names most like a wanted one among candidates offered one by one, so that a
/// hundred thousand symbols need not be collected first.
pub(crate) struct Near<'w> {
    wanted: &'w str,
    /// Distance and name, the nearest first.
    found: Vec<(usize, String)>,
}

/// How many names a message tells.
const SHOWN: usize = 4;
/// Names that differ in more letters are other names.
const FARTHEST: usize = 4;

impl<'w> Near<'w> {
    pub(crate) fn new(wanted: &'w str) -> Self {
        Near {
            wanted,
            found: Vec::new(),
        }
    }

    pub(crate) fn offer(&mut self, name: &str) {
        let limit = match self.found.get(SHOWN - 1) {
            Some((worst, _)) => *worst,
            None => (self.wanted.len() / 3 + 1).min(FARTHEST),
        };
        let Some(distance) = distance(self.wanted, name, limit) else {
            return;
        };
        let place = self.found.partition_point(|(other, _)| *other <= distance);
        if self.found.iter().all(|(_, other)| other != name) {
            self.found.insert(place, (distance, name.to_owned()));
            self.found.truncate(SHOWN);
        }
    }

    /// The names found, the nearest first.
    pub(crate) fn names(self) -> Vec<String> {
        self.found.into_iter().map(|(_, name)| name).collect()
    }
}

/// The names among `candidates` that are most like `wanted`, the nearest first.
pub(crate) fn similar<'c>(
    wanted: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Vec<String> {
    let mut near = Near::new(wanted);
    for name in candidates {
        near.offer(name);
    }
    near.names()
}

/// A sentence part: `; did you mean "a" or "b"?`, or nothing.
pub(crate) fn did_you_mean(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("{name:?}")).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => format!("; did you mean {one}?"),
        [first @ .., last] => format!("; did you mean {} or {last}?", first.join(", ")),
    }
}

/// How many letters to insert, delete or replace; one that continues the other counts as one step.
/// `None` if that is more than `limit`.
///
/// Called for each of a hundred thousand names, of which nearly all are to be dismissed after a few
/// letters.
fn distance(a: &str, b: &str, limit: usize) -> Option<usize> {
    const LONGEST: usize = 128;
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() >= 3 && (b.starts_with(a) || b.ends_with(a)) {
        return (1 <= limit).then_some(1);
    }
    if a.len().abs_diff(b.len()) > limit || a.len().max(b.len()) > LONGEST {
        return None;
    }
    // Only cells so near the diagonal can be within the limit; the others count as beyond it.
    let beyond = limit + 1;
    let mut row = [beyond; LONGEST + 1];
    for (j, cell) in row.iter_mut().enumerate().take(limit + 1) {
        *cell = j;
    }
    for (i, x) in a.iter().enumerate() {
        let first = i.saturating_sub(limit);
        let last = (i + limit).min(b.len().saturating_sub(1));
        let mut diagonal = row[first];
        row[first] = if first == 0 { i + 1 } else { beyond };
        let mut least = row[first];
        for j in first..=last {
            let Some(y) = b.get(j) else { break };
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
            least = least.min(row[j + 1]);
        }
        if least > limit {
            return None;
        }
    }
    Some(row[b.len()]).filter(|&steps| steps <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_the_nearest_names_first_and_no_distant_ones() {
        let names = ["sched_switch", "sched_wakeup", "sys_enter", "sched_swotch"];
        assert_eq!(
            similar("sched_swich", names),
            ["sched_switch", "sched_swotch"]
        );
        assert_eq!(
            similar("tcp_v4_con", ["tcp_v4_connect"]),
            ["tcp_v4_connect"]
        );
        assert_eq!(
            similar("abcdef", ["bcdef", "abcdfe", "xabcdef", "abcd"]),
            ["bcdef", "xabcdef", "abcdfe", "abcd"]
        );
        assert!(similar("zzz", names).is_empty());
        assert!(similar("", names).is_empty());
    }

    #[test]
    fn the_question_lists_all_names() {
        let question = |names: &[&str]| {
            did_you_mean(
                &names
                    .iter()
                    .map(|name| name.to_string())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(question(&[]), "");
        assert_eq!(question(&["a"]), "; did you mean \"a\"?");
        assert_eq!(
            question(&["a", "b", "c"]),
            "; did you mean \"a\", \"b\" or \"c\"?"
        );
    }
}
