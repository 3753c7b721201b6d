//! `hachi vm trace`: a run over one packet, instruction by instruction.

use std::ops::ControlFlow;

use hachi_asm::{Insn, Op, disasm};
use hachi_vm::{Engine, Input, Moment, Observer};
use serde_json::{Value, json};

use super::run::{Ready, Setup};
use crate::failure::{Failure, Result};
use crate::output::{Format, Output, bold, dim, say};

/// Show a run over one packet, instruction by instruction
///
/// Prints each source line with its instructions, what each changed (registers, memory), and the
/// result.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi vm trace firewall.o --pcap in.pcap
  hachi vm trace firewall.o --pcap in.pcap --packet 7 --json")]
pub struct Args {
    #[command(flatten)]
    setup: Setup,
    /// Which packet of the capture, from 1
    #[arg(long, value_name = "N", default_value_t = 1)]
    packet: usize,
    /// Show at most this many instructions
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    most: usize,
    #[command(flatten)]
    format: Format,
}

/// An instruction that ran.
struct Step {
    program: String,
    insn: usize,
    text: String,
    depth: usize,
    registers: [u64; 11],
    /// What it reads or writes.
    touches: Option<Touch>,
    place: Option<(String, u32, String)>,
}

/// Memory that an instruction reads or writes.
struct Touch {
    writes: bool,
    address: u64,
    size: u64,
    /// What was there before; none if it may not be read.
    before: Option<Vec<u8>>,
}

struct Recorder {
    steps: Vec<Step>,
    most: usize,
    left_out: usize,
}

impl Observer for Recorder {
    fn step(&mut self, moment: &mut Moment<'_>) -> ControlFlow<()> {
        if self.steps.len() == self.most {
            self.left_out += 1;
            return ControlFlow::Continue(());
        }
        let (text, _) = disasm::line(moment.instructions(), moment.insn(), &());
        let place = moment.place();
        self.steps.push(Step {
            program: moment.program().to_owned(),
            insn: moment.insn(),
            text,
            depth: moment.depth(),
            registers: moment.registers(),
            touches: touch(moment),
            place: place.map(|place| (place.file, place.line, place.text)),
        });
        ControlFlow::Continue(())
    }
}

/// What the next instruction reads or writes.
fn touch(moment: &Moment<'_>) -> Option<Touch> {
    let registers = moment.registers();
    let insns: &[Insn] = moment.instructions();
    let at = |register: u8, off: i16| {
        let base = registers.get(usize::from(register)).copied()?;
        Some(base.wrapping_add(i64::from(off) as u64))
    };
    let (writes, address, size) = match Op::decode(insns, moment.insn()).ok()? {
        Op::Load { size, src, off, .. } | Op::LoadAcquire { size, src, off, .. } => {
            (false, at(src, off)?, size)
        }
        Op::Store { size, dst, off, .. }
        | Op::Atomic { size, dst, off, .. }
        | Op::StoreRelease { size, dst, off, .. } => (true, at(dst, off)?, size),
        _ => return None,
    };
    let size = u64::from(size.bytes());
    let mut before = vec![0; size as usize];
    let read = moment.read(address, &mut before);
    Some(Touch {
        writes,
        address,
        size,
        before: read.is_ok().then_some(before),
    })
}

pub fn run(args: Args, out: &mut Output) -> Result {
    let Ready {
        mut vm,
        name,
        packets,
        ..
    } = args.setup.ready(Engine::Interpreter)?;
    let packet = args.packet.checked_sub(1).and_then(|at| packets.get(at));
    let Some(packet) = packet else {
        return Err(Failure::new(format!(
            "capture {} has {} packets, not {}",
            args.setup.pcap.display(),
            packets.len(),
            args.packet
        )));
    };
    let mut recorder = Recorder {
        steps: Vec::new(),
        most: args.most,
        left_out: 0,
    };
    let result = vm.run_observed(&name, &Input::new(&packet.bytes), &mut recorder);
    let verdict = result.as_ref().ok().map(|output| output.result);
    let document = || {
        json!({
            "program": name,
            "packet": args.packet,
            "steps": recorder.steps.iter().map(to_json).collect::<Vec<_>>(),
            "left_out": recorder.left_out,
            "result": verdict,
            "fault": result.as_ref().err().map(ToString::to_string),
        })
    };
    args.format
        .print(out, document, |out| show(&recorder, verdict, out))?;
    match &result {
        Ok(_) => Ok(()),
        Err(stopped) => {
            out.diagnostic(&stopped.diagnostic())?;
            Err(Failure::new(format!("program {name} stopped")))
        }
    }
}

fn to_json(step: &Step) -> Value {
    json!({
        "program": step.program,
        "insn": step.insn,
        "text": step.text,
        "depth": step.depth,
        "registers": step.registers.map(|value| format!("{value:#x}")),
        "memory": step.touches.as_ref().map(|touch| json!({
            "writes": touch.writes,
            "address": format!("{:#x}", touch.address),
            "size": touch.size,
            "before": touch.before,
        })),
        "place": step.place.as_ref().map(|(file, line, text)| json!({
            "file": file,
            "line": line,
            "text": text,
        })),
    })
}

fn show(recorder: &Recorder, verdict: Option<u32>, out: &mut Output) -> Result {
    let mut last = None;
    let mut before: Option<&Step> = None;
    for step in &recorder.steps {
        changes(before, step, out)?;
        let line = step.place.as_ref().map(|(file, line, _)| (file, *line));
        if line != last
            && let Some((file, line, text)) = &step.place
        {
            say!(out, bold(format_args!("{file}:{line}")), "  ", text.trim())?;
        }
        last = line;
        let indent = "  ".repeat(step.depth);
        say!(out, format_args!("  {indent}{:4}: ", step.insn), &step.text)?;
        if let Some(touch) = &step.touches {
            let verb = if touch.writes { "writes" } else { "reads" };
            let held = match &touch.before {
                Some(bytes) => {
                    let digits: Vec<String> =
                        bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                    format!(", which held {}", digits.join(" "))
                }
                None => String::new(),
            };
            let (size, address) = (touch.size, touch.address);
            let about = format!("{verb} {size} at {address:#x}{held}");
            say!(out, "        ", dim(about))?;
        }
        before = Some(step);
    }
    if recorder.left_out > 0 {
        let more = recorder.left_out;
        say!(
            out,
            dim(format_args!("{more} more instructions: see --most"))
        )?;
    }
    match verdict {
        Some(verdict) => say!(out, bold(format_args!("result {verdict}"))),
        None => Ok(()),
    }
}

/// The registers that the step before this one changed.
fn changes(before: Option<&Step>, step: &Step, out: &mut Output) -> Result {
    let Some(before) = before else {
        return Ok(());
    };
    let pairs = before.registers.iter().zip(&step.registers).enumerate();
    for (register, (was, is)) in pairs {
        if was != is {
            say!(out, "        ", dim(format_args!("r{register} = {is:#x}")))?;
        }
    }
    Ok(())
}
