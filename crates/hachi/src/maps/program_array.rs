//! `BPF_MAP_TYPE_PROG_ARRAY`.

use std::{
    borrow::{Borrow, BorrowMut},
    os::fd::AsFd as _,
};

use super::{Keys, MapData, MapError, view::view};
use crate::fd::ProgramFd;

view! {
    /// Programs to jump to (`bpf_tail_call`), all of the same type as the one that jumps. Linux ≥
    /// 4.2.
    ///
    /// The kernel empties the array when the last descriptor and pin of it is gone, even while
    /// programs use it: keep it (or the [`Ebpf`](crate::Ebpf)) as long as jumps are to work.
    ProgramArray<>: ProgArray, "ProgramArray (prog_array)", u32 => u32
}

impl<T: Borrow<MapData>> ProgramArray<T> {
    /// All indices, filled or not.
    pub fn indices(&self) -> Keys<'_, u32> {
        Keys::alone(self.map())
    }

    /// The id of the program at `index`, if there is one. Linux ≥ 4.14.
    pub fn get(&self, index: &u32) -> Result<Option<u32>, MapError> {
        self.map().check_index(*index)?;
        self.map().get(index, 0)
    }
}

impl<T: BorrowMut<MapData>> ProgramArray<T> {
    /// Puts a program at `index`. `flags` is 0.
    pub fn set(&mut self, index: u32, program: &ProgramFd, flags: u64) -> Result<(), MapError> {
        self.map().check_index(index)?;
        self.map().put_fd(&index, program.as_fd(), flags)
    }

    /// Empties `index`: jumps there fall through. [`MapError::KeyNotFound`] when it is empty.
    pub fn clear_index(&mut self, index: &u32) -> Result<(), MapError> {
        self.map().check_index(*index)?;
        self.map().remove(index)
    }
}
