//! `cargo xtask build-ebpf [--release]`: the kernel side, where the 2021 layout expects it:
//! `target/bpfel-unknown-none/debug/hello-xdp`, or `release`.

use anyhow::{bail, Context};
use hachi_build::{Builder, Profile};
use std::{env, fs, path::PathBuf};

fn main() -> Result<(), anyhow::Error> {
    // rustc calls this same program again, as its linker.
    hachi_linker::intercept();

    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (profile, name) = match arguments[..] {
        ["build-ebpf"] => (Profile::Debug, "debug"),
        ["build-ebpf", "--release"] => (Profile::Release, "release"),
        _ => bail!("usage: cargo xtask build-ebpf [--release]"),
    };

    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = match env::var_os("CARGO_TARGET_DIR") {
        Some(target) => target.into(),
        None => root.join("target"),
    };
    let directory = target.join("bpfel-unknown-none").join(name);
    fs::create_dir_all(&directory).with_context(|| format!("creating {}", directory.display()))?;
    let objects = Builder::new(root.join("hello-xdp-ebpf"))
        .profile(profile)
        .build()?;
    for object in objects {
        let to = directory.join(&object.name);
        fs::copy(&object.path, &to).with_context(|| format!("writing {}", to.display()))?;
        println!("{}", to.display());
    }
    Ok(())
}
