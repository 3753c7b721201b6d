//! Classifiers by rtnetlink: the qdisc `clsact` and its filters of kind `bpf`.
//!
//! Sources: `include/uapi/linux/{rtnetlink,pkt_sched,pkt_cls}.h`, and `tc_new_tfilter` and
//! `cls_bpf_change` in the kernel.

use std::os::fd::{AsRawFd as _, BorrowedFd};

use super::super::generated::system::{
    ETH_P_ALL, TC_H_CLSACT, TC_H_MAJ_MASK, TC_H_MIN_EGRESS, TC_H_MIN_INGRESS, TCA_BPF_CLASSID,
    TCA_BPF_FD, TCA_BPF_FLAG_ACT_DIRECT, TCA_BPF_FLAGS, TCA_BPF_ID, TCA_BPF_NAME, TCA_CHAIN,
    TCA_KIND, TCA_OPTIONS,
};
use super::{Netlink, Request, SyscallError, attributes, u32_at};

const NEW_QDISC: &str = "netlink RTM_NEWQDISC";
const DELETE_QDISC: &str = "netlink RTM_DELQDISC";
const NEW_FILTER: &str = "netlink RTM_NEWTFILTER";
const DELETE_FILTER: &str = "netlink RTM_DELTFILTER";
const GET_FILTER: &str = "netlink RTM_GETTFILTER";

/// Length of `struct tcmsg`.
const TCMSG: usize = 20;

/// Where a filter is, or is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FilterPlace {
    pub(crate) if_index: u32,
    /// The qdisc or class: for `clsact` `TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS or …_EGRESS)`.
    pub(crate) parent: u32,
    /// 0 lets the kernel choose.
    pub(crate) priority: u16,
    /// Distinguishes filters of one priority; 0 lets the kernel choose.
    pub(crate) handle: u32,
    /// Of which packets, as `ETH_P_*` in network byte order: each priority is for one of them.
    pub(crate) protocol: u16,
    /// The chain; packets start in 0.
    pub(crate) chain: u32,
}

/// Of all packets that arrive, at a place that the kernel chooses.
impl Default for FilterPlace {
    fn default() -> Self {
        FilterPlace {
            if_index: 0,
            parent: 0,
            priority: 0,
            handle: 0,
            protocol: ETH_P_ALL.to_be(),
            chain: 0,
        }
    }
}

/// A filter of kind `bpf` that runs in direct-action mode or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) place: FilterPlace,
    pub(crate) name: String,
    pub(crate) program_id: u32,
    /// The class that it puts packets into; 0 for none.
    pub(crate) class: u32,
}

impl FilterPlace {
    /// `struct tcmsg`.
    fn message(&self) -> [u8; TCMSG] {
        // Family and padding; interface; handle; parent; priority and protocol.
        let info = u32::from(self.priority) << 16 | u32::from(self.protocol);
        let mut bytes = [0; TCMSG];
        for (at, word) in [self.if_index, self.handle, self.parent, info]
            .iter()
            .enumerate()
        {
            bytes[4 + 4 * at..][..4].copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }

    /// A request about the one BPF filter here.
    fn request(&self, kind: u16) -> Request {
        let mut request = Request::new(kind, libc::NLM_F_ACK, &self.message());
        request.attribute(TCA_KIND, b"bpf\0");
        if self.chain != 0 {
            request.attribute(TCA_CHAIN, &self.chain.to_ne_bytes());
        }
        request
    }
}

impl Netlink {
    /// Gives an interface the qdisc `clsact`. `EEXIST` if it has it, or another in its place.
    pub(crate) fn clsact_add(&self, if_index: u32) -> Result<(), SyscallError> {
        let flags = libc::NLM_F_CREATE | libc::NLM_F_EXCL;
        self.clsact(NEW_QDISC, libc::RTM_NEWQDISC, flags, if_index)
    }

