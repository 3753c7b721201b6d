//! BPF tokens: rights over bpf(2) that a privileged process delegates to a user namespace, through
//! a BPF file system that it mounts there. Linux ≥ 6.9; `kernel/bpf/token.c`.

use std::{
    env, fmt, fs,
    fs::File,
    os::{
        fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd},
        unix::fs::OpenOptionsExt as _,
    },
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use hachi_obj::{AttachType, MapType, ProgramType};

use crate::sys::{
    attr::Cmd,
    bpf,
    errno::SyscallError,
    fs::{BPFFS, fdinfo_field},
};

/// Environment variables that name the BPF file system with the delegated rights; the second is
/// libbpf's. An empty value says that there is none.
const VARIABLES: [&str; 2] = ["HACHI_BPF_TOKEN_PATH", "LIBBPF_BPF_TOKEN_PATH"];

/// Rights over bpf(2) that were delegated to this process's user namespace. Linux ≥ 6.9.
///
/// The one who starts a container mounts a BPF file system in its user namespace, with options that
/// say what programs in the container may do: `delegate_cmds=prog_load:map_create:btf_load`,
/// `delegate_maps=any`, `delegate_progs=xdp`, `delegate_attachs=any`. A token made from that file
/// system then stands for CAP_BPF and the others (which the process needs to have in its own
/// namespace only).
///
/// Usually there is nothing to do: after a refusal, Hachi looks for such a file system where
/// `HACHI_BPF_TOKEN_PATH` (or `LIBBPF_BPF_TOKEN_PATH`) says, or else at `/sys/fs/bpf`, and uses it.
/// To name another, give it to [`EbpfLoader::bpf_token`](crate::EbpfLoader::bpf_token).
///
/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct BpfToken(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    fd: OwnedFd,
    path: PathBuf,
    delegation: Delegation,
}

/// Why there is no token.
#[derive(Debug)]
#[non_exhaustive]
pub struct BpfTokenError {
    /// The file system.
    pub path: PathBuf,
    /// The system's error.
    pub error: SyscallError,
}

impl fmt::Display for BpfTokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BpfTokenError { path, error } = self;
        write!(
            f,
            "no BPF token from {path}: {error}",
            path = path.display()
        )
    }
}

impl std::error::Error for BpfTokenError {}

impl BpfToken {
    /// A token of the BPF file system mounted at `path`.
    ///
    /// # Errors
    /// If nothing is delegated there, not to this user namespace, or the kernel is older than 6.9.
    pub fn create<P: AsRef<Path>>(path: P) -> Result<Self, BpfTokenError> {
        let path = path.as_ref();
        let make = || {
            let directory = File::options()
                .read(true)
                .custom_flags(libc::O_DIRECTORY)
                .open(path)
                .map_err(|error| SyscallError::new("open", error))?;
            let token = bpf::token_create(directory.as_fd())?;
            let delegation = Delegation::of(token.as_fd())?;
            Ok((token, delegation))
        };
        match make() {
            Ok((fd, delegation)) => {
                let path = path.to_owned();
                Ok(BpfToken(Arc::new(Inner {
                    fd,
                    path,
                    delegation,
                })))
            }
            Err(error) => Err(BpfTokenError {
                path: path.to_owned(),
                error,
            }),
        }
    }

    /// The token that is used after a refusal: of the file system that `HACHI_BPF_TOKEN_PATH` or
    /// `LIBBPF_BPF_TOKEN_PATH` names, or else of `/sys/fs/bpf`. `None` if nothing is delegated
    /// there.
    pub fn find() -> Option<Self> {
        let named = VARIABLES.iter().find_map(env::var_os).map(PathBuf::from);
        if named
            .as_ref()
            .is_some_and(|path| path.as_os_str().is_empty())
        {
            return None;
        }
        let path = named.as_deref().unwrap_or(Path::new(BPFFS));
        // Kept: a process may be refused often.
        static FOUND: Mutex<Option<BpfToken>> = Mutex::new(None);
        let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = &*found
            && token.path() == path
        {
            return Some(token.clone());
        }
        match Self::create(path) {
            Ok(token) => {
                log::debug!("using the {token}");
                *found = Some(token.clone());
                Some(token)
            }
            Err(error) => {
                // Where nobody named one, its absence is the rule.
                if named.is_some() {
                    log::warn!("{error}");
                }
                None
            }
        }
    }

    /// Where its file system is mounted.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// What it allows.
    pub fn delegation(&self) -> Delegation {
        self.0.delegation
    }
}

impl AsFd for BpfToken {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.fd.as_fd()
    }
}

impl fmt::Display for BpfToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "BPF token of {} ({})",
            self.path().display(),
            self.delegation()
        )
    }
}

/// What a token allows, as sets of bits: bit n stands for number n of the kernel's enumeration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delegation {
    /// Commands, `enum bpf_cmd`; a token counts for map creation, program loading and BTF loading.
    pub commands: u64,
    /// Map types to create.
    pub maps: u64,
    /// Program types to load.
    pub programs: u64,
    /// Attach types that programs may be loaded for.
    pub attach_types: u64,
}

