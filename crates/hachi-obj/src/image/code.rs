//! Programs made whole: the functions that a program calls are appended to it, because the kernel
//! loads each program on its own.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use hachi_asm::Insn;
use hachi_asm::consts::{
    BPF_CALL, BPF_JMP, BPF_PSEUDO_CALL, BPF_PSEUDO_FUNC, BPF_PSEUDO_KFUNC_CALL, BPF_PSEUDO_MAP_FD,
    BPF_PSEUDO_MAP_VALUE,
};
use hachi_btf::ext::{CoreRecord, FuncInfo, LineRecord};

use super::{Callback, CodeSection, Func, Holds, Image, Outside, Span};
use crate::elf;
use crate::error::{ProgramFault, RelocationFault};
use crate::{Code, Error, ExternKind, Function, Relocation, RelocationKind};

/// Bytes of a slot.
const SLOT: u32 = 8;
/// Instructions of one program; the kernel's own limit.
const MAX_PROGRAM: usize = 1_000_000;

impl Image {
    /// The code of a program: a number of `functions`.
    pub(crate) fn code(&self, program: u32) -> Result<Code, Error> {
        let mut assembly = Assembly {
            image: self,
            program,
            starts: HashMap::new(),
            order: Vec::new(),
            calls: Vec::new(),
            code: Code {
                btf: self.btf.clone(),
                ..Code::default()
            },
        };
        assembly.append_with_callees(program)?;
        assembly.append_callback()?;
        assembly.fix_calls();
        assembly.add_records();
        Ok(assembly.code)
    }

    fn program_fault(&self, program: u32, fault: ProgramFault) -> Error {
        let func = &self.functions[program as usize];
        Error::Program {
            program: self.symbol_name(func.name).to_owned(),
            section: self
                .section_name(self.code[func.section as usize].section)
                .to_owned(),
            fault,
        }
    }
}

/// A program in the making.
struct Assembly<'i> {
    image: &'i Image,
    program: u32,
    /// The first slots of the functions appended so far.
    starts: HashMap<u32, usize>,
    /// The same functions, in order.
    order: Vec<u32>,
    /// Slots that call or point to a function, and which.
    calls: Vec<(usize, u32)>,
    code: Code,
}

/// What an instruction refers to.
enum Target {
    /// A function of the object.
    Function(u32),
    /// A jump table: a place in the object file.
    JumpTable(Span),
    /// Something to be filled in.
    Outside(RelocationKind),
}

