//! USDT: probes that authors of programs and libraries put there.
//!
//! The layouts and the maps' names are those of libbpf's `usdt.bpf.h`, by which loaders know such
//! programs.

use super::EbpfContext;
use super::registers::{self, context_of_registers, pt_regs};
use crate::cty::{c_long, c_void};
use crate::errno::{EINVAL, ESRCH};
use crate::helpers;
use crate::kernel::Argument;
use crate::maps::{Array, HashMap};
use crate::{Pod, Shared, enum_value_exists, field};

/// How many arguments a probe can have.
const ARGUMENTS: usize = 12;

/// How many kinds of places an object's programs can be attached to.
const SPECS: u32 = 256;

// These exist in an object only if it has programs that ask.

#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".maps"))]
#[allow(non_upper_case_globals, reason = "libbpf's name")]
static __bpf_usdt_specs: Array<Spec> = Array::with_max_entries(SPECS, 0);

/// For kernels without cookies: which record belongs to an address.
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".maps"))]
#[allow(non_upper_case_globals, reason = "libbpf's name")]
static __bpf_usdt_ip_to_spec_id: HashMap<u64, u32> = HashMap::with_max_entries(SPECS * 4, 0);

/// Where the arguments are at one kind of places.
#[derive(Clone, Copy)]
#[repr(C)]
struct Spec {
    arguments: [ArgumentSpec; ARGUMENTS],
    cookie: u64,
    count: u16,
    padding: [u16; 3],
}

/// Where one argument is.
#[derive(Clone, Copy)]
#[repr(C)]
struct ArgumentSpec {
    /// The constant, or what is added to the address.
    value: u64,
    /// 8 bits kind, 12 bits offset of the index register, 4 bits by which the index is shifted.
    kind: u32,
    /// Where in the registers it is.
    register: i16,
    signed: u8,
    /// How far to shift the argument to the left, and back.
    shift: u8,
}

// SAFETY: integers without padding.
unsafe impl Pod for Spec {}
// SAFETY: as above.
unsafe impl Pod for ArgumentSpec {}

/// In `ArgumentSpec::kind`.
const CONSTANT: u32 = 0;
const REGISTER: u32 = 1;
const MEMORY: u32 = 2;
const MEMORY_WITH_INDEX: u32 = 3;

impl ArgumentSpec {
    /// Kind, offset of the index register, shift of the index.
    #[inline(always)]
    fn parts(&self) -> (u32, usize, u32) {
        let (kind, index, scale) = if cfg!(target_endian = "big") {
            (self.kind >> 24, self.kind >> 12, self.kind >> 8)
        } else {
            (self.kind, self.kind >> 8, self.kind >> 20)
        };
        (kind & 0xff, (index & 0xfff) as usize, scale & 0xf)
    }

    #[inline(always)]
    fn get(&self, regs: *const pt_regs) -> Result<u64, c_long> {
        let (kind, index, scale) = self.parts();
        let register = || registers::at_byte(regs, self.register as u16 as usize);
        let address = match kind {
            CONSTANT => return Ok(self.cut(self.value)),
            REGISTER => return Ok(self.cut(register()?)),
            MEMORY => register()?,
            MEMORY_WITH_INDEX => {
                let index = registers::at_byte(regs, index)?;
                register()?.wrapping_add(index.wrapping_shl(scale))
            }
            _ => return Err(-EINVAL),
        };
        let address = address.wrapping_add(self.value) as usize as *const u64;
        // SAFETY: the kernel checks the address.
        let word = unsafe { helpers::bpf_probe_read_user::<u64>(address) }?;
        // The argument's bytes stand first.
        let low = if cfg!(target_endian = "big") {
            word.wrapping_shr(self.shift.into())
        } else {
            word
        };
        Ok(self.cut(low))
    }

    /// The low bytes that are the argument's, as 64 bits.
    #[inline(always)]
    fn cut(&self, word: u64) -> u64 {
        let left = word.wrapping_shl(self.shift.into());
        if self.signed != 0 {
            (left as i64).wrapping_shr(self.shift.into()) as u64
        } else {
            left.wrapping_shr(self.shift.into())
        }
    }
}

context_of_registers! {
    /// The registers at a USDT probe, and where the loader found its arguments to be (5.5; in
    /// position-independent code 5.15).
    ///
    /// ```
    /// use hachi_ebpf::macros::usdt;
    /// use hachi_ebpf::programs::UsdtContext;
    /// use hachi_ebpf::info;
    ///
    /// #[usdt]
    /// fn mark(ctx: UsdtContext) {
    ///     let first: Result<u64, i64> = ctx.arg(0);
    ///     info!(&ctx, "the first argument is {}", first.unwrap_or(0));
    /// }
    /// ```
    UsdtContext
}

impl UsdtContext {
    /// The argument number `n`, counted from 0, at most 11.
    ///
    /// The probe knows the argument's size and sign, whatever `T` is; pointers are to the process's
    /// memory (`bpf_probe_read_user`).
    ///
    /// # Errors
    /// `-EINVAL` when the probe has no such argument, `-EFAULT` when its memory is not there,
    /// `-ESRCH` when the loader knows nothing of USDT.
    #[inline(always)]
    pub fn arg<T: Argument>(&self, n: usize) -> Result<T, c_long> {
        let spec = self.spec()?;
        // The verifier looks at the number that is used.
        let n = crate::packet::opaque(n);
        if n >= field!(spec, count).get() as usize {
            return Err(-EINVAL);
        }
        let argument = field!(spec, arguments).at(n).ok_or(-EINVAL)?.get();
        argument.get(self.regs).map(T::from_argument)
    }

    /// How many arguments the probe has.
    ///
    /// # Errors
    /// `-ESRCH` when the loader knows nothing of USDT.
    #[inline(always)]
    pub fn arg_count(&self) -> Result<usize, c_long> {
        self.spec().map(|spec| field!(spec, count).get().into())
    }

    /// The number that user space gave when it attached the program (Hachi's `Usdt::attach`).
    ///
    /// # Errors
    /// `-ESRCH` when the loader knows nothing of USDT.
    #[inline(always)]
    pub fn cookie(&self) -> Result<u64, c_long> {
        self.spec().map(|spec| field!(spec, cookie).get())
    }

    #[inline(always)]
    fn spec(&self) -> Result<&'static Shared<Spec>, c_long> {
        let id = if enum_value_exists!(bpf_func_id::BPF_FUNC_get_attach_cookie) {
            // SAFETY: the context is the kernel's.
            unsafe { helpers::bpf_get_attach_cookie(self.as_ptr()) as u32 }
        } else {
            let address = self.instruction_pointer();
            __bpf_usdt_ip_to_spec_id.get(address).ok_or(-ESRCH)?
        };
        __bpf_usdt_specs.cell(id).ok_or(-ESRCH)
    }
}
