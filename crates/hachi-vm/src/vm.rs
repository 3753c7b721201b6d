//! The machine that runs objects.

use hachi_asm::Insn;
use hachi_diag::Span;
use hachi_machine::maps::BPF_ANY;
use hachi_machine::{Errno, Kind, Memory as _, Running, Trap, World};
use hachi_obj::Function;

use crate::error::Error;
use crate::fault::{Stopped, span};
use crate::input::{Input, Output};
use crate::observe::{Observer, Watched};
use crate::program::Program;
use crate::run::{Budget, Engine, Mode, Run, Stop, Unwatched, Watch};
use crate::space::Space;

/// A machine with an object's maps and programs.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use hachi_asm::build::{exit, mov_imm};
/// use hachi_obj::{Code, Endian, ProgramSpec, ProgramType, Spec};
/// use hachi_vm::{Config, Input, Vm};
///
/// let mut spec = Spec::new(Endian::Little);
/// let code = Code::new("pass", vec![mov_imm(0, 2), exit()]);
/// spec.programs.push(ProgramSpec::new("pass", ProgramType::Xdp, code));
/// let mut vm = Vm::new(&spec, &Config::default())?;
/// let output = vm.run("pass", &Input::new(&[0; 64]))?;
/// assert_eq!(output.result, 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Vm {
    pub(crate) world: World,
    pub(crate) space: Space,
    pub(crate) programs: Vec<Program>,
    pub(crate) budget: Budget,
    pub(crate) engine: Engine,
}

impl Vm {
    /// The world that programs run in.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The world, to change it between runs.
    pub fn world_mut(&mut self) -> &mut World {
        &mut self.world
    }

    /// Names of the programs, in the order of the object.
    pub fn programs(&self) -> impl Iterator<Item = &str> {
        self.programs.iter().map(|program| program.name.as_str())
    }

    /// Puts bytes into the kernel's memory: a structure that programs are called with, or that
    /// other structures point to. The address, which stays good.
    ///
    /// # Errors
    /// If there is no more memory.
    pub fn kernel_object(&mut self, bytes: &[u8]) -> Result<u64, Error> {
        let added = self.space.add(Kind::Kernel, bytes.to_vec(), false);
        added.map_err(|_| Error::Memory)
    }

    /// Changes bytes of the kernel's memory.
    ///
    /// # Errors
    /// If they are not in one object.
    pub fn write_kernel(&mut self, address: u64, bytes: &[u8]) -> Result<(), Error> {
        let written = self.space.write_owned(address, bytes);
        written.map_err(|fault| Error::Address { fault })
    }

    /// Bytes of the kernel's memory.
    ///
    /// # Errors
    /// If they are not in one object.
    pub fn read_kernel(&self, address: u64, len: usize) -> Result<Vec<u8>, Error> {
        let read = self.space.bytes(address, len);
        read.map_err(|fault| Error::Address { fault })
    }

    /// Lets time pass, in nanoseconds: timers that expire meanwhile call their functions, each at
    /// its time.
    ///
    /// # Errors
    /// [`Stopped`] if such a function could not go on.
    pub fn advance(&mut self, nanoseconds: u64) -> Result<(), Box<Stopped>> {
        let until = self.world.now.saturating_add(nanoseconds);
        while let Some((map, timer, function)) = self.world.take_expired(until) {
            let Some((number, _)) = Space::function(function) else {
                continue;
            };
            let Some((key, value)) = self.world.maps[map as usize].entry_at(timer) else {
                continue;
            };
            let mark = self.space.mark();
            let name = self.world.maps[map as usize].name().to_owned();
            let key = self.space.add(Kind::MapValue { map: name }, key, false);
            let before = |trap| {
                let program = self.programs.get(number as usize);
                let name = program.map_or("timer", |program| program.name.as_str());
                Box::new(Stopped::before(name, trap))
            };
            let key = key.map_err(|_| before(Trap::Memory))?;
            self.world.start(Running::default());
            let mut run = Run::new(
                &self.programs,
                &mut self.world,
                &mut self.space,
                Unwatched,
                number as usize,
                self.budget,
                self.engine.into(),
            );
            let arguments = [Space::map_pointer(map), key, value, 0, 0];
            let result = hachi_machine::Host::call_back(&mut run, function, arguments);
            let result = result.map_err(|trap| run.report(trap));
            self.give_back();
            self.world.end(&self.space);
            self.space.shrink(mark);
            result?;
        }
        self.world.now = self.world.now.max(until);
        Ok(())
    }

