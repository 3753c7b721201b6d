//! `hachi check`: the verifier's verdict on each program of an object.

mod kernels;
mod report;

use std::path::{Path, PathBuf};
use std::time::Duration;

use hachi::programs::{AttachOptions, Program, ProgramError, Rejection};
use hachi::{Btf, EbpfLoader, VerifierLogLevel};
use hachi_build::Arch;
use hachi_diag::json::CargoTarget;
use hachi_diag::{Diagnostic, Log, Renderer};
use hachi_obj::{MapSpec, Pinning, ProgramSpec};
use serde_json::{Value, json};

use self::kernels::Answer;
use crate::commands;
use crate::failure::{Failure, Kind, Result};
use crate::machine;
use crate::object::{self, Object};
use crate::output::{
    self, BAD, DIM, GOOD, Output, Styled, Text, WARN, bold, diagnostics_json, dim, note, path_text,
    say,
};

/// Ask the kernel's verifier about each program, without attaching anything
///
/// Loads the programs and lets them go again. Maps are created and freed; nothing is pinned. With
/// --kernel, other kernels are asked, in guests: that needs neither root nor this machine's kernel.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi check firewall.o
  hachi check firewall.o --program firewall -v    # with the verifier's whole log
  hachi check firewall.o --kernel 5.10,6.1,6.12
  hachi check probe.o --kernel 6.12 --arch arm64  # built with `hachi build --arch arm64`
  hachi check firewall.o --kernel build/arch/x86/boot/bzImage --modules build
  hachi check firewall.o --kernel all --baseline verdicts.json --format github
  hachi check $(hachi build .)")]
pub struct Args {
    /// Object files
    #[arg(required = true, value_name = "OBJECT")]
    objects: Vec<PathBuf>,
    /// Only this program, by name or section; may be given several times
    #[arg(short, long, value_name = "NAME")]
    program: Vec<String>,
    /// Print the verifier's log as well; twice: with each instruction that it walked, also of
    /// programs that it accepts
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Ask these kernels instead: versions such as 6.1, `all` in the cache (see `hachi kernels`),
    /// or the path of an image
    #[arg(short, long, value_delimiter = ',', value_name = "VERSION|all|PATH")]
    #[arg(value_parser = commands::kernels::parse)]
    #[arg(add = clap_complete::ArgValueCandidates::new(crate::complete::kernels))]
    kernel: Vec<commands::kernels::Wanted>,
    /// The kind of machine that these kernels run on: x86_64, aarch64 (arm64), riscv64 or s390x
    /// [default: this machine's]
    #[arg(long, value_name = "ARCH", requires = "kernel")]
    arch: Option<Arch>,
    /// The directory with the modules of an image that is given by its path
    #[arg(long, value_name = "DIR", requires = "kernel")]
    modules: Option<PathBuf>,
    /// The kernel's types, as raw BTF, for a kernel that has none in it
    #[arg(long, value_name = "FILE")]
    btf: Option<PathBuf>,
    /// How to print the verdicts
    #[arg(
        long,
        value_enum,
        value_name = "FORM",
        default_value = "text",
        conflicts_with = "json"
    )]
    format: report::Form,
    /// Write the verdicts to this file, to compare with later
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Fail if a program that was accepted according to this file is no longer, or has grown
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// By how many per cent the instructions verified may grow
    #[arg(
        long,
        value_name = "PERCENT",
        default_value_t = 10.0,
        requires = "baseline"
    )]
    growth: f64,
    /// Print JSON objects, one a line: each rejection as a message of cargo's, as editors read
    /// them, and last the verdicts
    #[arg(long)]
    json: bool,
}

/// What became of one program.
struct Verdict {
    name: String,
    section: String,
    kind: &'static str,
    outcome: Outcome,
    log: String,
    /// Why it could not be attached here, accepted or not: what its section names is not there.
    target_problem: Option<String>,
}

enum Outcome {
    /// The verifier accepts it; how many instructions it walked.
    Accepted(Option<u32>),
    /// The verifier rejects it.
    Rejected(Box<Diagnostic>),
    /// It was not judged: this machine, or this version of Hachi, cannot load such a program.
    Unjudged(Failure),
}

impl Outcome {
    fn name(&self) -> &'static str {
        match self {
            Outcome::Accepted(_) => "accepted",
            Outcome::Rejected(_) => "rejected",
            Outcome::Unjudged(_) => "not judged",
        }
    }
}

