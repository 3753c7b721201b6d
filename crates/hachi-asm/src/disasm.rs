//! Prints instructions in the syntax of the kernel's verifier (`kernel/bpf/disasm.c`), which is
//! also that of `bpftool prog dump xlated`.

use std::fmt::Write as _;

use crate::{AluOp, AtomicOp, CallTarget, Imm64, Insn, JumpOp, Op, Operand, Size, helpers};

/// What a position in the code is called, for printing: names of maps, functions and globals.
///
/// Each method may answer `None`, and then the plain number is printed.
pub trait Names {
    /// What the `ld_imm64` at slot `at` loads, e.g. `map[name:BLOCKLIST]`.
    fn imm64(&self, at: usize) -> Option<String> {
        let _ = at;
        None
    }

    /// Whom the call at slot `at` calls.
    fn call(&self, at: usize) -> Option<String> {
        let _ = at;
        None
    }
}

/// No names known.
impl Names for () {}

/// One line per instruction (a two-slot `ld_imm64` is one line).
pub fn program(insns: &[Insn]) -> Vec<String> {
    lines(insns, &()).map(|(_, line)| line).collect()
}

/// The instructions with their slot numbers.
pub fn lines<'i>(
    insns: &'i [Insn],
    names: &'i dyn Names,
) -> impl Iterator<Item = (usize, String)> + 'i {
    let mut at = 0;
    std::iter::from_fn(move || {
        let here = at;
        insns.get(here)?;
        let (line, slots) = line(insns, here, names);
        at += slots;
        Some((here, line))
    })
}

/// The instruction at slot `at` and how many slots it takes. An unknown one prints as
/// `BUG_<opcode>`, as the kernel does.
pub fn line(insns: &[Insn], at: usize, names: &dyn Names) -> (String, usize) {
    match Op::decode(insns, at) {
        Ok(op) => (render(op, at, names), op.slots()),
        Err(_) => {
            let code = insns.get(at).map_or(0, |insn| insn.code);
            (format!("BUG_{code:02x}"), 1)
        }
    }
}

fn unsigned(size: Size) -> &'static str {
    match size {
        Size::B => "u8",
        Size::H => "u16",
        Size::W => "u32",
        Size::Dw => "u64",
    }
}

fn signed(size: Size) -> &'static str {
    match size {
        Size::B => "s8",
        Size::H => "s16",
        Size::W => "s32",
        Size::Dw => "s64",
    }
}

fn alu_sign(op: AluOp) -> &'static str {
    match op {
        AluOp::Add => "+=",
        AluOp::Sub => "-=",
        AluOp::Mul => "*=",
        AluOp::Div => "/=",
        AluOp::Sdiv => "s/=",
        AluOp::Or => "|=",
        AluOp::And => "&=",
        AluOp::Lsh => "<<=",
        AluOp::Rsh => ">>=",
        AluOp::Mod => "%=",
        AluOp::Smod => "s%=",
        AluOp::Xor => "^=",
        AluOp::Mov => "=",
        AluOp::MovSx(8) => "= (s8)",
        AluOp::MovSx(16) => "= (s16)",
        AluOp::MovSx(_) => "= (s32)",
        AluOp::Arsh => "s>>=",
    }
}

fn jump_sign(op: JumpOp) -> &'static str {
    match op {
        JumpOp::Eq => "==",
        JumpOp::Gt => ">",
        JumpOp::Ge => ">=",
        JumpOp::Set => "&",
        JumpOp::Ne => "!=",
        JumpOp::Sgt => "s>",
        JumpOp::Sge => "s>=",
        JumpOp::Lt => "<",
        JumpOp::Le => "<=",
        JumpOp::Slt => "s<",
        JumpOp::Sle => "s<=",
    }
}

fn reg(wide: bool) -> char {
    if wide { 'r' } else { 'w' }
}

