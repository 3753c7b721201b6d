//! What ran, by source line and by function: coverage and profiles.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::ops::ControlFlow;

use crate::observe::{Counts, Observer};
use crate::run::Moment;
use crate::vm::Vm;

/// How often source lines and functions ran, over any number of runs and machines.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use hachi_asm::build::{exit, mov_imm};
/// # use hachi_obj::{Code, Endian, ProgramSpec, ProgramType, Spec};
/// use hachi_vm::{Config, Counts, Coverage, Input, Vm};
///
/// # let mut spec = Spec::new(Endian::Little);
/// # let code = Code::new("pass", vec![mov_imm(0, 2), exit()]);
/// # spec.programs.push(ProgramSpec::new("pass", ProgramType::Xdp, code));
/// let mut vm = Vm::new(&spec, &Config::default())?;
/// let mut counts = Counts::default();
/// vm.run_observed("pass", &Input::new(&[0; 64]), &mut counts)?;
/// let mut coverage = Coverage::default();
/// coverage.add(&vm, &counts);
/// std::fs::write(std::env::temp_dir().join("hachi-doc.info"), coverage.to_lcov())?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    files: BTreeMap<String, File>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct File {
    lines: BTreeMap<u32, u64>,
    /// What the object says that the lines are.
    texts: BTreeMap<u32, String>,
    /// The first line of each function, and how often it was entered.
    functions: BTreeMap<String, (u32, u64)>,
}

impl Coverage {
    /// Adds what ran on a machine. Lines that never ran count as such.
    pub fn add(&mut self, vm: &Vm, counts: &Counts) {
        let names: Vec<String> = vm.programs().map(str::to_owned).collect();
        for (number, name) in names.iter().enumerate() {
            let ran = counts.of(number);
            let mut lines: HashMap<(String, u32), u64> = HashMap::new();
            let mut seen = None;
            for insn in 0..vm.instructions(name).map_or(0, <[_]>::len) {
                let Some(place) = vm.place(name, insn) else {
                    continue;
                };
                let count = ran.get(insn).copied().unwrap_or(0);
                if place.function != seen
                    && let Some(function) = &place.function
                {
                    let file = self.files.entry(place.file.clone()).or_default();
                    let entered = file.functions.entry(function.clone());
                    entered.or_insert((place.line, 0)).1 += count;
                }
                seen = place.function;
                let file = self.files.entry(place.file.clone()).or_default();
                file.texts.entry(place.line).or_insert(place.text);
                // A line ran as often as the instruction of it that ran most.
                let line = lines.entry((place.file, place.line)).or_default();
                *line = (*line).max(count);
            }
            for ((file, line), count) in lines {
                let file = self.files.entry(file).or_default();
                *file.lines.entry(line).or_default() += count;
            }
        }
    }

    /// Adds what was counted elsewhere.
    pub fn merge(&mut self, other: Coverage) {
        for (name, file) in other.files {
            let here = self.files.entry(name).or_default();
            for (line, count) in file.lines {
                *here.lines.entry(line).or_default() += count;
            }
            here.texts.extend(file.texts);
            for (function, (line, count)) in file.functions {
                let entered = here.functions.entry(function);
                entered.or_insert((line, 0)).1 += count;
            }
        }
    }

    /// Gives files other names, such as where they are on this machine: `find` gets the name, and
    /// the lines that the object says the file has, by number. A file keeps its name for `None`.
    pub fn rename(
        &mut self,
        find: impl Fn(&str, &mut dyn Iterator<Item = (u32, &str)>) -> Option<String>,
    ) {
        let mut renamed = Coverage::default();
        for (name, file) in std::mem::take(&mut self.files) {
            let texts = file.texts.iter();
            let mut texts = texts.map(|(line, text)| (*line, text.as_str()));
            let new = find(&name, &mut texts).unwrap_or(name);
            let files = BTreeMap::from([(new, file)]);
            renamed.merge(Coverage { files });
        }
        *self = renamed;
    }

    /// The same as text, for [`Coverage::parse`].
    pub fn to_text(&self) -> String {
        let mut to = String::new();
        for (name, file) in &self.files {
            let _ = writeln!(to, "file {}", on_one_line(name));
            for (line, count) in &file.lines {
                let text = file.texts.get(line).map_or("", String::as_str);
                let _ = writeln!(to, "line {line} {count} {}", on_one_line(text));
            }
            for (function, (line, count)) in &file.functions {
                let _ = writeln!(to, "function {line} {count} {}", on_one_line(function));
            }
        }
        to
    }

    /// What [`Coverage::to_text`] wrote; `None` if it is something else.
    pub fn parse(text: &str) -> Option<Coverage> {
        let mut coverage = Coverage::default();
        let mut current: Option<&mut File> = None;
        for line in text.lines() {
            let (kind, rest) = line.split_once(' ')?;
            if kind == "file" {
                current = Some(coverage.files.entry(rest.to_owned()).or_default());
                continue;
            }
            let file = current.as_deref_mut()?;
            let mut parts = rest.splitn(3, ' ');
            let (line, count) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            let name = parts.next()?.to_owned();
            match kind {
                "line" => {
                    file.lines.insert(line, count);
                    file.texts.insert(line, name);
                }
                "function" => {
                    file.functions.insert(name, (line, count));
                }
                _ => return None,
            }
        }
        Some(coverage)
    }

    /// Lines that ran, and all lines.
    pub fn lines(&self) -> (usize, usize) {
        let lines = || self.files.values().flat_map(|file| file.lines.values());
        (lines().filter(|count| **count > 0).count(), lines().count())
    }

