//! USDT: probes that authors of programs and libraries put there.

use std::path::Path;

use super::{AttachOptions, Attached, ProgramData, ProgramError, program_methods, uprobe::process};
use crate::links::{
    LinkId,
    usdt::{self, Request},
};

/// A program at a USDT probe (`BPF_PROG_TYPE_KPROBE`), written with libbpf's `usdt.bpf.h`, which
/// gives it the probe's arguments. Linux ≥ 4.20; in position-independent code of all processes ≥
/// 5.15.
///
/// Section `usdt/PATH:PROVIDER:NAME`; `usdt.s/…` may sleep (Linux ≥ 6.0).
///
/// ```no_run
/// use hachi::programs::Usdt;
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let program: &mut Usdt = ebpf.program_mut("collects")?.try_into()?;
/// program.load()?;
/// program.attach("/usr/bin/python3", "python", "gc__start", None, 0)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Usdt {
    pub(crate) data: ProgramData,
}

program_methods!(Usdt);

impl Usdt {
    /// Loads the program into the kernel, which verifies it.
    ///
    /// # Errors
    /// [`ProgramError::LoadError`], with the verifier's log, if the kernel refuses the program
    /// (`BPF_PROG_LOAD`), and [`ProgramError::Unsupported`] if it is too old for it;
    /// [`ProgramError::Unloadable`] or [`ProgramError::Relocation`] if the object or this system
    /// lacks what the program uses; [`ProgramError::AlreadyLoaded`] if it is loaded.
    pub fn load(&mut self) -> Result<(), ProgramError> {
        self.data.load()
    }

    /// Attaches the loaded program to all places of the probe `provider`:`name` of a program or
    /// library. `target` and `pid` are as for [`UProbe::attach`](super::UProbe::attach);
    /// `bpf_usdt_cookie` gives the program `cookie`.
    ///
    /// While it is attached, the probe's semaphore is raised in each process, if it has one.
    ///
    /// # Errors
    /// [`LinkError`](crate::links::LinkError) in [`ProgramError::Attach`]: no such probe, with
    /// similar names; arguments that are not understood; no room in the program's map.
    pub fn attach<T: AsRef<Path>>(
        &mut self,
        target: T,
        provider: &str,
        name: &str,
        pid: Option<i32>,
        cookie: u64,
    ) -> Result<LinkId, ProgramError> {
        self.attach_to(target.as_ref(), provider, name, pid, cookie)
    }

    fn attach_to(
        &mut self,
        target: &Path,
        provider: &str,
        name: &str,
        pid: Option<i32>,
        cookie: u64,
    ) -> Result<LinkId, ProgramError> {
        let program = self.data.fd()?;
        let tables = self.data.object()?.usdt_tables();
        let link = process(pid).and_then(|pid| {
            usdt::attach(&Request {
                program,
                tables: &tables,
                target,
                provider,
                name,
                pid,
                cookie,
            })
        });
        self.data.own(link)
    }

    pub(crate) fn attach_by_section(
        &mut self,
        options: &AttachOptions,
    ) -> Result<Vec<Attached>, ProgramError> {
        let (path, probe) = self.data.user_target(options, "PROVIDER:NAME")?;
        let Some((provider, name)) = probe.split_once(':') else {
            return Err(self.data.unnamed_target("PATH:PROVIDER:NAME"));
        };
        let pid = options.pid.map(|pid| pid as i32);
        let link = self.attach_to(&path, provider, name, pid, 0)?;
        Ok(Attached::one(
            link,
            format!("USDT probe {probe} of {}", path.display()),
        ))
    }

    /// See [`Program::find_target`](super::Program::find_target).
    pub(super) fn find_target(&self, options: &AttachOptions) -> Result<(), ProgramError> {
        let (target, probe) = self.data.user_target(options, "PROVIDER:NAME")?;
        let Some((provider, name)) = probe.split_once(':') else {
            return Err(self.data.unnamed_target("PATH:PROVIDER:NAME"));
        };
        self.data
            .found(usdt::find(&target, provider, name, options.pid))
    }
}
