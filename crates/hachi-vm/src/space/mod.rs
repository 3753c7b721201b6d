//! The address space: regions of memory, far apart, each with its own bounds.
//!
//! The upper bits of an address say which region it is in, so that a pointer that runs past the end
//! of one does not get into the next.

mod memory;
mod reason;

use std::cell::Cell;
use std::sync::Arc;

use crate::run::Frame;
use hachi_asm::Endian;
use hachi_asm::consts::{MAX_BPF_STACK, MAX_CALL_FRAMES};
use hachi_machine::context::{Access, Field};
use hachi_machine::{Fault, Gone, Kind, Memory, OutOfMemory};

/// Bits of an address that are the offset in its region.
const WINDOW: u32 = 40;
const OFFSET: u64 = (1 << WINDOW) - 1;
/// Where the first byte of most regions is, so that small negative offsets stay in the region.
const START: u64 = 1 << 32;
/// Most regions at a time.
const MOST: usize = 1 << 20;

/// The region of the stack.
const STACK: usize = 1;
/// Bytes of stack that a function has.
pub(crate) const FRAME: u64 = MAX_BPF_STACK as u64;
/// From one frame pointer to the next.
const FRAME_WINDOW: u64 = 1024;
/// Where a frame pointer is in its window; what is above is for accesses that straddle it.
pub(crate) const FRAME_TOP: u64 = 768;
/// Functions that may be called within each other.
pub(crate) const FRAMES: usize = MAX_CALL_FRAMES as usize;
/// Words of the mask of one frame, a bit for each byte.
const MASK_WORDS: usize = (FRAME_WINDOW / 64) as usize;

/// Where pointers to maps lie. Nothing can be read there.
const MAPS: u64 = 2;
/// Where pointers to functions lie.
const FUNCTIONS: u64 = 3;
/// The first region that is free.
const FIRST: usize = 4;

/// The memory of a machine.
#[derive(Debug, Clone)]
pub(crate) struct Space {
    regions: Vec<Region>,
    /// Of the stack: which bytes were written.
    written: Box<[u64]>,
    /// Where each function that is not over was called; with the machine, so that a run need not
    /// make them.
    pub(crate) frames: Box<[Frame; FRAMES]>,
    /// How deep calls are: frames above are not there.
    depth: u64,
    /// Bytes above the frame pointer that an access from below may reach.
    slack: u64,
    endian: Endian,
    budget: u64,
    /// What the context lets programs do.
    context: Option<Context>,
    /// Bytes that helpers copied, or tried to.
    copied: Cell<u64>,
    /// Whether all of the stack counts as written.
    trusting: bool,
    /// How often memory that was there was moved or given up.
    generation: u64,
}

/// What compiled code needs to reach memory by itself: it may use the host's addresses of the bytes
/// until a region is made, moved or given up.
#[cfg(feature = "jit")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// The first address.
    pub(crate) low: u64,
    /// How many bytes.
    pub(crate) len: u64,
    pub(crate) host: *mut u8,
    pub(crate) writable: bool,
}

/// The context of the program that runs.
#[derive(Debug, Clone)]
struct Context {
    region: usize,
    rules: Rules,
    /// What pointer fields hold.
    pointers: Vec<(u16, u64)>,
}

/// How a program may use its context.
#[derive(Debug, Clone)]
pub(crate) enum Rules {
    /// Any bytes, aligned to their number; writing them is up to the flag.
    Bytes { writable: bool },
    /// Fields, each as its row of the table says.
    Fields(Arc<[Usable]>),
}

/// A field, and what the program that runs may do with it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usable {
    pub(crate) field: &'static Field,
    pub(crate) read: bool,
    pub(crate) write: bool,
}

#[derive(Debug, Clone)]
struct Region {
    bytes: Vec<u8>,
    shape: Shape,
    writable: bool,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// The bytes from `low` to `high` can be reached; offset 0 of the region is byte 0.
    Linear {
        low: u32,
        high: u32,
    },
    /// Items of `size` bytes, `1 << shift` apart; in `bytes` they lie side by side.
    Items {
        shift: u8,
        size: u32,
        count: u32,
    },
    Stack,
    Context,
    /// A window of 4 GiB, pages of which exist.
    Arena,
    /// Nothing can be reached.
    Nothing,
    Gone(Gone),
}

