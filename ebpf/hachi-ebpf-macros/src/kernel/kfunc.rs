//! Code for functions of the kernel that programs call: `#[kfunc]`, and `kfunc` in `kernel_types!`.
//!
//! What is written here names nothing of the library, whose name an attribute cannot know.

use proc_macro::{Ident, Span, TokenStream, TokenTree};

use super::functions::by_value;
use super::parse::{self, Function, Type, is_scalar};
use crate::args;
use crate::tokens::{Error, fill, is_ident, is_punct};

/// How many arguments a function of the kernel takes at most: those that fit registers.
const MAX_PARAMS: usize = 5;

/// Expands `#[kfunc]` on a block of functions.
pub fn expand(attribute: TokenStream, item: TokenStream) -> Result<TokenStream, Error> {
    let mut weak = false;
    for arg in args::parse(attribute)? {
        if arg.key.to_string() != "weak" {
            return Err(Error::new(arg.key.span(), "`#[kfunc]` knows `weak`"));
        }
        arg.flag()?;
        weak = true;
    }
    let mut code = TokenStream::new();
    for mut function in parse::extern_block(item)? {
        function.weak |= weak;
        // One that is wrong does not hide the others.
        code.extend(declare(&function).unwrap_or_else(Error::into_compile_error));
    }
    Ok(code)
}

/// A type on its way to the kernel or back.
struct Passed {
    /// As Rust has it.
    rust: TokenStream,
    /// As the linker reads it.
    kernel: String,
    /// Is it something that the verifier does not check, or that the compiler cannot?
    trusted: bool,
}

/// A Rust function that calls the kernel's.
pub fn declare(item: &Function) -> Result<TokenStream, Error> {
    let here = Span::mixed_site();
    let head = &item.head;
    if let Some((name, _)) = item.params.get(MAX_PARAMS) {
        return Err(Error::new(
            name.span(),
            format!("functions of the kernel take at most {MAX_PARAMS} arguments"),
        ));
    }
    let (mut params, mut arguments) = (TokenStream::new(), TokenStream::new());
    let (mut checks, mut signature) = (TokenStream::new(), String::from("fn("));
    let mut is_safe = true;
    for (number, (name, ty)) in item.params.iter().enumerate() {
        let name = match name.to_string().as_str() {
            "_" => Ident::new(&format!("argument{number}"), name.span()),
            _ => name.clone(),
        };
        let passed = passed(ty, name.span())?;
        is_safe &= !passed.trusted;
        if let Type::Pointer(to) = ty {
            checks.extend(must_be_handle(to));
        }
        let label = name.to_string();
        let label = label.strip_prefix("r#").unwrap_or(&label);
        signature.push_str(&format!("{label}:{},", passed.kernel));
        let name = TokenTree::from(name).into();
        params.extend(fill("__0: __1,", here, &[&name, &passed.rust]));
        arguments.extend(fill("__0,", here, &[&name]));
    }
    signature.push(')');
    let unit = fill("()", here, &[]);
    let (mut result, mut raw, mut given) = (unit.clone(), unit, "result");
    if let Some(ty) = &item.result {
        if let Type::Reference { span, .. } = ty {
            return Err(Error::new(
                *span,
                "the kernel gives pointers, which may be null: `*const T` is an `Option` of a \
                 handle here",
            ));
        }
        let passed = passed(ty, head.name.span())?;
        signature.push_str(&format!("->{}", passed.kernel));
        (result, raw) = (passed.rust.clone(), passed.rust);
        if let Some(cut) = cut(&raw.to_string()) {
            raw = fill("u32", here, &[]);
            given = cut;
        }
        if let Type::Pointer(to) = ty {
            checks.extend(must_be_handle(to));
            result = fill("::core::option::Option<__0>", here, &[&result]);
            raw = fill("*const ::core::ffi::c_void", here, &[]);
            given = "if result.is_null() {
                ::core::option::Option::None
            } else {
                ::core::option::Option::Some(::core::convert::From::from(result))
            }";
        }
    }
    let kind = if item.weak { "kfunc_weak" } else { "kfunc" };
    let symbol = format!("hachi:1:{kind}:{}:{signature}", head.kernel_name);
    let name = TokenTree::from(head.name.clone()).into();
    let (qualifier, inner) = match item.says_safe || is_safe {
        true => ("", "safe"),
        false => ("unsafe", ""),
    };
    let mut made = fill(
        &format!(
            "__0
            #[allow(clippy::too_many_arguments, dead_code, non_snake_case, unused_unsafe)]
            #[allow(unexpected_cfgs)]
            #[inline(always)]
            __1 {qualifier} fn __2(__3) -> __4 {{
                __7
                #[cfg(hachi_bpf)]
                let result: __5 = {{
                    unsafe extern \"C\" {{
                        #[link_name = {symbol:?}]
                        {inner} fn kfunc(__3) -> __5;
                    }}
                    unsafe {{ kfunc(__6) }}
                }};
                #[cfg(not(hachi_bpf))]
                let result: __5 = {{
                    let _ = (__6);
                    unsafe {{ ::core::mem::zeroed() }}
                }};
                {given}
            }}"
        ),
        here,
        &[
            &head.attributes,
            &head.visibility,
            &name,
            &params,
            &result,
            &raw,
            &arguments,
            &checks,
        ],
    );
    if item.weak {
        made.extend(exists(item, &signature));
    }
    Ok(made)
}

