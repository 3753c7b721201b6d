//! Several objects become one: sections of one name are merged, references between objects
//! resolved, and the descriptions in `.BTF` and `.BTF.ext` tied to the symbols they describe.

use std::collections::{HashMap, HashSet};

use hachi_asm::Endian;
use hachi_btf::{Btf, BtfBuilder, BtfExt, Linkage, Type};

use super::Origin;
use super::elf::{
    self, Binding, Described, Object, Place, Reloc, Section, Symbol, SymbolKind, put_addend,
};
use super::fault::ObjectFault;
use super::states::Needed;
use crate::{Code, Diagnostic, lines::Frames};

/// A type of kind VAR or FUNC and the symbol it describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bound {
    pub type_id: u32,
    pub symbol: usize,
}

/// Something that is declared here and provided by others, by its name.
#[derive(Debug, Clone)]
pub(super) struct Extern {
    pub provider: Provider,
    /// Its FUNC or VAR.
    pub type_id: u32,
    pub name: String,
    /// It stays even if nothing refers to it: an object has the symbol although none of its code
    /// uses it, and loaders resolve it all the same; or it is an option in an object that was
    /// given, and so a variable that user space can read.
    pub stays: bool,
}

/// Who provides what is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Provider {
    /// The kernel, by its symbols: `.ksyms`.
    Kernel,
    /// The kernel's configuration: `.kconfig`.
    Config,
    /// Another object; a map.
    ObjectsMap,
    /// Another object; a function or a variable.
    Object,
}

impl Provider {
    /// The section in which types list the declarations, if any does.
    pub(super) fn section(self) -> Option<&'static str> {
        match self {
            Provider::Kernel => Some(".ksyms"),
            Provider::Config => Some(".kconfig"),
            Provider::ObjectsMap => Some(".maps"),
            Provider::Object => None,
        }
    }

    pub(super) fn is_kernel(self) -> bool {
        matches!(self, Provider::Kernel | Provider::Config)
    }
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
    /// The places that code was inlined through.
    pub frames: Frames,
    /// The objects it is made of.
    pub sources: Vec<Source>,
    /// Its licence is the one that a library assumes.
    pub assumes_license: bool,
}

/// One of the objects being linked.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// What diagnostics call it.
    pub name: String,
    pub origin: Origin,
}

