//! A test for each fault: what the program did is said by kind, with the code of the diagnostic
//! that the verifier's finding has.

use std::time::{Duration, Instant};

use hachi_asm::build::{
    add_imm, call_helper, call_local, exit, jump, ld_imm64, load, mov, mov_imm, store, store_imm,
};
use hachi_asm::helpers::id;
use hachi_asm::{AluOp, Imm64, Insn, JumpOp, Operand, Size};
use hachi_obj::{Code, Endian, MapSpec, MapType, ProgramSpec, ProgramType, Spec};
use hachi_vm::machine::{Gone, Held, Kind, Reason, Trap};
use hachi_vm::{Config, Input, Stopped, Vm};

/// Runs a program, on a packet of 64 bytes, with these maps: map 0 is the first.
fn run_as(
    program_type: ProgramType,
    maps: &[MapSpec],
    insns: Vec<Insn>,
) -> Result<u32, Box<Stopped>> {
    let mut spec = Spec::new(Endian::Little);
    spec.maps.extend_from_slice(maps);
    let code = Code::new("main", insns);
    let program = ProgramSpec::new("main", program_type, code);
    spec.programs.push(program);
    let mut vm = Vm::new(&spec, &Config::default()).expect("a machine");
    match vm.run("main", &Input::new(&[0; 64])) {
        Ok(output) => Ok(output.result),
        Err(stopped) => Err(stopped),
    }
}

/// The fault of an XDP program.
fn fault(maps: &[MapSpec], insns: Vec<Insn>) -> Box<Stopped> {
    run_as(ProgramType::Xdp, maps, insns).expect_err("a fault")
}

/// That its diagnostic has this code, and says this.
#[track_caller]
fn says(stopped: &Stopped, code: &str, text: &str) {
    let shown = stopped.diagnostic().to_string();
    assert!(shown.contains(&format!("error[{code}]")), "{shown}");
    assert!(shown.contains(text), "{shown}");
}

#[track_caller]
fn reason(stopped: &Stopped) -> &Reason {
    match &stopped.trap {
        Trap::Access(fault) => &fault.reason,
        other => panic!("{other}"),
    }
}

fn array() -> MapSpec {
    MapSpec::new("VALUES", MapType::Array, 4, 8, 2)
}

fn ring() -> MapSpec {
    MapSpec::new("EVENTS", MapType::Ringbuf, 0, 0, 4096)
}

/// r0 is the value of key 0 in map 0; not checked for null.
fn lookup() -> Vec<Insn> {
    lookup_key(0)
}

fn lookup_key(key: i32) -> Vec<Insn> {
    let [first, second] = ld_imm64(1, Imm64::MapFd(0));
    vec![
        store_imm(Size::W, 10, -4, key),
        first,
        second,
        mov(2, 10),
        add_imm(2, -4),
        call_helper(id::MAP_LOOKUP_ELEM),
    ]
}

/// r0 is a record of 8 bytes of map 0, or the program ends.
fn reserve() -> Vec<Insn> {
    let [first, second] = ld_imm64(1, Imm64::MapFd(0));
    vec![
        first,
        second,
        mov_imm(2, 8),
        mov_imm(3, 0),
        call_helper(id::RINGBUF_RESERVE),
        jump(JumpOp::Eq, 0, Operand::Imm(0), 1),
        jump(JumpOp::Eq, 10, Operand::Reg(10), 1),
        exit(),
    ]
}

fn with(mut insns: Vec<Insn>, more: &[Insn]) -> Vec<Insn> {
    insns.extend_from_slice(more);
    insns
}

#[test]
fn a_packet_is_read_past_its_end() {
    let stopped = fault(
        &[],
        vec![load(Size::W, 2, 1, 0), load(Size::B, 0, 2, 64), exit()],
    );
    assert!(
        matches!(
            reason(&stopped),
            Reason::Outside {
                kind: Kind::Packet,
                offset: 64,
                len: 64
            }
        ),
        "{stopped}"
    );
    assert_eq!(stopped.insn, 1);
    says(&stopped, "packet-bounds", "offset 64 of the packet");
    says(&stopped, "packet-bounds", "data_end");
}

#[test]
fn a_value_is_written_past_its_end() {
    let insns = with(lookup(), &[store_imm(Size::W, 0, 8, 1), exit()]);
    let stopped = fault(&[array()], insns);
    says(
        &stopped,
        "map-value-bounds",
        "offset 8 of a value of map `VALUES`",
    );
}

