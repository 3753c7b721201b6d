//! Finds out whether this is a package of a registry or a checkout of the repository.

use std::env;
use std::path::PathBuf;

fn main() {
    // Without this line cargo would look at all files; a checkout does not become a package.
    println!("cargo::rerun-if-changed=build.rs");
    // For those who build what they distribute from a checkout.
    println!("cargo::rerun-if-env-changed=HACHI_PACKAGED");
    let dir = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    // `cargo package` adds these; the first one only where there is a git repository.
    let is_packaged = env::var_os("HACHI_PACKAGED").is_some_and(|value| value == "1")
        || dir.join(".cargo_vcs_info.json").exists()
        || dir.join("Cargo.toml.orig").exists();
    if !is_packaged && let Some(root) = dir.ancestors().nth(2) {
        println!("cargo::rustc-env=HACHI_BUILT_IN={}", root.display());
    }
}
