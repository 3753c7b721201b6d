//! `BPF_MAP_TYPE_INSN_ARRAY`.

use std::borrow::{Borrow, BorrowMut};

use super::{ElementFlags, MapData, MapError, view::view};
use crate::Pod;

view! {
    /// Where instructions of a program have gone to: targets of indirect jumps, places to find
    /// again after verification. Linux ≥ 6.19.
    ///
    /// Filled with offsets in the program as given, then frozen, then the program that uses it is
    /// loaded; from then on it says where each instruction went. One program uses it, at most.
    InsnArray<>: InsnArray, u32 => InsnArrayValue
}

/// `struct bpf_insn_array_value`. Offsets count instructions of the program as a whole, except for
/// machine code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct InsnArrayValue {
    /// In the program as given.
    pub orig_off: u32,
    /// In the program after verification; `u32::MAX` when the verifier has removed it. Read only.
    pub xlated_off: u32,
    /// In the machine code, in bytes. Read only.
    pub jitted_off: u32,
    /// The end of the struct; 0.
    pub padding: u32,
}

// SAFETY: integers, without padding other than the named.
unsafe impl Pod for InsnArrayValue {}

impl<T: Borrow<MapData>> InsnArray<T> {
    /// Where the instruction of element `index` is.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], and what the kernel refuses.
    pub fn get(&self, index: &u32) -> Result<InsnArrayValue, MapError> {
        let map = self.map();
        map.check_index(*index)?;
        map.get(index, ElementFlags::ANY)?
            .ok_or_else(|| map.key_not_found())
    }
}

impl<T: BorrowMut<MapData>> InsnArray<T> {
    /// Lets element `index` follow the instruction at `orig_off`.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], and what the kernel refuses: `EBUSY` once a program uses it.
    pub fn set(&mut self, index: u32, orig_off: u32) -> Result<(), MapError> {
        let map = self.map();
        map.check_index(index)?;
        let value = InsnArrayValue {
            orig_off,
            ..Default::default()
        };
        map.set(&index, &value, ElementFlags::ANY)
    }
}
