//! What tests ran in virtual machines: source lines, stacks, instructions.
//!
//! Each machine of a test leaves files in a directory of ours, which are put together here.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hachi_linker::write_file;
use hachi_obj::file;
use hachi_vm::{Coverage, Profile};
use serde_json::Value;
use tempfile::TempDir;

use super::cargo;
use crate::failure::{Failure, Result};

use crate::output::{Output, path_text, say};

/// Names the directory for the tests.
const DIRECTORY: &str = "HACHI_TEST_RECORD";

/// No source file is as large as this, nor what one machine leaves.
const LARGEST: u64 = 64 << 20;

/// Where the results go.
#[derive(Debug, Default, clap::Args)]
pub struct Wanted {
    /// Write which lines of the eBPF programs ran in virtual machines: DIR/lcov.info for tools,
    /// DIR/annotated.txt to read
    #[arg(long, value_name = "DIR", conflicts_with = "kernel")]
    coverage: Option<PathBuf>,
    /// Write the instructions that ran in virtual machines by function and line, as folded stacks
    #[arg(long, value_name = "FILE", conflicts_with = "kernel")]
    profile: Option<PathBuf>,
}

/// How often a program ran in a test, its instructions in all, and those of the longest run.
#[derive(Default)]
struct Cost {
    runs: u64,
    all: u64,
    most: u64,
}

/// The directory that tests leave their records in.
pub struct Records(TempDir);

impl Wanted {
    /// Makes `cargo test` leave records, if any are wanted.
    pub fn set_up(&self, command: &mut Command) -> Result<Option<Records>> {
        if self.coverage.is_none() && self.profile.is_none() {
            return Ok(None);
        }
        let directory = TempDir::new().map_err(|error| Failure::because("", &error))?;
        command.env(DIRECTORY, directory.path());
        Ok(Some(Records(directory)))
    }

    /// Puts the records together.
    pub fn write(&self, records: &Records, out: &mut Output) -> Result {
        let (mut coverage, mut profile) = (Coverage::default(), Profile::default());
        let mut costs: BTreeMap<(String, String), Cost> = BTreeMap::new();
        let directory = records.0.path();
        let failed = |error| Failure::because(directory.display(), &error);
        let mut found = false;
        let sources = Sources::find();
        for entry in fs::read_dir(directory).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let text = file::read_text(&path, LARGEST)
                .map_err(|error| Failure::because(path.display(), &error))?;
            let kind = path.extension().unwrap_or_default();
            let read = match kind.to_str() {
                Some("coverage") => Coverage::parse(&text).map(|mut one| {
                    one.rename(|name, lines| sources.path(name, lines));
                    coverage.merge(one);
                }),
                Some("profile") => profile.add_folded(&text).then_some(()),
                Some("costs") => add_costs(&mut costs, &text),
                _ => Some(()),
            };
            read.ok_or_else(|| {
                Failure::new(format!("{} is no record of this hachi", path.display()))
                    .help("hachi-test in Cargo.toml should be of the same version as `hachi`")
            })?;
            found = true;
        }
        if !found {
            return Err(Failure::new("no test ran a program in the virtual machine")
                .help("`#[hachi_test::test(OBJECT)]` makes tests that do"));
        }
        if let Some(directory) = &self.coverage {
            write_coverage(directory, &coverage)?;
            let (ran, all) = coverage.lines();
            let shown = path_text(&directory.join("annotated.txt"));
            say!(out, format_args!("{ran} of {all} lines ran: "), shown)?;
        }
        if let Some(path) = &self.profile {
            let written = write_file(path, profile.folded().as_bytes());
            written.map_err(|error| Failure::because(path.display(), &error))?;
        }
        table(&costs, out)
    }
}

fn write_coverage(directory: &Path, coverage: &Coverage) -> Result {
    let annotated = coverage.annotated(|name| file::read_text(Path::new(name), LARGEST).ok());
    let write = || {
        fs::create_dir_all(directory)?;
        write_file(&directory.join("lcov.info"), coverage.to_lcov().as_bytes())?;
        write_file(&directory.join("annotated.txt"), annotated.as_bytes())
    };
    write().map_err(|error: std::io::Error| Failure::because(directory.display(), &error))
}

/// Adds lines of `RUNS ALL MOST PROGRAM TEST`.
fn add_costs(costs: &mut BTreeMap<(String, String), Cost>, text: &str) -> Option<()> {
    for line in text.lines() {
        let mut parts = line.splitn(5, ' ');
        let mut number = || parts.next()?.parse::<u64>().ok();
        let (runs, all, most) = (number()?, number()?, number()?);
        let (program, test) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        let cost = costs.entry((test, program)).or_default();
        cost.runs += runs;
        cost.all = cost.all.saturating_add(all);
        cost.most = cost.most.max(most);
    }
    Some(())
}

fn table(costs: &BTreeMap<(String, String), Cost>, out: &mut Output) -> Result {
    out.table(
        ["test", "program", "runs", "most instructions", "average"],
        costs.iter().map(|((test, program), cost)| {
            [
                test.clone(),
                program.clone(),
                cost.runs.to_string(),
                cost.most.to_string(),
                (cost.all / cost.runs.max(1)).to_string(),
            ]
        }),
    )
}

/// Where source files may be: objects name them as the compiler saw them, from the directory of
/// their package.
struct Sources(Vec<PathBuf>);

impl Sources {
    /// The directories of the workspace and its packages.
    fn find() -> Sources {
        let mut directories = Vec::new();
        let mut metadata = cargo();
        metadata.args(["metadata", "--no-deps", "--format-version", "1"]);
        if let Ok(output) = metadata.output()
            && let Ok(document) = serde_json::from_slice::<Value>(&output.stdout)
        {
            let packages = document["packages"].as_array().into_iter().flatten();
            let manifests = packages.filter_map(|package| package["manifest_path"].as_str());
            let parents = manifests.filter_map(|manifest| Path::new(manifest).parent());
            directories.extend(parents.map(Path::to_owned));
            directories.extend(document["workspace_root"].as_str().map(PathBuf::from));
        }
        Sources(directories)
    }

    /// The file of this name that has these lines.
    fn path(&self, name: &str, lines: &mut dyn Iterator<Item = (u32, &str)>) -> Option<String> {
        let known: Vec<(u32, &str)> = lines.filter(|(_, text)| !text.is_empty()).collect();
        let is_it = |path: &PathBuf| {
            let Ok(text) = file::read_text(path, LARGEST) else {
                return false;
            };
            let here: Vec<&str> = text.lines().collect();
            known.iter().all(|(line, text)| {
                let at = (*line as usize).wrapping_sub(1);
                here.get(at).is_some_and(|here| here.trim() == text.trim())
            })
        };
        let mut paths = self.0.iter().map(|directory| directory.join(name));
        let path = paths.find(is_it)?;
        path.to_str().map(str::to_owned)
    }
}
