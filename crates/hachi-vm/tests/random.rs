//! Whatever the program, it ends, and a second run of it is the same: compiled, if there is a
//! compiler.

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

fn random_calls(random: &mut Random) -> Vec<Insn> {
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
        call(random, &mut insns);
    }
    insns.push(EXIT);
    insns
}

fn spec(program_type: ProgramType, insns: Vec<Insn>) -> Spec {
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
        .push(ProgramSpec::new("random", program_type, code));
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
    // Compiling takes longer than running.
    let programs = if cfg!(feature = "jit") {
        2_000
    } else {
        100_000
    };
    for _ in 0..programs {
        let len = random.next_u32() % 6 + 1;
        let mut insns: Vec<Insn> = (0..len).map(|_| insn(&mut random)).collect();
        insns.push(EXIT);
        let Ok(mut bare) = Bare::new(&insns, &[7; 64]) else {
            continue;
        };
        bare.set_limit(1000);
        let mut again = bare.clone();
        #[cfg(feature = "jit")]
        again.set_engine(hachi_vm::Engine::Jit);
        assert_eq!(bare.run(), again.run(), "{insns:?}");
        assert_eq!(bare.memory(), again.memory(), "{insns:?}");
        ran += 1;
    }
    assert!(ran > programs / 10, "only {ran} were valid");
}

#[test]
fn random_calls_of_helpers_end_in_the_same_way_twice() {
    let mut random = Random::new(2);
    let mut finished = 0;
    let programs = if cfg!(feature = "jit") { 600 } else { 10_000 };
    for _ in 0..programs {
        let insns = random_calls(&mut random);
        let mut config = Config::default();
        config.instructions = 10_000;
        config.memory = 1 << 20;
        let mut vm = Vm::new(&spec(ProgramType::Xdp, insns.clone()), &config).unwrap();
        #[cfg(feature = "jit")]
        {
            config.engine = hachi_vm::Engine::Jit;
        }
        let mut again = Vm::new(&spec(ProgramType::Xdp, insns.clone()), &config).unwrap();
        for _ in 0..2 {
            let input = Input::new(&[9; 64]);
            let result = vm.run("random", &input);
            assert_eq!(result, again.run("random", &input), "{insns:?}");
            finished += usize::from(result.is_ok());
        }
    }
    assert!(finished > programs / 100, "only {finished} ended well");
}

/// Tells what a packet is: of what length, and of which protocol.
fn frame(number: usize) -> Vec<u8> {
    let mut frame = vec![number as u8; 14 + 37 * number];
    frame[12..14].copy_from_slice(&[8, number as u8]);
    frame
}

#[test]
fn packets_in_a_row_are_as_runs_one_by_one() {
    let mut random = Random::new(3);
    let (mut finished, mut moved) = (0, 0);
    let types = [
        ProgramType::Xdp,
        ProgramType::SchedCls,
        ProgramType::SocketFilter,
    ];
    for turn in 0..3_000 {
        let program_type = types[turn % types.len()];
        let mut insns = random_calls(&mut random);
        if program_type != ProgramType::SocketFilter && turn % 2 == 0 {
            // Moves the packet, so that the next one needs other memory.
            let helper = match program_type {
                ProgramType::Xdp => hachi_asm::helpers::id::XDP_ADJUST_HEAD,
                _ => hachi_asm::helpers::id::SKB_CHANGE_TAIL,
            };
            let last = insns.len() - 1;
            let mut adjust = Vec::from([(1, 6, true), (2, 20, false), (3, 0, false)].map(
                |(dst, value, by_register)| Insn {
                    code: BPF_ALU64 | BPF_MOV | if by_register { BPF_X } else { BPF_K },
                    dst,
                    src: if by_register { value as u8 } else { 0 },
                    imm: if by_register { 0 } else { value },
                    ..Insn::default()
                },
            ));
            adjust.push(hachi_asm::build::call_helper(helper));
            insns.splice(last..last, adjust);
        }
        let mut config = Config::default();
        config.instructions = 10_000;
        config.memory = 1 << 20;
        let mut one_by_one = Vm::new(&spec(program_type, insns), &config).unwrap();
        let mut vm = one_by_one.clone();
        let mut packets = vm.packets("random").unwrap();
        for number in [1, 3, 0, 2] {
            let frame = frame(number);
            let expected = one_by_one.run("random", &Input::new(&frame));
            match (packets.run(&frame), expected) {
                (Ok(result), Ok(expected)) => {
                    assert_eq!(result, expected.result);
                    assert_eq!(packets.packet(), expected.bytes);
                    assert_eq!(packets.redirect(), expected.redirect.as_ref());
                    finished += 1;
                    moved += usize::from(expected.bytes.len() != frame.len());
                }
                (Err(stopped), Err(expected)) => assert_eq!(stopped.trap, expected.trap),
                (result, expected) => panic!("{result:?}, {expected:?}"),
            }
        }
        drop(packets);
        for map in ["hash", "array", "lpm_trie", "lru_percpu_hash"] {
            let keys = vm.keys(map).unwrap();
            assert_eq!(keys, one_by_one.keys(map).unwrap());
            for key in keys {
                let value = one_by_one.lookup(map, &key);
                assert_eq!(vm.lookup(map, &key).unwrap(), value.unwrap());
            }
        }
    }
    assert!(finished > 500, "only {finished} ended well");
    assert!(moved > 100, "only {moved} changed their packet's length");
}

#[test]
fn refuses_packets_for_programs_that_get_none() {
    let spec = spec(ProgramType::Kprobe, vec![EXIT]);
    let mut vm = Vm::new(&spec, &Config::default()).unwrap();
    assert_eq!(
        vm.packets("random").unwrap_err().to_string(),
        "program `random` is of type kprobe, which gets no packets"
    );
    assert_eq!(
        vm.packets("nobody").unwrap_err().to_string(),
        "there is no program `nobody`"
    );
}
