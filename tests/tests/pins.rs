//! Pins: programs, maps and links that outlive their process, opened again by path.

mod support;

use hachi::Ebpf;
use hachi::links::PinnedLink;
use hachi::programs::{Xdp, XdpFlags};
use hachi_test::{Bpffs, VethPair, require_bpf};
use hachi_tests::{fixture, hachi, success};
use support::udp_passes;

fn loaded(name: &str) -> Ebpf {
    let mut ebpf = Ebpf::load_file(fixture(name)).unwrap();
    xdp(&mut ebpf, name).load().unwrap();
    ebpf
}

fn xdp<'a>(ebpf: &'a mut Ebpf, name: &str) -> &'a mut Xdp {
    ebpf.program_mut(name).unwrap().try_into().unwrap()
}

#[test]
fn a_pinned_program_is_attached_by_another() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    let bpffs = Bpffs::new().unwrap();
    let path = bpffs.join("programs/wall");
    let mut ebpf = loaded("xdp");
    xdp(&mut ebpf, "xdp").pin(&path).unwrap();
    drop(ebpf);

    let mut program = Xdp::from_pin(&path).unwrap();
    let host = &wire.right;
    host.netns()
        .run(|| program.attach(host.interface(), XdpFlags::default()))
        .unwrap();
    assert!(!udp_passes(&wire, 7000));
    drop(program);
    assert!(udp_passes(&wire, 7000));
}

#[test]
fn a_pinned_link_is_taken_over_and_ended_by_another() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    let bpffs = Bpffs::new().unwrap();
    let path = bpffs.join("link");
    let mut ebpf = loaded("xdp");
    let host = &wire.right;
    let program = xdp(&mut ebpf, "xdp");
    let id = host
        .netns()
        .run(|| program.attach(host.interface(), XdpFlags::default()))
        .unwrap();
    program.take_link(id).unwrap().pin(&path).unwrap();
    drop(ebpf);

    // Looking at it changes nothing.
    let pinned = PinnedLink::from_pin(&path).unwrap();
    assert_eq!(pinned.path(), path);
    drop(pinned);
    assert!(!udp_passes(&wire, 7000));
    // Unpinned, it is a guard like any other.
    let link = PinnedLink::from_pin(&path).unwrap().unpin().unwrap();
    assert!(!path.exists());
    assert!(!udp_passes(&wire, 7000));
    drop(link);
    assert!(udp_passes(&wire, 7000));
}

/// Another program takes the place of a pinned one, without a moment in between.
#[test]
fn a_pinned_link_gets_a_new_program() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    let bpffs = Bpffs::new().unwrap();
    let path = bpffs.join("link");
    let mut ebpf = loaded("xdp");
    let host = &wire.right;
    let program = xdp(&mut ebpf, "xdp");
    let id = host
        .netns()
        .run(|| program.attach(host.interface(), XdpFlags::default()))
        .unwrap();
    program.take_link(id).unwrap().pin(&path).unwrap();
    assert!(!udp_passes(&wire, 7000));

    let mut other = loaded("drops");
    let mut link = PinnedLink::from_pin(&path).unwrap();
    link.update(xdp(&mut other, "drops").fd().unwrap()).unwrap();
    drop((ebpf, other, link));
    assert!(udp_passes(&wire, 7000));
    std::fs::remove_file(&path).unwrap();
}

/// The command sees what the library pinned, and the other way round.
#[test]
fn the_command_pins_and_unpins() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    let bpffs = Bpffs::new().unwrap();
    let mut ebpf = loaded("xdp");
    let host = &wire.right;
    let program = xdp(&mut ebpf, "xdp");
    host.netns()
        .run(|| program.attach(host.interface(), XdpFlags::default()))
        .unwrap();
    let id = program.info().unwrap().id();
    let listing = success(&mut hachi(["prog", "list", "--json"]));
    let listing: serde_json::Value = serde_json::from_str(&listing).unwrap();
    let found = listing["programs"]
        .as_array()
        .unwrap()
        .iter()
        .find(|program| program["id"].as_u64() == Some(id.into()))
        .expect("our program in the list");
    assert_eq!(found["name"], "xdp");
    assert_eq!(found["type"], "xdp");

    let pin = bpffs.join("program");
    let mut command = hachi(["pin", "prog", &id.to_string()]);
    success(command.arg(&pin));
    let pinned = Xdp::from_pin(&pin).unwrap();
    assert_eq!(pinned.info().unwrap().id(), id);
    success(hachi(["unpin"]).arg(&pin));
    assert!(!pin.exists());
}
