//! Puts log, line information and rule together.

use std::collections::HashMap;

use crate::log::{Event, Log, Stats};
use crate::rules::{self, Captures, Place, Rule};
use crate::state::Register;
use crate::trace::Trace;
use crate::{Input, Line};

/// A place in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// File, as the compiler named it (or its bare name, when only the log was there to read).
    pub file: String,
    /// Line, from 1; 0 when the log only gave the text.
    pub line: u32,
    /// Column, from 1; 0 when unknown.
    pub column: u32,
    /// The line's text, with its indentation when line information was given.
    pub text: String,
}

/// A further station of the value concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What happened there.
    pub text: String,
    /// Where.
    pub location: Option<Location>,
    /// At which instruction.
    pub insn: Option<usize>,
}

/// Why a program was rejected. `Display` prints it in the style of a compiler's error, without
/// colour; [`render`](Explanation::render) can colour it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The program's name.
    pub program: String,
    /// Stable name of the rule that applied ("packet-bounds"), or "unknown".
    pub rule: &'static str,
    /// What happened, in one sentence without a full stop.
    pub title: String,
    /// The verifier's own last words.
    pub kernel: Vec<String>,
    /// Where, in the user's code.
    pub location: Option<Location>,
    /// Where exactly, when that is inside a library that was inlined there.
    pub inlined: Option<Location>,
    /// Index of the instruction.
    pub insn: Option<usize>,
    /// Its text.
    pub insn_text: Option<String>,
    /// What the verifier knew about the value concerned: "r1 is a pointer to …".
    pub known: Option<String>,
    /// Why that is not enough. May be empty.
    pub why: String,
    /// Where the value came from, nearest first.
    pub notes: Vec<Note>,
    /// What to change, most likely first.
    pub help: Vec<String>,
    /// The verifier's statistics, when the log has them.
    pub stats: Option<Stats>,
}

/// Explains a rejection. Never fails: what no rule knows is passed on in the kernel's words, with
/// the place and the values all the same.
pub fn explain(input: &Input<'_>) -> Explanation {
    let log = Log::parse(input.log);
    let trace = Trace::new(&log);
    let places = Places::new(input.lines, &log);
    let messages = log.final_messages();

    let Some((rule, captures, _)) = rules::find(&messages) else {
        return unknown(input, &log, &trace, &places, &messages);
    };
    Builder {
        input,
        trace: &trace,
        places: &places,
        rule,
        captures,
    }
    .build(&log, &messages)
}

struct Builder<'a> {
    input: &'a Input<'a>,
    trace: &'a Trace<'a>,
    places: &'a Places<'a>,
    rule: &'static Rule,
    captures: Captures,
}

