//! From a program as its object has it to instructions that can be loaded.
//!
//! [`ProgramSpec::link`] appends the functions that a program calls and asks its surroundings, a
//! [`Resolve`], for all that the object leaves open: maps, functions and variables of the kernel,
//! the layout of the kernel's types (CO-RE). It is pure: the same program and the same answers give
//! the same instructions, and the [`Spec`](crate::Spec) stays what the file says.
//!
//! ```
//! # fn main() -> Result<(), hachi_obj::Error> {
//! use hachi_asm::build::{exit, mov_imm};
//! use hachi_obj::{Code, ProgramSpec, ProgramType, link::Nothing};
//!
//! let code = Code::new("pass", vec![mov_imm(0, 2), exit()]);
//! let program = ProgramSpec::new("pass", ProgramType::Xdp, code);
//! assert_eq!(program.link(&Nothing)?.insns.len(), 2);
//! # Ok(())
//! # }
//! ```

mod patch;

use std::fmt;

use hachi_asm::Insn;
use hachi_asm::consts::BPF_PSEUDO_BTF_ID;
use hachi_btf::core::{CoreError, Missing, Outcome, Resolver};
use hachi_btf::ext::{FuncInfo, LineInfo, LineRecord};
use hachi_btf::{Btf, OwnedBtf};

use crate::code::{self, function_at, line_at};
use crate::error::{BtfUser, ProgramFault};
use crate::{Code, Error, Function, ProgramSpec, RelocationKind, SourceLine};

pub use patch::{POISON, POISON_KFUNC};

/// What surrounds a program and answers what its object leaves open: a kernel, or a machine that
/// stands in for one.
///
/// Names are those of the [`MapSpec`](crate::MapSpec)s and [`Extern`](crate::Extern)s of the
/// program's object. Each question is asked for each place that needs its answer.
pub trait Resolve {
    /// Why something has no answer.
    type Error: From<Error>;

    /// The number by which instructions refer to a map: its descriptor, for the kernel.
    ///
    /// # Errors
    /// If there is no such map. The program cannot be linked then.
    fn map(&self, name: &str) -> Result<i32, Self::Error>;

    /// The number of a map of instructions ([`MapType::InsnArray`](crate::MapType)) that holds the
    /// targets of a jump table, which are slots of the program. Asked once for each place that
    /// refers to a table.
    ///
    /// `None`, the default, if there are no such maps here: the program cannot be linked then.
    ///
    /// # Errors
    /// If the map cannot be made.
    fn jump_table(&self, targets: &[u32]) -> Result<Option<i32>, Self::Error> {
        let _ = targets;
        Ok(None)
    }

    /// A function of the kernel that is called. `None` if it is missing, and the object can do
    /// without (it is weak): the call is then poisoned.
    ///
    /// # Errors
    /// If it is missing, or is not what the object declares.
    fn kfunc(&self, name: &str) -> Result<Option<Kfunc>, Self::Error>;

    /// A variable of the kernel, or a function whose address is taken.
    ///
    /// # Errors
    /// If it is missing, or is not what the object declares.
    fn ksym(&self, name: &str) -> Result<Ksym, Self::Error>;

    /// Called for each use of the configuration option at this offset of the map `.kconfig`.
    ///
    /// # Errors
    /// If the option has no value.
    fn option(&self, offset: u32) -> Result<(), Self::Error> {
        let _ = offset;
        Ok(())
    }

    /// The kernel's types, which `questions` CO-RE records of the program ask about. Called only if
    /// there are some; `None` is a kernel without types, which has nothing of what is asked for.
    ///
    /// # Errors
    /// If the types are needed and cannot be read.
    fn types(&self, questions: usize) -> Result<Option<&Btf<'_>>, Self::Error>;

    /// The types of the kernel's modules, each on top of the kernel's own. Called only for what the
    /// kernel itself lacks.
    fn module_types(&self) -> Vec<&Btf<'_>> {
        Vec::new()
    }
}

