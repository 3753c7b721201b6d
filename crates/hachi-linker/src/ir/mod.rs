//! From bitcode to LLVM's relocatable object: the order of steps.
//!
//! | step | module |
//! |---|---|
//! | read and join the modules | [`inputs`] |
//! | choose what stays visible, make everything else inlinable | [`prepare`] |
//! | replace panics by markers, later the markers by returns | [`aborts`] |
//! | mark what LLVM must not take apart | [`arrays`], [`empties`], [`decided`], [`pins`] |
//! | drop checks of sums that cannot overflow | [`growth`] |
//! | LLVM's own optimisation | here |
//! | count loops in a way that the verifier follows | [`loops`], [`differences`] |
//! | put what the verifier cannot know into code | [`hints`], [`truths`], [`selects`] |
//! | give helpers whole registers | [`arguments`] |
//! | replace operations that eBPF lacks | [`lower`], with the code in `runtime.ll` |
//! | make one way through a loop of many | [`filled`], [`extremes`] |
//! | compute differences in a form that has bounds | [`saturating`], [`halves`] |
//! | keep sums inside the objects that they are offsets into | [`clamps`] |
//! | keep what helpers touch inside the objects that it is in | [`buffers`] |
//! | compare numbers instead of their upper parts | [`parts`] |
//! | forget where loops ended | [`ends`] |
//! | refuse what cannot work | [`scan`] |
//! | compare both bounds of a number with it | [`ranges`] |
//! | keep small offsets into the stack sums | [`offsets`] |
//! | keep long sums beside their parts | [`sums`] |
//! | settle what is undefined or unaligned | [`settle`] |
//! | name the user's source lines, and remember the libraries' | [`lines`] |
//! | generate code, explain what LLVM has against it | [`emit`] |

mod aborts;
mod arguments;
mod arrays;
mod buffers;
mod calls;
mod clamps;
mod counters;
mod decided;
mod differences;
mod emit;
mod empties;
mod ends;
mod extremes;
mod filled;
mod flow;
mod growth;
mod halves;
mod hints;
mod inputs;
mod lines;
mod loops;
mod lower;
mod offsets;
mod padding;
mod parts;
mod pins;
mod prepare;
mod ranges;
mod relaxed;
mod runtime;
mod saturating;
mod scan;
mod selects;
mod settle;
mod sums;
#[cfg(test)]
mod testing;
mod truths;

use std::{collections::BTreeSet, path::PathBuf};

use crate::{
    Code, Cpu, Diagnostic, Panics, Target,
    llvm::{Context, Machine, Module},
    wire::{Compiled, Outcome},
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
    let context = Context::load(&job.llvm, &job.llvm_args)?;
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
    let mut aborts = aborts::Aborts::mark(module);
    save(&job, module, "2-prepared.ll");

    optimise(module, machine, &job)?;
    save(&job, module, "3-optimised.ll");
    aborts.find_panics(module, job.panics);
    let mut diagnostics = if job.retarget {
        scan::host_assembly(module)
    } else {
        Vec::new()
    };
    let padding = padding::zero(module);
    loops::count_by_index(module);
    differences::of_offsets(module);
    hints::add(module);
    arguments::widen(module);

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
    relaxed::order_used(module);
    // The loops of the runtime that copy and fill, too.
    loops::count_by_index(module);
    differences::of_offsets(module);
    filled::forget(module);
    saturating::bound(module);
    halves::add_up(module);
    extremes::compute(module);
    clamps::add(module);
    buffers::bound(module);
    truths::compute(module);
    parts::compare_whole(module);
    selects::join(module);
    ends::copy(module);
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

    ranges::unfold(module);
    save(&job, module, "4b-unfolded.ll");
    scan::forget_pointers(module);
    offsets::hide(module);
    sums::take_back(module);
    settle::settle(module);
    save(&job, module, "4c-settled.ll");
    let lines = lines::number(module);
    let renames = prepare::avoid_section_names(module);
    let object = emit::emit(context, module, machine, &job, &renames, &lines)?;
    Ok(Compiled {
        object,
        entries: entries.into_iter().collect(),
        renames,
        lines,
        abort_sites: aborts.lowered(),
        warnings: aborts.warnings().into_iter().chain(padding).collect(),
    })
}

/// LLVM's own optimisation, of code that nobody has optimised before.
///
/// What Rust's checks prove must reach the verifier in the form in which it can prove it too: the
/// value that is compared is the value that is used. LLVM does not know that, so what it may not
/// take apart is marked before it starts.
fn optimise(module: Module, machine: Machine, job: &Job) -> Result<(), Vec<Diagnostic>> {
    let run = |passes: &str| {
        module
            .run_passes(machine, passes)
            .map_err(|m| internal("optimise the program", m))
    };
    let round = || {
        run(&format!("default<O{}>", job.opt_level))?;
        decided::replace(module);
        decided::answer_null_checks(module);
        match empties::replace(module) {
            true => run("function(instcombine<no-verify-fixpoint>,simplifycfg)"),
            false => Ok(()),
        }
    };
    arrays::copy_as_memory(module);
    // Nothing here may rewrite a comparison.
    run("function(sroa),always-inline,globaldce,function(sroa,instsimplify)")?;
    empties::replace(module);
    growth::drop_checks(module);
    let pinned = pins::pin(module);
    save(job, module, "2b-pinned.ll");
    round()?;
    if pinned {
        // What unrolling made constant is to be seen as such, and all that follows from it.
        pins::drop_constant(module);
        pins::drop_passthroughs(module);
        save(job, module, "2c-once.ll");
        round()?;
    }
    run("function(expand-memcmp),globaldce")
}

/// Keeps an intermediate state when asked to. Failing to is no reason to fail the link.
fn save(job: &Job, module: Module, name: &str) {
    if let Some(dir) = &job.save_temps {
        let path = dir.join(name);
        if let Err(error) = std::fs::write(&path, module.text()) {
            eprintln!("warning: cannot write `{}`: {error}", path.display());
        }
    }
}