impl Region {
    fn nothing() -> Region {
        Region {
            bytes: Vec::new(),
            shape: Shape::Nothing,
            writable: false,
            kind: Kind::Input,
        }
    }
}

const fn address(region: usize, offset: u64) -> u64 {
    (region as u64) << WINDOW | offset
}

const fn region_of(address: u64) -> usize {
    (address >> WINDOW) as usize
}

/// Up to 8 bytes as a number.
#[inline]
pub(crate) fn number(endian: Endian, bytes: &[u8]) -> u64 {
    let mut wide = [0; 8];
    match endian {
        Endian::Little => {
            wide[..bytes.len()].copy_from_slice(bytes);
            u64::from_le_bytes(wide)
        }
        Endian::Big => {
            wide[8 - bytes.len()..].copy_from_slice(bytes);
            u64::from_be_bytes(wide)
        }
    }
}

impl Space {
    pub(crate) fn new(endian: Endian, budget: u64) -> Space {
        let mut regions = vec![Region::nothing(); FIRST];
        regions[STACK] = Region {
            bytes: vec![0; FRAMES * FRAME_WINDOW as usize],
            shape: Shape::Stack,
            writable: true,
            kind: Kind::Stack,
        };
        Space {
            regions,
            written: vec![0; FRAMES * MASK_WORDS].into(),
            frames: Box::default(),
            depth: 0,
            slack: 0,
            endian,
            budget,
            context: None,
            copied: Cell::new(0),
            trusting: false,
            generation: 0,
        }
    }

    /// What stands for the address of a function of the kernel's: nothing can be read there.
    pub(crate) const KFUNC: u64 = address(FUNCTIONS as usize, 1 << 39);

