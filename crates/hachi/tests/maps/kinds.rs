//! Every type of map the kernel has, created; and the errors of kernels that do not.

use std::os::fd::AsFd as _;

use hachi::{
    features,
    maps::{ElementFlags, Map, MapData, MapError, MapType, PerfEventArray, StackTraceMap},
    obj::MapSpec,
    util::nr_cpus,
};
use hachi_test::{require_bpf, supported};

use crate::support::{load, spec};

const NO_PREALLOC: u32 = hachi::obj::flags::BPF_F_NO_PREALLOC;
const MMAPABLE: u32 = hachi::obj::flags::BPF_F_MMAPABLE;

/// A small map of a type, or `None` for types that are made in other ways.
fn small(kind: MapType) -> Option<MapSpec> {
    let sized = |key, value, entries| MapSpec::new("SMALL", kind, key, value, entries);
    let mut spec = match kind {
        // Its value is a type of the kernel's; see the tests of programs of this kind.
        MapType::StructOps => return None,
        MapType::LpmTrie => sized(8, 4, 4),
        MapType::StackTrace => sized(4, 8 * 16, 4),
        MapType::CgroupStorage | MapType::PercpuCgroupStorage => sized(16, 4, 0),
        MapType::Queue | MapType::Stack | MapType::BloomFilter => sized(0, 4, 4),
        MapType::Ringbuf | MapType::UserRingbuf => sized(0, 0, 1),
        MapType::Arena => sized(0, 0, 2),
        MapType::InsnArray => sized(4, 16, 4),
        MapType::SkStorage
        | MapType::InodeStorage
        | MapType::TaskStorage
        | MapType::CgrpStorage => sized(4, 24, 0),
        MapType::PerfEventArray => sized(4, 4, 0),
        _ => sized(4, 4, 4),
    };
    match kind {
        MapType::LpmTrie
        | MapType::Rhash
        | MapType::SkStorage
        | MapType::InodeStorage
        | MapType::TaskStorage
        | MapType::CgrpStorage => spec.flags = NO_PREALLOC,
        MapType::Arena => spec.flags = MMAPABLE,
        MapType::ArrayOfMaps | MapType::HashOfMaps => {
            spec.inner = Some(Box::new(MapSpec::new("", MapType::Array, 4, 4, 1)));
        }
        _ => {}
    }
    Some(spec)
}

fn all() -> impl Iterator<Item = MapType> {
    (1..64).filter_map(MapType::from_number)
}

/// What objects of other loaders leave out or say in excess.
#[test]
fn sizes_that_a_type_implies_need_not_be_right() {
    require_bpf!();
    let bare = MapData::from_spec(&MapSpec::new("E", MapType::PerfEventArray, 0, 0, 0)).unwrap();
    assert_eq!((bare.key_size(), bare.value_size()), (4, 4));
    assert_ne!(bare.max_entries(), 0);
    let events = MapSpec::new("E", MapType::PerfEventArray, 0, 24, 0);
    let events = MapData::from_spec(&events).unwrap();
    assert_eq!((events.key_size(), events.value_size()), (4, 4));
    let ring = MapSpec::new("R", MapType::Ringbuf, 0, 24, 4096);
    let mut arena = MapSpec::new("A", MapType::Arena, 0, 24, 1);
    arena.flags = MMAPABLE;
    for typed in [ring, arena] {
        match MapData::from_spec(&typed) {
            Ok(map) => assert_eq!((map.key_size(), map.value_size()), (0, 0)),
            Err(MapError::UnsupportedType { .. }) => {
                assert!(!features::map_type_is_supported(typed.kind));
            }
            Err(_) if typed.kind == MapType::Arena && hachi_test::cpu_lacks_cmpxchg16b() => {}
            Err(error) => panic!("{}: {error}", typed.name),
        }
    }
}

#[test]
fn every_type_is_created_or_needs_a_newer_kernel() {
    require_bpf!();
    let mut created = 0;
    for spec in all().filter_map(small) {
        let kind = spec.kind;
        match MapData::from_spec(&spec) {
            Ok(map) => {
                created += 1;
                assert!(features::map_type_is_supported(kind), "{kind:?}");
                assert_eq!(map.map_type(), Some(kind));
                let info = map.info().unwrap();
                assert_eq!(
                    (info.key_size(), info.value_size(), info.max_entries()),
                    (map.key_size(), map.value_size(), map.max_entries()),
                    "{kind:?}"
                );
                // The variant is the kind's own.
                let variant = format!("{:?}", Map::from_map_data(map));
                assert!(!variant.starts_with("Unsupported"), "{variant}");
            }
            Err(MapError::UnsupportedType { error, .. }) => {
                assert!(!features::map_type_is_supported(kind));
                let (major, minor) = kind.first_kernel();
                let text = error.to_string();
                let expected = format!(
                    "map type {} needs Linux ≥ {major}.{minor} (running ",
                    kind.name()
                );
                assert!(text.starts_with(&expected), "{text}");
                assert!(!text.contains("should have it"), "{text}");
            }
            Err(_) if kind == MapType::Arena && hachi_test::cpu_lacks_cmpxchg16b() => {}
            Err(error) => panic!("{kind:?}: {error}"),
        }
    }
    // Those of 5.10.
    assert!(created >= 27, "{created}");
}

