//! From Spec to kernel: the loading pipeline, in the order in which it runs.
//!
//! 1. [`check`]: can this object run here at all?
//! 2. [`ObjectBtf::load`]: hand over the types; sanitised only if the kernel refuses them.
//! 3. [`maps::create`]: create or reuse, fill with initial contents, freeze, pin. Those of
//!    `.kconfig` are found out before ([`kconfig::fill`]).
//! 4. [`Object`]: what all programs of the object share from then on.
//! 5. [`program`]: relocate (to the kernel's types, to the maps' descriptors, to the kernel's
//!    functions and variables), load, and on refusal load again with a log.
//!
//! Until step 5 nothing is verified, so a program that is never loaded may need what the kernel (or
//! this crate) lacks. Whatever a step has made is owned by a value that undoes it on drop, so an
//! error leaves nothing behind.

mod externs;
mod kconfig;
mod maps;
mod program;
pub(crate) mod struct_ops;
mod target;
mod types;

use std::{ffi::CString, path::PathBuf};

use hachi_obj::{GlobalVar, ProgramSpec, Spec, StructOpsSpec, core::CoreTypes};

use self::{externs::Externs, types::ObjectBtf};
pub(crate) use self::{
    maps::create_map,
    program::program,
    target::{Target, function_id},
};
use crate::{
    BpfToken, EbpfError, KernelVersion, VerifierLogLevel,
    kernel_btf::KernelBtf,
    maps::{Map, MapData, MapFd},
    pin::PinGuard,
    token,
};

/// How to load, from [`EbpfLoader`](crate::EbpfLoader).
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Directory of maps pinned by name; `/sys/fs/bpf` if not given.
    pub(crate) pin_directory: Option<PathBuf>,
    pub(crate) allow_unsupported_maps: bool,
    /// Maps to use in place of those declared, by the names of the latter.
    pub(crate) replacements: Vec<(String, MapData)>,
    pub(crate) log_level: VerifierLogLevel,
    pub(crate) token: Option<BpfToken>,
    /// Text of a kernel configuration that goes before the kernel's own.
    pub(crate) kernel_config: Option<String>,
}

/// What the programs of one object share. Holds the maps' descriptors, whose numbers end up in
/// instructions, until the last program that may still be loaded is gone.
#[derive(Debug)]
pub(crate) struct Object {
    license: CString,
    kernel_version: u32,
    btf: ObjectBtf,
    /// The object's types as CO-RE records and externs mean them; `None` if nobody asks for them.
    core: Option<CoreTypes>,
    externs: Externs,
    maps: Vec<(String, MapFd)>,
    /// Maps that were left out, and why.
    missing_maps: Vec<(String, String)>,
    /// Slots of program arrays to be filled as programs are loaded: array, index, program.
    slots: Vec<(MapFd, u32, String)>,
    /// Structs of functions that programs of the object are.
    struct_ops: Vec<StructOpsSpec>,
    /// The kernel's types, read when the first program needs them.
    kernel_btf: KernelBtf,
    log_level: VerifierLogLevel,
    token: Option<BpfToken>,
    #[cfg(feature = "uprobe")]
    usdt_ids: crate::links::usdt::SpecIds,
}

impl Object {
    /// Lets this thread's calls use the token that the loader was given, if it was.
    pub(crate) fn use_token(&self) -> token::Scope {
        token::Scope::enter(self.token.as_ref())
    }

    pub(crate) fn btf_problem(&self) -> Option<&str> {
        self.btf.problem.as_deref()
    }
}

/// What USDT probes need of it.
#[cfg(feature = "uprobe")]
impl Object {
    /// The map called `name`, also when it was taken out of the loaded object.
    pub(crate) fn map(&self, name: &str) -> Option<&MapFd> {
        let found = self.maps.iter().find(|(other, _)| other == name);
        found.map(|(_, map)| map)
    }

    pub(crate) fn usdt_ids(&self) -> &crate::links::usdt::SpecIds {
        &self.usdt_ids
    }
}

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
    let _token = token::Scope::enter(options.token.as_ref());
    check(&spec)?;
    let unset = kconfig::fill(&mut spec, options.kernel_config.as_deref())?;
    let core = CoreTypes::of(&spec)?;
    let btf = ObjectBtf::load(&mut spec);
    let mut pins = PinGuard::default();
    let created = maps::create(&spec, options, &btf, &mut pins)?;
    let slots = maps::fill(&spec, &created.maps)?;
    pins.keep();
    let object = Object {
        license: CString::new(spec.license.replace('\0', "")).unwrap_or_default(),
        kernel_version: kernel_version(spec.kernel_version),
        btf,
        core,
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
        log_level: options.log_level,
        token: options.token.clone(),
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
