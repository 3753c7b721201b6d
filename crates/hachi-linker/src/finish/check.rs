//! A last look at the result: what the kernel and libbpf would refuse is reported here, by name,
//! rather than there.

use std::collections::HashSet;

use hachi_asm::Endian;
use hachi_btf::{Btf, BtfBuilder, BtfExt, Linkage, Type, Types};

use super::elf::{self, Binding, Place, RelocKind, SymbolKind};
use super::states::Typed;
use super::{maps, names};
use crate::{Code, Diagnostic, Severity};

/// What libbpf fills in itself, and rewrites before the kernel sees it.
const EXTERN_SECTIONS: [&str; 2] = [".ksyms", ".kconfig"];

pub(super) fn defect(what: impl std::fmt::Display) -> Diagnostic {
    let message = format!("the linked object would not load: {what}");
    Diagnostic::error(Code::LINKER_DEFECT, message)
        .help("this is a defect of hachi-linker; please report it with the program")
}

impl Typed {
    /// References that loaders do not know how to resolve.
    ///
    /// What an object that was given has of them concerns its own programs alone: that is a
    /// warning.
    pub(super) fn check_references(&self, warnings: &mut Vec<Diagnostic>) -> Vec<Diagnostic> {
        let mut errors = Vec::new();
        for (index, section) in self.0.sections.iter().enumerate() {
            if !section.executable {
                continue;
            }
            if section.size % 8 != 0 {
                errors.push(defect(format_args!(
                    "the code in `{}` is no whole number of instructions",
                    section.name
                )));
            }
            for reloc in &section.relocs {
                let symbol = &self.0.symbols[reloc.symbol];
                let Place::In(target) = symbol.place else {
                    continue;
                };
                let target = &self.0.sections[target];
                let name = names::display(&symbol.name);
                let problem = match reloc.kind {
                    RelocKind::Call | RelocKind::LdImm64 if target.executable => {
                        let verb = match reloc.kind {
                            RelocKind::Call => "called",
                            _ => "passed on",
                        };
                        (target.name != ".text").then(|| {
                            let message = format!(
                                "the program `{name}` (section `{}`) is {verb} like a function",
                                target.name
                            );
                            Diagnostic::error(Code::PROGRAM_CALLED, message).help(
                                "move what both need into a function without a `link_section`",
                            )
                        })
                    }
                    RelocKind::LdImm64 if target.name == maps::SECTION && reloc.addend != 0 => {
                        Some(defect(format_args!("a reference into the map `{name}`")))
                    }
                    RelocKind::LdImm64 => None,
                    kind => Some(defect(format_args!(
                        "a reference of kind {kind:?} to `{name}` from code"
                    ))),
                };
                if let Some(problem) = problem {
                    let mut problem = self.locate(problem, index, reloc.offset);
                    if self.is_given(index, reloc.offset) {
                        problem.severity = Severity::Warning;
                        warnings.push(problem);
                    } else {
                        errors.push(problem);
                    }
                }
            }
        }
        for symbol in self.functions() {
            let symbol = &self.0.symbols[symbol];
            let Place::In(section) = symbol.place else {
                continue;
            };
            if symbol.binding == Binding::Local && self.0.sections[section].name != ".text" {
                errors.push(defect(format_args!(
                    "the program `{}` is local",
                    symbol.name
                )));
            }
        }
        errors
    }

    /// Whether the file can be read again, and says what it should.
    pub(super) fn check_file(&self, file: &[u8]) -> Vec<Diagnostic> {
        match self.read_back(file) {
            Ok(()) => Vec::new(),
            Err(reason) => vec![defect(reason)],
        }
    }

    fn read_back(&self, file: &[u8]) -> Result<(), String> {
        let object = elf::read(file, 0).map_err(|e| format!("it {e}"))?;
        let visible = |symbols: &[elf::Symbol]| {
            symbols
                .iter()
                .filter(|s| matches!(s.place, Place::In(_)) && s.kind != SymbolKind::Section)
                .filter(|s| s.binding != Binding::Local)
                .count()
        };
        if visible(&object.symbols) != visible(&self.0.symbols) {
            return Err("symbols were lost".into());
        }
        let Some(btf) = object.btf else {
            return Ok(());
        };
        let malformed = |e: hachi_btf::Error| e.to_string();
        let btf = Btf::parse(&btf.data).map_err(malformed)?;
        btf.check_index().map_err(malformed)?;
        if let Some(ext) = object.btf_ext {
            BtfExt::parse(&ext.data, &btf).map_err(malformed)?;
        }
        debug_assert_eq!(btf.endian() == Endian::Big, self.0.endian == Endian::Big);
        Ok(())
    }
}

/// The rules of the kernel's `btf_check_all_metas` and `btf_check_all_types`, as far as a
/// compiler's output can break them. `left` are declarations of what a further link is to find.
pub(super) fn check_types(btf: &BtfBuilder, left: &HashSet<u32>) -> Vec<Diagnostic> {
    let mut errors = Vec::new();
    for (id, ty) in btf.iter() {
        if matches!(ty, Type::Func(_)) && left.contains(&id) {
            continue;
        }
        if let Err(reason) = check_type(btf, ty, left) {
            let kind = format!("{:?}", ty.kind());
            let name = ty.name().map_or("", String::as_str);
            errors.push(defect(format_args!("type {id}, {kind} `{name}`: {reason}")));
        }
    }
    errors
}

