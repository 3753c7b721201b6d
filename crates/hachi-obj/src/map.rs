use crate::MapType;

/// A map to be created.
///
/// Maps that carry global variables are named by their section (`.rodata`, `.data.mine`); see
/// [`MapSpec::kernel_name`] for what the kernel gets to see.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MapSpec {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: MapType,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Capacity; 0 for a `PERF_EVENT_ARRAY` or other per-CPU-sized map means "one per CPU", which
    /// the loader fills in. For ring buffers: bytes.
    pub max_entries: u32,
    /// Flags (`BPF_F_…`).
    pub flags: u32,
    /// Depends on the type: hash functions of a bloom filter, address of an arena.
    pub map_extra: u64,
    /// Preferred NUMA node.
    pub numa_node: Option<u32>,
    /// How it is shared through bpffs.
    pub pinning: Pinning,
    /// Where it is pinned; set by [`crate::Spec::set_pin_path`], else the loader derives it from
    /// `pinning`.
    pub pin_path: Option<std::path::PathBuf>,
    /// Type of the keys in the object's BTF, 0 if unknown.
    pub btf_key_type_id: u32,
    /// Type of the values in the object's BTF, 0 if unknown.
    pub btf_value_type_id: u32,
    /// For a map of global variables: which kind of section.
    pub data: Option<DataKind>,
    /// For a map of global variables: the initial value. `None` is all zero (`.bss`).
    pub contents: Option<Vec<u8>>,
    /// For a map of maps: what its inner maps look like.
    pub inner: Option<Box<MapSpec>>,
    /// For a map of maps or of programs: what it holds from the start.
    pub entries: Vec<InitialEntry>,
}

/// How a map is shared through bpffs (`enum libbpf_pin_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Pinning {
    /// Not at all.
    #[default]
    None,
    /// Pinned as `<bpffs>/<name>`, and taken from there if it exists already.
    ByName,
}

/// Kinds of sections with global variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DataKind {
    /// Constants: read-only for programs, frozen by the loader.
    Rodata,
    /// Variables with initial values.
    Data,
    /// Variables that begin as zero.
    Bss,
    /// Values of kernel configuration options, read-only.
    Kconfig,
    /// Variables that live in the object's arena.
    Arena,
    /// Variables of which each CPU has its own (`.percpu`), in a per-CPU array.
    Percpu,
}

/// An entry a map holds from the start.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InitialEntry {
    /// Its index.
    pub index: u32,
    /// Name of the map (in a map of maps) or program (in a `PROG_ARRAY`).
    pub target: String,
}

impl InitialEntry {
    /// The map or program of this name, at an index.
    pub fn new(index: u32, target: impl Into<String>) -> Self {
        InitialEntry {
            index,
            target: target.into(),
        }
    }
}

/// Longest name the kernel stores, without the NUL.
const NAME_LEN: usize = 15;

impl MapSpec {
    /// A map without any optional property.
    pub fn new(
        name: impl Into<String>,
        kind: MapType,
        key_size: u32,
        value_size: u32,
        max_entries: u32,
    ) -> MapSpec {
        MapSpec {
            name: name.into(),
            kind,
            key_size,
            value_size,
            max_entries,
            flags: 0,
            map_extra: 0,
            numa_node: None,
            pinning: Pinning::None,
            pin_path: None,
            btf_key_type_id: 0,
            btf_value_type_id: 0,
            data: None,
            contents: None,
            inner: None,
            entries: Vec::new(),
        }
    }

    /// Whether it leaves its capacity to who loads it: the kernel needs the number, and the object
    /// says 0. (Not those whose capacity follows from the machine, as of perf event arrays.)
    pub fn is_sized_by_loader(&self) -> bool {
        self.max_entries == 0
            && !matches!(
                self.kind,
                MapType::PerfEventArray
                    | MapType::Ringbuf
                    | MapType::UserRingbuf
                    | MapType::CgroupStorage
                    | MapType::PercpuCgroupStorage
                    | MapType::SkStorage
                    | MapType::InodeStorage
                    | MapType::TaskStorage
                    | MapType::CgrpStorage
                    | MapType::StructOps
            )
    }

    /// The name under which the kernel lists it: cut to 15 bytes, and for global variables
    /// (`.rodata`) preceded by up to 8 bytes of the object's name, exactly as libbpf does, so
    /// that tools find them. Characters the kernel refuses become `_`.
    pub fn kernel_name(&self, object: &str) -> String {
        let mut name = String::new();
        // Sections of one's own (`.rodata.mine`) keep their whole name.
        let custom = self.name.get(1..).is_some_and(|rest| rest.contains('.'));
        if self.data.is_some() && !custom {
            let suffix = self.name.len().clamp(7, NAME_LEN);
            let prefix = object.chars().take(NAME_LEN - suffix);
            name.extend(prefix);
        }
        name.push_str(&self.name);
        name.chars()
            .map(|c| match c {
                '_' | '.' => c,
                c if c.is_ascii_alphanumeric() => c,
                _ => '_',
            })
            .take(NAME_LEN)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_names_are_libbpfs() {
        let mut map = MapSpec::new(".rodata", MapType::Array, 4, 8, 1);
        map.data = Some(DataKind::Rodata);
        assert_eq!(map.kernel_name("xdp_firewall"), "xdp_fire.rodata");
        assert_eq!(map.kernel_name("a-b"), "a_b.rodata");
        map.name = ".bss".into();
        assert_eq!(map.kernel_name("xdp_firewall"), "xdp_fire.bss");
        map.name = ".data.mine".into();
        assert_eq!(map.kernel_name("xdp_firewall"), ".data.mine");
        let map = MapSpec::new("A_RATHER_LONG_MAP_NAME", MapType::Hash, 4, 4, 1);
        assert_eq!(map.kernel_name("x"), "A_RATHER_LONG_M");
    }
}
