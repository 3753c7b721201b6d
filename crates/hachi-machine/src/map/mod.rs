//! Maps with the kernel's semantics and error numbers.
//!
//! A map's values lie in [`Memory`], since programs get their addresses; its keys are here.

mod bloom;
mod error;
mod hash;
mod index;
mod lpm;
mod ring;

use std::collections::{BTreeMap, VecDeque};

use hachi_asm::Endian;
use hachi_obj::{MapSpec, MapType, flags};

use crate::{Block, Errno, Fault, Kind, Memory, OutOfMemory, Protection};
use bloom::Bloom;
pub use error::{CreateError, Refusal};
use hash::Hash;
use lpm::Lpm;
pub use ring::{Ring, RingRecord};

pub use hachi_obj::flags::{BPF_ANY, BPF_EXIST, BPF_F_LOCK, BPF_NOEXIST};

/// Why a map cannot be used at all, as opposed to an [`Errno`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MapError {
    /// A pointer to a key or value leads nowhere.
    Fault(Fault),
    /// The budget of memory is spent.
    OutOfMemory,
}

impl From<Fault> for MapError {
    fn from(fault: Fault) -> MapError {
        MapError::Fault(fault)
    }
}

impl From<OutOfMemory> for MapError {
    fn from(_: OutOfMemory) -> MapError {
        MapError::OutOfMemory
    }
}

/// The result of a map operation: a number of Linux if it is refused.
pub type MapResult<T> = Result<Result<T, Errno>, MapError>;

/// An event that a program sent through a perf event array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PerfEvent {
    /// The CPU whose buffer it went to.
    pub cpu: u32,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A map.
#[derive(Debug, Clone)]
pub struct Map {
    name: String,
    kind: MapType,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
    cpus: u32,
    /// The order of bytes in keys that are numbers.
    endian: Endian,
    store: Store,
}

#[derive(Debug, Clone)]
enum Store {
    /// One block for each CPU, or one for all.
    Array(Vec<Block>),
    Hash(Hash),
    Lpm(Lpm),
    /// A queue, or a stack if the second is set.
    Queue(VecDeque<Vec<u8>>, bool),
    Bloom(Bloom),
    Ring(Ring),
    Perf(Vec<PerfEvent>),
    /// Numbers of programs.
    Programs(BTreeMap<u32, u32>),
    /// Numbers of maps, by key.
    Maps(BTreeMap<Vec<u8>, u32>),
    /// What redirections lead to, by key: interfaces, CPUs, sockets. In memory, since programs may
    /// look them up.
    Targets(Hash),
    /// Values of an owner each: a task, a socket, a cgroup, an inode.
    Storage(Hash),
    /// Stack traces, by id.
    Stacks(BTreeMap<u32, Vec<u64>>),
    Arena(Block),
}

