//! `hachi migrate`: a project for Aya becomes one for Hachi.

mod changes;
mod facades;
mod manifest;
mod project;
mod settings;
mod shape;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use hachi_build::Origin;
use serde_json::json;

use crate::failure::{Failure, Result};
use crate::origin::origin;
use crate::output::{Format, Output, bold, count, path_text, say};
use changes::{Change, Left};
use manifest::{Manifest, Style};
use project::{File, Project, Role};
use settings::Script;
use shape::Shape;

/// Turn a project for Aya into one for Hachi
///
/// The dependencies on Aya's crates become dependencies on Hachi's façades, which have the same
/// names and the same API, so that sources stay as they are. What was there for a nightly compiler
/// and bpf-linker goes: build-std, toolchain files, build scripts that look for the linker. What is
/// left to do by hand is printed with file and line. Either all files are changed or none.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi migrate --dry-run          # show the changes, make none
  hachi migrate
  hachi migrate firewall --shape 0.13
  hachi migrate --json")]
pub struct Args {
    /// The project: a workspace, or a package
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Print the changes as a diff, and make none
    #[arg(long)]
    dry_run: bool,
    /// The version of Aya that the sources are written for, instead of what the manifests ask for
    #[arg(long, value_name = "VERSION")]
    shape: Option<Shape>,
    #[command(flatten)]
    format: Format,
}

/// All that a migration does and leaves.
#[derive(Debug, Default)]
struct Plan {
    changes: Vec<Change>,
    left: Vec<Left>,
    /// What was decided by other signs than the manifests.
    notes: Vec<String>,
}

pub fn run(args: Args, out: &mut Output) -> Result {
    let manifest = args.path.join("Cargo.toml");
    if !manifest.is_file() {
        return Err(Failure::new(format!("there is no {}", manifest.display()))
            .help("give the directory of a workspace or a package"));
    }
    let origin = origin()?;
    let project = Project::read(&args.path)?;
    let plan = plan(&args.path, &project, args.shape, &origin)?;
    if !args.dry_run {
        changes::apply(&plan.changes)?;
    }
    let document = || {
        let changes = plan.changes.iter().map(|change| {
            json!({
                "file": path_text(&change.path),
                "removed": change.after.is_none(),
                "what": change.what,
                "diff": change.diff(&args.path),
            })
        });
        let left = plan.left.iter().map(
            |left| json!({ "file": path_text(&left.path), "line": left.line, "what": left.what }),
        );
        json!({
            "dry_run": args.dry_run,
            "changes": changes.collect::<Vec<_>>(),
            "left": left.collect::<Vec<_>>(),
            "notes": plan.notes,
        })
    };
    args.format
        .print(out, document, |out| show(&plan, &args, out))
}

fn show(plan: &Plan, args: &Args, out: &mut Output) -> Result {
    for change in &plan.changes {
        if args.dry_run {
            out.document(&change.diff(&args.path))?;
            continue;
        }
        let done = if change.after.is_some() {
            "changed"
        } else {
            "removed"
        };
        say!(out, done, " ", bold(change.path.display()))?;
        for what in &change.what {
            say!(out, "  ", what)?;
        }
    }
    for note in &plan.notes {
        say!(out, "note: ", note)?;
    }
    if !plan.left.is_empty() {
        say!(out)?;
        say!(out, "Left to do by hand:")?;
        for left in &plan.left {
            say!(
                out,
                "  ",
                left.path.display(),
                ":",
                left.line,
                ": ",
                left.what
            )?;
        }
    }
    let files = count(plan.changes.len(), "file");
    let is_left = !plan.left.is_empty();
    if is_left || !plan.changes.is_empty() {
        say!(out)?;
    }
    match (plan.changes.is_empty(), is_left, args.dry_run) {
        (true, false, _) => say!(out, "nothing to change: the project uses Hachi already"),
        (true, true, _) => say!(out, "no file was changed: the rest is to be done by hand"),
        (_, _, true) => say!(out, files, " would change; nothing was written"),
        (_, true, _) => say!(out, files, " changed; the rest is to be done by hand"),
        (_, false, _) => say!(out, files, " changed; `cargo build` goes on from here"),
    }
}

