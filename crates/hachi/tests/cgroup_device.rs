//! Devices that processes of a cgroup open.

mod support;

use std::fs::File;

use hachi::{
    links::Attachments,
    programs::{AttachOptions, AttachType, CgroupAttachMode, CgroupDevice},
};
use hachi_test::{Bpffs, Cgroup, exercises, require_bpf};
use support::{
    network::{loaded, observing, observing_only, open, word},
    tracing::seen,
};

/// Offset of `minor` in `struct bpf_cgroup_dev_ctx`.
const MINOR: i16 = 8;
/// Minor numbers of memory devices.
const NULL: i32 = 3;

#[test]
fn opening_is_refused() {
    require_bpf!();
    let _row = exercises("cgroup/dev", "link");
    let cgroup = Cgroup::new().unwrap();
    let mut ebpf = loaded(observing_only("asked", "cgroup/dev", &word(MINOR), NULL, 1));
    let options = AttachOptions::new().cgroup(cgroup.path());
    ebpf.attach_all(&options).unwrap();
    cgroup.run(|| {
        File::open("/dev/null").unwrap();
        let error = File::open("/dev/zero").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EPERM));
    });
    File::open("/dev/zero").unwrap();
    assert_eq!(seen(&ebpf), (1, NULL as u64));
    let found = Attachments::at(open(&cgroup), AttachType::CgroupDevice).unwrap();
    assert_eq!(found.programs.len(), 1);
}

#[test]
fn attached_from_a_pin() {
    require_bpf!();
    let cgroup = Cgroup::new().unwrap();
    let bpffs = Bpffs::new().unwrap();
    let ebpf = loaded(observing("asked", "cgroup/dev", &[], 1));
    ebpf.program("asked").unwrap().pin(bpffs.join("p")).unwrap();
    let mut program = CgroupDevice::from_pin(bpffs.join("p")).unwrap();
    program
        .attach(open(&cgroup), CgroupAttachMode::Single)
        .unwrap();
    cgroup.run(|| File::open("/dev/null")).unwrap();
    assert!(seen(&ebpf).0 >= 1);
}
