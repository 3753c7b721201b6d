//! An object and the machine that runs it, for those that show it: what is asked and answered is
//! text. The module for JavaScript is made of it, and the program that writes down what the pages
//! of the book show before anything runs.

pub mod json;
mod kernel;
pub mod maps;
mod scene;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hachi_common::log::{RING_MAP, Sites};
use hachi_obj::{OwnedBtf, ProgramType, Spec};
use hachi_vm::machine::maps::Map;
use hachi_vm::{Config, Counts, Input, Output, Stopped, Vm};

use json::{hex, list, text};
use scene::Record;
pub use scene::{Places, Scene};

/// How often a program runs at most when it is asked once.
const MOST: u64 = 1000;

/// An object, and the machine that runs it once something was asked of it.
pub struct Session {
    pub spec: Spec,
    /// The kernel's.
    types: Option<OwnedBtf>,
    /// What records of maps have in them.
    records: Vec<Record>,
    vm: Option<Vm>,
}

impl Session {
    /// Opens an object file.
    pub fn open(file: &[u8]) -> Result<Session, String> {
        match Spec::parse(file) {
            Ok(spec) => Ok(Session {
                spec,
                types: None,
                records: Vec::new(),
                vm: None,
            }),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Sets a global, in the object's byte order. The machine starts again.
    pub fn set(&mut self, name: &str, value: &[u8]) -> Result<(), String> {
        let set = self.spec.set_global(name, value);
        set.map_err(|error| error.to_string())?;
        self.vm = None;
        Ok(())
    }

    /// Sets the value of a map's key, on all CPUs.
    pub fn update(&mut self, map: &str, key: &[u8], value: &[u8]) -> Result<(), String> {
        let (wide, tall) = (key.len(), value.len());
        let spec = self.spec.map(map).map_err(|error| error.to_string())?;
        if (wide, tall) != (spec.key_size as usize, spec.value_size as usize) {
            return Err(format!(
                "map `{map}` has keys of {} bytes and values of {}; {wide} and {tall} are given",
                spec.key_size, spec.value_size
            ));
        }
        let updated = self.machine()?.update(map, key, value);
        updated.map_err(|error| error.to_string())
    }

    /// What the maps hold, by their types. Records are taken out of their buffers.
    pub fn maps(&mut self) -> Result<String, String> {
        self.machine()?;
        let vm = self.vm.as_mut().expect("it was just made");
        Ok(maps::all(&self.spec, vm, &self.records))
    }

    /// Runs a program in a scene. The verdict is that of the last run; log and lines are those of
    /// all.
    pub fn play(&mut self, program: &str, scene: &Scene) -> Result<String, String> {
        if let Some(types) = &scene.types
            && self.types.as_ref().map(OwnedBtf::bytes) != Some(types.as_slice())
        {
            let parsed = OwnedBtf::parse(types.clone());
            self.types = Some(parsed.map_err(|error| error.to_string())?);
            self.vm = None;
        }
        for (name, value) in &scene.globals {
            let there = self.spec.global_bytes(name);
            if there.map_err(|error| error.to_string())? != Some(value.as_slice()) {
                self.set(name, value)?;
            }
        }
        for entry in &scene.entries {
            match &entry.value {
                Some(value) => self.update(&entry.map, &entry.key, value)?,
                None => self.remove(&entry.map, &entry.key)?,
            }
        }
        self.records.clone_from(&scene.records);
        scene.surround(self.machine()?.world_mut());
        let places = self.objects(scene)?;
        self.run(
            program,
            &scene.input(&places),
            scene.times.unwrap_or(1).min(MOST),
        )
    }

    /// Makes the structures of a scene.
    fn objects(&mut self, scene: &Scene) -> Result<Places, String> {
        self.machine()?;
        let (Some(vm), Some(types)) = (&mut self.vm, &self.types) else {
            return match scene.objects.first() {
                Some(object) => Err(format!("there are no types for `{}`", object.name)),
                None => Ok(Places::new()),
            };
        };
        kernel::make(vm, &types.types(), &scene.objects)
    }

    /// Removes an entry that may be there.
    fn remove(&mut self, map: &str, key: &[u8]) -> Result<(), String> {
        let vm = self.machine()?;
        // A trie finds another entry for a key that it has not.
        let keys = vm.keys(map).map_err(|error| error.to_string())?;
        match keys.iter().any(|of| of == key) {
            true => vm.delete(map, key).map_err(|error| error.to_string()),
            false => Ok(()),
        }
    }

    /// Runs a program this often, at least once.
    pub fn run(&mut self, program: &str, input: &Input<'_>, times: u64) -> Result<String, String> {
        let found = self.spec.program(program);
        let kind = found.map_err(|error| error.to_string())?.program_type;
        let sites = Sites::new(self.spec.log_sites.clone().unwrap_or_default());
        let vm = self.machine()?;
        vm.world_mut().printed.clear();
        let mut counts = Counts::default();
        for _ in 1..times {
            if vm.run_observed(program, input, &mut counts).is_err() {
                break;
            }
        }
        let result = vm.run_observed(program, input, &mut counts);
        Ok(outcome(vm, kind, &result, &sites, &counts))
    }

    /// The machine, made once.
    pub fn machine(&mut self) -> Result<&mut Vm, String> {
        if self.vm.is_none() {
            let mut config = Config::default();
            config.types.clone_from(&self.types);
            let vm = Vm::new(&self.spec, &config);
            self.vm = Some(vm.map_err(|error| error.to_string())?);
        }
        Ok(self.vm.as_mut().expect("it was just made"))
    }
}

/// What a verdict means to the kernel; the number where it has no name.
pub fn verdict(kind: ProgramType, value: u32) -> String {
    if let Some(name) = kind.verdict(value) {
        return name.to_owned();
    }
    match (kind, value) {
        (ProgramType::SchedCls | ProgramType::SchedAct, u32::MAX) => "TC_ACT_UNSPEC".to_owned(),
        (ProgramType::CgroupSkb | ProgramType::CgroupSockAddr | ProgramType::CgroupSock, 0 | 1) => {
            let meaning = if value == 0 { "refused" } else { "allowed" };
            format!("{value} ({meaning})")
        }
        (ProgramType::Lsm, 0) => "0 (allowed)".to_owned(),
        (ProgramType::Lsm, _) => format!("{} (refused)", value.cast_signed()),
        _ => value.cast_signed().to_string(),
    }
}

fn outcome(
    vm: &mut Vm,
    kind: ProgramType,
    result: &Result<Output, Box<Stopped>>,
    sites: &Sites,
    counts: &Counts,
) -> String {
    let mut to = String::from("{");
    match result {
        Ok(output) => {
            let _ = write!(
                to,
                "\"verdict\":{},\"meaning\":{},\"bytes\":{},\"metadata\":{},\"sequence\":{},\
                 \"instructions\":{},\"redirected\":{},\"fault\":null",
                output.result,
                text(&verdict(kind, output.result)),
                hex(&output.bytes),
                hex(&output.metadata),
                text(&String::from_utf8_lossy(&output.sequence)),
                output.instructions,
                output.redirect.is_some()
            );
        }
        Err(stopped) => {
            let _ = write!(
                to,
                "\"verdict\":null,\"instructions\":{},\"fault\":{{\"message\":{},\"text\":{}}}",
                stopped.instructions,
                text(&stopped.to_string()),
                text(&stopped.diagnostic().to_string())
            );
        }
    }
    to.push_str(",\"printed\":[");
    list(&mut to, &vm.world().printed, |to, line| {
        to.push_str(&text(line));
    });
    to.push_str("],\"log\":[");
    let records = match vm.world().map(RING_MAP).map(Map::kind) {
        Some(_) => vm.take_records(RING_MAP).unwrap_or_default(),
        None => Vec::new(),
    };
    log(&mut to, sites, &records);
    to.push_str("],\"lines\":[");
    let lines = lines(vm, counts);
    list(&mut to, &lines, |to, ((file, line), (count, source))| {
        let _ = write!(
            to,
            "{{\"file\":{},\"line\":{line},\"count\":{count},\"text\":{}}}",
            text(file),
            text(source)
        );
    });
    to.push_str("]}");
    to
}

/// Log messages, from the records of the ring buffer.
pub fn log(to: &mut String, sites: &Sites, records: &[Vec<u8>]) {
    list(to, records, |to, record| {
        let _ = match sites.decode(record) {
            Ok(message) => write!(
                to,
                "{{\"level\":{},\"file\":{},\"line\":{},\"text\":{}}}",
                text(&format!("{:?}", message.site.level).to_lowercase()),
                text(message.site.file),
                message.site.line,
                text(&message.to_string())
            ),
            Err(error) => write!(to, "{{\"text\":{}}}", text(&error.to_string())),
        };
    });
}

/// A file and a line of it.
type Line = (String, u32);

/// How often each line ran: as often as the instruction of it that ran most.
fn lines(vm: &Vm, counts: &Counts) -> BTreeMap<Line, (u64, String)> {
    let names: Vec<String> = vm.programs().map(str::to_owned).collect();
    let mut lines: BTreeMap<Line, (u64, String)> = BTreeMap::new();
    for (number, name) in names.iter().enumerate() {
        for (insn, count) in counts.of(number).iter().enumerate() {
            if *count == 0 {
                continue;
            }
            let Some(place) = vm.place(name, insn) else {
                continue;
            };
            let line = lines
                .entry((place.file, place.line))
                .or_insert((0, place.text));
            line.0 = line.0.max(*count);
        }
    }
    lines
}
