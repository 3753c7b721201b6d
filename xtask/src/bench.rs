//! `cargo xtask bench`: the measurements of `benches/`, which are a workspace of their own.

mod command;

use crate::accept;
use crate::shell::{Result, cargo, root, run as run_command, target_dir};
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs the benchmarks named in `arguments`, or all, or [`accept`], or [`command`], or the quick
/// form of `scale`; after `--as-new` with Hachi's crates built as a project of `hachi new` builds
/// them, which does not optimise all of them. With `--page`, writes the page of what was measured.
pub fn run(arguments: &[&str]) -> Result<ExitCode> {
    if let ["accept", kernels @ ..] = arguments {
        return accept::run(kernels);
    }
    if let ["command"] = arguments {
        return Ok(match command::run()? {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        });
    }
    let (as_new, names) = match arguments {
        ["scale", "--quick"] => (false, &["scale-quick"][..]),
        ["--page"] => (false, &["page"][..]),
        ["--as-new", names @ ..] => (true, names),
        names => (false, names),
    };
    let mut bench = cargo(&root().join("benches"));
    if as_new {
        // A manifest's profiles are a configuration's, too.
        let settings = root().join("examples/first-xdp/Cargo.toml");
        bench.arg("--config").arg(&settings);
        bench.env("HACHI_BENCH_SETTINGS", settings);
    }
    bench
        .args(["run", "--quiet", "--release", "--"])
        .args(names)
        .env("CARGO_TARGET_DIR", target_dir().join("benches"));
    run_command(&mut bench)?;
    Ok(ExitCode::SUCCESS)
}

/// The page that `bench --page` wrote last.
pub fn page() -> Option<PathBuf> {
    let page = target_dir().join("benches/scratch/page/index.html");
    page.is_file().then_some(page)
}
