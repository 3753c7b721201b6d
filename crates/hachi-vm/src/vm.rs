//! The machine that runs objects.

use std::cell::RefCell;
use std::fmt;

use hachi_asm::{Endian, Insn};
use hachi_btf::Btf;
use hachi_machine::maps::{BPF_ANY, CreateError, Map};
use hachi_machine::{Errno, Kind, Memory as _, Packet, Redirect, Trap, World};
use hachi_obj::link::{Kfunc, Ksym, Resolve};
use hachi_obj::{
    DataKind, Extern, ExternKind, MapSpec, OwnedBtf, ProgramSpec, ProgramType, Spec, kconfig,
};

use crate::context::{self, ContextKind, Shape};
use crate::decode::{Invalid, decode};
use crate::fault::Stopped;
use crate::interp::{Run, Stop, Unwatched};
use crate::program::Program;
use crate::space::Space;

/// How a machine is made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// How many CPUs it has.
    pub cpus: u32,
    /// Instructions that one run may take.
    pub instructions: u64,
    /// Bytes of memory that maps, packets and records may take together.
    pub memory: u64,
    /// The kernel's types, for programs that ask about them (CO-RE).
    pub types: Option<OwnedBtf>,
    /// The version of the kernel that programs may read, as `LINUX_VERSION_CODE`.
    pub kernel_version: u32,
    /// Text of a kernel configuration, for programs that read options of it.
    pub kernel_config: String,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            cpus: 4,
            instructions: 100_000_000,
            memory: 1 << 30,
            types: None,
            kernel_version: 6 << 16 | 12 << 8,
            kernel_config: String::new(),
        }
    }
}

/// An object that cannot be run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Something is wrong with the object itself.
    Object(hachi_obj::Error),
    /// A map cannot be made.
    Map(CreateError),
    /// A program breaks a rule of the instruction set.
    Invalid {
        /// The program.
        program: String,
        /// The rule.
        invalid: Invalid,
    },
    /// Something that a program needs of the kernel is missing here.
    Extern {
        /// Its name.
        name: String,
        /// Why it is missing, as a sentence without a full stop.
        reason: String,
    },
    /// Programs of this type cannot be run here.
    ProgramType {
        /// The program.
        program: String,
        /// Its type.
        program_type: ProgramType,
    },
    /// The initial entry of a map leads nowhere.
    Entry {
        /// The map.
        map: String,
        /// What it should hold.
        target: String,
    },
    /// A map operation that the kernel would refuse.
    MapOperation {
        /// The map.
        map: String,
        /// Which operation.
        operation: &'static str,
        /// The kernel's answer.
        errno: Errno,
    },
    /// There is no such map.
    NoSuchMap {
        /// The name asked for.
        map: String,
    },
    /// There is no more memory.
    Memory,
}

impl From<hachi_obj::Error> for Error {
    fn from(error: hachi_obj::Error) -> Error {
        Error::Object(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Object(error) => error.fmt(f),
            Error::Map(error) => error.fmt(f),
            Error::Invalid { program, invalid } => write!(f, "program `{program}`: {invalid}"),
            Error::Extern { name, reason } => write!(f, "`{name}` of the kernel: {reason}"),
            Error::ProgramType {
                program,
                program_type,
            } => write!(
                f,
                "program `{program}` is of type {}, which the virtual machine does not run",
                program_type.name()
            ),
            Error::Entry { map, target } => write!(
                f,
                "map `{map}` is to hold `{target}`, which the object does not have"
            ),
            Error::MapOperation {
                map,
                operation,
                errno,
            } => write!(f, "{operation} of map `{map}`: {errno}"),
            Error::NoSuchMap { map } => write!(f, "there is no map `{map}`"),
            Error::Memory => f.write_str("the machine has no more memory"),
        }
    }
}

impl std::error::Error for Error {}

/// What a program is run with.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Input<'i> {
    /// The packet, from its Ethernet header on, for programs that get one. For others the context,
    /// byte by byte.
    pub bytes: &'i [u8],
    /// The interface that the packet came in on.
    pub ifindex: u32,
    /// The queue of the interface.
    pub queue: u32,
    /// The packet's mark.
    pub mark: u32,
}

