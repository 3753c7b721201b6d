//! `hachi ld`: the linker by hand.

use std::path::PathBuf;

use hachi_linker::{Cpu, Error, Kernel, Options, Panics, Target};
use serde_json::json;

use crate::commands::build::parse_cpu;
use crate::failure::{Failure, Kind, Result};
use crate::lack;
use crate::output::{Format, Output, diagnostics_json, path_text, say};

/// Link bitcode and objects into one eBPF object (BPF links are under `hachi link`)
///
/// Inputs are LLVM bitcode files, archives of them (.a, .rlib) and relocatable eBPF objects such as
/// clang writes; `hachi build` calls the same linker through rustc.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi ld filter.bc -o filter.o --export filter
  hachi ld rust.o c.o -o both.o
  hachi ld --relocatable one.o two.o -o library.o")]
pub struct Args {
    /// Bitcode files, archives and objects
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// The object to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Byte order: bpfel-unknown-none or bpfeb-unknown-none [default: that of the inputs]
    #[arg(long, value_name = "TARGET")]
    target: Option<Target>,
    /// Instruction set: v1, v2, v3 (Linux 5.12) or v4 (Linux 6.6)
    #[arg(long, value_name = "CPU", default_value = "v3", value_parser = parse_cpu)]
    cpu: Cpu,
    /// Keep this symbol: a program or a function others call; may be given several times
    #[arg(long, value_name = "NAME")]
    export: Vec<String>,
    /// A file with one symbol to keep on each line
    #[arg(long, value_name = "FILE")]
    export_symbols: Option<PathBuf>,
    /// The LLVM library to use [default: the one of rustc]
    #[arg(long, value_name = "FILE", env = "HACHI_LLVM")]
    llvm: Option<PathBuf>,
    /// The bitcode was compiled for this machine: turn it into eBPF
    #[arg(long)]
    retarget: bool,
    /// Leave what is defined nowhere to a further link, and keep every function of the given
    /// objects that others can call
    #[arg(short, long)]
    relocatable: bool,
    /// Code that can still panic: allow, warn or deny
    #[arg(long, value_name = "HOW", default_value = "warn")]
    panics: Panics,
    /// Refuse what kernels as old as this do not have
    #[arg(long, value_name = "VERSION")]
    min_kernel: Option<Kernel>,
    /// Keep the intermediate files here
    #[arg(long, value_name = "DIR")]
    save_temps: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
}

pub fn run(args: Args, out: &mut Output) -> Result {
    let mut options = Options::new(args.inputs, &args.output);
    options.target = args.target;
    options.cpu = args.cpu;
    options.export_symbols = args.export_symbols;
    options.exports = args.export;
    options.llvm = args.llvm;
    options.retarget = args.retarget;
    options.relocatable = args.relocatable;
    options.panics = args.panics;
    options.min_kernel = args.min_kernel;
    options.save_temps = args.save_temps;
    let (object, diagnostics, failure) = match hachi_linker::link(&options) {
        Ok(linked) => (Some(&args.output), linked.warnings, None),
        Err(error) => {
            let kind = match &error {
                Error::Usage(_) => Kind::Usage,
                Error::LlvmNotFound { .. } | Error::LlvmUnusable { .. } => Kind::Missing,
                error if lack::is_machines(error) => Kind::Missing,
                _ => Kind::Failed,
            };
            (None, error.to_diagnostics(), Some(Failure::silent(kind)))
        }
    };
    for diagnostic in &diagnostics {
        out.diagnostic(diagnostic)?;
    }
    let document = || {
        json!({
            "object": object.map(|path| path_text(path)),
            "diagnostics": diagnostics_json(&diagnostics),
        })
    };
    args.format.print(out, document, |out| match object {
        Some(object) => say!(out, object.display()),
        None => Ok(()),
    })?;
    failure.map_or(Ok(()), Err)
}
