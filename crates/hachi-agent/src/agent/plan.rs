//! From what is pinned to what is wanted: the steps, and carrying them out.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hachi::links::{OwnedLink, PinnedLink};
use hachi::programs::{AttachOptions, Attached, ProgramFd, TcAttachType, XdpFlags};
use hachi::{Ebpf, EbpfLoader};

use super::Result;
use super::description::{Application, Description, Direction, Health, Mode};
use super::error::{Error, HealthFailure, Operation};
use super::pinned::{Pinned, Pins, link_name, pin_name, program_of};
use super::target::Target;
use super::wanted::{self, Wanted};
use crate::image::Store;

/// What is to be done for one application, in order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Step {
    /// Load a version and pin its programs.
    Load {
        /// The version.
        version: String,
    },
    /// Let a link run the new version's program, between one packet and the next.
    Update {
        /// The program.
        program: String,
        /// What it is attached to.
        target: Target,
    },
    /// Attach a program.
    Attach {
        /// The program.
        program: String,
        /// What to.
        target: Target,
    },
    /// End a link that is not wanted any more.
    Detach {
        /// The name of its pin.
        link: String,
    },
    /// Let go of a version that nothing runs any more.
    Unload {
        /// The version.
        version: String,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Load { version } => write!(f, "load version {version}"),
            Step::Update { program, target } => write!(f, "update {program} on {target}"),
            Step::Attach { program, target } => write!(f, "attach {program} to {target}"),
            Step::Detach { link } => write!(f, "detach {link}"),
            Step::Unload { version } => write!(f, "unload version {version}"),
        }
    }
}

/// What leads from what is there to what is described.
#[derive(Debug)]
pub struct Plan {
    /// What is to be done for each application: `None` in the place of what is wanted stands for
    /// an application that is not described any more.
    applications: Vec<(String, Result<Work>)>,
    directory: std::path::PathBuf,
}

#[derive(Debug)]
struct Work {
    wanted: Option<Wanted>,
    pinned: Pinned,
    steps: Vec<Step>,
}

/// What became of one application.
#[derive(Debug)]
pub struct Outcome {
    /// Its name.
    pub application: String,
    /// The steps that were taken.
    pub steps: Vec<Step>,
    /// What kept it from being brought about: it is as it was.
    pub error: Option<Error>,
}

impl Plan {
    /// Compares a description with what is pinned in `directory`.
    ///
    /// What is wrong with an application is kept, and does not keep the others from being planned.
    pub fn new(description: &Description, directory: &Path, store: &Store) -> Plan {
        let mut applications = Vec::new();
        for (application, wanted) in wanted::all(description, store) {
            let pins = Pins::of(directory, &application.name);
            let work = wanted.and_then(|wanted| {
                let pinned = read(&pins, &application.name)?;
                let steps = steps(Some(&wanted), &pinned);
                Ok(Work {
                    wanted: Some(wanted),
                    pinned,
                    steps,
                })
            });
            applications.push((application.name, work));
        }
        // What cannot be listed stays as it is; the next plan sees it.
        let known = Pins::applications(directory).unwrap_or_default();
        let gone = |name: &&String| !applications.iter().any(|(other, _)| other == *name);
        let gone: Vec<String> = known.iter().filter(gone).cloned().collect();
        for name in gone {
            let work = read(&Pins::of(directory, &name), &name).map(|pinned| Work {
                wanted: None,
                steps: steps(None, &pinned),
                pinned,
            });
            applications.push((name, work));
        }
        Plan {
            applications,
            directory: directory.to_owned(),
        }
    }

    /// The applications with their steps, or what is wrong with them.
    pub fn applications(
        &self,
    ) -> impl Iterator<Item = (&str, std::result::Result<&[Step], &Error>)> {
        self.applications.iter().map(|(name, work)| {
            (
                name.as_str(),
                work.as_ref().map(|work| work.steps.as_slice()),
            )
        })
    }

    /// What an application wants, if that could be found out.
    pub fn wanted(&self, application: &str) -> Option<&Wanted> {
        let (_, work) = self
            .applications
            .iter()
            .find(|(name, _)| name == application)?;
        work.as_ref().ok()?.wanted.as_ref()
    }