fn check_type(btf: &BtfBuilder, ty: &Type, left: &HashSet<u32>) -> Result<(), String> {
    let mut missing = None;
    ty.clone().for_each_ref(|id| {
        if *id != 0 && btf.get(*id).is_none() {
            missing = Some(*id);
        }
    });
    if let Some(id) = missing {
        return Err(format!("refers to type {id}, which is not there"));
    }
    let named = |name: &str, required: bool| match name {
        "" if required => Err("has no name".to_owned()),
        "" => Ok(()),
        name if names::is_valid(name) => Ok(()),
        name => Err(format!("`{name}` is no name for the kernel")),
    };
    let sized = |id: u32| match id {
        0 => Err("holds something without a type".to_owned()),
        id => btf.size_of(id).map_err(|e| e.to_string()),
    };
    match ty {
        Type::Int(t) if !matches!(t.size, 1 | 2 | 4 | 8 | 16) => {
            Err(format!("an integer of {} bytes", t.size))
        }
        Type::Struct(t) | Type::Union(t) => {
            named(&t.name, false)?;
            let mut last = 0;
            for member in &t.members {
                named(&member.name, false)?;
                let size = sized(member.type_id)?;
                if member.bit_offset < last {
                    return Err(format!("member `{}` is out of order", member.name));
                }
                last = member.bit_offset;
                let bits = match member.bit_size {
                    0 => u64::from(size) * 8,
                    bits => u64::from(bits),
                };
                if u64::from(member.bit_offset) + bits > u64::from(t.size) * 8 {
                    return Err(format!("member `{}` reaches beyond the end", member.name));
                }
            }
            Ok(())
        }
        Type::Array(t) => {
            sized(t.type_id)?;
            match btf.get(t.index_type_id) {
                Some(Type::Int(_)) => Ok(()),
                _ => Err("an array whose index is no integer".into()),
            }
        }
        Type::Enum(t) => {
            named(&t.name, false)?;
            check_enum(t.size, t.variants.iter().map(|v| v.name.as_str()))
        }
        Type::Enum64(t) => {
            named(&t.name, false)?;
            check_enum(t.size, t.variants.iter().map(|v| v.name.as_str()))
        }
        Type::Fwd(t) => named(&t.name, true),
        Type::Typedef(t) => named(&t.name, true),
        Type::Func(t) => {
            named(&t.name, true)?;
            let Some(Type::FuncProto(proto)) = btf.get(t.type_id) else {
                return Err("a function without a signature".into());
            };
            let last = proto.params.len().saturating_sub(1);
            for (i, param) in proto.params.iter().enumerate() {
                let variadic = i == last && param.type_id == 0 && param.name.is_empty();
                if !variadic {
                    named(&param.name, true)?;
                    sized(param.type_id)?;
                }
            }
            let declared = |sec: &hachi_btf::DataSec| {
                EXTERN_SECTIONS.contains(&sec.name.as_str())
                    && sec.vars.iter().any(|v| btf.get(v.type_id) == Some(ty))
            };
            let wanted = btf
                .iter()
                .any(|(_, t)| matches!(t, Type::DataSec(sec) if declared(sec)));
            match t.linkage {
                Linkage::Extern if !wanted => Err("declared only, but not in `.ksyms`".into()),
                _ => Ok(()),
            }
        }
        Type::Var(t) => {
            named(&t.name, true)?;
            // An extern one may be an address without a type.
            match t.linkage {
                Linkage::Extern => Ok(()),
                _ => sized(t.type_id).map(|_| ()),
            }
        }
        Type::DataSec(t) => {
            if EXTERN_SECTIONS.contains(&t.name.as_str()) {
                return Ok(());
            }
            let mut end = 0u64;
            let held = t.vars.iter();
            for info in held.filter(|info| !left.contains(&info.type_id)) {
                let Some(Type::Var(var)) = btf.get(info.type_id) else {
                    return Err("holds something other than variables".into());
                };
                if u64::from(info.offset) < end || info.size == 0 {
                    return Err(format!("`{}` overlaps its neighbour", var.name));
                }
                end = u64::from(info.offset) + u64::from(info.size);
                if end > u64::from(t.size) {
                    return Err(format!("`{}` reaches beyond the end", var.name));
                }
                if sized(var.type_id)? > info.size {
                    return Err(format!("`{}` is smaller than its type", var.name));
                }
            }
            if t.vars.is_empty() {
                Err("is empty".into())
            } else {
                Ok(())
            }
        }
        _ => Ok(()),
    }
}

fn check_enum<'a>(size: u32, names: impl Iterator<Item = &'a str>) -> Result<(), String> {
    if !matches!(size, 1 | 2 | 4 | 8) {
        return Err(format!("an enum of {size} bytes"));
    }
    for name in names {
        if !names::is_valid(name) {
            return Err(format!("`{name}` is no name for the kernel"));
        }
    }
    Ok(())
}
