//! `hachi feature`: what this kernel has.

use std::path::PathBuf;

use hachi::features;
use hachi_obj::{MapType, inspect};
use serde_json::{Value, json};

use crate::failure::{Failure, Kind, Result};
use crate::machine;
use crate::object;
use crate::output::{BAD, Format, GOOD, Output, Styled, bold, dim, say};

/// Say what this kernel has, found out by trying; or whether it has what an object needs
///
/// Without privileges, judged by the kernel's version. For an object, exit code 3 says that
/// something is lacking.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi feature
  hachi feature firewall.o
  hachi feature --json")]
pub struct Args {
    /// Objects to judge
    #[arg(value_name = "OBJECT")]
    objects: Vec<PathBuf>,
    #[command(flatten)]
    format: Format,
}

/// One thing that a kernel has or lacks.
struct Answer {
    name: String,
    since: String,
    has: bool,
}

fn map_types() -> Vec<Answer> {
    (1..64)
        .filter_map(MapType::from_number)
        .map(|kind| {
            let (major, minor) = kind.first_kernel();
            Answer {
                name: kind.name().to_owned(),
                since: format!("{major}.{minor}"),
                has: features::map_type_is_supported(kind),
            }
        })
        .collect()
}

pub fn run(args: Args, out: &mut Output) -> Result {
    match args.objects.is_empty() {
        true => kernel(args.format, out),
        false => objects(&args, out),
    }
}

fn kernel(format: Format, out: &mut Output) -> Result {
    let asked = machine::capabilities()
        .iter()
        .any(|(name, has)| *has && matches!(*name, "CAP_BPF" | "CAP_SYS_ADMIN"));
    let all: Vec<Answer> = features::ALL
        .iter()
        .map(|feature| Answer {
            name: feature.name().to_owned(),
            since: feature.since().to_string(),
            has: feature.is_supported(),
        })
        .collect();
    let maps = map_types();
    let release = machine::kernel_release();
    let document = || {
        let list = |answers: &[Answer]| -> Vec<Value> {
            let json = |a: &Answer| json!({ "name": a.name, "since": a.since, "supported": a.has });
            answers.iter().map(json).collect()
        };
        json!({
            "kernel": release,
            "probed": asked,
            "features": list(&all),
            "map_types": list(&maps),
        })
    };
    format.print(out, document, |out| {
        say!(out, "Linux ", &release)?;
        if !asked {
            let why = "judged by the kernel's version: to try takes CAP_BPF or CAP_SYS_ADMIN";
            say!(out, dim(why))?;
        }
        for (title, answers) in [("Features", &all), ("Map types", &maps)] {
            say!(out)?;
            say!(out, bold(title))?;
            for answer in answers {
                let (style, mark) = match answer.has {
                    true => (GOOD, "yes"),
                    false => (BAD, "no "),
                };
                let since = dim(format!("since {}", answer.since));
                say!(
                    out,
                    "  ",
                    Styled(style, mark),
                    "  ",
                    &answer.name,
                    "  ",
                    since
                )?;
            }
        }
        Ok(())
    })
}

fn objects(args: &Args, out: &mut Output) -> Result {
    let release = machine::kernel_release();
    let running = machine::parse_release(&release);
    let mut documents = Vec::new();
    let mut lacking = false;
    for path in &args.objects {
        let object = object::open(path)?;
        let mut needs = Vec::new();
        for map in &object.spec.maps {
            let kind = map.kind;
            needs.push((
                format!("map {}: {}", map.name, kind.name()),
                kind.first_kernel(),
                features::map_type_is_supported(kind),
            ));
        }
        for requirement in inspect::requirements(&object.spec) {
            let (major, minor) = requirement.kernel;
            let has = running.is_none_or(|running| {
                (running.major, running.minor) >= (u32::from(major), u32::from(minor))
            });
            let what = format!("{} ({})", requirement.need, requirement.by);
            needs.push((what, (major, minor), has));
        }
        lacking |= needs.iter().any(|(.., has)| !has);
        let json: Vec<Value> = needs
            .iter()
            .map(|(what, (major, minor), has)| {
                json!({ "name": what, "since": format!("{major}.{minor}"), "supported": has })
            })
            .collect();
        documents.push(json!({ "path": path.to_string_lossy(), "needs": json }));
        if args.format.json {
            continue;
        }
        say!(out, bold(path.display()))?;
        for (what, (major, minor), has) in &needs {
            let (style, mark) = match has {
                true => (GOOD, "has  "),
                false => (BAD, "lacks"),
            };
            let since = dim(format!("since {major}.{minor}"));
            say!(out, "  ", Styled(style, mark), "  ", what, "  ", since)?;
        }
    }
    if args.format.json {
        out.json(&json!({ "kernel": release, "objects": documents }))?;
    }
    match lacking {
        true => Err(Failure::silent(Kind::Missing)),
        false => Ok(()),
    }
}
