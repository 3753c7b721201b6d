//! Entries of kernel functions.

use super::EbpfContext;
use super::btf_args::context_of_arguments;
use crate::cty::c_void;
use crate::kernel::{Argument, Direct, Source};

context_of_arguments! {
    /// The arguments of a kernel function that is about to run (5.5).
    FEntryContext, Direct
}
