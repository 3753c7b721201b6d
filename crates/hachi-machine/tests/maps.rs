//! Maps behave as the kernel's do, down to the error numbers.

use hachi_asm::Endian;
use hachi_machine::maps::{BPF_ANY, BPF_EXIST, BPF_NOEXIST, Map, Refusal};
use hachi_machine::{Block, Errno, Fault, Gone, Kind, Memory, OutOfMemory, Protection, Reason};
use hachi_obj::flags::BPF_F_NO_PREALLOC;
use hachi_obj::{MapSpec, MapType};

/// Memory side by side, without checks of what belongs together.
#[derive(Default)]
struct Flat(Vec<u8>);

impl Memory for Flat {
    fn endian(&self) -> Endian {
        Endian::Little
    }

    fn read(&self, address: u64, to: &mut [u8]) -> Result<(), Fault> {
        let at = address as usize;
        let bytes = self.0.get(at..at + to.len());
        let bytes = bytes.ok_or(outside(address, to.len(), false))?;
        to.copy_from_slice(bytes);
        Ok(())
    }

    fn write(&mut self, address: u64, from: &[u8]) -> Result<(), Fault> {
        let at = address as usize;
        let bytes = self.0.get_mut(at..at + from.len());
        let bytes = bytes.ok_or(outside(address, from.len(), true))?;
        bytes.copy_from_slice(from);
        Ok(())
    }

    fn write_owned(&mut self, address: u64, from: &[u8]) -> Result<(), Fault> {
        self.write(address, from)
    }

    fn allocate(
        &mut self,
        _: Kind,
        size: u32,
        count: u32,
        _: Protection,
    ) -> Result<Block, OutOfMemory> {
        let address = self.0.len() as u64;
        self.0
            .resize(self.0.len() + size as usize * count as usize, 0);
        let stride = size.into();
        Ok(Block { address, stride })
    }

    fn set_bounds(&mut self, _: Block, _: u32, _: u32) {}

    fn renew(&mut self, block: Block, _: Gone) -> Block {
        block
    }

    fn release(&mut self, _: Block, _: Gone) {}
}

fn outside(address: u64, size: usize, write: bool) -> Fault {
    Fault {
        address,
        size: size as u64,
        write,
        reason: Reason::Unmapped,
    }
}

/// A map with what it stands on.
struct Case {
    map: Map,
    memory: Flat,
}

impl Case {
    fn new(kind: MapType, key_size: u32, value_size: u32, max_entries: u32) -> Case {
        let mut spec = MapSpec::new("map", kind, key_size, value_size, max_entries);
        if kind == MapType::LpmTrie {
            spec.flags = BPF_F_NO_PREALLOC;
        }
        let mut memory = Flat::default();
        let map = Map::new(&spec, 2, &mut memory).unwrap();
        Case { map, memory }
    }

    fn update(&mut self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        self.map
            .update(&mut self.memory, key, value, flags, 0)
            .unwrap()
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), Errno> {
        self.map.delete(&mut self.memory, key).unwrap()
    }

    /// The value of a key, on CPU 0.
    fn get(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        let address = self.map.lookup(key, 0)?;
        Some(
            self.memory
                .bytes(address, self.map.value_size() as usize)
                .unwrap(),
        )
    }
}

#[test]
fn a_hash_map_keeps_to_its_flags_and_its_size() {
    for kind in [MapType::Hash, MapType::PercpuHash] {
        let mut case = Case::new(kind, 2, 1, 2);
        assert_eq!(case.get(b"aa"), None);
        assert_eq!(case.update(b"aa", b"1", BPF_EXIST), Err(Errno::ENOENT));
        assert_eq!(case.update(b"aa", b"1", BPF_NOEXIST), Ok(()));
        assert_eq!(case.update(b"aa", b"2", BPF_NOEXIST), Err(Errno::EEXIST));
        assert_eq!(case.update(b"aa", b"3", BPF_EXIST), Ok(()));
        assert_eq!(case.update(b"aa", b"3", 3), Err(Errno::EINVAL));
        assert_eq!(
            case.update(b"a", b"3", BPF_ANY),
            Err(Errno::EINVAL),
            "a short key"
        );
        assert_eq!(case.delete(b"aaa"), Err(Errno::EINVAL), "a long key");
        assert_eq!(case.update(b"bb", b"4", BPF_ANY), Ok(()));
        assert_eq!(case.update(b"cc", b"5", BPF_ANY), Err(Errno::E2BIG));
        assert_eq!(case.get(b"aa").unwrap(), b"3");
        assert_eq!(case.delete(b"aa"), Ok(()));
        assert_eq!(case.delete(b"aa"), Err(Errno::ENOENT));
        assert_eq!(case.update(b"cc", b"5", BPF_ANY), Ok(()));
        assert_eq!(case.get(b"cc").unwrap(), b"5");
        assert_eq!(case.map.keys().len(), 2);
    }
}

