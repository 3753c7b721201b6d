//! `hachi bindgen`: the kernel's types, as Rust.

use std::path::PathBuf;

use hachi_btf::rust::{Bindings, Error};

use super::btf::source::Source;
use crate::failure::{Failure, Result};
use crate::output::{self, Output};

/// Write the kernel's types as a Rust module for programs
///
/// Takes type information (BTF), by default the running kernel's; no C compiler. A NAME is a type,
/// or with `*` and `?` all types that match; TYPE.FIELD is some fields of one. Functions have a
/// kind before the name, and become the types of their arguments: fn: (fentry, fexit, kprobes), tp:
/// (tracepoints), lsm: (security hooks), iter: (iterators), struct_ops: (a trait of a structure's
/// functions); kfunc: declares one to be called.
///
/// What was asked for is written in full with what is embedded in it, and what it points to by name
/// only.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi bindgen task_struct sock -o src/vmlinux.rs
  hachi bindgen task_struct.pid 'task_struct.*_time' tp:sched_process_exec
  hachi bindgen 'bpf_*' kfunc:bpf_task_acquire --btf vmlinux-6.1.btf")]
pub struct Args {
    /// Types and functions
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    source: Source,
    /// Follow pointers this many times
    #[arg(long, value_name = "LEVELS", default_value_t = 0)]
    depth: u32,
    /// What the kernel-side library is called in the program
    #[arg(long, value_name = "CRATE", default_value = "hachi_ebpf")]
    library: String,
    /// Where to write; on stdout otherwise
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(args: Args, out: &mut Output) -> Result {
    let text = generate(&args)?;
    let Some(path) = &args.output else {
        return out.document(&text);
    };
    // A file that is what it would be keeps its time, so that nothing is built again.
    if std::fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    output::write_file(path, text.as_bytes())
}

fn generate(args: &Args) -> Result<String> {
    let btf = args.source.open()?;
    let mut bindings = Bindings::new()
        .depth(args.depth)
        .library(&args.library)
        .header(header(args));
    for name in &args.names {
        bindings = bindings.ask(name);
    }
    bindings.generate(btf.types()).map_err(|error| match error {
        Error::UnknownKind { .. } => Failure::usage(error),
        Error::Unknown { .. } => Failure::new(error)
            .help("`hachi btf find '*NAME*'` searches for names; quote the pattern"),
        error => Failure::because("reading the types", &error),
    })
}

/// How the file was made: by the same words it is made again.
fn header(args: &Args) -> String {
    let mut command = String::from("hachi bindgen");
    for name in &args.names {
        command.push(' ');
        match name.contains(['*', '?']) {
            true => command.push_str(&format!("'{name}'")),
            false => command.push_str(name),
        }
    }
    if args.depth > 0 {
        command.push_str(&format!(" --depth {}", args.depth));
    }
    format!(
        "Made by `{command}`. Sizes and offsets are those of the kernel it was made from;\n\
         programs find those of the kernel they run on."
    )
}
