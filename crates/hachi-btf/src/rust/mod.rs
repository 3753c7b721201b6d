//! The kernel's types as Rust: what `hachi bindgen` prints, for build scripts as well.
//!
//! ```no_run
//! // build.rs of a program's crate
//! use hachi_btf::{Btf, rust::Bindings};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let bytes = std::fs::read("vmlinux-6.1.btf")?;
//! let text = Bindings::new()
//!     .ask("task_struct")
//!     .ask("sock.__sk_common")
//!     .ask("tp:sched_process_exec")
//!     .generate(&Btf::parse(&bytes)?)?;
//! let out = std::env::var("OUT_DIR")?;
//! std::fs::write(std::path::Path::new(&out).join("vmlinux.rs"), text)?;
//! # Ok(())
//! # }
//! ```
//! and in the program `mod vmlinux { include!(concat!(env!("OUT_DIR"), "/vmlinux.rs")); }`.
//!
//! The text is a module around `hachi_ebpf::kernel_types!`, which says what becomes of each
//! declaration. The same BTF and questions give the same text. It holds
//!
//! - what was asked for, in full, and the types that are embedded in it;
//! - types that it points to, without fields; those of [`Bindings::depth`] levels in full;
//! - with each type its size, with each field its C declaration and its place. These are for
//!   reading: no program depends on them.
//!
//! `plan` decides which types that takes, `fields` what a field is in Rust, `name` what it is
//! called, and `write` writes it down.

mod error;
mod fields;
mod glob;
mod name;
mod pattern;
mod plan;
#[path = "generated/scalars.rs"]
mod scalars;
mod write;

use crate::Btf;

pub use error::Error;
pub use glob::matches;
use pattern::Scope;

/// What to generate.
#[derive(Debug, Clone)]
pub struct Bindings {
    scope: Scope,
    patterns: Vec<String>,
    depth: u32,
    library: String,
    header: String,
}

impl Default for Bindings {
    fn default() -> Self {
        Bindings::new()
    }
}

impl Bindings {
    /// Nothing yet.
    pub fn new() -> Self {
        Bindings {
            scope: Scope::Patterns,
            patterns: Vec::new(),
            depth: 0,
            library: "hachi_ebpf".to_owned(),
            header: String::new(),
        }
    }

    /// Asks for what a pattern names; `*` and `?` in it are wildcards.
    ///
    /// - `task_struct`, `'bpf_*'`: structures, unions, enums and typedefs of that name; without a
    ///   wildcard, else a function; and enumerators of enums without a name (`TCP_ESTABLISHED`);
    /// - `task_struct.pid`, `'sock_common.skc_*'`: only these fields of a type;
    /// - `fn:tcp_connect`: the arguments of a function, for fentry, fexit and kprobes;
    /// - `tp:sched_switch`, `lsm:file_open`, `iter:task`: those of a tracepoint, of a security
    ///   hook, of an iterator;
    /// - `kfunc:bpf_task_acquire`: a function that programs call. A wildcard finds those that are
    ///   marked as kfuncs (in BTF made since Linux 6.10) and have at most five arguments;
    /// - `struct_ops:tcp_congestion_ops`: a structure of functions as a trait, which
    ///   `#[struct_ops]` implements with programs.
    #[must_use]
    pub fn ask(mut self, pattern: impl Into<String>) -> Self {
        self.patterns.push(pattern.into());
        self
    }

    /// Asks for all structures, unions, enums and typedefs, even where there is none.
    #[must_use]
    pub fn ask_all(mut self) -> Self {
        self.scope = Scope::AllTypes;
        self
    }

    /// How many pointers away from what was asked for types are written in full; 0 unless said.
    #[must_use]
    pub fn depth(mut self, depth: u32) -> Self {
        self.depth = depth;
        self
    }

    /// The name of the kernel-side library, `hachi_ebpf` unless said.
    #[must_use]
    pub fn library(mut self, name: impl Into<String>) -> Self {
        self.library = name.into();
        self
    }

    /// Text for the comment at the beginning: how it was made, say.
    #[must_use]
    pub fn header(mut self, text: impl Into<String>) -> Self {
        self.header = text.into();
        self
    }

    /// The module's text.
    ///
    /// # Errors
    /// For a pattern that names nothing, and for damaged BTF.
    pub fn generate(&self, btf: &Btf<'_>) -> Result<String, Error> {
        if self.patterns.is_empty() && self.scope == Scope::Patterns {
            return Err(Error::Nothing);
        }
        let asked = pattern::select(btf, &self.patterns, self.scope)?;
        let plan = plan::Plan::new(btf, asked, self.depth)?;
        Ok(write::module(btf, &plan, &self.library, &self.header)?)
    }
}
