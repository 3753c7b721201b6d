//! Cutting pieces out of sections and making room for longer instructions, with everything that
//! counts offsets (symbols, relocations, jumps, line and relocation records) adjusted.

use hachi_asm::{Endian, Insn, consts};

use super::elf::{Place, bytes_at};
use super::link::Unit;

/// What is to change in one section. Offsets are those before any of the changes.
#[derive(Debug, Default)]
pub(super) struct Edits {
    /// Bytes to remove: (start, end), ordered, disjoint.
    cuts: Vec<(u64, u64)>,
    /// Instructions of 8 bytes to be replaced by these of 16, ordered by offset.
    wide: Vec<(u64, [Insn; 2])>,
}

impl Edits {
    pub(super) fn cut(&mut self, start: u64, end: u64) {
        if start < end {
            self.cuts.push((start, end));
        }
    }

    pub(super) fn widen(&mut self, offset: u64, insns: [Insn; 2]) {
        self.wide.push((offset, insns));
    }

    /// Whether what lies at `offset` stays.
    pub(super) fn keeps(&self, offset: u64) -> bool {
        self.map(offset).is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cuts.is_empty() && self.wide.is_empty()
    }

    /// Where what lies at `offset` goes; `None` when it is cut out.
    fn map(&self, offset: u64) -> Option<u64> {
        let cuts = &self.cuts[..self.cuts.partition_point(|cut| cut.0 <= offset)];
        if cuts.last().is_some_and(|cut| offset < cut.1) {
            return None;
        }
        let removed: u64 = cuts.iter().map(|cut| cut.1 - cut.0).sum();
        let added = 8 * self.wide.partition_point(|wide| wide.0 < offset) as u64;
        Some(offset - removed + added)
    }
}

/// A jump that no longer reaches its target.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooFar {
    /// Offset of the jump before the changes.
    pub offset: u64,
}

impl Unit {
    /// Makes the changes in one section.
    ///
    /// # Errors
    /// When code grows so much that a jump does not reach its target any more.
    pub(super) fn edit(&mut self, index: usize, mut edits: Edits) -> Result<(), TooFar> {
        if edits.is_empty() {
            return Ok(());
        }
        edits.cuts.sort_unstable();
        edits.wide.sort_unstable_by_key(|wide| wide.0);
        let endian = self.endian;
        let section = &mut self.sections[index];
        if section.executable {
            section.data = edit_code(&section.data, &edits, endian)?;
            section.size = section.data.len() as u64;
        } else {
            let mut data = Vec::with_capacity(section.data.len());
            let mut from = 0;
            for &(start, end) in &edits.cuts {
                if !section.bss {
                    data.extend_from_slice(&section.data[from as usize..start as usize]);
                }
                section.size -= end - start;
                from = end;
            }
            if !section.bss {
                data.extend_from_slice(&section.data[from as usize..]);
                section.data = data;
            }
        }

        let mut pieces = std::mem::take(&mut section.relocs);
        pieces.retain_mut(|reloc| match edits.map(reloc.offset) {
            Some(offset) => {
                reloc.offset = offset;
                true
            }
            None => false,
        });
        section.relocs = pieces;
        let keep = |offset: &mut u32| match edits.map(u64::from(*offset)) {
            Some(moved) => {
                *offset = moved as u32;
                true
            }
            None => false,
        };
        section.lines.retain_mut(|line| keep(&mut line.insn_off));
        section.core.retain_mut(|relo| keep(&mut relo.insn_off));
        section.parts.clear();

        for symbol in &mut self.symbols {
            if symbol.place != Place::In(index) || symbol.kind == super::elf::SymbolKind::Section {
                continue;
            }
            match edits.map(symbol.value) {
                Some(start) => {
                    // Sizes count what was put in between; nothing inside a symbol that stays is
                    // ever cut.
                    let end = symbol.value + symbol.size;
                    let grown = edits
                        .wide
                        .iter()
                        .filter(|w| (symbol.value..end).contains(&w.0));
                    symbol.size += 8 * grown.count() as u64;
                    symbol.value = start;
                }
                None => symbol.place = Place::Gone,
            }
        }
        // References by section and offset.
        let moved: Vec<usize> = self
            .symbols
            .iter()
            .enumerate()
            .filter(|(_, s)| {
                s.place == Place::In(index) && s.kind == super::elf::SymbolKind::Section
            })
            .map(|(i, _)| i)
            .collect();
        for section in &mut self.sections {
            for reloc in &mut section.relocs {
                if moved.contains(&reloc.symbol)
                    && let Ok(offset) = u64::try_from(reloc.addend)
                {
                    reloc.addend = edits.map(offset).unwrap_or(offset) as i64;
                }
            }
        }
        Ok(())
    }
}

