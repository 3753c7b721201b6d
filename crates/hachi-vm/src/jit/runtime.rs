//! What compiled code and the rest share: the state of a run, and the functions that code calls.

use std::any::Any;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use hachi_asm::helpers::id;
use hachi_machine::Trap;

use super::{Style, facts};
use crate::decode::{Code, Step};
use crate::interp::dead_end;
use crate::run::{Frame, Mode, Run, Stop, Watch};
use crate::space::{FRAMES, Window};

/// A compiled function: the state, and r1 to r5. What it answers is one of the statuses below.
pub(super) type Entry = unsafe extern "C" fn(*mut State, u64, u64, u64, u64, u64) -> u64;

/// It went well. What comes back is in [`State::value`].
pub(super) const DONE: u64 = 0;
/// The program cannot go on.
pub(super) const TRAPPED: u64 = 1;
/// The program is over, with 0: a load of the packet beyond its end.
pub(super) const OVER: u64 = 2;

/// Most fields of a context that point into the packet.
const POINTERS: usize = 5;

/// The state of a run, as compiled code sees it.
#[repr(C)]
pub(super) struct State {
    /// Instructions that may still run.
    pub(super) left: i64,
    /// What a function gives back.
    pub(super) value: u64,
    /// The frame pointer of the function that is entered.
    pub(super) frame: u64,
    /// The same byte in the host's memory.
    pub(super) frame_host: *mut u8,
    /// Which bytes of the frame were written.
    pub(super) frame_mask: *mut u64,
    /// The bytes of the context.
    pub(super) context: *mut u8,
    /// What its pointer fields hold.
    pub(super) pointers: [u64; POINTERS],
    /// The packet's window.
    pub(super) packet: View,
    /// The window of what was reached last.
    pub(super) view: View,
    /// The slot of a call or exit in the lower half, the callee in the upper.
    pub(super) call: u64,
    /// The offsets of those fields.
    offsets: [u16; POINTERS],
    /// The run, and the functions of its type.
    host: *mut (),
    services: &'static Services,
    trap: Option<Trap>,
    panic: Option<Box<dyn Any + Send>>,
}

/// A window as compiled code compares with it: an access at `low + at` is allowed if `at` is below
/// the limit of its size, those of loads of 1, 2, 4 and 8 bytes first, then those of stores.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct View {
    pub(super) low: u64,
    /// From an address to the host's.
    pub(super) delta: u64,
    pub(super) limits: [u64; 8],
}

impl View {
    fn of(window: Option<Window>) -> View {
        let Some(window) = window else {
            return View::default();
        };
        let mut limits = [0; 8];
        for (at, limit) in limits.iter_mut().enumerate() {
            if at < 4 || window.writable {
                *limit = (window.len + 1).saturating_sub(1 << (at % 4));
            }
        }
        View {
            low: window.low,
            delta: (window.host as u64).wrapping_sub(window.low),
            limits,
        }
    }
}

/// What compiled code calls, for a type of runs.
#[derive(Clone, Copy)]
struct Services {
    load: fn(&mut State, u64, u64) -> Result<u64, Trap>,
    align: fn(&mut State, u64, u64, bool) -> Result<u64, Trap>,
    store: fn(&mut State, u64, u64, u64) -> Result<u64, Trap>,
    atomic: fn(&mut State, u64, u64, u64, usize) -> Result<u64, Trap>,
    helper: fn(&mut State, &[u64; 5]) -> Result<Outcome, Trap>,
    enter: fn(&mut State) -> Result<u64, Trap>,
    leave: fn(&mut State),
    packet: fn(&mut State, u64, u64) -> Option<u64>,
    dead_end: fn(&mut State, u64) -> Trap,
    exhausted: fn(&mut State, u64) -> Result<u64, Trap>,
}

/// How a helper went.
enum Outcome {
    Value(u64),
    /// Another program ran instead, and the program is over.
    Over,
}

/// Runs a service: nothing unwinds into compiled code.
fn guard(state: &mut State, service: impl FnOnce(&mut State) -> Result<u64, Trap>) -> u64 {
    match catch_unwind(AssertUnwindSafe(|| service(state))) {
        Ok(Ok(value)) => {
            state.value = value;
            DONE
        }
        Ok(Err(trap)) => {
            state.trap = Some(trap);
            TRAPPED
        }
        Err(panic) => {
            state.panic = Some(panic);
            TRAPPED
        }
    }
}

