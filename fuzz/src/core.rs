//! CO-RE: an object and a kernel's types. The first two bytes of the input tell where one ends.

use hachi_btf::Btf;
use hachi_btf::core::Minimizer;
use hachi_obj::Spec;
use hachi_obj::link::Types;

/// Fails by a panic.
pub fn run(bytes: &[u8]) {
    let Some((object, types)) = crate::two_parts(bytes) else {
        return;
    };
    let (Ok(spec), Ok(kernel)) = (Spec::parse(object), Btf::parse(types)) else {
        return;
    };
    let Some(local) = spec.types() else { return };
    let surroundings = Types::new(&kernel, &[]);
    let mut needed = Minimizer::new(&kernel);
    for program in &spec.programs {
        if let Ok(linked) = program.link(&surroundings) {
            for poisoned in &linked.poisoned {
                assert!(poisoned.insn < linked.insns.len());
                assert!(!poisoned.missing.to_string().is_empty());
            }
        }
        let Ok(code) = program.code() else { continue };
        for relo in code.core_relos().flatten() {
            let _ = needed.add(&local, relo);
        }
    }
    let _ = needed.finish().map(|types| types.encode(kernel.endian()));
}
