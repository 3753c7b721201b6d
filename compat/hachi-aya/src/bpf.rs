//! The loader.

use std::{borrow::Cow, error::Error, fmt, io, marker::PhantomData, path::Path, path::PathBuf};

use hachi::obj::Spec;

use crate::{
    Btf, BtfError, Pod,
    attendants::{Attendants, Staff},
    maps::{Map, MapData, MapError},
    programs::{Program, ProgramError},
};

bitflags::bitflags! {
    /// What the verifier is to write about programs that load.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct VerifierLogLevel: u32 {
        /// Nothing.
        const DISABLE = 0;
        /// Each instruction, on the path to an error.
        const DEBUG = 1;
        /// As `DEBUG`, on all paths.
        const VERBOSE = 2 | Self::DEBUG.bits();
        /// How much work it was.
        const STATS = 4;
    }
}

impl Default for VerifierLogLevel {
    fn default() -> Self {
        VerifierLogLevel::DEBUG | VerifierLogLevel::STATS
    }
}

/// The value of a global variable.
#[derive(Clone, Copy, Debug)]
pub struct GlobalData<'a>(&'a [u8]);

impl<'a, T: Pod> From<&'a [T]> for GlobalData<'a> {
    fn from(values: &'a [T]) -> Self {
        // SAFETY: `Pod` promises that every byte of each element is initialised; the length is
        // theirs.
        GlobalData(unsafe {
            std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values))
        })
    }
}

impl<'a, T: Pod> From<&'a T> for GlobalData<'a> {
    fn from(value: &'a T) -> Self {
        GlobalData(hachi::bytes_of(value))
    }
}

/// Loads objects with settings of their own.
#[derive(Debug)]
pub struct EbpfLoader<'a> {
    loader: hachi::EbpfLoader,
    globals: Vec<(&'a str, &'a [u8], bool)>,
    extensions: Vec<&'a str>,
    _btf: PhantomData<&'a Btf>,
}

