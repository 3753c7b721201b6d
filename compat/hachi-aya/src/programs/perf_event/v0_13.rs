//! Events as 0.11 to 0.13 name them.

/// Kinds of events: `enum perf_type_id`.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub enum PerfTypeId {
    /// Of the processor.
    Hardware = 0,
    /// Of the kernel.
    Software = 1,
    /// Tracepoints.
    TracePoint = 2,
    /// Of the processor's caches.
    HwCache = 3,
    /// Of the processor, by its own numbers.
    Raw = 4,
    /// Breakpoints.
    Breakpoint = 5,
}

/// Where the program runs.
#[derive(Clone, Debug)]
pub enum PerfEventScope {
    /// In the calling thread.
    CallingProcessAnyCpu,
    /// In the calling thread, while it runs on a CPU.
    CallingProcessOneCpu {
        /// The CPU.
        cpu: u32,
    },
    /// In one process or thread.
    OneProcessAnyCpu {
        /// Its id.
        pid: u32,
    },
    /// In one process or thread, while it runs on a CPU.
    OneProcessOneCpu {
        /// The CPU.
        cpu: u32,
        /// The process's id.
        pid: u32,
    },
    /// On one CPU, whatever runs there.
    AllProcessesOneCpu {
        /// The CPU.
        cpu: u32,
    },
}

impl From<PerfEventScope> for hachi::programs::PerfEventScope {
    fn from(scope: PerfEventScope) -> Self {
        match scope {
            PerfEventScope::CallingProcessAnyCpu => Self::CallingProcess { cpu: None },
            PerfEventScope::CallingProcessOneCpu { cpu } => Self::CallingProcess { cpu: Some(cpu) },
            PerfEventScope::OneProcessAnyCpu { pid } => Self::OneProcess { pid, cpu: None },
            PerfEventScope::OneProcessOneCpu { cpu, pid } => Self::OneProcess {
                pid,
                cpu: Some(cpu),
            },
            PerfEventScope::AllProcessesOneCpu { cpu } => Self::AllProcessesOneCpu { cpu },
        }
    }
}

macro_rules! numbers {
    ($(#[$doc:meta])* $name:ident { $($event:ident)* }) => {
        $(#[$doc])*
        #[allow(non_camel_case_types, missing_docs, reason = "C's own names")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum $name {
            $($event),*
        }
    };
}

numbers! {
    /// Events of the processor.
    perf_hw_id {
        PERF_COUNT_HW_CPU_CYCLES
        PERF_COUNT_HW_INSTRUCTIONS
        PERF_COUNT_HW_CACHE_REFERENCES
        PERF_COUNT_HW_CACHE_MISSES
        PERF_COUNT_HW_BRANCH_INSTRUCTIONS
        PERF_COUNT_HW_BRANCH_MISSES
        PERF_COUNT_HW_BUS_CYCLES
        PERF_COUNT_HW_STALLED_CYCLES_FRONTEND
        PERF_COUNT_HW_STALLED_CYCLES_BACKEND
        PERF_COUNT_HW_REF_CPU_CYCLES
        PERF_COUNT_HW_MAX
    }
}

numbers! {
    /// Events of the kernel.
    perf_sw_ids {
        PERF_COUNT_SW_CPU_CLOCK
        PERF_COUNT_SW_TASK_CLOCK
        PERF_COUNT_SW_PAGE_FAULTS
        PERF_COUNT_SW_CONTEXT_SWITCHES
        PERF_COUNT_SW_CPU_MIGRATIONS
        PERF_COUNT_SW_PAGE_FAULTS_MIN
        PERF_COUNT_SW_PAGE_FAULTS_MAJ
        PERF_COUNT_SW_ALIGNMENT_FAULTS
        PERF_COUNT_SW_EMULATION_FAULTS
        PERF_COUNT_SW_DUMMY
        PERF_COUNT_SW_BPF_OUTPUT
        PERF_COUNT_SW_CGROUP_SWITCHES
        PERF_COUNT_SW_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_those_of_the_kernel() {
        let of = |scope| hachi::programs::PerfEventScope::from(scope);
        assert!(matches!(
            of(PerfEventScope::OneProcessOneCpu { cpu: 1, pid: 2 }),
            hachi::programs::PerfEventScope::OneProcess {
                pid: 2,
                cpu: Some(1)
            }
        ));
        assert!(matches!(
            of(PerfEventScope::CallingProcessAnyCpu),
            hachi::programs::PerfEventScope::CallingProcess { cpu: None }
        ));
    }

    /// `include/uapi/linux/perf_event.h` numbers them.
    #[test]
    fn numbers_are_the_kernels() {
        assert_eq!(perf_sw_ids::PERF_COUNT_SW_BPF_OUTPUT as u64, 10);
        assert_eq!(perf_hw_id::PERF_COUNT_HW_REF_CPU_CYCLES as u64, 9);
    }
}
