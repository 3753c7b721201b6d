//! Programs: what runs in the kernel.
//!
//! An [`Ebpf`](crate::Ebpf) holds its programs as [`Program`] values. What can be done with one
//! depends on its type, so it is turned into that type first:
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use hachi::{Ebpf, programs::{Xdp, XdpFlags}};
//!
//! let mut ebpf = Ebpf::load_file("firewall.o")?;
//! let program: &mut Xdp = ebpf.program_mut("firewall")?.try_into()?;
//! program.load()?;
//! program.attach("eth0", XdpFlags::default())?;
//! # Ok(()) }
//! ```
//!
//! See [`links`] for how long an attachment lasts.

mod data;
mod error;
mod info;
mod other;
mod rejection;
mod test_run;
mod xdp;

pub use data::ProgramFd;
pub(crate) use data::{ProgramData, program_methods};
pub use error::ProgramError;
pub use hachi_obj::{AttachType, ProgramType};
pub use info::{ProgramInfo, loaded_programs};
pub use other::OtherProgram;
pub use rejection::Rejection;
pub use test_run::{TestRun, TestRunOptions};
pub use xdp::{Xdp, XdpFlags, XdpMd};

pub use crate::links::{self, Link, XdpLink, XdpLinkId};

macro_rules! programs {
    ($($variant:ident: $type:ident = $kind:path;)*) => {
        /// A program of an object, by type. Turn it into the type with `TryFrom`, on a shared or an
        /// exclusive reference: `let xdp: &mut Xdp = program.try_into()?`.
        #[derive(Debug)]
        #[non_exhaustive]
        pub enum Program {
            $(
                #[doc = concat!("See [`", stringify!($type), "`].")]
                $variant($type),
            )*
            /// Of a type this version can load but not attach.
            Other(OtherProgram),
        }

        impl Program {
            /// The variant for the program's type.
            pub(crate) fn from_spec(
                object: std::sync::Arc<crate::load::Object>,
                spec: hachi_obj::ProgramSpec,
            ) -> Self {
                match spec.program_type {
                    $($kind => Program::$variant($type::from_data(ProgramData::new(object, spec))),)*
                    _ => Program::Other(OtherProgram::from_data(ProgramData::new(object, spec))),
                }
            }

            /// Loads the program into the kernel, which verifies it.
            pub fn load(&mut self) -> Result<(), ProgramError> {
                match self {
                    $(Program::$variant(program) => program.load(),)*
                    Program::Other(program) => program.load(),
                }
            }

            /// Detaches the program everywhere and unloads it (unless it is pinned).
            pub fn unload(&mut self) -> Result<(), ProgramError> {
                match self {
                    $(Program::$variant(program) => program.unload(),)*
                    Program::Other(program) => program.unload(),
                }
            }

            /// The descriptor; [`ProgramError::NotLoaded`] before `load`.
            pub fn fd(&self) -> Result<&ProgramFd, ProgramError> {
                match self {
                    $(Program::$variant(program) => program.fd(),)*
                    Program::Other(program) => program.fd(),
                }
            }

            /// What the kernel says about the loaded program.
            pub fn info(&self) -> Result<ProgramInfo, ProgramError> {
                match self {
                    $(Program::$variant(program) => program.info(),)*
                    Program::Other(program) => program.info(),
                }
            }

            /// Pins the loaded program, so that it outlives the process.
            pub fn pin<P: AsRef<std::path::Path>>(&self, path: P) -> Result<(), crate::pin::PinError> {
                match self {
                    $(Program::$variant(program) => program.pin(path),)*
                    Program::Other(program) => program.pin(path),
                }
            }

            /// The name: that of the function.
            pub fn name(&self) -> &str {
                match self {
                    $(Program::$variant(program) => program.name(),)*
                    Program::Other(program) => program.name(),
                }
            }

            /// The ELF section it comes from: `xdp`; empty for a program opened from a pin.
            pub fn section(&self) -> &str {
                match self {
                    $(Program::$variant(program) => program.section(),)*
                    Program::Other(program) => program.section(),
                }
            }

            /// The type.
            pub fn prog_type(&self) -> ProgramType {
                match self {
                    $(Program::$variant(program) => program.prog_type(),)*
                    Program::Other(program) => program.prog_type(),
                }
            }

            /// What the verifier wrote when the program was loaded, if that was asked for
            /// ([`EbpfLoader::verifier_log_level`](crate::EbpfLoader::verifier_log_level)).
            pub fn verifier_log(&self) -> &str {
                match self {
                    $(Program::$variant(program) => program.verifier_log(),)*
                    Program::Other(program) => program.verifier_log(),
                }
            }

            /// Runs the loaded program once on given data, if the kernel can for its type.
            pub fn test_run(&self, options: &TestRunOptions<'_>) -> Result<TestRun, ProgramError> {
                match self {
                    $(Program::$variant(program) => program.test_run(options),)*
                    Program::Other(program) => program.test_run(options),
                }
            }
        }

        $(
            impl<'a> TryFrom<&'a Program> for &'a $type {
                type Error = ProgramError;
                fn try_from(program: &'a Program) -> Result<Self, ProgramError> {
                    match program {
                        Program::$variant(program) => Ok(program),
                        other => Err(ProgramError::unexpected_type(other, $kind.name())),
                    }
                }
            }

            impl<'a> TryFrom<&'a mut Program> for &'a mut $type {
                type Error = ProgramError;
                fn try_from(program: &'a mut Program) -> Result<Self, ProgramError> {
                    match program {
                        Program::$variant(program) => Ok(program),
                        other => Err(ProgramError::unexpected_type(other, $kind.name())),
                    }
                }
            }
        )*
    };
}

// One row for each type that can be attached: variant, Rust type, kernel type.
programs! {
    Xdp: Xdp = ProgramType::Xdp;
}