#[test]
fn each_cpu_has_a_value_and_those_of_others_begin_as_zeros() {
    let mut case = Case::new(MapType::PercpuHash, 1, 1, 2);
    let Case { map, memory } = &mut case;
    map.update(memory, b"k", b"1", BPF_ANY, 1).unwrap().unwrap();
    assert_eq!(
        map.values(memory, b"k").unwrap(),
        [b"\0".to_vec(), b"1".to_vec()]
    );
    // A slot that is used again has nothing left of the old values.
    map.delete(memory, b"k").unwrap().unwrap();
    map.update(memory, b"l", b"2", BPF_ANY, 0).unwrap().unwrap();
    assert_eq!(
        map.values(memory, b"l").unwrap(),
        [b"2".to_vec(), b"\0".to_vec()]
    );
}

#[test]
fn a_full_lru_map_forgets_the_least_recently_used() {
    let mut case = Case::new(MapType::LruHash, 1, 1, 3);
    for key in [b"a", b"b", b"c"] {
        case.update(key, key, BPF_ANY).unwrap();
    }
    // A lookup is a use.
    assert!(case.get(b"a").is_some());
    case.update(b"d", b"d", BPF_ANY).unwrap();
    assert_eq!(case.get(b"b"), None);
    for key in [b"a", b"c", b"d"] {
        assert_eq!(case.get(key).unwrap(), key);
    }
}

#[test]
fn an_array_has_all_its_elements_from_the_start() {
    let mut case = Case::new(MapType::Array, 4, 2, 3);
    assert_eq!(case.get(&2_u32.to_le_bytes()).unwrap(), [0, 0]);
    assert_eq!(case.get(&3_u32.to_le_bytes()), None);
    assert_eq!(
        case.update(&2_u32.to_le_bytes(), &[1, 2], BPF_EXIST),
        Ok(())
    );
    assert_eq!(case.get(&2_u32.to_le_bytes()).unwrap(), [1, 2]);
    assert_eq!(
        case.update(&3_u32.to_le_bytes(), &[1, 2], BPF_ANY),
        Err(Errno::E2BIG)
    );
    assert_eq!(
        case.update(&0_u32.to_le_bytes(), &[1, 2], BPF_NOEXIST),
        Err(Errno::EEXIST)
    );
    assert_eq!(case.delete(&0_u32.to_le_bytes()), Err(Errno::EINVAL));
}

#[test]
fn a_trie_finds_the_longest_prefix() {
    let key = |bits: u32, address: [u8; 4]| [&bits.to_le_bytes()[..], &address].concat();
    let mut case = Case::new(MapType::LpmTrie, 8, 1, 4);
    for (bits, address, value) in [
        (0, [0, 0, 0, 0], b"0"),
        (8, [10, 9, 9, 9], b"1"),
        (23, [10, 1, 2, 0], b"2"),
        (32, [10, 1, 3, 7], b"3"),
    ] {
        assert_eq!(case.update(&key(bits, address), value, BPF_ANY), Ok(()));
    }
    for (address, value) in [
        ([11, 0, 0, 1], b"0"),
        ([10, 200, 0, 1], b"1"),
        ([10, 1, 3, 8], b"2"),
        ([10, 1, 3, 7], b"3"),
    ] {
        assert_eq!(case.get(&key(32, address)).unwrap(), value, "{address:?}");
    }
    // A prefix that is asked about is not matched by longer ones.
    assert_eq!(case.get(&key(16, [10, 1, 3, 7])).unwrap(), b"1");
    assert_eq!(
        case.update(&key(33, [0; 4]), b"x", BPF_ANY),
        Err(Errno::EINVAL)
    );
    assert_eq!(
        case.update(&key(9, [0; 4]), b"x", BPF_ANY),
        Err(Errno::ENOSPC)
    );
    assert_eq!(case.delete(&key(24, [10, 1, 2, 0])), Err(Errno::ENOENT));
    assert_eq!(case.delete(&key(8, [10, 0, 0, 0])), Ok(()));
    assert_eq!(case.get(&key(32, [10, 200, 0, 1])).unwrap(), b"0");
}

#[test]
fn queues_and_stacks_give_back_in_their_order() {
    for (kind, order) in [
        (MapType::Queue, [b"1", b"2"]),
        (MapType::Stack, [b"2", b"1"]),
    ] {
        let mut case = Case::new(kind, 0, 1, 2);
        assert_eq!(case.map.pop(), Err(Errno::ENOENT));
        assert_eq!(case.map.push(b"1", BPF_ANY), Ok(()));
        assert_eq!(case.map.push(b"2", BPF_ANY), Ok(()));
        assert_eq!(case.map.push(b"3", BPF_ANY), Err(Errno::E2BIG));
        assert_eq!(case.map.push(b"3", BPF_NOEXIST), Err(Errno::EINVAL));
        assert_eq!(case.map.peek().unwrap(), order[0]);
        assert_eq!(case.map.pop().unwrap(), order[0]);
        assert_eq!(case.map.pop().unwrap(), order[1]);
        // Making room drops the oldest.
        for value in [b"1", b"2", b"3"] {
            assert_eq!(case.map.push(value, BPF_EXIST), Ok(()));
        }
        assert_eq!(case.map.queued().unwrap(), [b"2", b"3"]);
    }
}

