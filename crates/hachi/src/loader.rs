//! [`Ebpf`] and its builder.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use hachi_common::Record;
use hachi_obj::{GlobalVar, Spec, file};

use crate::{
    Pod, Shareable,
    btf::Btf,
    kernel_btf::{GivenBtf, KernelBtf},
    links::{LinkError, OwnedLink},
    load::{self, BtfProblem, EbpfError, Object, Options, ProgramError, VerifierLogLevel},
    maps::{GlobalVariable, Map, MapData, MapError, types::Given},
    programs::{AttachOptions, AttachedAll, Program, ProgramType},
    rights::{BpfToken, Rights},
};

/// The value of a global variable, as bytes. Made from a reference to anything that is
/// [`Shareable`] (plain data, a `bool`, an enum that derives it), or to a slice of plain data.
#[derive(Clone, Copy, Debug)]
pub struct GlobalData<'a>(&'a [u8], Given);

impl<'a, T: Pod> From<&'a [T]> for GlobalData<'a> {
    fn from(values: &'a [T]) -> Self {
        // SAFETY: `Pod` promises that every byte of each element is initialised; the length is
        // theirs.
        let bytes =
            unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) };
        GlobalData(bytes, Given::slice::<T>(values.len()))
    }
}

impl<'a, T: Shareable> From<&'a T> for GlobalData<'a> {
    fn from(value: &'a T) -> Self {
        GlobalData(Record::as_bytes(value), Given::of::<T::Bits>())
    }
}

/// What to do with a setting for something that the object does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IfMissing {
    /// Refuse to load the object.
    Fail,
    /// Load it without.
    Ignore,
}

/// `true` is [`IfMissing::Fail`]: the thing must exist.
impl From<bool> for IfMissing {
    fn from(must_exist: bool) -> Self {
        match must_exist {
            true => IfMissing::Fail,
            false => IfMissing::Ignore,
        }
    }
}

/// Loads an object with settings of its own.
///
/// ```no_run
/// # fn main() -> Result<(), hachi::EbpfError> {
/// let mut ebpf = hachi::EbpfLoader::new()
///     .override_global("PORT", &443u16, hachi::IfMissing::Fail)
///     .map_max_entries("FLOWS", 65_536)
///     .map_pin_path("/sys/fs/bpf/firewall")
///     .load_file("firewall.o")?;
/// # Ok(()) }
/// ```
#[derive(Debug, Default)]
pub struct EbpfLoader {
    options: Options,
    btf: Option<GivenBtf>,
    globals: Vec<(String, Vec<u8>, Given, IfMissing)>,
    max_entries: Vec<(String, u32)>,
    pins: Vec<(String, PathBuf)>,
    log_level: Option<log::LevelFilter>,
    assumed_license: Option<String>,
}

impl EbpfLoader {
    /// A loader with the default settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Types of the kernel to relocate programs against (CO-RE). Without this, or with `None`,
    /// `/sys/kernel/btf/vmlinux` is read when (and only when) a program needs it, and the types of
    /// modules when it lacks something.
    ///
    /// On a kernel that does not show its types (CONFIG_DEBUG_INFO_BTF unset, or Linux < 5.4), give
    /// those made for it elsewhere: `hachi btf min` cuts them down to what an object needs. Types
    /// opened once ([`Btf::from_sys_fs`]) can be given to several loaders.
    pub fn btf(&mut self, btf: Option<&Btf>) -> &mut Self {
        self.btf = btf.cloned().map(GivenBtf::Types);
        self
    }

    /// As [`btf`](Self::btf), from a file of raw BTF, which is read when (and only when) a program
    /// needs it.
    pub fn btf_file<P: AsRef<Path>>(&mut self, path: P) -> &mut Self {
        self.btf = Some(GivenBtf::File(path.as_ref().to_owned()));
        self
    }

    /// Values of kernel configuration options (`.kconfig`: `extern int CONFIG_HZ __kconfig;` in C),
    /// as text: lines such as `CONFIG_HZ=250`. What it does not set is looked for in the kernel's
    /// own configuration: `/boot/config-RELEASE`, else `/proc/config.gz`. Those are read only if a
    /// program reads such an option.
    ///
    /// A program that reads an option set nowhere does not load, unless it declares it as weak.
    pub fn kernel_config(&mut self, text: &str) -> &mut Self {
        self.options.kernel_config = Some(text.to_owned());
        self
    }

