//! `hachi dis --graph`: control flow and calls of an object's programs.

use std::path::Path;

use hachi_asm::disasm;
use hachi_diag::{Event, Log};
use hachi_obj::inspect::{self, SpecNames};
use hachi_obj::{Code, ProgramSpec, SourceLine, Spec, file};

use crate::failure::{Failure, Result};
use crate::graph::{Edge, Graph, Node, flow};
use crate::object;

/// A log is at most this long; those of the kernel are a quarter of it.
const LARGEST_LOG: u64 = 4 << 30;

/// What begins the log of a program in what `hachi check -vv` prints.
const LOG_OF: &str = "verifier log of ";

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum What {
    /// The basic blocks and where they lead
    Cfg,
    /// Which function calls which
    Calls,
}

/// How often the verifier walked each instruction.
pub struct Visits(Vec<u64>);

impl Visits {
    /// Counted in a log file: in the part about this program, if it has several.
    pub fn read(path: &Path, program: &str, slots: usize) -> Result<Visits> {
        let text = file::read_text(path, LARGEST_LOG).map_err(|error| {
            Failure::because(format_args!("reading {}", path.display()), &error)
        })?;
        let visits = Visits::count(part(&text, program), slots);
        if visits.0.iter().all(|count| *count == 0) {
            let shown = path.display();
            return Err(
                Failure::new(format_args!("{shown} has no instructions of {program}")).help(
                    format_args!(
                        "this writes such a log: hachi check OBJECT --program {program} -vv 2> LOG"
                    ),
                ),
            );
        }
        Ok(visits)
    }

    fn count(log: &str, slots: usize) -> Visits {
        let mut counts = vec![0; slots];
        for event in Log::parse(log).events {
            if let Event::Insn { insn, .. } = event
                && let Some(count) = counts.get_mut(insn)
            {
                *count += 1;
            }
        }
        Visits(counts)
    }

    fn of(&self, slots: std::ops::Range<usize>) -> &[u64] {
        self.0.get(slots).unwrap_or_default()
    }

    /// How hot a block is, beside the hottest instruction, and how often it was entered.
    fn block(&self, slots: std::ops::Range<usize>) -> (f64, u64) {
        let most = self.0.iter().copied().max().unwrap_or(0).max(1);
        let count = self.of(slots).iter().copied().max().unwrap_or(0);
        (count as f64 / most as f64, count)
    }

    /// The share of a function in all that was walked.
    fn share(&self, slots: std::ops::Range<usize>) -> f64 {
        let all: u64 = self.0.iter().sum();
        let own: u64 = self.of(slots).iter().sum();
        own as f64 / all.max(1) as f64
    }
}

/// The part of a text with several logs that is of this program; all if it has no such parts.
fn part<'t>(text: &'t str, program: &str) -> &'t str {
    if !text.lines().any(|line| line.starts_with(LOG_OF)) {
        return text;
    }
    let mut begin = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let name = line.trim_end().strip_prefix(LOG_OF);
        match (begin, name.map(|name| name.trim_end_matches(':'))) {
            (None, Some(name)) if name == program => begin = Some(at + line.len()),
            (Some(begin), Some(_)) => return &text[begin..at],
            _ => {}
        }
        at += line.len();
    }
    begin.map_or("", |begin| &text[begin..])
}

/// A program's graph.
pub fn of(
    what: What,
    spec: &Spec,
    program: &ProgramSpec,
    code: &Code,
    visits: Option<&Visits>,
) -> Graph {
    match what {
        What::Cfg => control_flow(spec, code, visits),
        What::Calls => calls(program, code, visits),
    }
}

/// `let x = 1;  src/main.rs:12`, or the place alone.
fn source(line: &SourceLine<'_>) -> String {
    let place = format!("{}:{}", object::short_file(line.file), line.line);
    match object::source_text(*line).trim() {
        "" => format!("; {place}"),
        text => format!("; {text}  {place}"),
    }
}

fn control_flow(spec: &Spec, code: &Code, visits: Option<&Visits>) -> Graph {
    let names = SpecNames::new(spec, code);
    let starts: Vec<usize> = code
        .functions
        .iter()
        .map(|function| function.start)
        .collect();
    let blocks = flow::blocks(&code.insns, &starts);
    flow::graph(
        &blocks,
        |block| {
            let start = block.insns.start;
            let function = code
                .functions
                .iter()
                .find(|function| function.start == start);
            let title = match function {
                Some(function) => format!("{} (from {start})", function.name),
                None => format!("from {start}"),
            };
            match visits.map(|visits| visits.block(block.insns.clone()).1) {
                Some(count) => format!("{title}, walked {count}×"),
                None => title,
            }
        },
        |block| {
            let mut lines = Vec::new();
            let mut last = None;
            let mut at = block.insns.start;
            while at < block.insns.end {
                if let Some(line) = code.line_at(at) {
                    let place = Some((line.file, line.line));
                    if place != last {
                        lines.push(source(&line));
                    }
                    last = place;
                }
                let (text, slots) = disasm::line(&code.insns, at, &names);
                lines.push(format!("{at}: {text}"));
                at += slots.max(1);
            }
            lines
        },
        |block| visits.map(|visits| visits.block(block.insns.clone()).0),
    )
}

fn calls(program: &ProgramSpec, code: &Code, visits: Option<&Visits>) -> Graph {
    let stack = inspect::stack_depth(code);
    let node = |(at, function): (usize, &hachi_obj::Function)| {
        let slots = function.start..function.start + function.len;
        let mut lines = vec![format!("{} instructions", function.len)];
        if let Some(frame) = stack.frames.get(at) {
            lines.push(format!("stack {} bytes", frame.bytes));
        }
        if let Some(line) = code.line_at(function.start) {
            lines.push(format!("{}:{}", object::short_file(line.file), line.line));
        }
        Node {
            title: match at {
                0 => format!("{} ({})", function.name, program.section),
                _ => function.name.clone(),
            },
            lines,
            heat: visits.map(|visits| visits.share(slots)),
        }
    };
    let edges = stack.calls.iter().enumerate().flat_map(|(from, callees)| {
        callees.iter().map(move |to| Edge {
            from,
            to: *to,
            label: String::new(),
        })
    });
    Graph {
        nodes: code.functions.iter().enumerate().map(node).collect(),
        edges: edges.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
verifier log of other:
0: (b7) r0 = 0
verifier log of short:
0: R1=ctx() R10=fp0
0: (b7) r0 = 0                        ; R0_w=0
1: (15) if r0 == 0x0 goto pc+0        ; R0_w=0
2: (95) exit
from 1 to 2: R0=0 R10=fp0
2: (95) exit
processed 4 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
";

    #[test]
    fn instructions_are_counted_in_the_log_of_their_program() {
        let visits = Visits::count(part(LOG, "short"), 4);
        assert_eq!(visits.0, [1, 1, 2, 0]);
        assert_eq!(visits.block(0..2), (0.5, 1));
        assert_eq!(visits.block(2..3), (1.0, 2));
        assert!((visits.share(2..3) - 0.5).abs() < 1e-9);
        assert_eq!(Visits::count(part(LOG, "other"), 4).0, [1, 0, 0, 0]);
        assert_eq!(part(LOG, "third"), "");
        assert_eq!(part("0: (95) exit\n", "any"), "0: (95) exit\n");
    }
}
