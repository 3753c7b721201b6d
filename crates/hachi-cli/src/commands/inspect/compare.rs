//! What differs between two objects.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use hachi_asm::{Insn, Op, disasm};
use hachi_btf::ext::CoreReloKind;
use hachi_btf::{Types as _, core};
use hachi_obj::inspect::SpecNames;
use hachi_obj::{Code, ProgramSpec};
use serde_json::{Value, json};
use similar::{Algorithm, ChangeTag, DiffOp};

use super::{Report, Summarised, declaration, extern_kind, helper_name, map_notes, structs, title};
use crate::failure::Result;
use crate::output::{self, BAD, DIM, GOOD, Output, Styled, Text, WARN, bold, path_text, say};
use crate::value;

/// How long two programs' instructions are compared before a longer list of differences will do.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many instructions are shown around those that differ.
const AROUND: usize = 3;

/// What is said of programs whose instructions differ.
#[derive(Debug, Clone, Copy)]
pub enum Detail {
    /// How many do.
    Counts,
    /// Which do.
    Code,
}

/// All that differs.
pub struct Differences {
    old: String,
    new: String,
    object: Vec<Change>,
    /// By what they are parts of: programs, maps and so on.
    groups: Vec<Group>,
}

/// Parts of one kind that differ.
struct Group {
    key: &'static str,
    title: &'static str,
    parts: Vec<Part>,
}

/// A program, map or the like that is not the same in both.
struct Part {
    name: String,
    state: State,
}

enum State {
    Added(String),
    Removed(String),
    Changed(Vec<Change>),
}

/// One property that differs.
enum Change {
    Value {
        what: &'static str,
        old: Value,
        new: Value,
    },
    Set {
        what: &'static str,
        added: Vec<String>,
        removed: Vec<String>,
    },
    Code(Instructions),
}

/// The instructions of a program in both objects.
struct Instructions {
    old: Vec<Line>,
    new: Vec<Line>,
    ops: Vec<DiffOp>,
}

/// An instruction. Its slots are what the kernel counts: a wide one has two.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Line {
    text: String,
    slots: usize,
}

fn slots(lines: &[Line]) -> usize {
    lines.iter().map(|line| line.slots).sum()
}

