//! What can go wrong with attaching.

use std::{fmt, io, path::PathBuf};

use super::{BpfLinkUse, LinkOperation, NoTarget, xdp_mode::XdpMode};
#[cfg(feature = "uprobe")]
use crate::user::error::PlaceError;
use crate::{
    features::Unsupported,
    kernel_btf::NoKernelTypes,
    pin::PinError,
    program_info::TargetProgramError,
    sys::errno::SyscallError,
    target::{BinaryProblem, NoSuchTarget, TargetKind, UsdtProblem},
    tracefs::EventError,
};

/// An error of attaching, updating or detaching.
#[derive(Debug)]
#[non_exhaustive]
pub enum LinkError {
    /// There is no interface of that name in this network namespace.
    NoSuchInterface {
        /// The name asked for.
        name: String,
        /// The names there are.
        existing: Vec<String>,
    },

    /// There is no interface with that index in this network namespace.
    NoSuchInterfaceIndex {
        /// The index asked for.
        index: u32,
        /// The names of the interfaces there are.
        existing: Vec<String>,
    },

    /// Another XDP program is attached to the interface.
    InterfaceBusy {
        /// The interface.
        interface: String,
        /// What is there.
        occupant: XdpOccupant,
    },

    /// The section of the program (and the options) do not say where to attach it, or programs of
    /// its kind are not attached.
    NoTarget(NoTarget),

    /// What the program was to be attached to does not exist.
    NoSuchTarget(NoSuchTarget),

    /// The program or library exists and cannot be probed there.
    Binary {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: BinaryProblem,
    },

    /// The program cannot be attached to this USDT probe.
    Usdt {
        /// `PROVIDER:NAME`.
        probe: String,
        /// Why.
        problem: UsdtProblem,
    },

    /// The function of another program cannot be replaced or traced.
    TargetProgram(TargetProgramError),

    /// The kernel's types, which it needs, cannot be read.
    KernelTypes(NoKernelTypes),

    /// A parent other than those of `clsact` takes filters of a qdisc only.
    FiltersOnly {
        /// The parent, `TC_H_MAKE(major, minor)`.
        parent: u32,
    },

    /// There must be one cookie for each place, or none.
    CookieCount {
        /// How many cookies were given.
        cookies: usize,
        /// For how many places.
        places: usize,
    },

    /// A probe made by tracefs takes no cookie.
    CookieByTracefs {
        /// What it was to be attached to.
        target: String,
    },

    /// The running kernel was built without kprobes.
    NoKprobes,

    /// The kernel asks no BPF programs: `bpf` is not among its active security modules.
    LsmInactive {
        /// The active security modules, in order.
        modules: Vec<String>,
    },

    /// The program was opened from a pin, and what it needs are the maps of its object.
    WithoutObject,

    /// The socket that the program was attached to has been closed.
    SocketClosed,

    /// A file that says where to attach cannot be read, or is not what it should be.
    Io {
        /// What the program was to be attached to.
        target: String,
        /// What is wrong; names the file.
        error: io::Error,
    },

    /// The kernel refused to attach.
    Attach {
        /// What the program was to be attached to.
        target: String,
        /// The kernel's answer.
        error: SyscallError,
    },

    /// The kernel refused to say what is attached.
    Query {
        /// What was asked about.
        target: String,
        /// The kernel's answer.
        error: SyscallError,
    },

    /// The kernel refused another operation on the attachment.
    Syscall {
        /// What was to be done.
        operation: LinkOperation,
        /// The kernel's answer.
        error: SyscallError,
    },

    /// The program has no such link: it was detached or taken already.
    NotAttached,

    /// Only a `bpf_link` can do it, and the attachment is none.
    NeedsBpfLink(BpfLinkUse),

    /// Another program has taken the attachment's place, so that it cannot be updated.
    Replaced,

    /// An attachment of this kind cannot change what it runs.
    NotUpdatable,

    /// Something about pins failed.
    Pin(PinError),

    /// The running kernel is too old for it.
    Unsupported(Unsupported),
}

