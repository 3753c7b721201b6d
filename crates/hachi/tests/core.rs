//! CO-RE in the loader: programs that depend on the kernel's types.

mod support;

use hachi::{Btf, Ebpf, EbpfLoader, obj::link::Poisoned, programs::ProgramError};
use hachi_test::{require_bpf, skip};
use support::one;

/// Asks for what kernels lack; see `tests/objects/core`.
const MISSING: &[u8] = include_bytes!("../../../tests/objects/core/missing.bpfel.o");
const FIELDS: &[u8] = include_bytes!("../../../tests/objects/core/fields.bpfel.o");

fn load_program(ebpf: &mut Ebpf, name: &str) -> Result<(), ProgramError> {
    ebpf.program_mut(name).unwrap().load()
}

/// What the program asked for and did not get.
fn poisoned<'e>(ebpf: &'e Ebpf, name: &str) -> &'e [Poisoned] {
    ebpf.program(name).unwrap().missing()
}

macro_rules! require_btf {
    () => {
        require_bpf!();
        if cfg!(target_endian = "big") {
            skip!("the objects are for little-endian machines");
        }
        if let Err(error) = Btf::from_sys_fs() {
            skip!("{error}");
        }
    };
}

#[test]
fn programs_read_the_kernels_fields() {
    require_btf!();
    let mut ebpf = Ebpf::load(FIELDS).unwrap();
    for name in ["direct", "probed", "questions"] {
        load_program(&mut ebpf, name).unwrap();
    }
}

#[test]
fn a_missing_field_must_not_be_reached() {
    require_btf!();
    // The same types for all that follows.
    let btf = Btf::from_sys_fs().unwrap();
    let mut ebpf = EbpfLoader::new().btf(Some(&btf)).load(MISSING).unwrap();
    load_program(&mut ebpf, "guarded").unwrap();
    assert_ne!(poisoned(&ebpf, "guarded"), []);

    let error = load_program(&mut ebpf, "unguarded").unwrap_err();
    let ProgramError::LoadError(rejection) = &error else {
        panic!("{error}");
    };
    let explanation = rejection.explain();
    assert_eq!(explanation.code.unwrap().name(), "unresolved-relocation");
    assert_eq!(
        explanation.headline,
        "program `unguarded`: field `task_struct.gone_number` does not exist on this kernel"
    );
    let location = explanation.primary.unwrap();
    assert!(location.file.ends_with("missing.c"));
    assert_eq!(location.text.trim(), "out = task->gone_number;");
    assert!(error.to_string().contains("unguarded"), "{error}");
}

#[test]
fn types_are_opened_when_needed() {
    require_btf!();
    let mut loader = EbpfLoader::new();
    loader.btf_file("/nowhere/vmlinux.btf");
    // Nothing to relocate: nobody looks for the file.
    let mut ebpf = loader.load_spec(one("pass", support::XDP_PASS)).unwrap();
    support::xdp(&mut ebpf, "pass");

    let mut ebpf = loader.load(FIELDS).unwrap();
    let error = load_program(&mut ebpf, "direct").unwrap_err().to_string();
    for word in [
        "\"direct\"",
        "CO-RE",
        "/nowhere/vmlinux.btf",
        "EbpfLoader::btf",
        "hachi btf min",
    ] {
        assert!(error.contains(word), "no {word} in: {error}");
    }
}

/// Types that are not this kernel's are taken at their word.
#[test]
fn given_types_are_used() {
    require_btf!();
    let own = hachi::obj::Spec::parse(MISSING).unwrap().btf.unwrap();
    let btf = Btf::parse(own.bytes()).unwrap();
    // Against the object's own types, all it asks for exists.
    let mut ebpf = EbpfLoader::new().btf(Some(&btf)).load(MISSING).unwrap();
    let _ = load_program(&mut ebpf, "unguarded");
    assert_eq!(poisoned(&ebpf, "unguarded"), []);
}
