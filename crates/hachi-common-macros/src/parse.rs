//! Reads the struct that `#[derive(Pod)]` stands on, and the enum of `#[derive(Shareable)]`.

use std::iter::Peekable;

use proc_macro::{Delimiter, Group, Ident, Literal, Span, TokenStream, TokenTree};

use crate::tokens::{Angles, Error, is_group, is_ident, is_punct, split_commas};

/// How the struct is laid out, as far as it matters here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Repr {
    Rust,
    C,
    /// `repr(C, packed)`: there cannot be padding.
    Packed,
    Transparent,
}

pub struct Item {
    pub name: Ident,
    pub repr: Repr,
    /// The trait's path.
    pub path: TokenStream,
    /// The generic parameters as an `impl` wants them: with bounds, without defaults.
    pub parameters: TokenStream,
    /// The parameters' names alone.
    pub arguments: TokenStream,
    /// The conditions of the `where` clause, ending with a comma if there are any.
    pub predicates: TokenStream,
    pub fields: Vec<Field>,
}

impl Item {
    pub fn name_tokens(&self) -> TokenStream {
        TokenTree::from(self.name.clone()).into()
    }
}

pub struct Field {
    /// The name, or the number in a tuple struct.
    pub name: String,
    pub span: Span,
    pub ty: TokenStream,
}

impl Field {
    pub fn name_tokens(&self) -> TokenStream {
        let token = match self.name.parse::<usize>() {
            Ok(number) => TokenTree::from(Literal::usize_unsuffixed(number)),
            Err(_) => match self.name.strip_prefix("r#") {
                Some(raw) => Ident::new_raw(raw, self.span).into(),
                None => Ident::new(&self.name, self.span).into(),
            },
        };
        token.into()
    }
}

type Tokens = Peekable<proc_macro::token_stream::IntoIter>;

/// A trait that structs derive, and what is said about those that are none.
pub struct Derived {
    name: &'static str,
    of_enum: &'static str,
    of_union: &'static str,
    of_lifetime: &'static str,
}

pub const POD: Derived = Derived {
    name: "Pod",
    of_enum: "an enum cannot be `Pod`, since not all patterns of bits are variants: derive \
              `Shareable`, and in the structs that have it as a field write `Stored<…>`",
    of_union: "a union cannot be `Pod`, since some of its bytes may be uninitialised: use a byte \
               array and convert",
    of_lifetime: "a struct with a lifetime cannot be `Pod`: references mean nothing to the other \
                  side",
};

pub const MAP_VALUE: Derived = Derived {
    name: "MapValue",
    of_enum: "an enum without data derives `Shareable`, and is the value of a map then",
    of_union: "a union cannot be the value of a map, since some of its bytes may be \
               uninitialised",
    of_lifetime: "a struct with a lifetime cannot be the value of a map: it outlives the program",
};

pub fn item(input: TokenStream, derived: &Derived) -> Result<Item, Error> {
    let mut tokens = input.into_iter().peekable();
    let Attributes { repr, path, .. } = attributes(&mut tokens, derived.name)?;
    skip_visibility(&mut tokens);
    match tokens.next() {
        Some(token) if is_ident(&token, "struct") => {}
        Some(token) if is_ident(&token, "enum") => {
            return Err(Error::new(token.span(), derived.of_enum));
        }
        Some(token) if is_ident(&token, "union") => {
            return Err(Error::new(token.span(), derived.of_union));
        }
        _ => {
            return Err(Error::new(
                Span::call_site(),
                format!("`{}` is for structs", derived.name),
            ));
        }
    }
    let Some(TokenTree::Ident(name)) = tokens.next() else {
        return Err(Error::new(
            Span::call_site(),
            "expected the name of a struct",
        ));
    };
    let (parameters, arguments) = generics(&mut tokens, derived)?;
    let mut predicates = predicates(&mut tokens);
    let fields = match tokens.next() {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => named(&group)?,
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis => {
            predicates.extend(self::predicates(&mut tokens));
            unnamed(&group)?
        }
        // `struct Unit;`
        _ => Vec::new(),
    };
    Ok(Item {
        name,
        repr,
        path,
        parameters,
        arguments,
        predicates,
        fields,
    })
}

/// An enum without data.
pub struct Enumeration {
    pub name: Ident,
    /// The integer it is stored as.
    pub repr: Ident,
    /// The trait's path.
    pub shareable: TokenStream,
    pub variants: Vec<Ident>,
}

