//! What a socket receives.

use super::*;

option_error!(SocketFilterError);

program! {
    /// A program that a socket passes what it receives to.
    SocketFilter, ProgramType::SocketFilter
}
from_pin!(SocketFilter);
test_run!(SocketFilter);

load!(SocketFilter);

impl SocketFilter {
    /// Attaches the loaded program to a socket. It stays there until the socket is closed or
    /// [`detach`](Self::detach) is called, also when this value is gone.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`], and what the kernel refuses.
    pub fn attach<T: AsFd>(&self, socket: T) -> Result<(), ProgramError> {
        let program = self.fd()?.as_raw_fd();
        socket::set(socket.as_fd(), libc::SO_ATTACH_BPF, program).map_err(|io_error| {
            let option = "SO_ATTACH_BPF";
            SocketFilterError::SetsockoptError { option, io_error }.into()
        })
    }

    /// Takes whichever program of this kind the socket has from it.
    ///
    /// # Errors
    /// What the kernel refuses: `ENOENT` when it has none.
    pub fn detach<T: AsFd>(socket: T) -> Result<(), ProgramError> {
        socket::set(socket.as_fd(), libc::SO_DETACH_BPF, 0).map_err(|io_error| {
            let option = "SO_DETACH_BPF";
            SocketFilterError::SetsockoptError { option, io_error }.into()
        })
    }
}

/// A socket filter that chooses among the sockets of a group which share a port.
#[derive(Debug)]
#[repr(transparent)]
pub struct ReusePortSocketFilter(pub(super) SocketFilter);

impl ReusePortSocketFilter {
    /// The type, as the kernel has it.
    pub const PROGRAM_TYPE: ProgramType = SocketFilter::PROGRAM_TYPE;

    /// Opens the program pinned at `path`. It is loaded already.
    ///
    /// # Errors
    /// When nothing is pinned there, or a program of another type.
    pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, ProgramError> {
        SocketFilter::from_pin(path).map(ReusePortSocketFilter)
    }

    /// Loads the program into the kernel, which verifies it.
    ///
    /// # Errors
    /// [`ProgramError::LoadError`] when it refuses.
    pub fn load(&mut self) -> Result<(), ProgramError> {
        self.0.load()
    }

    /// The descriptor.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`].
    pub fn fd(&self) -> Result<&ProgramFd, ProgramError> {
        self.0.fd()
    }

    /// What the kernel says about the loaded program.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`].
    pub fn info(&self) -> Result<ProgramInfo, ProgramError> {
        self.0.info()
    }

    /// Pins the loaded program, so that it outlives the process.
    ///
    /// # Errors
    /// As [`SocketFilter::pin`].
    pub fn pin<P: AsRef<Path>>(&mut self, path: P) -> Result<(), PinError> {
        self.0.pin(path)
    }

    /// Removes the pins that were made or opened here.
    ///
    /// # Errors
    /// As [`SocketFilter::unpin`].
    pub fn unpin(&mut self) -> Result<(), io::Error> {
        self.0.unpin()
    }

    /// Unloads the program (unless it is pinned).
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`].
    pub fn unload(&mut self) -> Result<(), ProgramError> {
        self.0.unload()
    }

    /// Attaches the loaded program to the group that a socket is of. It stays there.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`], and what the kernel refuses.
    pub fn attach<T: AsFd>(&self, socket: T) -> Result<(), ProgramError> {
        let program = self.fd()?.as_raw_fd();
        let option = "SO_ATTACH_REUSEPORT_EBPF";
        socket::set(socket.as_fd(), libc::SO_ATTACH_REUSEPORT_EBPF, program)
            .map_err(|io_error| SocketFilterError::SetsockoptError { option, io_error }.into())
    }

    /// Takes the program from the group that a socket is of.
    ///
    /// # Errors
    /// What the kernel refuses: `ENOENT` when it has none.
    pub fn detach<T: AsFd>(socket: T) -> Result<(), ProgramError> {
        SkReuseport::detach(socket)
    }
}

impl TestRun for ReusePortSocketFilter {
    type Opts<'a> = TestRunOptions<'a>;
    type Result = TestRunResult;

    fn test_run(&self, opts: Self::Opts<'_>) -> Result<Self::Result, ProgramError> {
        self.0.test_run(opts)
    }
}

/// An object does not say which of the two a program in section `socket` is to be.
impl<'a> TryFrom<&'a Program> for &'a ReusePortSocketFilter {
    type Error = ProgramError;

    fn try_from(program: &'a Program) -> Result<Self, ProgramError> {
        let program: &SocketFilter = program.try_into()?;
        // SAFETY: `repr(transparent)`: a reference to the one is a reference to the other.
        Ok(unsafe { &*(program as *const SocketFilter).cast() })
    }
}

impl<'a> TryFrom<&'a mut Program> for &'a mut ReusePortSocketFilter {
    type Error = ProgramError;

    fn try_from(program: &'a mut Program) -> Result<Self, ProgramError> {
        let program: &mut SocketFilter = program.try_into()?;
        // SAFETY: `repr(transparent)`: a reference to the one is a reference to the other.
        Ok(unsafe { &mut *(program as *mut SocketFilter).cast() })
    }
}
