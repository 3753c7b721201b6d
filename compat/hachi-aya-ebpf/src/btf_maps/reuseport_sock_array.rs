//! Sockets that share a port.

use core::{marker::PhantomData, ops::Deref};

use crate::{cty::c_long, maps, programs::SkReuseportContext};

/// Sockets that share a port, by index.
pub type ReusePortSockArray<const MAX_ENTRIES: usize, const FLAGS: usize = 0> =
    ReusePortSockArrayImpl<u32, MAX_ENTRIES, FLAGS>;

/// [`ReusePortSockArray`] with values of the type `T`.
#[repr(transparent)]
pub struct ReusePortSockArrayImpl<T, const MAX_ENTRIES: usize, const FLAGS: usize = 0>(
    maps::ReusePortSockArray,
    PhantomData<fn(T)>,
);

impl<T, const MAX_ENTRIES: usize, const FLAGS: usize>
    ReusePortSockArrayImpl<T, MAX_ENTRIES, FLAGS>
{
    /// The map.
    pub const fn new() -> Self {
        let map = maps::ReusePortSockArray::with_max_entries(MAX_ENTRIES as u32, FLAGS as u32);
        ReusePortSockArrayImpl(map, PhantomData)
    }
}

impl<const MAX_ENTRIES: usize, const FLAGS: usize> ReusePortSockArray<MAX_ENTRIES, FLAGS> {
    /// See [`maps::ReusePortSockArray::select_reuseport`].
    ///
    /// # Errors
    /// Those of that method.
    #[inline(always)]
    pub fn select_reuseport(&self, ctx: &SkReuseportContext, index: u32) -> Result<(), c_long> {
        self.0.select_reuseport(ctx, index)
    }
}

impl<T, const MAX_ENTRIES: usize, const FLAGS: usize> Default
    for ReusePortSockArrayImpl<T, MAX_ENTRIES, FLAGS>
{
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const MAX_ENTRIES: usize, const FLAGS: usize> Deref
    for ReusePortSockArrayImpl<T, MAX_ENTRIES, FLAGS>
{
    type Target = maps::ReusePortSockArray;

    #[inline(always)]
    fn deref(&self) -> &maps::ReusePortSockArray {
        &self.0
    }
}
