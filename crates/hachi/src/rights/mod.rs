//! With what rights calls of bpf(2) are made that need some: to create a map, to load a program or
//! types.
//!
//! Such a call passes the token that the loader was given. Where it was given none, it is tried
//! without, and only after `EPERM` with a token that is looked for, or with RLIMIT_MEMLOCK raised.
//! So a process with rights of its own never asks, and one without needs no setting.

mod memlock;
mod token;

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
};

pub(crate) use self::memlock::accounting_probe;
use self::token::Wanted;
pub use self::token::{BpfToken, BpfTokenError, Delegation};
use crate::sys::{
    attr,
    bpf::{self, ProgramImage},
    errno::SyscallError,
};

/// The rights of one loader: those of the process, and a token if it was given one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rights {
    token: Option<BpfToken>,
}

impl Rights {
    /// Those that this token stands for.
    pub(crate) fn of_token(token: BpfToken) -> Self {
        Rights { token: Some(token) }
    }

    /// `BPF_MAP_CREATE`.
    pub(crate) fn map_create(&self, attr: &attr::MapCreate) -> Result<OwnedFd, SyscallError> {
        let kind = attr.map_type;
        self.call(Wanted::Map { kind }, &mut |token| {
            bpf::map_create(attr, token)
        })
    }

    /// `BPF_PROG_LOAD`; see [`bpf::prog_load`].
    pub(crate) fn prog_load(
        &self,
        attr: &mut attr::ProgLoad,
        image: &ProgramImage<'_>,
        mut log: Option<(&mut [u8], u32)>,
    ) -> Result<OwnedFd, SyscallError> {
        let wanted = Wanted::Program {
            kind: attr.prog_type,
            attach_type: attr.expected_attach_type,
        };
        self.call(wanted, &mut |token| {
            let log = log.as_mut().map(|(buffer, level)| (&mut **buffer, *level));
            bpf::prog_load(attr, image, log, token)
        })
    }

    /// `BPF_BTF_LOAD`; see [`bpf::btf_load`].
    pub(crate) fn btf_load(
        &self,
        btf: &[u8],
        mut log: Option<&mut [u8]>,
    ) -> Result<OwnedFd, SyscallError> {
        self.call(Wanted::Types, &mut |token| {
            bpf::btf_load(btf, log.as_deref_mut(), token)
        })
    }

    /// Makes a call, with the token to be passed, in up to three ways: without what could help it
    /// to the right, with a token that was found, and with RLIMIT_MEMLOCK raised.
    fn call(
        &self,
        wanted: Wanted,
        attempt: &mut dyn FnMut(Option<BorrowedFd<'_>>) -> io::Result<OwnedFd>,
    ) -> Result<OwnedFd, SyscallError> {
        let failed_with = |errno, result: &io::Result<OwnedFd>| match result {
            Ok(_) => false,
            Err(error) => error.raw_os_error() == Some(errno),
        };
        let is_refused = |result: &_| failed_with(libc::EPERM, result);
        let is_over_limit = |result: &_| failed_with(memlock::errno(wanted), result);
        let mut token = self.token.clone();
        let mut result = attempt(token.as_ref().map(BpfToken::as_fd));
        if is_refused(&result) && token.is_none() {
            token = BpfToken::find();
            if let Some(token) = &token {
                result = attempt(Some(token.as_fd()));
            }
        }
        // What is charged to that limit are maps and programs, on kernels that know no tokens.
        if is_over_limit(&result) && token.is_none() && memlock::raise() {
            result = attempt(None);
        }
        let lacking = match &token {
            Some(token) if is_refused(&result) => token.delegation().lacks(wanted).map(|what| {
                format!(
                    "the BPF token of {} does not allow {what}",
                    token.path().display()
                )
            }),
            _ => None,
        };
        result.map_err(|error| {
            let error = SyscallError::new(wanted.command().name(), error);
            match lacking {
                Some(note) => error.noted(note),
                None => error,
            }
        })
    }
}
