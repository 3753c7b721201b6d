//! Classifiers in an interface's ordered list.

mod support;

use hachi::{
    Ebpf,
    links::{Attachments, LinkInfo, OwnedLink},
    programs::{
        AttachOptions, AttachType, LinkOrder, SchedClassifier, TcAttachOptions, TcAttachType,
    },
};
use hachi_test::{Netns, VethPair, exercises, require_bpf};
use support::{
    load,
    network::{TC_ACT_OK, TC_ACT_SHOT, TCX_NEXT, counting, loaded},
    tracing::{get, seen, watching},
};

fn next() -> Ebpf {
    loaded(counting("next", "tcx/ingress", TCX_NEXT))
}

fn program(ebpf: &mut Ebpf) -> &mut SchedClassifier {
    typed!(ebpf, "next", SchedClassifier)
}

fn info(link: &OwnedLink) -> LinkInfo {
    match link {
        OwnedLink::Fd(link) => link.info().unwrap(),
        other => panic!("a bpf_link is expected: {other:?}"),
    }
}

/// Attaches to the loopback interface of `netns` and hands over the link; the second value is the
/// program's id.
fn attach(
    netns: &Netns,
    order: LinkOrder,
) -> Result<(OwnedLink, u32), hachi::programs::ProgramError> {
    let mut ebpf = next();
    let program = program(&mut ebpf);
    let options = TcAttachOptions::TcxOrder(order);
    let id = netns.run(|| program.attach_with_options("lo", TcAttachType::Ingress, options))?;
    Ok((program.take_link(id)?, program.info()?.id()))
}

fn on_lo(netns: &Netns) -> (u64, Vec<u32>) {
    let (revision, programs) = netns
        .run(|| SchedClassifier::query_tcx("lo", TcAttachType::Ingress))
        .unwrap();
    (revision, programs.iter().map(|info| info.id()).collect())
}

#[test]
fn drops_real_packets_and_passes_them_on() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    let host = &wire.right;
    let ping = || wire.left.ping(wire.right.ipv4(), 1).unwrap();
    let programs = vec![
        counting("first", "tcx/ingress", TCX_NEXT),
        counting("second", "tc/ingress", TC_ACT_SHOT),
    ];
    let mut ebpf = load(watching(programs));
    let options = AttachOptions::new().interface(host.interface());
    let all = host.netns().run(|| ebpf.attach_all(&options)).unwrap();
    assert_eq!(all.attached.len(), 2);
    assert!(all.attached[0].1.target.starts_with("ingress of interface"));
    assert!(ping().none_answered());
    assert!(seen(&ebpf).0 >= 2, "both ran");
    let (_, second) = &all.attached[1];
    get(&mut ebpf, "second").detach(second.link).unwrap();
    assert!(ping().all_answered());

    // One that accepts a packet ends the list.
    let mut last = loaded(counting("accept", "tcx/ingress", TC_ACT_OK));
    let accept = typed!(last, "accept", SchedClassifier);
    let first = LinkOrder::first();
    let options = TcAttachOptions::TcxOrder(first);
    if hachi_test::kernel_is_older_than("6.6") {
        return;
    }
    host.netns()
        .run(|| accept.attach_with_options(host.interface(), TcAttachType::Ingress, options))
        .unwrap();
    let before = seen(&ebpf).0;
    assert!(ping().all_answered());
    assert!(seen(&last).0 >= 1);
    assert_eq!(seen(&ebpf).0, before);
}

#[test]
fn both_directions_by_section() {
    require_bpf!();
    let sections = ["tcx/ingress", "tcx/egress", "tc/ingress", "tc/egress"];
    let _rows = sections.map(|section| exercises(section, "link"));
    let wire = VethPair::new().unwrap();
    let host = &wire.right;
    let ping = || wire.left.ping(wire.right.ipv4(), 1).unwrap();
    let options = AttachOptions::new().interface(host.interface());
    for section in sections {
        assert!(ping().all_answered());
        let mut ebpf = loaded(counting("drop", section, TC_ACT_SHOT));
        let all = attempt!(host.netns().run(|| ebpf.attach_all(&options)));
        let direction = section.split('/').next_back().unwrap();
        assert!(all.attached[0].1.target.starts_with(direction));
        assert!(ping().none_answered(), "{section}");
        assert!(seen(&ebpf).0 >= 1, "{section}");
    }
    assert!(ping().all_answered());
}