impl Default for EbpfLoader<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> EbpfLoader<'a> {
    /// With the usual settings. An object that says nothing of its licence is taken to be under the
    /// GPL.
    pub fn new() -> Self {
        let mut loader = hachi::EbpfLoader::new();
        loader.assume_license("GPL");
        EbpfLoader {
            loader,
            globals: Vec::new(),
            extensions: Vec::new(),
            _btf: PhantomData,
        }
    }

    /// Types to relocate programs against, instead of the running kernel's.
    pub fn btf(&mut self, btf: Option<&'a Btf>) -> &mut Self {
        self.loader.btf(btf.map(|btf| &btf.0));
        self
    }

    /// Leaves out maps that the kernel cannot create, instead of failing.
    pub fn allow_unsupported_maps(&mut self) -> &mut Self {
        self.loader.allow_unsupported_maps();
        self
    }

    /// The directory of maps that the object declares to be pinned by name.
    pub fn default_map_pin_directory<P: AsRef<Path>>(&mut self, path: P) -> &mut Self {
        self.loader.map_pin_path(path);
        self
    }

    /// Sets the initial value of a global variable.
    pub fn override_global<T: Into<GlobalData<'a>>>(
        &mut self,
        name: &'a str,
        value: T,
        must_exist: bool,
    ) -> &mut Self {
        self.globals.push((name, value.into().0, must_exist));
        self
    }

    /// As [`override_global`](Self::override_global), under its name of 0.11.
    #[deprecated(note = "renamed to `override_global`")]
    pub fn set_global<T: Into<GlobalData<'a>>>(
        &mut self,
        name: &'a str,
        value: T,
        must_exist: bool,
    ) -> &mut Self {
        self.override_global(name, value, must_exist)
    }

    /// Sets the capacity of a map.
    pub fn map_max_entries(&mut self, name: &'a str, size: u32) -> &mut Self {
        self.loader.map_max_entries(name, size);
        self
    }

    /// As [`map_max_entries`](Self::map_max_entries), under its name of 0.11.
    #[deprecated(note = "renamed to `map_max_entries`")]
    pub fn set_max_entries(&mut self, name: &'a str, size: u32) -> &mut Self {
        self.map_max_entries(name, size)
    }

    /// Pins one map at `path`, or uses the map pinned there already.
    pub fn map_pin_path<P: Into<Cow<'a, Path>>>(&mut self, name: &'a str, path: P) -> &mut Self {
        self.loader.pin_map(name, path.into());
        self
    }

    /// Takes a program as an extension, whatever its section says.
    pub fn extension(&mut self, name: &'a str) -> &mut Self {
        self.extensions.push(name);
        self
    }

    /// Asks for the verifier's log of programs that load.
    pub fn verifier_log_level(&mut self, level: VerifierLogLevel) -> &mut Self {
        let level = hachi::VerifierLogLevel::from_bits_truncate(level.bits());
        self.loader.verifier_log_level(level);
        self
    }

    /// Loads an object file.
    ///
    /// # Errors
    /// [`EbpfError`].
    pub fn load_file<P: AsRef<Path>>(&mut self, path: P) -> Result<Ebpf, EbpfError> {
        let path = path.as_ref();
        match std::fs::read(path) {
            Ok(bytes) => self.load(&bytes),
            Err(error) => Err(EbpfError::FileError {
                path: path.to_owned(),
                error,
            }),
        }
    }

    /// As [`load_file`](Self::load_file), from memory.
    ///
    /// # Errors
    /// [`EbpfError`].
    pub fn load(&mut self, data: &[u8]) -> Result<Ebpf, EbpfError> {
        let mut spec = Spec::parse(data).map_err(ParseError)?;
        self.set_globals(&mut spec)?;
        for name in &self.extensions {
            for program in spec
                .programs
                .iter_mut()
                .filter(|program| program.name == **name)
            {
                program.program_type = hachi::programs::ProgramType::Ext;
                program.attach_type = None;
            }
        }
        Ok(Ebpf::of(self.loader.load_spec(spec)?))
    }

    /// What Aya's log crate sets is here under another name.
    fn set_globals(&self, spec: &mut Spec) -> Result<(), EbpfError> {
        for (name, value, must_exist) in &self.globals {
            let name = match *name {
                "AYA_LOG_LEVEL" => "HACHI_LOG_LEVEL",
                other => other,
            };
            match spec.set_global(name, value) {
                Err(hachi::obj::Error::NoSuchGlobal { .. }) if !must_exist => {}
                result => result.map_err(ParseError)?,
            }
        }
        Ok(())
    }
}

/// A loaded object: its maps and programs.
///
/// Dropping it detaches its programs, except for those of sockets, and frees what is not pinned.
#[derive(Debug)]
pub struct Ebpf {
    // First, so that programs are detached before anything else goes.
    programs: Vec<(String, Program)>,
    maps: Vec<(String, Map)>,
    pub(crate) inner: hachi::Ebpf,
    // Last, so that threads see what programs have left behind.
    staff: Staff,
}

impl Ebpf {
    fn of(mut inner: hachi::Ebpf) -> Self {
        let names: Vec<String> = inner.programs().map(|(name, _)| name.to_owned()).collect();
        let programs = names.into_iter().filter_map(|name| {
            let program = inner.take_program(&name).ok()?;
            Some((name, Program::from_hachi(program)))
        });
        let programs = programs.collect();
        // Those of the log stay where `EbpfLogger` looks for them.
        let names: Vec<String> = inner
            .maps()
            .map(|(name, _)| name.to_owned())
            .filter(|name| !name.starts_with("HACHI_LOG"))
            .collect();
        let maps = names.into_iter().filter_map(|name| {
            let data = MapData(inner.take_map(&name).ok()?.into_data());
            Some((name, Map::from_map_data(data).ok()?))
        });
        Ebpf {
            programs,
            maps: maps.collect(),
            inner,
            staff: Staff::default(),
        }
    }