impl Map {
    /// Makes a map as its `spec` says, for a machine with this many CPUs.
    ///
    /// # Errors
    /// What the kernel would refuse, and kinds of maps that mean nothing off-kernel.
    pub fn new(spec: &MapSpec, cpus: u32, memory: &mut dyn Memory) -> Result<Map, CreateError> {
        let refuse = |errno, reason: Refusal| CreateError {
            map: spec.name.clone(),
            kind: spec.kind,
            errno,
            reason,
        };
        let invalid = |reason: Refusal| refuse(Errno::EINVAL, reason);
        let mut map = Map {
            name: spec.name.clone(),
            kind: spec.kind,
            key_size: spec.key_size,
            value_size: spec.value_size,
            max_entries: spec.max_entries,
            flags: spec.flags,
            cpus: cpus.max(1),
            endian: memory.endian(),
            store: Store::Arena(Block {
                address: 0,
                stride: 1,
            }),
        };
        let kind = Kind::MapValue {
            map: spec.name.clone(),
        };
        let protection = Protection::writable_if(spec.flags & flags::BPF_F_RDONLY_PROG == 0);
        map.check(spec, &invalid)?;
        if matches!(spec.kind, MapType::PerfEventArray) && map.max_entries == 0 {
            map.max_entries = map.cpus;
        }
        let blocks = |memory: &mut dyn Memory, count: u32| -> Result<Vec<Block>, CreateError> {
            (0..count)
                .map(|_| {
                    memory.allocate(kind.clone(), spec.value_size, map.max_entries, protection)
                })
                .collect::<Result<_, _>>()
                .map_err(|_| refuse(Errno::ENOMEM, Refusal::OutOfMemory))
        };
        let hash = |memory: &mut dyn Memory, count: u32, lru: bool| {
            Ok(Hash::new(blocks(memory, count)?, map.max_entries, lru))
        };
        map.store = match spec.kind {
            MapType::Array => Store::Array(blocks(memory, 1)?),
            MapType::PercpuArray => Store::Array(blocks(memory, map.cpus)?),
            MapType::Hash | MapType::Rhash => Store::Hash(hash(memory, 1, false)?),
            MapType::LruHash => Store::Hash(hash(memory, 1, true)?),
            MapType::PercpuHash => Store::Hash(hash(memory, map.cpus, false)?),
            MapType::LruPercpuHash => Store::Hash(hash(memory, map.cpus, true)?),
            MapType::LpmTrie => {
                let values = blocks(memory, 1)?;
                Store::Lpm(Lpm::new(
                    spec.key_size,
                    memory.endian(),
                    values,
                    map.max_entries,
                ))
            }
            MapType::Queue => Store::Queue(VecDeque::new(), false),
            MapType::Stack => Store::Queue(VecDeque::new(), true),
            MapType::BloomFilter => {
                let hashes = (spec.map_extra & 0xf) as u32;
                Store::Bloom(Bloom::new(spec.max_entries, hashes))
            }
            MapType::Ringbuf | MapType::UserRingbuf => Store::Ring(Ring::new(spec.max_entries)),
            MapType::PerfEventArray => Store::Perf(Vec::new()),
            MapType::ProgArray => Store::Programs(BTreeMap::new()),
            MapType::ArrayOfMaps | MapType::HashOfMaps => Store::Maps(BTreeMap::new()),
            MapType::Devmap
            | MapType::DevmapHash
            | MapType::Cpumap
            | MapType::Xskmap
            | MapType::Sockmap
            | MapType::Sockhash
            | MapType::ReuseportSockarray
            | MapType::CgroupArray => Store::Targets(hash(memory, 1, false)?),
            MapType::SkStorage
            | MapType::InodeStorage
            | MapType::TaskStorage
            | MapType::CgrpStorage => {
                map.max_entries = 1 << 16;
                let block = memory.allocate(kind.clone(), spec.value_size, 1 << 16, protection);
                let block = block.map_err(|_| refuse(Errno::ENOMEM, Refusal::OutOfMemory))?;
                Store::Storage(Hash::new(vec![block], 1 << 16, false))
            }
            MapType::CgroupStorage | MapType::PercpuCgroupStorage => {
                let block = memory.allocate(kind.clone(), spec.value_size, 1, protection);
                let block = block.map_err(|_| refuse(Errno::ENOMEM, Refusal::OutOfMemory))?;
                Store::Array(vec![block])
            }
            MapType::StackTrace => Store::Stacks(BTreeMap::new()),
            MapType::Arena => {
                let kind = Kind::Arena {
                    map: spec.name.clone(),
                };
                let size = spec.max_entries.checked_mul(4096);
                let size = size.ok_or_else(|| invalid(Refusal::ArenaSize))?;
                let block = memory.allocate(kind, size, 1, Protection::ReadWrite);
                Store::Arena(block.map_err(|_| refuse(Errno::ENOMEM, Refusal::OutOfMemory))?)
            }
            _ => return Err(refuse(Errno::EOPNOTSUPP, Refusal::OffKernel)),
        };
        if let (Store::Array(blocks), Some(contents)) = (&map.store, &spec.contents) {
            let block = blocks[0];
            let len = contents.len().min(spec.value_size as usize);
            memory
                .write_owned(block.address, &contents[..len])
                .map_err(|fault| refuse(Errno::EFAULT, Refusal::Contents(fault)))?;
        }
        Ok(map)
    }