    /// Sets the initial value of a global variable of the object (`Global<T>` or a plain `static`).
    /// `value` is a reference to the value, of the variable's size and, where the object has
    /// types, its layout.
    ///
    /// Constants are known to the verifier: code that a setting switches off costs nothing.
    /// `if_missing` says what to do with an object that has no such variable; `true` is
    /// [`IfMissing::Fail`].
    pub fn override_global<'a, V: Into<GlobalData<'a>>>(
        &mut self,
        name: &str,
        value: V,
        if_missing: impl Into<IfMissing>,
    ) -> &mut Self {
        let GlobalData(bytes, given) = value.into();
        self.globals
            .push((name.to_owned(), bytes.to_vec(), given, if_missing.into()));
        self
    }

    /// Sets the capacity of a map.
    pub fn map_max_entries(&mut self, name: &str, max_entries: u32) -> &mut Self {
        self.max_entries.push((name.to_owned(), max_entries));
        self
    }

    /// The directory for maps that the object declares to be pinned by name (`LIBBPF_PIN_BY_NAME`);
    /// `/sys/fs/bpf` if not given. A map pinned there already is used, if type and sizes agree.
    pub fn map_pin_path<P: AsRef<Path>>(&mut self, directory: P) -> &mut Self {
        self.options.pin_directory = Some(directory.as_ref().to_owned());
        self
    }

    /// Pins one map at `path`, whatever the object declares, or uses the map pinned there already.
    pub fn pin_map<P: AsRef<Path>>(&mut self, name: &str, path: P) -> &mut Self {
        self.pins.push((name.to_owned(), path.as_ref().to_owned()));
        self
    }

    /// Lets the object use a map that exists already (of another object, pinned, made with
    /// [`MapData::from_spec`]) in place of its own map `name`. Type and sizes must agree.
    pub fn reuse_map(&mut self, name: &str, map: &MapData) -> &mut Self {
        self.options
            .replacements
            .push((name.to_owned(), map.share()));
        self
    }

    /// Leaves out maps that the kernel or this version of Hachi cannot create, instead of failing.
    /// Programs that use one cannot be loaded then; the others can.
    pub fn allow_unsupported_maps(&mut self) -> &mut Self {
        self.options.allow_unsupported_maps = true;
        self
    }

    /// Asks for the verifier's log of programs that load well, too; see `verifier_log()` of the
    /// program. (A program that is refused brings its log in any case.)
    pub fn verifier_log_level(&mut self, level: VerifierLogLevel) -> &mut Self {
        self.options.log_level = level;
        self
    }

    /// The least important log messages that programs still send (see
    /// [`EbpfLogger`](crate::EbpfLogger)). All, if not given. The verifier then drops the code of
    /// the others. No effect on objects that do not log.
    pub fn log_level(&mut self, level: log::LevelFilter) -> &mut Self {
        self.log_level = Some(level);
        self
    }

    /// The licence of an object that does not say its own (no section `license`); one that does
    /// keeps it. Without this, such an object has none, as libbpf has it, and the kernel refuses
    /// programs that call helpers for GPL programs only.
    pub fn assume_license(&mut self, license: &str) -> &mut Self {
        self.assumed_license = Some(license.to_owned());
        self
    }

    /// Loads with the rights that this token stands for, in every call that takes one. Not needed
    /// where the token is found without: see [`BpfToken`].
    pub fn bpf_token(&mut self, token: &BpfToken) -> &mut Self {
        self.options.rights = Rights::of_token(token.clone());
        self
    }

