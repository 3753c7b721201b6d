//! Which types of maps the running kernel has, found by creating the smallest map of each.

use hachi_obj::flags::{BPF_F_MMAPABLE, BPF_F_NO_PREALLOC};
use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    sync::atomic::{AtomicU8, Ordering},
};

use hachi_obj::MapType;

use super::{Answer, NO, Unsupported, YES, load_btf, map, sample};
use crate::{
    rights::Rights,
    sys::{attr, errno::ENOTSUPP, mmap::page_size},
    version::KernelVersion,
};

/// What was found out, by the number of the type.
static CACHE: [AtomicU8; 64] = [const { AtomicU8::new(0) }; 64];

/// Whether the running kernel has a type of maps. Without the privilege to find out, by the
/// kernel's version.
pub fn map_type_is_supported(kind: MapType) -> bool {
    is_supported_with(kind, &Rights::default())
}

fn is_supported_with(kind: MapType, rights: &Rights) -> bool {
    let cache = CACHE.get(kind as usize);
    match cache.map(|cache| cache.load(Ordering::Relaxed)) {
        Some(YES) => return true,
        Some(NO) => return false,
        _ => {}
    }
    let (supported, conclusive) = match probe(kind, rights) {
        Answer::Yes => (true, true),
        Answer::No => (false, true),
        Answer::Unknown => {
            let running = KernelVersion::current();
            (running.is_none_or(|running| running >= since(kind)), false)
        }
    };
    if let Some(cache) = cache
        && conclusive
    {
        cache.store(if supported { YES } else { NO }, Ordering::Relaxed);
    }
    supported
}

/// An error that says so if the running kernel does not have a type of maps.
///
/// # Errors
/// [`Unsupported`], which names the first kernel that has it.
pub fn require_map_type(kind: MapType) -> Result<(), Unsupported> {
    require_map_type_with(kind, &Rights::default())
}

/// As [`require_map_type`], asked with these rights.
pub(crate) fn require_map_type_with(kind: MapType, rights: &Rights) -> Result<(), Unsupported> {
    if is_supported_with(kind, rights) {
        return Ok(());
    }
    let what = format!("map type {}", kind.name());
    Err(Unsupported::new(what, since(kind)))
}

fn since(kind: MapType) -> KernelVersion {
    let (major, minor) = kind.first_kernel();
    KernelVersion::new(major.into(), minor.into(), 0)
}

/// Types for maps that must have some, when their object has none: the key a descriptor, the value
/// bytes.
pub(crate) struct PlainTypes(OwnedFd);

impl PlainTypes {
    /// Enters them where nothing is said yet.
    pub(crate) fn describe(&self, attr: &mut attr::MapCreate) {
        attr.btf_fd = self.0.as_raw_fd() as u32;
        attr.btf_key_type_id = 1;
        attr.btf_value_type_id = 3;
    }
}

/// Whether the kernel creates maps of this type only with BTF for key and value.
pub(crate) fn needs_types(kind: MapType) -> bool {
    matches!(
        kind,
        MapType::SkStorage | MapType::InodeStorage | MapType::TaskStorage | MapType::CgrpStorage
    )
}

/// Types for values of `value_size` bytes.
pub(crate) fn plain_types(value_size: u32, rights: &Rights) -> io::Result<PlainTypes> {
    const BYTE: &[u32] = &[1, 1 << 24, 1, 8];
    let array = [0, 3 << 24, 0, 2, 1, value_size];
    load_btf(rights, &[sample::INT, BYTE, &array]).map(PlainTypes)
}

fn probe(kind: MapType, rights: &Rights) -> Answer {
    let sized = |key, value, entries, flags| map(kind, key, value, entries, flags);
    let page = page_size() as u32;
    let mut attr = match kind {
        MapType::LpmTrie => sized(8, 4, 1, BPF_F_NO_PREALLOC),
        MapType::Rhash => sized(4, 4, 1, BPF_F_NO_PREALLOC),
        MapType::StackTrace => sized(4, 8, 1, 0),
        MapType::CgroupStorage | MapType::PercpuCgroupStorage => sized(16, 4, 0, 0),
        MapType::Queue | MapType::Stack | MapType::BloomFilter => sized(0, 4, 1, 0),
        MapType::Ringbuf | MapType::UserRingbuf => sized(0, 0, page, 0),
        MapType::Arena => sized(0, 0, 1, BPF_F_MMAPABLE),
        MapType::InsnArray => sized(4, 16, 1, 0),
        _ if needs_types(kind) => sized(4, 4, 0, BPF_F_NO_PREALLOC),
        _ => sized(4, 4, 1, 0),
    };
    // These live as long as the attempt.
    let inner;
    let types;
    match kind {
        MapType::ArrayOfMaps | MapType::HashOfMaps => {
            inner = rights.map_create(&map(MapType::Array, 4, 4, 1, 0));
            match &inner {
                Ok(inner) => attr.inner_map_fd = inner.as_fd().as_raw_fd() as u32,
                Err(_) => return Answer::Unknown,
            }
        }
        // Any type of the kernel will do: what is not a table of functions is refused in another
        // way than an unknown type of map is.
        MapType::StructOps => attr.btf_vmlinux_value_type_id = 1,
        _ if needs_types(kind) => {
            types = plain_types(4, rights);
            match &types {
                Ok(types) => types.describe(&mut attr),
                // Kernels with these have BTF.
                Err(_) => return Answer::No,
            }
        }
        _ => {}
    }
    match rights.map_create(&attr) {
        Err(error) if error.errno() == ENOTSUPP && kind == MapType::StructOps => Answer::Yes,
        result => super::answer(result.map_err(|error| error.io_error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Capability;

    /// The first kernels in the table are facts.
    #[test]
    fn probes_agree_with_the_table() {
        if Capability::Bpf.is_effective() != Some(true) {
            eprintln!("skipped: needs CAP_BPF");
            return;
        }
        let running = KernelVersion::current().unwrap();
        for number in 1..64 {
            let Some(kind) = MapType::from_number(number) else {
                continue;
            };
            let declared = since(kind);
            assert_eq!(
                map_type_is_supported(kind),
                running >= declared,
                "{} (Linux {declared})",
                kind.name()
            );
        }
    }

    #[test]
    fn says_which_kernel_has_it() {
        if let Err(error) = require_map_type(MapType::Rhash) {
            assert!(
                error
                    .to_string()
                    .starts_with("map type rhash needs Linux ≥ 7.2 (running "),
                "{error}"
            );
        }
    }
}
