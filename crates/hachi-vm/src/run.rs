//! A run of a program: what both engines share.

use std::time::{Duration, Instant};

use hachi_asm::consts::MAX_TAIL_CALL_CNT;
use hachi_asm::helpers::id;
use hachi_machine::{Expected, Host, Memory, Misuse, Trap, Wanted, World, helpers, kfuncs};

use crate::fault::Stopped;
use crate::program::Program;
use crate::space::{FRAMES, Space};

/// Where a call goes back to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Frame {
    pub(crate) program: usize,
    pub(crate) pc: usize,
    pub(crate) saved: [u64; 5],
    /// What is left of the budget of `may_goto` in the caller.
    pub(crate) turns: u32,
}

/// Instructions from one look at the clock to the next.
const SLICE: u64 = 1 << 20;

/// What a run may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) instructions: u64,
    pub(crate) time: Option<Duration>,
}

/// What runs programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Engine {
    /// Instruction by instruction.
    #[default]
    Interpreter,
    /// Compiled to the host's instructions, with the same checks. What cannot be compiled (programs
    /// of more than 65,536 instructions, hosts without a compiler) is interpreted.
    #[cfg(feature = "jit")]
    Jit,
}

impl Budget {
    /// How far a run may go before it looks at the clock, or is over.
    fn slice(&self, executed: u64) -> u64 {
        match self.time {
            Some(_) => executed.saturating_add(SLICE).min(self.instructions),
            None => self.instructions,
        }
    }
}

/// How a run is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Interpreted,
    #[cfg(feature = "jit")]
    Compiled,
    #[cfg(feature = "unchecked")]
    Unchecked,
}

impl From<Engine> for Mode {
    fn from(engine: Engine) -> Mode {
        match engine {
            Engine::Interpreter => Mode::Interpreted,
            #[cfg(feature = "jit")]
            Engine::Jit => Mode::Compiled,
        }
    }
}

/// What one run looks like from outside.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stop {
    /// The program, by number.
    pub(crate) program: usize,
    /// The slot.
    pub(crate) pc: usize,
}

/// A run before an instruction.
pub struct Moment<'m> {
    pub(crate) programs: &'m [Program],
    pub(crate) at: Stop,
    pub(crate) depth: usize,
    pub(crate) registers: &'m mut [u64; 16],
    pub(crate) space: &'m mut Space,
}

/// What is recorded of every step, while a run is recorded.
pub(crate) trait Watch {
    /// Whether anything is recorded: constant, so that a run without costs nothing.
    const ON: bool;