    /// Loads an object file: creates its maps. Programs are loaded one by one, by their `load`.
    ///
    /// # Errors
    /// [`EbpfError::FileError`] if the file cannot be read; then as [`load`](Self::load).
    pub fn load_file<P: AsRef<Path>>(&mut self, path: P) -> Result<Ebpf, EbpfError> {
        let path = path.as_ref();
        let bytes = file::read(path, file::LARGEST).map_err(|error| EbpfError::FileError {
            path: path.to_owned(),
            error,
        })?;
        let named = |error| EbpfError::ParseError {
            object: path.display().to_string(),
            error,
        };
        let mut spec = Spec::parse_vec(bytes).map_err(named)?;
        // Once more later, for objects that are no files: here there is a name to say.
        spec.check_endian().map_err(named)?;
        if spec.name.is_empty()
            && let Some(stem) = path.file_stem()
        {
            spec.name = stem.to_string_lossy().into_owned();
        }
        self.load_spec(spec)
    }

    /// As [`load_file`](Self::load_file), from memory: see
    /// [`include_bytes_aligned!`](crate::include_bytes_aligned).
    ///
    /// # Errors
    /// [`EbpfError::ParseError`] if the object is damaged or none of eBPF, [`EbpfError::SpecError`]
    /// if it is for the other byte order or a setting does not fit it, [`EbpfError::KernelConfig`]
    /// for a configuration that is none, [`EbpfError::MapError`] if a map cannot be created (EPERM
    /// without CAP_BPF), pinned, or shared with the one pinned.
    pub fn load(&mut self, object: &[u8]) -> Result<Ebpf, EbpfError> {
        let spec = Spec::parse(object).map_err(|error| EbpfError::ParseError {
            object: "object".to_owned(),
            error,
        })?;
        self.load_spec(spec)
    }

    /// As [`load`](Self::load), from a [`Spec`]: an object that was parsed (and edited) before, or
    /// made by hand.
    ///
    /// # Errors
    /// As [`load`](Self::load), except that nothing is parsed.
    pub fn load_spec(&mut self, mut spec: Spec) -> Result<Ebpf, EbpfError> {
        for warning in &spec.warnings {
            log::warn!("{warning}");
        }
        self.edit(&mut spec)?;
        let loaded = load::object(spec, &self.options, KernelBtf::new(self.btf.clone()))?;
        let object = Arc::new(loaded.object);
        let programs = loaded
            .programs
            .into_iter()
            .map(|spec| Program::from_spec(object.clone(), spec))
            .collect();
        Ok(Ebpf {
            programs,
            registered: Vec::new(),
            maps: loaded.maps,
            taken: Vec::new(),
            globals: loaded.globals,
            object,
            log_sites: loaded.log_sites,
        })
    }

    fn edit(&self, spec: &mut Spec) -> Result<(), EbpfError> {
        for (name, value, given, if_missing) in &self.globals {
            match spec.set_global(name, value) {
                Err(hachi_obj::Error::NoSuchGlobal { .. }) if *if_missing == IfMissing::Ignore => {}
                result => {
                    result?;
                    given.check_global(spec.global(name)?, spec.types().as_ref())?;
                }
            }
        }
        if let Some(level) = self.log_level {
            match spec.set_global(hachi_common::log::LEVEL_GLOBAL, &[level as u8]) {
                Err(hachi_obj::Error::NoSuchGlobal { .. }) => {}
                result => result?,
            }
        }
        for (name, max_entries) in &self.max_entries {
            spec.set_max_entries(name, *max_entries)?;
        }
        for (name, path) in &self.pins {
            spec.set_pin_path(name, path)?;
        }
        if let Some(license) = &self.assumed_license
            && spec.license.is_empty()
        {
            spec.license.clone_from(license);
        }
        Ok(())
    }
}

/// A loaded object: its maps and programs.
///
/// Dropping it detaches its programs and frees programs and maps, except for what is pinned and for
/// links that were [taken](crate::programs::Xdp::take_link).
#[derive(Debug)]
pub struct Ebpf {
    // First, so that programs are detached before anything else goes.
    programs: Vec<Program>,
    /// Structs of functions that [`attach_all`](Ebpf::attach_all) registered.
    pub(crate) registered: Vec<(String, OwnedLink)>,
    maps: Vec<(String, Map)>,
    /// Names of maps that [`take_map`](Ebpf::take_map) gave away.
    taken: Vec<String>,
    globals: Vec<GlobalVar>,
    object: Arc<Object>,
    pub(crate) log_sites: Option<Vec<u8>>,
}

