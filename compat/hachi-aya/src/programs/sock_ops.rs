//! TCP connections, as they come and go.

use super::*;

program! {
    /// A program of cgroups: TCP connections, as they come and go.
    SockOps, ProgramType::SockOps
}
attachments!(SockOps, SockOpsLink, SockOpsLinkId, "SockOps");
links::conversions!(cgroup, SockOpsLink);
load!(SockOps);
from_pin!(SockOps);
of_cgroup!(SockOps, SockOpsLinkId);
