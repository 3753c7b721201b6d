//! Longest-prefix-match tries: a key is a length in bits, then data of which that many count.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasherDefault;

use hachi_asm::Endian;

use super::hash::Fnv;
use super::index::number;
use super::{BPF_EXIST, BPF_NOEXIST, MapResult};
use crate::{Block, Errno, Memory};

/// Most bytes of data in a key (`LPM_DATA_SIZE_MAX`).
const DATA: usize = 256;

/// Prefixes, and the slots of their values.
#[derive(Debug, Clone)]
pub struct Lpm {
    /// Bits of data in a key.
    bits: u32,
    endian: Endian,
    /// For each length that a prefix has, its prefixes: the bytes that count, other bits zero.
    /// Most tries have few lengths, and a lookup tries only those.
    lengths: BTreeMap<u32, Prefixes>,
    len: u32,
    free: Vec<u32>,
    next: u32,
    block: Option<Block>,
    max_entries: u32,
}

type Prefixes = HashMap<Box<[u8]>, u32, BuildHasherDefault<Fnv>>;

impl Lpm {
    pub fn new(key_size: u32, endian: Endian, blocks: Vec<Block>, max_entries: u32) -> Lpm {
        Lpm {
            bits: key_size.saturating_sub(4).saturating_mul(8),
            endian,
            lengths: BTreeMap::new(),
            len: 0,
            free: Vec::new(),
            next: 0,
            block: blocks.first().copied(),
            max_entries,
        }
    }

    /// Length and prefix of a key; `None` if the length is too large.
    fn split(&self, key: &[u8]) -> Option<(u32, Box<[u8]>)> {
        let length = number(self.endian, key).filter(|length| *length <= self.bits)?;
        let mut room = [0; DATA];
        Some((length, prefix(&mut room, key.get(4..)?, length)?.into()))
    }

    /// Of how many lengths there are prefixes: as many tries does a lookup take.
    pub fn tries(&self) -> usize {
        self.lengths.len()
    }

    /// The value of the longest prefix of the key's data that is no longer than the key says.
    pub fn lookup(&self, key: &[u8]) -> Option<u64> {
        let most = number(self.endian, key)?.min(self.bits);
        let data = key.get(4..)?;
        let mut room = [0; DATA];
        let mut lengths = self.lengths.range(..=most).rev();
        let found = lengths.find_map(|(length, prefixes)| {
            let prefix = prefix(&mut room, data, *length)?;
            prefixes.get(prefix)
        })?;
        Some(self.block?.item(*found))
    }

    fn find(&self, length: u32, prefix: &[u8]) -> Option<u32> {
        self.lengths.get(&length)?.get(prefix).copied()
    }

    pub fn update(
        &mut self,
        memory: &mut dyn Memory,
        key: &[u8],
        value: &[u8],
        flags: u64,
    ) -> MapResult<()> {
        let Some((length, prefix)) = self.split(key) else {
            return Ok(Err(Errno::EINVAL));
        };
        let slot = match (self.find(length, &prefix), flags) {
            (Some(_), BPF_NOEXIST) => return Ok(Err(Errno::EEXIST)),
            (None, BPF_EXIST) => return Ok(Err(Errno::ENOENT)),
            (Some(slot), _) => slot,
            (None, _) if self.len >= self.max_entries => return Ok(Err(Errno::ENOSPC)),
            (None, _) => {
                let slot = self.free.pop().unwrap_or_else(|| {
                    self.next += 1;
                    self.next - 1
                });
                self.lengths.entry(length).or_default().insert(prefix, slot);
                self.len += 1;
                slot
            }
        };
        if let Some(block) = self.block {
            memory.write_owned(block.item(slot), value)?;
        }
        Ok(Ok(()))
    }

    pub fn delete(&mut self, _: &mut dyn Memory, key: &[u8]) -> MapResult<()> {
        let Some((length, prefix)) = self.split(key) else {
            return Ok(Err(Errno::EINVAL));
        };
        let Some(prefixes) = self.lengths.get_mut(&length) else {
            return Ok(Err(Errno::ENOENT));
        };
        let Some(slot) = prefixes.remove(&prefix) else {
            return Ok(Err(Errno::ENOENT));
        };
        if prefixes.is_empty() {
            self.lengths.remove(&length);
        }
        self.len -= 1;
        self.free.push(slot);
        Ok(Ok(()))
    }

    /// The shortest first, those of one length by their data.
    pub fn keys(&self) -> Vec<Vec<u8>> {
        let bytes = (self.bits / 8) as usize;
        let mut keys = Vec::new();
        for (length, prefixes) in &self.lengths {
            let mut prefixes: Vec<&[u8]> = prefixes.keys().map(|prefix| &**prefix).collect();
            prefixes.sort_unstable();
            keys.extend(prefixes.into_iter().map(|prefix| {
                let mut key = self.endian.put_u32(*length).to_vec();
                key.extend_from_slice(prefix);
                key.resize(4 + bytes, 0);
                key
            }));
        }
        keys
    }
}

/// The first `length` bits of the data as whole bytes, in `room`; `None` if there are not as many.
fn prefix<'r>(room: &'r mut [u8; DATA], data: &[u8], length: u32) -> Option<&'r [u8]> {
    let len = length.div_ceil(8) as usize;
    let prefix = room.get_mut(..len)?;
    prefix.copy_from_slice(data.get(..len)?);
    let unused = (8 - length % 8) % 8;
    if let Some(last) = prefix.last_mut() {
        *last &= 0xff << unused;
    }
    Some(prefix)
}

#[cfg(test)]
mod tests {
    use super::{DATA, prefix};

    #[test]
    fn only_the_bits_of_the_prefix_count() {
        let mut room = [0xaa; DATA];
        let mut first = |length| prefix(&mut room, &[0xff, 0xff], length).map(<[u8]>::to_vec);
        assert_eq!(first(0), Some(vec![]));
        assert_eq!(first(3), Some(vec![0xe0]));
        assert_eq!(first(8), Some(vec![0xff]));
        assert_eq!(first(12), Some(vec![0xff, 0xf0]));
        assert_eq!(first(16), Some(vec![0xff, 0xff]));
        assert_eq!(first(17), None);
    }
}