    /// Whether there is nothing to do and nothing wrong.
    pub fn is_empty(&self) -> bool {
        self.applications
            .iter()
            .all(|(_, work)| work.as_ref().is_ok_and(|work| work.steps.is_empty()))
    }

    /// Carries the steps out, application by application. One that cannot be brought about is left
    /// as it was.
    pub fn apply(self) -> Vec<Outcome> {
        let directory = self.directory;
        self.applications
            .into_iter()
            .map(|(application, work)| {
                let pins = Pins::of(&directory, &application);
                let (steps, error) = match work {
                    Ok(work) => match work.apply(&application, &pins) {
                        Ok(()) => (work.steps, None),
                        Err(error) => (Vec::new(), Some(error)),
                    },
                    Err(error) => (Vec::new(), Some(error)),
                };
                Outcome {
                    application,
                    steps,
                    error,
                }
            })
            .collect()
    }
}

fn read(pins: &Pins, application: &str) -> Result<Pinned> {
    pins.read().map_err(|error| Error::Kernel {
        application: application.to_owned(),
        doing: Operation::ReadPins(pins.path().to_owned()),
        error: error.into(),
    })
}

/// The steps of one application.
fn steps(wanted: Option<&Wanted>, pinned: &Pinned) -> Vec<Step> {
    let mut steps = Vec::new();
    let none = BTreeMap::new();
    let programs = wanted.map_or(&none, |wanted| &wanted.programs);
    let version = wanted.map(|wanted| wanted.version.as_str());
    let loaded = version.and_then(|version| pinned.versions.get(version));
    let is_whole = |ids: &&BTreeMap<String, u32>| {
        programs
            .keys()
            .all(|program| ids.contains_key(&pin_name(program)))
    };
    let loaded = loaded.filter(is_whole);
    if let (Some(version), None) = (version, loaded) {
        steps.push(Step::Load {
            version: version.to_owned(),
        });
    }
    let mut links: BTreeMap<&str, &Option<u32>> = pinned
        .links
        .iter()
        .map(|(name, id)| (name.as_str(), id))
        .collect();
    let mut attach = Vec::new();
    for (program, targets) in programs {
        let id = loaded.and_then(|ids| ids.get(&pin_name(program)));
        for target in targets {
            let (program, target) = (program.clone(), target.clone());
            match links.remove(link_name(&program, &target).as_str()) {
                Some(Some(runs)) if Some(runs) == id => {}
                Some(_) => steps.push(Step::Update { program, target }),
                None => attach.push(Step::Attach { program, target }),
            }
        }
    }
    steps.append(&mut attach);
    steps.extend(links.into_keys().map(|link| Step::Detach {
        link: link.to_owned(),
    }));
    let others = pinned
        .versions
        .keys()
        .filter(|name| Some(name.as_str()) != version);
    steps.extend(others.cloned().map(|version| Step::Unload { version }));
    steps
}

/// What has been done and how to undo it.
enum Done {
    Loaded(String),
    Updated {
        link: String,
        before: Option<ProgramFd>,
    },
    Attached(String),
    /// A link that runs the new program stands beside the old one, until all has gone well.
    Doubled(String),
}

/// What the pin of a link is called that will take another's place.
fn double(link: &str) -> String {
    format!("{link}-new")
}

impl Work {
    /// All steps, or none.
    fn apply(&self, application: &str, pins: &Pins) -> Result<()> {
        let mut done = Vec::new();
        if let Err(error) = self.change(application, pins, &mut done) {
            for step in done.into_iter().rev() {
                undo(step, pins);
            }
            return Err(error);
        }
        for step in &done {
            if let Done::Doubled(name) = step {
                replace(pins, name, application)?;
            }
        }
        // From here on the new version runs. What is left is letting go.
        for step in &self.steps {
            match step {
                Step::Detach { link } => detach(&pins.links().join(link), application)?,
                Step::Unload { version } => remove(&pins.version(version), application)?,
                _ => {}
            }
        }
        if self.wanted.is_none() {
            for directory in [pins.links(), pins.maps(), pins.path().to_owned()] {
                remove(&directory, application)?;
            }
        }
        Ok(())
    }

