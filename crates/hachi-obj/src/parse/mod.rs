//! From ELF to [`Spec`], in the order in which things depend on each other: BTF, global data,
//! maps, externs, functions, then programs with their relocations.

mod btf;
mod calls;
mod code;
mod data;
mod externs;
mod info;
mod legacy;
mod maps;
mod struct_ops;

use hachi_btf::BtfExt;

use crate::elf::{Elf, Section};
use crate::{Error, Spec};

pub(crate) fn object(bytes: &[u8]) -> Result<Spec, Error> {
    let elf = Elf::parse(bytes)?;
    let (btf, ext) = btf::read(&elf)?;
    let mut spec = Spec {
        name: String::new(),
        license: license(&elf)?,
        kernel_version: version(&elf),
        endian: elf.endian,
        programs: Vec::new(),
        maps: Vec::new(),
        globals: Vec::new(),
        struct_ops: Vec::new(),
        externs: Vec::new(),
        btf,
        log_sites: elf.section(".hachi.log").map(|(_, s)| s.data.to_vec()),
        warnings: Vec::new(),
    };
    // Where symbols of data and map sections lead, for the relocations of the code.
    let mut places = Places::default();
    btf::complete(&mut spec, &elf);
    maps::defined(&mut spec, &elf, &mut places)?;
    legacy::defined(&mut spec, &elf, &mut places)?;
    data::sections(&mut spec, &elf, &mut places)?;
    data::globals(&mut spec, &elf, &places);
    struct_ops::sections(&mut spec, &elf)?;
    externs::collect(&mut spec, &elf)?;
    let functions = code::functions(&mut spec, &elf)?;
    code::hide_functions(&mut spec, &functions);
    let ext = ext.unwrap_or_else(BtfExt::default);
    let info = info::by_function(&mut spec, &elf, &functions, ext)?;
    let relocations = code::relocations(&spec, &elf, &functions, &places)?;
    calls::programs(&mut spec, &elf, &functions, &info, &relocations)?;
    maps::check_entries(&spec)?;
    Ok(spec)
}

/// What lies where in the sections that code may refer to.
#[derive(Default)]
pub(crate) struct Places {
    /// Maps defined in a section: section index, offset, length, index in `Spec::maps`.
    pub(crate) maps: Vec<MapPlace>,
    /// Sections of global variables: section index and the name of the map.
    pub(crate) data: Vec<(usize, String)>,
}

pub(crate) struct MapPlace {
    pub(crate) section: usize,
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) map: String,
}

impl Places {
    pub(crate) fn map_at(&self, section: usize, offset: u64) -> Option<&str> {
        let found = self
            .maps
            .iter()
            .find(|p| p.section == section && p.offset == offset);
        found.map(|p| p.map.as_str())
    }

    pub(crate) fn data(&self, section: usize) -> Option<&str> {
        let found = self.data.iter().find(|(index, _)| *index == section);
        found.map(|(_, map)| map.as_str())
    }
}

/// The NUL-terminated string of section `license`.
fn license(elf: &Elf<'_>) -> Result<String, Error> {
    let Some((_, section)) = elf.section("license") else {
        return Ok(String::new());
    };
    let text = section.data.split(|&b| b == 0).next().unwrap_or_default();
    // The kernel stores 127 bytes; anything longer isn't a licence.
    std::str::from_utf8(text)
        .ok()
        .filter(|text| text.len() < 128)
        .map(str::to_owned)
        .ok_or_else(|| {
            Error::elf("section license is not a NUL-terminated string of less than 128 bytes")
        })
}

/// The number in section `version`.
fn version(elf: &Elf<'_>) -> u32 {
    let bytes = elf
        .section("version")
        .and_then(|(_, s)| s.data.first_chunk::<4>());
    bytes.map_or(0, |bytes| elf.endian.u32(*bytes))
}

/// Whether a section holds global variables that become a map.
pub(crate) fn data_kind(section: &Section<'_>) -> Option<crate::DataKind> {
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
        _ => None,
    }
}
