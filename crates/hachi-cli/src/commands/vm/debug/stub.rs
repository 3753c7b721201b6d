//! The protocol's side: what a debugger asks for, and the answers.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};

use gdbstub::common::{Pid, Signal};
use gdbstub::conn::Connection;
use gdbstub::stub::state_machine::GdbStubStateMachine;
use gdbstub::stub::{GdbStub, SingleThreadStopReason};
use gdbstub::target::ext::base::BaseOps;
use gdbstub::target::ext::base::singlethread::{
    SingleThreadBase, SingleThreadRangeStepping, SingleThreadRangeSteppingOps, SingleThreadResume,
    SingleThreadResumeOps, SingleThreadSingleStep, SingleThreadSingleStepOps,
};
use gdbstub::target::ext::breakpoints::{
    Breakpoints, BreakpointsOps, SwBreakpoint, SwBreakpointOps,
};
use gdbstub::target::ext::exec_file::{ExecFile, ExecFileOps};
use gdbstub::target::ext::host_io::{
    FsKind, HostIo, HostIoClose, HostIoCloseOps, HostIoErrno, HostIoError, HostIoFstat,
    HostIoFstatOps, HostIoOpen, HostIoOpenFlags, HostIoOpenMode, HostIoOpenOps, HostIoPread,
    HostIoPreadOps, HostIoResult, HostIoSetfs, HostIoSetfsOps, HostIoStat,
};
use gdbstub::target::ext::monitor_cmd::{ConsoleOutput, MonitorCmd, MonitorCmdOps, outputln};
use gdbstub::target::ext::target_description_xml_override::{
    TargetDescriptionXmlOverride, TargetDescriptionXmlOverrideOps,
};
use gdbstub::target::{Target, TargetError, TargetResult};
use hachi_asm::disasm;
use hachi_vm::Moment;

use super::registers::{self, Machine, Values, View};
use super::symbols::{address_of, slot_at};

/// How the program goes on.
#[derive(Debug, Clone)]
pub struct Go {
    pub pace: Pace,
    /// Addresses at which it stops.
    pub breakpoints: Arc<BTreeSet<u64>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Until a breakpoint.
    Run,
    /// One instruction.
    Step,
    /// Until it is outside of these addresses.
    Range(u64, u64),
}

/// What is done with a program that has stopped.
pub enum Order {
    Look(Box<dyn FnOnce(&mut Moment<'_>) + Send>),
    Go(Go),
}

/// Why a program stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    Step,
    Breakpoint,
    Interrupted,
    /// It did what the kernel would not allow.
    Fault,
    /// All runs are over; the result of the last.
    Over(u8),
    /// It could not go on.
    Failed,
}

/// What the protocol's side waits for.
pub enum Event {
    Bytes(Vec<u8>),
    /// The debugger is gone.
    Closed,
    Stopped(Stop),
}

/// The program that is debugged, as the protocol sees it.
pub struct Debugged {
    pub orders: Sender<Order>,
    pub interrupt: Arc<AtomicBool>,
    pub view: View,
    /// The instructions of each program, as bytes.
    pub code: Vec<Vec<u8>>,
    /// The file with the symbols.
    pub symbols: Vec<u8>,
    pub breakpoints: Arc<BTreeSet<u64>>,
    pub why: Arc<std::sync::Mutex<Option<String>>>,
}

/// The name under which a debugger opens the file with the symbols.
const FILE: &str = "/hachi/program";
/// Its descriptor.
const FD: u32 = 3;

/// Answers a debugger until one of both is gone.
pub fn serve(
    mut debugged: Debugged,
    events: &Receiver<Event>,
    to: Box<dyn Write>,
) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| error.to_string();
    let stub = GdbStub::new(Wire(io::BufWriter::new(to)));
    let mut state = stub
        .run_state_machine(&mut debugged)
        .map_err(|error| failed(&error))?;
    let mut pending = std::collections::VecDeque::new();
    loop {
        let next = match state {
            GdbStubStateMachine::Idle(idle) => {
                let byte = loop {
                    if let Some(byte) = pending.pop_front() {
                        break byte;
                    }
                    match events.recv() {
                        Ok(Event::Bytes(bytes)) => pending.extend(bytes),
                        Ok(Event::Stopped(_)) => {}
                        Ok(Event::Closed) | Err(_) => return Ok(()),
                    }
                };
                idle.incoming_data(&mut debugged, byte)
            }
            GdbStubStateMachine::Running(mut running) => {
                if let Some(byte) = pending.pop_front() {
                    running.incoming_data(&mut debugged, byte)
                } else {
                    // The answer to what was asked before must not wait for the program.
                    let _ = running.borrow_conn().flush();
                    match events.recv() {
                        Ok(Event::Bytes(bytes)) => {
                            pending.extend(bytes);
                            Ok(running.into())
                        }
                        Ok(Event::Stopped(stop)) => {
                            running.report_stop(&mut debugged, reason(stop))
                        }
                        Ok(Event::Closed) | Err(_) => return Ok(()),
                    }
                }
            }
            GdbStubStateMachine::CtrlCInterrupt(interrupted) => {
                debugged.interrupt.store(true, Ordering::Relaxed);
                let nothing: Option<SingleThreadStopReason<u64>> = None;
                interrupted.interrupt_handled(&mut debugged, nothing)
            }
            GdbStubStateMachine::Disconnected(_) => return Ok(()),
        };
        state = match next {
            Ok(state) => state,
            // A debugger that is gone need not be told.
            Err(error) if error.is_connection_error() => return Ok(()),
            Err(error) => return Err(failed(&error)),
        };
    }
}

