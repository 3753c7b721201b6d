//! Attaching XDP programs, by `bpf_link` and by netlink, in network namespaces of their own.

mod support;

use std::path::Path;

use hachi::{
    Ebpf,
    links::{
        FdLink, Kept, LinkError, LinkId, LinkTarget, OwnedLink, PinnedLink, XdpMode, loaded_links,
        xdp_attachments,
    },
    programs::{ProgramError, Xdp, XdpFlags},
};
use hachi_asm::build;
use hachi_test::{Bpffs, Netns, VethPair, exercises, require_bpf, udp_send};
use support::{
    load,
    network::observing_only,
    one,
    tracing::{CTX, VALUE, seen, watching},
    xdp,
};

/// Both ways to attach: REPLACE is only possible by netlink, also where nothing is to be replaced.
const WAYS: [XdpFlags; 2] = [
    XdpFlags::SKB_MODE,
    XdpFlags::SKB_MODE.union(XdpFlags::REPLACE),
];

/// A loaded object with program `drop`, attached to the loopback interface of `netns`.
fn attached(netns: &Netns, flags: XdpFlags) -> (Ebpf, LinkId) {
    let mut ebpf = load(one("drop", support::XDP_DROP));
    let program = xdp(&mut ebpf, "drop");
    let id = netns.run(|| program.attach("lo", flags)).unwrap();
    (ebpf, id)
}

fn program(ebpf: &mut Ebpf) -> &mut Xdp {
    ebpf.program_mut("drop").unwrap().try_into().unwrap()
}

fn program_id(ebpf: &mut Ebpf) -> u32 {
    program(ebpf).info().unwrap().id()
}

/// Ids of the programs on the namespace's loopback interface.
fn on_lo(netns: &Netns) -> Vec<u32> {
    netns.run(|| {
        xdp_attachments()
            .unwrap()
            .iter()
            .map(|found| found.program_id)
            .collect()
    })
}

/// Waits for the kernel to have forgotten a removed pin, which it does after a grace period.
fn wait_until_free(netns: &Netns) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while !on_lo(netns).is_empty() && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

#[test]
fn drops_real_packets() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    let ping = || wire.left.ping(wire.right.ipv4(), 1).unwrap();
    assert!(ping().all_answered());
    let mut ebpf = load(one("drop", support::XDP_DROP));
    let host = &wire.right;
    let program = xdp(&mut ebpf, "drop");
    for flags in [
        XdpFlags::default(),
        XdpFlags::DRV_MODE,
        XdpFlags::SKB_MODE,
        XdpFlags::REPLACE,
    ] {
        let netlink = flags.contains(XdpFlags::REPLACE);
        let _row = exercises("xdp", if netlink { "netlink" } else { "link" });
        let id = host
            .netns()
            .run(|| program.attach(host.interface(), flags))
            .unwrap();
        assert!(!ping().all_answered(), "{flags:?}");
        let found = host.netns().run(|| xdp_attachments().unwrap());
        let mode = if flags == XdpFlags::SKB_MODE {
            XdpMode::Skb
        } else {
            XdpMode::Driver
        };
        assert_eq!(found[0].mode, mode, "{flags:?}");
        program.detach(id).unwrap();
        assert!(ping().all_answered(), "{flags:?}");
    }
}

/// Of packets in several buffers, which drivers give only to programs that say they can take it.
#[test]
fn packets_in_several_buffers() {
    require_bpf!();
    let _row = exercises("xdp.frags", "link");
    let wire = VethPair::new().unwrap();
    for host in [&wire.left, &wire.right] {
        let mtu = ["link", "set", host.interface(), "mtu", "9000"];
        host.netns().ip(mtu).unwrap();
    }
    let host = &wire.right;
    // bpf_xdp_get_buff_len
    let length = [
        build::mov(1, CTX),
        build::call_helper(hachi_asm::helpers::id::XDP_GET_BUFF_LEN),
        build::mov(VALUE, 0),
    ];
    // With the headers of Ethernet, IPv4 and UDP.
    const LENGTH: i32 = 8000 + 14 + 20 + 8;
    let program = observing_only("long", "xdp.frags", &length, LENGTH, support::XDP_DROP);
    let mut ebpf = load(watching(vec![program]));
    attempt!(ebpf.program_mut("long").unwrap().load());
    let program: &mut Xdp = ebpf.program_mut("long").unwrap().try_into().unwrap();
    host.netns()
        .run(|| program.attach(host.interface(), XdpFlags::DRV_MODE))
        .unwrap();
    udp_send(wire.left.netns(), None, (host.ipv4(), 7).into(), &[0; 8000]).unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(2);
    while seen(&ebpf).0 == 0 && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert_eq!(seen(&ebpf), (1, LENGTH as u64));
}

