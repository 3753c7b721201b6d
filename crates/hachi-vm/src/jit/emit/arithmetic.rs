//! Arithmetic and comparisons.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8, I16, I32, I64};
use cranelift_codegen::ir::{InstBuilder as _, Type, Value};

use super::Emitter;
use super::memory::log_size;
use crate::decode::{Code, Step};

impl Emitter<'_, '_> {
    pub(super) fn condition(&mut self, step: &Step) -> Value {
        use Code::*;
        let first = Jeq64I as u8;
        let narrow = step.code as u8 >= Jeq32I as u8;
        let index = step.code as u8 - if narrow { Jeq32I as u8 } else { first };
        let by_register = index % 2 == 1;
        let mut a = self.register(step.dst as usize);
        let mut b = match by_register {
            true => self.register(step.src as usize),
            false => self.constant(step.imm),
        };
        if narrow {
            a = self.to.ins().ireduce(I32, a);
            b = match by_register {
                true => self.to.ins().ireduce(I32, b),
                false => self.to.ins().iconst(I32, i64::from(step.imm as u32)),
            };
        }
        let compare = match index / 2 {
            0 => IntCC::Equal,
            1 => IntCC::UnsignedGreaterThan,
            2 => IntCC::UnsignedGreaterThanOrEqual,
            3 => return self.to.ins().band(a, b),
            4 => IntCC::NotEqual,
            5 => IntCC::SignedGreaterThan,
            6 => IntCC::SignedGreaterThanOrEqual,
            7 => IntCC::UnsignedLessThan,
            8 => IntCC::UnsignedLessThanOrEqual,
            9 => IntCC::SignedLessThan,
            _ => IntCC::SignedLessThanOrEqual,
        };
        self.to.ins().icmp(compare, a, b)
    }

    pub(super) fn arithmetic(&mut self, step: &Step) {
        use Code::*;
        let code = step.code;
        let (dst, src) = (step.dst as usize, step.src as usize);
        let result = match code {
            Nothing => return,
            Neg64 => {
                let value = self.register(dst);
                self.to.ins().ineg(value)
            }
            Neg32 => {
                let value = self.low(dst);
                let value = self.to.ins().ineg(value);
                self.to.ins().uextend(I64, value)
            }
            Zx16 | Zx32 | Swap16 | Swap32 => {
                let narrow = if matches!(code, Zx16 | Swap16) {
                    I16
                } else {
                    I32
                };
                let value = self.register(dst);
                let mut value = self.to.ins().ireduce(narrow, value);
                if matches!(code, Swap16 | Swap32) {
                    value = self.to.ins().bswap(value);
                }
                self.to.ins().uextend(I64, value)
            }
            Swap64 => {
                let value = self.register(dst);
                self.to.ins().bswap(value)
            }
            Mov32R => {
                let value = self.low(src);
                self.to.ins().uextend(I64, value)
            }
            Mov32I => self.constant(u64::from(step.imm as u32)),
            Sx8To64 | Sx16To64 | Sx32To64 | Sx8To32 | Sx16To32 => {
                let narrow = match code {
                    Sx8To64 | Sx8To32 => I8,
                    Sx16To64 | Sx16To32 => I16,
                    _ => I32,
                };
                let value = self.register(src);
                let value = self.to.ins().ireduce(narrow, value);
                if matches!(code, Sx8To32 | Sx16To32) {
                    let value = self.to.ins().sextend(I32, value);
                    self.to.ins().uextend(I64, value)
                } else {
                    self.to.ins().sextend(I64, value)
                }
            }
            _ => {
                let wide = code as u8 <= Arsh64R as u8;
                let by_register = is_by_register(code);
                let (a, b) = match (wide, by_register) {
                    (true, true) => (self.register(dst), self.register(src)),
                    (true, false) => (self.register(dst), self.constant(step.imm)),
                    (false, true) => (self.low(dst), self.low(src)),
                    (false, false) => {
                        let imm = i64::from(step.imm as u32);
                        (self.low(dst), self.to.ins().iconst(I32, imm))
                    }
                };
                let result = self.operate(code, a, b);
                match wide {
                    true => result,
                    false => self.to.ins().uextend(I64, result),
                }
            }
        };
        self.set(step.dst, result);
    }

    /// The lower half of a register.
    pub(super) fn low(&mut self, register: usize) -> Value {
        let value = self.register(register);
        self.to.ins().ireduce(I32, value)
    }

    pub(super) fn operate(&mut self, code: Code, a: Value, b: Value) -> Value {
        use Code::*;
        let to = self.to.ins();
        match code {
            Add64I | Add64R | Add32I | Add32R => to.iadd(a, b),
            Sub64I | Sub64R | Sub32I | Sub32R => to.isub(a, b),
            Mul64I | Mul64R | Mul32I | Mul32R => to.imul(a, b),
            Or64I | Or64R | Or32I | Or32R => to.bor(a, b),
            And64I | And64R | And32I | And32R => to.band(a, b),
            Xor64I | Xor64R | Xor32I | Xor32R => to.bxor(a, b),
            Lsh64I | Lsh64R | Lsh32I | Lsh32R => to.ishl(a, b),
            Rsh64I | Rsh64R | Rsh32I | Rsh32R => to.ushr(a, b),
            Arsh64I | Arsh64R | Arsh32I | Arsh32R => to.sshr(a, b),
            _ => self.divide(code, a, b),
        }
    }

    /// Division as RFC 9669 has it: by zero it gives 0, and its remainder is the dividend.
    pub(super) fn divide(&mut self, code: Code, a: Value, b: Value) -> Value {
        use Code::*;
        let ty = self.to.func.dfg.value_type(a);
        let zero = self.to.ins().iconst(ty, 0);
        let one = self.to.ins().iconst(ty, 1);
        let by_zero = self.to.ins().icmp(IntCC::Equal, b, zero);
        let signed = matches!(
            code,
            Sdiv64I | Sdiv64R | Sdiv32I | Sdiv32R | Smod64I | Smod64R | Smod32I | Smod32R
        );
        let remainder = matches!(
            code,
            Mod64I | Mod64R | Mod32I | Mod32R | Smod64I | Smod64R | Smod32I | Smod32R
        );
        let safe = self.to.ins().select(by_zero, one, b);
        let at_zero = if remainder { a } else { zero };
        if !signed {
            let result = match remainder {
                true => self.to.ins().urem(a, safe),
                false => self.to.ins().udiv(a, safe),
            };
            return self.to.ins().select(by_zero, at_zero, result);
        }
        // The least number divided by -1 is itself: the host's division would fault.
        let minus = self.to.ins().iconst(ty, -1);
        let negates = self.to.ins().icmp(IntCC::Equal, b, minus);
        let safe = self.to.ins().select(negates, one, safe);
        let (result, negated) = match remainder {
            true => (self.to.ins().srem(a, safe), zero),
            false => (self.to.ins().sdiv(a, safe), self.to.ins().ineg(a)),
        };
        let result = self.to.ins().select(negates, negated, result);
        self.to.ins().select(by_zero, at_zero, result)
    }
}

pub(super) fn narrow(code: Code) -> Type {
    match log_size(code) {
        0 => I8,
        1 => I16,
        2 => I32,
        _ => I64,
    }
}

/// Whether an operation's second operand is a register.
fn is_by_register(code: Code) -> bool {
    // The forms with an immediate and with a register alternate.
    code as u8 % 2 == Code::Add64R as u8 % 2
}
