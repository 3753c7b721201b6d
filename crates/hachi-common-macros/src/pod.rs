//! What `#[derive(Pod)]` writes.

use proc_macro::{Span, TokenStream};

use crate::{
    parse::{Field, Item, Repr},
    tokens::{Error, fill},
};

pub fn implement(item: Item) -> Result<TokenStream, Error> {
    ordered(&item, "`Pod`")?;
    let generic = !item.parameters.is_empty();
    if generic && item.repr == Repr::C {
        return Err(Error::new(
            item.name.span(),
            format!(
                "`{}` is generic, so whether it has padding depends on its parameters: `Pod` \
                 needs `#[repr(C, packed)]` or `#[repr(transparent)]` here",
                item.name
            ),
        ));
    }
    let mut code = TokenStream::new();
    let mut fields = fields(&item);
    if item.repr == Repr::C {
        let what = format!("`{}` is not `Pod`", plain(&item.name.to_string()));
        fields.extend(no_padding(&item, &what, ["[u8; ", "]"]));
    }
    if generic {
        let bounds = item
            .fields
            .iter()
            .map(|field| fill("__0: __1,", field.span, &[&field.ty, &item.path]))
            .collect();
        code.extend(fill(
            "#[automatically_derived] unsafe impl<__0> __1 for __2<__3> where __4 __5 { __6 }",
            Span::mixed_site(),
            &[
                &item.parameters,
                &item.path,
                &item.name_tokens(),
                &item.arguments,
                &item.predicates,
                &bounds,
                &fields,
            ],
        ));
    } else {
        code.extend(fill(
            "#[automatically_derived] unsafe impl __0 for __1 { __2 }",
            Span::mixed_site(),
            &[&item.path, &item.name_tokens(), &fields],
        ));
        for field in &item.fields {
            // The compiler names the function whose bound is not met.
            let check = format!(
                "the_field_{}_of_{}_must_be_pod",
                plain(&field.name),
                plain(&item.name.to_string())
            );
            code.extend(fill(
                &format!(
                    "const _: fn() = || {{ #[allow(non_snake_case)] fn {check}<T: __0>() \
                          {{}} {check}::<__1>() }};"
                ),
                field.span,
                &[&item.path, &field.ty],
            ));
        }
        if item.repr == Repr::C {
            code.extend(fill(
                "const _: () = <__0 as __1>::__CHECKED;",
                item.name.span(),
                &[&item.name_tokens(), &item.path],
            ));
        }
    }
    Ok(code)
}

/// The constant that tells the fields.
fn fields(item: &Item) -> TokenStream {
    let each = item
        .fields
        .iter()
        .map(|field| {
            let name = field.name.trim_start_matches("r#");
            fill(
                &format!(
                    "Self::Field {{ name: {name:?}, offset: ::core::mem::offset_of!(Self, \
                          __0), layout: <__1 as __2>::LAYOUT }},"
                ),
                field.span,
                &[&field.name_tokens(), &field.ty, &item.path],
            )
        })
        .collect();
    fill(
        "const FIELDS: &'static [Self::Field] = &[__0];",
        Span::mixed_site(),
        &[&each],
    )
}

/// A constant that does not compile when there is padding: each field must end where the next one
/// starts, and the last with the struct. `what` is what the struct is not then. `filling` is the
/// type of a field that fills the padding: the text before and after the number of bytes.
pub fn no_padding(item: &Item, what: &str, filling: [&str; 2]) -> TokenStream {
    let mut checks = TokenStream::new();
    for (position, field) in item.fields.iter().enumerate() {
        let next = item.fields.get(position + 1);
        let next_name = next.map(Field::name_tokens).unwrap_or_default();
        let (next_place, next_text) = match next {
            Some(next) => (
                "::core::mem::offset_of!(Self, __2)",
                format!("::core::option::Option::Some({:?})", plain(&next.name)),
            ),
            None => (
                "::core::mem::size_of::<Self>()",
                "::core::option::Option::None".to_owned(),
            ),
        };
        checks.extend(fill(
            &format!(
                "<Self::Field>::no_padding({what:?}, {:?}, \
                 ::core::mem::offset_of!(Self, __0) + ::core::mem::size_of::<__1>(), \
                 {next_place}, {next_text}, {filling:?});",
                plain(&field.name),
            ),
            field.span,
            &[&field.name_tokens(), &field.ty, &next_name],
        ));
    }
    fill(
        "const __CHECKED: () = { __0 };",
        Span::mixed_site(),
        &[&checks],
    )
}

/// A name as it is written in a message.
pub fn plain(name: &str) -> &str {
    name.trim_start_matches("r#")
}

/// Refuses a struct whose fields the compiler may order.
pub fn ordered(item: &Item, what: &str) -> Result<(), Error> {
    if item.repr != Repr::Rust {
        return Ok(());
    }
    Err(Error::new(
        item.name.span(),
        format!(
            "`{}` needs `#[repr(C)]` to be {what}: without it the compiler may order the fields as \
             it likes",
            item.name
        ),
    ))
}
