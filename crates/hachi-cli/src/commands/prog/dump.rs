//! `hachi prog dump`: what the kernel made of a program.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use hachi::programs::{LoadedLine, ProgramCode, ProgramInfo};
use hachi_asm::disasm::{self, Names};
use hachi_asm::{CallTarget, Endian, Imm64, Insn, Op};
use serde_json::{Value, json};

use crate::failure::{Failure, Result};
use crate::graph::{Edge, Form, Graph, Node, flow};
use crate::kallsyms::Symbols;
use crate::output::{self, DIM, Format, Output, Text, bold, dim, say};
use crate::{machine_code, object, select, value};

/// Print the instructions of a loaded program, its machine code, source, control flow or calls
///
/// The instructions are those after the kernel's rewriting, under the lines of source that they
/// come from.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi prog dump firewall
  hachi prog dump firewall jited
  hachi prog dump 31 source
  hachi prog dump 31 cfg --form svg --out firewall.svg")]
pub struct Args {
    /// Its id, its name, its tag, or where it is pinned
    #[arg(value_name = "PROGRAM")]
    #[arg(add = clap_complete::ArgValueCandidates::new(crate::complete::programs))]
    program: String,
    /// What to print
    #[arg(value_enum, value_name = "WHAT", default_value = "xlated")]
    what: What,
    /// How to print control flow and calls
    #[arg(long, value_enum, value_name = "FORM", default_value = "text")]
    form: Form,
    /// Write to this file instead of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Leave the source lines out
    #[arg(long)]
    no_source: bool,
    /// Print the bytes of each instruction as well
    #[arg(long)]
    hex: bool,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// The instructions after the kernel's rewriting
    Xlated,
    /// The machine code
    Jited,
    /// The lines of source
    Source,
    /// The basic blocks and where they lead
    Cfg,
    /// Which function calls which
    Calls,
}

impl What {
    fn name(self) -> &'static str {
        match self {
            What::Xlated => "xlated",
            What::Jited => "jited",
            What::Source => "source",
            What::Cfg => "cfg",
            What::Calls => "calls",
        }
    }
}

pub fn run(args: Args, out: &mut Output) -> Result {
    let program = select::program(&args.program)?;
    let code = program
        .code()
        .map_err(|error| Failure::because("", &error))?;
    let listing = Listing::new(&program, &code);
    listing.check(args.what)?;
    if args.format.json {
        let mut document = listing.json(args.what);
        document["what"] = args.what.name().into();
        document["program"] = json!({ "id": program.id(), "name": program.name() });
        return out.json(&document);
    }
    match args.what {
        What::Cfg | What::Calls => {
            let graph = match args.what {
                What::Cfg => listing.flow(),
                _ => listing.calls(),
            };
            let text = graph.print(args.form);
            match &args.out {
                Some(path) => output::write_file(path, text.as_bytes()),
                None => out.document(&text),
            }
        }
        _ if args.out.is_some() => Err(Failure::usage("--out is for graphs (cfg, calls)")),
        What::Xlated => listing.show_xlated(&args, out),
        What::Jited => listing.show_jited(&args, out),
        What::Source => listing.show_source(out),
    }
}

struct Listing<'p> {
    program: &'p ProgramInfo,
    code: &'p ProgramCode,
    names: LoadedNames<'p>,
    /// By its first instruction.
    functions: BTreeMap<usize, String>,
}

