//! USDT probes: a uprobe at each of a probe's places, and a record for the program of where the
//! arguments are.
//!
//! The program is written with libbpf's `usdt.bpf.h`, which brings two maps: an array of records,
//! and, for kernels without cookies, a table from addresses to records.

use std::{os::fd::AsFd as _, path::Path, sync::Arc};

use super::{
    Legacy, LegacyLink, LinkError, OwnedLink, UsdtProblem,
    kprobe::ProbeKind,
    perf_event::Way,
    uprobe::{self, Place},
};
use crate::{
    fd::{MapFd, ProgramFd},
    features,
    maps::MapInfo,
    sys::{bpf, errno::SyscallError},
    user::{
        elf::Binary,
        path,
        usdt::{self, Site, SpecIds},
        usdt_args::{self, Layout},
    },
};

pub(crate) const SPECS: &str = "__bpf_usdt_specs";
pub(crate) const ADDRESSES: &str = "__bpf_usdt_ip_to_spec_id";

/// What an object has for its USDT programs.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    /// Its map of records, [`SPECS`].
    pub(crate) specs: Option<MapFd>,
    /// Its map from addresses to records, [`ADDRESSES`].
    pub(crate) addresses: Option<MapFd>,
    /// Which records are in use.
    pub(crate) ids: Arc<SpecIds>,
}

/// The uprobes of one probe.
#[derive(Debug)]
struct Usdt {
    links: Vec<OwnedLink>,
    ids: Vec<u32>,
    /// Keys in the table of addresses.
    addresses: Vec<u64>,
    tables: Tables,
}

impl Legacy for Usdt {
    fn undo(&mut self) -> Result<(), SyscallError> {
        // Dropped links detach.
        self.links.clear();
        if let Some(map) = &self.tables.addresses {
            for address in &self.addresses {
                // SAFETY: keys were checked to have 8 bytes before the first was put in.
                unsafe { bpf::map_delete(map.as_fd(), address.to_ne_bytes().as_ptr()) }?;
            }
        }
        for &id in &self.ids {
            self.tables.ids.release(id);
        }
        Ok(())
    }
}

/// What to attach to.
pub(crate) struct Request<'a> {
    pub(crate) program: &'a ProgramFd,
    pub(crate) tables: &'a Tables,
    pub(crate) target: &'a Path,
    pub(crate) provider: &'a str,
    pub(crate) name: &'a str,
    pub(crate) pid: Option<u32>,
    pub(crate) cookie: u64,
}

impl Request<'_> {
    fn probe(&self) -> String {
        format!("{}:{}", self.provider, self.name)
    }

    fn problem(&self, problem: UsdtProblem) -> LinkError {
        LinkError::Usdt {
            probe: self.probe(),
            problem,
        }
    }

    /// Refuses a map whose keys and values do not have these sizes.
    fn check_layout(
        &self,
        map: &'static str,
        info: &MapInfo,
        expected: (u32, u32),
    ) -> Result<(), LinkError> {
        let found = (info.key_size(), info.value_size());
        if found == expected {
            return Ok(());
        }
        Err(self.problem(UsdtProblem::MapLayout {
            map,
            found,
            expected,
        }))
    }
}

/// Fails if a probe is not there.
pub(crate) fn find(
    target: &Path,
    provider: &str,
    name: &str,
    pid: Option<u32>,
) -> Result<(), LinkError> {
    let path = path::resolve(target, pid)?;
    usdt::sites(&Binary::headers(&path)?, provider, name, &path)?;
    Ok(())
}

/// Attaches to every place of a probe.
pub(crate) fn attach(request: &Request<'_>) -> Result<OwnedLink, LinkError> {
    let specs = specs_map(request)?;
    let path = path::resolve(request.target, request.pid)?;
    let binary = Binary::headers(&path)?;
    let sites = usdt::sites(&binary, request.provider, request.name, &path)?;
    // From here on, an error undoes what was done before it.
    let mut usdt = Undo(Usdt {
        links: Vec::new(),
        ids: Vec::new(),
        addresses: Vec::new(),
        tables: request.tables.clone(),
    });
    let mut known: Vec<(&str, u32)> = Vec::new();
    for site in &sites {
        let id = match known.iter().find(|(text, _)| *text == site.arguments) {
            Some((_, id)) => *id,
            None => {
                let id = add_spec(request, site, &specs, &mut usdt.0)?;
                known.push((&site.arguments, id));
                id
            }
        };
        let cookies = features::PERF_LINK.is_supported();
        if !cookies {
            add_address(request, &binary, &path, site, id, &mut usdt.0)?;
        }
        let place = Place {
            path: &path,
            offset: site.offset,
            semaphore: site.semaphore,
            pid: request.pid,
        };
        let cookie = if cookies { u64::from(id) } else { 0 };
        // A cookie of 0 is what one gets without a cookie, too.
        let link = uprobe::attach(request.program, ProbeKind::Entry, &place, cookie, Way::Best)?;
        usdt.0.links.push(link);
    }
    Ok(LegacyLink::new(usdt.finish()).into())
}

