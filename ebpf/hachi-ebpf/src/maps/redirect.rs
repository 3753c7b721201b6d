//! What maps for redirecting XDP packets have in common.

use crate::bindings::xdp_action::XDP_REDIRECT;
use crate::cty::c_void;
use crate::helpers;

#[inline(always)]
pub(super) fn redirect(map: *mut c_void, key: u32, flags: u64) -> Result<u32, u32> {
    // SAFETY: the map is one of the object's, of a kind for redirecting: only those call this.
    match unsafe { helpers::bpf_redirect_map(map, u64::from(key), flags) } as u32 {
        XDP_REDIRECT => Ok(XDP_REDIRECT),
        other => Err(other),
    }
}
