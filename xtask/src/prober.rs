//! `cargo xtask prober`: every kind of program, map and link, by libbpf and by Hachi.
//!
//! The table is `tests/prober`'s. It is apart from the workspace, because it builds libbpf.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use tinyjson::JsonValue;

use crate::install;
use crate::matrix;
use crate::shell::{Result, capture, cargo, root, run as run_command, target_dir};

/// The kernels that are asked, besides the one here.
const KERNELS: &str = "5.10,6.1,6.12,7.3";

/// A kernel's table.
struct Table {
    kernel: String,
    /// What works by libbpf, and by Hachi: `libbpf 97 | Hachi 97 (12 s)`.
    total: String,
    /// What works by one of the two alone.
    differences: Vec<String>,
}

impl Table {
    /// Of a test's output.
    fn parse(kernel: &str, output: &str) -> Result<Self> {
        let rows = output
            .lines()
            .filter_map(|line| Some(line.split_once("prober ")?.1));
        let mut total = None;
        let mut differences = Vec::new();
        for row in rows {
            if let Some(counts) = row.strip_prefix("total: ") {
                total = Some(counts.to_owned());
            } else if is_different(row) {
                differences.push(row.to_owned());
            }
        }
        Ok(Table {
            kernel: kernel.to_owned(),
            total: total.ok_or_else(|| format!("{kernel}: the table has no end"))?,
            differences,
        })
    }
}

/// Whether a row, `NAME: libbpf … | Hachi …`, works by one alone.
fn is_different(row: &str) -> bool {
    row.contains(": libbpf works | ") != row.ends_with(" | Hachi works")
}

/// `cargo xtask prober [VERSION…]`: here and on these kernels, or on all.
pub fn run(arguments: &[&str]) -> Result<ExitCode> {
    let kernels = match arguments {
        [] => KERNELS.to_owned(),
        named => named.join(","),
    };
    run_command(cargo(root()).args(["build", "--quiet", "--package", "hachi-cli"]))?;
    for line in tables(&target_dir().join("debug/hachi"), &kernels)? {
        println!("{line}");
    }
    Ok(ExitCode::SUCCESS)
}

/// What is missing to build it.
pub fn obstacle() -> Option<String> {
    install::ensure(&[install::LIBELF])
        .pop()
        .map(|(_, reason)| reason)
}

/// Makes the tables here and on the kernels. What works by libbpf and not by Hachi is an error; the
/// lines are what there is to tell otherwise.
pub fn tables(hachi: &Path, kernels: &str) -> Result<Vec<String>> {
    let directory = root().join("tests/prober");
    let target = target_dir();
    let mut tables = Vec::new();
    if let Err(reason) = hachi_test::bpf_available() {
        println!("  nothing is tried here: {reason}");
    } else {
        let mut here = cargo(&directory);
        here.args(["test", "--quiet", "--test", "prober", "--test", "objects"])
            .arg("--target-dir")
            .arg(&target)
            .args(["--", "--nocapture"]);
        tables.push(Table::parse("here", &capture(&mut here)?)?);
    }
    if let Some(reason) = matrix::obstacle() {
        println!("  no other kernels: {reason}");
    } else {
        tables.extend(in_guests(hachi, kernels, &directory)?);
    }
    let mut lines = Vec::new();
    for table in tables {
        lines.push(format!("  {:8} {}", table.kernel, table.total));
        lines.extend(
            table
                .differences
                .iter()
                .map(|row| format!("           {row}")),
        );
    }
    Ok(lines)
}

fn in_guests(hachi: &Path, kernels: &str, directory: &Path) -> Result<Vec<Table>> {
    let reports: PathBuf = target_dir().join("prober");
    let mut guests = Command::new(hachi);
    guests
        .current_dir(directory)
        .args(["test", "--kernel", kernels, "--timeout", "600"])
        .arg("--with")
        .arg(directory.join("objects"))
        .arg("--with")
        .arg(root().join("crates/hachi-obj/tests/data"))
        .arg("--report")
        .arg(&reports)
        .args([
            "--",
            "--test",
            "prober",
            "--test",
            "objects",
            "--target-dir",
        ])
        .arg(target_dir());
    run_command(&mut guests)?;
    kernels
        .split(',')
        .map(|kernel| {
            let path = reports.join(format!("{kernel}.json"));
            let report: JsonValue = std::fs::read_to_string(path)?.parse()?;
            let tests = report["tests"].get::<Vec<JsonValue>>().ok_or("no tests")?;
            let outputs: Vec<&str> = tests
                .iter()
                .filter_map(|test| test["output"].get::<String>())
                .map(String::as_str)
                .collect();
            Table::parse(kernel, &outputs.join("\n"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_rows_that_work_by_one_library_alone() {
        let output = "\
running 1 test
test each ... prober xdp: libbpf works | Hachi works
prober tcx: libbpf attach: no | Hachi attach: no
prober usdt: libbpf works | Hachi load: no
prober arena: libbpf load: no | Hachi works
prober total: libbpf 2 | Hachi 2 (1 s)
";
        let table = Table::parse("6.1", output).unwrap();
        assert_eq!(table.total, "libbpf 2 | Hachi 2 (1 s)");
        let names = table.differences.iter().map(|row| row.split(':').next());
        let names: Vec<&str> = names.flatten().collect();
        assert_eq!(names, ["usdt", "arena"]);
        assert!(Table::parse("6.1", "prober xdp: libbpf works").is_err());
    }
}
