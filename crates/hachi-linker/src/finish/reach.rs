//! What the programs need, and throwing away the rest.
//!
//! Everything is cut into pieces: a function, a static, or the bytes between two of them (constants
//! without a name). Programs, maps and whatever other objects or user space may ask for by name are
//! needed, and whatever a needed piece refers to.

use std::collections::HashSet;

use hachi_asm::Insn;
use hachi_btf::Type;

use super::edit::Edits;
use super::elf::{Binding, Place, Reloc, RelocKind, Symbol, SymbolKind, bytes_at};
use super::link::Unit;
use super::states::{Linked, Named, Typed};
use super::{Leave, Origin};
use crate::{Code, Diagnostic};

/// A contiguous part of a section that is kept or thrown away as a whole.
#[derive(Debug)]
struct Piece {
    section: usize,
    start: u64,
    end: u64,
    what: What,
    needed: bool,
}

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// Functions or statics; several where they overlap.
    Named,
    /// The same, but another definition took the place of each.
    Replaced,
    /// Constants without a name, or padding.
    Anonymous,
}

/// Data sections of which LLVM's own pieces may go when nothing needs them: no user named them, so
/// nobody counts on what is in them.
fn is_prunable(name: &str) -> bool {
    ["rodata", "data", "bss"].iter().any(|kind| {
        name.strip_prefix('.')
            .and_then(|name| name.strip_prefix(kind))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

impl Linked {
    /// Lets every reference name what it means: a function or static rather than a section and an
    /// offset, and calls within a section, which the assembler resolved, like all others.
    ///
    /// libbpf ignores the offset in references to maps, so this decides which map a program uses.
    pub(super) fn symbolise(&mut self) -> Result<(), Vec<Diagnostic>> {
        let mut errors = Vec::new();
        let index = Index::new(self);
        for at in 0..self.0.sections.len() {
            let mut relocs = std::mem::take(&mut self.0.sections[at].relocs);
            if self.0.sections[at].executable {
                self.name_local_calls(at, &mut relocs, &index, &mut errors);
            }
            for reloc in &mut relocs {
                let symbol = &self.0.symbols[reloc.symbol];
                let (SymbolKind::Section, Place::In(target)) = (symbol.kind, symbol.place) else {
                    continue;
                };
                if self.is_plain_data(at, reloc.offset) {
                    continue;
                }
                let offset = reloc.addend;
                if let Some(found) = index.containing(self, target, offset) {
                    reloc.addend = offset - self.0.symbols[found].value as i64;
                    reloc.symbol = found;
                }
                let target = &self.0.sections[target];
                let exact =
                    reloc.addend == 0 && self.0.symbols[reloc.symbol].kind != SymbolKind::Section;
                if (target.executable || target.name == ".maps") && !exact {
                    let what = if target.executable {
                        "a function"
                    } else {
                        "a map"
                    };
                    let mut error = Diagnostic::error(
                        Code::INPUT_MALFORMED,
                        format!(
                            "something refers to the inside of {what} (section `{}`, offset \
                             {offset})",
                            target.name
                        ),
                    );
                    if target.executable {
                        error = error.help(
                            "eBPF has no jump tables or labels as values before \
                                            cpu v4; loaders know none",
                        );
                    }
                    errors.push(self.locate(error, at, reloc.offset));
                }
            }
            self.0.sections[at].relocs = relocs;
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }

    /// Whether a place holds data of an object that was given, which loaders copy as it is, or jump
    /// tables, whose targets have no names.
    fn is_plain_data(&self, section: usize, offset: u64) -> bool {
        let content = &self.0.sections[section];
        self.is_given(section, offset) && !content.executable && !content.is_linked_data()
    }

    fn name_local_calls(
        &self,
        at: usize,
        relocs: &mut Vec<Reloc>,
        index: &Index,
        errors: &mut Vec<Diagnostic>,
    ) {
        let section = &self.0.sections[at];
        let named: HashSet<u64> = relocs.iter().map(|reloc| reloc.offset).collect();
        let mut offset = 0;
        while let Some(bytes) = bytes_at::<8>(&section.data, offset) {
            let insn = Insn::decode(bytes, self.0.endian);
            if insn.is_pseudo_call() && !named.contains(&offset) {
                let target = offset as i64 + 8 + i64::from(insn.imm) * 8;
                match index.containing(self, at, target) {
                    Some(symbol) if self.0.symbols[symbol].value as i64 == target => {
                        relocs.push(Reloc {
                            offset,
                            kind: RelocKind::Call,
                            symbol,
                            addend: 0,
                        });
                    }
                    _ => {
                        let error =
                            Diagnostic::error(Code::INPUT_MALFORMED, "a call leads to no function");
                        errors.push(self.locate(error, at, offset));
                    }
                }
            }
            offset += if insn.is_ld_imm64() { 16 } else { 8 };
        }
        relocs.sort_by_cached_key(|reloc| reloc.offset);
    }
}

impl Typed {
    /// The reverse, where that serves: libbpf takes a local function's address for a callback only
    /// by section and offset, as compilers write it; and constants without a name of their own need
    /// no symbol.
    pub(super) fn desymbolise(&mut self) {
        let described: HashSet<usize> = self.0.vars.iter().map(|bound| bound.symbol).collect();
        let sources = self.0.sources.clone();
        let constant = |number: usize, symbol: &Symbol| {
            symbol.kind == SymbolKind::Object
                && symbol.binding == Binding::Local
                && sources[symbol.object].origin == Origin::Compiled
                && !described.contains(&number)
        };
        for at in 0..self.0.sections.len() {
            let mut relocs = std::mem::take(&mut self.0.sections[at].relocs);
            for reloc in &mut relocs {
                let symbol = &self.0.symbols[reloc.symbol];
                let local = symbol.binding == Binding::Local;
                if let Place::In(target) = symbol.place
                    && (local && symbol.kind == SymbolKind::Func || constant(reloc.symbol, symbol))
                {
                    reloc.addend = reloc.addend.wrapping_add(symbol.value as i64);
                    reloc.symbol = self.section_symbol(target);
                }
            }
            self.0.sections[at].relocs = relocs;
        }
        for (number, symbol) in self.0.symbols.iter_mut().enumerate() {
            if constant(number, symbol) {
                symbol.place = Place::Gone;
            }
        }
    }
}

impl Unit {
    /// Whether what lies at a place comes from an object that was given.
    pub(super) fn is_given(&self, section: usize, offset: u64) -> bool {
        let part = self.sections[section].part_at(offset);
        part.is_some_and(|part| self.sources[part.object].origin == Origin::Given)
    }
}

impl Named {
    /// Finds what is needed, and gives the edits that remove the rest: one for each section.
    ///
    /// `entries` are the names of functions needed although nothing here refers to them.
    pub(super) fn unneeded(&self, entries: &[String], leave: Leave) -> Vec<Edits> {
        let mut pieces = self.pieces();
        self.mark_roots(&mut pieces, entries, leave);
        let mut todo: Vec<usize> = (0..pieces.len()).filter(|&i| pieces[i].needed).collect();
        while let Some(at) = todo.pop() {
            let Piece {
                section,
                start,
                end,
                ..
            } = pieces[at];
            let relocs = &self.0.sections[section].relocs;
            let first = relocs.partition_point(|reloc| reloc.offset < start);
            for reloc in relocs[first..]
                .iter()
                .take_while(|reloc| reloc.offset < end)
            {
                if let Some(target) = self.piece_of(&pieces, reloc)
                    && !pieces[target].needed
                {
                    pieces[target].needed = true;
                    todo.push(target);
                }
            }
        }

        let mut edits: Vec<Edits> = self.0.sections.iter().map(|_| Edits::default()).collect();
        for dead in pieces.chunk_by(|a, b| a.section == b.section && a.needed == b.needed) {
            let [first, ..] = dead else { continue };
            if first.needed {
                continue;
            }
            let end = dead.last().map_or(first.end, |last| last.end);
            let align = match &self.0.sections[first.section] {
                section if section.executable => 8,
                section => section.align,
            };
            edits[first.section].remove(first.start, end, align);
        }
        edits
    }

    /// All pieces, ordered by section and offset.
    fn pieces(&self) -> Vec<Piece> {
        let mut pieces: Vec<Piece> = Vec::new();
        for (section, content) in self.0.sections.iter().enumerate() {
            let mut symbols: Vec<_> = self
                .0
                .symbols
                .iter()
                .filter(|s| s.place == Place::In(section) && s.kind != SymbolKind::Section)
                .filter(|s| s.size > 0 && (!content.executable || s.kind == SymbolKind::Func))
                .collect();
            symbols.sort_by_key(|s| (s.value, std::cmp::Reverse(s.size)));
            let mut at = 0;
            let piece = |start, end, what| Piece {
                section,
                start,
                end,
                what,
                needed: false,
            };
            let gap = |from: u64, to: u64, pieces: &mut Vec<Piece>| {
                let mut start = from;
                for part in content
                    .parts
                    .iter()
                    .filter(|p| p.start > from && p.start < to)
                {
                    pieces.push(piece(start, part.start, What::Anonymous));
                    start = part.start;
                }
                pieces.push(piece(start, to, What::Anonymous));
            };
            for symbol in symbols {
                let start = symbol.value;
                let end = start + symbol.size;
                let what = if symbol.replaced {
                    What::Replaced
                } else {
                    What::Named
                };
                if start < at {
                    // An alias, or a static within another.
                    if let Some(last) = pieces.last_mut() {
                        last.end = last.end.max(end);
                        at = last.end;
                        if what == What::Named {
                            last.what = what;
                        }
                    }
                    continue;
                }
                if start > at {
                    gap(at, start, &mut pieces);
                }
                pieces.push(piece(start, end, what));
                at = end;
            }
            if at < content.size {
                gap(at, content.size, &mut pieces);
            }
        }
        pieces
    }

    fn mark_roots(&self, pieces: &mut [Piece], entries: &[String], leave: Leave) {
        for piece in pieces.iter_mut() {
            let section = &self.0.sections[piece.section];
            // Padding between functions is of no use to anybody, nor is a jump table to others than
            // the code that refers to it.
            if section.executable || section.is_jump_table() || piece.what == What::Replaced {
                continue;
            }
            piece.needed = !is_prunable(&section.name)
                || self.is_given(piece.section, piece.start)
                || (section.part_at(piece.start)).is_some_and(|part| part.retain);
        }
        let callbacks = self.exception_callbacks();
        for symbol in &self.0.symbols {
            let Place::In(section) = symbol.place else {
                continue;
            };
            let content = &self.0.sections[section];
            let visible = symbol.binding != Binding::Local;
            let root = match symbol.kind {
                SymbolKind::Section => continue,
                _ if symbol.replaced => continue,
                SymbolKind::Func if content.executable => {
                    content.name != ".text"
                        || visible
                            && (leave == Leave::Relocatable || entries.contains(&symbol.name))
                        || callbacks.contains(&symbol.name.as_str())
                }
                _ => visible && !content.executable && !content.is_jump_table(),
            };
            if root && let Some(piece) = find(pieces, section, symbol.value) {
                pieces[piece].needed = true;
            }
        }
    }

    /// Functions that take over when another throws (kernel 6.7), named in a tag of that one's.
    fn exception_callbacks(&self) -> Vec<&str> {
        let tags = self.0.btf.iter().filter_map(|(_, ty)| match ty {
            Type::DeclTag(tag) => tag.value.strip_prefix("exception_callback:"),
            _ => None,
        });
        tags.collect()
    }

    fn piece_of(&self, pieces: &[Piece], reloc: &Reloc) -> Option<usize> {
        let symbol = &self.0.symbols[reloc.symbol];
        let Place::In(section) = symbol.place else {
            return None;
        };
        // A reference to a named thing means that thing, also where it points to its very end.
        let offset = match symbol.kind {
            SymbolKind::Section => u64::try_from(reloc.addend).ok()?,
            _ => symbol.value,
        };
        find(pieces, section, offset)
    }
}

/// The piece that holds this place.
fn find(pieces: &[Piece], section: usize, offset: u64) -> Option<usize> {
    let after = pieces.partition_point(|p| (p.section, p.start) <= (section, offset));
    let at = after.checked_sub(1)?;
    let piece = &pieces[at];
    (piece.section == section && offset < piece.end).then_some(at)
}

/// Functions and statics by place.
pub(super) struct Index(Vec<(usize, u64, usize)>);

impl Index {
    pub(super) fn new(unit: &Unit) -> Self {
        let mut places = Vec::new();
        for (number, symbol) in unit.symbols.iter().enumerate() {
            if let Place::In(section) = symbol.place
                && symbol.kind != SymbolKind::Section
                && symbol.size > 0
            {
                places.push((section, symbol.value, number));
            }
        }
        places.sort_unstable();
        Index(places)
    }

    /// The function or static at this place of a section; visible ones before local aliases.
    pub(super) fn containing(&self, unit: &Unit, section: usize, offset: i64) -> Option<usize> {
        let offset = u64::try_from(offset).ok()?;
        let end = self.0.partition_point(|p| (p.0, p.1) <= (section, offset));
        let last = self.0[..end].last().filter(|p| p.0 == section)?;
        let candidates = self.0[..end]
            .iter()
            .rev()
            .take_while(|p| (p.0, p.1) == (last.0, last.1))
            .map(|p| p.2)
            .filter(|&number| {
                let symbol = &unit.symbols[number];
                offset < symbol.value + symbol.size
            });
        candidates.max_by_key(|&number| unit.symbols[number].binding != Binding::Local)
    }
}
