//! The derive macro of `hachi_common::Pod`.
use proc_macro::TokenStream;
#[proc_macro_derive(Pod)]
pub fn derive_pod(_: TokenStream) -> TokenStream {
    TokenStream::new()
}
