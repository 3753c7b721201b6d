//! Structs of functions that the kernel calls: a congestion control for TCP.

mod support;

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::fd::AsRawFd as _,
};

use hachi::{
    Ebpf,
    links::OwnedLink,
    obj::{MapSpec, MapType, StructOpsMember, StructOpsSpec, StructOpsValue},
    programs::AttachOptions,
};
use hachi_test::{Netns, exercises, require_bpf, require_kernel};
use support::{
    load,
    network::{congestion_control, counting},
    tracing::{SEEN, seen, skip_reason},
};

/// Chooses a congestion control for a socket.
fn choose(socket: &TcpStream, name: &str) -> io::Result<()> {
    // SAFETY: the name has the length given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_CONGESTION,
            name.as_ptr().cast(),
            name.len() as u32,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Sends something over a connection with this congestion control, with enough packets lost on the
/// way that it is asked.
fn transfer(netns: &Netns, name: &str) -> io::Result<()> {
    netns.run(|| {
        let server = TcpListener::bind("127.0.0.1:0")?;
        let mut client = TcpStream::connect(server.local_addr()?)?;
        choose(&client, name)?;
        let (mut accepted, _) = server.accept()?;
        client.write_all(b"hello")?;
        accepted.read_exact(&mut [0; 5])
    })
}

fn available() -> String {
    fs::read_to_string("/proc/sys/net/ipv4/tcp_available_congestion_control").unwrap()
}

fn runs(ebpf: &Ebpf) -> u64 {
    seen(ebpf).0
}

#[test]
fn a_connection_uses_it() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let name = format!("hachi{}a", std::process::id());
    for link in [false, true] {
        let _row = exercises("struct_ops", if link { "link" } else { "map" });
        let mut ebpf = load(congestion_control("control", &name, link));
        assert_eq!(ebpf.struct_ops_names(), ["control"]);
        let ready = attempt!(ebpf.struct_ops("control"));
        assert!(!available().contains(&name));
        assert!(transfer(&netns, &name).is_err());
        let registered = ready.attach().unwrap();
        assert_eq!(matches!(registered, OwnedLink::Fd(_)), link);
        assert!(available().contains(&name));
        transfer(&netns, &name).unwrap();
        drop((ready, ebpf));
        assert!(available().contains(&name), "the link is its own master");
        drop(registered);
        assert!(!available().contains(&name), "link: {link}");
    }
}

#[test]
fn functions_that_may_sleep() {
    require_bpf!();
    let _row = exercises("struct_ops.s", "link");
    let netns = Netns::new().unwrap();
    let name = format!("hachi{}c", std::process::id());
    let mut spec = congestion_control("control", &name, true);
    // Runs as a socket chooses it.
    spec.programs
        .push(counting("start", "struct_ops.s/start", 0));
    spec.struct_ops[0].members.push(StructOpsMember::new(
        "init",
        StructOpsValue::Program("start".to_owned()),
    ));
    let mut ebpf = load(spec);
    let ready = attempt!(ebpf.struct_ops("control"));
    let _registered = ready.attach().unwrap();
    transfer(&netns, &name).unwrap();
    assert!(runs(&ebpf) >= 1);
}

/// A scheduler with the default for everything; it is told of each task that gets a processor.
#[test]
fn a_scheduler_runs_tasks() {
    require_bpf!();
    let _row = exercises("struct_ops", "link, sched_ext_ops");
    require_kernel!("6.12", "struct sched_ext_ops");
    let map = MapSpec::new(SEEN, MapType::Array, 4, 8, 2);
    let programs = vec![counting("running", "struct_ops/running", 0)];
    let mut spec = support::spec(vec![map], programs);
    let member = |name: &str, value| StructOpsMember::new(name, value);
    let mut scheduler = StructOpsSpec::new("scheduler", "sched_ext_ops");
    scheduler.members = vec![
        member("running", StructOpsValue::Program("running".to_owned())),
        member("name", StructOpsValue::Bytes(b"hachi_test".to_vec())),
    ];
    spec.struct_ops.push(scheduler);
    let mut ebpf = load(spec);
    let ready = match ebpf.struct_ops("scheduler") {
        Err(error) if error.to_string().contains("nobody can register") => {
            hachi_test::skip!("this kernel was built without CONFIG_SCHED_CLASS_EXT")
        }
        result => attempt!(result),
    };
    let registered = ready.attach().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert!(runs(&ebpf) >= 1);
    let state = || fs::read_to_string("/sys/kernel/sched_ext/state").unwrap();
    assert_eq!(state().trim(), "enabled");
    drop(registered);
    assert_ne!(state().trim(), "enabled");
}