/// Undoes what it holds unless finished.
struct Undo(Usdt);

impl Undo {
    fn finish(mut self) -> Usdt {
        Usdt {
            links: std::mem::take(&mut self.0.links),
            ids: std::mem::take(&mut self.0.ids),
            addresses: std::mem::take(&mut self.0.addresses),
            tables: self.0.tables.clone(),
        }
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        // The error that led here is the one to tell.
        let _ = self.0.undo();
    }
}

/// The array of records.
struct Specs<'a> {
    map: &'a MapFd,
    /// How many it holds.
    capacity: u32,
    layout: Layout,
}

fn specs_map<'a>(request: &Request<'a>) -> Result<Specs<'a>, LinkError> {
    let Some(map) = &request.tables.specs else {
        return Err(request.problem(UsdtProblem::NoMap { map: SPECS }));
    };
    let info = map_info(SPECS, map)?;
    let layout = Layout::of_size(info.value_size()).unwrap_or(Layout::Wide);
    request.check_layout(SPECS, &info, (4, layout.size() as u32))?;
    Ok(Specs {
        map,
        capacity: info.max_entries(),
        layout,
    })
}

fn map_info(name: &str, map: &MapFd) -> Result<MapInfo, LinkError> {
    MapInfo::of(map.as_fd()).map_err(|error| LinkError::attach(&format!("map {name:?}"), error))
}

fn add_spec(
    request: &Request<'_>,
    site: &Site,
    specs: &Specs<'_>,
    usdt: &mut Usdt,
) -> Result<u32, LinkError> {
    let arguments =
        usdt_args::parse(&site.arguments).map_err(|problem| request.problem(problem))?;
    let id = request.tables.ids.take(specs.capacity).ok_or_else(|| {
        request.problem(UsdtProblem::Full {
            map: SPECS,
            capacity: specs.capacity,
        })
    })?;
    usdt.ids.push(id);
    let value = usdt_args::spec(&arguments, request.cookie, specs.layout);
    // SAFETY: `specs_map` checked that keys have 4 bytes and values as many as this.
    unsafe {
        bpf::map_update(
            specs.map.as_fd(),
            id.to_ne_bytes().as_ptr(),
            value.as_ptr(),
            0,
        )
    }
    .map_err(|error| LinkError::attach(&format!("USDT probe {}", request.probe()), error))?;
    Ok(id)
}

/// For kernels without cookies: the program finds its record by the address it runs at.
fn add_address(
    request: &Request<'_>,
    binary: &Binary,
    path: &Path,
    site: &Site,
    id: u32,
    usdt: &mut Usdt,
) -> Result<(), LinkError> {
    let address = match (binary.is_movable(), request.pid) {
        (false, _) => site.address,
        (true, Some(pid)) => path::mapped_address(pid, path, site.offset)?,
        (true, None) => {
            features::PERF_LINK
                .require_for("a USDT probe of position-independent code in all processes")?;
            site.address
        }
    };
    let Some(map) = &request.tables.addresses else {
        return Err(request.problem(UsdtProblem::NoMap { map: ADDRESSES }));
    };
    let info = map_info(ADDRESSES, map)?;
    request.check_layout(ADDRESSES, &info, (8, 4))?;
    // SAFETY: keys have 8 bytes and values 4, as was just checked.
    unsafe {
        bpf::map_update(
            map.as_fd(),
            address.to_ne_bytes().as_ptr(),
            id.to_ne_bytes().as_ptr(),
            0,
        )
    }
    .map_err(|error| LinkError::attach(&format!("map {ADDRESSES:?}"), error))?;
    usdt.addresses.push(address);
    Ok(())
}
