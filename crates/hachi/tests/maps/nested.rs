//! Maps of maps, and of programs.

use hachi::{
    EbpfLoader,
    maps::{ArrayOfMaps, HashMap, HashOfMaps, MapData, MapError, MapType, ProgramArray},
    obj::{InitialEntry, Insn, MapSpec},
    programs::{TestRunOptions, Xdp},
};
use hachi_asm::build;
use hachi_test::require_bpf;

use crate::support::{load, map_address, program, spec, verdict};

#[test]
fn maps_of_maps_are_filled() {
    require_bpf!();
    let mut outer = MapSpec::new("OUTER", MapType::ArrayOfMaps, 4, 4, 2);
    outer.inner = Some(Box::new(MapSpec::new("", MapType::Array, 4, 8, 1)));
    outer.entries.push(InitialEntry::new(1, "INNER"));
    let inner = MapSpec::new("INNER", MapType::Array, 4, 8, 1);
    let ebpf = load(spec(vec![outer, inner], Vec::new()));
    let held = ebpf
        .map("OUTER")
        .unwrap()
        .data()
        .lookup_bytes(&1u32.to_ne_bytes(), 0)
        .unwrap();
    let id = ebpf.map("INNER").unwrap().data().info().unwrap().id();
    assert_eq!(held, Some(id.to_ne_bytes().to_vec()));
}

fn id(map: &MapData) -> u32 {
    map.info().unwrap().id()
}

#[test]
fn maps_are_put_into_maps_by_descriptor() {
    require_bpf!();
    let inner = MapSpec::new("INNER", MapType::Hash, 4, 8, 16);
    let first = MapData::from_spec(&inner).unwrap();
    let second = MapData::from_spec(&inner).unwrap();

    let mut outer = MapSpec::new("OUTER", MapType::ArrayOfMaps, 4, 4, 3);
    outer.inner = Some(Box::new(inner.clone()));
    let mut array = ArrayOfMaps::try_from(MapData::from_spec(&outer).unwrap()).unwrap();
    assert_eq!((array.len(), array.id(&0).unwrap()), (3, None));
    array.set(0, &first, 0).unwrap();
    array.set(2, &second, 0).unwrap();
    assert_eq!(array.id(&2).unwrap(), Some(id(&second)));
    let mut found: HashMap<_, u32, u64> = array.get(&0, 0).unwrap().try_into().unwrap();
    found.insert(5, 50, 0).unwrap();
    let same = HashMap::<_, u32, u64>::try_from(first).unwrap();
    assert_eq!(same.get(&5, 0).unwrap(), 50);
    array.clear_index(&0).unwrap();
    assert!(matches!(
        array.get(&0, 0),
        Err(MapError::KeyNotFound { .. })
    ));
    assert!(matches!(
        array.set(3, &second, 0),
        Err(MapError::OutOfBounds { .. })
    ));

    outer.kind = MapType::HashOfMaps;
    outer.key_size = 2;
    let outer = MapData::from_spec(&outer).unwrap();
    let mut hash: HashOfMaps<_, u16> = outer.try_into().unwrap();
    hash.insert(700, &second, 0).unwrap();
    assert_eq!(id(&hash.get(&700, 0).unwrap()), id(&second));
    assert_eq!(hash.keys().map(Result::unwrap).collect::<Vec<_>>(), [700]);
    let ids: Vec<_> = hash.ids().map(Result::unwrap).collect();
    assert_eq!(ids, [(700, id(&second))]);
    hash.remove(&700).unwrap();
    assert_eq!(hash.id(&700).unwrap(), None);
    let other = MapData::from_spec(&MapSpec::new("", MapType::Hash, 8, 8, 1)).unwrap();
    assert!(hash.insert(1, &other, 0).is_err(), "another key size");
}

/// Jumps to program `index` of `array`, returns -1 if there is none.
fn jumper(name: &str, array: &str, index: i32) -> hachi::obj::ProgramSpec {
    const TAIL_CALL: u32 = hachi_asm::helpers::id::TAIL_CALL;
    let mut insns: Vec<Insn> = map_address(2).into();
    insns.extend([
        build::mov_imm(3, index),
        build::call_helper(TAIL_CALL),
        build::mov_imm(0, -1),
        build::exit(),
    ]);
    program(name, "xdp", insns, &[(0, array)])
}

fn run(ebpf: &hachi::Ebpf, name: &str) -> i32 {
    let program: &Xdp = ebpf.program(name).unwrap().try_into().unwrap();
    let options = TestRunOptions::new().data(&[0; 64]);
    program.test_run(&options).unwrap().return_value as i32
}

#[test]
fn tail_calls_go_where_the_array_says() {
    require_bpf!();
    let mut array = MapSpec::new("JUMPS", MapType::ProgArray, 4, 4, 4);
    // Out of order, as relocations may be.
    for (index, target) in [(2, "two"), (0, "one")] {
        array.entries.push(InitialEntry::new(index, target));
    }
    let mut ebpf = load(spec(
        vec![array],
        vec![
            jumper("to_0", "JUMPS", 0),
            jumper("to_1", "JUMPS", 1),
            jumper("to_2", "JUMPS", 2),
            verdict("one", 11),
            verdict("two", 22),
        ],
    ));
    for (_, program) in ebpf.programs_mut() {
        program.load().unwrap();
    }
    assert_eq!(
        (run(&ebpf, "to_0"), run(&ebpf, "to_1"), run(&ebpf, "to_2")),
        (11, -1, 22)
    );

    let mut array = ProgramArray::try_from(ebpf.take_map("JUMPS").unwrap()).unwrap();
    let one: &Xdp = ebpf.program("one").unwrap().try_into().unwrap();
    array.set(1, one.fd().unwrap(), 0).unwrap();
    array.clear_index(&2).unwrap();
    assert_eq!((run(&ebpf, "to_1"), run(&ebpf, "to_2")), (11, -1));
    assert!(array.get(&1).unwrap().is_some());
    assert_eq!(array.get(&3).unwrap(), None);
    assert_eq!(
        array.indices().map(Result::unwrap).collect::<Vec<_>>(),
        [0, 1, 2, 3]
    );
    assert!(matches!(
        array.clear_index(&3),
        Err(MapError::KeyNotFound { .. })
    ));
}

#[test]
fn a_map_is_replaced_before_loading() {
    require_bpf!();
    let declared = MapSpec::new("M", MapType::Hash, 4, 8, 16);
    let mine = MapData::from_spec(&declared).unwrap();
    let ebpf = EbpfLoader::new()
        .reuse_map("M", &mine)
        .load_spec(spec(vec![declared.clone()], Vec::new()))
        .unwrap();
    assert_eq!(id(ebpf.map("M").unwrap().data()), id(&mine));

    let mut other = declared.clone();
    other.value_size = 4;
    let error = EbpfLoader::new()
        .reuse_map("M", &mine)
        .load_spec(spec(vec![other], Vec::new()))
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "map \"M\" cannot be replaced by the one given: value size 8 there, 4 in the object"
    );
    let error = EbpfLoader::new()
        .reuse_map("N", &mine)
        .load_spec(spec(vec![declared], Vec::new()))
        .unwrap_err();
    assert!(error.to_string().contains("no map \"N\""), "{error}");
}
