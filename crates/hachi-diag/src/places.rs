//! From instructions to source lines.

use std::collections::HashMap;

use crate::log::{Event, Log};
use crate::trace::Trace;
use crate::{Inlined, InlinedPlace, Input, Line, Span};

/// What is known of the places of a program's instructions.
pub(crate) struct Places<'a> {
    lines: &'a [Line<'a>],
    inlined: &'a [Inlined<'a>],
    /// The log's own annotations, for when there is no line information.
    annotated: HashMap<usize, Span>,
}

/// The place of an instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The code that its user wrote.
    pub own: Span,
    /// The library code that was inlined there and that the instruction is really of, outermost
    /// first.
    pub inside: Vec<Span>,
    /// The calls by which the user's code was inlined, innermost first.
    pub inlined: Vec<Span>,
}

impl<'a> Places<'a> {
    pub(crate) fn new(input: &Input<'a>, log: &Log) -> Places<'a> {
        let mut annotated = HashMap::new();
        if input.lines.is_empty() {
            let mut current: Option<Span> = None;
            for event in &log.events {
                match event {
                    Event::Source { text, file, line } => {
                        let file = file.clone().unwrap_or_default();
                        let span = Span::new(file, line.unwrap_or(0), 0);
                        current = Some(span.with_text(text.as_str()));
                    }
                    Event::Insn { insn, .. } => {
                        if let Some(span) = &current {
                            annotated.entry(*insn).or_insert_with(|| span.clone());
                        }
                    }
                    _ => {}
                }
            }
        }
        Places {
            lines: input.lines,
            inlined: input.inlined,
            annotated,
        }
    }

    /// The source line that an instruction belongs to.
    fn line(&self, insn: usize) -> Option<Span> {
        if self.lines.is_empty() {
            return self.annotated.get(&insn).cloned();
        }
        let after = self.lines.partition_point(|line| line.insn <= insn);
        let line = self.lines.get(after.checked_sub(1)?)?;
        Some(Span::new(line.file, line.line, line.column).with_text(line.text))
    }

    /// The functions that an instruction was inlined through, as the linker noted them.
    fn chain(&self, insn: usize) -> &[InlinedPlace<'a>] {
        let after = self.inlined.partition_point(|record| record.insn <= insn);
        let record = after.checked_sub(1).and_then(|at| self.inlined.get(at));
        record.map_or(&[], |record| &record.chain)
    }

    /// The text of a line, if some instruction is of it.
    fn text_of(&self, span: &Span) -> Option<&'a str> {
        let found = self
            .lines
            .iter()
            .find(|line| line.line == span.line && line.file == span.file);
        found.map(|line| line.text)
    }

    /// The place of `insn`.
    pub(crate) fn of(&self, trace: &Trace<'_>, insn: usize) -> Option<Place> {
        let chain = self.chain(insn);
        if !chain.is_empty() {
            let mut place = self.of_chain(chain);
            // The column of the place that line information names stands only there.
            if let Some(line) = self.line(insn)
                && place.own.column == 0
                && place.own.shares_line_with(&line)
            {
                let function = place.own.function.take();
                place.own = Span { function, ..line };
            }
            return Some(place);
        }
        self.nearest(trace, insn)
    }

    /// The innermost code that is the user's own, and what is around it and inside it.
    fn of_chain(&self, chain: &[InlinedPlace<'_>]) -> Place {
        let own = chain.iter().position(|place| !is_library(place.file));
        let own = own.unwrap_or(0);
        let span = |place: &InlinedPlace<'_>| {
            let mut span = Span::new(place.file, place.line, place.column);
            if !place.function.is_empty() {
                span = span.in_function(place.function);
            }
            match place.text {
                // Another instruction of the same line may have it.
                "" => match self.text_of(&span) {
                    Some(text) => span.with_text(text),
                    None => span,
                },
                text => span.with_text(text),
            }
        };
        Place {
            own: span(&chain[own]),
            inside: chain[..own].iter().rev().map(span).collect(),
            inlined: chain[own + 1..].iter().map(span).collect(),
        }
    }

    /// Without the linker's notes: line information names only the innermost of the functions that
    /// were inlined into each other. When that is a library's, the instruction nearest to this one
    /// that the user wrote tells where they are: before it on its path, or behind it in the
    /// program.
    fn nearest(&self, trace: &Trace<'_>, insn: usize) -> Option<Place> {
        let exact = self.line(insn)?;
        let place = |own: Span, inside: Vec<Span>| Place {
            own,
            inside,
            inlined: Vec::new(),
        };
        let is_users = |span: &Span| !is_library(&span.file) && self.is_statement(span);
        if is_users(&exact) {
            return Some(place(exact, Vec::new()));
        }
        let before = trace.find(insn).and_then(|at| {
            let path = trace.path(at).filter_map(|insn| self.line(insn));
            path.enumerate().find(|(_, span)| is_users(span))
        });
        let behind = (1..=NEAR)
            .filter_map(|distance| Some((distance, self.line(insn + distance)?)))
            .find(|(_, span)| is_users(span));
        let own = match (before, behind) {
            (Some((far, before)), Some((near, behind))) => {
                Some(if near < far { behind } else { before })
            }
            (Some((_, found)), None) | (None, Some((_, found))) => Some(found),
            (None, None) => None,
        };
        Some(match own {
            Some(own) if is_library(&exact.file) => place(own, vec![exact]),
            Some(own) => place(own, Vec::new()),
            None => place(exact, Vec::new()),
        })
    }

