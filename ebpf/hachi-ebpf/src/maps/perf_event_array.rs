//! `BPF_MAP_TYPE_PERF_EVENT_ARRAY`

use core::marker::PhantomData;

use crate::bindings::{BPF_F_CURRENT_CPU, BPF_F_INDEX_MASK, bpf_perf_event_value};
use crate::cty::c_long;
use crate::{EbpfContext, Record, Shareable, helpers};

map_kind! {
    /// A buffer for each CPU (4.3), through which programs send records to user space (4.4), or
    /// hardware counters.
    ///
    /// Where the kernel has it (5.8), a [`RingBuf`](super::RingBuf) does the same with less memory
    /// and in order.
    ///
    /// ```
    /// use hachi_ebpf::{macros::{map, xdp}, maps::PerfEventByteArray, programs::XdpContext};
    ///
    /// #[map]
    /// static EVENTS: PerfEventByteArray = PerfEventByteArray::new(0);
    ///
    /// #[xdp]
    /// fn report(ctx: XdpContext) -> u32 {
    ///     let _ = EVENTS.output(&ctx, b"a packet", 0);
    ///     2
    /// }
    /// ```
    PerfEventByteArray = BPF_MAP_TYPE_PERF_EVENT_ARRAY(u32 => u32),
    entries: "buffers for `max_entries` CPUs (0: all there are)"
}

/// A [`PerfEventByteArray`] for records of one type.
///
/// ```
/// use hachi_ebpf::{macros::{map, xdp}, maps::PerfEventArray, programs::XdpContext};
///
/// #[map]
/// static LENGTHS: PerfEventArray<u64> = PerfEventArray::new(0);
///
/// #[xdp]
/// fn report(ctx: XdpContext) -> u32 {
///     let _ = LENGTHS.output(&ctx, &(ctx.len() as u64), 0);
///     2
/// }
/// ```
#[repr(transparent)]
pub struct PerfEventArray<T: Shareable> {
    bytes: PerfEventByteArray,
    record: PhantomData<fn(T)>,
}

impl PerfEventByteArray {
    /// A map of a buffer for each CPU there is; `flags` are those of map creation, usually 0.
    pub const fn new(flags: u32) -> Self {
        PerfEventByteArray::with_max_entries(0, flags)
    }

    /// Sends bytes through this CPU's buffer; the upper 32 bits of what user space gets beside it,
    /// `flags`, say how many bytes of the packet follow them (in programs for packets).
    ///
    /// # Errors
    /// `-ENOENT` when user space listens on no such CPU, `-ENOSPC` when the buffer is full.
    #[inline(always)]
    pub fn output<C: EbpfContext>(&self, ctx: &C, data: &[u8], flags: u32) -> Result<(), c_long> {
        self.send(ctx, data, BPF_F_CURRENT_CPU, flags)
    }

    /// As [`output`](Self::output), through the buffer at `index`, which must be this CPU's.
    ///
    /// # Errors
    /// `-EOPNOTSUPP` for another CPU's; else as [`output`](Self::output).
    #[inline(always)]
    pub fn output_at_index<C: EbpfContext>(
        &self,
        ctx: &C,
        index: u32,
        data: &[u8],
        flags: u32,
    ) -> Result<(), c_long> {
        self.send(ctx, data, u64::from(index), flags)
    }

    /// The counter of this CPU that user space has put in (4.15; GPL only).
    ///
    /// # Errors
    /// `-ENOENT` when there is none.
    #[inline(always)]
    pub fn read(&self) -> Result<bpf_perf_event_value, c_long> {
        let mut value = bpf_perf_event_value {
            counter: 0,
            enabled: 0,
            running: 0,
        };
        // SAFETY: the map is one of the object's, the value writable for its size.
        helpers::check(unsafe {
            helpers::bpf_perf_event_read_value(
                self.as_ptr(),
                BPF_F_CURRENT_CPU,
                &raw mut value,
                size_of::<bpf_perf_event_value>() as u32,
            )
        })?;
        Ok(value)
    }

    #[inline(always)]
    fn send<C: EbpfContext, T: Record + ?Sized>(
        &self,
        ctx: &C,
        data: &T,
        index: u64,
        flags: u32,
    ) -> Result<(), c_long> {
        let data = data.as_bytes();
        // SAFETY: the context is the kernel's, the map is one of the object's, the data is readable
        // for its size.
        helpers::check(unsafe {
            helpers::bpf_perf_event_output(
                ctx.as_ptr(),
                self.as_ptr(),
                u64::from(flags) << 32 | (index & BPF_F_INDEX_MASK),
                data.as_ptr().cast_mut().cast(),
                data.len() as u64,
            )
        })
    }
}

impl<T: Shareable> PerfEventArray<T> {
    /// A map of a buffer for each CPU there is; `flags` are those of map creation, usually 0.
    pub const fn new(flags: u32) -> Self {
        PerfEventArray::with_max_entries(0, flags)
    }

    /// A map of buffers for `max_entries` CPUs; `flags` are those of map creation, usually 0.
    pub const fn with_max_entries(max_entries: u32, flags: u32) -> Self {
        PerfEventArray {
            bytes: PerfEventByteArray::with_max_entries(max_entries, flags),
            record: PhantomData,
        }
    }

    /// The same, pinned by its name: loaded a second time, it is the map that is there already.
    pub const fn pinned(max_entries: u32, flags: u32) -> Self {
        PerfEventArray {
            bytes: PerfEventByteArray::pinned(max_entries, flags),
            record: PhantomData,
        }
    }

    /// Sends a record through this CPU's buffer; see [`PerfEventByteArray::output`].
    ///
    /// # Errors
    /// As there.
    #[inline(always)]
    pub fn output<C: EbpfContext>(&self, ctx: &C, data: &T, flags: u32) -> Result<(), c_long> {
        self.bytes.send(ctx, data, BPF_F_CURRENT_CPU, flags)
    }

    /// As [`output`](Self::output), through the buffer at `index`, which must be this CPU's.
    ///
    /// # Errors
    /// As [`PerfEventByteArray::output_at_index`].
    #[inline(always)]
    pub fn output_at_index<C: EbpfContext>(
        &self,
        ctx: &C,
        index: u32,
        data: &T,
        flags: u32,
    ) -> Result<(), c_long> {
        self.bytes.send(ctx, data, u64::from(index), flags)
    }
}
