//! Attribute macros of `hachi-ebpf`, which re-exports them as `hachi_ebpf::macros`.
//!
//! Their output names no crate but `core`, so that `hachi-ebpf` may be renamed in a `Cargo.toml`.

mod args;
mod function;
mod kernel;
mod map;
mod program;
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

/// Makes a function a program for a tracepoint, with arguments whose types the verifier knows
/// (5.5).
///
/// ```ignore
/// #[btf_tracepoint(function = "sched_process_fork")]
/// pub fn forked(ctx: BtfTracePointContext) -> i32 {
///     0
/// }
/// ```
/// - `function = "…"`: the tracepoint, of those in `/sys/kernel/tracing/events`. Without it the user
///   side names it when it loads the program.
/// - `name = "…"`: the program's name, when it is not to be the function's.
///
/// What the function returns does not matter; it may return nothing. The section is
/// `tp_btf/TRACEPOINT`.
#[proc_macro_attribute]
pub fn btf_tracepoint(attribute: TokenStream, item: TokenStream) -> TokenStream {
    finish(
        program::expand(&program::BTF_TRACEPOINT, attribute, item.clone()),
        item,
    )
}

/// Makes a function a program for a tracepoint, with arguments as numbers (4.17).
///
/// ```ignore
/// #[raw_tracepoint(tracepoint = "sched_switch")]
/// pub fn switched(ctx: RawTracePointContext) -> i32 {
///     0
/// }
/// ```
/// - `tracepoint = "…"`: which one. Without it the user side names it when it attaches the program.
/// - `name = "…"`: the program's name, when it is not to be the function's.
///
/// What the function returns does not matter; it may return nothing. The section is
/// `raw_tracepoint/TRACEPOINT`.
#[proc_macro_attribute]
pub fn raw_tracepoint(attribute: TokenStream, item: TokenStream) -> TokenStream {
    finish(
        program::expand(&program::RAW_TRACEPOINT, attribute, item.clone()),
        item,
    )
}

/// Makes a function a program for a tracepoint, with the record that tracefs describes (4.7).
///
/// ```ignore
/// #[tracepoint(category = "sched", name = "sched_switch")]
/// pub fn switched(ctx: TracePointContext) -> u32 {
///     0
/// }
/// ```
/// - `category = "…"`, `name = "…"`: the directory and the name in `/sys/kernel/tracing/events`.
///   Without them the user side says it when it attaches the program; `name` alone is the program's
///   name.
///
/// What the function returns does not matter; it may return nothing. The section is
/// `tracepoint/CATEGORY/NAME`.
#[proc_macro_attribute]
pub fn tracepoint(attribute: TokenStream, item: TokenStream) -> TokenStream {
    finish(
        program::expand(&program::TRACEPOINT, attribute, item.clone()),
        item,
    )
}

/// Makes a function a program that runs when a function of the kernel is entered (5.5).
///
/// ```ignore
/// #[fentry(function = "tcp_connect")]
/// pub fn connecting(ctx: FEntryContext) -> i32 {
///     0
/// }
/// ```
/// - `function = "…"`: the kernel's function. Without it the user side names it when it loads the
///   program.
/// - `name = "…"`: the program's name, when it is not to be the function's.
/// - `sleepable`: the program may sleep, where the kernel's function may (5.10).
///
/// What the function returns does not matter; it may return nothing. The section is
/// `fentry/FUNCTION`, or `fentry.s/FUNCTION`.
#[proc_macro_attribute]
pub fn fentry(attribute: TokenStream, item: TokenStream) -> TokenStream {
    finish(
        program::expand(&program::FENTRY, attribute, item.clone()),
        item,
    )
}

/// Makes a function a program that runs when a function of the kernel returns (5.5).
///
/// ```ignore
/// #[fexit(function = "tcp_connect")]
/// pub fn connected(ctx: FExitContext) -> i32 {
///     0
/// }
/// ```
/// The arguments are those of [`macro@fentry`]; the section is `fexit/FUNCTION`, or
/// `fexit.s/FUNCTION`.
#[proc_macro_attribute]
pub fn fexit(attribute: TokenStream, item: TokenStream) -> TokenStream {
    finish(
        program::expand(&program::FEXIT, attribute, item.clone()),
        item,
    )
}

