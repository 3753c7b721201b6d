//! Maps as memory: arrays, global variables, arenas.

use hachi::{
    Ebpf,
    maps::{Arena, Array, MapData, MapError, MapType},
    obj::{DataKind, GlobalVar, Insn, MapSpec, Relocation, RelocationKind},
    programs::{TestRunOptions, Xdp},
};
use hachi_asm::{Imm64, Size, build};
use hachi_test::{require_bpf, supported};

use crate::support::{counter, load, program, spec, with_global};

const MMAPABLE: u32 = hachi::obj::flags::BPF_F_MMAPABLE;

fn run(ebpf: &mut Ebpf, name: &str) -> u32 {
    let program: &mut Xdp = ebpf.program_mut(name).unwrap().try_into().unwrap();
    if program.fd().is_err() {
        program.load().unwrap();
    }
    let options = TestRunOptions::new().data(&[0; 64]);
    program.test_run(&options).unwrap().return_value
}

#[test]
fn arrays_are_mapped() {
    require_bpf!();
    let mut map = MapSpec::new("M", MapType::Array, 4, 8, 3000);
    map.flags = MMAPABLE;
    let mut ebpf = load(spec(vec![map], vec![counter("count", "M")]));
    let mut array: Array<MapData, u64> = ebpf.take_map("M").unwrap().try_into().unwrap();
    let memory = array.mmap().unwrap();
    assert_eq!(memory.len(), 3000);
    run(&mut ebpf, "count");
    run(&mut ebpf, "count");
    assert_eq!(memory[0].get(), 2);
    memory.set(2999, 99).unwrap();
    assert_eq!(array.get(&2999, 0).unwrap(), 99);
    array.set(5, 55, 0).unwrap();
    assert_eq!(memory[5].get(), 55);
    let error = memory.set(3000, 1).unwrap_err();
    assert!(matches!(error, MapError::OutOfBounds { index: 3000, .. }));
    // It holds its own.
    drop((array, ebpf));
    assert_eq!(memory[0].get(), 2);
}

/// Elements stand at multiples of 8, whatever their size.
#[test]
fn odd_elements_are_mapped() {
    require_bpf!();
    let mut spec = MapSpec::new("M", MapType::Array, 4, 12, 10);
    spec.flags = MMAPABLE;
    let data = MapData::from_spec(&spec).unwrap();
    let mut array: Array<MapData, [u32; 3]> = data.try_into().unwrap();
    for index in 0..10 {
        array.set(index, [index, 2, 3], 0).unwrap();
    }
    let memory = array.mmap().unwrap();
    let firsts: Vec<u32> = memory.iter().map(|element| element.get()[0]).collect();
    assert_eq!(firsts, (0..10).collect::<Vec<_>>());
    memory.set(9, [7, 8, 9]).unwrap();
    assert_eq!(array.get(&9, 0).unwrap(), [7, 8, 9]);
    // Mapped for writing, it cannot be frozen.
    let error = array.map().freeze().unwrap_err().to_string();
    assert!(error.contains("freeze it before it is mapped"), "{error}");
}

#[test]
fn frozen_arrays_are_mapped_read_only() {
    require_bpf!();
    let mut spec = MapSpec::new("M", MapType::Array, 4, 8, 2);
    spec.flags = MMAPABLE;
    let mut array: Array<MapData, u64> = MapData::from_spec(&spec).unwrap().try_into().unwrap();
    array.set(1, 11, 0).unwrap();
    array.map().freeze().unwrap();
    let memory = array.mmap().unwrap();
    assert_eq!(memory[1].get(), 11);
    let error = memory.set(1, 12).unwrap_err().to_string();
    assert!(error.contains("constant"), "{error}");
    let plain = MapData::from_spec(&MapSpec::new("P", MapType::Array, 4, 8, 2)).unwrap();
    let error = Array::<_, u64>::try_from(plain)
        .unwrap()
        .mmap()
        .unwrap_err();
    assert!(error.to_string().contains("BPF_F_MMAPABLE"), "{error}");
}

/// As `with_global`, in a section that may be written.
fn with_variable(flags: u32) -> Ebpf {
    let mut spec = with_global("LIMIT", 40);
    let map = &mut spec.maps[0];
    map.name = ".data".to_owned();
    map.data = Some(DataKind::Data);
    map.flags = flags;
    spec.globals[0].map = ".data".to_owned();
    let code = spec.programs[0].code_mut().unwrap();
    code.relocations[0].kind = RelocationKind::GlobalData {
        map: ".data".into(),
        offset: 4,
    };
    spec.globals.push(GlobalVar::new("FIRST", ".data", 0, 4));
    load(spec)
}