/// How a `bool` or a short integer comes out of the register that a kernel function returns it in:
/// the machine's calling convention says nothing of the other bits there, while rustc would take
/// them for zeros or the sign.
fn cut(rust: &str) -> Option<&'static str> {
    Some(match rust {
        "bool" => "result as u8 != 0",
        "u8" => "result as u8",
        "i8" => "result as i8",
        "u16" => "result as u16",
        "i16" => "result as i16",
        _ => return None,
    })
}

/// What `kfunc_exists!` asks: a type of the function's name, which is in another namespace.
fn exists(item: &Function, signature: &str) -> TokenStream {
    let head = &item.head;
    let question = format!("hachi:1:kfunc_exists:{}:{signature}", head.kernel_name);
    fill(
        &format!(
            "__2
            #[doc(hidden)]
            #[allow(non_camel_case_types, dead_code)]
            __0 enum __1 {{}}
            __2
            #[allow(dead_code, unexpected_cfgs)]
            impl __1 {{
                #[doc(hidden)]
                #[inline(always)]
                __0 fn exists() -> bool {{
                    #[cfg(hachi_bpf)]
                    return {{
                        unsafe extern \"C\" {{
                            #[link_name = {question:?}]
                            safe fn question() -> u64;
                        }}
                        question() != 0
                    }};
                    #[cfg(not(hachi_bpf))]
                    return false;
                }}
            }}"
        ),
        Span::mixed_site(),
        &[
            &head.visibility,
            &TokenTree::from(head.name.clone()).into(),
            &conditions(&head.attributes),
        ],
    )
}

/// Those of the attributes that say whether there is anything: `#[cfg(…)]`.
fn conditions(attributes: &TokenStream) -> TokenStream {
    let tokens: Vec<TokenTree> = attributes.clone().into_iter().collect();
    let is_cfg = |pair: &&[TokenTree]| match pair {
        [_, TokenTree::Group(group)] => group.stream().to_string().starts_with("cfg"),
        _ => false,
    };
    tokens.chunks(2).filter(is_cfg).flatten().cloned().collect()
}

/// Complains at the type if it is none that `kernel_types!` made.
fn must_be_handle(ty: &TokenStream) -> TokenStream {
    let span = ty.clone().into_iter().next().map(|token| token.span());
    fill(
        "{
            fn is_handle<T: ::core::convert::From<*const ::core::ffi::c_void>>() {}
            is_handle::<__0>();
        }",
        span.unwrap_or(Span::call_site()),
        &[ty],
    )
}

