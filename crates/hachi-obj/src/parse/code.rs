//! Functions of the code sections, and what their instructions refer to.

use hachi_asm::Insn;
use hachi_btf::{Linkage, Type};
use object::elf::STT_NOTYPE;

use super::Places;
use crate::elf::{Elf, Reloc, Symbol};
use crate::{Error, ExternKind, RelocationKind, Spec};

/// A function as the file has it: unlinked.
pub(super) struct Func<'a> {
    pub(super) name: &'a str,
    /// ELF index of its section.
    pub(super) section: usize,
    /// First slot, counted from the start of the section.
    pub(super) start: usize,
    pub(super) insns: Vec<Insn>,
    /// A program, rather than something programs call.
    pub(super) entry: bool,
    /// Global, but not to be seen outside of the object.
    hidden: bool,
}

/// All functions, by section and position.
pub(super) struct Functions<'a>(Vec<Func<'a>>);

impl<'a> std::ops::Deref for Functions<'a> {
    type Target = [Func<'a>];

    fn deref(&self) -> &[Func<'a>] {
        &self.0
    }
}

impl Functions<'_> {
    /// The function that begins at this slot of a section.
    pub(super) fn starting_at(&self, section: usize, slot: usize) -> Option<usize> {
        self.0
            .binary_search_by_key(&(section, slot), |f| (f.section, f.start))
            .ok()
    }

    /// The function that contains this slot of a section.
    pub(super) fn containing(&self, section: usize, slot: usize) -> Option<usize> {
        let after = self
            .0
            .partition_point(|f| (f.section, f.start) <= (section, slot));
        let index = after.checked_sub(1)?;
        let f = &self.0[index];
        (f.section == section && slot < f.start + f.insns.len()).then_some(index)
    }
}

pub(super) fn functions<'a>(spec: &mut Spec, elf: &Elf<'a>) -> Result<Functions<'a>, Error> {
    let mut out = Vec::new();
    for (index, section) in elf.sections.iter().enumerate() {
        if !section.is_code() {
            continue;
        }
        let mut symbols = symbols_of(elf, index);
        if symbols.is_empty() {
            spec.warnings.push(format!(
                "section {} holds code, but no function; ignored",
                section.name
            ));
        }
        // Of several names for one place keep a global one.
        symbols.sort_by_key(|s| (s.value, s.is_local()));
        symbols.dedup_by_key(|s| s.value);
        let is_text = section.name == ".text" || section.name.starts_with(".text.");
        for (i, symbol) in symbols.iter().enumerate() {
            let fail = |why: String| Error::Program {
                program: symbol.name.to_owned(),
                section: section.name.to_owned(),
                why,
            };
            let next = symbols.get(i + 1).map(|s| s.value);
            let limit = next.unwrap_or(section.data.len() as u64);
            let end = match symbol.size {
                0 => limit,
                size => symbol.value.saturating_add(size),
            };
            if end > limit && next.is_some() {
                return Err(fail(
                    "it overlaps the next function; the object is damaged".into(),
                ));
            }
            let bytes = section
                .data
                .get(symbol.value as usize..end as usize)
                .filter(|bytes| !bytes.is_empty())
                .ok_or_else(|| fail("it reaches past the end of the section".into()))?;
            if symbol.value % 8 != 0 {
                return Err(fail("it does not begin at a whole instruction".into()));
            }
            let insns =
                Insn::decode_all(bytes, elf.endian).map_err(|error| fail(error.to_string()))?;
            out.push(Func {
                name: symbol.name,
                section: index,
                start: (symbol.value / 8) as usize,
                insns,
                entry: !is_text && !symbol.is_local(),
                hidden: symbol.hidden && !symbol.is_local(),
            });
        }
    }
    Ok(Functions(out))
}

/// The symbols of functions in a section; those without a type only if there are no others.
fn symbols_of<'a, 'e>(elf: &'e Elf<'a>, section: usize) -> Vec<&'e Symbol<'a>> {
    let all = || {
        elf.symbols
            .iter()
            .filter(move |s| s.section == Some(section) && !s.name.is_empty())
    };
    let typed: Vec<_> = all().filter(|s| s.is_function()).collect();
    match typed.is_empty() {
        true => all()
            .filter(|s| s.kind == STT_NOTYPE && !s.is_local())
            .collect(),
        false => typed,
    }
}

/// Functions that are global in the object only become static in BTF, so that the verifier
/// checks them with what their callers know.
pub(super) fn hide_functions(spec: &mut Spec, functions: &Functions<'_>) {
    let Some(btf) = &mut spec.btf else { return };
    let hidden: Vec<&str> = functions
        .iter()
        .filter(|f| f.hidden && !f.entry)
        .map(|f| f.name)
        .collect();
    for (_, ty) in btf.iter_mut() {
        if let Type::Func(f) = ty
            && f.linkage == Linkage::Global
            && hidden.contains(&f.name.as_str())
        {
            f.linkage = Linkage::Static;
        }
    }
}

/// What an instruction refers to.
pub(super) enum Target {
    /// A call of a function of the object.
    Call(usize),
    /// The address of a function of the object.
    Address(usize),
    /// Something the loader fills in.
    Outside(RelocationKind),
}

/// Of each function: the slots (from its start) with what they refer to, in order.
pub(super) type Targets = Vec<Vec<(usize, Target)>>;

