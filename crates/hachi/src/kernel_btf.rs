//! The kernel's own types, for programs that attach to its functions.

use std::{
    fs::{self, File},
    io,
    os::fd::AsFd as _,
    path::Path,
};

use hachi_btf::{Kind, Types as _};
use hachi_obj::{AttachType, ProgramSpec, ProgramType};

use crate::sys::{bpf, mmap::Mmap};

/// Where the kernel shows its types (Linux ≥ 5.4, CONFIG_DEBUG_INFO_BTF).
const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// Types as the kernel has them: its own, for [`EbpfLoader::btf`](crate::EbpfLoader::btf), or those
/// of a loaded program or map.
///
/// Objects that do not ask for the kernel's types never read them, with or without this.
#[derive(Debug, Clone)]
pub struct Btf(std::sync::Arc<Bytes>);

#[derive(Debug)]
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
    /// The running kernel's, from `/sys/kernel/btf/vmlinux`.
    pub fn from_sys_fs() -> io::Result<Self> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{VMLINUX}: {error}"));
        let file = File::open(VMLINUX).map_err(named)?;
        let len = usize::try_from(file.metadata().map_err(named)?.len()).unwrap_or(0);
        // Mapped, it costs only the pages looked at; kernels before 6.16 cannot map it.
        let bytes = match Mmap::read_only(file.as_fd(), len) {
            Ok(map) => Bytes::Mapped(map, len),
            Err(_) => Bytes::Owned(fs::read(VMLINUX).map_err(named)?),
        };
        Self::checked(bytes)
    }

    /// Types from a file of raw BTF: those of another kernel, or of this one extracted elsewhere.
    pub fn parse_file<P: AsRef<Path>>(path: P) -> io::Result<Self> {
        Self::checked(Bytes::Owned(fs::read(path)?))
    }

    /// Types loaded into the kernel: of a program or map
    /// ([`ProgramInfo::btf_id`](crate::programs::ProgramInfo::btf_id),
    /// [`MapInfo::btf_id`](crate::maps::MapInfo::btf_id)). Needs CAP_SYS_ADMIN.
    pub fn from_id(id: u32) -> io::Result<Self> {
        let bytes = bpf::btf_fd_by_id(id)
            .and_then(|fd| bpf::btf_bytes(fd.as_fd()))
            .map_err(io::Error::other)?;
        Self::checked(Bytes::Owned(bytes))
    }

    fn checked(bytes: Bytes) -> io::Result<Self> {
        hachi_btf::Btf::parse(bytes.get())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
        Ok(Btf(std::sync::Arc::new(bytes)))
    }

    /// The types, to look around in.
    pub fn types(&self) -> Result<hachi_btf::Btf<'_>, hachi_btf::Error> {
        hachi_btf::Btf::parse(self.0.get())
    }
}

/// The BTF id of what a program attaches to, or why there is none.
pub(crate) fn attach_target(given: Option<&Btf>, spec: &ProgramSpec) -> Result<u32, String> {
    if spec.program_type == ProgramType::Ext {
        return Err(
            "it replaces a function of another program (freplace), which is not supported yet"
                .into(),
        );
    }
    let Some(target) = spec.attach_target.as_deref() else {
        return Err(format!(
            "section {:?} names no target, as in \"{}/NAME\"",
            spec.section, spec.section
        ));
    };
    let (name, kind) = match (spec.program_type, spec.attach_type) {
        (ProgramType::Tracing, Some(AttachType::TraceRawTp)) => {
            (format!("btf_trace_{target}"), Kind::Typedef)
        }
        (ProgramType::Tracing, Some(AttachType::TraceIter)) => {
            (format!("bpf_iter_{target}"), Kind::Func)
        }
        (ProgramType::Lsm, _) => (format!("bpf_lsm_{target}"), Kind::Func),
        (ProgramType::Tracing, _) => (target.to_owned(), Kind::Func),
        (other, _) => {
            return Err(format!(
                "programs of type {} are not supported yet",
                other.name()
            ));
        }
    };
    let own;
    let btf = match given {
        Some(btf) => btf,
        None => {
            own = Btf::from_sys_fs()
                .map_err(|error| format!("it needs the kernel's types: {error}"))?;
            &own
        }
    };
    let types = btf
        .types()
        .map_err(|error| format!("the kernel's types cannot be read: {error}"))?;
    types.find(&name, kind).ok_or_else(|| {
        format!("the kernel has no {target:?} to attach to (no {name:?} in its BTF; modules are not searched yet)")
    })
}
