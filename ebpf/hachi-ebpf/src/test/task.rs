//! Who runs.

use std::string::String;

/// The thread that the program runs in: at first that of the test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The thread, which the kernel calls `pid`.
    pub pid: u32,
    /// Its process.
    pub tgid: u32,
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its name, of which the first 15 bytes count.
    pub comm: String,
}

impl Default for Task {
    fn default() -> Self {
        let tgid = std::process::id();
        // `PID/task/TID`
        let thread = std::fs::read_link("/proc/thread-self").ok();
        let pid = thread.and_then(|path| path.file_name()?.to_str()?.parse().ok());
        let (uid, gid) = owner();
        let comm = std::fs::read_to_string("/proc/thread-self/comm").unwrap_or_default();
        Task {
            pid: pid.unwrap_or(tgid),
            tgid,
            uid,
            gid,
            comm: comm.trim_end_matches('\n').into(),
        }
    }
}

/// The user and group of this process.
#[cfg(unix)]
fn owner() -> (u32, u32) {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata("/proc/self");
    metadata.map_or((0, 0), |of| (of.uid(), of.gid()))
}

#[cfg(not(unix))]
fn owner() -> (u32, u32) {
    (0, 0)
}

impl Task {
    /// The name as the kernel keeps it: with a NUL at the end.
    pub(super) fn comm_bytes(&self) -> [u8; 16] {
        let mut comm = [0; 16];
        for (to, from) in comm[..15].iter_mut().zip(self.comm.bytes()) {
            *to = from;
        }
        comm
    }
}
