//! One link from files to file.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
};

use hachi_obj::file;
use object::{
    Object, ObjectSection, ObjectSymbol,
    elf::EM_BPF,
    read::{
        archive::ArchiveFile,
        elf::{ElfFile64, FileHeader},
    },
};

use crate::{
    Code, Diagnostic, Error, FileAction, Options, Severity, Target, Unlinkable, check, child, find,
    finish::{self, FinishInput, InputObject, Leave, Origin},
    ir, read_file,
    sources::Sources,
    write_file,
};

/// What a successful link has to tell.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Output {
    /// What the author should know although an object was written.
    pub warnings: Vec<Diagnostic>,
    /// Bytes of the object.
    pub object_size: u64,
    /// Places in the code at which a panic ends the program. Debug builds have many, for every
    /// overflow check.
    pub abort_sites: u64,
}

/// Something to link, by what it holds.
enum Input {
    Bitcode {
        name: String,
        data: Vec<u8>,
    },
    /// Members are linked when something needs them.
    Archive {
        members: Vec<(String, Vec<u8>)>,
    },
    Elf {
        name: String,
        data: Vec<u8>,
    },
}

/// Links `options.inputs` into `options.output`.
///
/// # Errors
/// [`Error::Rejected`] with one diagnostic for each reason why the program cannot become an eBPF
/// object; the other variants when files or LLVM are missing. No output is written then.
pub fn link(options: &Options) -> Result<Output, Error> {
    let mut sources = Sources::default();
    let mut result = link_unquoted(options, &mut sources);
    let told = match &mut result {
        Ok(output) => &mut output.warnings,
        Err(Error::Rejected(diagnostics)) => diagnostics,
        Err(_) => return result,
    };
    for diagnostic in told {
        sources.quote(diagnostic);
    }
    result
}

/// Links; the diagnostics do not quote their source lines yet.
fn link_unquoted(options: &Options, sources: &mut Sources) -> Result<Output, Error> {
    let mut inputs = Vec::new();
    for path in &options.inputs {
        inputs.push(read_input(path)?);
    }
    // Machine code needs no LLVM, so the compiler is not even asked for its own.
    let needs_llvm = inputs
        .iter()
        .any(|input| !matches!(input, Input::Elf { .. }));
    let llvm = match needs_llvm {
        true => find::resolve(options)?,
        false => PathBuf::new(),
    };
    let mut job = ir::Job {
        llvm,
        modules: Vec::new(),
        archives: Vec::new(),
        exports: exports(options)?,
        defined_elsewhere: BTreeSet::new(),
        used_elsewhere: BTreeSet::new(),
        target: options.target,
        cpu: options.cpu,
        opt_level: options.opt_level.unwrap_or(2).clamp(1, 3),
        retarget: options.retarget,
        panics: options.panics,
        llvm_args: options.llvm_args.clone(),
        save_temps: options.save_temps.clone(),
    };
    let mut elves = Vec::new();
    for input in inputs {
        match input {
            Input::Bitcode { name, data } => job.modules.push((name, data)),
            Input::Archive { members } => job.archives.push(members),
            Input::Elf { name, data } => elves.push((name, data)),
        }
    }
    for (name, data) in &elves {
        check_target(name, data, options.target)?;
        note_symbols(data, &mut job);
    }
    if let Some(dir) = &options.save_temps {
        fs::create_dir_all(dir).map_err(|source| io_error(FileAction::Create, dir, source))?;
    }

    let has_bitcode = !job.modules.is_empty() || !job.archives.is_empty();
    let compiled = if has_bitcode {
        let llvm = job.llvm.clone();
        child::run(|| ir::compile(job), &llvm)?
    } else {
        Default::default()
    };
    let name = options
        .output
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default();
    let mut objects = Vec::new();
    if has_bitcode {
        if let Some(dir) = &options.save_temps {
            write(&dir.join("6-llvm.o"), &compiled.object)?;
        }
        objects.push(InputObject {
            name: &name,
            data: &compiled.object,
            origin: Origin::Compiled,
        });
    }
    objects.extend(elves.iter().map(|(name, data)| InputObject {
        name,
        data,
        origin: Origin::Given,
    }));
    let package_dir = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let input = FinishInput {
        objects,
        entries: &compiled.entries,
        leave: match options.relocatable {
            true => Leave::Relocatable,
            false => Leave::Loadable,
        },
        renames: &compiled.renames,
        package_dir: package_dir.as_deref(),
        arch: options.arch.as_deref(),
        lines: &compiled.lines,
    };
    let finished = finish::finish(&input, sources).map_err(Error::Rejected)?;
    let mut warnings = compiled.warnings;
    warnings.extend(finished.warnings);
    match check::check(&finished.object, options.min_kernel) {
        Ok(told) => warnings.extend(told),
        // Programs that were compiled elsewhere may be wrong on purpose, or not be loaded at all.
        Err(told) if !has_bitcode && options.min_kernel.is_none() => {
            warnings.extend(told.into_iter().map(|mut told| {
                told.severity = Severity::Warning;
                told
            }));
        }
        Err(told) => return Err(Error::Rejected(told)),
    }
    write(&options.output, &finished.object)?;
    Ok(Output {
        warnings,
        object_size: finished.object.len() as u64,
        abort_sites: compiled.abort_sites,
    })
}

