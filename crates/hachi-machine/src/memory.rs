//! Memory as helpers and maps see it.

use std::fmt;

use hachi_asm::Endian;

/// What a stretch of memory is, for messages and for checks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The memory that a bare program was given.
    Input,
    /// The values of a map.
    MapValue {
        /// The map's name.
        map: String,
    },
    /// The packet, with the room around it.
    Packet,
    /// The program's context.
    Context,
    /// A record of a ring buffer.
    RingRecord {
        /// The map's name.
        map: String,
    },
    /// The program's stack.
    Stack,
    /// An object of the kernel: a task, a structure that a function was called with.
    Kernel,
    /// A socket.
    Socket,
    /// The value of a socket's option.
    OptionValue,
    /// What the flow dissector fills in.
    FlowKeys,
    /// A dynptr, and what else programs hold but may not look into.
    Opaque,
    /// An arena.
    Arena {
        /// The map's name.
        map: String,
    },
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Input => f.write_str("the input memory"),
            Kind::MapValue { map } => write!(f, "a value of map `{map}`"),
            Kind::Packet => f.write_str("the packet"),
            Kind::Context => f.write_str("the context"),
            Kind::RingRecord { map } => write!(f, "a record of ring buffer `{map}`"),
            Kind::Stack => f.write_str("the stack"),
            Kind::Kernel => f.write_str("kernel memory"),
            Kind::Socket => f.write_str("a socket"),
            Kind::OptionValue => f.write_str("the option's value"),
            Kind::FlowKeys => f.write_str("the flow keys"),
            Kind::Opaque => f.write_str("an object that programs may not look into"),
            Kind::Arena { map } => write!(f, "arena `{map}`"),
        }
    }
}

/// Why memory that was there is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gone {
    /// The record was submitted.
    Submitted,
    /// The record was discarded.
    Discarded,
    /// A helper moved the packet.
    PacketMoved,
    /// The reference to it was given back.
    Released,
    /// The run that it belonged to is over.
    RunOver,
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Gone::Submitted => "it was submitted",
            Gone::Discarded => "it was discarded",
            Gone::PacketMoved => "a helper changed the packet after the pointer was made",
            Gone::Released => "the reference to it was given back",
            Gone::RunOver => "the run that it belonged to is over",
        })
    }
}

/// What programs may do with memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// Read it.
    ReadOnly,
    /// Read and write it.
    ReadWrite,
}

impl Protection {
    /// That of memory which programs may write, or only read.
    pub(crate) fn writable_if(may_write: bool) -> Protection {
        match may_write {
            true => Protection::ReadWrite,
            false => Protection::ReadOnly,
        }
    }
}

/// An access that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The address.
    pub address: u64,
    /// How many bytes.
    pub size: u64,
    /// Whether it was a write.
    pub write: bool,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What is wrong with an access.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The address is null, or close to it.
    Null,
    /// Nothing is there.
    Unmapped,
    /// It lies partly or wholly outside of what the pointer points to.
    Outside {
        /// What the pointer points to.
        kind: Kind,
        /// Where the access begins, in bytes from its start.
        offset: i64,
        /// How many bytes it has.
        len: u64,
    },
    /// It may not be written by programs.
    ReadOnly {
        /// What it is.
        kind: Kind,
    },
    /// Bytes of the stack that nobody wrote.
    Uninitialised {
        /// The first of them, in bytes from the frame pointer.
        offset: i64,
    },
    /// The memory is gone.
    Gone {
        /// What it was.
        kind: Kind,
        /// Why it is gone.
        why: Gone,
    },
    /// The context has no such field, or not of that size.
    NoField {
        /// The offset in the context, in bytes.
        offset: u64,
    },
    /// The access is atomic and its address not a multiple of its size.
    Misaligned,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { address, size, .. } = self;
        let verb = if self.write { "write" } else { "read" };
        let plural = if *size == 1 { "" } else { "s" };
        write!(f, "{verb} of {size} byte{plural} ")?;
        match &self.reason {
            Reason::Null => write!(f, "through a null pointer ({address:#x})"),
            Reason::Unmapped => write!(f, "at {address:#x}, where nothing is"),
            Reason::Outside { kind, offset, len } => {
                write!(f, "at offset {offset} of {kind}, which has {len} bytes")
            }
            Reason::ReadOnly { kind } => write!(f, "to {kind}, which is read-only"),
            Reason::Uninitialised { offset } => {
                write!(f, "of the stack at fp{offset:+}, which nobody wrote before")
            }
            Reason::Gone { kind, why } => write!(f, "of {kind} that is gone: {why}"),
            Reason::NoField { offset } => write!(
                f,
                "at offset {offset} of the context, where no field allows it"
            ),
            Reason::Misaligned => {
                write!(
                    f,
                    "at {address:#x}, which is not aligned for an atomic access"
                )
            }
        }
    }
}

