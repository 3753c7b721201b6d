//! The signatures of 0.11 to 0.13, where they differ.
#![cfg(all(feature = "v0_13", feature = "async_tokio"))]

use std::path::Path;

use aya::{
    Bpf, BpfLoader, Ebpf,
    maps::AsyncPerfEventArray,
    programs::{
        PerfEvent, Program, ProgramError, UProbe,
        perf_event::{
            PerfEventLinkId, PerfEventScope, PerfTypeId, SamplePolicy,
            perf_sw_ids::PERF_COUNT_SW_CPU_CLOCK,
        },
        uprobe::UProbeLinkId,
    },
};
use hachi_aya as aya;

#[test]
fn methods_have_their_older_shapes() {
    type AttachUProbe<'a> = fn(
        &'a mut UProbe,
        Option<&'a str>,
        u64,
        &'a Path,
        Option<i32>,
    ) -> Result<UProbeLinkId, ProgramError>;
    let _: AttachUProbe<'_> = UProbe::attach;
    type AttachPerfEvent<'a> = fn(
        &'a mut PerfEvent,
        PerfTypeId,
        u64,
        PerfEventScope,
        SamplePolicy,
        bool,
    ) -> Result<PerfEventLinkId, ProgramError>;
    let _: AttachPerfEvent<'_> = PerfEvent::attach;
    let _: for<'a> fn(&'a mut Bpf, &str) -> Option<&'a mut Program> = Ebpf::program_mut;
    let _: fn() -> BpfLoader<'static> = BpfLoader::new;
    assert!(size_of::<AsyncPerfEventArray<aya::maps::MapData>>() > 0);
    assert_eq!(PERF_COUNT_SW_CPU_CLOCK as u64, 0);
}

/// Whatever is loaded: `Bpf` is `Ebpf`.
#[test]
fn bpf_is_another_name_of_ebpf() {
    let error = Bpf::load(b"no object").unwrap_err();
    let _: aya::EbpfError = error;
}