#[test]
fn one_rule_of_ownership_for_both_ways() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    for flags in WAYS {
        // A discarded id changes nothing; dropping the object detaches.
        let (mut ebpf, _) = attached(&netns, flags);
        assert_eq!(on_lo(&netns), [program_id(&mut ebpf)]);
        drop(ebpf);
        assert!(on_lo(&netns).is_empty(), "{flags:?}");

        // A taken link is its own master, and detaches when dropped.
        let (mut ebpf, id) = attached(&netns, flags);
        let link = program(&mut ebpf).take_link(id).unwrap();
        assert!(matches!(
            program(&mut ebpf).take_link(id),
            Err(ProgramError::Link(LinkError::NotAttached))
        ));
        assert_eq!(link.if_index(), Some(1));
        drop(ebpf);
        assert_eq!(on_lo(&netns).len(), 1, "{flags:?}");
        drop(link);
        assert!(on_lo(&netns).is_empty(), "{flags:?}");

        // Detaching by id, once; unloading detaches, too.
        let (mut ebpf, id) = attached(&netns, flags);
        program(&mut ebpf).detach(id).unwrap();
        assert!(on_lo(&netns).is_empty());
        assert!(program(&mut ebpf).detach(id).is_err());
        let program = program(&mut ebpf);
        netns.run(|| program.attach("lo", flags)).unwrap();
        assert_eq!(program.links().count(), 1);
        program.unload().unwrap();
        assert!(on_lo(&netns).is_empty());
    }
}

#[test]
fn pins_behave_the_same_for_both_ways() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let bpffs = Bpffs::new().unwrap();
    for flags in WAYS {
        let path = bpffs.join("dir/link");
        let (mut ebpf, id) = attached(&netns, flags);
        let pinned = program(&mut ebpf)
            .take_link(id)
            .unwrap()
            .pin(&path)
            .unwrap();
        assert_eq!(pinned.path(), path);
        drop((pinned, ebpf));
        assert_eq!(on_lo(&netns).len(), 1, "{flags:?}");

        // Reopened, as by another process. Unpinning gives the link.
        let pinned = netns.run(|| PinnedLink::from_pin(&path)).unwrap();
        let link = pinned.unpin().unwrap();
        assert!(!path.exists());
        assert_eq!(on_lo(&netns).len(), 1, "{flags:?}");
        link.detach().unwrap();
        assert!(on_lo(&netns).is_empty(), "{flags:?}");
    }
}

#[test]
fn pinned_programs_attach_again() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let bpffs = Bpffs::new().unwrap();
    let path = bpffs.join("program");
    let mut ebpf = load(one("drop", support::XDP_DROP));
    xdp(&mut ebpf, "drop").pin(&path).unwrap();
    drop(ebpf);
    let mut program = Xdp::from_pin(&path).unwrap();
    assert_eq!((program.name(), program.section()), ("drop", ""));
    netns
        .run(|| program.attach("lo", XdpFlags::SKB_MODE))
        .unwrap();
    assert_eq!(on_lo(&netns), [program.info().unwrap().id()]);
    // It is no pinned link, and attached by a link rather than by netlink.
    let error = netns
        .run(|| PinnedLink::from_pin(&path))
        .unwrap_err()
        .to_string();
    assert!(error.contains("is a pinned program, not a link"), "{error}");
    drop(program);
    assert!(on_lo(&netns).is_empty());
    assert!(Xdp::from_pin(&path).is_ok(), "the pin keeps the program");
}

#[test]
fn kept_links_go_on() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    // Netlink attachments persist by themselves.
    let (mut ebpf, id) = attached(&netns, WAYS[1]);
    assert_eq!(
        program(&mut ebpf).take_link(id).unwrap().keep().unwrap(),
        Kept::Persistent
    );
    drop(ebpf);
    let attachments = netns.run(|| xdp_attachments().unwrap());
    assert_eq!(attachments.len(), 1);
    assert_eq!(attachments[0].link_id().unwrap(), None);
    netns.run(|| attachments[0].detach()).unwrap();
    assert!(on_lo(&netns).is_empty());

    // Links need a pin, and where that is impossible, say so and are gone.
    let (mut ebpf, id) = attached(&netns, WAYS[0]);
    let link = program(&mut ebpf).take_link(id).unwrap();
    match link.keep() {
        Ok(Kept::Pinned(path)) => {
            assert!(path.starts_with("/sys/fs/bpf/hachi/links"));
            drop(ebpf);
            assert_eq!(on_lo(&netns).len(), 1);
            hachi::pin::unpin(&path).unwrap();
            wait_until_free(&netns);
            // Removes the directories only if nobody else uses them.
            for directory in [path.parent().unwrap(), Path::new("/sys/fs/bpf/hachi")] {
                let _ = std::fs::remove_dir(directory);
            }
        }
        Ok(other) => panic!("{other:?}"),
        Err(error) => assert!(
            error.to_string().contains("mount -t bpf bpf /sys/fs/bpf"),
            "{error}"
        ),
    }
    assert!(on_lo(&netns).is_empty());
}