impl std::error::Error for Fault {}

/// Memory that was allocated: items of one size, at equal distances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// The address of the first item.
    pub address: u64,
    /// From one item to the next, in bytes.
    pub stride: u64,
}

impl Block {
    /// The address of an item.
    pub fn item(self, index: u32) -> u64 {
        self.address
            .wrapping_add(self.stride.wrapping_mul(index.into()))
    }

    /// The index of the item at this address.
    pub fn index(self, address: u64) -> u64 {
        address.wrapping_sub(self.address) / self.stride.max(1)
    }
}

/// There is no more memory: a budget is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfMemory;

/// Memory by address, checked by the one who implements it.
pub trait Memory {
    /// The byte order of the machine that is imitated.
    fn endian(&self) -> Endian;

    /// Copies bytes out.
    ///
    /// # Errors
    /// If not all of them may be read.
    fn read(&self, address: u64, to: &mut [u8]) -> Result<(), Fault>;

    /// Copies bytes in.
    ///
    /// # Errors
    /// If not all of them may be written; then none is.
    fn write(&mut self, address: u64, from: &[u8]) -> Result<(), Fault>;

    /// Reads where programs may not: for those whose memory it is, such as the context.
    ///
    /// # Errors
    /// If there is no such memory.
    fn read_owned(&self, address: u64, to: &mut [u8]) -> Result<(), Fault> {
        self.read(address, to)
    }

    /// Writes where programs may only read: for those whose memory it is.
    ///
    /// # Errors
    /// If there is no such memory.
    fn write_owned(&mut self, address: u64, from: &[u8]) -> Result<(), Fault>;

    /// Makes memory of zeros: `count` items of `size` bytes each. It may grow as it is used.
    ///
    /// # Errors
    /// If the budget of memory is spent.
    fn allocate(
        &mut self,
        kind: Kind,
        size: u32,
        count: u32,
        protection: Protection,
    ) -> Result<Block, OutOfMemory>;

    /// Lets programs reach only what lies between two offsets of a block of one item, in bytes.
    fn set_bounds(&mut self, block: Block, start: u32, end: u32);

    /// Moves memory to another address, so that accesses through old pointers are faults.
    fn renew(&mut self, block: Block, why: Gone) -> Block;

    /// Gives memory back. Accesses through old pointers are faults from then on.
    fn release(&mut self, block: Block, why: Gone);

    /// Reads bytes into a new vector.
    ///
    /// # Errors
    /// As [`Memory::read`].
    fn bytes(&self, address: u64, len: usize) -> Result<Vec<u8>, Fault> {
        let mut bytes = vec![0; len];
        self.read(address, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads a number of 4 bytes.
    ///
    /// # Errors
    /// As [`Memory::read`].
    fn u32(&self, address: u64) -> Result<u32, Fault> {
        let mut bytes = [0; 4];
        self.read(address, &mut bytes)?;
        Ok(self.endian().u32(bytes))
    }

    /// Reads a number of 8 bytes.
    ///
    /// # Errors
    /// As [`Memory::read`].
    fn u64(&self, address: u64) -> Result<u64, Fault> {
        let mut bytes = [0; 8];
        self.read(address, &mut bytes)?;
        Ok(self.endian().u64(bytes))
    }
}
