//! `hachi new`: a project from a template that is part of this program.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use hachi_build::Origin;
use serde_json::json;

use crate::failure::{Failure, Result};
use crate::origin::origin;
use crate::output::{Format, Output, bold, note, path_text, say};

/// Start a project: a workspace with an eBPF program, its loader, and what both share
///
/// Asks for what is missing when run at a terminal. Needs no network and nothing but this command.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi new firewall
  hachi new firewall --template xdp --dir /src/firewall
  cd firewall && cargo run -- --iface lo")]
pub struct Args {
    /// Name of the project and of its program
    name: Option<String>,
    /// What kind of program to start with [default: xdp]
    #[arg(long, value_name = "NAME")]
    template: Option<String>,
    /// Where to create it [default: a directory called NAME]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
}

/// A kind of project.
struct Template {
    name: &'static str,
    about: &'static str,
    files: &'static [(&'static str, &'static str)],
}

/// A template's file by its path in the project, where `@` stands for the project's name.
macro_rules! files {
    ($dir:literal: $($path:literal = $source:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../templates/", $dir, "/", $source)))),*]
    };
}

const TEMPLATES: &[Template] = &[Template {
    name: "xdp",
    about: "look at every packet as it arrives at an interface, and drop or pass it",
    files: files! { "xdp":
        "Cargo.toml" = "Cargo.toml.in",
        ".cargo/config.toml" = "cargo.config.toml.in",
        ".gitignore" = "gitignore.in",
        "README.md" = "README.md.in",
        "@/Cargo.toml" = "user.Cargo.toml.in",
        "@/build.rs" = "user.build.rs.in",
        "@/src/main.rs" = "user.main.rs.in",
        "@-common/Cargo.toml" = "common.Cargo.toml.in",
        "@-common/src/lib.rs" = "common.lib.rs.in",
        "@-ebpf/Cargo.toml" = "ebpf.Cargo.toml.in",
        "@-ebpf/src/main.rs" = "ebpf.main.rs.in",
    },
}];

pub fn run(args: Args, out: &mut Output) -> Result {
    let asks = io::stdin().is_terminal() && io::stderr().is_terminal();
    let name = match args.name {
        Some(name) => {
            check_name(&name)?;
            name
        }
        None if asks => ask_name(out)?,
        None => {
            return Err(Failure::usage("the project needs a name").help("hachi new NAME"));
        }
    };
    let template = match args.template {
        Some(wanted) => find_template(&wanted)?,
        // One template leaves nothing to choose.
        None if asks && TEMPLATES.len() > 1 => ask_template(out)?,
        None => &TEMPLATES[0],
    };
    let dir = args.dir.unwrap_or_else(|| PathBuf::from(&name));
    let files = create(&dir, &name, template)?;

    let document = || {
        json!({
            "name": name,
            "template": template.name,
            "dir": path_text(&dir),
            "files": files.iter().map(|file| path_text(file)).collect::<Vec<_>>(),
        })
    };
    args.format.print(out, document, |out| {
        say!(out, "created ", bold(&name), " in ", dir.display())?;
        say!(out)?;
        say!(out, "Next:")?;
        say!(out, "  cd ", dir.display())?;
        let build = format!("hachi build {name}-ebpf");
        let width = build.len().max("cargo run -- --iface lo".len());
        for (command, about) in [
            (
                "cargo run -- --iface lo",
                "loads and attaches, as root by sudo",
            ),
            ("cargo test --workspace", "needs no root"),
            (&build, "the eBPF side alone"),
        ] {
            say!(out, format_args!("  {command:width$}  # {about}"))?;
        }
        Ok(())
    })
}

fn find_template(wanted: &str) -> Result<&'static Template> {
    TEMPLATES
        .iter()
        .find(|template| template.name == wanted)
        .ok_or_else(|| {
            let names: Vec<&str> = TEMPLATES.iter().map(|template| template.name).collect();
            Failure::usage(format!("there is no template `{wanted}`"))
                .help(format!("templates: {}", names.join(", ")))
        })
}

/// Names that cargo, rustc or the project's own crates have taken.
const TAKEN: &[&str] = &[
    // Crates of the language.
    "alloc",
    "core",
    "proc_macro",
    "std",
    "test",
    // Directories in cargo's target directory.
    "build",
    "deps",
    "examples",
    "incremental",
    // Dependencies of the project.
    "hachi",
    "hachi_build",
    "hachi_common",
    "hachi_ebpf",
    "network_types",
    // A program of this name would clash with its section.
    "license",
    "maps",
];

/// Keywords of the language, of all editions.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "union", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// The longest name: with `-common` behind it, it is still a pleasant directory name.
const LONGEST: usize = 40;