impl Builder<'_> {
    fn build(mut self, log: &Log, messages: &[&str]) -> Explanation {
        let rule = self.rule;
        let insn = match rule.place {
            Place::Last => self.trace.last().map(|at| self.trace.steps[at].insn),
            Place::Hole(name) => self
                .captures
                .get(name)
                .and_then(|number| number.parse().ok()),
            Place::Program => None,
        };
        let step = insn.and_then(|insn| self.trace.find(insn));

        let register = rule
            .register
            .or_else(|| {
                self.captures
                    .get("reg")
                    .and_then(|number| number.parse().ok())
            })
            .map(Register::Reg);
        let mut known = None;
        let mut notes = Vec::new();
        if let (Some(at), Some(register)) = (step, register) {
            if let Some(value) = self.trace.value_before(at, register) {
                let mut value = value.clone();
                // A comparison elsewhere may have proven more since the register was last printed.
                if let Some(range) = self.captures.get("n_range") {
                    value.set("r", range);
                }
                known = Some(format!("{register} is {}", value.describe()));
                if let Some(map) = value.map() {
                    self.captures.set("map", map);
                }
            }
            notes = self.origins(at, register);
        }
        if self.captures.get("helper").is_none() {
            let helper = step
                .and_then(|at| self.trace.called(at))
                .unwrap_or("this helper");
            self.captures.set("helper", helper);
        }
        self.captures.set(
            "programs",
            match self.input.kind {
                "" => "programs of this type".to_string(),
                kind => format!("{kind} programs"),
            },
        );
        let missing = self
            .input
            .missing
            .iter()
            .find(|missing| Some(missing.insn) == insn);
        self.captures.set(
            "missing",
            missing.map_or(
                "a field or type that this kernel does not have is used",
                |missing| missing.what,
            ),
        );
        let number = |name| -> Option<i64> { self.captures.get(name)?.parse().ok() };
        let (offset, size, len) = (number("n_off"), number("n_size"), number("n_len"));
        if let Some(size) = size {
            self.captures.set("size", bytes(size));
        }
        if let Some(len) = len {
            self.captures.set("len", bytes(len));
        }
        if let (Some(offset), Some(size)) = (offset, size) {
            self.captures
                .set("need", bytes(offset.saturating_add(size)));
        }
        let (mut location, mut inlined) = self.places.user(self.trace, step, insn);
        if rule.id == "too-many-instructions" {
            // Where the verifier happened to stop means little; where it spent its time is what to
            // change.
            notes = self.places.hottest(self.trace);
            if let Some(hottest) = notes.first().and_then(|note| note.location.clone()) {
                location = Some(hottest);
                inlined = None;
            }
        }

        Explanation {
            program: self.input.program.to_string(),
            rule: rule.id,
            title: rules::fill(rule.title, &self.captures),
            kernel: messages.iter().map(|message| message.to_string()).collect(),
            location,
            inlined,
            insn,
            insn_text: step.map(|at| self.trace.steps[at].text.to_string()),
            known,
            why: rules::fill_all(rule.why, &self.captures).unwrap_or_default(),
            notes,
            help: rule.help.iter().map(|help| help.to_string()).collect(),
            stats: log.stats,
        }
    }

    /// At most three stations, each on a line of its own.
    fn origins(&self, at: usize, register: Register) -> Vec<Note> {
        let mut notes: Vec<Note> = Vec::new();
        for origin in self.trace.origins(at, register, self.input.kind) {
            let (location, _) =
                self.places
                    .user(self.trace, self.trace.find(origin.insn), Some(origin.insn));
            let note = Note {
                text: origin.what,
                location,
                insn: Some(origin.insn),
            };
            // Several steps of one expression tell the reader one thing.
            if notes
                .last()
                .is_none_or(|last| last.text != note.text || last.location != note.location)
            {
                notes.push(note);
            }
        }
        // The nearest two and the source.
        if notes.len() > 3 {
            let source = notes.pop();
            notes.truncate(2);
            notes.extend(source);
        }
        notes
    }
}

/// No rule applies.
fn unknown(
    input: &Input<'_>,
    log: &Log,
    trace: &Trace<'_>,
    places: &Places<'_>,
    messages: &[&str],
) -> Explanation {
    let insn = log.last_insn();
    let step = insn.and_then(|insn| trace.find(insn));
    let (location, inlined) = match messages.is_empty() {
        true => (None, None),
        false => places.user(trace, step, insn),
    };
    let (rule, title, why, help) = match messages.is_empty() {
        true => by_errno(input.errno),
        false => ("unknown", messages[0].to_string(), "", Vec::new()),
    };
    Explanation {
        program: input.program.to_string(),
        rule,
        title,
        kernel: messages.iter().map(|message| message.to_string()).collect(),
        location,
        inlined,
        insn: if messages.is_empty() { None } else { insn },
        insn_text: step
            .filter(|_| !messages.is_empty())
            .map(|at| trace.steps[at].text.to_string()),
        known: None,
        why: why.to_string(),
        notes: Vec::new(),
        help: help.into_iter().map(str::to_string).collect(),
        stats: log.stats,
    }
}

/// `1 byte`, `8 bytes`.
fn bytes(count: i64) -> String {
    match count {
        1 => "1 byte".to_string(),
        _ => format!("{count} bytes"),
    }
}

