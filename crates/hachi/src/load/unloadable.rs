//! What keeps a program from being loaded, found before the kernel is asked to load it.

use std::{fmt, io, sync::Arc};

use hachi_obj::{
    ProgramType,
    kconfig::{LineError, ValueError},
};

use crate::{
    kallsyms,
    kernel_btf::{NoKernelTypes, WithoutModuleTypes},
    kernel_config::NoKernelConfig,
    maps::MapError,
    near,
    program_info::TargetProgramError,
    target::TargetKind,
};

/// What keeps a program from being loaded: something in its object, or something that the running
/// system lacks.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Unloadable {
    /// Neither its section nor the caller says of which type it is.
    NoType {
        /// Its section.
        section: String,
    },
    /// It reads the registers of another kind of machine.
    Registers {
        /// The machine that the object was built for, as Rust spells it.
        of: String,
        /// `file:line` of the first place that does.
        line: Option<String>,
    },
    /// It uses a map that the object does not define.
    NoMap {
        /// The map.
        map: String,
    },
    /// It uses a map that was left out, as [`allow_unsupported_maps`] allows.
    ///
    /// [`allow_unsupported_maps`]: crate::EbpfLoader::allow_unsupported_maps
    MapLeftOut {
        /// The map.
        map: String,
        /// Why it was left out.
        error: Arc<MapError>,
    },
    /// It jumps through a table (`gotox`), and the kernel does not take the map for it.
    JumpTable(Arc<MapError>),
    /// It depends on the kernel's types (CO-RE), which cannot be read.
    KernelTypes {
        /// How many places of the program depend on them.
        questions: usize,
        /// Why they cannot be read.
        error: NoKernelTypes,
    },
    /// It reads an option of the kernel's configuration that has no value.
    Option {
        /// The option: `CONFIG_HZ`.
        option: String,
        /// Why it has none.
        problem: OptionProblem,
    },
    /// It uses a function or a variable of the kernel.
    Extern {
        /// What it is.
        kind: SymbolKind,
        /// Its name.
        name: String,
        /// Why the program cannot use it.
        problem: ExternProblem,
    },
    /// What it attaches to, which the kernel needs at load, is not known.
    Target(TargetProblem),
    /// It is a function of a struct that the kernel cannot register.
    StructOps(StructOpsProblem),
}

/// What a program uses of the kernel by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SymbolKind {
    /// A function, by its type.
    Function,
    /// A variable, by its type.
    Variable,
    /// A symbol without a type.
    Symbol,
}

/// Why an option of the kernel's configuration has no value.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum OptionProblem {
    /// The configuration does not set it.
    NotSet {
        /// The file.
        source: String,
    },
    /// A line of the configuration cannot be understood.
    Line {
        /// The file.
        source: String,
        /// Which line.
        error: LineError,
    },
    /// The kernel's configuration cannot be read.
    NoConfig(Arc<NoKernelConfig>),
    /// Its value does not fit the program's variable.
    Value {
        /// Where the value is from; `None` for the questions that loaders answer.
        source: Option<String>,
        /// Why it does not fit.
        error: ValueError,
    },
    /// The program's variable lies outside of map `.kconfig`.
    Outside,
    /// It asks for the version of the kernel, and uname(2) gives none.
    NoVersion,
    /// It asks for what the kernel's list of symbols (`/proc/kallsyms`) tells, which cannot be
    /// read.
    NoSymbols(Arc<io::Error>),
    /// It is neither an option of the kernel nor a question that loaders answer.
    Unknown,
}

/// Why a program cannot use a function or a variable of the kernel.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ExternProblem {
    /// The object uses it without declaring it.
    Undeclared,
    /// The object has no types, which would say what it is.
    Untyped,
    /// The kernel's types, in which it is looked for, cannot be read.
    KernelTypes(NoKernelTypes),
    /// The types of the module that has it cannot be handed to the kernel.
    Module(WithoutModuleTypes),
    /// Neither the kernel nor a loaded module has it.
    Missing {
        /// Names like it, the likeliest first.
        similar: Vec<String>,
    },
    /// The kernel's is of another type.
    Different {
        /// What the program declares, in C.
        declared: String,
        /// What the kernel has, in C.
        actual: String,
    },
    /// The two types cannot be compared.
    Incomparable(hachi_btf::core::CoreError),
    /// `/proc/kallsyms` does not have it.
    NoAddress,
    /// `/proc/kallsyms` has it in several places.
    Ambiguous {
        /// The first address.
        first: u64,
        /// Another one.
        second: u64,
    },
    /// `/proc/kallsyms` cannot be read.
    Unreadable(Arc<io::Error>),
    /// `/proc/kallsyms` shows no addresses to this process.
    Hidden,
}

