//! What a shell completes: names of what is loaded, pinned, attached or in the cache.

use clap_complete::CompletionCandidate;
use hachi_diag::is_printable;

use crate::{kernel, pins, select};

/// Names that a shell may show and a command takes.
fn candidates(names: impl IntoIterator<Item = (String, &'static str)>) -> Vec<CompletionCandidate> {
    let mut found: Vec<(String, &'static str)> = names
        .into_iter()
        .filter(|(name, _)| !name.is_empty() && name.chars().all(is_printable))
        .filter(|(name, _)| !name.starts_with('-'))
        .collect();
    found.sort();
    found.dedup();
    found
        .into_iter()
        .map(|(name, what)| CompletionCandidate::new(name).help(Some(what.into())))
        .collect()
}

fn pinned(kind: hachi::pin::ObjectKind) -> Vec<(String, &'static str)> {
    // What cannot be listed is not offered.
    pins::all()
        .unwrap_or_default()
        .into_iter()
        .filter(|(_, other, _)| *other == kind)
        .map(|(path, ..)| (path.to_string_lossy().into_owned(), "a pin"))
        .collect()
}

/// Programs, by name and by pin.
pub fn programs() -> Vec<CompletionCandidate> {
    let all = kernel::programs().unwrap_or_default();
    let names = all.iter().map(|program| (program.name(), "a program"));
    candidates(names.chain(pinned(hachi::pin::ObjectKind::Program)))
}

/// Maps, by name and by pin.
pub fn maps() -> Vec<CompletionCandidate> {
    let all = select::maps().unwrap_or_default();
    let names = all.iter().map(|map| (map.name(), "a map"));
    candidates(names.chain(pinned(hachi::pin::ObjectKind::Map)))
}

/// Links, by the names of their programs, their ids and their pins.
pub fn links() -> Vec<CompletionCandidate> {
    let all = hachi::links::loaded_links().flatten();
    let ids = all.map(|link| (link.id().to_string(), "a link"));
    candidates(ids.chain(pinned(hachi::pin::ObjectKind::Link)))
}

/// Interfaces of this network namespace.
pub fn interfaces() -> Vec<CompletionCandidate> {
    let all = hachi::util::interfaces().unwrap_or_default().into_iter();
    candidates(all.map(|(_, name)| (name, "an interface")))
}

/// Kernels in the cache.
pub fn kernels() -> Vec<CompletionCandidate> {
    let all = hachi_guest::Kernel::all_cached().unwrap_or_default();
    let names = all
        .iter()
        .map(|kernel| (kernel.release().to_owned(), "a kernel in the cache"));
    candidates(names.chain([("all".to_owned(), "all kernels in the cache")]))
}
