//! What it takes for C to choose the layout that a struct has.
//!
//! C puts a member at the next multiple of its alignment, and a bit-field at the next bit unless it
//! would cross a multiple of its type's size (System V ABI, which BPF follows). Where the type says
//! otherwise, the struct is packed, or unnamed bit-fields fill the gap: those take room but add
//! neither a member nor alignment.

use super::C;
use crate::view::too_deep;
use crate::{Error, Kind, Member, Shape};

/// How a struct or union has to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    /// Members are not aligned.
    pub(super) packed: bool,
    /// The alignment that has to be asked for, in bytes.
    pub(super) aligned: Option<u32>,
    /// The alignment it has, in bytes.
    pub(super) align: u32,
    /// How many bits to fill at the end.
    pub(super) padding: u64,
}

/// Where a member is and what it takes, in bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) start: u64,
    pub(super) bits: u64,
    bit_field: bool,
    /// Of its type, in bits.
    align: u64,
    /// Size of its type, which bit-fields do not cross the multiples of.
    unit: u64,
}

impl Place {
    /// Where C would put it, after `used` bits.
    fn natural(&self, used: u64, packed: bool) -> u64 {
        match (self.bit_field, packed) {
            (true, false) if self.crosses(used) => used.next_multiple_of(self.align),
            (true, _) => used,
            (false, true) => used.next_multiple_of(8),
            (false, false) => used.next_multiple_of(self.align),
        }
    }

    /// Whether a bit-field at `start` would lie on both sides of a multiple of its type's size.
    fn crosses(&self, start: u64) -> bool {
        start / self.unit != (start + self.bits).saturating_sub(1) / self.unit
    }

    /// Bits to fill before it, after `used` bits.
    pub(super) fn gap(&self, used: u64, packed: bool) -> u64 {
        match self.natural(used, packed) == self.start {
            true => 0,
            false => self.start.saturating_sub(used),
        }
    }

    /// Whether C would put it there only in a packed struct.
    fn needs_packing(&self) -> bool {
        match self.bit_field {
            true => self.crosses(self.start),
            false => !self.start.is_multiple_of(self.align),
        }
    }
}

/// The widest unnamed bit-fields that fill `gap` bits after `used`: type and width of each. None
/// crosses a multiple of its type's size, so C puts one right after the other.
pub(super) fn filling(used: u64, gap: u64) -> impl Iterator<Item = (&'static str, u64)> {
    let end = used + gap;
    let mut at = used;
    std::iter::from_fn(move || {
        let left = end.checked_sub(at).filter(|&left| left != 0)?;
        let whole = [("long", 64), ("int", 32), ("short", 16), ("char", 8)];
        let fits = |&&(_, bits): &&(&str, u64)| at.is_multiple_of(bits) && left >= bits;
        let (unit, bits) = match whole.iter().find(fits) {
            Some(&fill) => fill,
            None => ("char", left.min(8 - at % 8)),
        };
        at += bits;
        Some((unit, bits))
    })
}

impl C<'_> {
    pub(super) fn plan(&mut self, id: u32, depth: u32) -> Result<Plan, Error> {
        if let Some(&plan) = self.plans.get(&id) {
            return Ok(plan);
        }
        let shape = self.types.shape(id)?;
        let mut members = self.types.members(id)?;
        members.sort_by_key(|member| member.bit_offset);
        let places = members
            .iter()
            .map(|member| self.place(member, depth))
            .collect::<Result<Vec<Place>, Error>>()?;
        let plan = match shape.kind {
            Kind::Union => union_plan(&shape, &places),
            _ => struct_plan(&shape, &places),
        };
        self.plans.insert(id, plan);
        Ok(plan)
    }

    pub(super) fn place(&mut self, member: &Member<&str>, depth: u32) -> Result<Place, Error> {
        // A struct that contains itself has no size; C will say so.
        let size = 8 * u64::from(self.types.size_of(member.type_id)?);
        let align = 8 * u64::from(self.align(member.type_id, depth)?);
        Ok(Place {
            start: member.bit_offset.into(),
            bits: match member.bit_size {
                0 => size,
                bits => bits.into(),
            },
            bit_field: member.bit_size != 0,
            align,
            unit: size.max(8),
        })
    }

    /// The alignment of a type as it is written here, in bytes.
    fn align(&mut self, id: u32, depth: u32) -> Result<u32, Error> {
        let depth = depth
            .checked_sub(1)
            .ok_or_else(|| too_deep(self.types, id))?;
        self.left = self.left.checked_sub(1).ok_or(Error::TooMany { id })?;
        let shape = self.types.shape(id)?;
        match shape.kind {
            Kind::Struct | Kind::Union => Ok(self.plan(id, depth)?.align),
            kind if kind.is_modifier() || matches!(kind, Kind::Array | Kind::Var) => {
                self.align(shape.type_id, depth)
            }
            // Sizes that no number of C has are refused by the compiler.
            _ => Ok(self.types.align_of(id)?.next_power_of_two()),
        }
    }
}

fn struct_plan(shape: &Shape<'_>, places: &[Place]) -> Plan {
    let size = 8 * u64::from(shape.size);
    let natural = places.iter().map(|place| place.align).max().unwrap_or(8);
    let packed = !size.is_multiple_of(natural) || places.iter().any(Place::needs_packing);
    let align = if packed { 8 } else { natural };
    let used = places
        .iter()
        .map(|place| place.start + place.bits)
        .max()
        .unwrap_or(0);
    // Room that the alignment makes at the end needs no filling.
    let padding = match used.next_multiple_of(align) == size {
        true => 0,
        false => size.saturating_sub(used),
    };
    Plan {
        packed,
        aligned: None,
        align: (align / 8) as u32,
        padding,
    }
}

fn union_plan(shape: &Shape<'_>, places: &[Place]) -> Plan {
    let size = 8 * u64::from(shape.size);
    let natural = places.iter().map(|place| place.align).max().unwrap_or(8);
    let packed = !size.is_multiple_of(natural);
    let align = if packed { 8 } else { natural };
    let used = places.iter().map(|place| place.bits).max().unwrap_or(0);
    let mut plan = Plan {
        packed,
        aligned: None,
        align: (align / 8) as u32,
        padding: 0,
    };
    if used.next_multiple_of(align) != size {
        // Only alignment, or a member of that size, makes a union larger.
        let wider = (3..=31)
            .map(|log| 1u64 << log)
            .find(|&wider| wider > align && used.next_multiple_of(wider) == size);
        match wider {
            Some(wider) => {
                plan.aligned = Some((wider / 8) as u32);
                plan.align = (wider / 8) as u32;
            }
            None => plan.padding = size,
        }
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_filled_with_padding_that_fits() {
        let filled = |used, gap| filling(used, gap).collect::<Vec<_>>();
        assert_eq!(filled(0, 0), []);
        assert_eq!(filled(3, 2), [("char", 2)]);
        assert_eq!(filled(3, 8), [("char", 5), ("char", 3)]);
        assert_eq!(
            filled(8, 120),
            [("char", 8), ("short", 16), ("int", 32), ("long", 64)]
        );
        assert_eq!(filled(64, 64), [("long", 64)]);
    }
}