impl Assembly<'_> {
    /// Appends a function and those it calls, unless they are there already. As libbpf does: what a
    /// function calls first comes first, with all that it calls itself.
    fn append_with_callees(&mut self, function: u32) -> Result<(), Error> {
        // How far the calls of each function on the way have been followed. A stack of our own: how
        // deep calls nest is up to the file.
        let mut open = vec![self.append(function)?];
        while let Some(calls) = open.last_mut() {
            match calls.next().map(|call| self.calls[call].1) {
                Some(callee) if !self.starts.contains_key(&callee) => {
                    open.push(self.append(callee)?);
                }
                Some(_) => {}
                None => {
                    open.pop();
                }
            }
        }
        Ok(())
    }

    /// The function that the kernel calls for a `bpf_throw`, which no instruction mentions.
    fn append_callback(&mut self) -> Result<(), Error> {
        let all = self.image.callbacks.iter();
        let mut named = all.filter(|(program, _)| *program == self.program);
        match (named.next(), named.next()) {
            (Some((_, Callback::Function(callback))), None) => {
                if !self.starts.contains_key(callback) {
                    self.append_with_callees(*callback)?;
                }
                Ok(())
            }
            (Some((_, Callback::Missing(name))), None) => Err(self.image.program_fault(
                self.program,
                ProgramFault::NoExceptionCallback { name: name.clone() },
            )),
            // Of several, the kernel says which it means: none.
            _ => Ok(()),
        }
    }

    /// Appends a function. Gives its calls as a range of `calls`.
    fn append(&mut self, id: u32) -> Result<std::ops::Range<usize>, Error> {
        let image = self.image;
        let func = &image.functions[id as usize];
        let section = &image.code[func.section as usize];
        let start = self.code.insns.len();
        let len = func.len as usize;
        if start + len > MAX_PROGRAM {
            let fault = ProgramFault::TooLong {
                limit: MAX_PROGRAM as u32,
            };
            return Err(image.program_fault(self.program, fault));
        }
        self.starts.insert(id, start);
        self.order.push(id);
        self.code.functions.push(Function {
            name: image.symbol_name(func.name).to_owned(),
            start,
            len,
        });
        let first = func.start as usize;
        let slots = &image.section_code(section)[first..first + len];
        let insns = slots.iter().map(|slot| Insn::decode(*slot, image.endian));
        self.code.insns.extend(insns);

        let first_call = self.calls.len();
        let bytes = (func.start * SLOT, (func.start + func.len) * SLOT);
        let mut relocations = section.relocations.range(bytes.0, bytes.1).peekable();
        for slot in 0..len {
            let offset = (func.start + slot as u32) * SLOT;
            let place = start + slot;
            match relocations.next_if(|next| next.offset < offset + SLOT) {
                Some(relocation) => {
                    let twice = relocations
                        .next_if(|next| next.offset < offset + SLOT)
                        .is_some();
                    // More than two are no better.
                    while relocations
                        .next_if(|next| next.offset < offset + SLOT)
                        .is_some()
                    {}
                    self.relocate(section, func, place, relocation, twice);
                }
                // A call inside a section needs no relocation.
                None if self.code.insns[place].is_pseudo_call() => {
                    self.call_in_section(section, func, slot, place);
                }
                None => {}
            }
        }
        Ok(first_call..self.calls.len())
    }

    /// What a relocation says of the instruction at `place`.
    fn relocate(
        &mut self,
        section: &CodeSection,
        func: &Func,
        place: usize,
        relocation: elf::Relocation,
        twice: bool,
    ) {
        let image = self.image;
        let insn = self.code.insns[place];
        let is_last = place + 1 == self.code.insns.len();
        let target = if twice {
            Err(RelocationFault::Twice)
        } else if !relocation.offset.is_multiple_of(SLOT) {
            Err(RelocationFault::InsideInstruction)
        } else if insn.is_ld_imm64() && is_last {
            Err(RelocationFault::CutShort)
        } else {
            image.target(relocation, insn)
        };
        let target = match target {
            Ok(Target::JumpTable(table)) => image
                .jump_targets(table, self.code.functions.last(), func)
                .map(|targets| Target::Outside(RelocationKind::JumpTable { targets })),
            target => target,
        };
        let kind = match target {
            Ok(Target::Function(callee)) => {
                self.calls.push((place, callee));
                return;
            }
            Ok(Target::Outside(kind)) => kind,
            // It has just been replaced.
            Ok(Target::JumpTable(_)) => return,
            Err(fault) => image.unresolved(section, relocation, fault),
        };
        self.outside(place, kind);
    }

    /// A call that counts from its own place.
    fn call_in_section(&mut self, section: &CodeSection, func: &Func, slot: usize, place: usize) {
        let imm = self.code.insns[place].imm;
        let to = i64::from(func.start) + slot as i64 + 1 + i64::from(imm);
        let callee = u32::try_from(to)
            .ok()
            .and_then(|to| self.image.function_starting_at(func.section, to));
        match callee {
            Some(callee) => self.calls.push((place, callee)),
            None => {
                let name = self.image.section_name(section.section);
                let error = Error::Relocation {
                    section: name.to_owned(),
                    offset: u64::from((func.start + slot as u32) * SLOT),
                    symbol: String::new(),
                    fault: RelocationFault::NoFunction {
                        section: name.to_owned(),
                    },
                };
                let kind = RelocationKind::Unresolved {
                    symbol: name.into(),
                    error: Box::new(error),
                };
                self.outside(place, kind);
            }
        }
    }

    /// Notes what is to be filled in, and makes of the instruction all that is known already.
    fn outside(&mut self, place: usize, kind: RelocationKind) {
        let [insn, rest @ ..] = &mut self.code.insns[place..] else {
            return;
        };
        let is_call = insn.class() == BPF_JMP && insn.op() == BPF_CALL;
        if !is_call && !insn.is_ld_imm64() {
            // What cannot be relocated at all is left as it is, for those who look at it.
            self.code.relocations.push(Relocation { insn: place, kind });
            return;
        }
        let (src, high) = match kind {
            RelocationKind::Map { .. } => (BPF_PSEUDO_MAP_FD, 0),
            RelocationKind::JumpTable { .. } => (BPF_PSEUDO_MAP_VALUE, 0),
            RelocationKind::GlobalData { offset, .. } => (BPF_PSEUDO_MAP_VALUE, offset as i32),
            RelocationKind::Ksym { .. } => (0, 0),
            RelocationKind::Kfunc { .. } => (BPF_PSEUDO_KFUNC_CALL, 0),
            // A call of something that is not here, as that of a kernel function is.
            RelocationKind::Unresolved { .. } if is_call => (BPF_PSEUDO_KFUNC_CALL, 0),
            RelocationKind::Unresolved { .. } => (0, 0),
        };
        insn.src = src;
        insn.imm = 0;
        if !is_call && let Some(second) = rest.first_mut() {
            second.imm = high;
        }
        self.code.relocations.push(Relocation { insn: place, kind });
    }

    /// Makes calls lead to where the functions now are.
    fn fix_calls(&mut self) {
        for &(place, callee) in &self.calls {
            let Entry::Occupied(start) = self.starts.entry(callee) else {
                continue;
            };
            let insn = &mut self.code.insns[place];
            insn.src = match insn.is_ld_imm64() {
                true => BPF_PSEUDO_FUNC,
                false => BPF_PSEUDO_CALL,
            };
            // Both count from the slot after this one.
            insn.imm = (*start.get() as i64 - place as i64 - 1) as i32;
        }
    }

    /// Adds what `.BTF.ext` says of the functions.
    fn add_records(&mut self) {
        let image = self.image;
        let functions = self.order.iter().zip(&self.code.functions);
        let functions = functions.map(|(id, function)| {
            let func = &image.functions[*id as usize];
            (func, &image.code[func.section as usize], function.start)
        });
        let ext = image.ext_bytes();
        let records_of = |records: &super::Records, func: &Func| {
            let bytes = func.start * SLOT..(func.start + func.len) * SLOT;
            records.range(ext, image.endian, bytes)
        };
        for (func, section, start) in functions.clone() {
            let records = records_of(&section.core_relos, func);
            let moved = records.filter_map(|number| {
                let record: CoreRecord = section.core_relos.get(ext, image.endian, number);
                Some(CoreRecord {
                    insn_off: moved(record.insn_off, func, start)?,
                    ..record
                })
            });
            self.code.core_relos.extend(moved);
        }
        // The kernel wants function info of all functions or of none, and lines only with
        // functions.
        if functions.clone().any(|(func, ..)| func.type_id == 0) {
            return;
        }
        let strings = image
            .btf
            .as_ref()
            .map(|btf| btf.types().string_bytes().len());
        let checked = |offset: u32| match strings {
            Some(len) if (offset as usize) < len => offset,
            _ => 0,
        };
        let any_lines = functions
            .clone()
            .any(|(func, section, _)| !records_of(&section.lines, func).is_empty());
        for (func, section, start) in functions {
            self.code.func_info.push(FuncInfo {
                insn_off: start as u32,
                type_id: func.type_id,
            });
            if !any_lines {
                continue;
            }
            let lines = &mut self.code.line_info;
            let before = lines.len();
            for number in records_of(&section.lines, func) {
                let record: LineRecord = section.lines.get(ext, image.endian, number);
                let Some(insn_off) = moved(record.insn_off, func, start) else {
                    continue;
                };
                let is_next = lines[before..]
                    .last()
                    .is_none_or(|last| last.insn_off < insn_off);
                // The kernel wants ascending places that begin an instruction.
                if is_next && self.code.insns[insn_off as usize].code != 0 {
                    lines.push(LineRecord {
                        insn_off,
                        file: checked(record.file),
                        text: checked(record.text),
                        line_col: record.line_col,
                    });
                }
            }
            // Nor does it take a function whose first instruction has no line.
            let first = lines.get(before).copied();
            if first.is_none_or(|first| first.insn_off as usize != start) {
                let none = LineRecord {
                    insn_off: start as u32,
                    file: first.map_or(0, |first| first.file),
                    text: 0,
                    line_col: first.map_or(0, |first| first.line_col),
                };
                lines.insert(before, none);
            }
        }
    }
}

