//! The registers of the machine that the program runs on, as kprobes and uprobes get them.
//!
//! The machine is the one that `hachi-build` names by the cfg `bpf_target_arch` (as Aya does): the
//! one built for by the build script, else the one built on. The verifier wants these offsets as
//! constants, so CO-RE cannot give them.

use machine::{ARGUMENTS, RESULT, WORDS};

/// Registers as `struct pt_regs` (x86), `struct user_pt_regs` (arm64, s390) or `struct
/// user_regs_struct` (riscv) begins.
#[allow(non_camel_case_types, reason = "C's own name")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct pt_regs {
    words: [u64; WORDS],
}

#[cfg(not(any(
    bpf_target_arch = "aarch64",
    bpf_target_arch = "riscv64",
    bpf_target_arch = "s390x"
)))]
mod machine {
    pub const WORDS: usize = 21;
    /// di, si, dx, cx, r8, r9.
    pub const ARGUMENTS: &[usize] = &[14, 13, 12, 11, 9, 8];
    /// ax.
    pub const RESULT: usize = 10;
}

#[cfg(bpf_target_arch = "aarch64")]
mod machine {
    pub const WORDS: usize = 34;
    /// x0 to x7.
    pub const ARGUMENTS: &[usize] = &[0, 1, 2, 3, 4, 5, 6, 7];
    /// x0.
    pub const RESULT: usize = 0;
}

#[cfg(bpf_target_arch = "riscv64")]
mod machine {
    pub const WORDS: usize = 32;
    /// a0 to a7, after pc, ra, sp, gp, tp, t0 to t2, s0 and s1.
    pub const ARGUMENTS: &[usize] = &[10, 11, 12, 13, 14, 15, 16, 17];
    /// a0.
    pub const RESULT: usize = 10;
}

#[cfg(bpf_target_arch = "s390x")]
mod machine {
    pub const WORDS: usize = 19;
    /// r2 to r6, after a word of arguments and the two of the PSW.
    pub const ARGUMENTS: &[usize] = &[5, 6, 7, 8, 9];
    /// r2.
    pub const RESULT: usize = 5;
}

#[cfg(all(feature = "test", not(hachi_bpf)))]
impl pt_regs {
    /// Sets a function's argument, for a test. Those that are not in a register are lost.
    pub fn set_argument(&mut self, number: usize, value: u64) {
        if let Some(&at) = ARGUMENTS.get(number) {
            self.words[at] = value;
        }
    }

    /// Sets what a function returned, for a test.
    pub fn set_result(&mut self, value: u64) {
        self.words[RESULT] = value;
    }
}

/// A function's argument by its number.
#[inline(always)]
pub(super) fn argument(regs: *const pt_regs, number: usize) -> Option<u64> {
    ARGUMENTS.get(number).map(|&at| word(regs, at))
}

/// What a function returned.
#[inline(always)]
pub(super) fn result(regs: *const pt_regs) -> u64 {
    word(regs, RESULT)
}

#[inline(always)]
fn word(regs: *const pt_regs, at: usize) -> u64 {
    // SAFETY: the program was called with the registers; the verifier checks the bounds. Volatile
    // because several loads with variable numbers must not become one.
    unsafe { regs.cast::<u64>().add(at).read_volatile() }
}
