//! From Spec to kernel: the loading pipeline, in the order in which it runs.
//!
//! 1. [`check`]: can this object run here at all?
//! 2. [`ObjectBtf::load`]: hand over the types; sanitised only if the kernel refuses them.
//! 3. [`maps`](create_maps): create or reuse, fill with initial contents, freeze, pin.
//! 4. [`Object`]: what all programs of the object share from then on.
//! 5. [`program`]: relocate, load, and on refusal load again with a log.
//!
//! Until step 5 nothing is verified, so a program that is never loaded may need what the kernel (or this crate)
//! lacks. Whatever a step has made is owned by a value that undoes it on drop, so an error leaves nothing behind.

use std::{
    ffi::CString,
    io,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    path::{Path, PathBuf},
    sync::Mutex,
};

use hachi_asm::{Endian, Insn};
use hachi_btf::{BtfBuilder, StringTable, ext::pack_line};
use hachi_obj::{DataKind, MapSpec, MapType, Pinning, ProgramSpec, RelocationKind, Spec};

use crate::{
    EbpfError, KernelVersion, VerifierLogLevel, features,
    kernel_btf::{self, Btf},
    maps::{Map, MapData, MapError, MapFd},
    pin::{self, PinError, PinGuard},
    programs::{ProgramError, Rejection},
    sys::{attr, bpf, cpu, errno::SyscallError, fs::ObjectKind, mmap::page_size},
};

/// How to load, from [`EbpfLoader`](crate::EbpfLoader).
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Directory of maps pinned by name; `/sys/fs/bpf` if not given.
    pub(crate) pin_directory: Option<PathBuf>,
    pub(crate) allow_unsupported_maps: bool,
    pub(crate) log_level: VerifierLogLevel,
}

/// What the programs of one object share. Holds the maps' descriptors, whose numbers end up in instructions, until the last
/// program that may still be loaded is gone.
#[derive(Debug)]
pub(crate) struct Object {
    license: CString,
    kernel_version: u32,
    btf: ObjectBtf,
    maps: Vec<(String, MapFd)>,
    /// Maps that were left out, and why.
    missing_maps: Vec<(String, String)>,
    /// Slots of program arrays to be filled as programs are loaded: array, index, program.
    slots: Vec<(MapFd, u32, String)>,
    kernel_btf: Option<Btf>,
    log_level: VerifierLogLevel,
    /// Buffer for verifier logs, kept from one failure to the next.
    log_buffer: Mutex<Vec<u8>>,
}

impl Object {
    pub(crate) fn btf_problem(&self) -> Option<&str> {
        self.btf.problem.as_deref()
    }
}

/// What loading a Spec gives.
pub(crate) struct Loaded {
    pub(crate) object: Object,
    pub(crate) maps: Vec<(String, Map)>,
    pub(crate) programs: Vec<ProgramSpec>,
    pub(crate) log_sites: Option<Vec<u8>>,
}

/// Steps 1 to 4.
pub(crate) fn object(
    mut spec: Spec,
    options: &Options,
    kernel_btf: Option<Btf>,
) -> Result<Loaded, EbpfError> {
    check(&spec)?;
    let btf = ObjectBtf::load(&mut spec);
    let mut pins = PinGuard::default();
    let created = create_maps(&spec, options, &btf, &mut pins)?;
    let slots = fill_maps_of_maps(&spec, &created.maps)?;
    pins.keep();
    let object = Object {
        license: CString::new(spec.license.replace('\0', "")).unwrap_or_default(),
        kernel_version: kernel_version(spec.kernel_version),
        btf,
        maps: created
            .maps
            .iter()
            .map(|(name, map)| (name.clone(), map.data().fd().clone()))
            .collect(),
        missing_maps: created.missing,
        slots,
        kernel_btf,
        log_level: options.log_level,
        log_buffer: Mutex::default(),
    };
    Ok(Loaded {
        object,
        maps: created.maps,
        programs: spec.programs,
        log_sites: spec.log_sites,
    })
}

/// Step 1.
fn check(spec: &Spec) -> Result<(), EbpfError> {
    Ok(spec.check_endian()?)
}

/// Kernels before 5.0 load kprobes only for their own version; the object may name one, or leave it to us (0 or -2).
fn kernel_version(declared: u32) -> u32 {
    match declared {
        0 | 0xffff_fffe => KernelVersion::current().map_or(0, KernelVersion::code),
        given => given,
    }
}

