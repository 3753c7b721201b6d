//! Reads the function that a program attribute stands on, and writes the kernel's entry to it.

use proc_macro::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};

use crate::args::Text;
use crate::tokens::{Error, fill, is_ident, is_punct, split_commas};

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

/// Reads a function; `signature` is what it should look like, for errors.
pub fn parse(item: TokenStream, signature: &str, returns: Returns) -> Result<Function, Error> {
    let expected = |span: Span, what: &str| {
        Error::new(
            span,
            format!("{what}: the program should look like `{signature}`"),
        )
    };
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
    let (context, context_span) = context(&parameters, expected)?;
    let mut result_span = None;
    let mut arrow = false;
    for token in tokens {
        if matches!(&token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace) {
            break;
        }
        if arrow && result_span.is_none() && !is_punct(&token, '>') {
            result_span = Some(token.span());
        }
        arrow |= is_punct(&token, '-');
    }
    if result_span.is_none() && matches!(returns, Returns::Its(_)) {
        return Err(expected(name.span(), "the function returns nothing"));
    }
    Ok(Function {
        name,
        context,
        context_span,
        result_span,
    })
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
    let colon = parameter.iter().position(|token| is_punct(token, ':'));
    let Some((colon, first)) = colon.and_then(|colon| Some((colon, parameter.get(colon + 1)?)))
    else {
        return Err(expected(parameter[0].span(), "the argument has no type"));
    };
    if is_punct(first, '&') {
        return Err(expected(
            first.span(),
            "the context comes by value, not by reference",
        ));
    }
    Ok((
        parameter[colon + 1..].iter().cloned().collect(),
        first.span(),
    ))
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
        // A test calls the function itself, and the name may be one of C's.
        let export = if symbol == section {
            // Of two equal names LLVM makes one symbol, and complains. When rustc compiles for eBPF
            // that is the linker's matter; for the development machine's own target it is LLVM in
            // rustc that complains, and the linker takes the difference out again.
            format!(
                "#[cfg_attr(target_os = \"none\", unsafe(export_name = {symbol:?}))]
                #[cfg_attr(all(not(test), not(target_os = \"none\")), unsafe(export_name = \"{symbol}.hachi\"))]"
            )
        } else {
            format!("#[cfg_attr(not(test), unsafe(export_name = {symbol:?}))]")
        };
        fill(
            // `const _` keeps the name of the entry out of the way of others in the module. A
            // Mach-O section would need a segment as well; objects for the kernel are ELF.
            &format!(
                "const _: () = {{
                    {export}
                    #[cfg_attr(not(target_vendor = \"apple\"), unsafe(link_section = {section:?}))]
                    #[allow(unused_unsafe, clippy::let_unit_value)]
                    #[cfg_attr(test, allow(dead_code))]
                    extern \"C\" fn program(context: *mut ::core::ffi::c_void) -> {ty} __0
                }};"
            ),
            Span::mixed_site(),
            &[&body],
        )
    }
}
