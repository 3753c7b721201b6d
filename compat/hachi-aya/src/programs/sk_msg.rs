//! What sockets in a map send.

use super::*;

program! {
    /// A program for messages that sockets in a map send.
    SkMsg, ProgramType::SkMsg
}
attachments!(SkMsg, SkMsgLink, SkMsgLinkId, "SkMsg");
links::conversions!(prog, SkMsgLink);
load!(SkMsg);
from_pin!(SkMsg);

impl SkMsg {
    /// Attaches the loaded program to a map of sockets.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`], and what the kernel refuses.
    pub fn attach(&mut self, map: &SockMapFd) -> Result<SkMsgLinkId, ProgramError> {
        Ok(SkMsgLinkId(self.0.attach(map)?))
    }
}
