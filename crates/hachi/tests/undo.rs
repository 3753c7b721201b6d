//! What is undone when something is dropped: one's own, not what another loader has put in its
//! place; and by the process that made it, not by a child that has a copy.

mod support;

use std::{
    net::{TcpListener, UdpSocket},
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    time::{Duration, Instant},
};

use hachi::{
    Ebpf,
    links::{Attachments, LinkError, OwnedLink, XdpAttachment, xdp_attachments},
    maps::{PerfEventArray, RingBuf},
    obj::{AttachType, MapSpec, MapType, Spec},
    pin::PinError,
    programs::{
        CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, NlOptions, SchedClassifier, SkMsg,
        SkReuseport, SocketFilter, TcAttachOptions, TcAttachType, TestRunOptions, Xdp, XdpFlags,
    },
};
use hachi_test::{Bpffs, Cgroup, Netns, TempDir, require_bpf};
use support::{
    load,
    network::{counting, loaded, open},
    one, sender,
    tracing::{seen, watching},
    xdp,
};

/// Attaches by netlink.
const NETLINK: XdpFlags = XdpFlags::SKB_MODE.union(XdpFlags::REPLACE);

/// Gives a copy of `value` to a child, which drops it and ends.
fn dropped_in_a_child<T>(value: T) -> T {
    // SAFETY: the child drops a value that no other thread uses, and ends.
    match unsafe { libc::fork() } {
        0 => {
            drop(value);
            // SAFETY: ends the process.
            unsafe { libc::_exit(0) }
        }
        child => {
            let mut status = 0;
            // SAFETY: the status is a live int.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            assert_eq!(status, 0);
            value
        }
    }
}

fn on_lo(netns: &Netns) -> Vec<XdpAttachment> {
    netns.run(|| xdp_attachments().unwrap())
}

fn ids_on_lo(netns: &Netns) -> Vec<u32> {
    on_lo(netns).iter().map(|there| there.program_id).collect()
}

fn xdp_link(netns: &Netns, flags: XdpFlags) -> (u32, OwnedLink) {
    let mut ebpf = load(one("pass", support::XDP_PASS));
    let program = xdp(&mut ebpf, "pass");
    let id = netns.run(|| program.attach("lo", flags)).unwrap();
    let link = program.take_link(id).unwrap();
    (program.info().unwrap().id(), link)
}

#[test]
fn an_xdp_program_that_took_the_place_stays() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let (_, mut first) = xdp_link(&netns, NETLINK);
    let listed = on_lo(&netns).remove(0);
    let (second_id, second) = xdp_link(&netns, NETLINK);
    let mut third = load(one("pass", support::XDP_PASS));
    let third = xdp(&mut third, "pass");
    first.update(third.fd().unwrap()).unwrap_err();
    assert!(matches!(
        netns.run(|| listed.detach()),
        Err(LinkError::Replaced)
    ));
    drop(first);
    assert_eq!(ids_on_lo(&netns), [second_id]);
    drop(second);
    assert_eq!(ids_on_lo(&netns), []);
}

fn classifier(name: &str) -> Ebpf {
    loaded(counting(name, "classifier", 0))
}

fn filter(netns: &Netns, ebpf: &mut Ebpf, name: &str) -> OwnedLink {
    let program: &mut SchedClassifier = ebpf.program_mut(name).unwrap().try_into().unwrap();
    let options = TcAttachOptions::Netlink(NlOptions::new(7, 3));
    let id = netns
        .run(|| program.attach_with_options("lo", TcAttachType::Ingress, options))
        .unwrap();
    program.take_link(id).unwrap()
}

fn filters(netns: &Netns) -> String {
    let mut tc = netns.command("tc");
    let output = tc.args(["filter", "show", "dev", "lo", "ingress"]).output();
    String::from_utf8(output.unwrap().stdout).unwrap()
}

#[test]
fn a_filter_that_took_the_place_stays() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let bpffs = Bpffs::new().unwrap();
    let (mut ours, mut theirs) = (classifier("ours"), classifier("theirs"));
    let mut first = filter(&netns, &mut ours, "ours");
    let listed = netns
        .run(|| hachi::links::tc_filters("lo", TcAttachType::Ingress))
        .unwrap();
    // Another loader removes the filter, and makes one of the same priority and handle.
    ours.program("ours").unwrap().pin(bpffs.join("p")).unwrap();
    netns.run(|| listed[0].detach()).unwrap();
    let second = filter(&netns, &mut theirs, "theirs");
    let ours: &SchedClassifier = ours.program("ours").unwrap().try_into().unwrap();
    let result = first.update(ours.fd().unwrap());
    assert!(matches!(result, Err(LinkError::Replaced)), "{result:?}");
    let result = netns.run(|| listed[0].detach());
    assert!(matches!(result, Err(LinkError::Replaced)), "{result:?}");
    drop(first);
    assert!(filters(&netns).contains("theirs"), "{}", filters(&netns));
    drop(second);
    assert!(!filters(&netns).contains("theirs"));
}