impl<'i> Input<'i> {
    /// A packet, or the bytes of a context; from interface 1.
    pub fn new(bytes: &'i [u8]) -> Input<'i> {
        Input {
            bytes,
            ifindex: 1,
            queue: 0,
            mark: 0,
        }
    }
}

/// What a run gives.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Output {
    /// What the program returned, as the kernel takes it: 32 bits.
    pub result: u32,
    /// The packet after the run; for programs without a packet, the context.
    pub bytes: Vec<u8>,
    /// The metadata before the packet.
    pub metadata: Vec<u8>,
    /// Where it was sent, if it was.
    pub redirect: Option<Redirect>,
    /// Instructions that were run.
    pub instructions: u64,
}

/// A machine with an object's maps and programs.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use hachi_asm::build::{exit, mov_imm};
/// use hachi_obj::{Code, Endian, ProgramSpec, ProgramType, Spec};
/// use hachi_vm::{Config, Input, Vm};
///
/// let mut spec = Spec::new(Endian::Little);
/// let code = Code::new("pass", vec![mov_imm(0, 2), exit()]);
/// spec.programs.push(ProgramSpec::new("pass", ProgramType::Xdp, code));
/// let mut vm = Vm::new(&spec, &Config::default())?;
/// let output = vm.run("pass", &Input::new(&[0; 64]))?;
/// assert_eq!(output.result, 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Vm {
    world: World,
    space: Space,
    programs: Vec<Program>,
    limit: u64,
}

impl Vm {
    /// Makes the maps of an object and its programs, with their types adjusted to `config`'s.
    ///
    /// # Errors
    /// [`Error`] names the map or program and what is wrong.
    pub fn new(spec: &Spec, config: &Config) -> Result<Vm, Error> {
        let mut vm = Vm {
            world: World::new(config.cpus),
            space: Space::new(spec.endian, config.memory),
            programs: Vec::new(),
            limit: config.instructions,
        };
        for map in &spec.maps {
            let made = match map.data {
                Some(DataKind::Kconfig) => {
                    let mut map = map.clone();
                    map.contents = Some(options(spec, &map, config)?);
                    Map::new(&read_only(map), config.cpus, &mut vm.space)
                }
                Some(DataKind::Rodata) => {
                    Map::new(&read_only(map.clone()), config.cpus, &mut vm.space)
                }
                _ => Map::new(map, config.cpus, &mut vm.space),
            };
            vm.world.maps.push(made.map_err(Error::Map)?);
        }
        let kfuncs = RefCell::default();
        let types = config.types.as_ref().map(OwnedBtf::types);
        let surroundings = Surroundings {
            spec,
            types: types.as_ref(),
            kfuncs: &kfuncs,
        };
        for program in &spec.programs {
            let loaded = vm.load(program, spec.endian, &surroundings)?;
            vm.programs.push(loaded);
        }
        vm.fill(spec)?;
        let names = kfuncs.into_inner();
        for program in &mut vm.programs {
            program.kfuncs.clone_from(&names);
        }
        Ok(vm)
    }

    fn load(
        &self,
        spec: &ProgramSpec,
        endian: Endian,
        surroundings: &Surroundings<'_>,
    ) -> Result<Program, Error> {
        let linked = spec.link(surroundings)?;
        let invalid = |invalid| Error::Invalid {
            program: spec.name.clone(),
            invalid,
        };
        let mut program = Program {
            name: spec.name.clone(),
            steps: decode(&linked.insns, endian).map_err(invalid)?,
            // Others can be loaded, but not run.
            context: Shape::of(spec.program_type).unwrap_or(Shape::BARE),
            arena: None,
            kfuncs: Vec::new(),
            linked: Some(Box::new(linked)),
        };
        program.resolve_maps(&self.world).map_err(invalid)?;
        program.check_helpers(spec.program_type);
        Ok(program)
    }

    /// What maps of programs and of maps hold from the start.
    fn fill(&mut self, spec: &Spec) -> Result<(), Error> {
        for (number, map) in spec.maps.iter().enumerate() {
            for entry in &map.entries {
                let missing = || Error::Entry {
                    map: map.name.clone(),
                    target: entry.target.clone(),
                };
                let programs = &spec.programs;
                let program = programs
                    .iter()
                    .position(|program| program.name == entry.target);
                let made = match program {
                    Some(program) => {
                        self.world.maps[number].set_program(entry.index, program as u32)
                    }
                    None => {
                        let inner = self.world.map_number(&entry.target).ok_or_else(missing)?;
                        let key = spec.endian.put_u32(entry.index);
                        self.world.maps[number].set_inner(&key, inner)
                    }
                };
                made.map_err(|errno| Error::MapOperation {
                    map: map.name.clone(),
                    operation: "setting an initial entry",
                    errno,
                })?;
            }
        }
        Ok(())
    }