pub fn run(args: Args, out: &mut Output) -> Result {
    // The verdict is in the exit code, too.
    out.go_on_unread();
    if !args.kernel.is_empty() {
        let mut objects = Vec::new();
        for path in &args.objects {
            let object = object::open(path)?;
            object.select(&args.program)?;
            objects.push((path.clone(), object));
        }
        if let Some(path) = &args.btf {
            // Better said before kernels boot.
            types(path)?;
        }
        let question = kernels::Question {
            objects: &objects,
            programs: &args.program,
            modules: args.modules.as_deref(),
            btf: args.btf.as_deref(),
        };
        let answers = kernels::ask(&args.kernel, args.arch, &question)?;
        return conclude(&answers, &args, out);
    }
    let mut checked: Vec<(PathBuf, Vec<Verdict>)> = Vec::new();
    for path in &args.objects {
        let object = object::open(path)?;
        let verdicts = check(object, &args, out)?;
        match args.json {
            true => tell(path, &verdicts, out)?,
            false if args.format == report::Form::Text => show(path, &verdicts, &args, out)?,
            false => {}
        }
        checked.push((path.clone(), verdicts));
    }
    let objects: Vec<Value> = checked
        .iter()
        .map(|(path, verdicts)| {
            let programs: Vec<Value> = verdicts.iter().map(to_json).collect();
            json!({ "path": path_text(path), "programs": programs })
        })
        .collect();
    let release = machine::kernel_release();
    let here = Answer {
        version: machine::parse_release(&release)
            .map_or_else(|| release.clone(), |version| version.to_string()),
        release,
        time: Duration::ZERO,
        problem: None,
        objects: objects.clone(),
    };
    let worse = account(std::slice::from_ref(&here), &args, out)?;
    if args.format != report::Form::Text {
        report::print(&[here], args.format, &worse, out)?;
    }
    let all = || checked.iter().flat_map(|(_, verdicts)| verdicts);
    let accepted = all().all(|verdict| matches!(verdict.outcome, Outcome::Accepted(_)));
    if args.json {
        out.json_line(&json!({
            "reason": "check-finished",
            "accepted": accepted,
            "objects": objects,
        }))?;
    }
    if accepted && worse.is_empty() {
        return Ok(());
    }
    let rejected =
        !worse.is_empty() || all().any(|verdict| matches!(verdict.outcome, Outcome::Rejected(_)));
    let failed = all().any(|verdict| match &verdict.outcome {
        Outcome::Unjudged(failure) => failure.kind == Kind::Failed,
        _ => false,
    });
    Err(Failure::silent(match rejected || failed {
        true => Kind::Failed,
        false => Kind::Missing,
    }))
}

/// The kernel's types in a file.
fn types(path: &Path) -> Result<Btf> {
    Btf::parse_file(path)
        .map_err(|error| Failure::because(format_args!("reading {}", path.display()), &error))
}

/// Saves the verdicts and compares them, as asked: what is worse.
fn account(answers: &[Answer], args: &Args, out: &mut Output) -> Result<Vec<String>> {
    let worse = match &args.baseline {
        Some(path) => report::compare(answers, path, args.growth)?,
        None => Vec::new(),
    };
    if let Some(path) = &args.save {
        report::save(answers, path)?;
    }
    if args.kernel.is_empty() && args.format == report::Form::Text {
        for worse in &worse {
            note!(out, Styled(BAD, "worse"), ": ", worse)?;
        }
    }
    Ok(worse)
}

/// Prints what other kernels said, and fails where they refused.
fn conclude(answers: &[Answer], args: &Args, out: &mut Output) -> Result {
    let worse = account(answers, args, out)?;
    let accepted = report::all_accepted(answers);
    match args.json {
        true => out.json_line(&json!({
            "reason": "check-finished",
            "accepted": accepted,
            "kernels": report::json(answers),
            "worse": worse,
        }))?,
        false => report::print(answers, args.format, &worse, out)?,
    }
    match (accepted && worse.is_empty(), report::any_refused(answers)) {
        (true, _) => Ok(()),
        (false, false) if worse.is_empty() => Err(Failure::silent(Kind::Missing)),
        _ => Err(Failure::silent(Kind::Failed)),
    }
}

