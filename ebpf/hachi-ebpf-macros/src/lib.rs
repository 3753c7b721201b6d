//! Attribute macros of `hachi-ebpf`, which re-exports them as `hachi_ebpf::macros`.
//!
//! Their output names no crate but `core`, so that `hachi-ebpf` may be renamed in a `Cargo.toml`.

mod args;
mod extension;
mod function;
mod kernel;
mod log;
mod map;
mod network;
mod program;
mod struct_ops;
mod tokens;
mod xdp;

use proc_macro::TokenStream;

use tokens::Error;

/// Makes a function an XDP program: the function is called for each packet that an interface
/// receives, and returns what becomes of it.
///
/// ```ignore
/// #[xdp]
/// pub fn firewall(ctx: XdpContext) -> u32 {
///     xdp_action::XDP_PASS
/// }
/// ```
/// The function takes the context and returns an action (`u32`); it may be `unsafe`. It remains an
/// ordinary function as well, which tests may call.
///
/// - `#[xdp(name = "filter")]`: the program's name, when it is not to be the function's.
/// - `#[xdp(frags)]`: the program takes packets of several buffers (5.18).
/// - `#[xdp(map = "devmap")]` or `"cpumap"`: the program is for an entry of such a map (5.8, 5.9).
///
/// The section is `xdp`, `xdp.frags`, `xdp/devmap`, `xdp.frags/devmap` and so on, as libbpf has
/// them.
#[proc_macro_attribute]
pub fn xdp(attribute: TokenStream, item: TokenStream) -> TokenStream {
    finish(xdp::expand(attribute, item.clone()), item)
}

