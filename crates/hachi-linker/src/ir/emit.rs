//! Code generation, and what LLVM has against it in words that help.

use std::collections::HashSet;

use super::{Job, internal};
use crate::{
    Code, Diagnostic, Span,
    lines::LineTable,
    llvm::{Chain, Context, Function, Inst, Machine, Module, Op},
    names,
};

/// Stack of one function, in bytes.
const STACK_LIMIT: u64 = hachi_asm::consts::MAX_BPF_STACK as u64;

/// Generates the object.
pub(super) fn emit(
    context: Context,
    module: Module,
    machine: Machine,
    job: &Job,
    renames: &[(String, String)],
    lines: &LineTable,
) -> Result<Vec<u8>, Vec<Diagnostic>> {
    // What earlier steps reported concerned code that may be gone.
    context.reports();
    let object = module
        .emit(machine, false)
        .map_err(|message| internal("generate code", message))?;
    if let Some(dir) = &job.save_temps {
        // The assembly is for reading only.
        if let Ok(text) = module.emit(machine, true) {
            let text = with_lines(&text, lines);
            let _ = std::fs::write(dir.join("5-assembly.s"), text);
        }
    }
    let mut reports = context.reports();
    // One for each instruction concerned.
    reports.dedup();
    if let Some(dir) = job.save_temps.as_ref().filter(|_| !reports.is_empty()) {
        let texts: Vec<&str> = reports.iter().map(|(_, text)| text.as_str()).collect();
        let _ = std::fs::write(dir.join("5-reports.txt"), texts.join("\n"));
    }
    // Functions of the same name, of other types, are reported once, too.
    let mut told = HashSet::new();
    let diagnostics: Vec<Diagnostic> = distinct(&reports)
        .iter()
        .map(|report| explain(module, renames, lines, report))
        .filter(|d| told.insert((d.headline.clone(), d.function.clone())))
        .collect();
    // LLVM reports errors in single functions, carries on, and calls the result a success.
    if diagnostics.is_empty() {
        Ok(object)
    } else {
        Err(diagnostics)
    }
}

/// One report of each thing that is wrong with a function, the first. LLVM repeats it for every
/// instruction concerned, and to explain one takes a look at the whole function.
fn distinct(reports: &[(bool, String)]) -> Vec<Report<'_>> {
    let mut known = HashSet::new();
    reports
        .iter()
        .filter(|(is_error, _)| *is_error)
        .map(|(_, text)| parse(text))
        .filter(|report| known.insert((report.function, report.problem())))
        .collect()
}

/// The assembly with line numbers in place of what stands for them: `.loc FILE LINE COLUMN …`.
fn with_lines(assembly: &[u8], lines: &LineTable) -> String {
    let assembly = String::from_utf8_lossy(assembly);
    let mut out = String::with_capacity(assembly.len());
    for line in assembly.split_inclusive('\n') {
        let mut words = line.split_whitespace();
        let number = match words.next() {
            Some(".loc") => words.nth(1).and_then(|word| word.parse::<u32>().ok()),
            _ => None,
        };
        match number.map(|number| (number, lines.resolve(number).0)) {
            Some((number, real)) if number != real => {
                out.push_str(&line.replacen(&number.to_string(), &real.to_string(), 1));
            }
            _ => out.push_str(line),
        }
    }
    out
}

/// `FILE:LINE:COLUMN: in function NAME TYPE: MESSAGE`
struct Report<'a> {
    location: Option<Span>,
    function: Option<&'a str>,
    message: &'a str,
}

impl<'a> Report<'a> {
    /// The message, without what differs from instruction to instruction.
    fn problem(&self) -> Option<&'a str> {
        (!self.is_of_stack()).then_some(self.message.trim())
    }

    fn is_of_stack(&self) -> bool {
        self.message.contains("stack limit")
    }
}

fn parse(text: &str) -> Report<'_> {
    let Some((place, rest)) = text.split_once(" in function ") else {
        return Report {
            location: None,
            function: None,
            message: text,
        };
    };
    // Quoted when it holds odd characters.
    let (function, rest) = match rest.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
        Some(split) => split,
        None => rest.split_once(' ').unwrap_or((rest, "")),
    };
    let mut parts = place.trim_end_matches(':').rsplitn(3, ':');
    let column = parts.next().and_then(|n| n.parse().ok());
    let line = parts.next().and_then(|n| n.parse().ok());
    let location = match (parts.next(), line, column) {
        (Some(file), Some(line), Some(column)) if file != "<unknown>" => {
            Some(Span::new(file, line, column))
        }
        _ => None,
    };
    // The function's type is spelled between the name and the message; it may hold colons only in
    // struct names.
    let message = rest.split_once("): ").map_or(rest, |(_, message)| message);
    Report {
        location,
        function: Some(function),
        message,
    }
}

