//! From an object to a machine: its maps, and its programs linked and decoded.

use std::cell::RefCell;
use std::time::Duration;

use hachi_asm::Endian;
use hachi_btf::Btf;
use hachi_machine::World;
use hachi_machine::maps::Map;
use hachi_obj::link::{Kfunc, Ksym, Resolve};
use hachi_obj::{DataKind, Extern, ExternKind, MapSpec, OwnedBtf, ProgramSpec, Spec, kconfig};

use crate::context::Shape;
use crate::decode::decode;
use crate::error::{Error, ExternError};
use crate::program::Program;
use crate::run::{Budget, Engine};
use crate::space::Space;
use crate::vm::Vm;

/// How a machine is made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// How many CPUs it has.
    pub cpus: u32,
    /// Instructions that one run may take.
    pub instructions: u64,
    /// How long one run may take, if that is limited: the clock is looked at now and then. Hosts
    /// without a clock, as WebAssembly alone is, have no such limit.
    pub time: Option<Duration>,
    /// Bytes of memory that maps, packets and records may take together.
    pub memory: u64,
    /// The kernel's types, for programs that ask about them (CO-RE).
    pub types: Option<OwnedBtf>,
    /// The version of the kernel that programs may read, as `LINUX_VERSION_CODE`.
    pub kernel_version: u32,
    /// Text of a kernel configuration, for programs that read options of it.
    pub kernel_config: String,
    /// What runs the programs.
    pub engine: Engine,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            cpus: 4,
            instructions: 100_000_000,
            time: None,
            memory: 1 << 30,
            types: None,
            kernel_version: 6 << 16 | 12 << 8,
            kernel_config: String::new(),
            engine: Engine::default(),
        }
    }
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
            budget: Budget {
                instructions: config.instructions,
                time: config.time,
            },
            engine: config.engine,
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
            #[cfg(feature = "jit")]
            endian,
            context: Shape::of(spec),
            arena: None,
            kfuncs: Vec::new(),
            linked: Some(Box::new(linked)),
            #[cfg(feature = "jit")]
            compiled: crate::jit::Compiled::default(),
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
}

fn read_only(mut map: MapSpec) -> MapSpec {
    map.flags |= hachi_obj::flags::BPF_F_RDONLY_PROG;
    map
}

/// The contents of `.kconfig`.
fn options(spec: &Spec, map: &MapSpec, config: &Config) -> Result<Vec<u8>, Error> {
    let mut value = vec![0; map.value_size as usize];
    let refuse = |option: &Extern, reason| Error::Extern {
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
                    None => return Err(refuse(option, ExternError::NoOption)),
                }
            }
        };
        written.map_err(|error| refuse(option, ExternError::Option(error)))?;
    }
    Ok(value)
}

/// The name that the kernel has: what follows three underscores tells declarations apart.
fn without_flavour(name: &str) -> &str {
    name.split_once("___").map_or(name, |(name, _)| name)
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
        let flavourless = without_flavour(name);
        if self.is_weak(name) && !hachi_machine::kfuncs::is_here(flavourless) {
            return Ok(None);
        }
        let mut names = self.kfuncs.borrow_mut();
        let at = match names.iter().position(|of| of == flavourless) {
            Some(at) => at,
            None => {
                names.push(flavourless.to_owned());
                names.len() - 1
            }
        };
        Ok(Some(Kfunc::new(at as u32 + 1, None)))
    }

    fn ksym(&self, name: &str) -> Result<Ksym, Error> {
        // Programs ask for the address of a function to know whether it is there.
        if hachi_machine::kfuncs::is_here(without_flavour(name)) {
            return Ok(Ksym::Address(Space::KFUNC));
        }
        match self.is_weak(name) {
            true => Ok(Ksym::Address(0)),
            false => Err(Error::Extern {
                name: name.to_owned(),
                reason: ExternError::NotHere,
            }),
        }
    }

    fn types(&self, _: usize) -> Result<Option<&Btf<'_>>, Error> {
        Ok(self.types)
    }
}
