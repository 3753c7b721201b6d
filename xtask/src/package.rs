//! `cargo xtask package`: what users will get from a registry, checked before they do.
//!
//! Every crate that is not `publish = false` is packaged, and what is in the package is looked at.
//! Then a directory stands in for the registry: the command is installed from it, starts a project,
//! and the project is built, all offline and without the repository.

use crate::api;
use crate::packages::{self, Package};
use crate::shell::{Result, capture, cargo, root, run as run_command, rustc_release, target_dir};
use hachi_test::TempDir;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The largest file that a package may hold, in bytes. The longest generated table is half of it.
const LARGEST_FILE: u64 = 300 << 10;
/// The largest compressed package, in bytes.
const LARGEST_PACKAGE: u64 = 512 << 10;
/// What a package may hold at its top, beside licence texts.
const TOP: &[&str] = &[
    ".cargo_vcs_info.json",
    "Cargo.lock",
    "Cargo.toml",
    "Cargo.toml.orig",
    "README.md",
    "build.rs",
    "pages",
    "src",
    "templates",
];
/// Licences, as manifests name them, and the files with their texts.
const LICENCES: [(&str, &str); 3] = [
    ("MIT", "LICENSE-MIT"),
    ("Apache-2.0", "LICENSE-APACHE"),
    ("GPL-2.0", "LICENSE-GPL2"),
];

