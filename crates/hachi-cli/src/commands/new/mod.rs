//! `hachi new`: a project from a template that is part of this program.

mod fill;
mod kinds;
mod made;
mod name;
mod targets;

use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use hachi_build::Origin;
use serde_json::json;

use self::fill::fill;
use self::kinds::{Functions, KINDS, Kind, Target};
use self::made::{Made, UNFINISHED, is_empty_directory, write};
use self::name::{check_name, identifier};

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
  hachi new --list
  hachi new execs --template tracepoint --tracepoint sched/sched_process_exec
  hachi new opens --template fentry --function do_filp_open --ci github
  cd firewall && cargo run -- --iface lo")]
pub struct Args {
    /// Name of the project and of its program
    name: Option<String>,
    /// What kind of program to start with; --list has all [default: xdp]
    #[arg(long, value_name = "KIND")]
    template: Option<String>,
    /// List the kinds of program
    #[arg(long, conflicts_with_all = [
        "name", "template", "dir", "iface", "function", "tracepoint", "ci", "container",
    ])]
    list: bool,
    /// Where to create it [default: a directory called NAME]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// For kinds of the network: the interface
    #[arg(long, value_name = "IFACE")]
    iface: Option<String>,
    /// For kinds at functions of the kernel: which, or for kprobe_multi a pattern
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// For kinds at tracepoints: which
    #[arg(long, value_name = "CATEGORY/NAME")]
    tracepoint: Option<String>,
    /// Add a file for a service that builds and tests the project, on a matrix of kernels
    #[arg(long, value_name = "SERVICE")]
    ci: Option<Service>,
    /// Add a Containerfile
    #[arg(long)]
    container: bool,
    #[command(flatten)]
    format: Format,
}

/// Services that build and test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Service {
    Github,
}

/// A project to be made.
struct Plan {
    name: String,
    kind: &'static Kind,
    /// Where the program goes, by the slots of the templates.
    iface: String,
    function: String,
    category: String,
    event: String,
    /// Beside the files of the kind.
    extra: Vec<(&'static str, &'static str)>,
}

pub fn run(args: Args, out: &mut Output) -> Result {
    if args.list {
        return list(args.format, out);
    }
    let asks = io::stdin().is_terminal() && io::stderr().is_terminal();
    let plan = plan(&args, asks, out)?;
    let (name, kind) = (&plan.name, plan.kind);
    let dir = match (args.dir, kind.is_file()) {
        (Some(dir), _) => dir,
        (None, true) => PathBuf::from("."),
        (None, false) => PathBuf::from(name),
    };
    let files = create(&dir, &plan)?;

    let document = || {
        json!({
            "name": name,
            "template": kind.name,
            "dir": path_text(&dir),
            "files": files.iter().map(|file| path_text(file)).collect::<Vec<_>>(),
        })
    };
    args.format.print(out, document, |out| {
        say!(out, "created ", bold(name), " in ", dir.display())?;
        say!(out)?;
        say!(out, "Next:")?;
        let usage = plan.usage();
        if kind.is_file() {
            let file = dir.join(format!("{name}.rs"));
            return say!(out, "  hachi run ", file.display(), " ", usage);
        }
        say!(out, "  cd ", dir.display())?;
        let run = format!("cargo run -- {usage}");
        let build = format!("hachi build {name}-ebpf");
        let width = build.len().max(run.len());
        for (command, about) in [
            (
                run.trim_end_matches(" -- "),
                "loads and attaches, as root by sudo",
            ),
            ("cargo test --workspace", "needs no root"),
            (&build, "the eBPF side alone"),
        ] {
            say!(out, format_args!("  {command:width$}  # {about}"))?;
        }
        if let Some(needs) = kind.needs {
            say!(out)?;
            say!(out, "It needs ", needs, ".")?;
        }
        Ok(())
    })
}

/// Prints the kinds, a line each.
fn list(format: Format, out: &mut Output) -> Result {
    let document = || {
        let kind = |kind: &Kind| {
            let option = kind.target.map(option_of);
            json!({
                "name": kind.name,
                "about": kind.about,
                "option": option,
                "features": kind.features,
                "needs": kind.needs,
            })
        };
        json!({ "templates": KINDS.iter().map(kind).collect::<Vec<_>>() })
    };
    format.print(out, document, |out| {
        let width = KINDS.iter().map(|kind| kind.name.len()).max().unwrap_or(0);
        for kind in KINDS {
            let pad = " ".repeat(width - kind.name.len());
            say!(out, bold(kind.name), pad, "  ", kind.about)?;
        }
        Ok(())
    })
}

