//! Programs that watch what a thread of the test does.

use hachi::{
    Ebpf,
    maps::Array,
    obj::{Function, Insn, MapSpec, MapType, ProgramSpec, Spec},
    programs::{Program, ProgramError},
};
use hachi_asm::{JumpOp, Operand, Size, build};
use hachi_btf::{
    BtfBuilder, Composite, Func, FuncProto, Int, Linkage, Member, Param, Ptr, Type, ext::FuncInfo,
};

/// Helper numbers, `enum bpf_func_id`.
pub const GET_CURRENT_PID_TGID: u32 = hachi_asm::helpers::id::GET_CURRENT_PID_TGID;
pub const GET_ATTACH_COOKIE: u32 = hachi_asm::helpers::id::GET_ATTACH_COOKIE;

/// The name of the map.
pub const SEEN: &str = "SEEN";

/// R7 holds the context when `value` runs.
pub const CTX: u8 = 7;
/// Where `value` leaves what it found.
pub const VALUE: u8 = 6;

/// The kernel's function of a system call that [`getpgid`] makes.
pub const GETPGID: &str = if cfg!(target_arch = "x86_64") {
    "__x64_sys_getpgid"
} else if cfg!(target_arch = "aarch64") {
    "__arm64_sys_getpgid"
} else if cfg!(target_arch = "riscv64") {
    "__riscv_sys_getpgid"
} else {
    "__s390x_sys_getpgid"
};

/// The calling thread's id, as the kernel knows it.
pub fn thread_id() -> i32 {
    // SAFETY: no arguments.
    unsafe { libc::gettid() }
}

/// A program that counts its runs (element 0 of array `SEEN`) and keeps what it saw at the last of
/// them (element 1).
pub struct Observer<'a> {
    /// Leaves what it saw in R6; may use R0 to R5.
    pub value: &'a [Insn],
    /// Runs that saw anything else do not count.
    pub only: Option<i32>,
    /// Runs in other threads do not count.
    pub mine: bool,
    /// Returned by runs that count.
    pub result: i32,
    /// Returned by the others.
    pub otherwise: i32,
}

impl Default for Observer<'_> {
    fn default() -> Self {
        Observer {
            value: &[],
            only: None,
            mine: true,
            result: 0,
            otherwise: 0,
        }
    }
}

impl Observer<'_> {
    /// The program.
    pub fn program(&self, name: &str, section: &str) -> ProgramSpec {
        let mut insns = vec![build::mov(CTX, 1), build::mov_imm(VALUE, 0)];
        let mut exits = Vec::new();
        if self.mine {
            insns.push(build::call_helper(GET_CURRENT_PID_TGID));
            exits.push(insns.len());
            insns.push(build::jump32(JumpOp::Ne, 0, Operand::Imm(thread_id()), 0));
        }
        insns.extend_from_slice(self.value);
        if let Some(only) = self.only {
            exits.push(insns.len());
            insns.push(build::jump(JumpOp::Ne, VALUE, Operand::Imm(only), 0));
        }
        let mut maps = Vec::new();
        for element in 0..2 {
            insns.extend([
                build::store_imm(Size::W, 10, -4, element),
                build::mov(2, 10),
                build::add_imm(2, -4),
            ]);
            maps.push((insns.len(), SEEN));
            insns.extend(super::map_address(1));
            insns.push(build::call_helper(super::MAP_LOOKUP_ELEM));
            exits.push(insns.len());
            insns.push(build::jump(JumpOp::Eq, 0, Operand::Imm(0), 0));
            if element == 0 {
                insns.extend([build::load(Size::Dw, 1, 0, 0), build::add_imm(1, 1)]);
                insns.push(build::store(Size::Dw, 0, 0, 1));
            } else {
                insns.push(build::store(Size::Dw, 0, 0, VALUE));
            }
        }
        insns.extend([build::mov_imm(0, self.result), build::exit()]);
        let end = insns.len();
        for at in exits {
            insns[at].off = i16::try_from(end - at - 1).unwrap();
        }
        insns.extend([build::mov_imm(0, self.otherwise), build::exit()]);
        super::program(name, section, insns, &maps)
    }
}

/// An [`Observer`] of this thread that returns 0.
pub fn observer(name: &str, section: &str, value: &[Insn], only: Option<i32>) -> ProgramSpec {
    let observer = Observer {
        value,
        only,
        ..Default::default()
    };
    observer.program(name, section)
}

/// The `number`th 64-bit word of the context as the value.
pub fn argument(number: i16) -> [Insn; 1] {
    [build::load(Size::Dw, VALUE, CTX, 8 * number)]
}

/// The attachment's cookie as the value.
pub fn cookie() -> [Insn; 3] {
    [
        build::mov(1, CTX),
        build::call_helper(GET_ATTACH_COOKIE),
        build::mov(VALUE, 0),
    ]
}

/// An object with the map and these programs.
pub fn watching(programs: Vec<ProgramSpec>) -> Spec {
    let map = MapSpec::new(SEEN, MapType::Array, 4, 8, 2);
    super::spec(vec![map], programs)
}

