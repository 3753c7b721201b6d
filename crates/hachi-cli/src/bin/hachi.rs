//! The `hachi` command.

fn main() -> std::process::ExitCode {
    // rustc runs this very program as its linker; see hachi-linker.
    hachi_linker::intercept();
    // cargo runs it in place of test programs, and guests as their first process.
    hachi_cli::intercept();
    hachi_cli::main(std::env::args_os())
}
