//! Objects made by hand, so that these tests need neither compiler nor linker.
#![allow(dead_code, reason = "each test program uses a part of it")]

use hachi::{
    Ebpf, EbpfLoader,
    obj::{
        AttachType, Code, DataKind, Endian, GlobalVar, Insn, MapSpec, MapType, OwnedBtf,
        ProgramSpec, ProgramType, Relocation, RelocationKind, Spec, sections, uapi,
    },
    programs::Xdp,
};
use hachi_asm::helpers::id;
use hachi_asm::{AluOp, Imm64, JumpOp, Operand, Size, build};
use hachi_btf::BtfBuilder;

pub mod network;
pub mod tracing;

/// No test of any program with this module leaves a descriptor open.
#[used]
// SAFETY: the loader calls what is in this section.
#[unsafe(link_section = ".init_array")]
static NO_LEAKS: extern "C" fn() = {
    extern "C" fn watch() {
        hachi_test::fail_on_leaks();
    }
    watch
};

pub const MAP_LOOKUP_ELEM: u32 = id::MAP_LOOKUP_ELEM;
pub const MAP_UPDATE_ELEM: u32 = id::MAP_UPDATE_ELEM;
pub const RINGBUF_OUTPUT: u32 = id::RINGBUF_OUTPUT;
pub const RINGBUF_RESERVE: u32 = id::RINGBUF_RESERVE;
pub const RINGBUF_DISCARD: u32 = id::RINGBUF_DISCARD;

pub const XDP_DROP: i32 = uapi::xdp_action::XDP_DROP as i32;
pub const XDP_PASS: i32 = uapi::xdp_action::XDP_PASS as i32;

/// An object with the given maps and programs.
pub fn spec(maps: Vec<MapSpec>, programs: Vec<ProgramSpec>) -> Spec {
    let mut spec = Spec::new(Endian::NATIVE);
    spec.name = "handmade".to_owned();
    spec.license = "GPL".to_owned();
    spec.programs = programs;
    spec.maps = maps;
    spec
}

/// Types of an object of this machine's byte order.
pub fn types(types: &BtfBuilder) -> Option<OwnedBtf> {
    Some(OwnedBtf::build(types, Endian::NATIVE).unwrap())
}

/// A program of the section's type. `maps` says which instruction slots want which map.
pub fn program(name: &str, section: &str, insns: Vec<Insn>, maps: &[(usize, &str)]) -> ProgramSpec {
    let (def, target) = sections::lookup(section).expect("a known section");
    let mut code = Code::new(name, insns);
    code.relocations = maps
        .iter()
        .map(|&(insn, map)| Relocation::new(insn, RelocationKind::Map { name: map.into() }))
        .collect();
    let mut program = ProgramSpec::new(name, def.program_type, code);
    program.section = section.to_owned();
    program.section_def = Some(def);
    program.attach_type = def.attach_type;
    program.attach_target = target.map(str::to_owned);
    program.sleepable = def.sleepable;
    program.frags = def.frags;
    program
}

/// An XDP program that does nothing but return `verdict`.
pub fn verdict(name: &str, verdict: i32) -> ProgramSpec {
    program(
        name,
        "xdp",
        vec![build::mov_imm(0, verdict), build::exit()],
        &[],
    )
}

/// An object with one such program.
pub fn one(name: &str, result: i32) -> Spec {
    spec(Vec::new(), vec![verdict(name, result)])
}

pub fn load(spec: Spec) -> Ebpf {
    EbpfLoader::new().load_spec(spec).unwrap()
}

/// The XDP program called `name`, loaded.
pub fn xdp<'a>(ebpf: &'a mut Ebpf, name: &str) -> &'a mut Xdp {
    let program: &mut Xdp = ebpf.program_mut(name).unwrap().try_into().unwrap();
    program.load().unwrap();
    program
}

/// `dst` = the address of a map (to be relocated).
pub fn map_address(dst: u8) -> [Insn; 2] {
    build::ld_imm64(dst, Imm64::MapFd(0))
}

/// Counts packets: element 0 of array `map` goes up by one for each.
pub fn counter(name: &str, map: &str) -> ProgramSpec {
    let mut insns = vec![
        build::store_imm(Size::W, 10, -4, 0),
        build::mov(2, 10),
        build::add_imm(2, -4),
    ];
    let at = insns.len();
    insns.extend(map_address(1));
    insns.extend([
        build::call_helper(MAP_LOOKUP_ELEM),
        build::jump(JumpOp::Eq, 0, Operand::Imm(0), 3),
        build::load(Size::Dw, 1, 0, 0),
        build::add_imm(1, 1),
        build::store(Size::Dw, 0, 0, 1),
        build::mov_imm(0, XDP_PASS),
        build::exit(),
    ]);
    program(name, "xdp", insns, &[(at, map)])
}

