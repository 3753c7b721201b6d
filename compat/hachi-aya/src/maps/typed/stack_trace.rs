//! Stacks of calls.

use super::*;

impl<T: Borrow<MapData>> StackTraceMap<T> {
    /// The stack with this number.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`], and what the kernel refuses.
    pub fn get(&self, stack_id: &u32, flags: u64) -> Result<hachi::maps::StackTrace, MapError> {
        Ok(self.0.get(stack_id, flags)?)
    }

    /// The numbers of all stacks.
    pub fn stack_ids(&self) -> MapKeys<'_, u32> {
        MapKeys::new(self.0.stack_ids())
    }

    /// All stacks.
    pub fn iter(&self) -> MapIter<'_, u32, hachi::maps::StackTrace, Self> {
        MapIter {
            keys: self.stack_ids(),
            map: self,
            _value: PhantomData,
        }
    }
}

impl<T: Borrow<MapData>> IterableMap<u32, hachi::maps::StackTrace> for StackTraceMap<T> {
    fn map(&self) -> &MapData {
        MapData::of(self.0.map())
    }

    fn get(&self, key: &u32) -> Result<hachi::maps::StackTrace, MapError> {
        StackTraceMap::get(self, key, 0)
    }
}

impl<'a, T: Borrow<MapData>> IntoIterator for &'a StackTraceMap<T> {
    type Item = Result<(u32, hachi::maps::StackTrace), MapError>;
    type IntoIter = MapIter<'a, u32, hachi::maps::StackTrace, StackTraceMap<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: BorrowMut<MapData>> StackTraceMap<T> {
    /// Removes a stack.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`], and what the kernel refuses.
    pub fn remove(&mut self, stack_id: &u32) -> Result<(), MapError> {
        Ok(self.0.remove(stack_id)?)
    }
}
