//! What programs of all types have in common.

use std::{os::fd::AsFd as _, path::Path, sync::Arc};

use hachi_obj::{AttachType, ProgramSpec, ProgramType, SectionDef, link::Poisoned, sections};

use crate::{
    fd::ProgramFd,
    links::{LinkError, LinkId, Links, NoTarget, OwnedLink},
    load::{self, Object, ProgramError, Target},
    pin::{self, PinError, PinOperation, PinProblem},
    program_info::ProgramInfo,
    sys::{bpf::Access, fs::ObjectKind},
};

/// State of a program, of whatever type.
#[derive(Debug)]
pub(crate) struct ProgramData {
    // First, so that a dropped program detaches before its descriptor is closed.
    links: Links,
    name: String,
    kind: ProgramType,
    section_def: Option<&'static SectionDef>,
    fd: Option<ProgramFd>,
    log: String,
    /// What it asks for that the kernel does not have, since it was loaded.
    missing: Vec<Poisoned>,
    /// Where it comes from; `None` for programs that were loaded already when we got them.
    source: Option<Box<Source>>,
}

#[derive(Debug)]
struct Source {
    object: Arc<Object>,
    spec: ProgramSpec,
    /// What it was loaded for, if that is not what the section says.
    target: Option<String>,
}

impl ProgramData {
    pub(crate) fn new(object: Arc<Object>, spec: ProgramSpec) -> Self {
        ProgramData {
            links: Links::new(),
            name: spec.name.clone(),
            kind: spec.program_type,
            section_def: spec.section_def,
            fd: None,
            log: String::new(),
            missing: Vec::new(),
            source: Some(Box::new(Source {
                object,
                spec,
                target: None,
            })),
        }
    }

    /// The program pinned at `path`, which must be of the type of programs in section `section`.
    pub(crate) fn from_pin(path: &Path, section: &str) -> Result<Self, ProgramError> {
        Self::from_pin_as(path, sections::lookup(section).map(|(def, _)| def))
    }

    /// The program pinned at `path`, which must be of the type of those with this attach type; the
    /// kernel does not say which one it was loaded for.
    pub(crate) fn from_pin_for(path: &Path, attach_type: AttachType) -> Result<Self, ProgramError> {
        let mut all = sections::all().iter();
        Self::from_pin_as(path, all.find(|def| def.attach_type == Some(attach_type)))
    }

    fn from_pin_as(
        path: &Path,
        section_def: Option<&'static SectionDef>,
    ) -> Result<Self, ProgramError> {
        let expected = section_def.map_or(ProgramType::Unspec, |def| def.program_type);
        let (fd, info) = open_pinned(path, expected)?;
        Ok(Self::loaded(fd, info.name(), expected, section_def))
    }

    fn loaded(
        fd: ProgramFd,
        name: String,
        kind: ProgramType,
        section_def: Option<&'static SectionDef>,
    ) -> Self {
        ProgramData {
            links: Links::new(),
            name,
            kind,
            section_def,
            fd: Some(fd),
            log: String::new(),
            missing: Vec::new(),
            source: None,
        }
    }

    /// A program that is loaded, which must be of the type of programs in section `section`.
    pub(crate) fn from_fd(fd: ProgramFd, name: &str, section: &str) -> Result<Self, ProgramError> {
        let section_def = sections::lookup(section).map(|(def, _)| def);
        let expected = section_def.map_or(ProgramType::Unspec, |def| def.program_type);
        let info = ProgramInfo::of(fd.as_fd()).map_err(|error| ProgramError::SyscallError {
            name: name.to_owned(),
            error,
        })?;
        if info.program_type() != Some(expected) {
            return Err(ProgramError::UnexpectedProgramType {
                name: name.to_owned(),
                expected: expected.name(),
                actual: info.type_name(),
                section: None,
            });
        }
        Ok(Self::loaded(fd, name.to_owned(), expected, section_def))
    }

    /// In place of loading it, takes the program that was loaded before and pinned.
    pub(crate) fn load_pinned(&mut self, path: &Path) -> Result<(), ProgramError> {
        if self.fd.is_some() {
            return Err(ProgramError::AlreadyLoaded {
                name: self.name.clone(),
            });
        }
        let (fd, _) = open_pinned(path, self.kind)?;
        self.fd = Some(fd);
        Ok(())
    }