/// The object's types in the kernel, and what programs refer to them with.
#[derive(Debug, Default)]
struct ObjectBtf {
    fd: Option<OwnedFd>,
    /// For each program by name: `func_info` and `line_info` records as the kernel reads them.
    debug: DebugInfos,
    /// Why the kernel has no types of ours although the object has some.
    problem: Option<String>,
}

#[derive(Debug, Default)]
struct DebugInfo {
    func_info: Vec<u8>,
    line_info: Vec<u8>,
}

/// By the program's name.
type DebugInfos = Vec<(String, DebugInfo)>;

const FUNC_INFO_SIZE: u32 = 8;
const LINE_INFO_SIZE: u32 = 16;

impl ObjectBtf {
    /// Step 2. Takes the types out of the Spec: they are not needed again.
    ///
    /// Types help (names in dumps, source lines in logs) but little depends on them, so a kernel that refuses
    /// them is no error here. What does depend on them will fail and mention the problem.
    fn load(spec: &mut Spec) -> Self {
        let Some(mut types) = spec.btf.take() else {
            return ObjectBtf::default();
        };
        // No kernel takes functions of extern linkage.
        let mut sanitized = !spec.externs.is_empty();
        if sanitized {
            hachi_btf::sanitize(&mut types, &hachi_btf::Features::default());
        }
        loop {
            let (bytes, debug) = match encode(&types, spec) {
                Ok(encoded) => encoded,
                Err(error) => return ObjectBtf::without(format!("cannot encode BTF: {error}")),
            };
            let error = match bpf::btf_load(&bytes, None) {
                Ok(fd) => {
                    return ObjectBtf {
                        fd: Some(fd),
                        debug,
                        problem: None,
                    };
                }
                Err(error) => error,
            };
            let known = kernel_btf_features();
            if error.errno() == libc::EINVAL
                && !(sanitized && known.all())
                && features::BTF.is_supported()
            {
                sanitized = true;
                let before = types.clone();
                hachi_btf::sanitize(&mut types, &known);
                if types != before {
                    continue;
                }
            }
            let mut log = vec![0; 16 * 1024];
            let text = match bpf::btf_load(&bytes, Some(&mut log)) {
                Ok(fd) => {
                    return ObjectBtf {
                        fd: Some(fd),
                        debug,
                        problem: None,
                    };
                }
                Err(_) => bpf::name_text(&log),
            };
            let text = text.trim();
            let problem = if text.is_empty() {
                format!("the kernel refused the object's BTF: {error}")
            } else {
                format!("the kernel refused the object's BTF: {error}\n{text}")
            };
            return ObjectBtf::without(problem);
        }
    }

    fn without(problem: String) -> Self {
        log::warn!("{problem}");
        ObjectBtf {
            problem: Some(problem),
            ..Default::default()
        }
    }

    fn debug(&self, program: &str) -> Option<&DebugInfo> {
        self.debug
            .iter()
            .find(|(name, _)| name == program)
            .map(|(_, debug)| debug)
    }
}

fn kernel_btf_features() -> hachi_btf::Features {
    hachi_btf::Features {
        func: features::BTF_FUNC.is_supported(),
        datasec: features::BTF_DATASEC.is_supported(),
        func_global: features::BTF_FUNC_GLOBAL.is_supported(),
        float: features::BTF_FLOAT.is_supported(),
        decl_tag: features::BTF_DECL_TAG.is_supported(),
        type_tag: features::BTF_TYPE_TAG.is_supported(),
        enum64: features::BTF_ENUM64.is_supported(),
        qmark_datasec: features::BTF_QMARK_DATASEC.is_supported(),
    }
}

/// The types as bytes, with the strings of all line information among theirs, and the records that refer to both.
fn encode(types: &BtfBuilder, spec: &Spec) -> Result<(Vec<u8>, DebugInfos), hachi_btf::Error> {
    let mut strings = StringTable::new();
    let mut all = Vec::with_capacity(spec.programs.len());
    for program in &spec.programs {
        let mut debug = DebugInfo::default();
        for info in &program.func_info {
            debug
                .func_info
                .extend_from_slice(&info.insn_off.to_ne_bytes());
            debug
                .func_info
                .extend_from_slice(&info.type_id.to_ne_bytes());
        }
        for line in &program.line_info {
            for word in [
                line.insn_off,
                strings.add(&line.file),
                strings.add(&line.text),
                pack_line(line.line, line.column),
            ] {
                debug.line_info.extend_from_slice(&word.to_ne_bytes());
            }
        }
        all.push((program.name.clone(), debug));
    }
    Ok((types.encode_with(&mut strings, Endian::NATIVE)?, all))
}

