//! Several objects become one: sections of one name are merged, references between objects
//! resolved, and the descriptions in `.BTF` and `.BTF.ext` tied to the symbols they describe.

use std::collections::{HashMap, HashSet};

use hachi_asm::Endian;
use hachi_btf::{Btf, BtfBuilder, BtfExt, Type};

use super::elf::{Binding, Object, Place, Reloc, Section, Symbol, SymbolKind, put_addend};
use crate::{Code, Diagnostic};

/// A type of kind VAR or FUNC and the symbol it describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bound {
    pub type_id: u32,
    pub symbol: usize,
}

/// Something the kernel provides by name.
#[derive(Debug, Clone)]
pub(super) struct Extern {
    /// `.ksyms` or `.kconfig`.
    pub section: String,
    /// Its FUNC or VAR.
    pub type_id: u32,
    pub name: String,
}

/// Everything that is being linked.
#[derive(Debug)]
pub(super) struct Unit {
    pub endian: Endian,
    pub sections: Vec<Section>,
    pub symbols: Vec<Symbol>,
    /// Types; no DATASEC among them, for `vars` and `externs` say the same.
    pub btf: BtfBuilder,
    pub vars: Vec<Bound>,
    pub funcs: Vec<Bound>,
    pub externs: Vec<Extern>,
    /// What the inputs are called.
    pub names: Vec<String>,
}

