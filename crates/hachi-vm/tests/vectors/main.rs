//! A vector for every instruction and for every rule of the encoding. What is expected is computed
//! here, from the definitions of RFC 9669, in wider arithmetic than the machine's.

mod rules;

use hachi_asm::Insn;
use hachi_asm::consts::*;
use hachi_vm::{Bare, Stopped};

fn insn(code: u8, dst: u8, src: u8, off: i16, imm: i32) -> Insn {
    Insn {
        code,
        dst,
        src,
        off,
        imm,
    }
}

const EXIT: Insn = Insn {
    code: BPF_JMP | BPF_EXIT,
    dst: 0,
    src: 0,
    off: 0,
    imm: 0,
};

/// Loads 64 bits.
fn load(dst: u8, value: u64) -> [Insn; 2] {
    [
        insn(BPF_LD | BPF_IMM | BPF_DW, dst, 0, 0, value as i32),
        insn(0, 0, 0, 0, (value >> 32) as i32),
    ]
}

#[track_caller]
fn run(insns: &[Insn], memory: &[u8]) -> (u64, Vec<u8>) {
    run_and_compile(insns, memory, true)
}

#[track_caller]
fn run_and_compile(insns: &[Insn], memory: &[u8], compile: bool) -> (u64, Vec<u8>) {
    let mut bare = Bare::new(insns, memory).unwrap_or_else(|error| panic!("{insns:?}: {error}"));
    let compiled = if compile { compiled(&bare) } else { None };
    let result = bare
        .run()
        .unwrap_or_else(|stopped| panic!("{insns:?}: {stopped}"));
    if let Some(compiled) = compiled {
        assert_eq!(compiled, (Ok(result), bare.memory()), "{insns:?}, compiled");
    }
    (result, bare.memory())
}

/// A result and the memory.
type Seen = (Result<u64, Box<Stopped>>, Vec<u8>);

/// What a copy gives when it is compiled: the result and the memory. None without a compiler.
#[cfg(feature = "jit")]
fn compiled(bare: &Bare) -> Option<Seen> {
    let mut compiled = bare.clone();
    compiled.set_engine(hachi_vm::Engine::Jit);
    let result = compiled.run();
    Some((result, compiled.memory()))
}

#[cfg(not(feature = "jit"))]
fn compiled(_: &Bare) -> Option<Seen> {
    None
}

/// Why a program stops, which must be the same when it is compiled.
#[track_caller]
fn stop(bare: &mut Bare) -> Box<Stopped> {
    let compiled = compiled(bare);
    let stopped = bare.run().unwrap_err();
    if let Some(compiled) = compiled {
        assert_eq!(compiled, (Err(stopped.clone()), bare.memory()), "compiled");
    }
    stopped
}

/// Numbers at which something changes.
const NUMBERS: [u64; 16] = [
    0,
    1,
    2,
    3,
    7,
    31,
    33,
    0x7f,
    0x80,
    0x8000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0001,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_ffff,
];

/// A number of `bits` bits as a signed one.
fn signed(value: u64, bits: u32) -> i128 {
    let value = i128::from(value) & ((1 << bits) - 1);
    match value >> (bits - 1) {
        0 => value,
        _ => value - (1 << bits),
    }
}