/// Sends the first `len` bytes of its stack, all `fill`, to ring buffer `map`; returns 0 if there
/// was room.
pub fn sender(name: &str, map: &str, len: i32, fill: u8) -> ProgramSpec {
    let words = len.div_euclid(8) + i32::from(len % 8 != 0);
    let word = u64::from_ne_bytes([fill; 8]);
    let mut insns: Vec<Insn> = build::ld_imm64(1, Imm64::Value(word)).into();
    for at in 1..=words {
        insns.push(build::store(
            Size::Dw,
            10,
            i16::try_from(-8 * at).unwrap(),
            1,
        ));
    }
    insns.extend([
        build::mov(2, 10),
        build::add_imm(2, -8 * words),
        build::mov_imm(3, len),
    ]);
    insns.push(build::mov_imm(4, 0));
    let at = insns.len();
    insns.extend(map_address(1));
    insns.extend([build::call_helper(RINGBUF_OUTPUT), build::exit()]);
    program(name, "xdp", insns, &[(at, map)])
}

/// Reserves 16 bytes in ring buffer `map` and throws them away again.
pub fn discarder(name: &str, map: &str) -> ProgramSpec {
    let mut insns: Vec<Insn> = map_address(1).into();
    insns.extend([
        build::mov_imm(2, 16),
        build::mov_imm(3, 0),
        build::call_helper(RINGBUF_RESERVE),
        build::jump(JumpOp::Eq, 0, Operand::Imm(0), 3),
        build::mov(1, 0),
        build::mov_imm(2, 0),
        build::call_helper(RINGBUF_DISCARD),
        build::mov_imm(0, 0),
        build::exit(),
    ]);
    program(name, "xdp", insns, &[(0, map)])
}

/// Reads a packet without looking how long it is.
pub fn careless(name: &str) -> ProgramSpec {
    program(
        name,
        "xdp",
        vec![
            build::load(Size::W, 1, 1, 0),
            build::load(Size::B, 0, 1, 0),
            build::exit(),
        ],
        &[],
    )
}

/// A long chain of branches (whose verification leaves a long log) that ends in an error.
pub fn longwinded(name: &str) -> ProgramSpec {
    let mut insns = Vec::new();
    for _ in 0..4000 {
        insns.push(build::mov_imm(2, 1));
        insns.push(build::alu(AluOp::Xor, 2, Operand::Reg(1)));
        insns.truncate(insns.len() - 1);
        insns.push(build::add_imm(2, 1));
    }
    insns.push(build::mov(0, 9));
    insns.push(build::exit());
    program(name, "xdp", insns, &[])
}

/// Returns the value of the `u32` constant `NAME` in `.rodata`.
pub fn with_global(global: &str, initial: u32) -> Spec {
    let mut insns: Vec<Insn> = build::ld_imm64(1, Imm64::MapValue { fd: 0, offset: 4 }).into();
    insns.extend([build::load(Size::W, 0, 1, 0), build::exit()]);
    let mut reader = program("reader", "xdp", insns, &[]);
    reader.code_mut().unwrap().relocations.push(Relocation::new(
        0,
        RelocationKind::GlobalData {
            map: ".rodata".into(),
            offset: 4,
        },
    ));
    let mut map = MapSpec::new(".rodata", MapType::Array, 4, 8, 1);
    map.data = Some(DataKind::Rodata);
    map.flags = 1 << 7 | 1 << 10;
    let mut contents = vec![0; 4];
    contents.extend(initial.to_ne_bytes());
    map.contents = Some(contents);
    let mut spec = spec(vec![map], vec![reader]);
    spec.globals.push(GlobalVar::new(global, ".rodata", 4, 4));
    spec
}

/// What `ProgramType` and `AttachType` a hand-made program of no known section would have.
pub fn untyped(name: &str) -> ProgramSpec {
    let mut program = verdict(name, 0);
    program.section = "mystery".to_owned();
    program.section_def = None;
    program.program_type = ProgramType::Unspec;
    program.attach_type = None::<AttachType>;
    program
}

/// The running kernel.
pub fn running() -> hachi::KernelVersion {
    hachi::KernelVersion::current().unwrap()
}

/// The descriptors open now, as text, to compare before and after.
pub fn descriptors() -> Vec<(u32, String)> {
    hachi_test::open_descriptors()
}

/// Whether this process runs nothing but the test of this name. Where it does not, such a one is
/// started, and what it finds is what the test finds. For what concerns a process as a whole, since
/// the tests of a program run beside each other.
pub fn apart(test: &str) -> bool {
    const ALONE: &str = "HACHI_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(ALONE, "1")
        .status()
        .unwrap();
    assert!(status.success());
    false
}

/// Has `work` leave no descriptor behind. `test` is the name of the test that calls this; `prepare`
/// gives the work.
pub fn alone<W: FnMut()>(test: &str, prepare: impl FnOnce() -> W) {
    if !apart(test) {
        return;
    }
    let mut work = prepare();
    // Whatever is opened once and kept (feature probes, /proc) is so by now.
    work();
    let before = descriptors();
    for _ in 0..3 {
        work();
    }
    assert_eq!(descriptors(), before);
}
