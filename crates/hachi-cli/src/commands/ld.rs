//! `hachi ld`: the linker by hand.

use std::path::PathBuf;

use anstream::{eprintln, println};
use hachi_linker::{Cpu, Error, Kernel, Options, Panics, Target};
use serde_json::json;

use crate::commands::build::parse_cpu;
use crate::failure::{Failure, Kind, Result};
use crate::output::Format;

/// Link bitcode and objects into one eBPF object (BPF links are under `hachi link`)
///
/// Inputs are LLVM bitcode files, archives of them (.a, .rlib) and relocatable eBPF objects such as
/// clang writes; `hachi build` calls the same linker through rustc.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi ld filter.bc -o filter.o --export filter
  hachi ld rust.o c.o -o both.o")]
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

pub fn run(args: Args) -> Result {
    let options = Options {
        inputs: args.inputs,
        output: args.output.clone(),
        target: args.target,
        cpu: args.cpu,
        export_symbols: args.export_symbols,
        exports: args.export,
        llvm: args.llvm,
        retarget: args.retarget,
        panics: args.panics,
        min_kernel: args.min_kernel,
        save_temps: args.save_temps,
        ..Options::default()
    };
    let output = hachi_linker::link(&options).map_err(|error| match &error {
        Error::Rejected(diagnostics) => {
            for diagnostic in diagnostics {
                eprintln!("{diagnostic}\n");
            }
            Failure::silent(Kind::Failed)
        }
        Error::Usage(_) => Failure::usage(&error),
        Error::LlvmNotFound { .. } | Error::LlvmUnusable { .. } => Failure::missing(&error),
        _ => Failure::because("", &error),
    })?;
    for warning in &output.warnings {
        eprintln!("{warning}\n");
    }
    let warnings: Vec<String> = output.warnings.iter().map(ToString::to_string).collect();
    args.format.print(
        || json!({ "object": args.output, "warnings": warnings }),
        || println!("{}", args.output.display()),
    );
    Ok(())
}
