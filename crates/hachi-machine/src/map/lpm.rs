//! Longest-prefix-match tries: a key is a length in bits, then data of which that many count.

use std::collections::BTreeMap;

use super::index::number;
use super::{BPF_EXIST, BPF_NOEXIST, MapResult};
use crate::{Block, Errno, Memory};

/// Prefixes, and the slots of their values.
#[derive(Debug, Clone)]
pub struct Lpm {
    /// Bits of data in a key.
    bits: u32,
    /// By length, then by the data with all other bits zero.
    prefixes: BTreeMap<(u32, Vec<u8>), u32>,
    free: Vec<u32>,
    next: u32,
    block: Option<Block>,
    max_entries: u32,
}

impl Lpm {
    pub fn new(key_size: u32, blocks: Vec<Block>, max_entries: u32) -> Lpm {
        Lpm {
            bits: key_size.saturating_sub(4).saturating_mul(8),
            prefixes: BTreeMap::new(),
            free: Vec::new(),
            next: 0,
            block: blocks.first().copied(),
            max_entries,
        }
    }

    /// Length and data of a key; `None` if the length is too large.
    fn split<'k>(&self, key: &'k [u8]) -> Option<(u32, &'k [u8])> {
        let length = number(key).filter(|length| *length <= self.bits)?;
        Some((length, key.get(4..)?))
    }

    /// The value of the longest prefix of the key's data that is no longer than the key says.
    pub fn lookup(&self, key: &[u8]) -> Option<u64> {
        let length = number(key)?.min(self.bits);
        let data = key.get(4..)?;
        let found = (0..=length)
            .rev()
            .find_map(|length| self.prefixes.get(&(length, masked(data, length))))?;
        Some(self.block?.item(*found))
    }

    pub fn update(
        &mut self,
        memory: &mut dyn Memory,
        key: &[u8],
        value: &[u8],
        flags: u64,
    ) -> MapResult<()> {
        let Some((length, data)) = self.split(key) else {
            return Ok(Err(Errno::EINVAL));
        };
        let prefix = (length, masked(data, length));
        let slot = match (self.prefixes.get(&prefix), flags) {
            (Some(_), BPF_NOEXIST) => return Ok(Err(Errno::EEXIST)),
            (None, BPF_EXIST) => return Ok(Err(Errno::ENOENT)),
            (Some(slot), _) => *slot,
            (None, _) if self.prefixes.len() >= self.max_entries as usize => {
                return Ok(Err(Errno::ENOSPC));
            }
            (None, _) => {
                let slot = self.free.pop().unwrap_or_else(|| {
                    self.next += 1;
                    self.next - 1
                });
                self.prefixes.insert(prefix, slot);
                slot
            }
        };
        if let Some(block) = self.block {
            memory.write_owned(block.item(slot), value)?;
        }
        Ok(Ok(()))
    }

    pub fn delete(&mut self, _: &mut dyn Memory, key: &[u8]) -> MapResult<()> {
        let Some((length, data)) = self.split(key) else {
            return Ok(Err(Errno::EINVAL));
        };
        match self.prefixes.remove(&(length, masked(data, length))) {
            Some(slot) => {
                self.free.push(slot);
                Ok(Ok(()))
            }
            None => Ok(Err(Errno::ENOENT)),
        }
    }

    pub fn keys(&self) -> Vec<Vec<u8>> {
        let key = |(length, data): &(u32, Vec<u8>)| [&length.to_le_bytes()[..], data].concat();
        self.prefixes.keys().map(key).collect()
    }
}

/// The data with all bits after the first `length` zero.
fn masked(data: &[u8], length: u32) -> Vec<u8> {
    let whole = (length / 8) as usize;
    let mut masked = data.to_vec();
    for (at, byte) in masked.iter_mut().enumerate().skip(whole) {
        *byte = match at == whole {
            true => *byte & !(0xff_u8.checked_shr(length % 8).unwrap_or(0)),
            false => 0,
        };
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn only_the_bits_of_the_prefix_count() {
        assert_eq!(masked(&[0xff, 0xff], 0), [0, 0]);
        assert_eq!(masked(&[0xff, 0xff], 3), [0xe0, 0]);
        assert_eq!(masked(&[0xff, 0xff], 8), [0xff, 0]);
        assert_eq!(masked(&[0xff, 0xff], 12), [0xff, 0xf0]);
        assert_eq!(masked(&[0xff, 0xff], 16), [0xff, 0xff]);
    }
}
