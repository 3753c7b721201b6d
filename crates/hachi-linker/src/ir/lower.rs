//! Operations that eBPF lacks, replaced by the runtime's.
//!
//! Done after optimisation: InstCombine would recognise most replacements and restore the
//! operation.

use super::{runtime, settle};
use crate::{
    Code, Cpu, Diagnostic,
    llvm::{self, Builder, Const, Inst, Module, Op, Ordering, Type, TypeKind, Value},
};

/// Stores that LLVM may use for one copy or fill of constant size; beyond, a loop is shorter. LLVM
/// itself gives up (with a call of `memcpy`) at 128.
const MAX_INLINE_STORES: u64 = 64;

/// Replaces everything in the program; complaints about what has no replacement.
pub(super) fn lower(module: Module, cpu: Cpu) -> Vec<Diagnostic> {
    let lowering = Lowering {
        module,
        builder: module.context.builder(),
        cpu,
    };
    let mut complaints = Vec::new();
    for function in module.functions() {
        // The runtime itself is written in what eBPF has, except for calls among its parts and for
        // ordered accesses.
        let is_runtime = runtime::provides(&function.name());
        for inst in function.instructions() {
            if is_runtime && !matches!(inst.op(), Op::LOAD | Op::STORE) {
                continue;
            }
            if let Err(message) = lowering.instruction(inst) {
                complaints.push(
                    inst.chain()
                        .locate(Diagnostic::error(Code::WIDE_INTEGER, message)),
                );
            }
        }
    }
    complaints
}

struct Lowering {
    module: Module,
    builder: Builder,
    cpu: Cpu,
}

