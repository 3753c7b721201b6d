//! Who holds what: the processes that have programs, maps, links and probes open.

use std::{fs, io, path::Path};

use crate::sys::{fs::fdinfo_field, inspect};

/// A descriptor of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// The name of its first thread.
    pub command: String,
    /// The descriptor's number there.
    pub fd: u32,
    /// What it is of.
    pub held: Held,
}

/// What a descriptor is of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Held {
    /// A program, by id.
    Program(u32),
    /// A map, by id.
    Map(u32),
    /// A link, by id, and the id of its program (0 where the kernel does not show it);
    /// [`LinkInfo::from_id`](crate::links::LinkInfo::from_id) tells more.
    Link {
        /// The link's.
        id: u32,
        /// Its program's.
        program_id: u32,
    },
    /// Types, by id.
    Btf(u32),
    /// A perf event with a program.
    Probe(Probe),
}

/// Where a program is: at a tracepoint, a function of the kernel or a place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Probe {
    /// The program's id.
    pub program_id: u32,
    /// What it is at.
    pub kind: ProbeAt,
    /// The tracepoint, the kernel's function, or the file. Empty if the probe is at an address.
    pub name: String,
    /// In the function or file.
    pub offset: u64,
    /// Of the kernel's code; 0 if it is hidden, and for anything but a kprobe.
    pub address: u64,
}

/// `enum bpf_task_fd_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the kernel's names say it")]
pub enum ProbeAt {
    RawTracepoint,
    Tracepoint,
    Kprobe,
    Kretprobe,
    Uprobe,
    Uretprobe,
}

impl ProbeAt {
    fn from_number(number: u32) -> Option<Self> {
        let all = [
            ProbeAt::RawTracepoint,
            ProbeAt::Tracepoint,
            ProbeAt::Kprobe,
            ProbeAt::Kretprobe,
            ProbeAt::Uprobe,
            ProbeAt::Uretprobe,
        ];
        all.get(number as usize).copied()
    }
}

/// All descriptors of BPF objects of all processes that this one may look at (all, for root), in
/// the order of the processes' ids. From `/proc`, and `BPF_TASK_FD_QUERY` for perf events (which
/// needs CAP_SYS_ADMIN; without it they are left out).
///
/// What comes or goes while they are listed may be missing.
///
/// # Errors
/// If `/proc` cannot be read, for want of descriptors (EMFILE), say. Half a list is none: who asks
/// whether anybody holds something must not hear no.
pub fn holders() -> io::Result<Vec<Holder>> {
    let mut found = Vec::new();
    for process in numbers(Path::new("/proc"))? {
        found.append(&mut holders_in(process)?);
    }
    Ok(found)
}

/// As [`holders`], of one process: nothing if that is gone, or this one may not look at it.
///
/// # Errors
/// As [`holders`].
pub fn holders_in(pid: u32) -> io::Result<Vec<Holder>> {
    let root = format!("/proc/{pid}");
    let root = Path::new(&root);
    let fds = visible(numbers(&root.join("fd")))?.unwrap_or_default();
    let mut command = None;
    let mut found = Vec::new();
    for fd in fds {
        let name = visible(fs::read_link(root.join("fd").join(fd.to_string())))?;
        let name = name.as_deref().and_then(Path::to_str);
        let Some(name) = name.and_then(|name| name.strip_prefix("anon_inode:")) else {
            continue;
        };
        let held = match name.trim_matches(['[', ']']) {
            "perf_event" => probe(pid, fd),
            "bpf-map" | "bpf-prog" | "bpf_link" | "bpf-link" | "btf" => {
                let path = root.join("fdinfo").join(fd.to_string());
                visible(fs::read_to_string(path))?.and_then(|text| held(&text))
            }
            _ => None,
        };
        if let Some(held) = held {
            let command = match &command {
                Some(command) => command,
                None => {
                    let name = visible(fs::read(root.join("comm")))?.unwrap_or_default();
                    // Any bytes can be in it.
                    let name = String::from_utf8_lossy(&name);
                    command.insert(name.trim_end().to_owned())
                }
            };
            found.push(Holder {
                pid,
                command: command.clone(),
                fd,
                held,
            });
        }
    }
    Ok(found)
}

/// The entries of a directory that are numbers, in order.
fn numbers(directory: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        // The others are not of processes or descriptors.
        numbers.extend(name.to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// `None` for what is gone, or not for this process to see.
fn visible<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) => match error.raw_os_error() {
            Some(libc::ENOENT | libc::ESRCH | libc::EACCES | libc::EPERM) => Ok(None),
            _ => Err(error),
        },
    }
}

/// What the descriptor is of, by its file in `fdinfo`.
fn held(text: &str) -> Option<Held> {
    let number = |name| fdinfo_field(text, name)?.parse().ok();
    // Links show their program's id, too.
    if let Some(id) = number("link_id") {
        let program_id = number("prog_id").unwrap_or(0);
        return Some(Held::Link { id, program_id });
    }
    number("map_id")
        .map(Held::Map)
        .or_else(|| number("prog_id").map(Held::Program))
        .or_else(|| number("btf_id").map(Held::Btf))
}

impl Probe {
    pub(crate) fn of_link(program_id: u32, place: inspect::LinkPlace) -> Option<Self> {
        // BPF_LINK_TYPE_RAW_TRACEPOINT, …_PERF_EVENT
        let kind = match place.kind {
            (1, _) => ProbeAt::RawTracepoint,
            (7, 1) => ProbeAt::Uprobe,
            (7, 2) => ProbeAt::Uretprobe,
            (7, 3) => ProbeAt::Kprobe,
            (7, 4) => ProbeAt::Kretprobe,
            (7, 5) => ProbeAt::Tracepoint,
            _ => return None,
        };
        Some(Probe {
            program_id,
            kind,
            name: place.name,
            offset: place.offset,
            address: place.address,
        })
    }
}

fn probe(pid: u32, fd: u32) -> Option<Held> {
    // Most perf events have no program, and the kernel says so by an error.
    let found = inspect::task_fd_query(pid, fd).ok()?;
    Some(Held::Probe(Probe {
        program_id: found.program_id,
        kind: ProbeAt::from_number(found.kind)?,
        name: found.name,
        offset: found.offset,
        address: found.address,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_fdinfo_of_descriptors() {
        let text = "pos:\t0\nflags:\t02000000\nlink_type:\txdp\nlink_id:\t7\n\
                    prog_tag:\t3b185187f1855c4c\nprog_id:\t42\n";
        let link = Held::Link {
            id: 7,
            program_id: 42,
        };
        assert_eq!(held(text), Some(link));
        assert_eq!(
            held("prog_type:\t6\nprog_id:\t42\n"),
            Some(Held::Program(42))
        );
        assert_eq!(held("map_type:\t1\nmap_id:\t9\n"), Some(Held::Map(9)));
        assert_eq!(held("btf_id:\t3\n"), Some(Held::Btf(3)));
        assert_eq!(held("pos:\t0\nmap_id:\tmany\n"), None);
    }
}