    pub(crate) fn load(&mut self) -> Result<(), ProgramError> {
        self.load_for(None, &Target::default())
    }

    /// Loads for a target other than the section's, or one that the section cannot name.
    pub(crate) fn load_for(
        &mut self,
        name: Option<&str>,
        target: &Target<'_>,
    ) -> Result<(), ProgramError> {
        if self.fd.is_some() {
            return Err(ProgramError::AlreadyLoaded {
                name: self.name.clone(),
            });
        }
        let Some(source) = &mut self.source else {
            // Came from a pin and was unloaded: there is nothing to load it from.
            return Err(ProgramError::NotLoaded {
                name: self.name.clone(),
            });
        };
        if let Some(name) = name {
            source.target = Some(name.to_owned());
        }
        let target = Target {
            name: source.target.as_deref(),
            ..*target
        };
        let loaded = load::program(&source.object, &source.spec, &target)?;
        self.log = loaded.log;
        self.missing = loaded.missing;
        self.fd = Some(ProgramFd::new(loaded.fd));
        Ok(())
    }

    pub(crate) fn unload(&mut self) -> Result<(), ProgramError> {
        let detached = self.links.detach_all();
        match self.fd.take() {
            Some(_) => Ok(detached?),
            None => Err(ProgramError::NotLoaded {
                name: self.name.clone(),
            }),
        }
    }

    pub(crate) fn fd(&self) -> Result<&ProgramFd, ProgramError> {
        self.fd.as_ref().ok_or_else(|| ProgramError::NotLoaded {
            name: self.name.clone(),
        })
    }

    pub(crate) fn info(&self) -> Result<ProgramInfo, ProgramError> {
        ProgramInfo::of(self.fd()?.as_fd()).map_err(|error| ProgramError::SyscallError {
            name: self.name.clone(),
            error,
        })
    }

    pub(crate) fn pin(&self, path: &Path) -> Result<(), PinError> {
        let Some(fd) = &self.fd else {
            return Err(PinError::Unsuitable {
                path: path.to_owned(),
                problem: PinProblem::NotLoaded {
                    program: self.name.clone(),
                },
            });
        };
        pin::pin(fd.as_fd(), path, ObjectKind::Program)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn kind(&self) -> ProgramType {
        self.kind
    }

    pub(crate) fn attach_type(&self) -> Option<AttachType> {
        match self.spec() {
            Some(spec) => spec.attach_type,
            None => self.section_def?.attach_type,
        }
    }

    /// The section's name without the target, `kretprobe`; empty if it is none of the table.
    pub(crate) fn section_kind(&self) -> &'static str {
        self.section_def.map_or("", |def| def.name)
    }

    /// The ELF section; empty for programs opened from a pin.
    pub(crate) fn section(&self) -> &str {
        self.spec().map_or("", |spec| &spec.section)
    }

    /// What it is for, as the section says or as it was loaded for.
    pub(crate) fn attach_target(&self) -> Option<&str> {
        let source = self.source.as_ref()?;
        let target = source.target.as_ref();
        target
            .or(source.spec.attach_target.as_ref())
            .map(String::as_str)
    }

    /// As [`attach_target`](Self::attach_target), for those that cannot be attached without;
    /// `form` says what it looks like.
    pub(crate) fn target(&self, form: &str) -> Result<&str, ProgramError> {
        match self.attach_target() {
            Some(target) if !target.is_empty() => Ok(target),
            _ => Err(self.unnamed_target(form)),
        }
    }

    /// The error of a section that names no target. `form` is what is missing:
    /// `FUNCTION+OFFSET`.
    pub(crate) fn unnamed_target(&self, form: &str) -> ProgramError {
        self.attach_error(LinkError::NoTarget(NoTarget::Section {
            section: self.section().to_owned(),
            form: format!("{}/{form}", self.section_kind()),
        }))
    }

    /// For programs that cannot be attached by what their section and the options say.
    pub(crate) fn no_target<T>(&self, why: NoTarget) -> Result<T, ProgramError> {
        Err(self.attach_error(LinkError::NoTarget(why)))
    }

    pub(crate) fn spec(&self) -> Option<&ProgramSpec> {
        self.source.as_ref().map(|source| &source.spec)
    }

