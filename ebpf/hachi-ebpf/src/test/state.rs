//! What the kernel of a thread knows.

use std::boxed::Box;
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::mem::MaybeUninit;
use std::rc::Rc;
use std::string::String;
use std::vec::Vec;

use super::map::Map;
use super::packet::Frame;
use super::task::Task;
use super::timer::Timer;
use crate::{Pod, Shareable};

/// A helper that a test has put in another's place.
pub type Replacement = Rc<RefCell<dyn FnMut([u64; 5]) -> u64>>;

#[derive(Default)]
pub struct State {
    /// By the address of their statics, made when first used.
    pub maps: HashMap<usize, Map>,
    /// Values of variables that are not those they start with, by the variables' addresses.
    pub globals: HashMap<usize, Box<[MaybeUninit<u8>]>>,
    /// Nanoseconds since the start, if a test has stopped the clock.
    pub time: Option<u64>,
    pub task: Task,
    /// The next random numbers, and what those after them are made from.
    pub random: VecDeque<u32>,
    pub seed: u64,
    pub printed: Vec<String>,
    /// Addresses and lengths of what arenas have allocated.
    pub arena: Vec<(u64, usize)>,
    /// Packets that programs are running on.
    pub frames: Vec<Frame>,
    /// By the timers' addresses.
    pub timers: HashMap<usize, Timer>,
    pub replaced: HashMap<u32, Replacement>,
}

std::thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

/// Calls `f` with this thread's state. `f` must call no program: that would want the state as well.
pub fn with<R>(f: impl FnOnce(&mut State) -> R) -> R {
    STATE.with_borrow_mut(f)
}

/// The bits that this thread's programs or tests gave to a variable.
pub(crate) fn global<T: Pod>(variable: *const T) -> Option<T> {
    with(|state| {
        let value = state.globals.get(&variable.addr())?;
        // A variable that is not a static may have another's address.
        if value.len() != size_of::<T>() {
            return None;
        }
        // SAFETY: as long as a `T`, and any initialised bytes make one: `set_global` puts no others
        // there.
        Some(unsafe { value.as_ptr().cast::<T>().read_unaligned() })
    })
}

/// Gives a variable a value, for this thread.
pub(crate) fn set_global<T: Shareable>(variable: *const T, value: T) {
    let mut bytes = Box::new_uninit_slice(size_of::<T>());
    // SAFETY: there is room for a `T`.
    unsafe { bytes.as_mut_ptr().cast::<T>().write_unaligned(value) };
    with(|state| state.globals.insert(variable.addr(), bytes));
}