/// Filters of other protocols and chains are as much others as those of other priorities.
#[test]
fn a_filter_of_another_chain_stays() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let bpffs = Bpffs::new().unwrap();
    let mut ours = classifier("ours");
    let first = filter(&netns, &mut ours, "ours");
    ours.program("ours").unwrap().pin(bpffs.join("p")).unwrap();
    let pinned = bpffs.join("p");
    let add = |chain: &str, protocol: &str| {
        let mut tc = netns.command("tc");
        tc.args(["filter", "add", "dev", "lo", "ingress", "chain", chain]);
        tc.args([
            "protocol", protocol, "prio", "7", "handle", "3", "bpf", "da",
        ]);
        let output = tc.arg("object-pinned").arg(&pinned).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
    };
    add("5", "ip");
    drop(first);
    let left = filters(&netns);
    assert!(
        left.contains("chain 5") && !left.contains("chain 0"),
        "{left}"
    );
    // That one can be taken away as well, by its chain and protocol.
    let listed = netns
        .run(|| hachi::links::tc_filters("lo", TcAttachType::Ingress))
        .unwrap();
    assert_eq!(listed.len(), 1);
    netns.run(|| listed[0].detach()).unwrap();
    assert!(
        !filters(&netns).contains("handle 0x3"),
        "{}",
        filters(&netns)
    );
}

/// Each filter is asked for alone: with 800 in the chain, detaching one costs about what it does
/// with 50, not 16 times as much.
#[test]
fn detaching_a_filter_does_not_list_the_others() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let mut ebpf = classifier("one");
    let program: &mut SchedClassifier = ebpf.program_mut("one").unwrap().try_into().unwrap();
    let mut time_to_detach_one_of = |count: u32| {
        let mut attach = |handle| {
            let options = TcAttachOptions::Netlink(NlOptions::new(1, handle));
            let id = netns
                .run(|| program.attach_with_options("lo", TcAttachType::Ingress, options))
                .unwrap();
            program.take_link(id).unwrap()
        };
        let links: Vec<OwnedLink> = (1..=count).map(&mut attach).collect();
        let before = thread_time();
        drop(links);
        (thread_time() - before) / count
    };
    let few = time_to_detach_one_of(50);
    let many = time_to_detach_one_of(800);
    assert!(many < few * 5, "{few:?} of 50, {many:?} of 800");
}

/// The time that this thread has run, in the kernel, too.
fn thread_time() -> Duration {
    // SAFETY: all zeros is a valid value of the plain C struct, and the pointer is to it.
    let time = unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time);
        time
    };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[test]
fn a_program_of_a_cgroup_that_took_the_place_stays() {
    require_bpf!();
    let cgroup = Cgroup::new().unwrap();
    let object = || loaded(counting("decide", "cgroup/skb", 1));
    let (mut ours, mut theirs) = (object(), object());
    let attach = |ebpf: &mut Ebpf, mode| {
        let program: &mut CgroupSkb = ebpf.program_mut("decide").unwrap().try_into().unwrap();
        let id = program
            .attach(open(&cgroup), CgroupSkbAttachType::Egress, mode)
            .unwrap();
        program.take_link(id).unwrap()
    };
    let ids = || -> Vec<u32> {
        let found = Attachments::at(open(&cgroup), AttachType::CgroupInetEgress).unwrap();
        found
            .programs
            .iter()
            .map(|there| there.program_id)
            .collect()
    };
    for mode in [CgroupAttachMode::Single, CgroupAttachMode::AllowOverride] {
        let mut first = attach(&mut ours, mode);
        let second = attach(&mut theirs, mode);
        let their_id = ids();
        let program: &CgroupSkb = ours.program("decide").unwrap().try_into().unwrap();
        let result = first.update(program.fd().unwrap());
        assert!(matches!(result, Err(LinkError::Replaced)), "{result:?}");
        drop(first);
        assert_eq!(ids(), their_id);
        drop(second);
        assert_eq!(ids(), []);
    }
}

