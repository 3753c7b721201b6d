//! `hachi vm debug`: a run under a debugger.
//!
//! The machine runs in one thread, which waits wherever the program stops; another speaks the
//! protocol of gdb and asks it what the debugger wants to know.

mod registers;
mod stub;
mod symbols;

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};

use hachi_vm::machine::Trap;
use hachi_vm::{Engine, Input, Moment, Observer, Stopped};

use self::registers::View;
use self::stub::{Debugged, Event, Go, Order, Pace, Stop};
use self::symbols::{address_of, code};
use super::run::{Ready, Setup};
use crate::failure::{Failure, Result};
use crate::output::{self, Output, bold, say};

/// Run a program under gdb
///
/// Waits for gdb, which then has the program before its first instruction, with its symbols and
/// lines: breakpoints by function, source line and address, steps, registers, the program's memory
/// and globals, the calls that led there. Where the program does what the kernel would not allow,
/// it stops with SIGSEGV.
///
/// gdb as most systems have it knows no BPF, so the program is shown as one for x86-64, in the
/// registers that the kernel's compiler uses there. $bpf0 to $bpf10 are the same by their own
/// names; `monitor registers` lists them, `monitor dis` shows the instructions, `monitor why` says
/// what the program did wrong.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi vm debug firewall.o --pcap in.pcap
  gdb -ex 'target remote 127.0.0.1:1234'
  gdb -ex 'target remote | hachi vm debug firewall-ebpf --pcap in.pcap --pipe'")]
pub struct Args {
    #[command(flatten)]
    setup: Setup,
    /// Run over this packet of the capture alone, from 1 [default: over all, one after the other]
    #[arg(long, value_name = "N")]
    packet: Option<usize>,
    /// Where to wait for gdb
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:1234")]
    listen: String,
    /// Speak with gdb on standard input and output
    #[arg(long, conflicts_with = "listen")]
    pipe: bool,
    /// As which machine gdb sees the program
    #[arg(long, value_name = "MACHINE", default_value = "x86_64")]
    view: View,
    /// Write the file with symbols and lines, too: gdb takes it from here by itself
    #[arg(long, value_name = "FILE")]
    symbols: Option<PathBuf>,
}

/// The program, in the thread that runs it.
struct Running {
    orders: Receiver<Order>,
    events: Sender<Event>,
    interrupt: Arc<AtomicBool>,
    why: Arc<Mutex<Option<String>>>,
    go: Go,
    /// Whether the debugger is gone.
    left: bool,
}

impl Running {
    /// Why it stops here, if it does.
    fn stops(&self, address: u64) -> Option<Stop> {
        if self.interrupt.swap(false, Ordering::Relaxed) {
            return Some(Stop::Interrupted);
        }
        if self.go.breakpoints.contains(&address) {
            return Some(Stop::Breakpoint);
        }
        match self.go.pace {
            Pace::Run => None,
            Pace::Step => Some(Stop::Step),
            Pace::Range(start, end) => (!(start..end).contains(&address)).then_some(Stop::Step),
        }
    }

    /// Says that it has stopped, and does what is asked until it goes on.
    fn wait(&mut self, moment: &mut Moment<'_>, stop: Option<Stop>) -> ControlFlow<()> {
        if let Some(stop) = stop
            && self.events.send(Event::Stopped(stop)).is_err()
        {
            self.left = true;
            return ControlFlow::Break(());
        }
        loop {
            match self.orders.recv() {
                Ok(Order::Look(look)) => look(moment),
                Ok(Order::Go(go)) => {
                    self.go = go;
                    return ControlFlow::Continue(());
                }
                Err(mpsc::RecvError) => {
                    self.left = true;
                    return ControlFlow::Break(());
                }
            }
        }
    }
}

impl Observer for Running {
    fn step(&mut self, moment: &mut Moment<'_>) -> ControlFlow<()> {
        match self.stops(address_of(moment.number(), moment.insn())) {
            Some(stop) => self.wait(moment, Some(stop)),
            None => ControlFlow::Continue(()),
        }
    }

    fn fault(&mut self, moment: &mut Moment<'_>, trap: &Trap) {
        if let Ok(mut why) = self.why.lock() {
            *why = Some(trap.to_string());
        }
        // It cannot go on from here, whatever is asked.
        let _ = self.wait(moment, Some(Stop::Fault));
    }
}

