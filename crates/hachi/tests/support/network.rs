//! Programs that see packets, sockets and what processes do with them.

use std::{fs::File, net::Ipv4Addr};

use hachi::{
    Ebpf,
    obj::{
        Insn, MapSpec, MapType, ProgramSpec, Spec, StructOpsMember, StructOpsSpec, StructOpsValue,
    },
};
use hachi_asm::{Size, build};
use hachi_test::Cgroup;

use super::tracing::{CTX, Observer, SEEN, VALUE, watching};

/// What classifiers return.
pub const TC_ACT_OK: i32 = hachi::obj::uapi::TC_ACT_OK;
pub const TC_ACT_SHOT: i32 = hachi::obj::uapi::TC_ACT_SHOT;
pub const TCX_NEXT: i32 = -1;

/// A program that counts its runs in whatever thread and returns `result`.
pub fn counting(name: &str, section: &str, result: i32) -> ProgramSpec {
    observing(name, section, &[], result)
}

/// As [`counting`], and keeps what `value` left in R6.
pub fn observing(name: &str, section: &str, value: &[Insn], result: i32) -> ProgramSpec {
    Observer {
        value,
        mine: false,
        result,
        otherwise: result,
        ..Default::default()
    }
    .program(name, section)
}

/// As [`observing`], but only runs that saw `only` count; the others return 0.
pub fn observing_only(
    name: &str,
    section: &str,
    value: &[Insn],
    only: i32,
    result: i32,
) -> ProgramSpec {
    Observer {
        value,
        only: Some(only),
        mine: false,
        result,
        ..Default::default()
    }
    .program(name, section)
}

/// The 32-bit word at this offset of the context as the value.
pub fn word(offset: i16) -> [Insn; 1] {
    [build::load(Size::W, VALUE, CTX, offset)]
}

/// An object with one program, [`counting`], loaded into the kernel.
pub fn loaded(program: ProgramSpec) -> Ebpf {
    let name = program.name.clone();
    let mut ebpf = super::load(watching(vec![program]));
    ebpf.program_mut(&name).unwrap().load().unwrap();
    ebpf
}

/// The program of that type in an object.
#[macro_export]
macro_rules! typed {
    ($ebpf:expr, $name:literal, $type:ty) => {{
        let program: &mut $type = $ebpf.program_mut($name).unwrap().try_into().unwrap();
        program
    }};
}

/// The directory of a cgroup, opened.
pub fn open(cgroup: &Cgroup) -> File {
    File::open(cgroup.path()).unwrap()
}

/// An IPv4 address as the word in a packet or in a context.
pub fn address(address: Ipv4Addr) -> i32 {
    i32::from_ne_bytes(address.octets())
}

/// A port as the word in a context: in network byte order.
pub fn port(port: u16) -> i32 {
    i32::from(port.to_be())
}

/// A congestion control with the fewest functions the kernel takes, called `name`; the one that
/// says where slow start ends counts its runs.
pub fn congestion_control(variable: &str, name: &str, link: bool) -> Spec {
    let two: Vec<Insn> = vec![build::mov_imm(0, 2), build::exit()];
    let nothing: Vec<Insn> = vec![build::mov_imm(0, 0), build::exit()];
    let programs = vec![
        counting("threshold", "struct_ops/threshold", 2),
        super::program("avoid", "struct_ops/avoid", nothing, &[]),
        super::program("undo", "struct_ops/undo", two, &[]),
    ];
    let map = MapSpec::new(SEEN, MapType::Array, 4, 8, 2);
    let mut spec = super::spec(vec![map], programs);
    let member = |name: &str, value| StructOpsMember::new(name, value);
    let program = |name: &str| StructOpsValue::Program(name.to_owned());
    let mut control = StructOpsSpec::new(variable, "tcp_congestion_ops");
    control.link = link;
    control.members = vec![
        member("ssthresh", program("threshold")),
        member("cong_avoid", program("avoid")),
        member("undo_cwnd", program("undo")),
        member("name", StructOpsValue::Bytes(name.as_bytes().to_vec())),
    ];
    spec.struct_ops.push(control);
    spec
}
