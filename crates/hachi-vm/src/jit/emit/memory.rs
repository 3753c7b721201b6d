//! Loads, stores and atomic operations.

use std::mem::offset_of;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8, I32, I64};
use cranelift_codegen::ir::{Block, BlockArg, InstBuilder as _, Value};
use hachi_asm::AtomicOp;

use super::arithmetic::narrow;
use super::{Emitter, loose};
use crate::decode::{Code, Step, is_load};
use crate::jit::facts::{self, Held};
use crate::jit::runtime::{self, State};
use crate::space::{FRAME, FRAME_TOP};

/// The size of an access in bytes, as a power of two.
pub(super) fn log_size(code: Code) -> u32 {
    use Code::*;
    match code {
        LoadB | LoadSB | StoreBR | StoreBI | AcquireB | ReleaseB | PacketB => 0,
        LoadH | LoadSH | StoreHR | StoreHI | AcquireH | ReleaseH | PacketH => 1,
        LoadW | LoadSW | StoreWR | StoreWI | AcquireW | ReleaseW | PacketW | Atomic32 => 2,
        _ => 3,
    }
}

impl Emitter<'_, '_> {
    pub(super) fn address(&mut self, register: u8, offset: i32) -> Value {
        let base = self.register(register as usize);
        match offset {
            0 => base,
            offset => {
                let offset = self.to.ins().iconst(I64, i64::from(offset));
                self.to.ins().iadd(base, offset)
            }
        }
    }

    /// Where in the frame an access is, if it is within it as a whole and its bits of the mask lie
    /// in one byte: the offset from the frame pointer, the byte of the mask, the bits.
    pub(super) fn in_frame(&self, register: u8, step: &Step) -> Option<(i32, i32, u8)> {
        let Held::Frame(by) = self.held[register as usize] else {
            return None;
        };
        let at = i64::from(by) + i64::from(step.off);
        let size = 1_i64 << log_size(step.code);
        if at < -(FRAME as i64) || at + size > 0 {
            return None;
        }
        let bit = FRAME_TOP as i64 + at;
        let (byte, bit) = (bit / 8, bit % 8);
        if bit + size > 8 {
            return None;
        }
        // The mask is made of numbers of 8 bytes, in the host's order.
        let byte = match cfg!(target_endian = "big") {
            true => byte / 8 * 8 + 7 - byte % 8,
            false => byte,
        };
        let bits = ((1_u32 << size) - 1) << bit;
        Some((at as i32, byte as i32, bits as u8))
    }

    pub(super) fn aligned(code: Code) -> bool {
        use Code::*;
        matches!(
            code,
            AcquireH | AcquireW | AcquireD | ReleaseH | ReleaseW | ReleaseD | Atomic32 | Atomic64
        )
    }

    /// Reads memory of the host as the program's machine would.
    pub(super) fn read(&mut self, code: Code, address: Value, offset: i32) -> Value {
        let narrow = narrow(code);
        let value = self.to.ins().load(narrow, loose(), address, offset);
        self.widen(code, value)
    }

    pub(super) fn widen(&mut self, code: Code, value: Value) -> Value {
        use Code::*;
        let narrow = narrow(code);
        let value = match self.swaps && narrow != I8 {
            true => self.to.ins().bswap(value),
            false => value,
        };
        match code {
            _ if narrow == I64 => value,
            LoadSB | LoadSH | LoadSW => self.to.ins().sextend(I64, value),
            _ => self.to.ins().uextend(I64, value),
        }
    }

