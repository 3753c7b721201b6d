//! Statics: their names, what may not be in them, and the log sites that exist only in the file.

use std::collections::{HashMap, HashSet};

use hachi_asm::{Imm64, Insn, build, consts};
use hachi_btf::{Linkage, Type};
use hachi_common::log;

use super::Leave;
use super::elf::{Binding, Place, RelocKind, Symbol, SymbolKind, bytes_at};
use super::link::Unit;
use super::names;
use super::states::{Linked, Named, Needed};
use crate::{Code, Diagnostic};

/// The crate whose statics are the same in all objects: log buffers, for example.
const LIBRARY: &str = "hachi_ebpf";

/// How a private static with this path is seen by other objects once it has a short name.
///
/// Weak definitions let objects that each have one be linked, by any linker.
pub(super) fn binding_of(path: &str) -> Binding {
    match names::segments(path).first() {
        Some(&LIBRARY) => Binding::Weak,
        _ => Binding::Global,
    }
}

/// Crates whose statics nobody sets or reads from outside.
const STANDARD: [&str; 4] = ["core", "alloc", "compiler_builtins", "std"];

impl Needed {
    /// Replaces the address of a log site by its number, which a program sends and its reader looks
    /// up. The section of all sites stays in the file and is never loaded.
    ///
    /// # Errors
    /// Two different sites of one number.
    pub(super) fn resolve_log_sites(&mut self) -> Result<(), Vec<Diagnostic>> {
        let Some(log) = self.section_named(log::SECTION) else {
            return Ok(());
        };
        let endian = self.0.endian;
        let sites = std::mem::take(&mut self.0.sections[log].data);
        let mut errors = Vec::new();
        for at in 0..self.0.sections.len() {
            let (here, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.0.sections[at].relocs)
                .into_iter()
                .partition(|reloc| self.0.symbols[reloc.symbol].place == Place::In(log));
            self.0.sections[at].relocs = rest;
            for reloc in here {
                let symbol = &self.0.symbols[reloc.symbol];
                let range = symbol.value as usize..(symbol.value + symbol.size) as usize;
                let site = sites.get(range).unwrap_or_default();
                let section = &mut self.0.sections[at];
                let insn = bytes_at::<8>(&section.data, reloc.offset);
                let (true, 0, RelocKind::LdImm64, Some(insn)) =
                    (section.executable, reloc.addend, reloc.kind, insn)
                else {
                    let error =
                        Diagnostic::error(Code::INPUT_MALFORMED, "a log site is used as a value");
                    let error = error.help("only the log macros may refer to one");
                    errors.push(self.locate(error, at, reloc.offset));
                    continue;
                };
                let dst = Insn::decode(insn, endian).dst;
                let number = Imm64::Value(log::site_number(site).into());
                let insns = Insn::encode_all(&build::ld_imm64(dst, number), endian);
                let start = reloc.offset as usize;
                section.data[start..start + insns.len()].copy_from_slice(&insns);
            }
        }
        let mut numbers = HashMap::new();
        for (_, site) in log::sites(&sites) {
            let first = numbers.entry(log::site_number(site)).or_insert(site);
            if *first != site {
                let text = |site: &[u8]| {
                    let text = site.get(log::SITE_HEADER_LEN..).unwrap_or_default();
                    String::from_utf8_lossy(text)
                        .trim_end_matches('\0')
                        .to_owned()
                };
                errors.push(
                    Diagnostic::error(
                        Code::DUPLICATE_SYMBOL,
                        "two log messages have the same number",
                    )
                    .note(format!("one is `{}`", text(first)))
                    .note(format!("the other is `{}`", text(site)))
                    .help("change the text of one of them"),
                );
            }
        }
        let section = &mut self.0.sections[log];
        section.data = sites;
        section.alloc = false;
        section.writable = false;
        for symbol in &mut self.0.symbols {
            if symbol.place == Place::In(log) {
                symbol.place = Place::Gone;
            }
        }
        super::none(errors)
    }

