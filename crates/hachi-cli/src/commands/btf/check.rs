//! `hachi btf check`: whether an object finds what it needs in kernels' types.

use std::path::PathBuf;

use hachi_btf::Btf;
use hachi_obj::{ProgramSpec, link::Types};
use serde_json::{Value, json};

use super::source;
use crate::failure::{Failure, Kind, Result};
use crate::object;
use crate::output::{self, BAD, Format, GOOD, Output, Styled, bold, dim, say};

/// Check that objects find what they ask of kernels' types
///
/// Prints one line for each CO-RE relocation that a kernel has no answer to. Whether that matters
/// depends on the program: code behind a check such as `field_exists` is never reached on such a
/// kernel, and loads.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi btf check firewall.o
  hachi btf check trace.o --btf vmlinux-5.10.btf --btf vmlinux-6.12.btf
  hachi btf check trace.o --btf running --json")]
pub struct Args {
    /// The objects
    #[arg(required = true, value_name = "OBJ")]
    objects: Vec<PathBuf>,
    /// Types of a kernel: a file (raw BTF, or ELF with a .BTF section) or `running`; several may be
    /// given
    #[arg(long, value_name = "FILE|running", default_value = "running")]
    btf: Vec<String>,
    #[command(flatten)]
    format: Format,
}

/// A relocation without an answer.
struct Unresolved {
    program: String,
    /// The instruction's slot, if it is known.
    insn: Option<usize>,
    /// File, line and column.
    place: Option<(String, u32, u32)>,
    what: String,
}

impl Unresolved {
    fn json(&self) -> Value {
        let (file, line, column) = match &self.place {
            Some((file, line, column)) => (Some(file), Some(line), Some(column)),
            None => (None, None, None),
        };
        json!({
            "program": self.program,
            "instruction": self.insn,
            "file": file,
            "line": line,
            "column": column,
            "problem": self.what,
        })
    }

    fn print(&self, out: &mut Output) -> Result {
        let place = match &self.place {
            Some((file, line, 0)) => format!("{file}:{line}: "),
            Some((file, line, column)) => format!("{file}:{line}:{column}: "),
            None => String::new(),
        };
        let program = dim(format!("{}:", self.program));
        say!(out, "  ", place, program, " ", self.what)
    }
}

pub fn run(args: Args, out: &mut Output) -> Result {
    // Which relocations have no answer is in the exit code, too.
    out.go_on_unread();
    let mut documents = Vec::new();
    let mut complete = true;
    for wanted in &args.btf {
        let kernel = source::open(wanted, None)?;
        for path in &args.objects {
            let spec = object::open(path)?.spec;
            let mut unresolved = Vec::new();
            let mut total = 0;
            for program in &spec.programs {
                total += check(program, kernel.types(), &mut unresolved);
            }
            complete &= unresolved.is_empty();
            if args.format.json {
                documents.push(json!({
                    "btf": wanted,
                    "object": output::path_text(path),
                    "relocations": total,
                    "unresolved": unresolved.iter().map(Unresolved::json).collect::<Vec<_>>(),
                }));
                continue;
            }
            let verdict = match unresolved.len() {
                0 => Styled(GOOD, "all resolve".to_owned()),
                count => Styled(BAD, format!("{} missing", output::count(count, "answer"))),
            };
            let total = output::count(total, "CO-RE relocation");
            say!(
                out,
                bold(path.display()),
                format_args!(" with the types of {wanted}: {total}, "),
                verdict
            )?;
            for unresolved in &unresolved {
                unresolved.print(out)?;
            }
        }
    }
    if args.format.json {
        out.json(&json!({ "checks": documents }))?;
    }
    match complete {
        true => Ok(()),
        false => Err(Failure::silent(Kind::Failed)),
    }
}

/// Checks a program. Gives how many questions it asks.
fn check(program: &ProgramSpec, kernel: &Btf<'_>, out: &mut Vec<Unresolved>) -> usize {
    let name = program.name.clone();
    let types = Types::new(kernel, &[]);
    let questions = program.code().map_or(0, |code| code.core_relos.len());
    let linked = match program.link(&types) {
        Ok(linked) => linked,
        Err(error) => {
            out.push(Unresolved {
                program: name,
                insn: None,
                place: None,
                what: error.to_string(),
            });
            return questions;
        }
    };
    let first = out.len();
    for poisoned in &linked.poisoned {
        let line = linked.line_at(poisoned.insn);
        let found = Unresolved {
            program: name.clone(),
            insn: Some(poisoned.insn),
            place: line.map(|line| (object::short_file(line.file), line.line, line.column)),
            what: poisoned.missing.to_string(),
        };
        // One access may ask several questions of the same field.
        let told = |other: &Unresolved| other.place == found.place && other.what == found.what;
        if found.place.is_none() || !out[first..].iter().any(told) {
            out.push(found);
        }
    }
    questions
}
