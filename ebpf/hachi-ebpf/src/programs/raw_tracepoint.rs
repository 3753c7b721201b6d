//! Tracepoints with their arguments as numbers.

use super::EbpfContext;
use super::btf_args::context_of_arguments;
use crate::cty::c_void;
use crate::kernel::{Argument, Probed, Source};

context_of_arguments! {
    /// The arguments of a tracepoint, of which the verifier knows nothing (4.17).
    RawTracePointContext, Probed
}
