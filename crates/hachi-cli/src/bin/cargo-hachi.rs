//! `cargo hachi …`: the `hachi` command under cargo's name for it.

fn main() -> std::process::ExitCode {
    hachi_linker::intercept();
    hachi_cli::intercept();
    // cargo passes the subcommand's own name as the first argument.
    let mut arguments: Vec<_> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|argument| argument == "hachi") {
        arguments.remove(1);
    }
    hachi_cli::main(arguments)
}
