//! What the two sides of each tool agree on: its events, and the keys and values of its maps.

#![no_std]

pub mod execsnoop;

/// A thread's name, with zeroes after it.
pub type Comm = [u8; 16];
