//! Small questions to the running kernel, for people's convenience.

use hachi::maps::MapInfo;
use hachi::programs::{ProgramInfo, loaded_programs};

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
