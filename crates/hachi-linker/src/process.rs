//! Running other programs.

use std::{
    io::{self, Read, Write as _},
    process::{Child, Command, Output, Stdio},
    thread,
};

/// Runs a command to its end with `input` to read, which must be short enough for a pipe to hold,
/// and collects what it writes.
///
/// As [`Command::output`], which panics where a pipe cannot be read.
///
/// # Errors
/// If the program cannot be started, its pipes cannot be read, or its end cannot be waited for.
pub fn output_of(command: &mut Command, input: &[u8]) -> io::Result<Output> {
    command.stdin(match input {
        [] => Stdio::null(),
        _ => Stdio::piped(),
    });
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        // A program that does not read has a reason, and tells it by its exit status.
        let _ = pipe.write_all(input);
    }
    let collected = collect(&mut child);
    if collected.is_err() {
        // It may wait for its pipes to be read; that it has ended already is fine.
        let _ = child.kill();
    }
    let status = child.wait()?;
    let (stdout, stderr) = collected?;
    Ok(Output {
        status,
        stdout,
        stderr,
    })
}

/// All that a child writes, from both pipes at once.
fn collect(child: &mut Child) -> io::Result<(Vec<u8>, Vec<u8>)> {
    fn read(pipe: Option<impl Read>) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            pipe.read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    }
    let stderr = child.stderr.take();
    let reader = thread::Builder::new().spawn(move || read(stderr))?;
    let stdout = read(child.stdout.take());
    let stderr = reader
        .join()
        .map_err(|_| io::Error::other("the reader of standard error panicked"))?;
    Ok((stdout?, stderr?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_streams_are_read_whole() {
        // More than a pipe holds, first on the stream that is read last.
        let script = "cat; head -c 200000 /dev/zero >&2; head -c 300000 /dev/zero; exit 3";
        let mut command = Command::new("sh");
        let output = output_of(command.args(["-c", script]), b"given").unwrap();
        assert_eq!(output.status.code(), Some(3));
        assert_eq!(
            (output.stdout.len(), output.stderr.len()),
            (300_005, 200_000)
        );
        assert!(output.stdout.starts_with(b"given"));
        let error = output_of(&mut Command::new("/no/such/program"), b"").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
