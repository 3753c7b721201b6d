//! The `hachi` command.

fn main() -> std::process::ExitCode {
    // rustc runs this very program as its linker; see hachi-linker.
    hachi_linker::intercept();
    hachi_cli::main(std::env::args_os())
}
