use crate::{Block, Fault, Gone, Kind, Memory, OutOfMemory, Protection};

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
    /// What lies in other pages: programs reach it by helpers only.
    tail: Option<Block>,
    tail_len: u32,
    /// Whether programs may write it.
    protection: Protection,
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
        Packet::with_access(memory, bytes, Protection::ReadWrite)
    }

    fn with_access(
        memory: &mut dyn Memory,
        bytes: &[u8],
        protection: Protection,
    ) -> Result<Packet, OutOfMemory> {
        let len = u32::try_from(bytes.len()).map_err(|_| OutOfMemory)?;
        let needed = Self::HEADROOM.checked_add(len).ok_or(OutOfMemory)?;
        let capacity = needed.max(Self::PAGE - Self::SHARED_INFO);
        let block = memory.allocate(Kind::Packet, capacity, 1, protection)?;
        let mut packet = Packet {
            block,
            meta: Self::HEADROOM,
            data: Self::HEADROOM,
            end: needed,
            capacity,
            tail: None,
            tail_len: 0,
            protection,
        };
        packet.fit(memory);
        let written = memory.write_owned(packet.data(), bytes);
        written.map_err(|_| OutOfMemory).map(|()| packet)
    }

    /// A packet of several buffers (XDP's fragments, pages of a socket buffer): programs reach
    /// `rest` by helpers only.
    ///
    /// # Errors
    /// If there is no more memory.
    pub fn with_fragments(
        memory: &mut dyn Memory,
        bytes: &[u8],
        rest: &[u8],
    ) -> Result<Packet, OutOfMemory> {
        Packet::in_parts(memory, bytes, rest, Protection::ReadWrite)
    }

    /// The same for programs that may not write it.
    ///
    /// # Errors
    /// If there is no more memory.
    pub fn read_only(
        memory: &mut dyn Memory,
        bytes: &[u8],
        rest: &[u8],
    ) -> Result<Packet, OutOfMemory> {
        Packet::in_parts(memory, bytes, rest, Protection::ReadOnly)
    }

    fn in_parts(
        memory: &mut dyn Memory,
        bytes: &[u8],
        rest: &[u8],
        protection: Protection,
    ) -> Result<Packet, OutOfMemory> {
        let mut packet = Packet::with_access(memory, bytes, protection)?;
        if !rest.is_empty() {
            packet.tail_len = u32::try_from(rest.len()).map_err(|_| OutOfMemory)?;
            let block = memory.allocate(Kind::Packet, packet.tail_len, 1, protection)?;
            let written = memory.write_owned(block.address, rest);
            written.map_err(|_| OutOfMemory)?;
            packet.tail = Some(block);
        }
        Ok(packet)
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
        memory.write_owned(self.data(), bytes).is_ok()
    }

    /// Lets programs reach what lies between metadata and end.
    fn fit(&mut self, memory: &mut dyn Memory) {
        memory.set_bounds(self.block, self.meta, self.end);
    }

    /// Whether it lies in the memory that another one was made in.
    pub fn is_in(&self, other: &Packet) -> bool {
        self.block == other.block && self.tail == other.tail
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

    /// Bytes of data with those in other pages.
    pub fn total_len(&self) -> u32 {
        self.len().saturating_add(self.tail_len)
    }

    /// The data, with what lies in other pages.
    ///
    /// # Errors
    /// If its memory is gone.
    pub fn bytes(&self, memory: &dyn Memory) -> Result<Vec<u8>, Fault> {
        let mut bytes = memory.bytes(self.data(), self.len() as usize)?;
        if let Some(tail) = self.tail {
            bytes.extend(memory.bytes(tail.address, self.tail_len as usize)?);
        }
        Ok(bytes)
    }

    /// Where `len` bytes at `offset` are: one stretch, or two where they cross into other pages.
    /// `None` if the packet does not have them.
    fn stretches(&self, offset: u32, len: u32) -> Option<[(u64, usize); 2]> {
        let end = offset.checked_add(len)?;
        if end > self.total_len() {
            return None;
        }
        let first = end.min(self.len()).saturating_sub(offset);
        let into_tail = offset.saturating_sub(self.len());
        let tail = self.tail.map_or(0, |tail| tail.address);
        Some([
            (self.data().wrapping_add(offset.into()), first as usize),
            (tail.wrapping_add(into_tail.into()), (len - first) as usize),
        ])
    }

    /// Copies bytes out, wherever they lie; `None` if the packet does not have them.
    ///
    /// # Errors
    /// If its memory is gone.
    pub fn load(
        &self,
        memory: &dyn Memory,
        offset: u32,
        len: u32,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let Some(stretches) = self.stretches(offset, len) else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        for (address, len) in stretches.into_iter().filter(|(_, len)| *len > 0) {
            bytes.extend(memory.bytes(address, len)?);
        }
        Ok(Some(bytes))
    }

    /// Copies bytes in, wherever they lie; `false` if the packet does not have them.
    ///
    /// # Errors
    /// If its memory is gone.
    pub fn store(&self, memory: &mut dyn Memory, offset: u32, bytes: &[u8]) -> Result<bool, Fault> {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let Some([(first, len), (second, _)]) = self.stretches(offset, len) else {
            return Ok(false);
        };
        memory.write_owned(first, &bytes[..len])?;
        memory.write_owned(second, &bytes[len..])?;
        Ok(true)
    }

    /// Gives the packet other bytes, all in one buffer. Old pointers are void afterwards.
    ///
    /// # Errors
    /// If there is no more memory.
    pub fn replace(&mut self, memory: &mut dyn Memory, bytes: &[u8]) -> Result<(), OutOfMemory> {
        let (block, tail) = (self.block, self.tail);
        *self = Packet::with_access(memory, bytes, self.protection)?;
        memory.release(block, Gone::PacketMoved);
        if let Some(tail) = tail {
            memory.release(tail, Gone::PacketMoved);
        }
        Ok(())
    }

    /// Makes all pointers into the packet void; the data stays.
    pub fn void_pointers(&mut self, memory: &mut dyn Memory) {
        self.renew(memory);
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
            Ok(bytes) => memory.write_owned(self.data_meta(), &bytes).is_ok(),
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
        grown == 0 || memory.write_owned(at, &vec![0; grown as usize]).is_ok()
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

    /// Whether programs may write it directly.
    pub fn is_writable(&self) -> bool {
        self.protection == Protection::ReadWrite
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
    /// To the other end of a virtual cable (`bpf_redirect_peer`).
    Peer {
        /// The interface's index.
        ifindex: u32,
    },
    /// To an interface, by way of its neighbours (`bpf_redirect_neigh`).
    Neighbour {
        /// The interface's index.
        ifindex: u32,
    },
    /// To the entry of a map (`bpf_redirect_map`, `bpf_sk_redirect_map` …).
    Map {
        /// The map's name.
        map: String,
        /// The key.
        key: u64,
        /// The entry's value.
        value: Vec<u8>,
    },
}
