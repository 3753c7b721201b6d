//! The rules of the encoding: programs that break one each.

use hachi_asm::Insn;
use hachi_asm::consts::*;
use hachi_vm::Bare;

use super::{EXIT, insn, load, stop};

/// Programs that break one rule each, and words of the rule.
#[test]
fn fields_that_are_not_used_must_be_zero() {
    let alu = BPF_ALU64 | BPF_ADD;
    let swap = BPF_ALU | BPF_END;
    let [low, high] = load(0, 1);
    let with = |insn: Insn, change: fn(&mut Insn)| {
        let mut changed = insn;
        change(&mut changed);
        changed
    };
    let ja = insn(BPF_JMP | BPF_JA, 0, 0, 0, 0);
    let gotol = insn(BPF_JMP32 | BPF_JA, 0, 0, 0, 0);
    let call = insn(BPF_JMP | BPF_CALL, 0, 0, 0, 7);
    let may_goto = insn(BPF_JMP | BPF_JCOND, 0, 0, 0, 0);
    let xadd = insn(BPF_STX | BPF_ATOMIC | BPF_DW, 1, 2, 0, BPF_ADD.into());
    let cases: Vec<(Vec<Insn>, &str)> = vec![
        (vec![insn(alu, 11, 0, 0, 0)], "destination is no register"),
        (vec![insn(alu, 15, 0, 0, 0)], "destination is no register"),
        (vec![insn(alu, 10, 0, 0, 0)], "r10 is read-only"),
        (vec![insn(alu, 0, 1, 0, 0)], "source register must be 0"),
        (
            vec![insn(alu | BPF_X, 0, 11, 0, 0)],
            "source is no register",
        ),
        (vec![insn(alu | BPF_X, 0, 1, 0, 1)], "immediate must be 0"),
        (vec![insn(alu, 0, 0, 1, 0)], "offset must be 0"),
        (
            vec![insn(BPF_ALU64 | BPF_DIV, 0, 0, 2, 1)],
            "offset must be 0",
        ),
        (
            vec![insn(BPF_ALU64 | BPF_MOD, 0, 0, -1, 1)],
            "offset must be 0",
        ),
        (
            vec![insn(BPF_ALU64 | BPF_MOV, 0, 0, 8, 1)],
            "offset must be 0",
        ),
        (
            vec![insn(BPF_ALU64 | BPF_MOV | BPF_X, 0, 1, 24, 0)],
            "offset must be 0",
        ),
        (
            vec![insn(BPF_ALU | BPF_MOV | BPF_X, 0, 1, 32, 0)],
            "offset must be 0",
        ),
        (
            vec![insn(BPF_ALU64 | BPF_MOV | BPF_X, 0, 1, 8, 1)],
            "immediate must be 0",
        ),
        (
            vec![insn(BPF_ALU64 | BPF_MOV | BPF_X, 0, 1, 1, 2)],
            "cast between address spaces",
        ),
        (
            vec![insn(BPF_ALU64 | BPF_NEG | BPF_X, 0, 0, 0, 0)],
            "no source register",
        ),
        (
            vec![insn(BPF_ALU64 | BPF_NEG, 0, 1, 0, 0)],
            "source must be 0",
        ),
        (
            vec![insn(BPF_ALU64 | BPF_NEG, 0, 0, 1, 0)],
            "offset must be 0",
        ),
        (
            vec![insn(BPF_ALU64 | BPF_NEG, 0, 0, 0, 1)],
            "immediate must be 0",
        ),
        (vec![insn(swap, 0, 1, 0, 16)], "source register must be 0"),
        (vec![insn(swap, 0, 0, 1, 16)], "offset must be 0"),
        (vec![insn(swap, 0, 0, 0, 8)], "16, 32 or 64"),
        (
            vec![insn(BPF_ALU64 | BPF_END | BPF_X, 0, 0, 0, 16)],
            "source bit",
        ),
        (
            vec![insn(BPF_ALU64 | 0xe0, 0, 0, 0, 0)],
            "no such instruction",
        ),
        (
            vec![insn(BPF_ALU64 | 0xf0, 0, 0, 0, 0)],
            "no such instruction",
        ),
        (
            vec![with(ja, |i| i.dst = 1)],
            "destination register must be 0",
        ),
        (vec![with(ja, |i| i.src = 1)], "source register must be 0"),
        (vec![with(ja, |i| i.imm = 1)], "immediate must be 0"),
        (vec![with(gotol, |i| i.off = 1)], "offset must be 0"),
        (
            vec![with(gotol, |i| i.src = 1)],
            "source register must be 0",
        ),
        (vec![with(gotol, |i| i.code |= BPF_X)], "no such jump"),
        (
            vec![insn(BPF_JMP | BPF_JEQ, 0, 1, 0, 0)],
            "source register must be 0",
        ),
        (
            vec![insn(BPF_JMP | BPF_JEQ | BPF_X, 0, 1, 0, 1)],
            "immediate must be 0",
        ),
        (
            vec![insn(BPF_JMP | BPF_JEQ | BPF_X, 0, 12, 0, 0)],
            "source is no register",
        ),
        (
            vec![insn(BPF_JMP32 | BPF_JEQ, 11, 0, 0, 0)],
            "destination is no register",
        ),
        (
            vec![insn(BPF_JMP | 0xf0, 0, 0, 0, 0)],
            "no such instruction",
        ),
        (
            vec![insn(BPF_JMP32 | BPF_JCOND, 0, 0, 0, 0)],
            "no such jump",
        ),
        (vec![with(may_goto, |i| i.dst = 1)], "no destination"),
        (vec![with(may_goto, |i| i.imm = 1)], "no immediate"),
        (vec![with(may_goto, |i| i.src = 1)], "source of may_goto"),
        (
            vec![with(call, |i| i.dst = 1)],
            "destination register must be 0",
        ),
        (vec![with(call, |i| i.src = 3)], "source must be 0"),
        (vec![with(call, |i| i.off = 1)], "offset must be 0"),
        (
            vec![with(call, |i| i.code |= BPF_X)],
            "calls through a register",
        ),
        (
            vec![with(call, |i| i.code = BPF_JMP32 | BPF_CALL)],
            "of class JMP",
        ),
        (vec![with(EXIT, |i| i.dst = 1)], "all fields of exit"),
        (vec![with(EXIT, |i| i.src = 1)], "all fields of exit"),
        (vec![with(EXIT, |i| i.off = 1)], "all fields of exit"),
        (vec![with(EXIT, |i| i.imm = 1)], "all fields of exit"),
        (vec![with(EXIT, |i| i.code |= BPF_X)], "no source register"),
        (
            vec![with(EXIT, |i| i.code = BPF_JMP32 | BPF_EXIT)],
            "of class JMP",
        ),
        (
            vec![with(low, |i| i.off = 1), high],
            "offset of a 64-bit load",
        ),
        (vec![with(low, |i| i.src = 7), high], "from 0 to 6"),
        (vec![with(low, |i| i.dst = 10), high], "r10 is read-only"),
        (
            vec![low, with(high, |i| i.code = 1)],
            "second slot must be 0",
        ),
        (
            vec![low, with(high, |i| i.dst = 1)],
            "second slot must be 0",
        ),
        (
            vec![low, with(high, |i| i.src = 1)],
            "second slot must be 0",
        ),
        (
            vec![low, with(high, |i| i.off = 1)],
            "second slot must be 0",
        ),
        (
            vec![
                with(low, |i| i.src = BPF_PSEUDO_MAP_FD),
                with(high, |i| i.imm = 1),
            ],
            "second immediate",
        ),
        (
            vec![with(low, |i| i.src = BPF_PSEUDO_MAP_FD), high],
            "no map of number 1",
        ),
        (
            vec![with(low, |i| i.code = BPF_LD | BPF_IMM | BPF_W)],
            "no such instruction",
        ),
        (
            vec![insn(BPF_LD | BPF_ABS | BPF_W, 1, 0, 0, 0)],
            "destination of a packet load",
        ),
        (
            vec![insn(BPF_LD | BPF_ABS | BPF_W, 0, 1, 0, 0)],
            "source of an absolute",
        ),
        (
            vec![insn(BPF_LD | BPF_ABS | BPF_W, 0, 0, 1, 0)],
            "offset of a packet load",
        ),
        (
            vec![insn(BPF_LD | BPF_ABS | BPF_DW, 0, 0, 0, 0)],
            "no such instruction",
        ),
        (
            vec![insn(BPF_LD | BPF_IND | BPF_DW, 0, 0, 0, 0)],
            "no such instruction",
        ),
        (
            vec![insn(BPF_LD | BPF_IND | BPF_W, 0, 11, 0, 0)],
            "source is no register",
        ),
        (
            vec![insn(BPF_LDX | BPF_MEM | BPF_W, 0, 1, 0, 1)],
            "load's immediate",
        ),
        (
            vec![insn(BPF_LDX | BPF_MEM | BPF_W, 10, 1, 0, 0)],
            "r10 is read-only",
        ),
        (
            vec![insn(BPF_LDX | BPF_MEM | BPF_W, 0, 11, 0, 0)],
            "source is no register",
        ),
        (
            vec![insn(BPF_LDX | BPF_MEMSX | BPF_DW, 0, 1, 0, 0)],
            "no such instruction",
        ),
        (
            vec![insn(BPF_LDX | BPF_ATOMIC | BPF_DW, 0, 1, 0, 0)],
            "no such instruction",
        ),
        (
            vec![insn(BPF_LDX | BPF_IMM | BPF_DW, 0, 1, 0, 0)],
            "no such instruction",
        ),
        (
            vec![insn(BPF_ST | BPF_MEM | BPF_W, 1, 1, 0, 0)],
            "source of a store",
        ),
        (
            vec![insn(BPF_ST | BPF_ATOMIC | BPF_W, 1, 0, 0, 0)],
            "no such instruction",
        ),
        (
            vec![insn(BPF_STX | BPF_MEM | BPF_W, 1, 2, 0, 1)],
            "store's immediate",
        ),
        (
            vec![insn(BPF_STX | BPF_MEM | BPF_W, 1, 11, 0, 0)],
            "source is no register",
        ),
        (
            vec![insn(BPF_STX | BPF_MEMSX | BPF_W, 1, 2, 0, 0)],
            "no such instruction",
        ),
        (
            vec![with(xadd, |i| i.code = BPF_STX | BPF_ATOMIC | BPF_H)],
            "no such instruction",
        ),
        (
            vec![with(xadd, |i| i.code = BPF_STX | BPF_ATOMIC | BPF_B)],
            "no such instruction",
        ),
        (vec![with(xadd, |i| i.imm = 0x10)], "no such instruction"),
        (vec![with(xadd, |i| i.imm = 0xe0)], "no such instruction"),
        (vec![with(xadd, |i| i.imm = 0xf0)], "no such instruction"),
        (vec![with(xadd, |i| i.imm = 0x200)], "no such instruction"),
        (
            vec![with(xadd, |i| (i.imm, i.src) = (BPF_FETCH, 10))],
            "r10 is read-only",
        ),
        (
            vec![with(xadd, |i| (i.imm, i.dst) = (BPF_LOAD_ACQ, 10))],
            "r10 is read-only",
        ),
        (
            vec![insn(BPF_JMP | BPF_JA, 0, 0, 1, 0)],
            "which the program does not have",
        ),
        (
            vec![insn(BPF_JMP | BPF_JA, 0, 0, -2, 0)],
            "which the program does not have",
        ),
        (
            vec![insn(BPF_JMP | BPF_JEQ, 0, 0, 100, 0)],
            "which the program does not have",
        ),
        (
            vec![insn(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, 100)],
            "which the program does not have",
        ),
        (
            vec![insn(BPF_JMP | BPF_JA, 0, 0, 1, 0), low, high],
            "into the middle",
        ),
    ];
    for (mut insns, rule) in cases {
        let broken = insns.clone();
        insns.push(EXIT);
        match Bare::new(&insns, &[]) {
            Ok(_) => panic!("{broken:?} was taken: {rule}"),
            Err(invalid) => {
                assert!(
                    invalid.to_string().contains(rule),
                    "{broken:?}: {invalid}, not {rule}"
                );
            }
        }
    }
}

#[test]
fn programs_must_end() {
    let set = insn(BPF_ALU64 | BPF_MOV, 0, 0, 0, 0);
    for (insns, rule) in [
        (&[][..], "at least one instruction"),
        (&[set][..], "past its end"),
        (&load(0, 1)[..], "past its end"),
        (&load(0, 1)[..1], "second slot of a 64-bit load is missing"),
        (&[insn(BPF_JMP | BPF_JEQ, 0, 0, -1, 0)], "past its end"),
    ] {
        let invalid = Bare::new(insns, &[]).map(|_| ()).unwrap_err();
        assert!(invalid.to_string().contains(rule), "{insns:?}: {invalid}");
    }
    let mut endless = Bare::new(&[insn(BPF_JMP | BPF_JA, 0, 0, -1, 0), EXIT], &[]).unwrap();
    endless.set_limit(1000);
    let stopped = stop(&mut endless);
    assert!(
        stopped.to_string().contains("did not end within 1000"),
        "{stopped}"
    );
}
