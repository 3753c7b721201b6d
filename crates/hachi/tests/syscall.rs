//! Programs that user space calls.

mod support;

use hachi::links::NoTarget;
use hachi::programs::{AttachOptions, Syscall, TestRunOptions};
use hachi_asm::{Size, build};
use hachi_test::{exercises, require_bpf};
use support::{
    load,
    network::observing,
    tracing::{CTX, VALUE, get, seen, watching},
};

#[test]
fn called_with_a_context_that_it_changes() {
    require_bpf!();
    let _row = exercises("syscall", "call");
    // Keeps the first word of the context, and puts another there.
    let exchange = [
        build::load(Size::Dw, VALUE, CTX, 0),
        build::mov_imm(1, 78),
        build::store(Size::Dw, CTX, 0, 1),
    ];
    let program = observing("called", "syscall", &exchange, 5);
    let mut ebpf = load(watching(vec![program]));
    attempt!(get(&mut ebpf, "called").load());
    let program: &mut Syscall = get(&mut ebpf, "called").try_into().unwrap();
    let mut context = 77u64.to_ne_bytes();
    assert_eq!(program.call(&mut context).unwrap(), 5);
    assert_eq!(u64::from_ne_bytes(context), 78);
    assert_eq!(seen(&ebpf), (1, 77));
    let all = ebpf.attach_all(&AttachOptions::new()).unwrap();
    assert_eq!(all.left_out[0].1, NoTarget::Called);
}

#[test]
fn called_without_a_context() {
    require_bpf!();
    let program = support::program(
        "bare",
        "syscall",
        vec![build::mov_imm(0, 7), build::exit()],
        &[],
    );
    let mut ebpf = load(support::spec(Vec::new(), vec![program]));
    attempt!(get(&mut ebpf, "bare").load());
    let program: &mut Syscall = get(&mut ebpf, "bare").try_into().unwrap();
    assert_eq!(program.call(&mut []).unwrap(), 7);
    let run = program.test_run(&TestRunOptions::new()).unwrap();
    assert_eq!(run.return_value, 7);
}