    /// The tracefile that `genhtml` and editors read (geninfo(1)).
    pub fn to_lcov(&self) -> String {
        let mut to = String::new();
        for (name, file) in &self.files {
            let _ = writeln!(to, "TN:\nSF:{name}");
            for (function, (line, _)) in &file.functions {
                let _ = writeln!(to, "FN:{line},{function}");
            }
            for (function, (_, count)) in &file.functions {
                let _ = writeln!(to, "FNDA:{count},{function}");
            }
            let entered = |(_, count): &&(u32, u64)| *count > 0;
            let hit = file.functions.values().filter(entered).count();
            let _ = writeln!(to, "FNF:{}\nFNH:{hit}", file.functions.len());
            for (line, count) in &file.lines {
                let _ = writeln!(to, "DA:{line},{count}");
            }
            let hit = file.lines.values().filter(|count| **count > 0).count();
            let _ = writeln!(to, "LF:{}\nLH:{hit}\nend_of_record", file.lines.len());
        }
        to
    }

    /// The sources, with how often each line ran before it: a dash for lines without code. Files
    /// that `read` does not find are shown by the lines that have code.
    pub fn annotated(&self, read: impl Fn(&str) -> Option<String>) -> String {
        let mut to = String::new();
        for (name, file) in &self.files {
            let _ = writeln!(to, "{name}:");
            match read(name) {
                Some(text) => {
                    for (line, text) in (1..).zip(text.lines()) {
                        let count = match file.lines.get(&line) {
                            Some(count) => count.to_string(),
                            None => "-".to_owned(),
                        };
                        let _ = writeln!(to, "{count:>10} {line:>5}  {text}");
                    }
                }
                None => {
                    for (line, count) in &file.lines {
                        let _ = writeln!(to, "{count:>10} {line:>5}");
                    }
                }
            }
        }
        to
    }
}

/// Names and lines come from objects: they stay on the line that they are written on.
fn on_one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// Instructions by call path and source line: an [`Observer`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    stacks: BTreeMap<String, u64>,
    /// The functions that are running, the outermost first.
    path: Vec<String>,
}

impl Profile {
    /// Adds what [`Profile::folded`] wrote; false if it is something else, of which nothing is
    /// added.
    #[must_use]
    pub fn add_folded(&mut self, text: &str) -> bool {
        let one = |line: &str| {
            let (stack, count) = line.rsplit_once(' ')?;
            Some((stack.to_owned(), count.parse().ok()?))
        };
        let Some(stacks) = text
            .lines()
            .map(one)
            .collect::<Option<Vec<(String, u64)>>>()
        else {
            return false;
        };
        for (stack, count) in stacks {
            *self.stacks.entry(stack).or_default() += count;
        }
        true
    }

    /// Lines of `a;b;FILE:LINE COUNT`, as flame graph tools read them.
    pub fn folded(&self) -> String {
        let mut to = String::new();
        for (stack, count) in &self.stacks {
            let _ = writeln!(to, "{stack} {count}");
        }
        to
    }
}

impl Observer for Profile {
    fn step(&mut self, moment: &mut Moment<'_>) -> ControlFlow<()> {
        let place = moment.place();
        let (function, line) = match place {
            Some(place) => (place.function, Some((place.file, place.line))),
            None => (None, None),
        };
        let function = function.unwrap_or_else(|| moment.program().to_owned());
        self.path.resize(moment.depth(), String::new());
        self.path.push(function);
        let mut stack = self.path.join(";");
        if let Some((file, line)) = line {
            let _ = write!(stack, ";{file}:{line}");
        }
        *self.stacks.entry(stack).or_default() += 1;
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted() -> Coverage {
        let text = "file src/main.rs\nline 3 2     let a = 1;\nline 5 0 }\nfunction 3 2 main\n";
        Coverage::parse(text).expect("it is one")
    }

    #[test]
    fn text_gives_the_same_again_and_counts_add_up() {
        let mut coverage = counted();
        assert_eq!(Coverage::parse(&coverage.to_text()), Some(counted()));
        coverage.merge(counted());
        let lcov = coverage.to_lcov();
        assert!(lcov.contains("DA:3,4\nDA:5,0\n"), "{lcov}");
        assert!(lcov.contains("FN:3,main\nFNDA:4,main\n"), "{lcov}");
        assert_eq!(coverage.lines(), (1, 2));
    }

    #[test]
    fn files_are_renamed_by_their_lines() {
        let mut coverage = counted();
        coverage.rename(|name, lines| {
            assert_eq!(lines.collect::<Vec<_>>(), [(3, "    let a = 1;"), (5, "}")]);
            Some(format!("/home/{name}"))
        });
        assert!(coverage.to_lcov().contains("SF:/home/src/main.rs\n"));
    }

    #[test]
    fn refuses_text_that_is_none_of_ours() {
        for text in [
            "line 1 1 x",
            "file a\nline x 1 y",
            "file a\nother 1 1 x",
            "nothing",
        ] {
            assert_eq!(Coverage::parse(text), None, "{text}");
        }
        let mut profile = Profile::default();
        assert!(profile.add_folded("a;b;c.rs:3 4\n") && profile.add_folded("a;b;c.rs:3 1\n"));
        assert!(!profile.add_folded("a 1\nb"));
        assert_eq!(profile.folded(), "a;b;c.rs:3 5\n");
    }
}