fn check(object: Object, args: &Args, out: &mut Output) -> Result<Vec<Verdict>> {
    let names: Vec<String> = object
        .select(&args.program)?
        .into_iter()
        .map(|program| program.name.clone())
        .collect();
    let specs: Vec<ProgramSpec> = object.spec.programs.clone();
    let mut spec = object.spec;
    // A look must leave nothing behind, nor touch maps that others have pinned.
    for map in &mut spec.maps {
        map.pinning = Pinning::None;
        map.pin_path = None;
    }
    let sized = give_sizes(&mut spec.maps);
    if !sized.is_empty() {
        out.warn(format_args!(
            "{}: judged with room for one element in {}, whose size is left to the loader",
            object.path.display(),
            sized.join(", ")
        ))?;
    }
    let mut loader = EbpfLoader::new();
    loader.allow_unsupported_maps();
    if let Some(path) = &args.btf {
        loader.btf(Some(&types(path)?));
    }
    // The closing lines have the figures.
    loader.verifier_log_level(match args.verbose {
        0 => VerifierLogLevel::STATS,
        1 => VerifierLogLevel::DEBUG | VerifierLogLevel::STATS,
        _ => VerifierLogLevel::VERBOSE | VerifierLogLevel::STATS,
    });
    let mut ebpf = loader
        .load_spec(spec)
        .map_err(|error| Failure::because(object.path.display(), &error))?;
    let mut verdicts = Vec::new();
    for spec in specs.iter().filter(|spec| names.contains(&spec.name)) {
        let program = ebpf
            .program_mut(&spec.name)
            .map_err(|error| Failure::because(object.path.display(), &error))?;
        verdicts.push(judge(program, spec)?);
    }
    if let Some(problem) = ebpf.btf_problem() {
        let path = object.path.display();
        out.warn(format_args!("{path}: there are no source lines: {problem}"))?;
    }
    Ok(verdicts)
}

/// Gives maps that leave their size to their loader the least they can have. Returns their names.
fn give_sizes(maps: &mut [MapSpec]) -> Vec<String> {
    let mut sized = Vec::new();
    for map in maps {
        let inner = map.inner.as_deref_mut();
        let is_inner_sized = inner.is_some_and(|inner| {
            let is_sized = inner.is_sized_by_loader();
            if is_sized {
                inner.max_entries = 1;
            }
            is_sized
        });
        if map.is_sized_by_loader() {
            map.max_entries = 1;
        } else if !is_inner_sized {
            continue;
        }
        sized.push(map.name.clone());
    }
    sized
}

fn judge(program: &mut Program, spec: &ProgramSpec) -> Result<Verdict> {
    let (outcome, log) = match program.load() {
        Ok(()) => {
            let info = program.info().map_err(|error| {
                Failure::because(format_args!("asking about program {}", spec.name), &error)
            })?;
            (
                Outcome::Accepted(info.verified_insns()),
                program.verifier_log().to_string(),
            )
        }
        Err(ProgramError::LoadError(rejection)) => {
            let outcome = match was_not_asked(&rejection) {
                true => Outcome::Unjudged(Failure::because("", &rejection.error)),
                false => Outcome::Rejected(Box::new(rejection.explain())),
            };
            (outcome, rejection.log)
        }
        Err(error) => (
            Outcome::Unjudged(Failure::because("", &error)),
            String::new(),
        ),
    };
    let found = match outcome {
        // What keeps the program from being judged may keep this process from looking, too.
        Outcome::Unjudged(_) => Ok(()),
        _ => program.find_target(&AttachOptions::new()),
    };
    // Programs are let go one by one, so that large objects do not add up.
    // One that was refused is not loaded, which is the only error here.
    let _ = program.unload();
    Ok(Verdict {
        name: spec.name.clone(),
        section: spec.section.clone(),
        kind: spec.program_type.name(),
        outcome,
        log,
        target_problem: found
            .err()
            .map(|error| Failure::because("", &error).message),
    })
}

/// The kernel refused before its verifier looked: that says nothing about the program.
fn was_not_asked(rejection: &Rejection) -> bool {
    rejection.log.is_empty() && rejection.error.errno() == libc::EPERM
}

fn show(path: &Path, verdicts: &[Verdict], args: &Args, out: &mut Output) -> Result {
    say!(out, bold(path.display()))?;
    if verdicts.is_empty() {
        say!(out, "  no programs")?;
    }
    for verdict in verdicts {
        let style = match verdict.outcome {
            Outcome::Accepted(_) => GOOD,
            Outcome::Rejected(_) => BAD,
            Outcome::Unjudged(_) => WARN,
        };
        let detail = match &verdict.outcome {
            Outcome::Accepted(Some(walked)) => {
                let walked = output::grouped((*walked).into());
                Text::default()
                    .and(" ")
                    .and_in(DIM, format_args!("({walked} instructions verified)"))
            }
            _ => Text::default(),
        };
        let section = dim(format!("({})", verdict.section));
        let outcome = Styled(style, verdict.outcome.name());
        say!(
            out,
            "  ",
            bold(&verdict.name),
            " ",
            section,
            ": ",
            outcome,
            detail
        )?;
        match &verdict.outcome {
            Outcome::Accepted(_) => {}
            Outcome::Rejected(diagnostic) => {
                note!(out)?;
                out.diagnostic(&shortened(diagnostic))?;
                if args.verbose == 0 {
                    note!(out, dim("-v prints the verifier's whole log"))?;
                }
            }
            Outcome::Unjudged(failure) => out.failure(failure)?,
        }
        if let Some(problem) = &verdict.target_problem {
            out.warn(format_args!("it cannot be attached here: {problem}"))?;
        }
        if args.verbose > 0 && !verdict.log.is_empty() {
            note!(out, dim(format_args!("verifier log of {}:", verdict.name)))?;
            out.note_document(&format!("{}\n", verdict.log.trim_end()))?;
        }
    }
    Ok(())
}

