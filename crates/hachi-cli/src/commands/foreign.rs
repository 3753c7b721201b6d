//! Guests that are machines of another kind than this one: what is built for them.

use std::io::{IsTerminal, stderr, stdin};
use std::path::PathBuf;

use hachi_build::{Arch, Cross, Search};
use hachi_guest::Guest;

use crate::commands::{build, kernels};
use crate::failure::Result;
use crate::origin;

/// What the first process of such a guest can do.
#[derive(Clone, Copy, Debug)]
pub enum Program {
    /// Run test programs.
    Init,
    /// Be this command as well.
    Hachi,
}

impl Program {
    /// The package that it is made of, and what its `main` does.
    fn parts(self) -> (&'static str, &'static str) {
        match self {
            Program::Init => ("hachi-guest", "hachi_guest::intercept();"),
            Program::Hachi => (
                "hachi-cli",
                "hachi_cli::intercept();\n    let _ = hachi_cli::main(std::env::args_os());",
            ),
        }
    }
}

/// How programs for that kind of machine are built; `None` for this machine's own.
pub fn cross(arch: Option<Arch>) -> Result<Option<Cross>> {
    let Some(arch) = arch.filter(|arch| Arch::here() != Some(*arch)) else {
        return Ok(None);
    };
    let is_asked = stdin().is_terminal() && stderr().is_terminal();
    let search = Search::default().interactive(is_asked);
    Cross::find(arch, &search).map(Some).map_err(build::failure)
}

/// A guest of the kind that `cross` builds for, and its first process.
pub fn guest(cross: &Cross, program: Program) -> Result<(Guest, PathBuf)> {
    let (package, main) = program.parts();
    let init = cross
        .program(&origin::origin()?, package, main)
        .map_err(build::failure)?;
    let guest = Guest::of(cross.arch(), &init).map_err(kernels::failure)?;
    Ok((guest, init))
}
