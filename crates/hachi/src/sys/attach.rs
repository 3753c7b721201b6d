//! The bpf(2) commands that attach programs to interfaces, cgroups, namespaces, maps and devices,
//! and that list what is attached there.

use std::os::fd::{BorrowedFd, OwnedFd};

use hachi_obj::flags::BPF_F_REPLACE;

use super::{
    attr::{self, Cmd},
    bpf::{address, call, call_fd, raw},
    errno::SyscallError,
};

type Result<T> = std::result::Result<T, SyscallError>;

/// What programs are attached to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    /// The index of an interface.
    Interface(u32),
    /// A cgroup's directory, a network namespace, a map, a device.
    Fd(BorrowedFd<'a>),
}

impl Place<'_> {
    fn number(self) -> u32 {
        match self {
            Place::Interface(index) => index,
            Place::Fd(fd) => raw(fd),
        }
    }
}

/// How to attach: the words that several commands have in common.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct How {
    /// Of `enum bpf_attach_type`.
    pub(crate) attach_type: u32,
    pub(crate) flags: u32,
    /// The descriptor or id of the link or program that `BPF_F_BEFORE`, `BPF_F_AFTER` and
    /// `BPF_F_REPLACE` are about; 0 for the ends.
    pub(crate) relative: u32,
    /// 0 if none is expected.
    pub(crate) revision: u64,
}

/// `BPF_LINK_CREATE`. `call` says it in messages.
pub(crate) fn link_create(
    program: BorrowedFd<'_>,
    place: Place<'_>,
    how: &How,
    call: &'static str,
) -> Result<OwnedFd> {
    let [low, high] = words(how.revision);
    let words = [how.relative, 0, low, high];
    create(raw(program), place.number(), how, words, call)
}

/// `BPF_LINK_CREATE` for the hook of a protocol family in the calling thread's network namespace
/// (Linux ≥ 6.4).
pub(crate) fn netfilter_link(
    program: BorrowedFd<'_>,
    attach_type: u32,
    family: u32,
    hook: u32,
    priority: i32,
    flags: u32,
) -> Result<OwnedFd> {
    let how = How {
        attach_type,
        ..How::default()
    };
    let words = [family, hook, priority as u32, flags];
    create(raw(program), 0, &how, words, "BPF_LINK_CREATE (netfilter)")
}

/// `BPF_LINK_CREATE` of a map of operations, which has no program (Linux ≥ 6.4).
pub(crate) fn struct_ops_link(map: BorrowedFd<'_>, attach_type: u32) -> Result<OwnedFd> {
    let how = How {
        attach_type,
        ..How::default()
    };
    create(raw(map), 0, &how, [0; 4], "BPF_LINK_CREATE (struct_ops)")
}

fn create(
    program: u32,
    target: u32,
    how: &How,
    words: [u32; 4],
    call: &'static str,
) -> Result<OwnedFd> {
    let mut attr = attr::LinkCreate {
        prog_fd: program,
        target_fd: target,
        attach_type: how.attach_type,
        flags: how.flags,
        words,
    };
    // SAFETY: no address in the attribute.
    unsafe { call_fd(Cmd::LinkCreate, &mut attr) }.map_err(|error| SyscallError::new(call, error))
}

/// A 64-bit field as two words, as they lie in memory.
fn words(value: u64) -> [u32; 2] {
    let bytes = value.to_ne_bytes();
    let word =
        |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    [word(0), word(4)]
}

/// `BPF_PROG_ATTACH`. With `old`, that program's place is taken (`BPF_F_REPLACE`).
pub(crate) fn prog_attach(
    program: BorrowedFd<'_>,
    place: Place<'_>,
    how: &How,
    old: Option<BorrowedFd<'_>>,
) -> Result<()> {
    let mut attr = attr::ProgAttach {
        target_fd: place.number(),
        attach_bpf_fd: raw(program),
        attach_type: how.attach_type,
        attach_flags: how.flags | old.map_or(0, |_| BPF_F_REPLACE),
        replace_bpf_fd: old.map_or(0, raw),
        relative_fd: how.relative,
        expected_revision: how.revision,
    };
    // SAFETY: no address in the attribute.
    unsafe { call(Cmd::ProgAttach, &mut attr) }
}

/// `BPF_PROG_DETACH` of a program that [`prog_attach`] attached.
pub(crate) fn prog_detach(
    program: BorrowedFd<'_>,
    place: Place<'_>,
    attach_type: u32,
) -> Result<()> {
    let mut attr = attr::ProgAttach {
        target_fd: place.number(),
        attach_bpf_fd: raw(program),
        attach_type,
        ..Default::default()
    };
    // SAFETY: no address in the attribute.
    unsafe { call(Cmd::ProgDetach, &mut attr) }
}

/// What [`prog_query`] found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attachments {
    /// Goes up by one with each change, where the kernel counts.
    pub(crate) revision: u64,
    /// `BPF_F_ALLOW_OVERRIDE` or `BPF_F_ALLOW_MULTI` for cgroups.
    pub(crate) flags: u32,
    /// Ids of programs, in the order in which they run.
    pub(crate) programs: Vec<u32>,
    /// For each the id of the link that holds it, or 0; empty where the kernel does not say.
    pub(crate) links: Vec<u32>,
}

/// Programs are read this many at a time; more than any place takes (64 for cgroups and
/// interfaces).
const MOST: usize = 256;

/// `BPF_PROG_QUERY`.
pub(crate) fn prog_query(place: Place<'_>, attach_type: u32, flags: u32) -> Result<Attachments> {
    let mut programs = vec![0u32; MOST];
    let mut links = vec![0u32; MOST];
    let mut attr = attr::ProgQuery {
        target_fd: place.number(),
        attach_type,
        query_flags: flags,
        prog_ids: address(programs.as_mut_ptr()),
        count: MOST as u32,
        ..Default::default()
    };
    if let Place::Interface(_) = place {
        attr.link_ids = address(links.as_mut_ptr());
    }
    // SAFETY: the buffers have room for `count` ids and outlive the call.
    unsafe { call(Cmd::ProgQuery, &mut attr) }?;
    let count = (attr.count as usize).min(MOST);
    programs.truncate(count);
    links.truncate(if attr.link_ids == 0 { 0 } else { count });
    Ok(Attachments {
        revision: attr.revision,
        flags: attr.attach_flags,
        programs,
        links,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_lie_as_the_kernel_reads_them() {
        let value = 0x1122_3344_5566_7788_u64;
        let bytes: Vec<u8> = words(value)
            .iter()
            .flat_map(|word| word.to_ne_bytes())
            .collect();
        assert_eq!(bytes, value.to_ne_bytes());
    }
}
