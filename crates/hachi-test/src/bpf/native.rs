use hachi_vm::Input;

use super::{Backend, Ran, Refused, Run};

type Program = Box<dyn Fn(&Input<'_>) -> Run>;

/// Programs as functions of the test itself, and their maps: for the third place of a test, beside
/// the virtual machine and the kernel.
///
/// Programs written with `hachi-ebpf` are functions when they are compiled for the host; its
/// feature `test` has maps and helpers for them.
#[derive(Default)]
pub struct Native {
    programs: Vec<(String, Program)>,
    maps: Vec<(String, Box<dyn NativeMap>)>,
    logs: Option<Box<dyn Fn() -> Vec<String>>>,
}

/// A map of a program that is a function.
pub trait NativeMap {
    /// Bytes of its keys and of its values.
    fn sizes(&self) -> (usize, usize);

    /// The value of a key.
    fn lookup(&self, key: &[u8]) -> Option<Vec<u8>>;

    /// Sets the value of a key.
    ///
    /// # Errors
    /// The negative errno.
    fn update(&self, key: &[u8], value: &[u8]) -> Result<(), i64>;

    /// Removes a key; whether it was there.
    fn delete(&self, key: &[u8]) -> bool;

    /// Its keys.
    fn keys(&self) -> Vec<Vec<u8>>;

    /// Takes its records, if it is a ring buffer.
    fn records(&self) -> Option<Vec<Vec<u8>>>;
}

impl Native {
    /// Nothing yet.
    pub fn new() -> Native {
        Native::default()
    }

    /// Adds a program: what it does with an input.
    #[must_use]
    pub fn program(mut self, name: &str, program: impl Fn(&Input<'_>) -> Run + 'static) -> Native {
        self.programs.push((name.to_owned(), Box::new(program)));
        self
    }

    /// Adds a map.
    #[must_use]
    pub fn map(mut self, name: &str, map: impl NativeMap + 'static) -> Native {
        self.maps.push((name.to_owned(), Box::new(map)));
        self
    }

    /// Says where logged lines come from.
    #[must_use]
    pub fn logs(mut self, logs: impl Fn() -> Vec<String> + 'static) -> Native {
        self.logs = Some(Box::new(logs));
        self
    }

    fn of(&self, name: &str) -> Result<&dyn NativeMap, Refused> {
        let found = self.maps.iter().find(|(of, _)| of == name);
        found
            .map(|(_, map)| &**map)
            .ok_or_else(|| Refused(format!("no map `{name}` was named for native runs")))
    }
}

impl Backend for Native {
    fn sizes(&mut self, map: &str) -> Result<(usize, usize), Refused> {
        Ok(self.of(map)?.sizes())
    }

    fn lookup(&mut self, map: &str, key: &[u8]) -> Result<Vec<Vec<u8>>, Refused> {
        Ok(self.of(map)?.lookup(key).into_iter().collect())
    }

    fn update(&mut self, map: &str, key: &[u8], value: &[u8]) -> Result<(), Refused> {
        let updated = self.of(map)?.update(key, value);
        updated.map_err(|errno| Refused(format!("update of map `{map}`: errno {}", -errno)))
    }

    fn delete(&mut self, map: &str, key: &[u8]) -> Result<bool, Refused> {
        Ok(self.of(map)?.delete(key))
    }

    fn keys(&mut self, map: &str) -> Result<Vec<Vec<u8>>, Refused> {
        Ok(self.of(map)?.keys())
    }

    fn records(&mut self, map: &str) -> Result<Vec<Vec<u8>>, Refused> {
        let records = self.of(map)?.records();
        records.ok_or_else(|| Refused(format!("map `{map}` is not a ring buffer")))
    }

    fn global(&mut self, name: &str) -> Result<Vec<u8>, Refused> {
        Err(Refused(format!(
            "variable `{name}`: in native runs a program's variables are its own statics"
        )))
    }

    fn run(&mut self, program: &str, input: &Input<'_>) -> Result<Ran, Refused> {
        let found = self.programs.iter().find(|(of, _)| of == program);
        match found {
            Some((_, function)) => Ok(Ran::Done(Box::new(function(input)))),
            None => Err(Refused(format!(
                "no program `{program}` was named for native runs"
            ))),
        }
    }

    fn logs(&mut self) -> Option<Vec<String>> {
        self.logs.as_ref().map(|logs| logs())
    }
}