type ByErrno = (&'static str, String, &'static str, Vec<&'static str>);

/// A rejection without a word from the verifier.
fn by_errno(errno: Option<i32>) -> ByErrno {
    match errno {
        Some(1) => (
            "not-permitted",
            "the kernel does not permit this load (EPERM)".to_string(),
            "the verifier was not asked: the right to load is missing, or a security module or lockdown forbids this program type",
            vec![
                "run as root, or give the program CAP_BPF with CAP_NET_ADMIN (networking) or CAP_PERFMON (tracing)",
                "`hachi doctor` tells what this machine allows",
            ],
        ),
        Some(7) => (
            "program-too-long",
            "the program has too many instructions (E2BIG)".to_string(),
            "the limit is 1,000,000 for privileged programs (4,096 before Linux 5.2 and for others)",
            vec!["split it with tail calls, or load it with CAP_BPF"],
        ),
        Some(12) => (
            "no-memory",
            "the kernel has no memory for the program (ENOMEM)".to_string(),
            "before Linux 5.11 this also means that RLIMIT_MEMLOCK is too low",
            vec!["raise the limit: `ulimit -l unlimited`"],
        ),
        Some(22) => (
            "invalid-argument",
            "the kernel does not accept the program's description (EINVAL)".to_string(),
            "the verifier was not asked: program type, attach type, flags or licence text are not as this kernel wants them",
            vec![
                "the program type may be newer than the running kernel: `hachi inspect OBJECT` prints the oldest one it needs",
            ],
        ),
        Some(28) => (
            "log-too-small",
            "the verifier's log did not fit the buffer (ENOSPC)".to_string(),
            "",
            vec!["load again with a larger log buffer"],
        ),
        _ => (
            "unknown",
            "the kernel rejected the program without giving a reason".to_string(),
            "",
            vec!["load it with a verifier log: `hachi check -v OBJECT`"],
        ),
    }
}

/// From instructions to source lines.
struct Places<'a> {
    lines: &'a [Line<'a>],
    /// The log's own annotations, for when there is no line information.
    annotated: HashMap<usize, Location>,
}

impl<'a> Places<'a> {
    fn new(lines: &'a [Line<'a>], log: &Log) -> Places<'a> {
        let mut annotated = HashMap::new();
        if lines.is_empty() {
            let mut current: Option<Location> = None;
            for event in &log.events {
                match event {
                    Event::Source { text, file, line } => {
                        current = Some(Location {
                            file: file.clone().unwrap_or_default(),
                            line: line.unwrap_or(0),
                            column: 0,
                            text: text.clone(),
                        });
                    }
                    Event::Insn { insn, .. } => {
                        if let Some(location) = &current {
                            annotated.entry(*insn).or_insert_with(|| location.clone());
                        }
                    }
                    _ => {}
                }
            }
        }
        Places { lines, annotated }
    }

    fn of(&self, insn: usize) -> Option<Location> {
        if self.lines.is_empty() {
            return self.annotated.get(&insn).cloned();
        }
        let after = self.lines.partition_point(|line| line.insn <= insn);
        let line = self.lines.get(after.checked_sub(1)?)?;
        Some(Location {
            file: line.file.to_string(),
            line: line.line,
            column: line.column,
            text: line.text.to_string(),
        })
    }

    /// The place of `insn` in the user's own code, and the exact place when that is in a library.
    ///
    /// Line information names only the innermost of functions that were inlined into each other.
    /// When that is a library's, the instruction nearest to this one that the user wrote tells
    /// where they are: before it on its path, or behind it in the program.
    fn user(
        &self,
        trace: &Trace<'_>,
        step: Option<usize>,
        insn: Option<usize>,
    ) -> (Option<Location>, Option<Location>) {
        let Some(insn) = insn else {
            return (None, None);
        };
        let Some(exact) = self.of(insn) else {
            return (None, None);
        };
        if !is_library(&exact.file) && self.is_statement(&exact) {
            return (Some(exact), None);
        }
        let is_users =
            |location: &Location| !is_library(&location.file) && self.is_statement(location);
        let before = step.and_then(|at| {
            let path = trace.path(at).filter_map(|insn| self.of(insn));
            path.enumerate().find(|(_, location)| is_users(location))
        });
        let behind = (1..=NEAR)
            .filter_map(|distance| Some((distance, self.of(insn + distance)?)))
            .find(|(_, location)| is_users(location));
        let own = match (before, behind) {
            (Some((far, before)), Some((near, behind))) => {
                Some(if near < far { behind } else { before })
            }
            (Some((_, found)), None) | (None, Some((_, found))) => Some(found),
            (None, None) => None,
        };
        match own {
            Some(own) if is_library(&exact.file) => (Some(own), Some(exact)),
            Some(own) => (Some(own), None),
            None => (Some(exact), None),
        }
    }

    /// Code of no column belongs to a macro or to the function as a whole. The log's own
    /// annotations have no columns.
    fn is_statement(&self, location: &Location) -> bool {
        location.column > 0 || self.lines.is_empty()
    }

    /// The source lines the verifier walked most often, with their counts.
    fn hottest(&self, trace: &Trace<'_>) -> Vec<Note> {
        let mut counts: HashMap<(String, u32), (usize, Location)> = HashMap::new();
        for step in &trace.steps {
            if let Some(location) = self.of(step.insn)
                && location.line != 0
                && !is_library(&location.file)
                && self.is_statement(&location)
            {
                counts
                    .entry((location.file.clone(), location.line))
                    .or_insert((0, location))
                    .0 += 1;
            }
        }
        let mut counts: Vec<(usize, Location)> = counts.into_values().collect();
        counts.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.line.cmp(&b.1.line)));
        let total = trace.steps.len().max(1);
        counts
            .into_iter()
            .take(3)
            .map(|(count, location)| Note {
                text: format!("{} % of the logged walk is here", count * 100 / total),
                location: Some(location),
                insn: None,
            })
            .collect()
    }
}

