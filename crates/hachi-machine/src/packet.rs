use crate::{Block, Fault, Gone, Kind, Memory, OutOfMemory};

/// A packet in the machine's memory: room, metadata, data, room.
///
/// Offsets count from the start of its memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    block: Block,
    meta: u32,
    data: u32,
    end: u32,
    capacity: u32,
}

impl Packet {
    /// Room before the data, as XDP has it: `XDP_PACKET_HEADROOM`.
    pub const HEADROOM: u32 = 256;
    /// Of the room before the data, what the kernel keeps for `struct xdp_frame`.
    const FRAME: u32 = 40;
    /// How much an XDP buffer holds: a page.
    const PAGE: u32 = 4096;
    /// Of a page, what the kernel keeps at its end for `struct skb_shared_info`.
    const SHARED_INFO: u32 = 320;
    /// Bytes of metadata a program may put before the packet.
    const LARGEST_META: u32 = 252;

    /// Puts a packet into memory, with as much room around it as XDP has.
    ///
    /// # Errors
    /// If there is no more memory.
    pub fn new(memory: &mut dyn Memory, bytes: &[u8]) -> Result<Packet, OutOfMemory> {
        let len = u32::try_from(bytes.len()).map_err(|_| OutOfMemory)?;
        let needed = Self::HEADROOM.checked_add(len).ok_or(OutOfMemory)?;
        let capacity = needed.max(Self::PAGE - Self::SHARED_INFO);
        let block = memory.allocate(Kind::Packet, capacity, 1, true)?;
        let mut packet = Packet {
            block,
            meta: Self::HEADROOM,
            data: Self::HEADROOM,
            end: needed,
            capacity,
        };
        packet.fit(memory);
        let written = memory.write(packet.data(), bytes);
        written.map_err(|_| OutOfMemory).map(|()| packet)
    }

    /// Puts other bytes into the same memory, if they fit.
    pub fn refill(&mut self, memory: &mut dyn Memory, bytes: &[u8]) -> bool {
        let Some(end) = u32::try_from(bytes.len())
            .ok()
            .and_then(|len| len.checked_add(Self::HEADROOM))
        else {
            return false;
        };
        if end > self.capacity {
            return false;
        }
        (self.meta, self.data, self.end) = (Self::HEADROOM, Self::HEADROOM, end);
        self.fit(memory);
        memory.write(self.data(), bytes).is_ok()
    }

    /// Lets programs reach what lies between metadata and end.
    fn fit(&mut self, memory: &mut dyn Memory) {
        memory.set_bounds(self.block, self.meta, self.end);
    }

    /// Where the data begins (`xdp_md.data`).
    pub fn data(&self) -> u64 {
        self.block.address.wrapping_add(self.data.into())
    }

    /// Where the data ends (`xdp_md.data_end`).
    pub fn data_end(&self) -> u64 {
        self.block.address.wrapping_add(self.end.into())
    }

    /// Where the metadata begins (`xdp_md.data_meta`); that of the data if there is none.
    pub fn data_meta(&self) -> u64 {
        self.block.address.wrapping_add(self.meta.into())
    }

    /// Bytes of data.
    pub fn len(&self) -> u32 {
        self.end - self.data
    }

    /// Whether there is no data.
    pub fn is_empty(&self) -> bool {
        self.end == self.data
    }

    /// The data.
    ///
    /// # Errors
    /// If its memory is gone.
    pub fn bytes(&self, memory: &dyn Memory) -> Result<Vec<u8>, Fault> {
        memory.bytes(self.data(), self.len() as usize)
    }

    /// The metadata before the data.
    ///
    /// # Errors
    /// If its memory is gone.
    pub fn metadata(&self, memory: &dyn Memory) -> Result<Vec<u8>, Fault> {
        memory.bytes(self.data_meta(), (self.data - self.meta) as usize)
    }

    /// Moves the start of the data (`bpf_xdp_adjust_head`): a negative `delta` adds bytes. Old
    /// pointers into the packet are void afterwards. `false` if there is no room.
    pub fn adjust_head(&mut self, memory: &mut dyn Memory, delta: i32) -> bool {
        // The metadata moves along.
        let meta = i64::from(self.data - self.meta);
        let data = i64::from(self.data) + i64::from(delta);
        let lowest = i64::from(Self::FRAME) + meta;
        // At least an Ethernet header must be left.
        if data < lowest || data > i64::from(self.end) - 14 {
            return false;
        }
        let moved = memory.bytes(self.data_meta(), meta as usize);
        let data = data as u32;
        let meta = data - meta as u32;
        self.renew(memory);
        (self.data, self.meta) = (data, meta);
        self.fit(memory);
        match moved {
            Ok(bytes) => memory.write(self.data_meta(), &bytes).is_ok(),
            Err(_) => false,
        }
    }

    /// Moves the end of the data (`bpf_xdp_adjust_tail`): a positive `delta` adds zeros. `false` if
    /// there is no room.
    pub fn adjust_tail(&mut self, memory: &mut dyn Memory, delta: i32) -> bool {
        let end = i64::from(self.end) + i64::from(delta);
        if end > i64::from(self.capacity) || end < i64::from(self.data) + 14 {
            return false;
        }
        let (old, end) = (self.end, end as u32);
        self.renew(memory);
        self.end = end;
        self.fit(memory);
        let grown = end.saturating_sub(old);
        let at = self.block.address.wrapping_add(old.into());
        grown == 0 || memory.write(at, &vec![0; grown as usize]).is_ok()
    }

    /// Moves the start of the metadata (`bpf_xdp_adjust_meta`): a negative `delta` adds bytes.
    /// `false` if there is no room, or the size is not a multiple of 4.
    pub fn adjust_meta(&mut self, memory: &mut dyn Memory, delta: i32) -> bool {
        let meta = i64::from(self.meta) + i64::from(delta);
        if meta < i64::from(Self::FRAME) || meta > i64::from(self.data) {
            return false;
        }
        let size = self.data - meta as u32;
        if !size.is_multiple_of(4) || size > Self::LARGEST_META {
            return false;
        }
        self.renew(memory);
        self.meta = meta as u32;
        self.fit(memory);
        true
    }

    /// Makes all pointers into the packet void.
    fn renew(&mut self, memory: &mut dyn Memory) {
        self.block = memory.renew(self.block, Gone::PacketMoved);
    }

    /// Its memory.
    pub fn block(&self) -> Block {
        self.block
    }
}

/// Where a program sent its packet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Redirect {
    /// To an interface (`bpf_redirect`).
    Interface {
        /// Its index.
        ifindex: u32,
        /// The helper's flags.
        flags: u64,
    },
    /// To the entry of a map (`bpf_redirect_map`).
    Map {
        /// The map's name.
        map: String,
        /// The key.
        key: u64,
        /// The entry's value.
        value: Vec<u8>,
    },
}
