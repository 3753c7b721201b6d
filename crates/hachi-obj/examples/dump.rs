//! Prints what an object contains: `cargo run -p hachi-obj --example dump FILE`.

use hachi_asm::disasm;
use hachi_obj::Spec;
use hachi_obj::inspect::{self, SpecNames};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for path in std::env::args().skip(1) {
        let spec = Spec::parse(&std::fs::read(&path)?)?;
        println!("{path}: {}, licence '{}'", spec.endian, spec.license);
        for warning in &spec.warnings {
            println!("  warning: {warning}");
        }
        for map in &spec.maps {
            println!("  {map:?}");
        }
        for var in &spec.globals {
            println!("  {var:?}");
        }
        for item in &spec.externs {
            println!("  {item:?}");
        }
        for need in inspect::requirements(&spec) {
            println!(
                "  needs {}.{}: {} ({})",
                need.kernel.0, need.kernel.1, need.need, need.by
            );
        }
        for program in &spec.programs {
            let code = program.code()?;
            println!(
                "  program {} [{}] {:?} stack {:?}",
                program.name,
                program.section,
                program.program_type,
                inspect::stack_depth(&code)
            );
            let names = SpecNames::new(&spec, &code);
            let mut last = None;
            for (slot, line) in disasm::lines(&code.insns, &names) {
                let place = code.line_at(slot).map(|l| (l.line, l.file, l.text));
                if place != last {
                    last = place;
                    if let Some((line, file, text)) = place {
                        println!("      ; {} ({file}:{line})", text.trim());
                    }
                }
                println!("    {slot:4}: {line}");
            }
        }
    }
    Ok(())
}
