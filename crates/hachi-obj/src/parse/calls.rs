//! Programs made whole: the subprograms a program calls are appended to it, because the kernel
//! loads each program on its own.

use hachi_asm::Insn;
use hachi_asm::consts::{
    BPF_PSEUDO_CALL, BPF_PSEUDO_FUNC, BPF_PSEUDO_KFUNC_CALL, BPF_PSEUDO_MAP_FD,
    BPF_PSEUDO_MAP_VALUE,
};
use hachi_btf::ext::{FuncInfo, LineInfo};

use super::code::{Func, Functions, Target, Targets};
use super::info::Info;
use crate::elf::Elf;
use crate::sections;
use crate::{Error, Function, ProgramSpec, ProgramType, Relocation, RelocationKind, Spec};

/// Instructions of one program; the kernel's own limit.
const MAX_PROGRAM: usize = 1_000_000;
/// Instructions of all programs together, subprograms counted wherever they were appended. Keeps
/// a small hostile file from becoming a huge Spec.
const MAX_TOTAL: usize = 8_000_000;

pub(super) fn programs(
    spec: &mut Spec,
    elf: &Elf<'_>,
    functions: &Functions<'_>,
    info: &[Info],
    targets: &Targets,
) -> Result<(), Error> {
    let callees = callees(elf, functions, targets)?;
    let mut total = 0;
    for (index, f) in functions.iter().enumerate() {
        if !f.entry {
            continue;
        }
        let mut program = empty(spec, elf, f);
        let layout = Layout::new(index, functions, &callees);
        let len = layout.len;
        total += len;
        let too_large = if len > MAX_PROGRAM {
            Some(format!(
                "with its subprograms it has {len} instructions; the kernel allows {MAX_PROGRAM}"
            ))
        } else if total > MAX_TOTAL {
            Some(format!(
                "the programs up to this one have more than {MAX_TOTAL} instructions, subprograms counted in each"
            ))
        } else {
            None
        };
        if let Some(why) = too_large {
            return Err(Error::Program {
                program: program.name,
                section: program.section,
                why,
            });
        }
        for (id, start) in layout.parts() {
            append(
                &mut program,
                &functions[id],
                start,
                &targets[id],
                &callees[id],
                &layout,
            );
        }
        add_info(&mut program, spec, functions, info, &layout);
        spec.programs.push(program);
    }
    Ok(())
}

/// The program without its code.
fn empty(spec: &mut Spec, elf: &Elf<'_>, f: &Func<'_>) -> ProgramSpec {
    let full = elf.sections[f.section].name;
    let section = full.strip_prefix('?').unwrap_or(full);
    let (def, target) = sections::lookup(section).unzip();
    if def.is_none() {
        spec.warnings.push(format!(
            "program '{}': section name '{section}' is unknown, so its type is too; set the type before loading, or use a name such as xdp, tc, kprobe/FUNCTION",
            f.name
        ));
    }
    ProgramSpec {
        section: section.to_owned(),
        section_def: def,
        attach_type: def.and_then(|def| def.attach_type),
        attach_target: target.flatten().map(str::to_owned),
        sleepable: def.is_some_and(|def| def.sleepable),
        frags: def.is_some_and(|def| def.frags),
        autoload: full == section,
        ..ProgramSpec::new(
            f.name,
            def.map_or(ProgramType::Unspec, |def| def.program_type),
        )
    }
}

/// Of each function: the slots that call or point to a function, and which.
fn callees(
    elf: &Elf<'_>,
    functions: &Functions<'_>,
    targets: &Targets,
) -> Result<Vec<Vec<(usize, usize)>>, Error> {
    let mut out = Vec::with_capacity(functions.len());
    for (f, targets) in functions.iter().zip(targets) {
        let mut list = Vec::new();
        let mut relocated = targets.iter().peekable();
        for (slot, insn) in f.insns.iter().enumerate() {
            match relocated.next_if(|(at, _)| *at == slot) {
                Some((_, Target::Call(id) | Target::Address(id))) => list.push((slot, *id)),
                Some((_, Target::Outside(_))) => {}
                // A call inside a section needs no relocation.
                None if insn.is_pseudo_call() => {
                    let place = (f.start + slot) as i64 + 1 + i64::from(insn.imm);
                    let id = usize::try_from(place)
                        .ok()
                        .and_then(|place| functions.starting_at(f.section, place));
                    let id = id.ok_or_else(|| Error::Program {
                        program: f.name.to_owned(),
                        section: elf.sections[f.section].name.to_owned(),
                        why: format!("instruction {slot} calls a place where no function begins"),
                    })?;
                    list.push((slot, id));
                }
                None => {}
            }
        }
        out.push(list);
    }
    Ok(out)
}