/// Why the target that the kernel needs at load is not known.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TargetProblem {
    /// Neither section nor caller names it.
    NotNamed {
        /// The program's section.
        section: String,
    },
    /// It replaces a function of a program, which the caller has to give.
    NoProgram,
    /// Programs of this type have no target when they are loaded.
    NotOfType {
        /// The program's type.
        kind: ProgramType,
    },
    /// The program that it traces, or a function of which it replaces.
    Program(Arc<TargetProgramError>),
    /// The kernel's types cannot be read.
    KernelTypes(NoKernelTypes),
    /// The types of the module that has it cannot be handed to the kernel.
    Module(WithoutModuleTypes),
    /// Neither the kernel nor a loaded module has it.
    Missing {
        /// What it would be.
        kind: TargetKind,
        /// Its name, as the program gives it.
        target: String,
        /// Its name in BTF.
        in_btf: String,
        /// Names like it, the likeliest first.
        similar: Vec<String>,
    },
}

/// Why a struct of functions does not fit the kernel.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StructOpsProblem {
    /// The object has no struct of that name.
    NotFound {
        /// The names it has.
        available: Vec<String>,
    },
    /// No struct of the object has the program.
    NoStruct,
    /// The kernel's types cannot be read.
    KernelTypes(NoKernelTypes),
    /// The types of the module that has it cannot be handed to the kernel.
    Module(WithoutModuleTypes),
    /// Neither the kernel nor a loaded module registers such structs.
    NotRegistrable {
        /// The type.
        type_name: String,
        /// The loaded modules with BTF.
        modules: Vec<String>,
        /// Types like it that can be registered, the likeliest first.
        similar: Vec<String>,
    },
    /// The kernel has the struct that wraps it, and not the struct itself.
    NoInner {
        /// The type.
        type_name: String,
    },
    /// A type of the kernel cannot be understood.
    Type {
        /// The type.
        type_name: String,
        /// Why.
        error: hachi_btf::Error,
    },
    /// The kernel's struct lacks a member.
    NoMember {
        /// The type.
        type_name: String,
        /// The member.
        member: String,
    },
    /// A member of the object's struct is larger than the kernel's.
    LargerMember {
        /// The type.
        type_name: String,
        /// The member.
        member: String,
    },
    /// The kernel's struct ends before its own members do.
    TooSmall {
        /// The type.
        type_name: String,
    },
}

/// What the names of the structs begin with that wrap those which can be registered.
pub(super) const STRUCT_OPS_WRAPPER: &str = "bpf_struct_ops_";

impl fmt::Display for Unloadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unloadable::NoType { section } => write!(
                f,
                "section {section:?} says nothing about its type; use a section name that libbpf \
                 knows, such as \"xdp\""
            ),
            Unloadable::Registers { of, line } => {
                write!(f, "it reads the registers of {of}")?;
                if let Some(line) = line {
                    write!(f, " ({line})")?;
                }
                write!(
                    f,
                    ", which the object was built for, and this machine is {here}; build it for \
                     this one: `hachi build --arch {here}`",
                    here = hachi_obj::arch::HERE
                )
            }
            Unloadable::NoMap { map } => {
                write!(f, "it uses map {map:?}, which the object does not define")
            }
            Unloadable::MapLeftOut { map, error } => {
                write!(f, "it uses map {map:?}, which was left out: {error}")
            }
            Unloadable::JumpTable(error) => write!(
                f,
                "it jumps through a table (`gotox`): {error}; build it for an older cpu (`--cpu \
                 v3`) or without jump tables (clang: -fno-jump-tables)"
            ),
            Unloadable::KernelTypes { questions, error } => {
                let places = if *questions == 1 { "place" } else { "places" };
                write!(
                    f,
                    "it depends on the kernel's types in {questions} {places} (CO-RE), and they \
                     cannot be read: {error}. If this kernel was built without \
                     CONFIG_DEBUG_INFO_BTF, bring its types along: `EbpfLoader::btf` takes them, \
                     `hachi btf min` makes a small file of them"
                )
            }
            Unloadable::Option { option, problem } => write!(
                f,
                "it reads the kernel configuration option {option:?}: {problem}"
            ),
            Unloadable::Extern {
                kind,
                name,
                problem,
            } => match problem {
                ExternProblem::Undeclared => write!(
                    f,
                    "it uses {name:?} of the kernel, which the object does not declare"
                ),
                ExternProblem::Different { declared, actual } => write!(
                    f,
                    "it uses the kernel {kind} {name:?} as `{declared}`, and on this kernel it is \
                     `{actual}`; declare it as the kernel does (`hachi bindgen` writes \
                     declarations)"
                ),
                ExternProblem::Missing { .. }
                | ExternProblem::NoAddress
                | ExternProblem::KernelTypes(_) => {
                    write!(f, "it uses the kernel {kind} {name:?}, {problem}")
                }
                _ => write!(f, "it uses the kernel {kind} {name:?}: {problem}"),
            },
            Unloadable::Target(problem) => write!(f, "{problem}"),
            Unloadable::StructOps(problem) => write!(f, "{problem}"),
        }
    }
}

