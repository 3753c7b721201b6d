//! Attachments and programs that are handed from owner to owner.

use std::{collections::HashSet, io::ErrorKind, path::Path};

use aya::{
    Ebpf, TestRun as _, TestRunOptions,
    programs::{
        Extension, KProbe, Link as _, LinkOrder, MultiProgLink as _, Program, ProgramError,
        SchedClassifier, SocketFilter, TcAttachType, TcError, TracePoint, Xdp, XdpMode,
        kprobe::KProbeLink,
        links::{FdLink, LinkError, LinkType, PinnedLink},
        loaded_programs,
        socket_filter::ReusePortSocketFilter,
        tc::{
            NlOptions, SchedClassifierLink, TcAttachOptions, TcHandle, qdisc_add_clsact,
            qdisc_detach_program,
        },
        xdp::{XdpAttachType, XdpLink},
    },
};
use hachi_test::{Bpffs, Netns, require_bpf};

use crate::{object, packet, xdp};

fn in_netns(test: impl FnOnce(&Netns) + Send) {
    let netns = Netns::new().unwrap();
    netns.run(|| test(&netns));
}

/// The loaded firewall, attached, and what attaches it; `None` where XDP has no `bpf_link`.
fn attached(ebpf: &mut Ebpf) -> Option<FdLink> {
    let program = xdp(ebpf, "firewall");
    program.load().unwrap();
    let id = program.attach("lo", XdpMode::Skb).unwrap();
    FdLink::try_from(program.take_link(id).unwrap()).ok()
}

#[test]
fn a_link_is_made_into_one_of_its_own_type_only() {
    require_bpf!();
    in_netns(|_| {
        let mut ebpf = Ebpf::load(&object("network")).unwrap();
        let Some(link) = attached(&mut ebpf) else {
            hachi_test::skip!("XDP has no links here");
        };
        assert_eq!(link.info().unwrap().link_type().unwrap(), LinkType::Xdp);
        assert_eq!(link, link);
        let ids = HashSet::from([link.id()]);
        assert!(ids.contains(&link.id()));
        let link = XdpLink::try_from(link).unwrap();
        let links = HashSet::from([link]);
        let link = links.into_iter().next().unwrap();

        let link = FdLink::try_from(link).unwrap();
        let wrong = KProbeLink::try_from(link);
        assert!(matches!(wrong, Err(LinkError::InvalidLink)), "{wrong:?}");
        // It is gone, and so is the attachment.
        let id = xdp(&mut ebpf, "firewall").attach("lo", XdpMode::Skb);
        xdp(&mut ebpf, "firewall").detach(id.unwrap()).unwrap();
    });
}

#[test]
fn a_pin_keeps_the_attachment_of_a_link_made_from_it() {
    require_bpf!();
    let bpffs = Bpffs::new().unwrap();
    let path = bpffs.join("link");
    in_netns(|_| {
        let mut ebpf = Ebpf::load(&object("network")).unwrap();
        let Some(link) = attached(&mut ebpf) else {
            hachi_test::skip!("XDP has no links here");
        };
        let pinned = link.pin(&path).unwrap();
        drop(FdLink::from(pinned));
        let busy = xdp(&mut ebpf, "firewall").attach("lo", XdpMode::Skb);
        assert!(
            matches!(busy, Err(ProgramError::SyscallError(_))),
            "{busy:?}"
        );
        let link = PinnedLink::from_pin(&path).unwrap().unpin().unwrap();
        assert!(!path.exists());
        link.detach().unwrap();
    });
}

#[test]
fn a_loaded_program_is_found_by_its_description() {
    require_bpf!();
    in_netns(|_| {
        let mut ebpf = Ebpf::load(&object("network")).unwrap();
        xdp(&mut ebpf, "firewall").load().unwrap();
        let id = xdp(&mut ebpf, "firewall").info().unwrap().id();
        let find = || {
            loaded_programs()
                .filter_map(Result::ok)
                .find(|info| info.id() == id)
                .expect("the firewall among the loaded programs")
        };
        let wrong = TracePoint::from_program_info(find(), "firewall".into());
        assert!(matches!(wrong, Err(ProgramError::UnexpectedProgramType)));

        let attach_type = XdpAttachType::Interface;
        let mut again = Xdp::from_program_info(find(), "again".into(), attach_type).unwrap();
        assert_eq!(again.info().unwrap().id(), id);
        assert!(again.load().is_err());
        let packet = packet();
        let result = again.test_run(TestRunOptions {
            data_in: Some(&packet),
            ..TestRunOptions::default()
        });
        assert_eq!(result.unwrap().return_value, 2);
        again.attach("lo", XdpMode::Skb).unwrap();
        // It stays loaded as long as one of the two has it.
        drop(ebpf);
        again.unload().unwrap();
        assert!(loaded_programs().all(|info| info.is_ok_and(|info| info.id() != id)));

        // SAFETY: nothing is done with it: it is of another type.
        let wrong = unsafe {
            KProbe::from_program_info(
                loaded_by_us("mark"),
                "mark".into(),
                aya::programs::ProbeKind::Entry,
            )
        };
        assert!(matches!(wrong, Err(ProgramError::UnexpectedProgramType)));
    });
}

