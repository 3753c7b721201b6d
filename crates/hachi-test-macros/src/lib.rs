//! The attribute of `hachi-test`; use it from there.

use proc_macro::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};

/// Makes a function one test for each place that can run its programs: the virtual machine (`vm`)
/// and the running kernel (`kernel`).
///
/// The argument is an expression that gives the bytes of the object; the function takes
/// `&mut hachi_test::Bpf`. `only(vm)` or `only(kernel)` behind the object leaves the other out, and
/// `native(…)` adds the programs as functions of the test itself. See `hachi_test::Bpf`.
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    match expand(arguments, item.clone()) {
        Ok(tests) => item.into_iter().chain(tests).collect(),
        Err(problem) => {
            let message = format!("::core::compile_error!({problem:?});");
            let error: TokenStream = message.parse().unwrap_or_default();
            let error = error.into_iter().map(|mut token| {
                token.set_span(Span::call_site());
                token
            });
            item.into_iter().chain(error).collect()
        }
    }
}

/// The module of tests beside the function.
fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream, String> {
    let name = function_name(&item)?;
    let parts = split(arguments);
    let (object, options) = match parts.split_first() {
        Some((object, options)) if !object.is_empty() => (object.clone(), options),
        _ => {
            let usage = "name the object: `#[hachi_test::test(OBJECT)]`";
            return Err(usage.to_owned());
        }
    };
    let (mut vm, mut kernel, mut native) = (true, true, None);
    for option in options {
        let mut tokens = option.clone().into_iter();
        match (tokens.next(), tokens.next(), tokens.next()) {
            (Some(TokenTree::Ident(word)), Some(TokenTree::Group(group)), None)
                if group.delimiter() == Delimiter::Parenthesis =>
            {
                match (
                    word.to_string().as_str(),
                    group.stream().to_string().as_str(),
                ) {
                    ("only", "vm") => kernel = false,
                    ("only", "kernel") => vm = false,
                    ("native", _) => native = Some(group.stream()),
                    _ => return Err(unknown(option)),
                }
            }
            (None, ..) => {}
            _ => return Err(unknown(option)),
        }
    }
    let mut tests = TokenStream::new();
    if vm {
        tests.extend(one("vm", &name, object.clone()));
    }
    if kernel {
        tests.extend(one("kernel", &name, object));
    }
    if let Some(native) = native {
        tests.extend(one("native", &name, native));
    }
    let mut module: TokenStream = "#[cfg(test)] mod".parse().unwrap_or_default();
    module.extend([TokenTree::Ident(name)]);
    let mut body: TokenStream = "#[allow(unused_imports)] use super::*;"
        .parse()
        .unwrap_or_default();
    body.extend(tests);
    module.extend([TokenTree::Group(Group::new(Delimiter::Brace, body))]);
    Ok(module)
}

fn unknown(option: &TokenStream) -> String {
    format!("`{option}` is neither `only(vm)`, `only(kernel)` nor `native(…)`")
}

/// `#[test] fn BACKEND() { ::hachi_test::run_in::BACKEND(OBJECT, super::NAME) }`
fn one(backend: &str, name: &Ident, object: TokenStream) -> TokenStream {
    let mut test: TokenStream = format!("#[::core::prelude::v1::test] fn {backend}()")
        .parse()
        .unwrap_or_default();
    let mut call: TokenStream = format!("::hachi_test::run_in::{backend}")
        .parse()
        .unwrap_or_default();
    let mut arguments = object;
    arguments.extend(", super::".parse::<TokenStream>().unwrap_or_default());
    arguments.extend([TokenTree::Ident(name.clone())]);
    call.extend([TokenTree::Group(Group::new(
        Delimiter::Parenthesis,
        arguments,
    ))]);
    test.extend([TokenTree::Group(Group::new(Delimiter::Brace, call))]);
    test
}

/// The name of the function that stands there.
fn function_name(item: &TokenStream) -> Result<Ident, String> {
    let mut tokens = item.clone().into_iter();
    while let Some(token) = tokens.next() {
        let TokenTree::Ident(word) = token else {
            continue;
        };
        if word.to_string() == "fn"
            && let Some(TokenTree::Ident(name)) = tokens.next()
        {
            return Ok(name);
        }
    }
    Err("`#[hachi_test::test]` stands above a function".to_owned())
}

/// The parts of a list, at its commas.
fn split(tokens: TokenStream) -> Vec<TokenStream> {
    let mut parts = vec![TokenStream::new()];
    for token in tokens {
        match &token {
            TokenTree::Punct(punct) if punct.as_char() == ',' => parts.push(TokenStream::new()),
            _ => {
                if let Some(last) = parts.last_mut() {
                    last.extend([token]);
                }
            }
        }
    }
    parts
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
