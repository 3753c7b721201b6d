//! What `repr(C)` makes of the types as they are written, next to what the kernel's compiler made.

use std::{cell::RefCell, collections::HashMap};

use hachi_btf::{Btf, Composite, Type};

use crate::Error;

/// Alignments of the types as they are written, by id.
#[derive(Debug)]
pub struct Layout<'a> {
    btf: &'a Btf<'a>,
    known: RefCell<HashMap<u32, u64>>,
}

impl<'a> Layout<'a> {
    pub fn new(btf: &'a Btf<'a>) -> Self {
        Layout {
            btf,
            known: RefCell::default(),
        }
    }

    /// The type's alignment in Rust.
    pub fn align(&self, id: u32) -> Result<u64, Error> {
        if let Some(known) = self.known.borrow().get(&id) {
            return Ok(*known);
        }
        if id == 0 {
            return Ok(1);
        }
        let align = match self.btf.get(id)? {
            Type::Struct(composite) | Type::Union(composite) => {
                match self.is_packed(&composite)? {
                    true => 1,
                    false => self.natural(&composite)?,
                }
            }
            Type::Array(array) => self.align(array.type_id)?,
            Type::Typedef(typedef) => self.align(typedef.type_id)?,
            Type::Const(of) | Type::Volatile(of) | Type::Restrict(of) => self.align(of.type_id)?,
            Type::TypeTag(tag) => self.align(tag.type_id)?,
            Type::Ptr(_) => 8,
            Type::Int(int) => u64::from(int.size.max(1)),
            Type::Float(float) => u64::from(float.size.clamp(1, 8)),
            Type::Enum(of) => u64::from(of.size.max(1)),
            Type::Enum64(of) => u64::from(of.size.max(1)),
            _ => 1,
        };
        self.known.borrow_mut().insert(id, align);
        Ok(align)
    }

    /// Whether a member is not where its type's alignment would have it, or the whole has an odd
    /// size.
    pub fn is_packed(&self, composite: &Composite<&str>) -> Result<bool, Error> {
        for member in &composite.members {
            let at = u64::from(member.bit_offset / 8);
            if member.bit_size == 0 && !at.is_multiple_of(self.align(member.type_id)?) {
                return Ok(true);
            }
        }
        Ok(!u64::from(composite.size).is_multiple_of(self.natural(composite)?))
    }

    /// The alignment of the members. Bit-fields are written as bytes.
    fn natural(&self, composite: &Composite<&str>) -> Result<u64, Error> {
        let mut align = 1;
        for member in &composite.members {
            if member.bit_size == 0 {
                align = align.max(self.align(member.type_id)?);
            }
        }
        Ok(align)
    }
}
