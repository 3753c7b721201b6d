//! Consistent hashing: a table of backends in which few places change when one comes or goes, after
//! section 3.4 of "Maglev: A Fast and Reliable Software Network Load Balancer" (2016).

use std::hash::{DefaultHasher, Hash, Hasher};

/// For each place of a table of `size` places, a prime number, an index into `backends`. Each gets
/// about as many; a backend goes to the same places wherever in the list it stands.
///
/// # Panics
/// Without a backend.
pub fn table<B: Hash>(backends: &[B], size: u32) -> Vec<u32> {
    assert!(!backends.is_empty(), "a table needs a backend");
    let mut walks: Vec<_> = backends.iter().map(|backend| walk(backend, size)).collect();
    let mut table = vec![None; size as usize];
    let mut left = size;
    // In turn, each takes the first free place on its walk through all of them.
    'turns: loop {
        for (index, walk) in walks.iter_mut().enumerate() {
            if left == 0 {
                break 'turns;
            }
            let free = walk.find(|&place| table[place as usize].is_none());
            let place = free.expect("a walk goes through all places, and one is free");
            table[place as usize] = Some(index as u32);
            left -= 1;
        }
    }
    table.into_iter().flatten().collect()
}

/// All places in an order of the backend's own: steps of the same length, round and round.
fn walk<B: Hash>(backend: &B, size: u32) -> impl Iterator<Item = u32> + use<B> {
    let hash = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, backend).hash(&mut hasher);
        hasher.finish()
    };
    let size = u64::from(size);
    let (start, step) = (hash(0) % size, hash(1) % (size - 1) + 1);
    (0..size).map(move |n| ((start + n * step) % size) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u32 = 4099;

    fn names(table: &[u32], backends: &[&'static str]) -> Vec<&'static str> {
        table
            .iter()
            .map(|&index| backends[index as usize])
            .collect()
    }

    #[test]
    fn places_are_shared_equally() {
        let table = table(&["a", "b", "c", "d"], SIZE);
        assert_eq!(table.len(), SIZE as usize);
        for index in 0..4 {
            let share = table.iter().filter(|&&place| place == index).count();
            assert!((1024..=1026).contains(&share), "{index}: {share}");
        }
    }

    #[test]
    fn few_places_change_when_a_backend_goes() {
        let (before, after) = (["a", "b", "c", "d", "e"], ["e", "a", "c", "d"]);
        let [before, after] = [&before[..], &after].map(|list| names(&table(list, SIZE), list));
        let moved = before.iter().zip(&after);
        let moved = moved
            .filter(|(old, new)| **old != "b" && old != new)
            .count();
        assert!(moved < SIZE as usize / 10, "{moved} places of others moved");
    }
}
