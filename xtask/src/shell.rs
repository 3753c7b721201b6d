//! Running programs and talking to the person who watches.

use std::fmt::Display;
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

/// Any error, as text for a person.
pub type Error = Box<dyn std::error::Error>;
/// `Result` with [`Error`].
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is a directory of the repository")
}

/// Where cargo puts what it builds for the root workspace.
pub fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => std::path::absolute(&directory).unwrap_or(directory.into()),
        None => root().join("target"),
    }
}

/// The one target directory of all the examples and generated projects, so that what they share is
/// built once.
pub fn examples_target_dir() -> PathBuf {
    target_dir().join("examples")
}

/// The workspaces beside the root one: `benches`, the examples, and kernel sides of examples that
/// are workspaces of their own.
pub fn other_workspaces() -> Vec<PathBuf> {
    let below = |directory: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(directory).into_iter().flatten();
        entries.flatten().map(|entry| entry.path()).collect()
    };
    let examples = below(&root().join("examples"));
    let inside = examples.iter().flat_map(|example| below(example));
    let mut found: Vec<PathBuf> = inside.collect();
    found.extend(examples);
    found.push(root().join("benches"));
    found.retain(|directory| {
        let manifest = std::fs::read_to_string(directory.join("Cargo.toml"));
        manifest.is_ok_and(|text| text.lines().any(|line| line == "[workspace]"))
    });
    found.sort();
    found
}

/// Cargo in `directory`, quietly, with what every build of ours wants: permission to fetch the
/// eBPF toolchain, and colour only where somebody sees it.
pub fn cargo(directory: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    command.current_dir(directory).env("HACHI_YES", "1");
    // What cargo sets for a package it runs would mislead a build script's own cargo.
    command.env_remove("CARGO_MANIFEST_DIR");
    command
}

/// The release of the compiler that builds the repository: `1.95.0`.
pub fn rustc_release() -> Result<String> {
    rustc_field("release")
}

/// The target that this compiler builds for when it is told nothing else.
pub fn rustc_host() -> Result<String> {
    rustc_field("host")
}

/// A line of `rustc -vV`.
fn rustc_field(name: &str) -> Result<String> {
    let text = capture(Command::new("rustc").arg("-vV").current_dir(root()))?;
    let mut fields = text.lines().filter_map(|line| line.split_once(": "));
    let field = fields.find(|(field, _)| *field == name);
    Ok(field
        .ok_or_else(|| format!("`rustc -vV` has no `{name}`"))?
        .1
        .to_owned())
}

/// Runs to the end with the output going where ours goes.
pub fn run(command: &mut Command) -> Result {
    let line = describe(command);
    let status = command
        .stdin(Stdio::null())
        .status()
        .map_err(|error| format!("`{line}`: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`{line}` failed ({status})").into())
    }
}

/// Runs to the end and gives what it wrote to stdout; on failure the error holds both streams.
pub fn capture(command: &mut Command) -> Result<String> {
    let line = describe(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("`{line}`: {error}"))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{line}` failed ({}):\n{stdout}{stderr}", output.status).into())
}

/// Runs to the end, passes both streams through line by line and shows each line to `look`.
/// Gives whether it succeeded.
pub fn watch(command: &mut Command, mut look: impl FnMut(&str)) -> Result<bool> {
    let line = describe(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("`{line}`: {error}"))?;
    let (sender, lines) = mpsc::channel();
    let streams: [Option<Box<dyn Read + Send>>; 2] = [
        child.stdout.take().map(|stream| Box::new(stream) as _),
        child.stderr.take().map(|stream| Box::new(stream) as _),
    ];
    for stream in streams.into_iter().flatten() {
        let sender = sender.clone();
        thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
    }
    drop(sender);
    for line in lines {
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        look(&line);
    }
    Ok(child.wait()?.success())
}

/// The command line as one would type it (without quoting).
pub fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut line = program
        .file_name()
        .unwrap_or(program.as_os_str())
        .to_string_lossy()
        .into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

/// Whether stdout is a terminal, which may be coloured and redrawn.
pub fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// `text` in bold, on a terminal.
pub fn bold(text: impl Display) -> String {
    styled("1", text)
}

/// `text` in green, on a terminal.
pub fn green(text: impl Display) -> String {
    styled("32", text)
}

/// `text` in red, on a terminal.
pub fn red(text: impl Display) -> String {
    styled("31", text)
}

/// `text` pale, on a terminal.
pub fn dim(text: impl Display) -> String {
    styled("2", text)
}

fn styled(code: &str, text: impl Display) -> String {
    if is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        format!("\x1b[{code}m{text}\x1b[0m")
    } else {
        text.to_string()
    }
}

/// This very program, for processes started while it runs. By its path it is gone once a step has
/// built it again.
pub fn own_program() -> PathBuf {
    PathBuf::from(format!("/proc/{}/exe", std::process::id()))
}
