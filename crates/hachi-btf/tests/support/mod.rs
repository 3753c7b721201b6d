//! Compilers and kernels for the tests of types.
#![allow(dead_code)] // each test file uses its part

use std::path::Path;
use std::process::Command;

/// The types of kernels, with names for them: of the running one, and of those whose files the
/// environment lists in HACHI_TEST_BTF, with colons between.
pub fn kernels() -> Vec<(String, Vec<u8>)> {
    let listed = std::env::var("HACHI_TEST_BTF").unwrap_or_default();
    let listed = listed.split(':').filter(|path| !path.is_empty());
    std::iter::once("/sys/kernel/btf/vmlinux")
        .chain(listed)
        .filter_map(|path| Some((path.to_owned(), std::fs::read(path).ok()?)))
        .collect()
}

/// Runs clang for BPF in a directory.
#[track_caller]
pub fn run_clang(clang: &Path, dir: &Path, arguments: &[&str]) {
    let output = Command::new(clang)
        .args(["-target", "bpf", "-ferror-limit=0"])
        .args(arguments)
        .current_dir(dir)
        .output()
        .expect("clang runs");
    let said = String::from_utf8_lossy(&output.stderr);
    let first: Vec<&str> = said.lines().take(40).collect();
    assert!(output.status.success(), "{}", first.join("\n"));
}

/// The contents of section `name` of a little-endian ELF file, as clang writes them.
pub fn elf_section(elf: &[u8], name: &str) -> Option<Vec<u8>> {
    let word = |at: usize, len: usize| {
        let bytes = elf.get(at..at + len)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0usize, |n, &b| n << 8 | usize::from(b)),
        )
    };
    let (table, count, names) = (word(0x28, 8)?, word(0x3c, 2)?, word(0x3e, 2)?);
    let header = |index: usize| table + 64 * index;
    let names = word(header(names) + 0x18, 8)?;
    let section = (0..count).map(header).find(|&at| {
        let start = word(at, 4).map(|offset| names + offset);
        let rest = start.and_then(|start| elf.get(start..)).unwrap_or_default();
        rest.strip_prefix(name.as_bytes())
            .is_some_and(|rest| rest.first() == Some(&0))
    })?;
    let (start, len) = (word(section + 0x18, 8)?, word(section + 0x20, 8)?);
    Some(elf.get(start..start + len)?.to_vec())
}
