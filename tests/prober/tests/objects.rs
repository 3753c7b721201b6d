//! Every program of many objects, loaded by libbpf and by Hachi: what libbpf loads Hachi loads, and
//! to the kernel it is the same.

use std::path::{Path, PathBuf};

use hachi_test::require_bpf;
use prober::{Hachi, Libbpf, Loaded, Loader, Part, Result, identity, programs};

/// The objects below a directory.
fn objects_below(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("its entry").path();
        if path.is_dir() {
            objects_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "o") {
            found.push(path);
        }
    }
}

fn loaded<L: Loader>(loader: &L, file: &Path, name: &str) -> Result<([u8; 8], u32)> {
    identity(loader.load(file, Part::Program(name))?.kernel_program()?)
}

/// Loads each program alone, and tells how many either loads.
fn compare(directories: &[PathBuf]) -> [usize; 2] {
    let mut objects = Vec::new();
    for directory in directories {
        objects_below(directory, &mut objects);
    }
    objects.sort();
    let mut counts = [0; 2];
    let mut less = Vec::new();
    for object in objects {
        // Some are broken on purpose.
        for name in programs(&object).unwrap_or_default() {
            let by_libbpf = loaded(&Libbpf, &object, &name);
            let by_hachi = loaded(&Hachi, &object, &name);
            counts[0] += usize::from(by_libbpf.is_ok());
            counts[1] += usize::from(by_hachi.is_ok());
            if by_libbpf.is_ok() && by_libbpf != by_hachi {
                let object = object.display();
                less.push(format!("{object} {name}: {by_libbpf:?} and {by_hachi:?}"));
            }
        }
    }
    println!(
        "programs loaded: libbpf {} | Hachi {}",
        counts[0], counts[1]
    );
    assert!(less.is_empty(), "{}", less.join("\n"));
    counts
}

#[test]
fn programs_are_the_same_by_both() {
    require_bpf!();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directories = ["objects", "../../crates/hachi-obj/tests/data"];
    let counts = compare(&directories.map(|directory| here.join(directory)));
    assert!(counts[0] >= 40, "{counts:?}");
}

/// Only in a guest: who knows what they do to a kernel.
#[test]
#[ignore = "loads the objects below `foreign`, a directory to be put beside this package's sources"]
fn foreign_programs_are_the_same_by_both() {
    require_bpf!();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    compare(&[here.join("foreign")]);
}
