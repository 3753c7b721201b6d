//! From a function's steps to Cranelift's.

mod arithmetic;
mod calls;
mod memory;

use std::collections::{BTreeMap, HashMap};
use std::mem::offset_of;

use cranelift_codegen::Context;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{
    AbiParam, Block, BlockArg, InstBuilder as _, MemFlagsData, SigRef, Signature, Value,
};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext, Variable};
use cranelift_jit::JITModule;
use cranelift_module::{FuncId, Module as _};

use self::memory::log_size;
use super::facts::{self, Function, Held, Registers};
use super::runtime::{self, State, View};
use super::{Key, Style};
use crate::decode::{Code, Step, is_conditional, is_load, is_store};
use crate::interp::MAY_GOTO;
use crate::program::Program;
use crate::space::Space;

/// What is compiled.
pub(super) struct Job<'j> {
    pub(super) program: &'j Program,
    /// Its number in the machine.
    pub(super) number: usize,
    pub(super) style: Style,
    pub(super) function: &'j Function,
    pub(super) ids: &'j HashMap<Key, FuncId>,
}

/// That of [`runtime::Entry`].
pub(super) fn signature(module: &JITModule) -> Signature {
    let mut signature = module.make_signature();
    let pointer = module.target_config().pointer_type();
    signature.params.push(AbiParam::new(pointer));
    signature.params.extend([AbiParam::new(I64); 5]);
    signature.returns.push(AbiParam::new(I64));
    signature
}

/// The window of a register.
#[derive(Clone, Copy)]
struct Window {
    low: Variable,
    delta: Variable,
    limits: [Variable; 8],
}

/// The signatures of the services.
struct Services {
    load: SigRef,
    store: SigRef,
    five: SigRef,
    six: SigRef,
    one: SigRef,
    two: SigRef,
    leave: SigRef,
}

struct Emitter<'e, 'f> {
    job: &'e Job<'e>,
    module: &'e mut JITModule,
    to: FunctionBuilder<'f>,
    state: Value,
    registers: [Variable; 11],
    windows: [Window; 11],
    /// Which limits the function compares with.
    used: [bool; 8],
    left: Variable,
    turns: Variable,
    frame_host: Variable,
    frame_mask: Variable,
    blocks: BTreeMap<usize, Block>,
    /// Ends the function with a status.
    out: Block,
    services: Services,
    held: Registers,
    /// The slot up to which `left` has counted.
    counted: usize,
    swaps: bool,
}

/// Memory of the program: no address is aligned by itself.
fn loose() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}

/// Memory of the state.
fn own() -> MemFlagsData {
    MemFlagsData::trusted()
}

/// Compiles a function into `context`.
pub(super) fn function(
    job: &Job<'_>,
    module: &mut JITModule,
    context: &mut Context,
    room: &mut FunctionBuilderContext,
) {
    let config = module.target_config();
    let mut to = FunctionBuilder::new(&mut context.func, room);
    let pointer = config.pointer_type();
    let mut variable = || to.declare_var(I64);
    let registers = [(); 11].map(|()| variable());
    let windows = [(); 11].map(|()| Window {
        low: variable(),
        delta: variable(),
        limits: [(); 8].map(|()| variable()),
    });
    let (left, turns) = (variable(), variable());
    let (frame_host, frame_mask) = (variable(), variable());
    let mut service = |wide: usize, gives: bool| {
        let mut signature = module.make_signature();
        signature.params.push(AbiParam::new(pointer));
        signature.params.extend(vec![AbiParam::new(I64); wide]);
        if gives {
            signature.returns.push(AbiParam::new(I64));
        }
        to.import_signature(signature)
    };
    let services = Services {
        load: service(2, true),
        store: service(3, true),
        five: service(4, true),
        six: service(5, true),
        one: service(0, true),
        two: service(1, true),
        leave: service(0, false),
    };
    let entry = to.create_block();
    to.append_block_params_for_function_params(entry);
    let out = to.create_block();
    to.append_block_param(out, I64);
    to.set_cold_block(out);
    let blocks = job.function.blocks.keys();
    let blocks: BTreeMap<usize, Block> = blocks.map(|at| (*at, to.create_block())).collect();
    to.switch_to_block(entry);
    let parameters = to.block_params(entry).to_vec();
    let big = job.program.endian == hachi_asm::Endian::Big;
    let mut emitter = Emitter {
        job,
        module,
        to,
        state: parameters[0],
        registers,
        windows,
        used: [false; 8],
        left,
        turns,
        frame_host,
        frame_mask,
        blocks,
        out,
        services,
        held: [Held::Any; 11],
        counted: 0,
        swaps: big != cfg!(target_endian = "big"),
    };
    emitter.look();
    emitter.prologue(&parameters);
    for (at, held) in &job.function.blocks {
        emitter.block(*at, held);
    }
    let mut to = emitter.to;
    to.switch_to_block(out);
    let status = to.block_params(out)[0];
    to.ins().return_(&[status]);
    to.seal_all_blocks();
    to.finalize(config);
}

