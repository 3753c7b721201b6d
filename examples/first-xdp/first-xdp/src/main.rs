//! The user side: loads the program, attaches it, and prints what it sees until Ctrl-C.

mod args;
mod program;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hachi::{EbpfLogger, EbpfLoggerError, include_bytes_aligned};
use signal_hook::consts::{SIGINT, SIGTERM};

use args::Args;
use program::Program;

/// The eBPF side, as the build script left it.
static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/first-xdp-ebpf"));

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let asks_for_help = |argument: &String| argument == "--help" || argument == "-h";
    if arguments.iter().any(asks_for_help) {
        println!("{}", program::HELP);
        return Ok(());
    }
    let args = Args::parse(program::OPTIONS, arguments.into_iter())?;
    run(&args).map_err(|error| match error.to_string().contains("EPERM") {
        true => error.context("this needs root: use `cargo run`, which asks sudo for it"),
        false => error,
    })
}

fn run(args: &Args) -> anyhow::Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, stop.clone())?;
    }
    // What is attached is detached when this value goes away.
    let mut program = Program::start(OBJECT, args)?;
    let mut logger = match EbpfLogger::init(&mut program.ebpf) {
        Ok(logger) => Some(logger),
        Err(EbpfLoggerError::NothingToLog { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    println!("attached; Ctrl-C detaches");
    while !stop.load(Ordering::Relaxed) {
        let turn = Duration::from_millis(100);
        match &mut logger {
            Some(logger) => {
                if logger.wait(Some(turn))? {
                    logger.read(|message| match message {
                        Ok(message) => println!("{message}"),
                        Err(error) => eprintln!("{error}"),
                    });
                }
            }
            None => std::thread::sleep(turn),
        }
    }
    program.report()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hachi::obj::Spec;

    /// Needs no root: looks into the object only.
    #[test]
    fn the_object_has_the_program() {
        let spec = Spec::parse(OBJECT).unwrap();
        let program = spec.program("first_xdp").unwrap();
        assert_eq!(program.section, "xdp");
    }

    #[test]
    fn the_help_names_every_option() {
        for option in program::OPTIONS {
            assert!(program::HELP.contains(option), "{option}");
        }
    }
}
