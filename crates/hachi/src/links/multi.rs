//! One program at many places, by one link.

use hachi_obj::flags::BPF_F_KPROBE_MULTI_RETURN;
use std::{
    collections::HashSet,
    ffi::{CStr, CString},
    fs::File,
    io::{BufRead as _, BufReader},
    os::fd::AsFd as _,
};

use hachi_btf::{Kind, Types as _};

use super::{FdLink, LinkError, OwnedLink, kprobe, kprobe::ProbeKind};
use crate::{
    Btf,
    fd::ProgramFd,
    features::Feature,
    kallsyms,
    pattern::{fits, is_pattern},
    sys::{
        tracefs,
        tracing::{self, LinkTo},
    },
    target::{Hint, NoSuchTarget, TargetKind},
};

/// The options of both kinds of links.
pub(crate) struct Request<'a> {
    pub(crate) program: &'a ProgramFd,
    /// `BPF_TRACE_KPROBE_MULTI` and the like.
    pub(crate) attach_type: u32,
    pub(crate) kind: ProbeKind,
    /// One for each place, or none.
    pub(crate) cookies: &'a [u64],
    /// What older kernels lack.
    pub(crate) feature: &'static Feature,
}

impl Request<'_> {
    fn flags(&self) -> u32 {
        match self.kind {
            ProbeKind::Entry => 0,
            // The same bit as `BPF_F_UPROBE_MULTI_RETURN`.
            ProbeKind::Return => BPF_F_KPROBE_MULTI_RETURN,
        }
    }

    fn create(&self, to: &LinkTo<'_>, target: &str) -> Result<OwnedLink, LinkError> {
        match tracing::link_create(self.program.as_fd(), self.attach_type, to) {
            Ok(fd) => Ok(FdLink::new(fd).into()),
            Err(error) => {
                self.feature.require_after(&error)?;
                Err(LinkError::attach(target, error))
            }
        }
    }

    /// A cookie for each of `count` places, or none at all.
    fn check_cookies(&self, count: usize) -> Result<(), LinkError> {
        if self.cookies.is_empty() || self.cookies.len() == count {
            return Ok(());
        }
        Err(LinkError::CookieCount {
            cookies: self.cookies.len(),
            places: count,
        })
    }
}

/// Attaches to the kernel functions of these names.
pub(crate) fn attach_to_functions(
    request: &Request<'_>,
    names: &[&str],
) -> Result<OwnedLink, LinkError> {
    request.check_cookies(names.len())?;
    let mut c_names = Vec::with_capacity(names.len());
    for name in names {
        c_names.push(
            CString::new(*name)
                .map_err(|_| NoSuchTarget::new(TargetKind::KernelFunction, *name))?,
        );
    }
    let symbols: Vec<&CStr> = c_names.iter().map(CString::as_c_str).collect();
    let to = LinkTo::KprobeMulti {
        symbols: &symbols,
        addresses: &[],
        cookies: request.cookies,
        flags: request.flags(),
    };
    let target = match names {
        [one] => format!("kernel function {one}"),
        _ => format!("{} kernel functions", names.len()),
    };
    request.create(&to, &target).map_err(|error| {
        // Which one, if one is not there at all.
        let missing = match &error {
            LinkError::Attach { error, .. } if error.errno() == libc::ESRCH => {
                names.iter().find_map(|name| kprobe::absent(name))
            }
            _ => None,
        };
        match missing {
            Some(missing) => missing.into(),
            None => error,
        }
    })
}

/// Attaches to kernel functions by their addresses.
pub(crate) fn attach_to_addresses(
    request: &Request<'_>,
    addresses: &[u64],
) -> Result<OwnedLink, LinkError> {
    request.check_cookies(addresses.len())?;
    let to = LinkTo::KprobeMulti {
        symbols: &[],
        addresses,
        cookies: request.cookies,
        flags: request.flags(),
    };
    request.create(&to, &format!("{} kernel functions", addresses.len()))
}

