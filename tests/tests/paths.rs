//! The names of files and of the program that opens them, at a security hook.

use hachi::EbpfLoader;
use hachi::maps::RingBuf;
use hachi::programs::Lsm;
use hachi_test::{TempDir, in_guest, require_bpf, require_kernel, skip};
use hachi_tests::{fixture, fixture_with};
use std::fs::File;
use std::path::{Path, PathBuf};

/// What a program says when this process opens a file.
fn said_by(program: &str, object: &Path, file: &Path) -> Vec<String> {
    let mut ebpf = EbpfLoader::new()
        .override_global("PROCESS", &std::process::id(), true)
        .load_file(object)
        .unwrap();
    let program = ebpf.program_mut(program).unwrap();
    program.load().unwrap_or_else(|error| panic!("{error}"));
    let program: &mut Lsm = program.try_into().unwrap();
    program.attach().unwrap();
    File::open(file).unwrap();
    let mut names = RingBuf::try_from(ebpf.map_mut("NAMES").unwrap()).unwrap();
    let mut said = Vec::new();
    while let Some(name) = names.next() {
        said.push(String::from_utf8_lossy(&name).into_owned());
    }
    said
}

/// A file with a name of this length.
fn file_of_length(directory: &Path, length: usize) -> PathBuf {
    let missing = length - directory.as_os_str().len() - 1;
    let file = directory.join("n".repeat(missing));
    File::create(&file).unwrap();
    file
}

fn both_profiles(check: impl Fn(&Path)) {
    check(&fixture("paths"));
    check(&fixture_with("paths", &["--debug"]));
}

#[test]
fn a_file_is_named_from_the_root() {
    require_bpf!();
    require_kernel!("5.11", "bpf_d_path in lsm programs");
    if !in_guest() {
        skip!("it is tested in guests, whose kernels have all types");
    }
    let directory = TempDir::new().unwrap();
    let [fits, too_long] = [127, 128].map(|length| file_of_length(directory.path(), length));
    both_profiles(|object| {
        let said = said_by("by_helper", object, &fits);
        assert!(
            said.contains(&fits.display().to_string()),
            "{said:?}: {}",
            fits.display()
        );
        let said = said_by("by_helper", object, &too_long);
        let error = (-i64::from(libc::ENAMETOOLONG)).to_ne_bytes();
        let error = String::from_utf8_lossy(&error).into_owned();
        assert!(said.contains(&error), "{said:?}");
    });
}

#[test]
fn a_file_and_its_opener_are_named_by_functions_of_the_kernel() {
    require_bpf!();
    if !in_guest() {
        skip!("it is tested in guests, whose kernels have all types");
    }
    require_kernel!("6.12", "bpf_path_d_path");
    let directory = TempDir::new().unwrap();
    let file = file_of_length(directory.path(), 60);
    let this = std::env::current_exe().unwrap().display().to_string();
    both_profiles(|object| {
        let said = said_by("by_function", object, &file);
        assert!(said.contains(&file.display().to_string()), "{said:?}");
        assert_eq!(said_by("executable", object, &file), [this.as_str()]);
    });
}
