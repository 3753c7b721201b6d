//! The verifier's log, line by line.

use crate::insn::Op;
use crate::rules;
use crate::state::Frame;

/// One line of the log, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// `; source text @ file.rs:12` (Linux ≥ 6.8) or `; source text`.
    Source {
        /// The source line, without its indentation.
        text: String,
        /// File name without directory, when the kernel prints it.
        file: Option<String>,
        /// Line number, when the kernel prints it.
        line: Option<u32>,
    },
    /// `12: R1=ctx() …` or `from 7 to 12: R1=ctx() …`: the state before instruction `insn`.
    State {
        /// The instruction about to be walked.
        insn: usize,
        /// The branch this path was taken from, when the verifier jumped back to explore it.
        from: Option<usize>,
        /// What is known.
        frame: Frame,
    },
    /// `12: (71) r0 = *(u8 *)(r1 +0)   ; R0_w=…`: an instruction walked.
    Insn {
        /// Its index.
        insn: usize,
        /// Its text without the state comment.
        text: String,
        /// What it does.
        op: Op,
        /// The registers it touched, as known afterwards (Linux ≥ 5.17).
        after: Option<Frame>,
    },
    /// `12: safe` or `from 7 to 12: safe`: a path cut because an equal one was already accepted.
    Safe {
        /// Where it was cut.
        insn: usize,
    },
    /// The verifier's own bookkeeping (precision tracking, state propagation, live registers).
    Bookkeeping(String),
    /// Anything else: usually the reason of a rejection.
    Message(String),
}

/// The closing line: how much work the verifier did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Instructions walked, over all paths.
    pub processed: u64,
    /// The limit on that (1,000,000 for privileged programs).
    pub limit: u64,
    /// States remembered.
    pub total_states: u64,
    /// States remembered at once, at most.
    pub peak_states: u64,
}

/// A parsed log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Log {
    /// The lines, in order.
    pub events: Vec<Event>,
    /// The closing statistics, when the log is complete.
    pub stats: Option<Stats>,
    /// Bytes of stack each function of the program uses (`stack depth 16+0`), when printed.
    pub stack_depth: Vec<u32>,
    /// Time spent, in microseconds, when printed (log level with statistics).
    pub micros: Option<u64>,
}

impl Log {
    /// Reads a log of any level. Never fails: lines that are not understood become
    /// [`Event::Message`].
    pub fn parse(text: &str) -> Log {
        let mut log = Log::default();
        // State lists of "caller:"/"callee:" and the table of live registers go on over several
        // lines.
        let mut in_table = false;
        // Only behind the last line of the walk can the verifier have written its last words.
        let last_of_walk = text.lines().rev().position(walks);
        let count = text.lines().count();
        let last_of_walk = last_of_walk.map_or(count, |from_end| count - 1 - from_end);
        for (at, line) in text.lines().enumerate() {
            let line = line.trim_end_matches(['\r', '\0']);
            if line.trim().is_empty() {
                continue;
            }
            if line == "Live regs before insn:" {
                in_table = true;
                log.events.push(Event::Bookkeeping(line.to_string()));
                continue;
            }
            if in_table {
                if line.starts_with(' ') && is_live_row(line) {
                    log.events.push(Event::Bookkeeping(line.to_string()));
                    continue;
                }
                in_table = false;
            }
            if log.take_trailer(line) {
                continue;
            }
            let (line, message) = match at == last_of_walk {
                true => split_message(line),
                false => (line, None),
            };
            let (line, state) = split_state(line);
            log.events.push(parse_line(line));
            log.events.extend(state);
            log.events
                .extend(message.map(|text| Event::Message(text.trim().to_string())));
        }
        log
    }

    fn take_trailer(&mut self, line: &str) -> bool {
        if let Some(stats) = parse_stats(line) {
            self.stats = Some(stats);
            return true;
        }
        if let Some(rest) = line.strip_prefix("verification time ") {
            self.micros = rest.split(' ').next().and_then(|n| n.parse().ok());
            return self.micros.is_some();
        }
        if let Some(rest) = line.strip_prefix("stack depth ") {
            let depths: Option<Vec<u32>> = rest.split(['+', ' ']).map(|n| n.parse().ok()).collect();
            if let Some(depths) = depths {
                self.stack_depth = depths;
                return true;
            }
        }
        false
    }