/// Decides what is made, by the arguments and, at a terminal, by asking.
fn plan(args: &Args, asks: bool, out: &mut Output) -> Result<Plan> {
    // Who answers questions is asked for all that is missing, until there is no answer.
    let mut asked = asks && (args.name.is_none() || args.template.is_none());
    let name = match &args.name {
        Some(name) => {
            check_name(name)?;
            name.clone()
        }
        None if asks => ask_name(out)?,
        None => {
            return Err(Failure::usage("the project needs a name").help("hachi new NAME"));
        }
    };
    let kind = match &args.template {
        Some(wanted) => find_kind(wanted)?,
        None if asks && args.name.is_none() => match ask_kind(out)? {
            Some(kind) => kind,
            None => {
                asked = false;
                &KINDS[0]
            }
        },
        None if args.function.is_some() || args.tracepoint.is_some() => {
            return Err(Failure::usage("which kind of program is to go there?")
                .help("say it with --template; `hachi new --list` has all kinds"));
        }
        None => &KINDS[0],
    };
    if kind
        .functions()
        .any(|function| function == identifier(&name))
    {
        return Err(Failure::usage(format!(
            "`{name}` cannot be the name: a function of this kind of project has it"
        )));
    }
    let given = [
        ("--iface", &args.iface),
        ("--function", &args.function),
        ("--tracepoint", &args.tracepoint),
    ];
    let option = kind.target.map(option_of);
    if let Some((wrong, _)) = given
        .iter()
        .find(|(name, value)| value.is_some() && Some(*name) != option)
    {
        let failure = Failure::usage(format!("{} has no {wrong}", kind.name));
        return Err(match option {
            Some(option) => failure.help(format!("it has {option}")),
            None => failure.help("its program takes its target when it runs; see its --help"),
        });
    }
    let value = given.iter().find_map(|(_, value)| value.as_ref());
    let mut extra = Vec::new();
    if kind.is_file() && (args.ci.is_some() || args.container) {
        return Err(Failure::usage(
            "a single file has neither --ci nor --container",
        ));
    }
    if args.ci == Some(Service::Github) {
        extra.push(kinds::GITHUB);
    }
    if args.container {
        extra.push(kinds::CONTAINER);
    }
    let mut plan = Plan {
        name,
        kind,
        iface: "lo".to_owned(),
        function: String::new(),
        category: String::new(),
        event: String::new(),
        extra,
    };
    let Some(target) = kind.target else {
        return Ok(plan);
    };
    match value {
        Some(value) => plan.set_target(target, value, out)?,
        None => {
            let default = default_of(target);
            plan.fill_target(target, default)?;
            if asked {
                plan.ask_target(target, out)?;
            }
        }
    }
    Ok(plan)
}

fn option_of(target: Target) -> &'static str {
    match target {
        Target::Interface => "--iface",
        Target::Function(..) => "--function",
        Target::Tracepoint(..) => "--tracepoint",
    }
}

fn question_of(target: Target) -> &'static str {
    match target {
        Target::Interface => "Interface",
        Target::Function(Functions::Pattern, _) => "Functions of the kernel",
        Target::Function(Functions::Hooks, _) => "Security hook",
        Target::Function(..) => "Function of the kernel",
        Target::Tracepoint(..) => "Tracepoint",
    }
}

fn default_of(target: Target) -> &'static str {
    match target {
        Target::Interface => "lo",
        Target::Function(_, default) | Target::Tracepoint(_, default) => default,
    }
}

impl Plan {
    /// Takes a target that somebody has named, if this machine has it.
    fn set_target(&mut self, target: Target, value: &str, out: &mut Output) -> Result {
        self.fill_target(target, value)?;
        let doubt = match target {
            Target::Interface => targets::interface(value).judge("interface", value)?,
            Target::Function(which, _) => {
                let what = match which {
                    Functions::Symbols | Functions::Typed => "function",
                    Functions::Pattern => "function that matches",
                    Functions::Hooks => "security hook",
                };
                targets::function(which, value).judge(what, value)?
            }
            Target::Tracepoint(which, _) => {
                let answer = targets::tracepoint(which, &self.category, &self.event);
                answer.judge("tracepoint", value)?
            }
        };
        match doubt {
            Some(doubt) => note!(out, doubt),
            None => Ok(()),
        }
    }

    /// Asks where the program goes, until the answer is good; without one it goes where it would.
    fn ask_target(&mut self, target: Target, out: &mut Output) -> Result {
        let question = format!("{} [{}]", question_of(target), default_of(target));
        loop {
            let answer = ask(&question, out)?.unwrap_or_default();
            if answer.is_empty() {
                return Ok(());
            }
            match self.set_target(target, &answer, out) {
                Ok(()) => return Ok(()),
                Err(failure) => out.failure(&failure)?,
            }
        }
    }