    /// What the kernel checks when a map is made.
    fn check(
        &self,
        spec: &MapSpec,
        invalid: &dyn Fn(Refusal) -> CreateError,
    ) -> Result<(), CreateError> {
        let wrong = |reason| Err(invalid(reason));
        let is_array = matches!(
            self.kind,
            MapType::Array
                | MapType::PercpuArray
                | MapType::ProgArray
                | MapType::PerfEventArray
                | MapType::ArrayOfMaps
                | MapType::CgroupArray
                | MapType::Devmap
                | MapType::Cpumap
                | MapType::Xskmap
                | MapType::Sockmap
                | MapType::ReuseportSockarray
        );
        if is_array && self.key_size != 4 {
            return wrong(Refusal::KeySize { least: 4, most: 4 });
        }
        let keyless = matches!(
            self.kind,
            MapType::Queue
                | MapType::Stack
                | MapType::BloomFilter
                | MapType::Ringbuf
                | MapType::UserRingbuf
        );
        if keyless && self.key_size != 0 {
            return wrong(Refusal::HasNoKeys);
        }
        let storage = matches!(
            self.kind,
            MapType::SkStorage
                | MapType::InodeStorage
                | MapType::TaskStorage
                | MapType::CgrpStorage
                | MapType::CgroupStorage
                | MapType::PercpuCgroupStorage
                | MapType::Arena
        );
        match self.kind {
            MapType::Ringbuf | MapType::UserRingbuf => {
                if self.value_size != 0 {
                    return wrong(Refusal::HasNoValues);
                }
                if !self.max_entries.is_power_of_two() || !self.max_entries.is_multiple_of(4096) {
                    return wrong(Refusal::RingSize);
                }
            }
            MapType::LpmTrie => {
                if self.flags & flags::BPF_F_NO_PREALLOC == 0 {
                    return wrong(Refusal::NeedsNoPrealloc);
                }
                // The length of the prefix, and 1 to 256 bytes of data.
                let (least, most) = (4 + 1, 4 + 256);
                if !(least..=most).contains(&self.key_size) {
                    return wrong(Refusal::KeySize { least, most });
                }
            }
            MapType::Arena if self.key_size != 0 => return wrong(Refusal::HasNoKeys),
            MapType::Arena if self.value_size != 0 => return wrong(Refusal::HasNoValues),
            MapType::Hash | MapType::LruHash | MapType::PercpuHash | MapType::LruPercpuHash
                if self.key_size == 0 =>
            {
                return wrong(Refusal::NoKeySize);
            }
            _ => {}
        }
        let valueless = matches!(
            self.kind,
            MapType::Ringbuf | MapType::UserRingbuf | MapType::Arena
        );
        if !valueless && self.value_size == 0 {
            return wrong(Refusal::NoValueSize);
        }
        let per_cpu = matches!(self.kind, MapType::PerfEventArray);
        if !storage && !per_cpu && spec.max_entries == 0 {
            return wrong(Refusal::NoEntries);
        }
        Ok(())
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its type.
    pub fn kind(&self) -> MapType {
        self.kind
    }

    /// Bytes of a key.
    pub fn key_size(&self) -> u32 {
        self.key_size
    }

    /// Bytes of a value.
    pub fn value_size(&self) -> u32 {
        self.value_size
    }

    /// How many entries it can hold; bytes, for a ring buffer.
    pub fn max_entries(&self) -> u32 {
        self.max_entries
    }

    /// How many tries a lookup takes, for each of which the key is hashed.
    pub(crate) fn tries(&self) -> usize {
        match &self.store {
            Store::Lpm(lpm) => lpm.tries(),
            _ => 1,
        }
    }

    /// Whether a key has the size of its keys.
    fn is_key(&self, key: &[u8]) -> bool {
        key.len() == self.key_size as usize
    }

    /// Whether each CPU has values of its own.
    pub fn is_per_cpu(&self) -> bool {
        matches!(
            self.kind,
            MapType::PercpuArray | MapType::PercpuHash | MapType::LruPercpuHash
        )
    }

    /// The address of value 0, for a map of global variables.
    pub fn direct_value(&self) -> Option<Block> {
        match &self.store {
            Store::Array(blocks) if self.kind == MapType::Array => blocks.first().copied(),
            Store::Arena(block) => Some(*block),
            _ => None,
        }
    }

    /// The ring buffer, if it is one.
    pub fn ring(&mut self) -> Option<&mut Ring> {
        match &mut self.store {
            Store::Ring(ring) if self.kind == MapType::Ringbuf => Some(ring),
            _ => None,
        }
    }

    /// The entry whose value holds an address: its key, and where the value begins.
    pub fn entry_at(&mut self, address: u64) -> Option<(Vec<u8>, u64)> {
        let size = u64::from(self.value_size);
        let keys = self.keys().into_iter();
        let mut entries = keys.filter_map(|key| Some((self.lookup(&key, 0)?, key)));
        let found = entries.find(|(value, _)| address.wrapping_sub(*value) < size);
        found.map(|(value, key)| (key, value))
    }

    /// The ring buffer that user space writes, if it is one.
    pub fn user_ring(&mut self) -> Option<&mut Ring> {
        match &mut self.store {
            Store::Ring(ring) if self.kind == MapType::UserRingbuf => Some(ring),
            _ => None,
        }
    }

    /// Where the value of an owner is, in a storage.
    pub fn storage_of(&mut self, owner: &[u8; 8]) -> Option<u64> {
        match &mut self.store {
            Store::Storage(hash) => hash.address(hash.find(owner)?, 0),
            _ => None,
        }
    }

    /// Sets the value of an owner in a storage.
    ///
    /// # Errors
    /// The errno is the kernel's; `EINVAL` for a map of another type.
    pub fn add_storage(
        &mut self,
        memory: &mut dyn Memory,
        owner: &[u8; 8],
        value: &[u8],
        flags: u64,
    ) -> MapResult<()> {
        match &mut self.store {
            Store::Storage(hash) => hash.update(memory, owner, value, flags, 0),
            _ => Ok(Err(Errno::EINVAL)),
        }
    }

    /// Removes the value of an owner from a storage.
    ///
    /// # Errors
    /// `ENOENT` if it has none, `EINVAL` for a map of another type.
    pub fn remove_storage(&mut self, memory: &mut dyn Memory, owner: &[u8; 8]) -> MapResult<()> {
        match &mut self.store {
            Store::Storage(hash) => Ok(match hash.remove(memory, owner)? {
                true => Ok(()),
                false => Err(Errno::ENOENT),
            }),
            _ => Ok(Err(Errno::EINVAL)),
        }
    }

    /// Keeps a call chain; its id, or the errno of a map that has another one there. `None` for a
    /// map of another type.
    pub(crate) fn add_stack(&mut self, chain: Vec<u64>, reuse: bool) -> Option<Result<u32, Errno>> {
        let (max_entries, most) = (self.max_entries, self.value_size as usize / 8);
        match &mut self.store {
            Store::Stacks(stacks) => {
                let kept: Vec<u64> = chain.into_iter().take(most).collect();
                let mut hasher = hash::Fnv::default();
                for address in &kept {
                    std::hash::Hasher::write(&mut hasher, &address.to_le_bytes());
                }
                let hash = std::hash::Hasher::finish(&hasher);
                let id = (hash % u64::from(max_entries.max(1))) as u32;
                Some(match stacks.get(&id) {
                    Some(held) if *held != kept && !reuse => Err(Errno::EEXIST),
                    _ => {
                        stacks.insert(id, kept);
                        Ok(id)
                    }
                })
            }
            _ => None,
        }
    }

    /// The events sent through it, if it is a perf event array.
    pub fn perf_events(&mut self) -> Option<&mut Vec<PerfEvent>> {
        match &mut self.store {
            Store::Perf(events) => Some(events),
            _ => None,
        }
    }

    /// The program at an index of a program array.
    pub fn program(&self, index: u32) -> Option<u32> {
        match &self.store {
            Store::Programs(programs) => programs.get(&index).copied(),
            _ => None,
        }
    }

    /// Puts a program, by its number, into a program array.
    ///
    /// # Errors
    /// `E2BIG` for an index beyond its end, `EINVAL` for a map of another type.
    pub fn set_program(&mut self, index: u32, program: u32) -> Result<(), Errno> {
        let max_entries = self.max_entries;
        match &mut self.store {
            Store::Programs(_) if index >= max_entries => Err(Errno::E2BIG),
            Store::Programs(programs) => {
                programs.insert(index, program);
                Ok(())
            }
            _ => Err(Errno::EINVAL),
        }
    }

    /// The map at a key of a map of maps.
    pub fn inner(&self, key: &[u8]) -> Option<u32> {
        match &self.store {
            Store::Maps(maps) => maps.get(key).copied(),
            _ => None,
        }
    }

    /// Puts a map, by its number, into a map of maps.
    ///
    /// # Errors
    /// `E2BIG` if there is no room, `EINVAL` for a map of another type or a key of another size.
    pub fn set_inner(&mut self, key: &[u8], map: u32) -> Result<(), Errno> {
        let (max_entries, key_size) = (self.max_entries, self.key_size);
        let is_array = self.kind == MapType::ArrayOfMaps;
        let endian = self.endian;
        match &mut self.store {
            Store::Maps(_) if key.len() != key_size as usize => Err(Errno::EINVAL),
            Store::Maps(maps) => {
                let full = match is_array {
                    true => index::array(endian, key, max_entries).is_none(),
                    false => maps.len() >= max_entries as usize && !maps.contains_key(key),
                };
                if full {
                    return Err(Errno::E2BIG);
                }
                maps.insert(key.to_vec(), map);
                Ok(())
            }
            _ => Err(Errno::EINVAL),
        }
    }

    /// Where the value of a key is, for the CPU given; a map of maps has none.
    pub fn lookup(&mut self, key: &[u8], cpu: u32) -> Option<u64> {
        let endian = self.endian;
        match &mut self.store {
            Store::Array(blocks) => {
                let at = match self.kind {
                    MapType::CgroupStorage | MapType::PercpuCgroupStorage => 0,
                    _ => index::array(endian, key, self.max_entries)?,
                };
                let block = blocks.get(cpu as usize).or_else(|| blocks.first())?;
                Some(block.item(at))
            }
            Store::Hash(hash) | Store::Targets(hash) | Store::Storage(hash) => {
                let slot = hash.find(key)?;
                hash.touch(slot);
                hash.address(slot, cpu)
            }
            Store::Lpm(lpm) => lpm.lookup(key),
            _ => None,
        }
    }

    /// Sets the value of a key, for the CPU given only; other CPUs' values of a new key are zeros.
    ///
    /// # Errors
    /// The errno is the kernel's: `EEXIST`, `ENOENT`, `E2BIG`, `EINVAL` …
    pub fn update(
        &mut self,
        memory: &mut dyn Memory,
        key: &[u8],
        value: &[u8],
        flags: u64,
        cpu: u32,
    ) -> MapResult<()> {
        let flags = flags & !BPF_F_LOCK;
        if flags > BPF_EXIST {
            return Ok(Err(Errno::EINVAL));
        }
        if value.len() != self.value_size as usize || !self.is_key(key) {
            return Ok(Err(Errno::EINVAL));
        }
        let (kind, max_entries, endian) = (self.kind, self.max_entries, self.endian);
        match &mut self.store {
            Store::Array(blocks) => {
                let Some(at) = index::array(endian, key, max_entries) else {
                    return Ok(Err(Errno::E2BIG));
                };
                if flags == BPF_NOEXIST {
                    return Ok(Err(Errno::EEXIST));
                }
                let block = blocks.get(cpu as usize).or_else(|| blocks.first());
                if let Some(block) = block {
                    memory.write_owned(block.item(at), value)?;
                }
                Ok(Ok(()))
            }
            Store::Hash(hash) | Store::Storage(hash) => hash.update(memory, key, value, flags, cpu),
            Store::Targets(hash) => {
                let is_array = matches!(
                    kind,
                    MapType::Devmap
                        | MapType::Cpumap
                        | MapType::Xskmap
                        | MapType::Sockmap
                        | MapType::ReuseportSockarray
                        | MapType::CgroupArray
                );
                if is_array && index::array(endian, key, max_entries).is_none() {
                    return Ok(Err(Errno::E2BIG));
                }
                hash.update(memory, key, value, flags, 0)
            }
            Store::Lpm(lpm) => lpm.update(memory, key, value, flags),
            _ => Ok(Err(Errno::EINVAL)),
        }
    }

    /// Removes a key.
    ///
    /// # Errors
    /// `ENOENT` if it is not there, `EINVAL` where keys cannot be removed.
    pub fn delete(&mut self, memory: &mut dyn Memory, key: &[u8]) -> MapResult<()> {
        if !self.is_key(key) {
            return Ok(Err(Errno::EINVAL));
        }
        let endian = self.endian;
        let there = |found: bool| Ok(if found { Ok(()) } else { Err(Errno::ENOENT) });
        match &mut self.store {
            Store::Hash(hash) | Store::Targets(hash) | Store::Storage(hash) => {
                there(hash.remove(memory, key)?)
            }
            Store::Lpm(lpm) => lpm.delete(memory, key),
            Store::Programs(programs) => {
                let at = index::number(endian, key);
                there(at.is_some_and(|at| programs.remove(&at).is_some()))
            }
            Store::Maps(maps) => there(maps.remove(key).is_some()),
            _ => Ok(Err(Errno::EINVAL)),
        }
    }

    /// Adds a value to a queue, stack or bloom filter (`bpf_map_push_elem`).
    ///
    /// # Errors
    /// `E2BIG` if it is full and `flags` is not [`BPF_EXIST`], which makes room by dropping the
    /// oldest; `EINVAL` for other flags and other maps.
    pub fn push(&mut self, value: &[u8], flags: u64) -> Result<(), Errno> {
        if value.len() != self.value_size as usize {
            return Err(Errno::EINVAL);
        }
        match &mut self.store {
            Store::Queue(values, _) => {
                if flags != BPF_ANY && flags != BPF_EXIST {
                    return Err(Errno::EINVAL);
                }
                if values.len() >= self.max_entries as usize {
                    if flags != BPF_EXIST {
                        return Err(Errno::E2BIG);
                    }
                    values.pop_front();
                }
                values.push_back(value.to_vec());
                Ok(())
            }
            Store::Bloom(_) if flags != BPF_ANY => Err(Errno::EINVAL),
            Store::Bloom(bloom) => {
                bloom.add(value);
                Ok(())
            }
            _ => Err(Errno::EINVAL),
        }
    }

    /// Takes a value from a queue or stack.
    ///
    /// # Errors
    /// `ENOENT` if it is empty, `EINVAL` for other maps.
    pub fn pop(&mut self) -> Result<Vec<u8>, Errno> {
        let found = match &mut self.store {
            Store::Queue(values, false) => values.pop_front(),
            Store::Queue(values, true) => values.pop_back(),
            _ => return Err(Errno::EINVAL),
        };
        found.ok_or(Errno::ENOENT)
    }

    /// What [`Map::pop`] would take from a queue or stack.
    ///
    /// # Errors
    /// As of [`Map::pop`].
    pub fn peek(&self) -> Result<Vec<u8>, Errno> {
        let found = match &self.store {
            Store::Queue(values, false) => values.front(),
            Store::Queue(values, true) => values.back(),
            _ => return Err(Errno::EINVAL),
        };
        found.cloned().ok_or(Errno::ENOENT)
    }

    /// Whether a bloom filter may hold a value.
    ///
    /// # Errors
    /// `ENOENT` if it does not, `EINVAL` for other maps.
    pub fn contains(&self, value: &[u8]) -> Result<(), Errno> {
        match &self.store {
            Store::Bloom(bloom) if bloom.contains(value) => Ok(()),
            Store::Bloom(_) => Err(Errno::ENOENT),
            _ => Err(Errno::EINVAL),
        }
    }

    /// The keys it holds, in an order that depends only on what was done with it.
    pub fn keys(&self) -> Vec<Vec<u8>> {
        match &self.store {
            Store::Array(_) => (0..self.max_entries)
                .map(|at| self.endian.put_u32(at).into())
                .collect(),
            Store::Hash(hash) | Store::Targets(hash) | Store::Storage(hash) => hash.keys(),
            Store::Lpm(lpm) => lpm.keys(),
            Store::Programs(programs) => programs
                .keys()
                .map(|at| self.endian.put_u32(*at).into())
                .collect(),
            Store::Maps(maps) => maps.keys().cloned().collect(),
            Store::Queue(..)
            | Store::Bloom(_)
            | Store::Ring(_)
            | Store::Perf(_)
            | Store::Stacks(_)
            | Store::Arena(_) => Vec::new(),
        }
    }

    /// The value of a key: one for each CPU if the map is per CPU, else one. Unlike
    /// [`Map::lookup`], it does not count as a use.
    ///
    /// # Errors
    /// If its memory is gone.
    pub fn values(&self, memory: &dyn Memory, key: &[u8]) -> Result<Vec<Vec<u8>>, Fault> {
        let cpus = if self.is_per_cpu() { self.cpus } else { 1 };
        let (size, endian) = (self.value_size as usize, self.endian);
        let address = |cpu: u32| match &self.store {
            Store::Array(blocks) => {
                let at = index::array(endian, key, self.max_entries)?;
                Some(blocks.get(cpu as usize)?.item(at))
            }
            Store::Hash(hash) | Store::Targets(hash) | Store::Storage(hash) => {
                hash.address(hash.find(key)?, cpu)
            }
            Store::Lpm(lpm) => lpm.lookup(key),
            _ => None,
        };
        let addresses = (0..cpus).filter_map(address);
        addresses
            .map(|address| memory.bytes(address, size))
            .collect()
    }

    /// The stack trace of this id, if it is a map of stack traces.
    pub fn stack_trace(&self, id: u32) -> Option<&[u64]> {
        match &self.store {
            Store::Stacks(stacks) => stacks.get(&id).map(Vec::as_slice),
            _ => None,
        }
    }

    /// The values of a queue or stack, oldest first.
    pub fn queued(&self) -> Option<Vec<Vec<u8>>> {
        match &self.store {
            Store::Queue(values, _) => Some(values.iter().cloned().collect()),
            _ => None,
        }
    }
}