/// An XDP program that returns what its global function `int inner(int)` returns, which is 2. With
/// types, so that the function has a name in the kernel.
pub fn with_function(name: &str, inner: &str) -> Spec {
    let mut program = super::program(
        name,
        "xdp",
        vec![
            build::mov_imm(1, 7),
            build::call_local(1),
            build::exit(),
            build::mov_imm(0, 2),
            build::exit(),
        ],
        &[],
    );
    let code = program.code_mut().unwrap();
    code.functions[0].len = 3;
    code.functions.push(Function::new(inner, 3, 2));
    let mut types = Types::default();
    let int = types.int();
    // By this name the kernel recognises the context; it takes the parameters of a program whose
    // types it does not recognise for five numbers.
    let context = types.btf.add(Type::Struct(Composite {
        name: "xdp_md".to_owned(),
        size: 4,
        members: vec![Member {
            name: "data".to_owned(),
            type_id: int,
            bit_offset: 0,
            bit_size: 0,
        }],
    }));
    let pointer = types.btf.add(Type::Ptr(Ptr { type_id: context }));
    let outer = types.function(name, pointer, int);
    let inner = types.function(inner, int, int);
    code.func_info = vec![
        FuncInfo {
            insn_off: 0,
            type_id: outer,
        },
        FuncInfo {
            insn_off: 3,
            type_id: inner,
        },
    ];
    let mut spec = super::spec(Vec::new(), vec![program]);
    spec.btf = super::types(&types.btf);
    spec
}

/// A program of another section that is a function `int name(int)` which returns 1.
pub fn function_of_its_own(name: &str, section: &str) -> Spec {
    let mut program = super::program(
        name,
        section,
        vec![build::mov_imm(0, 1), build::exit()],
        &[],
    );
    let mut types = Types::default();
    let int = types.int();
    let type_id = types.function(name, int, int);
    program.code_mut().unwrap().func_info = vec![FuncInfo {
        insn_off: 0,
        type_id,
    }];
    let mut spec = super::spec(Vec::new(), vec![program]);
    spec.btf = super::types(&types.btf);
    spec
}

#[derive(Default)]
struct Types {
    btf: BtfBuilder,
}

impl Types {
    fn int(&mut self) -> u32 {
        self.btf.add(Type::Int(Int::signed("int", 4)))
    }

    fn function(&mut self, name: &str, parameter: u32, result: u32) -> u32 {
        let type_id = self.btf.add(Type::FuncProto(FuncProto {
            ret_type_id: result,
            params: vec![Param {
                name: "a".to_owned(),
                type_id: parameter,
            }],
        }));
        self.btf.add(Type::Func(Func {
            name: name.to_owned(),
            type_id,
            linkage: Linkage::Global,
        }))
    }
}

/// How often programs of the object ran, and the last value.
pub fn seen(ebpf: &Ebpf) -> (u64, u64) {
    let map: Array<_, u64> = ebpf.map(SEEN).unwrap().try_into().unwrap();
    (map.get(&0, 0).unwrap(), map.get(&1, 0).unwrap())
}

/// Forgets what was seen.
pub fn reset(ebpf: &mut Ebpf) {
    let mut map: Array<_, u64> = ebpf.map_mut(SEEN).unwrap().try_into().unwrap();
    map.set(0, 0, 0).unwrap();
    map.set(1, 0, 0).unwrap();
}

/// The program of the object called `name`.
pub fn get<'a>(ebpf: &'a mut Ebpf, name: &str) -> &'a mut Program {
    ebpf.program_mut(name).unwrap()
}

/// Why a test has to be skipped after this error: the running kernel is older than what the error
/// says is needed (on newer ones that is a failure), or refuses such programs altogether.
pub fn skip_reason(error: &ProgramError) -> Option<String> {
    use hachi::links::LinkError;
    let unsupported = match error {
        ProgramError::Unsupported { error, .. } => Some(error),
        ProgramError::Attach {
            error: LinkError::Unsupported(error),
            ..
        } => Some(error),
        _ => None,
    };
    if let Some(error) = unsupported {
        let running = hachi::KernelVersion::current().unwrap();
        return (running < error.since()).then(|| error.to_string());
    }
    match error {
        // Fedora's and others' lockdown, and the like: nothing about the program.
        ProgramError::LoadError(rejection)
            if rejection.error.errno() == libc::EPERM && rejection.log.is_empty() =>
        {
            Some(format!(
                "this kernel loads no {} programs: {}",
                rejection.section.split('/').next().unwrap_or_default(),
                rejection.error
            ))
        }
        _ => None,
    }
}

/// The value of a result, or the end of the test: skipped if [`skip_reason`] finds a reason, else
/// failed.
#[macro_export]
macro_rules! attempt {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => match $crate::support::tracing::skip_reason(&error) {
                Some(reason) => hachi_test::skip!("{reason}"),
                None => panic!("{error}"),
            },
        }
    };
}

/// Something that happens in this thread: `times` calls of getpgid(2) for this process.
pub fn getpgid(times: u32) {
    for _ in 0..times {
        // SAFETY: numbers only.
        let group = unsafe { libc::getpgid(libc::getpid()) };
        assert!(group > 0);
    }
}

/// The system call's number.
pub const SYS_GETPGID: i32 = libc::SYS_getpgid as i32;
