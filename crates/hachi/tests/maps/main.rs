//! Maps in the real kernel.

mod batch;
mod collections;
mod events;
mod kinds;
mod memory;
mod nested;
mod redirect;
mod storage;
#[path = "../support/mod.rs"]
mod support;
mod types;

use std::sync::atomic::{AtomicBool, Ordering};

use hachi::{
    Ebpf, EbpfLoader,
    maps::{
        Array, ElementFlags, HashMap, LpmTrie, Map, MapData, MapError, MapInfo, PerCpuArray,
        PerCpuHashMap, PerCpuValues, RingBuf, loaded_maps, lpm_trie::Key,
    },
    obj::{MapSpec, MapType, Pinning},
    util::nr_cpus,
};
use hachi_test::{Bpffs, require_bpf, require_host, supported};
use support::{load, spec};

/// A loaded object with one map called `M`.
fn one(kind: MapType, key: u32, value: u32, entries: u32) -> Ebpf {
    let mut map = MapSpec::new("M", kind, key, value, entries);
    if kind == MapType::LpmTrie {
        map.flags = 1; // BPF_F_NO_PREALLOC, which the kernel demands here
    }
    load(spec(vec![map], Vec::new()))
}

#[test]
fn arrays() {
    require_bpf!();
    let mut ebpf = one(MapType::Array, 4, 8, 3);
    let mut array: Array<_, u64> = ebpf.map_mut("M").unwrap().try_into().unwrap();
    array.set(1, 7, 0).unwrap();
    array.set(2, 8, 0).unwrap();
    assert_eq!(
        array.iter().map(Result::unwrap).collect::<Vec<_>>(),
        [0, 7, 8]
    );
    assert_eq!(array.len(), 3);
    let error = array.get(&3, 0).unwrap_err().to_string();
    assert_eq!(error, "index 3 is out of bounds: map \"M\" has 3 entries");
    assert!(matches!(
        array.set(3, 0, 0),
        Err(MapError::OutOfBounds { .. })
    ));

    // As bytes, and by value.
    let map = ebpf.take_map("M").unwrap();
    let elements: Vec<_> = map.data().iter_bytes().map(Result::unwrap).collect();
    assert_eq!(
        elements[1],
        (1u32.to_ne_bytes().to_vec(), 7u64.to_ne_bytes().to_vec())
    );
    assert_eq!(elements.len(), 3);
    // It is not as if the object had none.
    let error = ebpf.map("M").unwrap_err();
    assert_eq!(
        error.to_string(),
        "map \"M\" was taken out of the object (take_map): use what that returned"
    );
    assert!(matches!(ebpf.take_map("M"), Err(MapError::Taken { .. })));
    let error = ebpf.map("N").unwrap_err().to_string();
    assert_eq!(error, "no map \"N\"; the object has \"M\"");
    let array: Array<MapData, u64> = map.try_into().unwrap();
    assert_eq!(array.get(&2, 0).unwrap(), 8);
}

#[test]
fn per_cpu_arrays() {
    require_bpf!();
    // A value whose length is not a multiple of 8: the kernel's stride differs from ours.
    let mut ebpf = one(MapType::PercpuArray, 4, 12, 2);
    let mut array: PerCpuArray<_, [u32; 3]> = ebpf.map_mut("M").unwrap().try_into().unwrap();
    let cpus = nr_cpus().unwrap();
    let values: Vec<[u32; 3]> = (0..cpus as u32).map(|cpu| [cpu, 10 * cpu, 7]).collect();
    array.set(1, values.clone().try_into().unwrap(), 0).unwrap();
    assert_eq!(array.get(&1, 0).unwrap()[..], values[..]);
    let mut reused = PerCpuValues::default();
    array.get_into(&0, 0, &mut reused).unwrap();
    assert_eq!(reused[..], vec![[0; 3]; cpus][..]);
    array.get_into(&1, 0, &mut reused).unwrap();
    assert_eq!(reused[..], values[..]);
    assert!(array.set(2, reused, 0).is_err());
    let wrong = array.set(0, PerCpuValues::default(), 0).unwrap_err();
    assert!(
        matches!(wrong, MapError::CpuCount { given: 0, .. }),
        "{wrong}"
    );
}

