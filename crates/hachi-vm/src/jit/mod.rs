//! The compiler: a program as the host's instructions, by Cranelift.
//!
//! Compiled code keeps the program's registers in the host's. It reaches memory through *windows*:
//! for each register, the bounds and the host's address of the memory that it last pointed to. An
//! access inside of the window is a comparison and a load; any other asks the [`runtime`], which
//! checks it as the interpreter does and gives the next window. So both engines refuse the same
//! accesses, and give the same results.

mod emit;
mod facts;
mod runtime;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use cranelift_codegen::settings::{self, Configurable as _};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{FuncId, Module as _};

use crate::program::Program;
use facts::Function;
use runtime::Entry;

/// The largest program that is compiled, in instructions; functions that share instructions count
/// them each.
const LARGEST: usize = 1 << 16;
/// The most that the frame of a compiled function takes of the host's stack, in bytes: calls are at
/// most 8 deep, and programs call others up to 33 times.
const FRAME: u32 = 16 << 10;

/// The compiled forms of a program, made when they are first asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Compiled {
    checked: OnceLock<Option<Arc<Code>>>,
    #[cfg(feature = "unchecked")]
    unchecked: OnceLock<Option<Arc<Code>>>,
}

/// How code is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    /// Whether accesses and budgets are checked where the kernel's verifier has proven them.
    pub(crate) checked: bool,
}

/// A function of a program: where it begins, and whether it is called from outside, with the
/// context.
type Key = (usize, bool);

/// Compiled code.
pub(crate) struct Code {
    /// In the order of their keys: a program has few, and each run asks for one.
    entries: Vec<(Key, Entry)>,
    /// The offsets of the fields of the context that point into the packet.
    pointers: Vec<u16>,
    /// What owns the memory of the code.
    module: Option<JITModule>,
}

// SAFETY: after it was made, the module is only kept to be freed, and the code does not change.
unsafe impl Send for Code {}
// SAFETY: as above; the code keeps nothing of its own.
unsafe impl Sync for Code {}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Code")
            .field("functions", &self.entries.len())
            .finish_non_exhaustive()
    }
}

impl Drop for Code {
    fn drop(&mut self) {
        if let Some(module) = self.module.take() {
            // SAFETY: the entries go with this value, and anyone who runs one holds it.
            unsafe { module.free_memory() };
        }
    }
}

impl Code {
    /// The function that begins at a slot.
    fn entry(&self, slot: usize, outer: bool) -> Option<Entry> {
        let wanted = (slot, outer);
        let at = self.entries.binary_search_by_key(&wanted, |(key, _)| *key);
        at.ok().map(|at| self.entries[at].1)
    }
}

impl Compiled {
    /// The code of a program, which is number `number` of its machine; none if it cannot be
    /// compiled.
    pub(crate) fn get(&self, program: &Program, number: usize, style: Style) -> Option<&Arc<Code>> {
        let cell = match style.checked {
            #[cfg(feature = "unchecked")]
            false => &self.unchecked,
            _ => &self.checked,
        };
        cell.get_or_init(|| compile(program, number, style).map(Arc::new))
            .as_ref()
    }
}

fn module() -> Option<JITModule> {
    let mut flags = settings::builder();
    let verify = if cfg!(debug_assertions) {
        "true"
    } else {
        "false"
    };
    for (name, value) in [
        ("opt_level", "speed"),
        ("enable_verifier", verify),
        ("enable_probestack", "true"),
        ("probestack_strategy", "inline"),
        ("use_colocated_libcalls", "false"),
        ("is_pic", "false"),
    ] {
        flags.set(name, value).ok()?;
    }
    let isa = cranelift_native::builder().ok()?;
    let isa = isa.finish(settings::Flags::new(flags)).ok()?;
    let names = cranelift_module::default_libcall_names();
    Some(JITModule::new(JITBuilder::with_isa(isa, names)))
}

fn compile(program: &Program, number: usize, style: Style) -> Option<Code> {
    let functions = facts::functions(program, LARGEST)?;
    let mut code = Code {
        entries: Vec::new(),
        pointers: program.context.pointer_fields(),
        module: Some(module()?),
    };
    let module = code.module.as_mut()?;
    let signature = emit::signature(module);
    let mut ids: HashMap<Key, FuncId> = HashMap::new();
    for function in &functions {
        let id = module.declare_anonymous_function(&signature).ok()?;
        ids.insert(function.key, id);
    }
    let mut context = module.make_context();
    let mut room = cranelift_frontend::FunctionBuilderContext::new();
    for function in &functions {
        context.func.signature = signature.clone();
        let job = emit::Job {
            program,
            number,
            style,
            function,
            ids: &ids,
        };
        emit::function(&job, module, &mut context, &mut room);
        module
            .define_function(ids[&function.key], &mut context)
            .ok()?;
        let compiled = context.compiled_code()?;
        let frame = compiled.buffer.frame_layout()?.frame_to_fp_offset;
        if frame > FRAME {
            return None;
        }
        module.clear_context(&mut context);
    }
    module.finalize_definitions().ok()?;
    for Function { key, .. } in &functions {
        let at = module.get_finalized_function(ids[key]);
        // SAFETY: this is the code of a function of just this signature.
        let entry = unsafe { std::mem::transmute::<*const u8, Entry>(at) };
        code.entries.push((*key, entry));
    }
    code.entries.sort_unstable_by_key(|(key, _)| *key);
    Some(code)
}
