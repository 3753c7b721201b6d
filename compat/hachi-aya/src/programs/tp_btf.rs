//! A tracepoint.

use super::*;

program! {
    /// A program for a tracepoint.
    BtfTracePoint, ProgramType::Tracing
}
attachments!(
    BtfTracePoint,
    BtfTracePointLink,
    BtfTracePointLinkId,
    "BtfTracePoint"
);
links::conversions!(fd, BtfTracePointLink);
traced!(BtfTracePoint, "tracepoint");
of_itself!(BtfTracePoint, BtfTracePointLinkId);
from_pin!(BtfTracePoint);