/// A map that the kernel refuses for its parameters is not said to need a newer one.
#[test]
fn a_wrong_parameter_is_not_a_missing_type() {
    require_bpf!();
    let spec = MapSpec::new("M", MapType::LpmTrie, 8, 4, 4);
    let error = MapData::from_spec(&spec).unwrap_err();
    assert!(matches!(error, MapError::CreateError { .. }), "{error}");
}

/// Whatever has keys can be read and written as bytes.
#[test]
fn raw_bytes() {
    require_bpf!();
    for kind in all() {
        let plain = matches!(
            kind,
            MapType::Hash
                | MapType::Array
                | MapType::LruHash
                | MapType::LpmTrie
                | MapType::Rhash
                | MapType::PercpuHash
                | MapType::PercpuArray
                | MapType::LruPercpuHash
        );
        if !plain || !features::map_type_is_supported(kind) {
            continue;
        }
        let mut map = MapData::from_spec(&small(kind).unwrap()).unwrap();
        let mut key = vec![0; map.key_size() as usize];
        if kind == MapType::LpmTrie {
            key[0] = 32;
        }
        let value = vec![7; map.lookup_size().unwrap()];
        map.update_bytes(&key, &value, 0).unwrap();
        let found = map.lookup_bytes(&key, 0).unwrap().unwrap();
        assert_eq!(found[..4], [7; 4], "{kind:?}");
        let (first, _) = map.iter_bytes().next().unwrap().unwrap();
        assert_eq!(first, key);
    }
    let mut queue = MapData::from_spec(&small(MapType::Queue).unwrap()).unwrap();
    queue.update_bytes(&[], &[1, 2, 3, 4], 0).unwrap();
    assert_eq!(queue.lookup_bytes(&[], 0).unwrap(), Some(vec![1, 2, 3, 4]));
    assert_eq!(queue.take_bytes(&[], 0).unwrap(), Some(vec![1, 2, 3, 4]));
    assert_eq!(queue.take_bytes(&[], 0).unwrap(), None);
}

/// Views refuse what is not theirs.
#[test]
fn views_check_the_type() {
    require_bpf!();
    let array = || MapData::from_spec(&small(MapType::Array).unwrap()).unwrap();
    assert!(PerfEventArray::try_from(array()).is_err());
    let error = StackTraceMap::try_from(array()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "map \"SMALL\" is of type array; StackTraceMap is for stack_trace"
    );
    let perf = MapData::from_spec(&small(MapType::PerfEventArray).unwrap()).unwrap();
    let perf = PerfEventArray::try_from(perf).unwrap();
    assert_eq!(perf.len() as usize, nr_cpus().unwrap());
    let _: std::os::fd::BorrowedFd<'_> = perf.map().as_fd();
}

#[test]
fn bloom_filters_need_5_16() {
    require_bpf!();
    let map = supported!(MapData::from_spec(&small(MapType::BloomFilter).unwrap()));
    assert_eq!(map.type_name(), "bloom_filter");
}

/// `struct { struct bpf_spin_lock lock; int count; }`, as the type of a map's values.
fn with_lock(kind: MapType) -> hachi::obj::Spec {
    use hachi_btf::{BtfBuilder, Composite, Int, Member, Type};
    let mut types = BtfBuilder::default();
    let int = types.add(Type::Int(Int {
        name: "int".to_owned(),
        size: 4,
        bits: 32,
        offset: 0,
        signed: true,
        char: false,
        bool: false,
    }));
    let member = |name: &str, type_id, bit_offset| Member {
        name: name.to_owned(),
        type_id,
        bit_offset,
        bit_size: 0,
    };
    let lock = types.add(Type::Struct(Composite {
        name: "bpf_spin_lock".to_owned(),
        size: 4,
        members: vec![member("val", int, 0)],
    }));
    let value = types.add(Type::Struct(Composite {
        name: "value".to_owned(),
        size: 8,
        members: vec![member("lock", lock, 0), member("count", int, 32)],
    }));
    let mut map = MapSpec::new("M", kind, 4, 8, 4);
    (map.btf_key_type_id, map.btf_value_type_id) = (int, value);
    let mut spec = spec(vec![map], Vec::new());
    spec.btf = crate::support::types(&types);
    spec
}

#[test]
fn values_under_their_lock() {
    require_bpf!();
    let key = 1u32.to_ne_bytes();
    for kind in [MapType::Array, MapType::Hash] {
        let mut ebpf = load(with_lock(kind));
        let map = ebpf.map_mut("M").unwrap().data_mut();
        map.update_bytes(&key, &[0, 0, 0, 0, 7, 0, 0, 0], 0)
            .unwrap();
        // What is written for the lock itself does not matter.
        map.update_bytes(&key, &[9, 9, 9, 9, 8, 0, 0, 0], ElementFlags::LOCK)
            .unwrap();
        let value = map.lookup_bytes(&key, ElementFlags::LOCK).unwrap().unwrap();
        assert_eq!(value, [0, 0, 0, 0, 8, 0, 0, 0], "{kind:?}");
    }
    // Where there is no lock, the kernel does not pretend.
    let plain = MapSpec::new("M", MapType::Array, 4, 8, 4);
    let mut ebpf = load(spec(vec![plain], Vec::new()));
    let map = ebpf.map_mut("M").unwrap().data_mut();
    assert!(map.update_bytes(&key, &[0; 8], ElementFlags::LOCK).is_err());
}
