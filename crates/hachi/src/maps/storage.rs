//! `BPF_MAP_TYPE_SK_STORAGE`, `_INODE_STORAGE`, `_TASK_STORAGE` and `_CGRP_STORAGE`: values that
//! live with an object of the kernel.

use std::{
    borrow::{Borrow, BorrowMut},
    os::fd::{AsFd, AsRawFd as _},
};

use super::{ElementFlags, MapData, MapError, view::view};
use crate::Pod;

/// One view for each kind of owner; the key is a descriptor of it.
macro_rules! storage {
    ($view:ident: $kind:ident, $of:literal, $fd:literal, $since:literal) => {
        view! {
            #[doc = concat!("A value for each ", $of, " that a program or user space gave")]
            #[doc = concat!("one. It goes with its owner. Linux ≥ ", $since, ".")]
            ///
            #[doc = concat!("User space names the owner by descriptor: ", $fd, ". It cannot list")]
            /// what there is; programs (iterators) can.
            $view<V>: $kind, i32 => V
        }

        impl<T: Borrow<MapData>, V: Pod> $view<T, V> {
            #[doc = concat!("The value of a ", $of, "; `None` when it has none.")]
            /// `flags`: 0 or [`ElementFlags::LOCK`].
            ///
            /// # Errors
            /// [`MapError::InvalidFlags`], and what the kernel refuses: a descriptor of something
            /// else.
            pub fn get(
                &self,
                owner: impl AsFd,
                flags: impl Into<ElementFlags>,
            ) -> Result<Option<V>, MapError> {
                self.map().get(&owner.as_fd().as_raw_fd(), flags.into())
            }
        }

        impl<T: BorrowMut<MapData>, V: Pod> $view<T, V> {
            #[doc = concat!("Sets the value of a ", $of, ".")]
            /// `flags`: 0, [`ElementFlags::NO_EXIST`] or [`ElementFlags::EXIST`], with
            /// [`ElementFlags::LOCK`] or without.
            ///
            /// # Errors
            /// [`MapError::InvalidFlags`], and what the kernel refuses: a descriptor of something
            /// else, `EEXIST` or `ENOENT` as the flags say.
            pub fn insert(
                &mut self,
                owner: impl AsFd,
                value: impl Borrow<V>,
                flags: impl Into<ElementFlags>,
            ) -> Result<(), MapError> {
                self.map()
                    .set(&owner.as_fd().as_raw_fd(), value.borrow(), flags.into())
            }

            #[doc = concat!("Removes the value of a ", $of, ".")]
            ///
            /// # Errors
            /// [`MapError::KeyNotFound`] when it has none, and what the kernel refuses.
            pub fn remove(&mut self, owner: impl AsFd) -> Result<(), MapError> {
                self.map().remove(&owner.as_fd().as_raw_fd())
            }
        }
    };
}

storage!(SkStorage: SkStorage, "socket", "the socket", "5.2");
storage!(InodeStorage: InodeStorage, "file (inode)", "the file, opened", "5.10");
storage!(TaskStorage: TaskStorage, "task", "a pidfd (`pidfd_open(2)`)", "5.11");
storage!(CgrpStorage: CgrpStorage, "cgroup (version 2)", "its directory, opened", "6.2");