    /// Loads an object file with the usual settings.
    ///
    /// # Errors
    /// [`EbpfError`].
    pub fn load_file<P: AsRef<Path>>(path: P) -> Result<Self, EbpfError> {
        EbpfLoader::new().load_file(path)
    }

    /// As [`load_file`](Self::load_file), from memory.
    ///
    /// # Errors
    /// [`EbpfError`].
    pub fn load(data: &[u8]) -> Result<Self, EbpfError> {
        EbpfLoader::new().load(data)
    }

    /// The map called `name`.
    pub fn map(&self, name: &str) -> Option<&Map> {
        self.maps()
            .find_map(|(other, map)| (other == name).then_some(map))
    }

    /// As [`map`](Self::map), exclusively.
    pub fn map_mut(&mut self, name: &str) -> Option<&mut Map> {
        self.maps_mut()
            .find_map(|(other, map)| (other == name).then_some(map))
    }

    /// Takes a map out, to own it apart from this value.
    pub fn take_map(&mut self, name: &str) -> Option<Map> {
        let position = self.maps.iter().position(|(other, _)| other == name)?;
        Some(self.maps.remove(position).1)
    }

    /// All maps, with their names.
    pub fn maps(&self) -> impl Iterator<Item = (&str, &Map)> {
        self.maps.iter().map(|(name, map)| (name.as_str(), map))
    }

    /// As [`maps`](Self::maps), exclusively.
    pub fn maps_mut(&mut self) -> impl Iterator<Item = (&str, &mut Map)> {
        self.maps.iter_mut().map(|(name, map)| (name.as_str(), map))
    }

    /// Several maps at once.
    ///
    /// # Panics
    /// If a map is asked for twice.
    pub fn maps_disjoint_mut<const N: usize>(&mut self, names: [&str; N]) -> [Option<&mut Map>; N] {
        for (position, name) in names.iter().enumerate() {
            assert!(
                !names[..position].contains(name),
                "map `{name}` is asked for twice"
            );
        }
        let mut found = [const { None }; N];
        for (name, map) in &mut self.maps {
            if let Some(position) = names.iter().position(|wanted| wanted == name) {
                found[position] = Some(map);
            }
        }
        found
    }

    /// The program called `name`.
    pub fn program(&self, name: &str) -> Option<&Program> {
        self.programs()
            .find_map(|(other, program)| (other == name).then_some(program))
    }

    /// As [`program`](Self::program), exclusively.
    pub fn program_mut(&mut self, name: &str) -> Option<&mut Program> {
        self.programs_mut()
            .find_map(|(other, program)| (other == name).then_some(program))
    }

    /// All programs, with their names.
    pub fn programs(&self) -> impl Iterator<Item = (&str, &Program)> {
        self.programs
            .iter()
            .map(|(name, program)| (name.as_str(), program))
    }

    /// As [`programs`](Self::programs), exclusively.
    pub fn programs_mut(&mut self) -> impl Iterator<Item = (&str, &mut Program)> {
        self.programs
            .iter_mut()
            .map(|(name, program)| (name.as_str(), program))
    }
}

/// Hachi's own object: for what Aya has no name for, and for `hachi-aya-log`.
#[doc(hidden)]
pub fn as_hachi(ebpf: &mut Ebpf) -> &mut hachi::Ebpf {
    &mut ebpf.inner
}

/// Where `hachi-aya-log` leaves its threads.
#[doc(hidden)]
pub fn attendants(ebpf: &Ebpf) -> Attendants {
    ebpf.staff.entrance()
}

#[cfg(feature = "v0_13")]
mod old {
    /// [`Ebpf`](super::Ebpf) under its name until 0.12.
    pub type Bpf = super::Ebpf;
    /// [`EbpfLoader`](super::EbpfLoader) under its name until 0.12.
    pub type BpfLoader<'a> = super::EbpfLoader<'a>;
}

#[cfg(not(feature = "v0_13"))]
mod old {
    use super::*;