/// The section that an input section becomes a part of.
///
/// Loaders expect subprograms in `.text` alone, so code that compilers split for their own reasons
/// is put together again. Every data section becomes a map of its own in the loader, so LLVM's own
/// data is treated the same way. Sections a user named (`.data.config`) stay, and so do all data
/// sections of an object that was given: those who read its maps know them by name.
fn merged_name(name: &str, origin: Origin) -> &str {
    let under = |prefix: &str| {
        name.strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    if under(".text") {
        ".text"
    } else if origin == Origin::Given {
        name
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
    matches!(name, "license" | "version" | hachi_obj::arch::SECTION)
}

/// Where an input section went.
#[derive(Clone, Copy)]
struct Moved {
    section: usize,
    delta: u64,
}

/// What an object says about its code and data.
struct Description {
    btf: Part,
    ext: Part,
    /// Its sections that were taken over, by the name they have there.
    sections: HashMap<String, Moved>,
}

/// `.BTF` or `.BTF.ext`.
struct Part {
    data: Vec<u8>,
    /// A compiler leaves places to relocations, which have been applied, so that they count from
    /// the start of the merged section. A linker writes them down, counted from the start of its
    /// own.
    relocated: bool,
}

impl Part {
    /// A place in `section` as it counts in the section this one became part of.
    fn place(&self, section: Moved, offset: u32) -> u64 {
        u64::from(offset) + if self.relocated { 0 } else { section.delta }
    }
}

impl Unit {
    /// Links the objects.
    ///
    /// # Errors
    /// Duplicate definitions, contradictions between the objects, malformed type information.
    pub(super) fn link(
        objects: Vec<Object>,
        sources: Vec<Source>,
    ) -> Result<Unit, Vec<Diagnostic>> {
        let mut unit = Unit {
            endian: objects.first().map_or(Endian::Little, |o| o.endian),
            sections: Vec::new(),
            symbols: Vec::new(),
            btf: BtfBuilder::new(),
            vars: Vec::new(),
            funcs: Vec::new(),
            externs: Vec::new(),
            frames: Frames::default(),
            sources,
            assumes_license: false,
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
                        unit.sources[0].name, unit.sources[index].name
                    ),
                ));
                continue;
            }
            match unit.add_object(object, index, &mut globals, &mut owners, &mut errors) {
                Ok(part) => described.push((index, part)),
                Err(reason) => errors.push(Diagnostic::error(
                    Code::INPUT_MALFORMED,
                    format!("`{}` {reason}", unit.sources[index].name),
                )),
            }
        }
        unit.size_functions();
        let places = Places::new(&unit);
        for (index, description) in described {
            if let Err(reason) = unit.describe(&description, &places, index) {
                errors.push(
                    Diagnostic::error(
                        Code::INPUT_MALFORMED,
                        format!(
                            "the type information of `{}` is malformed: {reason}",
                            unit.sources[index].name
                        ),
                    )
                    .help("this is a defect of the compiler that made it, or of hachi-linker"),
                );
            }
        }
        unit.note_externs_that_stay();
        super::none(errors)?;
        Ok(unit)
    }

    fn note_externs_that_stay(&mut self) {
        let referred = self.referred();
        let undefined: HashMap<&str, bool> = self
            .symbols
            .iter()
            .zip(referred)
            .filter(|(symbol, _)| symbol.place == Place::Undefined)
            .map(|(symbol, referred)| (symbol.name.as_str(), referred))
            .collect();
        for wanted in &mut self.externs {
            wanted.stays = match undefined.get(wanted.name.as_str()) {
                Some(referred) => wanted.stays || !referred,
                None => false,
            };
        }
    }

    /// Of each symbol, whether anything refers to it.
    pub(super) fn referred(&self) -> Vec<bool> {
        let mut referred = vec![false; self.symbols.len()];
        for reloc in self.sections.iter().flat_map(|section| &section.relocs) {
            referred[reloc.symbol] = true;
        }
        referred
    }

    /// Adds the sections and symbols of one object; gives what describes them.
    fn add_object(
        &mut self,
        object: Object,
        index: usize,
        globals: &mut HashMap<String, usize>,
        owners: &mut HashMap<String, usize>,
        errors: &mut Vec<Diagnostic>,
    ) -> Result<Description, ObjectFault> {
        let origin = self.sources[index].origin;
        let mut moved = Vec::new();
        let mut relocs = Vec::new();
        let mut by_name = HashMap::new();
        for mut section in object.sections {
            relocs.push(std::mem::take(&mut section.relocs));
            let input_name = section.name.clone();
            let name = merged_name(&section.name, origin).to_owned();
            if let Some(owner) = owners.get(&name).filter(|o| **o != index)
                && is_shared(&name)
                && let Some(first) = self.section_named(&name)
            {
                if self.sections[first].data != section.data {
                    errors.push(Diagnostic::error(
                        Code::INPUT_CONFLICT,
                        format!(
                            "`{}` and `{}` disagree about the {name}: {:?} and {:?}",
                            self.sources[*owner].name,
                            self.sources[index].name,
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
            let place = self.add_section(section)?;
            by_name.entry(input_name).or_insert(place);
            moved.push(Some(place));
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
        let described = |part: Option<Described>| {
            let mut part = part.unwrap_or_default();
            for reloc in &part.relocs {
                // What has no place is marked as such.
                let value =
                    own[reloc.symbol].map_or(-1, |value| (value as i64).wrapping_add(reloc.addend));
                put_addend(&mut part.data, reloc.offset, reloc.kind, value, endian);
            }
            Part {
                relocated: !part.relocs.is_empty(),
                data: part.data,
            }
        };
        Ok(Description {
            btf: described(object.btf),
            ext: described(object.btf_ext),
            sections: by_name,
        })
    }

    /// Puts an input section at the end of the section of its name.
    fn add_section(&mut self, mut section: Section) -> Result<Moved, ObjectFault> {
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
            let section = base.name.clone();
            return Err(ObjectFault::SumOfSections { section });
        }
        if base.bss != section.bss {
            // A zero-filled section among others must be written out, if that is affordable.
            const AFFORDABLE: u64 = 16 << 20;
            if size > AFFORDABLE {
                let section = base.name.clone();
                return Err(ObjectFault::ZerosAmongData { section, size });
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
            .extend(section.parts.iter().map(|part| elf::Part {
                start: part.start + delta,
                ..*part
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
                        .note(format!("first in `{}`", self.sources[winner.object].name))
                        .note(format!(
                            "and again in `{}`",
                            self.sources[loser.object].name
                        ))
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
        description: &Description,
        places: &Places,
        object: usize,
    ) -> Result<(), hachi_btf::Error> {
        let Description { btf, ext, sections } = description;
        let given = self.sources[object].origin == Origin::Given;
        if btf.data.is_empty() {
            return Ok(());
        }
        let reader = Btf::parse(&btf.data)?;
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
            let provider = match datasec.name.as_str() {
                ".ksyms" => Provider::Kernel,
                ".kconfig" => Provider::Config,
                _ => continue,
            };
            for var in &datasec.vars {
                let name = types.get(var.type_id).and_then(Type::name);
                self.externs.push(Extern {
                    provider,
                    type_id: moved(var.type_id),
                    name: name.cloned().unwrap_or_default(),
                    stays: given && provider == Provider::Config,
                });
            }
        }
        self.note_declarations(&types, base);
        for (_, ty) in types.iter() {
            let Type::DataSec(datasec) = ty else {
                continue;
            };
            let Some(&section) = sections.get(&datasec.name) else {
                continue;
            };
            for var in &datasec.vars {
                // The kernel refuses the description of something without a size, and LLVM may put
                // it into the wrong section.
                if var.size == 0 {
                    continue;
                }
                let (name, linkage) = match types.get(var.type_id) {
                    Some(Type::Var(var)) => (var.name.as_str(), var.linkage),
                    _ => continue,
                };
                // Where a definition took the place of a weak one, bpftool leaves the other's
                // offset.
                let by_name = (linkage == Linkage::Global)
                    .then(|| places.named(self, section.section, object, name))
                    .flatten();
                let offset = btf.place(section, var.offset);
                let by_place = || places.find(self, section.section, offset, name);
                let symbol = match by_name.or_else(by_place) {
                    Some(symbol) => symbol,
                    // Declared here, defined elsewhere.
                    None if offset + u64::from(var.size) > self.sections[section.section].size => {
                        continue;
                    }
                    None => self.push(Symbol {
                        name: name.to_owned(),
                        binding: Binding::Local,
                        kind: SymbolKind::Object,
                        hidden: false,
                        place: Place::In(section.section),
                        value: offset,
                        size: u64::from(var.size),
                        object,
                        replaced: false,
                    }),
                };
                // Assembly may leave out how large a variable is.
                if self.symbols[symbol].size == 0 {
                    self.symbols[symbol].size = u64::from(var.size);
                }
                let bound = Bound {
                    type_id: moved(var.type_id),
                    symbol,
                };
                if !self.vars.iter().any(|known| known.symbol == symbol) {
                    self.vars.push(bound);
                }
            }
        }
        if ext.data.is_empty() {
            return Ok(());
        }
        let info = BtfExt::parse(&ext.data, &reader)?;
        for part in &info.func_info {
            let Some(&section) = sections.get(&part.name) else {
                continue;
            };
            for record in &part.records {
                let name = types.get(record.type_id).and_then(Type::name);
                let name = name.map_or("", String::as_str);
                let offset = ext.place(section, record.insn_off);
                if let Some(symbol) = places.find(self, section.section, offset, name) {
                    self.funcs.push(Bound {
                        type_id: moved(record.type_id),
                        symbol,
                    });
                }
            }
        }
        for part in info.line_info {
            let Some(&section) = sections.get(&part.name) else {
                continue;
            };
            let records = part.records.into_iter().map(|mut line| {
                line.insn_off = ext.place(section, line.insn_off) as u32;
                line
            });
            self.sections[section.section].lines.extend(records);
        }
        for part in info.core_relo {
            let Some(&section) = sections.get(&part.name) else {
                continue;
            };
            let records = part.records.into_iter().map(|mut record| {
                record.type_id = moved(record.type_id);
                record.insn_off = ext.place(section, record.insn_off) as u32;
                record
            });
            self.sections[section.section].core.extend(records);
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

impl Unit {
    /// The declarations of what a further link is to find.
    pub(super) fn left(&self) -> HashSet<u32> {
        let left = self.externs.iter().filter(|e| !e.provider.is_kernel());
        left.map(|wanted| wanted.type_id).collect()
    }

    /// Notes what an object declares and others are to define, after what the kernel provides. The
    /// types are those that begin after `base`.
    fn note_declarations(&mut self, types: &BtfBuilder, base: u32) {
        let mut known: HashSet<u32> = self.externs.iter().map(|e| e.type_id).collect();
        let maps = types.iter().filter_map(|(_, ty)| match ty {
            Type::DataSec(datasec) if datasec.name == ".maps" => Some(&datasec.vars),
            _ => None,
        });
        let maps: HashSet<u32> = maps.flatten().map(|var| var.type_id).collect();
        for (id, ty) in types.iter() {
            let (name, linkage) = match ty {
                Type::Func(func) => (&func.name, func.linkage),
                Type::Var(var) => (&var.name, var.linkage),
                _ => continue,
            };
            if linkage == Linkage::Extern && known.insert(base + id) {
                let provider = match maps.contains(&id) {
                    true => Provider::ObjectsMap,
                    false => Provider::Object,
                };
                self.externs.push(Extern {
                    provider,
                    type_id: base + id,
                    name: name.clone(),
                    stays: false,
                });
            }
        }
    }
}

impl Needed {
    /// Drops descriptions of what was cut out or has no size, and declarations that nothing uses
    /// any more, which libbpf takes for an error.
    pub(super) fn forget_removed(&mut self) {
        let referred = self.referred();
        let symbols = &self.0.symbols;
        let wanted: HashSet<&str> = symbols
            .iter()
            .zip(referred)
            .filter(|(symbol, referred)| symbol.place == Place::Undefined && *referred)
            .map(|(symbol, _)| symbol.name.as_str())
            .collect();
        let mut known = HashSet::new();
        self.0.externs.retain(|e| {
            (e.stays || wanted.contains(e.name.as_str())) && known.insert(e.name.clone())
        });
        let here = |bound: &Bound| matches!(symbols[bound.symbol].place, Place::In(_));
        self.0
            .vars
            .retain(|bound| here(bound) && symbols[bound.symbol].size > 0);
        self.0.funcs.retain(here);
    }
}

/// The symbols at each place, and those that other objects see by their names.
struct Places {
    at: HashMap<(usize, u64), Vec<usize>>,
    named: HashMap<String, usize>,
}

impl Places {
    fn new(unit: &Unit) -> Self {
        let mut at: HashMap<_, Vec<usize>> = HashMap::new();
        let mut named = HashMap::new();
        for (index, symbol) in unit.symbols.iter().enumerate() {
            if let Place::In(section) = symbol.place
                && symbol.kind != SymbolKind::Section
            {
                at.entry((section, symbol.value)).or_default().push(index);
                if symbol.binding != Binding::Local {
                    named.insert(symbol.name.clone(), index);
                }
            }
        }
        Places { at, named }
    }

    /// The symbol of this name that an object defines in a section.
    fn named(&self, unit: &Unit, section: usize, object: usize, name: &str) -> Option<usize> {
        let index = *self.named.get(name)?;
        let symbol = &unit.symbols[index];
        (symbol.place == Place::In(section) && symbol.object == object).then_some(index)
    }

    /// The symbol at a place: best one of the given name, else one with a size, else a function's
    /// or a static's.
    fn find(&self, unit: &Unit, section: usize, offset: u64, name: &str) -> Option<usize> {
        let here = self.at.get(&(section, offset))?;
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