/// A function of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kfunc {
    /// The id of its FUNC.
    pub btf_id: u32,
    /// What stands for the types of the module that has it, a descriptor for the kernel; `None` if
    /// it is the kernel's own.
    pub module: Option<i32>,
}

impl Kfunc {
    /// A function by the id of its FUNC, in the types of the kernel or of a module.
    pub fn new(btf_id: u32, module: Option<i32>) -> Self {
        Kfunc { btf_id, module }
    }
}

/// The address of something in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ksym {
    /// A typed variable or function, by the id of its type and what stands for the types of the
    /// module that has it: 0 if it is the kernel's own.
    Typed {
        /// The id of its VAR or FUNC.
        btf_id: u32,
        /// What stands for its module.
        module: i32,
    },
    /// A plain number: an address, or 0 for what is missing and weak.
    Address(u64),
}

/// Surroundings without anything.
///
/// Programs that refer to maps, or to externs that are not weak, cannot be linked with it; CO-RE
/// records find nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nothing;

impl Resolve for Nothing {
    type Error = Error;

    fn map(&self, name: &str) -> Result<i32, Error> {
        Err(Error::NoSuchMap {
            name: name.to_owned(),
            existing: Vec::new(),
        })
    }

    fn kfunc(&self, _: &str) -> Result<Option<Kfunc>, Error> {
        Ok(None)
    }

    fn ksym(&self, _: &str) -> Result<Ksym, Error> {
        Ok(Ksym::Address(0))
    }

    fn types(&self, _: usize) -> Result<Option<&Btf<'_>>, Error> {
        Ok(None)
    }
}

/// Surroundings that are a kernel's types and nothing else: to see what CO-RE makes of a program.
///
/// Maps have the number 0, and so do kernel functions and variables, as if all were there.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Types<'t> {
    /// The kernel's.
    pub kernel: &'t Btf<'t>,
    /// Those of modules.
    pub modules: &'t [&'t Btf<'t>],
}

impl<'t> Types<'t> {
    /// The types of a kernel and of its modules.
    pub fn new(kernel: &'t Btf<'t>, modules: &'t [&'t Btf<'t>]) -> Self {
        Types { kernel, modules }
    }
}

impl Resolve for Types<'_> {
    type Error = Error;

    fn map(&self, _: &str) -> Result<i32, Error> {
        Ok(0)
    }

    fn jump_table(&self, _: &[u32]) -> Result<Option<i32>, Error> {
        Ok(Some(0))
    }

    fn kfunc(&self, _: &str) -> Result<Option<Kfunc>, Error> {
        Ok(Some(Kfunc {
            btf_id: 0,
            module: None,
        }))
    }

    fn ksym(&self, _: &str) -> Result<Ksym, Error> {
        Ok(Ksym::Address(0))
    }

    fn types(&self, _: usize) -> Result<Option<&Btf<'_>>, Error> {
        Ok(Some(self.kernel))
    }

    fn module_types(&self) -> Vec<&Btf<'_>> {
        self.modules.to_vec()
    }
}

/// A program that can be loaded: nothing is left open. Made by [`ProgramSpec::link`].
///
/// All places count instruction slots from the start.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Linked {
    /// The instructions.
    pub insns: Vec<Insn>,
    /// The functions they make up, in order; the first is the program itself.
    pub functions: Vec<Function>,
    /// Which BTF functions begin where; empty, or one for each function.
    pub func_info: Vec<FuncInfo>,
    /// Which source lines begin where. The text is in the object's types.
    pub line_info: Vec<LineRecord>,
    /// The types that `func_info` and `line_info` refer to.
    pub btf: Option<OwnedBtf>,
    /// What stands for the modules that calls refer to by index (`fd_array`). Index 0 is the kernel
    /// itself; empty if no call leads to a module.
    pub modules: Vec<i32>,
    /// The instructions that ask for something the kernel does not have.
    pub poisoned: Vec<Poisoned>,
}

