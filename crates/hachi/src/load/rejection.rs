//! A program the kernel would not load, with all that helps to see why.

use std::fmt;

use hachi_obj::{
    Endian, Function, LineInfo,
    inline::{InlineFrame, InlineInfo},
    inspect::Requirement,
    link::Poisoned,
};

use super::BtfProblem;
use crate::{sys::errno::SyscallError, version::KernelVersion};

/// Why the kernel refused a program: its answer, the verifier's log, and the program's line
/// information.
///
/// `Display` is the explanation of [`hachi_diag`], in terms of the source. So is `Debug`, since
/// that is what people see who `unwrap` or return the error from `main`, and a log of thousands of
/// lines would tell them nothing.
#[non_exhaustive]
pub struct Rejection {
    /// The program.
    pub program: String,
    /// The ELF section it comes from.
    pub section: String,
    /// The program's type in the kernel's words: `xdp`.
    pub kind: &'static str,
    /// The kernel's answer.
    pub error: SyscallError,
    /// The verifier's log, whole; empty when the kernel refused before verifying.
    pub log: String,
    /// Which source lines begin at which instruction; empty if the object has none.
    pub lines: Vec<LineInfo>,
    /// The functions the program consists of.
    pub functions: Vec<Function>,
    /// Through which functions the instructions were inlined: section `.hachi.inline` of the
    /// object, if it has one, for [`InlineInfo`].
    pub inline_info: Option<Vec<u8>>,
    /// What the program asks of the kernel's types that they do not have, by instruction. The
    /// verifier refuses such an instruction if it can be reached.
    pub missing: Vec<Poisoned>,
    /// What the program uses that not all kernels have.
    pub needs: Vec<Requirement>,
    /// Why the kernel has no types (and so no source lines) of the object, if it refused them.
    pub btf_problem: Option<BtfProblem>,
}

impl Rejection {
    /// The explanation as data.
    pub fn explain(&self) -> hachi_diag::Diagnostic {
        let lines: Vec<_> = self
            .lines
            .iter()
            .map(|line| hachi_diag::Line {
                insn: line.insn_off as usize,
                file: &line.file,
                line: line.line,
                column: line.column,
                text: &line.text,
            })
            .collect();
        let sentences: Vec<(usize, String)> = self
            .missing
            .iter()
            .map(|poisoned| (poisoned.insn, poisoned.missing.to_string()))
            .collect();
        let missing: Vec<_> = sentences
            .iter()
            .map(|(insn, what)| hachi_diag::Missing { insn: *insn, what })
            .collect();
        let needs: Vec<(String, (u16, u16))> = self
            .needs
            .iter()
            .map(|need| (need.need.to_string(), need.kernel))
            .map(|(what, (major, minor))| (what, (major.into(), minor.into())))
            .collect();
        let needs: Vec<_> = needs
            .iter()
            .map(|(what, since)| hachi_diag::Need {
                what,
                since: *since,
            })
            .collect();
        let inlined = self.inlined();
        let running = KernelVersion::current();
        hachi_diag::diagnose(&hachi_diag::Input {
            kind: self.kind,
            errno: Some(self.error.errno()),
            kernel: running.map(|version| (version.major, version.minor)),
            lines: &lines,
            inlined: &inlined,
            missing: &missing,
            needs: &needs,
            ..hachi_diag::Input::new(&self.program, &self.log)
        })
    }
}

impl Rejection {
    /// The functions that instructions were inlined through, by slot of the program.
    fn inlined<'a>(&'a self) -> Vec<hachi_diag::Inlined<'a>> {
        let mut all = Vec::new();
        // A program is loaded only on a machine of its own byte order.
        let info = InlineInfo::new(self.inline_info.as_deref().unwrap_or(&[]), Endian::NATIVE);
        for function in &self.functions {
            let record = |insn, chain| hachi_diag::Inlined { insn, chain };
            all.push(record(function.start, Vec::new()));
            let known = info.function(&function.name, function.len * 8);
            for (offset, way) in known.map_or(Vec::new(), |known| known.records) {
                let place = |frame: InlineFrame<'a>| hachi_diag::InlinedPlace {
                    function: frame.function,
                    file: frame.file,
                    line: frame.line,
                    column: frame.column,
                    text: frame.text,
                };
                let insn = function.start + offset as usize / 8;
                all.push(record(insn, way.into_iter().map(place).collect()));
            }
        }
        all
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A refusal for want of privileges is not about the program.
        if self.log.is_empty() && self.error.errno() == libc::EPERM {
            return write!(f, "cannot load program {:?}: {}", self.program, self.error);
        }
        write!(
            f,
            "the kernel rejected program {:?} (section {:?}): {}\n{}",
            self.program,
            self.section,
            self.error,
            self.explain()
        )?;
        match &self.btf_problem {
            Some(problem) => write!(
                f,
                "\nnote: the kernel has no source lines of it, because {problem}"
            ),
            None => Ok(()),
        }
    }
}
