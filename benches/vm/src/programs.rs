//! The programs that are measured. Each gets the address of its memory in r1 and uses no helper, so
//! that every machine can run it.

use hachi_asm::{AluOp, Endian, Insn, JumpOp, Operand, Size, build};

/// A program, and the memory it works on.
pub struct Program {
    pub name: &'static str,
    pub insns: Vec<Insn>,
    pub memory: Vec<u8>,
    /// How many instructions a run executes.
    pub executed: u32,
}

impl Program {
    pub fn bytes(&self) -> Vec<u8> {
        Insn::encode_all(&self.insns, Endian::Little)
    }
}

pub fn all() -> [Program; 3] {
    [arithmetic(), sum(), parse()]
}

/// A loop of six instructions.
fn arithmetic() -> Program {
    const TURNS: i32 = 1000;
    let turn = [
        build::alu(AluOp::Mul, 0, Operand::Imm(0x19_660d)),
        build::alu(AluOp::Add, 0, Operand::Reg(2)),
        build::alu(AluOp::Xor, 0, Operand::Reg(3)),
        build::mov(3, 0),
        build::add_imm(2, -1),
        build::jump(JumpOp::Ne, 2, Operand::Imm(0), -6),
    ];
    let mut insns = vec![
        build::mov_imm(0, 1),
        build::mov_imm(2, TURNS),
        build::mov_imm(3, 7),
    ];
    insns.extend(turn);
    insns.push(build::exit());
    Program {
        name: "arithmetic, 1,000 turns of 6",
        executed: 4 + 6 * TURNS as u32,
        insns,
        memory: vec![0; 64],
    }
}

/// The sum of the 128 words of 1 KiB.
fn sum() -> Program {
    const WORDS: i32 = 128;
    let insns = vec![
        build::mov_imm(0, 0),
        build::mov_imm(2, WORDS),
        build::load(Size::Dw, 3, 1, 0),
        build::alu(AluOp::Add, 0, Operand::Reg(3)),
        build::add_imm(1, 8),
        build::add_imm(2, -1),
        build::jump(JumpOp::Ne, 2, Operand::Imm(0), -5),
        build::exit(),
    ];
    Program {
        name: "sum of 1 KiB",
        insns,
        memory: (0..1024_u32).map(|at| (at * 7 + at / 9) as u8).collect(),
        executed: 3 + 5 * WORDS as u32,
    }
}

/// The ports of a UDP packet over IPv4, mixed with its addresses; 0 for anything else.
fn parse() -> Program {
    let network = |value: u16| i32::from(value.swap_bytes());
    // Where a check that fails goes is filled in below.
    let unless = |dst, imm| build::jump(JumpOp::Ne, dst, Operand::Imm(imm), 0);
    let mut insns = vec![
        build::load(Size::H, 2, 1, 12),
        unless(2, network(0x0800)),
        build::load(Size::B, 2, 1, 14),
        unless(2, 0x45),
        build::load(Size::B, 2, 1, 23),
        unless(2, 17),
        build::load(Size::H, 2, 1, 20),
        build::alu(AluOp::And, 2, Operand::Imm(network(0x3fff))),
        unless(2, 0),
        build::load(Size::W, 0, 1, 26),
        build::load(Size::W, 2, 1, 30),
        build::alu(AluOp::Xor, 0, Operand::Reg(2)),
        build::load(Size::H, 2, 1, 34),
        build::to_endian(Endian::Big, 16, 2),
        build::alu(AluOp::Lsh, 2, Operand::Imm(16)),
        build::load(Size::H, 3, 1, 36),
        build::to_endian(Endian::Big, 16, 3),
        build::alu(AluOp::Or, 2, Operand::Reg(3)),
        build::alu(AluOp::Add, 0, Operand::Reg(2)),
        build::exit(),
    ];
    let executed = insns.len() as u32;
    let other = insns.len();
    let check = unless(2, 0);
    for (at, insn) in insns.iter_mut().enumerate() {
        if insn.code == check.code {
            insn.off = (other - at - 1) as i16;
        }
    }
    insns.extend([build::mov_imm(0, 0), build::exit()]);
    let mut memory = vec![0; 64];
    memory[12..14].copy_from_slice(&[0x08, 0x00]);
    memory[14] = 0x45;
    memory[23] = 17;
    memory[26..34].copy_from_slice(&[192, 0, 2, 1, 198, 51, 100, 7]);
    memory[34..38].copy_from_slice(&[0x30, 0x39, 0x00, 0x35]);
    Program {
        name: "Ethernet, IPv4 and UDP",
        insns,
        memory,
        executed,
    }
}

/// The same for XDP: the packet is the memory, once its length is checked.
pub fn for_xdp(program: &Program) -> Vec<Insn> {
    let mut insns = vec![
        build::load(Size::W, 2, 1, 4),
        build::load(Size::W, 1, 1, 0),
        build::mov(3, 1),
        build::add_imm(3, program.memory.len() as i32),
        build::jump(JumpOp::Le, 3, Operand::Reg(2), 2),
        build::mov_imm(0, 0),
        build::exit(),
    ];
    insns.extend_from_slice(&program.insns);
    insns
}
