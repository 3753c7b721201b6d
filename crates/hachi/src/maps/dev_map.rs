//! `BPF_MAP_TYPE_DEVMAP`, `BPF_MAP_TYPE_DEVMAP_HASH` and `BPF_MAP_TYPE_CPUMAP`: where XDP programs
//! redirect packets to.

use std::{
    borrow::{Borrow, BorrowMut},
    num::NonZeroU32,
    os::fd::AsRawFd as _,
};

use super::{ElementFlags, Keys, MapData, MapError, MapType, Unsuitable, view::conversions};
use crate::fd::ProgramFd;

/// An interface to send packets out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DevMapValue {
    /// The interface's index.
    pub if_index: u32,
    /// The id of the program that runs on each packet before it is sent.
    pub prog_id: Option<NonZeroU32>,
}

/// A CPU to handle packets on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuMapValue {
    /// Packets that may wait for it.
    pub queue_size: u32,
    /// The id of the program that runs on each packet there.
    pub prog_id: Option<NonZeroU32>,
}

/// `struct bpf_devmap_val` and `struct bpf_cpumap_val` are alike: a number, and a program, as a
/// descriptor when written and as an id when read. Kernels before 5.8 (5.9) know the number alone.
mod target {
    use super::*;

    pub(super) fn check(
        map: &MapData,
        kinds: &'static [MapType],
        view: &'static str,
    ) -> Result<(), MapError> {
        map.check_kind(kinds, view)?;
        match map.value_size() {
            8 => map.check::<u32, [u8; 8]>(kinds, view),
            _ => map.check::<u32, u32>(kinds, view),
        }
    }

    pub(super) fn get(
        map: &MapData,
        key: &u32,
        flags: ElementFlags,
    ) -> Result<(u32, Option<NonZeroU32>), MapError> {
        let found = match map.value_size() {
            8 => map
                .get::<u32, [u32; 2]>(key, flags)?
                .map(|[number, program]| (number, NonZeroU32::new(program))),
            _ => map
                .get::<u32, u32>(key, flags)?
                .map(|number| (number, None)),
        };
        found.ok_or_else(|| map.key_not_found())
    }

    pub(super) fn set(
        map: &MapData,
        key: &u32,
        number: u32,
        program: Option<&ProgramFd>,
        flags: ElementFlags,
    ) -> Result<(), MapError> {
        if map.value_size() == 8 {
            // A program of -1 is none; so is 0, where descriptor 0 is not meant.
            let program = program.map_or(-1, |program| program.as_raw_fd());
            return map.set(key, &[number, program as u32], flags);
        }
        if program.is_some() {
            return Err(MapError::Unsuitable {
                name: map.name().to_owned(),
                reason: Unsuitable::NoRoomForProgram,
            });
        }
        map.set(key, &number, flags)
    }
}

macro_rules! targets {
    (
        $(#[$doc:meta])* $view:ident: $kind:ident, $value:ident { $number:ident },
        $(#[$get:meta])* get,
        $(#[$set:meta])* $set_name:ident,
        $(#[$remove:meta])* $remove_name:ident
    ) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $view<T> {
            inner: T,
        }

        impl<T: Borrow<MapData>> $view<T> {
            /// The view of a map that anything holds: a [`MapData`], a reference to one, an `Arc`.
            ///
            /// # Errors
            /// [`MapError`] that says what is different when the map is of another kind, or has
            /// other keys or values.
            pub fn new(map: T) -> Result<Self, MapError> {
                target::check(map.borrow(), &[MapType::$kind], stringify!($view))?;
                Ok($view { inner: map })
            }

            /// The map itself: its name, its description, pinning.
            pub fn map(&self) -> &MapData {
                self.inner.borrow()
            }

            $(#[$get])*
            ///
            /// # Errors
            /// [`MapError::KeyNotFound`], [`MapError::InvalidFlags`], and what the kernel refuses.
            pub fn get(
                &self,
                key: u32,
                flags: impl Into<ElementFlags>,
            ) -> Result<$value, MapError> {
                let ($number, prog_id) = target::get(self.map(), &key, flags.into())?;
                Ok($value { $number, prog_id })
            }

            /// All keys that have a value.
            pub fn keys(&self) -> impl Iterator<Item = Result<u32, MapError>> + '_ {
                Keys::new(self.map())
            }

            /// All keys and their values.
            pub fn iter(&self) -> impl Iterator<Item = Result<(u32, $value), MapError>> + '_ {
                self.keys().map(|key| {
                    let key = key?;
                    Ok((key, self.get(key, ElementFlags::ANY)?))
                })
            }
        }

        impl<T: BorrowMut<MapData>> $view<T> {
            $(#[$set])*
            ///
            /// # Errors
            /// [`MapError::Unsuitable`] for a program where values have no room for it,
            /// [`MapError::InvalidFlags`], and what the kernel refuses.
            pub fn $set_name(
                &mut self,
                key: u32,
                $number: u32,
                program: Option<&ProgramFd>,
                flags: impl Into<ElementFlags>,
            ) -> Result<(), MapError> {
                target::set(self.map(), &key, $number, program, flags.into())
            }

            $(#[$remove])*
            ///
            /// # Errors
            /// [`MapError::KeyNotFound`] when there is nothing, and what the kernel refuses.
            pub fn $remove_name(&mut self, key: u32) -> Result<(), MapError> {
                self.map().remove(&key)
            }
        }

        conversions!($view);
    };
}

targets! {
    /// Interfaces by index in the map, for `bpf_redirect_map`. Linux ≥ 4.14.
    DevMap: Devmap, DevMapValue { if_index },
    /// The interface at index `key`. `flags`: 0.
    get,
    /// Puts an interface at index `key`, with a program (of section `xdp/devmap`) that runs on the
    /// way out (Linux ≥ 5.8) or without. `flags`: 0.
    set,
    /// Empties index `key`.
    clear_index
}

targets! {
    /// Interfaces by any number, for `bpf_redirect_map`. Linux ≥ 5.4.
    DevMapHash: DevmapHash, DevMapValue { if_index },
    /// The interface of `key`. `flags`: 0.
    get,
    /// Puts an interface under `key`; as [`DevMap::set`].
    insert,
    /// Removes `key`.
    remove
}

targets! {
    /// CPUs to hand packets over to, for `bpf_redirect_map`. Linux ≥ 4.15.
    CpuMap: Cpumap, CpuMapValue { queue_size },
    /// How CPU `key` is set up. `flags`: 0.
    get,
    /// Lets up to `queue_size` packets wait for CPU `key`, where a program (of section
    /// `xdp/cpumap`) runs on them (Linux ≥ 5.9) or none. `flags`: 0.
    set,
    /// Hands no more packets over to CPU `key`.
    clear_index
}