/// RFC 9669, 4.1: what an operation gives, on numbers of `bits` bits.
fn arithmetic(op: u8, off: i16, bits: u32, a: u64, b: u64) -> u64 {
    let mask: i128 = (1 << bits) - 1;
    let (wide_a, wide_b) = (i128::from(a) & mask, i128::from(b) & mask);
    let (signed_a, signed_b) = (signed(a, bits), signed(b, bits));
    let shift = wide_b & i128::from(bits - 1);
    let result = match (op, off) {
        (BPF_ADD, 0) => wide_a + wide_b,
        (BPF_SUB, 0) => wide_a - wide_b,
        // The product of two numbers of 64 bits has 128: the sign would be in the way.
        (BPF_MUL, 0) => (wide_a as u128).wrapping_mul(wide_b as u128) as i128,
        (BPF_DIV | BPF_MOD, _) if wide_b == 0 => match op {
            BPF_DIV => 0,
            _ => wide_a,
        },
        (BPF_DIV, 0) => wide_a / wide_b,
        (BPF_MOD, 0) => wide_a % wide_b,
        (BPF_DIV, 1) => signed_a / signed_b,
        (BPF_MOD, 1) => signed_a % signed_b,
        (BPF_OR, 0) => wide_a | wide_b,
        (BPF_AND, 0) => wide_a & wide_b,
        (BPF_XOR, 0) => wide_a ^ wide_b,
        (BPF_LSH, 0) => ((wide_a as u128) << shift) as i128,
        (BPF_RSH, 0) => wide_a >> shift,
        (BPF_ARSH, 0) => signed_a >> shift,
        (BPF_MOV, 0) => wide_b,
        (BPF_MOV, from) => signed(b, from as u32),
        other => panic!("{other:?} is not an operation"),
    };
    (result & mask) as u64
}

/// Compiling takes long: of programs that differ in numbers only, one in this many is. It has no
/// divisor in common with how many numbers there are, so each operation gets all of them in turn.
const COMPILED: usize = 17;

#[test]
fn arithmetic_matches_the_definitions() {
    let operations = [
        (BPF_ADD, 0),
        (BPF_SUB, 0),
        (BPF_MUL, 0),
        (BPF_DIV, 0),
        (BPF_DIV, 1),
        (BPF_OR, 0),
        (BPF_AND, 0),
        (BPF_LSH, 0),
        (BPF_RSH, 0),
        (BPF_MOD, 0),
        (BPF_MOD, 1),
        (BPF_XOR, 0),
        (BPF_MOV, 0),
        (BPF_MOV, 8),
        (BPF_MOV, 16),
        (BPF_MOV, 32),
        (BPF_ARSH, 0),
    ];
    let mut count = 0;
    for (op, off) in operations {
        for (class, bits) in [(BPF_ALU64, 64), (BPF_ALU, 32)] {
            if (op, off, bits) == (BPF_MOV, 32, 32) {
                continue;
            }
            for a in NUMBERS {
                for b in NUMBERS {
                    let [a0, a1] = load(0, a);
                    let [b0, b1] = load(1, b);
                    count += 1;
                    let compile = count % COMPILED == 0;
                    let by_register = insn(class | op | BPF_X, 0, 1, off, 0);
                    let insns = [a0, a1, b0, b1, by_register, EXIT];
                    let (result, _) = run_and_compile(&insns, &[], compile);
                    let expected = arithmetic(op, off, bits, a, b);
                    assert_eq!(result, expected, "{op:#x} {off} {bits}: {a:#x}, {b:#x}");
                    if op == BPF_MOV && off != 0 {
                        continue;
                    }
                    // An immediate is extended by its sign.
                    let imm = b as i32;
                    let by_imm = insn(class | op, 0, 0, off, imm);
                    let (result, _) = run_and_compile(&[a0, a1, by_imm, EXIT], &[], compile);
                    let expected = arithmetic(op, off, bits, a, i64::from(imm) as u64);
                    assert_eq!(
                        result, expected,
                        "{op:#x} {off} {bits}: {a:#x}, imm {imm:#x}"
                    );
                }
            }
        }
    }
}

#[test]
fn negation_is_subtraction_from_zero() {
    for (class, bits) in [(BPF_ALU64, 64_u32), (BPF_ALU, 32)] {
        for a in NUMBERS {
            let [a0, a1] = load(0, a);
            let (result, _) = run(&[a0, a1, insn(class | BPF_NEG, 0, 0, 0, 0), EXIT], &[]);
            let expected = (-i128::from(a) & ((1 << bits) - 1)) as u64;
            assert_eq!(result, expected, "{a:#x}, {bits} bits");
        }
    }
}