#[test]
fn updates_leave_no_gap() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let bpffs = Bpffs::new().unwrap();
    for flags in WAYS {
        let (mut old, id) = attached(&netns, flags);
        let mut new = load(one("pass", 2));
        let new = xdp(&mut new, "pass");
        let new_id = new.info().unwrap().id();
        let mut link = program(&mut old).take_link(id).unwrap();
        link.update(new.fd().unwrap()).unwrap();
        assert_eq!(on_lo(&netns), [new_id], "{flags:?}");

        // Back, by handing the link to the other program, which then owns it.
        program(&mut old).attach_to_link(link).unwrap();
        assert_eq!(on_lo(&netns), [program_id(&mut old)], "{flags:?}");
        let id = program(&mut old).links().next().unwrap().0;

        // And while pinned.
        let path = bpffs.join("link");
        let mut pinned = program(&mut old).take_link(id).unwrap().pin(&path).unwrap();
        drop(old);
        pinned.update(new.fd().unwrap()).unwrap();
        drop(pinned);
        assert_eq!(on_lo(&netns), [new_id], "{flags:?}");
        let pinned = netns.run(|| PinnedLink::from_pin(&path)).unwrap();
        drop(pinned.unpin().unwrap());
        wait_until_free(&netns);
        assert!(on_lo(&netns).is_empty(), "{flags:?}");
    }
}

#[test]
fn another_programs_place_is_respected_and_named() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    for flags in WAYS {
        let (mut first, _) = attached(&netns, flags);
        let id = program_id(&mut first);
        if flags == WAYS[0] {
            let again = netns.run(|| program(&mut first).attach("lo", flags));
            let error = again.unwrap_err().to_string();
            assert!(error.contains("is taken by this very program"), "{error}");
        }
        let mut second = load(one("pass", 2));
        let second = xdp(&mut second, "pass");
        let error = netns
            .run(|| second.attach("lo", XdpFlags::SKB_MODE))
            .unwrap_err();
        let ProgramError::Attach {
            error:
                LinkError::InterfaceBusy {
                    interface,
                    occupant,
                },
            ..
        } = &error
        else {
            panic!("{error}")
        };
        assert_eq!(interface, "lo");
        assert_eq!(occupant.program_id, id);
        assert_eq!(occupant.program_name, "drop");
        assert_eq!(occupant.mode, XdpMode::Skb);
        assert_eq!(occupant.link_id.is_some(), flags == WAYS[0]);
        assert!(!occupant.is_same);
        let text = error.to_string();
        let words = [
            "program \"pass\"",
            "interface \"lo\"",
            "XDP program \"drop\"",
            "skb mode",
        ];
        assert!(words.iter().all(|word| text.contains(word)), "{text}");

        // REPLACE takes the place of what was attached by netlink, but not of a link.
        let replaced = netns.run(|| second.attach("lo", WAYS[1]));
        if flags == WAYS[0] {
            replaced.unwrap_err();
            assert_eq!(on_lo(&netns), [id]);
        } else {
            replaced.unwrap();
            assert_eq!(on_lo(&netns), [second.info().unwrap().id()]);
            // The first link finds another program in its place, and leaves it alone.
            drop(first);
            assert_eq!(on_lo(&netns), [second.info().unwrap().id()]);
        }
    }
}

#[test]
fn wrong_interfaces_are_named() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let mut ebpf = load(one("drop", 1));
    let program = xdp(&mut ebpf, "drop");
    let error = netns
        .run(|| program.attach("eth7", XdpFlags::default()))
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "program \"drop\": no network interface \"eth7\"; there are \"lo\""
    );
    let error = netns
        .run(|| program.attach_to_if_index(77, XdpFlags::default()))
        .unwrap_err()
        .to_string();
    assert!(error.contains("index 77"), "{error}");
    // The loopback device has no driver mode, and the kernel says so in words.
    let error = netns
        .run(|| program.attach("lo", XdpFlags::DRV_MODE))
        .unwrap_err()
        .to_string();
    assert!(
        ["\"lo\"", "native", "XdpFlags::SKB_MODE"]
            .iter()
            .all(|words| error.contains(words)),
        "{error}"
    );
    assert!(on_lo(&netns).is_empty());
}

#[test]
fn links_can_be_found_and_ended_from_outside() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let (mut ebpf, id) = attached(&netns, WAYS[0]);
    let program_id = program_id(&mut ebpf);
    let info = loaded_links()
        .map(Result::unwrap)
        .find(|info| info.program_id() == program_id)
        .unwrap();
    assert_eq!(info.type_name(), "xdp");
    assert_eq!(info.target(), LinkTarget::Interface { index: 1 });
    // Ours is among them, by the same id.
    let link: OwnedLink = program(&mut ebpf).take_link(id).unwrap();
    let OwnedLink::Fd(fd) = &link else {
        panic!("{link:?}")
    };
    assert_eq!(fd.info().unwrap().id(), info.id());
    FdLink::from_id(info.id()).unwrap().detach().unwrap();
    assert!(on_lo(&netns).is_empty());
    link.detach().unwrap();
}

/// A link made by netlink belongs to its network namespace, whichever thread drops it.
#[test]
fn legacy_links_detach_from_any_namespace() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let (ebpf, _) = attached(&netns, WAYS[1]);
    Netns::new().unwrap().run(|| drop(ebpf));
    assert!(on_lo(&netns).is_empty());
}