/// Attributes of programs, each a row of a table in a module here.
macro_rules! attributes {
    ($($(#[$documentation:meta])* $name:ident = $module:ident::$kind:ident;)*) => { $(
        $(#[$documentation])*
        #[proc_macro_attribute]
        pub fn $name(attribute: TokenStream, item: TokenStream) -> TokenStream {
            finish($module::expand(&$module::$kind, attribute, item.clone()), item)
        }
    )* };
}

// The compiler wants these functions in this very module.
include!("attributes/tracing.rs");
include!("attributes/network.rs");

/// Makes a function a replacement for a global function of another loaded program (5.6).
///
/// ```ignore
/// #[extension(function = "verdict")]
/// pub fn verdict_of_today(ctx: XdpContext, port: u32) -> u32 {
///     port & 1
/// }
/// ```
/// Arguments and result are those of the other function: integers, and contexts of its program.
///
/// - `function = "…"`: the function to be replaced, which may also be the other program itself.
///   Without it the user side names it when it loads the program.
/// - `name = "…"`: the program's name, when it is not to be the function's.
///
/// The section is `freplace/FUNCTION`. A function can be replaced if it is global (in Rust
/// `#[unsafe(no_mangle)] extern "C"`) and the verifier looks at it by itself.
#[proc_macro_attribute]
pub fn extension(attribute: TokenStream, item: TokenStream) -> TokenStream {
    finish(extension::expand(attribute, item.clone()), item)
}

/// Makes the methods of an implementation programs that the kernel calls through a structure of
/// functions (5.6): a congestion control for TCP, a scheduler (6.12), a queueing discipline (6.16).
///
/// ```ignore
/// kernel_types! {
///     pub struct sock {}
///     /// As `hachi bindgen struct_ops:tcp_congestion_ops` writes it.
///     pub trait tcp_congestion_ops {
///         const name: [u8; 16];
///         fn ssthresh(sk: *mut sock) -> u32;
///         fn cong_avoid(sk: *mut sock, ack: u32, acked: u32);
///         fn undo_cwnd(sk: *mut sock) -> u32;
///     }
/// }
///
/// struct Careful;
///
/// #[struct_ops]
/// impl tcp_congestion_ops for Careful {
///     const name: [u8; 16] = c_chars("careful");
///     fn ssthresh(_sk: sock) -> u32 {
///         2
///     }
///     fn cong_avoid(_sk: sock, _ack: u32, _acked: u32) {}
///     fn undo_cwnd(_sk: sock) -> u32 {
///         2
///     }
/// }
/// ```
/// The trait is one of those that `kernel_types!` declares; its name is that of the kernel's
/// structure. Members that the implementation leaves out are null in the kernel's structure, which
/// may have others. Arguments are handles, read without `unsafe`, and methods are ordinary
/// functions as well, which tests may call.
///
/// - `#[struct_ops(name = "careful")]`: the name of the structure in the object, by which the user
///   side finds it (`Ebpf::struct_ops`), when it is not to be the type's. Programs are called by
///   that name, `_`, and the member's.
/// - `#[struct_ops(no_link)]`: it is registered for as long as its map has it, not by a link; for
///   kernels before 6.4. (The section is `.struct_ops` rather than `.struct_ops.link`.)
/// - `#[sleepable]` before a method: the program may sleep, where the kernel's function may (6.3).
#[proc_macro_attribute]
pub fn struct_ops(attribute: TokenStream, item: TokenStream) -> TokenStream {
    finish(struct_ops::expand(attribute, item.clone()), item)
}

/// Declares functions of the kernel (kfuncs), or of its modules, for programs to call.
///
/// ```ignore
/// kernel_types! {
///     struct task_struct { pid: i32 }
///     struct xdp_md {}
/// }
///
/// #[kfunc]
/// extern "C" {
///     fn bpf_task_from_pid(pid: i32) -> *mut task_struct;
///     fn bpf_task_release(task: *mut task_struct);
///     /// Not every kernel has it.
///     #[weak]
///     fn bpf_xdp_metadata_rx_timestamp(ctx: *const xdp_md, timestamp: &mut u64) -> i32;
/// }
/// ```
/// Names and types are the kernel's; loaders look for both in its BTF, and in that of its modules.
/// The block may also be `unsafe extern "C"`. `hachi bindgen kfunc:NAME` writes the declaration.
///
/// | declared | called with |
/// | --- | --- |
/// | integers, `bool`, `enum NAME` | the same |
/// | `*const T`, `*mut T`, for `T` of `kernel_types!` | a handle, `T`; as a result `Option<T>` |
/// | `&T`, `&mut T` | the program's memory: an integer, a `#[repr(C)]` type, an array |
/// | `*const u32`, `*mut c_void` and the like | a raw pointer |
///
/// A context is passed as a handle: `xdp_md::from_ptr(ctx.as_ptr())`. What the verifier checks is
/// safe to call; functions with raw pointers are `unsafe`, and such that may write to a structure
/// (`&mut T`), because the compiler does not know whether all bytes make a `T`. `safe fn` says that
/// they do.
///
/// - `#[weak]` before a function, or `#[kfunc(weak)]` for all: the program loads where the kernel
///   does not have it, if `kfunc_exists!(NAME)` keeps it from calling it there.
/// - `#[name = "…"]` before a function: what the kernel calls it.
///
/// Kernel functions take a licence compatible with the GPL, and kernel 5.13, for most programs 6.0.
#[proc_macro_attribute]
pub fn kfunc(attribute: TokenStream, item: TokenStream) -> TokenStream {
    kernel::expand_kfunc(attribute, item).unwrap_or_else(Error::into_compile_error)
}

/// Makes a static a map.
///
/// ```ignore
/// #[map]
/// static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(4, 0);
/// ```
/// Its name is the static's, or with `#[map(name = "counters")]` the one given. The kernel shows
/// the first 15 bytes of it. A `static mut`, as in programs written for Aya, is made a plain one.
#[proc_macro_attribute]
pub fn map(attribute: TokenStream, item: TokenStream) -> TokenStream {
    finish(map::expand(attribute, item.clone()), item)
}

/// Puts the variables named in a log message's format behind it; see `hachi_ebpf::log`.
#[doc(hidden)]
#[proc_macro]
pub fn __log_inline(input: TokenStream) -> TokenStream {
    log::expand(input).unwrap_or_else(Error::into_compile_error)
}

/// Declares types and functions of the kernel: what `hachi_ebpf::kernel_types!` expands to.
#[doc(hidden)]
#[proc_macro]
pub fn __kernel_types(input: TokenStream) -> TokenStream {
    kernel::expand(input).unwrap_or_else(Error::into_compile_error)
}

/// The expansion; or the error and the item as it was, so that the compiler does not complain of
/// its absence as well.
fn finish(expansion: Result<TokenStream, Error>, item: TokenStream) -> TokenStream {
    expansion.unwrap_or_else(|error| {
        let mut tokens = error.into_compile_error();
        tokens.extend(item);
        tokens
    })
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
