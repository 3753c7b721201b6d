//! Packets of the processes of a cgroup; and how several programs share one.

mod support;

use std::{
    fs::File,
    io,
    net::{Ipv4Addr, UdpSocket},
};

use hachi::{
    Ebpf,
    links::{Attachments, Kept, LinkTarget, Needed, NoTarget, OwnedLink},
    programs::{
        AttachOptions, AttachType, CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, LinkOrder,
        ProgramError, TestRunOptions,
    },
};
use hachi_test::{Bpffs, Cgroup, Netns, exercises, require_bpf};
use support::{
    load,
    network::{counting, loaded, open},
    tracing::{seen, watching},
};

const SEND: CgroupSkbAttachType = CgroupSkbAttachType::Egress;

fn verdict(result: i32) -> Ebpf {
    loaded(counting("decide", "cgroup/skb", result))
}

fn program(ebpf: &mut Ebpf) -> &mut CgroupSkb {
    typed!(ebpf, "decide", CgroupSkb)
}

fn attach(cgroup: &Cgroup, ebpf: &mut Ebpf, mode: CgroupAttachMode) -> Result<(), ProgramError> {
    program(ebpf).attach(open(cgroup), SEND, mode).map(drop)
}

/// Sends a datagram to itself from within the cgroup.
fn send(netns: &Netns, cgroup: &Cgroup) -> io::Result<()> {
    cgroup.run(|| {
        netns.run(|| {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            socket.send_to(b"hello", socket.local_addr()?)?;
            Ok(())
        })
    })
}

fn programs(cgroup: &Cgroup) -> Attachments {
    Attachments::at(open(cgroup), SEND.into()).unwrap()
}

fn ids(cgroup: &Cgroup) -> Vec<u32> {
    let found = programs(cgroup).programs;
    found.iter().map(|program| program.program_id).collect()
}

fn id(ebpf: &mut Ebpf) -> u32 {
    program(ebpf).info().unwrap().id()
}

#[test]
fn refuses_packets_of_members() {
    require_bpf!();
    let (netns, cgroup) = (Netns::new().unwrap(), Cgroup::new().unwrap());
    let outside = Cgroup::new().unwrap();
    for mode in [
        CgroupAttachMode::AllowMultiple,
        CgroupAttachMode::AllowOverride,
        CgroupAttachMode::Single,
    ] {
        let way = match mode {
            CgroupAttachMode::AllowMultiple => "link",
            _ => "BPF_PROG_ATTACH",
        };
        let _row = exercises("cgroup/skb", way);
        let mut ebpf = verdict(0);
        attach(&cgroup, &mut ebpf, mode).unwrap();
        assert_eq!(programs(&cgroup).mode, Some(mode));
        let error = send(&netns, &cgroup).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EPERM), "{mode:?}");
        assert_eq!(seen(&ebpf).0, 1, "{mode:?}");
        send(&netns, &outside).unwrap();
        assert_eq!(seen(&ebpf).0, 1, "{mode:?}");
        drop(ebpf);
        send(&netns, &cgroup).unwrap();
        assert_eq!(programs(&cgroup).mode, None);
    }
}

#[test]
fn attached_by_section() {
    require_bpf!();
    let _rows =
        ["cgroup_skb/ingress", "cgroup_skb/egress"].map(|section| exercises(section, "link"));
    let (netns, cgroup) = (Netns::new().unwrap(), Cgroup::new().unwrap());
    let programs = vec![
        counting("received", "cgroup_skb/ingress", 1),
        counting("sent", "cgroup_skb/egress", 1),
    ];
    let mut ebpf = load(watching(programs));
    let all = ebpf.attach_all(&AttachOptions::new()).unwrap();
    assert!(all.attached.is_empty());
    assert_eq!(all.left_out[0].1, NoTarget::Needs(Needed::Cgroup));
    let options = AttachOptions::new().cgroup(cgroup.path());
    let all = ebpf.attach_all(&options).unwrap();
    assert!(all.attached[0].1.target.starts_with("cgroup /"));
    send(&netns, &cgroup).unwrap();
    assert_eq!(seen(&ebpf).0, 2, "once out, once in");
}