fn check_name(name: &str) -> Result {
    let bad = |why: String| {
        Err(Failure::usage(format!(
            "`{name}` cannot be the name: {why}"
        )))
    };
    let Some(first) = name.chars().next() else {
        return bad("it is empty".into());
    };
    if let Some(odd) = name
        .chars()
        .find(|c| !(c.is_ascii_alphanumeric() || *c == '-' || *c == '_'))
    {
        return bad(format!("it contains {odd:?}; use letters, digits, - and _"));
    }
    if !first.is_ascii_alphabetic() {
        return bad("it must start with a letter".into());
    }
    if name.len() > LONGEST {
        return bad(format!("it is longer than {LONGEST} characters"));
    }
    let identifier = identifier(name);
    if KEYWORDS.contains(&identifier.as_str()) {
        return bad("it is a keyword of Rust".into());
    }
    if TAKEN.contains(&identifier.as_str()) {
        return bad("that name is taken by cargo, Rust or Hachi".into());
    }
    Ok(())
}

/// The name as Rust code writes it.
fn identifier(name: &str) -> String {
    name.replace('-', "_")
}

fn ask_name(out: &mut Output) -> Result<String> {
    loop {
        let name = ask("Name of the project", out)?;
        match check_name(&name) {
            Ok(()) => return Ok(name),
            Err(failure) => out.failure(&failure)?,
        }
    }
}

fn ask_template(out: &mut Output) -> Result<&'static Template> {
    for template in TEMPLATES {
        note!(out, "  ", bold(template.name), ": ", template.about)?;
    }
    let first = &TEMPLATES[0];
    loop {
        let answer = ask(&format!("Template [{}]", first.name), out)?;
        match answer.as_str() {
            "" => return Ok(first),
            wanted => match find_template(wanted) {
                Ok(template) => return Ok(template),
                Err(failure) => out.failure(&failure)?,
            },
        }
    }
}

fn ask(question: &str, out: &mut Output) -> Result<String> {
    out.ask(question)?;
    let mut answer = String::new();
    match io::stdin().read_line(&mut answer) {
        Ok(0) => {
            Err(Failure::usage("no answer")
                .help("give the name on the command line: hachi new NAME"))
        }
        Ok(_) => Ok(answer.trim().to_string()),
        Err(error) => Err(Failure::because("reading the answer", &error)),
    }
}

/// Makes the project in `dir`, which must not exist or be empty, and returns its files.
///
/// The project is made under another name and appears when it is complete: after a failure, such as
/// a full disk, nothing is left and the same command can be tried again.
fn create(dir: &Path, name: &str, template: &Template) -> Result<Vec<PathBuf>> {
    let origin = origin()?;
    let exists = is_empty_directory(dir)?;
    let failed = |doing: &str, error: &io::Error| {
        Failure::because(format!("{doing} {}", dir.display()), error)
    };
    let mut made = Made::default();
    // Inside a directory that exists, which may be a mount point; beside one that does not.
    let parent = match (exists, dir.parent()) {
        (true, _) => dir,
        (false, Some(parent)) if !parent.as_os_str().is_empty() => {
            made.directories(parent)
                .map_err(|error| failed("creating", &error))?;
            parent
        }
        (false, _) => Path::new("."),
    };
    let unfinished = parent.join(format!("{UNFINISHED}{}", std::process::id()));
    made.unfinished(&unfinished)
        .map_err(|error| failed("creating", &error))?;
    let mut files = Vec::new();
    for (path, text) in template.files {
        let path = PathBuf::from(path.replace('@', name));
        write(&unfinished, &path, &fill(text, name, &origin)).map_err(|error| {
            Failure::because(format!("writing {}", dir.join(&path).display()), &error)
        })?;
        files.push(path);
    }
    match exists {
        false => fs::rename(&unfinished, dir),
        true => made.fill(&unfinished, dir),
    }
    .map_err(|error| failed("creating", &error))?;
    made.keep();
    Ok(files)
}

/// Name of a project that is not complete; the number of the process that makes it follows.
const UNFINISHED: &str = ".hachi-new-";

/// Whether there is an empty directory: `false` when there is nothing, an error when there is
/// something else.
fn is_empty_directory(dir: &Path) -> Result<bool> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            let place = dir.ancestors().find(|place| place.is_file());
            let place = place.unwrap_or(dir).display();
            return Err(Failure::new(format!("{place} is a file"))
                .help("choose another name, or another place with --dir"));
        }
        Err(error) => {
            return Err(Failure::because(
                format!("looking into {}", dir.display()),
                &error,
            ));
        }
    };
    // What a killed run left is not the user's.
    let mut names = entries.flatten().map(|entry| entry.file_name());
    match names.any(|name| !name.to_string_lossy().starts_with(UNFINISHED)) {
        false => Ok(true),
        true => Err(
            Failure::new(format!("{} exists and is not empty", dir.display()))
                .help("choose another name, or another place with --dir"),
        ),
    }
}

