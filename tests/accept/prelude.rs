//! What the programs of this corpus are written with, the same for the kernel and for the host.
//!
//! A program is a function of what is in a packet. It leaves its result where the packet begins
//! and passes the packet on; what panics, or finds its packet too short, aborts it. So there is
//! one copy of each program's code, and two compilers' opinions of what it computes.

#[allow(unused_imports)]
pub use hachi_ebpf::{macros::*, maps::*, programs::XdpContext};

/// A program as the host calls it.
pub type Program = fn(XdpContext) -> u32;

/// Written by the host only in place of a result, and by no program.
pub const PASS: u32 = 2;

/// The most that a text may be long.
pub const TEXT: usize = 64;

/// Makes a program of each function, and a list of them. A function is given, by its first word:
///
/// - `words`: the packet's first 64 bytes as numbers;
/// - `bytes`: the 64 bytes behind the first one, by value;
/// - `text`: as many of those as the first byte says, as a slice;
/// - `packet`: the context itself.
macro_rules! programs {
    ($($(#[doc = $doc:literal])* $kind:ident fn $name:ident($x:ident) $body:block)*) => {
        $(
            $(#[doc = $doc])*
            #[xdp]
            pub fn $name(mut ctx: XdpContext) -> u32 {
                #[allow(unused_mut)]
                #[inline(always)]
                fn run(ctx: &XdpContext) -> Option<u64> {
                    program!($kind ctx $x $body)
                }
                let Some(result) = run(&ctx) else { return 0 };
                ctx.write(0, result).map_or(0, |()| PASS)
            }
        )*

        /// The programs by name.
        #[allow(dead_code)]
        pub const ALL: &[(&str, Program)] = &[$((stringify!($name), $name)),*];
    };
}

/// What a program does with its context.
macro_rules! program {
    // The linker refuses it; see `build_objects`.
    (unbuilt $ctx:ident $x:ident $body:block) => {
        None
    };
    (words $ctx:ident $x:ident $body:block) => {{
        #[inline(always)]
        fn body($x: &[u64; 8]) -> u64 $body
        Some(body(&$ctx.read::<[u64; 8]>(0)?))
    }};
    (bytes $ctx:ident $x:ident $body:block) => {{
        #[inline(always)]
        fn body(mut $x: [u8; TEXT]) -> u64 $body
        Some(body($ctx.read::<[u8; TEXT]>(1)?))
    }};
    (text $ctx:ident $x:ident $body:block) => {{
        #[inline(always)]
        fn body($x: &[u8]) -> u64 $body
        let length = usize::from($ctx.read::<u8>(0)?);
        let bytes = $ctx.read::<[u8; TEXT]>(1)?;
        Some(body(bytes.get(..length)?))
    }};
    (packet $ctx:ident $x:ident $body:block) => {{
        #[inline(always)]
        fn body($x: &XdpContext) -> Option<u64> $body
        body($ctx)
    }};
}
