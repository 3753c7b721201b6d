//! Rust types against what the map says about itself.
//!
//! Sizes are checked always. Beyond that, a map's BTF tells what its keys and values are, and a
//! Rust type that tells the same of itself ([`Pod::LAYOUT`]) is held against it, so that `u64` for
//! a struct of two counters, `[u16; 4]` for two `u32`, or a struct whose fields are elsewhere, is
//! an error rather than a wrong number.

use std::{any::type_name, os::fd::AsFd as _};

use hachi_btf::{Btf, Types as _};
use hachi_common::layout::{Layout, Parts};
use hachi_obj::GlobalVar;

use super::{
    ElementPart, LayoutDifference, MapData, MapError, MapInfo, MapType, layout::difference,
};
use crate::{
    Pod,
    sys::{bpf, errno::SyscallError},
};

/// A Rust type, for code that is compiled once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    layout: Layout,
    name: &'static str,
}

impl Given {
    pub(crate) fn of<T: Pod>() -> Self {
        Given {
            layout: *T::LAYOUT,
            name: type_name::<T>(),
        }
    }

    /// A slice of `len` values.
    pub(crate) fn slice<T: Pod>(len: usize) -> Self {
        Given {
            layout: Layout {
                size: len * size_of::<T>(),
                parts: Parts::Elements(T::LAYOUT, len),
            },
            name: type_name::<[T]>(),
        }
    }

    /// Compares it with a global variable of an object that is not loaded yet.
    pub(crate) fn check_global(
        &self,
        variable: &GlobalVar,
        types: Option<&Btf<'_>>,
    ) -> Result<(), MapError> {
        let Some(types) = types else {
            return Ok(());
        };
        let id = variable.type_id;
        match difference(&self.layout, types, id) {
            None => Ok(()),
            found => Err(self.mismatch(variable, Some(types.type_name(id)), found)),
        }
    }

    fn mismatch(
        &self,
        variable: &GlobalVar,
        declared: Option<String>,
        difference: Option<LayoutDifference>,
    ) -> MapError {
        MapError::GlobalMismatch {
            name: variable.name.clone(),
            given: self.name,
            size: self.layout.size,
            expected: variable.size as usize,
            declared,
            difference: difference.map(Box::new),
        }
    }
}

impl MapData {
    /// The check of every typed view: one of `kinds`, with keys `K` and values `V`.
    pub(crate) fn check<K: Pod, V: Pod>(
        &self,
        kinds: &'static [MapType],
        view: &'static str,
    ) -> Result<(), MapError> {
        check(self, kinds, view, Given::of::<K>(), Given::of::<V>())
    }

    /// The check of a global variable in this map.
    pub(crate) fn check_global<V: Pod>(&self, variable: &GlobalVar) -> Result<(), MapError> {
        check_global(self, variable, Given::of::<V>())
    }

    /// The first half of [`check`](Self::check).
    pub(crate) fn check_kind(
        &self,
        kinds: &'static [MapType],
        view: &'static str,
    ) -> Result<(), MapError> {
        if self.map_type().is_some_and(|kind| kinds.contains(&kind)) {
            return Ok(());
        }
        Err(MapError::InvalidMapType {
            name: self.name().to_owned(),
            view,
            expected: kinds,
            actual: self.type_name(),
        })
    }
}

fn check(
    map: &MapData,
    kinds: &'static [MapType],
    view: &'static str,
    key: Given,
    value: Given,
) -> Result<(), MapError> {
    map.check_kind(kinds, view)?;
    if key.layout.size != map.key_size() as usize {
        return Err(MapError::InvalidKeySize {
            name: map.name().to_owned(),
            given: key.name,
            size: key.layout.size,
            expected: map.key_size() as usize,
            declared: declared(map).0,
        });
    }
    if value.layout.size != map.value_size() as usize {
        return Err(MapError::InvalidValueSize {
            name: map.name().to_owned(),
            given: value.name,
            size: value.layout.size,
            expected: map.value_size() as usize,
            declared: declared(map).1,
        });
    }
    // The kernel is only asked when the answer may matter.
    let given = [(ElementPart::Key, key), (ElementPart::Value, value)];
    if given.iter().all(|(_, given)| is_free(&given.layout)) {
        return Ok(());
    }
    with_btf(map, |btf, key_id, value_id| {
        for ((part, given), id) in given.into_iter().zip([key_id, value_id]) {
            if let Some(difference) = difference(&given.layout, btf, id) {
                return Err(MapError::TypeMismatch {
                    name: map.name().to_owned(),
                    part,
                    given: given.name,
                    declared: btf.type_name(id),
                    difference: Box::new(difference),
                });
            }
        }
        Ok(())
    })
    .map_err(|error| map.error(error))?
    .unwrap_or(Ok(()))
}

fn check_global(map: &MapData, variable: &GlobalVar, given: Given) -> Result<(), MapError> {
    let has_size = given.layout.size == variable.size as usize;
    if has_size && is_free(&given.layout) {
        return Ok(());
    }
    let (declared, difference) = with_btf(map, |btf, _, _| {
        let id = variable.type_id;
        (named(btf, id), difference(&given.layout, btf, id))
    })
    .map_err(|error| map.error(error))?
    .unwrap_or_default();
    if has_size && difference.is_none() {
        return Ok(());
    }
    Err(given.mismatch(variable, declared, difference))
}

/// Whether nothing can differ from it: bytes, and what is not described.
fn is_free(layout: &Layout) -> bool {
    match layout.parts {
        Parts::Unknown => true,
        Parts::Number => false,
        Parts::Elements(element, _) => element.size <= 1 || is_free(element),
        Parts::Fields(fields) => fields.iter().all(|field| is_free(field.layout)),
    }
}

/// What a map's keys and values are called in its BTF; for a message, which goes without where that
/// cannot be found out.
pub(super) fn declared(map: &MapData) -> (Option<String>, Option<String>) {
    with_btf(map, |btf, key, value| (named(btf, key), named(btf, value)))
        .ok()
        .flatten()
        .unwrap_or_default()
}

/// A type's name, if it is one: 0 stands for none.
fn named(btf: &Btf<'_>, id: u32) -> Option<String> {
    (id != 0).then(|| btf.type_name(id))
}

/// Calls `f` with the map's types and the ids of its key and value; `None` when the map has no
/// types, or this process may not see them. That needs CAP_SYS_ADMIN for maps that it has not
/// created. Any other error of the kernel's is one: too many open files are not "no types".
fn with_btf<R>(
    map: &MapData,
    f: impl FnOnce(&Btf<'_>, u32, u32) -> R,
) -> Result<Option<R>, SyscallError> {
    let info = MapInfo::of(map.as_fd())?;
    let (key, value) = info.btf_types();
    let Some(id) = info.btf_id() else {
        return Ok(None);
    };
    let bytes = match map.btf() {
        Some(btf) => bpf::btf_bytes(btf.as_fd()),
        None => bpf::btf_fd_by_id(id).and_then(|btf| bpf::btf_bytes(btf.as_fd())),
    };
    match bytes {
        Ok(bytes) => Ok(Btf::parse(&bytes).ok().map(|types| f(&types, key, value))),
        Err(error) => match error.errno() {
            libc::EMFILE | libc::ENFILE | libc::ENOMEM => Err(error),
            _ => Ok(None),
        },
    }
}