/// The XDP program that is in the way of another.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct XdpOccupant {
    /// Its id.
    pub program_id: u32,
    /// Its name; empty if it has none, or this process may not know it.
    pub program_name: String,
    /// Where it runs.
    pub mode: XdpMode,
    /// The id of the link that holds it, as far as this process may see links; `None` when it was
    /// attached by netlink.
    pub link_id: Option<u32>,
    /// It is the program that was to be attached.
    pub is_same: bool,
}

impl fmt::Display for XdpOccupant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.program_name.as_str() {
            _ if self.is_same => f.write_str("this very program ")?,
            "" => f.write_str("an XDP program ")?,
            name => write!(f, "XDP program {name:?} ")?,
        }
        write!(f, "(id {}, {} mode), ", self.program_id, self.mode)?;
        match self.link_id {
            Some(id) if self.is_same => write!(f, "by link {id}"),
            Some(id) => write!(f, "held by link {id}"),
            None => f.write_str("attached by netlink"),
        }
    }
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkError::NoSuchInterface { name, existing } => write!(
                f,
                "no network interface {name:?}; there are {}",
                crate::error::list(existing)
            ),
            LinkError::NoSuchInterfaceIndex { index, existing } => write!(
                f,
                "no network interface has index {index}; there are {}",
                crate::error::list(existing)
            ),
            LinkError::InterfaceBusy {
                interface,
                occupant,
            } => {
                write!(f, "interface {interface:?} is taken by {occupant}; ")?;
                match occupant.link_id {
                    Some(_) if occupant.is_same => {
                        f.write_str("attach it once, or detach that link first")
                    }
                    Some(id) => write!(
                        f,
                        "end the process or remove the pin that holds it, or `hachi link detach \
                         {id}`"
                    ),
                    None => write!(
                        f,
                        "take it off with `ip link set dev {interface} xdp off`, or attach with \
                         XdpFlags::REPLACE"
                    ),
                }
            }
            LinkError::NoTarget(error) => write!(f, "{error}"),
            LinkError::NoSuchTarget(error) => write!(f, "{error}"),
            LinkError::Binary { path, problem } => {
                write!(f, "cannot attach to {}: {problem}", path.display())
            }
            LinkError::Usdt { probe, problem } => {
                write!(f, "cannot attach to USDT probe {probe}: {problem}")
            }
            LinkError::TargetProgram(error) => write!(f, "{error}"),
            LinkError::KernelTypes(error) => write!(f, "it needs the kernel's types: {error}"),
            LinkError::FiltersOnly { parent } => write!(
                f,
                "parent {:x}:{:x} of a qdisc takes filters only: TcAttachOptions::Netlink",
                parent >> 16,
                parent & 0xffff
            ),
            LinkError::CookieCount { cookies, places } => write!(
                f,
                "{cookies} cookies were given for {places} places; there must be one for each, or \
                 none"
            ),
            LinkError::CookieByTracefs { target } => {
                write!(f, "a probe made by tracefs ({target}) takes no cookie")
            }
            LinkError::NoKprobes => {
                f.write_str("this kernel has no kprobes (CONFIG_KPROBES and CONFIG_KPROBE_EVENTS)")
            }
            LinkError::LsmInactive { modules } => write!(
                f,
                "the kernel would never run it: \"bpf\" is not among the active security modules \
                 ({}); boot with lsm={},bpf",
                crate::error::list(modules),
                modules.join(",")
            ),
            LinkError::WithoutObject => {
                f.write_str("a program opened from a pin lacks the maps of its object")
            }
            LinkError::SocketClosed => {
                f.write_str("the socket that the program was attached to has been closed")
            }
            LinkError::Io { target, error } => write!(f, "cannot attach to {target}: {error}"),
            LinkError::Attach { target, error } => write!(f, "cannot attach to {target}: {error}"),
            LinkError::Query { target, error } => {
                write!(f, "cannot list the programs at {target}: {error}")
            }
            LinkError::Syscall { operation, error } => write!(f, "cannot {operation}: {error}"),
            LinkError::NotAttached => {
                f.write_str("the program has no such link: it was detached or taken before")
            }
            LinkError::NeedsBpfLink(what) => write!(f, "{what}"),
            LinkError::Replaced => {
                f.write_str("another program has taken the attachment's place; nothing was changed")
            }
            LinkError::NotUpdatable => f.write_str(
                "an attachment of this kind cannot change its program: detach it and attach the \
                 other",
            ),
            LinkError::Pin(error) => write!(f, "{error}"),
            LinkError::Unsupported(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for LinkError {}

impl From<PinError> for LinkError {
    fn from(error: PinError) -> Self {
        LinkError::Pin(error)
    }
}

impl From<Unsupported> for LinkError {
    fn from(error: Unsupported) -> Self {
        LinkError::Unsupported(error)
    }
}

impl From<NoSuchTarget> for LinkError {
    fn from(error: NoSuchTarget) -> Self {
        LinkError::NoSuchTarget(error)
    }
}

#[cfg(feature = "uprobe")]
impl From<PlaceError> for LinkError {
    fn from(error: PlaceError) -> Self {
        match error {
            PlaceError::NoSuch(error) => LinkError::NoSuchTarget(error),
            PlaceError::Unusable { path, problem } => LinkError::Binary { path, problem },
            PlaceError::Io { file, error } => LinkError::io(file.display().to_string(), error),
        }
    }
}

impl From<EventError> for LinkError {
    fn from(error: EventError) -> Self {
        match error {
            EventError::NoSuch(error) => LinkError::NoSuchTarget(error),
            EventError::Io { event, error } => LinkError::io(event, error),
        }
    }
}

impl LinkError {
    pub(crate) fn attach(target: &str, error: SyscallError) -> Self {
        LinkError::Attach {
            target: target.to_owned(),
            error,
        }
    }

    pub(crate) fn query(target: String, error: SyscallError) -> Self {
        LinkError::Query { target, error }
    }

    pub(crate) fn io(target: impl Into<String>, error: io::Error) -> Self {
        LinkError::Io {
            target: target.into(),
            error,
        }
    }

    pub(crate) fn no_process(pid: impl ToString) -> Self {
        NoSuchTarget::new(TargetKind::Process, pid.to_string()).into()
    }
}

impl LinkOperation {
    /// The error of this operation.
    pub(crate) fn failed(self) -> impl FnOnce(SyscallError) -> LinkError {
        move |error| LinkError::Syscall {
            operation: self,
            error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn occupant(name: &str, link_id: Option<u32>, is_same: bool) -> String {
        let error = LinkError::InterfaceBusy {
            interface: "eth0".to_owned(),
            occupant: XdpOccupant {
                program_id: 7,
                program_name: name.to_owned(),
                mode: XdpMode::Skb,
                link_id,
                is_same,
            },
        };
        error.to_string()
    }

    #[test]
    fn names_the_program_on_an_interface_and_its_removal() {
        assert_eq!(
            occupant("fw", Some(3), false),
            "interface \"eth0\" is taken by XDP program \"fw\" (id 7, skb mode), held by link 3; \
             end the process or remove the pin that holds it, or `hachi link detach 3`"
        );
        assert_eq!(
            occupant("", None, false),
            "interface \"eth0\" is taken by an XDP program (id 7, skb mode), attached by netlink; \
             take it off with `ip link set dev eth0 xdp off`, or attach with XdpFlags::REPLACE"
        );
        assert_eq!(
            occupant("fw", Some(3), true),
            "interface \"eth0\" is taken by this very program (id 7, skb mode), by link 3; \
             attach it once, or detach that link first"
        );
    }

    #[test]
    fn inactive_security_modules_are_listed_with_the_boot_parameter() {
        let modules = ["capability", "landlock"].map(str::to_owned).to_vec();
        assert_eq!(
            LinkError::LsmInactive { modules }.to_string(),
            "the kernel would never run it: \"bpf\" is not among the active security modules \
             (\"capability\" and \"landlock\"); boot with lsm=capability,landlock,bpf"
        );
    }
}
