//! Where packets and sockets are sent to.

use std::{
    net::{TcpListener, TcpStream, UdpSocket},
    os::fd::{AsFd, AsRawFd as _},
};

use hachi::{
    Ebpf,
    maps::{
        CpuMap, DevMap, DevMapHash, ElementFlags, Map, MapData, MapError, MapType,
        ReusePortSockArray, SockHash, SockMap, XskMap,
    },
    obj::{Insn, MapSpec, ProgramSpec},
    programs::{TestRunOptions, Xdp, XdpFlags},
};
use hachi_asm::build;
use hachi_test::{VethPair, exercises, require_bpf};

use crate::{
    attempt,
    support::{
        XDP_PASS, load, map_address,
        network::counting,
        program, spec,
        tracing::{SEEN, seen},
        verdict,
    },
};

const XDP_REDIRECT: u32 = hachi::obj::uapi::xdp_action::XDP_REDIRECT;

/// Redirects to element `key` of `map`, passes the packet if there is none.
fn redirector(map: &str, key: i32) -> ProgramSpec {
    const REDIRECT_MAP: u32 = hachi_asm::helpers::id::REDIRECT_MAP;
    let mut insns: Vec<Insn> = map_address(1).into();
    insns.extend([
        build::mov_imm(2, key),
        build::mov_imm(3, XDP_PASS),
        build::call_helper(REDIRECT_MAP),
        build::exit(),
    ]);
    program("redirect", "xdp", insns, &[(0, map)])
}

fn object(kind: MapType, value: u32, key: i32) -> Ebpf {
    let map = MapSpec::new("M", kind, 4, value, 4);
    let runs_there = match kind {
        MapType::Cpumap => "xdp/cpumap",
        _ => "xdp/devmap",
    };
    let mut there = verdict("there", XDP_PASS);
    let (def, _) = hachi::obj::sections::lookup(runs_there).unwrap();
    there.section = runs_there.to_owned();
    there.section_def = Some(def);
    there.attach_type = def.attach_type;
    let mut ebpf = load(spec(vec![map], vec![redirector("M", key), there]));
    ebpf.program_mut("redirect").unwrap().load().unwrap();
    ebpf
}

fn run(ebpf: &Ebpf) -> u32 {
    let program: &Xdp = ebpf.program("redirect").unwrap().try_into().unwrap();
    let options = TestRunOptions::new().data(&[0; 64]);
    program.test_run(&options).unwrap().return_value
}

fn take(ebpf: &mut Ebpf) -> Map {
    ebpf.take_map("M").unwrap()
}

const LOOPBACK: u32 = 1;

#[test]
fn interfaces() {
    require_bpf!();
    let mut ebpf = object(MapType::Devmap, 4, 2);
    let mut map = DevMap::try_from(take(&mut ebpf)).unwrap();
    assert_eq!(run(&ebpf), XDP_PASS as u32);
    map.set(2, LOOPBACK, None, 0).unwrap();
    assert_eq!(run(&ebpf), XDP_REDIRECT);
    let found: Vec<_> = map.iter().map(Result::unwrap).collect();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].0, found[0].1.if_index), (2, LOOPBACK));
    map.clear_index(2).unwrap();
    assert_eq!(run(&ebpf), XDP_PASS as u32);
    assert!(matches!(map.get(2, 0), Err(MapError::KeyNotFound { .. })));
    assert!(map.set(0, u32::MAX, None, 0).is_err(), "no such interface");

    let mut ebpf = object(MapType::DevmapHash, 4, 77);
    let mut map = DevMapHash::try_from(take(&mut ebpf)).unwrap();
    map.insert(77, LOOPBACK, None, 0).unwrap();
    assert_eq!(run(&ebpf), XDP_REDIRECT);
    assert_eq!(map.keys().map(Result::unwrap).collect::<Vec<_>>(), [77]);
    map.remove(77).unwrap();
    assert_eq!(run(&ebpf), XDP_PASS as u32);
}

