//! Jump tables (clang 22 with `-mcpu=v4`): where `gotox` may go.
//!
//! Section `.jumptables` holds tables of 64-bit numbers, each an instruction's place in bytes from
//! the start of its code section. No relocation says which section: that of the code that refers to
//! the table. Loaders make a map of each table, `BPF_MAP_TYPE_INSN_ARRAY` (Linux 6.19).

use hachi_asm::Endian;

use super::elf::{Binding, Object, Place, Reloc, RelocKind, Symbol, SymbolKind, bytes_at};
use super::fault::ObjectFault;

impl Object {
    /// Turns the numbers of all tables that code refers to into references like all others, which
    /// follow the code wherever it goes.
    ///
    /// # Errors
    /// [`ObjectFault::JumpTable`] and [`ObjectFault::JumpOutside`].
    pub(super) fn relocate_jump_tables(&mut self) -> Result<(), ObjectFault> {
        for code in 0..self.sections.len() {
            if !self.sections[code].executable {
                continue;
            }
            let used: Vec<usize> = self.sections[code]
                .relocs
                .iter()
                .map(|reloc| reloc.symbol)
                .filter(|&symbol| self.jump_table_of(symbol).is_some())
                .collect();
            for table in used {
                self.relocate_jump_table(table, code)?;
            }
        }
        for at in 0..self.symbols.len() {
            if self.jump_table_of(at).is_some() {
                // Every object has tables of the same names, which mean nothing to others.
                self.symbols[at].binding = Binding::Local;
            }
        }
        for section in self.sections.iter_mut().filter(|s| s.is_jump_table()) {
            section.align = section.align.max(8);
            section.relocs.sort_by_key(|reloc| reloc.offset);
        }
        Ok(())
    }

    /// The section of a symbol, if that holds jump tables.
    fn jump_table_of(&self, symbol: usize) -> Option<usize> {
        match self.symbols[symbol].place {
            Place::In(section) if self.sections[section].is_jump_table() => Some(section),
            _ => None,
        }
    }

    fn relocate_jump_table(&mut self, table: usize, code: usize) -> Result<(), ObjectFault> {
        let Some(section) = self.jump_table_of(table) else {
            return Ok(());
        };
        let Symbol { value, size, .. } = self.symbols[table];
        let name = self.symbols[table].name.clone();
        if size == 0 || size % 8 != 0 || value % 8 != 0 {
            return Err(ObjectFault::JumpTable {
                table: name,
                address: value,
                size,
            });
        }
        let target = self.section_symbol(code);
        for offset in (value..value + size).step_by(8) {
            let place = bytes_at::<8>(&self.sections[section].data, offset).map(|bytes| match self
                .endian
            {
                Endian::Little => u64::from_le_bytes(bytes),
                Endian::Big => u64::from_be_bytes(bytes),
            });
            let inside = |place: &u64| *place < self.sections[code].size && place.is_multiple_of(8);
            let Some(place) = place.filter(inside) else {
                return Err(ObjectFault::JumpOutside {
                    table: name,
                    section: self.sections[code].name.clone(),
                });
            };
            let content = &mut self.sections[section];
            if content.relocs.iter().any(|reloc| reloc.offset == offset) {
                continue;
            }
            content.relocs.push(Reloc {
                offset,
                kind: RelocKind::Abs64,
                symbol: target,
                addend: place as i64,
            });
        }
        Ok(())
    }

    /// The symbol that stands for the start of a section.
    fn section_symbol(&mut self, section: usize) -> usize {
        let known = self
            .symbols
            .iter()
            .position(|s| s.kind == SymbolKind::Section && s.place == Place::In(section));
        known.unwrap_or_else(|| {
            self.symbols.push(Symbol {
                name: String::new(),
                binding: Binding::Local,
                kind: SymbolKind::Section,
                hidden: false,
                place: Place::In(section),
                value: 0,
                size: 0,
                object: self.symbols.first().map_or(0, |symbol| symbol.object),
                replaced: false,
            });
            self.symbols.len() - 1
        })
    }
}
