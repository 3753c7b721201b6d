//! Maps in the memory of the test.
//!
//! The semantics follow `kernel/bpf/{hashtab,arraymap,lpm_trie,queue_stack_maps,bloom_filter,
//! ringbuf}.c`.

use std::boxed::Box;
use std::collections::{BTreeMap, VecDeque};
use std::vec;
use std::vec::Vec;

use super::Done;
use super::errno::*;
use crate::bindings::bpf_map_type::*;
use crate::bindings::{BPF_EXIST, BPF_F_LOCK, BPF_NOEXIST};

/// What stands at the beginning of the definition of a map of any kind.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Definition {
    pub kind: u32,
    pub max_entries: u32,
    pub map_flags: u32,
    pub pinning: u32,
    pub key_size: u32,
    pub value_size: u32,
}

pub struct Map {
    pub definition: Definition,
    pub contents: Contents,
    /// Counts uses of entries.
    clock: u64,
}

pub enum Contents {
    /// All values one after the other.
    Array(*mut u8),
    Table(BTreeMap<Vec<u8>, Entry>),
    /// Keys with all bits beyond the prefix zero.
    Trie(BTreeMap<Vec<u8>, Entry>),
    Queue(VecDeque<Vec<u8>>),
    Ring(Ring),
    /// Records of a perf buffer; records of user space for the program.
    Records(VecDeque<Vec<u8>>),
}

/// An entry that can be removed.
pub struct Entry {
    pub value: *mut u8,
    /// When it was last used, by the map's clock.
    used: u64,
}

/// A ring buffer. Positions count bytes since the beginning.
#[derive(Default)]
pub struct Ring {
    pub records: VecDeque<RingRecord>,
    pub produced: u64,
    pub consumed: u64,
}

pub struct RingRecord {
    pub data: *mut u8,
    pub len: usize,
    pub state: RecordState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum RecordState {
    Busy,
    Submitted,
    Discarded,
}

/// Zeroed memory that is never given back, aligned as much as any value wants.
pub fn allocate(len: usize) -> *mut u8 {
    let memory = vec![0_u128; len.div_ceil(size_of::<u128>()).max(1)];
    Box::leak(memory.into_boxed_slice()).as_mut_ptr().cast()
}

/// A copy of `value` in memory of its own.
pub fn allocated(value: &[u8]) -> *mut u8 {
    let memory = allocate(value.len());
    // SAFETY: the memory is new and long enough.
    unsafe { memory.copy_from_nonoverlapping(value.as_ptr(), value.len()) };
    memory
}

/// Values start at multiples of 8 bytes, or what more their type may want.
fn stride(value_size: u32) -> usize {
    let size = value_size as usize;
    size.next_multiple_of(if size.is_multiple_of(16) { 16 } else { 8 })
}

impl Map {
    pub fn new(definition: Definition) -> Map {
        let contents = match definition.kind {
            BPF_MAP_TYPE_ARRAY | BPF_MAP_TYPE_PERCPU_ARRAY => {
                let each = stride(definition.value_size);
                Contents::Array(allocate(definition.max_entries as usize * each))
            }
            BPF_MAP_TYPE_LPM_TRIE => Contents::Trie(BTreeMap::new()),
            BPF_MAP_TYPE_QUEUE | BPF_MAP_TYPE_STACK => Contents::Queue(VecDeque::new()),
            BPF_MAP_TYPE_RINGBUF => Contents::Ring(Ring::default()),
            BPF_MAP_TYPE_PERF_EVENT_ARRAY | BPF_MAP_TYPE_USER_RINGBUF => {
                Contents::Records(VecDeque::new())
            }
            _ => Contents::Table(BTreeMap::new()),
        };
        Map {
            definition,
            contents,
            clock: 0,
        }
    }

    /// The bytes of a key.
    ///
    /// # Safety
    /// There is a key.
    pub unsafe fn key(&self, key: *const u8) -> Vec<u8> {
        // SAFETY: the caller's promise.
        let key = unsafe { std::slice::from_raw_parts(key, self.definition.key_size as usize) };
        key.to_vec()
    }

    /// Whether its values are the addresses of maps.
    pub fn holds_maps(&self) -> bool {
        let kind = self.definition.kind;
        kind == BPF_MAP_TYPE_ARRAY_OF_MAPS || kind == BPF_MAP_TYPE_HASH_OF_MAPS
    }

    /// Whether the map belongs to kernel objects: entries come and go with them.
    fn is_storage(&self) -> bool {
        let kind = self.definition.kind;
        matches!(
            kind,
            BPF_MAP_TYPE_SK_STORAGE
                | BPF_MAP_TYPE_INODE_STORAGE
                | BPF_MAP_TYPE_TASK_STORAGE
                | BPF_MAP_TYPE_CGRP_STORAGE
                | BPF_MAP_TYPE_CGROUP_STORAGE
                | BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE
        )
    }