/// Properties of a part, in the order in which they are shown.
#[derive(Default)]
struct Described {
    /// What is said of a part that is in one object only.
    about: String,
    values: Vec<(&'static str, Value)>,
    sets: Vec<(&'static str, BTreeSet<String>)>,
    code: Option<Vec<Line>>,
}

impl Differences {
    pub fn between(old: &Report, new: &Report) -> Differences {
        let group = |key, title, of: fn(&Report) -> BTreeMap<String, Described>| Group {
            key,
            title,
            parts: parts(of(old), of(new)),
        };
        Differences {
            old: path_text(&old.object.path),
            new: path_text(&new.object.path),
            object: changes(object(old), object(new)),
            groups: vec![
                group("programs", "Programs", programs),
                group("maps", "Maps", maps),
                group("globals", "Globals", globals),
                group("struct_ops", "Structs for the kernel", struct_ops),
                group("externs", "From the kernel", externs),
            ],
        }
    }

    fn is_empty(&self) -> bool {
        self.object.is_empty() && self.groups.iter().all(|group| group.parts.is_empty())
    }

    pub fn json(&self) -> Value {
        let mut document = json!({
            "same": self.is_empty(),
            "object": self.object.iter().map(Change::json).collect::<Vec<_>>(),
        });
        for group in &self.groups {
            document[group.key] = group.parts.iter().map(Part::json).collect();
        }
        document
    }

    pub fn show(&self, detail: Detail, out: &mut Output) -> Result {
        say!(out, bold(&self.old), " → ", bold(&self.new))?;
        if self.is_empty() {
            return say!(out, "  nothing differs that `hachi inspect` shows");
        }
        for change in &self.object {
            change.show("  ", detail, out)?;
        }
        for group in self.groups.iter().filter(|group| !group.parts.is_empty()) {
            title(group.title, out)?;
            for part in &group.parts {
                part.show(detail, out)?;
            }
        }
        Ok(())
    }
}

impl Part {
    fn json(&self) -> Value {
        let (state, changes) = match &self.state {
            State::Added(_) => ("added", &[][..]),
            State::Removed(_) => ("removed", &[][..]),
            State::Changed(changes) => ("changed", changes.as_slice()),
        };
        json!({
            "name": self.name,
            "state": state,
            "changes": changes.iter().map(Change::json).collect::<Vec<_>>(),
        })
    }

    fn show(&self, detail: Detail, out: &mut Output) -> Result {
        let (sign, about, changes) = match &self.state {
            State::Added(about) => (Styled(GOOD, "+"), about.as_str(), &[][..]),
            State::Removed(about) => (Styled(BAD, "-"), about.as_str(), &[][..]),
            State::Changed(changes) => (Styled(WARN, "~"), "", changes.as_slice()),
        };
        let about = match about {
            "" => String::new(),
            about => format!(": {about}"),
        };
        say!(out, "  ", sign, " ", bold(&self.name), about)?;
        for change in changes {
            change.show("      ", detail, out)?;
        }
        Ok(())
    }
}

impl Change {
    fn json(&self) -> Value {
        match self {
            Change::Value { what, old, new } => json!({ "what": what, "old": old, "new": new }),
            Change::Set {
                what,
                added,
                removed,
            } => json!({ "what": what, "added": added, "removed": removed }),
            Change::Code(code) => {
                let (added, removed) = code.count();
                json!({
                    "what": "instructions",
                    "old": slots(&code.old),
                    "new": slots(&code.new),
                    "added": added,
                    "removed": removed,
                })
            }
        }
    }

    fn show(&self, margin: &str, detail: Detail, out: &mut Output) -> Result {
        match self {
            Change::Value { what, old, new } => {
                let text = format!("{}: {} → {}", words(what), text(old), text(new));
                say!(out, margin, text)
            }
            Change::Set {
                what,
                added,
                removed,
            } => {
                say!(out, margin, words(what), ":")?;
                for (sign, names) in [(Styled(BAD, "-"), removed), (Styled(GOOD, "+"), added)] {
                    for name in names {
                        say!(out, margin, "  ", sign, " ", name)?;
                    }
                }
                Ok(())
            }
            Change::Code(code) => {
                let (added, removed) = code.count();
                let (old, new) = (slots(&code.old), slots(&code.new));
                let text = format!("instructions: {old} → {new} (+{added} −{removed})");
                say!(out, margin, text)?;
                match detail {
                    Detail::Code => code.show(margin, out),
                    Detail::Counts => Ok(()),
                }
            }
        }
    }
}

impl Instructions {
    /// `None` if they are the same.
    fn between(old: Vec<Line>, new: Vec<Line>) -> Option<Instructions> {
        if old == new {
            return None;
        }
        let ops = similar::capture_diff_slices_deadline(
            Algorithm::Myers,
            &old,
            &new,
            Some(Instant::now() + PATIENCE),
        );
        Some(Instructions { old, new, ops })
    }

    /// How many are in the new one only, and how many in the old one only.
    fn count(&self) -> (usize, usize) {
        let added = |op: &DiffOp| match op {
            DiffOp::Equal { .. } => 0,
            op => slots(&self.new[op.new_range()]),
        };
        let removed = |op: &DiffOp| match op {
            DiffOp::Equal { .. } => 0,
            op => slots(&self.old[op.old_range()]),
        };
        let ops = &self.ops;
        (ops.iter().map(added).sum(), ops.iter().map(removed).sum())
    }

    fn show(&self, margin: &str, out: &mut Output) -> Result {
        for (at, hunk) in similar::group_diff_ops(self.ops.clone(), AROUND)
            .iter()
            .enumerate()
        {
            if at > 0 {
                say!(out, margin, "  …")?;
            }
            for change in hunk
                .iter()
                .flat_map(|op| op.iter_changes(&self.old, &self.new))
            {
                let (style, sign) = match change.tag() {
                    ChangeTag::Delete => (BAD, "-"),
                    ChangeTag::Insert => (GOOD, "+"),
                    ChangeTag::Equal => (DIM, " "),
                };
                let line =
                    Text::default().and_in(style, format_args!("{sign} {}", change.value().text));
                say!(out, margin, "  ", line)?;
            }
        }
        Ok(())
    }
}

/// A key of the document as people read it.
fn words(key: &str) -> String {
    match key {
        "core_questions" => "CO-RE questions".to_owned(),
        key => key.replace('_', " "),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.as_u64().map_or(number.to_string(), output::grouped),
        Value::String(text) if text.is_empty() => "none".to_owned(),
        Value::String(text) => super::shortened(text),
        other => other.to_string(),
    }
}

fn parts(mut old: BTreeMap<String, Described>, mut new: BTreeMap<String, Described>) -> Vec<Part> {
    let names: BTreeSet<String> = old.keys().chain(new.keys()).cloned().collect();
    let part = |name: String| {
        let state = match (old.remove(&name), new.remove(&name)) {
            (Some(old), None) => State::Removed(old.about),
            (None, Some(new)) => State::Added(new.about),
            (old, new) => {
                let changes = changes(old.unwrap_or_default(), new.unwrap_or_default());
                match changes.is_empty() {
                    true => return None,
                    false => State::Changed(changes),
                }
            }
        };
        Some(Part { name, state })
    };
    names.into_iter().filter_map(part).collect()
}

fn changes(old: Described, new: Described) -> Vec<Change> {
    let mut changes = Vec::new();
    for ((what, old), (_, new)) in old.values.into_iter().zip(new.values) {
        if old != new {
            changes.push(Change::Value { what, old, new });
        }
    }
    if let (Some(old), Some(new)) = (old.code, new.code) {
        changes.extend(Instructions::between(old, new).map(Change::Code));
    }
    for ((what, old), (_, new)) in old.sets.into_iter().zip(new.sets) {
        if old != new {
            changes.push(Change::Set {
                what,
                added: new.difference(&old).cloned().collect(),
                removed: old.difference(&new).cloned().collect(),
            });
        }
    }
    changes
}

/// What is true of the object as a whole.
fn object(report: &Report) -> Described {
    let spec = report.spec();
    let (major, minor) = hachi_obj::inspect::minimum_kernel(spec);
    let needs = report.needs.iter().map(|need| {
        let (major, minor) = need.kernel;
        format!("{major}.{minor} for {}", need.need)
    });
    Described {
        values: vec![
            ("license", json!(spec.license)),
            ("endian", json!(format!("{:?}", spec.endian).to_lowercase())),
            ("arch", json!(spec.arch)),
            ("minimum_kernel", json!(format!("{major}.{minor}"))),
        ],
        sets: vec![
            ("requirements", needs.collect()),
            ("undefined", spec.undefined.iter().cloned().collect()),
        ],
        ..Described::default()
    }
}

fn programs(report: &Report) -> BTreeMap<String, Described> {
    let programs = report.spec().programs.iter().zip(&report.programs);
    programs
        .map(|(program, summary)| (program.name.clone(), one_program(report, program, summary)))
        .collect()
}

fn one_program(report: &Report, program: &ProgramSpec, summary: &Summarised) -> Described {
    let mut described = Described {
        about: format!(
            "{} (section {})",
            program.program_type.name(),
            program.section
        ),
        values: vec![
            ("section", json!(program.section)),
            ("type", json!(program.program_type.name())),
            (
                "attach_type",
                json!(program.attach_type.map(|attach| attach.name())),
            ),
            ("attach_target", json!(program.attach_target)),
            ("sleepable", json!(program.sleepable)),
            ("multi_buffer", json!(program.frags)),
            ("loaded_with_the_object", json!(program.autoload)),
            ("stack", Value::Null),
            ("problem", Value::Null),
        ],
        ..Described::default()
    };
    let both = summary.as_ref().map_err(ToString::to_string);
    let both = both.and_then(|summary| match program.code() {
        Ok(code) => Ok((summary, code)),
        Err(error) => Err(error.to_string()),
    });
    let (summary, code) = match both {
        Ok(both) => both,
        Err(problem) => {
            described.set("problem", json!(problem));
            described.code = Some(Vec::new());
            described.sets = ["functions", "helpers", "core_questions"]
                .map(|what| (what, BTreeSet::new()))
                .to_vec();
            return described;
        }
    };
    described.set("stack", json!(summary.stack.deepest));
    let count = output::count(summary.instructions, "instruction");
    described.about += &format!(", {count}");
    let functions = summary.functions.iter().skip(1);
    described.sets = vec![
        ("functions", functions.map(|f| f.name.clone()).collect()),
        (
            "helpers",
            summary.helpers.iter().map(helper_calls).collect(),
        ),
        ("core_questions", questions(&code)),
    ];
    described.code = Some(instructions(report, &code));
    described
}

impl Described {
    fn set(&mut self, what: &str, value: Value) {
        for (_, slot) in self.values.iter_mut().filter(|(name, _)| *name == what) {
            *slot = value.clone();
        }
    }
}

fn helper_calls(used: &hachi_obj::inspect::HelperUse) -> String {
    match used.calls {
        1 => helper_name(used),
        calls => format!("{} ×{calls}", helper_name(used)),
    }
}

/// What the program asks of the kernel's types, each question once.
fn questions(code: &Code) -> BTreeSet<String> {
    let Some(btf) = &code.btf else {
        return BTreeSet::new();
    };
    let types = btf.types();
    let questions = code.core_relos().map(|relo| match relo {
        Ok(relo) => {
            let kind = question(relo.kind);
            match core::subject(&types, relo) {
                Ok(subject) => format!("{kind} {subject}"),
                Err(error) => error.to_string(),
            }
        }
        Err(error) => error.to_string(),
    });
    questions.collect()
}

fn question(kind: CoreReloKind) -> &'static str {
    match kind {
        CoreReloKind::FieldByteOffset => "offset of",
        CoreReloKind::FieldByteSize | CoreReloKind::TypeSize => "size of",
        CoreReloKind::FieldExists | CoreReloKind::TypeExists | CoreReloKind::EnumValExists => {
            "existence of"
        }
        CoreReloKind::FieldSigned => "sign of",
        CoreReloKind::FieldLshiftU64 | CoreReloKind::FieldRshiftU64 => "bits of",
        CoreReloKind::TypeIdLocal | CoreReloKind::TypeIdTarget => "id of",
        CoreReloKind::EnumValValue => "value of",
        CoreReloKind::TypeMatches => "shape of",
        _ => "question about",
    }
}

/// One line for each instruction. Jumps are without their distance, which changes with whatever is
/// between.
fn instructions(report: &Report, code: &Code) -> Vec<Line> {
    let names = SpecNames::new(report.spec(), code);
    let mut lines = Vec::new();
    let mut at = 0;
    while at < code.insns.len() {
        let (text, slots) = disasm::line(&code.insns, at, &names);
        let before = text.rsplit_once("goto ").map(|(before, _)| before);
        let text = match before.filter(|_| leads_elsewhere(&code.insns, at)) {
            Some(before) => format!("{before}goto …"),
            None => text,
        };
        lines.push(Line { text, slots });
        at += slots.max(1);
    }
    lines
}

fn leads_elsewhere(insns: &[Insn], at: usize) -> bool {
    matches!(
        Op::decode(insns, at),
        Ok(Op::Ja { .. } | Op::Jump { .. } | Op::MayGoto { .. })
    )
}

fn map_about(map: &hachi_obj::MapSpec) -> String {
    let (kind, entries) = (map.kind.name(), map.max_entries as usize);
    match (map.key_size, map.value_size) {
        (0, 0) => format!("{kind}, {}", output::count(entries, "byte")),
        (key, value) => {
            let elements = output::count(entries, "element");
            format!("{kind}, {elements} of {key} and {value} bytes")
        }
    }
}

fn maps(report: &Report) -> BTreeMap<String, Described> {
    let btf = report.types();
    let typed = |id: u32| match (&btf, id) {
        (Some(btf), 1..) => json!(btf.type_name(id)),
        _ => Value::Null,
    };
    let one = |map: &hachi_obj::MapSpec| Described {
        about: map_about(map),
        values: vec![
            ("type", json!(map.kind.name())),
            ("key_size", json!(map.key_size)),
            ("value_size", json!(map.value_size)),
            ("key_type", typed(map.btf_key_type_id)),
            ("value_type", typed(map.btf_value_type_id)),
            ("max_entries", json!(map.max_entries)),
            ("notes", json!(map_notes(map))),
        ],
        ..Described::default()
    };
    // The sections of globals are shown as globals.
    let maps = report.spec().maps.iter().filter(|map| map.data.is_none());
    maps.map(|map| (map.name.clone(), one(map))).collect()
}

fn globals(report: &Report) -> BTreeMap<String, Described> {
    let (spec, btf) = (report.spec(), report.types());
    let one = |global: &hachi_obj::GlobalVar| {
        let kind = match &btf {
            Some(btf) if global.type_id != 0 => btf.type_name(global.type_id),
            _ => format!("{} bytes", global.size),
        };
        let initial = match spec.global_bytes(&global.name) {
            Ok(Some(bytes)) => value::to_text(btf.as_ref(), global.type_id, bytes),
            _ => "zero".to_owned(),
        };
        Described {
            about: format!("{kind} in {}", global.map),
            values: vec![
                ("type", json!(kind)),
                ("size", json!(global.size)),
                ("section", json!(global.map)),
                ("value", json!(initial)),
            ],
            ..Described::default()
        }
    };
    let globals = spec.globals.iter();
    globals
        .map(|global| (global.name.clone(), one(global)))
        .collect()
}

fn struct_ops(report: &Report) -> BTreeMap<String, Described> {
    let all = structs::json(report.spec(), report.types().as_ref());
    let one = |ops: Value| {
        let members = ops["members"].as_array().cloned().unwrap_or_default();
        let members = members.iter().map(|member| {
            let value = match &member["program"] {
                Value::Null => member["value"].to_string(),
                program => text(program),
            };
            format!("{} = {value}", text(&member["name"]))
        });
        let described = Described {
            about: format!("struct {}", text(&ops["type"])),
            values: vec![
                ("type", ops["type"].clone()),
                ("link", ops["link"].clone()),
                ("loaded_with_the_object", ops["autoload"].clone()),
            ],
            sets: vec![("members", members.collect())],
            code: None,
        };
        (text(&ops["name"]), described)
    };
    all.into_iter().map(one).collect()
}

fn externs(report: &Report) -> BTreeMap<String, Described> {
    let btf = report.types();
    let one = |extern_: &hachi_obj::Extern| {
        let kind = extern_kind(extern_.kind);
        Described {
            about: kind.to_owned(),
            values: vec![
                ("kind", json!(kind)),
                ("declaration", json!(declaration(btf.as_ref(), extern_))),
                ("optional", json!(extern_.weak)),
            ],
            ..Described::default()
        }
    };
    let externs = report.spec().externs.iter();
    externs
        .map(|extern_| (extern_.name.clone(), one(extern_)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn report(path: &str) -> Report {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        Report::new(crate::object::open(&root.join(path)).unwrap())
    }

    /// The object, changed.
    fn changed(path: &str, change: impl FnOnce(&mut hachi_obj::Spec)) -> Report {
        let mut object = report(path).object;
        change(&mut object.spec);
        Report::new(object)
    }

    fn named<'v>(parts: &'v Value, name: &str) -> &'v Value {
        let mut parts = parts.as_array().unwrap().iter();
        parts.find(|part| part["name"] == name).unwrap()
    }

    #[test]
    fn an_object_does_not_differ_from_itself() {
        for path in [
            "tests/objects/watcher.o",
            "../hachi-obj/tests/data/struct_ops.bpfel.o",
        ] {
            let document = Differences::between(&report(path), &report(path)).json();
            assert_eq!(document["same"], true, "{document:#}");
            let groups = document.as_object().unwrap();
            let is_empty = |value: &Value| value.as_array().is_none_or(Vec::is_empty);
            assert!(groups.values().all(is_empty), "{document:#}");
        }
    }

    #[test]
    fn compares_maps_globals_and_the_licence() {
        let new = changed("tests/objects/watcher.o", |spec| {
            spec.license = "MIT".to_owned();
            let mut maps = spec.maps.iter_mut();
            maps.find(|map| map.name == "LENGTHS").unwrap().max_entries = 32;
            spec.maps.retain(|map| map.name != "SEEN");
            spec.set_global("TALKATIVE", &[1]).unwrap();
        });
        let document = Differences::between(&report("tests/objects/watcher.o"), &new).json();
        assert_eq!(document["same"], false);
        assert_eq!(
            document["object"][0],
            json!({ "what": "license", "old": "GPL", "new": "MIT" })
        );
        assert_eq!(document["maps"].as_array().unwrap().len(), 2);
        assert_eq!(
            named(&document["maps"], "LENGTHS")["changes"],
            json!([{ "what": "max_entries", "old": 16, "new": 32 }])
        );
        assert_eq!(named(&document["maps"], "SEEN")["state"], "removed");
        assert_eq!(
            named(&document["globals"], "TALKATIVE")["changes"],
            json!([{ "what": "value", "old": "0", "new": "1" }])
        );
        assert_eq!(document["programs"], json!([]));
    }

    #[test]
    fn compares_instructions_helpers_and_questions() {
        let path = "../hachi-obj/tests/data/core.bpfel.o";
        let old = report(path);
        let name = old.spec().programs[0].name.clone();
        let asked = questions(&old.spec().programs[0].code().unwrap());
        assert!(
            asked
                .iter()
                .any(|question| question.starts_with("offset of ")),
            "{asked:?}"
        );
        let new = changed(path, |spec| {
            let code = spec.programs[0].code_mut().unwrap();
            // `call bpf_ktime_get_ns` after all else.
            code.insns.push(Insn {
                code: 0x85,
                dst: 0,
                src: 0,
                off: 0,
                imm: 5,
            });
        });
        let document = Differences::between(&old, &new).json();
        let changes = &named(&document["programs"], &name)["changes"];
        let change = |what: &str| {
            let mut changes = changes.as_array().unwrap().iter();
            changes
                .find(|change| change["what"] == what)
                .unwrap()
                .clone()
        };
        let length = old.programs[0].as_ref().unwrap().instructions;
        let code = change("instructions");
        assert_eq!((&code["added"], &code["removed"]), (&json!(1), &json!(0)));
        assert_eq!(code["old"], length);
        assert_eq!(change("helpers")["added"], json!(["bpf_ktime_get_ns"]));
        assert_eq!(changes.as_array().unwrap().len(), 2, "{changes:#}");
        let new = changed(path, |spec| {
            spec.programs[0].code_mut().unwrap().core_relos.clear();
        });
        let document = Differences::between(&old, &new).json();
        let changes = &named(&document["programs"], &name)["changes"];
        let mut sets = changes.as_array().unwrap().iter();
        let set = sets.find(|change| change["what"] == "core_questions");
        assert_eq!(set.unwrap()["removed"], json!(asked));
    }

    #[test]
    fn a_jump_over_one_instruction_more_is_the_same_jump() {
        let old = report("tests/objects/watcher.o");
        let code = old.spec().programs[0].code().unwrap().into_owned();
        let lines = instructions(&old, &code);
        assert!(
            lines.iter().any(|line| line.text == "if r0 == 0x0 goto …"),
            "{lines:?}"
        );
        let mut longer = lines.clone();
        longer.insert(
            3,
            Line {
                text: "r9 = 1".to_owned(),
                slots: 1,
            },
        );
        let found = Instructions::between(lines, longer).unwrap();
        assert_eq!(found.count(), (1, 0));
    }
}