    /// A loaded object in the shape of 2021 (Aya 0.10): programs and maps are found or an error.
    ///
    /// The feature `v0_13` makes this another name of [`Ebpf`].
    #[derive(Debug)]
    pub struct Bpf(Ebpf);

    impl Bpf {
        /// Loads an object file with the usual settings.
        ///
        /// # Errors
        /// [`EbpfError`].
        pub fn load_file<P: AsRef<Path>>(path: P) -> Result<Self, EbpfError> {
            Ebpf::load_file(path).map(Bpf)
        }

        /// As [`load_file`](Self::load_file), from memory.
        ///
        /// # Errors
        /// [`EbpfError`].
        pub fn load(data: &[u8]) -> Result<Self, EbpfError> {
            Ebpf::load(data).map(Bpf)
        }

        fn position(&self, name: &str) -> Result<usize, ProgramError> {
            let programs = &self.0.programs;
            if let Some(position) = programs.iter().position(|(other, _)| other == name) {
                return Ok(position);
            }
            let in_section: Vec<usize> = (0..programs.len())
                .filter(|&position| programs[position].1.section() == name)
                .collect();
            match in_section[..] {
                [position] => Ok(position),
                _ => {
                    let names: Vec<&str> = programs.iter().map(|(name, _)| name.as_str()).collect();
                    Err(ProgramError::IOError(io::Error::new(
                        io::ErrorKind::NotFound,
                        format!("no program `{name}`; the object has {}", names.join(", ")),
                    )))
                }
            }
        }

        /// The program called `name`, or the only one in the section of that name.
        ///
        /// # Errors
        /// [`ProgramError::IOError`] that lists the programs when there is none.
        pub fn program(&self, name: &str) -> Result<&Program, ProgramError> {
            let position = self.position(name)?;
            Ok(&self.0.programs[position].1)
        }

        /// As [`program`](Self::program), exclusively.
        ///
        /// # Errors
        /// As [`program`](Self::program).
        pub fn program_mut(&mut self, name: &str) -> Result<&mut Program, ProgramError> {
            let position = self.position(name)?;
            Ok(&mut self.0.programs[position].1)
        }

        /// All programs, with their names.
        pub fn programs(&self) -> impl Iterator<Item = (&str, &Program)> {
            self.0.programs()
        }

        /// As [`programs`](Self::programs), exclusively.
        pub fn programs_mut(&mut self) -> impl Iterator<Item = (&str, &mut Program)> {
            self.0.programs_mut()
        }

        /// The map called `name`.
        ///
        /// # Errors
        /// [`MapError::InvalidName`] when there is none.
        pub fn map(&self, name: &str) -> Result<&Map, MapError> {
            self.0.map(name).ok_or_else(|| no_map(name))
        }

        /// As [`map`](Self::map), exclusively.
        ///
        /// # Errors
        /// As [`map`](Self::map).
        pub fn map_mut(&mut self, name: &str) -> Result<&mut Map, MapError> {
            self.0.map_mut(name).ok_or_else(|| no_map(name))
        }

        /// All maps, with their names.
        pub fn maps(&self) -> impl Iterator<Item = (&str, &Map)> {
            self.0.maps()
        }
    }

    fn no_map(name: &str) -> MapError {
        MapError::InvalidName {
            name: name.to_owned(),
        }
    }

