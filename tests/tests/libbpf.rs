//! What we build, everyone opens: every object goes through libbpf, by Debian's bpftool.

use hachi_test::{Bpffs, TempDir, find_program, require_bpf, require_host, skip};
use hachi_tests::{fixture, fixture_with, hachi, root, success};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every object there is to show: fixtures in release and debug, and the examples' kernel sides.
fn objects(directory: &Path) -> Vec<PathBuf> {
    let mut objects: Vec<PathBuf> = ["drops", "xdp", "maps", "bare"].map(fixture).into();
    objects.push(fixture_with("drops", &["--debug"]));
    objects.push(fixture_with("maps", &["--cpu", "v1"]));
    for package in [
        "first-xdp/first-xdp-ebpf",
        "xdp-firewall/xdp-firewall-ebpf",
        "book-hello-xdp/hello-xdp-ebpf",
    ] {
        let mut build = hachi(["build"]);
        build.arg(root().join("examples").join(package));
        build.arg("--out").arg(directory);
        objects.extend(success(&mut build).lines().map(PathBuf::from));
    }
    objects
}

#[test]
fn bpftool_loads_every_object() {
    require_host!("the objects of the examples");
    require_bpf!();
    let Some(bpftool) = find_program("bpftool") else {
        skip!("bpftool is not installed");
    };
    let bpffs = Bpffs::new().unwrap();
    let directory = TempDir::new().unwrap();
    let objects = objects(directory.path());
    assert!(objects.len() >= 9);
    for (number, object) in objects.iter().enumerate() {
        let mut load = Command::new(&bpftool);
        load.args(["prog", "loadall"]).arg(object);
        load.arg(bpffs.join(format!("object{number}")));
        success(&mut load);
    }
}

#[test]
fn bpftool_makes_a_skeleton_of_every_object() {
    require_host!("the objects of the examples");
    let Some(bpftool) = find_program("bpftool") else {
        skip!("bpftool is not installed");
    };
    let directory = TempDir::new().unwrap();
    for object in objects(directory.path()) {
        let mut skeleton = Command::new(&bpftool);
        skeleton.args(["gen", "skeleton"]).arg(&object);
        let header = success(skeleton.args(["name", "probe"]));
        assert!(header.contains("struct probe"), "{}", object.display());
    }
}

/// libbpf finds each map under its own name, with the sizes its types have.
#[test]
fn maps_arrive_under_their_names() {
    require_host!("the objects of the examples");
    require_bpf!();
    let Some(bpftool) = find_program("bpftool") else {
        skip!("bpftool is not installed");
    };
    let mut skeleton = Command::new(&bpftool);
    skeleton.args(["gen", "skeleton"]).arg(fixture("maps"));
    let header = success(skeleton.args(["name", "probe"]));
    for name in ["WRAPPED", "OPTIONAL", "FLOWS", "ROUTES", "FIRST", "SECOND"] {
        let field = format!("struct bpf_map *{name};");
        assert!(header.contains(&field), "no map {name}:\n{header}");
    }
}

/// Our objects carry the Rust lines: the kernel has them for every program.
#[test]
fn the_kernel_keeps_the_rust_lines() {
    require_host!("the objects of the examples");
    require_bpf!();
    let Some(bpftool) = find_program("bpftool") else {
        skip!("bpftool is not installed");
    };
    let bpffs = Bpffs::new().unwrap();
    let mut load = Command::new(&bpftool);
    load.args(["prog", "load"]).arg(fixture("drops"));
    success(load.arg(bpffs.join("drops")));
    let mut dump = Command::new(&bpftool);
    dump.args(["prog", "dump", "xlated", "pinned"]);
    let listing = success(dump.arg(bpffs.join("drops")).arg("linum"));
    // The text of a line, and where it stands.
    assert!(
        listing.contains("; if ctx.read::<[u8; 2]>(12)? != [0x08, 0x00]"),
        "{listing}"
    );
    assert!(
        listing.contains("tests/fixtures/drops.rs line_num:"),
        "{listing}"
    );
}
