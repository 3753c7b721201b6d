//! The commands that another program does: found, given the arguments, believed.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use hachi_test::TempDir;
use support::{alone, run};

fn write_script(path: &Path, text: &str) {
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_agent_beside_the_command_gets_the_arguments_and_decides_the_exit_code() {
    let directory = TempDir::new().unwrap();
    let hachi = alone(directory.path());
    write_script(&directory.join("hachi-agent"), "echo \"$@\"; exit 7");
    for (command, arguments) in [
        ("image", ["list", "--store", "a b"]),
        ("agent", ["run", "--config", "-"]),
    ] {
        let run = run(Command::new(&hachi).arg(command).args(arguments)).code(7);
        assert_eq!(
            run.stdout.trim(),
            format!("{command} {}", arguments.join(" "))
        );
    }
    // Its help is the agent's.
    run(Command::new(&hachi).args(["image", "--help"]))
        .code(7)
        .prints(&["image --help"]);
}

#[test]
fn without_the_agent_it_says_how_to_install_it() {
    let directory = TempDir::new().unwrap();
    let hachi = alone(directory.path());
    let mut command = Command::new(&hachi);
    command
        .args(["image", "list"])
        .env("PATH", directory.path());
    run(&mut command)
        .code(3)
        .says(&["hachi-agent", "cargo install --path crates/hachi-agent"]);
    for (command, known) in [("image", "sign, verify, push"), ("agent", "apply, diff")] {
        let mut help = Command::new(&hachi);
        help.args([command, "--help"]).env("PATH", directory.path());
        let shown = run(&mut help).code(0).prints(&[
            &format!("Usage: hachi {command}"),
            known,
            "Example",
            "cargo install --path crates/hachi-agent",
        ]);
        assert_eq!(shown.stderr, "");
    }
}