/// The section that an input section becomes a part of.
///
/// Every data section becomes a map of its own in the loader, and loaders expect subprograms in
/// `.text` alone, so what compilers split for their own reasons is put together again. Sections a
/// user named (`.data.config`) stay.
pub(super) fn merged_name(name: &str) -> &str {
    let under = |prefix: &str| {
        name.strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    if under(".text") {
        ".text"
    } else if name.starts_with(".rodata.cst")
        || name.starts_with(".rodata.str")
        || under(".data.rel.ro")
    {
        ".rodata"
    } else if under(".data.rel") {
        ".data"
    } else if under(".bss.rel.ro") {
        ".bss"
    } else {
        name
    }
}

/// Sections of which one of several equal copies is enough.
fn is_shared(name: &str) -> bool {
    matches!(name, "license" | "version")
}

/// Where an input section went.
#[derive(Clone, Copy)]
struct Moved {
    section: usize,
    delta: u64,
}

impl Unit {
    /// Links the objects.
    ///
    /// # Errors
    /// Duplicate definitions, contradictions between the objects, malformed type information.
    pub(super) fn link(objects: Vec<Object>, names: Vec<String>) -> Result<Unit, Vec<Diagnostic>> {
        let mut unit = Unit {
            endian: objects.first().map_or(Endian::Little, |o| o.endian),
            sections: Vec::new(),
            symbols: Vec::new(),
            btf: BtfBuilder::new(),
            vars: Vec::new(),
            funcs: Vec::new(),
            externs: Vec::new(),
            names,
        };
        let mut errors = Vec::new();
        let mut globals = HashMap::new();
        let mut owners = HashMap::new();
        // Names of the types must wait until all symbols have their place.
        let mut described = Vec::new();
        for (index, object) in objects.into_iter().enumerate() {
            if object.endian != unit.endian {
                errors.push(Diagnostic::error(
                    Code::BYTE_ORDER,
                    format!(
                        "`{}` and `{}` differ in byte order",
                        unit.names[0], unit.names[index]
                    ),
                ));
                continue;
            }
            match unit.add_object(object, index, &mut globals, &mut owners, &mut errors) {
                Ok(part) => described.push((index, part)),
                Err(reason) => errors.push(Diagnostic::error(
                    Code::INPUT_MALFORMED,
                    format!("`{}` {reason}", unit.names[index]),
                )),
            }
        }
        unit.size_functions();
        let places = Places::new(&unit);
        for (index, (btf, ext)) in described {
            if let Err(reason) = unit.describe(&btf, &ext, &places, index) {
                errors.push(
                    Diagnostic::error(
                        Code::INPUT_MALFORMED,
                        format!(
                            "the type information of `{}` is malformed: {reason}",
                            unit.names[index]
                        ),
                    )
                    .help("this is a defect of the compiler that made it, or of hachi-linker"),
                );
            }
        }
        if errors.is_empty() {
            Ok(unit)
        } else {
            Err(errors)
        }
    }

    /// Adds the sections and symbols of one object; gives its `.BTF` and `.BTF.ext`, relocated.
    fn add_object(
        &mut self,
        object: Object,
        index: usize,
        globals: &mut HashMap<String, usize>,
        owners: &mut HashMap<String, usize>,
        errors: &mut Vec<Diagnostic>,
    ) -> Result<(Vec<u8>, Vec<u8>), String> {
        let mut moved = Vec::new();
        let mut relocs = Vec::new();
        for mut section in object.sections {
            relocs.push(std::mem::take(&mut section.relocs));
            let name = merged_name(&section.name).to_owned();
            if let Some(owner) = owners.get(&name).filter(|o| **o != index)
                && is_shared(&name)
                && let Some(first) = self.section_named(&name)
            {
                if self.sections[first].data != section.data {
                    errors.push(Diagnostic::error(
                        Code::INPUT_CONFLICT,
                        format!(
                            "`{}` and `{}` disagree about the {name}: {:?} and {:?}",
                            self.names[*owner],
                            self.names[index],
                            String::from_utf8_lossy(&self.sections[first].data),
                            String::from_utf8_lossy(&section.data),
                        ),
                    ));
                }
                moved.push(None);
                continue;
            }
            owners.entry(name.clone()).or_insert(index);
            section.name = name;
            moved.push(Some(self.add_section(section)?));
        }

        // Symbols, with a number for each of the object's.
        let mut numbers = Vec::with_capacity(object.symbols.len());
        // Where the object itself puts them, which for replaced weak ones is not where references
        // go.
        let mut own = Vec::with_capacity(object.symbols.len());
        for mut symbol in object.symbols {
            // A section's symbol comes to mean the merged section, so references need the distance.
            let mut addend = 0;
            if let Place::In(section) = symbol.place {
                match moved[section] {
                    Some(Moved { section, delta }) => {
                        symbol.place = Place::In(section);
                        symbol.value += delta;
                        if symbol.kind == SymbolKind::Section {
                            addend = delta;
                        }
                    }
                    None => symbol.place = Place::Gone,
                }
            }
            own.push(match symbol.place {
                Place::In(_) => Some(symbol.value),
                _ => None,
            });
            let number = match (symbol.kind, symbol.binding) {
                (SymbolKind::Section, _) => match symbol.place {
                    Place::In(section) => self.section_symbol(section),
                    _ => self.push(symbol),
                },
                (_, Binding::Local) => self.push(symbol),
                _ => self.add_global(symbol, globals, errors),
            };
            numbers.push((number, addend as i64));
        }

        let convert = |reloc: Reloc, delta: u64| {
            let (symbol, addend) = numbers[reloc.symbol];
            Reloc {
                offset: reloc.offset + delta,
                symbol,
                addend: reloc.addend.wrapping_add(addend),
                ..reloc
            }
        };
        for (moved, relocs) in moved.iter().zip(relocs) {
            if let Some(Moved { section, delta }) = *moved {
                let target = &mut self.sections[section].relocs;
                target.extend(relocs.into_iter().map(|reloc| convert(reloc, delta)));
            }
        }
        let endian = self.endian;
        let described = |part: Option<super::elf::Described>| {
            let mut part = part.unwrap_or_default();
            for reloc in &part.relocs {
                // What has no place is marked as such.
                let value =
                    own[reloc.symbol].map_or(-1, |value| (value as i64).wrapping_add(reloc.addend));
                put_addend(&mut part.data, reloc.offset, reloc.kind, value, endian);
            }
            part.data
        };
        Ok((described(object.btf), described(object.btf_ext)))
    }

    /// Puts an input section at the end of the section of its name.
    fn add_section(&mut self, mut section: Section) -> Result<Moved, String> {
        let Some(index) = self.section_named(&section.name) else {
            self.sections.push(section);
            return Ok(Moved {
                section: self.sections.len() - 1,
                delta: 0,
            });
        };
        let base = &mut self.sections[index];
        let delta = base.size.next_multiple_of(section.align);
        let size = delta + section.size;
        if u32::try_from(size).is_err() {
            return Err(format!("makes section `{}` larger than 4 GiB", base.name));
        }
        if base.bss != section.bss {
            // A zero-filled section among others must be written out, if that is affordable.
            const AFFORDABLE: u64 = 16 << 20;
            if size > AFFORDABLE {
                return Err(format!(
                    "has both zero-filled and other data in section `{}`, {size} bytes in all",
                    base.name
                ));
            }
            for part in [&mut *base, &mut section] {
                part.data.resize(part.size as usize, 0);
            }
            base.bss = false;
        }
        if !base.bss {
            base.data.resize(delta as usize, 0);
            base.data.append(&mut section.data);
        }
        base.size = size;
        base.align = base.align.max(section.align);
        base.writable |= section.writable;
        base.executable |= section.executable;
        base.alloc |= section.alloc;
        base.parts
            .extend(section.parts.iter().map(|part| super::elf::Part {
                start: part.start + delta,
                retain: part.retain,
            }));
        Ok(Moved {
            section: index,
            delta,
        })
    }

    fn push(&mut self, symbol: Symbol) -> usize {
        self.symbols.push(symbol);
        self.symbols.len() - 1
    }

    /// Adds a symbol that other objects see, or finds it.
    fn add_global(
        &mut self,
        symbol: Symbol,
        globals: &mut HashMap<String, usize>,
        errors: &mut Vec<Diagnostic>,
    ) -> usize {
        let Some(&number) = globals.get(&symbol.name) else {
            let name = symbol.name.clone();
            let number = self.push(symbol);
            globals.insert(name, number);
            return number;
        };
        let known = &mut self.symbols[number];
        let hidden = known.hidden | symbol.hidden;
        let defined = |s: &Symbol| matches!(s.place, Place::In(_) | Place::Absolute);
        match (defined(known), defined(&symbol)) {
            // Of several references one that is not weak makes the definition necessary.
            (false, false) => {
                if symbol.binding == Binding::Global {
                    known.binding = Binding::Global;
                }
            }
            (true, false) => {}
            (false, true) => *known = symbol,
            (true, true) => {
                let (mut winner, mut loser) = (known.clone(), symbol);
                match (winner.binding, loser.binding) {
                    (Binding::Weak, Binding::Global) => std::mem::swap(&mut winner, &mut loser),
                    (Binding::Global, Binding::Global) => errors.push(
                        Diagnostic::error(
                            Code::DUPLICATE_SYMBOL,
                            format!("`{}` is defined twice", winner.name),
                        )
                        .note(format!("first in `{}`", self.names[winner.object]))
                        .note(format!("and again in `{}`", self.names[loser.object]))
                        .help("rename one of them, or make one `static` or weak"),
                    ),
                    _ => {}
                }
                loser.binding = Binding::Local;
                loser.replaced = true;
                *known = winner;
                self.push(loser);
            }
        }
        self.symbols[number].hidden = hidden;
        number
    }

    /// Assembly may leave out how long a function is: it reaches to the next one.
    fn size_functions(&mut self) {
        let starts: Vec<(Place, u64)> = self
            .symbols
            .iter()
            .filter(|s| s.kind == SymbolKind::Func)
            .map(|s| (s.place, s.value))
            .collect();
        for symbol in &mut self.symbols {
            if let Place::In(section) = symbol.place
                && self.sections[section].executable
                && symbol.kind == SymbolKind::Func
                && symbol.size == 0
            {
                let later = starts
                    .iter()
                    .filter(|(place, start)| *place == symbol.place && *start > symbol.value);
                let end = later.map(|(_, start)| *start).min();
                symbol.size = end.unwrap_or(self.sections[section].size) - symbol.value;
            }
        }
    }

    /// Drops descriptions of what was cut out or has no size, and declarations that nothing uses
    /// any more, which libbpf takes for an error.
    pub(super) fn forget_removed(&mut self) {
        let symbols = &self.symbols;
        let wanted: HashSet<&str> = self
            .sections
            .iter()
            .flat_map(|section| &section.relocs)
            .map(|reloc| &symbols[reloc.symbol])
            .filter(|symbol| symbol.place == Place::Undefined)
            .map(|symbol| symbol.name.as_str())
            .collect();
        let mut known = HashSet::new();
        self.externs
            .retain(|e| wanted.contains(e.name.as_str()) && known.insert(e.name.clone()));
        let here = |bound: &Bound| matches!(symbols[bound.symbol].place, Place::In(_));
        self.vars
            .retain(|bound| here(bound) && symbols[bound.symbol].size > 0);
        self.funcs.retain(here);
    }

    /// The symbol that stands for the start of a section.
    pub(super) fn section_symbol(&mut self, section: usize) -> usize {
        let found = self
            .symbols
            .iter()
            .position(|s| s.kind == SymbolKind::Section && s.place == Place::In(section));
        found.unwrap_or_else(|| {
            self.push(Symbol {
                name: String::new(),
                binding: Binding::Local,
                kind: SymbolKind::Section,
                hidden: false,
                place: Place::In(section),
                value: 0,
                size: 0,
                object: 0,
                replaced: false,
            })
        })
    }

    /// The section of this name.
    pub(super) fn section_named(&self, name: &str) -> Option<usize> {
        self.sections.iter().position(|s| s.name == name)
    }

    /// Takes over an object's types, and what they and `.BTF.ext` say about code and data.
    fn describe(
        &mut self,
        btf: &[u8],
        ext: &[u8],
        places: &Places,
        object: usize,
    ) -> Result<(), hachi_btf::Error> {
        if btf.is_empty() {
            return Ok(());
        }
        let reader = Btf::parse(btf)?;
        let types = BtfBuilder::from_btf(&reader)?;
        let base = self.btf.len() as u32;
        let moved = |id: u32| if id == 0 { 0 } else { id + base };
        for (_, ty) in types.iter() {
            let mut ty = ty.clone();
            ty.for_each_ref(|id| *id = moved(*id));
            self.btf.add(ty);
        }
        for (_, ty) in types.iter() {
            let Type::DataSec(datasec) = ty else {
                continue;
            };
            if matches!(datasec.name.as_str(), ".ksyms" | ".kconfig") {
                for var in &datasec.vars {
                    let name = types.get(var.type_id).and_then(Type::name);
                    self.externs.push(Extern {
                        section: datasec.name.clone(),
                        type_id: moved(var.type_id),
                        name: name.cloned().unwrap_or_default(),
                    });
                }
                continue;
            }
            let Some(section) = self.section_named(merged_name(&datasec.name)) else {
                continue;
            };
            for var in &datasec.vars {
                let offset = u64::from(var.offset);
                let end = offset + u64::from(var.size);
                if end > self.sections[section].size {
                    continue; // Declared here, defined elsewhere.
                }
                let name = types.get(var.type_id).and_then(Type::name);
                let name = name.map_or("", String::as_str);
                let symbol = match places.find(self, section, offset, name) {
                    Some(symbol) => symbol,
                    None => self.push(Symbol {
                        name: name.to_owned(),
                        binding: Binding::Local,
                        kind: SymbolKind::Object,
                        hidden: false,
                        place: Place::In(section),
                        value: offset,
                        size: u64::from(var.size),
                        object,
                        replaced: false,
                    }),
                };
                let bound = Bound {
                    type_id: moved(var.type_id),
                    symbol,
                };
                if !self.vars.iter().any(|known| known.symbol == symbol) {
                    self.vars.push(bound);
                }
            }
        }
        if ext.is_empty() {
            return Ok(());
        }
        let ext = BtfExt::parse(ext, &reader)?;
        for part in &ext.func_info {
            let Some(section) = self.section_named(merged_name(&part.name)) else {
                continue;
            };
            for record in &part.records {
                let name = types.get(record.type_id).and_then(Type::name);
                let name = name.map_or("", String::as_str);
                let offset = u64::from(record.insn_off);
                if let Some(symbol) = places.find(self, section, offset, name) {
                    self.funcs.push(Bound {
                        type_id: moved(record.type_id),
                        symbol,
                    });
                }
            }
        }
        for part in ext.line_info {
            if let Some(section) = self.section_named(merged_name(&part.name)) {
                self.sections[section].lines.extend(part.records);
            }
        }
        for part in ext.core_relo {
            if let Some(section) = self.section_named(merged_name(&part.name)) {
                let records = part.records.into_iter().map(|mut record| {
                    record.type_id = moved(record.type_id);
                    record
                });
                self.sections[section].core.extend(records);
            }
        }
        for section in &mut self.sections {
            section
                .lines
                .sort_by_cached_key(|line| u64::from(line.insn_off));
            section
                .core
                .sort_by_cached_key(|relo| u64::from(relo.insn_off));
        }
        Ok(())
    }
}

/// The symbols at each place.
struct Places(HashMap<(usize, u64), Vec<usize>>);

impl Places {
    fn new(unit: &Unit) -> Self {
        let mut places: HashMap<_, Vec<usize>> = HashMap::new();
        for (index, symbol) in unit.symbols.iter().enumerate() {
            if let Place::In(section) = symbol.place
                && symbol.kind != SymbolKind::Section
            {
                let at = places.entry((section, symbol.value)).or_default();
                at.push(index);
            }
        }
        Places(places)
    }

    /// The symbol at a place: best one of the given name, else one with a size, else a function's
    /// or a static's.
    fn find(&self, unit: &Unit, section: usize, offset: u64, name: &str) -> Option<usize> {
        let here = self.0.get(&(section, offset))?;
        let best = here.iter().copied().max_by_key(|&index| {
            let symbol = &unit.symbols[index];
            (
                symbol.name == name,
                symbol.kind != SymbolKind::NoType,
                symbol.size > 0,
                symbol.binding != Binding::Local,
            )
        })?;
        let symbol = &unit.symbols[best];
        (symbol.kind != SymbolKind::NoType || symbol.binding != Binding::Local).then_some(best)
    }
}
