//! Records of `.BTF.ext` for one section of code, by place.

use std::ops::Range;

use hachi_asm::Endian;
use hachi_btf::ext::{Place, Record};

use crate::order::sort_by_number;

/// Where the records of one kind for one section are.
#[derive(Default)]
pub(crate) enum Records {
    /// There are none.
    #[default]
    None,
    /// As compilers write them: in one place, in order.
    File(Place),
    /// From several places, or out of order: by what they begin with, the offset in the section,
    /// where each begins in `.BTF.ext`.
    Sorted(Vec<(u32, usize)>),
}

impl Records {
    /// Adds those of another place.
    pub(crate) fn add(&mut self, place: Place, ext: &[u8], endian: Endian) {
        if matches!(self, Records::None) && place.is_ascending(ext, endian) {
            *self = Records::File(place);
            return;
        }
        let mut list = match std::mem::take(self) {
            Records::None => Vec::new(),
            Records::File(place) => places(place, ext, endian).collect(),
            Records::Sorted(list) => list,
        };
        list.extend(places(place, ext, endian));
        sort_by_number(&mut list, |(offset, _)| (*offset).into());
        *self = Records::Sorted(list);
    }

    /// Which of them lie at the offsets `start..end` of the section.
    pub(crate) fn range(&self, ext: &[u8], endian: Endian, at: Range<u32>) -> Range<usize> {
        let position = |offset: u32| match self {
            Records::None => 0,
            Records::File(place) => place.first_at(ext, endian, offset),
            Records::Sorted(list) => list.partition_point(|(place, _)| *place < offset),
        };
        position(at.start)..position(at.end)
    }

    /// Reads one.
    pub(crate) fn get<R: Record>(&self, ext: &[u8], endian: Endian, number: usize) -> R {
        let start = match self {
            Records::None => ext.len(),
            Records::File(place) => place.start + number * place.size,
            Records::Sorted(list) => list[number].1,
        };
        R::read(ext.get(start..).unwrap_or_default(), endian)
    }
}

/// The offsets that the records of a place begin with, and where the records begin.
fn places(place: Place, ext: &[u8], endian: Endian) -> impl Iterator<Item = (u32, usize)> + '_ {
    let offsets = place.offsets(ext, endian).enumerate();
    offsets.map(move |(number, offset)| (offset, place.start + number * place.size))
}
