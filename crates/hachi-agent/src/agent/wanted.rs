//! What an application wants of this machine, as it is now.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use hachi_obj::{ProgramType, Spec};
use sha2::{Digest as _, Sha256};

use super::Result;
use super::description::{Application, Description, Value};
use super::error::{Error, Operation, Problem, near};
use super::target::Target;
use crate::image::{
    self, LayerKind, Platform, PublicKey, Store, parse_reference, read_file, signature_tag,
};

/// No object is as large.
const LARGEST_OBJECT: u64 = 256 << 20;
/// How many programs tcx runs on one hook (`BPF_MPROG_MAX`).
const MOST_ON_TCX: usize = 64;

/// What an application wants.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Wanted {
    /// The application.
    pub application: Application,
    /// Names the object with its globals: the first digits of a digest.
    pub version: String,
    /// The object with its globals set.
    pub spec: Spec,
    /// The programs, and what each is attached to.
    pub programs: BTreeMap<String, BTreeSet<Target>>,
}

/// What every application of a description wants; what is wrong with one does not keep the others
/// from being brought about.
pub(super) fn all(description: &Description, store: &Store) -> Vec<(Application, Result<Wanted>)> {
    let machine = Machine::look();
    let mut all: Vec<(Application, Result<Wanted>)> = description
        .applications
        .iter()
        .map(|application| {
            let wanted = machine.wanted(application, store);
            (application.clone(), wanted)
        })
        .collect();
    refuse_crowds(&mut all);
    all
}

/// What this machine has of what a description names.
struct Machine {
    interfaces: io::Result<Vec<(u32, String)>>,
}

impl Machine {
    /// The interfaces of this network namespace; sysfs may be mounted for another one.
    fn look() -> Machine {
        Machine {
            interfaces: hachi::util::interfaces(),
        }
    }

    fn wanted(&self, application: &Application, store: &Store) -> Result<Wanted> {
        let bytes = object(application, store)?;
        let path = application.object.clone().unwrap_or_default();
        let mut spec = Spec::parse(&bytes).map_err(|error| Error::Image {
            application: application.name.clone(),
            error: Box::new(image::Error::Object { path, error }),
        })?;
        spec.name.clone_from(&application.name);
        set_globals(application, &mut spec)?;
        let interfaces = self.interfaces(application)?;
        let cgroups = cgroups(application)?;
        let mut programs = BTreeMap::new();
        for name in program_names(application, &spec)? {
            let kind = spec.program(&name).map(|program| program.program_type);
            let kind = kind.unwrap_or(ProgramType::Unspec);
            let needs = |problem| application.problem(problem);
            let targets = match attaches_to(kind) {
                AttachesTo::Interface if application.interfaces.is_empty() => {
                    return Err(needs(Problem::NeedsInterfaces { program: name }));
                }
                AttachesTo::Cgroup if application.cgroups.is_empty() => {
                    return Err(needs(Problem::NeedsCgroups { program: name }));
                }
                AttachesTo::Interface => interfaces.clone(),
                AttachesTo::Cgroup => cgroups.clone(),
                AttachesTo::Section => BTreeSet::from([Target::Section]),
            };
            programs.insert(name, targets);
        }
        Ok(Wanted {
            application: application.clone(),
            version: version(application, &bytes),
            spec,
            programs,
        })
    }

    /// An error where they cannot be listed: what cannot be seen is not gone, and must not be
    /// detached.
    fn interfaces(&self, application: &Application) -> Result<BTreeSet<Target>> {
        let all = self.interfaces.as_ref().map_err(|error| {
            let error = io::Error::new(error.kind(), error.to_string());
            unseen(application, Operation::ListInterfaces, error)
        })?;
        let mut targets = BTreeSet::new();
        for text in &application.interfaces {
            let pattern = pattern(application, text)?;
            let fits = all.iter().filter(|(_, name)| pattern.matches(name));
            targets.extend(fits.map(|(index, name)| Target::Interface {
                index: *index,
                name: name.clone(),
            }));
        }
        Ok(targets)
    }
}

/// What could not be looked at.
fn unseen(application: &Application, doing: Operation, error: io::Error) -> Error {
    Error::Kernel {
        application: application.name.clone(),
        doing,
        error: error.into(),
    }
}

/// What programs of a type are attached to.
enum AttachesTo {
    Interface,
    Cgroup,
    Section,
}

