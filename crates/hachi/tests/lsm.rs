//! Programs that the kernel asks whether something is allowed.

mod support;

use std::{
    io,
    process::{Command, Stdio},
};

use hachi::{
    Btf,
    programs::{AttachOptions, Lsm, LsmCgroup},
};
use hachi_test::{Cgroup, exercises, require_bpf};
use support::{
    load,
    tracing::{Observer, get, getpgid, seen, watching},
};

/// getpgid(2) of this process.
fn call() -> io::Result<i32> {
    // SAFETY: numbers only.
    match unsafe { libc::getpgid(libc::getpid()) } {
        -1 => Err(io::Error::last_os_error()),
        group => Ok(group),
    }
}

#[test]
fn refuses() {
    require_bpf!();
    let _row = exercises("lsm", "link");
    let denial = Observer {
        result: -libc::EACCES,
        ..Default::default()
    };
    let program = denial.program("deny", "lsm/task_getpgid");
    let mut ebpf = load(watching(vec![program]));
    attempt!(get(&mut ebpf, "deny").load());
    let all = attempt!(ebpf.attach_all(&AttachOptions::new()));
    assert_eq!(all.attached[0].1.target, "LSM hook task_getpgid");
    assert_eq!(call().unwrap_err().raw_os_error(), Some(libc::EACCES));
    assert_eq!(seen(&ebpf).0, 1);
    let program: &mut Lsm = get(&mut ebpf, "deny").try_into().unwrap();
    program.detach(all.attached[0].1.link).unwrap();
    assert!(call().is_ok());
}

#[test]
fn sleepable_programs_by_name() {
    require_bpf!();
    let _row = exercises("lsm.s", "link");
    let btf = Btf::from_sys_fs().unwrap();
    // The first hook that was allowed to sleep: the end of execve(2), in the new process.
    let program = Observer {
        mine: false,
        ..Default::default()
    };
    let mut ebpf = load(watching(vec![program.program("asked", "lsm.s")]));
    let program: &mut Lsm = get(&mut ebpf, "asked").try_into().unwrap();
    attempt!(program.load("bprm_committed_creds", &btf));
    attempt!(program.attach());
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.arg("--list").stdout(Stdio::null());
    assert!(child.status().unwrap().success());
    assert!(seen(&ebpf).0 >= 1);
}

#[test]
fn for_the_processes_of_a_cgroup() {
    require_bpf!();
    let _row = exercises("lsm_cgroup", "link");
    let cgroup = Cgroup::new().unwrap();
    // Returns 0, which refuses.
    let program = Observer {
        mine: false,
        ..Default::default()
    }
    .program("deny", "lsm_cgroup/socket_bind");
    let mut ebpf = load(watching(vec![program]));
    attempt!(get(&mut ebpf, "deny").load());
    let options = AttachOptions::new().cgroup(cgroup.path());
    attempt!(ebpf.attach_all(&options));
    // Outside of it, nothing is refused.
    std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    assert_eq!(seen(&ebpf).0, 0);
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", "a_child_binds_a_socket"])
        .env(CHILD, "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let status = cgroup.enter(&mut child).unwrap().status().unwrap();
    assert!(!status.success(), "it was refused");
    assert_eq!(seen(&ebpf).0, 1);
    let _: &mut LsmCgroup = get(&mut ebpf, "deny").try_into().unwrap();
}

/// Set for the process that runs only the test below.
const CHILD: &str = "HACHI_TEST_CHILD_BINDS";

/// What another test's child process does; nothing otherwise.
#[test]
fn a_child_binds_a_socket() {
    if std::env::var_os(CHILD).is_some() {
        std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    }
}

#[test]
fn wrong_names_get_a_hint() {
    require_bpf!();
    let program = Observer::default().program("deny", "lsm/task_getpgdi");
    let mut ebpf = load(watching(vec![program]));
    let error = get(&mut ebpf, "deny").load().unwrap_err().to_string();
    assert!(
        error.contains("no LSM hook \"task_getpgdi\"") && error.contains("\"task_getpgid\""),
        "{error}"
    );
    getpgid(1);
}