/// A load outside of the register's window. `what` is the size in bytes below the slot.
pub(super) unsafe extern "C" fn load(state: *mut State, address: u64, what: u64) -> u64 {
    // SAFETY: compiled code passes on the state that it was given, and does not use it meanwhile.
    let state = unsafe { &mut *state };
    guard(state, |state| (state.services.load)(state, address, what))
}

/// A store outside of the register's window.
pub(super) unsafe extern "C" fn store(
    state: *mut State,
    address: u64,
    value: u64,
    what: u64,
) -> u64 {
    // SAFETY: as in `load`.
    let state = unsafe { &mut *state };
    guard(state, |state| {
        (state.services.store)(state, address, value, what)
    })
}

/// A load that must be aligned.
pub(super) unsafe extern "C" fn acquire(state: *mut State, address: u64, what: u64) -> u64 {
    // SAFETY: as in `load`.
    let state = unsafe { &mut *state };
    guard(state, |state| {
        (state.services.align)(state, address, what, false)?;
        (state.services.load)(state, address, what)
    })
}

/// A store that must be aligned.
pub(super) unsafe extern "C" fn release(
    state: *mut State,
    address: u64,
    value: u64,
    what: u64,
) -> u64 {
    // SAFETY: as in `load`.
    let state = unsafe { &mut *state };
    guard(state, |state| {
        (state.services.align)(state, address, what, true)?;
        (state.services.store)(state, address, value, what)
    })
}

/// An atomic operation, at a slot.
pub(super) unsafe extern "C" fn atomic(
    state: *mut State,
    address: u64,
    source: u64,
    r0: u64,
    slot: u64,
) -> u64 {
    // SAFETY: as in `load`.
    let state = unsafe { &mut *state };
    guard(state, |state| {
        (state.services.atomic)(state, address, source, r0, slot as usize)
    })
}

/// A helper or kernel function, at a slot.
pub(super) unsafe extern "C" fn helper(
    state: *mut State,
    r1: u64,
    r2: u64,
    r3: u64,
    r4: u64,
    r5: u64,
) -> u64 {
    // SAFETY: as in `load`.
    let state = unsafe { &mut *state };
    let mut over = false;
    let status = guard(state, |state| {
        Ok(
            match (state.services.helper)(state, &[r1, r2, r3, r4, r5])? {
                Outcome::Value(value) => value,
                Outcome::Over => {
                    over = true;
                    state.value
                }
            },
        )
    });
    match (status, over) {
        (DONE, true) => OVER,
        (status, _) => status,
    }
}

/// Enters a function: makes its frame.
pub(super) unsafe extern "C" fn enter(state: *mut State) -> u64 {
    // SAFETY: as in `load`.
    let state = unsafe { &mut *state };
    guard(state, |state| (state.services.enter)(state))
}

/// Leaves a function.
pub(super) unsafe extern "C" fn leave(state: *mut State) {
    // SAFETY: as in `load`.
    let state = unsafe { &mut *state };
    (state.services.leave)(state);
}

/// A load of the packet as old filters have it. `what` is the size in bytes below the slot.
pub(super) unsafe extern "C" fn packet(state: *mut State, offset: u64, what: u64) -> u64 {
    // SAFETY: as in `load`.
    let state = unsafe { &mut *state };
    match (state.services.packet)(state, offset, what) {
        Some(value) => {
            state.value = value;
            DONE
        }
        None => {
            state.value = 0;
            OVER
        }
    }
}

/// More instructions than the program may run before it asks: it is at this slot. If it may go on,
/// `left` has the instructions until it asks again.
pub(super) unsafe extern "C" fn exhausted(state: *mut State, slot: u64) -> u64 {
    // SAFETY: as in `load`.
    let state = unsafe { &mut *state };
    guard(state, |state| (state.services.exhausted)(state, slot))
}

/// An instruction at which no program goes on.
pub(super) unsafe extern "C" fn stuck(state: *mut State, slot: u64) -> u64 {
    // SAFETY: as in `load`.
    let state = unsafe { &mut *state };
    let trap = (state.services.dead_end)(state, slot);
    state.trap = Some(trap);
    TRAPPED
}

