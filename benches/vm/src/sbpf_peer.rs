//! solana-sbpf: both engines translate and check each access, and count instructions.

use crate::{Kind, Runner};
use solana_sbpf::ebpf::{MM_INPUT_START, MM_STACK_START};
use solana_sbpf::elf::Executable;
use solana_sbpf::memory_region::{MemoryMapping, MemoryRegion};
use solana_sbpf::program::{BuiltinProgram, FunctionRegistry, SBPFVersion};
use solana_sbpf::verifier::RequisiteVerifier;
use solana_sbpf::vm::{CallFrame, Config, ContextObject, EbpfVm, ExecutionMode};
use std::ptr::NonNull;
use std::sync::Arc;

const LIMIT: u64 = 1 << 40;

struct Context {
    remaining: u64,
    mapping: MemoryMapping,
}

impl ContextObject for Context {
    fn consume(&mut self, amount: u64) {
        self.remaining = self.remaining.saturating_sub(amount);
    }

    fn get_remaining(&self) -> u64 {
        self.remaining
    }

    fn active_mapping_ptr(&mut self) -> NonNull<MemoryMapping> {
        NonNull::from_mut(&mut self.mapping)
    }
}

pub fn runners(program: &[u8], memory: &[u8]) -> Vec<Runner<'static>> {
    vec![
        Runner::new(
            "solana-sbpf, interpreter, checked",
            Kind::Interpreter,
            runner(program, memory, ExecutionMode::Interpreted),
        ),
        Runner::new(
            "solana-sbpf, compiled, checked",
            Kind::Checked,
            runner(program, memory, ExecutionMode::Jit),
        ),
    ]
}

fn runner(program: &[u8], memory: &[u8], mode: ExecutionMode) -> impl FnMut() -> u64 + 'static {
    let config = Config::default();
    let loader = Arc::new(BuiltinProgram::new_loader(config.clone()));
    let executable: Executable<Context> = Executable::from_text_bytes(
        program,
        loader.clone(),
        SBPFVersion::V0,
        FunctionRegistry::default(),
    )
    .expect("a program that solana-sbpf takes");
    executable
        .verify::<RequisiteVerifier>()
        .expect("solana-sbpf's verifier");
    executable.jit_compile().expect("solana-sbpf's compiler");
    // What the machine borrows lives as long as the process, which measures and ends.
    let memory: &'static mut [u8] = Box::leak(memory.into());
    let stack: &'static mut [u8] = Box::leak(vec![0; config.stack_size()].into());
    let stack_len = stack.len();
    let regions = vec![
        MemoryRegion::new_gapped(
            stack as *mut [u8],
            MM_STACK_START,
            config.stack_frame_size as u64,
        ),
        MemoryRegion::new(memory as *mut [u8], MM_INPUT_START),
    ];
    // SAFETY: both stay where they are until the process ends.
    let mapping = unsafe { MemoryMapping::new(regions, &config, SBPFVersion::V0) };
    let context: &'static mut Context = Box::leak(Box::new(Context {
        remaining: LIMIT,
        mapping: mapping.expect("regions that do not overlap"),
    }));
    let mut machine = EbpfVm::new(loader, SBPFVersion::V0, context, stack_len);
    machine.registers[1] = MM_INPUT_START;
    let registers = machine.registers;
    let mut frames = vec![CallFrame::default(); config.max_call_depth];
    move || {
        machine.registers = registers;
        machine.context().remaining = LIMIT;
        let mut mode = match mode {
            ExecutionMode::Interpreted => ExecutionMode::Interpreted,
            _ => ExecutionMode::Jit,
        };
        let (_, result) = machine.execute_program(&executable, &mut mode, &mut frames);
        Result::from(result).expect("solana-sbpf")
    }
}