#[test]
fn all_that_an_object_wants_registered() {
    require_bpf!();
    let _row = exercises("struct_ops", "link, by attach_all");
    let netns = Netns::new().unwrap();
    let name = format!("hachi{}c", std::process::id());
    let mut spec = congestion_control("control", &name, true);
    let other = congestion_control("unwanted", "unused", true);
    spec.struct_ops.extend(other.struct_ops);
    spec.struct_ops[1].autoload = false;
    let mut ebpf = load(spec);
    let all = attempt!(ebpf.attach_all(&AttachOptions::new()));
    assert_eq!(all.registered, ["control"]);
    assert!(
        all.attached.is_empty() && all.left_out.is_empty(),
        "{all:?}"
    );
    transfer(&netns, &name).unwrap();
    drop(ebpf);
    assert!(!available().contains(&name));
}

#[test]
fn functions_are_asked_and_exchanged() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let name = format!("hachi{}b", std::process::id());
    let mut first = load(congestion_control("control", &name, true));
    let mut second = load(congestion_control("other", &name, true));
    let one = attempt!(first.struct_ops("control"));
    let two = second.struct_ops("other").unwrap();
    let mut link = one.attach().unwrap();
    // A lost segment makes the kernel ask where slow start ends: the receiver is not there.
    let lose = || {
        netns.run(|| {
            let server = TcpListener::bind("127.0.0.1:0").unwrap();
            let mut client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
            choose(&client, &name).unwrap();
            netns.ip(["link", "set", "lo", "down"]).unwrap();
            let _ = client.write_all(b"hello");
            std::thread::sleep(std::time::Duration::from_millis(700));
            netns.ip(["link", "set", "lo", "up"]).unwrap();
        })
    };
    lose();
    assert!(runs(&first) >= 1);
    two.update(&mut link).unwrap();
    let before = runs(&first);
    lose();
    assert!(runs(&second) >= 1);
    assert_eq!(runs(&first), before);
}

#[test]
fn errors_name_the_struct_that_the_kernel_lacks() {
    require_bpf!();
    let mut spec = congestion_control("control", "unused", true);
    spec.struct_ops[0].members[0].name = "slow_start".to_owned();
    let mut ebpf = load(spec);
    let error = ebpf.struct_ops("control").unwrap_err().to_string();
    assert!(error.contains("no member \"slow_start\""), "{error}");
    let error = ebpf.struct_ops("contrôle").unwrap_err().to_string();
    assert!(error.contains("control"), "{error}");
    let mut spec = congestion_control("control", "unused", true);
    spec.struct_ops[0].type_name = "task_struct".to_owned();
    let error = load(spec).struct_ops("control").unwrap_err().to_string();
    assert!(error.contains("task_struct"), "{error}");
}

#[test]
fn a_struct_without_functions_that_it_must_have_says_which() {
    require_bpf!();
    for link in [false, true] {
        let mut spec = congestion_control("control", "unused", link);
        spec.struct_ops[0]
            .members
            .retain(|member| member.name != "undo_cwnd");
        let mut ebpf = load(spec);
        let error = match ebpf.struct_ops("control") {
            Ok(ready) => ready.attach().unwrap_err().to_string(),
            Err(error) => match skip_reason(&error) {
                Some(reason) => hachi_test::skip!("{reason}"),
                None => error.to_string(),
            },
        };
        for words in [
            "EINVAL",
            "tcp_congestion_ops",
            "it needs ssthresh, undo_cwnd",
        ] {
            assert!(error.contains(words), "{error}");
        }
        let (_, missing) = error.split_once("no program for ").unwrap();
        assert!(missing.contains("undo_cwnd"), "{error}");
        assert!(!missing.contains("ssthresh"), "{error}");
    }
}

#[test]
fn registers_a_struct_compiled_by_clang() {
    require_bpf!();
    if cfg!(target_endian = "big") {
        hachi_test::skip!("the object is for little-endian machines");
    }
    const OBJECT: &[u8] = include_bytes!("../../hachi-obj/tests/data/struct_ops.bpfel.o");
    let netns = Netns::new().unwrap();
    let mut ebpf = Ebpf::load(OBJECT).unwrap();
    for (variable, name) in [("plain", "hachi_plain"), ("linked", "hachi_linked")] {
        let ready = attempt!(ebpf.struct_ops(variable));
        let _registered = ready.attach().unwrap();
        transfer(&netns, name).unwrap();
    }
}