    /// The world that programs run in.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The world, to change it between runs.
    pub fn world_mut(&mut self) -> &mut World {
        &mut self.world
    }

    /// Names of the programs, in the order of the object.
    pub fn programs(&self) -> impl Iterator<Item = &str> {
        self.programs.iter().map(|program| program.name.as_str())
    }

    /// Runs a program once.
    ///
    /// # Errors
    /// [`Stopped`] says where and why the program could not go on. The machine can be used
    /// afterwards; what the program changed until then stays.
    pub fn run(&mut self, program: &str, input: &Input<'_>) -> Result<Output, Box<Stopped>> {
        let Some(number) = self.programs.iter().position(|of| of.name == program) else {
            let what = format!("there is no program `{program}`");
            return Err(Box::new(Stopped::before(
                program,
                Trap::Instruction { what },
            )));
        };
        self.run_number(number, input)
    }

    fn run_number(&mut self, number: usize, input: &Input<'_>) -> Result<Output, Box<Stopped>> {
        let shape = self.programs[number].context;
        let before = |trap| Box::new(Stopped::before(&self.programs[number].name, trap));
        if shape.kind == ContextKind::Bare && self.programs[number].linked.is_some() {
            let what = "the virtual machine has no context for programs of its type".to_owned();
            return Err(before(Trap::Instruction { what }));
        }
        let mark = self.space.mark();
        self.world.redirect = None;
        self.world.held.clear();
        let endian = self.space.endian();
        let (bytes, pointers) = match shape.has_packet() {
            true => {
                let skip = if shape.skips_ethernet { 14 } else { 0 };
                let data = input.bytes.get(skip..).unwrap_or_default();
                let packet = Packet::new(&mut self.space, data);
                let packet = packet.map_err(|_| before(Trap::Memory))?;
                let bytes = match shape.kind {
                    ContextKind::Xdp => context::xdp_md(endian, input.ifindex, input.queue),
                    _ => context::sk_buff(
                        endian,
                        input.bytes,
                        packet.len(),
                        input.ifindex,
                        input.mark,
                    ),
                };
                let pointers = shape.pointers(&packet);
                self.world.packet = Some(packet);
                (bytes, pointers)
            }
            false => (input.bytes.to_vec(), Vec::new()),
        };
        debug_assert!(shape.size == 0 || shape.size == bytes.len());
        let context = self.space.set_context(bytes, shape.fields, pointers);
        let mut run = Run::new(
            &self.programs,
            &mut self.world,
            &mut self.space,
            Unwatched,
            number,
            self.limit,
        );
        let result = run.run([context, 0, 0, 0, 0]);
        let (instructions, stop, callers) = (run.executed, run.stop, run.callers());
        let output = result.map(|result| {
            let packet = self.world.packet.as_ref();
            let bytes = match packet {
                Some(packet) => packet.bytes(&self.space).unwrap_or_default(),
                None => self.space.context_bytes().unwrap_or_default().to_vec(),
            };
            let metadata = packet.and_then(|packet| packet.metadata(&self.space).ok());
            Output {
                result: result as u32,
                bytes,
                metadata: metadata.unwrap_or_default(),
                redirect: self.world.redirect.take(),
                instructions,
            }
        });
        self.give_back();
        self.world.packet = None;
        self.space.shrink(mark);
        output.map_err(|trap| {
            Box::new(Stopped::new(
                &self.programs,
                trap,
                stop,
                &callers,
                instructions,
            ))
        })
    }

    /// Gives up what a program that stopped still holds.
    fn give_back(&mut self) {
        for held in std::mem::take(&mut self.world.held) {
            if let hachi_machine::Held::Record { map, address } = held
                && let Some(number) = self.world.map_number(&map)
                && let Some(ring) = self.world.maps[number as usize].ring()
            {
                ring.finish(&mut self.space, address, true);
            }
        }
    }

    /// The numbers of the maps, by name.
    fn number(&self, map: &str) -> Result<usize, Error> {
        let number = self.world.map_number(map).map(|number| number as usize);
        number.ok_or_else(|| Error::NoSuchMap {
            map: map.to_owned(),
        })
    }

