//! Files below /proc/sys that processes of a cgroup use.

mod support;

use std::{fs, io};

use hachi::programs::{AttachOptions, CgroupAttachMode, CgroupSysctl};
use hachi_test::{Bpffs, Cgroup, Netns, exercises, require_bpf};
use support::{
    network::{loaded, observing, observing_only, open, word},
    tracing::seen,
};

/// Offset of `write` in `struct bpf_sysctl`.
const WRITE: i16 = 0;
/// Of this network namespace alone.
const PATH: &str = "/proc/sys/net/ipv4/ip_default_ttl";

#[test]
fn writing_is_refused() {
    require_bpf!();
    let _row = exercises("cgroup/sysctl", "link");
    let (netns, cgroup) = (Netns::new().unwrap(), Cgroup::new().unwrap());
    let write = || cgroup.run(|| netns.run(|| fs::write(PATH, "65\n")));
    let read = || -> io::Result<String> { cgroup.run(|| netns.run(|| fs::read_to_string(PATH))) };
    // Runs that count (writes) return 1 and pass; and so the other way round.
    let mut writes = loaded(observing_only("asked", "cgroup/sysctl", &word(WRITE), 1, 1));
    let options = AttachOptions::new().cgroup(cgroup.path());
    writes.attach_all(&options).unwrap();
    write().unwrap();
    assert_eq!(seen(&writes), (1, 1), "one write");
    assert_eq!(read().unwrap_err().raw_os_error(), Some(libc::EPERM));
    drop(writes);
    let mut reads = loaded(observing_only("asked", "cgroup/sysctl", &word(WRITE), 0, 1));
    reads.attach_all(&options).unwrap();
    assert_eq!(read().unwrap(), "65\n");
    assert_eq!(write().unwrap_err().raw_os_error(), Some(libc::EPERM));
    assert!(seen(&reads).0 >= 1);
}

#[test]
fn attached_from_a_pin() {
    require_bpf!();
    let cgroup = Cgroup::new().unwrap();
    let bpffs = Bpffs::new().unwrap();
    let ebpf = loaded(observing("asked", "cgroup/sysctl", &[], 1));
    ebpf.program("asked").unwrap().pin(bpffs.join("p")).unwrap();
    let mut program = CgroupSysctl::from_pin(bpffs.join("p")).unwrap();
    program
        .attach(open(&cgroup), CgroupAttachMode::Single)
        .unwrap();
    cgroup.run(|| fs::read(PATH)).unwrap();
    assert!(seen(&ebpf).0 >= 1);
}
