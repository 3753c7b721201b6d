//! Code for functions whose arguments programs get.

use proc_macro::{Span, TokenStream, TokenTree};

use super::parse::{Function, Type};
use super::types::scalar;
use crate::tokens::{Error, fill};

/// A type with a method for each argument of the function, and one for its result.
pub fn arguments(library: &TokenStream, item: &Function) -> Result<TokenStream, Error> {
    let here = Span::mixed_site();
    let head = &item.head;
    let mut methods = TokenStream::new();
    for (number, (name, ty)) in item.params.iter().enumerate() {
        let ident = TokenTree::from(name.clone()).into();
        let ty = taken(library, ty, name.span())?;
        methods.extend(fill(
            &format!(
                "#[inline(always)]
                __1 fn __2(&self) -> __3 {{
                    __0::kernel::Argument::from_argument(
                        __0::kernel::Source::register(self.context, {number})
                    )
                }}"
            ),
            here,
            &[library, &head.visibility, &ident, &ty],
        ));
    }
    let mut result = TokenStream::new();
    if let Some(ty) = &item.result {
        let count = item.params.len();
        let ty = taken(library, ty, head.name.span())?;
        result = fill(
            &format!(
                "/// What the function has returned.
                #[inline(always)]
                __1 fn result(&self) -> __2 where S: __0::kernel::SourceOfResult {{
                    __0::kernel::Argument::from_argument(
                        __0::kernel::SourceOfResult::result(self.context, {count})
                    )
                }}"
            ),
            here,
            &[library, &head.visibility, &ty],
        );
    }
    let name = TokenTree::from(head.name.clone()).into();
    Ok(fill(
        "__1
        #[allow(non_camel_case_types, dead_code)]
        #[derive(::core::clone::Clone, ::core::marker::Copy)]
        __2 struct __3<'c, S: __0::kernel::Source> {
            context: &'c S,
        }
        #[allow(dead_code, non_snake_case)]
        impl<'c, S: __0::kernel::Source> __3<'c, S> {
            /// The arguments that a program was called with.
            #[inline(always)]
            __2 fn of(context: &'c S) -> Self {
                Self { context }
            }
            __4
            __5
        }",
        here,
        &[
            library,
            &head.attributes,
            &head.visibility,
            &name,
            &methods,
            &result,
        ],
    ))
}

/// The type of an argument that the kernel gives.
fn taken(library: &TokenStream, ty: &Type, span: Span) -> Result<TokenStream, Error> {
    match ty {
        Type::Scalar(_) | Type::Enum(_) => Ok(scalar(library, ty)),
        Type::Pointer(to) => Ok(fill(
            "__1<<S as __0::kernel::Source>::Mode>",
            Span::mixed_site(),
            &[library, to],
        )),
        _ => Err(by_value(span)),
    }
}

pub fn by_value(span: Span) -> Error {
    Error::new(
        span,
        "arguments and results are integers, `bool`, enums and pointers",
    )
}
