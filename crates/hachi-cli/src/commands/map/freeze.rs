//! `hachi map freeze`.

use super::not_written;
use crate::failure::Result;
use crate::output::{Output, say};
use crate::select::{self, Access};

/// Make a map read-only for user space, for good; programs still write it (Linux ≥ 5.2)
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  hachi map freeze LIMITS")]
pub struct Args {
    /// Its id, its name, or where it is pinned
    #[arg(value_name = "MAP")]
    #[arg(add = clap_complete::ArgValueCandidates::new(crate::complete::maps))]
    map: String,
}

pub fn run(args: Args, out: &mut Output) -> Result {
    let map = select::map(&args.map, Access::Write)?;
    map.freeze().map_err(|error| not_written(&map, &error))?;
    say!(out, "map ", map.name(), " is read-only for user space now")
}
