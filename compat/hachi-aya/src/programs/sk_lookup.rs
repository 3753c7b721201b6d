//! Which socket gets a packet.

use super::*;

program! {
    /// A program that chooses the socket of a packet. Linux ≥ 5.9.
    SkLookup, ProgramType::SkLookup
}
attachments!(SkLookup, SkLookupLink, SkLookupLinkId, "SkLookup");
links::conversions!(fd, SkLookupLink);
load!(SkLookup);
of_fd!(SkLookup, SkLookupLinkId, "a network namespace");
from_pin!(SkLookup);
