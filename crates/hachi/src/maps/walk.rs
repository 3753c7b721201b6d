//! How elements are fetched for iterators.
//!
//! Two ways, chosen by map type and kernel:
//!
//! - *Batches* (hash maps and arrays, Linux ≥ 5.6): for hash maps the kernel copies whole buckets
//!   and its cursor is a bucket number, so deletions cannot lead the walk astray: an element that
//!   stays in the map is seen exactly once. A batch that comes back short is not the end; only
//!   `ENOENT` is.
//! - *Key by key* (other types, older kernels; resizable hashes too, whose batches go by key and
//!   lose their way when the table is resized, which draining it does): the kernel answers "the key
//!   after this one", and when this one was deleted meanwhile it starts over. Keys already seen are
//!   therefore remembered (as 128-bit hashes), so that a restart repeats nothing and the walk
//!   always ends.

use std::{
    collections::{HashSet, hash_map::DefaultHasher},
    fmt,
    hash::Hasher as _,
    os::fd::AsFd as _,
    ptr,
};

use super::{MapData, MapError, MapType, batch::unsupported};
use crate::{Pod, features, sys::bpf};

/// What becomes of the elements that are walked over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Walked {
    /// They stay in the map.
    Stay,
    /// They are removed from it.
    Go,
}

/// Elements of one size, in a row, aligned for any Rust type that a map is likely to hold.
pub(super) struct Buffer {
    words: Vec<u128>,
    element: usize,
}

impl Buffer {
    pub(super) const ALIGN: usize = align_of::<u128>();

    fn new(element: usize, count: usize) -> Self {
        let mut buffer = Buffer {
            words: Vec::new(),
            element,
        };
        buffer.make_room(count);
        buffer
    }

    fn make_room(&mut self, count: usize) {
        let bytes = self.element.saturating_mul(count);
        self.words.resize(bytes.div_ceil(size_of::<u128>()), 0);
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        let bytes = size_of_val(self.words.as_slice());
        // SAFETY: integers are their bytes.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr().cast(), bytes) }
    }

    fn at_mut(&mut self, index: usize) -> *mut u8 {
        debug_assert!((index + 1) * self.element <= self.bytes().len());
        self.words
            .as_mut_ptr()
            .cast::<u8>()
            .wrapping_add(index * self.element)
    }

    #[inline]
    pub(super) fn element(&self, index: usize) -> &[u8] {
        &self.bytes()[index * self.element..(index + 1) * self.element]
    }

    /// The first `count` elements as the Rust type they are.
    pub(super) fn typed<T: Pod>(&self, count: usize) -> &[T] {
        assert!(align_of::<T>() <= Self::ALIGN && size_of::<T>() == self.element);
        assert!(count * self.element <= self.bytes().len());
        // SAFETY: size and alignment were just checked, all bytes are initialised, and a Pod
        // accepts any.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr().cast(), count) }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.bytes().len())
    }
}

/// A walk over the elements of one map. (The map is given to each step: the one it was made for.)
#[derive(Debug)]
pub(super) struct Walk {
    keys: Buffer,
    values: Buffer,
    filled: usize,
    /// Elements the buffers have room for.
    room: usize,
    /// Room to be used key by key.
    room_by_key: usize,
    walked: Walked,
    state: State,
}

#[derive(Debug)]
enum State {
    Batch {
        cursor: Vec<u8>,
        cursor_out: Vec<u8>,
        started: bool,
    },
    Keys(KeyWalk),
    Done,
}

/// A walk from key to key.
#[derive(Debug)]
pub(super) struct KeyWalk {
    key: Vec<u8>,
    next: Vec<u8>,
    started: bool,
    ended: bool,
    walked: Walked,
    /// Keys met so far; unused where keys cannot be deleted, or are deleted by the walk.
    seen: Option<HashSet<u128>>,
    /// Elements that may still be taken: what is added meanwhile must not keep the walk going.
    quota: u32,
}

