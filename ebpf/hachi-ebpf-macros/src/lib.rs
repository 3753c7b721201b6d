//! Attribute macros of `hachi-ebpf`, which re-exports them as `hachi_ebpf::macros`.
//!
//! Their output names no crate but `core`, so that `hachi-ebpf` may be renamed in a `Cargo.toml`.

mod args;
mod function;
mod map;
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

/// The expansion; or the error and the item as it was, so that the compiler does not complain of
/// its absence as well.
fn finish(expansion: Result<TokenStream, Error>, item: TokenStream) -> TokenStream {
    expansion.unwrap_or_else(|error| {
        let mut tokens = error.into_compile_error();
        tokens.extend(item);
        tokens
    })
}
