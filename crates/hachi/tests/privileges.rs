//! What a process without rights is told.
//!
//! One test, in a program of its own, that changes the capabilities of its thread.

mod support;

use std::io;

use hachi::{
    EbpfError, EbpfLoader,
    maps::{MapData, MapError},
    obj::{MapSpec, MapType},
    programs::{ProgramError, XdpFlags},
};
use hachi_test::{Bpffs, Netns, is_root, require_bpf};
use support::{load, one, spec, xdp};

/// `_LINUX_CAPABILITY_VERSION_3`.
const VERSION: u32 = 0x2008_0522;

/// Leaves the calling thread with the given effective capabilities (numbers) only.
fn keep_only(capabilities: &[u32]) {
    let mut words = [0u32; 2];
    for capability in capabilities {
        words[*capability as usize / 32] |= 1 << (capability % 32);
    }
    let mut header = [VERSION, 0];
    // Effective, permitted, inheritable: low words, then high words.
    let mut data = [0u32; 6];
    // SAFETY: header and data have the layout of version 3 and outlive both calls.
    let result = unsafe {
        libc::syscall(libc::SYS_capget, header.as_mut_ptr(), data.as_mut_ptr());
        (data[0], data[3]) = (words[0], words[1]);
        libc::syscall(libc::SYS_capset, header.as_mut_ptr(), data.as_ptr())
    };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
}

const CAP_NET_ADMIN: u32 = 12;
const CAP_BPF: u32 = 39;

#[test]
fn errors_name_the_capability() {
    require_bpf!();
    if !is_root() {
        hachi_test::skip!("needs capabilities to give up");
    }
    let bpffs = Bpffs::new().unwrap();
    // In a thread of its own there, which may lose its capabilities for good.
    Netns::new().unwrap().run(|| lose_capabilities(&bpffs));
}

fn lose_capabilities(bpffs: &Bpffs) {
    let map = MapSpec::new("M", MapType::Array, 4, 4, 1);
    let mut ebpf = load(spec(vec![map.clone()], vec![support::verdict("pass", 2)]));
    ebpf.map("M").unwrap().data().pin(bpffs.join("M")).unwrap();
    let mut unloaded = load(one("later", 2));
    let loaded = xdp(&mut ebpf, "pass");

    // With CAP_BPF and CAP_NET_ADMIN all works.
    keep_only(&[CAP_BPF, CAP_NET_ADMIN]);
    drop(load(spec(vec![map.clone()], Vec::new())));
    xdp(&mut load(one("pass", 2)), "pass");

    // XDP is networking: CAP_BPF alone does not load it.
    keep_only(&[CAP_BPF]);
    let error = unloaded.program_mut("later").unwrap().load().unwrap_err();
    assert!(matches!(error, ProgramError::LoadError(_)));
    let text = error.to_string();
    assert!(
        text.contains("\"later\"") && text.contains("CAP_NET_ADMIN"),
        "{text}"
    );

    keep_only(&[]);
    let error = EbpfLoader::new()
        .load_spec(spec(vec![map], Vec::new()))
        .unwrap_err();
    assert!(
        matches!(&error, EbpfError::MapError(MapError::CreateError { .. })),
        "{error}"
    );
    let text = error.to_string();
    assert!(
        [
            "\"M\"",
            "EPERM",
            "CAP_BPF",
            "root",
            "unprivileged_bpf_disabled"
        ]
        .iter()
        .all(|word| text.contains(word)),
        "{text}"
    );
    let text = unloaded
        .program_mut("later")
        .unwrap()
        .load()
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("\"later\"") && text.contains("CAP_BPF"),
        "{text}"
    );
    // Making a link takes no more than the program's descriptor (before Linux 5.15 and where bpf(2)
    // is closed to other users, CAP_BPF), but netlink does.
    if !support::older_than(5, 15) {
        loaded
            .attach("lo", XdpFlags::SKB_MODE)
            .map(|id| loaded.detach(id))
            .unwrap()
            .unwrap();
    }
    let text = loaded
        .attach("lo", XdpFlags::REPLACE)
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("\"pass\"") && text.contains("CAP_NET_ADMIN"),
        "{text}"
    );
    let text = hachi::maps::loaded_maps()
        .next()
        .unwrap()
        .unwrap_err()
        .to_string();
    assert!(text.contains("CAP_SYS_ADMIN"), "{text}");
    // Neither does opening a pin, beyond the right to the file.
    if !support::older_than(5, 15) {
        assert_eq!(MapData::from_pin(bpffs.join("M")).unwrap().name(), "M");
    }
}