#[test]
fn hash_maps() {
    require_bpf!();
    for kind in [MapType::Hash, MapType::LruHash] {
        let mut ebpf = one(kind, 4, 8, 100);
        let mut map: HashMap<_, u32, u64> = ebpf.map_mut("M").unwrap().try_into().unwrap();
        map.insert(1, 10, ElementFlags::NO_EXIST).unwrap();
        let error = map
            .insert(1, 11, ElementFlags::NO_EXIST)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("\"M\"") && error.contains("EEXIST"),
            "{error}"
        );
        assert!(map.insert(2, 20, ElementFlags::EXIST).is_err());
        map.insert(2, 20, 0).unwrap();
        assert_eq!(map.get(&1, 0).unwrap(), 10);
        assert_eq!(map.try_get(&3, 0).unwrap(), None);
        assert!(matches!(map.get(&3, 0), Err(MapError::KeyNotFound { .. })));
        if hachi_test::kernel_is_older_than("5.14") {
            let error = map.take(&2).unwrap_err();
            assert!(error.to_string().contains("needs Linux ≥ 5.14"), "{error}");
        } else {
            assert_eq!(map.take(&2).unwrap(), Some(20));
            assert_eq!(map.take(&2).unwrap(), None);
        }
        map.remove(&1).unwrap();
        assert!(matches!(map.remove(&1), Err(MapError::KeyNotFound { .. })));
        assert!(map.iter().all(|item| item.unwrap().0 != 1));
    }
}

#[test]
fn a_full_map_says_so() {
    require_bpf!();
    let mut ebpf = one(MapType::Hash, 4, 4, 2);
    let mut map: HashMap<_, u32, u32> = ebpf.map_mut("M").unwrap().try_into().unwrap();
    map.insert(1, 1, 0).unwrap();
    map.insert(2, 2, 0).unwrap();
    let error = map.insert(3, 3, 0).unwrap_err().to_string();
    assert!(error.contains("the map is full (max_entries)"), "{error}");
}

/// Half of the elements stay for the whole time and must be seen exactly once; the other half comes
/// and goes.
#[test]
fn iteration_survives_concurrent_deletion() {
    require_bpf!();
    const STAY: u32 = 3_000;
    let mut ebpf = one(MapType::Hash, 4, 4, 4 * STAY);
    let mut map: HashMap<MapData, u32, u32> = ebpf.take_map("M").unwrap().try_into().unwrap();
    for key in 0..STAY {
        map.insert(key, 0, 0).unwrap();
    }
    let stop = AtomicBool::new(false);
    let map = std::sync::Mutex::new(map);
    let reader = {
        let data = map.lock().unwrap();
        let id = hachi::maps::MapData::from_id(info_id(&data)).unwrap();
        HashMap::<MapData, u32, u32>::try_from(id).unwrap()
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut map = map.lock().unwrap();
            while !stop.load(Ordering::Relaxed) {
                for key in STAY..3 * STAY {
                    map.insert(key, 0, 0).unwrap();
                }
                for key in STAY..3 * STAY {
                    map.remove(&key).unwrap();
                }
            }
        });
        for _ in 0..20 {
            let mut seen = vec![0u32; STAY as usize];
            for key in reader.keys() {
                let key = key.unwrap();
                if key < STAY {
                    seen[key as usize] += 1;
                }
            }
            assert!(seen.iter().all(|&count| count == 1));
        }
        stop.store(true, Ordering::Relaxed);
    });
}

fn info_id(map: &HashMap<MapData, u32, u32>) -> u32 {
    map.map().info().unwrap().id()
}

/// A trie is walked key by key, which starts over when the current key is gone.
#[test]
fn key_walks_survive_deletion() {
    require_bpf!();
    let mut ebpf = one(MapType::LpmTrie, 8, 4, 1000);
    let mut trie: LpmTrie<MapData, u32, u32> = ebpf.take_map("M").unwrap().try_into().unwrap();
    for value in 0..200u32 {
        trie.insert(&Key::new(32, (value << 8).to_be()), value, 0)
            .unwrap();
    }
    let mut other = LpmTrie::<MapData, u32, u32>::try_from(
        MapData::from_id(trie.map().info().unwrap().id()).unwrap(),
    )
    .unwrap();
    let mut seen = Vec::new();
    for (index, item) in trie.iter().enumerate() {
        let (key, value) = item.unwrap();
        seen.push(value);
        // Pull the ground away from under the walk now and then.
        if index % 10 == 5 {
            other.remove(&key).unwrap();
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..200).collect::<Vec<_>>(), "each exactly once");
    assert_eq!(trie.keys().count(), 180);
}