    /// What it has in common with the other programs of its object.
    pub(crate) fn object(&self) -> Result<&Arc<Object>, ProgramError> {
        match &self.source {
            Some(source) => Ok(&source.object),
            None => Err(self.attach_error(LinkError::WithoutObject)),
        }
    }

    pub(crate) fn log(&self) -> &str {
        &self.log
    }

    pub(crate) fn missing(&self) -> &[Poisoned] {
        &self.missing
    }

    pub(crate) fn run(
        &self,
        options: &super::TestRunOptions<'_>,
    ) -> Result<super::TestRun, ProgramError> {
        options
            .run(self.fd()?.as_fd())
            .map_err(|error| ProgramError::SyscallError {
                name: self.name.clone(),
                error,
            })
    }

    /// Takes over what attaching gave.
    pub(crate) fn own(
        &mut self,
        link: Result<OwnedLink, LinkError>,
    ) -> Result<LinkId, ProgramError> {
        match link {
            Ok(link) => Ok(self.links.insert(link)),
            Err(error) => Err(self.attach_error(error)),
        }
    }

    pub(crate) fn attach_error(&self, error: LinkError) -> ProgramError {
        ProgramError::Attach {
            name: self.name.clone(),
            error,
        }
    }

    pub(crate) fn attach_to_link(&mut self, mut link: OwnedLink) -> Result<LinkId, ProgramError> {
        let updated = link.update(self.fd()?);
        self.own(updated.map(|()| link))
    }

    pub(crate) fn detach(&mut self, id: LinkId) -> Result<(), ProgramError> {
        Ok(self.links.take(id)?.detach()?)
    }

    pub(crate) fn take_link(&mut self, id: LinkId) -> Result<OwnedLink, ProgramError> {
        Ok(self.links.take(id)?)
    }

    pub(crate) fn link(&self, id: LinkId) -> Result<&OwnedLink, ProgramError> {
        match self.links.iter().find(|(other, _)| *other == id) {
            Some((_, link)) => Ok(link),
            None => Err(LinkError::NotAttached.into()),
        }
    }

    pub(crate) fn links(&self) -> std::slice::Iter<'_, (LinkId, OwnedLink)> {
        self.links.iter()
    }
}

/// The program pinned at `path`, which must be of this type.
fn open_pinned(
    path: &Path,
    expected: ProgramType,
) -> Result<(ProgramFd, ProgramInfo), ProgramError> {
    let fd = pin::open(path, ObjectKind::Program, Access::ReadWrite)?;
    let info = ProgramInfo::of(fd.as_fd())
        .map_err(|error| PinError::syscall(PinOperation::Describe, path, error))?;
    if info.program_type() != Some(expected) {
        return Err(ProgramError::UnexpectedProgramType {
            name: format!("{} (pinned at {})", info.name(), path.display()),
            expected: expected.name(),
            actual: info.type_name(),
            section: None,
        });
    }
    Ok((ProgramFd::new(fd), info))
}