/// How many instructions behind one are still near it.
const NEAR: usize = 64;

/// Whether a file belongs to `core`, a registry crate or Hachi rather than to the user. Knows
/// absolute names, and those that Hachi's linker shortens (`core/src/ptr/mod.rs`,
/// `network-types-0.1.0/src/ip.rs`).
fn is_library(file: &str) -> bool {
    const ANYWHERE: &[&str] = &[
        "/rustc/",
        "/library/core/",
        "/library/alloc/",
        "/rustlib/src/",
        "/registry/src/",
        "hachi-ebpf/src/",
        "hachi-common/src/",
    ];
    const FIRST: &[&str] = &["core/src/", "alloc/src/", "compiler-builtins/src/"];
    let in_package_with_version = || {
        let directory = file.split('/').next().unwrap_or_default();
        let version = directory
            .rsplit_once('-')
            .map_or("", |(_, version)| version);
        version.contains('.') && version.starts_with(|c: char| c.is_ascii_digit())
    };
    ANYWHERE.iter().any(|part| file.contains(part))
        || FIRST.iter().any(|start| file.starts_with(start))
        || in_package_with_version()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn library_files() {
        for file in [
            "/rustc/0123abcd/library/core/src/num/mod.rs",
            "core/src/ptr/mod.rs",
            "network-types-0.1.0/src/ip.rs",
            "/home/me/.cargo/registry/src/index/network-types-0.1.0/src/ip.rs",
            "hachi-ebpf/src/packet.rs",
            "/src/hachi/ebpf/hachi-ebpf/src/packet.rs",
        ] {
            assert!(is_library(file), "{file}");
        }
        for file in [
            "src/main.rs",
            "fw-common/src/lib.rs",
            "my-core/src/lib.rs",
            "",
            "one.rs",
            "v2-beta/src/a.rs",
        ] {
            assert!(!is_library(file), "{file}");
        }
    }

    fn lines() -> Vec<Line<'static>> {
        let line = |insn, file, line, text| Line {
            insn,
            file,
            line,
            column: if line == 1 { 0 } else { 5 },
            text,
        };
        vec![
            line(0, "src/main.rs", 1, "#[xdp]"),
            line(1, "core/src/ptr/mod.rs", 500, ""),
            line(2, "src/main.rs", 9, "    let first = read(start);"),
        ]
    }

    #[test]
    fn a_place_in_a_library_leads_to_the_nearest_of_the_users() {
        let log = "0: R1=ctx() R10=fp0\n0: (61) r1 = *(u32 *)(r1 +0)  ; R1_w=pkt(r=0)\n1: (71) r0 = *(u8 *)(r1 +0)\ninvalid access to packet, off=0 size=1, R1(id=0,off=0,r=0)\n";
        let lines = lines();
        let found = explain(&Input {
            lines: &lines,
            ..Input::new("p", log)
        });
        assert_eq!(found.location.unwrap().line, 9);
        assert_eq!(found.inlined.unwrap().line, 500);
    }
}