/// Attaches to all kernel functions whose names fit `pattern`, as far as they can be traced.
pub(crate) fn attach_to_matching(
    request: &Request<'_>,
    pattern: &str,
) -> Result<OwnedLink, LinkError> {
    if !is_pattern(pattern) {
        return attach_to_functions(request, &[pattern]);
    }
    let traceable = traceable(pattern)?;
    let mut addresses = Vec::new();
    let listed = kallsyms::for_each_function(|name, address| {
        if address != 0 && traceable.contains(name) {
            addresses.push(address);
        }
    });
    match listed {
        // A kernel without the list takes names.
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(LinkError::io(kallsyms::FILE.to_owned(), error));
        }
        _ => {}
    }
    addresses.sort_unstable();
    addresses.dedup();
    if traceable.is_empty() {
        return Err(nothing_fits(pattern));
    }
    if addresses.is_empty() {
        // This process may not see addresses.
        let mut names: Vec<_> = traceable.iter().map(String::as_str).collect();
        names.sort_unstable();
        return attach_to_functions(request, &names);
    }
    attach_to_addresses(request, &addresses)
}

/// Attaches to these functions of the kernel, by the ids of their types.
pub(crate) fn attach_to_typed_functions(
    request: &Request<'_>,
    names: &[&str],
    btf: &Btf,
) -> Result<OwnedLink, LinkError> {
    let mut ids = Vec::with_capacity(names.len());
    for name in names {
        ids.push(btf.types().find(name, Kind::Func).ok_or_else(|| {
            kprobe::absent(name).unwrap_or_else(|| {
                NoSuchTarget::new(TargetKind::KernelFunction, *name).hint(Hint::Untyped)
            })
        })?);
    }
    let target = match names {
        [one] => format!("kernel function {one}"),
        _ => format!("{} kernel functions", names.len()),
    };
    attach_to_types(request, &ids, &target)
}

/// Attaches to all functions of the kernel that fit `pattern`, have types, and can be traced.
pub(crate) fn attach_to_matching_types(
    request: &Request<'_>,
    pattern: &str,
    btf: &Btf,
) -> Result<OwnedLink, LinkError> {
    if !is_pattern(pattern) {
        return attach_to_typed_functions(request, &[pattern], btf);
    }
    let mut ids: Vec<_> = (traceable(pattern)?.iter())
        .filter_map(|name| btf.types().find(name, Kind::Func))
        .collect();
    if ids.is_empty() {
        return Err(nothing_fits(pattern));
    }
    ids.sort_unstable();
    attach_to_types(request, &ids, &format!("{} kernel functions", ids.len()))
}

fn attach_to_types(
    request: &Request<'_>,
    ids: &[u32],
    target: &str,
) -> Result<OwnedLink, LinkError> {
    request.check_cookies(ids.len())?;
    let to = LinkTo::TracingMulti {
        ids,
        cookies: request.cookies,
    };
    request.create(&to, target)
}

fn nothing_fits(pattern: &str) -> LinkError {
    NoSuchTarget::new(TargetKind::TraceableFunction, pattern)
        .hint(Hint::NothingFits)
        .into()
}

/// The names of functions that can be traced and fit.
fn traceable(pattern: &str) -> Result<HashSet<String>, LinkError> {
    let file = "available_filter_functions";
    let read = || {
        let path = tracefs::root()?.join(file);
        let mut reader = BufReader::with_capacity(64 * 1024, File::open(path)?);
        let mut names = HashSet::new();
        let mut line = String::new();
        while reader.read_line(&mut line)? > 0 {
            // A module's name may follow.
            if let Some(name) = line.split_ascii_whitespace().next()
                && fits(pattern.as_bytes(), name.as_bytes())
            {
                names.insert(name.to_owned());
            }
            line.clear();
        }
        Ok(names)
    };
    read().map_err(|error: std::io::Error| {
        LinkError::io(
            format!("kernel functions {pattern}"),
            std::io::Error::new(error.kind(), format!("{file} of tracefs: {error}")),
        )
    })
}

/// Attaches to places of one binary.
#[cfg(feature = "uprobe")]
pub(crate) fn attach_to_places(
    request: &Request<'_>,
    path: &std::path::Path,
    offsets: &[u64],
    pid: Option<u32>,
) -> Result<OwnedLink, LinkError> {
    request.check_cookies(offsets.len())?;
    let c_path = super::uprobe::path_for_link(path)?;
    let to = LinkTo::UprobeMulti {
        path: &c_path,
        offsets,
        semaphores: &[],
        cookies: request.cookies,
        flags: request.flags(),
        pid: pid.unwrap_or(0),
    };
    let target = format!("{} places of {}", offsets.len(), path.display());
    request
        .create(&to, &target)
        .map_err(|error| match (&error, pid) {
            (LinkError::Attach { error, .. }, Some(pid)) if error.errno() == libc::ESRCH => {
                LinkError::no_process(pid)
            }
            _ => error,
        })
}
