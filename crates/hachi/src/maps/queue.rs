//! `BPF_MAP_TYPE_QUEUE` and `BPF_MAP_TYPE_STACK`.

use std::borrow::{Borrow, BorrowMut};

use super::{ElementFlags, MapData, MapError, Operation, view::view};
use crate::Pod;

view! {
    /// Values that leave in the order in which they came. Linux ≥ 4.20.
    Queue<V>: Queue, () => V
}

view! {
    /// Values that leave in the opposite order: the last to come is the first to go. Linux ≥ 4.20.
    Stack<V>: Stack, () => V
}

macro_rules! operations {
    ($view:ident, $next:literal) => {
        impl<T: Borrow<MapData>, V: Pod> $view<T, V> {
            /// The most values it can hold.
            pub fn capacity(&self) -> u32 {
                self.map().max_entries()
            }

            #[doc = concat!("The ", $next, " value, which stays; `None` when it is empty.")]
            ///
            /// # Errors
            /// What the kernel refuses.
            pub fn peek(&self) -> Result<Option<V>, MapError> {
                self.map().get(&(), ElementFlags::ANY)
            }
        }

        impl<T: BorrowMut<MapData>, V: Pod> $view<T, V> {
            #[doc = concat!("Removes the ", $next, " value. `flags`: 0.")]
            ///
            /// # Errors
            /// [`MapError::KeyNotFound`] when it is empty, [`MapError::InvalidFlags`], and what the
            /// kernel refuses.
            pub fn pop(&mut self, flags: impl Into<ElementFlags>) -> Result<V, MapError> {
                let (map, flags) = (self.map(), flags.into());
                flags.check(map, Operation::Take, ElementFlags::ANY)?;
                map.take(&(), flags)?.ok_or_else(|| map.key_not_found())
            }

            /// Adds a value. `flags`: 0, or [`ElementFlags::EXIST`] to drop the oldest value when
            /// there is no room.
            ///
            /// # Errors
            /// [`MapError::InvalidFlags`], and what the kernel refuses: `E2BIG` when it is full.
            pub fn push(
                &mut self,
                value: impl Borrow<V>,
                flags: impl Into<ElementFlags>,
            ) -> Result<(), MapError> {
                let (map, flags) = (self.map(), flags.into());
                flags.check(map, Operation::Update, ElementFlags::EXIST)?;
                map.set(&(), value.borrow(), flags)
            }
        }
    };
}

operations!(Queue, "oldest");
operations!(Stack, "newest");
