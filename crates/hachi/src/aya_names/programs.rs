//! In `hachi::programs`.

use crate::links::{LinkId, OwnedLink};

/// [`OwnedLink`], for classifiers.
#[doc(hidden)]
pub type SchedClassifierLink = OwnedLink;

/// [`LinkId`], for classifiers.
#[doc(hidden)]
pub type SchedClassifierLinkId = LinkId;
