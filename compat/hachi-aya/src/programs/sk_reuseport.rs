//! Which of the sockets that share a port gets a packet.

use super::*;

option_error!(SkReuseportError);

/// Whether the program is also asked where connections go whose socket is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkReuseportAttachType {
    /// No.
    Select,
    /// Yes. Linux ≥ 5.14.
    SelectOrMigrate,
}

impl SkReuseportAttachType {
    pub(super) fn section(self) -> &'static str {
        match self {
            SkReuseportAttachType::Select => "sk_reuseport",
            SkReuseportAttachType::SelectOrMigrate => "sk_reuseport/migrate",
        }
    }
}

program! {
    /// A program that chooses among the sockets which share a port.
    SkReuseport, ProgramType::SkReuseport
}

load!(SkReuseport);

impl SkReuseport {
    /// Attaches the loaded program to a socket. It stays there until the socket is closed or
    /// [`detach`](Self::detach) is called, also when this value is gone.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`], and what the kernel refuses.
    pub fn attach<T: AsFd>(&self, socket: T) -> Result<(), ProgramError> {
        let program = self.fd()?.as_raw_fd();
        socket::set(socket.as_fd(), libc::SO_ATTACH_REUSEPORT_EBPF, program).map_err(|io_error| {
            let option = "SO_ATTACH_REUSEPORT_EBPF";
            SkReuseportError::SetsockoptError { option, io_error }.into()
        })
    }

    /// Takes whichever program of this kind the socket has from it.
    ///
    /// # Errors
    /// What the kernel refuses: `ENOENT` when it has none.
    pub fn detach<T: AsFd>(socket: T) -> Result<(), ProgramError> {
        socket::set(socket.as_fd(), libc::SO_DETACH_REUSEPORT_BPF, 0).map_err(|io_error| {
            let option = "SO_DETACH_REUSEPORT_BPF";
            SkReuseportError::SetsockoptError { option, io_error }.into()
        })
    }
}

impl SkReuseport {
    /// Opens the program pinned at `path`. It is loaded already.
    ///
    /// # Errors
    /// When nothing is pinned there, or a program of another type.
    pub fn from_pin<P: AsRef<Path>>(
        path: P,
        _attach_type: SkReuseportAttachType,
    ) -> Result<Self, ProgramError> {
        let program = hachi::programs::SkReuseport::from_pin(&path)?;
        Ok(SkReuseport(program, Pins::at(path.as_ref())))
    }
}