const INTEGERS: [&str; 10] = [
    "u8", "u16", "u32", "u64", "usize", "i8", "i16", "i32", "i64", "isize",
];

pub fn enumeration(input: TokenStream) -> Result<Enumeration, Error> {
    let mut tokens = input.into_iter().peekable();
    let attributes = attributes(&mut tokens, "Shareable")?;
    skip_visibility(&mut tokens);
    match tokens.next() {
        Some(token) if is_ident(&token, "enum") => {}
        Some(token) => {
            return Err(Error::new(
                token.span(),
                "`Shareable` is for enums without data; a struct of plain data derives `Pod`",
            ));
        }
        None => return Err(Error::new(Span::call_site(), "`Shareable` is for enums")),
    }
    let (Some(TokenTree::Ident(name)), Some(body)) = (tokens.next(), tokens.next()) else {
        return Err(Error::new(Span::call_site(), "expected an enum"));
    };
    let TokenTree::Group(body) = body else {
        return Err(Error::new(
            body.span(),
            format!("`{name}` has parameters: `Shareable` is for enums without data"),
        ));
    };
    let Some(repr) = attributes.integer else {
        return Err(Error::new(
            name.span(),
            format!(
                "`{name}` needs an integer as its `repr` to be `Shareable`: write `#[repr(u8)]`, \
                 say, and the number of each variant"
            ),
        ));
    };
    let variants = split_commas(body.stream())
        .into_iter()
        .map(|variant| {
            let mut variant = without_attributes(variant);
            let Some(TokenTree::Ident(variant_name)) = variant.next() else {
                return Err(Error::new(body.span(), "expected variants"));
            };
            match variant.next() {
                Some(TokenTree::Group(group)) => Err(Error::new(
                    group.span(),
                    format!(
                        "the variant `{variant_name}` of `{name}` has data, so not all its bytes \
                         mean the same: keep the data in fields of a struct, beside the enum"
                    ),
                )),
                _ => Ok(variant_name),
            }
        })
        .collect::<Result<_, _>>()?;
    Ok(Enumeration {
        name,
        repr,
        shareable: attributes.path,
        variants,
    })
}

/// What the attributes in front of an item say.
struct Attributes {
    repr: Repr,
    /// The integer that an enum is.
    integer: Option<Ident>,
    /// The trait's path.
    path: TokenStream,
}

/// Reads the attributes in front of an item: its `repr`, and the path of the trait `name` from
/// `#[pod(crate = …)]` or the like.
fn attributes(tokens: &mut Tokens, name: &str) -> Result<Attributes, Error> {
    let (mut c, mut packed, mut transparent) = (false, false, false);
    let mut integer = None;
    let helper = name.to_lowercase();
    // To write `#[derive(Pod)]` one has imported that name, and the trait has the same.
    let mut path: TokenStream = TokenTree::from(Ident::new(name, Span::call_site())).into();
    while let Some(attribute) = next_attribute(tokens) {
        let mut attribute = attribute.stream().into_iter();
        let (Some(attribute), Some(TokenTree::Group(args))) = (attribute.next(), attribute.next())
        else {
            continue;
        };
        if is_ident(&attribute, "repr") {
            for hint in split_commas(args.stream()) {
                c |= is_ident(&hint[0], "C");
                // `packed(2)` can have padding.
                packed |= is_ident(&hint[0], "packed") && hint.len() == 1;
                transparent |= is_ident(&hint[0], "transparent");
                if let TokenTree::Ident(hint) = &hint[0]
                    && INTEGERS.contains(&hint.to_string().as_str())
                {
                    integer = Some(hint.clone());
                }
            }
        } else if is_ident(&attribute, &helper) {
            let mut args = args.stream().into_iter();
            match (args.next(), args.next()) {
                (Some(key), Some(equals)) if is_ident(&key, "crate") && is_punct(&equals, '=') => {
                    let name = format!("::{name}");
                    path = args
                        .chain(name.parse::<TokenStream>().expect("a path"))
                        .collect();
                }
                _ => {
                    return Err(Error::new(
                        attribute.span(),
                        format!("expected `#[{helper}(crate = path::to::hachi_common)]`"),
                    ));
                }
            }
        }
    }
    let repr = match (transparent, c, packed) {
        (true, ..) => Repr::Transparent,
        (_, true, true) => Repr::Packed,
        (_, true, false) => Repr::C,
        _ => Repr::Rust,
    };
    Ok(Attributes {
        repr,
        integer,
        path,
    })
}