#[test]
fn order_is_chosen() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let (middle, b) = attempt!(attach(&netns, LinkOrder::last()));
    let (_end, d) = attempt!(attach(&netns, LinkOrder::default()));
    let (_start, a) = attempt!(attach(&netns, LinkOrder::first()));
    assert_eq!(on_lo(&netns).1, [a, b, d]);
    let after = LinkOrder::after_link(&middle).unwrap();
    let (_c, c) = attempt!(attach(&netns, after));
    assert_eq!(on_lo(&netns).1, [a, b, c, d]);
    let (_e, e) = attempt!(attach(&netns, LinkOrder::before_program_id(d)));
    let (_f, f) = attempt!(attach(&netns, LinkOrder::after_program_id(d)));
    let before = LinkOrder::before_link_id(info(&middle).id());
    let (_g, g) = attempt!(attach(&netns, before));
    assert_eq!(on_lo(&netns).1, [a, g, b, c, e, d, f]);

    let found = netns
        .run(|| Attachments::on_interface("lo", AttachType::TcxIngress))
        .unwrap();
    assert_eq!(found.mode, None);
    assert_eq!(found.programs[2].link_id, Some(info(&middle).id()));
    assert_eq!(info(&middle).type_name(), "tcx");
    assert_eq!(middle.if_index(), Some(1));
}

#[test]
fn an_unexpected_revision_is_refused() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let (_one, _) = attempt!(attach(&netns, LinkOrder::last()));
    let (revision, _) = on_lo(&netns);
    let (_two, _) = attempt!(attach(&netns, LinkOrder::first().expecting(revision)));
    let error = attach(&netns, LinkOrder::first().expecting(revision))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("ESTALE") && error.contains("revision"),
        "{error}"
    );
    let error = attach(&netns, LinkOrder::before_program_id(u32::MAX >> 1))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("interface \"lo\"") && error.contains("ENOENT"),
        "{error}"
    );
}

#[test]
fn links_change_their_program() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let (mut link, old) = attempt!(attach(&netns, LinkOrder::last()));
    let (mut other, mut third) = (next(), next());
    let (new, last) = (program(&mut other), program(&mut third));
    link.update(new.fd().unwrap()).unwrap();
    let id = new.info().unwrap().id();
    assert_ne!(id, old);
    assert_eq!(on_lo(&netns).1, [id]);
    // Only from the program that is there.
    let (new, last) = (new.fd().unwrap().clone(), last.fd().unwrap().clone());
    let error = link.replace(&last, &new).unwrap_err().to_string();
    assert!(error.contains("another program"), "{error}");
    link.replace(&new, &last).unwrap();
    assert_eq!(
        info(&link).program_id(),
        program(&mut third).info().unwrap().id()
    );
    let program = program(&mut third);
    program.attach_to_link(link).unwrap();
    drop((other, third));
    assert!(on_lo(&netns).1.is_empty());
}

#[test]
fn one_program_is_attached_once() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let mut ebpf = next();
    let program = program(&mut ebpf);
    let options = TcAttachOptions::TcxOrder(LinkOrder::last());
    let attach = |program: &mut SchedClassifier| {
        program.attach_with_options("lo", TcAttachType::Ingress, options)
    };
    let first = netns.run(|| attach(program));
    attempt!(first);
    let error = netns.run(|| attach(program)).unwrap_err().to_string();
    assert!(
        error.contains("EEXIST") && error.contains("attached there already"),
        "{error}"
    );
    let error = netns
        .run(|| program.attach("nolink0", TcAttachType::Egress))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("no network interface \"nolink0\""),
        "{error}"
    );
    let error = netns
        .run(|| program.attach_with_options("lo", TcAttachType::Custom(1 << 16), options))
        .unwrap_err()
        .to_string();
    assert!(error.contains("parent 1:0"), "{error}");
}
