//! Maps of `#[btf_map]`, from user space.

use aya::{
    Ebpf,
    maps::{
        Array, ArrayOfMaps, HashMap, HashOfMaps, LpmTrie, Map, MapData, PerCpuArray, Queue,
        RingBuf, Stack, lpm_trie::Key,
    },
};
use hachi_test::require_bpf;

use crate::{object, run, xdp};

#[test]
fn maps_with_a_capacity_type_behave_like_others() {
    require_bpf!();
    let mut ebpf = Ebpf::load(&object("btf")).unwrap();

    let mut prefixes: LpmTrie<_, [u8; 4], u32> =
        ebpf.map_mut("PREFIXES").unwrap().try_into().unwrap();
    prefixes.insert(&Key::new(8, [10, 0, 0, 0]), 77, 0).unwrap();
    let mut inner = Array::<MapData, u64>::create(2, 0).unwrap();
    inner.set(1, 11, 0).unwrap();
    let mut arrays: ArrayOfMaps<_, Array<MapData, u64>> =
        ebpf.map_mut("ARRAYS").unwrap().try_into().unwrap();
    arrays.set(1, &inner, 0).unwrap();
    let mut inner = HashMap::<MapData, u32, u64>::create(4, 0).unwrap();
    inner.insert(4, 44, 0).unwrap();
    let mut tables: HashOfMaps<_, u32, HashMap<MapData, u32, u64>> =
        ebpf.map_mut("TABLES").unwrap().try_into().unwrap();
    tables.insert(3, &inner, 0).unwrap();
    let mut ring = RingBuf::try_from(ebpf.take_map("EVENTS").unwrap()).unwrap();

    xdp(&mut ebpf, "count").load().unwrap();
    for _ in 0..2 {
        assert_eq!(run(xdp(&mut ebpf, "count")), 2);
    }

    let results: Array<_, u64> = ebpf.map("RESULTS").unwrap().try_into().unwrap();
    let results: Vec<u64> = results.iter().map(Result::unwrap).collect();
    assert_eq!(results, [11, 44, 2, 41]);
    let seen: HashMap<_, u32, u64> = ebpf.map("SEEN").unwrap().try_into().unwrap();
    assert_eq!(seen.get(&7, 0).unwrap(), 42);
    assert!(matches!(ebpf.map("RECENT"), Some(Map::LruHashMap(_))));
    let per_cpu: PerCpuArray<_, u32> = ebpf.map("PER_CPU").unwrap().try_into().unwrap();
    assert_eq!(per_cpu.get(&0, 0).unwrap().iter().sum::<u32>(), 2);
    let mut queue: Queue<_, u32> = ebpf.map_mut("QUEUE").unwrap().try_into().unwrap();
    assert_eq!(queue.pop(0).unwrap(), 5);
    let mut stack: Stack<_, u32> = ebpf.map_mut("STACK").unwrap().try_into().unwrap();
    assert_eq!(stack.pop(0).unwrap(), 77);

    let mut events = Vec::new();
    while let Some(event) = ring.next() {
        events.push(event.to_vec());
    }
    assert_eq!(events.len(), 6);
    assert_eq!(events[0], 40u64.to_ne_bytes());
    let four: Vec<u8> = [1u32, 2, 3, 4]
        .iter()
        .flat_map(|n| n.to_ne_bytes())
        .collect();
    assert_eq!(events[1], four);
    assert_eq!((events[2].len(), events[2][0]), (8, 9));
}
