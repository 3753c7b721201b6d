//! Step 3: the maps.

use hachi_obj::flags::{BPF_F_RDONLY, BPF_F_RDONLY_PROG, BPF_F_WRONLY, BPF_F_WRONLY_PROG};
use std::{os::fd::AsFd as _, path::Path, sync::Arc};

use hachi_obj::{MapSpec, MapType, Pinning, Spec};

use super::{EbpfError, Options, types::ObjectBtf};
use crate::{
    fd::MapFd,
    maps::{
        Map, MapData, MapDifference, MapError, Unsuitable,
        create::{self, Surroundings, parameters},
    },
    pin::{self, PinError, PinGuard},
    sys::fs::ObjectKind,
};

/// The maps of step 3.
pub(super) struct Created {
    pub(super) maps: Vec<(String, Map)>,
    pub(super) missing: Vec<(String, Arc<MapError>)>,
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
                created.missing.push((map.name.clone(), Arc::new(error)));
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
        let differences = differences(map, given)?;
        if differences.is_empty() {
            return Ok(given.share().with_name(&map.name));
        }
        return Err(MapError::IncompatibleMap {
            name: map.name.clone(),
            differences,
        });
    }
    if map.kind == MapType::StructOps {
        return Err(MapError::Unsuitable {
            name: map.name.clone(),
            reason: Unsuitable::OperationsAmongMaps,
        });
    }
    let path = match (&map.pin_path, map.pinning) {
        (Some(path), _) => Some(path.clone()),
        (None, Pinning::ByName) => {
            let directory = options
                .pin_directory
                .as_deref()
                .unwrap_or(Path::new(pin::BPFFS));
            Some(directory.join(pin::file_name(&map.name)?))
        }
        (None, _) => None,
    };
    if let Some(path) = &path
        && let Some(data) = reuse(map, path)?
    {
        return Ok(data);
    }
    let within = Surroundings {
        object: &spec.name,
        btf: btf.fd.as_ref(),
        rights: &options.rights,
    };
    let data = create::create(map, within)?;
    if let Some(path) = path {
        match pin::pin(data.as_fd(), &path, ObjectKind::Map) {
            Ok(()) => pins.add(path, data.fd().clone()),
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
    let differences = differences(map, &data)?;
    if !differences.is_empty() {
        return Err(MapError::IncompatiblePin {
            name: map.name.clone(),
            path: path.to_owned(),
            differences,
        });
    }
    Ok(Some(data.with_name(&map.name)))
}

/// In what an existing map differs from the one declared, as far as programs would notice.
fn differences(map: &MapSpec, data: &MapData) -> Result<Vec<MapDifference>, MapError> {
    let wanted = parameters(map).map_err(|error| MapError::IoError {
        name: map.name.clone(),
        error,
    })?;
    // The verifier cares for read-only; the rest of the flags say how memory is allocated.
    const ACCESS: u32 = BPF_F_RDONLY | BPF_F_WRONLY | BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG;
    let (kind, found_kind) = (map.kind.name(), data.type_name());
    let (declared, found) = (wanted, data);
    let mut differences = Vec::new();
    if kind != found_kind {
        differences.push(MapDifference::Type {
            found: found_kind,
            declared: kind.to_owned(),
        });
    }
    let mut compare = |found: u32, declared: u32, difference: fn(u32, u32) -> MapDifference| {
        if found != declared {
            differences.push(difference(found, declared));
        }
    };
    compare(found.key_size(), declared.key_size, |found, declared| {
        MapDifference::KeySize { found, declared }
    });
    compare(
        found.value_size(),
        declared.value_size,
        |found, declared| MapDifference::ValueSize { found, declared },
    );
    compare(
        found.max_entries(),
        declared.max_entries,
        |found, declared| MapDifference::MaxEntries { found, declared },
    );
    compare(
        found.flags() & ACCESS,
        declared.map_flags & ACCESS,
        |found, declared| MapDifference::AccessFlags { found, declared },
    );
    Ok(differences)
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
                    reason: Unsuitable::NoInnerMap {
                        inner: entry.target.clone(),
                    },
                }
                .into());
            };
            outer.put_descriptor(entry.index, inner.as_fd())?;
        }
    }
    Ok(slots)
}
