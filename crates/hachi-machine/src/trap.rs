//! Why a program cannot go on.

use std::fmt;

use hachi_asm::helpers;
use hachi_obj::MapType;

use crate::maps::MapError;
use crate::{Fault, Held, Kind};

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
        /// What is wrong.
        misuse: Misuse,
    },
    /// The program ended and still holds something.
    Leak(Held),
    /// As many instructions as it may run have run.
    Instructions {
        /// How many.
        limit: u64,
    },
    /// It ran as long as it may.
    Time {
        /// How long.
        limit: std::time::Duration,
    },
    /// There is no more memory.
    Memory,
    /// More calls within calls than the kernel allows.
    CallDepth,
    /// The functions that call each other need more stack together than the kernel gives them.
    Stack {
        /// Bytes that they use.
        bytes: u64,
    },
    /// A call that may sleep, where nothing may.
    Sleeps {
        /// The helper or kernel function.
        name: String,
        /// Why nothing may sleep there.
        why: Awake,
    },
    /// A call that is not allowed while a lock is held.
    Locked {
        /// The helper or kernel function.
        name: String,
    },
    /// A kernel function, called as the kernel does not allow.
    MisusedKfunc {
        /// Its name.
        name: String,
        /// What is wrong.
        misuse: Misuse,
    },
    /// Two CPUs access the same bytes at once, and one of them writes.
    Race {
        /// What the bytes are part of.
        kind: Kind,
        /// Where in it, in bytes.
        offset: u64,
        /// The place of the other access, in words.
        other: String,
    },
    /// A jump to an address that is not in a jump table.
    JumpTable,
    /// The program ran past its end.
    PastEnd,
    /// Something is to be called back that is not a function of the program.
    NotAFunction {
        /// Its address.
        address: u64,
    },
    /// There is no such program to run.
    NoProgram {
        /// The name asked for.
        name: String,
    },
    /// The input has metadata of a length that XDP does not allow: a multiple of 4 up to 252.
    Metadata {
        /// Its length in bytes.
        len: usize,
    },
    /// The input sets a field that the context does not have, or that cannot be set.
    NoInputField {
        /// The field.
        name: String,
        /// The context's structure, if it has fields at all.
        context: Option<&'static str>,
    },
    /// The input sets a field to a longer value than it holds.
    InputFieldTooLong {
        /// The field.
        name: String,
        /// The bytes that it has.
        len: u32,
    },
    /// A helper that the test supplied moved memory, which the machine's own never does, and the
    /// program was compiled for that one.
    MovedMemory {
        /// Its number.
        helper: u32,
    },
    /// Who watched the run ended it.
    Observer,
}

/// What is wrong with a call of a helper or of a kernel function.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misuse {
    /// An argument is not what it has to be.
    Argument {
        /// The argument.
        value: u64,
        /// What it has to be.
        expected: Expected,
    },
    /// Its map is of a type that it is not for.
    Map {
        /// The map.
        map: String,
        /// Its type.
        kind: MapType,
        /// What the helper wants of it.
        wanted: Wanted,
    },
    /// A function that it called back returned something else than 0 or 1.
    Callback {
        /// What it returned.
        returned: u64,
    },
    /// The program holds this lock already.
    LockHeld,
    /// The program holds another lock, and may hold one.
    OtherLockHeld,
    /// The program does not hold this lock.
    LockNotHeld,
    /// The program is not in the section that it is to leave.
    NotInSection {
        /// The section's name: "RCU read-side".
        what: &'static str,
    },
    /// The program gets no packet.
    NoPacket,
    /// The program gets no message of a socket.
    NoMessage,
    /// It does not know these flags.
    Flags {
        /// All that were given.
        flags: u64,
    },
    /// A size that no kernel takes.
    Size {
        /// The size in bytes.
        bytes: i64,
    },
    /// A size beyond what it is for.
    TooLong {
        /// The size in bytes.
        bytes: u64,
        /// The most that it takes.
        limit: u64,
    },
    /// What a function that the test supplied says of its call, as a sentence without a full stop.
    Supplied(String),
}

/// What an argument has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expected {
    /// A map.
    Map,
    /// An arena.
    Arena,
    /// The program's context.
    Context,
    /// A socket.
    Socket,
    /// A socket that the program looked up.
    FoundSocket,
    /// A record that the program reserved.
    Record,
    /// A dynptr to a record.
    RecordDynptr,
    /// An iterator.
    Iterator,
    /// A mask of CPUs that the program made.
    OwnMask,
    /// Something that the program holds a reference to.
    Reference,
}

