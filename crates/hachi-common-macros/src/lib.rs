//! The derive macros of `hachi_common`. Use them through that crate.

mod map_value;
mod parse;
mod pod;
mod shareable;
mod tokens;

use proc_macro::TokenStream;

/// Implements `Pod` for a struct, after checking that it is plain data.
///
/// The struct must be `Copy` and `#[repr(C)]` (also `packed` or with an `align`) or
/// `#[repr(transparent)]`; each field must be `Pod` itself, and there must be no padding. What is
/// wrong is a compile error at the field in question.
///
/// ```
/// use hachi_common::Pod;
///
/// #[derive(Clone, Copy, Pod)]
/// #[repr(C)]
/// struct Event {
///     source: [u8; 4],
///     port: u16,
///     verdict: u8,
///     unused: u8, // Without it there would be a byte of padding.
/// }
/// ```
///
/// Padding, here 4 bytes before `bytes` (the error says how many there are, after which field):
/// ```compile_fail
/// # use hachi_common::Pod;
/// #[derive(Clone, Copy, Pod)]
/// #[repr(C)]
/// struct Counter {
///     packets: u32,
///     bytes: u64,
/// }
/// ```
/// A field that does not accept every bit pattern (`Stored<bool>` does):
/// ```compile_fail
/// # use hachi_common::Pod;
/// #[derive(Clone, Copy, Pod)]
/// #[repr(C)]
/// struct Setting {
///     on: bool,
/// }
/// ```
/// A layout that is the compiler's choice:
/// ```compile_fail
/// # use hachi_common::Pod;
/// #[derive(Clone, Copy, Pod)]
/// struct Port(u16);
/// ```
///
/// # Generic structs
/// Whether a generic struct has padding depends on its parameters, so it must rule padding out
/// itself: `#[repr(C, packed)]` or `#[repr(transparent)]`.
/// ```
/// # use hachi_common::Pod;
/// #[derive(Clone, Copy, Pod)]
/// #[repr(C, packed)]
/// struct Tagged<T> {
///     tag: u32,
///     value: T,
/// }
/// ```
///
/// # Which trait
/// The macro says `Pod`, whatever that is where it stands: import the two together (`use
/// hachi_common::Pod`, or from a crate that passes them on), under any name of the crate. Where
/// that is not possible, give the path:
/// ```
/// mod shared {
///     pub use hachi_common::*;
/// }
///
/// #[derive(Clone, Copy, shared::Pod)]
/// #[repr(transparent)]
/// #[pod(crate = shared)]
/// struct Id(u32);
/// ```
#[proc_macro_derive(Pod, attributes(pod))]
pub fn derive_pod(input: TokenStream) -> TokenStream {
    match parse::item(input, &parse::POD).and_then(pod::implement) {
        Ok(code) => code,
        Err(error) => error.into_compile_error(),
    }
}

/// Implements `Shareable` for an enum without data: it is stored as the integer of its `repr`, and
/// reading it gives `None` for a number that is not a variant.
///
/// ```
/// use hachi_common::Shareable;
///
/// #[derive(Clone, Copy, Debug, PartialEq, Shareable)]
/// #[repr(u32)]
/// enum Action {
///     Pass = 2,
///     Drop = 1,
///     Log = 1 << 31,
/// }
///
/// assert_eq!(Action::from_bits(1), Some(Action::Drop));
/// assert_eq!(Action::from_bits(0), None);
/// ```
///
/// Without an integer as its `repr`, the compiler may choose any:
/// ```compile_fail
/// # use hachi_common::Shareable;
/// #[derive(Clone, Copy, Shareable)]
/// enum Action { Pass, Drop }
/// ```
/// A variant with data:
/// ```compile_fail
/// # use hachi_common::Shareable;
/// #[derive(Clone, Copy, Shareable)]
/// #[repr(u8)]
/// enum Action { Pass, Redirect(u32) }
/// ```
#[proc_macro_derive(Shareable, attributes(shareable))]
pub fn derive_shareable(input: TokenStream) -> TokenStream {
    match parse::enumeration(input) {
        Ok(item) => shareable::implement(&item),
        Err(error) => error.into_compile_error(),
    }
}

/// Implements `MapValue` for a struct that is used in place, by several at once: of atomic numbers,
/// locks, timers, `Shared` cells and other such structs.
///
/// The struct must be `#[repr(C)]`, each field must be such a type, or an array of one, and there
/// must be no padding. What is wrong is a compile error at the field in question.
///
/// ```
/// use hachi_common::{MapValue, Shared};
///
/// #[derive(MapValue)]
/// #[repr(C)]
/// struct Flow {
///     packets: Shared<u64>,
///     ports: [Shared<u16>; 4],
/// }
/// ```
/// A field that is read and written as if nobody else did:
/// ```compile_fail
/// # use hachi_common::MapValue;
/// #[derive(MapValue)]
/// #[repr(C)]
/// struct Flow {
///     packets: u64,
/// }
/// ```
#[proc_macro_derive(MapValue, attributes(mapvalue))]
pub fn derive_map_value(input: TokenStream) -> TokenStream {
    match parse::item(input, &parse::MAP_VALUE).and_then(|item| map_value::implement(&item)) {
        Ok(code) => code,
        Err(error) => error.into_compile_error(),
    }
}
