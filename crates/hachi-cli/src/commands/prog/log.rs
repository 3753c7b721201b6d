//! `hachi prog log`: the streams of a program.

use hachi::programs::ProgramStream;
use serde_json::json;

use crate::failure::{Failure, Result};
use crate::output::{Format, Output};
use crate::select;

/// Print what a program has written to its streams (Linux ≥ 6.17)
///
/// Its output on stdout; its errors, and what the kernel reports about it, on stderr. What is read
/// is taken out.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi prog log allocator
  hachi prog log 31 --json")]
pub struct Args {
    /// Its id, its name, its tag, or where it is pinned
    #[arg(value_name = "PROGRAM")]
    #[arg(add = clap_complete::ArgValueCandidates::new(crate::complete::programs))]
    program: String,
    #[command(flatten)]
    format: Format,
}

pub fn run(args: Args, out: &mut Output) -> Result {
    let program = select::program(&args.program)?;
    let read = |stream| {
        let bytes = program
            .read_stream(stream)
            .map_err(|error| Failure::because("", &error))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let output = read(ProgramStream::Output)?;
    let errors = read(ProgramStream::Errors)?;
    if args.format.json {
        return out.json(&json!({
            "program": { "id": program.id(), "name": program.name() },
            "output": output,
            "errors": errors,
        }));
    }
    let whole = |text: String| match text.is_empty() || text.ends_with('\n') {
        true => text,
        false => text + "\n",
    };
    out.document(&whole(output))?;
    out.note_document(&whole(errors))
}
