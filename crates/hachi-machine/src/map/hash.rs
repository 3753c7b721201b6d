//! Hash maps, with eviction and per CPU.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use super::{BPF_EXIST, BPF_NOEXIST, MapError, MapResult};
use crate::{Block, Errno, Memory};

/// FNV-1a: the same in every run, unlike the standard library's.
#[derive(Debug, Clone)]
pub struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// Keys, and the slots of their values.
#[derive(Debug, Clone)]
pub struct Hash {
    index: HashMap<Box<[u8]>, u32, BuildHasherDefault<Fnv>>,
    /// The key of each slot that was ever used; `None` if it is free.
    keys: Vec<Option<Box<[u8]>>>,
    /// Slots that are free again, the one freed last at the end.
    free: Vec<u32>,
    /// The values: a block for each CPU, or one for all.
    blocks: Vec<Block>,
    max_entries: u32,
    uses: Option<Uses>,
}

/// Which slot was used when: the least recent use goes first.
#[derive(Debug, Clone, Default)]
struct Uses {
    now: u64,
    of_slot: Vec<u64>,
    order: BTreeMap<u64, u32>,
}

impl Uses {
    fn touch(&mut self, slot: u32) {
        let at = slot as usize;
        if self.of_slot.len() <= at {
            self.of_slot.resize(at + 1, 0);
        }
        self.now += 1;
        self.order.remove(&self.of_slot[at]);
        self.of_slot[at] = self.now;
        self.order.insert(self.now, slot);
    }

    fn forget(&mut self, slot: u32) {
        if let Some(when) = self.of_slot.get(slot as usize) {
            self.order.remove(when);
        }
    }
}

impl Hash {
    pub fn new(blocks: Vec<Block>, max_entries: u32, lru: bool) -> Hash {
        Hash {
            index: HashMap::default(),
            keys: Vec::new(),
            free: Vec::new(),
            blocks,
            max_entries,
            uses: lru.then(Uses::default),
        }
    }

    pub fn find(&self, key: &[u8]) -> Option<u32> {
        self.index.get(key).copied()
    }

    /// Counts as a use, for eviction.
    pub fn touch(&mut self, slot: u32) {
        if let Some(uses) = &mut self.uses {
            uses.touch(slot);
        }
    }

    pub fn address(&self, slot: u32, cpu: u32) -> Option<u64> {
        let block = self
            .blocks
            .get(cpu as usize)
            .or_else(|| self.blocks.first())?;
        Some(block.item(slot))
    }

    pub fn update(
        &mut self,
        memory: &mut dyn Memory,
        key: &[u8],
        value: &[u8],
        flags: u64,
        cpu: u32,
    ) -> MapResult<()> {
        let slot = match (self.find(key), flags) {
            (Some(_), BPF_NOEXIST) => return Ok(Err(Errno::EEXIST)),
            (None, BPF_EXIST) => return Ok(Err(Errno::ENOENT)),
            (Some(slot), _) => slot,
            (None, _) => match self.insert(memory, key, value.len())? {
                Some(slot) => slot,
                None => return Ok(Err(Errno::E2BIG)),
            },
        };
        self.touch(slot);
        if let Some(address) = self.address(slot, cpu) {
            memory.write_owned(address, value)?;
        }
        Ok(Ok(()))
    }

    /// A slot for a new key, its values zero; `None` if the map is full.
    fn insert(
        &mut self,
        memory: &mut dyn Memory,
        key: &[u8],
        size: usize,
    ) -> Result<Option<u32>, MapError> {
        if self.index.len() >= self.max_entries as usize {
            let oldest = self
                .uses
                .as_ref()
                .and_then(|uses| uses.order.values().next());
            let Some(oldest) = oldest.and_then(|slot| self.keys[*slot as usize].clone()) else {
                return Ok(None);
            };
            self.remove(memory, &oldest)?;
        }
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.keys.push(None);
                self.keys.len() as u32 - 1
            }
        };
        for block in &self.blocks {
            memory.write_owned(block.item(slot), &vec![0; size])?;
        }
        self.keys[slot as usize] = Some(key.into());
        self.index.insert(key.into(), slot);
        Ok(Some(slot))
    }

    /// Whether the key was there.
    pub fn remove(&mut self, _: &mut dyn Memory, key: &[u8]) -> Result<bool, MapError> {
        let Some(slot) = self.index.remove(key) else {
            return Ok(false);
        };
        self.keys[slot as usize] = None;
        self.free.push(slot);
        if let Some(uses) = &mut self.uses {
            uses.forget(slot);
        }
        Ok(true)
    }

    pub fn keys(&self) -> Vec<Vec<u8>> {
        self.keys.iter().flatten().map(|key| key.to_vec()).collect()
    }
}
