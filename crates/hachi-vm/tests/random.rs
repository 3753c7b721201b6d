//! Whatever the program, it ends, and a second run of it is the same.

use hachi_asm::consts::*;
use hachi_asm::{Endian, Insn};
use hachi_machine::Random;
use hachi_obj::flags::BPF_F_NO_PREALLOC;
use hachi_obj::{Code, MapSpec, MapType, ProgramSpec, ProgramType, Spec};
use hachi_vm::{Bare, Config, Input, Vm};

/// An instruction that is often valid.
fn insn(random: &mut Random) -> Insn {
    let mut below = |limit: u32| random.next_u32() % limit;
    let code = match below(4) {
        0 => below(256) as u8,
        1 => BPF_ALU64 | (below(14) as u8) << 4 | (below(2) as u8) << 3,
        2 => BPF_STX | BPF_MEM | (below(4) as u8) << 3,
        _ => BPF_LDX | BPF_MEM | (below(4) as u8) << 3,
    };
    let by_register = code & BPF_X != 0 || matches!(code & 7, BPF_LDX | BPF_STX);
    let numbers = [
        0,
        1,
        -1,
        8,
        16,
        32,
        64,
        i32::MAX,
        i32::MIN,
        0x100,
        0x110,
        0xe1,
        0xf1,
    ];
    let memory = matches!(code & 7, BPF_LDX | BPF_STX | BPF_ST);
    Insn {
        code,
        dst: below(11) as u8,
        src: if by_register { below(11) as u8 } else { 0 },
        off: match below(3) {
            0 => 0,
            1 if memory => -(below(520) as i16),
            _ => below(8) as i16,
        },
        imm: match (by_register, below(2)) {
            (true, _) => 0,
            (false, 0) => numbers[below(numbers.len() as u32) as usize],
            (false, _) => below(215) as i32,
        },
    }
}

/// The call of a helper, with arguments that are often what it takes: maps, the stack, numbers.
fn call(random: &mut Random, insns: &mut Vec<Insn>) {
    for register in 1..=5 {
        let imm = (random.next_u32() % 24) as i32;
        let number = Insn {
            code: BPF_ALU64 | BPF_MOV,
            dst: register,
            imm,
            ..Insn::default()
        };
        match random.next_u32() % 5 {
            0 => insns.extend([
                Insn {
                    code: BPF_LD | BPF_IMM | BPF_DW,
                    dst: register,
                    src: BPF_PSEUDO_MAP_FD,
                    off: 0,
                    imm: imm % 8,
                },
                Insn::default(),
            ]),
            1 => insns.extend([
                Insn {
                    code: BPF_ALU64 | BPF_MOV | BPF_X,
                    dst: register,
                    src: BPF_REG_FP,
                    ..Insn::default()
                },
                Insn {
                    code: BPF_ALU64 | BPF_ADD,
                    dst: register,
                    imm: -imm * 8,
                    ..Insn::default()
                },
            ]),
            2 => insns.push(Insn {
                code: BPF_ALU64 | BPF_MOV | BPF_X,
                dst: register,
                src: 6,
                ..Insn::default()
            }),
            _ => insns.push(number),
        }
    }
    insns.push(Insn {
        code: BPF_JMP | BPF_CALL,
        imm: (random.next_u32() % 213) as i32,
        ..Insn::default()
    });
}

fn spec(insns: Vec<Insn>) -> Spec {
    let mut spec = Spec::new(Endian::Little);
    for (kind, key, value, max) in [
        (MapType::Hash, 4, 8, 4),
        (MapType::Array, 4, 8, 4),
        (MapType::Ringbuf, 0, 0, 4096),
        (MapType::ProgArray, 4, 4, 4),
        (MapType::LpmTrie, 8, 4, 4),
        (MapType::Queue, 0, 4, 4),
        (MapType::LruPercpuHash, 4, 8, 2),
        (MapType::BloomFilter, 0, 4, 8),
    ] {
        let mut map = MapSpec::new(kind.name(), kind, key, value, max);
        if kind == MapType::LpmTrie {
            map.flags = BPF_F_NO_PREALLOC;
        }
        spec.maps.push(map);
    }
    let code = Code::new("random", insns);
    spec.programs
        .push(ProgramSpec::new("random", ProgramType::Xdp, code));
    spec
}

const EXIT: Insn = Insn {
    code: BPF_JMP | BPF_EXIT,
    dst: 0,
    src: 0,
    off: 0,
    imm: 0,
};

#[test]
fn random_instructions_end_in_the_same_way_twice() {
    let mut random = Random::new(1);
    let mut ran = 0;
    for _ in 0..100_000 {
        let len = random.next_u32() % 6 + 1;
        let mut insns: Vec<Insn> = (0..len).map(|_| insn(&mut random)).collect();
        insns.push(EXIT);
        let Ok(mut bare) = Bare::new(&insns, &[7; 64]) else {
            continue;
        };
        bare.set_limit(1000);
        let mut again = bare.clone();
        assert_eq!(bare.run(), again.run(), "{insns:?}");
        assert_eq!(bare.memory(), again.memory(), "{insns:?}");
        ran += 1;
    }
    assert!(ran > 10_000, "only {ran} were valid");
}

#[test]
fn random_calls_of_helpers_end_in_the_same_way_twice() {
    let mut random = Random::new(2);
    let mut finished = 0;
    for _ in 0..10_000 {
        let keep = Insn {
            code: BPF_ALU64 | BPF_MOV | BPF_X,
            dst: 6,
            src: 1,
            ..Insn::default()
        };
        let mut insns = vec![keep];
        // Something on the stack for them to read.
        for at in 1..=24 {
            insns.push(Insn {
                code: BPF_ST | BPF_MEM | BPF_DW,
                dst: BPF_REG_FP,
                src: 0,
                off: -8 * at,
                imm: i32::from(at % 3),
            });
        }
        for _ in 0..random.next_u32() % 3 + 1 {
            call(&mut random, &mut insns);
        }
        insns.push(EXIT);
        let mut config = Config::default();
        config.instructions = 10_000;
        config.memory = 1 << 20;
        let mut vm = Vm::new(&spec(insns.clone()), &config).unwrap();
        let mut again = vm.clone();
        for _ in 0..2 {
            let input = Input::new(&[9; 64]);
            let result = vm.run("random", &input);
            assert_eq!(result, again.run("random", &input), "{insns:?}");
            finished += usize::from(result.is_ok());
        }
    }
    assert!(finished > 100, "only {finished} ended well");
}
