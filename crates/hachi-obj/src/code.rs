use std::sync::Arc;

use hachi_asm::Insn;
use hachi_btf::OwnedBtf;
use hachi_btf::ext::{CoreRecord, CoreRelo, CoreReloKind, FuncInfo, LineInfo, LineRecord};

use crate::Error;
use crate::error::{BtfUser, Place};

/// The code of a program: its own function, then the functions it calls, calls already fixed up.
///
/// What only the program's surroundings can supply (maps, functions of the kernel, the layout of
/// its types) is still open; [`ProgramSpec::link`](crate::ProgramSpec::link) fills it in.
///
/// All places count **instruction slots from the start of the program**, those in `func_info`,
/// `line_info` and `core_relos` included.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Code {
    /// The instructions.
    pub insns: Vec<Insn>,
    /// The functions they make up, in order; the first is the program itself.
    pub functions: Vec<Function>,
    /// What must be filled in before loading, by place.
    pub relocations: Vec<Relocation>,
    /// Which BTF functions begin where; empty if `.BTF.ext` does not know all of the functions.
    pub func_info: Vec<FuncInfo>,
    /// Which source lines begin where, their text being strings of `btf`; empty if the object has
    /// none.
    pub line_info: Vec<LineRecord>,
    /// Accesses to adjust to the kernel's types, by place. Ids and paths are those of `btf`.
    pub core_relos: Vec<CoreRecord>,
    /// The types that the records above refer to: the object's.
    pub btf: Option<OwnedBtf>,
}

/// A function inside a program.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Its first slot.
    pub start: usize,
    /// How many slots it has.
    pub len: usize,
}

impl Function {
    /// A function of `len` slots that begins at slot `start`.
    pub fn new(name: impl Into<String>, start: usize, len: usize) -> Self {
        Function {
            name: name.into(),
            start,
            len,
        }
    }
}

/// Something to be filled in before loading.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Relocation {
    /// Slot of the instruction.
    pub insn: usize,
    /// What belongs there.
    pub kind: RelocationKind,
}

impl Relocation {
    /// What belongs into the instruction at slot `insn`.
    pub fn new(insn: usize, kind: RelocationKind) -> Self {
        Relocation { insn, kind }
    }
}

/// Kinds of relocations.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RelocationKind {
    /// `ld_imm64` of a map (`src` is `BPF_PSEUDO_MAP_FD`): `imm` becomes the map's number.
    Map {
        /// Name of the [`crate::MapSpec`].
        name: Arc<str>,
    },
    /// `ld_imm64` of the address of a global variable (`src` is `BPF_PSEUDO_MAP_VALUE`, the
    /// second slot's `imm` has the offset already): `imm` becomes the map's number.
    GlobalData {
        /// Name of the [`crate::MapSpec`]: the section.
        map: Arc<str>,
        /// Offset in its value, in bytes.
        offset: u32,
    },
    /// `call` of a kernel function (`src` is `BPF_PSEUDO_KFUNC_CALL`): `imm` becomes its BTF id,
    /// `off` the index of its module among [`Linked::modules`](crate::link::Linked::modules).
    Kfunc {
        /// Name of the [`crate::Extern`].
        name: Arc<str>,
        /// Its place among the object's externs in the order of libbpf: options of the kernel's
        /// configuration, then functions and variables by name. It is part of what takes the place
        /// of the call on a kernel without the function, and so of the program's tag.
        place: u32,
    },
    /// `ld_imm64` of the address of a kernel variable (or function): for a typed one `src` becomes
    /// `BPF_PSEUDO_BTF_ID` and `imm` its BTF id, for an untyped one the two slots become the
    /// address.
    Ksym {
        /// Name of the [`crate::Extern`].
        name: Arc<str>,
    },
    /// `ld_imm64` of the address of a jump table, from which `gotox` takes its target (`src` is
    /// `BPF_PSEUDO_MAP_VALUE`): `imm` becomes the number of a map of instructions
    /// ([`MapType::InsnArray`](crate::MapType), Linux 6.19) that holds these targets.
    JumpTable {
        /// Where each of its entries leads, as slots of the program.
        targets: Vec<u32>,
    },
    /// A call or a `ld_imm64` of something that this object does not have, or that makes no sense.
    /// The program can be looked at, but not linked.
    Unresolved {
        /// What it refers to.
        symbol: Arc<str>,
        /// What is wrong with it.
        error: Box<Error>,
    },
}

