//! Instructions that opening an object takes, counted by valgrind: the same each time.

use super::curve::{Curve, Point};
use super::loads::loaders;
use super::sources::{Wanted, object};
use crate::tools::Result;
use std::path::Path;
use std::process::Command;

const PROGRAMS: [usize; 3] = [30, 100, 300];

pub fn curves() -> Result<Vec<Curve>> {
    let loaders = loaders()?;
    let mut curves = Vec::new();
    for (name, records, shared) in [("open-shared", 0, 13_000), ("open-core", 20, 0)] {
        let mut points = Vec::new();
        for programs in PROGRAMS {
            let object = object(Wanted {
                programs,
                records,
                shared,
            })?;
            points.push(Point {
                work: programs as f64,
                ours: instructions(&loaders[0], &object)?,
                theirs: instructions(&loaders[1], &object)?,
            });
        }
        curves.push(Curve {
            name: format!("{name}-instructions"),
            work: "programs",
            unit: "instructions",
            peer: "libbpf",
            points,
            limit: None,
        });
    }
    Ok(curves)
}

fn instructions(loader: &Path, object: &Path) -> Result<f64> {
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(loader)
        .arg(object)
        .args(["1", "open"]);
    let output = valgrind
        .output()
        .map_err(|error| format!("needs valgrind: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    // ==PID== Collected : NUMBER
    let count = said
        .lines()
        .find_map(|line| line.split_once("Collected :"))
        .and_then(|(_, number)| number.trim().parse().ok());
    match count {
        Some(count) if output.status.success() => Ok(count),
        _ => Err(format!("valgrind did not count {}:\n{said}", loader.display()).into()),
    }
}
