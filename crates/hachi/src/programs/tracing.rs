//! What all programs have in common that are loaded for their target, a type of the kernel's BTF.

/// The methods of such a program. `$section` is one of its sections, `$what` says what the target
/// is, `$since` is the first kernel that keeps cookies with it.
macro_rules! loaded_for_target {
    ($type:ident, $section:literal, $what:literal, cookies: $since:literal) => {
        $crate::programs::program_methods!($type);

        impl $type {
            /// Opens the program pinned at `path`. It is loaded already and can be attached.
            ///
            /// # Errors
            /// [`ProgramError::Pin`](crate::programs::ProgramError::Pin) if no program is pinned at
            /// `path`, or this process may not open it (`BPF_OBJ_GET`: EACCES, EPERM);
            /// [`UnexpectedProgramType`](crate::programs::ProgramError::UnexpectedProgramType)
            /// if it is of another type.
            pub fn from_pin<P: AsRef<std::path::Path>>(
                path: P,
            ) -> Result<Self, $crate::programs::ProgramError> {
                $crate::programs::ProgramData::from_pin(path.as_ref(), $section)
                    .map(|data| $type { data })
            }

            #[doc = concat!("Loads the program for the ", $what, " called `name`, whatever its \
                                                                  section names.")]
            ///
            /// `btf` are the kernel's types ([`Btf::from_sys_fs`](crate::Btf::from_sys_fs)); share
            /// one among several programs. What they do not have is searched for in the modules.
            ///
            /// # Errors
            /// [`ProgramError::Unloadable`](crate::programs::ProgramError::Unloadable), with
            /// similar names, if there is no such target.
            pub fn load(
                &mut self,
                name: &str,
                btf: &$crate::Btf,
            ) -> Result<(), $crate::programs::ProgramError> {
                let target = $crate::load::Target {
                    btf: Some(btf),
                    ..Default::default()
                };
                self.data.load_for(Some(name), &target)
            }

            /// Loads the program for what its section names.
            ///
            /// # Errors
            /// [`ProgramError::LoadError`](crate::programs::ProgramError::LoadError), with the
            /// verifier's log, if the kernel refuses the program (`BPF_PROG_LOAD`), and
            /// [`ProgramError::Unsupported`](crate::programs::ProgramError::Unsupported) if it is
            /// too old for it;
            /// [`ProgramError::Unloadable`](crate::programs::ProgramError::Unloadable) or
            /// [`ProgramError::Relocation`](crate::programs::ProgramError::Relocation) if the
            /// object or this system lacks what the program uses, or the function, hook or type
            /// that it is for;
            /// [`ProgramError::AlreadyLoaded`](crate::programs::ProgramError::AlreadyLoaded) if it
            /// is loaded.
            pub fn load_by_section(&mut self) -> Result<(), $crate::programs::ProgramError> {
                self.data.load()
            }

            /// Attaches the program to what it was loaded for.
            ///
            /// # Errors
            /// [`ProgramError::NotLoaded`](crate::programs::ProgramError::NotLoaded);
            /// [`ProgramError::Attach`](crate::programs::ProgramError::Attach) if the kernel
            /// refuses (`BPF_LINK_CREATE`, on older kernels `BPF_RAW_TRACEPOINT_OPEN`): EBUSY if
            /// the program is attached to that function already, ENOTSUPP where the architecture
            /// has no trampolines.
            pub fn attach(
                &mut self,
            ) -> Result<$crate::links::LinkId, $crate::programs::ProgramError> {
                self.data.attach_as_loaded($what, 0)
            }

            /// As [`attach`](Self::attach); `bpf_get_attach_cookie` gives the program `cookie`.
            #[doc = concat!("Linux ≥ ", $since, ".")]
            ///
            /// # Errors
            /// As [`attach`](Self::attach); and with
            /// [`LinkError::Unsupported`](crate::links::LinkError::Unsupported) if the kernel has
            /// no cookies for it.
            pub fn attach_with_cookie(
                &mut self,
                cookie: u64,
            ) -> Result<$crate::links::LinkId, $crate::programs::ProgramError> {
                self.data.attach_as_loaded($what, cookie)
            }

            pub(crate) fn attach_by_section(
                &mut self,
                _: &$crate::programs::AttachOptions,
            ) -> Result<Vec<$crate::programs::Attached>, $crate::programs::ProgramError> {
                let link = self.data.attach_as_loaded($what, 0)?;
                Ok($crate::programs::Attached::one(
                    link,
                    self.data.target_in_words($what),
                ))
            }
        }
    };
}
pub(crate) use loaded_for_target;

use super::{ProgramData, ProgramError, ProgramType};
use crate::links::{LinkId, tracing};

impl ProgramData {
    pub(crate) fn attach_as_loaded(
        &mut self,
        what: &str,
        cookie: u64,
    ) -> Result<LinkId, ProgramError> {
        if self.kind() == ProgramType::Lsm {
            tracing::check_lsm_active().map_err(|error| self.attach_error(error))?;
        }
        let attach_type = self.attach_type().map_or(0, |kind| kind as u32);
        let target = self.target_in_words(what);
        let link = tracing::attach(self.fd()?, attach_type, cookie, &target);
        self.own(link)
    }

    /// `kernel function do_unlinkat`.
    pub(crate) fn target_in_words(&self, what: &str) -> String {
        match self.attach_target() {
            Some(name) => format!("{what} {name}"),
            None => what.to_owned(),
        }
    }
}
