//! Walking the elements of a map while programs change it: one by one, or a buffer at a time.

use std::marker::PhantomData;

use super::{
    MapData, MapError, PerCpuValues,
    walk::{Buffer, KeyWalk, Walk, Walked},
};
use crate::Pod;

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
    walk: Option<Walk>,
    current: usize,
    walked: Walked,
}

impl<'a> RawIter<'a> {
    pub(crate) fn new(map: &'a MapData) -> Self {
        RawIter {
            map,
            walk: None,
            current: 0,
            walked: Walked::Stay,
        }
    }

    /// Removes the elements as it goes.
    pub(crate) fn taking(map: &'a MapData) -> Self {
        RawIter {
            walked: Walked::Go,
            ..Self::new(map)
        }
    }

    /// Goes to the next element; false at the end.
    ///
    /// # Errors
    /// What the kernel refuses. After an error the walk is over.
    #[inline]
    pub fn advance(&mut self) -> Result<bool, MapError> {
        if let Some(walk) = &self.walk
            && self.current + 1 < walk.filled()
        {
            self.current += 1;
            return Ok(true);
        }
        self.refill()
    }

    fn refill(&mut self) -> Result<bool, MapError> {
        self.current = 0;
        let walk = match &mut self.walk {
            Some(walk) => walk,
            None => {
                let element = self.map.key_size() as usize + self.map.lookup_size()?;
                let room = BATCH_BYTES / element.max(1);
                // Where the kernel has no batches, one element at a time is as fast, and not stale.
                self.walk.insert(Walk::new(self.map, room, 1, self.walked)?)
            }
        };
        let result = walk.refill(self.map);
        if !matches!(result, Ok(true)) {
            walk.end();
        }
        result
    }

    /// The current element's key; empty before the first [`advance`](Self::advance) and after the
    /// end.
    #[inline]
    pub fn key(&self) -> &[u8] {
        self.part(Walk::keys)
    }

    /// The current element's value; empty before the first [`advance`](Self::advance) and after the
    /// end.
    #[inline]
    pub fn value(&self) -> &[u8] {
        self.part(Walk::values)
    }

    #[inline]
    fn part(&self, buffer: fn(&Walk) -> &Buffer) -> &[u8] {
        match &self.walk {
            Some(walk) if self.current < walk.filled() => buffer(walk).element(self.current),
            _ => &[],
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

/// Keys, and as many values.
type Slices<'a, K, V> = (&'a [K], &'a [V]);

/// The elements of a map, a buffer full at a time: keys and values as slices, not copied again.
///
/// What [`Iter`] says about changes meanwhile holds here too. A buffer that is not full is not the
/// end; only `None` is.
///
/// ```no_run
/// # use hachi::maps::{HashMap, MapData, MapError};
/// # fn f(flows: HashMap<MapData, u32, u64>) -> Result<u64, MapError> {
/// let mut bytes = 0;
/// let mut batches = flows.batches(4096)?;
/// while let Some((_flows, counts)) = batches.next()? {
///     bytes += counts.iter().sum::<u64>();
/// }
/// # Ok(bytes) }
/// ```
#[derive(Debug)]
pub struct Batches<'a, K, V> {
    map: &'a MapData,
    walk: Walk,
    _types: PhantomData<(K, V)>,
}

impl<'a, K: Pod, V: Pod> Batches<'a, K, V> {
    /// The view that calls this has checked the sizes of `K` and `V`.
    pub(crate) fn new(map: &'a MapData, room: usize, walked: Walked) -> Result<Self, MapError> {
        const {
            assert!(align_of::<K>() <= Buffer::ALIGN && align_of::<V>() <= Buffer::ALIGN);
        }
        Ok(Batches {
            map,
            walk: Walk::new(map, room, room, walked)?,
            _types: PhantomData,
        })
    }

    /// The next keys and their values; `None` at the end.
    ///
    /// # Errors
    /// What the kernel refuses. After an error the walk is over.
    #[allow(clippy::should_implement_trait)] // lends from itself, which Iterator cannot
    pub fn next(&mut self) -> Result<Option<Slices<'_, K, V>>, MapError> {
        if !self.walk.refill(self.map)? {
            return Ok(None);
        }
        let filled = self.walk.filled();
        Ok(Some((
            self.walk.keys().typed(filled),
            self.walk.values().typed(filled),
        )))
    }
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
        Self::of(RawIter::new(map))
    }

    /// As [`new`](Self::new), removing the elements.
    pub(crate) fn taking(map: &'a MapData) -> Self {
        Self::of(RawIter::taking(map))
    }

    fn of(raw: RawIter<'a>) -> Self {
        Iter {
            raw,
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
    source: KeySource<'a>,
    _key: PhantomData<K>,
}

#[derive(Debug)]
enum KeySource<'a> {
    /// Of the elements.
    Elements(RawIter<'a>),
    /// Of maps that may not be read.
    Alone(&'a MapData, KeyWalk),
}

impl<'a, K: Pod> Keys<'a, K> {
    /// The keys of elements. The view that calls this has checked the size of `K`.
    pub(crate) fn new(map: &'a MapData) -> Self {
        Keys {
            source: KeySource::Elements(RawIter::new(map)),
            _key: PhantomData,
        }
    }

    /// The keys of a map whose values user space cannot read; of an array, all indices.
    pub(crate) fn alone(map: &'a MapData) -> Self {
        Keys {
            source: KeySource::Alone(map, KeyWalk::new(map, Walked::Stay)),
            _key: PhantomData,
        }
    }
}

impl<K: Pod> Iterator for Keys<'_, K> {
    type Item = Result<K, MapError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (found, key) = match &mut self.source {
            KeySource::Elements(raw) => (raw.advance(), raw.key()),
            KeySource::Alone(map, walk) => (walk.next_key(map), walk.key()),
        };
        match found {
            Ok(true) => hachi_common::read_bytes(key).map(Ok),
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
        Self::of(RawIter::new(map))
    }

    /// As [`new`](Self::new), removing the elements.
    pub(crate) fn taking(map: &'a MapData) -> Self {
        Self::of(RawIter::taking(map))
    }

    fn of(raw: RawIter<'a>) -> Self {
        PerCpuIter {
            raw,
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
