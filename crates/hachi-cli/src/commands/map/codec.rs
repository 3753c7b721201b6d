//! Keys and values of one map, read and written as its types say.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};

use hachi::Btf;
use hachi::maps::{MapData, MapError, MapInfo, MapType};
use hachi::programs::ProgramFd;
use hachi_asm::Endian;
use hachi_btf::Types;
use serde_json::{Value, json};

use crate::failure::{Failure, Result};
use crate::output::{Output, bold, dim, say};
use crate::select::{self, Access};
use crate::{kernel, value};

/// How the keys and values of a map are read and written.
pub struct Codec {
    info: MapInfo,
    btf: Option<Btf>,
    /// For per-CPU maps, the distance between two CPUs' values, and how many CPUs there are.
    cpus: Option<(usize, usize)>,
}

/// The bytes of a value, and what they name by a descriptor as long as it is needed.
pub struct Written {
    pub bytes: Vec<u8>,
    _held: Option<Handle>,
}

/// Something that a value stands for.
enum Handle {
    Program(ProgramFd),
    Map(MapData),
    File(File),
}

impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Handle::Program(program) => program.as_fd(),
            Handle::Map(map) => map.as_fd(),
            Handle::File(file) => file.as_fd(),
        }
    }
}

/// How the values of a per-CPU map are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cpus {
    /// One after the other, with their sum where they have one.
    Each,
    /// Only their sum.
    Sum,
    /// Only that of one.
    One(usize),
}

impl Codec {
    pub fn of(map: &MapData) -> Result<Codec> {
        let failed = |error: MapError| {
            Failure::because(format_args!("describing map {}", map.name()), &error)
        };
        let info = map.info().map_err(failed)?;
        let stride = (info.value_size() as usize).next_multiple_of(8);
        let cpus = match map.is_per_cpu() {
            true => Some((stride, map.lookup_size().map_err(failed)? / stride.max(1))),
            false => None,
        };
        Ok(Codec {
            btf: kernel::btf_of(&info)?,
            info,
            cpus,
        })
    }

    pub fn info(&self) -> &MapInfo {
        &self.info
    }

    fn is_lpm(&self) -> bool {
        self.info.map_type() == Some(MapType::LpmTrie)
    }

    fn types(&self) -> Option<&dyn Types> {
        self.btf.as_ref().map(|btf| btf.types() as &dyn Types)
    }

    fn refused(&self, what: &str, text: &str, why: &str) -> Failure {
        let name = self.info.name();
        Failure::usage(format_args!("{what} {text} of map {name}: {why}"))
    }

    /// The key that text stands for.
    pub fn key(&self, text: &str) -> Result<Vec<u8>> {
        let size = self.info.key_size() as usize;
        let is_bare = !text.starts_with('{') && !text.starts_with("hex:");
        let key = match self.is_lpm() && is_bare {
            true => value::parse_prefix(size, Endian::NATIVE, text),
            false => value::parse(
                self.types(),
                self.info.btf_types().0,
                size,
                Endian::NATIVE,
                text,
            ),
        };
        // Arrays of interfaces are indexed by number; hashes of them as one likes.
        key.map_err(|why| self.refused("key", text, &why))
    }

    /// The key of an element of a document.
    pub fn key_of_json(&self, entry: &Value) -> Result<Vec<u8>> {
        let key = &entry["key"];
        let size = self.info.key_size() as usize;
        let type_id = self.info.btf_types().0;
        value::from_json(self.types(), type_id, size, Endian::NATIVE, key)
            .map_err(|why| self.refused("key", &key.to_string(), &why))
    }

    /// What a value stands for, of maps whose values are not just bytes.
    fn handle(&self, text: &str) -> Result<Option<Handle>> {
        Ok(Some(match self.info.map_type() {
            Some(MapType::ProgArray) => {
                let program = select::program(text)?;
                let failed = |error| Failure::because("", &error);
                Handle::Program(program.fd().map_err(failed)?)
            }
            Some(MapType::ArrayOfMaps | MapType::HashOfMaps) => {
                Handle::Map(select::map(text, Access::Write)?)
            }
            Some(MapType::CgroupArray) => Handle::File(File::open(text).map_err(|error| {
                Failure::because(format_args!("opening cgroup {text}"), &error)
            })?),
            Some(
                kind @ (MapType::PerfEventArray
                | MapType::Sockmap
                | MapType::Sockhash
                | MapType::Xskmap
                | MapType::ReuseportSockarray),
            ) => {
                return Err(Failure::new(format_args!(
                    "map {} is a {}: what it holds are descriptors of a process, which that \
                     process alone can put there",
                    self.info.name(),
                    kind.name()
                )));
            }
            _ => return Ok(None),
        }))
    }

