//! `hachi dis`: instructions with the Rust lines they come from.

mod graph;

use std::borrow::Cow;
use std::path::PathBuf;

use hachi_asm::{Insn, disasm};
use hachi_obj::inspect::SpecNames;
use hachi_obj::{Code, ProgramSpec, SourceLine, Spec};
use serde_json::{Value, json};

use self::graph::Visits;
use crate::failure::Result;
use crate::graph::{Form, Graph};
use crate::object::{self, Object};
use crate::output::{self, DIM, Format, Output, Text, bold, dim, path_text, say};

/// Show the instructions of an object, with the Rust source lines between them
///
/// Reads the file only; no privileges, no kernel.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi dis firewall.o
  hachi dis firewall.o --program firewall --no-source
  hachi dis firewall.o --graph calls
  hachi dis firewall.o --graph cfg --form svg --out firewall.svg
  hachi check firewall.o -vv 2> log && hachi dis firewall.o --graph cfg --heat log")]
pub struct Args {
    /// The object file
    #[arg(value_name = "OBJECT")]
    object: PathBuf,
    /// Only this program, by name or section; may be given several times
    #[arg(short, long, value_name = "NAME")]
    program: Vec<String>,
    /// Leave the source lines out
    #[arg(long)]
    no_source: bool,
    /// Print the bytes of each instruction as well
    #[arg(long)]
    hex: bool,
    /// Draw a graph instead
    #[arg(long, value_enum, value_name = "WHAT")]
    graph: Option<graph::What>,
    /// How to print the graph
    #[arg(long, value_enum, value_name = "FORM", default_value = "text")]
    #[arg(requires = "graph")]
    form: Form,
    /// Colour the graph by how often the verifier walked each instruction, from a log that
    /// `hachi check -vv` printed
    #[arg(long, value_name = "LOG", requires = "graph")]
    heat: Option<PathBuf>,
    /// Write the graph to this file instead of stdout
    #[arg(long, value_name = "FILE", requires = "graph")]
    out: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
}

pub fn run(args: Args, out: &mut Output) -> Result {
    let object = object::open(&args.object)?;
    let programs = object
        .select(&args.program)?
        .into_iter()
        .map(|program| Ok((program, object.code(program)?)))
        .collect::<Result<Vec<_>>>()?;
    if let Some(what) = args.graph {
        return draw(what, &object, &programs, &args, out);
    }
    let document = || {
        let programs: Vec<Value> = programs
            .iter()
            .map(|(program, code)| to_json(&object.spec, program, code))
            .collect();
        json!({ "object": path_text(&object.path), "programs": programs })
    };
    args.format.print(out, document, |out| {
        for (at, (program, code)) in programs.iter().enumerate() {
            if at > 0 {
                say!(out)?;
            }
            show(&object.spec, program, code, &args, out)?;
        }
        match programs.is_empty() {
            true => say!(out, object.path.display(), ": no programs"),
            false => Ok(()),
        }
    })
}

