//! How maps are defined.
#![allow(non_camel_case_types, reason = "C's own names")]

use std::{error::Error, fmt};

/// Whether a map is pinned when its object is loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u32)]
pub enum PinningType {
    /// It is not.
    #[default]
    None = 0,
    /// By its name, in the directory for such maps.
    ByName = 1,
}

/// A number that names none of [`PinningType`].
#[derive(Debug)]
pub enum PinningError {
    /// This one.
    Unsupported {
        /// The number.
        pinning_type: u32,
    },
}

impl fmt::Display for PinningError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PinningError::Unsupported { pinning_type } = self;
        write!(f, "no way to pin maps has number {pinning_type}")
    }
}

impl Error for PinningError {}

impl TryFrom<u32> for PinningType {
    type Error = PinningError;

    fn try_from(number: u32) -> Result<Self, PinningError> {
        match number {
            0 => Ok(PinningType::None),
            1 => Ok(PinningType::ByName),
            pinning_type => Err(PinningError::Unsupported { pinning_type }),
        }
    }
}

/// The definition of a map as section `maps` of older objects has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct bpf_map_def {
    /// The number of its type.
    pub map_type: u32,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// How many elements there is room for.
    pub max_entries: u32,
    /// `BPF_F_…`.
    pub map_flags: u32,
    /// Unused.
    pub id: u32,
    /// Whether it is pinned.
    pub pinning: PinningType,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_ways_to_pin_are_refused() {
        assert_eq!(PinningType::try_from(1).unwrap(), PinningType::ByName);
        let error = PinningType::try_from(2).unwrap_err();
        assert_eq!(error.to_string(), "no way to pin maps has number 2");
        assert_eq!(size_of::<bpf_map_def>(), 28);
    }
}
