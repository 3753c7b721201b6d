//! Options of the sockets of a cgroup.

mod support;

use std::{io, net::UdpSocket, os::fd::AsRawFd as _};

use hachi::{
    Ebpf,
    programs::{AttachOptions, CgroupAttachMode, CgroupSockopt, CgroupSockoptAttachType},
};
use hachi_asm::{JumpOp, Operand, Size, build};
use hachi_test::{Bpffs, Cgroup, exercises, require_bpf};
use support::{
    network::{loaded, observing, open, word},
    tracing::{CTX, seen},
};

/// Offsets in `struct bpf_sockopt`.
const OPTVAL: i16 = 8;
const OPTVAL_END: i16 = 16;
const OPTNAME: i16 = 28;

fn attached(cgroup: &Cgroup, section: &str, result: i32) -> Ebpf {
    let mut ebpf = loaded(observing("asked", section, &word(OPTNAME), result));
    let options = AttachOptions::new().cgroup(cgroup.path());
    ebpf.attach_all(&options).unwrap();
    ebpf
}

fn get_ttl(socket: &UdpSocket) -> io::Result<i32> {
    let (mut value, mut length) = (0i32, 4);
    // SAFETY: the value has the length given.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_TTL,
            std::ptr::from_mut(&mut value).cast(),
            &mut length,
        )
    };
    match result {
        0 => Ok(value),
        _ => Err(io::Error::last_os_error()),
    }
}

#[test]
fn setting_is_refused() {
    require_bpf!();
    let _row = exercises("cgroup/setsockopt", "link");
    let cgroup = Cgroup::new().unwrap();
    let set = || {
        cgroup.run(|| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_ttl(9).map(|()| get_ttl(&socket).unwrap())
        })
    };
    let ebpf = attached(&cgroup, "cgroup/setsockopt", 0);
    assert_eq!(set().unwrap_err().raw_os_error(), Some(libc::EPERM));
    assert_eq!(seen(&ebpf), (1, libc::IP_TTL as u64));
    drop(ebpf);
    assert_eq!(set().unwrap(), 9);
}

#[test]
fn getting_is_answered() {
    require_bpf!();
    let _row = exercises("cgroup/getsockopt", "link");
    let cgroup = Cgroup::new().unwrap();
    // Writes 77 over what the kernel answered.
    let answer = [
        build::load(Size::W, 6, CTX, OPTNAME),
        build::load(Size::Dw, 1, CTX, OPTVAL),
        build::load(Size::Dw, 2, CTX, OPTVAL_END),
        build::mov(3, 1),
        build::add_imm(3, 4),
        build::jump(JumpOp::Gt, 3, Operand::Reg(2), 1),
        build::store_imm(Size::W, 1, 0, 77),
    ];
    let mut ebpf = loaded(observing("asked", "cgroup/getsockopt", &answer, 1));
    let options = AttachOptions::new().cgroup(cgroup.path());
    ebpf.attach_all(&options).unwrap();
    let ttl = cgroup.run(|| get_ttl(&UdpSocket::bind("127.0.0.1:0").unwrap()));
    assert_eq!(ttl.unwrap(), 77);
    assert_eq!(seen(&ebpf), (1, libc::IP_TTL as u64));
}

#[test]
fn attached_from_a_pin() {
    require_bpf!();
    let cgroup = Cgroup::new().unwrap();
    let bpffs = Bpffs::new().unwrap();
    let ebpf = loaded(observing("asked", "cgroup/getsockopt", &[], 0));
    ebpf.program("asked").unwrap().pin(bpffs.join("p")).unwrap();
    let kind = CgroupSockoptAttachType::Get;
    let mut program = CgroupSockopt::from_pin(bpffs.join("p"), kind).unwrap();
    program
        .attach(open(&cgroup), CgroupAttachMode::AllowOverride)
        .unwrap();
    let ttl = cgroup.run(|| get_ttl(&UdpSocket::bind("127.0.0.1:0").unwrap()));
    assert_eq!(ttl.unwrap_err().raw_os_error(), Some(libc::EPERM));
}
