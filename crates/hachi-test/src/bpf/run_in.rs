//! What the attribute calls. Not for direct use.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::{Bpf, Native, Object, Skip};

/// Runs a body in the virtual machine.
pub fn vm(object: impl Object, body: impl FnOnce(&mut Bpf)) {
    run(Bpf::in_vm(object), body);
}

/// Runs a body in the kernel, or reports why it cannot be.
pub fn kernel(object: impl Object, body: impl FnOnce(&mut Bpf)) {
    #[cfg(target_os = "linux")]
    match crate::bpf_available() {
        Ok(()) => run(Bpf::in_kernel(object), body),
        Err(reason) => crate::report_skip(format_args!("{reason}")),
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (object, body);
        eprintln!("skipped: programs run in the kernel on Linux only");
    }
}

/// Runs a body with functions of the test itself.
pub fn native(native: Native, body: impl FnOnce(&mut Bpf)) {
    run(Bpf::native(native), body);
}

fn run(mut bpf: Bpf, body: impl FnOnce(&mut Bpf)) {
    let result = catch_unwind(AssertUnwindSafe(|| body(&mut bpf)));
    if let Err(payload) = result {
        match payload.downcast::<Skip>() {
            #[cfg(target_os = "linux")]
            Ok(skip) => crate::report_skip(format_args!("{}", skip.0)),
            #[cfg(not(target_os = "linux"))]
            Ok(skip) => eprintln!("skipped: {}", skip.0),
            Err(payload) => resume_unwind(payload),
        }
    }
}
