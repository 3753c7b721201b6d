//! Classifiers as filters of the qdisc `clsact`, attached by netlink.

mod support;

use std::io::ErrorKind;

use hachi::{
    Ebpf,
    links::{Kept, PinnedLink, tc_filters},
    programs::{
        NlOptions, SchedClassifier, TcAttachOptions, TcAttachType, TestRunOptions,
        qdisc_add_clsact, qdisc_detach_program,
    },
};
use hachi_test::{Bpffs, Netns, VethPair, exercises, require_bpf};
use support::{
    network::{TC_ACT_OK, TC_ACT_SHOT, counting, loaded},
    tracing::seen,
};

const NETLINK: TcAttachOptions = TcAttachOptions::Netlink(NlOptions::new(0, 0));

fn dropping() -> Ebpf {
    loaded(counting("drop_all", "classifier", TC_ACT_SHOT))
}

fn program(ebpf: &mut Ebpf) -> &mut SchedClassifier {
    typed!(ebpf, "drop_all", SchedClassifier)
}

fn attach(netns: &Netns, ebpf: &mut Ebpf, options: NlOptions) -> hachi::links::LinkId {
    let program = program(ebpf);
    netns
        .run(|| {
            program.attach_with_options(
                "lo",
                TcAttachType::Ingress,
                TcAttachOptions::Netlink(options),
            )
        })
        .unwrap()
}

/// Priority, handle and program of the filters of the namespace's loopback interface.
fn on_lo(netns: &Netns) -> Vec<(u16, u32, u32)> {
    let filters = netns
        .run(|| tc_filters("lo", TcAttachType::Ingress))
        .unwrap();
    filters
        .iter()
        .map(|filter| (filter.priority, filter.handle, filter.program_id))
        .collect()
}

#[test]
fn drops_real_packets() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    let host = &wire.right;
    let ping = || wire.left.ping(wire.right.ipv4(), 1).unwrap();
    for (section, direction) in [
        ("classifier", TcAttachType::Ingress),
        ("classifier", TcAttachType::Egress),
        ("tc", TcAttachType::Ingress),
    ] {
        let _row = exercises(section, "netlink");
        let mut ebpf = loaded(counting("drop_all", section, TC_ACT_SHOT));
        assert!(ping().all_answered());
        let program = program(&mut ebpf);
        let id = host
            .netns()
            .run(|| program.attach_with_options(host.interface(), direction, NETLINK))
            .unwrap();
        assert!(ping().none_answered(), "{direction}");
        assert!(seen(&ebpf).0 >= 1, "{direction}");
        let link = typed!(ebpf, "drop_all", SchedClassifier)
            .take_link(id)
            .unwrap();
        assert_eq!(link.if_index(), Some(host.index()));
        let place = link.tc_filter().unwrap();
        assert_eq!((place.attach_type, place.class), (direction, 0));
        let found = host
            .netns()
            .run(|| tc_filters(host.interface(), direction))
            .unwrap();
        assert_eq!(
            (found[0].priority, found[0].handle),
            (place.priority, place.handle)
        );
        assert_eq!(found[0].name, "drop_all");
        // Dropped in a thread of another network namespace.
        drop(link);
        assert!(ping().all_answered(), "{direction}");
    }
}

/// Actions are attached to other filters, by what is pinned.
#[test]
fn actions_of_filters() {
    require_bpf!();
    let _row = exercises("action", "pinned, by tc");
    let wire = VethPair::new().unwrap();
    let bpffs = Bpffs::new().unwrap();
    let host = &wire.right;
    let ping = || wire.left.ping(wire.right.ipv4(), 1).unwrap();
    let ebpf = loaded(counting("act", "action", TC_ACT_SHOT));
    let path = bpffs.join("act");
    ebpf.program("act").unwrap().pin(&path).unwrap();
    host.netns()
        .run(|| qdisc_add_clsact(host.interface()))
        .unwrap();
    assert!(ping().all_answered());
    let mut tc = host.netns().command("tc");
    tc.args(["filter", "add", "dev", host.interface(), "ingress"]);
    tc.args(["protocol", "ip", "u32", "match", "u32", "0", "0"]);
    tc.args(["action", "bpf", "object-pinned"]).arg(&path);
    let output = tc.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("Failed to load TC action module") {
        hachi_test::skip!("this kernel was built without CONFIG_NET_ACT_BPF");
    }
    assert!(output.status.success(), "{said}");
    assert!(ping().none_answered());
    assert!(seen(&ebpf).0 >= 1);
}

