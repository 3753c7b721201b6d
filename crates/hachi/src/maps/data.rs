//! A map as such: a descriptor and its parameters.

use std::{
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    path::Path,
    sync::{Arc, OnceLock},
};

use super::{MapError, MapInfo, MapType, info::type_name};
use crate::{
    fd::MapFd,
    pin::{self, PinError, PinOperation},
    rights::Rights,
    sys::{
        attr,
        bpf::{self, Access},
        errno::SyscallError,
        fs::ObjectKind,
        mmap::{Mmap, page_size},
    },
};

/// A map of any kind: owns the descriptor, knows type and sizes, and reads and writes raw bytes.
///
/// The typed views ([`HashMap`](super::HashMap), [`Array`](super::Array), …) are made from it.
///
/// ```no_run
/// use hachi::maps::{HashMap, MapData};
///
/// # fn f() -> Result<(), Box<dyn std::error::Error>> {
/// let map = MapData::from_pin("/sys/fs/bpf/firewall/BLOCKLIST")?;
/// let mut blocklist: HashMap<_, [u8; 4], u8> = HashMap::new(map)?;
/// blocklist.insert([192, 0, 2, 7], 1, 0)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct MapData {
    fd: MapFd,
    name: String,
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    /// Where an arena is to be mapped; other types give it other meanings.
    map_extra: u64,
    /// The types that it was created with, if by this process: to ask for them by id needs
    /// CAP_SYS_ADMIN.
    btf: Option<Arc<OwnedFd>>,
    /// The map's memory, once something has asked for it.
    mapping: OnceLock<Arc<Mmap>>,
}

impl MapData {
    /// Opens the map pinned at `path` on a BPF file system.
    ///
    /// # Errors
    /// [`PinError::NotFound`] when nothing is pinned there, [`PinError::WrongKind`] when it is no
    /// map, and what the kernel refuses.
    pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, PinError> {
        Self::open_pin(path.as_ref(), Access::ReadWrite)
    }

    /// Opens the map pinned at `path` for reading only: the kernel refuses to change it through
    /// this descriptor (`EPERM`). A pin with the permissions 0400 can be opened so.
    ///
    /// # Errors
    /// Those of [`from_pin`](Self::from_pin).
    pub fn from_pin_read_only<P: AsRef<Path>>(path: P) -> Result<Self, PinError> {
        Self::open_pin(path.as_ref(), Access::Read)
    }

    fn open_pin(path: &Path, access: Access) -> Result<Self, PinError> {
        let fd = pin::open(path, ObjectKind::Map, access)?;
        Self::from_fd(fd).map_err(|error| PinError::syscall(PinOperation::Open, path, error))
    }

    /// Opens the loaded map with the given id (see [`loaded_maps`](super::loaded_maps)). Needs
    /// CAP_SYS_ADMIN. Linux ≥ 4.13.
    ///
    /// # Errors
    /// What the kernel refuses: `ENOENT` when there is no such map (any more).
    pub fn from_id(id: u32) -> Result<Self, MapError> {
        Self::open_id(id, Access::ReadWrite)
    }

    /// Opens the loaded map with the given id for reading only: the kernel refuses to change it
    /// through this descriptor (`EPERM`). Needs CAP_SYS_ADMIN. Linux ≥ 4.15.
    ///
    /// # Errors
    /// Those of [`from_id`](Self::from_id).
    pub fn from_id_read_only(id: u32) -> Result<Self, MapError> {
        Self::open_id(id, Access::Read)
    }

    fn open_id(id: u32, access: Access) -> Result<Self, MapError> {
        bpf::map_fd_by_id(id, access)
            .and_then(Self::from_fd)
            .map_err(|error| MapError::SyscallError {
                name: format!("id {id}"),
                error,
            })
    }

    /// Takes over a descriptor of a map, asking the kernel what it is.
    pub(crate) fn from_fd(fd: OwnedFd) -> Result<Self, SyscallError> {
        let info = bpf::map_info(fd.as_fd())?;
        Ok(MapData {
            fd: MapFd::new(fd),
            name: bpf::name_text(&info.name),
            map_type: info.map_type,
            key_size: info.key_size,
            value_size: info.value_size,
            max_entries: info.max_entries,
            map_flags: info.map_flags,
            map_extra: info.map_extra,
            btf: None,
            mapping: OnceLock::new(),
        })
    }

    /// Creates a map. `name` is the full name; the kernel gets what fits.
    pub(crate) fn create(
        name: &str,
        attr: &mut attr::MapCreate,
        rights: &Rights,
    ) -> Result<Self, SyscallError> {
        attr.map_name = bpf::object_name(name);
        let fd = rights.map_create(attr)?;
        Ok(MapData {
            fd: MapFd::new(fd),
            name: name.to_owned(),
            map_type: attr.map_type,
            key_size: attr.key_size,
            value_size: attr.value_size,
            max_entries: attr.max_entries,
            map_flags: attr.map_flags,
            map_extra: attr.map_extra,
            btf: None,
            mapping: OnceLock::new(),
        })
    }

