//! Programs of machines of the other byte order.

use hachi_asm::build::{
    add_imm, call_helper, exit, jump, ld_imm64, load, mov, mov_imm, store, store_imm,
};
use hachi_asm::helpers::id;
use hachi_asm::{Imm64, Insn, JumpOp, Operand, Size};
use hachi_obj::flags::BPF_F_NO_PREALLOC;
use hachi_obj::{Code, Endian, MapSpec, MapType, ProgramSpec, ProgramType, Spec};
use hachi_vm::{Config, Input, Vm};

/// Looks up a key that `key` leaves below the frame pointer, 8 bytes, and returns the value.
fn looked_up(endian: Endian, map: MapSpec, key: Vec<Insn>) -> Vm {
    let [first, second] = ld_imm64(1, Imm64::MapFd(0));
    let mut insns = key;
    insns.extend([
        first,
        second,
        mov(2, 10),
        add_imm(2, -8),
        call_helper(id::MAP_LOOKUP_ELEM),
        jump(JumpOp::Eq, 0, Operand::Imm(0), 1),
        load(Size::W, 0, 0, 0),
        exit(),
    ]);
    let mut spec = Spec::new(endian);
    spec.maps.push(map);
    let code = Code::new("main", insns);
    let program = ProgramSpec::new("main", ProgramType::Xdp, code);
    spec.programs.push(program);
    Vm::new(&spec, &Config::default()).expect("a machine")
}

fn result(vm: &mut Vm) -> u32 {
    vm.run("main", &Input::new(&[0; 64])).expect("a run").result
}

#[test]
fn indices_of_arrays_are_in_the_order_of_the_programs_machine() {
    for endian in [Endian::Little, Endian::Big] {
        let map = MapSpec::new("VALUES", MapType::Array, 4, 4, 3);
        let mut vm = looked_up(endian, map, vec![store_imm(Size::W, 10, -8, 2)]);
        let expected: Vec<Vec<u8>> = (0..3).map(|at| endian.put_u32(at).to_vec()).collect();
        assert_eq!(vm.keys("VALUES").unwrap(), expected);
        vm.update("VALUES", &endian.put_u32(2), &endian.put_u32(7))
            .unwrap();
        assert_eq!(result(&mut vm), 7, "{endian:?}");
    }
}

#[test]
fn lengths_of_prefixes_are_in_the_order_of_the_programs_machine() {
    for endian in [Endian::Little, Endian::Big] {
        let mut map = MapSpec::new("ROUTES", MapType::LpmTrie, 8, 4, 4);
        map.flags = BPF_F_NO_PREALLOC;
        // 10.1.2.3 in network byte order, as the machine reads it.
        let address = endian.u32([10, 1, 2, 3]);
        let key = vec![
            store_imm(Size::W, 10, -8, 32),
            mov_imm(3, address as i32),
            store(Size::W, 10, -4, 3),
        ];
        let mut vm = looked_up(endian, map, key);
        for (length, prefix, value) in [(8, [10, 0, 0, 0], 1), (16, [10, 1, 0, 0], 2)] {
            let key = [endian.put_u32(length), prefix].concat();
            vm.update("ROUTES", &key, &endian.put_u32(value)).unwrap();
        }
        assert_eq!(result(&mut vm), 2, "{endian:?}");
        let wider = [endian.put_u32(16), [10, 1, 0, 0]].concat();
        vm.delete("ROUTES", &wider).unwrap();
        assert_eq!(result(&mut vm), 1, "{endian:?}");
        let left = [endian.put_u32(8), [10, 0, 0, 0]].concat();
        assert_eq!(vm.keys("ROUTES").unwrap(), [left]);
    }
}