/// An instruction that asks for something the kernel does not have. It was replaced by one that the
/// verifier refuses if it can be reached ([`POISON`], [`POISON_KFUNC`]).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Poisoned {
    /// Its slot.
    pub insn: usize,
    /// What it asks for.
    pub missing: Absent,
}

/// What the kernel does not have. `Display` says so.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Absent {
    /// A type, field or enumerator.
    Type(Missing),
    /// A kernel function of this name (and of the type that the program declares).
    Kfunc(String),
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Absent::Type(missing) => missing.fmt(f),
            Absent::Kfunc(name) => write!(
                f,
                "kernel function `{name}` does not exist on this kernel, or is of another type \
                 there"
            ),
        }
    }
}

impl Linked {
    /// The function that slot `insn` belongs to.
    pub fn function_at(&self, insn: usize) -> Option<&Function> {
        function_at(&self.functions, insn)
    }

    /// The source line that slot `insn` belongs to: the last record at or before it within its
    /// function.
    pub fn line_at(&self, insn: usize) -> Option<SourceLine<'_>> {
        line_at(&self.functions, &self.line_info, self.btf.as_ref(), insn)
    }

    /// All source lines, with their text.
    pub fn lines(&self) -> Vec<LineInfo> {
        code::lines(&self.line_info, self.btf.as_ref())
    }
}

impl ProgramSpec {
    /// Makes a program that can be loaded: its code and that of the functions it calls, with all
    /// that the object leaves open as `resolve` answers it.
    ///
    /// What the kernel does not have and the object can do without is not an error: see
    /// [`Linked::poisoned`].
    ///
    /// # Errors
    /// Those of `resolve`; those of [`ProgramSpec::code`]; [`Error::Relocation`] for what the
    /// object itself lacks; [`Error::Core`] and [`Error::CoreInsn`] for a CO-RE record that makes
    /// no sense, has no unambiguous answer, or whose answer does not fit the instruction.
    pub fn link<R: Resolve + ?Sized>(&self, resolve: &R) -> Result<Linked, R::Error> {
        let code = self.code()?.into_owned();
        let mut linker = Linker {
            program: self,
            resolve,
            code,
            modules: Vec::new(),
            poisoned: Vec::new(),
        };
        linker.core_relos()?;
        linker.relocations()?;
        let Linker {
            code,
            modules,
            poisoned,
            ..
        } = linker;
        Ok(Linked {
            insns: code.insns,
            functions: code.functions,
            func_info: code.func_info,
            line_info: code.line_info,
            btf: code.btf,
            modules,
            poisoned,
        })
    }
}

/// A program whose open places are being filled in.
struct Linker<'r, R: ?Sized> {
    program: &'r ProgramSpec,
    resolve: &'r R,
    code: Code,
    modules: Vec<i32>,
    poisoned: Vec<Poisoned>,
}

