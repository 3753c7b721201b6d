//! The same program as XDP, in the kernel and in hachi-vm: each runs it again and again in one
//! call, as the kernel's test run does.

use crate::{line, programs, ratio, timing};
use hachi::obj::{Code, Endian, ProgramSpec, ProgramType, Spec};
use hachi::programs::{TestRunOptions, Xdp};
use hachi::{Ebpf, EbpfLoader};
use hachi_vm::{Config, Engine, Input, Vm};
use std::error::Error;

const NAME: &str = "measured";
/// Runs in one call.
const REPEAT: u32 = 5000;

pub struct Pair {
    kernel: Ebpf,
    vm: Vm,
    packet: Vec<u8>,
}

#[derive(Default)]
pub struct Times {
    kernel: Vec<f64>,
    checked: Vec<f64>,
    unchecked: Vec<f64>,
}

impl Pair {
    /// The program, loaded and compiled.
    ///
    /// # Errors
    /// Where this process may not load programs.
    pub fn new(program: &programs::Program, expected: u32) -> Result<Pair, Box<dyn Error>> {
        let spec = spec(program);
        let mut config = Config::default();
        config.engine = Engine::Jit;
        let vm = Vm::new(&spec, &config)?;
        let mut kernel = EbpfLoader::new().load_spec(spec)?;
        let xdp: &mut Xdp = kernel.program_mut(NAME)?.try_into()?;
        xdp.load()?;
        let mut pair = Pair {
            kernel,
            vm,
            packet: program.memory.clone(),
        };
        for (result, _) in [pair.checked(), pair.unchecked(), pair.in_kernel()] {
            assert_eq!(result, expected, "{} as XDP", program.name);
        }
        Ok(pair)
    }

    pub fn round(&mut self, times: &mut Times) {
        times.checked.push(self.checked().1);
        times.unchecked.push(self.unchecked().1);
        times.kernel.push(self.in_kernel().1);
    }

    /// What one run returned, and how long one took.
    fn checked(&mut self) -> (u32, f64) {
        let input = input(&self.packet);
        per_run(|| self.vm.run(NAME, &input).expect("a run").result)
    }

    fn unchecked(&mut self) -> (u32, f64) {
        let input = input(&self.packet);
        // SAFETY: `new` has loaded this very program into the kernel, whose verifier accepted it.
        per_run(|| {
            unsafe { self.vm.run_unchecked(NAME, &input) }
                .expect("a run")
                .result
        })
    }

    fn in_kernel(&mut self) -> (u32, f64) {
        let program = self.kernel.program_mut(NAME).expect("the program");
        let xdp: &mut Xdp = program.try_into().expect("an XDP program");
        let options = TestRunOptions::new().data(&self.packet).repeat(REPEAT);
        let run = xdp.test_run(&options).expect("a test run");
        // The kernel's own figure, without the system call around it: whole nanoseconds.
        (run.return_value, run.duration.as_nanos() as f64)
    }
}

impl Times {
    pub fn print(&self) {
        let kernel = timing::median(&self.kernel);
        let checked = timing::median(&self.checked);
        let unchecked = timing::median(&self.unchecked);
        line("the kernel, as XDP", kernel);
        line("hachi-vm, as XDP, compiled, checked", checked);
        line("hachi-vm, as XDP, compiled, unchecked", unchecked);
        ratio("checked compiler / the kernel's", checked / kernel, 2.0);
        ratio("unchecked compiler / the kernel's", unchecked / kernel, 1.2);
    }
}

fn input(packet: &[u8]) -> Input<'_> {
    let mut input = Input::new(packet);
    input.repeat = REPEAT;
    input
}

/// What `run` gives, and the nanoseconds of one of its repetitions.
fn per_run(run: impl FnOnce() -> u32) -> (u32, f64) {
    let mut result = 0;
    let nanoseconds = timing::per_one(REPEAT, || result = run());
    (result, nanoseconds)
}

fn spec(program: &programs::Program) -> Spec {
    let code = Code::new(NAME, programs::for_xdp(program));
    let mut xdp = ProgramSpec::new(NAME, ProgramType::Xdp, code);
    xdp.section = "xdp".to_owned();
    let mut spec = Spec::new(Endian::NATIVE);
    spec.name = "bench".to_owned();
    spec.license = "GPL".to_owned();
    spec.programs = vec![xdp];
    spec
}
