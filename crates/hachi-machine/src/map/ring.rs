//! Ring buffers.

use std::collections::VecDeque;

use hachi_obj::uapi::{
    BPF_RB_AVAIL_DATA, BPF_RB_CONS_POS, BPF_RB_PROD_POS, BPF_RB_RING_SIZE, BPF_RINGBUF_HDR_SZ,
};

use crate::{Block, Gone, Kind, Memory, OutOfMemory, Protection};

/// Bytes before each record.
const HEADER: u64 = BPF_RINGBUF_HDR_SZ as u64;
/// The largest record: 30 bits of its header are for its length.
const LARGEST: u64 = (1 << 30) - 1;

/// A record as its reader gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RingRecord(pub Vec<u8>);

/// A ring buffer: records, in the order they were reserved in.
#[derive(Debug, Clone)]
pub struct Ring {
    size: u64,
    producer: u64,
    consumer: u64,
    records: VecDeque<Record>,
}

#[derive(Debug, Clone)]
struct Record {
    len: u64,
    state: State,
}

#[derive(Debug, Clone)]
enum State {
    /// A program writes it.
    Busy(Block),
    Done(Vec<u8>),
    Discarded,
}

impl Record {
    /// Bytes it takes in the ring.
    fn taken(&self) -> u64 {
        (self.len + HEADER).next_multiple_of(8)
    }
}

impl Ring {
    /// A ring of this many bytes.
    pub fn new(size: u32) -> Ring {
        Ring {
            size: size.into(),
            producer: 0,
            consumer: 0,
            records: VecDeque::new(),
        }
    }

    fn has_room(&self, len: u64) -> bool {
        let taken = (len.saturating_add(HEADER)).next_multiple_of(8);
        len <= LARGEST && taken <= self.size && self.producer + taken - self.consumer < self.size
    }

    fn push(&mut self, record: Record) {
        self.producer += record.taken();
        self.records.push_back(record);
    }

    /// Room for a record of `len` bytes, for a program to write; `None` if there is not enough.
    ///
    /// # Errors
    /// If there is no more memory.
    pub fn reserve(
        &mut self,
        memory: &mut dyn Memory,
        map: &str,
        len: u64,
    ) -> Result<Option<Block>, OutOfMemory> {
        if !self.has_room(len) {
            return Ok(None);
        }
        let kind = Kind::RingRecord {
            map: map.to_owned(),
        };
        let size = u32::try_from(len).map_err(|_| OutOfMemory)?;
        let block = memory.allocate(kind, size, 1, Protection::ReadWrite)?;
        self.push(Record {
            len,
            state: State::Busy(block),
        });
        Ok(Some(block))
    }

    /// Gives readers the record that was reserved at this address. `false` if there is none.
    pub fn submit(&mut self, memory: &mut dyn Memory, address: u64) -> bool {
        self.finish(memory, address, Gone::Submitted)
    }

    /// Takes back the record that was reserved at this address. `false` if there is none.
    pub fn discard(&mut self, memory: &mut dyn Memory, address: u64) -> bool {
        self.finish(memory, address, Gone::Discarded)
    }

    fn finish(&mut self, memory: &mut dyn Memory, address: u64, why: Gone) -> bool {
        let busy = |record: &&mut Record| match &record.state {
            State::Busy(block) => block.address == address,
            _ => false,
        };
        let Some(record) = self.records.iter_mut().find(busy) else {
            return false;
        };
        let State::Busy(block) = record.state else {
            return false;
        };
        record.state = match (why, memory.bytes(address, record.len as usize)) {
            (Gone::Submitted, Ok(bytes)) => State::Done(bytes),
            _ => State::Discarded,
        };
        memory.release(block, why);
        true
    }

    /// Adds a whole record; `false` if there is no room.
    pub fn output(&mut self, bytes: &[u8]) -> bool {
        let len = bytes.len() as u64;
        let fits = self.has_room(len);
        if fits {
            self.push(Record {
                len,
                state: State::Done(bytes.to_vec()),
            });
        }
        fits
    }

    /// Takes what a reader would get now: all records up to the first that is still being written.
    pub fn take(&mut self) -> Vec<RingRecord> {
        std::iter::from_fn(|| self.take_one()).collect()
    }

    /// Takes the next record that a reader would get.
    pub fn take_one(&mut self) -> Option<RingRecord> {
        loop {
            let record = self.records.front()?;
            if matches!(record.state, State::Busy(_)) {
                return None;
            }
            self.consumer += record.taken();
            if let Some(Record {
                state: State::Done(bytes),
                ..
            }) = self.records.pop_front()
            {
                return Some(RingRecord(bytes));
            }
        }
    }

    /// What `bpf_ringbuf_query` answers.
    pub fn query(&self, what: u64) -> u64 {
        match what {
            BPF_RB_AVAIL_DATA => self.producer - self.consumer,
            BPF_RB_RING_SIZE => self.size,
            BPF_RB_CONS_POS => self.consumer,
            BPF_RB_PROD_POS => self.producer,
            _ => 0,
        }
    }
}
