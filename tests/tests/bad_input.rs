//! Each mistake is one clear error that names the thing and the fix.

mod support;

use hachi::maps::MapData;
use hachi::programs::{Xdp, XdpFlags};
use hachi::{Ebpf, EbpfLoader};
use hachi_test::{Bpffs, Netns, TempDir, VethPair, require_bpf, skip};
use hachi_tests::{failure, fixture, hachi, hachi_bin};
use std::error::Error;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The whole message, with its causes, as a person sees it.
fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[track_caller]
fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "no {word:?} in: {text}");
    }
}

#[track_caller]
fn load_error(bytes: &[u8]) -> String {
    match Ebpf::load(bytes) {
        Ok(_) => panic!("it loads"),
        Err(error) => told(&error),
    }
}

#[test]
fn not_an_elf_file() {
    says(&load_error(b"#!/bin/sh\necho hello\n"), &["not an ELF"]);
    says(&load_error(b""), &["ELF"]);
    let directory = TempDir::new().unwrap();
    let path = directory.join("script.o");
    std::fs::write(&path, "#!/bin/sh\n").unwrap();
    let error = told(&Ebpf::load_file(&path).unwrap_err());
    says(&error, &["script.o", "not an ELF"]);
    says(
        &failure(hachi(["inspect"]).arg(&path), 1),
        &["script.o", "not an ELF"],
    );
}

#[test]
fn no_such_file() {
    let error = told(&Ebpf::load_file("/nowhere/firewall.o").unwrap_err());
    says(&error, &["/nowhere/firewall.o"]);
    let text = failure(&mut hachi(["inspect", "/nowhere/firewall.o"]), 1);
    says(&text, &["/nowhere/firewall.o"]);
}

#[test]
fn an_elf_file_for_another_machine() {
    let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    says(&load_error(&program), &["not for BPF", "hachi build"]);
}

/// Cut anywhere, an object is an error or (cut in a part nobody needs) an object, never a crash.
#[test]
fn a_truncated_object() {
    let object = std::fs::read(fixture("drops")).unwrap();
    for length in (0..object.len()).step_by(7).chain([object.len() - 1]) {
        match hachi_obj::Spec::parse(&object[..length]) {
            Err(error) => assert!(!error.to_string().is_empty()),
            Ok(_) => panic!("the section table is at the end, so {length} bytes cannot be enough"),
        }
    }
    let half = load_error(&object[..object.len() / 2]);
    says(&half, &["truncated"]);
}

/// A damaged byte anywhere is an error or harmless, never a crash or a hang.
#[test]
fn a_damaged_object() {
    let object = std::fs::read(fixture("drops")).unwrap();
    for position in (0..object.len()).step_by(3) {
        let mut damaged = object.clone();
        damaged[position] ^= 0xff;
        if let Err(error) = hachi_obj::Spec::parse(&damaged) {
            assert!(!error.to_string().is_empty());
        }
    }
}

#[test]
fn no_btf() {
    let mut object = std::fs::read(fixture("drops")).unwrap();
    // The sections stay, but under names that mean nothing.
    for name in [b"\0.BTF\0".as_slice(), b"\0.BTF.ext\0"] {
        let position = object.windows(name.len()).position(|window| window == name);
        let position = position.expect("the section's name");
        object[position + 2..position + 5].copy_from_slice(b"XXX");
    }
    says(&load_error(&object), &[".maps", "no .BTF section", "debug"]);
}

#[test]
fn no_such_program() {
    require_bpf!();
    let mut ebpf = Ebpf::load_file(fixture("drops")).unwrap();
    let error = told(&ebpf.program_mut("filter").unwrap_err());
    says(&error, &["\"filter\"", "\"drops\""]);
    let error = told(&ebpf.map("BLOCKLIST").unwrap_err());
    says(&error, &["BLOCKLIST", "VERDICTS", "DROPS"]);
}

#[test]
fn a_program_of_another_type() {
    require_bpf!();
    let mut ebpf = Ebpf::load_file(fixture("tracepoint")).unwrap();
    let program = ebpf.program_mut("on_switch").unwrap();
    let error = <&mut Xdp>::try_from(program).unwrap_err();
    says(&told(&error), &["on_switch", "tracepoint", "xdp"]);
}

#[test]
fn no_such_global() {
    require_bpf!();
    let load = |name: &str, must_exist| {
        EbpfLoader::new()
            .override_global(name, &1_u16, must_exist)
            .load_file(fixture("drops"))
    };
    says(&told(&load("POTR", true).unwrap_err()), &["POTR", "PORT"]);
    load("POTR", false).unwrap();
    let error = EbpfLoader::new()
        .override_global("PORT", &1_u64, true)
        .load_file(fixture("drops"))
        .unwrap_err();
    says(&told(&error), &["PORT", "2", "8"]);
}

#[test]
fn no_such_interface() {
    require_bpf!();
    let mut ebpf = Ebpf::load_file(fixture("drops")).unwrap();
    let program: &mut Xdp = ebpf.program_mut("drops").unwrap().try_into().unwrap();
    program.load().unwrap();
    let netns = Netns::new().unwrap();
    let error = netns.run(|| told(&program.attach("eth7", XdpFlags::default()).unwrap_err()));
    says(&error, &["drops", "eth7", "lo"]);
}

