//! Small questions to the running kernel, for people's convenience.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _};

use hachi::maps::MapInfo;
use hachi::programs::{ProgramError, ProgramInfo, loaded_programs};
use hachi::{Held, Holder, holders};
use serde_json::{Value, json};

use crate::failure::{Failure, Kind, Result};
use crate::sys;

/// The name of a loaded program; a question mark when it is gone or hidden, with the reason where
/// that is another.
pub fn program_name(id: u32) -> String {
    match ProgramInfo::from_id(id) {
        Ok(info) => info.name(),
        Err(ProgramError::SyscallError { error, .. })
            if !matches!(error.errno(), libc::ENOENT | libc::EPERM) =>
        {
            format!("? ({error})")
        }
        Err(_) => "?".to_owned(),
    }
}

/// All loaded programs.
pub fn programs() -> Result<Vec<ProgramInfo>> {
    loaded_programs()
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| Failure::because("listing programs", &error))
}

/// What stands for an answer that needs a right that we lack.
pub const UNKNOWN: &str = "? (not permitted)";

/// What completes a picture, and needs a right that we may lack: `None` without it.
pub fn if_permitted<T>(asked: Result<T>) -> Result<Option<T>> {
    match asked {
        Err(failure) if failure.kind == Kind::Missing => Ok(None),
        asked => asked.map(Some),
    }
}

/// What the kernel keeps of a name: its first 15 bytes. (Names of programs and maps are ASCII.)
pub fn kernel_name(name: &str) -> &str {
    name.get(..15).unwrap_or(name)
}

/// The type information of a map's keys and values, if it has any that we may read.
pub fn btf_of(map: &MapInfo) -> Result<Option<hachi::Btf>> {
    let Some(id) = map.btf_id() else {
        return Ok(None);
    };
    let refusal = |error: &io::Error| {
        let refused = error.get_ref()?.downcast_ref::<hachi::SyscallError>()?;
        Some(refused.errno())
    };
    match hachi::Btf::from_id(id) {
        Err(error) if refusal(&error).is_some_and(sys::is_shortage) => Err(Failure::because(
            format_args!("reading the types of map {}", map.name()),
            &error,
        )),
        btf => Ok(btf.ok()),
    }
}

/// Who has BPF objects open.
pub fn all_holders() -> Result<Vec<Holder>> {
    holders().map_err(|error| Failure::because("looking for what processes have open", &error))
}

/// What `/proc` tells of one of our descriptors, by name.
pub fn fdinfo(fd: impl AsFd) -> BTreeMap<String, String> {
    let path = format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd());
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}

/// The processes that have something open, by its id.
#[derive(Default)]
pub struct Pids(BTreeMap<u32, BTreeMap<u32, String>>);

impl Pids {
    /// Those of all processes that we may look at, of what `id_of` finds an id for.
    pub fn of(id_of: impl Fn(&Held) -> Option<u32>) -> Result<Self> {
        let mut pids = Pids::default();
        for holder in all_holders()? {
            if let Some(id) = id_of(&holder.held)
                && holder.pid != std::process::id()
            {
                let of_id = pids.0.entry(id).or_default();
                of_id.insert(holder.pid, holder.command);
            }
        }
        Ok(pids)
    }

    fn each(&self, id: u32) -> impl Iterator<Item = (&u32, &String)> {
        self.0.get(&id).into_iter().flatten()
    }

    /// As bpftool prints them: `systemd(1), sshd(700)`.
    pub fn text(&self, id: u32) -> String {
        let all: Vec<String> = self
            .each(id)
            .map(|(pid, command)| format!("{command}({pid})"))
            .collect();
        match all.as_slice() {
            [] => "-".to_string(),
            all => all.join(", "),
        }
    }

    /// The same for a document.
    pub fn json(&self, id: u32) -> Value {
        self.each(id)
            .map(|(pid, command)| json!({ "pid": pid, "comm": command }))
            .collect()
    }
}
