//! Programs that run when a counter of the CPU or of the kernel has counted enough.

use std::{os::fd::OwnedFd, path::Path};

use super::{AttachOptions, Attached, ProgramData, ProgramError, ProgramFd, program_methods};
use crate::{
    links::{LinkError, LinkId, Needed, NoSuchTarget, NoTarget, OwnedLink, TargetKind, perf_event},
    sys::{errno::SyscallError, generated::system, perf},
};

/// A program at a perf event (`BPF_PROG_TYPE_PERF_EVENT`): it runs each time a
/// number of events was counted, or a number of times a second. Linux ≥ 4.9.
///
/// Section `perf_event`.
///
/// ```no_run
/// use hachi::programs::{PerfEvent, PerfEventConfig, PerfEventScope, SamplePolicy, SoftwareEvent};
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let program: &mut PerfEvent = ebpf.program_mut("sample")?.try_into()?;
/// program.load()?;
/// // 99 times a second on CPU 0, whatever runs there.
/// program.attach(
///     PerfEventConfig::Software(SoftwareEvent::CpuClock),
///     PerfEventScope::AllProcessesOneCpu { cpu: 0 },
///     SamplePolicy::Frequency(99),
///     false,
/// )?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct PerfEvent {
    pub(crate) data: ProgramData,
}

program_methods!(PerfEvent);

/// What is counted (`perf_event_open(2)`, `type` and `config`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PerfEventConfig {
    /// Events of the CPU that every architecture has a notion of; absent in many virtual machines.
    Hardware(HardwareEvent),
    /// Events of the kernel.
    Software(SoftwareEvent),
    /// A tracepoint by its number (`id` in tracefs).
    TracePoint {
        /// The number.
        event_id: u64,
    },
    /// Events of a cache.
    HwCache {
        /// Which cache.
        event: HwCacheEvent,
        /// What is done to it.
        operation: HwCacheOp,
        /// With which result.
        result: HwCacheResult,
    },
    /// An event of this model of CPU.
    Raw {
        /// Its number in the CPU's manual.
        event_id: u64,
    },
    /// Access to an address.
    Breakpoint(BreakpointConfig),
    /// An event of another unit of the machine, listed in `/sys/bus/event_source/devices`.
    Pmu {
        /// The number in `type`.
        pmu_type: u32,
        /// Put together as the files in `format` say.
        config: u64,
    },
}

/// `enum perf_hw_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[allow(missing_docs, reason = "the names say it all")]
#[non_exhaustive]
pub enum HardwareEvent {
    CpuCycles = system::PERF_COUNT_HW_CPU_CYCLES,
    Instructions = system::PERF_COUNT_HW_INSTRUCTIONS,
    CacheReferences = system::PERF_COUNT_HW_CACHE_REFERENCES,
    CacheMisses = system::PERF_COUNT_HW_CACHE_MISSES,
    BranchInstructions = system::PERF_COUNT_HW_BRANCH_INSTRUCTIONS,
    BranchMisses = system::PERF_COUNT_HW_BRANCH_MISSES,
    BusCycles = system::PERF_COUNT_HW_BUS_CYCLES,
    StalledCyclesFrontend = system::PERF_COUNT_HW_STALLED_CYCLES_FRONTEND,
    StalledCyclesBackend = system::PERF_COUNT_HW_STALLED_CYCLES_BACKEND,
    RefCpuCycles = system::PERF_COUNT_HW_REF_CPU_CYCLES,
}