/// Runs `cargo xtask package`.
pub fn run(options: &[&str]) -> Result<ExitCode> {
    match options {
        [] => {
            for reason in check()? {
                println!("skipped: {reason}");
            }
        }
        ["--api"] => api::write(&packages::read()?)?,
        _ => {
            eprintln!("cargo xtask package [--api]");
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Checks it all; gives the reason for what could not be checked here.
pub fn check() -> Result<Vec<String>> {
    let packages = packages::read()?;
    let published = packages::release_order(&packages)?;
    told(problems(&packages, &published)?)?;

    let registry = Registry::vendor()?;
    make(&published)?;
    let mut problems = Vec::new();
    for package in &published {
        let unpacked = registry.add(package, &crate_file(package))?;
        let size = fs::metadata(crate_file(package))?.len();
        problems.extend(content_problems(package, &unpacked, size)?);
    }
    told(problems)?;
    println!("packaged {} crates", published.len());
    try_out(&registry, &published[0].version)?;

    match oldest_is_this_one(&packages)? {
        None => api::compare(&packages).map(|()| Vec::new()),
        Some(reason) => Ok(vec![reason]),
    }
}

/// An error that names all the problems, if there are any.
pub fn told(problems: Vec<String>) -> Result {
    match problems.is_empty() {
        true => Ok(()),
        false => Err(problems.join("\n").into()),
    }
}

/// What manifests and pages lack for a release of the `published` crates.
pub fn problems(all: &[Package], published: &[&Package]) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for package in published {
        problems.extend(manifest_problems(package, all));
    }
    problems.extend(order_problems(published)?);
    for page in [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "docs/release.md",
    ] {
        problems.extend(missing_paths(page)?);
    }
    Ok(problems)
}

/// What the manifest of a published crate lacks.
fn manifest_problems(package: &Package, all: &[Package]) -> Vec<String> {
    let mut problems = Vec::new();
    for field in ["description", "readme", "rust_version"] {
        if !package.texts.contains_key(field) {
            problems.push(format!("no `{field}`"));
        }
    }
    for field in ["repository", "homepage", "documentation"] {
        if package.texts.contains_key(field) {
            problems.push(format!("`{field}` names a place that does not exist"));
        }
    }
    if !(1..=5).contains(&package.keywords) {
        problems.push("needs 1 to 5 keywords".into());
    }
    if !(1..=5).contains(&package.categories) {
        problems.push("needs 1 to 5 categories".into());
    }
    if !package.has_docs_metadata {
        problems.push("no [package.metadata.docs.rs]".into());
    }
    for dependency in &package.dependencies {
        let name = &dependency.name;
        let Some(other) = all.iter().find(|other| other.name == *name) else {
            continue;
        };
        let version = &other.version;
        if dependency.is_dev {
            // A version would have to be published first, and tests go round in circles.
            if dependency.requirement != "*" {
                problems.push(format!("the dev-dependency {name} may name a path only"));
            }
        } else if !["^", "="]
            .map(|sign| format!("{sign}{version}"))
            .contains(&dependency.requirement)
        {
            let asked = &dependency.requirement;
            problems.push(format!("asks for {name} {asked}, which is at {version}"));
        }
    }
    let readme = fs::read_to_string(package.dir.join("README.md")).unwrap_or_default();
    if !readme.starts_with(&format!("# {}\n", package.name)) || !readme.contains("\n```") {
        problems.push("README.md must begin with the crate's name, and have an example".into());
    }
    let manifest = package.dir.join("Cargo.toml");
    let manifest = manifest.strip_prefix(root()).unwrap_or(&manifest);
    let place = |problem| format!("{}: {problem}", manifest.display());
    problems.into_iter().map(place).collect()
}

/// Where the documented release order differs from the one that dependencies demand.
fn order_problems(published: &[&Package]) -> Result<Option<String>> {
    const PAGE: &str = "docs/release.md";
    let text = fs::read_to_string(root().join(PAGE))?;
    let written = documented_order(&text);
    let wanted: Vec<&str> = published
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    Ok((written != wanted).then(|| {
        let (written, wanted) = (written.join(", "), wanted.join(", "));
        format!("{PAGE} has the order\n  {written}\nbut dependencies demand\n  {wanted}")
    }))
}

/// The crates of a numbered list, "1. `name`".
fn documented_order(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| {
            let (number, rest) = line.split_once(". `")?;
            number.parse::<u32>().ok()?;
            let (name, _) = rest.split_once('`')?;
            // Steps that begin with a command are no crates.
            (!name.contains(' ')).then_some(name)
        })
        .collect()
}

/// Files and directories of this repository that a page names and that do not exist.
fn missing_paths(page: &str) -> Result<Vec<String>> {
    let text = fs::read_to_string(root().join(page))?;
    let missing = named_paths(&text)
        .into_iter()
        .filter(|path| !root().join(path).exists());
    Ok(missing
        .map(|path| format!("{page} names {path}, which does not exist"))
        .collect())
}

/// What stands in backticks and is a path of this repository.
fn named_paths(text: &str) -> Vec<&str> {
    const TOPS: [&str; 10] = [
        "benches/",
        "book/",
        "codegen/",
        "compat/",
        "crates/",
        "docs/",
        "ebpf/",
        "examples/",
        "tests/",
        "xtask/",
    ];
    let quoted = text.split('`').skip(1).step_by(2);
    quoted
        .filter(|words| TOPS.iter().any(|top| words.starts_with(top)))
        .filter(|words| !words.contains(char::is_whitespace))
        .collect()
}

/// `None` if the compiler in use is the oldest supported one, so that all of CI's builds check
/// `rust-version`.
fn oldest_is_this_one(packages: &[Package]) -> Result<Option<String>> {
    let mut versions: Vec<&str> = packages
        .iter()
        .map(|package| package.texts.get("rust_version").map_or("", String::as_str))
        .collect();
    versions.sort_unstable();
    versions.dedup();
    let [oldest] = versions[..] else {
        return Err(format!("crates differ in `rust-version`: {}", versions.join(", ")).into());
    };
    let release = rustc_release()?;
    if release.starts_with(&format!("{oldest}.")) {
        return Ok(None);
    }
    let reason = format!(
        "rust-version and the lists of the public API are those of Rust {oldest}, and this is \
         {release}"
    );
    // In CI somebody has to decide: a new `rust-version`, new lists, or the old compiler.
    match std::env::var_os("CI") {
        Some(_) => Err(reason.into()),
        None => Ok(Some(reason)),
    }
}

/// Makes cargo build our crates again in this target directory. It takes a registry's crate of one
/// version to be always the same.
pub fn forget_ours(target: &Path) -> Result {
    let Ok(entries) = fs::read_dir(target) else {
        return Ok(());
    };
    for entry in entries {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let is_fingerprint = path
            .parent()
            .is_some_and(|parent| parent.ends_with(".fingerprint"));
        if is_fingerprint && name.starts_with("hachi") {
            fs::remove_dir_all(&path)?;
        // `TARGET/PROFILE/.fingerprint`, below `hachi/` for the kernel side.
        } else if path.is_dir() && !["deps", "build", "incremental"].contains(&name.as_str()) {
            forget_ours(&path)?;
        }
    }
    Ok(())
}

/// Where our packages are put together and tried out.
fn work_dir() -> PathBuf {
    target_dir().join("package")
}

/// The file that `cargo package` makes of a crate.
fn crate_file(package: &Package) -> PathBuf {
    work_dir().join(format!("{}.crate", package.full_name()))
}

/// Packages the crates. They are verified all together, by [`try_out`].
fn make(published: &[&Package]) -> Result {
    let mut command = cargo(root());
    command.args(["package", "--no-verify", "--allow-dirty", "--locked"]);
    for package in published {
        command.args(["--package", &package.name]);
    }
    capture(&mut command).map(drop)
}

/// A directory that stands in for the registry.
pub struct Registry {
    dir: PathBuf,
    /// Cargo's home, with the configuration that replaces the registry.
    home: TempDir,
}

impl Registry {
    /// Makes one that holds what our crates and a new project need from others.
    pub fn vendor() -> Result<Registry> {
        let dir = work_dir().join("registry");
        let mut vendor = cargo(root());
        vendor.args(["vendor", "--quiet", "--versioned-dirs", "--locked"]);
        vendor
            .arg("--sync")
            .arg(root().join("examples/first-xdp/Cargo.toml"));
        capture(vendor.arg(&dir))?;
        let home = TempDir::new()?;
        let config = format!(
            "[source.crates-io]\nreplace-with = \"packaged\"\n\n\
             [source.packaged]\ndirectory = {dir:?}\n\n[net]\noffline = true\n"
        );
        fs::write(home.join("config.toml"), config)?;
        Ok(Registry { dir, home })
    }

    /// Unpacks a package into it; gives where it is.
    pub fn add(&self, package: &Package, file: &Path) -> Result<PathBuf> {
        let place = self.dir.join(package.full_name());
        if place.exists() {
            fs::remove_dir_all(&place)?;
        }
        let mut tar = Command::new("tar");
        capture(tar.arg("-xzf").arg(file).arg("-C").arg(&self.dir))?;
        let sum = capture(Command::new("sha256sum").arg(file))?;
        let sum = sum.split_whitespace().next().unwrap_or_default();
        let checksum = format!("{{\"files\":{{}},\"package\":\"{sum}\"}}");
        fs::write(place.join(".cargo-checksum.json"), checksum)?;
        Ok(place)
    }

    /// Cargo in `dir`, to which this directory is the registry, and which has no network.
    pub fn cargo(&self, dir: &Path) -> Command {
        let mut command = cargo(dir);
        self.set(&mut command);
        command
    }

    fn set(&self, command: &mut Command) {
        command
            .env("CARGO_HOME", self.home.path())
            .env("CARGO_NET_OFFLINE", "true")
            .env("HACHI_YES", "1")
            // Nothing here may know of the repository.
            .env_remove("HACHI_SRC")
            .env_remove("HACHI_PACKAGED")
            .env_remove("CARGO_MANIFEST_DIR");
    }
}

/// What is wrong with the files of a package that has `size` bytes, compressed.
fn content_problems(package: &Package, unpacked: &Path, size: u64) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    if size > LARGEST_PACKAGE {
        problems.push(format!("it has {size} bytes, compressed"));
    }
    let licences: Vec<&str> = LICENCES
        .iter()
        .filter(|(name, _)| {
            package
                .license
                .split(" OR ")
                .any(|licence| licence == *name)
        })
        .map(|(_, file)| *file)
        .collect();
    for file in &licences {
        let (ours, theirs) = (fs::read(root().join(file))?, fs::read(unpacked.join(file)));
        if theirs.ok().as_ref() != Some(&ours) {
            problems.push(format!("{file} is missing or is not the repository's"));
        }
    }
    if licences.is_empty() {
        problems.push(format!("the licence {:?} has no text", package.license));
    }
    let mut todo = vec![unpacked.to_owned()];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            let metadata = fs::symlink_metadata(&path)?;
            let inside = path.strip_prefix(unpacked).unwrap_or(&path);
            let top = inside
                .iter()
                .next()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let name = inside.display();
            if top == ".cargo-checksum.json" {
                continue;
            }
            if !TOP.contains(&top.as_str()) && !licences.contains(&top.as_str()) {
                problems.push(format!("holds {name}, which belongs to no package"));
            } else if metadata.is_dir() {
                todo.push(path);
            } else if !metadata.is_file() {
                problems.push(format!("holds {name}, which is no plain file"));
            } else if metadata.len() > LARGEST_FILE {
                problems.push(format!("holds {name}, of {} bytes", metadata.len()));
            }
        }
    }
    if !unpacked.join("README.md").is_file() {
        problems.push("README.md is missing".into());
    }
    let place = |problem| format!("{}: {problem}", package.full_name());
    Ok(problems.into_iter().map(place).collect())
}

