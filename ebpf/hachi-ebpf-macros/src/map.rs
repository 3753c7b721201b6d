//! `#[map]`

use proc_macro::{Span, TokenStream, TokenTree};

use crate::args;
use crate::function::export;
use crate::tokens::{Error, fill, is_ident};

pub fn expand(attribute: TokenStream, item: TokenStream) -> Result<TokenStream, Error> {
    let mut name = None;
    for arg in args::parse(attribute)? {
        if arg.key.to_string() != "name" {
            return Err(Error::new(arg.key.span(), "`#[map]` knows `name = \"…\"`"));
        }
        let text = arg.into_text()?;
        args::check_name(&text)?;
        name = Some(text);
    }
    let mut tokens: Vec<TokenTree> = item.into_iter().collect();
    let Some(at) = tokens.iter().position(|token| is_ident(token, "static")) else {
        let span = tokens.first().map_or(Span::call_site(), TokenTree::span);
        return Err(Error::new(
            span,
            "a map is a static: `static NAME: HashMap<u32, u64> = HashMap::with_max_entries(1024, \
             0);`",
        ));
    };
    // Programs written for Aya may say `mut`. No method of a map needs it.
    if tokens
        .get(at + 1)
        .is_some_and(|token| is_ident(token, "mut"))
    {
        tokens.remove(at + 1);
    }
    let own = match tokens.get(at + 1) {
        Some(token) => token.to_string(),
        None => return Err(Error::new(Span::call_site(), "the static has no name")),
    };
    let symbol = name.map_or(own, |name| name.text);
    // Exported, so that the map is made even if no program uses it: user space may count on it.
    let mut code = fill(&export(&symbol, ".maps"), Span::mixed_site(), &[]);
    code.extend(tokens);
    Ok(code)
}