#[test]
fn per_cpu_hash_maps() {
    require_bpf!();
    for kind in [MapType::PercpuHash, MapType::LruPercpuHash] {
        let mut ebpf = one(kind, 2, 8, 64);
        let mut map: PerCpuHashMap<_, u16, u64> = ebpf.map_mut("M").unwrap().try_into().unwrap();
        map.insert(5, PerCpuValues::repeat(3).unwrap(), 0).unwrap();
        assert_eq!(
            map.get(&5, 0).unwrap().iter().sum::<u64>(),
            3 * nr_cpus().unwrap() as u64
        );
        let all: Vec<_> = map.iter().map(Result::unwrap).collect();
        assert_eq!(all, [(5, PerCpuValues::repeat(3).unwrap())]);
        assert_eq!(map.keys().map(Result::unwrap).collect::<Vec<_>>(), [5]);
        map.remove(&5).unwrap();
        assert!(matches!(map.get(&5, 0), Err(MapError::KeyNotFound { .. })));
    }
}

#[test]
fn lpm_tries() {
    require_bpf!();
    let mut ebpf = one(MapType::LpmTrie, 8, 4, 16);
    let mut trie: LpmTrie<_, [u8; 4], u32> = ebpf.map_mut("M").unwrap().try_into().unwrap();
    trie.insert(&Key::new(8, [10, 0, 0, 0]), 1, 0).unwrap();
    trie.insert(&Key::new(24, [10, 1, 2, 0]), 2, 0).unwrap();
    assert_eq!(trie.get(&Key::new(32, [10, 1, 2, 3]), 0).unwrap(), 2);
    assert_eq!(trie.get(&Key::new(32, [10, 1, 3, 3]), 0).unwrap(), 1);
    assert_eq!(trie.try_get(&Key::new(32, [11, 0, 0, 1]), 0).unwrap(), None);
    let mut all: Vec<_> = trie
        .iter()
        .map(Result::unwrap)
        .map(|(_, value)| value)
        .collect();
    all.sort_unstable();
    assert_eq!(all, [1, 2]);
    trie.remove(&Key::new(24, [10, 1, 2, 0])).unwrap();
    assert!(trie.remove(&Key::new(24, [10, 1, 2, 0])).is_err());
    assert_eq!(trie.get(&Key::new(32, [10, 1, 2, 3]), 0).unwrap(), 1);
}

#[test]
fn a_prefix_longer_than_the_key_is_named() {
    require_bpf!();
    let mut ebpf = one(MapType::LpmTrie, 8, 4, 16);
    let mut trie: LpmTrie<_, [u8; 4], u32> = ebpf.map_mut("M").unwrap().try_into().unwrap();
    let good = Key::new(32, [10, 0, 0, 1]);
    let long = Key::new(33, [10, 0, 0, 0]);
    let refused = |error: MapError| {
        assert_eq!(
            error.to_string(),
            "map \"M\": a prefix of 33 bits is longer than its keys, which have 32"
        );
    };
    refused(trie.insert(&long, 1, 0).unwrap_err());
    refused(trie.get(&long, 0).unwrap_err());
    refused(trie.try_get(&long, 0).unwrap_err());
    refused(trie.remove(&long).unwrap_err());
    refused(trie.insert_batch(&[good, long], &[1, 2], 0).unwrap_err());
    refused(trie.remove_batch(&[long]).unwrap_err());
    assert_eq!(trie.keys().count(), 0, "a refused batch does nothing");
}

#[test]
fn flags_that_an_operation_does_not_take_are_named() {
    require_bpf!();
    let mut ebpf = one(MapType::Hash, 4, 8, 4);
    let mut map: HashMap<_, u32, u64> = ebpf.map_mut("M").unwrap().try_into().unwrap();
    let message = |error: MapError| error.to_string();
    assert_eq!(
        message(map.insert(1, 1, 1 << 20).unwrap_err()),
        "map \"M\": an update does not take the flags 0x100000; it takes BPF_NOEXIST | BPF_EXIST | \
         BPF_F_LOCK"
    );
    assert_eq!(
        message(map.insert_batch(&[1], &[1], 1 << 20).unwrap_err()),
        message(map.insert(1, 1, 1 << 20).unwrap_err())
    );
    assert_eq!(
        message(map.get(&1, ElementFlags::EXIST).unwrap_err()),
        "map \"M\": a lookup does not take the flags BPF_EXIST; it takes BPF_F_LOCK"
    );
    let both = ElementFlags::EXIST | ElementFlags::NO_EXIST;
    assert!(matches!(
        map.insert(1, 1, both),
        Err(MapError::InvalidFlags { .. })
    ));
    let data = map.map();
    assert!(matches!(
        data.lookup_bytes(&[0; 4], 8),
        Err(MapError::InvalidFlags { .. })
    ));
    // Only the kernel knows that the values have no lock.
    let error = message(map.insert(1, 1, ElementFlags::LOCK).unwrap_err());
    assert!(
        error.contains("EINVAL") && error.contains("spin lock"),
        "{error}"
    );
    assert_eq!(map.keys().count(), 0);

    let mut ebpf = one(MapType::PercpuArray, 4, 8, 1);
    let mut array: PerCpuArray<_, u64> = ebpf.map_mut("M").unwrap().try_into().unwrap();
    // BPF_F_CPU: the kernel would write one value, not one for each CPU.
    assert!(matches!(
        array.get(&0, 8),
        Err(MapError::InvalidFlags { .. })
    ));
    let values = PerCpuValues::repeat(1).unwrap();
    assert!(matches!(
        array.set(0, values, 16),
        Err(MapError::InvalidFlags { .. })
    ));
}

