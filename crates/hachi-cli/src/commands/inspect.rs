//! `hachi inspect`: what is in an object.

use std::path::PathBuf;

use hachi_btf::{Btf, Endian, Types as _};
use hachi_obj::inspect::{self, StackDepth};
use hachi_obj::{
    DataKind, Extern, ExternKind, Function, MapSpec, Pinning, ProgramSpec, RelocationKind, Spec,
};
use serde_json::{Value, json};

use crate::failure::{Failure, Result};
use crate::object::{self, Object};
use crate::output::{self, Format, Output, bold, dim, path_text, say};
use crate::value;

mod compare;
mod structs;

/// Say what is in an object: programs, maps, globals, structs, types, and the oldest kernel it can
/// run on
///
/// With two objects it says what differs between them. Reads files only; no privileges, no kernel.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi inspect firewall.o
  hachi inspect old.o new.o           # what differs
  hachi inspect old.o new.o --code    # and in which instructions
  hachi inspect *.o --each --json")]
pub struct Args {
    /// Object files
    #[arg(required = true, value_name = "OBJECT")]
    objects: Vec<PathBuf>,
    /// Print the instructions that differ between two objects as well
    #[arg(long, conflicts_with = "each")]
    code: bool,
    /// Of two objects, too, print what is in each instead of what differs
    #[arg(long)]
    each: bool,
    #[command(flatten)]
    format: Format,
}

pub fn run(args: Args, out: &mut Output) -> Result {
    let objects = args
        .objects
        .iter()
        .map(|path| object::open(path).map(Report::new))
        .collect::<Result<Vec<Report>>>()?;
    let differences = match objects.as_slice() {
        [old, new] if !args.each => Some(compare::Differences::between(old, new)),
        _ if args.code => return Err(Failure::usage("--code is for two objects")),
        _ => None,
    };
    let document = || {
        let each: Vec<Value> = objects.iter().map(Report::json).collect();
        match &differences {
            Some(differences) => json!({ "objects": each, "differences": differences.json() }),
            None => json!({ "objects": each }),
        }
    };
    args.format.print(out, document, |out| {
        if let Some(differences) = &differences {
            let detail = match args.code {
                true => compare::Detail::Code,
                false => compare::Detail::Counts,
            };
            return differences.show(detail, out);
        }
        for (at, report) in objects.iter().enumerate() {
            if at > 0 {
                say!(out)?;
            }
            report.show(out)?;
        }
        Ok(())
    })?;
    for report in &objects {
        for warning in &report.object.spec.warnings {
            let path = report.object.path.display();
            out.warn(format_args!("{path}: {warning}"))?;
        }
    }
    Ok(())
}

/// An object with what is computed about it.
struct Report {
    object: Object,
    programs: Vec<Summarised>,
    needs: Vec<inspect::Requirement>,
}

/// A program's code, or why it has none.
type Summarised = std::result::Result<Summary, hachi_obj::Error>;

/// What is shown of a program's code.
struct Summary {
    instructions: usize,
    core_relos: usize,
    functions: Vec<Function>,
    stack: StackDepth,
    helpers: Vec<inspect::HelperUse>,
    /// Whether it runs on no other kind of machine.
    reads_registers: bool,
    /// What it refers to and the object lacks.
    unresolved: Vec<hachi_obj::Error>,
}

impl Summary {
    fn new(program: &ProgramSpec) -> Summarised {
        let code = program.code()?;
        let unresolved = code.relocations.iter().filter_map(|r| match &r.kind {
            RelocationKind::Unresolved { error, .. } => Some((**error).clone()),
            _ => None,
        });
        Ok(Summary {
            instructions: code.insns.len(),
            core_relos: code.core_relos.len(),
            stack: inspect::stack_depth(&code),
            helpers: inspect::helpers(&code),
            reads_registers: inspect::registers_read(program.program_type, &code).is_some(),
            unresolved: unresolved.collect(),
            functions: code.into_owned().functions,
        })
    }
}

impl Report {
    fn new(object: Object) -> Report {
        let spec = &object.spec;
        Report {
            programs: spec.programs.iter().map(Summary::new).collect(),
            needs: inspect::requirements(spec),
            object,
        }
    }

    fn spec(&self) -> &Spec {
        &self.object.spec
    }

