//! The little of `quote` and `syn` that is needed here.
//!
//! `hachi-common-macros` and `hachi-ebpf-macros` have the same file: a third crate to share it
//! would cost every build more than the copy does.

use proc_macro::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};

/// Something is wrong with the item the macro stands on.
pub struct Error {
    span: Span,
    message: String,
}

impl Error {
    pub fn new(span: Span, message: impl Into<String>) -> Self {
        Error {
            span,
            message: message.into(),
        }
    }

    /// The code that makes the compiler report the error at its place.
    pub fn into_compile_error(self) -> TokenStream {
        let mut message = Literal::string(&self.message);
        message.set_span(self.span);
        let mut call = Group::new(Delimiter::Brace, TokenTree::from(message).into());
        call.set_span(self.span);
        let path = ["core", "compile_error"].into_iter().flat_map(|name| {
            let colon = |spacing| {
                let mut punct = Punct::new(':', spacing);
                punct.set_span(self.span);
                TokenTree::from(punct)
            };
            [
                colon(Spacing::Joint),
                colon(Spacing::Alone),
                Ident::new(name, self.span).into(),
            ]
        });
        let mut bang = Punct::new('!', Spacing::Alone);
        bang.set_span(self.span);
        path.chain([TokenTree::from(bang), TokenTree::from(call)])
            .collect()
    }
}

/// Parses `code`, a piece of Rust written in this crate, puts `args` in place of the identifiers
/// `__0`, `__1` …, and gives all else the place of `span` (so that errors point there) but the
/// hygiene of a macro.
pub fn fill(code: &str, span: Span, args: &[&TokenStream]) -> TokenStream {
    let code: TokenStream = code
        .parse()
        .expect("the macro's own code has balanced brackets");
    replace(code, Span::mixed_site().located_at(span), args)
}

fn replace(code: TokenStream, span: Span, args: &[&TokenStream]) -> TokenStream {
    let mut out = TokenStream::new();
    for mut token in code {
        match &mut token {
            TokenTree::Ident(ident) => {
                let name = ident.to_string();
                let arg = name
                    .strip_prefix("__")
                    .and_then(|n| n.parse::<usize>().ok());
                if let Some(arg) = arg {
                    out.extend(args[arg].clone());
                    continue;
                }
                ident.set_span(span);
            }
            TokenTree::Group(group) => {
                let mut new = Group::new(group.delimiter(), replace(group.stream(), span, args));
                new.set_span(span);
                *group = new;
            }
            TokenTree::Punct(punct) => punct.set_span(span),
            TokenTree::Literal(literal) => literal.set_span(span),
        }
        out.extend([token]);
    }
    out
}

/// Splits at the commas that stand outside of `<…>`. Nothing follows a last comma.
pub fn split_commas(tokens: impl IntoIterator<Item = TokenTree>) -> Vec<Vec<TokenTree>> {
    let mut parts = vec![Vec::new()];
    let mut angles = Angles::default();
    for token in tokens {
        if angles.outside() && is_punct(&token, ',') {
            parts.push(Vec::new());
        } else {
            angles.see(&token);
            parts.last_mut().expect("starts with one part").push(token);
        }
    }
    if parts.last().is_some_and(Vec::is_empty) {
        parts.pop();
    }
    parts
}

/// Counts angle brackets, which unlike the others do not make groups.
#[derive(Default)]
pub struct Angles {
    depth: usize,
    /// The last token was the `-` of what may be an `->`.
    dash: bool,
}

impl Angles {
    pub fn see(&mut self, token: &TokenTree) {
        if is_punct(token, '<') {
            self.depth += 1;
        } else if is_punct(token, '>') && !self.dash {
            self.depth = self.depth.saturating_sub(1);
        }
        self.dash = match token {
            TokenTree::Punct(punct) => punct.as_char() == '-' && punct.spacing() == Spacing::Joint,
            _ => false,
        };
    }

    pub fn outside(&self) -> bool {
        self.depth == 0
    }
}

pub fn is_punct(token: &TokenTree, c: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == c)
}

pub fn is_group(token: &TokenTree, delimiter: Delimiter) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == delimiter)
}

pub fn is_ident(token: &TokenTree, name: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident.to_string() == name)
}