fn passed(ty: &Type, span: Span) -> Result<Passed, Error> {
    Ok(match ty {
        Type::Scalar(tokens) => {
            let text = tokens.to_string();
            Passed {
                rust: without_c(tokens),
                trusted: text.starts_with('*'),
                kernel: text,
            }
        }
        Type::Enum(name) => {
            let text = name.to_string();
            Passed {
                rust: TokenTree::from(name.clone()).into(),
                trusted: false,
                // One without a name is declared by the integer it is.
                kernel: match is_scalar(&text) {
                    true => "enum".to_owned(),
                    false => format!("enum {text}"),
                },
            }
        }
        Type::Pointer(to) => Passed {
            rust: to.clone(),
            trusted: false,
            kernel: format!("*{}", last_segment(to)),
        },
        Type::Reference { mutable, to, span } => {
            let (rust, kernel, plain) = lent(to, *span)?;
            let mutability = if *mutable { "mut" } else { "" };
            Passed {
                rust: fill(&format!("&{mutability} __0"), *span, &[&rust]),
                trusted: *mutable && !plain,
                kernel: format!("*{kernel}"),
            }
        }
        _ => return Err(by_value(span)),
    })
}

/// What the program lends the kernel: the type in Rust, the pointee as the linker reads it, and
/// whether all bytes that the kernel may put there make a value.
fn lent(to: &Type, span: Span) -> Result<(TokenStream, String, bool), Error> {
    Ok(match to {
        Type::Scalar(tokens) => {
            let text = tokens.to_string();
            let plain = !text.starts_with('*') && text != "bool";
            (without_c(tokens), text, plain)
        }
        Type::Named(name) => (name.clone(), last_segment(name), false),
        Type::Array(of, count) => {
            let (of, kernel, plain) = lent(of, span)?;
            let count = count.clone().into();
            (
                fill("[__0; __1]", Span::mixed_site(), &[&of, &count]),
                kernel,
                plain,
            )
        }
        _ => {
            return Err(Error::new(
                span,
                "references are to integers, structures of the program's, and arrays of them; for \
                 what the kernel has, write `*const T` or `*mut T`",
            ));
        }
    })
}

/// The name of a type, without the path to it.
fn last_segment(path: &TokenStream) -> String {
    let last = path.clone().into_iter().last();
    last.map_or_else(String::new, |name| name.to_string())
}

/// A type with C's names as what they are on the eBPF machine.
fn without_c(tokens: &TokenStream) -> TokenStream {
    let mut tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let Some(TokenTree::Ident(last)) = tokens.last() else {
        return tokens.into_iter().collect();
    };
    let (own, span) = (last.to_string(), last.span());
    let Some(rust) = c_type(&own) else {
        return tokens.into_iter().collect();
    };
    // The path to it, if there is one, goes as well.
    let is_path = |token: &TokenTree| {
        let is_qualifier = is_ident(token, "const") || is_ident(token, "mut");
        matches!(token, TokenTree::Ident(_)) && !is_qualifier || is_punct(token, ':')
    };
    while tokens.last().is_some_and(is_path) {
        tokens.pop();
    }
    tokens.extend(fill(rust, span, &[]));
    tokens.into_iter().collect()
}

fn c_type(name: &str) -> Option<&'static str> {
    Some(match name {
        "c_void" => "::core::ffi::c_void",
        "c_char" | "c_schar" => "i8",
        "c_uchar" => "u8",
        "c_short" => "i16",
        "c_ushort" => "u16",
        "c_int" => "i32",
        "c_uint" => "u32",
        "c_long" | "c_longlong" => "i64",
        "c_ulong" | "c_ulonglong" => "u64",
        _ => return None,
    })
}
