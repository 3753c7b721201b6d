//! Classifiers as filters of an interface's qdisc, by netlink.

use std::os::fd::AsFd as _;

pub use super::tc_place::{TcAttachType, TcFilterPlace};
use super::{Legacy, LegacyLink, LinkError, LinkOperation, OwnedLink, interface_index};
use crate::{
    fd::ProgramFd,
    sys::{
        bpf,
        errno::SyscallError,
        net,
        netlink::{Filter, FilterPlace, Netlink},
    },
};

/// Where among the filters of a qdisc.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct NlOptions {
    /// Filters with lower numbers run first. 0 lets the kernel choose: above 32768, and lower with
    /// each choice.
    pub priority: u16,
    /// Distinguishes filters of one priority; 0 lets the kernel choose.
    pub handle: u32,
    /// The class that packets are put into, `MAJOR << 16 | MINOR`, unless the program chooses
    /// another; 0 for none.
    pub class: u32,
}

impl NlOptions {
    /// A priority and a handle; the kernel chooses each that is 0. No class.
    pub const fn new(priority: u16, handle: u32) -> Self {
        NlOptions {
            priority,
            handle,
            class: 0,
        }
    }

    /// Puts packets into this class of a classful qdisc.
    pub const fn in_class(mut self, class: u32) -> Self {
        self.class = class;
        self
    }
}

/// A classifier attached by netlink. The kernel keeps it until it is removed.
#[derive(Debug)]
struct TcFilter {
    /// Bound to the interface's network namespace, whichever thread drops the link.
    netlink: Netlink,
    place: FilterPlace,
    name: String,
    class: u32,
    program: ProgramFd,
}

impl TcFilter {
    /// Whether it is still this program that runs there.
    fn is_ours(&self) -> Result<bool, SyscallError> {
        let ours = bpf::prog_info(self.program.as_fd())?.id;
        let there = self.netlink.filter(&self.place)?;
        Ok(there.is_some_and(|filter| filter.program_id == ours))
    }
}

impl Legacy for TcFilter {
    fn undo(&mut self) -> Result<(), SyscallError> {
        let result = self.is_ours().and_then(|ours| match ours {
            true => self.netlink.filter_remove(&self.place),
            false => Ok(()),
        });
        match result {
            // Someone else removed the filter just now.
            Err(error) if is_gone(&error) => Ok(()),
            result => result,
        }
    }

    fn is_persistent(&self) -> bool {
        true
    }

    fn pinnable(&self) -> Option<&ProgramFd> {
        Some(&self.program)
    }

    fn if_index(&self) -> Option<u32> {
        Some(self.place.if_index)
    }

    fn update(&mut self, program: &ProgramFd) -> Result<(), LinkError> {
        if !self.is_ours().map_err(LinkOperation::Update.failed())? {
            return Err(LinkError::Replaced);
        }
        self.netlink
            .filter_set(&self.place, &self.name, self.class, program.as_fd(), true)
            .map_err(LinkOperation::Update.failed())?;
        self.program = program.clone();
        Ok(())
    }

    fn tc_filter(&self) -> Option<TcFilterPlace> {
        Some(TcFilterPlace {
            attach_type: TcAttachType::from_parent(self.place.parent),
            priority: self.place.priority,
            handle: self.place.handle,
            class: self.class,
        })
    }
}

/// Finds where `program` is attached by netlink. The result does not detach when dropped.
pub(crate) fn find(program: &ProgramFd) -> Result<Option<LegacyLink>, SyscallError> {
    let id = bpf::prog_info(program.as_fd())?.id;
    let netlink = Netlink::open()?;
    let failed = |error| SyscallError::new("listing interfaces", error);
    for name in net::if_names().map_err(failed)? {
        let Some(if_index) = net::if_index(&name).map_err(failed)? else {
            continue;
        };
        for attach_type in [TcAttachType::Ingress, TcAttachType::Egress] {
            let filters = match netlink.filters(if_index, attach_type.parent()) {
                // An interface without a qdisc of that sort has no filters either, nor one that
                // went away meanwhile.
                Err(error) if no_qdisc(&error) || error.errno() == libc::ENODEV => continue,
                result => result?,
            };
            if let Some(filter) = filters.into_iter().find(|filter| filter.program_id == id) {
                let mut link = LegacyLink::new(TcFilter {
                    netlink,
                    place: filter.place,
                    name: filter.name,
                    class: filter.class,
                    program: program.clone(),
                });
                link.forget();
                return Ok(Some(link));
            }
        }
    }
    Ok(None)
}

/// Gives an interface the qdisc `clsact`. True if it did not have it.
pub(crate) fn add_clsact(if_index: u32) -> Result<(), SyscallError> {
    Netlink::open()?.clsact_add(if_index)
}

