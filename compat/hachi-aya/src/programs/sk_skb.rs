//! What sockets in a map receive.

use super::*;

program! {
    /// A program for what sockets in a map receive.
    SkSkb, ProgramType::SkSkb
}
attachments!(SkSkb, SkSkbLink, SkSkbLinkId, "SkSkb");
links::conversions!(prog, SkSkbLink);
pub use hachi::programs::SkSkbKind;

load!(SkSkb);
from_pin!(SkSkb, SkSkbKind);

impl SkSkb {
    /// Attaches the loaded program to a map of sockets.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`], and what the kernel refuses.
    pub fn attach(&mut self, map: &SockMapFd) -> Result<SkSkbLinkId, ProgramError> {
        Ok(SkSkbLinkId(self.0.attach(map)?))
    }
}