/// What compiled code calls in runs that `W` watches.
struct Of<W>(PhantomData<W>);

impl<W: Watch> Of<W> {
    const SERVICES: Services = Services {
        load: |state, address, what| {
            let run = run::<W>(state);
            let (size, slot) = (what & 0xff, (what >> 8) as usize);
            let result = run.load_any(address, size);
            let view = run.space.window(address);
            run.settle(slot, result, view, state)
        },
        align: |state, address, what, write| {
            let run = run::<W>(state);
            let (size, slot) = (what & 0xff, (what >> 8) as usize);
            let result = run.aligned(address, size, write).map(|()| 0);
            run.settle(slot, result, None, state)
        },
        store: |state, address, value, what| {
            let run = run::<W>(state);
            let (size, slot) = (what & 0xff, (what >> 8) as usize);
            let result = run.store_any(address, size, value);
            let view = run.space.window(address);
            run.settle(slot, result, view, state)
        },
        atomic: |state, address, source, r0, slot| {
            let run = run::<W>(state);
            let step = run.programs[run.current].steps[slot];
            let result = run.atomic_any(&step, address, source, r0);
            let view = run.space.window(address);
            run.settle(slot, result, view, state)
        },
        helper: |state, arguments| run::<W>(state).call(state, arguments),
        enter: |state| run::<W>(state).enter_local(state),
        leave: |state| {
            let run = run::<W>(state);
            run.depth -= 1;
            run.space.leave_frame(run.depth);
            run.current = run.space.frames[run.depth].program;
        },
        packet: |state, offset, what| {
            let run = run::<W>(state);
            run.packet_load(offset as u32, what & 0xff)
        },
        dead_end: |state, slot| {
            let run = run::<W>(state);
            run.count(state.left);
            let at = slot as usize;
            let step = run.programs[run.current].steps[at];
            let trap = match step.code {
                Code::CallHelper => Trap::WrongType {
                    helper: step.off as u32,
                },
                code => dead_end(code),
            };
            run.stopped(at, trap)
        },
        exhausted: |state, slot| {
            let run = run::<W>(state);
            run.count(state.left);
            run.check_budget_at(slot as usize)?;
            state.left = run.left();
            Ok(0)
        },
    };
}

/// The run that a state belongs to. The lifetime is that of the call, which is within the run's.
fn run<'s, W: Watch>(state: &mut State) -> &'s mut Run<'s, W> {
    // SAFETY: `enter_compiled` put its own `self` here, of this type, and does not use it while
    // compiled code runs; each service makes one reference at a time.
    unsafe { &mut *state.host.cast::<Run<'s, W>>() }
}

