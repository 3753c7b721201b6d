//! Rust types against the map's own.

use hachi::{
    EbpfLoader, Pod,
    maps::{Array, ElementPart, HashMap, Map, MapData, MapError, MapType},
    obj::MapSpec,
};
use hachi_btf::{BtfBuilder, Composite, Int, Member, Type};
use hachi_test::{Bpffs, require_bpf};

use crate::support::{load, spec};

fn int(types: &mut BtfBuilder, name: &str, size: u32) -> u32 {
    types.add(Type::Int(Int::unsigned(name, size)))
}

fn structure(types: &mut BtfBuilder, name: &str, members: &[(&str, u32)]) -> u32 {
    let members: Vec<_> = members
        .iter()
        .enumerate()
        .map(|(index, &(name, type_id))| Member {
            name: name.to_owned(),
            type_id,
            bit_offset: 32 * index as u32,
            bit_size: 0,
        })
        .collect();
    types.add(Type::Struct(Composite {
        name: name.to_owned(),
        size: 4 * members.len() as u32,
        members,
    }))
}

/// A map from `struct port { u32 }` to `struct counts { u32 packets; u32 bytes; }`.
pub(super) fn object(kind: MapType) -> hachi::Ebpf {
    let mut types = BtfBuilder::new();
    let u32_id = int(&mut types, "unsigned int", 4);
    let port = structure(&mut types, "port", &[("number", u32_id)]);
    let counts = structure(
        &mut types,
        "counts",
        &[("packets", u32_id), ("bytes", u32_id)],
    );
    let mut map = MapSpec::new("M", kind, 4, 8, 4);
    map.btf_key_type_id = if kind == MapType::Array { u32_id } else { port };
    map.btf_value_type_id = counts;
    let mut object = spec(vec![map], Vec::new());
    object.btf = crate::support::types(&types);
    load(object)
}

#[test]
fn errors_name_both_types() {
    require_bpf!();
    let ebpf = object(MapType::Hash);
    let map = ebpf.map("M").unwrap();
    fn message<T>(result: Result<T, MapError>) -> String {
        result.err().unwrap().to_string()
    }
    assert_eq!(
        message(HashMap::<_, u16, [u32; 2]>::try_from(map)),
        "map \"M\" has keys of 4 bytes (struct port); u16 has 2"
    );
    assert_eq!(
        message(HashMap::<_, u32, u32>::try_from(map)),
        "map \"M\" has values of 8 bytes (struct counts); u32 has 4"
    );
    let error = message(HashMap::<_, u32, u64>::try_from(map));
    assert!(
        error.starts_with("map \"M\" has values of type `struct counts`, which u64 is not"),
        "{error}"
    );
    let error = message(HashMap::<_, [u16; 2], [u8; 8]>::try_from(map));
    assert!(
        error.starts_with("map \"M\" has keys of type `struct port`, which [u16; 2] is not"),
        "{error}"
    );
    let error = message(HashMap::<_, u32, Shifted>::try_from(map));
    assert!(
        error.contains(
            "Shifted is not: `bytes` (4 bytes at offset 2) lies across `packets` \
                            (4 bytes at offset 0)"
        ),
        "{error}"
    );
}

/// As long as `struct counts`, but not laid out as that is.
#[derive(Clone, Copy, Pod)]
#[repr(C, packed)]
struct Shifted {
    flags: [u8; 2],
    bytes: u32,
    rest: [u8; 2],
}

/// `struct counts` under names of its own.
#[derive(Clone, Copy, Debug, PartialEq, Pod)]
#[repr(C)]
struct Counts {
    n: i32,
    size: [u32; 1],
}

#[test]
fn pinned_maps_bring_their_types() {
    require_bpf!();
    let bpffs = Bpffs::new().unwrap();
    let pin = bpffs.join("M");
    object(MapType::Hash)
        .map("M")
        .unwrap()
        .data()
        .pin(&pin)
        .unwrap();
    let open = || MapData::from_pin(&pin).unwrap();
    let mut counts: HashMap<_, u32, Counts> = open().try_into().unwrap();
    let value = Counts { n: -1, size: [2] };
    counts.insert(7, value, 0).unwrap();
    assert_eq!(counts.get(&7, 0).unwrap(), value);
    let refused = |result: Result<(), MapError>| match result.unwrap_err() {
        MapError::TypeMismatch { part, .. } => part,
        other => panic!("{other}"),
    };
    assert_eq!(
        refused(HashMap::<_, u32, Shifted>::try_from(open()).map(drop)),
        ElementPart::Value
    );
    assert_eq!(
        refused(HashMap::<_, u32, u64>::try_from(open()).map(drop)),
        ElementPart::Value
    );
    assert_eq!(
        refused(HashMap::<_, [u16; 2], Counts>::try_from(open()).map(drop)),
        ElementPart::Key
    );
}

#[test]
fn global_variables_have_types() {
    require_bpf!();
    let object = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../hachi-obj/tests/data/basic.bpfel.o"
    );
    let mut loader = EbpfLoader::new();
    let bpffs = Bpffs::new().unwrap();
    loader.map_pin_path(bpffs.path());
    let error = loader
        .override_global("first", &[1u32, 0], true)
        .load_file(object)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "global variable \"first\" has 8 bytes (__u64); [u32; 2] has 8: `[0]` (4 bytes at offset \
         0) \
         lies across the number there (8 bytes at offset 0)"
    );
    let ebpf = EbpfLoader::new()
        .map_pin_path(bpffs.path())
        .override_global("first", &[3u64][..], true)
        .override_global("tag", &u64::MAX, true)
        .override_global("custom", &6u32.to_ne_bytes(), true)
        .load_file(object)
        .unwrap();
    assert_eq!(ebpf.global::<i64>("first").unwrap().get().unwrap(), 3);
    ebpf.global::<[u16; 4]>("first").unwrap_err();
    assert_eq!(ebpf.global::<u32>("custom").unwrap().get().unwrap(), 6);
}

#[test]
fn types_that_fit() {
    require_bpf!();
    fn fits(map: &Map) {
        // A struct of one number is that number; bytes go for anything.
        HashMap::<_, u32, [u8; 8]>::try_from(map).unwrap();
        HashMap::<_, i32, [u32; 2]>::try_from(map).unwrap();
        HashMap::<_, [u32; 1], Counts>::try_from(map).unwrap();
        HashMap::<_, [u8; 4], [u8; 8]>::try_from(map).unwrap();
    }
    fits(object(MapType::Hash).map("M").unwrap());
    let array = object(MapType::Array);
    let array = Array::<_, [u8; 8]>::try_from(array.map("M").unwrap());
    assert_eq!(array.unwrap().get(&1, 0).unwrap(), [0; 8]);
}