/// `enum perf_sw_ids`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[allow(missing_docs, reason = "the names say it all")]
#[non_exhaustive]
pub enum SoftwareEvent {
    /// Time in nanoseconds.
    CpuClock = system::PERF_COUNT_SW_CPU_CLOCK,
    /// Time of the process in nanoseconds.
    TaskClock = system::PERF_COUNT_SW_TASK_CLOCK,
    PageFaults = system::PERF_COUNT_SW_PAGE_FAULTS,
    ContextSwitches = system::PERF_COUNT_SW_CONTEXT_SWITCHES,
    CpuMigrations = system::PERF_COUNT_SW_CPU_MIGRATIONS,
    PageFaultsMin = system::PERF_COUNT_SW_PAGE_FAULTS_MIN,
    PageFaultsMaj = system::PERF_COUNT_SW_PAGE_FAULTS_MAJ,
    AlignmentFaults = system::PERF_COUNT_SW_ALIGNMENT_FAULTS,
    EmulationFaults = system::PERF_COUNT_SW_EMULATION_FAULTS,
    /// Counts nothing.
    Dummy = system::PERF_COUNT_SW_DUMMY,
    BpfOutput = system::PERF_COUNT_SW_BPF_OUTPUT,
    CgroupSwitches = system::PERF_COUNT_SW_CGROUP_SWITCHES,
}

/// `enum perf_hw_cache_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[allow(missing_docs, reason = "the names say it all")]
#[non_exhaustive]
pub enum HwCacheEvent {
    L1d = system::PERF_COUNT_HW_CACHE_L1D,
    L1i = system::PERF_COUNT_HW_CACHE_L1I,
    /// The last level.
    Ll = system::PERF_COUNT_HW_CACHE_LL,
    Dtlb = system::PERF_COUNT_HW_CACHE_DTLB,
    Itlb = system::PERF_COUNT_HW_CACHE_ITLB,
    /// Branch prediction.
    Bpu = system::PERF_COUNT_HW_CACHE_BPU,
    /// Local memory.
    Node = system::PERF_COUNT_HW_CACHE_NODE,
}

/// `enum perf_hw_cache_op_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[allow(missing_docs, reason = "the names say it all")]
#[non_exhaustive]
pub enum HwCacheOp {
    Read = system::PERF_COUNT_HW_CACHE_OP_READ,
    Write = system::PERF_COUNT_HW_CACHE_OP_WRITE,
    Prefetch = system::PERF_COUNT_HW_CACHE_OP_PREFETCH,
}

/// `enum perf_hw_cache_op_result_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[allow(missing_docs, reason = "the names say it all")]
#[non_exhaustive]
pub enum HwCacheResult {
    Access = system::PERF_COUNT_HW_CACHE_RESULT_ACCESS,
    Miss = system::PERF_COUNT_HW_CACHE_RESULT_MISS,
}

/// An address that the CPU watches (`linux/hw_breakpoint.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BreakpointConfig {
    /// Memory is read or written.
    Data {
        /// Which of the two.
        r#type: PerfBreakpointType,
        /// From here on.
        address: u64,
        /// This many bytes.
        length: PerfBreakpointLength,
    },
    /// An instruction is executed.
    Instruction {
        /// Where.
        address: u64,
    },
}

/// `HW_BREAKPOINT_R`, `…_W` and both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[allow(missing_docs, reason = "the names say it all")]
#[non_exhaustive]
pub enum PerfBreakpointType {
    Read = system::HW_BREAKPOINT_R,
    Write = system::HW_BREAKPOINT_W,
    ReadWrite = system::HW_BREAKPOINT_RW,
}

/// `HW_BREAKPOINT_LEN_1` and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[allow(missing_docs, reason = "the names say it all")]
#[non_exhaustive]
pub enum PerfBreakpointLength {
    Len1 = system::HW_BREAKPOINT_LEN_1,
    Len2 = system::HW_BREAKPOINT_LEN_2,
    Len4 = system::HW_BREAKPOINT_LEN_4,
    Len8 = system::HW_BREAKPOINT_LEN_8,
}

/// When the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SamplePolicy {
    /// Each time this many events were counted.
    Period(u64),
    /// About so often a second, at most `/proc/sys/kernel/perf_event_max_sample_rate`.
    Frequency(u64),
}

/// Whether the processes that a process starts are counted with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Inherit {
    /// They are not.
    No,
    /// They are, from the moment they start.
    Yes,
}

impl From<bool> for Inherit {
    fn from(inherit: bool) -> Self {
        match inherit {
            true => Inherit::Yes,
            false => Inherit::No,
        }
    }
}

