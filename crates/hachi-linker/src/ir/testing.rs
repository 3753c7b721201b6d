//! Runs one step on a few lines of LLVM's language, for the unit tests of the steps.

use std::{
    path::Path,
    sync::{Mutex, OnceLock, PoisonError},
};

use crate::llvm::{Context, Module};

/// LLVM's handles belong to the thread that holds the lock.
struct Shared(Context);

// SAFETY: the context is used by one thread at a time, behind the lock.
unsafe impl Send for Shared {}

/// What `source` is after `step`, as text; LLVM must accept it.
pub(super) fn after(source: &str, step: impl FnOnce(Module)) -> String {
    static CONTEXT: OnceLock<Mutex<Shared>> = OnceLock::new();
    let context = CONTEXT.get_or_init(|| {
        let library = crate::find_libllvm(Path::new("rustc")).expect("rustc has an LLVM library");
        Mutex::new(Shared(
            Context::load(&library, &[]).expect("the library can be used"),
        ))
    });
    let context = context.lock().unwrap_or_else(PoisonError::into_inner);
    let layout = "target datalayout = \"e-m:e-p:64:64-i64:64-i128:128-n32:64-S128\"\n\
                  target triple = \"bpfel\"\n";
    let module = context
        .0
        .read_text(&format!("{layout}{source}"))
        .unwrap_or_else(|error| panic!("{error}"));
    step(module);
    let text = module.text();
    module
        .verify()
        .unwrap_or_else(|error| panic!("{error}\n{text}"));
    module.dispose();
    text
}

/// How many lines hold `part`.
pub(super) fn lines(text: &str, part: &str) -> usize {
    text.lines().filter(|line| line.contains(part)).count()
}