impl Emitter<'_, '_> {
    /// Which limits there are comparisons with.
    fn look(&mut self) {
        for step in &self.job.program.steps {
            let size = log_size(step.code) as usize;
            if is_load(step.code) {
                self.used[size] = true;
            } else if is_store(step.code) || matches!(step.code, Code::Atomic32 | Code::Atomic64) {
                self.used[4 + size] = true;
            }
        }
    }

    fn constant(&mut self, value: u64) -> Value {
        self.to.ins().iconst(I64, value as i64)
    }

    fn register(&mut self, register: usize) -> Value {
        self.to.use_var(self.registers[register])
    }

    fn set(&mut self, register: u8, value: Value) {
        self.to.def_var(self.registers[register as usize], value);
    }

    fn state_load(&mut self, at: usize) -> Value {
        self.to.ins().load(I64, own(), self.state, at as i32)
    }

    fn state_store(&mut self, at: usize, value: Value) {
        self.to.ins().store(own(), value, self.state, at as i32);
    }

    fn prologue(&mut self, parameters: &[Value]) {
        let zero = self.constant(0);
        for register in self.registers {
            self.to.def_var(register, zero);
        }
        for (register, value) in parameters.iter().enumerate().skip(1) {
            self.to.def_var(self.registers[register], *value);
        }
        self.forget_windows();
        if self.job.function.key.1 {
            // What bare programs get.
            self.take_window(1, offset_of!(State, view));
        }
        let frame = self.state_load(offset_of!(State, frame));
        self.to.def_var(self.registers[10], frame);
        let host = self.state_load(offset_of!(State, frame_host));
        self.to.def_var(self.frame_host, host);
        let mask = self.state_load(offset_of!(State, frame_mask));
        self.to.def_var(self.frame_mask, mask);
        let left = self.state_load(offset_of!(State, left));
        self.to.def_var(self.left, left);
        let turns = self.constant(MAY_GOTO.into());
        self.to.def_var(self.turns, turns);
        let first = self.blocks[&self.job.function.key.0];
        self.to.ins().jump(first, &[]);
    }

    /// All windows are shut.
    fn forget_windows(&mut self) {
        let zero = self.constant(0);
        for window in self.windows {
            self.to.def_var(window.low, zero);
            self.to.def_var(window.delta, zero);
            for limit in window.limits {
                self.to.def_var(limit, zero);
            }
        }
    }

    /// The window of a register is the one that the state has at `view`.
    fn take_window(&mut self, register: usize, view: usize) {
        let window = self.windows[register];
        let low = self.state_load(view + offset_of!(View, low));
        self.to.def_var(window.low, low);
        let delta = self.state_load(view + offset_of!(View, delta));
        self.to.def_var(window.delta, delta);
        for (at, limit) in window.limits.into_iter().enumerate() {
            if self.used[at] {
                let value = self.state_load(view + offset_of!(View, limits) + 8 * at);
                self.to.def_var(limit, value);
            }
        }
    }

    fn copy_window(&mut self, to: usize, from: usize) {
        let (to, from) = (self.windows[to], self.windows[from]);
        let mut pairs = vec![(to.low, from.low), (to.delta, from.delta)];
        let limits = to.limits.into_iter().zip(from.limits).enumerate();
        pairs.extend(
            limits
                .filter(|(at, _)| self.used[*at])
                .map(|(_, pair)| pair),
        );
        for (to, from) in pairs {
            let value = self.to.use_var(from);
            self.to.def_var(to, value);
        }
    }