    fn change(&self, application: &str, pins: &Pins, done: &mut Vec<Done>) -> Result<()> {
        let Some(wanted) = &self.wanted else {
            return Ok(());
        };
        let starts = |step: &&Step| {
            matches!(
                step,
                Step::Load { .. } | Step::Update { .. } | Step::Attach { .. }
            )
        };
        if !self.steps.iter().any(|step| starts(&step)) {
            return Ok(());
        }
        let mut ebpf = open(wanted, pins)?;
        let rolls_out = matches!(self.steps.first(), Some(Step::Load { .. }));
        if rolls_out {
            let directory = pins.version(&wanted.version);
            // What an agent left that ended while it was loading.
            remove(&directory, application)?;
            done.push(Done::Loaded(wanted.version.clone()));
        }
        for name in wanted.programs.keys() {
            let path = pins.program(&wanted.version, name);
            let failed =
                |doing: fn(String) -> Operation,
                 error: Box<dyn std::error::Error + Send + Sync>| Error::Kernel {
                    application: application.to_owned(),
                    doing: doing(name.clone()),
                    error,
                };
            let program = ebpf
                .program_mut(name)
                .map_err(|error| failed(Operation::FindProgram, error.into()))?;
            if rolls_out {
                program
                    .load()
                    .map_err(|error| failed(Operation::LoadProgram, error.into()))?;
                make_directory(&pins.version(&wanted.version), application)?;
                program
                    .pin(&path)
                    .map_err(|error| failed(Operation::PinProgram, error.into()))?;
            } else {
                program
                    .load_pinned(&path)
                    .map_err(|error| failed(Operation::OpenProgram, error.into()))?;
            }
        }
        make_directory(&pins.links(), application)?;
        for step in &self.steps {
            match step {
                Step::Update { program, target } => {
                    self.update(&mut ebpf, wanted, pins, (program, target), done)?;
                }
                Step::Attach { program, target } => {
                    let path = pins.links().join(link_name(program, target));
                    attach(&mut ebpf, wanted, (program, target), &path)?;
                    done.push(Done::Attached(link_name(program, target)));
                }
                _ => {}
            }
        }
        match &wanted.application.health {
            Some(health) if rolls_out => check(health, application),
            _ => Ok(()),
        }
    }

    /// Lets a link run the new program.
    fn update(
        &self,
        ebpf: &mut Ebpf,
        wanted: &Wanted,
        pins: &Pins,
        (program, target): (&str, &Target),
        done: &mut Vec<Done>,
    ) -> Result<()> {
        let name = link_name(program, target);
        let path = pins.links().join(&name);
        let failed = |error| Error::Kernel {
            application: wanted.application.name.clone(),
            doing: Operation::Update {
                program: program.to_owned(),
                target: target.clone(),
            },
            error,
        };
        let fd = ebpf
            .program(program)
            .and_then(|program| program.fd())
            .map_err(|error| failed(error.into()))?
            .clone();
        let mut link = PinnedLink::from_pin(&path).map_err(|error| failed(error.into()))?;
        let before = self.before(pins, &link);
        match link.update(&fd) {
            Ok(()) => {
                done.push(Done::Updated { link: name, before });
                Ok(())
            }
            // The kernel cannot change links of this kind: there are two for a moment, so that
            // nothing goes by unseen.
            Err(_) => {
                let new = pins.links().join(double(&name));
                attach(ebpf, wanted, (program, target), &new)?;
                done.push(Done::Doubled(name));
                Ok(())
            }
        }
    }
}

impl Work {
    /// The program that a link runs, from the pin of its version: by number it could be had only
    /// with CAP_SYS_ADMIN.
    fn before(&self, pins: &Pins, link: &PinnedLink) -> Option<ProgramFd> {
        let runs = program_of(link)?;
        let versions = self.pinned.versions.iter();
        let mut all = versions.flat_map(|(version, ids)| ids.iter().map(move |id| (version, id)));
        let (version, (name, _)) = all.find(|(_, (_, id))| **id == runs)?;
        hachi::pin::program(pins.version(version).join(name)).ok()
    }
}

