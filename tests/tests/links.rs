//! How long an attachment lives: one clear rule for each way to hold it.

mod support;

use hachi::Ebpf;
use hachi::links::Kept;
use hachi::programs::{Xdp, XdpFlags};
use hachi_test::{Bpffs, VethPair, require_bpf};
use hachi_tests::fixture;
use support::udp_passes;

/// `xdp`, which drops everything.
fn wall() -> Ebpf {
    Ebpf::load_file(fixture("xdp")).unwrap()
}

fn program(ebpf: &mut Ebpf) -> &mut Xdp {
    ebpf.program_mut("xdp").unwrap().try_into().unwrap()
}

#[test]
fn a_discarded_id_does_not_detach_and_dropping_the_ebpf_does() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    let mut ebpf = wall();
    let _ = support::attach(&mut ebpf, "xdp", &wire.right, XdpFlags::default());
    assert!(!udp_passes(&wire, 7000));
    drop(ebpf);
    assert!(udp_passes(&wire, 7000));
}

#[test]
fn a_taken_link_is_its_own_master() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    let mut ebpf = wall();
    let id = support::attach(&mut ebpf, "xdp", &wire.right, XdpFlags::default());
    let link = program(&mut ebpf).take_link(id).unwrap();
    drop(ebpf);
    assert!(!udp_passes(&wire, 7000), "it outlives the program's handle");
    drop(link);
    assert!(udp_passes(&wire, 7000), "and detaches when dropped");
}

#[test]
fn detaching_by_id_detaches_once() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    let mut ebpf = wall();
    let id = support::attach(&mut ebpf, "xdp", &wire.right, XdpFlags::default());
    program(&mut ebpf).detach(id).unwrap();
    assert!(udp_passes(&wire, 7000));
    // And again: the interface is free.
    let (host, program) = (&wire.right, program(&mut ebpf));
    let attach = || program.attach(host.interface(), XdpFlags::default());
    host.netns().run(attach).unwrap();
    assert!(!udp_passes(&wire, 7000));
}

#[test]
fn one_program_on_two_interfaces() {
    require_bpf!();
    let (one, two) = (VethPair::new().unwrap(), VethPair::new().unwrap());
    let mut ebpf = wall();
    let first = support::attach(&mut ebpf, "xdp", &one.right, XdpFlags::default());
    let program = program(&mut ebpf);
    let second = &two.right;
    second
        .netns()
        .run(|| program.attach(second.interface(), XdpFlags::default()))
        .unwrap();
    assert!(!udp_passes(&one, 7000) && !udp_passes(&two, 7000));
    program.detach(first).unwrap();
    assert!(udp_passes(&one, 7000));
    assert!(!udp_passes(&two, 7000));
}

#[test]
fn a_pinned_link_outlives_the_ebpf() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    let bpffs = Bpffs::new().unwrap();
    let mut ebpf = wall();
    let id = support::attach(&mut ebpf, "xdp", &wire.right, XdpFlags::default());
    let link = program(&mut ebpf).take_link(id).unwrap();
    drop(link.pin(bpffs.join("link")).unwrap());
    drop(ebpf);
    assert!(!udp_passes(&wire, 7000));
    std::fs::remove_file(bpffs.join("link")).unwrap();
    assert!(support::udp_passes_soon(&wire, 7000));
}

#[test]
fn a_kept_link_outlives_the_ebpf() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    let mut ebpf = wall();
    let id = support::attach(&mut ebpf, "xdp", &wire.right, XdpFlags::default());
    let link = program(&mut ebpf).take_link(id).unwrap();
    // It is pinned where the system's own BPF file system is, if that is mounted.
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    if !mounts.contains(" /sys/fs/bpf bpf ") {
        let error = link.keep().unwrap_err().to_string();
        assert!(error.contains("mount -t bpf"), "{error}");
        assert!(udp_passes(&wire, 7000), "what cannot be kept is detached");
        return;
    }
    let Kept::Pinned(path) = link.keep().unwrap() else {
        panic!("a bpf_link is kept by a pin");
    };
    drop(ebpf);
    assert!(!udp_passes(&wire, 7000));
    std::fs::remove_file(path).unwrap();
    assert!(support::udp_passes_soon(&wire, 7000));
}
