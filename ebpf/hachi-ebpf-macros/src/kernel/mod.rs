//! `kernel_types!` and `#[kfunc]`: declarations of the kernel's types and functions.
//!
//! `parse` reads the declarations, `types`, `functions`, `kfunc` and `ops` write the code for them.

mod functions;
mod kfunc;
mod ops;
mod parse;
#[path = "generated/scalars.rs"]
mod scalars;
mod types;

use proc_macro::{TokenStream, TokenTree};

use crate::tokens::Error;
pub use kfunc::expand as expand_kfunc;
pub use ops::entry as ops_entry;
use parse::Item;

/// Expands `(crate) items…`, where `crate` is what the library is called here.
pub fn expand(input: TokenStream) -> Result<TokenStream, Error> {
    let mut input = input.into_iter();
    let Some(TokenTree::Group(library)) = input.next() else {
        unreachable!("`kernel_types!` puts the crate first");
    };
    let library = library.stream();
    let mut code = TokenStream::new();
    for item in parse::items(input.collect())? {
        code.extend(match item {
            Item::Composite(composite) => types::composite(&library, &composite),
            Item::Enum(item) => types::enumeration(&library, &item),
            Item::Function(item) => functions::arguments(&library, &item)?,
            Item::Kfunc(item) => kfunc::declare(&item)?,
            Item::Ops(item) => ops::declaration(&library, &item)?,
        });
    }
    Ok(code)
}
