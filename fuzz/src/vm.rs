//! Bytes as instructions: run bare, and as an XDP program with maps of several kinds, interpreted
//! and compiled, with the same results.

use hachi_asm::{Endian, Insn};
use hachi_obj::flags::BPF_F_NO_PREALLOC;
use hachi_obj::{Code, MapSpec, MapType, ProgramSpec, ProgramType, Spec};
use hachi_vm::{Bare, Config, Engine, Input, Vm};

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
        again.set_engine(Engine::Jit);
        assert_eq!(bare.run(), again.run(), "the engines differ");
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
    let Ok(mut vm) = Vm::new(&spec, &config) else {
        return;
    };
    config.engine = Engine::Jit;
    let Ok(mut compiled) = Vm::new(&spec, &config) else {
        panic!("an object that can be interpreted and not compiled");
    };
    for vm in [&mut vm, &mut compiled] {
        vm.world_mut().maps[3]
            .set_program(0, 0)
            .expect("an empty array");
    }
    for _ in 0..2 {
        let input = Input::new(&[9; 64]);
        let results = (vm.run("fuzz", &input), compiled.run("fuzz", &input));
        assert_eq!(results.0, results.1, "the engines differ");
    }
    for map in &spec.maps {
        let keys = vm.keys(&map.name).expect("a map of its own");
        assert_eq!(Ok(&keys), compiled.keys(&map.name).as_ref(), "{}", map.name);
        for key in keys {
            let values = vm.lookup(&map.name, &key);
            assert_eq!(values, compiled.lookup(&map.name, &key), "{}", map.name);
        }
    }
}