#[test]
fn a_program_of_a_socket_map_that_took_the_place_stays() {
    require_bpf!();
    let program = || counting("judge", "sk_msg", 1);
    let maps = vec![
        MapSpec::new(support::tracing::SEEN, MapType::Array, 4, 8, 2),
        MapSpec::new("SOCKETS", MapType::Sockmap, 4, 4, 2),
    ];
    let mut ours = load(support::spec(maps, vec![program()]));
    let mut theirs = loaded(program());
    ours.program_mut("judge").unwrap().load().unwrap();
    let map = ours.map("SOCKETS").unwrap().data();
    let map = std::os::fd::AsFd::as_fd(map).try_clone_to_owned().unwrap();
    let attach = |ebpf: &mut Ebpf| {
        let program: &mut SkMsg = ebpf.program_mut("judge").unwrap().try_into().unwrap();
        let id = program.attach(&map)?;
        program.take_link(id)
    };
    let first = attach(&mut ours).unwrap();
    let Ok(second) = attach(&mut theirs) else {
        // A link is in the way of others, so none takes its place.
        assert!(hachi::features::SOCK_MAP_LINK.is_supported());
        return;
    };
    drop(first);
    // Where the kernel can be asked (Linux ≥ 5.18), it is the second one's.
    if let Ok(found) = Attachments::at(&map, AttachType::SkMsgVerdict) {
        assert_eq!(found.programs.len(), 1);
    }
    drop(second);
}

fn verdict(result: i32) -> Ebpf {
    loaded(counting("filter", "socket", result))
}

fn socket_link(ebpf: &mut Ebpf, socket: &UdpSocket) -> OwnedLink {
    let program: &mut SocketFilter = ebpf.program_mut("filter").unwrap().try_into().unwrap();
    let id = program.attach(socket).unwrap();
    program.take_link(id).unwrap()
}

/// Sends a datagram to the socket itself.
fn send(socket: &UdpSocket) {
    socket
        .send_to(b"hello", socket.local_addr().unwrap())
        .unwrap();
}

#[test]
fn a_socket_filter_that_took_the_place_stays() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let socket = netns.run(|| UdpSocket::bind("127.0.0.1:0")).unwrap();
    let (mut ours, mut theirs) = (verdict(0), verdict(0));
    let mut first = socket_link(&mut ours, &socket);
    let second = socket_link(&mut theirs, &socket);
    let program: &SocketFilter = ours.program("filter").unwrap().try_into().unwrap();
    let result = first.update(program.fd().unwrap());
    assert!(matches!(result, Err(LinkError::Replaced)), "{result:?}");
    drop(first);
    send(&socket);
    assert_eq!((seen(&ours).0, seen(&theirs).0), (0, 1));
    // By a duplicate of the descriptor it is the same socket.
    let duplicate = socket.try_clone().unwrap();
    let again = socket_link(&mut ours, &duplicate);
    drop(second);
    drop(again);
    send(&socket);
    assert_eq!((seen(&ours).0, seen(&theirs).0), (0, 1));
}

/// A socket that shares its port, not bound yet.
fn sharing(kind: libc::c_int) -> OwnedFd {
    let on: libc::c_int = 1;
    // SAFETY: numbers only; the descriptor is nobody else's; the option is live and 4 bytes long.
    unsafe {
        let fd = libc::socket(libc::AF_INET, kind | libc::SOCK_CLOEXEC, 0);
        assert!(fd >= 0);
        let fd = OwnedFd::from_raw_fd(fd);
        let (level, option) = (libc::SOL_SOCKET, libc::SO_REUSEPORT);
        let on = std::ptr::from_ref(&on).cast();
        assert_eq!(libc::setsockopt(fd.as_raw_fd(), level, option, on, 4), 0);
        fd
    }
}

fn bind(fd: &OwnedFd, port: u16) {
    let address = libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes([127, 0, 0, 1]),
        },
        sin_zero: [0; 8],
    };
    let length = size_of_val(&address) as u32;
    let address = std::ptr::from_ref(&address).cast();
    // SAFETY: the address is live and of the length given.
    assert_eq!(unsafe { libc::bind(fd.as_raw_fd(), address, length) }, 0);
}

