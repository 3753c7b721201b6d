//! Tracepoints with their arguments as BTF types.

use super::EbpfContext;
use super::btf_args::context_of_arguments;
use crate::cty::c_void;
use crate::kernel::{Argument, Direct, Source};

context_of_arguments! {
    /// The arguments of a tracepoint, with types that the verifier knows (5.5).
    BtfTracePointContext, Direct
}
