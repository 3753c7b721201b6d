//! The two programs that bracket the one that is measured.

use std::sync::Arc;

use hachi_asm::build::{
    add_imm, alu, call_helper, exit, jump, ld_imm64, load, mov, mov_imm, store, store_imm,
};
use hachi_asm::{AluOp, Endian, Imm64, Insn, JumpOp, Operand, Size, helpers};
use hachi_obj::{
    Code, MapSpec, MapType, ProgramSpec, ProgramType, Relocation, RelocationKind, Spec,
};

/// `struct bpf_perf_event_value`: what was counted, and for how long the event was enabled and
/// running.
pub const READING: u32 = 24;

/// The events, those of a metric beside each other: metric × CPUs + CPU.
pub const EVENTS: &str = "events";
/// By metric, what was read at the entry.
const STARTS: &str = "starts";
/// By metric, the sum of what was counted between entry and exit.
pub const SUMS: &str = "sums";
/// The number of runs that were counted, in its only element.
pub const RUNS: &str = "runs";

/// The names of the two programs.
pub const ENTERED: &str = "entered";
pub const LEFT: &str = "left";

/// As many readings fit on the stack.
pub const MOST: u32 = 8;

/// Where the key of a lookup is, from the end of the stack.
const KEY: i16 = -4;

/// Where the reading of a metric is.
fn slot(metric: u32) -> i16 {
    -8 - (READING * (metric + 1)) as i16
}

/// Both programs and their maps, for this number of metrics and CPUs.
pub fn spec(metrics: u32, cpus: u32) -> Spec {
    let mut spec = Spec::new(Endian::NATIVE);
    // The helper that reads counters wants it.
    spec.license = "GPL".to_owned();
    let map = |name, kind, value, entries| MapSpec::new(name, kind, 4, value, entries);
    spec.maps = vec![
        map(EVENTS, MapType::PerfEventArray, 4, metrics * cpus),
        map(STARTS, MapType::PercpuArray, READING, metrics),
        map(SUMS, MapType::PercpuArray, READING, metrics),
        map(RUNS, MapType::PercpuArray, 8, 1),
    ];
    for (name, section, code) in [
        (ENTERED, "fentry/any", entered(metrics, cpus)),
        (LEFT, "fexit/any", left(metrics, cpus)),
    ] {
        let mut program = ProgramSpec::new(name, ProgramType::Tracing, code);
        // The section exists.
        let _ = program.set_kind(section);
        spec.programs.push(program);
    }
    spec
}

/// Instructions with what is to be filled in: maps, and jumps to the end.
#[derive(Default)]
struct Writer {
    insns: Vec<Insn>,
    relocations: Vec<Relocation>,
    to_end: Vec<usize>,
}

impl Writer {
    fn add(&mut self, insns: impl IntoIterator<Item = Insn>) {
        self.insns.extend(insns);
    }

    fn map(&mut self, register: u8, name: &str) {
        let kind = RelocationKind::Map {
            name: Arc::from(name),
        };
        self.relocations
            .push(Relocation::new(self.insns.len(), kind));
        self.add(ld_imm64(register, Imm64::MapFd(0)));
    }

    fn call(&mut self, helper: &str) {
        // Those that are called here are in the table.
        let id = helpers::by_name(helper).map_or(0, |helper| helper.id);
        self.add([call_helper(id)]);
    }

    /// Ends the program if a register is like that.
    fn end_if(&mut self, op: JumpOp, register: u8) {
        self.to_end.push(self.insns.len());
        self.add([jump(op, register, Operand::Imm(0), 0)]);
    }

    /// Puts the address of an element into r0.
    fn find(&mut self, map: &str, key: u32) {
        self.add([
            store_imm(Size::W, 10, KEY, key as i32),
            mov(2, 10),
            add_imm(2, KEY.into()),
        ]);
        self.map(1, map);
        self.call("bpf_map_lookup_elem");
        self.end_if(JumpOp::Eq, 0);
    }

    /// Reads all metrics onto the stack.
    fn read(&mut self, metrics: u32, cpus: u32) {
        self.call("bpf_get_smp_processor_id");
        self.add([mov(6, 0)]);
        for metric in 0..metrics {
            self.add([
                mov(2, 6),
                add_imm(2, (metric * cpus) as i32),
                mov(3, 10),
                add_imm(3, slot(metric).into()),
                mov_imm(4, READING as i32),
            ]);
            self.map(1, EVENTS);
            self.call("bpf_perf_event_read_value");
            self.end_if(JumpOp::Ne, 0);
        }
    }

    fn finish(mut self, name: &str) -> Code {
        let end = self.insns.len();
        for at in self.to_end {
            self.insns[at].off = (end - at - 1) as i16;
        }
        self.insns.extend([mov_imm(0, 0), exit()]);
        let mut code = Code::new(name, self.insns);
        code.relocations = self.relocations;
        code
    }
}

/// The words of a reading.
fn words() -> impl Iterator<Item = i16> {
    (0..READING as i16).step_by(8)
}

fn entered(metrics: u32, cpus: u32) -> Code {
    let mut out = Writer::default();
    out.read(metrics, cpus);
    for metric in 0..metrics {
        out.find(STARTS, metric);
        for word in words() {
            out.add([
                load(Size::Dw, 1, 10, slot(metric) + word),
                store(Size::Dw, 0, word, 1),
            ]);
        }
    }
    out.finish(ENTERED)
}

fn left(metrics: u32, cpus: u32) -> Code {
    const ENABLED: i16 = 8;
    let mut out = Writer::default();
    out.read(metrics, cpus);
    for metric in 0..metrics {
        out.find(STARTS, metric);
        out.add([mov(7, 0), load(Size::Dw, 1, 7, ENABLED)]);
        // It was entered before anyone looked.
        out.end_if(JumpOp::Eq, 1);
        out.find(SUMS, metric);
        for word in words() {
            out.add([
                load(Size::Dw, 1, 10, slot(metric) + word),
                load(Size::Dw, 2, 7, word),
                alu(AluOp::Sub, 1, Operand::Reg(2)),
                load(Size::Dw, 2, 0, word),
                alu(AluOp::Add, 1, Operand::Reg(2)),
                store(Size::Dw, 0, word, 1),
            ]);
        }
        out.add([store_imm(Size::Dw, 7, ENABLED, 0)]);
    }
    out.find(RUNS, 0);
    out.add([
        load(Size::Dw, 1, 0, 0),
        add_imm(1, 1),
        store(Size::Dw, 0, 0, 1),
    ]);
    out.finish(LEFT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_lead_to_the_end_and_readings_fit_the_stack() {
        let spec = spec(MOST, 3);
        assert!(slot(MOST - 1) >= -512);
        for program in &spec.programs {
            let code = program.code().unwrap();
            let end = code.insns.len() - 2;
            for (at, insn) in code.insns.iter().enumerate() {
                if let Some(offset) = insn.jump_offset() {
                    assert_eq!(at as i32 + 1 + offset, end as i32);
                }
            }
            let calls = code.insns.iter().filter(|insn| insn.is_helper_call());
            assert!(calls.clone().all(|insn| insn.imm > 0));
            assert!(calls.count() >= 2 * MOST as usize);
        }
    }
}