#[test]
fn byte_swaps_reverse_the_bytes_they_keep() {
    for a in NUMBERS.into_iter().chain([0x0102_0304_0506_0708]) {
        for bits in [16, 32, 64] {
            let kept = &a.to_le_bytes()[..bits as usize / 8];
            let number = |bytes: &mut dyn Iterator<Item = &u8>| {
                bytes.fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
            };
            // The first byte in memory is the least for `le`, the greatest for `be`.
            let same = number(&mut kept.iter().rev());
            let swapped = number(&mut kept.iter());
            let cases = [
                (BPF_ALU | BPF_END | BPF_TO_LE, same),
                (BPF_ALU | BPF_END | BPF_TO_BE, swapped),
                (BPF_ALU64 | BPF_END, swapped),
            ];
            for (code, expected) in cases {
                let [a0, a1] = load(0, a);
                let (result, _) = run(&[a0, a1, insn(code, 0, 0, 0, bits), EXIT], &[]);
                assert_eq!(result, expected, "{code:#x} {bits}: {a:#x}");
            }
        }
    }
}

/// RFC 9669, 4.3: whether a jump is taken.
fn is_taken(op: u8, bits: u32, a: u64, b: u64) -> bool {
    let mask: i128 = (1 << bits) - 1;
    let (wide_a, wide_b) = (i128::from(a) & mask, i128::from(b) & mask);
    let (signed_a, signed_b) = (signed(a, bits), signed(b, bits));
    match op {
        BPF_JEQ => wide_a == wide_b,
        BPF_JGT => wide_a > wide_b,
        BPF_JGE => wide_a >= wide_b,
        BPF_JSET => wide_a & wide_b != 0,
        BPF_JNE => wide_a != wide_b,
        BPF_JSGT => signed_a > signed_b,
        BPF_JSGE => signed_a >= signed_b,
        BPF_JLT => wide_a < wide_b,
        BPF_JLE => wide_a <= wide_b,
        BPF_JSLT => signed_a < signed_b,
        BPF_JSLE => signed_a <= signed_b,
        other => panic!("{other:#x} is not a condition"),
    }
}

#[test]
fn jumps_are_taken_when_the_definitions_say() {
    let conditions = [
        BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET, BPF_JNE, BPF_JSGT, BPF_JSGE, BPF_JLT, BPF_JLE,
        BPF_JSLT, BPF_JSLE,
    ];
    let mut count = 0;
    for op in conditions {
        for (class, bits) in [(BPF_JMP, 64), (BPF_JMP32, 32)] {
            for a in NUMBERS {
                for b in NUMBERS {
                    count += 1;
                    let compile = count % COMPILED == 0;
                    let program = |jump: Insn| {
                        let ([a0, a1], [b0, b1]) = (load(1, a), load(2, b));
                        let zero = insn(BPF_ALU64 | BPF_MOV, 0, 0, 0, 0);
                        let one = insn(BPF_ALU64 | BPF_MOV, 0, 0, 0, 1);
                        [a0, a1, b0, b1, zero, jump, EXIT, one, EXIT]
                    };
                    let (result, _) = {
                        let insns = program(insn(class | op | BPF_X, 1, 2, 1, 0));
                        run_and_compile(&insns, &[], compile)
                    };
                    let expected = is_taken(op, bits, a, b);
                    assert_eq!(result, expected.into(), "{op:#x} {bits}: {a:#x}, {b:#x}");
                    let imm = b as i32;
                    let insns = program(insn(class | op, 1, 0, 1, imm));
                    let (result, _) = run_and_compile(&insns, &[], compile);
                    let expected = is_taken(op, bits, a, i64::from(imm) as u64);
                    assert_eq!(
                        result,
                        expected.into(),
                        "{op:#x} {bits}: {a:#x}, imm {imm:#x}"
                    );
                }
            }
        }
    }
}

