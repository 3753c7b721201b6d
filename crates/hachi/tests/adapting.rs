//! What an object may hold, and a process may have, on kernels that are older than either.

mod support;

use hachi::{
    maps::MapData,
    obj::{FuncInfo, MapSpec, MapType},
    programs::TestRunOptions,
};
use hachi_btf::{
    BtfBuilder, Composite, DeclTag, Enum64, Float, Func, FuncProto, Int, Linkage, Member, Param,
    Ptr, Type, TypeTag, Variant,
};
use hachi_test::require_bpf;
use support::{apart, load, one, xdp};

const MEBIBYTE: u32 = 1 << 20;

const LOW: libc::rlim_t = 4096;

fn lower_the_limit_of_locked_memory() {
    let low = libc::rlimit {
        rlim_cur: LOW,
        rlim_max: LOW,
    };
    // SAFETY: the struct is live for the call.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &low) }, 0);
}

/// Kernels before 5.11 charge the memory of maps to RLIMIT_MEMLOCK.
#[test]
fn maps_are_larger_than_the_limit_of_locked_memory() {
    require_bpf!();
    if !apart("maps_are_larger_than_the_limit_of_locked_memory") {
        return;
    }
    lower_the_limit_of_locked_memory();
    let spec = MapSpec::new("large", MapType::Array, 4, 1024, MEBIBYTE / 1024);
    let map = MapData::from_spec(&spec).unwrap();
    assert_eq!(map.info().unwrap().max_entries(), MEBIBYTE / 1024);

    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the struct is live for the call.
    let asked = unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &mut limit) };
    assert_eq!(asked, 0);
    let raised = limit.rlim_cur != LOW;
    // Only where that matters.
    assert_eq!(raised, hachi_test::kernel_is_older_than("5.11"));
}

/// They say of a map of devices that is beyond the limit that its parameters are wrong.
#[test]
fn maps_of_devices_are_larger_than_the_limit_of_locked_memory() {
    require_bpf!();
    if !apart("maps_of_devices_are_larger_than_the_limit_of_locked_memory") {
        return;
    }
    lower_the_limit_of_locked_memory();
    assert!(hachi::features::map_type_is_supported(MapType::Devmap));
    let spec = MapSpec::new("devices", MapType::Devmap, 4, 4, MEBIBYTE / 8);
    let map = MapData::from_spec(&spec).unwrap();
    assert_eq!(map.info().unwrap().max_entries(), MEBIBYTE / 8);
}

/// A thread that meets the limit while another raises it tries again as well.
#[test]
fn threads_meet_the_limit_of_locked_memory_together() {
    require_bpf!();
    if !apart("threads_meet_the_limit_of_locked_memory_together") {
        return;
    }
    lower_the_limit_of_locked_memory();
    let spec = MapSpec::new("large", MapType::Array, 4, 1024, MEBIBYTE / 1024);
    let start = std::sync::Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                start.wait();
                MapData::from_spec(&spec).unwrap();
            });
        }
    });
}

/// The types of an object use every kind that came after BTF itself (the last, ENUM64, in 6.0);
/// what the kernel does not know is put in older words.
#[test]
fn types_of_newer_kinds() {
    require_bpf!();
    let mut types = BtfBuilder::new();
    let float = types.add(Type::Float(Float {
        name: "double".to_owned(),
        size: 8,
    }));
    let numbers = types.add(Type::Enum64(Enum64 {
        name: "numbers".to_owned(),
        size: 8,
        signed: false,
        variants: vec![Variant {
            name: "LARGE".to_owned(),
            value: 1 << 40,
        }],
    }));
    let context = types.add(Type::Struct(Composite {
        name: "context".to_owned(),
        size: 16,
        members: [("ratio", float), ("number", numbers)]
            .iter()
            .enumerate()
            .map(|(at, (name, type_id))| Member {
                name: (*name).to_owned(),
                type_id: *type_id,
                bit_offset: 64 * at as u32,
                bit_size: 0,
            })
            .collect(),
    }));
    types.add(Type::DeclTag(DeclTag {
        value: "of the context".to_owned(),
        type_id: context,
        component_idx: -1,
        attribute: false,
    }));
    let user = types.add(Type::TypeTag(TypeTag {
        value: "user".to_owned(),
        type_id: context,
        attribute: false,
    }));
    let pointer = types.add(Type::Ptr(Ptr { type_id: user }));
    let int = types.add(Type::Int(Int::signed("int", 4)));
    let prototype = types.add(Type::FuncProto(FuncProto {
        ret_type_id: int,
        params: vec![Param {
            name: "context".to_owned(),
            type_id: pointer,
        }],
    }));
    let function = types.add(Type::Func(Func {
        name: "pass".to_owned(),
        type_id: prototype,
        linkage: Linkage::Static,
    }));

    let mut spec = one("pass", support::XDP_PASS);
    spec.programs[0].code_mut().unwrap().func_info = vec![FuncInfo {
        insn_off: 0,
        type_id: function,
    }];
    spec.btf = support::types(&types);
    let mut ebpf = load(spec);
    let program = xdp(&mut ebpf, "pass");
    assert!(program.info().unwrap().btf_id().is_some());
    let options = TestRunOptions::new().data(&[0; 64]);
    assert_eq!(program.test_run(&options).unwrap().return_value, 2);
}
