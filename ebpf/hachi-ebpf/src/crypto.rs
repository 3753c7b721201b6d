//! Encrypting and decrypting packets and values of maps with the kernel's ciphers (6.11).
//!
//! A [`syscall`](crate::macros::syscall) program makes the state of a cipher and puts it into a
//! [`KPtr`](crate::KPtr); XDP and TC programs take a reference out and use it.
//! ```
//! use hachi_ebpf::crypto::{Cipher, CryptoParams, bpf_crypto_ctx};
//! use hachi_ebpf::{Counted, DynptrSlot, KPtr, MapValue, macros::map, maps::Array};
//! use hachi_ebpf::{programs::TcContext, sync::rcu_read_lock};
//!
//! #[derive(MapValue)]
//! #[repr(C)]
//! struct Ciphers {
//!     aes: KPtr<bpf_crypto_ctx>,
//! }
//!
//! #[map]
//! static CIPHERS: Array<Ciphers> = Array::with_max_entries(1, 0);
//!
//! /// Run once, by a `#[syscall]` program.
//! fn make(key: [u8; 16]) -> Result<(), i64> {
//!     let cipher = Cipher::create(&CryptoParams::new("skcipher", "ecb(aes)", &key))?;
//!     CIPHERS.get(0).ok_or(-1)?.aes.swap(Some(cipher));
//!     Ok(())
//! }
//!
//! /// Sixteen bytes of a packet.
//! fn hide(ctx: &mut TcContext) -> Result<(), i64> {
//!     let cipher = CIPHERS.get(0).ok_or(-1)?;
//!     let _lock = rcu_read_lock();
//!     let cipher = cipher.aes.get().ok_or(-2)?;
//!     let (mut slot, mut part) = (DynptrSlot::new(), DynptrSlot::new());
//!     let packet = ctx.dynptr(&mut slot)?;
//!     cipher.encrypt_in_place(packet.part_mut(42..58, &mut part)?)
//! }
//! ```

use crate::cty::{c_long, c_void};
use crate::errno::ENOSYS;
use crate::kernel::Handle;
use crate::{AnyDynptr, Owned, helpers};

crate::kernel_types! {
    /// The state of a cipher: `struct bpf_crypto_ctx` (6.10). [`Cipher`] owns a reference to one.
    pub struct bpf_crypto_ctx {}
}

crate::counted! {
    bpf_crypto_ctx: bpf_crypto_ctx_acquire, bpf_crypto_ctx_release;
}

/// A reference to the state of a cipher, given back when it is dropped (6.10).
pub type Cipher = Owned<bpf_crypto_ctx>;

/// Which cipher, and its key: `struct bpf_crypto_params`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct CryptoParams {
    kind: [u8; 14],
    reserved: [u8; 2],
    algorithm: [u8; 128],
    key: [u8; 256],
    key_len: u32,
    authsize: u32,
}

impl CryptoParams {
    /// A kind of algorithm (`skcipher`), the algorithm as the kernel calls it (`ecb(aes)`, as in
    /// `/proc/crypto`), and a key.
    ///
    /// # Panics
    /// When one of the names is too long for its field, 13 and 127 bytes, or the key, 256 bytes: as
    /// these are mostly constants, when the program is compiled.
    #[inline(always)]
    pub const fn new<const N: usize>(kind: &str, algorithm: &str, key: &[u8; N]) -> Self {
        const { assert!(N <= 256, "a key has at most 256 bytes") };
        let mut params = CryptoParams {
            kind: [0; 14],
            reserved: [0; 2],
            algorithm: [0; 128],
            key: [0; 256],
            key_len: N as u32,
            authsize: 0,
        };
        put(&mut params.kind, kind.as_bytes(), true);
        put(&mut params.algorithm, algorithm.as_bytes(), true);
        put(&mut params.key, key, false);
        params
    }
}

/// Puts bytes at the beginning of zeros, of which one is left if there must be an end.
#[inline(always)]
const fn put<const N: usize>(to: &mut [u8; N], from: &[u8], has_end: bool) {
    assert!(from.len() + has_end as usize <= N, "the name is too long");
    let mut i = 0;
    while i < from.len() {
        to[i] = from[i];
        i += 1;
    }
}

impl Cipher {
    /// A cipher with its key (`bpf_crypto_ctx_create`, 6.10). For `#[syscall]` programs alone.
    ///
    /// # Errors
    /// `-EINVAL` for an algorithm or key that is none, `-ENOENT` where the kernel lacks the
    /// algorithm, `-ENOMEM`; `-ENOSYS` without a kernel.
    #[inline(always)]
    pub fn create(params: &CryptoParams) -> Result<Cipher, c_long> {
        let mut copy = *params;
        let mut error = -(ENOSYS as i32);
        let (from, size): (*mut c_void, u32) =
            ((&raw mut copy).cast(), size_of::<CryptoParams>() as u32);
        let to = &raw mut error;
        // SAFETY: the parameters are there, and a place for the error.
        let made = crate::__call_kfunc!([unsafe]
            "kfunc:bpf_crypto_ctx_create:fn(*bpf_crypto_params, u32, *i32) -> *bpf_crypto_ctx",
            (from: *mut c_void, size: u32, to: *mut i32) *const c_void);
        if made.is_null() {
            return Err(error.into());
        }
        Ok(Owned::new(bpf_crypto_ctx::from_ptr(made)))
    }
}