    /// Before a step.
    ///
    /// # Errors
    /// To end the run.
    fn step(&mut self, moment: &mut Moment<'_>) -> Result<(), Trap>;

    /// At a step that could not be made.
    fn fault(&mut self, moment: &mut Moment<'_>, trap: &Trap);
}

/// Nobody watches.
pub(crate) struct Unwatched;

impl Watch for Unwatched {
    const ON: bool = false;

    fn step(&mut self, _: &mut Moment<'_>) -> Result<(), Trap> {
        Ok(())
    }

    fn fault(&mut self, _: &mut Moment<'_>, _: &Trap) {}
}

/// A run of a program.
pub(crate) struct Run<'m, W> {
    pub(crate) programs: &'m [Program],
    pub(crate) world: &'m mut World,
    pub(crate) space: &'m mut Space,
    pub(crate) watch: W,
    /// The program that runs.
    pub(crate) current: usize,
    /// The program that ran first.
    #[cfg(feature = "jit")]
    pub(crate) first: usize,
    pub(crate) executed: u64,
    /// Where `executed` stops the run, or has it look at the clock: see [`Run::check_budget`].
    pub(crate) limit: u64,
    budget: Budget,
    /// When it began, if that matters. There are hosts without a clock.
    began: Option<Instant>,
    /// Where it is, once it has stopped.
    pub(crate) stop: Stop,
    pub(crate) depth: usize,
    tail_calls: u32,
    big: bool,
    #[cfg_attr(not(feature = "jit"), expect(dead_code, reason = "there is only one"))]
    pub(crate) mode: Mode,
    /// How often it runs again.
    pub(crate) repeat: u32,
    /// What the runs before this one executed.
    before: u64,
    /// Whether `stop` says where the program stopped.
    has_stopped: bool,
    /// What the program got in r1.
    pub(crate) context: u64,
    /// What stands in for the packet where there is none: an address and a length.
    pub(crate) input: Option<(u64, u64)>,
}

impl<'m, W: Watch> Run<'m, W> {
    pub(crate) fn new(
        programs: &'m [Program],
        world: &'m mut World,
        space: &'m mut Space,
        watch: W,
        current: usize,
        budget: Budget,
        mode: Mode,
    ) -> Self {
        let instructions = budget.instructions.min(i64::MAX as u64);
        let budget = Budget {
            instructions,
            ..budget
        };
        let big = space.endian() == hachi_asm::Endian::Big;
        Run {
            programs,
            world,
            space,
            watch,
            current,
            #[cfg(feature = "jit")]
            first: current,
            executed: 0,
            limit: budget.slice(0),
            budget,
            began: budget.time.map(|_| Instant::now()),
            stop: Stop {
                program: current,
                pc: 0,
            },
            depth: 0,
            tail_calls: 0,
            big,
            mode,
            repeat: 0,
            before: 0,
            has_stopped: false,
            context: 0,
            input: None,
        }
    }

    /// Runs from the start of the program, with these in r1 to r5.
    pub(crate) fn run(&mut self, arguments: [u64; 5]) -> Result<u64, Trap> {
        self.context = arguments[0];
        let program = self.current;
        loop {
            let result = self.enter(0, arguments)?;
            if let Some(held) = self.world.held.first() {
                return Err(Trap::Leak(held.clone()));
            }
            if self.repeat == 0 {
                self.executed = self.executed.saturating_add(self.before);
                return Ok(result);
            }
            self.repeat -= 1;
            self.start_again();
            self.current = program;
        }
    }

    /// Forgets the run that is over: budgets are for one.
    pub(crate) fn start_again(&mut self) {
        self.before = self.before.saturating_add(self.executed);
        self.executed = 0;
        self.limit = self.budget.slice(0);
        self.tail_calls = 0;
        self.depth = 0;
    }

    /// What ended the run, with where it was.
    pub(crate) fn report(&self, trap: Trap) -> Box<Stopped> {
        let callers = self.callers();
        let stopped = Stopped::new(self.programs, trap, self.stop, &callers, self.executed);
        Box::new(stopped)
    }

    /// Where each function that is not over was called, the innermost first.
    fn callers(&self) -> Vec<Stop> {
        let callers = self.space.frames[..self.depth.min(FRAMES)].iter().rev();
        callers
            .map(|frame| Stop {
                program: frame.program,
                pc: frame.pc.saturating_sub(1),
            })
            .collect()
    }

    #[cfg(feature = "jit")]
    pub(crate) fn is_big(&self) -> bool {
        self.big
    }

    /// Runs the function that begins at `pc` at the depth that calls have.
    pub(crate) fn enter(&mut self, pc: usize, arguments: [u64; 5]) -> Result<u64, Trap> {
        let frame = self.space.enter_frame(self.depth);
        #[cfg(feature = "jit")]
        if let Some(result) = self.enter_compiled(pc, arguments, frame) {
            return result;
        }
        let mut registers = [0; 16];
        registers[1..6].copy_from_slice(&arguments);
        registers[10] = frame;
        match self.big {
            false => self.execute::<false>(pc, registers),
            true => self.execute::<true>(pc, registers),
        }
    }

    /// Whether the run may go on, after what it has executed.
    #[inline]
    pub(crate) fn check_budget(&mut self) -> Result<(), Trap> {
        match self.executed > self.limit {
            true => self.extend(),
            false => Ok(()),
        }
    }

    /// Goes on for another slice, if the budget has more.
    #[cold]
    fn extend(&mut self) -> Result<(), Trap> {
        let limit = self.budget.instructions;
        if self.executed > limit {
            return Err(Trap::Instructions { limit });
        }
        if let (Some(limit), Some(began)) = (self.budget.time, self.began)
            && began.elapsed() > limit
        {
            return Err(Trap::Time { limit });
        }
        self.limit = self.budget.slice(self.executed);
        Ok(())
    }

    /// Shows who watches that the program stops here, unless it did deeper in.
    #[cold]
    pub(crate) fn show_fault(&mut self, pc: usize, r: &mut [u64; 16], trap: &Trap) {
        if W::ON && !self.has_stopped {
            let mut moment = Moment {
                programs: self.programs,
                at: Stop {
                    program: self.current,
                    pc,
                },
                depth: self.depth,
                registers: r,
                space: self.space,
            };
            self.watch.fault(&mut moment, trap);
        }
    }

    /// Notes where the program stopped, unless it was deeper in.
    #[cold]
    pub(crate) fn stopped(&mut self, pc: usize, trap: Trap) -> Trap {
        if !self.has_stopped {
            self.stop = Stop {
                program: self.current,
                pc,
            };
            self.has_stopped = true;
        }
        trap
    }

    /// A number of the packet, in network byte order.
    pub(crate) fn packet_load(&self, offset: u32, size: u64) -> Option<u64> {
        let packet = self.world.packet.as_ref();
        let packet = packet.map(|packet| (packet.data(), u64::from(packet.len())));
        let (data, len) = packet.or(self.input)?;
        if u64::from(offset) + size > len {
            return None;
        }
        let mut bytes = [0; 8];
        let at = data.wrapping_add(offset.into());
        self.space.read(at, &mut bytes[8 - size as usize..]).ok()?;
        Some(u64::from_be_bytes(bytes))
    }

    pub(crate) fn tail_call(&mut self, arguments: [u64; 5]) -> Result<Option<usize>, Trap> {
        let misuse = |misuse| Trap::Misuse {
            helper: id::TAIL_CALL,
            misuse,
        };
        let not = |value, expected| misuse(Misuse::Argument { value, expected });
        if self.context != arguments[0] {
            return Err(not(arguments[0], Expected::Context));
        }
        let number = Space::map_number(arguments[1]);
        let map = number.and_then(|number| self.world.maps.get(number as usize));
        let map = map.ok_or_else(|| not(arguments[1], Expected::Map))?;
        if map.kind() != hachi_obj::MapType::ProgArray {
            return Err(misuse(Misuse::Map {
                map: map.name().to_owned(),
                kind: map.kind(),
                wanted: Wanted::Programs,
            }));
        }
        let Some(program) = map.program(arguments[2] as u32) else {
            return Ok(None);
        };
        if self.tail_calls >= MAX_TAIL_CALL_CNT {
            return Ok(None);
        }
        self.tail_calls += 1;
        Ok((program as usize) < self.programs.len()).map(|there| there.then_some(program as usize))
    }

    pub(crate) fn helper(&mut self, helper: u32, arguments: &[u64; 5]) -> Result<u64, Trap> {
        let result = self.call_helper(helper, arguments);
        let work = self.world.take_charges() + self.space.take_copied() / 8;
        self.executed = self.executed.saturating_add(work);
        self.after_call();
        result
    }

    fn call_helper(&mut self, helper: u32, arguments: &[u64; 5]) -> Result<u64, Trap> {
        if helper == id::MAP_LOOKUP_ELEM
            && let Some(map) = self.map_at(arguments[0])
            && let Some(value) = helpers::look_up(self.world, self.space, map, arguments[1])?
        {
            return Ok(value);
        }
        helpers::call(self, helper, *arguments)
    }

    pub(crate) fn kfunc(&mut self, name: &str, arguments: [u64; 5]) -> Result<u64, Trap> {
        let result = kfuncs::call(self, name, arguments);
        let work = self.world.take_charges() + self.space.take_copied() / 8;
        self.executed = self.executed.saturating_add(work);
        self.after_call();
        result
    }

    /// Lets the context point to where the packet is now.
    fn after_call(&mut self) {
        if self.world.take_moved()
            && let Some(packet) = &self.world.packet
        {
            let program = &self.programs[self.current];
            self.space
                .set_context_pointers(&program.context.pointers(packet));
        }
    }
}

impl<W: Watch> Host for Run<'_, W> {
    fn parts(&mut self) -> (&mut World, &mut dyn Memory) {
        (self.world, self.space)
    }

    fn map_at(&self, pointer: u64) -> Option<u32> {
        let number = Space::map_number(pointer)?;
        ((number as usize) < self.world.maps.len()).then_some(number)
    }

    fn map_pointer(&self, map: u32) -> u64 {
        Space::map_pointer(map)
    }

    fn call_back(&mut self, function: u64, arguments: [u64; 5]) -> Result<u64, Trap> {
        let (program, slot) =
            Space::function(function).ok_or(Trap::NotAFunction { address: function })?;
        let steps = self
            .programs
            .get(program as usize)
            .map(|program| &program.steps);
        let there = steps.is_some_and(|steps| (slot as usize) < steps.len());
        if program as usize != self.current || !there {
            return Err(Trap::NotAFunction { address: function });
        }
        if self.depth + 1 >= FRAMES {
            return Err(Trap::CallDepth);
        }
        let called = self.stop;
        self.space.frames[self.depth] = Frame {
            program: self.current,
            pc: called.pc + 1,
            ..Frame::default()
        };
        self.depth += 1;
        let result = self.enter(slot as usize, arguments)?;
        // The helper may call back again, from where it was called.
        self.stop = called;
        self.depth -= 1;
        self.space.leave_frame(self.depth);
        self.check_budget()?;
        Ok(result)
    }
}

/// Where a run was, as a place of a program.
pub(crate) fn place(programs: &[Program], at: Stop) -> (&Program, usize) {
    (&programs[at.program.min(programs.len() - 1)], at.pc)
}
