//! Events of perf.

use super::*;

program! {
    /// A program for events of perf: timers, counters, breakpoints.
    PerfEvent, ProgramType::PerfEvent
}
attachments!(PerfEvent, PerfEventLink, PerfEventLinkId, "PerfEvent");
links::conversions!(PerfEvent of_type, PerfEventLink);
#[cfg(not(feature = "v0_13"))]
pub use hachi::programs::PerfEventScope;
pub use hachi::programs::{
    BreakpointConfig, HardwareEvent, HwCacheEvent, HwCacheOp, HwCacheResult, PerfBreakpointLength,
    PerfBreakpointType, PerfEventConfig, SamplePolicy, SoftwareEvent,
};

#[cfg(feature = "v0_13")]
pub use self::v0_13::{PerfEventScope, PerfTypeId, perf_hw_id, perf_sw_ids};

#[cfg(feature = "v0_13")]
mod v0_13;

load!(PerfEvent);
from_pin!(PerfEvent);

impl PerfEvent {
    /// Attaches the loaded program to an event.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`], and what the kernel refuses.
    #[cfg(not(feature = "v0_13"))]
    pub fn attach(
        &mut self,
        config: PerfEventConfig,
        scope: PerfEventScope,
        sample_policy: SamplePolicy,
        inherit: bool,
    ) -> Result<PerfEventLinkId, ProgramError> {
        let link = self.0.attach(config, scope, sample_policy, inherit)?;
        Ok(PerfEventLinkId(link))
    }
    /// Attaches the loaded program to the event `config` of a kind.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`], and what the kernel refuses.
    #[cfg(feature = "v0_13")]
    pub fn attach(
        &mut self,
        perf_type: PerfTypeId,
        config: u64,
        scope: PerfEventScope,
        sample_policy: SamplePolicy,
        inherit: bool,
    ) -> Result<PerfEventLinkId, ProgramError> {
        // The kernel's own kinds are units like any other.
        let config = PerfEventConfig::Pmu {
            pmu_type: perf_type as u32,
            config,
        };
        let link = self
            .0
            .attach(config, scope.into(), sample_policy, inherit)?;
        Ok(PerfEventLinkId(link))
    }
}