type Ptr = *mut c_void;

/// Calls one of the two kernel functions; `iv` is null or a dynptr.
macro_rules! call {
    ($kfunc:literal, $cipher:expr, $from:expr, $to:expr, $iv:expr) => {{
        let (cipher, from, to, iv): (_, Ptr, Ptr, Ptr) = ($cipher.as_ptr(), $from, $to, $iv);
        // SAFETY: these are dynptrs, the last may be null; the ciphers of the kernel work in place.
        helpers::check(crate::__call_kfunc!([unsafe] $kfunc,
            (cipher: *const c_void, from: Ptr, to: Ptr, iv: Ptr) i32).into())
    }};
}

macro_rules! crypt {
    ($($(#[$doc:meta])* $name:ident $in_place:ident $with_iv:ident $in_place_with_iv:ident
        = $kfunc:literal;)*) => {
        impl bpf_crypto_ctx { $(
            $(#[$doc])*
            #[inline(always)]
            pub fn $name(
                self,
                from: &impl AnyDynptr,
                to: &mut impl AnyDynptr,
            ) -> Result<(), c_long> {
                let (from, to) = (from.as_dynptr().cast(), to.as_dynptr().cast());
                call!($kfunc, self, from, to, core::ptr::null_mut())
            }

            /// The same, where the data lies.
            ///
            /// # Errors
            #[doc = concat!("As of [`", stringify!($name), "`](Self::", stringify!($name), ").")]
            #[inline(always)]
            pub fn $in_place(self, data: &mut impl AnyDynptr) -> Result<(), c_long> {
                let data = data.as_dynptr().cast();
                call!($kfunc, self, data, data, core::ptr::null_mut())
            }

            #[doc = concat!("As [`", stringify!($name), "`](Self::", stringify!($name), "),")]
            /// for ciphers with an initialisation vector, such as `cbc(aes)`: `iv` has its length,
            /// and afterwards the vector to go on with.
            ///
            /// # Errors
            #[doc = concat!("As of [`", stringify!($name), "`](Self::", stringify!($name), "),")]
            /// and `-EINVAL` for a vector of another length.
            #[inline(always)]
            pub fn $with_iv(
                self,
                from: &impl AnyDynptr,
                to: &mut impl AnyDynptr,
                iv: &mut impl AnyDynptr,
            ) -> Result<(), c_long> {
                let (from, to) = (from.as_dynptr().cast(), to.as_dynptr().cast());
                call!($kfunc, self, from, to, iv.as_dynptr().cast())
            }

            /// The same, where the data lies.
            ///
            /// # Errors
            #[doc = concat!(
                "As of [`", stringify!($with_iv), "`](Self::", stringify!($with_iv), ")."
            )]
            #[inline(always)]
            pub fn $in_place_with_iv(
                self,
                data: &mut impl AnyDynptr,
                iv: &mut impl AnyDynptr,
            ) -> Result<(), c_long> {
                let data = data.as_dynptr().cast();
                call!($kfunc, self, data, data, iv.as_dynptr().cast())
            }
        )* }
    };
}

crypt! {
    /// Encrypts all of `from` into the beginning of `to` (`bpf_crypto_encrypt`, 6.11).
    ///
    /// # Errors
    /// `-EINVAL` when `to` is shorter, may not be written, the length is no multiple of the
    /// cipher's block size, or the cipher has an initialisation vector.
    encrypt encrypt_in_place encrypt_with_iv encrypt_in_place_with_iv =
        "kfunc:bpf_crypto_encrypt:\
         fn(*bpf_crypto_ctx, *bpf_dynptr, *bpf_dynptr, *bpf_dynptr) -> i32";

    /// Decrypts all of `from` into the beginning of `to` (`bpf_crypto_decrypt`, 6.11).
    ///
    /// # Errors
    /// `-EINVAL` when `to` is shorter, may not be written, the length is no multiple of the
    /// cipher's block size, or the cipher has an initialisation vector.
    decrypt decrypt_in_place decrypt_with_iv decrypt_in_place_with_iv =
        "kfunc:bpf_crypto_decrypt:\
         fn(*bpf_crypto_ctx, *bpf_dynptr, *bpf_dynptr, *bpf_dynptr) -> i32";
}