#[test]
fn modes_decide_what_else_may_be_attached() {
    require_bpf!();
    let (netns, cgroup) = (Netns::new().unwrap(), Cgroup::new().unwrap());
    // What is below a threaded cgroup is threaded, too.
    cgroup.run(|| ());
    let below = cgroup.child("below").unwrap();
    let (mut first, mut second) = (verdict(1), verdict(1));

    // Nothing else, here or below.
    attach(&cgroup, &mut first, CgroupAttachMode::Single).unwrap();
    for place in [&cgroup, &below] {
        let error = attach(place, &mut second, CgroupAttachMode::AllowMultiple)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("cgroup /") && error.contains("CgroupAttachMode::Single"),
            "{error}"
        );
    }
    // In the same mode, one takes the other's place; which is not taken off by the loser.
    attach(&cgroup, &mut second, CgroupAttachMode::Single).unwrap();
    assert_eq!(ids(&cgroup), [id(&mut second)]);
    first.program_mut("decide").unwrap().unload().unwrap();
    assert_eq!(ids(&cgroup), [id(&mut second)]);
    drop((first, second));
    assert!(ids(&cgroup).is_empty());

    // Another below instead.
    let (mut above, mut instead) = (verdict(1), verdict(1));
    attach(&cgroup, &mut above, CgroupAttachMode::AllowOverride).unwrap();
    attach(&below, &mut instead, CgroupAttachMode::AllowOverride).unwrap();
    send(&netns, &below).unwrap();
    assert_eq!((seen(&above).0, seen(&instead).0), (0, 1));
    drop((above, instead));

    // Another below as well.
    let (mut above, mut too) = (verdict(1), verdict(1));
    attach(&cgroup, &mut above, CgroupAttachMode::AllowMultiple).unwrap();
    attach(&below, &mut too, CgroupAttachMode::AllowMultiple).unwrap();
    send(&netns, &below).unwrap();
    assert_eq!((seen(&above).0, seen(&too).0), (1, 1));
    let all = Attachments::effective_at(open(&below), SEND.into()).unwrap();
    assert_eq!(all.programs.len(), 2);
    assert_eq!(ids(&below), [id(&mut too)]);
}

#[test]
fn order_is_chosen() {
    require_bpf!();
    let cgroup = Cgroup::new().unwrap();
    let (mut a, mut b, mut c) = (verdict(1), verdict(1), verdict(1));
    let mode = CgroupAttachMode::AllowMultiple;
    let link = program(&mut b).attach(open(&cgroup), SEND, mode).unwrap();
    let middle = program(&mut b).take_link(link).unwrap();
    let before = LinkOrder::before_link(&middle).unwrap();
    let after = LinkOrder::after_link(&middle).unwrap();
    attempt!(program(&mut c).attach_in_order(open(&cgroup), SEND, after));
    attempt!(program(&mut a).attach_in_order(open(&cgroup), SEND, before));
    assert_eq!(ids(&cgroup), [id(&mut a), id(&mut b), id(&mut c)]);
    let revision = programs(&cgroup).revision;
    let mut d = verdict(1);
    let first = LinkOrder::first().expecting(revision);
    program(&mut d)
        .attach_in_order(open(&cgroup), SEND, first)
        .unwrap();
    assert_eq!(ids(&cgroup)[0], id(&mut d));
    let mut e = verdict(1);
    let error = program(&mut e)
        .attach_in_order(open(&cgroup), SEND, first)
        .unwrap_err()
        .to_string();
    assert!(error.contains("ESTALE"), "{error}");
}

