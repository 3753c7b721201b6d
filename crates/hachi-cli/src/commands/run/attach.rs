//! Attaching by section, in the words of the command.

use hachi::Ebpf;
use hachi::links::{LinkError, LinkId, OwnedLink};
use hachi::programs::{Attached, ProgramError};
use hachi_obj::ProgramType;
use serde_json::{Value, json};

use super::{Args, leave_out};
use crate::failure::{Failure, Kind, Result};
use crate::output::Output;

/// A program and what it is attached to.
pub struct Attachment {
    /// The program's name, or that of the struct of functions.
    pub program: String,
    /// What it is attached to, in words.
    pub target: String,
    link: Link,
}

/// What ends an attachment.
enum Link {
    /// The program has it.
    OfProgram(LinkId),
    /// Dropped, it is the end.
    Own(OwnedLink),
    /// Pinned, it is in nobody's hands.
    Taken,
}

fn failed(error: &ProgramError) -> Failure {
    Failure::because("", error)
}

impl Attachment {
    fn interface(&self) -> Option<&str> {
        self.target.strip_prefix("interface ")
    }

    /// As a line of `hachi run --json`.
    pub fn json(&self) -> Value {
        let mut value =
            json!({ "type": "attached", "program": self.program, "target": self.target });
        if let Some(interface) = self.interface() {
            value["iface"] = interface.into();
        }
        value
    }

    /// What the pin of its link is called.
    pub fn pin_name(&self) -> String {
        match self.interface() {
            Some(interface) => format!("{}-{interface}", self.program),
            None => self.program.clone(),
        }
    }

    /// Takes its link, if that has not been done.
    pub fn take_link(&mut self, ebpf: &mut Ebpf) -> Result<Option<OwnedLink>> {
        match std::mem::replace(&mut self.link, Link::Taken) {
            Link::OfProgram(id) => ebpf
                .program_mut(&self.program)
                .and_then(|program| program.take_link(id))
                .map(Some)
                .map_err(|error| failed(&error)),
            Link::Own(link) => Ok(Some(link)),
            Link::Taken => Ok(None),
        }
    }
}

/// Loads a program and attaches it to what its section and the options say.
pub fn program(
    ebpf: &mut Ebpf,
    name: &str,
    args: &Args,
    out: &mut Output,
) -> Result<Vec<Attachment>> {
    let program = ebpf.program_mut(name).map_err(|error| failed(&error))?;
    match program.load() {
        Ok(()) => {}
        Err(ProgramError::LoadError(rejection)) if !rejection.log.is_empty() => {
            out.diagnostic(&rejection.explain())?;
            return Err(Failure::silent(Kind::Failed));
        }
        Err(error) => return Err(failed(&error)),
    }
    let attached = match program.attach_by_section(&args.attach_options()) {
        Ok(attached) => attached,
        Err(ProgramError::Attach {
            error: LinkError::NoTarget(reason),
            ..
        }) => {
            // Functions of structs run with these.
            if program.prog_type() != ProgramType::StructOps || !args.program.is_empty() {
                leave_out(name, &reason.to_string(), args, out)?;
            }
            return Ok(Vec::new());
        }
        Err(error) => {
            let failure = failed(&error);
            // The library's words for it, in the command's.
            return Err(match error {
                ProgramError::Attach {
                    error: LinkError::Attach { error, .. },
                    ..
                } if program.prog_type() == ProgramType::Xdp
                    && error.errno() == libc::EOPNOTSUPP =>
                {
                    failure.help("that mode is `--mode skb`")
                }
                _ => failure,
            });
        }
    };
    let attachment = |Attached { link, target, .. }| Attachment {
        program: name.to_owned(),
        target,
        link: Link::OfProgram(link),
    };
    Ok(attached.into_iter().map(attachment).collect())
}

/// Registers the structs of functions, unless programs were asked for by name.
pub fn structs(ebpf: &mut Ebpf, args: &Args) -> Result<Vec<Attachment>> {
    if !args.program.is_empty() {
        return Ok(Vec::new());
    }
    let structs = ebpf.attach_struct_ops().map_err(|error| failed(&error))?;
    let attachment = |(name, link)| Attachment {
        program: name,
        target: "the kernel, as a struct of functions".to_owned(),
        link: Link::Own(link),
    };
    Ok(structs.into_iter().map(attachment).collect())
}