/// What a helper wants of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wanted {
    /// Values to look up.
    Values,
    /// Programs to call.
    Programs,
    /// A ring buffer that the program writes.
    RingBuffer,
    /// A ring buffer that user space writes.
    UserRingBuffer,
    /// Buffers of perf events.
    PerfEvents,
    /// Targets of redirection.
    Targets,
    /// Stack traces.
    Stacks,
    /// Sockets.
    Sockets,
    /// Storage of cgroups.
    CgroupStorage,
}

/// Why nothing may sleep at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Awake {
    /// Programs of its kind may not, unless they are marked as sleepable.
    Program,
    /// The program is in a section that must not.
    Section {
        /// The section's name: "RCU read-side".
        what: &'static str,
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
                "call of helper {}, which the virtual machine does not have; supply one with \
                 `World::supply_helper`",
                helper_name(*helper)
            ),
            Trap::WrongType { helper } => write!(
                f,
                "call of helper {}, which no kernel allows programs of this type",
                helper_name(*helper)
            ),
            Trap::MissingKfunc { name } => write!(
                f,
                "call of kernel function `{name}`, which the virtual machine does not have; \
                 supply one with `World::supply_kfunc`"
            ),
            Trap::Misuse { helper, misuse } => {
                write!(f, "call of helper {}: {misuse}", helper_name(*helper))
            }
            Trap::Leak(held) => write!(f, "the program ends and holds {held}"),
            Trap::Instructions { limit } => {
                write!(f, "the program did not end within {limit} instructions")
            }
            Trap::Time { limit } => write!(f, "the program did not end within {limit:?}"),
            Trap::Memory => f.write_str("the program needs more memory than it may have"),
            Trap::CallDepth => {
                f.write_str("more than 8 functions call each other, which is the kernel's limit")
            }
            Trap::Stack { bytes } => write!(
                f,
                "the functions that call each other use {bytes} bytes of stack together; the \
                 kernel gives them 512"
            ),
            Trap::Sleeps { name, why } => write!(f, "call of `{name}`, which may sleep: {why}"),
            Trap::Locked { name } => {
                write!(f, "call of `{name}` while the program holds a spin lock")
            }
            Trap::MisusedKfunc { name, misuse } => {
                write!(f, "call of kernel function `{name}`: {misuse}")
            }
            Trap::Race {
                kind,
                offset,
                other,
            } => write!(
                f,
                "two CPUs access offset {offset} of {kind} at once, and one of them writes: {other}"
            ),
            Trap::JumpTable => f.write_str("a jump to an address that is not in a jump table"),
            Trap::PastEnd => f.write_str("it ran past the end of the program"),
            Trap::NotAFunction { address } => {
                write!(f, "a callback at {address:#x}, which is not a function")
            }
            Trap::NoProgram { name } => write!(f, "there is no program `{name}`"),
            Trap::Metadata { len } => write!(
                f,
                "metadata of {len} bytes: XDP allows a multiple of 4 up to 252"
            ),
            Trap::NoInputField { name, context } => match context {
                Some(context) => write!(
                    f,
                    "the input sets `{name}`: `struct {context}` has no such field to set"
                ),
                None => write!(f, "the input sets `{name}`: the context has no fields"),
            },
            Trap::InputFieldTooLong { name, len } => {
                write!(f, "the input sets `{name}`: it has {len} bytes")
            }
            Trap::MovedMemory { helper } => write!(
                f,
                "helper {}, which was supplied, moved memory, as its original never does",
                helper_name(*helper)
            ),
            Trap::Observer => f.write_str("the observer ended the run"),
        }
    }
}