fn reason(stop: Stop) -> SingleThreadStopReason<u64> {
    match stop {
        Stop::Step => SingleThreadStopReason::DoneStep,
        Stop::Breakpoint => SingleThreadStopReason::SwBreak(()),
        Stop::Interrupted => SingleThreadStopReason::Signal(Signal::SIGINT),
        Stop::Fault => SingleThreadStopReason::Signal(Signal::SIGSEGV),
        Stop::Over(result) => SingleThreadStopReason::Exited(result),
        Stop::Failed => SingleThreadStopReason::Terminated(Signal::SIGSEGV),
    }
}

/// The way to the debugger.
struct Wire(io::BufWriter<Box<dyn Write>>);

impl Connection for Wire {
    type Error = io::Error;

    fn write(&mut self, byte: u8) -> io::Result<()> {
        self.0.write_all(&[byte])
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The program has ended in between.
type Gone = TargetError<String>;

impl Debugged {
    /// Does something with the program where it stands.
    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Moment<'_>) -> T + Send + 'static,
    ) -> Result<T, Gone> {
        let (to, from) = mpsc::channel();
        let look = move |moment: &mut Moment<'_>| {
            let _ = to.send(question(moment));
        };
        let sent = self.orders.send(Order::Look(Box::new(look)));
        sent.map_err(|_| TargetError::NonFatal)?;
        from.recv().map_err(|_| TargetError::NonFatal)
    }

    fn go(&self, pace: Pace) -> Result<(), String> {
        self.interrupt.store(false, Ordering::Relaxed);
        let breakpoints = Arc::clone(&self.breakpoints);
        let gone = |_| "the program is gone".to_owned();
        self.orders
            .send(Order::Go(Go { pace, breakpoints }))
            .map_err(gone)
    }

    /// Bytes of the instructions.
    fn code_at(&self, address: u64) -> Option<&[u8]> {
        let (program, _) = slot_at(address)?;
        let offset = address - address_of(program, 0);
        self.code.get(program)?.get(offset as usize..)
    }

    fn values(moment: &Moment<'_>, view: View) -> Values {
        let bpf = moment.registers();
        Values {
            view,
            bpf,
            named: bpf,
            pc: address_of(moment.number(), moment.insn()),
            sp: registers::stack_pointer(moment.depth()),
        }
    }
}

impl Target for Debugged {
    type Arch = Machine;
    type Error = String;

    fn base_ops(&mut self) -> BaseOps<'_, Machine, String> {
        BaseOps::SingleThread(self)
    }

    fn support_breakpoints(&mut self) -> Option<BreakpointsOps<'_, Self>> {
        Some(self)
    }

    fn support_monitor_cmd(&mut self) -> Option<MonitorCmdOps<'_, Self>> {
        Some(self)
    }

    fn support_target_description_xml_override(
        &mut self,
    ) -> Option<TargetDescriptionXmlOverrideOps<'_, Self>> {
        Some(self)
    }

    fn support_host_io(&mut self) -> Option<HostIoOps<'_, Self>> {
        Some(self)
    }

    fn support_exec_file(&mut self) -> Option<ExecFileOps<'_, Self>> {
        Some(self)
    }
}

type HostIoOps<'a, T> = gdbstub::target::ext::host_io::HostIoOps<'a, T>;

impl SingleThreadBase for Debugged {
    fn read_registers(&mut self, values: &mut Values) -> TargetResult<(), Self> {
        let view = self.view;
        *values = self.ask(move |moment| Debugged::values(moment, view))?;
        Ok(())
    }