impl Walk {
    /// A walk that fetches up to `room` elements at a time in batches, `room_by_key` otherwise.
    pub(super) fn new(
        map: &MapData,
        room: usize,
        room_by_key: usize,
        walked: Walked,
    ) -> Result<Self, MapError> {
        let most = map.max_entries().max(1) as usize;
        let room = room.clamp(1, most);
        let key_size = map.key_size() as usize;
        let hash = matches!(
            map.map_type(),
            Some(
                MapType::Hash
                    | MapType::LruHash
                    | MapType::PercpuHash
                    | MapType::LruPercpuHash
                    | MapType::HashOfMaps
            )
        );
        let array = matches!(map.map_type(), Some(MapType::Array | MapType::PercpuArray));
        let state = if hash || (array && walked == Walked::Stay) {
            // The cursor is a bucket number for hash maps, a key for the others.
            let cursor = vec![0; key_size.max(4)];
            State::Batch {
                cursor_out: cursor.clone(),
                cursor,
                started: false,
            }
        } else {
            State::Keys(KeyWalk::new(map, walked))
        };
        Ok(Walk {
            keys: Buffer::new(key_size, room),
            values: Buffer::new(map.lookup_size()?, room),
            filled: 0,
            room,
            room_by_key: room_by_key.clamp(1, room),
            walked,
            state,
        })
    }

    /// Elements in the buffers.
    #[inline]
    pub(super) fn filled(&self) -> usize {
        self.filled
    }

    #[inline]
    pub(super) fn keys(&self) -> &Buffer {
        &self.keys
    }

    #[inline]
    pub(super) fn values(&self) -> &Buffer {
        &self.values
    }

    /// Nothing more comes.
    pub(super) fn end(&mut self) {
        self.filled = 0;
        self.state = State::Done;
    }

    /// Fetches the next elements; false when there are none.
    pub(super) fn refill(&mut self, map: &MapData) -> Result<bool, MapError> {
        self.filled = 0;
        if let State::Batch { .. } = self.state
            && !self.refill_batch(map)?
        {
            // The kernel has no batches for this map.
            self.state = State::Keys(KeyWalk::new(map, self.walked));
        }
        while let State::Keys(walk) = &mut self.state
            && self.filled < self.room_by_key
        {
            let value = self.values.at_mut(self.filled);
            // SAFETY: there is room for one more value, of the map's lookup size.
            if !unsafe { walk.step(map, value) }? {
                self.state = State::Done;
                break;
            }
            // SAFETY: there is room for one more key, of the map's key size, in memory of its own.
            unsafe {
                let key = self.keys.at_mut(self.filled);
                ptr::copy_nonoverlapping(walk.key.as_ptr(), key, walk.key.len());
            }
            self.filled += 1;
        }
        Ok(self.filled > 0)
    }

    /// False: the kernel does not do batches for this map.
    fn refill_batch(&mut self, map: &MapData) -> Result<bool, MapError> {
        while let State::Batch {
            cursor,
            cursor_out,
            started,
        } = &mut self.state
        {
            let cursor_in = if *started {
                cursor.as_ptr()
            } else {
                ptr::null()
            };
            // SAFETY: both buffers have room for `room` elements of the map's sizes, and the
            // cursors have `max(4, key size)` bytes.
            let batch = unsafe {
                bpf::map_lookup_batch(
                    map.as_fd(),
                    self.walked == Walked::Go,
                    cursor_in,
                    cursor_out.as_mut_ptr(),
                    self.keys.at_mut(0),
                    self.values.at_mut(0),
                    self.room as u32,
                )
            };
            let last = match batch.error {
                None => false,
                Some(error) => match error.errno() {
                    libc::ENOENT => true,
                    // One bucket holds more than there is room for.
                    libc::ENOSPC if self.room < map.max_entries() as usize => {
                        self.room = (2 * self.room).min(map.max_entries() as usize);
                        self.keys.make_room(self.room);
                        self.values.make_room(self.room);
                        continue;
                    }
                    _ if !*started && unsupported(&error, &features::MAP_BATCH) => {
                        return Ok(false);
                    }
                    _ => return Err(map.error(error)),
                },
            };
            *started = true;
            std::mem::swap(cursor, cursor_out);
            self.filled = batch.count as usize;
            if last {
                self.state = State::Done;
            }
            if self.filled > 0 {
                break;
            }
        }
        Ok(true)
    }
}