/// The bracketed part of the next attribute, if one comes next.
fn next_attribute(tokens: &mut Tokens) -> Option<Group> {
    tokens.next_if(|token| is_punct(token, '#'))?;
    match tokens.next() {
        Some(TokenTree::Group(group)) => Some(group),
        _ => None,
    }
}

fn skip_visibility(tokens: &mut Tokens) {
    // A `$vis` of a macro_rules comes as a group without delimiters, possibly empty.
    if tokens
        .next_if(|token| is_group(token, Delimiter::None))
        .is_some()
    {
        return;
    }
    if tokens.next_if(|token| is_ident(token, "pub")).is_some() {
        tokens.next_if(|token| is_group(token, Delimiter::Parenthesis));
    }
}

/// Reads `<…>` if it comes next: the parameters without their defaults, and their names.
fn generics(tokens: &mut Tokens, derived: &Derived) -> Result<(TokenStream, TokenStream), Error> {
    let (mut parameters, mut arguments) = (TokenStream::new(), TokenStream::new());
    if tokens.next_if(|token| is_punct(token, '<')).is_none() {
        return Ok((parameters, arguments));
    }
    let mut angles = Angles::default();
    let mut inside = Vec::new();
    for token in tokens {
        if angles.outside() && is_punct(&token, '>') {
            break;
        }
        angles.see(&token);
        inside.push(token);
    }
    for parameter in split_commas(inside) {
        if is_punct(&parameter[0], '\'') {
            return Err(Error::new(parameter[0].span(), derived.of_lifetime));
        }
        let name = usize::from(is_ident(&parameter[0], "const"));
        arguments.extend(parameter.get(name).cloned());
        arguments.extend(comma());
        let mut angles = Angles::default();
        parameters.extend(parameter.into_iter().take_while(|token| {
            let default = angles.outside() && is_punct(token, '=');
            angles.see(token);
            !default
        }));
        parameters.extend(comma());
    }
    Ok((parameters, arguments))
}

fn comma() -> TokenStream {
    ",".parse().expect("a comma")
}

/// Reads the conditions of a `where` clause if it comes next.
fn predicates(tokens: &mut Tokens) -> TokenStream {
    let mut predicates = Vec::new();
    if tokens.next_if(|token| is_ident(token, "where")).is_some() {
        let end = |token: &TokenTree| is_punct(token, ';') || is_group(token, Delimiter::Brace);
        while let Some(token) = tokens.next_if(|token| !end(token)) {
            predicates.push(token);
        }
    }
    split_commas(predicates)
        .into_iter()
        .flat_map(|predicate| {
            predicate
                .into_iter()
                .collect::<TokenStream>()
                .into_iter()
                .chain(comma())
        })
        .collect()
}

fn named(group: &Group) -> Result<Vec<Field>, Error> {
    split_commas(group.stream())
        .into_iter()
        .map(|field| {
            let mut field = without_attributes(field);
            match (field.next(), field.next()) {
                (Some(TokenTree::Ident(name)), Some(colon)) if is_punct(&colon, ':') => Ok(Field {
                    name: name.to_string(),
                    span: name.span(),
                    ty: field.collect(),
                }),
                _ => Err(Error::new(
                    group.span(),
                    "expected fields such as `name: Type`",
                )),
            }
        })
        .collect()
}

fn unnamed(group: &Group) -> Result<Vec<Field>, Error> {
    split_commas(group.stream())
        .into_iter()
        .enumerate()
        .map(|(number, field)| {
            let ty: TokenStream = without_attributes(field).collect();
            let span = ty
                .clone()
                .into_iter()
                .next()
                .map_or(group.span(), |token| token.span());
            Ok(Field {
                name: number.to_string(),
                span,
                ty,
            })
        })
        .collect()
}

/// What follows the attributes and the visibility of a field.
fn without_attributes(field: Vec<TokenTree>) -> Tokens {
    let mut tokens = field
        .into_iter()
        .collect::<TokenStream>()
        .into_iter()
        .peekable();
    while next_attribute(&mut tokens).is_some() {}
    skip_visibility(&mut tokens);
    tokens
}
