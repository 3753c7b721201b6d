//! What `#[derive(Shareable)]` writes.

use proc_macro::{Span, TokenStream, TokenTree};

use crate::{parse::Enumeration, tokens::fill};

pub fn implement(item: &Enumeration) -> TokenStream {
    let name: TokenStream = TokenTree::from(item.name.clone()).into();
    let integer: TokenStream = TokenTree::from(item.repr.clone()).into();
    let known = item
        .variants
        .iter()
        .flat_map(|variant| {
            let variant: TokenStream = TokenTree::from(variant.clone()).into();
            fill(
                "|| bits == Self::__0 as __1",
                Span::mixed_site(),
                &[&variant, &integer],
            )
        })
        .collect();
    fill(
        "#[automatically_derived]
        unsafe impl __0 for __1 {
            type Bits = __2;
            type Read = ::core::option::Option<Self>;

            #[inline(always)]
            fn from_bits(bits: __2) -> ::core::option::Option<Self> {
                if false __3 {
                    ::core::option::Option::Some(unsafe {
                        ::core::mem::transmute::<__2, Self>(bits)
                    })
                } else {
                    ::core::option::Option::None
                }
            }
        }",
        Span::mixed_site(),
        &[&item.shareable, &name, &integer, &known],
    )
}
