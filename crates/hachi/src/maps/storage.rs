//! `BPF_MAP_TYPE_SK_STORAGE`, `_INODE_STORAGE`, `_TASK_STORAGE` and `_CGRP_STORAGE`: values that
//! live with an object of the kernel.

use std::{
    borrow::{Borrow, BorrowMut},
    os::fd::{AsFd, AsRawFd as _},
};

use super::{MapData, MapError, view::view};
use crate::Pod;

/// One view for each kind of owner; the key is a descriptor of it.
macro_rules! storage {
    ($view:ident: $kind:ident, $text:literal, $of:literal, $fd:literal, $since:literal) => {
        view! {
            #[doc = concat!("A value for each ", $of, " that a program or user space gave one. It goes with its owner. Linux ≥ ", $since, ".")]
            ///
            #[doc = concat!("User space names the owner by descriptor: ", $fd, ". It cannot list what there is; programs (iterators) can.")]
            $view<V>: $kind, $text, i32 => V
        }

        impl<T: Borrow<MapData>, V: Pod> $view<T, V> {
            #[doc = concat!("The value of a ", $of, "; `None` when it has none. `flags` is 0 or [`BPF_F_LOCK`](super::BPF_F_LOCK).")]
            pub fn get(&self, owner: impl AsFd, flags: u64) -> Result<Option<V>, MapError> {
                self.map().get(&owner.as_fd().as_raw_fd(), flags)
            }
        }

        impl<T: BorrowMut<MapData>, V: Pod> $view<T, V> {
            #[doc = concat!("Sets the value of a ", $of, ". `flags`: [`BPF_ANY`](super::BPF_ANY), [`BPF_NOEXIST`](super::BPF_NOEXIST) or [`BPF_EXIST`](super::BPF_EXIST), with [`BPF_F_LOCK`](super::BPF_F_LOCK) or without.")]
            pub fn insert(&mut self, owner: impl AsFd, value: impl Borrow<V>, flags: u64) -> Result<(), MapError> {
                self.map().set(&owner.as_fd().as_raw_fd(), value.borrow(), flags)
            }

            #[doc = concat!("Removes the value of a ", $of, "; [`MapError::KeyNotFound`] when it has none.")]
            pub fn remove(&mut self, owner: impl AsFd) -> Result<(), MapError> {
                self.map().remove(&owner.as_fd().as_raw_fd())
            }
        }
    };
}

storage!(SkStorage: SkStorage, "SkStorage (sk_storage)", "socket", "the socket", "5.2");
storage!(InodeStorage: InodeStorage, "InodeStorage (inode_storage)", "file (inode)", "the file, opened", "5.10");
storage!(TaskStorage: TaskStorage, "TaskStorage (task_storage)", "task", "a pidfd (`pidfd_open(2)`)", "5.11");
storage!(CgrpStorage: CgrpStorage, "CgrpStorage (cgrp_storage)", "cgroup (version 2)", "its directory, opened", "6.2");
