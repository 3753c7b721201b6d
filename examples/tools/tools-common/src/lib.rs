//! What the two sides of each tool agree on: its events, and the keys and values of its maps.

#![no_std]

pub mod execsnoop;
pub mod guard;
pub mod histogram;
pub mod l4lb;
pub mod opensnoop;
pub mod profile;
pub mod ratelimit;
pub mod tcp;

/// A thread's name, with zeroes after it.
pub type Comm = [u8; 16];