#[test]
fn globals_live() {
    require_bpf!();
    // Mapped, and through system calls.
    for flags in [MMAPABLE, 0] {
        let mut ebpf = with_variable(flags);
        let limit = ebpf.global::<u32>("LIMIT").unwrap();
        assert_eq!(limit.get().unwrap(), 40);
        assert_eq!(run(&mut ebpf, "reader"), 40);
        limit.set(41).unwrap();
        assert_eq!(run(&mut ebpf, "reader"), 41);
        let first = ebpf.global::<i32>("FIRST").unwrap();
        first.set(-1).unwrap();
        assert_eq!((first.get().unwrap(), limit.get().unwrap()), (-1, 41));
        let error = ebpf.global::<u64>("LIMIT").unwrap_err().to_string();
        assert_eq!(error, "global variable \"LIMIT\" has 4 bytes; u64 has 8");
        let error = ebpf.global::<u32>("LIMITS").unwrap_err().to_string();
        assert!(
            error.contains("FIRST") && error.contains("LIMIT"),
            "{error}"
        );
    }
}

#[test]
fn constants_are_read_only() {
    require_bpf!();
    let mut ebpf = load(with_global("LIMIT", 40));
    assert_eq!(run(&mut ebpf, "reader"), 40);
    let limit = ebpf.global::<u32>("LIMIT").unwrap();
    assert_eq!(limit.get().unwrap(), 40);
    let error = limit.set(41).unwrap_err().to_string();
    assert!(error.contains("\"LIMIT\": it is constant"), "{error}");
    assert_eq!(run(&mut ebpf, "reader"), 40);
}

/// A program reads and writes what this process does, in the arena's initial contents.
#[test]
fn arenas() {
    require_bpf!();
    if hachi_test::cpu_lacks_cmpxchg16b() {
        hachi_test::skip!("the CPU has no cmpxchg16b");
    }
    let mut map = MapSpec::new("ARENA", MapType::Arena, 0, 0, 4);
    map.flags = MMAPABLE;
    map.data = Some(DataKind::Arena);
    map.contents = Some([1u32, 20].iter().flat_map(|n| n.to_ne_bytes()).collect());
    if let Err(error) = MapData::from_spec(&map) {
        return hachi_test::report_unsupported(&error);
    }
    // r0 = ARENA[4]; ARENA[8] = r0
    let mut insns: Vec<Insn> = build::ld_imm64(1, Imm64::MapValue { fd: 0, offset: 0 }).into();
    insns.extend([
        build::addr_space_cast(1, 1, 0, 1),
        build::load(Size::W, 0, 1, 4),
        build::store(Size::W, 1, 8, 0),
        build::exit(),
    ]);
    let mut reader = program("reader", "xdp", insns, &[]);
    reader.code_mut().unwrap().relocations.push(Relocation::new(
        0,
        RelocationKind::GlobalData {
            map: "ARENA".into(),
            offset: 0,
        },
    ));
    let mut object = spec(vec![map], vec![reader]);
    object.globals.push(GlobalVar::new("SECOND", "ARENA", 4, 4));
    let mut ebpf = load(object);
    assert_eq!(run(&mut ebpf, "reader"), 20);
    ebpf.global::<u32>("SECOND").unwrap().set(21).unwrap();
    assert_eq!(run(&mut ebpf, "reader"), 21);
    let arena = Arena::try_from(ebpf.map("ARENA").unwrap()).unwrap();
    assert_eq!(
        (arena.get::<u32>(0).unwrap(), arena.get::<u32>(8).unwrap()),
        (1, 21)
    );
    arena.set(4, &22u32).unwrap();
    let end = arena.len();
    arena.set(end - 8, &7u64).unwrap();
    assert_eq!(arena.get::<u64>(end - 8).unwrap(), 7);
    assert!(arena.get::<u64>(end - 4).is_err());
    assert!(arena.set(usize::MAX, &1u8).is_err());
    // Seen through the address as well.
    // SAFETY: offset 4 was just written, so its page is there.
    let seen = unsafe { arena.as_ptr().add(4).cast::<u32>().read_volatile() };
    assert_eq!(seen, 22);
    assert_eq!(run(&mut ebpf, "reader"), 22);
}

#[test]
fn an_arena_too_small_for_its_variables() {
    require_bpf!();
    if hachi_test::cpu_lacks_cmpxchg16b() {
        hachi_test::skip!("the CPU has no cmpxchg16b");
    }
    let mut map = MapSpec::new("ARENA", MapType::Arena, 0, 0, 1);
    map.flags = MMAPABLE;
    let address = 1u64 << 44;
    map.map_extra = address;
    let arena = supported!(MapData::from_spec(&map));
    let arena = Arena::try_from(arena).unwrap();
    assert_eq!(arena.as_ptr() as u64, address, "where it is declared to be");
    drop(arena);
    map.contents = Some(vec![0; 1 << 20]);
    let error = MapData::from_spec(&map).unwrap_err().to_string();
    assert!(error.contains("raise max_entries"), "{error}");
}