    /// Reads memory for someone who only looks: what was never written is zero.
    pub(crate) fn peek(&self, address: u64, to: &mut [u8]) -> Result<(), Fault> {
        if region_of(address) != STACK {
            return self.read(address, to);
        }
        let from = (address & OFFSET) as usize;
        let end = from.checked_add(to.len());
        match end.and_then(|end| self.regions[STACK].bytes.get(from..end)) {
            Some(bytes) => {
                to.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(self.fault(address, to.len() as u64, false)),
        }
    }

    /// How often memory that was there was moved or given up.
    #[cfg(feature = "jit")]
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Lets all of the stack count as written: for programs that a verifier has seen.
    #[cfg(feature = "unchecked")]
    pub(crate) fn set_trusting(&mut self, trusting: bool) {
        self.trusting = trusting;
    }

    /// The bytes around an address that lie side by side in the host's memory too. None for those
    /// whose accesses need more than bounds: the stack, the context, an arena, a map that grows.
    #[cfg(feature = "jit")]
    pub(crate) fn window(&mut self, address: u64) -> Option<Window> {
        let number = region_of(address);
        let region = self.regions.get_mut(number)?;
        let at = (address & OFFSET).checked_sub(START)?;
        let have = region.bytes.len() as u64;
        let (low, from, len) = match region.shape {
            Shape::Linear { low, high } if u64::from(high) <= have => {
                let (low, high) = (u64::from(low), u64::from(high));
                (low, low, high.checked_sub(low)?)
            }
            Shape::Items { shift, size, count } => {
                let (index, size) = (at >> shift, u64::from(size));
                if index >= u64::from(count) || have < size.checked_mul(count.into())? {
                    return None;
                }
                (index << shift, index * size, size)
            }
            _ => return None,
        };
        let bytes = region.bytes.get_mut(from as usize..)?;
        Some(Window {
            low: self::address(number, START + low),
            len: len.min(bytes.len() as u64),
            host: bytes.as_mut_ptr(),
            writable: region.writable,
        })
    }

    /// Makes all values of maps exist, so that they stay where they are.
    #[cfg(feature = "unchecked")]
    pub(crate) fn settle(&mut self) -> Result<(), OutOfMemory> {
        for number in FIRST..self.regions.len() {
            if let Shape::Items { size, count, .. } = self.regions[number].shape {
                let whole = u64::from(size) * u64::from(count);
                let have = self.regions[number].bytes.len() as u64;
                self.spend(whole.saturating_sub(have))?;
                let whole = usize::try_from(whole).map_err(|_| OutOfMemory)?;
                self.regions[number].bytes.resize(whole, 0);
            }
        }
        Ok(())
    }

    /// The host's address of the byte that a frame pointer points to.
    #[cfg(feature = "jit")]
    pub(crate) fn host_of_frame(&mut self, pointer: u64) -> *mut u8 {
        let at = (pointer & OFFSET) as usize;
        self.regions[STACK].bytes[at..].as_mut_ptr()
    }

    /// The host's address of what says which bytes of a frame were written: a bit for each, from
    /// [`FRAME_TOP`] bytes below the frame pointer.
    #[cfg(feature = "jit")]
    pub(crate) fn host_of_mask(&mut self, pointer: u64) -> *mut u64 {
        let frame = ((pointer & OFFSET) / FRAME_WINDOW) as usize;
        self.written[frame * MASK_WORDS..].as_mut_ptr()
    }

    /// The bytes of the context.
    #[cfg(feature = "jit")]
    pub(crate) fn context_bytes_mut(&mut self) -> Option<&mut [u8]> {
        let context = self.context.as_ref()?;
        Some(&mut self.regions.get_mut(context.region)?.bytes)
    }

    /// What the pointer fields of the context hold.
    #[cfg(feature = "jit")]
    pub(crate) fn context_pointers(&self) -> &[(u16, u64)] {
        let context = self.context.as_ref();
        context.map_or(&[], |context| &context.pointers)
    }

    /// Bytes that helpers copied since the last call.
    pub(crate) fn take_copied(&mut self) -> u64 {
        self.copied.take()
    }

    /// Lets accesses that begin below the frame pointer reach this many bytes above it.
    pub(crate) fn set_slack(&mut self, slack: u64) {
        self.slack = slack.min(FRAME_WINDOW - FRAME_TOP - 64);
    }

    /// The pointer that stands for a map.
    pub(crate) fn map_pointer(map: u32) -> u64 {
        address(MAPS as usize, u64::from(map) << 8 | 1 << 39)
    }

    /// The number of the map that a pointer stands for.
    pub(crate) fn map_number(pointer: u64) -> Option<u32> {
        let number = (pointer & !(1 << 39) & OFFSET) >> 8;
        let number = u32::try_from(number).ok()?;
        (Space::map_pointer(number) == pointer).then_some(number)
    }

    /// The pointer that stands for the function that begins at this slot of this program.
    pub(crate) fn function_pointer(program: u32, slot: u32) -> u64 {
        address(
            FUNCTIONS as usize,
            u64::from(program & 0xffff) << 24 | u64::from(slot & 0xff_ffff),
        )
    }

    /// Program and slot of a function.
    pub(crate) fn function(pointer: u64) -> Option<(u32, u32)> {
        (region_of(pointer) == FUNCTIONS as usize).then(|| {
            let offset = pointer & OFFSET;
            ((offset >> 24) as u32, (offset & 0xff_ffff) as u32)
        })
    }

    /// The frame pointer of the function that calls are this deep in. Its stack is empty.
    pub(crate) fn enter_frame(&mut self, depth: usize) -> u64 {
        let depth = depth.min(FRAMES - 1);
        self.depth = depth as u64;
        let from = depth * MASK_WORDS;
        let fresh = if self.trusting { u64::MAX } else { 0 };
        self.written[from..from + MASK_WORDS].fill(fresh);
        Space::frame_pointer(depth)
    }

    /// The frame pointer of the function at this depth of calls.
    pub(crate) const fn frame_pointer(depth: usize) -> u64 {
        address(STACK, depth as u64 * FRAME_WINDOW + FRAME_TOP)
    }

    /// Goes back to the frame of the caller.
    pub(crate) fn leave_frame(&mut self, depth: usize) {
        self.depth = depth as u64;
    }

    /// How many regions there are, for [`Space::shrink`].
    pub(crate) fn mark(&self) -> usize {
        self.regions.len()
    }

    /// Takes away all regions that were made after `mark`.
    pub(crate) fn shrink(&mut self, mark: usize) {
        self.generation += 1;
        let mark = mark.max(FIRST);
        for region in self.regions.drain(mark..) {
            self.budget += region.bytes.len() as u64;
        }
        if self
            .context
            .as_ref()
            .is_some_and(|context| context.region >= mark)
        {
            self.context = None;
        }
    }

    /// Makes the context of a run.
    pub(crate) fn set_context(
        &mut self,
        bytes: Vec<u8>,
        rules: Rules,
        pointers: Vec<(u16, u64)>,
    ) -> u64 {
        let region = self.regions.len();
        self.budget = self.budget.saturating_sub(bytes.len() as u64);
        self.regions.push(Region {
            bytes,
            shape: Shape::Context,
            writable: true,
            kind: Kind::Context,
        });
        self.context = Some(Context {
            region,
            rules,
            pointers,
        });
        address(region, START)
    }

    /// What some pointer fields of the context hold from now on.
    pub(crate) fn set_context_pointers(&mut self, pointers: &[(u16, u64)]) {
        let Some(context) = &mut self.context else {
            return;
        };
        for (offset, pointer) in pointers {
            if let Some(held) = context.pointers.iter_mut().find(|(at, _)| at == offset) {
                held.1 = *pointer;
            }
        }
    }

    /// Fills the context with other bytes, as many as it has.
    pub(crate) fn refill_context(&mut self, bytes: &[u8]) {
        let region = self.context.as_ref().map(|context| context.region);
        if let Some(region) = region.and_then(|at| self.regions.get_mut(at)) {
            region.bytes.copy_from_slice(bytes);
        }
    }

    /// The bytes at an address, if they lie side by side and may be read.
    pub(crate) fn slice(&self, address: u64, len: usize) -> Option<&[u8]> {
        let (number, at) = self.stretch(address, len)?;
        self.regions.get(number)?.bytes.get(at..at + len)
    }

    /// The bytes of the context, as the program left them.
    pub(crate) fn context_bytes(&self) -> Option<&[u8]> {
        let context = self.context.as_ref()?;
        Some(&self.regions.get(context.region)?.bytes)
    }

    /// Where an access of the plain kind is in its region's bytes.
    #[inline(always)]
    fn place(&self, region: &Region, offset: u64, size: u64) -> Option<usize> {
        match region.shape {
            Shape::Linear { low, high } => {
                let at = offset.wrapping_sub(START);
                let fits = at >= u64::from(low) && at.checked_add(size)? <= u64::from(high);
                fits.then_some(at as usize)
            }
            Shape::Items {
                shift,
                size: item,
                count,
            } => {
                let at = offset.wrapping_sub(START);
                let index = at >> shift;
                let inside = at & ((1 << shift) - 1);
                let fits = index < u64::from(count) && inside + size <= u64::from(item);
                fits.then_some((index * u64::from(item) + inside) as usize)
            }
            Shape::Stack => {
                let top = offset & (FRAME_WINDOW - 1);
                let fits = (FRAME_TOP - FRAME..FRAME_TOP).contains(&top)
                    && top + size <= FRAME_TOP + self.slack
                    && offset / FRAME_WINDOW <= self.depth;
                fits.then_some(offset as usize)
            }
            _ => None,
        }
    }

    /// Reads `N` bytes where nothing special is.
    #[inline(always)]
    pub(crate) fn load<const N: usize>(&self, address: u64) -> Option<[u8; N]> {
        let region = self.regions.get(region_of(address))?;
        let offset = address & OFFSET;
        let at = self.place(region, offset, N as u64)?;
        if matches!(region.shape, Shape::Stack) && !self.is_written(offset, N as u64) {
            return None;
        }
        region.bytes.get(at..)?.first_chunk::<N>().copied()
    }

    /// Writes `N` bytes where nothing special is.
    #[inline(always)]
    pub(crate) fn store<const N: usize>(&mut self, address: u64, bytes: [u8; N]) -> Option<()> {
        let region = self.regions.get(region_of(address))?;
        let offset = address & OFFSET;
        let at = self.place(region, offset, N as u64)?;
        if matches!(region.shape, Shape::Stack) {
            self.mark_written(offset, N as u64);
        } else if !region.writable {
            return None;
        }
        let region = self.regions.get_mut(region_of(address))?;
        *region.bytes.get_mut(at..)?.first_chunk_mut::<N>()? = bytes;
        Some(())
    }

    #[inline(always)]
    fn is_written(&self, offset: u64, size: u64) -> bool {
        let (word, bit) = ((offset / 64) as usize, offset % 64);
        let mask = ((1_u128 << size) - 1) << bit;
        let (low, high) = (mask as u64, (mask >> 64) as u64);
        let has = |word: usize, mask: u64| self.written.get(word).is_some_and(|w| w & mask == mask);
        has(word, low) && (high == 0 || has(word + 1, high))
    }

    #[inline(always)]
    fn mark_written(&mut self, offset: u64, size: u64) {
        let (word, bit) = ((offset / 64) as usize, offset % 64);
        let mask = ((1_u128 << size) - 1) << bit;
        let (low, high) = (mask as u64, (mask >> 64) as u64);
        if let Some(word) = self.written.get_mut(word) {
            *word |= low;
        }
        if high != 0
            && let Some(word) = self.written.get_mut(word + 1)
        {
            *word |= high;
        }
    }

    /// Whether all bytes of a stretch of the stack were written.
    fn are_written(&self, offset: u64, len: u64) -> bool {
        words(offset, len).all(|(at, len)| self.is_written(at, len))
    }

    fn mark_all_written(&mut self, offset: u64, len: u64) {
        for (at, len) in words(offset, len) {
            self.mark_written(at, len);
        }
    }

    /// A load that [`Space::load`] does not know.
    #[cold]
    pub(crate) fn load_slow(&self, address: u64, size: u64) -> Result<u64, Fault> {
        let fault = || self.fault(address, size, false);
        let region = self.regions.get(region_of(address)).ok_or_else(fault)?;
        let offset = address & OFFSET;
        match region.shape {
            Shape::Context => {
                let context = self.context.as_ref().ok_or_else(fault)?;
                let at = offset.wrapping_sub(START);
                if !context.allows(at, size, Access::Read, region.bytes.len() as u64) {
                    return Err(fault());
                }
                if let Some((_, pointer)) = context.pointer(at) {
                    return Ok(*pointer);
                }
                let bytes = region.bytes.get(at as usize..at as usize + size as usize);
                Ok(number(self.endian, bytes.ok_or_else(fault)?))
            }
            Shape::Arena => {
                let mut room = [0; 8];
                let room = &mut room[..size as usize];
                read_sparse(&region.bytes, offset & 0xffff_ffff, room);
                Ok(number(self.endian, room))
            }
            // An item that nobody wrote yet.
            Shape::Items { .. } => {
                let at = self.place(region, offset, size).ok_or_else(fault)?;
                let mut room = [0; 8];
                let room = &mut room[..size as usize];
                read_sparse(&region.bytes, at as u64, room);
                Ok(number(self.endian, room))
            }
            _ => Err(fault()),
        }
    }

    /// A store that [`Space::store`] does not know.
    #[cold]
    pub(crate) fn store_slow(&mut self, address: u64, bytes: &[u8]) -> Result<(), Fault> {
        let size = bytes.len() as u64;
        let fault = self.fault(address, size, true);
        let items = |region: &Region| matches!(region.shape, Shape::Items { .. });
        if self.regions.get(region_of(address)).is_some_and(items) {
            return match self.stretch(address, bytes.len()) {
                Some(_) => self.write(address, bytes),
                None => Err(fault),
            };
        }
        let Some(region) = self.regions.get_mut(region_of(address)) else {
            return Err(fault);
        };
        let offset = address & OFFSET;
        match region.shape {
            Shape::Context => {
                let at = offset.wrapping_sub(START);
                let len = region.bytes.len() as u64;
                let context = self.context.as_ref();
                if context.is_none_or(|context| !context.allows(at, size, Access::Write, len)) {
                    return Err(fault);
                }
                let at = at as usize;
                match region.bytes.get_mut(at..at + bytes.len()) {
                    Some(place) => {
                        place.copy_from_slice(bytes);
                        Ok(())
                    }
                    None => Err(fault),
                }
            }
            Shape::Arena => {
                let at = (offset & 0xffff_ffff) as usize;
                // What is not there takes no bytes, as in the kernel.
                if let Some(place) = region.bytes.get_mut(at..at + bytes.len()) {
                    place.copy_from_slice(bytes);
                }
                Ok(())
            }
            _ => Err(fault),
        }
    }

    /// Bytes that are one stretch of a region, wherever that may be read.
    fn stretch(&self, address: u64, len: usize) -> Option<(usize, usize)> {
        let number = region_of(address);
        let region = self.regions.get(number)?;
        let at = self.place(region, address & OFFSET, len as u64)?;
        Some((number, at))
    }

    fn push(&mut self, region: Region) -> Result<usize, OutOfMemory> {
        if self.regions.len() >= MOST {
            return Err(OutOfMemory);
        }
        self.regions.push(region);
        Ok(self.regions.len() - 1)
    }

    /// Makes `bytes` reachable.
    pub(crate) fn add(
        &mut self,
        kind: Kind,
        bytes: Vec<u8>,
        writable: bool,
    ) -> Result<u64, OutOfMemory> {
        let high = u32::try_from(bytes.len()).map_err(|_| OutOfMemory)?;
        self.spend(high.into())?;
        let region = self.push(Region {
            bytes,
            shape: Shape::Linear { low: 0, high },
            writable,
            kind,
        })?;
        Ok(address(region, START))
    }

    fn spend(&mut self, bytes: u64) -> Result<(), OutOfMemory> {
        self.budget = self.budget.checked_sub(bytes).ok_or(OutOfMemory)?;
        Ok(())
    }

    /// Makes the bytes of an item exist: they are added as they are used.
    fn grow(&mut self, number: usize, address: u64, len: u64) -> Result<(), OutOfMemory> {
        let Some(region) = self.regions.get(number) else {
            return Ok(());
        };
        let Shape::Items { .. } = region.shape else {
            return Ok(());
        };
        let Some(at) = self.place(region, address & OFFSET, len) else {
            return Ok(());
        };
        let (needed, have) = (at + len as usize, region.bytes.len());
        if needed > have {
            // In steps, so that a map that fills up is copied a few times only.
            let Shape::Items { size, count, .. } = region.shape else {
                return Ok(());
            };
            let whole = size as usize * count as usize;
            let target = (have * 2).max(needed).max(4096).min(whole).max(needed);
            self.spend((target - have) as u64)?;
            self.regions[number].bytes.resize(target, 0);
        }
        Ok(())
    }
}

/// A stretch in parts of at most 64 bytes: where each begins, and its length.
fn words(offset: u64, len: u64) -> impl Iterator<Item = (u64, u64)> {
    let end = offset + len;
    let starts = (offset..end).step_by(64);
    starts.map(move |at| (at, (end - at).min(64)))
}

/// Reads what there is of `bytes`, zeros elsewhere.
fn read_sparse(bytes: &[u8], offset: u64, to: &mut [u8]) {
    for (at, byte) in (offset as usize..).zip(to) {
        *byte = bytes.get(at).copied().unwrap_or(0);
    }
}

impl Context {
    /// Whether the program may read or write these bytes at once. `len` is the context's size.
    fn allows(&self, at: u64, size: u64, access: Access, len: u64) -> bool {
        match &self.rules {
            Rules::Bytes { writable } => {
                let inside = at.checked_add(size).is_some_and(|end| end <= len);
                inside && at.is_multiple_of(size) && (*writable || access == Access::Read)
            }
            Rules::Fields(fields) => fields.iter().any(|usable| {
                let may = match access {
                    Access::Read => usable.read,
                    Access::Write => usable.write,
                };
                may && usable.field.allows(at, size, access)
            }),
        }
    }

    /// The pointer in the field that begins here.
    fn pointer(&self, at: u64) -> Option<&(u16, u64)> {
        self.pointers.iter().find(|(of, _)| u64::from(*of) == at)
    }
}