/// The maps of step 3.
struct Created {
    maps: Vec<(String, Map)>,
    missing: Vec<(String, String)>,
}

/// Step 3. New pins are entered in `pins`.
fn create_maps(
    spec: &Spec,
    options: &Options,
    btf: &ObjectBtf,
    pins: &mut PinGuard,
) -> Result<Created, EbpfError> {
    let mut created = Created {
        maps: Vec::with_capacity(spec.maps.len()),
        missing: Vec::new(),
    };
    for map in &spec.maps {
        let skip = match unsupported(map) {
            Some(reason) => Some(reason),
            None => match create_or_reuse(spec, map, options, btf, pins) {
                Ok(data) => {
                    created
                        .maps
                        .push((map.name.clone(), Map::from_map_data(data)));
                    None
                }
                Err(MapError::CreateError {
                    name,
                    description,
                    error,
                }) if options.allow_unsupported_maps && error.errno() == libc::EINVAL => Some(
                    MapError::CreateError {
                        name,
                        description,
                        error,
                    }
                    .to_string(),
                ),
                Err(error) => return Err(error.into()),
            },
        };
        if let Some(reason) = skip {
            // Maps that only the loader's own later versions fill never fail the object: programs that do not use them work.
            let optional = map.data == Some(DataKind::Kconfig);
            if !options.allow_unsupported_maps && !optional {
                return Err(MapError::Unsuitable {
                    name: map.name.clone(),
                    reason,
                }
                .into());
            }
            created.missing.push((map.name.clone(), reason));
        }
    }
    Ok(created)
}

/// Why this version cannot create a map, whatever the kernel.
fn unsupported(map: &MapSpec) -> Option<String> {
    match (map.kind, map.data) {
        (MapType::StructOps, _) => Some("struct_ops maps are not supported yet".to_owned()),
        (_, Some(DataKind::Kconfig)) => {
            Some("kernel configuration variables (.kconfig) are not supported yet".to_owned())
        }
        _ => None,
    }
}