#[test]
fn unconditional_jumps_skip_and_go_back() {
    let set = |value| insn(BPF_ALU64 | BPF_MOV, 0, 0, 0, value);
    let short = |off| insn(BPF_JMP | BPF_JA, 0, 0, off, 0);
    let long = |imm| insn(BPF_JMP32 | BPF_JA, 0, 0, 0, imm);
    for jump in [short as fn(i16) -> Insn, |off| {
        insn(BPF_JMP32 | BPF_JA, 0, 0, 0, off.into())
    }] {
        // 0: r0 = 1, 1: +2, 2: r0 = 2, 3: exit, 4: -3
        let program = [set(1), jump(2), set(2), EXIT, jump(-3)];
        assert_eq!(run(&program, &[]).0, 2);
    }
    assert_eq!(run(&[set(7), long(1), set(8), EXIT], &[]).0, 7);
}

/// Bytes that are all different, and have the sign bit set in some.
const MEMORY: [u8; 16] = [
    0x81, 0x02, 0xf3, 0x04, 0x85, 0x06, 0xf7, 0x08, 0x89, 0x0a, 0xfb, 0x0c, 0x8d, 0x0e, 0xff, 0x10,
];

const SIZES: [(u8, usize); 4] = [(BPF_B, 1), (BPF_H, 2), (BPF_W, 4), (BPF_DW, 8)];

