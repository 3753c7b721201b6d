//! Code for types: handles with an accessor for each field.

use proc_macro::{Ident, Span, TokenStream, TokenTree};

use super::parse::{Composite, Enum, Field, Head, Type, is_scalar};
use crate::tokens::fill;

/// Where fields are found from.
struct Around<'a> {
    library: &'a TokenStream,
    /// The kind and name of the type that questions start from: `struct:task_struct`.
    root: &'a str,
    /// Path to what contains the fields, with a dot at its end.
    prefix: &'a str,
    /// The handle's name, from which those of types without a name are made.
    name: &'a str,
    visibility: &'a TokenStream,
}

/// The type, and those inside it that have no name.
pub fn composite(library: &TokenStream, item: &Composite) -> TokenStream {
    let Head {
        attributes,
        visibility,
        name,
        kernel_name,
    } = &item.head;
    handle(
        &Around {
            library,
            root: &format!("{}:{kernel_name}", item.keyword),
            prefix: "",
            name: name.to_string().trim_start_matches("r#"),
            visibility,
        },
        attributes,
        name,
        &item.fields,
    )
}

fn handle(
    around: &Around,
    attributes: &TokenStream,
    name: &Ident,
    fields: &[Field],
) -> TokenStream {
    let (mut accessors, mut inner) = (TokenStream::new(), TokenStream::new());
    for field in fields {
        accessors.extend(accessor(around, field, &mut inner));
    }
    let name = TokenStream::from(TokenTree::from(name.clone()));
    fill(
        "__1
        #[allow(non_camel_case_types, dead_code)]
        #[derive(::core::clone::Clone, ::core::marker::Copy)]
        #[repr(transparent)]
        __2 struct __3<M: __0::kernel::Mode = __0::kernel::Direct> {
            at: M::Place,
        }
        impl<M: __0::kernel::Mode> __0::kernel::Handle for __3<M> {
            type Mode = M;
            type In<N: __0::kernel::Mode> = __3<N>;
            #[inline(always)]
            fn from_place(at: M::Place) -> Self {
                Self { at }
            }
            #[inline(always)]
            fn place(self) -> M::Place {
                self.at
            }
        }
        impl<M: __0::kernel::Mode> __0::kernel::Element<M> for __3<M> {
            type Out = Self;
            #[inline(always)]
            fn at(at: M::Place) -> Self {
                Self { at }
            }
        }
        impl<M: __0::kernel::Mode<Place = *const ::core::ffi::c_void>>
            ::core::convert::From<*const ::core::ffi::c_void> for __3<M>
        {
            #[inline(always)]
            fn from(at: *const ::core::ffi::c_void) -> Self {
                Self { at }
            }
        }
        #[allow(dead_code, non_snake_case)]
        impl<M: __0::kernel::Mode> __3<M> { __4 }
        __5",
        Span::mixed_site(),
        &[
            around.library,
            attributes,
            around.visibility,
            &name,
            &accessors,
            &inner,
        ],
    )
}

/// One field's accessor; code for the type that it may declare goes to `inner`.
fn accessor(around: &Around, field: &Field, inner: &mut TokenStream) -> TokenStream {
    let path = format!("{}{}", around.prefix, field.head.kernel_name);
    let leaf = leaf(&field.ty);
    let subject = match &field.bits {
        Some(bits) => format!("{}:{path}={leaf}/{bits}", around.root),
        None => format!("{}:{path}={leaf}", around.root),
    };
    let library = around.library;
    let here = Span::mixed_site();
    let ask = |kind: &str| format!("|ask| __0::__ask!(ask, {kind} {subject:?})");
    let (ty, body) = match &field.ty {
        Type::Scalar(_) | Type::Enum(_) => {
            let (function, kind) = match field.bits {
                Some(_) => ("bits", "bits"),
                None => ("value", "field"),
            };
            let ty = scalar(library, &field.ty);
            let body = format!("M::{function}::<__1>(self.at, {})", ask(kind));
            (
                fill("M::Value<__1>", here, &[library, &ty]),
                fill(&body, here, &[library, &ty]),
            )
        }
        Type::Pointer(to) => (
            fill("M::Pointer<__0<M>>", here, &[to]),
            fill(
                &format!("M::pointer(self.at, {})", ask("field")),
                here,
                &[library],
            ),
        ),
        Type::Named(name) => embedded("embedded", name, library, &ask("field")),
        Type::Anonymous(fields, span) => {
            let name = anonymous(around, field, fields, *span, &format!("{path}."), inner);
            embedded("within", &name, library, &ask("field"))
        }
        Type::Array(..) => array(around, field, &path, &subject, inner),
        Type::Reference { .. } => unreachable!("only parameters are references"),
    };
    let name = TokenStream::from(TokenTree::from(field.head.name.clone()));
    fill(
        "__0 #[inline(always)] __1 fn __2(self) -> __3 { __4 }",
        here,
        &[&field.head.attributes, around.visibility, &name, &ty, &body],
    )
}

