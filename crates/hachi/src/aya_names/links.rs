//! In `hachi::links` and `hachi::programs`.

use crate::links::{LinkId, OwnedLink};

/// [`OwnedLink`], for programs of type XDP.
#[doc(hidden)]
pub type XdpLink = OwnedLink;

/// [`LinkId`], for programs of type XDP.
#[doc(hidden)]
pub type XdpLinkId = LinkId;