impl fmt::Display for SymbolKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SymbolKind::Function => "function",
            SymbolKind::Variable => "variable",
            SymbolKind::Symbol => "symbol",
        })
    }
}

impl fmt::Display for OptionProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptionProblem::NotSet { source } => write!(f, "{source} does not set it"),
            OptionProblem::Line { source, error } => write!(f, "{source}: {error}"),
            OptionProblem::NoConfig(error) => {
                write!(f, "the kernel's configuration cannot be read ({error})")
            }
            OptionProblem::Value { source, error } => {
                write!(f, "its value {error}")?;
                match source {
                    Some(source) => write!(f, " (in {source})"),
                    None => Ok(()),
                }
            }
            OptionProblem::Outside => f.write_str("it lies outside of map \".kconfig\""),
            OptionProblem::NoVersion => f.write_str("uname(2) gives no version"),
            OptionProblem::NoSymbols(error) => {
                write!(f, "{} cannot be read: {error}", kallsyms::FILE)
            }
            OptionProblem::Unknown => f.write_str(
                "it is neither a kernel option (CONFIG_…) nor one of LINUX_KERNEL_VERSION, \
                 LINUX_HAS_BPF_COOKIE and LINUX_HAS_SYSCALL_WRAPPER",
            ),
        }?;
        if self.is_about_configuration() {
            f.write_str(
                "; if it can do without, declare it as weak, which reads as 0 then; \
                 `EbpfLoader::kernel_config` gives values",
            )?;
        }
        Ok(())
    }
}

impl OptionProblem {
    /// Whether the option would have a value if the configuration were another.
    fn is_about_configuration(&self) -> bool {
        matches!(
            self,
            OptionProblem::NotSet { .. } | OptionProblem::Line { .. } | OptionProblem::NoConfig(_)
        )
    }
}

/// What follows the name: a clause, as [`Unloadable`] joins them.
impl fmt::Display for ExternProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExternProblem::Undeclared => f.write_str("the object does not declare it"),
            ExternProblem::Untyped => {
                f.write_str("the object has no types that say what its externs are")
            }
            ExternProblem::KernelTypes(error) => {
                write!(f, "for which it needs the kernel's types: {error}")
            }
            ExternProblem::Module(error) => write!(f, "{error}"),
            ExternProblem::Missing { similar } => write!(
                f,
                "which neither this kernel nor a loaded module has (in BTF){}; if it can do \
                 without, declare it as weak, and ask before using it",
                near::did_you_mean(similar)
            ),
            ExternProblem::Different { declared, actual } => write!(
                f,
                "the program declares it as `{declared}`, and on this kernel it is `{actual}`"
            ),
            ExternProblem::Incomparable(error) => {
                write!(f, "its types cannot be compared: {error}")
            }
            ExternProblem::NoAddress => write!(
                f,
                "which {} does not have; if it can do without, declare it as weak, which gives \
                 address 0 then",
                kallsyms::FILE
            ),
            ExternProblem::Ambiguous { first, second } => write!(
                f,
                "it is ambiguous: {} has it at {first:#x} and at {second:#x}",
                kallsyms::FILE
            ),
            ExternProblem::Unreadable(error) => {
                write!(f, "{} cannot be read: {error}", kallsyms::FILE)
            }
            ExternProblem::Hidden => write!(
                f,
                "{} hides the kernel's addresses from this process; it needs CAP_SYSLOG (see \
                 kernel.kptr_restrict)",
                kallsyms::FILE
            ),
        }
    }
}