impl<'p> Listing<'p> {
    fn new(program: &'p ProgramInfo, code: &'p ProgramCode) -> Listing<'p> {
        let functions = code.functions.iter().enumerate().map(|(at, function)| {
            let name = function.name.clone().unwrap_or_else(|| match at {
                0 => program.name(),
                at => format!("function {at}"),
            });
            (function.insn as usize, name)
        });
        let functions: BTreeMap<usize, String> = functions.collect();
        Listing {
            program,
            code,
            names: LoadedNames::new(code, functions.clone()),
            functions,
        }
    }

    /// Whether there is anything to print.
    fn check(&self, what: What) -> Result {
        let name = self.program.name();
        let (is_empty, why) = match what {
            What::Xlated | What::Cfg | What::Calls => (
                self.code.xlated.is_empty(),
                "the kernel hides its instructions: CAP_SYS_ADMIN or CAP_PERFMON is needed, and \
                 net.core.bpf_jit_harden or kernel.kptr_restrict may hide them from all",
            ),
            What::Jited => (
                self.code.jited.is_empty(),
                "it has no machine code, or the kernel hides it (net.core.bpf_jit_enable, \
                 kernel.kptr_restrict)",
            ),
            What::Source => (
                self.code.lines.iter().all(|line| line.text.is_empty()),
                "it was loaded without lines of source, or its types may not be read",
            ),
        };
        match is_empty {
            true => Err(Failure::new(format_args!("program {name}: {why}"))),
            false => Ok(()),
        }
    }

    fn line_of(&self, insn: usize) -> Option<&'p LoadedLine> {
        let lines = &self.code.lines;
        let after = lines.partition_point(|line| line.insn as usize <= insn);
        lines.get(after.checked_sub(1)?)
    }

    /// The line that starts at an instruction.
    fn line_at(&self, insn: usize) -> Option<&'p LoadedLine> {
        self.line_of(insn).filter(|line| line.insn as usize == insn)
    }

    /// The instructions in a range: slot, text, slots.
    fn insns(&self, range: std::ops::Range<usize>) -> Vec<(usize, String, usize)> {
        let mut found = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let insn = self.code.xlated[at];
            let (text, slots) = match (insn.code, insn.off) {
                // The kernel's own, which no program may have: `BPF_ADDR_PERCPU`.
                (0xbf, -1) => (
                    format!("r{} = &(void __percpu *)(r{})", insn.dst, insn.src),
                    1,
                ),
                _ => disasm::line(&self.code.xlated, at, &self.names),
            };
            found.push((at, text, slots));
            at += slots.max(1);
        }
        found
    }

    fn bytes(&self, at: usize, slots: usize) -> Vec<u8> {
        let end = (at + slots).min(self.code.xlated.len());
        Insn::encode_all(&self.code.xlated[at..end], Endian::NATIVE)
    }

    fn show_line(line: &LoadedLine, out: &mut Output) -> Result {
        let place = dim(format!("{}:{}", object::short_file(&line.file), line.line));
        match line.text.as_str() {
            "" => say!(out, "; ", place),
            text => say!(out, "; ", text, "  ", place),
        }
    }

    fn show_xlated(&self, args: &Args, out: &mut Output) -> Result {
        let length = self.code.xlated.len();
        let width = length.saturating_sub(1).to_string().len().max(4);
        let mut last = None;
        for (at, text, slots) in self.insns(0..length) {
            if let Some(function) = self.functions.get(&at) {
                if at > 0 {
                    say!(out)?;
                }
                say!(out, bold(function), ":")?;
                last = None;
            }
            if let Some(line) = self.line_at(at).filter(|_| !args.no_source) {
                let place = (&line.file, line.line);
                if last != Some(place) {
                    Self::show_line(line, out)?;
                }
                last = Some(place);
            }
            let mut shown = Text::default().and(format_args!("{at:width$}: "));
            if args.hex {
                let bytes = value::hex(&self.bytes(at, slots));
                shown = shown.and_in(DIM, format_args!("{bytes:<24}"));
            }
            say!(out, shown.and(text))?;
        }
        Ok(())
    }

    /// Each function's machine code, with where it is in `jited`.
    fn machine_code(&self) -> Vec<(String, u64, &'p [u8])> {
        let mut rest = &self.code.jited[..];
        let mut found = Vec::new();
        for (function, name) in self.code.functions.iter().zip(self.functions.values()) {
            let size = (function.size as usize).min(rest.len());
            let (bytes, after) = rest.split_at(size);
            found.push((name.clone(), function.address, bytes));
            rest = after;
        }
        if !rest.is_empty() && found.is_empty() {
            found.push((self.program.name(), 0, rest));
        }
        found
    }

    fn show_jited(&self, args: &Args, out: &mut Output) -> Result {
        let lines: BTreeMap<u64, &LoadedLine> = self
            .code
            .lines
            .iter()
            .filter(|line| line.address != 0)
            .map(|line| (line.address, line))
            .collect();
        for (at, (name, address, bytes)) in self.machine_code().into_iter().enumerate() {
            if at > 0 {
                say!(out)?;
            }
            say!(out, bold(name), ":")?;
            for insn in machine_code::disassemble(address, bytes) {
                let place = address + insn.offset as u64;
                if let Some(line) = lines
                    .get(&place)
                    .filter(|_| !args.no_source && address != 0)
                {
                    Self::show_line(line, out)?;
                }
                let mut shown = Text::default().and(format_args!("{:6x}: ", insn.offset));
                if args.hex {
                    let bytes = value::hex(&bytes[insn.offset..insn.offset + insn.length]);
                    shown = shown.and_in(DIM, format_args!("{bytes:<36}"));
                }
                say!(out, shown.and(&insn.text))?;
            }
        }
        Ok(())
    }

    /// The lines of source in the order of the program's instructions, each once in a row.
    fn source(&self) -> Vec<&'p LoadedLine> {
        let mut found: Vec<&LoadedLine> = Vec::new();
        for line in self.code.lines.iter().filter(|line| !line.text.is_empty()) {
            let is_new = found
                .last()
                .is_none_or(|last| (&last.file, last.line) != (&line.file, line.line));
            if is_new {
                found.push(line);
            }
        }
        found
    }

    fn show_source(&self, out: &mut Output) -> Result {
        let mut file = "";
        let lines = self.source();
        let width = lines.iter().map(|line| line.line).max().unwrap_or(0);
        let width = width.to_string().len();
        for line in lines {
            if let Some(function) = self.functions.get(&(line.insn as usize)) {
                say!(out, bold(function), ":")?;
                file = "";
            }
            if line.file != file {
                say!(out, dim(object::short_file(&line.file)))?;
                file = &line.file;
            }
            say!(out, format_args!("{:>width$}: {}", line.line, line.text))?;
        }
        Ok(())
    }

    fn flow(&self) -> Graph {
        let starts: Vec<usize> = self.functions.keys().copied().collect();
        let blocks = flow::blocks(&self.code.xlated, &starts);
        flow::graph(
            &blocks,
            |block| match self.functions.get(&block.insns.start) {
                Some(name) => format!("{name} (from {})", block.insns.start),
                None => format!("from {}", block.insns.start),
            },
            |block| {
                let mut lines = Vec::new();
                for (at, text, _) in self.insns(block.insns.clone()) {
                    if let Some(line) = self.line_at(at).filter(|line| !line.text.is_empty()) {
                        lines.push(format!("; {}", line.text));
                    }
                    lines.push(format!("{at}: {text}"));
                }
                lines
            },
            |_| None,
        )
    }

    /// The functions, with an arrow for each that another calls or hands out.
    fn calls(&self) -> Graph {
        let starts: Vec<usize> = self.functions.keys().copied().collect();
        let ends = starts.iter().skip(1).copied();
        let ends = ends.chain([self.code.xlated.len()]);
        let mut graph = Graph::default();
        let mut arrows = BTreeSet::new();
        for (from, (start, end)) in starts.iter().zip(ends).enumerate() {
            let mut lines = vec![format!("{} instructions", end - start)];
            if let Some(line) = self.line_of(*start) {
                let file = object::short_file(&line.file);
                lines.push(format!("{file}:{}", line.line));
            }
            graph.nodes.push(Node {
                title: self.functions.get(start).cloned().unwrap_or_default(),
                lines,
                heat: None,
            });
            for at in *start..end {
                let offset = match Op::decode(&self.code.xlated, at) {
                    Ok(Op::Call(CallTarget::Local(offset))) => offset,
                    Ok(Op::LdImm64 {
                        imm: Imm64::Func(offset),
                        ..
                    }) => offset,
                    _ => continue,
                };
                let callee = at as i64 + 1 + i64::from(offset);
                let callee = starts.iter().position(|start| *start as i64 == callee);
                arrows.extend(callee.map(|to| (from, to)));
            }
        }
        let edges = arrows.into_iter().map(|(from, to)| Edge {
            from,
            to,
            label: String::new(),
        });
        graph.edges = edges.collect();
        graph
    }

    fn json(&self, what: What) -> Value {
        let place = |line: Option<&LoadedLine>| {
            json!({
                "file": line.map(|line| &line.file),
                "line": line.map(|line| line.line),
                "column": line.map(|line| line.column),
                "source": line.map(|line| &line.text),
            })
        };
        match what {
            What::Xlated => {
                let insns = self.insns(0..self.code.xlated.len()).into_iter();
                let insns = insns.map(|(at, text, slots)| {
                    let mut insn = place(self.line_of(at));
                    insn["at"] = at.into();
                    insn["text"] = text.into();
                    insn["bytes"] = value::hex(&self.bytes(at, slots)).into();
                    insn
                });
                let functions = self.functions.iter();
                let functions =
                    functions.map(|(start, name)| json!({ "name": name, "start": start }));
                json!({
                    "functions": functions.collect::<Vec<_>>(),
                    "instructions": insns.collect::<Vec<_>>(),
                })
            }
            What::Jited => {
                let functions = self.machine_code().into_iter();
                let functions = functions.map(|(name, address, bytes)| {
                    let insns = machine_code::disassemble(address, bytes).into_iter();
                    let insns = insns.map(|insn| {
                        let of = &bytes[insn.offset..insn.offset + insn.length];
                        json!({ "at": insn.offset, "text": insn.text, "bytes": value::hex(of) })
                    });
                    json!({
                        "name": name,
                        "address": address,
                        "instructions": insns.collect::<Vec<_>>(),
                    })
                });
                json!({ "functions": functions.collect::<Vec<_>>() })
            }
            What::Source => {
                let lines = self.source().into_iter();
                let lines = lines.map(|line| {
                    let mut entry = place(Some(line));
                    entry["insn"] = line.insn.into();
                    entry
                });
                json!({ "lines": lines.collect::<Vec<_>>() })
            }
            What::Cfg => self.flow().json(),
            What::Calls => self.calls().json(),
        }
    }
}

