//! Cutting pieces out of sections and making room for longer instructions, with everything that
//! counts offsets (symbols, relocations, jumps, line and relocation records) adjusted.

use hachi_asm::{Endian, Insn, consts};

use super::elf::{Place, SymbolKind, bytes_at};
use super::states::Named;

/// What is to change in one section. Offsets are those before any of the changes.
#[derive(Debug, Default)]
pub(super) struct Edits {
    /// What nothing needs: (start, end), ordered, disjoint.
    dead: Vec<(u64, u64)>,
    /// The bytes of it to remove. What is left is zeroed and keeps the rest aligned.
    cuts: Vec<(u64, u64)>,
    /// Instructions of 8 bytes to be replaced by these of 16, ordered by offset.
    wide: Vec<(u64, [Insn; 2])>,
}

impl Edits {
    /// Removes a part, after all that were removed before; only a whole multiple of `align`, so
    /// that everything behind stays aligned and parts that touch each other still do (the address
    /// of one's end may be another's start).
    pub(super) fn remove(&mut self, start: u64, end: u64, align: u64) {
        let length = (end - start) / align * align;
        if start < end {
            self.dead.push((start, end));
        }
        if length > 0 {
            self.cuts.push((end - length, end));
        }
    }

    pub(super) fn widen(&mut self, offset: u64, insns: [Insn; 2]) {
        self.wide.push((offset, insns));
    }

    /// Whether what lies at `offset` stays.
    pub(super) fn keeps(&self, offset: u64) -> bool {
        within(&self.dead, offset).is_none()
    }

    /// Whether any of `start..end` goes.
    fn touches(&self, start: u64, end: u64) -> bool {
        let after = self.dead.partition_point(|dead| dead.1 <= start);
        self.dead.get(after).is_some_and(|dead| dead.0 < end)
    }

    fn is_empty(&self) -> bool {
        self.dead.is_empty() && self.wide.is_empty()
    }

    /// Where what lies at `offset` goes; `None` when nothing needs it.
    fn map(&self, offset: u64) -> Option<u64> {
        self.keeps(offset).then(|| self.place(offset))
    }

    /// Where `offset` goes; what is cut out goes to where the cut was.
    fn place(&self, offset: u64) -> u64 {
        let cuts = &self.cuts[..self.cuts.partition_point(|cut| cut.0 <= offset)];
        let removed: u64 = cuts.iter().map(|cut| cut.1.min(offset) - cut.0).sum();
        let added = 8 * self.wide.partition_point(|wide| wide.0 < offset) as u64;
        offset - removed + added
    }
}

/// The one of some ordered, disjoint ranges that holds `offset`.
fn within(ranges: &[(u64, u64)], offset: u64) -> Option<(u64, u64)> {
    let after = ranges.partition_point(|range| range.0 <= offset);
    let last = ranges.get(after.checked_sub(1)?)?;
    (offset < last.1).then_some(*last)
}

/// Why a section cannot be changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum EditError {
    /// A jump no longer reaches its target.
    TooFar {
        /// Offset of the jump before the changes.
        offset: u64,
    },
    /// Part of a function or static that stays would go. This is a defect of the linker.
    Torn {
        /// Its symbol.
        symbol: usize,
    },
}