impl KeyWalk {
    pub(super) fn new(map: &MapData, walked: Walked) -> Self {
        let fixed = matches!(
            map.map_type(),
            Some(
                MapType::Array
                    | MapType::PercpuArray
                    | MapType::ProgArray
                    | MapType::PerfEventArray
                    | MapType::CgroupArray
                    | MapType::ArrayOfMaps
                    | MapType::Devmap
                    | MapType::Cpumap
                    | MapType::Xskmap
                    | MapType::Sockmap
                    | MapType::ReuseportSockarray
                    | MapType::InsnArray
            )
        );
        KeyWalk {
            key: vec![0; map.key_size() as usize],
            next: vec![0; map.key_size() as usize],
            started: false,
            ended: false,
            walked,
            seen: (!fixed && walked == Walked::Stay).then(HashSet::new),
            quota: map.max_entries(),
        }
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    /// Goes to the next key that was not met before; false at the end, and ever after.
    pub(super) fn next_key(&mut self, map: &MapData) -> Result<bool, MapError> {
        let found = self.find_next(map);
        self.ended |= !matches!(found, Ok(true));
        found
    }

    fn find_next(&mut self, map: &MapData) -> Result<bool, MapError> {
        let mut repeated = 0;
        while !self.ended {
            // What is taken is always the first.
            let key = if self.started && self.walked == Walked::Stay {
                self.key.as_ptr()
            } else {
                ptr::null()
            };
            // SAFETY: both buffers have the map's key size.
            let found = unsafe { bpf::map_next_key(map.as_fd(), key, self.next.as_mut_ptr()) }
                .map_err(|error| map.error(error))?;
            if !found {
                break;
            }
            self.started = true;
            std::mem::swap(&mut self.key, &mut self.next);
            let Some(seen) = &mut self.seen else {
                return Ok(true);
            };
            if seen.insert(fingerprint(&self.key)) {
                return Ok(true);
            }
            // Started over. Once all that was seen has passed by again, nothing new will come.
            repeated += 1;
            if repeated > seen.len() {
                break;
            }
        }
        Ok(false)
    }

    /// Goes to the next element and copies its value; false at the end.
    ///
    /// # Safety
    /// `value` must be writable for the map's lookup size.
    unsafe fn step(&mut self, map: &MapData, value: *mut u8) -> Result<bool, MapError> {
        while self.next_key(map)? {
            // SAFETY: the key has the map's key size; for the value the caller vouches.
            let found = unsafe {
                if self.walked == Walked::Go {
                    if self.quota == 0 {
                        break;
                    }
                    self.quota -= 1;
                    map.take_or_copy(&self.key, value)?
                } else {
                    map.lookup_raw(self.key.as_ptr(), value, 0)?
                }
            };
            // Deleted since (or an empty slot of a program array): not an element any more.
            if found {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl MapData {
    /// Takes an element in one step where the kernel can, else in two: what a program writes to it
    /// in between is lost.
    ///
    /// # Safety
    /// `value` must be writable for the map's lookup size, `key` have its key size.
    unsafe fn take_or_copy(&self, key: &[u8], value: *mut u8) -> Result<bool, MapError> {
        // SAFETY: passed on.
        unsafe {
            if features::HASH_LOOKUP_AND_DELETE.is_supported() {
                return self.take_raw(bpf::pointer(key), value, 0);
            }
            Ok(self.lookup_raw(key.as_ptr(), value, 0)? && self.delete_raw(key.as_ptr())?)
        }
    }
}

/// 128 bits of hash: enough that two keys never share one.
fn fingerprint(key: &[u8]) -> u128 {
    let hash = |seed: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(seed);
        hasher.write(key);
        u128::from(hasher.finish())
    };
    hash(0) << 64 | hash(1)
}
