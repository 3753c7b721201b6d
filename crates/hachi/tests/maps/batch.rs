//! Many elements at once.

use std::collections::{BTreeMap, BTreeSet};

use hachi::{
    maps::{
        Array, ElementFlags, HashMap, LpmTrie, MapError, MapType, PerCpuHashMap, PerCpuValues,
        lpm_trie::Key,
    },
    util::nr_cpus,
};
use hachi_test::require_bpf;

use crate::one;

#[test]
fn batches_are_complete() {
    require_bpf!();
    const COUNT: u32 = 20_000;
    let mut ebpf = one(MapType::Hash, 4, 8, COUNT);
    let mut map: HashMap<_, u32, u64> = ebpf.map_mut("M").unwrap().try_into().unwrap();
    // ANCHOR: batch
    let keys: Vec<u32> = (0..COUNT).collect();
    let values: Vec<u64> = keys.iter().map(|&key| u64::from(key) * 3).collect();
    map.insert_batch(&keys, &values, 0).unwrap();
    let all: BTreeMap<u32, u64> = map.iter().map(Result::unwrap).collect();
    // ANCHOR_END: batch
    assert_eq!(all.len(), COUNT as usize);
    assert!(all.iter().all(|(&key, &value)| value == u64::from(key) * 3));
    assert_eq!(map.keys().map(Result::unwrap).count(), COUNT as usize);

    // Keys that are not there are skipped, wherever they stand.
    let some: Vec<u32> = (0..COUNT + 10).step_by(2).collect();
    assert_eq!(map.remove_batch(&some).unwrap(), COUNT as usize / 2);
    assert_eq!(map.remove_batch(&some).unwrap(), 0);
    assert_eq!(map.iter().count(), COUNT as usize / 2);
    let wrong = map.insert_batch(&keys[..2], &values[..1], 0).unwrap_err();
    assert!(matches!(
        wrong,
        MapError::BatchLengths {
            keys: 2,
            values: 1,
            ..
        }
    ));
}

/// A batch that comes back short is not the end: small rooms, large rooms, and one of a single
/// element, smaller than many buckets.
#[test]
fn reading_in_batches_is_complete() {
    require_bpf!();
    const COUNT: u32 = 10_000;
    for kind in [MapType::Hash, MapType::LruHash] {
        // Not full: an LRU map evicts a little before.
        let mut ebpf = one(kind, 4, 8, 4 * COUNT);
        let mut map: HashMap<_, u32, u64> = ebpf.map_mut("M").unwrap().try_into().unwrap();
        let keys: Vec<u32> = (0..COUNT).collect();
        let values: Vec<u64> = keys.iter().map(|&key| u64::from(key) + 7).collect();
        map.insert_batch(&keys, &values, 0).unwrap();
        for room in [1, 3, 512, 4096, 1 << 20] {
            let mut seen = BTreeSet::new();
            let mut batches = map.batches(room).unwrap();
            while let Some((keys, values)) = batches.next().unwrap() {
                assert_eq!(keys.len(), values.len());
                for (key, value) in keys.iter().zip(values) {
                    assert_eq!(*value, u64::from(*key) + 7);
                    assert!(seen.insert(*key), "{key} comes twice");
                }
            }
            assert!(batches.next().unwrap().is_none(), "the end stays the end");
            assert_eq!(seen.len(), COUNT as usize, "room for {room}");
        }
    }
}

#[test]
fn draining_leaves_nothing_and_yields_all() {
    require_bpf!();
    const COUNT: u32 = 5_000;
    let mut ebpf = one(MapType::Hash, 4, 8, COUNT);
    let mut map: HashMap<_, u32, u64> = ebpf.map_mut("M").unwrap().try_into().unwrap();
    let keys: Vec<u32> = (0..COUNT).collect();
    let values = vec![1u64; COUNT as usize];
    map.insert_batch(&keys, &values, ElementFlags::NO_EXIST)
        .unwrap();
    let drained: BTreeMap<_, _> = map.drain().map(Result::unwrap).collect();
    assert_eq!(drained.len(), COUNT as usize);
    assert_eq!(map.iter().count(), 0);

    map.insert_batch(&keys, &values, ElementFlags::NO_EXIST)
        .unwrap();
    let mut total = 0;
    let mut batches = map.drain_batches(100).unwrap();
    while let Some((_, values)) = batches.next().unwrap() {
        total += values.iter().sum::<u64>();
    }
    assert_eq!(total, u64::from(COUNT));
    assert_eq!(map.keys().count(), 0);
}

