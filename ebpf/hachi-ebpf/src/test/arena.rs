//! Pages of arenas: ordinary memory, at the same address for everybody.

use super::kernel::map_at;
use super::map;
use super::state::with;
use crate::cty::c_void;

const PAGE: usize = 4096;

/// The address of `count` pages for an arena; 0 when that is more than it may have.
pub(crate) fn arena_pages(count: u32, arena: *mut c_void) -> u64 {
    with(|state| {
        let most = map_at(state, arena).definition.max_entries as usize;
        let have: usize = state.arena.iter().map(|(_, len)| len / PAGE).sum();
        if count == 0 || have + count as usize > most {
            return 0;
        }
        let len = count as usize * PAGE;
        let address = map::allocate(len).expose_provenance() as u64;
        state.arena.push((address, len));
        address
    })
}

/// Where `len` bytes at an address are, if they are in pages that were allocated.
pub(crate) fn in_arena(address: u64, len: usize) -> Option<*mut u8> {
    let end = address.checked_add(len as u64)?;
    with(|state| {
        let mut pages = state.arena.iter();
        let inside = |&(start, size): &(u64, usize)| start <= address && end <= start + size as u64;
        let found = pages.any(inside);
        found.then(|| std::ptr::with_exposed_provenance_mut(address as usize))
    })
}