    /// The map under the name its object gives it, rather than the kernel's shortened one.
    pub(crate) fn with_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// The map as one that was created with these types.
    pub(crate) fn with_btf(mut self, btf: Option<&Arc<OwnedFd>>) -> Self {
        self.btf = btf.cloned();
        self
    }

    pub(super) fn btf(&self) -> Option<&Arc<OwnedFd>> {
        self.btf.as_ref()
    }

    /// Another hold on the same map.
    pub(crate) fn share(&self) -> Self {
        MapData {
            fd: self.fd.clone(),
            name: self.name.clone(),
            btf: self.btf.clone(),
            mapping: self.mapping.clone(),
            ..*self
        }
    }

    /// The descriptor.
    #[inline]
    pub fn fd(&self) -> &MapFd {
        &self.fd
    }

    /// The name: in full for maps of an object; as the kernel keeps it (15 bytes) for others.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type; `None` when it is newer than this version of Hachi.
    #[inline]
    pub fn map_type(&self) -> Option<MapType> {
        MapType::from_number(self.map_type)
    }

    /// The kernel's name of the type, in lower case: `percpu_array`.
    pub fn type_name(&self) -> String {
        type_name(self.map_type)
    }

    /// Bytes per key.
    #[inline]
    pub fn key_size(&self) -> u32 {
        self.key_size
    }

    /// Bytes per value (of one CPU, for per-CPU maps).
    #[inline]
    pub fn value_size(&self) -> u32 {
        self.value_size
    }

    /// The most elements the map can hold; the size in bytes of a ring buffer.
    #[inline]
    pub fn max_entries(&self) -> u32 {
        self.max_entries
    }

    /// `BPF_F_*` flags the map was created with.
    pub fn flags(&self) -> u32 {
        self.map_flags
    }

    /// Whether each element has one value for each possible CPU.
    #[inline]
    pub fn is_per_cpu(&self) -> bool {
        matches!(
            self.map_type(),
            Some(
                MapType::PercpuHash
                    | MapType::PercpuArray
                    | MapType::LruPercpuHash
                    | MapType::PercpuCgroupStorage
            )
        )
    }

    /// Asks the kernel for the map's current description.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn info(&self) -> Result<MapInfo, MapError> {
        MapInfo::of(self.fd.as_fd()).map_err(|error| self.error(error))
    }

    /// Pins the map, so that it outlives the process and others can open it with
    /// [`from_pin`](Self::from_pin).
    ///
    /// `path` must be on a BPF file system (`/sys/fs/bpf`) and free; missing directories are made.
    ///
    /// # Errors
    /// [`PinError::NotBpffs`], [`PinError::Taken`] when something is there, and what the kernel
    /// refuses.
    pub fn pin<P: AsRef<Path>>(&self, path: P) -> Result<(), PinError> {
        pin::pin(self.fd.as_fd(), path.as_ref(), ObjectKind::Map)
    }

    /// Makes the map read-only for user space, for good; programs still write it. Linux ≥ 5.2.
    ///
    /// Not while the map is memory-mapped for writing.
    ///
    /// # Errors
    /// What the kernel refuses: `EBUSY` when it is frozen already, or mapped for writing.
    pub fn freeze(&self) -> Result<(), MapError> {
        bpf::map_freeze(self.fd.as_fd()).map_err(|error| self.error(error))
    }

    /// The map's memory in this process, mapped once: an array's (`BPF_F_MMAPABLE`) or an arena's.
    /// Read-only when the map is.
    pub(crate) fn mapping(&self) -> Result<&Arc<Mmap>, MapError> {
        if let Some(mapping) = self.mapping.get() {
            return Ok(mapping);
        }
        let page = page_size();
        let (address, len) = match self.map_type() {
            Some(MapType::Arena) => (
                usize::try_from(self.map_extra).unwrap_or(0),
                self.max_entries as usize * page,
            ),
            _ => {
                let stride = (self.value_size as usize).next_multiple_of(8);
                (0, stride * self.max_entries as usize)
            }
        };
        let len = len.next_multiple_of(page);
        let mapping = Mmap::at(address, self.as_fd(), len).or_else(|error| {
            match error.raw_os_error() {
                // Frozen, or constant for this side.
                Some(libc::EPERM | libc::EACCES) => Mmap::new(self.as_fd(), len, 0, false),
                _ => Err(error),
            }
        });
        match mapping {
            Ok(mapping) => Ok(self.mapping.get_or_init(|| Arc::new(mapping))),
            Err(error) => Err(self.io_error("mmap", error)),
        }
    }

    pub(crate) fn io_error(&self, call: &'static str, error: std::io::Error) -> MapError {
        self.error(SyscallError::new(call, error))
    }

    pub(crate) fn error(&self, error: SyscallError) -> MapError {
        MapError::SyscallError {
            name: self.name.clone(),
            error,
        }
    }
}

impl TryFrom<OwnedFd> for MapData {
    type Error = MapError;

    /// Takes over a descriptor that another process passed on, say. Anything but a map is
    /// refused.
    fn try_from(fd: OwnedFd) -> Result<Self, MapError> {
        Self::from_fd(fd).map_err(|error| MapError::SyscallError {
            name: "of a descriptor".to_owned(),
            error,
        })
    }
}

impl AsFd for MapData {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for MapData {
    #[inline]
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}