    /// Puts a target where the templates find it, if it can be one at all.
    fn fill_target(&mut self, target: Target, value: &str) -> Result {
        let is_word = |text: &str, more: &[char]| {
            let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || more.contains(&c);
            !text.is_empty() && text.chars().all(fits)
        };
        let bad = |what: &str| Err(Failure::usage(format!("`{value}` is not {what}")));
        match target {
            // As the kernel has it, except for what a shell would take apart.
            Target::Interface if !is_word(value, &['-', '.', ':', '@']) || value.len() > 15 => {
                bad("the name of an interface")
            }
            Target::Interface => {
                self.iface = value.to_owned();
                Ok(())
            }
            Target::Function(Functions::Pattern, _) if !is_word(value, &['*', '.']) => {
                bad("a pattern of functions")
            }
            Target::Function(which, _)
                if which != Functions::Pattern && !is_word(value, &['.']) =>
            {
                bad("the name of a function")
            }
            Target::Function(..) => {
                self.function = value.to_owned();
                Ok(())
            }
            Target::Tracepoint(..) => match value.split_once('/') {
                Some((category, event)) if is_word(category, &['-']) && is_word(event, &['-']) => {
                    self.category = category.to_owned();
                    self.event = event.to_owned();
                    Ok(())
                }
                _ => bad("a tracepoint: say CATEGORY/NAME"),
            },
        }
    }

    /// Arguments that show the program at work.
    fn usage(&self) -> String {
        self.kind.usage.replace("{{iface}}", &self.iface)
    }

    /// The project's files, by their paths and with their texts still to be filled.
    fn files(&self) -> Vec<(&'static str, &'static str)> {
        let mut files = Vec::new();
        if !self.kind.is_file() {
            files.extend_from_slice(kinds::PROJECT);
        }
        files.extend_from_slice(self.kind.files);
        files.extend_from_slice(&self.extra);
        files
    }
}

fn find_kind(wanted: &str) -> Result<&'static Kind> {
    Kind::find(wanted).ok_or_else(|| {
        let names = KINDS.iter().map(|kind| kind.name.to_owned()).collect();
        let near = targets::near(&wanted.replace('-', "_"), names);
        let failure = Failure::usage(format!("there is no template `{wanted}`"));
        match near.is_empty() {
            true => failure.help("`hachi new --list` has all, such as xdp or kprobe"),
            false => failure.help(format!("there is {}", near.join(", "))),
        }
    })
}

fn ask_name(out: &mut Output) -> Result<String> {
    loop {
        let Some(name) = ask("Name of the project", out)? else {
            return Err(Failure::usage("no answer")
                .help("give the name on the command line: hachi new NAME"));
        };
        match check_name(&name) {
            Ok(()) => return Ok(name),
            Err(failure) => out.failure(&failure)?,
        }
    }
}

/// `None` when nobody answers.
fn ask_kind(out: &mut Output) -> Result<Option<&'static Kind>> {
    for kind in KINDS {
        note!(out, "  ", bold(kind.name), ": ", kind.about)?;
    }
    let first = &KINDS[0];
    loop {
        match ask(&format!("Kind of program [{}]", first.name), out)?.as_deref() {
            None => return Ok(None),
            Some("") => return Ok(Some(first)),
            Some(wanted) => match find_kind(wanted) {
                Ok(kind) => return Ok(Some(kind)),
                Err(failure) => out.failure(&failure)?,
            },
        }
    }
}

/// Asks; `None` when nobody answers.
fn ask(question: &str, out: &mut Output) -> Result<Option<String>> {
    out.ask(question)?;
    let mut answer = String::new();
    match io::stdin().read_line(&mut answer) {
        Ok(0) => Ok(None),
        Ok(_) => Ok(Some(answer.trim().to_string())),
        Err(error) => Err(Failure::because("reading the answer", &error)),
    }
}

/// Makes the project in `dir`, which must not exist or be empty, and returns its files.
///
/// The project is made under another name and appears when it is complete: after a failure, such as
/// a full disk, nothing is left and the same command can be tried again.
fn create(dir: &Path, plan: &Plan) -> Result<Vec<PathBuf>> {
    let origin = origin()?;
    if plan.kind.is_file() {
        return create_file(dir, plan, &origin);
    }
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
    for (path, text) in plan.files() {
        let path = PathBuf::from(path.replace('@', &plan.name));
        write(&unfinished, &path, &fill(text, plan, &origin)).map_err(|error| {
            Failure::because(format!("writing {}", dir.join(&path).display()), &error)
        })?;
        files.push(path);
    }
    if plan.name.len() > FORMATTED {
        format_sources(&unfinished, &files);
    }
    match exists {
        false => fs::rename(&unfinished, dir),
        true => made.fill(&unfinished, dir),
    }
    .map_err(|error| failed("creating", &error))?;
    made.keep();
    Ok(files)
}