    /// Loads objects with settings of their own, in the shape of 2021.
    #[derive(Debug, Default)]
    pub struct BpfLoader<'a>(EbpfLoader<'a>);

    impl<'a> BpfLoader<'a> {
        /// With the usual settings.
        pub fn new() -> Self {
            Self::default()
        }

        /// Types to relocate programs against, instead of the running kernel's.
        pub fn btf(&mut self, btf: Option<&'a Btf>) -> &mut Self {
            self.0.btf(btf);
            self
        }

        /// The directory of maps that the object declares to be pinned by name.
        pub fn map_pin_path<P: AsRef<Path>>(&mut self, path: P) -> &mut Self {
            self.0.default_map_pin_directory(path);
            self
        }

        /// Sets the initial value of a global variable, which the object must have.
        pub fn set_global<T: Into<GlobalData<'a>>>(
            &mut self,
            name: &'a str,
            value: T,
        ) -> &mut Self {
            self.0.override_global(name, value, true);
            self
        }

        /// Sets the capacity of a map.
        pub fn set_max_entries(&mut self, name: &'a str, size: u32) -> &mut Self {
            self.0.map_max_entries(name, size);
            self
        }

        /// Loads an object file.
        ///
        /// # Errors
        /// [`EbpfError`].
        pub fn load_file<P: AsRef<Path>>(&mut self, path: P) -> Result<Bpf, EbpfError> {
            self.0.load_file(path).map(Bpf)
        }

        /// As [`load_file`](Self::load_file), from memory.
        ///
        /// # Errors
        /// [`EbpfError`].
        pub fn load(&mut self, data: &[u8]) -> Result<Bpf, EbpfError> {
            self.0.load(data).map(Bpf)
        }
    }

    #[doc(hidden)]
    impl crate::AsEbpf for Bpf {
        fn as_ebpf(&mut self) -> &mut Ebpf {
            &mut self.0
        }
    }
}

pub use old::{Bpf, BpfLoader};

/// [`EbpfError`] under its name until 0.12.
pub type BpfError = EbpfError;

/// What is wrong with an object file.
#[derive(Debug)]
pub struct ParseError(hachi::obj::Error);

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Error for ParseError {}

/// An error of loading.
#[derive(Debug)]
pub enum EbpfError {
    /// A file cannot be read.
    FileError {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A map is to be pinned in a way that does not exist.
    UnexpectedPinningType {
        /// The number of the way.
        name: u32,
    },
    /// The object cannot be understood.
    ParseError(ParseError),
    /// Something about types failed.
    BtfError(BtfError),
    /// The object has no types.
    NoBTF,
    /// Something about a map failed.
    MapError(MapError),
    /// Something about a program failed.
    ProgramError(ProgramError),
}

impl fmt::Display for EbpfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EbpfError::FileError { path, error } => {
                write!(f, "cannot read {}: {error}", path.display())
            }
            EbpfError::UnexpectedPinningType { name } => {
                write!(f, "there is no way {name} to pin a map")
            }
            EbpfError::ParseError(error) => write!(f, "{error}"),
            EbpfError::BtfError(error) => write!(f, "{error}"),
            EbpfError::NoBTF => f.write_str("the object has no types (BTF)"),
            EbpfError::MapError(error) => write!(f, "{error}"),
            EbpfError::ProgramError(error) => write!(f, "{error}"),
        }
    }
}

impl Error for EbpfError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            EbpfError::FileError { error, .. } => Some(error),
            EbpfError::BtfError(error) => error.source(),
            EbpfError::MapError(error) => error.source(),
            EbpfError::ProgramError(error) => error.source(),
            _ => None,
        }
    }
}

macro_rules! from {
    ($($variant:ident($error:ty))*) => { $(
        impl From<$error> for EbpfError {
            fn from(error: $error) -> Self {
                EbpfError::$variant(error)
            }
        }
    )* };
}

from! { ParseError(ParseError) BtfError(BtfError) MapError(MapError) ProgramError(ProgramError) }

impl From<hachi::EbpfError> for EbpfError {
    fn from(error: hachi::EbpfError) -> Self {
        use hachi::EbpfError as Hachi;
        match error {
            Hachi::FileError { path, error } => EbpfError::FileError { path, error },
            Hachi::ParseError { error, .. } | Hachi::SpecError(error) => {
                EbpfError::ParseError(ParseError(error))
            }
            Hachi::MapError(error) => EbpfError::MapError(error.into()),
            Hachi::ProgramError(error) => EbpfError::ProgramError(error.into()),
            other => EbpfError::ProgramError(ProgramError::IOError(io::Error::other(other))),
        }
    }
}