    fn write_registers(&mut self, values: &Values) -> TargetResult<(), Self> {
        let values = values.clone();
        let written = self.ask(move |moment| {
            let now = Debugged::values(moment, values.view);
            // Only registers can be set: not where the program is, nor its stack.
            let frame = |values: &Values| (values.bpf[10], values.named[10], values.pc, values.sp);
            let fixed = match values.view {
                View::Bpf => values.pc == now.pc && values.bpf[10] == now.bpf[10],
                View::X86_64 => frame(&values) == frame(&now),
            };
            if !fixed {
                return false;
            }
            for register in 0..10 {
                let by_name = values.named[register];
                let value = match by_name == now.bpf[register] {
                    true => values.bpf[register],
                    false => by_name,
                };
                moment.set_register(register, value);
            }
            true
        })?;
        if written {
            Ok(())
        } else {
            Err(TargetError::NonFatal)
        }
    }

    fn read_addrs(&mut self, start: u64, to: &mut [u8]) -> TargetResult<usize, Self> {
        if let Some(code) = self.code_at(start) {
            let len = code.len().min(to.len());
            to[..len].copy_from_slice(&code[..len]);
            return Ok(len);
        }
        let len = to.len();
        let bytes = self.ask(move |moment| memory(moment, start, len))?;
        to[..bytes.len()].copy_from_slice(&bytes);
        match bytes.is_empty() && !to.is_empty() {
            true => Err(TargetError::NonFatal),
            false => Ok(bytes.len()),
        }
    }

    fn write_addrs(&mut self, start: u64, bytes: &[u8]) -> TargetResult<(), Self> {
        let bytes = bytes.to_vec();
        let written = self.ask(move |moment| moment.write(start, &bytes).is_ok())?;
        if written {
            Ok(())
        } else {
            Err(TargetError::NonFatal)
        }
    }

    fn support_resume(&mut self) -> Option<SingleThreadResumeOps<'_, Self>> {
        Some(self)
    }
}

/// As many bytes as can be read from there on.
fn memory(moment: &Moment<'_>, start: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    if moment.read(start, &mut bytes).is_ok() {
        return bytes;
    }
    let words = registers::saved(moment);
    let byte = |address: u64| {
        let mut byte = [0];
        if moment.read(address, &mut byte).is_ok() {
            return Some(byte[0]);
        }
        let inside = |(word, _): &&(u64, u64)| (*word..word + 8).contains(&address);
        let (word, value) = words.iter().find(inside)?;
        Some(value.to_le_bytes()[(address - word) as usize])
    };
    (0..len as u64)
        .map_while(|at| byte(start.checked_add(at)?))
        .collect()
}

impl SingleThreadResume for Debugged {
    fn resume(&mut self, _: Option<Signal>) -> Result<(), String> {
        self.go(Pace::Run)
    }

    fn support_single_step(&mut self) -> Option<SingleThreadSingleStepOps<'_, Self>> {
        Some(self)
    }

    fn support_range_step(&mut self) -> Option<SingleThreadRangeSteppingOps<'_, Self>> {
        Some(self)
    }
}

impl SingleThreadSingleStep for Debugged {
    fn step(&mut self, _: Option<Signal>) -> Result<(), String> {
        self.go(Pace::Step)
    }
}

impl SingleThreadRangeStepping for Debugged {
    fn resume_range_step(&mut self, start: u64, end: u64) -> Result<(), String> {
        self.go(match start == end {
            true => Pace::Step,
            false => Pace::Range(start, end),
        })
    }
}

impl Breakpoints for Debugged {
    fn support_sw_breakpoint(&mut self) -> Option<SwBreakpointOps<'_, Self>> {
        Some(self)
    }
}

impl SwBreakpoint for Debugged {
    fn add_sw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        // Elsewhere there is no instruction to stop before.
        if !address.is_multiple_of(8) || self.code_at(address).is_none_or(<[u8]>::is_empty) {
            return Ok(false);
        }
        Arc::make_mut(&mut self.breakpoints).insert(address);
        Ok(true)
    }

    fn remove_sw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        Ok(Arc::make_mut(&mut self.breakpoints).remove(&address))
    }
}

/// The part of `whole` that is asked for.
fn part(whole: &[u8], offset: u64, length: usize, to: &mut [u8]) -> usize {
    let rest = usize::try_from(offset)
        .ok()
        .and_then(|offset| whole.get(offset..))
        .unwrap_or_default();
    let len = rest.len().min(length).min(to.len());
    to[..len].copy_from_slice(&rest[..len]);
    len
}

impl TargetDescriptionXmlOverride for Debugged {
    fn target_description_xml(
        &self,
        annex: &[u8],
        offset: u64,
        length: usize,
        to: &mut [u8],
    ) -> TargetResult<usize, Self> {
        if annex != b"target.xml" {
            return Err(TargetError::NonFatal);
        }
        Ok(part(self.view.description().as_bytes(), offset, length, to))
    }
}