    fn show(&self, out: &mut Output) -> Result {
        let spec = self.spec();
        let license = match spec.license.as_str() {
            "" => "no licence",
            license => license,
        };
        let size = output::grouped(self.object.size as u64);
        let order = match spec.endian {
            Endian::Little => "little-endian",
            Endian::Big => "big-endian",
        };
        say!(
            out,
            bold(self.object.path.display()),
            format_args!(": {size} bytes, {order}, licence: {license}")
        )?;
        self.show_arch(out)?;
        self.show_undefined(out)?;
        self.show_kernel(out)?;
        self.show_programs(out)?;
        self.show_maps(out)?;
        self.show_globals(out)?;
        structs::show(spec, self.types().as_ref(), out)?;
        self.show_externs(out)?;
        title("Types", out)?;
        match &spec.btf {
            Some(btf) => {
                let types = output::grouped(btf.types().last_id().into());
                let bytes = output::grouped(btf.bytes().len() as u64);
                say!(out, format_args!("  BTF: {types} types in {bytes} bytes"))
            }
            None => say!(
                out,
                "  no BTF: values print as bytes, rejections without source lines"
            ),
        }
    }

    /// The kind of machine it was built for, and what of it runs on no other.
    fn show_arch(&self, out: &mut Output) -> Result {
        let programs = self.spec().programs.iter().zip(&self.programs);
        let readers = programs.filter(|(_, summary)| {
            summary
                .as_ref()
                .is_ok_and(|summary| summary.reads_registers)
        });
        let readers: Vec<&str> = readers.map(|(program, _)| program.name.as_str()).collect();
        let names = readers.join(", ");
        match (&self.spec().arch, readers.is_empty()) {
            (Some(arch), true) => say!(out, "  built for ", arch, ", runs on others as well"),
            (Some(arch), false) => {
                say!(
                    out,
                    "  built for ",
                    arch,
                    ", whose registers are read by ",
                    names
                )
            }
            (None, true) => Ok(()),
            (None, false) => {
                say!(
                    out,
                    "  registers of a machine that it does not name are read by ",
                    names
                )
            }
        }
    }

    /// What other objects have to define, for an object that is still to be linked.
    fn show_undefined(&self, out: &mut Output) -> Result {
        let undefined = &self.spec().undefined;
        if undefined.is_empty() {
            return Ok(());
        }
        say!(
            out,
            "  to be linked with what defines ",
            undefined.join(", "),
            ": hachi ld"
        )
    }

    fn show_kernel(&self, out: &mut Output) -> Result {
        let (major, minor) = inspect::minimum_kernel(self.spec());
        say!(out, format_args!("  needs Linux {major}.{minor} or later:"))?;
        for requirement in self.needs.iter().take(3) {
            let (major, minor) = requirement.kernel;
            let place = self.place(requirement);
            let place = place.map_or(String::new(), |p| format!(", {p}"));
            let version = dim(format!("{major}.{minor:<3}"));
            let (need, by) = (&requirement.need, &requirement.by);
            say!(out, "    ", version, " ", need, " (", by, place, ")")?;
        }
        match self.needs.len() > 3 {
            true => say!(out, "    ", dim("… all with --json")),
            false => Ok(()),
        }
    }

    /// The source line that needs something.
    fn place(&self, requirement: &inspect::Requirement) -> Option<String> {
        let (program, slot) = requirement.at?;
        let code = self.spec().programs.get(program)?.code().ok()?;
        let line = code.line_at(slot)?;
        Some(format!("{}:{}", line.file, line.line))
    }

    fn show_programs(&self, out: &mut Output) -> Result {
        title("Programs", out)?;
        if self.spec().programs.is_empty() {
            say!(out, "  none")?;
        }
        for (program, summary) in self.spec().programs.iter().zip(&self.programs) {
            let section = dim(format!("(section {})", program.section));
            let kind = program.program_type.name();
            let summary = match summary {
                Ok(summary) => summary,
                Err(error) => {
                    let name = bold(&program.name);
                    say!(
                        out,
                        "  ",
                        name,
                        " ",
                        section,
                        format_args!(": {kind}; {error}")
                    )?;
                    continue;
                }
            };
            let length = output::count(summary.instructions, "instruction");
            let stack = stack_text(&summary.stack);
            say!(
                out,
                "  ",
                bold(&program.name),
                " ",
                section,
                format_args!(": {kind}, {length}, stack {stack}")
            )?;
            let helpers: Vec<String> = summary
                .helpers
                .iter()
                .map(|used| {
                    let name = helper_name(used);
                    match used.calls {
                        1 => name,
                        calls => format!("{name} ×{calls}"),
                    }
                })
                .collect();
            if !helpers.is_empty() {
                say!(out, "    helpers: ", helpers.join(", "))?;
            }
            let functions: Vec<&str> = summary
                .functions
                .iter()
                .skip(1)
                .map(|f| f.name.as_str())
                .collect();
            if !functions.is_empty() {
                say!(out, "    calls: ", functions.join(", "))?;
            }
            if summary.core_relos > 0 {
                let relocations = output::count(summary.core_relos, "CO-RE relocation");
                say!(out, "    ", relocations)?;
            }
            for error in &summary.unresolved {
                say!(out, "    cannot be loaded: ", error)?;
            }
        }
        Ok(())
    }

