use hachi_asm::Insn;
use hachi_btf::ext::{CoreRelo, FuncInfo, LineInfo};

use crate::{AttachType, ProgramType, SectionDef, core::Poisoned};

/// A program to be loaded: its own code, then the subprograms it calls, calls already fixed up.
///
/// All offsets count **instruction slots from the start of the program**, those in `func_info`,
/// `line_info` and `core_relos` included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramSpec {
    /// Its name: that of the function.
    pub name: String,
    /// Its ELF section, without a leading `?`.
    pub section: String,
    /// The row of the section table; `None` if the section name is unknown, and then
    /// `program_type` must be set before loading.
    pub section_def: Option<&'static SectionDef>,
    /// Type of the program; `Unspec` if the section name is unknown.
    pub program_type: ProgramType,
    /// Its `expected_attach_type`, if the section implies one.
    pub attach_type: Option<AttachType>,
    /// What follows the slash of the section name: a kernel function, tracepoint, path, …
    pub attach_target: Option<String>,
    /// It may sleep (`BPF_F_SLEEPABLE`).
    pub sleepable: bool,
    /// It accepts multi-buffer packets (`BPF_F_XDP_HAS_FRAGS`).
    pub frags: bool,
    /// Whether it is loaded with the object; `false` for sections that begin with `?`.
    pub autoload: bool,
    /// The code.
    pub insns: Vec<Insn>,
    /// The functions the code consists of, in order; the first is the program itself.
    pub functions: Vec<Function>,
    /// What must be filled in before loading.
    pub relocations: Vec<Relocation>,
    /// Which BTF functions begin where; empty if the object has no `.BTF.ext`.
    pub func_info: Vec<FuncInfo>,
    /// Which source lines begin where; empty if the object has none.
    pub line_info: Vec<LineInfo>,
    /// Accesses to adjust to the running kernel's types.
    pub core_relos: Vec<CoreRelo>,
    /// What the kernel turned out not to have when `core_relos` were applied, by instruction; see
    /// [`Spec::relocate`](crate::Spec::relocate).
    pub poisoned: Vec<Poisoned>,
}

/// A function inside a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Its first slot.
    pub start: usize,
    /// How many slots it has.
    pub len: usize,
}

/// Something to be filled in before loading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relocation {
    /// Slot of the instruction.
    pub insn: usize,
    /// What belongs there.
    pub kind: RelocationKind,
}

/// Kinds of relocations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelocationKind {
    /// `ld_imm64` of a map (`src` is `BPF_PSEUDO_MAP_FD`): put its descriptor into `imm`.
    Map {
        /// Name of the [`crate::MapSpec`].
        name: String,
    },
    /// `ld_imm64` of the address of a global variable (`src` is `BPF_PSEUDO_MAP_VALUE`, the
    /// second slot's `imm` has the offset already): put the map's descriptor into `imm`.
    GlobalData {
        /// Name of the [`crate::MapSpec`]: the section.
        map: String,
        /// Offset in its value, in bytes.
        offset: u32,
    },
    /// `call` of a kernel function (`src` is `BPF_PSEUDO_KFUNC_CALL`): put its BTF id into `imm`,
    /// and the index of its module in `fd_array` into `off`.
    Kfunc {
        /// Name of the [`crate::Extern`].
        name: String,
    },
    /// `ld_imm64` of the address of a kernel variable (or function): for a typed one `src` becomes
    /// `BPF_PSEUDO_BTF_ID` and `imm` its BTF id, for an untyped one the two slots become the
    /// address.
    Ksym {
        /// Name of the [`crate::Extern`].
        name: String,
    },
}

impl ProgramSpec {
    /// A program without code, for programs assembled by hand.
    pub fn new(name: impl Into<String>, program_type: ProgramType) -> ProgramSpec {
        ProgramSpec {
            name: name.into(),
            section: String::new(),
            section_def: None,
            program_type,
            attach_type: None,
            attach_target: None,
            sleepable: false,
            frags: false,
            autoload: true,
            insns: Vec::new(),
            functions: Vec::new(),
            relocations: Vec::new(),
            func_info: Vec::new(),
            line_info: Vec::new(),
            core_relos: Vec::new(),
            poisoned: Vec::new(),
        }
    }

    /// The function that slot `insn` belongs to.
    pub fn function_at(&self, insn: usize) -> Option<&Function> {
        self.functions
            .iter()
            .find(|f| (f.start..f.start + f.len).contains(&insn))
    }

    /// The source line that slot `insn` belongs to: the last record at or before it within its
    /// function.
    pub fn line_at(&self, insn: usize) -> Option<&LineInfo> {
        let start = self.function_at(insn).map_or(0, |f| f.start);
        let after = self
            .line_info
            .partition_point(|line| line.insn_off as usize <= insn);
        let line = self.line_info[..after].last()?;
        (line.insn_off as usize >= start).then_some(line)
    }

    /// The relocation of slot `insn`.
    pub fn relocation_at(&self, insn: usize) -> Option<&Relocation> {
        let i = self
            .relocations
            .binary_search_by_key(&insn, |r| r.insn)
            .ok()?;
        self.relocations.get(i)
    }
}