fn attaches_to(kind: ProgramType) -> AttachesTo {
    match kind {
        ProgramType::Xdp | ProgramType::SchedCls | ProgramType::SchedAct => AttachesTo::Interface,
        ProgramType::CgroupSkb
        | ProgramType::CgroupSock
        | ProgramType::CgroupSockAddr
        | ProgramType::CgroupSockopt
        | ProgramType::CgroupSysctl
        | ProgramType::CgroupDevice
        | ProgramType::SockOps => AttachesTo::Cgroup,
        _ => AttachesTo::Section,
    }
}

fn pattern(application: &Application, text: &str) -> Result<glob::Pattern> {
    glob::Pattern::new(text).map_err(|_| {
        application.problem(Problem::Pattern {
            pattern: text.to_owned(),
        })
    })
}

fn cgroups(application: &Application) -> Result<BTreeSet<Target>> {
    let mut targets = BTreeSet::new();
    for text in &application.cgroups {
        let paths = glob::glob(text).map_err(|_| {
            application.problem(Problem::Pattern {
                pattern: text.clone(),
            })
        })?;
        for found in paths {
            let about = found
                .map_err(|error| (error.path().to_owned(), error.into()))
                .and_then(|path| match fs::metadata(&path) {
                    Ok(about) => Ok((path, about)),
                    Err(error) => Err((path, error)),
                });
            match about {
                Ok((path, about)) if about.is_dir() => {
                    targets.insert(Target::Cgroup {
                        id: about.ino(),
                        path,
                    });
                }
                Ok(_) => {}
                // It went away meanwhile.
                Err((_, error)) if error.kind() == io::ErrorKind::NotFound => {}
                Err((path, error)) => {
                    return Err(unseen(application, Operation::LookAt(path), error));
                }
            }
        }
    }
    Ok(targets)
}

fn object(application: &Application, store: &Store) -> Result<Vec<u8>> {
    let failed = |error| Error::Image {
        application: application.name.clone(),
        error: Box::new(error),
    };
    match (&application.object, &application.image) {
        (Some(path), _) => read_file(&application.path(path), LARGEST_OBJECT).map_err(failed),
        (None, Some(name)) => {
            let key = application.key.as_deref().map(|key| application.path(key));
            image_object(name, key.as_deref(), store).map_err(failed)
        }
        (None, None) => Err(application.problem(Problem::Source)),
    }
}

fn image_object(name: &str, key: Option<&Path>, store: &Store) -> image::Result<Vec<u8>> {
    let name = parse_reference(name)?;
    let image = store.load(&name.whole())?;
    if let Some(key) = key {
        let signatures = match store.load(&signature_tag(&name, image.digest()).whole()) {
            Ok(signatures) => Some(signatures),
            Err(image::Error::NotStored { .. }) => None,
            Err(error) => return Err(error),
        };
        PublicKey::read(key)?.verify(&name, &image, signatures.as_ref())?;
    }
    let platform = Platform::current().ok_or_else(|| image::Error::Architecture {
        text: std::env::consts::ARCH.to_owned(),
    })?;
    let content = image.content_for(platform)?;
    let layers = image.layers(&content)?;
    layers
        .into_iter()
        .find(|layer| layer.kind == LayerKind::Object)
        .map(|layer| layer.bytes)
        .ok_or(image::Error::NoObject)
}

fn program_names(application: &Application, spec: &Spec) -> Result<Vec<String>> {
    let all = || spec.programs.iter().map(|program| program.name.as_str());
    let Some(names) = &application.programs else {
        return Ok(all().map(str::to_owned).collect());
    };
    for name in names {
        if !all().any(|other| other == name) {
            return Err(application.problem(Problem::NoProgram {
                program: name.clone(),
                near: near(name, all()),
            }));
        }
    }
    Ok(names.clone())
}

fn set_globals(application: &Application, spec: &mut Spec) -> Result<()> {
    for (name, value) in &application.globals {
        let all = || spec.globals.iter().map(|global| global.name.as_str());
        let Some(global) = spec.globals.iter().find(|global| &global.name == name) else {
            return Err(application.problem(Problem::NoGlobal {
                global: name.clone(),
                near: near(name, all()),
            }));
        };
        let size = global.size;
        let Some(bytes) = bytes_of(value, size as usize, spec.endian) else {
            return Err(application.problem(Problem::GlobalSize {
                global: name.clone(),
                size,
                value: match value {
                    Value::Bool(value) => value.to_string(),
                    Value::Integer(value) => value.to_string(),
                    Value::Text(text) => format!("{text:?}"),
                },
            }));
        };
        spec.set_global(name, &bytes)
            .map_err(|error| Error::Kernel {
                application: application.name.clone(),
                doing: Operation::SetGlobal(name.clone()),
                error: error.into(),
            })?;
    }
    Ok(())
}

