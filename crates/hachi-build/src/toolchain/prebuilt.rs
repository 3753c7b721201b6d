//! Compilers that come with a `core` for eBPF.

use std::{fs, path::Path, time::UNIX_EPOCH};

use super::compiler::{Compiler, command, prebuilt_core};
use crate::{
    Obstacle, Target,
    cache::{Cache, Hash},
    process::{last_words, output_with_input},
};

/// The directory in the cache with a file for each pair of compiler and library that fit.
const PROBED: &str = "probed";

/// Whether the compiler has a `core` for eBPF of its own that it can use. `Err` says why not.
///
/// Distributions package that library apart from the compiler and without a strict dependency, so
/// the two can be of different versions; only compiling something tells.
pub(super) fn usable(compiler: &Compiler, target: Target, cache: &Cache) -> Result<(), Obstacle> {
    let Some(library) = prebuilt_core(&compiler.sysroot, target) else {
        return Err(Obstacle::NoLibrary {
            compiler: compiler.to_string(),
            target,
        });
    };
    let dir = cache.path(PROBED);
    let proof = dir.join(identity(compiler, &library));
    if proof.is_file() {
        return Ok(());
    }
    cache.directory(PROBED)?;
    // A file of our own: given a device such as /dev/null, a compiler run by root would replace it.
    let out = dir.join(format!("probe-{}.rmeta", std::process::id()));
    let mut call = command(&compiler.rustc);
    call.args([
        "--crate-name=probe",
        "--crate-type=lib",
        "--edition=2021",
        "--target",
        target.triple(),
    ])
    .args(["--emit=metadata", "-Cpanic=abort", "-o"])
    .arg(&out)
    .arg("-");
    let output = output_with_input(&mut call, b"#![no_std]\n");
    let _ = fs::remove_file(&out);
    let output = output?;
    if !output.status.success() {
        return Err(Obstacle::UnfitLibrary {
            library,
            release: compiler.version.release.clone(),
            output: last_words(&output),
        });
    }
    // Only to save the next run the time.
    let _ = fs::write(&proof, "");
    Ok(())
}

fn identity(compiler: &Compiler, library: &Path) -> String {
    let mut hash = Hash::new();
    hash.add(compiler.version.text.as_bytes());
    hash.add(library.as_os_str().as_encoded_bytes());
    if let Ok(metadata) = fs::metadata(library) {
        hash.add(&metadata.len().to_le_bytes());
        let modified = metadata
            .modified()
            .ok()
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        hash.add(&modified.map_or(0, |time| time.as_nanos()).to_le_bytes());
    }
    hash.hex()
}
