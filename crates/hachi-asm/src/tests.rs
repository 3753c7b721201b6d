//! Every operation against its encoding and the text that the verifier of Linux 6.18 prints for
//! it, taken from its log.

use crate::build::*;
use crate::consts::*;
use crate::{
    AluOp, AtomicOp, CallTarget, DecodeError, Endian, Imm64, Insn, JumpOp, Op, Operand, Size,
    disasm, helpers,
};

fn one(insn: Insn) -> String {
    disasm::line(&[insn], 0, &()).0
}

#[test]
fn arithmetic_prints_as_in_the_kernel() {
    use AluOp::*;
    let signs = [
        (Add, "+="),
        (Sub, "-="),
        (Mul, "*="),
        (Div, "/="),
        (Sdiv, "s/="),
        (Or, "|="),
        (And, "&="),
        (Lsh, "<<="),
        (Rsh, ">>="),
        (Mod, "%="),
        (Smod, "s%="),
        (Xor, "^="),
        (Mov, "="),
        (Arsh, "s>>="),
    ];
    for (op, sign) in signs {
        assert_eq!(one(alu(op, 1, Operand::Reg(2))), format!("r1 {sign} r2"));
        assert_eq!(one(alu(op, 1, Operand::Imm(-3))), format!("r1 {sign} -3"));
        assert_eq!(one(alu32(op, 1, Operand::Reg(2))), format!("w1 {sign} w2"));
    }
    assert_eq!(one(alu(MovSx(8), 1, Operand::Reg(2))), "r1 = (s8)r2");
    assert_eq!(one(alu32(MovSx(16), 3, Operand::Reg(4))), "w3 = (s16)w4");
    assert_eq!(one(alu(MovSx(32), 1, Operand::Reg(1))), "r1 = (s32)r1");
    assert_eq!(one(neg(4)), "r4 = -r4");
    assert_eq!(one(neg32(3)), "w3 = -w3");
    assert_eq!(one(to_endian(Endian::Big, 32, 2)), "r2 = be32 r2");
    assert_eq!(one(to_endian(Endian::Little, 16, 2)), "r2 = le16 r2");
    assert_eq!(one(bswap(64, 1)), "r1 = bswap64 r1");
    assert_eq!(
        one(addr_space_cast(1, 2, 0, 1)),
        "r1 = addr_space_cast(r2, 0, 1)"
    );
}

#[test]
fn memory_prints_as_in_the_kernel() {
    assert_eq!(one(load(Size::B, 0, 1, 0)), "r0 = *(u8 *)(r1 +0)");
    assert_eq!(one(load(Size::Dw, 0, 10, -8)), "r0 = *(u64 *)(r10 -8)");
    assert_eq!(one(load_signed(Size::H, 2, 2, 4)), "r2 = *(s16 *)(r2 +4)");
    assert_eq!(one(store(Size::W, 10, -4, 6)), "*(u32 *)(r10 -4) = r6");
    assert_eq!(one(store_imm(Size::H, 1, 2, -1)), "*(u16 *)(r1 +2) = -1");
    assert_eq!(one(ld_abs(Size::H, 12)), "r0 = *(u16 *)skb[12]");
    assert_eq!(one(ld_ind(Size::B, 7, 3)), "r0 = *(u8 *)skb[r7 + 3]");
    assert_eq!(
        one(load_acquire(Size::W, 1, 2, 8)),
        "r1 = load_acquire((u32 *)(r2 +8))"
    );
    assert_eq!(
        one(store_release(Size::B, 1, 0, 2)),
        "store_release((u8 *)(r1 +0), r2)"
    );
    let a = |op, size| one(atomic(op, size, 1, 0, 2));
    let fetch = |op, size| one(atomic_fetch(op, size, 1, 0, 2));
    assert_eq!(a(AtomicOp::Add, Size::W), "lock *(u32 *)(r1 +0) += r2");
    assert_eq!(
        fetch(AtomicOp::And, Size::W),
        "r2 = atomic_fetch_and((u32 *)(r1 +0), r2)"
    );
    assert_eq!(
        fetch(AtomicOp::Xor, Size::Dw),
        "r2 = atomic64_fetch_xor((u64 *)(r1 +0), r2)"
    );
    assert_eq!(
        fetch(AtomicOp::Xchg, Size::Dw),
        "r2 = atomic64_xchg((u64 *)(r1 +0), r2)"
    );
    assert_eq!(
        fetch(AtomicOp::Cmpxchg, Size::W),
        "r0 = atomic_cmpxchg((u32 *)(r1 +0), r0, r2)"
    );
}

#[test]
fn jumps_print_as_in_the_kernel() {
    use JumpOp::*;
    let signs = [
        (Eq, "=="),
        (Gt, ">"),
        (Ge, ">="),
        (Set, "&"),
        (Ne, "!="),
        (Sgt, "s>"),
        (Sge, "s>="),
        (Lt, "<"),
        (Le, "<="),
        (Slt, "s<"),
        (Sle, "s<="),
    ];
    for (op, sign) in signs {
        assert_eq!(
            one(jump(op, 1, Operand::Reg(2), 3)),
            format!("if r1 {sign} r2 goto pc+3")
        );
        assert_eq!(
            one(jump32(op, 1, Operand::Imm(-1), -2)),
            format!("if w1 {sign} 0xffffffff goto pc-2")
        );
    }
    assert_eq!(one(ja(-5)), "goto pc-5");
    assert_eq!(one(ja_long(70000)), "gotol pc+70000");
    assert_eq!(one(jx(3)), "gotox r3");
    assert_eq!(one(may_goto(2)), "may_goto pc+2");
    assert_eq!(one(call_helper(1)), "call bpf_map_lookup_elem#1");
    assert_eq!(one(call_helper(9999)), "call unknown#9999");
    assert_eq!(one(call_local(4)), "call pc+4");
    assert_eq!(one(call_kfunc(77, 0)), "call kernel-function#77");
    assert_eq!(one(exit()), "exit");
}