#[test]
fn a_program_of_a_group_that_took_the_place_stays() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    netns.run(|| {
        let object = || loaded(counting("choose", "sk_reuseport", 0));
        let (mut ours, mut theirs) = (object(), object());
        let attach = |ebpf: &mut Ebpf, socket: &OwnedFd| {
            let program: &mut SkReuseport = ebpf.program_mut("choose").unwrap().try_into().unwrap();
            let id = program.attach(socket).unwrap();
            program.take_link(id).unwrap()
        };
        let one = sharing(libc::SOCK_DGRAM);
        // Attached before it is bound, and so before there is a group.
        let first = attach(&mut ours, &one);
        bind(&one, 0);
        let one = UdpSocket::from(one);
        let two = sharing(libc::SOCK_DGRAM);
        bind(&two, one.local_addr().unwrap().port());
        // By another socket of the group: its program is the group's.
        let second = attach(&mut theirs, &two);
        send(&one);
        assert_eq!((seen(&ours).0, seen(&theirs).0), (0, 1));
        drop(first);
        send(&one);
        assert_eq!((seen(&ours).0, seen(&theirs).0), (0, 2));
        let duplicate = OwnedFd::from(one.try_clone().unwrap());
        let third = attach(&mut ours, &duplicate);
        drop(second);
        send(&one);
        assert_eq!((seen(&ours).0, seen(&theirs).0), (1, 2));
        drop(third);
        send(&one);
        assert_eq!((seen(&ours).0, seen(&theirs).0), (1, 2));

        // A group of listeners is another than one of datagrams on the same port.
        let listener = sharing(libc::SOCK_STREAM);
        bind(&listener, one.local_addr().unwrap().port());
        // SAFETY: numbers only.
        assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 8) }, 0);
        let first = attach(&mut ours, &listener);
        let _second = attach(&mut theirs, &duplicate);
        drop(first);
        let address = one.local_addr().unwrap();
        std::net::TcpStream::connect(address).unwrap();
        drop(TcpListener::from(listener));
        assert_eq!(seen(&ours).0, 1, "its program is gone from the listener");
    });
}

/// An object that sends an event to each CPU's buffer.
fn perf() -> Ebpf {
    let events = MapSpec::new("EVENTS", MapType::PerfEventArray, 4, 4, 0);
    load(support::spec(vec![events], Vec::new()))
}

#[test]
fn a_buffer_that_took_the_place_stays() {
    require_bpf!();
    let mut ebpf = perf();
    let mut array = PerfEventArray::try_from(ebpf.take_map("EVENTS").unwrap()).unwrap();
    let first = array.open(0, Some(1)).unwrap();
    let second = array.open(0, Some(1)).unwrap();
    let delete = || {
        let map = std::os::fd::AsFd::as_fd(array.map());
        map_delete(map, 0)
    };
    drop(first);
    let second = dropped_in_a_child(second);
    assert!(delete(), "the second one's was there");
    drop(second);
    assert!(!delete());
}

/// Deletes element `key` by bpf(2); whether there was one.
fn map_delete(map: std::os::fd::BorrowedFd<'_>, key: u32) -> bool {
    let key = [key];
    let attr = [map.as_raw_fd() as u64, key.as_ptr() as u64, 0, 0];
    // SAFETY: the attribute and the key it points to are live, and keys of such a map have 4 bytes.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            hachi::obj::uapi::bpf_cmd::BPF_MAP_DELETE_ELEM,
            attr.as_ptr(),
            size_of_val(&attr),
        )
    };
    result == 0
}