    /// One value, without regard to CPUs.
    fn one(&self, text: &str) -> Result<Written> {
        if let Some(handle) = self.handle(text)? {
            let mut bytes = handle.as_fd().as_raw_fd().to_ne_bytes().to_vec();
            bytes.resize(self.info.value_size() as usize, 0);
            return Ok(Written {
                bytes,
                _held: Some(handle),
            });
        }
        let size = self.info.value_size() as usize;
        let is_interface = matches!(
            self.info.map_type(),
            Some(MapType::Devmap | MapType::DevmapHash)
        );
        let bytes = match is_interface.then(|| hachi::util::interface_index(text)) {
            Some(Ok(Some(index))) => {
                let mut bytes = index.to_ne_bytes().to_vec();
                bytes.resize(size, 0);
                bytes
            }
            _ => {
                let type_id = self.info.btf_types().1;
                value::parse(self.types(), type_id, size, Endian::NATIVE, text)
                    .map_err(|why| self.refused("value", text, &why))?
            }
        };
        Ok(Written { bytes, _held: None })
    }

    /// The value that text stands for; of per-CPU maps, of all CPUs, or of one among those that are
    /// there already.
    pub fn value(&self, text: &str, cpu: Option<usize>, old: Option<Vec<u8>>) -> Result<Written> {
        let mut written = self.one(text)?;
        let Some((stride, cpus)) = self.cpus else {
            return match cpu {
                None => Ok(written),
                Some(_) => Err(self.has_no_cpus()),
            };
        };
        written.bytes.resize(stride, 0);
        let mut all = match (cpu, old) {
            (None, _) => written.bytes.repeat(cpus),
            (Some(_), Some(old)) => old,
            (Some(_), None) => vec![0; stride * cpus],
        };
        if let Some(cpu) = cpu {
            self.check_cpu(cpu)?;
            all[cpu * stride..(cpu + 1) * stride].copy_from_slice(&written.bytes);
        }
        written.bytes = all;
        Ok(written)
    }

    fn has_no_cpus(&self) -> Failure {
        let (name, kind) = (self.info.name(), self.info.type_name());
        Failure::usage(format_args!(
            "map {name} is a {kind}, which has one value for all CPUs"
        ))
    }

    /// Whether values can be shown that way.
    pub fn check_cpus(&self, cpus: Cpus) -> Result {
        match (self.cpus, cpus) {
            (_, Cpus::Each) | (Some(_), Cpus::Sum) => Ok(()),
            (None, _) => Err(self.has_no_cpus()),
            (Some(_), Cpus::One(cpu)) => self.check_cpu(cpu),
        }
    }

    fn check_cpu(&self, cpu: usize) -> Result {
        match self.cpus {
            Some((_, cpus)) if cpu >= cpus => Err(Failure::usage(format_args!(
                "there is no CPU {cpu}: the kernel counts {cpus}, from 0"
            ))),
            _ => Ok(()),
        }
    }

    /// The value of an element of a document: `value`, or `values` of each CPU.
    pub fn value_of_json(&self, entry: &Value) -> Result<Written> {
        let size = self.info.value_size() as usize;
        let type_id = self.info.btf_types().1;
        let encode = |value: &Value| {
            value::from_json(self.types(), type_id, size, Endian::NATIVE, value)
                .map_err(|why| self.refused("value", &value.to_string(), &why))
        };
        let Some((stride, cpus)) = self.cpus else {
            return match &entry["value"] {
                Value::String(text) => match self.handle(text)? {
                    Some(_) => self.one(text),
                    None => Ok(self.plain(encode(&entry["value"])?)),
                },
                Value::Number(id) if self.names_others() => self.one(&format!("id:{id}")),
                value => Ok(self.plain(encode(value)?)),
            };
        };
        let values = match (&entry["values"], &entry["value"]) {
            (Value::Array(values), _) if values.len() == cpus => values.clone(),
            (Value::Array(values), _) => {
                let given = values.len();
                let why = format!("{given} values are given, and there are {cpus} CPUs");
                return Err(self.refused("value", "of each CPU", &why));
            }
            (_, value) => vec![value.clone(); cpus],
        };
        let mut bytes = Vec::with_capacity(stride * cpus);
        for value in &values {
            let mut value = encode(value)?;
            value.resize(stride, 0);
            bytes.extend(value);
        }
        Ok(self.plain(bytes))
    }

    fn plain(&self, bytes: Vec<u8>) -> Written {
        Written { bytes, _held: None }
    }

    /// Whether values are programs or maps.
    fn names_others(&self) -> bool {
        matches!(
            self.info.map_type(),
            Some(MapType::ProgArray | MapType::ArrayOfMaps | MapType::HashOfMaps)
        )
    }

