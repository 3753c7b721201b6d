//! The linker as a process: its exit code and what it prints.

use std::{env, ffi::OsString, fs::OpenOptions, io::Write, process::ExitCode};

use crate::{DIAGNOSTICS_ENV, Diagnostic, Error, LINKER_ENV, Options, Renderer, link};

const HELP: &str = "\
Links Rust and C into one eBPF object.

Usage: hachi-linker [OPTIONS] -o OUTPUT INPUT...
   or: rustc -C linker=hachi-linker ...

An INPUT is an LLVM bitcode file, an archive of such files (.a, .rlib), or a relocatable eBPF
object.

  -o, --output FILE        the object to write
      --target TARGET      bpfel-unknown-none or bpfeb-unknown-none (default: as the inputs)
      --cpu v1|v2|v3|v4    instruction set (default v3: Linux 5.12 and later)
  -O1, -O2, -O3            optimisation (default -O2)
      --export NAME        keep this symbol visible (repeatable)
      --export-symbols F   the same for each line of file F
      --llvm FILE          the libLLVM to use (also HACHI_LLVM); default: the compiler's own
      --rustc PATH         the compiler whose libLLVM is meant
  -r, --relocatable        leave what is missing to a further link, and keep all functions
      --retarget           the bitcode was compiled for this machine; turn it into eBPF
      --panics HOW         code that can still panic: allow, warn (default) or deny
      --min-kernel VERSION refuse what kernels as old as this (5.15) do not have
      --llvm-args=ARGS     switches for LLVM itself
      --save-temps DIR     keep the intermediate files
  -h, --help               this text
  -V, --version            the version

HACHI_DIAGNOSTICS=FILE appends errors and warnings to FILE as well, as JSON, one a line.

Example: hachi-linker filter.bc -o filter.o --cpu v3";

/// Runs one link as a command would: understands the arguments (without the program's name), prints
/// diagnostics to standard error and into the file named by `HACHI_DIAGNOSTICS`.
///
/// The exit code is 0 for an object written, 1 for a program refused, 2 for wrong usage, 3 when
/// LLVM is missing.
pub fn command<A: Into<OsString>>(args: impl IntoIterator<Item = A>) -> ExitCode {
    ExitCode::from(run(args))
}

fn run<A: Into<OsString>>(args: impl IntoIterator<Item = A>) -> u8 {
    let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    if args.iter().any(|arg| arg == "-h" || arg == "--help") {
        println!("{HELP}");
        return 0;
    }
    if let [only] = args.as_slice()
        && (only == "-V" || only == "--version")
    {
        println!("hachi-linker {}", env!("CARGO_PKG_VERSION"));
        return 0;
    }
    match Options::from_args(args).and_then(|options| link(&options)) {
        Ok(output) => {
            for warning in &output.warnings {
                tell(warning);
            }
            0
        }
        Err(error) => {
            for diagnostic in error.to_diagnostics() {
                tell(&diagnostic);
            }
            match error {
                Error::Usage(_) => 2,
                Error::LlvmNotFound { .. } | Error::LlvmUnusable { .. } => 3,
                _ => 1,
            }
        }
    }
}

/// Turns this program into the linker when the environment variable `HACHI_LINKER` is set: acts on
/// the program's arguments and exits. Otherwise returns at once.
///
/// A build script or command that calls this first in `main` can name itself as rustc's linker
/// (`-C linker=<its own path>`), and nothing further needs to be installed.
pub fn intercept() {
    if env::var_os(LINKER_ENV).is_some() {
        std::process::exit(run(env::args_os().skip(1)).into());
    }
}

/// Shows one diagnostic, and appends it to the file that `HACHI_DIAGNOSTICS` names.
fn tell(diagnostic: &Diagnostic) {
    eprintln!("{diagnostic}\n");
    if let Some(path) = env::var_os(DIAGNOSTICS_ENV) {
        let written = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut file| {
                let line = diagnostic.to_json(Renderer::plain()) + "\n";
                file.write_all(line.as_bytes())
            });
        if let Err(error) = written {
            eprintln!(
                "warning: cannot write to `{}` ({DIAGNOSTICS_ENV}): {error}",
                path.display()
            );
        }
    }
}