/// Refuses an object of another byte order than the one asked for.
fn check_target(name: &str, data: &[u8], asked: Option<Target>) -> Result<(), Error> {
    let header = object::elf::FileHeader64::<object::Endianness>::parse(data);
    let target = match header.is_ok_and(|header| header.is_big_endian()) {
        true => Target::Bpfeb,
        false => Target::Bpfel,
    };
    match asked.filter(|asked| *asked != target) {
        None => Ok(()),
        Some(asked) => Err(Error::Rejected(vec![Diagnostic::error(
            Code::WRONG_TARGET,
            format!(
                "`{name}` was compiled for `{}`, not for `{}`",
                target.triple(),
                asked.triple()
            ),
        )])),
    }
}

/// The symbols to keep visible; `None` when nobody said.
fn exports(options: &Options) -> Result<Option<BTreeSet<String>>, Error> {
    let mut names: BTreeSet<String> = options.exports.iter().cloned().collect();
    match &options.export_symbols {
        Some(path) => {
            let text = file::read_text(path, file::LARGEST)
                .map_err(|e| io_error(FileAction::Read, path, e))?;
            names.extend(
                text.lines()
                    .map(str::trim)
                    .filter(|line| !line.is_empty())
                    .map(str::to_owned),
            );
        }
        None if names.is_empty() => return Ok(None),
        None => {}
    }
    Ok(Some(names))
}

fn io_error(action: FileAction, path: &Path, source: std::io::Error) -> Error {
    Error::Io {
        action,
        path: path.into(),
        source,
    }
}

fn write(path: &Path, data: &[u8]) -> Result<(), Error> {
    write_file(path, data).map_err(|source| io_error(FileAction::Write, path, source))
}

fn is_bitcode(data: &[u8]) -> bool {
    // Plain, or in the wrapper that Apple's tools put around it.
    data.starts_with(b"BC\xc0\xde") || data.starts_with(&[0xde, 0xc0, 0x17, 0x0b])
}

fn read_input(path: &Path) -> Result<Input, Error> {
    let data = read_file(path).map_err(|source| io_error(FileAction::Read, path, source))?;
    classify(path, data)
}

/// What the bytes of the file at `path` are.
fn classify(path: &Path, data: Vec<u8>) -> Result<Input, Error> {
    let name = path
        .file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned();
    let refuse = |found: Unlinkable| Error::Input {
        path: path.into(),
        found,
    };
    if is_bitcode(&data) {
        return Ok(Input::Bitcode { name, data });
    }
    if data.starts_with(b"!<arch>\n") {
        let damaged = |error: object::Error| {
            refuse(Unlinkable::DamagedArchive {
                reason: error.to_string(),
            })
        };
        let archive = ArchiveFile::parse(&*data).map_err(damaged)?;
        let mut members = Vec::new();
        for member in archive.members() {
            let read = member.and_then(|member| {
                Ok((
                    String::from_utf8_lossy(member.name()).into_owned(),
                    member.data(&*data)?,
                ))
            });
            let (member, bytes) = read.map_err(damaged)?;
            // Others are metadata and, in archives for the host, machine code.
            if let Some(bitcode) = bitcode_of(bytes) {
                members.push((format!("{name}({member})"), bitcode.to_vec()));
            }
        }
        return Ok(Input::Archive { members });
    }
    if data.starts_with(b"\x7fELF") {
        let machine = elf_machine(&data).map_err(|error| {
            refuse(Unlinkable::DamagedElf {
                reason: error.to_string(),
            })
        })?;
        if machine == EM_BPF {
            return Ok(Input::Elf { name, data });
        }
        if let Some(bitcode) = bitcode_of(&data) {
            return Ok(Input::Bitcode {
                name,
                data: bitcode.to_vec(),
            });
        }
        return Err(refuse(Unlinkable::OtherMachine { machine: machine.0 }));
    }
    Err(refuse(Unlinkable::UnknownKind))
}

