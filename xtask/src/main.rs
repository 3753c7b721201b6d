//! The project's own commands: demo, test, bench, codegen, package and more.
//!
//! `cargo xtask` prints them. They need nothing but a Rust toolchain: what else they want (small
//! programs such as `ping`, a BPF `core`) they find, or install and say so.

mod accept;
mod api;
mod aya;
mod bench;
mod book;
mod codegen;
mod demo;
mod first_xdp;
mod floors;
mod fuzz;
mod install;
mod manifests;
mod matrix;
mod package;
mod packages;
mod picture;
mod prober;
mod prose;
mod release;
mod shell;
mod signatures;
mod since;
mod spelling;
mod style;
mod support;
mod test;
mod wasm;

use shell::Result;
use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask COMMAND

  demo [--fast]      build the firewall, filter real traffic with it, and show everything
  test [--all | STEP...]
                     all that CI checks, with the time that each step takes and may take; with
                     --all also what takes too long for each submission; with names, only those
                     steps (--list names them); with --kernels 5.10,6.1 the kernel matrix, on
                     those kernels
  guest --kernel VERSION[,VERSION...] [--arch ARCH] ARGUMENT...
                     tests on other kernels: any arguments of `cargo test`
  bench [--as-new] [NAME...]
                     measure builds and loads, beside other toolkits where they are installed;
                     with --as-new, with the settings of a project of `hachi new`
  bench --page       write a page with what was measured, tables and pictures
  bench command      how fast `hachi` lists programs and dumps maps, beside bpftool; as root
  bench accept [--generated COUNT] [VERSION...]
                     load a corpus of ordinary Rust on other kernels and here, and count; with
                     `--page` alone, write the book's page about it
  prober [VERSION...]
                     every kind of program, map and link by libbpf and by Hachi, here and on
                     other kernels
  codegen [--check]  write the generated tables again, or only compare
  support [--kernels VERSION[,VERSION...] [--arch ARCH] | --check]
                     write docs/support.md from what tests do here and there
  package [--api]    package all crates, look into them, install the command from them and use
                     it; with --api, write docs/api again
  release [--dry-run]
                     check that all is ready, and say what to run; with --dry-run, walk the order
  fuzz [--seconds NUMBER] [TARGET...]
                     feed the fuzz targets, each for a minute if nothing else is said
  book [--build | --pages | --serve | --check [--all] [CHAPTER.md...] | --write]
                     build the book and the documentation of the API into target/site (or serve
                     them); with --pages, the book without that documentation, in a minute; with
                     --check, go through the book as its reader does, and compare
                     (with --all also where it boots guests); with --write, put the files of
                     examples/book into its blocks
  aya                fetch the versions of Aya that the façades stand in for, and write
                     tests/aya/signatures again
  picture            draw docs/rejected.svg again, from what `hachi check` prints
  first-xdp          write examples/first-xdp again, from the template of `hachi new`
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<ExitCode> {
    match arguments {
        ["demo", options @ ..] => demo::run(options),
        ["test", "--kernels", kernels] => test::matrix_on(kernels),
        ["test", options @ ..] => test::run(options),
        ["guest", options @ ..] => matrix::guest(options),
        ["codegen"] => codegen::run(false)
            .map(|()| ExitCode::SUCCESS)
            .map_err(Into::into),
        ["codegen", "--check"] => codegen::run(true)
            .map(|()| ExitCode::SUCCESS)
            .map_err(Into::into),
        ["book", options @ ..] => book::run(options),
        ["prober", kernels @ ..] => prober::run(kernels),
        ["aya"] => signatures::write().map(|()| ExitCode::SUCCESS),
        ["picture"] => picture::write().map(|()| ExitCode::SUCCESS),
        ["first-xdp"] => first_xdp::write().map(|()| ExitCode::SUCCESS),
        ["package", options @ ..] => package::run(options),
        ["release", options @ ..] => release::run(options),
        ["support", options @ ..] => support::run(options),
        ["bench", arguments @ ..] => bench::run(arguments),
        ["fuzz", arguments @ ..] => fuzz::command(arguments),
        [] | ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            eprint!("unknown command `{}`\n\n{USAGE}", arguments.join(" "));
            Ok(ExitCode::from(2))
        }
    }
}