#[test]
fn values_of_single_cpus() {
    require_bpf!();
    let cpus = nr_cpus().unwrap();
    // No multiple of 8 long: the kernel's stride differs from the value's size.
    let mut ebpf = one(MapType::PercpuArray, 4, 12, 2);
    let mut array: PerCpuArray<_, [u32; 3]> = ebpf.map_mut("M").unwrap().try_into().unwrap();
    let error = array.get_on_cpu(&0, cpus as u32).unwrap_err().to_string();
    assert!(
        error.contains(&format!("there is no CPU {cpus}")),
        "{error}"
    );
    let last = cpus - 1;
    supported!(array.set_on_cpu(1, last as u32, [1, 2, 3]));
    let mut expected = vec![[0; 3]; cpus];
    expected[last] = [1, 2, 3];
    assert_eq!(array.get(&1, 0).unwrap()[..], expected[..]);
    assert_eq!(array.get_on_cpu(&1, last as u32).unwrap(), [1, 2, 3]);
    array.set_on_all_cpus(0, [7; 3]).unwrap();
    assert_eq!(
        array.get(&0, 0).unwrap(),
        PerCpuValues::repeat([7; 3]).unwrap()
    );

    let mut ebpf = one(MapType::PercpuHash, 4, 4, 4);
    let mut map: PerCpuHashMap<_, u32, u32> = ebpf.map_mut("M").unwrap().try_into().unwrap();
    assert_eq!(map.get_on_cpu(&5, 0).unwrap(), None);
    map.insert_on_cpu(5, last as u32, 9).unwrap();
    assert_eq!(map.get_on_cpu(&5, last as u32).unwrap(), Some(9));
    assert_eq!(map.get(&5, 0).unwrap().iter().sum::<u32>(), 9);
}

/// That the types cannot be asked for, for want of a descriptor or memory, does not mean that there
/// are none.
#[test]
fn a_failing_system_call_does_not_skip_the_check_of_types() {
    require_bpf!();
    require_host!("the time to let each call fail");
    let object = types::object(MapType::Hash);
    let id = object.map("M").unwrap().data().info().unwrap().id();
    for errno in [libc::EMFILE, libc::ENOMEM] {
        let calls = hachi_test::each_call_fails(
            &[errno],
            || (),
            |()| {
                let own = HashMap::<_, u32, u64>::try_from(object.map("M").unwrap());
                own.map(drop).unwrap_err();
                let other = MapData::from_id(id).and_then(HashMap::<_, u32, u64>::try_from);
                other.map(drop).unwrap_err();
            },
            |(), _| {},
        );
        assert!(calls.unwrap().len() >= 6);
    }
}

#[test]
fn types_and_sizes_are_checked() {
    require_bpf!();
    let mut ebpf = one(MapType::Hash, 4, 8, 4);
    let map = ebpf.map_mut("M").unwrap();
    let message = |error: MapError| error.to_string();
    assert_eq!(
        message(Array::<_, u64>::try_from(&*map).unwrap_err()),
        "map \"M\" is of type hash; Array is for array"
    );
    assert_eq!(
        message(PerCpuHashMap::<_, u32, u64>::try_from(&*map).unwrap_err()),
        "map \"M\" is of type hash; PerCpuHashMap is for percpu_hash and lru_percpu_hash"
    );
    assert_eq!(
        message(HashMap::<_, u16, u64>::try_from(&*map).unwrap_err()),
        "map \"M\" has keys of 4 bytes; u16 has 2"
    );
    assert_eq!(
        message(HashMap::<_, u32, u32>::try_from(&mut *map).unwrap_err()),
        "map \"M\" has values of 8 bytes; u32 has 4"
    );
    assert!(matches!(
        RingBuf::try_from(&mut *map),
        Err(MapError::InvalidMapType { .. })
    ));
    assert!(map.data().lookup_bytes(&[0; 3], 0).is_err());
    assert!(map.data_mut().update_bytes(&[0; 4], &[0; 7], 0).is_err());
}

