//! `BPF_MAP_TYPE_PROG_ARRAY`

use core::convert::Infallible;

use crate::cty::c_long;
use crate::errno::ENOENT;
use crate::{EbpfContext, helpers};

map_kind! {
    /// An array of programs, to which a program can hand over (4.2).
    ///
    /// All of them have the type of the program that hands over. User space puts them in.
    ///
    /// ```
    /// use hachi_ebpf::{macros::{map, xdp}, maps::ProgramArray, programs::XdpContext};
    ///
    /// #[map]
    /// static STAGES: ProgramArray = ProgramArray::with_max_entries(256, 0);
    ///
    /// /// Hands over to the program of the protocol; where there is none, lets the packet pass.
    /// #[xdp]
    /// fn first(ctx: XdpContext) -> u32 {
    ///     let protocol = ctx.read::<u8>(23).unwrap_or(0);
    ///     let Err(_) = STAGES.tail_call(&ctx, protocol.into());
    ///     2
    /// }
    /// ```
    ProgramArray = BPF_MAP_TYPE_PROG_ARRAY(u32 => u32),
    entries: "up to `max_entries` programs"
}

impl ProgramArray {
    /// Goes on with the program at `index`, which gets the same context; what it returns is what
    /// this one returns. There is no way back: nothing after the call runs, destructors neither.
    ///
    /// At most 33 hand-overs follow each other, and a program that calls functions (of which not
    /// all are inlined) and hands over has 256 bytes of stack only.
    ///
    /// # Errors
    /// The only way to return from it, `-ENOENT`: there is no program at `index`, or the limit is
    /// reached. The kernel does not say which of them: the helper sets no result.
    #[inline(always)]
    pub fn tail_call<C: EbpfContext>(&self, ctx: &C, index: u32) -> Result<Infallible, c_long> {
        // SAFETY: the context is the kernel's, the map is one of the object's. The verifier refuses
        // a program that reads what the helper returns.
        let _ = unsafe { helpers::bpf_tail_call(ctx.as_ptr(), self.as_ptr(), index) };
        Err(-ENOENT)
    }
}
