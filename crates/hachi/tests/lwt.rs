//! Packets of routes.

mod support;

use hachi::programs::{AttachOptions, LwtIn, LwtOut, LwtSeg6Local, LwtXmit, TestRunOptions};
use hachi_test::{Bpffs, VethPair, exercises, require_bpf};
use support::{
    load,
    network::{counting, loaded},
    tracing::{seen, watching},
};

const BPF_OK: i32 = hachi::obj::uapi::bpf_ret_code::BPF_OK as i32;
const BPF_DROP: i32 = hachi::obj::uapi::bpf_ret_code::BPF_DROP as i32;

#[test]
fn routes_run_pinned_programs() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    let bpffs = Bpffs::new().unwrap();
    let host = &wire.right;
    let ping = || wire.left.ping(host.ipv4(), 1).unwrap();
    // What it answers goes by this route.
    let prefix = wire.left.ipv4().to_string();
    for (section, pinned) in [
        ("lwt_out", LwtOut::encap as fn(&std::path::Path) -> String),
        ("lwt_xmit", LwtXmit::encap),
    ] {
        let _row = exercises(section, "route");
        assert!(ping().all_answered(), "{section}");
        let mut ebpf = loaded(counting("drop", section, BPF_DROP));
        let all = ebpf.attach_all(&AttachOptions::new()).unwrap();
        assert!(
            all.left_out[0].1.to_string().contains("ip route add"),
            "{:?}",
            all.left_out
        );
        let path = bpffs.join(section);
        ebpf.program("drop").unwrap().pin(&path).unwrap();
        let encap = pinned(&path);
        let mut route = vec!["route", "add", &prefix];
        route.extend(encap.split(' '));
        route.extend(["dev", host.interface()]);
        host.netns().ip(&route).unwrap();
        assert!(ping().none_answered(), "{section}");
        assert!(seen(&ebpf).0 >= 1, "{section}");
        host.netns().ip(["route", "del", &prefix]).unwrap();
    }
    assert!(ping().all_answered());
}

#[test]
fn received_by_a_route() {
    require_bpf!();
    let _row = exercises("lwt_in", "route");
    let wire = VethPair::new().unwrap();
    let bpffs = Bpffs::new().unwrap();
    let host = &wire.right;
    let ebpf = loaded(counting("drop", "lwt_in", BPF_DROP));
    ebpf.program("drop").unwrap().pin(bpffs.join("in")).unwrap();
    // Another address of this host, told by a local route.
    let encap = LwtIn::encap(&bpffs.join("in"));
    let mut route = vec!["route", "add", "local", "10.78.0.1"];
    route.extend(encap.split(' '));
    route.extend(["dev", host.interface(), "table", "local"]);
    host.netns().ip(&route).unwrap();
    let towards = ["route", "add", "10.78.0.1", "dev", wire.left.interface()];
    wire.left.netns().ip(towards).unwrap();
    // The link address of the new one is that of the old.
    let mac = host.mac().map(|byte| format!("{byte:02x}")).join(":");
    let neighbour = ["neighbour", "replace", "10.78.0.1", "lladdr", &mac];
    let device = ["dev", wire.left.interface()];
    wire.left
        .netns()
        .ip(neighbour.iter().chain(&device))
        .unwrap();
    let target = std::net::Ipv4Addr::new(10, 78, 0, 1);
    assert!(wire.left.ping(target, 1).unwrap().none_answered());
    assert!(seen(&ebpf).0 >= 1);
}

#[test]
fn endpoints_of_segment_routing() {
    require_bpf!();
    let _row = exercises("lwt_seg6local", "route");
    let wire = VethPair::new().unwrap();
    let bpffs = Bpffs::new().unwrap();
    let (left, right) = (&wire.left, &wire.right);
    let ebpf = loaded(counting("end", "lwt_seg6local", BPF_DROP));
    ebpf.program("end").unwrap().pin(bpffs.join("end")).unwrap();
    right.netns().run(|| {
        for interface in ["all", right.interface()] {
            let directory = format!("/proc/sys/net/ipv6/conf/{interface}");
            std::fs::write(format!("{directory}/seg6_enabled"), "1").unwrap();
            std::fs::write(format!("{directory}/forwarding"), "1").unwrap();
        }
    });
    // The first segment ends where the program is; there is one more, as is required.
    let encap = LwtSeg6Local::encap(&bpffs.join("end"));
    let mut route = vec!["-6", "route", "add", "fd78::1/128"];
    route.extend(encap.split(' '));
    route.extend(["dev", right.interface()]);
    right.netns().ip(&route).unwrap();
    let via = right.ipv6().to_string();
    let dev = left.interface();
    left.netns()
        .ip(["-6", "route", "add", "fd78::1/128", "via", &via, "dev", dev])
        .unwrap();
    let mut route = vec!["-6", "route", "add", "fd79::1/128", "encap", "seg6"];
    route.extend(["mode", "encap", "segs", "fd78::1,fd78::2", "dev", dev]);
    left.netns().ip(&route).unwrap();
    let target: std::net::Ipv6Addr = "fd79::1".parse().unwrap();
    assert!(left.ping(target, 1).unwrap().none_answered());
    assert!(seen(&ebpf).0 >= 1);
}

#[test]
fn run_without_a_packet() {
    require_bpf!();
    for section in ["lwt_in", "lwt_out", "lwt_xmit", "lwt_seg6local"] {
        let mut ebpf = load(watching(vec![counting("run", section, BPF_OK)]));
        let program = ebpf.program_mut("run").unwrap();
        program.load().unwrap();
        let run = program.test_run(&TestRunOptions::new().data(&[0x45; 64]));
        // Newer kernels cannot run this one.
        if section == "lwt_seg6local"
            && let Err(error) = &run
        {
            let error = error.to_string();
            assert!(error.contains("cannot test-run"), "{error}");
            continue;
        }
        assert_eq!(run.unwrap().return_value, 0, "{section}");
        assert_eq!(seen(&ebpf).0, 1, "{section}");
    }
}