impl Ebpf {
    pub(crate) fn object(&self) -> &Arc<Object> {
        &self.object
    }

    /// Loads an object file with the default settings; see [`EbpfLoader`] for others.
    ///
    /// # Errors
    /// [`EbpfError::FileError`] if the file cannot be read; then as [`load`](Self::load).
    pub fn load_file<P: AsRef<Path>>(path: P) -> Result<Self, EbpfError> {
        EbpfLoader::new().load_file(path)
    }

    /// As [`load_file`](Self::load_file), from memory.
    ///
    /// # Errors
    /// [`EbpfError::ParseError`] if the object is damaged or none of eBPF, [`EbpfError::SpecError`]
    /// if it is for the other byte order or a setting does not fit it, [`EbpfError::KernelConfig`]
    /// for a configuration that is none, [`EbpfError::MapError`] if a map cannot be created (EPERM
    /// without CAP_BPF), pinned, or shared with the one pinned.
    pub fn load(object: &[u8]) -> Result<Self, EbpfError> {
        EbpfLoader::new().load(object)
    }

    /// The map called `name`; maps of global variables are called as their section: `.rodata`.
    ///
    /// # Errors
    /// [`MapError::NotFound`], with the names there are; it says so if the map was taken or left
    /// out.
    pub fn map(&self, name: &str) -> Result<&Map, MapError> {
        let position = self.map_position(name)?;
        Ok(&self.maps[position].1)
    }

    /// As [`map`](Self::map), exclusively.
    ///
    /// # Errors
    /// As [`map`](Self::map).
    pub fn map_mut(&mut self, name: &str) -> Result<&mut Map, MapError> {
        let position = self.map_position(name)?;
        Ok(&mut self.maps[position].1)
    }

    /// Takes a map out, to own it apart from this value. Programs are not affected.
    ///
    /// # Errors
    /// As [`map`](Self::map).
    pub fn take_map(&mut self, name: &str) -> Result<Map, MapError> {
        let position = self.map_position(name)?;
        let (name, map) = self.maps.remove(position);
        self.taken.push(name);
        Ok(map)
    }

    fn map_position(&self, name: &str) -> Result<usize, MapError> {
        self.maps
            .iter()
            .position(|(other, _)| other == name)
            .ok_or_else(|| self.no_map(name))
    }

    #[cold]
    fn no_map(&self, name: &str) -> MapError {
        let name = name.to_owned();
        if self.taken.contains(&name) {
            return MapError::Taken { name };
        }
        let left = self.maps.iter().map(|(name, _)| name.clone());
        MapError::NotFound {
            name,
            available: left.chain(self.taken.iter().cloned()).collect(),
        }
    }

    /// The global variable `name` of the object's programs, to be read and written while they run.
    /// `V` must have its size, and be what its BTF says. (Its initial value is set by
    /// [`EbpfLoader::override_global`].)
    ///
    /// ```no_run
    /// # let ebpf = hachi::Ebpf::load_file("x.o")?;
    /// let limit = ebpf.global::<u32>("LIMIT")?;
    /// limit.set(2 * limit.get()?)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`MapError::NoSuchGlobal`], with the names there are; otherwise if `V` has another size or
    /// layout than the variable, or its map cannot be mapped or read.
    pub fn global<V: Pod>(&self, name: &str) -> Result<GlobalVariable<V>, MapError> {
        let variable = self
            .globals
            .iter()
            .find(|variable| variable.name == name)
            .ok_or_else(|| MapError::NoSuchGlobal {
                name: name.to_owned(),
                available: self.globals.iter().map(|v| v.name.clone()).collect(),
            })?;
        GlobalVariable::new(variable, self.map(&variable.map)?.data())
    }

    /// All maps, with their names, in the order of the object.
    pub fn maps(&self) -> impl Iterator<Item = (&str, &Map)> {
        self.maps.iter().map(|(name, map)| (name.as_str(), map))
    }

    /// As [`maps`](Self::maps), exclusively.
    pub fn maps_mut(&mut self) -> impl Iterator<Item = (&str, &mut Map)> {
        self.maps.iter_mut().map(|(name, map)| (name.as_str(), map))
    }