/// The functions a program consists of, itself first, each once.
struct Layout {
    order: Vec<usize>,
    /// Of each function of the object: its first slot, if it is part of the program.
    start: Vec<Option<usize>>,
    /// Slots in all.
    len: usize,
}

impl Layout {
    fn new(entry: usize, functions: &Functions<'_>, callees: &[Vec<(usize, usize)>]) -> Layout {
        let mut layout = Layout {
            order: Vec::new(),
            start: vec![None; functions.len()],
            len: 0,
        };
        layout.add(entry, functions);
        let mut next = 0;
        while let Some(&id) = layout.order.get(next) {
            next += 1;
            for &(_, callee) in &callees[id] {
                layout.add(callee, functions);
            }
        }
        layout
    }

    fn add(&mut self, id: usize, functions: &Functions<'_>) {
        if self.start[id].is_none() {
            self.start[id] = Some(self.len);
            self.order.push(id);
            self.len += functions[id].insns.len();
        }
    }

    /// The functions with their first slots.
    fn parts(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.order
            .iter()
            .filter_map(|&id| Some((id, self.start[id]?)))
    }
}

fn append(
    program: &mut ProgramSpec,
    f: &Func<'_>,
    start: usize,
    targets: &[(usize, Target)],
    callees: &[(usize, usize)],
    layout: &Layout,
) {
    program.functions.push(Function {
        name: f.name.to_owned(),
        start,
        len: f.insns.len(),
    });
    program.insns.extend_from_slice(&f.insns);
    let insns = &mut program.insns[start..];
    for &(slot, callee) in callees {
        let Some(to) = layout.start[callee] else {
            continue;
        };
        let insn = &mut insns[slot];
        insn.src = match insn.is_ld_imm64() {
            true => BPF_PSEUDO_FUNC,
            false => BPF_PSEUDO_CALL,
        };
        // Both count from the slot after this one.
        insn.imm = (to as i64 - (start + slot) as i64 - 1) as i32;
    }
    for (slot, target) in targets {
        let Target::Outside(kind) = target else {
            continue;
        };
        prepare(&mut insns[*slot..], kind);
        program.relocations.push(Relocation {
            insn: start + slot,
            kind: kind.clone(),
        });
    }
}

/// Everything that is known without the kernel.
fn prepare(insns: &mut [Insn], kind: &RelocationKind) {
    let [insn, rest @ ..] = insns else { return };
    let (src, high) = match kind {
        RelocationKind::Map { .. } => (BPF_PSEUDO_MAP_FD, 0),
        RelocationKind::GlobalData { offset, .. } => (BPF_PSEUDO_MAP_VALUE, *offset as i32),
        RelocationKind::Ksym { .. } => (0, 0),
        RelocationKind::Kfunc { .. } => {
            insn.src = BPF_PSEUDO_KFUNC_CALL;
            insn.imm = 0;
            return;
        }
    };
    insn.src = src;
    insn.imm = 0;
    if let Some(second) = rest.first_mut() {
        second.imm = high;
    }
}

fn add_info(
    program: &mut ProgramSpec,
    spec: &mut Spec,
    functions: &Functions<'_>,
    info: &[Info],
    layout: &Layout,
) {
    for (id, start) in layout.parts() {
        program
            .core_relos
            .extend(info[id].core.iter().cloned().map(|mut relo| {
                relo.insn_off += start as u32;
                relo
            }));
    }
    // The kernel wants function info of all functions or of none, and lines only with functions.
    let lacking = layout.order.iter().find(|id| info[**id].func.is_none());
    if let Some(id) = lacking {
        if layout.order.iter().any(|id| info[*id].func.is_some()) {
            spec.warnings.push(format!(
                "program '{}': .BTF.ext does not know function '{}', so the program loads without function and line info",
                program.name, functions[*id].name
            ));
        }
        return;
    }
    let any_lines = layout.order.iter().any(|id| !info[*id].lines.is_empty());
    for (id, start) in layout.parts() {
        let Info { func, lines, .. } = &info[id];
        if let Some(type_id) = *func {
            program.func_info.push(FuncInfo {
                insn_off: start as u32,
                type_id,
            });
        }
        // Nor does it take a function whose first instruction has no line.
        if any_lines && lines.first().is_none_or(|line| line.insn_off != 0) {
            let (file, line, column) = match lines.first() {
                Some(first) => (first.file.clone(), first.line, first.column),
                None => ("".into(), 0, 0),
            };
            program.line_info.push(LineInfo {
                insn_off: start as u32,
                file,
                text: "".into(),
                line,
                column,
            });
        }
        program
            .line_info
            .extend(lines.iter().cloned().map(|mut line| {
                line.insn_off += start as u32;
                line
            }));
    }
}
