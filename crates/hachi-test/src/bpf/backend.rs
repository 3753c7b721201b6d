use std::fmt;

use hachi_vm::{Input, Vm};

use super::Run;

/// Something that a place refused to do, in words: the object, the operation, why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(pub String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// The result of asking for a run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Ran {
    /// It ran.
    Done(Box<Run>),
    /// This place cannot run programs of its type, and why.
    NotHere(String),
}

/// A place that runs programs and holds their maps.
///
/// Keys and values are bytes, in the byte order of the machine.
pub trait Backend {
    /// Bytes of a map's keys and of its values.
    ///
    /// # Errors
    /// If there is no such map.
    fn sizes(&mut self, map: &str) -> Result<(usize, usize), Refused>;

    /// The values of a key: one for each CPU if the map is per CPU, else one; none if the key is
    /// not there.
    ///
    /// # Errors
    /// If the map cannot be read.
    fn lookup(&mut self, map: &str, key: &[u8]) -> Result<Vec<Vec<u8>>, Refused>;

    /// Sets the value of a key, on all CPUs.
    ///
    /// # Errors
    /// If the map refuses.
    fn update(&mut self, map: &str, key: &[u8], value: &[u8]) -> Result<(), Refused>;

    /// Removes a key; whether it was there.
    ///
    /// # Errors
    /// If the map refuses.
    fn delete(&mut self, map: &str, key: &[u8]) -> Result<bool, Refused>;

    /// The keys of a map.
    ///
    /// # Errors
    /// If the map cannot be read.
    fn keys(&mut self, map: &str) -> Result<Vec<Vec<u8>>, Refused>;

    /// Takes the records of a ring buffer.
    ///
    /// # Errors
    /// If it is not one.
    fn records(&mut self, map: &str) -> Result<Vec<Vec<u8>>, Refused>;

    /// The bytes of a global variable.
    ///
    /// # Errors
    /// If there is no such variable.
    fn global(&mut self, name: &str) -> Result<Vec<u8>, Refused>;

    /// Runs a program.
    ///
    /// # Errors
    /// If there is no such program, or it could not go on.
    fn run(&mut self, program: &str, input: &Input<'_>) -> Result<Ran, Refused>;

    /// What programs logged, where it does not come through a map.
    fn logs(&mut self) -> Option<Vec<String>> {
        None
    }

    /// The virtual machine, if this is one.
    fn vm(&mut self) -> Option<&mut Vm> {
        None
    }
}
