//! Instructions that eBPF does not have.

use super::Findings;
use crate::{
    Code, Cpu, Diagnostic,
    ir::Job,
    llvm::{BinOp, Const, Inst, Op, TypeKind},
};

/// One instruction.
pub(super) fn instruction(inst: Inst, job: &Job, findings: &mut Findings) {
    let op = inst.op();
    if op.is_float_arithmetic() {
        float(inst, findings);
        return;
    }
    match op {
        Op::CALL => {
            let floats = inst.0.ty().is_float()
                || inst.arguments().into_iter().any(|arg| arg.ty().is_float());
            if floats {
                float(inst, findings);
            }
        }
        Op::ATOMIC_RMW | Op::CMPXCHG => atomic(inst, job.cpu, findings),
        Op::ALLOCA if inst.0.operand(0).constant_kind() != Const::Int => findings.add(
            inst,
            Diagnostic::error(
                Code::DYNAMIC_STACK,
                "a stack slot whose size is known only at run time",
            )
            .help("use an array of the greatest size"),
        ),
        Op::INDIRECT_BR | Op::VA_ARG => findings.add(
            inst,
            Diagnostic::error(
                Code::COMPUTED_JUMP,
                "eBPF has neither computed jumps nor variable argument lists",
            ),
        ),
        _ => {}
    }
}

fn float(inst: Inst, findings: &mut Findings) {
    findings.add(
        inst,
        Diagnostic::error(
            Code::FLOATING_POINT,
            "floating-point arithmetic, which eBPF does not have",
        )
        .help("use integers, for example parts per thousand; user space can turn them into `f64`"),
    );
}

fn atomic(inst: Inst, cpu: Cpu, findings: &mut Findings) {
    // Operands: of a read-modify-write, place and value; of an exchange, place, old and new.
    let bits = match inst.0.operand(1).ty().kind() {
        TypeKind::Int(bits) => bits,
        TypeKind::Pointer => 64,
        _ => 0,
    };
    let op = if inst.op() == Op::ATOMIC_RMW {
        inst.rmw_op()
    } else {
        BinOp::Xchg
    };
    let d = match (op, bits) {
        (BinOp::Other(name), _) => Diagnostic::error(
            Code::ATOMIC_OPERATION,
            format!("eBPF has no atomic `{name}`"),
        )
        .help(
            "eBPF has fetch_add, fetch_sub, fetch_and, fetch_or, fetch_xor, swap and \
                 compare_exchange",
        ),
        (_, 32 | 64) => {
            let plain = op == BinOp::Add && !inst.0.is_used();
            if cpu >= Cpu::V3 || plain {
                return;
            }
            Diagnostic::error(Code::ATOMIC_OPERATION, format!(
                "this atomic operation needs instruction set v3 (Linux 5.12), and the program is \
                 compiled for {}",
                if cpu == Cpu::V1 { "v1" } else { "v2" }
            ))
            .help("build with `--cpu v3`, or use an addition whose result is not looked at")
        }
        (_, bits) => Diagnostic::error(
            Code::ATOMIC_OPERATION,
            format!(
                "an atomic operation on {bits} bits, but eBPF has them for 32 and 64 bits only"
            ),
        )
        .help("use an `AtomicU32` or `AtomicU64`"),
    };
    findings.add(inst, d);
}