pub fn run(args: Args, out: &mut Output) -> Result {
    let Ready {
        object,
        spec,
        mut vm,
        name,
        packets,
        ..
    } = args.setup.ready(Engine::Interpreter)?;
    let chosen = match args.packet {
        None if packets.is_empty() => None,
        None => Some(&packets[..]),
        Some(number) => number.checked_sub(1).and_then(|at| packets.get(at..=at)),
    };
    let Some(chosen) = chosen else {
        return Err(Failure::new(format!(
            "capture {} has {} packets, not {}",
            args.setup.pcap.display(),
            packets.len(),
            args.packet.unwrap_or(1),
        )));
    };
    let directory = sources(&args.setup.target, &object.path);
    let symbols = symbols::file(&vm, &spec, args.view, &directory.to_string_lossy())?;
    if let Some(path) = &args.symbols {
        output::write_file(path, &symbols)?;
    }
    let programs: Vec<String> = vm.programs().map(str::to_owned).collect();
    let (orders, ordered) = mpsc::channel();
    let (events, seen) = mpsc::channel();
    let to = match args.pipe {
        true => {
            listen_to(io::stdin(), events.clone());
            Box::new(io::stdout()) as Box<dyn Write + Send>
        }
        false => {
            let stream = accept(&args, out)?;
            let from = stream.try_clone().map_err(lost)?;
            listen_to(from, events.clone());
            Box::new(stream)
        }
    };
    let interrupt = Arc::new(AtomicBool::new(false));
    let why = Arc::new(Mutex::new(None));
    let debugged = Debugged {
        orders,
        interrupt: Arc::clone(&interrupt),
        view: args.view,
        code: programs
            .iter()
            .map(|name| code(&vm, spec.endian, name))
            .collect(),
        symbols,
        breakpoints: Arc::default(),
        why: Arc::clone(&why),
    };
    let mut running = Running {
        orders: ordered,
        events: events.clone(),
        interrupt,
        why,
        go: Go {
            pace: Pace::Step,
            breakpoints: Arc::new(BTreeSet::new()),
        },
        left: false,
    };
    let served = std::thread::spawn(move || stub::serve(debugged, &seen, to));
    let mut result = Ok(0);
    for packet in chosen {
        result = vm
            .run_observed(&name, &Input::new(&packet.bytes), &mut running)
            .map(|output| output.result);
        if running.left || result.is_err() {
            break;
        }
    }
    let left = running.left;
    // Nobody can ask any more.
    drop(running);
    let over = match &result {
        Ok(result) => Stop::Over(*result as u8),
        Err(_) => Stop::Failed,
    };
    let _ = events.send(Event::Stopped(over));
    let served = served
        .join()
        .unwrap_or_else(|_| Err("it broke off".to_owned()));
    served.map_err(|error| Failure::new(format!("speaking with the debugger: {error}")))?;
    finish(&name, result, left, out)
}

fn finish(
    name: &str,
    result: std::result::Result<u32, Box<Stopped>>,
    left: bool,
    out: &mut Output,
) -> Result {
    match result {
        Err(stopped) if !left => {
            out.diagnostic(&stopped.diagnostic())?;
            Err(Failure::new(format!("program {name} stopped")))
        }
        _ => Ok(()),
    }
}

/// Where relative names of source files are looked for: in the package, or beside the object.
fn sources(target: &Path, object: &Path) -> PathBuf {
    let directory = match target.is_dir() {
        true => target,
        false => object.parent().unwrap_or(Path::new("")),
    };
    let directory = match directory.as_os_str().is_empty() {
        true => Path::new("."),
        false => directory,
    };
    std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned())
}

fn lost(error: io::Error) -> Failure {
    Failure::because("speaking with the debugger", &error)
}

/// Waits for a debugger: one, and no other after it.
fn accept(args: &Args, out: &mut Output) -> Result<TcpStream> {
    let failed = |error| Failure::because(format!("listening at {}", args.listen), &error);
    let listener = TcpListener::bind(&args.listen).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    say!(
        out,
        "waiting: ",
        bold(format_args!("gdb -ex 'target remote {address}'"))
    )?;
    out.flush()?;
    let (stream, _) = listener.accept().map_err(failed)?;
    stream.set_nodelay(true).map_err(lost)?;
    Ok(stream)
}

/// Passes on what the debugger sends, from a thread of its own.
fn listen_to(mut from: impl Read + Send + 'static, events: Sender<Event>) {
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        let mut is_first = true;
        loop {
            let event = match from.read(&mut buffer) {
                Ok(0) | Err(_) => Event::Closed,
                Ok(len) if is_first => Event::Bytes(once(&buffer[..len]).to_vec()),
                Ok(len) => Event::Bytes(buffer[..len].to_vec()),
            };
            is_first = false;
            let over = matches!(event, Event::Closed);
            if events.send(event).is_err() || over {
                return;
            }
        }
    });
}

/// What was said first. gdb says it again when there is no answer at once, as while a package is
/// built.
fn once(bytes: &[u8]) -> &[u8] {
    let mut starts = (0..bytes.len()).filter(|at| bytes[*at] == b'$');
    let (Some(first), Some(second)) = (starts.next(), starts.next()) else {
        return bytes;
    };
    let packet = &bytes[first..second];
    match bytes[first..]
        .chunks(packet.len())
        .all(|again| again == packet)
    {
        true => &bytes[..second],
        false => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::once;

    #[test]
    fn packets_said_again_are_heard_once() {
        assert_eq!(once(b"+$q#71$q#71$q#71"), b"+$q#71");
        for other in [&b"+$q#71"[..], b"+$q#71$g#67", b"+", b"+$q#71$q#71$q"] {
            assert_eq!(once(other), other);
        }
    }
}