    /// Code of no column belongs to a macro or to the function as a whole. The log's own
    /// annotations have no columns.
    fn is_statement(&self, span: &Span) -> bool {
        span.column > 0 || self.lines.is_empty()
    }

    /// The source lines the verifier walked most often, with their counts.
    pub(crate) fn hottest(&self, trace: &Trace<'_>) -> Vec<(usize, Span)> {
        let mut counts: HashMap<(String, u32), (usize, Span)> = HashMap::new();
        for step in &trace.steps {
            if let Some(span) = self.line(step.insn)
                && span.line != 0
                && !is_library(&span.file)
                && self.is_statement(&span)
            {
                let key = (span.file.clone(), span.line);
                counts.entry(key).or_insert((0, span)).0 += 1;
            }
        }
        let mut counts: Vec<(usize, Span)> = counts.into_values().collect();
        counts.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.line.cmp(&b.1.line)));
        counts
    }
}

/// How many instructions behind one are still near it.
const NEAR: usize = 64;

/// Whether a file, as the compiler names it, belongs to the Rust library, to a package from a
/// registry or to Hachi rather than to the user.
pub fn is_library_file(file: &str) -> bool {
    const PARTS: &[&str] = &[
        "/rustc/",
        "library/core/",
        "library/alloc/",
        "library/std/",
        "library/compiler-builtins/",
        "/rustlib/src/",
        "/registry/src/",
        "hachi-ebpf/src/",
        "hachi-common/src/",
    ];
    PARTS.iter().any(|part| file.contains(part))
}

/// The same for the names that Hachi's linker shortens as well (`core/src/ptr/mod.rs`,
/// `network-types-0.1.0/src/ip.rs`).
fn is_library(file: &str) -> bool {
    const FIRST: &[&str] = &["core/src/", "alloc/src/", "compiler-builtins/src/"];
    let in_package_with_version = || {
        let directory = file.split('/').next().unwrap_or_default();
        let version = directory
            .rsplit_once('-')
            .map_or("", |(_, version)| version);
        version.contains('.') && version.starts_with(|c: char| c.is_ascii_digit())
    };
    is_library_file(file)
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

    const LOG: &str = "\
0: R1=ctx() R10=fp0
0: (61) r1 = *(u32 *)(r1 +0)  ; R1_w=pkt(r=0)
1: (71) r0 = *(u8 *)(r1 +0)
invalid access to packet, off=0 size=1, R1(id=0,off=0,r=0)
";

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
        let lines = lines();
        let input = Input {
            lines: &lines,
            ..Input::new("p", LOG)
        };
        let log = Log::parse(LOG);
        let trace = Trace::new(&input, &log);
        let place = trace.places.of(&trace, 1).unwrap();
        assert_eq!(place.own.line, 9);
        assert_eq!(place.inside[0].line, 500);
        assert!(place.inlined.is_empty());
    }

    #[test]
    fn the_linkers_notes_tell_the_way_to_the_program() {
        let lines = lines();
        let at = |file, line, function| InlinedPlace {
            function,
            file,
            line,
            column: 17,
            text: "",
        };
        let chain = vec![
            at("core/src/ptr/mod.rs", 500, "core::ptr::read"),
            at("util/src/lib.rs", 7, "util::first"),
            at("src/main.rs", 9, "program"),
        ];
        let inlined = [
            Inlined { insn: 1, chain },
            Inlined {
                insn: 2,
                chain: Vec::new(),
            },
        ];
        let input = Input {
            lines: &lines,
            inlined: &inlined,
            ..Input::new("p", LOG)
        };
        let log = Log::parse(LOG);
        let trace = Trace::new(&input, &log);
        let place = trace.places.of(&trace, 1).unwrap();
        assert_eq!(place.own.to_string(), "util/src/lib.rs:7:17");
        assert_eq!(place.own.function.as_deref(), Some("util::first"));
        assert_eq!(place.inside[0].to_string(), "core/src/ptr/mod.rs:500:17");
        assert_eq!(place.inlined.len(), 1);
        // Its text is that of another instruction of the same line.
        assert_eq!(place.inlined[0].text, "    let first = read(start);");
        assert_eq!(trace.places.of(&trace, 2).unwrap().own.line, 9);
    }
}