    fn show_maps(&self, out: &mut Output) -> Result {
        let maps: Vec<&MapSpec> = self
            .spec()
            .maps
            .iter()
            .filter(|map| !matches!(map.data, Some(data) if data != DataKind::Arena))
            .collect();
        if maps.is_empty() {
            return Ok(());
        }
        title("Maps", out)?;
        let btf = self.types();
        let rows = maps.into_iter().map(|map| {
            let typed = |id: u32, size: u32| match (&btf, id) {
                (Some(btf), 1..) => format!("{} ({size})", hachi_btf::Types::type_name(btf, id)),
                _ => format!("{size} bytes"),
            };
            [
                format!("  {}", map.name),
                map.kind.name().to_string(),
                typed(map.btf_key_type_id, map.key_size),
                typed(map.btf_value_type_id, map.value_size),
                output::grouped(map.max_entries.into()),
                map_notes(map),
            ]
        });
        out.table(
            ["  name", "type", "key", "value", "max entries", "notes"],
            rows,
        )
    }

    fn show_globals(&self, out: &mut Output) -> Result {
        if self.spec().globals.is_empty() {
            return Ok(());
        }
        title("Globals", out)?;
        let btf = self.types();
        let rows = self.spec().globals.iter().map(|global| {
            let kind = match &btf {
                Some(btf) if global.type_id != 0 => {
                    hachi_btf::Types::type_name(btf, global.type_id)
                }
                _ => format!("{} bytes", global.size),
            };
            let initial = match self.spec().global_bytes(&global.name) {
                Ok(Some(bytes)) => value::to_text(btf.as_ref(), global.type_id, bytes),
                _ => "zero".to_string(),
            };
            [
                format!("  {}", global.name),
                kind,
                global.map.clone(),
                shortened(&initial),
            ]
        });
        out.table(["  name", "type", "section", "value"], rows)
    }

    fn show_externs(&self, out: &mut Output) -> Result {
        if self.spec().externs.is_empty() {
            return Ok(());
        }
        title("From the kernel", out)?;
        let btf = self.types();
        for extern_ in &self.spec().externs {
            let weak = if extern_.weak { ", optional" } else { "" };
            let declared = declaration(btf.as_ref(), extern_);
            let declared = declared.unwrap_or_else(|| extern_.name.clone());
            let kind = extern_kind(extern_.kind);
            say!(out, format_args!("  {declared} ({kind}{weak})"))?;
        }
        Ok(())
    }

    fn types(&self) -> Option<Btf<'_>> {
        self.spec().types()
    }

    fn json(&self) -> Value {
        let spec = self.spec();
        let btf = self.types();
        let (major, minor) = inspect::minimum_kernel(spec);
        let programs: Vec<Value> = spec
            .programs
            .iter()
            .zip(&self.programs)
            .map(|(program, summary)| program_json(program, summary))
            .collect();
        let maps: Vec<Value> = spec.maps.iter().map(map_json).collect();
        let globals: Vec<Value> = spec
            .globals
            .iter()
            .map(|global| {
                let bytes = spec.global_bytes(&global.name).ok().flatten();
                json!({
                    "name": global.name,
                    "section": global.map,
                    "offset": global.offset,
                    "size": global.size,
                    "value": bytes.map(|bytes| value::to_json(btf.as_ref(), global.type_id, bytes)),
                })
            })
            .collect();
        let needs: Vec<Value> = self
            .needs
            .iter()
            .map(|requirement| {
                let (major, minor) = requirement.kernel;
                json!({
                    "kernel": format!("{major}.{minor}"),
                    "what": requirement.need.to_string(),
                    "by": requirement.by.to_string(),
                    "line": self.place(requirement),
                })
            })
            .collect();
        let externs: Vec<Value> = spec
            .externs
            .iter()
            .map(|extern_| {
                json!({
                    "name": extern_.name,
                    "kind": extern_kind(extern_.kind),
                    "declaration": declaration(btf.as_ref(), extern_),
                    "optional": extern_.weak,
                })
            })
            .collect();
        json!({
            "path": path_text(&self.object.path),
            "size": self.object.size,
            "license": spec.license,
            "endian": match spec.endian { Endian::Little => "little", Endian::Big => "big" },
            "arch": spec.arch,
            "minimum_kernel": format!("{major}.{minor}"),
            "requirements": needs,
            "programs": programs,
            "maps": maps,
            "globals": globals,
            "struct_ops": structs::json(spec, btf.as_ref()),
            "externs": externs,
            "undefined": spec.undefined,
            "btf": spec.btf.as_ref().map(|btf| json!({
                "types": btf.types().last_id(),
                "bytes": btf.bytes().len(),
            })),
            "warnings": spec.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    }
}

/// The title of a section, after an empty line.
pub fn title(text: &str, out: &mut Output) -> Result {
    say!(out)?;
    say!(out, bold(text))
}

fn stack_text(stack: &StackDepth) -> String {
    match (stack.deepest, stack.frames.as_slice()) {
        (None, _) => "without end (functions call each other in a circle)".to_string(),
        (Some(_), [only]) => format!("{} bytes", only.bytes),
        (Some(deepest), _) => format!("{deepest} bytes over all calls"),
    }
}

fn helper_name(used: &inspect::HelperUse) -> String {
    used.helper.map_or_else(
        || format!("unknown helper {}", used.id),
        |helper| helper.name.to_string(),
    )
}

/// As C declares it; `None` if it has no type.
fn declaration(btf: Option<&Btf<'_>>, extern_: &Extern) -> Option<String> {
    let id = match extern_.kind {
        ExternKind::Kfunc { proto } => proto,
        ExternKind::Ksym { type_id } => type_id?,
        ExternKind::Kconfig { type_id, .. } => type_id,
        _ => return None,
    };
    let declared = hachi_btf::Types::declaration(btf?, id, &extern_.name);
    // The name of parameters that have none.
    Some(
        declared
            .replace(" dummy_ksym", "")
            .replace("dummy_ksym", ""),
    )
}

fn extern_kind(kind: ExternKind) -> &'static str {
    match kind {
        ExternKind::Kfunc { .. } => "kernel function",
        ExternKind::Ksym { .. } => "kernel symbol",
        ExternKind::Kconfig { .. } => "kernel configuration",
        _ => "extern",
    }
}

