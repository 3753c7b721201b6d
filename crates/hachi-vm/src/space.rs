//! The address space: regions of memory, far apart, each with its own bounds.
//!
//! The upper bits of an address say which region it is in, so that a pointer that runs past the end
//! of one does not get into the next.

use std::cell::Cell;

use hachi_asm::Endian;
use hachi_machine::{Block, Fault, Gone, Kind, Memory, OutOfMemory, Reason};

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
const FRAME: u64 = 512;
/// From one frame pointer to the next.
const FRAME_WINDOW: u64 = 1024;
/// Where a frame pointer is in its window; what is above is for accesses that straddle it.
const FRAME_TOP: u64 = 768;
/// Functions that may be called within each other: `MAX_CALL_FRAMES`.
pub(crate) const FRAMES: usize = 8;
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
}

/// The context of the program that runs.
#[derive(Debug, Clone)]
struct Context {
    region: usize,
    fields: &'static [Field],
    /// What pointer fields hold.
    pointers: Vec<(u16, u64)>,
}

/// A field of a context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Where it is, in bytes.
    pub offset: u16,
    /// How many bytes it has.
    pub size: u16,
    /// How a program may use it.
    pub access: Access,
}

/// How a program may use a field of its context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read, also in parts.
    Read,
    /// Read and write, in parts too.
    ReadWrite,
    /// Read as a whole; what is read is a pointer, of 64 bits whatever the field's size.
    Pointer,
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
            depth: 0,
            slack: 0,
            endian,
            budget,
            context: None,
            copied: Cell::new(0),
        }
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
        self.written[from..from + MASK_WORDS].fill(0);
        address(STACK, self.depth * FRAME_WINDOW + FRAME_TOP)
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
        for region in self.regions.drain(mark.max(FIRST)..) {
            self.budget += region.bytes.len() as u64;
        }
        self.context = None;
    }

    /// Makes the context of a run.
    pub(crate) fn set_context(
        &mut self,
        bytes: Vec<u8>,
        fields: &'static [Field],
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
            fields,
            pointers,
        });
        address(region, START)
    }

    /// What the pointer fields of the context hold from now on.
    pub(crate) fn set_context_pointers(&mut self, pointers: &[(u16, u64)]) {
        if let Some(context) = &mut self.context {
            context.pointers.clear();
            context.pointers.extend_from_slice(pointers);
        }
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

    /// Why an access cannot be made.
    #[cold]
    pub(crate) fn fault(&self, address: u64, size: u64, write: bool) -> Fault {
        let reason = self.reason(address, size, write);
        Fault {
            address,
            size,
            write,
            reason,
        }
    }

    fn reason(&self, address: u64, size: u64, write: bool) -> Reason {
        if !(1 << 16..=u64::MAX - (1 << 16)).contains(&address) {
            return Reason::Null;
        }
        let Some(region) = self.regions.get(region_of(address)) else {
            return Reason::Unmapped;
        };
        let kind = region.kind.clone();
        let offset = address & OFFSET;
        let from_start = offset.wrapping_sub(START) as i64;
        match region.shape {
            Shape::Nothing => Reason::Unmapped,
            Shape::Gone(why) => Reason::Gone { kind, why },
            Shape::Context => Reason::NoField {
                offset: from_start as u64,
            },
            Shape::Linear { low, high } => {
                let place = from_start - i64::from(low);
                let len = u64::from(high - low);
                if write && !region.writable && place >= 0 && place as u64 + size <= len {
                    return Reason::ReadOnly { kind };
                }
                // Metadata before a packet counts as negative.
                Reason::Outside {
                    kind,
                    offset: place,
                    len,
                }
            }
            Shape::Arena => Reason::Outside {
                kind,
                offset: offset as i64,
                len: 1 << 32,
            },
            Shape::Items {
                shift,
                size: item,
                count,
            } => {
                let index = from_start >> shift;
                let inside = from_start & ((1 << shift) - 1);
                let there = index >= 0 && index < i64::from(count);
                if write && !region.writable && there && inside as u64 + size <= u64::from(item) {
                    return Reason::ReadOnly { kind };
                }
                // The upper half of the gap is before the next item.
                let offset = match inside > (i64::from(item) + (1 << shift)) / 2 {
                    true => inside - (1 << shift),
                    false => inside,
                };
                Reason::Outside {
                    kind,
                    offset,
                    len: item.into(),
                }
            }
            Shape::Stack => {
                let from_top = (offset % FRAME_WINDOW) as i64 - FRAME_TOP as i64;
                if !write && self.place(region, offset, size).is_some() {
                    let first = (0..size).find(|at| !self.is_written(offset + at, 1));
                    return Reason::Uninitialised {
                        offset: from_top + first.unwrap_or(0) as i64,
                    };
                }
                Reason::Outside {
                    kind,
                    offset: from_top + FRAME as i64,
                    len: FRAME,
                }
            }
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
                let field = context.field(at, size).ok_or_else(fault)?;
                if field.access == Access::Pointer {
                    let whole = at == u64::from(field.offset) && size == u64::from(field.size);
                    let pointer = context.pointers.iter().find(|(of, _)| *of == field.offset);
                    return match (whole, pointer) {
                        (true, Some((_, pointer))) => Ok(*pointer),
                        _ => Err(fault()),
                    };
                }
                let bytes = region.bytes.get(at as usize..at as usize + size as usize);
                Ok(self.number(bytes.ok_or_else(fault)?))
            }
            Shape::Arena => {
                let mut room = [0; 8];
                let room = &mut room[..size as usize];
                read_sparse(&region.bytes, offset & 0xffff_ffff, room);
                Ok(self.number(room))
            }
            // An item that nobody wrote yet.
            Shape::Items { .. } => {
                let at = self.place(region, offset, size).ok_or_else(fault)?;
                let mut room = [0; 8];
                let room = &mut room[..size as usize];
                read_sparse(&region.bytes, at as u64, room);
                Ok(self.number(room))
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
                let field = self
                    .context
                    .as_ref()
                    .and_then(|context| context.field(at, size));
                if field.is_none_or(|field| field.access != Access::ReadWrite) {
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

    /// Up to 8 bytes as a number.
    fn number(&self, bytes: &[u8]) -> u64 {
        let mut wide = [0; 8];
        match self.endian {
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

/// Reads what there is of `bytes`, zeros elsewhere.
fn read_sparse(bytes: &[u8], offset: u64, to: &mut [u8]) {
    for (at, byte) in (offset as usize..).zip(to) {
        *byte = bytes.get(at).copied().unwrap_or(0);
    }
}

impl Context {
    /// The field that holds these bytes.
    fn field(&self, at: u64, size: u64) -> Option<&'static Field> {
        let holds = |field: &&Field| {
            let start = u64::from(field.offset);
            at >= start
                && at
                    .checked_add(size)
                    .is_some_and(|end| end <= start + u64::from(field.size))
        };
        self.fields.iter().find(holds)
    }
}

impl Memory for Space {
    fn endian(&self) -> Endian {
        self.endian
    }

    fn read(&self, address: u64, to: &mut [u8]) -> Result<(), Fault> {
        let len = to.len();
        if len == 0 {
            return Ok(());
        }
        self.copied
            .set(self.copied.get().saturating_add(len as u64));
        let fault = || self.fault(address, len as u64, false);
        let Some((number, at)) = self.stretch(address, len) else {
            // An arena gives zeros for what is not there.
            let region = self.regions.get(region_of(address)).ok_or_else(fault)?;
            if region.shape == Shape::Arena {
                read_sparse(&region.bytes, address & 0xffff_ffff, to);
                return Ok(());
            }
            return Err(fault());
        };
        let region = &self.regions[number];
        if region.shape == Shape::Stack {
            let offset = address & OFFSET;
            if !(0..len as u64).all(|at| self.is_written(offset + at, 1)) {
                return Err(fault());
            }
        }
        // What of an item was never written is zero.
        read_sparse(&region.bytes, at as u64, to);
        Ok(())
    }

    fn write(&mut self, address: u64, from: &[u8]) -> Result<(), Fault> {
        let writable = |region: &Region| region.writable;
        if self
            .regions
            .get(region_of(address))
            .is_some_and(|region| !writable(region))
        {
            return match from.is_empty() {
                true => Ok(()),
                false => Err(self.fault(address, from.len() as u64, true)),
            };
        }
        self.write_owned(address, from)
    }

    fn write_owned(&mut self, address: u64, from: &[u8]) -> Result<(), Fault> {
        let len = from.len();
        if len == 0 {
            return Ok(());
        }
        self.copied
            .set(self.copied.get().saturating_add(len as u64));
        let Some((number, at)) = self.stretch(address, len) else {
            return self.store_slow(address, from);
        };
        let out_of_memory = self.grow(number, address, len as u64).is_err();
        if self.regions[number].shape == Shape::Stack {
            for at in 0..len as u64 {
                self.mark_written((address & OFFSET) + at, 1);
            }
        }
        match self.regions[number].bytes.get_mut(at..at + len) {
            Some(place) if !out_of_memory => {
                place.copy_from_slice(from);
                Ok(())
            }
            _ => Err(self.fault(address, len as u64, true)),
        }
    }

    fn allocate(
        &mut self,
        kind: Kind,
        size: u32,
        count: u32,
        writable: bool,
    ) -> Result<Block, OutOfMemory> {
        if matches!(kind, Kind::Arena { .. }) {
            let region = self.push(Region {
                bytes: Vec::new(),
                shape: Shape::Arena,
                writable,
                kind,
            })?;
            return Ok(Block {
                address: address(region, 0),
                stride: 1,
            });
        }
        if count == 1 {
            self.spend(size.into())?;
            let region = self.push(Region {
                bytes: vec![0; size as usize],
                shape: Shape::Linear { low: 0, high: size },
                writable,
                kind,
            })?;
            return Ok(Block {
                address: address(region, START),
                stride: size.into(),
            });
        }
        // A gap after each item, so that its end is not the start of the next.
        let shift = u64::from(size)
            .saturating_add(8)
            .next_power_of_two()
            .trailing_zeros();
        if u128::from(count) << shift >= 1 << (WINDOW - 1) {
            return Err(OutOfMemory);
        }
        let region = self.push(Region {
            bytes: Vec::new(),
            shape: Shape::Items {
                shift: shift as u8,
                size,
                count,
            },
            writable,
            kind,
        })?;
        // Small maps are whole from the start: accesses then need not look whether they are.
        let whole = u64::from(size) * u64::from(count);
        if whole <= 1 << 16 {
            self.spend(whole)?;
            self.regions[region].bytes = vec![0; whole as usize];
        }
        Ok(Block {
            address: address(region, START),
            stride: 1 << shift,
        })
    }

    fn set_bounds(&mut self, block: Block, start: u32, end: u32) {
        if let Some(region) = self.regions.get_mut(region_of(block.address))
            && let Shape::Linear { low, high } = &mut region.shape
        {
            let len = region.bytes.len() as u32;
            *high = end.min(len);
            *low = start.min(*high);
        }
    }

    fn renew(&mut self, block: Block, why: Gone) -> Block {
        let number = region_of(block.address);
        let Some(region) = self.regions.get_mut(number) else {
            return block;
        };
        let kind = region.kind.clone();
        let dead = Region {
            bytes: Vec::new(),
            shape: Shape::Gone(why),
            writable: false,
            kind,
        };
        let old = std::mem::replace(region, dead);
        match self.push(old) {
            Ok(region) => Block {
                address: address(region, START),
                stride: block.stride,
            },
            // The number of regions is bounded; a program that moves its packet that often has
            // lost it.
            Err(OutOfMemory) => block,
        }
    }

    fn release(&mut self, block: Block, why: Gone) {
        if let Some(region) = self.regions.get_mut(region_of(block.address)) {
            self.budget += region.bytes.len() as u64;
            region.bytes = Vec::new();
            region.shape = Shape::Gone(why);
            region.writable = false;
        }
    }
}
