use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use hachi_vm::{Counts, Coverage, Input, Moment, Observer, Output, Profile, Stopped, Vm};

/// Names the directory into which tests write what ran: `hachi test` sets it.
const DIRECTORY: &str = "HACHI_TEST_RECORD";

/// What ran in one virtual machine.
pub struct Record {
    directory: PathBuf,
    seen: Seen,
    /// How often each program ran, its instructions in all, and those of the longest run.
    costs: BTreeMap<String, (u64, u64, u64)>,
}

#[derive(Default)]
struct Seen {
    counts: Counts,
    profile: Profile,
}

impl Observer for Seen {
    fn step(&mut self, moment: &mut Moment<'_>) -> ControlFlow<()> {
        self.counts.step(moment)?;
        self.profile.step(moment)
    }
}

impl Record {
    /// A record, if one is wanted.
    pub fn wanted() -> Option<Record> {
        std::env::var_os(DIRECTORY).map(|directory| Record {
            directory: directory.into(),
            seen: Seen::default(),
            costs: BTreeMap::new(),
        })
    }

    /// Runs a program, and counts.
    pub fn run(
        &mut self,
        vm: &mut Vm,
        program: &str,
        input: &Input<'_>,
    ) -> Result<Output, Box<Stopped>> {
        let result = vm.run_observed(program, input, &mut self.seen);
        let instructions = match &result {
            Ok(output) => output.instructions,
            Err(stopped) => stopped.instructions,
        };
        let (runs, all, most) = self.costs.entry(program.to_owned()).or_default();
        *runs += 1;
        *all += instructions;
        *most = instructions.max(*most);
        result
    }

    /// Writes it down. A test does not fail for want of space.
    pub fn write(&self, vm: &Vm) {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}", std::process::id());
        let mut coverage = Coverage::default();
        coverage.add(vm, &self.seen.counts);
        let write = |kind: &str, text: &str| {
            let path = self.directory.join(format!("{name}.{kind}"));
            if let Err(error) = std::fs::write(&path, text) {
                eprintln!("writing {}: {error}", path.display());
            }
        };
        write("coverage", &coverage.to_text());
        write("profile", &self.seen.profile.folded());
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("?");
        let mut costs = String::new();
        for (program, (runs, all, most)) in &self.costs {
            let _ = writeln!(costs, "{runs} {all} {most} {program} {test}");
        }
        write("costs", &costs);
    }
}
