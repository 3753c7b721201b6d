//! Infrared receivers.

use std::{os::fd::AsFd, path::Path};

use super::{AttachOptions, AttachType, Attached, ProgramData, ProgramError, program_methods};
use crate::{
    links::{LinkError, LinkId, Needed, NoTarget, attached},
    sys::attach::How,
};

/// A program that decodes what an infrared receiver sees (`BPF_PROG_TYPE_LIRC_MODE2`). Linux ≥
/// 4.18.
///
/// Section `lirc_mode2`.
///
/// ```no_run
/// use hachi::programs::LircMode2;
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let receiver = std::fs::File::open("/dev/lirc0")?;
/// let program: &mut LircMode2 = ebpf.program_mut("decode")?.try_into()?;
/// program.load()?;
/// program.attach(&receiver)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct LircMode2 {
    pub(crate) data: ProgramData,
}

program_methods!(LircMode2);

impl LircMode2 {
    /// Opens the program pinned at `path`. It is loaded already and can be attached.
    ///
    /// # Errors
    /// [`ProgramError::Pin`] if no program is pinned at `path`, or this process may not open it
    /// (`BPF_OBJ_GET`: EACCES, EPERM); [`ProgramError::UnexpectedProgramType`] if it is of another
    /// type.
    pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, ProgramError> {
        ProgramData::from_pin(path.as_ref(), "lirc_mode2").map(|data| LircMode2 { data })
    }

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

    /// Attaches the loaded program to the device that is open here: `File::open("/dev/lirc0")`. It
    /// runs beside the kernel's decoders and other programs. There is no `bpf_link` for this.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`]; [`ProgramError::Attach`] if `device` is no infrared receiver of
    /// raw events (`BPF_PROG_ATTACH`: EINVAL), this program is attached to it already (EEXIST), or
    /// 64 others are (E2BIG).
    pub fn attach<T: AsFd>(&mut self, device: T) -> Result<LinkId, ProgramError> {
        let how = How {
            attach_type: AttachType::LircMode2 as u32,
            ..How::default()
        };
        let link = attached::attach(self.data.fd()?, device.as_fd(), how)
            .map_err(|error| LinkError::attach("an infrared receiver", error));
        self.data.own(link)
    }

    pub(crate) fn attach_by_section(
        &mut self,
        _: &AttachOptions,
    ) -> Result<Vec<Attached>, ProgramError> {
        self.data.no_target(NoTarget::Needs(Needed::Device))
    }
}
