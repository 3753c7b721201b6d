//! Contexts: what each type of programs gets, field by field, and how it may use the fields.
//!
//! The table is `codegen/contexts.tsv`, after the kernel's `*_is_valid_access` functions.

mod generated;
mod registers;

use std::fmt;

use hachi_obj::{AttachType, ProgramType};

pub use registers::{Arch, Registers};

/// A structure that programs get as their context.
#[derive(PartialEq, Eq)]
#[non_exhaustive]
pub struct Layout {
    /// Its name in `linux/bpf.h`.
    pub name: &'static str,
    /// Its bytes.
    pub size: u32,
    /// The program types that get it, a bit for each.
    types: u64,
    /// Its fields.
    pub fields: &'static [Field],
}

/// A field of a context.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Where it is, in bytes.
    pub offset: u16,
    /// Bytes of one element.
    pub size: u16,
    /// How many elements it has: 1 unless it is an array.
    pub count: u16,
    /// Whether it is read as a pointer of 64 bits, whatever its size.
    pub pointer: bool,
    /// The sizes that a read may have, added up.
    read_widths: u8,
    /// The sizes that a write may have, added up.
    write_widths: u8,
    readers: Who,
    writers: Who,
}

/// Programs, by their types and attach types: a bit for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Who {
    types: u64,
    attached: u64,
}

impl Who {
    fn has(self, program_type: ProgramType, attach: Option<AttachType>) -> bool {
        // A program without an attach type is loaded with number 0.
        let attach = attach.map_or(0, |attach| attach as u32);
        self.types >> (program_type as u32) & 1 != 0 && self.attached >> attach & 1 != 0
    }
}

/// By its name: there is one of each.
impl fmt::Debug for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "struct {}", self.name)
    }
}

impl Layout {
    /// The context of a type of programs; `None` if it is no structure of fixed fields.
    pub fn of(program_type: ProgramType) -> Option<&'static Layout> {
        Layout::of_number(program_type as u32)
    }

    /// As [`Layout::of`], by the type's number.
    pub(crate) fn of_number(program_type: u32) -> Option<&'static Layout> {
        let bit = 1_u64.checked_shl(program_type)?;
        let mut layouts = generated::LAYOUTS.iter();
        layouts.find(|layout| layout.types & bit != 0)
    }

    /// A structure by its name, also those that are no contexts.
    pub fn named(name: &str) -> Option<&'static Layout> {
        generated::LAYOUTS.iter().find(|layout| layout.name == name)
    }

    /// All structures.
    pub fn all() -> &'static [Layout] {
        generated::LAYOUTS
    }

    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// What a program does with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It reads.
    Read,
    /// It writes.
    Write,
}

impl Field {
    /// Bytes of all its elements.
    pub fn len(&self) -> u32 {
        u32::from(self.size) * u32::from(self.count)
    }

    /// Whether it has no bytes, which no field has.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it holds these bytes of the context.
    pub fn holds(&self, at: u64, size: u64) -> bool {
        let start = u64::from(self.offset);
        let end = start + u64::from(self.len());
        at >= start && at.checked_add(size).is_some_and(|to| to <= end)
    }

    /// Whether programs of this type may read it at all.
    pub fn is_readable(&self, program_type: ProgramType, attach: Option<AttachType>) -> bool {
        self.readers.has(program_type, attach)
    }

    /// Whether programs of this type may write it at all.
    pub fn is_writable(&self, program_type: ProgramType, attach: Option<AttachType>) -> bool {
        self.writers.has(program_type, attach)
    }

    /// Whether these bytes, counted from the start of the context, may be read or written at once
    /// by a program that may read or write the field.
    pub fn allows(&self, at: u64, size: u64, access: Access) -> bool {
        let widths = match access {
            Access::Read => self.read_widths,
            Access::Write => self.write_widths,
        };
        let whole = at == u64::from(self.offset);
        self.holds(at, size)
            && u64::from(widths) & size != 0
            && at.is_multiple_of(size)
            && (!self.pointer || whole)
    }
}