pub(super) fn relocations(
    spec: &Spec,
    elf: &Elf<'_>,
    functions: &Functions<'_>,
    places: &Places,
) -> Result<Targets, Error> {
    let mut out: Targets = functions.iter().map(|_| Vec::new()).collect();
    for (index, section) in elf.sections.iter().enumerate() {
        if !section.is_code() {
            continue;
        }
        for reloc in &section.relocations {
            let symbol = &elf.symbols[reloc.symbol];
            let fail = |why: String| Error::Relocation {
                section: section.name.to_owned(),
                offset: reloc.offset,
                symbol: elf.symbol_name(symbol).to_owned(),
                why,
            };
            if reloc.offset % 8 != 0 {
                return Err(fail("it does not apply to a whole instruction".into()));
            }
            let slot = (reloc.offset / 8) as usize;
            // Code that belongs to no function is not loaded either.
            let Some(function) = functions.containing(index, slot) else {
                continue;
            };
            let f = &functions[function];
            let slot = slot - f.start;
            let insn = f.insns[slot];
            if insn.is_ld_imm64() && slot + 1 >= f.insns.len() {
                return Err(fail(
                    "the function ends in the middle of its instruction".into(),
                ));
            }
            let context = Context {
                spec,
                elf,
                functions,
                places,
            };
            let target = context.target(symbol, insn, reloc).map_err(fail)?;
            let list = &mut out[function];
            if list.last().is_some_and(|(last, _)| *last == slot) {
                return Err(fail("the instruction has two relocations".into()));
            }
            list.push((slot, target));
        }
    }
    Ok(out)
}

struct Context<'c, 'a> {
    spec: &'c Spec,
    elf: &'c Elf<'a>,
    functions: &'c Functions<'a>,
    places: &'c Places,
}

impl Context<'_, '_> {
    fn target(&self, symbol: &Symbol<'_>, insn: Insn, reloc: &Reloc) -> Result<Target, String> {
        let is_call = insn.is_pseudo_call() || insn.is_kfunc_call() || insn.is_helper_call();
        if !is_call && !insn.is_ld_imm64() {
            return Err(format!(
                "opcode {:#04x} cannot be relocated, only calls and 64-bit constants can",
                insn.code
            ));
        }
        let Some(section) = symbol.section else {
            return match symbol.undefined {
                true => self.external(symbol, is_call),
                false => Err("the symbol lies in no section".into()),
            };
        };
        if is_call {
            // For a global function `imm` is -1; for a static one the symbol is the section's and
            // `imm` counts from its start.
            let addend = reloc
                .addend
                .map_or(i64::from(insn.imm) + 1, |bytes| bytes / 8);
            return self
                .function(section, symbol.value, addend.checked_mul(8))
                .map(Target::Call);
        }
        let addend = reloc.addend.unwrap_or(insn.imm.into());
        if self.elf.sections[section].is_code() {
            return self
                .function(section, symbol.value, Some(addend))
                .map(Target::Address);
        }
        let offset = i64::try_from(symbol.value)
            .ok()
            .and_then(|value| value.checked_add(addend));
        if let Some(map) = self.places.data(section) {
            // One past the end is a legal address in both C and Rust.
            let size = self.elf.sections[section].size;
            let offset = offset
                .and_then(|offset| u32::try_from(offset).ok())
                .filter(|&offset| u64::from(offset) <= size)
                .ok_or_else(|| format!("its place lies outside of section {map}"))?;
            let map = map.to_owned();
            return Ok(Target::Outside(RelocationKind::GlobalData { map, offset }));
        }
        let found = offset
            .and_then(|offset| u64::try_from(offset).ok())
            .and_then(|offset| self.places.map_at(section, offset));
        match found {
            Some(map) => Ok(Target::Outside(RelocationKind::Map {
                name: map.to_owned(),
            })),
            None => Err(match self.elf.sections[section].name {
                ".jumptables" => "jump tables are not supported; build for an older cpu (`--cpu v3`) or without them (clang: -fno-jump-tables)".into(),
                name => format!("section {name} holds neither maps, nor global variables, nor code"),
            }),
        }
    }

    /// The function at a symbol plus an addend in bytes.
    fn function(&self, section: usize, value: u64, addend: Option<i64>) -> Result<usize, String> {
        let place = i64::try_from(value)
            .ok()
            .zip(addend)
            .and_then(|(value, addend)| value.checked_add(addend))
            .and_then(|place| u64::try_from(place).ok());
        place
            .filter(|place| place % 8 == 0)
            .and_then(|place| self.functions.starting_at(section, (place / 8) as usize))
            .ok_or_else(|| {
                let section = self.elf.sections[section].name;
                format!("no function begins at that place of section {section}")
            })
    }

    fn external(&self, symbol: &Symbol<'_>, is_call: bool) -> Result<Target, String> {
        let found = self.spec.externs.iter().find(|e| e.name == symbol.name);
        let Some(found) = found else {
            return Err(match is_call {
                true => "the function is defined nowhere; link the object with one that has it, or declare it as a kernel function (`__ksym`)".into(),
                false => "the variable is defined nowhere; link the object with one that has it, or declare it as `__ksym` or `__kconfig`".into(),
            });
        };
        let name = found.name.clone();
        match (found.kind, is_call) {
            (ExternKind::Kfunc { .. }, true) => Ok(Target::Outside(RelocationKind::Kfunc { name })),
            (_, true) => Err("a variable of the kernel is called as a function".into()),
            (ExternKind::Kconfig { offset, .. }, false) => {
                let map = ".kconfig".to_owned();
                Ok(Target::Outside(RelocationKind::GlobalData { map, offset }))
            }
            (ExternKind::Ksym { .. } | ExternKind::Kfunc { .. }, false) => {
                Ok(Target::Outside(RelocationKind::Ksym { name }))
            }
        }
    }
}
