//! Rust programs that the kernel calls through a structure of functions.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::path::Path;

use hachi::maps::Array;
use hachi::{Ebpf, EbpfLoader};
use hachi_obj::{Spec, StructOpsValue};
use hachi_test::{Netns, require_bpf, supported};
use hachi_tests::{fixture, fixture_with};

/// Sends something over a connection with the congestion control, and loses the connection.
fn transfer(netns: &Netns, control: &str) -> io::Result<()> {
    netns.run(|| {
        let server = TcpListener::bind("127.0.0.1:0")?;
        let mut client = TcpStream::connect(server.local_addr()?)?;
        // SAFETY: the name has the length given.
        let chosen = unsafe {
            libc::setsockopt(
                client.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_CONGESTION,
                control.as_ptr().cast(),
                control.len() as u32,
            )
        };
        if chosen != 0 {
            return Err(io::Error::last_os_error());
        }
        let (mut accepted, _) = server.accept()?;
        client.write_all(&[0; 4000])?;
        accepted.read_exact(&mut [0; 4000])?;
        netns.ip(["link", "set", "lo", "down"]).unwrap();
        client.write_all(b"lost")?;
        std::thread::sleep(std::time::Duration::from_millis(700));
        netns.ip(["link", "set", "lo", "up"]).unwrap();
        Ok(())
    })
}

/// The object with its congestion control under a name that no other process has.
fn load(object: &Path, control: &str) -> Ebpf {
    let mut spec = Spec::parse(&std::fs::read(object).unwrap()).unwrap();
    let member = &mut spec.struct_ops[0].members[0];
    assert_eq!(member.name, "name");
    assert_eq!(
        member.value,
        StructOpsValue::Bytes(b"hachi_constant\0\0".to_vec())
    );
    member.value = StructOpsValue::Bytes(control.into());
    EbpfLoader::new().load_spec(spec).unwrap()
}

fn check(object: &Path, variant: &str) {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let control = format!("hachi{}{variant}", std::process::id());
    let mut ebpf = load(object, &control);
    assert_eq!(ebpf.struct_ops_names(), ["constant"]);
    let ready = supported!(ebpf.struct_ops("constant"));
    let registered = supported!(ready.attach());
    transfer(&netns, &control).unwrap();
    drop(registered);
    let gone = transfer(&netns, &control);
    assert!(gone.is_err(), "it is no longer there");
    let calls = Array::<_, [u32; 2]>::try_from(ebpf.map("CALLS").unwrap()).unwrap();
    let calls = |member| calls.get(&member, 0).unwrap();
    assert_eq!(calls(0), [1, 0], "init, once");
    let [asked, window] = calls(1);
    assert!(asked >= 1);
    assert_eq!(window, 7, "what the other functions wrote into the socket");
    assert!(calls(2)[0] >= 1);
}

#[test]
fn a_connection_uses_it() {
    check(&fixture("struct_ops"), "r");
}

#[test]
fn a_connection_uses_one_without_optimisations() {
    check(&fixture_with("struct_ops", &["--debug"]), "d");
}