/// Opens the object, with the maps that the application has already.
fn open(wanted: &Wanted, pins: &Pins) -> Result<Ebpf> {
    let maps = pins.maps();
    make_directory(&maps, &wanted.application.name)?;
    let mut loader = EbpfLoader::new();
    for map in wanted.spec.maps.iter().filter(|map| map.data.is_none()) {
        loader.pin_map(&map.name, maps.join(pin_name(&map.name)));
    }
    loader
        .load_spec(wanted.spec.clone())
        .map_err(|error| Error::Kernel {
            application: wanted.application.name.clone(),
            doing: Operation::OpenObject,
            error: error.into(),
        })
}

fn attach(
    ebpf: &mut Ebpf,
    wanted: &Wanted,
    (name, target): (&str, &Target),
    pin: &Path,
) -> Result<()> {
    let application = &wanted.application;
    let failed = |error| Error::Kernel {
        application: application.name.clone(),
        doing: Operation::Attach {
            program: name.to_owned(),
            target: target.clone(),
        },
        error,
    };
    let program = ebpf
        .program_mut(name)
        .map_err(|error| failed(error.into()))?;
    let attached = program
        .attach_by_section(&options(application, target))
        .map_err(|error| failed(error.into()))?;
    for (at, Attached { link, .. }) in attached.into_iter().enumerate() {
        let link: OwnedLink = program
            .take_link(link)
            .map_err(|error| failed(error.into()))?;
        // A section that names several places gives several links.
        let pin = match at {
            0 => pin.to_owned(),
            at => pin.with_file_name(format!(
                "{}-{at}",
                pin.file_name().unwrap_or_default().to_string_lossy()
            )),
        };
        link.pin(&pin).map_err(|error| failed(error.into()))?;
    }
    Ok(())
}

fn options(application: &Application, target: &Target) -> AttachOptions {
    let options = AttachOptions::new()
        .tc_direction(match application.direction {
            Direction::Ingress => TcAttachType::Ingress,
            Direction::Egress => TcAttachType::Egress,
        })
        .xdp_flags(match application.mode {
            Mode::Auto => XdpFlags::default(),
            Mode::Skb => XdpFlags::SKB_MODE,
            Mode::Drv => XdpFlags::DRV_MODE,
        });
    match target {
        Target::Section => options,
        Target::Interface { name, .. } => options.interface(name),
        Target::Cgroup { path, .. } => options.cgroup(path),
    }
}

/// Takes a step back. What cannot be taken back is left to the next plan, which sees it.
fn undo(step: Done, pins: &Pins) {
    match step {
        Done::Loaded(version) => drop(remove(&pins.version(&version), "")),
        Done::Attached(link) => drop(detach(&pins.links().join(link), "")),
        Done::Doubled(link) => drop(detach(&pins.links().join(double(&link)), "")),
        Done::Updated { link, before } => {
            let link = PinnedLink::from_pin(pins.links().join(link));
            if let (Some(old), Ok(mut link)) = (before, link) {
                drop(link.update(&old));
            }
        }
    }
}

fn detach(path: &Path, application: &str) -> Result<()> {
    let failed = |error| Error::Kernel {
        application: application.to_owned(),
        doing: Operation::Detach(path.to_owned()),
        error,
    };
    let link = PinnedLink::from_pin(path).map_err(|error| failed(error.into()))?;
    let link = link.unpin().map_err(|error| failed(error.into()))?;
    // A link whose interface or cgroup is gone is detached already.
    drop(link.detach());
    Ok(())
}

/// Puts a link's double in its place.
fn replace(pins: &Pins, link: &str, application: &str) -> Result<()> {
    let (old, new) = (pins.links().join(link), pins.links().join(double(link)));
    detach(&old, application)?;
    std::fs::rename(&new, &old).map_err(|error| Error::Kernel {
        application: application.to_owned(),
        doing: Operation::Rename(new.clone()),
        error: error.into(),
    })
}

/// A directory of pins, with what is in it.
fn remove(path: &Path, application: &str) -> Result<()> {
    let failed = |error: std::io::Error| Error::Kernel {
        application: application.to_owned(),
        doing: Operation::Remove(path.to_owned()),
        error: error.into(),
    };
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(error)),
        _ => Ok(()),
    }
}