#[test]
fn interfaces_with_programs() {
    require_bpf!();
    let mut ebpf = object(MapType::Devmap, 8, 1);
    ebpf.program_mut("there").unwrap().load().unwrap();
    let mut map = DevMap::try_from(take(&mut ebpf)).unwrap();
    let there: &Xdp = ebpf.program("there").unwrap().try_into().unwrap();
    map.set(1, LOOPBACK, Some(there.fd().unwrap()), 0).unwrap();
    let id = there.info().unwrap().id();
    assert_eq!(map.get(1, 0).unwrap().prog_id.map(Into::into), Some(id));
    map.set(1, LOOPBACK, None, 0).unwrap();
    assert_eq!(map.get(1, 0).unwrap().prog_id, None);
    assert_eq!(run(&ebpf), XDP_REDIRECT);

    let small = MapData::from_spec(&MapSpec::new("M", MapType::Devmap, 4, 4, 1)).unwrap();
    let error = DevMap::try_from(small)
        .unwrap()
        .set(0, LOOPBACK, Some(there.fd().unwrap()), 0)
        .unwrap_err();
    assert!(
        error.to_string().contains("have no room for a program"),
        "{error}"
    );
}

#[test]
fn cpus() {
    require_bpf!();
    let mut ebpf = object(MapType::Cpumap, 4, 0);
    let mut map = CpuMap::try_from(take(&mut ebpf)).unwrap();
    assert_eq!(run(&ebpf), XDP_PASS as u32);
    map.set(0, 64, None, 0).unwrap();
    assert_eq!(run(&ebpf), XDP_REDIRECT);
    assert_eq!(map.get(0, 0).unwrap().queue_size, 64);
    map.clear_index(0).unwrap();
    assert_eq!(run(&ebpf), XDP_PASS as u32);
}

/// Packets arrive, are redirected, and run the program that the map's element names.
#[test]
fn programs_of_elements_see_packets() {
    require_bpf!();
    for (section, element) in [
        ("xdp", "xdp/devmap"),
        ("xdp", "xdp/cpumap"),
        ("xdp.frags", "xdp.frags/devmap"),
        ("xdp.frags", "xdp.frags/cpumap"),
    ] {
        let _row = exercises(element, "map");
        let wire = VethPair::new().unwrap();
        let host = &wire.right;
        // A cable takes redirected packets if there is a program at its other end.
        let mut other = load(crate::support::one("pass", XDP_PASS));
        let pass = crate::support::xdp(&mut other, "pass");
        let left = &wire.left;
        left.netns()
            .run(|| pass.attach(left.interface(), XdpFlags::DRV_MODE))
            .unwrap();
        let kind = match element.ends_with("devmap") {
            true => MapType::Devmap,
            false => MapType::Cpumap,
        };
        let maps = vec![
            MapSpec::new(SEEN, MapType::Array, 4, 8, 2),
            MapSpec::new("M", kind, 4, 8, 1),
        ];
        let mut first = redirector("M", 0);
        first.section = section.to_owned();
        first.frags = section.ends_with("frags");
        let programs = vec![first, counting("there", element, XDP_PASS)];
        let mut ebpf = load(spec(maps, programs));
        for name in ["there", "redirect"] {
            attempt!(ebpf.program_mut(name).unwrap().load());
        }
        let there: &Xdp = ebpf.program("there").unwrap().try_into().unwrap();
        let there = there.fd().unwrap().clone();
        let map = take(&mut ebpf);
        match kind {
            // Back to where it came from.
            MapType::Devmap => host.netns().run(|| {
                let mut map = DevMap::try_from(map).unwrap();
                map.set(0, host.index(), Some(&there), 0).unwrap();
            }),
            _ => {
                let mut map = CpuMap::try_from(map).unwrap();
                map.set(0, 64, Some(&there), 0).unwrap();
            }
        }
        let redirect: &mut Xdp = ebpf.program_mut("redirect").unwrap().try_into().unwrap();
        host.netns()
            .run(|| redirect.attach(host.interface(), XdpFlags::DRV_MODE))
            .unwrap();
        let ping = left.ping(host.ipv4(), 3).unwrap();
        assert_eq!(ping.all_answered(), kind == MapType::Cpumap, "{element}");
        assert!(seen(&ebpf).0 >= 3, "{element}");
    }
}

#[test]
fn xdp_sockets() {
    require_bpf!();
    let spec = MapSpec::new("M", MapType::Xskmap, 4, 4, 2);
    let mut map = XskMap::try_from(MapData::from_spec(&spec).unwrap()).unwrap();
    let udp = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    assert!(map.set(0, &udp, 0).is_err(), "not an AF_XDP socket");
    assert_eq!(
        map.indices().map(Result::unwrap).collect::<Vec<_>>(),
        [0, 1]
    );
}

