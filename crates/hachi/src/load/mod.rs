//! From Spec to kernel: the loading pipeline, in the order in which it runs.
//!
//! 1. [`check`]: can this object run here at all?
//! 2. [`ObjectBtf::load`]: hand over the types; sanitised only if the kernel refuses them.
//! 3. [`maps::create`]: create or reuse, fill with initial contents, freeze, pin. Those of
//!    `.kconfig` are found out before ([`kconfig::fill`]).
//! 4. [`Object`]: what all programs of the object share from then on.
//! 5. [`program`]: link (the functions it calls, then what the [`System`](resolve::System) answers:
//!    the maps' descriptors, the kernel's types, functions and variables), load, and on refusal
//!    load again with a log. The [`ProgramSpec`] stays as it is.
//!
//! Until step 5 nothing is verified, so a program that is never loaded may need what the kernel (or
//! this crate) lacks. Whatever a step has made is owned by a value that undoes it on drop, so an
//! error leaves nothing behind.

mod error;
mod externs;
mod kconfig;
mod maps;
mod object;
mod options;
mod program;
mod program_error;
mod rejection;
mod resolve;
pub(crate) mod struct_ops;
mod target;
mod types;
mod unloadable;

use std::ffi::CString;

use hachi_obj::{GlobalVar, ProgramSpec, Spec};

pub use self::{
    error::EbpfError,
    options::VerifierLogLevel,
    program_error::ProgramError,
    rejection::Rejection,
    types::BtfProblem,
    unloadable::{
        ExternProblem, OptionProblem, StructOpsProblem, SymbolKind, TargetProblem, Unloadable,
    },
};
use self::{object::Externs, types::ObjectBtf};
pub(crate) use self::{object::Object, options::Options, program::program, target::Target};
use crate::{kernel_btf::KernelBtf, maps::Map, pin::PinGuard, version::KernelVersion};

/// What loading a Spec gives.
pub(crate) struct Loaded {
    pub(crate) object: Object,
    pub(crate) maps: Vec<(String, Map)>,
    pub(crate) programs: Vec<ProgramSpec>,
    pub(crate) globals: Vec<GlobalVar>,
    pub(crate) log_sites: Option<Vec<u8>>,
}

/// Steps 1 to 4.
pub(crate) fn object(
    mut spec: Spec,
    options: &Options,
    kernel_btf: KernelBtf,
) -> Result<Loaded, EbpfError> {
    let rights = &options.rights;
    check(&spec)?;
    let unset = kconfig::fill(&mut spec, options.kernel_config.as_deref(), rights)?;
    let btf = ObjectBtf::load(&spec, rights);
    let mut pins = PinGuard::default();
    let created = maps::create(&spec, options, &btf, &mut pins)?;
    let slots = maps::fill(&spec, &created.maps)?;
    pins.keep();
    let object = Object {
        // Without NUL it is always one.
        license: CString::new(spec.license.replace('\0', "")).unwrap_or_default(),
        kernel_version: kernel_version(spec.kernel_version),
        arch: spec.arch,
        btf,
        externs: Externs::new(spec.externs, unset),
        maps: created
            .maps
            .iter()
            .map(|(name, map)| (name.clone(), map.data().fd().clone()))
            .collect(),
        missing_maps: created.missing,
        slots,
        struct_ops: spec.struct_ops,
        kernel_btf,
        inline_info: spec.inline_info,
        log_level: options.log_level,
        rights: rights.clone(),
        #[cfg(feature = "uprobe")]
        usdt_ids: Default::default(),
    };
    Ok(Loaded {
        object,
        maps: created.maps,
        programs: spec.programs,
        globals: spec.globals,
        log_sites: spec.log_sites,
    })
}

/// Step 1.
fn check(spec: &Spec) -> Result<(), EbpfError> {
    Ok(spec.check_endian()?)
}

/// Kernels before 5.0 load kprobes only for their own version; the object may name one, or leave it
/// to us (0 or -2).
fn kernel_version(declared: u32) -> u32 {
    match declared {
        0 | 0xffff_fffe => KernelVersion::current().map_or(0, KernelVersion::code),
        given => given,
    }
}
