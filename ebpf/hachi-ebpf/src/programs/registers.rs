//! The registers of the machine that the program runs on, as kprobes and uprobes get them.
//!
//! The machine is the one that `hachi-build` names by the cfg `bpf_target_arch` (as Aya does): the
//! one built for by the build script, else the one built on. The verifier wants these offsets as
//! constants, so CO-RE cannot give them.

use crate::cty::c_long;
use crate::errno::EINVAL;
use crate::helpers;
use crate::kernel::Probed;

/// Registers as `struct pt_regs` (x86), `struct user_pt_regs` (arm64, s390) or `struct
/// user_regs_struct` (riscv) begins.
#[allow(non_camel_case_types, reason = "C's own name")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct pt_regs {
    words: [u64; MACHINE.words],
}

/// Where a machine's registers are, in words from the start.
struct Machine {
    /// How many words the structure has that user space knows.
    words: usize,
    /// A function's arguments.
    arguments: &'static [usize],
    /// What a function returned.
    result: usize,
    /// A system call's arguments. Where it is not the first one's register that holds it, but a
    /// copy in the part of the structure that only the kernel knows, [`first_of_call`] knows
    /// better.
    call: &'static [usize],
    instruction: usize,
    stack: usize,
    frame: usize,
}

/// di, si, dx, cx, r8, r9; for system calls r10 instead of cx.
const X86_64: Machine = Machine {
    words: 21,
    arguments: &[14, 13, 12, 11, 9, 8],
    result: 10,
    call: &[14, 13, 12, 7, 9, 8],
    instruction: 16,
    stack: 19,
    frame: 4,
};

/// x0 to x7.
const AARCH64: Machine = Machine {
    words: 34,
    arguments: &[0, 1, 2, 3, 4, 5, 6, 7],
    result: 0,
    call: &[0, 1, 2, 3, 4, 5],
    instruction: 32,
    stack: 31,
    frame: 29,
};

/// a0 to a7, after pc, ra, sp, gp, tp, t0 to t2, s0 and s1.
const RISCV64: Machine = Machine {
    words: 32,
    arguments: &[10, 11, 12, 13, 14, 15, 16, 17],
    result: 10,
    call: &[10, 11, 12, 13, 14, 15],
    instruction: 0,
    stack: 2,
    frame: 8,
};

/// r2 to r6, after a word of arguments and the two of the PSW; for system calls also r7.
const S390X: Machine = Machine {
    words: 19,
    arguments: &[5, 6, 7, 8, 9],
    result: 5,
    call: &[5, 6, 7, 8, 9, 10],
    instruction: 2,
    stack: 18,
    frame: 14,
};

const MACHINE: Machine = if cfg!(bpf_target_arch = "aarch64") {
    AARCH64
} else if cfg!(bpf_target_arch = "riscv64") {
    RISCV64
} else if cfg!(bpf_target_arch = "s390x") {
    S390X
} else {
    // Also for tests that run as programs of this machine, whose registers are never real ones.
    X86_64
};

/// Whether [`MACHINE`] is the one that the program is built for.
const KNOWN: bool = cfg!(any(
    not(hachi_bpf),
    bpf_target_arch = "x86_64",
    bpf_target_arch = "aarch64",
    bpf_target_arch = "riscv64",
    bpf_target_arch = "s390x"
));

/// Stops the build of a program that reads registers of a machine that has no layout here. It is
/// generic because it must not stop the others, which never call it.
#[inline(always)]
fn demand_layout<T>(_: *const T) {
    const {
        assert!(
            KNOWN,
            "a program reads registers, and hachi-ebpf knows where they are on x86_64, aarch64, \
             riscv64 and s390x only; it is built for another machine: name one with `hachi build \
             --arch`, or read the arguments another way, such as fentry"
        );
    }
}

crate::kernel_types! {
    /// What a kernel keeps of a system call's first argument, whose register gets the result.
    #[name = "pt_regs"]
    struct kernel_regs {
        orig_x0: u64,
        orig_a0: u64,
        orig_gpr2: u64,
    }
}

#[cfg(all(feature = "test", not(hachi_bpf)))]
impl pt_regs {
    /// Sets a function's argument, for a test. Those that are not in a register are lost.
    pub fn set_argument(&mut self, number: usize, value: u64) {
        if let Some(&at) = MACHINE.arguments.get(number) {
            self.words[at] = value;
        }
    }

    /// Sets what a function returned, for a test.
    pub fn set_result(&mut self, value: u64) {
        self.words[MACHINE.result] = value;
    }
}

/// A function's argument by its number.
#[inline(always)]
pub(super) fn argument(regs: *const pt_regs, number: usize) -> Option<u64> {
    MACHINE.arguments.get(number).map(|&at| word(regs, at))
}

/// What a function returned.
#[inline(always)]
pub(super) fn result(regs: *const pt_regs) -> u64 {
    word(regs, MACHINE.result)
}

#[inline(always)]
pub(super) fn instruction_pointer(regs: *const pt_regs) -> u64 {
    word(regs, MACHINE.instruction)
}

#[inline(always)]
pub(super) fn stack_pointer(regs: *const pt_regs) -> u64 {
    word(regs, MACHINE.stack)
}

#[inline(always)]
pub(super) fn frame_pointer(regs: *const pt_regs) -> u64 {
    word(regs, MACHINE.frame)
}

