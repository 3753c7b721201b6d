//! What programs for network namespaces have in common.

use std::{
    fs::File,
    os::fd::{AsFd as _, BorrowedFd},
};

use super::{AttachType, Attached, ProgramData, ProgramError};
use crate::links::{LinkError, LinkId, netns};

impl ProgramData {
    pub(crate) fn attach_to_netns(
        &mut self,
        attach_type: AttachType,
        netns: BorrowedFd<'_>,
    ) -> Result<LinkId, ProgramError> {
        let link = netns::attach(self.fd()?, attach_type as u32, netns);
        self.own(link)
    }

    pub(crate) fn attach_to_own_netns(
        &mut self,
        attach_type: AttachType,
    ) -> Result<Vec<Attached>, ProgramError> {
        const OWN: &str = "/proc/thread-self/ns/net";
        let netns =
            File::open(OWN).map_err(|error| self.attach_error(LinkError::io(OWN, error)))?;
        let link = self.attach_to_netns(attach_type, netns.as_fd())?;
        Ok(Attached::one(link, "this network namespace".to_owned()))
    }
}