#[test]
fn a_bloom_filter_never_denies_what_was_added() {
    let mut case = Case::new(MapType::BloomFilter, 0, 4, 100);
    for value in 0..100_u32 {
        assert_eq!(case.map.push(&value.to_le_bytes(), BPF_ANY), Ok(()));
    }
    for value in 0..100_u32 {
        assert_eq!(case.map.contains(&value.to_le_bytes()), Ok(()));
    }
    let denied = (1000..2000_u32).filter(|v| case.map.contains(&v.to_le_bytes()).is_err());
    assert!(denied.count() > 900);
    assert_eq!(case.map.push(&[0; 4], BPF_EXIST), Err(Errno::EINVAL));
}

#[test]
fn a_ring_gives_records_in_the_order_they_were_reserved_and_wraps() {
    let mut case = Case::new(MapType::Ringbuf, 0, 0, 4096);
    let Case { map, memory } = &mut case;
    let ring = map.ring().unwrap();
    let first = ring.reserve(memory, "map", 8).unwrap().unwrap();
    let second = ring.reserve(memory, "map", 8).unwrap().unwrap();
    memory.write(second.address, b"second..").unwrap();
    assert!(ring.submit(memory, second.address));
    assert!(
        !ring.submit(memory, second.address),
        "it is no longer there"
    );
    // The first is still being written, so nothing can be read.
    assert_eq!(ring.take(), []);
    assert_eq!(ring.query(0), 32);
    memory.write(first.address, b"first...").unwrap();
    assert!(ring.submit(memory, first.address));
    let taken: Vec<Vec<u8>> = ring.take().into_iter().map(|record| record.0).collect();
    assert_eq!(taken, [b"first...", b"second.."]);
    // Discarded ones are passed over.
    let third = ring.reserve(memory, "map", 1).unwrap().unwrap();
    assert!(ring.discard(memory, third.address));
    assert!(ring.output(b"fourth"));
    assert_eq!(ring.take().len(), 1);
    // Never full: the kernel leaves a byte.
    assert!(!ring.output(&[0; 4088]));
    assert!(ring.output(&[0; 4080]));
    assert!(!ring.output(b""));
    assert_eq!(ring.take().len(), 1);
    for round in 0..1000_u32 {
        assert!(ring.output(&round.to_le_bytes()));
        assert_eq!(ring.take()[0].0, round.to_le_bytes());
    }
}

#[test]
fn refuses_maps_that_the_kernel_refuses() {
    let flags = |kind, key, value, max, flags| {
        let mut spec = MapSpec::new("odd", kind, key, value, max);
        spec.flags = flags;
        let error = Map::new(&spec, 1, &mut Flat::default()).unwrap_err();
        assert_eq!(error.errno, Errno::EINVAL, "{error}");
        assert!(error.to_string().starts_with("map `odd`"), "{error}");
        error.reason
    };
    let lpm = Refusal::KeySize {
        least: 5,
        most: 260,
    };
    for (kind, key, value, max, given, reason) in [
        (
            MapType::Array,
            8,
            4,
            1,
            0,
            Refusal::KeySize { least: 4, most: 4 },
        ),
        (MapType::Hash, 4, 4, 0, 0, Refusal::NoEntries),
        (MapType::Hash, 0, 4, 1, 0, Refusal::NoKeySize),
        (MapType::Hash, 4, 0, 1, 0, Refusal::NoValueSize),
        (MapType::Ringbuf, 0, 0, 5000, 0, Refusal::RingSize),
        (MapType::Ringbuf, 0, 0, 2048, 0, Refusal::RingSize),
        (MapType::Ringbuf, 0, 4, 4096, 0, Refusal::HasNoValues),
        (MapType::LpmTrie, 8, 4, 1, 0, Refusal::NeedsNoPrealloc),
        (MapType::LpmTrie, 4, 4, 1, BPF_F_NO_PREALLOC, lpm),
        (MapType::Queue, 4, 4, 1, 0, Refusal::HasNoKeys),
        (MapType::Arena, 4, 0, 1, 0, Refusal::HasNoKeys),
        (MapType::Arena, 0, 4, 1, 0, Refusal::HasNoValues),
    ] {
        assert_eq!(flags(kind, key, value, max, given), reason, "{kind:?}");
    }
}
