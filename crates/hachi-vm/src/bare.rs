//! Instructions without an object.

use hachi_asm::{Endian, Insn};
use hachi_machine::{Kind, Memory as _, World};

use crate::decode::Invalid;
use crate::fault::Stopped;
use crate::load::Config;
use crate::program::Program;
use crate::run::{Budget, Engine, Mode, Run, Unwatched};
use crate::space::Space;

/// Instructions without an object: what conformance suites run.
///
/// They get a pointer to memory in r1 and its length in r2.
///
/// ```
/// use hachi_asm::build::{exit, mov};
/// let mut bare = hachi_vm::Bare::new(&[mov(0, 2), exit()], &[1, 2, 3]).unwrap();
/// assert_eq!(bare.run().unwrap(), 3);
/// ```
#[derive(Debug, Clone)]
pub struct Bare {
    world: World,
    space: Space,
    programs: [Program; 1],
    memory: u64,
    len: u64,
    limit: u64,
    engine: Engine,
}

impl Bare {
    /// Instructions of a little-endian machine, and the memory they get.
    ///
    /// # Errors
    /// If they break a rule of the instruction set.
    pub fn new(insns: &[Insn], memory: &[u8]) -> Result<Bare, Invalid> {
        let config = Config::default();
        let mut space = Space::new(Endian::Little, config.memory);
        let len = memory.len() as u64;
        let memory = match memory {
            [] => 0,
            bytes => space
                .add(Kind::Input, bytes.to_vec(), true)
                .map_err(|_| Invalid {
                    insn: 0,
                    rule: "its memory is too large".to_owned(),
                })?,
        };
        let world = World::new(config.cpus);
        let mut program = Program::bare(insns, Endian::Little)?;
        program.resolve_maps(&world)?;
        Ok(Bare {
            world,
            space,
            programs: [program],
            memory,
            len,
            limit: config.instructions,
            engine: config.engine,
        })
    }

    /// What runs them; the interpreter if nothing is said.
    pub fn set_engine(&mut self, engine: Engine) {
        self.engine = engine;
    }

    /// Lets accesses of the stack that begin below the frame pointer reach `bytes` above it, as
    /// machines do that put frames side by side; at most 64.
    pub fn set_stack_slack(&mut self, bytes: u64) {
        self.space.set_slack(bytes);
    }

    /// How many instructions a run may take.
    pub fn set_limit(&mut self, instructions: u64) {
        self.limit = instructions;
    }

    /// Runs them. What they change in their memory stays.
    ///
    /// # Errors
    /// [`Stopped`] says where and why they could not go on.
    pub fn run(&mut self) -> Result<u64, Box<Stopped>> {
        self.run_in(self.engine.into())
    }

    fn run_in(&mut self, mode: Mode) -> Result<u64, Box<Stopped>> {
        let mark = self.space.mark();
        let mut run = Run::new(
            &self.programs,
            &mut self.world,
            &mut self.space,
            Unwatched,
            0,
            Budget {
                instructions: self.limit,
                time: None,
            },
            mode,
        );
        run.input = Some((self.memory, self.len));
        let result = run.run([self.memory, self.len, 0, 0, 0]);
        let result = result.map_err(|trap| run.report(trap));
        self.space.shrink(mark);
        result
    }

    /// Runs them compiled, without checks. What they change in their memory stays.
    ///
    /// # Safety
    /// The verifier of a kernel would accept them for this memory: all that they reach is there.
    ///
    /// # Errors
    /// As [`Bare::run`], for what helpers refuse.
    #[cfg(feature = "unchecked")]
    pub unsafe fn run_unchecked(&mut self) -> Result<u64, Box<Stopped>> {
        self.space.set_trusting(true);
        let result = self.run_in(Mode::Unchecked);
        self.space.set_trusting(false);
        result
    }

    /// The memory, as the instructions left it.
    pub fn memory(&self) -> Vec<u8> {
        self.space
            .bytes(self.memory, self.len as usize)
            .unwrap_or_default()
    }
}
