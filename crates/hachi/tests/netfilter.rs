//! Programs at the hooks of netfilter.

mod support;

use hachi::links::{Needed, NoTarget};
use hachi::programs::{
    AttachOptions, Netfilter, NetfilterFamily, NetfilterHook, NetfilterPoint, TestRunOptions,
};
use hachi_test::{VethPair, exercises, require_bpf};
use support::{
    load,
    network::counting,
    tracing::{get, seen, watching},
};

const NF_DROP: i32 = 0;
const NF_ACCEPT: i32 = 1;

#[test]
fn drops_real_packets_of_one_protocol() {
    require_bpf!();
    let _row = exercises("netfilter", "link");
    let wire = VethPair::new().unwrap();
    let host = wire.right.netns();
    let mut ebpf = load(watching(vec![counting("drop", "netfilter", NF_DROP)]));
    attempt!(get(&mut ebpf, "drop").load());
    let all = ebpf.attach_all(&AttachOptions::new()).unwrap();
    assert_eq!(all.left_out[0].1, NoTarget::Needs(Needed::NetfilterHook));
    let ping = || wire.left.ping(wire.right.ipv4(), 1).unwrap();
    for (runs, point) in [
        (1, NetfilterPoint::LocalIn),
        (2, NetfilterPoint::PreRouting),
    ] {
        assert!(ping().all_answered());
        let hook = NetfilterHook::new(NetfilterFamily::Ipv4, point, -128);
        let program = typed!(ebpf, "drop", Netfilter);
        let id = host.run(|| program.attach(hook)).unwrap();
        assert!(ping().none_answered(), "{point:?}");
        assert!(wire.left.ping(wire.right.ipv6(), 1).unwrap().all_answered());
        assert!(seen(&ebpf).0 >= runs);
        // One program for each priority.
        let program = typed!(ebpf, "drop", Netfilter);
        let error = host.run(|| program.attach(hook)).unwrap_err().to_string();
        assert!(
            error.contains("priority -128") && error.contains("another priority"),
            "{error}"
        );
        program.detach(id).unwrap();
    }
    assert!(ping().all_answered());
}

#[test]
fn fragments_are_put_together() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    let host = wire.right.netns();
    let mut ebpf = load(watching(vec![counting("count", "netfilter", NF_ACCEPT)]));
    attempt!(get(&mut ebpf, "count").load());
    let program = typed!(ebpf, "count", Netfilter);
    let point = NetfilterPoint::PreRouting;
    let mut hook = NetfilterHook::new(NetfilterFamily::Ipv4, point, 0);
    hook.defragment = true;
    match host.run(|| program.attach(hook)) {
        Err(error) if error.to_string().contains("CONFIG_NF_DEFRAG_IPV4") => {
            hachi_test::skip!("{error}")
        }
        result => drop(attempt!(result)),
    }
    let address = wire.right.ipv4().to_string();
    let big = wire
        .left
        .netns()
        .command("ping")
        .args(["-c", "1", "-W", "2", "-s", "4000", &address])
        .output()
        .unwrap();
    assert!(big.status.success(), "{big:?}");
    assert_eq!(seen(&ebpf).0, 1, "one packet of several fragments");
    hook.priority = -400;
    let program = typed!(ebpf, "count", Netfilter);
    let error = host.run(|| program.attach(hook)).unwrap_err().to_string();
    assert!(error.contains("above -400"), "{error}");
}

#[test]
fn runs_without_a_packet() {
    require_bpf!();
    let mut ebpf = load(watching(vec![counting("count", "netfilter", NF_ACCEPT)]));
    attempt!(get(&mut ebpf, "count").load());
    // An IPv4 header: version and length first.
    let mut data = [0; 64];
    data[0] = 0x45;
    let run = ebpf
        .program("count")
        .unwrap()
        .test_run(&TestRunOptions::new().data(&data));
    assert_eq!(run.unwrap().return_value, NF_ACCEPT as u32);
    assert_eq!(seen(&ebpf).0, 1);
}