impl ExecFile for Debugged {
    fn get_exec_file(
        &self,
        _: Option<Pid>,
        offset: u64,
        length: usize,
        to: &mut [u8],
    ) -> TargetResult<usize, Self> {
        Ok(part(FILE.as_bytes(), offset, length, to))
    }
}

impl HostIo for Debugged {
    fn support_open(&mut self) -> Option<HostIoOpenOps<'_, Self>> {
        Some(self)
    }

    fn support_close(&mut self) -> Option<HostIoCloseOps<'_, Self>> {
        Some(self)
    }

    fn support_pread(&mut self) -> Option<HostIoPreadOps<'_, Self>> {
        Some(self)
    }

    fn support_fstat(&mut self) -> Option<HostIoFstatOps<'_, Self>> {
        Some(self)
    }

    fn support_setfs(&mut self) -> Option<HostIoSetfsOps<'_, Self>> {
        Some(self)
    }
}

impl HostIoOpen for Debugged {
    fn open(
        &mut self,
        name: &[u8],
        flags: HostIoOpenFlags,
        _: HostIoOpenMode,
    ) -> HostIoResult<u32, Self> {
        // There is this one file; what the machine has beside it is not shown.
        match name == FILE.as_bytes() && flags == HostIoOpenFlags::O_RDONLY {
            true => Ok(FD),
            false => Err(HostIoError::Errno(HostIoErrno::ENOENT)),
        }
    }
}

impl HostIoClose for Debugged {
    fn close(&mut self, _: u32) -> HostIoResult<(), Self> {
        Ok(())
    }
}

impl HostIoPread for Debugged {
    fn pread(
        &mut self,
        fd: u32,
        count: usize,
        offset: u64,
        to: &mut [u8],
    ) -> HostIoResult<usize, Self> {
        match fd {
            FD => Ok(part(&self.symbols, offset, count, to)),
            _ => Err(HostIoError::Errno(HostIoErrno::EBADF)),
        }
    }
}

impl HostIoFstat for Debugged {
    fn fstat(&mut self, fd: u32) -> HostIoResult<HostIoStat, Self> {
        if fd != FD {
            return Err(HostIoError::Errno(HostIoErrno::EBADF));
        }
        let size = self.symbols.len() as u64;
        Ok(HostIoStat {
            st_dev: 0,
            st_ino: 0,
            st_mode: HostIoOpenMode::S_IFREG | HostIoOpenMode::S_IRUSR,
            st_nlink: 1,
            st_uid: 0,
            st_gid: 0,
            st_rdev: 0,
            st_size: size,
            st_blksize: 4096,
            st_blocks: size.div_ceil(512),
            st_atime: 0,
            st_mtime: 0,
            st_ctime: 0,
        })
    }
}

impl HostIoSetfs for Debugged {
    fn setfs(&mut self, _: FsKind) -> HostIoResult<(), Self> {
        Ok(())
    }
}

/// Instructions that `monitor dis` shows before and after the next one.
const AROUND: usize = 6;

impl MonitorCmd for Debugged {
    fn handle_monitor_cmd(
        &mut self,
        command: &[u8],
        mut to: ConsoleOutput<'_>,
    ) -> Result<(), String> {
        let command = String::from_utf8_lossy(command);
        let text = match command.trim() {
            "dis" => self.ask(instructions).ok(),
            "registers" => self
                .ask(|moment| {
                    let mut text = String::new();
                    for (number, value) in moment.registers().iter().enumerate() {
                        let _ = writeln!(text, "r{number} = {value:#x}");
                    }
                    text
                })
                .ok(),
            "why" => {
                let why = self.why.lock().ok().and_then(|why| why.clone());
                Some(why.unwrap_or_else(|| "the program has done nothing wrong".to_owned()))
            }
            _ => Some(
                "monitor dis: the instructions around the next one\n\
                 monitor registers: r0 to r10\n\
                 monitor why: what the program did wrong"
                    .to_owned(),
            ),
        };
        for line in text.unwrap_or_default().lines() {
            outputln!(to, "{line}");
        }
        Ok(())
    }
}

fn instructions(moment: &mut Moment<'_>) -> String {
    let (insns, here) = (moment.instructions(), moment.insn());
    let mut text = String::new();
    let mut slot = here.saturating_sub(AROUND);
    let end = (here + AROUND + 1).min(insns.len());
    while slot < end {
        let (line, slots) = disasm::line(insns, slot, &());
        let mark = if slot == here { "=>" } else { "  " };
        let address = address_of(moment.number(), slot);
        let _ = writeln!(text, "{mark} {address:#x} {slot:5}: {line}");
        slot += slots.max(1);
    }
    text
}