#[test]
fn the_stack_is_written_below_its_end() {
    let insns = vec![store_imm(Size::B, 10, -513, 1), mov_imm(0, 0), exit()];
    let stopped = fault(&[], insns);
    says(
        &stopped,
        "stack-bounds",
        "offset -1 of the stack, which has 512 bytes",
    );
}

#[test]
fn a_stack_byte_is_read_that_nobody_wrote() {
    let insns = vec![
        store_imm(Size::W, 10, -8, 1),
        load(Size::Dw, 0, 10, -8),
        exit(),
    ];
    let stopped = fault(&[], insns);
    assert_eq!(reason(&stopped), &Reason::Uninitialised { offset: -4 });
    says(&stopped, "stack-uninitialised", "fp-4");
}

#[test]
fn a_lookup_is_not_checked_for_null() {
    let insns = with(lookup_key(7), &[load(Size::B, 0, 0, 0), exit()]);
    let stopped = fault(&[array()], insns);
    says(&stopped, "null-check-missing", "a null pointer");
}

#[test]
fn a_record_is_used_after_it_was_submitted() {
    let after = [
        mov(6, 0),
        mov(1, 0),
        mov_imm(2, 0),
        call_helper(id::RINGBUF_SUBMIT),
        store_imm(Size::B, 6, 0, 1),
        mov_imm(0, 0),
        exit(),
    ];
    let stopped = fault(&[ring()], with(reserve(), &after));
    assert!(
        matches!(
            reason(&stopped),
            Reason::Gone {
                why: Gone::Submitted,
                ..
            }
        ),
        "{stopped}"
    );
    says(&stopped, "reference-misused", "it was submitted");
}

#[test]
fn a_record_is_neither_submitted_nor_discarded() {
    let stopped = fault(&[ring()], with(reserve(), &[mov_imm(0, 0), exit()]));
    assert!(
        matches!(&stopped.trap, Trap::Leak(Held::Record { map, .. }) if map == "EVENTS"),
        "{stopped}"
    );
    says(&stopped, "reference-leak", "ring buffer `EVENTS`");
}

#[test]
fn a_lock_is_not_released() {
    let insns = with(
        lookup(),
        &[mov(1, 0), call_helper(id::SPIN_LOCK), mov_imm(0, 0), exit()],
    );
    says(&fault(&[array()], insns), "spin-lock", "did not release");
}

#[test]
fn a_helper_is_called_while_a_lock_is_held() {
    let insns = with(
        lookup(),
        &[
            mov(1, 0),
            call_helper(id::SPIN_LOCK),
            call_helper(id::KTIME_GET_NS),
            exit(),
        ],
    );
    let stopped = fault(&[array()], insns);
    assert!(matches!(&stopped.trap, Trap::Locked { .. }), "{stopped}");
    says(&stopped, "spin-lock", "bpf_ktime_get_ns");
}

#[test]
fn a_helper_sleeps_where_the_program_may_not() {
    let insns = vec![
        mov(1, 10),
        add_imm(1, -8),
        mov_imm(2, 8),
        mov_imm(3, 0x1000),
        call_helper(id::COPY_FROM_USER),
        mov_imm(0, 0),
        exit(),
    ];
    let stopped = run_as(ProgramType::Kprobe, &[], insns.clone()).expect_err("a fault");
    assert!(matches!(&stopped.trap, Trap::Sleeps { .. }), "{stopped}");
    says(&stopped, "call-may-sleep", "bpf_copy_from_user");
    // One that may sleep goes on; there is no such memory.
    assert_eq!(run_as(ProgramType::Syscall, &[], insns), Ok(0));
}

#[test]
fn a_helper_is_for_other_types_of_programs() {
    let insns = vec![call_helper(id::SKB_PULL_DATA), exit()];
    let stopped = fault(&[], insns);
    assert!(matches!(&stopped.trap, Trap::WrongType { .. }), "{stopped}");
    says(&stopped, "helper-not-for-this-type", "bpf_skb_pull_data");
}