/// A system call's argument by its number, from the registers of the process that makes it, which
/// the verifier knows nothing about.
#[inline(always)]
pub(super) fn call_argument(regs: *const pt_regs, number: usize) -> Result<u64, c_long> {
    demand_layout(regs);
    let Some(&at) = MACHINE.call.get(number) else {
        return Err(-EINVAL);
    };
    if number == 0 {
        first_of_call(regs)
    } else {
        at_byte(regs, at * 8)
    }
}

#[inline(always)]
fn first_of_call(regs: *const pt_regs) -> Result<u64, c_long> {
    use crate::kernel::Handle as _;
    let kernel = kernel_regs::<Probed>::from_ptr(regs);
    if cfg!(bpf_target_arch = "aarch64") {
        kernel.orig_x0()
    } else if cfg!(bpf_target_arch = "riscv64") {
        kernel.orig_a0()
    } else if cfg!(bpf_target_arch = "s390x") {
        kernel.orig_gpr2()
    } else {
        at_byte(regs, MACHINE.call[0] * 8)
    }
}

/// The register at an offset that the verifier need not know.
#[inline(always)]
pub(super) fn at_byte(regs: *const pt_regs, offset: usize) -> Result<u64, c_long> {
    // SAFETY: the kernel checks the address.
    unsafe { helpers::bpf_probe_read_kernel(regs.cast::<u64>().wrapping_byte_add(offset)) }
}

#[inline(always)]
fn word(regs: *const pt_regs, at: usize) -> u64 {
    demand_layout(regs);
    // SAFETY: the program was called with the registers; the verifier checks the bounds. Volatile
    // because several loads with variable numbers must not become one.
    unsafe { regs.cast::<u64>().add(at).read_volatile() }
}

/// What contexts have that are registers.
macro_rules! context_of_registers {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Debug)]
        #[repr(transparent)]
        pub struct $name {
            /// The registers, as they are on this architecture.
            pub(crate) regs: *mut pt_regs,
        }

        impl $name {
            /// Wraps the context that the kernel called the program with. The attribute does so.
            ///
            /// # Safety
            /// `ctx` must be that pointer, and there must be no other context made from it.
            #[inline(always)]
            pub unsafe fn new(ctx: *mut c_void) -> Self {
                Self { regs: ctx.cast() }
            }

            /// Where the program stands in the code.
            #[inline(always)]
            pub fn instruction_pointer(&self) -> u64 {
                registers::instruction_pointer(self.regs)
            }

            /// The register that points to the stack.
            #[inline(always)]
            pub fn stack_pointer(&self) -> u64 {
                registers::stack_pointer(self.regs)
            }

            /// The register that points to the frame of the function, in code that has frames.
            #[inline(always)]
            pub fn frame_pointer(&self) -> u64 {
                registers::frame_pointer(self.regs)
            }
        }

        // SAFETY: `new` was given the kernel's context.
        unsafe impl EbpfContext for $name {
            #[inline(always)]
            fn as_ptr(&self) -> *mut c_void {
                self.regs.cast()
            }
        }
    };
}
pub(super) use context_of_registers;

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::string::{String, ToString as _};
    use std::vec::Vec;

    /// The names of a structure's words, in the order of the kernel's headers.
    fn names(text: &str) -> Vec<String> {
        let mut names = Vec::new();
        for word in text.split_whitespace() {
            // `x0-x30`
            match word.split_once('-') {
                Some((first, last)) => {
                    let prefix = first.trim_end_matches(|c: char| c.is_ascii_digit());
                    let number = |text: &str| text[prefix.len()..].parse::<u32>().unwrap();
                    let all = number(first)..=number(last);
                    names.extend(all.map(|n| std::format!("{prefix}{n}")));
                }
                None => names.push(word.to_string()),
            }
        }
        names
    }

    fn check(machine: &Machine, layout: &str, arguments: &str, call: &str, others: [&str; 4]) {
        let layout = names(layout);
        let at = |name: &str| layout.iter().position(|word| word == name).unwrap();
        let all = |text: &str| names(text).iter().map(|name| at(name)).collect::<Vec<_>>();
        assert_eq!(machine.words, layout.len());
        assert_eq!(machine.arguments, all(arguments));
        assert_eq!(machine.call, all(call));
        let own = [
            machine.result,
            machine.instruction,
            machine.stack,
            machine.frame,
        ];
        assert_eq!(own, others.map(at));
    }

    #[test]
    fn layouts_are_those_of_the_kernels_headers() {
        // arch/x86/include/uapi/asm/ptrace.h: struct pt_regs
        check(
            &X86_64,
            "r15 r14 r13 r12 bp bx r11 r10 r9 r8 ax cx dx si di orig_ax ip cs flags sp ss",
            "di si dx cx r8 r9",
            "di si dx r10 r8 r9",
            ["ax", "ip", "sp", "bp"],
        );
        // arch/arm64/include/uapi/asm/ptrace.h: struct user_pt_regs
        check(
            &AARCH64,
            "x0-x30 sp pc pstate",
            "x0-x7",
            "x0-x5",
            ["x0", "pc", "sp", "x29"],
        );
        // arch/riscv/include/uapi/asm/ptrace.h: struct user_regs_struct
        check(
            &RISCV64,
            "pc ra sp gp tp t0-t2 s0 s1 a0-a7 s2-s11 t3-t6",
            "a0-a7",
            "a0-a5",
            ["a0", "pc", "sp", "s0"],
        );
        // arch/s390/include/uapi/asm/ptrace.h: user_pt_regs
        check(
            &S390X,
            "args psw_mask psw_addr r0-r15",
            "r2-r6",
            "r2-r7",
            ["r2", "psw_addr", "r15", "r11"],
        );
    }
}
