//! The virtual machine as a WebAssembly module: built with a standard library of its own, since
//! that of the toolchain may not be there, and run in Node.js.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::install::{self, NODE, WASM_OPT};
use crate::shell::{Result, capture, cargo, root, run, target_dir};
use crate::test::Tally;

/// How the module is built: for size.
const SETTINGS: &[&str] = &[
    "profile.release.opt-level=\"z\"",
    "profile.release.lto=true",
    "profile.release.strip=true",
    "profile.release.codegen-units=1",
];

/// What the compiler's modules use of WebAssembly.
const FEATURES: &[&str] = &[
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// The most bytes of the module, made smaller or as the compiler leaves it.
const MOST: [u64; 2] = [640 * 1024, 704 * 1024];

/// The module.
pub struct Module {
    pub path: PathBuf,
    /// How many bytes it may have.
    most: u64,
}

/// Builds the module, and makes it smaller where the tool for that can be had.
pub fn build() -> Result<Module> {
    let sysroot = capture(Command::new("rustc").args(["--print", "sysroot"]))?;
    let library = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/std");
    if !library.is_dir() {
        install::ensure_component("rust-src")?;
    }
    let to = target_dir().join("wasm");
    let mut build = cargo(root());
    build.args(["build", "--quiet", "--release", "--package", "hachi-vm"]);
    build.args(["--example", "wasm", "--target", "wasm32-unknown-unknown"]);
    build.args([
        "-Zbuild-std=std,panic_abort",
        "-Zbuild-std-features=optimize_for_size",
    ]);
    for setting in SETTINGS {
        build.args(["--config", setting]);
    }
    build
        // Building the standard library is what stable compilers do not do by themselves.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Zunstable-options -Cpanic=immediate-abort")
        .env("CARGO_TARGET_DIR", &to);
    run(&mut build)?;
    let path = to.join("wasm32-unknown-unknown/release/examples/wasm.wasm");
    if let Some((_, reason)) = install::ensure(&[WASM_OPT]).into_iter().next() {
        println!("the module is as the compiler leaves it: {reason}");
        let most = MOST[1];
        return Ok(Module { path, most });
    }
    let smaller = to.join("hachi.wasm");
    let mut optimize = Command::new(WASM_OPT.program);
    optimize.arg("-Oz").args(FEATURES).arg(path);
    run(optimize.arg("-o").arg(&smaller))?;
    Ok(Module {
        path: smaller,
        most: MOST[0],
    })
}

/// Runs the module's tests in Node.js.
pub fn test(tally: &mut Tally) -> Result {
    if let Some((tool, reason)) = install::ensure(&[NODE]).into_iter().next() {
        tally.skip(&format!("what needs `{}`", tool.program), reason);
        return Ok(());
    }
    let module = build()?;
    let object: &Path = &root().join("crates/hachi-cli/tests/objects/talker.o");
    let mut node = Command::new("node");
    node.arg(root().join("crates/hachi-vm/examples/wasm/test.mjs"))
        .env("HACHI_WASM", module.path)
        .env("HACHI_WASM_MOST", module.most.to_string())
        .env("HACHI_OBJECT", object);
    run(&mut node)
}