fn plan(root: &Path, project: &Project, shape: Option<Shape>, origin: &Origin) -> Result<Plan> {
    let mut plan = Plan::default();
    let mut manifests = Vec::new();
    for file in project.of(Role::Manifest) {
        let manifest =
            Manifest::parse(&file.path, &file.text).map_err(|error| malformed(file, &error))?;
        manifests.push(manifest);
    }
    let mut concerned = false;
    for manifest in &mut manifests {
        concerned |= manifest.is_concerned();
    }
    if !concerned {
        return Err(
            Failure::new(format!("{} does not depend on Aya", root.display()))
                .help("give the directory that holds the whole project"),
        );
    }
    outside_the_workspace(root, &mut manifests)?;
    let shapes = shapes(project, &mut manifests, shape, &mut plan)?;
    let scripts = scripts(project, &manifests, &mut plan);
    for manifest in &mut manifests {
        let dir = dir_of(manifest.path);
        let script = scripts.get(dir).copied().unwrap_or(Script::Other);
        manifest.rename(&Style {
            origin,
            shape: shapes
                .get(&workspace_of(dir, root, project))
                .copied()
                .unwrap_or(Shape::Current),
            // A workspace's dependency is for all of its members.
            old_build: match manifest.is_workspace() {
                true => scripts.values().any(|script| *script == Script::OldBuild),
                false => script == Script::OldBuild,
            },
        });
        if script == Script::FindsLinker {
            let file = manifest.build_script().to_owned();
            manifest.remove_build_script(&file);
            manifest.remove_build_dependency("which");
        }
        let after = manifest.finish();
        if after != manifest.text {
            plan.changes.push(Change {
                path: manifest.path.into(),
                before: manifest.text.into(),
                after: Some(after),
                what: std::mem::take(&mut manifest.what),
            });
        }
        plan.left.append(&mut manifest.left);
    }
    configs(project, &mut plan)?;
    toolchains(project, &mut plan);
    by_hand(project, &mut plan);
    plan.changes.sort_by(|a, b| a.path.cmp(&b.path));
    plan.left.sort();
    plan.left.dedup();
    Ok(plan)
}

fn malformed(file: &File, error: &toml_edit::TomlError) -> Failure {
    Failure::report(
        crate::Kind::Failed,
        format!("{} is malformed:\n{error}", file.path.display()),
    )
}

fn dir_of(manifest: &Path) -> &Path {
    manifest.parent().unwrap_or(Path::new(""))
}