fn edit_code(data: &[u8], edits: &Edits, endian: Endian) -> Result<Vec<u8>, TooFar> {
    let mut out = Vec::with_capacity(data.len() + 8 * edits.wide.len());
    let mut wide = edits.wide.iter().peekable();
    let mut offset = 0;
    while let Some(bytes) = bytes_at::<8>(data, offset) {
        let Some(here) = edits.map(offset) else {
            offset += 8;
            continue;
        };
        while wide.next_if(|w| w.0 < offset).is_some() {}
        if let Some((_, insns)) = wide.next_if(|w| w.0 == offset) {
            out.extend(Insn::encode_all(insns, endian));
            offset += 8;
            continue;
        }
        let mut insn = Insn::decode(bytes, endian);
        let slots = if insn.is_ld_imm64() { 2 } else { 1 };
        if let Some(jump) = insn.jump_offset() {
            let target = (offset as i64 + 8).saturating_add(i64::from(jump) * 8);
            // A jump out of all code is the verifier's to refuse; it stays as it is.
            if let Ok(target) = u64::try_from(target)
                && let Some(there) = edits.map(target)
            {
                let distance = (there as i64 - here as i64) / 8 - 1;
                if insn.class() == consts::BPF_JMP32 && insn.op() == consts::BPF_JA {
                    insn.imm = i32::try_from(distance).map_err(|_| TooFar { offset })?;
                } else {
                    insn.off = i16::try_from(distance).map_err(|_| TooFar { offset })?;
                }
            }
        }
        out.extend(insn.encode(endian));
        offset += 8;
        // The second half of an ld_imm64 is no instruction.
        if slots == 2
            && let Some(half) = bytes_at::<8>(data, offset)
        {
            out.extend(half);
            offset += 8;
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use hachi_asm::build;

    use super::*;

    fn code(insns: &[Insn]) -> Vec<u8> {
        Insn::encode_all(insns, Endian::Little)
    }

    #[test]
    fn jumps_follow_their_targets() {
        // 0: goto 4; 1..=2: ld_imm64; 3: call; 4: if … goto 3; 5: gotol 0; 6: exit
        let before = code(&[
            build::ja(3),
            build::ld_imm64(1, hachi_asm::Imm64::Value(7))[0],
            build::ld_imm64(1, hachi_asm::Imm64::Value(7))[1],
            build::call_helper(9),
            build::jump(hachi_asm::JumpOp::Eq, 1, hachi_asm::Operand::Imm(0), -2),
            build::ja_long(-6),
            build::exit(),
        ]);
        let mut edits = Edits::default();
        let wide = build::ld_imm64(0, hachi_asm::Imm64::Value(1 << 40));
        edits.widen(24, wide);
        let after = edit_code(&before, &edits, Endian::Little).unwrap();
        let insns = Insn::decode_all(&after, Endian::Little).unwrap();
        assert_eq!(insns.len(), 8);
        assert_eq!(insns[0].off, 4);
        assert_eq!(insns[3..5], wide);
        assert_eq!(insns[5].off, -3);
        assert_eq!(insns[6].imm, -7);
    }

    #[test]
    fn cuts_remove_whole_functions() {
        let before = code(&[
            build::exit(),
            build::mov_imm(0, 1),
            build::exit(),
            build::ja(-1),
        ]);
        let mut edits = Edits::default();
        edits.cut(0, 8);
        assert_eq!(edits.map(0), None);
        assert_eq!(edits.map(8), Some(0));
        assert_eq!(edits.map(32), Some(24));
        let after = edit_code(&before, &edits, Endian::Little).unwrap();
        assert_eq!(after, before[8..]);
    }

    #[test]
    fn a_jump_out_of_reach_is_told() {
        let mut insns = vec![build::ja(i16::MAX)];
        insns.resize(1 + i16::MAX as usize, build::call_helper(1));
        insns.push(build::exit());
        let mut edits = Edits::default();
        edits.widen(8, build::ld_imm64(0, hachi_asm::Imm64::Value(1)));
        assert_eq!(
            edit_code(&code(&insns), &edits, Endian::Little),
            Err(TooFar { offset: 0 })
        );
    }
}
