//! Aya's build-script API on top of Hachi.
//!
//! ```toml
//! [build-dependencies]
//! aya-build = { package = "hachi-aya-build", version = "0.1" }
//! ```
//!
//! Programs are built with the stable compiler that builds the rest; no `bpf-linker` is needed.

use std::env;

pub use anyhow::Result;
#[cfg(feature = "v0_1")]
pub use cargo_metadata;

/// An eBPF package to build.
#[derive(Clone, Copy, Debug, Default)]
pub struct Package<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its directory.
    pub root_dir: &'a str,
    /// Whether its default features are off.
    pub no_default_features: bool,
    /// Further features.
    pub features: &'a [&'a str],
}

/// Which compiler Aya would use. Here it is the one that runs the build.
#[derive(Clone, Copy, Debug, Default)]
pub enum Toolchain<'a> {
    /// The latest nightly one.
    #[default]
    Nightly,
    /// One by its name.
    Custom(&'a str),
}

/// Builds the binaries of eBPF packages; each becomes `$OUT_DIR/NAME`.
///
/// The environment variable `AYA_BUILD_SKIP=1` leaves that out.
///
/// # Errors
/// When a package does not build; the compiler's messages have then been printed.
#[cfg(not(feature = "v0_1"))]
pub fn build_ebpf<'a>(
    packages: impl IntoIterator<Item = Package<'a>>,
    _toolchain: Toolchain<'a>,
) -> Result<()> {
    build(|| {
        let packages = packages.into_iter().map(|package| {
            let mut to_build = match package.root_dir {
                "" => hachi_build::Package::from(package.name),
                directory => hachi_build::Package::from(std::path::Path::new(directory)),
            };
            if package.no_default_features {
                to_build = to_build.no_default_features();
            }
            for feature in package.features {
                to_build = to_build.feature(*feature);
            }
            to_build
        });
        packages.collect()
    })
}

/// Builds the binaries of eBPF packages, as cargo describes them; each becomes `$OUT_DIR/NAME`.
///
/// The environment variable `AYA_BUILD_SKIP=1` leaves that out.
///
/// # Errors
/// When a package does not build; the compiler's messages have then been printed.
#[cfg(feature = "v0_1")]
pub fn build_ebpf(packages: impl IntoIterator<Item = cargo_metadata::Package>) -> Result<()> {
    build(|| {
        let directories = packages.into_iter().filter_map(|package| {
            let directory = package.manifest_path.parent()?;
            Some(hachi_build::Package::from(directory.as_std_path()))
        });
        directories.collect()
    })
}

fn build(packages: impl FnOnce() -> Vec<hachi_build::Package>) -> Result<()> {
    // The build script is run a second time, as the linker.
    hachi_build::intercept();
    println!("cargo::rerun-if-env-changed=AYA_BUILD_SKIP");
    if let Some(value) = env::var_os("AYA_BUILD_SKIP")
        && (value == "1" || value.eq_ignore_ascii_case("true"))
    {
        println!("cargo::warning=AYA_BUILD_SKIP is set: eBPF programs are not built");
        return Ok(());
    }
    Ok(hachi_build::build_ebpf(packages())?)
}

/// Tells the crate that is being compiled for which machine's registers programs are
/// (`bpf_target_arch`). Hachi does so itself; a build script that calls this gets the same.
///
/// # Errors
/// When it is not called from a build script.
pub fn emit_bpf_target_arch_cfg() -> Result<()> {
    let arch = match env::var("CARGO_CFG_BPF_TARGET_ARCH") {
        Ok(arch) => arch,
        Err(_) => env::var("HOST")?
            .split('-')
            .next()
            .unwrap_or_default()
            .to_owned(),
    };
    println!("cargo::rustc-cfg=bpf_target_arch=\"{arch}\"");
    println!("cargo::rustc-check-cfg=cfg(bpf_target_arch, values(any()))");
    Ok(())
}