impl Lowering {
    fn instruction(&self, inst: Inst) -> Result<(), String> {
        match inst.op() {
            Op::MUL => self.wide(inst, "mul128", false),
            Op::UDIV => self.wide(inst, "udiv128", false),
            Op::UREM => self.wide(inst, "urem128", false),
            Op::SDIV => self.signed_division(inst, "sdiv"),
            Op::SREM => self.signed_division(inst, "srem"),
            Op::SHL => self.shift(inst, "shl128", false),
            Op::LSHR => self.shift(inst, "lshr128", false),
            Op::ASHR => self.shift(inst, "ashr128", true),
            Op::FENCE => {
                if !inst.is_single_thread() {
                    self.fence_before(inst);
                }
                inst.erase();
                Ok(())
            }
            Op::LOAD | Op::STORE => {
                self.plain_access(inst);
                Ok(())
            }
            Op::CALL => {
                if let Some(callee) = inst.called_function() {
                    self.intrinsic(inst, &callee.name());
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Puts a call of the runtime in the place of an instruction.
    fn replace(&self, inst: Inst, helper: &str, args: &[Value]) {
        let helper = runtime::function(self.module, helper);
        let call = self.builder.before(inst).call(helper.ty(), helper.0, args);
        if inst.0.is_used() {
            inst.0.replace_with(call.0);
        }
        inst.erase();
    }

    /// A binary operation on integers of more than 64 bits.
    fn wide(&self, inst: Inst, helper: &str, signed: bool) -> Result<(), String> {
        let ty = inst.0.ty();
        match ty.int_bits() {
            0..=64 => Ok(()),
            65..=128 => {
                self.widened(inst, helper, 128, signed);
                Ok(())
            }
            bits => Err(format!(
                "eBPF has no arithmetic on integers of {bits} bits, and no replacement is known"
            )),
        }
    }

    /// Replaces `inst` by a helper on integers of `bits` bits, widening and narrowing as needed.
    fn widened(&self, inst: Inst, helper: &str, bits: u32, signed: bool) {
        let ty = inst.0.ty();
        let helper = runtime::function(self.module, &format!("__hachi_{helper}"));
        let wide = self.module.context.int_type(bits);
        let builder = self.builder.before(inst);
        let cast = |value: Value, ty: Type| {
            if value.ty() == ty {
                value
            } else {
                builder.int_cast(value, ty, signed)
            }
        };
        let args = [cast(inst.0.operand(0), wide), cast(inst.0.operand(1), wide)];
        let call = builder.call(helper.ty(), helper.0, &args);
        inst.0.replace_with(cast(call.0, ty));
        inst.erase();
    }

    fn signed_division(&self, inst: Inst, name: &str) -> Result<(), String> {
        match inst.0.ty().int_bits() {
            0 => Ok(()),
            1..=64 if self.cpu >= Cpu::V4 => Ok(()),
            1..=64 => {
                self.widened(inst, &format!("{name}64"), 64, true);
                Ok(())
            }
            _ => self.wide(inst, &format!("{name}128"), true),
        }
    }

    /// Shifts by a constant need no help.
    fn shift(&self, inst: Inst, helper: &str, signed: bool) -> Result<(), String> {
        if inst.0.operand(1).constant_kind() == Const::Int {
            return Ok(());
        }
        self.wide(inst, helper, signed)
    }

    fn fence_before(&self, inst: Inst) {
        // Before v3 there is no instruction that orders memory. On x86 nothing is missing then but
        // store-load order.
        if self.cpu >= Cpu::V3 {
            let fence = runtime::function(self.module, "__hachi_fence");
            self.builder.before(inst).call(fence.ty(), fence.0, &[]);
        }
    }

    /// Is this access one of eBPF's own, `load_acquire` or `store_release` (Linux 6.15)? LLVM has
    /// them since 21.
    fn has_instruction(&self, inst: Inst, ty: Type) -> bool {
        let wanted = match inst.op() {
            Op::LOAD => Ordering::Acquire,
            _ => Ordering::Release,
        };
        self.cpu >= Cpu::V4
            && llvm::version().0 >= 21
            && inst.ordering() == wanted
            && matches!(ty.int_bits(), 8 | 16 | 32 | 64)
    }

    /// Atomic loads and stores become volatile ones, with a barrier on the side that the ordering
    /// asks for; or exchanges, which are barriers themselves.
    fn plain_access(&self, inst: Inst) {
        let ordering = inst.ordering();
        if ordering == Ordering::None {
            return;
        }
        let single_thread = inst.is_single_thread();
        let is_store = inst.op() == Op::STORE;
        let ty = if is_store {
            inst.0.operand(0).ty()
        } else {
            inst.0.ty()
        };
        if !single_thread && self.has_instruction(inst, ty) {
            return;
        }
        if is_store && !single_thread && ordering.releases() && self.cpu >= Cpu::V3 {
            let exchange = match ty.int_bits() {
                32 => "__hachi_atomic_xchg32",
                64 => "__hachi_atomic_xchg64",
                _ => "",
            };
            if !exchange.is_empty() {
                let (value, at) = (inst.0.operand(0), inst.0.operand(1));
                return self.replace(inst, exchange, &[at, value]);
            }
        }
        inst.make_volatile();
        if single_thread {
            return;
        }
        if inst.op() == Op::STORE && ordering.releases() {
            self.fence_before(inst);
        }
        let after = if inst.op() == Op::LOAD {
            ordering.acquires()
        } else {
            ordering == Ordering::SeqCst
        };
        if let Some(next) = inst.next().filter(|_| after) {
            self.fence_before(next);
        }
    }

    fn intrinsic(&self, inst: Inst, name: &str) {
        let Some(name) = name.strip_prefix("llvm.") else {
            return;
        };
        let args = inst.arguments();
        let helper = match name {
            "umul.with.overflow.i64" => "__hachi_umulo64",
            "smul.with.overflow.i64" => "__hachi_smulo64",
            "umul.with.overflow.i128" => "__hachi_umulo128",
            "smul.with.overflow.i128" => "__hachi_smulo128",
            "fshl.i128" | "fshr.i128" if args[2].constant_kind() == Const::Int => {
                return;
            }
            "fshl.i128" => "__hachi_fshl128",
            "fshr.i128" => "__hachi_fshr128",
            _ if name.starts_with("memcpy.inline") || name.starts_with("memset.inline") => return,
            _ if name.starts_with("memcpy.") => return self.copy(inst, false),
            _ if name.starts_with("memmove.") => return self.copy(inst, true),
            _ if name.starts_with("memset.") => return self.fill(inst),
            _ => return,
        };
        self.replace(inst, helper, &args);
    }

    /// The alignment of a memory intrinsic's pointer; stack slots are given what helps.
    fn align(&self, inst: Inst, index: u32) -> u64 {
        let promised = inst.argument_align(index);
        let slot = inst.0.operand(index);
        match slot.as_inst().filter(|slot| slot.op() == Op::ALLOCA) {
            Some(slot) => slot.raise_alignment(8).max(promised),
            None => promised,
        }
    }

    fn copy(&self, inst: Inst, may_overlap: bool) {
        let length = inst.0.operand(2);
        let (to, from) = (inst.0.operand(0), inst.0.operand(1));
        let is_volatile = inst.0.operand(3).as_u64() != Some(0);
        if may_overlap && !is_volatile && settle::are_apart(to, from) {
            // LLVM would load all of it before it stores any.
            let align = |index| u32::try_from(inst.argument_align(index)).unwrap_or(1);
            let (to, from) = ((to, align(0)), (from, align(1)));
            let copy = self.builder.before(inst).copy_memory(to, from, length);
            inst.erase();
            return self.copy(copy, false);
        }
        let Some(n) = length.as_u64() else {
            let length = self.as_i64(inst, length);
            let helper = if may_overlap {
                "__hachi_move"
            } else {
                "__hachi_copy1"
            };
            return self.replace(
                inst,
                helper,
                &[inst.0.operand(0), inst.0.operand(1), length],
            );
        };
        let unit = self.align(inst, 0).min(self.align(inst, 1)).min(8);
        if n.div_ceil(unit) <= MAX_INLINE_STORES {
            return;
        }
        let i64_type = self.module.context.int_type(64);
        if may_overlap || n % unit != 0 {
            let helper = if may_overlap {
                "__hachi_move"
            } else {
                "__hachi_copy1"
            };
            return self.replace(inst, helper, &[to, from, i64_type.number(n)]);
        }
        self.replace(
            inst,
            &format!("__hachi_copy{unit}"),
            &[to, from, i64_type.number(n)],
        );
    }

    fn fill(&self, inst: Inst) {
        let length = inst.0.operand(2);
        let (to, byte) = (inst.0.operand(0), inst.0.operand(1));
        let Some(n) = length.as_u64() else {
            let length = self.as_i64(inst, length);
            return self.replace(inst, "__hachi_set1", &[to, byte, length]);
        };
        let unit = self.align(inst, 0).min(8);
        if n.div_ceil(unit) <= MAX_INLINE_STORES {
            return;
        }
        let helper = if unit == 8 && n % 8 == 0 {
            "__hachi_set8"
        } else {
            "__hachi_set1"
        };
        let n = self.module.context.int_type(64).number(n);
        self.replace(inst, helper, &[to, byte, n]);
    }

    fn as_i64(&self, inst: Inst, value: Value) -> Value {
        match value.ty().kind() {
            TypeKind::Int(64) => value,
            _ => self
                .builder
                .before(inst)
                .int_cast(value, self.module.context.int_type(64), false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{after, lines};
    use super::*;

    fn moved_from(source: &str) -> String {
        after(
            &format!(
                "declare void @llvm.memmove.p0.p0.i64(ptr, ptr, i64, i1)
                 define void @f(ptr %ctx) {{
                   %o = alloca [64 x i8]
                   %data = load i32, ptr %ctx
                   %wide = zext i32 %data to i64
                   %packet = inttoptr i64 %wide to ptr
                   %inside = getelementptr i8, ptr %o, i64 8
                   call void @llvm.memmove.p0.p0.i64(ptr %o, ptr {source}, i64 56, i1 false)
                   ret void
                 }}"
            ),
            |module| {
                assert!(lower(module, Cpu::V3).is_empty());
            },
        )
    }

    #[test]
    fn a_move_between_a_packet_and_the_stack_is_a_copy() {
        let text = moved_from("%packet");
        assert_eq!(lines(&text, "call void @llvm.memcpy"), 1, "{text}");
    }

    #[test]
    fn a_move_within_the_stack_stays_a_move() {
        for source in ["%inside", "%ctx"] {
            let text = moved_from(source);
            assert_eq!(lines(&text, "call void @llvm.memmove"), 1, "{text}");
        }
    }
}
