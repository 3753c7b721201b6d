//! Packets that the two ends of a netkit pair send.

mod support;

use std::{net::Ipv4Addr, time::Duration};

use hachi::{
    links::LinkOrder,
    programs::{AttachOptions, Netkit, NetkitAttachType},
};
use hachi_test::{EchoServer, Netns, exercises, require_bpf, require_kernel, udp_request};
use support::{
    load,
    network::counting,
    tracing::{get, seen, watching},
};

const NETKIT_NEXT: i32 = -1;
const NETKIT_DROP: i32 = 2;

/// The name of the primary end; the kernel calls its peer `nk0`.
const PRIMARY: &str = "primary0";

const HERE: Ipv4Addr = Ipv4Addr::new(10, 79, 0, 1);
const THERE: Ipv4Addr = Ipv4Addr::new(10, 79, 0, 2);

/// Two namespaces with a netkit pair in between, the primary end in the first one; an error where
/// the kernel was built without.
fn pair() -> hachi_test::Result<(Netns, Netns)> {
    let (host, container) = (Netns::new()?, Netns::new()?);
    // The parameters of a pair are unknown to many an `ip`; those the kernel chooses do.
    host.ip(["link", "add", PRIMARY, "type", "netkit"])?;
    let path = container.path().display().to_string();
    host.ip(["link", "set", "nk0", "netns", &path])?;
    for (netns, interface, address) in [(&host, PRIMARY, HERE), (&container, "nk0", THERE)] {
        let address = format!("{address}/24");
        netns.ip(["address", "add", &address, "dev", interface])?;
        netns.ip(["link", "set", interface, "up"])?;
    }
    Ok((host, container))
}

#[test]
fn packets_of_both_ends_are_dropped() {
    require_bpf!();
    let sections = ["netkit/primary", "netkit/peer"];
    let _rows = sections.map(|section| exercises(section, "link"));
    require_kernel!("6.7", "netkit");
    let mut ebpf = load(watching(vec![
        counting("primary", sections[0], NETKIT_DROP),
        counting("peer", sections[1], NETKIT_DROP),
    ]));
    for name in ["primary", "peer"] {
        attempt!(get(&mut ebpf, name).load());
    }
    let (host, container) = match pair() {
        Ok(pair) => pair,
        Err(error) if error.to_string().contains("Unknown device type") => {
            hachi_test::skip!("this kernel was built without CONFIG_NETKIT")
        }
        Err(error) => panic!("{error}"),
    };
    let server = EchoServer::udp(&container, (THERE, 7000).into()).unwrap();
    let time = Duration::from_millis(300);
    let ask = || udp_request(&host, server.address(), b"hello", time);
    assert_eq!(ask().unwrap(), b"hello");
    for (name, end) in [
        ("primary", NetkitAttachType::Primary),
        ("peer", NetkitAttachType::Peer),
    ] {
        let before = seen(&ebpf).0;
        let program: &mut Netkit = get(&mut ebpf, name).try_into().unwrap();
        let id = host
            .run(|| program.attach(PRIMARY, end, LinkOrder::default()))
            .unwrap();
        ask().unwrap_err();
        assert!(seen(&ebpf).0 > before, "{name}");
        get(&mut ebpf, name).detach(id).unwrap();
        assert_eq!(ask().unwrap(), b"hello");
    }

    let mut next = load(watching(vec![counting("next", sections[0], NETKIT_NEXT)]));
    let options = AttachOptions::new().interface(PRIMARY);
    let all = host.run(|| next.attach_all(&options)).unwrap();
    assert!(all.attached[0].1.target.contains(PRIMARY));
    assert_eq!(ask().unwrap(), b"hello");
    assert!(seen(&next).0 >= 1);
}
