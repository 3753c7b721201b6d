use std::fmt;

use hachi_asm::helpers;

use crate::maps::{Map, MapError};
use crate::{Fault, Memory, Packet, Random, Redirect};

/// The task that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// The thread.
    pub pid: u32,
    /// The process.
    pub tgid: u32,
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its name; of more than 15 bytes the first 15 count.
    pub comm: String,
}

/// Something that a program must give back before it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Held {
    /// A record of a ring buffer that is neither submitted nor discarded.
    Record {
        /// The map's name.
        map: String,
        /// Its address.
        address: u64,
    },
    /// A spin lock.
    Lock {
        /// Its address.
        address: u64,
    },
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Held::Record { map, .. } => write!(
                f,
                "a record of ring buffer `{map}` that it neither submitted nor discarded"
            ),
            Held::Lock { .. } => f.write_str("a spin lock that it did not release"),
        }
    }
}

/// What programs see of the machine, and what they leave behind.
///
/// All fields are free to set between runs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct World {
    /// Nanoseconds since the machine started, without suspension; what `bpf_ktime_get_ns` answers.
    pub now: u64,
    /// How far the clock goes on each time that a program reads it, in nanoseconds.
    pub tick: u64,
    /// Nanoseconds since 1970 minus those since the machine started.
    pub epoch: u64,
    /// Where random numbers come from.
    pub random: Random,
    /// How many CPUs there are.
    pub cpus: u32,
    /// The CPU that programs run on.
    pub cpu: u32,
    /// The task that runs.
    pub task: Task,
    /// The id of the task's cgroup (version 2).
    pub cgroup: u64,
    /// What programs printed, a line each.
    pub printed: Vec<String>,
    /// The maps, by number.
    pub maps: Vec<Map>,
    /// The packet of the program that runs.
    pub packet: Option<Packet>,
    /// Where the program that ran sent its packet.
    pub redirect: Option<Redirect>,
    /// What the program that runs must still give back.
    pub held: Vec<Held>,
    /// Work that helpers did and that is not yet charged, in instructions.
    work: u64,
}

impl World {
    /// A machine with this many CPUs: one minute old, the first CPU running task 1000 of user 1000,
    /// without maps.
    pub fn new(cpus: u32) -> World {
        World {
            now: 60_000_000_000,
            tick: 1000,
            epoch: 1_700_000_000_000_000_000,
            random: Random::new(0),
            cpus: cpus.max(1),
            cpu: 0,
            task: Task {
                pid: 1000,
                tgid: 1000,
                uid: 1000,
                gid: 1000,
                comm: "hachi".to_owned(),
            },
            cgroup: 1,
            printed: Vec::new(),
            maps: Vec::new(),
            packet: None,
            redirect: None,
            held: Vec::new(),
            work: 0,
        }
    }

    /// Charges the program that runs for work that takes as long as this many instructions.
    pub fn charge(&mut self, instructions: u64) {
        self.work = self.work.saturating_add(instructions);
    }

    /// What was charged since the last call, in instructions.
    pub fn take_charges(&mut self) -> u64 {
        std::mem::take(&mut self.work)
    }

    /// Reads the clock, which goes on.
    pub fn read_clock(&mut self) -> u64 {
        let now = self.now;
        self.now = now.wrapping_add(self.tick);
        now
    }

    /// The map of this name.
    pub fn map(&self, name: &str) -> Option<&Map> {
        self.maps.iter().find(|map| map.name() == name)
    }

    /// The number of the map of this name.
    pub fn map_number(&self, name: &str) -> Option<u32> {
        let at = self.maps.iter().position(|map| map.name() == name)?;
        u32::try_from(at).ok()
    }
}

/// What runs a program: its memory, and a way to call back into it.
pub trait Host {
    /// The world and the memory.
    fn parts(&mut self) -> (&mut World, &mut dyn Memory);

    /// The number of the map that a pointer of the program stands for.
    fn map_at(&self, pointer: u64) -> Option<u32>;

    /// The pointer that stands for a map.
    fn map_pointer(&self, map: u32) -> u64;

    /// Calls a function of the program.
    ///
    /// # Errors
    /// If it does not end as it must.
    fn call_back(&mut self, function: u64, arguments: [u64; 5]) -> Result<u64, Trap>;
}

/// Why a program cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trap {
    /// An access that cannot be made.
    Access(Fault),
    /// A helper that no kernel has.
    NoSuchHelper {
        /// Its number.
        helper: i32,
    },
    /// A helper that this machine does not have.
    Missing {
        /// Its number.
        helper: u32,
    },
    /// A helper that programs of this type may not call.
    WrongType {
        /// Its number.
        helper: u32,
    },
    /// A kernel function that this machine does not have.
    MissingKfunc {
        /// Its name.
        name: String,
    },
    /// A helper, called as the kernel does not allow.
    Misuse {
        /// The helper's number.
        helper: u32,
        /// What is wrong, as a sentence without a full stop.
        what: String,
    },
    /// The program ended and still holds something.
    Leak(Held),
    /// As many instructions as it may run have run.
    Instructions {
        /// How many.
        limit: u64,
    },
    /// There is no more memory.
    Memory,
    /// More calls within calls than the kernel allows.
    CallDepth,
    /// An instruction that cannot be run here.
    Instruction {
        /// Why not, as a sentence without a full stop.
        what: String,
    },
}

impl From<Fault> for Trap {
    fn from(fault: Fault) -> Trap {
        Trap::Access(fault)
    }
}

impl From<MapError> for Trap {
    fn from(error: MapError) -> Trap {
        match error {
            MapError::Fault(fault) => Trap::Access(fault),
            MapError::OutOfMemory => Trap::Memory,
        }
    }
}

/// The name of a helper, or its number.
fn helper_name(helper: u32) -> String {
    match helpers::by_id(helper) {
        Some(row) => format!("`{}`", row.name),
        None => format!("number {helper}"),
    }
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trap::Access(fault) => write!(f, "invalid {fault}"),
            Trap::NoSuchHelper { helper } => {
                write!(f, "call of helper number {helper}, which no kernel has")
            }
            Trap::Missing { helper } => write!(
                f,
                "call of helper {}, which the virtual machine does not have",
                helper_name(*helper)
            ),
            Trap::WrongType { helper } => write!(
                f,
                "call of helper {}, which no kernel allows programs of this type",
                helper_name(*helper)
            ),
            Trap::MissingKfunc { name } => write!(
                f,
                "call of kernel function `{name}`, which the virtual machine does not have"
            ),
            Trap::Misuse { helper, what } => {
                write!(f, "call of helper {}: {what}", helper_name(*helper))
            }
            Trap::Leak(held) => write!(f, "the program ends and holds {held}"),
            Trap::Instructions { limit } => {
                write!(f, "the program did not end within {limit} instructions")
            }
            Trap::Memory => f.write_str("the program needs more memory than it may have"),
            Trap::CallDepth => {
                f.write_str("more than 8 functions call each other, which is the kernel's limit")
            }
            Trap::Instruction { what } => f.write_str(what),
        }
    }
}

impl std::error::Error for Trap {}
