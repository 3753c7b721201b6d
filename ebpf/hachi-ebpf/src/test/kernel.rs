//! What tests set and read.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::rc::Rc;
use std::string::{String, ToString as _};
use std::vec::Vec;

use hachi_common::log::{Sites, site_number};

use super::map::{Contents, Map};
use super::state::{self, State, with};
use super::{Task, helpers, timer};
use crate::cty::{c_long, c_void};
use crate::maps::{PerfEventArray, PerfEventByteArray, RingBuf, TypedMap, UserRingBuf};
use crate::{Global, Pod, Shareable};

/// The kernel of this thread, new: nothing that was before is left, and nothing of this is left
/// when it is dropped.
///
/// ```
/// use hachi_ebpf::{helpers::bpf_ktime_get_ns, maps::{HashMap, RingBuf}, test::Kernel};
///
/// static SEEN: HashMap<u32, u64> = HashMap::with_max_entries(64, 0);
/// static EVENTS: RingBuf = RingBuf::with_byte_size(4096, 0);
///
/// fn seen(address: u32) {
///     let _ = SEEN.insert(address, bpf_ktime_get_ns(), 0);
///     let _ = EVENTS.output(&address, 0);
/// }
///
/// let kernel = Kernel::new();
/// kernel.set_time(1_000);
/// seen(7);
/// assert_eq!(SEEN.get(7), Some(1_000));
/// assert_eq!(kernel.records::<u32>(&EVENTS), [7]);
/// ```
#[must_use = "dropped, it is reset"]
pub struct Kernel {
    /// It is this thread's.
    thread: PhantomData<*mut ()>,
}

impl Default for Kernel {
    fn default() -> Self {
        Kernel::new()
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        reset();
    }
}

fn reset() {
    // What a test's closures own is dropped when the state can be used again.
    let before = with(std::mem::take);
    drop(before);
}

impl Kernel {
    /// Forgets maps' contents, variables' values, settings and everything recorded.
    pub fn new() -> Kernel {
        reset();
        Kernel {
            thread: PhantomData,
        }
    }

    /// Stops the clock at this time in nanoseconds. Timers that expire until then do so, in order.
    pub fn set_time(&self, nanoseconds: u64) {
        timer::advance_to(nanoseconds);
    }

    /// Lets this much time pass, and stops the clock then; as [`set_time`](Self::set_time).
    pub fn advance(&self, nanoseconds: u64) {
        let now = with(|state| helpers::now(state));
        timer::advance_to(now.saturating_add(nanoseconds));
    }

    /// The next random numbers. Those after them are the same in each run, too.
    pub fn set_random(&self, numbers: impl IntoIterator<Item = u32>) {
        let numbers = numbers.into_iter().collect();
        with(|state| state.random = numbers);
    }

    /// Who runs.
    pub fn set_task(&self, task: Task) {
        with(|state| state.task = task);
    }

    /// Gives a setting another value, as user space does before loading.
    pub fn set_global<T: Shareable>(&self, global: &'static Global<T>, value: T) {
        // It is the value, with another name.
        state::set_global((&raw const *global).cast::<T>(), value);
    }

    /// Puts an entry into a map, as user space does; also into maps that programs cannot write.
    ///
    /// # Errors
    /// The kernel's, as of `insert`.
    pub fn insert<M: TypedMap>(
        &self,
        map: &'static M,
        key: M::Key,
        value: M::Value,
    ) -> Result<(), c_long> {
        let key = bytes_of(&key);
        let value = bytes_of(&value);
        with(|state| map_at(state, map.as_map_ptr()).update(key, value, 0))
    }

    /// Puts a map into a map of maps.
    ///
    /// # Errors
    /// `-E2BIG` when there is no place for it.
    pub fn insert_map<O: Outer>(
        &self,
        outer: &'static O,
        key: O::Key,
        inner: &'static O::Inner,
    ) -> Result<(), c_long> {
        let key = bytes_of(&key);
        let inner = (&raw const *inner).expose_provenance();
        with(|state| map_at(state, outer.address()).update(key, &inner.to_ne_bytes(), 0))
    }

    /// The records that programs have sent through a ring buffer or perf buffer since they were
    /// last taken, as values.
    ///
    /// # Panics
    /// When one does not have the size of a `T`.
    #[track_caller]
    pub fn records<T: Pod>(&self, map: &impl Records) -> Vec<T> {
        let records = self.record_bytes(map).into_iter();
        let value = |record: Vec<u8>| {
            let (have, want) = (record.len(), size_of::<T>());
            assert!(
                have == want,
                "a record of {have} bytes is no {}, which has {want}",
                std::any::type_name::<T>()
            );
            // SAFETY: there are the bytes of a `T`, and any make one.
            unsafe { record.as_ptr().cast::<T>().read_unaligned() }
        };
        records.map(value).collect()
    }

