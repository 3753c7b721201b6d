//! The layout of a Rust type against a type in BTF.
//!
//! The two sides may call things differently, and group them differently: what must agree is where
//! each number is, and how many bytes it has. Bytes without a meaning of their own (arrays of
//! bytes, unions, bit-fields, padding, what one side does not describe) go for anything.

use hachi_btf::{Kind, Types};
use hachi_common::layout::{Layout, Parts};

use super::error::{LayoutDifference, Number};

/// How many elements of an array are compared, besides the last one: if there is a difference, one
/// of the first has it.
const ELEMENTS: usize = 4;

/// How deep types may be nested. They come from outside, and may contain themselves.
const DEPTH: u32 = 32;

/// How a Rust type differs from type `id`; `None` if it does not, as far as can be seen.
pub(super) fn difference(layout: &Layout, btf: &dyn Types, id: u32) -> Option<LayoutDifference> {
    let mut path = String::new();
    compare(layout, 0, &mut path, &|number| {
        let other =
            (number.offset..number.offset + number.size).find_map(|at| number_at(btf, id, at))?;
        if (other.offset, other.size) == (number.offset, number.size) {
            return None;
        }
        Some(LayoutDifference {
            given: number,
            declared: other,
        })
    })
}

/// A path without the dot that it may begin with.
fn trimmed(path: &str) -> String {
    path.strip_prefix('.').unwrap_or(path).to_owned()
}

/// Looks for a number of the Rust type that `differs` has something to say about.
fn compare(
    layout: &Layout,
    offset: usize,
    path: &mut String,
    differs: &dyn Fn(Number) -> Option<LayoutDifference>,
) -> Option<LayoutDifference> {
    let here = path.len();
    let mut part = |layout: &Layout, offset: usize, name: String| {
        path.push_str(&name);
        let found = compare(layout, offset, path, differs);
        path.truncate(here);
        found
    };
    match layout.parts {
        Parts::Unknown => None,
        Parts::Number => differs(Number {
            offset,
            size: layout.size,
            path: trimmed(path),
        }),
        Parts::Elements(element, _) if element.size <= 1 => None,
        Parts::Elements(element, len) => (0..len)
            .filter(|&index| index < ELEMENTS || index + 1 == len)
            .find_map(|index| part(element, offset + index * element.size, format!("[{index}]"))),
        Parts::Fields(fields) => fields.iter().find_map(|field| {
            part(
                field.layout,
                offset + field.offset,
                format!(".{}", field.name),
            )
        }),
    }
}