    /// The value of a key: one for each CPU if the map is per CPU, else one; none if the key is not
    /// there.
    ///
    /// # Errors
    /// If there is no such map.
    pub fn lookup(&self, map: &str, key: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
        let map = &self.world.maps[self.number(map)?];
        Ok(map.values(&self.space, key).unwrap_or_default())
    }

    /// Sets the value of a key, on all CPUs.
    ///
    /// # Errors
    /// If there is no such map, or it refuses.
    pub fn update(&mut self, map: &str, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let number = self.number(map)?;
        let cpus = match self.world.maps[number].is_per_cpu() {
            true => self.world.cpus,
            false => 1,
        };
        for cpu in 0..cpus {
            let map = &mut self.world.maps[number];
            let updated = map.update(&mut self.space, key, value, BPF_ANY, cpu);
            match updated {
                Ok(Ok(())) => {}
                Ok(Err(errno)) => {
                    return Err(Error::MapOperation {
                        map: map.name().to_owned(),
                        operation: "update",
                        errno,
                    });
                }
                Err(_) => return Err(Error::Memory),
            }
        }
        Ok(())
    }

    /// Removes a key.
    ///
    /// # Errors
    /// If there is no such map, or it refuses.
    pub fn delete(&mut self, map: &str, key: &[u8]) -> Result<(), Error> {
        let number = self.number(map)?;
        let map = &mut self.world.maps[number];
        match map.delete(&mut self.space, key) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(errno)) => Err(Error::MapOperation {
                map: map.name().to_owned(),
                operation: "delete",
                errno,
            }),
            Err(_) => Err(Error::Memory),
        }
    }

    /// The keys of a map, in an order that depends only on what was done with it.
    ///
    /// # Errors
    /// If there is no such map.
    pub fn keys(&self, map: &str) -> Result<Vec<Vec<u8>>, Error> {
        Ok(self.world.maps[self.number(map)?].keys())
    }

    /// Takes what a reader of a ring buffer would get now.
    ///
    /// # Errors
    /// If there is no such map; `EINVAL` if it is not a ring buffer.
    pub fn take_records(&mut self, map: &str) -> Result<Vec<Vec<u8>>, Error> {
        let number = self.number(map)?;
        match self.world.maps[number].ring() {
            Some(ring) => Ok(ring.take().into_iter().map(|record| record.0).collect()),
            None => Err(Error::MapOperation {
                map: map.to_owned(),
                operation: "reading records",
                errno: Errno::EINVAL,
            }),
        }
    }
}

fn read_only(mut map: MapSpec) -> MapSpec {
    map.flags |= hachi_obj::flags::BPF_F_RDONLY_PROG;
    map
}

/// The contents of `.kconfig`.
fn options(spec: &Spec, map: &MapSpec, config: &Config) -> Result<Vec<u8>, Error> {
    let mut value = vec![0; map.value_size as usize];
    let refuse = |option: &Extern, reason: String| Error::Extern {
        name: option.name.clone(),
        reason,
    };
    for option in &spec.externs {
        if !matches!(option.kind, ExternKind::Kconfig { .. }) {
            continue;
        }
        let Some((ty, place)) = option.kconfig(&mut value) else {
            continue;
        };
        let written = match option.name.as_str() {
            "LINUX_KERNEL_VERSION" => {
                ty.write_number(config.kernel_version.into(), place, spec.endian)
            }
            "LINUX_HAS_BPF_COOKIE" | "LINUX_HAS_SYSCALL_WRAPPER" => {
                ty.write_number(1, place, spec.endian)
            }
            name => {
                let mut set = kconfig::options(&config.kernel_config).filter_map(Result::ok);
                match set.find(|(of, _)| *of == name) {
                    Some((_, text)) => ty.write(text, place, spec.endian),
                    None if option.weak => Ok(()),
                    None => {
                        let reason = "no configuration was given that sets it".to_owned();
                        return Err(refuse(option, reason));
                    }
                }
            }
        };
        written.map_err(|error| refuse(option, error.to_string()))?;
    }
    Ok(value)
}

/// What answers the questions of programs.
struct Surroundings<'s> {
    spec: &'s Spec,
    types: Option<&'s Btf<'s>>,
    /// Names of kernel functions: number N stands for the one at N - 1.
    kfuncs: &'s RefCell<Vec<String>>,
}

impl Surroundings<'_> {
    fn is_weak(&self, name: &str) -> bool {
        self.spec
            .externs
            .iter()
            .any(|of| of.name == name && of.weak)
    }
}

