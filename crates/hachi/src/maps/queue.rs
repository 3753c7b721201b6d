//! `BPF_MAP_TYPE_QUEUE` and `BPF_MAP_TYPE_STACK`.

use std::borrow::{Borrow, BorrowMut};

use super::{MapData, MapError, view::view};
use crate::Pod;

view! {
    /// Values that leave in the order in which they came. Linux ≥ 4.20.
    Queue<V>: Queue, "Queue (queue)", () => V
}

view! {
    /// Values of which the last that came is the first to leave. Linux ≥ 4.20.
    Stack<V>: Stack, "Stack (stack)", () => V
}

macro_rules! operations {
    ($view:ident, $next:literal) => {
        impl<T: Borrow<MapData>, V: Pod> $view<T, V> {
            /// The most values it can hold.
            pub fn capacity(&self) -> u32 {
                self.map().max_entries()
            }

            #[doc = concat!("The ", $next, " value, which stays; `None` when it is empty.")]
            pub fn peek(&self) -> Result<Option<V>, MapError> {
                self.map().get(&(), 0)
            }
        }

        impl<T: BorrowMut<MapData>, V: Pod> $view<T, V> {
            #[doc = concat!("Removes the ", $next, " value; [`MapError::KeyNotFound`] when it is empty. `flags` is 0.")]
            pub fn pop(&mut self, flags: u64) -> Result<V, MapError> {
                let map = self.map();
                map.take(&(), flags)?.ok_or_else(|| map.key_not_found())
            }

            /// Adds a value. When it is full, an error, unless `flags` is
            /// [`BPF_EXIST`](super::BPF_EXIST): then the oldest value goes.
            pub fn push(&mut self, value: impl Borrow<V>, flags: u64) -> Result<(), MapError> {
                self.map().set(&(), value.borrow(), flags)
            }
        }
    };
}

operations!(Queue, "oldest");
operations!(Stack, "newest");