    /// Runs a program once.
    ///
    /// # Errors
    /// [`Stopped`] says where and why the program could not go on. The machine can be used
    /// afterwards; what the program changed until then stays.
    pub fn run(&mut self, program: &str, input: &Input<'_>) -> Result<Output, Box<Stopped>> {
        let Some(number) = self.programs.iter().position(|of| of.name == program) else {
            return Err(no_program(program));
        };
        self.run_number(number, input, self.engine.into(), Unwatched)
    }

    /// Runs a program once, interpreted, and shows `observer` each instruction before it runs.
    ///
    /// # Errors
    /// As [`Vm::run`].
    pub fn run_observed(
        &mut self,
        program: &str,
        input: &Input<'_>,
        observer: &mut dyn Observer,
    ) -> Result<Output, Box<Stopped>> {
        match self.programs.iter().position(|of| of.name == program) {
            Some(number) => self.run_number(number, input, Mode::Interpreted, Watched(observer)),
            None => Err(no_program(program)),
        }
    }

    /// The instructions of a program, with maps and externs filled in.
    pub fn instructions(&self, program: &str) -> Option<&[Insn]> {
        let program = self.programs.iter().find(|of| of.name == program)?;
        program.linked.as_deref().map(|linked| &linked.insns[..])
    }

    /// The functions of a program, in order: the first is the program itself.
    pub fn functions(&self, program: &str) -> Option<&[Function]> {
        let program = self.programs.iter().find(|of| of.name == program)?;
        program
            .linked
            .as_deref()
            .map(|linked| &linked.functions[..])
    }

    /// The place in the source of a slot of a program, with its function.
    pub fn place(&self, program: &str, insn: usize) -> Option<Span> {
        let number = self.programs.iter().position(|of| of.name == program)?;
        let at = Stop {
            program: number,
            pc: insn,
        };
        span(&self.programs, at)
    }

    /// Runs a program once, compiled and without checks: as the kernel would run it.
    ///
    /// # Safety
    /// The verifier of a kernel has accepted this very program, with these maps, and what tests
    /// and others did with the maps since is what user space may do.
    ///
    /// # Errors
    /// As [`Vm::run`], for what helpers refuse. Instructions are not counted.
    #[cfg(feature = "unchecked")]
    pub unsafe fn run_unchecked(
        &mut self,
        program: &str,
        input: &Input<'_>,
    ) -> Result<Output, Box<Stopped>> {
        let Some(number) = self.programs.iter().position(|of| of.name == program) else {
            return Err(no_program(program));
        };
        let name = &self.programs[number].name;
        let settled = self.space.settle();
        settled.map_err(|_| Box::new(Stopped::before(name, Trap::Memory)))?;
        self.space.set_trusting(true);
        let output = self.run_number(number, input, Mode::Unchecked, Unwatched);
        self.space.set_trusting(false);
        output
    }

    fn run_number<W: Watch>(
        &mut self,
        number: usize,
        input: &Input<'_>,
        mode: Mode,
        watch: W,
    ) -> Result<Output, Box<Stopped>> {
        let shape = self.programs[number].context.clone();
        let mark = self.space.mark();
        let made = shape.make(input, &mut self.world, &mut self.space);
        let made = match made {
            Ok(made) => made,
            Err(trap) => {
                self.world.packet = None;
                self.space.shrink(mark);
                let program = &self.programs[number].name;
                return Err(Box::new(Stopped::before(program, trap)));
            }
        };
        let context = self
            .space
            .set_context(made.bytes, shape.rules(), made.pointers);
        let buffer = made.buffer;
        let first_sent = self.world.sent.len();
        self.world.start(Running {
            context,
            ..made.running
        });
        let mut run = Run::new(
            &self.programs,
            &mut self.world,
            &mut self.space,
            watch,
            number,
            self.budget,
            mode,
        );
        run.repeat = input.repeat.saturating_sub(1);
        let result = run.run([context, 0, 0, 0, 0]);
        let instructions = run.executed;
        let result = result.map_err(|trap| run.report(trap));
        let output = result.map(|result| {
            let packet = self.world.packet.as_ref();
            let context = self.space.context_bytes().unwrap_or_default().to_vec();
            let bytes = match (packet, buffer) {
                (_, Some((address, len))) => self.space.bytes(address, len).unwrap_or_default(),
                (Some(packet), None) => packet.bytes(&self.space).unwrap_or_default(),
                (None, None) => context.clone(),
            };
            let metadata = packet.and_then(|packet| packet.metadata(&self.space).ok());
            let chosen = self.world.chosen;
            Output {
                result: result as u32,
                value: result,
                bytes,
                metadata: metadata.unwrap_or_default(),
                redirect: self.world.redirect.take(),
                sent: self.world.sent.split_off(first_sent),
                chosen: chosen.and_then(|at| self.world.sockets.get(at).cloned()),
                sequence: std::mem::take(&mut self.world.sequence),
                message: self.world.message,
                retval: self.world.retval,
                instructions,
                context,
                layout: shape.layout(),
                endian: self.space.endian(),
            }
        });
        self.give_back();
        self.world.packet = None;
        self.world.end(&self.space);
        self.space.shrink(mark);
        output
    }