/// The handle of an embedded structure, and how to get it.
fn embedded(
    how: &str,
    name: &TokenStream,
    library: &TokenStream,
    ask: &str,
) -> (TokenStream, TokenStream) {
    let here = Span::mixed_site();
    (
        fill("__0<M>", here, &[name]),
        fill(
            &format!("__0::kernel::Handle::from_place(M::{how}(self.at, {ask}))"),
            here,
            &[library],
        ),
    )
}

fn array(
    around: &Around,
    field: &Field,
    path: &str,
    subject: &str,
    inner: &mut TokenStream,
) -> (TokenStream, TokenStream) {
    let (library, here) = (around.library, Span::mixed_site());
    // An array of arrays is one of all their elements.
    let (mut of, mut count, mut first) = (&field.ty, String::from("1"), path.to_owned());
    while let Type::Array(element, n) = of {
        count.push_str(&format!(" * {n}"));
        first.push_str("[0]");
        of = element;
    }
    let (mut how, mut stride) = ("embedded", "M::stride(ask)".to_owned());
    let element = match of {
        Type::Pointer(to) => {
            stride = "8".to_owned();
            fill("__0::kernel::To<__1<M>>", here, &[library, to])
        }
        Type::Named(name) => fill("__0<M>", here, &[name]),
        Type::Anonymous(fields, span) => {
            how = "within";
            let name = anonymous(around, field, fields, *span, &format!("{first}."), inner);
            fill("__0<M>", here, &[&name])
        }
        of => {
            stride =
                "::core::mem::size_of::<<__1 as __0::kernel::Scalar>::Raw>() as u64".to_owned();
            scalar(library, of)
        }
    };
    let element_subject = format!("{}:{first}={}", around.root, leaf(of));
    let count: TokenStream = count.parse().expect("a product of numbers");
    (
        fill(
            "__0::kernel::Array<__1, { __2 }, M>",
            here,
            &[library, &element, &count],
        ),
        fill(
            &format!(
                "let ask = |ask| __0::__ask!(ask, array {subject:?}, {element_subject:?});
                __0::kernel::Array::new(M::{how}(self.at, ask), {stride})"
            ),
            here,
            &[library, &element],
        ),
    )
}

/// Declares a type that has no name, and gives it one.
fn anonymous(
    around: &Around,
    field: &Field,
    fields: &[Field],
    span: Span,
    prefix: &str,
    inner: &mut TokenStream,
) -> TokenStream {
    let own = field.head.name.to_string();
    let name = format!("{}_{}", around.name, own.trim_start_matches("r#"));
    let ident = Ident::new(&name, span);
    let documentation = format!(
        "The type of `{own}` in `{}`, which has no name of its own.",
        around.name
    );
    let attributes: TokenStream = format!("#[doc = {documentation:?}]")
        .parse()
        .expect("an attribute");
    inner.extend(handle(
        &Around {
            prefix,
            name: &name,
            ..*around
        },
        &attributes,
        &ident,
        fields,
    ));
    TokenTree::from(ident).into()
}

