//! What is read to find a place in a program: its symbols, its USDT notes, and the dynamic linker's
//! cache.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| hachi::fuzzing::user(bytes));
