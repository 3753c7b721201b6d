//! Where Hachi's own crates come from, in what this command writes and builds.

use std::path::Path;

use hachi_build::{Error, Origin};

use crate::failure::{Failure, Result};

/// The checkout that this command was built in; `None` for a package of a registry.
pub fn built_in() -> Option<&'static Path> {
    // Set by the build script.
    option_env!("HACHI_BUILT_IN").map(Path::new)
}

/// Where a new project takes Hachi's crates from.
pub fn origin() -> Result<Origin> {
    Origin::find(built_in()).map_err(|error| match error {
        Error::NoCheckout { .. } => Failure::missing(error),
        error => Failure::because("", &error),
    })
}