/// Writes a file below `root`, and the directories between them. Asks the disk, since some file
/// systems tell only then that they are full.
fn write(root: &Path, path: &Path, text: &str) -> io::Result<()> {
    let mut directories: Vec<&Path> = path.ancestors().skip(1).collect();
    directories.reverse();
    for directory in directories {
        match fs::create_dir(root.join(directory)) {
            // Only we know of the root.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
    }
    let mut file = fs::File::create(root.join(path))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Whether the process that was making a project here has ended.
fn is_abandoned(dir: &Path) -> bool {
    let lock = fs::symlink_metadata(dir).and_then(|about| match about.is_dir() {
        true => fs::File::open(dir),
        false => Err(io::ErrorKind::NotADirectory.into()),
    });
    lock.is_ok_and(|lock| lock.try_lock().is_ok())
}

/// What was made so far, removed on drop unless it is kept.
#[derive(Default)]
struct Made {
    /// Directories above the project, in the order in which they were made. Others may use them by
    /// now.
    above: Vec<PathBuf>,
    /// Files and directories of the project.
    ours: Vec<PathBuf>,
    /// Locks the directory of the unfinished project for as long as its process lives.
    lock: Option<fs::File>,
}

impl Made {
    /// Makes a directory and those above it.
    fn directories(&mut self, dir: &Path) -> io::Result<()> {
        let mut missing = Vec::new();
        for place in dir.ancestors() {
            if place.as_os_str().is_empty() || place.try_exists()? {
                break;
            }
            missing.push(place);
        }
        for place in missing.into_iter().rev() {
            fs::create_dir(place)?;
            self.above.push(place.to_path_buf());
        }
        Ok(())
    }

    /// Makes the directory of the unfinished project, and removes those of runs that were killed.
    fn unfinished(&mut self, dir: &Path) -> io::Result<()> {
        let siblings = fs::read_dir(dir.parent().unwrap_or(dir))?;
        for sibling in siblings.flatten() {
            let name = sibling.file_name();
            let process = name.to_str().and_then(|name| name.strip_prefix(UNFINISHED));
            if process.is_some_and(|process| process.parse::<u32>().is_ok())
                && is_abandoned(&sibling.path())
            {
                fs::remove_dir_all(sibling.path())?;
            }
        }
        fs::create_dir(dir)?;
        self.ours.push(dir.to_path_buf());
        let lock = fs::File::open(dir)?;
        // Where directories cannot be locked, nobody takes this one for abandoned.
        let _ = lock.try_lock();
        self.lock = Some(lock);
        Ok(())
    }

    /// Moves all that is in `from` into `dir`, the manifest last: without it there is no project.
    fn fill(&mut self, from: &Path, dir: &Path) -> io::Result<()> {
        let entries = fs::read_dir(from)?.map(|entry| entry.map(|entry| entry.file_name()));
        let mut names = entries.collect::<io::Result<Vec<_>>>()?;
        names.sort_by_key(|name| name == "Cargo.toml");
        for name in names {
            let place = dir.join(&name);
            fs::rename(from.join(&name), &place)?;
            self.ours.push(place);
        }
        fs::remove_dir(from)
    }

    fn keep(mut self) {
        self.above.clear();
        self.ours.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // The failure that led here is what is told; a second one would only hide it.
        for place in self.ours.iter().rev() {
            let _ = match place.is_dir() {
                true => fs::remove_dir_all(place),
                false => fs::remove_file(place),
            };
        }
        for place in self.above.iter().rev() {
            let _ = fs::remove_dir(place);
        }
    }
}

/// Puts names and dependencies into a template's text.
fn fill(text: &str, name: &str, origin: &Origin) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((slot, tail)) = after.split_once("}}") else {
            out.push_str("{{");
            rest = after;
            continue;
        };
        match slot.trim() {
            "name" => out.push_str(name),
            "ident" => out.push_str(&identifier(name)),
            slot => match slot.strip_prefix("dep ") {
                Some(package) => {
                    let (package, options) = package.split_once(',').unwrap_or((package, ""));
                    out.push_str(&origin.dependency(package.trim(), options.trim()));
                }
                None => panic!("the template has an unknown slot {{{{{slot}}}}}"),
            },
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_names_that_cargo_or_rust_has_taken() {
        for good in ["firewall", "my-firewall", "a", "xdp", "Fire_wall2"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("", "empty"),
            ("fire wall", "contains"),
            ("../x", "contains"),
            ("größe", "contains"),
            ("1st", "start with a letter"),
            ("-x", "start with a letter"),
            ("match", "keyword"),
            ("union", "keyword"),
            ("core", "taken"),
            ("hachi", "taken"),
            ("hachi-ebpf", "taken"),
            ("deps", "taken"),
            (&"x".repeat(41), "longer"),
        ] {
            let failure = check_name(bad).unwrap_err();
            assert_eq!(failure.kind, crate::Kind::Usage);
            assert!(failure.message.contains(why), "{bad}: {}", failure.message);
        }
    }

    #[test]
    fn templates_are_filled_completely() {
        for template in TEMPLATES {
            for (path, text) in template.files {
                let filled = fill(text, "my-wall", &Origin::Registry);
                assert!(!filled.contains("{{") && !filled.contains("}}"), "{path}");
            }
        }
    }
}
