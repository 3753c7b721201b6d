//! Measures Hachi's builds, loads, maps and programs, beside other toolkits where they are
//! installed.
//!
//! `cargo xtask bench [--as-new] [build] [link] [load] [maps] [ringbuf] [btf] [codegen] [unsafe]
//! [scale] [scale-quick] [vm] [page]`. All but the last four are run when none is named; `page`
//! writes what was measured as a page.
//! Figures are medians; where there is something to compare with, the ratio of the medians is
//! printed too (below 1: Hachi takes less).

mod btf;
mod build;
mod codegen;
mod figures;
mod link;
mod load;
mod maps;
mod page;
mod record;
mod ringbuf;
mod scale;
mod timing;
mod tools;
mod unsafe_code;
mod vm;

use std::process::ExitCode;

/// A benchmark's name, and what runs it.
type Bench = (&'static str, fn() -> tools::Result);

const BENCHES: &[Bench] = &[
    ("build", build::run),
    ("link", link::run),
    ("load", load::run),
    ("maps", maps::run),
    ("ringbuf", ringbuf::run),
    ("btf", btf::run),
    ("codegen", codegen::run),
    ("unsafe", unsafe_code::run),
    ("scale", scale::run),
    ("scale-quick", scale::run_quick),
    ("vm", vm::run),
    ("page", page::run),
];

/// Those that run only when they are named: they take minutes, or measure nothing.
const ONLY_NAMED: [&str; 4] = ["scale", "scale-quick", "vm", "page"];

fn main() -> ExitCode {
    link::intercept();
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let known = |name: &String| BENCHES.iter().any(|(known, _)| known == name);
    if let Some(unknown) = wanted.iter().find(|name| !known(name)) {
        let names: Vec<&str> = BENCHES.iter().map(|(name, _)| *name).collect();
        eprintln!("no benchmark `{unknown}`; there are {}", names.join(", "));
        return ExitCode::from(2);
    }
    for (name, bench) in BENCHES {
        let is_wanted = match wanted.is_empty() {
            true => !ONLY_NAMED.contains(name),
            false => wanted.iter().any(|wanted| wanted == name),
        };
        if !is_wanted {
            continue;
        }
        println!("== {name}");
        // What was measured is kept also where a limit is exceeded.
        let done = bench();
        let figures = figures::take();
        let kept = match figures.is_empty() {
            true => Ok(()),
            false => record::write(name, figures),
        };
        if let Err(error) = done.and(kept) {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