    fn is_lru(&self) -> bool {
        let kind = self.definition.kind;
        kind == BPF_MAP_TYPE_LRU_HASH || kind == BPF_MAP_TYPE_LRU_PERCPU_HASH
    }

    /// Maps with an index and no zeros at the beginning: of programs, maps, devices, sockets, CPUs.
    fn is_table_by_index(&self) -> bool {
        matches!(
            self.definition.kind,
            BPF_MAP_TYPE_PROG_ARRAY
                | BPF_MAP_TYPE_ARRAY_OF_MAPS
                | BPF_MAP_TYPE_CGROUP_ARRAY
                | BPF_MAP_TYPE_DEVMAP
                | BPF_MAP_TYPE_CPUMAP
                | BPF_MAP_TYPE_XSKMAP
                | BPF_MAP_TYPE_SOCKMAP
                | BPF_MAP_TYPE_REUSEPORT_SOCKARRAY
        )
    }

    fn element(&self, all: *mut u8, key: &[u8]) -> Option<*mut u8> {
        let index = u32::from_ne_bytes(key.try_into().ok()?);
        let offset = index as usize * stride(self.definition.value_size);
        (index < self.definition.max_entries).then(|| all.wrapping_add(offset))
    }

    /// Where the value of `key` is.
    pub fn lookup(&mut self, key: &[u8]) -> Option<*mut u8> {
        match &mut self.contents {
            &mut Contents::Array(all) => self.element(all, key),
            Contents::Table(entries) => {
                let entry = entries.get_mut(key)?;
                self.clock += 1;
                entry.used = self.clock;
                Some(entry.value)
            }
            Contents::Trie(entries) => {
                let wanted = prefix_len(key);
                if wanted > 8 * (key.len() - 4) {
                    return None;
                }
                let prefixes = (0..=wanted).rev();
                prefixes
                    .filter_map(|len| entries.get(&masked(key, len)))
                    .map(|entry| entry.value)
                    .next()
            }
            _ => None,
        }
    }

    pub fn update(&mut self, key: &[u8], value: &[u8], flags: u64) -> Done {
        if flags & !BPF_F_LOCK > BPF_EXIST {
            return Err(EINVAL);
        }
        let Definition {
            kind, max_entries, ..
        } = self.definition;
        let in_place = kind == BPF_MAP_TYPE_PERCPU_HASH || kind == BPF_MAP_TYPE_LRU_PERCPU_HASH;
        let (lru, by_index, storage) = (self.is_lru(), self.is_table_by_index(), self.is_storage());
        match &mut self.contents {
            &mut Contents::Array(all) => {
                let place = self.element(all, key).ok_or(E2BIG)?;
                if flags & BPF_NOEXIST != 0 {
                    return Err(EEXIST);
                }
                // SAFETY: the place is one of a value.
                unsafe { place.copy_from_nonoverlapping(value.as_ptr(), value.len()) };
                Ok(())
            }
            Contents::Table(entries) => {
                if by_index && index(key) >= max_entries {
                    return Err(E2BIG);
                }
                self.clock += 1;
                let now = self.clock;
                check_flags(flags, entries.contains_key(key))?;
                if let Some(entry) = entries.get_mut(key) {
                    entry.used = now;
                    if in_place {
                        // SAFETY: the place is one of a value.
                        unsafe {
                            entry
                                .value
                                .copy_from_nonoverlapping(value.as_ptr(), value.len())
                        };
                    } else {
                        entry.value = allocated(value);
                    }
                    return Ok(());
                }
                if entries.len() >= max_entries as usize && !storage {
                    let oldest = entries.iter().min_by_key(|(_, entry)| entry.used);
                    let oldest = oldest.map(|(key, _)| key.clone());
                    match oldest {
                        Some(oldest) if lru => drop(entries.remove(&oldest)),
                        _ => return Err(E2BIG),
                    }
                }
                let value = allocated(value);
                entries.insert(key.to_vec(), Entry { value, used: now });
                Ok(())
            }
            Contents::Trie(entries) => {
                if prefix_len(key) > 8 * (key.len() - 4) {
                    return Err(EINVAL);
                }
                let key = masked(key, prefix_len(key));
                check_flags(flags, entries.contains_key(&key))?;
                if entries.len() >= max_entries as usize && !entries.contains_key(&key) {
                    return Err(ENOSPC);
                }
                let value = allocated(value);
                entries.insert(key, Entry { value, used: 0 });
                Ok(())
            }
            _ => Err(EINVAL),
        }
    }

    pub fn delete(&mut self, key: &[u8]) -> Done {
        let removed = match &mut self.contents {
            Contents::Table(entries) => entries.remove(key),
            Contents::Trie(_) if prefix_len(key) > 8 * (key.len() - 4) => return Err(EINVAL),
            Contents::Trie(entries) => entries.remove(&masked(key, prefix_len(key))),
            _ => return Err(EINVAL),
        };
        removed.map(drop).ok_or(ENOENT)
    }

