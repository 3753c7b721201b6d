//! An object file: read it, inspect it, disassemble it, edit it.

use hachi_asm::disasm;
use hachi_btf::{BtfBuilder, StringTable};
use hachi_obj::Spec;
use hachi_obj::inspect::{self, SpecNames};
use hachi_obj::link::Nothing;

/// Fails by a panic.
pub fn run(bytes: &[u8]) {
    let Ok(mut spec) = Spec::parse(bytes) else {
        return;
    };
    assert!(Spec::parse_vec(bytes.to_vec()).is_ok_and(|again| again == spec));
    let _ = inspect::requirements(&spec);
    for program in &spec.programs {
        if let Ok(linked) = program.link(&Nothing) {
            for poisoned in &linked.poisoned {
                assert!(poisoned.insn < linked.insns.len());
            }
        }
        let Ok(code) = program.code() else { continue };
        let _ = (inspect::stack_depth(&code), inspect::helpers(&code));
        let names = SpecNames::new(&spec, &code);
        for (slot, _) in disasm::lines(&code.insns, &names) {
            let _ = (code.line_at(slot), code.function_at(slot));
        }
        for relocation in &code.relocations {
            assert!(relocation.insn < code.insns.len());
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
    if let Some(btf) = spec.types()
        && let Ok(mut types) = BtfBuilder::from_btf(&btf)
    {
        hachi_btf::sanitize(&mut types, &hachi_btf::Features::default());
        let _ = types.encode_with(&mut StringTable::keeping(&btf), spec.endian);
    }
}
