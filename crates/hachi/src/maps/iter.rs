//! Walking the elements of a map while programs change it.
//!
//! Two ways, chosen by map type and kernel:
//!
//! - *Batches* (hash maps, Linux ≥ 5.6): the kernel copies whole buckets and its cursor is a bucket
//!   number, so deletions cannot lead the walk astray: an element that stays in the map is seen
//!   exactly once. A batch that comes back short is not the end; only `ENOENT` is.
//! - *Key by key* (other types, older kernels): the kernel answers "the key after this one", and
//!   when this one was deleted meanwhile it starts over. Keys already seen are therefore remembered
//!   (as 128-bit hashes), so that a restart repeats nothing and the walk always ends.

use std::{
    collections::{HashSet, hash_map::DefaultHasher},
    hash::Hasher as _,
    marker::PhantomData,
    os::fd::AsFd as _,
};

use super::{MapData, MapError, MapType, PerCpuValues};
use crate::{
    Pod, features,
    sys::{bpf, errno::ENOTSUPP},
};

/// How much one batch reads at most, unless a single bucket is larger.
const BATCH_BYTES: usize = 32 * 1024;

/// The elements of a map as bytes: key and value (of a per-CPU map: a stride of the value's size
/// rounded up to 8 for each possible CPU).
///
/// As an [`Iterator`] it yields owned bytes; [`advance`](Self::advance) with [`key`](Self::key) and
/// [`value`](Self::value) does not allocate for each element.
#[derive(Debug)]
pub struct RawIter<'a> {
    map: &'a MapData,
    walk: Walk,
}

#[derive(Debug)]
enum Walk {
    Start,
    Batch(BatchWalk),
    Keys(KeyWalk),
    Done,
}

#[derive(Debug)]
struct BatchWalk {
    key_size: usize,
    value_size: usize,
    keys: Vec<u8>,
    values: Vec<u8>,
    /// Elements in the buffers, and the one that is current.
    filled: usize,
    current: usize,
    room: u32,
    cursor: Vec<u8>,
    cursor_out: Vec<u8>,
    started: bool,
    last: bool,
}

#[derive(Debug)]
struct KeyWalk {
    key: Vec<u8>,
    next: Vec<u8>,
    value: Vec<u8>,
    started: bool,
    /// Keys met so far; unused where keys cannot be deleted.
    seen: Option<HashSet<u128>>,
}

impl<'a> RawIter<'a> {
    pub(crate) fn new(map: &'a MapData) -> Self {
        RawIter {
            map,
            walk: Walk::Start,
        }
    }

    /// Goes to the next element; false at the end. After an error the walk is over.
    pub fn advance(&mut self) -> Result<bool, MapError> {
        let result = self.step();
        if !matches!(result, Ok(true)) {
            self.walk = Walk::Done;
        }
        result
    }

    /// The current element's key; empty before the first [`advance`](Self::advance) and after the
    /// end.
    pub fn key(&self) -> &[u8] {
        match &self.walk {
            Walk::Batch(walk) => {
                &walk.keys[walk.current * walk.key_size..(walk.current + 1) * walk.key_size]
            }
            Walk::Keys(walk) => &walk.key,
            Walk::Start | Walk::Done => &[],
        }
    }

    /// The current element's value; empty before the first [`advance`](Self::advance) and after the
    /// end.
    pub fn value(&self) -> &[u8] {
        match &self.walk {
            Walk::Batch(walk) => {
                &walk.values[walk.current * walk.value_size..(walk.current + 1) * walk.value_size]
            }
            Walk::Keys(walk) => &walk.value,
            Walk::Start | Walk::Done => &[],
        }
    }