    /// Takes the qdisc `clsact` from an interface, with all filters.
    pub(crate) fn clsact_remove(&self, if_index: u32) -> Result<(), SyscallError> {
        self.clsact(DELETE_QDISC, libc::RTM_DELQDISC, 0, if_index)
    }

    fn clsact(
        &self,
        call: &'static str,
        kind: u16,
        flags: i32,
        if_index: u32,
    ) -> Result<(), SyscallError> {
        let place = FilterPlace {
            if_index,
            parent: TC_H_CLSACT,
            handle: TC_H_CLSACT & 0xffff_0000,
            ..FilterPlace::default()
        };
        let mut message = place.message();
        message[16..].fill(0); // no filter, so no protocol
        let mut request = Request::new(kind, libc::NLM_F_ACK | flags, &message);
        request.attribute(TCA_KIND, b"clsact\0");
        self.exchange(call, request.finish(), 0, &mut |_| {})
    }

    /// Makes `program` a filter in direct-action mode; `replace` says that one of that place,
    /// priority and handle is to be exchanged rather than in the way. Returns where it came to be.
    pub(crate) fn filter_set(
        &self,
        place: &FilterPlace,
        name: &str,
        class: u32,
        program: BorrowedFd<'_>,
        replace: bool,
    ) -> Result<FilterPlace, SyscallError> {
        let exclusive = if replace { 0 } else { libc::NLM_F_EXCL };
        let flags = libc::NLM_F_ACK | libc::NLM_F_ECHO | libc::NLM_F_CREATE | exclusive;
        let mut request = Request::new(libc::RTM_NEWTFILTER, flags, &place.message());
        request.attribute(TCA_KIND, b"bpf\0");
        if place.chain != 0 {
            request.attribute(TCA_CHAIN, &place.chain.to_ne_bytes());
        }
        request.nested(TCA_OPTIONS, &|request| {
            if class != 0 {
                request.attribute(TCA_BPF_CLASSID, &class.to_ne_bytes());
            }
            request.attribute(TCA_BPF_FD, &program.as_raw_fd().to_ne_bytes());
            let mut text = name.as_bytes().to_vec();
            text.push(0);
            request.attribute(TCA_BPF_NAME, &text);
            request.attribute(TCA_BPF_FLAGS, &TCA_BPF_FLAG_ACT_DIRECT.to_ne_bytes());
        });
        let mut made = None;
        self.exchange(
            NEW_FILTER,
            request.finish(),
            libc::RTM_NEWTFILTER,
            &mut |payload| made = Filter::parse(payload).or(made.take()),
        )?;
        // The echo says what the kernel chose.
        Ok(made.map_or(*place, |filter: Filter| filter.place))
    }

    /// Removes one filter.
    pub(crate) fn filter_remove(&self, place: &FilterPlace) -> Result<(), SyscallError> {
        let mut request = place.request(libc::RTM_DELTFILTER);
        self.exchange(DELETE_FILTER, request.finish(), 0, &mut |_| {})
    }

