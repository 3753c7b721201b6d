//! Keys that are numbers.

use hachi_asm::Endian;

/// A key of 4 bytes as a number, in the order of the machine that is imitated.
pub fn number(endian: Endian, key: &[u8]) -> Option<u32> {
    key.first_chunk().map(|bytes| endian.u32(*bytes))
}

/// The index that a key is, if it is below the end.
pub fn array(endian: Endian, key: &[u8], max_entries: u32) -> Option<u32> {
    number(endian, key).filter(|at| *at < max_entries)
}