#[test]
fn pinned_by_name_and_shared() {
    require_bpf!();
    let bpffs = Bpffs::new().unwrap();
    let object = |entries| {
        let mut map = MapSpec::new("SHARED", MapType::Array, 4, 4, entries);
        map.pinning = Pinning::ByName;
        spec(vec![map], Vec::new())
    };
    let load = |entries| {
        EbpfLoader::new()
            .map_pin_path(bpffs.join("app"))
            .load_spec(object(entries))
    };
    let mut first = load(4).unwrap();
    let mut second = load(4).unwrap();
    let mut array: Array<_, u32> = first.map_mut("SHARED").unwrap().try_into().unwrap();
    array.set(2, 99, 0).unwrap();
    let other: Array<_, u32> = second.map_mut("SHARED").unwrap().try_into().unwrap();
    assert_eq!(other.get(&2, 0).unwrap(), 99);

    let error = load(5).unwrap_err().to_string();
    assert!(
        error.contains("max_entries 4 there, 5 in the object"),
        "{error}"
    );
    assert!(error.contains("app/SHARED"), "{error}");

    drop((first, second));
    let path = bpffs.join("app/SHARED");
    let again = Array::<_, u32>::try_from(MapData::from_pin(&path).unwrap()).unwrap();
    assert_eq!(again.get(&2, 0).unwrap(), 99);
    let info = MapInfo::from_pin(&path).unwrap();
    assert_eq!((info.name().as_str(), info.max_entries()), ("SHARED", 4));
    assert!(loaded_maps().any(|other| other.unwrap().id() == info.id()));
    hachi::pin::unpin(&path).unwrap();
    assert!(!path.exists());
    assert!(
        hachi::pin::unpin(&path)
            .unwrap_err()
            .to_string()
            .contains("nothing is pinned")
    );
}

#[test]
fn one_map_pinned_by_the_loader() {
    require_bpf!();
    let bpffs = Bpffs::new().unwrap();
    let map = MapSpec::new("M", MapType::Array, 4, 4, 1);
    let ebpf = EbpfLoader::new()
        .pin_map("M", bpffs.join("elsewhere"))
        .load_spec(spec(vec![map], Vec::new()))
        .unwrap();
    drop(ebpf);
    assert_eq!(
        MapData::from_pin(bpffs.join("elsewhere"))
            .unwrap()
            .max_entries(),
        1
    );
}

#[test]
fn frozen_maps_refuse_writes() {
    require_bpf!();
    let mut ebpf = one(MapType::Array, 4, 4, 1);
    let map = ebpf.map_mut("M").unwrap();
    map.data().freeze().unwrap();
    let error = map
        .data_mut()
        .update_bytes(&[0; 4], &[1; 4], 0)
        .unwrap_err()
        .to_string();
    assert!(error.contains("frozen"), "{error}");
}

#[test]
fn ring_buffers_have_whole_pages() {
    require_bpf!();
    let ebpf = one(MapType::Ringbuf, 0, 0, 5000);
    assert_eq!(ebpf.map("M").unwrap().data().max_entries(), 8192);
}

#[test]
fn perf_arrays_have_one_slot_per_cpu() {
    require_bpf!();
    let ebpf = one(MapType::PerfEventArray, 4, 4, 0);
    let map = ebpf.map("M").unwrap();
    assert!(matches!(map, Map::PerfEventArray(_)));
    assert_eq!(map.data().max_entries() as usize, nr_cpus().unwrap());
}

#[test]
fn errors_of_impossible_maps_name_their_parameters() {
    require_bpf!();
    let map = MapSpec::new("M", MapType::Array, 8, 4, 1);
    let error = EbpfLoader::new()
        .load_spec(spec(vec![map], Vec::new()))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("cannot create map \"M\" (array, 8-byte keys"),
        "{error}"
    );
    assert!(error.contains("EINVAL"), "{error}");
}
