//! Creating a map, with what the running kernel takes of what is asked for.

use hachi_obj::flags::{BPF_F_MMAPABLE, BPF_F_NUMA_NODE, BPF_F_RDONLY_PROG};
use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
    sync::Arc,
};

use hachi_obj::{DataKind, MapSpec, MapType};

use super::{MapData, MapError, MapParameters, Unsuitable};
use crate::{
    features,
    rights::Rights,
    sys::{attr, cpu, errno::SyscallError, mmap::page_size},
};

impl MapData {
    /// Creates a map that no object declares: to put into a map of maps, to be shared by objects,
    /// to be used without a program.
    ///
    /// ```no_run
    /// # use hachi::{maps::{HashMap, MapData, MapType}, obj::MapSpec};
    /// let spec = MapSpec::new("FLOWS", MapType::Hash, 4, 8, 1024);
    /// let mut flows: HashMap<_, u32, u64> = MapData::from_spec(&spec)?.try_into()?;
    /// # Ok::<(), hachi::maps::MapError>(())
    /// ```
    ///
    /// # Errors
    /// [`MapError::CreateError`] with what was asked for, [`MapError::UnsupportedType`] on a kernel
    /// that is older than the type.
    pub fn from_spec(spec: &MapSpec) -> Result<Self, MapError> {
        let within = Surroundings {
            object: "",
            btf: None,
            rights: &Rights::default(),
        };
        create(spec, within)
    }
}

/// The parameters of a map with those filled in that depend on the machine.
pub(crate) fn parameters(map: &MapSpec) -> io::Result<attr::MapCreate> {
    let mut attr = attr::MapCreate {
        map_type: map.kind as u32,
        key_size: map.key_size,
        value_size: map.value_size,
        max_entries: map.max_entries,
        map_flags: map.flags,
        map_extra: map.map_extra,
        ..Default::default()
    };
    if let Some(node) = map.numa_node {
        attr.map_flags |= BPF_F_NUMA_NODE;
        attr.numa_node = node;
    }
    match map.kind {
        // Numbers of CPUs and descriptors, whether or not the object says so.
        MapType::PerfEventArray => {
            if attr.key_size == 0 {
                attr.key_size = 4;
            }
            // An object may say what its events are.
            attr.value_size = 4;
            if map.max_entries == 0 {
                attr.max_entries = u32::try_from(cpu::possible()?).unwrap_or(u32::MAX);
            }
        }
        // Whole pages, and a power of two of them: what the kernel insists on, and objects cannot
        // know.
        MapType::Ringbuf | MapType::UserRingbuf => {
            // An object may say what its records are; the kernel takes no sizes.
            (attr.key_size, attr.value_size) = (0, 0);
            let page = u32::try_from(page_size()).unwrap_or(4096);
            let pages = map.max_entries.div_ceil(page).checked_next_power_of_two();
            attr.max_entries = pages
                .and_then(|pages| pages.checked_mul(page))
                .unwrap_or(map.max_entries);
        }
        // The same goes for its memory.
        MapType::Arena => (attr.key_size, attr.value_size) = (0, 0),
        _ => {}
    }
    Ok(attr)
}

/// Types of the map's key and value are only told to the kernel for map types that accept them (as
/// in libbpf).
fn takes_btf(kind: MapType) -> bool {
    !matches!(
        kind,
        MapType::PerfEventArray
            | MapType::CgroupArray
            | MapType::StackTrace
            | MapType::ArrayOfMaps
            | MapType::HashOfMaps
            | MapType::Devmap
            | MapType::DevmapHash
            | MapType::Cpumap
            | MapType::Xskmap
            | MapType::Sockmap
            | MapType::Sockhash
            | MapType::Queue
            | MapType::Stack
            | MapType::Ringbuf
            | MapType::UserRingbuf
    )
}

/// Whether maps of this type state no number of elements: local storages alone.
fn is_storage(kind: MapType) -> bool {
    matches!(
        kind,
        MapType::CgroupStorage
            | MapType::PercpuCgroupStorage
            | MapType::SkStorage
            | MapType::InodeStorage
            | MapType::TaskStorage
            | MapType::CgrpStorage
    )
}

/// What a map is created with, apart from what it says of itself.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    /// The name of the object that declares it; empty if none does.
    pub(crate) object: &'a str,
    /// The object's types in the kernel.
    pub(crate) btf: Option<&'a Arc<OwnedFd>>,
    pub(crate) rights: &'a Rights,
}

/// Creates a map and gives it its contents.
pub(crate) fn create(map: &MapSpec, within: Surroundings<'_>) -> Result<MapData, MapError> {
    let data = create_empty(map, within)?;
    initialize(map, &data, within.rights)?;
    Ok(data)
}