fn elf_machine(data: &[u8]) -> object::Result<object::elf::Machine> {
    let header = object::elf::FileHeader64::<object::Endianness>::parse(data)?;
    let endian = header.endian()?;
    Ok(header.e_machine(endian))
}

/// Bitcode as such, or carried in a section of a machine-code object as rustc does for libraries.
fn bitcode_of(data: &[u8]) -> Option<&[u8]> {
    if is_bitcode(data) {
        return Some(data);
    }
    let file = ElfFile64::<object::Endianness>::parse(data).ok()?;
    let section = file.section_by_name(".llvmbc")?;
    section.data().ok().filter(|data| is_bitcode(data))
}

/// Notes what an ELF object gives to and wants from the rest of the program.
fn note_symbols(data: &[u8], job: &mut ir::Job) {
    let Ok(file) = ElfFile64::<object::Endianness>::parse(data) else {
        // The finisher says what is wrong with it.
        return;
    };
    for symbol in file.symbols() {
        let Ok(name) = symbol.name() else { continue };
        if name.is_empty() || symbol.is_local() {
            continue;
        }
        if symbol.is_undefined() {
            job.used_elsewhere.insert(name.to_owned());
        } else {
            job.defined_elsewhere.insert(name.to_owned());
        }
    }
}

/// Reads bytes as an input and, if they are an eBPF object, links it: for the fuzz target.
#[cfg(fuzzing)]
pub(crate) fn fuzz(bytes: &[u8]) {
    let Ok(Input::Elf { name, data }) = classify(Path::new("input.o"), bytes.to_vec()) else {
        return;
    };
    let input = FinishInput {
        objects: vec![InputObject {
            name: &name,
            data: &data,
            origin: Origin::Given,
        }],
        entries: &[],
        leave: Leave::Loadable,
        renames: &[],
        package_dir: None,
        arch: None,
        lines: &Default::default(),
    };
    if let Ok(finished) = finish::finish(&input, &mut Sources::default()) {
        let _ = check::check(&finished.object, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, data: &[u8]) -> PathBuf {
        let path = env::temp_dir().join(format!("hachi-link-{}-{name}", std::process::id()));
        fs::write(&path, data).unwrap();
        path
    }

    fn refusal(name: &str, data: &[u8]) -> String {
        let path = file(name, data);
        let result = read_input(&path);
        fs::remove_file(&path).unwrap();
        match result {
            Ok(_) => panic!("{name} was taken"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn inputs_of_other_kinds_are_named_and_refused() {
        let text = refusal("text.o", b"hello");
        assert!(
            text.contains("text.o") && text.contains("neither LLVM bitcode"),
            "{text}"
        );
        let text = refusal("cut.o", b"\x7fELF\x02\x01\x01");
        assert!(text.contains("damaged ELF"), "{text}");
        let text = refusal("cut.a", b"!<arch>\nmember without an end");
        assert!(text.contains("damaged archive"), "{text}");
        let own = fs::read(env::current_exe().unwrap()).unwrap();
        let text = refusal("host.o", &own);
        assert!(text.contains("another machine"), "{text}");
    }

    #[test]
    fn missing_files_are_named() {
        let error = read_input(Path::new("/nonexistent/a.o")).err().unwrap();
        assert!(error.to_string().contains("/nonexistent/a.o"));
    }
}