    /// The records that programs have sent through a ring buffer or perf buffer since they were
    /// last taken.
    pub fn record_bytes(&self, map: &impl Records) -> Vec<Vec<u8>> {
        with(|state| match &mut map_at(state, map.address()).contents {
            Contents::Ring(ring) => ring.consume(),
            Contents::Records(records) => records.drain(..).collect(),
            _ => Vec::new(),
        })
    }

    /// Writes a record into a ring buffer that programs read.
    pub fn send<T: Pod>(&self, map: &'static UserRingBuf, record: &T) {
        let record = bytes_of(record).to_vec();
        with(|state| {
            if let Contents::Records(records) = &mut map_at(state, map.as_ptr()).contents {
                records.push_back(record);
            }
        });
    }

    /// The texts of the messages logged since they were last taken.
    pub fn logs(&self) -> Vec<String> {
        let records = self.record_bytes(crate::log::ring()).into_iter();
        records.map(logged).collect()
    }

    /// What was printed by `bpf_printk!` and `seq_printf!` since it was last taken.
    pub fn printed(&self) -> Vec<String> {
        with(|state| std::mem::take(&mut state.printed))
    }

    /// Puts `f` in the place of a helper, by its number (`BPF_FUNC_…` in `linux/bpf.h`, the number
    /// in the manual page's table). It gets what the helper would get in the five registers, and
    /// returns what it would return.
    ///
    /// # Safety
    /// Programs rely on what a helper gives: where it is a pointer, that must lead to what the
    /// helper's would, and where a helper fills a buffer, `f` must.
    pub unsafe fn replace_helper(&self, number: u32, f: impl FnMut([u64; 5]) -> u64 + 'static) {
        let f: state::Replacement = Rc::new(RefCell::new(f));
        let before = with(|state| state.replaced.insert(number, f));
        drop(before);
    }
}

/// A map whose records a test can take.
pub trait Records {
    #[doc(hidden)]
    fn address(&self) -> *mut c_void;
}

impl Records for RingBuf {
    fn address(&self) -> *mut c_void {
        self.as_ptr()
    }
}

impl Records for PerfEventByteArray {
    fn address(&self) -> *mut c_void {
        self.as_ptr()
    }
}

impl<T: Shareable> Records for PerfEventArray<T> {
    fn address(&self) -> *mut c_void {
        // It is the byte array, with a type.
        (&raw const *self).cast_mut().cast()
    }
}

/// A map of maps.
pub trait Outer {
    /// The type of its keys.
    type Key: Shareable;
    /// The maps in it.
    type Inner;
    #[doc(hidden)]
    fn address(&self) -> *mut c_void;
}

fn bytes_of<T>(value: &T) -> &[u8] {
    // SAFETY: the value is there, and keys and values of maps have no padding.
    unsafe { std::slice::from_raw_parts((&raw const *value).cast(), size_of::<T>()) }
}

/// The map whose static is at this address.
pub fn map_at(state: &mut State, at: *mut c_void) -> &mut Map {
    state
        .maps
        .entry(at.expose_provenance())
        // SAFETY: helpers are given addresses of maps' statics, which begin with the definition.
        .or_insert_with(|| Map::new(unsafe { at.cast::<super::map::Definition>().read() }))
}

/// The text of a record of the log.
fn logged(mut record: Vec<u8>) -> String {
    let Some(number) = record.first_chunk_mut::<4>() else {
        return String::new();
    };
    // In place of a site's number there is, as nobody has linked it, the low half of its address;
    // the ring buffer is a static of the same program.
    let low = u32::from_le_bytes(*number);
    let site = crate::programs::address((&raw const *crate::log::ring()).cast::<u8>(), low);
    let site: *const u8 = std::ptr::with_exposed_provenance(site);
    // SAFETY: a site begins with its length.
    let section = unsafe {
        let len = u16::from_le_bytes(site.cast::<[u8; 2]>().read());
        std::slice::from_raw_parts(site, len.into())
    };
    *number = site_number(section).to_le_bytes();
    let sites = Sites::new(section);
    match sites.decode(&record) {
        Ok(message) => message.to_string(),
        Err(error) => error.to_string(),
    }
}
