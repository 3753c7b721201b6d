//! The derive macros of `hachi_common`. Use them through that crate.

mod parse;
mod shareable;
mod tokens;

use proc_macro::{Span, TokenStream};

use parse::{Field, Item, Repr};
use tokens::{Error, fill};

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
    match parse::item(input).and_then(implement) {
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

fn implement(item: Item) -> Result<TokenStream, Error> {
    match item.repr {
        Repr::C | Repr::Packed | Repr::Transparent => {}
        Repr::Rust => {
            return Err(Error::new(
                item.name.span(),
                format!(
                    "`{}` needs `#[repr(C)]` to be `Pod`: without it the compiler may order the \
                     fields as it likes",
                    item.name
                ),
            ));
        }
    }
    let generic = !item.parameters.is_empty();
    if generic && item.repr == Repr::C {
        return Err(Error::new(
            item.name.span(),
            format!(
                "`{}` is generic, so whether it has padding depends on its parameters: `Pod` \
                 needs `#[repr(C, packed)]` or `#[repr(transparent)]` here",
                item.name
            ),
        ));
    }
    let mut code = TokenStream::new();
    let mut fields = fields(&item);
    if item.repr == Repr::C {
        fields.extend(no_padding(&item));
    }
    if generic {
        let bounds = item
            .fields
            .iter()
            .map(|field| fill("__0: __1,", field.span, &[&field.ty, &item.pod]))
            .collect();
        code.extend(fill(
            "#[automatically_derived] unsafe impl<__0> __1 for __2<__3> where __4 __5 { __6 }",
            Span::mixed_site(),
            &[
                &item.parameters,
                &item.pod,
                &item.name_tokens(),
                &item.arguments,
                &item.predicates,
                &bounds,
                &fields,
            ],
        ));
    } else {
        code.extend(fill(
            "#[automatically_derived] unsafe impl __0 for __1 { __2 }",
            Span::mixed_site(),
            &[&item.pod, &item.name_tokens(), &fields],
        ));
        for field in &item.fields {
            // The compiler names the function whose bound is not met.
            let check = format!(
                "the_field_{}_of_{}_must_be_pod",
                plain(&field.name),
                plain(&item.name.to_string())
            );
            code.extend(fill(
                &format!(
                    "const _: fn() = || {{ #[allow(non_snake_case)] fn {check}<T: __0>() \
                          {{}} {check}::<__1>() }};"
                ),
                field.span,
                &[&item.pod, &field.ty],
            ));
        }
        if item.repr == Repr::C {
            code.extend(fill(
                "const _: () = <__0 as __1>::__CHECKED;",
                item.name.span(),
                &[&item.name_tokens(), &item.pod],
            ));
        }
    }
    Ok(code)
}

/// The constant that tells the fields.
fn fields(item: &Item) -> TokenStream {
    let each = item
        .fields
        .iter()
        .map(|field| {
            let name = field.name.trim_start_matches("r#");
            fill(
                &format!(
                    "Self::Field {{ name: {name:?}, offset: ::core::mem::offset_of!(Self, \
                          __0), layout: <__1 as __2>::LAYOUT }},"
                ),
                field.span,
                &[&field.name_tokens(), &field.ty, &item.pod],
            )
        })
        .collect();
    fill(
        "const FIELDS: &'static [Self::Field] = &[__0];",
        Span::mixed_site(),
        &[&each],
    )
}

/// The constant that is none when there is padding: each field must end where the next one starts,
/// and the last with the struct.
fn no_padding(item: &Item) -> TokenStream {
    let mut checks = TokenStream::new();
    for (position, field) in item.fields.iter().enumerate() {
        let next = item.fields.get(position + 1);
        let next_name = next.map(Field::name_tokens).unwrap_or_default();
        let (next_place, next_text) = match next {
            Some(next) => (
                "::core::mem::offset_of!(Self, __2)",
                format!("::core::option::Option::Some({:?})", plain(&next.name)),
            ),
            None => (
                "::core::mem::size_of::<Self>()",
                "::core::option::Option::None".to_owned(),
            ),
        };
        checks.extend(fill(
            &format!(
                "<Self::Field>::no_padding({:?}, {:?}, \
                 ::core::mem::offset_of!(Self, __0) + ::core::mem::size_of::<__1>(), \
                 {next_place}, {next_text});",
                plain(&item.name.to_string()),
                plain(&field.name),
            ),
            field.span,
            &[&field.name_tokens(), &field.ty, &next_name],
        ));
    }
    fill(
        "const __CHECKED: () = { __0 };",
        Span::mixed_site(),
        &[&checks],
    )
}

/// A name as it is written in a message.
fn plain(name: &str) -> &str {
    name.trim_start_matches("r#")
}