    /// Gives private statics the last segment of their path for a name, by which loaders set and
    /// read them.
    pub(super) fn name_statics(&mut self, warnings: &mut Vec<Diagnostic>) {
        let mut taken: HashMap<String, String> = HashMap::new();
        for symbol in &self.0.symbols {
            if symbol.binding != Binding::Local {
                taken.insert(symbol.name.clone(), symbol.name.clone());
            }
        }
        for bound in self.0.vars.clone() {
            let symbol = &mut self.0.symbols[bound.symbol];
            if !matches!(symbol.place, Place::In(_)) {
                continue;
            }
            if symbol.binding == Binding::Local
                && let Some(path) = names::demangled(&symbol.name)
            {
                let segments = names::segments(&path);
                let last = segments
                    .last()
                    .map_or(String::new(), |s| names::readable(s));
                let full = || {
                    let words: Vec<String> = segments.iter().map(|s| names::readable(s)).collect();
                    names::capped(words.join("_"))
                };
                let standard = segments.first().is_some_and(|s| STANDARD.contains(s));
                if standard || last.is_empty() {
                    symbol.name = full();
                } else {
                    symbol.name = match taken.get(&last) {
                        None => last,
                        Some(first) => {
                            let full = full();
                            warnings.push(
                                Diagnostic::warning(
                                    Code::DUPLICATE_SYMBOL,
                                    format!("two statics are named `{last}`"),
                                )
                                .note(format!(
                                    "loaders find `{first}` by that name, and `{path}` as `{full}`"
                                ))
                                .help("rename one of them"),
                            );
                            full
                        }
                    };
                    symbol.binding = binding_of(&path);
                    symbol.hidden = false;
                }
                taken.insert(symbol.name.clone(), path);
            }
            let (name, visible) = (
                names::readable(&symbol.name),
                symbol.binding != Binding::Local && !symbol.hidden,
            );
            if let Some(Type::Var(var)) = self.0.btf.get_mut(bound.type_id) {
                var.name = name;
                var.linkage = if visible {
                    Linkage::Global
                } else {
                    Linkage::Static
                };
            }
        }
    }

    /// Loaders copy data into maps as it is and relocate none of it, so a pointer in it would
    /// silently be zero.
    ///
    /// In an object that was given this is no news to its author, and other linkers take it: there
    /// it is a warning.
    ///
    /// # Errors
    /// One for each static that holds a pointer.
    pub(super) fn refuse_pointers(
        &self,
        warnings: &mut Vec<Diagnostic>,
    ) -> Result<(), Vec<Diagnostic>> {
        let mut errors = Vec::new();
        let mut told = HashSet::new();
        for (index, section) in self.0.sections.iter().enumerate() {
            let loaded = section.alloc && !section.is_linked_data() && !section.is_jump_table();
            if section.executable || !loaded {
                continue;
            }
            for reloc in &section.relocs {
                let holder = self.holder(index, reloc.offset);
                if !told.insert(holder.map_or((index, reloc.offset), |h| (index, h.value))) {
                    continue;
                }
                let target = &self.0.symbols[reloc.symbol];
                let target = match target.kind {
                    SymbolKind::Section => "constant data".to_owned(),
                    SymbolKind::Func => format!("the function `{}`", names::display(&target.name)),
                    _ => format!("`{}`", names::display(&target.name)),
                };
                let message = match holder.map(|h| names::display(&h.name)) {
                    Some(name) => format!("the static `{name}` holds a pointer to {target}"),
                    None => format!("a constant holds a pointer to {target}"),
                };
                let given = self.is_given(index, reloc.offset);
                let error = match given {
                    true => Diagnostic::warning(Code::POINTER_IN_DATA, message),
                    false => Diagnostic::error(Code::POINTER_IN_DATA, message),
                };
                let mut error = error
                    .note(
                        "eBPF loaders do not relocate data: the pointer would be 0 when the \
                         program runs",
                    )
                    .help(
                        "hold the bytes themselves (`[u8; N]` for `&str`), an index, or a \
                         `match` that chooses at run time",
                    );
                let within = |offset: u64| match holder {
                    Some(h) => (h.value..h.value + h.size).contains(&offset),
                    None => true,
                };
                if let Some((section, offset)) = self.user_of(index, within) {
                    error = self.locate(error, section, offset);
                }
                match given {
                    true => warnings.push(error),
                    false => errors.push(error),
                }
            }
        }
        super::none(errors)
    }

    /// Kernels refuse many helpers, and loaders all programs of some types, without a licence.
    pub(super) fn check_license(&self, warnings: &mut Vec<Diagnostic>) {
        let (message, help) = match self
            .section_named("license")
            .map(|s| &self.0.sections[s].data)
        {
            Some(text) if self.0.assumes_license => (
                format!(
                    "the program states no licence; it is linked as one under `{}`, which is what \
                     its library assumes",
                    String::from_utf8_lossy(text).trim_end_matches('\0')
                ),
                "say it: `#[unsafe(no_mangle)] #[unsafe(link_section = \"license\")] static \
                 LICENSE: [u8; 4] = *b\"GPL\\0\";`",
            ),
            None => (
                "the program states no licence, so it cannot use GPL-only helpers".to_owned(),
                LICENSE_HELP,
            ),
            Some(text) if !text.contains(&0) => (
                "the licence does not end with a zero byte, so loaders may misread it".to_owned(),
                LICENSE_HELP,
            ),
            Some(_) => return,
        };
        warnings.push(Diagnostic::warning(Code::NO_LICENSE, message).help(help));
    }
}

