//! Finds a Rust toolchain that can build eBPF and builds eBPF packages with it.
//!
//! Two doors lead in:
//!
//! - [`build_ebpf`], called from a `build.rs`, builds the eBPF packages of a workspace and leaves
//!   each object at `$OUT_DIR/<bin>`, ready for `include_bytes_aligned!`;
//! - [`Builder`], used by the `hachi` command, builds one package or one stand-alone `.rs` file.
//!
//! Both compile the user's crates with stable flags only, through cargo. What a stock toolchain
//! lacks for eBPF is a `core` library for the target; [`Toolchain::find`] gets one in the first way
//! that works (see [`Way`]) and [`Toolchain::survey`] explains all of them.
//!
//! # Environment
//! | variable | meaning |
//! |---|---|
//! | `HACHI_TOOLCHAIN` | `prebuilt`, `source` or `host`: use this way or fail |
//! | `HACHI_RUSTC` | the compiler to use, instead of the package's own |
//! | `HACHI_RUST_SRC` | a library source tree (it holds `core/`) of the compiler's version |
//! | `HACHI_LLVM` | the LLVM library to link with, instead of the compiler's own |
//! | `HACHI_CACHE` | the cache; default `$XDG_CACHE_HOME/hachi` or `~/.cache/hachi` |
//! | `HACHI_YES` | `1`: answer yes to every question about installing things |
//! | `HACHI_SRC` | a checkout of Hachi, whose crates single files are built with, see [`Origin`] |
//! | `HACHI_EBPF_PROFILE` | `release` (default) or `debug`: the profile of [`build_ebpf`] |

mod arch;
mod archive;
mod builder;
mod cache;
mod cargo;
mod error;
mod obstacle;
mod origin;
mod process;
mod script;
mod single;
mod sys;
mod toolchain;

pub use arch::{Arch, UnknownArch};
pub use archive::{Archive, Offer, Suite};
pub use builder::{Artifact, Builder, Profile};
pub use cache::{Cache, Hash};
pub use error::Error;
pub use hachi_linker::{Cpu, Kernel, Panics, Target, intercept};
pub use obstacle::{Obstacle, Remedy};
pub use origin::Origin;
pub use script::{Package, build_ebpf};
pub use toolchain::{Cross, Finding, Search, State, Toolchain, Version, Way};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