/// The little-endian number at an offset.
fn number(memory: &[u8], at: usize, len: usize) -> u64 {
    let bytes = memory[at..at + len].iter().rev();
    bytes.fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[test]
fn loads_read_stored_values() {
    for (size, len) in SIZES {
        for at in 0..=MEMORY.len() - len {
            let plain = insn(BPF_LDX | BPF_MEM | size, 0, 1, at as i16, 0);
            let (result, _) = run(&[plain, EXIT], &MEMORY);
            assert_eq!(result, number(&MEMORY, at, len), "{len} at {at}");
            if size != BPF_DW {
                let extended = insn(BPF_LDX | BPF_MEMSX | size, 0, 1, at as i16, 0);
                let (result, _) = run(&[extended, EXIT], &MEMORY);
                let expected = signed(number(&MEMORY, at, len), len as u32 * 8);
                assert_eq!(result, expected as u64, "{len} at {at}, signed");
            }
        }
    }
}

#[test]
fn stores_change_nothing_else() {
    let value = 0x1122_3344_5566_7788;
    for (size, len) in SIZES {
        for at in 0..=MEMORY.len() - len {
            let mut expected = MEMORY;
            expected[at..at + len].copy_from_slice(&u64::to_le_bytes(value)[..len]);
            let [v0, v1] = load(2, value);
            let by_register = insn(BPF_STX | BPF_MEM | size, 1, 2, at as i16, 0);
            let zero = insn(BPF_ALU64 | BPF_MOV, 0, 0, 0, 0);
            let (_, memory) = run(&[v0, v1, by_register, zero, EXIT], &MEMORY);
            assert_eq!(memory, expected, "{len} at {at}");
            // An immediate is extended by its sign.
            let by_imm = insn(BPF_ST | BPF_MEM | size, 1, 0, at as i16, -2);
            let (_, memory) = run(&[by_imm, zero, EXIT], &MEMORY);
            let mut expected = MEMORY;
            expected[at..at + len].copy_from_slice(&(-2_i64).to_le_bytes()[..len]);
            assert_eq!(memory, expected, "{len} at {at}, immediate");
        }
    }
}

#[test]
fn atomic_operations_change_memory_and_give_the_old_value_back() {
    for (size, len) in [(BPF_W, 4), (BPF_DW, 8)] {
        let bits = len as u32 * 8;
        let mask = u64::MAX >> (64 - bits);
        for operand in NUMBERS {
            let old = number(&MEMORY, 8, len);
            let simple = [
                (
                    i32::from(BPF_ADD),
                    arithmetic(BPF_ADD, 0, bits, old, operand),
                ),
                (i32::from(BPF_OR), old | operand & mask),
                (i32::from(BPF_AND), old & operand),
                (i32::from(BPF_XOR), old ^ operand & mask),
            ];
            let fetching = simple.map(|(imm, new)| (imm | BPF_FETCH, new));
            let exchange = [(BPF_XCHG, operand & mask)];
            for (imm, new) in simple.into_iter().chain(fetching).chain(exchange) {
                let [v0, v1] = load(2, operand);
                let atomic = insn(BPF_STX | BPF_ATOMIC | size, 1, 2, 8, imm);
                let result = insn(BPF_ALU64 | BPF_MOV | BPF_X, 0, 2, 0, 0);
                let (result, memory) = run(&[v0, v1, atomic, result, EXIT], &MEMORY);
                assert_eq!(number(&memory, 8, len), new, "{imm:#x} {len}: {operand:#x}");
                assert_eq!(memory[..8], MEMORY[..8]);
                assert_eq!(memory[8 + len..], MEMORY[8 + len..]);
                let expected = if imm & BPF_FETCH != 0 { old } else { operand };
                assert_eq!(result, expected, "{imm:#x} {len}: {operand:#x}");
            }
        }
        let old = number(&MEMORY, 8, len);
        // Equal, and different; for 32 bits the upper half of r0 does not count.
        for (compared, matches) in [(old, true), (old ^ 1, false), (old | 1 << 40, len == 4)] {
            if len == 8 && compared == old | 1 << 40 && old & 1 << 40 != 0 {
                continue;
            }
            let ([c0, c1], [v0, v1]) = (load(0, compared), load(2, 0x55));
            let atomic = insn(BPF_STX | BPF_ATOMIC | size, 1, 2, 8, BPF_CMPXCHG);
            let (result, memory) = run(&[c0, c1, v0, v1, atomic, EXIT], &MEMORY);
            assert_eq!(result, old, "r0 has the old value");
            let expected = if matches { 0x55 } else { old };
            assert_eq!(number(&memory, 8, len), expected, "{compared:#x} {len}");
        }
    }
}

#[test]
fn acquire_and_release_load_and_store() {
    for (size, len) in SIZES {
        let acquire = insn(BPF_STX | BPF_ATOMIC | size, 0, 1, 8, BPF_LOAD_ACQ);
        assert_eq!(run(&[acquire, EXIT], &MEMORY).0, number(&MEMORY, 8, len));
        let value = 0x1122_3344_5566_7788;
        let [v0, v1] = load(0, value);
        let release = insn(BPF_STX | BPF_ATOMIC | size, 1, 0, 8, BPF_STORE_REL);
        let (_, memory) = run(&[v0, v1, release, EXIT], &MEMORY);
        let mut expected = MEMORY;
        expected[8..8 + len].copy_from_slice(&u64::to_le_bytes(value)[..len]);
        assert_eq!(memory, expected);
    }
}

#[test]
fn packet_loads_read_network_byte_order_and_end_the_program_beyond_the_end() {
    for (size, len) in [(BPF_B, 1_usize), (BPF_H, 2), (BPF_W, 4)] {
        let big = |at: usize| {
            let bytes = MEMORY[at..at + len].iter();
            bytes.fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
        };
        let absolute = insn(BPF_LD | BPF_ABS | size, 0, 0, 0, 3);
        assert_eq!(run(&[absolute, EXIT], &MEMORY).0, big(3));
        let two = insn(BPF_ALU64 | BPF_MOV, 3, 0, 0, 2);
        let indirect = insn(BPF_LD | BPF_IND | size, 0, 3, 0, 3);
        assert_eq!(run(&[two, indirect, EXIT], &MEMORY).0, big(5));
        let beyond = insn(BPF_LD | BPF_ABS | size, 0, 0, 0, 17 - len as i32);
        let one = insn(BPF_ALU64 | BPF_MOV, 0, 0, 0, 1);
        assert_eq!(run(&[one, beyond, one, EXIT], &MEMORY).0, 0);
    }
}

#[test]
fn functions_have_frames_of_their_own_and_keep_r6_to_r9() {
    let set = |dst, value| insn(BPF_ALU64 | BPF_MOV, dst, 0, 0, value);
    let add = |dst, src| insn(BPF_ALU64 | BPF_ADD | BPF_X, dst, src, 0, 0);
    let program = [
        set(1, 5),
        set(6, 100),
        insn(BPF_ST | BPF_MEM | BPF_DW, 10, 0, -8, 1000),
        insn(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, 4),
        add(0, 6),
        insn(BPF_LDX | BPF_MEM | BPF_DW, 1, 10, -8, 0),
        add(0, 1),
        EXIT,
        // The function: r0 = r1 + 1, everything else overwritten.
        insn(BPF_ST | BPF_MEM | BPF_DW, 10, 0, -8, 7),
        set(6, 0),
        set(0, 1),
        add(0, 1),
        EXIT,
    ];
    assert_eq!(run(&program, &[]).0, 1106);
}

#[test]
fn eight_functions_may_call_each_other_and_nine_may_not() {
    // Function N calls itself while r1 is not 0.
    let program = |depth| {
        vec![
            insn(BPF_ALU64 | BPF_MOV, 1, 0, 0, depth),
            insn(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, 1),
            EXIT,
            insn(BPF_ALU64 | BPF_MOV, 0, 0, 0, 3),
            insn(BPF_ALU64 | BPF_SUB, 1, 0, 0, 1),
            insn(BPF_JMP | BPF_JEQ, 1, 0, 1, 0),
            insn(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, -4),
            EXIT,
        ]
    };
    assert_eq!(run(&program(7), &[]).0, 3);
    let stopped = stop(&mut Bare::new(&program(8), &[]).unwrap());
    assert!(
        stopped.to_string().contains("more than 8 functions"),
        "{stopped}"
    );
}

#[test]
fn may_goto_ends_a_loop_that_would_not_end() {
    let program = [
        insn(BPF_ALU64 | BPF_MOV, 0, 0, 0, 0),
        insn(BPF_JMP | BPF_JCOND, 0, BPF_MAY_GOTO, 2, 0),
        insn(BPF_ALU64 | BPF_ADD, 0, 0, 0, 1),
        insn(BPF_JMP | BPF_JA, 0, 0, -3, 0),
        EXIT,
    ];
    assert_eq!(run(&program, &[]).0, 8 << 20);
}

#[test]
fn accesses_outside_of_an_object_are_refused() {
    let set = insn(BPF_ALU64 | BPF_MOV, 0, 0, 0, 0);
    let at = |src, off| insn(BPF_LDX | BPF_MEM | BPF_DW, 0, src, off, 0);
    let to = |dst, off| insn(BPF_ST | BPF_MEM | BPF_DW, dst, 0, off, 1);
    for (access, words) in [
        (
            at(1, 9),
            "read of 8 bytes at offset 9 of the input memory, which has 16 bytes",
        ),
        (
            at(1, -1),
            "read of 8 bytes at offset -1 of the input memory",
        ),
        (
            to(1, 16),
            "write of 8 bytes at offset 16 of the input memory",
        ),
        (at(0, 0), "through a null pointer"),
        (
            at(10, -8),
            "of the stack at fp-8, which nobody wrote before",
        ),
        (to(10, 0), "write of 8 bytes at offset 512 of the stack"),
        (to(10, -520), "write of 8 bytes at offset -8 of the stack"),
        (at(2, 0), "through a null pointer"),
        (
            insn(BPF_STX | BPF_ATOMIC | BPF_DW, 1, 2, 4, 0),
            "not aligned for an atomic access",
        ),
    ] {
        let mut bare = Bare::new(&[set, access, EXIT], &MEMORY).unwrap();
        let stopped = stop(&mut bare).to_string();
        assert!(stopped.contains(words), "{access:?}: {stopped}");
        assert_eq!(bare.memory(), MEMORY);
    }
    // A pointer that wraps around does not come out elsewhere.
    let [v0, v1] = load(2, 1 << 40);
    let far = insn(BPF_ALU64 | BPF_ADD | BPF_X, 1, 2, 0, 0);
    for pointer in [at(1, 0), to(1, 0)] {
        let insns = [set, v0, v1, far, pointer, EXIT];
        stop(&mut Bare::new(&insns, &MEMORY).unwrap());
    }
}
