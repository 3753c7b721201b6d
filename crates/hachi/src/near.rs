//! "Did you mean": names that look like the one that was not found.

/// Finds the names most like a wanted one among candidates offered one by one, so that nobody has
/// to collect a hundred thousand symbols first.
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

    /// A sentence part: `; did you mean "a" or "b"?`, or nothing.
    pub(crate) fn hint(self) -> String {
        let names: Vec<_> = self
            .found
            .iter()
            .map(|(_, name)| format!("{name:?}"))
            .collect();
        match names.as_slice() {
            [] => String::new(),
            [one] => format!("; did you mean {one}?"),
            [first @ .., last] => format!("; did you mean {} or {last}?", first.join(", ")),
        }
    }
}

/// The hint for `wanted` among `candidates`.
pub(crate) fn hint<'c>(wanted: &str, candidates: impl IntoIterator<Item = &'c str>) -> String {
    let mut near = Near::new(wanted);
    for name in candidates {
        near.offer(name);
    }
    near.hint()
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
    fn nearest_names_first_and_far_ones_not_at_all() {
        let names = ["sched_switch", "sched_wakeup", "sys_enter", "sched_swotch"];
        assert_eq!(
            hint("sched_swich", names),
            "; did you mean \"sched_switch\" or \"sched_swotch\"?"
        );
        assert_eq!(
            hint("tcp_v4_con", ["tcp_v4_connect"]),
            "; did you mean \"tcp_v4_connect\"?"
        );
        assert_eq!(
            hint("abcdef", ["bcdef", "abcdfe", "xabcdef", "abcd"]),
            "; did you mean \"bcdef\", \"xabcdef\", \"abcdfe\" or \"abcd\"?"
        );
        assert_eq!(hint("zzz", names), "");
        assert_eq!(hint("", names), "");
    }
}