#[test]
fn places_are_chosen_or_given() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let mut ebpf = dropping();
    let id = program(&mut ebpf).info().unwrap().id();
    assert!(on_lo(&netns).is_empty(), "without a qdisc");
    let given = NlOptions::new(50, 7);
    attach(&netns, &mut ebpf, given);
    attach(&netns, &mut ebpf, NlOptions::default());
    let found = on_lo(&netns);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0], (50, 7, id));
    assert!(found[1].0 > 50, "the kernel chooses high ones");
    let program = program(&mut ebpf);
    let error = netns
        .run(|| {
            let options = TcAttachOptions::Netlink(given);
            program.attach_with_options("lo", TcAttachType::Ingress, options)
        })
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("ingress of interface \"lo\"") && error.contains("EEXIST"),
        "{error}"
    );
    drop(ebpf);
    assert!(on_lo(&netns).is_empty());
}

#[test]
fn another_program_takes_over() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let (mut old, mut new) = (dropping(), dropping());
    let options = NlOptions::new(3, 4);
    let id = attach(&netns, &mut old, options);
    let link = program(&mut old).take_link(id).unwrap();
    let program = program(&mut new);
    program.attach_to_link(link).unwrap();
    let expected = program.info().unwrap().id();
    drop(old);
    assert_eq!(on_lo(&netns), [(3, 4, expected)]);
    drop(new);
    assert!(on_lo(&netns).is_empty());
}

#[test]
fn a_filter_of_others_in_its_place_stays() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let bpffs = Bpffs::new().unwrap();
    let (mut ours, mut theirs) = (dropping(), dropping());
    let options = NlOptions::new(1, 1);
    attach(&netns, &mut ours, options);
    // Someone else finds the filter by its program, and exchanges that.
    let path = bpffs.join("ours");
    program(&mut ours).pin(&path).unwrap();
    let mut found = netns.run(|| PinnedLink::from_pin(&path)).unwrap();
    found.update(program(&mut theirs).fd().unwrap()).unwrap();
    drop(ours);
    let id = program(&mut theirs).info().unwrap().id();
    assert_eq!(on_lo(&netns), [(1, 1, id)]);
    netns
        .run(|| tc_filters("lo", TcAttachType::Ingress).unwrap()[0].detach())
        .unwrap();
    assert!(on_lo(&netns).is_empty());
}

#[test]
fn filters_are_pinned_by_their_program() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let bpffs = Bpffs::new().unwrap();
    let path = bpffs.join("filter");
    let mut ebpf = dropping();
    let id = attach(&netns, &mut ebpf, NlOptions::default());
    let link = program(&mut ebpf).take_link(id).unwrap();
    link.pin(&path).unwrap();
    drop(ebpf);
    assert_eq!(on_lo(&netns).len(), 1);
    let pinned = netns.run(|| PinnedLink::from_pin(&path)).unwrap();
    drop(pinned.unpin().unwrap());
    assert!(on_lo(&netns).is_empty());

    let mut ebpf = dropping();
    let id = attach(&netns, &mut ebpf, NlOptions::default());
    let link = program(&mut ebpf).take_link(id).unwrap();
    assert_eq!(link.keep().unwrap(), Kept::Persistent);
    drop(ebpf);
    assert_eq!(on_lo(&netns).len(), 1);
    netns
        .run(|| qdisc_detach_program("lo", TcAttachType::Ingress, "drop_all"))
        .unwrap();
    assert!(on_lo(&netns).is_empty());
    let error = netns
        .run(|| qdisc_detach_program("lo", TcAttachType::Ingress, "drop_all"))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn a_qdisc_is_made_once() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    netns.run(|| {
        qdisc_add_clsact("lo").unwrap();
        let error = qdisc_add_clsact("lo").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        let error = qdisc_add_clsact("nolink0").unwrap_err().to_string();
        assert!(
            error.contains("\"nolink0\"") && error.contains("lo"),
            "{error}"
        );
    });
}

#[test]
fn runs_without_a_packet() {
    require_bpf!();
    let ebpf = loaded(counting("classify", "classifier", TC_ACT_OK));
    let run = ebpf
        .program("classify")
        .unwrap()
        .test_run(&TestRunOptions::new().data(&[0; 64]).data_out(128).repeat(5))
        .unwrap();
    assert_eq!(run.return_value, 0);
    assert_eq!(run.data.len(), 64);
    assert_eq!(seen(&ebpf).0, 5);
}

#[test]
fn descriptors_do_not_leak() {
    require_bpf!();
    support::alone("descriptors_do_not_leak", || {
        let netns = Netns::new().unwrap();
        move || {
            let mut ebpf = dropping();
            for _ in 0..3 {
                attach(&netns, &mut ebpf, NlOptions::default());
            }
        }
    });
}
