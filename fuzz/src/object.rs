//! An object file: read it, inspect it, disassemble it, edit it.

use hachi_asm::disasm;
use hachi_obj::Spec;
use hachi_obj::inspect::{self, SpecNames};

/// Fails by a panic.
pub fn run(bytes: &[u8]) {
    let Ok(mut spec) = Spec::parse(bytes) else {
        return;
    };
    let _ = inspect::requirements(&spec);
    for program in &spec.programs {
        let _ = (inspect::stack_depth(program), inspect::helpers(program));
        let names = SpecNames {
            spec: &spec,
            program,
        };
        for (slot, _) in disasm::lines(&program.insns, &names) {
            let _ = (program.line_at(slot), program.function_at(slot));
        }
        for relocation in &program.relocations {
            assert!(relocation.insn < program.insns.len());
        }
    }
    let globals: Vec<_> = spec
        .globals
        .iter()
        .map(|g| (g.name.clone(), g.size))
        .collect();
    for (name, size) in globals.into_iter().filter(|(_, size)| *size < 4096) {
        let _ = spec.set_global(&name, &vec![0; size as usize]);
    }
    if let Some(btf) = &mut spec.btf {
        hachi_btf::sanitize(btf, &hachi_btf::Features::default());
        let _ = btf.encode(spec.endian);
    }
}
