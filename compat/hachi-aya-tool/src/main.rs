//! `hachi-aya-tool generate NAME...`

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use hachi_aya_tool::{InputFile, RUNNING, generate};

/// Aya's tool for bindings, on top of Hachi
#[derive(Debug, Parser)]
#[command(version)]
struct Command {
    #[command(subcommand)]
    job: Job,
}

#[derive(Debug, Subcommand)]
enum Job {
    /// Write the kernel's types as Rust to stdout
    #[command(after_help = "\
Example:
  hachi-aya-tool generate task_struct sk_buff > src/vmlinux.rs")]
    Generate {
        /// Type information; that of the running kernel by default
        #[arg(long, value_name = "FILE", default_value = RUNNING)]
        btf: PathBuf,
        /// A header in C: refused, since no C is read here
        #[arg(long, value_name = "FILE", conflicts_with = "btf")]
        header: Option<PathBuf>,
        /// The types
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
        /// Options of bindgen, which mean nothing here
        #[arg(last = true, value_name = "OPTION")]
        bindgen_args: Vec<String>,
    },
}

fn main() -> ExitCode {
    let Job::Generate {
        btf,
        header,
        names,
        bindgen_args,
    } = Command::parse().job;
    let input = match header {
        Some(header) => InputFile::Header(header),
        None => InputFile::Btf(btf),
    };
    let written = generate(input, &names, &bindgen_args)
        .map_err(Into::into)
        .and_then(|text| Ok(std::io::stdout().write_all(text.as_bytes())?));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let error: Box<dyn std::error::Error> = error;
            let mut line = format!("error: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                line.push_str(&format!(": {cause}"));
                source = cause.source();
            }
            // There is nobody to tell that stderr is gone.
            let _ = writeln!(std::io::stderr(), "{line}");
            ExitCode::FAILURE
        }
    }
}