/// The number the kernel gives a socket, for good.
fn cookie(socket: impl AsFd) -> u64 {
    let mut cookie = 0u64;
    let mut len = size_of::<u64>() as libc::socklen_t;
    // SAFETY: the option's value is a u64, whose place and size are given.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_COOKIE,
            std::ptr::from_mut(&mut cookie).cast(),
            &mut len,
        )
    };
    assert_eq!(result, 0);
    cookie
}

fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

#[test]
fn sockets_by_index() {
    require_bpf!();
    let spec = MapSpec::new("M", MapType::Sockmap, 4, 8, 4);
    let mut map = SockMap::try_from(MapData::from_spec(&spec).unwrap()).unwrap();
    let (client, server) = connection();
    map.set(3, &client, ElementFlags::NO_EXIST).unwrap();
    assert!(map.set(3, &server, ElementFlags::NO_EXIST).is_err());
    assert_eq!(map.cookie(3).unwrap(), Some(cookie(&client)));
    assert_eq!(map.cookie(0).unwrap(), None);
    map.set(0, &server, 0).unwrap();
    drop(client);
    assert_eq!(map.cookie(3).unwrap(), None, "leaves when it is closed");
    map.clear_index(&0).unwrap();
    assert!(map.clear_index(&0).is_err());
    assert!(matches!(
        map.set(4, &server, 0),
        Err(MapError::OutOfBounds { .. })
    ));
    assert_eq!(map.indices().count(), 4);
}

#[test]
fn sockets_by_key() {
    require_bpf!();
    let spec = MapSpec::new("M", MapType::Sockhash, 6, 8, 4);
    let data = MapData::from_spec(&spec).unwrap();
    let mut map: SockHash<_, [u16; 3]> = data.try_into().unwrap();
    let (client, server) = connection();
    map.insert([1, 2, 3], &client, 0).unwrap();
    map.insert([4, 5, 6], &server, 0).unwrap();
    assert_eq!(map.cookie(&[4, 5, 6]).unwrap(), Some(cookie(&server)));
    let mut keys: Vec<_> = map.keys().map(Result::unwrap).collect();
    keys.sort_unstable();
    assert_eq!(keys, [[1, 2, 3], [4, 5, 6]]);
    map.remove(&[1, 2, 3]).unwrap();
    assert!(matches!(
        map.remove(&[1, 2, 3]),
        Err(MapError::KeyNotFound { .. })
    ));
    // Where values are descriptors alone, nothing can be read back.
    let small = MapData::from_spec(&MapSpec::new("M", MapType::Sockhash, 4, 4, 4)).unwrap();
    let mut small: SockHash<_, u32> = small.try_into().unwrap();
    small.insert(1, &server, 0).unwrap();
    assert!(small.cookie(&1).is_err());
    assert_eq!(small.keys().map(Result::unwrap).collect::<Vec<_>>(), [1]);
}

#[test]
fn sockets_that_share_an_address() {
    require_bpf!();
    let spec = MapSpec::new("M", MapType::ReuseportSockarray, 4, 8, 4);
    let mut map = ReusePortSockArray::try_from(MapData::from_spec(&spec).unwrap()).unwrap();
    let alone = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    assert!(map.set(0, &alone, 0).is_err(), "without SO_REUSEPORT");
    let shared = reuse_port();
    map.set(1, &shared, 0).unwrap();
    assert_eq!(map.cookie(1).unwrap(), Some(cookie(&shared)));
    map.clear_index(&1).unwrap();
    assert_eq!(map.cookie(1).unwrap(), None);
}

/// A bound UDP socket with SO_REUSEPORT.
fn reuse_port() -> UdpSocket {
    use std::os::fd::FromRawFd as _;
    let on: libc::c_int = 1;
    // SAFETY: plain calls; the option and the address are live and their sizes given, and the
    // socket is nobody else's.
    unsafe {
        let fd = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        let socket = UdpSocket::from_raw_fd(fd);
        let set = libc::setsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_REUSEPORT,
            std::ptr::from_ref(&on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        );
        assert_eq!(set, 0);
        let mut address: libc::sockaddr_in = std::mem::zeroed();
        address.sin_family = libc::AF_INET as libc::sa_family_t;
        address.sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 1]);
        let bound = libc::bind(
            fd,
            std::ptr::from_ref(&address).cast(),
            size_of::<libc::sockaddr_in>() as libc::socklen_t,
        );
        assert_eq!(bound, 0);
        socket
    }
}