/// An offset in a section of code as a slot of the program, if it is that of an instruction.
fn moved(offset: u32, func: &Func, start: usize) -> Option<u32> {
    offset
        .is_multiple_of(SLOT)
        .then(|| offset / SLOT - func.start + start as u32)
}

impl Image {
    fn target(&self, relocation: elf::Relocation, insn: Insn) -> Result<Target, RelocationFault> {
        let is_call = insn.is_pseudo_call() || insn.is_kfunc_call() || insn.is_helper_call();
        if !is_call && !insn.is_ld_imm64() {
            return Err(RelocationFault::Opcode { code: insn.code });
        }
        let symbol = self.symbols[relocation.symbol];
        let Some(section) = symbol.section else {
            return match symbol.undefined {
                true => self.external(self.symbol_name(symbol.name), is_call),
                false => Err(RelocationFault::NoSection),
            };
        };
        if is_call {
            // For a global function `imm` is -1; for a static one the symbol is the section's and
            // `imm` counts from its start.
            let addend = match relocation.addend {
                Some(bytes) => bytes / i64::from(SLOT),
                None => i64::from(insn.imm) + 1,
            };
            let addend = addend.checked_mul(SLOT.into());
            return self.function(section, symbol.value, addend);
        }
        let addend = relocation.addend.unwrap_or(insn.imm.into());
        let offset = i64::try_from(symbol.value)
            .ok()
            .and_then(|value| value.checked_add(addend));
        match &self.sections[section as usize].holds {
            Holds::Code(_) => self.function(section, symbol.value, Some(addend)),
            Holds::Data(map, size) => {
                // One past the end is a legal address in both C and Rust.
                let offset = offset
                    .and_then(|offset| u32::try_from(offset).ok())
                    .filter(|&offset| u64::from(offset) <= *size)
                    .ok_or_else(|| RelocationFault::OutsideSection {
                        section: self.section_name(section).to_owned(),
                    })?;
                let map = map.clone();
                Ok(Target::Outside(RelocationKind::GlobalData { map, offset }))
            }
            Holds::Other => {
                let found = offset
                    .and_then(|offset| u64::try_from(offset).ok())
                    .and_then(|offset| self.map_at(section, offset));
                match found {
                    Some(map) => {
                        let name = map.clone();
                        Ok(Target::Outside(RelocationKind::Map { name }))
                    }
                    None => Err(RelocationFault::NothingThere {
                        section: self.section_name(section).to_owned(),
                    }),
                }
            }
            Holds::JumpTables(all) => {
                // Code refers to the table as a whole, by its symbol, which alone knows its size.
                let (start, len) = (symbol.value as usize, symbol.size as usize);
                let inside = symbol.value.checked_add(symbol.size);
                let inside = inside.is_some_and(|end| end <= all.len as u64);
                let entries = len > 0 && len.is_multiple_of(8);
                match inside && entries && addend == 0 {
                    true => Ok(Target::JumpTable(Span {
                        start: all.start + start,
                        len,
                    })),
                    false => Err(RelocationFault::JumpTable),
                }
            }
        }
    }