/// Each rejection as a message of cargo's, one a line.
fn tell(object: &Path, verdicts: &[Verdict], out: &mut Output) -> Result {
    for verdict in verdicts {
        if let Outcome::Rejected(diagnostic) = &verdict.outcome {
            out.json_text(&(cargo_message(object, diagnostic) + "\n"))?;
        }
    }
    Ok(())
}

/// The diagnostic as cargo would hand it on, about the package that its source file is in; of an
/// object whose source is not here, about the object.
fn cargo_message(object: &Path, diagnostic: &Diagnostic) -> String {
    let mut diagnostic = diagnostic.clone();
    let built = std::path::absolute(object).unwrap_or_else(|_| object.to_owned());
    for span in diagnostic.spans_mut() {
        // Objects name files as seen from their package, and mostly lie below it.
        let mut dirs = built.ancestors().skip(1);
        let dir =
            dirs.find(|dir| dir.join("Cargo.toml").is_file() && dir.join(&span.file).is_file());
        if let Some(dir) = dir {
            span.file = path_text(&dir.join(&span.file));
        }
    }
    diagnostic.find_in_sources(|file| std::fs::read_to_string(file).ok());
    let source = diagnostic.primary.as_ref().map(|span| span.file.clone());
    let source = source.unwrap_or_default();
    let manifest = Path::new(&source)
        .ancestors()
        .skip(1)
        .map(|dir| dir.join("Cargo.toml"))
        .find(|manifest| manifest.is_absolute() && manifest.is_file());
    let manifest = path_text(manifest.as_deref().unwrap_or(&built));
    let name = object.file_stem().unwrap_or_default().to_string_lossy();
    let target = CargoTarget {
        package_id: &format!("path+file://{}", manifest.trim_end_matches("/Cargo.toml")),
        manifest_path: &manifest,
        name: &name,
        src_path: &source,
        edition: "2024",
    };
    diagnostic.to_cargo_message(Renderer::plain(), &target)
}

/// The diagnostic with file names as people write them.
fn shortened(diagnostic: &Diagnostic) -> Diagnostic {
    let mut diagnostic = diagnostic.clone();
    for span in diagnostic.spans_mut() {
        span.file = object::short_file(&span.file);
    }
    diagnostic
}

fn to_json(verdict: &Verdict) -> Value {
    let (mut walked, mut diagnostics, mut error) = (None, json!([]), None);
    match &verdict.outcome {
        Outcome::Accepted(count) => walked = *count,
        Outcome::Rejected(found) => diagnostics = diagnostics_json([&shortened(found)]),
        Outcome::Unjudged(failure) => error = Some(failure.message.clone()),
    }
    json!({
        "name": verdict.name,
        "section": verdict.section,
        "type": verdict.kind,
        "verdict": verdict.outcome.name(),
        "verified_insns": walked,
        "stats": stats(&verdict.log),
        "diagnostics": diagnostics,
        "error": error,
        "log": verdict.log,
        "target_problem": verdict.target_problem,
    })
}

/// The figures of a verifier's log; null where it has none.
fn stats(log: &str) -> Value {
    let log = Log::parse(log);
    let Some(stats) = log.stats else {
        return Value::Null;
    };
    json!({
        "insns": stats.processed,
        "total_states": stats.total_states,
        "peak_states": stats.peak_states,
        "stack_bytes": (!log.stack_depth.is_empty()).then(|| log.stack_depth.iter().sum::<u32>()),
        "micros": log.micros,
    })
}

#[cfg(test)]
mod tests {
    use hachi_obj::MapType;

    use super::*;

    #[test]
    fn only_maps_that_leave_their_size_to_the_loader_get_one() {
        let map = |name, kind, entries| MapSpec::new(name, kind, 4, 4, entries);
        let mut outer = map("OUTER", MapType::HashOfMaps, 8);
        outer.inner = Some(Box::new(map("", MapType::Hash, 0)));
        let mut maps = [
            map("FLOWS", MapType::Hash, 0),
            map("SIZED", MapType::Hash, 7),
            map("EVENTS", MapType::PerfEventArray, 0),
            map("STORAGE", MapType::TaskStorage, 0),
            outer,
        ];
        assert_eq!(give_sizes(&mut maps), ["FLOWS", "OUTER"]);
        let entries = maps.each_ref().map(|map| map.max_entries);
        assert_eq!(entries, [1, 7, 0, 0, 8]);
        assert_eq!(maps[4].inner.as_ref().unwrap().max_entries, 1);
    }
}