fn make_directory(path: &Path, application: &str) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    hachi::pin::make_directory(path)
        .map(drop)
        .map_err(|error| Error::Kernel {
            application: application.to_owned(),
            doing: Operation::MakeDirectory(path.to_owned()),
            error: error.into(),
        })
}

fn check(health: &Health, application: &str) -> Result<()> {
    let failed = |failure| Error::Unhealthy {
        application: application.to_owned(),
        failure,
    };
    let Some((program, arguments)) = health.command.split_first() else {
        return Err(failed(HealthFailure::NoCommand));
    };
    let mut child: Child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .spawn()
        .map_err(|error| failed(HealthFailure::NotStarted(error)))?;
    let deadline = Instant::now() + Duration::from_secs(health.seconds);
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(failed(HealthFailure::Ended(status))),
            Ok(None) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Ok(None) => {
                drop(child.kill());
                drop(child.wait());
                let seconds = health.seconds;
                return Err(failed(HealthFailure::TooSlow { seconds }));
            }
            Err(error) => return Err(failed(HealthFailure::NotWatched(error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn interface(index: u32) -> Target {
        Target::Interface {
            index,
            name: format!("eth{index}"),
        }
    }

    fn wanted(version: &str, interfaces: &[u32]) -> Wanted {
        let application: Application = toml::from_str("name = \"a\"\nobject = \"a.o\"").unwrap();
        let targets: BTreeSet<Target> = interfaces.iter().map(|index| interface(*index)).collect();
        Wanted {
            application,
            version: version.to_owned(),
            spec: hachi_obj::Spec::new(hachi_obj::Endian::NATIVE),
            programs: BTreeMap::from([("prog".to_owned(), targets)]),
        }
    }

    fn pinned(versions: &[(&str, u32)], links: &[(&str, u32)]) -> Pinned {
        Pinned {
            versions: versions
                .iter()
                .map(|(version, id)| {
                    (
                        (*version).to_owned(),
                        BTreeMap::from([("prog".to_owned(), *id)]),
                    )
                })
                .collect(),
            links: links
                .iter()
                .map(|(name, id)| ((*name).to_owned(), Some(*id)))
                .collect(),
        }
    }

    fn shown(wanted: Option<&Wanted>, pinned: &Pinned) -> Vec<String> {
        steps(wanted, pinned)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn an_application_in_its_wanted_state_needs_no_step() {
        let pinned = pinned(&[("v1", 7)], &[("prog-if2", 7)]);
        assert!(shown(Some(&wanted("v1", &[2])), &pinned).is_empty());
    }

    #[test]
    fn a_new_version_is_loaded_before_links_run_it_and_the_old_one_goes_last() {
        let pinned = pinned(&[("v1", 7)], &[("prog-if2", 7), ("prog-if4", 7)]);
        assert_eq!(
            shown(Some(&wanted("v2", &[2, 3])), &pinned),
            [
                "load version v2",
                "update prog on interface eth2",
                "attach prog to interface eth3",
                "detach prog-if4",
                "unload version v1",
            ]
        );
    }

    /// An agent that ended between two links of a roll-out left one on each version.
    #[test]
    fn an_interrupted_roll_out_goes_on_where_it_was() {
        let pinned = pinned(&[("v1", 7), ("v2", 8)], &[("prog-if2", 8), ("prog-if3", 7)]);
        assert_eq!(
            shown(Some(&wanted("v2", &[2, 3])), &pinned),
            ["update prog on interface eth3", "unload version v1"]
        );
    }

    #[test]
    fn a_version_that_is_pinned_in_part_is_loaded_again() {
        let mut pinned = pinned(&[("v2", 8)], &[]);
        pinned.versions.get_mut("v2").unwrap().clear();
        let steps = shown(Some(&wanted("v2", &[2])), &pinned);
        assert_eq!(steps[0], "load version v2");
    }

    #[test]
    fn an_application_missing_from_the_description_is_taken_down() {
        let pinned = pinned(&[("v1", 7)], &[("prog-if2", 7)]);
        assert_eq!(
            shown(None, &pinned),
            ["detach prog-if2", "unload version v1"]
        );
    }
}