/// The programs' graphs, beside each other in one.
fn draw(
    what: graph::What,
    object: &Object,
    programs: &[(&ProgramSpec, Cow<'_, Code>)],
    args: &Args,
    out: &mut Output,
) -> Result {
    let mut graph = Graph::default();
    let mut documents = Vec::new();
    for (program, code) in programs {
        let visits = match &args.heat {
            Some(path) => Some(Visits::read(path, &program.name, code.insns.len())?),
            None => None,
        };
        let own = graph::of(what, &object.spec, program, code, visits.as_ref());
        let mut document = own.json();
        document["name"] = program.name.as_str().into();
        documents.push(document);
        graph.append(own);
    }
    let text = match args.format.json {
        true => {
            return out.json(&json!({
                "object": path_text(&object.path),
                "programs": documents,
            }));
        }
        false => graph.print(args.form),
    };
    match &args.out {
        Some(path) => output::write_file(path, text.as_bytes()),
        None => out.document(&text),
    }
}

/// One instruction with all that is known about it.
struct Row<'p> {
    at: usize,
    text: String,
    /// Where its jump leads.
    target: Option<usize>,
    /// The source line that starts here; none when it goes on from the instruction before.
    line: Option<SourceLine<'p>>,
    bytes: Vec<u8>,
}

fn rows<'p>(spec: &Spec, code: &'p Code) -> Vec<Row<'p>> {
    let names = SpecNames::new(spec, code);
    let mut rows: Vec<Row<'p>> = Vec::new();
    let mut last: Option<(&str, u32)> = None;
    let mut at = 0;
    while at < code.insns.len() {
        let (text, slots) = disasm::line(&code.insns, at, &names);
        if code.functions.iter().any(|function| function.start == at) {
            last = None;
        }
        let line = code.line_at(at).filter(|line| {
            let place = Some((line.file, line.line));
            let is_new = place != last;
            last = place;
            is_new
        });
        let insns: &[Insn] = &code.insns[at..(at + slots).min(code.insns.len())];
        let insn = code.insns[at];
        let target = insn
            .jump_offset()
            .and_then(|offset| usize::try_from(at as i64 + 1 + i64::from(offset)).ok());
        rows.push(Row {
            at,
            text,
            target,
            line,
            bytes: Insn::encode_all(insns, spec.endian),
        });
        at += slots;
    }
    rows
}

fn show(spec: &Spec, program: &ProgramSpec, code: &Code, args: &Args, out: &mut Output) -> Result {
    let (section, length) = (&program.section, code.insns.len());
    let about = dim(format!("(section {section}, {length} instructions)"));
    say!(out, bold(&program.name), " ", about)?;
    let width = code.insns.len().saturating_sub(1).to_string().len().max(4);
    for row in rows(spec, code) {
        if let Some(function) = code
            .functions
            .iter()
            .find(|function| function.start == row.at)
        {
            say!(out)?;
            say!(out, bold(&function.name), ":")?;
        }
        if let Some(line) = row.line.filter(|_| !args.no_source) {
            let place = format!("{}:{}", object::short_file(line.file), line.line);
            match object::source_text(line).trim() {
                "" => say!(out, dim(format_args!("; {place}")))?,
                text => say!(out, "; ", text, "  ", dim(place))?,
            }
        }
        let mut line = Text::default().and(format_args!("{:width$}: ", row.at));
        if args.hex {
            // A wide instruction is 16 bytes: the second half goes below.
            line = line.and_in(
                DIM,
                format_args!("{:<24}", crate::value::hex(&row.bytes[..8])),
            );
        }
        line = line.and(&row.text);
        if let Some(target) = row.target {
            line = line.and(" ").and_in(DIM, format_args!("-> {target}"));
        }
        say!(out, line)?;
        if args.hex && row.bytes.len() > 8 {
            let second = crate::value::hex(&row.bytes[8..]);
            say!(out, format_args!("{:width$}  ", ""), dim(second))?;
        }
    }
    Ok(())
}

fn to_json(spec: &Spec, program: &ProgramSpec, code: &Code) -> Value {
    let instructions: Vec<Value> = rows(spec, code)
        .into_iter()
        .map(|row| {
            let line = code.line_at(row.at);
            json!({
                "at": row.at,
                "text": row.text,
                "bytes": crate::value::hex(&row.bytes),
                "target": row.target,
                "file": line.map(|line| line.file),
                "line": line.map(|line| line.line),
                "column": line.map(|line| line.column),
            })
        })
        .collect();
    let functions: Vec<Value> = code
        .functions
        .iter()
        .map(|function| {
            json!({ "name": function.name, "start": function.start, "len": function.len })
        })
        .collect();
    json!({
        "name": program.name,
        "section": program.section,
        "functions": functions,
        "instructions": instructions,
    })
}
