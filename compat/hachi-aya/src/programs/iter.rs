//! A kind of thing that the kernel lists.

use super::*;

program! {
    /// A program for a kind of thing that the kernel lists.
    Iter, ProgramType::Tracing
}
attachments!(Iter, IterLink, IterLinkId, "Iter");
links::conversions!(Iter of_type, IterLink);
traced!(Iter, "kind of thing that the kernel lists");
of_itself!(Iter, IterLinkId);
from_pin!(Iter);

impl IterLink {
    /// What the iterator writes, as a file to read.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn into_file(self) -> Result<std::fs::File, links::LinkError> {
        links::read_iter(&self.link)
    }
}
