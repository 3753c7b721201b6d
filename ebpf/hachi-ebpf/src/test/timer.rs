//! Timers: they expire when a test lets time pass.

use std::boxed::Box;
use std::vec::Vec;

use super::errno::*;
use super::state::{State, with};
use super::{Done, helpers, map};
use crate::cty::c_void;

/// A timer that was prepared.
pub struct Timer {
    map: usize,
    callback: Option<Callback>,
    /// When it expires, if it runs.
    expires: Option<u64>,
}

type Callback = unsafe extern "C" fn(*mut u8, *const u8, *mut u8) -> i32;

/// `BPF_F_TIMER_ABS`
const ABSOLUTE: u64 = 1;

/// Whether a timer was prepared as one in values of that map.
pub(crate) fn is_of(timer: *const (), map: *const c_void) -> bool {
    with(|state| {
        let timer = state.timers.get(&timer.addr());
        timer.is_some_and(|timer| timer.map == map.addr())
    })
}

pub fn init(state: &mut State, timer: usize, map: usize) -> Done {
    if state.timers.contains_key(&timer) {
        return Err(EBUSY);
    }
    let prepared = Timer {
        map,
        callback: None,
        expires: None,
    };
    state.timers.insert(timer, prepared);
    Ok(())
}

/// # Safety
/// The address is that of a callback for timers.
pub unsafe fn set_callback(state: &mut State, timer: usize, callback: *const ()) -> Done {
    let timer = state.timers.get_mut(&timer).ok_or(EINVAL)?;
    // SAFETY: the caller's promise.
    timer.callback = Some(unsafe { std::mem::transmute::<*const (), Callback>(callback) });
    Ok(())
}

pub fn start(state: &mut State, timer: usize, nanoseconds: u64, flags: u64) -> Done {
    let from = if flags & ABSOLUTE != 0 {
        0
    } else {
        helpers::now(state)
    };
    let timer = state.timers.get_mut(&timer).ok_or(EINVAL)?;
    timer.callback.ok_or(EINVAL)?;
    timer.expires = Some(from.saturating_add(nanoseconds));
    Ok(())
}

/// Whether it was running.
pub fn cancel(state: &mut State, timer: usize) -> Done<bool> {
    let timer = state.timers.get_mut(&timer).ok_or(EINVAL)?;
    Ok(timer.expires.take().is_some())
}

/// Stops the clock at `time`, after calling what expires until then, each at its time.
pub fn advance_to(time: u64) {
    while let Some((at, expired)) = with(|state| next_expired(state, time)) {
        with(|state| state.time = Some(at));
        if let Some((map_at, key, value, callback)) = expired {
            let key = map::allocated(&key);
            // SAFETY: the callback is one for this map; key and value are its.
            unsafe { callback(map_at, key, value) };
        }
    }
    with(|state| state.time = Some(time));
}

type Expired = (*mut u8, Box<[u8]>, *mut u8, Callback);

/// The timer that expires first, not after `time`; and what is to be called, unless its entry is
/// gone.
fn next_expired(state: &mut State, time: u64) -> Option<(u64, Option<Expired>)> {
    let running = state.timers.iter();
    let running = running.filter_map(|(at, timer)| Some((timer.expires?, *at)));
    let (expires, at) = running.min().filter(|(expires, _)| *expires <= time)?;
    let timer = state.timers.get_mut(&at)?;
    timer.expires = None;
    let callback = timer.callback?;
    let map_at = std::ptr::with_exposed_provenance_mut(timer.map);
    let map = state.maps.get(&timer.map)?;
    let size = map.definition.value_size as usize;
    let entry = map.entries().into_iter();
    let entry = entry.filter(|(_, value)| (value.addr()..value.addr() + size).contains(&at));
    let entry: Vec<_> = entry.collect();
    let expired = entry.into_iter().next();
    Some((
        expires,
        expired.map(|(key, value)| (map_at, key.into(), value, callback)),
    ))
}
