//! Every kind of program, map and link, by libbpf and by Hachi, over the same objects.
//!
//! [`probe`] goes through the [`rows`] with one loader: load, attach, make it happen, look at the
//! counter, detach, make it happen again. The test beside this crate does that with both, prints
//! the table, and compares.

mod by_hachi;
mod by_libbpf;
pub mod rows;
mod surroundings;

use std::{io, os::fd::RawFd, path::Path};

pub use by_hachi::Hachi;
pub use by_libbpf::{Libbpf, identity, programs};
use rows::{Input, Place, Row, What};
pub use surroundings::Surroundings;
use surroundings::{Cause, connect_with};

/// What went wrong, in the loader's words.
pub type Result<T = ()> = std::result::Result<T, String>;

/// A packet to run programs on: Ethernet and IPv4.
pub const PACKET: [u8; 64] = {
    let mut packet = [0; 64];
    packet[12] = 8;
    packet[14] = 0x45;
    packet[17] = 50;
    packet[22] = 64;
    packet[23] = 17;
    packet
};

/// A library that loads objects.
pub trait Loader {
    /// An object of which one program or map is loaded. Dropping it undoes everything.
    type Object: Loaded;

    /// # Errors
    /// What the library says.
    fn load(&self, file: &Path, part: Part<'_>) -> Result<Self::Object>;
}

/// What of an object is loaded.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a> {
    /// This program, with the maps `hits` and `sockets`, or all of those of a file of its own.
    Program(&'a str),
    /// The program that takes the place of a function of this file's.
    Replacement(&'a str, &'a Path),
    /// This map.
    Map(&'a str),
    /// The struct of functions.
    Struct,
}

/// What was loaded.
pub trait Loaded {
    /// Attaches the program.
    ///
    /// # Errors
    /// What the library says.
    fn attach(&mut self, place: Place, around: &Surroundings) -> Result;
    /// Ends what `attach` has begun.
    ///
    /// # Errors
    /// What the library says.
    fn detach(&mut self) -> Result;
    /// Runs the program once.
    ///
    /// # Errors
    /// What the library says.
    fn run(&mut self, input: Input) -> Result;
    /// Runs the program that is attached to: the one with the function that is replaced.
    ///
    /// # Errors
    /// What the library says.
    fn run_target(&mut self) -> Result;
    /// Reads what the iterator writes.
    ///
    /// # Errors
    /// What the library says.
    fn read(&mut self) -> Result;
    /// Puts the ends of a connection into the map of sockets.
    ///
    /// # Errors
    /// What the library says.
    fn insert(&mut self, around: &Surroundings) -> Result;
    /// Registers the struct of functions until `detach`.
    ///
    /// # Errors
    /// What the library says.
    fn register(&mut self) -> Result;
    /// The descriptor of the loaded program, which stays the object's.
    ///
    /// # Errors
    /// What the library says.
    fn kernel_program(&mut self) -> Result<RawFd>;
    /// How often the program has run.
    ///
    /// # Errors
    /// What the library says.
    fn hits(&self) -> Result<u64>;
}

/// Goes through one row with a library. `objects` is the directory of the object files.
///
/// # Errors
/// In which step it does not work, and why.
pub fn probe<L: Loader>(
    loader: &L,
    row: &Row,
    objects: &Path,
    around: &mut Surroundings,
) -> Result {
    let file = objects.join(row.object).with_extension("o");
    let load = |part| {
        let loaded = loader.load(&file, part);
        loaded.map_err(|error| format!("load: {error}"))
    };
    match row.what {
        What::Map(name) => load(Part::Map(name)).map(drop),
        What::Loaded(name) => load(Part::Program(&format!("run_{name}"))).map(drop),
        What::Run(name, input) => {
            let mut object = load(Part::Program(name))?;
            object.run(input).map_err(|error| format!("run: {error}"))?;
            has_run(&object)
        }
        What::Registered(name) => {
            let mut object = load(Part::Struct)?;
            object
                .register()
                .map_err(|error| format!("register: {error}"))?;
            connect_with(name).map_err(|error| format!("connection: {error}"))?;
            has_run(&object)?;
            object.detach()?;
            match connect_with(name) {
                Ok(()) => Err("it is still registered".to_owned()),
                Err(_) => Ok(()),
            }
        }
        What::Attached(name, place, cause) => {
            let name = format!("run_{name}");
            let target = objects.join("target.o");
            let part = match place {
                Place::Function => Part::Replacement(&name, &target),
                _ => Part::Program(&name),
            };
            let mut object = load(part)?;
            attached(&mut object, place, cause, around)
        }
    }
}

fn attached<O: Loaded>(
    object: &mut O,
    place: Place,
    cause: Cause,
    around: &mut Surroundings,
) -> Result {
    if matches!(place, Place::NetkitPrimary | Place::NetkitPeer) {
        around.netkit()?;
    }
    let attach = object.attach(place, around);
    attach.map_err(|error| format!("attach: {error}"))?;
    if place == Place::SocketMap {
        let renewed = around.renew_stream();
        renewed.map_err(|error| format!("connection: {error}"))?;
        object
            .insert(around)
            .map_err(|error| format!("insert: {error}"))?;
    }
    happens(object, cause, around)?;
    has_run(object)?;
    let detach = object.detach();
    detach.map_err(|error| format!("detach: {error}"))?;
    // Sockets keep the programs that their map had when they came into it.
    if matches!(cause, Cause::Reader | Cause::Itself | Cause::Stream) {
        return Ok(());
    }
    let before = object.hits()?;
    happens(object, cause, around)?;
    match object.hits()? == before {
        true => Ok(()),
        false => Err("it still runs after it was detached".to_owned()),
    }
}

fn happens<O: Loaded>(object: &mut O, cause: Cause, around: &mut Surroundings) -> Result {
    match cause {
        Cause::Reader => object.read(),
        Cause::Target => object.run_target(),
        Cause::Itself => object.run(Input::Packet),
        cause => around
            .cause(cause)
            .map_err(|error: io::Error| format!("{cause:?}: {error}")),
    }
}

fn has_run<O: Loaded>(object: &O) -> Result {
    match object.hits()? {
        0 => Err("it did not run".to_owned()),
        _ => Ok(()),
    }
}
