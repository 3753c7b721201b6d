//! Reads the function that a program attribute stands on, and writes the kernel's entry to it.

use proc_macro::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};

use crate::args::Text;
use crate::tokens::{Error, fill, is_group, is_ident, is_punct, split_commas};

/// A function with one argument.
pub struct Function {
    pub name: Ident,
    /// The type of the argument.
    context: TokenStream,
    context_span: Span,
    /// Where the type of the result stands, if the function has one.
    result_span: Option<Span>,
}

/// What a program returns to the kernel.
#[derive(Clone, Copy)]
pub enum Returns {
    /// What the function returns, which must be of this type.
    Its(&'static str),
    /// 0: the kernel wants nothing else, and the function may return what it likes.
    Zero,
}

/// What stands between a function's attributes and its body.
pub struct Signature {
    pub name: Ident,
    pub parameters: Group,
    /// The type of the result, if there is one.
    pub result: Vec<TokenTree>,
}

/// An error at a place, which also says what the program should look like.
fn expected(signature: &str) -> impl Fn(Span, &str) -> Error {
    move |span, what| {
        Error::new(
            span,
            format!("{what}: the program should look like `{signature}`"),
        )
    }
}

/// Reads the head of a function; `looks` is what the function should look like, for errors.
pub fn signature(item: TokenStream, looks: &str) -> Result<Signature, Error> {
    let expected = expected(looks);
    let mut tokens = item.into_iter();
    // Attributes, visibility and qualifiers stand before `fn`.
    let mut last = Span::call_site();
    loop {
        match tokens.next() {
            Some(token) if is_ident(&token, "fn") => break,
            Some(token) if is_ident(&token, "async") || is_ident(&token, "extern") => {
                return Err(expected(
                    token.span(),
                    &format!("`{token}` has no meaning here"),
                ));
            }
            Some(token) => last = token.span(),
            None => return Err(expected(last, "this is no function")),
        }
    }
    let Some(TokenTree::Ident(name)) = tokens.next() else {
        return Err(expected(last, "the function has no name"));
    };
    let parameters = match tokens.next() {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis => group,
        Some(token) => {
            return Err(expected(
                token.span(),
                "the kernel calls no generic function",
            ));
        }
        None => return Err(expected(name.span(), "the function has no parameters")),
    };
    let mut result = Vec::new();
    let mut arrow = false;
    for token in tokens {
        if is_group(&token, Delimiter::Brace) || is_ident(&token, "where") {
            break;
        }
        if arrow && !(result.is_empty() && is_punct(&token, '>')) {
            result.push(token.clone());
        }
        arrow |= is_punct(&token, '-');
    }
    Ok(Signature {
        name,
        parameters,
        result,
    })
}

/// Reads a function; `looks` is what it should look like, for errors.
pub fn parse(item: TokenStream, looks: &str, returns: Returns) -> Result<Function, Error> {
    let signature = signature(item, looks)?;
    let expected = expected(looks);
    let (context, context_span) = context(&signature.parameters, &expected)?;
    if signature.result.is_empty() && matches!(returns, Returns::Its(_)) {
        return Err(expected(
            signature.name.span(),
            "the function returns nothing",
        ));
    }
    if let Some(token) = fallible(&signature.result).filter(|_| matches!(returns, Returns::Its(_)))
    {
        return Err(expected(
            token.span(),
            &format!(
                "the kernel takes a number and no `{token}` (what uses `?` can be a function that \
                 this one calls)"
            ),
        ));
    }
    Ok(Function {
        name: signature.name,
        context,
        context_span,
        result_span: signature.result.first().map(TokenTree::span),
    })
}

/// The name of the type in `Result<…>` or `Option<…>`, with or without a path before it.
fn fallible(ty: &[TokenTree]) -> Option<&TokenTree> {
    let open = ty.iter().position(|token| is_punct(token, '<'))?;
    let name = ty.get(open.checked_sub(1)?)?;
    (is_ident(name, "Result") || is_ident(name, "Option")).then_some(name)
}

/// The type of the only parameter, and its place.
fn context(
    parameters: &Group,
    expected: impl Fn(Span, &str) -> Error,
) -> Result<(TokenStream, Span), Error> {
    let list = split_commas(parameters.stream());
    let [parameter] = &list[..] else {
        let span = list
            .get(1)
            .map_or(parameters.span(), |second| second[0].span());
        return Err(expected(
            span,
            "the kernel calls the function with one argument, the context",
        ));
    };
    let Some(ty @ [first, ..]) = type_of(parameter) else {
        return Err(expected(parameter[0].span(), "the argument has no type"));
    };
    if is_punct(first, '&') {
        return Err(expected(
            first.span(),
            "the context comes by value, not by reference",
        ));
    }
    Ok((ty.iter().cloned().collect(), first.span()))
}

/// The type of a parameter.
pub fn type_of(parameter: &[TokenTree]) -> Option<&[TokenTree]> {
    let colon = parameter.iter().position(|token| is_punct(token, ':'))?;
    parameter.get(colon + 1..)
}

impl Function {
    /// The function that the kernel calls, in `section` and under `name` or else the function's
    /// own.
    pub fn entry(&self, section: &str, name: Option<&Text>, returns: Returns) -> TokenStream {
        let own = self.name.to_string();
        let own = own.strip_prefix("r#").unwrap_or(&own);
        let symbol = name.map_or(own, |name| &name.text);
        // The parts carry the places of what they are made from, so that the compiler's complaints
        // about types point there.
        let function: TokenStream = TokenTree::from(self.name.clone()).into();
        let context = fill("<__0>::new", self.context_span, &[&self.context]);
        let span = self.result_span.unwrap_or(self.name.span());
        let call = fill("__0(__1(context.cast()))", span, &[&function, &context]);
        let (ty, body) = match returns {
            Returns::Its(ty) => (
                ty,
                format!("{{ let action: {ty} = unsafe {{ __0 }}; action }}"),
            ),
            Returns::Zero => ("u32", "{ let _ = unsafe { __0 }; 0 }".to_owned()),
        };
        let body = fill(&body, span, &[&call]);
        let export = export(symbol, section);
        fill(
            // `const _` keeps the name of the entry out of the way of others in the module, and it
            // is never that of the function, which it would hide.
            &format!(
                "const _: () = {{
                    {export}
                    #[allow(unused_unsafe, clippy::let_unit_value)]
                    extern \"C\" fn entry_of_{own}(context: *mut ::core::ffi::c_void) -> {ty} __0
                }};"
            ),
            Span::mixed_site(),
            &[&body],
        )
    }
}

/// The attributes that put a function or static into the object under the name `symbol`; a test,
/// whose other names may be the same as one of C's, does without.
pub fn export(symbol: &str, section: &str) -> String {
    let name = if symbol == section {
        // Of two equal names LLVM makes one symbol, and complains. When rustc compiles for eBPF
        // that is the linker's matter; for the development machine's own target it is LLVM in rustc
        // that complains, and the linker takes the difference out again.
        format!(
            "#[cfg_attr(target_os = \"none\", unsafe(export_name = {symbol:?}))]
            #[cfg_attr(
                all(not(test), not(target_os = \"none\")),
                unsafe(export_name = \"{symbol}.hachi\")
            )]"
        )
    } else {
        format!("#[cfg_attr(not(test), unsafe(export_name = {symbol:?}))]")
    };
    // A Mach-O section would need a segment as well; objects for the kernel are ELF.
    format!(
        "{name}
        #[cfg_attr(test, allow(dead_code))]
        #[cfg_attr(not(target_vendor = \"apple\"), unsafe(link_section = {section:?}))]"
    )
}
