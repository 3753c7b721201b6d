//! How costs grow with the work: each curve beside libbpf's, taken in turns in one run.
//!
//! A curve has two limits: its exponent is at most the peer's and a little, and the ratio at its
//! right end at most a goal. Plots and a record go to the scratch directory. With `--quick`,
//! instructions are counted instead of time, which gives the same figures each time, and only
//! exponents have limits.

mod counts;
mod curve;
mod loads;
mod plot;
mod rings;
mod sources;

use crate::figures::{Goal, Unit, keep};
use crate::tools::{Result, scratch};
use curve::Curve;
use serde_json::json;
use std::fs;

pub fn run() -> Result {
    let mut curves = loads::curves()?;
    curves.extend(rings::curves()?);
    finish("scale", &curves)
}

pub fn run_quick() -> Result {
    finish("scale-quick", &counts::curves()?)
}

/// Prints, draws and records the curves.
fn finish(name: &str, curves: &[Curve]) -> Result {
    let directory = scratch(name)?;
    for curve in curves {
        curve.print();
        if let Some(ratio) = curve.ratio() {
            let goal = curve.limit.map_or(Goal::None, Goal::Below);
            keep(&curve.name, ratio, Unit::Ratio, goal);
        }
        plot::draw(curve, &directory.join(format!("{}.svg", curve.name)))?;
    }
    let record: Vec<_> = curves.iter().map(Curve::record).collect();
    let file = directory.join("record.json");
    fs::write(
        &file,
        serde_json::to_string_pretty(&json!({ "curves": record }))?,
    )?;
    println!("  record and plots: {}", directory.display());
    let missed: Vec<&str> = curves
        .iter()
        .filter(|curve| !curve.is_met())
        .map(|curve| curve.name.as_str())
        .collect();
    match missed.is_empty() {
        true => Ok(()),
        false => Err(format!("over their limits: {}", missed.join(", ")).into()),
    }
}