/// The bytes of a value in a variable of this size; `None` if it does not fit.
fn bytes_of(value: &Value, size: usize, order: hachi_obj::Endian) -> Option<Vec<u8>> {
    let number = match value {
        Value::Text(text) => {
            let mut bytes = text.as_bytes().to_vec();
            let fits = bytes.len() <= size;
            bytes.resize(size, 0);
            return fits.then_some(bytes);
        }
        Value::Bool(value) => i64::from(*value),
        Value::Integer(value) => *value,
    };
    if !matches!(size, 1 | 2 | 4 | 8) {
        return None;
    }
    let little = number.to_le_bytes();
    let (low, high) = little.split_at(size);
    // What is cut off must be the sign: as an unsigned number it may use the highest bit.
    let fits = match number < 0 {
        true => high.iter().all(|byte| *byte == 0xff) && low[size - 1] & 0x80 != 0,
        false => high.iter().all(|byte| *byte == 0),
    };
    let mut bytes = low.to_vec();
    if order == hachi_obj::Endian::Big {
        bytes.reverse();
    }
    fits.then_some(bytes)
}

/// Names an object with its globals. A program's own name would not do: it may stay the same.
fn version(application: &Application, object: &[u8]) -> String {
    let mut digest = Sha256::new();
    digest.update((object.len() as u64).to_le_bytes());
    digest.update(object);
    digest.update(format!("{:?}", application.globals));
    let digest = digest.finalize();
    let hex: String = digest
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("v{hex}")
}

/// Refuses the applications that would put more programs on a hook than it runs.
fn refuse_crowds(all: &mut [(Application, Result<Wanted>)]) {
    let mut hooks: BTreeMap<(String, Target), usize> = BTreeMap::new();
    for (_, wanted) in all.iter_mut() {
        let Ok(of) = wanted else { continue };
        let mut crowded = None;
        for (name, targets) in &of.programs {
            let Ok(program) = of.spec.program(name) else {
                continue;
            };
            if program.program_type != ProgramType::SchedCls {
                continue;
            }
            for target in targets {
                let hook = format!("{:?}", program.attach_type);
                let count = hooks.entry((hook, target.clone())).or_default();
                *count += 1;
                if *count > MOST_ON_TCX {
                    crowded = Some((format!("tcx of {target}"), *count));
                }
            }
        }
        if let Some((hook, count)) = crowded {
            let problem = Problem::Crowded {
                hook,
                count,
                limit: MOST_ON_TCX,
            };
            *wanted = Err(of.application.problem(problem));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hachi_obj::Endian::{Big, Little};

    #[test]
    fn interfaces_that_cannot_be_listed_are_not_treated_as_gone() {
        let text = "name = \"a\"\nobject = \"a.o\"\ninterfaces = [\"eth*\"]";
        let application: Application = toml::from_str(text).unwrap();
        let emfile = io::Error::from_raw_os_error(libc::EMFILE);
        let blind = Machine {
            interfaces: Err(emfile),
        };
        let error = blind.interfaces(&application).unwrap_err();
        assert!(error.to_string().contains("listing interfaces"), "{error}");
        let seeing = Machine {
            interfaces: Ok(vec![(1, "lo".to_owned()), (2, "eth0".to_owned())]),
        };
        let targets = seeing.interfaces(&application).unwrap();
        let names: Vec<String> = targets.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["interface eth0"]);
    }

    #[test]
    fn numbers_fill_a_variable_in_its_byte_order_or_do_not_fit() {
        let bytes = |value: i64, size, order| bytes_of(&Value::Integer(value), size, order);
        assert_eq!(bytes(258, 4, Little), Some(vec![2, 1, 0, 0]));
        assert_eq!(bytes(258, 4, Big), Some(vec![0, 0, 1, 2]));
        assert_eq!(bytes(255, 1, Little), Some(vec![255]));
        assert_eq!(bytes(-1, 2, Little), Some(vec![255, 255]));
        assert_eq!(bytes(256, 1, Little), None);
        assert_eq!(bytes(-129, 1, Little), None);
        assert_eq!(bytes(1, 3, Little), None);
        let text = Value::Text("ab".to_owned());
        assert_eq!(bytes_of(&text, 4, Little), Some(vec![b'a', b'b', 0, 0]));
        assert_eq!(bytes_of(&text, 1, Little), None);
    }
}
