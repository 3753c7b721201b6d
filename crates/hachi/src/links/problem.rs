//! What can be wrong with an attachment, in detail.

use std::fmt;

/// What was done to a link when something went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LinkOperation {
    /// Opening it by its id.
    Open,
    /// Asking the kernel about it.
    Describe,
    /// Listing the links, or attachments of one kind.
    List,
    /// Making it run another program.
    Update,
    /// Ending it.
    Detach,
    /// Running an iterator by it.
    Run,
}

impl fmt::Display for LinkOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LinkOperation::Open => "open the link",
            LinkOperation::Describe => "describe the link",
            LinkOperation::List => "list the links",
            LinkOperation::Update => "update the link",
            LinkOperation::Detach => "detach the link",
            LinkOperation::Run => "run the link's iterator",
        })
    }
}

/// Why a section does not say where to attach its program.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoTarget {
    /// The section names nothing to attach to, and could.
    Section {
        /// The section.
        section: String,
        /// A section of this kind that does, with words in capitals for names:
        /// `kprobe/FUNCTION+OFFSET`.
        form: String,
    },
    /// It needs something that sections cannot name.
    Needs(Needed),
    /// An entry of a map runs it.
    RunByMap,
    /// A struct of functions runs it, and is registered as a whole
    /// ([`Ebpf::struct_ops`](crate::Ebpf::struct_ops)).
    RunByStruct,
    /// A route runs it.
    RunByRoute {
        /// How a route names its pin, in the words of `ip route`: `bpf in`.
        encap: &'static str,
    },
    /// It is called ([`Syscall::call`](crate::programs::Syscall::call)).
    Called,
    /// The crate was built without the feature that attaches such programs.
    FeatureOff {
        /// The kind of section: `uprobe`.
        section: &'static str,
        /// The crate's feature.
        feature: &'static str,
    },
    /// This version of Hachi attaches no programs of this type.
    UnknownType {
        /// The type in the kernel's words.
        kind: &'static str,
    },
}

/// What a program is attached to that no section can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Needed {
    /// A network interface.
    Interface,
    /// The directory of a cgroup.
    Cgroup,
    /// A map of sockets.
    SocketMap,
    /// A socket.
    Socket,
    /// A socket of a group that shares a port.
    ReuseportSocket,
    /// A hook of netfilter and a priority.
    NetfilterHook,
    /// A device.
    Device,
    /// The events to count ([`PerfEvent::attach`](crate::programs::PerfEvent::attach)).
    PerfEvents,
}

impl fmt::Display for NoTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoTarget::Section { section, form } => write!(
                f,
                "its section {section:?} does not say where to attach it; that would be {form:?}"
            ),
            NoTarget::Needs(needed) => {
                write!(f, "it needs {needed}, which its section cannot name")?;
                match needed {
                    Needed::PerfEvents => f.write_str("; use `PerfEvent::attach`"),
                    _ => Ok(()),
                }
            }
            NoTarget::RunByMap => f.write_str("it runs from an entry of a map"),
            NoTarget::RunByStruct => {
                f.write_str("it is registered with its struct (`Ebpf::struct_ops`)")
            }
            NoTarget::RunByRoute { encap } => write!(
                f,
                "routes run it: pin it, and `ip route add PREFIX encap {encap} pinned PATH dev \
                 IFACE`"
            ),
            NoTarget::Called => f.write_str("it is not attached, but called (`Syscall::call`)"),
            NoTarget::FeatureOff { section, feature } => {
                write!(
                    f,
                    "{section} needs the feature `{feature}` of the crate hachi"
                )
            }
            NoTarget::UnknownType { kind } => {
                write!(
                    f,
                    "this version of Hachi attaches no programs of type {kind}"
                )
            }
        }
    }
}

impl fmt::Display for Needed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Needed::Interface => "an interface",
            Needed::Cgroup => "a cgroup",
            Needed::SocketMap => "a map of sockets",
            Needed::Socket => "a socket",
            Needed::ReuseportSocket => "a socket of a group that shares a port",
            Needed::NetfilterHook => "a hook and a priority",
            Needed::Device => "a device",
            Needed::PerfEvents => "events to count",
        })
    }
}

/// What only a `bpf_link` can do, which an attachment in an older way is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BpfLinkUse {
    /// Being a descriptor: the conversion to [`FdLink`](super::FdLink).
    Descriptor,
    /// Having other programs right before or after it.
    Order,
    /// Exchanging its program only if it is the expected one.
    Replace,
    /// Exchanging its struct of functions.
    StructOps,
}

impl fmt::Display for BpfLinkUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BpfLinkUse::Descriptor => {
                "the program is attached in a way of older kernels: there is no bpf_link"
            }
            BpfLinkUse::Order => {
                "the program is attached in a way of older kernels, which knows no order relative \
                 to it"
            }
            BpfLinkUse::Replace => {
                "an attachment without a bpf_link cannot compare and exchange its program"
            }
            BpfLinkUse::StructOps => {
                "a struct of section .struct_ops has no bpf_link, which is what can change"
            }
        })
    }
}