fn create_empty(map: &MapSpec, within: Surroundings<'_>) -> Result<MapData, MapError> {
    let Surroundings {
        object,
        btf,
        rights,
    } = within;
    let mut attr = parameters(map).map_err(|error| MapError::IoError {
        name: map.name.clone(),
        error,
    })?;
    let failed = |attr: &attr::MapCreate, error: SyscallError| {
        if error.errno() == libc::EINVAL
            && let Err(error) = features::require_map_type_with(map.kind, rights)
        {
            return MapError::UnsupportedType {
                name: map.name.clone(),
                error,
            };
        }
        let error = match (error.errno(), attr.max_entries) {
            (libc::EINVAL, 0) if !is_storage(map.kind) => {
                let note = "the map has room for no element; give it max_entries of at least 1";
                error.noted(note)
            }
            _ => error,
        };
        MapError::CreateError {
            name: map.name.clone(),
            parameters: Box::new(MapParameters {
                map_type: map.kind,
                key_size: attr.key_size,
                value_size: attr.value_size,
                max_entries: attr.max_entries,
                flags: attr.map_flags,
            }),
            error,
        }
    };
    // Only lends its shape to the outer map; closed afterwards.
    let inner = match &map.inner {
        Some(inner) => Some(create_empty(inner, within)?),
        None => None,
    };
    if let Some(inner) = &inner {
        attr.inner_map_fd = inner.as_raw_fd() as u32;
    }
    let types = if let Some(fd) = btf
        && takes_btf(map.kind)
        && map.btf_value_type_id != 0
    {
        attr.btf_fd = fd.as_raw_fd() as u32;
        attr.btf_key_type_id = map.btf_key_type_id;
        attr.btf_value_type_id = map.btf_value_type_id;
        None
    } else if features::needs_types(map.kind) {
        match features::plain_types(map.value_size, rights) {
            Ok(types) => Some(types),
            // The map would be refused for its lack of types, which is not the reason.
            Err(error) if is_shortage(&error) => {
                let error = SyscallError::new("BPF_BTF_LOAD", error);
                return Err(failed(&attr, error));
            }
            Err(_) => None,
        }
    } else {
        None
    };
    if let Some(types) = &types {
        types.describe(&mut attr);
    }
    let kernel_name = map.kernel_name(object);
    let full = match MapData::create(&kernel_name, &mut attr, rights) {
        Ok(data) => {
            let own = btf.filter(|_| attr.btf_fd != 0 && types.is_none());
            return Ok(data.with_name(&map.name).with_btf(own));
        }
        Err(error) => error,
    };
    // Refused for what is only nice to have? Each fallback is for older kernels.
    let mut reduced = attr;
    if reduced.btf_fd != 0 {
        (
            reduced.btf_fd,
            reduced.btf_key_type_id,
            reduced.btf_value_type_id,
        ) = (0, 0, 0);
        if let Ok(data) = MapData::create(&kernel_name, &mut reduced, rights) {
            log::debug!("map {:?} is created without its types: {full}", map.name);
            return Ok(data.with_name(&map.name));
        }
    }
    if full.errno() == libc::EINVAL {
        if map.data.is_some()
            && reduced.map_flags & BPF_F_MMAPABLE != 0
            && !features::MMAPABLE_ARRAY.is_supported_with(rights)
        {
            reduced.map_flags &= !BPF_F_MMAPABLE;
        }
        if map.data.is_some() && !features::GLOBAL_DATA.is_supported_with(rights) {
            reduced.map_flags &= !BPF_F_RDONLY_PROG;
        }
        let name = if features::OBJECT_NAMES.is_supported_with(rights) {
            &kernel_name
        } else {
            ""
        };
        if let Ok(data) = MapData::create(name, &mut reduced, rights) {
            return Ok(data.with_name(&map.name));
        }
    }
    Err(failed(&attr, full))
}

/// Whether a call failed for want of descriptors or memory, which says nothing of what it asked.
fn is_shortage(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM)
    )
}

/// Gives a map of global variables its contents, and makes constants constant.
fn initialize(map: &MapSpec, data: &MapData, rights: &Rights) -> Result<(), MapError> {
    if map.kind == MapType::Arena {
        // Programs with pointers into an arena are refused until it has an address in user space.
        let memory = data.mapping()?;
        if let Some(contents) = &map.contents
            && !memory.write(0, contents)
        {
            return Err(MapError::Unsuitable {
                name: map.name.clone(),
                reason: Unsuitable::VariablesTooLarge {
                    size: contents.len(),
                    capacity: memory.len(),
                },
            });
        }
    }
    if !matches!(
        map.data,
        Some(
            DataKind::Rodata
                | DataKind::Data
                | DataKind::Bss
                | DataKind::Kconfig
                | DataKind::Percpu
        )
    ) {
        return Ok(());
    }
    if let Some(contents) = &map.contents {
        data.write_contents(contents)?;
    }
    if matches!(map.data, Some(DataKind::Rodata | DataKind::Kconfig))
        && let Err(error) = data.freeze()
    {
        // Without it the verifier takes the values for variables: slower code, same meaning.
        if features::MAP_FREEZE.is_supported_with(rights) {
            return Err(error);
        }
    }
    Ok(())
}
