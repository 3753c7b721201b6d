//! Damaged objects: whatever is cut off or changed, the answer is a `Spec` or an error, soon.

use hachi_asm::disasm;
use hachi_btf::{BtfBuilder, StringTable};
use hachi_obj::Spec;
use hachi_obj::inspect::{self, SpecNames};
use hachi_obj::link::Nothing;

const OBJECTS: [&[u8]; 8] = [
    include_bytes!("data/basic.bpfel.o"),
    include_bytes!("data/calls.bpfel.o"),
    include_bytes!("data/core.bpfel.o"),
    include_bytes!("data/legacy.bpfel.o"),
    include_bytes!("data/struct_ops.bpfel.o"),
    include_bytes!("data/rust.bpfel.o"),
    include_bytes!("data/core.bpfeb.o"),
    include_bytes!("data/calls.bpfeb.o"),
];

/// Reads an object and uses everything a Spec offers.
fn exercise(bytes: &[u8]) -> bool {
    let Ok(mut spec) = Spec::parse_vec(bytes.to_vec()) else {
        return false;
    };
    let _ = inspect::requirements(&spec);
    for program in &spec.programs {
        let _ = program.link(&Nothing);
        let Ok(code) = program.code() else { continue };
        let _ = inspect::stack_depth(&code);
        let _ = inspect::helpers(&code);
        for relo in code.core_relos() {
            let _ = relo;
        }
        let names = SpecNames::new(&spec, &code);
        for (slot, line) in disasm::lines(&code.insns, &names) {
            assert!(!line.is_empty());
            let _ = (code.line_at(slot), code.function_at(slot));
        }
    }
    for map in &spec.maps {
        assert!(map.kernel_name("object").len() <= 15);
    }
    let globals: Vec<_> = spec
        .globals
        .iter()
        .map(|g| (g.name.clone(), g.size))
        .collect();
    for (name, size) in globals.into_iter().take(8).filter(|(_, size)| *size < 4096) {
        let _ = spec.set_global(&name, &vec![0xa5; size as usize]);
    }
    if let Some(btf) = spec.types()
        && let Ok(mut types) = BtfBuilder::from_btf(&btf)
    {
        hachi_btf::sanitize(&mut types, &hachi_btf::Features::default());
        let _ = types.encode_with(&mut StringTable::keeping(&btf), spec.endian);
    }
    true
}

#[test]
fn every_truncation_is_survived() {
    for bytes in OBJECTS {
        assert!(exercise(bytes));
        for len in 0..bytes.len() {
            exercise(&bytes[..len]);
        }
    }
}

#[test]
fn every_single_byte_corruption_is_survived() {
    for (i, bytes) in OBJECTS.into_iter().enumerate() {
        let mut bytes = bytes.to_vec();
        // Every byte of three objects; of the others, which differ little, a sample.
        let step = if i < 3 { 1 } else { 7 };
        for at in (0..bytes.len()).step_by(step) {
            let original = bytes[at];
            // All bits at once, or one that walks.
            let change = if (at + i) % 2 == 0 {
                0xff
            } else {
                1 << (at / 2 % 8)
            };
            bytes[at] = original ^ change;
            exercise(&bytes);
            bytes[at] = original;
        }
    }
}

/// A small generator of our own (xorshift64*), so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// Several changes at once: bytes, words of extreme value, blocks moved.
#[test]
fn random_mutations_are_survived() {
    const EXTREMES: [u32; 8] = [0, 1, 7, 0x7fff_ffff, 0x8000_0000, u32::MAX, 0x1000, 0xffff];
    let mut random = Random(0x4861_6368_6921);
    let mut parsed = 0;
    for round in 0..4_000 {
        let mut bytes = OBJECTS[round % OBJECTS.len()].to_vec();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes[at] = random.next() as u8,
                1 => bytes[at] = bytes[at].wrapping_add(1),
                2 => {
                    let word = EXTREMES[random.below(EXTREMES.len())].to_le_bytes();
                    let end = bytes.len().min(at / 4 * 4 + 4);
                    let start = end - end.min(4);
                    bytes[start..end].copy_from_slice(&word[..end - start]);
                }
                _ => {
                    let len = random.below(64).min(bytes.len() - at);
                    let to = random.below(bytes.len() - len);
                    bytes.copy_within(at..at + len, to);
                }
            }
        }
        parsed += u32::from(exercise(&bytes));
    }
    assert!(
        parsed > 100,
        "mutations must not all fail at the header: {parsed}"
    );
}