    /// All keys and the places of their values.
    pub fn entries(&self) -> Vec<(Vec<u8>, *mut u8)> {
        match &self.contents {
            &Contents::Array(all) => (0..self.definition.max_entries)
                .map(u32::to_ne_bytes)
                .filter_map(|key| Some((key.to_vec(), self.element(all, &key)?)))
                .collect(),
            Contents::Table(entries) | Contents::Trie(entries) => entries
                .iter()
                .map(|(key, entry)| (key.clone(), entry.value))
                .collect(),
            _ => Vec::new(),
        }
    }

    pub fn push(&mut self, value: &[u8], flags: u64) -> Done {
        let max_entries = self.definition.max_entries as usize;
        match &mut self.contents {
            Contents::Queue(values) => {
                if flags > BPF_EXIST || flags == BPF_NOEXIST {
                    return Err(EINVAL);
                }
                if values.len() >= max_entries {
                    if flags != BPF_EXIST {
                        return Err(E2BIG);
                    }
                    values.pop_front();
                }
                values.push_back(value.to_vec());
                Ok(())
            }
            // A Bloom filter knows exactly.
            Contents::Table(entries) => {
                if flags != 0 {
                    return Err(EINVAL);
                }
                let entry = Entry {
                    value: allocate(0),
                    used: 0,
                };
                entries.insert(value.to_vec(), entry);
                Ok(())
            }
            _ => Err(EINVAL),
        }
    }

    /// The next value of a queue or stack, which is taken out if `take`; or whether `value` is in a
    /// Bloom filter.
    pub fn next(&mut self, value: &mut [u8], take: bool) -> Done {
        let stack = self.definition.kind == BPF_MAP_TYPE_STACK;
        match &mut self.contents {
            Contents::Queue(values) => {
                let next = match (stack, take) {
                    (true, true) => values.pop_back(),
                    (false, true) => values.pop_front(),
                    (true, false) => values.back().cloned(),
                    (false, false) => values.front().cloned(),
                };
                let Some(next) = next else {
                    value.fill(0);
                    return Err(ENOENT);
                };
                value.copy_from_slice(&next);
                Ok(())
            }
            Contents::Table(entries) if !take => match entries.contains_key(&*value) {
                true => Ok(()),
                false => Err(ENOENT),
            },
            _ => Err(EINVAL),
        }
    }
}

fn check_flags(flags: u64, exists: bool) -> Done {
    match flags & !BPF_F_LOCK {
        BPF_NOEXIST if exists => Err(EEXIST),
        BPF_EXIST if !exists => Err(ENOENT),
        _ => Ok(()),
    }
}

fn index(key: &[u8]) -> u32 {
    key.try_into().map_or(u32::MAX, u32::from_ne_bytes)
}

/// The length in a key of a trie, which stands before the bits.
fn prefix_len(key: &[u8]) -> usize {
    key.first_chunk().map_or(0, |len| u32::from_ne_bytes(*len)) as usize
}

/// A key of a trie that is `len` bits long.
fn masked(key: &[u8], len: usize) -> Vec<u8> {
    let mut masked = (len as u32).to_ne_bytes().to_vec();
    for (i, byte) in key[4..].iter().enumerate() {
        let bits = len.saturating_sub(8 * i).min(8);
        masked.push(byte & !(0xff_u32 >> bits) as u8);
    }
    masked
}

/// What the kernel writes before each record.
const HEADER: u64 = 8;

fn occupied(len: usize) -> u64 {
    (HEADER + len as u64).next_multiple_of(8)
}

impl Ring {
    pub fn reserve(&mut self, size: u32, len: usize) -> Option<*mut u8> {
        let produced = self.produced + occupied(len);
        if produced - self.consumed > u64::from(size) - 1 {
            return None;
        }
        self.produced = produced;
        let data = allocate(len);
        self.records.push_back(RingRecord {
            data,
            len,
            state: RecordState::Busy,
        });
        Some(data)
    }

    /// Ends a reservation, if it is one of this buffer's.
    pub fn commit(&mut self, data: *mut u8, state: RecordState) -> bool {
        let busy = |record: &&mut RingRecord| record.state == RecordState::Busy;
        let mut busy = self.records.iter_mut().filter(busy);
        let record = busy.find(|record| record.data == data);
        record.map(|record| record.state = state).is_some()
    }

    /// The records that the reader gets: those before the first that is not finished.
    pub fn consume(&mut self) -> Vec<Vec<u8>> {
        let mut records = Vec::new();
        while let Some(record) = self.records.front() {
            if record.state == RecordState::Busy {
                break;
            }
            self.consumed += occupied(record.len);
            if record.state == RecordState::Submitted {
                // SAFETY: the record has this length; nobody writes it any more.
                records
                    .push(unsafe { std::slice::from_raw_parts(record.data, record.len) }.to_vec());
            }
            self.records.pop_front();
        }
        records
    }
}
