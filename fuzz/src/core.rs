//! CO-RE: an object and a kernel's types. The first two bytes of the input tell where one ends.

use hachi_btf::Btf;
use hachi_btf::core::Minimizer;
use hachi_obj::Spec;
use hachi_obj::core::CoreTypes;

/// Fails by a panic.
pub fn run(bytes: &[u8]) {
    let Some((object, types)) = crate::two_parts(bytes) else {
        return;
    };
    let (Ok(spec), Ok(kernel)) = (Spec::parse(object), Btf::parse(types)) else {
        return;
    };
    let Ok(Some(core)) = CoreTypes::of(&spec) else {
        return;
    };
    // Each program on its own, so that one that is refused does not hide the next.
    for program in &spec.programs {
        let mut program = program.clone();
        if core
            .relocate(&mut program, Some(&kernel), &Vec::new)
            .is_ok()
        {
            assert!(program.core_relos.is_empty());
            for poisoned in &program.poisoned {
                assert!(poisoned.insn < program.insns.len());
                assert!(!poisoned.missing.to_string().is_empty());
            }
        }
    }
    let Ok(local) = core.types() else { return };
    let mut needed = Minimizer::new(&kernel);
    for relo in spec.programs.iter().flat_map(|p| &p.core_relos) {
        let _ = needed.add(&local, relo.borrowed());
    }
    let _ = needed.finish().map(|types| types.encode(kernel.endian()));
}
