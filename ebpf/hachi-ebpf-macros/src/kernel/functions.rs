//! Code for functions: those whose arguments programs get, and those that programs call.

use proc_macro::{Span, TokenStream, TokenTree};

use super::parse::{Function, Type};
use super::types::{scalar, with_library};
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
                    __0::kernel::Argument::from_argument(__0::kernel::Source::register(self.context, {number}))
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
                    __0::kernel::Argument::from_argument(__0::kernel::SourceOfResult::result(self.context, {count}))
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

/// A Rust function that calls the kernel's.
pub fn kfunc(library: &TokenStream, item: &Function) -> Result<TokenStream, Error> {
    let here = Span::mixed_site();
    let head = &item.head;
    let (mut params, mut signature) = (TokenStream::new(), String::from("fn("));
    // The verifier checks integers and handles; with other pointers it depends.
    let mut safe = true;
    for (name, ty) in &item.params {
        let ident = TokenTree::from(name.clone()).into();
        let ours = passed(library, ty, name.span())?;
        safe &= !matches!(ty, Type::Scalar(tokens) if is_pointer(tokens));
        params.extend(fill("__0: __1,", here, &[&ident, &ours]));
        signature.push_str(&format!("{name}:{},", spelled(ty)));
    }
    signature.push(')');
    let mut result: TokenStream = fill("()", here, &[]);
    let mut pointer = false;
    if let Some(ty) = &item.result {
        result = passed(library, ty, head.name.span())?;
        pointer = matches!(ty, Type::Pointer(_));
        signature.push_str(&format!("->{}", spelled(ty)));
    }
    let symbol = format!(
        "{}:{}:{signature}",
        if item.weak { "kfunc_weak" } else { "kfunc" },
        head.kernel_name
    );
    let name = TokenTree::from(head.name.clone()).into();
    let kind = match (safe, pointer) {
        (true, false) => "safe",
        (true, true) => "safe pointer",
        (false, false) => "unsafe",
        (false, true) => "unsafe pointer",
    };
    let mut made = fill(
        &format!("__0::__kfunc! {{ {kind} {symbol:?} [__1] [__2] __3 (__4) __5 }}"),
        here,
        &[
            library,
            &head.attributes,
            &head.visibility,
            &name,
            &params,
            &result,
        ],
    );
    if item.weak {
        // A type of the function's name; the two are in different namespaces.
        let question = format!("kfunc_exists:{}:{signature}", head.kernel_name);
        made.extend(fill(
            &format!(
                "#[doc(hidden)]
                #[allow(non_camel_case_types, dead_code)]
                __1 enum __2 {{}}
                #[allow(dead_code)]
                impl __2 {{
                    #[doc(hidden)]
                    #[inline(always)]
                    __1 fn exists() -> bool {{
                        __0::__question!({question:?}) != 0
                    }}
                }}"
            ),
            here,
            &[library, &head.visibility, &name],
        ));
    }
    Ok(made)
}

fn is_pointer(tokens: &TokenStream) -> bool {
    tokens.to_string().starts_with('*')
}

/// The type of an argument that the program passes.
fn passed(library: &TokenStream, ty: &Type, span: Span) -> Result<TokenStream, Error> {
    match ty {
        Type::Scalar(tokens) if is_pointer(tokens) => Ok(with_library(library, tokens)),
        Type::Scalar(_) | Type::Enum(_) => Ok(scalar(library, ty)),
        Type::Pointer(to) => Ok(fill("__0", Span::mixed_site(), &[to])),
        _ => Err(by_value(span)),
    }
}

/// A type as the linker reads it.
fn spelled(ty: &Type) -> String {
    match ty {
        Type::Scalar(tokens) => tokens.to_string(),
        Type::Enum(name) => format!("enum {name}"),
        Type::Pointer(to) => format!("*{to}"),
        _ => unreachable!("refused before"),
    }
}
