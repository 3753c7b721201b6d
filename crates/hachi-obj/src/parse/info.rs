//! `.BTF.ext` sorted by function, offsets counted in slots from the function's start.

use std::collections::HashMap;

use hachi_btf::ext::{CoreRelo, FuncInfo, LineInfo, Section};
use hachi_btf::{BtfExt, Kind, Types};

use super::code::Functions;
use crate::elf::Elf;
use crate::{Error, Spec};

/// What `.BTF.ext` says of one function.
#[derive(Default)]
pub(super) struct Info {
    /// Its FUNC.
    pub(super) func: Option<u32>,
    pub(super) lines: Vec<LineInfo>,
    pub(super) core: Vec<CoreRelo>,
}

pub(super) fn by_function(
    spec: &mut Spec,
    elf: &Elf<'_>,
    functions: &Functions<'_>,
    ext: BtfExt,
) -> Result<Vec<Info>, Error> {
    let mut out: Vec<Info> = functions.iter().map(|_| Info::default()).collect();
    let mut place = Finder {
        elf,
        functions,
        sections: HashMap::new(),
    };
    let btf = spec.btf.as_ref();
    let is_func = |id| {
        btf.and_then(|btf| btf.shape(id).ok())
            .is_some_and(|shape| shape.kind == Kind::Func)
    };
    place.each(
        ext.func_info,
        |info: &FuncInfo| info.insn_off,
        |function, slot, info| {
            if slot == 0 && is_func(info.type_id) {
                out[function].func = Some(info.type_id);
            }
        },
    );
    place.each(
        ext.line_info,
        |line: &LineInfo| line.insn_off,
        |function, slot, line| {
            // The kernel wants ascending places that begin an instruction.
            let lines = &mut out[function].lines;
            let ascending = lines
                .last()
                .is_none_or(|last| (last.insn_off as usize) < slot);
            if ascending && functions[function].insns[slot].code != 0 {
                lines.push(LineInfo {
                    insn_off: slot as u32,
                    ..line
                });
            }
        },
    );
    let mut stray = None;
    let sections: Vec<String> = ext.core_relo.iter().map(|s| s.name.clone()).collect();
    let total: usize = ext.core_relo.iter().map(|s| s.records.len()).sum();
    let mut placed = 0;
    place.each(
        ext.core_relo,
        |relo: &CoreRelo| relo.insn_off,
        |function, slot, relo| {
            placed += 1;
            if btf.is_none_or(|btf| btf.shape(relo.type_id).is_err()) {
                stray.get_or_insert(relo.type_id);
            }
            out[function].core.push(CoreRelo {
                insn_off: slot as u32,
                ..relo
            });
        },
    );
    if let Some(id) = stray {
        return Err(Error::elf(format!(
            "a CO-RE record in .BTF.ext refers to type [{id}], which .BTF does not have"
        )));
    }
    if placed < total {
        // Losing one would silently read the wrong field; but dropped functions leave some behind.
        spec.warnings.push(format!(
            "{} CO-RE records of section {} belong to no function",
            total - placed,
            sections.join(", ")
        ));
    }
    for info in &mut out {
        info.core
            .sort_by_cached_key(|relo| u64::from(relo.insn_off));
    }
    Ok(out)
}

/// Finds the function a record belongs to.
struct Finder<'f, 'a> {
    elf: &'f Elf<'a>,
    functions: &'f Functions<'a>,
    sections: HashMap<String, Option<usize>>,
}

impl Finder<'_, '_> {
    fn each<T>(
        &mut self,
        sections: Vec<Section<T>>,
        offset: impl Fn(&T) -> u32,
        mut f: impl FnMut(usize, usize, T),
    ) {
        for section in sections {
            let elf = self.elf;
            let index = *self
                .sections
                .entry(section.name)
                .or_insert_with_key(|name| elf.section(name).map(|(index, _)| index));
            let Some(index) = index else { continue };
            for record in section.records {
                let offset = offset(&record);
                if !offset.is_multiple_of(8) {
                    continue;
                }
                let slot = (offset / 8) as usize;
                if let Some(function) = self.functions.containing(index, slot) {
                    f(function, slot - self.functions[function].start, record);
                }
            }
        }
    }
}