fn render(op: Op, at: usize, names: &dyn Names) -> String {
    match op {
        Op::Alu { op, wide, dst, src } => {
            let (sign, r) = (alu_sign(op), reg(wide));
            match src {
                // The kernel prints no blank after a conversion: `r1 = (s8)r2`.
                Operand::Reg(src) if matches!(op, AluOp::MovSx(_)) => {
                    format!("{r}{dst} {sign}{r}{src}")
                }
                Operand::Reg(src) => format!("{r}{dst} {sign} {r}{src}"),
                Operand::Imm(imm) => format!("{r}{dst} {sign} {imm}"),
            }
        }
        Op::Neg { wide, dst } => format!("{r}{dst} = -{r}{dst}", r = reg(wide)),
        Op::ToEndian { big, bits, dst } => {
            let order = if big { "be" } else { "le" };
            format!("r{dst} = {order}{bits} r{dst}")
        }
        Op::Bswap { bits, dst } => format!("r{dst} = bswap{bits} r{dst}"),
        Op::AddrSpaceCast { dst, src, to, from } => {
            format!("r{dst} = addr_space_cast(r{src}, {to}, {from})")
        }
        Op::LdImm64 { dst, imm } => {
            let value = names.imm64(at).unwrap_or_else(|| imm64(imm));
            format!("r{dst} = {value}")
        }
        Op::LdAbs { size, imm } => format!("r0 = *({} *)skb[{imm}]", unsigned(size)),
        Op::LdInd { size, src, imm } => {
            format!("r0 = *({} *)skb[r{src} + {imm}]", unsigned(size))
        }
        Op::Load {
            size,
            signed: sign,
            dst,
            src,
            off,
        } => {
            let ty = if sign { signed(size) } else { unsigned(size) };
            format!("r{dst} = *({ty} *)(r{src} {off:+})")
        }
        Op::Store {
            size,
            dst,
            off,
            src,
        } => {
            let mut out = format!("*({} *)(r{dst} {off:+}) = ", unsigned(size));
            let _ = match src {
                Operand::Reg(src) => write!(out, "r{src}"),
                Operand::Imm(imm) => write!(out, "{imm}"),
            };
            out
        }
        Op::Atomic {
            op,
            fetch,
            size,
            dst,
            off,
            src,
        } => atomic(op, fetch, size, dst, off, src),
        Op::LoadAcquire {
            size,
            dst,
            src,
            off,
        } => format!(
            "r{dst} = load_acquire(({} *)(r{src} {off:+}))",
            unsigned(size)
        ),
        Op::StoreRelease {
            size,
            dst,
            off,
            src,
        } => format!(
            "store_release(({} *)(r{dst} {off:+}), r{src})",
            unsigned(size)
        ),
        Op::Ja { off, long } => format!("goto{} pc{off:+}", if long { "l" } else { "" }),
        Op::Jx { dst } => format!("gotox r{dst}"),
        Op::MayGoto { off } => format!("may_goto pc{off:+}"),
        Op::Jump {
            op,
            wide,
            dst,
            src,
            off,
        } => {
            let (sign, r) = (jump_sign(op), reg(wide));
            match src {
                Operand::Reg(src) => format!("if {r}{dst} {sign} {r}{src} goto pc{off:+}"),
                Operand::Imm(imm) => format!("if {r}{dst} {sign} {imm:#x} goto pc{off:+}"),
            }
        }
        Op::Call(target) => call(target, names.call(at)),
        Op::Exit => "exit".into(),
    }
}

fn imm64(imm: Imm64) -> String {
    match imm {
        Imm64::Value(value) => format!("{value:#x}"),
        Imm64::MapFd(fd) => format!("map[fd:{fd}]"),
        Imm64::MapValue { fd, offset } => format!("map[fd:{fd}][0]+{offset}"),
        Imm64::BtfId { id, module_fd: 0 } => format!("btf[id:{id}]"),
        Imm64::BtfId { id, module_fd } => format!("btf[id:{id} fd:{module_fd}]"),
        Imm64::Func(off) => format!("subprog[{off:+}]"),
        Imm64::MapIdx(index) => format!("map[idx:{index}]"),
        Imm64::MapIdxValue { index, offset } => format!("map[idx:{index}][0]+{offset}"),
    }
}

fn atomic(op: AtomicOp, fetch: bool, size: Size, dst: u8, off: i16, src: u8) -> String {
    let ty = unsigned(size);
    let suffix = if size == Size::Dw { "64" } else { "" };
    let (name, sign) = match op {
        AtomicOp::Add => ("add", "+="),
        AtomicOp::Or => ("or", "|="),
        AtomicOp::And => ("and", "&="),
        AtomicOp::Xor => ("xor", "^="),
        AtomicOp::Xchg => {
            return format!("r{src} = atomic{suffix}_xchg(({ty} *)(r{dst} {off:+}), r{src})");
        }
        AtomicOp::Cmpxchg => {
            return format!("r0 = atomic{suffix}_cmpxchg(({ty} *)(r{dst} {off:+}), r0, r{src})");
        }
    };
    if fetch {
        format!("r{src} = atomic{suffix}_fetch_{name}(({ty} *)(r{dst} {off:+}), r{src})")
    } else {
        format!("lock *({ty} *)(r{dst} {off:+}) {sign} r{src}")
    }
}

fn call(target: CallTarget, name: Option<String>) -> String {
    match (target, name) {
        (CallTarget::Helper(id), None) => {
            let helper = u32::try_from(id).ok().and_then(helpers::by_id);
            let name = helper.map_or("unknown", |helper| helper.name);
            // The kernel prints helpers with their prefix: `call bpf_map_lookup_elem#1`.
            format!("call {name}#{id}")
        }
        (CallTarget::Local(off), None) => format!("call pc{off:+}"),
        (CallTarget::Kfunc { id, .. }, None) => format!("call kernel-function#{id}"),
        (CallTarget::Reg(reg), None) => format!("callx r{reg}"),
        // Before loading, a kernel function has no number yet.
        (CallTarget::Kfunc { id: 0, .. }, Some(name)) => format!("call {name}"),
        (CallTarget::Helper(id) | CallTarget::Kfunc { id, .. }, Some(name)) => {
            format!("call {name}#{id}")
        }
        (CallTarget::Local(_) | CallTarget::Reg(_), Some(name)) => format!("call {name}"),
    }
}