    /// Where the entries of a jump table lead, as slots of the program: `func`, whose code refers
    /// to it, is `placed` there.
    fn jump_targets(
        &self,
        table: Span,
        placed: Option<&Function>,
        func: &Func,
    ) -> Result<Vec<u32>, RelocationFault> {
        let start = placed.map_or(0, |placed| placed.start as u32);
        let entries = self.bytes[table.range()].as_chunks::<8>().0;
        let targets = entries.iter().map(|entry| {
            let byte = self.endian.u64(*entry);
            let slot = u32::try_from(byte / u64::from(SLOT)).ok()?;
            let within = slot.checked_sub(func.start)?;
            let inside = byte.is_multiple_of(SLOT.into()) && within < func.len;
            inside.then_some(start + within)
        });
        let targets: Option<Vec<u32>> = targets.collect();
        targets.ok_or(RelocationFault::JumpTable)
    }

    /// The function at a symbol plus an addend in bytes.
    fn function(
        &self,
        section: u32,
        value: u64,
        addend: Option<i64>,
    ) -> Result<Target, RelocationFault> {
        let place = i64::try_from(value)
            .ok()
            .zip(addend)
            .and_then(|(value, addend)| value.checked_add(addend))
            .and_then(|place| u32::try_from(place).ok())
            .filter(|place| place.is_multiple_of(SLOT));
        let code = match self.sections[section as usize].holds {
            Holds::Code(code) => Some(code),
            _ => None,
        };
        let found = code
            .zip(place)
            .and_then(|(code, place)| self.function_starting_at(code, place / SLOT));
        match found {
            Some(function) => Ok(Target::Function(function)),
            None => Err(RelocationFault::NoFunction {
                section: self.section_name(section).to_owned(),
            }),
        }
    }

    fn external(&self, name: &str, is_call: bool) -> Result<Target, RelocationFault> {
        let found = self
            .externs
            .binary_search_by_key(&name, |outside| outside.name.as_ref());
        let Ok(found) = found else {
            return Err(match is_call {
                true => RelocationFault::UndefinedFunction,
                false => RelocationFault::UndefinedVariable,
            });
        };
        let Outside { name, kind, place } = self.externs[found].clone();
        Ok(Target::Outside(match (kind, is_call) {
            (ExternKind::Kfunc { .. }, true) => RelocationKind::Kfunc { name, place },
            (_, true) => return Err(RelocationFault::VariableCalled),
            (ExternKind::Kconfig { offset, .. }, false) => RelocationKind::GlobalData {
                map: ".kconfig".into(),
                offset,
            },
            (ExternKind::Ksym { .. } | ExternKind::Kfunc { .. }, false) => {
                RelocationKind::Ksym { name }
            }
        }))
    }

    /// A relocation that leads nowhere.
    fn unresolved(
        &self,
        section: &CodeSection,
        relocation: elf::Relocation,
        fault: RelocationFault,
    ) -> RelocationKind {
        let symbol = self.symbols[relocation.symbol];
        let name = match (self.symbol_name(symbol.name), symbol.section) {
            ("", Some(section)) => self.section_name(section),
            (name, _) => name,
        };
        RelocationKind::Unresolved {
            symbol: name.into(),
            error: Box::new(Error::Relocation {
                section: self.section_name(section.section).to_owned(),
                offset: relocation.offset.into(),
                symbol: name.to_owned(),
                fault,
            }),
        }
    }
}