impl<W: Watch> Run<'_, W> {
    fn mode_is_checked(&self) -> bool {
        self.mode == Mode::Compiled
    }

    /// Sets what was executed from what is left.
    fn count(&mut self, left: i64) {
        self.executed = (self.limit as i64).wrapping_sub(left) as u64;
    }

    fn left(&self) -> i64 {
        (self.limit as i64).wrapping_sub(self.executed as i64)
    }

    /// Ends a service at a slot.
    fn settle(
        &mut self,
        slot: usize,
        result: Result<u64, Trap>,
        window: Option<Window>,
        state: &mut State,
    ) -> Result<u64, Trap> {
        match result {
            Ok(value) => {
                state.view = View::of(window);
                Ok(value)
            }
            Err(trap) => {
                self.count(state.left);
                Err(self.stopped(slot, trap))
            }
        }
    }

    fn load_any(&self, address: u64, size: u64) -> Result<u64, Trap> {
        match (self.is_big(), size) {
            (false, 1) => self.load::<1, false>(address),
            (false, 2) => self.load::<2, false>(address),
            (false, 4) => self.load::<4, false>(address),
            (false, _) => self.load::<8, false>(address),
            (true, 1) => self.load::<1, true>(address),
            (true, 2) => self.load::<2, true>(address),
            (true, 4) => self.load::<4, true>(address),
            (true, _) => self.load::<8, true>(address),
        }
    }

    fn store_any(&mut self, address: u64, size: u64, value: u64) -> Result<u64, Trap> {
        match (self.is_big(), size) {
            (false, 1) => self.store::<1, false>(address, value),
            (false, 2) => self.store::<2, false>(address, value),
            (false, 4) => self.store::<4, false>(address, value),
            (false, _) => self.store::<8, false>(address, value),
            (true, 1) => self.store::<1, true>(address, value),
            (true, 2) => self.store::<2, true>(address, value),
            (true, 4) => self.store::<4, true>(address, value),
            (true, _) => self.store::<8, true>(address, value),
        }
        .map(|()| 0)
    }

    /// An atomic operation on registers that hold nothing else. The old value.
    fn atomic_any(&mut self, step: &Step, address: u64, source: u64, r0: u64) -> Result<u64, Trap> {
        let mut registers = [0; 16];
        registers[0] = r0;
        registers[1] = address;
        registers[2] = source;
        let moved = Step {
            dst: 1,
            src: 2,
            off: 0,
            ..*step
        };
        match (step.code, self.is_big()) {
            (Code::Atomic32, false) => self.atomic::<4, false>(&moved, &mut registers)?,
            (Code::Atomic32, true) => self.atomic::<4, true>(&moved, &mut registers)?,
            (_, false) => self.atomic::<8, false>(&moved, &mut registers)?,
            (_, true) => self.atomic::<8, true>(&moved, &mut registers)?,
        }
        let compares = step.imm & 0xff == hachi_asm::AtomicOp::Cmpxchg as u64;
        Ok(if compares { registers[0] } else { registers[2] })
    }

    /// The arguments are not copied on the way: to read them whole just after they were written
    /// one by one stalls.
    fn call(&mut self, state: &mut State, arguments: &[u64; 5]) -> Result<Outcome, Trap> {
        let slot = state.call as u32 as usize;
        let step = self.programs[self.current].steps[slot];
        self.count(state.left);
        self.stop = Stop {
            program: self.current,
            pc: slot,
        };
        state.view = View::default();
        if step.code == Code::CallKfunc {
            let program = &self.programs[self.current];
            let name = program.kfunc_name(step.off as u32, step.imm as u16);
            let result = self.kfunc(&name, *arguments);
            let value = result.map_err(|trap| self.stopped(slot, trap))?;
            self.check_budget_at(slot + 1)?;
            self.refresh(state);
            state.left = self.left();
            return Ok(Outcome::Value(value));
        }
        let helper = step.off as u32;
        if helper == id::TAIL_CALL {
            let next = self.tail_call(*arguments);
            let Some(next) = next.map_err(|trap| self.stopped(slot, trap))? else {
                return Ok(Outcome::Value(0));
            };
            self.current = next;
            let context = arguments[0];
            state.value = self.enter(0, [context, 0, 0, 0, 0])?;
            state.left = self.left();
            return Ok(Outcome::Over);
        }
        let before = self.space.generation();
        let result = self.helper(helper, arguments);
        let value = result.map_err(|trap| self.stopped(slot, trap))?;
        self.check_budget_at(slot + 1)?;
        state.left = self.left();
        if helper == id::MAP_LOOKUP_ELEM {
            state.view = View::of(self.space.window(value));
        }
        if !facts::leaves_memory(helper) {
            self.refresh(state);
        } else if self.space.generation() != before {
            // Only one that was supplied in the place of the machine's does.
            return Err(self.stopped(slot, Trap::MovedMemory { helper }));
        }
        Ok(Outcome::Value(value))
    }

    fn check_budget_at(&mut self, next: usize) -> Result<(), Trap> {
        self.check_budget().map_err(|trap| self.stopped(next, trap))
    }

    fn enter_local(&mut self, state: &mut State) -> Result<u64, Trap> {
        let (slot, callee) = (state.call as u32 as usize, (state.call >> 32) as usize);
        self.count(state.left);
        if self.depth + 1 >= FRAMES {
            return Err(self.stopped(slot, Trap::CallDepth));
        }
        self.space.frames[self.depth] = Frame {
            program: self.current,
            pc: slot + 1,
            ..Frame::default()
        };
        self.depth += 1;
        let frame = self.space.enter_frame(self.depth);
        self.set_frame(state, frame);
        if self.mode_is_checked() {
            self.check_budget_at(callee)?;
            state.left = self.left();
        }
        Ok(0)
    }

    fn set_frame(&mut self, state: &mut State, frame: u64) {
        state.frame = frame;
        state.frame_host = self.space.host_of_frame(frame);
        state.frame_mask = self.space.host_of_mask(frame);
    }

    /// Tells the state where context and packet are now.
    fn refresh(&mut self, state: &mut State) {
        let pointers = self.space.context_pointers();
        for (to, offset) in state.pointers.iter_mut().zip(state.offsets) {
            let pointer = pointers.iter().find(|(of, _)| *of == offset);
            *to = pointer.map_or(0, |(_, pointer)| *pointer);
        }
        let packet = match &self.world.packet {
            Some(packet) => self.space.window(packet.data()),
            None => None,
        };
        state.packet = View::of(packet);
        let context = self.space.context_bytes_mut();
        state.context = context.map_or(std::ptr::null_mut(), |bytes| bytes.as_mut_ptr());
    }

    /// Whether the run's context is one of this program: that of the first program is, and that of
    /// another only if programs call each other that the kernel keeps apart.
    fn is_like_first(&self, program: &crate::program::Program) -> bool {
        let first = &self.programs[self.first].context;
        let whole = match self.space.context_bytes() {
            Some(bytes) => bytes.len() as u64 >= program.context.size(),
            None => program.context.is_bare(),
        };
        whole && (self.current == self.first || program.context.is_like(first))
    }

    /// Runs a function that was compiled; none if it was not.
    pub(crate) fn enter_compiled(
        &mut self,
        slot: usize,
        arguments: [u64; 5],
        frame: u64,
    ) -> Option<Result<u64, Trap>> {
        let checked = match self.mode {
            Mode::Interpreted => return None,
            Mode::Compiled => true,
            #[cfg(feature = "unchecked")]
            Mode::Unchecked => false,
        };
        let programs = self.programs;
        let program = programs.get(self.current)?;
        let style = Style { checked };
        let current = self.current;
        let code = program.compiled.get(program, self.current, style)?;
        // What is called back gets no context; a program that begins again gets its own.
        let own = slot == 0 && arguments[0] == self.context && self.is_like_first(program);
        let entry = match own {
            true => code.entry(slot, true),
            false => code.entry(slot, false),
        }?;
        let mut state = State {
            left: self.left(),
            value: 0,
            frame: 0,
            frame_host: std::ptr::null_mut(),
            frame_mask: std::ptr::null_mut(),
            context: std::ptr::null_mut(),
            pointers: [0; POINTERS],
            packet: View::default(),
            view: View::default(),
            call: 0,
            offsets: [u16::MAX; POINTERS],
            host: std::ptr::null_mut(),
            services: const { &Of::<W>::SERVICES },
            trap: None,
            panic: None,
        };
        for (to, offset) in state.offsets.iter_mut().zip(&code.pointers) {
            *to = *offset;
        }
        self.set_frame(&mut state, frame);
        self.refresh(&mut state);
        if self.input.is_some() {
            state.view = View::of(self.space.window(arguments[0]));
        }
        let base = self.depth;
        let [r1, r2, r3, r4, r5] = arguments;
        let status = loop {
            state.host = std::ptr::from_mut(self).cast();
            // SAFETY: the code is of this very program and machine, and `code` outlives the call;
            // its windows were made for this run, during which only the services change memory.
            let status = unsafe { entry(&mut state, r1, r2, r3, r4, r5) };
            if self.repeat == 0 || base > 0 || status == TRAPPED || !self.world.held.is_empty() {
                break status;
            }
            self.repeat -= 1;
            self.count(state.left);
            self.start_again();
            state.left = self.left();
            self.current = current;
            self.space.enter_frame(0);
        };
        if let Some(panic) = state.panic.take() {
            resume_unwind(panic);
        }
        Some(match state.trap.take() {
            Some(trap) if status == TRAPPED => Err(trap),
            _ => {
                self.count(state.left);
                self.depth = base;
                if status == DONE {
                    self.stop = Stop {
                        program: self.current,
                        pc: state.call as u32 as usize,
                    };
                }
                Ok(state.value)
            }
        })
    }
}
