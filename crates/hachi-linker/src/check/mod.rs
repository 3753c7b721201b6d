//! What the kernel would refuse, found in the finished object: before anything is loaded, and with
//! the line that is to be changed.
//!
//! Only what no kernel would accept is an error. Where kernels differ it is a warning, and where
//! only the kernels the author wants to support matter (`--min-kernel`), an error again.

mod helpers;
mod kernels;
mod stack;

use hachi_obj::{ProgramSpec, Spec};

use crate::{Code, Diagnostic, Span, names, options::Kernel};

/// Looks at an object that was just written. Gives its warnings.
///
/// # Errors
/// Every reason why no kernel, or none as old as `min_kernel`, would take it.
pub(crate) fn check(
    object: &[u8],
    min_kernel: Option<Kernel>,
) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
    let spec = match Spec::parse(object) {
        Ok(spec) => spec,
        // Other loaders understand objects that ours does not, such as those with other forms of
        // maps.
        Err(error) => {
            let unread = Diagnostic::warning(
                Code::NOT_CHECKED,
                "the object was not checked for what kernels refuse",
            );
            return Ok(vec![unread.note(error.to_string())]);
        }
    };
    let mut found: Vec<Diagnostic> = Vec::new();
    for program in &spec.programs {
        match program.code() {
            Ok(code) => {
                let program = Program {
                    spec: program,
                    code: &code,
                };
                stack::check(program, &mut found);
                helpers::check(&spec, program, &mut found);
            }
            Err(error) => {
                let unread = Diagnostic::warning(
                    Code::NOT_CHECKED,
                    format!(
                        "the program `{}` was not checked for what kernels refuse",
                        program.name
                    ),
                );
                found.push(unread.note(error.to_string()));
            }
        }
    }
    if let Some(kernel) = min_kernel {
        kernels::check(&spec, kernel, &mut found);
    }
    // A function that several programs call is reported once.
    let mut told: Vec<Diagnostic> = Vec::with_capacity(found.len());
    for d in found {
        if !told.contains(&d) {
            told.push(d);
        }
    }
    if told.iter().any(|d| d.is_error()) {
        Err(told)
    } else {
        Ok(told)
    }
}

/// A program of the object, with the functions it calls.
#[derive(Clone, Copy)]
struct Program<'s> {
    spec: &'s ProgramSpec,
    code: &'s hachi_obj::Code,
}

/// The source line of an instruction.
fn line(program: Program<'_>, slot: usize) -> Option<Span> {
    let line = program.code.line_at(slot)?;
    Some(Span::new(line.file, line.line, line.column).with_text(line.text))
}

/// Tells a diagnostic where an instruction comes from.
fn locate(d: Diagnostic, program: Program<'_>, slot: usize) -> Diagnostic {
    let function = program.code.function_at(slot);
    let function = function.map_or(&program.spec.name, |f| &f.name);
    let d = d.in_function(names::demangle(function));
    match line(program, slot) {
        Some(location) => d.at(location),
        None => d,
    }
}
