//! Small questions to the running kernel, for people's convenience.

use std::collections::BTreeMap;

use hachi::maps::MapInfo;
use hachi::programs::{ProgramInfo, loaded_programs};
use hachi::{Held, holders};
use serde_json::{Value, json};

use crate::failure::{Failure, Result};

/// The name of a loaded program; a question mark when it is gone or hidden.
pub fn program_name(id: u32) -> String {
    ProgramInfo::from_id(id)
        .map(|info| info.name())
        .unwrap_or_else(|_| "?".to_string())
}

/// All loaded programs.
pub fn programs() -> Result<Vec<ProgramInfo>> {
    loaded_programs()
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| Failure::because("listing programs", &error))
}

/// A loaded program by id, or by name when only one has it.
pub fn find_program(wanted: &str) -> Result<ProgramInfo> {
    if let Ok(id) = wanted.parse() {
        return ProgramInfo::from_id(id).map_err(|error| {
            Failure::because(format!("opening program {id}"), &error)
                .help("`hachi prog list` prints the ids there are")
        });
    }
    let short = kernel_name(wanted);
    let mut found: Vec<ProgramInfo> = programs()?
        .into_iter()
        .filter(|program| program.name() == short)
        .collect();
    match found.len() {
        0 => Err(Failure::new(format!("no program named {wanted} is loaded"))
            .help("`hachi prog list` prints those there are")),
        1 => Ok(found.remove(0)),
        _ => {
            let ids: Vec<String> = found
                .iter()
                .map(|program| program.id().to_string())
                .collect();
            Err(
                Failure::usage(format!("several programs are named {wanted}"))
                    .help(format!("give an id: {}", ids.join(", "))),
            )
        }
    }
}

/// What the kernel keeps of a name: its first 15 bytes. (Names of programs and maps are ASCII.)
pub fn kernel_name(name: &str) -> &str {
    name.get(..15).unwrap_or(name)
}

/// The type information of a map's keys and values, if it has any that we may read.
pub fn btf_of(map: &MapInfo) -> Option<hachi::Btf> {
    hachi::Btf::from_id(map.btf_id()?).ok()
}

/// The processes that have something open, by its id.
#[derive(Default)]
pub struct Pids(BTreeMap<u32, BTreeMap<u32, String>>);

impl Pids {
    /// Those of all processes that we may look at, of what `id_of` finds an id for.
    pub fn of(id_of: impl Fn(&Held) -> Option<u32>) -> Self {
        let mut pids = Pids::default();
        for holder in holders() {
            if let Some(id) = id_of(&holder.held)
                && holder.pid != std::process::id()
            {
                let of_id = pids.0.entry(id).or_default();
                of_id.insert(holder.pid, holder.command);
            }
        }
        pids
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
