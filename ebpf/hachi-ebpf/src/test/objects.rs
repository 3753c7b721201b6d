//! Objects that programs make, and lists and trees of them.
//!
//! A head and a node are two words each: a list's first and last node, a node's next and previous
//! one; 0 for none. A tree is a list that is kept in order.

use std::ptr::with_exposed_provenance_mut;

use super::map;
use crate::objects::{Allocated as _, Item, TreeItem};

/// A list's first and last node, a node's next and previous one.
type Words = *mut [u64; 2];

/// Memory that is never given back, so that an address of something dropped is only stale.
pub fn new<A>(_type_id: u64) -> *mut A {
    map::allocate(size_of::<A>()).cast()
}

pub fn drop<A>(_object: *mut A) {}

fn at(address: u64) -> Words {
    with_exposed_provenance_mut(address as usize)
}

/// Puts `node` between two others, or at an end.
fn link(head: Words, before: u64, node: Words, after: u64) {
    let address = node.expose_provenance() as u64;
    // SAFETY: heads lie in values of maps, nodes at the beginning of objects; neither go away.
    unsafe {
        *node = [after, before];
        match before {
            0 => (*head)[0] = address,
            _ => (*at(before))[0] = address,
        }
        match after {
            0 => (*head)[1] = address,
            _ => (*at(after))[1] = address,
        }
    }
}

pub fn push<A>(head: *mut [u64; 2], node: *mut A, front: bool) -> i32 {
    // SAFETY: as above.
    let [first, last] = unsafe { *head };
    match front {
        true => link(head, 0, node.cast(), first),
        false => link(head, last, node.cast(), 0),
    }
    0
}

pub fn pop<A>(head: *mut [u64; 2], front: bool) -> *mut A {
    // SAFETY: as above.
    let [first, last] = unsafe { *head };
    let node = if front { first } else { last };
    match node {
        0 => std::ptr::null_mut(),
        _ => remove(head, at(node).cast()),
    }
}

pub fn add<T: Item + Ord>(root: *mut [u64; 2], node: *mut TreeItem<T>) -> i32 {
    // SAFETY: both are objects whose values were written.
    let value = |node: *mut TreeItem<T>| unsafe { *TreeItem::value(node) };
    // SAFETY: as above.
    let [mut after, mut before] = unsafe { [(*root)[0], 0] };
    while after != 0 && value(at(after).cast()) <= value(node) {
        before = after;
        // SAFETY: as above.
        after = unsafe { (*at(after))[0] };
    }
    link(root, before, node.cast(), after);
    0
}

pub fn first<A>(root: *mut [u64; 2]) -> *mut A {
    // SAFETY: as above.
    match unsafe { (*root)[0] } {
        0 => std::ptr::null_mut(),
        first => at(first).cast(),
    }
}

pub fn remove<A>(head: *mut [u64; 2], node: *mut A) -> *mut A {
    // SAFETY: as above.
    unsafe {
        let [after, before] = *node.cast::<[u64; 2]>();
        match before {
            0 => (*head)[0] = after,
            _ => (*at(before))[0] = after,
        }
        match after {
            0 => (*head)[1] = before,
            _ => (*at(after))[1] = before,
        }
    }
    node
}
