//! Watching a run, instruction by instruction: for traces, debuggers and coverage.

use std::ops::ControlFlow;

use hachi_asm::Insn;
use hachi_diag::Span;
use hachi_machine::{Fault, Memory as _, Trap};

use crate::fault::span;
use crate::run::{Frame, Moment, Watch};
use crate::space::{FRAMES, Space};

/// What looks at a run before each instruction. Observed runs are interpreted.
pub trait Observer {
    /// Before an instruction. `Break` ends the run there.
    fn step(&mut self, moment: &mut Moment<'_>) -> ControlFlow<()>;

    /// At an instruction that could not be run, and why: the registers are what it found.
    fn fault(&mut self, moment: &mut Moment<'_>, trap: &Trap) {
        let _ = (moment, trap);
    }
}

/// A function that waits for one that it called.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caller {
    /// The number of its program.
    pub number: usize,
    /// The slot that it goes on at.
    pub insn: usize,
    /// r6 to r9 as it finds them again; `None` if a helper called back, which keeps them to itself.
    pub saved: Option<[u64; 4]>,
    /// Its frame pointer, r10.
    pub frame: u64,
}

impl Moment<'_> {
    /// The number of the program, in the order of [`Vm::programs`](crate::Vm::programs).
    pub fn number(&self) -> usize {
        self.at.program
    }

    /// The name of the program.
    pub fn program(&self) -> &str {
        &self.programs[self.at.program].name
    }

    /// The slot of the instruction.
    pub fn insn(&self) -> usize {
        self.at.pc
    }

    /// How many calls deep it is.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The functions that wait for this one, the innermost first.
    pub fn callers(&self) -> Vec<Caller> {
        let depth = self.depth.min(FRAMES);
        let frames = self.space.frames[..depth].iter().enumerate();
        let caller = |(depth, frame): (usize, &Frame)| Caller {
            number: frame.program,
            insn: frame.pc,
            saved: match frame.saved {
                [.., 0] => None,
                [r6, r7, r8, r9, _] => Some([r6, r7, r8, r9]),
            },
            frame: Space::frame_pointer(depth),
        };
        frames.map(caller).rev().collect()
    }

    /// The instructions of the program.
    pub fn instructions(&self) -> &[Insn] {
        let linked = self.programs[self.at.program].linked.as_deref();
        linked.map_or(&[], |linked| &linked.insns)
    }

    /// r0 to r10.
    pub fn registers(&self) -> [u64; 11] {
        let mut registers = [0; 11];
        registers.copy_from_slice(&self.registers[..11]);
        registers
    }

    /// Changes a register; r10 and what does not exist stay.
    pub fn set_register(&mut self, register: usize, value: u64) {
        if register < 10 {
            self.registers[register] = value;
        }
    }

    /// Reads memory of the program.
    ///
    /// # Errors
    /// If not all of the bytes may be read.
    pub fn read(&self, address: u64, to: &mut [u8]) -> Result<(), Fault> {
        self.space.peek(address, to)
    }

    /// Writes memory of the program.
    ///
    /// # Errors
    /// If not all of the bytes may be written; then none is.
    pub fn write(&mut self, address: u64, from: &[u8]) -> Result<(), Fault> {
        self.space.write(address, from)
    }

    /// The byte order of the machine.
    pub fn endian(&self) -> hachi_asm::Endian {
        self.space.endian()
    }

    /// The place in the source, with the function.
    pub fn place(&self) -> Option<Span> {
        span(self.programs, self.at)
    }
}

/// An observer, as the interpreter sees it.
pub(crate) struct Watched<'o>(pub(crate) &'o mut dyn Observer);

impl Watch for Watched<'_> {
    const ON: bool = true;

    fn step(&mut self, moment: &mut Moment<'_>) -> Result<(), Trap> {
        match self.0.step(moment) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Trap::Observer),
        }
    }

    fn fault(&mut self, moment: &mut Moment<'_>, trap: &Trap) {
        self.0.fault(moment, trap);
    }
}

/// How often each instruction ran: an [`Observer`] that counts.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use hachi_asm::build::{exit, mov_imm};
/// use hachi_obj::{Code, Endian, ProgramSpec, ProgramType, Spec};
/// use hachi_vm::{Config, Counts, Input, Vm};
///
/// let mut spec = Spec::new(Endian::Little);
/// let code = Code::new("pass", vec![mov_imm(0, 2), exit()]);
/// spec.programs.push(ProgramSpec::new("pass", ProgramType::Xdp, code));
/// let mut vm = Vm::new(&spec, &Config::default())?;
/// let mut counts = Counts::default();
/// vm.run_observed("pass", &Input::new(&[0; 64]), &mut counts)?;
/// assert_eq!(counts.of(0), [1, 1]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    counts: Vec<Vec<u64>>,
}

impl Counts {
    /// How often each slot of the program of this number ran; what is behind the end never did.
    pub fn of(&self, program: usize) -> &[u64] {
        self.counts.get(program).map_or(&[], Vec::as_slice)
    }
}

impl Observer for Counts {
    fn step(&mut self, moment: &mut Moment<'_>) -> ControlFlow<()> {
        let (program, insn) = (moment.number(), moment.insn());
        if self.counts.len() <= program {
            self.counts.resize(program + 1, Vec::new());
        }
        let counts = &mut self.counts[program];
        if counts.len() <= insn {
            counts.resize(insn + 1, 0);
        }
        counts[insn] += 1;
        ControlFlow::Continue(())
    }
}