/// A place in the source. Made by [`Code::line_at`] and [`Linked::line_at`](crate::link::Linked).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceLine<'a> {
    /// The first slot that belongs to it.
    pub insn: usize,
    /// The source file.
    pub file: &'a str,
    /// The text of the line; empty if the compiler could not read the source.
    pub text: &'a str,
    /// Number of the line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

impl Code {
    /// Code of a single function without relocations.
    pub fn new(function: impl Into<String>, insns: Vec<Insn>) -> Code {
        Code {
            functions: vec![Function {
                name: function.into(),
                start: 0,
                len: insns.len(),
            }],
            insns,
            ..Code::default()
        }
    }

    /// The function that slot `insn` belongs to.
    pub fn function_at(&self, insn: usize) -> Option<&Function> {
        function_at(&self.functions, insn)
    }

    /// The source line that slot `insn` belongs to: the last record at or before it within its
    /// function.
    pub fn line_at(&self, insn: usize) -> Option<SourceLine<'_>> {
        line_at(&self.functions, &self.line_info, self.btf.as_ref(), insn)
    }

    /// The relocation of slot `insn`.
    pub fn relocation_at(&self, insn: usize) -> Option<&Relocation> {
        let at = self.relocations.binary_search_by_key(&insn, |r| r.insn);
        self.relocations.get(at.ok()?)
    }

    /// The CO-RE records with the text of their paths.
    ///
    /// # Errors
    /// Each that is of an unknown kind or refers to a string that is not there.
    pub fn core_relos(&self) -> impl Iterator<Item = Result<CoreRelo<&str>, Error>> + '_ {
        let btf = self.btf.as_ref().map(OwnedBtf::types);
        let records = self.core_relos.iter();
        records.map(move |record| match &btf {
            Some(btf) => record.relo(btf).map_err(|source| Error::Btf {
                section: ".BTF.ext",
                source,
            }),
            None => Err(Error::MissingBtf {
                by: BtfUser::CoreRelos,
            }),
        })
    }

    /// How many CO-RE records ask the kernel for something, so that its types are needed to link
    /// the program.
    pub fn kernel_questions(&self) -> usize {
        let local = CoreReloKind::TypeIdLocal as u32;
        let asking = |record: &&CoreRecord| record.kind != local;
        self.core_relos.iter().filter(asking).count()
    }

    /// Where an instruction comes from, for messages.
    pub(crate) fn place(&self, insn: usize) -> Place {
        let line = self.line_at(insn);
        Place {
            insn,
            line: line.map(|line| (line.file.into(), line.line)),
        }
    }
}

pub(crate) fn function_at(functions: &[Function], insn: usize) -> Option<&Function> {
    let after = functions.partition_point(|f| f.start <= insn);
    let found = functions.get(after.checked_sub(1)?)?;
    (insn - found.start < found.len).then_some(found)
}

pub(crate) fn line_at<'a>(
    functions: &[Function],
    records: &[LineRecord],
    btf: Option<&'a OwnedBtf>,
    insn: usize,
) -> Option<SourceLine<'a>> {
    let start = function_at(functions, insn).map_or(0, |f| f.start);
    let after = records.partition_point(|record| record.insn_off as usize <= insn);
    let record = records[..after].last()?;
    (record.insn_off as usize >= start).then(|| source_line(record, btf))
}

pub(crate) fn lines(records: &[LineRecord], btf: Option<&OwnedBtf>) -> Vec<LineInfo> {
    let owned = |record| {
        let line = source_line(record, btf);
        LineInfo {
            insn_off: record.insn_off,
            file: line.file.into(),
            text: line.text.into(),
            line: line.line,
            column: line.column,
        }
    };
    records.iter().map(owned).collect()
}

fn source_line<'a>(record: &LineRecord, btf: Option<&'a OwnedBtf>) -> SourceLine<'a> {
    // What cannot be read is as good as not there.
    let text = |offset| btf.and_then(|btf| btf.types().string(offset).ok());
    SourceLine {
        insn: record.insn_off as usize,
        file: text(record.file).unwrap_or_default(),
        text: text(record.text).unwrap_or_default(),
        line: record.line(),
        column: record.column(),
    }
}