impl Delegation {
    /// What the kernel shows of a token in `/proc/self/fdinfo`.
    fn of(token: BorrowedFd<'_>) -> Result<Self, SyscallError> {
        let path = format!("/proc/thread-self/fdinfo/{}", token.as_raw_fd());
        match fs::read_to_string(path) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(error) => Err(SyscallError::new("reading the token's fdinfo", error)),
        }
    }

    fn parse(text: &str) -> Self {
        let set = |name| match fdinfo_field(text, name).unwrap_or_default() {
            "any" => u64::MAX,
            hex => u64::from_str_radix(hex.trim_start_matches("0x"), 16).unwrap_or(0),
        };
        Delegation {
            commands: set("allowed_cmds"),
            maps: set("allowed_maps"),
            programs: set("allowed_progs"),
            attach_types: set("allowed_attachs"),
        }
    }

    /// What is missing for `wanted`, with the mount option that would allow it.
    pub(super) fn lacks(&self, wanted: Wanted) -> Option<String> {
        let command = wanted.command();
        if !has(self.commands, command as u32) {
            let name = command.name();
            let option = name.trim_start_matches("BPF_").to_ascii_lowercase();
            return Some(format!("{name} (mount option delegate_cmds={option})"));
        }
        match wanted {
            Wanted::Map { kind } if !has(self.maps, kind) => {
                let name = map_name(kind);
                Some(format!(
                    "maps of type {name} (mount option delegate_maps={name})"
                ))
            }
            Wanted::Program { kind, .. } if !has(self.programs, kind) => {
                let name = program_name(kind);
                Some(format!(
                    "programs of type {name} (mount option delegate_progs={name})"
                ))
            }
            Wanted::Program { attach_type, .. } if !has(self.attach_types, attach_type) => {
                let name = attach_name(attach_type);
                Some(format!(
                    "programs to be attached as {name} (mount option delegate_attachs={name})"
                ))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Delegation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let command = |number: u32| {
            let mut known = [Cmd::MapCreate, Cmd::ProgLoad, Cmd::BtfLoad].into_iter();
            match known.find(|&command| command as u32 == number) {
                Some(command) => command.name().to_owned(),
                None => number.to_string(),
            }
        };
        list(f, "commands", self.commands, &command)?;
        list(f, "; map types", self.maps, &map_name)?;
        list(f, "; program types", self.programs, &program_name)?;
        list(f, "; attach types", self.attach_types, &attach_name)
    }
}

fn list(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    set: u64,
    name: &dyn Fn(u32) -> String,
) -> fmt::Result {
    write!(f, "{what} ")?;
    match set {
        0 => f.write_str("none"),
        u64::MAX => f.write_str("any"),
        _ => {
            let names: Vec<_> = (0..64).filter(|&bit| has(set, bit)).map(name).collect();
            f.write_str(&names.join(", "))
        }
    }
}

fn has(set: u64, bit: u32) -> bool {
    set.checked_shr(bit).is_some_and(|rest| rest & 1 == 1)
}

fn map_name(number: u32) -> String {
    MapType::from_number(number).map_or(number.to_string(), |kind| kind.name().to_owned())
}

fn program_name(number: u32) -> String {
    ProgramType::from_number(number).map_or(number.to_string(), |kind| kind.name().to_owned())
}

fn attach_name(number: u32) -> String {
    AttachType::from_number(number).map_or(number.to_string(), |kind| kind.name().to_owned())
}

/// What a call needs the right to, by the kernel's numbers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted {
    Map { kind: u32 },
    Program { kind: u32, attach_type: u32 },
    Types,
}

impl Wanted {
    pub(super) fn command(self) -> Cmd {
        match self {
            Wanted::Map { .. } => Cmd::MapCreate,
            Wanted::Program { .. } => Cmd::ProgLoad,
            Wanted::Types => Cmd::BtfLoad,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_fdinfo_of_a_token() {
        let text = "pos:\t0\nflags:\t02000002\nmnt_id:\t16\nino:\t2093\nallowed_cmds:\t0x40021\n\
                    allowed_maps:\t0x6\nallowed_progs:\t0x40\nallowed_attachs:\tany\n";
        let delegation = Delegation::parse(text);
        assert_eq!(
            delegation.to_string(),
            "commands BPF_MAP_CREATE, BPF_PROG_LOAD, BPF_BTF_LOAD; map types hash, array; \
             program types xdp; attach types any"
        );
        let lacks = |wanted| delegation.lacks(wanted);
        assert_eq!(lacks(Wanted::Types), None);
        assert_eq!(
            lacks(Wanted::Map {
                kind: MapType::Array as u32
            }),
            None
        );
        assert_eq!(
            lacks(Wanted::Map {
                kind: MapType::Ringbuf as u32
            })
            .unwrap(),
            "maps of type ringbuf (mount option delegate_maps=ringbuf)"
        );
        let program = |kind| Wanted::Program {
            kind,
            attach_type: AttachType::Xdp as u32,
        };
        assert_eq!(lacks(program(ProgramType::Xdp as u32)), None);
        assert_eq!(
            lacks(program(ProgramType::SocketFilter as u32)).unwrap(),
            "programs of type socket_filter (mount option delegate_progs=socket_filter)"
        );
        let nothing = Delegation::parse("");
        assert_eq!(nothing, Delegation::default());
        assert_eq!(
            nothing.lacks(Wanted::Types).unwrap(),
            "BPF_BTF_LOAD (mount option delegate_cmds=btf_load)"
        );
    }
}
