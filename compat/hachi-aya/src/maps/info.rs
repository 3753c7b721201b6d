//! What the kernel says about a map.

use std::path::Path;

use super::{MapError, MapFd, MapType};

/// What the kernel says about a map.
#[derive(Debug)]
pub struct MapInfo {
    info: hachi::maps::MapInfo,
    name: String,
}

impl MapInfo {
    pub(crate) fn new(info: hachi::maps::MapInfo) -> Self {
        MapInfo {
            name: info.name(),
            info,
        }
    }

    /// Of the loaded map with this id. Needs CAP_SYS_ADMIN. Linux ≥ 4.13.
    ///
    /// # Errors
    /// What the kernel refuses: `ENOENT` when there is no such map.
    pub fn from_id(id: u32) -> Result<Self, MapError> {
        Ok(MapInfo::new(hachi::maps::MapData::from_id(id)?.info()?))
    }

    /// Of the map pinned at `path`.
    ///
    /// # Errors
    /// [`MapError::PinError`] when there is none.
    pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, MapError> {
        let info = hachi::maps::MapInfo::from_pin(path).map_err(crate::pin::PinError::from)?;
        Ok(MapInfo::new(info))
    }

    /// The type. Linux ≥ 4.13.
    ///
    /// # Errors
    /// [`MapError::InvalidMapType`] for one that Aya has no name for.
    pub fn map_type(&self) -> Result<MapType, MapError> {
        match self.info.map_type() {
            Some(kind) => MapType::try_from(kind as u32),
            None => Err(MapError::InvalidMapType { map_type: u32::MAX }),
        }
    }

    /// The id.
    pub fn id(&self) -> u32 {
        self.info.id()
    }

    /// Bytes of a key.
    pub fn key_size(&self) -> u32 {
        self.info.key_size()
    }

    /// Bytes of a value.
    pub fn value_size(&self) -> u32 {
        self.info.value_size()
    }

    /// The most elements that the map can hold.
    pub fn max_entries(&self) -> u32 {
        self.info.max_entries()
    }

    /// The flags that it was created with.
    pub fn map_flags(&self) -> u32 {
        self.info.flags()
    }

    /// The name, as the kernel keeps it: 15 bytes at most. Linux ≥ 4.15.
    pub fn name(&self) -> &[u8] {
        self.name.as_bytes()
    }

    /// The name, if it is text.
    pub fn name_as_str(&self) -> Option<&str> {
        (!self.name.is_empty()).then_some(&self.name)
    }

    /// A descriptor of the map.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn fd(&self) -> Result<MapFd, MapError> {
        Ok(hachi::maps::MapData::from_id(self.id())?.fd().clone())
    }
}

/// All maps that are loaded, of whatever process. Needs CAP_SYS_ADMIN. Linux ≥ 4.13.
pub fn loaded_maps() -> impl Iterator<Item = Result<MapInfo, MapError>> {
    hachi::maps::loaded_maps().map(|info| Ok(MapInfo::new(info?)))
}
