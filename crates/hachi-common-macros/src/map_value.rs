//! What `#[derive(MapValue)]` writes.

use proc_macro::{Delimiter, Span, TokenStream, TokenTree};

use crate::{
    parse::{Item, Repr},
    pod::{no_padding, ordered, plain},
    tokens::{Error, fill, is_group, is_punct},
};

pub fn implement(item: &Item) -> Result<TokenStream, Error> {
    ordered(item, "the value of a map")?;
    if !item.parameters.is_empty() || item.repr == Repr::Packed {
        return Err(Error::new(
            item.name.span(),
            format!(
                "`{}` is generic or packed: the value of a map that is used in place is neither",
                item.name
            ),
        ));
    }
    let name = plain(&item.name.to_string()).to_owned();
    let checked = no_padding(
        item,
        &format!("`{name}` cannot be the value of a map"),
        ["Shared<[u8; ", "]>"],
    );
    let mut code = fill(
        "#[automatically_derived]
        unsafe impl __0 for __1 {
            type Ref<'a> = &'a Self;
            type Cell = Self;

            #[inline(always)]
            unsafe fn look<'a>(place: *mut Self) -> &'a Self
            where
                Self: 'a,
            {
                unsafe { &*place }
            }

            __2
        }
        const _: () = <__1 as __0>::__CHECKED;",
        Span::mixed_site(),
        &[&item.path, &item.name_tokens(), &checked],
    );
    for field in &item.fields {
        // The compiler names the function whose bound is not met.
        let check = format!("the_field_{}_of_{name}_must_be_shared", plain(&field.name));
        code.extend(fill(
            &format!(
                "const _: fn() = || {{ #[allow(non_snake_case)] \
                 fn {check}<T: __0<Cell = T>>() {{}} {check}::<__1>() }};"
            ),
            field.span,
            &[&item.path, &element(field.ty.clone())],
        ));
    }
    Ok(code)
}

/// The type of an array's elements, or the type itself: what is good for one is good for many.
fn element(ty: TokenStream) -> TokenStream {
    let tokens: Vec<TokenTree> = ty.clone().into_iter().collect();
    let [TokenTree::Group(array)] = &tokens[..] else {
        return ty;
    };
    if !is_group(&tokens[0], Delimiter::Bracket) {
        return ty;
    }
    let elements: Vec<TokenTree> = array.stream().into_iter().collect();
    match elements.iter().rposition(|token| is_punct(token, ';')) {
        Some(end) => element(elements[..end].iter().cloned().collect()),
        None => ty,
    }
}
