//! Types as the kernel has them, kept in memory.

use std::{
    fmt,
    fs::{self, File},
    io,
    os::fd::AsFd as _,
    path::Path,
    sync::Arc,
};

use hachi_btf::Kind;
use hachi_obj::file;

use crate::{
    near::Near,
    sys::{bpf, mmap::Mmap},
};

/// Where the kernel shows its types (Linux ≥ 5.4, CONFIG_DEBUG_INFO_BTF).
pub(crate) const SYSFS: &str = "/sys/kernel/btf";

/// The types of the kernel itself there.
pub(crate) const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// Types as the kernel has them: its own, for [`EbpfLoader::btf`](crate::EbpfLoader::btf), or those
/// of a loaded program or map.
///
/// Cheap to clone. Objects that do not ask for the kernel's types never read them, with or without
/// this.
#[derive(Clone)]
pub struct Btf(Arc<Parsed>);

struct Parsed {
    /// Reads `bytes` and, if it is split, `base`; lent out only with the lifetime of `self`.
    types: hachi_btf::Btf<'static>,
    bytes: Bytes,
    base: Option<Btf>,
    /// Of the kernel that runs: its ids mean something to bpf(2).
    running: bool,
}

enum Bytes {
    Mapped(Mmap, usize),
    Owned(Vec<u8>),
}

impl Bytes {
    fn get(&self) -> &[u8] {
        match self {
            // SAFETY: the mapping has that length and lives as long as `self`; the file is
            // constant.
            Bytes::Mapped(map, len) => unsafe { std::slice::from_raw_parts(map.ptr(), *len) },
            Bytes::Owned(bytes) => bytes,
        }
    }
}

impl Btf {
    /// The types of this kind whose names, after `prefix`, are most like `wanted`.
    pub(crate) fn similar(&self, prefix: &str, wanted: &str, kind: Kind) -> Vec<String> {
        let mut near = Near::new(wanted);
        for (_, ty) in self.types().iter().into_iter().flatten().flatten() {
            if ty.kind() == kind
                && let Some(name) = ty.name().and_then(|name| name.strip_prefix(prefix))
            {
                near.offer(name);
            }
        }
        near.names()
    }