/// Long values are for `--json`.
fn shortened(text: &str) -> String {
    const LIMIT: usize = 60;
    match text.char_indices().nth(LIMIT) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_string(),
    }
}

fn program_json(program: &ProgramSpec, summary: &Summarised) -> Value {
    let mut document = json!({
        "name": program.name,
        "section": program.section,
        "type": program.program_type.name(),
        "attach_type": program.attach_type.map(|attach| attach.name()),
        "attach_target": program.attach_target,
        "sleepable": program.sleepable,
    });
    let summary = match summary {
        Ok(summary) => summary,
        Err(error) => {
            document["problem"] = error.to_string().into();
            return document;
        }
    };
    let helpers = summary.helpers.iter().map(|used| {
        json!({
            "id": used.id,
            "name": used.helper.map(|helper| helper.name),
            "calls": used.calls,
            "gpl_only": used.helper.map(|helper| helper.gpl_only),
        })
    });
    let functions = summary.functions.iter().zip(&summary.stack.frames);
    let functions = functions.map(|(function, frame)| {
        json!({
            "name": function.name,
            "instructions": function.len,
            "stack": frame.bytes,
        })
    });
    let unresolved = summary.unresolved.iter().map(ToString::to_string);
    document["instructions"] = summary.instructions.into();
    document["stack"] = summary.stack.deepest.into();
    document["functions"] = functions.collect();
    document["helpers"] = helpers.collect();
    document["core_relocations"] = summary.core_relos.into();
    document["unresolved"] = unresolved.collect();
    document
}

/// What few maps have.
fn map_notes(map: &MapSpec) -> String {
    let mut notes = Vec::new();
    if map.pinning == Pinning::ByName {
        notes.push("pinned by name".to_string());
    }
    if map.flags != 0 {
        notes.push(format!("flags {:#x}", map.flags));
    }
    if map.map_extra != 0 {
        notes.push(format!("extra {:#x}", map.map_extra));
    }
    if let Some(node) = map.numa_node {
        notes.push(format!("NUMA node {node}"));
    }
    if let Some(inner) = &map.inner {
        let (kind, entries) = (inner.kind.name(), output::grouped(inner.max_entries.into()));
        notes.push(format!("of {kind} maps with {entries} entries"));
    }
    for entry in &map.entries {
        notes.push(format!("[{}] = {}", entry.index, entry.target));
    }
    notes.join(", ")
}

fn map_json(map: &MapSpec) -> Value {
    let entries: Vec<Value> = map
        .entries
        .iter()
        .map(|entry| json!({ "index": entry.index, "target": entry.target }))
        .collect();
    json!({
        "name": map.name,
        "type": map.kind.name(),
        "key_size": map.key_size,
        "value_size": map.value_size,
        "max_entries": map.max_entries,
        "flags": map.flags,
        "extra": map.map_extra,
        "numa_node": map.numa_node,
        "inner": map.inner.as_deref().map(map_json),
        "entries": entries,
        "pinning": match map.pinning { Pinning::ByName => "by_name", _ => "none" },
        "holds": map.data.map(|data| match data {
            DataKind::Rodata => "constants",
            DataKind::Data => "data",
            DataKind::Bss => "zeroed data",
            DataKind::Kconfig => "kernel configuration",
            DataKind::Arena => "arena data",
            DataKind::Percpu => "data of each CPU",
            _ => "variables",
        }),
    })
}
