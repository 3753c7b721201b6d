//! `.BTF` and `.BTF.ext`, and what the compiler left for the linker or loader to complete.

use std::collections::HashMap;

use hachi_btf::{Btf, BtfBuilder, BtfExt, Linkage, Type};

use crate::elf::{Elf, Symbol};
use crate::{Error, Spec};

pub(super) fn read(elf: &Elf<'_>) -> Result<(Option<BtfBuilder>, Option<BtfExt>), Error> {
    let Some((_, section)) = elf.section(".BTF") else {
        return Ok((None, None));
    };
    let failed = |section| move |source| Error::Btf { section, source };
    let btf = Btf::parse(section.data).map_err(failed(".BTF"))?;
    if btf.endian() != elf.endian {
        return Err(Error::elf(format!(
            "the file is {}, its .BTF is {}",
            elf.endian,
            btf.endian()
        )));
    }
    let builder = BtfBuilder::from_btf(&btf).map_err(failed(".BTF"))?;
    let ext = match elf.section(".BTF.ext") {
        Some((_, section)) => Some(BtfExt::parse(section.data, &btf).map_err(failed(".BTF.ext"))?),
        None => None,
    };
    Ok((Some(builder), ext))
}

/// Fills in sizes of sections and offsets of variables. Compilers leave the size 0, and the offsets
/// of non-static variables to relocations of `.BTF` that nobody applies. Where one definition took
/// the place of a weak one, `bpftool gen object` leaves the other's offset. The symbol is right in
/// all cases.
pub(super) fn complete(spec: &mut Spec, elf: &Elf<'_>) {
    let Some(btf) = &mut spec.btf else { return };
    let symbols: HashMap<(usize, &str), &Symbol<'_>> = elf
        .symbols
        .iter()
        .filter_map(|s| Some(((s.section?, s.name), s)))
        .collect();
    for id in 1..=btf.len() as u32 {
        let Some(Type::DataSec(sec)) = btf.get(id) else {
            continue;
        };
        if matches!(sec.name.as_str(), ".ksyms" | ".kconfig") {
            continue;
        }
        let Some((index, section)) = elf.section(&sec.name) else {
            spec.warnings.push(format!(
                "BTF describes section {}, which the object does not have",
                sec.name
            ));
            continue;
        };
        let mut sec = sec.clone();
        // A size means that a linker has been here already.
        if sec.size == 0 {
            sec.size = u32::try_from(section.size).unwrap_or(u32::MAX);
        }
        for var in &mut sec.vars {
            let Some(Type::Var(v)) = btf.get_mut(var.type_id) else {
                continue;
            };
            let Some(symbol) = symbols.get(&(index, v.name.as_str())) else {
                continue;
            };
            if v.linkage == Linkage::Global {
                var.offset = offset(symbol);
                if symbol.hidden {
                    v.linkage = Linkage::Static;
                }
            }
        }
        sec.vars.sort_by_cached_key(|var| u64::from(var.offset));
        if let Some(ty) = btf.get_mut(id) {
            *ty = Type::DataSec(sec);
        }
    }
}

fn offset(symbol: &Symbol<'_>) -> u32 {
    u32::try_from(symbol.value).unwrap_or(u32::MAX)
}