/// The number in type `id` that byte `at` of it belongs to; `None` if that byte may be anything.
fn number_at(btf: &dyn Types, mut id: u32, at: usize) -> Option<Number> {
    let mut start = 0;
    let mut path = String::new();
    for _ in 0..DEPTH {
        id = btf.resolve(id).ok()?;
        let shape = btf.shape(id).ok()?;
        match shape.kind {
            Kind::Struct => {
                let members = btf.members(id).ok()?;
                let member = members.iter().find(|member| {
                    let from = start + member.bit_offset as usize / 8;
                    let size = btf.size_of(member.type_id).unwrap_or(0) as usize;
                    (from..from + size).contains(&at)
                })?;
                if member.bit_size != 0 {
                    return None;
                }
                start += member.bit_offset as usize / 8;
                path = format!("{path}.{}", member.name);
                id = member.type_id;
            }
            Kind::Array => {
                let size = btf.size_of(shape.type_id).ok()? as usize;
                let element = btf.resolve(shape.type_id).ok()?;
                if size <= 1 || btf.shape(element).ok()?.kind == Kind::Union {
                    return None;
                }
                let index = (at - start) / size;
                start += index * size;
                path = format!("{path}[{index}]");
                id = element;
            }
            Kind::Int | Kind::Enum | Kind::Enum64 | Kind::Ptr | Kind::Float => {
                return Some(Number {
                    offset: start,
                    size: btf.size_of(id).ok()? as usize,
                    path: trimmed(&path),
                });
            }
            // Unions, and what has no size.
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use hachi_btf::{Array, BtfBuilder, Composite, Int, Member, Type};

    use super::*;
    use crate::Pod;

    struct C(BtfBuilder);

    impl C {
        fn int(&mut self, size: u32) -> u32 {
            self.0.add(Type::Int(Int::signed("int", size)))
        }

        fn array(&mut self, type_id: u32, nelems: u32) -> u32 {
            self.0.add(Type::Array(Array {
                type_id,
                index_type_id: 1,
                nelems,
            }))
        }

        /// Members by name, type, offset in bits and width as bit-field.
        fn composite(&self, size: u32, members: &[(&str, u32, u32, u8)]) -> Composite {
            let member = |&(name, type_id, bit_offset, bit_size): &(&str, u32, u32, u8)| Member {
                name: name.to_owned(),
                type_id,
                bit_offset,
                bit_size,
            };
            Composite {
                name: "of_c".to_owned(),
                size,
                members: members.iter().map(member).collect(),
            }
        }

        fn structure(&mut self, size: u32, members: &[(&str, u32, u32, u8)]) -> u32 {
            let composite = self.composite(size, members);
            self.0.add(Type::Struct(composite))
        }

        #[track_caller]
        fn fits<T: Pod>(&self, id: u32) {
            assert_eq!(difference(T::LAYOUT, &self.0, id), None);
        }

        #[track_caller]
        fn differs<T: Pod>(&self, id: u32, text: &str) {
            let difference = difference(T::LAYOUT, &self.0, id).map(|found| found.to_string());
            assert_eq!(difference.as_deref(), Some(text));
        }
    }

    fn c() -> C {
        C(BtfBuilder::new())
    }

    #[derive(Clone, Copy, Pod)]
    #[repr(C)]
    struct Pair {
        first: u32,
        second: u32,
    }

    #[derive(Clone, Copy, Pod)]
    #[repr(C)]
    struct Nested {
        when: u64,
        pairs: [Pair; 2],
    }

    #[derive(Clone, Copy, Pod)]
    #[repr(C, packed)]
    struct Packed {
        first: u32,
        second: u64,
        rest: [u8; 4],
    }

    #[derive(Clone, Copy, Pod)]
    #[repr(C)]
    struct Padded {
        first: u32,
        unused: u32,
        second: u64,
    }

    #[test]
    fn numbers_and_arrays() {
        let mut c = c();
        let (u8_id, u32_id, u64_id) = (c.int(1), c.int(4), c.int(8));
        c.fits::<i64>(u64_id);
        c.differs::<[u32; 2]>(
            u64_id,
            "`[0]` (4 bytes at offset 0) lies across the number there (8 bytes at offset 0)",
        );
        let four = c.array(u32_id, 4);
        c.fits::<[i32; 4]>(four);
        c.fits::<[[u32; 2]; 2]>(four);
        c.fits::<[Pair; 2]>(four);
        c.fits::<[u8; 16]>(four);
        c.differs::<[u64; 2]>(
            four,
            "`[0]` (8 bytes at offset 0) lies across `[0]` (4 bytes at offset 0)",
        );
        let name = c.array(u8_id, 16);
        c.fits::<u128>(name);
        c.fits::<Nested>(name);
        let pointer = c.0.add(Type::Ptr(hachi_btf::Ptr { type_id: u8_id }));
        c.fits::<u64>(pointer);
        // Void, and what is not there.
        c.fits::<u64>(0);
        c.fits::<u64>(999);
    }

    #[test]
    fn structs_by_their_numbers() {
        let mut c = c();
        let (u8_id, u32_id, u64_id) = (c.int(1), c.int(4), c.int(8));
        let pair = c.structure(8, &[("a", u32_id, 0, 0), ("b", u32_id, 32, 0)]);
        c.fits::<Pair>(pair);
        c.fits::<[u32; 2]>(pair);
        c.differs::<u64>(
            pair,
            "the number (8 bytes at offset 0) lies across `a` (4 bytes at offset 0)",
        );
        let pairs = c.array(pair, 2);
        let nested = c.structure(24, &[("ts", u64_id, 0, 0), ("pairs", pairs, 64, 0)]);
        c.fits::<Nested>(nested);
        c.fits::<[u8; 24]>(nested);
        let other = c.structure(24, &[("pairs", pairs, 0, 0), ("ts", u64_id, 128, 0)]);
        c.differs::<Nested>(
            other,
            "`when` (8 bytes at offset 0) lies across `pairs[0].a` (4 bytes at offset 0)",
        );
        let wide = c.structure(
            24,
            &[
                ("ts", u64_id, 0, 0),
                ("x", u64_id, 64, 0),
                ("y", u64_id, 128, 0),
            ],
        );
        c.differs::<Nested>(
            wide,
            "`pairs[0].first` (4 bytes at offset 8) lies across `x` (8 bytes at offset 8)",
        );
        // The C compiler pads; a Rust type says so.
        let padded = c.structure(16, &[("first", u32_id, 0, 0), ("second", u64_id, 64, 0)]);
        c.fits::<Padded>(padded);
        c.differs::<Packed>(
            padded,
            "`second` (8 bytes at offset 4) lies across `second` (8 bytes at offset 8)",
        );
        let bytes = c.structure(
            4,
            &[("x", u8_id, 0, 0), ("y", u8_id, 8, 0), ("z", u8_id, 16, 0)],
        );
        c.differs::<u32>(
            bytes,
            "the number (4 bytes at offset 0) lies across `x` (1 byte at offset 0)",
        );
    }

    #[test]
    fn types_that_cannot_be_compared_fit() {
        let mut c = c();
        let (u32_id, u64_id) = (c.int(4), c.int(8));
        let either = c.composite(8, &[("a", u32_id, 0, 0), ("b", u64_id, 0, 0)]);
        let either = c.0.add(Type::Union(either));
        let holder = c.structure(16, &[("id", u32_id, 0, 0), ("u", either, 64, 0)]);
        c.fits::<Padded>(holder);
        let fields = c.structure(4, &[("low", u32_id, 0, 4), ("high", u32_id, 4, 28)]);
        c.fits::<u32>(fields);
        c.fits::<[u16; 2]>(fields);
        // A struct that contains itself.
        let own = c.0.last_id() + 1;
        let id = c.structure(8, &[("own", own, 0, 0)]);
        assert_eq!(id, own);
        c.fits::<u64>(own);
        // Types that say nothing of themselves.
        c.fits::<()>(u32_id);
    }

    #[test]
    fn differences_late_in_long_arrays() {
        #[derive(Clone, Copy, Pod)]
        #[repr(C)]
        struct Long {
            list: [u64; 100_000],
            last: u64,
        }
        let mut c = c();
        let (u32_id, u64_id) = (c.int(4), c.int(8));
        let list = c.array(u64_id, 100_000);
        let same = c.structure(800_008, &[("l", list, 0, 0), ("e", u64_id, 6_400_000, 0)]);
        c.fits::<Long>(same);
        let halves = c.array(u32_id, 2);
        let other = c.structure(800_008, &[("l", list, 0, 0), ("e", halves, 6_400_000, 0)]);
        c.differs::<Long>(
            other,
            "`last` (8 bytes at offset 800000) lies across `e[0]` (4 bytes at offset 800000)",
        );
    }
}
