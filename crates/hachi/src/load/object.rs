//! Step 4: what the programs of an object share.

use std::{
    ffi::CString,
    ops::ControlFlow,
    os::fd::{AsFd as _, BorrowedFd},
    sync::{Arc, OnceLock},
};

use hachi_obj::{Extern, ExternKind, StructOpsSpec};

use super::{
    BtfProblem, ExternProblem, kconfig::Unset, options::VerifierLogLevel, types::ObjectBtf,
};
use crate::{fd::MapFd, kallsyms, kernel_btf::KernelBtf, maps::MapError, rights::Rights};
#[cfg(feature = "uprobe")]
use crate::{links::usdt, user::usdt::SpecIds};

/// What the programs of one object share. Holds the maps' descriptors, whose numbers end up in
/// instructions, until the last program that may still be loaded is gone.
#[derive(Debug)]
pub(crate) struct Object {
    pub(super) license: CString,
    pub(super) kernel_version: u32,
    /// The kind of machine that the object was built for, if it says so.
    pub(super) arch: Option<String>,
    pub(super) btf: ObjectBtf,
    pub(super) externs: Externs,
    pub(super) maps: Vec<(String, MapFd)>,
    /// Maps that were left out, and why.
    pub(super) missing_maps: Vec<(String, Arc<MapError>)>,
    /// Slots of program arrays to be filled as programs are loaded: array, index, program.
    pub(super) slots: Vec<(MapFd, u32, String)>,
    /// Structs of functions that programs of the object are.
    pub(super) struct_ops: Vec<StructOpsSpec>,
    /// The kernel's types, read when the first program needs them.
    pub(super) kernel_btf: KernelBtf,
    /// Section `.hachi.inline`, for explanations.
    pub(super) inline_info: Option<Vec<u8>>,
    pub(super) log_level: VerifierLogLevel,
    pub(super) rights: Rights,
    #[cfg(feature = "uprobe")]
    pub(super) usdt_ids: Arc<SpecIds>,
}

impl Object {
    /// With what rights its programs are loaded.
    pub(crate) fn rights(&self) -> &Rights {
        &self.rights
    }

    /// Why the kernel does not have the object's types, if it refused them.
    pub(crate) fn btf_problem(&self) -> Option<&BtfProblem> {
        self.btf.problem.as_ref()
    }

    /// The kernel's types and its modules'.
    pub(crate) fn kernel_btf(&self) -> &KernelBtf {
        &self.kernel_btf
    }

    /// The descriptor of the object's types, if the kernel took them.
    pub(crate) fn btf_fd(&self) -> Option<BorrowedFd<'_>> {
        self.btf.fd.as_ref().map(|fd| fd.as_fd())
    }
}

#[cfg(feature = "uprobe")]
impl Object {
    /// What its USDT programs need, also when the maps were taken out of the loaded object.
    pub(crate) fn usdt_tables(&self) -> usdt::Tables {
        let map = |name| {
            let found = self.maps.iter().find(|(other, _)| other == name);
            found.map(|(_, map)| map.clone())
        };
        usdt::Tables {
            specs: map(usdt::SPECS),
            addresses: map(usdt::ADDRESSES),
            ids: self.usdt_ids.clone(),
        }
    }
}

/// The externs of an object.
#[derive(Debug)]
pub(super) struct Externs {
    pub(super) list: Vec<Extern>,
    /// Configuration options without a value.
    pub(super) unset: Vec<Unset>,
    /// Addresses of the untyped variables that have one, as far as they are known: by name, all
    /// that go by it.
    addresses: OnceLock<Result<Addresses, ExternProblem>>,
}

type Addresses = Vec<(String, Vec<u64>)>;

impl Externs {
    pub(super) fn new(list: Vec<Extern>, unset: Vec<Unset>) -> Self {
        Externs {
            list,
            unset,
            addresses: OnceLock::new(),
        }
    }

    /// The address of an untyped variable.
    pub(super) fn address(&self, wanted: &Extern) -> Result<Option<u64>, ExternProblem> {
        let addresses = self.addresses.get_or_init(|| addresses(&self.list));
        let addresses = addresses.as_ref().map_err(Clone::clone)?;
        let found = addresses.iter().find(|(name, _)| *name == wanted.name);
        match found.map_or(&[][..], |(_, found)| found) {
            [] => Ok(None),
            [address] => Ok(Some(*address)),
            &[first, second, ..] => Err(ExternProblem::Ambiguous { first, second }),
        }
    }
}

/// Looks for all untyped variables at once: the list is long.
fn addresses(list: &[Extern]) -> Result<Addresses, ExternProblem> {
    let untyped = |of: &&Extern| matches!(of.kind, ExternKind::Ksym { type_id: None });
    let mut found: Addresses = Vec::new();
    for wanted in list.iter().filter(untyped) {
        found.push((wanted.name.clone(), Vec::new()));
    }
    let mut hidden = true;
    let listed = kallsyms::for_each_symbol(&mut |_, name, address| {
        hidden &= address == 0;
        if let Some((_, places)) = found.iter_mut().find(|(wanted, _)| wanted == name)
            && !places.contains(&address)
        {
            places.push(address);
        }
        ControlFlow::Continue(())
    });
    listed.map_err(|error| ExternProblem::Unreadable(Arc::new(error)))?;
    if hidden {
        return Err(ExternProblem::Hidden);
    }
    Ok(found)
}