    /// Counts the instructions up to this slot.
    fn count(&mut self, upto: usize) {
        let left = self.left_at(upto);
        self.to.def_var(self.left, left);
        self.counted = upto;
    }

    /// What is left after the instructions up to this slot.
    fn left_at(&mut self, upto: usize) -> Value {
        let left = self.to.use_var(self.left);
        let ran = (upto - self.counted) as i64;
        if ran == 0 || !self.job.style.checked {
            return left;
        }
        let ran = self.to.ins().iconst(I64, ran);
        self.to.ins().isub(left, ran)
    }

    /// Tells the state what is left after the instructions up to this slot.
    fn flush(&mut self, upto: usize) {
        let left = self.left_at(upto);
        self.state_store(offset_of!(State, left), left);
    }

    fn reload(&mut self) {
        let left = self.state_load(offset_of!(State, left));
        self.to.def_var(self.left, left);
    }

    fn serve(&mut self, signature: SigRef, service: usize, arguments: &[Value]) -> Value {
        let pointer = self.module.target_config().pointer_type();
        let callee = self.to.ins().iconst(pointer, service as i64);
        let mut all = vec![self.state];
        all.extend_from_slice(arguments);
        let call = self.to.ins().call_indirect(signature, callee, &all);
        self.to.inst_results(call)[0]
    }

    /// Ends the function if the status is not [`runtime::DONE`].
    fn check(&mut self, status: Value) {
        let next = self.to.create_block();
        let out = self.out;
        self.to
            .ins()
            .brif(status, out, &[BlockArg::Value(status)], next, &[]);
        self.to.switch_to_block(next);
    }

    fn block(&mut self, from: usize, held: &Registers) {
        let steps = &self.job.program.steps;
        self.to.switch_to_block(self.blocks[&from]);
        self.held = *held;
        self.counted = from;
        let mut at = from;
        loop {
            let step = &steps[at];
            let next = at + facts::slots(step);
            let open = self.step(at, next, step);
            facts::after(&mut self.held, step, &self.job.program.context);
            if !open {
                return;
            }
            if let Some(block) = self.blocks.get(&next).copied() {
                self.count(next);
                self.to.ins().jump(block, &[]);
                return;
            }
            at = next;
        }
    }

    /// One step; whether the next one follows in the same block.
    fn step(&mut self, at: usize, next: usize, step: &Step) -> bool {
        use Code::*;
        let code = step.code;
        if is_conditional(code) {
            self.jump_if(next, step);
            return false;
        }
        if is_load(code) {
            self.load(at, step);
            return true;
        }
        if is_store(code) {
            self.store(at, step);
            return true;
        }
        match code {
            Ja => {
                self.count(next);
                self.go(step.off as usize);
                return false;
            }
            MayGoto => {
                let turns = self.to.use_var(self.turns);
                let one = self.constant(1);
                let fewer = self.to.ins().isub(turns, one);
                let (on, over) = (self.to.create_block(), self.to.create_block());
                self.to.set_cold_block(over);
                self.to.ins().brif(turns, on, &[], over, &[]);
                self.to.switch_to_block(over);
                self.count(next);
                self.go(step.off as usize);
                self.to.switch_to_block(on);
                self.to.def_var(self.turns, fewer);
                let block = self.blocks[&next];
                self.to.ins().jump(block, &[]);
                return false;
            }
            Jx | Hole | End => {
                self.stuck(at, next);
                return false;
            }
            Exit => {
                self.count(next);
                self.flush(next);
                let value = self.register(0);
                self.state_store(offset_of!(State, value), value);
                let slot = self.constant(at as u64);
                self.state_store(offset_of!(State, call), slot);
                let done = self.constant(runtime::DONE);
                self.to.ins().return_(&[done]);
                return false;
            }
            CallHelper if step.imm != 0 => {
                self.stuck(at, next);
                return false;
            }
            CallHelper | CallKfunc => self.call_helper(at, next, step),
            CallLocal => self.call_local(at, next, step),
            PacketB | PacketH | PacketW => self.packet(at, step),
            Atomic32 | Atomic64 => self.atomic(at, step),
            LoadImm | Mov64I => {
                let value = self.constant(step.imm);
                self.set(step.dst, value);
            }
            LoadMap => {
                let value = self.constant(Space::map_pointer(step.imm as u32));
                self.set(step.dst, value);
            }
            LoadFunction => {
                let number = self.job.number as u32;
                let value = self.constant(Space::function_pointer(number, step.off as u32));
                self.set(step.dst, value);
            }
            CastToKernel | CastToUser => {
                let value = self.register(step.src as usize);
                let low = self.to.ins().ireduce(I32, value);
                let low = self.to.ins().uextend(I64, low);
                let base = self.constant(self.job.program.arena.unwrap_or(0));
                let moved = self.to.ins().bor(low, base);
                let moved = match code {
                    CastToUser => self.to.ins().select(low, moved, low),
                    _ => moved,
                };
                self.set(step.dst, moved);
            }
            Mov64R => {
                let value = self.register(step.src as usize);
                self.set(step.dst, value);
                if !matches!(
                    self.held[step.src as usize],
                    Held::Frame(_) | Held::Context(_)
                ) {
                    self.copy_window(step.dst as usize, step.src as usize);
                }
            }
            _ => self.arithmetic(step),
        }
        if code == Add64R {
            let (dst, src) = (step.dst as usize, step.src as usize);
            if (self.held[dst], self.held[src]) == (Held::Any, Held::Pointer) {
                self.copy_window(dst, src);
            }
        }
        true
    }

