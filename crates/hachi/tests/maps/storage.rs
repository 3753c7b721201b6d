//! Values that live with sockets, files, tasks and cgroups.

use std::{
    fs::File,
    net::TcpListener,
    os::fd::{AsFd, FromRawFd as _, OwnedFd},
};

use hachi::{
    maps::{
        CgroupArray, CgroupStorage, CgroupStorageKey, CgrpStorage, ElementFlags, InodeStorage,
        MapData, MapError, MapType, PerCpuCgroupStorage, SkStorage, TaskStorage,
    },
    obj::MapSpec,
};
use hachi_test::{Cgroup, TempDir, require_bpf, supported};

fn create(kind: MapType) -> Result<MapData, MapError> {
    let mut spec = MapSpec::new("M", kind, 4, 8, 0);
    spec.flags = 1; // BPF_F_NO_PREALLOC
    MapData::from_spec(&spec)
}

/// A value comes, is changed and goes, with the flags that say so.
macro_rules! lives_with {
    ($view:ident, $map:expr, $owner:expr, $other:expr) => {{
        let mut storage: $view<MapData, u64> = $map.try_into().unwrap();
        let owners = ($owner, $other);
        let (owner, other) = (owners.0.as_fd(), owners.1.as_fd());
        assert_eq!(storage.get(owner, 0).unwrap(), None);
        assert!(storage.insert(owner, 1, ElementFlags::EXIST).is_err());
        storage.insert(owner, 5, ElementFlags::NO_EXIST).unwrap();
        assert!(storage.insert(owner, 6, ElementFlags::NO_EXIST).is_err());
        storage.insert(owner, 7, 0).unwrap();
        assert_eq!(storage.get(owner, 0).unwrap(), Some(7));
        assert_eq!(storage.get(other, 0).unwrap(), None, "another's is another");
        storage.remove(owner).unwrap();
        assert!(matches!(
            storage.remove(owner),
            Err(MapError::KeyNotFound { .. })
        ));
    }};
}

#[test]
fn with_sockets() {
    require_bpf!();
    if hachi_test::cpu_lacks_cmpxchg16b() {
        hachi_test::skip!("the CPU has no cmpxchg16b");
    }
    let socket = || TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let map = supported!(create(MapType::SkStorage));
    lives_with!(SkStorage, map, socket(), socket());
}

#[test]
fn with_files() {
    require_bpf!();
    if hachi_test::cpu_lacks_cmpxchg16b() {
        hachi_test::skip!("the CPU has no cmpxchg16b");
    }
    let map = supported!(create(MapType::InodeStorage));
    let directory = TempDir::new().unwrap();
    let file = |name| File::create(directory.path().join(name)).unwrap();
    lives_with!(InodeStorage, map, file("a"), file("b"));
}

/// A descriptor for a process.
fn pidfd(pid: u32) -> OwnedFd {
    // SAFETY: a plain call without pointers; the descriptor it makes is nobody else's.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        assert!(fd >= 0);
        OwnedFd::from_raw_fd(fd as i32)
    }
}

#[test]
fn with_tasks() {
    require_bpf!();
    if hachi_test::cpu_lacks_cmpxchg16b() {
        hachi_test::skip!("the CPU has no cmpxchg16b");
    }
    let map = supported!(create(MapType::TaskStorage));
    let mut child = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .unwrap();
    // The key is a process, by its first thread.
    let (this, other) = (pidfd(std::process::id()), pidfd(child.id()));
    lives_with!(TaskStorage, map, this, other);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn with_cgroups() {
    require_bpf!();
    if hachi_test::cpu_lacks_cmpxchg16b() {
        hachi_test::skip!("the CPU has no cmpxchg16b");
    }
    let map = supported!(create(MapType::CgrpStorage));
    let (this, other) = match (Cgroup::new(), Cgroup::new()) {
        (Ok(this), Ok(other)) => (this, other),
        (Err(error), _) | (_, Err(error)) => hachi_test::skip!("{error}"),
    };
    let open = |cgroup: &Cgroup| File::open(cgroup.path()).unwrap();
    lives_with!(CgrpStorage, map, open(&this), open(&other));
}

#[test]
fn cgroup_arrays() {
    require_bpf!();
    let spec = MapSpec::new("M", MapType::CgroupArray, 4, 4, 2);
    let mut array = CgroupArray::try_from(MapData::from_spec(&spec).unwrap()).unwrap();
    let cgroup = match Cgroup::new() {
        Ok(cgroup) => cgroup,
        Err(error) => hachi_test::skip!("{error}"),
    };
    array.set(1, File::open(cgroup.path()).unwrap(), 0).unwrap();
    array.clear_index(&1).unwrap();
    assert!(matches!(
        array.clear_index(&1),
        Err(MapError::KeyNotFound { .. })
    ));
    let no_cgroup = File::open("/").unwrap();
    assert!(array.set(0, no_cgroup, 0).is_err());
}

/// Without a program attached there is nothing.
#[test]
fn old_cgroup_storage_is_empty() {
    require_bpf!();
    let create = |kind, key| MapData::from_spec(&MapSpec::new("M", kind, key, 8, 0)).unwrap();
    let mut storage: CgroupStorage<_, CgroupStorageKey, u64> =
        create(MapType::CgroupStorage, 16).try_into().unwrap();
    let key = CgroupStorageKey {
        cgroup_inode_id: 1,
        ..Default::default()
    };
    assert_eq!(storage.get(&key, 0).unwrap(), None);
    assert_eq!(storage.iter().count(), 0);
    assert!(storage.set(&key, &1).is_err());
    let shared: PerCpuCgroupStorage<_, u64, u64> =
        create(MapType::PercpuCgroupStorage, 8).try_into().unwrap();
    assert_eq!(shared.get(&1, 0).unwrap(), None);
    assert_eq!(shared.keys().count(), 0);
}
