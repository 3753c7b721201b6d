//! CO-RE: programs become what libbpf makes of them, instruction for instruction, on every kernel.
//!
//! The objects of `objects/core` ask every question there is; `libbpf` is the peer to compare with.

use hachi_asm::{Endian, Insn};
use hachi_btf::Btf;
use hachi_btf::core::Minimizer;
use hachi_guest::Kernel;
use hachi_obj::link::Types;
use hachi_obj::{Code, CoreReloKind, RelocationKind, Spec};
use hachi_test::{TempDir, require_bpf, skip};
use hachi_tests::{cargo, fixture, hachi, root, success, target_dir};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Objects that ask: those made by clang, in the byte order of this machine, and our own.
fn objects() -> Vec<PathBuf> {
    let suffix = match Endian::NATIVE {
        Endian::Little => ".bpfel.o",
        Endian::Big => ".bpfeb.o",
    };
    let mut objects: Vec<PathBuf> = fs::read_dir(root().join("tests/objects/core"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(suffix))
        .collect();
    objects.sort();
    assert!(objects.len() >= 6);
    // And ours, made from Rust.
    objects.extend(["core_proof", "core_questions"].map(fixture));
    objects
}

/// The program that relocates with libbpf; what is lacking if it cannot be built.
fn peer() -> Result<PathBuf, String> {
    let target = target_dir().join("libbpf");
    let mut build = cargo(&root().join("tests/libbpf"));
    build
        .args(["build", "--quiet", "--release", "--target-dir"])
        .arg(&target);
    match build.output() {
        Ok(output) if output.status.success() => Ok(target.join("release/libbpf-peer")),
        Ok(output) => Err(format!(
            "libbpf cannot be built (needs cc, libelf-dev and zlib1g-dev): {}",
            String::from_utf8_lossy(&output.stderr)
        )),
        Err(error) => Err(error.to_string()),
    }
}

/// What libbpf makes of each program; `None` where it refuses.
fn theirs(peer: &Path, object: &Path, btf: &Path) -> HashMap<String, Option<Vec<Insn>>> {
    let text = success(Command::new(peer).arg("insns").arg(object).arg(btf));
    let mut programs = HashMap::new();
    let mut current = None;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("program ") {
            programs.insert(name.to_owned(), Some(Vec::new()));
            current = Some(name.to_owned());
        } else if let Some(name) = line.strip_prefix("error ") {
            programs.insert(name.to_owned(), None);
        } else if let Some(name) = &current {
            let bytes = u64::from_str_radix(line, 16).unwrap().to_be_bytes();
            let insns = programs.get_mut(name).unwrap().as_mut().unwrap();
            insns.push(Insn::decode(bytes, Endian::NATIVE));
        }
    }
    programs
}

/// The instructions without what only the running kernel supplies: descriptors of maps.
fn comparable(code: &Code, insns: &[Insn]) -> Vec<Insn> {
    let mut insns = insns.to_vec();
    for relocation in &code.relocations {
        if let RelocationKind::Map { .. } | RelocationKind::GlobalData { .. } = relocation.kind {
            insns[relocation.insn].imm = 0;
        }
    }
    insns
}

/// The types of the kernels to compare on, as files: of the running one, and on the host of those
/// that we say we work on.
fn kernels() -> Vec<PathBuf> {
    let mut files = vec![PathBuf::from("/sys/kernel/btf/vmlinux")];
    files.retain(|file| file.exists());
    if !hachi_test::in_guest() {
        for version in ["5.10", "6.1", "6.12", "7"] {
            match Kernel::find(version) {
                Ok(kernel) => files.push(kernel.btf_path()),
                Err(error) => hachi_test::report_skip(format_args!("without {version}: {error}")),
            }
        }
    }
    files
}