/// Up to this many bytes of a name the templates' lines stay as rustfmt would have them.
const FORMATTED: usize = 12;

/// Has rustfmt break the lines that a long name made too long. Where there is no rustfmt they stay:
/// they are no less right.
fn format_sources(project: &Path, files: &[PathBuf]) {
    let is_rust = |file: &&PathBuf| file.extension().is_some_and(|extension| extension == "rs");
    let sources = files.iter().filter(is_rust);
    let _ = std::process::Command::new("rustfmt")
        .args(["--quiet", "--edition", "2024"])
        .args(sources)
        .current_dir(project)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status();
}

/// Makes a project that is one file, which must not exist. Its directory may.
fn create_file(dir: &Path, plan: &Plan, origin: &Origin) -> Result<Vec<PathBuf>> {
    let mut made = Made::default();
    made.directories(dir)
        .map_err(|error| Failure::because(format!("creating {}", dir.display()), &error))?;
    let mut files = Vec::new();
    for (path, text) in plan.files() {
        let path = PathBuf::from(path.replace('@', &plan.name));
        let place = dir.join(&path);
        if fs::symlink_metadata(&place).is_ok() {
            return Err(Failure::new(format!("{} exists", place.display()))
                .help("choose another name, or another place with --dir"));
        }
        let text = fill(text, plan, origin);
        hachi_linker::write_file(&place, text.as_bytes())
            .map_err(|error| Failure::because(format!("writing {}", place.display()), &error))?;
        files.push(path);
    }
    made.keep();
    Ok(files)
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

    /// A plan of a kind, with the targets that it has when nobody says.
    fn plan_of(kind: &'static Kind, name: &str) -> Plan {
        let mut plan = Plan {
            name: name.to_owned(),
            kind,
            iface: "lo".to_owned(),
            function: String::new(),
            category: String::new(),
            event: String::new(),
            extra: vec![kinds::GITHUB, kinds::CONTAINER],
        };
        if let Some(target) = kind.target {
            plan.fill_target(target, default_of(target)).unwrap();
        }
        plan
    }

    #[test]
    fn templates_are_filled_completely() {
        let checkout = Origin::Checkout("/checkout".into());
        for kind in KINDS {
            for origin in [&Origin::Registry, &checkout] {
                let plan = plan_of(kind, "my-wall");
                for (path, text) in plan.files() {
                    let filled = fill(text, &plan, origin);
                    let filled = filled.replace("${{ matrix.kernel }}", "");
                    let is_full = !filled.contains("{{") && !filled.contains("}}");
                    assert!(is_full, "{} {path}: {filled}", kind.name);
                    if path.ends_with(".rs") {
                        let wide = filled.lines().find(|line| line.chars().count() > 100);
                        assert_eq!(wide, None, "{} {path}", kind.name);
                    }
                }
            }
        }
    }

    #[test]
    fn kinds_have_names_and_sentences_of_their_own() {
        for (index, kind) in KINDS.iter().enumerate() {
            assert!(
                std::ptr::eq(Kind::find(kind.name).unwrap(), kind),
                "{}",
                kind.name
            );
            let others = &KINDS[index + 1..];
            assert!(
                others.iter().all(|other| other.about != kind.about),
                "{}",
                kind.name
            );
            assert!(kind.about.len() < 90, "{}: {}", kind.name, kind.about);
        }
    }

    #[test]
    fn impossible_targets_are_refused() {
        for (kind, bad) in [
            ("kprobe", "vfs rmdir"),
            ("kprobe", "vfs_*"),
            ("kprobe", "x\")]"),
            ("kprobe_multi", "a;b"),
            ("tracepoint", "sched_switch"),
            ("tracepoint", "/"),
            ("xdp", ""),
            ("xdp", "a b"),
            ("xdp", "sixteen-letters0"),
        ] {
            let kind = Kind::find(kind).unwrap();
            let mut plan = plan_of(kind, "wall");
            let failure = plan.fill_target(kind.target.unwrap(), bad).unwrap_err();
            assert_eq!(failure.kind, crate::Kind::Usage);
            assert!(failure.message.contains(bad), "{}", failure.message);
        }
    }

    #[test]
    fn refuses_a_project_named_like_a_function_in_it() {
        let xdp = Kind::find("xdp").unwrap();
        let taken: Vec<&str> = xdp.functions().collect();
        assert!(
            taken.contains(&"count") && taken.contains(&"blocked_source"),
            "{taken:?}"
        );
        assert!(!taken.contains(&"xdp"), "{taken:?}");
    }
}
