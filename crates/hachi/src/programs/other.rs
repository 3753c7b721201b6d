//! Programs of types that have no file of their own yet, or whose file a feature left out.

use super::{AttachOptions, Attached, ProgramData, ProgramError, program_methods};
use crate::links::NoTarget;

/// A program of a type that this version, or this choice of features, can load, test-run and pin,
/// but not attach.
///
/// ```no_run
/// use hachi::programs::Program;
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// if let Program::Other(program) = ebpf.program_mut("decide")? {
///     program.load()?;
///     program.pin("/sys/fs/bpf/decide")?;
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct OtherProgram {
    pub(crate) data: ProgramData,
}

program_methods!(OtherProgram);

impl OtherProgram {
    /// Loads the program into the kernel, which verifies it.
    ///
    /// # Errors
    /// [`ProgramError::LoadError`], with the verifier's log, if the kernel refuses the program
    /// (`BPF_PROG_LOAD`), and [`ProgramError::Unsupported`] if it is too old for it;
    /// [`ProgramError::Unloadable`] or [`ProgramError::Relocation`] if the object or this system
    /// lacks what the program uses; [`ProgramError::AlreadyLoaded`] if it is loaded.
    pub fn load(&mut self) -> Result<(), ProgramError> {
        self.data.load()
    }

    pub(crate) fn attach_by_section(
        &mut self,
        _: &AttachOptions,
    ) -> Result<Vec<Attached>, ProgramError> {
        let section = self.data.section_kind();
        self.data.no_target(match section.split('.').next() {
            Some("uprobe" | "uretprobe" | "usdt") => NoTarget::FeatureOff {
                section,
                feature: "uprobe",
            },
            _ => NoTarget::UnknownType {
                kind: self.data.kind().name(),
            },
        })
    }
}