/// Installs the command from the registry, starts a project with it, and builds that.
fn try_out(registry: &Registry, version: &str) -> Result {
    let place = TempDir::new()?;
    let (target, project_target) = (work_dir().join("build"), work_dir().join("project"));
    forget_ours(&target)?;
    forget_ours(&project_target)?;
    let mut install = registry.cargo(place.path());
    install
        .args(["install", "hachi-cli", "--debug", "--locked", "--quiet"])
        .arg(format!("--version={version}"))
        .arg("--root")
        .arg(place.path())
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_PROFILE_DEV_DEBUG", "0");
    run_command(&mut install)?;
    // A cache of its own: what single files were locked to last time had other checksums.
    let cache = work_dir().join("cache");
    for form in fs::read_dir(&cache).into_iter().flatten().flatten() {
        let _ = fs::remove_dir_all(form.path().join("single"));
    }
    let hachi = |arguments: &[&str]| {
        let mut command = Command::new(place.join("bin/hachi"));
        command.args(arguments).current_dir(place.path());
        command.env("HACHI_CACHE", &cache);
        registry.set(&mut command);
        command
    };
    println!(
        "installed {}",
        capture(&mut hachi(&["--version"]))?.trim_end()
    );

    const NAME: &str = "newcomer";
    capture(&mut hachi(&["new", NAME]))?;
    let manifest = fs::read_to_string(place.join(NAME).join("Cargo.toml"))?;
    let exact = format!("version = \"={version}\"");
    let ours: Vec<&str> = manifest
        .lines()
        .filter(|line| line.starts_with("hachi") && !line.contains("opt-level"))
        .collect();
    if ours.len() < 4 || !ours.iter().all(|line| line.contains(&exact)) {
        return Err(format!(
            "`hachi new` does not depend on {exact}:\n{}",
            ours.join("\n")
        )
        .into());
    }
    let project = place.join(NAME);
    let mut build = registry.cargo(&project);
    run_command(
        build
            .args(["build", "--workspace", "--quiet"])
            .env("CARGO_TARGET_DIR", &project_target),
    )?;

    let file = work_dir().join("alone.rs");
    fs::write(&file, ALONE)?;
    let file = file.to_string_lossy();
    let built = capture(&mut hachi(&["build", &file, "--offline"]))?;
    let inspected = capture(&mut hachi(&["inspect", built.trim_end()]))?;
    if !inspected.contains("pass") {
        return Err(format!("`{built}` has no program `pass`:\n{inspected}").into());
    }
    println!("built a new project and a single file, offline");
    Ok(())
}

