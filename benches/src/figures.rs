//! The figures of a benchmark: printed as they come, and kept in a file for the page of
//! measurements. Programs that measure on their own include this file as a module.
#![allow(dead_code, reason = "each program uses a part of it")]

use serde_json::{Value, json};
use std::sync::Mutex;

/// What a figure is counted in. Times are kept in seconds and shown in what suits them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Seconds,
    /// Ours by the peer's.
    Ratio,
    Kibibytes,
    Bytes,
    /// Things that are counted, such as instructions.
    Count,
    MegaPackets,
}

impl Unit {
    /// By which a file names it.
    pub const ALL: [(Unit, &'static str); 6] = [
        (Unit::Seconds, "s"),
        (Unit::Ratio, "ratio"),
        (Unit::Kibibytes, "KiB"),
        (Unit::Bytes, "bytes"),
        (Unit::Count, "count"),
        (Unit::MegaPackets, "M packets/s"),
    ];

    pub fn name(self) -> &'static str {
        let found = Unit::ALL.iter().find(|(unit, _)| *unit == self);
        found.map_or("", |(_, name)| name)
    }

    pub fn named(name: &str) -> Option<Unit> {
        let found = Unit::ALL.iter().find(|(_, known)| *known == name);
        found.map(|(unit, _)| *unit)
    }

    /// A figure as it is read.
    pub fn shown(self, value: f64) -> String {
        match self {
            Unit::Seconds => match value {
                s if s >= 1.0 => format!("{s:.2} s"),
                s if s >= 1e-3 => format!("{:.2} ms", s * 1e3),
                s if s >= 1e-6 => format!("{:.1} µs", s * 1e6),
                s => format!("{:.1} ns", s * 1e9),
            },
            Unit::Ratio => format!("{value:.2}×"),
            Unit::Kibibytes => format!("{value:.0} KiB"),
            Unit::Bytes | Unit::Count => format!("{value:.0}"),
            Unit::MegaPackets => format!("{value:.2} M/s"),
        }
    }
}

/// What a figure should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    None,
    /// At most this.
    Below(f64),
    /// At least this.
    Above(f64),
}

impl Goal {
    pub fn is_met(self, value: f64) -> bool {
        match self {
            Goal::None => true,
            Goal::Below(most) => value <= most,
            Goal::Above(least) => value >= least,
        }
    }

    fn shown(self, unit: Unit) -> Option<String> {
        match self {
            Goal::None => None,
            Goal::Below(most) => Some(format!("≤ {}", unit.shown(most))),
            Goal::Above(least) => Some(format!("≥ {}", unit.shown(least))),
        }
    }
}

/// What has been measured since the last [`take`]; the first is the heading of those to come.
static KEPT: Mutex<(String, Vec<Value>)> = Mutex::new((String::new(), Vec::new()));

/// A heading for the figures that follow; an empty one ends it.
pub fn group(heading: &str) {
    if !heading.is_empty() {
        println!("  {heading}:");
    }
    KEPT.lock().expect("nobody panics with it").0 = heading.to_owned();
}

/// Keeps a figure without printing it: for what is printed as a table.
pub fn keep(what: &str, value: f64, unit: Unit, goal: Goal) {
    let mut kept = KEPT.lock().expect("nobody panics with it");
    let heading = kept.0.clone();
    kept.1.push(json!({
        "group": heading,
        "what": what,
        "value": value,
        "unit": unit.name(),
        "goal": goal.shown(unit),
        "met": goal.is_met(value),
    }));
}

/// Prints a figure, with the goal and whether it is met, and keeps it.
pub fn figure(what: &str, value: f64, unit: Unit, goal: Goal) {
    keep(what, value, unit, goal);
    let verdict = match (goal.shown(unit), goal.is_met(value)) {
        (None, _) => String::new(),
        (Some(goal), true) => format!("goal {goal}: met"),
        (Some(goal), false) => format!("goal {goal}: MISSED"),
    };
    println!("  {what:44} {:>11}  {verdict}", unit.shown(value));
}

/// All that was kept; from now on, others are.
pub fn take() -> Vec<Value> {
    let mut kept = KEPT.lock().expect("nobody panics with it");
    kept.0.clear();
    std::mem::take(&mut kept.1)
}

/// Keeps what another program has written.
pub fn adopt(figures: Vec<Value>) {
    KEPT.lock()
        .expect("nobody panics with it")
        .1
        .extend(figures);
}
