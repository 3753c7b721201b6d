//! Where XDP programs redirect packets to: CPUs and interfaces.

use super::*;

/// An error of maps that XDP programs redirect to.
#[derive(Debug)]
pub enum XdpMapError {
    /// The kernel does not run a program on redirected packets (Linux < 5.8).
    ChainedProgramNotSupported,
    /// What goes for all maps.
    MapError(MapError),
}

impl std::fmt::Display for XdpMapError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            XdpMapError::ChainedProgramNotSupported => f.write_str(
                "the map's values have no room for a program, so none can run on redirected \
                 packets",
            ),
            XdpMapError::MapError(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for XdpMapError {}

impl From<MapError> for XdpMapError {
    fn from(error: MapError) -> Self {
        XdpMapError::MapError(error)
    }
}

impl XdpMapError {
    fn of(error: hachi::maps::MapError) -> Self {
        match error {
            hachi::maps::MapError::Unsuitable { .. } => XdpMapError::ChainedProgramNotSupported,
            other => XdpMapError::MapError(other.into()),
        }
    }
}

pub use hachi::maps::{CpuMapValue, DevMapValue};

/// Reading a map whose keys are places from 0 on.
macro_rules! places {
    ($($name:ident: $place:ident => $value:ident;)*) => { $(
        impl<T: Borrow<MapData>> $name<T> {
            /// How many places there are.
            #[expect(clippy::len_without_is_empty, reason = "it counts places, not what is set")]
            pub fn len(&self) -> u32 {
                self.0.map().max_entries()
            }

            /// What is set at a place.
            ///
            /// # Errors
            /// [`MapError::KeyNotFound`], [`MapError::OutOfBounds`], and what the kernel refuses.
            pub fn get(&self, $place: u32, flags: u64) -> Result<$value, MapError> {
                Ok(self.0.get($place, flags)?)
            }

            /// What is set, by place.
            pub fn iter(&self) -> impl Iterator<Item = Result<$value, MapError>> + '_ {
                (0..self.len()).map(|$place| self.get($place, 0))
            }
        }
    )* };
}

places! {
    CpuMap: cpu => CpuMapValue;
    DevMap: index => DevMapValue;
}

impl<T: BorrowMut<MapData>> CpuMap<T> {
    /// Lets packets be redirected to a CPU, with a queue of this size and perhaps a program.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn set(
        &mut self,
        cpu: u32,
        queue_size: u32,
        program: Option<&ProgramFd>,
        flags: u64,
    ) -> Result<(), XdpMapError> {
        self.0
            .set(cpu, queue_size, program, flags)
            .map_err(XdpMapError::of)
    }
}

impl<T: BorrowMut<MapData>> DevMap<T> {
    /// Lets packets be redirected to an interface, perhaps with a program.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn set(
        &mut self,
        index: u32,
        target_if_index: u32,
        program: Option<&ProgramFd>,
        flags: u64,
    ) -> Result<(), XdpMapError> {
        self.0
            .set(index, target_if_index, program, flags)
            .map_err(XdpMapError::of)
    }
}

impl<T: Borrow<MapData>> DevMapHash<T> {
    /// What is set at `key`.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`], and what the kernel refuses.
    pub fn get(&self, key: u32, flags: u64) -> Result<DevMapValue, MapError> {
        Ok(self.0.get(key, flags)?)
    }

    /// All keys.
    pub fn keys(&self) -> MapKeys<'_, u32> {
        MapKeys::new(self.0.keys())
    }

    /// All elements.
    pub fn iter(&self) -> MapIter<'_, u32, DevMapValue, Self> {
        MapIter {
            keys: self.keys(),
            map: self,
            _value: PhantomData,
        }
    }
}

impl<T: Borrow<MapData>> IterableMap<u32, DevMapValue> for DevMapHash<T> {
    fn map(&self) -> &MapData {
        MapData::of(self.0.map())
    }

    fn get(&self, key: &u32) -> Result<DevMapValue, MapError> {
        DevMapHash::get(self, *key, 0)
    }
}

impl<T: BorrowMut<MapData>> DevMapHash<T> {
    /// Lets packets be redirected to an interface, perhaps with a program.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn insert(
        &mut self,
        key: u32,
        target_if_index: u32,
        program: Option<&ProgramFd>,
        flags: u64,
    ) -> Result<(), XdpMapError> {
        self.0
            .insert(key, target_if_index, program, flags)
            .map_err(XdpMapError::of)
    }

    /// Removes `key`.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`], and what the kernel refuses.
    pub fn remove(&mut self, key: u32) -> Result<(), MapError> {
        Ok(self.0.remove(key)?)
    }
}