#[test]
fn not_loaded_yet() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    let mut ebpf = Ebpf::load_file(fixture("drops")).unwrap();
    let program: &mut Xdp = ebpf.program_mut("drops").unwrap().try_into().unwrap();
    let host = &wire.right;
    let attach = || program.attach(host.interface(), XdpFlags::default());
    says(
        &told(&host.netns().run(attach).unwrap_err()),
        &["drops", "load()"],
    );
}

#[test]
fn an_interface_that_is_taken() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    let mut first = Ebpf::load_file(fixture("drops")).unwrap();
    support::attach(&mut first, "drops", &wire.right, XdpFlags::default());
    let mut second = Ebpf::load_file(fixture("xdp")).unwrap();
    let program: &mut Xdp = second.program_mut("xdp").unwrap().try_into().unwrap();
    program.load().unwrap();
    let host = &wire.right;
    let attach = || program.attach(host.interface(), XdpFlags::default());
    let error = told(&host.netns().run(attach).unwrap_err());
    // Whose place it is: the program that is there already.
    says(&error, &[host.interface(), "\"drops\""]);
    assert!(support::udp_passes(&wire, 7000), "and the first goes on");
}

#[test]
fn refuses_to_pin_outside_of_a_bpffs() {
    require_bpf!();
    let directory = TempDir::new().unwrap();
    let path = directory.join("program");
    let mut ebpf = Ebpf::load_file(fixture("drops")).unwrap();
    let program: &mut Xdp = ebpf.program_mut("drops").unwrap().try_into().unwrap();
    program.load().unwrap();
    let error = told(&program.pin(&path).unwrap_err());
    says(&error, &[path.to_str().unwrap(), "mount -t bpf"]);
    let error = told(&ebpf.map("VERDICTS").unwrap().data().pin(&path).unwrap_err());
    says(&error, &[path.to_str().unwrap(), "mount -t bpf"]);
    assert!(!path.exists());
}

#[test]
fn a_pin_path_that_is_taken() {
    require_bpf!();
    let bpffs = Bpffs::new().unwrap();
    let path = bpffs.join("taken");
    let mut ebpf = Ebpf::load_file(fixture("drops")).unwrap();
    ebpf.map("VERDICTS").unwrap().data().pin(&path).unwrap();
    let program: &mut Xdp = ebpf.program_mut("drops").unwrap().try_into().unwrap();
    program.load().unwrap();
    let error = told(&program.pin(&path).unwrap_err());
    says(&error, &[path.to_str().unwrap(), "taken"]);
    // What is there is not what one might take it for.
    let error = told(&Xdp::from_pin(&path).unwrap_err());
    says(&error, &[path.to_str().unwrap(), "map", "program"]);
    let error = told(&MapData::from_pin(bpffs.join("nothing")).unwrap_err());
    says(&error, &["nothing"]);
}

/// The verifier's refusal names program and Rust line, and keeps the log.
#[test]
fn a_program_the_verifier_refuses() {
    require_bpf!();
    let object = fixture("rejected");
    let mut ebpf = Ebpf::load_file(&object).unwrap();
    let program: &mut Xdp = ebpf.program_mut("careless").unwrap().try_into().unwrap();
    let error = told(&program.load().unwrap_err());
    says(
        &error,
        &["careless", "rejected.rs:11", "invalid access to packet"],
    );

    let text = failure(hachi(["check"]).arg(&object), 1);
    says(&text, &["careless", "rejected.rs:11"]);
}

/// As a user without privileges: exit code 3, and what is lacking.
#[test]
fn no_privileges() {
    if !hachi_test::is_root() {
        skip!("only root can become somebody else");
    }
    // Another user may not be able to read the build's directories.
    let directory = TempDir::new().unwrap();
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(directory.path(), open.clone()).unwrap();
    let (command, object) = (directory.join("hachi"), directory.join("drops.o"));
    std::fs::copy(hachi_bin(), &command).unwrap();
    std::fs::copy(fixture("drops"), &object).unwrap();
    std::fs::set_permissions(&command, open).unwrap();
    let nobody = |arguments: &[&str]| {
        let mut hachi = Command::new(&command);
        hachi.args(arguments).arg(&object).uid(65534).gid(65534);
        hachi.env("NO_COLOR", "1").current_dir("/");
        hachi
    };
    let text = failure(&mut nobody(&["check"]), 3);
    says(&text, &["CAP_BPF", "sudo"]);
    // Reading needs no privilege.
    hachi_tests::success(&mut nobody(&["inspect"]));
    hachi_tests::success(&mut nobody(&["dis"]));
}

#[test]
fn wrong_usage_is_exit_code_two() {
    failure(&mut hachi(["frobnicate"]), 2);
    failure(&mut hachi(["build", "--sideways"]), 2);
    failure(&mut hachi(["new"]), 2);
}
