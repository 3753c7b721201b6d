//! rbpf: its interpreter and its Cranelift compiler check accesses, its own compiler does not.

use crate::{Kind, Runner};

pub fn runners<'r>(program: &'r [u8], memory: &'r mut [u8]) -> Vec<Runner<'r>> {
    let pointer = memory.as_mut_ptr();
    let len = memory.len();
    // SAFETY: the programs only read their memory, and each run ends before the next begins.
    let memory = move || unsafe { std::slice::from_raw_parts_mut(pointer, len) };
    let machine = || rbpf::EbpfVmRaw::new(Some(program)).expect("a program that rbpf takes");
    let interpreted = machine();
    let mut own = machine();
    own.jit_compile().expect("rbpf's compiler");
    let mut cranelift = machine();
    cranelift.cranelift_compile().expect("rbpf's Cranelift");
    vec![
        Runner::new("rbpf, interpreter, checked", Kind::Interpreter, move || {
            interpreted.execute_program(memory()).expect("rbpf")
        }),
        Runner::new("rbpf, Cranelift, checked", Kind::Checked, move || {
            cranelift.execute_program_cranelift(memory()).expect("rbpf")
        }),
        Runner::new(
            "rbpf, own compiler, unchecked",
            Kind::Unchecked,
            move || {
                // SAFETY: the programs stay in the memory that they are given.
                unsafe { own.execute_program_jit(memory()) }.expect("rbpf")
            },
        ),
    ]
}