impl std::error::Error for Trap {}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Misuse::Argument { value, expected } => {
                write!(f, "its argument {value:#x} is not {expected}")
            }
            Misuse::Map { map, kind, wanted } => {
                write!(f, "map `{map}` is of type {}, {wanted}", kind.name())
            }
            Misuse::Callback { returned } => {
                write!(f, "its callback returned {returned}, neither 0 nor 1")
            }
            Misuse::LockHeld => f.write_str("the program holds this lock already"),
            Misuse::OtherLockHeld => f.write_str("the program holds another lock"),
            Misuse::LockNotHeld => f.write_str("the program does not hold this lock"),
            Misuse::NotInSection { what } => {
                write!(f, "the program is not in such a section ({what})")
            }
            Misuse::NoPacket => f.write_str("the program has no packet"),
            Misuse::NoMessage => f.write_str("the program has no message"),
            Misuse::Flags { flags } => write!(f, "it has no flags {flags:#x}"),
            Misuse::Size { bytes } => write!(f, "it cannot take {bytes} bytes"),
            Misuse::TooLong { bytes, limit } => {
                write!(f, "it was given {bytes} bytes and takes at most {limit}")
            }
            Misuse::Supplied(what) => f.write_str(what),
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Expected::Map => "a map",
            Expected::Arena => "an arena",
            Expected::Context => "the program's context",
            Expected::Socket => "a socket",
            Expected::FoundSocket => "a socket that the program looked up",
            Expected::Record => "a record that the program reserved",
            Expected::RecordDynptr => "a dynptr to a record",
            Expected::Iterator => "an iterator",
            Expected::OwnMask => "a mask that the program made",
            Expected::Reference => "something that the program holds a reference to",
        })
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Wanted::Values => "which has no values to look up",
            Wanted::Programs => "not an array of programs",
            Wanted::RingBuffer => "not a ring buffer",
            Wanted::UserRingBuffer => "not a ring buffer that user space writes",
            Wanted::PerfEvents => "not a perf event array",
            Wanted::Targets => "which has no targets of redirection",
            Wanted::Stacks => "which holds no stack traces",
            Wanted::Sockets => "which holds no sockets",
            Wanted::CgroupStorage => "not a storage of cgroups",
        })
    }
}

impl fmt::Display for Awake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Awake::Program => {
                f.write_str("programs of its kind may not, unless they are marked as sleepable")
            }
            Awake::Section { what } => {
                write!(f, "the program is in a section ({what}) that must not")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_made_of_the_fields() {
        let helper = helpers::id::MAP_LOOKUP_ELEM;
        let of_helper = |misuse| Trap::Misuse { helper, misuse }.to_string();
        for (misuse, words) in [
            (
                Misuse::Argument {
                    value: 0x10,
                    expected: Expected::Map,
                },
                "its argument 0x10 is not a map",
            ),
            (
                Misuse::Map {
                    map: "EVENTS".to_owned(),
                    kind: MapType::Ringbuf,
                    wanted: Wanted::Values,
                },
                "map `EVENTS` is of type ringbuf, which has no values to look up",
            ),
            (
                Misuse::Callback { returned: 2 },
                "its callback returned 2, neither 0 nor 1",
            ),
            (Misuse::Flags { flags: 8 }, "it has no flags 0x8"),
            (Misuse::Size { bytes: -1 }, "it cannot take -1 bytes"),
            (
                Misuse::TooLong {
                    bytes: 1025,
                    limit: 1024,
                },
                "it was given 1025 bytes and takes at most 1024",
            ),
            (
                Misuse::Supplied("its mock says no".to_owned()),
                "its mock says no",
            ),
        ] {
            let expected = format!("call of helper `bpf_map_lookup_elem`: {words}");
            assert_eq!(of_helper(misuse), expected);
        }
        let section = Awake::Section {
            what: "RCU read-side",
        };
        let sleeps = |why| Trap::Sleeps {
            name: "bpf_copy_from_user".to_owned(),
            why,
        };
        assert_eq!(
            sleeps(section).to_string(),
            "call of `bpf_copy_from_user`, which may sleep: the program is in a section \
             (RCU read-side) that must not"
        );
        assert!(sleeps(Awake::Program).to_string().ends_with(
            "which may sleep: programs of its kind may not, unless they are marked as sleepable"
        ));
        let kfunc = Trap::MisusedKfunc {
            name: "bpf_rcu_read_unlock".to_owned(),
            misuse: Misuse::NotInSection {
                what: "RCU read-side",
            },
        };
        assert_eq!(
            kfunc.to_string(),
            "call of kernel function `bpf_rcu_read_unlock`: the program is not in such a section \
             (RCU read-side)"
        );
    }

    #[test]
    fn faults_of_the_input_name_the_field() {
        let name = "mark".to_owned();
        let context = Some("__sk_buff");
        assert_eq!(
            Trap::NoInputField { name, context }.to_string(),
            "the input sets `mark`: `struct __sk_buff` has no such field to set"
        );
        let name = "cb".to_owned();
        assert_eq!(
            Trap::InputFieldTooLong { name, len: 20 }.to_string(),
            "the input sets `cb`: it has 20 bytes"
        );
    }
}
