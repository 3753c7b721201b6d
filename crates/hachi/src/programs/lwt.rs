//! Packets of routes with a lightweight tunnel.

use std::path::Path;

use super::{AttachOptions, Attached, ProgramData, ProgramError, program_methods};
use crate::links::NoTarget;

/// A type of program for routes. `$way` is what `ip route` calls it.
macro_rules! lwt_program {
    ($(#[$doc:meta])* $type:ident, $section:literal, $way:literal) => {
        $(#[$doc])*
        ///
        /// Routes run it, so it is not attached but pinned, and its pin named as the route is made:
        #[doc = concat!("`ip route add PREFIX encap ", $way, " pinned PATH dev IFACE` (see")]
        /// [`encap`](Self::encap)). Routes keep the program until they are removed.
        #[derive(Debug)]
        pub struct $type {
            pub(crate) data: ProgramData,
        }

        program_methods!($type);

        impl $type {
            /// Opens the program pinned at `path`. It is loaded already.
            ///
            /// # Errors
            /// [`ProgramError::Pin`](crate::programs::ProgramError::Pin) if no program is pinned at
            /// `path`, or this process may not open it (`BPF_OBJ_GET`: EACCES, EPERM);
            /// [`UnexpectedProgramType`](crate::programs::ProgramError::UnexpectedProgramType)
            /// if it is of another type.
            pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, ProgramError> {
                ProgramData::from_pin(path.as_ref(), $section).map(|data| $type { data })
            }

            /// Loads the program into the kernel, which verifies it.
            ///
            /// # Errors
            /// [`ProgramError::LoadError`](crate::programs::ProgramError::LoadError), with the
            /// verifier's log, if the kernel refuses the program (`BPF_PROG_LOAD`), and
            /// [`ProgramError::Unsupported`](crate::programs::ProgramError::Unsupported) if it is
            /// too old for it;
            /// [`ProgramError::Unloadable`](crate::programs::ProgramError::Unloadable) or
            /// [`ProgramError::Relocation`](crate::programs::ProgramError::Relocation) if the
            /// object or this system lacks what the program uses;
            /// [`ProgramError::AlreadyLoaded`](crate::programs::ProgramError::AlreadyLoaded) if it
            /// is loaded.
            pub fn load(&mut self) -> Result<(), ProgramError> {
                self.data.load()
            }

            /// The arguments for `ip route add` that make a route run the program pinned at `path`.
            pub fn encap(path: &Path) -> String {
                format!(concat!("encap ", $way, " pinned {}"), path.display())
            }

            pub(crate) fn attach_by_section(
                &mut self,
                _: &AttachOptions,
            ) -> Result<Vec<Attached>, ProgramError> {
                self.data.no_target(NoTarget::RunByRoute { encap: $way })
            }
        }
    };
}

lwt_program! {
    /// A program that sees the packets received by a route, before they go to their socket or on
    /// (`BPF_PROG_TYPE_LWT_IN`): it returns `BPF_OK` (0), `BPF_DROP` (2) or `BPF_LWT_REROUTE`
    /// (128). Linux ≥ 4.10. Section `lwt_in`.
    LwtIn, "lwt_in", "bpf in"
}

lwt_program! {
    /// A program that sees the packets which this host sends by a route (`BPF_PROG_TYPE_LWT_OUT`):
    /// it returns `BPF_OK` (0) or `BPF_DROP` (2). Linux ≥ 4.10. Section `lwt_out`.
    LwtOut, "lwt_out", "bpf out"
}

lwt_program! {
    /// A program that sees, and may change, packets right before they are sent by a route
    /// (`BPF_PROG_TYPE_LWT_XMIT`): it returns `BPF_OK` (0), `BPF_DROP` (2), `BPF_REDIRECT` (7) or
    /// `BPF_LWT_REROUTE` (128). Linux ≥ 4.10. Section `lwt_xmit`.
    LwtXmit, "lwt_xmit", "bpf xmit"
}

lwt_program! {
    /// A program that is an endpoint of IPv6 segment routing (`BPF_PROG_TYPE_LWT_SEG6LOCAL`): it
    /// returns `BPF_OK` (0), `BPF_DROP` (2) or `BPF_REDIRECT` (7). Linux ≥ 4.18. Section
    /// `lwt_seg6local`.
    LwtSeg6Local, "lwt_seg6local", "seg6local action End.BPF endpoint"
}
