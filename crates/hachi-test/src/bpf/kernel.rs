use std::collections::{BTreeMap, BTreeSet};

use hachi::maps::{ElementFlags, MapData, RingBuf};
use hachi::programs::{ProgramType, TestRunOptions};
use hachi::{Ebpf, EbpfLoader};
use hachi_obj::{GlobalVar, ProgramSpec, Spec};
use hachi_vm::Input;

use super::{Backend, Ran, Refused, Run};
use crate::skip::with_causes;

/// Bytes of room for a packet as the program leaves it.
const ROOM: usize = 1 << 16;

/// The first kernels that run programs of a type without their events, where that is later than
/// the type itself.
const SINCE: &[(ProgramType, &str)] = &[
    (ProgramType::RawTracepoint, "5.10"),
    (ProgramType::SkLookup, "5.14"),
];

/// The running kernel.
struct InKernel {
    ebpf: Ebpf,
    programs: BTreeMap<String, ProgramSpec>,
    globals: Vec<GlobalVar>,
    loaded: BTreeSet<String>,
}

fn refused(error: impl std::error::Error) -> Refused {
    Refused(with_causes(&error))
}

/// Loads an object's maps; programs are loaded when they are run.
pub fn load(spec: Spec) -> Result<Box<dyn Backend>, Refused> {
    let programs = spec.programs.iter();
    let programs = programs
        .map(|program| (program.name.clone(), program.clone()))
        .collect();
    let globals = spec.globals.clone();
    let ebpf = EbpfLoader::new().load_spec(spec).map_err(refused)?;
    Ok(Box::new(InKernel {
        ebpf,
        programs,
        globals,
        loaded: BTreeSet::new(),
    }))
}

impl InKernel {
    fn data(&mut self, map: &str) -> Result<&mut MapData, Refused> {
        Ok(self.ebpf.map_mut(map).map_err(refused)?.data_mut())
    }
}

/// The values of all CPUs, each in its place of a multiple of 8 bytes.
fn per_cpu(bytes: &[u8], size: usize) -> Vec<Vec<u8>> {
    let places = bytes.chunks(size.next_multiple_of(8));
    places.map(|place| place[..size].to_vec()).collect()
}

impl Backend for InKernel {
    fn sizes(&mut self, map: &str) -> Result<(usize, usize), Refused> {
        let data = self.data(map)?;
        Ok((data.key_size() as usize, data.value_size() as usize))
    }

    fn lookup(&mut self, map: &str, key: &[u8]) -> Result<Vec<Vec<u8>>, Refused> {
        let data = self.data(map)?;
        let found = data
            .lookup_bytes(key, ElementFlags::default())
            .map_err(refused)?;
        Ok(match found {
            Some(bytes) if data.is_per_cpu() => per_cpu(&bytes, data.value_size() as usize),
            Some(bytes) => vec![bytes],
            None => Vec::new(),
        })
    }

    fn update(&mut self, map: &str, key: &[u8], value: &[u8]) -> Result<(), Refused> {
        let data = self.data(map)?;
        let mut bytes = value.to_vec();
        if data.is_per_cpu() {
            bytes.resize(value.len().next_multiple_of(8), 0);
            let cpus = data.lookup_size().map_err(refused)? / bytes.len().max(1);
            bytes = bytes.repeat(cpus);
        }
        let updated = data.update_bytes(key, &bytes, ElementFlags::default());
        updated.map_err(refused)
    }

    fn delete(&mut self, map: &str, key: &[u8]) -> Result<bool, Refused> {
        self.data(map)?.delete_bytes(key).map_err(refused)
    }

    fn keys(&mut self, map: &str) -> Result<Vec<Vec<u8>>, Refused> {
        let keys = self.data(map)?.key_bytes();
        keys.collect::<Result<_, _>>().map_err(refused)
    }

    fn records(&mut self, map: &str) -> Result<Vec<Vec<u8>>, Refused> {
        let map = self.ebpf.map_mut(map).map_err(refused)?;
        let mut ring = RingBuf::try_from(map).map_err(refused)?;
        let mut records = Vec::new();
        ring.drain(|record| records.push(record.to_vec()));
        Ok(records)
    }

    fn global(&mut self, name: &str) -> Result<Vec<u8>, Refused> {
        let found = self.globals.iter().find(|global| global.name == name);
        let global = found.ok_or_else(|| Refused(format!("there is no variable `{name}`")))?;
        let (start, size) = (global.offset as usize, global.size as usize);
        let section = global.map.clone();
        let values = self.lookup(&section, &[0; 4])?;
        let bytes = values
            .first()
            .and_then(|section| section.get(start..start + size));
        let outside = || Refused(format!("variable `{name}` is outside of its section"));
        Ok(bytes.ok_or_else(outside)?.to_vec())
    }

    fn run(&mut self, program: &str, input: &Input<'_>) -> Result<Ran, Refused> {
        let spec = self.programs.get(program);
        let spec = spec.ok_or_else(|| Refused(format!("there is no program `{program}`")))?;
        let data = match input.for_kernel(spec) {
            Ok(data) => data,
            Err(reason) => return Ok(Ran::NotHere(reason)),
        };
        if let Some((_, since)) = SINCE.iter().find(|(of, _)| *of == spec.program_type)
            && crate::kernel_is_older_than(since)
        {
            let kind = spec.program_type.name();
            let what = format!("BPF_PROG_TEST_RUN of programs of type {kind}");
            return Ok(Ran::NotHere(format!("{what} needs Linux ≥ {since}")));
        }
        let hides_ethernet = matches!(
            spec.program_type,
            ProgramType::CgroupSkb | ProgramType::SocketFilter
        );
        let loaded = self.ebpf.program_mut(program).map_err(refused)?;
        let is_new = self.loaded.insert(program.to_owned());
        if is_new && let Err(error) = loaded.load() {
            let Refused(text) = refused(error);
            // A test of what an older kernel lacks is not for it.
            return match text.contains("needs Linux ≥ ") {
                true => Ok(Ran::NotHere(text)),
                false => Err(Refused(text)),
            };
        }
        let loaded = self.ebpf.program(program).map_err(refused)?;
        let mut options = TestRunOptions::new().context(&data.context);
        if data.has_packet {
            options = options.data(&data.packet).data_out(ROOM);
        }
        let run = loaded.test_run(&options).map_err(refused)?;
        let mut packet = run.data;
        if hides_ethernet {
            packet.drain(..14.min(packet.len()));
        }
        packet.drain(..data.metadata.min(packet.len()));
        Ok(Ran::Done(Box::new(Run::new(run.return_value, packet))))
    }
}
