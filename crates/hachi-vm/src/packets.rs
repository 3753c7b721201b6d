//! One program over many packets.

use hachi_machine::{Packet, Redirect, Running, Trap};

use crate::error::Error;
use crate::fault::Stopped;
use crate::input::Input;
use crate::run::{Mode, Run, Unwatched};
use crate::vm::Vm;

/// A program that runs over packets, one after the other: what all these runs share is made once,
/// which takes most of the time of a short run. [`Vm::packets`] makes it.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use hachi_asm::build::{exit, mov_imm};
/// # use hachi_obj::{Code, Endian, ProgramSpec, ProgramType, Spec};
/// # let mut spec = Spec::new(Endian::Little);
/// # let code = Code::new("firewall", vec![mov_imm(0, 1), exit()]);
/// # spec.programs.push(ProgramSpec::new("firewall", ProgramType::Xdp, code));
/// # let mut vm = hachi_vm::Vm::new(&spec, &hachi_vm::Config::default())?;
/// # let capture = [[0; 64], [1; 64]];
/// let mut firewall = vm.packets("firewall")?;
/// let mut dropped = 0;
/// for packet in &capture {
///     dropped += usize::from(firewall.run(packet)? == 1);
/// }
/// # assert_eq!(dropped, 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Packets<'m> {
    vm: &'m mut Vm,
    number: usize,
    /// How many regions of memory there were before the packet.
    mark: usize,
    ready: Option<Ready>,
}

/// What stands ready for the next packet.
#[derive(Debug)]
pub(crate) struct Ready {
    /// The context's bytes, and what its pointer fields hold.
    pub(crate) bytes: Vec<u8>,
    pub(crate) pointers: Vec<(u16, u64)>,
    context: u64,
    /// The memory of the packet.
    packet: Packet,
    /// How many regions of memory there are with packet and context.
    mark: usize,
}

impl Vm {
    /// A program of packets (XDP, TC, socket filters and the like), ready to run over many.
    ///
    /// # Errors
    /// If there is no such program, or it gets something else than a packet.
    pub fn packets(&mut self, program: &str) -> Result<Packets<'_>, Error> {
        let found = self.programs.iter().position(|of| of.name == program);
        let number = found.ok_or_else(|| Error::NoSuchProgram {
            program: program.to_owned(),
        })?;
        let shape = &self.programs[number].context;
        if !shape.takes_packets() {
            return Err(Error::NoPackets {
                program: program.to_owned(),
                program_type: shape.program_type(),
            });
        }
        let mark = self.space.mark();
        Ok(Packets {
            vm: self,
            number,
            mark,
            ready: None,
        })
    }
}

impl Packets<'_> {
    /// Runs the program over a packet that came in on interface 1. Its result.
    ///
    /// # Errors
    /// [`Stopped`] says where and why the program could not go on. The next packet can be run
    /// afterwards; what the program changed until then stays.
    pub fn run(&mut self, packet: &[u8]) -> Result<u32, Box<Stopped>> {
        self.run_in(packet, self.vm.engine.into())
    }

    /// Runs the program over a packet, compiled and without checks: as the kernel would run it.
    ///
    /// # Safety
    /// As for [`Vm::run_unchecked`].
    ///
    /// # Errors
    /// As [`Packets::run`], for what helpers refuse.
    #[cfg(feature = "unchecked")]
    pub unsafe fn run_unchecked(&mut self, packet: &[u8]) -> Result<u32, Box<Stopped>> {
        if self.ready.is_none() {
            let settled = self.vm.space.settle();
            settled.map_err(|_| self.before(Trap::Memory))?;
        }
        self.vm.space.set_trusting(true);
        let result = self.run_in(packet, Mode::Unchecked);
        self.vm.space.set_trusting(false);
        result
    }

    /// The packet as the last run left it, up to where other buffers begin; empty if there was
    /// none.
    pub fn packet(&self) -> &[u8] {
        let packet = self.vm.world.packet.as_ref();
        let bytes = packet.map(|of| self.vm.space.slice(of.data(), of.len() as usize));
        bytes.flatten().unwrap_or_default()
    }

    /// Where the last run sent the packet, if its result says that it did.
    pub fn redirect(&self) -> Option<&Redirect> {
        self.vm.world.redirect.as_ref()
    }

    fn before(&self, trap: Trap) -> Box<Stopped> {
        Box::new(Stopped::before(&self.vm.programs[self.number].name, trap))
    }

    fn run_in(&mut self, packet: &[u8], mode: Mode) -> Result<u32, Box<Stopped>> {
        let context = self.prepare(packet).map_err(|trap| self.before(trap))?;
        let vm = &mut *self.vm;
        let mut run = Run::new(
            &vm.programs,
            &mut vm.world,
            &mut vm.space,
            Unwatched,
            self.number,
            vm.budget,
            mode,
        );
        let result = run.run([context, 0, 0, 0, 0]);
        let result = result.map_err(|trap| run.report(trap));
        vm.give_back();
        result.map(|result| result as u32)
    }

    /// Puts the packet where the program finds it. The address of the context.
    fn prepare(&mut self, packet: &[u8]) -> Result<u64, Trap> {
        let vm = &mut *self.vm;
        let shape = &vm.programs[self.number].context;
        if let Some(ready) = &mut self.ready {
            // A program that moves its packet leaves another one.
            let kept = vm.world.packet.is_some_and(|of| of.is_in(&ready.packet));
            vm.world.packet = Some(ready.packet);
            if kept {
                if vm.space.mark() > ready.mark {
                    vm.space.shrink(ready.mark);
                }
                if shape.refill(packet, &mut vm.world, &mut vm.space, ready) {
                    vm.world.start_again();
                    return Ok(ready.context);
                }
            }
        }
        self.ready = None;
        vm.world.end(&vm.space);
        vm.world.packet = None;
        vm.space.shrink(self.mark);
        let made = shape.make(&Input::new(packet), &mut vm.world, &mut vm.space)?;
        let (bytes, pointers) = (made.bytes.clone(), made.pointers.clone());
        let context = vm.space.set_context(bytes, shape.rules(), pointers);
        vm.world.start(Running {
            context,
            ..made.running
        });
        self.ready = vm.world.packet.map(|packet| Ready {
            bytes: made.bytes,
            pointers: made.pointers,
            context,
            packet,
            mark: vm.space.mark(),
        });
        Ok(context)
    }
}

impl Drop for Packets<'_> {
    fn drop(&mut self) {
        self.vm.world.end(&self.vm.space);
        self.vm.world.packet = None;
        self.vm.space.shrink(self.mark);
    }
}