    /// Goes to a slot, if the budget allows.
    fn go(&mut self, target: usize) {
        let block = self.blocks[&target];
        if !self.job.style.checked {
            self.to.ins().jump(block, &[]);
            return;
        }
        let left = self.to.use_var(self.left);
        let zero = self.constant(0);
        let spent = self.to.ins().icmp(IntCC::SignedLessThan, left, zero);
        let none = self.to.create_block();
        self.to.set_cold_block(none);
        self.to.ins().brif(spent, none, &[], block, &[]);
        self.to.switch_to_block(none);
        self.exhausted(target);
    }

    /// Asks whether there is more of the budget, and goes on to a slot then.
    fn exhausted(&mut self, target: usize) {
        let left = self.to.use_var(self.left);
        self.state_store(offset_of!(State, left), left);
        let slot = self.constant(target as u64);
        let status = self.serve(
            self.services.two,
            runtime::exhausted as *const () as usize,
            &[slot],
        );
        self.check(status);
        let left = self.state_load(offset_of!(State, left));
        self.to.def_var(self.left, left);
        let block = self.blocks[&target];
        self.to.ins().jump(block, &[]);
    }

    fn stuck(&mut self, at: usize, next: usize) {
        self.flush(next);
        let slot = self.constant(at as u64);
        let status = self.serve(
            self.services.two,
            runtime::stuck as *const () as usize,
            &[slot],
        );
        self.to.ins().return_(&[status]);
    }

    fn jump_if(&mut self, next: usize, step: &Step) {
        self.count(next);
        let target = self.blocks[&(step.off as usize)];
        let fall = self.blocks[&next];
        if self.job.style.checked {
            // The budget counts only where the jump is taken, so what has run out of it looks.
            let (some, none) = (self.to.create_block(), self.to.create_block());
            self.to.set_cold_block(none);
            let left = self.to.use_var(self.left);
            let zero = self.constant(0);
            let spent = self.to.ins().icmp(IntCC::SignedLessThan, left, zero);
            self.to.ins().brif(spent, none, &[], some, &[]);
            self.to.switch_to_block(none);
            let taken = self.condition(step);
            let over = self.to.create_block();
            self.to.set_cold_block(over);
            self.to.ins().brif(taken, over, &[], fall, &[]);
            self.to.switch_to_block(over);
            self.exhausted(step.off as usize);
            self.to.switch_to_block(some);
        }
        let taken = self.condition(step);
        self.to.ins().brif(taken, target, &[], fall, &[]);
    }
}