    /// The BPF filter at this place, which must be complete; `None` if there is none, or no such
    /// interface or qdisc.
    pub(crate) fn filter(&self, place: &FilterPlace) -> Result<Option<Filter>, SyscallError> {
        let mut request = place.request(libc::RTM_GETTFILTER);
        let mut found = None;
        let answer = self.exchange(
            GET_FILTER,
            request.finish(),
            libc::RTM_NEWTFILTER,
            &mut |payload| found = Filter::parse(payload).or(found.take()),
        );
        match answer {
            Ok(()) => Ok(found),
            // The interface, its qdisc, the chain, the priority (of this kind and protocol) or the
            // handle is not there.
            Err(error)
                if matches!(
                    error.errno(),
                    libc::ENODEV | libc::ENXIO | libc::EINVAL | libc::ENOENT
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the qdisc `clsact` of an interface has no filter of any kind.
    pub(crate) fn clsact_is_empty(&self, if_index: u32) -> Result<bool, SyscallError> {
        let mut count = 0usize;
        for side in [TC_H_MIN_INGRESS, TC_H_MIN_EGRESS] {
            let parent = (TC_H_CLSACT & TC_H_MAJ_MASK) | side;
            self.dump(if_index, parent, &mut |_| count += 1)?;
        }
        Ok(count == 0)
    }

    /// The BPF filters below `parent`, in the order in which they run.
    pub(crate) fn filters(&self, if_index: u32, parent: u32) -> Result<Vec<Filter>, SyscallError> {
        let mut filters = Vec::new();
        self.dump(if_index, parent, &mut |payload| {
            filters.extend(Filter::parse(payload));
        })?;
        Ok(filters)
    }

    /// Gives `on_filter` the payload of the message about each filter below `parent`.
    fn dump(
        &self,
        if_index: u32,
        parent: u32,
        on_filter: &mut dyn FnMut(&[u8]),
    ) -> Result<(), SyscallError> {
        let place = FilterPlace {
            if_index,
            parent,
            ..FilterPlace::default()
        };
        let mut message = place.message();
        message[16..].fill(0); // of all priorities and protocols
        let mut request = Request::new(libc::RTM_GETTFILTER, libc::NLM_F_DUMP, &message);
        let answers = libc::RTM_NEWTFILTER;
        self.exchange(GET_FILTER, request.finish(), answers, on_filter)
    }
}

impl Filter {
    /// Reads the payload of an RTM_NEWTFILTER; `None` if it is not of a BPF program.
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        let mut filter = Filter {
            place: FilterPlace {
                if_index: u32_at(payload, 4)?,
                handle: u32_at(payload, 8)?,
                parent: u32_at(payload, 12)?,
                priority: (u32_at(payload, 16)? >> 16) as u16,
                protocol: u32_at(payload, 16)? as u16,
                chain: 0,
            },
            name: String::new(),
            program_id: 0,
            class: 0,
        };
        let mut is_bpf = false;
        for (kind, value) in attributes(payload.get(TCMSG..)?) {
            match kind {
                TCA_KIND => is_bpf = value == b"bpf\0",
                TCA_CHAIN => filter.place.chain = u32_at(value, 0)?,
                TCA_OPTIONS => {
                    for (kind, value) in attributes(value) {
                        match kind {
                            TCA_BPF_NAME => filter.name = crate::sys::bpf::name_text(value),
                            TCA_BPF_CLASSID => filter.class = u32_at(value, 0)?,
                            TCA_BPF_ID => filter.program_id = u32_at(value, 0)?,
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        // A dump has an entry without handle for each priority, before its filters.
        (is_bpf && filter.program_id != 0).then_some(filter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_parsed_as_an_answer() {
        let place = FilterPlace {
            if_index: 3,
            parent: 0xffff_fff2,
            priority: 50,
            handle: 7,
            protocol: 0x0800u16.to_be(),
            chain: 9,
        };
        let mut payload = place.message().to_vec();
        assert_eq!(
            u32_at(&payload, 16),
            Some(50 << 16 | u32::from(0x0800u16.to_be()))
        );
        assert_eq!(Filter::parse(&payload), None);
        let mut request = Request { bytes: Vec::new() };
        request.attribute(TCA_KIND, b"bpf\0");
        request.attribute(TCA_CHAIN, &9u32.to_ne_bytes());
        request.nested(TCA_OPTIONS, &|request| {
            request.attribute(TCA_BPF_NAME, b"a filter\0");
            request.attribute(TCA_BPF_ID, &11u32.to_ne_bytes());
        });
        payload.extend(request.bytes);
        let filter = Filter::parse(&payload).unwrap();
        assert_eq!((filter.place, filter.program_id), (place, 11));
        assert_eq!(filter.name, "a filter");
        for end in 0..payload.len() {
            let _ = Filter::parse(&payload[..end]);
        }
    }
}