#[test]
fn a_pin_that_took_the_place_stays() {
    require_bpf!();
    let bpffs = Bpffs::new().unwrap();
    let path = bpffs.join("link");
    for flags in [XdpFlags::SKB_MODE, NETLINK] {
        let netns = Netns::new().unwrap();
        let (_, link) = xdp_link(&netns, flags);
        let mut pinned = link.pin(&path).unwrap();
        // Another loader takes the pin away, and pins something of its own there.
        std::fs::remove_file(&path).unwrap();
        let theirs = load(one("theirs", support::XDP_PASS));
        let mut theirs = theirs;
        xdp(&mut theirs, "theirs").pin(&path).unwrap();
        if flags == NETLINK {
            let program: &Xdp = theirs.program("theirs").unwrap().try_into().unwrap();
            let error = pinned.update(program.fd().unwrap()).unwrap_err();
            assert!(error.to_string().contains("something else"), "{error}");
        }
        let error = pinned.unpin().unwrap_err();
        assert!(
            matches!(&error, PinError::Unsuitable { path: named, .. } if *named == path),
            "{error}"
        );
        assert!(Xdp::from_pin(&path).is_ok(), "theirs stays");
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_child_that_drops_its_copy_detaches_nothing() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let bpffs = Bpffs::new().unwrap();
    for flags in [XdpFlags::SKB_MODE, NETLINK] {
        let (id, link) = xdp_link(&netns, flags);
        let link = dropped_in_a_child(link);
        assert_eq!(ids_on_lo(&netns), [id], "{flags:?}");
        // Nor with its copy of the object, or of a link that was pinned for a while.
        let pinned = link.pin(bpffs.join("pin")).unwrap();
        let link = dropped_in_a_child(pinned.unpin().unwrap());
        assert_eq!(ids_on_lo(&netns), [id], "{flags:?}");
        link.detach().unwrap();
        assert_eq!(ids_on_lo(&netns), []);
    }

    let mut ebpf = classifier("keep");
    let link = dropped_in_a_child(filter(&netns, &mut ebpf, "keep"));
    assert!(filters(&netns).contains("keep"));
    drop(link);
    assert!(!filters(&netns).contains("keep"));

    let socket = netns.run(|| UdpSocket::bind("127.0.0.1:0")).unwrap();
    let mut ebpf = verdict(0);
    let link = dropped_in_a_child(socket_link(&mut ebpf, &socket));
    send(&socket);
    assert_eq!(seen(&ebpf).0, 1);
    drop(link);

    let mut ebpf = loaded(counting("decide", "cgroup/skb", 1));
    let cgroup = Cgroup::new().unwrap();
    let program: &mut CgroupSkb = ebpf.program_mut("decide").unwrap().try_into().unwrap();
    let (kind, mode) = (CgroupSkbAttachType::Egress, CgroupAttachMode::Single);
    program.attach(open(&cgroup), kind, mode).unwrap();
    let ebpf = dropped_in_a_child(ebpf);
    let attached = || {
        let found = Attachments::at(open(&cgroup), AttachType::CgroupInetEgress);
        found.unwrap().programs.len()
    };
    assert_eq!(attached(), 1);
    drop(ebpf);
    assert_eq!(attached(), 0);
}

/// A link is its descriptors: what a child holds goes on when the parent has closed its own.
#[test]
fn a_link_lasts_as_long_as_someone_holds_it() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let (id, link) = xdp_link(&netns, XdpFlags::SKB_MODE);
    let OwnedLink::Fd(link) = link else {
        hachi_test::skip!("a link of an XDP program needs Linux ≥ 5.9");
    };
    let copy = std::os::fd::AsFd::as_fd(&link)
        .try_clone_to_owned()
        .unwrap();
    drop(link);
    assert_eq!(ids_on_lo(&netns), [id]);
    drop(copy);
    // Children that other tests have forked meanwhile hold it as long as they live.
    let deadline = Instant::now() + Duration::from_secs(10);
    while !ids_on_lo(&netns).is_empty() {
        assert!(Instant::now() < deadline, "the link is still there");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The ring is shared memory: a child's copy of a record must not give it back for the parent.
#[test]
fn a_child_that_drops_its_copy_of_a_record_gives_nothing_back() {
    require_bpf!();
    let object = || -> Spec {
        let ring = MapSpec::new("RING", MapType::Ringbuf, 0, 0, 4096);
        support::spec(vec![ring], vec![sender("send", "RING", 8, 0x11)])
    };
    let mut ebpf = load(object());
    attempt!(ebpf.program_mut("send").unwrap().load());
    let fire = |ebpf: &Ebpf| {
        let options = TestRunOptions::new().data(&[0; 64]);
        ebpf.program("send").unwrap().test_run(&options).unwrap();
    };
    let mut ring = RingBuf::try_from(ebpf.take_map("RING").unwrap()).unwrap();
    fire(&ebpf);
    let before = ring.unread();
    let item = dropped_in_a_child(ring.next().unwrap());
    assert_eq!(&*item, [0x11; 8]);
    // Given back by the parent, not before.
    std::mem::forget(item);
    assert_eq!(ring.unread(), before);
}

/// What tests make is removed by the process that made it, too.
#[test]
fn a_child_that_drops_its_copy_removes_no_directory() {
    let dir = dropped_in_a_child(TempDir::new().unwrap());
    assert!(dir.path().is_dir());
    let path = dir.path().to_owned();
    drop(dir);
    assert!(!path.exists());
    let _ = watching(Vec::new());
}