fn create_or_reuse(
    spec: &Spec,
    map: &MapSpec,
    options: &Options,
    btf: &ObjectBtf,
    pins: &mut PinGuard,
) -> Result<MapData, MapError> {
    let path = match (&map.pin_path, map.pinning) {
        (Some(path), _) => Some(path.clone()),
        (None, Pinning::ByName) => {
            let directory = options
                .pin_directory
                .as_deref()
                .unwrap_or(Path::new(pin::BPFFS));
            // Dots are not allowed in names there; libbpf replaces them the same way.
            Some(directory.join(map.name.replace('.', "_")))
        }
        (None, Pinning::None) => None,
    };
    if let Some(path) = &path
        && let Some(data) = reuse(map, path)?
    {
        return Ok(data);
    }
    let data = create(spec, map, btf)?;
    initialize(map, &data)?;
    if let Some(path) = path {
        match pin::pin(data.as_fd(), &path, ObjectKind::Map) {
            Ok(()) => pins.add(path),
            // Another process was faster: then theirs is the one to share.
            Err(PinError::Taken { .. }) => {
                if let Some(data) = reuse(map, &path)? {
                    return Ok(data);
                }
                return Err(PinError::NotFound { path }.into());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(data)
}

/// The map pinned at `path`, if there is one; it must be like the one declared.
fn reuse(map: &MapSpec, path: &Path) -> Result<Option<MapData>, MapError> {
    let data = match MapData::from_pin(path) {
        Ok(data) => data,
        Err(PinError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let wanted = parameters(map).map_err(|error| MapError::IoError {
        name: map.name.clone(),
        error,
    })?;
    // The verifier cares for read-only; the rest of the flags say how memory is allocated.
    const ACCESS: u32 = 1 << 3 | 1 << 4 | 1 << 7 | 1 << 8;
    let differences = [
        ("type", map.kind.name().to_owned(), data.type_name()),
        (
            "key size",
            wanted.key_size.to_string(),
            data.key_size().to_string(),
        ),
        (
            "value size",
            wanted.value_size.to_string(),
            data.value_size().to_string(),
        ),
        (
            "max_entries",
            wanted.max_entries.to_string(),
            data.max_entries().to_string(),
        ),
        (
            "access flags",
            format!("{:#x}", wanted.map_flags & ACCESS),
            format!("{:#x}", data.flags() & ACCESS),
        ),
    ];
    let differences: Vec<_> = differences
        .into_iter()
        .filter(|(_, wanted, found)| wanted != found)
        .map(|(what, wanted, found)| format!("{what} {found} there, {wanted} in the object"))
        .collect();
    if !differences.is_empty() {
        return Err(MapError::IncompatiblePin {
            name: map.name.clone(),
            path: path.to_owned(),
            difference: differences.join("; "),
        });
    }
    Ok(Some(data.with_name(&map.name)))
}

/// The parameters of a map with those filled in that depend on the machine.
fn parameters(map: &MapSpec) -> io::Result<attr::MapCreate> {
    let mut attr = attr::MapCreate {
        map_type: map.kind as u32,
        key_size: map.key_size,
        value_size: map.value_size,
        max_entries: map.max_entries,
        map_flags: map.flags,
        map_extra: map.map_extra,
        ..Default::default()
    };
    if let Some(node) = map.numa_node {
        const BPF_F_NUMA_NODE: u32 = 1 << 2;
        attr.map_flags |= BPF_F_NUMA_NODE;
        attr.numa_node = node;
    }
    match map.kind {
        MapType::PerfEventArray if map.max_entries == 0 => {
            attr.max_entries = u32::try_from(cpu::possible()?).unwrap_or(u32::MAX);
        }
        // Whole pages, and a power of two of them: what the kernel insists on, and objects cannot know.
        MapType::Ringbuf | MapType::UserRingbuf => {
            let page = u32::try_from(page_size()).unwrap_or(4096);
            let pages = map.max_entries.div_ceil(page).checked_next_power_of_two();
            attr.max_entries = pages
                .and_then(|pages| pages.checked_mul(page))
                .unwrap_or(map.max_entries);
        }
        _ => {}
    }
    Ok(attr)
}

/// Types of the map's key and value are only told to the kernel for map types that accept them (as in libbpf).
fn takes_btf(kind: MapType) -> bool {
    !matches!(
        kind,
        MapType::PerfEventArray
            | MapType::CgroupArray
            | MapType::StackTrace
            | MapType::ArrayOfMaps
            | MapType::HashOfMaps
            | MapType::Devmap
            | MapType::DevmapHash
            | MapType::Cpumap
            | MapType::Xskmap
            | MapType::Sockmap
            | MapType::Sockhash
            | MapType::Queue
            | MapType::Stack
    )
}

fn create(spec: &Spec, map: &MapSpec, btf: &ObjectBtf) -> Result<MapData, MapError> {
    let mut attr = parameters(map).map_err(|error| MapError::IoError {
        name: map.name.clone(),
        error,
    })?;
    let failed = |attr: &attr::MapCreate, error| MapError::CreateError {
        name: map.name.clone(),
        description: format!(
            "{}, {}-byte keys, {}-byte values, max_entries {}, flags {:#x}; needs Linux ≥ {}.{}",
            map.kind.name(),
            attr.key_size,
            attr.value_size,
            attr.max_entries,
            attr.map_flags,
            map.kind.first_kernel().0,
            map.kind.first_kernel().1,
        ),
        error,
    };
    // Only lends its shape to the outer map; closed afterwards.
    let inner = match &map.inner {
        Some(inner) => Some(create(spec, inner, btf)?),
        None => None,
    };
    if let Some(inner) = &inner {
        attr.inner_map_fd = inner.as_raw_fd() as u32;
    }
    if let Some(fd) = &btf.fd
        && takes_btf(map.kind)
        && map.btf_value_type_id != 0
    {
        attr.btf_fd = fd.as_raw_fd() as u32;
        attr.btf_key_type_id = map.btf_key_type_id;
        attr.btf_value_type_id = map.btf_value_type_id;
    }
    let kernel_name = map.kernel_name(&spec.name);
    let full = match bpf_create(&kernel_name, &mut attr) {
        Ok(data) => return Ok(data.with_name(&map.name)),
        Err(error) => error,
    };
    // Refused for what is only nice to have? Each fallback is for older kernels.
    let mut reduced = attr;
    if reduced.btf_fd != 0 {
        (
            reduced.btf_fd,
            reduced.btf_key_type_id,
            reduced.btf_value_type_id,
        ) = (0, 0, 0);
        if let Ok(data) = bpf_create(&kernel_name, &mut reduced) {
            log::debug!("map {:?} is created without its types: {full}", map.name);
            return Ok(data.with_name(&map.name));
        }
    }
    if full.errno() == libc::EINVAL {
        if map.data.is_some()
            && reduced.map_flags & features::MMAPABLE != 0
            && !features::MMAPABLE_ARRAY.is_supported()
        {
            reduced.map_flags &= !features::MMAPABLE;
        }
        const BPF_F_RDONLY_PROG: u32 = 1 << 7;
        if map.data.is_some() && !features::GLOBAL_DATA.is_supported() {
            reduced.map_flags &= !BPF_F_RDONLY_PROG;
        }
        let name = if features::OBJECT_NAMES.is_supported() {
            &kernel_name
        } else {
            ""
        };
        if let Ok(data) = bpf_create(name, &mut reduced) {
            return Ok(data.with_name(&map.name));
        }
    }
    Err(failed(&attr, full))
}

fn bpf_create(name: &str, attr: &mut attr::MapCreate) -> Result<MapData, SyscallError> {
    MapData::create(name, attr)
}

/// Gives a map of global variables its contents, and makes constants constant.
fn initialize(map: &MapSpec, data: &MapData) -> Result<(), MapError> {
    if !matches!(
        map.data,
        Some(DataKind::Rodata | DataKind::Data | DataKind::Bss)
    ) {
        return Ok(());
    }
    if let Some(contents) = &map.contents {
        data.write_contents(contents)?;
    }
    if map.data == Some(DataKind::Rodata)
        && let Err(error) = data.freeze()
    {
        // Without it the verifier takes the values for variables: slower code, same meaning.
        if features::MAP_FREEZE.is_supported() {
            return Err(error);
        }
    }
    Ok(())
}

/// Puts declared maps into maps of maps. What program arrays are to hold is returned: it has to be loaded first.
fn fill_maps_of_maps(
    spec: &Spec,
    maps: &[(String, Map)],
) -> Result<Vec<(MapFd, u32, String)>, EbpfError> {
    let find = |name: &str| {
        maps.iter()
            .find(|(other, _)| other == name)
            .map(|(_, map)| map.data())
    };
    let mut slots = Vec::new();
    for declared in &spec.maps {
        let Some(outer) = find(&declared.name) else {
            continue;
        };
        for entry in &declared.entries {
            if declared.kind == MapType::ProgArray {
                slots.push((outer.fd().clone(), entry.index, entry.target.clone()));
                continue;
            }
            let Some(inner) = find(&entry.target) else {
                return Err(MapError::Unsuitable {
                    name: declared.name.clone(),
                    reason: format!("it is to hold map {:?}, which does not exist", entry.target),
                }
                .into());
            };
            outer.put_descriptor(entry.index, inner.as_fd())?;
        }
    }
    Ok(slots)
}

/// What loading a program gives.
pub(crate) struct LoadedProgram {
    pub(crate) fd: OwnedFd,
    /// The verifier's log, if one was asked for.
    pub(crate) log: String,
}

/// Step 5.
pub(crate) fn program(
    object: &Object,
    spec: &mut ProgramSpec,
) -> Result<LoadedProgram, ProgramError> {
    check_program(spec)?;
    relocate(object, spec)?;
    let mut attr = program_attr(object, spec)?;
    let insns = Insn::encode_all(&spec.insns, Endian::NATIVE);
    let debug = object
        .btf
        .debug(&spec.name)
        .filter(|debug| !debug.func_info.is_empty());
    let mut image = bpf::ProgramImage {
        insns: &insns,
        license: &object.license,
        func_info: &[],
        func_info_rec_size: FUNC_INFO_SIZE,
        line_info: &[],
        line_info_rec_size: LINE_INFO_SIZE,
        fd_array: &[],
    };
    if let (Some(debug), Some(fd)) = (debug, &object.btf.fd) {
        attr.prog_btf_fd = fd.as_raw_fd() as u32;
        image.func_info = &debug.func_info;
        image.line_info = &debug.line_info;
    }
    let loaded = load_with_fallbacks(object, spec, &mut attr, &mut image)?;
    for (array, index, name) in &object.slots {
        if *name == spec.name {
            MapData::put_descriptor_in(array, *index, loaded.fd.as_fd()).map_err(|error| {
                ProgramError::SyscallError {
                    name: spec.name.clone(),
                    error,
                }
            })?;
        }
    }
    Ok(loaded)
}

fn unloadable(spec: &ProgramSpec, reason: impl Into<String>) -> ProgramError {
    ProgramError::Unloadable {
        name: spec.name.clone(),
        reason: reason.into(),
    }
}

/// Refuses what this version cannot do, in words rather than by the kernel's errno.
fn check_program(spec: &ProgramSpec) -> Result<(), ProgramError> {
    if spec.section_def.is_none() && spec.program_type == hachi_obj::ProgramType::Unspec {
        return Err(unloadable(
            spec,
            format!(
                "section {:?} says nothing about its type; use a section name that libbpf knows, such as \"xdp\"",
                spec.section
            ),
        ));
    }
    if !spec.core_relos.is_empty() {
        return Err(unloadable(
            spec,
            format!(
                "it needs CO-RE support ({} relocations against the kernel's types), which this version does not have yet",
                spec.core_relos.len()
            ),
        ));
    }
    for relocation in &spec.relocations {
        match &relocation.kind {
            RelocationKind::Kfunc { name } => {
                return Err(unloadable(
                    spec,
                    format!("it calls the kernel function {name:?}; kfuncs are not supported yet"),
                ));
            }
            RelocationKind::Ksym { name } => {
                return Err(unloadable(
                    spec,
                    format!("it uses the kernel variable {name:?}; those are not supported yet"),
                ));
            }
            RelocationKind::Map { .. } | RelocationKind::GlobalData { .. } => {}
        }
    }
    Ok(())
}

/// Writes map descriptors into the instructions that want them. Can be repeated.
fn relocate(object: &Object, spec: &mut ProgramSpec) -> Result<(), ProgramError> {
    for relocation in &spec.relocations {
        let name = match &relocation.kind {
            RelocationKind::Map { name } | RelocationKind::GlobalData { map: name, .. } => name,
            RelocationKind::Kfunc { .. } | RelocationKind::Ksym { .. } => continue,
        };
        let Some((_, fd)) = object.maps.iter().find(|(other, _)| other == name) else {
            let reason = match object.missing_maps.iter().find(|(other, _)| other == name) {
                Some((_, reason)) => format!("it uses map {name:?}, which was left out: {reason}"),
                None => format!("it uses map {name:?}, which the object does not define"),
            };
            return Err(unloadable(spec, reason));
        };
        let Some(insn) = spec.insns.get_mut(relocation.insn) else {
            return Err(unloadable(
                spec,
                format!(
                    "a relocation lies at instruction {}, beyond its end",
                    relocation.insn
                ),
            ));
        };
        insn.imm = fd.as_raw_fd();
    }
    Ok(())
}

fn program_attr(object: &Object, spec: &ProgramSpec) -> Result<attr::ProgLoad, ProgramError> {
    const BPF_F_SLEEPABLE: u32 = 1 << 4;
    const BPF_F_XDP_HAS_FRAGS: u32 = 1 << 5;
    let mut attr = attr::ProgLoad {
        prog_type: spec.program_type as u32,
        prog_name: bpf::object_name(&spec.name),
        expected_attach_type: spec.attach_type.map_or(0, |kind| kind as u32),
        kern_version: object.kernel_version,
        ..Default::default()
    };
    if spec.sleepable {
        attr.prog_flags |= BPF_F_SLEEPABLE;
    }
    if spec.frags {
        attr.prog_flags |= BPF_F_XDP_HAS_FRAGS;
    }
    if spec.section_def.is_some_and(|def| def.needs_btf_target) {
        attr.attach_btf_id = kernel_btf::attach_target(object.kernel_btf.as_ref(), spec)
            .map_err(|reason| unloadable(spec, reason))?;
    }
    Ok(attr)
}

/// Loads; if an old kernel stumbles over something it need not know, loads without that.
fn load_with_fallbacks(
    object: &Object,
    spec: &ProgramSpec,
    attr: &mut attr::ProgLoad,
    image: &mut bpf::ProgramImage<'_>,
) -> Result<LoadedProgram, ProgramError> {
    let first = match load_once(object, attr, image) {
        Ok(loaded) => return Ok(loaded),
        Err(refusal) => refusal,
    };
    // The verifier had something to say, or it is a question of rights: then older ways would not help.
    let about_arguments =
        matches!(first.error.errno(), libc::EINVAL | libc::E2BIG) && first.log.is_empty();
    if about_arguments {
        let mut changed = false;
        if !features::OBJECT_NAMES.is_supported() {
            changed |= std::mem::take(&mut attr.prog_name) != [0; attr::OBJ_NAME_LEN];
        }
        let optional = spec.section_def.is_some_and(|def| def.attach_type_optional);
        if optional && !features::EXPECTED_ATTACH_TYPE.is_supported() {
            changed |= std::mem::take(&mut attr.expected_attach_type) != 0;
        }
        if attr.prog_btf_fd != 0 && !features::BTF_FUNC.is_supported() {
            attr.prog_btf_fd = 0;
            (image.func_info, image.line_info) = (&[], &[]);
            changed = true;
        }
        if spec.frags {
            features::XDP_FRAGS.require()?;
        }
        if changed && let Ok(loaded) = load_once(object, attr, image) {
            return Ok(loaded);
        }
    }
    Err(ProgramError::LoadError(Box::new(Rejection {
        program: spec.name.clone(),
        section: spec.section.clone(),
        kind: spec.program_type.name(),
        error: first.error,
        log: first.log,
        lines: spec.line_info.clone(),
        functions: spec.functions.clone(),
    })))
}

/// The kernel's answer and what the verifier wrote.
struct Refusal {
    error: SyscallError,
    log: String,
}

/// First log buffer, and the largest a kernel takes (`BPF_MAX_LOG…`, 30 bits since Linux 5.2, 24 before).
const LOG_START: usize = 64 * 1024;
const LOG_LIMIT: usize = (u32::MAX >> 8) as usize;

/// Loads without a log, which is faster and cannot fail for want of room; only if that is refused (or a log was asked
/// for) with one, growing until all of it fits.
fn load_once(
    object: &Object,
    attr: &mut attr::ProgLoad,
    image: &bpf::ProgramImage<'_>,
) -> Result<LoadedProgram, Refusal> {
    let asked = object.log_level;
    if asked.is_empty() {
        match bpf::prog_load(attr, image, None) {
            Ok(fd) => {
                return Ok(LoadedProgram {
                    fd,
                    log: String::new(),
                });
            }
            // Verifying again would say the same, without a log.
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
                return Err(refusal(error, String::new()));
            }
            Err(_) => {}
        }
    }
    let level = if asked.is_empty() {
        VerifierLogLevel::DEBUG | VerifierLogLevel::STATS
    } else {
        asked
    };
    let mut buffer = object
        .log_buffer
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    if buffer.is_empty() {
        buffer.resize(LOG_START, 0);
    }
    loop {
        buffer[0] = 0;
        attr.log_true_size = 0;
        let result = bpf::prog_load(attr, image, Some((&mut buffer, level.bits())));
        let full = matches!(&result, Err(error) if error.raw_os_error() == Some(libc::ENOSPC));
        if full && buffer.len() < LOG_LIMIT {
            let size = buffer.len();
            let wanted = (attr.log_true_size as usize).max(size * 4).min(LOG_LIMIT);
            // Not `resize`, which would copy a log that is about to be written again.
            *buffer = vec![0; wanted];
            continue;
        }
        let log = match &result {
            // Asked for by nobody: the second attempt just went better than the first.
            Ok(_) if asked.is_empty() => String::new(),
            _ => bpf::name_text(&buffer),
        };
        *buffer = Vec::new();
        return match result {
            Ok(fd) => Ok(LoadedProgram { fd, log }),
            Err(error) => Err(refusal(error, log)),
        };
    }
}

fn refusal(error: io::Error, log: String) -> Refusal {
    Refusal {
        error: SyscallError::new("BPF_PROG_LOAD", error),
        log,
    }
}
