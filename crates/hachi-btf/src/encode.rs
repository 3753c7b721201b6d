//! The bytes of a `.BTF` section.

use hachi_asm::Endian;

use crate::{Composite, EncodeFault, Error, StringTable, Type};

pub(crate) fn btf(
    types: &[Type],
    first_id: u32,
    strings: &mut StringTable,
    endian: Endian,
) -> Result<Vec<u8>, Error> {
    let mut out = Writer::new(endian);
    for (i, ty) in types.iter().enumerate() {
        write_type(&mut out, first_id + i as u32, ty, strings)?;
    }
    Ok(with_header(endian, &[&out.bytes, strings.as_bytes()]))
}

/// The common header of `.BTF` and `.BTF.ext`, then the sections in order.
pub(crate) fn with_header(endian: Endian, sections: &[&[u8]]) -> Vec<u8> {
    let mut out = Writer::new(endian);
    out.bytes.extend(endian.put_u16(0xeb9f));
    out.bytes.extend([1, 0]);
    out.word(8 + 8 * sections.len() as u32);
    let mut offset = 0;
    for section in sections {
        out.word(offset);
        out.word(section.len() as u32);
        offset += section.len() as u32;
    }
    for section in sections {
        out.bytes.extend_from_slice(section);
    }
    out.bytes
}

pub(crate) struct Writer {
    pub(crate) bytes: Vec<u8>,
    pub(crate) endian: Endian,
}

impl Writer {
    pub(crate) fn new(endian: Endian) -> Writer {
        Writer {
            bytes: Vec::new(),
            endian,
        }
    }

    pub(crate) fn word(&mut self, word: u32) {
        self.bytes.extend(self.endian.put_u32(word));
    }

    pub(crate) fn words<const N: usize>(&mut self, words: [u32; N]) {
        for word in words {
            self.word(word);
        }
    }
}

fn write_type(
    out: &mut Writer,
    id: u32,
    ty: &Type,
    strings: &mut StringTable,
) -> Result<(), Error> {
    let name = ty.name().map_or("", |name| name);
    let fail = |fault| Error::Encode {
        id,
        name: name.to_owned(),
        fault,
    };
    let name_off = strings.add(name);
    // `info` is the kind flag (bit 31), the kind (24..29) and vlen (0..16).
    let info = |vlen: usize, kind_flag: bool| -> Result<u32, Error> {
        let vlen = u16::try_from(vlen).map_err(|_| fail(EncodeFault::Members(vlen)))?;
        Ok((kind_flag as u32) << 31 | (ty.kind() as u32) << 24 | u32::from(vlen))
    };
    match ty {
        Type::Int(t) => {
            let encoding = u32::from(t.signed) | u32::from(t.char) << 1 | u32::from(t.bool) << 2;
            let word = encoding << 24 | u32::from(t.offset) << 16 | u32::from(t.bits);
            out.words([name_off, info(0, false)?, t.size, word]);
        }
        Type::Ptr(t) => out.words([0, info(0, false)?, t.type_id]),
        Type::Array(t) => out.words([0, info(0, false)?, 0, t.type_id, t.index_type_id, t.nelems]),
        Type::Struct(t) | Type::Union(t) => {
            let bit_fields = t.members.iter().any(|m| m.bit_size != 0);
            out.words([name_off, info(t.members.len(), bit_fields)?, t.size]);
            members(out, t, bit_fields, strings).map_err(fail)?;
        }
        Type::Enum(t) => {
            out.words([name_off, info(t.variants.len(), t.signed)?, t.size]);
            for v in &t.variants {
                out.words([strings.add(&v.name), v.value as u32]);
            }
        }
        Type::Enum64(t) => {
            out.words([name_off, info(t.variants.len(), t.signed)?, t.size]);
            for v in &t.variants {
                out.words([strings.add(&v.name), v.value as u32, (v.value >> 32) as u32]);
            }
        }
        Type::Fwd(t) => out.words([name_off, info(0, t.union)?, 0]),
        Type::Typedef(t) => out.words([name_off, info(0, false)?, t.type_id]),
        Type::Volatile(t) | Type::Const(t) | Type::Restrict(t) => {
            out.words([0, info(0, false)?, t.type_id]);
        }
        Type::Func(t) => out.words([name_off, info(t.linkage as usize, false)?, t.type_id]),
        Type::FuncProto(t) => {
            out.words([0, info(t.params.len(), false)?, t.ret_type_id]);
            for p in &t.params {
                out.words([strings.add(&p.name), p.type_id]);
            }
        }
        Type::Var(t) => out.words([name_off, info(0, false)?, t.type_id, t.linkage as u32]),
        Type::DataSec(t) => {
            out.words([name_off, info(t.vars.len(), false)?, t.size]);
            for v in &t.vars {
                out.words([v.type_id, v.offset, v.size]);
            }
        }
        Type::Float(t) => out.words([name_off, info(0, false)?, t.size]),
        Type::DeclTag(t) => out.words([
            name_off,
            info(0, t.attribute)?,
            t.type_id,
            t.component_idx as u32,
        ]),
        Type::TypeTag(t) => out.words([name_off, info(0, t.attribute)?, t.type_id]),
    }
    Ok(())
}

fn members(
    out: &mut Writer,
    composite: &Composite,
    bit_fields: bool,
    strings: &mut StringTable,
) -> Result<(), EncodeFault> {
    for m in &composite.members {
        let place = match bit_fields {
            true if m.bit_offset > 0xff_ffff => {
                return Err(EncodeFault::MemberTooFar {
                    member: m.name.to_string(),
                });
            }
            true => u32::from(m.bit_size) << 24 | m.bit_offset,
            false => m.bit_offset,
        };
        out.words([strings.add(&m.name), m.type_id, place]);
    }
    Ok(())
}
