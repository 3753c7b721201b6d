//! Tracepoints with the kernel's own, typed arguments.

use super::{ProgramData, tracing::loaded_for_target};

/// A program at a tracepoint (`BPF_PROG_TYPE_TRACING`, `BPF_TRACE_RAW_TP`) that gets the kernel's
/// own arguments, whose types the verifier knows: pointers can be followed without
/// `bpf_probe_read`. Linux ≥ 5.5.
///
/// Section `tp_btf/NAME`.
///
/// ```no_run
/// use hachi::programs::BtfTracePoint;
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let btf = hachi::Btf::from_sys_fs()?;
/// let program: &mut BtfTracePoint = ebpf.program_mut("started")?.try_into()?;
/// program.load("sched_process_exec", &btf)?;
/// program.attach()?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct BtfTracePoint {
    pub(crate) data: ProgramData,
}

loaded_for_target!(BtfTracePoint, "tp_btf", "tracepoint", cookies: "6.10");
