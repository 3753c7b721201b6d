//! Structures of functions: a trait with a method for each.

use proc_macro::{Span, TokenStream, TokenTree};

use super::functions::by_value;
use super::parse::{Function, Ops, Type};
use super::types::scalar;
use crate::tokens::{Error, fill};

/// The trait that `#[struct_ops]` wants implemented.
///
/// Every member has a default, because no implementation has all; the attribute looks at what was
/// written. Beside each function stands one that takes the kernel's arguments apart for it: here
/// all types are known, and what the library is called.
pub fn declaration(library: &TokenStream, item: &Ops) -> Result<TokenStream, Error> {
    let here = Span::mixed_site();
    let mut members = TokenStream::new();
    for (head, ty) in &item.data {
        let name = TokenTree::from(head.name.clone()).into();
        let ty = data(library, ty);
        members.extend(fill(
            "__0 const __1: __2 = unsafe { ::core::mem::zeroed() };",
            here,
            &[&head.attributes, &name, &ty?],
        ));
    }
    for function in &item.functions {
        members.extend(method(library, function)?);
    }
    let name = TokenTree::from(item.head.name.clone()).into();
    Ok(fill(
        "__0
        #[allow(
            non_camel_case_types, non_upper_case_globals, non_snake_case, dead_code,
            unused_variables, clippy::missing_safety_doc, clippy::too_many_arguments,
        )]
        __1 trait __2 { __3 }",
        here,
        &[
            &item.head.attributes,
            &item.head.visibility,
            &name,
            &members,
        ],
    ))
}

fn method(library: &TokenStream, function: &Function) -> Result<TokenStream, Error> {
    let here = Span::mixed_site();
    let (mut params, mut arguments) = (TokenStream::new(), TokenStream::new());
    for (number, (name, ty)) in function.params.iter().enumerate() {
        let ident = TokenTree::from(name.clone()).into();
        let ty = passed(library, ty, name.span())?;
        params.extend(fill("__0: __1,", here, &[&ident, &ty]));
        arguments.extend(fill(
            &format!("unsafe {{ __0::kernel::argument_at(context, {number}) }},"),
            here,
            &[library],
        ));
    }
    let result = match &function.result {
        Some(ty) => passed(library, ty, function.head.name.span())?,
        None => fill("()", here, &[]),
    };
    let name = TokenTree::from(function.head.name.clone()).into();
    Ok(fill(
        &format!(
            "__0 fn __1(__2) -> __3 {{ ::core::unimplemented!() }}
            #[doc(hidden)]
            #[inline(always)]
            unsafe fn {}(context: *const u64) -> u64 {{
                __4::kernel::Outcome::into_register(Self::__1(__5))
            }}",
            entry(&function.head.kernel_name)
        ),
        here,
        &[
            &function.head.attributes,
            &name,
            &params,
            &result,
            library,
            &arguments,
        ],
    ))
}

/// The name of the function that calls the one named `member` with arguments that the kernel gives.
pub fn entry(member: &str) -> String {
    format!("__called_{member}")
}

fn passed(library: &TokenStream, ty: &Type, span: Span) -> Result<TokenStream, Error> {
    match ty {
        Type::Scalar(_) | Type::Enum(_) => Ok(scalar(library, ty)),
        Type::Pointer(to) => Ok(to.clone()),
        _ => Err(by_value(span)),
    }
}

/// The type of a member that is not a function.
fn data(library: &TokenStream, ty: &Type) -> Result<TokenStream, Error> {
    match ty {
        Type::Scalar(_) | Type::Enum(_) => Ok(scalar(library, ty)),
        Type::Array(of, TokenTree::Literal(count)) => {
            let (of, count) = (data(library, of)?, TokenTree::from(count.clone()).into());
            Ok(fill("[__0; __1]", Span::mixed_site(), &[&of, &count]))
        }
        Type::Pointer(of) | Type::Named(of) => Err(unset(of)),
        Type::Anonymous(_, span) | Type::Reference { span, .. } => Err(Error::new(*span, UNSET)),
        Type::Array(_, count) => Err(Error::new(count.span(), UNSET)),
    }
}

const UNSET: &str = "members that programs set are integers, `bool`, enums, arrays of them and \
                     functions; leave others out";

fn unset(of: &TokenStream) -> Error {
    let span = of.clone().into_iter().next().map(|token| token.span());
    Error::new(span.unwrap_or(Span::call_site()), UNSET)
}
