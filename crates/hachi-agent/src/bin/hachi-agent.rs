//! The `hachi-agent` command.

fn main() -> std::process::ExitCode {
    hachi_agent::main(std::env::args_os())
}
