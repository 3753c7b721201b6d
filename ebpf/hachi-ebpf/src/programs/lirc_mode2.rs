//! What remote controls send.

use super::context;
use crate::helpers;

context! {
    /// What an infrared receiver has seen (4.18). A program that knows what it means tells with
    /// [`key_down`](Self::key_down) and its like, which are for programs of a GPL-compatible
    /// licence.
    LircMode2Context(u32), "#[lirc_mode2]"
}

impl LircMode2Context {
    /// The sample: what it is in the upper 8 bits (`LIRC_MODE2_…`), for how many microseconds in
    /// the lower 24.
    #[inline(always)]
    pub fn sample(&self) -> u32 {
        // SAFETY: the context is the kernel's, which is valid while the program runs.
        unsafe { self.ctx.read_volatile() }
    }

    /// Tells that a key was pressed: `protocol` is an `RC_PROTO_…`, `scancode` the key's, `toggle`
    /// changes each time it is pressed again.
    #[inline(always)]
    pub fn key_down(&self, protocol: u32, scancode: u64, toggle: u32) {
        // SAFETY: the context is the kernel's. It cannot fail.
        unsafe { helpers::bpf_rc_keydown(self.ctx.cast(), protocol, scancode, toggle) };
    }

    /// Tells that the last key is still pressed.
    #[inline(always)]
    pub fn repeat(&self) {
        // SAFETY: as above.
        unsafe { helpers::bpf_rc_repeat(self.ctx.cast()) };
    }

    /// Tells that a pointer was moved (5.1).
    #[inline(always)]
    pub fn pointer_moved(&self, x: i32, y: i32) {
        // SAFETY: as above.
        unsafe { helpers::bpf_rc_pointer_rel(self.ctx.cast(), x, y) };
    }
}
