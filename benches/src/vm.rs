//! The virtual machine's interpreter, beside that of rbpf: an arithmetic loop, a sum over memory,
//! the headers of a packet.

use crate::timing;
use crate::tools::Result;
use hachi_asm::consts::*;
use hachi_asm::{Endian, Insn};
use hachi_vm::Bare;
use std::hint::black_box;
use std::time::Instant;

fn insn(code: u8, dst: u8, src: u8, off: i16, imm: i32) -> Insn {
    Insn {
        code,
        dst,
        src,
        off,
        imm,
    }
}

/// Turns of the loop.
const TURNS: i32 = 10_000;

/// Six instructions a turn: add, multiply, xor, shift, count, jump.
fn arithmetic() -> Vec<Insn> {
    vec![
        insn(BPF_ALU64 | BPF_MOV, 0, 0, 0, 1),
        insn(BPF_ALU64 | BPF_MOV, 3, 0, 0, TURNS),
        insn(BPF_ALU64 | BPF_ADD | BPF_X, 0, 3, 0, 0),
        insn(BPF_ALU64 | BPF_MUL, 0, 0, 0, 31),
        insn(BPF_ALU64 | BPF_XOR, 0, 0, 0, 0x55),
        insn(BPF_ALU64 | BPF_RSH, 0, 0, 0, 1),
        insn(BPF_ALU64 | BPF_SUB, 3, 0, 0, 1),
        insn(BPF_JMP | BPF_JNE, 3, 0, -6, 0),
        insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
    ]
}

/// The sum of the bytes, one by one.
fn sum() -> Vec<Insn> {
    vec![
        insn(BPF_ALU64 | BPF_MOV, 0, 0, 0, 0),
        insn(BPF_ALU64 | BPF_ADD | BPF_X, 2, 1, 0, 0),
        insn(BPF_LDX | BPF_MEM | BPF_B, 3, 1, 0, 0),
        insn(BPF_ALU64 | BPF_ADD | BPF_X, 0, 3, 0, 0),
        insn(BPF_ALU64 | BPF_ADD, 1, 0, 0, 1),
        insn(BPF_JMP | BPF_JNE | BPF_X, 1, 2, -4, 0),
        insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
    ]
}

/// Ethernet, IPv4, UDP: the destination port, or 0.
fn parse() -> Vec<Insn> {
    vec![
        insn(BPF_ALU64 | BPF_MOV, 0, 0, 0, 0),
        insn(BPF_JMP | BPF_JLT, 2, 0, 13, 42),
        insn(BPF_LDX | BPF_MEM | BPF_H, 3, 1, 12, 0),
        insn(BPF_JMP | BPF_JNE, 3, 0, 11, 8),
        insn(BPF_LDX | BPF_MEM | BPF_B, 3, 1, 14, 0),
        insn(BPF_ALU64 | BPF_AND, 3, 0, 0, 15),
        insn(BPF_ALU64 | BPF_LSH, 3, 0, 0, 2),
        insn(BPF_JMP | BPF_JNE, 3, 0, 7, 20),
        insn(BPF_LDX | BPF_MEM | BPF_B, 4, 1, 23, 0),
        insn(BPF_JMP | BPF_JNE, 4, 0, 5, 17),
        insn(BPF_LDX | BPF_MEM | BPF_W, 5, 1, 26, 0),
        insn(BPF_STX | BPF_MEM | BPF_W, 10, 5, -8, 0),
        insn(BPF_LDX | BPF_MEM | BPF_H, 0, 1, 36, 0),
        insn(BPF_ALU | BPF_END | BPF_TO_BE, 0, 0, 0, 16),
        insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
        insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
    ]
}

fn packet() -> Vec<u8> {
    let mut packet = vec![0; 64];
    packet[12] = 8;
    packet[14] = 0x45;
    packet[23] = 17;
    packet[36..38].copy_from_slice(&[0, 53]);
    packet
}

/// The least of a few means, in nanoseconds.
fn measure(mut run: impl FnMut() -> u64) -> f64 {
    let mut times = Vec::new();
    for _ in 0..20 {
        let start = Instant::now();
        let mut runs = 0;
        while start.elapsed().as_millis() < 20 {
            for _ in 0..16 {
                black_box(run());
            }
            runs += 16;
        }
        times.push(start.elapsed().as_nanos() as f64 / f64::from(runs));
    }
    timing::median(&times)
}

pub fn run() -> Result {
    let bytes: Vec<u8> = (0..1024).map(|at| at as u8).collect();
    let cases = [
        (
            "arithmetic, a turn of 6 instructions",
            arithmetic(),
            Vec::new(),
            f64::from(TURNS),
        ),
        ("sum over 1 KiB", sum(), bytes, 1.0),
        ("Ethernet, IPv4, UDP headers", parse(), packet(), 1.0),
    ];
    for (name, insns, memory, parts) in cases {
        let mut own = Bare::new(&insns, &memory)?;
        let result = own.run()?;
        let code = Insn::encode_all(&insns, Endian::Little);
        let peer = rbpf::EbpfVmRaw::new(Some(&code))?;
        let mut copy = memory.clone();
        if peer.execute_program(&mut copy)? != result {
            return Err(format!("{name}: rbpf gives another result than {result:#x}").into());
        }
        let hachi = measure(|| own.run().unwrap_or(0)) / parts;
        let rbpf = measure(|| peer.execute_program(&mut copy).unwrap_or(0)) / parts;
        println!(
            "{name:<40} hachi {hachi:8.1} ns   rbpf {rbpf:8.1} ns   {:.2}",
            hachi / rbpf
        );
    }
    Ok(())
}
