//! Functions of the kernel.

use super::*;

program! {
    /// A program at a function of the kernel, entered or returning.
    KProbe, ProgramType::KProbe
}
attachments!(KProbe, KProbeLink, KProbeLinkId, "KProbe");
links::conversions!(PerfEvent of_type, KProbeLink);
load!(KProbe);
from_pin!(KProbe, ProbeKind);

/// An error of kprobes.
#[derive(Debug)]
pub enum KProbeError {
    /// A file of the system cannot be read or written.
    FileError {
        /// The file.
        filename: PathBuf,
        /// Why.
        io_error: std::io::Error,
    },
}

file_error!(KProbeError);

impl KProbe {
    /// Entry or return.
    pub fn kind(&self) -> ProbeKind {
        self.0.kind()
    }

    /// Attaches the loaded program to a function, `offset` bytes in.
    ///
    /// # Errors
    /// [`ProgramError::SyscallError`] with `ENOENT` when there is no such function, and what
    /// the kernel refuses.
    pub fn attach<T: AsRef<std::ffi::OsStr>>(
        &mut self,
        fn_name: T,
        offset: u64,
    ) -> Result<KProbeLinkId, ProgramError> {
        let name = fn_name.as_ref().to_string_lossy();
        Ok(KProbeLinkId(self.0.attach(&name, offset)?))
    }
}