impl Named {
    /// Makes the changes in one section.
    ///
    /// # Errors
    /// When code grows so much that a jump does not reach its target any more, and when the changes
    /// contradict each other.
    pub(super) fn edit(&mut self, index: usize, mut edits: Edits) -> Result<(), EditError> {
        if edits.is_empty() {
            return Ok(());
        }
        edits.wide.sort_unstable_by_key(|wide| wide.0);
        let endian = self.0.endian;
        let section = &mut self.0.sections[index];
        section.size = edits.place(section.size);
        if section.executable {
            section.data = edit_code(&section.data, &edits, endian)?;
            section.size = section.data.len() as u64;
        } else if !section.bss {
            edit_data(&mut section.data, &edits);
        }
        let code = section.executable;

        let keep = |offset: &mut u64| match edits.map(*offset) {
            Some(moved) => {
                *offset = moved;
                true
            }
            None => false,
        };
        section.relocs.retain_mut(|reloc| keep(&mut reloc.offset));
        let keep = |offset: &mut u32| {
            let mut wide = u64::from(*offset);
            let kept = keep(&mut wide);
            *offset = wide as u32;
            kept
        };
        section.lines.retain_mut(|line| keep(&mut line.insn_off));
        section.core.retain_mut(|relo| keep(&mut relo.insn_off));
        // Where code was cut out, what came behind it follows on what was before it.
        for (offset, _) in &mut section.inlined {
            *offset = edits.place(u64::from(*offset)) as u32;
        }
        for part in &mut section.parts {
            part.start = edits.place(part.start);
        }

        // Those that stand for this section, through which references give an offset.
        let mut starts = vec![false; self.0.symbols.len()];
        for (number, symbol) in self.0.symbols.iter_mut().enumerate() {
            if symbol.place != Place::In(index) {
                continue;
            }
            if symbol.kind == SymbolKind::Section {
                starts[number] = true;
                continue;
            }
            let end = symbol.value + symbol.size;
            // Labels in code may have a size too, which means nothing.
            let whole = !code || symbol.kind == SymbolKind::Func;
            match edits.map(symbol.value) {
                Some(_) if whole && edits.touches(symbol.value, end) => {
                    return Err(EditError::Torn { symbol: number });
                }
                Some(start) => {
                    symbol.size = edits.place(end) - start;
                    symbol.value = start;
                }
                None => symbol.place = Place::Gone,
            }
        }
        for reloc in self.0.sections.iter_mut().flat_map(|s| &mut s.relocs) {
            if starts[reloc.symbol]
                && let Ok(offset) = u64::try_from(reloc.addend)
            {
                reloc.addend = edits.place(offset) as i64;
            }
        }
        Ok(())
    }
}

fn edit_data(data: &mut Vec<u8>, edits: &Edits) {
    for &(start, end) in &edits.dead {
        if let Some(dead) = data.get_mut(start as usize..end as usize) {
            dead.fill(0);
        }
    }
    let mut kept = Vec::with_capacity(data.len());
    let mut from = 0;
    for &(start, end) in &edits.cuts {
        kept.extend_from_slice(&data[from..start as usize]);
        from = end as usize;
    }
    kept.extend_from_slice(&data[from..]);
    *data = kept;
}

fn edit_code(data: &[u8], edits: &Edits, endian: Endian) -> Result<Vec<u8>, EditError> {
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
                    insn.imm = i32::try_from(distance).map_err(|_| EditError::TooFar { offset })?;
                } else {
                    insn.off = i16::try_from(distance).map_err(|_| EditError::TooFar { offset })?;
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
            build::call_helper(hachi_asm::helpers::id::SKB_STORE_BYTES),
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
        edits.remove(0, 8, 8);
        assert_eq!(edits.map(0), None);
        assert_eq!(edits.map(8), Some(0));
        assert_eq!(edits.map(32), Some(24));
        let after = edit_code(&before, &edits, Endian::Little).unwrap();
        assert_eq!(after, before[8..]);
    }

    #[test]
    fn a_jump_out_of_reach_is_reported() {
        let mut insns = vec![build::ja(i16::MAX)];
        insns.resize(
            1 + i16::MAX as usize,
            build::call_helper(hachi_asm::helpers::id::MAP_LOOKUP_ELEM),
        );
        insns.push(build::exit());
        let mut edits = Edits::default();
        edits.widen(8, build::ld_imm64(0, hachi_asm::Imm64::Value(1)));
        assert_eq!(
            edit_code(&code(&insns), &edits, Endian::Little),
            Err(EditError::TooFar { offset: 0 })
        );
    }
}