/// Attaches as a filter; gives the interface the qdisc `clsact` if it has none.
pub(crate) fn attach(
    program: &ProgramFd,
    program_name: &str,
    interface: &str,
    attach_type: TcAttachType,
    options: NlOptions,
) -> Result<OwnedLink, LinkError> {
    let if_index = interface_index(interface)?;
    let failed =
        |error| LinkError::attach(&format!("{attach_type} of interface {interface:?}"), error);
    let netlink = Netlink::open().map_err(failed)?;
    let wanted = FilterPlace {
        if_index,
        parent: attach_type.parent(),
        priority: options.priority,
        handle: options.handle,
        ..FilterPlace::default()
    };
    let set = || netlink.filter_set(&wanted, program_name, options.class, program.as_fd(), false);
    let place = match set() {
        Err(error) if no_qdisc(&error) && attach_type.is_clsact() => {
            match netlink.clsact_add(if_index) {
                Err(error) if error.errno() != libc::EEXIST => return Err(failed(error)),
                Ok(()) => set().inspect_err(|_| {
                    // It was made for this filter only, unless others have come since. The error
                    // that led here is the one to tell.
                    if netlink.clsact_is_empty(if_index).unwrap_or(false) {
                        let _ = netlink.clsact_remove(if_index);
                    }
                }),
                // Someone else made it, or the interface has `ingress`, and then `set` says what is
                // wrong.
                Err(_) => set(),
            }
        }
        result => result,
    }
    .map_err(failed)?;
    Ok(LegacyLink::new(TcFilter {
        netlink,
        place,
        name: program_name.to_owned(),
        class: options.class,
        program: program.clone(),
    })
    .into())
}

/// The interface, its qdisc or the filter is not there (any more).
fn is_gone(error: &SyscallError) -> bool {
    no_qdisc(error) || matches!(error.errno(), libc::ENODEV | libc::ENXIO)
}

/// `EINVAL` is what most kernels say for a parent that is not there.
fn no_qdisc(error: &SyscallError) -> bool {
    matches!(error.errno(), libc::EINVAL | libc::ENOENT)
}

/// A filter with a BPF program on an interface, no matter who made it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TcFilterInfo {
    /// Its name: the program's, if Hachi attached it.
    pub name: String,
    /// Lower ones run first.
    pub priority: u16,
    /// Distinguishes filters of one priority.
    pub handle: u32,
    /// Id of the program.
    pub program_id: u32,
    /// The class that it puts packets into; 0 for none.
    pub class: u32,
    place: FilterPlace,
}

impl TcFilterInfo {
    /// Takes the filter over, no matter who made it: it is removed when what is returned is
    /// dropped. Needs CAP_NET_ADMIN and CAP_SYS_ADMIN. In the network namespace in which it was
    /// listed.
    ///
    /// # Errors
    /// What the kernel refuses: `ENOENT` if the program is gone.
    pub fn into_link(self) -> Result<OwnedLink, LinkError> {
        let failed = || LinkOperation::Open.failed();
        let netlink = Netlink::open().map_err(failed())?;
        let program = bpf::prog_fd_by_id(self.program_id).map_err(failed())?;
        Ok(LegacyLink::new(TcFilter {
            netlink,
            place: self.place,
            name: self.name,
            class: self.class,
            program: ProgramFd::new(program),
        })
        .into())
    }

    /// Removes the filter, no matter who made it. Needs CAP_NET_ADMIN. In the network namespace in
    /// which it was listed.
    ///
    /// # Errors
    /// [`LinkError::Replaced`] if the filter runs another program by now, `ENOENT` if it is gone.
    pub fn detach(&self) -> Result<(), LinkError> {
        let failed = || LinkOperation::Detach.failed();
        let netlink = Netlink::open().map_err(failed())?;
        match netlink.filter(&self.place).map_err(failed())? {
            Some(there) if there.program_id != self.program_id => Err(LinkError::Replaced),
            // Where it is gone, the kernel says so.
            _ => netlink.filter_remove(&self.place).map_err(failed()),
        }
    }
}

/// The BPF filters of an interface of the calling thread's network namespace, in the order in which
/// they run. None if it has no qdisc for them.
///
/// # Errors
/// [`LinkError::NoSuchInterface`]; [`LinkError::Query`] if netlink refuses.
pub fn tc_filters(
    interface: &str,
    attach_type: TcAttachType,
) -> Result<Vec<TcFilterInfo>, LinkError> {
    let if_index = interface_index(interface)?;
    let found = Netlink::open().and_then(|netlink| netlink.filters(if_index, attach_type.parent()));
    let filters = match found {
        Err(error) if no_qdisc(&error) => Vec::new(),
        result => result.map_err(|error| {
            LinkError::query(format!("{attach_type} of interface {interface:?}"), error)
        })?,
    };
    Ok(filters.into_iter().map(TcFilterInfo::from).collect())
}

impl From<Filter> for TcFilterInfo {
    fn from(filter: Filter) -> Self {
        TcFilterInfo {
            name: filter.name,
            priority: filter.place.priority,
            handle: filter.place.handle,
            program_id: filter.program_id,
            class: filter.class,
            place: filter.place,
        }
    }
}
