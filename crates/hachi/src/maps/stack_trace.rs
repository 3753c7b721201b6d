//! `BPF_MAP_TYPE_STACK_TRACE`.

use hachi_obj::flags::BPF_F_STACK_BUILD_ID;
use std::borrow::{Borrow, BorrowMut};

use super::{ElementFlags, Keys, MapData, MapError, MapType, Unsuitable, view::conversions};

/// Call stacks by the ids that the helper `bpf_get_stackid` returns. Linux ≥ 4.6.
///
/// ```no_run
/// use hachi::maps::StackTraceMap;
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let stacks = StackTraceMap::try_from(ebpf.map("STACKS")?)?;
/// for stack in stacks.iter() {
///     for frame in stack?.frames() {
///         println!("{:#x}", frame.ip);
///     }
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct StackTraceMap<T> {
    inner: T,
    max_depth: usize,
}

/// One call stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackTrace {
    /// What the program got.
    pub id: u32,
    frames: Vec<StackFrame>,
}

/// One call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StackFrame {
    /// The address of the instruction.
    pub ip: u64,
}

impl StackTrace {
    /// The calls, innermost first.
    pub fn frames(&self) -> &[StackFrame] {
        &self.frames
    }
}

impl<T: Borrow<MapData>> StackTraceMap<T> {
    /// The view of a map that anything holds: a [`MapData`], a reference to one, an `Arc`.
    ///
    /// # Errors
    /// [`MapError`] that says what is different when the map is of another kind, or has
    /// other keys or values.
    pub fn new(map: T) -> Result<Self, MapError> {
        let data = map.borrow();
        data.check_kind(&[MapType::StackTrace], "StackTraceMap")?;
        if data.flags() & BPF_F_STACK_BUILD_ID != 0 {
            return Err(MapError::Unsuitable {
                name: data.name().to_owned(),
                reason: Unsuitable::BuildIds,
            });
        }
        let max_depth = data.value_size() as usize / size_of::<u64>();
        Ok(StackTraceMap {
            inner: map,
            max_depth,
        })
    }

    /// The map itself: its name, its description, pinning.
    pub fn map(&self) -> &MapData {
        self.inner.borrow()
    }

    /// The most calls that a stack can have; deeper ones are cut.
    pub fn max_stack_depth(&self) -> usize {
        self.max_depth
    }

    /// The stack of an id. `flags`: 0.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`] when there is none, [`MapError::InvalidFlags`], and what the
    /// kernel refuses.
    pub fn get(
        &self,
        stack_id: &u32,
        flags: impl Into<ElementFlags>,
    ) -> Result<StackTrace, MapError> {
        let bytes = self
            .map()
            .lookup_bytes(&stack_id.to_ne_bytes(), flags)?
            .ok_or_else(|| self.map().key_not_found())?;
        let (addresses, _) = bytes.as_chunks();
        let frames = addresses
            .iter()
            .map(|&bytes| u64::from_ne_bytes(bytes))
            .take_while(|&ip| ip != 0)
            .map(|ip| StackFrame { ip })
            .collect();
        Ok(StackTrace {
            id: *stack_id,
            frames,
        })
    }

    /// All ids there are.
    pub fn stack_ids(&self) -> Keys<'_, u32> {
        Keys::new(self.map())
    }

    /// All stacks there are.
    pub fn iter(&self) -> impl Iterator<Item = Result<StackTrace, MapError>> + '_ {
        self.stack_ids().map(|id| self.get(&id?, ElementFlags::ANY))
    }
}

impl<T: BorrowMut<MapData>> StackTraceMap<T> {
    /// Removes a stack, which makes room for another.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`] when there is none of that id.
    pub fn remove(&mut self, stack_id: &u32) -> Result<(), MapError> {
        self.map().remove(stack_id)
    }
}

conversions!(StackTraceMap);
