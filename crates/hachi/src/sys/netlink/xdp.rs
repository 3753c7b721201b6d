//! XDP programs by rtnetlink.
//!
//! Sources: `include/uapi/linux/if_link.h`, and for the meaning of the attributes `do_setlink` and
//! `dev_change_xdp_fd` in the kernel.

use std::os::fd::{AsRawFd as _, BorrowedFd};

use super::super::generated::system::{
    IFLA_EXT_MASK, IFLA_IFNAME, IFLA_XDP, IFLA_XDP_ATTACHED, IFLA_XDP_DRV_PROG_ID,
    IFLA_XDP_EXPECTED_FD, IFLA_XDP_FD, IFLA_XDP_FLAGS, IFLA_XDP_HW_PROG_ID, IFLA_XDP_PROG_ID,
    IFLA_XDP_SKB_PROG_ID, RTEXT_FILTER_SKIP_STATS,
};
use super::{Netlink, Request, SyscallError, attributes, u32_at};

const SET: &str = "netlink RTM_SETLINK";
const GET: &str = "netlink RTM_GETLINK";

/// Length of `struct ifinfomsg`.
const IFINFO: usize = 16;

/// What of XDP is attached to one interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct XdpState {
    pub(crate) if_index: u32,
    pub(crate) if_name: String,
    /// `XDP_ATTACHED_*`: 0 none, 1 driver, 2 generic, 3 hardware, 4 more than one.
    pub(crate) attached: u8,
    pub(crate) prog_id: Option<u32>,
    pub(crate) drv_prog_id: Option<u32>,
    pub(crate) skb_prog_id: Option<u32>,
    pub(crate) hw_prog_id: Option<u32>,
}

impl Netlink {
    /// Makes `program` (none: nothing) the XDP program of an interface. `flags` are `XDP_FLAGS_*`;
    /// with `expected`, the kernel refuses unless that program is the one attached now (Linux ≥
    /// 5.7).
    pub(crate) fn xdp_set(
        &self,
        if_index: u32,
        program: Option<BorrowedFd<'_>>,
        flags: u32,
        expected: Option<BorrowedFd<'_>>,
    ) -> Result<(), SyscallError> {
        let mut request = Request::new(libc::RTM_SETLINK, libc::NLM_F_ACK, &ifinfo(if_index));
        request.nested(IFLA_XDP, &|request| {
            request.attribute(
                IFLA_XDP_FD,
                &program.map_or(-1, |fd| fd.as_raw_fd()).to_ne_bytes(),
            );
            if flags != 0 {
                request.attribute(IFLA_XDP_FLAGS, &flags.to_ne_bytes());
            }
            if let Some(fd) = expected {
                request.attribute(IFLA_XDP_EXPECTED_FD, &fd.as_raw_fd().to_ne_bytes());
            }
        });
        self.exchange(SET, request.finish(), libc::RTM_NEWLINK, &mut |_| {})
    }

    /// What is attached to one interface.
    pub(crate) fn xdp_query(&self, if_index: u32) -> Result<XdpState, SyscallError> {
        let mut request = Request::new(libc::RTM_GETLINK, libc::NLM_F_ACK, &ifinfo(if_index));
        request.attribute(IFLA_EXT_MASK, &RTEXT_FILTER_SKIP_STATS.to_ne_bytes());
        let mut state = None;
        self.exchange(GET, request.finish(), libc::RTM_NEWLINK, &mut |payload| {
            state = XdpState::parse(payload)
        })?;
        state.ok_or_else(|| {
            SyscallError::with_note(
                GET,
                libc::EBADMSG,
                Some("no answer in the reply".to_owned()),
            )
        })
    }

    /// What is attached to each interface of the namespace.
    pub(crate) fn xdp_query_all(&self) -> Result<Vec<XdpState>, SyscallError> {
        let mut request = Request::new(libc::RTM_GETLINK, libc::NLM_F_DUMP, &ifinfo(0));
        request.attribute(IFLA_EXT_MASK, &RTEXT_FILTER_SKIP_STATS.to_ne_bytes());
        let mut states = Vec::new();
        self.exchange(GET, request.finish(), libc::RTM_NEWLINK, &mut |payload| {
            states.extend(XdpState::parse(payload))
        })?;
        Ok(states)
    }
}

/// `struct ifinfomsg` for an interface.
fn ifinfo(if_index: u32) -> [u8; IFINFO] {
    // Family, padding and type; the index; flags and change mask.
    let mut info = [0; IFINFO];
    info[4..8].copy_from_slice(&if_index.to_ne_bytes());
    info
}

impl XdpState {
    /// Reads the payload of an RTM_NEWLINK.
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        let mut state = XdpState {
            if_index: u32_at(payload, 4)?,
            ..Default::default()
        };
        for (kind, value) in attributes(payload.get(IFINFO..)?) {
            match kind {
                IFLA_IFNAME => state.if_name = crate::sys::bpf::name_text(value),
                IFLA_XDP => {
                    for (kind, value) in attributes(value) {
                        let id = u32_at(value, 0).filter(|&id| id != 0);
                        match kind {
                            IFLA_XDP_ATTACHED => state.attached = *value.first()?,
                            IFLA_XDP_PROG_ID => state.prog_id = id,
                            IFLA_XDP_DRV_PROG_ID => state.drv_prog_id = id,
                            IFLA_XDP_SKB_PROG_ID => state.skb_prog_id = id,
                            IFLA_XDP_HW_PROG_ID => state.hw_prog_id = id,
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        Some(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::netlink::u16_at;

    #[test]
    fn request_has_the_documented_layout() {
        let mut request = Request::new(libc::RTM_SETLINK, libc::NLM_F_ACK, &ifinfo(7));
        request.nested(IFLA_XDP, &|request| {
            request.attribute(IFLA_XDP_FD, &(-1i32).to_ne_bytes());
            request.attribute(IFLA_XDP_FLAGS, &2u32.to_ne_bytes());
        });
        let bytes = request.finish();
        assert_eq!(bytes.len(), 16 + 16 + 4 + 8 + 8);
        assert_eq!(u32_at(bytes, 0), Some(52));
        assert_eq!(u16_at(bytes, 4), Some(libc::RTM_SETLINK));
        assert_eq!(u32_at(bytes, 20), Some(7));
        assert_eq!(u16_at(bytes, 32), Some(20));
        let (kind, inner) = attributes(&bytes[32..]).next().unwrap();
        assert_eq!(kind, IFLA_XDP);
        let inner: Vec<_> = attributes(inner).collect();
        assert_eq!(inner[0], (IFLA_XDP_FD, &[0xff; 4][..]));
        assert_eq!(inner[1], (IFLA_XDP_FLAGS, &2u32.to_ne_bytes()[..]));
    }

    #[test]
    fn loopback_answers() {
        let netlink = Netlink::open().unwrap();
        let all = netlink.xdp_query_all().unwrap();
        let lo = all.iter().find(|state| state.if_name == "lo").unwrap();
        assert_eq!(netlink.xdp_query(lo.if_index).unwrap().if_name, "lo");
        let error = netlink.xdp_query(i32::MAX as u32).unwrap_err();
        assert_eq!(error.errno(), libc::ENODEV);
    }
}