    /// The running kernel's, from `/sys/kernel/btf/vmlinux`. Linux ≥ 5.4, built with
    /// CONFIG_DEBUG_INFO_BTF.
    ///
    /// # Errors
    /// Of opening the file, NotFound among them if the kernel has no BTF; InvalidData if it is
    /// malformed. Both name the file.
    pub fn from_sys_fs() -> io::Result<Self> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{VMLINUX}: {error}"));
        Self::running().map_err(named)
    }

    /// As [`from_sys_fs`](Self::from_sys_fs), with errors that do not name the file, [`VMLINUX`].
    pub(crate) fn running() -> io::Result<Self> {
        let file = File::open(VMLINUX)?;
        let len = usize::try_from(file.metadata()?.len()).unwrap_or(0);
        // Mapped, it costs only the pages looked at; kernels before 6.16 cannot map it.
        let bytes = match Mmap::read_only(file.as_fd(), len) {
            Ok(map) => Bytes::Mapped(map, len),
            Err(_) => Bytes::Owned(fs::read(VMLINUX)?),
        };
        Self::new(bytes, None, true)
    }

    /// Types from a file of raw BTF: those of another kernel, or of this one extracted elsewhere.
    ///
    /// # Errors
    /// Of reading the file; InvalidData if it is no BTF, or malformed.
    pub fn parse_file<P: AsRef<Path>>(path: P) -> io::Result<Self> {
        Self::new(Bytes::Owned(file::read(path, file::LARGEST)?), None, false)
    }

    /// Types from raw BTF in memory, which is copied: what
    /// [`include_bytes_aligned!`](crate::include_bytes_aligned) brought in, for example.
    ///
    /// # Errors
    /// InvalidData if it is no BTF, or malformed.
    pub fn parse(bytes: &[u8]) -> io::Result<Self> {
        Self::new(Bytes::Owned(bytes.to_vec()), None, false)
    }

    /// Types loaded into the kernel: of a program or map
    /// ([`ProgramInfo::btf_id`](crate::programs::ProgramInfo::btf_id),
    /// [`MapInfo::btf_id`](crate::maps::MapInfo::btf_id)), or those of the kernel or a module.
    /// Needs CAP_SYS_ADMIN.
    ///
    /// # Errors
    /// Of `BPF_BTF_GET_FD_BY_ID`: ENOENT if nothing has this id, EPERM without CAP_SYS_ADMIN;
    /// InvalidData if the types are malformed.
    pub fn from_id(id: u32) -> io::Result<Self> {
        let fd = bpf::btf_fd_by_id(id).map_err(io::Error::other)?;
        let name = bpf::kernel_btf_name(fd.as_fd()).map_err(io::Error::other)?;
        let bytes = bpf::btf_bytes(fd.as_fd()).map_err(io::Error::other)?;
        match name.as_deref() {
            None => Self::new(Bytes::Owned(bytes), None, false),
            Some("vmlinux") => Self::new(Bytes::Owned(bytes), None, true),
            Some(_) => Self::of_module(bytes, &Self::from_sys_fs()?),
        }
    }

    /// Split BTF in memory, which is copied: that of a module, whose ids continue those of `base`.
    ///
    /// # Errors
    /// InvalidData if it is no BTF, or malformed, or does not continue `base`.
    pub fn parse_split(bytes: &[u8], base: &Btf) -> io::Result<Self> {
        Self::new(Bytes::Owned(bytes.to_vec()), Some(base.clone()), false)
    }

    /// Types of a kernel module, whose ids continue those of `vmlinux`.
    pub(crate) fn of_module(bytes: Vec<u8>, vmlinux: &Btf) -> io::Result<Self> {
        Self::new(
            Bytes::Owned(bytes),
            Some(vmlinux.clone()),
            vmlinux.is_running(),
        )
    }

    /// Types that pass for those of the running kernel.
    #[cfg(test)]
    pub(crate) fn made_up(bytes: &[u8]) -> Self {
        Self::new(Bytes::Owned(bytes.to_vec()), None, true).unwrap()
    }

    fn new(bytes: Bytes, base: Option<Btf>, running: bool) -> io::Result<Self> {
        let text: *const [u8] = bytes.get();
        let below: Option<*const hachi_btf::Btf<'static>> =
            base.as_ref().map(|b| &raw const b.0.types);
        // SAFETY: the bytes are those of a mapping or a `Vec` that the value made here owns next to
        // what reads them, never changes, and frees after it; neither moves when its owner does.
        let text: &'static [u8] = unsafe { &*text };
        let types = match below {
            None => hachi_btf::Btf::parse(text),
            // SAFETY: as above: it lies in the `Arc` that is kept in `base`.
            Some(below) => hachi_btf::Btf::parse_split(text, unsafe { &*below }),
        };
        let types =
            types.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
        Ok(Btf(Arc::new(Parsed {
            types,
            bytes,
            base,
            running,
        })))
    }

    /// The types, to look around in. The index is made at the first access and kept.
    pub fn types(&self) -> &hachi_btf::Btf<'_> {
        &self.0.types
    }

    /// Whether these are types of the kernel that runs, so that their ids mean something to it.
    pub(crate) fn is_running(&self) -> bool {
        self.0.running
    }
}

impl fmt::Debug for Btf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Btf")
            .field("bytes", &self.0.bytes.get().len())
            .field("base", &self.0.base)
            .field("running", &self.0.running)
            .finish()
    }
}

/// A BTF object in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BtfInfo {
    /// Its id, for [`Btf::from_id`].
    pub id: u32,
    /// Bytes.
    pub size: u32,
    /// `vmlinux` or the module whose types it has; `None` for those of programs and maps (and on
    /// Linux < 5.11).
    pub kernel: Option<String>,
}

/// All types loaded on the system, in the order of their ids. Needs CAP_SYS_ADMIN; Linux ≥ 5.4.
pub fn loaded_btf() -> impl Iterator<Item = io::Result<BtfInfo>> {
    crate::ids::each(bpf::btf_next_id, |id| {
        let fd = bpf::btf_fd_by_id(id)?;
        Ok(BtfInfo {
            id,
            size: bpf::btf_size(fd.as_fd())?,
            kernel: bpf::kernel_btf_name(fd.as_fd())?,
        })
    })
    .map(|result| result.map_err(io::Error::other))
}
