//! Rust types against what the map says about itself.
//!
//! Sizes are checked always. Beyond that, a map's BTF tells what its keys and values are; a Rust type
//! whose name says as much (an integer, an array of integers) is held against it, so that `u64` for a
//! struct of two counters, or `[u16; 4]` for two `u32`, is an error rather than a wrong number. Structs
//! are not compared: the two sides may well call them, and their fields, differently.

use std::{any::type_name, os::fd::AsFd as _};

use hachi_btf::{Btf, Type, Types};
use hachi_obj::GlobalVar;

use super::{MapData, MapError, MapInfo, MapType};
use crate::{Pod, sys::bpf};

/// A Rust type, for code that is compiled once.
#[derive(Clone, Copy)]
struct Given {
    size: usize,
    name: &'static str,
}

impl MapData {
    /// The check of every typed view: one of `kinds`, with keys `K` and values `V`.
    pub(crate) fn check<K: Pod, V: Pod>(
        &self,
        kinds: &[MapType],
        view: &'static str,
    ) -> Result<(), MapError> {
        let given = |size, name| Given { size, name };
        check(
            self,
            kinds,
            view,
            given(size_of::<K>(), type_name::<K>()),
            given(size_of::<V>(), type_name::<V>()),
        )
    }

    /// The check of a global variable in this map.
    pub(crate) fn check_global<V: Pod>(&self, variable: &GlobalVar) -> Result<(), MapError> {
        check_global(
            self,
            variable,
            Given {
                size: size_of::<V>(),
                name: type_name::<V>(),
            },
        )
    }

    /// The first half of [`check`](Self::check).
    pub(crate) fn check_kind(&self, kinds: &[MapType], view: &'static str) -> Result<(), MapError> {
        if self.map_type().is_some_and(|kind| kinds.contains(&kind)) {
            return Ok(());
        }
        Err(MapError::InvalidMapType {
            name: self.name().to_owned(),
            expected: view,
            actual: self.type_name(),
        })
    }
}

fn check(
    map: &MapData,
    kinds: &[MapType],
    view: &'static str,
    key: Given,
    value: Given,
) -> Result<(), MapError> {
    map.check_kind(kinds, view)?;
    if key.size != map.key_size() as usize {
        return Err(MapError::InvalidKeySize {
            name: map.name().to_owned(),
            given: key.name,
            size: key.size,
            expected: map.key_size() as usize,
            declared: declared(map).0,
        });
    }
    if value.size != map.value_size() as usize {
        return Err(MapError::InvalidValueSize {
            name: map.name().to_owned(),
            given: value.name,
            size: value.size,
            expected: map.value_size() as usize,
            declared: declared(map).1,
        });
    }
    // The kernel is only asked when the answer may matter.
    let (key_unit, value_unit) = (unit(key.name), unit(value.name));
    if key_unit.is_none() && value_unit.is_none() {
        return Ok(());
    }
    with_btf(map, |btf, key_id, value_id| {
        for (what, given, unit, id) in [
            ("keys", key, key_unit, key_id),
            ("values", value, value_unit, value_id),
        ] {
            if unit.is_some_and(|unit| !holds(btf, id, unit)) {
                return Err(MapError::TypeMismatch {
                    name: map.name().to_owned(),
                    what,
                    given: given.name,
                    declared: btf.type_name(id),
                });
            }
        }
        Ok(())
    })
    .unwrap_or(Ok(()))
}

fn check_global(map: &MapData, variable: &GlobalVar, given: Given) -> Result<(), MapError> {
    let unit = unit(given.name);
    let declared = with_btf(map, |btf, _, _| {
        let fits = unit.is_none_or(|unit| holds(btf, variable.type_id, unit));
        (format!(" ({})", btf.type_name(variable.type_id)), fits)
    });
    let (declared, fits) = match declared {
        Some(declared) if variable.type_id != 0 => declared,
        _ => (String::new(), true),
    };
    if given.size == variable.size as usize && fits {
        return Ok(());
    }
    Err(MapError::GlobalMismatch {
        name: variable.name.clone(),
        given: given.name,
        size: given.size,
        expected: variable.size as usize,
        declared,
    })
}

/// Bytes of the integers that a Rust type is made of, if its name says so. Bytes go for anything.
fn unit(name: &str) -> Option<u32> {
    let mut element = name;
    while let Some(inner) = element.strip_prefix('[') {
        element = inner.rsplit_once(';')?.0;
    }
    match element {
        "u16" | "i16" => Some(2),
        "u32" | "i32" => Some(4),
        "u64" | "i64" | "usize" | "isize" => Some(8),
        "u128" | "i128" => Some(16),
        _ => None,
    }
}

/// Whether type `id` is one value of `unit` bytes, or an array of such, in however many wrappings.
/// What cannot be told is taken to be.
fn holds(btf: &Btf<'_>, mut id: u32, unit: u32) -> bool {
    let mut array = false;
    // Types come from outside and may refer to themselves.
    for _ in 0..32 {
        let Ok(resolved) = btf.resolve(id) else {
            return true;
        };
        match btf.decode(resolved) {
            Ok(Type::Array(of)) => (id, array) = (of.type_id, true),
            Ok(Type::Struct(inner)) => match inner.members.as_slice() {
                [only] => id = only.type_id,
                _ => return false,
            },
            Ok(Type::Int(_) | Type::Enum(_) | Type::Enum64(_) | Type::Ptr(_) | Type::Float(_)) => {
                // Bytes may be anything on this side, too.
                let fits = |size| size == unit || (size == 1 && array);
                return btf.size_of(resolved).is_ok_and(fits);
            }
            _ => return true,
        }
    }
    true
}

/// What a map's keys and values are called in its BTF, in parentheses after a space; empty where it
/// has none, or we may not ask.
pub(super) fn declared(map: &MapData) -> (String, String) {
    with_btf(map, |btf, key, value| {
        let text = |id| match id {
            0 => String::new(),
            id => format!(" ({})", btf.type_name(id)),
        };
        (text(key), text(value))
    })
    .unwrap_or_default()
}

/// Calls `f` with the map's types and the ids of its key and value, if it has types. Needs
/// CAP_SYS_ADMIN.
fn with_btf<R>(map: &MapData, f: impl FnOnce(&Btf<'_>, u32, u32) -> R) -> Option<R> {
    let info = MapInfo::of(map.as_fd()).ok()?;
    let (key, value) = info.btf_types();
    let fd = bpf::btf_fd_by_id(info.btf_id()?).ok()?;
    let bytes = bpf::btf_bytes(fd.as_fd()).ok()?;
    Some(f(&Btf::parse(&bytes).ok()?, key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_integers_say_their_size() {
        assert_eq!(unit(type_name::<u64>()), Some(8));
        assert_eq!(unit(type_name::<[[i16; 3]; 2]>()), Some(2));
        assert_eq!(unit(type_name::<[u8; 3]>()), None);
        assert_eq!(unit(type_name::<(u32, u32)>()), None);
        assert_eq!(unit(type_name::<std::net::Ipv4Addr>()), None);
    }
}