/// Makes a function a security hook: it returns 0 to allow, or a negative error to forbid (5.7).
///
/// ```ignore
/// #[lsm(hook = "file_open")]
/// pub fn opening(ctx: LsmContext) -> i32 {
///     0
/// }
/// ```
/// - `hook = "…"`: the hook, of those in `include/linux/lsm_hook_defs.h`. Without it the user side
///   names it when it loads the program.
/// - `name = "…"`: the program's name, when it is not to be the function's.
/// - `sleepable`: the program may sleep, where the hook may (5.10).
///
/// The kernel must run with `bpf` among its security modules (`lsm=…,bpf`). The section is `lsm/HOOK`,
/// or `lsm.s/HOOK`.
#[proc_macro_attribute]
pub fn lsm(attribute: TokenStream, item: TokenStream) -> TokenStream {
    finish(
        program::expand(&program::LSM, attribute, item.clone()),
        item,
    )
}

/// Makes a function a program that runs when the kernel comes to an instruction, usually the entry
/// of a function (4.1).
///
/// ```ignore
/// #[kprobe(function = "tcp_connect")]
/// pub fn connecting(ctx: ProbeContext) -> u32 {
///     0
/// }
/// ```
/// - `function = "…"`: the kernel's function. Without it the user side names it when it attaches the
///   program.
/// - `offset = …`: so many bytes behind its start.
/// - `name = "…"`: the program's name, when it is not to be the function's.
///
/// What the function returns does not matter; it may return nothing. The section is
/// `kprobe/FUNCTION`.
#[proc_macro_attribute]
pub fn kprobe(attribute: TokenStream, item: TokenStream) -> TokenStream {
    finish(
        program::expand(&program::KPROBE, attribute, item.clone()),
        item,
    )
}

/// Makes a function a program that runs when a function of the kernel returns (4.1).
///
/// ```ignore
/// #[kretprobe(function = "tcp_connect")]
/// pub fn connected(ctx: RetProbeContext) -> u32 {
///     0
/// }
/// ```
/// The arguments are those of [`macro@kprobe`], but `offset`. The section is `kretprobe/FUNCTION`.
#[proc_macro_attribute]
pub fn kretprobe(attribute: TokenStream, item: TokenStream) -> TokenStream {
    finish(
        program::expand(&program::KRETPROBE, attribute, item.clone()),
        item,
    )
}

/// Makes a function an iterator: it is called for each object of a kind, and what it writes is what
/// user space reads (5.8).
///
/// ```ignore
/// #[iter(target = "task")]
/// pub fn list(ctx: IterContext) -> i32 {
///     0
/// }
/// ```
/// - `target = "…"`: what is iterated over: `task`, `task_file`, `tcp`, `bpf_map` and others, a function
///   `bpf_iter_…` of the kernel each.
/// - `name = "…"`: the program's name, when it is not to be the function's.
/// - `sleepable`: the program may sleep (5.18).
///
/// The function returns 0, or 1 to be called for the same object again. The section is `iter/TARGET`,
/// or `iter.s/TARGET`.
#[proc_macro_attribute]
pub fn iter(attribute: TokenStream, item: TokenStream) -> TokenStream {
    finish(
        program::expand(&program::ITER, attribute, item.clone()),
        item,
    )
}

/// Makes a static a map.
///
/// ```ignore
/// #[map]
/// static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(4, 0);
/// ```
/// Its name is the static's, or with `#[map(name = "counters")]` the one given. The kernel shows
/// the first 15 bytes of it.
#[proc_macro_attribute]
pub fn map(attribute: TokenStream, item: TokenStream) -> TokenStream {
    finish(map::expand(attribute, item.clone()), item)
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
