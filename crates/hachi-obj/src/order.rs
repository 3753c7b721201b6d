//! Sorting by numbers: one sort for all lists. Each sort of the standard library that is compiled
//! for another type adds 13 kB to a loader whose dependencies are not optimised.

/// Sorts by a number; what has the same stays in its order.
pub(crate) fn sort_by_number<T>(list: &mut [T], key: impl Fn(&T) -> u128) {
    let mut keys = Vec::with_capacity(list.len());
    for (at, one) in list.iter().enumerate() {
        keys.push((key(one), at));
    }
    let Some(mut order) = sorted(keys) else {
        return;
    };
    // Each cycle of the permutation in turn; what is done points at itself.
    for start in 0..list.len() {
        let mut at = start;
        loop {
            let next = std::mem::replace(&mut order[at].1, at);
            if next == start {
                break;
            }
            list.swap(at, next);
            at = next;
        }
    }
}

/// The keys in order, each with its old position; `None` if they were in order.
fn sorted(mut keys: Vec<(u128, usize)>) -> Option<Vec<(u128, usize)>> {
    if keys.is_sorted() {
        return None;
    }
    keys.sort_unstable();
    Some(keys)
}

/// A number that orders by `high`, then by `low`.
pub(crate) fn pair(high: usize, low: u64) -> u128 {
    (high as u128) << 64 | u128::from(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_and_keeps_the_order_of_equals() {
        let mut state = 1u32;
        for len in [0, 1, 2, 3, 10, 1000] {
            let mut list: Vec<(u128, usize)> = (0..len)
                .map(|at| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (u128::from(state >> 26), at)
                })
                .collect();
            let mut expected = list.clone();
            expected.sort_by_key(|(key, _)| *key);
            sort_by_number(&mut list, |(key, _)| *key);
            assert_eq!(list, expected);
        }
    }

    #[test]
    fn pairs_order_by_the_first_then_the_second() {
        assert!(pair(1, 0) > pair(0, u64::MAX));
        assert!(pair(1, 2) > pair(1, 1));
    }
}
