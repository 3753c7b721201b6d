//! Queues, stacks, bloom filters, resizable hashes, stack traces, instruction arrays.

use std::collections::BTreeMap;

use hachi::{
    maps::{
        BloomFilter, ElementFlags, HashMap, InsnArray, MapData, MapError, MapType, Queue, Stack,
        StackTraceMap,
    },
    obj::MapSpec,
};
use hachi_test::{require_bpf, supported};

fn create(kind: MapType, key: u32, value: u32, entries: u32) -> MapData {
    MapData::from_spec(&MapSpec::new("M", kind, key, value, entries)).unwrap()
}

#[test]
fn queues_and_stacks() {
    require_bpf!();
    let mut queue = Queue::<_, u32>::try_from(create(MapType::Queue, 0, 4, 3)).unwrap();
    let mut stack = Stack::<_, u32>::try_from(create(MapType::Stack, 0, 4, 3)).unwrap();
    assert_eq!((queue.capacity(), queue.peek().unwrap()), (3, None));
    assert!(matches!(queue.pop(0), Err(MapError::KeyNotFound { .. })));
    for value in [1, 2, 3] {
        queue.push(value, 0).unwrap();
        stack.push(value, 0).unwrap();
    }
    let error = queue.push(4, 0).unwrap_err().to_string();
    assert!(error.contains("E2BIG"), "{error}");
    assert_eq!(
        (queue.peek().unwrap(), stack.peek().unwrap()),
        (Some(1), Some(3))
    );
    // The oldest makes room.
    queue.push(4, ElementFlags::EXIST).unwrap();
    assert_eq!([2, 3, 4], [(); 3].map(|()| queue.pop(0).unwrap()));
    assert_eq!([3, 2, 1], [(); 3].map(|()| stack.pop(0).unwrap()));
    assert!(stack.pop(0).is_err());
}

#[test]
fn bloom_filters() {
    require_bpf!();
    let spec = MapSpec::new("M", MapType::BloomFilter, 0, 8, 1000);
    let map = supported!(MapData::from_spec(&spec));
    let mut filter: BloomFilter<_, u64> = map.try_into().unwrap();
    for value in 0..500u64 {
        filter.insert(value, 0).unwrap();
    }
    assert!((0..500).all(|value| filter.may_contain(&value).unwrap()));
    let wrong = (500..5000u64).filter(|value| filter.may_contain(value).unwrap());
    assert!(wrong.count() < 1000, "it is to tell most that it has not");
    let absent = (500..).find(|value| !filter.may_contain(value).unwrap());
    assert!(matches!(
        filter.contains(&absent.unwrap(), 0),
        Err(MapError::KeyNotFound { .. })
    ));
}

#[test]
fn resizable_hashes() {
    require_bpf!();
    let mut spec = MapSpec::new("M", MapType::Rhash, 4, 8, 100_000);
    spec.flags = 1;
    let map = supported!(MapData::from_spec(&spec));
    let mut map: HashMap<_, u32, u64> = map.try_into().unwrap();
    for key in 0..10_000 {
        map.insert(key, u64::from(key), 0).unwrap();
    }
    let all: BTreeMap<u32, u64> = map.iter().map(Result::unwrap).collect();
    assert_eq!(all.len(), 10_000);
    assert_eq!(map.take(&77).unwrap(), Some(77));
    map.remove(&78).unwrap();
    assert_eq!(map.try_get(&78, 0).unwrap(), None);
    assert_eq!(map.drain().map(Result::unwrap).count(), 9_998);
    assert_eq!(map.keys().count(), 0);
}

#[test]
fn stack_traces_without_any() {
    require_bpf!();
    let mut stacks = StackTraceMap::try_from(create(MapType::StackTrace, 4, 8 * 10, 16)).unwrap();
    assert_eq!(stacks.max_stack_depth(), 10);
    assert!(matches!(
        stacks.get(&3, 0),
        Err(MapError::KeyNotFound { .. })
    ));
    assert!(matches!(
        stacks.remove(&3),
        Err(MapError::KeyNotFound { .. })
    ));
    assert_eq!(stacks.iter().count(), 0);
}

#[test]
fn instruction_arrays() {
    require_bpf!();
    let map = supported!(MapData::from_spec(&MapSpec::new(
        "M",
        MapType::InsnArray,
        4,
        16,
        2
    )));
    let mut array = InsnArray::try_from(map).unwrap();
    array.set(1, 7).unwrap();
    let value = array.get(&1).unwrap();
    assert_eq!(value.orig_off, 7);
    assert!(array.get(&2).is_err());
}
