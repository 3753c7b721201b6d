//! What all programs for cgroups have in common.

use std::{
    fs::File,
    os::fd::{AsFd as _, BorrowedFd},
};

use super::{AttachOptions, AttachType, Attached, ProgramData, ProgramError};
use crate::links::{CgroupAttachMode, LinkError, LinkId, LinkOrder, Needed, NoTarget, cgroup};

/// The methods of programs for cgroups but the one that attaches. `$first` is the attach type of
/// those whose section names none.
macro_rules! cgroup_methods {
    ($type:ident, $first:ident) => {
        $crate::programs::program_methods!($type);
        $crate::programs::multi_program!($type);

        impl $type {
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
            pub fn load(&mut self) -> Result<(), $crate::programs::ProgramError> {
                self.data.load()
            }

            /// Makes an existing attachment run this program, without a gap in between, and takes
            /// it over; see [`Xdp::attach_to_link`](crate::programs::Xdp::attach_to_link).
            ///
            /// # Errors
            /// [`ProgramError::NotLoaded`](crate::programs::ProgramError::NotLoaded);
            /// [`ProgramError::Attach`](crate::programs::ProgramError::Attach) if the kernel
            /// refuses to change the program of the link (`BPF_LINK_UPDATE`: EINVAL for a program
            /// of another type, ENOLINK when what it was attached to is gone), or the attachment is
            /// of a kind that cannot change it. The link is dropped then, which detaches it.
            pub fn attach_to_link(
                &mut self,
                link: impl Into<$crate::links::OwnedLink>,
            ) -> Result<$crate::links::LinkId, $crate::programs::ProgramError> {
                self.data.attach_to_link(link.into())
            }

            pub(crate) fn attach_by_section(
                &mut self,
                options: &$crate::programs::AttachOptions,
            ) -> Result<Vec<$crate::programs::Attached>, $crate::programs::ProgramError> {
                self.data
                    .attach_to_cgroup_by_section($crate::programs::AttachType::$first, options)
            }
        }
    };
}
pub(crate) use cgroup_methods;

/// As [`cgroup_methods`], with those that attach: for programs that know their attach type.
macro_rules! cgroup_program {
    ($type:ident, $first:ident) => {
        $crate::programs::cgroup::cgroup_methods!($type, $first);

        impl $type {
            /// Attaches the loaded program to the cgroup whose directory (of the version 2
            /// hierarchy) is open here: `File::open("/sys/fs/cgroup/user.slice")`. It runs for the
            /// processes there and below, also for those that come later. Needs CAP_NET_ADMIN.
            ///
            /// # Errors
            /// [`ProgramError::NotLoaded`](crate::programs::ProgramError::NotLoaded);
            /// [`ProgramError::Attach`](crate::programs::ProgramError::Attach) if `cgroup` is no
            /// directory of the version 2 hierarchy (EBADF), a program there or above it allows no
            /// other (EPERM), or 64 are attached already (E2BIG).
            pub fn attach<T: std::os::fd::AsFd>(
                &mut self,
                cgroup: T,
                mode: $crate::programs::CgroupAttachMode,
            ) -> Result<$crate::links::LinkId, $crate::programs::ProgramError> {
                self.data.attach_to_cgroup(
                    $crate::programs::AttachType::$first,
                    cgroup.as_fd(),
                    mode,
                )
            }

            /// As [`attach`](Self::attach) with
            /// [`AllowMultiple`](crate::programs::CgroupAttachMode::AllowMultiple), at a chosen
            /// place among the programs of the cgroup. Linux ≥ 6.17.
            ///
            /// # Errors
            /// [`ProgramError::NotLoaded`](crate::programs::ProgramError::NotLoaded);
            /// [`ProgramError::Attach`](crate::programs::ProgramError::Attach) as for
            /// [`attach`](Self::attach), if what it is to run before or after is not there
            /// (ENOENT), or others have attached or detached since the revision expected (ESTALE);
            /// with [`LinkError::Unsupported`](crate::links::LinkError::Unsupported) where the
            /// kernel knows no order.
            pub fn attach_in_order<T: std::os::fd::AsFd>(
                &mut self,
                cgroup: T,
                order: $crate::links::LinkOrder,
            ) -> Result<$crate::links::LinkId, $crate::programs::ProgramError> {
                let first = $crate::programs::AttachType::$first;
                self.data
                    .attach_to_cgroup_in_order(first, cgroup.as_fd(), order)
            }
        }
    };
}
pub(crate) use cgroup_program;

/// An enumeration of the attach types of one program type, with the variants' kernel names.
macro_rules! attach_types {
    (
        $(#[$doc:meta])*
        $name:ident { $($(#[$variant_doc:meta])* $variant:ident => $kernel:ident,)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl From<$name> for $crate::programs::AttachType {
            fn from(kind: $name) -> Self {
                match kind {
                    $($name::$variant => $crate::programs::AttachType::$kernel,)*
                }
            }
        }
    };
}
pub(crate) use attach_types;

impl ProgramData {
    /// Attaches to a cgroup; `first` counts where the section says nothing.
    pub(crate) fn attach_to_cgroup(
        &mut self,
        first: AttachType,
        cgroup: BorrowedFd<'_>,
        mode: CgroupAttachMode,
    ) -> Result<LinkId, ProgramError> {
        let attach_type = self.attach_type().unwrap_or(first) as u32;
        let link = cgroup::attach(self.fd()?, attach_type, cgroup, mode);
        self.own(link)
    }

    pub(crate) fn attach_to_cgroup_in_order(
        &mut self,
        first: AttachType,
        cgroup: BorrowedFd<'_>,
        order: LinkOrder,
    ) -> Result<LinkId, ProgramError> {
        let attach_type = self.attach_type().unwrap_or(first) as u32;
        let link = cgroup::attach_in_order(self.fd()?, attach_type, cgroup, order);
        self.own(link)
    }

    pub(crate) fn attach_to_cgroup_by_section(
        &mut self,
        first: AttachType,
        options: &AttachOptions,
    ) -> Result<Vec<Attached>, ProgramError> {
        let Some(path) = &options.cgroup else {
            return self.no_target(NoTarget::Needs(Needed::Cgroup));
        };
        let target = format!("cgroup {}", path.display());
        let cgroup = File::open(path)
            .map_err(|error| self.attach_error(LinkError::io(target.as_str(), error)))?;
        let link = self.attach_to_cgroup(first, cgroup.as_fd(), options.cgroup_mode)?;
        Ok(Attached::one(link, target))
    }
}