#[test]
fn links_and_plain_attachments_are_owned_alike() {
    require_bpf!();
    let (netns, cgroup) = (Netns::new().unwrap(), Cgroup::new().unwrap());
    let bpffs = Bpffs::new().unwrap();
    for mode in [CgroupAttachMode::AllowMultiple, CgroupAttachMode::Single] {
        let mut ebpf = verdict(0);
        let id = program(&mut ebpf)
            .attach(open(&cgroup), SEND, mode)
            .unwrap();
        let link = program(&mut ebpf).take_link(id).unwrap();
        drop(ebpf);
        assert!(send(&netns, &cgroup).is_err(), "{mode:?}");
        // Another program in its place.
        let mut other = verdict(1);
        program(&mut other).attach_to_link(link).unwrap();
        send(&netns, &cgroup).unwrap();
        assert_eq!(seen(&other).0, 1);
        drop(other);
        assert!(ids(&cgroup).is_empty());
    }
    // What has no link can be kept, but not be found by a pin.
    let mut ebpf = verdict(0);
    let mode = CgroupAttachMode::Single;
    let id = program(&mut ebpf)
        .attach(open(&cgroup), SEND, mode)
        .unwrap();
    let link = program(&mut ebpf).take_link(id).unwrap();
    let error = link.pin(bpffs.join("link")).unwrap_err().to_string();
    assert!(error.contains("keep"), "{error}");
    assert!(ids(&cgroup).is_empty(), "nothing is left half done");
    let id = program(&mut ebpf)
        .attach(open(&cgroup), SEND, mode)
        .unwrap();
    let link = program(&mut ebpf).take_link(id).unwrap();
    assert_eq!(link.keep().unwrap(), Kept::Persistent);
    drop(ebpf);
    assert_eq!(ids(&cgroup).len(), 1);
    // Until the cgroup goes.
}

#[test]
fn links_say_what_they_are_on() {
    require_bpf!();
    use std::os::unix::fs::MetadataExt as _;
    let cgroup = Cgroup::new().unwrap();
    let mut ebpf = verdict(1);
    let mode = CgroupAttachMode::AllowMultiple;
    let id = program(&mut ebpf)
        .attach(open(&cgroup), SEND, mode)
        .unwrap();
    let link = program(&mut ebpf).take_link(id).unwrap();
    let OwnedLink::Fd(link) = link else {
        panic!("links of cgroups are as old as links");
    };
    let inode = cgroup.path().metadata().unwrap().ino();
    assert_eq!(
        link.info().unwrap().target(),
        LinkTarget::Cgroup { id: inode }
    );
}

#[test]
fn refuses_a_path_that_is_not_a_cgroup() {
    require_bpf!();
    let mut ebpf = verdict(1);
    for mode in [CgroupAttachMode::AllowMultiple, CgroupAttachMode::Single] {
        let error = program(&mut ebpf)
            .attach(File::open("/proc").unwrap(), SEND, mode)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("cgroup /proc") && error.contains("version 2 hierarchy"),
            "{error}"
        );
    }
    assert!(Attachments::at(File::open("/proc").unwrap(), AttachType::CgroupDevice).is_err());
}

#[test]
fn runs_without_a_packet_and_from_a_pin() {
    require_bpf!();
    let (netns, cgroup) = (Netns::new().unwrap(), Cgroup::new().unwrap());
    let bpffs = Bpffs::new().unwrap();
    let ebpf = verdict(1);
    let loaded = ebpf.program("decide").unwrap();
    let run = loaded
        .test_run(&TestRunOptions::new().data(&[0; 64]).repeat(2))
        .unwrap();
    assert_eq!(run.return_value, 1);
    assert_eq!(seen(&ebpf).0, 2);
    loaded.pin(bpffs.join("program")).unwrap();
    let mut pinned = CgroupSkb::from_pin(bpffs.join("program"), SEND).unwrap();
    pinned
        .attach(open(&cgroup), SEND, CgroupAttachMode::default())
        .unwrap();
    send(&netns, &cgroup).unwrap();
    assert_eq!(seen(&ebpf).0, 3);
}

#[test]
fn descriptors_do_not_leak() {
    require_bpf!();
    support::alone("descriptors_do_not_leak", || {
        let cgroup = Cgroup::new().unwrap();
        move || {
            for mode in [CgroupAttachMode::AllowMultiple, CgroupAttachMode::Single] {
                let mut ebpf = verdict(1);
                attach(&cgroup, &mut ebpf, mode).unwrap();
            }
        }
    });
}
