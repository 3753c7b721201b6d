//! A program to ask the kernel with.

use hachi::Ebpf;
use hachi_asm::{Endian, Insn, build};
use object::write::{Object, Symbol, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
};

/// A function for tests that every kernel with trampolines has (`net/bpf/test_run.c`).
const TARGET: &str = "bpf_fentry_test1";

/// Loads a program for the entry of a kernel function, and unloads it. It is never attached.
pub fn load_fentry() -> Result<(), String> {
    let object = object(&format!("fentry/{TARGET}"))?;
    let mut loaded = Ebpf::load(&object).map_err(|error| error.to_string())?;
    let program = loaded
        .program_mut(NAME)
        .map_err(|error| error.to_string())?;
    program.load().map_err(|error| error.to_string())
}

/// The program's name.
const NAME: &str = "hachi_doctor";

/// An object with one program, which does nothing, in this section.
fn object(section: &str) -> Result<Vec<u8>, String> {
    let (endian, endianness) = match cfg!(target_endian = "big") {
        true => (Endian::Big, Endianness::Big),
        false => (Endian::Little, Endianness::Little),
    };
    let code = Insn::encode_all(&[build::mov_imm(0, 0), build::exit()], endian);
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Bpf, endianness);
    let text = object.add_section(Vec::new(), section.into(), SectionKind::Text);
    object.append_section_data(text, &code, 8);
    let license = object.add_section(Vec::new(), b"license".into(), SectionKind::Data);
    object.append_section_data(license, b"GPL\0", 1);
    object.add_symbol(Symbol {
        name: NAME.into(),
        value: 0,
        size: code.len() as u64,
        kind: SymbolKind::Text,
        scope: SymbolScope::Dynamic,
        weak: false,
        section: SymbolSection::Section(text),
        flags: SymbolFlags::None,
    });
    object.write().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hachi_obj::Spec;

    #[test]
    fn the_object_holds_a_program_for_the_function() {
        let spec = Spec::parse(&object("fentry/bpf_fentry_test1").unwrap()).unwrap();
        let program = spec.program(NAME).unwrap();
        assert_eq!(program.attach_target.as_deref(), Some(TARGET));
        assert_eq!(spec.license, "GPL");
    }
}
