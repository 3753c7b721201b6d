//! For fuzzing: what the kernel answers, read without a kernel.

use super::read_reply;
use super::{tc, xdp::XdpState};

/// Reads `bytes` as a reply about filters, and as one about XDP programs.
pub fn replies(bytes: &[u8]) {
    let filter = &mut |payload: &[u8]| {
        if let Some(filter) = tc::Filter::parse(payload) {
            assert_ne!(filter.program_id, 0);
        }
    };
    let xdp = &mut |payload: &[u8]| {
        XdpState::parse(payload);
    };
    for (kind, on_answer) in [
        (libc::RTM_NEWTFILTER, filter as &mut dyn FnMut(&[u8])),
        (libc::RTM_NEWLINK, xdp),
    ] {
        if let Some(Err(error)) = read_reply("fuzz", bytes, kind, on_answer) {
            assert_ne!(error.errno(), 0);
        }
    }
}