impl<R: Resolve + ?Sized> Linker<'_, R> {
    /// Adjusts the program to the kernel's types.
    fn core_relos(&mut self) -> Result<(), R::Error> {
        if self.code.core_relos.is_empty() {
            return Ok(());
        }
        let Some(btf) = self.code.btf.clone() else {
            let by = BtfUser::CoreRelos;
            return Err(Error::MissingBtf { by }.into());
        };
        let local = btf.types();
        let kernel = match self.code.kernel_questions() {
            0 => None,
            questions => self.resolve.types(questions)?,
        };
        let modules = || self.resolve.module_types();
        let mut resolver = Resolver::new(&local, kernel, &modules);
        for number in 0..self.code.core_relos.len() {
            let record = self.code.core_relos[number];
            let at = record.insn_off as usize;
            let relo = record.relo(&local).map_err(|source| Error::Btf {
                section: ".BTF.ext",
                source,
            })?;
            let failed = |source: CoreError| Error::Core {
                program: self.program.name.clone(),
                place: self.code.place(at),
                source: Box::new(source),
            };
            let missing = match resolver.resolve(relo).map_err(failed)? {
                Outcome::Missing(missing) => Some(missing),
                Outcome::Value(value) => match patch::apply(&mut self.code.insns, at, &value) {
                    Ok(None) => None,
                    Ok(Some(reason)) => {
                        let failed = |source: CoreError| Error::Core {
                            program: self.program.name.clone(),
                            place: self.code.place(at),
                            source: Box::new(source),
                        };
                        Some(resolver.missing(relo, reason).map_err(failed)?)
                    }
                    Err(fault) => {
                        return Err(Error::CoreInsn {
                            program: self.program.name.clone(),
                            place: self.code.place(at),
                            fault,
                        }
                        .into());
                    }
                },
            };
            if let Some(missing) = missing {
                patch::poison(&mut self.code.insns, at);
                self.poisoned.push(Poisoned {
                    insn: at,
                    missing: Absent::Type(missing),
                });
            }
        }
        Ok(())
    }

    /// Fills in maps, kernel functions and kernel variables.
    fn relocations(&mut self) -> Result<(), R::Error> {
        for relocation in &self.code.relocations {
            let at = relocation.insn;
            let beyond = || {
                self.program
                    .fault(ProgramFault::RelocationBeyond { insn: at })
            };
            let [insn, rest @ ..] = self.code.insns.get_mut(at..).unwrap_or_default() else {
                return Err(beyond().into());
            };
            match &relocation.kind {
                RelocationKind::Map { name } => insn.imm = self.resolve.map(name)?,
                RelocationKind::GlobalData { map, offset } => {
                    if &**map == KCONFIG {
                        self.resolve.option(*offset)?;
                    }
                    insn.imm = self.resolve.map(map)?;
                }
                RelocationKind::JumpTable { targets } => {
                    let table = self.resolve.jump_table(targets)?;
                    insn.imm = table.ok_or_else(|| self.program.fault(ProgramFault::JumpTables))?;
                }
                RelocationKind::Kfunc { name, place } => match self.resolve.kfunc(name)? {
                    Some(Kfunc { btf_id, module }) => {
                        insn.imm = btf_id as i32;
                        insn.off = match module {
                            None => 0,
                            Some(module) => module_index(&mut self.modules, module)
                                .ok_or_else(|| self.program.fault(ProgramFault::TooManyModules))?,
                        };
                    }
                    None => {
                        patch::poison_kfunc(insn, *place);
                        self.poisoned.push(Poisoned {
                            insn: at,
                            missing: Absent::Kfunc(name.to_string()),
                        });
                    }
                },
                RelocationKind::Ksym { name } => {
                    let Some(second) = rest.first_mut() else {
                        return Err(beyond().into());
                    };
                    (insn.src, insn.imm, second.imm) = match self.resolve.ksym(name)? {
                        Ksym::Typed { btf_id, module } => {
                            (BPF_PSEUDO_BTF_ID, btf_id as i32, module)
                        }
                        Ksym::Address(address) => (0, address as i32, (address >> 32) as i32),
                    };
                }
                RelocationKind::Unresolved { error, .. } => return Err((**error).clone().into()),
            }
        }
        Ok(())
    }
}

/// The map of configuration options.
const KCONFIG: &str = ".kconfig";

/// The index of a module, which is added if it is new. Index 0 means the kernel itself, whatever
/// stands there.
fn module_index(modules: &mut Vec<i32>, module: i32) -> Option<i16> {
    if modules.is_empty() {
        modules.push(0);
    }
    let known = modules[1..].iter().position(|&other| other == module);
    let index = match known {
        Some(at) => at + 1,
        None => {
            modules.push(module);
            modules.len() - 1
        }
    };
    i16::try_from(index).ok()
}