/// The methods every program type has. `$type` has a field `data: ProgramData`.
macro_rules! program_methods {
    ($type:ident) => {
        impl $type {
            /// Detaches the program everywhere and unloads it (unless it is pinned). It can be
            /// loaded again.
            ///
            /// # Errors
            /// [`ProgramError::NotLoaded`](crate::programs::ProgramError::NotLoaded);
            /// [`ProgramError::Link`](crate::programs::ProgramError::Link) if an attachment cannot
            /// be undone. It is unloaded then all the same.
            pub fn unload(&mut self) -> Result<(), $crate::programs::ProgramError> {
                self.data.unload()
            }

            /// The descriptor.
            ///
            /// # Errors
            /// [`ProgramError::NotLoaded`](crate::programs::ProgramError::NotLoaded) before `load`.
            pub fn fd(
                &self,
            ) -> Result<&$crate::programs::ProgramFd, $crate::programs::ProgramError> {
                self.data.fd()
            }

            /// What the kernel says about the loaded program.
            ///
            /// # Errors
            /// [`ProgramError::NotLoaded`](crate::programs::ProgramError::NotLoaded);
            /// [`ProgramError::SyscallError`](crate::programs::ProgramError::SyscallError) if
            /// `BPF_OBJ_GET_INFO_BY_FD` fails, as it does on Linux < 4.13.
            pub fn info(
                &self,
            ) -> Result<$crate::programs::ProgramInfo, $crate::programs::ProgramError> {
                self.data.info()
            }

            /// Pins the loaded program at `path` on a BPF file system, so that it outlives the
            /// process. Missing directories are made. This does not keep it attached: pin its link
            /// for that.
            ///
            /// # Errors
            /// [`PinError::NotBpffs`](crate::pin::PinError::NotBpffs) if `path` is on another file
            /// system, [`PinError::Taken`](crate::pin::PinError::Taken) if something is there,
            /// [`PinError::Unsuitable`](crate::pin::PinError::Unsuitable) if the program is not
            /// loaded, and what `mkdir` and `BPF_OBJ_PIN` refuse (EPERM, EACCES).
            pub fn pin<P: AsRef<std::path::Path>>(
                &self,
                path: P,
            ) -> Result<(), $crate::pin::PinError> {
                self.data.pin(path.as_ref())
            }

            /// The name: that of the function (of a program opened from a pin: what the kernel kept
            /// of it).
            pub fn name(&self) -> &str {
                self.data.name()
            }

            /// The ELF section it comes from; empty for a program opened from a pin.
            pub fn section(&self) -> &str {
                self.data.section()
            }

            /// The type.
            pub fn prog_type(&self) -> $crate::programs::ProgramType {
                self.data.kind()
            }

            /// What the object file says about it; `None` for a program opened from a pin. Loading
            /// does not change it.
            pub fn spec(&self) -> Option<&hachi_obj::ProgramSpec> {
                self.data.spec()
            }

            /// What the verifier wrote when the program was loaded, if that was asked for
            /// ([`EbpfLoader::verifier_log_level`](crate::EbpfLoader::verifier_log_level)).
            pub fn verifier_log(&self) -> &str {
                self.data.log()
            }

            /// What the program asks for that the kernel does not have: fields, types and functions
            /// that it can do without. Known once it is loaded. (Of a program that was refused:
            /// [`Rejection::missing`](crate::programs::Rejection::missing).)
            pub fn missing(&self) -> &[hachi_obj::link::Poisoned] {
                self.data.missing()
            }

            /// Runs the loaded program on given data instead of a real event. Linux ≥ 4.12; needs
            /// CAP_BPF.
            ///
            /// # Errors
            /// [`ProgramError::NotLoaded`](crate::programs::ProgramError::NotLoaded);
            /// [`ProgramError::SyscallError`](crate::programs::ProgramError::SyscallError) of
            /// `BPF_PROG_TEST_RUN`: EINVAL or E2BIG for data that this type of program does not
            /// take, ENOTSUPP or EINVAL for types that cannot be run, EPERM without the rights.
            pub fn test_run(
                &self,
                options: &$crate::programs::TestRunOptions<'_>,
            ) -> Result<$crate::programs::TestRun, $crate::programs::ProgramError> {
                self.data.run(options)
            }

            /// Ends one attachment.
            ///
            /// # Errors
            /// [`ProgramError::Link`](crate::programs::ProgramError::Link):
            /// [`LinkError::NotAttached`](crate::links::LinkError::NotAttached) if the program has
            /// no such attachment, or what undoing it failed with.
            pub fn detach(
                &mut self,
                id: $crate::links::LinkId,
            ) -> Result<(), $crate::programs::ProgramError> {
                self.data.detach(id)
            }

            /// Hands over one attachment: it now lasts as long as the value returned, or longer by
            /// way of [`pin`](crate::links::OwnedLink::pin) or
            /// [`keep`](crate::links::OwnedLink::keep).
            ///
            /// # Errors
            /// [`ProgramError::Link`](crate::programs::ProgramError::Link) with
            /// [`LinkError::NotAttached`](crate::links::LinkError::NotAttached) if the program has
            /// no such attachment: it was detached or taken before.
            pub fn take_link(
                &mut self,
                id: $crate::links::LinkId,
            ) -> Result<$crate::links::OwnedLink, $crate::programs::ProgramError> {
                self.data.take_link(id)
            }

            /// The attachments this program owns.
            pub fn links(
                &self,
            ) -> impl Iterator<Item = ($crate::links::LinkId, &$crate::links::OwnedLink)> {
                self.data.links().map(|(id, link)| (*id, link))
            }
        }
    };
}
pub(crate) use program_methods;
