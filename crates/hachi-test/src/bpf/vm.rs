use hachi_obj::{GlobalVar, Spec};
use hachi_vm::{Config, Input, Vm};

use super::record::Record;
use super::{Backend, Ran, Refused, Run};

/// The virtual machine.
struct InVm {
    vm: Vm,
    globals: Vec<GlobalVar>,
    /// What ran, if someone wants to know.
    record: Option<Record>,
}

impl Drop for InVm {
    fn drop(&mut self) {
        if let Some(record) = &self.record {
            record.write(&self.vm);
        }
    }
}

/// Loads an object into a machine. Its types are those of this kernel, where programs ask for
/// types.
pub fn load(spec: Spec) -> Result<Box<dyn Backend>, Refused> {
    let mut config = Config::default();
    let wants_types = spec.programs.iter().any(asks_for_types);
    if wants_types && let Ok(bytes) = std::fs::read("/sys/kernel/btf/vmlinux") {
        config.types = hachi_obj::OwnedBtf::parse(bytes).ok();
    }
    let vm = Vm::new(&spec, &config).map_err(|error| Refused(error.to_string()))?;
    Ok(Box::new(InVm {
        vm,
        globals: spec.globals,
        record: Record::wanted(),
    }))
}

fn asks_for_types(program: &hachi_obj::ProgramSpec) -> bool {
    program.code().is_ok_and(|code| !code.core_relos.is_empty())
}

fn refused(error: impl std::fmt::Display) -> Refused {
    Refused(error.to_string())
}

impl Backend for InVm {
    fn sizes(&mut self, name: &str) -> Result<(usize, usize), Refused> {
        let map = self.vm.world().map(name);
        let map = map.ok_or_else(|| Refused(format!("there is no map `{name}`")))?;
        Ok((map.key_size() as usize, map.value_size() as usize))
    }

    fn lookup(&mut self, map: &str, key: &[u8]) -> Result<Vec<Vec<u8>>, Refused> {
        self.vm.lookup(map, key).map_err(refused)
    }

    fn update(&mut self, map: &str, key: &[u8], value: &[u8]) -> Result<(), Refused> {
        self.vm.update(map, key, value).map_err(refused)
    }

    fn delete(&mut self, map: &str, key: &[u8]) -> Result<bool, Refused> {
        match self.vm.delete(map, key) {
            Ok(()) => Ok(true),
            Err(hachi_vm::Error::MapOperation { errno, .. })
                if errno == hachi_vm::machine::Errno::ENOENT =>
            {
                Ok(false)
            }
            Err(error) => Err(refused(error)),
        }
    }

    fn keys(&mut self, map: &str) -> Result<Vec<Vec<u8>>, Refused> {
        self.vm.keys(map).map_err(refused)
    }

    fn records(&mut self, map: &str) -> Result<Vec<Vec<u8>>, Refused> {
        self.vm.take_records(map).map_err(refused)
    }

    fn global(&mut self, name: &str) -> Result<Vec<u8>, Refused> {
        let found = self.globals.iter().find(|global| global.name == name);
        let global = found.ok_or_else(|| Refused(format!("there is no variable `{name}`")))?;
        let values = self.vm.lookup(&global.map, &[0; 4]).map_err(refused)?;
        let (start, size) = (global.offset as usize, global.size as usize);
        let bytes = values
            .first()
            .and_then(|section| section.get(start..start + size));
        let outside = || Refused(format!("variable `{name}` is outside of its section"));
        Ok(bytes.ok_or_else(outside)?.to_vec())
    }

    fn run(&mut self, program: &str, input: &Input<'_>) -> Result<Ran, Refused> {
        let result = match &mut self.record {
            Some(record) => record.run(&mut self.vm, program, input),
            None => self.vm.run(program, input),
        };
        match result {
            Ok(output) => Ok(Ran::Done(Box::new(Run {
                verdict: output.result,
                packet: output.bytes.clone(),
                vm: Some(output),
            }))),
            Err(stopped) => Err(refused(stopped.diagnostic())),
        }
    }

    fn vm(&mut self) -> Option<&mut Vm> {
        Some(&mut self.vm)
    }
}