#[test]
fn wide_constants_take_two_slots() {
    let kinds = [
        (
            Imm64::Value(0x1234_5678_9abc_def0),
            "r1 = 0x123456789abcdef0",
        ),
        (Imm64::MapFd(3), "r1 = map[fd:3]"),
        (Imm64::MapValue { fd: 3, offset: 8 }, "r1 = map[fd:3][0]+8"),
        (
            Imm64::BtfId {
                id: 5,
                module_fd: 0,
            },
            "r1 = btf[id:5]",
        ),
        (Imm64::Func(12), "r1 = subprog[+12]"),
        (Imm64::MapIdx(1), "r1 = map[idx:1]"),
        (
            Imm64::MapIdxValue {
                index: 1,
                offset: 4,
            },
            "r1 = map[idx:1][0]+4",
        ),
    ];
    for (imm, text) in kinds {
        let insns = ld_imm64(1, imm);
        assert_eq!(disasm::line(&insns, 0, &()), (text.to_owned(), 2));
        assert_eq!(Op::decode(&insns, 0), Ok(Op::LdImm64 { dst: 1, imm }));
    }
    let [first, _] = ld_imm64(1, Imm64::Value(1));
    assert_eq!(Op::decode(&[first], 0), Err(DecodeError::HalfImm64));
    assert_eq!(Op::decode(&[first, exit()], 0), Err(DecodeError::HalfImm64));
}

/// All first bytes, a few of everything else: nothing panics, and what decodes was not ambiguous.
#[test]
fn every_opcode_decodes_or_fails_cleanly() {
    let mut known = 0;
    for code in 0..=255 {
        for src in 0..16 {
            for off in [-1, 0, 1, 8, 16, 32, i16::MIN] {
                for imm in [
                    0,
                    1,
                    16,
                    32,
                    64,
                    i32::MIN,
                    -1,
                    BPF_XCHG,
                    BPF_CMPXCHG,
                    BPF_LOAD_ACQ,
                ] {
                    let insn = Insn {
                        code,
                        dst: 1,
                        src,
                        off,
                        imm,
                    };
                    let insns = [insn, Insn::default()];
                    match Op::decode(&insns, 0) {
                        Ok(_) => known += 1,
                        Err(DecodeError::Unknown { code: at, .. }) => assert_eq!(at, code),
                        Err(other) => panic!("{insn:?}: {other}"),
                    }
                    assert!(!one(insn).is_empty());
                    for endian in [Endian::Little, Endian::Big] {
                        assert_eq!(Insn::decode(insn.encode(endian), endian), insn);
                    }
                }
            }
        }
    }
    assert!(known > 10_000, "{known}");
}

#[test]
fn jump_targets_are_found() {
    assert_eq!(ja(-5).jump_offset(), Some(-5));
    assert_eq!(ja_long(70000).jump_offset(), Some(70000));
    assert_eq!(may_goto(3).jump_offset(), Some(3));
    assert_eq!(
        jump32(JumpOp::Eq, 1, Operand::Imm(0), 7).jump_offset(),
        Some(7)
    );
    for other in [
        jx(1),
        exit(),
        call_local(3),
        mov(1, 2),
        store(Size::B, 1, 5, 2),
    ] {
        assert_eq!(other.jump_offset(), None);
    }
    assert_eq!(
        Op::decode(&[call_kfunc(3, 1)], 0),
        Ok(Op::Call(CallTarget::Kfunc { id: 3, module: 1 }))
    );
}

#[test]
fn helpers_are_numbered_as_in_the_kernel() {
    assert_eq!(helpers::all().len(), 212);
    assert_eq!(helpers::by_id(0), None);
    assert_eq!(helpers::by_id(212), None);
    let output = helpers::by_id(130).expect("130");
    assert_eq!(output.name, "bpf_ringbuf_output");
    assert_eq!(output.first_kernel, (5, 8));
    assert!(!output.gpl_only);
    assert_eq!(helpers::by_name("bpf_loop").map(|h| h.id), Some(181));
    assert_eq!(helpers::by_name("loop").map(|h| h.id), Some(181));
    assert_eq!(helpers::by_name("unspec"), None);
    assert!(helpers::by_name("trace_printk").is_some_and(|h| h.gpl_only));
    let versions: Vec<_> = helpers::all().iter().map(|h| h.first_kernel).collect();
    assert!(versions.is_sorted(), "numbers are given out in order");
}

#[test]
fn names_replace_numbers() {
    struct Mine;
    impl disasm::Names for Mine {
        fn imm64(&self, at: usize) -> Option<String> {
            (at == 0).then(|| "map[BLOCKLIST]".into())
        }
        fn call(&self, at: usize) -> Option<String> {
            (at == 2).then(|| "pc+7 <classify>".into())
        }
    }
    let [a, b] = ld_imm64(1, Imm64::MapFd(0));
    let lines: Vec<_> = disasm::lines(&[a, b, call_local(7), call_helper(5)], &Mine).collect();
    assert_eq!(
        lines,
        [
            (0, "r1 = map[BLOCKLIST]".to_owned()),
            (2, "call pc+7 <classify>".to_owned()),
            (3, "call bpf_ktime_get_ns#5".to_owned()),
        ]
    );
}