    fn step(&mut self) -> Result<bool, MapError> {
        if matches!(self.walk, Walk::Start) {
            self.walk = match self.map.map_type() {
                Some(
                    MapType::Hash | MapType::LruHash | MapType::PercpuHash | MapType::LruPercpuHash,
                ) => Walk::Batch(BatchWalk::new(self.map)?),
                _ => Walk::Keys(KeyWalk::new(self.map)?),
            };
        }
        if let Walk::Batch(walk) = &mut self.walk {
            match walk.step(self.map)? {
                Some(found) => return Ok(found),
                // The kernel has no batches.
                None => self.walk = Walk::Keys(KeyWalk::new(self.map)?),
            }
        }
        match &mut self.walk {
            Walk::Keys(walk) => walk.step(self.map),
            _ => Ok(false),
        }
    }
}

impl Iterator for RawIter<'_> {
    type Item = Result<(Vec<u8>, Vec<u8>), MapError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.advance() {
            Ok(true) => Some(Ok((self.key().to_vec(), self.value().to_vec()))),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

impl BatchWalk {
    fn new(map: &MapData) -> Result<Self, MapError> {
        let key_size = map.key_size() as usize;
        let value_size = map.lookup_size()?;
        let fitting = BATCH_BYTES / (key_size + value_size).max(1);
        let room = (fitting as u32).clamp(1, map.max_entries().max(1));
        // The cursor is a bucket number for hash maps, but the kernel may copy a key.
        let cursor = vec![0; key_size.max(4)];
        let mut walk = BatchWalk {
            key_size,
            value_size,
            keys: Vec::new(),
            values: Vec::new(),
            filled: 0,
            current: 0,
            room,
            cursor_out: cursor.clone(),
            cursor,
            started: false,
            last: false,
        };
        walk.make_room();
        Ok(walk)
    }

    fn make_room(&mut self) {
        self.keys.resize(self.room as usize * self.key_size, 0);
        self.values.resize(self.room as usize * self.value_size, 0);
    }

    /// `None`: the kernel does not do batches for this map.
    fn step(&mut self, map: &MapData) -> Result<Option<bool>, MapError> {
        self.current += 1;
        while self.current >= self.filled {
            if self.last {
                return Ok(Some(false));
            }
            let cursor = if self.started {
                self.cursor.as_ptr()
            } else {
                std::ptr::null()
            };
            // SAFETY: `make_room` sized both buffers for `room` elements of the map's sizes, and
            // the cursors have `max(4, key size)` bytes.
            let batch = unsafe {
                bpf::map_lookup_batch(
                    map.as_fd(),
                    cursor,
                    self.cursor_out.as_mut_ptr(),
                    self.keys.as_mut_ptr(),
                    self.values.as_mut_ptr(),
                    self.room,
                )
            };
            match batch.error {
                None => {}
                Some(error) => match error.errno() {
                    libc::ENOENT => self.last = true,
                    // One bucket holds more than there is room for.
                    libc::ENOSPC if self.room < map.max_entries() => {
                        self.room = self.room.saturating_mul(2).min(map.max_entries());
                        self.make_room();
                        self.filled = 0;
                        continue;
                    }
                    ENOTSUPP | libc::EOPNOTSUPP if !self.started => return Ok(None),
                    libc::EINVAL if !self.started && !features::MAP_BATCH.is_supported() => {
                        return Ok(None);
                    }
                    _ => return Err(map.error(error)),
                },
            }
            self.started = true;
            std::mem::swap(&mut self.cursor, &mut self.cursor_out);
            self.filled = batch.count as usize;
            self.current = 0;
        }
        Ok(Some(true))
    }
}

impl KeyWalk {
    fn new(map: &MapData) -> Result<Self, MapError> {
        let fixed = matches!(
            map.map_type(),
            Some(
                MapType::Array
                    | MapType::PercpuArray
                    | MapType::ProgArray
                    | MapType::PerfEventArray
            )
        );
        Ok(KeyWalk {
            key: vec![0; map.key_size() as usize],
            next: vec![0; map.key_size() as usize],
            value: vec![0; map.lookup_size()?],
            started: false,
            seen: (!fixed).then(HashSet::new),
        })
    }

    fn step(&mut self, map: &MapData) -> Result<bool, MapError> {
        let mut repeated = 0;
        loop {
            let key = if self.started {
                self.key.as_ptr()
            } else {
                std::ptr::null()
            };
            // SAFETY: both buffers have the map's key size.
            let found = unsafe { bpf::map_next_key(map.as_fd(), key, self.next.as_mut_ptr()) }
                .map_err(|error| map.error(error))?;
            if !found {
                return Ok(false);
            }
            self.started = true;
            std::mem::swap(&mut self.key, &mut self.next);
            if let Some(seen) = &mut self.seen
                && !seen.insert(fingerprint(&self.key))
            {
                // Started over. Once all that was seen has passed by again, nothing new will come.
                repeated += 1;
                if repeated > seen.len() {
                    return Ok(false);
                }
                continue;
            }
            // SAFETY: the buffers have the map's key and lookup sizes.
            let found = unsafe {
                bpf::map_lookup(map.as_fd(), self.key.as_ptr(), self.value.as_mut_ptr(), 0)
            }
            .map_err(|error| map.error(error))?;
            // Deleted since (or an empty slot of a program array): not an element any more.
            if found {
                return Ok(true);
            }
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

/// The elements of a map whose values are plain (not per-CPU).
///
/// The map may change while this walks it. Hash maps (Linux ≥ 5.6) and arrays yield every element
/// that stays in the map exactly once. Other maps, and hash maps of older kernels, may miss
/// elements when many are deleted meanwhile, but never yield one twice and always end. Elements
/// added meanwhile may or may not be seen.
#[derive(Debug)]
pub struct Iter<'a, K, V> {
    raw: RawIter<'a>,
    _types: PhantomData<(K, V)>,
}

impl<'a, K: Pod, V: Pod> Iter<'a, K, V> {
    /// The view that calls this has checked the sizes of `K` and `V`.
    pub(crate) fn new(map: &'a MapData) -> Self {
        Iter {
            raw: RawIter::new(map),
            _types: PhantomData,
        }
    }
}

impl<K: Pod, V: Pod> Iterator for Iter<'_, K, V> {
    type Item = Result<(K, V), MapError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.raw.advance() {
            Ok(true) => {
                let key = hachi_common::read_bytes(self.raw.key())?;
                Some(Ok((key, hachi_common::read_bytes(self.raw.value())?)))
            }
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

/// The keys of a map; as [`Iter`] for what happens when it changes meanwhile.
#[derive(Debug)]
pub struct Keys<'a, K> {
    raw: RawIter<'a>,
    _key: PhantomData<K>,
}

impl<'a, K: Pod> Keys<'a, K> {
    /// The view that calls this has checked the size of `K`.
    pub(crate) fn new(map: &'a MapData) -> Self {
        Keys {
            raw: RawIter::new(map),
            _key: PhantomData,
        }
    }
}

impl<K: Pod> Iterator for Keys<'_, K> {
    type Item = Result<K, MapError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.raw.advance() {
            Ok(true) => hachi_common::read_bytes(self.raw.key()).map(Ok),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

/// The elements of a per-CPU map; as [`Iter`] for what happens when it changes meanwhile.
#[derive(Debug)]
pub struct PerCpuIter<'a, K, V> {
    raw: RawIter<'a>,
    _types: PhantomData<(K, V)>,
}

impl<'a, K: Pod, V: Pod> PerCpuIter<'a, K, V> {
    /// The view that calls this has checked the sizes of `K` and `V`.
    pub(crate) fn new(map: &'a MapData) -> Self {
        PerCpuIter {
            raw: RawIter::new(map),
            _types: PhantomData,
        }
    }
}

impl<K: Pod, V: Pod> Iterator for PerCpuIter<'_, K, V> {
    type Item = Result<(K, PerCpuValues<V>), MapError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.raw.advance() {
            Ok(true) => {
                let key = hachi_common::read_bytes(self.raw.key())?;
                Some(Ok((key, PerCpuValues::from_strides(self.raw.value()))))
            }
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }
}