/// A program in a single file.
const ALONE: &str = "\
#![no_std]
#![no_main]

use hachi_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};

#[xdp]
fn pass(_: XdpContext) -> u32 {
    xdp_action::XDP_PASS
}

hachi_ebpf::license!(\"GPL\");
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::tests::named;

    #[test]
    fn reads_the_documented_order() {
        let text = "# Order\n\n1. `a`\n2. `b-c`: why\n3. `cargo x` runs\n10. `d`\n\n`e` is none, \
                    nor is 3. this\n";
        assert_eq!(documented_order(text), ["a", "b-c", "d"]);
    }

    #[test]
    fn finds_the_paths_that_a_page_names() {
        let text = "See `docs/a.md`, `crates/x/src`; run `cargo xtask test`, not `other/place`,\n\
                    nor `docs/two words`.";
        assert_eq!(named_paths(text), ["docs/a.md", "crates/x/src"]);
    }

    #[test]
    fn reports_what_a_manifest_lacks() {
        let mut bad = named("bad", &["~inner", "outer"]);
        bad.keywords = 6;
        bad.categories = 0;
        bad.has_docs_metadata = false;
        bad.texts
            .insert("homepage".into(), "https://example.org".into());
        let mut outer = named("outer", &[]);
        outer.version = "0.2.0".into();
        let all = [bad.clone(), named("inner", &[]), outer];
        let said = manifest_problems(&bad, &all).join("\n");
        for part in [
            "no `description`",
            "no `readme`",
            "no `rust_version`",
            "`homepage` names a place",
            "1 to 5 keywords",
            "1 to 5 categories",
            "docs.rs",
            "dev-dependency inner may name a path only",
            "asks for outer ^0.1.0, which is at 0.2.0",
            "README.md must begin",
        ] {
            assert!(said.contains(part), "{part:?} is not in\n{said}");
        }
    }

    #[test]
    fn unexpected_files_in_a_package_are_reported() {
        let dir = TempDir::new().unwrap();
        let package = named("looked-at", &[]);
        let unpacked = dir.join("unpacked");
        fs::create_dir_all(unpacked.join("src/deep")).unwrap();
        fs::create_dir(unpacked.join("tests")).unwrap();
        fs::write(unpacked.join("src/deep/table.rs"), vec![b' '; 400 << 10]).unwrap();
        fs::write(unpacked.join("LICENSE-MIT"), "not it").unwrap();
        std::os::unix::fs::symlink("nowhere", unpacked.join("Cargo.lock")).unwrap();
        let said = content_problems(&package, &unpacked, LARGEST_PACKAGE + 1);
        let said = said.unwrap().join("\n");
        for part in [
            "bytes, compressed",
            "src/deep/table.rs, of 409600 bytes",
            "holds tests, which belongs",
            "LICENSE-MIT is missing or is not",
            "LICENSE-APACHE is missing",
            "Cargo.lock, which is no plain file",
            "README.md is missing",
        ] {
            assert!(said.contains(part), "{part:?} is not in\n{said}");
        }
    }
}
