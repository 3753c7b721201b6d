//! `hachi new`: a project from a template that is part of this program.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::failure::{Failure, Result};
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
            ("cargo run -- --iface lo", "as root: loads and attaches"),
            ("cargo test --workspace", "without root, too"),
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

/// Writes the project into `dir`, which must not exist or be empty, and returns its files.
fn create(dir: &Path, name: &str, template: &Template) -> Result<Vec<PathBuf>> {
    match fs::read_dir(dir) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(
                    Failure::new(format!("{} exists and is not empty", dir.display()))
                        .help("choose another name, or another place with --dir"),
                );
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(Failure::new(format!("{} is a file", dir.display()))
                .help("choose another name, or another place with --dir"));
        }
        Err(error) => {
            return Err(Failure::because(
                format!("looking into {}", dir.display()),
                &error,
            ));
        }
    }
    let source = Source::find();
    let mut written = Vec::new();
    for (path, text) in template.files {
        let path = PathBuf::from(path.replace('@', name));
        let place = dir.join(&path);
        let result = place
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&place, fill(text, name, &source)));
        if let Err(error) = result {
            return Err(Failure::because(
                format!("writing {}", place.display()),
                &error,
            ));
        }
        written.push(path);
    }
    Ok(written)
}

/// Puts names and dependencies into a template's text.
fn fill(text: &str, name: &str, source: &Source) -> String {
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
                    out.push_str(&source.dependency(package.trim(), options.trim()));
                }
                None => panic!("the template has an unknown slot {{{{{slot}}}}}"),
            },
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// Where the project's dependencies on Hachi come from.
enum Source {
    /// A checkout of Hachi: the one this command was built in, or the one `HACHI_SRC` names.
    Checkout(PathBuf),
    /// The registry.
    Registry,
}

impl Source {
    fn find() -> Source {
        let is_checkout = |dir: &Path| dir.join("crates/hachi/Cargo.toml").is_file();
        let named = std::env::var_os("HACHI_SRC").map(PathBuf::from);
        let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
        named
            .into_iter()
            .chain(built_in.map(Path::to_path_buf))
            .find(|dir| is_checkout(dir))
            .and_then(|dir| dir.canonicalize().ok())
            .map_or(Source::Registry, Source::Checkout)
    }

    /// The right-hand side of a line under `[dependencies]`; `options` as in the braces there.
    fn dependency(&self, package: &str, options: &str) -> String {
        let version = || format!("version = \"{}\"", env!("CARGO_PKG_VERSION"));
        let place = match self {
            Source::Checkout(dir) => {
                let folder = match package.starts_with("hachi-ebpf") {
                    true => "ebpf",
                    false => "crates",
                };
                let path = dir.join(folder).join(package);
                // A TOML string in single quotes has no escapes; a path may hold anything but that
                // quote.
                match path.to_str() {
                    Some(path) if !path.contains('\'') => format!("path = '{path}'"),
                    _ => version(),
                }
            }
            Source::Registry => version(),
        };
        match options {
            "" => format!("{{ {place} }}"),
            options => format!("{{ {place}, {options} }}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
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
                let filled = fill(text, "my-wall", &Source::Registry);
                assert!(!filled.contains("{{") && !filled.contains("}}"), "{path}");
            }
        }
    }

    #[test]
    fn dependencies_come_from_the_checkout_or_the_registry() {
        let checkout = Source::Checkout("/src/hachi".into());
        assert_eq!(
            checkout.dependency("hachi", ""),
            "{ path = '/src/hachi/crates/hachi' }"
        );
        assert_eq!(
            checkout.dependency("hachi-ebpf", "optional = true"),
            "{ path = '/src/hachi/ebpf/hachi-ebpf', optional = true }"
        );
        let quoted = Source::Checkout("/it's/hachi".into());
        assert_eq!(
            quoted.dependency("hachi", ""),
            Source::Registry.dependency("hachi", "")
        );
    }
}
