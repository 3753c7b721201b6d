//! Queues and stacks.

use super::*;

macro_rules! lines {
    ($($view:ident)*) => { $(
        impl<T: Borrow<MapData>, V: Pod> $view<T, V> {
            /// How many values there is room for.
            pub fn capacity(&self) -> u32 {
                self.0.capacity()
            }
        }

        impl<T: BorrowMut<MapData>, V: Pod> $view<T, V> {
            /// Takes the next value out.
            ///
            /// # Errors
            /// [`MapError::ElementNotFound`] when there is none, and what the kernel refuses.
            pub fn pop(&mut self, flags: u64) -> Result<V, MapError> {
                match self.0.pop(flags) {
                    Ok(value) => Ok(value.0),
                    Err(error) => Err(no_element(error.into())),
                }
            }

            /// Puts a value in. `flags`: 0, or `BPF_EXIST` to push the oldest out of a full one.
            ///
            /// # Errors
            /// What the kernel refuses: `E2BIG` when it is full.
            pub fn push(&mut self, value: impl Borrow<V>, flags: u64) -> Result<(), MapError> {
                Ok(self.0.push(Plain::of(value.borrow()), flags)?)
            }
        }
    )* };
}

lines! { Queue Stack }
