//! `hachi check`: the verifier's verdict on each program of an object.

use std::path::PathBuf;

use hachi::programs::{Program, ProgramError, Rejection};
use hachi::{EbpfLoader, VerifierLogLevel};
use hachi_diag::Diagnostic;
use hachi_obj::{Pinning, ProgramSpec};
use serde_json::{Value, json};

use crate::failure::{Failure, Kind, Result};
use crate::object::{self, Object};
use crate::output::{
    self, BAD, DIM, Format, GOOD, Output, Styled, Text, WARN, bold, diagnostics_json, dim, note,
    path_text, say,
};

/// Ask the kernel's verifier about each program, without attaching anything
///
/// Loads the programs and lets them go again. Maps are created and freed; nothing is pinned.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi check firewall.o
  hachi check firewall.o --program firewall -v    # with the verifier's whole log
  hachi check $(hachi build .)")]
pub struct Args {
    /// Object files
    #[arg(required = true, value_name = "OBJECT")]
    objects: Vec<PathBuf>,
    /// Only this program, by name or section; may be given several times
    #[arg(short, long, value_name = "NAME")]
    program: Vec<String>,
    /// Print the verifier's log as well
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    format: Format,
}

/// What became of one program.
struct Verdict {
    name: String,
    section: String,
    kind: &'static str,
    outcome: Outcome,
    log: String,
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
    let mut checked: Vec<(PathBuf, Vec<Verdict>)> = Vec::new();
    for path in &args.objects {
        let object = object::open(path)?;
        let verdicts = check(object, &args, out)?;
        if !args.format.json {
            show(path, &verdicts, &args, out)?;
        }
        checked.push((path.clone(), verdicts));
    }
    let all = || checked.iter().flat_map(|(_, verdicts)| verdicts);
    let accepted = all().all(|verdict| matches!(verdict.outcome, Outcome::Accepted(_)));
    if args.format.json {
        let objects: Vec<Value> = checked
            .iter()
            .map(|(path, verdicts)| {
                let programs: Vec<Value> = verdicts.iter().map(to_json).collect();
                json!({ "path": path_text(path), "programs": programs })
            })
            .collect();
        out.json(&json!({ "accepted": accepted, "objects": objects }))?;
    }
    if accepted {
        return Ok(());
    }
    let rejected = all().any(|verdict| matches!(verdict.outcome, Outcome::Rejected(_)));
    let failed = all().any(|verdict| match &verdict.outcome {
        Outcome::Unjudged(failure) => failure.kind == Kind::Failed,
        _ => false,
    });
    Err(Failure::silent(match rejected || failed {
        true => Kind::Failed,
        false => Kind::Missing,
    }))
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
    let mut loader = EbpfLoader::new();
    loader.allow_unsupported_maps();
    if args.verbose {
        loader.verifier_log_level(VerifierLogLevel::DEBUG | VerifierLogLevel::STATS);
    }
    let mut ebpf = loader
        .load_spec(spec)
        .map_err(|error| Failure::because(object.path.display(), &error))?;
    let mut verdicts = Vec::new();
    for spec in specs.iter().filter(|spec| names.contains(&spec.name)) {
        let program = ebpf
            .program_mut(&spec.name)
            .map_err(|error| Failure::because(object.path.display(), &error))?;
        verdicts.push(judge(program, spec));
    }
    if let Some(problem) = ebpf.btf_problem() {
        let path = object.path.display();
        out.warn(format_args!("{path}: there are no source lines: {problem}"))?;
    }
    Ok(verdicts)
}

fn judge(program: &mut Program, spec: &ProgramSpec) -> Verdict {
    let (outcome, log) = match program.load() {
        Ok(()) => {
            let walked = program.info().ok().and_then(|info| info.verified_insns());
            (
                Outcome::Accepted(walked),
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
    // Programs are let go one by one, so that large objects do not add up.
    let _ = program.unload();
    Verdict {
        name: spec.name.clone(),
        section: spec.section.clone(),
        kind: spec.program_type.name(),
        outcome,
        log,
    }
}

/// The kernel refused before its verifier looked: that says nothing about the program.
fn was_not_asked(rejection: &Rejection) -> bool {
    rejection.log.is_empty() && rejection.error.errno() == libc::EPERM
}

fn show(path: &std::path::Path, verdicts: &[Verdict], args: &Args, out: &mut Output) -> Result {
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
                if !args.verbose {
                    note!(out, dim("-v prints the verifier's whole log"))?;
                }
            }
            Outcome::Unjudged(failure) => out.failure(failure)?,
        }
        if args.verbose && !verdict.log.is_empty() {
            note!(out, dim(format_args!("verifier log of {}:", verdict.name)))?;
            out.note_document(&format!("{}\n", verdict.log.trim_end()))?;
        }
    }
    Ok(())
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
        "diagnostics": diagnostics,
        "error": error,
        "log": verdict.log,
    })
}
