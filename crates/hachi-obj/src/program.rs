use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::error::ProgramFault;
use crate::image::Image;
use crate::{AttachType, Code, Error, ProgramType, SectionDef, sections};

/// A program as the object file has it.
///
/// Its code is put together when it is asked for ([`ProgramSpec::code`]): programs share the
/// functions they call, and an object holds each function once.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProgramSpec {
    /// Its name: that of the function.
    pub name: String,
    /// Its ELF section, without a leading `?`.
    pub section: String,
    /// The row of the section table; `None` if the section name is unknown, and then
    /// `program_type` must be set before loading.
    pub section_def: Option<&'static SectionDef>,
    /// Type of the program; `Unspec` if the section name is unknown.
    pub program_type: ProgramType,
    /// Its `expected_attach_type`, if the section implies one.
    pub attach_type: Option<AttachType>,
    /// What follows the slash of the section name: a kernel function, tracepoint, path, …
    pub attach_target: Option<String>,
    /// It may sleep (`BPF_F_SLEEPABLE`).
    pub sleepable: bool,
    /// It accepts multi-buffer packets (`BPF_F_XDP_HAS_FRAGS`).
    pub frags: bool,
    /// Whether it is loaded with the object; `false` for sections that begin with `?`.
    pub autoload: bool,
    pub(crate) body: Body,
}

/// Where the code of a program is.
#[derive(Clone)]
pub(crate) enum Body {
    /// A function of an object file, by number.
    File(Arc<Image>, u32),
    /// Made by hand.
    Own(Box<Code>),
}

impl Body {
    fn code(&self) -> Result<Cow<'_, Code>, Error> {
        match self {
            Body::File(image, function) => Ok(Cow::Owned(image.code(*function)?)),
            Body::Own(code) => Ok(Cow::Borrowed(code)),
        }
    }
}

/// Two are equal if their code is, wherever it is.
impl PartialEq for Body {
    fn eq(&self, other: &Body) -> bool {
        match (self, other) {
            (Body::File(a, function), Body::File(b, other)) if Arc::ptr_eq(a, b) => {
                function == other
            }
            _ => self.code() == other.code(),
        }
    }
}

impl Eq for Body {}

impl ProgramSpec {
    /// A program made by hand. Set what else is to be said of it.
    pub fn new(name: impl Into<String>, program_type: ProgramType, code: Code) -> ProgramSpec {
        ProgramSpec {
            name: name.into(),
            section: String::new(),
            section_def: None,
            program_type,
            attach_type: None,
            attach_target: None,
            sleepable: false,
            frags: false,
            autoload: true,
            body: Body::Own(Box::new(code)),
        }
    }

    /// Tells what kind of program it is, as if it were in this section: its type, attach type and
    /// target. For programs in a section of another name; its own stays as it is.
    ///
    /// # Errors
    /// The name given back, when there are no such sections.
    pub fn set_kind<'s>(&mut self, section: &'s str) -> Result<(), &'s str> {
        let (def, target) = sections::lookup(section).ok_or(section)?;
        self.section_def = Some(def);
        self.program_type = def.program_type;
        self.attach_type = def.attach_type;
        self.attach_target = target.map(str::to_owned);
        self.sleepable = def.sleepable;
        self.frags = def.frags;
        Ok(())
    }

    /// The program's code with the functions it calls.
    ///
    /// # Errors
    /// [`Error::Program`], if no kernel could load it: with its functions it is too long, or its
    /// exception callback is missing.
    pub fn code(&self) -> Result<Cow<'_, Code>, Error> {
        self.body.code()
    }

    /// The program's code, to edit it. The program then has code of its own.
    ///
    /// # Errors
    /// As [`ProgramSpec::code`].
    pub fn code_mut(&mut self) -> Result<&mut Code, Error> {
        if let Body::File(image, function) = &self.body {
            self.body = Body::Own(Box::new(image.code(*function)?));
        }
        match &mut self.body {
            Body::Own(code) => Ok(code),
            Body::File(..) => unreachable!("it was just replaced"),
        }
    }
}

impl ProgramSpec {
    pub(crate) fn fault(&self, fault: ProgramFault) -> Error {
        Error::Program {
            program: self.name.clone(),
            section: self.section.clone(),
            fault,
        }
    }
}

impl fmt::Debug for ProgramSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProgramSpec")
            .field("name", &self.name)
            .field("section", &self.section)
            .field("program_type", &self.program_type)
            .field("attach_type", &self.attach_type)
            .field("attach_target", &self.attach_target)
            .field("sleepable", &self.sleepable)
            .field("frags", &self.frags)
            .field("autoload", &self.autoload)
            .finish_non_exhaustive()
    }
}
