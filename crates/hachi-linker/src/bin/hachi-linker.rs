//! The linker as a program: `rustc -C linker=hachi-linker`, or by hand.

fn main() -> std::process::ExitCode {
    hachi_linker::command(std::env::args_os().skip(1))
}