    /// Gives up what a program that stopped still holds.
    pub(crate) fn give_back(&mut self) {
        for held in std::mem::take(&mut self.world.held) {
            if let hachi_machine::Held::Record { map, address } = held
                && let Some(number) = self.world.map_number(&map)
                && let Some(ring) = self.world.maps[number as usize].ring()
            {
                ring.discard(&mut self.space, address);
            }
        }
    }

    /// The numbers of the maps, by name.
    fn number(&self, map: &str) -> Result<usize, Error> {
        let number = self.world.map_number(map).map(|number| number as usize);
        number.ok_or_else(|| Error::NoSuchMap {
            map: map.to_owned(),
        })
    }

    /// The value of a key: one for each CPU if the map is per CPU, else one; none if the key is not
    /// there.
    ///
    /// # Errors
    /// If there is no such map.
    pub fn lookup(&self, map: &str, key: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
        let map = &self.world.maps[self.number(map)?];
        Ok(map.values(&self.space, key).unwrap_or_default())
    }

    /// Sets the value of a key, on all CPUs.
    ///
    /// # Errors
    /// If there is no such map, or it refuses.
    pub fn update(&mut self, map: &str, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let number = self.number(map)?;
        let cpus = match self.world.maps[number].is_per_cpu() {
            true => self.world.cpus,
            false => 1,
        };
        for cpu in 0..cpus {
            let map = &mut self.world.maps[number];
            let updated = map.update(&mut self.space, key, value, BPF_ANY, cpu);
            match updated {
                Ok(Ok(())) => {}
                Ok(Err(errno)) => {
                    return Err(Error::MapOperation {
                        map: map.name().to_owned(),
                        operation: "update",
                        errno,
                    });
                }
                Err(_) => return Err(Error::Memory),
            }
        }
        Ok(())
    }

    /// Removes a key.
    ///
    /// # Errors
    /// If there is no such map, or it refuses.
    pub fn delete(&mut self, map: &str, key: &[u8]) -> Result<(), Error> {
        let number = self.number(map)?;
        let map = &mut self.world.maps[number];
        match map.delete(&mut self.space, key) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(errno)) => Err(Error::MapOperation {
                map: map.name().to_owned(),
                operation: "delete",
                errno,
            }),
            Err(_) => Err(Error::Memory),
        }
    }

    /// The keys of a map, in an order that depends only on what was done with it.
    ///
    /// # Errors
    /// If there is no such map.
    pub fn keys(&self, map: &str) -> Result<Vec<Vec<u8>>, Error> {
        Ok(self.world.maps[self.number(map)?].keys())
    }

    /// Takes what a reader of a ring buffer would get now.
    ///
    /// # Errors
    /// If there is no such map; `EINVAL` if it is not a ring buffer.
    pub fn take_records(&mut self, map: &str) -> Result<Vec<Vec<u8>>, Error> {
        let number = self.number(map)?;
        match self.world.maps[number].ring() {
            Some(ring) => Ok(ring.take().into_iter().map(|record| record.0).collect()),
            None => Err(Error::MapOperation {
                map: map.to_owned(),
                operation: "reading records",
                errno: Errno::EINVAL,
            }),
        }
    }
}

fn no_program(name: &str) -> Box<Stopped> {
    let trap = Trap::NoProgram {
        name: name.to_owned(),
    };
    Box::new(Stopped::before(name, trap))
}
