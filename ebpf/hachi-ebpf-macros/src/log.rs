//! Names in the placeholders of log messages: `info!("{port:x}")` becomes `info!("{:x}", port)`.
//!
//! Formats in object files know no names; what is behind them is decided here, where the variables
//! are.

use proc_macro::{Delimiter, Group, Ident, Literal, Span, TokenStream, TokenTree};

use crate::tokens::{Error, fill};

/// Takes `$crate [level] [target] format (argument)…` and calls `__log_site!` of that crate.
pub fn expand(input: TokenStream) -> Result<TokenStream, Error> {
    let mut tokens = input.into_iter();
    let mut next = || {
        tokens
            .next()
            .map(unwrapped)
            .ok_or_else(|| Error::new(Span::call_site(), "a log message without a format string"))
    };
    let (root, level, target, format) = (next()?, next()?, next()?, next()?);
    let TokenTree::Literal(format) = format else {
        return Err(Error::new(
            format.span(),
            "the format string of a log message is a literal",
        ));
    };
    let explicit: Vec<TokenTree> = tokens.collect();
    let (format, arguments) = named(format, explicit)?;
    let stream = |tree: TokenTree| TokenStream::from(tree);
    let inner = |tree: TokenTree| match tree {
        TokenTree::Group(group) => group.stream(),
        other => other.into(),
    };
    let mut list = TokenStream::new();
    for argument in arguments {
        list.extend(fill(", __0", Span::mixed_site(), &[&inner(argument)]));
    }
    Ok(fill(
        "__0::__log_site! { [__1] __2, __3 __4 }",
        Span::mixed_site(),
        &[
            &stream(root),
            &inner(level),
            &inner(target),
            &stream(format.into()),
            &list,
        ],
    ))
}

/// What a macro by example matched comes in a group without delimiters.
fn unwrapped(tree: TokenTree) -> TokenTree {
    match &tree {
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
            match group.stream().into_iter().next() {
                Some(inner) => unwrapped(inner),
                None => tree,
            }
        }
        _ => tree,
    }
}

/// The format without names, and all arguments in the order of the placeholders.
fn named(format: Literal, explicit: Vec<TokenTree>) -> Result<(Literal, Vec<TokenTree>), Error> {
    let span = format.span();
    let source = format.to_string();
    let raw = source.starts_with('r');
    let mut explicit = explicit.into_iter();
    let (mut text, mut arguments) = (String::with_capacity(source.len()), Vec::new());
    let mut found = false;
    let mut rest = source.as_str();
    while let Some(at) = rest.find(['{', '}', '\\']) {
        let (head, tail) = rest.split_at(at);
        text.push_str(head);
        // `\u{1f41d}`, other escapes, and doubled braces are no placeholders.
        let plain = if tail.starts_with('\\') {
            match tail.find('}') {
                _ if raw => 1,
                Some(end) if tail.starts_with("\\u{") => end + 1,
                _ => 2,
            }
        } else if tail.starts_with("{{") {
            2
        } else if tail.starts_with('{') {
            0
        } else {
            1
        };
        if plain > 0 {
            let end = tail
                .char_indices()
                .nth(plain)
                .map_or(tail.len(), |(i, _)| i);
            let end = if plain > 2 { plain } else { end };
            text.push_str(&tail[..end]);
            rest = &tail[end..];
            continue;
        }
        let Some(end) = tail.find('}') else {
            // Said where the format is checked.
            break;
        };
        let body = &tail[1..end];
        let (name, hint) = match body.find(':') {
            Some(colon) => body.split_at(colon),
            None => (body, ""),
        };
        if is_name(name) {
            found = true;
            let variable = TokenTree::from(Ident::new(name, span));
            arguments.push(Group::new(Delimiter::Parenthesis, variable.into()).into());
            text.push('{');
            text.push_str(hint);
            text.push('}');
        } else {
            arguments.extend(explicit.next());
            text.push_str(&tail[..=end]);
        }
        rest = &tail[end + 1..];
    }
    text.push_str(rest);
    // Too many; that is said where they are counted.
    arguments.extend(explicit);
    if !found {
        return Ok((format, arguments));
    }
    let mut format: Literal = text
        .parse()
        .map_err(|_| Error::new(span, "not a format string"))?;
    format.set_span(span);
    Ok((format, arguments))
}

fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c == '_' || c.is_alphabetic())
        && chars.all(|c| c == '_' || c.is_alphanumeric())
}