fn explain(
    module: Module,
    renames: &[(String, String)],
    lines: &LineTable,
    report: &Report<'_>,
) -> Diagnostic {
    let wanted = |name| {
        let rename = renames.iter().find(|(given, _)| given == name);
        rename.map_or(name, |(_, wanted)| wanted.as_str())
    };
    let function = report.function.and_then(|name| module.function(name));
    let mut d = if report.is_of_stack() {
        let mut d = Diagnostic::error(
            Code::STACK_TOO_LARGE,
            format!("this function needs more than the {STACK_LIMIT} bytes of stack that eBPF has"),
        );
        if let Some(function) = function {
            d = biggest_slots(module, function, d);
        }
        d.help(
            "move large values into a per-CPU array map used as scratch space, or pass references",
        )
    } else {
        Diagnostic::error(
            Code::LLVM_FAILED,
            format!(
                "LLVM cannot generate eBPF code: {}",
                names::demangle_all(report.message.trim())
            ),
        )
    };
    if d.primary.is_none() {
        d.primary = report
            .location
            .as_ref()
            .map(|place| Span::new(&*place.file, lines.resolve(place.line).0, place.column))
            .or_else(|| function.and_then(Function::definition));
        d.function = report.function.map(|name| names::demangle(wanted(name)));
    }
    d
}

/// Points at the stack slots that take most.
fn biggest_slots(module: Module, function: Function, mut d: Diagnostic) -> Diagnostic {
    let mut slots: Vec<(u64, Inst)> = function
        .instructions()
        .into_iter()
        .filter(|inst| inst.op() == Op::ALLOCA)
        .map(|slot| (module.size_of(slot.allocated_type()), slot))
        .collect();
    slots.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
    let total: u64 = slots.iter().map(|(size, _)| size).sum();
    let variables = function.variables();
    let mut worst: Option<Chain> = None;
    for (size, slot) in slots.iter().take(5).filter(|(size, _)| *size >= 32) {
        let homes = variables.iter().filter(|v| v.slot == slot.0);
        // A slot may be home to several variables, one after the other; the user's own tell most.
        let home = homes
            .clone()
            .find(|v| v.chain.0.first().is_some_and(|loc| !loc.in_library()))
            .or_else(|| homes.clone().next());
        d = d.note(match home {
            Some(variable) => {
                let place = variable.chain.user_place();
                worst.get_or_insert_with(|| variable.chain.clone());
                let ty = match &variable.ty {
                    Some(ty) => format!(": {ty}"),
                    None => String::new(),
                };
                let place = place.map_or(String::new(), |loc| format!(" at {}", loc.place));
                format!("{size} bytes: `{}{ty}`{place}", variable.name)
            }
            None => format!("{size} bytes: a temporary"),
        });
    }
    let d = d.note(format!(
        "{total} bytes in {} stack slots after optimisation, besides saved registers",
        slots.len()
    ));
    match worst {
        Some(chain) => chain.locate(d),
        None => d,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_of_a_function_is_reported_once() {
        let of = |line: usize, function: &str, message: &str| {
            (
                true,
                format!("src/main.rs:{line}:9: in function {function} i32 (ptr): {message}"),
            )
        };
        let stack = "Looks like the BPF stack limit is exceeded.";
        let mut reports: Vec<_> = (1..=100_000).map(|line| of(line, "big", stack)).collect();
        reports.push((
            false,
            "src/main.rs:1:1: in function big i32 (ptr): a remark".into(),
        ));
        reports.push(of(7, "big", "too many arguments"));
        reports.push(of(8, "other", stack));
        let told: Vec<_> = distinct(&reports)
            .iter()
            .map(|r| (r.function.unwrap(), r.location.as_ref().unwrap().line))
            .collect();
        assert_eq!(told, [("big", 1), ("big", 7), ("other", 8)]);
    }

    #[test]
    fn reports_are_taken_apart() {
        let r = parse(
            "src/main.rs:12:9: in function big i32 (ptr): Looks like the BPF stack limit is \
             exceeded.",
        );
        assert_eq!(r.function, Some("big"));
        assert_eq!(r.message, "Looks like the BPF stack limit is exceeded.");
        let location = r.location.unwrap();
        assert_eq!(
            (location.file.as_str(), location.line, location.column),
            ("src/main.rs", 12, 9)
        );

        let r = parse("<unknown>:0:0: in function f i64 (i64, i64): too many arguments");
        assert!(r.location.is_none());
        assert_eq!(r.message, "too many arguments");

        let r = parse("something else");
        assert_eq!((r.function, r.message), (None, "something else"));
    }
}
