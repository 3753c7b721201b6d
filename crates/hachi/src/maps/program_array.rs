//! `BPF_MAP_TYPE_PROG_ARRAY`.

use std::{
    borrow::{Borrow, BorrowMut},
    os::fd::AsFd as _,
};

use super::{ElementFlags, Keys, MapData, MapError, view::view};
use crate::fd::ProgramFd;

view! {
    /// Programs to jump to (`bpf_tail_call`), all of the same type as the one that jumps. Linux ≥
    /// 4.2.
    ///
    /// The kernel empties the array when the last descriptor and pin of it is gone, even while
    /// programs use it: keep it (or the [`Ebpf`](crate::Ebpf)) as long as jumps are to work.
    ProgramArray<>: ProgArray, u32 => u32
}

impl<T: Borrow<MapData>> ProgramArray<T> {
    /// All indices, filled or not.
    pub fn indices(&self) -> Keys<'_, u32> {
        Keys::alone(self.map())
    }

    /// The id of the program at `index`, if there is one. Linux ≥ 4.14.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], and what the kernel refuses.
    pub fn get(&self, index: &u32) -> Result<Option<u32>, MapError> {
        self.map().check_index(*index)?;
        self.map().get(index, ElementFlags::ANY)
    }
}

impl<T: BorrowMut<MapData>> ProgramArray<T> {
    /// Puts a program at `index`. `flags`: 0.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], [`MapError::InvalidFlags`], and what the kernel refuses: `EINVAL`
    /// for a program of another type than those that jump.
    pub fn set(
        &mut self,
        index: u32,
        program: &ProgramFd,
        flags: impl Into<ElementFlags>,
    ) -> Result<(), MapError> {
        self.map().check_index(index)?;
        self.map().put_fd(&index, program.as_fd(), flags.into())
    }

    /// Empties `index`: jumps there fall through.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`]; [`MapError::KeyNotFound`] when it is empty.
    pub fn clear_index(&mut self, index: &u32) -> Result<(), MapError> {
        self.map().check_index(*index)?;
        self.map().remove(index)
    }
}
