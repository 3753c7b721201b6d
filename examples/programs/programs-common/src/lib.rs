//! What the two sides of the programs agree on.

#![no_std]

/// The context of `syscall`: two numbers, and room for their sum.
pub type Sum = [u64; 3];