impl fmt::Display for TargetProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TargetProblem::NotNamed { section } => write!(
                f,
                "section {section:?} names no target, as in \"{section}/NAME\"; load it with the \
                 `load` of its type, which takes one"
            ),
            TargetProblem::NoProgram => f.write_str(
                "it replaces a function of another program, which must be given: load it with \
                 `Extension::load`",
            ),
            TargetProblem::NotOfType { kind } => {
                write!(f, "programs of type {} have no target at load", kind.name())
            }
            TargetProblem::Program(error) => write!(f, "{error}"),
            TargetProblem::KernelTypes(error) => write!(f, "it needs the kernel's types: {error}"),
            TargetProblem::Module(error) => write!(f, "{error}"),
            TargetProblem::Missing {
                kind,
                target,
                in_btf,
                similar,
            } => write!(
                f,
                "this kernel and its modules have no {kind} {target:?} to attach to (no \
                 {in_btf:?} in their BTF){}",
                near::did_you_mean(similar)
            ),
        }
    }
}

impl fmt::Display for StructOpsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StructOpsProblem::NotFound { available } => write!(
                f,
                "the object has no struct of functions of that name; it has {}",
                crate::error::list(available)
            ),
            StructOpsProblem::NoStruct => {
                f.write_str("no struct in section .struct_ops or .struct_ops.link has it")
            }
            StructOpsProblem::KernelTypes(error) => {
                write!(f, "it needs the kernel's types: {error}")
            }
            StructOpsProblem::Module(error) => write!(f, "{error}"),
            StructOpsProblem::NotRegistrable {
                type_name,
                modules,
                similar,
            } => {
                write!(
                    f,
                    "nobody can register a struct {type_name:?}: there is no struct \
                     \"{STRUCT_OPS_WRAPPER}{type_name}\" in the BTF of this kernel"
                )?;
                match modules.as_slice() {
                    [] => f.write_str("; it has no modules with BTF loaded")?,
                    modules => write!(f, " or its modules ({})", crate::error::list(modules))?,
                }
                f.write_str(&near::did_you_mean(similar))
            }
            StructOpsProblem::NoInner { type_name } => write!(
                f,
                "the kernel has struct \"{STRUCT_OPS_WRAPPER}{type_name}\", but no struct \
                 {type_name:?}"
            ),
            StructOpsProblem::Type { type_name, error } => {
                write!(f, "the kernel's struct {type_name:?}: {error}")
            }
            StructOpsProblem::NoMember { type_name, member } => {
                write!(
                    f,
                    "this kernel's struct {type_name:?} has no member {member:?}"
                )
            }
            StructOpsProblem::LargerMember { type_name, member } => write!(
                f,
                "member {member:?} is larger than that of this kernel's struct {type_name:?}"
            ),
            StructOpsProblem::TooSmall { type_name } => {
                write!(f, "the kernel's struct {type_name:?} is too small")
            }
        }
    }
}

impl From<TargetProblem> for Unloadable {
    fn from(problem: TargetProblem) -> Self {
        Unloadable::Target(problem)
    }
}

impl From<StructOpsProblem> for Unloadable {
    fn from(problem: StructOpsProblem) -> Self {
        Unloadable::StructOps(problem)
    }
}

/// Problems that may be about the kernel's types, or those of a module.
macro_rules! about_types {
    ($($problem:ident)*) => {$(
        impl From<NoKernelTypes> for $problem {
            fn from(error: NoKernelTypes) -> Self {
                $problem::KernelTypes(error)
            }
        }

        impl From<WithoutModuleTypes> for $problem {
            fn from(error: WithoutModuleTypes) -> Self {
                $problem::Module(error)
            }
        }
    )*};
}

about_types! { ExternProblem TargetProblem StructOpsProblem }