/// Where events are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PerfEventScope {
    /// In the calling thread.
    CallingProcess {
        /// While it runs on this CPU; on any, if not given.
        cpu: Option<u32>,
    },
    /// In one process or thread.
    OneProcess {
        /// Its id.
        pid: u32,
        /// While it runs on this CPU; on any, if not given.
        cpu: Option<u32>,
    },
    /// On one CPU, whatever runs there. Attach to each CPU to see everything.
    AllProcessesOneCpu {
        /// Its number.
        cpu: u32,
    },
}

impl PerfEventConfig {
    /// Opens a counter of these events on one CPU, whatever runs there: what programs read by an
    /// element of a [`PerfEventArray`](crate::maps::PerfEventArray) (Linux ≥ 4.15). It counts until
    /// it is closed.
    ///
    /// # Errors
    /// Those of perf_event_open(2): ENODEV if the CPU is offline, ENOENT or EOPNOTSUPP if the
    /// machine does not count such events, EACCES or EPERM without CAP_PERFMON.
    pub fn open_counter(self, cpu: u32) -> Result<OwnedFd, SyscallError> {
        const ALL_PROCESSES: i32 = -1;
        perf::open_plain(self.attr(), ALL_PROCESSES, cpu as i32)
    }

    fn attr(self) -> perf::Attr {
        let plain = |kind, config| perf::Attr {
            kind,
            config,
            ..Default::default()
        };
        match self {
            PerfEventConfig::Hardware(event) => plain(system::PERF_TYPE_HARDWARE, event as u64),
            PerfEventConfig::Software(event) => plain(system::PERF_TYPE_SOFTWARE, event as u64),
            PerfEventConfig::TracePoint { event_id } => {
                plain(system::PERF_TYPE_TRACEPOINT, event_id)
            }
            PerfEventConfig::HwCache {
                event,
                operation,
                result,
            } => plain(
                system::PERF_TYPE_HW_CACHE,
                event as u64 | (operation as u64) << 8 | (result as u64) << 16,
            ),
            PerfEventConfig::Raw { event_id } => plain(system::PERF_TYPE_RAW, event_id),
            PerfEventConfig::Breakpoint(breakpoint) => {
                let (bp_type, address, length) = match breakpoint {
                    BreakpointConfig::Data {
                        r#type,
                        address,
                        length,
                    } => (r#type as u32, address, length as u64),
                    BreakpointConfig::Instruction { address } => (
                        system::HW_BREAKPOINT_X,
                        address,
                        size_of::<libc::c_long>() as u64,
                    ),
                };
                perf::Attr {
                    bp_type,
                    config1: address,
                    config2: length,
                    ..plain(system::PERF_TYPE_BREAKPOINT, 0)
                }
            }
            PerfEventConfig::Pmu { pmu_type, config } => plain(pmu_type, config),
        }
    }
}

impl PerfEvent {
    /// Opens the program pinned at `path`. It is loaded already and can be attached.
    ///
    /// # Errors
    /// [`ProgramError::Pin`] if no program is pinned at `path`, or this process may not open it
    /// (`BPF_OBJ_GET`: EACCES, EPERM); [`ProgramError::UnexpectedProgramType`] if it is of another
    /// type.
    pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, ProgramError> {
        ProgramData::from_pin(path.as_ref(), "perf_event").map(|data| PerfEvent { data })
    }

    /// Loads the program into the kernel, which verifies it.
    ///
    /// # Errors
    /// [`ProgramError::LoadError`], with the verifier's log, if the kernel refuses the program
    /// (`BPF_PROG_LOAD`), and [`ProgramError::Unsupported`] if it is too old for it;
    /// [`ProgramError::Unloadable`] or [`ProgramError::Relocation`] if the object or this system
    /// lacks what the program uses; [`ProgramError::AlreadyLoaded`] if it is loaded.
    pub fn load(&mut self) -> Result<(), ProgramError> {
        self.data.load()
    }

