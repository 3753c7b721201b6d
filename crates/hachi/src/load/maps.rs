//! Step 3: the maps.

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _},
    path::Path,
};

use hachi_obj::{DataKind, MapSpec, MapType, Pinning, Spec};

use super::{Options, types::ObjectBtf};
use crate::{
    EbpfError, features,
    maps::{Map, MapData, MapError, MapFd},
    pin::{self, PinError, PinGuard},
    sys::{attr, cpu, errno::SyscallError, fs::ObjectKind, mmap::page_size},
};

/// The maps of step 3.
pub(super) struct Created {
    pub(super) maps: Vec<(String, Map)>,
    pub(super) missing: Vec<(String, String)>,
}

/// Step 3. New pins are entered in `pins`.
pub(super) fn create(
    spec: &Spec,
    options: &Options,
    btf: &ObjectBtf,
    pins: &mut PinGuard,
) -> Result<Created, EbpfError> {
    let mut created = Created {
        maps: Vec::with_capacity(spec.maps.len()),
        missing: Vec::new(),
    };
    for (name, _) in &options.replacements {
        if !spec.maps.iter().any(|map| &map.name == name) {
            return Err(MapError::NotFound {
                name: name.clone(),
                available: spec.maps.iter().map(|map| map.name.clone()).collect(),
            }
            .into());
        }
    }
    for map in &spec.maps {
        let given = options
            .replacements
            .iter()
            .rfind(|(name, _)| *name == map.name);
        match create_or_reuse(spec, map, given, options, btf, pins) {
            Ok(data) => {
                let map = (map.name.clone(), Map::from_map_data(data));
                created.maps.push(map);
            }
            Err(error) if options.allow_unsupported_maps && is_unsupported(map, &error) => {
                created.missing.push((map.name.clone(), error.to_string()));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(created)
}

/// Whether the kernel does not know such maps, as opposed to lacking memory or the caller's rights.
fn is_unsupported(map: &MapSpec, error: &MapError) -> bool {
    match error {
        MapError::UnsupportedType { .. } => true,
        // No kernel creates these.
        MapError::Unsuitable { .. } => map.kind == MapType::StructOps,
        MapError::CreateError { error, .. } => error.errno() == libc::EINVAL,
        _ => false,
    }
}

fn create_or_reuse(
    spec: &Spec,
    map: &MapSpec,
    given: Option<&(String, MapData)>,
    options: &Options,
    btf: &ObjectBtf,
    pins: &mut PinGuard,
) -> Result<MapData, MapError> {
    if let Some((_, given)) = given {
        return match differences(map, given)? {
            Some(difference) => Err(MapError::IncompatibleMap {
                name: map.name.clone(),
                difference,
            }),
            None => Ok(given.share().with_name(&map.name)),
        };
    }
    if map.kind == MapType::StructOps {
        return Err(MapError::Unsuitable {
            name: map.name.clone(),
            reason: "a set of operations is a variable in section .struct_ops, not a map in .maps"
                .to_owned(),
        });
    }
    let path = match (&map.pin_path, map.pinning) {
        (Some(path), _) => Some(path.clone()),
        (None, Pinning::ByName) => {
            let directory = options
                .pin_directory
                .as_deref()
                .unwrap_or(Path::new(pin::BPFFS));
            // Dots are not allowed in names there; libbpf replaces them the same way.
            Some(directory.join(map.name.replace('.', "_")))
        }
        (None, Pinning::None) => None,
    };
    if let Some(path) = &path
        && let Some(data) = reuse(map, path)?
    {
        return Ok(data);
    }
    let data = create_one(&spec.name, map, btf)?;
    initialize(map, &data)?;
    if let Some(path) = path {
        match pin::pin(data.as_fd(), &path, ObjectKind::Map) {
            Ok(()) => pins.add(path),
            // Another process was faster: then theirs is the one to share.
            Err(PinError::Taken { .. }) => {
                if let Some(data) = reuse(map, &path)? {
                    return Ok(data);
                }
                return Err(PinError::NotFound { path }.into());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(data)
}

/// The map pinned at `path`, if there is one; it must be like the one declared.
fn reuse(map: &MapSpec, path: &Path) -> Result<Option<MapData>, MapError> {
    let data = match MapData::from_pin(path) {
        Ok(data) => data,
        Err(PinError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if let Some(difference) = differences(map, &data)? {
        return Err(MapError::IncompatiblePin {
            name: map.name.clone(),
            path: path.to_owned(),
            difference,
        });
    }
    Ok(Some(data.with_name(&map.name)))
}

/// In what an existing map differs from the one declared, as far as programs would notice.
fn differences(map: &MapSpec, data: &MapData) -> Result<Option<String>, MapError> {
    let wanted = parameters(map).map_err(|error| MapError::IoError {
        name: map.name.clone(),
        error,
    })?;
    // The verifier cares for read-only; the rest of the flags say how memory is allocated.
    const ACCESS: u32 = 1 << 3 | 1 << 4 | 1 << 7 | 1 << 8;
    let size =
        |what: &'static str, wanted: u32, found: u32| (what, wanted.to_string(), found.to_string());
    let access = |flags: u32| format!("{:#x}", flags & ACCESS);
    let differences: Vec<_> = [
        ("type", map.kind.name().to_owned(), data.type_name()),
        size("key size", wanted.key_size, data.key_size()),
        size("value size", wanted.value_size, data.value_size()),
        size("max_entries", wanted.max_entries, data.max_entries()),
        (
            "access flags",
            access(wanted.map_flags),
            access(data.flags()),
        ),
    ]
    .into_iter()
    .filter(|(_, wanted, found)| wanted != found)
    .map(|(what, wanted, found)| format!("{what} {found} there, {wanted} in the object"))
    .collect();
    Ok((!differences.is_empty()).then(|| differences.join("; ")))
}

/// A map on its own.
pub(crate) fn create_map(map: &MapSpec) -> Result<MapData, MapError> {
    let data = create_one("", map, &ObjectBtf::default())?;
    initialize(map, &data)?;
    Ok(data)
}

/// The parameters of a map with those filled in that depend on the machine.
fn parameters(map: &MapSpec) -> io::Result<attr::MapCreate> {
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
        const BPF_F_NUMA_NODE: u32 = 1 << 2;
        attr.map_flags |= BPF_F_NUMA_NODE;
        attr.numa_node = node;
    }
    match map.kind {
        MapType::PerfEventArray if map.max_entries == 0 => {
            attr.max_entries = u32::try_from(cpu::possible()?).unwrap_or(u32::MAX);
        }
        // Whole pages, and a power of two of them: what the kernel insists on, and objects cannot
        // know.
        MapType::Ringbuf | MapType::UserRingbuf => {
            let page = u32::try_from(page_size()).unwrap_or(4096);
            let pages = map.max_entries.div_ceil(page).checked_next_power_of_two();
            attr.max_entries = pages
                .and_then(|pages| pages.checked_mul(page))
                .unwrap_or(map.max_entries);
        }
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

fn create_one(object: &str, map: &MapSpec, btf: &ObjectBtf) -> Result<MapData, MapError> {
    let mut attr = parameters(map).map_err(|error| MapError::IoError {
        name: map.name.clone(),
        error,
    })?;
    let failed = |attr: &attr::MapCreate, error: SyscallError| {
        let kind = map.kind.name();
        if error.errno() == libc::EINVAL
            && let Err(error) = features::require_map_type(map.kind)
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
            description: format!(
                "{kind}, {}-byte keys, {}-byte values, max_entries {}, flags {:#x}",
                attr.key_size, attr.value_size, attr.max_entries, attr.map_flags,
            ),
            error,
        }
    };
    // Only lends its shape to the outer map; closed afterwards.
    let inner = match &map.inner {
        Some(inner) => Some(create_one(object, inner, btf)?),
        None => None,
    };
    if let Some(inner) = &inner {
        attr.inner_map_fd = inner.as_raw_fd() as u32;
    }
    let types = if let Some(fd) = &btf.fd
        && takes_btf(map.kind)
        && map.btf_value_type_id != 0
    {
        attr.btf_fd = fd.as_raw_fd() as u32;
        attr.btf_key_type_id = map.btf_key_type_id;
        attr.btf_value_type_id = map.btf_value_type_id;
        None
    } else if features::needs_types(map.kind) {
        features::plain_types(map.value_size).ok()
    } else {
        None
    };
    if let Some(types) = &types {
        types.describe(&mut attr);
    }
    let kernel_name = map.kernel_name(object);
    let full = match bpf_create(&kernel_name, &mut attr) {
        Ok(data) => {
            let own = btf
                .fd
                .as_ref()
                .filter(|_| attr.btf_fd != 0 && types.is_none());
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
        if let Ok(data) = bpf_create(&kernel_name, &mut reduced) {
            log::debug!("map {:?} is created without its types: {full}", map.name);
            return Ok(data.with_name(&map.name));
        }
    }
    if full.errno() == libc::EINVAL {
        if map.data.is_some()
            && reduced.map_flags & features::MMAPABLE != 0
            && !features::MMAPABLE_ARRAY.is_supported()
        {
            reduced.map_flags &= !features::MMAPABLE;
        }
        const BPF_F_RDONLY_PROG: u32 = 1 << 7;
        if map.data.is_some() && !features::GLOBAL_DATA.is_supported() {
            reduced.map_flags &= !BPF_F_RDONLY_PROG;
        }
        let name = if features::OBJECT_NAMES.is_supported() {
            &kernel_name
        } else {
            ""
        };
        if let Ok(data) = bpf_create(name, &mut reduced) {
            return Ok(data.with_name(&map.name));
        }
    }
    Err(failed(&attr, full))
}

fn bpf_create(name: &str, attr: &mut attr::MapCreate) -> Result<MapData, SyscallError> {
    MapData::create(name, attr)
}

/// Gives a map of global variables its contents, and makes constants constant.
fn initialize(map: &MapSpec, data: &MapData) -> Result<(), MapError> {
    if map.kind == MapType::Arena {
        // Programs with pointers into an arena are refused until it has an address in user space.
        let memory = data.mapping()?;
        if let Some(contents) = &map.contents
            && !memory.write(0, contents)
        {
            return Err(MapError::Unsuitable {
                name: map.name.clone(),
                reason: format!(
                    "its variables take {} bytes, the arena has {}; raise max_entries (pages)",
                    contents.len(),
                    memory.len()
                ),
            });
        }
    }
    if !matches!(
        map.data,
        Some(DataKind::Rodata | DataKind::Data | DataKind::Bss | DataKind::Kconfig)
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
        if features::MAP_FREEZE.is_supported() {
            return Err(error);
        }
    }
    Ok(())
}

/// Puts declared maps into maps of maps. What program arrays are to hold is returned: it has to be
/// loaded first.
pub(super) fn fill(
    spec: &Spec,
    maps: &[(String, Map)],
) -> Result<Vec<(MapFd, u32, String)>, EbpfError> {
    let find = |name: &str| {
        maps.iter()
            .find(|(other, _)| other == name)
            .map(|(_, map)| map.data())
    };
    let mut slots = Vec::new();
    for declared in &spec.maps {
        let Some(outer) = find(&declared.name) else {
            continue;
        };
        for entry in &declared.entries {
            if declared.kind == MapType::ProgArray {
                slots.push((outer.fd().clone(), entry.index, entry.target.clone()));
                continue;
            }
            let Some(inner) = find(&entry.target) else {
                return Err(MapError::Unsuitable {
                    name: declared.name.clone(),
                    reason: format!("it is to hold map {:?}, which does not exist", entry.target),
                }
                .into());
            };
            outer.put_descriptor(entry.index, inner.as_fd())?;
        }
    }
    Ok(slots)
}
