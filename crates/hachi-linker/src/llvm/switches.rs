//! Switches for LLVM itself. Its C interface passes over what it does not understand, so this asks
//! what there is, and listens to what is said of values.

use std::{
    collections::BTreeSet,
    ffi::{CStr, CString, c_char},
    fs::File,
    io::{self, Read, Seek},
    os::fd::{AsRawFd, FromRawFd},
};

use hachi_diag::{Code, Diagnostic};

use super::{c_string, ffi, version};
use crate::wire::Failure;

/// Switches that print something and end the process.
const PRINTING: &[&str] = &[
    "help",
    "help-hidden",
    "help-list",
    "help-list-hidden",
    "h",
    "print-all-options",
    "print-options",
    "version",
];

/// Sets switches that are known to exist, and then those that the user names.
///
/// # Errors
/// Names the first switch of the user's that this LLVM does not have, or whose value it refuses.
pub(super) fn set(ours: &[CString], theirs: &[String]) -> Result<(), Failure> {
    if theirs.is_empty() {
        parse(ours);
        return Ok(());
    }
    let known = known().map_err(unanswered)?;
    for switch in theirs {
        if let Some(problem) = problem(switch, &known) {
            return Err(refused(problem).into());
        }
    }
    let mut all = ours.to_vec();
    all.extend(theirs.iter().map(|switch| c_string(switch)));
    let said = overheard(|| parse(&all)).map_err(unanswered)?;
    match said.trim() {
        "" => Ok(()),
        said => {
            // Named as this program is, which is of no use to the reader.
            let said = said.strip_prefix("hachi-linker: ").unwrap_or(said);
            Err(refused(format!("LLVM refuses a switch: {said}")).into())
        }
    }
}

fn refused(headline: String) -> Vec<Diagnostic> {
    vec![
        Diagnostic::error(Code::LLVM_SWITCH, headline)
            .note("it was given by `--llvm-args`".to_owned())
            .help("leave it out, or give one that this LLVM has".to_owned()),
    ]
}

fn unanswered(error: io::Error) -> Failure {
    vec![Diagnostic::error(
        Code::LLVM_FAILED,
        format!("LLVM cannot be asked for its switches: {error}"),
    )]
    .into()
}

/// What is wrong with a switch, apart from its value.
fn problem(switch: &str, known: &BTreeSet<String>) -> Option<String> {
    let Some(name) = switch.strip_prefix('-') else {
        return Some(format!(
            "`{switch}` is not a switch of LLVM: those begin with `-`"
        ));
    };
    let name = name.strip_prefix('-').unwrap_or(name);
    let name = name.split_once('=').map_or(name, |(name, _)| name);
    if PRINTING.contains(&name) {
        return Some(format!("`{switch}` makes LLVM print and end, not compile"));
    }
    if known.contains(name) {
        return None;
    }
    let (major, minor, patch) = version();
    Some(format!(
        "LLVM {major}.{minor}.{patch} has no switch `{switch}`"
    ))
}

fn parse(switches: &[CString]) {
    let name = c"hachi-linker";
    let all = std::iter::once(name).chain(switches.iter().map(CString::as_c_str));
    let pointers: Vec<*const c_char> = all.map(CStr::as_ptr).collect();
    ffi!(LLVMParseCommandLineOptions(
        pointers.len() as i32,
        pointers.as_ptr(),
        c"".as_ptr()
    ));
}

/// The names of all switches, from LLVM's own list: printing it ends the process, so another one
/// does.
fn known() -> io::Result<BTreeSet<String>> {
    let mut list = memory()?;
    // SAFETY: the child goes on with this thread alone, and does no more than LLVM's printing.
    match unsafe { libc::fork() } {
        -1 => return Err(io::Error::last_os_error()),
        0 => {
            // SAFETY: both descriptors are open.
            unsafe { libc::dup2(list.as_raw_fd(), 1) };
            parse(&[c"-help-hidden".to_owned()]);
            // SAFETY: ends the child at once, should LLVM not have done so.
            unsafe { libc::_exit(1) }
        }
        child => {
            let mut status = 0;
            // SAFETY: waits for the child made above.
            while unsafe { libc::waitpid(child, &mut status, 0) } < 0 {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
    let text = read(&mut list)?;
    let names: BTreeSet<String> = text.lines().filter_map(listed).map(str::to_owned).collect();
    match names.is_empty() {
        true => Err(io::Error::other("it lists none")),
        false => Ok(names),
    }
}

/// The name in a line such as `  --unroll-count=<uint>  - Use this unroll count`.
fn listed(line: &str) -> Option<&str> {
    let name = line.trim_start().strip_prefix('-')?;
    let name = name.strip_prefix('-').unwrap_or(name);
    let end = name.find([' ', '=', '[', '<']).unwrap_or(name.len());
    Some(&name[..end]).filter(|name| !name.is_empty())
}

/// What is written to standard error meanwhile.
fn overheard(work: impl FnOnce()) -> io::Result<String> {
    let mut words = memory()?;
    // SAFETY: standard error is open in this process, and nothing else runs in it.
    let usual = unsafe { libc::fcntl(2, libc::F_DUPFD_CLOEXEC, 3) };
    if usual < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just opened, and nobody else's.
    let usual = unsafe { File::from_raw_fd(usual) };
    // SAFETY: the descriptors are open.
    unsafe { libc::dup2(words.as_raw_fd(), 2) };
    work();
    // SAFETY: as above.
    unsafe { libc::dup2(usual.as_raw_fd(), 2) };
    read(&mut words)
}

/// A file in memory.
fn memory() -> io::Result<File> {
    // SAFETY: the name is a string.
    let fd = unsafe { libc::memfd_create(c"hachi-llvm".as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just opened, and nobody else's.
    Ok(unsafe { File::from_raw_fd(fd) })
}

fn read(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_llvms_list() {
        assert_eq!(
            listed("  --disable-lsr      - Disable LSR"),
            Some("disable-lsr")
        );
        assert_eq!(
            listed("  --unroll-count=<uint>  - Count"),
            Some("unroll-count")
        );
        assert_eq!(listed("  -W                 - Print"), Some("W"));
        assert_eq!(listed("    =always          -   Always"), None);
        assert_eq!(listed("General options:"), None);
    }

    #[test]
    fn unknown_switches_are_distinguished_from_arguments() {
        let known = BTreeSet::from(["help".to_owned(), "unroll-count".to_owned()]);
        assert_eq!(problem("-unroll-count=3", &known), None);
        assert_eq!(problem("--unroll-count", &known), None);
        let wrong = |switch| problem(switch, &known).unwrap_or_default();
        assert!(wrong("unroll-count").contains("begin with `-`"));
        assert!(wrong("-help").contains("print and end"));
    }
}
