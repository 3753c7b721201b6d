//! Maps as Rust programs define them, seen from user space.

mod support;

use hachi::maps::{Array, HashMap, LpmTrie, MapData, PerCpuArray, lpm_trie::Key};
use hachi::programs::XdpFlags;
use hachi::{Ebpf, Pod};
use hachi_test::{Bpffs, VethPair, require_bpf};
use hachi_tests::{fixture, fixture_with};
use support::udp_passes;

/// The fixture's key type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod)]
#[pod(crate = hachi)]
#[repr(C)]
struct Flow {
    address: [u8; 4],
    port: u16,
    zero: u16,
}

fn check_maps(object: &std::path::Path) {
    let wire = VethPair::new().unwrap();
    let mut ebpf = Ebpf::load_file(object).unwrap();
    let routes = ebpf.map_mut("ROUTES").unwrap();
    let mut routes = LpmTrie::<_, [u8; 4], u32>::try_from(routes).unwrap();
    routes.insert(&Key::new(0, [0; 4]), 1, 0).unwrap();
    routes
        .insert(&Key::new(24, [10, 77, 0, 0]), 100, 0)
        .unwrap();

    support::attach(&mut ebpf, "maps", &wire.right, XdpFlags::default());
    assert!(udp_passes(&wire, 7000));

    // A map inside other types.
    let map = HashMap::<_, u32, u64>::try_from(ebpf.map("WRAPPED").unwrap()).unwrap();
    assert_eq!(map.get(&7000, 0).unwrap(), 1);
    // A key that is an `Option`: how Rust lays it out is Rust's, so here it is bytes.
    let map = HashMap::<_, [u8; 8], u64>::try_from(ebpf.map("OPTIONAL").unwrap()).unwrap();
    let values: Vec<u64> = map.iter().map(|entry| entry.unwrap().1).collect();
    assert!(values.contains(&7000), "{values:?}");
    // A private one, in a module.
    // ANCHOR: typed
    let map = HashMap::<_, Flow, u64>::try_from(ebpf.map("FLOWS").unwrap()).unwrap();
    let key = Flow {
        address: wire.left.ipv4().octets(),
        port: 7000,
        zero: 0,
    };
    assert_eq!(map.get(&key, 0).unwrap(), 7);
    // ANCHOR_END: typed
    // The longest prefix won, and only packets from the wire's own network were counted.
    let first = Array::<_, u64>::try_from(ebpf.map("FIRST").unwrap()).unwrap();
    assert!(first.get(&0, 0).unwrap() >= 100);
    // Each program access reached its own map: the others of the same section are untouched.
    // ANCHOR: per_cpu
    let second = PerCpuArray::<_, u64>::try_from(ebpf.map("SECOND").unwrap()).unwrap();
    let sum = |index: u32| second.get(&index, 0).unwrap().iter().sum::<u64>();
    // ANCHOR_END: per_cpu
    assert_eq!([sum(0), sum(1)], [0, 0]);
    assert!(sum(2) >= 1);
}

#[test]
fn maps_of_all_shapes_work() {
    require_bpf!();
    check_maps(&fixture("maps"));
}

#[test]
fn maps_of_all_shapes_work_in_a_debug_build() {
    require_bpf!();
    check_maps(&fixture_with("maps", &["--debug"]));
}

/// A pinned map is one map for all who open it, and outlives its process.
#[test]
fn a_pinned_map_is_shared() {
    require_bpf!();
    let bpffs = Bpffs::new().unwrap();
    let path = bpffs.join("routes");
    let mut ebpf = Ebpf::load_file(fixture("maps")).unwrap();
    ebpf.map("ROUTES").unwrap().data().pin(&path).unwrap();
    let here = ebpf.map_mut("ROUTES").unwrap();
    let mut here = LpmTrie::<_, [u8; 4], u32>::try_from(here).unwrap();
    let open = || LpmTrie::<_, [u8; 4], u32>::try_from(MapData::from_pin(&path).unwrap()).unwrap();
    let key = Key::new(8, [10, 0, 0, 0]);
    here.insert(&key, 5, 0).unwrap();
    assert_eq!(open().get(&Key::new(32, [10, 1, 2, 3]), 0).unwrap(), 5);
    drop(ebpf);
    let mut there = open();
    assert_eq!(there.get(&key, 0).unwrap(), 5);
    there.remove(&key).unwrap();
    assert!(there.get(&key, 0).is_err());
    drop(there);
    std::fs::remove_file(&path).unwrap();
    assert!(MapData::from_pin(&path).is_err());
}

/// The wrong type for a map is refused before it reads a byte.
#[test]
fn a_view_checks_kind_and_sizes() {
    require_bpf!();
    let ebpf = Ebpf::load_file(fixture("maps")).unwrap();
    let map = ebpf.map("WRAPPED").unwrap();
    for error in [
        Array::<_, u64>::try_from(map).unwrap_err().to_string(),
        HashMap::<_, u64, u64>::try_from(map)
            .unwrap_err()
            .to_string(),
        HashMap::<_, u32, u32>::try_from(map)
            .unwrap_err()
            .to_string(),
    ] {
        assert!(error.contains("WRAPPED"), "{error}");
    }
}

/// As are structs that are laid out otherwise, here and where the map is pinned.
#[test]
fn a_view_checks_fields() {
    #[derive(Clone, Copy, Debug, Pod)]
    #[repr(C)]
    struct Renamed {
        host: [u8; 4],
        port: u16,
        unused: [u8; 2],
    }
    #[derive(Clone, Copy, Debug, Pod)]
    #[repr(C)]
    struct Wide {
        address: u32,
        port: u32,
    }
    require_bpf!();
    let bpffs = Bpffs::new().unwrap();
    let path = bpffs.join("flows");
    let ebpf = Ebpf::load_file(fixture("maps")).unwrap();
    let map = ebpf.map("FLOWS").unwrap();
    map.data().pin(&path).unwrap();
    HashMap::<_, Renamed, u64>::try_from(map).unwrap();
    let pinned = || MapData::from_pin(&path).unwrap();
    HashMap::<_, Renamed, u64>::try_from(pinned()).unwrap();
    for error in [
        HashMap::<_, Wide, u64>::try_from(map).unwrap_err(),
        HashMap::<_, Wide, u64>::try_from(pinned()).unwrap_err(),
    ] {
        let error = error.to_string();
        let where_to = "`port` (4 bytes at offset 4) lies across `port` (2 bytes at offset 4)";
        assert!(
            error.contains("FLOWS") && error.contains(where_to),
            "{error}"
        );
    }
}