/// The description of a program of the object, which stays loaded as long as it is held.
fn loaded_by_us(name: &str) -> aya::programs::ProgramInfo {
    let mut ebpf = Ebpf::load(&object("network")).unwrap();
    let program: &mut SchedClassifier = ebpf.program_mut(name).unwrap().try_into().unwrap();
    program.load().unwrap();
    let info = program.info().unwrap();
    // The descriptor in the description does not keep it; the object must.
    std::mem::forget(ebpf);
    info
}

#[test]
fn a_pinned_program_is_opened_as_its_type() {
    require_bpf!();
    let bpffs = Bpffs::new().unwrap();
    let path = bpffs.join("filter");
    let mut ebpf = Ebpf::load(&object("network")).unwrap();
    let filter: &mut SocketFilter = ebpf.program_mut("nothing").unwrap().try_into().unwrap();
    filter.load().unwrap();
    filter.pin(&path).unwrap();
    let chooser = ReusePortSocketFilter::from_pin(&path).unwrap();
    let packet = packet();
    let result = chooser.test_run(TestRunOptions {
        data_in: Some(&packet),
        ..TestRunOptions::default()
    });
    assert_eq!(result.unwrap().return_value, 0);
    let wrong = Extension::from_pin(&path);
    assert!(matches!(wrong, Err(ProgramError::UnexpectedProgramType)));
    assert!(Extension::from_pin(Path::new("/nowhere")).is_err());
    let info = chooser.info().unwrap();
    let mut again = ReusePortSocketFilter::from_program_info(info, "nothing".into()).unwrap();
    assert!(Program::ReusePortSocketFilter(chooser).fd().is_ok());
    again.unload().unwrap();
}

#[test]
fn a_filter_has_the_class_that_it_was_given() {
    require_bpf!();
    in_netns(|netns| {
        qdisc_add_clsact("lo").unwrap();
        let mut ebpf = Ebpf::load(&object("network")).unwrap();
        let program: &mut SchedClassifier = ebpf.program_mut("mark").unwrap().try_into().unwrap();
        program.load().unwrap();
        let handle = TcHandle::new(0, 7);
        let class = TcHandle::new(1, 0x10);
        let options = TcAttachOptions::Netlink(NlOptions {
            priority: 50,
            handle,
            classid: Some(class),
        });
        let id = program.attach_with_options("lo", TcAttachType::Egress, options);
        let link = program.take_link(id.unwrap()).unwrap();
        assert_eq!(link.attach_type().unwrap(), TcAttachType::Egress);
        assert_eq!(
            (link.priority().unwrap(), link.handle().unwrap()),
            (50, handle)
        );
        assert_eq!(link.classid().unwrap(), Some(class));
        assert!(matches!(link.fd(), Err(LinkError::InvalidLink)));
        assert!(LinkOrder::before_link(&link).is_err());
        let shown = || {
            let mut tc = netns.command("tc");
            let output = tc.args(["filter", "show", "dev", "lo", "egress"]).output();
            String::from_utf8(output.unwrap().stdout).unwrap()
        };
        assert!(shown().contains("flowid 1:10"), "{}", shown());

        // Somebody else's is taken over by its place, and ends with its new owner.
        std::mem::forget(link);
        let egress = TcAttachType::Egress;
        let missing = SchedClassifierLink::attached("lo", egress, 51, handle, None);
        assert_eq!(missing.unwrap_err().kind(), ErrorKind::NotFound);
        let link = SchedClassifierLink::attached("lo", egress, 50, handle, Some(class)).unwrap();
        assert_eq!(link.classid().unwrap(), Some(class));
        link.detach().unwrap();
        assert_eq!(shown(), "");

        // By name, no matter whose.
        let options = TcAttachOptions::Netlink(NlOptions::default());
        let program: &mut SchedClassifier = ebpf.program_mut("mark").unwrap().try_into().unwrap();
        let id = program.attach_with_options("lo", egress, options).unwrap();
        let link = program.take_link(id).unwrap();
        assert_eq!(link.classid().unwrap(), None);
        qdisc_detach_program("lo", egress, "mark").unwrap();
        assert_eq!(shown(), "");
        assert!(matches!(
            qdisc_detach_program("lo", egress, "mark"),
            Err(TcError::IoError(error)) if error.kind() == ErrorKind::NotFound
        ));
        drop(link);
    });
}
