//! How often `unsafe` stands in the kernel sides of the tools, and in those of the same tools
//! written for Aya (`benches/aya/ebpf`).
//!
//! Both do the same, both use what their library has that is safe, and the compiler refuses an
//! `unsafe` that is none. Aya's are checked for the host: for BPF its library wants a nightly
//! compiler. What user space has to say (`unsafe impl aya::Pod` for each type that is shared) is
//! not counted, nor are types of the kernel, which both generate.

use crate::figures::{Goal, Unit, keep};
use crate::tools::{Result, cargo, root, scratch, succeed};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::fs;
use std::path::{Path, PathBuf};

/// How often it stands before a block, a function or an implementation, and in an attribute
/// (`#[unsafe(no_mangle)]`).
#[derive(Clone, Copy, Default)]
struct Count {
    blocks: usize,
    functions: usize,
    attributes: usize,
}

impl Count {
    fn all(self) -> usize {
        self.blocks + self.functions + self.attributes
    }

    /// Also what macros are given.
    fn add(&mut self, tokens: TokenStream) {
        let mut after_unsafe = false;
        for token in tokens {
            if after_unsafe {
                match &token {
                    TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                        self.blocks += 1;
                    }
                    TokenTree::Group(_) => self.attributes += 1,
                    _ => self.functions += 1,
                }
            }
            after_unsafe = matches!(&token, TokenTree::Ident(word) if word == "unsafe");
            if let TokenTree::Group(group) = token {
                self.add(group.stream());
            }
        }
    }
}

pub fn run() -> Result {
    let aya = root().join("benches/aya");
    let mut check = cargo(&aya);
    check.args(["check", "--quiet", "--package", "aya-ports"]);
    succeed(check.arg("--target-dir").arg(scratch("aya-ports")?))?;

    println!(
        "  {:14} {:>5} {:>5}   {:>6} {:>9} {:>10}",
        "", "Hachi", "Aya", "blocks", "functions", "attributes"
    );
    let ours = root().join("examples/tools/tools-ebpf/src");
    let theirs = aya.join("ebpf/src");
    let mut sums = (0, Count::default());
    for file in sources(&ours)? {
        let name = file.with_extension("");
        let name = name.file_name().unwrap_or_default().to_string_lossy();
        let own = count(&ours.join(&file))?.all();
        if !theirs.join(&file).is_file() {
            println!("  {name:14} {own:>5}   not possible: Aya has no struct_ops");
            continue;
        }
        let other = count(&theirs.join(&file))?;
        line(&name, own, other);
        sums.0 += own;
        sums.1.blocks += other.blocks;
        sums.1.functions += other.functions;
        sums.1.attributes += other.attributes;
    }
    line("of both", sums.0, sums.1);
    Ok(())
}

fn line(name: &str, own: usize, other: Count) {
    let Count {
        blocks,
        functions,
        attributes,
    } = other;
    let all = other.all();
    for (whose, count) in [("Hachi", own), ("Aya", all)] {
        keep(
            &format!("{whose}: {name}"),
            count as f64,
            Unit::Count,
            Goal::None,
        );
    }
    println!("  {name:14} {own:>5} {all:>5}   {blocks:>6} {functions:>9} {attributes:>10}");
}

/// The programs, and then what they share.
fn sources(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for part in ["bin", ""] {
        let start = found.len();
        for entry in fs::read_dir(directory.join(part))? {
            let path = Path::new(part).join(entry?.file_name());
            if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
        found[start..].sort();
    }
    Ok(found)
}

fn count(file: &Path) -> Result<Count> {
    let tokens: TokenStream = fs::read_to_string(file)?
        .parse()
        .map_err(|error| format!("{}: {error}", file.display()))?;
    let mut count = Count::default();
    count.add(tokens);
    Ok(count)
}
