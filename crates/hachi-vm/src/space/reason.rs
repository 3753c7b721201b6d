//! Why an access cannot be made.

use hachi_machine::{Fault, Reason};

use super::{FRAME, FRAME_TOP, FRAME_WINDOW, OFFSET, START, Shape, Space, region_of};

impl Space {
    /// Why an access cannot be made.
    #[cold]
    pub(crate) fn fault(&self, address: u64, size: u64, write: bool) -> Fault {
        let reason = self.reason(address, size, write);
        Fault {
            address,
            size,
            write,
            reason,
        }
    }

    fn reason(&self, address: u64, size: u64, write: bool) -> Reason {
        if !(1 << 16..=u64::MAX - (1 << 16)).contains(&address) {
            return Reason::Null;
        }
        let Some(region) = self.regions.get(region_of(address)) else {
            return Reason::Unmapped;
        };
        let kind = region.kind.clone();
        let offset = address & OFFSET;
        let from_start = offset.wrapping_sub(START) as i64;
        match region.shape {
            Shape::Nothing => Reason::Unmapped,
            Shape::Gone(why) => Reason::Gone { kind, why },
            Shape::Context => Reason::NoField {
                offset: from_start as u64,
            },
            Shape::Linear { low, high } => {
                let place = from_start - i64::from(low);
                let len = u64::from(high - low);
                if write && !region.writable && place >= 0 && place as u64 + size <= len {
                    return Reason::ReadOnly { kind };
                }
                // Metadata before a packet counts as negative.
                Reason::Outside {
                    kind,
                    offset: place,
                    len,
                }
            }
            Shape::Arena => Reason::Outside {
                kind,
                offset: offset as i64,
                len: 1 << 32,
            },
            Shape::Items {
                shift,
                size: item,
                count,
            } => {
                let index = from_start >> shift;
                let inside = from_start & ((1 << shift) - 1);
                let there = index >= 0 && index < i64::from(count);
                if write && !region.writable && there && inside as u64 + size <= u64::from(item) {
                    return Reason::ReadOnly { kind };
                }
                // The upper half of the gap is before the next item.
                let offset = match inside > (i64::from(item) + (1 << shift)) / 2 {
                    true => inside - (1 << shift),
                    false => inside,
                };
                Reason::Outside {
                    kind,
                    offset,
                    len: item.into(),
                }
            }
            Shape::Stack => {
                let from_top = (offset % FRAME_WINDOW) as i64 - FRAME_TOP as i64;
                if !write && self.place(region, offset, size).is_some() {
                    let first = (0..size).find(|at| !self.is_written(offset + at, 1));
                    return Reason::Uninitialised {
                        offset: from_top + first.unwrap_or(0) as i64,
                    };
                }
                Reason::Outside {
                    kind,
                    offset: from_top + FRAME as i64,
                    len: FRAME,
                }
            }
        }
    }
}