#[test]
fn instructions_are_those_of_libbpf() {
    require_bpf!();
    if hachi_test::in_guest() {
        skip!("libbpf is built on the host, where this kernel's types are compared too");
    }
    let peer = match peer() {
        Ok(peer) => peer,
        Err(reason) => skip!("{reason}"),
    };
    let (mut records, mut refused) = (0, 0);
    for path in kernels() {
        let bytes = fs::read(&path).unwrap();
        let kernel = Btf::parse(&bytes).unwrap();
        for object in objects() {
            let spec = Spec::parse(&fs::read(&object).unwrap()).unwrap();
            let types = Types::new(&kernel, &[]);
            let mut theirs = theirs(&peer, &object, &path);
            for program in spec.programs {
                let what = format!(
                    "{} of {} on {}",
                    program.name,
                    object.display(),
                    path.display()
                );
                let code = program.code().unwrap();
                let theirs = theirs.remove(&program.name).expect(&what);
                match (program.link(&types), theirs) {
                    (Ok(ours), Some(theirs)) => {
                        let ours = comparable(&code, &ours.insns);
                        assert_eq!(ours, comparable(&code, &theirs), "{what}");
                        records += code.core_relos.len();
                    }
                    (Err(_), None) => refused += 1,
                    (Err(error), Some(_)) => panic!("{what}: libbpf relocates it: {error}"),
                    (Ok(_), None) => panic!("{what}: libbpf refuses it"),
                }
            }
        }
    }
    assert!(records > 300, "{records}");
    assert!(refused >= 3, "{refused}");
}

/// The few types that an object needs make the same program of it as all the kernel has.
#[test]
fn minimal_types_are_as_good_as_all() {
    let mut compared = 0;
    for path in kernels() {
        let bytes = fs::read(&path).unwrap();
        let kernel = Btf::parse(&bytes).unwrap();
        for object in objects() {
            let spec = Spec::parse(&fs::read(&object).unwrap()).unwrap();
            let local = spec.types().unwrap();
            let mut needed = Minimizer::new(&kernel);
            for program in &spec.programs {
                for relo in program.code().unwrap().core_relos() {
                    // What makes no sense needs nothing.
                    let _ = needed.add(&local, relo.unwrap());
                }
            }
            let min = needed.finish().unwrap().encode(kernel.endian()).unwrap();
            assert!(min.len() < bytes.len() / 50, "{} bytes", min.len());
            let min = Btf::parse(&min).unwrap();
            for program in spec.programs {
                let relocated = |kernel: &Btf<'_>| {
                    let mut program = program.clone();
                    // Of these, the numbers of types differ.
                    let ids = CoreReloKind::TypeIdTarget as u32;
                    let code = program.code_mut().unwrap();
                    code.core_relos.retain(|relo| relo.kind != ids);
                    let types = Types::new(kernel, &[]);
                    program
                        .link(&types)
                        .map(|linked| linked.insns)
                        .map_err(|error| error.to_string())
                };
                assert_eq!(relocated(&min), relocated(&kernel), "{}", program.name);
                compared += 1;
            }
        }
    }
    if compared == 0 {
        skip!("no kernel shows its types here");
    }
}

#[test]
fn the_command_cuts_types_down_and_checks_objects() {
    if hachi_test::in_guest() {
        skip!("the command is the host's");
    }
    let directory = TempDir::new().unwrap();
    let min = directory.join("min.btf");
    let object = |name: &str| {
        let objects = objects();
        let found = objects.into_iter().find(|path| {
            let file = path.file_name().unwrap().to_str().unwrap();
            file.starts_with(name)
        });
        found.unwrap()
    };
    if !Path::new("/sys/kernel/btf/vmlinux").exists() {
        skip!("this kernel does not show its types");
    }
    let mut cut = hachi(["btf", "min", "running"]);
    cut.arg(&min).arg(object("sched")).arg(object("missing"));
    assert!(success(&mut cut).contains("CO-RE relocations"));
    assert!(fs::metadata(&min).unwrap().len() < 8192);

    // What is missing is named by source line, and the same with few types as with all.
    let check = |btf: &Path| {
        let mut check = hachi(["btf", "check", "--json", "--btf"]);
        check.arg(btf).arg(object("missing"));
        let output = check.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        document["checks"][0]["unresolved"].clone()
    };
    let found = check(Path::new("running"));
    let told = |what: &str| {
        let all = found.as_array().unwrap();
        all.iter().any(|one| {
            one["program"] == "unguarded"
                && one["file"].as_str().unwrap().ends_with("missing.c")
                && one["problem"].as_str().unwrap().contains(what)
        })
    };
    assert!(told(
        "field `task_struct.gone_number` does not exist on this kernel"
    ));
    let lines = |found: &serde_json::Value| -> Vec<u64> {
        let all = found.as_array().unwrap().iter();
        all.map(|one| one["line"].as_u64().unwrap()).collect()
    };
    assert_eq!(lines(&check(&min)), lines(&found));
    let mut check = hachi(["btf", "check"]);
    check.arg(object("bitfields"));
    assert!(success(&mut check).contains("all resolve"));
}