    /// The verifier's final words: the messages after the last instruction it walked (or all, when
    /// the program was refused before any instruction).
    pub fn final_messages(&self) -> Vec<&str> {
        let last = self.events.iter().rposition(|event| {
            matches!(
                event,
                Event::Insn { .. } | Event::State { .. } | Event::Safe { .. }
            )
        });
        let tail = last.map_or(0, |at| at + 1);
        let collect = |events: &'_ [Event]| -> Vec<usize> {
            events
                .iter()
                .enumerate()
                .filter(|(_, event)| matches!(event, Event::Message(text) if !is_noise(text)))
                .map(|(at, _)| at)
                .collect()
        };
        let mut found: Vec<usize> = collect(&self.events[tail..])
            .into_iter()
            .map(|at| at + tail)
            .collect();
        if found.is_empty() {
            found = collect(&self.events);
        }
        // A log about types lists them all; the last one is what it stopped at.
        if found.first().is_some_and(|at| {
            let magic = "magic: 0xeb9f";
            matches!(&self.events[*at], Event::Message(text) if text.starts_with(magic))
        }) {
            found.drain(..found.len() - 1);
        }
        found
            .into_iter()
            .filter_map(|at| match &self.events[at] {
                Event::Message(text) => Some(text.as_str()),
                _ => None,
            })
            .collect()
    }

    /// The last instruction walked.
    pub fn last_insn(&self) -> Option<usize> {
        self.events.iter().rev().find_map(|event| match event {
            Event::Insn { insn, .. } => Some(*insn),
            _ => None,
        })
    }
}

/// Lines that accompany any program, good or bad.
fn is_noise(text: &str) -> bool {
    text.starts_with("func#")
        || text.starts_with("Func#")
        || text.starts_with("Validating ")
        || text.starts_with("caller:")
        || text.starts_with("callee:")
        || text.starts_with("to caller at ")
        || text.starts_with("returning from callee")
}

fn parse_line(line: &str) -> Event {
    if let Some(source) = line.strip_prefix(';') {
        return parse_source(source.trim());
    }
    for prefix in [
        "mark_precise:",
        "propagating ",
        "last_idx ",
        "parent didn't have",
        "parent already had",
        "regs=",
        "update_branch_counts",
        "falling back to forcing all scalars precise",
        "cur state:",
        "old state:",
    ] {
        if line.starts_with(prefix) {
            return Event::Bookkeeping(line.to_string());
        }
    }
    if is_bare_state(line) {
        return Event::Bookkeeping(line.to_string());
    }
    parse_walk(line).unwrap_or_else(|| Event::Message(line.trim().to_string()))
}

/// ` R0_w=inv5 R1=…`: a state within the tracking of precision, of kernels before 6.
fn is_bare_state(line: &str) -> bool {
    let first = line.trim_start().split(' ').next().unwrap_or_default();
    first.starts_with('R') && first.contains('=') && Frame::parse(line).is_some()
}

fn parse_source(source: &str) -> Event {
    // The kernel appends ` @ name:line`; the source itself may contain an @.
    if let Some((text, place)) = source.rsplit_once("@ ")
        && let Some((file, line)) = place.rsplit_once(':')
        && let Ok(line) = line.trim().parse()
    {
        return Event::Source {
            text: text.trim().to_string(),
            file: Some(file.to_string()),
            line: Some(line),
        };
    }
    Event::Source {
        text: source.to_string(),
        file: None,
        line: None,
    }
}

/// The lines that start with a place in the program.
fn parse_walk(line: &str) -> Option<Event> {
    let (from, rest) = match line.strip_prefix("from ") {
        Some(rest) => {
            let (from, rest) = rest.split_once(" to ")?;
            (Some(from.trim().parse().ok()?), rest)
        }
        None => (None, line),
    };
    let (insn, rest) = rest.split_once(':')?;
    // `from 5 to 8 (speculative execution): …`
    let insn = insn.split(' ').next()?.trim().parse().ok()?;
    let rest = rest.trim();
    if rest == "safe" {
        return Some(Event::Safe { insn });
    }
    if let Some(after) = rest.strip_prefix('(') {
        let (code, text) = after.split_once(')')?;
        let code = u8::from_str_radix(code, 16).ok()?;
        // The state comes after "; "; no instruction text holds a semicolon.
        let (text, state) = match text.split_once(';') {
            Some((text, state)) => (text.trim(), Some(state)),
            None => (text.trim(), None),
        };
        return Some(Event::Insn {
            insn,
            op: Op::parse(code, text),
            text: text.to_string(),
            after: state.and_then(Frame::parse),
        });
    }
    let frame = Frame::parse(rest)?;
    Some(Event::State { insn, from, frame })
}

/// Whether the line is one of the walk: it starts with a place in the program.
fn walks(line: &str) -> bool {
    let place = line.strip_prefix("from ").unwrap_or(line);
    let digits = place.bytes().take_while(u8::is_ascii_digit).count();
    digits > 0 && place[digits..].starts_with([':', ' '])
}

/// A message that the verifier wrote behind a line of its walk, which it had not ended.
fn split_message(line: &str) -> (&str, Option<&str>) {
    match rules::message_within(line) {
        Some(at) => (line[..at].trim_end(), Some(&line[at..])),
        None => (line, None),
    }
}

