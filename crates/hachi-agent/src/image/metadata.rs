//! What an image says about its objects, computed from them.

use hachi_btf::{Btf, Types as _};
use hachi_obj::{DataKind, ProgramType, Spec, inspect};
use serde::{Deserialize, Serialize};

use super::blob::order_name;

/// What is in the objects of one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// One for each object, in the order of the layers.
    pub objects: Vec<Object>,
}

/// What is in an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// The file's name in its layer.
    pub name: String,
    /// The licence that is given to the kernel.
    pub license: String,
    /// `little-endian` or `big-endian`.
    pub order: String,
    /// The oldest kernel that has all that the object uses: `5.10`.
    pub kernel: String,
    /// Its programs.
    pub programs: Vec<Program>,
    /// Its maps, without those that hold globals.
    pub maps: Vec<Map>,
    /// Its globals.
    pub globals: Vec<Global>,
}

/// A program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Its name.
    pub name: String,
    /// The kernel's name of its type, in lower case.
    #[serde(rename = "type")]
    pub kind: String,
    /// The section that it stands in, which says what it is attached to.
    pub section: String,
    /// The helper functions that it calls.
    pub helpers: Vec<String>,
}

/// A map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Map {
    /// Its name.
    pub name: String,
    /// The kernel's name of its type, in lower case.
    #[serde(rename = "type")]
    pub kind: String,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// How many entries it has room for.
    pub max_entries: u32,
}

/// A global variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Global {
    /// Its name.
    pub name: String,
    /// Its type as C names it; empty without type information.
    #[serde(rename = "type")]
    pub kind: String,
    /// Bytes.
    pub size: u32,
    /// The bytes that it starts with, in hexadecimal; absent where they are all zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

impl Metadata {
    /// The label that carries it, in JSON.
    pub const LABEL: &str = "hachi.objects";
}

impl Object {
    pub(super) fn new(name: &str, spec: &Spec) -> Object {
        let (major, minor) = inspect::minimum_kernel(spec);
        let types = spec.types();
        Object {
            name: name.to_owned(),
            license: spec.license.clone(),
            order: order_name(spec.endian).to_owned(),
            kernel: format!("{major}.{minor}"),
            programs: spec.programs.iter().map(Program::new).collect(),
            maps: maps(spec).collect(),
            globals: spec
                .globals
                .iter()
                .map(|global| Global {
                    name: global.name.clone(),
                    kind: type_name(types.as_ref(), global.type_id),
                    size: global.size,
                    default: spec.global_bytes(&global.name).ok().flatten().and_then(hex),
                })
                .collect(),
        }
    }
}

impl Program {
    fn new(program: &hachi_obj::ProgramSpec) -> Program {
        // A program whose code cannot be put together says so when it is loaded.
        let helpers = program.code().map(|code| inspect::helpers(&code));
        Program {
            name: program.name.clone(),
            kind: program.program_type.name().to_owned(),
            section: program.section.clone(),
            helpers: helpers
                .unwrap_or_default()
                .iter()
                .map(|used| match used.helper {
                    Some(helper) => helper.name.to_owned(),
                    None => used.id.to_string(),
                })
                .collect(),
        }
    }
}

fn maps(spec: &Spec) -> impl Iterator<Item = Map> {
    let own = |map: &&hachi_obj::MapSpec| map.data.is_none_or(|data| data == DataKind::Arena);
    spec.maps.iter().filter(own).map(|map| Map {
        name: map.name.clone(),
        kind: map.kind.name().to_owned(),
        key_size: map.key_size,
        value_size: map.value_size,
        max_entries: map.max_entries,
    })
}

fn type_name(types: Option<&Btf<'_>>, id: u32) -> String {
    match (types, id) {
        (Some(types), 1..) => types.type_name(id),
        _ => String::new(),
    }
}

/// Bytes in hexadecimal, unless they are all zero.
fn hex(bytes: &[u8]) -> Option<String> {
    let hex = || bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.iter().any(|byte| *byte != 0).then(hex)
}

/// bpfman's name for a type of program, which is the name of the way to attach it.
pub(super) fn bpfman_program_type(program: &hachi_obj::ProgramSpec) -> String {
    let section = program.section.split('/').next().unwrap_or_default();
    match program.program_type {
        ProgramType::Kprobe if section.starts_with("ur") => "uretprobe",
        ProgramType::Kprobe if section.starts_with('u') => "uprobe",
        ProgramType::Kprobe if section.starts_with("kr") => "kretprobe",
        ProgramType::SchedCls if section.starts_with("tcx") => "tcx",
        ProgramType::SchedCls => "tc",
        ProgramType::Tracing if section.starts_with("fentry") => "fentry",
        ProgramType::Tracing if section.starts_with("fexit") => "fexit",
        other => other.name(),
    }
    .to_owned()
}

/// bpfman's name for a type of map: the kernel's, with `per_cpu` in two words.
pub(super) fn bpfman_map_type(map: &hachi_obj::MapSpec) -> String {
    map.kind.name().replace("percpu", "per_cpu")
}
