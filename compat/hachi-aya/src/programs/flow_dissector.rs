//! How packets are dissected.

use super::*;

program! {
    /// A program that dissects packets of a network namespace.
    FlowDissector, ProgramType::FlowDissector
}
attachments!(
    FlowDissector,
    FlowDissectorLink,
    FlowDissectorLinkId,
    "FlowDissector"
);
links::conversions!(cgroup, FlowDissectorLink);
load!(FlowDissector);
of_fd!(FlowDissector, FlowDissectorLinkId, "a network namespace");
from_pin!(FlowDissector);
test_run!(FlowDissector);