/// What the kernel's rewriting has left of names.
struct LoadedNames<'p> {
    code: &'p ProgramCode,
    functions: BTreeMap<usize, String>,
    symbols: Symbols,
    maps: BTreeMap<u32, String>,
    types: Option<hachi::Btf>,
}

impl<'p> LoadedNames<'p> {
    fn new(code: &'p ProgramCode, functions: BTreeMap<usize, String>) -> LoadedNames<'p> {
        let ops = || {
            let mut at = 0;
            std::iter::from_fn(move || {
                code.xlated.get(at)?;
                let op = Op::decode(&code.xlated, at);
                at += op.as_ref().map_or(1, |op| op.slots());
                Some(op)
            })
        };
        let calls = |wanted: fn(&CallTarget) -> bool| {
            ops().any(|op| matches!(op, Ok(Op::Call(target)) if wanted(&target)))
        };
        let maps = match ops().any(|op| matches!(op, Ok(Op::LdImm64 { .. }))) {
            true => select::maps().unwrap_or_default(),
            false => Vec::new(),
        };
        LoadedNames {
            code,
            functions,
            symbols: match calls(|target| matches!(target, CallTarget::Helper(_))) {
                true => Symbols::read(),
                false => Symbols::default(),
            },
            maps: maps.iter().map(|map| (map.id(), map.name())).collect(),
            types: match calls(|target| matches!(target, CallTarget::Kfunc { .. })) {
                true => hachi::Btf::from_sys_fs().ok(),
                false => None,
            },
        }
    }

    fn function(&self, at: usize, offset: i32) -> Option<String> {
        let start = usize::try_from(at as i64 + 1 + i64::from(offset)).ok()?;
        self.functions.get(&start).cloned()
    }
}

impl Names for LoadedNames<'_> {
    fn imm64(&self, at: usize) -> Option<String> {
        let Ok(Op::LdImm64 { imm, .. }) = Op::decode(&self.code.xlated, at) else {
            return None;
        };
        let map = |id: i32| {
            let name = self.maps.get(&(id as u32));
            let name = name.map_or_else(String::new, |name| format!("{name} "));
            format!("map[{name}id:{id}]")
        };
        match imm {
            // In what the kernel hands out, ids stand in the place of descriptors.
            Imm64::MapFd(id) => Some(map(id)),
            Imm64::MapValue { fd: id, offset } => Some(format!("{}[0]+{offset}", map(id))),
            Imm64::Func(offset) => self.function(at, offset),
            _ => None,
        }
    }

    fn call(&self, at: usize) -> Option<String> {
        let Ok(Op::Call(target)) = Op::decode(&self.code.xlated, at) else {
            return None;
        };
        match target {
            CallTarget::Helper(offset) => self.symbols.helper(offset),
            CallTarget::Local(offset) => self.function(at, offset),
            CallTarget::Kfunc { id, module: 0 } => {
                let types = self.types.as_ref()?.types();
                let found = types.get(u32::try_from(id).ok()?).ok()?;
                found.name().map(|name| name.to_string())
            }
            _ => None,
        }
    }
}