    /// The program called `name`, or the only one in the ELF section called `name`.
    ///
    /// # Errors
    /// [`ProgramError::NotFound`], with the names there are, or with those in the section if it has
    /// several.
    pub fn program(&self, name: &str) -> Result<&Program, ProgramError> {
        let position = self.program_position(name)?;
        Ok(&self.programs[position])
    }

    /// As [`program`](Self::program), exclusively.
    ///
    /// # Errors
    /// As [`program`](Self::program).
    pub fn program_mut(&mut self, name: &str) -> Result<&mut Program, ProgramError> {
        let position = self.program_position(name)?;
        Ok(&mut self.programs[position])
    }

    /// Takes a program out, to own it apart from this value: its attachments last as long as it
    /// does. It can still be loaded, and uses the object's maps.
    ///
    /// # Errors
    /// As [`program`](Self::program).
    pub fn take_program(&mut self, name: &str) -> Result<Program, ProgramError> {
        let position = self.program_position(name)?;
        Ok(self.programs.remove(position))
    }

    fn program_position(&self, name: &str) -> Result<usize, ProgramError> {
        if let Some(position) = self
            .programs
            .iter()
            .position(|program| program.name() == name)
        {
            return Ok(position);
        }
        let in_section: Vec<usize> = (0..self.programs.len())
            .filter(|&position| self.programs[position].section() == name)
            .collect();
        if let [position] = in_section[..] {
            return Ok(position);
        }
        let available: Vec<String> = self
            .programs
            .iter()
            .map(|program| program.name().to_owned())
            .collect();
        Err(ProgramError::NotFound {
            name: name.to_owned(),
            in_section: (in_section.iter())
                .map(|&position| self.programs[position].name().to_owned())
                .collect(),
            available,
        })
    }

    /// All programs, with their names, in the order of the object.
    pub fn programs(&self) -> impl Iterator<Item = (&str, &Program)> {
        self.programs
            .iter()
            .map(|program| (program.name(), program))
    }

    /// As [`programs`](Self::programs), exclusively.
    pub fn programs_mut(&mut self) -> impl Iterator<Item = (String, &mut Program)> {
        self.programs
            .iter_mut()
            .map(|program| (program.name().to_owned(), program))
    }

    /// Why the kernel would not take the object's type information, if it would not. Programs load
    /// without it, but logs and dumps then show no source lines.
    pub fn btf_problem(&self) -> Option<&BtfProblem> {
        self.object.btf_problem()
    }

    /// Loads (where that is not done yet) and attaches every program that the object wants loaded,
    /// each as [`Program::attach_by_section`](crate::programs::Program::attach_by_section), and
    /// registers its structs of functions. Sections that begin with `?` do not want it.
    ///
    /// # Errors
    /// Of the first program that cannot be loaded or attached. What is attached already stays so.
    pub fn attach_all(&mut self, options: &AttachOptions) -> Result<AttachedAll, ProgramError> {
        let mut all = AttachedAll::default();
        let object = self.object().clone();
        for (name, program) in self.programs_mut() {
            let wanted = program.spec().is_some_and(|spec| spec.autoload);
            // These run with their structs.
            if !wanted
                || program.prog_type() == ProgramType::StructOps
                    && object.is_of_wanted_struct(&name)
            {
                continue;
            }
            if program.fd().is_err() {
                program.load()?;
            }
            match program.attach_by_section(options) {
                Ok(attached) => all
                    .attached
                    .extend(attached.into_iter().map(|one| (name.clone(), one))),
                Err(ProgramError::Attach {
                    error: LinkError::NoTarget(reason),
                    ..
                }) => all.left_out.push((name, reason)),
                Err(error) => return Err(error),
            }
        }
        let registered = self.attach_struct_ops()?;
        all.registered = registered.iter().map(|(name, _)| name.clone()).collect();
        self.registered.extend(registered);
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checked_type_is_given_as_its_bits() {
        let GlobalData(bytes, _) = GlobalData::from(&true);
        assert_eq!(bytes, [1]);
        let GlobalData(bytes, _) = GlobalData::from(&[1u8, 2][..]);
        assert_eq!(bytes, [1, 2]);
    }
}