    /// The values of each CPU (one, for other maps).
    fn values<'v>(&self, value: &'v [u8]) -> Vec<&'v [u8]> {
        let size = self.info.value_size() as usize;
        match self.cpus {
            Some((stride, _)) => value
                .chunks_exact(stride)
                .map(|value| &value[..size.min(value.len())])
                .collect(),
            None => vec![value],
        }
    }

    fn btf(&self) -> Option<&hachi_btf::Btf<'_>> {
        self.btf.as_ref().map(Btf::types)
    }

    pub fn key_text(&self, key: &[u8]) -> String {
        let type_id = self.info.btf_types().0;
        match self.is_lpm() {
            true => value::prefix(self.btf(), type_id, key),
            false => value::to_text(self.btf(), type_id, key),
        }
    }

    pub fn value_text(&self, value: &[u8]) -> String {
        match <[u8; 4]>::try_from(value) {
            Ok(id) if self.names_others() => self.name_of(u32::from_ne_bytes(id)),
            _ => value::to_text(self.btf(), self.info.btf_types().1, value),
        }
    }

    /// A program or map that is a value, by its id.
    fn name_of(&self, id: u32) -> String {
        match self.info.map_type() {
            Some(MapType::ProgArray) => format!("program {id} ({})", kernel::program_name(id)),
            _ => {
                let name = MapData::from_id(id).map(|map| map.name().to_owned());
                format!("map {id} ({})", name.unwrap_or_else(|_| "?".to_owned()))
            }
        }
    }

    /// The sum of the values of all CPUs, member by member; `None` where they have none.
    fn sum(&self, value: &[u8]) -> Option<value::Sum> {
        value::sum(self.btf(), self.info.btf_types().1, self.values(value))
    }

    fn sum_or_refuse(&self, value: &[u8]) -> Result<value::Sum> {
        self.sum(value).ok_or_else(|| {
            Failure::new(format_args!(
                "the values of map {} are not numbers of a known type, so they have no sum",
                self.info.name()
            ))
            .help("without --sum they are shown for each CPU")
        })
    }

    pub fn json(&self, key: &[u8], value: &[u8], cpus: Cpus) -> Result<Value> {
        let type_id = self.info.btf_types().1;
        let of = |value: &[u8]| value::to_json(self.btf(), type_id, value);
        let mut entry = match (self.cpus, cpus) {
            (None, _) => match <[u8; 4]>::try_from(value) {
                Ok(id) if self.names_others() => json!({ "value": u32::from_ne_bytes(id) }),
                _ => json!({ "value": of(value) }),
            },
            (Some(_), Cpus::Each) => {
                let values: Vec<Value> = self.values(value).into_iter().map(of).collect();
                json!({ "values": values })
            }
            (Some(_), Cpus::Sum) => json!({ "value": self.sum_or_refuse(value)?.json() }),
            (Some(_), Cpus::One(cpu)) => json!({ "value": of(self.values(value)[cpu]) }),
        };
        self.add_key(&mut entry, key);
        Ok(entry)
    }

    /// An element whose value cannot be read.
    pub fn unread_json(&self, key: &[u8], error: &MapError) -> Value {
        let mut entry = json!({ "value": null, "error": error.to_string() });
        self.add_key(&mut entry, key);
        entry
    }

    fn add_key(&self, entry: &mut Value, key: &[u8]) {
        let type_id = self.info.btf_types().0;
        entry["key"] = value::to_json(self.btf(), type_id, key);
        if self.is_lpm() {
            entry["prefix"] = value::prefix(self.btf(), type_id, key).into();
        }
    }

    pub fn show(&self, key: &[u8], value: &[u8], cpus: Cpus, out: &mut Output) -> Result {
        self.show_value(&self.key_text(key), value, cpus, out)
    }

    /// A value under a name: the text of its key, or what else it is found by.
    pub fn show_value(&self, name: &str, value: &[u8], cpus: Cpus, out: &mut Output) -> Result {
        let name = bold(name);
        match (self.cpus, cpus) {
            (None, _) => return say!(out, name, ": ", self.value_text(value)),
            (Some(_), Cpus::Sum) => {
                return say!(out, name, ": ", self.sum_or_refuse(value)?.text());
            }
            (Some(_), Cpus::One(cpu)) => {
                let value = self.values(value)[cpu];
                return say!(out, name, ": ", self.value_text(value));
            }
            (Some(_), Cpus::Each) => {}
        }
        say!(out, name, ":")?;
        for (cpu, value) in self.values(value).into_iter().enumerate() {
            say!(out, format_args!("  cpu {cpu}: "), self.value_text(value))?;
        }
        match self.sum(value) {
            Some(sum) => say!(out, "  ", dim("sum"), ": ", sum.text()),
            None => Ok(()),
        }
    }

    /// A value on one line.
    pub fn line(&self, value: &[u8], cpus: Cpus) -> Result<String> {
        Ok(match (self.cpus, cpus) {
            (None, _) => self.value_text(value),
            (Some(_), Cpus::Sum) => self.sum_or_refuse(value)?.text(),
            (Some(_), Cpus::One(cpu)) => self.value_text(self.values(value)[cpu]),
            (Some(_), Cpus::Each) => {
                let each = self.values(value);
                let each: Vec<String> = each.iter().map(|value| self.value_text(value)).collect();
                format!("[{}]", each.join(", "))
            }
        })
    }

    pub fn show_unread(&self, key: &[u8], out: &mut Output) -> Result {
        say!(out, bold(self.key_text(key)), ": ", dim("(unreadable)"))
    }
}