#[test]
fn per_cpu_batches() {
    require_bpf!();
    let mut ebpf = one(MapType::PercpuHash, 4, 4, 100);
    let mut map: PerCpuHashMap<_, u32, u32> = ebpf.map_mut("M").unwrap().try_into().unwrap();
    let keys: Vec<u32> = (0..50).collect();
    let values: Vec<_> = keys
        .iter()
        .map(|&key| PerCpuValues::repeat(key).unwrap())
        .collect();
    map.insert_batch(&keys, &values, 0).unwrap();
    let all: BTreeMap<u32, u32> = map
        .iter()
        .map(Result::unwrap)
        .map(|(key, values)| (key, values.iter().sum()))
        .collect();
    let cpus = nr_cpus().unwrap() as u32;
    assert_eq!(all, keys.iter().map(|&key| (key, key * cpus)).collect());
    assert_eq!(map.remove_batch(&keys[..20]).unwrap(), 20);
    assert_eq!(map.drain().map(Result::unwrap).count(), 30);
    assert_eq!(map.iter().count(), 0);
    assert!(matches!(
        map.insert_batch(&keys[..1], &[PerCpuValues::default()], 0),
        Err(MapError::CpuCount { given: 0, .. })
    ));
}

#[test]
fn arrays_and_tries_in_batches() {
    require_bpf!();
    let mut ebpf = one(MapType::Array, 4, 8, 1000);
    let mut array: Array<_, u64> = ebpf.map_mut("M").unwrap().try_into().unwrap();
    let indices: Vec<u32> = (0..1000).rev().collect();
    let values: Vec<u64> = indices.iter().map(|&index| u64::from(index) * 2).collect();
    array.set_batch(&indices, &values, 0).unwrap();
    let mut next = 0;
    let mut batches = array.batches(64).unwrap();
    while let Some((indices, values)) = batches.next().unwrap() {
        for (index, value) in indices.iter().zip(values) {
            assert_eq!((*index, *value), (next, u64::from(next) * 2));
            next += 1;
        }
    }
    assert_eq!(next, 1000);
    assert!(array.set_batch(&[1000], &[0], 0).is_err(), "out of bounds");

    // Tries have batches since 5.15 (and are done one by one before).
    let mut ebpf = one(MapType::LpmTrie, 8, 4, 100);
    let mut trie: LpmTrie<_, u32, u32> = ebpf.map_mut("M").unwrap().try_into().unwrap();
    let keys: Vec<Key<u32>> = (0..60u32).map(|n| Key::new(32, n.to_be())).collect();
    let values: Vec<u32> = (0..60).collect();
    trie.insert_batch(&keys, &values, 0).unwrap();
    let mut all: Vec<u32> = trie.iter().map(|item| item.unwrap().1).collect();
    all.sort_unstable();
    assert_eq!(all, values);
    assert_eq!(trie.remove_batch(&keys[..25]).unwrap(), 25);
    assert_eq!(
        trie.remove_batch(&keys[20..30]).unwrap(),
        5,
        "the others are gone"
    );
    assert_eq!(trie.keys().count(), 30);
}

#[test]
fn taking_from_hash_maps() {
    require_bpf!();
    let mut ebpf = one(MapType::PercpuHash, 4, 8, 10);
    let mut map: PerCpuHashMap<_, u32, u64> = ebpf.map_mut("M").unwrap().try_into().unwrap();
    map.insert(1, PerCpuValues::repeat(3).unwrap(), 0).unwrap();
    let taken = hachi_test::supported!(map.take(&1));
    assert_eq!(taken, Some(PerCpuValues::repeat(3).unwrap()));
    assert_eq!(map.take(&1).unwrap(), None);
}