const LICENSE_HELP: &str = "say it: `hachi_ebpf::license!(\"GPL\");`, which is \
    `#[unsafe(no_mangle)] #[unsafe(link_section = \"license\")] static LICENSE: [u8; 4] = \
    *b\"GPL\\0\";`";

/// Where a library puts the licence of programs that state none. Hachi's façade of aya-ebpf does,
/// since Aya takes them as under the GPL.
const ASSUMED_LICENSE: &str = ".hachi.license";

impl Linked {
    /// Makes what a library assumes the licence, unless the program states one.
    pub(super) fn assume_license(&mut self) {
        let Some(assumed) = self.0.section_named(ASSUMED_LICENSE) else {
            return;
        };
        if self.0.section_named("license").is_none() {
            self.0.assumes_license = true;
            self.0.sections[assumed].name = "license".into();
            return;
        }
        let section = &mut self.0.sections[assumed];
        section.data.clear();
        section.parts.clear();
        section.size = 0;
        for symbol in &mut self.0.symbols {
            if symbol.place == Place::In(assumed) {
                symbol.place = Place::Gone;
            }
        }
    }
}

impl Unit {
    /// The static at a place.
    fn holder(&self, section: usize, offset: u64) -> Option<&Symbol> {
        self.symbols.iter().find(|symbol| {
            symbol.place == Place::In(section)
                && symbol.kind != SymbolKind::Section
                && (symbol.value..symbol.value + symbol.size).contains(&offset)
        })
    }

    /// The first code that refers to a place.
    fn user_of(&self, section: usize, within: impl Fn(u64) -> bool) -> Option<(usize, u64)> {
        self.sections.iter().enumerate().find_map(|(index, code)| {
            let reloc = code.relocs.iter().find(|reloc| {
                let symbol = &self.symbols[reloc.symbol];
                let offset = (symbol.value as i64).saturating_add(reloc.addend);
                code.executable
                    && symbol.place == Place::In(section)
                    && u64::try_from(offset).is_ok_and(&within)
            })?;
            Some((index, reloc.offset))
        })
    }
}

impl Named {
    /// References that lead nowhere, or that only a further link can lead anywhere.
    pub(super) fn refuse_undefined(&self, leave: Leave) -> Vec<Diagnostic> {
        let mut uses: Vec<(usize, Vec<(usize, u64)>)> = Vec::new();
        for (index, section) in self.0.sections.iter().enumerate() {
            for reloc in &section.relocs {
                let symbol = &self.0.symbols[reloc.symbol];
                let known = match symbol.place {
                    Place::In(_) => true,
                    Place::Undefined => self.0.externs.iter().any(|e| {
                        let is_provided = e.provider.is_kernel() || leave == Leave::Relocatable;
                        is_provided && e.name == symbol.name
                    }),
                    Place::Absolute | Place::Gone => false,
                };
                if known {
                    continue;
                }
                match uses.iter_mut().find(|u| u.0 == reloc.symbol) {
                    Some(entry) => entry.1.push((index, reloc.offset)),
                    None => uses.push((reloc.symbol, vec![(index, reloc.offset)])),
                }
            }
        }
        let mut errors = Vec::new();
        for (symbol, places) in uses {
            let symbol = &self.0.symbols[symbol];
            let name = names::display(&symbol.name);
            let call = places.iter().any(|&(section, offset)| {
                bytes_at::<8>(&self.0.sections[section].data, offset).is_some_and(|bytes| {
                    let insn = Insn::decode(bytes, self.0.endian);
                    insn.code == consts::BPF_JMP | consts::BPF_CALL
                })
            });
            let error = match symbol.place {
                Place::Undefined => {
                    let (what, kernels) = match call {
                        true => (
                            format!("the function `{name}` is called but defined nowhere"),
                            "a kernel function must be declared as a kfunc",
                        ),
                        false => (
                            format!("`{name}` is used but defined nowhere"),
                            "a kernel variable must be declared as a ksym",
                        ),
                    };
                    // What is declared with a type can be linked further.
                    let later = match self.0.externs.iter().any(|e| e.name == symbol.name) {
                        true => ", or say `--relocatable` to leave it to a further link",
                        false => "",
                    };
                    Diagnostic::error(Code::UNDEFINED_SYMBOL, what)
                        .help(format!("link the object that defines it{later}; {kernels}"))
                }
                _ => Diagnostic::error(
                    Code::UNDEFINED_SYMBOL,
                    format!("`{name}` is used but has no place in the object"),
                ),
            };
            let mut error = match places.first() {
                Some(&(section, offset)) => self.locate(error, section, offset),
                None => error,
            };
            if places.len() > 1 {
                error = error.note(format!("used at {} places", places.len()));
            }
            errors.push(error);
        }
        errors
    }
}