    pub(super) fn load(&mut self, at: usize, step: &Step) {
        let code = step.code;
        let base = self.held[step.src as usize];
        if let Some((offset, byte, bits)) = self.in_frame(step.src, step)
            && !Self::aligned(code)
        {
            let host = self.to.use_var(self.frame_host);
            if !self.job.style.checked {
                let value = self.read(code, host, offset);
                self.set(step.dst, value);
                return;
            }
            let mask = self.to.use_var(self.frame_mask);
            let written = self.to.ins().load(I8, loose(), mask, byte);
            let bits = self.to.ins().iconst(I8, i64::from(bits));
            let missing = match bits {
                _ if log_size(code) == 3 => self.to.ins().icmp(IntCC::NotEqual, written, bits),
                bits => {
                    let there = self.to.ins().band(written, bits);
                    self.to.ins().icmp(IntCC::NotEqual, there, bits)
                }
            };
            let (bad, good) = (self.to.create_block(), self.to.create_block());
            self.to.set_cold_block(bad);
            self.to.ins().brif(missing, bad, &[], good, &[]);
            self.to.switch_to_block(bad);
            let address = self.address(step.src, step.off);
            let status = self.slow_load(at, step, address);
            self.to.ins().return_(&[status]);
            self.to.switch_to_block(good);
            let value = self.read(code, host, offset);
            self.set(step.dst, value);
            return;
        }
        if let Held::Context(by) = base
            && self.load_context(step, by)
        {
            return;
        }
        if base == Held::Pointer && !self.job.style.checked && !Self::aligned(code) {
            let address = self.address(step.src, step.off);
            let delta = self.to.use_var(self.windows[step.src as usize].delta);
            let host = self.to.ins().iadd(address, delta);
            let value = self.read(code, host, 0);
            self.set(step.dst, value);
            return;
        }
        let address = self.address(step.src, step.off);
        let merged = self.to.create_block();
        self.to.append_block_param(merged, I64);
        let host = self.in_window(step, step.src, address, |emitter, slow| {
            emitter.to.switch_to_block(slow);
            let status = emitter.slow_load(at, step, address);
            emitter.check(status);
            emitter.take_window(step.src as usize, offset_of!(State, view));
            let mut value = emitter.state_load(offset_of!(State, value));
            let narrow = narrow(code);
            if matches!(code, Code::LoadSB | Code::LoadSH | Code::LoadSW) {
                value = emitter.to.ins().ireduce(narrow, value);
                value = emitter.to.ins().sextend(I64, value);
            }
            emitter.to.ins().jump(merged, &[BlockArg::Value(value)]);
        });
        let value = self.read(code, host, 0);
        self.to.ins().jump(merged, &[BlockArg::Value(value)]);
        self.to.switch_to_block(merged);
        let value = self.to.block_params(merged)[0];
        self.set(step.dst, value);
    }

    pub(super) fn slow_load(&mut self, at: usize, step: &Step, address: Value) -> Value {
        self.flush(at + 1);
        let what = self.constant((at as u64) << 8 | 1 << log_size(step.code));
        let service = runtime::load as *const () as usize;
        let service = match Self::aligned(step.code) {
            true => runtime::acquire as *const () as usize,
            false => service,
        };
        self.serve(self.services.load, service, &[address, what])
    }

    /// Compares an access with its register's window. `slow` fills the block for those outside; the
    /// host's address comes back, in the block for those inside.
    pub(super) fn in_window(
        &mut self,
        step: &Step,
        register: u8,
        address: Value,
        slow: impl FnOnce(&mut Self, Block),
    ) -> Value {
        let window = self.windows[register as usize];
        let is_write = !is_load(step.code);
        let size = log_size(step.code) as usize + if is_write { 4 } else { 0 };
        let low = self.to.use_var(window.low);
        let offset = self.to.ins().isub(address, low);
        let limit = self.to.use_var(window.limits[size]);
        let inside = self.to.ins().icmp(IntCC::UnsignedLessThan, offset, limit);
        let (fast, outside) = (self.to.create_block(), self.to.create_block());
        self.to.set_cold_block(outside);
        let delta = self.to.use_var(window.delta);
        if Self::aligned(step.code) {
            // An address that is not aligned is a fault.
            let mask = self.constant((1 << log_size(step.code)) - 1);
            let odd = self.to.ins().band(address, mask);
            let zero = self.constant(0);
            let even = self.to.ins().icmp(IntCC::Equal, odd, zero);
            let both = self.to.ins().band(inside, even);
            self.to.ins().brif(both, fast, &[], outside, &[]);
        } else {
            self.to.ins().brif(inside, fast, &[], outside, &[]);
        }
        slow(self, outside);
        self.to.switch_to_block(fast);
        self.to.ins().iadd(address, delta)
    }

    /// A load of a field of the context, at a fixed place; whether there is one.
    pub(super) fn load_context(&mut self, step: &Step, by: i32) -> bool {
        use Code::*;
        if !matches!(step.code, LoadB | LoadH | LoadW | LoadD) {
            return false;
        }
        let shape = &self.job.program.context;
        if let Some(number) = facts::pointer_field(Held::Context(by), step, shape) {
            let value = self.state_load(offset_of!(State, pointers) + 8 * number);
            self.set(step.dst, value);
            self.take_window(step.dst as usize, offset_of!(State, packet));
            return true;
        }
        let at = i64::from(by) + i64::from(step.off);
        let size = 1_i64 << log_size(step.code);
        let Ok(from) = u64::try_from(at) else {
            return false;
        };
        let plain = shape.read_as_pointer(from, size as u64) == Some(false);
        if !plain || from + size as u64 > shape.size() {
            return false;
        }
        let context = self.state_load(offset_of!(State, context));
        let value = self.read(step.code, context, at as i32);
        self.set(step.dst, value);
        true
    }

