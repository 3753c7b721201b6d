//! Bytes as instructions: run bare, and as an XDP program with maps of several kinds.

use hachi_asm::{Endian, Insn};
use hachi_obj::flags::BPF_F_NO_PREALLOC;
use hachi_obj::{Code, MapSpec, MapType, ProgramSpec, ProgramType, Spec};
use hachi_vm::{Bare, Config, Input, Vm};

/// Instructions that a run may take.
const LIMIT: u64 = 20_000;

/// Fails by a panic.
pub fn run(bytes: &[u8]) {
    let whole = &bytes[..bytes.len() - bytes.len() % Insn::SIZE];
    let Ok(insns) = Insn::decode_all(whole, Endian::Little) else {
        return;
    };
    if let Ok(mut bare) = Bare::new(&insns, &[7; 64]) {
        bare.set_limit(LIMIT);
        let mut again = bare.clone();
        assert_eq!(bare.run(), again.run(), "two runs differ");
        assert_eq!(bare.memory(), again.memory());
    }
    let mut spec = Spec::new(Endian::Little);
    for (kind, key, value, max) in [
        (MapType::Hash, 4, 8, 4),
        (MapType::Array, 4, 8, 4),
        (MapType::Ringbuf, 0, 0, 4096),
        (MapType::ProgArray, 4, 4, 4),
        (MapType::LpmTrie, 8, 4, 4),
        (MapType::Queue, 0, 4, 4),
    ] {
        let mut map = MapSpec::new(kind.name(), kind, key, value, max);
        if kind == MapType::LpmTrie {
            map.flags = BPF_F_NO_PREALLOC;
        }
        spec.maps.push(map);
    }
    let code = Code::new("fuzz", insns);
    spec.programs
        .push(ProgramSpec::new("fuzz", ProgramType::Xdp, code));
    let mut config = Config::default();
    config.instructions = LIMIT;
    config.memory = 1 << 20;
    if let Ok(mut vm) = Vm::new(&spec, &config) {
        vm.world_mut().maps[3]
            .set_program(0, 0)
            .expect("an empty array");
        for _ in 0..2 {
            let _ = vm.run("fuzz", &Input::new(&[9; 64]));
        }
    }
}
