//! What maps hold, in words.

use std::fmt::Write as _;

use hachi_btf::Btf;
use hachi_btf::print::Value;
use hachi_obj::{DataKind, MapSpec, MapType, Spec};
use hachi_vm::Vm;

use super::json::{hex, list, text};
use super::scene::Record;

/// Names of maps of the library's own begin so.
const OWN: &str = "HACHI_";
/// How many entries of a map are shown.
const SHOWN: usize = 256;

/// An entry: its key, and its value on each CPU that has one.
pub struct Entry {
    pub key: String,
    /// The number of the CPU, where each has a value of its own.
    pub values: Vec<(Option<usize>, String)>,
}

/// Whether a map is the program's, and tells something.
pub fn is_shown(map: &MapSpec) -> bool {
    let is_constant = matches!(map.data, Some(DataKind::Rodata | DataKind::Kconfig));
    !is_constant && !map.name.starts_with(OWN)
}

/// An entry of a map, from its bytes: none if nothing was ever put there.
pub fn entries(spec: &Spec, map: &MapSpec, key: &[u8], values: &[Vec<u8>]) -> Vec<Entry> {
    let types = spec.types();
    let types = types.as_ref();
    let is_zero = |value: &[u8]| value.iter().all(|byte| *byte == 0);
    if map.data.is_some() {
        let (Some(types), Some(value)) = (types, values.first()) else {
            return Vec::new();
        };
        return variables(spec, map, types, value);
    }
    let is_array = matches!(map.kind, MapType::Array | MapType::PercpuArray);
    let is_per_cpu = values.len() > 1;
    let shown = values.iter().enumerate();
    let shown: Vec<_> = shown
        .filter(|(_, value)| !(is_array || is_per_cpu) || !is_zero(value))
        .map(|(cpu, value)| {
            let value = typed(types, map.btf_value_type_id, value);
            (is_per_cpu.then_some(cpu), value)
        })
        .collect();
    // Of an array, or of programs that are not there.
    if shown.is_empty() && (is_array || values.is_empty()) {
        return Vec::new();
    }
    vec![Entry {
        key: typed(types, map.btf_key_type_id, key),
        values: shown,
    }]
}

/// The global variables of a section.
fn variables(spec: &Spec, map: &MapSpec, types: &Btf<'_>, section: &[u8]) -> Vec<Entry> {
    let of_section = spec.globals.iter().filter(|global| global.map == map.name);
    let own = of_section.filter(|global| !global.name.starts_with(OWN));
    own.filter_map(|global| {
        let at = global.offset as usize;
        let value = section.get(at..at + global.size as usize)?;
        Some(Entry {
            key: global.name.clone(),
            values: vec![(None, typed(Some(types), global.type_id, value))],
        })
    })
    .collect()
}

/// Bytes by their type; in hexadecimal without one.
pub fn typed(types: Option<&Btf<'_>>, type_id: u32, bytes: &[u8]) -> String {
    let types = types.filter(|_| type_id != 0);
    match types.and_then(|types| Value::decode(types, type_id, bytes)) {
        Some(value) => value.to_string(),
        None => hex(bytes).replace('"', ""),
    }
}

/// All that are shown, as JSON; records are taken out of their buffers.
pub fn all(spec: &Spec, vm: &mut Vm, layouts: &[Record]) -> String {
    let mut to = String::from("[");
    let maps = spec.maps.iter().filter(|map| is_shown(map));
    list(&mut to, maps, |to, map| {
        let _ = write!(
            to,
            "{{\"name\":{},\"type\":{}",
            text(&map.name),
            text(map.kind.name())
        );
        match records(vm, map) {
            Some(records) => {
                to.push_str(",\"records\":[");
                let layout = layouts.iter().find(|layout| layout.map == map.name);
                list(to, &records, |to, record| {
                    let shown = layout.and_then(|layout| layout.show(record));
                    to.push_str(&shown.map_or_else(|| hex(record), |shown| text(&shown)));
                });
                to.push_str("]}");
            }
            None => write_entries(to, spec, map, vm),
        }
    });
    to.push(']');
    to
}

/// What was sent through a buffer; none if the map is not one.
fn records(vm: &mut Vm, map: &MapSpec) -> Option<Vec<Vec<u8>>> {
    match map.kind {
        MapType::Ringbuf => vm.take_records(&map.name).ok(),
        MapType::PerfEventArray => {
            let number = vm.world().map_number(&map.name)?;
            let events = vm.world_mut().maps[number as usize].perf_events()?;
            Some(
                std::mem::take(events)
                    .into_iter()
                    .map(|event| event.bytes)
                    .collect(),
            )
        }
        _ => None,
    }
}

fn write_entries(to: &mut String, spec: &Spec, map: &MapSpec, vm: &Vm) {
    let mut keys = vm.keys(&map.name).unwrap_or_default();
    keys.sort();
    let of_key = |key: &Vec<u8>| {
        let values = vm.lookup(&map.name, key).unwrap_or_default();
        entries(spec, map, key, &values)
    };
    let all: Vec<Entry> = keys.iter().flat_map(of_key).collect();
    write_list(to, &all);
}

/// The end of a map's document.
pub fn write_list(to: &mut String, all: &[Entry]) {
    to.push_str(",\"entries\":[");
    list(to, all.iter().take(SHOWN), |to, entry| {
        let _ = write!(to, "{{\"key\":{},\"values\":[", text(&entry.key));
        list(to, &entry.values, |to, (cpu, value)| {
            let _ = match cpu {
                Some(cpu) => write!(to, "{{\"cpu\":{cpu},\"value\":{}}}", text(value)),
                None => write!(to, "{{\"value\":{}}}", text(value)),
            };
        });
        to.push_str("]}");
    });
    let left_out = all.len().saturating_sub(SHOWN);
    let _ = write!(to, "],\"left_out\":{left_out}}}");
}