/// A branch that is followed at once has the state behind it on the same line:
/// `6: (55) if r0 != 0x0 goto pc+1 8: R0=map_value(…)`.
fn split_state(line: &str) -> (&str, Option<Event>) {
    let split = || {
        let after_goto = line.find(" goto pc")? + " goto pc".len();
        let space = after_goto + line[after_goto..].find(' ')?;
        let state = line[space..].trim_start();
        let digits = state.bytes().take_while(u8::is_ascii_digit).count();
        let is_state = digits > 0 && state[digits..].starts_with(": ");
        is_state.then(|| (&line[..space], parse_walk(state)))
    };
    match split() {
        Some((insn, Some(state @ Event::State { .. }))) => (insn, Some(state)),
        _ => (line, None),
    }
}

/// `      3: 0123456789 (71) r0 = …`: one row of the live register table.
fn is_live_row(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let number = words
        .next()
        .and_then(|word| word.strip_suffix(':'))
        .is_some_and(|word| word.parse::<usize>().is_ok());
    number && words.next().is_some_and(|mask| mask.len() >= 10)
}

fn parse_stats(line: &str) -> Option<Stats> {
    let rest = line.strip_prefix("processed ")?;
    let processed = rest.split(' ').next()?.parse().ok()?;
    let after = |label: &str| -> u64 {
        line.split_once(label)
            .and_then(|(_, rest)| rest.trim_start().split([' ', ')']).next())
            .and_then(|number| number.parse().ok())
            .unwrap_or(0)
    };
    Some(Stats {
        processed,
        limit: after("(limit "),
        total_states: after(" total_states "),
        peak_states: after(" peak_states "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_behind_a_line_of_the_walk_is_one_of_its_own() {
        let log = Log::parse(
            "\
5: (05) goto pc-3
3: R0=1 R10=fp0BPF program is too large. Processed 1000001 insn
processed 1000001 insns (limit 1000000) max_states_per_insn 0 total_states 0
",
        );
        assert_eq!(
            log.final_messages(),
            ["BPF program is too large. Processed 1000001 insn"]
        );
        assert_eq!(log.last_insn(), Some(5));
    }

    #[test]
    fn both_forms_of_source_lines() {
        assert_eq!(
            parse_line("; if start + 14 > end { @ main.rs:13"),
            Event::Source {
                text: "if start + 14 > end {".into(),
                file: Some("main.rs".into()),
                line: Some(13)
            }
        );
        assert_eq!(
            parse_line("; let x = a @ b;"),
            Event::Source {
                text: "let x = a @ b;".into(),
                file: None,
                line: None
            }
        );
    }

    #[test]
    fn states_jumps_and_stats() {
        assert!(matches!(
            parse_line("from 5 to 8: R0=0 R1=ctx() R10=fp0"),
            Event::State {
                insn: 8,
                from: Some(5),
                ..
            }
        ));
        assert!(matches!(
            parse_line("from 5 to 8 (speculative execution): R0=0 R1=ctx() R10=fp0"),
            Event::State {
                insn: 8,
                from: Some(5),
                ..
            }
        ));
        assert_eq!(parse_line("from 5 to 8: safe"), Event::Safe { insn: 8 });
        let log = Log::parse(
            "verification time 123 usec\nstack depth 16+8\nprocessed 12 insns (limit 1000000) \
             max_states_per_insn 1 total_states 4 peak_states 3 mark_read 2\n",
        );
        assert_eq!(log.micros, Some(123));
        assert_eq!(log.stack_depth, [16, 8]);
        assert_eq!(
            log.stats,
            Some(Stats {
                processed: 12,
                limit: 1_000_000,
                total_states: 4,
                peak_states: 3
            })
        );
        assert!(log.events.is_empty());
    }

    #[test]
    fn a_branch_followed_at_once() {
        let log = Log::parse("6: (55) if r0 != 0x0 goto pc+1 8: R0=map_value(ks=4,vs=8) R10=fp0\n");
        let [
            Event::Insn { insn: 6, text, .. },
            Event::State { insn: 8, frame, .. },
        ] = &log.events[..]
        else {
            panic!("{:?}", log.events);
        };
        assert_eq!(text, "if r0 != 0x0 goto pc+1");
        assert_eq!(frame.values[0].1.kind, "map_value");
        // The usual form is left alone.
        let log = Log::parse("6: (55) if r0 != 0x0 goto pc+1       ; R0=0\n");
        assert!(matches!(
            &log.events[..],
            [Event::Insn { after: Some(_), .. }]
        ));
    }

    #[test]
    fn final_words_are_those_after_the_last_instruction() {
        let log = Log::parse(
            "func#0 @0\n0: R1=ctx() R10=fp0\n0: (95) exit\nR0 !read_ok\nprocessed 1 insns (limit \
             1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\n",
        );
        assert_eq!(log.final_messages(), ["R0 !read_ok"]);
        let early = Log::parse("func#0 @0\nlast insn is not an exit or jmp\n");
        assert_eq!(early.final_messages(), ["last insn is not an exit or jmp"]);
    }
}
