//! Who reads a ring buffer, or writes a user ring buffer: one in a process.

use std::{
    collections::HashSet,
    os::fd::AsFd as _,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{MapData, MapError, MapInfo};

/// Ids of the maps that are in use. The kernel does not give an id away again before the map is
/// gone, and a map is not gone while it is in use.
static IN_USE: Mutex<Option<HashSet<u32>>> = Mutex::new(None);

fn in_use() -> MutexGuard<'static, Option<HashSet<u32>>> {
    // The thread that panicked was between two single steps.
    IN_USE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The right to be the one that uses a map, until it is dropped.
#[derive(Debug)]
pub(super) struct InUse {
    id: u32,
}

impl InUse {
    pub(super) fn new(map: &MapData) -> Result<Self, MapError> {
        let id = MapInfo::of(map.as_fd())
            .map_err(|error| map.error(error))?
            .id();
        match in_use().get_or_insert_default().insert(id) {
            true => Ok(InUse { id }),
            false => Err(MapError::RingBufInUse {
                name: map.name().to_owned(),
            }),
        }
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        if let Some(ids) = &mut *in_use() {
            ids.remove(&self.id);
        }
    }
}
