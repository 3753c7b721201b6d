//! Describing maps, ours and other people's.

use std::{
    os::fd::{AsFd as _, BorrowedFd},
    path::Path,
};

use super::{MapError, MapType};
use crate::{
    pin::{self, PinError, PinOperation},
    sys::{
        attr,
        bpf::{self, Access},
        errno::SyscallError,
        fs::ObjectKind,
    },
};

/// What the kernel says about a map.
#[derive(Clone)]
pub struct MapInfo(attr::MapInfo);

impl MapInfo {
    pub(crate) fn of(fd: BorrowedFd<'_>) -> Result<Self, SyscallError> {
        bpf::map_info(fd).map(MapInfo)
    }

    /// The map pinned at `path`.
    ///
    /// # Errors
    /// [`PinError::NotFound`] when nothing is pinned there, [`PinError::WrongKind`] when it is no
    /// map, and what the kernel refuses.
    pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, PinError> {
        let path = path.as_ref();
        let map = pin::open(path, ObjectKind::Map, Access::Read)?;
        Self::of(map.as_fd())
            .map_err(|error| PinError::syscall(PinOperation::Describe, path, error))
    }

    /// The id, unique among loaded maps.
    pub fn id(&self) -> u32 {
        self.0.id
    }

    /// The name, at most 15 bytes; empty on Linux < 4.15.
    pub fn name(&self) -> String {
        bpf::name_text(&self.0.name)
    }

    /// The type; `None` when it is newer than this version of Hachi.
    pub fn map_type(&self) -> Option<MapType> {
        MapType::from_number(self.0.map_type)
    }

    /// The kernel's name of the type, in lower case: `lpm_trie`.
    pub fn type_name(&self) -> String {
        type_name(self.0.map_type)
    }

    /// Bytes per key.
    pub fn key_size(&self) -> u32 {
        self.0.key_size
    }

    /// Bytes per value.
    pub fn value_size(&self) -> u32 {
        self.0.value_size
    }

    /// The most elements the map can hold; the size in bytes of a ring buffer.
    pub fn max_entries(&self) -> u32 {
        self.0.max_entries
    }

    /// `BPF_F_*` flags.
    pub fn flags(&self) -> u32 {
        self.0.map_flags
    }

    /// The BTF object that describes keys and values, if any.
    pub fn btf_id(&self) -> Option<u32> {
        (self.0.btf_id != 0).then_some(self.0.btf_id)
    }

    /// The type ids of key and value in [`btf_id`](Self::btf_id); 0 where there is none.
    pub fn btf_types(&self) -> (u32, u32) {
        (self.0.btf_key_type_id, self.0.btf_value_type_id)
    }
}

impl std::fmt::Debug for MapInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MapInfo")
            .field("id", &self.id())
            .field("name", &self.name())
            .field("map_type", &self.type_name())
            .field("key_size", &self.key_size())
            .field("value_size", &self.value_size())
            .field("max_entries", &self.max_entries())
            .field("flags", &self.flags())
            .finish_non_exhaustive()
    }
}

/// All maps loaded on the system, in the order of their ids. Needs CAP_SYS_ADMIN.
///
/// A map that goes away between two steps is left out.
pub fn loaded_maps() -> impl Iterator<Item = Result<MapInfo, MapError>> {
    crate::ids::each(bpf::map_next_id, |id| {
        bpf::map_fd_by_id(id, Access::Read).and_then(|fd| MapInfo::of(fd.as_fd()))
    })
    .map(|result| {
        result.map_err(|error| MapError::SyscallError {
            name: "(any)".to_owned(),
            error,
        })
    })
}

/// The kernel's name of a map type, also of one that is newer than this crate.
pub(super) fn type_name(number: u32) -> String {
    match MapType::from_number(number) {
        Some(kind) => kind.name().to_owned(),
        None => format!("map type {number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_types_are_the_kernels() {
        assert_eq!(type_name(MapType::LruPercpuHash as u32), "lru_percpu_hash");
        assert_eq!(type_name(999), "map type 999");
    }
}
