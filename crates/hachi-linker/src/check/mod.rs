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
        stack::check(program, &mut found);
        helpers::check(&spec, program, &mut found);
    }
    if let Some(kernel) = min_kernel {
        kernels::check(&spec, kernel, &mut found);
    }
    // A function that several programs call is told of once.
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

/// The source line of an instruction.
fn line(program: &ProgramSpec, slot: usize) -> Option<Span> {
    let line = program.line_at(slot)?;
    Some(Span::new(&*line.file, line.line, line.column).with_text(&*line.text))
}

/// Tells a diagnostic where an instruction comes from.
fn locate(d: Diagnostic, program: &ProgramSpec, slot: usize) -> Diagnostic {
    let function = program
        .function_at(slot)
        .map_or(program.name.as_str(), |f| f.name.as_str());
    let d = d.in_function(names::demangle(function));
    match line(program, slot) {
        Some(location) => d.at(location),
        None => d,
    }
}