    pub(super) fn store(&mut self, at: usize, step: &Step) {
        use Code::*;
        let code = step.code;
        let value = match code {
            StoreBI | StoreHI | StoreWI | StoreDI => self.constant(step.imm),
            _ => self.register(step.src as usize),
        };
        if let Some((offset, byte, bits)) = self.in_frame(step.dst, step)
            && !Self::aligned(code)
        {
            let host = self.to.use_var(self.frame_host);
            if self.job.style.checked {
                let mask = self.to.use_var(self.frame_mask);
                let bits = self.to.ins().iconst(I8, i64::from(bits));
                let all = match log_size(code) {
                    3 => bits,
                    _ => {
                        let written = self.to.ins().load(I8, loose(), mask, byte);
                        self.to.ins().bor(written, bits)
                    }
                };
                self.to.ins().store(loose(), all, mask, byte);
            }
            self.write(code, value, host, offset);
            return;
        }
        let address = self.address(step.dst, step.off);
        let base = self.held[step.dst as usize];
        if base == Held::Pointer && !self.job.style.checked && !Self::aligned(code) {
            let delta = self.to.use_var(self.windows[step.dst as usize].delta);
            let host = self.to.ins().iadd(address, delta);
            self.write(code, value, host, 0);
            return;
        }
        let merged = self.to.create_block();
        let host = self.in_window(step, step.dst, address, |emitter, slow| {
            emitter.to.switch_to_block(slow);
            emitter.flush(at + 1);
            let what = emitter.constant((at as u64) << 8 | 1 << log_size(code));
            let service = match Self::aligned(code) {
                true => runtime::release as *const () as usize,
                false => runtime::store as *const () as usize,
            };
            let status = emitter.serve(emitter.services.store, service, &[address, value, what]);
            emitter.check(status);
            emitter.take_window(step.dst as usize, offset_of!(State, view));
            emitter.to.ins().jump(merged, &[]);
        });
        self.write(code, value, host, 0);
        self.to.ins().jump(merged, &[]);
        self.to.switch_to_block(merged);
    }

    /// Writes memory of the host as the program's machine would.
    pub(super) fn write(&mut self, code: Code, value: Value, address: Value, offset: i32) {
        let narrow = narrow(code);
        let mut value = match narrow {
            I64 => value,
            narrow => self.to.ins().ireduce(narrow, value),
        };
        if self.swaps && narrow != I8 {
            value = self.to.ins().bswap(value);
        }
        self.to.ins().store(loose(), value, address, offset);
    }

    pub(super) fn atomic(&mut self, at: usize, step: &Step) {
        let address = self.address(step.dst, step.off);
        let source = self.register(step.src as usize);
        let r0 = self.register(0);
        let merged = self.to.create_block();
        self.to.append_block_param(merged, I64);
        let host = self.in_window(step, step.dst, address, |emitter, slow| {
            emitter.to.switch_to_block(slow);
            emitter.flush(at + 1);
            let slot = emitter.constant(at as u64);
            let service = runtime::atomic as *const () as usize;
            let arguments = [address, source, r0, slot];
            let status = emitter.serve(emitter.services.five, service, &arguments);
            emitter.check(status);
            emitter.take_window(step.dst as usize, offset_of!(State, view));
            let old = emitter.state_load(offset_of!(State, value));
            emitter.to.ins().jump(merged, &[BlockArg::Value(old)]);
        });
        // A machine runs one program at a time: nobody sees what is in between.
        let code = step.code;
        let old = self.read(code, host, 0);
        let is = |op: AtomicOp| step.imm & 0xff == op as u64;
        let new = if is(AtomicOp::Add) {
            self.to.ins().iadd(old, source)
        } else if is(AtomicOp::Or) {
            self.to.ins().bor(old, source)
        } else if is(AtomicOp::And) {
            self.to.ins().band(old, source)
        } else if is(AtomicOp::Xor) {
            self.to.ins().bxor(old, source)
        } else if is(AtomicOp::Xchg) {
            source
        } else {
            let expected = match code {
                Code::Atomic32 => {
                    let low = self.to.ins().ireduce(I32, r0);
                    self.to.ins().uextend(I64, low)
                }
                _ => r0,
            };
            let same = self.to.ins().icmp(IntCC::Equal, old, expected);
            self.to.ins().select(same, source, old)
        };
        self.write(code, new, host, 0);
        self.to.ins().jump(merged, &[BlockArg::Value(old)]);
        self.to.switch_to_block(merged);
        let old = self.to.block_params(merged)[0];
        if is(AtomicOp::Cmpxchg) {
            self.set(0, old);
        } else if step.imm & 0x100 != 0 {
            self.set(step.src, old);
        }
    }

    pub(super) fn packet(&mut self, at: usize, step: &Step) {
        self.flush(at + 1);
        let offset = match step.src {
            11 => self.constant(step.imm),
            src => {
                let by = self.register(src as usize);
                let imm = self.constant(step.imm);
                self.to.ins().iadd(by, imm)
            }
        };
        let what = self.constant((at as u64) << 8 | 1 << log_size(step.code));
        let service = runtime::packet as *const () as usize;
        let status = self.serve(self.services.load, service, &[offset, what]);
        self.check(status);
        let value = self.state_load(offset_of!(State, value));
        self.set(0, value);
    }
}
