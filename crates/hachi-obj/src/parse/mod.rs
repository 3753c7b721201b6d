//! From ELF to [`Spec`], in the order in which things depend on each other: BTF, maps, global data,
//! externs, functions, programs.
//!
//! Code is not looked at here: where it is goes into an [`Image`], which all programs share.

mod btf;
mod data;
mod externs;
mod functions;
mod legacy;
mod maps;
mod struct_ops;

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use hachi_btf::ext::ExtIndex;

use crate::elf::{Elf, Section};
use crate::error::ElfFault;
use crate::image::{Holds, Image, Outside};
use crate::order::{pair, sort_by_number};
use crate::program::Body;
use crate::{Error, ProgramSpec, ProgramType, Spec, Warning, sections};

pub(crate) fn object(bytes: Cow<'_, [u8]>) -> Result<Spec, Error> {
    let (mut spec, mut image) = parts(&bytes)?;
    match bytes {
        Cow::Owned(bytes) => image.take(bytes),
        Cow::Borrowed(bytes) => image.copy(bytes),
    }
    add_programs(&mut spec, &Arc::new(image));
    maps::check_entries(&spec)?;
    Ok(spec)
}

/// All but the programs.
fn parts(bytes: &[u8]) -> Result<(Spec, Image), Error> {
    let elf = Elf::parse(bytes)?;
    let mut spec = Spec {
        license: license(&elf)?,
        kernel_version: version(&elf),
        arch: elf
            .section(crate::arch::SECTION)
            .and_then(|(_, section)| crate::arch::read(section.data)),
        log_sites: elf.section(".hachi.log").map(|(_, s)| s.data.to_vec()),
        inline_info: elf
            .section(crate::inline::SECTION)
            .map(|(_, section)| section.data.to_vec()),
        ..Spec::new(elf.endian)
    };
    let ext = elf.section(".BTF.ext");
    let mut image = Image::new(&elf, ext.map(|(index, _)| index));
    let types = btf::read(&elf)?;
    let types = match types {
        Some(mut types) => {
            types.complete(&mut spec, &elf);
            maps::defined(&mut spec, &elf, Some(&types), &mut image)?;
            Some(types)
        }
        None => {
            maps::defined(&mut spec, &elf, None, &mut image)?;
            None
        }
    };
    legacy::defined(&mut spec, &elf, types.as_ref(), &mut image)?;
    sort_by_number(&mut image.maps, |place| {
        pair(place.section as usize, place.offset)
    });
    data::sections(&mut spec, &elf, types.as_ref(), &mut image)?;
    data::globals(&mut spec, &elf, types.as_ref(), &image);
    struct_ops::sections(&mut spec, &elf, types.as_ref())?;
    let mut types = types;
    if let Some(types) = &mut types {
        externs::collect(&mut spec, &elf, types)?;
        image.externs = Outside::all(&spec.externs);
    }
    spec.undefined = undefined(&elf, &spec);
    image.functions = functions::all(&mut spec, &elf, &image)?;
    if let Some(mut types) = types {
        types.hide_functions(&elf, &image.functions);
        image.callbacks = types.callbacks(&elf, &image.functions);
        if let Some((_, section)) = ext {
            let failed = |source| Error::Btf {
                section: ".BTF.ext",
                source,
            };
            let index = ExtIndex::parse(section.data).map_err(failed)?;
            functions::add_records(&mut spec, &elf, &types, section.data, &index, &mut image)?;
        }
        let btf = types.finish();
        spec.btf = Some(btf.clone());
        image.btf = Some(btf);
    }
    Ok((spec, image))
}

fn add_programs(spec: &mut Spec, image: &Arc<Image>) {
    for (number, func) in image.functions.iter().enumerate() {
        if !func.entry {
            continue;
        }
        let full = image.section_name(image.code[func.section as usize].section);
        let name = image.symbol_name(func.name);
        let section = full.strip_prefix('?').unwrap_or(full);
        let (def, target) = sections::lookup(section).unzip();
        if def.is_none() {
            spec.warnings.push(Warning::UnknownSection {
                program: name.to_owned(),
                section: section.to_owned(),
            });
        }
        spec.programs.push(ProgramSpec {
            name: name.to_owned(),
            section: section.to_owned(),
            section_def: def,
            program_type: def.map_or(ProgramType::Unspec, |def| def.program_type),
            attach_type: def.and_then(|def| def.attach_type),
            attach_target: target.flatten().map(str::to_owned),
            sleepable: def.is_some_and(|def| def.sleepable),
            frags: def.is_some_and(|def| def.frags),
            autoload: full == section,
            body: Body::File(image.clone(), number as u32),
        });
    }
}

/// The symbols that other objects have to define.
fn undefined(elf: &Elf<'_>, spec: &Spec) -> Vec<String> {
    let known: HashSet<&str> = spec.externs.iter().map(|of| of.name.as_str()).collect();
    let mut seen = HashSet::new();
    let open = elf.symbols.iter().filter(|symbol| {
        symbol.undefined
            && !symbol.is_local()
            && !symbol.name.is_empty()
            && !known.contains(symbol.name)
            && seen.insert(symbol.name)
    });
    open.map(|symbol| symbol.name.to_owned()).collect()
}

/// The NUL-terminated string of section `license`.
fn license(elf: &Elf<'_>) -> Result<String, Error> {
    let Some((_, section)) = elf.section("license") else {
        return Ok(String::new());
    };
    let text = section.data.split(|&b| b == 0).next().unwrap_or_default();
    // The kernel stores 127 bytes; anything longer isn't a licence.
    match std::str::from_utf8(text) {
        Ok(text) if text.len() < 128 => Ok(text.to_owned()),
        _ => Err(ElfFault::License.into()),
    }
}

/// The number in section `version`.
fn version(elf: &Elf<'_>) -> u32 {
    let bytes = elf
        .section("version")
        .and_then(|(_, s)| s.data.first_chunk::<4>());
    bytes.map_or(0, |bytes| elf.endian.u32(*bytes))
}

/// Whether a section holds global variables that become a map.
fn data_kind(section: &Section<'_>) -> Option<crate::DataKind> {
    use crate::DataKind::*;
    use object::elf::{SHF_ALLOC, SHF_EXECINSTR, SHT_NOBITS, SHT_PROGBITS};
    let is = |name: &str| {
        let rest = section.name.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    if section.size == 0
        || !section.flags.contains(SHF_ALLOC)
        || section.flags.contains(SHF_EXECINSTR)
    {
        return None;
    }
    match section.kind {
        SHT_PROGBITS if section.name == ".addr_space.1" => Some(Arena),
        SHT_PROGBITS if is(".rodata") => Some(Rodata),
        SHT_PROGBITS if is(".data") => Some(Data),
        SHT_NOBITS if is(".bss") => Some(Bss),
        SHT_PROGBITS | SHT_NOBITS if is(".percpu") => Some(Percpu),
        _ => None,
    }
}

/// Notes that a section holds the variables of a map.
fn holds_data(image: &mut Image, index: usize, map: &str, size: u64) {
    image.sections[index].holds = Holds::Data(map.into(), size);
}