/// A scalar type as Rust has it. Pointers are `const`: what is read is only an address.
pub fn scalar(library: &TokenStream, ty: &Type) -> TokenStream {
    match ty {
        Type::Enum(name) => TokenTree::from(name.clone()).into(),
        Type::Scalar(tokens) => with_library(library, tokens)
            .into_iter()
            .map(|token| match &token {
                TokenTree::Ident(ident) if ident.to_string() == "mut" => {
                    TokenTree::from(Ident::new("const", ident.span()))
                }
                _ => token,
            })
            .collect(),
        _ => unreachable!("only scalars and enums are asked for"),
    }
}

/// A type with C's names as the library's.
fn with_library(library: &TokenStream, tokens: &TokenStream) -> TokenStream {
    tokens
        .clone()
        .into_iter()
        .map(|token| match &token {
            TokenTree::Ident(ident) if ident.to_string().starts_with("c_") => {
                let ident = TokenTree::from(ident.clone()).into();
                fill("__0::cty::__1", Span::mixed_site(), &[library, &ident])
            }
            _ => TokenStream::from(token),
        })
        .collect()
}

/// The kind of a type, as questions name it.
fn leaf(ty: &Type) -> String {
    match ty {
        Type::Scalar(tokens) => {
            let text = tokens.to_string();
            // What a pointer points to makes no difference.
            if text.starts_with('*') {
                "*".to_owned()
            } else {
                text
            }
        }
        // An enum without a name is declared by the integer it is.
        Type::Enum(name) if is_scalar(&name.to_string()) => "enum".to_owned(),
        Type::Enum(name) => format!("enum {name}"),
        Type::Pointer(_) => "*".to_owned(),
        Type::Named(_) | Type::Anonymous(..) => "struct".to_owned(),
        Type::Array(element, count) => format!("[{};{count}]", leaf(element)),
        Type::Reference { .. } => unreachable!("only parameters are references"),
    }
}

/// An enum as a number with names.
pub fn enumeration(library: &TokenStream, item: &Enum) -> TokenStream {
    let here = Span::mixed_site();
    let mut constants = TokenStream::new();
    for (attributes, name, value) in &item.variants {
        let name = TokenTree::from(name.clone()).into();
        constants.extend(fill(
            "__0 pub const __1: Self = Self(__2);",
            here,
            &[attributes, &name, value],
        ));
    }
    let name = TokenTree::from(item.head.name.clone()).into();
    fill(
        "__1
        #[allow(non_camel_case_types, dead_code)]
        #[derive(
            ::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug, ::core::cmp::PartialEq,
            ::core::cmp::Eq, ::core::cmp::PartialOrd, ::core::cmp::Ord, ::core::hash::Hash,
        )]
        #[repr(transparent)]
        __2 struct __3(pub __4);
        #[allow(non_upper_case_globals, dead_code)]
        impl __3 { __5 }
        unsafe impl __0::Pod for __3 {}
        impl __0::kernel::Scalar for __3 {
            type Raw = Self;
            #[inline(always)]
            fn from_raw(raw: Self) -> Self { raw }
        }
        impl __0::kernel::Bits for __3 {
            #[inline(always)]
            fn from_bits(at_left_end: u64, shift: u64) -> Self {
                Self(<__4 as __0::kernel::Bits>::from_bits(at_left_end, shift))
            }
        }
        impl __0::kernel::Step for __3 {
            type Out = Self;
            #[inline(always)]
            fn step(self) -> ::core::result::Result<Self, i64> { ::core::result::Result::Ok(self) }
        }
        impl<M: __0::kernel::Mode> __0::kernel::Element<M> for __3 {
            type Out = M::Value<Self>;
            #[inline(always)]
            fn at(at: M::Place) -> M::Value<Self> { M::value_here(at) }
        }
        impl __0::kernel::Argument for __3 {
            #[inline(always)]
            fn from_argument(register: u64) -> Self { Self(register as __4) }
        }
        impl __0::kernel::Outcome for __3 {
            #[inline(always)]
            fn into_register(self) -> u64 { self.0 as u64 }
        }",
        here,
        &[
            library,
            &item.head.attributes,
            &item.head.visibility,
            &name,
            &item.repr,
            &constants,
        ],
    )
}
