//! From bitcode to LLVM's relocatable object: the order of steps.
//!
//! | step | module |
//! |---|---|
//! | read and join the modules | [`inputs`] |
//! | choose what stays visible, make everything else inlinable | [`prepare`] |
//! | replace panics by markers, later the markers by returns | [`aborts`] |
//! | LLVM's own optimisation | here |
//! | count loops in a way that the verifier follows | [`loops`] |
//! | put what the verifier cannot know into code | [`hints`], [`truths`], [`selects`] |
//! | replace operations that eBPF lacks | [`lower`], with the code in `runtime.ll` |
//! | refuse what cannot work | [`scan`] |
//! | settle what is undefined or unaligned | [`settle`] |
//! | name the user's source lines rather than the libraries' | [`lines`] |
//! | generate code, explain what LLVM has against it | [`emit`] |

mod aborts;
mod calls;
mod emit;
mod hints;
mod inputs;
mod lines;
mod loops;
mod lower;
mod prepare;
mod runtime;
mod scan;
mod selects;
mod settle;
mod truths;

use std::{collections::BTreeSet, path::PathBuf};

use crate::{
    Code, Cpu, Diagnostic, Panics, Target,
    llvm::{Context, Machine, Module},
    wire::{Compiled, Failure, Outcome},
};

/// What is to be compiled. All of it is read before the child process starts.
pub(crate) struct Job {
    pub(crate) llvm: PathBuf,
    /// (name, bitcode)
    pub(crate) modules: Vec<(String, Vec<u8>)>,
    /// Libraries: (name, bitcode) of each member.
    pub(crate) archives: Vec<Vec<(String, Vec<u8>)>>,
    /// Symbols to keep visible; `None` when nobody said.
    pub(crate) exports: Option<BTreeSet<String>>,
    /// Symbols that ELF inputs define.
    pub(crate) defined_elsewhere: BTreeSet<String>,
    /// Symbols that ELF inputs want from us.
    pub(crate) used_elsewhere: BTreeSet<String>,
    /// The byte order asked for; that of the code when absent.
    pub(crate) target: Option<Target>,
    pub(crate) cpu: Cpu,
    pub(crate) opt_level: u8,
    pub(crate) retarget: bool,
    pub(crate) panics: Panics,
    pub(crate) llvm_args: Vec<String>,
    pub(crate) save_temps: Option<PathBuf>,
}

/// Prefix of all symbols that ask the finisher for something; see `docs/core-symbols.md`.
const QUESTION_PREFIX: &str = "hachi:";

/// An error of LLVM or of this crate rather than of the user.
fn internal(step: &str, message: impl Into<String>) -> Vec<Diagnostic> {
    vec![
        Diagnostic::error(Code::LLVM_FAILED, format!("LLVM failed to {step}"))
            .note(message.into())
            .help("please report this; `--save-temps DIR` keeps the code LLVM was given"),
    ]
}

/// Compiles the job. To be run in a process of its own.
pub(crate) fn compile(job: Job) -> Outcome {
    let context = Context::load(&job.llvm, &job.llvm_args).map_err(Failure::Unusable)?;
    let module = inputs::read(context, &job)?;
    save(&job, module, "1-input.ll");

    let triple = prepare::triple(module, &job)?;
    let machine = Machine::new(&triple, job.cpu).map_err(|message| {
        vec![
            Diagnostic::error(
                Code::LLVM_WITHOUT_BPF,
                format!("this LLVM cannot generate eBPF code: {message}"),
            )
            .help("use a compiler whose LLVM has the eBPF target, as rustup's and Debian's have"),
        ]
    })?;
    if job.retarget {
        prepare::retarget(module, machine).map_err(|m| internal("retarget host code", m))?;
    }
    let entries = prepare::entries(module, &job)?;
    // Of an unoptimised library most is never called.
    module
        .run_passes(machine, "globaldce")
        .map_err(|m| internal("drop dead code", m))?;
    prepare::attributes(module, &entries);
    runtime::forget_own_definitions(module);
    let untouched = (job.panics != Panics::Allow).then(|| module.copy());
    let mut aborts = aborts::Aborts::mark(module);
    save(&job, module, "2-prepared.ll");

    optimise(module, machine, &job)?;
    save(&job, module, "3-optimised.ll");
    if let Some(copy) = untouched {
        if aborts::remain(module) {
            aborts.find_panics(copy, job.panics, |copy| optimise(copy, machine, &job))?;
        }
        copy.dispose();
    }
    let mut diagnostics = if job.retarget {
        scan::host_assembly(module)
    } else {
        Vec::new()
    };
    loops::count_by_index(module);
    hints::add(module);

    runtime::link(module).map_err(|m| internal("add the runtime", m))?;
    diagnostics.extend(lower::lower(module, job.cpu));
    runtime::seal(module);
    aborts.lower(module, &entries);
    // Nothing after this may be as clever as InstCombine: it would put the operations together
    // again.
    module
        .run_passes(
            machine,
            "always-inline,globaldce,function(sroa,early-cse,simplifycfg,adce),globaldce",
        )
        .map_err(|m| internal("clean up the program", m))?;
    truths::compute(module);
    selects::join(module);
    if let Err(message) = module.verify() {
        save(&job, module, "3-broken.ll");
        return Err(internal("accept the lowered program", message).into());
    }
    diagnostics.extend(aborts.complaints());
    diagnostics.extend(scan::scan(module, &job));
    save(&job, module, "4-lowered.ll");
    if !diagnostics.is_empty() {
        return Err(diagnostics.into());
    }

    scan::forget_pointers(module);
    settle::settle(module);
    lines::prefer_the_users(module);
    let renames = prepare::avoid_section_names(module);
    let object = emit::emit(context, module, machine, &job, &renames)?;
    Ok(Compiled {
        object,
        entries: entries.into_iter().collect(),
        renames,
        abort_sites: aborts.lowered(),
        warnings: aborts.warnings(),
    })
}

/// LLVM's own optimisation.
fn optimise(module: Module, machine: Machine, job: &Job) -> Result<(), Vec<Diagnostic>> {
    module
        .run_passes(machine, &format!("default<O{}>", job.opt_level))
        .and_then(|()| module.run_passes(machine, "function(expand-memcmp),globaldce"))
        .map_err(|m| internal("optimise the program", m))
}

/// Keeps an intermediate state when asked to. Failing to is no reason to fail the link.
fn save(job: &Job, module: Module, name: &str) {
    if let Some(dir) = &job.save_temps {
        let path = dir.join(name);
        if let Err(message) = module.print_to(&path) {
            eprintln!("warning: cannot write `{}`: {message}", path.display());
        }
    }
}
