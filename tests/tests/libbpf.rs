//! What we build, everyone opens: every object goes through libbpf, by Debian's bpftool.

use hachi_test::{Bpffs, TempDir, find_program, require_bpf, require_host, skip};
use hachi_tests::{example_objects, fixture, fixture_with, root, success};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What bpftool's libbpf or the machine's own kernel does not know, so that the objects can only be
/// opened there: sections and structs that came later, and programs that not every kernel lets in.
const OPENED_ONLY: &[&str] = &[
    "guard",
    "network",
    "probes",
    "schedfifo",
    "tcpcc",
    "tracing",
];

/// Every object there is to show: fixtures in release and debug, and the kernel sides of all
/// examples.
fn objects(directory: &Path) -> Vec<PathBuf> {
    let mut objects: Vec<PathBuf> = ["drops", "xdp", "maps", "bare"].map(fixture).into();
    objects.push(fixture_with("drops", &["--debug"]));
    objects.push(fixture_with("maps", &["--cpu", "v1"]));
    let packages = kernel_sides();
    assert!(packages.len() >= 5, "{packages:?}");
    for package in packages {
        objects.extend(example_objects(&package, directory));
    }
    objects
}

/// The packages `examples/WORKSPACE/NAME-ebpf`.
fn kernel_sides() -> Vec<PathBuf> {
    let below = |directory: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(directory).expect("a directory of the repository");
        let paths = entries.map(|entry| entry.expect("its name").path());
        paths.filter(|path| path.is_dir()).collect()
    };
    let packages = below(&root().join("examples")).into_iter();
    let packages = packages.flat_map(|workspace| below(&workspace));
    // The book has a directory of single files that is called the same.
    let is_kernel_side = |path: &PathBuf| {
        path.to_string_lossy().ends_with("-ebpf") && path.join("Cargo.toml").is_file()
    };
    packages.filter(is_kernel_side).collect()
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
    let mut objects = objects(directory.path());
    objects.retain(|object| {
        let name = object.file_stem().unwrap_or_default().to_string_lossy();
        !OPENED_ONLY.contains(&&*name)
    });
    assert!(objects.len() >= 20);
    for (number, object) in objects.iter().enumerate() {
        let mut load = Command::new(&bpftool);
        load.args(["prog", "loadall"]).arg(object);
        load.arg(bpffs.join(format!("object{number}")));
        success(&mut load);
    }
}

/// A skeleton has all that libbpf found when it opened the object.
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
        let spec = hachi_obj::Spec::parse(&std::fs::read(&object).unwrap()).unwrap();
        let programs = spec
            .programs
            .iter()
            .map(|program| ("program", &program.name));
        let maps = spec.maps.iter().filter(|map| !map.name.starts_with('.'));
        for (kind, name) in programs.chain(maps.map(|map| ("map", &map.name))) {
            let field = format!("struct bpf_{kind} *{name};");
            assert!(
                header.contains(&field),
                "{}: no {kind} {name}",
                object.display()
            );
        }
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

/// An object that wants what this kernel lacks: libbpf refuses all of it, Hachi the programs that
/// reach what is missing.
#[test]
fn libbpf_refuses_a_whole_object_for_one_missing_symbol() {
    require_host!("a checkout");
    require_bpf!();
    let Some(bpftool) = find_program("bpftool") else {
        skip!("bpftool is not installed");
    };
    let object = root().join("crates/hachi-obj/tests/data/externs.bpfel.o");
    let bpffs = Bpffs::new().unwrap();
    let mut load = Command::new(bpftool);
    load.args(["-d", "prog", "loadall"]).arg(&object);
    let refused = load.arg(bpffs.join("externs")).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success(), "{said}");
    let reason = "extern (func ksym) 'bpf_rcu_read_lock___wrong': not found";
    assert!(said.contains(reason), "{said}");

    let mut ebpf = hachi::Ebpf::load_file(&object).unwrap();
    let missing = ["missing_function", "missing_variable", "missing_symbol"];
    for name in missing {
        let error = ebpf.program_mut(name).unwrap().load().unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    ebpf.program_mut("options").unwrap().load().unwrap();
}
