//! Opening and loading objects of more and more programs.

use super::curve::{Curve, Point};
use super::sources::{Wanted, object};
use crate::load::{loader, numbers};
use crate::tools::{Result, libbpf, median, succeed};
use hachi_test::bpf_available;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Processes for each figure.
const PROCESSES: usize = 7;

/// What is done with an object.
struct Series {
    name: &'static str,
    /// How the loaders call it.
    mode: &'static str,
    records: usize,
    shared: usize,
    programs: &'static [usize],
    /// Of time and of memory, at the right end.
    limits: [f64; 2],
    needs_kernel: bool,
}

const SERIES: &[Series] = &[
    Series {
        name: "open-shared",
        mode: "open",
        records: 0,
        shared: 13_000,
        programs: &[1, 10, 100, 500, 1000],
        limits: [1.5, 1.5],
        needs_kernel: false,
    },
    Series {
        name: "open-core",
        mode: "open",
        records: 100,
        shared: 0,
        programs: &[1, 10, 100, 1000],
        limits: [1.0, 1.2],
        needs_kernel: false,
    },
    Series {
        name: "load-one",
        mode: "one",
        records: 100,
        shared: 0,
        programs: &[1, 10, 100, 1000],
        limits: [0.8, 1.2],
        needs_kernel: true,
    },
    Series {
        name: "load-all",
        mode: "all",
        records: 100,
        shared: 0,
        programs: &[1, 10, 100, 1000],
        limits: [0.6, 1.2],
        needs_kernel: true,
    },
];

/// Programs that take an object, a count and what to do: ours, and libbpf's.
pub fn loaders() -> Result<[PathBuf; 2]> {
    Ok([loader()?, libbpf("load")?])
}

pub fn curves() -> Result<Vec<Curve>> {
    let loaders = loaders()?;
    let mut curves = Vec::new();
    for series in SERIES {
        if series.needs_kernel
            && let Err(reason) = bpf_available()
        {
            println!("  {} skipped: {reason}", series.name);
            continue;
        }
        curves.extend(series.measure(&loaders)?);
    }
    Ok(curves)
}

impl Series {
    /// Curves of time and of memory.
    fn measure(&self, loaders: &[PathBuf; 2]) -> Result<[Curve; 2]> {
        let (mut time, mut memory) = (Vec::new(), Vec::new());
        for &programs in self.programs {
            let Series {
                records, shared, ..
            } = *self;
            let object = object(Wanted {
                programs,
                records,
                shared,
            })?;
            let [ours, theirs] = self.figures(loaders, &object)?;
            let work = programs as f64;
            let point = |at: usize| Point {
                work,
                ours: ours[at],
                theirs: theirs[at],
            };
            time.push(point(0));
            memory.push(point(1));
        }
        let curve = |what: &str, unit, points, limit| Curve {
            name: format!("{}-{what}", self.name),
            work: "programs",
            unit,
            peer: "libbpf",
            points,
            limit: Some(limit),
        };
        Ok([
            curve("time", "µs", time, self.limits[0]),
            curve("memory", "KiB", memory, self.limits[1]),
        ])
    }

    /// Medians of the time and the peak memory of each loader's process. They take turns.
    fn figures(&self, loaders: &[PathBuf; 2], object: &Path) -> Result<[[f64; 2]; 2]> {
        let mut samples = [const { Vec::new() }; 2];
        for round in 0..PROCESSES {
            for turn in 0..2 {
                // Who begins changes.
                let whose = (round + turn) % 2;
                let mut loader = Command::new(&loaders[whose]);
                let printed = succeed(loader.arg(object).args(["1", self.mode]))?;
                let [wall, _, peak] = numbers(&printed)?;
                samples[whose].push([wall, peak]);
            }
        }
        Ok(samples.map(|samples| {
            [0, 1].map(|at| median(&samples.iter().map(|sample| sample[at]).collect::<Vec<_>>()))
        }))
    }
}