    /// Makes the loaded program run each time that the sampling policy says, by what was counted of
    /// an event. `inherit` says whether to count the processes, too, that the process starts from
    /// then on; `true` is [`Inherit::Yes`].
    ///
    /// Makes a `bpf_link` (Linux ≥ 5.15) or, on older kernels, a perf event that lasts as long as
    /// this program. Needs CAP_PERFMON.
    ///
    /// # Errors
    /// [`LinkError`] in [`ProgramError::Attach`]: the machine does not count that, no such process
    /// or CPU.
    pub fn attach(
        &mut self,
        config: PerfEventConfig,
        scope: PerfEventScope,
        sample_policy: SamplePolicy,
        inherit: impl Into<Inherit>,
    ) -> Result<LinkId, ProgramError> {
        self.attach_with_cookie(config, scope, sample_policy, inherit, 0)
    }

    /// As [`attach`](Self::attach); `bpf_get_attach_cookie` gives the program `cookie`. Linux ≥
    /// 5.15.
    ///
    /// # Errors
    /// As [`attach`](Self::attach); and with
    /// [`LinkError::Unsupported`](crate::links::LinkError::Unsupported) if the kernel has no
    /// cookies for it.
    pub fn attach_with_cookie(
        &mut self,
        config: PerfEventConfig,
        scope: PerfEventScope,
        sample_policy: SamplePolicy,
        inherit: impl Into<Inherit>,
        cookie: u64,
    ) -> Result<LinkId, ProgramError> {
        let mut attr = config.attr();
        match sample_policy {
            SamplePolicy::Period(period) => attr.sample_period = period,
            SamplePolicy::Frequency(frequency) => {
                attr.sample_period = frequency;
                attr.flags |= perf::FREQ;
            }
        }
        if inherit.into() == Inherit::Yes {
            attr.flags |= perf::INHERIT;
        }
        let link = attach(self.data.fd()?, config, attr, scope, cookie);
        self.data.own(link)
    }

    pub(crate) fn attach_by_section(
        &mut self,
        _: &AttachOptions,
    ) -> Result<Vec<Attached>, ProgramError> {
        self.data.no_target(NoTarget::Needs(Needed::PerfEvents))
    }
}

fn attach(
    program: &ProgramFd,
    config: PerfEventConfig,
    attr: perf::Attr,
    scope: PerfEventScope,
    cookie: u64,
) -> Result<OwnedLink, LinkError> {
    let cpu_number = |cpu: Option<u32>| cpu.map_or(-1, |cpu| cpu as i32);
    let (pid, cpu) = match scope {
        PerfEventScope::CallingProcess { cpu } => (0, cpu_number(cpu)),
        PerfEventScope::OneProcess { pid, cpu } => (pid as i32, cpu_number(cpu)),
        PerfEventScope::AllProcessesOneCpu { cpu } => (-1, cpu as i32),
    };
    let target = format!("perf event {config:?}");
    let event = perf::open_plain(attr, pid, cpu).map_err(|error| {
        let counted = matches!(
            config,
            PerfEventConfig::Hardware(_)
                | PerfEventConfig::HwCache { .. }
                | PerfEventConfig::Raw { .. }
        );
        match error.errno() {
            libc::ESRCH => LinkError::no_process(pid),
            libc::ENODEV | libc::EINVAL | libc::ENXIO if cpu >= 0 && !is_online(cpu) => {
                NoSuchTarget::new(TargetKind::OnlineCpu, cpu.to_string()).into()
            }
            libc::ENOENT | libc::EOPNOTSUPP | libc::ENODEV if counted => LinkError::attach(
                &target,
                error.noted(
                    "this machine does not count it (virtual machines often have no counters): \
                     try a software event such as CpuClock",
                ),
            ),
            _ => LinkError::attach(&target, error),
        }
    })?;
    perf_event::attach(program, event, cookie, None, &target)
}

/// Where the system does not say, the kernel's own answer is the better message.
fn is_online(cpu: i32) -> bool {
    crate::sys::cpu::online().map_or(true, |online| {
        online
            .iter()
            .any(|&other| i64::from(other) == i64::from(cpu))
    })
}