impl Resolve for Surroundings<'_> {
    type Error = Error;

    fn map(&self, name: &str) -> Result<i32, Error> {
        let maps = &self.spec.maps;
        match maps.iter().position(|map| map.name == name) {
            Some(number) => Ok(number as i32),
            None => Err(Error::NoSuchMap {
                map: name.to_owned(),
            }),
        }
    }

    fn kfunc(&self, name: &str) -> Result<Option<Kfunc>, Error> {
        if self.is_weak(name) {
            return Ok(None);
        }
        let mut names = self.kfuncs.borrow_mut();
        let at = match names.iter().position(|of| of == name) {
            Some(at) => at,
            None => {
                names.push(name.to_owned());
                names.len() - 1
            }
        };
        Ok(Some(Kfunc::new(at as u32 + 1, None)))
    }

    fn ksym(&self, name: &str) -> Result<Ksym, Error> {
        match self.is_weak(name) {
            true => Ok(Ksym::Address(0)),
            false => Err(Error::Extern {
                name: name.to_owned(),
                reason: "the virtual machine has no such variable or function; if the program \
                         can do without, declare it as weak"
                    .to_owned(),
            }),
        }
    }

    fn types(&self, _: usize) -> Result<Option<&Btf<'_>>, Error> {
        Ok(self.types)
    }
}

/// Instructions without an object: what conformance suites run.
///
/// They get a pointer to memory in r1 and its length in r2.
///
/// ```
/// use hachi_asm::build::{exit, mov};
/// let mut bare = hachi_vm::Bare::new(&[mov(0, 2), exit()], &[1, 2, 3]).unwrap();
/// assert_eq!(bare.run().unwrap(), 3);
/// ```
#[derive(Debug, Clone)]
pub struct Bare {
    world: World,
    space: Space,
    programs: [Program; 1],
    memory: u64,
    len: u64,
    limit: u64,
}

impl Bare {
    /// Instructions of a little-endian machine, and the memory they get.
    ///
    /// # Errors
    /// If they break a rule of the instruction set.
    pub fn new(insns: &[Insn], memory: &[u8]) -> Result<Bare, Invalid> {
        let config = Config::default();
        let mut space = Space::new(Endian::Little, config.memory);
        let len = memory.len() as u64;
        let memory = match memory {
            [] => 0,
            bytes => space
                .add(Kind::Input, bytes.to_vec(), true)
                .map_err(|_| Invalid {
                    insn: 0,
                    rule: "its memory is too large".to_owned(),
                })?,
        };
        let world = World::new(config.cpus);
        let mut program = Program::bare(insns, Endian::Little)?;
        program.resolve_maps(&world)?;
        Ok(Bare {
            world,
            space,
            programs: [program],
            memory,
            len,
            limit: config.instructions,
        })
    }

    /// Lets accesses of the stack that begin below the frame pointer reach `bytes` above it, as
    /// machines do that put frames side by side; at most 64.
    pub fn set_stack_slack(&mut self, bytes: u64) {
        self.space.set_slack(bytes);
    }

    /// How many instructions a run may take.
    pub fn set_limit(&mut self, instructions: u64) {
        self.limit = instructions;
    }

    /// Runs them. What they change in their memory stays.
    ///
    /// # Errors
    /// [`Stopped`] says where and why they could not go on.
    pub fn run(&mut self) -> Result<u64, Box<Stopped>> {
        let mark = self.space.mark();
        let mut run = Run::new(
            &self.programs,
            &mut self.world,
            &mut self.space,
            Unwatched,
            0,
            self.limit,
        );
        run.input = Some((self.memory, self.len));
        let result = run.run([self.memory, self.len, 0, 0, 0]);
        let result = match result {
            Ok(result) => Ok(result),
            Err(trap) => {
                let (instructions, stop, callers) = (run.executed, run.stop, run.callers());
                let stopped = Stopped::new(&self.programs, trap, stop, &callers, instructions);
                Err(Box::new(stopped))
            }
        };
        self.space.shrink(mark);
        result
    }

    /// The memory, as the instructions left it.
    pub fn memory(&self) -> Vec<u8> {
        self.space
            .bytes(self.memory, self.len as usize)
            .unwrap_or_default()
    }
}

/// Where a run was, as a place of a program.
pub(crate) fn place(programs: &[Program], at: Stop) -> (&Program, usize) {
    (&programs[at.program.min(programs.len() - 1)], at.pc)
}
