//! The derive macro of `hachi_common::Pod`. Use it through that crate.

mod parse;
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
/// Padding, here 4 bytes before `bytes`:
/// ```compile_fail
/// # use hachi_common::Pod;
/// #[derive(Clone, Copy, Pod)]
/// #[repr(C)]
/// struct Counter {
///     packets: u32,
///     bytes: u64,
/// }
/// ```
/// A field that does not accept every bit pattern:
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
                "`{}` is generic, so whether it has padding depends on its parameters: `Pod` needs \
                 `#[repr(C, packed)]` or `#[repr(transparent)]` here",
                item.name
            ),
        ));
    }
    let mut code = TokenStream::new();
    let fields = fields(&item);
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
                field.name.trim_start_matches("r#"),
                item.name.to_string().trim_start_matches("r#")
            );
            code.extend(fill(
                &format!(
                    "const _: fn() = || {{ #[allow(non_snake_case)] fn {check}<T: __0>() {{}} \
                          {check}::<__1>() }};"
                ),
                field.span,
                &[&item.pod, &field.ty],
            ));
        }
        if item.repr == Repr::C {
            code.extend(no_padding(&item));
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

/// Assertions that each field starts where the one before it ends, and that the last ends with the
/// struct.
fn no_padding(item: &Item) -> TokenStream {
    let name = item.name_tokens();
    let mut code = TokenStream::new();
    let mut before: Option<&Field> = None;
    for field in &item.fields {
        // The first field of a `repr(C)` struct is always at 0.
        if let Some(before) = before {
            code.extend(assertion(
                "::core::mem::offset_of!(__0, __1) == ::core::mem::offset_of!(__0, __2) + \
                 ::core::mem::size_of::<__3>()",
                field.span,
                &[
                    &name,
                    &field.name_tokens(),
                    &before.name_tokens(),
                    &before.ty,
                ],
                &format!(
                    "there is padding between the fields `{}` and `{}` of `{}`, so it is not \
                     `Pod`: put wider fields first, or add a field there",
                    before.name, field.name, item.name
                ),
            ));
        }
        before = Some(field);
    }
    if let Some(last) = before {
        code.extend(assertion(
            "::core::mem::size_of::<__0>() == ::core::mem::offset_of!(__0, __1) + \
             ::core::mem::size_of::<__2>()",
            last.span,
            &[&name, &last.name_tokens(), &last.ty],
            &format!(
                "there is padding at the end of `{}`, after its field `{}`, so it is not `Pod`: \
                 add a field that fills it",
                item.name, last.name
            ),
        ));
    }
    code
}

fn assertion(condition: &str, span: Span, args: &[&TokenStream], message: &str) -> TokenStream {
    fill(
        &format!("const _: () = ::core::assert!({condition}, {message:?});"),
        span,
        args,
    )
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