/// A member whose dependencies are those of a workspace above it cannot be migrated alone.
fn outside_the_workspace(root: &Path, manifests: &mut [Manifest<'_>]) -> Result {
    if manifests
        .iter()
        .any(|manifest| manifest.path.parent() == Some(root) && manifest.is_workspace())
    {
        return Ok(());
    }
    for manifest in manifests {
        let inherited = manifest.inherited();
        let Some(name) = inherited.first() else {
            continue;
        };
        let dir = dir_of(manifest.path);
        let has_root = dir
            .ancestors()
            .skip(1)
            .take_while(|dir| dir.starts_with(root))
            .any(|dir| {
                std::fs::read_to_string(dir.join("Cargo.toml")).is_ok_and(|text| {
                    text.lines()
                        .any(|line| line.trim().starts_with("[workspace"))
                })
            });
        if !has_root {
            return Err(Failure::new(format!(
                "{} takes `{name}` from a workspace that is not below {}",
                manifest.path.display(),
                root.display()
            ))
            .help("run `hachi migrate` on the workspace's directory"));
        }
    }
    Ok(())
}

/// The directory of the workspace that `dir` belongs to: the nearest above that has a lock file or
/// says `[workspace]`, else `root`.
fn workspace_of(dir: &Path, root: &Path, project: &Project) -> PathBuf {
    let is_workspace = |dir: &Path| {
        project
            .of(Role::Lock)
            .any(|lock| lock.path.parent() == Some(dir))
            || project.of(Role::Manifest).any(|manifest| {
                manifest.path.parent() == Some(dir)
                    && manifest
                        .text
                        .lines()
                        .any(|line| line.trim().starts_with("[workspace"))
            })
    };
    dir.ancestors()
        .take_while(|dir| dir.starts_with(root))
        .find(|dir| is_workspace(dir))
        .unwrap_or(root)
        .to_path_buf()
}

/// The shape that each workspace's sources need.
fn shapes(
    project: &Project,
    manifests: &mut [Manifest<'_>],
    given: Option<Shape>,
    plan: &mut Plan,
) -> Result<BTreeMap<PathBuf, Shape>> {
    let root = manifests
        .iter()
        .map(|manifest| dir_of(manifest.path))
        .min_by_key(|dir| dir.components().count())
        .unwrap_or(Path::new(""))
        .to_path_buf();
    let mut found: BTreeMap<PathBuf, BTreeMap<Shape, PathBuf>> = BTreeMap::new();
    for manifest in manifests {
        let dir = dir_of(manifest.path);
        let workspace = workspace_of(dir, &root, project);
        let lock = project
            .of(Role::Lock)
            .find(|lock| lock.path.parent() == Some(&workspace));
        let locked = lock.and_then(|lock| shape::locked(&lock.text));
        for asked in manifest.asked() {
            let shape = match (given, shape::shape_of(&asked, locked)) {
                (Some(given), _) => given,
                (None, Some(shape)) => shape,
                (None, None) => {
                    let (shape, sign) = told_by_sources(project, &workspace);
                    plan.notes.push(format!(
                        "{} does not say which Aya it was written for; taken for {shape}, since \
                         {sign} (--shape says otherwise)",
                        manifest.path.display()
                    ));
                    shape
                }
            };
            let shapes = found.entry(workspace.clone()).or_default();
            shapes.entry(shape).or_insert_with(|| manifest.path.into());
        }
    }
    let mut shapes = BTreeMap::new();
    for (workspace, by_shape) in found {
        let mut by_shape = by_shape.into_iter();
        let Some((shape, first)) = by_shape.next() else {
            continue;
        };
        if let Some((other, second)) = by_shape.next() {
            return Err(Failure::new(format!(
                "{} is written for Aya {shape} and {} for {other}: cargo builds one façade for a \
                 whole workspace",
                first.display(),
                second.display()
            ))
            .help("bring the members to one version, or choose one with --shape"));
        }
        shapes.insert(workspace, shape);
    }
    Ok(shapes)
}

/// The shape that sources look like, and by what.
fn told_by_sources(project: &Project, dir: &Path) -> (Shape, String) {
    let mut bpf = None;
    for file in project.sources_below(dir) {
        for (at, line) in file.text.lines().enumerate() {
            let place = || format!("{}:{}", file.path.display(), at + 1);
            // Until 0.10 what is missing was an error.
            if line.contains("program_mut(\"") && line.contains("\")?") {
                return (Shape::Current, format!("{} takes a Result", place()));
            }
            if line.contains("Ebpf::load") || line.contains("EbpfLoader::new") {
                return (Shape::Current, format!("{} says `Ebpf`", place()));
            }
            if bpf.is_none() && (line.contains("Bpf::load") || line.contains("BpfLoader::new")) {
                bpf = Some(place());
            }
        }
    }
    match bpf {
        Some(place) => (
            Shape::V0_13,
            format!("{place} says `Bpf` and takes no Result"),
        ),
        None => (Shape::Current, "no source loads an object".into()),
    }
}

/// What the build scripts do, by the directory of their package; those that only look for the
/// linker go.
fn scripts(
    project: &Project,
    manifests: &[Manifest<'_>],
    plan: &mut Plan,
) -> BTreeMap<PathBuf, Script> {
    let mut scripts = BTreeMap::new();
    for manifest in manifests {
        let path = dir_of(manifest.path).join(manifest.build_script());
        let Some(file) = project.of(Role::Source).find(|file| file.path == path) else {
            continue;
        };
        let script = settings::script(&file.text);
        if script == Script::FindsLinker {
            plan.changes.push(Change {
                path: file.path.clone(),
                before: file.text.clone(),
                after: None,
                what: vec!["the build script that looks for bpf-linker is gone".into()],
            });
        }
        scripts.insert(dir_of(manifest.path).to_path_buf(), script);
    }
    scripts
}

fn configs(project: &Project, plan: &mut Plan) -> Result {
    for file in project.of(Role::Config) {
        let outcome = settings::config(&file.path, &file.text, &mut plan.left)
            .map_err(|error| malformed(file, &error))?;
        if let Some(outcome) = outcome {
            plan.changes.push(Change {
                path: file.path.clone(),
                before: file.text.clone(),
                after: outcome.after,
                what: outcome.what,
            });
        }
    }
    Ok(())
}

/// Removes the choice of a nightly compiler where nothing needs one.
fn toolchains(project: &Project, plan: &mut Plan) {
    for file in project.of(Role::Toolchain) {
        if !settings::chooses_nightly(&file.text) {
            continue;
        }
        let features = project
            .sources_below(dir_of(&file.path))
            .find_map(|source| {
                let line = source
                    .text
                    .lines()
                    .position(|line| line.trim().starts_with("#![feature("))?;
                Some((source.path.clone(), line + 1))
            });
        match features {
            None => plan.changes.push(Change {
                path: file.path.clone(),
                before: file.text.clone(),
                after: None,
                what: vec!["no nightly compiler is needed".into()],
            }),
            Some((path, line)) => plan.left.push(Left {
                path,
                line,
                what: format!(
                    "uses a feature of nightly compilers, so {} stays",
                    file.path.display()
                ),
            }),
        }
    }
}

/// Signs of the old way to build, in files that stay, and what to do about them.
const SIGNS: [(&str, &str); 3] = [
    (
        "build-std",
        "starts cargo with build-std; `hachi build DIR --out DIR` builds the programs, or \
         `aya_build::build_ebpf` in a build script",
    ),
    ("bpf-linker", "speaks of bpf-linker, which is not needed"),
    (
        "+nightly",
        "asks for a nightly compiler, which is not needed",
    ),
];

fn by_hand(project: &Project, plan: &mut Plan) {
    let gone: BTreeSet<&Path> = plan
        .changes
        .iter()
        .filter(|change| change.after.is_none())
        .map(|change| change.path.as_path())
        .collect();
    let mut left = Vec::new();
    for role in [Role::Source, Role::Other] {
        for file in project
            .of(role)
            .filter(|file| !gone.contains(file.path.as_path()))
        {
            for (sign, what) in SIGNS {
                let lines = file.text.lines().enumerate().filter(|(_, line)| {
                    let comment = role == Role::Source && line.trim().starts_with("//");
                    line.contains(sign) && !comment
                });
                for (at, _) in lines {
                    left.push(Left {
                        path: file.path.clone(),
                        line: at + 1,
                        what: what.into(),
                    });
                }
            }
        }
    }
    drop(gone);
    plan.left.append(&mut left);
}