#[test]
fn a_helper_that_is_not_there_is_named_and_can_be_supplied() {
    let insns = vec![call_helper(id::GET_BRANCH_SNAPSHOT), exit()];
    let mut spec = Spec::new(Endian::Little);
    let code = Code::new("main", insns);
    spec.programs
        .push(ProgramSpec::new("main", ProgramType::Kprobe, code));
    let mut vm = Vm::new(&spec, &Config::default()).expect("a machine");
    let stopped = vm.run("main", &Input::new(&[0; 168])).expect_err("missing");
    says(&stopped, "helper-unknown", "bpf_get_branch_snapshot");
    says(&stopped, "helper-unknown", "World::supply_helper");
    let world = vm.world_mut();
    world.supply_helper(id::GET_BRANCH_SNAPSHOT, |_, _| Ok(24));
    let output = vm.run("main", &Input::new(&[0; 168])).expect("a run");
    assert_eq!(output.result, 24);
}

#[test]
fn a_read_only_field_is_written() {
    let stopped = fault(
        &[],
        vec![store_imm(Size::W, 1, 12, 1), mov_imm(0, 0), exit()],
    );
    says(&stopped, "context-field", "offset 12 of the context");
}

#[test]
fn functions_call_each_other_too_deep() {
    let mut insns = vec![call_local(1), exit()];
    for _ in 0..8 {
        insns.extend([call_local(1), exit()]);
    }
    insns.extend([mov_imm(0, 0), exit()]);
    let stopped = fault(&[], insns);
    says(&stopped, "call-depth", "8 functions");
}

#[test]
fn a_loop_does_not_end() {
    let insns = vec![
        hachi_asm::build::alu(AluOp::Add, 0, Operand::Imm(1)),
        hachi_asm::build::ja(-2),
    ];
    says(&fault(&[], insns), "infinite-loop", "did not end");
}

/// Time runs out before the instructions do: in a loop, in functions that call each other, and in a
/// helper that calls back.
#[test]
fn an_endless_program_stops_when_its_time_is_over() {
    let endless = vec![
        hachi_asm::build::alu(AluOp::Add, 0, Operand::Imm(1)),
        hachi_asm::build::ja(-2),
    ];
    let called = vec![
        call_local(1),
        hachi_asm::build::ja(-2),
        mov_imm(0, 0),
        exit(),
    ];
    let mut engines = vec![hachi_vm::Engine::Interpreter];
    #[cfg(feature = "jit")]
    engines.push(hachi_vm::Engine::Jit);
    for engine in engines {
        for insns in [endless.clone(), called.clone()] {
            let mut spec = Spec::new(Endian::Little);
            let code = Code::new("main", insns);
            spec.programs
                .push(ProgramSpec::new("main", ProgramType::Xdp, code));
            let mut config = Config::default();
            config.instructions = u64::MAX;
            config.time = Some(Duration::from_millis(50));
            config.engine = engine;
            let mut vm = Vm::new(&spec, &config).expect("a machine");
            let start = Instant::now();
            let stopped = vm.run("main", &Input::new(&[0; 64])).expect_err("it ends");
            assert!(start.elapsed() >= Duration::from_millis(50));
            assert!(start.elapsed() < Duration::from_secs(20), "{engine:?}");
            says(&stopped, "infinite-loop", "did not end within 50ms");
            // What ends in time is the same with the limit as without.
            let mut short = Spec::new(Endian::Little);
            let code = Code::new("main", counted_loop(3_000_000));
            short
                .programs
                .push(ProgramSpec::new("main", ProgramType::Xdp, code));
            config.time = Some(Duration::from_secs(60));
            let mut vm = Vm::new(&short, &config).expect("a machine");
            let output = vm.run("main", &Input::new(&[0; 64])).expect("it ends");
            assert_eq!((output.result, output.instructions), (3_000_000, 6_000_002));
            config.time = None;
            let mut vm = Vm::new(&short, &config).expect("a machine");
            let again = vm.run("main", &Input::new(&[0; 64])).expect("it ends");
            assert_eq!(again.instructions, output.instructions);
        }
    }
}

/// Counts in r0, two instructions a turn.
fn counted_loop(turns: i32) -> Vec<Insn> {
    vec![
        mov_imm(0, 0),
        hachi_asm::build::alu(AluOp::Add, 0, Operand::Imm(1)),
        jump(JumpOp::Ne, 0, Operand::Imm(turns), -2),
        exit(),
    ]
}

#[test]
fn a_number_is_used_as_a_pointer() {
    let insns = vec![
        mov_imm(2, 0x7fff_0000),
        store(Size::B, 2, 0, 2),
        mov_imm(0, 0),
        exit(),
    ];
    says(&fault(&[], insns), "number-as-pointer", "0x7fff0000");
}
